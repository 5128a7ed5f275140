// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPUVM: making page tables and giving them back (SPEC 4.2, 4.3).
 *
 * Tables are cut from blocks of pinned VRAM that the CPU can reach, one after
 * the other, and go all at once with the address space.
 */
#include <kunit/visibility.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_gpuvm_table.h"
#include "hgpu_vram.h"

#define HGPU_PT_BLOCK_SIZE	SZ_64K

/* VRAM for tables, the newest block first in &hgpu_vm.blocks */
struct hgpu_pt_block {
	struct list_head link;
	struct hgpu_bo *bo;
	struct iosys_map map;
	u32 used;		/* bytes */
};

static struct hgpu_pt_block *hgpu_pt_block_create(struct hgpu_device *hdev, u32 size)
{
	struct hgpu_pt_block *block;
	int ret;

	block = kzalloc(sizeof(*block), GFP_KERNEL);
	if (!block)
		return ERR_PTR(-ENOMEM);

	ret = hgpu_bo_create(hdev, size, HGPU_VM_TABLE_SIZE, HGPU_DOMAIN_VRAM_VISIBLE,
			     HGPU_BO_CONTIGUOUS | HGPU_BO_PINNED | HGPU_BO_KERNEL,
			     &block->bo);
	if (ret)
		goto err_free;
	ret = hgpu_bo_kmap(block->bo, &block->map);
	if (ret)
		goto err_put;
	return block;

err_put:
	hgpu_bo_put(block->bo);
err_free:
	kfree(block);
	return ERR_PTR(ret);
}

/* A block with room for a table. */
static struct hgpu_pt_block *hgpu_pt_block_get_locked(struct hgpu_vm *vm)
{
	struct hgpu_pt_block *block;

	lockdep_assert_held(&vm->alloc_lock);
	block = list_first_entry_or_null(&vm->blocks, struct hgpu_pt_block, link);
	if (block && block->used < hgpu_bo_size(block->bo))
		return block;

	/* One process that touches a page here and there must leave room for others. */
	if (vm->table_bytes >= vm->hdev->vram.visible / 2)
		return ERR_PTR(-ENOSPC);

	block = hgpu_pt_block_create(vm->hdev, HGPU_PT_BLOCK_SIZE);
	/* VRAM is nearly full: a single table may still fit. */
	if (block == ERR_PTR(-ENOSPC))
		block = hgpu_pt_block_create(vm->hdev, HGPU_VM_TABLE_SIZE);
	if (!IS_ERR(block)) {
		list_add(&block->link, &vm->blocks);
		vm->table_bytes += hgpu_bo_size(block->bo);
	}
	return block;
}

static void hgpu_pt_free(struct hgpu_pt *pt)
{
	kvfree(pt->child);
	kvfree(pt->shadow);
	kfree(pt);
}

/**
 * hgpu_pt_alloc_locked() - a table without valid entries, not linked anywhere
 * @vm: the address space
 * @level: HGPU_VM_*
 *
 * Context: sleeps; &hgpu_vm.alloc_lock is held.
 * Return: the table or ERR_PTR: -ENOMEM, -ENOSPC.
 */
struct hgpu_pt *hgpu_pt_alloc_locked(struct hgpu_vm *vm, unsigned int level)
{
	struct hgpu_pt_block *block;
	struct hgpu_pt *pt;

	pt = kzalloc(sizeof(*pt), GFP_KERNEL);
	if (!pt)
		return ERR_PTR(-ENOMEM);
	if (level > HGPU_VM_PTB) {
		pt->child = kvcalloc(HGPU_VM_ENTRIES, sizeof(*pt->child), GFP_KERNEL);
		if (!pt->child)
			goto err_free;
	}
	if (level <= HGPU_VM_PDB0) {
		pt->shadow = kvcalloc(HGPU_VM_ENTRIES, sizeof(*pt->shadow), GFP_KERNEL);
		if (!pt->shadow)
			goto err_free;
	}

	block = hgpu_pt_block_get_locked(vm);
	if (IS_ERR(block)) {
		hgpu_pt_free(pt);
		return ERR_CAST(block);
	}
	pt->io = block->map.vaddr_iomem + block->used;
	pt->addr = hgpu_vram_addr(vm->hdev, hgpu_bo_vram_offset(block->bo)) + block->used;
	block->used += HGPU_VM_TABLE_SIZE;
	memset_io(pt->io, 0, HGPU_VM_TABLE_SIZE);
	return pt;

err_free:
	hgpu_pt_free(pt);
	return ERR_PTR(-ENOMEM);
}

/**
 * hgpu_pt_free_tree() - free the CPU's half of a table and of all below it
 * @pt: the table, or NULL
 * @level: its level: the depth of the recursion, so at most 3
 */
void hgpu_pt_free_tree(struct hgpu_pt *pt, unsigned int level)
{
	u32 i;

	if (!pt)
		return;
	for (i = 0; level > HGPU_VM_PTB && i < HGPU_VM_ENTRIES; i++)
		hgpu_pt_free_tree(pt->child[i], level - 1);
	hgpu_pt_free(pt);
}

/**
 * hgpu_pt_free_blocks_locked() - free the GPU's half of all tables
 * @vm: the address space; no VMID is bound to it
 */
void hgpu_pt_free_blocks_locked(struct hgpu_vm *vm)
{
	struct hgpu_pt_block *block, *next;

	lockdep_assert_held(&vm->alloc_lock);
	list_for_each_entry_safe(block, next, &vm->blocks, link) {
		hgpu_bo_kunmap(block->bo, &block->map);
		hgpu_bo_put(block->bo);
		kfree(block);
	}
	INIT_LIST_HEAD(&vm->blocks);
	vm->table_bytes = 0;
}

/* The table below @parent at @index, made and linked if it is not there yet. */
static struct hgpu_pt *hgpu_pt_descend_locked(struct hgpu_vm *vm, struct hgpu_pt *parent,
					      u32 index, unsigned int level)
{
	struct hgpu_pt *pt = parent->child[index];

	lockdep_assert_held(&vm->alloc_lock);
	if (pt)
		return pt;
	pt = hgpu_pt_alloc_locked(vm, level);
	if (IS_ERR(pt))
		return pt;

	spin_lock(&vm->lock);
	wmb();	/* the device must not see the pointer before the zeroes */
	if (level > HGPU_VM_PTB || !parent->shadow[index])
		hgpu_pt_store(parent, index, hgpu_pde_table(pt->addr));
	parent->child[index] = pt;
	spin_unlock(&vm->lock);
	return pt;
}

static int hgpu_vm_prepare_page_locked(struct hgpu_vm *vm, u64 page)
{
	struct hgpu_pt *pt = vm->root;
	unsigned int level;

	lockdep_assert_held(&vm->alloc_lock);
	for (level = HGPU_VM_PDB2; level > HGPU_VM_PTB; level--) {
		pt = hgpu_pt_descend_locked(vm, pt, hgpu_pt_index(page, level), level - 1);
		if (IS_ERR(pt))
			return PTR_ERR(pt);
	}
	return 0;
}

int hgpu_vm_prepare(struct hgpu_vm *vm, u64 first_page, u64 last_page)
{
	u64 page = round_down(first_page, HGPU_VM_ENTRIES);
	int ret = 0;

	if (first_page > last_page || last_page >= HGPU_VM_PAGES)
		return -EINVAL;

	mutex_lock(&vm->alloc_lock);
	if (!vm->root)
		ret = -ENODEV;
	for (; !ret && page <= last_page; page += HGPU_VM_ENTRIES) {
		ret = hgpu_vm_prepare_page_locked(vm, page);
		cond_resched();
	}
	mutex_unlock(&vm->alloc_lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_prepare);
