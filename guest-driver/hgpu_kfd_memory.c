// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's buffers: ACQUIRE_VM, ALLOC, FREE, MAP and UNMAP.
 *
 * A buffer is mapped for the CPU through the DRM file that ACQUIRE_VM named,
 * at the address that ALLOC was given, so that it has one address for both.
 */
#include <drm/drm_device.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_events.h"
#include "hgpu_memlimit.h"
#include "hgpu_process.h"
#include "hgpu_vram.h"

/* ---- the VM ---- */

/* The DRM file behind a descriptor, if it is one of this GPU. */
static struct drm_file *hgpu_kfd_drm_file(struct hgpu_device *hdev, struct file *file)
{
	struct drm_file *priv;

	if (file->f_op != hdev->drm.driver->fops)
		return NULL;
	priv = file->private_data;
	return priv->minor->dev == &hdev->drm ? priv : NULL;
}

static int hgpu_kfd_init_vm(struct hgpu_process_device *pdd)
{
	int ret;

	if (pdd->ready)		/* the file it was made with has been closed */
		return 0;
	ret = hgpu_doorbell_slice_alloc(pdd->hdev);
	if (ret < 0)
		return ret;
	pdd->doorbell_slice = ret;

	ret = hgpu_vm_init(&pdd->vm);
	if (ret) {
		hgpu_doorbell_slice_free(pdd->hdev, pdd->doorbell_slice);
		pdd->doorbell_slice = 0;
		return ret;
	}
	hgpu_svms_set_vm(&pdd->process->svms, pdd->index, &pdd->vm);
	/* Pairs with hgpu_process_device_ready(): whoever sees it sees the VM. */
	smp_store_release(&pdd->ready, true);
	return 0;
}

/* Allow (@file) or take back (NULL) mmap() of all buffers through a DRM file. */
static int hgpu_kfd_set_drm_file(struct hgpu_process_device *pdd, struct drm_file *file)
{
	struct hgpu_kfd_bo *kbo;
	int id, ret = 0;

	lockdep_assert_held(&pdd->process->lock);
	idr_for_each_entry(&pdd->bos, kbo, id) {
		if (!kbo->bo)
			continue;
		if (pdd->drm_file)
			hgpu_bo_revoke_mmap(kbo->bo, pdd->drm_file);
		if (file)
			ret = ret ?: hgpu_bo_allow_mmap(kbo->bo, file);
	}
	pdd->drm_file = file;
	return ret;
}

int hgpu_kfd_acquire_vm(struct hgpu_process_device *pdd, unsigned int fd)
{
	struct drm_file *priv;
	struct file *file;
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	file = fget(fd);
	if (!file)
		return -EINVAL;

	/*
	 * Only remembered: the reference would keep the module loaded for as
	 * long as the mm lives. hgpu_kfd_drm_close() tells when it goes.
	 */
	priv = hgpu_kfd_drm_file(pdd->hdev, file);
	if (!priv)
		ret = -EINVAL;
	else if (pdd->drm_file)
		ret = pdd->drm_file == priv ? 0 : -EBUSY;
	else
		ret = hgpu_kfd_init_vm(pdd) ?: hgpu_kfd_set_drm_file(pdd, priv);
	fput(file);
	return ret;
}

void hgpu_kfd_drm_close(struct hgpu_device *hdev, struct drm_file *file)
{
	struct hgpu_process *process;
	unsigned long pasid = 0;

	while ((process = hgpu_process_next(&pasid))) {
		struct hgpu_process_device *pdd = hgpu_process_device(process, hdev);

		mutex_lock(&process->lock);
		if (pdd && pdd->drm_file == file)
			hgpu_kfd_set_drm_file(pdd, NULL);
		mutex_unlock(&process->lock);
		hgpu_process_put(process);
	}
}

/* ---- making buffers ---- */

#define HGPU_KFD_TYPE_FLAGS						\
	(KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_GTT |	\
	 KFD_IOC_ALLOC_MEM_FLAGS_USERPTR |				\
	 KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL |				\
	 KFD_IOC_ALLOC_MEM_FLAGS_MMIO_REMAP)

static int hgpu_kfd_check_alloc(const struct kfd_ioctl_alloc_memory_of_gpu_args *args)
{
	if (!args->size || args->size > HGPU_KFD_GPUVM_LIMIT ||
	    !PAGE_ALIGNED(args->va_addr) || args->va_addr < HGPU_KFD_GPUVM_BASE ||
	    args->va_addr > HGPU_KFD_GPUVM_LIMIT + 1 - PAGE_ALIGN(args->size))
		return -EINVAL;

	switch (args->flags & HGPU_KFD_TYPE_FLAGS) {
	case KFD_IOC_ALLOC_MEM_FLAGS_VRAM:
	case KFD_IOC_ALLOC_MEM_FLAGS_GTT:
		return 0;
	case KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL:
		return args->size == HGPU_DOORBELL_SLICE_SIZE ? 0 : -EINVAL;
	case KFD_IOC_ALLOC_MEM_FLAGS_USERPTR:
		return -EOPNOTSUPP;	/* not yet: SVM does without */
	case KFD_IOC_ALLOC_MEM_FLAGS_MMIO_REMAP:
		return -ENOMEM;		/* as KFD on a GPU without an HDP page */
	default:
		return -EINVAL;
	}
}

/*
 * Memory is charged for as long as it is taken: mappings of the CPU outlive
 * FREE.
 */
static void hgpu_kfd_gtt_destroyed(struct hgpu_bo *bo)
{
	hgpu_memlimit_unreserve(HGPU_MEM_GTT, hgpu_bo_size(bo));
}

static void hgpu_kfd_vram_destroyed(struct hgpu_bo *bo)
{
	hgpu_memlimit_unreserve_vram(to_hgpu(bo->tbo.base.dev), hgpu_bo_size(bo));
}

static int hgpu_kfd_alloc_gtt(struct hgpu_kfd_bo *kbo)
{
	int ret;

	ret = hgpu_memlimit_reserve(HGPU_MEM_GTT, kbo->size);
	if (ret)
		return ret;
	ret = hgpu_bo_create(kbo->pdd->hdev, kbo->size, 0, HGPU_DOMAIN_GTT, 0, &kbo->bo);
	if (ret)
		hgpu_memlimit_unreserve(HGPU_MEM_GTT, kbo->size);
	else
		kbo->bo->destroyed = hgpu_kfd_gtt_destroyed;
	return ret;
}

static int hgpu_kfd_alloc_vram(struct hgpu_kfd_bo *kbo)
{
	enum hgpu_domain domain = kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC ?
				  HGPU_DOMAIN_VRAM_VISIBLE : HGPU_DOMAIN_VRAM;
	struct hgpu_device *hdev = kbo->pdd->hdev;
	int ret;

	ret = hgpu_memlimit_reserve_vram(hdev, kbo->size);
	if (ret)
		return ret;
	ret = hgpu_bo_create(hdev, kbo->size, min_t(u64, SZ_2M, rounddown_pow_of_two(kbo->size)),
			     domain, HGPU_BO_CLEAR, &kbo->bo);
	if (ret)
		hgpu_memlimit_unreserve_vram(hdev, kbo->size);
	else
		kbo->bo->destroyed = hgpu_kfd_vram_destroyed;
	return ret == -ENOSPC ? -ENOMEM : ret;	/* KFD knows one kind of full */
}

/* VRAM and GTT memory, cleared. */
static int hgpu_kfd_alloc_bo(struct hgpu_kfd_bo *kbo)
{
	return kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_GTT ? hgpu_kfd_alloc_gtt(kbo) :
							   hgpu_kfd_alloc_vram(kbo);
}

static void hgpu_kfd_free_bo(struct hgpu_kfd_bo *kbo)
{
	if (!kbo->bo)
		return;
	if (kbo->pdd->drm_file)
		hgpu_bo_revoke_mmap(kbo->bo, kbo->pdd->drm_file);
	hgpu_bo_put(kbo->bo);
}

/* Addresses are claimed first and then compared with SVM, see hgpu_process.h. */
static int hgpu_kfd_claim_va(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_process *process = kbo->pdd->process;
	bool taken;

	spin_lock(&process->va_lock);
	taken = interval_tree_iter_first(&process->bo_vas, kbo->va.start, kbo->va.last);
	if (!taken)
		interval_tree_insert(&kbo->va, &process->bo_vas);
	spin_unlock(&process->va_lock);
	return taken ? -EADDRINUSE : 0;
}

static void hgpu_kfd_unclaim_va(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_process *process = kbo->pdd->process;

	spin_lock(&process->va_lock);
	interval_tree_remove(&kbo->va, &process->bo_vas);
	spin_unlock(&process->va_lock);
}

static u64 hgpu_kfd_bo_mmap_offset(struct hgpu_kfd_bo *kbo)
{
	if (kbo->bo)
		return hgpu_bo_mmap_offset(kbo->bo);
	return hgpu_kfd_doorbell_mmap_offset(kbo->pdd->hdev->gpu_id, 0);
}

int hgpu_kfd_alloc(struct hgpu_process_device *pdd,
		   struct kfd_ioctl_alloc_memory_of_gpu_args *args)
{
	struct hgpu_kfd_bo *kbo;
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	ret = hgpu_kfd_check_alloc(args);
	if (ret)
		return ret;

	kbo = kzalloc(sizeof(*kbo), GFP_KERNEL);
	if (!kbo)
		return -ENOMEM;
	kbo->pdd = pdd;
	kbo->flags = args->flags;
	kbo->size = PAGE_ALIGN(args->size);
	kbo->va.start = args->va_addr >> PAGE_SHIFT;
	kbo->va.last = kbo->va.start + (kbo->size >> PAGE_SHIFT) - 1;

	ret = hgpu_kfd_claim_va(kbo);
	if (ret)
		goto err_free;
	if (hgpu_svm_overlaps(&pdd->process->svms, kbo->va.start, kbo->va.last)) {
		ret = -EADDRINUSE;
		goto err_unclaim;
	}
	if (!(kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL)) {
		ret = hgpu_kfd_alloc_bo(kbo);
		if (ret)
			goto err_unclaim;
	}
	if (kbo->bo && pdd->drm_file) {
		ret = hgpu_bo_allow_mmap(kbo->bo, pdd->drm_file);
		if (ret)
			goto err_bo;
	}
	kbo->id = idr_alloc(&pdd->bos, kbo, 1, 0, GFP_KERNEL);
	if (kbo->id < 0) {
		ret = kbo->id;
		goto err_bo;
	}

	args->handle = FIELD_PREP(HGPU_KFD_HANDLE_GPU_ID, pdd->hdev->gpu_id) |
		       FIELD_PREP(HGPU_KFD_HANDLE_ID, kbo->id);
	args->mmap_offset = hgpu_kfd_bo_mmap_offset(kbo);
	return 0;

err_bo:
	hgpu_kfd_free_bo(kbo);
err_unclaim:
	hgpu_kfd_unclaim_va(kbo);
err_free:
	kfree(kbo);
	return ret;
}

static void hgpu_kfd_destroy(struct hgpu_kfd_bo *kbo)
{
	hgpu_kfd_drop_event_page(kbo);
	idr_remove(&kbo->pdd->bos, kbo->id);
	hgpu_kfd_free_bo(kbo);
	hgpu_kfd_unclaim_va(kbo);
	kfree(kbo);
}

int hgpu_kfd_free(struct hgpu_kfd_bo *kbo)
{
	lockdep_assert_held(&kbo->pdd->process->lock);
	if (hgpu_kfd_is_event_page(kbo))
		return -EPERM;
	if (kbo->mapped)
		return -EBUSY;
	hgpu_kfd_destroy(kbo);
	return 0;
}

void hgpu_kfd_free_all(struct hgpu_process_device *pdd)
{
	struct hgpu_kfd_bo *kbo;
	int id;

	/* No queue is left that could use what is still mapped. */
	lockdep_assert_held(&pdd->process->lock);
	idr_for_each_entry(&pdd->bos, kbo, id)
		hgpu_kfd_destroy(kbo);
}

/* ---- mapping ---- */

struct hgpu_kfd_bo *hgpu_kfd_bo_lookup(struct hgpu_process *process, u64 handle)
{
	struct hgpu_process_device *pdd;

	lockdep_assert_held(&process->lock);
	pdd = hgpu_process_device_by_id(process, FIELD_GET(HGPU_KFD_HANDLE_GPU_ID, handle));
	return pdd ? idr_find(&pdd->bos, FIELD_GET(HGPU_KFD_HANDLE_ID, handle)) : NULL;
}

static u64 hgpu_kfd_pte_flags(const struct hgpu_kfd_bo *kbo)
{
	u64 flags = HGPU_PTE_READABLE;

	if (kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)
		flags |= HGPU_PTE_WRITEABLE;
	if (kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_EXECUTABLE)
		flags |= HGPU_PTE_EXECUTABLE;
	return flags;
}

int hgpu_kfd_map(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	int ret = 0;

	lockdep_assert_held(&pdd->process->lock);
	if (pdd != kbo->pdd)
		return -EOPNOTSUPP;	/* one GPU's buffer on another: not yet */
	if (!pdd->ready)
		return -ENODEV;
	if (kbo->mapped & BIT(pdd->index))
		return 0;

	/* Nothing on the GPU rings doorbells, so theirs is mapped in name only. */
	if (kbo->bo)
		ret = hgpu_vm_map_bo(&pdd->vm, kbo->bo, (u64)kbo->va.start << PAGE_SHIFT,
				     hgpu_kfd_pte_flags(kbo));
	if (!ret)
		kbo->mapped |= BIT(pdd->index);
	return ret == -ENOSPC ? -ENOMEM : ret;
}

int hgpu_kfd_unmap(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	int ret = 0;

	lockdep_assert_held(&pdd->process->lock);
	if (pdd != kbo->pdd)
		return -EOPNOTSUPP;
	if (!(kbo->mapped & BIT(pdd->index)))
		return 0;
	if (kbo->queues)
		return -EBUSY;

	if (kbo->bo)
		ret = hgpu_vm_unmap(&pdd->vm, (u64)kbo->va.start << PAGE_SHIFT, kbo->size);
	if (!ret)	/* else the GPU may still use it: it stays ours */
		kbo->mapped &= ~BIT(pdd->index);
	return ret;
}

/* ---- queues ---- */

/* The buffer, mapped on the GPU, that all of a span lies in. */
static struct hgpu_kfd_bo *hgpu_kfd_bo_at(struct hgpu_process_device *pdd, u64 va, u64 size)
{
	struct hgpu_process *process = pdd->process;
	u64 last = (va + size - 1) >> PAGE_SHIFT;
	struct interval_tree_node *node;
	struct hgpu_kfd_bo *kbo;

	lockdep_assert_held(&process->lock);
	if (va + size - 1 < va)
		return NULL;
	spin_lock(&process->va_lock);
	node = interval_tree_iter_first(&process->bo_vas, va >> PAGE_SHIFT, last);
	spin_unlock(&process->va_lock);
	if (!node || node->start > va >> PAGE_SHIFT || node->last < last)
		return NULL;

	/* It stays: buffers go under the process's lock. */
	kbo = container_of(node, struct hgpu_kfd_bo, va);
	return kbo->bo && kbo->mapped & BIT(pdd->index) ? kbo : NULL;
}

/**
 * hgpu_kfd_queue_get_bos() - hold the buffers that a queue lives in
 * @pdd: the process device
 * @ring: GPU virtual address; 0: no ring yet
 * @ring_size: bytes
 * @rptr: GPU virtual address of the read pointer
 * @wptr: GPU virtual address of the write pointer
 * @bos: the buffers; NULL for no ring
 *
 * As KFD since 6.12: what is not in a buffer that is mapped on the GPU is
 * refused, and the buffers cannot be unmapped as long as the queue is there.
 *
 * Context: under the process's lock.
 * Return: 0 or -EINVAL.
 */
int hgpu_kfd_queue_get_bos(struct hgpu_process_device *pdd, u64 ring, u64 ring_size,
			   u64 rptr, u64 wptr, struct hgpu_kfd_bo *bos[3])
{
	unsigned int i;

	bos[0] = ring ? hgpu_kfd_bo_at(pdd, ring, ring_size) : NULL;
	bos[1] = hgpu_kfd_bo_at(pdd, rptr, sizeof(u64));
	bos[2] = hgpu_kfd_bo_at(pdd, wptr, sizeof(u64));
	if ((ring && !bos[0]) || !bos[1] || !bos[2]) {
		drm_dbg(&pdd->hdev->drm,
			"ring %#llx, read pointer %#llx or write pointer %#llx is not in a mapped buffer\n",
			ring, rptr, wptr);
		memset(bos, 0, 3 * sizeof(*bos));
		return -EINVAL;
	}
	for (i = 0; i < 3; i++)
		if (bos[i])
			bos[i]->queues++;
	return 0;
}

void hgpu_kfd_queue_put_bos(struct hgpu_kfd_bo *bos[3])
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (bos[i])
			bos[i]->queues--;
		bos[i] = NULL;
	}
}
