/*
 * hmm-gpu device core: fetching, decoding and retiring SDMA packets.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "sdma_priv.h"
#include "ctx.h"
#include "fault.h"
#include "host.h"
#include "ih.h"
#include "memory.h"
#include "ring.h"

static uint8_t copy_dwords(uint32_t header)
{
    return header & HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST
           ? HGPU_SDMA_COPY_BROADCAST_DW : HGPU_SDMA_COPY_LINEAR_DW;
}

static uint32_t nop_payload(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_NOP_HEADER__COUNT, pkt[0]);
}

static uint32_t write_payload(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__COUNT, pkt[3]) + 1;
}

#define FIXED(name, n) \
    static uint8_t name(uint32_t header) { (void)header; return n; }
FIXED(dw_nop, 1)
FIXED(dw_write, HGPU_SDMA_WRITE_DW)
FIXED(dw_indirect, HGPU_SDMA_INDIRECT_DW)
FIXED(dw_fence, HGPU_SDMA_FENCE_DW)
FIXED(dw_trap, HGPU_SDMA_TRAP_DW)
FIXED(dw_poll, HGPU_SDMA_POLL_REGMEM_DW)
FIXED(dw_cond_exe, HGPU_SDMA_COND_EXE_DW)
FIXED(dw_atomic, HGPU_SDMA_ATOMIC_DW)
FIXED(dw_fill, HGPU_SDMA_CONST_FILL_DW)
FIXED(dw_ptepde_gen, HGPU_SDMA_PTEPDE_GEN_DW)
FIXED(dw_ptepde_copy, HGPU_SDMA_PTEPDE_COPY_DW)
FIXED(dw_ptepde_rmw, HGPU_SDMA_PTEPDE_RMW_DW)
FIXED(dw_timestamp, HGPU_SDMA_TIMESTAMP_DW)
FIXED(dw_srbm_write, HGPU_SDMA_SRBM_WRITE_DW)
#undef FIXED

static const HgpuPacket packets[] = {
    { .op = HGPU_SDMA_OP_NOP, .dwords = dw_nop, .payload = nop_payload,
      .exec = hgpu_exec_nop },
    { .op = HGPU_SDMA_OP_COPY, .sub_op = HGPU_SDMA_SUBOP_COPY_LINEAR,
      .dwords = copy_dwords, .bytes = hgpu_bytes_copy, .unit = 1,
      .check = hgpu_check_copy, .exec = hgpu_exec_copy },
    { .op = HGPU_SDMA_OP_WRITE, .sub_op = HGPU_SDMA_SUBOP_WRITE_LINEAR,
      .dwords = dw_write, .payload = write_payload,
      .bytes = hgpu_bytes_write, .unit = 4,
      .check = hgpu_check_write, .exec = hgpu_exec_write },
    { .op = HGPU_SDMA_OP_INDIRECT, .dwords = dw_indirect,
      .check = hgpu_check_indirect, .exec = hgpu_exec_indirect },
    { .op = HGPU_SDMA_OP_FENCE, .dwords = dw_fence,
      .check = hgpu_check_fence, .exec = hgpu_exec_fence },
    { .op = HGPU_SDMA_OP_TRAP, .dwords = dw_trap, .exec = hgpu_exec_trap },
    { .op = HGPU_SDMA_OP_POLL_REGMEM, .dwords = dw_poll,
      .check = hgpu_check_poll, .exec = hgpu_exec_poll },
    { .op = HGPU_SDMA_OP_COND_EXE, .dwords = dw_cond_exe,
      .check = hgpu_check_cond_exe, .exec = hgpu_exec_cond_exe },
    { .op = HGPU_SDMA_OP_ATOMIC, .dwords = dw_atomic,
      .check = hgpu_check_atomic, .exec = hgpu_exec_atomic },
    { .op = HGPU_SDMA_OP_CONST_FILL, .dwords = dw_fill,
      .bytes = hgpu_bytes_fill, .unit = 1,
      .check = hgpu_check_fill, .exec = hgpu_exec_fill },
    { .op = HGPU_SDMA_OP_PTEPDE, .sub_op = HGPU_SDMA_SUBOP_PTEPDE_GEN,
      .dwords = dw_ptepde_gen, .bytes = hgpu_bytes_ptepde_gen, .unit = 8,
      .check = hgpu_check_ptepde, .exec = hgpu_exec_ptepde_gen },
    { .op = HGPU_SDMA_OP_PTEPDE, .sub_op = HGPU_SDMA_SUBOP_PTEPDE_COPY,
      .dwords = dw_ptepde_copy, .bytes = hgpu_bytes_ptepde_copy, .unit = 8,
      .check = hgpu_check_ptepde, .exec = hgpu_exec_ptepde_copy },
    { .op = HGPU_SDMA_OP_PTEPDE, .sub_op = HGPU_SDMA_SUBOP_PTEPDE_RMW,
      .dwords = dw_ptepde_rmw,
      .check = hgpu_check_ptepde, .exec = hgpu_exec_ptepde_rmw },
    { .op = HGPU_SDMA_OP_TIMESTAMP, .sub_op = HGPU_SDMA_SUBOP_TIMESTAMP_GET,
      .dwords = dw_timestamp,
      .check = hgpu_check_timestamp, .exec = hgpu_exec_timestamp },
    { .op = HGPU_SDMA_OP_TIMESTAMP,
      .sub_op = HGPU_SDMA_SUBOP_TIMESTAMP_GET_GLOBAL,
      .dwords = dw_timestamp,
      .check = hgpu_check_timestamp, .exec = hgpu_exec_timestamp },
    { .op = HGPU_SDMA_OP_SRBM_WRITE, .dwords = dw_srbm_write,
      .check = hgpu_check_srbm_write, .exec = hgpu_exec_srbm_write },
};

static const HgpuPacket *packet_lookup(uint32_t header)
{
    uint32_t op = FIELD_GET(HGPU_SDMA_PKT_HEADER__OP, header);
    uint32_t sub_op = FIELD_GET(HGPU_SDMA_PKT_HEADER__SUB_OP, header);

    for (uint32_t i = 0; i < G_N_ELEMENTS(packets); i++) {
        if (packets[i].op == op && packets[i].sub_op == sub_op) {
            return &packets[i];
        }
    }
    return NULL;
}

/* All dwords of the packet; its fixed part has been fetched. */
static uint64_t packet_dwords(const HgpuPacket *packet, const uint32_t *pkt)
{
    uint64_t dwords = packet->dwords(pkt[0]);

    return packet->payload ? dwords + packet->payload(pkt) : dwords;
}

/* ---- Ways out of a packet ---- */

HgpuStep hgpu_sdma_fault(HgpuSdma *sdma, const HgpuFault *fault)
{
    hgpu_fault_raise(sdma->gpu, sdma->engine, sdma->index, fault);
    return HGPU_STEP_STOP;
}

static uint64_t packet_addr(const HgpuSdma *sdma)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;

    if (hgpu_ctx_in_ib(ctx)) {
        return ctx->ib_base + ctx->ib_offset * UINT64_C(4);
    }
    return ctx->rb_base +
           (ctx->rb_rptr & (hgpu_sdma_ring_bytes(ctx->rb_cntl) - 1));
}

static HgpuStep sdma_halt(HgpuSdma *sdma, uint32_t exception, uint32_t source,
                          uint64_t addr)
{
    hgpu_guest_error(sdma->gpu,
                     "SDMA%u context %u halts: exception %u, packet 0x%08x at "
                     "0x%" PRIx64, sdma->engine, sdma->index, exception,
                     sdma->ctx->pkt[0], packet_addr(sdma));
    hgpu_ctx_halt(sdma->gpu, sdma->engine, sdma->index, exception);
    hgpu_ih_post_sdma(sdma->gpu, sdma->engine, sdma->index, source,
                      sdma->ctx->pkt[0], addr, addr >> 32);
    return HGPU_STEP_STOP;
}

HgpuStep hgpu_sdma_illegal(HgpuSdma *sdma)
{
    return sdma_halt(sdma, HGPU_SDMA_EXCEPTION_ILLEGAL,
                     HGPU_SRCID_SDMA_ILLEGAL, packet_addr(sdma));
}

HgpuStep hgpu_sdma_denied(HgpuSdma *sdma)
{
    return sdma_halt(sdma, HGPU_SDMA_EXCEPTION_PRIV,
                     HGPU_SRCID_SDMA_SRBMWRITE, 0);
}

HgpuStep hgpu_sdma_timeout(HgpuSdma *sdma)
{
    return sdma_halt(sdma, HGPU_SDMA_EXCEPTION_TIMEOUT,
                     HGPU_SRCID_SDMA_POLL_TIMEOUT, 0);
}

HgpuStep hgpu_sdma_wait(HgpuSdma *sdma, uint32_t ticks)
{
    const uint64_t shortest_ns = 1000;
    uint64_t ns = ticks * UINT64_C(1000000000) / HGPU_GPU_CLOCK_HZ;

    sdma->ctx->parked.deadline_ns = hgpu_now_ns(sdma->gpu) +
                                    MAX(ns, shortest_ns);
    hgpu_ctx_move(sdma->gpu, sdma->engine, sdma->index, HGPU_CTX_POLL_WAIT);
    return HGPU_STEP_STOP;
}

/* Nothing below WPTR, or not a whole packet. */
static HgpuStep sdma_idle(HgpuSdma *sdma)
{
    if (hgpu_sdma_write_rptr(sdma, sdma->ctx->rb_rptr) != HGPU_STEP_DONE) {
        return HGPU_STEP_STOP;
    }
    hgpu_ctx_move(sdma->gpu, sdma->engine, sdma->index, HGPU_CTX_IDLE);
    return HGPU_STEP_STOP;
}

/* ---- The stream of dwords: the ring, or the IB ---- */

uint64_t hgpu_sdma_avail(const HgpuSdma *sdma)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;

    if (hgpu_ctx_in_ib(ctx)) {
        return ctx->ib_size - ctx->ib_offset;
    }
    return (ctx->rb_wptr - ctx->rb_rptr) / 4;
}

uint64_t hgpu_sdma_stream_read(HgpuSdma *sdma, uint64_t off, void *buf,
                               uint64_t len, HgpuFault *fault)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t ring = hgpu_sdma_ring_bytes(ctx->rb_cntl);
    uint64_t pos = ctx->rb_rptr + off;
    uint64_t first, done;

    if (hgpu_ctx_in_ib(ctx)) {
        uint64_t at = ctx->ib_base + ctx->ib_offset * UINT64_C(4) + off;

        return hgpu_mem_read(sdma->gpu, sdma->vmid, at, buf, len, fault);
    }
    first = MIN(len, hgpu_ring_to_end(pos, ring));
    done = hgpu_mem_read(sdma->gpu, sdma->vmid,
                         ctx->rb_base + (pos & (ring - 1)), buf, first,
                         fault);
    if (done < first || first == len) {
        return done;
    }
    return done + hgpu_mem_read(sdma->gpu, sdma->vmid, ctx->rb_base,
                                (uint8_t *)buf + first, len - first, fault);
}

static void stream_advance(HgpuSdma *sdma, uint64_t dwords)
{
    if (hgpu_ctx_in_ib(sdma->ctx)) {
        sdma->ctx->ib_offset += dwords;
    } else {
        sdma->ctx->rb_rptr += dwords * 4;
    }
}

static void packet_clear(HgpuSdmaCtx *ctx)
{
    memset(ctx->pkt, 0, sizeof(ctx->pkt));
    ctx->pkt_len = 0;
    ctx->progress = 0;
    ctx->retries = 0;
}

void hgpu_sdma_retire(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    const HgpuPacket *packet = packet_lookup(ctx->pkt[0]);

    hgpu_trace(sdma->gpu, PACKET, sdma->engine, sdma->index, ctx->pkt[0],
               ctx->rb_rptr);
    sdma->gpu->stats.packets++;
    /* RPTR covers an INDIRECT when its IB is done (SPEC 7.2): see ib_done(). */
    if (packet->op != HGPU_SDMA_OP_INDIRECT || !hgpu_ctx_in_ib(ctx)) {
        stream_advance(sdma, packet_dwords(packet, ctx->pkt));
    }
    packet_clear(ctx);
}

static void ib_done(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;

    ctx->ib_base = 0;
    ctx->ib_size = 0;
    ctx->ib_offset = 0;
    ctx->ib_cntl &= ~HGPU_SDMA_IB_CNTL__CMD_VMID;
    stream_advance(sdma, HGPU_SDMA_INDIRECT_DW);
}

HgpuStep hgpu_sdma_write_rptr(HgpuSdma *sdma, uint64_t rptr)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint64_t wire = GUINT64_TO_LE(rptr);
    HgpuFault fault;

    if (!(ctx->rb_cntl & HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE) ||
        ctx->rptr_written == rptr) {
        return HGPU_STEP_DONE;
    }
    hgpu_write_barrier();
    if (hgpu_mem_write(sdma->gpu, hgpu_ctx_vmid(ctx), ctx->rb_rptr_addr,
                       &wire, sizeof(wire), &fault) != sizeof(wire)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    hgpu_trace(sdma->gpu, RPTR_WRITEBACK, sdma->engine, sdma->index,
               ctx->rb_rptr_addr, rptr);
    ctx->rptr_written = rptr;
    return HGPU_STEP_DONE;
}

bool hgpu_sdma_privileged(const HgpuSdma *sdma)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;

    /* A kernel ring lends its rights to no IB of a process. */
    return sdma->index < HGPU_SDMA_CTX_RLC0 &&
           (!hgpu_ctx_vmid(ctx) ||
            (ctx->rb_cntl & HGPU_SDMA_RB_CNTL__RB_PRIV)) &&
           (!hgpu_ctx_in_ib(ctx) || !sdma->vmid);
}

/* ---- A step ---- */

/* Wait for more of the packet, unless it can never come. */
static HgpuStep sdma_starved(HgpuSdma *sdma, uint64_t dwords)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;

    if (hgpu_ctx_in_ib(ctx) ||
        dwords * 4 > hgpu_sdma_ring_bytes(ctx->rb_cntl)) {
        return hgpu_sdma_illegal(sdma);
    }
    return sdma_idle(sdma);
}

/* Have @dwords of the packet in the context; each is read once. */
static HgpuStep sdma_fetch(HgpuSdma *sdma, uint32_t dwords)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint32_t missing[HGPU_SDMA_PKT_MAX_DW];
    uint64_t len, done;
    HgpuFault fault;

    if (ctx->pkt_len >= dwords) {
        return HGPU_STEP_DONE;
    }
    if (dwords > hgpu_sdma_avail(sdma)) {
        return sdma_starved(sdma, dwords);
    }
    len = (dwords - ctx->pkt_len) * UINT64_C(4);
    done = hgpu_sdma_stream_read(sdma, ctx->pkt_len * UINT64_C(4), missing,
                                 len, &fault);
    for (uint32_t i = 0; i < done / 4; i++) {
        ctx->pkt[ctx->pkt_len++] = GUINT32_FROM_LE(missing[i]);
    }
    return done == len ? HGPU_STEP_DONE : hgpu_sdma_fault(sdma, &fault);
}

static HgpuStep sdma_skip(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint64_t dwords = MIN(ctx->skip, hgpu_sdma_avail(sdma));

    stream_advance(sdma, dwords);
    ctx->skip -= dwords;
    return ctx->skip ? sdma_idle(sdma) : HGPU_STEP_MORE;
}

/* Fetch the packet's fixed part; DONE: it is whole, and @packet is its row. */
static HgpuStep sdma_decode(HgpuSdma *sdma, const HgpuPacket **packet)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    HgpuStep step = sdma_fetch(sdma, 1);
    uint64_t dwords;

    if (step != HGPU_STEP_DONE) {
        return step;
    }
    *packet = packet_lookup(ctx->pkt[0]);
    if (!*packet) {
        return hgpu_sdma_illegal(sdma);
    }
    step = sdma_fetch(sdma, (*packet)->dwords(ctx->pkt[0]));
    if (step != HGPU_STEP_DONE) {
        return step;
    }
    dwords = packet_dwords(*packet, ctx->pkt);
    return dwords > hgpu_sdma_avail(sdma) ? sdma_starved(sdma, dwords)
                                          : HGPU_STEP_DONE;
}

static HgpuStep sdma_packet(HgpuSdma *sdma)
{
    const HgpuPacket *packet;
    HgpuStep step = sdma_decode(sdma, &packet);
    uint32_t exception;

    if (step != HGPU_STEP_DONE) {
        return step;
    }
    exception = packet->check ? packet->check(sdma)
                              : HGPU_SDMA_EXCEPTION_NONE;
    switch (exception) {
    case HGPU_SDMA_EXCEPTION_NONE:
        return packet->exec(sdma);
    case HGPU_SDMA_EXCEPTION_PRIV:
        return hgpu_sdma_denied(sdma);
    default:
        return hgpu_sdma_illegal(sdma);
    }
}

static HgpuStep sdma_advance(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;

    if (ctx->skip) {
        return sdma_skip(sdma);
    }
    if (hgpu_ctx_in_ib(ctx) && ctx->ib_offset == ctx->ib_size) {
        ib_done(sdma);
        return HGPU_STEP_MORE;
    }
    if (!hgpu_ctx_in_ib(ctx) && ctx->rb_rptr == ctx->rb_wptr) {
        return sdma_idle(sdma);
    }
    return sdma_packet(sdma);
}

void hgpu_sdma_step(HgpuSdma *sdma)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint64_t fault_id = ctx->parked.id;
    HgpuStep step;

    sdma->vmid = hgpu_ctx_in_ib(ctx)
                 ? FIELD_GET(HGPU_SDMA_IB_CNTL__CMD_VMID, ctx->ib_cntl)
                 : hgpu_ctx_vmid(ctx);
    step = sdma_advance(sdma);
    if (fault_id && ctx->parked.id == fault_id &&
        ctx->state != HGPU_CTX_RETRY_WAIT) {
        hgpu_fault_resolved(sdma->gpu, &ctx->parked, sdma->engine,
                            sdma->index);
    }
    if (step == HGPU_STEP_DONE) {
        hgpu_sdma_retire(sdma);
    }
    sdma->budget -= MIN(sdma->budget, HGPU_PACKET_COST);
}

/* ---- What a loaded context may hold ---- */

bool hgpu_sdma_midcmd_ok(const HgpuSdmaCtx *ctx)
{
    const HgpuPacket *packet;
    uint32_t fixed;

    if (!ctx->pkt_len) {
        return !ctx->progress && !ctx->retries;
    }
    /* An unknown header alone is what an illegal packet leaves. */
    packet = packet_lookup(ctx->pkt[0]);
    if (!packet) {
        return ctx->pkt_len == 1 && !ctx->progress && !ctx->retries &&
               ctx->exception == HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
    fixed = packet->dwords(ctx->pkt[0]);
    if (ctx->pkt_len > fixed || ctx->skip) {
        return false;
    }
    if (ctx->pkt_len < fixed) {
        return !ctx->progress && !ctx->retries;
    }
    if (packet->bytes) {
        return ctx->progress <= packet->bytes(ctx->pkt) &&
               ctx->progress % packet->unit == 0 && !ctx->retries;
    }
    /* Others only note that they have begun. */
    return ctx->progress <= 1 &&
           ctx->retries <= HGPU_SDMA_POLL_RETRY_FOREVER;
}
