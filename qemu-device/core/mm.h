/*
 * hmm-gpu device core: what translation hands around.
 *
 * A walker never raises a fault: it fills an HgpuFault and returns false.
 * fault.c turns the record into interrupts and a parked or halted context.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_MM_H
#define HGPU_CORE_MM_H

#include "gpu.h"

typedef enum HgpuFaultKind {
    HGPU_FAULT_RETRY,           /* the context waits for the driver */
    HGPU_FAULT_NORETRY,         /* the context halts */
    HGPU_FAULT_BUS,             /* a DMA transaction failed; it halts */
} HgpuFaultKind;

/* VM_CONTEXT and fault registers hold page numbers of this many bits. */
#define HGPU_VM_PAGE_MASK \
    GENMASK_ULL(HGPU_VA_BITS - HGPU_PAGE_SHIFT - 1, 0)

typedef struct HgpuFault {
    HgpuFaultKind kind;
    uint32_t vmid;
    uint32_t access;            /* HGPU_ACCESS_* */
    uint64_t addr;              /* virtual */
    uint64_t bus_addr;          /* BUS: bus address or VRAM address */
    uint32_t flags;             /* HGPU_IH_FAULT_RING__* */
    uint32_t walker_error;
    bool mapping_error;
} HgpuFault;

/* A translated range, contiguous on its side, in one GPU's VRAM at most. */
typedef struct HgpuRun {
    uint64_t va;
    uint64_t pa;                /* bus address, or VRAM address */
    uint64_t len;
    bool system;
} HgpuRun;

static inline bool hgpu_access_reads(uint32_t access)
{
    return access != HGPU_ACCESS_WRITE;
}

static inline bool hgpu_access_writes(uint32_t access)
{
    return access != HGPU_ACCESS_READ;
}

/* The HGPU_IH_FAULT_RING__* flags of what @pte denies, 0 if it permits. */
static inline uint32_t hgpu_pte_denies(uint64_t pte, uint32_t access)
{
    uint32_t flags = 0;

    if (hgpu_access_reads(access) && !(pte & HGPU_PTE_READABLE)) {
        flags |= HGPU_IH_FAULT_RING__READ;
    }
    if (hgpu_access_writes(access) && !(pte & HGPU_PTE_WRITEABLE)) {
        flags |= HGPU_IH_FAULT_RING__WRITE;
    }
    return flags;
}

/*
 * The TLB entry for a leaf of 2^@shift bytes. FRAG is believed: that the run
 * is contiguous is for the driver to get right (SPEC 4.3).
 */
static inline HgpuTlbEntry hgpu_tlb_entry(uint32_t vmid, uint64_t va,
                                          uint64_t pte, uint32_t shift)
{
    uint64_t mask = BIT_ULL(shift) - 1;
    HgpuTlbEntry entry = {
        .va = va & ~mask,
        .pa = (pte & HGPU_PTE_ADDR) & ~mask,
        .flags = pte & (HGPU_PTE_VALID | HGPU_PTE_SYSTEM |
                        HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE),
        .vmid = vmid,
        .shift = shift,
    };

    return entry;
}

#endif /* HGPU_CORE_MM_H */
