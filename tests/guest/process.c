// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes that fork, die and share a GPU: whose pages, whose queues, and what is left of them?
 *
 * RUN:
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

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0002u
#define BYTES tap_size(4 * MIB, 2 * MIB)	/* a granule at least */

static struct gpu gpu;
static struct queue q;

/* Memory of all processes of a test, for what they have to tell each other. */
static volatile uint32_t *shared_words(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* A buffer with the pattern, all of it in VRAM. */
static char *in_vram(size_t bytes)
{
	char *buf = map_anon(bytes);

	pattern_fill(buf, bytes, SEED);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	expect_in_vram(buf, bytes);
	return buf;
}

/* ---- fork ---- */

static void check_and_overwrite(void *buf)
{
	pattern_check(buf, BYTES, SEED);
	pattern_fill(buf, BYTES, SEED + 1);
	pattern_check(buf, BYTES, SEED + 1);
}

static void child_writes_do_not_reach_the_parent(void)
{
	char *buf, *copy = map_anon(BYTES);

	gpu_and_queue(&gpu, &q);
	buf = in_vram(BYTES);
	tap_join(tap_fork(check_and_overwrite, buf));
	queue_copy(&q, copy, buf, BYTES);
	queue_run(&q);
	pattern_check(copy, BYTES, SEED);
	pattern_check(buf, BYTES, SEED);
}

struct rendezvous {
	volatile uint32_t *word;
	char *buf;
};

static void check_after_signal(void *arg)
{
	struct rendezvous *r = arg;

	r->word[0] = 1;
	expect(wait_until(r->word[1], 20000), "the parent did not go on");
	pattern_check(r->buf, BYTES, SEED);
}

/* The GPU writes for the parent; that is a write fault on a page that is shared copy-on-write. */
static void gpu_writes_do_not_reach_the_child(void)
{
	struct rendezvous r = { .word = shared_words() };
	int child;

	gpu_and_queue(&gpu, &q);
	r.buf = in_vram(BYTES);
	child = tap_fork(check_after_signal, &r);
	expect(wait_until(r.word[0], 20000), "the child did not start");
	queue_fill(&q, r.buf, 0x0badbeef, BYTES);
	queue_run(&q);
	r.word[1] = 1;
	tap_join(child);
	value_check(r.buf, BYTES, 0x0badbeef);
}

/* The same with the pages in RAM at the time of the fork. */
static void gpu_writes_to_forked_ram_do_not_reach_the_child(void)
{
	struct rendezvous r = { .word = shared_words() };
	int child;

	gpu_and_queue(&gpu, &q);
	r.buf = map_anon(BYTES);
	pattern_fill(r.buf, BYTES, SEED);
	child = tap_fork(check_after_signal, &r);
	expect(wait_until(r.word[0], 20000), "the child did not start");
	queue_fill(&q, r.buf, 0x0badbeef, BYTES);
	queue_run(&q);
	r.word[1] = 1;
	tap_join(child);
	value_check(r.buf, BYTES, 0x0badbeef);
}

/* A process with device pages that ends while its child, which has never seen the GPU, still maps them. */
static void parent_that_dies(void *arg)
{
	struct rendezvous *r = arg;

	gpu_and_queue(&gpu, &q);
	r->buf = in_vram(BYTES);
	if (fork())
		_exit(0);
	while (getppid() != (pid_t)r->word[2])	/* we were adopted: the parent is gone */
		nap_us(1000);
	nap_us(50000);				/* and its work items have run */
	expect_in_vram(r->buf, BYTES);
	pattern_check(r->buf, BYTES, SEED);
	expect_in_ram(r->buf, BYTES);
	r->word[3] = 1;
	exit(0);
}

static void child_reads_device_pages_after_its_parent_is_gone(void)
{
	struct rendezvous r = { .word = shared_words() };

	r.word[2] = getppid();	/* tap's runner adopts orphans */
	tap_join(tap_fork(parent_that_dies, &r));
	expect(wait_until(r.word[3], 30000), "the child did not read what its parent had");
}

static void parent_that_dies_and_child_that_never_looks(void *arg)
{
	struct rendezvous *r = arg;

	gpu_and_queue(&gpu, &q);
	r->buf = in_vram(BYTES);
	if (fork())
		_exit(0);
	while (getppid() != (pid_t)r->word[2])
		nap_us(1000);
	r->word[3] = 1;
	exit(0);
}

static void child_dies_with_device_pages_of_its_dead_parent(void)
{
	struct rendezvous r = { .word = shared_words() };

	r.word[2] = getppid();
	tap_join(tap_fork(parent_that_dies_and_child_that_never_looks, &r));
	expect(wait_until(r.word[3], 30000), "the child did not come so far");
	expect(wait_until(stat_now("vram_chunks_alloc") == stat_now("vram_chunks_freed"), 5000), "VRAM is still held");
}

static void use_inherited_files(void *arg)
{
	struct kfd_ioctl_get_version_args version = { 0 };
	struct kfd_ioctl_destroy_queue_args destroy = { .queue_id = q.id };
	struct kfd_ioctl_free_memory_of_gpu_args free_bo = { .handle = q.ring.handle };

	(void)arg;
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_GET_VERSION, &version), ==, -EBADF);
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_DESTROY_QUEUE, &destroy), ==, -EBADF);
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_FREE_MEMORY_OF_GPU, &free_bo), ==, -EBADF);
}

static void forked_child_gets_ebadf(void)
{
	char *buf = map_anon(2 * MIB);

	gpu_and_queue(&gpu, &q);
	tap_join(tap_fork(use_inherited_files, NULL));
	queue_fill(&q, buf, 7, 2 * MIB);	/* the parent's queue is as it was */
	queue_run(&q);
	value_check(buf, 2 * MIB, 7);
	queue_destroy(&q);
}

static void open_and_work(void *arg)
{
	struct gpu own;
	struct queue own_q;
	char *buf = map_anon(2 * MIB);

	(void)arg;
	gpu_and_queue(&own, &own_q);
	queue_fill(&own_q, buf, 8, 2 * MIB);
	queue_run(&own_q);
	value_check(buf, 2 * MIB, 8);
	queue_destroy(&own_q);
	gpu_close(&own);
}

static void forked_child_opens_the_gpu_for_itself(void)
{
	char *buf = map_anon(2 * MIB);

	gpu_and_queue(&gpu, &q);
	tap_join(tap_fork(open_and_work, NULL));
	queue_fill(&q, buf, 9, 2 * MIB);
	queue_run(&q);
	value_check(buf, 2 * MIB, 9);
}

/* ---- several at once ---- */

#define HALF tap_size(4 * MIB, MIB + PAGE)	/* both together are more than a granule */

/* All at the same virtual address, so that a wrong VMID, PASID or stale TLB entry gives another's bytes. */
static void work_at_the_common_address(void *arg)
{
	uint32_t seed = (uintptr_t)arg;
	char *at = (char *)0x100000000000ul, *copy = at + HALF;

	expect(mmap(at, 2 * HALF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at,
	       "mmap: %s", strerror(errno));
	gpu_and_queue(&gpu, &q);
	for (uint32_t round = 0; round < tap_rounds(4); round++) {
		pattern_fill(at, HALF, seed + round);
		queue_copy(&q, copy, at, HALF);
		queue_run(&q);
		pattern_check(copy, HALF, seed + round);
	}
	queue_destroy(&q);
}

static void two_processes_use_the_gpu_at_once(void)
{
	int a = tap_fork(work_at_the_common_address, (void *)0x1000), b = tap_fork(work_at_the_common_address, (void *)0x2000);

	tap_join(a);
	tap_join(b);
}

static void six_processes_use_the_gpu_at_once(void)
{
	int child[6];

	for (int i = 0; i < 6; i++)
		child[i] = tap_fork(work_at_the_common_address, (void *)(uintptr_t)((i + 1) << 12));
	for (int i = 0; i < 6; i++)
		tap_join(child[i]);
}

/* One after the other they get the same VMIDs, doorbells and VRAM, which must be clean. */
static void look_for_old_bytes(void *arg)
{
	char *buf = map_anon(BYTES), *copy = map_anon(BYTES);

	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, BYTES);	/* holes, made in VRAM */
	queue_run(&q);
	value_check(copy, BYTES, 0);
	queue_fill(&q, buf, (uintptr_t)arg, BYTES);
	queue_run(&q);
}

static void next_process_does_not_see_old_vram(void)
{
	for (uintptr_t i = 1; i <= tap_rounds(5); i++)
		tap_join(tap_fork(look_for_old_bytes, (void *)(i * 0x11111111)));
}

static void *adds_from_a_thread(void *arg)
{
	uint32_t *word = arg;
	struct queue own;

	queue_create(&own, &gpu, 64 << 10);
	for (size_t page = 0; page < 512; page++)
		queue_atomic(&own, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word + page * 1024, 1, 0);
	queue_run(&own);
	for (size_t page = 0; page < 512; page++)
		__atomic_fetch_add(word + page * 1024, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void threads_with_a_queue_each_share_memory(void)
{
	uint32_t *word = map_anon(2 * MIB);
	pthread_t t[3];
	struct queue first;

	gpu_and_queue(&gpu, &first);	/* the doorbells are mapped once, by the first queue */
	for (int i = 0; i < 3; i++)
		expect(!pthread_create(&t[i], NULL, adds_from_a_thread, word), "pthread_create");
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (size_t page = 0; page < 512; page++)
		expect_int(word[page * 1024], ==, 6);
}

/* ---- sudden ends ---- */

struct victim {
	volatile uint32_t *word;
	void (*busy)(void);
};

static void run_victim(void *arg)
{
	struct victim *v = arg;

	gpu_and_queue(&gpu, &q);
	v->busy();
	queue_submit(&q);
	v->word[0] = 1;
	for (;;)
		pause();
}

/* After the kill the GPU must serve the next process, and tap looks for VRAM that nobody frees. */
static void kill_while(void (*busy)(void))
{
	struct victim v = { .word = shared_words(), .busy = busy };

	for (unsigned int round = 0; round < tap_rounds(3); round++) {
		int pid;

		v.word[0] = 0;
		pid = tap_fork(run_victim, &v);
		expect(wait_until(v.word[0], 20000), "the victim did not start");
		nap_us(round * 7000);
		kill(pid, SIGKILL);
		tap_join_killed(pid, SIGKILL);
	}
	open_and_work(NULL);
}

static void many_copies(void)
{
	char *buf = in_vram(BYTES);

	for (int i = 0; i < 600; i++)
		queue_copy(&q, buf + 2 * MIB, buf, 2 * MIB);
}

static void many_faults(void)
{
	char *buf = map_anon(128 * MIB);	/* untouched: each granule is a fault and a migration */

	queue_fill(&q, buf, 1, 128 * MIB);
}

static void wait_for_ever(void)
{
	uint32_t *word = map_anon(PAGE);
	uint32_t poll[HGPU_SDMA_POLL_REGMEM_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_POLL_REGMEM, 0) | HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL |
		FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC, HGPU_SDMA_POLL_FUNC_EQ),
		(uint32_t)(uintptr_t)word, (uint32_t)((uintptr_t)word >> 32), 1, ~0u,
		FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 1000) |
		FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, HGPU_SDMA_POLL_RETRY_FOREVER),
	};

	queue_emit(&q, poll, HGPU_SDMA_POLL_REGMEM_DW);
}

static void touch_what_is_not_there(void)
{
	queue_write32(&q, (void *)0x10000, 1);
}

static void process_killed_while_its_queue_copies(void) { kill_while(many_copies); }
static void process_killed_while_its_queue_faults(void) { kill_while(many_faults); }
static void process_killed_while_its_queue_waits(void) { kill_while(wait_for_ever); }
static void process_killed_with_a_halted_queue(void) { kill_while(touch_what_is_not_there); }

static void exit_with_everything_open(void *arg)
{
	(void)arg;
	gpu_and_queue(&gpu, &q);
	many_copies();
	queue_submit(&q);
	_exit(0);
}

static void process_ends_without_destroying_its_queue(void)
{
	for (unsigned int i = 0; i < tap_rounds(4); i++)
		tap_join(tap_fork(exit_with_everything_open, NULL));
	open_and_work(NULL);
}

static void exec_with_everything_open(void *arg)
{
	(void)arg;
	gpu_and_queue(&gpu, &q);
	many_faults();
	queue_submit(&q);
	execl("/bin/true", "true", NULL);
	fail("execl: %s", strerror(errno));
}

static void exec_ends_the_use_of_the_gpu(void)
{
	for (unsigned int i = 0; i < tap_rounds(4); i++)
		tap_join(tap_fork(exec_with_everything_open, NULL));
	open_and_work(NULL);
}

enum { OPENERS = 4 };

static void *open_at_once(void *arg)
{
	int fd;

	pthread_barrier_wait(arg);
	fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	expect(fd >= 0, "/dev/kfd: %s", strerror(errno));
	close(fd);
	return NULL;
}

static void open_by_threads(void *unused)
{
	pthread_t threads[OPENERS];
	pthread_barrier_t start;

	(void)unused;
	pthread_barrier_init(&start, NULL, OPENERS);
	for (int i = 0; i < OPENERS; i++)
		expect(!pthread_create(&threads[i], NULL, open_at_once, &start), "pthread_create");
	for (int i = 0; i < OPENERS; i++)
		pthread_join(threads[i], NULL);
	open_and_work(NULL);
}

/* All get the one process that there is, and it goes with the program. */
static void threads_open_the_gpu_at_once(void)
{
	for (unsigned int i = 0; i < tap_rounds(20); i++)
		tap_join(tap_fork(open_by_threads, NULL));
}

static void device_pages_outlive_the_closed_files(void)
{
	char *buf;

	gpu_and_queue(&gpu, &q);
	buf = in_vram(BYTES);
	queue_destroy(&q);
	gpu_close(&gpu);
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
	expect_in_ram(buf, BYTES);
	gpu_and_queue(&gpu, &q);	/* and the GPU can be opened again */
	queue_fill(&q, buf, 3, BYTES);
	queue_run(&q);
	value_check(buf, BYTES, 3);
}

/* ---- packets that must not be ---- */

static void illegal_packet_halts_its_queue_alone(void)
{
	static const uint32_t illegal[][4] = {
		{ 0xff }, { HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY, 0x33) }, { 0xdeadbeef, 0xdeadbeef, 0xdeadbeef, 0xdeadbeef },
		/* registers are the kernel's */
		{ HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_SRBM_WRITE, 0) | HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN, 0x100, 0 },
		/* and so are its and others' address spaces: an indirect buffer for VMID 0 is refused; see the device's tests */
	};
	char *buf = map_anon(2 * MIB), *copy = map_anon(2 * MIB);
	struct queue other;

	gpu_open(&gpu, 0);
	queue_create(&other, &gpu, 64 << 10);
	for (size_t i = 0; i < sizeof(illegal) / sizeof(illegal[0]); i++) {
		uint64_t at;

		queue_create(&q, &gpu, 4096);
		queue_fill(&q, buf, 0x1000 + i, PAGE);
		queue_run(&q);
		at = q.wptr;
		queue_emit(&q, illegal[i], 4);
		queue_fill(&q, buf, 0xbad, PAGE);
		queue_submit(&q);
		queue_fill(&other, copy, 0x600d + i, 2 * MIB);
		queue_run(&other);
		value_check(copy, 2 * MIB, 0x600d + i);
		nap_us(20000);
		expect_int(queue_rptr(&q), ==, at);
		value_check(buf, PAGE, 0x1000 + i);	/* nothing behind it was executed */
		queue_destroy(&q);
	}
	tap_join(tap_fork(open_and_work, NULL));
	queue_destroy(&other);
}

static void corrupt_ring(void *arg)
{
	volatile uint32_t *stop = arg;
	uint32_t x = 0x12345678, junk[16];

	gpu_open(&gpu, 0);
	while (!*stop) {
		queue_create(&q, &gpu, 4096);
		for (int i = 0; i < 50; i++) {
			for (int k = 0; k < 16; k++) {
				x = x * 1664525 + 1013904223;
				junk[k] = x >> (x >> 29);
			}
			junk[0] &= 0xf0ff000f;	/* a known packet, mostly */
			queue_emit(&q, junk, 16);
		}
		queue_submit(&q);
		nap_us(3000);
		queue_destroy(&q);
	}
}

static void junk_in_one_process_does_no_harm_to_another(void)
{
	volatile uint32_t *stop = shared_words();
	int child = tap_fork(corrupt_ring, (void *)stop);

	for (uint32_t i = 0; i < tap_rounds(3); i++)
		tap_join(tap_fork(work_at_the_common_address, (void *)(uintptr_t)(0x77000 + i)));
	*stop = 1;
	tap_join(child);
}

static const struct tap_test tests[] = {
	TAP_TEST(child_writes_do_not_reach_the_parent),
	TAP_TEST(gpu_writes_do_not_reach_the_child),
	TAP_TEST(gpu_writes_to_forked_ram_do_not_reach_the_child),
	TAP_TEST(child_reads_device_pages_after_its_parent_is_gone),
	TAP_TEST(child_dies_with_device_pages_of_its_dead_parent),
	TAP_TEST(forked_child_gets_ebadf),
	TAP_TEST(forked_child_opens_the_gpu_for_itself),
	TAP_TEST(two_processes_use_the_gpu_at_once),
	TAP_TEST(six_processes_use_the_gpu_at_once),
	TAP_TEST(next_process_does_not_see_old_vram),
	TAP_TEST(threads_with_a_queue_each_share_memory),
	TAP_TEST(process_killed_while_its_queue_copies),
	TAP_TEST(process_killed_while_its_queue_faults),
	TAP_TEST(process_killed_while_its_queue_waits),
	TAP_TEST(process_killed_with_a_halted_queue),
	TAP_TEST(process_ends_without_destroying_its_queue),
	TAP_TEST(exec_ends_the_use_of_the_gpu),
	TAP_TEST(threads_open_the_gpu_at_once),
	TAP_TEST(device_pages_outlive_the_closed_files),
	TAP_TEST(illegal_packet_halts_its_queue_alone),
	TAP_TEST(junk_in_one_process_does_no_harm_to_another),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
