// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's buffers as GEM's: handles for PRIME export, and what the engines of the
 * render node do with them, for those who share them.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <linux/interval_tree.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_gem.h"
#include "hgpu_process.h"
#include "uapi/hmm_gpu_drm.h"

/* A reference to the buffer, which is the calling process's and this GPU's. */
static struct hgpu_bo *find_bo(struct hgpu_process_device *pdd, u64 handle)
{
	struct hgpu_bo *bo = ERR_PTR(-ENOENT);
	struct hgpu_kfd_bo *kbo;

	mutex_lock(&pdd->process->lock);
	kbo = hgpu_kfd_bo_lookup(pdd->process, handle);
	if (kbo && kbo->pdd == pdd)
		bo = kbo->bo && kbo->bo->domain == HGPU_DOMAIN_GTT ? hgpu_bo_get(kbo->bo) :
								     ERR_PTR(-EINVAL);
	mutex_unlock(&pdd->process->lock);
	return bo;
}

static int gem_from_kfd(struct hgpu_device *hdev, struct drm_hmm_gpu_gem_from_kfd *args,
			struct drm_file *file)
{
	struct hgpu_process_device *pdd = hgpu_process_current_device(hdev);
	struct hgpu_bo *bo;
	int ret;

	if (!pdd)
		return -ENOENT;
	bo = find_bo(pdd, args->kfd_handle);
	hgpu_process_put(pdd->process);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	ret = drm_gem_handle_create(file, &bo->tbo.base, &args->handle);
	hgpu_bo_put(bo);	/* the handle has another one */
	return ret;
}

int hgpu_gem_from_kfd(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_hmm_gpu_gem_from_kfd *args = data;
	int idx, ret;

	if (args->flags)
		return -EINVAL;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	ret = gem_from_kfd(to_hgpu(drm), args, file);
	drm_dev_exit(idx);
	return ret;
}

/* ---- fences ---- */

static bool make_room(struct hgpu_bo_uses *uses)
{
	struct hgpu_bo_use *more;

	if (uses->n && !is_power_of_2(uses->n))
		return true;
	more = kvmalloc_array(max(2 * uses->n, 1u), sizeof(*more), GFP_KERNEL);
	if (!more)
		return false;
	if (uses->n)
		memcpy(more, uses->use, uses->n * sizeof(*more));
	kvfree(uses->use);
	uses->use = more;
	return true;
}

int hgpu_kfd_use_bos(struct hgpu_process *process, u64 va, u64 size, bool write,
		     struct hgpu_bo_uses *uses)
{
	u64 first = va >> PAGE_SHIFT, last = (va + size - 1) >> PAGE_SHIFT;
	struct interval_tree_node *node;

	/* Changes are made with both locks held. */
	lockdep_assert_held(&process->lock);
	for (node = interval_tree_iter_first(&process->bo_vas, first, last); node;
	     node = interval_tree_iter_next(node, first, last)) {
		struct hgpu_kfd_bo *kbo = container_of(node, struct hgpu_kfd_bo, va);

		if (!kbo->bo)
			continue;
		if (!make_room(uses))
			return -ENOMEM;
		uses->use[uses->n++] = (struct hgpu_bo_use) { hgpu_bo_get(kbo->bo), write };
	}
	return 0;
}

static int lock_all(const struct hgpu_bo_uses *uses, struct drm_exec *exec)
{
	int ret = 0;
	u32 i;

	drm_exec_until_all_locked(exec) {
		for (i = 0; i < uses->n; i++) {
			/* One that is read and written has the fence twice. */
			ret = drm_exec_prepare_obj(exec, &uses->use[i].bo->tbo.base, 2);
			drm_exec_retry_on_contention(exec);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int hgpu_bo_uses_lock(const struct hgpu_bo_uses *uses, struct drm_exec *exec)
{
	int ret;

	drm_exec_init(exec, DRM_EXEC_INTERRUPTIBLE_WAIT | DRM_EXEC_IGNORE_DUPLICATES, uses->n);
	ret = lock_all(uses, exec);
	if (ret)
		drm_exec_fini(exec);
	return ret;
}

void hgpu_bo_uses_add_fence(const struct hgpu_bo_uses *uses, struct dma_fence *fence)
{
	u32 i;

	for (i = 0; i < uses->n; i++)
		dma_resv_add_fence(uses->use[i].bo->tbo.base.resv, fence,
				   dma_resv_usage_rw(!uses->use[i].write));
}

void hgpu_bo_uses_put(struct hgpu_bo_uses *uses)
{
	while (uses->n)
		hgpu_bo_put(uses->use[--uses->n].bo);
	kvfree(uses->use);
	uses->use = NULL;
}
