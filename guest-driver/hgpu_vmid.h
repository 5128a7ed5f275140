/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMIDs 1-15: which are in use, what they translate with, and their TLB.
 *
 * VMID 0 is the kernel's (GART, see hgpu_gart.h) and is not handed out here.
 */
#ifndef HGPU_VMID_H
#define HGPU_VMID_H

#include <linux/bitmap.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "hgpu_regs.h"

struct hgpu_device;

/*
 * The invalidation engine that flushes of VMIDs 1-15 use. GART and the rings
 * have others, so that nobody waits for somebody else's request.
 */
#define HGPU_VMID_INV_ENGINE	16

/**
 * struct hgpu_vmid_table - the VMIDs of one GPU
 * @lock: protects @used
 * @used: bit v set: VMID v has an owner; bit 0 always set
 * @inv_lock: one request at a time on HGPU_VMID_INV_ENGINE; also orders the
 *	binding of a VMID against flushes, see hgpu_vm_flush_tlb()
 */
struct hgpu_vmid_table {
	spinlock_t lock;
	DECLARE_BITMAP(used, HGPU_VMIDS);
	spinlock_t inv_lock;
};

/**
 * hgpu_vmid_init() - no VMID is in use, every context is disabled
 * @hdev: the GPU; its registers are mapped
 */
void hgpu_vmid_init(struct hgpu_device *hdev);

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
 * @vmid: from hgpu_vmid_alloc(), no longer bound
 */
void hgpu_vmid_free(struct hgpu_device *hdev, unsigned int vmid);

/**
 * hgpu_vmid_bind() - make a VMID translate with a page table
 * @hdev: the GPU
 * @vmid: from hgpu_vmid_alloc()
 * @pasid: what interrupt entries of this VMID are to carry
 * @root_offset: VRAM offset of the root directory, bytes
 *
 * Programs the context and the PASID, then drops what the TLB may still hold
 * of the VMID's last owner.
 *
 * Context: any but interrupts. Takes @inv_lock.
 * Return: 0, or what hgpu_vmid_flush() returns.
 */
int hgpu_vmid_bind(struct hgpu_device *hdev, unsigned int vmid, u16 pasid,
		   u64 root_offset);

/**
 * hgpu_vmid_unbind() - disable a VMID's context
 * @hdev: the GPU
 * @vmid: no queue of it is mapped any more
 *
 * On return no engine uses a translation of the VMID.
 *
 * Context: any but interrupts. Takes @inv_lock.
 */
void hgpu_vmid_unbind(struct hgpu_device *hdev, unsigned int vmid);

/**
 * hgpu_vmid_flush() - drop every translation of one VMID, replay its faults
 * @hdev: the GPU
 * @vmid: 1 to 15
 *
 * Context: atomic context is fine, interrupts are not; waits for the
 *	acknowledgement, a few microseconds as a rule. Takes @inv_lock.
 * Return: 0 when acknowledged or when the device is gone, -ETIME if it was not
 *	acknowledged in time (logged once).
 */
int hgpu_vmid_flush(struct hgpu_device *hdev, unsigned int vmid);

#endif /* HGPU_VMID_H */
