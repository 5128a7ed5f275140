/*
 * hmm-gpu device core: what happens when an access failed (SPEC 5).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_FAULT_H
#define HGPU_CORE_FAULT_H

#include "mm.h"

/*
 * hgpu_fault_raise: context @c of engine @e, RUNNING, cannot go on
 *
 * It is parked (retry fault) or halted (any other). A parked context that
 * faults on the same page again is reported again only when its interval is
 * over, so that an invalidation of something else makes no noise.
 */
void hgpu_fault_raise(HgpuGpu *gpu, uint32_t e, uint32_t c,
                      const HgpuFault *fault);

/* The access that had parked the context has succeeded. */
void hgpu_fault_resolved(HgpuGpu *gpu, uint32_t e, uint32_t c);

/* Clear the fault registers (SPEC 4.5). */
void hgpu_fault_clear(HgpuGpu *gpu);

#endif /* HGPU_CORE_FAULT_H */
