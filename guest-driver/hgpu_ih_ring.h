/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt handler (SPEC 6): the ring that the GPU reports into, its
 * decoding in a threaded interrupt, and the table of who handles what.
 *
 * Not hgpu_ih.h, which is the protocol's.
 */
#ifndef HGPU_IH_RING_H
#define HGPU_IH_RING_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "hgpu_ih.h"

struct hgpu_device;

/**
 * struct hgpu_iv - one interrupt entry, decoded
 * @timestamp: hgpu_gpu_timestamp() of the moment, low 48 bits
 * @src_data: the source's four words
 * @pasid: of the VMID, when the entry was written
 * @client_id: HGPU_IH_CLIENTID_*
 * @src_id: HGPU_SRCID_*
 * @ring_id: the client's: SDMA context, or HGPU_IH_FAULT_RING__* flags
 * @vmid: 0 for the kernel's rings
 * @id: for traces: number of the entry, on its GPU; never 0. A fault keeps it
 */
struct hgpu_iv {
	u64 timestamp;
	u32 src_data[4];
	u16 pasid;
	u8 client_id;
	u8 src_id;
	u8 ring_id;
	u8 vmid;
	u32 id;
};

/**
 * typedef hgpu_ih_handler_t - handler of one client and source
 * @hdev: the GPU
 * @iv: the entry; valid during the call
 * @data: as registered
 *
 * Every handler of a source sees every entry of it and leaves alone what is
 * not its (the kernel's ring and a user queue share an SDMA client).
 *
 * Context: the interrupt thread, or a caller of hgpu_ih_drain(), which may
 * hold any sleeping lock: a handler takes spinlocks only, decodes and queues.
 */
typedef void (*hgpu_ih_handler_t)(struct hgpu_device *hdev,
				  const struct hgpu_iv *iv, void *data);

/**
 * typedef hgpu_ih_lost_t - entries have been lost (the ring overflowed)
 * @hdev: the GPU
 * @data: as registered
 *
 * Context: as hgpu_ih_handler_t.
 */
typedef void (*hgpu_ih_lost_t)(struct hgpu_device *hdev, void *data);

#define HGPU_IH_SRC_ANY		0xff	/* for hgpu_ih_register() */
#define HGPU_IH_HANDLERS	32
#define HGPU_IH_LOST_HANDLERS	2
#define HGPU_IH_RING_SIZE	(64u << 10)	/* bytes; 2048 entries */

/* One registration. */
struct hgpu_ih_handler {
	hgpu_ih_handler_t fn;
	void *data;
	u8 client_id;
	u8 src_id;
};

struct hgpu_ih_lost {
	hgpu_ih_lost_t fn;
	void *data;
};

/**
 * struct hgpu_ih - the interrupt ring of one GPU
 * @ring: the entries; HGPU_IH_RING_SIZE bytes, coherent
 * @ring_dma: bus address of @ring
 * @wptr: the write pointer's write-back
 * @wptr_dma: bus address of @wptr
 * @rptr: bytes, where decoding goes on; protected by @lock
 * @last_id: of the last entry that was decoded; protected by @lock
 * @suspended: a reset is under way, the ring is empty; protected by @lock
 * @lock: serialises decoding, so that entries are handled in order; held
 *	while handlers run. Taken last among the sleeping locks
 * @handlers: who handles what; grows under @handlers_lock, is read without
 * @num_handlers: published with release semantics after the entry
 * @handlers_lock: protects registration
 * @lost: called when entries were lost; as @handlers
 * @num_lost: as @num_handlers
 * @clock_lock: the clock register pair latches, so readers take turns
 * @clock_base: what the clock had counted before the last reset; added, so that
 *	time never runs backwards for whoever compares; protected by @clock_lock
 * @clock_suspended: hgpu_gpu_timestamp() before the reset that is going on
 * @irq: Linux interrupt number; 0 while there is none
 */
struct hgpu_ih {
	void *ring;
	dma_addr_t ring_dma;
	__le32 *wptr;
	dma_addr_t wptr_dma;
	u32 rptr;
	u32 last_id;
	bool suspended;
	struct mutex lock;
	struct hgpu_ih_handler handlers[HGPU_IH_HANDLERS];
	unsigned int num_handlers;
	struct mutex handlers_lock;
	struct hgpu_ih_lost lost[HGPU_IH_LOST_HANDLERS];
	unsigned int num_lost;
	spinlock_t clock_lock;
	u64 clock_base;
	u64 clock_suspended;
	int irq;
};

/**
 * hgpu_ih_decode() - an entry as the GPU wrote it
 * @entry: the entry; each word is read once
 * @iv: filled in
 *
 * Pure. Context: any.
 */
void hgpu_ih_decode(const struct hgpu_ih_entry *entry, struct hgpu_iv *iv);

/**
 * hgpu_ih_register() - handle a source
 * @hdev: the GPU
 * @client: HGPU_IH_CLIENTID_*
 * @src: HGPU_SRCID_*, or HGPU_IH_SRC_ANY for all of the client's
 * @fn: the handler; stays until the GPU is unbound, so what it touches must
 *	live as long as @hdev's interrupt
 * @data: for @fn
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOSPC.
 */
int hgpu_ih_register(struct hgpu_device *hdev, u8 client, u8 src,
		     hgpu_ih_handler_t fn, void *data);

/**
 * hgpu_ih_drain() - have every entry handled that the GPU has written so far
 * @hdev: the GPU
 *
 * Handles what is in the ring itself, so it does not depend on an interrupt
 * being delivered. Returns at once when the GPU is gone.
 *
 * Context: process context, may sleep; not from a handler.
 */
void hgpu_ih_drain(struct hgpu_device *hdev);

/**
 * hgpu_gpu_timestamp() - the GPU clock
 * @hdev: the GPU
 *
 * Context: any.
 * Return: ticks of HGPU_GPU_CLOCK_HZ since the GPU was bound, whatever resets it
 * saw; 64 bits, while entries carry the low 48 of the same count. While it does
 * not answer: those of its last reset.
 */
u64 hgpu_gpu_timestamp(struct hgpu_device *hdev);

/**
 * hgpu_ih_sdma_client() - interrupt client of an SDMA engine
 * @engine: below HGPU_SDMA_ENGINES_MAX
 *
 * Return: HGPU_IH_CLIENTID_SDMAn.
 */
u8 hgpu_ih_sdma_client(unsigned int engine);

/*
 * For hgpu_device.c. _init() makes the ring, _hw_init() programs it (also after
 * an FLR), _enable() takes the interrupt, _disable() gives it back and has no
 * handler running when it returns; _suspend() and _resume() are around a reset.
 */
int hgpu_ih_init(struct hgpu_device *hdev);
void hgpu_ih_hw_init(struct hgpu_device *hdev);
int hgpu_ih_enable(struct hgpu_device *hdev);
void hgpu_ih_disable(struct hgpu_device *hdev);
void hgpu_ih_suspend(struct hgpu_device *hdev);
void hgpu_ih_resume(struct hgpu_device *hdev);
void hgpu_ih_fini(struct hgpu_device *hdev);
int hgpu_ih_on_lost(struct hgpu_device *hdev, hgpu_ih_lost_t fn, void *data);

#endif /* HGPU_IH_RING_H */
