// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory in the GPU's page tables.
 *
 * Filling follows the collision-retry protocol of mmu_interval_notifier: look
 * the pages up with hmm_range_fault(), make their DMA mappings, then, under the
 * notifier lock, write the PTEs if nothing was invalidated in between.
 */
#include <linux/error-injection.h>
#include <linux/hmm.h>
#include <linux/kfd_ioctl.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* Of a file, a fault makes this much present: what the CPU's faults do, too. */
#define HGPU_SVM_FILE_WINDOW	16

/* Attempts on a whole block before it is only about the page that matters. */
#define HGPU_SVM_BLOCK_TRIES	3

/**
 * struct map_block - pages of one VMA and one page table
 * @svms: the process's
 * @range: covers the pages
 * @vma: likewise
 * @hdev: the GPU
 * @vm: its page tables
 * @first: first page
 * @n: how many
 * @flags: HGPU_SVM_MAP_*
 * @narrow: make present only the page that was asked for
 * @mapped: what became of that page
 */
struct map_block {
	struct hgpu_svms *svms;
	struct hgpu_svm_range *range;
	struct vm_area_struct *vma;
	struct hgpu_device *hdev;
	struct hgpu_vm *vm;
	u64 first;
	u32 n;
	u32 flags;
	bool narrow;
	struct hgpu_svm_mapped *mapped;
};

/* Pages of a block, by their place in it */
struct window {
	u32 start;
	u32 end;	/* exclusive */
};

/*
 * What to make present.
 *
 * Anonymous memory is made present by the granule. Of a file only some pages
 * around the one that was touched are, since making a page of a file writable
 * makes it dirty; of the others what is there is taken as it is.
 */
static struct window wanted(const struct map_block *b)
{
	u64 page = b->mapped->page, from = page, to = page + 1;
	u64 after = b->first + b->n;

	if (!(b->flags & HGPU_SVM_MAP_FAULT) || (b->narrow && page == U64_MAX))
		return (struct window) { };
	if (!b->narrow && (page == U64_MAX || vma_is_anonymous(b->vma)))
		return (struct window) { 0, b->n };
	if (!b->narrow) {
		from = ALIGN_DOWN(page, HGPU_SVM_FILE_WINDOW);
		to = from + HGPU_SVM_FILE_WINDOW;
	}
	return (struct window) {
		.start = clamp(from, b->first, after) - b->first,
		.end = clamp(to, b->first, after) - b->first,
	};
}

/* Look up the pages from @start on, up to but not including @end. */
static noinline int hgpu_svm_find_some(struct map_block *b,
				       struct hmm_range *hmm, u32 start,
				       u32 end, unsigned long request)
{
	if (start >= end)
		return 0;
	hmm->start = (b->first + start) << PAGE_SHIFT;
	hmm->end = (b->first + end) << PAGE_SHIFT;
	hmm->hmm_pfns = b->svms->scratch->pfns + start;
	hmm->default_flags = request;
	return hmm_range_fault(hmm);
}
ALLOW_ERROR_INJECTION(hgpu_svm_find_some, ERRNO);

/*
 * hmm_range_fault() takes pages in VRAM as they are, also those that a child
 * shares. Is there one that lacks the permission to write, and has no fault of
 * its own to get it by?
 */
static bool any_shared(const struct map_block *b)
{
	const u32 all = HGPU_SVM_MAP_ALL | HGPU_SVM_MAP_WRITE;
	const unsigned long *pfns = b->svms->scratch->pfns;
	u32 i;

	if ((b->flags & all) != all ||
	    b->range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_RO)
		return false;
	for (i = 0; i < b->n; i++)
		if (!(pfns[i] & HMM_PFN_WRITE))
			return true;
	return false;
}

/*
 * Look the pages up. -EBUSY: something changed, start over.
 *
 * By stretches, since from the first page that it has to make present on
 * hmm_range_fault() does the same for all that follow.
 */
static int find_pages(struct map_block *b, struct hmm_range *hmm)
{
	struct window w = wanted(b);
	bool home = b->flags & HGPU_SVM_MAP_HOME;
	unsigned long request = HMM_PFN_REQ_FAULT;
	u64 t0;
	int err;

	if (b->flags & HGPU_SVM_MAP_WRITE)
		request |= HMM_PFN_REQ_WRITE;
	*hmm = (struct hmm_range) {
		.notifier = &b->range->notifier,
		.dev_private_owner = home ? NULL : hgpu_hive_owner(b->hdev),
	};
	hmm->notifier_seq = mmu_interval_read_begin(hmm->notifier);
	memset(b->svms->scratch->pfns, 0, b->n * sizeof(unsigned long));

	t0 = local_clock();
	err = hgpu_svm_find_some(b, hmm, 0, w.start, 0) ?:
	      hgpu_svm_find_some(b, hmm, w.start, w.end, request) ?:
	      hgpu_svm_find_some(b, hmm, w.end, b->n, 0);
	hgpu_stat_add(b->hdev, migrate_core_mm_ns, local_clock() - t0);

	/* A neighbour cannot be had (the file ends there): do without. */
	if (err && err != -EBUSY && !b->narrow &&
	    !(b->flags & HGPU_SVM_MAP_ALL)) {
		b->narrow = true;
		return -EBUSY;
	}
	/* Copied on write in system memory, by the next look. */
	if (!err && !home && any_shared(b)) {
		b->flags |= HGPU_SVM_MAP_HOME;
		return -EBUSY;
	}
	return err;
}

/* What the GPU may do in the range, at most. */
static u64 range_flags(const struct hgpu_svm_range *range)
{
	u64 flags = HGPU_PTE_READABLE;

	if (!(range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_RO))
		flags |= HGPU_PTE_WRITEABLE;
	if (range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_EXEC)
		flags |= HGPU_PTE_EXECUTABLE;
	return flags;
}

/* ... to a page that was found; 0: nothing, it is not there. */
static u64 pfn_flags(unsigned long pfn, u64 flags)
{
	if ((pfn & (HMM_PFN_VALID | HMM_PFN_ERROR)) != HMM_PFN_VALID)
		return 0;
	return pfn & HMM_PFN_WRITE ? flags : flags & ~HGPU_PTE_WRITEABLE;
}

/*
 * Entry of a page in a peer's VRAM. 0 if it is a GPU's that the process cannot
 * use, because it came later, or is about to go: an access brings the page home.
 */
static u64 peer_pte(struct map_block *b, struct page *page, u64 flags)
{
	const struct hgpu_svms *svms = b->svms;
	struct hgpu_device *hdev;
	unsigned int i;

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++) {
		hdev = svms->gpus[i].hdev;
		if (hdev && hgpu_page_is_ours(hdev, page) &&
		    hgpu_hive_same(hdev, b->hdev))
			return hgpu_pte_vram(hgpu_page_vram_addr(hdev, page),
					     flags);
	}
	return 0;
}

/* DMA-map the pages that have no entry yet. */
static void map_fresh(struct map_block *b)
{
	struct hgpu_svm_scratch *s = b->svms->scratch;
	u64 t0 = local_clock();
	u32 i;

	for_each_set_bit(i, s->fresh, b->n)
		s->ptes[i] = hgpu_svm_make_system_pte(b->hdev,
						      hmm_pfn_to_page(s->pfns[i]),
						      s->ptes[i]);
	hgpu_stat_add(b->hdev, migrate_core_mm_ns, local_clock() - t0);
}

/*
 * Entries for what was found. A system page that is mapped as it should be
 * keeps its entry: were it another page by now, mmu_interval_read_retry()
 * would tell.
 */
static void make_ptes(struct map_block *b)
{
	const u64 mask = HGPU_PTE_RW | HGPU_PTE_EXECUTABLE;
	const u64 max_flags = range_flags(b->range);
	const struct hgpu_pagemap *pm = &b->hdev->pagemap;
	struct hgpu_svm_scratch *s = b->svms->scratch;
	unsigned long index;
	struct page *page;
	u64 flags;
	u32 i;

	mutex_lock(&b->svms->notifier_lock);
	hgpu_vm_read(b->vm, b->first, b->n, s->ptes);
	mutex_unlock(&b->svms->notifier_lock);

	bitmap_zero(s->fresh, HGPU_GRANULE_PAGES);
	for (i = 0; i < b->n; i++) {
		flags = pfn_flags(s->pfns[i], max_flags);
		if (flags && hgpu_pte_is_system(s->ptes[i]) &&
		    (s->ptes[i] & mask) == flags)
			continue;

		s->ptes[i] = 0;
		if (!flags)
			continue;
		page = hmm_pfn_to_page(s->pfns[i]);
		index = page_to_pfn(page) - pm->base_pfn;
		if (index < pm->npages) {
			s->ptes[i] = hgpu_pte_vram(hgpu_vram_addr(b->hdev,
								  index << PAGE_SHIFT),
						   flags);
		} else if (is_device_private_page(page)) {
			s->ptes[i] = peer_pte(b, page, flags);
		} else {
			s->ptes[i] = flags;
			__set_bit(i, s->fresh);
		}
	}
	map_fresh(b);
}

/*
 * The GPU may write from now on, and leaves no trace of it in the CPU's page
 * table. Nothing can clean the pages without an invalidation first, so once is
 * enough; and none can complete while the lock is held, so they stay in their
 * mappings.
 */
static void dirty_pages_locked(struct map_block *b)
{
	struct hgpu_svm_scratch *s = b->svms->scratch;
	struct folio *folio;
	u32 i;

	lockdep_assert_held(&b->svms->notifier_lock);

	for_each_set_bit(i, s->fresh, b->n) {
		if (!(s->ptes[i] & HGPU_PTE_WRITEABLE))
			continue;
		folio = page_folio(hmm_pfn_to_page(s->pfns[i]));
		if (!folio_test_dirty(folio))
			folio_mark_dirty(folio);
	}
}

/* Has every page an entry? One that was found lacks it if it has no DMA address. */
static bool all_there(const struct map_block *b)
{
	const struct hgpu_svm_scratch *s = b->svms->scratch;
	u32 i;

	for (i = 0; i < b->n; i++)
		if (!s->ptes[i])
			return false;
	return true;
}

/* They will not be written: undo their DMA mappings, but of no others. */
static void drop_ptes(struct map_block *b)
{
	struct hgpu_svm_scratch *s = b->svms->scratch;
	u32 i;

	for_each_clear_bit(i, s->fresh, b->n)
		s->ptes[i] = 0;
	hgpu_svm_drop_ptes(b->hdev, s->ptes, b->n);
}

static void note_mapped(const struct map_block *b)
{
	const struct hgpu_svm_scratch *s = b->svms->scratch;
	struct hgpu_svm_mapped *mapped = b->mapped;
	u64 i = mapped->page - b->first;
	struct folio *folio;
	u64 pte;

	if (mapped->page < b->first || i >= b->n)
		return;

	pte = s->ptes[i];
	mapped->ok = (pte & HGPU_PTE_VALID) &&
		     (!(b->flags & HGPU_SVM_MAP_WRITE) ||
		      (pte & HGPU_PTE_WRITEABLE));
	mapped->vram = hgpu_pte_is_vram(pte);
	mapped->migratable = false;
	if (hgpu_pte_is_system(pte)) {
		folio = page_folio(hmm_pfn_to_page(s->pfns[i]));
		mapped->migratable = folio_test_anon(folio) &&
				     !folio_test_ksm(folio);
	}
}

/*
 * What was found in VRAM is live, as long as the lock is held, and was used
 * just now. Its chunk must know of it: that is how VRAM pages are counted.
 */
static void note_vram_locked(struct map_block *b)
{
	struct hgpu_svm_scratch *s = b->svms->scratch;
	struct hgpu_svm_chunk *chunk, *last = NULL;
	struct page *page;
	u32 i;

	lockdep_assert_held(&b->svms->notifier_lock);

	for (i = 0; i < b->n; i++) {
		if (!hgpu_pte_is_vram(s->ptes[i]))
			continue;
		page = hmm_pfn_to_page(s->pfns[i]);
		chunk = page->zone_device_data;
		WARN_ON_ONCE(!test_bit(page_to_pfn(page) - chunk->pfn,
				       chunk->used));
		if (chunk != last)
			hgpu_chunk_touch(chunk);
		last = chunk;
	}
}

/*
 * One attempt. -EBUSY: start over.
 *
 *  1. look the pages up, making them present if asked to
 *  2. DMA-map those in system memory
 *  3. take the notifier lock; was anything invalidated since 1?
 *  4. write the PTEs, flush the TLB, which replays parked accesses
 */
static int map_block_once(struct map_block *b, unsigned int gpu)
{
	struct hgpu_svms *svms = b->svms;
	struct hgpu_svm_scratch *s = svms->scratch;
	bool fault = b->flags & HGPU_SVM_MAP_FAULT;
	struct hmm_range hmm;
	int err;

	err = find_pages(b, &hmm);
	if (err)
		return err;

	make_ptes(b);
	if ((b->flags & HGPU_SVM_MAP_ALL) && !all_there(b)) {
		drop_ptes(b);
		return -ENOMEM;
	}

	mutex_lock(&svms->notifier_lock);
	if (svms->dead) {
		err = -ESRCH;
	} else if (mmu_interval_read_retry(hmm.notifier, hmm.notifier_seq)) {
		err = -EBUSY;
	} else {
		note_mapped(b);
		dirty_pages_locked(b);
		note_vram_locked(b);
		hgpu_svm_write_ptes_locked(svms, gpu, b->first, b->n, s->ptes,
					   fault ? HGPU_FLUSH_ALWAYS :
						   HGPU_FLUSH_IF_CHANGED);
		if (fault)
			hgpu_svm_note_resolved(svms, gpu, b->first, b->n,
					       s->ptes,
					       hgpu_gpu_timestamp(b->hdev));
	}
	mutex_unlock(&svms->notifier_lock);

	if (err)
		drop_ptes(b);
	return err;
}

/*
 * The CPU keeps changing something in the range. The less is looked up, the
 * less gets in between: go on with the one page that somebody waits for.
 */
static void shrink_block(struct map_block *b)
{
	u64 page = b->mapped->page;

	if (page >= b->first && page < b->first + b->n) {
		b->first = page;
		b->n = 1;
	}
}

/*
 * Page tables live in VRAM, which memory may have filled but for a reserve.
 * What asks for a little more than the reserve gets memory evicted, and leaves
 * the reserve whole. Not from within hgpu_vm_prepare(): an eviction waits for
 * jobs, and these for a reset, which needs the tables.
 */
static int prepare_tables(const struct map_block *b)
{
	struct hgpu_bo *room;
	int err;

	err = hgpu_vm_prepare(b->vm, b->first, b->first + b->n - 1);
	if (err != -ENOSPC)
		return err;
	err = hgpu_bo_create(b->hdev, PAGE_SIZE, 0, HGPU_DOMAIN_VRAM_VISIBLE,
			     HGPU_BO_MAY_EVICT | HGPU_BO_NO_WAIT, &room);
	if (err)
		return err;
	hgpu_bo_put(room);
	return hgpu_vm_prepare(b->vm, b->first, b->first + b->n - 1);
}

static int map_block(const struct map_block *whole, unsigned int gpu)
{
	unsigned long timeout = jiffies +
				msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	struct map_block b = *whole;
	u32 flags = whole->flags;
	unsigned int try;
	int err;

	err = prepare_tables(&b);
	if (err)
		return err;

	for (try = 1; ; try++) {
		err = map_block_once(&b, gpu);
		if (err == -EBUSY && b.flags != flags) {
			/* Nothing has changed but what is looked for. */
			flags = b.flags;
			timeout = jiffies +
				  msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
		}
		if (err != -EBUSY || time_after(jiffies, timeout))
			return err;
		hgpu_stat_inc(b.hdev, fault_retries);
		if (try == HGPU_SVM_BLOCK_TRIES)
			shrink_block(&b);
		cond_resched();
	}
}

/**
 * hgpu_svm_map() - map pages where they are
 * @svms: the process's
 * @range: covers the pages
 * @vma: likewise; not a device's
 * @gpu: index of the GPU; it has page tables
 * @first: first page
 * @last: last page, inclusive
 * @flags: HGPU_SVM_MAP_*; 0 maps what the CPU has mapped and leaves the rest
 * @mapped: the page that matters, or U64_MAX
 *
 * Context: process context, may sleep and fault pages in; mmap_lock (read) and
 * &hgpu_svms.lock are held, no migration and no folio lock.
 * Return: 0; -EFAULT or -EPERM: @mapped->page, or with HGPU_SVM_MAP_ALL any page,
 * cannot be had; -EBUSY: it keeps changing; -ENOSPC or -ENOMEM: no room for page
 * tables, or with HGPU_SVM_MAP_ALL no DMA address; -ESRCH: the process is going
 * away; -ENODEV.
 */
int hgpu_svm_map(struct hgpu_svms *svms, struct hgpu_svm_range *range,
		 struct vm_area_struct *vma, unsigned int gpu, u64 first,
		 u64 last, u32 flags, struct hgpu_svm_mapped *mapped)
{
	struct map_block b = {
		.svms = svms,
		.range = range,
		.vma = vma,
		.hdev = svms->gpus[gpu].hdev,
		.vm = svms->gpus[gpu].vm,
		.flags = flags,
		.mapped = mapped,
	};
	u64 t0 = local_clock();
	int err = 0;

	lockdep_assert_held(&svms->lock);
	mmap_assert_locked(svms->mm);

	if (!b.vm)
		return -ENODEV;

	trace_hgpu_svm_map(svms, gpu, first, last, flags);
	for (; first <= last && !err; first += b.n) {
		b.first = first;
		b.n = min(HGPU_GRANULE_PAGES - (first % HGPU_GRANULE_PAGES),
			  last - first + 1);
		err = map_block(&b, gpu);
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	hgpu_stat_add(b.hdev, migrate_ns, local_clock() - t0);
	return err;
}
