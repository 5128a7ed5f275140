// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of GPU faults: from the interrupt thread to the work item, and
 * which of them are of yesterday.
 *
 * A parked access is reported again and again. So one report may be read when
 * the access has long gone through, even when the CPU has fetched the page
 * back since: acting on it would move memory that nobody waits for. Mapping a
 * block replays what is parked, therefore a report that is older than the last
 * mapping of its very page says nothing. It says so of no other page: the
 * device does not report those anew for our sake (SPEC 5).
 *
 * Nor does a report say anything that is older than the last munmap() of its
 * page. It is about the memory that was there, and by now there may be other
 * memory, which nobody waits for. An access that is parked still is reported
 * anew: that is about what is there now.
 */
#include <drm/drm_print.h>
#include <kunit/visibility.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/**
 * hgpu_svm_fault_date() - complete a report's time, of which it has 48 bits
 * @fault: the report; at most 32 days old
 * @now: hgpu_gpu_timestamp() of its GPU
 *
 * Moments that it will be compared with may be older than that.
 *
 * Context: any.
 */
void hgpu_svm_fault_date(struct hgpu_svm_fault *fault, u64 now)
{
	fault->timestamp = now - ((now - fault->timestamp) & GENMASK_ULL(47, 0));
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_fault_date);

/**
 * hgpu_svm_reported_since() - compare a report with a moment
 * @fault: the report, after hgpu_svm_fault_date()
 * @clock: hgpu_gpu_timestamp() of the moment
 *
 * Context: any.
 * Return: true if the report was made then or later.
 */
bool hgpu_svm_reported_since(const struct hgpu_svm_fault *fault, u64 clock)
{
	return fault->timestamp >= clock;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_reported_since);

/* ---- from the interrupt ring ---- */

static struct hgpu_svm_fault decode(const struct hgpu_iv *iv)
{
	struct hgpu_svm_fault fault = {
		.timestamp = iv->timestamp,
		.id = iv->id,
		.prot = iv->ring_id,
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

static struct hgpu_svm_fault *queued_fault(struct hgpu_svms *svms, u32 i)
{
	return &svms->faults[(svms->fault_head + i) % HGPU_SVM_FAULTS];
}

/* A retry fault will be reported again: its place can be had, the newest one's first. */
static struct hgpu_svm_fault *give_place(struct hgpu_svms *svms)
{
	u32 i;

	for (i = svms->fault_count; i--;)
		if (!(queued_fault(svms, i)->flags & HGPU_SVM_FAULT_NORETRY))
			return queued_fault(svms, i);
	return NULL;
}

/**
 * hgpu_svm_fault_push() - queue a report
 * @svms: the process's
 * @fault: the report
 *
 * Not if it is there already, or there is no room. A no-retry report comes only
 * once: it takes a retry report's place.
 *
 * Context: any but interrupts.
 * Return: true if it has been queued.
 */
bool hgpu_svm_fault_push(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault)
{
	struct hgpu_svm_fault *place = NULL;
	bool queued;
	u32 i;

	spin_lock(&svms->fault_lock);
	for (i = 0; i < svms->fault_count; i++) {
		struct hgpu_svm_fault *f = queued_fault(svms, i);

		if (f->page == fault->page && f->gpu == fault->gpu &&
		    f->flags == fault->flags) {
			f->timestamp = fault->timestamp;
			f->prot = fault->prot;
			spin_unlock(&svms->fault_lock);
			return false;
		}
	}
	if (svms->fault_count < HGPU_SVM_FAULTS)
		place = queued_fault(svms, svms->fault_count++);
	else if (fault->flags & HGPU_SVM_FAULT_NORETRY)
		place = give_place(svms);
	queued = place;
	if (queued)
		*place = *fault;
	spin_unlock(&svms->fault_lock);
	return queued;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_fault_push);

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
		if (hgpu_svm_fault_push(&process->svms, &fault))
			queue_work(hgpu_svm_wq, &process->svms.fault_work);
		else
			hgpu_stat_inc(hdev, gpu_faults_filtered);
	} else {
		hgpu_stat_inc(hdev, gpu_faults_filtered);
	}
	hgpu_process_put(process);
}

/**
 * hgpu_svm_fault_pop() - take the oldest report
 * @svms: the process's
 * @fault: the report
 *
 * Context: process context.
 * Return: false if there is none.
 */
bool hgpu_svm_fault_pop(struct hgpu_svms *svms, struct hgpu_svm_fault *fault)
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
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_fault_pop);

/* ---- what has been resolved ---- */

static struct hgpu_svm_resolved *find_resolved(struct hgpu_svms *svms,
					       unsigned int gpu, u64 block)
{
	unsigned int i;

	for (i = 0; i < HGPU_SVM_RESOLVED; i++)
		if (svms->resolved[i].gpu == gpu &&
		    svms->resolved[i].block == block)
			return &svms->resolved[i];
	return NULL;
}

/* An entry for the block: its own, or in place of the oldest. */
static struct hgpu_svm_resolved *get_resolved(struct hgpu_svms *svms,
					      unsigned int gpu, u64 block)
{
	struct hgpu_svm_resolved *r = find_resolved(svms, gpu, block);

	if (!r) {
		r = &svms->resolved[svms->resolved_next];
		svms->resolved_next = (svms->resolved_next + 1) %
				      HGPU_SVM_RESOLVED;
	}
	return r;
}

/**
 * hgpu_svm_note_resolved() - pages were mapped, parked accesses replayed
 * @svms: the process's
 * @gpu: index of the GPU
 * @first: first page
 * @n: how many, within one aligned HGPU_GRANULE_PAGES
 * @ptes: the entries, as written
 * @when: hgpu_gpu_timestamp() after the TLB flush; nothing has been unmapped since
 *
 * Context: process context; &hgpu_svms.lock is held.
 */
void hgpu_svm_note_resolved(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			    u32 n, const u64 *ptes, u64 when)
{
	u32 i, start = first % HGPU_GRANULE_PAGES;
	struct hgpu_svm_resolved *r = get_resolved(svms, gpu, first - start);

	lockdep_assert_held(&svms->lock);

	r->gpu = gpu;
	r->block = first - start;
	r->when = when;
	bitmap_zero(r->readable, HGPU_GRANULE_PAGES);
	bitmap_zero(r->writeable, HGPU_GRANULE_PAGES);
	for (i = 0; i < n; i++) {
		if (!(ptes[i] & HGPU_PTE_VALID))
			continue;
		__set_bit(start + i, r->readable);
		if (ptes[i] & HGPU_PTE_WRITEABLE)
			__set_bit(start + i, r->writeable);
	}
}

/* ---- what has been unmapped ---- */

/* @whole is to contain @part, too. */
static void merge_unmap(struct hgpu_svm_unmap *whole,
			const struct hgpu_svm_unmap *part)
{
	unsigned int i;

	if (!part->last)
		return;
	if (!whole->last) {
		*whole = *part;
		return;
	}
	whole->first = min(whole->first, part->first);
	whole->last = max(whole->last, part->last);
	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		whole->when[i] = max(whole->when[i], part->when[i]);
}

/**
 * hgpu_svm_unmaps_add() - one more
 * @unmaps: all zero at first
 * @unmap: no earlier than those before
 *
 * Context: any; @unmaps is the caller's.
 */
void hgpu_svm_unmaps_add(struct hgpu_svm_unmaps *unmaps,
			 const struct hgpu_svm_unmap *unmap)
{
	u32 n = HGPU_SVM_UNMAPS;
	struct hgpu_svm_unmap *last = &unmaps->newest[(unmaps->next + n - 1) % n];
	struct hgpu_svm_unmap *oldest = &unmaps->newest[unmaps->next];

	/* A range after the other of what was unmapped at once. */
	if (last->last && unmap->first == last->last + 1) {
		merge_unmap(last, unmap);
		return;
	}
	merge_unmap(&unmaps->rest, oldest);
	*oldest = *unmap;
	unmaps->next = (unmaps->next + 1) % n;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_unmaps_add);

static bool is_after(const struct hgpu_svm_unmap *unmap,
		     const struct hgpu_svm_fault *fault)
{
	return fault->page >= unmap->first && fault->page <= unmap->last &&
	       !hgpu_svm_reported_since(fault, unmap->when[fault->gpu]);
}

/**
 * hgpu_svm_unmaps_after() - was the page unmapped after this report?
 * @unmaps: what was
 * @fault: the report, after hgpu_svm_fault_date()
 *
 * Context: any; @unmaps is the caller's.
 * Return: true if it was. May be true for pages between older unmaps, but for
 * no report that is made after them.
 */
bool hgpu_svm_unmaps_after(const struct hgpu_svm_unmaps *unmaps,
			   const struct hgpu_svm_fault *fault)
{
	unsigned int i;

	for (i = 0; i < HGPU_SVM_UNMAPS; i++)
		if (is_after(&unmaps->newest[i], fault))
			return true;
	return is_after(&unmaps->rest, fault);
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_unmaps_after);

/**
 * hgpu_svm_note_unmap_locked() - the CPU has unmapped memory
 * @svms: the process's
 * @first: first page; no GPU has any of them mapped any more
 * @last: last page, inclusive
 *
 * Context: notifier; &hgpu_svms.notifier_lock is held.
 */
void hgpu_svm_note_unmap_locked(struct hgpu_svms *svms, u64 first, u64 last)
{
	struct hgpu_svm_unmap unmap = { .first = first, .last = last };
	unsigned int i;

	lockdep_assert_held(&svms->notifier_lock);

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if (svms->gpus[i].vm)
			unmap.when[i] = hgpu_gpu_timestamp(svms->gpus[i].hdev);
	hgpu_svm_unmaps_add(&svms->unmaps, &unmap);
}

static bool is_of_unmapped(struct hgpu_svms *svms,
			   const struct hgpu_svm_fault *fault)
{
	bool is;

	mutex_lock(&svms->notifier_lock);
	is = hgpu_svm_unmaps_after(&svms->unmaps, fault);
	mutex_unlock(&svms->notifier_lock);
	return is;
}

/* ---- what is left to do ---- */

/**
 * hgpu_svm_is_stale() - is what a report tells of over?
 * @svms: the process's
 * @fault: the report, after hgpu_svm_fault_date()
 *
 * Context: process context; &hgpu_svms.lock is held, takes
 * &hgpu_svms.notifier_lock.
 * Return: true if the access has been replayed on a page that was mapped for it,
 * or was to memory that is gone.
 */
bool hgpu_svm_is_stale(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault)
{
	u32 i = fault->page % HGPU_GRANULE_PAGES;
	struct hgpu_svm_resolved *r = find_resolved(svms, fault->gpu,
						    fault->page - i);

	lockdep_assert_held(&svms->lock);

	if (is_of_unmapped(svms, fault))
		return true;
	if (!r || hgpu_svm_reported_since(fault, r->when))
		return false;
	return test_bit(i, fault->flags & HGPU_SVM_FAULT_WRITE ? r->writeable :
								 r->readable);
}

/**
 * hgpu_svm_forget_reports() - a GPU leaves the process
 * @svms: the process's
 * @gpu: its index
 *
 * What it said is no use to anybody.
 *
 * Context: process context; &hgpu_svms.lock is held, takes
 * &hgpu_svms.notifier_lock.
 */
void hgpu_svm_forget_reports(struct hgpu_svms *svms, unsigned int gpu)
{
	unsigned int i;

	lockdep_assert_held(&svms->lock);
	for (i = 0; i < HGPU_SVM_RESOLVED; i++)
		if (svms->resolved[i].gpu == gpu)
			svms->resolved[i].block = U64_MAX;

	mutex_lock(&svms->notifier_lock);
	for (i = 0; i < HGPU_SVM_UNMAPS; i++)
		svms->unmaps.newest[i].when[gpu] = 0;
	svms->unmaps.rest.when[gpu] = 0;
	mutex_unlock(&svms->notifier_lock);
}
