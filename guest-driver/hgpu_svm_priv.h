/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the svm files share among themselves.
 */
#ifndef HGPU_SVM_PRIV_H
#define HGPU_SVM_PRIV_H

#include <linux/interval_tree.h>
#include <linux/lockdep.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/scatterlist.h>
#include <linux/sched/clock.h>

#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_svm.h"
#include "hgpu_svm_plan.h"

extern struct workqueue_struct *hgpu_svm_wq;

/* Ranges (hgpu_svm_notifier.c, hgpu_svm_range.c, hgpu_svm_unmap.c) */

#define HGPU_SVM_HOLES	4	/* of a range that need no further memory */

/**
 * struct hgpu_svm_range - a piece of the address space with attributes
 *
 * It says nothing about where pages are: CPU and GPU page tables do.
 *
 * @svms: whose
 * @it: first and last page; in &hgpu_svms.ranges, protected by &hgpu_svms.lock
 * @notifier: the same span in bytes; inserted as long as the range exists
 * @attrs: protected by &hgpu_svms.lock
 * @doomed: in a list of ranges about to be freed; protected by &hgpu_svms.lock
 * @unmap_link: in &hgpu_svms.unmapped
 * @holes: what munmap() took since then, page numbers; sorted. These and the
 *	link are protected by &hgpu_svms.notifier_lock; holes come with mmap_lock
 *	held, so who has it for writing may read them without
 * @num_holes: entries of @holes in use
 * @max_holes: of all
 * @few_holes: the first place of @holes
 * @kept: it stays mapped: see hgpu_svm_restore.c. Written under &hgpu_svms.lock
 *	and &hgpu_svms.notifier_lock, read under either
 * @missing_link: in &hgpu_svms.missing; this and what follows is protected by
 *	&hgpu_svms.notifier_lock
 * @missing_first: first page that is missing then
 * @missing_last: last one, inclusive
 */
struct hgpu_svm_range {
	struct hgpu_svms *svms;
	struct interval_tree_node it;
	struct mmu_interval_notifier notifier;
	struct hgpu_svm_attrs attrs;
	struct list_head doomed;
	struct list_head unmap_link;
	struct hgpu_svm_hole *holes;
	unsigned int num_holes;
	unsigned int max_holes;
	struct hgpu_svm_hole few_holes[HGPU_SVM_HOLES];
	bool kept;
	struct list_head missing_link;
	u64 missing_first;
	u64 missing_last;
};

static inline void hgpu_svms_assert_write_locked(struct hgpu_svms *svms)
{
	mmap_assert_write_locked(svms->mm);
	lockdep_assert_held(&svms->lock);
}

extern const struct mmu_interval_notifier_ops hgpu_svm_notifier_ops;
bool hgpu_svm_range_has_hole(struct hgpu_svm_range *range, u64 page);

struct hgpu_svm_attrs hgpu_svm_default_attrs(struct hgpu_svms *svms);
struct hgpu_svm_range *hgpu_svm_range_first(struct hgpu_svms *svms, u64 first,
					    u64 last);
struct hgpu_svm_range *hgpu_svm_range_next(struct hgpu_svm_range *range,
					   u64 first, u64 last);
int hgpu_svm_replace_locked(struct hgpu_svms *svms, u64 first, u64 last,
			    const struct hgpu_svm_span *spans, unsigned int n);
struct hgpu_svm_span *hgpu_svm_collect_locked(struct hgpu_svms *svms, u64 first,
					      u64 last, unsigned int *n);
struct hgpu_svm_range *hgpu_svm_range_create_locked(struct hgpu_svms *svms,
						    struct vm_area_struct *vma,
						    u64 page);
void hgpu_svm_range_drop_locked(struct hgpu_svm_range *range);
void hgpu_svm_ranges_free(struct hgpu_svms *svms);

void hgpu_svm_settle_unmaps_locked(struct hgpu_svms *svms);
void hgpu_svm_unmap_work(struct work_struct *work);

/* The limit of system memory (hgpu_svm_account.c) */

int hgpu_svm_charge(struct hgpu_svms *svms, u64 pages);
void hgpu_svm_uncharge(struct hgpu_svms *svms, u64 pages);
u64 hgpu_svm_count_pages(struct hgpu_svms *svms, u64 first, u64 last);

/* GPU page tables (hgpu_svm_map.c) */

/* Flags of hgpu_svm_map() */
#define HGPU_SVM_MAP_FAULT	BIT(0)	/* make absent pages present */
#define HGPU_SVM_MAP_WRITE	BIT(1)	/* ... and writable */
#define HGPU_SVM_MAP_HOME	BIT(2)	/* ... in system memory */
#define HGPU_SVM_MAP_ALL	BIT(3)	/* all of them, or fail */

/**
 * struct hgpu_svm_mapped - what became of one page
 * @page: its number, in; U64_MAX for none
 * @ok: mapped with the access that was asked for
 * @vram: it is in VRAM
 * @migratable: it is in system memory, and could move
 */
struct hgpu_svm_mapped {
	u64 page;
	bool ok;
	bool vram;
	bool migratable;
};

int hgpu_svm_map(struct hgpu_svms *svms, struct hgpu_svm_range *range,
		 struct vm_area_struct *vma, unsigned int gpu, u64 first,
		 u64 last, u32 flags, struct hgpu_svm_mapped *mapped);

/* Making pages present (hgpu_svm_populate.c) */

unsigned long hgpu_svm_populate_request(const struct hgpu_svm_range *range,
					struct vm_area_struct *vma);
bool hgpu_svm_is_wanting(unsigned long pfn, unsigned long request);
void hgpu_svm_populate(struct hgpu_svm_range *range,
		       struct vm_area_struct *vma, struct hgpu_device *hdev,
		       unsigned long start, unsigned long end,
		       unsigned long request);

/* PTEs (hgpu_svm_pte.c) */

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

enum hgpu_svm_flush {
	HGPU_FLUSH_IF_CHANGED,	/* old translations must go */
	HGPU_FLUSH_ALWAYS,	/* ... and parked accesses are to be replayed */
};

static inline bool hgpu_pte_is_system(u64 pte)
{
	return (pte & HGPU_PTE_VALID) && (pte & HGPU_PTE_SYSTEM);
}

int hgpu_svm_scratch_init(struct hgpu_svms *svms);
void hgpu_svm_scratch_fini(struct hgpu_svms *svms);
u64 hgpu_svm_make_system_pte(struct hgpu_device *hdev, struct page *page,
			     u64 flags);
void hgpu_svm_drop_ptes(struct hgpu_device *hdev, const u64 *ptes, u32 n);
void hgpu_svm_write_ptes_locked(struct hgpu_svms *svms, unsigned int gpu,
				u64 first, u32 n, const u64 *ptes,
				enum hgpu_svm_flush when);
bool hgpu_svm_zap_gpu_locked(struct hgpu_svms *svms, unsigned int gpu,
			     u64 first, u64 last);
u8 hgpu_svm_zap_locked(struct hgpu_svms *svms, u64 first, u64 last);
void hgpu_svm_zap(struct hgpu_svms *svms, u64 first, u64 last);
u64 hgpu_svm_read_pte(struct hgpu_svms *svms, unsigned int gpu, u64 page);
void hgpu_svm_replay(struct hgpu_svms *svms, unsigned int gpu);
int hgpu_svm_poison(struct hgpu_svms *svms, unsigned int gpu, u64 page, u64 *was);
void hgpu_svm_unpoison(struct hgpu_svms *svms, unsigned int gpu, u64 page, u64 was);

/* Attributes (hgpu_svm_attr.c) */

int hgpu_svm_gpu_by_id(struct hgpu_svms *svms, u32 gpu_id);

/* What attributes ask for (hgpu_svm_settle.c) */

/**
 * struct hgpu_svm_changed - attributes have been set
 * @first: first page
 * @last: last page, inclusive
 * @was: the ranges there were, sorted, with their attributes then
 * @n: entries of @was
 * @prefetch: PREFETCH_LOC was one of them
 */
struct hgpu_svm_changed {
	u64 first;
	u64 last;
	struct hgpu_svm_span *was;
	unsigned int n;
	bool prefetch;
};

u8 hgpu_svm_strangers(struct hgpu_svms *svms, int gpu);
int hgpu_svm_settle(struct hgpu_svms *svms,
		    const struct hgpu_svm_changed *changed);

/* Memory that stays mapped (hgpu_svm_restore.c) */

u8 hgpu_svm_kept_gpus(struct hgpu_svms *svms, const struct hgpu_svm_attrs *attrs);
bool hgpu_svm_hold_locked(struct hgpu_svm_range *range, u64 first, u64 last,
			  enum mmu_notifier_event event);
void hgpu_svm_inherit(struct hgpu_svm_range *range);
int hgpu_svm_keep_mapped(struct hgpu_svm_range *range, u64 first, u64 last);
bool hgpu_svm_hold_page(struct hgpu_svm_range *range, struct vm_area_struct *vma,
			unsigned int gpu, u64 page);
void hgpu_svm_pause(struct hgpu_svms *svms, u64 first, u64 last);
bool hgpu_svm_is_settled(struct hgpu_svm_range *range);
int hgpu_svm_mend(struct hgpu_svms *svms, u64 first, u64 last);
void hgpu_svm_gpu_arrives(struct hgpu_svms *svms, unsigned int gpu);
void hgpu_svm_restore_work(struct work_struct *work);

/* VRAM chunks (hgpu_svm_chunk.c) */

struct hgpu_svm_chunk *hgpu_chunk_get(struct hgpu_device *hdev, u64 owner,
				      unsigned long va, u32 npages,
				      u32 bo_flags);
void hgpu_chunk_touch(struct hgpu_svm_chunk *chunk);
bool hgpu_chunk_any(struct hgpu_device *hdev, u64 owner, unsigned long va,
		    unsigned long npages);
u32 hgpu_chunk_count(struct hgpu_device *hdev, u64 owner, unsigned long block,
		     unsigned long first, unsigned long last);
u32 hgpu_chunk_step(struct hgpu_device *hdev, u64 owner, unsigned long va,
		    u32 npages);
void hgpu_chunk_put(struct hgpu_svm_chunk *chunk);
void hgpu_chunk_unref(struct hgpu_svm_chunk *chunk);
int hgpu_chunk_evict_begin(struct hgpu_device *hdev, struct hgpu_bo *bo,
			   struct hgpu_svm_chunk **chunk);
bool hgpu_chunk_evict_end(struct hgpu_svm_chunk *chunk);
void hgpu_chunk_hide(struct hgpu_svm_chunk *chunk);
bool hgpu_chunk_hidden(struct hgpu_svm_chunk *chunk);
struct page *hgpu_chunk_take_page(struct hgpu_svm_chunk *chunk, u32 slot);
void hgpu_chunk_page_moved(struct page *page);
void hgpu_chunk_page_free(struct page *page);
bool hgpu_chunk_free(struct hgpu_svm_chunk *chunk);
void hgpu_chunk_free_bo(struct hgpu_svm_chunk *chunk);
struct hgpu_svm_chunk *hgpu_chunk_with_bo(struct hgpu_pagemap *pm);

static inline u64 hgpu_page_vram_offset(struct hgpu_device *hdev,
					const struct page *page)
{
	return (u64)(page_to_pfn(page) - hdev->pagemap.base_pfn) << PAGE_SHIFT;
}

/* For page tables */
static inline u64 hgpu_page_vram_addr(struct hgpu_device *hdev,
				      const struct page *page)
{
	return hgpu_vram_addr(hdev, hgpu_page_vram_offset(hdev, page));
}

static inline bool hgpu_page_is_ours(struct hgpu_device *hdev,
				     const struct page *page)
{
	unsigned long index = page_to_pfn(page) - hdev->pagemap.base_pfn;

	return is_device_private_page(page) && index < hdev->pagemap.npages;
}

/*
 * Migration (hgpu_svm_migrate.c, hgpu_svm_granule.c, hgpu_svm_collect.c,
 * hgpu_svm_migration.c, hgpu_svm_copy.c)
 */

/**
 * struct hgpu_migration - one granule on its way: "the migrate mutex"
 *
 * There is one for each transfer window; whoever has it owns the window and
 * this memory.
 *
 * @hdev: the GPU
 * @window: transfer window
 * @vma: core's arguments; src and dst are the arrays below
 * @job: made before folios are locked, consumed by hgpu_copy_start(); NULL
 *	without an engine
 * @fence: of the copy, until hgpu_copy_wait(); NULL if there is none
 * @err: then, why
 * @npages: entries of @src and @dst in use
 * @nsys: entries of @dma: system pages that take part
 * @nents: entries of @sg, 0 when unmapped
 * @max_run: bytes that one DMA mapping may have
 * @dir: of the DMA mapping, hence of the migration
 * @collected: since this was taken there has been something to move
 * @fault_id: for traces: &hgpu_svms.fault_id of whom it is for, or 0
 * @core_ns: time spent in core mm and DMA mapping
 * @src: see struct migrate_vma
 * @dst: see struct migrate_vma
 * @dma: bus address of each page of the window
 * @pages: system pages just allocated
 * @sg: physically contiguous runs of system pages
 */
struct hgpu_migration {
	struct hgpu_device *hdev;
	unsigned int window;
	struct migrate_vma vma;
	struct hgpu_sdma_job *job;
	struct dma_fence *fence;
	int err;
	u32 npages;
	u32 nsys;
	u32 nents;
	u32 max_run;
	enum dma_data_direction dir;
	bool collected;
	u32 fault_id;
	u64 core_ns;
	unsigned long src[HGPU_GRANULE_PAGES];
	unsigned long dst[HGPU_GRANULE_PAGES];
	dma_addr_t dma[HGPU_GRANULE_PAGES];
	struct page *pages[HGPU_GRANULE_PAGES];
	struct scatterlist sg[HGPU_GRANULE_PAGES];
};

/* Are pages of devices collected, too, and not only the system's? */
static inline bool hgpu_svm_takes_device_pages(const struct hgpu_migration *m)
{
	return m->vma.flags & MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
}

/**
 * hgpu_svm_can_leave_ram() - can this page become device-private?
 * @page: a system page, mapped or locked; NULL: there is none yet
 *
 * Only anonymous memory can. KSM compares its pages by reading them. And a page
 * that MADV_FREE gave up may be thrown away as long as it is clean: nobody would
 * see that a GPU wrote to it.
 *
 * Context: any.
 * Return: true if it can.
 */
static inline bool hgpu_svm_can_leave_ram(struct page *page)
{
	struct folio *folio;

	if (!page)
		return true;
	folio = page_folio(page);
	return folio_test_anon(folio) && folio_test_swapbacked(folio) &&
	       !folio_test_ksm(folio);
}

int hgpu_migrations_init(struct hgpu_device *hdev);
void hgpu_migrations_fini(struct hgpu_device *hdev);
struct hgpu_migration *hgpu_migration_get(struct hgpu_device *hdev);
struct hgpu_migration *hgpu_migration_tryget(struct hgpu_device *hdev);
void hgpu_migration_put(struct hgpu_migration *m);
void hgpu_migration_put_try(struct hgpu_migration *m);
void hgpu_migrations_wait(struct hgpu_device *hdev);
void hgpu_migration_prime(void);
void hgpu_migration_unprime(void);

int hgpu_svm_setup(struct hgpu_migration *m, struct vm_area_struct *vma,
		   unsigned long start, unsigned long end, unsigned long select,
		   struct page *fault_page);
void hgpu_svm_finalize(struct hgpu_migration *m);
int hgpu_svm_collect(struct hgpu_migration *m, struct hgpu_svm_range *range,
		     struct vm_area_struct *vma, unsigned long start,
		     unsigned long end, unsigned long select,
		     unsigned long request, const struct hgpu_svm_chunk *chunk);

int hgpu_copy_prepare(struct hgpu_migration *m, enum dma_data_direction dir);
long hgpu_copy_start(struct hgpu_migration *m, long chosen);
int hgpu_copy_wait(struct hgpu_migration *m);
void hgpu_copy_cancel(struct hgpu_migration *m);
void hgpu_copy_drop_dst(struct hgpu_migration *m);
u32 hgpu_copy_alloc_ram(struct hgpu_migration *m, struct vm_area_struct *vma,
			unsigned long addr, u32 want);

int hgpu_svm_migrate_to_vram(struct hgpu_svm_range *range,
			     struct hgpu_device *hdev,
			     struct vm_area_struct *vma, unsigned long start,
			     unsigned long end,
			     enum KFD_MIGRATE_TRIGGERS trigger);
bool hgpu_svm_is_foreign(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			 u64 last);
int hgpu_svm_leave_gpus(struct hgpu_svm_range *range, int gpu,
			struct vm_area_struct *vma, unsigned long start,
			unsigned long end, enum KFD_MIGRATE_TRIGGERS trigger);
int hgpu_svm_migrate_home(struct hgpu_svm_range *range,
			  struct hgpu_device *hdev, struct vm_area_struct *vma,
			  unsigned long start, unsigned long end,
			  enum KFD_MIGRATE_TRIGGERS trigger);
struct hgpu_smi_migration
hgpu_svm_describe_chunk(const struct hgpu_svm_chunk *chunk,
			enum KFD_MIGRATE_TRIGGERS trigger);
long hgpu_svm_choose_ram(struct hgpu_migration *m, struct vm_area_struct *vma,
			 struct page *fault_page);
long hgpu_svm_begin_vram(struct hgpu_migration *m, struct hgpu_svm_range *range,
			 struct vm_area_struct *vma, unsigned long start,
			 unsigned long end, unsigned long select,
			 unsigned long request, struct hgpu_svm_chunk *chunk);
long hgpu_svm_begin_home(struct hgpu_migration *m, struct vm_area_struct *vma,
			 unsigned long start, unsigned long end,
			 struct page *fault_page);
long hgpu_svm_finish(struct hgpu_migration *m);

/* CPU faults (hgpu_svm_cpu_fault.c) */

vm_fault_t hgpu_svm_migrate_to_ram(struct vm_fault *vmf);

/* Eviction (hgpu_svm_evict.c) */

bool hgpu_svm_evict_bo(struct hgpu_bo *bo);
bool hgpu_svm_goes_round(struct hgpu_svms *svms, struct hgpu_device *hdev,
			 unsigned long va);

/* Where memory is (hgpu_svm_where.c) */

u64 hgpu_svm_vram_pages(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			u64 last);

/* Reports of faults (hgpu_svm_report.c) */

void hgpu_svm_fault_date(struct hgpu_svm_fault *fault, u64 now);
bool hgpu_svm_reported_since(const struct hgpu_svm_fault *fault, u64 clock);
bool hgpu_svm_fault_push(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault);
bool hgpu_svm_fault_pop(struct hgpu_svms *svms, struct hgpu_svm_fault *fault);
void hgpu_svm_note_resolved(struct hgpu_svms *svms, unsigned int gpu, u64 first,
			    u32 n, const u64 *ptes, u64 when);
bool hgpu_svm_is_stale(struct hgpu_svms *svms,
		       const struct hgpu_svm_fault *fault);
void hgpu_svm_unmaps_add(struct hgpu_svm_unmaps *unmaps,
			 const struct hgpu_svm_unmap *unmap);
bool hgpu_svm_unmaps_after(const struct hgpu_svm_unmaps *unmaps,
			   const struct hgpu_svm_fault *fault);
void hgpu_svm_note_unmap_locked(struct hgpu_svms *svms, u64 first, u64 last);
void hgpu_svm_forget_reports(struct hgpu_svms *svms, unsigned int gpu);

/* Accesses that must fail (hgpu_svm_deny.c) */

void hgpu_svm_denials_init(struct hgpu_svms *svms);
void hgpu_svm_deny(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault,
		   int why);
void hgpu_svm_allow(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault);
struct kfd_memory_exception_failure
hgpu_svm_failure(struct hgpu_svms *svms, const struct hgpu_svm_fault *fault);
void hgpu_svm_allow_pages(struct hgpu_svms *svms, u8 gpus, u64 first, u64 last);

/* Faults (hgpu_svm_fault.c) */

void hgpu_svm_fault_work(struct work_struct *work);

#endif /* HGPU_SVM_PRIV_H */
