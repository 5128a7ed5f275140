// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The virgl engine: how many small dispatches a second, how many bytes a second through a large saxpy, and what the
 * time goes into.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "figures.h"
#include "gpu.h"
#include "mem.h"
#include "render.h"
#include "tap.h"

enum {
	SMALL = 256, DISPATCHES = 200, IN_FLIGHT = 32, REPEATS = 5,
	LARGE_BYTES = 64 << 20, LARGE = LARGE_BYTES / 4,
};

/* x is read, y read and written. */
#define MOVED (3.0 * LARGE_BYTES)

static double per_second(unsigned int n, long long since_ns)
{
	return n * 1e9 / (now_ns() - since_ns);
}

/* 1 KiB in, 1 KiB in and out: with a wait for each, and with 32 on the way. */
static void measure_small(struct virgl *v, float *x, float *y)
{
	static struct virgl_job jobs[IN_FLIGHT];
	struct samples waited = { .n = 0 }, queued = { .n = 0 };
	struct saxpy s;

	saxpy_open(&s, v, SMALL);
	for (unsigned int i = 0; i < IN_FLIGHT; i++) {
		saxpy_add(&s, &jobs[i], 1, x, y, SMALL);
		render_run(v, &jobs[i]);
	}
	virgl_job_clear(&jobs[0]);	/* without the shader, which is compiled now */
	saxpy_add(&s, &jobs[0], 1, x, y, SMALL);
	for (unsigned int r = 0; r < REPEATS; r++) {
		long long start = now_ns();

		for (unsigned int i = 0; i < DISPATCHES; i++)
			render_run(v, &jobs[i % IN_FLIGHT]);
		add(&waited, per_second(DISPATCHES, start));
		start = now_ns();
		for (unsigned int i = 0; i < DISPATCHES; i++) {
			if (i >= IN_FLIGHT)
				render_wait(v, &jobs[i % IN_FLIGHT], HGPU_VIRGL_OK);
			if (virgl_submit(v, &jobs[i % IN_FLIGHT]))
				fail("SUBMIT");
		}
		render_wait(v, &jobs[(DISPATCHES - 1) % IN_FLIGHT], HGPU_VIRGL_OK);
		add(&queued, per_second(DISPATCHES, start));
	}
	report("virgl_dispatch_small", "1/s", median(&waited), -1, "", "higher", "");
	report("virgl_dispatch_small_queued", "1/s", median(&queued), -1, "", "higher", "");
	saxpy_close(&s);
}

/* Where a submission's time went: by the device's clocks, the guest's, and the difference. */
struct shares {
	struct samples rate, faults, copies, rendering, retries;
};

static double run_large(struct virgl *v, struct virgl_job *job)
{
	long long start = now_ns();

	render_run(v, job);
	return now_ns() - start;
}

static void send_home(struct gpu *gpu, float *x, float *y)
{
	if (svm_prefetch(gpu, x, LARGE_BYTES, 0) || svm_prefetch(gpu, y, LARGE_BYTES, 0))
		fail("prefetch to system memory");
}

/*
 * Copying takes as long with faults as without; what a submission from RAM takes longer is the faults'. The run in
 * between, with everything in VRAM, tells how long copying takes.
 */
static void measure_large(struct virgl *v, struct gpu *gpu, float *x, float *y)
{
	struct shares ram = { 0 }, vram = { 0 };
	struct virgl_job job = { 0 };
	struct saxpy s;

	saxpy_open(&s, v, LARGE);
	saxpy_add(&s, &job, 1, x, y, LARGE);
	for (unsigned int r = 0; r < REPEATS; r++) {
		double ns, ram_ns, render, copies;

		send_home(gpu, x, y);
		ram_ns = run_large(v, &job);
		render = job.result.render_ns;
		add(&ram.rate, MOVED / ram_ns);
		add(&ram.rendering, render / ram_ns);
		add(&ram.retries, job.result.faults);
		expect_in_vram(x, LARGE_BYTES);
		expect_in_vram(y, LARGE_BYTES);

		ns = run_large(v, &job);
		copies = job.result.in_ns + job.result.out_ns;
		add(&vram.rate, MOVED / ns);
		add(&vram.rendering, job.result.render_ns / ns);
		add(&vram.copies, copies / ns);
		add(&ram.copies, copies / ram_ns);
		add(&ram.faults, (ram_ns - render - copies) / ram_ns);
	}
	report("virgl_saxpy_64m", "GB/s", median(&ram.rate), -1, "", "higher", "");
	report("virgl_saxpy_64m_faults", "1", median(&ram.faults), -1, "", "lower", "");
	report("virgl_saxpy_64m_transfers", "1", median(&ram.copies), -1, "", "lower", "");
	report("virgl_saxpy_64m_rendering", "1", median(&ram.rendering), -1, "", "higher", "");
	report("virgl_saxpy_64m_retry_faults", "", median(&ram.retries), -1, "", "lower", "");
	report("virgl_saxpy_64m_in_vram", "GB/s", median(&vram.rate), -1, "", "higher", "");
	report("virgl_in_vram_transfers", "1", median(&vram.copies), -1, "", "lower", "");
	report("virgl_in_vram_rendering", "1", median(&vram.rendering), -1, "", "higher", "");
	saxpy_close(&s);
	virgl_job_free(&job);
}

void measure_virgl(void)
{
	float *x = map_anon(LARGE_BYTES), *y = map_anon(LARGE_BYTES);
	struct gpu gpu;
	struct virgl v;
	int error;

	gpu_open(&gpu, 0);
	error = virgl_open(&v, gpu.drm);
	if (error) {
		printf("# no virgl engine is measured: %s\n", strerror(-error));
		return;
	}
	memset(x, 0, LARGE_BYTES);
	memset(y, 0, LARGE_BYTES);
	measure_small(&v, x, y);
	measure_large(&v, &gpu, x, y);
	virgl_close(&v);
	gpu_close(&gpu);
}
