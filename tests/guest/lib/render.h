/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of the virgl engine have in common. Whatever fails here fails the test.
 */
#ifndef RENDER_H
#define RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu.h"
#include "virgl.h"

/*
 * GPU number @index and a context on it. Skips the test when the host cannot render; who starts the guest says so,
 * and why, in HGPU_VIRGL ("no: REASON", or "yes", after which an engine that is missing is a failure).
 */
void render_open(struct gpu *gpu, unsigned int index, struct virgl *v);

/* The first half of it: for tests whose processes are to open the GPU, not they themselves. */
void render_wanted(void);

/* A further context; one that must be there. */
void render_context(struct virgl *v, int drm);

/* Run a job that must go well, or end in that way. */
void render_run(struct virgl *v, struct virgl_job *job);
void render_run_into(struct virgl *v, struct virgl_job *job, uint32_t status);
void render_wait(struct virgl *v, struct virgl_job *job, uint32_t status);	/* of one that was submitted */

/**
 * struct saxpy - y = a * x + y, ready to run
 * @v: where
 * @x: as large as was asked for
 * @y: likewise
 * @shader: in the context
 */
struct saxpy {
	struct virgl *v;
	struct virgl_buffer x, y;
	uint32_t shader;
};

void saxpy_open(struct saxpy *s, struct virgl *v, size_t floats);
void saxpy_close(struct saxpy *s);

/* Add it to a job, for a multiple of four floats. saxpy_dispatch() leaves out the memory. */
void saxpy_add(struct saxpy *s, struct virgl_job *job, float a, const float *x, float *y, size_t floats);
void saxpy_dispatch(struct saxpy *s, struct virgl_job *job, float a, size_t floats);

/* Numbers to begin with, and what must become of y, bit for bit. */
float saxpy_x(size_t i);
float saxpy_y(size_t i);
void saxpy_fill(float *x, float *y, size_t floats);
void saxpy_check(float a, const float *x, const float *y, size_t floats);

/* A context still does what it is asked to; a new one does. */
void render_works(struct virgl *v);
void render_new_works(const struct gpu *gpu);

/* One that is lost takes nothing but its end, which it gets here; before and after that a new one works. */
void render_is_lost(const struct gpu *gpu, struct virgl *v);

/* A command that does nothing, since a stream must not be empty. */
void render_nothing(struct virgl_job *job);

/* A dispatch that takes hours. */
void render_endless(struct virgl *v, struct virgl_job *job);

#endif
