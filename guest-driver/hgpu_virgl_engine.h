/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virgl engine (SPEC 11): contexts of processes, and their jobs on slots.
 *
 * DOC: Jobs
 *
 * A slot takes one job at a time, so it has a scheduler with room for one. A
 * context has an entity that may use any slot; drm_sched changes the slot only
 * when the context's last job has ended. So its jobs run one after the other,
 * in the order of their submission, whatever they are: also those that make and
 * end resources.
 *
 * DOC: Fences and faults
 *
 * A submission takes page faults: its fence signals after memory has been
 * allocated for it, by a work item that takes mmap_lock. Whoever holds locks of
 * memory management, or reclaims, must not wait for such a fence. Nobody does:
 * in the driver nothing waits for them but WAIT, and the reservations they are in
 * are those of buffers that are pinned.
 *
 * DOC: The end of a context
 *
 * hgpu_vctx_stop() is what notifiers of the mm, resets and removal need: on return
 * the GPU accesses nothing on the context's behalf, and never will. The rest
 * (hgpu_vctx_end()) follows when its file is closed, or the GPU goes.
 *
 * Locking: the lock of the process protects what of a context is the process's
 * (list, VMID). Inside of it, a slot's lock protects which job is on it; with
 * only registers inside. A queue's lock makes pushing a job one step; inside of
 * dma_resv.
 *
 * Not hgpu_virgl.h, which is the protocol's.
 */
#ifndef HGPU_VIRGL_ENGINE_H
#define HGPU_VIRGL_ENGINE_H

#include "hgpu_compat.h"
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "hgpu_gart.h"
#include "hgpu_virgl.h"

struct drm_device;
struct drm_file;
struct hgpu_bo;
struct hgpu_device;
struct hgpu_process_device;
struct hgpu_vjob;
struct seq_file;

/**
 * struct hgpu_vslot - one slot
 * @sched: feeds it
 * @hdev: the GPU
 * @index: which one
 * @mem: where the job is that it runs
 * @lock: protects @job and @sequence, and @mem as long as there is a @job
 * @job: runs; NULL: idle
 * @sequence: of the last job that was started
 */
struct hgpu_vslot {
	struct drm_gpu_scheduler sched;
	struct hgpu_device *hdev;
	unsigned int index;
	struct hgpu_gtt_mem mem;
	spinlock_t lock;
	struct hgpu_vjob *job;
	u32 sequence;
};

/**
 * struct hgpu_vqueue - where jobs are pushed to, of a context or of the kernel
 * @lock: protects @fences and @ended, and makes arming and pushing one step
 * @entity: for drm_sched
 * @fence_context: of the hardware fences
 * @fences: seqno of the last of them
 * @ended: takes no more
 */
struct hgpu_vqueue {
	struct mutex lock;
	struct drm_sched_entity entity;
	u64 fence_context;
	u64 fences;
	bool ended;
};

/**
 * struct hgpu_virgl_engine - the engine of one GPU
 * @num_slots: 0: it has none
 * @slots: the slots
 * @submit_wq: where schedulers work
 * @timeout_wq: where they notice what takes too long
 * @empty: VRAM of a directory without entries, pinned
 * @no_pages: its VRAM address: translates nothing, and retries
 * @scheds: those of the slots
 * @kernel: ends contexts
 * @end_lock: protects @contexts, and makes the end of one a single step; outside of
 *	the locks of processes
 * @lock: protects @taken and @ending; a leaf
 * @taken: bit n: context n of the device is in use
 * @ending: bit n: and on its way out
 * @contexts: struct hgpu_vctx, by link
 * @wait: for a context to be free again, for jobs and fences to be gone
 * @started: jobs that were started and are not freed yet
 * @fences: hardware fences that are neither freed nor hold the GPU themselves
 * @dead: jobs fail at once with -ENODEV
 */
struct hgpu_virgl_engine {
	unsigned int num_slots;
	struct hgpu_vslot slots[HGPU_VIRGL_SLOTS];
	struct workqueue_struct *submit_wq;
	struct workqueue_struct *timeout_wq;
	struct hgpu_bo *empty;
	u64 no_pages;
	struct drm_gpu_scheduler *scheds[HGPU_VIRGL_SLOTS];
	struct hgpu_vqueue kernel;
	struct mutex end_lock;
	spinlock_t lock;
	unsigned long taken;
	unsigned long ending;
	struct list_head contexts;
	wait_queue_head_t wait;
	atomic_t started;
	atomic_t fences;
	bool dead;
};

/*
 * For hgpu_device.c. _halt() stops what an earlier kernel has left; _kill(): no
 * job runs on return or later, all fail with -ENODEV. _reset(): an FLR is coming,
 * hgpu_device_resetting() says so: all contexts are lost.
 */
void hgpu_virgl_halt(struct hgpu_device *hdev);
int hgpu_virgl_init(struct hgpu_device *hdev);
void hgpu_virgl_kill(struct hgpu_device *hdev);
void hgpu_virgl_reset(struct hgpu_device *hdev);
void hgpu_virgl_fini(struct hgpu_device *hdev);

/**
 * hgpu_virgl_show() - for debugfs
 * @hdev: the GPU
 * @m: the file
 */
void hgpu_virgl_show(struct hgpu_device *hdev, struct seq_file *m);

/**
 * hgpu_virgl_stop_contexts() - stop all contexts of a process on a GPU, for good
 * @pdd: the process device
 *
 * On return the GPU accesses nothing on their behalf, and they hold no VMID.
 *
 * Context: may sleep; the process's lock is held.
 */
void hgpu_virgl_stop_contexts(struct hgpu_process_device *pdd);

/* For hgpu_drv.c: a file comes and goes. */
int hgpu_virgl_open(struct drm_file *file);
void hgpu_virgl_close(struct hgpu_device *hdev, struct drm_file *file);

/* The ioctls: @data is the structure of that name (uapi/hmm_gpu_drm.h). */
int hgpu_virgl_context_create(struct drm_device *drm, void *data, struct drm_file *file);
int hgpu_virgl_context_destroy(struct drm_device *drm, void *data, struct drm_file *file);
int hgpu_virgl_resource_create(struct drm_device *drm, void *data, struct drm_file *file);
int hgpu_virgl_resource_destroy(struct drm_device *drm, void *data, struct drm_file *file);
int hgpu_virgl_submit(struct drm_device *drm, void *data, struct drm_file *file);
int hgpu_virgl_wait(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* HGPU_VIRGL_ENGINE_H */
