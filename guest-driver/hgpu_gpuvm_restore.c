// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables after a reset, during which stores to VRAM were swallowed: all
 * that the CPU knows of them is written again.
 */
#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_gpuvm_table.h"

static u64 hgpu_pt_entry(const struct hgpu_pt *pt, unsigned int level, u32 i)
{
	/* In a PDB0 a leaf wins over the table that is kept beside it. */
	if (level <= HGPU_VM_PDB0 && pt->shadow[i])
		return pt->shadow[i];
	if (level > HGPU_VM_PTB && pt->child[i])
		return hgpu_pde_table(pt->child[i]->addr);
	return 0;
}

/* Recursion as deep as the tables, at most 3 below the root. */
static void hgpu_pt_restore_locked(struct hgpu_vm *vm, struct hgpu_pt *pt,
				   unsigned int level)
{
	u32 i;

	/* Nobody links or frees a table meanwhile. */
	lockdep_assert_held(&vm->alloc_lock);

	/*
	 * Entries do change: a table at a time, so that notifiers need not
	 * wait for all. What they write to a table that is not done yet is in
	 * its shadow.
	 */
	spin_lock(&vm->lock);
	for (i = 0; i < HGPU_VM_ENTRIES; i++)
		hgpu_pt_store(pt, i, hgpu_pt_entry(pt, level, i));
	spin_unlock(&vm->lock);
	cond_resched();

	for (i = 0; level > HGPU_VM_PTB && i < HGPU_VM_ENTRIES; i++)
		if (pt->child[i])
			hgpu_pt_restore_locked(vm, pt->child[i], level - 1);
}

void hgpu_vm_restore(struct hgpu_vm *vm)
{
	mutex_lock(&vm->alloc_lock);
	if (vm->root)
		hgpu_pt_restore_locked(vm, vm->root, HGPU_VM_PDB2);
	/* Before a VMID translates with them. */
	wmb();
	mutex_unlock(&vm->alloc_lock);
}
