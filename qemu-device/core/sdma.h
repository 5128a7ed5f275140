/*
 * hmm-gpu device core: SDMA contexts execute packets (SPEC 7).
 *
 * Nothing of an execution is on the host's stack between two steps: the
 * dwords fetched, the bytes done and what is waited for are in HgpuSdmaCtx,
 * so a context can be parked, saved, or moved to another slot at any point.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_SDMA_H
#define HGPU_CORE_SDMA_H

#include "gpu.h"

/* What a packet costs of a slice's bytes, whatever it does. */
#define HGPU_PACKET_COST        256u

typedef struct HgpuSdma {
    HgpuGpu *gpu;
    HgpuSdmaCtx *ctx;
    uint32_t engine;
    uint32_t index;             /* of the context */
    uint32_t vmid;              /* whose memory the current packet uses */
    uint64_t budget;            /* bytes left in this slice */
} HgpuSdma;

/*
 * hgpu_sdma_step: go on with the current packet, or fetch the next
 *
 * The context is RUNNING; it still is when there is more to do. Call it while
 * the budget is at least HGPU_PACKET_COST; it uses some of it up.
 */
void hgpu_sdma_step(HgpuSdma *sdma);

/* Could @ctx's dwords, progress and counts be an interrupted packet's? */
bool hgpu_sdma_midcmd_ok(const HgpuSdmaCtx *ctx);

#endif /* HGPU_CORE_SDMA_H */
