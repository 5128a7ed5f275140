// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's SDMA queue: scheduler, hardware fences, recovery.
 *
 * DOC: How a job runs
 *
 * The scheduler's worker writes INDIRECT, FENCE, TRAP to the ring and rings
 * the doorbell. The device executes the indirect buffer, writes the job's
 * seqno to the fence's place, and raises the trap, whose handler signals the
 * fences up to the value it finds there. A lost trap is made good by the next
 * one, by the overflow callback, or by the timeout.
 *
 * DOC: How a job fails
 *
 * 1. The device halts the ring (bad packet, bus error, VMID 0 fault) and says
 *    so in an interrupt, or the job outlives fence_timeout_ms. Either runs
 *    hgpu_sdma_timedout().
 * 2. The scheduler is stopped, then the ring; fences that are done are
 *    signalled. Now nothing moves.
 * 3. The oldest job that is not done is the guilty one: its fence gets the
 *    error. If the device is gone, that holds for all.
 * 4. The ring starts empty; the others are put on it again, in order and with
 *    their seqnos. All that a job does may be done twice (PTEs, copies from
 *    sources that nobody changes meanwhile, fills).
 * 5. The scheduler is started.
 */

#include <drm/drm_print.h>
#include <linux/workqueue.h>

#include "hgpu_device.h"
#include "hgpu_sdma_job.h"
#include "hgpu_trace.h"

#define HGPU_SDMA_RING_SIZE	4096u
#define HGPU_SDMA_RING_JOB_DW	(HGPU_SDMA_INDIRECT_DW + HGPU_SDMA_FENCE_DW + \
				 HGPU_SDMA_TRAP_DW)
static_assert(HGPU_SDMA_IB_SLOTS * HGPU_SDMA_RING_JOB_DW * sizeof(u32) <=
	      HGPU_SDMA_RING_SIZE);
static_assert(HGPU_SDMA_IB_SLOTS <= BITS_PER_LONG);

static struct hgpu_device *sched_to_hgpu(struct drm_gpu_scheduler *sched)
{
	return container_of(sched, struct hgpu_device, sdma.sched);
}

static const char *hgpu_sdma_fence_driver(struct dma_fence *fence)
{
	return "hmm_gpu";
}

static const char *hgpu_sdma_fence_timeline(struct dma_fence *fence)
{
	return "sdma0.page";
}

/* The default release frees the job: its fence is its first member. */
static const struct dma_fence_ops hgpu_sdma_fence_ops = {
	.get_driver_name = hgpu_sdma_fence_driver,
	.get_timeline_name = hgpu_sdma_fence_timeline,
};

static void hgpu_sdma_finish_locked(struct hgpu_sdma_job *job, int error)
{
	struct hgpu_device *hdev = job->hdev;

	lockdep_assert_held(&hdev->sdma.fence_lock);

	list_del_init(&job->link);
	hgpu_sdma_job_set_state(job, HGPU_SDMA_JOB_DONE);
	if (error) {
		dma_fence_set_error(&job->hw, error);
		hgpu_stat_inc(hdev, sdma_errors);
	} else {
		hgpu_stat_add(hdev, sdma_bytes, job->bytes);
	}
	trace_hgpu_sdma_done(hdev, job->seqno, error);
	dma_fence_signal_locked(&job->hw);
}

/* Signals what the device has finished. Context: any. */
static void hgpu_sdma_process_fences(struct hgpu_device *hdev)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	struct hgpu_sdma_job *job, *next;
	unsigned long flags;
	u32 value;

	spin_lock_irqsave(&sdma->fence_lock, flags);
	value = hgpu_ring_fence_value(&sdma->ring);
	/* What the job wrote is older than its fence. */
	dma_rmb();
	list_for_each_entry_safe(job, next, &sdma->pending, link) {
		if ((s32)(value - job->seqno) < 0)
			break;
		hgpu_sdma_finish_locked(job, 0);
	}
	spin_unlock_irqrestore(&sdma->fence_lock, flags);
}

/*
 * A ring that still works is stopped first: what its jobs write to is free once
 * their fences are signalled.
 */
static void hgpu_sdma_fail_all(struct hgpu_device *hdev, int error)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	struct hgpu_sdma_job *job, *next;
	unsigned long flags;

	spin_lock_irqsave(&sdma->fence_lock, flags);
	WRITE_ONCE(sdma->dead, true);
	if (!hgpu_device_gone(hdev))
		hgpu_ring_stop(hdev, &sdma->ring);
	list_for_each_entry_safe(job, next, &sdma->pending, link)
		hgpu_sdma_finish_locked(job, error);
	spin_unlock_irqrestore(&sdma->fence_lock, flags);
}

static void hgpu_sdma_ring_write_job(struct hgpu_ring *ring,
				     const struct hgpu_sdma_job *job, u64 ib)
{
	u64 fence = hgpu_ring_fence_addr(ring);

	hgpu_ring_write(ring, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_INDIRECT, 0));
	hgpu_ring_write(ring, lower_32_bits(ib));
	hgpu_ring_write(ring, upper_32_bits(ib));
	hgpu_ring_write(ring,
			FIELD_PREP(HGPU_SDMA_PKT_INDIRECT_IB_SIZE__IB_SIZE,
				   job->ndw));
	hgpu_ring_write(ring, 0);
	hgpu_ring_write(ring, 0);

	hgpu_ring_write(ring, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_FENCE, 0));
	hgpu_ring_write(ring, lower_32_bits(fence));
	hgpu_ring_write(ring, upper_32_bits(fence));
	hgpu_ring_write(ring, job->seqno);

	hgpu_ring_write(ring, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_TRAP, 0));
	hgpu_ring_write(ring, 0);
}

/* The first run gives the job its seqno; a second one, after recovery, not. */
static int hgpu_sdma_ring_job_locked(struct hgpu_device *hdev,
				     struct hgpu_sdma_job *job)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	int err;

	lockdep_assert_held(&sdma->fence_lock);

	/* There is room for as many jobs as there are slots. */
	err = hgpu_ring_begin(&sdma->ring, HGPU_SDMA_RING_JOB_DW);
	if (WARN_ON_ONCE(err))
		return err;
	if (job->state == HGPU_SDMA_JOB_QUEUED) {
		job->seqno = ++sdma->emitted;
		dma_fence_init(&job->hw, &hgpu_sdma_fence_ops,
			       &sdma->fence_lock, sdma->fence_context,
			       job->seqno);
		hgpu_sdma_job_set_state(job, HGPU_SDMA_JOB_RINGED);
		list_add_tail(&job->link, &sdma->pending);
	}
	hgpu_sdma_ring_write_job(&sdma->ring, job, sdma->ib[job->slot].gpu);
	hgpu_ring_commit(&sdma->ring);
	hgpu_stat_inc(hdev, sdma_jobs);
	trace_hgpu_sdma_run(hdev, job->seqno, job->ndw, job->bytes,
			    sdma->ring.wptr);
	return 0;
}

/* Scheduler, in the fence signalling path: allocates nothing. */
static struct dma_fence *hgpu_sdma_run_job(struct drm_sched_job *base)
{
	struct hgpu_sdma_job *job = to_hgpu_job(base);
	struct hgpu_device *hdev = job->hdev;
	struct hgpu_sdma *sdma = &hdev->sdma;
	struct dma_fence *fence = NULL;
	bool known = false;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&sdma->fence_lock, flags);
	if (job->state == HGPU_SDMA_JOB_DONE)
		/* Recovery, of a job that is done or guilty: say so again. */
		known = true;
	else if (job->error)
		err = job->error;
	else if (sdma->dead)
		err = -ENODEV;
	else
		err = hgpu_sdma_ring_job_locked(hdev, job);
	if (!err)
		fence = dma_fence_get(&job->hw);
	else
		hgpu_stat_inc(hdev, sdma_errors);
	spin_unlock_irqrestore(&sdma->fence_lock, flags);

	/* The scheduler runs one job at a time, and none while a ring starts. */
	if (!err && !known)
		hgpu_ring_doorbell(hdev, &sdma->ring);
	return err ? ERR_PTR(err) : fence;
}

static void hgpu_sdma_free_job(struct drm_sched_job *base)
{
	struct hgpu_sdma_job *job = to_hgpu_job(base);

	hgpu_sdma_slot_put(job->hdev, job->slot);
	drm_sched_job_cleanup(base);
	if (job->state == HGPU_SDMA_JOB_QUEUED)
		kfree(job);	/* never ran: the fence was not set up */
	else
		dma_fence_put(&job->hw);
}

static int hgpu_sdma_exception_errno(u32 status)
{
	switch (FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, status)) {
	case HGPU_SDMA_EXCEPTION_NONE:
	case HGPU_SDMA_EXCEPTION_TIMEOUT:
		return -ETIME;
	default:
		return -EIO;
	}
}

/*
 * Steps 2 and 3 of recovery, for a device that answers. Once the ring is stopped
 * and the interrupts that it left are handled, nobody starts recovery on its
 * behalf any more; so the reason why this one runs is known for sure.
 */
static int hgpu_sdma_reset_ring(struct hgpu_device *hdev,
				struct hgpu_sdma_job *suspect)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	u32 status = hgpu_ring_status(hdev, &sdma->ring);
	u32 exception = FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, status);
	struct hgpu_sdma_job *guilty;
	unsigned long flags;
	bool timeout;
	u32 seqno = 0;

	hgpu_ring_stop(hdev, &sdma->ring);
	hgpu_ih_drain(hdev);
	hgpu_sdma_process_fences(hdev);
	timeout = !sdma->halted;
	sdma->halted = false;
	sdma->sched.timeout = msecs_to_jiffies(hgpu_fence_timeout_ms);

	spin_lock_irqsave(&sdma->fence_lock, flags);
	guilty = list_first_entry_or_null(&sdma->pending, struct hgpu_sdma_job,
					  link);
	/* A suspect that made it after all leaves no culprit, a halt does. */
	if (guilty && (exception || (timeout && guilty == suspect))) {
		seqno = guilty->seqno;
		hgpu_sdma_finish_locked(guilty,
					hgpu_sdma_exception_errno(status));
	}
	spin_unlock_irqrestore(&sdma->fence_lock, flags);

	trace_hgpu_sdma_reset(hdev, seqno, status, hgpu_ring_rptr(&sdma->ring));
	hgpu_stat_inc(hdev, sdma_resets);
	drm_err(&hdev->drm, "SDMA0: job %u failed, context status %#x, rptr %#llx: ring restarted\n",
		seqno, status, hgpu_ring_rptr(&sdma->ring));
	return hgpu_ring_start(hdev, &sdma->ring);
}

static enum drm_gpu_sched_stat hgpu_sdma_timedout(struct drm_sched_job *base)
{
	struct hgpu_device *hdev = sched_to_hgpu(base->sched);
	struct hgpu_sdma *sdma = &hdev->sdma;
	int err;

	drm_sched_stop(&sdma->sched, base);
	if (hgpu_device_gone(hdev)) {
		drm_err(&hdev->drm, "SDMA0: the GPU is gone\n");
		hgpu_sdma_fail_all(hdev, -ENODEV);
	} else {
		err = hgpu_sdma_reset_ring(hdev, to_hgpu_job(base));
		if (err) {
			drm_err(&hdev->drm, "SDMA0: the ring cannot be recovered: %d\n",
				err);
			hgpu_sdma_fail_all(hdev, err);
		}
	}
	/* Runs what is left; what is done gets its callback back, or called. */
	drm_sched_resubmit_jobs(&sdma->sched);
	hgpu_compat_sched_start(&sdma->sched);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops hgpu_sdma_sched_ops = {
	.run_job = hgpu_sdma_run_job,
	.timedout_job = hgpu_sdma_timedout,
	.free_job = hgpu_sdma_free_job,
};

/*
 * The device has halted the ring. Recovery now and not after the timeout; which
 * needs the timeout to be 0, or the end of an earlier job would arm it anew.
 */
static void hgpu_sdma_halted(struct hgpu_device *hdev)
{
	WRITE_ONCE(hdev->sdma.halted, true);
	drm_sched_tdr_queue_imm(&hdev->sdma.sched);
}

/* Entries of the kernel ring's engine; a user queue's are somebody else's. */
static void hgpu_sdma_interrupt(struct hgpu_device *hdev,
				const struct hgpu_iv *iv, void *data)
{
	struct hgpu_sdma *sdma = &hdev->sdma;

	if (iv->ring_id != sdma->ring.ctx)
		return;
	hgpu_sdma_process_fences(hdev);
	if (iv->src_id == HGPU_SRCID_SDMA_TRAP) {
		hgpu_stat_inc(hdev, sdma_traps);
		return;
	}
	drm_err(&hdev->drm, "SDMA0: source %u, data %#x %#x %#x\n", iv->src_id,
		iv->src_data[0], iv->src_data[1], iv->src_data[2]);
	hgpu_sdma_halted(hdev);
}

/* VMID 0 never retries, so its fault has halted a kernel ring. */
static void hgpu_sdma_vm_fault(struct hgpu_device *hdev,
			       const struct hgpu_iv *iv, void *data)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	u64 addr;

	if (iv->vmid ||
	    FIELD_GET(HGPU_IH_FAULT_DATA2__ENGINE, iv->src_data[2]) !=
	    sdma->ring.engine ||
	    FIELD_GET(HGPU_IH_FAULT_DATA2__CTX, iv->src_data[2]) !=
	    sdma->ring.ctx)
		return;
	addr = (u64)iv->src_data[0] << 12 |
	       (u64)FIELD_GET(HGPU_IH_FAULT_DATA1__ADDR_HI, iv->src_data[1]) << 44;
	drm_err(&hdev->drm, "SDMA0: VMID 0 fault at %#llx, flags %#x\n", addr,
		iv->ring_id);
	hgpu_sdma_process_fences(hdev);
	hgpu_sdma_halted(hdev);
}

static void hgpu_sdma_lost(struct hgpu_device *hdev, void *data)
{
	hgpu_sdma_process_fences(hdev);
	/* A halt may be among what was lost. */
	if (FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION,
		      hgpu_ring_status(hdev, &hdev->sdma.ring)))
		hgpu_sdma_halted(hdev);
}

static int hgpu_sdma_register(struct hgpu_device *hdev)
{
	int err;

	err = hgpu_ih_register(hdev,
			       hgpu_ih_sdma_client(hdev->sdma.ring.engine),
			       HGPU_IH_SRC_ANY, hgpu_sdma_interrupt, NULL);
	if (err)
		return err;
	err = hgpu_ih_register(hdev, HGPU_IH_CLIENTID_VMC, HGPU_SRCID_VM_FAULT,
			       hgpu_sdma_vm_fault, NULL);
	if (err)
		return err;
	return hgpu_ih_on_lost(hdev, hgpu_sdma_lost, NULL);
}

static void hgpu_sdma_pool_fini(struct hgpu_device *hdev)
{
	int i;

	for (i = 0; i < HGPU_SDMA_IB_SLOTS; i++)
		hgpu_gtt_free(hdev, &hdev->sdma.ib[i]);
}

/* Slots one by one: none needs more than a few contiguous pages. */
static int hgpu_sdma_pool_init(struct hgpu_device *hdev)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	int i, err;

	for (i = 0; i < HGPU_SDMA_IB_SLOTS; i++) {
		err = hgpu_gtt_alloc(hdev, HGPU_SDMA_IB_DW * sizeof(u32),
				     &sdma->ib[i]);
		if (err) {
			hgpu_sdma_pool_fini(hdev);
			return err;
		}
	}
	sdma->ib_free = GENMASK(HGPU_SDMA_IB_SLOTS - 1, 0);
	return 0;
}

static int hgpu_sdma_sched_init(struct hgpu_device *hdev)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	struct drm_gpu_scheduler *sched = &sdma->sched;
	int err;

	/*
	 * On the CPU that submits the job: waking another one for a dozen
	 * dwords costs more than writing them.
	 */
	sdma->submit_wq = alloc_workqueue("hmm_gpu-sdma",
					  WQ_MEM_RECLAIM | WQ_HIGHPRI, 1);
	if (!sdma->submit_wq)
		return -ENOMEM;
	sdma->timeout_wq = alloc_ordered_workqueue("hmm_gpu-tdr",
						   WQ_MEM_RECLAIM);
	if (!sdma->timeout_wq) {
		err = -ENOMEM;
		goto err_submit_wq;
	}
	err = hgpu_compat_sched_init(sched, &hgpu_sdma_sched_ops,
				     sdma->submit_wq, sdma->timeout_wq,
				     HGPU_SDMA_IB_SLOTS,
				     msecs_to_jiffies(hgpu_fence_timeout_ms),
				     "sdma0.page", &hdev->pdev->dev);
	if (err)
		goto err_timeout_wq;
	err = drm_sched_entity_init(&sdma->entity, DRM_SCHED_PRIORITY_KERNEL,
				    &sched, 1, NULL);
	if (err)
		goto err_sched;
	return 0;

err_sched:
	drm_sched_fini(&sdma->sched);
err_timeout_wq:
	destroy_workqueue(sdma->timeout_wq);
err_submit_wq:
	destroy_workqueue(sdma->submit_wq);
	return err;
}

int hgpu_sdma_init(struct hgpu_device *hdev)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	int err;

	init_waitqueue_head(&sdma->ib_wait);
	mutex_init(&sdma->submit_lock);
	spin_lock_init(&sdma->fence_lock);
	INIT_LIST_HEAD(&sdma->pending);
	sdma->fence_context = dma_fence_context_alloc(1);

	err = hgpu_sdma_pool_init(hdev);
	if (err)
		return err;
	err = hgpu_ring_init(hdev, &sdma->ring, 0, HGPU_SDMA_CTX_PAGE,
			     HGPU_SDMA_RING_SIZE);
	if (err)
		goto err_pool;
	err = hgpu_sdma_sched_init(hdev);
	if (err)
		goto err_ring;
	err = hgpu_sdma_register(hdev);
	if (err)
		goto err_sched;
	err = hgpu_ring_start(hdev, &sdma->ring);
	if (err)
		goto err_sched;
	hdev->vram.clear = hgpu_sdma_clear_bo;
	return 0;

err_sched:
	drm_sched_entity_destroy(&sdma->entity);
	drm_sched_fini(&sdma->sched);
	destroy_workqueue(sdma->timeout_wq);
	destroy_workqueue(sdma->submit_wq);
err_ring:
	hgpu_ring_fini(hdev, &sdma->ring);
err_pool:
	hgpu_sdma_pool_fini(hdev);
	return err;
}

/*
 * From here on every job fails at once with -ENODEV. For a GPU that has been
 * pulled out, so that nobody waits for a timeout.
 */
void hgpu_sdma_kill(struct hgpu_device *hdev)
{
	hgpu_sdma_fail_all(hdev, -ENODEV);
}

/* Nobody submits any more. */
void hgpu_sdma_fini(struct hgpu_device *hdev)
{
	struct hgpu_sdma *sdma = &hdev->sdma;

	hdev->vram.clear = NULL;
	hgpu_sdma_kill(hdev);
	/* The scheduler frees no job when it goes: have it free all before. */
	wait_event(sdma->ib_wait, READ_ONCE(sdma->ib_free) ==
		   GENMASK(HGPU_SDMA_IB_SLOTS - 1, 0));
	drm_sched_entity_destroy(&sdma->entity);
	drm_sched_fini(&sdma->sched);
	destroy_workqueue(sdma->timeout_wq);
	destroy_workqueue(sdma->submit_wq);
	hgpu_ring_fini(hdev, &sdma->ring);
	hgpu_sdma_pool_fini(hdev);
	mutex_destroy(&sdma->submit_lock);
}
