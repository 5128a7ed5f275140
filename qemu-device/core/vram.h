/*

 * hmm-gpu device core: VRAM, one's own by offset (whoever calls has checked
 * the bounds), and the hive's by VRAM address (SPEC 4.7).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_VRAM_H
#define HGPU_CORE_VRAM_H

#include <string.h>

#include "gpu.h"

static inline bool hgpu_vram_contains(const HgpuGpu *gpu, uint64_t off,
                                      uint64_t len)
{
    return len <= gpu->vram_size && off <= gpu->vram_size - len;
}

/* VRAM address of our own first byte. */
static inline uint64_t hgpu_vram_base(const HgpuGpu *gpu)
{
    return (uint64_t)gpu->node << HGPU_XGMI_SEGMENT_SHIFT;
}

/* Is VRAM address @addr another node's, if there is one? */
static inline bool hgpu_vram_is_peers(const HgpuGpu *gpu, uint64_t addr)
{
    uint64_t node = addr >> HGPU_XGMI_SEGMENT_SHIFT;

    return gpu->hive && node < HGPU_XGMI_NODES && node != gpu->node;
}

/* See hgpu_vram_owner(); for @addr that is another node's. */
HgpuGpu *hgpu_xgmi_owner(HgpuGpu *gpu, uint64_t addr, uint64_t *off);

/*
 * hgpu_vram_owner: the GPU whose VRAM is at VRAM address @addr
 *
 * Good until the next DMA of @gpu, like HgpuHostOps.peer.
 * Returns: @gpu or a peer, with @off in its VRAM; NULL if nobody answers.
 */
static inline HgpuGpu *hgpu_vram_owner(HgpuGpu *gpu, uint64_t addr,
                                       uint64_t *off)
{
    *off = addr - hgpu_vram_base(gpu);
    if (*off < gpu->vram_size) {
        return gpu;
    }
    return hgpu_vram_is_peers(gpu, addr) ? hgpu_xgmi_owner(gpu, addr, off)
                                         : NULL;
}

static inline uint64_t hgpu_vram_ldq(const HgpuGpu *gpu, uint64_t off)
{
    uint64_t val;

    memcpy(&val, gpu->vram + off, sizeof(val));
    return GUINT64_FROM_LE(val);
}

static inline void hgpu_vram_dirty(HgpuGpu *gpu, uint64_t off, uint64_t len)
{
    if (len) {
        gpu->ops->vram_dirty(gpu->opaque, off, len);
    }
}

#endif /* HGPU_CORE_VRAM_H */
