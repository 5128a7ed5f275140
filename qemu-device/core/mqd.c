/*
 * hmm-gpu device core: queues come from and go to memory (SPEC 7.5).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "queue.h"
#include "ctx.h"
#include "host.h"
#include "memory.h"
#include "state.h"

#define MQD_WORDS (sizeof(struct hgpu_sdma_mqd) / 4)

static uint64_t mqd_u64(uint32_t lo, uint32_t hi)
{
    return lo | (uint64_t)hi << 32;
}

/* Every word of an MQD is 32 bits wide, so it is swapped as an array. */
static void mqd_swap(struct hgpu_sdma_mqd *mqd)
{
    uint32_t words[MQD_WORDS];

    memcpy(words, mqd, sizeof(words));
    for (uint32_t i = 0; i < MQD_WORDS; i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    memcpy(mqd, words, sizeof(words));
}

static bool mqd_read(HgpuGpu *gpu, uint64_t addr, struct hgpu_sdma_mqd *mqd)
{
    HgpuFault fault;

    if (hgpu_mem_read(gpu, 0, addr, mqd, sizeof(*mqd), &fault) !=
        sizeof(*mqd)) {
        return false;
    }
    mqd_swap(mqd);
    return true;
}

static bool mqd_write(HgpuGpu *gpu, uint64_t addr, struct hgpu_sdma_mqd *mqd)
{
    HgpuFault fault;

    mqd_swap(mqd);
    hgpu_write_barrier();
    return hgpu_mem_write(gpu, 0, addr, mqd, sizeof(*mqd), &fault) ==
           sizeof(*mqd);
}

/* ---- MAP ---- */

static void mqd_load_regs(const struct hgpu_sdma_mqd *mqd, HgpuSdmaCtx *ctx)
{
    uint64_t base_hi = FIELD_GET(HGPU_SDMA_RB_BASE_HI__ADDR, mqd->rb_base_hi);

    ctx->rb_cntl = (mqd->rb_cntl & HGPU_RB_CNTL_BITS) |
                   HGPU_SDMA_RB_CNTL__RB_ENABLE;
    ctx->rb_base = (mqd->rb_base | base_hi << 32) << 8;
    ctx->rb_rptr = mqd_u64(mqd->rb_rptr, mqd->rb_rptr_hi);
    ctx->rb_wptr = mqd_u64(mqd->rb_wptr, mqd->rb_wptr_hi);
    ctx->rb_wptr_lo = ctx->rb_wptr;
    ctx->rb_rptr_addr = mqd_u64(mqd->rb_rptr_addr_lo, mqd->rb_rptr_addr_hi);
    ctx->ib_cntl = mqd->ib_cntl & HGPU_IB_CNTL_BITS;
    ctx->doorbell = mqd->doorbell & HGPU_SDMA_DOORBELL__ENABLE;
    ctx->doorbell_offset = mqd->doorbell_offset &
                           HGPU_SDMA_DOORBELL_OFFSET__OFFSET;
}

static void mqd_load_midcmd(const struct hgpu_sdma_mqd *mqd, HgpuSdmaCtx *ctx)
{
    ctx->pkt_len = FIELD_GET(HGPU_MQD_MIDCMD_LEN, mqd->midcmd_cntl);
    memcpy(ctx->pkt, mqd->midcmd_data, sizeof(mqd->midcmd_data));
    ctx->pkt[G_N_ELEMENTS(mqd->midcmd_data)] = mqd->midcmd_data9;
    ctx->progress = mqd_u64(mqd->midcmd_progress_lo,
                            mqd->midcmd_progress_hi);
    ctx->retries = mqd->midcmd_retries;
    ctx->skip = mqd->skip_cntl;
    ctx->ib_offset = mqd->ib_offset;
    ctx->ib_base = mqd_u64(mqd->ib_base_lo, mqd->ib_base_hi);
    ctx->ib_size = mqd->ib_size;
    ctx->exception = FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION,
                               mqd->context_status);
}

/* Make @ctx what the MQD says; returns the name of a field that is wrong. */
static const char *mqd_load(const struct hgpu_sdma_mqd *mqd, uint32_t c,
                            HgpuSdmaCtx *ctx)
{
    bool in_ib = mqd->midcmd_cntl & HGPU_MQD_MIDCMD_IB;

    mqd_load_regs(mqd, ctx);
    mqd_load_midcmd(mqd, ctx);
    if (ctx->pkt_len && in_ib != hgpu_ctx_in_ib(ctx)) {
        return "midcmd_cntl";
    }
    ctx->preempted = 0;
    ctx->parked.addr = 0;
    /* What was last written back is not known: do it again. */
    ctx->rptr_written = ~ctx->rb_rptr;
    ctx->state = ctx->exception == HGPU_SDMA_EXCEPTION_NONE
                 ? HGPU_CTX_RUNNING : HGPU_CTX_HALTED;
    return hgpu_state_check_ctx(ctx, c);
}

static void mqd_fail(HgpuGpu *gpu, uint32_t e, uint32_t c, const char *why)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];

    hgpu_guest_error(gpu, "SDMA%u context %u: MQD at 0x%" PRIx64 ": %s", e, c,
                     ctx->mqd_base, why);
    hgpu_queue_disable(gpu, e, c);
    ctx->exception = HGPU_SDMA_EXCEPTION_MQD;
}

bool hgpu_mqd_map(HgpuGpu *gpu, uint32_t e, uint32_t c)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];
    HgpuSdmaCtx loaded = *ctx;
    struct hgpu_sdma_mqd mqd;
    const char *wrong;

    if (c < HGPU_SDMA_CTX_RLC0 || ctx->state != HGPU_CTX_DISABLED) {
        return false;
    }
    if (!mqd_read(gpu, ctx->mqd_base, &mqd)) {
        mqd_fail(gpu, e, c, "cannot be read");
        return true;
    }
    hgpu_ctx_drop_work(&loaded);
    wrong = mqd_load(&mqd, c, &loaded);
    if (wrong) {
        mqd_fail(gpu, e, c, wrong);
        return true;
    }
    hgpu_trace(gpu, MQD_MAP, e, c, ctx->mqd_base, loaded.rb_rptr);
    *ctx = loaded;
    ctx->state = HGPU_CTX_DISABLED;
    hgpu_ctx_move(gpu, e, c, loaded.state);
    hgpu_queue_kick(gpu);
    return true;
}

/* ---- UNMAP ---- */

static void mqd_store_regs(const HgpuSdmaCtx *ctx, struct hgpu_sdma_mqd *mqd)
{
    mqd->rb_cntl = ctx->rb_cntl & ~HGPU_SDMA_RB_CNTL__RB_ENABLE;
    mqd->rb_base = ctx->rb_base >> 8;
    mqd->rb_base_hi = ctx->rb_base >> 40;
    mqd->rb_rptr = ctx->rb_rptr;
    mqd->rb_rptr_hi = ctx->rb_rptr >> 32;
    mqd->rb_wptr = ctx->rb_wptr;
    mqd->rb_wptr_hi = ctx->rb_wptr >> 32;
    mqd->rb_rptr_addr_lo = ctx->rb_rptr_addr;
    mqd->rb_rptr_addr_hi = ctx->rb_rptr_addr >> 32;
    mqd->doorbell = ctx->doorbell;
    mqd->doorbell_offset = ctx->doorbell_offset;
}

static void mqd_store_midcmd(const HgpuSdmaCtx *ctx,
                             struct hgpu_sdma_mqd *mqd)
{
    mqd->ib_cntl = ctx->ib_cntl;
    mqd->ib_rptr = 0;
    mqd->ib_offset = ctx->ib_offset;
    mqd->ib_base_lo = ctx->ib_base;
    mqd->ib_base_hi = ctx->ib_base >> 32;
    mqd->ib_size = ctx->ib_size;
    mqd->skip_cntl = ctx->skip;
    memcpy(mqd->midcmd_data, ctx->pkt, sizeof(mqd->midcmd_data));
    mqd->midcmd_data9 = ctx->pkt[G_N_ELEMENTS(mqd->midcmd_data)];
    mqd->midcmd_cntl = FIELD_PREP(HGPU_MQD_MIDCMD_LEN, ctx->pkt_len);
    if (ctx->pkt_len && hgpu_ctx_in_ib(ctx)) {
        mqd->midcmd_cntl |= HGPU_MQD_MIDCMD_IB;
    }
    mqd->midcmd_progress_lo = ctx->progress;
    mqd->midcmd_progress_hi = ctx->progress >> 32;
    mqd->midcmd_retries = ctx->retries;
}

bool hgpu_mqd_unmap(HgpuGpu *gpu, uint32_t e, uint32_t c)
{
    HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];
    struct hgpu_sdma_mqd mqd;

    if (c < HGPU_SDMA_CTX_RLC0 || ctx->state == HGPU_CTX_DISABLED) {
        return false;
    }
    /* Words that are the driver's own stay as they are. */
    if (!mqd_read(gpu, ctx->mqd_base, &mqd)) {
        mqd_fail(gpu, e, c, "cannot be read");
        return true;
    }
    mqd_store_regs(ctx, &mqd);
    mqd_store_midcmd(ctx, &mqd);
    mqd.context_status =
        HGPU_SDMA_CONTEXT_STATUS__PREEMPTED |
        FIELD_PREP(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, ctx->exception);
    if (!mqd_write(gpu, ctx->mqd_base, &mqd)) {
        mqd_fail(gpu, e, c, "cannot be written");
        return true;
    }
    hgpu_trace(gpu, MQD_UNMAP, e, c, ctx->mqd_base, ctx->rb_rptr);
    hgpu_queue_disable(gpu, e, c);
    ctx->preempted = 1;
    return true;
}
