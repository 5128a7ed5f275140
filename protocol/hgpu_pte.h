/* SPDX-License-Identifier: MIT */
/*
 * GFX9 page directory and page table entries (SPEC 4.3).
 * Source of truth: amdgpu_vm.h and gmc_v9_0.c of Linux 6.12.
 */
#ifndef HGPU_PTE_H
#define HGPU_PTE_H

#include "hgpu_types.h"

#define HGPU_PAGE_SHIFT     12
#define HGPU_PAGE_SIZE      (1ull << HGPU_PAGE_SHIFT)

#define HGPU_PTE_VALID      BIT_ULL(0)
#define HGPU_PTE_SYSTEM     BIT_ULL(1)      /* bus address; else VRAM address */
#define HGPU_PTE_SNOOPED    BIT_ULL(2)
#define HGPU_PTE_TMZ        BIT_ULL(3)      /* ignored */
#define HGPU_PTE_EXECUTABLE BIT_ULL(4)
#define HGPU_PTE_READABLE   BIT_ULL(5)
#define HGPU_PTE_WRITEABLE  BIT_ULL(6)
#define HGPU_PTE_FRAG       GENMASK_ULL(11, 7)  /* log2 of 4 KiB pages */
#define HGPU_PTE_ADDR       GENMASK_ULL(47, 12)
#define HGPU_PTE_PRT        BIT_ULL(51)     /* ignored */
#define HGPU_PDE_PTE        BIT_ULL(54)     /* a PDE that maps memory itself */
#define HGPU_PTE_TF         BIT_ULL(56)     /* translate further: not modelled */
#define HGPU_PTE_MTYPE_VG10 GENMASK_ULL(58, 57) /* ignored */

/* PDE: what the entry points to; 64-byte aligned as on GFX9 */
#define HGPU_PDE_ADDR       GENMASK_ULL(47, 6)
#define HGPU_PDE_BFS        GENMASK_ULL(63, 59) /* block fragment size: ignored */

/* Invalid (VALID clear) and all of these set: the fault is no-retry. */
#define HGPU_VM_NORETRY_FLAGS (HGPU_PTE_EXECUTABLE | HGPU_PDE_PTE | HGPU_PTE_TF)

/* Levels, root first: PDB2 -> PDB1 -> PDB0 -> PTB. 512 entries each. */
#define HGPU_VM_PDB2        3
#define HGPU_VM_PDB1        2
#define HGPU_VM_PDB0        1
#define HGPU_VM_PTB         0
#define HGPU_VM_DEPTH       3       /* VM_CONTEXT1_CNTL.PAGE_TABLE_DEPTH of VMIDs 1-15 */
#define HGPU_VM_BITS        9
#define HGPU_VM_ENTRIES     (1u << HGPU_VM_BITS)
#define HGPU_VM_TABLE_SIZE  (HGPU_VM_ENTRIES * 8u)
#define HGPU_VM_SHIFT(level) (HGPU_PAGE_SHIFT + (level) * HGPU_VM_BITS)

#endif /* HGPU_PTE_H */
