/*
 * hmm-gpu device core: the page table walker (SPEC 4.2, 4.3).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gpuvm.h"
#include "vram.h"

HgpuFaultKind hgpu_gpuvm_fault_kind(const HgpuGpu *gpu, uint32_t vmid)
{
    const uint32_t retry =
        HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT;

    return vmid && (gpu->s.vm[vmid].cntl & retry) ? HGPU_FAULT_RETRY
                                                  : HGPU_FAULT_NORETRY;
}

static bool walk_fails(HgpuFault *fault, uint32_t walker_error)
{
    fault->kind = HGPU_FAULT_NORETRY;
    fault->walker_error = walker_error;
    fault->flags = HGPU_IH_FAULT_RING__VALID;
    return false;
}

static bool walk_mapping_error(HgpuFault *fault, uint32_t walker_error)
{
    fault->kind = HGPU_FAULT_NORETRY;
    fault->walker_error = walker_error;
    fault->mapping_error = true;
    return false;
}

static bool walk_invalid(HgpuGpu *gpu, uint64_t entry, HgpuFault *fault)
{
    bool noretry = (entry & HGPU_VM_NORETRY_FLAGS) == HGPU_VM_NORETRY_FLAGS;

    fault->kind = noretry ? HGPU_FAULT_NORETRY
                          : hgpu_gpuvm_fault_kind(gpu, fault->vmid);
    fault->flags = HGPU_IH_FAULT_RING__VALID;
    return false;
}

/* Read entry @index of the table that @pde points at. */
static bool walk_read(HgpuGpu *gpu, uint64_t pde, uint32_t index,
                      uint64_t *entry)
{
    uint64_t addr = (pde & HGPU_PDE_ADDR) + index * 8;

    if (!(pde & HGPU_PTE_SYSTEM)) {
        addr -= hgpu_vram_base(gpu);
        if (!hgpu_vram_contains(gpu, addr, 8)) {
            return false;
        }
        *entry = hgpu_vram_ldq(gpu, addr);
        return true;
    }
    if (gpu->ops->dma_read(gpu->opaque, addr, entry, 8) < 0) {
        return false;
    }
    *entry = GUINT64_FROM_LE(*entry);
    return true;
}

/* END has 36 bits, so this refuses an address of more than 48, too. */
static bool context_covers(const HgpuVmContext *vm, uint64_t page)
{
    const uint32_t shape = HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH |
                           HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE;

    return (vm->cntl & HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT) &&
           (vm->cntl & shape) ==
           FIELD_PREP(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH,
                      HGPU_VM_DEPTH) &&
           page >= vm->pt_start && page <= vm->pt_end;
}

static uint32_t leaf_shift(uint64_t pte, uint32_t level)
{
    if (level > HGPU_VM_PTB) {
        return HGPU_VM_SHIFT(level);
    }
    return HGPU_PAGE_SHIFT +
           MIN((uint32_t)FIELD_GET(HGPU_PTE_FRAG, pte), HGPU_VM_BITS);
}

static bool walk_leaf(HgpuTlbEntry *entry, uint64_t pte, uint32_t level,
                      HgpuFault *fault)
{
    if ((pte & HGPU_PTE_ADDR) & (BIT_ULL(HGPU_VM_SHIFT(level)) - 1)) {
        return walk_fails(fault, HGPU_WALKER_LEAF);
    }
    *entry = hgpu_tlb_entry(fault->vmid, fault->addr, pte,
                            leaf_shift(pte, level));
    return true;
}

bool hgpu_gpuvm_walk(HgpuGpu *gpu, HgpuTlbEntry *entry, HgpuFault *fault)
{
    const HgpuVmContext *vm = &gpu->s.vm[fault->vmid];
    uint64_t va = fault->addr;
    uint64_t pde = vm->pt_base;

    gpu->stats.walks++;
    if (!context_covers(vm, va >> HGPU_PAGE_SHIFT)) {
        return walk_fails(fault, HGPU_WALKER_RANGE);
    }
    if (!(pde & HGPU_PTE_VALID)) {
        return walk_invalid(gpu, pde, fault);
    }
    for (int level = HGPU_VM_PDB2; level >= HGPU_VM_PTB; level--) {
        uint32_t index = (va >> HGPU_VM_SHIFT(level)) & (HGPU_VM_ENTRIES - 1);

        if (!walk_read(gpu, pde, index, &pde)) {
            return walk_mapping_error(fault, HGPU_WALKER_DIRECTORY);
        }
        if (!(pde & HGPU_PTE_VALID)) {
            return walk_invalid(gpu, pde, fault);
        }
        if (level == HGPU_VM_PTB || (pde & HGPU_PDE_PTE)) {
            return level == HGPU_VM_PDB2
                   ? walk_fails(fault, HGPU_WALKER_DIRECTORY)
                   : walk_leaf(entry, pde, level, fault);
        }
    }
    return walk_fails(fault, HGPU_WALKER_DIRECTORY);
}
