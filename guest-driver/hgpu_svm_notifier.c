// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the core tells about memory with attributes: the notifier of a range.
 *
 * It may take neither mmap_lock nor &hgpu_svms.lock. It invalidates the GPU's
 * mappings and notes down what was unmapped as a hole of the range; the rest is
 * hgpu_svm_unmap.c's.
 */
#include <linux/kfd_ioctl.h>
#include <linux/slab.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/**
 * hgpu_svm_range_has_hole() - was this page unmapped and not settled yet?
 * @range: the range
 * @page: a page of it
 *
 * Context: takes &hgpu_svms.notifier_lock.
 * Return: true if the range's attributes do not apply to the page any more.
 */
bool hgpu_svm_range_has_hole(struct hgpu_svm_range *range, u64 page)
{
	bool hole = false;
	unsigned int i;

	mutex_lock(&range->svms->notifier_lock);
	for (i = 0; i < range->num_holes; i++)
		hole |= page >= range->holes[i].first &&
			page <= range->holes[i].last;
	mutex_unlock(&range->svms->notifier_lock);
	return hole;
}

/* KFD's reasons for taking translations away. */
static enum KFD_SVM_UNMAP_TRIGGERS unmap_trigger(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_UNMAP:
		return KFD_SVM_UNMAP_TRIGGER_UNMAP_FROM_CPU;
	case MMU_NOTIFY_MIGRATE:
		return KFD_SVM_UNMAP_TRIGGER_MMU_NOTIFY_MIGRATE;
	default:
		return KFD_SVM_UNMAP_TRIGGER_MMU_NOTIFY;
	}
}

static void tell_unmapped(struct hgpu_svms *svms, u8 gpus, u64 first, u64 last,
			  enum mmu_notifier_event event)
{
	unsigned int gpu;

	lockdep_assert_held(&svms->notifier_lock);
	/* As in KFD, the end of the process is no event. */
	if (event == MMU_NOTIFY_RELEASE)
		return;
	for (gpu = 0; gpu < HGPU_SVM_MAX_GPUS; gpu++)
		if (gpus & BIT(gpu))
			hgpu_smi_unmapped(svms->gpus[gpu].hdev, svms->pid,
					  first, last, unmap_trigger(event));
}

/*
 * Room for more holes, if it is to be had at once: who frees memory for others
 * may be waiting for this very notifier.
 */
static void grow_holes_locked(struct hgpu_svm_range *range)
{
	unsigned int max = 2 * range->max_holes;
	struct hgpu_svm_hole *more;

	more = kmalloc_array(max, sizeof(*more), GFP_NOWAIT | __GFP_NOWARN);
	if (!more)
		return;
	memcpy(more, range->holes, range->num_holes * sizeof(*more));
	if (range->holes != range->few_holes)
		kfree(range->holes);
	range->holes = more;
	range->max_holes = max;
}

/* Memory of a range is being unmapped for good. */
static void note_hole_locked(struct hgpu_svm_range *range, u64 first, u64 last)
{
	struct hgpu_svms *svms = range->svms;

	lockdep_assert_held(&svms->notifier_lock);
	if (range->num_holes == range->max_holes)
		grow_holes_locked(range);
	range->num_holes = hgpu_svm_hole_add(range->holes, range->num_holes,
					     range->max_holes, first, last);
	if (list_empty(&range->unmap_link))
		list_add_tail(&range->unmap_link, &svms->unmapped);
	queue_work(hgpu_svm_wq, &svms->unmap_work);
}

/*
 * Something in the CPU's page table is about to change: no GPU may use the old
 * translations when this returns. MIGRATE events of our own are no exception:
 * the GPU still has the system pages that are about to move to VRAM mapped,
 * and the other way round.
 */
static bool hgpu_svm_invalidate(struct mmu_interval_notifier *notifier,
				const struct mmu_notifier_range *what,
				unsigned long seq)
{
	struct hgpu_svm_range *range =
		container_of(notifier, struct hgpu_svm_range, notifier);
	struct hgpu_svms *svms = range->svms;
	u64 first, last;
	bool held;
	u8 gpus;

	if (mmu_notifier_range_blockable(what))
		mutex_lock(&svms->notifier_lock);
	else if (!mutex_trylock(&svms->notifier_lock))
		return false;

	mmu_interval_set_seq(notifier, seq);

	first = max(what->start, notifier->interval_tree.start) >> PAGE_SHIFT;
	last = min(what->end - 1, notifier->interval_tree.last) >> PAGE_SHIFT;
	trace_hgpu_svm_invalidate(svms->pid, first, last, what->event);
	held = hgpu_svm_hold_locked(range, first, last, what->event);
	gpus = hgpu_svm_zap_locked(svms, first, last);
	/* As in KFD, what comes back before a queue can notice is no event. */
	if (!held || what->event == MMU_NOTIFY_UNMAP)
		tell_unmapped(svms, gpus, first, last, what->event);

	if (what->event == MMU_NOTIFY_UNMAP && !svms->dead) {
		note_hole_locked(range, first, last);
		hgpu_svm_note_unmap_locked(svms, first, last);
	}

	mutex_unlock(&svms->notifier_lock);
	return true;
}

const struct mmu_interval_notifier_ops hgpu_svm_notifier_ops = {
	.invalidate = hgpu_svm_invalidate,
};
