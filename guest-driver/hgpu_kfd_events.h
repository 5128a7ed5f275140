/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KFD's events: what a process waits for, and what the GPU or it itself signals.
 *
 * A signal event has a slot of 8 bytes, by its id, in a page that the process
 * gives and the GPU writes to. The GPU signals in two steps: it writes anything
 * but all ones to the slot, and interrupts. The interrupt carries the id, but
 * it is the slot that counts; it is all ones again before waiters wake up.
 * Events that tell of exceptions have no slots: the kernel signals them, and
 * who has waited finds what happened in its list of events.
 *
 * Locking: @lock is a leaf but for the lock of @ids, so that an interrupt's
 * thread can signal. It protects what events are there, their state and who
 * waits for them. Which buffer is the page is settled under the process's lock.
 */
#ifndef HGPU_KFD_EVENTS_H
#define HGPU_KFD_EVENTS_H

#include <linux/iosys-map.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct hgpu_device;
struct hgpu_kfd_bo;
struct hgpu_process;
struct kfd_hsa_memory_exception_data;

/**
 * struct hgpu_kfd_events - the events of a process
 * @lock: see the top of this file
 * @ids: KFD event id to struct hgpu_kfd_event
 * @num_slots: ids of signal events are below; 0: not settled yet
 * @slots: of the page; NULL: there is none, or none any more
 * @page: the buffer that holds @slots; stays until its GPU or the process goes
 * @map: the CPU's mapping of it
 */
struct hgpu_kfd_events {
	spinlock_t lock;
	struct xarray ids;
	unsigned int num_slots;
	u64 *slots;
	struct hgpu_kfd_bo *page;
	struct iosys_map map;
};

/**
 * hgpu_kfd_events_init() - no events yet
 * @events: of a process that is being made
 */
void hgpu_kfd_events_init(struct hgpu_kfd_events *events);

/**
 * hgpu_kfd_events_fini() - free what the process has not destroyed
 * @events: of a process that nobody has a reference to, and whose buffers are gone
 */
void hgpu_kfd_events_fini(struct hgpu_kfd_events *events);

/**
 * hgpu_kfd_is_event_page() - must user space keep this buffer?
 * @kbo: a buffer
 *
 * Context: under the process's lock.
 * Return: true for the page that signals are written to.
 */
bool hgpu_kfd_is_event_page(const struct hgpu_kfd_bo *kbo);

/**
 * hgpu_kfd_drop_event_page() - a buffer goes away
 * @kbo: any buffer; nothing happens if it is not the event page
 *
 * Its events can still be waited for, but no GPU signals them any more.
 *
 * Context: may sleep; under the process's lock.
 */
void hgpu_kfd_drop_event_page(struct hgpu_kfd_bo *kbo);

/**
 * hgpu_kfd_event_interrupt() - a queue says that it has signalled an event
 * @pasid: whose queue
 * @context: of the TRAP packet: the id; if that has not signalled, any may have
 *
 * Context: process context, any locks; does not sleep.
 */
void hgpu_kfd_event_interrupt(u16 pasid, u32 context);

/**
 * hgpu_kfd_event_memory() - an access of a process was wrong: its MEMORY events
 * @process: the process
 * @what: for who waits
 *
 * Context: process context, any locks; does not sleep.
 */
void hgpu_kfd_event_memory(struct hgpu_process *process,
			   const struct kfd_hsa_memory_exception_data *what);

/**
 * hgpu_kfd_event_reset() - queues were lost with a GPU: everybody's HW_EXCEPTION
 * @hdev: the GPU, after its reset; or it does not answer any more
 *
 * Context: process context; the caller holds no lock of a process.
 */
void hgpu_kfd_event_reset(struct hgpu_device *hdev);

/* The ioctls: @data is the structure of that name. Context: may sleep; no locks. */
int hgpu_kfd_create_event(struct hgpu_process *process, void *data);
int hgpu_kfd_destroy_event(struct hgpu_process *process, void *data);
int hgpu_kfd_set_event(struct hgpu_process *process, void *data);
int hgpu_kfd_reset_event(struct hgpu_process *process, void *data);
int hgpu_kfd_wait_events(struct hgpu_process *process, void *data);

#endif /* HGPU_KFD_EVENTS_H */
