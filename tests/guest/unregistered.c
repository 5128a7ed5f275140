// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that nobody has registered, used by a GPU: the heap and the stack stay in RAM, everything else moves to VRAM;
 * and the range that the fault makes is KFD's: the granule, within the mapping, beside other ranges and buffers.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0032u
#define UNDEFINED KFD_IOCTL_SVM_LOCATION_UNDEFINED

static struct gpu gpu;
static struct queue q;

/* The range that contains the page is just this, and its preferred location is that. */
static void expect_range(const void *at, const void *start, const void *end, uint32_t preferred)
{
	FILE *f = fopen("/sys/kernel/debug/hmm_gpu/0/ranges", "r");
	uintptr_t first = 0;
	uint32_t location;
	size_t pages = 0;
	char line[256];
	int pid;

	expect(f, "debugfs: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "pid %d start %" SCNxPTR " pages %zu vram %*u granularity %*u preferred %x", &pid, &first,
			   &pages, &location) == 4 && pid == getpid() && first <= (uintptr_t)at &&
		    (uintptr_t)at - first < pages * PAGE)
			break;
		pages = 0;
	}
	fclose(f);
	expect(pages, "no range at %p", at);
	expect(first == (uintptr_t)start && first + pages * PAGE == (uintptr_t)end,
	       "the range is %#" PRIxPTR " to %#" PRIxPTR ", expected %p to %p", first, first + pages * PAGE, start, end);
	expect_int(location, ==, preferred);
}

/* The mapping that the address lies in. */
static void find_mapping(const void *at, char **start, char **end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;
	char line[256];

	expect(f, "/proc/self/maps: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%p-%p", (void **)start, (void **)end) == 2 && (char *)at >= *start &&
			(char *)at < *end;
	fclose(f);
	expect(found, "nothing is mapped at %p", at);
}

static char *granule_of(const void *at)
{
	return (char *)((uintptr_t)at & ~(GRANULE - 1));
}

static char *lower(char *a, char *b) { return a < b ? a : b; }
static char *higher(char *a, char *b) { return a > b ? a : b; }

/* The GPU reads at @from and writes to @to, in memory with the pattern, which is checked then. */
static void use(char *at, size_t bytes, size_t to, size_t from)
{
	queue_copy(&q, at + to, at + from, 4);
	queue_run(&q);
	expect_int(*(uint32_t *)(at + to), ==, pattern_at(from / 4, SEED));
	*(uint32_t *)(at + to) = pattern_at(to / 4, SEED);
	pattern_check(at, bytes, SEED);
}

/* ---- where to ---- */

static void heap_stays_in_ram(void)
{
	size_t bytes = 3 * GRANULE;
	char *was = sbrk(bytes + GRANULE), *buf = granule_of(was + GRANULE - 1);
	struct stats s;

	expect(was != (void *)-1, "sbrk: %s", strerror(errno));
	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, 2 * GRANULE, SEED);
	stats_read(&s, 0);
	use(buf, 2 * GRANULE, 5 * PAGE, GRANULE + 7 * PAGE);
	expect_in_ram(buf, 2 * GRANULE);
	expect_int(stats_since(&s, "gpu_faults"), ==, 2);
	expect_range(buf + 5 * PAGE, buf, buf + GRANULE, 0);
	expect_range(buf + GRANULE, buf + GRANULE, buf + 2 * GRANULE, 0);
	/* what was never touched, too */
	queue_write32(&q, buf + 2 * GRANULE + 8, 0x600d);
	queue_run(&q);
	expect_in_ram(buf + 2 * GRANULE, PAGE);
	expect_range(buf + 2 * GRANULE, buf + 2 * GRANULE, buf + 3 * GRANULE, 0);
	expect_int(*(uint32_t *)(buf + 2 * GRANULE + 8), ==, 0x600d);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 0);
	expect_int(svm_get(&gpu, buf, bytes, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC), ==, 0);
}

/* As the heap grows so does what the GPU may use, by a further range. */
static void heap_that_grows_gets_another_range(void)
{
	char *was = sbrk(GRANULE), *end, *top, *next, *unused;

	gpu_and_queue(&gpu, &q);
	end = granule_of(was + GRANULE - 1) + 100 * PAGE;	/* there the heap ends first, within a granule */
	expect(!brk(end), "brk: %s", strerror(errno));
	top = end - PAGE;
	queue_write32(&q, top, 1);
	queue_run(&q);
	find_mapping(top, &unused, &end);
	expect_range(top, higher(granule_of(top), unused), end, 0);
	next = end;
	expect(!brk(end + 50 * PAGE), "brk: %s", strerror(errno));
	queue_write32(&q, next, 2);
	queue_run(&q);
	expect_range(next, next, next + 50 * PAGE, 0);
	expect_in_ram(top, 2 * PAGE);
	expect_int(*(uint32_t *)top, ==, 1);
	expect_int(*(uint32_t *)next, ==, 2);
}

/* The mapping that the stack is, when what the GPU needs of it has been called: that does not extend it any more. */
static void find_own_stack(const void *at, char **start, char **end)
{
	find_mapping(at, start, end);
	queue_nop(&q);
	queue_run(&q);
	find_mapping(at, start, end);
}

/* More of the stack than there is of it so far, below what is used now. */
static __attribute__((noinline)) void on_a_deeper_stack(char *known)
{
	char below[2 * GRANULE], *at = below + PAGE, *start, *end;

	pattern_fill(below, sizeof(below), SEED);
	find_own_stack(at, &start, &end);
	queue_write32(&q, at, 0x600d);
	queue_run(&q);
	expect_int(*(uint32_t *)at, ==, 0x600d);
	expect(start < known, "the stack has not grown");
	/* it ends where the next granule begins, or the range of before */
	expect_range(at, higher(granule_of(at), start), lower(granule_of(at) + GRANULE, known), 0);
	expect_in_ram(start, end - start);
}

static void stack_stays_in_ram(void)
{
	char buf[8 * PAGE], *at = buf + PAGE + 8, *start, *end, *low;
	struct stats s;

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, sizeof(buf), SEED);
	find_own_stack(at, &start, &end);
	stats_read(&s, 0);
	use(buf, sizeof(buf), at - buf, 6 * PAGE);
	low = higher(granule_of(at), start);
	expect_range(at, low, lower(granule_of(at) + GRANULE, end), 0);
	expect_in_ram(low, PAGE);
	on_a_deeper_stack(low);
	pattern_check(buf, sizeof(buf), SEED);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 0);
}

static void *use_own_stack(void *arg)
{
	char buf[8 * PAGE] __attribute__((aligned(4096)));

	pattern_fill(buf, sizeof(buf), SEED);
	queue_copy(&q, buf + 4 * PAGE, buf + 12, 4);
	queue_run(&q);
	*(size_t *)arg = stat_now("pages_to_vram");
	expect_int(*(uint32_t *)(buf + 4 * PAGE), ==, pattern_at(3, SEED));
	return NULL;
}

/* What KFD asks for is the heap and the first thread's stack: a big block of malloc() is neither, nor is another's stack. */
static void everything_else_moves_to_vram(void)
{
	size_t bytes = 3 * GRANULE, moved;
	char *buf = map_anon(bytes), *block = malloc(3 * GRANULE), *in = granule_of(block + GRANULE);
	uint64_t before;
	pthread_t thread;

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, bytes, SEED);
	queue_write32(&q, buf + GRANULE + 5 * PAGE, 0x600d);
	queue_run(&q);
	expect_in_ram(buf, GRANULE);
	expect_in_vram(buf + GRANULE, GRANULE);
	expect_in_ram(buf + 2 * GRANULE, GRANULE);
	expect_range(buf + GRANULE, buf + GRANULE, buf + 2 * GRANULE, UNDEFINED);
	pattern_check(buf, GRANULE, SEED);
	expect_int(*(uint32_t *)(buf + GRANULE + 5 * PAGE), ==, 0x600d);

	queue_write32(&q, in, 0x600d);
	queue_run(&q);
	expect_in_vram(in, GRANULE);
	expect_range(in, in, in + GRANULE, UNDEFINED);

	before = stat_now("pages_to_vram");
	expect(!pthread_create(&thread, NULL, use_own_stack, &moved), "pthread_create");
	pthread_join(thread, NULL);
	expect_int(moved - before, >, 0);
}

/* ---- how much ---- */

static void range_stays_within_the_mapping(void)
{
	char *buf = map_anon(2 * GRANULE);

	munmap(buf, GRANULE - 3 * PAGE);
	munmap(buf + GRANULE + 4 * PAGE, GRANULE - 4 * PAGE);
	gpu_and_queue(&gpu, &q);
	queue_write32(&q, buf + GRANULE - PAGE, 1);
	queue_write32(&q, buf + GRANULE, 2);
	queue_run(&q);
	expect_range(buf + GRANULE - PAGE, buf + GRANULE - 3 * PAGE, buf + GRANULE, UNDEFINED);
	expect_range(buf + GRANULE, buf + GRANULE, buf + GRANULE + 4 * PAGE, UNDEFINED);
	expect_in_vram(buf + GRANULE - 3 * PAGE, 7 * PAGE);
}

static void range_stays_between_its_neighbours(void)
{
	struct kfd_ioctl_svm_attribute a = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };
	char *buf = map_anon(GRANULE);

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, GRANULE, SEED);
	expect_int(svm_set_attr(&gpu, buf + 100 * PAGE, 11 * PAGE, 1, &a), ==, 0);
	expect_int(svm_set_attr(&gpu, buf + 300 * PAGE, PAGE, 1, &a), ==, 0);
	use(buf, GRANULE, 200 * PAGE, 105 * PAGE);
	expect_range(buf + 200 * PAGE, buf + 111 * PAGE, buf + 300 * PAGE, UNDEFINED);
	expect_range(buf + 105 * PAGE, buf + 100 * PAGE, buf + 111 * PAGE, 0);
	expect_in_ram(buf + 100 * PAGE, 11 * PAGE);
}

/* A granule that a buffer lies in gets ranges of single pages. */
static void range_beside_a_buffer_is_a_page(void)
{
	char *buf = map_anon(GRANULE), *theirs = buf + 50 * PAGE;
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { .mmap_offset = (uintptr_t)theirs };

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, GRANULE, SEED);
	expect_int(gpu_alloc(&gpu, theirs, PAGE, KFD_IOC_ALLOC_MEM_FLAGS_USERPTR | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE, &a), ==, 0);
	expect_int(gpu_map(&gpu, a.handle), ==, 0);
	use(buf, GRANULE, 10 * PAGE, 50 * PAGE);
	expect_range(buf + 10 * PAGE, buf + 10 * PAGE, buf + 11 * PAGE, UNDEFINED);
	expect_in_ram(buf + 11 * PAGE, PAGE);
	expect_int(gpu_unmap(&gpu, a.handle), ==, 0);
	expect_int(gpu_free(&gpu, a.handle), ==, 0);
	use(buf, GRANULE, 49 * PAGE, 50 * PAGE);	/* now nothing is in the way */
	expect_range(buf + 49 * PAGE, buf + 11 * PAGE, buf + GRANULE, UNDEFINED);
}

static const struct tap_test tests[] = {
	TAP_TEST(heap_stays_in_ram),
	TAP_TEST(heap_that_grows_gets_another_range),
	TAP_TEST(stack_stays_in_ram),
	TAP_TEST(everything_else_moves_to_vram),
	TAP_TEST(range_stays_within_the_mapping),
	TAP_TEST(range_stays_between_its_neighbours),
	TAP_TEST(range_beside_a_buffer_is_a_page),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
