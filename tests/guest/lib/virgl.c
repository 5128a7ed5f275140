// SPDX-License-Identifier: MIT
#include "virgl.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

static int call(int fd, unsigned long request, void *arg)
{
	while (ioctl(fd, request, arg))
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* ---- contexts and what is in them ---- */

int virgl_open(struct virgl *v, int drm)
{
	struct drm_hmm_gpu_virgl_context args = { 0 };
	int error = call(drm, DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_CREATE, &args);

	*v = (struct virgl){ .drm = drm, .context = args.context };
	return error;
}

int virgl_close(struct virgl *v)
{
	struct drm_hmm_gpu_virgl_context args = { .context = v->context };

	return call(v->drm, DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_DESTROY, &args);
}

static int create(struct virgl *v, struct drm_hmm_gpu_virgl_resource *args)
{
	int error;

	args->context = v->context;
	args->handle = v->resources + 1;
	error = call(v->drm, DRM_IOCTL_HMM_GPU_VIRGL_RESOURCE_CREATE, args);
	if (!error)
		v->resources++;
	return error;
}

int virgl_buffer(struct virgl *v, struct virgl_buffer *b, uint32_t bind, uint32_t bytes)
{
	struct drm_hmm_gpu_virgl_resource args = {
		.target = HGPU_VIRGL_BUFFER, .format = HGPU_VIRGL_R8_UNORM, .bind = bind, .width = bytes, .height = 1,
	};
	int error = create(v, &args);

	*b = (struct virgl_buffer){ args.handle, bytes };
	return error;
}

int virgl_image(struct virgl *v, struct virgl_image *i, uint32_t format, uint32_t bind, uint32_t width, uint32_t height)
{
	struct drm_hmm_gpu_virgl_resource args = {
		.target = HGPU_VIRGL_TEXTURE_2D, .format = format, .bind = bind, .width = width, .height = height,
	};
	int error = create(v, &args);

	*i = (struct virgl_image){ args.handle, format, width, height };
	return error;
}

int virgl_destroy(struct virgl *v, uint32_t handle)
{
	struct drm_hmm_gpu_virgl_resource args = { .context = v->context, .handle = handle };

	return call(v->drm, DRM_IOCTL_HMM_GPU_VIRGL_RESOURCE_DESTROY, &args);
}

/* ---- jobs ---- */

void virgl_job_clear(struct virgl_job *job)
{
	struct hgpu_stream stream = job->stream;

	hgpu_stream_clear(&stream);
	*job = (struct virgl_job){ .stream = stream };
}

void virgl_job_free(struct virgl_job *job)
{
	hgpu_stream_free(&job->stream);
	*job = (struct virgl_job){ 0 };
}

/* A row more than there may be is left for the driver to refuse. */
static void add_range(struct virgl_job *job, struct drm_hmm_gpu_virgl_range row)
{
	if (job->ranges < HGPU_VIRGL_RANGES)
		job->range[job->ranges] = row;
	job->ranges++;
}

static void buffer_range(struct virgl_job *job, const struct virgl_buffer *b, const void *memory, uint64_t bytes,
			 uint32_t flags)
{
	add_range(job, (struct drm_hmm_gpu_virgl_range){
		.resource = b->handle, .flags = flags, .w = bytes, .h = 1, .d = 1,
		.addr = (uintptr_t)memory, .size = bytes,
	});
}

void virgl_in(struct virgl_job *job, const struct virgl_buffer *b, const void *memory, uint64_t bytes)
{
	buffer_range(job, b, memory, bytes, HMM_GPU_VIRGL_RANGE_IN);
}

void virgl_out(struct virgl_job *job, const struct virgl_buffer *b, void *memory, uint64_t bytes)
{
	buffer_range(job, b, memory, bytes, HMM_GPU_VIRGL_RANGE_OUT);
}

void virgl_inout(struct virgl_job *job, const struct virgl_buffer *b, void *memory, uint64_t bytes)
{
	buffer_range(job, b, memory, bytes, HMM_GPU_VIRGL_RANGE_IN | HMM_GPU_VIRGL_RANGE_OUT);
}

static void image_range(struct virgl_job *job, const struct virgl_image *i, const void *memory, uint32_t flags)
{
	add_range(job, (struct drm_hmm_gpu_virgl_range){
		.resource = i->handle, .flags = flags, .w = i->width, .h = i->height, .d = 1,
		.addr = (uintptr_t)memory, .size = 4ull * i->width * i->height,
	});
}

void virgl_image_in(struct virgl_job *job, const struct virgl_image *i, const void *memory)
{
	image_range(job, i, memory, HMM_GPU_VIRGL_RANGE_IN);
}

void virgl_image_out(struct virgl_job *job, const struct virgl_image *i, void *memory)
{
	image_range(job, i, memory, HMM_GPU_VIRGL_RANGE_OUT);
}

uint32_t virgl_shader(struct virgl *v, struct virgl_job *job, enum hgpu_virgl_stage stage, uint32_t shared_bytes,
		      const char *tgsi)
{
	hgpu_stream_shader(&job->stream, ++v->objects, stage, shared_bytes, tgsi);
	return v->objects;
}

void virgl_dispatch(struct virgl_job *job, uint32_t shader, const struct virgl_buffer *const *buffers, unsigned int n,
		    const void *constants, uint32_t dwords, uint32_t x, uint32_t y, uint32_t z)
{
	struct hgpu_shader_buffer bound[16];

	for (unsigned int i = 0; i < n && i < 16; i++)
		bound[i] = (struct hgpu_shader_buffer){ 0, buffers[i]->bytes, buffers[i]->handle };
	hgpu_stream_bind_shader(&job->stream, shader, HGPU_VIRGL_COMPUTE);
	if (dwords)
		hgpu_stream_constants(&job->stream, HGPU_VIRGL_COMPUTE, constants, dwords);
	hgpu_stream_shader_buffers(&job->stream, HGPU_VIRGL_COMPUTE, bound, n < 16 ? n : 16);
	/* the block's size is the shader's, not the command's */
	hgpu_stream_grid(&job->stream, (const uint32_t[]){ 1, 1, 1 }, (const uint32_t[]){ x, y, z });
	hgpu_stream_barrier(&job->stream);
}

/* ---- draws ---- */

/* The objects of a pipeline, counted from its first. */
enum { COLOR_SURFACE, DEPTH_SURFACE, BLEND, DEPTH_TEST, RASTERIZER, ELEMENTS, VIEW, SAMPLER, PIPELINE_OBJECTS };

void virgl_pipeline(struct virgl *v, struct virgl_job *job, struct virgl_pipeline *p)
{
	struct hgpu_stream *s = &job->stream;

	p->first = v->objects + 1;
	v->objects += PIPELINE_OBJECTS;
	hgpu_stream_surface(s, p->first + COLOR_SURFACE, p->color->handle, p->color->format);
	hgpu_stream_surface(s, p->first + DEPTH_SURFACE, p->depth->handle, p->depth->format);
	hgpu_stream_blend(s, p->first + BLEND);
	hgpu_stream_depth_less(s, p->first + DEPTH_TEST);
	hgpu_stream_rasterizer(s, p->first + RASTERIZER);
	hgpu_stream_vertex_elements(s, p->first + ELEMENTS, p->elements, p->n);
	if (!p->texture)
		return;
	hgpu_stream_sampler_view(s, p->first + VIEW, p->texture->handle, p->texture->format);
	hgpu_stream_sampler(s, p->first + SAMPLER);
}

void virgl_clear(struct virgl_job *job, const struct virgl_pipeline *p, const float rgba[4])
{
	struct hgpu_stream *s = &job->stream;

	hgpu_stream_framebuffer(s, p->first + COLOR_SURFACE, p->first + DEPTH_SURFACE);
	hgpu_stream_viewport(s, p->color->width, p->color->height);
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_BLEND, p->first + BLEND);
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_DSA, p->first + DEPTH_TEST);
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_RASTERIZER, p->first + RASTERIZER);
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_VERTEX_ELEMENTS, p->first + ELEMENTS);
	hgpu_stream_vertex_buffer(s, p->stride, p->vertices->handle);
	hgpu_stream_bind_shader(s, p->vs, HGPU_VIRGL_VERTEX);
	hgpu_stream_bind_shader(s, p->fs, HGPU_VIRGL_FRAGMENT);
	if (p->texture)
		hgpu_stream_bind_sampler(s, p->first + VIEW, p->first + SAMPLER);
	hgpu_stream_clear_targets(s, rgba, 1);
}

void virgl_draw(struct virgl_job *job, const void *constants, uint32_t dwords, uint32_t first, uint32_t count)
{
	if (dwords)
		hgpu_stream_constants(&job->stream, HGPU_VIRGL_VERTEX, constants, dwords);
	hgpu_stream_draw(&job->stream, first, count);
}

/* ---- running them ---- */

int virgl_submit(struct virgl *v, struct virgl_job *job)
{
	struct drm_hmm_gpu_virgl_submit args = {
		.context = v->context,
		.stream = (uintptr_t)job->stream.dw, .stream_dw = job->stream.count,
		.ranges = (uintptr_t)job->range, .range_count = job->ranges,
		.in_syncs = (uintptr_t)job->wait, .in_sync_count = job->waits,
		.out_syncs = (uintptr_t)job->signal, .out_sync_count = job->signals,
	};
	int error = call(v->drm, DRM_IOCTL_HMM_GPU_VIRGL_SUBMIT, &args);

	job->sequence = args.sequence;
	return error;
}

int virgl_wait(struct virgl *v, struct virgl_job *job, int64_t until_ns)
{
	job->result = (struct drm_hmm_gpu_virgl_wait){
		.context = v->context, .sequence = job->sequence, .timeout_ns = until_ns,
	};
	return call(v->drm, DRM_IOCTL_HMM_GPU_VIRGL_WAIT, &job->result);
}

int virgl_run(struct virgl *v, struct virgl_job *job)
{
	int error = virgl_submit(v, job);

	if (!error)
		error = virgl_wait(v, job, VIRGL_FOREVER);
	if (!error && job->result.status != HGPU_VIRGL_OK)
		error = -EIO;
	return error;
}

const char *virgl_status(uint32_t status)
{
	static const char *const names[HGPU_VIRGL_STATUS_COUNT] = {
		[HGPU_VIRGL_OK] = "ok",
		[HGPU_VIRGL_BAD_JOB] = "bad job",
		[HGPU_VIRGL_NO_RENDERER] = "no renderer",
		[HGPU_VIRGL_NO_CONTEXT] = "no context",
		[HGPU_VIRGL_NO_RESOURCE] = "no resource",
		[HGPU_VIRGL_BAD_TRANSFER] = "bad transfer",
		[HGPU_VIRGL_NO_MEMORY] = "no memory",
		[HGPU_VIRGL_BAD_STREAM] = "bad stream",
		[HGPU_VIRGL_TIMEOUT] = "timeout",
		[HGPU_VIRGL_DIED] = "the renderer died",
		[HGPU_VIRGL_FAULT] = "fault",
		[HGPU_VIRGL_BUS_ERROR] = "bus error",
		[HGPU_VIRGL_ABORTED] = "aborted",
	};

	return status < HGPU_VIRGL_STATUS_COUNT ? names[status] : "unknown status";
}
