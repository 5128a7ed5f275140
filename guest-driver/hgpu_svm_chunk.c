// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks: VRAM of one migration granule each, and the pages that are live in it.
 */
#include <linux/hash.h>
#include <linux/slab.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

static struct hlist_head *chunk_bucket(struct hgpu_pagemap *pm, u64 owner,
				       unsigned long va)
{
	u64 key = (owner << 40) + va / HGPU_GRANULE_PAGES;

	return &pm->hash[hash_64(key, HGPU_CHUNK_HASH_BITS)];
}

/* Can it be filled with these? &hgpu_pagemap.lock is held. */
static bool chunk_serves(const struct hgpu_svm_chunk *chunk, u64 owner,
			 unsigned long va, u32 npages)
{
	return chunk->owner == owner && va >= chunk->va &&
	       va + npages <= chunk->va + chunk->npages &&
	       !test_bit(HGPU_CHUNK_EVICTING, &chunk->flags) &&
	       !test_bit(HGPU_CHUNK_HIDDEN, &chunk->flags);
}

/* A chunk of the same owner that was made for these addresses. */
static struct hgpu_svm_chunk *chunk_find(struct hgpu_pagemap *pm, u64 owner,
					 unsigned long va, u32 npages)
{
	struct hgpu_svm_chunk *chunk;

	spin_lock(&pm->lock);
	hlist_for_each_entry(chunk, chunk_bucket(pm, owner, va), hash)
		if (chunk_serves(chunk, owner, va, npages) &&
		    kref_get_unless_zero(&chunk->kref)) {
			chunk->fillers++;
			break;
		}
	spin_unlock(&pm->lock);
	return chunk;
}

/**
 * hgpu_chunk_any() - is any of this in VRAM?
 * @hdev: the GPU
 * @owner: as given to hgpu_chunk_get()
 * @va: page number
 * @npages: how many
 *
 * Looks at chunks, not at pages: those that mremap() has moved there are not
 * seen.
 *
 * Context: any but interrupts; the answer may be of yesterday.
 * Return: true if there is a chunk for some of the addresses.
 */
bool hgpu_chunk_any(struct hgpu_device *hdev, u64 owner, unsigned long va,
		    unsigned long npages)
{
	unsigned long at = ALIGN_DOWN(va, HGPU_GRANULE_PAGES), end = va + npages;
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct hgpu_svm_chunk *chunk = NULL;

	spin_lock(&pm->lock);
	for (; at < end && !chunk; at += HGPU_GRANULE_PAGES)
		hlist_for_each_entry(chunk, chunk_bucket(pm, owner, at), hash)
			if (chunk->owner == owner && chunk->va < end &&
			    chunk->va + chunk->npages > va)
				break;
	spin_unlock(&pm->lock);
	return chunk;
}

/* Add what lives in a chunk to what lives in the block it was made for. */
static void add_live(const struct hgpu_svm_chunk *chunk, unsigned long *live)
{
	DECLARE_BITMAP(used, HGPU_GRANULE_PAGES);

	bitmap_shift_left(used, chunk->used, chunk->va % HGPU_GRANULE_PAGES,
			  HGPU_GRANULE_PAGES);
	bitmap_or(live, live, used, HGPU_GRANULE_PAGES);
}

/**
 * hgpu_chunk_count() - pages of a block that live in VRAM
 * @hdev: the GPU
 * @owner: as given to hgpu_chunk_get()
 * @block: first page of the block, a multiple of HGPU_GRANULE_PAGES
 * @first: where to start counting, before or in it
 * @last: where to stop, inclusive, in it or behind
 *
 * Context: any but interrupts.
 * Return: how many.
 */
u32 hgpu_chunk_count(struct hgpu_device *hdev, u64 owner, unsigned long block,
		     unsigned long first, unsigned long last)
{
	unsigned long end = min(last + 1 - block, (unsigned long)HGPU_GRANULE_PAGES);
	unsigned long start = max(first, block) - block;
	struct hgpu_pagemap *pm = &hdev->pagemap;
	DECLARE_BITMAP(live, HGPU_GRANULE_PAGES);
	struct hgpu_svm_chunk *chunk;

	bitmap_zero(live, HGPU_GRANULE_PAGES);
	spin_lock(&pm->lock);
	/* Several may be for one address: those whose pages have moved on. */
	hlist_for_each_entry(chunk, chunk_bucket(pm, owner, block), hash)
		if (chunk->owner == owner &&
		    ALIGN_DOWN(chunk->va, HGPU_GRANULE_PAGES) == block)
			add_live(chunk, live);
	spin_unlock(&pm->lock);

	bitmap_clear(live, 0, start);
	return bitmap_weight(live, end);
}

/**
 * hgpu_chunk_step() - how many pages is the next chunk for?
 * @hdev: the GPU
 * @owner: as given to hgpu_chunk_get()
 * @va: page number of the first page
 * @npages: at most HGPU_GRANULE_PAGES, within one aligned HGPU_GRANULE_PAGES
 *
 * All of them, as a rule. But if all are in VRAM already, in several chunks, a
 * chunk for all would take VRAM from others and stay empty.
 *
 * Context: any but interrupts.
 * Return: what to give to hgpu_chunk_get(), 1 to @npages.
 */
u32 hgpu_chunk_step(struct hgpu_device *hdev, u64 owner, unsigned long va,
		    u32 npages)
{
	unsigned long block = ALIGN_DOWN(va, HGPU_GRANULE_PAGES);
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct hgpu_svm_chunk *chunk;
	unsigned long end = 0;

	if (!READ_ONCE(pm->num_chunks) ||
	    hgpu_chunk_count(hdev, owner, block, va, va + npages - 1) < npages)
		return npages;

	spin_lock(&pm->lock);
	hlist_for_each_entry(chunk, chunk_bucket(pm, owner, va), hash)
		if (chunk_serves(chunk, owner, va, 1))
			end = max(end, chunk->va + chunk->npages);
	spin_unlock(&pm->lock);
	return end ? min_t(unsigned long, end - va, npages) : npages;
}

static int chunk_add(struct hgpu_pagemap *pm, struct hgpu_svm_chunk *chunk)
{
	int err = 0;

	spin_lock(&pm->lock);
	if (pm->closed) {
		err = -ENODEV;
	} else {
		hlist_add_head(&chunk->hash,
			       chunk_bucket(pm, chunk->owner, chunk->va));
		list_add_tail(&chunk->link, &pm->chunks);
		pm->num_chunks++;
		/* From now on it can be evicted, but for its first filler. */
		chunk->bo->owner = chunk;
		WRITE_ONCE(chunk->bo->evict, hgpu_svm_evict_bo);
	}
	spin_unlock(&pm->lock);
	return err;
}

static struct hgpu_svm_chunk *chunk_new(struct hgpu_device *hdev, u64 owner,
					unsigned long va, u32 npages,
					u32 bo_flags)
{
	u64 size = (u64)npages << PAGE_SHIFT;
	struct hgpu_svm_chunk *chunk;
	int err;

	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return ERR_PTR(-ENOMEM);

	/* What uses a freed buffer still may wait for the caller itself. */
	err = hgpu_bo_create(hdev, size, roundup_pow_of_two(size),
			     HGPU_DOMAIN_VRAM,
			     HGPU_BO_CONTIGUOUS | HGPU_BO_NO_WAIT | bo_flags,
			     &chunk->bo);
	if (err)
		goto err_free;

	kref_init(&chunk->kref);
	chunk->fillers = 1;
	chunk->hdev = hdev;
	chunk->owner = owner;
	chunk->va = va;
	chunk->npages = npages;
	chunk->pfn = hdev->pagemap.base_pfn +
		     (hgpu_bo_vram_offset(chunk->bo) >> PAGE_SHIFT);
	err = chunk_add(&hdev->pagemap, chunk);
	if (err)
		goto err_put_bo;

	hgpu_stat_inc(hdev, vram_chunks_alloc);
	trace_hgpu_svm_chunk_new(chunk);
	return chunk;

err_put_bo:
	hgpu_bo_put(chunk->bo);
err_free:
	kfree(chunk);
	return ERR_PTR(err);
}

/**
 * hgpu_chunk_get() - VRAM for a granule
 * @hdev: the GPU
 * @owner: &hgpu_svms.id; the caller lets no two threads fill chunks of one owner
 * @va: page number of the granule's first page
 * @npages: at most HGPU_GRANULE_PAGES, within one aligned HGPU_GRANULE_PAGES
 * @bo_flags: HGPU_BO_MAY_EVICT or 0
 *
 * A chunk that was made for these addresses and still has live pages is found
 * again, so that what could not be moved the first time goes to its place;
 * unless it is hidden. When VRAM is full others' chunks, or this owner's, may
 * be evicted, the one that was used least recently first; but none that
 * somebody is filling.
 *
 * Context: process context, may sleep; no folio is locked, no migration held.
 * Return: the chunk, to be filled until hgpu_chunk_put(); ERR_PTR: -ENOSPC
 * when VRAM is full and nothing can be evicted just now, -ENOMEM, -ENODEV.
 */
struct hgpu_svm_chunk *hgpu_chunk_get(struct hgpu_device *hdev, u64 owner,
				      unsigned long va, u32 npages,
				      u32 bo_flags)
{
	struct hgpu_svm_chunk *chunk;

	chunk = chunk_find(&hdev->pagemap, owner, va, npages);
	if (chunk) {
		hgpu_chunk_touch(chunk);
		return chunk;
	}

	chunk = chunk_new(hdev, owner, va, npages, 0);
	if (chunk == ERR_PTR(-ENOSPC)) {
		/* What was freed a moment ago may still wait for its work. */
		hgpu_pagemap_flush(hdev);
		chunk = chunk_new(hdev, owner, va, npages, bo_flags);
	}
	return chunk;
}

/**
 * hgpu_chunk_touch() - a GPU uses it: others are evicted first
 * @chunk: the caller has a reference, or knows a page of it that stays live
 *
 * Context: any but interrupts; its GPU is not being removed.
 */
void hgpu_chunk_touch(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_bo *bo = READ_ONCE(chunk->bo);

	if (bo)
		hgpu_bo_touch(bo);
}

/* Called under a page table lock: only counts. */
static void chunk_release(struct kref *kref)
{
	struct hgpu_svm_chunk *chunk =
		container_of(kref, struct hgpu_svm_chunk, kref);
	struct hgpu_pagemap *pm = &chunk->hdev->pagemap;

	if (llist_add(&chunk->free, &pm->free_list))
		queue_work(hgpu_svm_wq, &pm->free_work);
}

/**
 * hgpu_chunk_unref() - drop a reference
 * @chunk: the chunk
 *
 * Context: any but interrupts.
 */
void hgpu_chunk_unref(struct hgpu_svm_chunk *chunk)
{
	kref_put(&chunk->kref, chunk_release);
}

/**
 * hgpu_chunk_put() - fill it no more
 * @chunk: from hgpu_chunk_get()
 *
 * Context: any but interrupts, no page table lock.
 */
void hgpu_chunk_put(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_pagemap *pm = &chunk->hdev->pagemap;

	spin_lock(&pm->lock);
	chunk->fillers--;
	spin_unlock(&pm->lock);
	hgpu_chunk_unref(chunk);
}

/**
 * hgpu_chunk_evict_begin() - may this memory be taken away?
 * @hdev: the GPU
 * @bo: a chunk's, or what was one's
 * @chunk: to be emptied, and given to hgpu_chunk_evict_end(); NULL: it has been
 *
 * Nobody takes a page of the chunk until then.
 *
 * Context: process context, @bo's dma_resv is held: it is the only one.
 * Return: 0; -EBUSY: not now.
 */
int hgpu_chunk_evict_begin(struct hgpu_device *hdev, struct hgpu_bo *bo,
			   struct hgpu_svm_chunk **chunk)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct hgpu_svm_chunk *c;
	int err = 0;

	dma_resv_assert_held(bo->tbo.base.resv);

	spin_lock(&pm->lock);
	c = bo->owner;
	/* The last page is gone, its VRAM waits for the work item? */
	if (c && !kref_get_unless_zero(&c->kref))
		c = NULL;
	if (c && (c->fillers || test_bit(HGPU_CHUNK_LOST, &c->flags) ||
		  test_and_set_bit_lock(HGPU_CHUNK_HOMING, &c->flags)))
		err = -EBUSY;
	else if (c)
		set_bit(HGPU_CHUNK_EVICTING, &c->flags);
	spin_unlock(&pm->lock);

	if (err) {
		hgpu_chunk_unref(c);
		return err;
	}
	*chunk = c;
	return 0;
}

/**
 * hgpu_chunk_evict_end() - as much as could be was brought home
 * @chunk: from hgpu_chunk_evict_begin()
 *
 * Context: process context.
 * Return: true if nothing is left in it; nobody will ever fill it again.
 */
bool hgpu_chunk_evict_end(struct hgpu_svm_chunk *chunk)
{
	bool empty = bitmap_empty(chunk->used, HGPU_GRANULE_PAGES);

	if (!empty)
		clear_bit(HGPU_CHUNK_EVICTING, &chunk->flags);
	clear_bit_unlock(HGPU_CHUNK_HOMING, &chunk->flags);
	hgpu_chunk_unref(chunk);
	return empty;
}

/**
 * hgpu_chunk_hide() - let hgpu_chunk_get() find the chunk no more
 * @chunk: the chunk; those who know it use it as ever
 *
 * Context: process context.
 */
void hgpu_chunk_hide(struct hgpu_svm_chunk *chunk)
{
	set_bit(HGPU_CHUNK_HIDDEN, &chunk->flags);
}

/**
 * hgpu_chunk_hidden() - has it been hidden?
 * @chunk: the chunk, not free
 *
 * Context: of who might hide it.
 * Return: true after hgpu_chunk_hide().
 */
bool hgpu_chunk_hidden(struct hgpu_svm_chunk *chunk)
{
	return test_bit(HGPU_CHUNK_HIDDEN, &chunk->flags);
}

/**
 * hgpu_chunk_free_bo() - give the VRAM back
 * @chunk: the chunk; nothing is in it any more, or its GPU is gone
 *
 * Context: process context, may sleep.
 */
void hgpu_chunk_free_bo(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_pagemap *pm = &chunk->hdev->pagemap;
	struct hgpu_bo *bo = NULL;

	spin_lock(&pm->lock);
	swap(bo, chunk->bo);
	if (bo)
		bo->owner = NULL;
	spin_unlock(&pm->lock);
	if (bo)
		hgpu_bo_put(bo);
}

/**
 * hgpu_chunk_free() - free a chunk
 * @chunk: from &hgpu_pagemap.free_list
 *
 * Context: process context, may sleep.
 * Return: true if it was the last one of a GPU that is no more.
 */
bool hgpu_chunk_free(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_device *hdev = chunk->hdev;
	struct hgpu_pagemap *pm = &hdev->pagemap;
	bool last;

	trace_hgpu_svm_chunk_free(chunk);
	WARN_ON_ONCE(!bitmap_empty(chunk->used, HGPU_GRANULE_PAGES));
	hgpu_chunk_free_bo(chunk);

	spin_lock(&pm->lock);
	hlist_del(&chunk->hash);
	list_del(&chunk->link);
	if (!--pm->num_chunks)
		wake_up_all(&pm->idle);
	last = !pm->num_chunks && pm->orphaned;
	spin_unlock(&pm->lock);

	hgpu_stat_inc(hdev, vram_chunks_freed);
	kfree(chunk);
	return last;
}

/**
 * hgpu_chunk_take_page() - make a page of a chunk live
 * @chunk: the chunk; the caller has a reference
 * @slot: index of the page in the chunk
 *
 * Context: process context.
 * Return: the page, locked, with one reference; NULL if it is live already (a
 * forked child's, say).
 */
struct page *hgpu_chunk_take_page(struct hgpu_svm_chunk *chunk, u32 slot)
{
	struct page *page = pfn_to_page(chunk->pfn + slot);

	if (test_and_set_bit(slot, chunk->used))
		return NULL;
	kref_get(&chunk->kref);
	page->zone_device_data = chunk;
	zone_device_page_init(page);
	return page;
}

/**
 * hgpu_chunk_page_moved() - the contents of a page are elsewhere from now on
 * @page: of a chunk of any GPU, live and locked; nothing maps it
 *
 * Context: any but interrupts.
 */
void hgpu_chunk_page_moved(struct page *page)
{
	struct hgpu_svm_chunk *chunk = page->zone_device_data;

	set_bit(page_to_pfn(page) - chunk->pfn, chunk->moved);
}

/**
 * hgpu_chunk_page_free() - the last reference to a page is gone
 * @page: the page
 *
 * Context: any but interrupts, maybe under a page table lock.
 */
void hgpu_chunk_page_free(struct page *page)
{
	struct hgpu_svm_chunk *chunk = page->zone_device_data;
	unsigned long slot = page_to_pfn(page) - chunk->pfn;

	page->zone_device_data = NULL;
	hgpu_stat_inc(chunk->hdev, vram_pages_freed);
	clear_bit(slot, chunk->moved);
	/* The next one to take the page has it as it was left here. */
	clear_bit_unlock(slot, chunk->used);
	hgpu_chunk_unref(chunk);
}

/**
 * hgpu_chunk_with_bo() - any chunk that has VRAM
 * @pm: of the GPU
 *
 * Context: process context.
 * Return: a chunk, with a reference for hgpu_chunk_unref(), or NULL.
 */
struct hgpu_svm_chunk *hgpu_chunk_with_bo(struct hgpu_pagemap *pm)
{
	struct hgpu_svm_chunk *chunk;

	spin_lock(&pm->lock);
	list_for_each_entry(chunk, &pm->chunks, link)
		if (chunk->bo && kref_get_unless_zero(&chunk->kref))
			break;
	if (list_entry_is_head(chunk, &pm->chunks, link))
		chunk = NULL;
	spin_unlock(&pm->lock);
	return chunk;
}
