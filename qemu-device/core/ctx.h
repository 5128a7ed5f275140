/*
 * hmm-gpu device core: the state of an SDMA context (SPEC 7.2).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_CTX_H
#define HGPU_CORE_CTX_H

#include "gpu.h"

static inline uint32_t hgpu_ctx_vmid(const HgpuSdmaCtx *ctx)
{
    return FIELD_GET(HGPU_SDMA_RB_CNTL__RB_VMID, ctx->rb_cntl);
}

/* The bits that exist in the registers of a context. */
#define HGPU_RB_CNTL_BITS                                               \
    (HGPU_SDMA_RB_CNTL__RB_ENABLE | HGPU_SDMA_RB_CNTL__RB_SIZE |        \
     HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE |                         \
     HGPU_SDMA_RB_CNTL__RB_PRIV | HGPU_SDMA_RB_CNTL__RB_VMID)
#define HGPU_IB_CNTL_BITS \
    (HGPU_SDMA_IB_CNTL__IB_ENABLE | HGPU_SDMA_IB_CNTL__CMD_VMID)
#define HGPU_RB_BASE_ALIGN      256u
#define HGPU_RPTR_ADDR_ALIGN    8u

/* Is an indirect buffer running? */
static inline bool hgpu_ctx_in_ib(const HgpuSdmaCtx *ctx)
{
    return ctx->ib_size != 0;
}

/* The only place where HgpuSdmaCtx.state changes. */
void hgpu_ctx_move(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t state);

/* Halt with HGPU_SDMA_EXCEPTION_*, until disabled. */
void hgpu_ctx_halt(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t exception);

/* Forget the packet, the IB and what was waited for; data stays written. */
void hgpu_ctx_drop_work(HgpuSdmaCtx *ctx);

/* Could it use a turn at @now_ns? */
bool hgpu_ctx_runnable(const HgpuGpu *gpu, uint32_t e, uint32_t c,
                       uint64_t now_ns);

/* SDMA_CONTEXT_STATUS */
uint32_t hgpu_ctx_status(const HgpuSdmaCtx *ctx);

#endif /* HGPU_CORE_CTX_H */
