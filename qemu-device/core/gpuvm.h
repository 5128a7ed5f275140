/*
 * hmm-gpu device core: page tables of VMIDs 1 to 15 (SPEC 4.2, 4.3).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_GPUVM_H
#define HGPU_CORE_GPUVM_H

#include "mm.h"

/*
 * Walk the tables of @fault->vmid for @fault->addr. Permissions are left to
 * the caller. False: the rest of @fault says why.
 */
bool hgpu_gpuvm_walk(HgpuGpu *gpu, HgpuTlbEntry *entry, HgpuFault *fault);

/* What a missing page or permission is in this VMID. */
HgpuFaultKind hgpu_gpuvm_fault_kind(const HgpuGpu *gpu, uint32_t vmid);

#endif /* HGPU_CORE_GPUVM_H */
