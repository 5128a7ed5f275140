// SPDX-License-Identifier: GPL-2.0-only
/* Buffers: see hgpu_vram.h. */

#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/drm_vma_manager.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "hgpu_device.h"
#include "hgpu_trace.h"
#include "hgpu_vram_mgr.h"

/* Up to here the CPU clears visible VRAM itself, faster than a job would. */
#define HGPU_BO_CPU_CLEAR_MAX	SZ_256K

static struct hgpu_device *bo_to_hgpu(const struct hgpu_bo *bo)
{
	return to_hgpu(bo->tbo.base.dev);
}

/* GEM's count went to zero: drop the one TTM reference that it stood for. */
static void hgpu_gem_free(struct drm_gem_object *obj)
{
	struct ttm_buffer_object *tbo =
		container_of(obj, struct ttm_buffer_object, base);

	/* Mappings may keep it; pinned or not, nothing evicts it. */
	if (to_hgpu_bo(tbo)->flags & HGPU_BO_PINNED) {
		dma_resv_lock(tbo->base.resv, NULL);
		ttm_bo_unpin(tbo);
		dma_resv_unlock(tbo->base.resv);
	}
	ttm_bo_put(tbo);
}

static int hgpu_gem_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	struct ttm_buffer_object *tbo =
		container_of(obj, struct ttm_buffer_object, base);
	int err;

	/*
	 * TTM has no private copies. The thunk maps VRAM that is not public
	 * privately and without access: as in amdgpu that is a mapping which
	 * can never be written to, and so copies nothing.
	 */
	if (is_cow_mapping(vma->vm_flags) && !(vma->vm_flags & VM_ACCESS_FLAGS))
		vm_flags_clear(vma, VM_MAYWRITE);

	err = ttm_bo_mmap_obj(vma, tbo);
	if (err)
		return err;
	/* The mapping has a TTM reference instead. */
	drm_gem_object_put(obj);
	return 0;
}

/*
 * What others have by way of a dma-buf: pages that never move (hgpu_kfd_gem.c names
 * no others). They have no way to be told that the GPU goes.
 */
static void hgpu_gem_unpin(struct drm_gem_object *obj)
{
	struct hgpu_vram *vram = &to_hgpu(obj->dev)->vram;

	if (atomic_dec_and_test(&vram->lent))
		wake_up_all(&vram->lent_wait);
}

static int hgpu_gem_pin(struct drm_gem_object *obj)
{
	struct hgpu_device *hdev = to_hgpu(obj->dev);

	atomic_inc(&hdev->vram.lent);
	/* Who removes the GPU says so before he counts. */
	smp_mb__after_atomic();
	if (!hgpu_device_removing(hdev))
		return 0;
	hgpu_gem_unpin(obj);
	return -ENODEV;
}

static struct sg_table *hgpu_gem_get_sg_table(struct drm_gem_object *obj)
{
	struct ttm_buffer_object *tbo =
		container_of(obj, struct ttm_buffer_object, base);

	return drm_prime_pages_to_sg(obj->dev, tbo->ttm->pages, tbo->ttm->num_pages);
}

static int hgpu_gem_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct ttm_buffer_object *tbo =
		container_of(obj, struct ttm_buffer_object, base);
	int err = hgpu_gem_pin(obj);

	if (err)
		return err;
	err = ttm_bo_vmap(tbo, map);
	if (err)
		hgpu_gem_unpin(obj);
	return err;
}

static void hgpu_gem_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	ttm_bo_vunmap(container_of(obj, struct ttm_buffer_object, base), map);
	hgpu_gem_unpin(obj);
}

static const struct drm_gem_object_funcs hgpu_gem_funcs = {
	.free = hgpu_gem_free,
	.pin = hgpu_gem_pin,
	.unpin = hgpu_gem_unpin,
	.get_sg_table = hgpu_gem_get_sg_table,
	.vmap = hgpu_gem_vmap,
	.vunmap = hgpu_gem_vunmap,
	.mmap = hgpu_gem_mmap,
};

static void hgpu_bo_destroy(struct ttm_buffer_object *tbo)
{
	struct hgpu_bo *bo = to_hgpu_bo(tbo);

	trace_hgpu_bo_free(bo);
	if (bo->destroyed)
		bo->destroyed(bo);
	drm_gem_object_release(&tbo->base);
	kfree(bo);
}

static void hgpu_bo_place(const struct hgpu_bo *bo, struct ttm_place *place)
{
	const struct hgpu_vram *vram = &bo_to_hgpu(bo)->vram;

	memset(place, 0, sizeof(*place));
	if (bo->domain == HGPU_DOMAIN_GTT) {
		place->mem_type = TTM_PL_TT;
		return;
	}

	place->mem_type = TTM_PL_VRAM;
	/* Otherwise tried once, without a walk of the LRU. */
	if (!(bo->flags & HGPU_BO_MAY_EVICT))
		place->flags |= TTM_PL_FLAG_DESIRED;
	if (bo->flags & HGPU_BO_CONTIGUOUS)
		place->flags |= TTM_PL_FLAG_CONTIGUOUS;
	if (bo->flags & HGPU_BO_KERNEL)
		place->flags |= HGPU_PL_FLAG_KERNEL;
	if (bo->domain == HGPU_DOMAIN_VRAM_VISIBLE)
		place->lpfn = PFN_DOWN(vram->visible);
	else
		/* Leave what the CPU sees to those who need it. */
		place->flags |= TTM_PL_FLAG_TOPDOWN;
}

static void hgpu_bo_clear_cpu(struct hgpu_bo *bo)
{
	struct hgpu_device *hdev = bo_to_hgpu(bo);
	struct hgpu_vram *vram = &hdev->vram;
	u64 page, n, npages = PFN_DOWN(hgpu_bo_size(bo));

	down_read(&hdev->reset_lock);
	for (page = 0; page < npages; page += n) {
		u64 offset = hgpu_bo_vram_page(bo, page, &n);

		memset_io(vram->io + offset, 0, n << PAGE_SHIFT);
	}
	/* Zero for the GPU before anybody can tell it the address. */
	wmb();
	up_read(&hdev->reset_lock);
}

static int hgpu_bo_clear(struct hgpu_bo *bo)
{
	struct hgpu_device *hdev = bo_to_hgpu(bo);
	struct hgpu_vram *vram = &hdev->vram;

	if (bo->domain == HGPU_DOMAIN_GTT)
		return 0;	/* TTM's pool has */
	if (hgpu_vram_res_visible(vram, bo->tbo.resource) &&
	    (hgpu_bo_size(bo) <= HGPU_BO_CPU_CLEAR_MAX || !vram->clear)) {
		hgpu_bo_clear_cpu(bo);
		return 0;
	}
	if (!vram->clear)
		return -ENODEV;
	return vram->clear(hdev, bo);
}

static int hgpu_bo_check(u64 size, u64 align, enum hgpu_domain domain,
			 u32 flags)
{
	if (!size || size > HGPU_VRAM_MAX)
		return -EINVAL;
	if (align && (!is_power_of_2(align) || align > SZ_2G))
		return -EINVAL;
	if (domain == HGPU_DOMAIN_GTT && (flags & HGPU_BO_CONTIGUOUS))
		return -EINVAL;
	return 0;
}

int hgpu_bo_create(struct hgpu_device *hdev, u64 size, u64 align,
		   enum hgpu_domain domain, u32 flags, struct hgpu_bo **bop)
{
	struct ttm_operation_ctx ctx = {
		.interruptible = false,
		.no_wait_gpu = flags & HGPU_BO_NO_WAIT,
	};
	struct ttm_place place;
	struct ttm_placement placement = {
		.num_placement = 1,
		.placement = &place,
	};
	struct hgpu_bo *bo;
	int err;

	err = hgpu_bo_check(size, align, domain, flags);
	if (err)
		return err;
	if (hgpu_device_removing(hdev) && !(flags & HGPU_BO_KERNEL))
		return -ENODEV;

	bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	if (!bo)
		return -ENOMEM;
	if (domain == HGPU_DOMAIN_GTT)
		flags |= HGPU_BO_PINNED;
	bo->domain = domain;
	bo->flags = flags;
	bo->tbo.base.funcs = &hgpu_gem_funcs;
	drm_gem_private_object_init(&hdev->drm, &bo->tbo.base,
				    PAGE_ALIGN(size));
	hgpu_bo_place(bo, &place);

	/* On failure this has freed the buffer, by hgpu_bo_destroy(). */
	err = ttm_bo_init_reserved(&hdev->vram.bdev, &bo->tbo,
				   ttm_bo_type_device, &placement,
				   align >> PAGE_SHIFT, &ctx, NULL, NULL,
				   hgpu_bo_destroy);
	if (err) {
		/*
		 * TTM says -ENOMEM for a full manager. A real shortage of
		 * system memory is retold here as full VRAM: its callers do
		 * without VRAM either way.
		 */
		if (err == -ENOMEM && domain != HGPU_DOMAIN_GTT)
			err = -ENOSPC;
		trace_hgpu_bo_create(NULL, size, err);
		return err;
	}
	if (flags & HGPU_BO_PINNED)
		ttm_bo_pin(&bo->tbo);
	ttm_bo_unreserve(&bo->tbo);

	if (flags & HGPU_BO_CLEAR) {
		err = hgpu_bo_clear(bo);
		if (err) {
			trace_hgpu_bo_create(bo, size, err);
			hgpu_bo_put(bo);
			return err;
		}
	}
	trace_hgpu_bo_create(bo, size, 0);
	*bop = bo;
	return 0;
}

void hgpu_bo_put(struct hgpu_bo *bo)
{
	if (bo)
		drm_gem_object_put(&bo->tbo.base);
}

void hgpu_bo_touch(struct hgpu_bo *bo)
{
	struct ttm_device *bdev = bo->tbo.bdev;

	if (!dma_resv_trylock(bo->tbo.base.resv))
		return;
	spin_lock(&bdev->lru_lock);
	ttm_bo_move_to_lru_tail(&bo->tbo);
	spin_unlock(&bdev->lru_lock);
	dma_resv_unlock(bo->tbo.base.resv);
}

u64 hgpu_bo_vram_offset(const struct hgpu_bo *bo)
{
	WARN_ON_ONCE(bo->tbo.resource->mem_type != TTM_PL_VRAM ||
		     bo->tbo.resource->start == HGPU_VRAM_NOT_CONTIGUOUS);
	return (u64)bo->tbo.resource->start << PAGE_SHIFT;
}

u64 hgpu_bo_vram_page(const struct hgpu_bo *bo, u64 page, u64 *npages)
{
	return hgpu_vram_res_page(&bo_to_hgpu(bo)->vram, bo->tbo.resource, page,
				  npages);
}

int hgpu_bo_kmap(struct hgpu_bo *bo, struct iosys_map *map)
{
	int err;

	if (bo->domain != HGPU_DOMAIN_GTT &&
	    bo->tbo.resource->start == HGPU_VRAM_NOT_CONTIGUOUS)
		return -EINVAL;
	err = ttm_bo_reserve(&bo->tbo, false, false, NULL);
	if (err)
		return err;
	err = ttm_bo_vmap(&bo->tbo, map);
	ttm_bo_unreserve(&bo->tbo);
	return err;
}

void hgpu_bo_kunmap(struct hgpu_bo *bo, struct iosys_map *map)
{
	dma_resv_lock(bo->tbo.base.resv, NULL);
	ttm_bo_vunmap(&bo->tbo, map);
	ttm_bo_unreserve(&bo->tbo);
}

u64 hgpu_bo_mmap_offset(const struct hgpu_bo *bo)
{
	/* drm_vma_node_offset_addr() does not take a const. */
	return (u64)bo->tbo.base.vma_node.vm_node.start << PAGE_SHIFT;
}

int hgpu_bo_allow_mmap(struct hgpu_bo *bo, struct drm_file *file)
{
	return drm_vma_node_allow(&bo->tbo.base.vma_node, file);
}

void hgpu_bo_revoke_mmap(struct hgpu_bo *bo, struct drm_file *file)
{
	drm_vma_node_revoke(&bo->tbo.base.vma_node, file);
}
