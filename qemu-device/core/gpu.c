/*
 * hmm-gpu device core: the GPU as a whole.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "gpu.h"
#include "ctx.h"
#include "host.h"
#include "queue.h"
#include "regs.h"
#include "state.h"
#include "tlb.h"
#include "virgl.h"

#define ALL_VMIDS GENMASK(HGPU_VMIDS - 1, 0)

void hgpu_init(HgpuGpu *gpu, const HgpuHostOps *ops, void *opaque,
               const HgpuConfig *config)
{
    memset(gpu, 0, sizeof(*gpu));
    gpu->ops = ops;
    gpu->opaque = opaque;
    gpu->vram = config->vram;
    gpu->vram_size = config->vram_size;
    gpu->nr_engines = config->nr_engines;
    gpu->xnack = config->xnack;
    gpu->hive = config->hive;
    gpu->node = config->node;
    gpu->virgl_slots = config->virgl_slots;
    gpu->reg_read = hgpu_reg_read;
    gpu->reg_write = hgpu_reg_write;
    gpu->running = 1;
    hgpu_reset(gpu);
}

void hgpu_reset(HgpuGpu *gpu)
{
    if (gpu->timer_ns) {
        gpu->ops->timer_cancel(gpu->opaque);
    }
    gpu->timer_ns = 0;
    hgpu_virgl_reset(gpu);
    memset(&gpu->s, 0, sizeof(gpu->s));
    hgpu_tlb_flush(&gpu->tlb, ALL_VMIDS);
    gpu->s.nr_engines = gpu->nr_engines;
    gpu->s.clock_base = hgpu_now_ns(gpu);
    hgpu_regs_reset(gpu);
    hgpu_trace(gpu, RESET, gpu->nr_engines);
}

void hgpu_doorbell_write(HgpuGpu *gpu, uint64_t off, uint64_t val,
                         uint32_t size)
{
    if (size != HGPU_DOORBELL_SIZE || off % HGPU_DOORBELL_SIZE) {
        hgpu_guest_error(gpu, "doorbell write of %u bytes at 0x%" PRIx64
                         " refused", size, off);
        return;
    }
    hgpu_queue_doorbell(gpu, off, val);
}

bool hgpu_run(HgpuGpu *gpu)
{
    gpu->scheduled = 0;
    if (!gpu->running) {
        return false;
    }
    hgpu_queue_run(gpu);
    hgpu_queue_kick(gpu);
    return gpu->scheduled;
}

void hgpu_timer(HgpuGpu *gpu)
{
    gpu->timer_ns = 0;
    hgpu_queue_kick(gpu);
}

void hgpu_set_running(HgpuGpu *gpu, bool running)
{
    gpu->running = running;
    gpu->scheduled = 0;
    hgpu_queue_kick(gpu);
}

void hgpu_pre_save(HgpuGpu *gpu)
{
    gpu->s.saved_ns = hgpu_now_ns(gpu);
}

/* Times are relative to the moment of saving: that moment is now. */
static void load_times(HgpuGpu *gpu)
{
    uint64_t now = hgpu_now_ns(gpu);
    uint64_t saved = gpu->s.saved_ns;

    gpu->s.clock_base += now - saved;
    for (uint32_t i = 0; i < gpu->nr_engines * HGPU_SDMA_CTXS; i++) {
        HgpuSdmaCtx *ctx =
            &gpu->s.sdma[i / HGPU_SDMA_CTXS].ctx[i % HGPU_SDMA_CTXS];

        ctx->parked.deadline_ns = ctx->parked.deadline_ns > saved
                           ? ctx->parked.deadline_ns - saved + now : 0;
    }
    gpu->s.saved_ns = now;
}

/* Whoever may have something to do looks again. */
static void load_replay(HgpuGpu *gpu)
{
    for (uint32_t i = 0; i < gpu->nr_engines * HGPU_SDMA_CTXS; i++) {
        uint32_t e = i / HGPU_SDMA_CTXS, c = i % HGPU_SDMA_CTXS;
        HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

        if (ctx->state == HGPU_CTX_RETRY_WAIT) {
            ctx->parked.replay = 1;
        } else if (ctx->state == HGPU_CTX_IDLE &&
                   ctx->rb_rptr != ctx->rb_wptr) {
            hgpu_ctx_move(gpu, e, c, HGPU_CTX_RUNNING);
        }
    }
}

const char *hgpu_post_load(HgpuGpu *gpu)
{
    const char *field = hgpu_regs_check(gpu);

    if (!field) {
        field = hgpu_state_check(gpu);
    }
    if (field) {
        hgpu_reset(gpu);
        return field;
    }
    hgpu_tlb_flush(&gpu->tlb, ALL_VMIDS);
    load_times(gpu);
    load_replay(gpu);
    hgpu_virgl_post_load(gpu);
    gpu->scheduled = 0;
    hgpu_queue_kick(gpu);
    return NULL;
}
