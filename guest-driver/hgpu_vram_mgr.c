// SPDX-License-Identifier: GPL-2.0-only
/* TTM's manager of VRAM: a buddy allocator, with a reserve for page tables. */

#include <drm/drm_print.h>
#include <drm/ttm/ttm_bo.h>
#include <linux/slab.h>

#include "hgpu_vram.h"
#include "hgpu_vram_mgr.h"

/**
 * struct hgpu_vram_res - one allocation
 * @base: TTM's part
 * @blocks: the buddy blocks, in the buffer's order
 * @size: bytes of @blocks
 * @visible: bytes of them below &hgpu_vram.visible
 */
struct hgpu_vram_res {
	struct ttm_resource base;
	struct list_head blocks;
	u64 size;
	u64 visible;
};

static inline struct hgpu_vram *man_to_vram(struct ttm_resource_manager *man)
{
	return container_of(man, struct hgpu_vram, man);
}

static inline struct hgpu_vram_res *to_vram_res(const struct ttm_resource *res)
{
	return container_of(res, struct hgpu_vram_res, base);
}

/* Size, visible part and contiguity of what the buddy gave. */
static void hgpu_vram_res_measure(struct hgpu_vram *vram,
				  struct hgpu_vram_res *vres)
{
	struct gpu_buddy_block *block;
	bool contiguous = true;
	u64 next = U64_MAX;

	lockdep_assert_held(&vram->lock);

	vres->size = 0;
	vres->visible = 0;
	vres->base.start = HGPU_VRAM_NOT_CONTIGUOUS;
	list_for_each_entry(block, &vres->blocks, link) {
		u64 start = gpu_buddy_block_offset(block);
		u64 end = start + gpu_buddy_block_size(&vram->mm, block);

		if (next == U64_MAX)
			vres->base.start = start >> PAGE_SHIFT;
		else if (start != next)
			contiguous = false;
		next = end;
		vres->size += end - start;
		if (start < vram->visible)
			vres->visible += min(end, vram->visible) - start;
	}
	if (!contiguous)
		vres->base.start = HGPU_VRAM_NOT_CONTIGUOUS;
}

static int hgpu_vram_mgr_take_locked(struct hgpu_vram *vram,
				     struct hgpu_vram_res *vres,
				     struct ttm_buffer_object *tbo,
				     const struct ttm_place *place)
{
	u64 reserve = place->flags & HGPU_PL_FLAG_KERNEL ? 0 : vram->reserve;
	u64 min_size = max_t(u64, (u64)tbo->page_alignment << PAGE_SHIFT,
			     PAGE_SIZE);
	u64 end = place->lpfn ? (u64)place->lpfn << PAGE_SHIFT : vram->size;
	u64 size = tbo->base.size;
	unsigned long flags = 0;
	int err;

	lockdep_assert_held(&vram->lock);

	if (size + reserve > vram->mm.avail)
		return -ENOSPC;
	if (end <= vram->visible && size + reserve > vram->visible_avail)
		return -ENOSPC;
	if (end < vram->size)
		flags |= GPU_BUDDY_RANGE_ALLOCATION;
	if (place->flags & TTM_PL_FLAG_TOPDOWN)
		flags |= GPU_BUDDY_TOPDOWN_ALLOCATION;
	/*
	 * A buffer no bigger than its alignment gets one block of that size,
	 * trimmed; the flag would have the alignment ignored.
	 */
	if ((place->flags & TTM_PL_FLAG_CONTIGUOUS) && size > min_size)
		flags |= GPU_BUDDY_CONTIGUOUS_ALLOCATION;

	err = gpu_buddy_alloc_blocks(&vram->mm, 0, end, size, min_size,
				     &vres->blocks, flags);
	if (err)
		return err == -EINVAL ? -ENOSPC : err;

	hgpu_vram_res_measure(vram, vres);
	if (vram->visible_avail - vres->visible < reserve) {
		gpu_buddy_free_list(&vram->mm, &vres->blocks, 0);
		return -ENOSPC;
	}
	vram->visible_avail -= vres->visible;
	return 0;
}

static int hgpu_vram_mgr_alloc(struct ttm_resource_manager *man,
			       struct ttm_buffer_object *tbo,
			       const struct ttm_place *place,
			       struct ttm_resource **res)
{
	struct hgpu_vram *vram = man_to_vram(man);
	struct hgpu_vram_res *vres;
	int err;

	vres = kzalloc(sizeof(*vres), GFP_KERNEL);
	if (!vres)
		return -ENOMEM;
	INIT_LIST_HEAD(&vres->blocks);
	ttm_resource_init(tbo, place, &vres->base);

	mutex_lock(&vram->lock);
	err = hgpu_vram_mgr_take_locked(vram, vres, tbo, place);
	mutex_unlock(&vram->lock);
	if (err) {
		ttm_resource_fini(man, &vres->base);
		kfree(vres);
		return err;
	}
	*res = &vres->base;
	return 0;
}

static void hgpu_vram_mgr_free(struct ttm_resource_manager *man,
			       struct ttm_resource *res)
{
	struct hgpu_vram *vram = man_to_vram(man);
	struct hgpu_vram_res *vres = to_vram_res(res);

	mutex_lock(&vram->lock);
	gpu_buddy_free_list(&vram->mm, &vres->blocks, 0);
	vram->visible_avail += vres->visible;
	mutex_unlock(&vram->lock);

	ttm_resource_fini(man, res);
	kfree(vres);
}

/* Would it help somebody who needs @place? The blocks stay: dma_resv is held. */
static bool hgpu_vram_mgr_intersects(struct ttm_resource_manager *man,
				     struct ttm_resource *res,
				     const struct ttm_place *place, size_t size)
{
	struct gpu_buddy_block *block;

	if (!place->lpfn)
		return true;
	list_for_each_entry(block, &to_vram_res(res)->blocks, link)
		if (gpu_buddy_block_offset(block) >> PAGE_SHIFT < place->lpfn)
			return true;
	return false;
}

static void hgpu_vram_mgr_debug(struct ttm_resource_manager *man,
				struct drm_printer *p)
{
	struct hgpu_vram *vram = man_to_vram(man);

	drm_printf(p, "free %llu of %llu, visible %llu of %llu\n",
		   READ_ONCE(vram->mm.avail), vram->size,
		   READ_ONCE(vram->visible_avail), vram->visible);
}

static const struct ttm_resource_manager_func hgpu_vram_mgr_func = {
	.alloc = hgpu_vram_mgr_alloc,
	.free = hgpu_vram_mgr_free,
	.intersects = hgpu_vram_mgr_intersects,
	.debug = hgpu_vram_mgr_debug,
};

u64 hgpu_vram_res_page(struct hgpu_vram *vram, struct ttm_resource *res,
		       u64 page, u64 *npages)
{
	struct hgpu_vram_res *vres = to_vram_res(res);
	struct gpu_buddy_block *block;
	u64 at = page << PAGE_SHIFT;

	if (res->start != HGPU_VRAM_NOT_CONTIGUOUS) {
		if (npages)
			*npages = PFN_DOWN(vres->size) - page;
		return ((u64)res->start << PAGE_SHIFT) + at;
	}

	/* The blocks are ours until the resource is freed: no lock needed. */
	list_for_each_entry(block, &vres->blocks, link) {
		u64 size = gpu_buddy_block_size(&vram->mm, block);

		if (at < size) {
			if (npages)
				*npages = PFN_DOWN(size - at);
			return gpu_buddy_block_offset(block) + at;
		}
		at -= size;
	}
	if (npages)
		*npages = 0;
	return U64_MAX;
}

bool hgpu_vram_res_visible(const struct hgpu_vram *vram,
			   struct ttm_resource *res)
{
	struct hgpu_vram_res *vres = to_vram_res(res);

	return vram->io && vres->visible == vres->size;
}

int hgpu_vram_mgr_init(struct hgpu_vram *vram)
{
	int err;

	err = gpu_buddy_init(&vram->mm, vram->size, PAGE_SIZE);
	if (err)
		return err;
	mutex_init(&vram->lock);

	vram->man.func = &hgpu_vram_mgr_func;
	ttm_resource_manager_init(&vram->man, &vram->bdev, vram->size);
	ttm_set_driver_manager(&vram->bdev, TTM_PL_VRAM, &vram->man);
	ttm_resource_manager_set_used(&vram->man, true);
	return 0;
}

void hgpu_vram_mgr_fini(struct hgpu_vram *vram)
{
	ttm_resource_manager_set_used(&vram->man, false);
	/* What was evicted may still be on its way out. */
	ttm_resource_manager_evict_all(&vram->bdev, &vram->man);
	ttm_resource_manager_cleanup(&vram->man);
	ttm_set_driver_manager(&vram->bdev, TTM_PL_VRAM, NULL);
	mutex_destroy(&vram->lock);
	gpu_buddy_fini(&vram->mm);
}
