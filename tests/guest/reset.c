// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Function level resets of a GPU in use: queues are lost, memory is not, and a page table says what it should.
 *
 * RUN:
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000cu
#define BYTES tap_size(4 * MIB, 2 * MIB)	/* a granule at least */

static struct gpu gpu;
static struct queue q;
static char reset_file[64];

static void find_reset_file(void)
{
	char address[16];

	gpu_pci_address(0, address);
	snprintf(reset_file, sizeof(reset_file), "/sys/bus/pci/devices/%s/reset", address);
}

static void reset(void)
{
	expect_int(write_text(reset_file, "1"), ==, 0);
}

static void new_queue(void)
{
	queue_destroy(&q);
	queue_create(&q, &gpu, 64 << 10);
}

/* ---- one after the other ---- */

/* The GPU's clock starts again; whatever the driver compares time stamps with, address by address, must know. */
static void faults_are_handled_after_a_reset_as_before(void)
{
	char *buf = map_anon(BYTES), *copy = map_anon(BYTES);

	find_reset_file();
	gpu_and_queue(&gpu, &q);
	for (uint32_t round = 0; round < tap_rounds(3); round++) {
		pattern_fill(buf, BYTES, SEED + round);
		queue_copy(&q, copy, buf, BYTES);
		queue_submit(&q);
		expect(wait_until(queue_idle(&q), 3000), "faults are not handled after %u resets", round);
		pattern_check(copy, BYTES, SEED + round);
		pattern_check(buf, BYTES, SEED + round);
		reset();
		new_queue();
	}
}

static void write_and_be_halted(void *gone)
{
	gpu_and_queue(&gpu, &q);
	queue_write32(&q, gone, 1);
	queue_run_into_fault(&q);
	queue_destroy(&q);
}

/* The one access is judged partly before the reset, the other after it; unless the first was quick: that is for good. */
static void reset_with_a_wrong_access(void *gone)
{
	uint64_t before = stat_now("gpu_faults_noretry");

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, gone, 2);
	queue_submit(&q);
	nap_us(4000);	/* reported once, and not yet denied */
	reset();
	if (stat_now("gpu_faults_noretry") > before)
		return;
	new_queue();
	queue_write32(&q, gone, 3);
	queue_run_into_fault(&q);
	queue_destroy(&q);
}

static void access_is_denied_after_a_reset_as_before(void)
{
	char *gone = map_anon(PAGE);

	mprotect(gone, PAGE, PROT_NONE);
	find_reset_file();
	for (unsigned int round = 0; round < tap_rounds(3); round++) {
		tap_join(tap_fork(write_and_be_halted, gone));
		tap_join(tap_fork(reset_with_a_wrong_access, gone));
	}
}

/* ---- at the same time ---- */

static void *reset_in_a_thread(void *arg)
{
	*(int *)arg = write_text(reset_file, "1");
	return NULL;
}

/*
 * For 100 ms stores to the GPU go nowhere, and the driver cannot wait: the page tables are put right at the end
 * of the reset. The memory stays taken, so that nothing of the GPU's gets its address.
 */
static void take_memory_away_during_a_reset(void *arg)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC };
	char *buf = map_anon(BYTES), *copy = map_anon(PAGE);
	uint32_t round = *(uint32_t *)arg;
	pthread_t thread;
	int error = 1;

	gpu_and_queue(&gpu, &q);
	preferred.value = round % 2 ? gpu.id : 0;
	expect_int(svm_set_attr(&gpu, buf, BYTES, 1, &preferred), ==, 0);
	queue_fill(&q, buf, 0x5ec2e7 + round, BYTES);
	queue_run(&q);
	expect(!pthread_create(&thread, NULL, reset_in_a_thread, &error), "pthread_create");
	nap_us(15000 + 25000 * round);
	expect(mmap(buf, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf, "%s",
	       strerror(errno));
	pthread_join(thread, NULL);
	expect_int(error, ==, 0);
	new_queue();
	queue_copy(&q, copy, buf + round * MIB, PAGE);
	queue_run_into_fault(&q);
	value_check(copy, PAGE, 0);
	queue_destroy(&q);
}

static void memory_taken_away_during_a_reset_is_out_of_reach(void)
{
	find_reset_file();
	for (uint32_t round = 0; round < 4; round++)
		tap_join(tap_fork(take_memory_away_during_a_reset, &round));
}

/* What the processes of the next test tell each other. */
struct crowd {
	volatile uint32_t resets, stop, copied, moved;
};

/* A queue that was lost is made anew; during a reset there is none to be had. */
static void replace_lost_queue(void)
{
	queue_destroy(&q);
	expect(wait_until(!queue_try_create(&q, &gpu, 64 << 10), 5000), "no queue can be made any more");
}

static void copy_by_the_gpu(void *arg)
{
	char *buf = map_anon(2 * MIB), *copy = map_anon(2 * MIB);
	struct crowd *c = arg;
	uint32_t resets = c->resets;	/* when the queue was made, at the latest */

	gpu_and_queue(&gpu, &q);
	for (uint32_t round = SEED;; round++) {
		bool last = c->stop;

		pattern_fill(buf, 2 * MIB, round);
		queue_copy(&q, copy, buf, 2 * MIB);
		queue_submit(&q);
		expect(wait_until(queue_idle(&q) || c->resets != resets, 20000), "a queue stands, without a reset");
		if (queue_idle(&q)) {
			pattern_check(copy, 2 * MIB, round);
			c->copied++;
			if (last)
				return;
		} else {
			resets = c->resets;
			replace_lost_queue();
		}
		pattern_check(buf, 2 * MIB, round);
	}
}

static void move_and_throw_away(void *arg)
{
	struct crowd *c = arg;

	gpu_open(&gpu, 0);
	while (!c->stop) {
		char *buf = map_anon(2 * MIB);

		pattern_fill(buf, 2 * MIB, SEED);
		svm_prefetch(&gpu, buf, 2 * MIB, gpu.id);	/* or not, during a reset */
		madvise(buf + MIB, MIB, MADV_DONTNEED);
		pattern_check(buf, MIB, SEED);
		value_check(buf + MIB, MIB, 0);
		munmap(buf, 2 * MIB);
		c->moved++;
	}
}

static void processes_work_through_resets(void)
{
	struct crowd *c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *keep = map_anon(BYTES), *copy = map_anon(BYTES);
	int copier = tap_fork(copy_by_the_gpu, c), mover = tap_fork(move_and_throw_away, c);

	find_reset_file();
	gpu_and_queue(&gpu, &q);
	pattern_fill(keep, BYTES, SEED + 1);
	for (uint32_t round = 0; round < tap_rounds(3); round++) {
		uint32_t moved = c->moved;

		expect_int(svm_prefetch(&gpu, keep, BYTES, gpu.id), ==, 0);
		expect(wait_until(c->moved > moved, 10000), "nothing moves after %u resets", round);
		reset();
		c->resets++;
		new_queue();
		memset(copy, 0, BYTES);
		queue_copy(&q, copy, keep, BYTES);
		queue_run(&q);
		pattern_check(copy, BYTES, SEED + 1);
	}
	c->stop = 1;
	tap_join(copier);
	tap_join(mover);
	diag("%u copies by the GPU, %u buffers moved", c->copied, c->moved);
	pattern_check(keep, BYTES, SEED + 1);
}

static const struct tap_test tests[] = {
	TAP_TEST(faults_are_handled_after_a_reset_as_before),
	TAP_TEST(access_is_denied_after_a_reset_as_before),
	TAP_TEST(memory_taken_away_during_a_reset_is_out_of_reach),
	TAP_TEST(processes_work_through_resets),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
