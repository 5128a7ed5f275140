// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The virgl engines of two GPUs: at the same time, on the same memory, and without regard for each other.
 *
 * RUN-DEFAULT: --gpus 2
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/tap.h"

enum { GPUS = 2, FLOATS = 1 << 20, BYTES = FLOATS * 4 };

static struct gpu gpu[GPUS];
static struct virgl v[GPUS];
static struct virgl_job job[GPUS];

static void open_both(void)
{
	render_wanted();
	gpu_open_all(gpu, GPUS);
	for (unsigned int i = 0; i < GPUS; i++)
		render_context(&v[i], gpu[i].drm);
}

static void both_work_at_the_same_time(void)
{
	float *x[GPUS], *y[GPUS];
	struct saxpy s[GPUS];

	open_both();
	for (unsigned int i = 0; i < GPUS; i++) {
		x[i] = map_anon(BYTES);
		y[i] = map_anon(BYTES);
		saxpy_fill(x[i], y[i], FLOATS);
		saxpy_open(&s[i], &v[i], FLOATS);
		saxpy_add(&s[i], &job[i], 3 + i, x[i], y[i], FLOATS);
	}
	for (unsigned int i = 0; i < GPUS; i++)
		expect_int(virgl_submit(&v[i], &job[i]), ==, 0);
	for (unsigned int i = 0; i < GPUS; i++) {
		render_wait(&v[i], &job[i], HGPU_VIRGL_OK);
		saxpy_check(3 + i, x[i], y[i], FLOATS);
	}
}

/* A vector goes from GPU to GPU, without the CPU looking at it in between. */
static void memory_goes_from_one_to_the_other(void)
{
	enum { ROUNDS = 6 };
	float *x = map_anon(BYTES), *y = map_anon(BYTES);
	struct saxpy s[GPUS];

	open_both();
	for (unsigned int i = 0; i < GPUS; i++)
		saxpy_open(&s[i], &v[i], FLOATS);
	for (size_t i = 0; i < FLOATS; i++) {
		x[i] = i % 1000;
		y[i] = 1;
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int which = round % GPUS;

		virgl_job_clear(&job[which]);
		saxpy_add(&s[which], &job[which], 1, x, y, FLOATS);
		render_run(&v[which], &job[which]);
	}
	for (size_t i = 0; i < FLOATS; i++)
		expect_int(y[i], ==, 1 + ROUNDS * (i % 1000));
}

static void reset_of_one_leaves_the_other_alone(void)
{
	char address[16], path[64];

	open_both();
	render_works(&v[0]);
	render_works(&v[1]);
	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	expect_int(write_text(path, "1"), ==, 0);
	render_is_lost(&gpu[0], &v[0]);
	render_works(&v[1]);
}

static void each_has_its_own_contexts(void)
{
	struct virgl all[GPUS][HGPU_VIRGL_CONTEXTS - 1];

	open_both();
	for (unsigned int i = 0; i < GPUS; i++)
		for (unsigned int k = 0; k < HGPU_VIRGL_CONTEXTS - 1; k++)
			render_context(&all[i][k], gpu[i].drm);
	for (unsigned int i = 0; i < GPUS; i++)
		render_works(&all[i][HGPU_VIRGL_CONTEXTS - 2]);
}

static const struct tap_test tests[] = {
	TAP_TEST(both_work_at_the_same_time),
	TAP_TEST(memory_goes_from_one_to_the_other),
	TAP_TEST(reset_of_one_leaves_the_other_alone),
	TAP_TEST(each_has_its_own_contexts),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
