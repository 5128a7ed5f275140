/*
 * hmm-gpu device core: the TLB (SPEC 4.4).
 *
 * A real one: a translation stays until it is invalidated or evicted, so that
 * a flush the driver forgot is seen. Translations only; faults are not cached.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_TLB_H
#define HGPU_CORE_TLB_H

#include "gpu.h"

/* The entry that covers @va, or NULL. */
const HgpuTlbEntry *hgpu_tlb_lookup(HgpuTlb *tlb, uint32_t vmid, uint64_t va);

/* Insert @entry, whose va and pa are aligned to its size. */
void hgpu_tlb_insert(HgpuTlb *tlb, const HgpuTlbEntry *entry);

/* Drop all entries of the VMIDs in @vmids (a bit each); returns how many. */
uint32_t hgpu_tlb_flush(HgpuTlb *tlb, uint32_t vmids);

#endif /* HGPU_CORE_TLB_H */
