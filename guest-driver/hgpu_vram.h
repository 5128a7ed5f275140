/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VRAM and buffers: a TTM device with a drm_buddy manager behind TTM_PL_VRAM
 * and system pages behind TTM_PL_TT.
 *
 * Of what fills VRAM only buffers that say how can be evicted, those of shared
 * virtual memory, and only for allocations that ask for it. Such a buffer never
 * comes back: what was in it moves elsewhere, and others get its VRAM.
 */
#ifndef HGPU_VRAM_H
#define HGPU_VRAM_H

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_resource.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/bits.h>
#include <linux/iosys-map.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "hgpu_compat.h"

struct drm_file;
struct hgpu_bo;
struct hgpu_device;
struct seq_file;
struct vm_area_struct;

/**
 * struct hgpu_vram - VRAM of one GPU
 * @bdev: TTM's device; lives until the last reference to the DRM device goes,
 *	because mappings of buffers may outlive the PCI device
 * @man: the TTM_PL_VRAM manager
 * @mm: what is free; protected by @lock
 * @lock: protects @mm, @visible_avail and the buddy blocks of every resource;
 *	below dma_resv in the lock order
 * @size: bytes of VRAM
 * @visible: bytes of it that the CPU reaches through BAR 0
 * @reserve: bytes that only HGPU_BO_KERNEL buffers may use, so that page
 *	tables can still be made when processes have filled VRAM
 * @visible_avail: free bytes below @visible
 * @mc_base: VMID 0 address of VRAM's first byte
 * @io: BAR 0's first @visible bytes, write-combined; NULL once unbound
 * @io_phys: where BAR 0 is for the CPU
 * @clear: zeroes a buffer by SDMA; NULL while that does not run
 * @lent: how often other devices, or the kernel, use pages of dma-bufs
 * @lent_wait: for that to be over
 */
struct hgpu_vram {
	struct ttm_device bdev;
	struct ttm_resource_manager man;
	struct gpu_buddy mm;
	struct mutex lock;
	u64 size;
	u64 visible;
	u64 reserve;
	u64 visible_avail;
	u64 mc_base;
	void __iomem *io;
	resource_size_t io_phys;
	int (*clear)(struct hgpu_device *hdev, struct hgpu_bo *bo);
	atomic_t lent;
	wait_queue_head_t lent_wait;
};

/**
 * enum hgpu_domain - where a buffer lives, for its whole life
 * @HGPU_DOMAIN_VRAM: anywhere in VRAM; what the CPU cannot see comes first
 * @HGPU_DOMAIN_VRAM_VISIBLE: in VRAM, within BAR 0
 * @HGPU_DOMAIN_GTT: system pages, DMA-mapped for the buffer's lifetime
 */
enum hgpu_domain {
	HGPU_DOMAIN_VRAM,
	HGPU_DOMAIN_VRAM_VISIBLE,
	HGPU_DOMAIN_GTT,
};

/* Flags of hgpu_bo_create() */
#define HGPU_BO_CONTIGUOUS	BIT(0)	/* one run of VRAM; has hgpu_bo_vram_offset() */
#define HGPU_BO_CLEAR		BIT(1)	/* zeroed before it is returned */
#define HGPU_BO_PINNED		BIT(2)	/* is never moved or evicted, also later */
#define HGPU_BO_KERNEL		BIT(3)	/* may use the reserve; page tables, GART */
#define HGPU_BO_MAY_EVICT	BIT(4)	/* when VRAM is full, make others leave it */
#define HGPU_BO_NO_WAIT		BIT(5)	/* not for what others still do with freed ones */

/**
 * struct hgpu_bo - a buffer
 * @tbo: TTM's part; &ttm_buffer_object.base is the GEM object, whose count is
 *	the one that hgpu_bo_get() and hgpu_bo_put() use
 * @domain: where it lives
 * @flags: HGPU_BO_*
 * @destroyed: called when the memory has been given back, which may be long
 *	after the last hgpu_bo_put(): mappings of processes keep it. May not
 *	sleep. Set by the one who made the buffer, or NULL
 * @evict: somebody else wants the memory. Called with the buffer's dma_resv
 *	held, may sleep; true: nobody needs what is in it any more, nor will put
 *	anything there. NULL: it stays. Set once, by the one who made the buffer
 * @owner: for @evict, who also knows what protects it
 */
struct hgpu_bo {
	struct ttm_buffer_object tbo;
	enum hgpu_domain domain;
	u32 flags;
	void (*destroyed)(struct hgpu_bo *bo);
	bool (*evict)(struct hgpu_bo *bo);
	void *owner;
};

static inline struct hgpu_bo *to_hgpu_bo(struct ttm_buffer_object *tbo)
{
	return container_of(tbo, struct hgpu_bo, tbo);
}

/**
 * hgpu_bo_create() - make a buffer
 * @hdev: the GPU
 * @size: bytes; rounded up to pages, not 0
 * @align: alignment of its place in VRAM in bytes, a power of two; 0: a page
 * @domain: where it is to live
 * @flags: HGPU_BO_*. A buffer without HGPU_BO_CLEAR in VRAM holds whatever
 *	its memory held before: its user must overwrite all that a process can
 *	reach. GTT buffers are always zeroed, and pinned.
 * @bop: the buffer, with one reference
 *
 * HGPU_BO_CLEAR of a big or invisible VRAM buffer is an SDMA job and is
 * waited for; do not use it under the migrate mutex. HGPU_BO_MAY_EVICT takes
 * that mutex, waits for jobs and invalidates mappings of processes.
 *
 * Context: process context, may sleep. Takes the buffer's own dma_resv
 * (trylock, nobody else knows it yet) and &hgpu_vram.lock; to evict, the
 * dma_resv of others (trylock).
 * Return: 0; -ENOSPC when VRAM is full; -ENOMEM; -EINVAL; -ENODEV;
 * the SDMA job's error.
 */
int hgpu_bo_create(struct hgpu_device *hdev, u64 size, u64 align,
		   enum hgpu_domain domain, u32 flags, struct hgpu_bo **bop);

/**
 * hgpu_bo_get() - take a reference
 * @bo: the buffer
 *
 * Context: any.
 * Return: @bo.
 */
static inline struct hgpu_bo *hgpu_bo_get(struct hgpu_bo *bo)
{
	drm_gem_object_get(&bo->tbo.base);
	return bo;
}

/**
 * hgpu_bo_put() - drop a reference; the last frees the memory
 * @bo: the buffer, or NULL
 *
 * Memory that a process has mapped is freed when the mapping goes.
 *
 * Context: process context, may sleep. The memory is not cleared: see
 * HGPU_BO_CLEAR.
 */
void hgpu_bo_put(struct hgpu_bo *bo);

/**
 * hgpu_bo_touch() - the buffer was used: others are evicted before it
 * @bo: the buffer
 *
 * Does nothing while somebody has its dma_resv, which is only tried.
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_bo_touch(struct hgpu_bo *bo);

/**
 * hgpu_bo_size() - how big is it?
 * @bo: the buffer
 *
 * Return: bytes, whole pages.
 */
static inline u64 hgpu_bo_size(const struct hgpu_bo *bo)
{
	return bo->tbo.base.size;
}

/**
 * hgpu_bo_vram_offset() - where a contiguous VRAM buffer is
 * @bo: a buffer made with HGPU_BO_CONTIGUOUS in one of the VRAM domains
 *
 * Return: byte offset in VRAM. It never changes, until the buffer is evicted.
 */
u64 hgpu_bo_vram_offset(const struct hgpu_bo *bo);

/**
 * hgpu_bo_vram_page() - VRAM offset of one page of any VRAM buffer
 * @bo: a buffer in VRAM, contiguous or not
 * @page: index of the page in the buffer
 * @npages: if not NULL, how many pages from here on are contiguous, at least 1
 *
 * Context: any; walks the buffer's blocks.
 * Return: byte offset in VRAM.
 */
u64 hgpu_bo_vram_page(const struct hgpu_bo *bo, u64 page, u64 *npages);

/**
 * hgpu_bo_dma_address() - bus address of one page of a GTT buffer
 * @bo: a buffer in HGPU_DOMAIN_GTT
 * @page: index of the page in the buffer
 *
 * Return: the address, mapped for the buffer's lifetime, bidirectional.
 */
static inline dma_addr_t hgpu_bo_dma_address(const struct hgpu_bo *bo, u64 page)
{
	return bo->tbo.ttm->dma_address[page];
}

/**
 * hgpu_bo_pages() - the pages of a GTT buffer
 * @bo: a buffer in HGPU_DOMAIN_GTT
 *
 * Return: one for each page, for the buffer's lifetime.
 */
static inline struct page **hgpu_bo_pages(const struct hgpu_bo *bo)
{
	return bo->tbo.ttm->pages;
}

/**
 * hgpu_bo_kmap() - map a buffer for the CPU
 * @bo: a GTT buffer, or a contiguous one that the CPU can see
 * @map: the mapping; is_iomem in VRAM
 *
 * A mapping in VRAM is BAR 0's own and needs no page tables; for GTT it is a
 * vmap. Of a VRAM mapping vaddr_iomem may be kept and used with writeq() from
 * any context until hgpu_bo_kunmap().
 *
 * Context: process context, may sleep; takes the buffer's dma_resv.
 * Return: 0, -ENOMEM, -EINVAL for a buffer that cannot be mapped so.
 */
int hgpu_bo_kmap(struct hgpu_bo *bo, struct iosys_map *map);

/**
 * hgpu_bo_kunmap() - undo hgpu_bo_kmap()
 * @bo: the buffer
 * @map: its mapping; cleared
 *
 * Context: process context, may sleep.
 */
void hgpu_bo_kunmap(struct hgpu_bo *bo, struct iosys_map *map);

/**
 * hgpu_bo_mmap_offset() - what a process passes to mmap() of the DRM file
 * @bo: the buffer
 *
 * Return: the offset, bytes.
 */
u64 hgpu_bo_mmap_offset(const struct hgpu_bo *bo);

/**
 * hgpu_bo_allow_mmap() - let a DRM file map the buffer
 * @bo: the buffer
 * @file: the file; to be undone with hgpu_bo_revoke_mmap() before it closes
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int hgpu_bo_allow_mmap(struct hgpu_bo *bo, struct drm_file *file);
void hgpu_bo_revoke_mmap(struct hgpu_bo *bo, struct drm_file *file);

/**
 * hgpu_vram_size() - all VRAM
 * @hdev: the GPU
 *
 * Return: bytes.
 */
u64 hgpu_vram_size(struct hgpu_device *hdev);

/**
 * hgpu_vram_used() - VRAM in use
 * @hdev: the GPU
 *
 * Context: any.
 * Return: bytes, a snapshot.
 */
u64 hgpu_vram_used(struct hgpu_device *hdev);

/**
 * hgpu_vram_addr() - VRAM address of a byte of VRAM, for page tables
 * @hdev: the GPU
 * @offset: byte offset in VRAM
 *
 * Return: the address; for all GPUs of its hive the same.
 */
u64 hgpu_vram_addr(const struct hgpu_device *hdev, u64 offset);

/**
 * hgpu_vram_mc_addr() - VMID 0 address of a byte of VRAM
 * @hdev: the GPU
 * @offset: byte offset in VRAM
 *
 * Return: the address; for all GPUs of its hive the same.
 */
u64 hgpu_vram_mc_addr(struct hgpu_device *hdev, u64 offset);

/*
 * For hgpu_device.c. hgpu_vram_init() needs registers; hgpu_vram_unbind()
 * ends all CPU mappings of processes and all DMA mappings, hgpu_vram_fini()
 * is the DRM device's last act.
 */
int hgpu_vram_init(struct hgpu_device *hdev);
void hgpu_vram_unbind(struct hgpu_device *hdev);
void hgpu_vram_show(struct hgpu_device *hdev, struct seq_file *m);

#endif /* HGPU_VRAM_H */
