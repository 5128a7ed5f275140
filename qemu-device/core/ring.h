/*
 * hmm-gpu device core: arithmetic of rings.
 *
 * An SDMA ring's pointers count bytes for ever and are reduced to a position
 * here; the IH ring's wrap at its size. Both have a power of two of bytes.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_RING_H
#define HGPU_CORE_RING_H

#include "gpu.h"

/* Bytes of a ring of 2^@log2_dwords dwords, 0 if that is out of [min, max]. */
static inline uint32_t hgpu_ring_bytes(uint32_t log2_dwords, uint32_t min,
                                       uint32_t max)
{
    if (log2_dwords < min || log2_dwords > max) {
        return 0;
    }
    return 4u << log2_dwords;
}

static inline uint32_t hgpu_sdma_ring_bytes(uint32_t rb_cntl)
{
    return hgpu_ring_bytes(FIELD_GET(HGPU_SDMA_RB_CNTL__RB_SIZE, rb_cntl),
                           HGPU_SDMA_RB_SIZE_LOG2_MIN,
                           HGPU_SDMA_RB_SIZE_LOG2_MAX);
}

static inline uint32_t hgpu_ih_ring_bytes(uint32_t rb_cntl)
{
    return hgpu_ring_bytes(FIELD_GET(HGPU_IH_RB_CNTL__RB_SIZE, rb_cntl),
                           HGPU_IH_RB_SIZE_LOG2_MIN,
                           HGPU_IH_RB_SIZE_LOG2_MAX);
}

/* Do @rptr and @wptr, which never wrap, describe a ring of @bytes? */
static inline bool hgpu_ring_pointers_ok(uint64_t rptr, uint64_t wptr,
                                         uint32_t bytes)
{
    return !(rptr & 3) && !(wptr & 3) && wptr >= rptr &&
           wptr - rptr <= bytes;
}

/* Bytes from position @ptr to the end of the ring. */
static inline uint32_t hgpu_ring_to_end(uint64_t ptr, uint32_t bytes)
{
    return bytes - (uint32_t)(ptr & (bytes - 1));
}

/* @ptr + @add in a ring whose pointers wrap. */
static inline uint32_t hgpu_ring_wrap(uint32_t ptr, uint32_t add,
                                      uint32_t bytes)
{
    return (ptr + add) & (bytes - 1);
}

#endif /* HGPU_CORE_RING_H */
