// SPDX-License-Identifier: GPL-2.0-only
/*
 * What shared memory counts for the limit of system memory.
 *
 * Without XNACK a GPU may ask for all that has attributes at any time, wherever
 * it is now: it is charged as memory of buffers is, by the size of ranges. With
 * XNACK nothing is, a fault can fail.
 */
#include "hgpu_memlimit.h"
#include "hgpu_svm_priv.h"

/**
 * hgpu_svm_charge() - ranges are going to have more pages
 * @svms: the process's
 * @pages: how many
 *
 * Context: &hgpu_svms.lock is held.
 * Return: 0 or -ENOMEM.
 */
int hgpu_svm_charge(struct hgpu_svms *svms, u64 pages)
{
	int err;

	lockdep_assert_held(&svms->lock);
	err = hgpu_memlimit_reserve(HGPU_MEM_SVM, pages << PAGE_SHIFT);
	if (!err)
		svms->charged += pages;
	return err;
}

/**
 * hgpu_svm_uncharge() - ranges have fewer pages
 * @svms: the process's
 * @pages: how many
 *
 * Context: &hgpu_svms.lock is held.
 */
void hgpu_svm_uncharge(struct hgpu_svms *svms, u64 pages)
{
	lockdep_assert_held(&svms->lock);
	hgpu_memlimit_unreserve(HGPU_MEM_SVM, pages << PAGE_SHIFT);
	svms->charged -= pages;
}

/**
 * hgpu_svm_count_pages() - what would be charged
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: &hgpu_svms.lock is held.
 * Return: pages of all ranges that overlap, those outside of the stretch too.
 */
u64 hgpu_svm_count_pages(struct hgpu_svms *svms, u64 first, u64 last)
{
	struct hgpu_svm_range *range;
	u64 pages = 0;

	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last))
		pages += range->it.last - range->it.start + 1;
	return pages;
}
