// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that stays mapped on GPUs: all of it without recoverable faults
 * (XNACK off), and what is marked ALWAYS_MAPPED.
 *
 * The GPU finds such memory mapped when it comes along, or is not running. So
 * before a notifier takes translations away it stops the queues of the process,
 * and notes down what is missing. A work item maps that again, from wherever
 * the CPU has it by then, and lets the queues go on when nothing is missing any
 * more. As long as something cannot be had it tries again, as KFD does; the way
 * out is munmap(), or other attributes.
 *
 * munmap() itself stops nothing: who still uses that memory is at fault. Unless
 * it takes a part of a 2 MiB entry, which goes as a whole.
 */
#include <linux/kfd_ioctl.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* KFD's */
#define HGPU_SVM_RESTORE_DELAY	msecs_to_jiffies(1)

static struct hgpu_process *process_of(struct hgpu_svms *svms)
{
	return container_of(svms, struct hgpu_process, svms);
}

/**
 * hgpu_svm_kept_gpus() - GPUs that find memory mapped without asking for it
 * @svms: the process's
 * @attrs: of the memory
 *
 * Context: &hgpu_svms.lock is held.
 * Return: bits of GPUs.
 */
u8 hgpu_svm_kept_gpus(struct hgpu_svms *svms, const struct hgpu_svm_attrs *attrs)
{
	lockdep_assert_held(&svms->lock);
	if (svms->xnack && !(attrs->flags & KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED))
		return 0;
	return attrs->access | attrs->in_place;
}

/* ---- what is missing ---- */

static bool is_missing_locked(const struct hgpu_svm_range *range)
{
	lockdep_assert_held(&range->svms->notifier_lock);
	return !list_empty(&range->missing_link);
}

static void note_missing_locked(struct hgpu_svm_range *range, u64 first, u64 last)
{
	struct hgpu_svms *svms = range->svms;

	if (is_missing_locked(range)) {
		range->missing_first = min(range->missing_first, first);
		range->missing_last = max(range->missing_last, last);
	} else {
		range->missing_first = first;
		range->missing_last = last;
		list_add_tail(&range->missing_link, &svms->missing);
	}
	queue_delayed_work(hgpu_svm_wq, &svms->restore_work,
			   HGPU_SVM_RESTORE_DELAY);
}

static void evict_queues_locked(struct hgpu_svms *svms)
{
	lockdep_assert_held(&svms->notifier_lock);
	if (svms->evicted)
		return;
	svms->evicted = true;
	hgpu_process_evict_queues(process_of(svms), KFD_QUEUE_EVICTION_TRIGGER_SVM);
}

/*
 * Does the stretch take a part of a 2 MiB entry that the range may have? With
 * CONFIG_TRANSPARENT_HUGEPAGE core mm has announced that already, when it split
 * the VMA (vma_adjust_trans_huge()); without, nobody has.
 */
static bool cuts_entry(const struct hgpu_svm_range *range, u64 first, u64 last)
{
	return (first % HGPU_GRANULE_PAGES && first > range->it.start) ||
	       ((last + 1) % HGPU_GRANULE_PAGES && last < range->it.last);
}

/**
 * hgpu_svm_hold_locked() - translations of a range are about to be taken away
 * @range: the range
 * @first: first page, of the range
 * @last: last page, inclusive, of the range
 * @event: why
 *
 * Stops the process's queues if they count on them.
 *
 * Context: notifier; &hgpu_svms.notifier_lock is held.
 * Return: true if the queues stand still until they are back.
 */
bool hgpu_svm_hold_locked(struct hgpu_svm_range *range, u64 first, u64 last,
			  enum mmu_notifier_event event)
{
	struct hgpu_svms *svms = range->svms;

	lockdep_assert_held(&svms->notifier_lock);

	if (!range->kept || svms->dead || event == MMU_NOTIFY_RELEASE)
		return false;
	if (event == MMU_NOTIFY_UNMAP && !cuts_entry(range, first, last))
		return false;

	evict_queues_locked(svms);
	note_missing_locked(range,
			    max(ALIGN_DOWN(first, (u64)HGPU_GRANULE_PAGES),
				(u64)range->it.start),
			    min(ALIGN(last + 1, (u64)HGPU_GRANULE_PAGES) - 1,
				(u64)range->it.last));
	return true;
}

/**
 * hgpu_svm_inherit() - a range takes the place of others
 * @range: not in the tree yet; those that it replaces are
 *
 * Context: process context; &hgpu_svms.lock is held.
 */
void hgpu_svm_inherit(struct hgpu_svm_range *range)
{
	struct hgpu_svms *svms = range->svms;
	struct hgpu_svm_range *old;
	u64 first, last;

	lockdep_assert_held(&svms->lock);

	mutex_lock(&svms->notifier_lock);
	for (old = hgpu_svm_range_first(svms, range->it.start, range->it.last);
	     old; old = hgpu_svm_range_next(old, range->it.start, range->it.last)) {
		range->kept |= old->kept;
		if (!is_missing_locked(old))
			continue;
		first = max_t(u64, old->missing_first, range->it.start);
		last = min_t(u64, old->missing_last, range->it.last);
		if (first <= last)
			note_missing_locked(range, first, last);
	}
	mutex_unlock(&svms->notifier_lock);
}

/* ---- mapping ---- */

static int map_vma(struct hgpu_svm_range *range, struct vm_area_struct *vma,
		   u8 gpus, u64 first, u64 last)
{
	u32 flags = HGPU_SVM_MAP_FAULT | HGPU_SVM_MAP_ALL;
	struct hgpu_svm_mapped none = { .page = U64_MAX };
	struct hgpu_svms *svms = range->svms;
	unsigned int gpu;
	int err = 0;

	/* Nobody can read it: it is mapped when that changes, or is wanted then. */
	if (!(vma->vm_flags & VM_READ))
		return 0;
	if (vma->vm_flags & VM_WRITE)
		flags |= HGPU_SVM_MAP_WRITE;
	/* The one place that all of them reach. */
	if (gpus & hgpu_svm_strangers(svms, __ffs(gpus)))
		flags |= HGPU_SVM_MAP_HOME;
	for (gpu = 0; gpu < HGPU_SVM_MAX_GPUS && !err; gpu++)
		if ((gpus & BIT(gpu)) && svms->gpus[gpu].vm)
			err = hgpu_svm_map(svms, range, vma, gpu, first, last,
					   flags, &none);
	return err;
}

/* Map a part of a range on all GPUs that it is kept mapped on. */
static int map_kept(struct hgpu_svm_range *range, u64 first, u64 last)
{
	u8 gpus = hgpu_svm_kept_gpus(range->svms, &range->attrs);
	struct vm_area_struct *vma;
	u64 vma_last;
	int err = 0;

	for (; gpus && first <= last && !err; first = vma_last + 1) {
		vma = vma_lookup(range->svms->mm, first << PAGE_SHIFT);
		if (!vma)
			return -EFAULT;
		vma_last = min(last, ((u64)vma->vm_end >> PAGE_SHIFT) - 1);
		err = map_vma(range, vma, gpus, first, vma_last);
	}
	return err;
}

/* It is not mapped: queues that count on it wait. */
static void hold(struct hgpu_svm_range *range, u64 first, u64 last)
{
	mutex_lock(&range->svms->notifier_lock);
	if (!range->svms->dead) {
		evict_queues_locked(range->svms);
		note_missing_locked(range, first, last);
	}
	mutex_unlock(&range->svms->notifier_lock);
}

/**
 * hgpu_svm_hold_page() - a GPU wants a page that it should have mapped
 * @range: covers the page
 * @vma: likewise
 * @gpu: index of the GPU
 * @page: its number; the VMA allows the access
 *
 * The core tells of no change where there was no page table yet: memory that
 * nobody could read is mapped when a GPU wants it.
 *
 * Context: process context; takes &hgpu_svms.notifier_lock, mmap_lock (read)
 * and &hgpu_svms.lock are held.
 * Return: true: its queues stand still until it is mapped; false: it is not to
 * stay mapped there.
 */
bool hgpu_svm_hold_page(struct hgpu_svm_range *range, struct vm_area_struct *vma,
			unsigned int gpu, u64 page)
{
	u64 block = ALIGN_DOWN(page, (u64)HGPU_GRANULE_PAGES);

	lockdep_assert_held(&range->svms->lock);
	if (!range->kept ||
	    !(hgpu_svm_kept_gpus(range->svms, &range->attrs) & BIT(gpu)))
		return false;
	hold(range, max3(block, (u64)range->it.start, (u64)vma->vm_start >> PAGE_SHIFT),
	     min3(block + HGPU_GRANULE_PAGES, (u64)range->it.last + 1,
		  (u64)vma->vm_end >> PAGE_SHIFT) - 1);
	return true;
}

static void give_up(struct hgpu_svm_range *range)
{
	mutex_lock(&range->svms->notifier_lock);
	range->kept = false;
	mutex_unlock(&range->svms->notifier_lock);
}

/*
 * Map it, or have the work item do so while queues wait if they may count on it
 * already. Also if the CPU keeps changing it: as if it had done so right after.
 */
static int map_or_hold(struct hgpu_svm_range *range, u64 first, u64 last,
		       bool was_kept)
{
	int err = map_kept(range, first, last);

	if (err == -EBUSY || (err && was_kept))
		hold(range, first, last);
	else if (err)
		give_up(range);
	return err == -EBUSY ? 0 : err;
}

/**
 * hgpu_svm_keep_mapped() - from now on a range stays mapped, or need not
 * @range: with its new attributes
 * @first: first page to be mapped
 * @last: last page, inclusive
 *
 * Memory that the CPU keeps changing is mapped by the work item, while queues
 * wait: as if the CPU had changed it right after.
 *
 * Context: process context, may sleep and fault pages in; mmap_lock (read) and
 * &hgpu_svms.lock are held.
 * Return: 0; hgpu_svm_map()'s error but -EBUSY: what could not be mapped is not
 * there for the GPU.
 */
int hgpu_svm_keep_mapped(struct hgpu_svm_range *range, u64 first, u64 last)
{
	bool keep = hgpu_svm_kept_gpus(range->svms, &range->attrs);
	struct hgpu_svms *svms = range->svms;
	bool was, missing;

	lockdep_assert_held(&svms->lock);

	/* Before it is mapped, so that no invalidation is missed. */
	mutex_lock(&svms->notifier_lock);
	was = range->kept;
	range->kept = keep;
	missing = is_missing_locked(range) && range->missing_first <= first &&
		  range->missing_last >= last;
	mutex_unlock(&svms->notifier_lock);

	/* The queues stand still; the work item waits for our locks. */
	if (!keep || missing)
		return 0;
	return map_or_hold(range, first, last, was);
}

static bool can_retry(struct hgpu_svms *svms)
{
	unsigned int i;

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if (svms->gpus[i].vm && !svms->gpus[i].hdev->xnack)
			return false;
	return true;
}

/* Is anything kept mapped there, or beside it in the same 2 MiB? */
static bool any_kept(struct hgpu_svms *svms, u64 first, u64 last)
{
	struct hgpu_svm_range *range;

	first = ALIGN_DOWN(first, (u64)HGPU_GRANULE_PAGES);
	last = ALIGN(last + 1, (u64)HGPU_GRANULE_PAGES) - 1;
	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last))
		if (range->kept)
			return true;
	return false;
}

/**
 * hgpu_svm_pause() - entries that queues count on are about to be replaced
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * A GPU that has retry finds the new ones when it tries again, or its fault is
 * looked at when they are there. Others must not come along in between.
 *
 * Context: &hgpu_svms.lock is held until they are.
 */
void hgpu_svm_pause(struct hgpu_svms *svms, u64 first, u64 last)
{
	lockdep_assert_held(&svms->lock);
	if (can_retry(svms) || !any_kept(svms, first, last))
		return;

	mutex_lock(&svms->notifier_lock);
	if (!svms->dead) {
		evict_queues_locked(svms);
		queue_delayed_work(hgpu_svm_wq, &svms->restore_work,
				   HGPU_SVM_RESTORE_DELAY);
	}
	mutex_unlock(&svms->notifier_lock);
}

/**
 * hgpu_svm_is_settled() - is a range mapped if it is to be kept mapped?
 * @range: the range
 *
 * Context: &hgpu_svms.lock is held.
 * Return: false if there is something left to do for hgpu_svm_keep_mapped().
 */
bool hgpu_svm_is_settled(struct hgpu_svm_range *range)
{
	return range->kept || !hgpu_svm_kept_gpus(range->svms, &range->attrs);
}

/* The part of a kept range that lies in a stretch is zapped, or mapped anew. */
static int mend_range(struct hgpu_svm_range *range, u64 first, u64 last, bool map)
{
	if (!range->kept)
		return 0;
	first = max_t(u64, first, range->it.start);
	last = min_t(u64, last, range->it.last);
	if (!map) {
		hgpu_svm_zap(range->svms, first, last);
		return 0;
	}
	return map_or_hold(range, first, last, true);
}

/*
 * Map 2 MiB anew, so that each range has entries of its own. What lies between
 * ranges may be a buffer's.
 */
static int mend_block(struct hgpu_svms *svms, u64 first)
{
	u64 last = first + HGPU_GRANULE_PAGES - 1;
	struct hgpu_svm_range *range;
	int err = 0, ret, map;

	for (map = 0; map < 2; map++) {
		for (range = hgpu_svm_range_first(svms, first, last); range;
		     range = hgpu_svm_range_next(range, first, last)) {
			ret = mend_range(range, first, last, map);
			err = err ?: ret;
		}
	}
	return err;
}

/**
 * hgpu_svm_mend() - keep mapped what lies beside a stretch that has changed
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * An entry for 2 MiB goes when a part of it changes. And if it reached across
 * the ends of ranges, the notifier of one would take memory of another away.
 *
 * Context: as hgpu_svm_keep_mapped().
 * Return: 0, or the first error of hgpu_svm_map() but -EBUSY.
 */
int hgpu_svm_mend(struct hgpu_svms *svms, u64 first, u64 last)
{
	u64 head = ALIGN_DOWN(first, (u64)HGPU_GRANULE_PAGES);
	u64 tail = ALIGN_DOWN(last, (u64)HGPU_GRANULE_PAGES);
	int err = 0, ret = 0;

	lockdep_assert_held(&svms->lock);
	if (head != first)
		err = mend_block(svms, head);
	if ((last + 1) % HGPU_GRANULE_PAGES && (tail != head || head == first))
		ret = mend_block(svms, tail);
	return err ?: ret;
}

/* ---- restoring ---- */

/* Take note of what is missing of a range, once for all. */
static struct hgpu_svm_range *take_missing(struct hgpu_svms *svms,
					   struct list_head *list,
					   u64 *first, u64 *last)
{
	struct hgpu_svm_range *range;

	lockdep_assert_held(&svms->lock);
	mutex_lock(&svms->notifier_lock);
	range = list_first_entry_or_null(list, struct hgpu_svm_range, missing_link);
	if (range) {
		list_del_init(&range->missing_link);
		*first = range->missing_first;
		*last = range->missing_last;
	}
	mutex_unlock(&svms->notifier_lock);
	return range;
}

static void put_missing(struct hgpu_svm_range *range, u64 first, u64 last)
{
	mutex_lock(&range->svms->notifier_lock);
	note_missing_locked(range, first, last);
	mutex_unlock(&range->svms->notifier_lock);
}

/* One go at everything. What goes missing meanwhile is for the next time. */
static int restore_ranges_locked(struct hgpu_svms *svms)
{
	struct hgpu_svm_range *range;
	int err = 0, ret;
	u64 first, last;
	LIST_HEAD(list);

	/* Ranges leave it like any other list: under the locks we hold. */
	mutex_lock(&svms->notifier_lock);
	list_splice_init(&svms->missing, &list);
	mutex_unlock(&svms->notifier_lock);

	while ((range = take_missing(svms, &list, &first, &last))) {
		ret = READ_ONCE(svms->dead) ? -ESRCH : map_kept(range, first, last);
		if (ret)
			put_missing(range, first, last);
		err = err ?: ret;
		cond_resched();
	}
	return err;
}

static int restore_ranges(struct hgpu_svms *svms)
{
	int err;

	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	hgpu_svm_settle_unmaps_locked(svms);
	mmap_write_downgrade(svms->mm);
	err = restore_ranges_locked(svms);
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
	return err;
}

/* Returns false if something is missing (again). */
static bool resume(struct hgpu_svms *svms)
{
	struct hgpu_process *process = process_of(svms);
	bool complete;

	mutex_lock(&process->lock);
	kthread_use_mm(svms->mm);
	hgpu_process_prepare_restore(process);

	mutex_lock(&svms->notifier_lock);
	complete = list_empty(&svms->missing);
	if (complete && svms->evicted && !svms->dead) {
		svms->evicted = false;
		hgpu_process_restore_queues(process);
	}
	mutex_unlock(&svms->notifier_lock);

	hgpu_process_finish_restore(process);
	kthread_unuse_mm(svms->mm);
	mutex_unlock(&process->lock);
	return complete;
}

/**
 * hgpu_svm_restore_work() - map what is missing and let the queues go on
 * @work: &hgpu_svms.restore_work
 */
void hgpu_svm_restore_work(struct work_struct *work)
{
	struct hgpu_svms *svms = container_of(to_delayed_work(work),
					      struct hgpu_svms, restore_work);
	int err;

	/* The queues of an exiting process do not go on. */
	if (READ_ONCE(svms->dead) || !mmget_not_zero(svms->mm))
		return;
	err = restore_ranges(svms);
	trace_hgpu_svm_restore(svms->pid, err);
	/* What is missing has queued the work item again. */
	if (err || !resume(svms))
		hgpu_process_restore_rescheduled(process_of(svms));
	/* exit_mmap() would wait for this very work item. */
	mmput_async(svms->mm);
}

/**
 * hgpu_svm_gpu_arrives() - a GPU can now have memory mapped
 * @svms: the process's
 * @gpu: its index
 *
 * What was registered for it before is mapped before queues go on.
 *
 * Context: process context; takes &hgpu_svms.notifier_lock, &hgpu_svms.lock is
 * held.
 */
void hgpu_svm_gpu_arrives(struct hgpu_svms *svms, unsigned int gpu)
{
	struct hgpu_svm_range *range;

	lockdep_assert_held(&svms->lock);
	for (range = hgpu_svm_range_first(svms, 0, ULONG_MAX); range;
	     range = hgpu_svm_range_next(range, 0, ULONG_MAX))
		if (range->kept &&
		    (hgpu_svm_kept_gpus(svms, &range->attrs) & BIT(gpu)))
			hold(range, range->it.start, range->it.last);
}

/* What GPUs may access is mapped when the first queue runs. */
static void set_xnack_locked(struct hgpu_svms *svms, bool on)
{
	struct hgpu_svm_range *range;

	lockdep_assert_held(&svms->lock);
	mutex_lock(&svms->notifier_lock);
	svms->xnack = on;
	for (range = hgpu_svm_range_first(svms, 0, ULONG_MAX); range;
	     range = hgpu_svm_range_next(range, 0, ULONG_MAX)) {
		bool was = range->kept;

		range->kept = hgpu_svm_kept_gpus(svms, &range->attrs);
		if (was || !range->kept || svms->dead)
			continue;
		evict_queues_locked(svms);
		note_missing_locked(range, range->it.start, range->it.last);
	}
	mutex_unlock(&svms->notifier_lock);
}

/**
 * hgpu_svms_set_xnack() - turn recoverable faults on or off
 * @svms: the process's, which has no queues
 * @on: or off
 *
 * Context: process context; takes &hgpu_svms.lock.
 * Return: 0; -ENOMEM when off would exceed the limit, and they are still on.
 */
int hgpu_svms_set_xnack(struct hgpu_svms *svms, bool on)
{
	u64 pages;
	int err = 0;

	mutex_lock(&svms->lock);
	pages = hgpu_svm_count_pages(svms, 0, ULONG_MAX);
	if (on && !svms->xnack) {
		hgpu_svm_uncharge(svms, pages);
		set_xnack_locked(svms, true);
	} else if (!on && svms->xnack) {
		err = hgpu_svm_charge(svms, pages);
		if (!err)
			set_xnack_locked(svms, false);
	}
	mutex_unlock(&svms->lock);
	return err;
}
