/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KFD's buffers as GEM's: handles for PRIME export; and fences in the reservations
 * of buffers that an engine of the render node works on.
 */
#ifndef HGPU_KFD_GEM_H
#define HGPU_KFD_GEM_H

#include <drm/drm_exec.h>
#include <linux/types.h>

struct dma_fence;
struct drm_device;
struct drm_file;
struct hgpu_bo;
struct hgpu_process;

/**
 * struct hgpu_bo_use - a buffer that a submission uses
 * @bo: a reference to it
 * @write: it is written
 */
struct hgpu_bo_use {
	struct hgpu_bo *bo;
	bool write;
};

/**
 * struct hgpu_bo_uses - those of a submission; all zero: none
 * @use: the table; may have a buffer more than once
 * @n: rows
 */
struct hgpu_bo_uses {
	struct hgpu_bo_use *use;
	u32 n;
};

/* The ioctl GEM_FROM_KFD. */
int hgpu_gem_from_kfd(struct drm_device *drm, void *data, struct drm_file *file);

/**
 * hgpu_kfd_use_bos() - add the buffers that lie in a span
 * @process: the process
 * @va: GPU virtual address
 * @size: bytes, not 0; may reach beyond buffers, or miss them all
 * @write: they are written
 * @uses: the table
 *
 * USERPTR buffers are nobody else's, and not among them.
 *
 * Context: may sleep; the process's lock is held.
 * Return: 0 or -ENOMEM; then @uses has what was found so far.
 */
int hgpu_kfd_use_bos(struct hgpu_process *process, u64 va, u64 size, bool write,
		     struct hgpu_bo_uses *uses);

/**
 * hgpu_bo_uses_lock() - lock the reservations, and make room for a fence
 * @uses: the table
 * @exec: initialised; when this succeeds, drm_exec_fini() unlocks
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EINTR or -ERESTARTSYS.
 */
int hgpu_bo_uses_lock(const struct hgpu_bo_uses *uses, struct drm_exec *exec);

/**
 * hgpu_bo_uses_add_fence() - let others wait for what is done to the buffers
 * @uses: the table, its reservations locked
 * @fence: signals when it is done
 */
void hgpu_bo_uses_add_fence(const struct hgpu_bo_uses *uses, struct dma_fence *fence);

/**
 * hgpu_bo_uses_put() - drop the references
 * @uses: the table; empty afterwards
 */
void hgpu_bo_uses_put(struct hgpu_bo_uses *uses);

#endif /* HGPU_KFD_GEM_H */
