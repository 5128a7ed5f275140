/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of KFD's events: hgpu_kfd_events.c and hgpu_kfd_wait.c.
 */
#ifndef HGPU_KFD_EVENTS_PRIV_H
#define HGPU_KFD_EVENTS_PRIV_H

#include <linux/kfd_ioctl.h>
#include <linux/list.h>
#include <linux/types.h>

#include "hgpu_kfd_events.h"

struct wait_queue_head;

/* What an event of the kernel's tells. */
union hgpu_kfd_exception {
	struct kfd_hsa_memory_exception_data memory;
	struct kfd_hsa_hw_exception_data hw;
};

/**
 * struct hgpu_kfd_event - an event
 * @type: KFD_IOC_EVENT_*, or anything else
 * @auto_reset: a signal is for those who wait at that moment, or the next one who does
 * @signaled: who waits need not wait
 * @age: counts signals, from 1
 * @exception: of the last signal of a MEMORY or HW_EXCEPTION event
 * @waiters: struct hgpu_kfd_waiter, by link
 */
struct hgpu_kfd_event {
	u32 type;
	bool auto_reset;
	bool signaled;
	u64 age;
	union hgpu_kfd_exception exception;
	struct list_head waiters;
};

/**
 * struct hgpu_kfd_waiter - one event of a WAIT_EVENTS
 * @link: in the event's list
 * @event: NULL: not found yet, or destroyed meanwhile
 * @wq: woken when @event or @activated changes
 * @id: of the event
 * @activated: signalled for this waiter
 * @age: what the caller has seen; 0: not asked for
 */
struct hgpu_kfd_waiter {
	struct list_head link;
	struct hgpu_kfd_event *event;
	struct wait_queue_head *wq;
	u32 id;
	bool activated;
	u64 age;
};

/**
 * hgpu_kfd_signal_locked() - an event happens
 * @events: of the process
 * @event: one of them
 *
 * Context: &hgpu_kfd_events.lock is held.
 */
void hgpu_kfd_signal_locked(struct hgpu_kfd_events *events, struct hgpu_kfd_event *event);

#endif /* HGPU_KFD_EVENTS_PRIV_H */
