// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver counts the pages of each range that are in VRAM (debugfs hmm_gpu/N/ranges); the kernel's page table
 * is the witness. Then how much a CPU fault brings home, which is the range's granularity.
 *
 * RUN-DEFAULT: --vram 128M --device vram-bar-size=16M
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0011u

static struct gpu gpu;
static struct queue q;

/* ---- counting ---- */

/* A line of the file, if it is a range of this process. */
static bool parse_range(const char *line, uintptr_t *start, size_t *pages, size_t *vram)
{
	int pid;

	return sscanf(line, "pid %d start %" SCNxPTR " pages %zu vram %zu", &pid, start, pages, vram) == 4 &&
	       pid == getpid();
}

/* Each range within the memory counts what is there, and all of it has a range; returns how many ranges. */
static int expect_counted(const char *at, size_t bytes)
{
	FILE *f = fopen("/sys/kernel/debug/hmm_gpu/0/ranges", "r");
	size_t pages, vram, all = 0;
	uintptr_t start;
	char line[256];
	int n = 0;

	expect(f, "debugfs: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (!parse_range(line, &start, &pages, &vram) || start < (uintptr_t)at ||
		    start >= (uintptr_t)at + bytes)
			continue;
		if (vram != where_is((void *)start, pages * PAGE).device)
			fail("%zu pages from page %zu on: %zu counted, %zu in VRAM", pages,
			     (start - (uintptr_t)at) / PAGE, vram, where_is((void *)start, pages * PAGE).device);
		all += pages;
		n++;
	}
	fclose(f);
	expect_int(all * PAGE, ==, bytes);
	return n;
}

static int set_granularity(void *at, size_t bytes, uint32_t granularity)
{
	struct kfd_ioctl_svm_attribute attr = { KFD_IOCTL_SVM_ATTR_GRANULARITY, granularity };

	return svm_set_attr(&gpu, at, bytes, 1, &attr);
}

static char *in_vram(size_t bytes)
{
	char *buf = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_in_vram(buf, bytes);
	return buf;
}

static void count_follows_every_move(void)
{
	size_t bytes = 8 * MIB;
	char *buf;

	gpu_and_queue(&gpu, &q);
	buf = in_vram(bytes);
	expect_counted(buf, bytes);
	(void)*(volatile char *)(buf + 3 * MIB);	/* a granule goes home */
	expect_int(where_is(buf, bytes).device, ==, (bytes - GRANULE) / PAGE);
	expect_counted(buf, bytes);
	madvise(buf + 5 * MIB, 3 * PAGE, MADV_DONTNEED);
	expect_int(where_is(buf, bytes).device, ==, (bytes - GRANULE) / PAGE - 3);
	expect_counted(buf, bytes);
	queue_write32(&q, buf + 3 * MIB, 1);	/* and comes back; with holes filled */
	queue_write32(&q, buf + 5 * MIB, 1);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	expect_counted(buf, bytes);
	expect_int(svm_prefetch(&gpu, buf, bytes, 0), ==, 0);
	expect_int(where_is(buf, bytes).device, ==, 0);
	expect_counted(buf, bytes);
}

static void count_is_exact_after_a_split(void)
{
	size_t bytes = 8 * MIB;
	char *buf;

	gpu_open(&gpu, 0);
	buf = in_vram(bytes);
	(void)*(volatile char *)(buf + 5 * MIB);
	expect_int(set_granularity(buf + MIB + 3 * PAGE, 5 * PAGE, 3), ==, 0);
	expect_int(set_granularity(buf + 4 * MIB - PAGE, 2 * MIB, 3), ==, 0);
	expect_int(expect_counted(buf, bytes), >=, 5);
	munmap(buf + 2 * MIB, MIB);
	svm_get(&gpu, buf, MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY);	/* no work item is left to do it */
	expect_counted(buf, 2 * MIB);
	expect_counted(buf + 3 * MIB, bytes - 3 * MIB);
	/* one again */
	expect_int(set_granularity(buf + 3 * MIB, bytes - 3 * MIB, 9), ==, 0);
	expect_counted(buf + 3 * MIB, bytes - 3 * MIB);
}

/* All but the first @kept bytes are taken away, and new memory comes there. */
static void count_after_mremap(size_t kept)
{
	size_t bytes = 2 * GRANULE, taken = bytes - kept;
	char *buf = in_vram(bytes), *elsewhere = (char *)map_anon(bytes) + kept;

	expect(mremap(buf + kept, taken, taken, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere, "mremap: %s",
	       strerror(errno));
	expect(mmap(buf + kept, taken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf + kept,
	       "mmap: %s", strerror(errno));
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_in_vram(buf, bytes);
	expect_counted(buf, bytes);
	for (size_t i = 0; i < taken / 4; i++)	/* comes home */
		expect_int(((uint32_t *)elsewhere)[i], ==, pattern_at(kept / 4 + i, SEED));
	expect_counted(buf, bytes);
	expect_int(svm_prefetch(&gpu, buf, bytes, 0), ==, 0);
	expect_counted(buf, bytes);
	pattern_check(buf, kept, SEED);
}

/* Memory that mremap() has taken away keeps its places: what is new there has others, and counts once. */
static void count_is_of_what_is_there_now(void)
{
	gpu_open(&gpu, 0);
	count_after_mremap(0);
	count_after_mremap(100 * PAGE);
}

static void count_is_zero_after_eviction(void)
{
	size_t bytes = 8 * MIB, much;
	char *buf, *more;
	struct bo bo;

	gpu_open(&gpu, 0);
	much = tap_size(gpu.vram, 32 * MIB);	/* beside a buffer, which stays */
	buf = in_vram(bytes);
	if (much < gpu.vram)
		bo_create_as(&bo, &gpu, gpu.vram - much, KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE);
	more = map_anon(much);
	expect_int(svm_prefetch(&gpu, more, much, gpu.id), ==, 0);
	expect_int(where_is(buf, bytes).device, ==, 0);
	expect_counted(buf, bytes);
	expect_counted(more, much);
	pattern_check(buf, bytes, SEED);
}

/* What a driver that keeps books gets wrong: parts that are there already, come back, are new, move for others. */
static void count_is_exact_after_anything(void)
{
	enum { PAGES = 1024 };
	char *buf = map_anon(PAGES * PAGE);
	uint32_t random = SEED, steps = tap_rounds(300);

	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf, PAGES * PAGE, gpu.id), ==, 0);
	for (uint32_t step = 0; step < steps; step++) {
		size_t page = (random = random * 1664525 + 1013904223) >> 22, n = 1 + (random >> 8) % 300;
		char *at = buf + page * PAGE;

		n = page + n > PAGES ? PAGES - page : n;
		switch ((random >> 16) % 6) {
		case 0:
			expect_int(svm_prefetch(&gpu, at, n * PAGE, gpu.id), ==, 0);
			break;
		case 1:
			expect_int(svm_prefetch(&gpu, at, n * PAGE, 0), ==, 0);
			break;
		case 2:
			*(volatile char *)at = 1;
			break;
		case 3:
			queue_write32(&q, at, step);
			queue_run(&q);
			break;
		case 4:
			madvise(at, n * PAGE, MADV_DONTNEED);
			break;
		case 5:
			expect_int(set_granularity(at, n * PAGE, random % 11), ==, 0);
			break;
		}
		expect_counted(buf, PAGES * PAGE);
	}
}

/* ---- the granularity of CPU faults ---- */

/* Faults that it takes to read a byte in each page. */
static size_t faults_of_reading(const char *at, size_t bytes)
{
	struct stats s;

	stats_read(&s, 0);
	for (size_t i = 0; i < bytes; i += PAGE)
		(void)*(const volatile char *)(at + i);
	expect_in_ram(at, bytes);
	return stats_since(&s, "cpu_faults");
}

/* 4 MiB, which is a range with this VRAM, at a multiple of it. */
static char *one_range(void)
{
	char *at = map_anon(8 * MIB), *start = (char *)(((uintptr_t)at + 4 * MIB - 1) & -(4 * MIB));

	expect(!start[0], "anonymous memory is not zero");
	return start;
}

static void cpu_faults_bring_a_granule(void)
{
	static const uint32_t granularity[] = { 0, 3, 4, 8, 9, 10, 18, 63 };
	char *buf = one_range();

	gpu_open(&gpu, 0);
	pattern_fill(buf, 4 * MIB, SEED);
	for (size_t i = 0; i < sizeof(granularity) / sizeof(granularity[0]); i++) {
		uint32_t g = granularity[i] < 10 ? granularity[i] : 10;
		size_t bytes = g < 8 ? MIB / 4 : 4 * MIB;
		int ranges;

		/* every other time the memory is there already when the attribute changes */
		if (i % 2)
			expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
		expect_int(set_granularity(buf, bytes, granularity[i]), ==, 0);
		expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
		expect_in_vram(buf, bytes);
		ranges = expect_counted(buf, bytes);
		expect_int(faults_of_reading(buf, bytes), ==, (bytes / PAGE) >> g);
		expect_int(expect_counted(buf, bytes), ==, ranges);	/* none was split */
		pattern_check(buf, bytes, SEED);
	}
}

static void cpu_faults_stay_in_the_range(void)
{
	size_t bytes = 4 * MIB;
	char *buf = one_range();

	gpu_open(&gpu, 0);
	pattern_fill(buf, bytes, SEED);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_int(set_granularity(buf, bytes, 10), ==, 0);
	expect_int(set_granularity(buf + MIB, 5 * PAGE, 2), ==, 0);
	expect_int(expect_counted(buf, bytes), ==, 3);
	(void)*(volatile char *)(buf + 3 * PAGE);
	expect_in_ram(buf, MIB);
	expect_in_vram(buf + MIB, bytes - MIB);
	(void)*(volatile char *)(buf + MIB + 4 * PAGE);	/* of the second granule of 4 the range has a page */
	expect_in_vram(buf + MIB, 4 * PAGE);
	expect_in_ram(buf + MIB + 4 * PAGE, PAGE);
	expect_in_vram(buf + MIB + 5 * PAGE, bytes - MIB - 5 * PAGE);
	(void)*(volatile char *)(buf + bytes - 1);
	expect_in_ram(buf + MIB + 4 * PAGE, bytes - MIB - 4 * PAGE);
	expect_in_vram(buf + MIB, 4 * PAGE);
	pattern_check(buf, bytes, SEED);
}

static const struct tap_test tests[] = {
	TAP_TEST(count_follows_every_move),
	TAP_TEST(count_is_exact_after_a_split),
	TAP_TEST(count_is_of_what_is_there_now),
	TAP_TEST(count_is_zero_after_eviction),
	TAP_TEST(count_is_exact_after_anything),
	TAP_TEST(cpu_faults_bring_a_granule),
	TAP_TEST(cpu_faults_stay_in_the_range),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
