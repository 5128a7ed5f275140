// SPDX-License-Identifier: GPL-2.0-only
/*
 * SUBMIT: from what user space hands in to a job and the fences that it waits for
 * and signals.
 */
#include <drm/drm_file.h>
#include <drm/drm_syncobj.h>
#include <linux/dma-fence-chain.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "hgpu_kfd_gem.h"
#include "hgpu_process.h"
#include "hgpu_trace.h"
#include "hgpu_virgl_priv.h"

#define HGPU_VIRGL_SYNCS	64

/**
 * struct out_sync - a syncobj to signal
 * @syncobj: the object
 * @chain: the link of a timeline; NULL: it is none
 * @point: of the timeline
 */
struct out_sync {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
};

/**
 * struct submission - what a SUBMIT needs until it is pushed
 * @ctx: where
 * @args: the ioctl's
 * @ranges: its table
 * @ins: what is waited for
 * @outs: what is signalled
 * @signals: likewise
 * @bos: buffers that ranges lie in
 * @job: the job
 */
struct submission {
	struct hgpu_vctx *ctx;
	struct drm_hmm_gpu_virgl_submit *args;
	struct drm_hmm_gpu_virgl_range *ranges;
	struct drm_hmm_gpu_virgl_sync *ins;
	struct drm_hmm_gpu_virgl_sync *outs;
	struct out_sync *signals;
	struct hgpu_bo_uses bos;
	struct hgpu_vjob *job;
};

/* ---- what is signalled, and waited for ---- */

static void free_signals(struct submission *s)
{
	u32 i;

	for (i = 0; s->signals && i < s->args->out_sync_count; i++) {
		dma_fence_chain_free(s->signals[i].chain);
		if (s->signals[i].syncobj)
			drm_syncobj_put(s->signals[i].syncobj);
	}
	kfree(s->signals);
}

/* All that can fail, before anything is pushed. */
static int prepare_signals(struct submission *s, struct drm_file *file)
{
	u32 i, n = s->args->out_sync_count;

	if (!n)
		return 0;
	s->signals = kcalloc(n, sizeof(*s->signals), GFP_KERNEL);
	if (!s->signals)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		struct out_sync *signal = &s->signals[i];

		signal->syncobj = drm_syncobj_find(file, s->outs[i].handle);
		if (!signal->syncobj)
			return -ENOENT;
		if (!(s->outs[i].flags & HMM_GPU_VIRGL_SYNC_TIMELINE))
			continue;
		signal->point = s->outs[i].point;
		signal->chain = dma_fence_chain_alloc();
		if (!signal->chain)
			return -ENOMEM;
	}
	return 0;
}

static void signal_all(struct submission *s, struct dma_fence *fence)
{
	u32 i;

	for (i = 0; i < s->args->out_sync_count; i++) {
		struct out_sync *signal = &s->signals[i];

		if (!signal->chain) {
			drm_syncobj_replace_fence(signal->syncobj, fence);
			continue;
		}
		drm_syncobj_add_point(signal->syncobj, signal->chain, fence, signal->point);
		signal->chain = NULL;
	}
}

static int add_dependencies(struct submission *s, struct drm_file *file)
{
	struct dma_fence *fence;
	int err = 0;
	u32 i;

	for (i = 0; i < s->args->in_sync_count && !err; i++) {
		/* drm_sched_job_add_syncobj_dependency() knows half of a point. */
		err = drm_syncobj_find_fence(file, s->ins[i].handle, s->ins[i].point, 0, &fence);
		if (!err)
			err = drm_sched_job_add_dependency(&s->job->base, fence);
	}
	return err;
}

/* ---- from user space ---- */

static void *copy_table(u64 user, u32 n, size_t row)
{
	return n ? memdup_array_user(u64_to_user_ptr(user), n, row) : NULL;
}

static int copy_tables(struct submission *s)
{
	struct drm_hmm_gpu_virgl_submit *args = s->args;
	int err;

	if (args->range_count > HGPU_VIRGL_RANGES)
		return -E2BIG;
	if (args->in_sync_count > HGPU_VIRGL_SYNCS || args->out_sync_count > HGPU_VIRGL_SYNCS)
		return -EINVAL;

	s->ranges = copy_table(args->ranges, args->range_count, sizeof(*s->ranges));
	s->ins = copy_table(args->in_syncs, args->in_sync_count, sizeof(*s->ins));
	s->outs = copy_table(args->out_syncs, args->out_sync_count, sizeof(*s->outs));
	err = PTR_ERR_OR_ZERO(s->ranges) ?: PTR_ERR_OR_ZERO(s->ins) ?: PTR_ERR_OR_ZERO(s->outs);
	if (err)
		return err;
	return hgpu_virgl_check_ranges(s->ranges, args->range_count) ?:
	       hgpu_virgl_check_syncs(s->ins, args->in_sync_count) ?:
	       hgpu_virgl_check_syncs(s->outs, args->out_sync_count);
}

static void free_table(void *table)
{
	if (!IS_ERR(table))
		kfree(table);
}

static void write_range(struct hgpu_virgl_range *to, const struct drm_hmm_gpu_virgl_range *from)
{
	*to = (struct hgpu_virgl_range) {
		.resource = cpu_to_le32(from->resource),
		.flags = cpu_to_le32(from->flags),
		.level = cpu_to_le32(from->level),
		.stride = cpu_to_le32(from->stride),
		.x = cpu_to_le32(from->x),
		.y = cpu_to_le32(from->y),
		.z = cpu_to_le32(from->z),
		.w = cpu_to_le32(from->w),
		.h = cpu_to_le32(from->h),
		.d = cpu_to_le32(from->d),
		.addr = cpu_to_le64(from->addr),
		.size = cpu_to_le64(from->size),
	};
}

static_assert(HMM_GPU_VIRGL_RANGE_IN == HGPU_VIRGL_RANGE_IN);
static_assert(HMM_GPU_VIRGL_RANGE_OUT == HGPU_VIRGL_RANGE_OUT);

/* ---- to the scheduler ---- */

/* Buffers may be shared with others, who wait for the fence in their reservations. */
static int find_bos(struct submission *s)
{
	struct hgpu_process *process = s->ctx->process;
	int err = 0;
	u32 i;

	mutex_lock(&process->lock);
	for (i = 0; i < s->args->range_count && !err; i++)
		err = hgpu_kfd_use_bos(process, s->ranges[i].addr, s->ranges[i].size,
				       s->ranges[i].flags & HMM_GPU_VIRGL_RANGE_OUT, &s->bos);
	mutex_unlock(&process->lock);
	return err;
}

static int make_job(struct submission *s, struct drm_file *file)
{
	struct drm_hmm_gpu_virgl_submit *args = s->args;
	/* Fences of others are waited for longer than the GPU may stay. */
	bool exported = args->in_sync_count || args->out_sync_count || s->bos.n;
	struct hgpu_virgl_job *image;
	u32 i;

	s->job = hgpu_vjob_alloc(s->ctx->hdev, s->ctx, HGPU_VIRGL_JOB_SUBMIT, args->range_count,
				 exported);
	if (IS_ERR(s->job))
		return PTR_ERR(s->job);
	image = &s->job->image;
	image->vmid = cpu_to_le32(s->ctx->vmid);
	image->stream = cpu_to_le64(args->stream);
	image->stream_dw = cpu_to_le32(args->stream_dw);
	image->range_count = cpu_to_le32(args->range_count);
	for (i = 0; i < args->range_count; i++)
		write_range(&s->job->ranges[i], &s->ranges[i]);
	return add_dependencies(s, file);
}

static void remember_locked(struct hgpu_vctx *ctx, struct dma_fence *finished,
			    struct hgpu_vfence *hw)
{
	struct hgpu_vdone *done = &ctx->done[ctx->sequence % HGPU_VIRGL_RESULTS];

	lockdep_assert_held(&ctx->queue.lock);
	if (done->sequence) {
		dma_fence_put(done->finished);
		hgpu_vfence_put(done->hw);
	}
	done->sequence = ctx->sequence;
	done->finished = dma_fence_get(finished);
	done->hw = hw;
}

static int push_locked(struct submission *s)
{
	struct hgpu_vctx *ctx = s->ctx;
	struct hgpu_vfence *hw;
	struct dma_fence *finished;

	lockdep_assert_held(&ctx->queue.lock);
	if (ctx->queue.ended || READ_ONCE(ctx->stopped) || READ_ONCE(ctx->lost))
		return -ECANCELED;
	s->args->sequence = ++ctx->sequence;
	trace_hgpu_virgl_submit(ctx->hdev, ctx->hw, ctx->sequence, s->args->stream,
				s->args->stream_dw, s->args->range_count);
	finished = hgpu_vjob_push_locked(&ctx->queue, s->job, &hw);
	s->job = NULL;
	remember_locked(ctx, finished, hw);
	hgpu_bo_uses_add_fence(&s->bos, finished);
	signal_all(s, finished);
	dma_fence_put(finished);
	return 0;
}

static int push(struct submission *s)
{
	struct drm_exec exec;
	int err;

	if (s->bos.n) {
		err = hgpu_bo_uses_lock(&s->bos, &exec);
		if (err)
			return err;
	}
	mutex_lock(&s->ctx->queue.lock);
	err = push_locked(s);
	mutex_unlock(&s->ctx->queue.lock);
	if (s->bos.n)
		drm_exec_fini(&exec);
	return err;
}

int hgpu_vctx_submit(struct hgpu_vctx *ctx, struct drm_hmm_gpu_virgl_submit *args,
		     struct drm_file *file)
{
	struct submission s = { .ctx = ctx, .args = args };
	int err;

	err = hgpu_virgl_check_stream(args->stream, args->stream_dw) ?: copy_tables(&s);
	if (err)
		goto out_tables;
	err = prepare_signals(&s, file);
	if (err)
		goto out_signals;
	err = find_bos(&s) ?: make_job(&s, file) ?: push(&s);
	if (!IS_ERR_OR_NULL(s.job))
		hgpu_vjob_free(s.job);
out_signals:
	hgpu_bo_uses_put(&s.bos);
	free_signals(&s);
out_tables:
	free_table(s.ranges);
	free_table(s.ins);
	free_table(s.outs);
	return err;
}
