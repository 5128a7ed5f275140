// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making anonymous memory present before a prefetch moves it, as KFD does if the
 * CPU is to have access to it, too (HOST_ACCESS). Swapped out it would not move,
 * and what was never touched would be filled in VRAM.
 */
#include <linux/hmm.h>
#include <linux/kfd_ioctl.h>
#include <linux/sched/signal.h>

#include "hgpu_svm_priv.h"

/**
 * hgpu_svm_populate_request() - what pages must be before a prefetch moves them
 * @range: covers them
 * @vma: likewise
 *
 * Context: process context; mmap_lock and &hgpu_svms.lock are held.
 * Return: HMM_PFN_REQ_*; 0: nothing, they are taken as they are.
 */
unsigned long hgpu_svm_populate_request(const struct hgpu_svm_range *range,
					struct vm_area_struct *vma)
{
	unsigned long request = HMM_PFN_REQ_FAULT;

	if (!(range->attrs.flags & KFD_IOCTL_SVM_FLAG_HOST_ACCESS) ||
	    !vma_is_anonymous(vma) || !(vma->vm_flags & VM_READ))
		return 0;
	if (vma->vm_flags & VM_WRITE)
		request |= HMM_PFN_REQ_WRITE;
	return request;
}

/**
 * hgpu_svm_is_wanting() - does a page lack something?
 * @pfn: from hmm_range_fault(); if that may be out of date, so is the answer
 * @request: what it shall have: HMM_PFN_REQ_*
 *
 * Context: any.
 * Return: true if it does. In VRAM it lacks nothing.
 */
bool hgpu_svm_is_wanting(unsigned long pfn, unsigned long request)
{
	if ((request & HMM_PFN_REQ_FAULT) && !(pfn & HMM_PFN_VALID))
		return true;
	return (request & HMM_PFN_REQ_WRITE) && !(pfn & HMM_PFN_WRITE) &&
	       !is_device_private_page(hmm_pfn_to_page(pfn));
}

/* Look pages up, until nothing changes in between or for too long. */
static int find_patiently(struct hgpu_svm_range *range,
			  struct hgpu_device *hdev, u64 first, u32 n,
			  unsigned long *pfns, unsigned long request)
{
	unsigned long timeout = jiffies +
				msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	struct hmm_range hmm = {
		.notifier = &range->notifier,
		.start = first << PAGE_SHIFT,
		.end = (first + n) << PAGE_SHIFT,
		.hmm_pfns = pfns,
		.default_flags = request,
		.dev_private_owner = hgpu_hive_owner(hdev),
	};
	int err;

	do {
		hmm.notifier_seq = mmu_interval_read_begin(hmm.notifier);
		err = hmm_range_fault(&hmm);
		cond_resched();
	} while (err == -EBUSY && !time_after(jiffies, timeout));
	return err;
}

/*
 * By stretches of pages that want something: from the first of them on
 * hmm_range_fault() has all that follow faulted in, those in VRAM too.
 */
static int populate_block(struct hgpu_svm_range *range,
			  struct hgpu_device *hdev, u64 first, u32 n,
			  unsigned long request)
{
	unsigned long *pfns = range->svms->scratch->pfns;
	u32 i, start = 0;
	int err;

	memset(pfns, 0, n * sizeof(*pfns));
	err = find_patiently(range, hdev, first, n, pfns, 0);
	for (i = 0; i <= n && !err; i++) {
		if (i < n && hgpu_svm_is_wanting(pfns[i], request))
			continue;
		if (start < i)
			err = find_patiently(range, hdev, first + start,
					     i - start, pfns + start, request);
		start = i + 1;
	}
	return err;
}

/**
 * hgpu_svm_populate() - have all pages of anonymous memory
 * @range: covers the pages
 * @vma: likewise
 * @hdev: pages in the VRAM of this GPU and its hive are left there
 * @start: first address, page-aligned
 * @end: last address + 1; there may be none
 * @request: from hgpu_svm_populate_request(); 0: nothing is done
 *
 * Pages that lack something are in system memory afterwards: never touched
 * before, read from swap, or copied, where a child shares them. What cannot be had
 * is left as it is.
 *
 * Context: process context, may sleep and fault pages in; mmap_lock (read) and
 * &hgpu_svms.lock are held, no migration and no folio lock.
 */
void hgpu_svm_populate(struct hgpu_svm_range *range,
		       struct vm_area_struct *vma, struct hgpu_device *hdev,
		       unsigned long start, unsigned long end,
		       unsigned long request)
{
	u64 first = start >> PAGE_SHIFT, after = end >> PAGE_SHIFT;
	u64 t0 = local_clock();
	u32 n;

	lockdep_assert_held(&range->svms->lock);
	mmap_assert_locked(range->svms->mm);

	if (!request)
		return;
	for (; first < after && !fatal_signal_pending(current); first += n) {
		n = min(HGPU_GRANULE_PAGES - (first % HGPU_GRANULE_PAGES),
			after - first);
		if (populate_block(range, hdev, first, n, request))
			break;
	}
	hgpu_stat_add(hdev, migrate_core_mm_ns, local_clock() - t0);
}
