// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's events; see hgpu_kfd_events.h.
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

#include "hgpu_kfd.h"
#include "hgpu_kfd_events.h"
#include "hgpu_process.h"
#include "hgpu_vram.h"

#define HGPU_UNSIGNALED		(~0ull)		/* what a slot holds */

/* Ids of signal events are indices of slots. Without a page there are fewer, as in KFD. */
#define HGPU_SLOTS_WITHOUT_PAGE	256
#define HGPU_OTHER_EVENTS	XA_LIMIT((INT_MAX >> 1) + 1, INT_MAX)

#define HGPU_WAIT_IMMEDIATE	0u
#define HGPU_WAIT_INFINITE	(~0u)

/**
 * struct hgpu_kfd_event - an event
 * @type: KFD_IOC_EVENT_*, or anything else
 * @auto_reset: a signal is for those who wait at that moment, or the next one who does
 * @signaled: who waits need not wait
 * @age: counts signals, from 1
 * @waiters: struct hgpu_kfd_waiter, by link
 */
struct hgpu_kfd_event {
	u32 type;
	bool auto_reset;
	bool signaled;
	u64 age;
	struct list_head waiters;
};

/**
 * struct hgpu_kfd_waiter - one event of a WAIT_EVENTS
 * @link: in the event's list
 * @event: NULL: not found yet, or destroyed meanwhile
 * @wq: woken when @event or @activated changes
 * @id: of the event
 * @activated: signalled for this waiter
 * @age: what the caller has seen, and in the end what there is; 0: not asked for
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
 * struct hgpu_kfd_wait - a WAIT_EVENTS
 * @wq: where the caller sleeps
 * @all: wait for all of them, not for one
 * @undo: the call fails as if it had not been made
 * @num: entries of @waiters; one event may have several
 * @waiters: one an event, in the caller's order
 */
struct hgpu_kfd_wait {
	struct wait_queue_head wq;
	bool all;
	bool undo;
	u32 num;
	struct hgpu_kfd_waiter waiters[] __counted_by(num);
};

/* Signal events have slots; the GPU signals no others. */
static bool hgpu_kfd_event_has_slot(u32 type)
{
	return type == KFD_IOC_EVENT_SIGNAL || type == KFD_IOC_EVENT_DEBUG_EVENT;
}

/* ---- signalling ---- */

static void hgpu_kfd_signal_locked(struct hgpu_kfd_events *events, struct hgpu_kfd_event *event)
{
	struct hgpu_kfd_waiter *waiter;
	bool taken = false;

	lockdep_assert_held(&events->lock);
	event->age++;
	list_for_each_entry(waiter, &event->waiters, link) {
		if (waiter->activated)
			continue;
		taken = true;
		WRITE_ONCE(waiter->activated, true);
		wake_up(waiter->wq);
	}
	event->signaled = !event->auto_reset || !taken;
}

/* Has the GPU signalled it? Then waiters wake up, with the slot ready for the next time. */
static bool hgpu_kfd_check_slot_locked(struct hgpu_kfd_events *events, unsigned long id)
{
	struct hgpu_kfd_event *event;

	lockdep_assert_held(&events->lock);
	if (READ_ONCE(events->slots[id]) == HGPU_UNSIGNALED)
		return false;
	event = xa_load(&events->ids, id);
	if (!event)
		return false;
	WRITE_ONCE(events->slots[id], HGPU_UNSIGNALED);
	hgpu_kfd_signal_locked(events, event);
	return true;
}

static void hgpu_kfd_check_slots(struct hgpu_kfd_events *events, u32 first)
{
	struct hgpu_kfd_event *event;
	unsigned long id;

	spin_lock(&events->lock);
	if (events->slots &&
	    (first >= events->num_slots || !hgpu_kfd_check_slot_locked(events, first)))
		xa_for_each_range(&events->ids, id, event, 1, events->num_slots - 1)
			hgpu_kfd_check_slot_locked(events, id);
	spin_unlock(&events->lock);
}

void hgpu_kfd_event_interrupt(u16 pasid, u32 context)
{
	struct hgpu_process *process = hgpu_process_get_by_pasid(pasid);

	if (!process)
		return;
	hgpu_kfd_check_slots(&process->events, context);
	hgpu_process_put(process);
}

/* An event that the process itself may signal. */
static struct hgpu_kfd_event *hgpu_kfd_own_event_locked(struct hgpu_kfd_events *events, u32 id)
{
	struct hgpu_kfd_event *event = xa_load(&events->ids, id);

	lockdep_assert_held(&events->lock);
	return event && event->type == KFD_IOC_EVENT_SIGNAL ? event : NULL;
}

int hgpu_kfd_set_event(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_event_args *args = data;
	struct hgpu_kfd_events *events = &process->events;
	struct hgpu_kfd_event *event;

	spin_lock(&events->lock);
	event = hgpu_kfd_own_event_locked(events, args->event_id);
	if (event)
		hgpu_kfd_signal_locked(events, event);
	spin_unlock(&events->lock);
	return event ? 0 : -EINVAL;
}

int hgpu_kfd_reset_event(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_reset_event_args *args = data;
	struct hgpu_kfd_events *events = &process->events;
	struct hgpu_kfd_event *event;

	spin_lock(&events->lock);
	event = hgpu_kfd_own_event_locked(events, args->event_id);
	if (event)
		event->signaled = false;
	spin_unlock(&events->lock);
	return event ? 0 : -EINVAL;
}

/* ---- the page ---- */

bool hgpu_kfd_is_event_page(const struct hgpu_kfd_bo *kbo)
{
	lockdep_assert_held(&kbo->pdd->process->lock);
	return kbo->pdd->process->events.page == kbo;
}

void hgpu_kfd_drop_event_page(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_kfd_events *events = &kbo->pdd->process->events;

	if (!hgpu_kfd_is_event_page(kbo))
		return;
	spin_lock(&events->lock);
	events->slots = NULL;
	spin_unlock(&events->lock);
	hgpu_bo_kunmap(kbo->bo, &events->map);
	events->page = NULL;
}

/* How many signal events there can be is settled by the page, or by the first event. */
static bool hgpu_kfd_settle_slots(struct hgpu_kfd_events *events, unsigned int num, u64 *slots)
{
	bool first;

	spin_lock(&events->lock);
	first = !events->num_slots;
	if (first) {
		events->num_slots = num;
		events->slots = slots;
	}
	spin_unlock(&events->lock);
	return first;
}

static int hgpu_kfd_set_event_page_locked(struct hgpu_process *process, u64 handle)
{
	struct hgpu_kfd_bo *kbo = hgpu_kfd_bo_lookup(process, handle);
	struct hgpu_kfd_events *events = &process->events;
	size_t size = KFD_SIGNAL_EVENT_LIMIT * sizeof(u64);
	struct iosys_map map;
	int ret;

	if (!kbo || !kbo->bo || kbo->bo->domain != HGPU_DOMAIN_GTT || kbo->size < size)
		return -EINVAL;
	if (kbo->pdd->removed)
		return -ENODEV;
	/* Not before this is known: the page may be in use. */
	if (READ_ONCE(events->num_slots))
		return -EINVAL;
	ret = hgpu_bo_kmap(kbo->bo, &map);
	if (ret)
		return ret;
	memset(map.vaddr, HGPU_UNSIGNALED & 0xff, size);
	if (!hgpu_kfd_settle_slots(events, KFD_SIGNAL_EVENT_LIMIT, map.vaddr)) {
		hgpu_bo_kunmap(kbo->bo, &map);
		return -EINVAL;
	}
	events->map = map;
	events->page = kbo;
	return 0;
}

static int hgpu_kfd_set_event_page(struct hgpu_process *process, u64 handle)
{
	int ret;

	mutex_lock(&process->lock);
	ret = hgpu_kfd_set_event_page_locked(process, handle);
	mutex_unlock(&process->lock);
	return ret;
}

/* ---- events come and go ---- */

static int hgpu_kfd_add_event(struct hgpu_kfd_events *events, struct hgpu_kfd_event *event, u32 *id)
{
	struct xa_limit limit = HGPU_OTHER_EVENTS;
	bool has_slot = hgpu_kfd_event_has_slot(event->type);
	int ret;

	if (has_slot) {
		hgpu_kfd_settle_slots(events, HGPU_SLOTS_WITHOUT_PAGE, NULL);
		limit = XA_LIMIT(1, events->num_slots - 1);
	}
	ret = xa_alloc(&events->ids, id, event, limit, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret == -EBUSY ? -ENOSPC : ret;

	/* From here on it may be destroyed by who guesses the id. */
	spin_lock(&events->lock);
	if (has_slot && events->slots)
		WRITE_ONCE(events->slots[*id], HGPU_UNSIGNALED);
	spin_unlock(&events->lock);
	return 0;
}

int hgpu_kfd_create_event(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_create_event_args *args = data;
	struct hgpu_kfd_event *event;
	u32 id;
	int ret;

	if (args->event_page_offset) {
		/* It stays the page, also when there will be no event. */
		ret = hgpu_kfd_set_event_page(process, args->event_page_offset);
		if (ret)
			return ret;
	}
	args->event_page_offset = 0;

	event = kzalloc(sizeof(*event), GFP_KERNEL_ACCOUNT);
	if (!event)
		return -ENOMEM;
	event->type = args->event_type;
	event->auto_reset = args->auto_reset;
	event->age = 1;
	INIT_LIST_HEAD(&event->waiters);
	ret = hgpu_kfd_add_event(&process->events, event, &id);
	if (ret) {
		kfree(event);
		return ret;
	}

	args->event_id = id;
	args->event_trigger_data = id;
	if (hgpu_kfd_event_has_slot(args->event_type)) {
		args->event_page_offset = FIELD_PREP(HGPU_KFD_MMAP_TYPE, HGPU_KFD_MMAP_EVENTS);
		args->event_slot_index = id;
	}
	return 0;
}

int hgpu_kfd_destroy_event(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_destroy_event_args *args = data;
	struct hgpu_kfd_events *events = &process->events;
	struct hgpu_kfd_waiter *waiter, *next;
	struct hgpu_kfd_event *event;

	spin_lock(&events->lock);
	event = xa_erase(&events->ids, args->event_id);
	if (event)
		list_for_each_entry_safe(waiter, next, &event->waiters, link) {
			list_del(&waiter->link);
			WRITE_ONCE(waiter->event, NULL);
			wake_up(waiter->wq);
		}
	spin_unlock(&events->lock);
	kfree(event);
	return event ? 0 : -EINVAL;
}

/* ---- waiting ---- */

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

/* Leave the event; if the caller will not learn of the signal that it took, give that back. */
static void hgpu_kfd_wait_detach(struct hgpu_kfd_events *events, const struct hgpu_kfd_wait *wait,
				 struct hgpu_kfd_waiter *waiter)
{
	struct hgpu_kfd_event *event;

	spin_lock(&events->lock);
	event = waiter->event;
	if (event) {
		list_del(&waiter->link);
		if (wait->undo && waiter->activated && event->auto_reset)
			hgpu_kfd_signal_locked(events, event);
		if (waiter->age)
			waiter->age = event->age;
	}
	spin_unlock(&events->lock);
}

static void hgpu_kfd_wait_detach_all(struct hgpu_kfd_events *events, struct hgpu_kfd_wait *wait)
{
	u32 i;

	for (i = 0; i < wait->num; i++) {
		hgpu_kfd_wait_detach(events, wait, &wait->waiters[i]);
		cond_resched();
	}
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

/* What the caller gets beside the result: how often its events were signalled. */
static int hgpu_kfd_wait_copy(const struct hgpu_kfd_wait *wait, u64 events_ptr)
{
	struct kfd_event_data __user *user = u64_to_user_ptr(events_ptr);
	const struct hgpu_kfd_waiter *waiter;
	u32 i;

	for (i = 0; i < wait->num; i++) {
		waiter = &wait->waiters[i];
		if (!waiter->event)
			return -EINVAL;		/* destroyed, after the wait was over */
		if (waiter->activated && waiter->age &&
		    put_user(waiter->age, &user[i].signal_event_data.last_event_age))
			return -EFAULT;
	}
	return 0;
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
	hgpu_kfd_wait_detach_all(&process->events, wait);

	if (!ret && args->wait_result == KFD_IOC_WAIT_RESULT_COMPLETE)
		ret = hgpu_kfd_wait_copy(wait, args->events_ptr);
	if (ret)
		args->wait_result = KFD_IOC_WAIT_RESULT_FAIL;
	else if (args->wait_result == KFD_IOC_WAIT_RESULT_FAIL)
		ret = -EIO;
	kvfree(wait);
	return ret;
}

/* ---- lifetime ---- */

void hgpu_kfd_events_init(struct hgpu_kfd_events *events)
{
	spin_lock_init(&events->lock);
	xa_init_flags(&events->ids, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
}

void hgpu_kfd_events_fini(struct hgpu_kfd_events *events)
{
	struct hgpu_kfd_event *event;
	unsigned long id;

	/* Who waits has the file open, and that a reference. */
	xa_for_each(&events->ids, id, event)
		kfree(event);
	xa_destroy(&events->ids);
}
