/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GART: the aperture of VMID 0 through which the GPU reaches system memory
 * (SPEC 4.1). A flat table of PTEs in visible VRAM; the first pages of the
 * aperture are the transfer windows of migration, whose PTEs the SDMA ring
 * writes itself, the rest is handed out by hgpu_gart_bind().
 */
#ifndef HGPU_GART_H
#define HGPU_GART_H

#include <linux/mutex.h>
#include <linux/types.h>

struct hgpu_bo;
struct hgpu_device;

#define HGPU_GART_SIZE		(256ULL << 20)	/* bytes of the aperture */
#define HGPU_GART_WINDOWS	2
#define HGPU_GART_WINDOW_PAGES	512

/* Flags of hgpu_gart_pte() and of hgpu_sdma_emit_gart_window() */
#define HGPU_GART_READ		BIT(0)		/* the GPU reads */
#define HGPU_GART_WRITE		BIT(1)		/* the GPU writes */

/**
 * struct hgpu_gart - the aperture of one GPU
 * @bo: the table, pinned
 * @ptes: the table for the CPU
 * @canary: what is written behind the table, to be found again after a reset
 * @base: VMID 0 address of the aperture
 * @npages: pages of the aperture
 * @used: a bit for each page that is bound or a window's; protected by @lock
 * @lock: protects @used and HGPU_INV_ENG_GART; may be taken under dma_resv
 */
struct hgpu_gart {
	struct hgpu_bo *bo;
	u64 __iomem *ptes;
	u64 canary;
	u64 base;
	u32 npages;
	unsigned long *used;
	struct mutex lock;
};

/**
 * struct hgpu_gtt_mem - system memory that CPU and VMID 0 share
 * @cpu: for the CPU
 * @dma: bus address
 * @gpu: VMID 0 address
 * @size: bytes, whole pages
 */
struct hgpu_gtt_mem {
	void *cpu;
	dma_addr_t dma;
	u64 gpu;
	size_t size;
};

/**
 * hgpu_gtt_alloc() - coherent memory, zeroed, bound into the aperture
 * @hdev: the GPU
 * @size: bytes; rounded up to pages
 * @mem: filled in
 *
 * For rings, fences, MQDs. The GPU address is page-aligned.
 *
 * Context: process context, may sleep.
 * Return: 0, -ENOMEM, -ENOSPC when the aperture is full.
 */
int hgpu_gtt_alloc(struct hgpu_device *hdev, size_t size,
		   struct hgpu_gtt_mem *mem);

/**
 * hgpu_gtt_free() - undo hgpu_gtt_alloc()
 * @hdev: the GPU
 * @mem: the memory; one that was never allocated (all zero) is left alone
 *
 * Unbinds and flushes before the memory goes.
 * Context: process context, may sleep.
 */
void hgpu_gtt_free(struct hgpu_device *hdev, struct hgpu_gtt_mem *mem);

/**
 * hgpu_gart_bind() - give system pages a VMID 0 address
 * @hdev: the GPU
 * @pages: bus addresses, one a page; stay mapped until unbind
 * @npages: how many
 * @gpu_addr: where they are for VMID 0, contiguous
 *
 * Context: process context, may sleep.
 * Return: 0, -ENOSPC.
 */
int hgpu_gart_bind(struct hgpu_device *hdev, const dma_addr_t *pages,
		   u32 npages, u64 *gpu_addr);

/**
 * hgpu_gart_unbind() - undo hgpu_gart_bind()
 * @hdev: the GPU
 * @gpu_addr: from hgpu_gart_bind()
 * @npages: as bound
 *
 * When it returns no engine uses the old translations.
 * Context: process context, may sleep.
 */
void hgpu_gart_unbind(struct hgpu_device *hdev, u64 gpu_addr, u32 npages);

/**
 * hgpu_gart_window_addr() - VMID 0 address of a transfer window
 * @hdev: the GPU
 * @window: below HGPU_GART_WINDOWS
 *
 * Return: the address.
 */
u64 hgpu_gart_window_addr(struct hgpu_device *hdev, unsigned int window);

/**
 * hgpu_gart_window_pte_addr() - VMID 0 address of a transfer window's PTEs
 * @hdev: the GPU
 * @window: below HGPU_GART_WINDOWS
 *
 * Return: the address.
 */
u64 hgpu_gart_window_pte_addr(struct hgpu_device *hdev, unsigned int window);

/**
 * hgpu_gart_pte() - the PTE of a system page
 * @addr: bus address, page-aligned, within HGPU_DMA_BITS
 * @flags: HGPU_GART_READ, HGPU_GART_WRITE
 *
 * Pure. Context: any.
 * Return: the entry, in CPU byte order.
 */
u64 hgpu_gart_pte(dma_addr_t addr, u32 flags);

/*
 * For hgpu_device.c. _suspend() keeps everybody out until _resume(), by the same
 * task, has programmed the registers again; _survived() asks in between whether
 * the table is still what was written.
 */
int hgpu_gart_init(struct hgpu_device *hdev);
void hgpu_gart_suspend(struct hgpu_device *hdev);
bool hgpu_gart_survived(struct hgpu_device *hdev);
void hgpu_gart_resume(struct hgpu_device *hdev);
void hgpu_gart_fini(struct hgpu_device *hdev);

#endif /* HGPU_GART_H */
