/*
 * hmm-gpu device core: SDMA packets that move data (SPEC 7.3).
 *
 * All of them loop in the same way: translate as much as is contiguous on
 * every side, before anything is read; map it; move it; note the progress.
 * The first byte that cannot be translated parks the context, and the same
 * loop goes on from there.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "sdma_priv.h"
#include "ctx.h"
#include "host.h"
#include "memory.h"

/* Bytes of the packet that may be moved now, in whole units. */
static uint64_t bulk_chunk(const HgpuSdma *sdma, uint64_t total,
                           uint32_t unit)
{
    uint64_t left = total - sdma->ctx->progress;

    return left <= sdma->budget ? left : sdma->budget / unit * unit;
}

/* @done bytes are where they belong. */
static void bulk_done(HgpuSdma *sdma, uint64_t done)
{
    sdma->ctx->progress += done;
    sdma->budget -= done;
    sdma->gpu->stats.bytes += done;
}

typedef uint64_t BulkPiece(HgpuSdma *sdma, uint64_t len, HgpuFault *fault);

/*
 * Move the rest of @total bytes, in units of @unit. @piece does up to @len
 * bytes from progress on and returns how many, or 0 with @fault set.
 */
static HgpuStep bulk_loop(HgpuSdma *sdma, uint64_t total, uint32_t unit,
                          BulkPiece *piece)
{
    HgpuFault fault;

    while (sdma->ctx->progress < total) {
        uint64_t len = bulk_chunk(sdma, total, unit);

        if (!len) {
            return HGPU_STEP_MORE;
        }
        len = piece(sdma, len, &fault);
        if (!len) {
            return hgpu_sdma_fault(sdma, &fault);
        }
        bulk_done(sdma, len);
    }
    return HGPU_STEP_DONE;
}

/*
 * Translate and map the write side of the current chunk. Returns the bytes
 * mapped, 0 with @fault set.
 */
static uint64_t bulk_open_dst(HgpuSdma *sdma, uint64_t va, uint64_t len,
                              uint32_t access, HgpuRun *run, HgpuMap *map,
                              HgpuFault *fault)
{
    if (!hgpu_mem_run(sdma->gpu, sdma->vmid, va, len, access, run, fault) ||
        !hgpu_mem_map(sdma->gpu, sdma->vmid, run, run->len, access,
                      HGPU_BOUNCE_DST, map, fault)) {
        return 0;
    }
    return map->len;
}

/* ---- COPY linear ---- */

#define COPY_DSTS_MAX 2

typedef struct CopySide {
    HgpuRun run;
    HgpuMap map;
} CopySide;

static uint32_t copy_dsts(const uint32_t *pkt)
{
    return pkt[0] & HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST ? 2 : 1;
}

uint64_t hgpu_bytes_copy(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_COPY_LINEAR_COUNT__COUNT, pkt[1]) + 1;
}

uint32_t hgpu_check_copy(const HgpuSdma *sdma)
{
    const uint32_t swap = HGPU_SDMA_PKT_COPY_LINEAR_PARAMETER__DST_SW |
                          HGPU_SDMA_PKT_COPY_LINEAR_PARAMETER__SRC_SW;

    return sdma->ctx->pkt[2] & swap ? HGPU_SDMA_EXCEPTION_ILLEGAL
                                    : HGPU_SDMA_EXCEPTION_NONE;
}

/* Side 0 is the source. Returns the bytes that all sides can do in one run. */
static uint64_t copy_translate(HgpuSdma *sdma, CopySide *side, uint32_t sides,
                               uint64_t len, HgpuFault *fault)
{
    for (uint32_t i = 0; i < sides; i++) {
        uint64_t va = hgpu_pkt_addr(sdma->ctx->pkt, 3 + 2 * i) +
                      sdma->ctx->progress;

        if (!hgpu_mem_run(sdma->gpu, sdma->vmid, va, len,
                          i ? HGPU_ACCESS_WRITE : HGPU_ACCESS_READ,
                          &side[i].run, fault)) {
            return 0;
        }
        len = side[i].run.len;
    }
    return len;
}

/*
 * Undo the maps of all @sides, @used bytes of each accessed. Those of VRAM
 * first: the others may do DMA.
 */
static bool copy_unmap(HgpuSdma *sdma, const CopySide *side, uint32_t sides,
                       uint64_t used, HgpuFault *fault)
{
    bool ok = true;

    for (uint32_t i = 0; i < 2 * sides; i++) {
        const CopySide *s = &side[i % sides];

        if (s->run.system == (i >= sides)) {
            ok &= hgpu_mem_unmap(sdma->gpu, &s->map, used, fault);
        }
    }
    return ok;
}

/* Returns the bytes mapped on every side, 0 with nothing mapped. */
static uint64_t copy_map(HgpuSdma *sdma, CopySide *side, uint32_t sides,
                         uint64_t len, HgpuFault *fault)
{
    HgpuFault ignored;

    for (uint32_t i = 0; i < sides; i++) {
        if (!hgpu_mem_map(sdma->gpu, sdma->vmid, &side[i].run, len,
                          i ? HGPU_ACCESS_WRITE : HGPU_ACCESS_READ,
                          HGPU_BOUNCE_SRC + i, &side[i].map, fault)) {
            copy_unmap(sdma, side, i, 0, &ignored);
            return 0;
        }
        len = side[i].map.len;
    }
    return len;
}

static uint64_t copy_piece(HgpuSdma *sdma, uint64_t len, HgpuFault *fault)
{
    uint32_t sides = 1 + copy_dsts(sdma->ctx->pkt);
    CopySide side[1 + COPY_DSTS_MAX];

    len = copy_translate(sdma, side, sides, len, fault);
    if (len) {
        len = copy_map(sdma, side, sides, len, fault);
    }
    if (!len) {
        return 0;
    }
    for (uint32_t i = 1; i < sides; i++) {
        memmove(side[i].map.ptr, side[0].map.ptr, len);
    }
    return copy_unmap(sdma, side, sides, len, fault) ? len : 0;
}

HgpuStep hgpu_exec_copy(HgpuSdma *sdma)
{
    return bulk_loop(sdma, hgpu_bytes_copy(sdma->ctx->pkt), 1, copy_piece);
}

/* ---- WRITE linear ---- */

uint64_t hgpu_bytes_write(const uint32_t *pkt)
{
    return (FIELD_GET(HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__COUNT, pkt[3]) + 1) *
           UINT64_C(4);
}

uint32_t hgpu_check_write(const HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;

    return (pkt[1] & 3) ||
           (pkt[3] & HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__SW)
           ? HGPU_SDMA_EXCEPTION_ILLEGAL : HGPU_SDMA_EXCEPTION_NONE;
}

/* The destination is translated first, so that data is read only once. */
static uint64_t write_piece(HgpuSdma *sdma, uint64_t len, HgpuFault *fault)
{
    HgpuSdmaCtx *ctx = sdma->ctx;
    uint64_t va = hgpu_pkt_addr(ctx->pkt, 1) + ctx->progress;
    uint8_t *data = sdma->gpu->bounce[HGPU_BOUNCE_SRC];
    HgpuRun run;

    len = MIN(len, sizeof(sdma->gpu->bounce[HGPU_BOUNCE_SRC]));
    if (!hgpu_mem_run(sdma->gpu, sdma->vmid, va, len, HGPU_ACCESS_WRITE,
                      &run, fault)) {
        return 0;
    }
    len = hgpu_sdma_stream_read(sdma, HGPU_SDMA_WRITE_DW * 4 + ctx->progress,
                                data, run.len, fault) & ~UINT64_C(3);
    if (!len) {
        return 0;
    }
    return hgpu_mem_write(sdma->gpu, sdma->vmid, va, data, len, fault) == len
           ? len : 0;
}

HgpuStep hgpu_exec_write(HgpuSdma *sdma)
{
    return bulk_loop(sdma, hgpu_bytes_write(sdma->ctx->pkt), 4, write_piece);
}

/* ---- CONST_FILL ---- */

static uint32_t fill_size(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE, pkt[0]);
}

uint64_t hgpu_bytes_fill(const uint32_t *pkt)
{
    return FIELD_GET(HGPU_SDMA_PKT_CONSTANT_FILL_COUNT__COUNT, pkt[4]) + 1;
}

uint32_t hgpu_check_fill(const HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;

    if (pkt[0] & HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__SW) {
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
    switch (fill_size(pkt)) {
    case HGPU_SDMA_FILLSIZE_BYTE:
        return HGPU_SDMA_EXCEPTION_NONE;
    case HGPU_SDMA_FILLSIZE_DWORD:
        return pkt[1] & 3 ? HGPU_SDMA_EXCEPTION_ILLEGAL
                          : HGPU_SDMA_EXCEPTION_NONE;
    default:
        return HGPU_SDMA_EXCEPTION_ILLEGAL;
    }
}

/* Fill with the dword @data, whose byte @phase comes first. */
static void fill_dwords(uint8_t *to, uint64_t len, uint32_t data,
                        uint32_t phase)
{
    uint32_t shift = phase * 8;
    uint32_t first = shift ? data >> shift | data << (32 - shift) : data;
    uint32_t wire = GUINT32_TO_LE(first);
    uint64_t i;

    for (i = 0; i + sizeof(wire) <= len; i += sizeof(wire)) {
        memcpy(to + i, &wire, sizeof(wire));
    }
    memcpy(to + i, &wire, len - i);
}

static uint64_t fill_piece(HgpuSdma *sdma, uint64_t len, HgpuFault *fault)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;
    uint64_t va = hgpu_pkt_addr(ctx->pkt, 1) + ctx->progress;
    uint32_t data = ctx->pkt[3];
    HgpuRun run;
    HgpuMap map;

    len = bulk_open_dst(sdma, va, len, HGPU_ACCESS_WRITE, &run, &map, fault);
    if (!len) {
        return 0;
    }
    if (fill_size(ctx->pkt) == HGPU_SDMA_FILLSIZE_BYTE) {
        memset(map.ptr, data, len);
    } else {
        fill_dwords(map.ptr, len, data, ctx->progress & 3);
    }
    return hgpu_mem_unmap(sdma->gpu, &map, len, fault) ? len : 0;
}

HgpuStep hgpu_exec_fill(HgpuSdma *sdma)
{
    return bulk_loop(sdma, hgpu_bytes_fill(sdma->ctx->pkt), 1, fill_piece);
}

/* ---- PTEPDE: arrays of 8-byte entries ---- */

#define ENTRY_BYTES UINT64_C(8)

uint64_t hgpu_bytes_ptepde_gen(const uint32_t *pkt)
{
    return (FIELD_GET(HGPU_SDMA_PKT_WRITE_INCR_COUNT__COUNT, pkt[9]) + 1) *
           ENTRY_BYTES;
}

uint64_t hgpu_bytes_ptepde_copy(const uint32_t *pkt)
{
    return (FIELD_GET(HGPU_SDMA_PKT_PTEPDE_COPY_COUNT__COUNT, pkt[7]) + 1) *
           ENTRY_BYTES;
}

uint32_t hgpu_check_ptepde(const HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint32_t unaligned = pkt[1] & 7;

    if (FIELD_GET(HGPU_SDMA_PKT_HEADER__SUB_OP, pkt[0]) ==
        HGPU_SDMA_SUBOP_PTEPDE_COPY) {
        unaligned |= pkt[3] & 7;
    }
    return unaligned ? HGPU_SDMA_EXCEPTION_ILLEGAL : HGPU_SDMA_EXCEPTION_NONE;
}

static uint64_t entry_load(const uint8_t *from)
{
    uint64_t entry;

    memcpy(&entry, from, sizeof(entry));
    return GUINT64_FROM_LE(entry);
}

static void entry_store(uint8_t *to, uint64_t entry)
{
    entry = GUINT64_TO_LE(entry);
    memcpy(to, &entry, sizeof(entry));
}

static uint64_t entry_merge(uint64_t old, uint64_t new, uint64_t mask)
{
    return (old & ~mask) | (new & mask);
}

/*
 * A host that maps less than an entry of an aligned run is no host of ours:
 * RAM comes in pages. Treated as memory that cannot be reached.
 */
static bool entries_whole(HgpuSdma *sdma, const HgpuMap *map,
                          HgpuFault *fault)
{
    HgpuFault ignored;

    if (map->len >= ENTRY_BYTES) {
        return true;
    }
    hgpu_mem_unmap(sdma->gpu, map, 0, &ignored);
    *fault = (HgpuFault) {
        .kind = HGPU_FAULT_BUS, .vmid = map->vmid, .access = map->access,
        .addr = map->run->va, .bus_addr = map->run->pa,
    };
    return false;
}

static uint64_t gen_piece(HgpuSdma *sdma, uint64_t len, HgpuFault *fault)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;
    uint64_t mask = hgpu_pkt_addr(ctx->pkt, 3);
    uint64_t init = hgpu_pkt_addr(ctx->pkt, 5);
    uint64_t incr = hgpu_pkt_addr(ctx->pkt, 7);
    uint64_t first = ctx->progress / ENTRY_BYTES;
    uint64_t va = hgpu_pkt_addr(ctx->pkt, 1) + ctx->progress;
    HgpuRun run;
    HgpuMap map;

    if (!bulk_open_dst(sdma, va, len, HGPU_ACCESS_WRITE, &run, &map, fault) ||
        !entries_whole(sdma, &map, fault)) {
        return 0;
    }
    len = map.len / ENTRY_BYTES * ENTRY_BYTES;
    for (uint64_t i = 0; i < len / ENTRY_BYTES; i++) {
        entry_store(map.ptr + i * ENTRY_BYTES,
                    (init + (first + i) * incr) | mask);
    }
    return hgpu_mem_unmap(sdma->gpu, &map, len, fault) ? len : 0;
}

HgpuStep hgpu_exec_ptepde_gen(HgpuSdma *sdma)
{
    return bulk_loop(sdma, hgpu_bytes_ptepde_gen(sdma->ctx->pkt),
                     ENTRY_BYTES, gen_piece);
}

static uint64_t pte_copy_piece(HgpuSdma *sdma, uint64_t len, HgpuFault *fault)
{
    const HgpuSdmaCtx *ctx = sdma->ctx;
    bool merge = ctx->pkt[0] & HGPU_SDMA_PKT_PTEPDE_COPY_HEADER__PTEPDE_OP;
    uint64_t mask = hgpu_pkt_addr(ctx->pkt, 5);
    uint64_t src = hgpu_pkt_addr(ctx->pkt, 1) + ctx->progress;
    uint64_t dst = hgpu_pkt_addr(ctx->pkt, 3) + ctx->progress;
    uint8_t *from = sdma->gpu->bounce[HGPU_BOUNCE_SRC];
    uint32_t access = merge ? HGPU_ACCESS_ATOMIC : HGPU_ACCESS_WRITE;
    HgpuRun run;
    HgpuMap map;

    len = MIN(len, sizeof(sdma->gpu->bounce[HGPU_BOUNCE_SRC]));
    if (!hgpu_mem_run(sdma->gpu, sdma->vmid, dst, len, access, &run, fault)) {
        return 0;
    }
    /* Reading may be DMA, so nothing is mapped yet. */
    len = hgpu_mem_read(sdma->gpu, sdma->vmid, src, from, run.len, fault) &
          ~(ENTRY_BYTES - 1);
    if (!len ||
        !hgpu_mem_map(sdma->gpu, sdma->vmid, &run, len, access,
                      HGPU_BOUNCE_DST, &map, fault) ||
        !entries_whole(sdma, &map, fault)) {
        return 0;
    }
    len = map.len / ENTRY_BYTES * ENTRY_BYTES;
    for (uint64_t i = 0; i < len; i += ENTRY_BYTES) {
        uint64_t entry = entry_load(from + i);

        entry_store(map.ptr + i, merge ? entry_merge(entry_load(map.ptr + i),
                                                     entry, mask) : entry);
    }
    return hgpu_mem_unmap(sdma->gpu, &map, len, fault) ? len : 0;
}

HgpuStep hgpu_exec_ptepde_copy(HgpuSdma *sdma)
{
    return bulk_loop(sdma, hgpu_bytes_ptepde_copy(sdma->ctx->pkt),
                     ENTRY_BYTES, pte_copy_piece);
}

HgpuStep hgpu_exec_ptepde_rmw(HgpuSdma *sdma)
{
    const uint32_t *pkt = sdma->ctx->pkt;
    uint64_t mask = hgpu_pkt_addr(pkt, 3);
    uint64_t value = hgpu_pkt_addr(pkt, 5);
    HgpuFault fault;
    HgpuRun run;
    HgpuMap map;

    if (!bulk_open_dst(sdma, hgpu_pkt_addr(pkt, 1), ENTRY_BYTES,
                       HGPU_ACCESS_ATOMIC, &run, &map, &fault) ||
        !entries_whole(sdma, &map, &fault)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    entry_store(map.ptr, entry_merge(entry_load(map.ptr), value, mask));
    if (!hgpu_mem_unmap(sdma->gpu, &map, ENTRY_BYTES, &fault)) {
        return hgpu_sdma_fault(sdma, &fault);
    }
    sdma->gpu->stats.bytes += ENTRY_BYTES;
    return HGPU_STEP_DONE;
}
