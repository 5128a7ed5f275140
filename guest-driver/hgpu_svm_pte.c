// SPDX-License-Identifier: GPL-2.0-only
/*
 * The GPU's PTEs of shared memory: writing, clearing, reading.
 *
 * The DMA address of a system page is kept in its PTE and nowhere else. So
 * whoever clears or replaces valid PTEs reads them first, and unmaps what was
 * there when the TLB has been flushed.
 */
#include <linux/dma-mapping.h>
#include <linux/error-injection.h>
#include <linux/slab.h>

#include "hgpu_process.h"
#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/*
 * CPU and GPU use the page at the same time: it is coherent or it is nothing.
 * Several mappings of one page (of several processes) are fine, too.
 */
#define HGPU_SVM_DMA_ATTRS	DMA_ATTR_SKIP_CPU_SYNC

int hgpu_svm_scratch_init(struct hgpu_svms *svms)
{
	svms->scratch = kvmalloc(sizeof(*svms->scratch), GFP_KERNEL);
	return svms->scratch ? 0 : -ENOMEM;
}

void hgpu_svm_scratch_fini(struct hgpu_svms *svms)
{
	kvfree(svms->scratch);
	svms->scratch = NULL;
}

static enum dma_data_direction pte_dma_dir(u64 pte)
{
	return pte & HGPU_PTE_WRITEABLE ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

static bool any_system(const u64 *ptes, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (hgpu_pte_is_system(ptes[i]))
			return true;
	return false;
}

/**
 * hgpu_svm_make_system_pte() - map a system page for DMA
 * @hdev: the GPU
 * @page: the page
 * @flags: HGPU_PTE_* permissions
 *
 * Context: any.
 * Return: the entry, to be written or given to hgpu_svm_drop_ptes(); 0 if the
 * page cannot be mapped.
 */
u64 hgpu_svm_make_system_pte(struct hgpu_device *hdev, struct page *page,
			     u64 flags)
{
	struct device *dev = &hdev->pdev->dev;
	dma_addr_t addr;

	addr = dma_map_page_attrs(dev, page, 0, PAGE_SIZE, pte_dma_dir(flags),
				  HGPU_SVM_DMA_ATTRS);
	return dma_mapping_error(dev, addr) ? 0 : hgpu_pte_system(addr, flags);
}
ALLOW_ERROR_INJECTION(hgpu_svm_make_system_pte, NULL);

/**
 * hgpu_svm_drop_ptes() - undo the DMA mappings of entries
 * @hdev: the GPU
 * @ptes: entries that no engine uses; those of VRAM, and 0, are left alone
 * @n: how many
 *
 * Context: any.
 */
void hgpu_svm_drop_ptes(struct hgpu_device *hdev, const u64 *ptes, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (hgpu_pte_is_system(ptes[i]))
			dma_unmap_page_attrs(&hdev->pdev->dev,
					     hgpu_pte_addr(ptes[i]), PAGE_SIZE,
					     pte_dma_dir(ptes[i]),
					     HGPU_SVM_DMA_ATTRS);
}

/**
 * hgpu_svm_zap_gpu_locked() - one GPU must not use these pages any more
 * @svms: the process's
 * @gpu: index
 * @first: first page
 * @last: last page, inclusive
 *
 * On return PTEs are clear, the TLB is flushed, and the system pages that were
 * there are not DMA-mapped any more.
 *
 * Context: &hgpu_svms.notifier_lock is held; allocates nothing.
 * Return: true if the GPU could use any of them.
 */
bool hgpu_svm_zap_gpu_locked(struct hgpu_svms *svms, unsigned int gpu,
			     u64 first, u64 last)
{
	struct hgpu_device *hdev = svms->gpus[gpu].hdev;
	struct hgpu_vm *vm = svms->gpus[gpu].vm;
	u64 *old = svms->scratch->old;
	u64 page, cleared = 0;
	bool any = false;
	u32 n;

	lockdep_assert_held(&svms->notifier_lock);

	if (!vm)
		return false;

	last = min(last, HGPU_VM_PAGES - 1);
	for (page = first;
	     (page = hgpu_vm_next_used(vm, page, last)) <= last; page += n) {
		n = min(HGPU_GRANULE_PAGES - (page % HGPU_GRANULE_PAGES),
			last - page + 1);
		if (!hgpu_vm_read(vm, page, n, old)) {
			hgpu_vm_zap(vm, page, page + n - 1);
			continue;
		}
		any = true;
		cleared += hgpu_vm_zap(vm, page, page + n - 1);
		if (any_system(old, n)) {
			hgpu_vm_flush_tlb(vm);
			hgpu_svm_drop_ptes(hdev, old, n);
			cleared = 0;
		}
	}
	if (cleared)
		hgpu_vm_flush_tlb(vm);
	return any;
}

/**
 * hgpu_svm_zap_locked() - no GPU must use these pages any more
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: &hgpu_svms.notifier_lock is held; allocates nothing.
 * Return: bits of GPUs that could use any of them.
 */
u8 hgpu_svm_zap_locked(struct hgpu_svms *svms, u64 first, u64 last)
{
	unsigned int gpu;
	u8 had = 0;

	for (gpu = 0; gpu < HGPU_SVM_MAX_GPUS; gpu++) {
		if (!svms->gpus[gpu].vm)
			continue;
		hgpu_stat_inc(svms->gpus[gpu].hdev, notifier_invalidations);
		if (hgpu_svm_zap_gpu_locked(svms, gpu, first, last))
			had |= BIT(gpu);
	}
	return had;
}

/**
 * hgpu_svm_zap() - no GPU must use these pages any more
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: process context, takes &hgpu_svms.notifier_lock.
 */
void hgpu_svm_zap(struct hgpu_svms *svms, u64 first, u64 last)
{
	mutex_lock(&svms->notifier_lock);
	hgpu_svm_zap_locked(svms, first, last);
	mutex_unlock(&svms->notifier_lock);
}

/**
 * hgpu_svm_read_pte() - what a GPU has mapped
 * @svms: the process's
 * @gpu: index
 * @page: virtual page number
 *
 * Context: process context, takes &hgpu_svms.notifier_lock.
 * Return: the entry; 0 for none.
 */
u64 hgpu_svm_read_pte(struct hgpu_svms *svms, unsigned int gpu, u64 page)
{
	u64 pte = 0;

	mutex_lock(&svms->notifier_lock);
	if (svms->gpus[gpu].vm && page < HGPU_VM_PAGES)
		hgpu_vm_read(svms->gpus[gpu].vm, page, 1, &pte);
	mutex_unlock(&svms->notifier_lock);
	return pte;
}

/* Can one 2 MiB entry say the same? */
static bool is_huge(const u64 *ptes, u64 first, u32 n)
{
	u32 i;

	if (n != HGPU_VM_ENTRIES || first % HGPU_VM_ENTRIES ||
	    !hgpu_pte_is_vram(ptes[0]) ||
	    !IS_ALIGNED(hgpu_pte_addr(ptes[0]), 2ull << 20))
		return false;
	for (i = 1; i < n; i++)
		if (ptes[i] != ptes[0] + i * HGPU_PAGE_SIZE)
			return false;
	return true;
}

/**
 * hgpu_svm_write_ptes_locked() - write entries
 * @svms: the process's
 * @gpu: index; it has page tables
 * @first: first page; its tables are prepared
 * @n: how many, within one aligned HGPU_GRANULE_PAGES
 * @ptes: the entries
 * @when: when to flush the TLB
 *
 * What was there and is not any more is flushed and unmapped.
 *
 * Context: &hgpu_svms.notifier_lock is held; allocates nothing.
 */
void hgpu_svm_write_ptes_locked(struct hgpu_svms *svms, unsigned int gpu,
				u64 first, u32 n, const u64 *ptes,
				enum hgpu_svm_flush when)
{
	struct hgpu_vm *vm = svms->gpus[gpu].vm;
	u64 *old = svms->scratch->old;
	bool any_old, flush;
	u32 i;

	lockdep_assert_held(&svms->notifier_lock);

	any_old = hgpu_vm_read(vm, first, n, old);
	flush = any_old || when == HGPU_FLUSH_ALWAYS;
	if (!is_huge(ptes, first, n) ||
	    !hgpu_vm_set_huge(vm, first, hgpu_pde_huge(ptes[0])))
		flush |= hgpu_vm_set(vm, first, n, ptes) != 0;
	if (flush)
		hgpu_vm_flush_tlb(vm);
	if (when == HGPU_FLUSH_ALWAYS)
		trace_hgpu_svm_replay(svms, gpu, first, n);
	if (!any_old)
		return;
	for (i = 0; i < n; i++)
		if (old[i] == ptes[i])
			old[i] = 0;
	hgpu_svm_drop_ptes(vm->hdev, old, n);
}

/**
 * hgpu_svm_replay() - have parked accesses walked again
 * @svms: the process's
 * @gpu: index
 *
 * Context: process context, takes &hgpu_svms.notifier_lock.
 */
void hgpu_svm_replay(struct hgpu_svms *svms, unsigned int gpu)
{
	mutex_lock(&svms->notifier_lock);
	if (svms->gpus[gpu].vm) {
		hgpu_vm_flush_tlb(svms->gpus[gpu].vm);
		trace_hgpu_svm_replay(svms, gpu, 0, 0);
	}
	mutex_unlock(&svms->notifier_lock);
}

/**
 * hgpu_svm_poison() - have the next access to a page halt its queue
 * @svms: the process's
 * @gpu: index
 * @page: virtual page number
 * @was: gets what a buffer has mapped there, for hgpu_svm_unpoison(); else 0
 *
 * A parked access is walked again and finds a no-retry entry, so that its
 * queue halts instead of waiting for ever. An entry of ours is unmapped; one of
 * a buffer stays the buffer's, DMA mapping and all.
 *
 * Context: process context, may sleep; &hgpu_svms.lock is held.
 * Return: 0 or hgpu_vm_prepare()'s error: the access stays parked.
 */
int hgpu_svm_poison(struct hgpu_svms *svms, unsigned int gpu, u64 page, u64 *was)
{
	struct hgpu_vm *vm = svms->gpus[gpu].vm;
	u64 old;
	int err;

	lockdep_assert_held(&svms->lock);

	*was = 0;
	err = hgpu_vm_prepare(vm, page, page);
	if (err)
		return err;
	mutex_lock(&svms->notifier_lock);
	old = hgpu_vm_exchange(vm, page, HGPU_VM_NORETRY_FLAGS);
	hgpu_vm_flush_tlb(vm);
	trace_hgpu_svm_replay(svms, gpu, page, 1);
	/* Buffers, which are mapped without our locks, are never in ranges. */
	if (hgpu_svm_range_first(svms, page, page))
		hgpu_svm_drop_ptes(svms->gpus[gpu].hdev, &old, 1);
	else
		*was = old;
	mutex_unlock(&svms->notifier_lock);
	return 0;
}

/**
 * hgpu_svm_unpoison() - undo hgpu_svm_poison()
 * @svms: the process's
 * @gpu: index
 * @page: virtual page number; an entry that is another one by now stays
 * @was: from hgpu_svm_poison()
 *
 * Context: process context; &hgpu_svms.lock is held.
 */
void hgpu_svm_unpoison(struct hgpu_svms *svms, unsigned int gpu, u64 page, u64 was)
{
	lockdep_assert_held(&svms->lock);

	mutex_lock(&svms->notifier_lock);
	if (svms->gpus[gpu].vm)
		hgpu_vm_set_if(svms->gpus[gpu].vm, page, HGPU_VM_NORETRY_FLAGS,
			       was);
	mutex_unlock(&svms->notifier_lock);
}
