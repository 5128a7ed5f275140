// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's buffers: MAP and UNMAP.
 *
 * System pages are DMA-mapped for every GPU that has them: TTM does it for GTT
 * buffers and their own GPU, we for all else.
 */
#include <drm/drm_print.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_userptr.h"
#include "hgpu_process.h"
#include "hgpu_queue.h"
#include "hgpu_vram.h"

/* ---- DMA ---- */

/* CPU and GPUs share it at all times: what belongs to whom never changes. */
#define HGPU_KFD_DMA_ATTRS	DMA_ATTR_SKIP_CPU_SYNC

static bool hgpu_kfd_is_gtt(const struct hgpu_kfd_bo *kbo)
{
	return kbo->bo && kbo->bo->domain == HGPU_DOMAIN_GTT;
}

static int hgpu_kfd_dma_map(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	struct page **pages = kbo->user ? kbo->user->pages : hgpu_bo_pages(kbo->bo);
	struct device *dev = &pdd->hdev->pdev->dev;
	struct sg_table *sgt;
	int ret;

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return -ENOMEM;
	ret = sg_alloc_table_from_pages_segment(sgt, pages, kbo->size >> PAGE_SHIFT, 0,
						kbo->size, dma_get_max_seg_size(dev),
						GFP_KERNEL);
	if (ret)
		goto err_free;
	ret = dma_map_sgtable(dev, sgt, DMA_BIDIRECTIONAL, HGPU_KFD_DMA_ATTRS);
	if (ret)
		goto err_table;
	kbo->dma[pdd->index] = sgt;
	return 0;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ret;
}

static void hgpu_kfd_dma_unmap(struct hgpu_process_device *pdd, struct sg_table *sgt)
{
	if (!sgt)
		return;
	dma_unmap_sgtable(&pdd->hdev->pdev->dev, sgt, DMA_BIDIRECTIONAL, HGPU_KFD_DMA_ATTRS);
	sg_free_table(sgt);
	kfree(sgt);
}

/* ---- one GPU ---- */

static u64 hgpu_kfd_pte_flags(const struct hgpu_kfd_bo *kbo)
{
	u64 flags = HGPU_PTE_READABLE;

	if (kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)
		flags |= HGPU_PTE_WRITEABLE;
	if (kbo->flags & KFD_IOC_ALLOC_MEM_FLAGS_EXECUTABLE)
		flags |= HGPU_PTE_EXECUTABLE;
	return flags;
}

/* Nothing on the GPU rings doorbells, so theirs are mapped in name only. */
static bool hgpu_kfd_has_memory(const struct hgpu_kfd_bo *kbo)
{
	return kbo->bo || kbo->user;
}

/* Returns 0 when the GPU does not use it any more. */
static int hgpu_kfd_detach_from(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	int ret = 0;

	if (hgpu_kfd_has_memory(kbo))
		ret = hgpu_vm_unmap(&pdd->vm, (u64)kbo->va.start << PAGE_SHIFT,
				    kbo->size * kbo->copies);
	if (ret)
		return ret;
	hgpu_kfd_dma_unmap(pdd, kbo->dma[pdd->index]);
	kbo->dma[pdd->index] = NULL;
	return 0;
}

static int hgpu_kfd_map_copy(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd,
			     unsigned int copy)
{
	u64 va = ((u64)kbo->va.start << PAGE_SHIFT) + copy * kbo->size;
	struct sg_table *sgt = kbo->dma[pdd->index];
	u64 flags = hgpu_kfd_pte_flags(kbo);

	return sgt ? hgpu_vm_map_sgt(&pdd->vm, sgt, kbo->size, va, flags) :
		     hgpu_vm_map_bo(&pdd->vm, kbo->bo, va, flags);
}

/* Where it is now, whatever was mapped before. */
static int hgpu_kfd_attach_to(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	struct sg_table *old = kbo->dma[pdd->index];
	unsigned int copy;
	int ret = 0;

	if (kbo->user || (pdd != kbo->pdd && hgpu_kfd_is_gtt(kbo)))
		ret = hgpu_kfd_dma_map(kbo, pdd);
	if (ret)
		return ret;
	for (copy = 0; hgpu_kfd_has_memory(kbo) && copy < kbo->copies && !ret; copy++)
		ret = hgpu_kfd_map_copy(kbo, pdd, copy);
	if (ret)
		hgpu_kfd_detach_from(kbo, pdd);
	hgpu_kfd_dma_unmap(pdd, old);
	return ret == -ENOSPC ? -ENOMEM : ret;
}

/**
 * hgpu_kfd_attach() - map memory of a buffer where it is now
 * @kbo: the buffer
 * @gpus: bits of process devices
 *
 * Context: may sleep; under the process's lock.
 * Return: 0 or the first error; then that GPU does not have it.
 */
int hgpu_kfd_attach(struct hgpu_kfd_bo *kbo, unsigned long gpus)
{
	struct hgpu_process *process = kbo->pdd->process;
	unsigned int i;
	int ret;

	lockdep_assert_held(&process->lock);
	for_each_set_bit(i, &gpus, process->num_devices) {
		ret = hgpu_kfd_attach_to(kbo, process->devices[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* A GPU that does not acknowledge keeps nobody from going; that it does not was logged. */
static void hgpu_kfd_detach_anyway(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	if (!hgpu_kfd_detach_from(kbo, pdd))
		return;
	hgpu_kfd_dma_unmap(pdd, kbo->dma[pdd->index]);
	kbo->dma[pdd->index] = NULL;
}

/**
 * hgpu_kfd_detach() - have GPUs fault where a buffer is
 * @kbo: the buffer
 * @gpus: bits of process devices
 *
 * Context: may sleep; under the process's lock.
 */
void hgpu_kfd_detach(struct hgpu_kfd_bo *kbo, unsigned long gpus)
{
	struct hgpu_process *process = kbo->pdd->process;
	unsigned int i;

	lockdep_assert_held(&process->lock);
	for_each_set_bit(i, &gpus, process->num_devices)
		hgpu_kfd_detach_anyway(kbo, process->devices[i]);
}

static void hgpu_kfd_set_unmapped(struct hgpu_kfd_bo *kbo, unsigned long gpus)
{
	kbo->mapped &= ~gpus;
	if (kbo->user)
		hgpu_kfd_userptr_unmapped(kbo);
}

/* As KFD without peer-to-peer: VRAM of the same hive, and no doorbells. */
static bool hgpu_kfd_is_reached(const struct hgpu_kfd_bo *kbo,
				const struct hgpu_process_device *pdd)
{
	if (pdd == kbo->pdd || kbo->user || hgpu_kfd_is_gtt(kbo))
		return true;
	return kbo->bo && hgpu_hive_same(pdd->hdev, kbo->pdd->hdev);
}

/* ---- the interface ---- */

/**
 * hgpu_kfd_map() - map a buffer on a GPU
 * @kbo: the buffer
 * @pdd: the GPU, which is there
 *
 * Context: may sleep; under the process's lock.
 * Return: 0, also if it was mapped already; -ENODEV without a VM; -EINVAL for
 * what has no address, and for what the GPU does not reach; -ENOMEM.
 */
int hgpu_kfd_map(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	if (!pdd->ready)
		return -ENODEV;
	if (!kbo->va.start)
		return -EINVAL;
	if (!hgpu_kfd_is_reached(kbo, pdd))
		return -EINVAL;
	if (kbo->mapped & BIT(pdd->index))
		return 0;
	kbo->mapped |= BIT(pdd->index);
	ret = kbo->user ? hgpu_kfd_userptr_map(kbo, pdd->index) : hgpu_kfd_attach_to(kbo, pdd);
	if (ret)
		hgpu_kfd_set_unmapped(kbo, BIT(pdd->index));
	return ret;
}

/**
 * hgpu_kfd_unmap() - the counterpart
 * @kbo: the buffer
 * @pdd: the GPU
 *
 * Context: may sleep; under the process's lock.
 * Return: 0; -EINVAL if it is not mapped there; -EBUSY under a queue; -ETIME: the
 * GPU may still use it.
 */
int hgpu_kfd_unmap(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd)
{
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	if (!(kbo->mapped & BIT(pdd->index)))
		return -EINVAL;
	if (kbo->queues)
		return -EBUSY;
	ret = hgpu_kfd_detach_from(kbo, pdd);
	if (!ret)
		hgpu_kfd_set_unmapped(kbo, BIT(pdd->index));
	return ret;
}

/* Queues of a GPU that stays, in a buffer of one that goes: they will fault. */
static void hgpu_kfd_leave_queues(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_queue *queue;
	unsigned int i;
	int id;

	if (!kbo->queues)
		return;
	idr_for_each_entry(&kbo->pdd->process->queue_ids, queue, id)
		for (i = 0; i < ARRAY_SIZE(queue->bos); i++)
			if (queue->bos[i] == kbo)
				queue->bos[i] = NULL;
	kbo->queues = 0;
}

/**
 * hgpu_kfd_unmap_all() - unmap a buffer from all GPUs that have it
 * @kbo: the buffer, about to be destroyed
 *
 * Context: may sleep; under the process's lock.
 */
void hgpu_kfd_unmap_all(struct hgpu_kfd_bo *kbo)
{
	lockdep_assert_held(&kbo->pdd->process->lock);
	hgpu_kfd_leave_queues(kbo);
	hgpu_kfd_detach(kbo, kbo->mapped);
	hgpu_kfd_set_unmapped(kbo, kbo->mapped);
}

/**
 * hgpu_kfd_detach_gpu() - unmap other GPUs' buffers from one that goes
 * @pdd: the GPU; its queues are gone
 *
 * Context: may sleep; under the process's lock.
 */
void hgpu_kfd_detach_gpu(struct hgpu_process_device *pdd)
{
	struct hgpu_process *process = pdd->process;
	struct hgpu_kfd_bo *kbo;
	unsigned int i;
	int id;

	lockdep_assert_held(&process->lock);
	for (i = 0; i < process->num_devices; i++) {
		if (process->devices[i] == pdd)
			continue;
		idr_for_each_entry(&process->devices[i]->bos, kbo, id) {
			hgpu_kfd_detach(kbo, kbo->mapped & BIT(pdd->index));
			hgpu_kfd_set_unmapped(kbo, BIT(pdd->index));
		}
	}
}
