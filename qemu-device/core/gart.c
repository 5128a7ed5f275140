/*
 * hmm-gpu device core: the GART, a flat table in VRAM (SPEC 4.1).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gart.h"
#include "vram.h"

/* END has 36 bits, so this refuses an address of more than 48, too. */
static bool gart_covers(const HgpuVmContext *vm, uint64_t page)
{
    return (vm->cntl & HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT) &&
           !(vm->cntl & (HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH |
                         HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE)) &&
           page >= vm->pt_start && page <= vm->pt_end;
}

static uint32_t gart_leaf_shift(uint64_t pte)
{
    return HGPU_PAGE_SHIFT +
           MIN((uint32_t)FIELD_GET(HGPU_PTE_FRAG, pte), HGPU_VM_BITS);
}

bool hgpu_gart_walk(HgpuGpu *gpu, HgpuTlbEntry *entry, HgpuFault *fault)
{
    const HgpuVmContext *vm = &gpu->s.vm[0];
    uint64_t page = fault->addr >> HGPU_PAGE_SHIFT;
    uint64_t slot, pte;

    fault->kind = HGPU_FAULT_NORETRY;
    gpu->stats.walks++;
    if (!gart_covers(vm, page)) {
        fault->walker_error = HGPU_WALKER_RANGE;
        fault->flags = HGPU_IH_FAULT_RING__VALID;
        return false;
    }
    if (!(vm->pt_base & HGPU_PTE_VALID) || (vm->pt_base & HGPU_PTE_SYSTEM)) {
        fault->walker_error = HGPU_WALKER_DIRECTORY;
        fault->flags = HGPU_IH_FAULT_RING__VALID;
        return false;
    }
    /* 48 bits + 36 bits * 8: no overflow; a base below our VRAM gives one */
    slot = (vm->pt_base & HGPU_PTE_ADDR) + (page - vm->pt_start) * 8 -
           hgpu_vram_base(gpu);
    if (!hgpu_vram_contains(gpu, slot, 8)) {
        fault->walker_error = HGPU_WALKER_DIRECTORY;
        fault->mapping_error = true;
        return false;
    }
    pte = hgpu_vram_ldq(gpu, slot);
    if (!(pte & HGPU_PTE_VALID)) {
        fault->flags = HGPU_IH_FAULT_RING__VALID;
        return false;
    }
    *entry = hgpu_tlb_entry(0, fault->addr, pte, gart_leaf_shift(pte));
    return true;
}
