/*
 * hmm-gpu device core: between the parts of the SDMA engine.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_SDMA_PRIV_H
#define HGPU_CORE_SDMA_PRIV_H

#include "sdma.h"
#include "mm.h"

typedef enum HgpuStep {
    HGPU_STEP_DONE,             /* retire the packet */
    HGPU_STEP_MORE,             /* call again; the packet may be retired */
    HGPU_STEP_STOP,             /* the context is not RUNNING any more */
} HgpuStep;

/* One row a packet; the table is in sdma.c. */
typedef struct HgpuPacket {
    uint8_t op;
    uint8_t sub_op;
    /* dwords that are fetched before it is executed */
    uint8_t (*dwords)(uint32_t header);
    /* dwords that follow them */
    uint32_t (*payload)(const uint32_t *pkt);
    /* bytes that HgpuSdmaCtx.progress counts, and the unit they come in */
    uint64_t (*bytes)(const uint32_t *pkt);
    uint8_t unit;
    /* HGPU_SDMA_EXCEPTION_* if the packet is malformed or forbidden */
    uint32_t (*check)(const HgpuSdma *sdma);
    HgpuStep (*exec)(HgpuSdma *sdma);
} HgpuPacket;

static inline uint64_t hgpu_pkt_addr(const uint32_t *pkt, uint32_t lo)
{
    return pkt[lo] | (uint64_t)pkt[lo + 1] << 32;
}

/* Park or halt the context. */
HgpuStep hgpu_sdma_fault(HgpuSdma *sdma, const HgpuFault *fault);

/* Halt the context and tell the driver. */
HgpuStep hgpu_sdma_illegal(HgpuSdma *sdma);
HgpuStep hgpu_sdma_denied(HgpuSdma *sdma);
HgpuStep hgpu_sdma_timeout(HgpuSdma *sdma);

/* Wait in the packet for @ticks of the GPU clock. */
HgpuStep hgpu_sdma_wait(HgpuSdma *sdma, uint32_t ticks);

/* The packet is done: on to the next one. */
void hgpu_sdma_retire(HgpuSdma *sdma);

/* Dwords left in the stream from the current packet's first on. */
uint64_t hgpu_sdma_avail(const HgpuSdma *sdma);

/*
 * Read the current packet's dwords from byte @off on, as they lie in memory.
 * Returns bytes read; fewer than @len with @fault set.
 */
uint64_t hgpu_sdma_stream_read(HgpuSdma *sdma, uint64_t off, void *buf,
                               uint64_t len, HgpuFault *fault);

/* Write @rptr to RB_RPTR_ADDR if that is asked for. DONE or STOP. */
HgpuStep hgpu_sdma_write_rptr(HgpuSdma *sdma, uint64_t rptr);

/* May the current packet use privileges? */
bool hgpu_sdma_privileged(const HgpuSdma *sdma);

/* sdma_bulk.c: COPY, WRITE, CONST_FILL, PTEPDE */
uint32_t hgpu_check_copy(const HgpuSdma *sdma);
HgpuStep hgpu_exec_copy(HgpuSdma *sdma);
uint32_t hgpu_check_write(const HgpuSdma *sdma);
HgpuStep hgpu_exec_write(HgpuSdma *sdma);
uint32_t hgpu_check_fill(const HgpuSdma *sdma);
HgpuStep hgpu_exec_fill(HgpuSdma *sdma);
uint32_t hgpu_check_ptepde(const HgpuSdma *sdma);
HgpuStep hgpu_exec_ptepde_gen(HgpuSdma *sdma);
HgpuStep hgpu_exec_ptepde_copy(HgpuSdma *sdma);
HgpuStep hgpu_exec_ptepde_rmw(HgpuSdma *sdma);
uint64_t hgpu_bytes_copy(const uint32_t *pkt);
uint64_t hgpu_bytes_write(const uint32_t *pkt);
uint64_t hgpu_bytes_fill(const uint32_t *pkt);
uint64_t hgpu_bytes_ptepde_gen(const uint32_t *pkt);
uint64_t hgpu_bytes_ptepde_copy(const uint32_t *pkt);

/* sdma_sync.c: everything that moves no more than 8 bytes */
HgpuStep hgpu_exec_nop(HgpuSdma *sdma);
uint32_t hgpu_check_indirect(const HgpuSdma *sdma);
HgpuStep hgpu_exec_indirect(HgpuSdma *sdma);
uint32_t hgpu_check_fence(const HgpuSdma *sdma);
HgpuStep hgpu_exec_fence(HgpuSdma *sdma);
HgpuStep hgpu_exec_trap(HgpuSdma *sdma);
uint32_t hgpu_check_poll(const HgpuSdma *sdma);
HgpuStep hgpu_exec_poll(HgpuSdma *sdma);
uint32_t hgpu_check_cond_exe(const HgpuSdma *sdma);
HgpuStep hgpu_exec_cond_exe(HgpuSdma *sdma);
uint32_t hgpu_check_atomic(const HgpuSdma *sdma);
HgpuStep hgpu_exec_atomic(HgpuSdma *sdma);
uint32_t hgpu_check_timestamp(const HgpuSdma *sdma);
HgpuStep hgpu_exec_timestamp(HgpuSdma *sdma);
uint32_t hgpu_check_srbm_write(const HgpuSdma *sdma);
HgpuStep hgpu_exec_srbm_write(HgpuSdma *sdma);

#endif /* HGPU_CORE_SDMA_PRIV_H */
