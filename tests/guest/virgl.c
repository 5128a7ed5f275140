// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shaders on malloc'ed memory: saxpy, sums and a scene, whose pages start in RAM, in VRAM, mixed or nowhere. What
 * they took in faults and migrations is counted by the driver; where pages are is the kernel's word.
 *
 * RUN-DEFAULT:
 * RUN-DEFAULT: --iommu
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/scene.h"
#include "lib/shaders.h"
#include "lib/tap.h"

#define FLOATS (2 * MIB)
#define BYTES (FLOATS * sizeof(float))
#define FACTOR 1.7f

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;
static struct stats before;

/*
 * Malloc'ed, at an address that is aligned to 16 and nothing else. Pages of the granules before and behind it belong
 * to nobody, or the C library's own data would take ours home as often as it is touched.
 */
static void *allocate(size_t bytes)
{
	char *at = malloc(bytes + 3 * GRANULE);

	expect(at, "malloc of %zu bytes", bytes);
	return (char *)(((uintptr_t)at + GRANULE - 1) & ~(GRANULE - 1)) + 48;
}

/* The whole pages within. */
static char *pages_of(const void *at)
{
	return (char *)(((uintptr_t)at + PAGE - 1) & ~(PAGE - 1));
}

static size_t pages_bytes(const void *at, size_t bytes)
{
	return ((uintptr_t)at + bytes - (uintptr_t)pages_of(at)) & ~(PAGE - 1);
}

static void move(const void *at, size_t bytes, uint32_t location)
{
	expect_int(svm_prefetch(&gpu, pages_of(at), pages_bytes(at, bytes), location), ==, 0);
}

static void expect_all_in_vram(const void *at, size_t bytes)
{
	expect_in_vram(pages_of(at), pages_bytes(at, bytes));
}

/* ---- how memory starts ---- */

static void in_ram(const void *at, size_t bytes)
{
	move(at, bytes, 0);
	expect_in_ram(pages_of(at), pages_bytes(at, bytes));
}

static void in_vram(const void *at, size_t bytes)
{
	move(at, bytes, gpu.id);
	expect_all_in_vram(at, bytes);
}

/* Quarters, in turn: the first and third in VRAM. */
static void mixed(const void *at, size_t bytes)
{
	const char *start = pages_of(at);
	size_t quarter = pages_bytes(at, bytes) / 4 & ~(PAGE - 1);
	struct where w;

	for (int i = 0; i < 4; i++)
		expect_int(svm_prefetch(&gpu, start + i * quarter, quarter, i % 2 ? 0 : gpu.id), ==, 0);
	w = where_is(start, pages_bytes(at, bytes));
	expect_int(w.device, >=, 2 * quarter / PAGE);
	expect_int(w.present, >=, 2 * quarter / PAGE);
}

static void start_counting(void)
{
	stats_read(&before, 0);
}

static void tell(const char *what)
{
	diag("%s: %u retry faults of the engine, %lu GPU faults, %lu pages to VRAM, %lu CPU faults, %lu pages back; "
	     "in %llu us, rendering %llu us, out %llu us", what, job.result.faults, stats_since(&before, "gpu_faults"),
	     stats_since(&before, "pages_to_vram"), stats_since(&before, "cpu_faults"),
	     stats_since(&before, "pages_to_ram"), (unsigned long long)job.result.in_ns / 1000,
	     (unsigned long long)job.result.render_ns / 1000, (unsigned long long)job.result.out_ns / 1000);
}

/* ---- saxpy ---- */

static void saxpy_of(const char *what, void (*place)(const void *, size_t))
{
	float *x = allocate(BYTES), *y = allocate(BYTES);
	struct saxpy s;

	render_open(&gpu, 0, &v);
	saxpy_open(&s, &v, FLOATS);
	saxpy_fill(x, y, FLOATS);
	place(x, BYTES);
	place(y, BYTES);
	saxpy_add(&s, &job, FACTOR, x, y, FLOATS);
	start_counting();
	render_run(&v, &job);
	expect_int(job.result.in_bytes, ==, 2 * BYTES);
	expect_int(job.result.out_bytes, ==, BYTES);
	expect_all_in_vram(x, BYTES);
	expect_all_in_vram(y, BYTES);
	saxpy_check(FACTOR, x, y, FLOATS);
	tell(what);
	if (place == in_vram) {
		expect_int(stats_since(&before, "pages_to_vram"), <, BYTES / PAGE);	/* the stream, what is beside */
	} else {
		expect_int(job.result.faults, >, 0);
		expect_int(stats_since(&before, "pages_to_vram"), >=, BYTES / PAGE);
	}
	expect_int(stats_since(&before, "cpu_faults"), >, 0);
	expect_int(stats_since(&before, "pages_to_ram"), >=, 2 * pages_bytes(x, BYTES) / PAGE - 1);
}

static void saxpy_on_memory_in_ram(void)
{
	saxpy_of("from RAM", in_ram);
}

static void saxpy_on_memory_in_vram(void)
{
	saxpy_of("from VRAM", in_vram);
}

static void saxpy_on_memory_in_both(void)
{
	saxpy_of("from both", mixed);
}

/* x has never been touched, so that it is 0 everywhere; what becomes of y may be written to nowhere, too. */
static void memory_that_nobody_has_touched_is_zero(void)
{
	float *x = map_anon(4 * MIB), *y = map_anon(4 * MIB);
	const size_t floats = 4 * MIB / sizeof(float);
	struct saxpy s;

	render_open(&gpu, 0, &v);
	saxpy_open(&s, &v, floats);
	saxpy_add(&s, &job, FACTOR, x, y, floats);
	start_counting();
	render_run(&v, &job);
	tell("from nowhere");
	value_check(x, 4 * MIB, 0);
	value_check(y, 4 * MIB, 0);
}

/* The same context over and over: each submission sees what the one before it left, without a wait in between. */
static void submissions_of_a_context_run_in_order(void)
{
	enum { N = 20, SMALL = 64 << 10 };
	static struct virgl_job jobs[N];
	float *x = allocate(SMALL * 4), *y = allocate(SMALL * 4);
	struct saxpy s;

	render_open(&gpu, 0, &v);
	saxpy_open(&s, &v, SMALL);
	for (size_t i = 0; i < SMALL; i++) {
		x[i] = i;
		y[i] = 1;
	}
	for (int i = 0; i < N; i++) {
		saxpy_add(&s, &jobs[i], 1, x, y, SMALL);
		expect_int(virgl_submit(&v, &jobs[i]), ==, 0);
		expect_int(jobs[i].sequence, ==, jobs[0].sequence + i);
	}
	for (int i = 0; i < N; i++)
		render_wait(&v, &jobs[i], HGPU_VIRGL_OK);
	for (size_t i = 0; i < SMALL; i++)
		if (y[i] != 1 + (float)N * i)
			fail("y[%zu] is %g, expected %g", i, y[i], 1 + (float)N * i);
}

/* ---- sums ---- */

static void sum_of(const char *what, void (*place)(const void *, size_t))
{
	enum { N = 2 << 20, BLOCKS = N / SUM_BLOCK };
	uint32_t *x = allocate(N * 4), *sums = allocate(BLOCKS * 4), wanted = 0, got = 0;
	struct virgl_buffer in, out;
	const struct virgl_buffer *const buffers[] = { &in, &out };

	render_open(&gpu, 0, &v);
	expect_int(virgl_buffer(&v, &in, HGPU_VIRGL_BIND_SHADER_BUFFER, N * 4), ==, 0);
	expect_int(virgl_buffer(&v, &out, HGPU_VIRGL_BIND_SHADER_BUFFER, BLOCKS * 4), ==, 0);
	pattern_fill(x, N * 4, 0x5eed0010);
	for (size_t i = 0; i < N; i++)
		wanted += x[i];
	memset(sums, 0xff, BLOCKS * 4);
	place(x, N * 4);
	virgl_in(&job, &in, x, N * 4);
	virgl_out(&job, &out, sums, BLOCKS * 4);
	virgl_dispatch(&job, virgl_shader(&v, &job, HGPU_VIRGL_COMPUTE, SUM_SHARED, sum_tgsi), buffers, 2, NULL, 0,
		       BLOCKS, 1, 1);
	start_counting();
	render_run(&v, &job);
	for (size_t i = 0; i < BLOCKS; i++)
		got += sums[i];
	tell(what);
	expect_int(got, ==, wanted);
	pattern_check(x, N * 4, 0x5eed0010);
}

static void sum_of_memory_in_ram(void)
{
	sum_of("from RAM", in_ram);
}

static void sum_of_memory_in_vram(void)
{
	sum_of("from VRAM", in_vram);
}

static void sum_of_memory_in_both(void)
{
	sum_of("from both", mixed);
}

/* ---- the scene ---- */

static void expect_scene(const uint8_t *picture)
{
	struct scene_difference d;

	expect_int(scene_compare(SCENE_REFERENCE, picture, &d), ==, 0);
	diag("difference from the reference: at most %u, mean %.3f, above 4 in %u of %d squares", d.worst, d.mean,
	     d.squares, SCENE_SMALL_WIDTH * SCENE_SMALL_HEIGHT);
	expect(scene_is_right(&d), "that is another picture");
}

static void scene_is_drawn_from_and_into_malloced_memory(void)
{
	struct scene_vertex *vertices = allocate(scene_count() * sizeof(*vertices));
	uint8_t *texture = allocate(SCENE_TEXTURE_BYTES), *picture = allocate(SCENE_BYTES);
	struct scene scene;

	render_open(&gpu, 0, &v);
	expect_int(scene_open(&scene, &v), ==, 0);
	scene_vertices(vertices);
	scene_texture(texture);
	for (int round = 0; round < 2; round++) {	/* the second has no faults for its reads */
		memset(picture, 0xee, SCENE_BYTES);
		virgl_job_clear(&job);
		scene_draw(&scene, &job, vertices, texture, picture);
		start_counting();
		render_run(&v, &job);
		expect_all_in_vram(picture, SCENE_BYTES);
		expect_scene(picture);
		tell(round ? "again" : "scene");
		expect_int(stats_since(&before, "pages_to_ram"), >=, pages_bytes(picture, SCENE_BYTES) / PAGE);
	}
}

/* A part of a picture, into rows that are longer than it: nothing beside it is written. */
static void part_of_an_image_goes_into_a_larger_one(void)
{
	enum { X = 200, Y = 130, W = 100, H = 60, STRIDE = 1024 };
	struct scene_vertex *vertices = allocate(scene_count() * sizeof(*vertices));
	uint8_t *texture = allocate(SCENE_TEXTURE_BYTES), *picture = allocate(SCENE_BYTES), *part = allocate(H * STRIDE);
	struct scene scene;

	render_open(&gpu, 0, &v);
	expect_int(scene_open(&scene, &v), ==, 0);
	scene_vertices(vertices);
	scene_texture(texture);
	scene_draw(&scene, &job, vertices, texture, picture);
	job.range[job.ranges++] = (struct drm_hmm_gpu_virgl_range){
		.resource = scene.color.handle, .flags = HMM_GPU_VIRGL_RANGE_OUT, .stride = STRIDE,
		.x = X, .y = Y, .w = W, .h = H, .d = 1, .addr = (uintptr_t)part, .size = (H - 1) * STRIDE + W * 4,
	};
	memset(part, 0xee, H * STRIDE);
	render_run(&v, &job);
	for (unsigned int y = 0; y < H; y++) {
		expect(!memcmp(part + y * STRIDE, picture + 4 * ((Y + y) * SCENE_WIDTH + X), W * 4), "row %u differs", y);
		for (unsigned int i = W * 4; i < STRIDE; i++)
			expect_int(part[y * STRIDE + i], ==, 0xee);
	}
}

static const struct tap_test tests[] = {
	TAP_TEST(saxpy_on_memory_in_ram),
	TAP_TEST(saxpy_on_memory_in_vram),
	TAP_TEST(saxpy_on_memory_in_both),
	TAP_TEST(memory_that_nobody_has_touched_is_zero),
	TAP_TEST(submissions_of_a_context_run_in_order),
	TAP_TEST(sum_of_memory_in_ram),
	TAP_TEST(sum_of_memory_in_vram),
	TAP_TEST(sum_of_memory_in_both),
	TAP_TEST(scene_is_drawn_from_and_into_malloced_memory),
	TAP_TEST(part_of_an_image_goes_into_a_larger_one),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
