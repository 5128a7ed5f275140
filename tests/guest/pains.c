// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is known to hurt drivers of this kind: CPU threads and a GPU that want the same memory at the same time, and
 * memory that changes under a copy. No byte may be lost, and it must go on.
 *
 * (An eviction beside a writer of mmap_lock is in vram_full.c, counting in where.c.)
 *
 * RUN: --vram 16M
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0012u

#define BYTES tap_size(8 * MIB, 4 * MIB)
#define PAGES (BYTES / PAGE)

static struct gpu gpu;
static struct queue q;
static char *buf;
static volatile bool stop;

static int duration_ms(void)
{
	return tap_brief() ? 1000 : 2500;
}

static void run_beside(void *(*thread_main[])(void *), int n, void (*work)(void))
{
	pthread_t thread[8];

	for (long i = 0; i < n; i++)
		expect(!pthread_create(&thread[i], NULL, thread_main[i], (void *)i), "pthread_create");
	work();
	stop = true;
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* ---- a storm ---- */

/* Each has its own word of each page. */
static uint32_t *word(size_t page, long i)
{
	return (uint32_t *)(buf + page * PAGE) + 16 * i;
}

static unsigned int rounds[4];		/* of the GPU, then of the threads */

static void *cpu_adds(void *arg)
{
	long i = (long)arg + 1;

	for (; !stop; rounds[i]++) {
		for (size_t page = 0; page < PAGES && !stop; page += 64)
			(*word(page + rounds[i] % 64, i))++;
		nap_us(1000);	/* or the GPU comes to nothing, there being as few CPUs as two */
	}
	return NULL;
}

static void gpu_adds(void)
{
	long long end = now_ms() + duration_ms();

	for (; now_ms() < end || rounds[0] < 2; rounds[0]++) {
		for (size_t page = 0; page < PAGES; page += 64)
			queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word(page + rounds[0] % 64, 0), 1, 0);
		queue_run(&q);
	}
}

/* The sum of a word over all pages. */
static unsigned long sum(long i)
{
	unsigned long n = 0;

	for (size_t page = 0; page < PAGES; page++)
		n += *word(page, i);
	return n;
}

static void threads_and_gpu_fight_over_a_range(void)
{
	struct kfd_ioctl_svm_attribute small = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 4 };	/* many fights, not long ones */
	void *(*threads[])(void *) = { cpu_adds, cpu_adds, cpu_adds };
	struct stats s;

	buf = map_anon(BYTES);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_set_attr(&gpu, buf, BYTES, 1, &small), ==, 0);
	stats_read(&s, 0);
	run_beside(threads, 3, gpu_adds);
	diag("%u rounds of the GPU, %u %u %u of threads; %llu pages to VRAM, %llu CPU faults", rounds[0], rounds[1],
	     rounds[2], rounds[3], (unsigned long long)stats_since(&s, "pages_to_vram"),
	     (unsigned long long)stats_since(&s, "cpu_faults"));
	expect_int(sum(0), ==, rounds[0] * (PAGES / 64));
	for (int i = 1; i < 4; i++) {
		expect_int(rounds[i], >, 0);
		expect_int(sum(i), <=, rounds[i] * (PAGES / 64));	/* its last round may have been cut */
		expect_int(sum(i), >=, (rounds[i] - 1) * (PAGES / 64));
	}
	expect_int(stats_since(&s, "cpu_faults_failed"), ==, 0);
}

/* ---- memory that changes under a copy ---- */

/* Of each 16 pages one is nobody's, whose content may go at any time. */
static bool is_discarded(size_t page)
{
	return page % 16 == 7;
}

static unsigned long changes;

static void *change_memory(void *unused)
{
	for (size_t page = 0; !stop; page = (page + 48) % PAGES) {
		madvise(buf + (page + 7) * PAGE, PAGE, MADV_DONTNEED);
		mprotect(buf + page * PAGE, 16 * PAGE, PROT_READ);
		mprotect(buf + page * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE);
		changes++;
	}
	return unused;
}

static void *write_to_memory(void *unused)
{
	for (size_t page = 0; !stop; page = (page + 32) % PAGES)	/* what is there */
		if (!is_discarded(page))
			__atomic_fetch_add((uint32_t *)(buf + page * PAGE), 0, __ATOMIC_RELAXED);
	return unused;
}

static unsigned int prefetches;

static void move_both_ways(void)
{
	long long end = now_ms() + duration_ms();

	for (; now_ms() < end || prefetches < 4; prefetches += 2) {
		expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
		expect_int(svm_prefetch(&gpu, buf, BYTES, 0), ==, 0);
	}
}

static void check_unless_discarded(void)
{
	uint32_t *dw = (uint32_t *)buf;

	for (size_t i = 0; i < BYTES / 4; i++) {
		bool zero = is_discarded(i / 1024) && !dw[i];

		if (!zero && dw[i] != pattern_at(i, SEED))
			fail("page %zu: byte %#zx is %08x, expected %08x", i / 1024, i * 4, dw[i], pattern_at(i, SEED));
	}
}

static void memory_changes_while_it_is_copied(void)
{
	void *(*threads[])(void *) = { change_memory };
	struct stats s;

	buf = map_anon(BYTES);
	pattern_fill(buf, BYTES, SEED);
	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	run_beside(threads, 1, move_both_ways);
	diag("%u prefetches beside %lu changes; %llu pages to VRAM", prefetches, changes,
	     (unsigned long long)stats_since(&s, "pages_to_vram"));
	expect_int(changes, >, 0);
	expect_int(stats_since(&s, "pages_to_vram"), >, PAGES / 2);
	check_unless_discarded();
}

static void memory_is_written_while_it_is_copied(void)
{
	void *(*threads[])(void *) = { write_to_memory, write_to_memory };
	struct stats s;

	buf = map_anon(BYTES);
	pattern_fill(buf, BYTES, SEED);
	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	run_beside(threads, 2, move_both_ways);
	expect_int(stats_since(&s, "pages_to_vram"), >, PAGES / 2);
	expect_int(stats_since(&s, "cpu_faults_failed"), ==, 0);
	pattern_check(buf, BYTES, SEED);
}

/* ---- one page, many threads ---- */

enum { READERS = 16 };

static pthread_barrier_t together;
static unsigned int meetings;

/* Everybody reads the same word and writes one of his own. */
static void *touch_one_page(void *arg)
{
	long i = (long)arg;

	for (unsigned int round = 0; round < meetings; round++) {
		volatile uint32_t *page = (uint32_t *)(buf + (round % 8) * 37 * PAGE);

		pthread_barrier_wait(&together);	/* it is in VRAM */
		if (page[1000] != pattern_at((page - (uint32_t *)buf) + 1000, SEED))
			fail("round %u, thread %ld: %08x", round, i, page[1000]);
		page[i] = round * READERS + i;
		pthread_barrier_wait(&together);
	}
	return NULL;
}

static void many_threads_fault_on_one_page(void)
{
	pthread_t thread[READERS];
	struct stats s;

	meetings = tap_rounds(40);
	buf = map_anon(GRANULE);
	pattern_fill(buf, GRANULE, SEED);
	gpu_open(&gpu, 0);
	stats_read(&s, 0);
	pthread_barrier_init(&together, NULL, READERS + 1);
	for (long i = 0; i < READERS; i++)
		expect(!pthread_create(&thread[i], NULL, touch_one_page, (void *)i), "pthread_create");
	for (unsigned int round = 0; round < meetings; round++) {
		uint32_t *page = (uint32_t *)(buf + (round % 8) * 37 * PAGE);

		expect_int(svm_prefetch(&gpu, buf, GRANULE, gpu.id), ==, 0);
		expect_in_vram(buf, GRANULE);
		pthread_barrier_wait(&together);
		pthread_barrier_wait(&together);
		expect_in_ram(buf, GRANULE);
		for (int i = 0; i < READERS; i++)
			expect_int(page[i], ==, round * READERS + i);
	}
	for (int i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	expect_int(stats_since(&s, "cpu_faults"), >=, meetings);
	expect_int(stats_since(&s, "cpu_faults_failed"), ==, 0);
	expect_int(stats_since(&s, "pages_to_ram"), ==, meetings * (GRANULE / PAGE));	/* each of them once */
}

static const struct tap_test tests[] = {
	TAP_TEST(threads_and_gpu_fight_over_a_range),
	TAP_TEST(memory_changes_while_it_is_copied),
	TAP_TEST(memory_is_written_while_it_is_copied),
	TAP_TEST(many_threads_fault_on_one_page),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
