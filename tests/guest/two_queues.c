// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two queues of one process that fault at the same time: neither waits for the other, and both end with it.
 *
 * RUN-DEFAULT:
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

enum { FEW = 24, MANY = 1000, ENDLESS = 20000 };

static struct gpu gpu;
static struct queue q;

/* Untouched memory that goes to VRAM page by page, each with a fault of its own. */
static char *cold_memory(size_t pages)
{
	struct kfd_ioctl_svm_attribute granularity = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 0 };
	char *at = map_anon(pages * PAGE);

	expect_int(svm_set_attr(&gpu, at, pages * PAGE, 1, &granularity), ==, 0);
	return at;
}

static void start_stream(struct queue *stream, size_t pages)
{
	char *at = cold_memory(pages);

	queue_create(stream, &gpu, 1 << 20);
	for (size_t page = 0; page < pages; page++)
		queue_write32(stream, at + page * PAGE, page);
	queue_submit(stream);
}

/*
 * A report that is dropped comes again after 10 ms. Beside a queue that always has one of its own it may be dropped
 * again, and so on. Counted in faults, not in time, which a busy machine has its own share in.
 */
static void fault_beside_another_queue(void)
{
	struct queue stream;
	struct stats s;
	uint64_t others;
	char *at;

	start_stream(&stream, MANY);
	at = cold_memory(FEW);
	for (size_t i = 0; i < FEW; i++)
		queue_write32(&q, at + i * PAGE, i + 1);
	stats_read(&s, 0);
	queue_run(&q);
	others = stats_since(&s, "gpu_faults") - FEW;
	diag("%d faults beside %lu of another queue, %lu reports were dropped", FEW, others,
	     stats_since(&s, "gpu_faults_filtered"));
	expect(!queue_idle(&stream), "the other queue was through first");
	expect_int(others, <, 2 * FEW);	/* turn by turn it is as many */
	for (size_t i = 0; i < FEW; i++)
		expect_int(*(uint32_t *)(at + i * PAGE), ==, i + 1);
	queue_destroy(&stream);
}

static void faults_take_turns_with_those_of_another_queue(void)
{
	gpu_and_queue(&gpu, &q);
	for (unsigned int trial = 0; trial < tap_rounds(6); trial++)
		fault_beside_another_queue();
	queue_destroy(&q);
}

/* ---- a sudden end ---- */

static void stream_in_two_queues(void *arg)
{
	volatile uint32_t *word = arg;
	struct queue a, b;
	struct stats s;

	gpu_open(&gpu, 0);
	stats_read(&s, 0);
	start_stream(&a, ENDLESS);
	start_stream(&b, ENDLESS);
	expect(wait_until(stats_since(&s, "pages_to_vram") + stats_since(&s, "holes_filled") > 100, 20000),
	       "the queues do not run");
	word[0] = 1;
	for (;;)
		pause();
}

static void killed_process_with_two_busy_queues_gives_its_vram_back(void)
{
	volatile uint32_t *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long start;
	int pid;

	pid = tap_fork(stream_in_two_queues, (void *)word);
	expect(wait_until(word[0], 20000), "the process did not come so far");
	expect_int(stat_now("vram_chunks_alloc"), >, stat_now("vram_chunks_freed"));
	kill(pid, SIGKILL);
	start = now_ms();
	tap_join_killed(pid, SIGKILL);
	expect(wait_until(stat_now("vram_chunks_alloc") == stat_now("vram_chunks_freed"), tap_patience() > 1 ? 4000 : 2000),
	       "%lu chunks of VRAM are still held", stat_now("vram_chunks_alloc") - stat_now("vram_chunks_freed"));
	diag("VRAM was back after %lld ms", now_ms() - start);
}

static const struct tap_test tests[] = {
	TAP_TEST(faults_take_turns_with_those_of_another_queue),
	TAP_TEST(killed_process_with_two_busy_queues_gives_its_vram_back),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
