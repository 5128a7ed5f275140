// SPDX-License-Identifier: GPL-2.0-only
/* VRAM: the TTM device and its drm_buddy manager. Buffers are in hgpu_bo.c. */

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_vma_manager.h>
#include <drm/ttm/ttm_range_manager.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>

#include "hgpu_device.h"
#include "hgpu_vram_mgr.h"

/*
 * What page tables may use when processes have filled VRAM: a page table entry
 * is 1/512 of what it maps, so 1/64 of VRAM maps eight times VRAM.
 */
#define HGPU_VRAM_RESERVE_SHIFT	6
#define HGPU_VRAM_RESERVE_MIN	SZ_1M
#define HGPU_VRAM_RESERVE_MAX	SZ_256M

static inline struct hgpu_vram *bdev_to_vram(struct ttm_device *bdev)
{
	return container_of(bdev, struct hgpu_vram, bdev);
}

/* System pages: each is DMA-mapped by TTM's pool when it is populated. */

static struct ttm_tt *hgpu_ttm_tt_create(struct ttm_buffer_object *tbo,
					 u32 page_flags)
{
	struct ttm_tt *tt = kzalloc(sizeof(*tt), GFP_KERNEL);

	if (!tt)
		return NULL;
	if (ttm_sg_tt_init(tt, tbo, page_flags, ttm_cached)) {
		kfree(tt);
		return NULL;
	}
	return tt;
}

static void hgpu_ttm_tt_destroy(struct ttm_device *bdev, struct ttm_tt *tt)
{
	ttm_tt_fini(tt);
	kfree(tt);
}

/*
 * The work is done here, where TTM only asks: it takes no for an answer and
 * asks the next buffer, whereas a move that fails is an error to it.
 */
static bool hgpu_ttm_eviction_valuable(struct ttm_buffer_object *tbo,
				       const struct ttm_place *place)
{
	struct hgpu_bo *bo = to_hgpu_bo(tbo);
	bool (*evict)(struct hgpu_bo *bo) = READ_ONCE(bo->evict);

	/* It also asks about system pages, to swap them out. */
	if (tbo->resource->mem_type != TTM_PL_VRAM ||
	    !ttm_bo_eviction_valuable(tbo, place))
		return false;
	return tbo->deleted || (evict && evict(bo));
}

/* It is empty: its new place takes no memory. */
static void hgpu_ttm_evict_flags(struct ttm_buffer_object *tbo,
				 struct ttm_placement *placement)
{
	static const struct ttm_place nowhere = { .mem_type = TTM_PL_PRIV };

	placement->num_placement = 1;
	placement->placement = &nowhere;
}

/* A buffer gets its place, and may lose it for none. Nothing is copied. */
static int hgpu_ttm_move(struct ttm_buffer_object *tbo, bool evict,
			 struct ttm_operation_ctx *ctx,
			 struct ttm_resource *new_mem, struct ttm_place *hop)
{
	if (tbo->resource && new_mem->mem_type != TTM_PL_PRIV)
		return -EINVAL;
	ttm_bo_move_null(tbo, new_mem);
	return 0;
}

static int hgpu_ttm_io_mem_reserve(struct ttm_device *bdev,
				   struct ttm_resource *mem)
{
	struct hgpu_vram *vram = bdev_to_vram(bdev);
	u64 offset;

	if (mem->mem_type != TTM_PL_VRAM)
		return 0;
	if (!hgpu_vram_res_visible(vram, mem))
		return -EINVAL;

	mem->bus.is_iomem = true;
	mem->bus.caching = ttm_write_combined;
	if (mem->start == HGPU_VRAM_NOT_CONTIGUOUS)
		return 0;
	offset = (u64)mem->start << PAGE_SHIFT;
	mem->bus.offset = vram->io_phys + offset;
	mem->bus.addr = (void __force *)vram->io + offset;
	return 0;
}

static unsigned long hgpu_ttm_io_mem_pfn(struct ttm_buffer_object *tbo,
					 unsigned long page)
{
	struct hgpu_vram *vram = bdev_to_vram(tbo->bdev);
	u64 offset = hgpu_vram_res_page(vram, tbo->resource, page, NULL);

	return PHYS_PFN(vram->io_phys + offset);
}

/* ptrace of a mapping of VRAM, in pieces that stay within a page. */
static int hgpu_ttm_access_memory(struct ttm_buffer_object *tbo,
				  unsigned long offset, void *buf, int len,
				  int write)
{
	struct hgpu_vram *vram = bdev_to_vram(tbo->bdev);
	struct drm_device *drm = tbo->base.dev;
	int done, idx;

	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	if (!hgpu_vram_res_visible(vram, tbo->resource)) {
		drm_dev_exit(idx);
		return -EIO;
	}
	for (done = 0; done < len; ) {
		u32 within = offset_in_page(offset + done);
		int n = min_t(int, len - done, PAGE_SIZE - within);
		void __iomem *p;

		p = vram->io + within +
		    hgpu_vram_res_page(vram, tbo->resource,
				       (offset + done) >> PAGE_SHIFT, NULL);
		if (write)
			memcpy_toio(p, buf + done, n);
		else
			memcpy_fromio(buf + done, p, n);
		done += n;
	}
	drm_dev_exit(idx);
	return done;
}

static struct ttm_device_funcs hgpu_ttm_funcs = {
	.ttm_tt_create = hgpu_ttm_tt_create,
	.ttm_tt_destroy = hgpu_ttm_tt_destroy,
	.eviction_valuable = hgpu_ttm_eviction_valuable,
	.evict_flags = hgpu_ttm_evict_flags,
	.move = hgpu_ttm_move,
	.io_mem_reserve = hgpu_ttm_io_mem_reserve,
	.io_mem_pfn = hgpu_ttm_io_mem_pfn,
	.access_memory = hgpu_ttm_access_memory,
};

u64 hgpu_vram_size(struct hgpu_device *hdev)
{
	return hdev->vram.size;
}

u64 hgpu_vram_used(struct hgpu_device *hdev)
{
	return hdev->vram.size - READ_ONCE(hdev->vram.mm.avail);
}

u64 hgpu_vram_addr(const struct hgpu_device *hdev, u64 offset)
{
	return hdev->hive.base + offset;
}

u64 hgpu_vram_mc_addr(struct hgpu_device *hdev, u64 offset)
{
	return hdev->vram.mc_base + hgpu_vram_addr(hdev, offset);
}

void hgpu_vram_show(struct hgpu_device *hdev, struct seq_file *m)
{
	struct hgpu_vram *vram = &hdev->vram;

	mutex_lock(&vram->lock);
	seq_printf(m, "size %llu\n", vram->size);
	seq_printf(m, "visible %llu\n", vram->visible);
	seq_printf(m, "reserve %llu\n", vram->reserve);
	seq_printf(m, "used %llu\n", vram->size - vram->mm.avail);
	seq_printf(m, "visible_used %llu\n",
		   vram->visible - vram->visible_avail);
	mutex_unlock(&vram->lock);
}

/* The size registers and BAR 0 against what SPEC 2 allows. */
static int hgpu_vram_probe(struct hgpu_device *hdev)
{
	struct hgpu_vram *vram = &hdev->vram;
	u64 bar = pci_resource_len(hdev->pdev, HGPU_BAR_VRAM);
	u32 base;

	vram->size = hgpu_rreg(hdev, HGPU_VRAM_SIZE_LO) |
		     (u64)hgpu_rreg(hdev, HGPU_VRAM_SIZE_HI) << 32;
	if (vram->size < HGPU_VRAM_MIN || vram->size > HGPU_VRAM_MAX ||
	    !IS_ALIGNED(vram->size, HGPU_VRAM_ALIGN)) {
		drm_err(&hdev->drm, "VRAM size %#llx is not one that this driver supports\n",
			vram->size);
		return -ENODEV;
	}
	vram->visible = min(vram->size, bar);
	if (vram->visible < SZ_4M) {
		drm_err(&hdev->drm, "BAR %u of %#llx bytes is too small for page tables: use a vram-bar-size of at least 4M\n",
			HGPU_BAR_VRAM, bar);
		return -ENODEV;
	}
	vram->visible_avail = vram->visible;
	vram->reserve = clamp_t(u64, vram->size >> HGPU_VRAM_RESERVE_SHIFT,
				HGPU_VRAM_RESERVE_MIN, HGPU_VRAM_RESERVE_MAX);
	/* Never more than a quarter of what page tables can be made in. */
	vram->reserve = min(vram->reserve, vram->visible / 4);

	base = hgpu_rreg(hdev, HGPU_MC_VM_FB_LOCATION_BASE);
	vram->mc_base = (u64)FIELD_GET(HGPU_MC_VM_FB_LOCATION__ADDR, base) <<
			HGPU_MC_VM_FB_LOCATION_SHIFT;
	return 0;
}

static void hgpu_vram_fini(struct drm_device *drm, void *arg)
{
	struct hgpu_device *hdev = arg;
	struct hgpu_vram *vram = &hdev->vram;

	ttm_range_man_fini(&vram->bdev, TTM_PL_TT);
	hgpu_vram_mgr_fini(vram);
	ttm_range_man_fini(&vram->bdev, TTM_PL_PRIV);
	ttm_device_fini(&vram->bdev);
}

int hgpu_vram_init(struct hgpu_device *hdev)
{
	struct hgpu_vram *vram = &hdev->vram;
	int err;

	err = hgpu_vram_probe(hdev);
	if (err)
		return err;

	init_waitqueue_head(&vram->lent_wait);
	vram->io_phys = pci_resource_start(hdev->pdev, HGPU_BAR_VRAM);
	vram->io = devm_ioremap_wc(&hdev->pdev->dev, vram->io_phys,
				   vram->visible);
	if (!vram->io)
		return -ENOMEM;

	err = ttm_device_init(&vram->bdev, &hgpu_ttm_funcs, &hdev->pdev->dev,
			      hdev->drm.anon_inode->i_mapping,
			      hdev->drm.vma_offset_manager, false, false);
	if (err)
		return err;
	/* Where buffers are whose VRAM others have got; as many as one likes. */
	err = ttm_range_man_init(&vram->bdev, TTM_PL_PRIV, false, LONG_MAX);
	if (err)
		goto err_ttm;
	err = hgpu_vram_mgr_init(vram);
	if (err)
		goto err_nowhere;
	err = ttm_range_man_init(&vram->bdev, TTM_PL_TT, true,
				 totalram_pages());
	if (err)
		goto err_mgr;

	/* Mappings of processes keep buffers, and so all this, after removal. */
	return drmm_add_action_or_reset(&hdev->drm, hgpu_vram_fini, hdev);

err_mgr:
	hgpu_vram_mgr_fini(vram);
err_nowhere:
	ttm_range_man_fini(&vram->bdev, TTM_PL_PRIV);
err_ttm:
	ttm_device_fini(&vram->bdev);
	return err;
}

/*
 * The PCI device goes. What processes have mapped turns into a dummy page at
 * their next access; system pages are given back, as nobody may unmap their
 * bus addresses later. Those that were lent by way of a dma-buf come back first.
 */
void hgpu_vram_unbind(struct hgpu_device *hdev)
{
	struct hgpu_vram *vram = &hdev->vram;

	wait_event(vram->lent_wait, !atomic_read(&vram->lent));
	/* Buffers whose last fence has just signalled. */
	drain_workqueue(vram->bdev.wq);
	unmap_mapping_range(hdev->drm.anon_inode->i_mapping, 0, 0, 1);
	ttm_device_clear_dma_mappings(&vram->bdev);
	/* devm unmaps it; nobody may find it from here on. */
	vram->io = NULL;
}
