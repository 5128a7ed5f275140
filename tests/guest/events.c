// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events: who is woken, by what, and what becomes of a signal that nobody waits for. The answers and errors are
 * those of KFD in Linux 6.12.
 *
 * RUN:
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

/* ---- ids and slots ---- */

static void signal_events_are_numbered_by_their_slots(void)
{
	struct kfd_ioctl_create_event_args a;

	expect_int(open_with_page(), ==, 1);
	for (uint32_t id = 2; id < 10; id++) {
		expect_int(try_create(id % 2 ? KFD_IOC_EVENT_SIGNAL : KFD_IOC_EVENT_DEBUG_EVENT, MANUAL, 0, &a), ==, 0);
		expect_int(a.event_id, ==, id);
		expect_int(a.event_slot_index, ==, id);
		expect_int(a.event_trigger_data, ==, id);
		expect_int(a.event_page_offset, ==, EVENTS_OFFSET);
	}
	expect_int(destroy(4), ==, 0);
	*slot(4) = 0;
	expect_int(create(MANUAL), ==, 4);	/* the lowest that is free */
	expect_int(*slot(4), ==, UNSIGNALED);
	expect_int(create(MANUAL), ==, 10);
}

static void other_events_are_numbered_from_2_to_the_30(void)
{
	static const uint32_t types[] = { KFD_IOC_EVENT_NODECHANGE, KFD_IOC_EVENT_DEVICESTATECHANGE,
		KFD_IOC_EVENT_HW_EXCEPTION, KFD_IOC_EVENT_SYSTEM_EVENT, KFD_IOC_EVENT_PROFILE_EVENT,
		KFD_IOC_EVENT_QUEUE_EVENT, KFD_IOC_EVENT_MEMORY, 4711 };
	struct kfd_ioctl_create_event_args a;

	gpu_open(&gpu, 0);
	for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		expect_int(try_create(types[i], AUTO, 0, &a), ==, 0);
		expect_int(a.event_id, ==, OTHERS + i);
		expect_int(a.event_trigger_data, ==, OTHERS + i);
		expect_int(a.event_page_offset, ==, 0);
		expect(!is_signaled(a.event_id), "it is signalled");
		expect_int(set(a.event_id), ==, -EINVAL);	/* that is the kernel's */
		expect_int(reset(a.event_id), ==, -EINVAL);
	}
	for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		expect_int(destroy(OTHERS + i), ==, 0);
	expect_int(create_type(KFD_IOC_EVENT_MEMORY, AUTO), ==, OTHERS);
}

static void fill_up(uint32_t next, uint32_t limit)
{
	struct kfd_ioctl_create_event_args a;

	while (next < limit)
		expect_int(create(MANUAL), ==, next++);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, 0, &a), ==, -ENOSPC);
	expect_int(try_create(KFD_IOC_EVENT_DEBUG_EVENT, MANUAL, 0, &a), ==, -ENOSPC);
	expect_int(create_type(KFD_IOC_EVENT_MEMORY, MANUAL), ==, OTHERS);
	expect_int(destroy(limit - 1), ==, 0);
	expect_int(create(MANUAL), ==, limit - 1);
	expect_int(set(limit - 1), ==, 0);
	expect_int(wait_one(limit - 1, 0), ==, COMPLETE);
	expect_int(wait_one(limit - 2, 0), ==, TIMEOUT);
}

static void there_are_4095_signal_events(void)
{
	expect_int(open_with_page(), ==, 1);
	fill_up(2, LIMIT);
	queue_fence(&q, (void *)slot(LIMIT - 2), 1);
	queue_trap(&q, LIMIT - 2);
	queue_submit(&q);
	expect_int(wait_one(LIMIT - 2, PATIENT), ==, COMPLETE);
}

static void without_a_page_there_are_255(void)
{
	struct kfd_ioctl_create_event_args a;
	struct bo bo;

	gpu_open(&gpu, 0);
	fill_up(1, WITHOUT_PAGE);
	bo_create(&bo, &gpu, LIMIT * 8);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, bo.handle, &a), ==, -EINVAL);	/* too late */
	bo_destroy(&bo);
}

/* A larger buffer has no more slots: interrupts tell of 4095 events. */
static void larger_page_has_no_more_slots(void)
{
	struct kfd_ioctl_create_event_args a;

	gpu_open(&gpu, 0);
	bo_create(&page, &gpu, 4 * LIMIT * 8);
	memset(page.at, 0x11, page.size);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, page.handle, &a), ==, 0);
	value_check(page.at, LIMIT * 8, ~0u);
	value_check((char *)page.at + LIMIT * 8, 3 * LIMIT * 8, 0x11111111);
	fill_up(2, LIMIT);
}

static uint64_t alloc_handle(uint32_t flags, size_t size)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { .va_addr = 0x200000000000, .size = size, .gpu_id = gpu.id,
							.flags = flags | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE };
	static unsigned int n;

	a.va_addr += n++ * MIB;
	expect_int(kfd(AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, a), ==, 0);
	return a.handle;
}

static void event_page_is_a_gtt_buffer_of_ours(void)
{
	struct kfd_ioctl_create_event_args a;
	uint64_t bad[6];

	gpu_open(&gpu, 0);
	bad[0] = alloc_handle(KFD_IOC_ALLOC_MEM_FLAGS_VRAM, LIMIT * 8);
	bad[1] = alloc_handle(KFD_IOC_ALLOC_MEM_FLAGS_GTT, LIMIT * 8 - PAGE);
	bad[2] = alloc_handle(KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL, 8192);
	bad[3] = (uint64_t)gpu.id << 32 | 0x7777;	/* no such buffer */
	bad[4] = 0xffffull << 32 | 1;			/* no such GPU */
	bad[5] = ~0ull;
	for (int i = 0; i < 6; i++) {
		int error = try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, bad[i], &a);

		expect(error == -EINVAL, "handle %#lx: %s", bad[i], strerror(-error));
	}
	/* none of that has settled anything */
	bo_create(&page, &gpu, LIMIT * 8);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, page.handle, &a), ==, 0);
	value_check(page.at, page.size, ~0u);
	expect_int(a.event_id, ==, 1);
}

static int free_buffer(uint64_t handle)
{
	return kfd(AMDKFD_IOC_FREE_MEMORY_OF_GPU, (struct kfd_ioctl_free_memory_of_gpu_args){ .handle = handle });
}

static void event_page_stays(void)
{
	struct kfd_ioctl_unmap_memory_from_gpu_args unmap = { .n_devices = 1,
							      .device_ids_array_ptr = (uintptr_t)&gpu.id };
	struct kfd_ioctl_create_event_args a;
	struct bo second;
	uint32_t id = open_with_page();

	bo_create(&second, &gpu, LIMIT * 8);
	memset(second.at, 0, second.size);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, second.handle, &a), ==, -EINVAL);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, page.handle, &a), ==, -EINVAL);
	value_check(second.at, second.size, 0);
	bo_destroy(&second);
	expect_int(free_buffer(page.handle), ==, -EPERM);
	unmap.handle = page.handle;
	expect_int(kfd(AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, unmap), ==, 0);
	expect_int(free_buffer(page.handle), ==, -EPERM);
	munmap(page.at, page.size);
	expect_int(free_buffer(page.handle), ==, -EPERM);
	expect_int(set(id), ==, 0);
	expect_int(destroy(id), ==, 0);
	expect_int(free_buffer(page.handle), ==, -EPERM);	/* until the process ends */
}

/* ---- signals that wait for somebody ---- */

static void manual_event_stays_signaled_until_it_is_reset(void)
{
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create(MANUAL);
	expect(!is_signaled(id), "a new event is signalled");
	expect_int(set(id), ==, 0);
	expect_int(set(id), ==, 0);
	expect(is_signaled(id) && is_signaled(id), "it is not signalled any more");
	expect_int(reset(id), ==, 0);
	expect(!is_signaled(id), "it is still signalled");
}

static void auto_event_is_signaled_for_one_wait(void)
{
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create(AUTO);
	expect_int(set(id), ==, 0);
	expect_int(set(id), ==, 0);	/* not a count */
	expect(is_signaled(id), "the signal is lost");
	expect(!is_signaled(id), "the signal came twice");
	expect_int(set(id), ==, 0);
	expect_int(reset(id), ==, 0);
	expect(!is_signaled(id), "it is still signalled");
}

static void wait_for_any_takes_every_signal_that_is_there(void)
{
	uint32_t id[4];

	gpu_open(&gpu, 0);
	for (int i = 0; i < 4; i++)
		id[i] = create(AUTO);
	expect_int(wait_for(id, 4, false, 0), ==, TIMEOUT);
	expect_int(set(id[3]), ==, 0);
	expect_int(wait_for(id, 4, false, FOREVER), ==, COMPLETE);
	expect_int(wait_for(id, 4, false, 0), ==, TIMEOUT);
	expect_int(set(id[1]), ==, 0);
	expect_int(set(id[2]), ==, 0);
	expect_int(wait_for(id, 4, false, 0), ==, COMPLETE);
	expect_int(wait_for(id, 4, false, 0), ==, TIMEOUT);
}

static void wait_for_all_wants_all(void)
{
	uint32_t id[3];

	gpu_open(&gpu, 0);
	for (int i = 0; i < 3; i++)
		id[i] = create(MANUAL);
	expect_int(set(id[0]), ==, 0);
	expect_int(set(id[2]), ==, 0);
	expect_int(wait_for(id, 3, true, 20), ==, TIMEOUT);
	expect_int(wait_for(id, 3, false, 20), ==, COMPLETE);
	expect_int(set(id[1]), ==, 0);
	expect_int(wait_for(id, 3, true, FOREVER), ==, COMPLETE);
}

/* As in KFD: a wait that times out has had what was there. */
static void wait_for_all_that_times_out_has_taken_signals(void)
{
	uint32_t id[2];

	gpu_open(&gpu, 0);
	id[0] = create(AUTO);
	id[1] = create(AUTO);
	expect_int(set(id[0]), ==, 0);
	expect_int(wait_for(id, 2, true, 20), ==, TIMEOUT);
	expect(!is_signaled(id[0]), "the signal came back");
}

static void event_that_is_named_twice_is_one(void)
{
	uint32_t id[3];

	gpu_open(&gpu, 0);
	id[0] = id[1] = create(MANUAL);
	id[2] = create(AUTO);
	expect_int(wait_for(id, 3, true, 0), ==, TIMEOUT);
	expect_int(set(id[0]), ==, 0);
	expect_int(wait_for(id, 3, true, 0), ==, TIMEOUT);
	expect_int(set(id[2]), ==, 0);
	expect_int(wait_for(id, 3, true, 0), ==, COMPLETE);
	expect_int(wait_for(id, 0, false, FOREVER), ==, COMPLETE);	/* nothing is complete at once */
	expect_int(wait_for(id, 0, true, FOREVER), ==, COMPLETE);
}

static void timeouts_take_their_time(void)
{
	static const uint32_t ms[] = { 0, 1, 50, 300 };
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create(AUTO);
	for (int i = 0; i < 4; i++) {
		long long start = now_ns(), us;

		expect_int(wait_one(id, ms[i]), ==, TIMEOUT);
		us = (now_ns() - start) / 1000;
		expect(us >= ms[i] * 1000, "%u ms took %lld us", ms[i], us);
		expect(us < (ms[i] + 3000) * 1000ll * tap_patience(), "%u ms took %lld us", ms[i], us);
	}
}

/* What a program gets that keeps count: newer headers have it in the place of the exception's data. */
static int wait_for_age(uint32_t id, uint64_t *age)
{
	struct kfd_event_data data = { .event_id = id };
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)&data, .num_events = 1 };

	memcpy(&data, age, sizeof(*age));
	expect_int(wait_call(&w), ==, 0);
	memcpy(age, &data, sizeof(*age));
	return w.wait_result;
}

static void wait_ends_at_once_if_the_caller_has_missed_a_signal(void)
{
	uint64_t age = 1;
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create(AUTO);
	expect_int(wait_for_age(id, &age), ==, TIMEOUT);
	expect_int(age, ==, 1);
	for (int i = 0; i < 3; i++)
		expect_int(set(id), ==, 0);
	expect(is_signaled(id), "the signal is lost");	/* that was another thread of ours */
	expect_int(wait_for_age(id, &age), ==, COMPLETE);
	expect_int(age, ==, 4);
	expect_int(wait_for_age(id, &age), ==, TIMEOUT);
	age = 0;	/* not asked for */
	expect_int(set(id), ==, 0);
	expect_int(wait_for_age(id, &age), ==, COMPLETE);
	expect_int(age, ==, 0);
}

/* ---- threads ---- */

static void signal_wakes_all_who_wait(void)
{
	struct waiter w[4];

	gpu_open(&gpu, 0);
	for (int round = 0; round < 2; round++) {
		uint32_t id = create(round ? AUTO : MANUAL);

		for (int i = 0; i < 4; i++) {
			w[i] = (struct waiter){ .id = { id }, .n = 1, .ms = FOREVER };
			start(&w[i]);
		}
		for (int i = 0; i < 4; i++)
			expect_asleep(&w[i]);
		expect_int(set(id), ==, 0);
		for (int i = 0; i < 4; i++)
			ended_with(&w[i], COMPLETE);
		/* an automatic one has been used up by them */
		expect_int(wait_one(id, 0), ==, round ? TIMEOUT : COMPLETE);
	}
}

static void waiter_for_all_gathers_signals(void)
{
	struct waiter w = { .n = 3, .ms = FOREVER, .all = true };

	gpu_open(&gpu, 0);
	for (int i = 0; i < 3; i++)
		w.id[i] = create(AUTO);
	start(&w);
	for (int i = 0; i < 3; i++) {
		expect_asleep(&w);
		expect_int(set(w.id[i]), ==, 0);
	}
	ended_with(&w, COMPLETE);
	expect_int(wait_for(w.id, 3, false, 0), ==, TIMEOUT);
}

/* A waiter that has its signal and waits for another event leaves the next one to others. */
static void second_signal_is_for_the_next_waiter(void)
{
	struct waiter w = { .n = 2, .ms = FOREVER, .all = true };

	gpu_open(&gpu, 0);
	w.id[0] = create(AUTO);
	w.id[1] = create(AUTO);
	expect_int(set(w.id[0]), ==, 0);
	start(&w);
	expect_asleep(&w);	/* with the first signal in its pocket */
	expect_int(set(w.id[0]), ==, 0);
	expect_int(wait_one(w.id[0], 0), ==, COMPLETE);
	expect_int(set(w.id[1]), ==, 0);
	ended_with(&w, COMPLETE);
}

static void destroying_an_event_ends_waits_for_it(void)
{
	static const uint32_t types[] = { KFD_IOC_EVENT_SIGNAL, KFD_IOC_EVENT_MEMORY, KFD_IOC_EVENT_HW_EXCEPTION };
	struct waiter w[3];

	gpu_open(&gpu, 0);
	for (int i = 0; i < 3; i++) {
		uint32_t other = create(MANUAL), id = create_type(types[i], AUTO);

		w[0] = (struct waiter){ .id = { id }, .n = 1, .ms = FOREVER };
		w[1] = (struct waiter){ .id = { other, id }, .n = 2, .ms = FOREVER };
		w[2] = (struct waiter){ .id = { id, other }, .n = 2, .ms = FOREVER, .all = true };
		for (int k = 0; k < 3; k++)
			start(&w[k]);
		for (int k = 0; k < 3; k++)
			expect_asleep(&w[k]);
		expect_int(destroy(id), ==, 0);
		for (int k = 0; k < 3; k++)
			ended_with(&w[k], -EIO);
		expect_int(destroy(id), ==, -EINVAL);
		expect_int(wait_one(id, 0), ==, -EINVAL);
		expect_int(wait_one(other, 0), ==, TIMEOUT);
	}
}

/* Also one that was signalled before, in a wait that goes on for others. */
static void destroying_a_signaled_event_ends_waits_for_all(void)
{
	struct waiter w = { .n = 2, .ms = FOREVER, .all = true };

	gpu_open(&gpu, 0);
	w.id[0] = create(MANUAL);
	w.id[1] = create(MANUAL);
	expect_int(set(w.id[0]), ==, 0);
	start(&w);
	expect_asleep(&w);
	expect_int(destroy(w.id[0]), ==, 0);
	ended_with(&w, -EIO);
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void handle_signals(int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	signals = 0;
	expect(!sigaction(SIGUSR1, &action, NULL), "sigaction");
}

static void *signal_later(void *arg)
{
	nap_us(200000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void signal_handler_interrupts_a_wait(void)
{
	struct kfd_event_data data[2] = { 0 };
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)data, .num_events = 2, .wait_for_all = 1,
						.timeout = 1000000 };
	pthread_t me = pthread_self(), other;

	gpu_open(&gpu, 0);
	handle_signals(0);
	data[0].event_id = create(AUTO);
	data[1].event_id = create(AUTO);
	expect_int(set(data[0].event_id), ==, 0);
	expect(!pthread_create(&other, NULL, signal_later, &me), "pthread_create");
	expect_int(wait_call(&w), ==, -EINTR);
	pthread_join(other, NULL);
	expect_int(signals, ==, 1);
	expect_int(w.wait_result, ==, FAIL);
	expect_int(w.timeout, <, 1000000);	/* what is left, for who tries again */
	expect_int(w.timeout, >, 500000);
	expect(is_signaled(data[0].event_id), "the wait has kept the signal that it did not report");
	w.timeout = FOREVER;
	expect(!pthread_create(&other, NULL, signal_later, &me), "pthread_create");
	expect_int(wait_call(&w), ==, -EINTR);
	pthread_join(other, NULL);
	expect_int(w.timeout, ==, FOREVER);
}

/* A handler that lets calls go on: the wait lasts no longer for it. */
static void wait_goes_on_after_a_signal_handler(void)
{
	struct kfd_event_data data = { 0 };
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)&data, .num_events = 1, .timeout = 600 };
	pthread_t me = pthread_self(), other;
	long long start_ms;

	gpu_open(&gpu, 0);
	handle_signals(SA_RESTART);
	data.event_id = create(AUTO);
	start_ms = now_ms();
	expect(!pthread_create(&other, NULL, signal_later, &me), "pthread_create");
	expect_int(wait_call(&w), ==, 0);
	expect_int(w.wait_result, ==, TIMEOUT);
	expect_int(now_ms() - start_ms, >=, 590);	/* whole jiffies go */
	expect_int(w.timeout, <, 600);
	pthread_join(other, NULL);
	expect_int(signals, ==, 1);
}

static void wait_for_ever(void *arg)
{
	struct waiter w[2];
	uint32_t id = open_with_page();

	for (int i = 0; i < 2; i++) {
		w[i] = (struct waiter){ .id = { id, create_type(KFD_IOC_EVENT_MEMORY, AUTO) }, .n = 2, .ms = FOREVER };
		start(&w[i]);
		expect_asleep(&w[i]);
	}
	*(volatile bool *)arg = true;
	pthread_join(w[0].thread, NULL);
}

static void killed_waiter_leaves_nothing(void)
{
	volatile bool *waits = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid = tap_fork(wait_for_ever, (void *)waits);

	expect(wait_until(*waits, 20000), "nobody waits");
	kill(pid, SIGKILL);
	tap_join_killed(pid, SIGKILL);
}

/* ---- what a child may ---- */

static void try_the_parents_file(void *arg)
{
	uint32_t id = *(uint32_t *)arg;
	struct kfd_ioctl_create_event_args a;

	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, MANUAL, 0, &a), ==, -EBADF);
	expect_int(set(id), ==, -EBADF);
	expect_int(reset(id), ==, -EBADF);
	expect_int(destroy(id), ==, -EBADF);
	expect_int(wait_call(&(struct kfd_ioctl_wait_events_args){ 0 }), ==, -EBADF);
}

static void child_has_no_part_in_its_parents_events(void)
{
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create(MANUAL);
	expect_int(set(id), ==, 0);
	tap_join(tap_fork(try_the_parents_file, &id));
	expect_int(wait_one(id, 0), ==, COMPLETE);
}

/* ---- calls that make no sense ---- */

static void ids_of_nothing_are_refused(void)
{
	static const uint32_t bad[] = { 0, 2, 4095, 4096, OTHERS - 1, OTHERS, 0x7fffffff, 0x80000000, 0xffffffff };

	gpu_open(&gpu, 0);
	expect_int(create(MANUAL), ==, 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t ids[] = { 1, bad[i] };

		expect_int(set(bad[i]), ==, -EINVAL);
		expect_int(reset(bad[i]), ==, -EINVAL);
		expect_int(destroy(bad[i]), ==, -EINVAL);
		expect_int(wait_for(ids, 2, false, FOREVER), ==, -EINVAL);
	}
}

static void refused_wait_takes_no_signal(void)
{
	uint32_t ids[2];

	gpu_open(&gpu, 0);
	ids[0] = create(AUTO);
	ids[1] = 1234;
	expect_int(set(ids[0]), ==, 0);
	expect_int(wait_for(ids, 2, false, 0), ==, -EINVAL);
	expect(is_signaled(ids[0]), "the signal is gone");
}

static void debug_events_are_not_for_the_cpu(void)
{
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create_type(KFD_IOC_EVENT_DEBUG_EVENT, MANUAL);
	expect_int(set(id), ==, -EINVAL);
	expect_int(reset(id), ==, -EINVAL);
	expect_int(wait_one(id, 0), ==, TIMEOUT);
}

static void lists_that_cannot_be_read_are_refused(void)
{
	struct { uint64_t at; uint32_t n; int error; } lists[] = {
		{ 0, 1, -EFAULT }, { 0xffff888000001000ul, 1, -EFAULT }, { 0, 0xffffffff, -ENOMEM },
		{ 0, 0x7fffffff, -ENOMEM }, { 0, 0x200000, -ENOMEM }, { 0, 0, 0 },
	};
	struct kfd_event_data *two = map_anon(2 * PAGE);

	gpu_open(&gpu, 0);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct kfd_ioctl_wait_events_args w = { .events_ptr = lists[i].at, .num_events = lists[i].n,
							.timeout = FOREVER, .wait_result = 77 };
		int error = wait_call(&w);

		expect(error == lists[i].error, "list %zu: %s", i, strerror(-error));
		expect_int(w.wait_result, ==, error ? FAIL : COMPLETE);
	}
	/* the second one lies where nothing is */
	munmap((char *)two + PAGE, PAGE);
	two = (struct kfd_event_data *)((char *)two + PAGE) - 1;
	two->event_id = create(MANUAL);
	expect_int(set(two->event_id), ==, 0);
	expect_int(wait_call(&(struct kfd_ioctl_wait_events_args){ .events_ptr = (uintptr_t)two, .num_events = 2 }), ==, -EFAULT);
	expect_int(wait_call(&(struct kfd_ioctl_wait_events_args){ .events_ptr = (uintptr_t)two, .num_events = 1 }), ==, 0);
}

static void long_lists_are_taken(void)
{
	enum { N = 20000 };
	struct kfd_event_data *data = calloc(N, sizeof(*data));
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)data, .num_events = N, .wait_for_all = 1,
						.timeout = 50 };

	gpu_open(&gpu, 0);
	for (int i = 0; i < N; i++)
		data[i].event_id = i < 200 ? create(MANUAL) : 1u + i % 200;
	expect_int(wait_call(&w), ==, 0);
	expect_int(w.wait_result, ==, TIMEOUT);
	for (int i = 0; i < 200; i++)
		expect_int(set(data[i].event_id), ==, 0);
	w.timeout = FOREVER;
	expect_int(wait_call(&w), ==, 0);
	expect_int(w.wait_result, ==, COMPLETE);
}

static const struct tap_test tests[] = {
	TAP_TEST(signal_events_are_numbered_by_their_slots),
	TAP_TEST(other_events_are_numbered_from_2_to_the_30),
	TAP_TEST(there_are_4095_signal_events),
	TAP_TEST(without_a_page_there_are_255),
	TAP_TEST(larger_page_has_no_more_slots),
	TAP_TEST(event_page_is_a_gtt_buffer_of_ours),
	TAP_TEST(event_page_stays),
	TAP_TEST(manual_event_stays_signaled_until_it_is_reset),
	TAP_TEST(auto_event_is_signaled_for_one_wait),
	TAP_TEST(wait_for_any_takes_every_signal_that_is_there),
	TAP_TEST(wait_for_all_wants_all),
	TAP_TEST(wait_for_all_that_times_out_has_taken_signals),
	TAP_TEST(event_that_is_named_twice_is_one),
	TAP_TEST(timeouts_take_their_time),
	TAP_TEST(wait_ends_at_once_if_the_caller_has_missed_a_signal),
	TAP_TEST(signal_wakes_all_who_wait),
	TAP_TEST(waiter_for_all_gathers_signals),
	TAP_TEST(second_signal_is_for_the_next_waiter),
	TAP_TEST(destroying_an_event_ends_waits_for_it),
	TAP_TEST(destroying_a_signaled_event_ends_waits_for_all),
	TAP_TEST(signal_handler_interrupts_a_wait),
	TAP_TEST(wait_goes_on_after_a_signal_handler),
	TAP_TEST(killed_waiter_leaves_nothing),
	TAP_TEST(child_has_no_part_in_its_parents_events),
	TAP_TEST(ids_of_nothing_are_refused),
	TAP_TEST(refused_wait_takes_no_signal),
	TAP_TEST(debug_events_are_not_for_the_cpu),
	TAP_TEST(lists_that_cannot_be_read_are_refused),
	TAP_TEST(long_lists_are_taken),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
