// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moving the bytes of one granule: system pages, their DMA mapping, and the
 * one SDMA job that points the transfer window at them and copies. Pages of a
 * GPU of the same hive need no window. Where that cannot be, the CPU fetches
 * pages home through BAR 0.
 */
#include <drm/drm_print.h>
#include <linux/dma-mapping.h>
#include <linux/error-injection.h>
#include <linux/highmem.h>
#include <linux/pagemap.h>

#include "hgpu_svm_priv.h"

/* A window, and in the worst case a packet for each page. */
#define HGPU_COPY_JOB_DW						\
	(HGPU_SDMA_WINDOW_DW(HGPU_GRANULE_PAGES) +			\
	 HGPU_GRANULE_PAGES * HGPU_SDMA_COPY_LINEAR_DW)

/* ---- system pages ---- */

static bool has_policy(struct vm_area_struct *vma)
{
#ifdef CONFIG_NUMA
	return vma && (vma->vm_policy ||
		       (vma->vm_ops && vma->vm_ops->get_policy));
#else
	return false;
#endif
}

/*
 * As large as there is without trying hard, and split: that is faster than
 * page by page, and gives long runs to map and to copy.
 */
static struct page *alloc_run(u32 want, unsigned int *order)
{
	gfp_t gfp = (GFP_HIGHUSER_MOVABLE | __GFP_NOWARN | __GFP_NORETRY) &
		    ~__GFP_RECLAIM;
	struct page *page;

	for (*order = min_t(unsigned int, *order, ilog2(want)); *order;
	     (*order)--) {
		page = alloc_pages(gfp, *order);
		if (page) {
			split_page(page, *order);
			return page;
		}
	}
	return alloc_page(GFP_HIGHUSER_MOVABLE);
}

/**
 * hgpu_copy_alloc_ram() - system pages to copy to
 * @m: the migration; its @pages are filled
 * @vma: where they will be mapped; NULL if that is not known
 * @addr: likewise
 * @want: how many, at most HGPU_GRANULE_PAGES
 *
 * Context: process context, may sleep and reclaim; folios may be locked.
 * Return: how many there are, each with one reference.
 */
u32 hgpu_copy_alloc_ram(struct hgpu_migration *m, struct vm_area_struct *vma,
			unsigned long addr, u32 want)
{
	unsigned int order = ilog2(HGPU_GRANULE_PAGES);
	struct page *page;
	u32 got = 0, i;

	while (got < want) {
		if (has_policy(vma)) {
			order = 0;
			page = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vma,
					      addr + got * PAGE_SIZE);
		} else {
			page = alloc_run(want - got, &order);
		}
		if (!page)
			break;
		for (i = 0; i < 1u << order; i++)
			m->pages[got++] = page + i;
	}
	return got;
}

/* ---- DMA ---- */

static bool to_vram(const struct hgpu_migration *m)
{
	return m->dir == DMA_TO_DEVICE;
}

/* Entries of @src and @dst by the kind of their page. */
static const unsigned long *system_pfns(const struct hgpu_migration *m)
{
	return to_vram(m) ? m->src : m->dst;
}

static const unsigned long *device_pfns(const struct hgpu_migration *m)
{
	return to_vram(m) ? m->dst : m->src;
}

/* Where VMID 0 finds what a peer has of entry @i, or 0. */
static u64 peer_addr(const struct hgpu_migration *m, u32 i)
{
	struct hgpu_svm_chunk *chunk;
	struct page *page;

	if (!to_vram(m) || !m->hdev->hive.id)
		return 0;
	page = migrate_pfn_to_page(m->src[i]);
	if (!page || !is_device_private_page(page))
		return 0;
	chunk = page->zone_device_data;
	return hgpu_vram_mc_addr(chunk->hdev,
				 hgpu_page_vram_offset(chunk->hdev, page));
}

/* Does entry @i take part, and has a system page? If not it may be a hole. */
static bool has_system_page(const struct hgpu_migration *m,
			    const unsigned long *sys, u32 i)
{
	return m->dst[i] && (sys[i] & MIGRATE_PFN_VALID) && !peer_addr(m, i);
}

/* One entry for each physically contiguous run, not one for each page. */
static u32 build_sg(struct hgpu_migration *m)
{
	const unsigned long *sys = system_pfns(m);
	unsigned long pfn, start = 0;
	u32 i, len = 0, nents = 0;

	m->nsys = 0;
	for (i = 0; i < m->npages; i++) {
		if (!has_system_page(m, sys, i))
			continue;
		m->nsys++;
		pfn = sys[i] >> MIGRATE_PFN_SHIFT;
		if (pfn == start + (len >> PAGE_SHIFT) && len < m->max_run) {
			len += PAGE_SIZE;
			continue;
		}
		if (len)
			sg_set_page(&m->sg[nents++], pfn_to_page(start), len, 0);
		start = pfn;
		len = PAGE_SIZE;
	}
	if (len)
		sg_set_page(&m->sg[nents++], pfn_to_page(start), len, 0);
	return nents;
}

/* A function of its own, so that tests can make it fail. */
static noinline int hgpu_copy_map_pages(struct hgpu_migration *m)
{
	struct scatterlist *sg;
	u32 nents, page = 0;
	int mapped, i;
	u64 t0;

	nents = build_sg(m);
	if (!nents)
		return 0;

	sg_mark_end(&m->sg[nents - 1]);
	t0 = local_clock();
	mapped = dma_map_sg(&m->hdev->pdev->dev, m->sg, nents, m->dir);
	m->core_ns += local_clock() - t0;
	if (mapped <= 0) {
		sg_unmark_end(&m->sg[nents - 1]);
		return -EIO;
	}
	m->nents = nents;

	for_each_sg(m->sg, sg, mapped, i) {
		dma_addr_t addr = sg_dma_address(sg);
		dma_addr_t end = addr + sg_dma_len(sg);

		for (; addr < end; addr += PAGE_SIZE)
			m->dma[page++] = addr;
	}
	return 0;
}
ALLOW_ERROR_INJECTION(hgpu_copy_map_pages, ERRNO);

static void unmap_pages(struct hgpu_migration *m)
{
	u64 t0 = local_clock();

	if (!m->nents)
		return;
	dma_unmap_sg(&m->hdev->pdev->dev, m->sg, m->nents, m->dir);
	m->core_ns += local_clock() - t0;
	sg_unmark_end(&m->sg[m->nents - 1]);
	m->nents = 0;
}

/* ---- the job ---- */

/* A copy, or (without @src) a fill with zeroes, that may still grow. */
struct run {
	u64 src;
	u64 dst;
	u64 bytes;
};

static void emit_run(struct hgpu_migration *m, struct run *run)
{
	if (!run->bytes)
		return;
	if (run->src)
		hgpu_sdma_emit_copy(m->job, run->src, run->dst, run->bytes);
	else
		hgpu_sdma_emit_fill(m->job, run->dst, 0, run->bytes);
	run->bytes = 0;
}

static void emit_page(struct hgpu_migration *m, struct run *run, u64 src,
		      u64 dst)
{
	if (run->bytes && dst == run->dst + run->bytes && !src == !run->src &&
	    (!src || src == run->src + run->bytes)) {
		run->bytes += PAGE_SIZE;
		return;
	}
	emit_run(m, run);
	*run = (struct run) { src, dst, PAGE_SIZE };
}

static void emit_job(struct hgpu_migration *m)
{
	u64 window = hgpu_gart_window_addr(m->hdev, m->window);
	u64 vram0 = hgpu_vram_mc_addr(m->hdev, 0);
	unsigned long pfn0 = m->hdev->pagemap.base_pfn;
	const unsigned long *sys = system_pfns(m), *dev = device_pfns(m);
	bool out = to_vram(m);
	struct run run = { };
	u32 i, holes = 0;

	if (m->nsys)
		hgpu_sdma_emit_gart_window(m->job, m->window, m->dma, m->nsys,
					   out ? HGPU_GART_READ : HGPU_GART_WRITE);
	for (i = 0; i < m->npages; i++) {
		u64 vram, at;

		if (!m->dst[i])
			continue;
		vram = vram0 + ((u64)((dev[i] >> MIGRATE_PFN_SHIFT) - pfn0)
				<< PAGE_SHIFT);
		at = peer_addr(m, i);
		if (!at && (sys[i] & MIGRATE_PFN_VALID)) {
			at = window;
			window += PAGE_SIZE;
		} else if (!at) {
			holes++;
		}
		emit_page(m, &run, out ? at : vram, out ? vram : at);
	}
	emit_run(m, &run);
	hgpu_stat_add(m->hdev, holes_filled, holes);
}

/**
 * hgpu_copy_prepare() - allocate what a copy needs
 * @m: the migration
 * @dir: DMA_TO_DEVICE for VRAM, DMA_FROM_DEVICE for system memory
 *
 * Without SDMA pages still come home, through BAR 0.
 *
 * Context: process context, may sleep; no folio is locked.
 * Return: 0, -ENOMEM, -ENODEV.
 */
int hgpu_copy_prepare(struct hgpu_migration *m, enum dma_data_direction dir)
{
	struct hgpu_sdma_job *job;

	m->dir = dir;
	job = hgpu_sdma_job_alloc(m->hdev, HGPU_COPY_JOB_DW);
	if (job == ERR_PTR(-ENODEV) && !to_vram(m))
		job = NULL;
	if (IS_ERR(job))
		return PTR_ERR(job);
	m->job = job;
	return 0;
}

/**
 * hgpu_copy_cancel() - undo hgpu_copy_prepare() when there is nothing to copy
 * @m: the migration
 */
void hgpu_copy_cancel(struct hgpu_migration *m)
{
	hgpu_sdma_job_free(m->job);
	m->job = NULL;
}

/* 0: a wait must follow. Otherwise nothing has started, @dst is as it was. */
static int submit_copy(struct hgpu_migration *m)
{
	m->err = m->job ? hgpu_copy_map_pages(m) : -ENODEV;
	if (m->err) {
		hgpu_copy_cancel(m);
		/* Home they come all the same: hgpu_copy_wait() */
		return to_vram(m) ? m->err : 0;
	}
	emit_job(m);
	m->fence = hgpu_sdma_job_submit(m->job);
	m->job = NULL;
	return 0;
}

/* A function of its own, so that tests can make it fail. */
static noinline int hgpu_copy_rescue_locked(struct hgpu_migration *m)
{
	struct hgpu_vram *vram = &m->hdev->vram;
	struct page *page;
	u64 offset;
	void *dst;
	u32 i;

	if (!vram->io || hgpu_device_gone(m->hdev))
		return -ENODEV;

	for (i = 0; i < m->npages; i++) {
		if (!m->dst[i])
			continue;
		page = migrate_pfn_to_page(m->src[i]);
		offset = hgpu_page_vram_offset(m->hdev, page);
		if (offset + PAGE_SIZE > vram->visible)
			return -EIO;
		dst = kmap_local_page(migrate_pfn_to_page(m->dst[i]));
		memcpy_fromio(dst, vram->io + offset, PAGE_SIZE);
		kunmap_local(dst);
	}
	/* What was read from a GPU that went meanwhile is nothing. */
	return hgpu_device_gone(m->hdev) ? -ENODEV : 0;
}
ALLOW_ERROR_INJECTION(hgpu_copy_rescue_locked, ERRNO);

/*
 * The engine does not do it, but VRAM still has the bytes: fetch them through
 * BAR 0. All or nothing.
 */
static int rescue_pages(struct hgpu_migration *m)
{
	int err;

	down_read(&m->hdev->reset_lock);
	err = hgpu_copy_rescue_locked(m);
	up_read(&m->hdev->reset_lock);
	return err;
}

static int wait_for_engine(struct hgpu_migration *m)
{
	u64 t0 = local_clock();
	int err;

	if (!m->fence)
		return m->err;
	err = hgpu_fence_wait(m->fence);
	dma_fence_put(m->fence);
	m->fence = NULL;
	hgpu_stat_add(m->hdev, migrate_sdma_wait_ns, local_clock() - t0);
	return err;
}

/**
 * hgpu_copy_wait() - wait until the bytes are where they shall be
 * @m: the migration, after submit_copy()
 *
 * Context: process context, may sleep.
 * Return: 0: all of them are there, and visible to the CPU. Otherwise the
 * job's error, -EIO when the pages could not be DMA-mapped, or -ENODEV without
 * an engine, and none may be relied upon.
 */
int hgpu_copy_wait(struct hgpu_migration *m)
{
	int err;

	err = wait_for_engine(m);
	unmap_pages(m);
	if (!err)
		return 0;
	if (!to_vram(m) && !rescue_pages(m))
		err = 0;
	drm_err_ratelimited(&m->hdev->drm, "migration to %s: SDMA failed%s\n",
			    to_vram(m) ? "VRAM" : "system memory",
			    err ? "" : ", the CPU copied");
	return err;
}

/**
 * hgpu_copy_drop_dst() - give up: free all destinations
 * @m: the migration; nothing is being copied
 */
void hgpu_copy_drop_dst(struct hgpu_migration *m)
{
	struct page *page;
	u32 i;

	for (i = 0; i < m->npages; i++) {
		page = migrate_pfn_to_page(m->dst[i]);
		m->dst[i] = 0;
		if (!page)
			continue;
		unlock_page(page);
		put_page(page);
	}
}

/**
 * hgpu_copy_start() - start copying what has been chosen
 * @m: the migration, after hgpu_copy_prepare(): pages with a @dst are copied to it
 * @chosen: how many those are; 0 or an error: there is nothing to copy
 *
 * Context: process context; folios are locked.
 * Return: @chosen: if more than 0 hgpu_copy_wait() must follow. Or -EIO: the
 * pages cannot be DMA-mapped to go to VRAM. At 0 or less nothing has started,
 * and there are no destinations left.
 */
long hgpu_copy_start(struct hgpu_migration *m, long chosen)
{
	int err;

	if (chosen <= 0) {
		hgpu_copy_cancel(m);
		return chosen;
	}
	err = submit_copy(m);
	if (err) {
		hgpu_copy_drop_dst(m);
		return err;
	}
	return chosen;
}
