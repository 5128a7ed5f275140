// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emptying VRAM without knowing who maps it: for others who need it, and for
 * removal of the GPU.
 *
 * migrate_device_range() finds pages by pfn, takes them out of every page
 * table there is (of processes that have closed their files, of children that
 * never had any) and needs no mmap_lock. So whoever allocates VRAM can evict,
 * whatever the owners of the memory are waiting for.
 */
#include <drm/drm_print.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

#define HGPU_EVICT_WARN_INTERVAL	(10 * HZ)
#define HGPU_EVICT_TRIES		3

/* Copy what has been collected. Returns pages moved or an error. */
static long evict_collected(struct hgpu_migration *m)
{
	long chosen, moved = 0;
	u32 i;
	int err;

	chosen = hgpu_copy_start(m, hgpu_svm_choose_ram(m, NULL, NULL));
	if (chosen <= 0)
		return chosen;

	err = hgpu_copy_wait(m);
	if (err) {
		hgpu_copy_drop_dst(m);
		return err;
	}

	migrate_device_pages(m->src, m->dst, m->npages);
	for (i = 0; i < m->npages; i++) {
		if (!m->dst[i] || !(m->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		hgpu_chunk_page_moved(migrate_pfn_to_page(m->src[i]));
		moved++;
	}
	hgpu_stat_add(m->hdev, pages_to_ram, moved);
	return moved;
}

/*
 * Let go of pages that have moved already and that somebody, a CPU fault say,
 * still had a reference to: migrate_device_range() finds them by pfn. The core
 * would move such a page once more, although its memory cgroup went with its
 * contents and its anon_vma may be gone.
 */
static void let_moved_go(struct hgpu_migration *m,
			 const struct hgpu_svm_chunk *chunk)
{
	struct folio *folio;
	unsigned int i;

	for_each_set_bit(i, chunk->moved, m->npages) {
		if (!m->src[i])
			continue;
		folio = page_folio(migrate_pfn_to_page(m->src[i]));
		m->src[i] = 0;
		folio_unlock(folio);
		folio_put(folio);
		hgpu_stat_inc(m->hdev, pages_moved_found);
	}
}

/* Bring home what can be locked of a chunk. Returns pages moved or an error. */
static long evict_chunk(struct hgpu_svm_chunk *chunk)
{
	struct hgpu_device *hdev = chunk->hdev;
	struct hgpu_migration *m = hgpu_migration_get(hdev);
	long ret;

	ret = hgpu_copy_prepare(m, DMA_FROM_DEVICE);
	if (ret)
		goto out_put;

	m->npages = chunk->npages;
	ret = migrate_device_range(m->src, chunk->pfn, m->npages);
	if (ret) {
		hgpu_copy_cancel(m);
		goto out_put;
	}
	let_moved_go(m, chunk);
	ret = evict_collected(m);
	migrate_device_finalize(m->src, m->dst, m->npages);

	/* Neither the engine nor BAR 0 will ever have it. */
	if (ret == -ENODEV)
		set_bit(HGPU_CHUNK_LOST, &chunk->flags);
out_put:
	hgpu_migration_put(m);
	trace_hgpu_svm_evicted(chunk, max(ret, 0l), min(ret, 0l));
	return ret;
}

/* ---- going round ---- */

/*
 * When GPUs work on more memory than there is VRAM, granules come and go. That
 * is how it should be as long as something is done with each. But where next
 * to nothing is left of VRAM, or many fault at once, one may have to leave
 * before the access that brought it has been replayed, and so on for ever.
 *
 * So if one was evicted so many times, each time within so many evictions of
 * others, a GPU fault evicts nobody for it: it is used in system memory, which
 * always works. A prefetch is not bound by this.
 */
#define HGPU_ROUND_TIMES	4
#define HGPU_ROUND_EVICTIONS	16

static struct hgpu_evicted *find_evicted(struct hgpu_pagemap *pm, u64 owner,
					 unsigned long va)
{
	struct hgpu_evicted *e;

	lockdep_assert_held(&pm->lock);
	for (e = pm->evicted; e < pm->evicted + HGPU_EVICTED; e++)
		if (e->owner == owner && e->va == va && e->times &&
		    pm->num_evicted - e->when <= HGPU_ROUND_EVICTIONS)
			return e;
	return NULL;
}

static void note_evicted(struct hgpu_pagemap *pm, u64 owner, unsigned long va)
{
	struct hgpu_evicted *e;

	spin_lock(&pm->lock);
	e = find_evicted(pm, owner, va);
	if (!e) {
		e = &pm->evicted[pm->evicted_next++ % HGPU_EVICTED];
		*e = (struct hgpu_evicted) { owner, va };
	}
	e->times++;
	e->when = ++pm->num_evicted;
	spin_unlock(&pm->lock);
}

/**
 * hgpu_svm_goes_round() - would it be evicted again and again?
 * @svms: whose
 * @hdev: the GPU
 * @va: page number of the granule's first page
 *
 * Context: any but interrupts.
 * Return: true if nothing should be evicted for it.
 */
bool hgpu_svm_goes_round(struct hgpu_svms *svms, struct hgpu_device *hdev,
			 unsigned long va)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	const struct hgpu_evicted *e;
	unsigned int times;

	spin_lock(&pm->lock);
	e = find_evicted(pm, svms->id, va);
	times = e ? e->times : 0;
	spin_unlock(&pm->lock);
	return times >= HGPU_ROUND_TIMES;
}

/* ---- one ---- */

/* What somebody holds for a moment (a CPU fault, say) is tried again. */
static long empty_chunk(struct hgpu_svm_chunk *chunk)
{
	unsigned int try;
	long ret, moved = 0;

	for (try = 0; try < HGPU_EVICT_TRIES; try++) {
		ret = evict_chunk(chunk);
		if (ret < 0)
			break;
		moved += ret;
		if (bitmap_empty(chunk->used, HGPU_GRANULE_PAGES))
			break;
		cond_resched();
	}
	return moved;
}

/**
 * hgpu_svm_evict_bo() - bring a chunk's memory home, others need the VRAM
 * @bo: the chunk's, or what was one's
 *
 * For &hgpu_bo.evict: TTM's eviction, which begins with what was used least
 * recently. The allocation that waits for it may hold mmap_lock and
 * &hgpu_svms.lock of its process, but no migration and no folio lock.
 *
 * Context: process context, may sleep; @bo's dma_resv is held.
 * Return: true if nothing is in it any more.
 */
bool hgpu_svm_evict_bo(struct hgpu_bo *bo)
{
	struct hgpu_device *hdev = to_hgpu(bo->tbo.base.dev);
	struct hgpu_smi_migration what;
	struct hgpu_svm_chunk *chunk;
	u64 owner;
	long moved;

	if (hgpu_chunk_evict_begin(hdev, bo, &chunk)) {
		hgpu_stat_inc(hdev, evictions_refused);
		return false;
	}
	if (!chunk)
		return true;

	what = hgpu_svm_describe_chunk(chunk, KFD_MIGRATE_TRIGGER_TTM_EVICTION);
	hgpu_smi_migrate_start(hdev, &what);
	moved = empty_chunk(chunk);
	if (moved)
		hgpu_smi_migrate_end(hdev, &what);
	hgpu_stat_add(hdev, pages_evicted, moved);

	owner = chunk->owner;
	if (!hgpu_chunk_evict_end(chunk)) {
		hgpu_stat_inc(hdev, evictions_refused);
		return false;
	}
	hgpu_stat_inc(hdev, evictions);
	note_evicted(&hdev->pagemap, owner, what.first);
	return true;
}

/* ---- all ---- */

/*
 * The chunk that has waited longest, with a reference; it goes to the end.
 * @only_lost is set if there is nothing more that could be brought home.
 */
static struct hgpu_svm_chunk *next_chunk(struct hgpu_pagemap *pm,
					 bool *only_lost)
{
	struct hgpu_svm_chunk *chunk, *found = NULL;

	*only_lost = true;
	spin_lock(&pm->lock);
	list_for_each_entry(chunk, &pm->chunks, link) {
		if (test_bit(HGPU_CHUNK_LOST, &chunk->flags))
			continue;
		*only_lost = false;
		if (!kref_get_unless_zero(&chunk->kref))
			continue;
		list_move_tail(&chunk->link, &pm->chunks);
		found = chunk;
		break;
	}
	spin_unlock(&pm->lock);
	return found;
}

void hgpu_svm_evict_all(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	unsigned long warn = jiffies + HGPU_EVICT_WARN_INTERVAL;
	struct hgpu_svm_chunk *chunk;
	bool only_lost;
	long ret;

	if (!pm->ready)
		return;

	spin_lock(&pm->lock);
	pm->closed = true;
	spin_unlock(&pm->lock);

	for (;;) {
		hgpu_pagemap_flush(hdev);
		chunk = next_chunk(pm, &only_lost);
		if (only_lost)
			break;

		ret = chunk ? evict_chunk(chunk) : 0;
		if (chunk)
			hgpu_chunk_unref(chunk);
		if (ret > 0)
			continue;

		/*
		 * Somebody holds the pages for a moment (a CPU fault, a
		 * migration that had begun), or there is no memory just now.
		 */
		if (time_after(jiffies, warn)) {
			drm_warn(&hdev->drm,
				 "waiting to empty VRAM: %lu chunks left (%ld)\n",
				 READ_ONCE(pm->num_chunks), ret);
			warn = jiffies + HGPU_EVICT_WARN_INTERVAL;
		}
		wait_event_timeout(pm->idle, !READ_ONCE(pm->num_chunks), 1);
	}
	if (READ_ONCE(pm->num_chunks))
		drm_err(&hdev->drm, "memory is lost with the GPU: who touches it gets SIGBUS\n");
}
