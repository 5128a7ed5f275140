/*
 * hmm-gpu: the saved state (section 8 of protocol/SPEC.md)
 *
 * Everything in HgpuState, field by field; what a field means is the core's
 * affair, and so is the check of every value after a load. VRAM is a RAM block
 * and migrates as one. The TLB and the turns on the main loop are not saved:
 * the core walks again and asks for its turns and its timer on load.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/pci/msix.h"
#include "migration/vmstate.h"
#include "hmm-gpu-pci.h"

/*
 * A new field changes a size. Describe it below (after a release: raise
 * version_id), then correct the number here.
 */
QEMU_BUILD_BUG_ON(sizeof(HgpuVmContext) != 32);
QEMU_BUILD_BUG_ON(sizeof(HgpuInvEngine) != 12);
QEMU_BUILD_BUG_ON(sizeof(HgpuIh) != 40);
QEMU_BUILD_BUG_ON(sizeof(HgpuParked) != 40);
QEMU_BUILD_BUG_ON(sizeof(HgpuSdmaCtx) != 216);
QEMU_BUILD_BUG_ON(sizeof(HgpuVirglSlot) != 64);
QEMU_BUILD_BUG_ON(sizeof(HgpuState) !=
                  1160 + HGPU_SDMA_ENGINES_MAX * sizeof(HgpuSdmaEngine));

static const VMStateDescription vmstate_hgpu_vm_context = {
    .name = "hmm-gpu/vm-context",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(cntl, HgpuVmContext),
        VMSTATE_UINT64(pt_base, HgpuVmContext),
        VMSTATE_UINT64(pt_start, HgpuVmContext),
        VMSTATE_UINT64(pt_end, HgpuVmContext),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hgpu_inv_engine = {
    .name = "hmm-gpu/inv-engine",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(sem, HgpuInvEngine),
        VMSTATE_UINT32(req, HgpuInvEngine),
        VMSTATE_UINT32(ack, HgpuInvEngine),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hgpu_ih = {
    .name = "hmm-gpu/ih",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(rb_cntl, HgpuIh),
        VMSTATE_UINT64(rb_base, HgpuIh),
        VMSTATE_UINT32(rptr, HgpuIh),
        VMSTATE_UINT32(wptr, HgpuIh),
        VMSTATE_UINT64(wptr_addr, HgpuIh),
        VMSTATE_UINT32(dropped, HgpuIh),
        VMSTATE_UINT32(outstanding, HgpuIh),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hgpu_sdma_ctx = {
    .name = "hmm-gpu/sdma-context",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(rb_cntl, HgpuSdmaCtx),
        VMSTATE_UINT64(rb_base, HgpuSdmaCtx),
        VMSTATE_UINT64(rb_rptr, HgpuSdmaCtx),
        VMSTATE_UINT64(rb_wptr, HgpuSdmaCtx),
        VMSTATE_UINT32(rb_wptr_lo, HgpuSdmaCtx),
        VMSTATE_UINT32(wptr_refused, HgpuSdmaCtx),
        VMSTATE_UINT64(rb_rptr_addr, HgpuSdmaCtx),
        VMSTATE_UINT32(ib_cntl, HgpuSdmaCtx),
        VMSTATE_UINT32(ib_offset, HgpuSdmaCtx),
        VMSTATE_UINT64(ib_base, HgpuSdmaCtx),
        VMSTATE_UINT32(ib_size, HgpuSdmaCtx),
        VMSTATE_UINT32(doorbell, HgpuSdmaCtx),
        VMSTATE_UINT32(doorbell_offset, HgpuSdmaCtx),
        VMSTATE_UINT64(mqd_base, HgpuSdmaCtx),
        VMSTATE_UINT32(exception, HgpuSdmaCtx),
        VMSTATE_UINT32(preempted, HgpuSdmaCtx),
        VMSTATE_UINT64(parked.addr, HgpuSdmaCtx),
        VMSTATE_UINT32_ARRAY(pkt, HgpuSdmaCtx, HGPU_SDMA_PKT_MAX_DW),
        VMSTATE_UINT32(pkt_len, HgpuSdmaCtx),
        VMSTATE_UINT64(progress, HgpuSdmaCtx),
        VMSTATE_UINT32(retries, HgpuSdmaCtx),
        VMSTATE_UINT32(skip, HgpuSdmaCtx),
        VMSTATE_UINT64(rptr_written, HgpuSdmaCtx),
        VMSTATE_UINT32(state, HgpuSdmaCtx),
        VMSTATE_UINT32(parked.replay, HgpuSdmaCtx),
        VMSTATE_UINT64(parked.deadline_ns, HgpuSdmaCtx),
        VMSTATE_UINT32(parked.vmid, HgpuSdmaCtx),
        VMSTATE_UINT32(parked.access, HgpuSdmaCtx),
        VMSTATE_UINT64(parked.id, HgpuSdmaCtx),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hgpu_sdma_engine = {
    .name = "hmm-gpu/sdma-engine",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(cntl, HgpuSdmaEngine),
        VMSTATE_UINT32(f32_cntl, HgpuSdmaEngine),
        VMSTATE_STRUCT_ARRAY(ctx, HgpuSdmaEngine, HGPU_SDMA_CTXS, 1,
                             vmstate_hgpu_sdma_ctx, HgpuSdmaCtx),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hgpu_virgl_slot = {
    .name = "hmm-gpu/virgl-slot",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(job, HgpuVirglSlot),
        VMSTATE_UINT32(state, HgpuVirglSlot),
        VMSTATE_UINT32(begun, HgpuVirglSlot),
        VMSTATE_UINT32(retry_wait, HgpuVirglSlot),
        VMSTATE_UINT64(parked.addr, HgpuVirglSlot),
        VMSTATE_UINT64(parked.deadline_ns, HgpuVirglSlot),
        VMSTATE_UINT64(parked.id, HgpuVirglSlot),
        VMSTATE_UINT32(parked.vmid, HgpuVirglSlot),
        VMSTATE_UINT32(parked.access, HgpuVirglSlot),
        VMSTATE_UINT32(parked.replay, HgpuVirglSlot),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_hgpu_state = {
    .name = "hmm-gpu/state",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(scratch, HgpuState),
        VMSTATE_UINT32(clock_msb, HgpuState),
        VMSTATE_UINT64(clock_base, HgpuState),
        VMSTATE_UINT64(saved_ns, HgpuState),
        VMSTATE_UINT32(fault_status, HgpuState),
        VMSTATE_UINT64(fault_page, HgpuState),
        VMSTATE_UINT64(fault_seq, HgpuState),
        VMSTATE_UINT32(retry_interval, HgpuState),
        VMSTATE_UINT32(xgmi_cntl, HgpuState),
        VMSTATE_STRUCT_ARRAY(inv, HgpuState, HGPU_VM_INV_ENGINES, 1,
                             vmstate_hgpu_inv_engine, HgpuInvEngine),
        VMSTATE_STRUCT_ARRAY(vm, HgpuState, HGPU_VMIDS, 1,
                             vmstate_hgpu_vm_context, HgpuVmContext),
        VMSTATE_UINT32_ARRAY(vmid_lut, HgpuState, HGPU_VMIDS),
        VMSTATE_STRUCT(ih, HgpuState, 1, vmstate_hgpu_ih, HgpuIh),
        VMSTATE_UINT32(nr_engines, HgpuState),
        VMSTATE_UINT32(rr_next, HgpuState),
        VMSTATE_STRUCT_ARRAY(sdma, HgpuState, HGPU_SDMA_ENGINES_MAX, 1,
                             vmstate_hgpu_sdma_engine, HgpuSdmaEngine),
        VMSTATE_UINT32(virgl_contexts, HgpuState),
        VMSTATE_STRUCT_ARRAY(virgl, HgpuState, HGPU_VIRGL_SLOTS, 1,
                             vmstate_hgpu_virgl_slot, HgpuVirglSlot),
        VMSTATE_END_OF_LIST()
    }
};

static int hmm_gpu_pre_save(void *opaque)
{
    HmmGpu *s = opaque;

    hmm_gpu_enter_core(s);
    hgpu_pre_save(&s->gpu);
    hmm_gpu_leave_core(s);
    return 0;
}

static int hmm_gpu_post_load(void *opaque, int version_id)
{
    HmmGpu *s = opaque;
    const char *bad;

    hmm_gpu_enter_core(s);
    bad = hgpu_post_load(&s->gpu);
    hmm_gpu_leave_core(s);

    if (bad) {
        error_report("%s: the saved state is not one of a GPU: bad value of "
                     "%s", hmm_gpu_name(s), bad);
        return -EINVAL;
    }
    return 0;
}

static const char hmm_gpu_size_hint[] =
    "Give the hmm-gpu that loads the properties of the one that saved, and "
    "the GPUs of a hive in the same order.";

const VMStateDescription vmstate_hmm_gpu = {
    .name = TYPE_HMM_GPU,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = hmm_gpu_pre_save,
    .post_load = hmm_gpu_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_EQUAL(vram_size, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_UINT64_EQUAL(vram_bar_size, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_UINT32_EQUAL(sdma_engines, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_UINT32_EQUAL(features, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_UINT32_EQUAL(hive, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_UINT32_EQUAL(node, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_UINT32_EQUAL(virgl_slots, HmmGpu, hmm_gpu_size_hint),
        VMSTATE_PCI_DEVICE(parent_obj, HmmGpu),
        VMSTATE_MSIX(parent_obj, HmmGpu),
        VMSTATE_STRUCT(gpu.s, HmmGpu, 1, vmstate_hgpu_state, HgpuState),
        VMSTATE_END_OF_LIST()
    }
};
