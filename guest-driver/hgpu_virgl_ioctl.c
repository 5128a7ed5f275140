// SPDX-License-Identifier: GPL-2.0-only
/* The virgl engine's ioctls (uapi/hmm_gpu_drm.h), and the files they come through. */

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_utils.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "hgpu_device.h"
#include "hgpu_process.h"
#include "hgpu_virgl_priv.h"

/**
 * struct hgpu_vfile - an open file
 * @contexts: struct hgpu_vctx by id; its lock makes looking one up and taking a
 *	reference one step
 * @next: the id that is tried next
 */
struct hgpu_vfile {
	struct xarray contexts;
	u32 next;
};

int hgpu_virgl_open(struct drm_file *file)
{
	struct hgpu_vfile *vf = kzalloc(sizeof(*vf), GFP_KERNEL);

	if (!vf)
		return -ENOMEM;
	xa_init_flags(&vf->contexts, XA_FLAGS_ALLOC1);
	file->driver_priv = vf;
	return 0;
}

void hgpu_virgl_close(struct hgpu_device *hdev, struct drm_file *file)
{
	struct hgpu_vfile *vf = file->driver_priv;
	struct hgpu_vctx *ctx;
	unsigned long id;

	xa_for_each(&vf->contexts, id, ctx) {
		hgpu_vctx_end(ctx);
		hgpu_vctx_put(ctx);
	}
	xa_destroy(&vf->contexts);
	kfree(vf);
}

/* A child of the process that made it has the file, but not the memory. */
static bool is_ours(const struct hgpu_vctx *ctx)
{
	return ctx->process->mm == current->mm;
}

static struct hgpu_vctx *get_context(struct drm_file *file, u32 id)
{
	struct hgpu_vfile *vf = file->driver_priv;
	struct hgpu_vctx *ctx;

	xa_lock(&vf->contexts);
	ctx = xa_load(&vf->contexts, id);
	if (ctx && is_ours(ctx))
		hgpu_vctx_get(ctx);
	else
		ctx = NULL;
	xa_unlock(&vf->contexts);
	return ctx;
}

/* Out of the file: the caller has the file's reference. */
static struct hgpu_vctx *take_context(struct drm_file *file, u32 id)
{
	struct hgpu_vfile *vf = file->driver_priv;
	struct hgpu_vctx *ctx;

	xa_lock(&vf->contexts);
	ctx = xa_load(&vf->contexts, id);
	if (ctx && is_ours(ctx))
		__xa_erase(&vf->contexts, id);
	else
		ctx = NULL;
	xa_unlock(&vf->contexts);
	return ctx;
}

/* ---- contexts ---- */

static int create_context(struct hgpu_device *hdev, struct drm_file *file, u32 *id)
{
	struct hgpu_vfile *vf = file->driver_priv;
	struct hgpu_vctx *ctx;
	int err;

	ctx = hgpu_vctx_create(hdev, file);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = xa_alloc_cyclic(&vf->contexts, id, ctx, XA_LIMIT(1, INT_MAX), &vf->next,
			      GFP_KERNEL);
	if (err < 0) {
		hgpu_vctx_end(ctx);
		hgpu_vctx_put(ctx);
		return err;
	}
	return 0;
}

int hgpu_virgl_context_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_hmm_gpu_virgl_context *args = data;
	int idx, err;

	if (args->flags)
		return -EINVAL;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	err = create_context(to_hgpu(drm), file, &args->context);
	drm_dev_exit(idx);
	return err;
}

int hgpu_virgl_context_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_hmm_gpu_virgl_context *args = data;
	struct hgpu_vctx *ctx;

	if (args->flags)
		return -EINVAL;
	ctx = take_context(file, args->context);
	if (!ctx)
		return -ENOENT;
	hgpu_vctx_end(ctx);
	hgpu_vctx_put(ctx);
	return 0;
}

/* ---- resources ---- */

static int run_resource_job(struct hgpu_vctx *ctx, u32 op,
			    const struct drm_hmm_gpu_virgl_resource *args)
{
	struct hgpu_virgl_resource *resource;
	struct hgpu_vjob *job;

	if (READ_ONCE(ctx->lost) || READ_ONCE(ctx->stopped))
		return -ECANCELED;
	job = hgpu_vjob_alloc(ctx->hdev, ctx, op, 0, false);
	if (IS_ERR(job))
		return PTR_ERR(job);
	resource = &job->image.resource;
	resource->handle = cpu_to_le32(args->handle);
	if (op == HGPU_VIRGL_JOB_RESOURCE_CREATE) {
		resource->target = cpu_to_le32(args->target);
		resource->format = cpu_to_le32(args->format);
		resource->bind = cpu_to_le32(args->bind);
		resource->width = cpu_to_le32(args->width);
		resource->height = cpu_to_le32(args->height);
		resource->depth = cpu_to_le32(1);
		resource->array_size = cpu_to_le32(1);
		resource->last_level = cpu_to_le32(args->last_level);
	}
	return hgpu_vjob_run(job);
}

static int resource_ioctl(struct drm_device *drm, struct drm_file *file, u32 op,
			  const struct drm_hmm_gpu_virgl_resource *args)
{
	struct hgpu_vctx *ctx;
	int idx, err;

	ctx = get_context(file, args->context);
	if (!ctx)
		return -ENOENT;
	if (drm_dev_enter(drm, &idx)) {
		err = run_resource_job(ctx, op, args);
		drm_dev_exit(idx);
	} else {
		err = -ENODEV;
	}
	hgpu_vctx_put(ctx);
	return err;
}

int hgpu_virgl_resource_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	int err = hgpu_virgl_check_resource(data);

	return err ?: resource_ioctl(drm, file, HGPU_VIRGL_JOB_RESOURCE_CREATE, data);
}

int hgpu_virgl_resource_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_hmm_gpu_virgl_resource *args = data;

	if (args->target || args->format || args->bind || args->width || args->height ||
	    args->last_level || args->flags || args->pad)
		return -EINVAL;
	if (!args->handle || args->handle > HGPU_VIRGL_RESOURCES)
		return -ENOENT;
	return resource_ioctl(drm, file, HGPU_VIRGL_JOB_RESOURCE_DESTROY, args);
}

/* ---- submissions ---- */

int hgpu_virgl_submit(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_hmm_gpu_virgl_submit *args = data;
	struct hgpu_vctx *ctx;
	int idx, err;

	if (args->flags)
		return -EINVAL;
	ctx = get_context(file, args->context);
	if (!ctx)
		return -ENOENT;
	if (drm_dev_enter(drm, &idx)) {
		err = hgpu_vctx_submit(ctx, args, file);
		drm_dev_exit(idx);
	} else {
		err = -ENODEV;
	}
	hgpu_vctx_put(ctx);
	return err;
}

/* References to what WAIT needs, so that it may wait while others are submitted. */
static bool find_done(struct hgpu_vctx *ctx, u64 sequence, struct hgpu_vdone *found)
{
	const struct hgpu_vdone *done = &ctx->done[sequence % HGPU_VIRGL_RESULTS];
	bool known;

	mutex_lock(&ctx->queue.lock);
	known = sequence && done->sequence == sequence;
	if (known) {
		*found = *done;
		dma_fence_get(found->finished);
		dma_fence_get(&found->hw->base);
	}
	mutex_unlock(&ctx->queue.lock);
	return known;
}

static void tell_result(struct drm_hmm_gpu_virgl_wait *args, const struct hgpu_vresult *result)
{
	args->status = result->status;
	args->row = result->row;
	args->fault_addr = result->fault_addr;
	args->faults = result->faults;
	args->in_ns = result->in_ns;
	args->render_ns = result->render_ns;
	args->out_ns = result->out_ns;
	args->in_bytes = result->in_bytes;
	args->out_bytes = result->out_bytes;
}

static int wait_for(struct hgpu_vctx *ctx, struct drm_hmm_gpu_virgl_wait *args)
{
	struct hgpu_vdone done;
	long left;

	if (!find_done(ctx, args->sequence, &done))
		return -ENOENT;
	left = dma_fence_wait_timeout(done.finished, true,
				      drm_timeout_abs_to_jiffies(args->timeout_ns));
	if (left > 0)
		tell_result(args, &done.hw->result);
	dma_fence_put(done.finished);
	hgpu_vfence_put(done.hw);
	if (left < 0)
		return left;
	return left ? 0 : -ETIME;
}

int hgpu_virgl_wait(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_hmm_gpu_virgl_wait *args = data;
	struct hgpu_vctx *ctx;
	int err;

	if (args->flags || args->pad)
		return -EINVAL;
	ctx = get_context(file, args->context);
	if (!ctx)
		return -ENOENT;
	err = wait_for(ctx, args);
	hgpu_vctx_put(ctx);
	return err;
}
