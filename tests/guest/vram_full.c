// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * More memory than VRAM: what does not fit is used where it is, and no byte is lost.
 *
 * RUN: --vram 16M
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0003u

static struct gpu gpu;
static struct queue q;

static void what_does_not_fit_is_used_in_ram(void)
{
	size_t bytes = 48 * MIB;
	char *buf = map_anon(bytes);
	struct stats s;
	struct where w;

	pattern_fill(buf, bytes, SEED);
	gpu_open(&gpu, 0);
	queue_create(&q, &gpu, 1 << 20);
	stats_read(&s, 0);
	for (size_t page = 0; page < bytes / PAGE; page++)
		queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + page * PAGE, page, 0);
	queue_run(&q);
	w = where_is(buf, bytes);
	expect_int(w.device, >, 0);
	expect_int(w.present, >, 0);
	expect_int(w.device + w.present, ==, bytes / PAGE);
	expect_int(w.device * PAGE, <=, gpu.vram);
	expect_int(stats_since(&s, "vram_full"), >, 0);
	for (size_t i = 0; i < bytes / 4; i++) {
		uint32_t wanted = pattern_at(i, SEED) + (i % 1024 ? 0 : i / 1024);

		if (((uint32_t *)buf)[i] != wanted)
			fail("byte %#zx is %08x, expected %08x", i * 4, ((uint32_t *)buf)[i], wanted);
	}
}

static void prefetch_of_too_much_loses_nothing(void)
{
	size_t bytes = 48 * MIB;
	char *buf = map_anon(bytes);
	struct where w;
	int error;

	pattern_fill(buf, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	error = svm_prefetch(&gpu, buf, bytes, gpu.id);
	expect(error == 0 || error == -12, "prefetch gave %d", error);
	w = where_is(buf, bytes);
	expect_int(w.device + w.present, ==, bytes / PAGE);
	pattern_check(buf, bytes, SEED);
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
	TAP_TEST(what_does_not_fit_is_used_in_ram),
	TAP_TEST(prefetch_of_too_much_loses_nothing),
	TAP_TEST(vram_is_used_again_when_it_is_free),
	TAP_TEST(processes_compete_for_vram),
	TAP_TEST(sparse_accesses_find_room_for_page_tables),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
