/*
 * hmm-gpu device core: checks on loaded state (SPEC 7.5, 8).
 *
 * Each check names the first field that no sequence of legal accesses could
 * have left like this.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "state.h"
#include "ctx.h"
#include "mm.h"
#include "ring.h"
#include "sdma.h"

#define CHECK(condition, field) \
    do { \
        if (!(condition)) { \
            return field; \
        } \
    } while (0)

/* ---- Contexts ---- */

static const char *check_ctx_regs(const HgpuSdmaCtx *ctx)
{
    CHECK(!(ctx->rb_cntl & ~HGPU_RB_CNTL_BITS), "sdma.ctx.rb_cntl");
    CHECK(!(ctx->rb_base % HGPU_RB_BASE_ALIGN), "sdma.ctx.rb_base");
    CHECK(!(ctx->rb_rptr & 3), "sdma.ctx.rb_rptr");
    CHECK(!(ctx->rb_wptr & 3), "sdma.ctx.rb_wptr");
    CHECK(ctx->wptr_refused <= 1, "sdma.ctx.wptr_refused");
    CHECK(!(ctx->rb_rptr_addr % HGPU_RPTR_ADDR_ALIGN),
          "sdma.ctx.rb_rptr_addr");
    CHECK(!(ctx->ib_cntl & ~HGPU_IB_CNTL_BITS), "sdma.ctx.ib_cntl");
    CHECK(!(ctx->doorbell & ~HGPU_SDMA_DOORBELL__ENABLE),
          "sdma.ctx.doorbell");
    CHECK(ctx->doorbell_offset < HGPU_BAR_DOORBELL_SIZE &&
          !(ctx->doorbell_offset % HGPU_DOORBELL_SIZE),
          "sdma.ctx.doorbell_offset");
    CHECK(!(ctx->mqd_base % HGPU_MQD_ALIGN), "sdma.ctx.mqd_base");
    CHECK(ctx->preempted <= 1, "sdma.ctx.preempted");
    CHECK(ctx->parked.replay <= (ctx->state == HGPU_CTX_RETRY_WAIT),
          "sdma.ctx.replay");
    CHECK(ctx->parked.vmid < HGPU_VMIDS, "sdma.ctx.fault_vmid");
    CHECK(ctx->parked.access <= HGPU_ACCESS_ATOMIC, "sdma.ctx.fault_access");
    return NULL;
}

static const char *check_ctx_disabled(const HgpuSdmaCtx *ctx)
{
    CHECK(!(ctx->rb_cntl & HGPU_SDMA_RB_CNTL__RB_ENABLE),
          "sdma.ctx.rb_cntl");
    CHECK(ctx->exception == HGPU_SDMA_EXCEPTION_NONE ||
          ctx->exception == HGPU_SDMA_EXCEPTION_MQD, "sdma.ctx.exception");
    CHECK(!ctx->ib_size && !ctx->ib_offset && !ctx->ib_base,
          "sdma.ctx.ib_size");
    CHECK(!(ctx->ib_cntl & HGPU_SDMA_IB_CNTL__CMD_VMID), "sdma.ctx.ib_cntl");
    CHECK(!ctx->pkt_len && !ctx->progress && !ctx->retries,
          "sdma.ctx.pkt_len");
    CHECK(!ctx->skip, "sdma.ctx.skip");
    CHECK(!ctx->parked.id, "sdma.ctx.fault_id");
    return NULL;
}

/* The VMID of an IB that this context may have started. */
static bool ib_vmid_ok(const HgpuSdmaCtx *ctx, uint32_t c)
{
    uint32_t own = hgpu_ctx_vmid(ctx);

    return (c < HGPU_SDMA_CTX_RLC0 &&
            (!own || (ctx->rb_cntl & HGPU_SDMA_RB_CNTL__RB_PRIV))) ||
           FIELD_GET(HGPU_SDMA_IB_CNTL__CMD_VMID, ctx->ib_cntl) == own;
}

static const char *check_ctx_ib(const HgpuSdmaCtx *ctx, uint32_t c)
{
    if (!hgpu_ctx_in_ib(ctx)) {
        CHECK(!ctx->ib_offset, "sdma.ctx.ib_offset");
        CHECK(!ctx->ib_base, "sdma.ctx.ib_base");
        CHECK(!(ctx->ib_cntl & HGPU_SDMA_IB_CNTL__CMD_VMID),
              "sdma.ctx.ib_cntl");
        return NULL;
    }
    CHECK(ctx->ib_size <= FIELD_MAX(HGPU_SDMA_PKT_INDIRECT_IB_SIZE__IB_SIZE),
          "sdma.ctx.ib_size");
    CHECK(ctx->ib_offset <= ctx->ib_size, "sdma.ctx.ib_offset");
    CHECK(!(ctx->ib_base % HGPU_SDMA_IB_ALIGN), "sdma.ctx.ib_base");
    CHECK(ib_vmid_ok(ctx, c), "sdma.ctx.ib_cntl");
    /* RPTR still stands before the INDIRECT. */
    CHECK(ctx->rb_wptr - ctx->rb_rptr >= HGPU_SDMA_INDIRECT_DW * 4,
          "sdma.ctx.rb_wptr");
    return NULL;
}

static uint64_t ctx_avail(const HgpuSdmaCtx *ctx)
{
    return hgpu_ctx_in_ib(ctx) ? ctx->ib_size - ctx->ib_offset
                               : (ctx->rb_wptr - ctx->rb_rptr) / 4;
}

static const char *check_ctx_packet(const HgpuSdmaCtx *ctx)
{
    CHECK(ctx->pkt_len <= HGPU_SDMA_PKT_MAX_DW &&
          ctx->pkt_len <= ctx_avail(ctx), "sdma.ctx.pkt_len");
    CHECK(hgpu_sdma_midcmd_ok(ctx), "sdma.ctx.pkt");
    CHECK(ctx->skip <= FIELD_MAX(HGPU_SDMA_PKT_COND_EXE_EXEC_COUNT__EXEC_COUNT)
          && (!hgpu_ctx_in_ib(ctx) || ctx->skip <= ctx_avail(ctx)),
          "sdma.ctx.skip");
    return NULL;
}

static const char *check_ctx_enabled(const HgpuSdmaCtx *ctx, uint32_t c)
{
    uint32_t bytes = hgpu_sdma_ring_bytes(ctx->rb_cntl);
    const char *field;

    CHECK(ctx->rb_cntl & HGPU_SDMA_RB_CNTL__RB_ENABLE, "sdma.ctx.rb_cntl");
    CHECK(bytes, "sdma.ctx.rb_cntl");
    CHECK(c < HGPU_SDMA_CTX_RLC0 || hgpu_ctx_vmid(ctx), "sdma.ctx.rb_cntl");
    CHECK(hgpu_ring_pointers_ok(ctx->rb_rptr, ctx->rb_wptr, bytes),
          "sdma.ctx.rb_wptr");
    CHECK(ctx->exception < HGPU_SDMA_EXCEPTION_MQD, "sdma.ctx.exception");
    CHECK(!ctx->preempted, "sdma.ctx.preempted");
    CHECK((ctx->state == HGPU_CTX_HALTED) ==
          (ctx->exception != HGPU_SDMA_EXCEPTION_NONE), "sdma.ctx.state");
    CHECK((ctx->state == HGPU_CTX_RETRY_WAIT) == (ctx->parked.id != 0),
          "sdma.ctx.fault_id");
    CHECK(ctx->state != HGPU_CTX_POLL_WAIT || ctx->pkt_len,
          "sdma.ctx.state");
    field = check_ctx_ib(ctx, c);
    return field ? field : check_ctx_packet(ctx);
}

const char *hgpu_state_check_ctx(const HgpuSdmaCtx *ctx, uint32_t c)
{
    const char *field;

    CHECK(ctx->state < HGPU_CTX_STATES, "sdma.ctx.state");
    field = check_ctx_regs(ctx);
    if (field) {
        return field;
    }
    return ctx->state == HGPU_CTX_DISABLED ? check_ctx_disabled(ctx)
                                           : check_ctx_enabled(ctx, c);
}

/* ---- The rest ---- */

/* A deadline lies no further ahead than the longest wait there is. */
static bool deadline_ok(const HgpuState *s, const HgpuSdmaCtx *ctx)
{
    const uint64_t longest_ns = HGPU_RETRY_INTERVAL_MAX * UINT64_C(1000);

    return ctx->parked.deadline_ns <= s->saved_ns ||
           ctx->parked.deadline_ns - s->saved_ns <= longest_ns;
}

static const char *check_sdma(const HgpuGpu *gpu)
{
    const HgpuState *s = &gpu->s;

    for (uint32_t i = 0; i < HGPU_SDMA_ENGINES_MAX * HGPU_SDMA_CTXS; i++) {
        uint32_t e = i / HGPU_SDMA_CTXS, c = i % HGPU_SDMA_CTXS;
        const HgpuSdmaCtx *ctx = &s->sdma[e].ctx[c];
        const char *field = hgpu_state_check_ctx(ctx, c);

        if (field) {
            return field;
        }
        CHECK(e < gpu->nr_engines || ctx->state == HGPU_CTX_DISABLED,
              "sdma.ctx.state");
        CHECK(gpu->xnack || ctx->state != HGPU_CTX_RETRY_WAIT,
              "sdma.ctx.state");
        CHECK(deadline_ok(s, ctx), "sdma.ctx.deadline_ns");
        CHECK(ctx->parked.id <= s->fault_seq, "sdma.ctx.fault_id");
    }
    return NULL;
}

/*
 * What a job works on dies with its context. A slot that has been started but
 * has not looked at its job holds nothing of it.
 */
static const char *check_virgl_slot(const HgpuGpu *gpu,
                                    const HgpuVirglSlot *slot)
{
    const HgpuParked *parked = &slot->parked;

    CHECK(slot->state == HGPU_VIRGL_STATE_IDLE ||
          slot->state == HGPU_VIRGL_STATE_FETCH, "virgl.state");
    CHECK(!slot->begun, "virgl.begun");
    CHECK(!slot->retry_wait, "virgl.retry_wait");
    CHECK(!parked->deadline_ns && !parked->id && !parked->vmid &&
          !parked->access && !parked->replay, "virgl.parked");
    CHECK(gpu->virgl_slots ||
          (!slot->state && !slot->job && !parked->addr), "virgl.state");
    return NULL;
}

static const char *check_virgl(const HgpuGpu *gpu)
{
    const char *field = NULL;

    CHECK(!gpu->s.virgl_contexts, "virgl_contexts");
    for (uint32_t i = 0; !field && i < HGPU_VIRGL_SLOTS; i++) {
        field = check_virgl_slot(gpu, &gpu->s.virgl[i]);
    }
    return field;
}

static const char *check_ih(const HgpuIh *ih)
{
    const uint32_t entry = sizeof(struct hgpu_ih_entry);
    uint32_t wptr = ih->wptr & HGPU_IH_RB_WPTR__OFFSET;
    uint32_t bytes = hgpu_ih_ring_bytes(ih->rb_cntl);
    uint32_t space = FIELD_GET(HGPU_IH_RB_CNTL__MC_SPACE, ih->rb_cntl);
    bool enabled = ih->rb_cntl & HGPU_IH_RB_CNTL__RB_ENABLE;

    if (!enabled) {
        bytes = hgpu_ring_bytes(HGPU_IH_RB_SIZE_LOG2_MAX,
                                HGPU_IH_RB_SIZE_LOG2_MIN,
                                HGPU_IH_RB_SIZE_LOG2_MAX);
    }
    CHECK(bytes, "ih.rb_cntl");
    CHECK(!enabled || space == HGPU_IH_MC_SPACE_BUS ||
          space == HGPU_IH_MC_SPACE_GPU, "ih.rb_cntl");
    CHECK(!(ih->rptr % entry) && ih->rptr < bytes, "ih.rptr");
    CHECK(!(wptr % entry) && wptr < bytes, "ih.wptr");
    CHECK(ih->outstanding <= 1, "ih.outstanding");
    return NULL;
}

static const char *check_vm(const HgpuGpu *gpu)
{
    const uint32_t retry =
        HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT;
    const HgpuState *s = &gpu->s;

    for (uint32_t v = 0; v < HGPU_VMIDS; v++) {
        CHECK(gpu->xnack || !(s->vm[v].cntl & retry), "vm.cntl");
        CHECK(s->vm[v].pt_start <= HGPU_VM_PAGE_MASK, "vm.pt_start");
        CHECK(s->vm[v].pt_end <= HGPU_VM_PAGE_MASK, "vm.pt_end");
    }
    CHECK(s->fault_page <= HGPU_VM_PAGE_MASK, "fault_page");
    CHECK(s->fault_status || !s->fault_page, "fault_page");
    CHECK(gpu->hive || !s->xgmi_cntl, "xgmi_cntl");
    CHECK(s->retry_interval >= HGPU_RETRY_INTERVAL_MIN &&
          s->retry_interval <= HGPU_RETRY_INTERVAL_MAX, "retry_interval");
    return NULL;
}

const char *hgpu_state_check(const HgpuGpu *gpu)
{
    const HgpuState *s = &gpu->s;
    const char *field;

    CHECK(s->nr_engines == gpu->nr_engines, "nr_engines");
    CHECK(s->rr_next < gpu->nr_engines * HGPU_SDMA_CTXS + gpu->virgl_slots,
          "rr_next");
    CHECK(s->saved_ns - s->clock_base <= INT64_MAX, "clock_base");
    CHECK(s->fault_seq <= INT64_MAX, "fault_seq");
    field = check_vm(gpu);
    if (!field) {
        field = check_virgl(gpu);
    }
    if (!field) {
        field = check_ih(&s->ih);
    }
    return field ? field : check_sdma(gpu);
}
