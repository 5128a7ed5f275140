/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMIDs 1-15: which are in use, and what they translate with.
 *
 * VMID 0 is the kernel's (GART, see hgpu_gart.h) and is not handed out here.
 * Knows registers, not page tables: those are hgpu_gpuvm.h's.
 */
#ifndef HGPU_VMID_H
#define HGPU_VMID_H

#include <linux/spinlock.h>
#include <linux/types.h>

#include "hgpu_regs.h"

struct hgpu_device;

/**
 * struct hgpu_vmid - one VMID
 * @used: has an owner
 * @bound: its context is enabled
 * @pasid: what interrupt entries of the VMID carry
 * @root: VRAM address of the root directory
 */
struct hgpu_vmid {
	bool used;
	bool bound;
	u16 pasid;
	u64 root;
};

/**
 * struct hgpu_vmid_table - the VMIDs of one GPU
 * @lock: protects @vmids and the registers of contexts 1-15
 * @vmids: [0] is always in use
 * @timeout_logged: a missing acknowledgment was reported
 */
struct hgpu_vmid_table {
	spinlock_t lock;
	struct hgpu_vmid vmids[HGPU_VMIDS];
	bool timeout_logged;
};

/* For hgpu_device.c. _hw_init() programs the registers, also after an FLR. */
int hgpu_vmid_init(struct hgpu_device *hdev);
void hgpu_vmid_hw_init(struct hgpu_device *hdev);
void hgpu_vmid_fini(struct hgpu_device *hdev);

/**
 * hgpu_vmid_alloc() - take a free VMID
 * @hdev: the GPU
 *
 * Context: any but interrupts.
 * Return: 1 to 15, or -ENOSPC.
 */
int hgpu_vmid_alloc(struct hgpu_device *hdev);

/**
 * hgpu_vmid_free() - give a VMID back
 * @hdev: the GPU
 * @vmid: from hgpu_vmid_alloc(), not bound
 */
void hgpu_vmid_free(struct hgpu_device *hdev, unsigned int vmid);

/**
 * hgpu_vmid_bind() - make a VMID translate with a page table
 * @hdev: the GPU
 * @vmid: from hgpu_vmid_alloc()
 * @pasid: what interrupt entries of this VMID are to carry
 * @root: VRAM address of the root directory
 *
 * The caller flushes what the TLB may still hold of the VMID's last owner.
 *
 * Context: any but interrupts.
 */
void hgpu_vmid_bind(struct hgpu_device *hdev, unsigned int vmid, u16 pasid,
		    u64 root);

/**
 * hgpu_vmid_unbind() - disable a VMID's context
 * @hdev: the GPU
 * @vmid: no queue of it is mapped any more
 *
 * The caller flushes.
 *
 * Context: any but interrupts.
 */
void hgpu_vmid_unbind(struct hgpu_device *hdev, unsigned int vmid);

/**
 * hgpu_vmid_flush() - drop every translation of one VMID, replay its faults
 * @hdev: the GPU
 * @vmid: 1 to 15
 *
 * Uses the VMID's own invalidation engine, so owners of different VMIDs do not
 * wait for each other; the owner of this one calls it under a lock of his own.
 *
 * Context: atomic context is fine, interrupts are not; waits for the
 * acknowledgment, a few microseconds as a rule.
 * Return: 0 when acknowledged or when the GPU is gone, -ETIME if it was not
 * acknowledged in time (logged once).
 */
int hgpu_vmid_flush(struct hgpu_device *hdev, unsigned int vmid);

#endif /* HGPU_VMID_H */
