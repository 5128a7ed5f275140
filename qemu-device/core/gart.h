/*
 * hmm-gpu device core: the VMID 0 space (SPEC 4.1).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_GART_H
#define HGPU_CORE_GART_H

#include "mm.h"
#include "vram.h"

#define HGPU_FB_START \
    ((uint64_t)HGPU_MC_VM_FB_LOCATION_BASE_RESET << \
     HGPU_MC_VM_FB_LOCATION_SHIFT)

/* Is @va, of VMID 0, in the aperture that is VRAM itself? */
static inline bool hgpu_fb_contains(const HgpuGpu *gpu, uint64_t va)
{
    uint64_t addr = va - HGPU_FB_START;

    return va >= HGPU_FB_START &&
           (addr - hgpu_vram_base(gpu) < gpu->vram_size ||
            hgpu_vram_is_peers(gpu, addr));
}

/* Look @fault->addr up in the table; false: the rest of @fault says why. */
bool hgpu_gart_walk(HgpuGpu *gpu, HgpuTlbEntry *entry, HgpuFault *fault);

#endif /* HGPU_CORE_GART_H */
