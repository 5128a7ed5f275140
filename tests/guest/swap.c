// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that is swapped out, and a machine that is short of it.
 *
 * RUN-DEFAULT: --swap 512M --mem 384M
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0004u

static struct gpu gpu;
static struct queue q;

static void push_out(char *buf, size_t bytes)
{
	expect(!madvise(buf, bytes, MADV_PAGEOUT), "MADV_PAGEOUT: %s", strerror(errno));
	if (where_is(buf, bytes).swapped < bytes / PAGE / 2)
		fail("only %zu of %zu pages were swapped out", where_is(buf, bytes).swapped, bytes / PAGE);
}

static void swapped_pages_come_in_for_the_gpu(void)
{
	size_t bytes = tap_size(8 * MIB, 2 * MIB + PAGE);
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	push_out(buf, bytes);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	expect_int(where_is(buf, bytes).swapped, ==, 0);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes, SEED);
}

static void every_other_page_is_swapped_out(void)
{
	size_t bytes = tap_size(4 * MIB, 2 * MIB);
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	for (size_t page = 0; page < bytes / PAGE; page += 2)
		madvise(buf + page * PAGE, PAGE, MADV_PAGEOUT);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, bytes);
	queue_write32(&q, buf, 1);
	queue_run(&q);
	pattern_check(copy, bytes, SEED);
	expect_int(*(uint32_t *)buf, ==, 1);
}

static void prefetch_brings_swapped_pages_to_vram(void)
{
	size_t bytes = tap_size(8 * MIB, 2 * MIB + PAGE);
	char *buf = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	push_out(buf, bytes);
	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_int(where_is(buf, bytes).none, ==, 0);
	pattern_check(buf, bytes, SEED);
}

/* Pages that the GPU has mapped in RAM are reclaimed: the notifier must take them from the GPU first. */
static void pages_that_the_gpu_maps_are_swapped_out(void)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };
	size_t bytes = tap_size(4 * MIB, MIB);
	char *buf = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	expect_int(svm_set_attr(&gpu, buf, bytes, 1, &preferred), ==, 0);
	for (uint32_t round = 1; round <= tap_rounds(3); round++) {
		queue_fill(&q, buf, round, bytes);
		queue_run(&q);
		push_out(buf, bytes);
	}
	value_check(buf, bytes, tap_rounds(3));
}

/*
 * What was read back from swap is clean, and the CPU could write to it without a fault: so can the GPU. Nobody but the
 * driver knows that it has; what is not dirty is dropped, since swap has it.
 */
static void what_the_gpu_writes_to_clean_pages_is_kept(void)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };
	size_t bytes = 2 * MIB, pages = bytes / PAGE;
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_set_attr(&gpu, buf, bytes, 1, &preferred), ==, 0);
	push_out(buf, bytes);
	expect(!madvise(buf, bytes, MADV_WILLNEED), "MADV_WILLNEED: %s", strerror(errno));	/* so that swap keeps its copy */
	pattern_check(buf, bytes, SEED);
	queue_copy(&q, copy, buf, bytes);	/* they are mapped for reading, not for the writes that follow */
	queue_run(&q);
	for (size_t page = 0; page < pages; page++)
		queue_write32(&q, buf + page * PAGE, page);
	queue_run(&q);
	push_out(buf, bytes);
	for (size_t page = 0; page < pages; page++)
		expect_int(*(uint32_t *)(buf + page * PAGE), ==, page);
}

static size_t swapped_out(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return (info.totalswap - info.freeswap) * info.mem_unit;
}

/* Use up RAM until there is none left and the kernel has had to swap for a while. */
static char *hog(size_t *bytes)
{
	size_t enough = swapped_out() + tap_size(8 * MIB, 2 * MIB), page = 0;
	struct sysinfo info;
	char *at;

	sysinfo(&info);
	*bytes = info.totalram & ~(PAGE - 1);
	at = map_anon(*bytes);
	madvise(at, *bytes, MADV_HUGEPAGE);	/* a fault a page takes the debug kernel a minute */
	for (; page < *bytes / PAGE && (page % 64 || swapped_out() < enough); page++)
		memset(at + page * PAGE, page, 64);
	*bytes = page * PAGE;
	expect(swapped_out() >= enough, "RAM is not short");
	return at;
}

static void device_pages_stay_when_ram_is_short(void)
{
	size_t bytes = tap_size(32 * MIB, 8 * MIB), hogged;
	char *buf = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	hog(&hogged);
	expect_in_vram(buf, bytes);
	pattern_check(buf, bytes, SEED);	/* and there is room for them to come home */
}

static void gpu_works_while_ram_is_short(void)
{
	size_t bytes = tap_size(16 * MIB, 4 * MIB), hogged;
	char *buf = map_anon(bytes), *copy = map_anon(bytes), *all;

	pattern_fill(buf, bytes, SEED);
	all = hog(&hogged);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes, SEED);
	for (size_t page = 0; page < hogged / PAGE; page += 97)
		expect_int((unsigned char)all[page * PAGE + 63], ==, page & 0xff);
}

static const struct tap_test tests[] = {
	TAP_TEST(swapped_pages_come_in_for_the_gpu),
	TAP_TEST(every_other_page_is_swapped_out),
	TAP_TEST(prefetch_brings_swapped_pages_to_vram),
	TAP_TEST(pages_that_the_gpu_maps_are_swapped_out),
	TAP_TEST(what_the_gpu_writes_to_clean_pages_is_kept),
	TAP_TEST(device_pages_stay_when_ram_is_short),
	TAP_TEST(gpu_works_while_ram_is_short),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
