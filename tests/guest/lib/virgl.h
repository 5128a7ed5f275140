/* SPDX-License-Identifier: MIT */
/*
 * The virgl engine for programs: contexts, buffers, textures, shaders, dispatches and draws on plain memory.
 *
 * Take this file with virgl.c, stream.[ch] and, from protocol/ and guest-driver/uapi/, hgpu_types.h, hgpu_virgl.h,
 * hgpu_virgl_cmd.h and hmm_gpu_drm.h. It knows nothing of tests and prints nothing. What it wants is a file of the
 * render node that AMDKFD_IOC_ACQUIRE_VM has bound to the process, with XNACK on (gpu_open() in gpu.h does both).
 *
 *	struct virgl v;
 *	struct virgl_buffer x, y;
 *	struct virgl_job job = { 0 };
 *
 *	virgl_open(&v, drm);
 *	virgl_buffer(&v, &x, HGPU_VIRGL_BIND_SHADER_BUFFER, bytes);
 *	virgl_buffer(&v, &y, HGPU_VIRGL_BIND_SHADER_BUFFER, bytes);
 *	shader = virgl_shader(&v, &job, HGPU_VIRGL_COMPUTE, 0, text);
 *	virgl_in(&job, &x, memory_of_x, bytes);
 *	virgl_inout(&job, &y, memory_of_y, bytes);
 *	virgl_dispatch(&job, shader, (const struct virgl_buffer *[]){ &x, &y }, 2, constants, 4, groups, 1, 1);
 *	virgl_run(&v, &job);		// memory_of_y is written
 *
 * A buffer is the renderer's. Before a job the engine copies memory into it, behind it out of it, through the page
 * tables of the process: any memory of it will do, malloc'ed, in RAM, in VRAM, or touched by nobody yet.
 *
 * Functions return 0 or -errno unless they say something else. One thread at a time for each context.
 */
#ifndef VIRGL_H
#define VIRGL_H

#include <stdint.h>

#include "hgpu_virgl.h"
#include "hgpu_virgl_cmd.h"
#include "hmm_gpu_drm.h"
#include "stream.h"

#define VIRGL_FOREVER INT64_MAX

/**
 * struct virgl - a context
 * @drm: the render node, which stays the caller's
 * @context: its number
 * @resources: how many buffers and textures have been made, which is the last one's handle
 * @objects: likewise, shaders and other state
 */
struct virgl {
	int drm;
	uint32_t context, resources, objects;
};

/* -ENODEV: this GPU has no engine, or its host no renderer. -ENOSPC: all contexts of the GPU are in use. */
int virgl_open(struct virgl *v, int drm);
int virgl_close(struct virgl *v);

struct virgl_buffer {
	uint32_t handle, bytes;
};

struct virgl_image {
	uint32_t handle, format, width, height;
};

int virgl_buffer(struct virgl *v, struct virgl_buffer *b, uint32_t bind, uint32_t bytes);	/* HGPU_VIRGL_BIND_* */
int virgl_image(struct virgl *v, struct virgl_image *i, uint32_t format, uint32_t bind, uint32_t width,
		uint32_t height);
int virgl_destroy(struct virgl *v, uint32_t handle);

/**
 * struct virgl_job - what one submission is made of; zeroed is empty
 * @stream: its commands; more of them with hgpu_stream_*()
 * @range: memory and resources
 * @ranges: how many
 * @wait: syncobjs that must be signalled before it begins
 * @waits: how many
 * @signal: syncobjs to signal when it has ended
 * @signals: how many
 * @sequence: its number, when it has been submitted
 * @result: how it ended: status, times, bytes, faults
 *
 * From virgl_submit() until it has ended the engine reads the stream: leave it alone.
 */
struct virgl_job {
	struct hgpu_stream stream;
	struct drm_hmm_gpu_virgl_range range[HGPU_VIRGL_RANGES];
	uint32_t ranges;
	struct drm_hmm_gpu_virgl_sync wait[4], signal[4];
	uint32_t waits, signals;
	uint64_t sequence;
	struct drm_hmm_gpu_virgl_wait result;
};

void virgl_job_clear(struct virgl_job *job);	/* empty again; memory for the stream is kept */
void virgl_job_free(struct virgl_job *job);

/* Memory for a buffer from its start: copied in before the commands, out behind them, or both. */
void virgl_in(struct virgl_job *job, const struct virgl_buffer *b, const void *memory, uint64_t bytes);
void virgl_out(struct virgl_job *job, const struct virgl_buffer *b, void *memory, uint64_t bytes);
void virgl_inout(struct virgl_job *job, const struct virgl_buffer *b, void *memory, uint64_t bytes);

/* All of an image, four bytes a texel, rows packed. */
void virgl_image_in(struct virgl_job *job, const struct virgl_image *i, const void *memory);
void virgl_image_out(struct virgl_job *job, const struct virgl_image *i, void *memory);

/**
 * virgl_shader() - a shader, from then on in this context
 * @v: the context
 * @job: the one that compiles it
 * @stage: HGPU_VIRGL_VERTEX, _FRAGMENT or _COMPUTE
 * @shared_bytes: memory that the threads of a block share; compute only
 * @tgsi: its text
 *
 * Return: what dispatches and draws name it by. A text that does not compile fails the job (BAD_STREAM).
 */
uint32_t virgl_shader(struct virgl *v, struct virgl_job *job, enum hgpu_virgl_stage stage, uint32_t shared_bytes,
		      const char *tgsi);

/**
 * virgl_dispatch() - run a compute shader
 * @job: in this job
 * @shader: from virgl_shader(), of this job or one before
 * @buffers: BUFFER[0], [1] and so on of the shader, whole; up to 16
 * @n: how many
 * @constants: CONST[0] and so on, bit patterns
 * @dwords: how many, a multiple of 4
 * @x: blocks; how many threads they have is said in the shader
 * @y: likewise
 * @z: likewise
 */
void virgl_dispatch(struct virgl_job *job, uint32_t shader, const struct virgl_buffer *const *buffers, unsigned int n,
		    const void *constants, uint32_t dwords, uint32_t x, uint32_t y, uint32_t z);

/**
 * struct virgl_pipeline - what draws have in common
 * @color: drawn into, R8G8B8A8_UNORM
 * @depth: Z32_FLOAT, as large; what is nearer wins
 * @texture: SAMP[0] of the fragment shader, repeated, its nearest texel taken; NULL: none
 * @vertices: where the vertices are
 * @stride: bytes from one to the next
 * @elements: IN[0] and so on of the vertex shader
 * @n: how many, up to 16
 * @vs: from virgl_shader()
 * @fs: likewise
 * @first: object of the first of its state, for virgl_draw()
 */
struct virgl_pipeline {
	const struct virgl_image *color, *depth, *texture;
	const struct virgl_buffer *vertices;
	uint32_t stride;
	const struct hgpu_vertex_element *elements;
	unsigned int n;
	uint32_t vs, fs, first;
};

/* Make its state, in @job; later jobs may draw with it. Row 0 of the picture is the top. */
void virgl_pipeline(struct virgl *v, struct virgl_job *job, struct virgl_pipeline *p);

/* Bind it and clear its images, depth to the farthest. */
void virgl_clear(struct virgl_job *job, const struct virgl_pipeline *p, const float rgba[4]);

/* Triangles of vertices @first to @first + @count - 1; constants as above, the vertex shader's. Behind virgl_clear(). */
void virgl_draw(struct virgl_job *job, const void *constants, uint32_t dwords, uint32_t first, uint32_t count);

int virgl_submit(struct virgl *v, struct virgl_job *job);

/*
 * Until @job has ended or it is CLOCK_MONOTONIC @until_ns (0: just look): 0, or -ETIME. How it ended is
 * @job->result.status.
 */
int virgl_wait(struct virgl *v, struct virgl_job *job, int64_t until_ns);

/* Both: 0 when it went well, -EIO when @job->result.status is not HGPU_VIRGL_OK. */
int virgl_run(struct virgl *v, struct virgl_job *job);

/* "fault", "bad stream", ... */
const char *virgl_status(uint32_t status);

#endif
