// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's buffers: ACQUIRE_VM, ALLOC and FREE; and what queues hold of them.
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
#include "hgpu_kfd_userptr.h"
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
	WRITE_ONCE(pdd->drm_file, file);
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
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		/* Who names a file has it open: it does not become this one now. */
		if (READ_ONCE(pdd->drm_file) == file) {
			mutex_lock(&pdd->process->lock);
			hgpu_kfd_set_drm_file(pdd, NULL);
			mutex_unlock(&pdd->process->lock);
		}
		hgpu_process_put(pdd->process);
	}
}

/* ---- making buffers ---- */

#define HGPU_KFD_TYPE_FLAGS						\
	(KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_GTT |	\
	 KFD_IOC_ALLOC_MEM_FLAGS_USERPTR |				\
	 KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL |				\
	 KFD_IOC_ALLOC_MEM_FLAGS_MMIO_REMAP)

/* As KFD: VRAM may have no address, and then cannot be mapped. */
static bool hgpu_kfd_check_va(const struct kfd_ioctl_alloc_memory_of_gpu_args *args)
{
	if (!args->va_addr && args->flags & KFD_IOC_ALLOC_MEM_FLAGS_VRAM)
		return true;
	return PAGE_ALIGNED(args->va_addr) && args->va_addr >= HGPU_KFD_GPUVM_BASE &&
	       args->va_addr <= HGPU_KFD_GPUVM_LIMIT + 1 - PAGE_ALIGN(args->size);
}

static bool hgpu_kfd_check_userptr(const struct kfd_ioctl_alloc_memory_of_gpu_args *args)
{
	return args->mmap_offset && PAGE_ALIGNED(args->mmap_offset) &&
	       args->mmap_offset <= HGPU_KFD_GPUVM_LIMIT + 1 - PAGE_ALIGN(args->size);
}

static int hgpu_kfd_check_alloc(const struct kfd_ioctl_alloc_memory_of_gpu_args *args)
{
	if (!args->size || args->size > HGPU_KFD_GPUVM_LIMIT || !hgpu_kfd_check_va(args))
		return -EINVAL;
	/* An AQL ring is seen twice, so it has half of the size. */
	if (args->flags & KFD_IOC_ALLOC_MEM_FLAGS_AQL_QUEUE_MEM &&
	    !IS_ALIGNED(args->size, 2 * PAGE_SIZE))
		return -EINVAL;

	switch (args->flags & HGPU_KFD_TYPE_FLAGS) {
	case KFD_IOC_ALLOC_MEM_FLAGS_VRAM:
	case KFD_IOC_ALLOC_MEM_FLAGS_GTT:
		return 0;
	case KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL:
		return args->size == HGPU_DOORBELL_SLICE_SIZE ? 0 : -EINVAL;
	case KFD_IOC_ALLOC_MEM_FLAGS_USERPTR:
		return hgpu_kfd_check_userptr(args) ? 0 : -EINVAL;
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
			     domain, HGPU_BO_CLEAR | HGPU_BO_MAY_EVICT, &kbo->bo);
	if (ret)
		hgpu_memlimit_unreserve_vram(hdev, kbo->size);
	else
		kbo->bo->destroyed = hgpu_kfd_vram_destroyed;
	return ret == -ENOSPC ? -ENOMEM : ret;	/* KFD knows one kind of full */
}

/* VRAM and GTT memory is cleared; user memory is what it is. */
static int hgpu_kfd_alloc_memory(struct hgpu_kfd_bo *kbo)
{
	switch (kbo->flags & HGPU_KFD_TYPE_FLAGS) {
	case KFD_IOC_ALLOC_MEM_FLAGS_VRAM:
		return hgpu_kfd_alloc_vram(kbo);
	case KFD_IOC_ALLOC_MEM_FLAGS_GTT:
		return hgpu_kfd_alloc_gtt(kbo);
	case KFD_IOC_ALLOC_MEM_FLAGS_USERPTR:
		return hgpu_kfd_userptr_create(kbo);
	default:
		return 0;
	}
}

static void hgpu_kfd_free_memory(struct hgpu_kfd_bo *kbo)
{
	if (kbo->user)
		hgpu_kfd_userptr_destroy(kbo);
	if (!kbo->bo)
		return;
	if (kbo->pdd->drm_file)
		hgpu_bo_revoke_mmap(kbo->bo, kbo->pdd->drm_file);
	hgpu_bo_put(kbo->bo);
}

/* ---- addresses ---- */

static void hgpu_kfd_set_addresses(struct hgpu_kfd_bo *kbo,
				   const struct kfd_ioctl_alloc_memory_of_gpu_args *args)
{
	u64 pages;

	kbo->copies = args->flags & KFD_IOC_ALLOC_MEM_FLAGS_AQL_QUEUE_MEM ? 2 : 1;
	kbo->size = PAGE_ALIGN(args->size) / kbo->copies;
	pages = kbo->size >> PAGE_SHIFT;
	kbo->va.start = args->va_addr >> PAGE_SHIFT;
	kbo->va.last = kbo->va.start + pages * kbo->copies - 1;
	kbo->cpu.start = args->mmap_offset >> PAGE_SHIFT;
	kbo->cpu.last = kbo->cpu.start + pages - 1;
}

static bool hgpu_kfd_is_userptr(const struct hgpu_kfd_bo *kbo)
{
	return kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_USERPTR;
}

static int hgpu_kfd_claim_va(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_process *process = kbo->pdd->process;
	bool taken;

	spin_lock(&process->va_lock);
	taken = kbo->va.start &&
		interval_tree_iter_first(&process->bo_vas, kbo->va.start, kbo->va.last);
	if (!taken && kbo->va.start)
		interval_tree_insert(&kbo->va, &process->bo_vas);
	/* The same memory may be in several buffers. */
	if (!taken && hgpu_kfd_is_userptr(kbo))
		interval_tree_insert(&kbo->cpu, &process->userptr_vas);
	spin_unlock(&process->va_lock);
	return taken ? -EADDRINUSE : 0;
}

static void hgpu_kfd_unclaim_va(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_process *process = kbo->pdd->process;

	spin_lock(&process->va_lock);
	if (kbo->va.start)
		interval_tree_remove(&kbo->va, &process->bo_vas);
	if (hgpu_kfd_is_userptr(kbo))
		interval_tree_remove(&kbo->cpu, &process->userptr_vas);
	spin_unlock(&process->va_lock);
}

/* Addresses are claimed first and then compared with SVM, see hgpu_process.h. */
static int hgpu_kfd_take_addresses(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_svms *svms = &kbo->pdd->process->svms;
	int ret;

	ret = hgpu_kfd_claim_va(kbo);
	if (ret)
		return ret;
	if ((!kbo->va.start || !hgpu_svm_overlaps(svms, kbo->va.start, kbo->va.last)) &&
	    (!hgpu_kfd_is_userptr(kbo) ||
	     !hgpu_svm_overlaps(svms, kbo->cpu.start, kbo->cpu.last)))
		return 0;
	hgpu_kfd_unclaim_va(kbo);
	return -EADDRINUSE;
}

/* ---- ALLOC and FREE ---- */

/* A DRM file's offset, /dev/kfd's, or the address that it was for USERPTR. */
static u64 hgpu_kfd_bo_mmap_offset(struct hgpu_kfd_bo *kbo)
{
	if (hgpu_kfd_is_userptr(kbo))
		return (u64)kbo->cpu.start << PAGE_SHIFT;
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
	hgpu_kfd_set_addresses(kbo, args);

	ret = hgpu_kfd_take_addresses(kbo);
	if (ret)
		goto err_free;
	ret = hgpu_kfd_alloc_memory(kbo);
	if (ret)
		goto err_unclaim;
	if (kbo->bo && pdd->drm_file) {
		ret = hgpu_bo_allow_mmap(kbo->bo, pdd->drm_file);
		if (ret)
			goto err_memory;
	}
	kbo->id = idr_alloc(&pdd->bos, kbo, 1, 0, GFP_KERNEL);
	if (kbo->id < 0) {
		ret = kbo->id;
		goto err_memory;
	}

	args->handle = FIELD_PREP(HGPU_KFD_HANDLE_GPU_ID, pdd->hdev->gpu_id) |
		       FIELD_PREP(HGPU_KFD_HANDLE_ID, kbo->id);
	args->mmap_offset = hgpu_kfd_bo_mmap_offset(kbo);
	return 0;

err_memory:
	hgpu_kfd_free_memory(kbo);
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
	hgpu_kfd_unmap_all(kbo);
	hgpu_kfd_free_memory(kbo);
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

	lockdep_assert_held(&pdd->process->lock);
	hgpu_kfd_detach_gpu(pdd);
	idr_for_each_entry(&pdd->bos, kbo, id)
		hgpu_kfd_destroy(kbo);
}

struct hgpu_kfd_bo *hgpu_kfd_bo_lookup(struct hgpu_process *process, u64 handle)
{
	struct hgpu_process_device *pdd;

	lockdep_assert_held(&process->lock);
	pdd = hgpu_process_device_by_id(process, FIELD_GET(HGPU_KFD_HANDLE_GPU_ID, handle));
	return pdd ? idr_find(&pdd->bos, FIELD_GET(HGPU_KFD_HANDLE_ID, handle)) : NULL;
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
	return (kbo->bo || kbo->user) && kbo->mapped & BIT(pdd->index) ? kbo : NULL;
}

/**
 * hgpu_kfd_hold_bo() - hold the buffer that something of a queue lies in
 * @pdd: the process device
 * @va: GPU virtual address
 * @size: bytes
 * @bo: the buffer, to be given to hgpu_kfd_release_bo()
 *
 * As KFD since 6.12: what is not in a buffer that is mapped on the GPU is
 * refused, and the buffer cannot be unmapped as long as the queue is there.
 *
 * Context: under the process's lock.
 * Return: 0 or -EINVAL.
 */
int hgpu_kfd_hold_bo(struct hgpu_process_device *pdd, u64 va, u64 size, struct hgpu_kfd_bo **bo)
{
	*bo = hgpu_kfd_bo_at(pdd, va, size);
	if (!*bo) {
		drm_dbg(&pdd->hdev->drm, "%#llx, %#llx bytes, is not in a mapped buffer\n",
			va, size);
		return -EINVAL;
	}
	(*bo)->queues++;
	return 0;
}

/**
 * hgpu_kfd_release_bo() - the counterpart
 * @bo: the buffer or NULL; NULL afterwards
 *
 * Context: under the process's lock.
 */
void hgpu_kfd_release_bo(struct hgpu_kfd_bo **bo)
{
	if (*bo)
		(*bo)->queues--;
	*bo = NULL;
}
