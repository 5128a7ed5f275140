// SPDX-License-Identifier: GPL-2.0-only
/*
 * GFX9 page table entries (SPEC 4.3): pure functions.
 */
#include <kunit/visibility.h>
#include <linux/log2.h>
#include <linux/minmax.h>

#include "hgpu_gpuvm.h"

#define HGPU_PTE_PERMISSIONS \
	(HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE | HGPU_PTE_EXECUTABLE)

u64 hgpu_pte_vram(u64 addr, u64 flags)
{
	return (addr & HGPU_PTE_ADDR) | (flags & HGPU_PTE_PERMISSIONS) |
	       HGPU_PTE_VALID;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_pte_vram);

u64 hgpu_pte_system(dma_addr_t addr, u64 flags)
{
	return (addr & HGPU_PTE_ADDR) | (flags & HGPU_PTE_PERMISSIONS) |
	       HGPU_PTE_VALID | HGPU_PTE_SYSTEM | HGPU_PTE_SNOOPED;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_pte_system);

u64 hgpu_pde_huge(u64 pte)
{
	return pte | HGPU_PDE_PTE;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_pde_huge);

u64 hgpu_pde_table(u64 addr)
{
	return (addr & HGPU_PDE_ADDR) | HGPU_PTE_VALID;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_pde_table);

/* log2 of the largest block that may start at a page number. */
static unsigned int hgpu_alignment(u64 page)
{
	return page ? min_t(unsigned int, __ffs64(page), HGPU_VM_BITS) : HGPU_VM_BITS;
}

unsigned int hgpu_pte_fragment(u64 page, const u64 *ptes, u32 n)
{
	u64 phys = hgpu_pte_addr(ptes[0]) >> HGPU_PAGE_SHIFT;
	unsigned int frag = min(hgpu_alignment(page), hgpu_alignment(phys));
	u32 run = 1;

	if (!(ptes[0] & HGPU_PTE_VALID))
		return 0;

	/* Look no further than alignment allows: a table costs n log n at most. */
	n = min(n, 1u << frag);
	while (run < n && ptes[run] == ptes[0] + run * HGPU_PAGE_SIZE)
		run++;
	return ilog2(run);
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_pte_fragment);
