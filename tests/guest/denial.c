// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Accesses that are wrong are denied: the queue that makes them halts, whatever becomes of the memory meanwhile, and
 * what is right goes on. Nothing else of the process runs afterwards (exceptions.c), so each is made by a process of
 * its own.
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

#define NOTHING ((char *)0x210000000000)	/* nobody maps anything here unless told to */

enum { ROUNDS = 40, AT_ONCE = 8, HALT_MS = 5000 };

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

/* ---- one process ---- */

static void be_halted_at_once(void *arg)
{
	long long start = now_ms();

	munmap(arg, PAGE);
	gpu_and_queue(&gpu, &q);
	access_and_be_halted(arg);
	expect_int(now_ms() - start, <, HALT_MS * tap_patience());
	queue_destroy(&q);
}

static void same_address_is_denied_to_one_process_after_the_other(void)
{
	for (int i = 0; i < 6; i++)
		tap_join(tap_fork(be_halted_at_once, NOTHING + PAGE));
}

static void same_address_is_right_in_another_process(void)
{
	int pid;

	gpu_and_queue(&gpu, &q);
	map_at(NOTHING, PAGE);
	access_and_be_done(NOTHING, 1);
	pid = tap_fork(be_halted_at_once, NOTHING);	/* without what we have there */
	for (uint32_t i = 2; i < 20; i++)
		access_and_be_done(NOTHING, i);
	tap_join(pid);
	access_and_be_done(NOTHING, 1);
}

/*
 * The device reports an access that stands every 10 ms, and the second report is answered. A queue that goes
 * just then must not leave the answer to the next one that comes along.
 */
static void leave_and_come_again(void *arg)
{
	uint64_t halts = stat_now("gpu_faults_noretry");
	uint32_t *word = arg;
	char *at = NOTHING;

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, at, 0xbad);
	queue_submit(&q);
	nap_us(word[0] * 400);
	new_queue();
	map_at(at, PAGE);
	queue_write32(&q, at, 0x600d);
	queue_submit(&q);
	expect(wait_until(queue_idle(&q) || stat_now("gpu_faults_noretry") > halts, HALT_MS), "a right access is not done");
	if (!queue_idle(&q))
		return;		/* halted before it went */
	expect_int(*(uint32_t *)at, ==, 0x600d);
	word[1]++;
}

static void queue_that_goes_before_it_is_halted_leaves_nothing_behind(void)
{
	uint32_t *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (word[0] = 0; word[0] < ROUNDS; word[0] += ROUNDS / tap_rounds(ROUNDS))
		tap_join(tap_fork(leave_and_come_again, word));
	diag("%u of %u queues went before they were halted", word[1], tap_rounds(ROUNDS));
	expect_int(word[1], >, 0);
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
static void write_while_the_page_is_replaced(void *arg)
{
	struct page page = { .at = map_anon(PAGE) };
	pthread_t thread;

	(void)arg;
	mprotect(page.at, PAGE, PROT_READ);
	gpu_and_queue(&gpu, &q);
	expect(!pthread_create(&thread, NULL, throw_away, &page), "pthread_create");
	access_and_be_halted(page.at);
	page.stop = true;
	pthread_join(thread, NULL);
	value_check(page.at, PAGE, 0);
}

static void write_is_denied_while_the_page_is_replaced(void)
{
	for (unsigned int i = 0; i < tap_rounds(25); i++)
		tap_join(tap_fork(write_while_the_page_is_replaced, NULL));
}

/* ---- many ---- */

static void deny_some(void *arg)
{
	uint64_t before = stat_now("gpu_faults_noretry");
	struct queue queues[AT_ONCE];

	gpu_open(&gpu, 0);
	for (int i = 0; i < AT_ONCE; i++) {
		queue_create(&queues[i], &gpu, 4096);
		queue_write32(&queues[i], (char *)arg + i / 2 * PAGE, 0xbad);
	}
	for (int i = 0; i < AT_ONCE; i++)
		queue_submit(&queues[i]);
	expect(wait_until(stat_now("gpu_faults_noretry") > before, HALT_MS), "no queue was halted");
	for (int i = 0; i < AT_ONCE; i++) {
		expect(!queue_idle(&queues[i]), "the queue did what must be refused");
		queue_destroy(&queues[i]);
	}
}

static void all_queues_of_a_process_may_be_wrong(void)
{
	for (unsigned int i = 0; i < tap_rounds(6); i++)
		tap_join(tap_fork(deny_some, NOTHING));
}

static const struct tap_test tests[] = {
	TAP_TEST(same_address_is_denied_to_one_process_after_the_other),
	TAP_TEST(same_address_is_right_in_another_process),
	TAP_TEST(queue_that_goes_before_it_is_halted_leaves_nothing_behind),
	TAP_TEST(write_is_denied_while_the_page_is_replaced),
	TAP_TEST(all_queues_of_a_process_may_be_wrong),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
