// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What VRAM costs in system memory, and what is left for processes: much VRAM in little memory, and two GPUs.
 *
 * RUN-DEFAULT: --vram 64G --device vram-bar-size=256M --mem 4G
 * RUN-DEFAULT: --gpus 2 --vram 8G --device vram-bar-size=256M
 */
#include <errno.h>
#include <sys/sysinfo.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000du
#define MEMORY "/sys/kernel/debug/hmm_gpu/memory"
#define GIB (1ul << 30)

enum { MAX_GPUS = 2 };

static struct gpu gpus[MAX_GPUS];
static unsigned int count;

static void open_all(void)
{
	count = gpu_count();
	expect_int(count, <=, MAX_GPUS);
	for (unsigned int i = 0; i < count; i++)
		gpu_open(&gpus[i], i);
}

static uint64_t left(void)
{
	return named_value(MEMORY, "limit") - named_value(MEMORY, "used");
}

/* 64 bytes for each page of all GPUs. */
static void struct_pages_of_all_gpus_are_reserved(void)
{
	uint64_t vram = 0;

	open_all();
	for (unsigned int i = 0; i < count; i++)
		vram += gpus[i].vram;
	expect_int(vram, >=, 16 * GIB);
	expect_int(named_value(MEMORY, "struct_pages"), ==, vram / 64);
	expect_int(named_value(MEMORY, "used"), ==, vram / 64);
}

static void limit_is_that_of_kfd(void)
{
	struct sysinfo info;
	uint64_t ram, limit;

	expect(!sysinfo(&info), "sysinfo");
	ram = info.totalram * info.mem_unit;
	limit = ram - ram / 64;
	limit = limit < 3 * GIB ? limit / 2 : limit - 3 * GIB / 2;
	expect_int(named_value(MEMORY, "limit"), ==, limit);
}

static void memory_migrates_as_ever(void)
{
	size_t bytes = tap_size(32 * MIB, 4 * MIB);

	open_all();
	for (unsigned int i = 0; i < count; i++) {
		char *buf = map_anon(bytes), *copy = map_anon(bytes);
		struct queue q;

		pattern_fill(buf, bytes, SEED + i);
		expect_int(svm_prefetch(&gpus[i], buf, bytes, gpus[i].id), ==, 0);
		expect_in_vram(buf, bytes);
		queue_create(&q, &gpus[i], 4096);
		queue_copy(&q, copy, buf, bytes);
		queue_run(&q);
		pattern_check(copy, bytes, SEED + i);
		pattern_check(buf, bytes, SEED + i);
		expect_in_ram(buf, bytes);
		queue_destroy(&q);
	}
}

/* Refused before memory is short, and then all of the rest is still to be had. */
static void buffers_get_what_struct_pages_leave(void)
{
	uint32_t flags = KFD_IOC_ALLOC_MEM_FLAGS_GTT | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE;
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
	uint64_t pages = left() / PAGE, refused = named_value(MEMORY, "refused");
	char *at = (char *)0x200000000000;

	open_all();
	expect_int(gpu_alloc(&gpus[0], at, (pages + 1) * PAGE, flags, &a), ==, -ENOMEM);
	expect_int(named_value(MEMORY, "refused"), ==, refused + 1);
	expect_int(gpu_alloc(&gpus[0], at, pages * PAGE, flags, &a), ==, 0);
	expect_int(left(), <, PAGE);
	expect_int(gpu_alloc(&gpus[count - 1], at + pages * PAGE, PAGE, flags, &a), ==, -ENOMEM);
}

static uint64_t available(struct gpu *gpu)
{
	struct kfd_ioctl_get_available_memory_args a = { .gpu_id = gpu->id };

	expect_int(kfd_ioctl(gpu, AMDKFD_IOC_AVAILABLE_MEMORY, &a), ==, 0);
	return a.available;
}

/* As KFD: buffers in steps of 2 MiB, without what page tables may need; shared memory does not count. */
static void available_memory_is_of_the_gpu_and_of_buffers(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
	uint64_t before[MAX_GPUS];
	char *buf = map_anon(16 * MIB);

	open_all();
	for (unsigned int i = 0; i < count; i++) {
		before[i] = available(&gpus[i]);
		expect_int(before[i] % (2 * MIB), ==, 0);
		expect_int(before[i], <=, gpus[i].vram - 8 * MIB);
		expect_int(before[i], >=, gpus[i].vram - 16 * MIB);
	}
	expect_int(svm_prefetch(&gpus[0], buf, 16 * MIB, gpus[0].id), ==, 0);
	expect_in_vram(buf, 16 * MIB);
	expect_int(available(&gpus[0]), ==, before[0]);
	expect_int(gpu_alloc(&gpus[0], (void *)0x200000000000, before[0] + 2 * MIB, KFD_IOC_ALLOC_MEM_FLAGS_VRAM, &a), ==,
		   -ENOMEM);
	expect_int(gpu_alloc(&gpus[0], (void *)0x200000000000, PAGE, KFD_IOC_ALLOC_MEM_FLAGS_VRAM, &a), ==, 0);
	expect_int(available(&gpus[0]), ==, before[0] - 2 * MIB);
	if (count > 1)
		expect_int(available(&gpus[1]), ==, before[1]);
	expect_int(gpu_free(&gpus[0], a.handle), ==, 0);
	expect_int(available(&gpus[0]), ==, before[0]);
}

static const struct tap_test tests[] = {
	TAP_TEST(struct_pages_of_all_gpus_are_reserved),
	TAP_TEST(limit_is_that_of_kfd),
	TAP_TEST(memory_migrates_as_ever),
	TAP_TEST(buffers_get_what_struct_pages_leave),
	TAP_TEST(available_memory_is_of_the_gpu_and_of_buffers),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
