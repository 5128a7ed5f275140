/*
 * hmm-gpu device core: registers of SDMA engines and contexts (SPEC 7).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "regs_table.h"
#include "ctx.h"
#include "queue.h"

/* ---- Hooks: SDMA contexts ---- */

static HgpuSdmaCtx *ref_ctx(const HgpuRegRef *ref)
{
    return &ref->gpu->s.sdma[ref->engine].ctx[ref->index];
}

static bool ctx_locked(const HgpuRegRef *ref)
{
    return ref_ctx(ref)->state != HGPU_CTX_DISABLED;
}

static bool write_rb_cntl(const HgpuRegRef *ref, uint32_t val)
{
    return hgpu_queue_write_cntl(ref->gpu, ref->engine, ref->index, val);
}

static bool write_rb_wptr(const HgpuRegRef *ref, uint32_t val)
{
    ref_ctx(ref)->rb_wptr_lo = val;
    return true;
}

static bool write_rb_wptr_hi(const HgpuRegRef *ref, uint32_t val)
{
    hgpu_queue_set_wptr(ref->gpu, ref->engine, ref->index,
                        (uint64_t)val << 32 | ref_ctx(ref)->rb_wptr_lo);
    return true;
}

/* CMD_VMID is the device's. */
static bool write_ib_cntl(const HgpuRegRef *ref, uint32_t val)
{
    HgpuSdmaCtx *ctx = ref_ctx(ref);

    ctx->ib_cntl = (ctx->ib_cntl & HGPU_SDMA_IB_CNTL__CMD_VMID) |
                   (val & HGPU_SDMA_IB_CNTL__IB_ENABLE);
    return true;
}

static uint32_t read_context_status(const HgpuRegRef *ref)
{
    return hgpu_ctx_status(ref_ctx(ref));
}

static bool write_doorbell_offset(const HgpuRegRef *ref, uint32_t val)
{
    if (val >= HGPU_BAR_DOORBELL_SIZE) {
        return false;
    }
    hgpu_reg_store(ref, val);
    return true;
}

static bool write_hqd_cmd(const HgpuRegRef *ref, uint32_t val)
{
    if (ref->index < HGPU_SDMA_CTX_RLC0) {
        return false;
    }
    switch (val) {
    case HGPU_SDMA_HQD_CMD_MAP:
        return hgpu_mqd_map(ref->gpu, ref->engine, ref->index);
    case HGPU_SDMA_HQD_CMD_UNMAP:
        return hgpu_mqd_unmap(ref->gpu, ref->engine, ref->index);
    case HGPU_SDMA_HQD_CMD_RESET:
        hgpu_queue_disable(ref->gpu, ref->engine, ref->index);
        ref_ctx(ref)->preempted = 0;
        return true;
    default:
        return false;
    }
}

/* ---- Hooks: SDMA engines ---- */

static bool write_f32_cntl(const HgpuRegRef *ref, uint32_t val)
{
    HgpuGpu *gpu = ref->gpu;
    HgpuSdmaEngine *engine = &gpu->s.sdma[ref->engine];
    uint32_t was = engine->f32_cntl;

    engine->f32_cntl = val & HGPU_SDMA_F32_CNTL__HALT;
    if (val & HGPU_SDMA_F32_CNTL__RESET) {
        hgpu_regs_reset_contexts(gpu, ref->engine);
    }
    if (was & ~val & HGPU_SDMA_F32_CNTL__HALT) {
        hgpu_queue_replay_engine(gpu, ref->engine);
    }
    hgpu_queue_kick(gpu);
    return true;
}

static uint32_t read_sdma_status(const HgpuRegRef *ref)
{
    const HgpuSdmaEngine *engine = &ref->gpu->s.sdma[ref->engine];

    for (uint32_t c = 0; c < HGPU_SDMA_CTXS; c++) {
        if (!(hgpu_ctx_status(&engine->ctx[c]) &
              HGPU_SDMA_CONTEXT_STATUS__IDLE)) {
            return 0;
        }
    }
    return HGPU_SDMA_STATUS_REG__IDLE;
}

/* ---- The tables ---- */

static const HgpuReg ctx_regs[] = {
    { .name = "SDMA_RB_CNTL", .offset = HGPU_SDMA_RB_CNTL,
      .bits = HGPU_RB_CNTL_BITS, .write = write_rb_cntl,
      AT(HgpuSdmaCtx, rb_cntl) },
    { .name = "SDMA_RB_BASE", .offset = HGPU_SDMA_RB_BASE, .bits = ALL_BITS,
      .shift = 8, .flags = LOCKED, AT(HgpuSdmaCtx, rb_base) },
    { .name = "SDMA_RB_BASE_HI", .offset = HGPU_SDMA_RB_BASE_HI,
      .bits = HGPU_SDMA_RB_BASE_HI__ADDR, .shift = 40, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_base) },
    { .name = "SDMA_RB_RPTR", .offset = HGPU_SDMA_RB_RPTR, .bits = ALL_BITS,
      .align = 4, .flags = LOCKED, AT(HgpuSdmaCtx, rb_rptr) },
    { .name = "SDMA_RB_RPTR_HI", .offset = HGPU_SDMA_RB_RPTR_HI,
      .bits = ALL_BITS, .shift = 32, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_rptr) },
    { .name = "SDMA_RB_WPTR", .offset = HGPU_SDMA_RB_WPTR, .bits = ALL_BITS,
      .write = write_rb_wptr, AT(HgpuSdmaCtx, rb_wptr) },
    { .name = "SDMA_RB_WPTR_HI", .offset = HGPU_SDMA_RB_WPTR_HI,
      .bits = ALL_BITS, .shift = 32, .write = write_rb_wptr_hi,
      AT(HgpuSdmaCtx, rb_wptr) },
    { .name = "SDMA_RB_RPTR_ADDR_HI", .offset = HGPU_SDMA_RB_RPTR_ADDR_HI,
      .bits = ALL_BITS, .shift = 32, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_rptr_addr) },
    { .name = "SDMA_RB_RPTR_ADDR_LO", .offset = HGPU_SDMA_RB_RPTR_ADDR_LO,
      .bits = ALL_BITS, .align = HGPU_RPTR_ADDR_ALIGN, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_rptr_addr) },
    { .name = "SDMA_IB_CNTL", .offset = HGPU_SDMA_IB_CNTL,
      .bits = HGPU_IB_CNTL_BITS, .reset = HGPU_SDMA_IB_CNTL__IB_ENABLE,
      .write = write_ib_cntl, AT(HgpuSdmaCtx, ib_cntl) },
    { .name = "SDMA_IB_OFFSET", .offset = HGPU_SDMA_IB_OFFSET, .flags = RO,
      .bits = ALL_BITS, AT(HgpuSdmaCtx, ib_offset) },
    { .name = "SDMA_IB_BASE_LO", .offset = HGPU_SDMA_IB_BASE_LO, .flags = RO,
      .bits = ALL_BITS, AT(HgpuSdmaCtx, ib_base) },
    { .name = "SDMA_IB_BASE_HI", .offset = HGPU_SDMA_IB_BASE_HI, .flags = RO,
      .bits = ALL_BITS, .shift = 32, AT(HgpuSdmaCtx, ib_base) },
    { .name = "SDMA_IB_SIZE", .offset = HGPU_SDMA_IB_SIZE, .flags = RO,
      .bits = ALL_BITS, AT(HgpuSdmaCtx, ib_size) },
    { .name = "SDMA_CONTEXT_STATUS", .offset = HGPU_SDMA_CONTEXT_STATUS,
      .flags = RO, .read = read_context_status },
    { .name = "SDMA_DOORBELL", .offset = HGPU_SDMA_DOORBELL,
      .bits = HGPU_SDMA_DOORBELL__ENABLE, AT(HgpuSdmaCtx, doorbell) },
    { .name = "SDMA_DOORBELL_OFFSET", .offset = HGPU_SDMA_DOORBELL_OFFSET,
      .bits = HGPU_SDMA_DOORBELL_OFFSET__OFFSET, .align = HGPU_DOORBELL_SIZE,
      .write = write_doorbell_offset, AT(HgpuSdmaCtx, doorbell_offset) },
    { .name = "SDMA_MQD_BASE_LO", .offset = HGPU_SDMA_MQD_BASE_LO,
      .bits = ALL_BITS, .align = HGPU_MQD_ALIGN, AT(HgpuSdmaCtx, mqd_base) },
    { .name = "SDMA_MQD_BASE_HI", .offset = HGPU_SDMA_MQD_BASE_HI,
      .bits = ALL_BITS, .shift = 32, AT(HgpuSdmaCtx, mqd_base) },
    { .name = "SDMA_HQD_CMD", .offset = HGPU_SDMA_HQD_CMD, .bits = ALL_BITS,
      .read = hgpu_reg_read_zero, .write = write_hqd_cmd },
    { .name = "SDMA_FAULT_ADDR_LO", .offset = HGPU_SDMA_FAULT_ADDR_LO,
      .flags = RO, .bits = ALL_BITS, AT(HgpuSdmaCtx, parked.addr) },
    { .name = "SDMA_FAULT_ADDR_HI", .offset = HGPU_SDMA_FAULT_ADDR_HI,
      .flags = RO, .bits = ALL_BITS, .shift = 32,
      AT(HgpuSdmaCtx, parked.addr) },
};

static const HgpuReg engine_regs[] = {
    { .name = "SDMA_CNTL", .offset = HGPU_SDMA_CNTL,
      .bits = HGPU_SDMA_CNTL__TRAP_ENABLE,
      .reset = HGPU_SDMA_CNTL__TRAP_ENABLE, AT(HgpuSdmaEngine, cntl) },
    { .name = "SDMA_F32_CNTL", .offset = HGPU_SDMA_F32_CNTL,
      .bits = HGPU_SDMA_F32_CNTL__HALT | HGPU_SDMA_F32_CNTL__RESET,
      .strobes = HGPU_SDMA_F32_CNTL__RESET,
      .write = write_f32_cntl, AT(HgpuSdmaEngine, f32_cntl) },
    { .name = "SDMA_STATUS_REG", .offset = HGPU_SDMA_STATUS_REG, .flags = RO,
      .read = read_sdma_status },
};

const HgpuBlock hgpu_sdma_ctx_block = {
    .stride = HGPU_SDMA_CTX_STRIDE, .count = HGPU_SDMA_CTXS,
    .regs = ctx_regs, .nr_regs = G_N_ELEMENTS(ctx_regs),
    .state = offsetof(HgpuSdmaEngine, ctx),
    .state_stride = sizeof(HgpuSdmaCtx), .locked = ctx_locked,
};

const HgpuBlock hgpu_sdma_engine_block = {
    .stride = HGPU_SDMA_STRIDE, .count = 1,
    .regs = engine_regs, .nr_regs = G_N_ELEMENTS(engine_regs),
};
