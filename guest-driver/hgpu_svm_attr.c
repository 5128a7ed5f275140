// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's SVM ioctl: attributes of address ranges. Semantics are amdkfd's of
 * Linux 6.12.
 */
#include <linux/kfd_ioctl.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"

#define HGPU_SVM_MAX_GRANULARITY	0x3f

/**
 * hgpu_svm_gpu_by_id() - index of a GPU
 * @svms: the process's
 * @gpu_id: KFD's
 *
 * Context: &hgpu_svms.lock is held.
 * Return: the index or -EINVAL.
 */
int hgpu_svm_gpu_by_id(struct hgpu_svms *svms, u32 gpu_id)
{
	int i;

	lockdep_assert_held(&svms->lock);
	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if (svms->gpus[i].hdev && svms->gpus[i].hdev->gpu_id == gpu_id)
			return i;
	return -EINVAL;
}

/**
 * struct attr_set - attributes that are being set
 * @svms: the process's
 * @nattr: how many
 * @attrs: checked
 */
struct attr_set {
	struct hgpu_svms *svms;
	u32 nattr;
	const struct kfd_ioctl_svm_attribute *attrs;
};

static bool is_gpu(struct hgpu_svms *svms, u32 gpu_id)
{
	return hgpu_svm_gpu_by_id(svms, gpu_id) >= 0;
}

static int check_attrs(const struct attr_set *set)
{
	u32 i;

	for (i = 0; i < set->nattr; i++) {
		u32 value = set->attrs[i].value;

		switch (set->attrs[i].type) {
		case KFD_IOCTL_SVM_ATTR_PREFERRED_LOC:
			if (value != KFD_IOCTL_SVM_LOCATION_SYSMEM &&
			    value != KFD_IOCTL_SVM_LOCATION_UNDEFINED &&
			    !is_gpu(set->svms, value))
				return -EINVAL;
			break;
		case KFD_IOCTL_SVM_ATTR_PREFETCH_LOC:
			if (value != KFD_IOCTL_SVM_LOCATION_SYSMEM &&
			    !is_gpu(set->svms, value))
				return -EINVAL;
			break;
		case KFD_IOCTL_SVM_ATTR_ACCESS:
		case KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE:
		case KFD_IOCTL_SVM_ATTR_NO_ACCESS:
			if (!is_gpu(set->svms, value))
				return -EINVAL;
			break;
		case KFD_IOCTL_SVM_ATTR_SET_FLAGS:
		case KFD_IOCTL_SVM_ATTR_CLR_FLAGS:
		case KFD_IOCTL_SVM_ATTR_GRANULARITY:
			break;
		default:
			return -EINVAL;
		}
	}
	return 0;
}

static void apply_access(struct hgpu_svm_attrs *to, u32 type, unsigned int gpu)
{
	to->access &= ~BIT(gpu);
	to->in_place &= ~BIT(gpu);
	if (type == KFD_IOCTL_SVM_ATTR_ACCESS)
		to->access |= BIT(gpu);
	else if (type == KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE)
		to->in_place |= BIT(gpu);
}

static void apply_attrs(struct hgpu_svm_attrs *to, const void *data)
{
	const struct attr_set *set = data;
	u32 i;

	for (i = 0; i < set->nattr; i++) {
		u32 type = set->attrs[i].type, value = set->attrs[i].value;

		switch (type) {
		case KFD_IOCTL_SVM_ATTR_PREFERRED_LOC:
			to->preferred_loc = value;
			break;
		case KFD_IOCTL_SVM_ATTR_PREFETCH_LOC:
			to->prefetch_loc = value;
			break;
		case KFD_IOCTL_SVM_ATTR_SET_FLAGS:
			to->flags |= value;
			break;
		case KFD_IOCTL_SVM_ATTR_CLR_FLAGS:
			to->flags &= ~value;
			break;
		case KFD_IOCTL_SVM_ATTR_GRANULARITY:
			to->granularity = min(value, HGPU_SVM_MAX_GRANULARITY);
			break;
		default:
			apply_access(to, type,
				     hgpu_svm_gpu_by_id(set->svms, value));
		}
	}
}

static bool sets(const struct attr_set *set, u32 type)
{
	u32 i;

	for (i = 0; i < set->nattr; i++)
		if (set->attrs[i].type == type)
			return true;
	return false;
}

/* Page numbers of a stretch, or why it is none. */
static int check_span(u64 start, u64 size, u64 *first, u64 *last)
{
	u64 end;

	if (!start || !size || !PAGE_ALIGNED(start) || !PAGE_ALIGNED(size))
		return -EINVAL;
	if (check_add_overflow(start, size - 1, &end))
		return -EOVERFLOW;
	*first = start >> PAGE_SHIFT;
	*last = end >> PAGE_SHIFT;
	return *last < HGPU_VM_PAGES ? 0 : -EFAULT;
}

/* Is there memory everywhere, and none of it a device's? */
static int check_vmas(struct mm_struct *mm, u64 first, u64 last)
{
	unsigned long addr = first << PAGE_SHIFT;
	unsigned long end = (last + 1) << PAGE_SHIFT;
	struct vm_area_struct *vma;

	mmap_assert_locked(mm);
	for (; addr < end; addr = vma->vm_end) {
		vma = vma_lookup(mm, addr);
		if (!vma || (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP)))
			return -EFAULT;
	}
	return 0;
}

static bool has_vm(struct hgpu_svms *svms)
{
	unsigned int i;

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if (svms->gpus[i].vm)
			return true;
	return false;
}

/* Put new attributes into effect on the ranges. Fills @changed.was, for kvfree() */
static int change_ranges(struct hgpu_svms *svms, const struct attr_set *set,
			 struct hgpu_svm_changed *changed)
{
	struct hgpu_svm_change change = {
		.first = changed->first,
		.last = changed->last,
		.cap = svms->range_cap,
		.defaults = hgpu_svm_default_attrs(svms),
		.apply = apply_attrs,
		.data = set,
	};
	struct hgpu_svm_span *old, *new;
	unsigned int n;
	int err;

	old = hgpu_svm_collect_locked(svms, change.first, change.last,
				      &changed->n);
	if (IS_ERR(old))
		return PTR_ERR(old);
	changed->was = old;

	/* The first is less exact, but does not take a step a range. */
	if ((change.last - change.first) / svms->range_cap >
	    HGPU_SVM_MAX_RANGES)
		return -ENOMEM;
	n = hgpu_svm_plan_change(old, changed->n, &change, NULL);
	if (svms->num_ranges - changed->n + n > HGPU_SVM_MAX_RANGES)
		return -ENOMEM;
	new = kvmalloc_array(n, sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	hgpu_svm_plan_change(old, changed->n, &change, new);
	err = hgpu_svm_replace_locked(svms, new[0].first, new[n - 1].last,
				      new, n);
	kvfree(new);
	return err;
}

/* ---- the ioctls ---- */

/* May SVM have this stretch? What munmap() took has been settled. */
static int check_place(struct hgpu_svms *svms, u64 first, u64 last)
{
	struct hgpu_process *process = container_of(svms, struct hgpu_process,
						    svms);
	int err = check_vmas(svms->mm, first, last);

	if (err)
		return err;
	return hgpu_process_va_is_bo(process, first, last) ? -EADDRINUSE : 0;
}

static int check_set_attr(struct hgpu_svms *svms, const struct attr_set *set)
{
	if (svms->dead || !has_vm(svms))
		return -EINVAL;
	return check_attrs(set);
}

int hgpu_svm_set_attr(struct hgpu_svms *svms, u64 start, u64 size, u32 nattr,
		      const struct kfd_ioctl_svm_attribute *attrs)
{
	struct attr_set set = { svms, nattr, attrs };
	struct hgpu_svm_changed changed = {
		.prefetch = sets(&set, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC),
	};
	int err;

	err = check_span(start, size, &changed.first, &changed.last);
	if (err)
		return err;

	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	err = check_set_attr(svms, &set);
	if (!err) {
		hgpu_svm_settle_unmaps_locked(svms);
		err = check_place(svms, changed.first, changed.last) ?:
		      change_ranges(svms, &set, &changed);
	}
	mmap_write_downgrade(svms->mm);
	if (!err)
		err = hgpu_svm_settle(svms, &changed);
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
	kvfree(changed.was);
	return err;
}

/* What all of a stretch has in common. */
struct common {
	struct hgpu_svm_attrs attrs;
	u32 flags_any;
	bool any;
};

static void add_common(struct common *c, const struct hgpu_svm_attrs *attrs)
{
	if (!c->any) {
		c->attrs = *attrs;
		c->flags_any = attrs->flags;
		c->any = true;
		return;
	}
	if (c->attrs.preferred_loc != attrs->preferred_loc)
		c->attrs.preferred_loc = KFD_IOCTL_SVM_LOCATION_UNDEFINED;
	if (c->attrs.prefetch_loc != attrs->prefetch_loc)
		c->attrs.prefetch_loc = KFD_IOCTL_SVM_LOCATION_UNDEFINED;
	c->attrs.flags &= attrs->flags;
	c->flags_any |= attrs->flags;
	c->attrs.access &= attrs->access;
	c->attrs.in_place &= attrs->in_place;
	c->attrs.granularity = min(c->attrs.granularity, attrs->granularity);
}

static void fill_access(const struct common *c, unsigned int gpu,
			struct kfd_ioctl_svm_attribute *attr)
{
	if (c->attrs.access & BIT(gpu))
		attr->type = KFD_IOCTL_SVM_ATTR_ACCESS;
	else if (c->attrs.in_place & BIT(gpu))
		attr->type = KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE;
	else
		attr->type = KFD_IOCTL_SVM_ATTR_NO_ACCESS;
}

/* Can all of this be asked for? */
static int check_get_attr(struct hgpu_svms *svms, u32 nattr,
			  const struct kfd_ioctl_svm_attribute *attrs)
{
	u32 i;

	for (i = 0; i < nattr; i++) {
		switch (attrs[i].type) {
		case KFD_IOCTL_SVM_ATTR_PREFERRED_LOC:
		case KFD_IOCTL_SVM_ATTR_PREFETCH_LOC:
		case KFD_IOCTL_SVM_ATTR_SET_FLAGS:
		case KFD_IOCTL_SVM_ATTR_CLR_FLAGS:
		case KFD_IOCTL_SVM_ATTR_GRANULARITY:
			break;
		case KFD_IOCTL_SVM_ATTR_ACCESS:
			if (is_gpu(svms, attrs[i].value))
				break;
			fallthrough;
		default:
			return -EINVAL;
		}
	}
	return 0;
}

/* One attribute; it has been checked. */
static void fill_attr(struct hgpu_svms *svms, const struct common *c,
		      struct kfd_ioctl_svm_attribute *attr)
{
	switch (attr->type) {
	case KFD_IOCTL_SVM_ATTR_PREFERRED_LOC:
		attr->value = c->attrs.preferred_loc;
		break;
	case KFD_IOCTL_SVM_ATTR_PREFETCH_LOC:
		attr->value = c->attrs.prefetch_loc;
		break;
	case KFD_IOCTL_SVM_ATTR_ACCESS:
		fill_access(c, hgpu_svm_gpu_by_id(svms, attr->value), attr);
		break;
	case KFD_IOCTL_SVM_ATTR_SET_FLAGS:
		attr->value = c->attrs.flags;
		break;
	case KFD_IOCTL_SVM_ATTR_CLR_FLAGS:
		attr->value = ~c->flags_any;
		break;
	case KFD_IOCTL_SVM_ATTR_GRANULARITY:
		attr->value = c->attrs.granularity;
		break;
	}
}

static bool unmaps_pending(struct hgpu_svms *svms)
{
	bool pending;

	mutex_lock(&svms->notifier_lock);
	pending = !list_empty(&svms->unmapped);
	mutex_unlock(&svms->notifier_lock);
	return pending;
}

/* What the ranges of a stretch have in common; the defaults without any. */
static struct common find_common(struct hgpu_svms *svms, u64 first, u64 last)
{
	struct hgpu_svm_range *range;
	struct common common = { };

	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last))
		add_common(&common, &range->attrs);
	if (!common.any) {
		struct hgpu_svm_attrs defaults = hgpu_svm_default_attrs(svms);

		add_common(&common, &defaults);
	}
	return common;
}

int hgpu_svm_get_attr(struct hgpu_svms *svms, u64 start, u64 size, u32 nattr,
		      struct kfd_ioctl_svm_attribute *attrs)
{
	struct common common;
	u64 first, last;
	int err;
	u32 i;

	err = check_span(start, size, &first, &last);
	if (err)
		return err;

	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	if (unmaps_pending(svms))
		hgpu_svm_settle_unmaps_locked(svms);
	mmap_write_downgrade(svms->mm);

	err = check_place(svms, first, last) ?:
	      check_get_attr(svms, nattr, attrs);
	if (!err) {
		common = find_common(svms, first, last);
		for (i = 0; i < nattr; i++)
			fill_attr(svms, &common, &attrs[i]);
	}
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
	return err;
}

/**
 * hgpu_svm_overlaps() - is any of this shared memory with attributes?
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * For ALLOC_MEMORY, which must keep away from it. What was unmapped before the
 * call is none any more: allocators use an address again at once.
 *
 * Context: process context, may sleep; takes mmap_lock (written) and
 * &hgpu_svms.lock.
 * Return: true if a range overlaps.
 */
bool hgpu_svm_overlaps(struct hgpu_svms *svms, u64 first, u64 last)
{
	bool overlaps;

	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	hgpu_svm_settle_unmaps_locked(svms);
	overlaps = hgpu_svm_range_first(svms, first, last);
	mutex_unlock(&svms->lock);
	mmap_write_unlock(svms->mm);
	return overlaps;
}

/**
 * hgpu_svm_always_mapped() - is all of this memory a GPU's at any time?
 * @svms: the process's
 * @gpu: index of the GPU
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: as hgpu_svm_overlaps().
 * Return: true if it is registered so.
 */
bool hgpu_svm_always_mapped(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			    u64 last)
{
	struct hgpu_svm_range *range;
	u64 page = first;

	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	hgpu_svm_settle_unmaps_locked(svms);
	while (page <= last) {
		range = hgpu_svm_range_first(svms, page, page);
		if (!range ||
		    !(range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED) ||
		    !((range->attrs.access | range->attrs.in_place) & BIT(gpu)))
			break;
		page = range->it.last + 1;
	}
	mutex_unlock(&svms->lock);
	mmap_write_unlock(svms->mm);
	return page > last;
}
