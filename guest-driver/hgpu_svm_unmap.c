// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bringing ranges up to date with munmap(): what the notifier has noted down as
 * holes is taken out of them, by a work item or by whoever needs to know and
 * has both locks.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "hgpu_svm_priv.h"

/* Take the pages that munmap() took out of a range; it may be freed. */
static void settle_range(struct hgpu_svms *svms, struct hgpu_svm_range *range)
{
	struct hgpu_svm_span span = {
		range->it.start, range->it.last, range->attrs,
	};
	struct hgpu_svm_span *left;
	unsigned int i, n;
	int err = -ENOMEM;

	/* None is added: who unmaps has mmap_lock. */
	hgpu_svms_assert_write_locked(svms);

	/* A hole may contain pages that are still mapped: hgpu_svm_hole_add() */
	for (i = 0; i < range->num_holes; i++)
		hgpu_svm_zap(svms, range->holes[i].first, range->holes[i].last);

	left = kvmalloc_array(range->num_holes + 1, sizeof(*left), GFP_KERNEL);
	if (left) {
		n = hgpu_svm_plan_cut(&span, range->holes, range->num_holes,
				      left);
		err = hgpu_svm_replace_locked(svms, span.first, span.last,
					      left, n);
		kvfree(left);
	}
	if (!err)
		return;

	/* Without memory the remainder loses its attributes. */
	hgpu_svm_zap(svms, span.first, span.last);
	if (!svms->xnack)
		hgpu_svm_uncharge(svms, span.last - span.first + 1);
	hgpu_svm_range_drop_locked(range);
}

/**
 * hgpu_svm_settle_unmaps_locked() - bring ranges up to date with munmap()
 * @svms: the process's
 *
 * Context: mmap_lock (written) and &hgpu_svms.lock are held.
 */
void hgpu_svm_settle_unmaps_locked(struct hgpu_svms *svms)
{
	struct hgpu_svm_range *range;

	hgpu_svms_assert_write_locked(svms);

	for (;;) {
		mutex_lock(&svms->notifier_lock);
		range = list_first_entry_or_null(&svms->unmapped,
						 struct hgpu_svm_range,
						 unmap_link);
		if (range)
			list_del_init(&range->unmap_link);
		mutex_unlock(&svms->notifier_lock);
		if (!range)
			return;
		settle_range(svms, range);
	}
}

/**
 * hgpu_svm_unmap_work() - bring ranges up to date with munmap(), later
 * @work: &hgpu_svms.unmap_work
 */
void hgpu_svm_unmap_work(struct work_struct *work)
{
	struct hgpu_svms *svms = container_of(work, struct hgpu_svms,
					      unmap_work);

	/* An exiting process's ranges are freed all at once. */
	if (!mmget_not_zero(svms->mm))
		return;
	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	if (!READ_ONCE(svms->dead))
		hgpu_svm_settle_unmaps_locked(svms);
	mutex_unlock(&svms->lock);
	mmap_write_unlock(svms->mm);
	/* exit_mmap() would wait for this very work item. */
	mmput_async(svms->mm);
}
