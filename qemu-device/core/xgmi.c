/*
 * hmm-gpu device core: the VRAM of peers in the hive (SPEC 4.7).
 *
 * All GPUs of a hive are called from the same thread, so a peer stands still
 * while we are at its memory.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vram.h"

static bool xgmi_linked(const HgpuGpu *gpu)
{
    return gpu->s.xgmi_cntl & HGPU_XGMI_CNTL__LINK_ENABLE;
}

HgpuGpu *hgpu_xgmi_owner(HgpuGpu *gpu, uint64_t addr, uint64_t *off)
{
    HgpuGpu *peer;

    if (!xgmi_linked(gpu)) {
        return NULL;
    }
    peer = gpu->ops->peer(gpu->opaque, addr >> HGPU_XGMI_SEGMENT_SHIFT);
    *off = addr & (BIT_ULL(HGPU_XGMI_SEGMENT_SHIFT) - 1);
    return peer && xgmi_linked(peer) && *off < peer->vram_size ? peer : NULL;
}
