// SPDX-License-Identifier: GPL-2.0-only
/* GART: see hgpu_gart.h, SPEC 4.1 and 4.4. */

#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/iosys-map.h>
#include <linux/random.h>

#include "hgpu_device.h"
#include "hgpu_pte.h"

/*
 * Not 0, so that a null pointer or an offset mistaken for an address faults;
 * far below the FB aperture.
 */
#define HGPU_GART_BASE		BIT_ULL(32)
#define HGPU_GART_PAGES		((u32)(HGPU_GART_SIZE >> HGPU_PAGE_SHIFT))
#define HGPU_GART_FLUSH_US	100000

u64 hgpu_gart_pte(dma_addr_t addr, u32 flags)
{
	u64 pte = HGPU_PTE_VALID | HGPU_PTE_SYSTEM | HGPU_PTE_SNOOPED |
		  (addr & HGPU_PTE_ADDR);

	if (flags & HGPU_GART_READ)
		pte |= HGPU_PTE_READABLE;
	if (flags & HGPU_GART_WRITE)
		pte |= HGPU_PTE_WRITEABLE;
	return pte;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_gart_pte);

u64 hgpu_gart_window_addr(struct hgpu_device *hdev, unsigned int window)
{
	return hdev->gart.base +
	       (u64)window * HGPU_GART_WINDOW_PAGES * HGPU_PAGE_SIZE;
}

u64 hgpu_gart_window_pte_addr(struct hgpu_device *hdev, unsigned int window)
{
	return hgpu_vram_mc_addr(hdev, hgpu_bo_vram_offset(hdev->gart.bo)) +
	       (u64)window * HGPU_GART_WINDOW_PAGES * sizeof(u64);
}

/*
 * Drops VMID 0's translations and waits until no engine uses one. A GPU that
 * is gone uses none.
 */
static int hgpu_gart_flush_locked(struct hgpu_device *hdev)
{
	u32 ack;
	int err;

	lockdep_assert_held(&hdev->gart.lock);

	/* The PTEs lie behind a write-combining mapping. */
	wmb();
	hgpu_wreg(hdev, HGPU_VM_INVALIDATE_ENG_REQ(HGPU_INV_ENG_GART),
		  BIT(0) |
		  HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES |
		  HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES);
	err = read_poll_timeout(hgpu_rreg, ack,
				(ack & BIT(0)) || hgpu_device_gone(hdev), 10,
				HGPU_GART_FLUSH_US, false, hdev,
				HGPU_VM_INVALIDATE_ENG_ACK(HGPU_INV_ENG_GART));
	if (err)
		drm_err(&hdev->drm, "VMID 0 invalidation was not acknowledged within %u us\n",
			HGPU_GART_FLUSH_US);
	return err;
}

int hgpu_gart_bind(struct hgpu_device *hdev, const dma_addr_t *pages,
		   u32 npages, u64 *gpu_addr)
{
	struct hgpu_gart *gart = &hdev->gart;
	unsigned long first;
	u32 i;

	mutex_lock(&gart->lock);
	first = bitmap_find_next_zero_area(gart->used, gart->npages, 0, npages,
					   0);
	if (first >= gart->npages) {
		mutex_unlock(&gart->lock);
		return -ENOSPC;
	}
	bitmap_set(gart->used, first, npages);
	for (i = 0; i < npages; i++)
		writeq(hgpu_gart_pte(pages[i], HGPU_GART_READ | HGPU_GART_WRITE),
		       &gart->ptes[first + i]);
	/*
	 * No flush: the entries were invalid and invalid entries are not
	 * cached (SPEC 4.4); unbinding has flushed what was there before.
	 */
	wmb();
	mutex_unlock(&gart->lock);

	hgpu_stat_inc(hdev, gart_binds);
	*gpu_addr = gart->base + first * HGPU_PAGE_SIZE;
	return 0;
}

void hgpu_gart_unbind(struct hgpu_device *hdev, u64 gpu_addr, u32 npages)
{
	struct hgpu_gart *gart = &hdev->gart;
	u32 first = (gpu_addr - gart->base) >> HGPU_PAGE_SHIFT;
	u32 i;

	mutex_lock(&gart->lock);
	for (i = 0; i < npages; i++)
		writeq(0, &gart->ptes[first + i]);
	/*
	 * Without the acknowledgement an engine may still write through the
	 * old entries. The place is then never handed out again; the pages
	 * are the caller's to free, and the error has been reported.
	 */
	if (!hgpu_gart_flush_locked(hdev))
		bitmap_clear(gart->used, first, npages);
	mutex_unlock(&gart->lock);
}

int hgpu_gtt_alloc(struct hgpu_device *hdev, size_t size,
		   struct hgpu_gtt_mem *mem)
{
	u32 npages = PAGE_ALIGN(size) >> PAGE_SHIFT;
	dma_addr_t *pages;
	int err;
	u32 i;

	BUILD_BUG_ON(PAGE_SIZE != HGPU_PAGE_SIZE);

	memset(mem, 0, sizeof(*mem));
	pages = kvmalloc_array(npages, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;

	mem->size = PAGE_ALIGN(size);
	mem->cpu = dma_alloc_coherent(&hdev->pdev->dev, mem->size, &mem->dma,
				      GFP_KERNEL);
	if (!mem->cpu) {
		err = -ENOMEM;
		goto err_pages;
	}
	for (i = 0; i < npages; i++)
		pages[i] = mem->dma + (dma_addr_t)i * PAGE_SIZE;
	err = hgpu_gart_bind(hdev, pages, npages, &mem->gpu);
	if (err)
		goto err_coherent;
	kvfree(pages);
	return 0;

err_coherent:
	dma_free_coherent(&hdev->pdev->dev, mem->size, mem->cpu, mem->dma);
err_pages:
	kvfree(pages);
	memset(mem, 0, sizeof(*mem));
	return err;
}

void hgpu_gtt_free(struct hgpu_device *hdev, struct hgpu_gtt_mem *mem)
{
	if (!mem->cpu)
		return;
	hgpu_gart_unbind(hdev, mem->gpu, mem->size >> PAGE_SHIFT);
	dma_free_coherent(&hdev->pdev->dev, mem->size, mem->cpu, mem->dma);
	memset(mem, 0, sizeof(*mem));
}

static void hgpu_gart_hw_init_locked(struct hgpu_device *hdev)
{
	struct hgpu_gart *gart = &hdev->gart;
	u64 table = hgpu_vram_addr(hdev, hgpu_bo_vram_offset(gart->bo)) |
		    HGPU_PTE_VALID;
	u64 first = gart->base >> HGPU_PAGE_SHIFT;
	u64 last = first + gart->npages - 1;

	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0),
		  lower_32_bits(table));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(0),
		  upper_32_bits(table));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0),
		  lower_32_bits(first));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(0),
		  upper_32_bits(first));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0),
		  lower_32_bits(last));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(0),
		  upper_32_bits(last));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_CNTL(0),
		  HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT);
	hgpu_gart_flush_locked(hdev);
}

void hgpu_gart_suspend(struct hgpu_device *hdev)
	__acquires(&hdev->gart.lock)
{
	mutex_lock(&hdev->gart.lock);
}

bool hgpu_gart_survived(struct hgpu_device *hdev)
{
	struct hgpu_gart *gart = &hdev->gart;

	lockdep_assert_held(&gart->lock);
	return readq(&gart->ptes[gart->npages]) == gart->canary;
}

void hgpu_gart_resume(struct hgpu_device *hdev)
	__releases(&hdev->gart.lock)
{
	hgpu_gart_hw_init_locked(hdev);
	mutex_unlock(&hdev->gart.lock);
}

int hgpu_gart_init(struct hgpu_device *hdev)
{
	struct hgpu_gart *gart = &hdev->gart;
	struct iosys_map map;
	int err;

	mutex_init(&gart->lock);
	gart->base = HGPU_GART_BASE;
	gart->npages = HGPU_GART_PAGES;
	gart->used = bitmap_zalloc(gart->npages, GFP_KERNEL);
	if (!gart->used)
		return -ENOMEM;
	bitmap_set(gart->used, 0, HGPU_GART_WINDOWS * HGPU_GART_WINDOW_PAGES);

	err = hgpu_bo_create(hdev, ((u64)gart->npages + 1) * sizeof(u64), 0,
			     HGPU_DOMAIN_VRAM_VISIBLE,
			     HGPU_BO_CONTIGUOUS | HGPU_BO_CLEAR |
			     HGPU_BO_PINNED | HGPU_BO_KERNEL, &gart->bo);
	if (err)
		goto err_bitmap;
	err = hgpu_bo_kmap(gart->bo, &map);
	if (err)
		goto err_bo;
	gart->ptes = map.vaddr_iomem;

	gart->canary = get_random_u64();
	writeq(gart->canary, &gart->ptes[gart->npages]);

	mutex_lock(&gart->lock);
	hgpu_gart_hw_init_locked(hdev);
	mutex_unlock(&gart->lock);
	return 0;

err_bo:
	hgpu_bo_put(gart->bo);
err_bitmap:
	bitmap_free(gart->used);
	return err;
}

void hgpu_gart_fini(struct hgpu_device *hdev)
{
	struct hgpu_gart *gart = &hdev->gart;
	struct iosys_map map = IOSYS_MAP_INIT_VADDR_IOMEM(gart->ptes);

	hgpu_wreg(hdev, HGPU_VM_CONTEXT_CNTL(0), 0);
	mutex_lock(&gart->lock);
	hgpu_gart_flush_locked(hdev);
	mutex_unlock(&gart->lock);

	hgpu_bo_kunmap(gart->bo, &map);
	hgpu_bo_put(gart->bo);
	bitmap_free(gart->used);
	mutex_destroy(&gart->lock);
}
