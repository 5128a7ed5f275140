/* SPDX-License-Identifier: GPL-2.0-only */
/* The virgl engine from the inside; for hgpu_virgl_*.c only. */
#ifndef HGPU_VIRGL_PRIV_H
#define HGPU_VIRGL_PRIV_H

#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/workqueue.h>

#include "hgpu_device.h"
#include "hgpu_virgl_engine.h"
#include "uapi/hmm_gpu_drm.h"

struct hgpu_process;

#define HGPU_VIRGL_RESULTS	64	/* that a context remembers */

/* What the driver writes into &hgpu_virgl_result.status before a job runs. */
#define HGPU_VIRGL_NOT_WRITTEN	U32_MAX

/* &struct hgpu_virgl_result, for the CPU. */
struct hgpu_vresult {
	u32 status;
	u32 row;
	u64 fault_addr;
	u32 faults;
	u64 in_ns;
	u64 render_ns;
	u64 out_ns;
	u64 in_bytes;
	u64 out_bytes;
};

/**
 * struct hgpu_vfence - the hardware fence of a job, and how it ended
 * @base: the fence; set up when the job is pushed
 * @lock: of @base
 * @hdev: the GPU
 * @exported: others may keep it longer than the GPU is bound: it holds a reference
 *	to the DRM device, and the module
 * @pushed: @base is set up
 * @error: of @base, when it signals
 * @result: valid, and constant, when @base or the scheduler's fence has signalled
 * @release: drops what an @exported one holds
 */
struct hgpu_vfence {
	struct dma_fence base;
	spinlock_t lock;
	struct hgpu_device *hdev;
	bool exported;
	bool pushed;
	int error;
	struct hgpu_vresult result;
	struct work_struct release;
};

/**
 * struct hgpu_vdone - one of the last submissions
 * @sequence: of the context; 0: none
 * @finished: the scheduler's fence
 * @hw: has the result
 */
struct hgpu_vdone {
	u64 sequence;
	struct dma_fence *finished;
	struct hgpu_vfence *hw;
};

/**
 * struct hgpu_vctx - a context
 * @ref: one for the file, one for each job, one for who ends it
 * @hdev: the GPU
 * @process: whose; a reference
 * @pdd: likewise, on this GPU
 * @id: the file's number for it
 * @hw: the device's; 0: none yet
 * @vmid: 1 to 15; its own while it is @attached
 * @attached: the process knows it; protected by the process's lock
 * @pdd_link: in the process device's list; protected by the process's lock
 * @link: in the engine's; protected by its end lock, under which it is taken out once
 * @destroy: the job that ends @hw, until it is pushed
 * @stopped: no job of it is started any more; written once, before all slots'
 *	locks were taken
 * @lost: the renderer has been ended; written once
 * @queue: its jobs; its lock also protects @sequence and @done
 * @sequence: of the last submission
 * @done: the last submissions, by sequence
 */
struct hgpu_vctx {
	struct kref ref;
	struct hgpu_device *hdev;
	struct hgpu_process *process;
	struct hgpu_process_device *pdd;
	u32 id;
	u32 hw;
	unsigned int vmid;
	bool attached;
	struct list_head pdd_link;
	struct list_head link;
	struct hgpu_vjob *destroy;
	bool stopped;
	bool lost;
	struct hgpu_vqueue queue;
	u64 sequence;
	struct hgpu_vdone done[HGPU_VIRGL_RESULTS];
};

/**
 * struct hgpu_vjob - a job on its way
 * @base: the scheduler's part
 * @hdev: the GPU
 * @hw: hardware fence and result; a reference
 * @ctx: whose; a reference; NULL: the kernel's
 * @slot: that runs it, once it was started
 * @started: counts in &hgpu_virgl_engine.started
 * @sequence: on the slot, as in the interrupt
 * @finish: signals @hw when something has to be done before
 * @image: what the device reads
 * @ranges: likewise
 */
struct hgpu_vjob {
	struct drm_sched_job base;
	struct hgpu_device *hdev;
	struct hgpu_vfence *hw;
	struct hgpu_vctx *ctx;
	struct hgpu_vslot *slot;
	bool started;
	struct work_struct finish;
	u32 sequence;
	struct hgpu_virgl_job image;
	struct hgpu_virgl_range ranges[];
};

/* hgpu_virgl_slot.c: the hardware */

void hgpu_vjob_finish_work(struct work_struct *work);	/* &hgpu_vjob.finish */
int hgpu_vslot_init(struct hgpu_device *hdev, unsigned int index);
void hgpu_vslot_fini(struct hgpu_vslot *slot);
int hgpu_vslot_register(struct hgpu_device *hdev);

/**
 * hgpu_vslot_start() - have a slot run a job
 * @slot: the slot, idle
 * @job: the job
 *
 * Context: any but interrupts.
 * Return: 0; or an error, and the job's result says so as well.
 */
int hgpu_vslot_start(struct hgpu_vslot *slot, struct hgpu_vjob *job);

/**
 * hgpu_vslot_abort() - end the job of a slot now
 * @slot: the slot
 * @job: only if it is this one; NULL: any
 * @ctx: only if it is one of this context; NULL: any
 * @timed_out: because it takes too long
 *
 * On return the slot accesses nothing for that job. One that has ended by
 * itself stays what it is.
 *
 * Context: any but interrupts.
 */
void hgpu_vslot_abort(struct hgpu_vslot *slot, const struct hgpu_vjob *job,
		      const struct hgpu_vctx *ctx, bool timed_out);

/**
 * hgpu_vslot_destroy_context() - end a context of the device, without a scheduler
 * @slot: the slot, which nobody uses
 * @hw: the context
 *
 * Context: may sleep.
 * Return: the job's status; HGPU_VIRGL_NOT_WRITTEN when it did not end.
 */
u32 hgpu_vslot_destroy_context(struct hgpu_vslot *slot, u32 hw);

/* hgpu_virgl_job.c: jobs, fences, schedulers */

int hgpu_vsched_init(struct hgpu_vslot *slot);
int hgpu_vqueue_init(struct hgpu_device *hdev, struct hgpu_vqueue *queue,
		     enum drm_sched_priority priority);

/**
 * hgpu_vqueue_end() - it takes no more jobs, and those that wait are not run
 * @queue: the queue
 *
 * Context: may sleep. Idempotent.
 */
void hgpu_vqueue_end(struct hgpu_vqueue *queue);

/**
 * hgpu_vjob_alloc() - a job
 * @hdev: the GPU
 * @ctx: whose, or NULL
 * @op: HGPU_VIRGL_JOB_*
 * @num_ranges: room for so many
 * @exported: its fence goes to where the driver does not see it
 *
 * Return: the job, or ERR_PTR.
 */
struct hgpu_vjob *hgpu_vjob_alloc(struct hgpu_device *hdev, struct hgpu_vctx *ctx,
				  u32 op, u32 num_ranges, bool exported);
void hgpu_vjob_free(struct hgpu_vjob *job);	/* one that was not pushed */

/**
 * hgpu_vjob_push_locked() - hand a job to the scheduler
 * @queue: the job's; not ended; its lock is held
 * @job: the job; consumed
 * @hwp: gets a reference to the job's @hw; or NULL
 *
 * Return: a reference to the scheduler's fence; its error is hgpu_virgl_errno() of
 * the result's status, or -ESRCH of a job that was never started.
 */
struct dma_fence *hgpu_vjob_push_locked(struct hgpu_vqueue *queue, struct hgpu_vjob *job,
					struct hgpu_vfence **hwp);

/**
 * hgpu_vjob_run() - hand a job over and wait for it
 * @job: the job, of a context; consumed
 *
 * Context: may sleep; is left early when the task is killed.
 * Return: 0 or an error, hgpu_virgl_errno() of what the device says of it.
 */
int hgpu_vjob_run(struct hgpu_vjob *job);

/* Signals @hw, with the error that the result has. */
void hgpu_vfence_signal(struct hgpu_vfence *hw);
void hgpu_vfence_put(struct hgpu_vfence *hw);

static inline struct hgpu_vfence *to_hgpu_vfence(struct dma_fence *fence)
{
	return container_of(fence, struct hgpu_vfence, base);
}

/* hgpu_virgl_context.c */

struct hgpu_vctx *hgpu_vctx_create(struct hgpu_device *hdev, struct drm_file *file);

/**
 * hgpu_vctx_stop_locked() - it runs no more
 * @ctx: the context
 *
 * Context: the process's lock is held. Idempotent.
 */
void hgpu_vctx_stop_locked(struct hgpu_vctx *ctx);

/**
 * hgpu_vctx_end() - stop it, and have the device forget it
 * @ctx: the context
 *
 * Context: may sleep; takes the process's lock. Idempotent.
 */
void hgpu_vctx_end(struct hgpu_vctx *ctx);

void hgpu_vctx_put(struct hgpu_vctx *ctx);

static inline struct hgpu_vctx *hgpu_vctx_get(struct hgpu_vctx *ctx)
{
	kref_get(&ctx->ref);
	return ctx;
}

/* A job that ends the device's context @hw has been freed: @hw may be used again. */
void hgpu_virgl_context_ended(struct hgpu_device *hdev, u32 hw, u32 status);

/* hgpu_virgl_submit.c */

int hgpu_vctx_submit(struct hgpu_vctx *ctx, struct drm_hmm_gpu_virgl_submit *args,
		     struct drm_file *file);

/* hgpu_virgl_table.c: what user space hands in; pure, tested by kunit */

int hgpu_virgl_check_stream(u64 addr, u32 ndw);
int hgpu_virgl_check_resource(const struct drm_hmm_gpu_virgl_resource *args);
int hgpu_virgl_check_ranges(const struct drm_hmm_gpu_virgl_range *ranges, u32 n);
int hgpu_virgl_check_syncs(const struct drm_hmm_gpu_virgl_sync *syncs, u32 n);

/**
 * hgpu_virgl_errno() - what a status is as the error of a fence
 * @status: HGPU_VIRGL_OK and so on, also what is none
 *
 * Return: 0 or -errno.
 */
int hgpu_virgl_errno(u32 status);

#endif /* HGPU_VIRGL_PRIV_H */
