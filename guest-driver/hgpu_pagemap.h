/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-private memory: struct pages for all of a GPU's VRAM, handed out in
 * chunks of one migration granule.
 *
 * Page and VRAM offset are linear in each other. A chunk is a VRAM buffer of
 * its own, so bringing one granule home neither pins nor moves its
 * neighbours. Each live page holds a reference to its chunk; page_free, which
 * the core calls under a page table lock, drops it, and the last one has a
 * work item free the buffer.
 */
#ifndef HGPU_PAGEMAP_H
#define HGPU_PAGEMAP_H

#include <linux/bitmap.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/memremap.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "hgpu_gart.h"

struct hgpu_bo;
struct hgpu_device;
struct hgpu_migration;

#define HGPU_GRANULE_PAGES	512	/* a chunk's limit, and a window's */
#define HGPU_CHUNK_HASH_BITS	8
#define HGPU_EVICTED		32	/* granules that are remembered */

/*
 * A CPU fault, or eviction, is bringing pages home. Only tried, never waited for:
 * whoever waits holds a page that the other needs free.
 */
#define HGPU_CHUNK_HOMING	0
#define HGPU_CHUNK_LOST		1	/* its bytes cannot be had any more */
#define HGPU_CHUNK_EVICTING	2	/* nobody may fill it; set under @lock */
#define HGPU_CHUNK_HIDDEN	3	/* hgpu_chunk_get() does not find it */

/**
 * struct hgpu_svm_chunk - VRAM of one migration granule
 * @hdev: the GPU
 * @bo: the memory; NULL in a pagemap that is orphaned
 * @kref: one for each live page and one for whoever works with it
 * @fillers: those who may make pages of it live; protected by
 *	&hgpu_pagemap.lock
 * @pfn: of the first page
 * @npages: at most HGPU_GRANULE_PAGES
 * @owner: who may find it again, even if it has long been gone: &hgpu_svms.id;
 *	with @va the key in the hash
 * @va: page number of the virtual address that page 0 was made for
 * @used: pages that are live; set by migration, under @owner's lock, cleared by
 *	page_free
 * @moved: those of them whose contents are elsewhere: somebody still has a
 *	reference to the page. Set, for good, while it is locked
 * @flags: HGPU_CHUNK_* bits
 * @pasid: @owner's, to find it and its attributes as long as it lives
 * @pid: @owner's, for events; as are the next two, which are attributes of the
 *	memory when it was filled last
 * @prefetch_loc: KFD's gpu_id, or another location
 * @preferred_loc: likewise
 * @hash: in &hgpu_pagemap.hash
 * @link: in &hgpu_pagemap.chunks
 * @free: in &hgpu_pagemap.free_list
 */
struct hgpu_svm_chunk {
	struct hgpu_device *hdev;
	struct hgpu_bo *bo;
	struct kref kref;
	unsigned int fillers;
	unsigned long pfn;
	u32 npages;
	u64 owner;
	unsigned long va;
	DECLARE_BITMAP(used, HGPU_GRANULE_PAGES);
	DECLARE_BITMAP(moved, HGPU_GRANULE_PAGES);
	unsigned long flags;
	u16 pasid;
	pid_t pid;
	u32 prefetch_loc;
	u32 preferred_loc;
	struct hlist_node hash;
	struct list_head link;
	struct llist_node free;
};

/**
 * struct hgpu_evicted - a granule that had to leave VRAM
 * @owner: of the chunk that it was in
 * @va: likewise
 * @when: the number of the eviction
 * @times: so often, each soon after the one before
 */
struct hgpu_evicted {
	u64 owner;
	unsigned long va;
	u64 when;
	unsigned int times;
};

/**
 * struct hgpu_pagemap - device-private memory of one GPU
 * @pgmap: the core's part; its owner is the GPU, or its hive
 * @region: the physical addresses that it took
 * @base_pfn: pfn of VRAM's first page
 * @npages: pages of VRAM
 * @lock: protects @hash, @chunks, @num_chunks, @closed, the chunks' buffers,
 *	@evicted and what belongs to it
 * @hash: chunks by who may fill them further
 * @chunks: all of them
 * @num_chunks: how many; may be read without @lock as a hint
 * @closed: the GPU is being removed: no new chunks
 * @evicted: granules that were evicted lately
 * @evicted_next: where the next one goes
 * @num_evicted: evictions so far
 * @free_list: chunks without a live page
 * @free_work: frees @free_list, and after the last chunk an orphan
 * @idle: woken when @chunks becomes empty
 * @migrations: the migrate mutex, one for each transfer window: scratch memory
 *	and the exclusive use of the window; NULL while in use
 * @migrations_lock: protects @migrations
 * @migrations_wait: who waits for one
 * @ready: @pgmap is mapped
 * @orphaned: the GPU is no more, pages that were lost with it are; protected by
 *	@lock
 * @has_module: then, a reference to the module
 */
struct hgpu_pagemap {
	struct dev_pagemap pgmap;
	struct resource *region;
	unsigned long base_pfn;
	unsigned long npages;
	spinlock_t lock;
	struct hlist_head hash[1 << HGPU_CHUNK_HASH_BITS];
	struct list_head chunks;
	unsigned long num_chunks;
	bool closed;
	struct hgpu_evicted evicted[HGPU_EVICTED];
	unsigned int evicted_next;
	u64 num_evicted;
	struct llist_head free_list;
	struct work_struct free_work;
	wait_queue_head_t idle;
	struct hgpu_migration *migrations[HGPU_GART_WINDOWS];
	spinlock_t migrations_lock;
	wait_queue_head_t migrations_wait;
	bool ready;
	bool orphaned;
	bool has_module;
};

/**
 * hgpu_pagemap_init() - make struct pages for VRAM and start taking faults
 * @hdev: the GPU; VRAM, IH and SDMA are up
 *
 * Registers the handler of VM faults with the interrupt ring.
 *
 * Context: process context, may sleep.
 * Return: 0; -EOPNOTSUPP on a kernel without device-private memory; -ENOMEM.
 */
int hgpu_pagemap_init(struct hgpu_device *hdev);

/**
 * hgpu_pagemap_fini() - take the struct pages away
 * @hdev: the GPU; hgpu_svm_evict_all() has returned
 *
 * Pages that are lost stay until nobody maps them any more, and with them
 * @hdev's memory and a reference to the module. A CPU access to one is
 * SIGBUS.
 *
 * Context: process context, may sleep. Needs SDMA no more.
 */
void hgpu_pagemap_fini(struct hgpu_device *hdev);

/**
 * hgpu_pagemaps_exit() - wait until no lost page is mapped
 *
 * Context: module exit, after the last GPU.
 */
void hgpu_pagemaps_exit(void);

/**
 * hgpu_pagemap_flush() - wait until VRAM of pages freed so far is free
 * @hdev: the GPU
 *
 * Context: process context, may sleep.
 */
void hgpu_pagemap_flush(struct hgpu_device *hdev);

#endif /* HGPU_PAGEMAP_H */
