// SPDX-License-Identifier: GPL-2.0-only
/* Jobs of the virgl engine: schedulers, queues, fences. See hgpu_virgl_engine.h. */

#include <drm/drm_drv.h>
#include <drm/drm_print.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_drv.h"
#include "hgpu_virgl_priv.h"

static struct hgpu_vjob *to_vjob(struct drm_sched_job *base)
{
	return container_of(base, struct hgpu_vjob, base);
}

/* ---- hardware fences ---- */

static const char *fence_driver(struct dma_fence *fence)
{
	return "hmm_gpu";
}

static const char *fence_timeline(struct dma_fence *fence)
{
	return "virgl";
}

static void vfence_free(struct hgpu_vfence *hw)
{
	if (hw->pushed)
		kfree_rcu(hw, base.rcu);
	else
		kfree(hw);
}

/*
 * A fence in a syncobj may outlive the GPU, and everybody who could wait for that.
 * What it needs goes with it.
 */
static void release_work(struct work_struct *work)
{
	struct hgpu_vfence *hw = container_of(work, struct hgpu_vfence, release);

	drm_dev_put(&hw->hdev->drm);
	vfence_free(hw);
	module_put(THIS_MODULE);
}

static void vfence_gone(struct hgpu_vfence *hw)
{
	struct hgpu_virgl_engine *virgl = &hw->hdev->virgl;

	if (hw->exported) {
		INIT_WORK(&hw->release, release_work);
		schedule_work(&hw->release);	/* the context may be any */
		return;
	}
	vfence_free(hw);
	if (atomic_dec_and_test(&virgl->fences))
		wake_up_all(&virgl->wait);
}

static void fence_release(struct dma_fence *fence)
{
	vfence_gone(to_hgpu_vfence(fence));
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_driver,
	.get_timeline_name = fence_timeline,
	.release = fence_release,
};

static struct hgpu_vfence *vfence_alloc(struct hgpu_device *hdev, bool exported)
{
	struct hgpu_vfence *hw = kzalloc(sizeof(*hw), GFP_KERNEL);

	if (!hw)
		return NULL;
	spin_lock_init(&hw->lock);
	hw->hdev = hdev;
	hw->exported = exported;
	/* Of a job that is never started. */
	hw->result.status = HGPU_VIRGL_ABORTED;
	if (exported) {
		drm_dev_get(&hdev->drm);
		__module_get(THIS_MODULE);
	} else {
		atomic_inc(&hdev->virgl.fences);
	}
	return hw;
}

void hgpu_vfence_put(struct hgpu_vfence *hw)
{
	if (hw->pushed)
		dma_fence_put(&hw->base);
	else
		vfence_gone(hw);
}

void hgpu_vfence_signal(struct hgpu_vfence *hw)
{
	/* The job, which has the reference that we know of, may go meanwhile. */
	dma_fence_get(&hw->base);
	if (hw->error)
		dma_fence_set_error(&hw->base, hw->error);
	dma_fence_signal(&hw->base);
	dma_fence_put(&hw->base);
}

/* ---- schedulers ---- */

static struct hgpu_vslot *to_vslot(struct drm_gpu_scheduler *sched)
{
	return container_of(sched, struct hgpu_vslot, sched);
}

static struct dma_fence *vsched_run_job(struct drm_sched_job *base)
{
	struct hgpu_vjob *job = to_vjob(base);
	int err;

	job->started = true;
	atomic_inc(&job->hdev->virgl.started);
	dma_fence_get(&job->hw->base);
	err = hgpu_vslot_start(to_vslot(base->sched), job);
	if (!err)
		return &job->hw->base;
	dma_fence_put(&job->hw->base);
	return ERR_PTR(err);
}

static enum drm_gpu_sched_stat vsched_timedout(struct drm_sched_job *base)
{
	struct hgpu_vslot *slot = to_vslot(base->sched);
	struct hgpu_vjob *job = to_vjob(base);

	drm_notice(&slot->hdev->drm, "virgl slot %u: a job takes longer than %u ms, and is ended\n",
		   slot->index, hgpu_virgl_timeout_ms);
	hgpu_vslot_abort(slot, job, NULL, true);
	/* Its fence is signalled, or by this: the scheduler frees the job. */
	flush_work(&job->finish);
	drm_sched_stop(&slot->sched, base);
	hgpu_compat_sched_start(&slot->sched);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static void vsched_free_job(struct drm_sched_job *base)
{
	struct hgpu_vjob *job = to_vjob(base);
	struct hgpu_virgl_engine *virgl = &job->hdev->virgl;
	bool started = job->started;

	if (job->image.op == cpu_to_le32(HGPU_VIRGL_JOB_CONTEXT_DESTROY))
		hgpu_virgl_context_ended(job->hdev, le32_to_cpu(job->image.context),
					 job->hw->result.status);
	hgpu_vjob_free(job);
	if (started && atomic_dec_and_test(&virgl->started))
		wake_up_all(&virgl->wait);
}

static const struct drm_sched_backend_ops vsched_ops = {
	.run_job = vsched_run_job,
	.timedout_job = vsched_timedout,
	.free_job = vsched_free_job,
};

int hgpu_vsched_init(struct hgpu_vslot *slot)
{
	static const char *const names[HGPU_VIRGL_SLOTS] = {
		"virgl0", "virgl1", "virgl2", "virgl3",
	};
	struct hgpu_device *hdev = slot->hdev;

	return hgpu_compat_sched_init(&slot->sched, &vsched_ops, hdev->virgl.submit_wq,
				      hdev->virgl.timeout_wq, 1,
				      msecs_to_jiffies(hgpu_virgl_timeout_ms),
				      names[slot->index], &hdev->pdev->dev);
}

/* ---- queues ---- */

int hgpu_vqueue_init(struct hgpu_device *hdev, struct hgpu_vqueue *queue,
		     enum drm_sched_priority priority)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;

	mutex_init(&queue->lock);
	queue->fence_context = dma_fence_context_alloc(1);
	return drm_sched_entity_init(&queue->entity, priority, virgl->scheds,
				     virgl->num_slots, NULL);
}

void hgpu_vqueue_end(struct hgpu_vqueue *queue)
{
	mutex_lock(&queue->lock);
	if (!queue->ended)
		drm_sched_entity_fini(&queue->entity);
	queue->ended = true;
	mutex_unlock(&queue->lock);
}

/* ---- jobs ---- */

struct hgpu_vjob *hgpu_vjob_alloc(struct hgpu_device *hdev, struct hgpu_vctx *ctx,
				  u32 op, u32 num_ranges, bool exported)
{
	struct hgpu_vqueue *queue = ctx ? &ctx->queue : &hdev->virgl.kernel;
	struct hgpu_vjob *job;
	int err = -ENOMEM;

	job = kvzalloc(struct_size(job, ranges, num_ranges), GFP_KERNEL);
	if (!job)
		return ERR_PTR(-ENOMEM);
	job->hw = vfence_alloc(hdev, exported);
	if (!job->hw)
		goto err_free;
	err = hgpu_compat_sched_job_init(&job->base, &queue->entity);
	if (err)
		goto err_hw;
	job->hdev = hdev;
	job->ctx = ctx ? hgpu_vctx_get(ctx) : NULL;
	INIT_WORK(&job->finish, hgpu_vjob_finish_work);
	job->image.op = cpu_to_le32(op);
	if (ctx)
		job->image.context = cpu_to_le32(ctx->hw);
	return job;

err_hw:
	hgpu_vfence_put(job->hw);
err_free:
	kvfree(job);
	return ERR_PTR(err);
}

void hgpu_vjob_free(struct hgpu_vjob *job)
{
	drm_sched_job_cleanup(&job->base);
	hgpu_vfence_put(job->hw);
	if (job->ctx)
		hgpu_vctx_put(job->ctx);
	kvfree(job);
}

struct dma_fence *hgpu_vjob_push_locked(struct hgpu_vqueue *queue, struct hgpu_vjob *job,
					struct hgpu_vfence **hwp)
{
	struct hgpu_vfence *hw = job->hw;
	struct dma_fence *finished;

	lockdep_assert_held(&queue->lock);
	dma_fence_init(&hw->base, &fence_ops, &hw->lock, queue->fence_context,
		       ++queue->fences);
	hw->pushed = true;
	if (hwp) {
		dma_fence_get(&hw->base);
		*hwp = hw;
	}
	drm_sched_job_arm(&job->base);
	finished = dma_fence_get(&job->base.s_fence->finished);
	/* The scheduler may have freed the job when this returns. */
	drm_sched_entity_push_job(&job->base);
	return finished;
}

struct killable_wait {
	struct dma_fence_cb cb;
	struct completion done;
};

static void wait_done(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	complete(&container_of(cb, struct killable_wait, cb)->done);
}

/* dma_fence_wait() is stopped by all signals or by none. */
static int wait_killable(struct dma_fence *fence)
{
	struct killable_wait wait;

	init_completion(&wait.done);
	if (!dma_fence_add_callback(fence, &wait.cb, wait_done) &&
	    wait_for_completion_killable(&wait.done) &&
	    dma_fence_remove_callback(fence, &wait.cb))
		return -EINTR;
	return min(dma_fence_get_status(fence), 0);
}

int hgpu_vjob_run(struct hgpu_vjob *job)
{
	struct hgpu_vqueue *queue = &job->ctx->queue;
	struct dma_fence *fence = NULL;
	int err = -ECANCELED;

	mutex_lock(&queue->lock);
	if (!queue->ended)
		fence = hgpu_vjob_push_locked(queue, job, NULL);
	mutex_unlock(&queue->lock);
	if (!fence) {
		hgpu_vjob_free(job);
		return err;
	}
	err = wait_killable(fence);
	dma_fence_put(fence);
	return err;
}
