// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory in the GPU's page tables.
 *
 * Filling follows the collision-retry protocol of mmu_interval_notifier: look
 * the pages up with hmm_range_fault(), make their DMA mappings, then, under the
 * notifier lock, write the PTEs if nothing was invalidated in between.
 *
 * The DMA address of a system page is kept in its PTE and nowhere else. So
 * whoever clears or replaces valid PTEs reads them first, and unmaps what was
 * there when the TLB has been flushed.
 */
#include <linux/dma-mapping.h>
#include <linux/hmm.h>
#include <linux/kfd_ioctl.h>
#include <linux/rmap.h>
#include <linux/slab.h>

#include "hgpu_svm_priv.h"
#include "hgpu_svm_trace.h"

/* Of a file, a fault makes this much present: what the CPU's faults do, too. */
#define HGPU_SVM_FILE_WINDOW	16

/* Attempts on a whole block before it is only about the page that matters. */
#define HGPU_SVM_BLOCK_TRIES	3

/*
 * CPU and GPU use the page at the same time: it is coherent or it is nothing.
 * Several mappings of one page (of several processes) are fine, too.
 */
#define HGPU_SVM_DMA_ATTRS	DMA_ATTR_SKIP_CPU_SYNC

/**
 * struct hgpu_svm_scratch - memory for one block of pages
 * @pfns: for hmm_range_fault(); protected by &hgpu_svms.lock
 * @ptes: to be written; protected by &hgpu_svms.lock
 * @fresh: entries of @ptes whose DMA mapping is new; protected by
 *	&hgpu_svms.lock
 * @old: what was there; protected by &hgpu_svms.notifier_lock
 */
struct hgpu_svm_scratch {
	unsigned long pfns[HGPU_GRANULE_PAGES];
	u64 ptes[HGPU_GRANULE_PAGES];
	DECLARE_BITMAP(fresh, HGPU_GRANULE_PAGES);
	u64 old[HGPU_GRANULE_PAGES];
};

/**
 * struct map_block - pages of one VMA and one page table
 * @svms: the process's
 * @range: covers the pages
 * @vma: likewise
 * @hdev: the GPU
 * @vm: its page tables
 * @first: first page
 * @n: how many
 * @flags: HGPU_SVM_MAP_*
 * @narrow: make present only the page that was asked for
 * @mapped: what became of that page
 */
struct map_block {
	struct hgpu_svms *svms;
	struct hgpu_svm_range *range;
	struct vm_area_struct *vma;
	struct hgpu_device *hdev;
	struct hgpu_vm *vm;
	u64 first;
	u32 n;
	u32 flags;
	bool narrow;
	struct hgpu_svm_mapped *mapped;
};

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

static bool pte_is_system(u64 pte)
{
	return (pte & HGPU_PTE_VALID) && (pte & HGPU_PTE_SYSTEM);
}

static bool any_system(const u64 *ptes, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (pte_is_system(ptes[i]))
			return true;
	return false;
}

/* No engine uses these entries any more. */
static void dma_unmap_ptes(struct hgpu_device *hdev, const u64 *ptes, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (pte_is_system(ptes[i]))
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
 */
void hgpu_svm_zap_gpu_locked(struct hgpu_svms *svms, unsigned int gpu,
			     u64 first, u64 last)
{
	struct hgpu_device *hdev = svms->gpus[gpu].hdev;
	struct hgpu_vm *vm = svms->gpus[gpu].vm;
	u64 *old = svms->scratch->old;
	u64 page, cleared = 0;
	u32 n;

	lockdep_assert_held(&svms->notifier_lock);

	if (!vm)
		return;

	last = min(last, HGPU_VM_PAGES - 1);
	for (page = first; page <= last; page += n) {
		n = min(HGPU_GRANULE_PAGES - (page % HGPU_GRANULE_PAGES),
			last - page + 1);
		if (!hgpu_vm_read(vm, page, n, old)) {
			hgpu_vm_zap(vm, page, page + n - 1);
			continue;
		}
		cleared += hgpu_vm_zap(vm, page, page + n - 1);
		if (any_system(old, n)) {
			hgpu_vm_flush_tlb(vm);
			dma_unmap_ptes(hdev, old, n);
			cleared = 0;
		}
	}
	if (cleared)
		hgpu_vm_flush_tlb(vm);
}

/**
 * hgpu_svm_zap_locked() - no GPU must use these pages any more
 * @svms: the process's
 * @first: first page
 * @last: last page, inclusive
 *
 * Context: &hgpu_svms.notifier_lock is held; allocates nothing.
 */
void hgpu_svm_zap_locked(struct hgpu_svms *svms, u64 first, u64 last)
{
	unsigned int gpu;

	for (gpu = 0; gpu < HGPU_SVM_MAX_GPUS; gpu++) {
		if (!svms->gpus[gpu].vm)
			continue;
		hgpu_stat_inc(svms->gpus[gpu].hdev, notifier_invalidations);
		hgpu_svm_zap_gpu_locked(svms, gpu, first, last);
	}
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

/*
 * What to ask hmm_range_fault() for a page.
 *
 * Anonymous memory is made present by the granule. Of a file only some pages
 * around the one that was touched are, since making a page of a file writable
 * makes it dirty; of the others what is there is taken as it is.
 */
static unsigned long page_request(const struct map_block *b, u64 page)
{
	unsigned long request = HMM_PFN_REQ_FAULT;

	if (!(b->flags & HGPU_SVM_MAP_FAULT))
		return 0;
	if (b->flags & HGPU_SVM_MAP_WRITE)
		request |= HMM_PFN_REQ_WRITE;

	if (page == b->mapped->page)
		return request;
	if (b->narrow)
		return 0;
	if (vma_is_anonymous(b->vma) || b->mapped->page == U64_MAX)
		return request;
	if (page / HGPU_SVM_FILE_WINDOW ==
	    b->mapped->page / HGPU_SVM_FILE_WINDOW)
		return request;
	return 0;
}

/* Look the pages up. -EBUSY: something changed, start over. */
static int find_pages(struct map_block *b, struct hmm_range *hmm)
{
	unsigned long *pfns = b->svms->scratch->pfns;
	bool home = b->flags & HGPU_SVM_MAP_HOME;
	u64 t0;
	u32 i;
	int err;

	for (i = 0; i < b->n; i++)
		pfns[i] = page_request(b, b->first + i);

	*hmm = (struct hmm_range) {
		.notifier = &b->range->notifier,
		.start = b->first << PAGE_SHIFT,
		.end = (b->first + b->n) << PAGE_SHIFT,
		.hmm_pfns = pfns,
		.pfn_flags_mask = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE,
		.dev_private_owner = home ? NULL : b->hdev,
	};
	hmm->notifier_seq = mmu_interval_read_begin(hmm->notifier);

	t0 = local_clock();
	err = hmm_range_fault(hmm);
	hgpu_stat_add(b->hdev, migrate_core_mm_ns, local_clock() - t0);

	/* A neighbour cannot be had (the file ends there): do without. */
	if (err && err != -EBUSY && !b->narrow) {
		b->narrow = true;
		return -EBUSY;
	}
	return err;
}

/* What the GPU may do to a page that was found; 0: nothing, it is not there. */
static u64 pfn_flags(const struct map_block *b, unsigned long pfn)
{
	u64 flags = HGPU_PTE_READABLE;

	if (!(pfn & HMM_PFN_VALID) || (pfn & HMM_PFN_ERROR))
		return 0;

	if ((pfn & HMM_PFN_WRITE) &&
	    !(b->range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_RO))
		flags |= HGPU_PTE_WRITEABLE;
	if (b->range->attrs.flags & KFD_IOCTL_SVM_FLAG_GPU_EXEC)
		flags |= HGPU_PTE_EXECUTABLE;
	return flags;
}

static u64 make_system_pte(const struct map_block *b, struct page *page,
			   u64 flags)
{
	struct device *dev = &b->hdev->pdev->dev;
	dma_addr_t addr;

	addr = dma_map_page_attrs(dev, page, 0, PAGE_SIZE, pte_dma_dir(flags),
				  HGPU_SVM_DMA_ATTRS);
	return dma_mapping_error(dev, addr) ? 0 : hgpu_pte_system(addr, flags);
}

/*
 * Entries for what was found. A system page that is mapped as it should be
 * keeps its entry: were it another page by now, mmu_interval_read_retry()
 * would tell.
 */
static void make_ptes(struct map_block *b)
{
	const u64 mask = HGPU_PTE_RW | HGPU_PTE_EXECUTABLE;
	struct hgpu_svm_scratch *s = b->svms->scratch;
	u64 t0 = local_clock(), flags;
	struct page *page;
	u32 i;

	mutex_lock(&b->svms->notifier_lock);
	hgpu_vm_read(b->vm, b->first, b->n, s->ptes);
	mutex_unlock(&b->svms->notifier_lock);

	bitmap_zero(s->fresh, HGPU_GRANULE_PAGES);
	for (i = 0; i < b->n; i++) {
		flags = pfn_flags(b, s->pfns[i]);
		if (flags && pte_is_system(s->ptes[i]) &&
		    (s->ptes[i] & mask) == flags)
			continue;

		s->ptes[i] = 0;
		if (!flags)
			continue;
		page = hmm_pfn_to_page(s->pfns[i]);
		if (hgpu_page_is_ours(b->hdev, page)) {
			s->ptes[i] = hgpu_pte_vram(hgpu_page_vram_offset(b->hdev,
									 page),
						   flags);
		} else if (!is_device_private_page(page)) {
			s->ptes[i] = make_system_pte(b, page, flags);
			__set_bit(i, s->fresh);
		}
	}
	hgpu_stat_add(b->hdev, migrate_core_mm_ns, local_clock() - t0);
}

/*
 * The GPU may write from now on, and leaves no trace of it in the CPU's page
 * table. Nothing can clean the pages without an invalidation first, so once is
 * enough; and none can complete while the lock is held, so they stay in their
 * mappings.
 */
static void dirty_pages_locked(struct map_block *b)
{
	struct hgpu_svm_scratch *s = b->svms->scratch;
	u32 i;

	lockdep_assert_held(&b->svms->notifier_lock);

	for_each_set_bit(i, s->fresh, b->n)
		if ((s->ptes[i] & HGPU_PTE_WRITEABLE) &&
		    !PageDirty(hmm_pfn_to_page(s->pfns[i])))
			set_page_dirty(hmm_pfn_to_page(s->pfns[i]));
}

/* They will not be written: undo their DMA mappings, but of no others. */
static void drop_ptes(struct map_block *b)
{
	struct hgpu_svm_scratch *s = b->svms->scratch;
	u32 i;

	for_each_clear_bit(i, s->fresh, b->n)
		s->ptes[i] = 0;
	dma_unmap_ptes(b->hdev, s->ptes, b->n);
}

static void note_mapped(const struct map_block *b)
{
	const struct hgpu_svm_scratch *s = b->svms->scratch;
	struct hgpu_svm_mapped *mapped = b->mapped;
	u64 i = mapped->page - b->first;
	struct page *page;
	u64 pte;

	if (mapped->page < b->first || i >= b->n)
		return;

	pte = s->ptes[i];
	mapped->ok = (pte & HGPU_PTE_VALID) &&
		     (!(b->flags & HGPU_SVM_MAP_WRITE) ||
		      (pte & HGPU_PTE_WRITEABLE));
	mapped->vram = hgpu_pte_is_vram(pte);
	mapped->migratable = false;
	if (pte_is_system(pte)) {
		page = hmm_pfn_to_page(s->pfns[i]);
		mapped->migratable = PageAnon(page) && !PageKsm(page);
	}
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

enum flush_when {
	HGPU_FLUSH_IF_CHANGED,	/* old translations must go */
	HGPU_FLUSH_ALWAYS,	/* ... and parked accesses are to be replayed */
};

/* Write @ptes, flush, and unmap what was there and is not any more. */
static void write_ptes_locked(struct hgpu_svms *svms, unsigned int gpu,
			      u64 first, u32 n, const u64 *ptes,
			      enum flush_when when)
{
	struct hgpu_vm *vm = svms->gpus[gpu].vm;
	u64 *old = svms->scratch->old;
	bool flush = when == HGPU_FLUSH_ALWAYS;
	u32 i;

	lockdep_assert_held(&svms->notifier_lock);

	flush |= hgpu_vm_read(vm, first, n, old) != 0;
	if (!is_huge(ptes, first, n) ||
	    !hgpu_vm_set_huge(vm, first, hgpu_pde_huge(ptes[0])))
		flush |= hgpu_vm_set(vm, first, n, ptes) != 0;
	if (when == HGPU_FLUSH_ALWAYS)
		svms->gpus[gpu].replayed = hgpu_gpu_timestamp(vm->hdev);
	if (flush)
		hgpu_vm_flush_tlb(vm);
	for (i = 0; i < n; i++)
		if (old[i] == ptes[i])
			old[i] = 0;
	dma_unmap_ptes(vm->hdev, old, n);
}

/*
 * One attempt. -EBUSY: start over.
 *
 *  1. look the pages up, making them present if asked to
 *  2. DMA-map those in system memory
 *  3. take the notifier lock; was anything invalidated since 1?
 *  4. write the PTEs, flush the TLB, which replays parked accesses
 */
static int map_block_once(struct map_block *b, unsigned int gpu)
{
	struct hgpu_svms *svms = b->svms;
	struct hgpu_svm_scratch *s = svms->scratch;
	struct hmm_range hmm;
	int err;

	err = find_pages(b, &hmm);
	if (err)
		return err;

	make_ptes(b);

	mutex_lock(&svms->notifier_lock);
	if (svms->dead) {
		err = -ESRCH;
	} else if (mmu_interval_read_retry(hmm.notifier, hmm.notifier_seq)) {
		err = -EBUSY;
	} else {
		note_mapped(b);
		dirty_pages_locked(b);
		write_ptes_locked(svms, gpu, b->first, b->n, s->ptes,
				  b->flags & HGPU_SVM_MAP_FAULT ?
				  HGPU_FLUSH_ALWAYS : HGPU_FLUSH_IF_CHANGED);
	}
	mutex_unlock(&svms->notifier_lock);

	if (err)
		drop_ptes(b);
	return err;
}

/*
 * The CPU keeps changing something in the range. The less is looked up, the
 * less gets in between: go on with the one page that somebody waits for.
 */
static void shrink_block(struct map_block *b)
{
	u64 page = b->mapped->page;

	if (page >= b->first && page < b->first + b->n) {
		b->first = page;
		b->n = 1;
	}
}

static int map_block(const struct map_block *whole, unsigned int gpu)
{
	unsigned long timeout = jiffies +
				msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	struct map_block b = *whole;
	unsigned int try;
	int err;

	err = hgpu_vm_prepare(b.vm, b.first, b.first + b.n - 1);
	if (err)
		return err;

	for (try = 1; ; try++) {
		err = map_block_once(&b, gpu);
		if (err != -EBUSY || time_after(jiffies, timeout))
			return err;
		hgpu_stat_inc(b.hdev, fault_retries);
		if (try == HGPU_SVM_BLOCK_TRIES)
			shrink_block(&b);
		cond_resched();
	}
}

/**
 * hgpu_svm_map() - map pages where they are
 * @svms: the process's
 * @range: covers the pages
 * @vma: likewise; not a device's
 * @gpu: index of the GPU; it has page tables
 * @first: first page
 * @last: last page, inclusive
 * @flags: HGPU_SVM_MAP_*; 0 maps what the CPU has mapped and leaves the rest
 * @mapped: the page that matters, or U64_MAX
 *
 * Context: process context, may sleep and fault pages in; mmap_lock (read) and
 * &hgpu_svms.lock are held, no migration and no folio lock.
 * Return: 0; -EFAULT or -EPERM: @mapped->page cannot be had; -EBUSY: it keeps
 * changing; -ENOSPC or -ENOMEM: no room for page tables; -ESRCH: the process is
 * going away; -ENODEV.
 */
int hgpu_svm_map(struct hgpu_svms *svms, struct hgpu_svm_range *range,
		 struct vm_area_struct *vma, unsigned int gpu, u64 first,
		 u64 last, u32 flags, struct hgpu_svm_mapped *mapped)
{
	struct map_block b = {
		.svms = svms,
		.range = range,
		.vma = vma,
		.hdev = svms->gpus[gpu].hdev,
		.vm = svms->gpus[gpu].vm,
		.flags = flags,
		.mapped = mapped,
	};
	u64 t0 = local_clock();
	int err = 0;

	lockdep_assert_held(&svms->lock);
	mmap_assert_locked(svms->mm);

	if (!b.vm)
		return -ENODEV;

	trace_hgpu_svm_map(svms->pid, first, last, flags);
	for (; first <= last && !err; first += b.n) {
		b.first = first;
		b.n = min(HGPU_GRANULE_PAGES - (first % HGPU_GRANULE_PAGES),
			  last - first + 1);
		err = map_block(&b, gpu);
		cond_resched();
	}
	hgpu_stat_add(b.hdev, migrate_ns, local_clock() - t0);
	return err;
}

/**
 * hgpu_svm_replay() - have parked accesses walked, and reported, again
 * @svms: the process's
 * @gpu: index
 *
 * Context: process context, takes &hgpu_svms.notifier_lock.
 */
void hgpu_svm_replay(struct hgpu_svms *svms, unsigned int gpu)
{
	mutex_lock(&svms->notifier_lock);
	if (svms->gpus[gpu].vm) {
		svms->gpus[gpu].replayed =
			hgpu_gpu_timestamp(svms->gpus[gpu].hdev);
		hgpu_vm_flush_tlb(svms->gpus[gpu].vm);
	}
	mutex_unlock(&svms->notifier_lock);
}

/**
 * hgpu_svm_poison() - have the next access to a page halt its queue
 * @svms: the process's
 * @gpu: index
 * @page: virtual page number
 *
 * A parked access is walked again and finds a no-retry entry, so that its
 * queue halts instead of waiting for ever.
 *
 * Context: process context, may sleep; &hgpu_svms.lock is held.
 * Return: 0 or hgpu_vm_prepare()'s error: the access stays parked.
 */
int hgpu_svm_poison(struct hgpu_svms *svms, unsigned int gpu, u64 page)
{
	u64 pte = HGPU_VM_NORETRY_FLAGS;
	int err;

	lockdep_assert_held(&svms->lock);

	err = hgpu_vm_prepare(svms->gpus[gpu].vm, page, page);
	if (err)
		return err;
	mutex_lock(&svms->notifier_lock);
	write_ptes_locked(svms, gpu, page, 1, &pte, HGPU_FLUSH_ALWAYS);
	mutex_unlock(&svms->notifier_lock);
	return 0;
}

/**
 * hgpu_svm_unpoison() - undo hgpu_svm_poison()
 * @svms: the process's
 * @gpu: index
 * @page: virtual page number; an entry that is valid by now stays
 *
 * Context: process context; &hgpu_svms.lock is held.
 */
void hgpu_svm_unpoison(struct hgpu_svms *svms, unsigned int gpu, u64 page)
{
	u64 pte, none = 0;

	lockdep_assert_held(&svms->lock);

	mutex_lock(&svms->notifier_lock);
	if (svms->gpus[gpu].vm &&
	    !hgpu_vm_read(svms->gpus[gpu].vm, page, 1, &pte) && pte)
		hgpu_vm_set(svms->gpus[gpu].vm, page, 1, &none);
	mutex_unlock(&svms->notifier_lock);
}
