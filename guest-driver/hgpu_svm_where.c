// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where memory is: counted when somebody wants to know, never remembered.
 *
 * CPU faults and evictions take pages out of VRAM without &hgpu_svms.lock, and
 * the last reference to a page may go under a page table lock, so a count that
 * a range kept would be of yesterday. A chunk's bitmap is not.
 */
#include <linux/seq_file.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"

/**
 * hgpu_svm_vram_pages() - how many pages of a stretch are in VRAM?
 * @svms: the process's
 * @gpu: index of the GPU
 * @first: first page
 * @last: last page, inclusive
 *
 * Exact at that moment, with one exception: a page counts at the address from
 * which it was moved to VRAM, until it is freed or brought home. Memory that
 * mremap() has moved since, or that only a child has any more, is still
 * counted there.
 *
 * Context: process context; &hgpu_svms.lock is held.
 * Return: how many.
 */
u64 hgpu_svm_vram_pages(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			u64 last)
{
	struct hgpu_device *hdev = svms->gpus[gpu].hdev;
	u64 block, pages = 0;

	lockdep_assert_held(&svms->lock);

	if (!hdev || !READ_ONCE(hdev->pagemap.num_chunks))
		return 0;
	for (block = ALIGN_DOWN(first, (u64)HGPU_GRANULE_PAGES); block <= last;
	     block += HGPU_GRANULE_PAGES)
		pages += hgpu_chunk_count(hdev, svms->id, block, first, last);
	return pages;
}

static void show_range(struct seq_file *m, const struct hgpu_svm_range *range,
		       u64 vram)
{
	const struct hgpu_svm_attrs *attrs = &range->attrs;

	seq_printf(m, "pid %d start 0x%lx pages %lu vram %llu granularity %u preferred 0x%x prefetch 0x%x flags 0x%x\n",
		   range->svms->pid, range->it.start << PAGE_SHIFT,
		   range->it.last - range->it.start + 1, vram,
		   attrs->granularity, attrs->preferred_loc,
		   attrs->prefetch_loc, attrs->flags);
}

static void show_process(struct seq_file *m, struct hgpu_svms *svms,
			 unsigned int gpu)
{
	struct hgpu_svm_range *range;

	mutex_lock(&svms->lock);
	for (range = hgpu_svm_range_first(svms, 0, ULONG_MAX); range;
	     range = hgpu_svm_range_next(range, 0, ULONG_MAX)) {
		show_range(m, range,
			   hgpu_svm_vram_pages(svms, gpu, range->it.start,
					       range->it.last));
		cond_resched();
	}
	mutex_unlock(&svms->lock);
}

/**
 * hgpu_svm_show_ranges() - a line for each range of each process
 * @hdev: pages in its VRAM are counted
 * @m: where to
 *
 * Context: process context, may sleep.
 */
void hgpu_svm_show_ranges(struct hgpu_device *hdev, struct seq_file *m)
{
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		show_process(m, &pdd->process->svms, pdd->index);
		hgpu_process_put(pdd->process);
	}
}
