// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting hold of a granule's pages, and letting go of them.
 *
 * The core collects what it can lock and what nobody else holds, and leaves the
 * rest out without a word. That is often over in a moment: somebody looked at
 * the page, or it was on a list of another CPU. So a granule of which pages were
 * left out that could move is collected up to three times before it moves
 * without them.
 */
#include <linux/hmm.h>

#include "hgpu_svm_priv.h"

#define HGPU_COLLECT_TRIES	3

/**
 * hgpu_svm_setup() - collect pages, once
 * @m: the migration
 * @vma: where they are mapped
 * @start: first address
 * @end: last address + 1; at most HGPU_GRANULE_PAGES further
 * @select: MIGRATE_VMA_SELECT_*
 * @fault_page: device page whose fault this is, or NULL
 *
 * Context: process context, may sleep; mmap_lock is held. On success pages are
 * locked until hgpu_svm_finalize(), unless @m->vma.cpages is 0.
 * Return: 0 or -EINVAL: not such a VMA.
 */
int hgpu_svm_setup(struct hgpu_migration *m, struct vm_area_struct *vma,
		   unsigned long start, unsigned long end, unsigned long select,
		   struct page *fault_page)
{
	u64 t0 = local_clock();
	int err;

	m->npages = (end - start) >> PAGE_SHIFT;
	m->vma = (struct migrate_vma) {
		.vma = vma,
		.start = start,
		.end = end,
		.src = m->src,
		.dst = m->dst,
		.pgmap_owner = hgpu_hive_owner(m->hdev),
		.flags = select,
		.fault_page = fault_page,
	};
	/*
	 * Unmapping a locked page puts it on a list of this CPU, which holds it
	 * until the core empties the lists of the CPU that it is on then.
	 */
	migrate_disable();
	err = migrate_vma_setup(&m->vma);
	migrate_enable();
	m->core_ns += local_clock() - t0;
	return err;
}

/**
 * hgpu_svm_finalize() - map what has been moved, put the rest back
 * @m: the migration; what has no, or an unused, @m->dst is put back
 *
 * Context: process context; as hgpu_svm_setup() was called.
 */
void hgpu_svm_finalize(struct hgpu_migration *m)
{
	u64 t0 = local_clock();

	migrate_vma_finalize(&m->vma);
	m->core_ns += local_clock() - t0;
}

/* Collected, or in VRAM already and not to be collected? */
static bool is_complete(const struct hgpu_migration *m,
			const struct hgpu_svm_chunk *chunk)
{
	unsigned long slot = (m->vma.start >> PAGE_SHIFT) - chunk->va;
	unsigned long end = slot + m->npages, n = m->vma.cpages;

	if (hgpu_svm_takes_device_pages(m))
		return n >= m->npages;
	for_each_set_bit_from(slot, chunk->used, end)
		n++;
	return n >= m->npages;
}

static void find_left_out(const struct hgpu_migration *m, unsigned long *left)
{
	u32 i;

	bitmap_zero(left, HGPU_GRANULE_PAGES);
	for (i = 0; i < m->npages; i++)
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE))
			__set_bit(i, left);
}

/*
 * What the CPU's page table has at @n pages, in &hgpu_svm_scratch.pfns. 0: it
 * stays so until &hgpu_svms.notifier_lock, now held, is released. Otherwise it
 * was changing.
 */
static int look_and_lock(struct hgpu_migration *m, struct hgpu_svm_range *range,
			 unsigned long start, u32 n, void *owner)
{
	struct hgpu_svms *svms = range->svms;
	struct hmm_range hmm = {
		.notifier = &range->notifier,
		.start = start,
		.end = start + ((unsigned long)n << PAGE_SHIFT),
		.hmm_pfns = svms->scratch->pfns,
		.dev_private_owner = owner,
	};
	u64 t0 = local_clock();
	int err;

	lockdep_assert_held(&svms->lock);

	memset(hmm.hmm_pfns, 0, n * sizeof(*hmm.hmm_pfns));
	hmm.notifier_seq = mmu_interval_read_begin(hmm.notifier);
	err = hmm_range_fault(&hmm);
	m->core_ns += local_clock() - t0;
	if (err)
		return err;
	mutex_lock(&svms->notifier_lock);
	if (!mmu_interval_read_retry(hmm.notifier, hmm.notifier_seq))
		return 0;
	mutex_unlock(&svms->notifier_lock);
	return -EBUSY;
}

/*
 * Of the pages that were left out, forget those that cannot move: swapped out,
 * not there, of a file or a device. All are as they were before. Should they
 * change just now, none is forgotten.
 */
static void forget_immovable(struct hgpu_migration *m,
			     struct hgpu_svm_range *range, unsigned long *left)
{
	const unsigned long *pfns = range->svms->scratch->pfns;
	u32 i;

	if (look_and_lock(m, range, m->vma.start, m->npages,
			  hgpu_svm_takes_device_pages(m) ? m->vma.pgmap_owner : NULL))
		return;
	for_each_set_bit(i, left, m->npages)
		if (!(pfns[i] & HMM_PFN_VALID) ||
		    !hgpu_svm_can_leave_ram(hmm_pfn_to_page(pfns[i])))
			__clear_bit(i, left);
	mutex_unlock(&range->svms->notifier_lock);
}

/*
 * A page of KSM's? migrate_vma_setup() puts a migration entry in the place of any
 * page, and whoever puts it back finds it by the reverse map. But KSM's knows only
 * where it has merged pages itself. A child has them at places that it may have
 * lost with the parent; there the entry would stay behind, and the next look at it
 * ends in a BUG(). So there must be none.
 *
 * This is for what has been merged. What may be merged any moment is kept away by
 * hgpu_svm_migrate_to_vram(): a page is in its new place before the reverse map
 * knows it, so a look just before would not do. What is left is a page that a
 * child shares with a parent which has it merged at this very moment, or that
 * comes back from swap then, or that NUMA balancing hides: the kernel has no lock
 * against that.
 */
static bool is_merged(unsigned long pfn)
{
	/* Nobody may read there: hmm_range_fault() does not tell what it is. */
	if (pfn & HMM_PFN_ERROR)
		return true;
	return (pfn & HMM_PFN_VALID) && PageKsm(hmm_pfn_to_page(pfn));
}

/*
 * May these pages be collected? -ENODATA: not before hgpu_svm_populate(). -EBUSY:
 * no, one is merged, or that cannot be told.
 */
static int may_collect(struct hgpu_migration *m, struct hgpu_svm_range *range,
		       unsigned long start, u32 n, unsigned long request)
{
	const unsigned long *pfns = range->svms->scratch->pfns;
	unsigned int try = 0;
	int err;
	u32 i;

	if (!IS_ENABLED(CONFIG_KSM) && !request)
		return 0;
	do {
		err = look_and_lock(m, range, start, n,
				    hgpu_hive_owner(m->hdev));
	} while (err == -EBUSY && ++try < HGPU_COLLECT_TRIES);
	if (err)
		return request ? -ENODATA : -EBUSY;
	for (i = 0; i < n && err != -ENODATA; i++) {
		/* What can be written to lacks nothing, and is not merged. */
		if (pfns[i] & HMM_PFN_WRITE)
			continue;
		if (hgpu_svm_is_wanting(pfns[i], request))
			err = -ENODATA;
		else if (is_merged(pfns[i]))
			err = -EBUSY;
	}
	mutex_unlock(&range->svms->notifier_lock);
	return err;
}

/* hgpu_svm_setup() of all pages, or of none if they may not be collected. */
static int setup_if_allowed(struct hgpu_migration *m,
			    struct hgpu_svm_range *range,
			    struct vm_area_struct *vma, unsigned long start,
			    unsigned long end, unsigned long select,
			    unsigned long request)
{
	int err = may_collect(m, range, start, (end - start) >> PAGE_SHIFT,
			      request);

	if (err) {
		m->npages = 0;
		m->vma.cpages = 0;
		return err == -EBUSY ? 0 : err;
	}
	return hgpu_svm_setup(m, vma, start, end, select, NULL);
}

static bool still_left_out(const struct hgpu_migration *m,
			   const unsigned long *left)
{
	u32 i;

	for_each_set_bit(i, left, m->npages)
		if (!(m->src[i] & MIGRATE_PFN_MIGRATE))
			return true;
	return false;
}

/**
 * hgpu_svm_collect() - collect the pages of a granule that are to go to VRAM
 * @m: the migration
 * @range: covers the granule
 * @vma: likewise
 * @start: first address
 * @end: last address + 1
 * @select: MIGRATE_VMA_SELECT_*: with those of devices, the hive's come, too
 * @request: what they must be before any is collected: HMM_PFN_REQ_*
 * @chunk: VRAM for the granule
 *
 * Context: as hgpu_svm_setup(), with &hgpu_svms.lock held; no page of @m is
 * locked.
 * Return: likewise; -ENODATA: a page is not what @request asks for.
 */
int hgpu_svm_collect(struct hgpu_migration *m, struct hgpu_svm_range *range,
		     struct vm_area_struct *vma, unsigned long start,
		     unsigned long end, unsigned long select,
		     unsigned long request, const struct hgpu_svm_chunk *chunk)
{
	DECLARE_BITMAP(left, HGPU_GRANULE_PAGES);
	unsigned int try;
	int err;

	err = setup_if_allowed(m, range, vma, start, end, select, request);
	if (err || is_complete(m, chunk))
		return err;

	find_left_out(m, left);
	for (try = 1; try < HGPU_COLLECT_TRIES; try++) {
		hgpu_svm_finalize(m);
		cond_resched();
		if (try == 1)
			forget_immovable(m, range, left);
		err = setup_if_allowed(m, range, vma, start, end, select, request);
		if (err || bitmap_empty(left, m->npages))
			return err;
		hgpu_stat_inc(m->hdev, migrate_again);
		if (!still_left_out(m, left))
			return 0;
	}
	hgpu_stat_inc(m->hdev, migrate_partial);
	return 0;
}
