/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared virtual memory of one process: ranges with attributes, what GPU and
 * CPU faults do, and migration between system memory and VRAM.
 */
#ifndef HGPU_SVM_H
#define HGPU_SVM_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "hgpu_pagemap.h"

struct hgpu_device;
struct hgpu_iv;
struct hgpu_svm_scratch;
struct hgpu_vm;
struct kfd_ioctl_svm_attribute;
struct mm_struct;
struct seq_file;

#define HGPU_SVM_MAX_GPUS	8	/* of one process */
/*
 * Ranges of one process. Address space costs nothing, ranges do: with ranges
 * of 2 MiB (VRAM of 64 MiB) this is 128 GiB of it.
 */
#define HGPU_SVM_MAX_RANGES	(1u << 16)
#define HGPU_SVM_FAULTS		64	/* queued faults of one process */
#define HGPU_SVM_RESOLVED	16	/* resolved blocks of one process */
#define HGPU_SVM_DENIALS	64	/* denied addresses of one process */
#define HGPU_SVM_UNMAPS		16	/* stretches of one process, unmapped last */

/**
 * struct hgpu_svm_fault - a GPU fault that waits to be handled
 * @timestamp: GPU clock when it was reported; its low 48 bits until
 *	hgpu_svm_fault_date()
 * @page: virtual page number
 * @gpu: index in &hgpu_svms.gpus
 * @id: &hgpu_iv.id of its first report
 * @flags: HGPU_SVM_FAULT_*
 * @prot: HGPU_IH_FAULT_RING__*: what the entry lacked
 */
struct hgpu_svm_fault {
	u64 timestamp;
	u64 page;
	u32 id;
	u8 gpu;
	u8 flags;
	u8 prot;
};

#define HGPU_SVM_FAULT_WRITE	BIT(0)
#define HGPU_SVM_FAULT_NORETRY	BIT(1)	/* the queue has halted */

/**
 * struct hgpu_svm_gpu - a GPU of the process
 * @hdev: the GPU; NULL: none at this index
 * @vm: its page tables; NULL until the process has acquired them
 * @task: the thread that has, for events; written with @vm
 * @comm: its name then
 */
struct hgpu_svm_gpu {
	struct hgpu_device *hdev;
	struct hgpu_vm *vm;
	pid_t task;
	char comm[TASK_COMM_LEN];
};

/**
 * struct hgpu_svm_resolved - what a GPU fault has last mapped of a block
 * @block: first page, a multiple of HGPU_GRANULE_PAGES; U64_MAX for none
 * @when: GPU clock just before parked accesses were replayed
 * @gpu: index in &hgpu_svms.gpus
 * @readable: pages that the GPU could read then
 * @writeable: pages that it could write
 */
struct hgpu_svm_resolved {
	u64 block;
	u64 when;
	u8 gpu;
	DECLARE_BITMAP(readable, HGPU_GRANULE_PAGES);
	DECLARE_BITMAP(writeable, HGPU_GRANULE_PAGES);
};

/**
 * struct hgpu_svm_unmap - memory that munmap() or mremap() took away
 * @first: first page
 * @last: last page, inclusive; 0: none
 * @when: clock of each GPU when none could use it any more, by its index; 0: it
 *	never could
 */
struct hgpu_svm_unmap {
	u64 first;
	u64 last;
	u64 when[HGPU_SVM_MAX_GPUS];
};

/**
 * struct hgpu_svm_unmaps - reports older than these are about other memory
 * @newest: ring of those that were last; of ranges side by side, one
 * @next: where the next one goes
 * @rest: stretch that contains all before these, with the times of the last of
 *	them: who has been dropped for nothing is reported again
 */
struct hgpu_svm_unmaps {
	struct hgpu_svm_unmap newest[HGPU_SVM_UNMAPS];
	u32 next;
	struct hgpu_svm_unmap rest;
};

/**
 * struct hgpu_svm_denial - an address whose access is being denied
 * @page: virtual page number, U64_MAX for none
 * @since: GPU clock when it was found wrong, or poisoned. A report made later
 *	shows that the access is still there, and not an old report of one that
 *	was fine
 * @gpu: index in &hgpu_svms.gpus
 * @poisoned: the PTE is no-retry
 * @was: then, what a buffer had mapped there, which is its own; else 0
 * @read_only: it is a write to memory that can be read
 */
struct hgpu_svm_denial {
	u64 page;
	u64 since;
	u64 was;
	u8 gpu;
	bool poisoned;
	bool read_only;
};

/**
 * struct hgpu_svms - shared virtual memory of one process
 * @mm: the process's; not a reference, use mmget_not_zero(): it stays
 *	allocated until hgpu_svms_fini() returns
 * @id: no other has, or ever had, the same: VRAM and what is known of it may
 *	outlive the process
 * @pid: for messages and events
 * @xnack: recoverable faults are on; written under @lock and @notifier_lock while
 *	no queue lives, read under either
 * @lock: protects @ranges, attributes, @gpus (with @notifier_lock) and what
 *	faults have come to; below mmap_lock, above migration
 * @ranges: &struct hgpu_svm_range by page number
 * @num_ranges: how many, with those that are about to replace others;
 *	protected by @lock
 * @range_cap: pages of the largest range
 * @charged: pages that count for the limit of system memory: those of all ranges
 *	without @xnack, none with it; protected by @lock
 * @gpus: written under @lock and @notifier_lock, read under either
 * @notifier_lock: protects all GPU PTEs of shared memory, @unmapped, @unmaps,
 *	@missing, @evicted, @dead, and serialises filling them against
 *	invalidation. Taken in notifiers, so nothing is allocated under it
 * @unmapped: ranges that have lost memory to munmap()
 * @unmap_work: takes them apart
 * @unmaps: what they have lost, and when
 * @missing: ranges that are not mapped as they are to be kept; may shrink under
 *	@lock and @notifier_lock only
 * @evicted: queues stand still because of them
 * @restore_work: maps them
 * @dead: no more faults, no more mappings
 * @scratch: for filling and clearing PTEs
 * @fault_lock: protects @faults, @fault_head, @fault_count
 * @faults: ring of those that wait
 * @fault_head: index of the oldest
 * @fault_count: how many
 * @fault_work: handles them
 * @resolved: ring of resolved blocks, protected by @lock
 * @resolved_next: where the next one goes
 * @denials: ring of denied addresses, protected by @lock
 * @denial_next: where the next one goes
 * @fault_id: for traces: of the fault that is being resolved, or 0; protected by
 *	@lock
 */
struct hgpu_svms {
	struct mm_struct *mm;
	u64 id;
	pid_t pid;
	bool xnack;

	struct mutex lock;
	struct rb_root_cached ranges;
	unsigned int num_ranges;
	unsigned long range_cap;
	u64 charged;
	struct hgpu_svm_gpu gpus[HGPU_SVM_MAX_GPUS];

	struct mutex notifier_lock;
	struct list_head unmapped;
	struct work_struct unmap_work;
	struct hgpu_svm_unmaps unmaps;
	struct list_head missing;
	bool evicted;
	struct delayed_work restore_work;
	bool dead;
	struct hgpu_svm_scratch *scratch;

	spinlock_t fault_lock;
	struct hgpu_svm_fault faults[HGPU_SVM_FAULTS];
	u32 fault_head;
	u32 fault_count;
	struct work_struct fault_work;
	struct hgpu_svm_resolved resolved[HGPU_SVM_RESOLVED];
	u32 resolved_next;
	struct hgpu_svm_denial denials[HGPU_SVM_DENIALS];
	u32 denial_next;
	u32 fault_id;
};

/* For hgpu_drv.c: before the first GPU, and after the last process. */
int hgpu_svm_init(void);
void hgpu_svm_exit(void);

/**
 * hgpu_svms_init() - start shared virtual memory for a process
 * @svms: all zero
 * @mm: current's; the caller's mmu_notifier keeps it allocated
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hgpu_svms_init(struct hgpu_svms *svms, struct mm_struct *mm);

/**
 * hgpu_svms_add_gpu() - the process may name this GPU in attributes
 * @svms: the process's
 * @gpu: its index, below HGPU_SVM_MAX_GPUS, free
 * @hdev: the GPU
 *
 * Context: process context, takes &hgpu_svms.lock.
 */
void hgpu_svms_add_gpu(struct hgpu_svms *svms, unsigned int gpu,
		       struct hgpu_device *hdev);

/**
 * hgpu_svms_set_vm() - the GPU can now access shared memory
 * @svms: the process's
 * @gpu: index given to hgpu_svms_add_gpu()
 * @vm: page tables; live until hgpu_svms_remove_gpu()
 *
 * Events name current as the one who has faults there.
 *
 * Context: process context, takes &hgpu_svms.lock.
 */
void hgpu_svms_set_vm(struct hgpu_svms *svms, unsigned int gpu,
		      struct hgpu_vm *vm);

/**
 * hgpu_svms_remove_gpu() - take a GPU away from the process
 * @svms: the process's
 * @gpu: index; one without a GPU is left alone
 *
 * Call it after the GPU's queues of this process have stopped and before its
 * page tables go. On return no PTE of shared memory is valid, no system page
 * is DMA-mapped, and neither notifier nor fault will touch GPU or page tables
 * again; nor has a GPU of its hive a PTE of its VRAM. Pages in VRAM stay there;
 * CPU faults bring them home.
 *
 * Context: process context, may sleep; takes &hgpu_svms.lock, so no mmap_lock
 * of this process and no notifier.
 */
void hgpu_svms_remove_gpu(struct hgpu_svms *svms, unsigned int gpu);

/**
 * hgpu_svms_sync() - wait for who is filling page tables now
 * @svms: the process's
 *
 * Context: process context, takes &hgpu_svms.lock.
 */
void hgpu_svms_sync(struct hgpu_svms *svms);

/**
 * hgpu_svms_release() - the address space is going away
 * @svms: the process's; its queues have stopped
 *
 * Invalidates all PTEs. Later faults are dropped and nothing is mapped.
 *
 * Context: mmu_notifier release() or any process context that holds neither
 * mmap_lock nor &hgpu_svms.lock, which it takes. May be called more than once.
 */
void hgpu_svms_release(struct hgpu_svms *svms);

/**
 * hgpu_svms_fini() - free everything
 * @svms: the process's; hgpu_svms_release() has returned, every GPU has been
 *	removed and hgpu_svm_fault_enqueue() finds the process no more
 *
 * Context: process context, may sleep; not from a notifier, not from the
 * interrupt thread, no mmap_lock held.
 */
void hgpu_svms_fini(struct hgpu_svms *svms);

/**
 * hgpu_svm_set_attr() - KFD's SVM_OP_SET_ATTR
 * @svms: current's
 * @start: address, page-aligned
 * @size: bytes, page-aligned
 * @nattr: how many
 * @attrs: kernel memory
 *
 * Context: process context, may sleep; takes mmap_lock.
 * Return: 0; -EINVAL (alignment, unknown attribute or GPU, no VM acquired);
 * -EFAULT (no memory there, or a device's); -EADDRINUSE (a buffer of
 * ALLOC_MEMORY is mapped there); -EOVERFLOW; -ENOMEM (also when the process would
 * have more than HGPU_SVM_MAX_RANGES ranges or, without XNACK, more memory than
 * KFD's limit allows); -EINTR (killed).
 */
int hgpu_svm_set_attr(struct hgpu_svms *svms, u64 start, u64 size, u32 nattr,
		      const struct kfd_ioctl_svm_attribute *attrs);

/**
 * hgpu_svm_get_attr() - KFD's SVM_OP_GET_ATTR: the intersection
 * @svms: current's
 * @start: address, page-aligned
 * @size: bytes, page-aligned
 * @nattr: how many
 * @attrs: kernel memory; values (and the type of accesses) are replaced
 *
 * Context: as hgpu_svm_set_attr().
 * Return: likewise.
 */
int hgpu_svm_get_attr(struct hgpu_svms *svms, u64 start, u64 size, u32 nattr,
		      struct kfd_ioctl_svm_attribute *attrs);

/* For debugfs: see hgpu_svm_where.c */
void hgpu_svm_show_ranges(struct hgpu_device *hdev, struct seq_file *m);

/* See hgpu_svm_attr.c */
bool hgpu_svm_overlaps(struct hgpu_svms *svms, u64 first, u64 last);
bool hgpu_svm_always_mapped(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			    u64 last);

/* See hgpu_svm_restore.c */
int hgpu_svms_set_xnack(struct hgpu_svms *svms, bool on);

/**
 * hgpu_svm_fault_enqueue() - a VM fault entry has been read
 * @hdev: the GPU
 * @iv: the entry
 * @data: unused
 *
 * An hgpu_ih_handler_t, registered by hgpu_pagemap_init(). Looks the process
 * up by PASID, drops repeats and queues the rest.
 *
 * Context: interrupt thread; takes spinlocks only.
 */
void hgpu_svm_fault_enqueue(struct hgpu_device *hdev, const struct hgpu_iv *iv,
			    void *data);

/**
 * hgpu_svm_queue_gone() - a queue has been destroyed
 * @svms: the process's
 * @gpu: index of its GPU
 *
 * What was denied may have been denied to that queue: the next one is judged
 * anew.
 *
 * Context: process context, may sleep; takes &hgpu_svms.lock.
 */
void hgpu_svm_queue_gone(struct hgpu_svms *svms, unsigned int gpu);

/**
 * hgpu_svm_evict_all() - bring every page of a GPU home
 * @hdev: the GPU; no process has it any more (hgpu_svms_remove_gpu())
 *
 * Returns when no device page of the GPU lives, whoever maps it, but for those
 * whose bytes cannot be had any more because the GPU does not answer.
 *
 * Context: process context, may sleep; no mmap_lock, no &hgpu_svms.lock.
 */
void hgpu_svm_evict_all(struct hgpu_device *hdev);

#endif /* HGPU_SVM_H */
