// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges: pieces of a process's address space with attributes, each watched by
 * an mmu_interval_notifier.
 *
 * A range knows nothing about pages, so splitting and merging is making new
 * ranges for a stretch and dropping the old ones. The new notifiers are
 * inserted before the old ones are removed, hence there is no moment at which
 * a GPU mapping is not watched.
 *
 * Ranges change under mmap_lock (written) and &hgpu_svms.lock. What munmap()
 * took is taken out of them later: hgpu_svm_unmap.c.
 */
#include <linux/kfd_ioctl.h>
#include <linux/slab.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* KFD's default granularity: 2 MiB */
#define HGPU_SVM_DEFAULT_GRANULARITY	9

/**
 * hgpu_svm_default_attrs() - attributes of memory that nobody registered
 * @svms: the process's
 *
 * Context: &hgpu_svms.lock is held.
 * Return: KFD's defaults.
 */
struct hgpu_svm_attrs hgpu_svm_default_attrs(struct hgpu_svms *svms)
{
	struct hgpu_svm_attrs attrs = {
		.preferred_loc = KFD_IOCTL_SVM_LOCATION_UNDEFINED,
		.prefetch_loc = KFD_IOCTL_SVM_LOCATION_UNDEFINED,
		.flags = KFD_IOCTL_SVM_FLAG_HOST_ACCESS |
			 KFD_IOCTL_SVM_FLAG_COHERENT,
		.granularity = HGPU_SVM_DEFAULT_GRANULARITY,
	};
	unsigned int i;

	lockdep_assert_held(&svms->lock);

	if (svms->xnack)
		for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
			if (svms->gpus[i].hdev)
				attrs.access |= BIT(i);
	return attrs;
}

/**
 * hgpu_svm_range_first() - first range that overlaps a stretch
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: &hgpu_svms.lock is held.
 * Return: the range or NULL.
 */
struct hgpu_svm_range *hgpu_svm_range_first(struct hgpu_svms *svms, u64 first,
					    u64 last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&svms->lock);
	node = interval_tree_iter_first(&svms->ranges, first, last);
	return node ? container_of(node, struct hgpu_svm_range, it) : NULL;
}

/**
 * hgpu_svm_range_next() - next range that overlaps a stretch
 * @range: from hgpu_svm_range_first() or this
 * @first: as given to hgpu_svm_range_first()
 * @last: likewise
 *
 * Context: &hgpu_svms.lock is held.
 * Return: the range or NULL.
 */
struct hgpu_svm_range *hgpu_svm_range_next(struct hgpu_svm_range *range,
					   u64 first, u64 last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&range->svms->lock);
	node = interval_tree_iter_next(&range->it, first, last);
	return node ? container_of(node, struct hgpu_svm_range, it) : NULL;
}

/* Make a range and watch it. Not in the tree yet. */
static struct hgpu_svm_range *range_new(struct hgpu_svms *svms,
					const struct hgpu_svm_span *span)
{
	struct hgpu_svm_range *range;
	int err;

	hgpu_svms_assert_write_locked(svms);

	range = kzalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return ERR_PTR(-ENOMEM);

	range->svms = svms;
	range->it.start = span->first;
	range->it.last = span->last;
	range->attrs = span->attrs;
	INIT_LIST_HEAD(&range->doomed);
	INIT_LIST_HEAD(&range->unmap_link);
	INIT_LIST_HEAD(&range->missing_link);
	range->holes = range->few_holes;
	range->max_holes = HGPU_SVM_HOLES;
	err = mmu_interval_notifier_insert_locked(&range->notifier, svms->mm,
						  span->first << PAGE_SHIFT,
						  (span->last - span->first + 1) << PAGE_SHIFT,
						  &hgpu_svm_notifier_ops);
	if (err) {
		kfree(range);
		return ERR_PTR(err);
	}
	svms->num_ranges++;
	hgpu_svm_allow_pages(svms, U8_MAX, span->first, span->last);
	trace_hgpu_svm_range_new(svms->pid, span->first, span->last);
	return range;
}

/*
 * Stop watching and free. Not in the tree any more; whatever the GPU has
 * mapped there is either watched by another range or was invalidated.
 */
static void range_free(struct hgpu_svm_range *range)
{
	struct hgpu_svms *svms = range->svms;

	lockdep_assert_held(&svms->lock);

	svms->num_ranges--;
	trace_hgpu_svm_range_free(svms->pid, range->it.start, range->it.last);
	mmu_interval_notifier_remove(&range->notifier);
	mutex_lock(&svms->notifier_lock);
	list_del_init(&range->unmap_link);
	list_del_init(&range->missing_link);
	mutex_unlock(&svms->notifier_lock);
	if (range->holes != range->few_holes)
		kfree(range->holes);
	kfree(range);
}

/**
 * hgpu_svm_range_drop_locked() - a range is no more
 * @range: in the tree; it is freed. The GPUs have nothing of it mapped, and it
 *	is charged no longer
 *
 * Context: &hgpu_svms.lock is held.
 */
void hgpu_svm_range_drop_locked(struct hgpu_svm_range *range)
{
	interval_tree_remove(&range->it, &range->svms->ranges);
	range_free(range);
}

/* The range that is exactly @span, if there is one. */
static struct hgpu_svm_range *range_match(struct hgpu_svms *svms,
					  const struct hgpu_svm_span *span)
{
	struct hgpu_svm_range *range;

	range = hgpu_svm_range_first(svms, span->first, span->first);
	if (range && range->it.start == span->first &&
	    range->it.last == span->last)
		return range;
	return NULL;
}

static int replace(struct hgpu_svms *svms, u64 first, u64 last,
		   const struct hgpu_svm_span *spans, unsigned int n)
{
	struct hgpu_svm_range **fresh, *range, *next;
	LIST_HEAD(doomed);
	unsigned int i;
	int err = 0;

	hgpu_svms_assert_write_locked(svms);

	fresh = kvcalloc(max(n, 1u), sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return -ENOMEM;

	for (i = 0; i < n; i++) {
		if (range_match(svms, &spans[i]))
			continue;
		range = range_new(svms, &spans[i]);
		if (IS_ERR(range)) {
			err = PTR_ERR(range);
			goto err_free_fresh;
		}
		fresh[i] = range;
		cond_resched();
	}

	/* Nothing fails from here on. */
	for (i = 0; i < n; i++) {
		range = range_match(svms, &spans[i]);
		if (range)
			range->attrs = spans[i].attrs;
		else
			hgpu_svm_inherit(fresh[i]);
	}
	i = 0;
	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = next) {
		next = hgpu_svm_range_next(range, first, last);
		while (i < n && spans[i].first < range->it.start)
			i++;
		if (i < n && spans[i].first == range->it.start &&
		    spans[i].last == range->it.last)
			continue;
		interval_tree_remove(&range->it, &svms->ranges);
		list_add_tail(&range->doomed, &doomed);
	}
	for (i = 0; i < n; i++)
		if (fresh[i])
			interval_tree_insert(&fresh[i]->it, &svms->ranges);
	list_for_each_entry_safe(range, next, &doomed, doomed)
		range_free(range);
	kvfree(fresh);
	return 0;

err_free_fresh:
	while (i--)
		if (fresh[i])
			range_free(fresh[i]);
	kvfree(fresh);
	return err;
}

/**
 * hgpu_svm_replace_locked() - have exactly these ranges in a stretch
 * @svms: the process's
 * @first: first page of the stretch; no range reaches beyond it on either side
 * @last: last page, inclusive
 * @spans: what shall be there, sorted
 * @n: how many
 *
 * A range that stays as it is keeps its identity and takes the attributes.
 *
 * Context: mmap_lock (written) and &hgpu_svms.lock are held.
 * Return: 0; or -ENOMEM and nothing has changed.
 */
int hgpu_svm_replace_locked(struct hgpu_svms *svms, u64 first, u64 last,
			    const struct hgpu_svm_span *spans, unsigned int n)
{
	u64 before, after = 0;
	unsigned int i;
	int err;

	if (svms->xnack)
		return replace(svms, first, last, spans, n);

	before = hgpu_svm_count_pages(svms, first, last);
	for (i = 0; i < n; i++)
		after += spans[i].last - spans[i].first + 1;
	if (after > before) {
		err = hgpu_svm_charge(svms, after - before);
		if (err)
			return err;
	}
	err = replace(svms, first, last, spans, n);
	if (err && after > before)
		hgpu_svm_uncharge(svms, after - before);
	else if (!err && after < before)
		hgpu_svm_uncharge(svms, before - after);
	return err;
}

/**
 * hgpu_svm_collect_locked() - ranges of a stretch as spans
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 * @n: how many; not 0 on success with a non-NULL result
 *
 * Context: &hgpu_svms.lock is held.
 * Return: an array for kvfree(), NULL if there are none, ERR_PTR(-ENOMEM).
 */
struct hgpu_svm_span *hgpu_svm_collect_locked(struct hgpu_svms *svms, u64 first,
					      u64 last, unsigned int *n)
{
	struct hgpu_svm_range *range;
	struct hgpu_svm_span *spans;
	unsigned int i = 0;

	lockdep_assert_held(&svms->lock);

	*n = 0;
	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last))
		(*n)++;
	if (!*n)
		return NULL;

	spans = kvmalloc_array(*n, sizeof(*spans), GFP_KERNEL);
	if (!spans)
		return ERR_PTR(-ENOMEM);
	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last))
		spans[i++] = (struct hgpu_svm_span) {
			range->it.start, range->it.last, range->attrs,
		};
	return spans;
}

/* KFD's rule for memory that nobody registered: the granule, clipped. */
static struct hgpu_svm_span unregistered_span(struct hgpu_svms *svms,
					      struct vm_area_struct *vma,
					      u64 page)
{
	u64 size = 1ull << HGPU_SVM_DEFAULT_GRANULARITY;
	struct interval_tree_node *node;
	struct rb_node *prev;
	struct hgpu_svm_span span = {
		.first = max(ALIGN_DOWN(page, size),
			     (u64)vma->vm_start >> PAGE_SHIFT),
		.last = min(ALIGN(page + 1, size),
			    (u64)vma->vm_end >> PAGE_SHIFT) - 1,
		.attrs = hgpu_svm_default_attrs(svms),
	};

	node = interval_tree_iter_first(&svms->ranges, page + 1, ULONG_MAX);
	if (node)
		span.last = min(span.last, (u64)node->start - 1);
	prev = node ? rb_prev(&node->rb) : rb_last(&svms->ranges.rb_root);
	if (prev) {
		node = rb_entry(prev, struct interval_tree_node, rb);
		span.first = max(span.first, (u64)node->last + 1);
	}

	/* The CPU uses heap and stack all the time. */
	if (vma_is_initial_heap(vma) || vma_is_initial_stack(vma))
		span.attrs.preferred_loc = KFD_IOCTL_SVM_LOCATION_SYSMEM;
	return span;
}

/* As KFD: what buffers have at their GPU addresses, or as their own memory. */
static bool belongs_to_buffer(struct hgpu_process *process, u64 first, u64 last)
{
	return hgpu_process_va_is_bo(process, first, last) ||
	       hgpu_process_va_is_userptr(process, first, last);
}

/**
 * hgpu_svm_range_create_locked() - a range for memory that nobody registered
 * @svms: the process's
 * @vma: where the page is
 * @page: touched by a GPU; no range covers it
 *
 * Context: mmap_lock (written) and &hgpu_svms.lock are held.
 * Return: the range; ERR_PTR: -EADDRINUSE if the page belongs to a buffer of
 * ALLOC_MEMORY, -EACCES if the process has HGPU_SVM_MAX_RANGES, -ENOMEM.
 */
struct hgpu_svm_range *hgpu_svm_range_create_locked(struct hgpu_svms *svms,
						    struct vm_area_struct *vma,
						    u64 page)
{
	struct hgpu_process *process = container_of(svms, struct hgpu_process,
						    svms);
	struct hgpu_svm_span span = unregistered_span(svms, vma, page);
	struct hgpu_svm_range *range;

	hgpu_svms_assert_write_locked(svms);

	/*
	 * ALLOC publishes its addresses first and asks for ranges then, for
	 * which it needs our lock: one of two that race sees the other.
	 */
	if (belongs_to_buffer(process, page, page))
		return ERR_PTR(-EADDRINUSE);
	/* For good, unlike -ENOMEM. */
	if (svms->num_ranges >= HGPU_SVM_MAX_RANGES)
		return ERR_PTR(-EACCES);
	if (belongs_to_buffer(process, span.first, span.last)) {
		span.first = page;
		span.last = page;
	}

	range = range_new(svms, &span);
	if (!IS_ERR(range))
		interval_tree_insert(&range->it, &svms->ranges);
	return range;
}

/**
 * hgpu_svm_ranges_free() - free all ranges
 * @svms: dead; its GPUs are gone
 *
 * Context: process context, may sleep; takes &hgpu_svms.lock.
 */
void hgpu_svm_ranges_free(struct hgpu_svms *svms)
{
	struct hgpu_svm_range *range;

	mutex_lock(&svms->lock);
	if (!svms->xnack)
		hgpu_svm_uncharge(svms, hgpu_svm_count_pages(svms, 0, ULONG_MAX));
	WARN_ON_ONCE(svms->charged);
	while ((range = hgpu_svm_range_first(svms, 0, ULONG_MAX)))
		hgpu_svm_range_drop_locked(range);
	mutex_unlock(&svms->lock);
}
