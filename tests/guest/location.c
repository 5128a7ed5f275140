// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where attributes send memory: a new preferred location of memory that is registered moves it there, and a
 * prefetch fills what was never touched in RAM or in VRAM, as the HOST_ACCESS flag says. How much moves at once.
 *
 * RUN-DEFAULT: --gpus 2 --vram 64M
 */
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed0014u
#define UNDEFINED KFD_IOCTL_SVM_LOCATION_UNDEFINED

enum { BYTES = 4 << 20, ALL = BYTES / 4096 };

static struct gpu gpu, other;
static struct queue q;

static void set(const void *at, size_t bytes, uint32_t type, uint32_t value)
{
	struct kfd_ioctl_svm_attribute a = { type, value };

	expect_int(svm_set_attr(&gpu, at, bytes, 1, &a), ==, 0);
}

static void prefer(const void *at, size_t bytes, uint32_t location)
{
	set(at, bytes, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, location);
}

/* Memory with a pattern, which is registered, and in RAM. */
static char *registered(void)
{
	char *buf = map_anon(BYTES);

	gpu_open(&gpu, 0);
	gpu_open(&other, 1);
	pattern_fill(buf, BYTES, SEED);
	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_GRANULARITY, 8);
	return buf;
}

static uint64_t stat_of(unsigned int index, const char *name)
{
	struct stats s;

	stats_read(&s, index);
	return stats_get(&s, name);
}

/* ---- a preferred location ---- */

static void new_preferred_location_moves_memory_both_ways(void)
{
	char *buf = registered();
	struct stats s;

	stats_read(&s, 0);
	prefer(buf, BYTES, gpu.id);
	expect_in_vram(buf, BYTES);
	expect_int(stats_since(&s, "pages_to_vram"), ==, ALL);
	prefer(buf, BYTES, 0);
	expect_in_ram(buf, BYTES);
	expect_int(stats_since(&s, "pages_to_ram"), ==, ALL);
	expect_int(stats_since(&s, "gpu_faults"), ==, 0);
	expect_int(stats_since(&s, "cpu_faults"), ==, 0);
	pattern_check(buf, BYTES, SEED);
	expect_int(svm_get(&gpu, buf, BYTES, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC), ==, UNDEFINED);
}

/* As after a prefetch the GPU needs no fault to get at it. */
static void memory_that_has_moved_is_mapped(void)
{
	char *buf = registered();
	uint64_t faults;

	queue_create(&q, &gpu, 64 << 10);
	prefer(buf, BYTES, gpu.id);
	faults = stat_now("gpu_faults");
	queue_write32(&q, buf + BYTES - 4, 0x600d);
	queue_run(&q);
	expect_int(stat_now("gpu_faults") - faults, ==, 0);
	expect_int(*(uint32_t *)(buf + BYTES - 4), ==, 0x600d);
	pattern_check(buf, BYTES - PAGE, SEED);
}

static void preferred_location_of_a_part_moves_that_part(void)
{
	char *buf = registered(), *part = buf + 300 * PAGE;

	prefer(part, 400 * PAGE, gpu.id);
	expect_in_ram(buf, 300 * PAGE);
	expect_in_vram(part, 400 * PAGE);
	expect_in_ram(buf + 700 * PAGE, BYTES - 700 * PAGE);
	/* of all, a part is there already: the rest comes */
	prefer(buf, BYTES, gpu.id);
	expect_in_vram(buf, BYTES);
	prefer(part, 100 * PAGE, 0);
	expect_in_ram(part, 100 * PAGE);
	expect_in_vram(buf, 300 * PAGE);
	expect_in_vram(buf + 400 * PAGE, BYTES - 400 * PAGE);
	pattern_check(buf, BYTES, SEED);
}

static void the_same_location_again_moves_nothing(void)
{
	char *buf = registered();
	struct stats s;

	prefer(buf, BYTES, gpu.id);
	pattern_check(buf, BYTES, SEED);	/* home */
	stats_read(&s, 0);
	prefer(buf, BYTES, gpu.id);
	prefer(buf + MIB, MIB, gpu.id);
	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_GRANULARITY, 9);
	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_COHERENT);
	expect_in_ram(buf, BYTES);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 0);
}

static void no_preferred_location_leaves_memory_where_it_is(void)
{
	char *buf = registered();

	prefer(buf, BYTES, gpu.id);
	prefer(buf, BYTES, UNDEFINED);
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
	prefer(buf, BYTES, UNDEFINED);
	expect_in_ram(buf, BYTES);
}

/* Only what was registered before: the rest has no place that it could leave. */
static void memory_without_attributes_stays(void)
{
	char *buf = map_anon(BYTES);

	gpu_open(&gpu, 0);
	pattern_fill(buf, BYTES, SEED);
	set(buf + MIB, MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY, 8);
	prefer(buf, BYTES, gpu.id);
	expect_in_ram(buf, MIB);
	expect_in_vram(buf + MIB, MIB);
	expect_in_ram(buf + 2 * MIB, BYTES - 2 * MIB);
	pattern_check(buf, BYTES, SEED);
}

static void prefetch_in_the_same_call_wins(void)
{
	struct kfd_ioctl_svm_attribute both[] = {
		{ KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, 0 }, { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 },
	};
	char *buf = registered();

	both[1].value = gpu.id;
	expect_int(svm_set_attr(&gpu, buf, BYTES, 2, both), ==, 0);
	expect_in_ram(buf, BYTES);
	both[0].value = gpu.id;
	both[1].value = 0;
	expect_int(svm_set_attr(&gpu, buf, BYTES, 2, both), ==, 0);
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
}

/* By way of RAM, and by no CPU fault: with HOST_ACCESS or without. */
static void memory_moves_from_gpu_to_gpu(void)
{
	char *buf = registered();

	for (int i = 0; i < 2; i++) {
		uint64_t there = stat_of(1, "pages_to_vram"), here, faults;

		prefer(buf, BYTES, gpu.id);
		here = stat_of(0, "pages_to_ram");
		faults = stat_of(0, "cpu_faults");
		prefer(buf, BYTES, other.id);
		expect_in_vram(buf, BYTES);
		expect_int(stat_of(0, "pages_to_ram") - here, ==, ALL);
		expect_int(stat_of(1, "pages_to_vram") - there, ==, ALL);
		expect_int(stat_of(0, "cpu_faults") - faults, ==, 0);
		pattern_check(buf, BYTES, SEED);
		set(buf, BYTES, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_HOST_ACCESS);
	}
}

/* A GPU that uses memory in place must be able to reach it: KFD's rule for prefetches. */
static void memory_that_another_gpu_uses_in_place_stays_in_ram(void)
{
	char *buf = registered();

	prefer(buf, BYTES, gpu.id);
	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, other.id);
	prefer(buf, BYTES, UNDEFINED);
	prefer(buf, BYTES, gpu.id);
	expect_in_ram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
}

static void preferred_location_is_told_as_a_prefetch(void)
{
	struct smi_event start, end;
	char *buf = registered();
	int fd = smi_open(&gpu, SMI_MIGRATE);

	prefer(buf, GRANULE, gpu.id);
	start = smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	end = smi_next(fd, KFD_SMI_EVENT_MIGRATE_END);
	expect_int(start.from, ==, 0);
	expect_int(start.to, ==, gpu.id);
	expect_int(start.at, ==, (uintptr_t)buf / PAGE);
	expect_int(start.pages, ==, GRANULE / PAGE);
	expect_int(start.prefetch, ==, UNDEFINED);
	expect_int(start.preferred, ==, gpu.id);
	expect_int(start.trigger, ==, KFD_MIGRATE_TRIGGER_PREFETCH);
	expect_int(end.trigger, ==, KFD_MIGRATE_TRIGGER_PREFETCH);
	smi_expect_nothing(fd);
}

/* ---- what was never touched ---- */

/* Every @step th page is touched, the rest is not; then all is prefetched. */
static void prefetch_with_holes(size_t step, bool host_access, unsigned int holes)
{
	char *buf = map_anon(BYTES);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	for (size_t page = 0; step && page < ALL; page += step)
		pattern_fill(buf + page * PAGE, PAGE, SEED);
	set(buf, BYTES, host_access ? KFD_IOCTL_SVM_ATTR_SET_FLAGS : KFD_IOCTL_SVM_ATTR_CLR_FLAGS,
	    KFD_IOCTL_SVM_FLAG_HOST_ACCESS);
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect_int(stats_since(&s, "pages_to_vram"), ==, ALL);
	expect_int(stats_since(&s, "holes_filled"), ==, holes);
	queue_write32(&q, buf + 5 * PAGE + 16, 0);	/* mapped, writable, and no other value than before */
	queue_run(&q);
	expect_int(stats_since(&s, "gpu_faults"), ==, 0);
	for (size_t page = 0; page < ALL; page++) {
		if (step && page % step == 0)
			pattern_check(buf + page * PAGE, PAGE, SEED);
		else
			value_check(buf + page * PAGE, PAGE, 0);
	}
}

static void prefetch_with_host_access_fills_holes_in_ram(void)
{
	prefetch_with_holes(0, true, 0);
}

static void prefetch_without_host_access_fills_holes_in_vram(void)
{
	prefetch_with_holes(0, false, ALL);
}

static void prefetch_with_host_access_fills_some_holes_in_ram(void)
{
	prefetch_with_holes(3, true, 0);
}

static void prefetch_without_host_access_fills_some_holes_in_vram(void)
{
	prefetch_with_holes(3, false, ALL - (ALL + 2) / 3);
}

static void prefetch_fills_up_what_is_there_already(void)
{
	char *buf = registered();
	struct stats s;

	prefer(buf + 100 * PAGE, 50 * PAGE, gpu.id);
	madvise(buf + 10 * PAGE, 10 * PAGE, MADV_DONTNEED);
	madvise(buf + 120 * PAGE, 10 * PAGE, MADV_DONTNEED);	/* of VRAM */
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect_int(stats_since(&s, "pages_to_vram"), ==, ALL - 40);
	expect_int(stats_since(&s, "pages_to_ram"), ==, 0);
	expect_int(stats_since(&s, "holes_filled"), ==, 0);
	value_check(buf + 10 * PAGE, 10 * PAGE, 0);
	value_check(buf + 120 * PAGE, 10 * PAGE, 0);
	pattern_check(buf, 10 * PAGE, SEED);
	for (size_t i = 130 * PAGE / 4; i < BYTES / 4; i++)
		expect_int(((uint32_t *)buf)[i], ==, pattern_at(i, SEED));
}

/* ---- how much at once ---- */

/* What moves by attributes moves whole; granularity is for faults. */
static void expect_moved(const struct stats *before, const char *pages, unsigned int chunks)
{
	unsigned int jobs = stats_since(before, "sdma_jobs");

	expect_int(stats_since(before, pages), ==, ALL);
	expect_int(stats_since(before, "vram_chunks_alloc"), ==, chunks);
	diag("%d MiB, %s: %u jobs, %llu us", BYTES >> 20, pages, jobs,
	     (unsigned long long)stats_since(before, "migrate_ns") / 1000);
	expect(jobs <= BYTES / GRANULE, "%u SDMA jobs for %lu granules", jobs, BYTES / GRANULE);
}

static void granularity_does_not_cut_what_is_asked_for(void)
{
	char *buf = registered();
	struct stats s;

	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_GRANULARITY, 0);
	for (unsigned int i = 0; i < 2; i++) {
		stats_read(&s, 0);
		if (i)
			prefer(buf, BYTES, gpu.id);
		else
			expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
		expect_in_vram(buf, BYTES);
		expect_moved(&s, "pages_to_vram", BYTES / GRANULE);
		stats_read(&s, 0);
		if (i)
			prefer(buf, BYTES, 0);
		else
			expect_int(svm_prefetch(&gpu, buf, BYTES, 0), ==, 0);
		expect_in_ram(buf, BYTES);
		expect_moved(&s, "pages_to_ram", 0);
	}
	pattern_check(buf, BYTES, SEED);
}

/* A page that a fault has brought home by itself goes back to its place. */
static void faults_after_a_prefetch_move_a_page(void)
{
	char *buf = registered();
	struct stats s;

	queue_create(&q, &gpu, 1 << 16);
	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_GRANULARITY, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	stats_read(&s, 0);
	for (size_t page = 0; page < ALL; page += 100)
		expect_int(*(uint32_t *)(buf + page * PAGE), ==, pattern_at(page * PAGE / 4, SEED));
	expect_int(where_is(buf, BYTES).device, ==, ALL - (ALL + 99) / 100);
	for (size_t page = 0; page < ALL; page += 200)
		queue_write32(&q, buf + page * PAGE + 8, pattern_at(page * PAGE / 4 + 2, SEED));
	queue_run(&q);
	expect_int(where_is(buf, BYTES).device, ==, ALL - (ALL + 99) / 100 + (ALL + 199) / 200);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect_int(stats_since(&s, "vram_chunks_alloc"), ==, 0);
	expect_int(stats_since(&s, "pages_to_vram"), ==, (ALL + 99) / 100);
	set(buf, BYTES, KFD_IOCTL_SVM_ATTR_GRANULARITY, 9);
	pattern_check(buf, BYTES, SEED);
}

/* What faults have brought page by page is there: no other VRAM is asked for, which others might have to leave. */
static void prefetch_of_pieces_that_are_there_takes_no_vram(void)
{
	size_t bytes = tap_size(BYTES, MIB);
	char *buf = registered();
	struct stats s;

	queue_create(&q, &gpu, 1 << 16);
	set(buf, bytes, KFD_IOCTL_SVM_ATTR_GRANULARITY, 3);
	set(buf, bytes, KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id);
	queue_copy(&q, buf, buf, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_int(stats_since(&s, "vram_chunks_alloc"), ==, 0);
	madvise(buf, PAGE, MADV_DONTNEED);
	pattern_fill(buf, PAGE, SEED);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);	/* one page is not there: a chunk for its granule */
	expect_in_vram(buf, bytes);
	expect_int(stats_since(&s, "vram_chunks_alloc"), ==, 1);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 1);
	pattern_check(buf, bytes, SEED);
}

static const struct tap_test tests[] = {
	TAP_TEST(new_preferred_location_moves_memory_both_ways),
	TAP_TEST(memory_that_has_moved_is_mapped),
	TAP_TEST(preferred_location_of_a_part_moves_that_part),
	TAP_TEST(the_same_location_again_moves_nothing),
	TAP_TEST(no_preferred_location_leaves_memory_where_it_is),
	TAP_TEST(memory_without_attributes_stays),
	TAP_TEST(prefetch_in_the_same_call_wins),
	TAP_TEST(memory_moves_from_gpu_to_gpu),
	TAP_TEST(memory_that_another_gpu_uses_in_place_stays_in_ram),
	TAP_TEST(preferred_location_is_told_as_a_prefetch),
	TAP_TEST(prefetch_with_host_access_fills_holes_in_ram),
	TAP_TEST(prefetch_without_host_access_fills_holes_in_vram),
	TAP_TEST(prefetch_with_host_access_fills_some_holes_in_ram),
	TAP_TEST(prefetch_without_host_access_fills_some_holes_in_vram),
	TAP_TEST(prefetch_fills_up_what_is_there_already),
	TAP_TEST(granularity_does_not_cut_what_is_asked_for),
	TAP_TEST(faults_after_a_prefetch_move_a_page),
	TAP_TEST(prefetch_of_pieces_that_are_there_takes_no_vram),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
