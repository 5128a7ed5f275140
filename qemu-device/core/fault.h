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
 * It is parked (retry fault) or halted (any other).
 */
void hgpu_fault_raise(HgpuGpu *gpu, uint32_t e, uint32_t c,
                      const HgpuFault *fault);

/*
 * hgpu_fault_park: note and report a retry fault of context @c of engine @e
 *
 * An access that is parked already, and faults on the same page again, is
 * reported again only when its interval is over, so that an invalidation of
 * something else makes no noise.
 * Returns: true if it is another fault than the one noted before.
 */
bool hgpu_fault_park(HgpuGpu *gpu, HgpuParked *parked, uint32_t e, uint32_t c,
                     const HgpuFault *fault);

/* The access that had been parked has succeeded. */
void hgpu_fault_resolved(HgpuGpu *gpu, HgpuParked *parked, uint32_t e,
                         uint32_t c);

/* Clear the fault registers (SPEC 4.5). */
void hgpu_fault_clear(HgpuGpu *gpu);

#endif /* HGPU_CORE_FAULT_H */
