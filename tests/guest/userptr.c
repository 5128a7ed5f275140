// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Buffers of KFD that are the process's own memory (USERPTR), as the thunk makes its queues of them.
 *
 * RUN: --iommu
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000cu
#define MEMORY "/sys/kernel/debug/hmm_gpu/memory"
#define USERPTR (KFD_IOC_ALLOC_MEM_FLAGS_USERPTR | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)

static struct gpu gpu;
static struct queue q;

/* ---- buffers ---- */

/* The memory at @cpu, for the GPU at @at. 0 or -errno. */
static int try_alloc(const void *at, const void *cpu, size_t bytes, uint64_t *handle)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { .mmap_offset = (uintptr_t)cpu };
	int error = gpu_alloc(&gpu, at, bytes, USERPTR, &a);

	*handle = a.handle;
	return error;
}

static uint64_t map_user(const void *at, const void *cpu, size_t bytes)
{
	uint64_t handle;

	expect_int(try_alloc(at, cpu, bytes, &handle), ==, 0);
	expect_int(gpu_map(&gpu, handle), ==, 0);
	return handle;
}

static void unmap_user(uint64_t handle)
{
	expect_int(gpu_unmap(&gpu, handle), ==, 0);
	expect_int(gpu_free(&gpu, handle), ==, 0);
}

static uint64_t charged(void)
{
	return named_value(MEMORY, "userptr");
}

/* Addresses that nothing is at, nor will be. */
static char *nowhere(size_t bytes)
{
	static char *next = (char *)0x200000000000;

	next += bytes + PAGE;
	return next - bytes;
}

/* ---- tests ---- */

static void gpu_works_on_user_memory(void)
{
	size_t bytes = 5 * MIB + 3 * PAGE;
	char *buf = map_anon(bytes), *twin = nowhere(bytes);
	uint64_t same, other;
	struct bo copy;

	gpu_and_queue(&gpu, &q);
	bo_create(&copy, &gpu, bytes);
	pattern_fill(buf, bytes, SEED);
	same = map_user(buf, buf, bytes);
	other = map_user(twin, buf, bytes);	/* once more, elsewhere */
	expect_int(charged(), ==, 2 * bytes);

	queue_copy(&q, copy.at, buf, bytes);
	queue_run(&q);
	pattern_check(copy.at, bytes, SEED);
	queue_fill(&q, twin + PAGE, 0x11, 2 * MIB);
	queue_run(&q);
	value_check(buf + PAGE, 2 * MIB, 0x11);
	memset(buf, 0x22, bytes);
	queue_copy(&q, copy.at, twin, bytes);
	queue_run(&q);
	value_check(copy.at, bytes, 0x22222222);

	expect_int(gpu_free(&gpu, same), ==, -EBUSY);
	unmap_user(same);
	unmap_user(other);
	expect_int(charged(), ==, 0);
	queue_destroy(&q);
}

/* All that is unmapped faults: the GPU does not know the memory by its CPU address either. */
static void user_memory_is_reached_by_its_gpu_address_only(void)
{
	char *buf = map_anon(PAGE), *at = nowhere(PAGE);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	handle = map_user(at, buf, PAGE);
	queue_fill(&q, at, 7, PAGE);
	queue_run(&q);
	value_check(buf, PAGE, 7);
	queue_fill(&q, buf, 8, PAGE);
	queue_run_into_fault(&q);
	value_check(buf, PAGE, 7);
	queue_destroy(&q);
	unmap_user(handle);
}

static void user_memory_that_is_given_back_is_anybodys(void)
{
	char *buf = map_anon(PAGE), *at = nowhere(PAGE);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	handle = map_user(at, buf, PAGE);
	queue_fill(&q, at, 7, PAGE);
	queue_run(&q);
	unmap_user(handle);
	queue_fill(&q, buf, 9, PAGE);
	queue_run(&q);
	value_check(buf, PAGE, 9);
	queue_destroy(&q);
}

/* As the thunk has it: ring and pointers. */
static void queue_lives_in_user_memory(void)
{
	char *mem = map_anon(8192), *buf = map_anon(MIB);
	struct bo ring, pointers;
	uint64_t handle;

	gpu_open(&gpu, 0);
	handle = map_user(mem, mem, 8192);
	ring = (struct bo){ &gpu, handle, 4096, mem };
	pointers = (struct bo){ &gpu, handle, 4096, mem + 4096 };
	expect_int(queue_create_in(&q, &gpu, &ring, &pointers), ==, 0);
	expect_int(gpu_unmap(&gpu, handle), ==, -EBUSY);
	for (int i = 0; i < 300; i++)	/* around it more than once */
		queue_fill(&q, buf + i % 256 * PAGE, i, PAGE);
	queue_run(&q);
	value_check(buf + 299 % 256 * PAGE, PAGE, 299);
	queue_leave(&q);
	unmap_user(handle);
}

static void refusals_take_nothing(void)
{
	struct kfd_ioctl_svm_attribute keep = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 5 };
	char *buf = map_anon(4 * MIB), *at = nowhere(4 * MIB), *gone = nowhere(MIB);
	uint64_t handle;

	gpu_open(&gpu, 0);
	expect_int(try_alloc(at, NULL, PAGE, &handle), ==, -EINVAL);
	expect_int(try_alloc(at, buf + 1, PAGE, &handle), ==, -EINVAL);
	expect_int(try_alloc(at, (void *)~0xffful, 2 * PAGE, &handle), ==, -EINVAL);
	expect_int(try_alloc(NULL, buf, PAGE, &handle), ==, -EINVAL);
	expect_int(try_alloc(at, gone, PAGE, &handle), ==, -EFAULT);
	munmap(buf + 2 * MIB, PAGE);
	expect_int(try_alloc(at, buf, 4 * MIB, &handle), ==, -EFAULT);	/* all of it or nothing */
	mprotect(buf + MIB, PAGE, PROT_READ);
	expect_int(try_alloc(at, buf, 2 * MIB, &handle), ==, -EPERM);
	expect_int(svm_set_attr(&gpu, buf, PAGE, 1, &keep), ==, 0);
	expect_int(try_alloc(at, buf, PAGE, &handle), ==, -EADDRINUSE);	/* shared memory's CPU address */
	expect_int(try_alloc(buf, buf + 3 * MIB, PAGE, &handle), ==, -EADDRINUSE);	/* or GPU address */
	expect_int(charged(), ==, 0);

	expect_int(try_alloc(at, buf + PAGE, MIB - PAGE, &handle), ==, 0);
	expect_int(try_alloc(at + PAGE, buf + 3 * MIB, PAGE, &handle), ==, -EADDRINUSE);
	expect_int(charged(), ==, MIB - PAGE);
}

/* ENOMEM long before memory is short. */
static void limit_is_kept(void)
{
	size_t left = named_value(MEMORY, "limit") - named_value(MEMORY, "used"), pieces = tap_brief() ? 32 : 4;
	size_t bytes = left / pieces / PAGE * PAGE;
	uint64_t refused = named_value(MEMORY, "refused"), handle, first;
	char *buf = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)0x200000000000;

	expect(buf != MAP_FAILED, "%s", strerror(errno));
	gpu_open(&gpu, 0);
	expect_int(try_alloc(at, buf, bytes, &first), ==, 0);
	for (size_t i = 1; i < pieces; i++)	/* the same memory, which counts as often */
		expect_int(try_alloc(at + i * bytes, buf, bytes, &handle), ==, 0);
	expect_int(charged(), ==, pieces * bytes);
	expect_int(try_alloc(at + pieces * bytes, buf, 64 * PAGE, &handle), ==, -ENOMEM);
	expect_int(named_value(MEMORY, "refused"), ==, refused + 1);
	expect_int(gpu_free(&gpu, first), ==, 0);
	expect_int(try_alloc(at, buf, 64 * PAGE, &handle), ==, 0);
}

/* Pages that mremap() took out of a range are in VRAM and nobody's. */
static void memory_in_vram_comes_home(void)
{
	char *buf = map_anon(2 * MIB), *at = nowhere(2 * MIB);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, 2 * MIB, SEED);
	expect_int(svm_prefetch(&gpu, buf, 2 * MIB, gpu.id), ==, 0);
	expect(mremap(buf, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at, "%s", strerror(errno));
	expect_in_vram(at, 2 * MIB);
	handle = map_user(at, at, 2 * MIB);
	expect_in_ram(at, 2 * MIB);
	queue_fill(&q, at, 3, MIB);
	queue_run(&q);
	value_check(at, MIB, 3);
	unmap_user(handle);
	queue_destroy(&q);
}

static void look_and_write(void *arg)
{
	char *buf = arg;

	expect_int(*buf, ==, 1);
	memset(buf, 0x66, PAGE);
}

/* A child gets pages of its own; those of the GPU stay the parent's. */
static void fork_takes_no_page_away(void)
{
	char *buf = map_anon(16 * PAGE);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	memset(buf, 1, 16 * PAGE);
	handle = map_user(buf, buf, 16 * PAGE);
	tap_join(tap_fork(look_and_write, buf));
	value_check(buf, 16 * PAGE, 0x01010101);
	memset(buf, 2, 8 * PAGE);
	queue_copy(&q, buf + 8 * PAGE, buf, 8 * PAGE);
	queue_run(&q);
	value_check(buf, 16 * PAGE, 0x02020202);
	unmap_user(handle);
	queue_destroy(&q);
}

/* ---- memory that changes under the GPU ---- */

static void gpu_follows_memory_that_moves(void)
{
	uint32_t rounds = tap_rounds(10);
	size_t bytes = MIB + 3 * PAGE;
	char *buf = map_anon(bytes), *at = nowhere(bytes);
	struct stats before;
	uint64_t handle;
	struct bo copy;

	gpu_and_queue(&gpu, &q);
	bo_create(&copy, &gpu, bytes);
	handle = map_user(at, buf, bytes);
	stats_read(&before, 0);
	for (uint32_t i = 0; i < rounds; i++) {
		queue_fill(&q, at, i, bytes);
		queue_run(&q);
		value_check(buf, bytes, i);
		expect(!madvise(buf, bytes, MADV_DONTNEED), "%s", strerror(errno));
		queue_copy(&q, copy.at, at, bytes);
		queue_run(&q);
		value_check(copy.at, bytes, 0);		/* what has come in its place */
	}
	expect_int(stats_since(&before, "queues_evicted"), >=, rounds);
	expect_int(stats_since(&before, "queues_restored"), ==, stats_since(&before, "queues_evicted"));
	expect_int(stats_since(&before, "gpu_faults"), ==, 0);
	unmap_user(handle);
	stats_read(&before, 0);
	madvise(buf, bytes, MADV_DONTNEED);	/* concerns nobody now */
	expect_int(stats_since(&before, "queues_evicted"), ==, 0);
	queue_destroy(&q);
}

static void sleep_and_leave(void *arg)
{
	char *buf = arg;

	nap_us(3000);
	buf[PAGE] = 1;
}

/* Pages are write-protected, copied, taken away and given back, while the GPU writes to all of them. */
static void running_queue_loses_no_write(void)
{
	size_t bytes = 4 * MIB;
	char *buf = map_anon(bytes);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	handle = map_user(buf, buf, bytes);
	for (uint32_t round = 1; round <= tap_rounds(6); round++) {
		for (int i = 0; i < 8; i++)
			queue_fill(&q, buf, round, bytes);
		queue_submit(&q);
		for (int i = 0; i < 3; i++) {
			int pid = tap_fork(sleep_and_leave, buf);

			buf[i * MIB] = 99;	/* a copy of this page for us */
			expect(!mprotect(buf, bytes, PROT_READ), "%s", strerror(errno));
			expect(!mprotect(buf, bytes, PROT_READ | PROT_WRITE), "%s", strerror(errno));
			tap_join(pid);
		}
		queue_fill(&q, buf, round, bytes);
		queue_run(&q);
		value_check(buf, bytes, round);
	}
	unmap_user(handle);
	queue_destroy(&q);
}

/* As in KFD: what has gone faults, and is found only when it is mapped again. */
static void memory_that_has_gone_faults(void)
{
	char *buf = map_anon(4 * PAGE), *at = nowhere(4 * PAGE);

	gpu_and_queue(&gpu, &q);
	map_user(at, buf, 4 * PAGE);
	queue_fill(&q, at, 1, 4 * PAGE);
	queue_run(&q);
	munmap(buf, 4 * PAGE);
	queue_fill(&q, at, 2, 4 * PAGE);
	queue_run_into_fault(&q);
	queue_destroy(&q);
}

static void memory_that_has_gone_is_found_when_it_is_mapped_again(void)
{
	char *buf = map_anon(4 * PAGE), *at = nowhere(4 * PAGE);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	handle = map_user(at, buf, 4 * PAGE);
	queue_fill(&q, at, 1, 4 * PAGE);
	queue_run(&q);
	munmap(buf, 4 * PAGE);
	expect_int(gpu_unmap(&gpu, handle), ==, 0);
	expect_int(gpu_map(&gpu, handle), ==, -EFAULT);
	expect(mmap(buf, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf, "%s",
	       strerror(errno));
	expect_int(gpu_map(&gpu, handle), ==, 0);
	queue_fill(&q, at, 3, 4 * PAGE);
	queue_run(&q);
	value_check(buf, 4 * PAGE, 3);
	queue_destroy(&q);
	unmap_user(handle);
}

enum { MUCH = 128 << 20 };

static void allocate_much(void *arg)
{
	volatile uint32_t *done = arg;
	char *buf = map_anon(MUCH);
	uint64_t handle;

	gpu_open(&gpu, 0);
	expect(!madvise(buf, MUCH, MADV_NOHUGEPAGE), "%s", strerror(errno));
	expect_int(try_alloc(buf, buf, MUCH, &handle), ==, 0);
	*done = 1;
}

/* Of a process whose memory takes long to come, or never does, nobody else is to know. */
static void others_close_their_files_while_memory_is_found(void)
{
	volatile uint32_t *done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char again[32];
	int pid;

	gpu_open(&gpu, 0);
	snprintf(again, sizeof(again), "/proc/self/fd/%d", gpu.drm);
	pid = tap_fork(allocate_much, (void *)done);
	expect(wait_until(charged() >= MUCH, 5000), "nothing is allocated");
	for (int i = 0; i < 3; i++) {
		int fd = open(again, O_RDWR | O_CLOEXEC);

		expect(fd >= 0, "%s: %s", again, strerror(errno));
		close(fd);
	}
	nap_us(10000);	/* time for it to say so, if it was waited for */
	expect(!*done, "closing a file has waited for another process");
	tap_join(pid);
}

/* Likewise as in KFD. */
static void queue_waits_while_memory_is_read_only(void)
{
	char *buf = map_anon(4 * PAGE);
	uint64_t handle;

	gpu_and_queue(&gpu, &q);
	handle = map_user(buf, buf, 4 * PAGE);
	expect(!mprotect(buf, 4 * PAGE, PROT_READ), "%s", strerror(errno));
	queue_fill(&q, buf, 7, 4 * PAGE);
	queue_submit(&q);
	nap_us(50000);
	expect(!queue_idle(&q), "the queue writes to read-only memory");
	value_check(buf, 4 * PAGE, 0);
	expect(!mprotect(buf, 4 * PAGE, PROT_READ | PROT_WRITE), "%s", strerror(errno));
	queue_wait(&q);
	value_check(buf, 4 * PAGE, 7);
	unmap_user(handle);
	queue_destroy(&q);
}

/**
 * struct protector - a thread that makes a page read-only after a while
 * @page: the page
 * @after_ns: how long after @start
 * @start: of the clock; 0: not yet
 */
struct protector {
	char *page;
	long long after_ns;
	volatile long long start;
};

static void *protect(void *arg)
{
	struct protector *p = arg;

	while (!p->start || now_ns() < p->start + p->after_ns)
		;
	mprotect(p->page, PAGE, PROT_READ);
	return NULL;
}

static int map_while_it_is_protected(uint64_t handle, struct protector *p)
{
	pthread_t thread;
	int error;

	expect(!pthread_create(&thread, NULL, protect, p), "pthread_create");
	p->start = now_ns();
	error = gpu_map(&gpu, handle);
	pthread_join(thread, NULL);
	return error;
}

enum { MOMENTS = 8 };	/* in the time that MAP takes */

/* A process of its own: the fault is the end of its queues. */
static void map_in_vain(void *arg)
{
	size_t bytes = 8 * MIB;
	char *buf = map_anon(bytes), *at = nowhere(bytes);
	struct protector p = { .page = buf + bytes - PAGE };
	long long start;
	uint64_t handle;

	memset(buf, 1, bytes);
	gpu_and_queue(&gpu, &q);
	expect_int(try_alloc(at, buf, bytes, &handle), ==, 0);
	start = now_ns();
	expect_int(gpu_map(&gpu, handle), ==, 0);
	p.after_ns = (now_ns() - start) * *(int *)arg / MOMENTS;
	expect_int(gpu_unmap(&gpu, handle), ==, 0);

	if (map_while_it_is_protected(handle, &p)) {
		mprotect(p.page, PAGE, PROT_READ | PROT_WRITE);
		expect_int(gpu_free(&gpu, handle), ==, 0);
		queue_fill(&q, at, 2, PAGE);
		queue_run_into_fault(&q);
		expect_int(*buf, ==, 1);
	}
}

/* MAP finds the memory and maps it, finds that it has changed, and then cannot have it any more. */
static void memory_that_changes_while_it_is_mapped_is_not_mapped(void)
{
	for (int moment = 1; moment <= MOMENTS; moment++)
		tap_join(tap_fork(map_in_vain, &moment));
}

static void die_at_work(void *arg)
{
	char *buf = map_anon(16 * MIB);

	(void)arg;
	gpu_and_queue(&gpu, &q);
	map_user(buf, buf, 16 * MIB);
	for (;;) {
		queue_fill(&q, buf, 5, 16 * MIB);
		queue_submit(&q);
	}
}

/* What is pinned for a process that is killed is given back. */
static void killed_process_lets_go(void)
{
	for (unsigned int i = 0; i < tap_rounds(4); i++) {
		int pid = tap_fork(die_at_work, NULL);

		expect(wait_until(charged(), 20000), "the process does not come to pin memory");
		nap_us(i * 20000);
		kill(pid, SIGKILL);
		tap_join_killed(pid, SIGKILL);
		expect(wait_until(!charged(), 5000), "%llu bytes are still pinned", (unsigned long long)charged());
	}
}

static const struct tap_test tests[] = {
	TAP_TEST(gpu_works_on_user_memory),
	TAP_TEST(user_memory_is_reached_by_its_gpu_address_only),
	TAP_TEST(user_memory_that_is_given_back_is_anybodys),
	TAP_TEST(queue_lives_in_user_memory),
	TAP_TEST(refusals_take_nothing),
	TAP_TEST(limit_is_kept),
	TAP_TEST(memory_in_vram_comes_home),
	TAP_TEST(fork_takes_no_page_away),
	TAP_TEST(gpu_follows_memory_that_moves),
	TAP_TEST(running_queue_loses_no_write),
	TAP_TEST(memory_that_has_gone_faults),
	TAP_TEST(memory_that_has_gone_is_found_when_it_is_mapped_again),
	TAP_TEST(others_close_their_files_while_memory_is_found),
	TAP_TEST(queue_waits_while_memory_is_read_only),
	TAP_TEST(memory_that_changes_while_it_is_mapped_is_not_mapped),
	TAP_TEST(killed_process_lets_go),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
