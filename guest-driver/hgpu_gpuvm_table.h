/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables of GPUVM: between hgpu_gpuvm_table.c, which makes them, and
 * hgpu_gpuvm.c, which fills them. Nobody else includes this.
 */
#ifndef HGPU_GPUVM_TABLE_H
#define HGPU_GPUVM_TABLE_H

#include <linux/compiler_types.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "hgpu_gpuvm.h"

/**
 * struct hgpu_pt - one table; protected by &hgpu_vm.lock
 * @io: its 512 entries in VRAM
 * @addr: where that is, VRAM address
 * @nused: entries of a PTB that are not 0: valid ones, and invalid ones that carry
 *	no-retry flags
 * @child: directories: the tables below, NULL where there is none
 * @shadow: PTB: its entries, so that nothing is ever read over the bus; PDB0:
 *	2 MiB leaves, 0 where the entry points at a PTB or at nothing
 *
 * While a PDB0 entry is a leaf its PTB, if there is one, is all 0.
 */
struct hgpu_pt {
	u64 __iomem *io;
	u64 addr;
	u32 nused;
	struct hgpu_pt **child;
	u64 *shadow;
};

static inline u32 hgpu_pt_index(u64 page, unsigned int level)
{
	return (page >> (level * HGPU_VM_BITS)) & (HGPU_VM_ENTRIES - 1);
}

/*
 * Tables are write-combined: these stores are not ordered. wmb() comes before
 * whatever must find them, a pointer to the table or a TLB flush.
 */
static inline void hgpu_pt_store(struct hgpu_pt *pt, u32 index, u64 entry)
{
	__raw_writeq(entry, &pt->io[index]);
}

struct hgpu_pt *hgpu_pt_alloc_locked(struct hgpu_vm *vm, unsigned int level);
void hgpu_pt_free_tree(struct hgpu_pt *pt, unsigned int level);
void hgpu_pt_free_blocks_locked(struct hgpu_vm *vm);

#endif /* HGPU_GPUVM_TABLE_H */
