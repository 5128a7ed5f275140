// SPDX-License-Identifier: GPL-2.0-only
/*
 * One granule's migration between system memory and VRAM.
 *
 * It goes through three steps. Begin: the core collects and locks the pages,
 * destinations are chosen, the copy is submitted. Wait: the copy's result is
 * known. End: the core moves what is attached to the pages and maps them.
 * Nothing is moved before the result is known, so at every point of failure the
 * bytes are in one place, which is the one that gets mapped.
 */
#include <linux/pagemap.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* Returns the pages that are on their way, or why none are. */
static long start_copy(struct hgpu_migration *m, long chosen)
{
	long started = hgpu_copy_start(m, chosen);

	if (started <= 0)
		hgpu_svm_finalize(m);
	return started;
}

/* Has entry @i, which has moved, come from VRAM? Then that is to be remembered. */
static bool leave_vram(const struct hgpu_migration *m, u32 i)
{
	struct page *page = migrate_pfn_to_page(m->src[i]);

	if (!hgpu_svm_takes_device_pages(m) || !page ||
	    !is_device_private_page(page))
		return false;
	hgpu_chunk_page_moved(page);
	return true;
}

/**
 * hgpu_svm_finish() - the other steps: wait and end
 * @m: the migration, after a begin that returned more than 0
 *
 * Context: process context, may sleep.
 * Return: the pages that have moved, or the copy's error.
 */
long hgpu_svm_finish(struct hgpu_migration *m)
{
	long moved = 0, offered = 0, left = 0;
	u64 t0;
	u32 i;
	int err;

	err = hgpu_copy_wait(m);
	if (err) {
		hgpu_copy_drop_dst(m);
	} else {
		t0 = local_clock();
		migrate_vma_pages(&m->vma);
		m->core_ns += local_clock() - t0;
	}
	for (i = 0; i < m->npages; i++) {
		if (!m->dst[i])
			continue;
		offered++;
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		moved++;
		left += leave_vram(m, i);
	}
	hgpu_svm_finalize(m);

	hgpu_stat_add(m->hdev, pages_not_migrated, offered - moved);
	if (m->dir == DMA_TO_DEVICE) {
		hgpu_stat_add(m->hdev, pages_to_vram, moved);
		hgpu_stat_add(m->hdev, pages_from_peers, left);
	} else {
		hgpu_stat_add(m->hdev, pages_to_ram, moved);
	}
	trace_hgpu_svm_migrated(m->hdev, m->fault_id, m->vma.start, m->npages,
				moved, m->dir, err);
	return err ?: moved;
}

/* ---- to VRAM ---- */

/* Is it where it shall go already? */
static bool is_there(const struct hgpu_migration *m, const struct page *page)
{
	return hgpu_svm_takes_device_pages(m) && page &&
	       hgpu_page_is_ours(m->hdev, page);
}

/* Was it lost with its GPU? Another one may answer at the address by now. */
static bool is_lost(const struct page *page)
{
	const struct hgpu_svm_chunk *chunk;

	if (!page || !is_device_private_page(page))
		return false;
	chunk = page->zone_device_data;
	return test_bit(HGPU_CHUNK_LOST, &chunk->flags);
}

/*
 * Choose a place in the chunk for everything that can move. -EAGAIN: pages
 * that have moved on (by mremap(), to a child) still have all those places.
 */
static long choose_vram(struct hgpu_migration *m, struct hgpu_svm_chunk *chunk)
{
	unsigned long va = m->vma.start >> PAGE_SHIFT;
	struct page *page;
	long chosen = 0;
	u32 i, taken = 0;

	for (i = 0; i < m->npages; i++) {
		m->dst[i] = 0;
		page = migrate_pfn_to_page(m->src[i]);
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE) ||
		    !hgpu_svm_can_leave_ram(page) || is_there(m, page) ||
		    is_lost(page))
			continue;
		page = hgpu_chunk_take_page(chunk, va + i - chunk->va);
		if (!page) {
			taken++;
			continue;
		}
		m->dst[i] = migrate_pfn(page_to_pfn(page));
		chosen++;
	}
	if (taken)
		hgpu_chunk_hide(chunk);
	return chosen || !taken ? chosen : -EAGAIN;
}

/**
 * hgpu_svm_begin_vram() - the first step to VRAM
 * @m: the migration
 * @range: covers the addresses
 * @vma: likewise
 * @start: first address
 * @end: last address + 1; at most HGPU_GRANULE_PAGES
 * @select: where pages are taken from: MIGRATE_VMA_SELECT_*
 * @request: what they must be before any moves: HMM_PFN_REQ_*
 * @chunk: VRAM for them
 *
 * Context: process context, may sleep; mmap_lock (read) and &hgpu_svms.lock are
 * held.
 * Return: as hgpu_svm_begin_home(); -EAGAIN: pages that have moved on have all
 * places in the chunk; -ENODATA: a page is not what @request asks for.
 */
long hgpu_svm_begin_vram(struct hgpu_migration *m, struct hgpu_svm_range *range,
			 struct vm_area_struct *vma, unsigned long start,
			 unsigned long end, unsigned long select,
			 unsigned long request, struct hgpu_svm_chunk *chunk)
{
	int err;

	err = hgpu_copy_prepare(m, DMA_TO_DEVICE);
	if (err)
		return err;

	err = hgpu_svm_collect(m, range, vma, start, end, select, request,
			       chunk);
	if (err || !m->vma.cpages) {
		hgpu_copy_cancel(m);
		return err;
	}

	m->collected = true;
	return start_copy(m, choose_vram(m, chunk));
}

/* ---- to system memory ---- */

/* The core offers holes, too. */
static bool is_device_entry(const struct hgpu_migration *m, u32 i)
{
	struct page *page = migrate_pfn_to_page(m->src[i]);

	return (m->src[i] & MIGRATE_PFN_MIGRATE) && page &&
	       hgpu_page_is_ours(m->hdev, page);
}

/**
 * hgpu_svm_choose_ram() - choose a system page for every device page
 * @m: the migration: @src is set, @dst is filled
 * @vma: where they will be mapped, or NULL
 * @fault_page: should there not be enough, this one gets one; or NULL
 *
 * Context: process context, may sleep and reclaim; the pages are locked.
 * Return: how many; 0 if there is no device page; -ENOMEM.
 */
long hgpu_svm_choose_ram(struct hgpu_migration *m, struct vm_area_struct *vma,
			 struct page *fault_page)
{
	u32 i, want = 0, got, chosen = 0, fault = U32_MAX;

	for (i = 0; i < m->npages; i++) {
		m->dst[i] = 0;
		if (!is_device_entry(m, i))
			continue;
		want++;
		if (fault_page && migrate_pfn_to_page(m->src[i]) == fault_page)
			fault = i;
	}
	if (!want)
		return 0;

	got = hgpu_copy_alloc_ram(m, vma, vma ? m->vma.start : 0, want);
	if (!got)
		return -ENOMEM;
	for (i = 0; i < m->npages && chosen < got; i++) {
		if (!is_device_entry(m, i))
			continue;
		/* Keep the last page for the one that must not be left out. */
		if (got < want && fault < m->npages && i < fault &&
		    chosen + 1 == got)
			continue;
		__folio_set_locked(page_folio(m->pages[chosen]));
		m->dst[i] = migrate_pfn(page_to_pfn(m->pages[chosen++]));
	}
	while (got > chosen)
		__free_page(m->pages[--got]);
	return chosen;
}

/**
 * hgpu_svm_begin_home() - the first step to system memory
 * @m: the migration
 * @vma: covers the addresses
 * @start: first address
 * @end: last address + 1; at most HGPU_GRANULE_PAGES
 * @fault_page: the CPU waits for this page, to which it has a reference; or NULL
 *
 * Context: process context, may sleep; mmap_lock (read) is held.
 * Return: the pages that are on their way; 0: none, nothing to finish; -ENOMEM,
 * -ENODEV, or an error of migrate_vma_setup().
 */
long hgpu_svm_begin_home(struct hgpu_migration *m, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end,
			 struct page *fault_page)
{
	long chosen;
	int err;

	err = hgpu_copy_prepare(m, DMA_FROM_DEVICE);
	if (err)
		return err;

	err = hgpu_svm_setup(m, vma, start, end,
			     MIGRATE_VMA_SELECT_DEVICE_PRIVATE, fault_page);
	if (err || !m->vma.cpages) {
		hgpu_copy_cancel(m);
		return err;
	}

	chosen = hgpu_svm_choose_ram(m, vma, fault_page);
	m->collected |= chosen != 0;
	return start_copy(m, chosen);
}
