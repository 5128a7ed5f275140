// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TRAP packets signal events: those of their process, and only with the event's slot written before.
 *
 * RUN:
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

/* As the runtime does it: the slot first, the interrupt then. */
static void gpu_signals(struct queue *queue, uint32_t id)
{
	queue_fence(queue, (void *)slot(id), id);
	queue_trap(queue, id);
	queue_submit(queue);
}

static void trap_signals_the_event_of_its_context(void)
{
	uint32_t first = open_with_page(), id = create(AUTO), manual = create(MANUAL);
	uint32_t debug = create_type(KFD_IOC_EVENT_DEBUG_EVENT, AUTO);
	struct waiter w = { .id = { id }, .n = 1, .ms = PATIENT };

	for (int i = 0; i < 20; i++) {
		if (i % 2)
			start(&w);
		gpu_signals(&q, id);
		if (i % 2)
			ended_with(&w, COMPLETE);
		else
			expect_int(wait_one(id, PATIENT), ==, COMPLETE);
		expect_int(*slot(id), ==, UNSIGNALED);
		expect(!is_signaled(id) && !is_signaled(first) && !is_signaled(manual), "more was signalled");
	}
	gpu_signals(&q, manual);
	expect_int(wait_one(manual, PATIENT), ==, COMPLETE);
	expect_int(wait_one(manual, 0), ==, COMPLETE);
	gpu_signals(&q, debug);
	expect_int(wait_one(debug, PATIENT), ==, COMPLETE);
	queue_destroy(&q);
}

static void gpu_signals_and_cpu_waits(uint32_t id)
{
	gpu_signals(&q, id);
	expect_int(wait_one(id, PATIENT), ==, COMPLETE);
}

static void trap_without_a_slot_signals_nothing(void)
{
	uint32_t done = open_with_page(), id = create(AUTO);

	queue_trap(&q, id);
	queue_trap(&q, OTHERS >> 4);
	gpu_signals_and_cpu_waits(done);
	expect(!is_signaled(id), "the slot was not written");
	queue_destroy(&q);
}

/*
 * With nothing before it: a TRAP that finds its slot unwritten, as one does whose event was found by the search
 * for another, looks at all of them.
 */
static void trap_leaves_the_slots_of_others_alone(void)
{
	uint32_t other = open_with_page(), id = create(AUTO);

	*slot(id) = 0;
	gpu_signals_and_cpu_waits(other);
	expect(!is_signaled(id), "the interrupt was another event's");
	queue_destroy(&q);
}

/* An id that says nothing: every slot is looked at, also what other queues have written. */
static void trap_of_nothing_signals_what_is_in_the_slots(void)
{
	static const uint32_t contexts[] = { 0, 5, 4095, 4096, 0xfffffff };
	uint32_t id[3];

	open_with_page();
	for (int i = 0; i < 3; i++)
		id[i] = create(i ? AUTO : MANUAL);
	for (size_t c = 0; c < sizeof(contexts) / sizeof(contexts[0]); c++) {
		queue_fence(&q, (void *)slot(id[0]), 0);
		queue_fence(&q, (void *)slot(id[2]), 0x80000000);
		queue_trap(&q, contexts[c]);
		queue_submit(&q);
		expect_int(wait_one(id[2], PATIENT), ==, COMPLETE);
		expect(is_signaled(id[0]) && !is_signaled(id[1]), "after a TRAP of %#x", contexts[c]);
		expect_int(*slot(id[0]), ==, UNSIGNALED);
		expect_int(*slot(id[2]), ==, UNSIGNALED);
		expect_int(reset(id[0]), ==, 0);
	}
	queue_destroy(&q);
}

static void slots_full_of_nonsense_do_no_harm(void)
{
	uint32_t first = open_with_page(), id = create(AUTO), memory = create_type(KFD_IOC_EVENT_MEMORY, AUTO);

	for (int i = 0; i < 20; i++) {
		memset(page.at, i * 13, page.size);
		queue_trap(&q, i % 2 ? 0 : 77);
		queue_submit(&q);
		expect_int(wait_one(id, PATIENT), ==, COMPLETE);
		expect(is_signaled(first), "round %d", i);
		expect(!is_signaled(memory), "it has no slot");
		expect_int(slot(0)[0] & 0xff, ==, i * 13 & 0xff);	/* nobody's: left alone */
		expect_int(slot(77)[0] & 0xff, ==, i * 13 & 0xff);
	}
	queue_destroy(&q);
}

static void trap_without_a_page_is_forgotten(void)
{
	uint32_t id;

	gpu_and_queue(&gpu, &q);
	queue_trap(&q, 1);
	queue_run(&q);		/* nor is there an event */
	id = create(AUTO);
	for (uint32_t i = 0; i < 300; i++)
		queue_trap(&q, i);
	queue_run(&q);
	expect_int(wait_one(id, 100), ==, TIMEOUT);
	queue_destroy(&q);
}

static void signal_own_event(void *arg)
{
	uint32_t id = open_with_page();

	expect_int(id, ==, *(uint32_t *)arg);
	gpu_signals_and_cpu_waits(id);
	queue_destroy(&q);
}

static void trap_is_its_own_process_business(void)
{
	uint32_t id = open_with_page();

	*slot(id) = 5;
	tap_join(tap_fork(signal_own_event, &id));
	expect(!is_signaled(id), "another process's TRAP signalled our event");
	expect_int(*slot(id), ==, 5);
	queue_destroy(&q);
}

enum { WORKERS = 4, ROUNDS = 150 };

static void *ping_pong(void *arg)
{
	uint32_t id = *(uint32_t *)arg;
	struct queue own;

	queue_create(&own, &gpu, 4096);
	for (int i = 0; i < ROUNDS; i++) {
		gpu_signals(&own, id);
		expect_int(wait_one(id, PATIENT), ==, COMPLETE);
	}
	queue_destroy(&own);
	expect_int(destroy(id), ==, 0);
	return NULL;
}

/* Makes and ends events and waits beside them. */
static void *disturb(void *arg)
{
	volatile bool *stop = arg;

	while (!*stop) {
		uint32_t id = create(AUTO), other = create(MANUAL);
		struct waiter w = { .id = { id, other }, .n = 2, .ms = 5, .all = true };

		start(&w);
		expect_int(set(other), ==, 0);
		expect_int(destroy(id), ==, 0);
		expect(wait_until(w.ended, 20000), "a wait does not end");
		pthread_join(w.thread, NULL);
		expect(w.result == TIMEOUT || w.result == -EIO || w.result == -EINVAL, "result %d", w.result);
		expect_int(destroy(other), ==, 0);
	}
	return NULL;
}

static void queues_and_threads_signal_at_the_same_time(void)
{
	pthread_t workers[WORKERS], other;
	volatile bool stop = false;
	uint32_t ids[WORKERS];

	open_with_page();
	/* Before the other thread destroys events that it still waits for: one of these might get such an id. */
	for (int i = 0; i < WORKERS; i++)
		ids[i] = create(AUTO);
	expect(!pthread_create(&other, NULL, disturb, (void *)&stop), "pthread_create");
	for (int i = 0; i < WORKERS; i++)
		expect(!pthread_create(&workers[i], NULL, ping_pong, &ids[i]), "pthread_create");
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	stop = true;
	pthread_join(other, NULL);
	queue_destroy(&q);
}

/* Queues are lost in a reset, events are not. */
static void events_outlive_a_reset(void)
{
	struct waiter w = { .n = 1, .ms = FOREVER };
	char address[16], path[64];

	w.id[0] = open_with_page();
	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	start(&w);
	expect_asleep(&w);
	expect_int(write_text(path, "1"), ==, 0);
	expect_asleep(&w);
	queue_destroy(&q);
	queue_create(&q, &gpu, 4096);
	gpu_signals(&q, w.id[0]);
	ended_with(&w, COMPLETE);
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(trap_signals_the_event_of_its_context),
	TAP_TEST(trap_without_a_slot_signals_nothing),
	TAP_TEST(trap_leaves_the_slots_of_others_alone),
	TAP_TEST(trap_of_nothing_signals_what_is_in_the_slots),
	TAP_TEST(slots_full_of_nonsense_do_no_harm),
	TAP_TEST(trap_without_a_page_is_forgotten),
	TAP_TEST(trap_is_its_own_process_business),
	TAP_TEST(queues_and_threads_signal_at_the_same_time),
	TAP_TEST(events_outlive_a_reset),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
