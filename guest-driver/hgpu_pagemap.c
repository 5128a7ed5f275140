// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-private memory: struct pages for VRAM and the chunks they come from.
 */
#include <drm/drm_drv.h>
#include <drm/drm_print.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* ---- what struct pages cost ---- */

static u64 pagemap_cost(struct hgpu_device *hdev)
{
	return (hgpu_vram_size(hdev) >> PAGE_SHIFT) * sizeof(struct page);
}

/*
 * KFD reserves it whatever the limit, and processes of a guest with too little
 * memory then get none at all.
 */
static int pagemap_reserve(struct hgpu_device *hdev)
{
	u64 cost = pagemap_cost(hdev), free = (u64)si_mem_available() << PAGE_SHIFT;
	u64 left = min(hgpu_memlimit_left(), free);

	if (cost <= left && !hgpu_memlimit_reserve(HGPU_MEM_PAGES, cost))
		return 0;
	drm_err(&hdev->drm,
		"VRAM of %llu MiB needs %llu MiB of system memory for its struct pages, and %llu MiB may be used: give the guest more memory or the GPU less VRAM\n",
		hgpu_vram_size(hdev) >> 20, cost >> 20, left >> 20);
	return -ENOMEM;
}

static void pagemap_unreserve(struct hgpu_device *hdev)
{
	hgpu_memlimit_unreserve(HGPU_MEM_PAGES, pagemap_cost(hdev));
}

/* ---- the end of the struct pages ---- */

/* GPUs that are no more, whose lost pages are */
static atomic_t hgpu_orphans = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(hgpu_orphans_wait);

static void pagemap_unmap(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;

	pm->ready = false;
	/* Waits until the last page's reference is gone. */
	memunmap_pages(&pm->pgmap);
	release_mem_region(pm->region->start, resource_size(pm->region));
	pagemap_unreserve(hdev);
}

/* Nobody maps a lost page any more. @pm is gone on return. */
static void pagemap_bury(struct hgpu_pagemap *pm)
{
	struct hgpu_device *hdev = container_of(pm, struct hgpu_device,
						pagemap);
	bool has_module = pm->has_module;

	drm_info(&hdev->drm, "the last page that was lost is unmapped\n");
	pagemap_unmap(hdev);
	hgpu_migrations_fini(hdev);
	drm_dev_put(&hdev->drm);
	if (atomic_dec_and_test(&hgpu_orphans))
		wake_up_all(&hgpu_orphans_wait);
	/* hgpu_svm_exit() waits for this work item. */
	if (has_module)
		module_put(THIS_MODULE);
}

void hgpu_pagemaps_exit(void)
{
	while (!wait_event_timeout(hgpu_orphans_wait,
				   !atomic_read(&hgpu_orphans), 10 * HZ))
		pr_warn("hmm_gpu: waiting for processes that map memory of a lost GPU: end them\n");
}

/* ---- chunks ---- */

static struct hlist_head *chunk_bucket(struct hgpu_pagemap *pm,
				       const void *owner, unsigned long va)
{
	unsigned long key = (unsigned long)owner ^ (va / HGPU_GRANULE_PAGES);

	return &pm->hash[hash_long(key, HGPU_CHUNK_HASH_BITS)];
}

/* A chunk of the same owner that was made for these addresses. */
static struct hgpu_svm_chunk *chunk_find(struct hgpu_pagemap *pm,
					 const void *owner, unsigned long va,
					 u32 npages)
{
	struct hgpu_svm_chunk *chunk;

	spin_lock(&pm->lock);
	hlist_for_each_entry(chunk, chunk_bucket(pm, owner, va), hash)
		if (chunk->owner == owner && va >= chunk->va &&
		    va + npages <= chunk->va + chunk->npages &&
		    kref_get_unless_zero(&chunk->kref))
			break;
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
 * Looks at chunks, not at pages: those that mremap() has moved there, or that
 * live in a hidden chunk, are not seen.
 *
 * Context: any but interrupts; the answer may be of yesterday.
 * Return: true if there is a chunk for some of the addresses.
 */
bool hgpu_chunk_any(struct hgpu_device *hdev, const void *owner,
		    unsigned long va, unsigned long npages)
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
	}
	spin_unlock(&pm->lock);
	return err;
}

static struct hgpu_svm_chunk *chunk_new(struct hgpu_device *hdev,
					const void *owner, unsigned long va,
					u32 npages)
{
	u64 size = (u64)npages << PAGE_SHIFT;
	struct hgpu_svm_chunk *chunk;
	int err;

	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return ERR_PTR(-ENOMEM);

	err = hgpu_bo_create(hdev, size, roundup_pow_of_two(size),
			     HGPU_DOMAIN_VRAM, HGPU_BO_CONTIGUOUS, &chunk->bo);
	if (err)
		goto err_free;

	kref_init(&chunk->kref);
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
 * @owner: a cookie; the caller lets no two threads fill chunks of one owner
 * @va: page number of the granule's first page
 * @npages: at most HGPU_GRANULE_PAGES, within one aligned HGPU_GRANULE_PAGES
 *
 * A chunk that was made for these addresses and still has live pages is found
 * again, so that what could not be moved the first time goes to its place;
 * unless it is hidden.
 *
 * Context: process context, may sleep; no folio is locked, no migration held.
 * Return: the chunk, with a reference for hgpu_chunk_put(); ERR_PTR: -ENOSPC
 * when VRAM is full, -ENOMEM, -ENODEV.
 */
struct hgpu_svm_chunk *hgpu_chunk_get(struct hgpu_device *hdev,
				      const void *owner, unsigned long va,
				      u32 npages)
{
	struct hgpu_svm_chunk *chunk;

	chunk = chunk_find(&hdev->pagemap, owner, va, npages);
	if (chunk)
		return chunk;

	chunk = chunk_new(hdev, owner, va, npages);
	if (chunk == ERR_PTR(-ENOSPC)) {
		/* What was freed a moment ago may still wait for its work. */
		hgpu_pagemap_flush(hdev);
		chunk = chunk_new(hdev, owner, va, npages);
	}
	return chunk;
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
 * hgpu_chunk_put() - drop a reference
 * @chunk: the chunk
 *
 * Context: any but interrupts.
 */
void hgpu_chunk_put(struct hgpu_svm_chunk *chunk)
{
	kref_put(&chunk->kref, chunk_release);
}

/**
 * hgpu_chunk_hide() - let hgpu_chunk_get() find the chunk no more
 * @chunk: the chunk; those who know it use it as ever
 *
 * Context: process context.
 */
void hgpu_chunk_hide(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_pagemap *pm = &chunk->hdev->pagemap;

	spin_lock(&pm->lock);
	hlist_del_init(&chunk->hash);
	spin_unlock(&pm->lock);
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
	return hlist_unhashed(&chunk->hash);
}

static void chunk_free_bo(struct hgpu_pagemap *pm, struct hgpu_svm_chunk *chunk)
{
	struct hgpu_bo *bo = NULL;

	spin_lock(&pm->lock);
	swap(bo, chunk->bo);
	spin_unlock(&pm->lock);
	if (bo)
		hgpu_bo_put(bo);
}

/* Returns true if it was the last one of a GPU that is no more. */
static bool chunk_free(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_device *hdev = chunk->hdev;
	struct hgpu_pagemap *pm = &hdev->pagemap;
	bool last;

	trace_hgpu_svm_chunk_free(chunk);
	chunk_free_bo(pm, chunk);

	spin_lock(&pm->lock);
	hlist_del_init(&chunk->hash);
	list_del(&chunk->link);
	if (!--pm->num_chunks)
		wake_up_all(&pm->idle);
	last = !pm->num_chunks && pm->orphaned;
	spin_unlock(&pm->lock);

	hgpu_stat_inc(hdev, vram_chunks_freed);
	kfree(chunk);
	return last;
}

static void pagemap_free_work(struct work_struct *work)
{
	struct hgpu_pagemap *pm = container_of(work, struct hgpu_pagemap,
					       free_work);
	struct hgpu_svm_chunk *chunk, *next;
	bool last = false;

	llist_for_each_entry_safe(chunk, next, llist_del_all(&pm->free_list),
				  free)
		last |= chunk_free(chunk);
	if (last)
		pagemap_bury(pm);
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

/* ---- the core's callbacks ---- */

/* The last reference to a page is gone. Maybe under a page table lock. */
static void pagemap_page_free(struct page *page)
{
	struct hgpu_svm_chunk *chunk = page->zone_device_data;

	page->zone_device_data = NULL;
	hgpu_stat_inc(chunk->hdev, vram_pages_freed);
	clear_bit(page_to_pfn(page) - chunk->pfn, chunk->used);
	hgpu_chunk_put(chunk);
}

static const struct dev_pagemap_ops pagemap_ops = {
	.page_free = pagemap_page_free,
	.migrate_to_ram = hgpu_svm_migrate_to_ram,
};

/* ---- lifetime ---- */

static int pagemap_map_reserved(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct device *dev = &hdev->pdev->dev;
	u64 size = hgpu_vram_size(hdev);
	struct resource *res;
	void *ret;

	res = request_free_mem_region(&iomem_resource, size, "hmm-gpu VRAM");
	if (IS_ERR(res)) {
		drm_err(&hdev->drm,
			"no free physical address range of %llu MiB for device memory (%ld)\n",
			size >> 20, PTR_ERR(res));
		return PTR_ERR(res);
	}

	pm->pgmap.type = MEMORY_DEVICE_PRIVATE;
	pm->pgmap.range.start = res->start;
	pm->pgmap.range.end = res->start + size - 1;
	pm->pgmap.nr_range = 1;
	pm->pgmap.ops = &pagemap_ops;
	pm->pgmap.owner = hgpu_hive_owner(hdev);
	ret = memremap_pages(&pm->pgmap, dev_to_node(dev));
	if (IS_ERR(ret)) {
		drm_err(&hdev->drm,
			"no struct pages for %llu MiB of VRAM: they take %llu MiB of system memory (%ld)\n",
			size >> 20, pagemap_cost(hdev) >> 20, PTR_ERR(ret));
		release_mem_region(res->start, resource_size(res));
		return PTR_ERR(ret);
	}
	pm->region = res;
	pm->base_pfn = PHYS_PFN(pm->pgmap.range.start);
	pm->npages = size >> PAGE_SHIFT;
	pm->ready = true;
	return 0;
}

static int pagemap_map(struct hgpu_device *hdev)
{
	int err;

	err = pagemap_reserve(hdev);
	if (err)
		return err;
	err = pagemap_map_reserved(hdev);
	if (err)
		pagemap_unreserve(hdev);
	return err;
}

int hgpu_pagemap_init(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	int err;

	spin_lock_init(&pm->lock);
	INIT_LIST_HEAD(&pm->chunks);
	init_llist_head(&pm->free_list);
	INIT_WORK(&pm->free_work, pagemap_free_work);
	init_waitqueue_head(&pm->idle);

	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		drm_err(&hdev->drm,
			"this kernel has CONFIG_DEVICE_PRIVATE off\n");
		return -EOPNOTSUPP;
	}

	err = hgpu_migrations_init(hdev);
	if (err)
		return err;

	err = pagemap_map(hdev);
	if (err)
		goto err_migrations;

	err = hgpu_ih_register(hdev, HGPU_IH_CLIENTID_VMC, HGPU_SRCID_VM_FAULT,
			       hgpu_svm_fault_enqueue, NULL);
	if (err)
		goto err_unmap;
	return 0;

err_unmap:
	pagemap_unmap(hdev);
err_migrations:
	hgpu_migrations_fini(hdev);
	return err;
}

void hgpu_pagemap_flush(struct hgpu_device *hdev)
{
	flush_work(&hdev->pagemap.free_work);
}

static struct hgpu_svm_chunk *chunk_with_bo(struct hgpu_pagemap *pm)
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

/*
 * Are there pages that are lost but still mapped? Then the struct pages live
 * on without the GPU, and its buffers are given back now.
 */
static bool pagemap_orphan(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct hgpu_svm_chunk *chunk;
	bool orphaned;

	spin_lock(&pm->lock);
	pm->orphaned = pm->num_chunks;
	if (pm->orphaned) {
		drm_dev_get(&hdev->drm);
		atomic_inc(&hgpu_orphans);
		/* Not while it is being unloaded: that waits. */
		pm->has_module = try_module_get(THIS_MODULE);
	}
	orphaned = pm->orphaned;
	spin_unlock(&pm->lock);

	while (orphaned && (chunk = chunk_with_bo(pm))) {
		chunk_free_bo(pm, chunk);
		hgpu_chunk_put(chunk);
	}
	/* No buffer is being given back any more either. */
	hgpu_pagemap_flush(hdev);
	return orphaned;
}

void hgpu_pagemap_fini(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;

	if (!pm->ready)
		return;

	hgpu_pagemap_flush(hdev);
	/*
	 * CPU faults on lost pages that began before these were given up may
	 * have a job, or read BAR 0. Who begins now finds neither.
	 */
	if (READ_ONCE(pm->num_chunks)) {
		set_bit(HGPU_STATE_GONE, &hdev->state);
		hgpu_migrations_wait(hdev);
	}
	if (pagemap_orphan(hdev))
		return;
	pagemap_unmap(hdev);
	hgpu_migrations_fini(hdev);
}
