// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How contexts end: by their deadline, with their file or process, by a reset, at any time. No other context notices,
 * and nothing is left.
 *
 * RUN: --device virgl-timeout=3000
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/tap.h"

#define LARGE (tap_size(16 * MIB, 4 * MIB) / sizeof(float))

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;

static void open_beside_another(struct virgl *other)
{
	render_open(&gpu, 0, &v);
	render_context(other, gpu.drm);
}

/* ---- what does not end ---- */

static void submit_endless(void)
{
	virgl_job_clear(&job);
	render_endless(&v, &job);
	expect_int(virgl_submit(&v, &job), ==, 0);
	nap_us(100000);
	expect_int(virgl_wait(&v, &job, 0), ==, -ETIME);
}

static void endless_shader_loses_its_context_and_no_other(void)
{
	long long begun;
	struct virgl other;

	open_beside_another(&other);
	begun = now_ms();
	submit_endless();
	render_works(&other);
	render_wait(&v, &job, HGPU_VIRGL_TIMEOUT);
	diag("ended after %lld ms", now_ms() - begun);
	render_works(&other);
	render_is_lost(&gpu, &v);
}

static void context_ends_in_the_middle_of_its_shader(void)
{
	long long begun;
	struct virgl other;

	open_beside_another(&other);
	submit_endless();
	begun = now_ms();
	expect_int(virgl_close(&v), ==, 0);
	expect_int(now_ms() - begun, <, 2000 * tap_patience());
	expect_int(virgl_wait(&v, &job, 0), ==, -ENOENT);
	render_works(&other);
	render_new_works(&gpu);
}

static void file_is_closed_in_the_middle_of_its_shader(void)
{
	struct gpu again;

	render_open(&gpu, 0, &v);
	submit_endless();
	gpu_close(&gpu);
	gpu_open(&again, 0);
	render_context(&v, again.drm);
	render_works(&v);
}

static volatile uint32_t *ready;

static void run_endless_shader(void *arg)
{
	(void)arg;
	render_open(&gpu, 0, &v);
	submit_endless();
	*ready = 1;
	pause();
}

static void process_is_killed_in_the_middle_of_its_shader(void)
{
	int pid;

	render_open(&gpu, 0, &v);
	ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = tap_fork(run_endless_shader, NULL);
	expect(wait_until(*ready, 30000), "the other process did not get to its shader");
	kill(pid, SIGKILL);
	tap_join_killed(pid, SIGKILL);
	render_works(&v);
	render_new_works(&gpu);
}

static void run_large_saxpys(void *arg)
{
	float *x = map_anon(LARGE * 4), *y = map_anon(LARGE * 4);
	struct saxpy s;

	render_open(&gpu, 0, &v);
	saxpy_open(&s, &v, LARGE);
	for (*(volatile uint32_t *)arg = 1;;) {
		virgl_job_clear(&job);
		memset(x, 0, LARGE * 4);	/* home again */
		saxpy_add(&s, &job, 1, x, y, LARGE);
		render_run(&v, &job);
	}
}

/* While it copies, faults or renders, as it comes. */
static void process_is_killed_at_any_time(void)
{
	unsigned int seed = 0x5eed0021, rounds = tap_rounds(15);

	render_open(&gpu, 0, &v);
	ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	diag("seed %#x", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		int pid;

		*ready = 0;
		pid = tap_fork(run_large_saxpys, (void *)ready);
		expect(wait_until(*ready, 30000), "the other process did not begin");
		nap_us(rand_r(&seed) % 200000);
		kill(pid, SIGKILL);
		tap_join_killed(pid, SIGKILL);
	}
	render_works(&v);
}

/* One more waits for a context that is on its way out, and is not refused: here no slot is free to end it. */
static void context_on_its_way_out_is_waited_for(void)
{
	static struct virgl_job endless[HGPU_VIRGL_SLOTS];
	struct virgl all[HGPU_VIRGL_CONTEXTS];
	unsigned int i;

	render_open(&gpu, 0, &all[0]);
	for (i = 1; i < HGPU_VIRGL_CONTEXTS; i++)
		render_context(&all[i], gpu.drm);
	for (i = 0; i < HGPU_VIRGL_SLOTS; i++) {
		render_endless(&all[i], &endless[i]);
		expect_int(virgl_submit(&all[i], &endless[i]), ==, 0);
	}
	nap_us(100000);
	expect_int(virgl_close(&all[i]), ==, 0);
	render_context(&all[i], gpu.drm);
	render_works(&all[i]);
	while (i-- > 0)
		render_wait(&all[i], &endless[i], HGPU_VIRGL_TIMEOUT);
}

/* ---- reset ---- */

static void reset(void)
{
	char address[16], path[64];

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	expect_int(write_text(path, "1"), ==, 0);
}

static void reset_loses_contexts(void)
{
	struct virgl idle;

	render_open(&gpu, 0, &v);
	render_context(&idle, gpu.drm);
	submit_endless();
	reset();
	render_wait(&v, &job, HGPU_VIRGL_ABORTED);
	virgl_job_clear(&job);
	render_nothing(&job);
	expect_int(virgl_submit(&idle, &job), ==, -ECANCELED);
	expect_int(virgl_close(&idle), ==, 0);
	render_is_lost(&gpu, &v);
}

static void reset_at_any_time(void)
{
	float *x = map_anon(LARGE * 4), *y = map_anon(LARGE * 4);
	unsigned int seed = 0x5eed0022, rounds = tap_rounds(10);

	render_open(&gpu, 0, &v);
	diag("seed %#x", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		struct saxpy s;

		saxpy_open(&s, &v, LARGE);
		saxpy_fill(x, y, LARGE);
		virgl_job_clear(&job);
		saxpy_add(&s, &job, 3, x, y, LARGE);
		expect_int(virgl_submit(&v, &job), ==, 0);
		nap_us(rand_r(&seed) % 300000);
		reset();
		expect_int(virgl_wait(&v, &job, now_ns() + 20000000000ll * tap_patience()), ==, 0);
		if (job.result.status == HGPU_VIRGL_OK)
			saxpy_check(3, x, y, LARGE);
		else
			expect_int(job.result.status, ==, HGPU_VIRGL_ABORTED);
		expect_int(virgl_close(&v), ==, 0);
		render_context(&v, gpu.drm);
	}
	render_works(&v);
}

static const struct tap_test tests[] = {
	TAP_TEST(endless_shader_loses_its_context_and_no_other),
	TAP_TEST(context_ends_in_the_middle_of_its_shader),
	TAP_TEST(file_is_closed_in_the_middle_of_its_shader),
	TAP_TEST(process_is_killed_in_the_middle_of_its_shader),
	TAP_TEST(process_is_killed_at_any_time),
	TAP_TEST(context_on_its_way_out_is_waited_for),
	TAP_TEST(reset_loses_contexts),
	TAP_TEST(reset_at_any_time),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
