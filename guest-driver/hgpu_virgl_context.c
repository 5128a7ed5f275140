// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts of the virgl engine, and the engine as a whole: how they come and go.
 * See hgpu_virgl_engine.h.
 */
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_process.h"
#include "hgpu_virgl_priv.h"

/* ---- numbers of the device ---- */

/* 0: none just now, but one that is ending will be free. */
static int try_take_hw(struct hgpu_virgl_engine *virgl)
{
	int hw = 0;

	spin_lock(&virgl->lock);
	if (~virgl->taken) {
		hw = ffz(virgl->taken);
		__set_bit(hw, &virgl->taken);
	} else if (!virgl->ending) {
		hw = -ENOSPC;
	}
	spin_unlock(&virgl->lock);
	return hw;
}

static int take_hw(struct hgpu_virgl_engine *virgl)
{
	int hw, err;

	err = wait_event_killable(virgl->wait, (hw = try_take_hw(virgl)));
	return err ? -EINTR : hw;
}

void hgpu_virgl_context_ended(struct hgpu_device *hdev, u32 hw, u32 status)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;
	bool ended = status == HGPU_VIRGL_OK || status == HGPU_VIRGL_NO_CONTEXT;

	/* A reset has ended it; so will the GPU's way out. */
	ended = ended || READ_ONCE(virgl->dead) || hgpu_device_resetting(hdev);
	if (!ended) {
		hgpu_stat_inc(hdev, virgl_contexts_stuck);
		drm_err(&hdev->drm, "virgl context %u did not end (%u), and is not used any more\n",
			hw, status);
	}
	spin_lock(&virgl->lock);
	__clear_bit(hw, &virgl->ending);
	if (ended)
		__clear_bit(hw, &virgl->taken);
	spin_unlock(&virgl->lock);
	wake_up_all(&virgl->wait);
}

/* ---- the end ---- */

static void vctx_free(struct kref *ref)
{
	struct hgpu_vctx *ctx = container_of(ref, struct hgpu_vctx, ref);

	hgpu_process_put(ctx->process);
	kfree(ctx);
}

void hgpu_vctx_put(struct hgpu_vctx *ctx)
{
	kref_put(&ctx->ref, vctx_free);
}

void hgpu_vctx_stop_locked(struct hgpu_vctx *ctx)
{
	struct hgpu_virgl_engine *virgl = &ctx->hdev->virgl;
	unsigned int i;

	lockdep_assert_held(&ctx->process->lock);
	if (!ctx->attached)
		return;
	ctx->attached = false;
	WRITE_ONCE(ctx->stopped, true);
	for (i = 0; i < virgl->num_slots; i++)
		hgpu_vslot_abort(&virgl->slots[i], NULL, ctx, false);
	list_del_init(&ctx->pdd_link);
	hgpu_vm_remove_parker(&ctx->pdd->vm);
	hgpu_vm_put_vmid(&ctx->pdd->vm);
	/* A denial that was for an access of ours is not for others. */
	hgpu_svm_queue_gone(&ctx->process->svms, ctx->pdd->index);
}

void hgpu_virgl_stop_contexts(struct hgpu_process_device *pdd)
{
	struct hgpu_vctx *ctx, *next;

	lockdep_assert_held(&pdd->process->lock);
	list_for_each_entry_safe(ctx, next, &pdd->vctxs, pdd_link)
		hgpu_vctx_stop_locked(ctx);
}

static void forget_done(struct hgpu_vctx *ctx)
{
	struct hgpu_vdone *done;

	mutex_lock(&ctx->queue.lock);
	for (done = ctx->done; done < ctx->done + HGPU_VIRGL_RESULTS; done++) {
		if (!done->sequence)
			continue;
		dma_fence_put(done->finished);
		hgpu_vfence_put(done->hw);
		done->sequence = 0;
	}
	mutex_unlock(&ctx->queue.lock);
}

/* The device ends it when it is idle, which is at once: nothing of it runs. */
static void destroy_hw(struct hgpu_vctx *ctx)
{
	struct hgpu_virgl_engine *virgl = &ctx->hdev->virgl;
	struct hgpu_vqueue *queue = &virgl->kernel;

	spin_lock(&virgl->lock);
	__set_bit(ctx->hw, &virgl->ending);
	spin_unlock(&virgl->lock);

	mutex_lock(&queue->lock);
	if (!queue->ended)
		dma_fence_put(hgpu_vjob_push_locked(queue, ctx->destroy, NULL));
	else
		hgpu_vjob_free(ctx->destroy);
	mutex_unlock(&queue->lock);
	ctx->destroy = NULL;
}

static void vctx_end_locked(struct hgpu_vctx *ctx)
{
	lockdep_assert_held(&ctx->hdev->virgl.end_lock);
	if (list_empty(&ctx->link))
		return;
	list_del_init(&ctx->link);
	mutex_lock(&ctx->process->lock);
	hgpu_vctx_stop_locked(ctx);
	mutex_unlock(&ctx->process->lock);
	hgpu_vqueue_end(&ctx->queue);
	forget_done(ctx);
	destroy_hw(ctx);
}

void hgpu_vctx_end(struct hgpu_vctx *ctx)
{
	mutex_lock(&ctx->hdev->virgl.end_lock);
	vctx_end_locked(ctx);
	mutex_unlock(&ctx->hdev->virgl.end_lock);
}

/* ---- making one ---- */

/* From here on the process stops it when it ends, and keeps XNACK on. */
static int attach(struct hgpu_vctx *ctx, struct drm_file *file)
{
	struct hgpu_process_device *pdd = ctx->pdd;
	int ret;

	lockdep_assert_held(&ctx->process->lock);
	if (hgpu_process_dead(ctx->process) || pdd->removed)
		return -ENODEV;
	if (!pdd->ready || pdd->drm_file != file)
		return -EINVAL;
	if (!ctx->process->svms.xnack)
		return -EPERM;
	ret = hgpu_vm_get_vmid(&pdd->vm);
	if (ret < 0)
		return ret;
	ctx->vmid = ret;
	ctx->attached = true;
	hgpu_vm_add_parker(&pdd->vm);
	list_add_tail(&ctx->pdd_link, &pdd->vctxs);
	return 0;
}

static struct hgpu_vctx *vctx_alloc(struct hgpu_device *hdev)
{
	struct hgpu_vctx *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ctx->pdd = hgpu_process_current_device(hdev);
	if (!ctx->pdd) {
		kfree(ctx);
		return ERR_PTR(-EINVAL);
	}
	kref_init(&ctx->ref);
	ctx->hdev = hdev;
	ctx->process = ctx->pdd->process;
	INIT_LIST_HEAD(&ctx->pdd_link);
	INIT_LIST_HEAD(&ctx->link);
	return ctx;
}

static int vctx_init(struct hgpu_vctx *ctx)
{
	struct hgpu_device *hdev = ctx->hdev;
	int ret;

	ret = hgpu_vqueue_init(hdev, &ctx->queue, DRM_SCHED_PRIORITY_NORMAL);
	if (ret)
		return ret;
	/* Its end must not fail. */
	ctx->destroy = hgpu_vjob_alloc(hdev, NULL, HGPU_VIRGL_JOB_CONTEXT_DESTROY, 0, false);
	if (IS_ERR(ctx->destroy)) {
		ret = PTR_ERR(ctx->destroy);
		goto err_queue;
	}
	ret = take_hw(&hdev->virgl);
	if (ret < 0)
		goto err_job;
	ctx->hw = ret;
	ctx->destroy->image.context = cpu_to_le32(ctx->hw);
	return 0;

err_job:
	hgpu_vjob_free(ctx->destroy);
err_queue:
	hgpu_vqueue_end(&ctx->queue);
	return ret;
}

/* It is in the lists: who resets or takes away the GPU finds it before it starts. */
static int vctx_start(struct hgpu_vctx *ctx, struct drm_file *file)
{
	struct hgpu_device *hdev = ctx->hdev;
	struct hgpu_vjob *job;
	int err;

	mutex_lock(&hdev->virgl.end_lock);
	list_add_tail(&ctx->link, &hdev->virgl.contexts);
	mutex_unlock(&hdev->virgl.end_lock);

	mutex_lock(&ctx->process->lock);
	err = attach(ctx, file);
	mutex_unlock(&ctx->process->lock);
	if (err)
		return err;
	job = hgpu_vjob_alloc(hdev, ctx, HGPU_VIRGL_JOB_CONTEXT_CREATE, 0, false);
	if (IS_ERR(job))
		return PTR_ERR(job);
	err = hgpu_vjob_run(job);
	/* A reset, or the end of the process. */
	return err == -ECANCELED ? -EAGAIN : err;
}

struct hgpu_vctx *hgpu_vctx_create(struct hgpu_device *hdev, struct drm_file *file)
{
	struct hgpu_vctx *ctx;
	int err;

	if (!hdev->virgl.num_slots)
		return ERR_PTR(-ENODEV);
	/* Not while a reset is going on. */
	down_read(&hdev->reset_lock);
	up_read(&hdev->reset_lock);

	ctx = vctx_alloc(hdev);
	if (IS_ERR(ctx))
		return ctx;
	err = vctx_init(ctx);
	if (!err) {
		err = vctx_start(ctx, file);
		if (err)
			hgpu_vctx_end(ctx);
	}
	if (err) {
		hgpu_vctx_put(ctx);
		return ERR_PTR(err);
	}
	hgpu_stat_inc(hdev, virgl_contexts);
	return ctx;
}

/* ---- the engine ---- */

static void abort_all(struct hgpu_virgl_engine *virgl)
{
	unsigned int i;

	for (i = 0; i < virgl->num_slots; i++)
		hgpu_vslot_abort(&virgl->slots[i], NULL, NULL, false);
}

void hgpu_virgl_kill(struct hgpu_device *hdev)
{
	WRITE_ONCE(hdev->virgl.dead, true);
	abort_all(&hdev->virgl);
}

void hgpu_virgl_reset(struct hgpu_device *hdev)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;
	struct hgpu_vctx *ctx;

	if (!virgl->num_slots)
		return;
	mutex_lock(&virgl->end_lock);
	list_for_each_entry(ctx, &virgl->contexts, link)
		WRITE_ONCE(ctx->lost, true);
	mutex_unlock(&virgl->end_lock);
	abort_all(virgl);
}

void hgpu_virgl_show(struct hgpu_device *hdev, struct seq_file *m)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;
	struct hgpu_vctx *ctx;
	unsigned int i;

	seq_printf(m, "slots %u\n", virgl->num_slots);
	for (i = 0; i < virgl->num_slots; i++)
		seq_printf(m, "slot%u state 0x%x sequence %u busy %d\n", i,
			   hgpu_rreg(hdev, HGPU_VIRGL_SLOT_STATE(i)),
			   READ_ONCE(virgl->slots[i].sequence),
			   !!READ_ONCE(virgl->slots[i].job));
	if (!virgl->num_slots)
		return;
	mutex_lock(&virgl->end_lock);
	list_for_each_entry(ctx, &virgl->contexts, link)
		seq_printf(m, "context %u pid %d submitted %llu stopped %d lost %d\n", ctx->hw,
			   ctx->process->pid_nr, READ_ONCE(ctx->sequence),
			   READ_ONCE(ctx->stopped), READ_ONCE(ctx->lost));
	mutex_unlock(&virgl->end_lock);
}

/* Of this kernel, or of one before it. */
static void destroy_all(struct hgpu_device *hdev)
{
	u32 hw;

	for (hw = 1; hw <= HGPU_VIRGL_CONTEXTS && !hgpu_device_gone(hdev); hw++)
		if (hgpu_vslot_destroy_context(&hdev->virgl.slots[0], hw) ==
		    HGPU_VIRGL_NOT_WRITTEN)
			drm_err(&hdev->drm, "virgl context %u does not end\n", hw);
}

static void fini_parts(struct hgpu_virgl_engine *virgl)
{
	hgpu_bo_put(virgl->empty);
	while (virgl->num_slots)
		hgpu_vslot_fini(&virgl->slots[--virgl->num_slots]);
	if (virgl->timeout_wq)
		destroy_workqueue(virgl->timeout_wq);
	if (virgl->submit_wq)
		destroy_workqueue(virgl->submit_wq);
}

static int init_parts(struct hgpu_device *hdev, u32 num)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;
	int err;

	err = hgpu_bo_create(hdev, HGPU_PAGE_SIZE, 0, HGPU_DOMAIN_VRAM_VISIBLE,
			     HGPU_BO_CONTIGUOUS | HGPU_BO_CLEAR | HGPU_BO_PINNED |
			     HGPU_BO_KERNEL, &virgl->empty);
	if (err)
		return err;
	virgl->no_pages = hgpu_vram_addr(hdev, hgpu_bo_vram_offset(virgl->empty));
	virgl->submit_wq = alloc_workqueue("hmm_gpu-virgl", WQ_HIGHPRI, 0);
	virgl->timeout_wq = alloc_ordered_workqueue("hmm_gpu-virgl-tdr", 0);
	if (!virgl->submit_wq || !virgl->timeout_wq)
		return -ENOMEM;
	while (virgl->num_slots < num) {
		err = hgpu_vslot_init(hdev, virgl->num_slots);
		if (err)
			return err;
		virgl->scheds[virgl->num_slots] = &virgl->slots[virgl->num_slots].sched;
		virgl->num_slots++;
	}
	return 0;
}

int hgpu_virgl_init(struct hgpu_device *hdev)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;
	u32 num = FIELD_GET(HGPU_CAPS__VIRGL_SLOTS, hgpu_rreg(hdev, HGPU_CAPS));
	int err;

	mutex_init(&virgl->end_lock);
	spin_lock_init(&virgl->lock);
	INIT_LIST_HEAD(&virgl->contexts);
	init_waitqueue_head(&virgl->wait);
	virgl->taken = ~GENMASK(HGPU_VIRGL_CONTEXTS, 1);
	if (!num || !hdev->xnack)
		return 0;

	err = init_parts(hdev, min(num, HGPU_VIRGL_SLOTS));
	if (err)
		goto err_parts;
	destroy_all(hdev);
	err = hgpu_vslot_register(hdev);
	if (err)
		goto err_parts;
	err = hgpu_vqueue_init(hdev, &virgl->kernel, DRM_SCHED_PRIORITY_KERNEL);
	if (err)
		goto err_parts;
	return 0;

err_parts:
	fini_parts(virgl);
	return err;
}

static void end_all(struct hgpu_virgl_engine *virgl)
{
	struct hgpu_vctx *ctx;

	mutex_lock(&virgl->end_lock);
	while ((ctx = list_first_entry_or_null(&virgl->contexts, struct hgpu_vctx, link))) {
		hgpu_vctx_get(ctx);
		vctx_end_locked(ctx);
		hgpu_vctx_put(ctx);
	}
	mutex_unlock(&virgl->end_lock);
}

/* Nobody makes contexts any more; files that have some may stay open. */
void hgpu_virgl_fini(struct hgpu_device *hdev)
{
	struct hgpu_virgl_engine *virgl = &hdev->virgl;

	if (!virgl->num_slots)
		return;
	hgpu_virgl_kill(hdev);
	end_all(virgl);
	hgpu_vqueue_end(&virgl->kernel);
	/* The schedulers free no job when they go: have them free all before. */
	wait_event(virgl->wait, !atomic_read(&virgl->started) && !atomic_read(&virgl->fences));
	destroy_all(hdev);
	fini_parts(virgl);
}
