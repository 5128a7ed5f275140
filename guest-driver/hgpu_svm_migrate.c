// SPDX-License-Identifier: GPL-2.0-only
/*
 * Migration between system memory and VRAM, by granules (hgpu_svm_granule.c).
 *
 * Two granules are in flight: while the engine copies one, the CPU begins the
 * next. VRAM is allocated for a batch of granules before the first folio is
 * locked, since an allocation may have to evict.
 */

#include <linux/sched/signal.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

#define HGPU_MIGRATE_BATCH	16	/* granules */

/**
 * struct granule - one granule of a batch
 * @start: first address
 * @end: last address + 1
 * @range: covers it; NULL in a CPU fault
 * @chunk: VRAM for it; NULL on the way home
 * @select: on the way to VRAM, where pages are taken from: MIGRATE_VMA_SELECT_*
 * @request: then, what they must be: HMM_PFN_REQ_*
 * @done: it has had its turn; what has not moved then will not
 */
struct granule {
	unsigned long start;
	unsigned long end;
	struct hgpu_svm_range *range;
	struct hgpu_svm_chunk *chunk;
	unsigned long select;
	unsigned long request;
	bool done;
};

/* ---- the pipeline ---- */

static long begin(struct hgpu_migration *m, struct vm_area_struct *vma,
		  const struct granule *g)
{
	m->fault_id = g->range->svms->fault_id;
	if (!g->chunk)
		return hgpu_svm_begin_home(m, vma, g->start, g->end, NULL);
	return hgpu_svm_begin_vram(m, g->range, vma, g->start, g->end,
				   g->select, g->request, g->chunk);
}

/**
 * struct pipeline - granules in flight
 * @first: had in any case
 * @second: had as long as nobody else waits for it, or NULL
 * @busy: the one of them that is in flight, or NULL
 * @collected: there was something to move
 * @err: -ENODATA, or else the first error
 */
struct pipeline {
	struct hgpu_migration *first;
	struct hgpu_migration *second;
	struct hgpu_migration *busy;
	bool collected;
	int err;
};

static void pipeline_note(struct pipeline *p, long ret)
{
	if (ret < 0 && (!p->err || ret == -ENODATA))
		p->err = ret;
}

static void pipeline_finish(struct pipeline *p)
{
	if (p->busy)
		pipeline_note(p, hgpu_svm_finish(p->busy));
	p->busy = NULL;
}

static void pipeline_step(struct pipeline *p, struct vm_area_struct *vma,
			  struct granule *g)
{
	struct hgpu_migration *next;
	long ret;

	/* A CPU fault shall not wait for the whole batch. */
	if (p->second && p->busy != p->second &&
	    wq_has_sleeper(&p->first->hdev->pagemap.migrations_wait)) {
		hgpu_migration_put_try(p->second);
		p->second = NULL;
	}

	next = p->second && p->busy == p->first ? p->second : p->first;
	if (p->busy == next)
		pipeline_finish(p);
	ret = begin(next, vma, g);
	g->done = ret != -ENODATA && ret != -EAGAIN;
	p->collected |= next->collected;
	pipeline_note(p, ret);
	if (ret > 0) {
		pipeline_finish(p);
		p->busy = next;
	}
}

/*
 * Migrate what is to be done of a batch, two granules in flight if the second
 * migration is free. Returns -ENODATA, if a granule must be populated first, or
 * else the first error; what could be moved has been. @collected is set if there
 * was something to move.
 */
static int run_batch(struct hgpu_device *hdev, struct vm_area_struct *vma,
		     struct granule *g, unsigned int n, bool *collected)
{
	struct pipeline p = { .first = hgpu_migration_get(hdev) };

	if (n > 1)
		p.second = hgpu_migration_tryget(hdev);
	for (; n--; g++) {
		if (g->done)
			continue;
		pipeline_step(&p, vma, g);
		cond_resched();
	}
	pipeline_finish(&p);
	*collected |= p.collected;

	hgpu_migration_put_try(p.second);
	hgpu_migration_put(p.first);
	return p.err;
}

/*
 * As much as one migration can take. Granularity is for faults, whose callers
 * ask for no more than a granule; what is asked for by attributes moves whole.
 */
static unsigned long granule_end(unsigned long addr, unsigned long end)
{
	unsigned long size = HGPU_GRANULE_PAGES << PAGE_SHIFT;

	return min(end, ALIGN_DOWN(addr, size) + size);
}

/* What is asked for gets VRAM; a fault does, unless it goes round. */
static struct hgpu_svm_chunk *get_chunk(struct hgpu_svm_range *range,
					struct hgpu_device *hdev,
					enum KFD_MIGRATE_TRIGGERS trigger,
					const struct granule *g)
{
	unsigned long va = g->start >> PAGE_SHIFT;
	struct hgpu_process *process = container_of(range->svms,
						    struct hgpu_process, svms);
	u32 bo_flags = HGPU_BO_MAY_EVICT;
	struct hgpu_svm_chunk *chunk;

	if (trigger == KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU &&
	    hgpu_svm_goes_round(range->svms, hdev, va))
		bo_flags = 0;
	chunk = hgpu_chunk_get(hdev, range->svms->id, va,
			       (g->end - g->start) >> PAGE_SHIFT, bo_flags);
	if (chunk == ERR_PTR(-ENOSPC) && !bo_flags) {
		hgpu_stat_inc(hdev, evictions_forgone);
		trace_hgpu_svm_goes_round(hdev, range->svms->pid, va);
	}
	if (!IS_ERR(chunk)) {
		WRITE_ONCE(chunk->pasid, process->pasid);
		WRITE_ONCE(chunk->pid, range->svms->pid);
		WRITE_ONCE(chunk->prefetch_loc, range->attrs.prefetch_loc);
		WRITE_ONCE(chunk->preferred_loc, range->attrs.preferred_loc);
	}
	return chunk;
}

/* Bytes from @start on that get, or have, one chunk. */
static unsigned long step_of(struct hgpu_svm_range *range,
			     struct hgpu_device *hdev, unsigned long start,
			     unsigned long end)
{
	unsigned long size = granule_end(start, end) - start;

	return (unsigned long)hgpu_chunk_step(hdev, range->svms->id,
					      start >> PAGE_SHIFT,
					      size >> PAGE_SHIFT) << PAGE_SHIFT;
}

/**
 * struct trip - memory on its way to a GPU
 * @range: covers it
 * @vma: likewise
 * @hdev: the GPU
 * @what: for events; from where, and why
 * @request: what pages must be before they move: HMM_PFN_REQ_*
 * @collected: there was something to move
 */
struct trip {
	struct hgpu_svm_range *range;
	struct vm_area_struct *vma;
	struct hgpu_device *hdev;
	struct hgpu_smi_migration what;
	unsigned long request;
	bool collected;
};

/* VRAM for up to a batch of granules: @n of them. Returns why no more. */
static int get_batch(const struct trip *t, unsigned long start,
		     unsigned long end, struct granule *g, unsigned int *n)
{
	for (*n = 0; *n < HGPU_MIGRATE_BATCH && start < end; g++, ++*n) {
		g->start = start;
		g->end = start + step_of(t->range, t->hdev, start, end);
		g->range = t->range;
		g->select = MIGRATE_VMA_SELECT_SYSTEM;
		if (t->what.from)
			g->select |= MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
		g->request = t->request;
		g->done = false;
		g->chunk = get_chunk(t->range, t->hdev, t->what.trigger, g);
		if (IS_ERR(g->chunk)) {
			if (g->chunk == ERR_PTR(-ENOSPC) && !*n)
				hgpu_stat_inc(t->hdev, vram_full);
			return PTR_ERR(g->chunk);
		}
		start = g->end;
	}
	return 0;
}

/* Other chunks in place of those that turned out to be full. */
static int get_hidden(const struct trip *t, struct granule *g, unsigned int n)
{
	struct hgpu_svm_chunk *chunk;

	for (; n--; g++) {
		if (!hgpu_chunk_hidden(g->chunk))
			continue;
		chunk = get_chunk(t->range, t->hdev, t->what.trigger, g);
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
		hgpu_chunk_put(g->chunk);
		g->chunk = chunk;
	}
	return 0;
}

/* What is left to do, now with the pages that there are. */
static int run_again(struct trip *t, struct granule *g, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		g[i].request = 0;
	return run_batch(t->hdev, t->vma, g, n, &t->collected);
}

/*
 * Mostly all pages are there. The look at them before they are collected tells
 * that in passing, so they are populated only after it has told otherwise. The
 * VRAM for them is had meanwhile and cannot be evicted, but by nothing that they
 * may wait for.
 */
static int move_batch(struct trip *t, struct granule *g, unsigned int n)
{
	int err = run_batch(t->hdev, t->vma, g, n, &t->collected);

	if (err == -ENODATA && t->request) {
		hgpu_svm_populate(t->range, t->vma, t->hdev, g->start,
				  g[n - 1].end, t->request);
		if (fatal_signal_pending(current))
			return 0;
		err = run_again(t, g, n);
	}
	if (err == -EAGAIN)	/* once, with chunks that are new */
		err = get_hidden(t, g, n) ?: run_again(t, g, n);
	return err;
}

/* For events; the ends are the caller's. */
static struct hgpu_smi_migration describe(struct hgpu_svm_range *range,
					  unsigned long start,
					  unsigned long end,
					  enum KFD_MIGRATE_TRIGGERS trigger)
{
	return (struct hgpu_smi_migration) {
		.pid = range->svms->pid,
		.first = start >> PAGE_SHIFT,
		.fault_id = range->svms->fault_id,
		.npages = (end - start) >> PAGE_SHIFT,
		.prefetch_loc = range->attrs.prefetch_loc,
		.preferred_loc = range->attrs.preferred_loc,
		.trigger = trigger,
	};
}

/**
 * hgpu_svm_describe_chunk() - for events: a chunk is brought home
 * @chunk: the chunk
 * @trigger: why
 *
 * The memory is its owner's, whoever touches it (a child, say) or wants its
 * place, and is told of at the addresses that it was moved from.
 *
 * Context: any.
 * Return: all of the chunk.
 */
struct hgpu_smi_migration
hgpu_svm_describe_chunk(const struct hgpu_svm_chunk *chunk,
			enum KFD_MIGRATE_TRIGGERS trigger)
{
	return (struct hgpu_smi_migration) {
		.pid = READ_ONCE(chunk->pid),
		.first = chunk->va,
		.npages = chunk->npages,
		.from = chunk->hdev->gpu_id,
		.prefetch_loc = READ_ONCE(chunk->prefetch_loc),
		.preferred_loc = READ_ONCE(chunk->preferred_loc),
		.trigger = trigger,
	};
}

/* What the core refuses, or what has no anonymous page. */
static bool never_moves(struct vm_area_struct *vma)
{
	return is_vm_hugetlb_page(vma) || vma_is_dax(vma) ||
	       (vma->vm_flags & (VM_SPECIAL | VM_SHARED));
}

/*
 * Memory that KSM may merge at any moment cannot move to VRAM: is_merged() in
 * hgpu_svm_collect.c. It may not be allowed as long as mmap_lock is held.
 */
static bool stays_in_ram(struct vm_area_struct *vma)
{
	return never_moves(vma) || (vma->vm_flags & VM_MERGEABLE);
}

/*
 * A GPU of the same hive that has some of this, or NULL. As hgpu_chunk_any(), it
 * does not see all that there is; what it misses can be reached where it is.
 */
static struct hgpu_device *find_peer(struct hgpu_svms *svms,
				     struct hgpu_device *hdev,
				     unsigned long start, unsigned long end)
{
	struct hgpu_device *peer;
	unsigned int i;

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++) {
		peer = svms->gpus[i].hdev;
		if (peer && peer != hdev && hgpu_hive_same(peer, hdev) &&
		    hgpu_chunk_any(peer, svms->id, start >> PAGE_SHIFT,
				   (end - start) >> PAGE_SHIFT))
			return peer;
	}
	return NULL;
}

/*
 * As in KFD, memory for which there is no VRAM is no event.
 *
 * A batch may get less VRAM than it wants, since what it is about to fill is
 * not evicted; once filled it can be, for the next batch. So of more memory
 * than there is VRAM the end is in VRAM.
 */
static int to_vram_by_batches(struct trip *t, unsigned long start,
			      unsigned long end)
{
	struct granule g[HGPU_MIGRATE_BATCH];
	bool begun = false;
	int err = 0, ret;

	while (start < end && !err && !fatal_signal_pending(current)) {
		unsigned int i, n;

		err = get_batch(t, start, end, g, &n);
		if (!n)
			break;
		if (err == -ENOSPC)
			err = 0;
		if (!begun)
			hgpu_smi_migrate_start(t->hdev, &t->what);
		begun = true;
		ret = move_batch(t, g, n);
		if (ret && !err)
			err = ret;
		if (!ret)
			start = g[n - 1].end;
		for (i = 0; i < n; i++)
			hgpu_chunk_put(g[i].chunk);
	}
	if (t->collected)
		hgpu_smi_migrate_end(t->hdev, &t->what);
	/* What stays for lack of VRAM, or after an error, is to be there, too. */
	hgpu_svm_populate(t->range, t->vma, t->hdev, start, end, t->request);
	return err;
}

/**
 * hgpu_svm_migrate_to_vram() - move memory to VRAM
 * @range: covers the addresses
 * @hdev: the GPU
 * @vma: likewise
 * @start: first address, page-aligned
 * @end: last address + 1
 * @trigger: why, for events
 *
 * A prefetch has pages made present first, as hgpu_svm_populate_request() says.
 * Pages that cannot be moved (of files, pinned, locked by others, KSM's) stay
 * where they are; that is no error. Those of other GPUs do, too, unless of the same
 * hive: these are copied from VRAM to VRAM.
 *
 * Context: process context, may sleep; mmap_lock (read) and &hgpu_svms.lock
 * are held, no folio lock.
 * Return: 0 (also when killed half-way); -ENOSPC when VRAM is full; -EAGAIN when
 * pages that have moved on take all the places there are; -ENOMEM, -ENODEV, -EIO
 * or the SDMA job's error: whatever has not been moved is in system memory.
 */
int hgpu_svm_migrate_to_vram(struct hgpu_svm_range *range,
			     struct hgpu_device *hdev,
			     struct vm_area_struct *vma, unsigned long start,
			     unsigned long end,
			     enum KFD_MIGRATE_TRIGGERS trigger)
{
	struct trip t = {
		.range = range,
		.vma = vma,
		.hdev = hdev,
		.what = describe(range, start, end, trigger),
	};
	struct hgpu_device *peer;
	u64 t0 = local_clock();
	int err = 0;

	lockdep_assert_held(&range->svms->lock);
	mmap_assert_locked(range->svms->mm);

	if (trigger == KFD_MIGRATE_TRIGGER_PREFETCH)
		t.request = hgpu_svm_populate_request(range, vma);
	if (stays_in_ram(vma)) {
		hgpu_svm_populate(range, vma, hdev, start, end, t.request);
	} else {
		peer = find_peer(range->svms, hdev, start, end);
		if (peer)
			t.what.from = peer->gpu_id;
		t.what.to = hdev->gpu_id;
		err = to_vram_by_batches(&t, start, end);
	}
	hgpu_stat_add(hdev, migrate_ns, local_clock() - t0);
	return err;
}

static int home_by_batches(struct hgpu_svm_range *range,
			   struct hgpu_device *hdev,
			   struct vm_area_struct *vma, unsigned long start,
			   unsigned long end, bool *collected)
{
	struct granule g[HGPU_MIGRATE_BATCH];
	unsigned int n;
	int err = 0;

	while (start < end && !err) {
		for (n = 0; n < HGPU_MIGRATE_BATCH && start < end; n++) {
			g[n] = (struct granule) {
				.start = start,
				.end = granule_end(start, end),
				.range = range,
			};
			start = g[n].end;
		}
		err = run_batch(hdev, vma, g, n, collected);
		if (fatal_signal_pending(current))
			break;
	}
	return err;
}

/**
 * hgpu_svm_migrate_home() - move a GPU's pages to system memory
 * @range: covers the addresses
 * @hdev: the GPU
 * @vma: likewise
 * @start: first address, page-aligned
 * @end: last address + 1
 * @trigger: why, for events; only of memory that is known to be in VRAM
 *
 * Context: process context, may sleep; mmap_lock (read) and &hgpu_svms.lock
 * are held, no folio lock.
 * Return: 1; 0 if no page was there; -ENOMEM, -EIO or the SDMA job's error:
 * whatever has not been moved is in VRAM.
 */
int hgpu_svm_migrate_home(struct hgpu_svm_range *range,
			  struct hgpu_device *hdev, struct vm_area_struct *vma,
			  unsigned long start, unsigned long end,
			  enum KFD_MIGRATE_TRIGGERS trigger)
{
	struct hgpu_smi_migration what = describe(range, start, end, trigger);
	bool collected = false, tell;
	u64 t0 = local_clock();
	int err;

	lockdep_assert_held(&range->svms->lock);
	mmap_assert_locked(vma->vm_mm);

	if (!READ_ONCE(hdev->pagemap.num_chunks) || never_moves(vma))
		return 0;

	what.from = hdev->gpu_id;
	tell = hgpu_smi_heard(hdev) &&
	       hgpu_chunk_any(hdev, range->svms->id, what.first, what.npages);
	if (tell)
		hgpu_smi_migrate_start(hdev, &what);
	err = home_by_batches(range, hdev, vma, start, end, &collected);
	if (tell && collected)
		hgpu_smi_migrate_end(hdev, &what);
	hgpu_stat_add(hdev, migrate_ns, local_clock() - t0);
	return err ?: collected;
}

/**
 * hgpu_svm_is_foreign() - is memory where a GPU cannot reach it?
 * @svms: the process's
 * @gpu: index of the GPU
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: &hgpu_svms.lock is held.
 * Return: true if hgpu_chunk_any() says so of a GPU that is not of its hive.
 */
bool hgpu_svm_is_foreign(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			 u64 last)
{
	u8 strangers = hgpu_svm_strangers(svms, gpu);
	unsigned int i;

	lockdep_assert_held(&svms->lock);
	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++)
		if ((strangers & BIT(i)) &&
		    hgpu_chunk_any(svms->gpus[i].hdev, svms->id, first,
				   last - first + 1))
			return true;
	return false;
}

/**
 * hgpu_svm_leave_gpus() - have memory on no GPU but one, and its hive
 * @range: covers the addresses
 * @gpu: index of the one, or -1 for none
 * @vma: likewise
 * @start: first address, page-aligned
 * @end: last address + 1
 * @trigger: why, for events
 *
 * Context: as hgpu_svm_migrate_home().
 * Return: 1; 0 if no page was on another GPU; or the first error of
 * hgpu_svm_migrate_home().
 */
int hgpu_svm_leave_gpus(struct hgpu_svm_range *range, int gpu,
			struct vm_area_struct *vma, unsigned long start,
			unsigned long end, enum KFD_MIGRATE_TRIGGERS trigger)
{
	struct hgpu_svms *svms = range->svms;
	u8 strangers = hgpu_svm_strangers(svms, gpu);
	int i, ret, any = 0, err = 0;

	lockdep_assert_held(&svms->lock);

	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++) {
		if (!(strangers & BIT(i)))
			continue;
		ret = hgpu_svm_migrate_home(range, svms->gpus[i].hdev, vma,
					    start, end, trigger);
		if (ret < 0 && !err)
			err = ret;
		any |= ret > 0;
	}
	return err ?: any;
}
