/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GPUVM: the page tables of one process on one GPU.
 *
 * Four levels of GFX9 tables in CPU-visible, pinned VRAM. Tables are made
 * beforehand by hgpu_vm_prepare(), which may sleep; entries are then written
 * and cleared by plain CPU stores, so that an mmu notifier can do it. Tables
 * are given back when the whole address space goes.
 *
 * Numbers called "page" are virtual page numbers (4 KiB).
 *
 * Locking: @alloc_lock (a mutex, below the svms and migrate locks and above
 * dma_resv) serialises the making of tables. @lock (a spinlock) protects the
 * tree of tables and the accounting of valid entries; it nests inside the svms
 * notifier lock. The functions take them; whoever maps keeps two calls for the
 * same pages from racing with a lock of his own.
 *
 * All functions may be called until the process structure is freed, also when
 * the GPU has been removed: hgpu_vm_prepare() then fails with -ENODEV and the
 * others do nothing.
 */
#ifndef HGPU_GPUVM_H
#define HGPU_GPUVM_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "hgpu_pte.h"

struct hgpu_bo;
struct hgpu_device;
struct hgpu_pt;
struct sg_table;

/* KFD gives user space the lower half of the 48-bit space. */
#define HGPU_VM_PAGES	(1ull << (47 - HGPU_PAGE_SHIFT))

/**
 * struct hgpu_vm - one address space
 * @hdev: the GPU
 * @pasid: the owner's, constant
 * @alloc_lock: serialises hgpu_vm_prepare() and the end of the tables
 * @blocks: VRAM that tables are cut from; protected by @alloc_lock
 * @table_bytes: VRAM in @blocks; protected by @alloc_lock
 * @lock: protects @root, what hangs below it, and the entries' accounting
 * @root: PDB2, or NULL before hgpu_vm_init() and after hgpu_vm_fini()
 * @tlb_lock: protects @vmid, and serialises flushes on the VMID's engine; so no
 *	flush is under way, and none will start, when @vmid has become 0
 * @vmid: the VMID bound to this space, or 0
 * @users: queues that need @vmid; protected by the process's lock
 * @held: how often hgpu_vm_hold() was called; protected by @tlb_lock
 * @parkers: how often hgpu_vm_add_parker() was; protected by @tlb_lock
 */
struct hgpu_vm {
	struct hgpu_device *hdev;
	u16 pasid;

	struct mutex alloc_lock;
	struct list_head blocks;
	u64 table_bytes;

	spinlock_t lock;
	struct hgpu_pt *root;

	spinlock_t tlb_lock;
	unsigned int vmid;
	unsigned int users;
	unsigned int held;
	unsigned int parkers;
};

/**
 * hgpu_vm_early_init() - make the locks, so that every other call is safe
 * @vm: zeroed memory
 * @hdev: the GPU
 * @pasid: the owner's
 */
void hgpu_vm_early_init(struct hgpu_vm *vm, struct hgpu_device *hdev, u16 pasid);

/**
 * hgpu_vm_init() - make an empty address space
 * @vm: after hgpu_vm_early_init()
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM or -ENOSPC.
 */
int hgpu_vm_init(struct hgpu_vm *vm);

/**
 * hgpu_vm_fini() - free the tables
 * @vm: no queue uses it; calls that come later do nothing
 *
 * Context: may sleep.
 */
void hgpu_vm_fini(struct hgpu_vm *vm);

/**
 * hgpu_vm_get_vmid() - bind a VMID for one more queue
 * @vm: the address space
 *
 * Context: may sleep; under the process's lock.
 * Return: the VMID, 1 to 15; -ENOSPC when all are taken by other processes.
 */
int hgpu_vm_get_vmid(struct hgpu_vm *vm);

/**
 * hgpu_vm_put_vmid() - the counterpart, after the queue was unmapped
 * @vm: the address space
 */
void hgpu_vm_put_vmid(struct hgpu_vm *vm);

/**
 * hgpu_vm_hold() - have accesses wait that cannot be stopped otherwise
 * @vm: the address space
 *
 * Queues are stopped before memory changes that must stay as it is while they run;
 * a job of the virgl engine cannot be. So it gets a root directory without entries,
 * and is parked at its next access: on return it accesses nothing, until
 * hgpu_vm_unhold() has been called as often.
 *
 * Context: any but interrupts, notifiers included.
 */
void hgpu_vm_hold(struct hgpu_vm *vm);
void hgpu_vm_unhold(struct hgpu_vm *vm);

/**
 * hgpu_vm_add_parker() - there is one more for whom that is meant
 * @vm: the address space; has a VMID until hgpu_vm_remove_parker()
 *
 * Context: any but interrupts.
 */
void hgpu_vm_add_parker(struct hgpu_vm *vm);
void hgpu_vm_remove_parker(struct hgpu_vm *vm);

/**
 * hgpu_vm_prepare() - make all tables that a span of pages needs
 * @vm: the address space
 * @first_page: first page
 * @last_page: last page, inclusive
 *
 * Idempotent. Afterwards hgpu_vm_set() and hgpu_vm_set_huge() cannot fail for
 * these pages as long as the GPU is there.
 *
 * Context: sleeps, allocates with GFP_KERNEL and VRAM; takes @alloc_lock.
 * Return: 0, -ENOMEM, -ENOSPC (VRAM is full), -ENODEV, -EINVAL (span).
 */
int hgpu_vm_prepare(struct hgpu_vm *vm, u64 first_page, u64 last_page);

/**
 * hgpu_vm_set() - write leaf entries of 4 KiB
 * @vm: the address space
 * @first_page: first page
 * @npages: how many; may cross tables
 * @ptes: full entries (hgpu_pte_vram(), hgpu_pte_system()), FRAG 0: runs that
 *	are contiguous and aligned in both spaces get their FRAG here. 0: none.
 *
 * A 2 MiB leaf that is hit is cleared whole first. The caller flushes the TLB.
 *
 * Context: atomic; the span is prepared.
 * Return: how many valid entries were replaced or cleared. Not 0: the TLB may
 *	hold old translations until it is flushed.
 */
u64 hgpu_vm_set(struct hgpu_vm *vm, u64 first_page, u32 npages, const u64 *ptes);

/**
 * hgpu_vm_exchange() - set one entry, and tell what was there
 * @vm: the address space
 * @page: the page
 * @pte: the entry
 *
 * One step for those who map and unmap meanwhile. A 2 MiB leaf is split: its
 * other pages stay mapped. The caller flushes the TLB.
 *
 * Context: atomic; the page is prepared.
 * Return: the entry before, FRAG masked out; 0 for none.
 */
u64 hgpu_vm_exchange(struct hgpu_vm *vm, u64 page, u64 pte);

/**
 * hgpu_vm_set_if() - set one entry if it is still what it was
 * @vm: the address space
 * @page: the page
 * @expected: the entry before, not 0
 * @pte: the entry
 *
 * Context: atomic. The caller flushes the TLB.
 * Return: true if it was.
 */
bool hgpu_vm_set_if(struct hgpu_vm *vm, u64 page, u64 expected, u64 pte);

/**
 * hgpu_vm_set_huge() - map 2 MiB with one entry
 * @vm: the address space
 * @first_page: first page, a multiple of 512
 * @pde: hgpu_pde_huge() of a PTE whose address is 2 MiB aligned
 *
 * Replaces whatever was there. The caller flushes the TLB.
 *
 * Context: atomic; the span is prepared.
 * Return: true; false, and nothing done, when the tables are not there.
 */
bool hgpu_vm_set_huge(struct hgpu_vm *vm, u64 first_page, u64 pde);

/**
 * hgpu_vm_next_used() - skip what has no entries
 * @vm: the address space
 * @page: where to begin
 * @last_page: where to end, inclusive
 *
 * Context: atomic; spans without tables are skipped quickly.
 * Return: the first page from @page on whose 2 MiB have an entry, valid or not
 * (@page itself, or the first one of its 2 MiB); @last_page + 1 if there is none.
 */
u64 hgpu_vm_next_used(struct hgpu_vm *vm, u64 page, u64 last_page);

/**
 * hgpu_vm_zap() - clear entries
 * @vm: the address space
 * @first_page: first page
 * @last_page: last page, inclusive; spans without tables are skipped quickly
 *
 * A 2 MiB leaf that is hit, also in part, is cleared whole: the rest faults
 * again. The caller flushes the TLB unless 0 is returned.
 *
 * Context: atomic; allocates nothing.
 * Return: number of valid 4 KiB pages cleared (512 for a 2 MiB leaf).
 */
u64 hgpu_vm_zap(struct hgpu_vm *vm, u64 first_page, u64 last_page);

/**
 * hgpu_vm_read() - read leaf entries back
 * @vm: the address space
 * @first_page: first page
 * @npages: how many
 * @ptes: gets one entry a page, FRAG masked out; 0 where nothing is mapped; of
 *	a 2 MiB leaf the entry that a 4 KiB page of it would have
 *
 * For unmapping: the DMA address of a system page is kept nowhere else. Read,
 * zap, flush, then dma_unmap.
 *
 * Context: atomic.
 * Return: number of valid entries among them.
 */
u32 hgpu_vm_read(struct hgpu_vm *vm, u64 first_page, u32 npages, u64 *ptes);

/**
 * hgpu_vm_flush_tlb() - make earlier changes of entries take effect
 * @vm: the address space
 *
 * Waits until no engine uses an old translation; parked accesses are then
 * walked again by the device. Without a VMID there is nothing to do.
 *
 * Context: atomic is fine, interrupts are not.
 * Return: 0; -ETIME when the device did not acknowledge (logged once).
 */
int hgpu_vm_flush_tlb(struct hgpu_vm *vm);

/**
 * hgpu_vm_restore() - write all tables again, after a reset of the GPU
 * @vm: the address space; no VMID of it is programmed
 *
 * Context: may sleep. Safe after hgpu_vm_early_init().
 */
void hgpu_vm_restore(struct hgpu_vm *vm);

/**
 * hgpu_vm_map_bo() - map a whole buffer
 * @vm: the address space
 * @bo: pinned GTT or VRAM buffer
 * @va: address, bytes, 4 KiB aligned
 * @pte_flags: HGPU_PTE_READABLE and so on
 *
 * Context: may sleep.
 * Return: 0 or hgpu_vm_prepare()'s error; then nothing is mapped.
 */
int hgpu_vm_map_bo(struct hgpu_vm *vm, struct hgpu_bo *bo, u64 va, u64 pte_flags);

/**
 * hgpu_vm_map_sgt() - map system pages
 * @vm: the address space
 * @sgt: the pages, DMA-mapped for the GPU
 * @size: bytes of them, whole pages
 * @va: address, bytes, 4 KiB aligned
 * @pte_flags: HGPU_PTE_READABLE and so on
 *
 * Context: may sleep.
 * Return: as hgpu_vm_map_bo().
 */
int hgpu_vm_map_sgt(struct hgpu_vm *vm, struct sg_table *sgt, u64 size, u64 va, u64 pte_flags);

/**
 * hgpu_vm_unmap() - unmap a span that these two mapped, and flush
 * @vm: the address space
 * @va: address, bytes
 * @size: bytes
 *
 * Return: 0 or hgpu_vm_flush_tlb()'s error: the memory must not be reused.
 */
int hgpu_vm_unmap(struct hgpu_vm *vm, u64 va, u64 size);

/* Encodings (hgpu_pte.c); pure, tested by kunit */

#define HGPU_PTE_RW	(HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE)

/**
 * hgpu_pte_vram() - entry of a page in VRAM
 * @addr: VRAM address (hgpu_vram_addr()), page aligned
 * @flags: permission bits
 * Return: the valid entry, FRAG 0.
 */
u64 hgpu_pte_vram(u64 addr, u64 flags);

/**
 * hgpu_pte_system() - entry of a page in system memory
 * @addr: bus address (of dma_map_page()), page aligned
 * @flags: permission bits
 * Return: the valid, snooped entry, FRAG 0.
 */
u64 hgpu_pte_system(dma_addr_t addr, u64 flags);

/**
 * hgpu_pde_huge() - a 2 MiB leaf for hgpu_vm_set_huge()
 * @pte: entry of its first 4 KiB page; address 2 MiB aligned
 * Return: the PDB0 entry.
 */
u64 hgpu_pde_huge(u64 pte);

/**
 * hgpu_pde_table() - directory entry that points at a table in VRAM
 * @addr: VRAM address of the table, 4 KiB aligned, in the GPU's own VRAM
 * Return: the valid entry.
 */
u64 hgpu_pde_table(u64 addr);

/**
 * hgpu_pte_fragment() - how large a fragment may start at a page
 * @page: virtual page number
 * @ptes: entries from @page on
 * @n: number of entries, at most to the end of the table
 *
 * Return: log2 of the number of pages: the largest aligned run whose entries
 *	are valid, equal in flags, contiguous, and aligned in both spaces.
 */
unsigned int hgpu_pte_fragment(u64 page, const u64 *ptes, u32 n);

/**
 * hgpu_pte_is_vram() - does a valid entry point into VRAM?
 * @pte: entry
 */
static inline bool hgpu_pte_is_vram(u64 pte)
{
	return (pte & HGPU_PTE_VALID) && !(pte & HGPU_PTE_SYSTEM);
}

/**
 * hgpu_pte_addr() - VRAM address or bus address of an entry
 * @pte: entry
 */
static inline u64 hgpu_pte_addr(u64 pte)
{
	return pte & HGPU_PTE_ADDR;
}

#endif /* HGPU_GPUVM_H */
