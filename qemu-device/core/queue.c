/*
 * hmm-gpu device core: contexts get their turns (SPEC 7.2).
 *
 * Round robin over all contexts of all SDMA engines and all slots of the virgl
 * engine. A turn is HGPU_TURN_BYTES at most, a slice HGPU_SLICE_BYTES; both
 * count HGPU_PACKET_COST a packet, so a ring full of NOPs ends its turn too.
 * A context that waits or is parked is not runnable and costs nobody anything.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "queue.h"
#include "ctx.h"
#include "host.h"
#include "ih.h"
#include "ring.h"
#include "sdma.h"
#include "virgl.h"

#define HGPU_TURN_BYTES (64 * 1024)

/* Contexts of SDMA, and behind them the virgl engine's slots. */
static uint32_t sdma_count(const HgpuGpu *gpu)
{
    return gpu->nr_engines * HGPU_SDMA_CTXS;
}

static uint32_t queue_count(const HgpuGpu *gpu)
{
    return sdma_count(gpu) + gpu->virgl_slots;
}

static bool queue_runnable(const HgpuGpu *gpu, uint32_t n, uint64_t now)
{
    uint32_t sdma = sdma_count(gpu);

    return n < sdma ? hgpu_ctx_runnable(gpu, n / HGPU_SDMA_CTXS,
                                        n % HGPU_SDMA_CTXS, now)
                    : hgpu_virgl_runnable(gpu, n - sdma, now);
}

/* ---- When to be called ---- */

/* 0: it does not wait for the clock. */
static uint64_t queue_deadline(const HgpuGpu *gpu, uint32_t n)
{
    uint32_t sdma = sdma_count(gpu);
    const HgpuSdmaEngine *engine;
    const HgpuSdmaCtx *ctx;

    if (n >= sdma) {
        return hgpu_virgl_deadline(gpu, n - sdma);
    }
    engine = &gpu->s.sdma[n / HGPU_SDMA_CTXS];
    ctx = &engine->ctx[n % HGPU_SDMA_CTXS];
    if ((engine->f32_cntl & HGPU_SDMA_F32_CNTL__HALT) ||
        (ctx->state != HGPU_CTX_RETRY_WAIT &&
         ctx->state != HGPU_CTX_POLL_WAIT)) {
        return 0;
    }
    return ctx->parked.deadline_ns;
}

static void queue_arm_timer(HgpuGpu *gpu, uint64_t deadline)
{
    if (deadline == gpu->timer_ns) {
        return;
    }
    gpu->timer_ns = deadline;
    if (deadline) {
        gpu->ops->timer_arm(gpu->opaque, deadline);
    } else {
        gpu->ops->timer_cancel(gpu->opaque);
    }
}

void hgpu_queue_kick(HgpuGpu *gpu)
{
    uint64_t now = hgpu_now_ns(gpu);
    uint64_t earliest = 0;
    bool runnable = false;

    if (!gpu->running) {
        return;
    }
    for (uint32_t i = 0; i < queue_count(gpu); i++) {
        if (queue_runnable(gpu, i, now)) {
            runnable = true;
        } else {
            uint64_t deadline = queue_deadline(gpu, i);

            if (deadline) {
                earliest = earliest ? MIN(earliest, deadline) : deadline;
            }
        }
    }
    queue_arm_timer(gpu, earliest);
    if (runnable && !gpu->scheduled) {
        gpu->scheduled = 1;
        gpu->ops->schedule(gpu->opaque);
    }
}

/* ---- Turns ---- */

static uint64_t sdma_turn(HgpuGpu *gpu, uint32_t e, uint32_t c,
                          uint64_t budget)
{
    HgpuSdmaEngine *engine = &gpu->s.sdma[e];
    HgpuSdmaCtx *ctx = &engine->ctx[c];
    HgpuSdma sdma = {
        .gpu = gpu, .ctx = ctx, .engine = e, .index = c, .budget = budget,
    };

    if (ctx->state != HGPU_CTX_RUNNING) {
        hgpu_ctx_move(gpu, e, c, HGPU_CTX_RUNNING);
    }
    while (ctx->state == HGPU_CTX_RUNNING &&
           !(engine->f32_cntl & HGPU_SDMA_F32_CNTL__HALT) &&
           sdma.budget >= HGPU_PACKET_COST) {
        hgpu_sdma_step(&sdma);
    }
    return budget - sdma.budget;
}

/* Returns the bytes used up. */
static uint64_t queue_turn(HgpuGpu *gpu, uint32_t n, uint64_t budget)
{
    uint32_t sdma = sdma_count(gpu);

    return n < sdma ? sdma_turn(gpu, n / HGPU_SDMA_CTXS, n % HGPU_SDMA_CTXS,
                                budget)
                    : hgpu_virgl_turn(gpu, n - sdma, budget);
}

/* The next context, after the last that had a turn, that could use one. */
static bool queue_next(HgpuGpu *gpu, uint64_t now, uint32_t *next)
{
    uint32_t count = queue_count(gpu);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t n = (gpu->s.rr_next + i) % count;

        if (queue_runnable(gpu, n, now)) {
            *next = n;
            gpu->s.rr_next = (n + 1) % count;
            return true;
        }
    }
    return false;
}

void hgpu_queue_run(HgpuGpu *gpu)
{
    uint64_t now = hgpu_now_ns(gpu);
    uint64_t budget = HGPU_SLICE_BYTES;
    uint32_t next;

    gpu->stats.slices++;
    while (budget >= HGPU_PACKET_COST && queue_next(gpu, now, &next)) {
        budget -= queue_turn(gpu, next, MIN(budget, HGPU_TURN_BYTES));
    }
}

/* ---- Enable, disable ---- */

static bool queue_enable_ok(const HgpuSdmaCtx *ctx, uint32_t c, uint32_t cntl)
{
    uint32_t bytes = hgpu_sdma_ring_bytes(cntl);

    if (c >= HGPU_SDMA_CTX_RLC0 &&
        !FIELD_GET(HGPU_SDMA_RB_CNTL__RB_VMID, cntl)) {
        return false;
    }
    return bytes && hgpu_ring_pointers_ok(ctx->rb_rptr, ctx->rb_wptr, bytes);
}

static bool queue_enable(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t cntl)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    if (!queue_enable_ok(ctx, c, cntl)) {
        return false;
    }
    hgpu_ctx_drop_work(ctx);
    ctx->rb_cntl = cntl;
    ctx->preempted = 0;
    ctx->parked.addr = 0;
    ctx->rptr_written = ctx->rb_rptr;
    hgpu_ctx_move(gpu, e, c, HGPU_CTX_RUNNING);
    hgpu_queue_kick(gpu);
    return true;
}

void hgpu_queue_disable(HgpuGpu *gpu, uint32_t e, uint32_t c)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    hgpu_ctx_drop_work(ctx);
    hgpu_ctx_move(gpu, e, c, HGPU_CTX_DISABLED);
    hgpu_queue_kick(gpu);
}

bool hgpu_queue_write_cntl(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t val)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];
    uint32_t changed = ctx->rb_cntl ^ val;

    if (ctx->state == HGPU_CTX_DISABLED) {
        if (val & HGPU_SDMA_RB_CNTL__RB_ENABLE) {
            return queue_enable(gpu, e, c, val);
        }
        ctx->rb_cntl = val;
        return true;
    }
    if (!(val & HGPU_SDMA_RB_CNTL__RB_ENABLE)) {
        hgpu_queue_disable(gpu, e, c);
        ctx->rb_cntl = val;
        return true;
    }
    if (changed & ~HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE) {
        return false;
    }
    ctx->rb_cntl = val;
    return true;
}

/* ---- WPTR ---- */

static bool queue_wptr_ok(const HgpuSdmaCtx *ctx, uint64_t wptr)
{
    if (ctx->state == HGPU_CTX_DISABLED) {
        /* Being set up; RB_ENABLE checks it against the rest. */
        return !(wptr & 3);
    }
    return wptr >= ctx->rb_wptr &&
           hgpu_ring_pointers_ok(ctx->rb_rptr, wptr,
                                 hgpu_sdma_ring_bytes(ctx->rb_cntl));
}

/* One entry until WPTR moves on: a store is cheap, others' entries are not. */
static void queue_refuse_wptr(HgpuGpu *gpu, uint32_t e, uint32_t c,
                              uint64_t wptr)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    hgpu_trace(gpu, DOORBELL_REFUSED, wptr, ctx->rb_rptr, e, c);
    hgpu_guest_error(gpu, "SDMA%u context %u: WPTR 0x%" PRIx64
                     " refused, RPTR is 0x%" PRIx64, e, c, wptr,
                     ctx->rb_rptr);
    if (ctx->wptr_refused) {
        return;
    }
    ctx->wptr_refused = 1;
    hgpu_ih_post_sdma(gpu, e, c, HGPU_SRCID_SDMA_DOORBELL_INVALID, wptr,
                      wptr >> 32, 0);
}

void hgpu_queue_set_wptr(HgpuGpu *gpu, uint32_t e, uint32_t c, uint64_t wptr)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    if (!queue_wptr_ok(ctx, wptr)) {
        queue_refuse_wptr(gpu, e, c, wptr);
        return;
    }
    if (wptr != ctx->rb_wptr) {
        ctx->wptr_refused = 0;
    }
    ctx->rb_wptr = wptr;
    if (ctx->state == HGPU_CTX_IDLE) {
        hgpu_ctx_move(gpu, e, c, HGPU_CTX_RUNNING);
    }
    hgpu_queue_kick(gpu);
}

void hgpu_queue_doorbell(HgpuGpu *gpu, uint64_t off, uint64_t wptr)
{
    bool claimed = false;

    gpu->stats.doorbells++;
    for (uint32_t i = 0; i < sdma_count(gpu); i++) {
        uint32_t e = i / HGPU_SDMA_CTXS, c = i % HGPU_SDMA_CTXS;
        const HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

        if (ctx->state == HGPU_CTX_DISABLED ||
            !(ctx->doorbell & HGPU_SDMA_DOORBELL__ENABLE) ||
            ctx->doorbell_offset != off) {
            continue;
        }
        claimed = true;
        hgpu_trace(gpu, DOORBELL, off, wptr, e, c);
        hgpu_queue_set_wptr(gpu, e, c, wptr);
    }
    if (!claimed) {
        hgpu_trace(gpu, DOORBELL_UNCLAIMED, off, wptr);
    }
}

/* ---- Replay (SPEC 5) ---- */

void hgpu_queue_replay_vmids(HgpuGpu *gpu, uint32_t vmids)
{
    for (uint32_t i = 0; i < sdma_count(gpu); i++) {
        HgpuSdmaCtx *ctx =
            &gpu->s.sdma[i / HGPU_SDMA_CTXS].ctx[i % HGPU_SDMA_CTXS];

        if (ctx->state == HGPU_CTX_RETRY_WAIT &&
            (vmids & BIT(ctx->parked.vmid))) {
            ctx->parked.replay = 1;
        }
    }
    hgpu_virgl_replay_vmids(gpu, vmids);
    hgpu_queue_kick(gpu);
}

void hgpu_queue_replay_engine(HgpuGpu *gpu, uint32_t e)
{
    for (uint32_t c = 0; c < HGPU_SDMA_CTXS; c++) {
        HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

        if (ctx->state == HGPU_CTX_RETRY_WAIT) {
            ctx->parked.replay = 1;
        }
    }
    hgpu_queue_kick(gpu);
}
