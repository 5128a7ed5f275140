// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPU accesses that must fail.
 *
 * Such an access gets a no-retry PTE ("poison"), as in amdgpu: when it is
 * walked again its queue halts. But a report may be older than the state of
 * things that it is judged by (the access was replayed, then the memory
 * unmapped). So the first report of a wrong access is only noted down. One
 * that the device makes later than that is of an access that is still parked.
 *
 * A poison is gone with the next invalidation of its page, and a later report
 * brings it back. Once it has halted a queue none of the process runs on that
 * GPU any more, only virgl contexts do. It must not outlive what it was meant for: the end of a
 * queue of the process, a new range, the GPU's leaving, or HGPU_SVM_DENIALS
 * later ones lift it.
 */
#include <drm/drm_print.h>
#include <linux/kfd_ioctl.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

#define HGPU_SVM_NO_DENIAL	((struct hgpu_svm_denial) { .page = U64_MAX })

/**
 * hgpu_svm_denials_init() - nothing is denied
 * @svms: the process's
 */
void hgpu_svm_denials_init(struct hgpu_svms *svms)
{
	unsigned int i;

	for (i = 0; i < HGPU_SVM_DENIALS; i++)
		svms->denials[i] = HGPU_SVM_NO_DENIAL;
}

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
	if (denial->poisoned)
		hgpu_svm_unpoison(svms, denial->gpu, denial->page,
				  denial->was);
	*denial = HGPU_SVM_NO_DENIAL;
}

static void note_denial(struct hgpu_svms *svms,
			const struct hgpu_svm_fault *fault)
{
	struct hgpu_svm_denial *denial = &svms->denials[svms->denial_next];

	svms->denial_next = (svms->denial_next + 1) % HGPU_SVM_DENIALS;
	drop_denial(svms, denial);
	*denial = (struct hgpu_svm_denial) {
		.page = fault->page,
		.gpu = fault->gpu,
		.since = hgpu_gpu_timestamp(svms->gpus[fault->gpu].hdev),
	};
	hgpu_svm_replay(svms, fault->gpu);
}

/* The entry allowed reading, and so does what made the access wrong. */
static bool is_read_only(const struct hgpu_svm_fault *fault)
{
	return (fault->prot & (HGPU_IH_FAULT_RING__VALID | HGPU_IH_FAULT_RING__WRITE)) ==
	       HGPU_IH_FAULT_RING__WRITE;
}

/**
 * hgpu_svm_failure() - what is wrong with an access that has halted a queue
 * @svms: the process's
 * @fault: its report
 *
 * If it was denied, what halted the queue is an entry that says nothing.
 *
 * Context: process context; &hgpu_svms.lock is held.
 * Return: for user space.
 */
struct kfd_memory_exception_failure
hgpu_svm_failure(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault)
{
	const struct hgpu_svm_denial *denial = find_denial(svms, fault);
	struct kfd_memory_exception_failure failure = { };

	lockdep_assert_held(&svms->lock);
	if (denial && denial->poisoned) {
		failure.NotPresent = !denial->read_only;
		failure.ReadOnly = denial->read_only;
	} else {
		failure.NotPresent = !!(fault->prot & HGPU_IH_FAULT_RING__VALID);
		failure.ReadOnly = !!(fault->prot & HGPU_IH_FAULT_RING__WRITE);
	}
	return failure;
}

/**
 * hgpu_svm_deny() - an access is wrong
 * @svms: the process's
 * @fault: its report
 * @why: error for the log; -EROFS: a write to memory that can be read
 *
 * Context: process context, may sleep; &hgpu_svms.lock is held.
 */
void hgpu_svm_deny(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault,
		   int why)
{
	struct hgpu_device *hdev = svms->gpus[fault->gpu].hdev;
	struct hgpu_svm_denial *denial = find_denial(svms, fault);

	lockdep_assert_held(&svms->lock);

	if (!denial) {
		note_denial(svms, fault);
		return;
	}
	if (!hgpu_svm_reported_since(fault, denial->since))
		return;

	trace_hgpu_svm_deny(svms->pid, fault, why);
	dev_notice_ratelimited(hdev->drm.dev,
			       "pid %d: GPU %s of %#llx denied (%d)\n",
			       svms->pid,
			       fault->flags & HGPU_SVM_FAULT_WRITE ?
			       "write" : "read",
			       fault->page << PAGE_SHIFT, why);
	hgpu_stat_inc(hdev, gpu_faults_failed);
	if (denial->poisoned)
		hgpu_svm_unpoison(svms, fault->gpu, fault->page, denial->was);
	denial->poisoned = false;
	if (hgpu_svm_poison(svms, fault->gpu, fault->page, &denial->was))
		return;
	denial->poisoned = true;
	denial->read_only = why == -EROFS || is_read_only(fault);
	/* A retry report after this: the poison was gone before it worked. */
	denial->since = hgpu_gpu_timestamp(hdev);
}

/**
 * hgpu_svm_allow() - an access is right
 * @svms: the process's
 * @fault: its report
 *
 * Context: process context; &hgpu_svms.lock is held.
 */
void hgpu_svm_allow(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault)
{
	struct hgpu_svm_denial *denial = find_denial(svms, fault);

	lockdep_assert_held(&svms->lock);
	if (denial)
		drop_denial(svms, denial);
}

/**
 * hgpu_svm_allow_pages() - what was denied may be right now
 * @svms: the process's
 * @gpus: bits of GPUs
 * @first: first page
 * @last: last page, inclusive
 *
 * An access that is wrong still is reported, and judged, again.
 *
 * Context: process context; &hgpu_svms.lock is held.
 */
void hgpu_svm_allow_pages(struct hgpu_svms *svms, u8 gpus, u64 first, u64 last)
{
	struct hgpu_svm_denial *denial;

	lockdep_assert_held(&svms->lock);
	for (denial = svms->denials;
	     denial < svms->denials + HGPU_SVM_DENIALS; denial++)
		if (denial->page != U64_MAX && (gpus & BIT(denial->gpu)) &&
		    denial->page >= first && denial->page <= last)
			drop_denial(svms, denial);
}

void hgpu_svm_queue_gone(struct hgpu_svms *svms, unsigned int gpu)
{
	mutex_lock(&svms->lock);
	hgpu_svm_allow_pages(svms, BIT(gpu), 0, U64_MAX - 1);
	mutex_unlock(&svms->lock);
}
