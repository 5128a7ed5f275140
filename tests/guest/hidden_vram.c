// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VRAM of which the BAR shows an eighth: the GPU uses all of it, the processor gets an error for the rest.
 *
 * RUN-DEFAULT: --vram 128M --device vram-bar-size=16M
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000bu
#define VRAM (KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)

enum { VISIBLE = 16 << 20 };

static struct gpu gpu;
static struct queue q;

/* Bytes in use behind the BAR's end. */
static uint64_t hidden_now(void)
{
	static const char file[] = "/sys/kernel/debug/hmm_gpu/0/vram";

	return named_value(file, "used") - named_value(file, "visible_used");
}

static void pages_behind_the_bar_migrate_both_ways(void)
{
	size_t bytes = VISIBLE + 4 * MIB;
	char *buf = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	gpu_open(&gpu, 0);
	for (int round = 0; round < 2; round++) {
		uint64_t before = hidden_now();

		expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
		expect_in_vram(buf, bytes);
		expect_int(hidden_now() - before, >=, bytes - VISIBLE);
		if (round)	/* once by faults, once asked for */
			expect_int(svm_prefetch(&gpu, buf, bytes, 0), ==, 0);
		pattern_check(buf, bytes, SEED);
		expect_in_ram(buf, bytes);
	}
}

static void gpu_faults_bring_pages_behind_the_bar(void)
{
	size_t bytes = VISIBLE;
	char *buf = map_anon(bytes), *copy = map_anon(bytes);
	uint64_t before;

	pattern_fill(buf, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	before = hidden_now();
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	expect_in_vram(copy, bytes);
	expect_int(hidden_now() - before, >=, 2 * bytes - VISIBLE);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes, SEED);
}

/* ---- buffers ---- */

/* A buffer in VRAM that CPU and GPU have at the same address. */
static char *vram_buffer(size_t bytes, uint32_t flags)
{
	struct bo bo;

	bo_create_as(&bo, &gpu, bytes, flags);
	return bo.at;
}

/* Find it clean, leave it dirty. */
static void use_once(void *arg)
{
	size_t bytes = *(size_t *)arg;
	struct bo copy;
	char *buf;

	gpu_and_queue(&gpu, &q);
	bo_create(&copy, &gpu, 4 * MIB);
	buf = vram_buffer(bytes, VRAM);
	expect_int(hidden_now(), >=, bytes);
	for (size_t at = 0; at < bytes; at += 4 * MIB) {
		size_t n = bytes - at < 4 * MIB ? bytes - at : 4 * MIB;

		queue_copy(&q, copy.at, buf + at, n);
		queue_run(&q);
		value_check(copy.at, n, 0);
	}
	queue_fill(&q, buf, 0xd1d1d1d1, bytes);
	queue_run(&q);
}

static void buffers_behind_the_bar_are_clean(void)
{
	/* a large one is cleared by the engine, a small one could be by the CPU, if it saw it */
	static size_t sizes[] = { 64 * MIB, 64 << 10, 64 << 10, 8 * MIB };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		tap_join(tap_fork(use_once, &sizes[i]));
}

static int own_memory(void)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	expect(fd >= 0, "/proc/self/mem: %s", strerror(errno));
	return fd;
}

/* What a debugger does to a mapping goes through the driver, and does not stop at the BAR's end by itself. */
static void processor_gets_an_error_behind_the_bar(void)
{
	static const size_t offsets[] = { 0, PAGE + 8, 2 * MIB - 4, 4 * MIB - 8 };
	char *buf, *copy = map_anon(4 * MIB);
	uint64_t word = 0xbad0bad0bad0bad0;
	int mem = own_memory();

	gpu_and_queue(&gpu, &q);
	buf = vram_buffer(4 * MIB, VRAM);
	expect_int(hidden_now(), >=, 4 * MIB);
	queue_fill(&q, buf, 0x600d600d, 4 * MIB);
	queue_run(&q);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		char *at = buf + offsets[i];

		expect_int(signal_of_read(at), ==, SIGBUS);
		expect_int(pread(mem, &word, 8, (uintptr_t)at), ==, -1);
		expect_int(errno, ==, EIO);
		expect_int(pwrite(mem, &word, 8, (uintptr_t)at), ==, -1);
		expect_int(errno, ==, EIO);
	}
	queue_copy(&q, copy, buf, 4 * MIB);
	queue_run(&q);
	value_check(copy, 4 * MIB, 0x600d600d);
}

static void processor_reaches_what_the_bar_shows(void)
{
	uint64_t word = 0x0123456789abcdef;
	char *buf, *copy = map_anon(MIB);
	int mem = own_memory();

	gpu_and_queue(&gpu, &q);
	buf = vram_buffer(MIB, VRAM | KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC);
	expect_int(signal_of_read(buf), ==, 0);
	expect_int(pwrite(mem, &word, 8, (uintptr_t)buf + PAGE - 4), ==, 8);	/* across two pages */
	queue_copy(&q, copy, buf, MIB);
	queue_run(&q);
	expect(!memcmp(copy + PAGE - 4, &word, 8), "the GPU does not see what was written through /proc/self/mem");
	queue_fill(&q, buf, 0x600d600d, MIB);
	queue_run(&q);
	expect_int(pread(mem, &word, 8, (uintptr_t)buf + PAGE - 4), ==, 8);
	expect_int(word, ==, 0x600d600d600d600d);
}

static const struct tap_test tests[] = {
	TAP_TEST(pages_behind_the_bar_migrate_both_ways),
	TAP_TEST(gpu_faults_bring_pages_behind_the_bar),
	TAP_TEST(buffers_behind_the_bar_are_clean),
	TAP_TEST(processor_gets_an_error_behind_the_bar),
	TAP_TEST(processor_reaches_what_the_bar_shows),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
