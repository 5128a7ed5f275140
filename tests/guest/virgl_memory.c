// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that changes under a submission: it goes home, is evicted, unmapped, moved, copied by a fork, or fought over.
 * A submission sees each page before or after, or ends with a fault; no other memory is ever touched.
 *
 * RUN-DEFAULT: --vram 16M
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/tap.h"

#define BYTES tap_size(2 * MIB, MIB)	/* of a vector */
#define FLOATS (BYTES / sizeof(float))
#define FACTOR 3

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;
static struct saxpy s;
static float *x, *y;
static unsigned int seed = 0x5eed0030;

static void open_with_vectors(void)
{
	render_open(&gpu, 0, &v);
	saxpy_open(&s, &v, FLOATS);
	x = map_anon(BYTES);
	y = map_anon(BYTES);
}

static void submit(void)
{
	virgl_job_clear(&job);
	saxpy_add(&s, &job, FACTOR, x, y, FLOATS);
	expect_int(virgl_submit(&v, &job), ==, 0);
}

static void nap_some_time(unsigned int most_us)
{
	nap_us(rand_r(&seed) % most_us);
}

/* ---- it moves ---- */

static volatile bool stop;

static void *move_about(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; !stop; i++) {
		float *which = i & 1 ? x : y;

		expect_int(svm_prefetch(&gpu, which, BYTES, i & 2 ? gpu.id : 0), ==, 0);
		nap_us(10000);
	}
	return NULL;
}

static void memory_migrates_in_the_middle_of_submissions(void)
{
	pthread_t thread;
	unsigned int faults = 0, rounds = tap_rounds(8);

	open_with_vectors();
	expect(!pthread_create(&thread, NULL, move_about, NULL), "pthread_create");
	for (unsigned int i = 0; i < rounds; i++) {
		saxpy_fill(x, y, FLOATS);
		submit();
		render_wait(&v, &job, HGPU_VIRGL_OK);
		faults += job.result.faults;
		saxpy_check(FACTOR, x, y, FLOATS);
	}
	stop = true;
	pthread_join(thread, NULL);
	diag("%u submissions took %u retry faults", rounds, faults);
}

static void *touch_pages(void *arg)
{
	unsigned int mine = 1;

	(void)arg;
	while (!stop)
		__atomic_load_n((uint32_t *)x + rand_r(&mine) % FLOATS, __ATOMIC_RELAXED);
	return NULL;
}

static void cpu_fetches_pages_in_the_middle_of_submissions(void)
{
	unsigned int rounds = tap_rounds(10);
	pthread_t thread;

	open_with_vectors();
	saxpy_fill(x, y, FLOATS);
	expect(!pthread_create(&thread, NULL, touch_pages, NULL), "pthread_create");
	for (unsigned int i = 0; i < rounds; i++) {
		saxpy_fill(x, y, FLOATS);
		submit();
		render_wait(&v, &job, HGPU_VIRGL_OK);
		saxpy_check(FACTOR, x, y, FLOATS);
	}
	stop = true;
	pthread_join(thread, NULL);
}

/* More than VRAM holds: what one submission brings in, another's memory goes out for. */
static void memory_is_evicted_in_the_middle_of_submissions(void)
{
	enum { MAX = 12 };
	unsigned int rounds = tap_rounds(4), pairs = tap_size(24 * MIB, 18 * MIB) / (2 * BYTES);
	static struct virgl_job jobs[MAX];
	float *xs[MAX], *ys[MAX];
	struct stats before;

	open_with_vectors();
	for (unsigned int i = 0; i < pairs; i++) {
		xs[i] = map_anon(BYTES);
		ys[i] = map_anon(BYTES);
		saxpy_fill(xs[i], ys[i], FLOATS);
	}
	stats_read(&before, 0);
	for (unsigned int round = 0; round < rounds; round++) {
		for (unsigned int i = 0; i < pairs; i++) {
			virgl_job_clear(&jobs[i]);
			saxpy_add(&s, &jobs[i], FACTOR, xs[i], ys[i], FLOATS);
			expect_int(virgl_submit(&v, &jobs[i]), ==, 0);
		}
		for (unsigned int i = 0; i < pairs; i++)
			render_wait(&v, &jobs[i], HGPU_VIRGL_OK);
		for (unsigned int i = 0; i < pairs; i++) {
			saxpy_check(FACTOR, xs[i], ys[i], FLOATS);
			saxpy_fill(xs[i], ys[i], FLOATS);
		}
	}
	diag("%lu pages were evicted", stats_since(&before, "pages_evicted"));
	expect_int(stats_since(&before, "pages_evicted"), >, 0);
}

/* ---- it goes away ---- */

static void either_done_or_a_fault(const char *what, unsigned int counted[2])
{
	expect_int(virgl_wait(&v, &job, now_ns() + 60000000000ll * tap_patience()), ==, 0);
	if (job.result.status != HGPU_VIRGL_OK && job.result.status != HGPU_VIRGL_FAULT)
		fail("after %s: %s", what, virgl_status(job.result.status));
	counted[job.result.status == HGPU_VIRGL_FAULT]++;
}

/* What was there and is not any more cannot be had, wherever its pages are now. */
static void expect_nothing_at(float *at)
{
	float *had = y;

	y = at;
	submit();
	render_wait(&v, &job, HGPU_VIRGL_FAULT);
	y = had;
}

/* It gets the pages that were just freed, in RAM and in VRAM. */
static void fill_with_pages(void *memory)
{
	memset(memory, 0xa5, BYTES);
	expect_int(svm_prefetch(&gpu, memory, BYTES, gpu.id), ==, 0);
}

static void memory_is_unmapped_in_the_middle_of_submissions(void)
{
	unsigned int ended[2] = { 0 }, rounds = tap_rounds(30);
	uint32_t *other;
	char *behind;

	open_with_vectors();
	diag("seed %#x", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		saxpy_fill(x, y, FLOATS);
		other = map_anon(BYTES);	/* at another address */
		submit();
		nap_some_time(30000);
		munmap(i & 1 ? x : y, BYTES);
		/* what comes to lie there is somebody else's */
		behind = mmap(i & 1 ? x : y, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		expect(behind == (char *)(i & 1 ? x : y), "mmap");
		munmap(behind, BYTES);
		fill_with_pages(other);
		either_done_or_a_fault("munmap", ended);
		value_check(other, BYTES, 0xa5a5a5a5);
		munmap(other, BYTES);
		munmap(x, BYTES);
		munmap(y, BYTES);
		x = map_anon(BYTES);
		y = map_anon(BYTES);
	}
	diag("%u were done, %u had a fault", ended[0], ended[1]);
	munmap(y, BYTES);
	expect_nothing_at(y);
	y = map_anon(BYTES);
	saxpy_fill(x, y, FLOATS);
	submit();
	render_wait(&v, &job, HGPU_VIRGL_OK);
	saxpy_check(FACTOR, x, y, FLOATS);
}

static void memory_is_moved_in_the_middle_of_submissions(void)
{
	unsigned int ended[2] = { 0 }, rounds = tap_rounds(20);
	float *moved, *old;

	open_with_vectors();
	diag("seed %#x", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		float **which = i & 1 ? &x : &y;

		saxpy_fill(x, y, FLOATS);
		submit();
		nap_some_time(30000);
		old = *which;
		moved = mremap(old, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, map_anon(BYTES));
		expect(moved != MAP_FAILED, "mremap");
		either_done_or_a_fault("mremap", ended);
		*which = moved;
		for (size_t k = 0; k < FLOATS; k += 509)
			if (x[k] != saxpy_x(k))
				fail("x[%zu] is %a after a move, and was %a", k, x[k], saxpy_x(k));
		if (job.result.status == HGPU_VIRGL_OK)
			saxpy_check(FACTOR, x, y, FLOATS);
		expect_nothing_at(old);
	}
	diag("%u were done, %u had a fault", ended[0], ended[1]);
}

/* ---- it is shared ---- */

static void look_at_the_old_contents(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < FLOATS; i++)
		if (x[i] != saxpy_x(i))
			fail("the child's x[%zu] is %a, expected %a", i, x[i], saxpy_x(i));
}

/* The child has x as it was; y as of some moment; what the GPU writes afterwards is its parent's. */
static void process_forks_in_the_middle_of_submissions(void)
{
	unsigned int rounds = tap_rounds(8);

	open_with_vectors();
	diag("seed %#x", seed);
	for (unsigned int i = 0; i < rounds; i++) {
		int pid;

		saxpy_fill(x, y, FLOATS);
		submit();
		nap_some_time(30000);
		pid = tap_fork(look_at_the_old_contents, NULL);
		render_wait(&v, &job, HGPU_VIRGL_OK);
		saxpy_check(FACTOR, x, y, FLOATS);
		memset(x, 0xee, BYTES);
		tap_join(pid);
	}
}

static void two_of_them(void *arg)
{
	unsigned int rounds = tap_rounds(10);

	(void)arg;
	open_with_vectors();
	for (unsigned int i = 0; i < rounds; i++) {
		saxpy_fill(x, y, FLOATS);
		submit();
		render_wait(&v, &job, HGPU_VIRGL_OK);
		saxpy_check(FACTOR, x, y, FLOATS);
	}
}

static void two_processes_share_the_engine(void)
{
	int first, second;

	render_wanted();
	first = tap_fork(two_of_them, NULL);
	second = tap_fork(two_of_them, NULL);
	tap_join(first);
	tap_join(second);
}

/* The engine and the SDMA engines read the same pages: each goes on while the other waits for a fault. */
static void sdma_works_on_the_same_memory(void)
{
	unsigned int rounds = tap_rounds(6);
	char *copy = map_anon(BYTES);
	struct queue q;

	open_with_vectors();
	queue_create(&q, &gpu, 64 << 10);
	for (unsigned int i = 0; i < rounds; i++) {
		saxpy_fill(x, y, FLOATS);
		memset(copy, 0, BYTES);
		submit();
		queue_copy(&q, copy, x, BYTES);
		queue_run(&q);
		render_wait(&v, &job, HGPU_VIRGL_OK);
		saxpy_check(FACTOR, x, y, FLOATS);
		expect(!memcmp(copy, x, BYTES), "the copy of x differs");
	}
	queue_destroy(&q);
}

/* Its memory stays until the submission is done with it: a fault of the same submission must not wait for that. */
static void buffer_is_freed_in_the_middle_of_a_submission(void)
{
	char *at = (char *)0x200000000000, *filler = map_anon(16 * MIB), *ram = map_anon(8 * MIB);
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
	struct virgl_buffer first, rest;
	long long begun;

	render_open(&gpu, 0, &v);
	expect_int(gpu_alloc(&gpu, at, 2 * MIB, KFD_IOC_ALLOC_MEM_FLAGS_VRAM, &a), ==, 0);
	expect_int(gpu_map(&gpu, a.handle), ==, 0);
	expect_int(svm_prefetch(&gpu, filler, 16 * MIB, gpu.id), ==, 0);	/* VRAM is full */
	memset(ram, 1, 8 * MIB);
	expect_int(virgl_buffer(&v, &first, HGPU_VIRGL_BIND_SHADER_BUFFER, PAGE), ==, 0);
	expect_int(virgl_buffer(&v, &rest, HGPU_VIRGL_BIND_SHADER_BUFFER, 8 * MIB), ==, 0);
	virgl_job_clear(&job);
	render_nothing(&job);
	virgl_in(&job, &first, at, PAGE);
	virgl_in(&job, &rest, ram, 8 * MIB);

	begun = now_ms();
	expect_int(virgl_submit(&v, &job), ==, 0);
	expect(wait_until(where_is(ram, PAGE).device, 5000), "the second row is not begun");
	expect_int(gpu_unmap(&gpu, a.handle), ==, 0);
	expect_int(gpu_free(&gpu, a.handle), ==, 0);
	render_wait(&v, &job, HGPU_VIRGL_OK);
	expect_int(now_ms() - begun, <, 10000 * tap_patience());	/* TTM would wait 15 s for each granule */
	render_works(&v);
}

static const struct tap_test tests[] = {
	TAP_TEST(memory_migrates_in_the_middle_of_submissions),
	TAP_TEST(cpu_fetches_pages_in_the_middle_of_submissions),
	TAP_TEST(memory_is_evicted_in_the_middle_of_submissions),
	TAP_TEST(memory_is_unmapped_in_the_middle_of_submissions),
	TAP_TEST(memory_is_moved_in_the_middle_of_submissions),
	TAP_TEST(process_forks_in_the_middle_of_submissions),
	TAP_TEST(two_processes_share_the_engine),
	TAP_TEST(sdma_works_on_the_same_memory),
	TAP_TEST(buffer_is_freed_in_the_middle_of_a_submission),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
