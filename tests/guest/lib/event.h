/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KFD's events as a program sees them. All is about one GPU, which these functions share with the test.
 */
#ifndef EVENT_H
#define EVENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gpu.h"
#include "tap.h"

enum {
	LIMIT = KFD_SIGNAL_EVENT_LIMIT,	/* slots of a page, the first of which is no event's */
	WITHOUT_PAGE = 256,
	OTHERS = 1 << 30,		/* events that have no slot count from here */
	COMPLETE = KFD_IOC_WAIT_RESULT_COMPLETE,
	TIMEOUT = KFD_IOC_WAIT_RESULT_TIMEOUT,
	FAIL = KFD_IOC_WAIT_RESULT_FAIL,
	MANUAL = 0, AUTO = 1,
};

#define FOREVER (~0u)
#define PATIENT (20000u * tap_patience())	/* longer than anything takes that goes well */
#define UNSIGNALED (~0ull)
#define EVENTS_OFFSET (2ull << 62)

#define kfd(request, ...) kfd_ioctl(&gpu, request, &(__VA_ARGS__))

extern struct gpu gpu;
extern struct queue q;
extern struct bo page;		/* where the GPU writes its signals */

/* Make an event; 0 or -errno. @handle: of the page, or 0. Those after it fail the test when there is none. */
int try_create(uint32_t type, bool auto_reset, uint64_t handle, struct kfd_ioctl_create_event_args *a);
uint32_t create_type(uint32_t type, bool auto_reset);
uint32_t create(bool auto_reset);

/* 0 or -errno */
int set(uint32_t id);
int reset(uint32_t id);
int destroy(uint32_t id);

/* WAIT_EVENTS, unlike kfd_ioctl() just once: 0 or -errno */
int wait_call(struct kfd_ioctl_wait_events_args *w);

/* Wait for events, @all of them or any: the result, or -errno, which must come with the result "fail". */
int wait_for(const uint32_t *ids, unsigned int n, bool all, uint32_t ms);
int wait_one(uint32_t id, uint32_t ms);
bool is_signaled(uint32_t id);	/* takes the signal of an event that resets itself */

/* Wait for a MEMORY or HW_EXCEPTION event: the result, and what it tells. */
int wait_and_read(uint32_t id, uint32_t ms, struct kfd_event_data *data);

/* The next signal of @id tells of an access to the page at @at, and that it @failed so: "not present" or "read-only". */
void expect_exception(uint32_t id, const void *at, const char *failed);

/* GPU 0, a queue, and a page for its signals as the thunk gives it. Returns the event it came with, number 1. */
uint32_t open_with_page(void);
volatile uint64_t *slot(uint32_t id);

/**
 * struct waiter - a thread that waits for events
 * @id: the events
 * @n: how many
 * @ms: how long
 * @all: for all of them
 * @tid: of the thread, when it is about to wait
 * @ended: the call is over
 * @result: wait_for()'s
 */
struct waiter {
	pthread_t thread;
	uint32_t id[4], n, ms;
	bool all;
	volatile int tid;
	volatile bool ended;
	int result;
};

void start(struct waiter *w);
void expect_asleep(const struct waiter *w);	/* waits until it is */
void ended_with(struct waiter *w, int result);	/* waits for the end */

#endif
