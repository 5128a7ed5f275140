/*
 * hmm-gpu device core: VRAM, by offset. Whoever calls has checked the bounds.
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
