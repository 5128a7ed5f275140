// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What goes wrong with a submission: a broken stream loses its context, and no other; wrong memory and wrong rows of
 * the table fail the one submission.
 *
 * RUN-DEFAULT: --device virgl-timeout=3000
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/shaders.h"
#include "lib/tap.h"

enum { BOUND = HGPU_VIRGL_BIND_SHADER_BUFFER, FLOATS = 16 << 10, SMALL = 4096 };

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;

/* ---- streams ---- */

static void open_beside_another(struct virgl *other)
{
	render_open(&gpu, 0, &v);
	render_context(other, gpu.drm);
}

static void lose_by_stream(void)
{
	struct virgl other;

	open_beside_another(&other);
	render_run_into(&v, &job, HGPU_VIRGL_BAD_STREAM);
	render_works(&other);
	render_is_lost(&gpu, &v);
	render_works(&other);
}

static void unknown_command_loses_its_context_and_no_other(void)
{
	hgpu_stream_dw(&job.stream, HGPU_VIRGL_CMD(200, 0, 0));
	lose_by_stream();
}

static void cut_off_command_loses_its_context(void)
{
	hgpu_stream_dw(&job.stream, HGPU_VIRGL_CMD(HGPU_VIRGL_LAUNCH_GRID, 0, 8));
	hgpu_stream_dw(&job.stream, 1);
	lose_by_stream();
}

static void shader_that_is_no_shader_loses_its_context(void)
{
	struct virgl nobody = { 0 };

	hgpu_stream_bind_shader(&job.stream, virgl_shader(&nobody, &job, HGPU_VIRGL_COMPUTE, 0, "COMP\nnonsense\n"),
				HGPU_VIRGL_COMPUTE);
	lose_by_stream();
}

static void resource_that_is_not_there_loses_its_context(void)
{
	hgpu_stream_shader_buffers(&job.stream, HGPU_VIRGL_COMPUTE, &(struct hgpu_shader_buffer){ 0, 64, 77 }, 1);
	lose_by_stream();
}

static void shader_buffer_outside_its_resource_loses_its_context(void)
{
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	expect_int(virgl_buffer(&v, &b, BOUND, SMALL), ==, 0);
	hgpu_stream_shader_buffers(&job.stream, HGPU_VIRGL_COMPUTE,
				   &(struct hgpu_shader_buffer){ SMALL, 16, b.handle }, 1);
	render_run_into(&v, &job, HGPU_VIRGL_BAD_STREAM);
	render_is_lost(&gpu, &v);
}

static void nothing_of_a_broken_stream_is_copied_out(void)
{
	uint32_t *memory = map_anon(SMALL);
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	expect_int(virgl_buffer(&v, &b, BOUND, SMALL), ==, 0);
	memset(memory, 0xee, SMALL);
	virgl_out(&job, &b, memory, SMALL);
	hgpu_stream_dw(&job.stream, HGPU_VIRGL_CMD(200, 0, 0));
	render_run_into(&v, &job, HGPU_VIRGL_BAD_STREAM);
	value_check(memory, SMALL, 0xeeeeeeee);
}

/* Mutations of a stream that is all right: whatever becomes of each, the next context works. */
static void mutated_streams_do_no_harm(void)
{
	float *x = malloc(FLOATS * sizeof(float)), *y = malloc(FLOATS * sizeof(float));
	unsigned int lost = 0, rounds = tap_rounds(40), seed = 0x5eed0020;
	struct virgl other;

	open_beside_another(&other);
	saxpy_fill(x, y, FLOATS);
	diag("seed %#x", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		struct saxpy s;

		saxpy_open(&s, &v, FLOATS);
		virgl_job_clear(&job);
		s.shader = virgl_shader(&v, &job, HGPU_VIRGL_COMPUTE, 0, saxpy_tgsi);
		saxpy_add(&s, &job, 3, x, y, FLOATS);
		for (int change = rand_r(&seed) % 3; change >= 0; change--) {
			/* as often behind the shader, which is most of it */
			uint32_t all = job.stream.count, some = rand_r(&seed) & 1 ? all : 32;

			job.stream.dw[all - 1 - rand_r(&seed) % some] ^= 1u << rand_r(&seed) % 32;
		}
		expect_int(virgl_submit(&v, &job), ==, 0);
		expect_int(virgl_wait(&v, &job, VIRGL_FOREVER), ==, 0);
		if (job.result.status == HGPU_VIRGL_OK) {
			saxpy_close(&s);
			continue;
		}
		lost++;
		expect_int(virgl_close(&v), ==, 0);
		render_context(&v, gpu.drm);
	}
	diag("%u of %u were harmful to their context", lost, rounds);
	expect_int(lost, >, 0);
	render_works(&v);
	render_works(&other);
}

/* ---- memory ---- */

static void expect_fault_at(const void *at, unsigned int row)
{
	render_run_into(&v, &job, HGPU_VIRGL_FAULT);
	expect_int(job.result.fault_addr & ~(PAGE - 1), ==, (uintptr_t)at);
	expect_int(job.result.row, ==, row);
	render_works(&v);
}

static void memory_that_is_not_there_is_a_fault_of_that_submission(void)
{
	char *memory = map_anon(4 * PAGE), *good = map_anon(PAGE);
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	munmap(memory + 2 * PAGE, PAGE);
	expect_int(virgl_buffer(&v, &b, BOUND, 4 * PAGE), ==, 0);
	render_nothing(&job);
	virgl_in(&job, &b, good, PAGE);
	virgl_in(&job, &b, memory, 4 * PAGE);
	expect_fault_at(memory + 2 * PAGE, 1);
}

static void read_two_pages(const struct virgl_buffer *b, const void *memory)
{
	virgl_job_clear(&job);
	render_nothing(&job);
	virgl_in(&job, b, memory, 2 * PAGE);
	render_run(&v, &job);
	virgl_job_clear(&job);
}

static void memory_that_must_not_be_written_is_a_fault(void)
{
	char *memory = map_anon(2 * PAGE);
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	memset(memory, 0xee, 2 * PAGE);
	mprotect(memory + PAGE, PAGE, PROT_READ);
	expect_int(virgl_buffer(&v, &b, BOUND, 2 * PAGE), ==, 0);
	/* what was read is mapped, and must not be for writing */
	read_two_pages(&b, memory);
	render_nothing(&job);
	virgl_out(&job, &b, memory, 2 * PAGE);
	expect_fault_at(memory + PAGE, 0);
	value_check(memory + PAGE, PAGE, 0xeeeeeeee);
	read_two_pages(&b, memory);
}

static void kernel_memory_is_a_fault(void)
{
	static const uint64_t addresses[] = { 0, 0xffff888000000000, 0x7ffffffff000, 1ull << 47, ~0xfffull };
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	expect_int(virgl_buffer(&v, &b, BOUND, SMALL), ==, 0);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		int error;

		virgl_job_clear(&job);
		render_nothing(&job);
		virgl_inout(&job, &b, (void *)addresses[i], SMALL);
		error = virgl_submit(&v, &job);
		if (error)
			expect_int(error, ==, -EINVAL);
		else
			render_wait(&v, &job, HGPU_VIRGL_FAULT);
	}
	render_works(&v);
}

static void stream_that_is_not_there_is_a_fault(void)
{
	struct drm_hmm_gpu_virgl_submit args = { .stream_dw = 16 };
	char *memory = map_anon(2 * PAGE);

	render_open(&gpu, 0, &v);
	munmap(memory + PAGE, PAGE);
	args.context = v.context;
	args.stream = (uintptr_t)memory + PAGE - 16;
	expect_int(ioctl(gpu.drm, DRM_IOCTL_HMM_GPU_VIRGL_SUBMIT, &args), ==, 0);
	job.sequence = args.sequence;
	render_wait(&v, &job, HGPU_VIRGL_FAULT);
	expect_int(job.result.fault_addr & ~(PAGE - 1), ==, (uintptr_t)memory + PAGE);
	render_works(&v);
}

/* ---- the process's queues ---- */

/* What a queue did wrong stops queues: neither a submission on its way nor one that comes later. */
static void exception_of_a_queue_is_nothing_to_contexts(void)
{
	enum { MANY = 1 << 20 };
	float *x = map_anon(MANY * 4), *y = map_anon(MANY * 4);
	char *nowhere = map_anon(PAGE);
	struct saxpy s;
	struct queue q;

	munmap(nowhere, PAGE);
	render_open(&gpu, 0, &v);
	queue_create(&q, &gpu, 4096);
	saxpy_open(&s, &v, MANY);
	saxpy_fill(x, y, MANY);
	saxpy_add(&s, &job, 3, x, y, MANY);
	queue_write32(&q, nowhere, 1);
	expect_int(virgl_submit(&v, &job), ==, 0);
	queue_run_into_fault(&q);
	render_wait(&v, &job, HGPU_VIRGL_OK);
	saxpy_check(3, x, y, MANY);
	render_works(&v);
	render_new_works(&gpu);
	queue_destroy(&q);
}

static void fault_of_a_submission_is_nothing_to_queues(void)
{
	uint64_t halts = stat_now("gpu_faults_noretry");
	char *memory = map_anon(2 * PAGE);
	struct virgl_buffer b;
	struct queue q;

	render_open(&gpu, 0, &v);
	queue_create(&q, &gpu, 4096);
	munmap(memory + PAGE, PAGE);
	expect_int(virgl_buffer(&v, &b, BOUND, 2 * PAGE), ==, 0);
	render_nothing(&job);
	virgl_in(&job, &b, memory, 2 * PAGE);
	render_run_into(&v, &job, HGPU_VIRGL_FAULT);
	queue_write32(&q, memory, 0x600d);
	queue_run(&q);
	expect_int(*(uint32_t *)memory, ==, 0x600d);
	expect_int(stat_now("gpu_faults_noretry"), ==, halts);
	queue_destroy(&q);
}

/* The page that was denied is one of 512 that one entry maps. */
static void denied_page_of_a_buffer_is_the_only_one(void)
{
	char *at = (char *)0x200000000000, *copy = map_anon(4 * MIB);
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
	struct virgl_buffer b;
	struct queue q;

	render_open(&gpu, 0, &v);
	queue_create(&q, &gpu, 4096);
	expect_int(gpu_alloc(&gpu, at, 4 * MIB, KFD_IOC_ALLOC_MEM_FLAGS_VRAM, &a), ==, 0);	/* may be read */
	expect_int(gpu_map(&gpu, a.handle), ==, 0);
	expect_int(virgl_buffer(&v, &b, BOUND, PAGE), ==, 0);
	render_nothing(&job);
	virgl_inout(&job, &b, at + MIB, PAGE);
	expect_fault_at(at + MIB, 0);

	for (int i = 0; i < 2; i++) {	/* and when it is allowed again */
		memset(copy, 0xee, 4 * MIB);
		queue_copy(&q, copy, at, i ? 4 * MIB : MIB);
		queue_copy(&q, copy + MIB + PAGE, at + MIB + PAGE, 3 * MIB - PAGE);
		queue_run(&q);
		value_check(copy, i ? 4 * MIB : MIB, 0);
		value_check(copy + MIB + PAGE, 3 * MIB - PAGE, 0);
		queue_destroy(&q);
		queue_create(&q, &gpu, 4096);
	}
	queue_destroy(&q);
	expect_int(gpu_unmap(&gpu, a.handle), ==, 0);
	expect_int(gpu_free(&gpu, a.handle), ==, 0);
}

/* ---- tables ---- */

/* The row comes behind another one, which is all right. */
static struct drm_hmm_gpu_virgl_range good_row;

static void submit_row(const char *what, struct drm_hmm_gpu_virgl_range row, int error, uint32_t status)
{
	int got;

	virgl_job_clear(&job);
	render_nothing(&job);
	job.range[job.ranges++] = good_row;
	job.range[job.ranges++] = row;
	got = virgl_submit(&v, &job);
	if (got != error)
		fail("{ %s }: SUBMIT gives %d, expected %d", what, got, error);
	if (error)
		return;
	expect_int(virgl_wait(&v, &job, VIRGL_FOREVER), ==, 0);
	if (job.result.status != status || job.result.row != (status != HGPU_VIRGL_OK))
		fail("{ %s }: \"%s\" of row %u, expected \"%s\"", what, virgl_status(job.result.status), job.result.row,
		     virgl_status(status));
}

/* A row that is all right, with something changed. */
#define ROW(...) ((struct drm_hmm_gpu_virgl_range){ .resource = b.handle, .flags = HMM_GPU_VIRGL_RANGE_IN, \
	.w = SMALL, .h = 1, .d = 1, .addr = (uintptr_t)memory, .size = SMALL, __VA_ARGS__ })
#define WITH(...) #__VA_ARGS__, ROW(__VA_ARGS__)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static void wrong_rows_are_refused_and_the_context_stays(void)
{
	void *memory = map_anon(2 * SMALL);
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	expect_int(virgl_buffer(&v, &b, BOUND, SMALL), ==, 0);
	good_row = ROW();
	submit_row(WITH(), 0, HGPU_VIRGL_OK);
	submit_row(WITH(.flags = 0), -EINVAL, 0);
	submit_row(WITH(.flags = 4), -EINVAL, 0);
	submit_row(WITH(.flags = 1u << 31 | 1), -EINVAL, 0);
	submit_row(WITH(.pad = 1), -EINVAL, 0);
	submit_row(WITH(.addr = -1024ull), -EINVAL, 0);
	submit_row(WITH(.size = HGPU_VIRGL_STAGING + PAGE), -E2BIG, 0);
	submit_row(WITH(.resource = 999), 0, HGPU_VIRGL_NO_RESOURCE);
	submit_row(WITH(.x = 1), 0, HGPU_VIRGL_BAD_TRANSFER);
	submit_row(WITH(.w = SMALL + 1, .size = SMALL + 1), 0, HGPU_VIRGL_BAD_TRANSFER);
	submit_row(WITH(.size = SMALL - 1), 0, HGPU_VIRGL_BAD_TRANSFER);
	submit_row(WITH(.size = SMALL + 1), 0, HGPU_VIRGL_BAD_TRANSFER);
	submit_row(WITH(.level = 1), 0, HGPU_VIRGL_BAD_TRANSFER);
	submit_row(WITH(.h = 2), 0, HGPU_VIRGL_BAD_TRANSFER);
	submit_row(WITH(.d = 0), -EINVAL, 0);
	submit_row(WITH(.w = ~0u), 0, HGPU_VIRGL_BAD_TRANSFER);
	render_works(&v);
}
#pragma GCC diagnostic pop

static void tables_and_streams_have_their_bounds(void)
{
	void *memory = map_anon(SMALL);
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	expect_int(virgl_buffer(&v, &b, BOUND, SMALL), ==, 0);
	render_nothing(&job);
	for (unsigned int i = 0; i < HGPU_VIRGL_RANGES; i++)
		virgl_inout(&job, &b, memory, SMALL);
	render_run(&v, &job);
	virgl_in(&job, &b, memory, SMALL);
	expect_int(virgl_submit(&v, &job), ==, -E2BIG);

	/* five of 64 MiB each, one too many; the memory does not matter */
	virgl_job_clear(&job);
	render_nothing(&job);
	for (int i = 0; i < 5; i++)
		virgl_in(&job, &b, memory, 64 * MIB);
	expect_int(virgl_submit(&v, &job), ==, -E2BIG);

	virgl_job_clear(&job);
	expect_int(virgl_submit(&v, &job), ==, -EINVAL);	/* empty */
	while (job.stream.count <= HGPU_VIRGL_STREAM_DW)
		render_nothing(&job);
	job.stream.count = HGPU_VIRGL_STREAM_DW + 1;
	expect_int(virgl_submit(&v, &job), ==, -E2BIG);
	job.stream.count = HGPU_VIRGL_STREAM_DW;
	render_run(&v, &job);
	render_works(&v);
}

static const struct tap_test tests[] = {
	TAP_TEST(unknown_command_loses_its_context_and_no_other),
	TAP_TEST(cut_off_command_loses_its_context),
	TAP_TEST(shader_that_is_no_shader_loses_its_context),
	TAP_TEST(resource_that_is_not_there_loses_its_context),
	TAP_TEST(shader_buffer_outside_its_resource_loses_its_context),
	TAP_TEST(nothing_of_a_broken_stream_is_copied_out),
	TAP_TEST(mutated_streams_do_no_harm),
	TAP_TEST(memory_that_is_not_there_is_a_fault_of_that_submission),
	TAP_TEST(memory_that_must_not_be_written_is_a_fault),
	TAP_TEST(kernel_memory_is_a_fault),
	TAP_TEST(stream_that_is_not_there_is_a_fault),
	TAP_TEST(exception_of_a_queue_is_nothing_to_contexts),
	TAP_TEST(fault_of_a_submission_is_nothing_to_queues),
	TAP_TEST(denied_page_of_a_buffer_is_the_only_one),
	TAP_TEST(wrong_rows_are_refused_and_the_context_stays),
	TAP_TEST(tables_and_streams_have_their_bounds),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
