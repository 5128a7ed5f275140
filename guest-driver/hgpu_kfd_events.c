// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's events: how they come and go, and what signals them. See hgpu_kfd_events.h.
 */
#include <linux/slab.h>
#include <linux/wait.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_events_priv.h"
#include "hgpu_process.h"
#include "hgpu_vram.h"

#define HGPU_UNSIGNALED		(~0ull)		/* what a slot holds */

/* Ids of signal events are indices of slots. Without a page there are fewer, as in KFD. */
#define HGPU_SLOTS_WITHOUT_PAGE	256
#define HGPU_FIRST_OTHER_EVENT	((INT_MAX >> 1) + 1)
#define HGPU_OTHER_EVENTS	XA_LIMIT(HGPU_FIRST_OTHER_EVENT, INT_MAX)

/* Signal events have slots; the GPU signals no others. */
static bool hgpu_kfd_event_has_slot(u32 type)
{
	return type == KFD_IOC_EVENT_SIGNAL || type == KFD_IOC_EVENT_DEBUG_EVENT;
}

/* ---- signalling ---- */

void hgpu_kfd_signal_locked(struct hgpu_kfd_events *events, struct hgpu_kfd_event *event)
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

/* Signal all events of a kind that has no slots. */
static void hgpu_kfd_raise(struct hgpu_kfd_events *events, u32 type,
			   const union hgpu_kfd_exception *exception)
{
	struct hgpu_kfd_event *event;
	unsigned long id;

	spin_lock(&events->lock);
	xa_for_each_start(&events->ids, id, event, HGPU_FIRST_OTHER_EVENT) {
		if (event->type != type)
			continue;
		event->exception = *exception;
		hgpu_kfd_signal_locked(events, event);
	}
	spin_unlock(&events->lock);
}

void hgpu_kfd_event_memory(struct hgpu_process *process,
			   const struct kfd_hsa_memory_exception_data *what)
{
	union hgpu_kfd_exception exception = { .memory = *what };

	hgpu_kfd_raise(&process->events, KFD_IOC_EVENT_MEMORY, &exception);
}

void hgpu_kfd_event_reset(struct hgpu_device *hdev)
{
	union hgpu_kfd_exception exception = {
		.hw = {
			.reset_type = KFD_HW_EXCEPTION_WHOLE_GPU_RESET,
			.reset_cause = KFD_HW_EXCEPTION_GPU_HANG,
			.memory_lost = hgpu_device_gone(hdev),
			.gpu_id = hdev->gpu_id,
		},
	};
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		hgpu_kfd_raise(&pdd->process->events, KFD_IOC_EVENT_HW_EXCEPTION, &exception);
		hgpu_process_put(pdd->process);
	}
}

static void hgpu_kfd_unsignal_locked(struct hgpu_kfd_events *events, struct hgpu_kfd_event *event)
{
	lockdep_assert_held(&events->lock);
	event->signaled = false;
}

/* For an event that the process itself may signal. */
static int hgpu_kfd_change_event(struct hgpu_kfd_events *events, u32 id,
				 void (*change_locked)(struct hgpu_kfd_events *events,
						       struct hgpu_kfd_event *event))
{
	struct hgpu_kfd_event *event;
	int ret = -EINVAL;

	spin_lock(&events->lock);
	event = xa_load(&events->ids, id);
	if (event && event->type == KFD_IOC_EVENT_SIGNAL) {
		change_locked(events, event);
		ret = 0;
	}
	spin_unlock(&events->lock);
	return ret;
}

int hgpu_kfd_set_event(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_event_args *args = data;

	return hgpu_kfd_change_event(&process->events, args->event_id, hgpu_kfd_signal_locked);
}

int hgpu_kfd_reset_event(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_reset_event_args *args = data;

	return hgpu_kfd_change_event(&process->events, args->event_id, hgpu_kfd_unsignal_locked);
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
