// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * More memory than VRAM: what was used least recently goes to RAM, and no byte is lost.
 *
 * RUN: --vram 16M
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
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed0003u

static struct gpu gpu;
static struct queue q;

enum { FITS = 8 << 20 };		/* certainly */

/* More than VRAM: three times as much, or some granules more. */
#define MUCH tap_size(48 * MIB, 20 * MIB)

/* Each page gets its number added to its first word, one after the other. */
static void number_pages(char *buf, size_t bytes)
{
	for (size_t page = 0; page < bytes / PAGE; page++)
		queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + page * PAGE, page, 0);
}

static void check_numbered(const char *buf, size_t bytes)
{
	const uint32_t *dw = (const uint32_t *)buf;

	for (size_t i = 0; i < bytes / 4; i++) {
		uint32_t wanted = pattern_at(i, SEED) + (i % 1024 ? 0 : i / 1024);

		if (dw[i] != wanted)
			fail("byte %#zx is %08x, expected %08x", i * 4, dw[i], wanted);
	}
}

/* The beginning has gone to RAM as a whole, the end is in VRAM as a whole, and VRAM is full. */
static void expect_newest_in_vram(char *buf)
{
	struct where w = where_is(buf, MUCH);

	expect_int(w.device + w.present, ==, MUCH / PAGE);
	expect_int(w.device * PAGE, <=, gpu.vram);
	expect_int(w.device * PAGE, >=, FITS);
	expect_in_ram(buf, MUCH - w.device * PAGE);
	expect_in_vram(buf + MUCH - FITS, FITS);
}

static void memory_used_first_goes_to_ram(void)
{
	char *buf = map_anon(MUCH);
	struct stats s;

	pattern_fill(buf, MUCH, SEED);
	gpu_open(&gpu, 0);
	queue_create(&q, &gpu, 1 << 20);
	stats_read(&s, 0);
	number_pages(buf, MUCH);
	queue_run(&q);
	expect_newest_in_vram(buf);
	expect_int(stats_since(&s, "evictions"), >=, (MUCH - gpu.vram) / GRANULE);
	expect_int(stats_since(&s, "pages_evicted"), ==, where_is(buf, MUCH).present);
	expect_int(stats_since(&s, "vram_full"), ==, 0);
	check_numbered(buf, MUCH);
}

static void prefetch_of_too_much_keeps_the_end(void)
{
	char *buf = map_anon(MUCH);

	pattern_fill(buf, MUCH, SEED);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf, MUCH, gpu.id), ==, 0);
	expect_newest_in_vram(buf);
	pattern_check(buf, MUCH, SEED);
}

static int evicted[2];		/* pipe: the parent has filled VRAM */

static void find_pages_in_ram(void *buf)
{
	char byte;

	expect(read(evicted[0], &byte, 1) == 1, "read: %s", strerror(errno));
	expect_in_ram(buf, FITS);
	pattern_check(buf, FITS, SEED);
}

/* A child has no GPU, and by then is the only one to have the memory. */
static void memory_of_a_child_is_evicted(void)
{
	char *buf = map_anon(FITS), *more = map_anon(MUCH);
	int child;

	pattern_fill(buf, FITS, SEED);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf, FITS, gpu.id), ==, 0);
	expect(!pipe(evicted), "pipe: %s", strerror(errno));
	child = tap_fork(find_pages_in_ram, buf);
	munmap(buf, FITS);
	queue_fill(&q, more, 7, MUCH);
	queue_run(&q);
	expect(write(evicted[1], "", 1) == 1, "write: %s", strerror(errno));
	tap_join(child);
	value_check(more, MUCH, 7);
}

#define VRAM_BUFFER (KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)

static void buffers_get_vram_that_shared_memory_fills(void)
{
	static const uint32_t flags[] = { VRAM_BUFFER, VRAM_BUFFER | KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC };
	char *buf = map_anon(MUCH);
	struct bo bo;

	pattern_fill(buf, MUCH, SEED);
	gpu_open(&gpu, 0);
	queue_create(&q, &gpu, 1 << 20);
	number_pages(buf, MUCH);
	queue_run(&q);
	for (int i = 0; i < 2; i++) {
		bo_create_as(&bo, &gpu, FITS, flags[i]);
		value_check(bo.at, FITS, 0);
		expect_int(where_is(buf, MUCH).device * PAGE, <=, gpu.vram - FITS);
		queue_fill(&q, bo.at, 0xb0b0b0b0 + i, FITS);	/* nobody's memory */
		queue_run(&q);
		value_check(bo.at, FITS, 0xb0b0b0b0 + i);
		bo_destroy(&bo);
		expect_int(svm_prefetch(&gpu, buf, MUCH, gpu.id), ==, 0);
		expect_newest_in_vram(buf);
	}
	check_numbered(buf, MUCH);
}

/* What a buffer takes stays its own. */
static void buffers_are_not_evicted(void)
{
	char *buf = map_anon(MUCH);
	struct bo bo;

	gpu_and_queue(&gpu, &q);
	bo_create_as(&bo, &gpu, FITS, VRAM_BUFFER);
	queue_fill(&q, bo.at, 0xb0b0b0b0, FITS);
	queue_fill(&q, buf, 0xcafe, MUCH);
	queue_run(&q);
	expect_int(where_is(buf, MUCH).device * PAGE, <=, gpu.vram - FITS);
	value_check(buf, MUCH, 0xcafe);
	value_check(bo.at, FITS, 0xb0b0b0b0);
	bo_destroy(&bo);
}

static void vram_is_used_again_when_it_is_free(void)
{
	gpu_and_queue(&gpu, &q);
	for (uint32_t round = 0; round < tap_rounds(8); round++) {
		char *buf = map_anon(8 * MIB);

		queue_fill(&q, buf, round, 8 * MIB);
		queue_run(&q);
		expect_in_vram(buf, 8 * MIB);	/* fits, if the round before is gone */
		if (round & 1)
			value_check(buf, 8 * MIB, round);
		munmap(buf, 8 * MIB);
		expect(wait_until(stat_now("vram_chunks_alloc") == stat_now("vram_chunks_freed"), 5000),
		       "VRAM is still held");
	}
}

/* Take VRAM until there is not even a page to be had. Addresses that nobody uses. */
static void take_all_vram(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args alloc = {
		.va_addr = 1ul << 40, .size = gpu.vram, .gpu_id = gpu.id, .flags = VRAM_BUFFER,
	};

	for (; alloc.size >= PAGE; alloc.size = alloc.size / 2 & -PAGE)
		while (!kfd_ioctl(&gpu, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &alloc))
			alloc.va_addr += alloc.size;
}

static void nothing_moves_and_nothing_is_told_without_vram(void)
{
	char *buf = map_anon(FITS);
	struct stats s;
	int fd;

	pattern_fill(buf, FITS, SEED);
	gpu_open(&gpu, 0);
	queue_create(&q, &gpu, 1 << 20);
	take_all_vram();
	stats_read(&s, 0);
	fd = smi_open(&gpu, SMI_MIGRATE);
	expect_int(svm_prefetch(&gpu, buf, FITS, gpu.id), ==, 0);
	number_pages(buf, FITS);
	queue_run(&q);
	smi_expect_nothing(fd);
	expect_in_ram(buf, FITS);
	expect_int(stats_since(&s, "vram_full"), >, 0);
	check_numbered(buf, FITS);
}

/* As for memory that moves: what the processor has never touched is there afterwards. */
static void prefetch_makes_memory_present_without_vram(void)
{
	char *buf = map_anon(FITS);

	gpu_open(&gpu, 0);
	take_all_vram();
	expect_int(svm_prefetch(&gpu, buf, FITS, gpu.id), ==, 0);
	expect_in_ram(buf, FITS);
	value_check(buf, FITS, 0);
}

/* ---- which one goes ---- */

/* Use granules one after the other until one more evicts; returns how many were used. */
static int fill_vram(char *buf)
{
	struct stats s;
	int n = 0;

	stats_read(&s, 0);
	while (!stats_since(&s, "evictions")) {
		expect_int(n, <, MUCH / GRANULE);
		queue_fill(&q, buf + n * GRANULE, n + 1, GRANULE);
		n++;
		queue_run(&q);
	}
	expect_in_ram(buf, GRANULE);
	expect_in_vram(buf + GRANULE, (n - 1) * GRANULE);
	return n;
}

static void memory_used_last_stays(void)
{
	char *buf = map_anon(MUCH);
	int n;

	gpu_and_queue(&gpu, &q);
	n = fill_vram(buf);
	expect_int(n, >, 5);
	/* the oldest two are used once more: one is asked for again, of the other the GPU loses the mapping */
	expect_int(svm_prefetch(&gpu, buf + GRANULE, GRANULE, gpu.id), ==, 0);
	expect(!mprotect(buf + 2 * GRANULE, GRANULE, PROT_READ) &&
	       !mprotect(buf + 2 * GRANULE, GRANULE, PROT_READ | PROT_WRITE), "mprotect: %s", strerror(errno));
	queue_write32(&q, buf + 2 * GRANULE, 3);
	queue_fill(&q, buf + n * GRANULE, n + 1, GRANULE);
	queue_fill(&q, buf + (n + 1) * GRANULE, n + 2, GRANULE);
	queue_run(&q);
	expect_in_vram(buf + GRANULE, 2 * GRANULE);
	expect_in_ram(buf + 3 * GRANULE, 2 * GRANULE);
	expect_in_vram(buf + 5 * GRANULE, (n - 3) * GRANULE);
	for (int i = 0; i < n + 2; i++)
		value_check(buf + i * GRANULE, GRANULE, i + 1);
}

enum { TURNS = 6, FEW_TURNS = 4 };

/* With room for two or three, six take turns: that must not go on for ever. */
static void what_goes_round_comes_to_rest(void)
{
	const int rounds = tap_brief() ? 20 : 40;
	char *buf = map_anon(TURNS * GRANULE);
	struct stats s;
	struct bo bo;

	gpu_and_queue(&gpu, &q);
	bo_create_as(&bo, &gpu, FITS, VRAM_BUFFER);
	stats_read(&s, 0);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < TURNS; i++) {
			queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + i * GRANULE + round * PAGE, i + 1, 0);
			queue_run(&q);
		}
	diag("%d turns: %llu evictions, %llu forgone", rounds * TURNS, (unsigned long long)stats_since(&s, "evictions"),
	     (unsigned long long)stats_since(&s, "evictions_forgone"));
	expect_int(stats_since(&s, "evictions"), >=, TURNS);
	expect_int(stats_since(&s, "evictions"), <, rounds * TURNS / 3);
	expect_int(stats_since(&s, "evictions_forgone"), >, 0);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < TURNS; i++)
			expect_int(*(int *)(buf + i * GRANULE + round * PAGE), ==, i + 1);
	/* whoever asks gets it all the same */
	expect_int(svm_prefetch(&gpu, buf, GRANULE, gpu.id), ==, 0);
	expect_in_vram(buf, GRANULE);
	bo_destroy(&bo);
}

/* With room for two or three, four take turns three times: not often enough for any to go round. */
static void take_a_few_turns(void *buf)
{
	struct stats s;
	struct bo bo;

	gpu_and_queue(&gpu, &q);
	bo_create_as(&bo, &gpu, FITS, VRAM_BUFFER);
	stats_read(&s, 0);
	for (int i = 0; i < 3 * FEW_TURNS; i++) {
		queue_write32(&q, (char *)buf + i % FEW_TURNS * GRANULE, i);
		queue_run(&q);
	}
	expect_int(stats_since(&s, "evictions_forgone"), ==, 0);
	expect_int(stats_since(&s, "evictions"), >=, 2 * FEW_TURNS);
	bo_destroy(&bo);
}

/*
 * What went round in one process says nothing of the next one, which has other memory at the same addresses,
 * and in the kernel often its structures, too.
 */
static void what_went_round_is_not_inherited(void)
{
	char *buf = map_anon(FEW_TURNS * GRANULE);

	for (int i = 0; i < (tap_brief() ? 6 : 12); i++) {
		const char *trouble;

		tap_join(tap_fork(take_a_few_turns, buf));
		trouble = nothing_left();
		expect(!trouble, "%s", trouble);
	}
}

/* ---- many at once ---- */

static volatile bool stop;
static unsigned long writes;

/* Waits for mmap_lock as a writer nearly all the time. */
static void *change_the_address_space(void *unused)
{
	while (!stop) {
		char *at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		expect(at != MAP_FAILED, "mmap: %s", strerror(errno));
		at[PAGE] = 1;
		expect(!mprotect(at + 4 * PAGE, PAGE, PROT_NONE), "mprotect: %s", strerror(errno));
		munmap(at, 16 * PAGE);
		writes++;
	}
	return unused;
}

#define WORKING_SET tap_size(64 * MIB, 32 * MIB)	/* four times VRAM, or twice */
enum { BATCH = 64 };

/* Add to random pages for a while, and until much has been evicted since @s; @added gets how much, by page. */
static void add_at_random(char *buf, uint16_t *added, uint32_t seed, int ms, const struct stats *s)
{
	long long end = now_ms() + ms;

	do {
		for (int i = 0; i < BATCH; i++) {
			size_t page = (seed = seed * 1664525 + 1013904223) % (WORKING_SET / PAGE);

			queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + page * PAGE + 8, 1, 0);
			added[page]++;
		}
		queue_run(&q);
	} while (now_ms() < end || stats_since(s, "evictions") <= 20);
}

static void check_added(const char *buf, const uint16_t *added)
{
	for (size_t page = 0; page < WORKING_SET / PAGE; page++)
		if (*(uint32_t *)(buf + page * PAGE + 8) != added[page])
			fail("page %zu is %u, expected %u", page, *(uint32_t *)(buf + page * PAGE + 8), added[page]);
}

static void several_times_vram_at_random_beside_a_writer(void)
{
	uint16_t *added = calloc(WORKING_SET / PAGE, sizeof(*added));
	char *buf = map_anon(WORKING_SET);
	pthread_t thread;
	struct stats s;

	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	expect(!pthread_create(&thread, NULL, change_the_address_space, NULL), "pthread_create");
	add_at_random(buf, added, SEED, tap_brief() ? 2000 : 4000, &s);
	stop = true;
	pthread_join(thread, NULL);
	diag("%lu changes beside %llu evictions, %llu refused, %llu forgone, %llu times no VRAM", writes,
	     (unsigned long long)stats_since(&s, "evictions"), (unsigned long long)stats_since(&s, "evictions_refused"),
	     (unsigned long long)stats_since(&s, "evictions_forgone"), (unsigned long long)stats_since(&s, "vram_full"));
	expect_int(writes, >, 3);	/* on a debug kernel they are few */
	check_added(buf, added);
}
static void fill_and_check(void *arg)
{
	uint32_t seed = (uintptr_t)arg;
	size_t bytes = tap_size(16 * MIB, 4 * MIB);	/* and the copy, for each of three: more than VRAM */
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	for (uint32_t round = 0; round < tap_rounds(3); round++) {
		pattern_fill(buf, bytes, seed + round);
		queue_copy(&q, copy, buf, bytes);
		queue_run(&q);
		pattern_check(copy, bytes, seed + round);
	}
}

static void processes_compete_for_vram(void)
{
	struct stats s;
	int child[3];

	stats_read(&s, 0);
	for (int i = 0; i < 3; i++)
		child[i] = tap_fork(fill_and_check, (void *)(uintptr_t)(0x100 * (i + 1)));
	for (int i = 0; i < 3; i++)
		tap_join(child[i]);
	expect_int(stats_since(&s, "evictions"), >, 0);
}

/* Tables for what the GPU uses in RAM, more than the reserve holds (1 MiB, a page for 2 MiB), while memory fills VRAM. */
static void page_tables_push_memory_out(void)
{
	struct kfd_ioctl_svm_attribute in_ram[] = {
		{ KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, KFD_IOCTL_SVM_LOCATION_SYSMEM },
		{ KFD_IOCTL_SVM_ATTR_GRANULARITY, 0 },
	};
	enum { SPOTS = 400 };
	char *buf = map_anon(MUCH), *sparse = map_anon(SPOTS * GRANULE);

	pattern_fill(buf, MUCH, SEED);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf, MUCH, gpu.id), ==, 0);
	expect_int(svm_set_attr(&gpu, sparse, SPOTS * GRANULE, 2, in_ram), ==, 0);
	for (size_t i = 0; i < SPOTS; i++)
		queue_write32(&q, sparse + i * GRANULE + i * PAGE, i + 1);
	queue_run(&q);
	for (size_t i = 0; i < SPOTS; i++)
		expect_int(*(uint32_t *)(sparse + i * GRANULE + i * PAGE), ==, i + 1);
	expect_int(where_is(sparse, SPOTS * GRANULE).device, ==, 0);
	pattern_check(buf, MUCH, SEED);
}

static const struct tap_test tests[] = {
	TAP_TEST(memory_used_first_goes_to_ram),
	TAP_TEST(prefetch_of_too_much_keeps_the_end),
	TAP_TEST(memory_of_a_child_is_evicted),
	TAP_TEST(buffers_get_vram_that_shared_memory_fills),
	TAP_TEST(buffers_are_not_evicted),
	TAP_TEST(nothing_moves_and_nothing_is_told_without_vram),
	TAP_TEST(prefetch_makes_memory_present_without_vram),
	TAP_TEST(vram_is_used_again_when_it_is_free),
	TAP_TEST(memory_used_last_stays),
	TAP_TEST(what_goes_round_comes_to_rest),
	TAP_TEST(what_went_round_is_not_inherited),
	TAP_TEST(several_times_vram_at_random_beside_a_writer),
	TAP_TEST(processes_compete_for_vram),
	TAP_TEST(page_tables_push_memory_out),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
