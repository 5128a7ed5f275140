// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random work on one buffer by CPU and GPU, with everything that can happen to memory in between, against a
 * copy that only the CPU touches. A second thread moves pages about meanwhile, which must not show.
 *
 * The seed is printed when a run fails; HGPU_STRESS_SEED repeats it (the other thread's timing it cannot).
 * HGPU_STRESS_SECONDS is the time of one test, 6 by default and 50 in long runs.
 *
 * RUN: --vram 16M
 * RUN: --swap 512M --mem 384M
 * RUN-LONG:
 * RUN-LONG: --iommu
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

enum { BYTES = 8 << 20, PAGES = BYTES / 4096, BLOCK_PAGES = 64 };

struct stress {
	struct gpu gpu;
	struct queue q;
	char *buf;		/* the memory under test; moves when it is remapped */
	char *check;		/* where the GPU copies parts for comparison */
	uint32_t *shadow;	/* what buf must hold */
	uint32_t seed, random;
	unsigned long steps;
	bool emitted;		/* the queue has packets that were not waited for */
	int child;		/* forked and not yet joined */
	pthread_mutex_t layout;	/* held by the other thread while it uses @buf */
	volatile bool stop;
};

static struct stress s;

static uint32_t rnd(uint32_t below)
{
	s.random = s.random * 1664525 + 1013904223;
	return (uint64_t)(s.random >> 4) * below >> 28;
}

/* A random span of whole pages, mostly short. */
struct span { size_t page, n; };

static struct span any_span(void)
{
	size_t n = 1 + rnd(rnd(4) ? 8 : rnd(8) ? 64 : 1000), page = rnd(PAGES - n);

	return (struct span){ page, n };
}

static char *at(struct span x) { return s.buf + x.page * PAGE; }
static uint32_t *shadow_at(struct span x) { return s.shadow + x.page * 1024; }

static void gpu_done(void)
{
	if (s.emitted)
		queue_run(&s.q);
	s.emitted = false;
}

/* ---- what changes the contents ---- */

static void cpu_writes(void)
{
	struct span x = any_span();
	uint32_t seed = s.random;

	gpu_done();
	pattern_fill(at(x), x.n * PAGE, seed);
	pattern_fill(shadow_at(x), x.n * PAGE, seed);
}

static void cpu_writes_a_word_in_each_page(void)
{
	struct span x = any_span();

	gpu_done();
	for (size_t i = 0; i < x.n; i++)
		((uint32_t *)at(x))[i * 1024 + 5] = shadow_at(x)[i * 1024 + 5] = s.random + i;
}

static void gpu_fills(void)
{
	struct span x = any_span();

	queue_fill(&s.q, at(x), s.random, x.n * PAGE);
	for (size_t i = 0; i < x.n * 1024; i++)
		shadow_at(x)[i] = s.random;
	s.emitted = true;
}

static void gpu_copies(void)
{
	struct span x = any_span(), y = { .page = rnd(PAGES - x.n), .n = x.n };

	if (y.page < x.page + x.n && x.page < y.page + y.n)
		return;	/* overlap is undefined */
	queue_copy(&s.q, at(y), at(x), x.n * PAGE);
	memcpy(shadow_at(y), shadow_at(x), x.n * PAGE);
	s.emitted = true;
}

static void gpu_adds(void)
{
	struct span x = any_span();

	for (size_t i = 0; i < x.n && i < 100; i++) {
		queue_atomic(&s.q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, at(x) + i * PAGE + 64, i + 3, 0);
		shadow_at(x)[i * 1024 + 16] += i + 3;
	}
	s.emitted = true;
}

static void memory_is_discarded(void)
{
	struct span x = any_span();

	gpu_done();
	expect(!madvise(at(x), x.n * PAGE, MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	memset(shadow_at(x), 0, x.n * PAGE);
}

static void memory_is_mapped_anew(void)
{
	struct span x = any_span();

	gpu_done();
	pthread_mutex_lock(&s.layout);
	munmap(at(x), x.n * PAGE);
	if (mmap(at(x), x.n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at(x))
		fail("mmap: %s", strerror(errno));
	pthread_mutex_unlock(&s.layout);
	memset(shadow_at(x), 0, x.n * PAGE);
}

/* ---- what must not change them ---- */

static void memory_is_prefetched(void)
{
	struct span x = any_span();
	int error = svm_prefetch(&s.gpu, at(x), x.n * PAGE, rnd(2) ? s.gpu.id : 0);

	expect(error == 0 || error == -ENOMEM || error == -EAGAIN, "prefetch: %s", strerror(-error));
}

static void memory_is_protected_for_a_while(void)
{
	struct span x = any_span();

	gpu_done();
	expect(!mprotect(at(x), x.n * PAGE, PROT_READ), "mprotect: %s", strerror(errno));
	expect(!memcmp(at(x), shadow_at(x), x.n * PAGE), "wrong while read-only");
	expect(!mprotect(at(x), x.n * PAGE, PROT_READ | PROT_WRITE), "mprotect: %s", strerror(errno));
}

static void memory_is_advised(void)
{
	static const int advice[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD, MADV_PAGEOUT };
	struct span x = any_span();

	madvise(at(x), x.n * PAGE, advice[rnd(4)]);
}

/* The child's memory is as it was at the fork, whatever the parent does meanwhile. */
static void compare_in_child(void *arg)
{
	struct span x = *(struct span *)arg;

	nap_us(rnd(30000));
	expect(!memcmp(at(x), shadow_at(x), x.n * PAGE), "wrong in a child (seed %u)", s.seed);
	memset(at(x), 0x55, x.n * PAGE / 2);
}

static void child_looks_and_writes(void)
{
	struct span x = any_span();

	if (s.child) {
		tap_join(s.child);
		s.child = 0;
		return;
	}
	if (rnd(4))	/* forks are slow here */
		return;
	gpu_done();
	pthread_mutex_lock(&s.layout);	/* or the child might inherit it locked */
	s.child = tap_fork(compare_in_child, &x);
	pthread_mutex_unlock(&s.layout);
}

/* mremap() takes a single mapping only, and by now there are many: a part is moved when it is in one. */
static void part_moves_away_and_back(void)
{
	struct span x = { .page = rnd(PAGES / BLOCK_PAGES) * BLOCK_PAGES, .n = BLOCK_PAGES };
	char *away;

	gpu_done();
	pthread_mutex_lock(&s.layout);
	away = mremap(at(x), x.n * PAGE, x.n * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (away != MAP_FAILED) {	/* EFAULT: it crosses mappings */
		queue_atomic(&s.q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, away, 1, 0);
		s.emitted = true;
		gpu_done();
		*shadow_at(x) += 1;
		if (mremap(away, x.n * PAGE, x.n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(x)) != at(x))
			fail("mremap: %s", strerror(errno));
	}
	pthread_mutex_unlock(&s.layout);
}

static void cpu_compares(void)
{
	struct span x = any_span();

	gpu_done();
	for (size_t i = 0; i < x.n * 1024; i++)
		if (((uint32_t *)at(x))[i] != shadow_at(x)[i])
			fail("step %lu: page %zu, dword %zu is %08x, expected %08x (seed %u)", s.steps, x.page + i / 1024,
			     i % 1024, ((uint32_t *)at(x))[i], shadow_at(x)[i], s.seed);
}

static void gpu_compares(void)
{
	struct span x = any_span();

	queue_copy(&s.q, s.check, at(x), x.n * PAGE);
	s.emitted = true;
	gpu_done();
	for (size_t i = 0; i < x.n * 1024; i++)
		if (((uint32_t *)s.check)[i] != shadow_at(x)[i])
			fail("step %lu: the GPU reads page %zu, dword %zu as %08x, expected %08x (seed %u)", s.steps,
			     x.page + i / 1024, i % 1024, ((uint32_t *)s.check)[i], shadow_at(x)[i], s.seed);
}

static void (*const moves[])(void) = {
	cpu_writes, cpu_writes_a_word_in_each_page, gpu_fills, gpu_copies, gpu_adds, gpu_fills, gpu_copies, gpu_adds,
	memory_is_discarded, memory_is_mapped_anew, memory_is_prefetched, memory_is_protected_for_a_while,
	memory_is_advised, child_looks_and_writes, part_moves_away_and_back, cpu_compares, cpu_compares, gpu_compares,
};

/* ---- the other thread ---- */

static void *antagonist(void *arg)
{
	uint32_t x = s.seed;

	(void)arg;
	while (!s.stop) {
		size_t page, n;
		volatile char sink;

		x = x * 1664525 + 1013904223;
		n = 1 + (x >> 8) % 256;
		page = (x >> 16) % (PAGES - n);
		pthread_mutex_lock(&s.layout);
		switch (x >> 29) {
		case 0: case 1:
			svm_prefetch(&s.gpu, s.buf + page * PAGE, n * PAGE, s.gpu.id);
			break;
		case 2:
			svm_prefetch(&s.gpu, s.buf + page * PAGE, n * PAGE, 0);
			break;
		case 3:
			madvise(s.buf + page * PAGE, n * PAGE, MADV_PAGEOUT);
			break;
		default:
			sink = s.buf[page * PAGE];
			(void)sink;
		}
		pthread_mutex_unlock(&s.layout);
		nap_us(300);
	}
	return NULL;
}

static long long duration_ms(void)
{
	const char *text = getenv("HGPU_STRESS_SECONDS"), *is_long = getenv("HGPU_TEST_LONG");

	if (text)
		return atoi(text) * 1000ll;
	return is_long && *is_long == '1' ? 50000 : 6000;
}

static void run_stress(bool with_antagonist)
{
	const char *seed = getenv("HGPU_STRESS_SEED");
	long long end = now_ms() + duration_ms();
	pthread_t other;

	s.seed = seed ? strtoul(seed, NULL, 0) : (uint32_t)(now_ns() ^ getpid());
	s.random = s.seed;
	pthread_mutex_init(&s.layout, NULL);
	s.buf = map_anon(BYTES);
	s.check = map_anon(4 * MIB);
	s.shadow = map_anon(BYTES);
	gpu_open(&s.gpu, 0);
	queue_create(&s.q, &s.gpu, 256 << 10);
	if (with_antagonist && pthread_create(&other, NULL, antagonist, NULL))
		fail("pthread_create");
	for (; now_ms() < end; s.steps++)
		moves[rnd(sizeof(moves) / sizeof(moves[0]))]();
	gpu_done();
	if (s.child)
		tap_join(s.child);
	s.stop = true;
	if (with_antagonist)
		pthread_join(other, NULL);
	if (memcmp(s.buf, s.shadow, BYTES))
		fail("the buffer is wrong after %lu steps (seed %u)", s.steps, s.seed);
	diag("%lu steps, seed %u", s.steps, s.seed);
	queue_destroy(&s.q);
}

static void one_process_one_thread(void) { run_stress(false); }
static void one_process_two_threads(void) { run_stress(true); }

static void in_child(void *arg)
{
	(void)arg;
	run_stress(true);
}

static void three_processes(void)
{
	int child[3];

	for (int i = 0; i < 3; i++)
		child[i] = tap_fork(in_child, NULL);
	for (int i = 0; i < 3; i++)
		tap_join(child[i]);
}

static const struct tap_test tests[] = {
	TAP_TEST(one_process_one_thread),
	TAP_TEST(one_process_two_threads),
	TAP_TEST(three_processes),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
