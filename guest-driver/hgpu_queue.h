/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User queues: SDMA rings that a process feeds by itself through a doorbell.
 *
 * A queue owns a hardware queue descriptor (HQD: engine and RLC slot) for its
 * whole life, as KFD's SDMA queues do: there is no oversubscription. Its memory
 * queue descriptor (MQD) lives in GART memory, one to a slot.
 */
#ifndef HGPU_QUEUE_H
#define HGPU_QUEUE_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "hgpu_gart.h"
#include "hgpu_regs.h"

struct hgpu_device;
struct hgpu_process_device;

#define HGPU_MAX_HQDS	(HGPU_SDMA_ENGINES_MAX * HGPU_SDMA_RLC_QUEUES)

/**
 * struct hgpu_hqd_table - hardware queue slots and doorbell slices of one GPU
 * @lock: protects @used and @slices
 * @num_engines: SDMA engines
 * @used: slot (RLC * num_engines + engine) has an owner: neighbours in the
 *	bitmap are on different engines
 * @slices: doorbell slice has an owner; slice 0 is the kernel's
 * @mqds: one MQD a slot
 */
struct hgpu_hqd_table {
	struct mutex lock;
	u32 num_engines;
	DECLARE_BITMAP(used, HGPU_MAX_HQDS);
	DECLARE_BITMAP(slices, HGPU_DOORBELL_SLICES);
	struct hgpu_gtt_mem mqds;
};

/**
 * struct hgpu_queue_props - what user space may choose and change
 * @ring: GPU virtual address of the ring, 256-byte aligned; 0: queue disabled
 * @ring_size: bytes, a power of two
 * @percent: 0: queue disabled
 * @priority: accepted, not used
 */
struct hgpu_queue_props {
	u64 ring;
	u32 ring_size;
	u32 percent;
	u32 priority;
};

/**
 * struct hgpu_queue - one user queue; protected by the process's lock
 * @pdd: whose, and on which GPU
 * @id: KFD's number, unique in the process
 * @slot: HQD
 * @doorbell: index in the process's slice
 * @vmid: of @pdd's address space, held until the queue goes
 * @mapped: the HQD runs it
 * @rptr: GPU virtual address of the read pointer
 * @wptr: user (and GPU virtual) address of the write pointer
 * @props: see there
 * @link: in the process device's list
 */
struct hgpu_queue {
	struct hgpu_process_device *pdd;
	u32 id;
	unsigned int slot;
	unsigned int doorbell;
	unsigned int vmid;
	bool mapped;
	u64 rptr;
	u64 wptr;
	struct hgpu_queue_props props;
	struct list_head link;
};

/**
 * hgpu_hqd_init() - all slots free, MQDs allocated
 * @hdev: the GPU; GART works
 * Return: 0 or -errno.
 */
int hgpu_hqd_init(struct hgpu_device *hdev);

/**
 * hgpu_hqd_fini() - the counterpart; no queue is left
 * @hdev: the GPU
 */
void hgpu_hqd_fini(struct hgpu_device *hdev);

/**
 * hgpu_doorbell_slice_alloc() - take a doorbell slice for a process
 * @hdev: the GPU
 * Return: 1 to HGPU_DOORBELL_SLICES - 1, or -ENOSPC.
 */
int hgpu_doorbell_slice_alloc(struct hgpu_device *hdev);

/**
 * hgpu_doorbell_slice_free() - the counterpart
 * @hdev: the GPU
 * @slice: from hgpu_doorbell_slice_alloc()
 */
void hgpu_doorbell_slice_free(struct hgpu_device *hdev, unsigned int slice);

/**
 * hgpu_queue_create_sdma() - make an SDMA queue and start it
 * @pdd: owner, with a VM
 * @props: checked by the caller
 * @rptr: GPU virtual address of the read pointer, 8-byte aligned
 * @wptr: user address of the write pointer, 8-byte aligned
 * @id: queue number
 * @engine: SDMA engine, or -1 for any
 *
 * Context: may sleep; the process's lock is held, mmap_lock is not.
 * Return: the queue, or ERR_PTR: -ENOMEM (no slot, as KFD), -ENOSPC (no VMID),
 *	-EFAULT (write pointer), -EINVAL (write pointer's value, ring), -ENODEV.
 */
struct hgpu_queue *hgpu_queue_create_sdma(struct hgpu_process_device *pdd,
					  const struct hgpu_queue_props *props,
					  u64 rptr, u64 wptr, u32 id, int engine);

/**
 * hgpu_queue_update() - change a queue, between two packets or in the middle
 * @queue: the queue
 * @props: new values
 *
 * Context: as hgpu_queue_create_sdma().
 * Return: 0, or an error as there; the queue is then as it was, or disabled.
 */
int hgpu_queue_update(struct hgpu_queue *queue, const struct hgpu_queue_props *props);

/**
 * hgpu_queue_destroy() - stop a queue where it is and free it
 * @queue: also one that is parked in a fault, or halted
 *
 * On return the GPU accesses nothing on the queue's behalf.
 *
 * Context: may sleep; the process's lock is held.
 */
void hgpu_queue_destroy(struct hgpu_queue *queue);

/**
 * hgpu_queue_doorbell_offset() - where the queue's doorbell is
 * @queue: the queue
 * Return: byte offset in the process's doorbell slice.
 */
u32 hgpu_queue_doorbell_offset(const struct hgpu_queue *queue);

#endif /* HGPU_QUEUE_H */
