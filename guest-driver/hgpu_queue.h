/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User queues: rings that a process feeds by itself through a doorbell; of SDMA,
 * and of a compute engine that is not there yet (hgpu_queue_compute.c).
 *
 * An SDMA queue owns a hardware queue descriptor (HQD: engine and RLC slot) for its
 * whole life, as KFD's SDMA queues do: there is no oversubscription. Its memory
 * queue descriptor (MQD) lives in GART memory, one to a slot.
 */
#ifndef HGPU_QUEUE_H
#define HGPU_QUEUE_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "hgpu_gart.h"
#include "hgpu_ih_ring.h"
#include "hgpu_regs.h"

struct hgpu_device;
struct hgpu_process_device;
struct kfd_context_save_area_header;

#define HGPU_MAX_HQDS	(HGPU_SDMA_ENGINES_MAX * HGPU_SDMA_RLC_QUEUES)

/**
 * struct hgpu_hqd - a hardware queue slot, as interrupts see it
 * @pasid: whose queue; 0: free
 * @error: HGPU_SRCID_SDMA_* that halted it; 0: none
 */
struct hgpu_hqd {
	u16 pasid;
	u8 error;
};

/**
 * struct hgpu_hqd_table - hardware queue slots and doorbell slices of one GPU
 * @lock: protects @used and @slices
 * @num_engines: SDMA engines
 * @num_slots: HQDs of them all
 * @used: slot (RLC * num_engines + engine) has an owner: neighbours in the
 *	bitmap are on different engines
 * @slices: doorbell slice has an owner; slice 0 is the kernel's
 * @mqds: one MQD a slot
 * @error_lock: protects @hqds; taken in interrupt handlers' threads
 * @hqds: by slot
 * @users: process devices that may hold something of this GPU
 * @idle: woken when @users becomes 0
 */
struct hgpu_hqd_table {
	struct mutex lock;
	u32 num_engines;
	u32 num_slots;
	DECLARE_BITMAP(used, HGPU_MAX_HQDS);
	DECLARE_BITMAP(slices, HGPU_DOORBELL_SLICES);
	struct hgpu_gtt_mem mqds;
	spinlock_t error_lock;
	struct hgpu_hqd hqds[HGPU_MAX_HQDS];
	atomic_t users;
	wait_queue_head_t idle;
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

/* What of a queue lies in buffers. */
enum hgpu_queue_bo {
	HGPU_QUEUE_RING,
	HGPU_QUEUE_RPTR,
	HGPU_QUEUE_WPTR,
	HGPU_QUEUE_EOP,		/* of compute queues only */
	HGPU_QUEUE_CWSR,	/* likewise: where waves are saved */
	HGPU_QUEUE_BOS,
};

/**
 * struct hgpu_queue - one user queue
 *
 * Protected by the process's lock. What decides whether it runs (@mapped, @lost,
 * @evicted, @props), @link and the HQD's registers are written with the
 * process's run lock held, too, and may be read under either.
 *
 * @pdd: whose, and on which GPU
 * @id: KFD's number, unique in the process
 * @slot: HQD; of a compute queue none
 * @doorbell: index in the process's slice
 * @vmid: of @pdd's address space, held until the queue goes
 * @mapped: the HQD runs it
 * @evicted: it would run, but its process's queues are evicted
 * @lost: a reset of the GPU took it away, or it could not be stopped or started
 *	again; it can only be destroyed
 * @compute: it has no HQD and no VMID, and nothing runs it
 * @rptr: GPU virtual address of the read pointer
 * @wptr: user (and GPU virtual) address of the write pointer
 * @wptr_known: @user_wptr could be read
 * @user_wptr: the write pointer in memory, when it was last read
 * @mapped_wptr: with which it was mapped
 * @props: see there
 * @ctl_stack_size: of a compute queue, bytes
 * @bos: what it holds, by enum hgpu_queue_bo; for hgpu_kfd_queue.c
 * @link: in the process device's list
 */
struct hgpu_queue {
	struct hgpu_process_device *pdd;
	u32 id;
	unsigned int slot;
	unsigned int doorbell;
	unsigned int vmid;
	bool mapped;
	bool evicted;
	bool lost;
	bool wptr_known;
	bool compute;
	u64 rptr;
	u64 wptr;
	u64 user_wptr;
	u64 mapped_wptr;
	struct hgpu_queue_props props;
	u32 ctl_stack_size;
	struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS];
	struct list_head link;
};

/*
 * For hgpu_device.c. _reset(): an FLR is coming, hgpu_device_resetting() says so:
 * all user queues are stopped, and lost (hgpu_queue_evict.c).
 */
int hgpu_hqd_init(struct hgpu_device *hdev);
void hgpu_hqd_reset(struct hgpu_device *hdev);
void hgpu_hqd_fini(struct hgpu_device *hdev);

/**
 * hgpu_queue_interrupt() - an SDMA interrupt entry of a user queue
 * @hdev: the GPU
 * @engine: SDMA engine
 * @iv: the entry, no TRAP; ring id is HGPU_SDMA_CTX_RLC0 or above
 *
 * Remembers why the device halted the queue.
 *
 * Context: hgpu_ih_handler_t's.
 */
void hgpu_queue_interrupt(struct hgpu_device *hdev, unsigned int engine,
			  const struct hgpu_iv *iv);

/**
 * hgpu_doorbell_slice_alloc() - take a doorbell slice for a process
 * @hdev: the GPU
 *
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
 * @props: what the caller wants; checked here
 * @rptr: GPU virtual address of the read pointer, 8-byte aligned
 * @wptr: user address of the write pointer, 8-byte aligned
 * @engine: SDMA engine, or HGPU_ANY_ENGINE
 *
 * Context: may sleep; the process's lock is held, mmap_lock is not.
 * Return: the queue, linked, without an id; or ERR_PTR: -ENOMEM (no slot, as
 * KFD), -ENOSPC (no VMID), -EINVAL (an address, the ring, the write pointer's
 * value), -EIO (the device refused it).
 */
struct hgpu_queue *hgpu_queue_create_sdma(struct hgpu_process_device *pdd,
					  const struct hgpu_queue_props *props,
					  u64 rptr, u64 wptr, unsigned int engine);

#define HGPU_ANY_ENGINE	UINT_MAX

/**
 * hgpu_queue_update() - change a queue, between two packets or in the middle
 * @queue: the queue
 * @props: new values
 *
 * Context: as hgpu_queue_create_sdma().
 * Return: 0; an error as there, and -EIO for a queue that has halted. Unless
 * it was -EINVAL the queue is then disabled.
 */
int hgpu_queue_update(struct hgpu_queue *queue, const struct hgpu_queue_props *props);

/**
 * hgpu_queue_create_compute() - make a compute queue, which nothing runs
 * @pdd: owner, with a VM
 * @props: what the caller wants; checked here
 * @rptr: GPU virtual address of the read pointer, 4-byte aligned
 * @wptr: user address of the write pointer, 8-byte aligned
 * @ctl_stack_size: bytes of control stack in its save area
 *
 * Context: may sleep; the process's lock is held.
 * Return: the queue, linked, without an id; or ERR_PTR: -ENOSPC (the process has
 * as many as it can have on this GPU), -EINVAL (an address, the ring), -ENOMEM.
 */
struct hgpu_queue *hgpu_queue_create_compute(struct hgpu_process_device *pdd,
					     const struct hgpu_queue_props *props,
					     u64 rptr, u64 wptr, u32 ctl_stack_size);

/**
 * hgpu_queue_update_compute() - change a compute queue
 * @queue: the queue
 * @props: new values
 *
 * Context: the process's lock is held.
 * Return: 0; or -EINVAL and nothing has changed.
 */
int hgpu_queue_update_compute(struct hgpu_queue *queue, const struct hgpu_queue_props *props);

/**
 * hgpu_queue_wave_state() - what has been saved of the waves of a queue
 * @queue: the queue
 * @header: gets the sizes of it: 0
 *
 * Context: the process's lock is held.
 * Return: 0, or -EINVAL for a queue that is enabled, or none of compute.
 */
int hgpu_queue_wave_state(const struct hgpu_queue *queue,
			  struct kfd_context_save_area_header *header);

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
 *
 * Return: byte offset in the process's doorbell slice.
 */
u32 hgpu_queue_doorbell_offset(const struct hgpu_queue *queue);

/*
 * For hgpu_queue_evict.c.
 *
 * hgpu_queue_fetch_wptr() reads the write pointer from the process's memory,
 * which must be current's; hgpu_queue_catch_up() does so once more and tells a
 * queue that runs. Both may sleep; the process's lock is held.
 *
 * The others want the process's run lock. hgpu_queue_start_locked() lets a queue
 * run that is to, unless it is evicted; it wants the process's lock as well, and
 * a write pointer that was fetched. hgpu_queue_stop_locked() returns 0 when the
 * GPU does no more for the queue and its state is saved; hgpu_queue_kill_locked()
 * is for a queue whose state nobody wants.
 */
void hgpu_queue_fetch_wptr(struct hgpu_queue *queue);
void hgpu_queue_catch_up(struct hgpu_queue *queue);
int hgpu_queue_start_locked(struct hgpu_queue *queue);
int hgpu_queue_stop_locked(struct hgpu_queue *queue);
int hgpu_queue_kill_locked(struct hgpu_queue *queue);

#endif /* HGPU_QUEUE_H */
