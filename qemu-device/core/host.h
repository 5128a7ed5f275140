/*
 * hmm-gpu device core: calls to the host, spelt once.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_HOST_H
#define HGPU_CORE_HOST_H

#include "gpu.h"

#define hgpu_trace(gpu, id, ...)                                            \
    do {                                                                    \
        const uint64_t hgpu_args_[] = { __VA_ARGS__ };                      \
        G_STATIC_ASSERT(G_N_ELEMENTS(hgpu_args_) == HGPU_TRACE_NARGS_##id); \
        (gpu)->ops->trace((gpu)->opaque, HGPU_TRACE_##id, hgpu_args_);      \
    } while (0)

#define hgpu_guest_error(gpu, ...) \
    ((gpu)->ops->guest_error((gpu)->opaque, __VA_ARGS__))

static inline uint64_t hgpu_now_ns(HgpuGpu *gpu)
{
    return gpu->ops->clock_ns(gpu->opaque);
}

/* The GPU clock: ticks since reset (SPEC 1). */
static inline uint64_t hgpu_clock(HgpuGpu *gpu)
{
    return (hgpu_now_ns(gpu) - gpu->s.clock_base) /
           (1000000000u / HGPU_GPU_CLOCK_HZ);
}

/* Everything written before is seen by who sees what is written after. */
static inline void hgpu_write_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif /* HGPU_CORE_HOST_H */
