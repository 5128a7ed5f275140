/*
 * hmm-gpu device core: access to a VMID's memory.
 *
 * An access is translated into runs (hgpu_mem_run), a run is mapped piece by
 * piece (hgpu_mem_map); neither a run nor a map outlives the slice in which
 * it was made, which is why an invalidation can be acknowledged at once.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_MEMORY_H
#define HGPU_CORE_MEMORY_H

#include "mm.h"

/*
 * hgpu_mem_run: translate [va, va + len), as far as it is contiguous
 *
 * @access: HGPU_ACCESS_*
 * Returns: true with @run of 1 to @len bytes; false, and @fault, if not even
 * the first byte can be accessed.
 */
bool hgpu_mem_run(HgpuGpu *gpu, uint32_t vmid, uint64_t va, uint64_t len,
                  uint32_t access, HgpuRun *run, HgpuFault *fault);

/* Host memory that stands for the first bytes of a run. */
typedef struct HgpuMap {
    uint8_t *ptr;
    uint64_t len;
    const HgpuRun *run;
    uint32_t vmid;
    uint32_t access;
    bool bounced;               /* ptr is a copy; unmap writes it back */
} HgpuMap;

/* Which of the bounce buffers a map may take: one a map held at a time. */
enum {
    HGPU_BOUNCE_SRC,
    HGPU_BOUNCE_DST,
    HGPU_BOUNCE_DST2,
};

/*
 * Map 1 to @len bytes of @run; false: a DMA transaction failed. A map of VRAM,
 * which may be a peer's, is undone before there is any DMA again.
 */
bool hgpu_mem_map(HgpuGpu *gpu, uint32_t vmid, const HgpuRun *run,
                  uint64_t len, uint32_t access, uint32_t bounce,
                  HgpuMap *map, HgpuFault *fault);

/* Undo it; the first @used bytes were accessed. False as above. */
bool hgpu_mem_unmap(HgpuGpu *gpu, const HgpuMap *map, uint64_t used,
                    HgpuFault *fault);

/*
 * Copy between @buf and the VMID's memory; for small things.
 * Returns: the bytes done; less than @len means that @fault is set.
 */
uint64_t hgpu_mem_read(HgpuGpu *gpu, uint32_t vmid, uint64_t va, void *buf,
                       uint64_t len, HgpuFault *fault);
uint64_t hgpu_mem_write(HgpuGpu *gpu, uint32_t vmid, uint64_t va,
                        const void *buf, uint64_t len, HgpuFault *fault);

#endif /* HGPU_CORE_MEMORY_H */
