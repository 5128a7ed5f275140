// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * More memory than VRAM: what was used least recently goes to RAM, and no byte is lost.
 *
 * RUN: --vram 16M
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0003u

static struct gpu gpu;
static struct queue q;

enum { MUCH = 48 << 20, FITS = 8 << 20 };	/* three times VRAM; what certainly fits */

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
	for (uint32_t round = 0; round < 8; round++) {
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

static void fill_and_check(void *arg)
{
	uint32_t seed = (uintptr_t)arg;
	size_t bytes = 12 * MIB;
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	for (uint32_t round = 0; round < 4; round++) {
		pattern_fill(buf, bytes, seed + round);
		queue_copy(&q, copy, buf, bytes);
		queue_run(&q);
		pattern_check(copy, bytes, seed + round);
	}
}

static void processes_compete_for_vram(void)
{
	int child[3];

	for (int i = 0; i < 3; i++)
		child[i] = tap_fork(fill_and_check, (void *)(uintptr_t)(0x100 * (i + 1)));
	for (int i = 0; i < 3; i++)
		tap_join(child[i]);
}

static void sparse_accesses_find_room_for_page_tables(void)
{
	enum { SPOTS = 64 };
	char *buf = map_anon(SPOTS * GRANULE);

	gpu_and_queue(&gpu, &q);
	for (size_t i = 0; i < SPOTS; i++)
		queue_write32(&q, buf + i * GRANULE + i * PAGE, i + 1);
	queue_run(&q);
	for (size_t i = 0; i < SPOTS; i++)
		expect_int(*(uint32_t *)(buf + i * GRANULE + i * PAGE), ==, i + 1);
}

static const struct tap_test tests[] = {
	TAP_TEST(memory_used_first_goes_to_ram),
	TAP_TEST(prefetch_of_too_much_keeps_the_end),
	TAP_TEST(memory_of_a_child_is_evicted),
	TAP_TEST(buffers_get_vram_that_shared_memory_fills),
	TAP_TEST(buffers_are_not_evicted),
	TAP_TEST(vram_is_used_again_when_it_is_free),
	TAP_TEST(processes_compete_for_vram),
	TAP_TEST(sparse_accesses_find_room_for_page_tables),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
