// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's SVM ioctl: attributes of address ranges. Semantics are amdkfd's of
 * Linux 6.12.
 */
#include <linux/kfd_ioctl.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
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

/* Do GPUs have to look again? */
static bool changes_mapping(const struct attr_set *set)
{
	return sets(set, KFD_IOCTL_SVM_ATTR_ACCESS) ||
	       sets(set, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE) ||
	       sets(set, KFD_IOCTL_SVM_ATTR_NO_ACCESS) ||
	       sets(set, KFD_IOCTL_SVM_ATTR_SET_FLAGS) ||
	       sets(set, KFD_IOCTL_SVM_ATTR_CLR_FLAGS);
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

/* Put new attributes into effect on the ranges. */
static int change_ranges(struct hgpu_svms *svms, u64 first, u64 last,
			 const struct attr_set *set)
{
	struct hgpu_svm_change change = {
		.first = first,
		.last = last,
		.cap = svms->range_cap,
		.defaults = hgpu_svm_default_attrs(svms),
		.apply = apply_attrs,
		.data = set,
	};
	struct hgpu_svm_span *old, *new;
	unsigned int n_old, n;
	int err;

	old = hgpu_svm_collect_locked(svms, first, last, &n_old);
	if (IS_ERR(old))
		return PTR_ERR(old);

	/* The first is less exact, but does not take a step a range. */
	err = -ENOMEM;
	if ((last - first) / svms->range_cap > HGPU_SVM_MAX_RANGES)
		goto out_free;
	n = hgpu_svm_plan_change(old, n_old, &change, NULL);
	if (svms->num_ranges - n_old + n > HGPU_SVM_MAX_RANGES)
		goto out_free;
	new = kvmalloc_array(n, sizeof(*new), GFP_KERNEL);
	if (!new)
		goto out_free;
	hgpu_svm_plan_change(old, n_old, &change, new);
	err = hgpu_svm_replace_locked(svms, new[0].first, new[n - 1].last,
				      new, n);
	kvfree(new);
out_free:
	kvfree(old);
	return err;
}

/* ---- prefetch and mapping ---- */

/* Which GPUs are to have the range mapped right now? KFD's rule, XNACK on. */
static u8 gpus_to_map(const struct hgpu_svm_attrs *attrs, int prefetch_gpu)
{
	u8 gpus = attrs->in_place;

	if (prefetch_gpu >= 0)
		gpus |= attrs->access & BIT(prefetch_gpu);
	if (!gpus && (attrs->flags & KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED))
		gpus = attrs->access;
	return gpus;
}

/* Map one VMA's part of a range; what cannot be mapped will fault. */
static void map_now(struct hgpu_svms *svms, struct hgpu_svm_range *range,
		    struct vm_area_struct *vma, u8 gpus, u64 first, u64 last)
{
	struct hgpu_svm_mapped none = { .page = U64_MAX };
	u32 flags = 0;
	unsigned int gpu;

	if (!(vma->vm_flags & VM_READ))
		return;
	if (range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED) {
		flags = HGPU_SVM_MAP_FAULT;
		if (vma->vm_flags & VM_WRITE)
			flags |= HGPU_SVM_MAP_WRITE;
	}
	for (gpu = 0; gpu < HGPU_SVM_MAX_GPUS; gpu++)
		if ((gpus & BIT(gpu)) && svms->gpus[gpu].vm)
			hgpu_svm_map(svms, range, vma, gpu, first, last, flags,
				     &none);
}

static int prefetch_vma(struct hgpu_svms *svms, struct hgpu_svm_range *range,
			struct vm_area_struct *vma, int gpu, u64 first,
			u64 last)
{
	unsigned long start = first << PAGE_SHIFT;
	unsigned long end = (last + 1) << PAGE_SHIFT;
	int err;

	err = hgpu_svm_leave_gpus(range, gpu, vma, start, end,
				  KFD_MIGRATE_TRIGGER_PREFETCH);
	if (err < 0)
		return err;
	/* As in KFD, memory that does not fit simply stays where it is. */
	if (gpu >= 0)
		hgpu_svm_migrate_to_vram(range, svms->gpus[gpu].hdev, vma,
					 start, end,
					 KFD_MIGRATE_TRIGGER_PREFETCH);
	return 0;
}

/* Bits of the GPUs that do not reach one's VRAM. */
static u8 strangers(struct hgpu_svms *svms, unsigned int gpu)
{
	unsigned int i;
	u8 gpus = 0;

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if (svms->gpus[i].hdev &&
		    !hgpu_hive_same(svms->gpus[i].hdev, svms->gpus[gpu].hdev))
			gpus |= BIT(i);
	return gpus;
}

/* Carry out what new attributes ask for, on one range. */
static int settle_range(struct hgpu_svms *svms, struct hgpu_svm_range *range,
			u64 first, u64 last, const struct attr_set *set)
{
	bool prefetch = sets(set, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC);
	int gpu = -1, err = 0;
	u8 gpus;

	if (prefetch && range->attrs.prefetch_loc) {
		gpu = hgpu_svm_gpu_by_id(svms, range->attrs.prefetch_loc);
		if (gpu < 0)
			return -EINVAL;
		/* Memory that other GPUs use in place stays reachable. */
		if (range->attrs.in_place & strangers(svms, gpu))
			gpu = -1;
	}

	first = max_t(u64, first, range->it.start);
	last = min_t(u64, last, range->it.last);
	gpus = gpus_to_map(&range->attrs, gpu);
	while (first <= last && !err) {
		struct vm_area_struct *vma = vma_lookup(svms->mm,
							first << PAGE_SHIFT);
		u64 vma_last;

		if (!vma)
			return -EFAULT;
		vma_last = min(last, ((u64)vma->vm_end >> PAGE_SHIFT) - 1);
		if (prefetch)
			err = prefetch_vma(svms, range, vma, gpu, first,
					   vma_last);
		if (!err && gpus && (gpu >= 0 || changes_mapping(set)))
			map_now(svms, range, vma, gpus, first, vma_last);
		first = vma_last + 1;
	}
	return err;
}

static int settle(struct hgpu_svms *svms, u64 first, u64 last,
		  const struct attr_set *set)
{
	struct hgpu_svm_range *range;
	int err = 0, ret;

	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last)) {
		ret = settle_range(svms, range, first, last, set);
		if (ret && !err)
			err = ret;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return err;
}

/* ---- the ioctls ---- */

static int check_set_attr(struct hgpu_svms *svms, u64 first, u64 last,
			  const struct attr_set *set)
{
	int err;

	if (svms->dead || !has_vm(svms))
		return -EINVAL;
	err = check_attrs(set);
	if (err)
		return err;
	return check_vmas(svms->mm, first, last);
}

int hgpu_svm_set_attr(struct hgpu_svms *svms, u64 start, u64 size, u32 nattr,
		      const struct kfd_ioctl_svm_attribute *attrs)
{
	struct hgpu_process *process = container_of(svms, struct hgpu_process,
						    svms);
	struct attr_set set = { svms, nattr, attrs };
	u64 first, last;
	int err;

	err = check_span(start, size, &first, &last);
	if (err)
		return err;

	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);
	err = check_set_attr(svms, first, last, &set);
	if (err)
		goto err_unlock;

	hgpu_svm_settle_unmaps_locked(svms);
	if (hgpu_process_va_is_bo(process, first, last)) {
		err = -EADDRINUSE;
		goto err_unlock;
	}
	err = change_ranges(svms, first, last, &set);
	if (err)
		goto err_unlock;
	if (changes_mapping(&set))
		hgpu_svm_zap(svms, first, last);

	mmap_write_downgrade(svms->mm);
	err = settle(svms, first, last, &set);
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
	return err;

err_unlock:
	mutex_unlock(&svms->lock);
	mmap_write_unlock(svms->mm);
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

static int fill_access(struct hgpu_svms *svms, const struct common *c,
		       struct kfd_ioctl_svm_attribute *attr)
{
	int gpu = hgpu_svm_gpu_by_id(svms, attr->value);

	if (gpu < 0)
		return gpu;
	if (c->attrs.access & BIT(gpu))
		attr->type = KFD_IOCTL_SVM_ATTR_ACCESS;
	else if (c->attrs.in_place & BIT(gpu))
		attr->type = KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE;
	else
		attr->type = KFD_IOCTL_SVM_ATTR_NO_ACCESS;
	return 0;
}

static int fill_attr(struct hgpu_svms *svms, const struct common *c,
		     struct kfd_ioctl_svm_attribute *attr)
{
	switch (attr->type) {
	case KFD_IOCTL_SVM_ATTR_PREFERRED_LOC:
		attr->value = c->attrs.preferred_loc;
		return 0;
	case KFD_IOCTL_SVM_ATTR_PREFETCH_LOC:
		attr->value = c->attrs.prefetch_loc;
		return 0;
	case KFD_IOCTL_SVM_ATTR_ACCESS:
		return fill_access(svms, c, attr);
	case KFD_IOCTL_SVM_ATTR_SET_FLAGS:
		attr->value = c->attrs.flags;
		return 0;
	case KFD_IOCTL_SVM_ATTR_CLR_FLAGS:
		attr->value = ~c->flags_any;
		return 0;
	case KFD_IOCTL_SVM_ATTR_GRANULARITY:
		attr->value = c->attrs.granularity;
		return 0;
	default:
		return -EINVAL;
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

int hgpu_svm_get_attr(struct hgpu_svms *svms, u64 start, u64 size, u32 nattr,
		      struct kfd_ioctl_svm_attribute *attrs)
{
	struct hgpu_svm_range *range;
	struct common common = { };
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

	err = check_vmas(svms->mm, first, last);
	if (err)
		goto out_unlock;

	for (range = hgpu_svm_range_first(svms, first, last); range;
	     range = hgpu_svm_range_next(range, first, last))
		add_common(&common, &range->attrs);
	if (!common.any) {
		struct hgpu_svm_attrs defaults = hgpu_svm_default_attrs(svms);

		add_common(&common, &defaults);
	}
	for (i = 0; i < nattr && !err; i++)
		err = fill_attr(svms, &common, &attrs[i]);

out_unlock:
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
	return err;
}
