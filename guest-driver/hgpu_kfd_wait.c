// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's WAIT_EVENTS.
 *
 * A waiter is on the list of its event for as long as its call takes, activated
 * or not, so that destroying the event finds them all.
 */
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "hgpu_kfd_events_priv.h"
#include "hgpu_process.h"

#define HGPU_WAIT_IMMEDIATE	0u
#define HGPU_WAIT_INFINITE	(~0u)

/**
 * struct hgpu_kfd_wait - a WAIT_EVENTS
 * @wq: where the caller sleeps
 * @all: wait for all of them, not for one
 * @undo: the call fails as if it had not been made
 * @tell: the caller learns of the signals that it has taken
 * @num: entries of @waiters; one event may have several
 * @waiters: one an event, in the caller's order
 */
struct hgpu_kfd_wait {
	struct wait_queue_head wq;
	bool all;
	bool undo;
	bool tell;
	u32 num;
	struct hgpu_kfd_waiter waiters[] __counted_by(num);
};

static struct hgpu_kfd_wait *hgpu_kfd_wait_alloc(const struct kfd_ioctl_wait_events_args *args)
{
	struct kfd_event_data __user *user = u64_to_user_ptr(args->events_ptr);
	struct hgpu_kfd_wait *wait;
	struct kfd_event_data one;
	size_t size;
	u32 i;

	/* KFD's bound: what kmalloc() gives */
	size = struct_size(wait, waiters, args->num_events);
	wait = size > KMALLOC_MAX_SIZE ? NULL : kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!wait)
		return ERR_PTR(-ENOMEM);
	init_waitqueue_head(&wait->wq);
	wait->all = args->wait_for_all;
	wait->num = args->num_events;
	for (i = 0; i < wait->num; i++) {
		if (copy_from_user(&one, &user[i], sizeof(one))) {
			kvfree(wait);
			return ERR_PTR(-EFAULT);
		}
		wait->waiters[i].id = one.event_id;
		wait->waiters[i].wq = &wait->wq;
		wait->waiters[i].age = one.signal_event_data.last_event_age;
	}
	return wait;
}

static int hgpu_kfd_wait_attach(struct hgpu_kfd_events *events, struct hgpu_kfd_waiter *waiter)
{
	struct hgpu_kfd_event *event;

	spin_lock(&events->lock);
	event = xa_load(&events->ids, waiter->id);
	if (event) {
		waiter->event = event;
		waiter->activated = event->signaled;
		if (event->auto_reset)
			event->signaled = false;
		/* Only signal events' data have room for it. */
		if (event->type != KFD_IOC_EVENT_SIGNAL)
			waiter->age = 0;
		if (waiter->age && waiter->age != event->age)
			waiter->activated = true;
		list_add_tail(&waiter->link, &event->waiters);
	}
	spin_unlock(&events->lock);
	return event ? 0 : -EINVAL;
}

static int hgpu_kfd_wait_attach_all(struct hgpu_kfd_events *events, struct hgpu_kfd_wait *wait)
{
	int ret = 0;
	u32 i;

	for (i = 0; i < wait->num && !ret; i++) {
		ret = hgpu_kfd_wait_attach(events, &wait->waiters[i]);
		cond_resched();
	}
	return ret;
}

/* The events in their order: a destroyed one counts if it comes before what ends the wait. */
static u32 hgpu_kfd_wait_result(const struct hgpu_kfd_wait *wait)
{
	u32 i, activated = 0;

	for (i = 0; i < wait->num; i++) {
		if (!READ_ONCE(wait->waiters[i].event))
			return KFD_IOC_WAIT_RESULT_FAIL;
		if (!READ_ONCE(wait->waiters[i].activated))
			continue;
		if (!wait->all)
			return KFD_IOC_WAIT_RESULT_COMPLETE;
		activated++;
	}
	return activated == wait->num ? KFD_IOC_WAIT_RESULT_COMPLETE : KFD_IOC_WAIT_RESULT_TIMEOUT;
}

static long hgpu_kfd_wait_jiffies(u32 ms)
{
	if (ms == HGPU_WAIT_IMMEDIATE)
		return 0;
	if (ms == HGPU_WAIT_INFINITE)
		return MAX_SCHEDULE_TIMEOUT;
	return msecs_to_jiffies(min_t(u32, ms, INT_MAX)) + 1;
}

/* Sleep until the wait is over. A signal leaves in *@ms what is left, for the call that follows. */
static int hgpu_kfd_wait_sleep(struct hgpu_kfd_wait *wait, u32 *ms, u32 *result)
{
	long left, timeout = hgpu_kfd_wait_jiffies(*ms);
	unsigned long start = jiffies;

	left = wait_event_interruptible_timeout(wait->wq,
			(*result = hgpu_kfd_wait_result(wait)) != KFD_IOC_WAIT_RESULT_TIMEOUT,
			timeout);
	if (left >= 0)
		return 0;
	if (*ms != HGPU_WAIT_IMMEDIATE && *ms != HGPU_WAIT_INFINITE)
		*ms = jiffies_to_msecs(max(0L, timeout - (long)(jiffies - start) - 1));
	return fatal_signal_pending(current) ? -EINTR : -ERESTARTSYS;
}

/* All that an event tells stands at the start of the structure. */
static_assert(offsetof(struct kfd_event_data, memory_exception_data) == 0 &&
	      offsetof(struct kfd_event_data, hw_exception_data) == 0 &&
	      offsetof(struct kfd_event_data, signal_event_data.last_event_age) == 0);

/* What @waiter's event tells; returns how many bytes of @data that is. */
static size_t hgpu_kfd_event_data_locked(const struct hgpu_kfd_waiter *waiter,
					 struct kfd_event_data *data)
{
	const struct hgpu_kfd_event *event = waiter->event;

	if (!waiter->activated)
		return 0;
	switch (event->type) {
	case KFD_IOC_EVENT_SIGNAL:
		data->signal_event_data.last_event_age = event->age;
		return waiter->age ? sizeof(event->age) : 0;
	case KFD_IOC_EVENT_MEMORY:
		data->memory_exception_data = event->exception.memory;
		return sizeof(event->exception.memory);
	case KFD_IOC_EVENT_HW_EXCEPTION:
		data->hw_exception_data = event->exception.hw;
		return sizeof(event->exception.hw);
	default:
		return 0;
	}
}

/* Leave an event. What it tells is read in the same step: no signal is taken and not told of. */
static int hgpu_kfd_wait_detach(struct hgpu_kfd_events *events, const struct hgpu_kfd_wait *wait,
				struct hgpu_kfd_waiter *waiter, struct kfd_event_data __user *user)
{
	struct kfd_event_data data;
	struct hgpu_kfd_event *event;
	size_t size = 0;

	spin_lock(&events->lock);
	event = waiter->event;
	if (event) {
		list_del(&waiter->link);
		if (wait->tell)
			size = hgpu_kfd_event_data_locked(waiter, &data);
		if (wait->undo && waiter->activated && event->auto_reset)
			hgpu_kfd_signal_locked(events, event);
	}
	spin_unlock(&events->lock);

	if (wait->tell && !event)
		return -EINVAL;		/* destroyed, after the wait was over */
	return size && copy_to_user(user, &data, size) ? -EFAULT : 0;
}

static int hgpu_kfd_wait_detach_all(struct hgpu_kfd_events *events, struct hgpu_kfd_wait *wait,
				    u64 events_ptr)
{
	struct kfd_event_data __user *user = u64_to_user_ptr(events_ptr);
	int err, ret = 0;
	u32 i;

	for (i = 0; i < wait->num; i++) {
		err = hgpu_kfd_wait_detach(events, wait, &wait->waiters[i], &user[i]);
		ret = ret ?: err;
		cond_resched();
	}
	return ret;
}

int hgpu_kfd_wait_events(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_wait_events_args *args = data;
	struct hgpu_kfd_wait *wait = hgpu_kfd_wait_alloc(args);
	int ret;

	args->wait_result = KFD_IOC_WAIT_RESULT_FAIL;
	if (IS_ERR(wait))
		return PTR_ERR(wait);
	ret = hgpu_kfd_wait_attach_all(&process->events, wait);
	if (!ret)
		ret = hgpu_kfd_wait_sleep(wait, &args->timeout, &args->wait_result);
	wait->undo = ret;
	wait->tell = !ret && args->wait_result == KFD_IOC_WAIT_RESULT_COMPLETE;
	ret = hgpu_kfd_wait_detach_all(&process->events, wait, args->events_ptr) ?: ret;

	if (ret)
		args->wait_result = KFD_IOC_WAIT_RESULT_FAIL;
	else if (args->wait_result == KFD_IOC_WAIT_RESULT_FAIL)
		ret = -EIO;
	kvfree(wait);
	return ret;
}
