// SPDX-License-Identifier: GPL-2.0-only
/*
 * What new attributes ask for: mappings that are not allowed any more go,
 * memory moves to where it was sent or shall be, and GPUs that use it in place
 * get it mapped.
 *
 * Only what has changed is touched: a program that says again what it has said
 * before does not pay for it. A prefetch is the exception, it is an order. What
 * is to stay mapped is hgpu_svm_restore.c's.
 */
#include <linux/kfd_ioctl.h>
#include <linux/sched/signal.h>

#include "hgpu_svm_priv.h"

/**
 * struct piece - part of a range whose attributes were the same, too
 * @svms: the process's
 * @range: the range, with its new attributes
 * @was: the attributes before; NULL: there were none
 * @first: first page
 * @last: last page, inclusive
 */
struct piece {
	struct hgpu_svms *svms;
	struct hgpu_svm_range *range;
	const struct hgpu_svm_attrs *was;
	u64 first;
	u64 last;
};

/* The piece that begins at @first; it ends at @last or before. */
static struct piece find_piece(struct hgpu_svm_range *range,
			       const struct hgpu_svm_changed *changed,
			       u64 first, u64 last)
{
	struct piece p = {
		.svms = range->svms,
		.range = range,
		.first = first,
		.last = last,
	};
	const struct hgpu_svm_span *span;

	span = hgpu_svm_plan_find(changed->was, changed->n, first, &p.last);
	if (span)
		p.was = &span->attrs;
	return p;
}

/* May GPUs have the piece mapped just as before? */
static bool maps_alike(const struct piece *p)
{
	const struct hgpu_svm_attrs *now = &p->range->attrs;

	return p->was && p->was->flags == now->flags &&
	       p->was->access == now->access &&
	       p->was->in_place == now->in_place;
}

/**
 * hgpu_svm_strangers() - who cannot use memory in the VRAM of a GPU?
 * @svms: the process's
 * @gpu: index of the GPU; -1: none, so all of them
 *
 * Context: &hgpu_svms.lock is held.
 * Return: bits of GPUs of the process.
 */
u8 hgpu_svm_strangers(struct hgpu_svms *svms, int gpu)
{
	unsigned int i;
	u8 gpus = 0;

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if (svms->gpus[i].hdev &&
		    (gpu < 0 || !hgpu_hive_same(svms->gpus[i].hdev,
						svms->gpus[gpu].hdev)))
			gpus |= BIT(i);
	return gpus;
}

/*
 * Is it to move? 6.12 waits for a prefetch or a fault. Memory that nobody has
 * registered before stays until it is used.
 */
static bool prefers_another_place(const struct piece *p)
{
	u32 now = p->range->attrs.preferred_loc;

	return p->was && p->was->preferred_loc != now &&
	       now != KFD_IOCTL_SVM_LOCATION_UNDEFINED;
}

/* Which GPU is memory to go to? -1: none, system memory. KFD's rule. */
static int best_gpu(struct hgpu_svms *svms, const struct hgpu_svm_attrs *attrs,
		    u32 location)
{
	u8 users = attrs->in_place;
	int gpu = -1;

	if (location != KFD_IOCTL_SVM_LOCATION_SYSMEM)
		gpu = hgpu_svm_gpu_by_id(svms, location);
	/* Memory that other GPUs use where it is stays reachable. */
	if (!svms->xnack)
		users |= attrs->access;
	if (gpu < 0 || (users & hgpu_svm_strangers(svms, gpu)))
		return -1;
	return gpu;
}

/* Which GPUs are to have the range mapped right now, as far as it is there? */
static u8 gpus_to_map(const struct hgpu_svm_attrs *attrs, int moved_to)
{
	u8 gpus = attrs->in_place;

	if (moved_to >= 0)
		gpus |= attrs->access & BIT(moved_to);
	return gpus;
}

/* Map one VMA's part of a range; what cannot be mapped will fault. */
static void map_now(struct hgpu_svms *svms, struct hgpu_svm_range *range,
		    struct vm_area_struct *vma, u8 gpus, u64 first, u64 last)
{
	struct hgpu_svm_mapped none = { .page = U64_MAX };
	unsigned int gpu;

	if (!(vma->vm_flags & VM_READ))
		return;
	for (gpu = 0; gpu < HGPU_SVM_MAX_GPUS; gpu++)
		if ((gpus & BIT(gpu)) && svms->gpus[gpu].vm)
			hgpu_svm_map(svms, range, vma, gpu, first, last, 0,
				     &none);
}

/* Move one VMA's part of a range to a GPU, or with -1 to system memory. */
static int move_now(struct hgpu_svms *svms, struct hgpu_svm_range *range,
		    struct vm_area_struct *vma, int gpu, u64 first, u64 last)
{
	unsigned long start = first << PAGE_SHIFT;
	unsigned long end = (last + 1) << PAGE_SHIFT;
	int err;

	err = hgpu_svm_leave_gpus(range, gpu, vma, start, end,
				  KFD_MIGRATE_TRIGGER_PREFETCH);
	if (err < 0)
		return err;
	if (gpu < 0)
		return 0;
	/* As in KFD, memory that does not fit simply stays where it is. */
	hgpu_svm_migrate_to_vram(range, svms->gpus[gpu].hdev, vma, start, end,
				 KFD_MIGRATE_TRIGGER_PREFETCH);
	return 0;
}

/* Move and map a piece, by VMAs. */
static int place_piece(const struct piece *p, bool move, u32 location)
{
	int gpu = move ? best_gpu(p->svms, &p->range->attrs, location) : -1;
	bool keep = hgpu_svm_kept_gpus(p->svms, &p->range->attrs);
	u8 gpus = keep ? 0 : gpus_to_map(&p->range->attrs, gpu);
	u64 first = p->first, last;
	int err = 0, ret;

	for (; first <= p->last && !err; first = last + 1) {
		struct vm_area_struct *vma = vma_lookup(p->svms->mm,
							first << PAGE_SHIFT);

		if (!vma)
			return -EFAULT;
		last = min(p->last, ((u64)vma->vm_end >> PAGE_SHIFT) - 1);
		if (move)
			err = move_now(p->svms, p->range, vma, gpu, first,
				       last);
		if (gpus && !err)
			map_now(p->svms, p->range, vma, gpus, first, last);
	}
	/* Wherever it is now. */
	ret = hgpu_svm_keep_mapped(p->range, p->first, p->last);
	return err ?: ret;
}

static int settle_piece(const struct piece *p)
{
	bool move = prefers_another_place(p);

	if (!move && maps_alike(p) && hgpu_svm_is_settled(p->range))
		return 0;
	return place_piece(p, move, p->range->attrs.preferred_loc);
}

static int settle_range(struct hgpu_svm_range *range,
			const struct hgpu_svm_changed *changed)
{
	u64 first = max_t(u64, changed->first, range->it.start);
	u64 last = min_t(u64, changed->last, range->it.last);
	struct piece p = {
		.svms = range->svms,
		.range = range,
		.first = first,
		.last = last,
	};
	int err = 0, ret;

	if (changed->prefetch)
		return place_piece(&p, true, range->attrs.prefetch_loc);

	for (; first <= last; first = p.last + 1) {
		p = find_piece(range, changed, first, last);
		ret = settle_piece(&p);
		if (ret && !err)
			err = ret;
	}
	return err;
}

/* First of all, for whatever comes of the rest. */
static void zap_changed(struct hgpu_svm_range *range,
			const struct hgpu_svm_changed *changed)
{
	u64 first = max_t(u64, changed->first, range->it.start);
	u64 last = min_t(u64, changed->last, range->it.last);
	struct piece p;

	for (; first <= last; first = p.last + 1) {
		p = find_piece(range, changed, first, last);
		/* What had no range was not mapped. */
		if (p.was && !maps_alike(&p))
			hgpu_svm_zap(p.svms, p.first, p.last);
	}
}

/**
 * hgpu_svm_settle() - carry out what new attributes ask for
 * @svms: the process's
 * @changed: what has been set; the ranges have it
 *
 * Context: process context, may sleep; mmap_lock (read) and &hgpu_svms.lock
 * are held.
 * Return: 0; the first error of bringing memory home, or of mapping what is to
 * stay mapped; -EFAULT; -EINTR: killed.
 */
int hgpu_svm_settle(struct hgpu_svms *svms,
		    const struct hgpu_svm_changed *changed)
{
	struct hgpu_svm_range *range;
	int err = 0, ret;

	lockdep_assert_held(&svms->lock);
	mmap_assert_locked(svms->mm);

	hgpu_svm_pause(svms, changed->first, changed->last);
	for (range = hgpu_svm_range_first(svms, changed->first, changed->last);
	     range;
	     range = hgpu_svm_range_next(range, changed->first, changed->last))
		zap_changed(range, changed);

	for (range = hgpu_svm_range_first(svms, changed->first, changed->last);
	     range;
	     range = hgpu_svm_range_next(range, changed->first, changed->last)) {
		ret = settle_range(range, changed);
		if (ret && !err)
			err = ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	ret = hgpu_svm_mend(svms, changed->first, changed->last);
	return err ?: ret;
}
