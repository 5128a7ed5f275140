// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU faults on memory in VRAM: the granule around the page comes home with it.
 */
#include <drm/drm_print.h>
#include <linux/sched/rt.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

#define HGPU_CPU_FAULT_TRIES	3

/* Addresses that are brought home together */
struct span {
	unsigned long start;
	unsigned long end;	/* exclusive */
};

/* The chunk's addresses, as they are where the fault is. */
static struct span chunk_span(const struct hgpu_svm_chunk *chunk,
			      const struct vm_fault *vmf)
{
	unsigned long addr = vmf->address & PAGE_MASK;
	unsigned long before = (page_to_pfn(vmf->page) - chunk->pfn) << PAGE_SHIFT;
	unsigned long after = ((unsigned long)chunk->npages << PAGE_SHIFT) - before;

	return (struct span) { addr - min(before, addr), addr + after };
}

/* The granule of a range, as in a GPU fault. */
static bool range_span(struct hgpu_svms *svms, unsigned long page,
		       struct span *span)
{
	struct interval_tree_node *node =
		interval_tree_iter_first(&svms->ranges, page, page);
	struct hgpu_svm_range *range;
	u64 size;

	if (!node)
		return false;
	range = container_of(node, struct hgpu_svm_range, it);
	size = 1ull << min_t(u8, range->attrs.granularity, 40);
	span->start = max(ALIGN_DOWN(page, size), node->start) << PAGE_SHIFT;
	span->end = (min(ALIGN_DOWN(page, size) + size - 1, node->last) + 1)
		    << PAGE_SHIFT;
	return true;
}

/*
 * What to bring home, within the VMA: the owner's attributes say. In others,
 * children say, who have none, what went to VRAM together. mmap_lock alone
 * keeps the ranges as they are; &hgpu_svms.lock may be held by whoever faults.
 */
static struct span fault_span(const struct hgpu_svm_chunk *chunk,
			      const struct vm_fault *vmf)
{
	struct hgpu_process *process =
		hgpu_process_get_by_pasid(READ_ONCE(chunk->pasid));
	struct vm_area_struct *vma = vmf->vma;
	struct span span;

	mmap_assert_locked(vma->vm_mm);
	if (!process || process->svms.mm != vma->vm_mm ||
	    !range_span(&process->svms, vmf->address >> PAGE_SHIFT, &span))
		span = chunk_span(chunk, vmf);
	hgpu_process_put(process);

	span.start = max(span.start, vma->vm_start);
	span.end = min(span.end, vma->vm_end);
	return span;
}

/* The part around an address that one migration can take. */
static struct span window(const struct span *span, unsigned long addr)
{
	unsigned long size = HGPU_GRANULE_PAGES << PAGE_SHIFT;
	unsigned long start = ALIGN_DOWN(addr, size);

	return (struct span) {
		.start = max(span->start, start),
		.end = min(span->end, start + size),
	};
}

/*
 * Once. 1: the page that faulted has come home. 0: it has not, others were
 * faster, or hold it for a moment. Otherwise why it cannot be had.
 */
static int bring_home(struct hgpu_migration *m, struct vm_fault *vmf,
		      const struct span *g)
{
	u32 i = ((vmf->address & PAGE_MASK) - g->start) >> PAGE_SHIFT;
	bool offered;
	long ret;

	ret = hgpu_svm_begin_home(m, vmf->vma, g->start, g->end, vmf->page);
	if (ret <= 0)
		return ret;
	offered = m->dst[i];
	ret = hgpu_svm_finish(m);
	if (!offered)
		return 0;
	if (ret < 0)
		return ret;
	return m->dst[i] && (m->src[i] & MIGRATE_PFN_MIGRATE);
}

/* Some tries, at last for the page alone. Returns what bring_home() does. */
static int bring_home_patiently(struct hgpu_migration *m, struct vm_fault *vmf,
				struct span g)
{
	unsigned int try;
	int ret = 0;

	for (try = 0; try < HGPU_CPU_FAULT_TRIES && !ret; try++)
		ret = bring_home(m, vmf, &g);
	/* A neighbour's place, or so many addresses, may be what failed. */
	if (ret < 0 && g.end - g.start > PAGE_SIZE) {
		g.start = vmf->address & PAGE_MASK;
		g.end = g.start + PAGE_SIZE;
		ret = bring_home(m, vmf, &g);
	}
	return ret;
}

/* The rest of a granule that is larger than a window. What fails stays. */
static void bring_rest(struct hgpu_migration *m, struct vm_area_struct *vma,
		       const struct span *all, const struct span *done)
{
	struct span g;

	for (g.end = all->start; g.end < all->end;) {
		g = window(all, g.end);
		if (g.start == done->start)
			continue;
		if (fatal_signal_pending(current))
			break;
		if (hgpu_svm_begin_home(m, vma, g.start, g.end, NULL) > 0)
			hgpu_svm_finish(m);
		cond_resched();
	}
}

/* All of the granule; the page's own result is returned, as by bring_home(). */
static int bring_granule(struct hgpu_device *hdev, struct vm_fault *vmf,
			 struct hgpu_svm_chunk *chunk)
{
	struct span all = fault_span(chunk, vmf), g = window(&all, vmf->address);
	struct hgpu_migration *m = hgpu_migration_get(hdev);
	struct hgpu_smi_migration what;
	int ret;

	what = hgpu_svm_describe_chunk(chunk,
				       KFD_MIGRATE_TRIGGER_PAGEFAULT_CPU);
	what.first = all.start >> PAGE_SHIFT;
	what.npages = (all.end - all.start) >> PAGE_SHIFT;
	hgpu_smi_migrate_start(hdev, &what);
	ret = bring_home_patiently(m, vmf, g);
	if (ret >= 0)
		bring_rest(m, vmf->vma, &all, &g);
	if (m->collected)
		hgpu_smi_migrate_end(hdev, &what);
	hgpu_migration_put(m);
	return ret;
}

/**
 * hgpu_svm_migrate_to_ram() - the CPU has touched a page in VRAM
 * @vmf: the fault
 *
 * The chunk is found through the page, never through the address or the
 * process: the fault may be a forked child's, or behind an mremap(). The
 * granule around the page comes home with it.
 *
 * Context: page fault; mmap_lock (read) is held, and a reference to the page.
 * Return: 0 (also when others were faster: the fault is simply taken again);
 * VM_FAULT_OOM; VM_FAULT_SIGBUS only when this very page cannot be brought.
 */
vm_fault_t hgpu_svm_migrate_to_ram(struct vm_fault *vmf)
{
	struct hgpu_svm_chunk *chunk = vmf->page->zone_device_data;
	struct hgpu_device *hdev = chunk->hdev;
	u64 t0 = local_clock();
	bool first;
	int ret;

	if (test_bit(HGPU_CHUNK_LOST, &chunk->flags))
		return VM_FAULT_SIGBUS;

	/*
	 * Our reference to the page would be in the way of the thread that is
	 * bringing the granule home: go, and fault again. With a real-time
	 * priority that might keep that thread from running.
	 */
	first = !test_and_set_bit_lock(HGPU_CHUNK_HOMING, &chunk->flags);
	if (!first && !rt_task(current)) {
		cond_resched();
		return 0;
	}

	hgpu_stat_inc(hdev, cpu_faults);
	trace_hgpu_svm_cpu_fault(hdev, vmf->address, page_to_pfn(vmf->page));
	ret = bring_granule(hdev, vmf, chunk);
	if (first)
		clear_bit_unlock(HGPU_CHUNK_HOMING, &chunk->flags);

	hgpu_stat_add(hdev, migrate_ns, local_clock() - t0);
	if (ret >= 0)
		return 0;
	hgpu_stat_inc(hdev, cpu_faults_failed);
	drm_err_ratelimited(&hdev->drm, "page at %#lx cannot be brought home (%d)\n",
			    vmf->address, ret);
	return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}
