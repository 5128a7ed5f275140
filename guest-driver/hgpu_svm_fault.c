// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU faults: from the interrupt ring to the replayed access.
 *
 * The interrupt thread queues and filters, a work item of the process handles.
 * Nothing depends on a report: the device repeats those that are dropped.
 *
 * An access that must fail gets a no-retry PTE, which halts its queue; but a
 * report may be older than the state of things that it is judged by (the
 * access was replayed, then the memory unmapped). So the first report of a
 * wrong access is only noted down. One that the device makes later than that
 * is of an access that is still parked.
 */
#include <drm/drm_print.h>
#include <linux/kfd_ioctl.h>
#include <linux/sched/mm.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* Reports carry the low 48 bits of the GPU clock. */
static bool reported_since(const struct hgpu_svm_fault *fault, u64 clock)
{
	/* Shifted, both wrap alike. */
	return (s64)((fault->timestamp - clock) << 16) >= 0;
}

/* ---- enqueue ---- */

static struct hgpu_svm_fault decode(const struct hgpu_iv *iv)
{
	struct hgpu_svm_fault fault = {
		.timestamp = iv->timestamp,
		.page = iv->src_data[0] |
			(u64)FIELD_GET(HGPU_IH_FAULT_DATA1__ADDR_HI,
				       iv->src_data[1]) << 32,
	};

	if (iv->src_data[1] & HGPU_IH_FAULT_DATA1__WRITE)
		fault.flags |= HGPU_SVM_FAULT_WRITE;
	if (!(iv->src_data[1] & HGPU_IH_FAULT_DATA1__RETRY))
		fault.flags |= HGPU_SVM_FAULT_NORETRY;
	return fault;
}

/* Queue it unless it is there already, or there is no room. */
static bool queue_fault(struct hgpu_svms *svms,
			const struct hgpu_svm_fault *fault)
{
	bool queued = false;
	u32 i;

	spin_lock(&svms->fault_lock);
	for (i = 0; i < svms->fault_count; i++) {
		struct hgpu_svm_fault *f =
			&svms->faults[(svms->fault_head + i) % HGPU_SVM_FAULTS];

		if (f->page == fault->page && f->gpu == fault->gpu &&
		    f->flags == fault->flags) {
			f->timestamp = fault->timestamp;
			goto out_unlock;
		}
	}
	if (svms->fault_count < HGPU_SVM_FAULTS) {
		i = (svms->fault_head + svms->fault_count) % HGPU_SVM_FAULTS;
		svms->faults[i] = *fault;
		svms->fault_count++;
		queued = true;
	}
out_unlock:
	spin_unlock(&svms->fault_lock);
	return queued;
}

void hgpu_svm_fault_enqueue(struct hgpu_device *hdev, const struct hgpu_iv *iv,
			    void *data)
{
	struct hgpu_svm_fault fault = decode(iv);
	struct hgpu_process_device *pdd;
	struct hgpu_process *process;

	if (!iv->vmid) {
		drm_err_ratelimited(&hdev->drm,
				    "kernel SDMA ring: %s fault at %#llx\n",
				    fault.flags & HGPU_SVM_FAULT_WRITE ?
				    "write" : "read", fault.page << PAGE_SHIFT);
		return;
	}

	process = hgpu_process_get_by_pasid(iv->pasid);
	pdd = process ? hgpu_process_device(process, hdev) : NULL;
	if (pdd) {
		fault.gpu = pdd->index;
		trace_hgpu_svm_fault(process->svms.pid, &fault);
		if (queue_fault(&process->svms, &fault))
			queue_work(hgpu_svm_wq, &process->svms.fault_work);
		else
			hgpu_stat_inc(hdev, gpu_faults_filtered);
	} else {
		hgpu_stat_inc(hdev, gpu_faults_filtered);
	}
	hgpu_process_put(process);
}

static bool pop_fault(struct hgpu_svms *svms, struct hgpu_svm_fault *fault)
{
	bool any;

	spin_lock(&svms->fault_lock);
	any = svms->fault_count;
	if (any) {
		*fault = svms->faults[svms->fault_head];
		svms->fault_head = (svms->fault_head + 1) % HGPU_SVM_FAULTS;
		svms->fault_count--;
	}
	spin_unlock(&svms->fault_lock);
	return any;
}

/* ---- accesses that are wrong ---- */

static struct hgpu_svm_denial *find_denial(struct hgpu_svms *svms,
					   const struct hgpu_svm_fault *fault)
{
	unsigned int i;

	for (i = 0; i < HGPU_SVM_DENIALS; i++)
		if (svms->denials[i].page == fault->page &&
		    svms->denials[i].gpu == fault->gpu)
			return &svms->denials[i];
	return NULL;
}

static void drop_denial(struct hgpu_svms *svms, struct hgpu_svm_denial *denial)
{
	if (denial->page == U64_MAX)
		return;
	if (denial->poisoned)
		hgpu_svm_unpoison(svms, denial->gpu, denial->page);
	denial->page = U64_MAX;
	denial->poisoned = false;
}

static void deny(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault,
		 int why)
{
	struct hgpu_device *hdev = svms->gpus[fault->gpu].hdev;
	struct hgpu_svm_denial *denial = find_denial(svms, fault);

	if (!denial) {
		denial = &svms->denials[svms->denial_next];
		svms->denial_next = (svms->denial_next + 1) % HGPU_SVM_DENIALS;
		drop_denial(svms, denial);
		denial->page = fault->page;
		denial->gpu = fault->gpu;
		denial->since = hgpu_gpu_timestamp(hdev);
		hgpu_svm_replay(svms, fault->gpu);
		return;
	}
	if (denial->poisoned || !reported_since(fault, denial->since))
		return;

	trace_hgpu_svm_deny(svms->pid, fault, why);
	dev_notice_ratelimited(hdev->drm.dev,
			       "pid %d: GPU %s of %#llx denied (%d)\n",
			       svms->pid,
			       fault->flags & HGPU_SVM_FAULT_WRITE ?
			       "write" : "read",
			       fault->page << PAGE_SHIFT, why);
	hgpu_stat_inc(hdev, gpu_faults_failed);
	if (!hgpu_svm_poison(svms, fault->gpu, fault->page))
		denial->poisoned = true;
}

/* The queue has halted. The page may be mapped, and used, by others later. */
static void handle_noretry(struct hgpu_svms *svms,
			   const struct hgpu_svm_fault *fault)
{
	struct hgpu_svm_denial *denial;
	struct hgpu_device *hdev;

	mutex_lock(&svms->lock);
	hdev = svms->gpus[fault->gpu].hdev;
	if (hdev) {
		hgpu_stat_inc(hdev, gpu_faults_noretry);
		dev_notice_ratelimited(hdev->drm.dev,
				       "pid %d: queue halted by GPU %s of %#llx\n",
				       svms->pid,
				       fault->flags & HGPU_SVM_FAULT_WRITE ?
				       "write" : "read",
				       fault->page << PAGE_SHIFT);
		denial = find_denial(svms, fault);
		if (denial)
			drop_denial(svms, denial);
	}
	mutex_unlock(&svms->lock);
}

/* ---- accesses that are right ---- */

/* Is there nothing to do any more? */
static bool is_resolved(struct hgpu_svms *svms,
			const struct hgpu_svm_fault *fault)
{
	u64 need = HGPU_PTE_VALID | HGPU_PTE_READABLE;
	u64 pte;

	/* An access that is still parked has been reported again since. */
	if (!reported_since(fault, svms->gpus[fault->gpu].replayed))
		return true;

	/* A neighbour's fault has brought this page, too. */
	pte = hgpu_svm_read_pte(svms, fault->gpu, fault->page);
	if (fault->flags & HGPU_SVM_FAULT_WRITE)
		need |= HGPU_PTE_WRITEABLE;
	return (pte & need) == need;
}

static bool vma_allows(struct vm_area_struct *vma,
		       const struct hgpu_svm_fault *fault)
{
	vm_flags_t need = VM_READ;

	if (fault->flags & HGPU_SVM_FAULT_WRITE)
		need |= VM_WRITE;
	return (vma->vm_flags & need) == need &&
	       !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP));
}

enum where {
	TO_THIS_GPU,
	TO_RAM,
	AS_IT_IS,
	NOWHERE,
};

/* KFD's rule for XNACK on. */
static enum where best_place(struct hgpu_svms *svms,
			     const struct hgpu_svm_attrs *attrs,
			     unsigned int gpu)
{
	if (attrs->preferred_loc == svms->gpus[gpu].hdev->gpu_id)
		return TO_THIS_GPU;
	if (attrs->preferred_loc == KFD_IOCTL_SVM_LOCATION_SYSMEM)
		return TO_RAM;
	if (attrs->access & BIT(gpu))
		return TO_THIS_GPU;
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
 * @full: VRAM is full
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
	bool full;
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
	int gpu = r->where == TO_THIS_GPU ? r->fault->gpu : -1;

	if (r->where == AS_IT_IS)
		return;
	hgpu_svm_leave_gpus(svms, gpu, r->vma, start, end);
	if (gpu >= 0)
		r->full = hgpu_svm_migrate_to_vram(svms, svms->gpus[gpu].hdev,
						   r->vma, start, end,
						   hgpu_svm_granule(&r->range->attrs)) ==
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
	if (r->mapped.ok && r->where == TO_THIS_GPU && !r->mapped.vram &&
	    r->mapped.migratable && !r->full) {
		migrate(r);
		err = map(r, 0);
		if (err)
			return err;
	}
	if (!r->mapped.ok)
		return write ? -EPERM : -EFAULT;
	map_rest(r);
	return 0;
}

static int handle_in_range(struct hgpu_svms *svms,
			   const struct hgpu_svm_fault *fault,
			   struct hgpu_svm_range *range)
{
	struct resolution r = {
		.svms = svms,
		.fault = fault,
		.range = range,
		.vma = vma_lookup(svms->mm, fault->page << PAGE_SHIFT),
	};

	if (!r.vma)
		return -EFAULT;
	if (!vma_allows(r.vma, fault))
		return -EPERM;
	if ((fault->flags & HGPU_SVM_FAULT_WRITE) &&
	    (range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_RO))
		return -EPERM;

	r.where = best_place(svms, &range->attrs, fault->gpu);
	if (r.where == NOWHERE)
		return -EACCES;
	return resolve(&r);
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
 * for it, with mmap_lock as a writer, and returns as it was called.
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
	if (!range) {
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

static void handle_retry(struct hgpu_svms *svms,
			 const struct hgpu_svm_fault *fault)
{
	struct hgpu_svm_denial *denial;
	struct hgpu_svm_range *range;
	struct hgpu_device *hdev;
	int err;

	mmap_read_lock(svms->mm);
	mutex_lock(&svms->lock);
	hdev = svms->gpus[fault->gpu].hdev;
	if (READ_ONCE(svms->dead) || !hdev || !svms->gpus[fault->gpu].vm)
		goto out_unlock;

	if (is_resolved(svms, fault)) {
		hgpu_stat_inc(hdev, gpu_faults_filtered);
		goto out_unlock;
	}

	hgpu_stat_inc(hdev, gpu_faults);
	range = find_range(svms, fault->page);
	if (!range) {
		range = make_range(svms, fault->page);
		/* It dropped the lock. */
		if (READ_ONCE(svms->dead) || !svms->gpus[fault->gpu].vm)
			goto out_unlock;
	}
	err = IS_ERR(range) ? PTR_ERR(range) :
			      handle_in_range(svms, fault, range);
	trace_hgpu_svm_fault_done(svms->pid, fault, err);

	switch (err) {
	case 0:
		denial = find_denial(svms, fault);
		if (denial)
			drop_denial(svms, denial);
		break;
	case -EFAULT:
	case -EPERM:
	case -EACCES:
	case -EADDRINUSE:
		deny(svms, fault, err);
		break;
	default:
		/* The device will report it again. */
		hgpu_stat_inc(hdev, gpu_faults_failed);
		drm_err_ratelimited(&hdev->drm,
				    "pid %d: GPU fault at %#llx put off (%d)\n",
				    svms->pid, fault->page << PAGE_SHIFT, err);
	}

out_unlock:
	mutex_unlock(&svms->lock);
	mmap_read_unlock(svms->mm);
}

/**
 * hgpu_svm_fault_work() - handle what is queued
 * @work: &hgpu_svms.fault_work
 */
void hgpu_svm_fault_work(struct work_struct *work)
{
	struct hgpu_svms *svms = container_of(work, struct hgpu_svms,
					      fault_work);
	struct hgpu_svm_fault fault;

	/* An exiting process has no queue that could wait. */
	if (READ_ONCE(svms->dead) || !mmget_not_zero(svms->mm))
		return;
	while (pop_fault(svms, &fault)) {
		if (fault.flags & HGPU_SVM_FAULT_NORETRY)
			handle_noretry(svms, &fault);
		else
			handle_retry(svms, &fault);
		cond_resched();
	}
	/* exit_mmap() would wait for this very work item. */
	mmput_async(svms->mm);
}
