/*
 * hmm-gpu: the core's trace events as QEMU's
 *
 * One QEMU event for each of the core's, so that `-trace hmm_gpu_fault*` does
 * what one expects. An event that is missing here, or has another number of
 * arguments than in core/events.h, does not compile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-pci.h"
#include "trace.h"

/* Only for the check below: a member for each event, a byte an argument. */
#define HMM_GPU_MEMBER(id, name, nargs, fmt) uint8_t id[nargs];

typedef struct HmmGpuTraceArgs {
    HGPU_TRACE_EVENTS(HMM_GPU_MEMBER)
} HmmGpuTraceArgs;

#define HMM_GPU_NARGS(id, n) \
    QEMU_BUILD_BUG_ON(sizeof_field(HmmGpuTraceArgs, id) != (n))

void hmm_gpu_trace(HmmGpu *s, uint32_t id, const uint64_t *a)
{
    const char *dev = hmm_gpu_name(s);

    switch ((HgpuTraceId)id) {
    case HGPU_TRACE_RESET:
        HMM_GPU_NARGS(RESET, 1);
        trace_hmm_gpu_reset(dev, a[0]);
        break;
    case HGPU_TRACE_REG_READ:
        HMM_GPU_NARGS(REG_READ, 2);
        trace_hmm_gpu_reg_read(dev, a[0], a[1]);
        break;
    case HGPU_TRACE_REG_WRITE:
        HMM_GPU_NARGS(REG_WRITE, 2);
        trace_hmm_gpu_reg_write(dev, a[0], a[1]);
        break;
    case HGPU_TRACE_DOORBELL:
        HMM_GPU_NARGS(DOORBELL, 4);
        trace_hmm_gpu_doorbell(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_DOORBELL_UNCLAIMED:
        HMM_GPU_NARGS(DOORBELL_UNCLAIMED, 2);
        trace_hmm_gpu_doorbell_unclaimed(dev, a[0], a[1]);
        break;
    case HGPU_TRACE_DOORBELL_REFUSED:
        HMM_GPU_NARGS(DOORBELL_REFUSED, 4);
        trace_hmm_gpu_doorbell_refused(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_CTX_STATE:
        HMM_GPU_NARGS(CTX_STATE, 5);
        trace_hmm_gpu_ctx_state(dev, a[0], a[1], a[2], a[3], a[4]);
        break;
    case HGPU_TRACE_CTX_HALT:
        HMM_GPU_NARGS(CTX_HALT, 4);
        trace_hmm_gpu_ctx_halt(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_PACKET:
        HMM_GPU_NARGS(PACKET, 4);
        trace_hmm_gpu_packet(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_FENCE:
        HMM_GPU_NARGS(FENCE, 4);
        trace_hmm_gpu_fence(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_RPTR_WRITEBACK:
        HMM_GPU_NARGS(RPTR_WRITEBACK, 4);
        trace_hmm_gpu_rptr_writeback(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_MQD_MAP:
        HMM_GPU_NARGS(MQD_MAP, 4);
        trace_hmm_gpu_mqd_map(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_MQD_UNMAP:
        HMM_GPU_NARGS(MQD_UNMAP, 4);
        trace_hmm_gpu_mqd_unmap(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_FAULT_RETRY:
        HMM_GPU_NARGS(FAULT_RETRY, 6);
        trace_hmm_gpu_fault_retry(dev, a[0], a[1], a[2], a[3], a[4], a[5]);
        break;
    case HGPU_TRACE_FAULT_AGAIN:
        HMM_GPU_NARGS(FAULT_AGAIN, 6);
        trace_hmm_gpu_fault_again(dev, a[0], a[1], a[2], a[3], a[4], a[5]);
        break;
    case HGPU_TRACE_FAULT_REPLAYED:
        HMM_GPU_NARGS(FAULT_REPLAYED, 4);
        trace_hmm_gpu_fault_replayed(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_FAULT_NORETRY:
        HMM_GPU_NARGS(FAULT_NORETRY, 6);
        trace_hmm_gpu_fault_noretry(dev, a[0], a[1], a[2], a[3], a[4], a[5]);
        break;
    case HGPU_TRACE_BUS_ERROR:
        HMM_GPU_NARGS(BUS_ERROR, 3);
        trace_hmm_gpu_bus_error(dev, a[0], a[1], a[2]);
        break;
    case HGPU_TRACE_TLB_FLUSH:
        HMM_GPU_NARGS(TLB_FLUSH, 3);
        trace_hmm_gpu_tlb_flush(dev, a[0], a[1], a[2]);
        break;
    case HGPU_TRACE_IH_ENTRY:
        HMM_GPU_NARGS(IH_ENTRY, 6);
        trace_hmm_gpu_ih_entry(dev, a[0], a[1], a[2], a[3], a[4], a[5]);
        break;
    case HGPU_TRACE_IH_OVERFLOW:
        HMM_GPU_NARGS(IH_OVERFLOW, 2);
        trace_hmm_gpu_ih_overflow(dev, a[0], a[1]);
        break;
    case HGPU_TRACE_IH_DROP:
        HMM_GPU_NARGS(IH_DROP, 2);
        trace_hmm_gpu_ih_drop(dev, a[0], a[1]);
        break;
    case HGPU_TRACE_IRQ:
        HMM_GPU_NARGS(IRQ, 1);
        trace_hmm_gpu_irq(dev, a[0]);
        break;
    case HGPU_TRACE_VIRGL_JOB:
        HMM_GPU_NARGS(VIRGL_JOB, 6);
        trace_hmm_gpu_virgl_job(dev, a[0], a[1], a[2], a[3], a[4], a[5]);
        break;
    case HGPU_TRACE_VIRGL_STATE:
        HMM_GPU_NARGS(VIRGL_STATE, 3);
        trace_hmm_gpu_virgl_state(dev, a[0], a[1], a[2]);
        break;
    case HGPU_TRACE_VIRGL_END:
        HMM_GPU_NARGS(VIRGL_END, 4);
        trace_hmm_gpu_virgl_end(dev, a[0], a[1], a[2], a[3]);
        break;
    case HGPU_TRACE_VIRGL_RENDERER:
        HMM_GPU_NARGS(VIRGL_RENDERER, 2);
        trace_hmm_gpu_virgl_renderer(dev, a[0], a[1]);
        break;
    case HGPU_TRACE_COUNT:
        break;
    }
}
