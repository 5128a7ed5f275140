// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses that are wrong halt the queue that makes them. What becomes of the address afterwards, and of others?
 *
 * RUN:
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000du
#define NOTHING ((char *)0x210000000000)	/* nobody maps anything here unless told to */

enum { AT_ONCE = 8, BATCHES = 9, HALT_MS = 5000 };

static struct gpu gpu;
static struct queue q;

static char *map_at(char *at, size_t bytes)
{
	void *got = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	expect(got == at, "mmap at %p: %s", (void *)at, strerror(errno));
	return got;
}

static void new_queue(void)
{
	queue_destroy(&q);
	queue_create(&q, &gpu, 4096);
}

static void access_and_be_halted(char *at)
{
	queue_write32(&q, at, 0xbad);
	queue_run_into_fault(&q);
}

static void access_and_be_done(char *at, uint32_t value)
{
	queue_write32(&q, at, value);
	queue_submit(&q);
	expect(wait_until(queue_idle(&q), HALT_MS), "a right access to %p is not done", (void *)at);
	expect_int(*(uint32_t *)at, ==, value);
}

/* ---- one queue ---- */

static void other_queues_go_on(void)
{
	char *buf = map_anon(8 * MIB), *copy = map_anon(8 * MIB);
	struct queue other;

	pattern_fill(buf, 8 * MIB, SEED);
	gpu_and_queue(&gpu, &q);
	queue_create(&other, &gpu, 4096);
	queue_copy(&other, copy, buf, 8 * MIB);	/* with faults of its own */
	queue_submit(&other);
	access_and_be_halted(NOTHING);
	queue_wait(&other);
	pattern_check(copy, 8 * MIB, SEED);
	queue_fill(&other, copy, 0x600d, MIB);
	queue_run(&other);
	value_check(copy, MIB, 0x600d);
	queue_destroy(&q);
	queue_destroy(&other);
}

static void same_address_is_denied_to_one_queue_after_the_other(void)
{
	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 6; i++) {
		long long start = now_ms();

		access_and_be_halted(NOTHING + PAGE);
		expect_int(now_ms() - start, <, HALT_MS * tap_patience());
		new_queue();
	}
}

static void denied_address_is_used_once_memory_is_there(void)
{
	gpu_and_queue(&gpu, &q);
	for (uint32_t i = 0; i < 4; i++) {
		char *at = NOTHING + i * PAGE;

		access_and_be_halted(at);
		if (i % 2)	/* the halted queue is still there, or not */
			map_at(at, PAGE);
		new_queue();
		if (i % 2 == 0)
			map_at(at, PAGE);
		access_and_be_done(at, 0x600d0000 + i);
	}
}

/*
 * The device reports an access that stands every 10 ms, and the second report is answered. A queue that goes
 * just then must not leave the answer to the next one that comes along.
 */
static void queue_that_goes_before_it_is_halted_leaves_nothing_behind(void)
{
	gpu_and_queue(&gpu, &q);
	for (uint32_t i = 0; i < 60; i++) {
		char *at = NOTHING + i * GRANULE;

		queue_write32(&q, at, 0xbad);
		queue_submit(&q);
		nap_us(8000 + i * 150);
		new_queue();
		map_at(at, PAGE);
		access_and_be_done(at, 0x600d0000 + i);
	}
}

/* ---- memory that changes ---- */

struct page {
	char *at;
	volatile bool stop;
};

static void *throw_away(void *arg)
{
	struct page *page = arg;

	while (!page->stop) {
		(void)*(volatile char *)page->at;
		madvise(page->at, PAGE, MADV_DONTNEED);
	}
	return NULL;
}

/* Each time the page goes, what the GPU's page table says about it goes too: that its access is denied, also. */
static void write_is_denied_while_the_page_is_replaced(void)
{
	struct page page = { .at = map_anon(PAGE) };
	pthread_t thread;

	mprotect(page.at, PAGE, PROT_READ);
	gpu_and_queue(&gpu, &q);
	expect(!pthread_create(&thread, NULL, throw_away, &page), "pthread_create");
	for (int i = 0; i < 25; i++) {
		uint64_t before = stat_now("gpu_faults_noretry");

		queue_write32(&q, page.at, 0xbad);
		queue_submit(&q);
		expect(wait_until(stat_now("gpu_faults_noretry") > before, HALT_MS), "queue %d is not halted", i);
		expect(!queue_idle(&q), "the GPU wrote to read-only memory");
		new_queue();
	}
	page.stop = true;
	pthread_join(thread, NULL);
	value_check(page.at, PAGE, 0);
}

/* ---- many ---- */

static void deny_some(struct queue *queues, char *at)
{
	uint64_t before = stat_now("gpu_faults_noretry");

	for (int i = 0; i < AT_ONCE; i++) {
		queue_create(&queues[i], &gpu, 4096);
		queue_write32(&queues[i], at + i * PAGE, 0xbad);
	}
	for (int i = 0; i < AT_ONCE; i++)
		queue_submit(&queues[i]);
	expect(wait_until(stat_now("gpu_faults_noretry") == before + AT_ONCE, HALT_MS), "%lu of %d queues were halted",
	       stat_now("gpu_faults_noretry") - before, AT_ONCE);
	for (int i = 0; i < AT_ONCE; i++) {
		expect(!queue_idle(&queues[i]), "the queue did what must be refused");
		queue_destroy(&queues[i]);
	}
}

/* The driver remembers 64 of a process. */
static void more_addresses_are_denied_than_are_remembered(void)
{
	struct queue queues[AT_ONCE];

	gpu_open(&gpu, 0);
	for (int batch = 0; batch < BATCHES; batch++)
		deny_some(queues, NOTHING + batch * AT_ONCE * PAGE);
	map_at(NOTHING, BATCHES * AT_ONCE * PAGE);
	queue_create(&q, &gpu, 4096);
	for (uint32_t page = 0; page < BATCHES * AT_ONCE; page++)
		access_and_be_done(NOTHING + page * PAGE, page + 1);
}

static const struct tap_test tests[] = {
	TAP_TEST(other_queues_go_on),
	TAP_TEST(same_address_is_denied_to_one_queue_after_the_other),
	TAP_TEST(denied_address_is_used_once_memory_is_there),
	TAP_TEST(queue_that_goes_before_it_is_halted_leaves_nothing_behind),
	TAP_TEST(write_is_denied_while_the_page_is_replaced),
	TAP_TEST(more_addresses_are_denied_than_are_remembered),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
