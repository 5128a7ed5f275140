/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * USERPTR: a process's own memory as a buffer.
 *
 * Nothing is pinned. The GPU has the memory mapped where the CPU has it; before
 * that changes, a notifier stops the process's queues on all GPUs. A work item
 * finds the memory again, maps it anew and lets the queues go on. Memory that
 * is not there any more is unmapped instead: who still uses it faults.
 *
 * Locking: buffers and their mappings are under the process's lock.
 * &hgpu_userptrs.lock is inside of reclaim, since notifiers take it, and
 * outside of the run lock.
 */
#ifndef HGPU_KFD_USERPTR_H
#define HGPU_KFD_USERPTR_H

#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

struct hgpu_kfd_bo;
struct page;

/**
 * struct hgpu_userptrs - the USERPTR buffers of a process
 * @lock: protects @invalid, @evicted and what its notifiers know of each buffer
 * @invalid: struct hgpu_userptr whose memory is elsewhere, or nowhere, by now
 * @evicted: queues stand still because of them
 * @restore_work: finds it
 */
struct hgpu_userptrs {
	struct mutex lock;
	struct list_head invalid;
	bool evicted;
	struct delayed_work restore_work;
};

/**
 * struct hgpu_userptr - the memory of a USERPTR buffer
 * @kbo: the buffer
 * @notifier: tells that the memory is about to change
 * @live: some GPU has it mapped; protected by &hgpu_userptrs.lock
 * @invalid: in &hgpu_userptrs.invalid
 * @pages: where it was found last, without references; protected by the
 *	process's lock
 */
struct hgpu_userptr {
	struct hgpu_kfd_bo *kbo;
	struct mmu_interval_notifier notifier;
	bool live;
	struct list_head invalid;
	struct page *pages[];
};

/**
 * hgpu_userptrs_init() - none yet
 * @users: of a process that is being made
 */
void hgpu_userptrs_init(struct hgpu_userptrs *users);

/**
 * hgpu_userptrs_fini() - the counterpart, when all buffers are gone
 * @users: of a process that nobody has a reference to
 *
 * Context: may sleep; without the process's lock.
 */
void hgpu_userptrs_fini(struct hgpu_userptrs *users);

/**
 * hgpu_kfd_userptr_create() - find the memory of a new USERPTR buffer
 * @kbo: the buffer; its size and where the CPU has it are known
 *
 * Memory in VRAM comes home.
 *
 * Context: of the process, under its lock; takes mmap_lock.
 * Return: 0; -ENOMEM, also when KFD's limit is reached; -EFAULT where there is
 * no memory; -EPERM where the process may not write to it.
 */
int hgpu_kfd_userptr_create(struct hgpu_kfd_bo *kbo);

/**
 * hgpu_kfd_userptr_destroy() - the counterpart
 * @kbo: the buffer, mapped on no GPU
 *
 * Context: may sleep; under the process's lock.
 */
void hgpu_kfd_userptr_destroy(struct hgpu_kfd_bo *kbo);

/**
 * hgpu_kfd_userptr_map() - map it on one more GPU
 * @kbo: the buffer; that the GPU is to have it is noted
 * @gpu: index of the process device
 *
 * If the memory is on the move the work item does it, before a queue runs again.
 *
 * Context: may sleep; under the process's lock; takes mmap_lock.
 * Return: 0; -EFAULT, -EPERM, -ENOMEM: it is not mapped.
 */
int hgpu_kfd_userptr_map(struct hgpu_kfd_bo *kbo, unsigned int gpu);

/**
 * hgpu_kfd_userptr_unmapped() - it has been unmapped from a GPU
 * @kbo: the buffer
 *
 * Context: under the process's lock.
 */
void hgpu_kfd_userptr_unmapped(struct hgpu_kfd_bo *kbo);

#endif /* HGPU_KFD_USERPTR_H */
