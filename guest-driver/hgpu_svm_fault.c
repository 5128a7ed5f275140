// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU faults: from a report to the replayed access.
 *
 * Nothing depends on a single report of an access that waits: the device repeats
 * those that are dropped, or put off because there was no memory just then. That
 * a queue has halted it says only once.
 */
#include <drm/drm_print.h>
#include <linux/kfd_ioctl.h>
#include <linux/sched/mm.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* As KFD: nothing of the process runs on this GPU any more. */
static void raise_exception(struct hgpu_svms *svms,
			    const struct hgpu_svm_fault *fault)
{
	struct hgpu_process *process =
		container_of(svms, struct hgpu_process, svms);
	const struct hgpu_svm_gpu *gpu = &svms->gpus[fault->gpu];
	struct kfd_hsa_memory_exception_data what = {
		.failure = hgpu_svm_failure(svms, fault),
		.va = fault->page << PAGE_SHIFT,
		.gpu_id = gpu->hdev->gpu_id,
	};

	lockdep_assert_held(&svms->lock);
	hgpu_process_device_evict(process->devices[fault->gpu]);
	hgpu_kfd_event_memory(process, &what);
	hgpu_smi_vm_fault(gpu->hdev, svms->pid, gpu->task, gpu->comm);
}

/* A queue has halted. */
static void handle_noretry(struct hgpu_svms *svms,
			   const struct hgpu_svm_fault *fault)
{
	struct hgpu_device *hdev;

	mutex_lock(&svms->lock);
	hdev = svms->gpus[fault->gpu].hdev;
	if (hdev) {
		raise_exception(svms, fault);
		hgpu_stat_inc(hdev, gpu_faults_noretry);
		dev_notice_ratelimited(hdev->drm.dev,
				       "pid %d: GPU %s of %#llx: all its queues are stopped for good\n",
				       svms->pid,
				       fault->flags & HGPU_SVM_FAULT_WRITE ?
				       "write" : "read",
				       fault->page << PAGE_SHIFT);
	}
	mutex_unlock(&svms->lock);
}

/* Is there nothing to do any more? */
static bool is_resolved(struct hgpu_svms *svms,
			const struct hgpu_svm_fault *fault)
{
	u64 need = HGPU_PTE_VALID | HGPU_PTE_READABLE;
	u64 pte;

	if (hgpu_svm_is_stale(svms, fault))
		return true;

	/* A neighbour's fault has brought this page, too. */
	pte = hgpu_svm_read_pte(svms, fault->gpu, fault->page);
	if (fault->flags & HGPU_SVM_FAULT_WRITE)
		need |= HGPU_PTE_WRITEABLE;
	return (pte & need) == need;
}

static int check_permission(const struct hgpu_svm_range *range,
			    const struct vm_area_struct *vma,
			    const struct hgpu_svm_fault *fault)
{
	if (!(vma->vm_flags & VM_READ) ||
	    vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
		return -EPERM;
	if (fault->flags & HGPU_SVM_FAULT_WRITE &&
	    (!(vma->vm_flags & VM_WRITE) ||
	     range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_RO))
		return -EROFS;
	return 0;
}

enum where {
	TO_GPU,
	TO_RAM,
	AS_IT_IS,	/* but not where it cannot be reached */
	NOWHERE,
};

/* KFD's rule for XNACK on. @to: the faulting GPU, in; where to, out */
static enum where best_place(struct hgpu_svms *svms,
			     const struct hgpu_svm_attrs *attrs,
			     unsigned int *to)
{
	unsigned int gpu = *to;
	int preferred;

	if (attrs->preferred_loc == KFD_IOCTL_SVM_LOCATION_SYSMEM)
		return TO_RAM;
	preferred = hgpu_svm_gpu_by_id(svms, attrs->preferred_loc);
	if (preferred >= 0 && hgpu_hive_same(svms->gpus[gpu].hdev,
					     svms->gpus[preferred].hdev)) {
		*to = preferred;
		return TO_GPU;
	}
	if (attrs->access & BIT(gpu))
		return TO_GPU;
	if (attrs->in_place & BIT(gpu))
		return AS_IT_IS;
	return NOWHERE;
}

/**
 * struct resolution - a fault being resolved
 * @svms: the process's
 * @fault: the fault
 * @range: covers it
 * @vma: likewise
 * @first: first page of the granule, within range and VMA
 * @last: last page, inclusive
 * @where: it shall go there
 * @to: index of the GPU, if to one
 * @full: VRAM is full
 * @migrated: it was to move, for events
 * @mapped: what became of the page
 */
struct resolution {
	struct hgpu_svms *svms;
	const struct hgpu_svm_fault *fault;
	struct hgpu_svm_range *range;
	struct vm_area_struct *vma;
	u64 first;
	u64 last;
	enum where where;
	unsigned int to;
	bool full;
	bool migrated;
	struct hgpu_svm_mapped mapped;
};

static void find_granule(struct resolution *r)
{
	u64 page = r->fault->page;
	u64 size = 1ull << min_t(u8, r->range->attrs.granularity, 40);

	r->first = max3(ALIGN_DOWN(page, size), (u64)r->range->it.start,
			(u64)r->vma->vm_start >> PAGE_SHIFT);
	r->last = min3(ALIGN_DOWN(page, size) + size - 1,
		       (u64)r->range->it.last,
		       ((u64)r->vma->vm_end >> PAGE_SHIFT) - 1);
}

/* Failing is no failure: the access works wherever the memory is. */
static void migrate(struct resolution *r)
{
	struct hgpu_svms *svms = r->svms;
	unsigned long start = r->first << PAGE_SHIFT;
	unsigned long end = (r->last + 1) << PAGE_SHIFT;
	int stay = r->where == TO_RAM ? -1 : r->to;

	if (r->where == AS_IT_IS &&
	    !hgpu_svm_is_foreign(svms, r->to, r->first, r->last))
		return;
	if (hgpu_svm_leave_gpus(r->range, stay, r->vma, start, end,
				KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU))
		r->migrated = true;
	if (r->where != TO_GPU)
		return;
	r->migrated = true;
	r->full = hgpu_svm_migrate_to_vram(r->range, svms->gpus[r->to].hdev,
					   r->vma, start, end,
					   KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU) ==
		  -ENOSPC;
}

static int map(struct resolution *r, u32 more_flags)
{
	u64 page = r->fault->page;
	u64 block = ALIGN_DOWN(page, (u64)HGPU_GRANULE_PAGES);
	u32 flags = HGPU_SVM_MAP_FAULT | more_flags;

	if (r->fault->flags & HGPU_SVM_FAULT_WRITE)
		flags |= HGPU_SVM_MAP_WRITE;
	r->mapped = (struct hgpu_svm_mapped) { .page = page };
	return hgpu_svm_map(r->svms, r->range, r->vma, r->fault->gpu,
			    max(r->first, block),
			    min(r->last, block + HGPU_GRANULE_PAGES - 1),
			    flags, &r->mapped);
}

/* The rest of a granule that is larger than a block: what has been moved. */
static void map_rest(struct resolution *r)
{
	u64 block = ALIGN_DOWN(r->fault->page, (u64)HGPU_GRANULE_PAGES);
	u64 after = block + HGPU_GRANULE_PAGES;
	struct hgpu_svm_mapped none = { .page = U64_MAX };

	if (r->first < block)
		hgpu_svm_map(r->svms, r->range, r->vma, r->fault->gpu,
			     r->first, block - 1, 0, &none);
	if (r->last >= after)
		hgpu_svm_map(r->svms, r->range, r->vma, r->fault->gpu,
			     after, r->last, 0, &none);
}

/*
 * Move and map. A page that could not be moved because it was swapped out, or
 * that a child shares, is present and alone once it has been mapped: then it
 * is tried once more.
 */
static int resolve(struct resolution *r)
{
	bool write = r->fault->flags & HGPU_SVM_FAULT_WRITE;
	int err;

	find_granule(r);
	migrate(r);
	err = map(r, 0);
	if (err)
		return err;

	if (!r->mapped.ok && write && r->mapped.vram &&
	    !(r->range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_RO)) {
		/* Shared with a child: copied on write in system memory. */
		err = map(r, HGPU_SVM_MAP_HOME);
		if (err)
			return err;
	}
	if (r->mapped.ok && r->where == TO_GPU && !r->mapped.vram &&
	    r->mapped.migratable && !r->full) {
		migrate(r);
		err = map(r, 0);
		if (err)
			return err;
	}
	if (!r->mapped.ok)	/* who may do what was asked before */
		return -EFAULT;
	map_rest(r);
	return 0;
}

/*
 * The VMA allows the access, yet the page cannot be had. hmm_range_fault() has
 * one error for all reasons: is there no such page (the file ends before it,
 * it cannot be read back), or no memory, or no DMA address at the moment?
 */
static int why_absent(const struct resolution *r)
{
	unsigned int flags = r->fault->flags & HGPU_SVM_FAULT_WRITE ?
			     FAULT_FLAG_WRITE : 0;
	int err = fixup_user_fault(r->svms->mm, r->fault->page << PAGE_SHIFT,
				   flags, NULL);

	return err ?: -EAGAIN;
}

static int handle_in_range(struct hgpu_svms *svms,
			   const struct hgpu_svm_fault *fault,
			   struct hgpu_svm_range *range)
{
	struct hgpu_device *hdev = svms->gpus[fault->gpu].hdev;
	struct resolution r = {
		.svms = svms,
		.fault = fault,
		.range = range,
		.vma = vma_lookup(svms->mm, fault->page << PAGE_SHIFT),
		.to = fault->gpu,
	};
	int err;

	if (!r.vma)
		return -EFAULT;
	err = check_permission(range, r.vma, fault);
	if (err)
		return err;

	r.where = best_place(svms, &range->attrs, &r.to);
	if (r.where == NOWHERE)
		return -EACCES;
	hgpu_smi_fault_start(hdev, svms->pid, fault->id, fault->page,
			     fault->flags & HGPU_SVM_FAULT_WRITE);
	err = resolve(&r);
	hgpu_smi_fault_end(hdev, svms->pid, fault->id, fault->page, r.migrated);
	return err == -EFAULT ? why_absent(&r) : err;
}

static struct hgpu_svm_range *find_range(struct hgpu_svms *svms, u64 page)
{
	struct hgpu_svm_range *range = hgpu_svm_range_first(svms, page, page);

	if (range && hgpu_svm_range_has_hole(range, page))
		return NULL;
	return range;
}

/*
 * Nobody has registered this memory. Takes the locks again to make a range
 * for it, with mmap_lock as a writer, and returns as it was called. NULL: nobody
 * waits for it any more.
 */
static struct hgpu_svm_range *make_range(struct hgpu_svms *svms, u64 page)
{
	struct hgpu_svm_range *range;
	struct vm_area_struct *vma;

	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
	mmap_write_lock(svms->mm);
	mutex_lock(&svms->lock);

	hgpu_svm_settle_unmaps_locked(svms);
	range = find_range(svms, page);
	/* The mode changes when there is no queue. Off, ranges are charged for. */
	if (!range && svms->xnack) {
		vma = vma_lookup(svms->mm, page << PAGE_SHIFT);
		if (!vma)
			range = ERR_PTR(-EFAULT);
		else if (vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP))
			range = ERR_PTR(-EPERM);
		else
			range = hgpu_svm_range_create_locked(svms, vma, page);
	}
	mmap_write_downgrade(svms->mm);
	return range;
}

static void conclude(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault,
		     int err)
{
	struct hgpu_device *hdev = svms->gpus[fault->gpu].hdev;

	switch (err) {
	case 0:
		hgpu_svm_allow(svms, fault);
		break;
	case -EFAULT:
	case -EPERM:
	case -EROFS:
	case -EACCES:
	case -EADDRINUSE:
		hgpu_svm_deny(svms, fault, err);
		break;
	default:
		/* The device will report it again. */
		hgpu_stat_inc(hdev, gpu_faults_failed);
		drm_err_ratelimited(&hdev->drm,
				    "pid %d: GPU fault at %#llx put off (%d)\n",
				    svms->pid, fault->page << PAGE_SHIFT, err);
	}
}

/* XNACK is off: what is right is mapped, but for what hgpu_svm_hold_page() says. */
static void handle_unexpected(struct hgpu_svms *svms,
			      const struct hgpu_svm_fault *fault)
{
	struct vm_area_struct *vma = vma_lookup(svms->mm,
						fault->page << PAGE_SHIFT);
	struct hgpu_svm_range *range = find_range(svms, fault->page);
	int err;

	err = vma && range ? check_permission(range, vma, fault) : -EFAULT;
	if (!err && !hgpu_svm_hold_page(range, vma, fault->gpu, fault->page))
		err = -EFAULT;
	if (err)
		conclude(svms, fault, err);
}

static void handle_retry(struct hgpu_svms *svms, struct hgpu_svm_fault *fault)
{
	struct hgpu_svm_range *range;
	struct hgpu_device *hdev;
	int err;

	mmap_read_lock(svms->mm);
	mutex_lock(&svms->lock);
	hdev = svms->gpus[fault->gpu].hdev;
	if (READ_ONCE(svms->dead) || !hdev || !svms->gpus[fault->gpu].vm)
		goto out_unlock;

	hgpu_svm_fault_date(fault, hgpu_gpu_timestamp(hdev));
	if (is_resolved(svms, fault)) {
		hgpu_stat_inc(hdev, gpu_faults_filtered);
		trace_hgpu_svm_fault_filtered(svms->pid, fault, 0);
		goto out_unlock;
	}

	if (!svms->xnack) {
		handle_unexpected(svms, fault);
		goto out_unlock;
	}

	hgpu_stat_inc(hdev, gpu_faults);
	range = find_range(svms, fault->page);
	if (!range) {
		range = make_range(svms, fault->page);
		/* It dropped the lock. */
		if (READ_ONCE(svms->dead) || !svms->gpus[fault->gpu].vm || !range)
			goto out_unlock;
	}
	svms->fault_id = fault->id;
	err = IS_ERR(range) ? PTR_ERR(range) :
			      handle_in_range(svms, fault, range);
	trace_hgpu_svm_fault_done(svms->pid, fault, err);

	conclude(svms, fault, err);
	svms->fault_id = 0;

out_unlock:
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
}

/* One report. False: there was none. */
static bool handle_next(struct hgpu_svms *svms)
{
	struct hgpu_svm_fault fault;

	if (!hgpu_svm_fault_pop(svms, &fault))
		return false;
	if (fault.flags & HGPU_SVM_FAULT_NORETRY)
		handle_noretry(svms, &fault);
	else
		handle_retry(svms, &fault);
	return true;
}

/**
 * hgpu_svm_fault_work() - handle what is queued
 * @work: &hgpu_svms.fault_work
 */
void hgpu_svm_fault_work(struct work_struct *work)
{
	struct hgpu_svms *svms = container_of(work, struct hgpu_svms,
					      fault_work);
	bool more = true;

	/*
	 * An exiting process has no queue that could wait. The reference is for
	 * one report: queues that always have another one would keep a killed
	 * process, and so themselves, alive.
	 */
	while (more && !READ_ONCE(svms->dead) && mmget_not_zero(svms->mm)) {
		more = handle_next(svms);
		/* exit_mmap() would wait for this very work item. */
		mmput_async(svms->mm);
		cond_resched();
	}
}
