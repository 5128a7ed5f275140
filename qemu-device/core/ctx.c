/*
 * hmm-gpu device core: the state of an SDMA context (SPEC 7.2).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "ctx.h"
#include "host.h"

/* Where each state may go; every state may go to DISABLED. */
static const uint8_t ctx_arrows[HGPU_CTX_STATES] = {
    [HGPU_CTX_DISABLED] = BIT(HGPU_CTX_RUNNING) | BIT(HGPU_CTX_HALTED),
    [HGPU_CTX_IDLE] = BIT(HGPU_CTX_RUNNING),
    [HGPU_CTX_RUNNING] = BIT(HGPU_CTX_IDLE) | BIT(HGPU_CTX_RETRY_WAIT) |
                         BIT(HGPU_CTX_POLL_WAIT) | BIT(HGPU_CTX_HALTED),
    [HGPU_CTX_RETRY_WAIT] = BIT(HGPU_CTX_RUNNING),
    [HGPU_CTX_POLL_WAIT] = BIT(HGPU_CTX_RUNNING),
    [HGPU_CTX_HALTED] = 0,
};

void hgpu_ctx_move(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t state)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    g_return_if_fail(state == HGPU_CTX_DISABLED ||
                     (ctx_arrows[ctx->state] & BIT(state)));
    hgpu_trace(gpu, CTX_STATE, e, c, ctx->state, state, ctx->rb_rptr);
    ctx->state = state;
    ctx->parked.replay = 0;
    if (state == HGPU_CTX_DISABLED) {
        ctx->rb_cntl &= ~HGPU_SDMA_RB_CNTL__RB_ENABLE;
    } else {
        ctx->rb_cntl |= HGPU_SDMA_RB_CNTL__RB_ENABLE;
    }
}

void hgpu_ctx_halt(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t exception)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    ctx->exception = exception;
    ctx->parked.id = 0;
    hgpu_trace(gpu, CTX_HALT, e, c, exception, ctx->rb_rptr);
    hgpu_ctx_move(gpu, e, c, HGPU_CTX_HALTED);
}

void hgpu_ctx_drop_work(HgpuSdmaCtx *ctx)
{
    ctx->ib_base = 0;
    ctx->ib_size = 0;
    ctx->ib_offset = 0;
    ctx->ib_cntl &= ~HGPU_SDMA_IB_CNTL__CMD_VMID;
    memset(ctx->pkt, 0, sizeof(ctx->pkt));
    ctx->pkt_len = 0;
    ctx->progress = 0;
    ctx->retries = 0;
    ctx->skip = 0;
    ctx->exception = HGPU_SDMA_EXCEPTION_NONE;
    ctx->wptr_refused = 0;
    ctx->parked.replay = 0;
    ctx->parked.deadline_ns = 0;
    ctx->parked.vmid = 0;
    ctx->parked.access = HGPU_ACCESS_READ;
    ctx->parked.id = 0;
}

bool hgpu_ctx_runnable(const HgpuGpu *gpu, uint32_t e, uint32_t c,
                       uint64_t now_ns)
{
    const HgpuSdmaEngine *engine = &gpu->s.sdma[e];
    const HgpuSdmaCtx *ctx = &engine->ctx[c];

    if (engine->f32_cntl & HGPU_SDMA_F32_CNTL__HALT) {
        return false;
    }
    switch (ctx->state) {
    case HGPU_CTX_RUNNING:
        return true;
    case HGPU_CTX_RETRY_WAIT:
        return ctx->parked.replay || now_ns >= ctx->parked.deadline_ns;
    case HGPU_CTX_POLL_WAIT:
        return now_ns >= ctx->parked.deadline_ns;
    default:
        return false;
    }
}

static bool ctx_nothing_to_do(const HgpuSdmaCtx *ctx)
{
    return ctx->state == HGPU_CTX_DISABLED ||
           (ctx->state == HGPU_CTX_IDLE && ctx->rb_rptr == ctx->rb_wptr);
}

uint32_t hgpu_ctx_status(const HgpuSdmaCtx *ctx)
{
    uint32_t status = FIELD_PREP(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION,
                                 ctx->exception);

    if (ctx->state != HGPU_CTX_DISABLED) {
        status |= HGPU_SDMA_CONTEXT_STATUS__SELECTED;
    }
    if (ctx_nothing_to_do(ctx)) {
        status |= HGPU_SDMA_CONTEXT_STATUS__IDLE;
    }
    if (ctx->preempted) {
        status |= HGPU_SDMA_CONTEXT_STATUS__PREEMPTED;
    }
    if (ctx->state == HGPU_CTX_RETRY_WAIT) {
        status |= HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT;
    }
    if (ctx->state == HGPU_CTX_POLL_WAIT) {
        status |= HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT;
    }
    return status;
}
