// SPDX-License-Identifier: GPL-2.0-or-later
#include "render.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shaders.h"
#include "tap.h"

enum { MAX_GRID = 65535 };

void render_context(struct virgl *v, int drm)
{
	int error = virgl_open(v, drm);

	if (error)
		fail("VIRGL_CONTEXT_CREATE: %s", strerror(-error));
}

void render_wanted(void)
{
	const char *host = getenv("HGPU_VIRGL");

	if (host && !strncmp(host, "no: ", 4))
		skip("%s", host + 4);
}

void render_open(struct gpu *gpu, unsigned int index, struct virgl *v)
{
	int error;

	render_wanted();
	gpu_open(gpu, index);
	error = virgl_open(v, gpu->drm);
	if (error == -ENODEV && !getenv("HGPU_VIRGL"))
		skip("this GPU has no virgl engine, or its host no renderer");
	if (error)
		fail("VIRGL_CONTEXT_CREATE: %s", strerror(-error));
}

void render_wait(struct virgl *v, struct virgl_job *job, uint32_t status)
{
	int error = virgl_wait(v, job, now_ns() + 60000000000ll * tap_patience());

	if (error)
		fail("VIRGL_WAIT: %s", strerror(-error));
	if (job->result.status != status)
		fail("the submission ended with \"%s\" (row %u, address %#llx), expected \"%s\"",
		     virgl_status(job->result.status), job->result.row, (unsigned long long)job->result.fault_addr,
		     virgl_status(status));
}

void render_run_into(struct virgl *v, struct virgl_job *job, uint32_t status)
{
	int error = virgl_submit(v, job);

	if (error)
		fail("VIRGL_SUBMIT: %s", strerror(-error));
	render_wait(v, job, status);
}

void render_run(struct virgl *v, struct virgl_job *job)
{
	render_run_into(v, job, HGPU_VIRGL_OK);
}

/* ---- saxpy ---- */

void saxpy_open(struct saxpy *s, struct virgl *v, size_t floats)
{
	struct virgl_job compile = { 0 };

	*s = (struct saxpy){ .v = v };
	expect_int(virgl_buffer(v, &s->x, HGPU_VIRGL_BIND_SHADER_BUFFER, floats * sizeof(float)), ==, 0);
	expect_int(virgl_buffer(v, &s->y, HGPU_VIRGL_BIND_SHADER_BUFFER, floats * sizeof(float)), ==, 0);
	s->shader = virgl_shader(v, &compile, HGPU_VIRGL_COMPUTE, 0, saxpy_tgsi);
	render_run(v, &compile);
	virgl_job_free(&compile);
}

void saxpy_close(struct saxpy *s)
{
	expect_int(virgl_destroy(s->v, s->x.handle), ==, 0);
	expect_int(virgl_destroy(s->v, s->y.handle), ==, 0);
}

void saxpy_dispatch(struct saxpy *s, struct virgl_job *job, float a, size_t floats)
{
	const struct virgl_buffer *buffers[] = { &s->x, &s->y };
	struct { float a; uint32_t groups, pad[2]; } constants = { a, floats / 4, { 0 } };
	uint32_t blocks = (floats + SAXPY_BLOCK - 1) / SAXPY_BLOCK, rows = (blocks + MAX_GRID - 1) / MAX_GRID;

	virgl_dispatch(job, s->shader, buffers, 2, &constants, 4, (blocks + rows - 1) / rows, rows, 1);
}

void saxpy_add(struct saxpy *s, struct virgl_job *job, float a, const float *x, float *y, size_t floats)
{
	virgl_in(job, &s->x, x, floats * sizeof(float));
	virgl_inout(job, &s->y, y, floats * sizeof(float));
	saxpy_dispatch(s, job, a, floats);
}

/* Any value, of magnitudes from 2^-10 to 2^9. */
static float some_float(uint32_t seed)
{
	uint32_t bits = seed * 2654435761u, exponent = 117 + (bits >> 24) % 20;
	union { uint32_t bits; float value; } f = { (bits & 0x807fffff) | exponent << 23 };

	return f.value;
}

float saxpy_x(size_t i)
{
	return some_float(2 * i + 1);
}

float saxpy_y(size_t i)
{
	return some_float(2 * i + 0x1000000);
}

void saxpy_fill(float *x, float *y, size_t floats)
{
	for (size_t i = 0; i < floats; i++) {
		x[i] = saxpy_x(i);
		y[i] = saxpy_y(i);
	}
}

/*
 * Bit for bit: the product is rounded before it is added, whatever the compiler could do. A GPU that fuses the two
 * rounds once; nothing else is right.
 */
static bool is_right(float a, float x, float y, float result)
{
	volatile float product = a * x;
	float twice = product + y, once;

	if (!memcmp(&result, &twice, sizeof(result)))
		return true;
	once = fmaf(a, x, y);
	return !memcmp(&result, &once, sizeof(result));
}

void saxpy_check(float a, const float *x, const float *y, size_t floats)
{
	for (size_t i = 0; i < floats; i++) {
		float had = saxpy_x(i);

		if (!is_right(a, had, saxpy_y(i), y[i]))
			fail("y[%zu] is %a, expected %a * %a + %a", i, y[i], a, had, saxpy_y(i));
		if (memcmp(&had, &x[i], sizeof(had)))
			fail("x[%zu] is %a, and was %a", i, x[i], had);
	}
}

/* ---- contexts ---- */

void render_works(struct virgl *v)
{
	enum { FLOATS = 16 << 10 };
	float *x = malloc(FLOATS * sizeof(float)), *y = malloc(FLOATS * sizeof(float));
	struct virgl_job job = { 0 };
	struct saxpy s;

	saxpy_open(&s, v, FLOATS);
	saxpy_fill(x, y, FLOATS);
	saxpy_add(&s, &job, 3, x, y, FLOATS);
	render_run(v, &job);
	saxpy_check(3, x, y, FLOATS);
	saxpy_close(&s);
	virgl_job_free(&job);
	free(x);
	free(y);
}

void render_new_works(const struct gpu *gpu)
{
	struct virgl v;

	render_context(&v, gpu->drm);
	render_works(&v);
	expect_int(virgl_close(&v), ==, 0);
}

void render_nothing(struct virgl_job *job)
{
	hgpu_stream_barrier(&job->stream);
}

void render_is_lost(const struct gpu *gpu, struct virgl *v)
{
	struct virgl_job job = { 0 };
	struct virgl_buffer b;

	render_nothing(&job);
	expect_int(virgl_submit(v, &job), ==, -ECANCELED);
	expect_int(virgl_buffer(v, &b, HGPU_VIRGL_BIND_SHADER_BUFFER, 4096), ==, -ECANCELED);
	virgl_job_free(&job);
	render_new_works(gpu);
	expect_int(virgl_close(v), ==, 0);
	render_new_works(gpu);
}

/* ---- what does not end ---- */

void render_endless(struct virgl *v, struct virgl_job *job)
{
	uint32_t shader = virgl_shader(v, job, HGPU_VIRGL_COMPUTE, 0, count_tgsi), constants[4] = { 60000 };
	const struct virgl_buffer *buffers[1];
	struct virgl_buffer b;

	expect_int(virgl_buffer(v, &b, HGPU_VIRGL_BIND_SHADER_BUFFER, 4096), ==, 0);
	buffers[0] = &b;
	virgl_dispatch(job, shader, buffers, 1, constants, 4, 4096, 4096, 1);
}
