// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every kind of memory that a program can have, touched by the GPU and then by the CPU: are the bytes
 * right, are the pages where they should be, and does the driver count what happened?
 *
 * RUN-DEFAULT: --iommu
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0001u

static struct gpu gpu;
static struct queue q;

/* Anonymous memory of @bytes with the pattern in it, and a place for the GPU to copy it to. */
static char *filled(size_t bytes)
{
	char *at = map_anon(bytes);

	pattern_fill(at, bytes, SEED);
	return at;
}

/* GPU faults on a span; granules are aligned to their size. */
static size_t granules(size_t bytes)
{
	return (bytes + GRANULE - 1) / GRANULE;
}

/* ---- a fault in each direction ---- */

static void gpu_write_migrates_anonymous_memory(void)
{
	size_t bytes = tap_size(8 * MIB, 4 * MIB);
	char *buf = filled(bytes);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	for (size_t page = 0; page < bytes / PAGE; page++)
		queue_write32(&q, buf + page * PAGE, 0x10000 + page);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	expect_int(stats_since(&s, "gpu_faults"), >=, granules(bytes));
	expect_int(stats_since(&s, "pages_to_vram"), ==, bytes / PAGE);
	expect_int(stats_since(&s, "pages_to_ram"), ==, 0);

	for (size_t page = 0; page < bytes / PAGE; page++) {
		uint32_t *dw = (uint32_t *)(buf + page * PAGE);

		expect_int(dw[0], ==, 0x10000 + page);
		for (size_t i = 1; i < PAGE / 4; i++)
			expect_int(dw[i], ==, pattern_at(page * PAGE / 4 + i, SEED));
	}
	expect_in_ram(buf, bytes);
	expect_int(stats_since(&s, "cpu_faults"), >=, granules(bytes));
	expect_int(stats_since(&s, "pages_to_ram"), ==, bytes / PAGE);
}

static void gpu_read_migrates_anonymous_memory(void)
{
	size_t bytes = 4 * MIB;
	char *src = filled(bytes), *dst = map_anon(bytes);

	memset(dst, 0xff, bytes);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, dst, src, bytes);
	queue_run(&q);
	expect_in_vram(src, bytes);
	expect_in_vram(dst, bytes);
	pattern_check(dst, bytes, SEED);
	pattern_check(src, bytes, SEED);
}

static void gpu_write_to_untouched_memory_leaves_zeros_around_it(void)
{
	size_t bytes = 4 * MIB;
	uint32_t *buf = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, buf + 5 * PAGE / 4 + 7, 0xabcd);
	queue_write32(&q, (char *)buf + 3 * MIB, 0xef01);
	queue_run(&q);
	for (size_t i = 0; i < bytes / 4; i++) {
		uint32_t wanted = i == 5 * PAGE / 4 + 7 ? 0xabcd : i == 3 * MIB / 4 ? 0xef01 : 0;

		if (buf[i] != wanted)
			fail("dword %zu is %#x, expected %#x", i, buf[i], wanted);
	}
}

static void gpu_read_of_untouched_memory_gives_zeros(void)
{
	char *src = map_anon(2 * MIB), *dst = filled(2 * MIB);

	gpu_and_queue(&gpu, &q);
	queue_copy(&q, dst, src, 2 * MIB);
	queue_run(&q);
	value_check(dst, 2 * MIB, 0);
}

/* What the CPU has only read is the zero page until somebody writes. */
static void gpu_write_to_the_zero_page_does_not_reach_it(void)
{
	char *buf = map_anon(2 * MIB), *other = map_anon(2 * MIB);

	value_check(buf, 2 * MIB, 0);
	value_check(other, 2 * MIB, 0);
	gpu_and_queue(&gpu, &q);
	queue_fill(&q, buf, 0x12345678, 2 * MIB);
	queue_run(&q);
	value_check(other, 2 * MIB, 0);
	value_check(buf, 2 * MIB, 0x12345678);
}

static void gpu_touches_a_few_bytes_of_unaligned_memory(void)
{
	size_t bytes = 64 * PAGE;
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	pattern_fill(map, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	/* ends in the middle of pages, and another distance from the page in source and destination */
	queue_copy(&q, copy + 3 * PAGE + 77, map + 9 * PAGE + 1234, 5 * PAGE + 13);
	queue_run(&q);
	expect(!memcmp(copy + 3 * PAGE + 77, map + 9 * PAGE + 1234, 5 * PAGE + 13), "the copy is wrong");
	for (size_t i = 0; i < bytes; i++)
		if (copy[i] && (i < 3 * PAGE + 77 || i >= 8 * PAGE + 90))
			fail("byte %zu outside of the copy was written", i);
	pattern_check(map, bytes, SEED);
}

static void gpu_works_on_the_stack(void)
{
	volatile uint32_t word[1024] = { 0 };

	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 1024; i++)
		queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, (void *)&word[i], 3 * i + 1, 0);
	queue_run(&q);
	for (int i = 0; i < 1024; i++)
		expect_int(word[i], ==, 3 * i + 1);
}

static void pages_go_back_and_forth(void)
{
	uint32_t *word = map_anon(2 * MIB), rounds = tap_rounds(20);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	for (unsigned int round = 0; round < rounds; round++) {
		for (size_t page = 0; page < 512; page += 37)
			queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word + page * 1024, 1, 0);
		queue_run(&q);
		expect_in_vram(word, PAGE);
		for (size_t page = 0; page < 512; page += 37)
			expect_int(++word[page * 1024], ==, 2 * round + 2);
		expect_in_ram(word, PAGE);
	}
	expect_int(stats_since(&s, "gpu_faults"), >=, rounds);
	expect_int(stats_since(&s, "cpu_faults"), >=, rounds);
}

/* No update may be lost however the migrations fall: both sides add atomically to the same words. */
static void cpu_and_gpu_add_to_the_same_words(void)
{
	enum { WORDS = 16, ADDS = 400 };
	uint32_t *word = map_anon(2 * MIB);

	gpu_open(&gpu, 0);
	queue_create(&q, &gpu, 512 << 10);	/* all of it at once */
	for (int i = 0; i < ADDS; i++)
		for (int w = 0; w < WORDS; w++)
			queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word + w * 1024, 1, 0);
	queue_submit(&q);
	for (int i = 0; i < ADDS; i++)
		for (int w = 0; w < WORDS; w++)
			__atomic_fetch_add(word + w * 1024, 1, __ATOMIC_SEQ_CST);
	queue_wait(&q);
	for (int w = 0; w < WORDS; w++)
		expect_int(word[w * 1024], ==, 2 * ADDS);
}

static void two_queues_fault_on_the_same_pages(void)
{
	uint32_t *word = map_anon(4 * MIB);
	struct queue other;

	gpu_and_queue(&gpu, &q);
	queue_create(&other, &gpu, 64 << 10);
	for (size_t page = 0; page < 1024; page++) {
		queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word + page * 1024, 1, 0);
		queue_atomic(&other, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word + (1023 - page) * 1024, 2, 0);
	}
	queue_submit(&q);
	queue_submit(&other);
	queue_wait(&q);
	queue_wait(&other);
	for (size_t page = 0; page < 1024; page++)
		expect_int(word[page * 1024], ==, 3);
	queue_destroy(&other);
	queue_destroy(&q);
}

/* ---- prefetch and attributes ---- */

static void prefetch_moves_pages_both_ways(void)
{
	size_t bytes = tap_size(6 * MIB, 2 * MIB + PAGE);
	char *buf = filled(bytes), *copy = map_anon(bytes);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_in_vram(buf, bytes);
	expect_int(stats_since(&s, "pages_to_vram"), ==, bytes / PAGE);
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	expect_int(svm_prefetch(&gpu, buf, bytes, 0), ==, 0);
	expect_in_ram(buf, bytes);
	expect_int(stats_since(&s, "pages_to_ram"), ==, bytes / PAGE);
	expect_int(stats_since(&s, "cpu_faults"), ==, 0);
	pattern_check(buf, bytes, SEED);
	pattern_check(copy, bytes, SEED);
}

static void prefetch_of_a_part_leaves_the_rest(void)
{
	size_t bytes = 4 * MIB;
	char *buf = filled(bytes);

	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf + 17 * PAGE, 600 * PAGE, gpu.id), ==, 0);
	expect_in_ram(buf, 17 * PAGE);
	expect_in_vram(buf + 17 * PAGE, 600 * PAGE);
	expect_in_ram(buf + 617 * PAGE, bytes - 617 * PAGE);
	pattern_check(buf, bytes, SEED);
}

static void get_attr_gives_defaults_and_what_was_set(void)
{
	struct kfd_ioctl_svm_attribute set[] = {
		{ KFD_IOCTL_SVM_ATTR_GRANULARITY, 5 },
		{ KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO },
	};
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, 0 };
	char *buf = filled(4 * MIB);

	gpu_open(&gpu, 0);
	access.value = gpu.id;
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC), ==, KFD_IOCTL_SVM_LOCATION_UNDEFINED);
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC), ==, KFD_IOCTL_SVM_LOCATION_UNDEFINED);
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY), ==, 9);
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_SET_FLAGS), ==,
		   KFD_IOCTL_SVM_FLAG_HOST_ACCESS | KFD_IOCTL_SVM_FLAG_COHERENT);
	expect_int(svm_get_attr(&gpu, buf, 4 * MIB, 1, &access), ==, 0);
	expect_int(access.type, ==, KFD_IOCTL_SVM_ATTR_ACCESS);	/* XNACK on */

	expect_int(svm_set_attr(&gpu, buf, 2 * MIB, 2, set), ==, 0);
	set[0].value = 7;
	expect_int(svm_set_attr(&gpu, buf + 2 * MIB, 2 * MIB, 1, set), ==, 0);
	expect_int(svm_get(&gpu, buf, 2 * MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY), ==, 5);
	expect_int(svm_get(&gpu, buf, 2 * MIB, KFD_IOCTL_SVM_ATTR_SET_FLAGS) & KFD_IOCTL_SVM_FLAG_GPU_RO, !=, 0);
	/* the intersection: the least granularity, the flags that all have */
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY), ==, 5);
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_SET_FLAGS) & KFD_IOCTL_SVM_FLAG_GPU_RO, ==, 0);
}

static void get_attr_of_mixed_locations_is_undefined(void)
{
	char *buf = filled(4 * MIB);

	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf, 2 * MIB, gpu.id), ==, 0);
	expect_int(svm_get(&gpu, buf, 2 * MIB, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC), ==, gpu.id);
	expect_int(svm_prefetch(&gpu, buf + 2 * MIB, 2 * MIB, 0), ==, 0);
	expect_int(svm_get(&gpu, buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC), ==, KFD_IOCTL_SVM_LOCATION_UNDEFINED);
	pattern_check(buf, 4 * MIB, SEED);
}

static void preferred_location_in_ram_keeps_pages_there(void)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };
	char *buf = filled(2 * MIB);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	expect_int(svm_set_attr(&gpu, buf, 2 * MIB, 1, &preferred), ==, 0);
	stats_read(&s, 0);
	queue_fill(&q, buf, 0x77, MIB);
	queue_run(&q);
	expect_in_ram(buf, 2 * MIB);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 0);
	value_check(buf, MIB, 0x77);
}

/* ---- kinds of memory ---- */

/* A file of the host's root, so that its pages are page cache and not shared memory. */
static void file_private_pages_keep_the_file_as_it_is(void)
{
	static const char path[] = "/proc/self/exe";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t pages;
	char *map, *file, *copy;

	expect(fd >= 0 && !fstat(fd, &st), "%s: %s", path, strerror(errno));
	pages = st.st_size / PAGE;
	expect_int(pages, >=, 4);
	map = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	file = map_anon(pages * PAGE);
	copy = map_anon(pages * PAGE);
	expect_int(pread(fd, file, pages * PAGE, 0), ==, pages * PAGE);

	gpu_and_queue(&gpu, &q);
	map[PAGE] ^= 1;						/* page 1 becomes anonymous */
	queue_copy(&q, copy, map, pages * PAGE);
	queue_write32(&q, map + 2 * PAGE, 0xfeedface);		/* page 2 is written by the GPU alone */
	queue_run(&q);
	file[PAGE] ^= 1;
	expect(!memcmp(copy, file, pages * PAGE), "the GPU read something else than is in the file");
	expect_int(*(uint32_t *)(map + 2 * PAGE), ==, 0xfeedface);
	expect(!memcmp(map + 2 * PAGE + 4, file + 2 * PAGE + 4, PAGE - 4), "the rest of the page was lost");
	expect_int(pread(fd, copy, pages * PAGE, 0), ==, pages * PAGE);
	file[PAGE] ^= 1;
	expect(!memcmp(copy, file, pages * PAGE), "a private write reached the file");
}

static void shared_memory_is_used_where_it_is(void)
{
	size_t bytes = 2 * MIB;
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct stats s;

	pattern_fill(map, bytes, SEED);
	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	queue_copy(&q, map + MIB, map, MIB);
	queue_run(&q);
	expect_in_ram(map, bytes);
	expect_int(stats_since(&s, "gpu_faults"), >, 0);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 0);
	pattern_check(map, MIB, SEED);
	pattern_check(map + MIB, MIB, SEED);
}

static void shared_file_takes_what_the_gpu_writes(void)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);
	char *map, back[PAGE];

	expect(fd >= 0 && !ftruncate(fd, MIB), "memfd: %s", strerror(errno));
	map = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	gpu_and_queue(&gpu, &q);
	queue_fill(&q, map, 0x01020304, MIB);	/* no page is there yet */
	queue_run(&q);
	for (size_t at = 0; at < MIB; at += PAGE) {
		expect_int(pread(fd, back, PAGE, at), ==, PAGE);
		value_check(back, PAGE, 0x01020304);
	}
}

/* Huge pages of a range that are mapped as such, in kB, from smaps. */
static unsigned long huge_kb(const void *at)
{
	char line[256];
	unsigned long start, kb = 0;
	bool here = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-", &start) == 1 && strchr(line, '-') && strchr(line, '-') - line < 17)
			here = start == (uintptr_t)at;
		else if (here && sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

static void transparent_huge_pages_migrate(void)
{
	size_t bytes = 4 * MIB;
	char *buf = map_anon(bytes), *copy = map_anon(bytes);

	expect(!madvise(buf, bytes, MADV_HUGEPAGE), "MADV_HUGEPAGE: %s", strerror(errno));
	pattern_fill(buf, bytes, SEED);
	if (huge_kb(buf) != bytes / 1024)
		skip("the kernel gave %lu kB of huge pages", huge_kb(buf));
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, bytes);
	queue_write32(&q, buf + bytes - 4, 0x1);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes - PAGE, SEED);
	expect_int(*(uint32_t *)(buf + bytes - 4), ==, 1);
}

static void part_of_a_huge_page_migrates(void)
{
	char *buf = map_anon(2 * MIB);

	expect(!madvise(buf, 2 * MIB, MADV_HUGEPAGE), "MADV_HUGEPAGE: %s", strerror(errno));
	pattern_fill(buf, 2 * MIB, SEED);
	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf + MIB, MIB, gpu.id), ==, 0);
	expect_in_vram(buf + MIB, MIB);
	expect_in_ram(buf, MIB);
	pattern_check(buf, 2 * MIB, SEED);
}

/* ---- address spaces that change ---- */

static void mremap_takes_device_pages_along(void)
{
	size_t bytes = 2 * MIB;
	char *old = filled(bytes), *at = map_anon(bytes), *copy = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, old, bytes, gpu.id), ==, 0);
	expect(mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at, "mremap: %s", strerror(errno));
	expect_in_vram(at, bytes);
	queue_copy(&q, copy, at, bytes);
	queue_run(&q);
	pattern_check(copy, bytes, SEED);
	pattern_check(at, bytes, SEED);
}

static void mremap_leaves_no_access_to_the_old_address(void)
{
	size_t bytes = 2 * MIB;
	char *old = filled(bytes), *at = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, old, 1);
	queue_run(&q);
	expect(mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at, "mremap: %s", strerror(errno));
	queue_write32(&q, old + PAGE, 0xbad);
	queue_run_into_fault(&q);
	expect_int(*(uint32_t *)(at + PAGE), ==, pattern_at(PAGE / 4, SEED));
	expect_int(*(uint32_t *)at, ==, 1);
	queue_destroy(&q);
}

static void discarded_device_pages_are_zero_again(void)
{
	size_t bytes = 2 * MIB;
	char *buf = filled(bytes), *copy = filled(bytes);

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, buf, 1);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	expect(!madvise(buf, bytes, MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	value_check(copy, bytes, 0);
	value_check(buf, bytes, 0);
}

static void munmap_of_device_pages_frees_their_vram(void)
{
	size_t bytes = tap_size(8 * MIB, 4 * MIB);
	char *buf = filled(bytes);

	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_int(stat_now("vram_chunks_alloc") - stat_now("vram_chunks_freed"), ==, granules(bytes));
	munmap(buf, bytes);
	expect(wait_until(stat_now("vram_chunks_alloc") == stat_now("vram_chunks_freed"), 5000), "VRAM is still held");
}

static void munmap_of_a_part_keeps_the_rest(void)
{
	size_t bytes = 4 * MIB;
	char *buf = filled(bytes), *copy = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	munmap(buf + MIB, MIB);
	queue_copy(&q, copy, buf, MIB);
	queue_copy(&q, copy + 2 * MIB, buf + 2 * MIB, 2 * MIB);
	queue_run(&q);
	pattern_check(copy, MIB, SEED);
	for (size_t i = 2 * MIB / 4; i < bytes / 4; i++)
		expect_int(((uint32_t *)copy)[i], ==, pattern_at(i, SEED));
	pattern_check(buf, MIB, SEED);
}

static void munmap_under_a_running_queue_stops_it(void)
{
	size_t bytes = 4 * MIB;
	char *gone = filled(bytes);
	uint64_t faults = stat_now("gpu_faults_noretry");

	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 500; i++)
		queue_copy(&q, gone + 2 * MIB, gone, 2 * MIB);
	queue_submit(&q);
	expect(wait_until(where_is(gone, bytes).device > 0, 10000), "the queue did not begin");
	munmap(gone, bytes);
	expect(wait_until(stat_now("gpu_faults_noretry") > faults, 20000), "the access to unmapped memory was not reported");
	expect(!queue_idle(&q), "the queue is done although its memory is gone");
	queue_destroy(&q);
}

static void new_mapping_at_a_freed_address_is_fresh(void)
{
	size_t bytes = 2 * MIB;
	char *buf = filled(bytes), *copy = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	for (uint32_t round = 1; round <= tap_rounds(7); round++) {
		queue_fill(&q, buf, round, bytes);
		queue_run(&q);
		munmap(buf, bytes);
		expect(mmap(buf, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf,
		       "mmap: %s", strerror(errno));
		queue_copy(&q, copy, buf, bytes);
		queue_run(&q);
		value_check(copy, bytes, 0);
	}
}

/*
 * The GPU maps block after block while the CPU replaces pages of that very block. A mapping that missed an
 * invalidation shows when both have come to rest: what the GPU then writes goes to a page that nobody has.
 */
struct race {
	char *buf;
	volatile uint32_t *block;	/* where the GPU is */
	volatile bool stop;
};

static void *replace_pages(void *arg)
{
	struct race *r = arg;
	uint32_t x = 1, block = 0, replaced = 0;

	while (!r->stop) {
		char *page;

		if (block != *r->block) {
			block = *r->block;
			replaced = 0;
		}
		nap_us(200);
		if (replaced++ >= 40)	/* the GPU must win in the end, on a slow machine too */
			continue;
		x = x * 1664525 + 1013904223;
		page = r->buf + block * GRANULE + (x >> 23) * PAGE;	/* one of 512 */
		madvise(page, PAGE, MADV_DONTNEED);
		*(volatile uint32_t *)page = x;
	}
	return NULL;
}

static void race_with_replaced_pages(uint32_t location, size_t blocks)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, location };
	struct race r = { .buf = map_anon(blocks * GRANULE) };
	pthread_t cpu;
	struct bo bo;

	queue_create(&q, &gpu, 1 << 20);
	bo_create(&bo, &gpu, PAGE);
	r.block = bo.at;
	*r.block = 0;
	memset(r.buf, 0, blocks * GRANULE);
	expect_int(svm_set_attr(&gpu, r.buf, blocks * GRANULE, 1, &preferred), ==, 0);
	expect(!pthread_create(&cpu, NULL, replace_pages, &r), "pthread_create");
	for (uint32_t block = 0; block < blocks; block++) {
		queue_fence(&q, bo.at, block);
		queue_write32(&q, r.buf + block * GRANULE + 8, block);
	}
	queue_run(&q);
	r.stop = true;
	pthread_join(cpu, NULL);
	for (size_t page = 0; page < blocks * 512; page++)
		queue_write32(&q, r.buf + page * PAGE + 4, 0x600d0000 + page);
	queue_run(&q);
	for (size_t page = 0; page < blocks * 512; page++)
		expect_int(*(uint32_t *)(r.buf + page * PAGE + 4), ==, 0x600d0000 + page);
}

static void gpu_maps_ram_that_is_being_replaced(void)
{
	gpu_open(&gpu, 0);
	race_with_replaced_pages(0, tap_rounds(24));
}

static void gpu_maps_vram_that_is_being_replaced(void)
{
	gpu_open(&gpu, 0);
	race_with_replaced_pages(gpu.id, tap_rounds(12));	/* each page that leaves costs the other CPU an IPI */
}

/* ---- what must be refused ---- */

static void read_only_memory_can_be_read_and_not_written(void)
{
	size_t bytes = 2 * MIB;
	char *buf = filled(bytes), *copy = map_anon(bytes);

	gpu_and_queue(&gpu, &q);
	expect(!mprotect(buf, bytes, PROT_READ), "mprotect: %s", strerror(errno));
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	queue_write32(&q, buf + 3 * PAGE, 0xbad);
	queue_run_into_fault(&q);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes, SEED);
	queue_destroy(&q);
}

static void mprotect_takes_write_access_from_the_gpu(void)
{
	char *buf = filled(2 * MIB);

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, buf, 1);
	queue_run(&q);
	expect(!mprotect(buf, 2 * MIB, PROT_READ), "mprotect: %s", strerror(errno));
	queue_write32(&q, buf, 2);
	queue_run_into_fault(&q);
	expect_int(*(uint32_t *)buf, ==, 1);
	queue_destroy(&q);
}

static void write_becomes_possible_again(void)
{
	char *buf = filled(2 * MIB), *copy = map_anon(2 * MIB);

	gpu_and_queue(&gpu, &q);
	mprotect(buf, 2 * MIB, PROT_READ);
	queue_copy(&q, copy, buf, 2 * MIB);
	queue_run(&q);
	mprotect(buf, 2 * MIB, PROT_READ | PROT_WRITE);
	queue_write32(&q, buf, 2);
	queue_run(&q);
	expect_int(*(uint32_t *)buf, ==, 2);
	queue_destroy(&q);
}

static void access_without_memory_halts_the_queue(void)
{
	char *buf = map_anon(4 * PAGE), *copy = map_anon(4 * PAGE);

	pattern_fill(buf, 4 * PAGE, SEED);
	munmap(buf + 2 * PAGE, PAGE);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, 4 * PAGE);
	queue_run_into_fault(&q);
	pattern_check(copy, 2 * PAGE, SEED);	/* what came before the gap is there */
	value_check(copy + 2 * PAGE, 2 * PAGE, 0);
	queue_destroy(&q);
}

static void write_and_be_halted(void *at)
{
	gpu_and_queue(&gpu, &q);
	queue_write32(&q, at, 0xbad);
	queue_run_into_fault(&q);
	queue_destroy(&q);
}

static void kernel_and_odd_addresses_halt_the_queue(void)
{
	static const uint64_t bad[] = { 0, 0x1000, 0x7ffffffff000, 0x800000000000, 0xffff888000000000, ~0xfffull };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_join(tap_fork(write_and_be_halted, (void *)bad[i]));
}

static const struct tap_test tests[] = {
	TAP_TEST(gpu_write_migrates_anonymous_memory),
	TAP_TEST(gpu_read_migrates_anonymous_memory),
	TAP_TEST(gpu_write_to_untouched_memory_leaves_zeros_around_it),
	TAP_TEST(gpu_read_of_untouched_memory_gives_zeros),
	TAP_TEST(gpu_write_to_the_zero_page_does_not_reach_it),
	TAP_TEST(gpu_touches_a_few_bytes_of_unaligned_memory),
	TAP_TEST(gpu_works_on_the_stack),
	TAP_TEST(pages_go_back_and_forth),
	TAP_TEST(cpu_and_gpu_add_to_the_same_words),
	TAP_TEST(two_queues_fault_on_the_same_pages),
	TAP_TEST(prefetch_moves_pages_both_ways),
	TAP_TEST(prefetch_of_a_part_leaves_the_rest),
	TAP_TEST(get_attr_gives_defaults_and_what_was_set),
	TAP_TEST(get_attr_of_mixed_locations_is_undefined),
	TAP_TEST(preferred_location_in_ram_keeps_pages_there),
	TAP_TEST(file_private_pages_keep_the_file_as_it_is),
	TAP_TEST(shared_memory_is_used_where_it_is),
	TAP_TEST(shared_file_takes_what_the_gpu_writes),
	TAP_TEST(transparent_huge_pages_migrate),
	TAP_TEST(part_of_a_huge_page_migrates),
	TAP_TEST(mremap_takes_device_pages_along),
	TAP_TEST(mremap_leaves_no_access_to_the_old_address),
	TAP_TEST(discarded_device_pages_are_zero_again),
	TAP_TEST(munmap_of_device_pages_frees_their_vram),
	TAP_TEST(munmap_of_a_part_keeps_the_rest),
	TAP_TEST(munmap_under_a_running_queue_stops_it),
	TAP_TEST(new_mapping_at_a_freed_address_is_fresh),
	TAP_TEST(gpu_maps_ram_that_is_being_replaced),
	TAP_TEST(gpu_maps_vram_that_is_being_replaced),
	TAP_TEST(read_only_memory_can_be_read_and_not_written),
	TAP_TEST(mprotect_takes_write_access_from_the_gpu),
	TAP_TEST(write_becomes_possible_again),
	TAP_TEST(access_without_memory_halts_the_queue),
	TAP_TEST(kernel_and_odd_addresses_halt_the_queue),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
