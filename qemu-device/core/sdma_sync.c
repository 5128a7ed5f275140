/*
 * hmm-gpu device core: SDMA packets that steer, wait, or touch one word
 * (SPEC 7.3).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "sdma_priv.h"
#include "ctx.h"
#include "host.h"
#include "ih.h"
#include "memory.h"

static uint32_t illegal_if(bool condition)
{
    return condition ? HGPU_SDMA_EXCEPTION_ILLEGAL
                     : HGPU_SDMA_EXCEPTION_NONE;
}

HgpuStep hgpu_exec_nop(HgpuSdma *sdma)
{
    (void)sdma;
    return HGPU_STEP_DONE;
}

/* ---- INDIRECT ---- */

uint32_t hgpu_check_indirect(const HgpuSdma *sdma)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t vmid = FIELD_GET(HGPU_SDMA_PKT_INDIRECT_HEADER__VMID,
                              ctx->pkt[0]);

    if (hgpu_ctx_in_ib(ctx) || (ctx->pkt[1] & (HGPU_SDMA_IB_ALIGN - 1)) ||
        !(ctx->ib_cntl & HGPU_SDMA_IB_CNTL__IB_ENABLE)) {
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
    if (!hgpu_sdma_privileged(sdma) && vmid && vmid != hgpu_ctx_vmid(ctx)) {
        return HGPU_SDMA_EXCEPTION_PRIV;
    }
    return HGPU_SDMA_EXCEPTION_NONE;
}

HgpuStep hgpu_exec_indirect(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t vmid = hgpu_sdma_privileged(sdma)
                    ? FIELD_GET(HGPU_SDMA_PKT_INDIRECT_HEADER__VMID,
                                ctx->pkt[0])
                    : hgpu_ctx_vmid(ctx);
    uint32_t size = FIELD_GET(HGPU_SDMA_PKT_INDIRECT_IB_SIZE__IB_SIZE,
                              ctx->pkt[3]);

    if (!size) {
        return HGPU_STEP_DONE;
    }
    ctx->ib_base = hgpu_pkt_addr(ctx->pkt, 1);
    ctx->ib_size = size;
    ctx->ib_offset = 0;
    ctx->ib_cntl &= ~HGPU_SDMA_IB_CNTL__CMD_VMID;
    ctx->ib_cntl |= FIELD_PREP(HGPU_SDMA_IB_CNTL__CMD_VMID, vmid);
    return HGPU_STEP_DONE;
}

/* ---- FENCE, TRAP, TIMESTAMP ---- */

uint32_t hgpu_check_fence(const HgpuSdma *sdma)
{
    return illegal_if(sdma->ctx->pkt[1] & 3);
}

HgpuStep hgpu_exec_fence(HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint64_t addr = hgpu_pkt_addr(pkt, 1);
    uint32_t data = GUINT32_TO_LE(pkt[3]);
    HgpuFault fault;

    hgpu_write_barrier();
    if (hgpu_mem_write(sdma->gpu, sdma->vmid, addr, &data, sizeof(data),
                       &fault) != sizeof(data)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    hgpu_trace(sdma->gpu, FENCE, sdma->engine, sdma->index, addr, pkt[3]);
    return HGPU_STEP_DONE;
}

/* RPTR as it will be after the current packet. */
static uint64_t rptr_after(const HgpuSdmaCtx *ctx, uint32_t dwords)
{
    return hgpu_ctx_in_ib(ctx) ? ctx->rb_rptr : ctx->rb_rptr + dwords * 4;
}

HgpuStep hgpu_exec_trap(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t context = FIELD_GET(HGPU_SDMA_PKT_TRAP_INT_CONTEXT__INT_CONTEXT,
                                 ctx->pkt[1]);

    if (hgpu_sdma_write_rptr(sdma, rptr_after(ctx, HGPU_SDMA_TRAP_DW)) !=
        HGPU_STEP_DONE) {
        return HGPU_STEP_STOP;
    }
    if (sdma->gpu->s.sdma[sdma->engine].cntl & HGPU_SDMA_CNTL__TRAP_ENABLE) {
        hgpu_write_barrier();
        hgpu_ih_post_sdma(sdma->gpu, sdma->engine, sdma->index,
                          HGPU_SRCID_SDMA_TRAP, context, 0, 0);
    }
    return HGPU_STEP_DONE;
}

uint32_t hgpu_check_timestamp(const HgpuSdma *sdma)
{
    return illegal_if(sdma->ctx->pkt[1] & 7);
}

HgpuStep hgpu_exec_timestamp(HgpuSdma *sdma)
{
    uint64_t clock = GUINT64_TO_LE(hgpu_clock(sdma->gpu));
    HgpuFault fault;

    if (hgpu_mem_write(sdma->gpu, sdma->vmid,
                       hgpu_pkt_addr(sdma->ctx->pkt, 1), &clock,
                       sizeof(clock), &fault) != sizeof(clock)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    return HGPU_STEP_DONE;
}

/* ---- POLL_REGMEM, COND_EXE ---- */

static bool poll_memory(const uint32_t *pkt)
{
    return pkt[0] & HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL;
}

static uint32_t poll_func(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC, pkt[0]);
}

uint32_t hgpu_check_poll(const HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;

    if ((pkt[1] & 3) || poll_func(pkt) > HGPU_SDMA_POLL_FUNC_GT) {
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
    if (!poll_memory(pkt) && !hgpu_sdma_privileged(sdma)) {
        return HGPU_SDMA_EXCEPTION_PRIV;
    }
    return HGPU_SDMA_EXCEPTION_NONE;
}

static bool poll_holds(uint32_t func, uint32_t val, uint32_t reference)
{
    switch (func) {
    case HGPU_SDMA_POLL_FUNC_LT:
        return val < reference;
    case HGPU_SDMA_POLL_FUNC_LE:
        return val <= reference;
    case HGPU_SDMA_POLL_FUNC_EQ:
        return val == reference;
    case HGPU_SDMA_POLL_FUNC_NE:
        return val != reference;
    case HGPU_SDMA_POLL_FUNC_GE:
        return val >= reference;
    case HGPU_SDMA_POLL_FUNC_GT:
        return val > reference;
    default:
        return true;
    }
}

/* Read the word that is polled. False with @fault set. */
static bool poll_read(HgpuSdma *sdma, uint32_t *val, HgpuFault *fault)
{
    const uint32_t *pkt = sdma->ctx->pkt;

    if (!poll_memory(pkt)) {
        *val = sdma->gpu->reg_read(sdma->gpu, pkt[1]);
        return true;
    }
    if (hgpu_mem_read(sdma->gpu, sdma->vmid, hgpu_pkt_addr(pkt, 1), val,
                      sizeof(*val), fault) != sizeof(*val)) {
        return false;
    }
    *val = GUINT32_FROM_LE(*val);
    return true;
}

/* The condition does not hold: wait for the next try, or give up. */
static HgpuStep poll_again(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t dw5 = ctx->pkt[5];

    if (!ctx->progress) {
        ctx->progress = 1;
        ctx->retries = FIELD_GET(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT,
                                 dw5);
    }
    if (!ctx->retries) {
        return hgpu_sdma_timeout(sdma);
    }
    if (ctx->retries != HGPU_SDMA_POLL_RETRY_FOREVER) {
        ctx->retries--;
    }
    return hgpu_sdma_wait(sdma,
                          FIELD_GET(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL,
                                    dw5));
}

HgpuStep hgpu_exec_poll(HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint32_t val;
    HgpuFault fault;

    if (!poll_read(sdma, &val, &fault)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    return poll_holds(poll_func(pkt), val & pkt[4], pkt[3])
           ? HGPU_STEP_DONE : poll_again(sdma);
}

static uint32_t cond_exe_count(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_COND_EXE_EXEC_COUNT__EXEC_COUNT, pkt[4]);
}

/* What may be skipped ends with the IB, as a packet does. */
uint32_t hgpu_check_cond_exe(const HgpuSdma *sdma)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;

    return illegal_if((ctx->pkt[1] & 3) ||
                      (hgpu_ctx_in_ib(ctx) &&
                       HGPU_SDMA_COND_EXE_DW + cond_exe_count(ctx->pkt) >
                       hgpu_sdma_avail(sdma)));
}

HgpuStep hgpu_exec_cond_exe(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t count = cond_exe_count(ctx->pkt);
    uint32_t val;
    HgpuFault fault;

    if (hgpu_mem_read(sdma->gpu, sdma->vmid, hgpu_pkt_addr(ctx->pkt, 1), &val,
                      sizeof(val), &fault) != sizeof(val)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    if (GUINT32_FROM_LE(val) != ctx->pkt[3]) {
        ctx->skip = count;
    }
    return HGPU_STEP_DONE;
}

/* ---- ATOMIC ---- */

static uint32_t atomic_op(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP, pkt[0]);
}

static uint32_t atomic_bytes(const uint32_t *pkt)
{
    return atomic_op(pkt) & HGPU_TC_OP__64 ? 8 : 4;
}

/* The operation's code, 32 bits wide and returning. */
static uint32_t atomic_base(const uint32_t *pkt)
{
    return atomic_op(pkt) & HGPU_TC_OP__BASE;
}

uint32_t hgpu_check_atomic(const HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;

    if (pkt[1] & (atomic_bytes(pkt) - 1)) {
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
    switch (atomic_base(pkt)) {
    case HGPU_TC_OP_ATOMIC_SWAP_RTN_32:
    case HGPU_TC_OP_ATOMIC_CMPSWAP_RTN_32:
    case HGPU_TC_OP_ATOMIC_ADD_RTN_32:
    case HGPU_TC_OP_ATOMIC_SUB_RTN_32:
    case HGPU_TC_OP_ATOMIC_SMIN_RTN_32:
    case HGPU_TC_OP_ATOMIC_UMIN_RTN_32:
    case HGPU_TC_OP_ATOMIC_SMAX_RTN_32:
    case HGPU_TC_OP_ATOMIC_UMAX_RTN_32:
    case HGPU_TC_OP_ATOMIC_AND_RTN_32:
    case HGPU_TC_OP_ATOMIC_OR_RTN_32:
    case HGPU_TC_OP_ATOMIC_XOR_RTN_32:
    case HGPU_TC_OP_ATOMIC_INC_RTN_32:
    case HGPU_TC_OP_ATOMIC_DEC_RTN_32:
        return HGPU_SDMA_EXCEPTION_NONE;
    default:
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
}

/* Sign-extend a value of @bytes. */
static int64_t atomic_signed(uint64_t val, uint32_t bytes)
{
    return bytes == 4 ? (int32_t)val : (int64_t)val;
}

/* What the operation makes of @old; all values are zero-extended. */
static uint64_t atomic_result(uint32_t op, uint64_t old, uint64_t src,
                              uint64_t cmp, uint32_t bytes)
{
    bool less = atomic_signed(old, bytes) < atomic_signed(src, bytes);

    switch (op) {
    case HGPU_TC_OP_ATOMIC_SWAP_RTN_32:
        return src;
    case HGPU_TC_OP_ATOMIC_CMPSWAP_RTN_32:
        return old == cmp ? src : old;
    case HGPU_TC_OP_ATOMIC_ADD_RTN_32:
        return old + src;
    case HGPU_TC_OP_ATOMIC_SUB_RTN_32:
        return old - src;
    case HGPU_TC_OP_ATOMIC_SMIN_RTN_32:
        return less ? old : src;
    case HGPU_TC_OP_ATOMIC_UMIN_RTN_32:
        return MIN(old, src);
    case HGPU_TC_OP_ATOMIC_SMAX_RTN_32:
        return less ? src : old;
    case HGPU_TC_OP_ATOMIC_UMAX_RTN_32:
        return MAX(old, src);
    case HGPU_TC_OP_ATOMIC_AND_RTN_32:
        return old & src;
    case HGPU_TC_OP_ATOMIC_OR_RTN_32:
        return old | src;
    case HGPU_TC_OP_ATOMIC_XOR_RTN_32:
        return old ^ src;
    case HGPU_TC_OP_ATOMIC_INC_RTN_32:
        return old >= src ? 0 : old + 1;
    case HGPU_TC_OP_ATOMIC_DEC_RTN_32:
        return !old || old > src ? src : old - 1;
    default:
        return old;
    }
}

static uint64_t atomic_load(const void *ptr, uint32_t bytes)
{
    return bytes == 4
           ? GUINT32_FROM_LE(__atomic_load_n((const uint32_t *)ptr,
                                             __ATOMIC_SEQ_CST))
           : GUINT64_FROM_LE(__atomic_load_n((const uint64_t *)ptr,
                                             __ATOMIC_SEQ_CST));
}

/* Replace @old by @new unless a CPU was faster. */
static bool atomic_replace(void *ptr, uint64_t old, uint64_t new,
                           uint32_t bytes)
{
    if (bytes == 4) {
        uint32_t expected = GUINT32_TO_LE((uint32_t)old);

        return __atomic_compare_exchange_n((uint32_t *)ptr, &expected,
                                           GUINT32_TO_LE((uint32_t)new),
                                           false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    } else {
        uint64_t expected = GUINT64_TO_LE(old);

        return __atomic_compare_exchange_n((uint64_t *)ptr, &expected,
                                           GUINT64_TO_LE(new), false,
                                           __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
}

/*
 * Do it on host memory; false: CPUs kept changing the word, try in the next
 * step. @old is what was there.
 */
static bool atomic_do(const uint32_t *pkt, void *ptr, uint64_t *old)
{
    uint32_t bytes = atomic_bytes(pkt);
    uint64_t src = hgpu_pkt_addr(pkt, 3);
    uint64_t cmp = hgpu_pkt_addr(pkt, 5);

    if (bytes == 4) {
        src = (uint32_t)src;
        cmp = (uint32_t)cmp;
    }
    for (int tries = 0; tries < 64; tries++) {
        *old = atomic_load(ptr, bytes);
        if (atomic_replace(ptr, *old,
                           atomic_result(atomic_base(pkt), *old, src, cmp,
                                         bytes), bytes)) {
            return true;
        }
    }
    return false;
}

/* Has a looping CMPSWAP not found what it waits for? */
static bool atomic_loops(const uint32_t *pkt, uint64_t old)
{
    uint64_t cmp = hgpu_pkt_addr(pkt, 5);

    return (pkt[0] & HGPU_SDMA_PKT_ATOMIC_HEADER__LOOP) &&
           atomic_base(pkt) == HGPU_TC_OP_ATOMIC_CMPSWAP_RTN_32 &&
           old != (atomic_bytes(pkt) == 4 ? (uint32_t)cmp : cmp);
}

/* Memory on which the host can do atomics: VRAM or RAM, aligned. */
static bool atomic_map(HgpuSdma *sdma, HgpuRun *run, HgpuMap *map,
                       HgpuFault *fault)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint64_t va = hgpu_pkt_addr(pkt, 1);
    uint32_t bytes = atomic_bytes(pkt);
    HgpuFault ignored;

    if (!hgpu_mem_run(sdma->gpu, sdma->vmid, va, bytes, HGPU_ACCESS_ATOMIC,
                      run, fault) ||
        !hgpu_mem_map(sdma->gpu, sdma->vmid, run, bytes, HGPU_ACCESS_ATOMIC,
                      HGPU_BOUNCE_DST, map, fault)) {
        return false;
    }
    if (!map->bounced && map->len == bytes &&
        !((uintptr_t)map->ptr & (bytes - 1))) {
        return true;
    }
    hgpu_mem_unmap(sdma->gpu, map, 0, &ignored);
    *fault = (HgpuFault) {
        .kind = HGPU_FAULT_BUS, .vmid = sdma->vmid,
        .access = HGPU_ACCESS_ATOMIC, .addr = va, .bus_addr = run->pa,
    };
    return false;
}

HgpuStep hgpu_exec_atomic(HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint64_t old = 0;
    HgpuFault fault;
    HgpuRun run;
    HgpuMap map;
    bool done;

    if (!atomic_map(sdma, &run, &map, &fault)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    done = atomic_do(pkt, map.ptr, &old);
    if (!hgpu_mem_unmap(sdma->gpu, &map, done ? map.len : 0, &fault)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    if (!done) {
        return HGPU_STEP_MORE;
    }
    if (atomic_loops(pkt, old)) {
        return hgpu_sdma_wait(sdma, FIELD_GET(
            HGPU_SDMA_PKT_ATOMIC_LOOP_INTERVAL__LOOP_INTERVAL, pkt[7]));
    }
    return HGPU_STEP_DONE;
}

/* ---- SRBM_WRITE ---- */

uint32_t hgpu_check_srbm_write(const HgpuSdma *sdma)
{
    uint32_t byte_en = FIELD_GET(HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN,
                                 sdma->ctx->pkt[0]);

    if (byte_en != FIELD_MAX(HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN)) {
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
    return hgpu_sdma_privileged(sdma) ? HGPU_SDMA_EXCEPTION_NONE
                                      : HGPU_SDMA_EXCEPTION_PRIV;
}

/*
 * The register may be one of this context's own: the packet is retired first,
 * and nothing of the context is touched afterwards.
 */
HgpuStep hgpu_exec_srbm_write(HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint32_t off = FIELD_GET(HGPU_SDMA_PKT_SRBM_WRITE_ADDR__ADDR, pkt[1]) * 4;
    uint32_t val = pkt[2];

    hgpu_sdma_retire(sdma);
    hgpu_write_barrier();
    sdma->gpu->reg_write(sdma->gpu, off, val);
    return HGPU_STEP_MORE;
}
