/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that uses the GPUs: one to an mm, made when /dev/kfd is opened,
 * gone when the mm is (and not before: file descriptors come and go).
 *
 * Ends in two steps. Quiesce, when the mm exits or the module goes: queues are
 * stopped on all GPUs, then SVM lets go of the mm; afterwards no GPU touches
 * it. Free, from a work item, when the last reference is dropped: buffers,
 * page tables, PASID.
 *
 * The GPUs of a process are those that are there when it is made. One that is
 * added later, or bound again, is shown in the topology but cannot be used by
 * it, not even after /dev/kfd was closed and opened again: what is made at the
 * first opening lasts as long as the mm. A forked child can.
 *
 * References: one for the mm (dropped after quiescing), one for every open
 * file, one for whoever got it from hgpu_process_get_by_pasid().
 *
 * Locking: @lock protects queues and buffers of all process devices. It is
 * outermost: mmap_lock may be taken inside it, never the other way round.
 * So the mmap handlers, the fault worker and notifiers do without it. What they
 * do need of queues, to stop them, is protected by @run_lock: a spinlock inside
 * of everything that svm has, with only leaves of the GPU inside of it.
 */
#ifndef HGPU_PROCESS_H
#define HGPU_PROCESS_H

#include <linux/idr.h>
#include <linux/interval_tree.h>
#include <linux/kfd_ioctl.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "hgpu_gpuvm.h"
#include "hgpu_kfd_events.h"
#include "hgpu_kfd_userptr.h"
#include "hgpu_svm.h"

struct drm_file;
struct file;
struct hgpu_device;
struct hgpu_process;

#define HGPU_MAX_GPUS			8
#define HGPU_MAX_QUEUES_PER_PROCESS	1024	/* as KFD */

/**
 * struct hgpu_process_device - a process on one GPU
 * @process: back pointer
 * @hdev: the GPU; a reference to its drm_device is held, so the pointer stays
 *	good after removal
 * @index: in the process's array
 * @removed: the GPU is going or gone; written once, under the process's lock
 * @released: nothing of the GPU is held any more; protected by the process's lock
 * @ready: a VM was acquired: @vm and @doorbell_slice are there. Set under the
 *	process's lock; read without it by smp_load_acquire()
 * @vm: page tables
 * @drm_file: the DRM file that ACQUIRE_VM named, for its identity and for
 *	mmap permissions; NULL again when that file is closed
 * @doorbell_slice: in BAR 2
 * @doorbells: index in the slice is in use
 * @queues: struct hgpu_queue, by link; changes under the process's lock and its
 *	run lock
 * @evicted: for how many reasons queues must not run now; protected by the
 *	process's run lock
 * @bos: KFD handle (low half) to struct hgpu_kfd_bo
 * @vctxs: contexts of the virgl engine that run; protected by the process's lock
 */
struct hgpu_process_device {
	struct hgpu_process *process;
	struct hgpu_device *hdev;
	unsigned int index;
	bool removed;
	bool released;
	bool ready;
	struct hgpu_vm vm;
	struct drm_file *drm_file;
	unsigned int doorbell_slice;
	DECLARE_BITMAP(doorbells, HGPU_MAX_QUEUES_PER_PROCESS);
	struct list_head queues;
	unsigned int evicted;
	struct idr bos;
	struct list_head vctxs;
};

/**
 * struct hgpu_process - one mm's use of the GPUs
 * @ref: see the top of this file
 * @mm: grabbed (mmgrab) until the structure is freed: use mmget_not_zero()
 * @tgid: of the opener; other thread groups may not use the file
 * @pid_nr: its number in the initial namespace, for messages
 * @pasid: 1 to 65535
 * @flags: HGPU_PROCESS_* bits
 * @notifier: tells of the mm's end
 * @lock: see the top of this file
 * @num_devices: entries of @devices; constant
 * @devices: one a GPU that was there when the process was made
 * @run_lock: protects what decides whether queues run, and commands to their HQDs
 * @queue_ids: KFD queue id to struct hgpu_queue; protected by @lock
 * @va_lock: protects @bo_vas and @userptr_vas; a leaf
 * @bo_vas: address ranges of buffers, in pages: SVM ranges keep away from them
 * @userptr_vas: where the CPU has the memory of USERPTR buffers, in pages
 * @svms: shared virtual memory
 * @events: what it waits for
 * @userptrs: its memory that is in buffers
 * @free_work: the last step
 */
struct hgpu_process {
	struct kref ref;
	struct mm_struct *mm;
	struct pid *tgid;
	pid_t pid_nr;
	u16 pasid;
	unsigned long flags;
	struct mmu_notifier notifier;

	struct mutex lock;
	spinlock_t run_lock;
	unsigned int num_devices;
	struct hgpu_process_device *devices[HGPU_MAX_GPUS];
	struct idr queue_ids;

	spinlock_t va_lock;
	struct rb_root_cached bo_vas;
	struct rb_root_cached userptr_vas;

	struct hgpu_svms svms;
	struct hgpu_kfd_events events;
	struct hgpu_userptrs userptrs;
	struct work_struct free_work;
};

#define HGPU_PROCESS_NOTIFIED	0	/* the notifier holds a reference */
#define HGPU_PROCESS_QUIESCED	1	/* the mm is off limits */

/**
 * hgpu_process_open() - the process of the current mm, made if need be
 * Context: may sleep; no locks.
 * Return: a reference, or ERR_PTR.
 */
struct hgpu_process *hgpu_process_open(void);

/**
 * hgpu_process_get_by_pasid() - whose fault is this?
 * @pasid: from an interrupt entry
 *
 * Context: process context, any locks; does not sleep.
 * Return: a reference, or NULL.
 */
struct hgpu_process *hgpu_process_get_by_pasid(u16 pasid);

/**
 * hgpu_process_next() - iterate over all processes
 * @pasid: 0 to begin; gets the PASID of what is returned
 *
 * Return: a reference to the process with the next higher PASID, or NULL.
 */
struct hgpu_process *hgpu_process_next(unsigned long *pasid);

/**
 * hgpu_process_next_on() - iterate over all processes that know a GPU
 * @hdev: the GPU
 * @pasid: as for hgpu_process_next()
 *
 * Return: what the next of them has on the GPU, with a reference to
 * &hgpu_process_device.process, or NULL.
 */
struct hgpu_process_device *hgpu_process_next_on(struct hgpu_device *hdev,
						 unsigned long *pasid);

/**
 * hgpu_process_put() - drop a reference
 * @process: may be NULL
 * Context: any, also with bottom halves off.
 */
void hgpu_process_put(struct hgpu_process *process);

/**
 * hgpu_process_dead() - has it been quiesced?
 * @process: the process
 *
 * Return: true when its mm may not be touched any more.
 */
static inline bool hgpu_process_dead(struct hgpu_process *process)
{
	return test_bit(HGPU_PROCESS_QUIESCED, &process->flags);
}

/**
 * hgpu_process_device() - a process's view of a GPU
 * @process: the process
 * @hdev: the GPU
 *
 * Context: any; the array does not change.
 * Return: the process device, or NULL if the GPU came after the process.
 */
struct hgpu_process_device *hgpu_process_device(struct hgpu_process *process,
						struct hgpu_device *hdev);

/**
 * hgpu_process_can_retry() - do all GPUs of a process have recoverable faults?
 * @process: the process
 *
 * Context: any; the array does not change.
 */
bool hgpu_process_can_retry(struct hgpu_process *process);

/**
 * hgpu_process_current_device() - the calling process, on a GPU
 * @hdev: the GPU
 *
 * Context: process context.
 * Return: the process device, with a reference to &hgpu_process_device.process; NULL
 * if the process has not opened /dev/kfd, the GPU came later, or it is ending.
 */
struct hgpu_process_device *hgpu_process_current_device(struct hgpu_device *hdev);

/**
 * hgpu_process_has_work() - has it queues, or contexts, on any GPU?
 * @process: the process
 *
 * Context: the process's lock is held.
 */
bool hgpu_process_has_work(struct hgpu_process *process);

/**
 * hgpu_process_device_by_id() - same, by KFD's gpu_id
 * @process: the process
 * @gpu_id: as in the topology
 *
 * Return: the process device, or NULL.
 */
struct hgpu_process_device *hgpu_process_device_by_id(struct hgpu_process *process,
						      u32 gpu_id);

/**
 * hgpu_process_device_ready() - may SVM map on this GPU?
 * @pdd: the process device
 *
 * Return: true once ACQUIRE_VM has succeeded.
 */
static inline bool hgpu_process_device_ready(struct hgpu_process_device *pdd)
{
	/* Pairs with the release in hgpu_kfd_memory.c: the VM is set up. */
	return smp_load_acquire(&pdd->ready);
}

/**
 * hgpu_process_stop_queues() - stop and free the queues on one GPU, and virgl contexts
 * @pdd: the process device
 *
 * Context: may sleep; the process's lock is held.
 */
void hgpu_process_stop_queues(struct hgpu_process_device *pdd);

/**
 * hgpu_process_evict_queues() - stop the queues of a process on all GPUs
 * @process: the process
 * @trigger: why, for those who listen
 *
 * Every call keeps them stopped until hgpu_process_restore_queues() has been
 * called as often. Queues made meanwhile do not run either. On return the GPUs
 * access nothing on the process's behalf.
 *
 * Context: any but interrupts, notifiers included; takes the run lock.
 */
void hgpu_process_evict_queues(struct hgpu_process *process,
			       enum KFD_QUEUE_EVICTION_TRIGGERS trigger);

/**
 * hgpu_process_device_evict() - stop the queues of a process on one GPU for good
 * @pdd: the process device
 *
 * Context: as hgpu_process_evict_queues().
 */
void hgpu_process_device_evict(struct hgpu_process_device *pdd);

/**
 * hgpu_process_prepare_restore() - read what restoring queues needs
 * @process: the process
 *
 * Context: may sleep; current uses the process's mm, whose mmap_lock it does not
 * hold; the process's lock is held, until hgpu_process_finish_restore() returns.
 */
void hgpu_process_prepare_restore(struct hgpu_process *process);

/**
 * hgpu_process_restore_queues() - undo one hgpu_process_evict_queues()
 * @process: the process, after hgpu_process_prepare_restore()
 *
 * If no other reason is left, queues go on where they were stopped.
 *
 * Context: the process's lock is held; does not sleep.
 */
void hgpu_process_restore_queues(struct hgpu_process *process);

/**
 * hgpu_process_finish_restore() - tell queues what they have missed
 * @process: the process, after hgpu_process_restore_queues()
 *
 * Context: as hgpu_process_prepare_restore().
 */
void hgpu_process_finish_restore(struct hgpu_process *process);

/**
 * hgpu_process_restore_rescheduled() - queues stay evicted for a while
 * @process: the process
 *
 * For those who listen; nothing changes.
 *
 * Context: any but interrupts.
 */
void hgpu_process_restore_rescheduled(struct hgpu_process *process);

/**
 * hgpu_process_va_is_bo() - does a buffer of ALLOC_MEMORY_OF_GPU lie there?
 * @process: the process
 * @first_page: first page
 * @last_page: last page, inclusive
 *
 * SVM inserts its range first and asks then, ALLOC does the same the other way
 * round: of two that race at least one sees the other.
 *
 * Context: any but interrupts.
 */
bool hgpu_process_va_is_bo(struct hgpu_process *process, u64 first_page, u64 last_page);

/**
 * hgpu_process_va_is_userptr() - is memory of a USERPTR buffer there?
 * @process: the process
 * @first_page: first page
 * @last_page: last page, inclusive
 *
 * Races with ALLOC as hgpu_process_va_is_bo() does.
 *
 * Context: any but interrupts.
 */
bool hgpu_process_va_is_userptr(struct hgpu_process *process, u64 first_page, u64 last_page);

/* For hgpu_kfd_attach_process(), under the lock of the list of GPUs. */
int hgpu_process_add_gpu(struct hgpu_process *process, struct hgpu_device *hdev);
void hgpu_process_publish(struct hgpu_process *process);

/**
 * hgpu_process_remove_gpu() - take a GPU away from a process, first step
 * @pdd: the process device
 *
 * Stops the queues, then has SVM let go of the page tables: no notifier or
 * fault touches the GPU afterwards. Idempotent.
 *
 * Context: may sleep; takes the process's lock.
 */
void hgpu_process_remove_gpu(struct hgpu_process_device *pdd);

/**
 * hgpu_process_release_gpu() - second step: give back all that it holds
 * @pdd: the process device, after hgpu_process_remove_gpu()
 *
 * Buffers, page tables, doorbells. Idempotent.
 *
 * Context: may sleep; takes the process's lock.
 */
void hgpu_process_release_gpu(struct hgpu_process_device *pdd);

/**
 * hgpu_process_init() - at module load
 *
 * Return: 0 or -errno.
 */
int hgpu_process_init(void);

/**
 * hgpu_process_exit() - at module unload: ends every process
 *
 * Quiesces all that are left (no file is open any more, but mms live on) and
 * waits until they are freed.
 */
void hgpu_process_exit(void);

#endif /* HGPU_PROCESS_H */
