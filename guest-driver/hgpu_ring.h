/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel ring of an SDMA engine: memory, pointers, doorbell (SPEC 7.2).
 * Knows dwords, not packets.
 */
#ifndef HGPU_RING_H
#define HGPU_RING_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "hgpu_gart.h"

struct hgpu_device;

/**
 * struct hgpu_ring - a ring that the kernel writes
 * @mem: the packets; behind them a page with the read pointer's write-back
 *	(8 bytes) and the fence's value (4 bytes)
 * @engine: SDMA engine
 * @ctx: HGPU_SDMA_CTX_*
 * @doorbell: byte offset in BAR 2
 * @size: bytes of packets, a power of two
 * @wptr: bytes written, never wraps; protected by @lock
 * @staged: bytes written and not yet rung in; protected by @lock
 * @lock: protects @wptr, @staged and the ring's memory; innermost
 */
struct hgpu_ring {
	struct hgpu_gtt_mem mem;
	unsigned int engine;
	unsigned int ctx;
	u32 doorbell;
	u32 size;
	u64 wptr;
	u64 staged;
	spinlock_t lock;
};

int hgpu_ring_init(struct hgpu_device *hdev, struct hgpu_ring *ring,
		   unsigned int engine, unsigned int ctx, u32 size);
void hgpu_ring_fini(struct hgpu_device *hdev, struct hgpu_ring *ring);

/**
 * hgpu_ring_start() - empty the ring and have the engine read it
 * @hdev: the GPU
 * @ring: the ring; stopped
 *
 * Context: process context.
 * Return: 0, -EIO if the engine did not take it, -ENODEV.
 */
int hgpu_ring_start(struct hgpu_device *hdev, struct hgpu_ring *ring);

/**
 * hgpu_ring_stop() - have the engine leave the ring, whatever it is doing
 * @hdev: the GPU
 * @ring: the ring
 *
 * Context: any.
 */
void hgpu_ring_stop(struct hgpu_device *hdev, struct hgpu_ring *ring);

/**
 * hgpu_ring_begin() - start a packet sequence
 * @ring: the ring
 * @ndw: dwords to be written, at most
 *
 * Context: returns with &hgpu_ring.lock held when it returns 0.
 * Return: 0 or -EBUSY if that much is not free.
 */
int hgpu_ring_begin(struct hgpu_ring *ring, u32 ndw);
void hgpu_ring_write(struct hgpu_ring *ring, u32 dword);
/* The packets are complete; drops the lock. */
void hgpu_ring_commit(struct hgpu_ring *ring);

/**
 * hgpu_ring_doorbell() - have the engine run what has been committed
 * @hdev: the GPU
 * @ring: the ring
 *
 * The engine may answer before this returns, and this may take as long as it
 * takes to make a host thread run: whoever handles the answer shall not wait
 * for it.
 *
 * Context: no lock is held that an interrupt's handler takes; the caller lets
 * nobody else commit, or start the ring again, in between.
 */
void hgpu_ring_doorbell(struct hgpu_device *hdev, struct hgpu_ring *ring);

u64 hgpu_ring_rptr(const struct hgpu_ring *ring);
u32 hgpu_ring_fence_value(const struct hgpu_ring *ring);
u64 hgpu_ring_fence_addr(const struct hgpu_ring *ring);
u32 hgpu_ring_status(struct hgpu_device *hdev, const struct hgpu_ring *ring);

#endif /* HGPU_RING_H */
