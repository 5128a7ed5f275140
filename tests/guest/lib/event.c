// SPDX-License-Identifier: GPL-2.0-or-later
#include "event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tap.h"

struct gpu gpu;
struct queue q;
struct bo page;

int try_create(uint32_t type, bool auto_reset, uint64_t handle, struct kfd_ioctl_create_event_args *a)
{
	*a = (struct kfd_ioctl_create_event_args){ .event_page_offset = handle, .event_type = type,
						   .auto_reset = auto_reset };
	return kfd(AMDKFD_IOC_CREATE_EVENT, *a);
}

uint32_t create_type(uint32_t type, bool auto_reset)
{
	struct kfd_ioctl_create_event_args a;

	expect_int(try_create(type, auto_reset, 0, &a), ==, 0);
	return a.event_id;
}

uint32_t create(bool auto_reset)
{
	return create_type(KFD_IOC_EVENT_SIGNAL, auto_reset);
}

int set(uint32_t id)
{
	return kfd(AMDKFD_IOC_SET_EVENT, (struct kfd_ioctl_set_event_args){ .event_id = id });
}

int reset(uint32_t id)
{
	return kfd(AMDKFD_IOC_RESET_EVENT, (struct kfd_ioctl_reset_event_args){ .event_id = id });
}

int destroy(uint32_t id)
{
	return kfd(AMDKFD_IOC_DESTROY_EVENT, (struct kfd_ioctl_destroy_event_args){ .event_id = id });
}

/* Not through kfd_ioctl(), which goes on after a signal; 0 or -errno. */
int wait_call(struct kfd_ioctl_wait_events_args *w)
{
	return ioctl(gpu.kfd, AMDKFD_IOC_WAIT_EVENTS, w) ? -errno : 0;
}

/* Wait for events, @all of them or any: the result, or -errno when there must be none but "fail". */
int wait_for(const uint32_t *ids, unsigned int n, bool all, uint32_t ms)
{
	struct kfd_event_data data[8] = { 0 };
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)data, .num_events = n,
						.wait_for_all = all, .timeout = ms, .wait_result = 77 };
	int error;

	for (unsigned int i = 0; i < n; i++)
		data[i].event_id = ids[i];
	error = wait_call(&w);
	if (error)
		expect_int(w.wait_result, ==, FAIL);
	return error ?: (int)w.wait_result;
}

int wait_one(uint32_t id, uint32_t ms)
{
	return wait_for(&id, 1, false, ms);
}

bool is_signaled(uint32_t id)
{
	int result = wait_one(id, 0);

	expect(result == COMPLETE || result == TIMEOUT, "event %#x: %d", id, result);
	return result == COMPLETE;
}

int wait_and_read(uint32_t id, uint32_t ms, struct kfd_event_data *data)
{
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)data, .num_events = 1, .timeout = ms };

	memset(data, 0x55, sizeof(*data));
	data->event_id = id;
	expect_int(wait_call(&w), ==, 0);
	return w.wait_result;
}

void expect_exception(uint32_t id, const void *at, const char *failed)
{
	struct kfd_hsa_memory_exception_data *m;
	struct kfd_event_data data;

	expect_int(wait_and_read(id, PATIENT, &data), ==, COMPLETE);
	m = &data.memory_exception_data;
	expect(m->va == ((uintptr_t)at & ~(PAGE - 1)), "the address is %#lx, not %p", (unsigned long)m->va, at);
	expect_int(m->gpu_id, ==, gpu.id);
	expect_int(m->failure.NotPresent, ==, !strcmp(failed, "not present"));
	expect_int(m->failure.ReadOnly, ==, !strcmp(failed, "read-only"));
	expect_int(m->failure.NoExecute, ==, 0);
	expect_int(m->failure.imprecise, ==, 0);
	expect_int(m->ErrorType, ==, 0);
	expect_int(data.event_id, ==, id);
	expect_int(data.kfd_event_data_ext, ==, 0x5555555555555555);	/* it is not written to */
}

/* The GPU, and a page for its signals as the thunk gives it. Returns the event it came with, number 1. */
uint32_t open_with_page(void)
{
	struct kfd_ioctl_create_event_args a;

	gpu_and_queue(&gpu, &q);
	bo_create(&page, &gpu, LIMIT * sizeof(uint64_t));
	memset(page.at, 0, page.size);
	expect_int(try_create(KFD_IOC_EVENT_SIGNAL, AUTO, page.handle, &a), ==, 0);
	return a.event_id;
}

volatile uint64_t *slot(uint32_t id)
{
	return (volatile uint64_t *)page.at + id;
}

/* ---- threads ---- */

static void *wait_in_thread(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->result = wait_for(w->id, w->n, w->all, w->ms);
	w->ended = true;
	return NULL;
}

void start(struct waiter *w)
{
	w->ended = false;
	w->tid = 0;
	expect(!pthread_create(&w->thread, NULL, wait_in_thread, w), "pthread_create");
}

/* The state of a thread of ours as /proc has it; '?': it has ended. */
static char thread_state(int tid)
{
	char path[64], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	if (f)
		fclose(f);
	return state;
}

void expect_asleep(const struct waiter *w)
{
	expect(wait_until(w->tid && thread_state(w->tid) == 'S', 20000), "the waiter does not sleep");
	expect(!w->ended, "nobody has signalled anything");
}

void ended_with(struct waiter *w, int result)
{
	expect(wait_until(w->ended, 20000), "the waiter was not woken");
	pthread_join(w->thread, NULL);
	expect_int(w->result, ==, result);
}
