/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One GPU: the parts it is made of, in the order in which they come up.
 *
 * Every part is a struct embedded here with an init and a fini of its own;
 * hgpu_device.c calls them in order and undoes them in reverse. A part knows
 * those above it in this struct and nothing of those below.
 */
#ifndef HGPU_DEVICE_H
#define HGPU_DEVICE_H

#include <drm/drm_device.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/rwsem.h>

#include "hgpu_gart.h"
#include "hgpu_hive.h"
#include "hgpu_ih_ring.h"
#include "hgpu_memlimit.h"
#include "hgpu_pagemap.h"
#include "hgpu_queue.h"
#include "hgpu_regs.h"
#include "hgpu_sdma_engine.h"
#include "hgpu_smi.h"
#include "hgpu_stats.h"
#include "hgpu_virgl_engine.h"
#include "hgpu_vmid.h"
#include "hgpu_vram.h"

struct dentry;

/*
 * Invalidation engines (SPEC 4.4): each has one user, so none waits for
 * another's acknowledgement, and the ring never shares one with the CPU.
 */
#define HGPU_INV_ENG_SDMA	0	/* packets of the kernel's SDMA ring */
#define HGPU_INV_ENG_GART	1	/* the CPU, VMID 0; &hgpu_gart.flush_lock */
#define HGPU_INV_ENG_VM		2	/* the CPU, VMIDs 1-15: VMID v uses 2 + v */

/* Bits of &hgpu_device.state */
#define HGPU_STATE_GONE		0	/* its VRAM cannot be had any more; never cleared */
#define HGPU_STATE_REMOVING	1	/* no new users; the hardware still works */
#define HGPU_STATE_RESETTING	2	/* BARs may not answer; see hgpu_device_reset_prepare() */

/**
 * struct hgpu_device - one GPU
 * @drm: the DRM device, which holds this struct; may outlive the PCI device
 * @pdev: the PCI device
 * @mmio: BAR 5; valid until the PCI device is unbound
 * @doorbells: BAR 2 for the kernel; slice 0 is the kernel's
 * @doorbells_phys: BAR 2 for mappings of processes
 * @num_sdma: SDMA engines
 * @xnack: page faults can be retried
 * @state: HGPU_STATE_* bits
 * @reset_lock: held for reading by who uses VRAM through BAR 0 and can wait, for
 *	writing while a reset may swallow that; below folio locks and the locks
 *	of processes and tables, above the GART's
 * @index: 0.., names the debugfs directory
 * @stats: counters
 * @smi: who wants to hear what happens
 * @hive: who reaches its VRAM
 * @vram: VRAM and buffers
 * @memlimit: what buffers of processes have of it
 * @gart: the aperture of VMID 0
 * @ih: interrupts
 * @sdma: the kernel's SDMA queue
 * @vmids: VMIDs in use
 * @hqds: user queue slots in use
 * @virgl: the virgl engine
 * @pagemap: device-private pages of VRAM
 * @gpu_id: KFD's; 16 bits, never 0
 * @topology_node: KFD's node number, 1..
 * @link: in the list of all GPUs
 * @debugfs: hmm_gpu/<pci name>
 * @debugfs_index: hmm_gpu/<index>
 */
struct hgpu_device {
	struct drm_device drm;
	struct pci_dev *pdev;

	void __iomem *mmio;
	void __iomem *doorbells;
	resource_size_t doorbells_phys;
	u32 num_sdma;
	bool xnack;
	unsigned long state;
	struct rw_semaphore reset_lock;
	int index;

	struct hgpu_stats stats;
	struct hgpu_smi smi;
	struct hgpu_hive hive;
	struct hgpu_vram vram;
	struct hgpu_memlimit_vram memlimit;
	struct hgpu_gart gart;
	struct hgpu_ih ih;
	struct hgpu_sdma sdma;
	struct hgpu_vmid_table vmids;
	struct hgpu_hqd_table hqds;
	struct hgpu_virgl_engine virgl;
	struct hgpu_pagemap pagemap;

	u32 gpu_id;
	u32 topology_node;
	struct list_head link;

	struct dentry *debugfs;
	struct dentry *debugfs_index;
};

static inline struct hgpu_device *to_hgpu(struct drm_device *drm)
{
	return container_of(drm, struct hgpu_device, drm);
}

/*
 * Registers. A GPU that was pulled out reads all ones or all zeroes and loses
 * writes, so whoever loops on a register bounds the loop and asks
 * hgpu_device_gone().
 */
static inline u32 hgpu_rreg(struct hgpu_device *hdev, u32 offset)
{
	return readl(hdev->mmio + offset);
}

static inline void hgpu_wreg(struct hgpu_device *hdev, u32 offset, u32 value)
{
	writel(value, hdev->mmio + offset);
}

/**
 * hgpu_device_gone() - does the GPU not answer any more?
 * @hdev: the GPU
 *
 * Asks the ID register unless it is known to be gone; remembers that.
 *
 * Context: any, while the PCI device is bound.
 * Return: true if so.
 */
bool hgpu_device_gone(struct hgpu_device *hdev);

/**
 * hgpu_device_removing() - is the GPU on its way out?
 * @hdev: the GPU
 *
 * No new queue, fault or range may be started then. Migration to RAM goes on.
 *
 * Context: any.
 * Return: true from the start of removal on, and when it is gone.
 */
static inline bool hgpu_device_removing(const struct hgpu_device *hdev)
{
	return READ_ONCE(hdev->state) &
	       (BIT(HGPU_STATE_GONE) | BIT(HGPU_STATE_REMOVING));
}

/**
 * hgpu_device_resetting() - is a reset under way?
 * @hdev: the GPU
 *
 * Registers and VRAM may swallow stores and read as anything. No user queue
 * runs, no translation of VMIDs 1-15 is in use; both stay so until it is over,
 * and page tables are then written anew from what the CPU knows of them.
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool hgpu_device_resetting(const struct hgpu_device *hdev)
{
	return test_bit(HGPU_STATE_RESETTING, &hdev->state);
}

/* For hgpu_drv.c. */
int hgpu_device_init(struct hgpu_device *hdev);
void hgpu_device_fini(struct hgpu_device *hdev);
void hgpu_device_lost(struct hgpu_device *hdev);
void hgpu_device_reset_prepare(struct hgpu_device *hdev);
void hgpu_device_reset_done(struct hgpu_device *hdev);

/* Module parameters, hgpu_drv.c */
extern unsigned int hgpu_fence_timeout_ms;
extern unsigned int hgpu_virgl_timeout_ms;

#endif /* HGPU_DEVICE_H */
