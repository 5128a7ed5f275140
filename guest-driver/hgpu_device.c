// SPDX-License-Identifier: GPL-2.0-only
/*
 * A GPU as a whole: BARs, identity, the order in which the parts come and go.
 *
 * DOC: Removal
 *
 * Device-private pages come home by SDMA (or BAR 0, if that fails), so
 * the order is: nobody new (REMOVING, drm_dev_unplug), nobody old (queues),
 * no fault work, pages home, what processes had on the GPU, struct pages,
 * interrupts, SDMA, GART, VRAM, PCI.
 *
 * When the GPU has been pulled out, SDMA jobs fail at once and what was in VRAM
 * is lost: struct pages and struct hgpu_device then stay until nobody maps them
 * (hgpu_pagemap_fini()). All else is the same. struct hgpu_device and the TTM
 * device go with the last DRM reference.
 */

#include <drm/drm_drv.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/sizes.h>

#include "hgpu_debugfs.h"
#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_events.h"
#include "hgpu_process.h"
#include "hgpu_svm.h"

static DEFINE_IDA(hgpu_index_ida);

bool hgpu_device_gone(struct hgpu_device *hdev)
{
	if (test_bit(HGPU_STATE_GONE, &hdev->state))
		return true;
	/*
	 * All ones from a bus that has lost its device; some host bridges, and
	 * the one that QEMU emulates, give zeroes.
	 */
	if (hgpu_rreg(hdev, HGPU_ID) == HGPU_ID_VALUE)
		return false;
	/* A reset reads like that too; it may even have ended since. */
	if (hgpu_device_resetting(hdev) ||
	    hgpu_rreg(hdev, HGPU_ID) == HGPU_ID_VALUE)
		return false;
	set_bit(HGPU_STATE_GONE, &hdev->state);
	return true;
}

/* Every engine and the IH in their reset state: nothing does DMA. */
static void hgpu_device_halt(struct hgpu_device *hdev)
{
	u32 e;

	hgpu_hive_unlink(hdev);
	hgpu_virgl_halt(hdev);
	hgpu_wreg(hdev, HGPU_IH_RB_CNTL, 0);
	for (e = 0; e < hdev->num_sdma; e++)
		hgpu_wreg(hdev, HGPU_SDMA_BASE(e) + HGPU_SDMA_F32_CNTL,
			  HGPU_SDMA_F32_CNTL__RESET);
}

static int hgpu_device_identify(struct hgpu_device *hdev)
{
	u32 id = hgpu_rreg(hdev, HGPU_ID);
	u32 version = hgpu_rreg(hdev, HGPU_VERSION);
	u32 caps = hgpu_rreg(hdev, HGPU_CAPS);

	if (id != HGPU_ID_VALUE) {
		drm_err(&hdev->drm, "ID register reads %#x, not %#x: not an hmm-gpu, or it does not answer\n",
			id, HGPU_ID_VALUE);
		return -ENODEV;
	}
	if (version >> 16 != HGPU_VERSION_VALUE >> 16) {
		drm_err(&hdev->drm, "the device speaks protocol %u.%u, this driver %u.x: use a driver of the device's release\n",
			version >> 16, version & 0xffff,
			HGPU_VERSION_VALUE >> 16);
		return -ENODEV;
	}
	hdev->num_sdma = FIELD_GET(HGPU_CAPS__SDMA_ENGINES, caps);
	if (hdev->num_sdma < HGPU_SDMA_ENGINES_MIN ||
	    hdev->num_sdma > HGPU_SDMA_ENGINES_MAX ||
	    FIELD_GET(HGPU_CAPS__SDMA_RLC_QUEUES, caps) != HGPU_SDMA_RLC_QUEUES ||
	    FIELD_GET(HGPU_CAPS__VM_INV_ENGINES, caps) != HGPU_VM_INV_ENGINES) {
		drm_err(&hdev->drm, "CAPS %#x is not what protocol %u has\n",
			caps, HGPU_VERSION_VALUE >> 16);
		return -ENODEV;
	}
	hdev->xnack = caps & HGPU_CAPS__XNACK;
	return 0;
}

static int hgpu_device_map_bars(struct hgpu_device *hdev)
{
	struct pci_dev *pdev = hdev->pdev;

	if (pci_resource_len(pdev, HGPU_BAR_REGS) < HGPU_BAR_REGS_SIZE ||
	    pci_resource_len(pdev, HGPU_BAR_DOORBELL) < HGPU_BAR_DOORBELL_SIZE) {
		drm_err(&hdev->drm, "BAR %u or %u is missing or too small: was it assigned?\n",
			HGPU_BAR_REGS, HGPU_BAR_DOORBELL);
		return -ENODEV;
	}
	hdev->doorbells_phys = pci_resource_start(pdev, HGPU_BAR_DOORBELL);
	hdev->mmio = devm_ioremap(&pdev->dev,
				  pci_resource_start(pdev, HGPU_BAR_REGS),
				  HGPU_BAR_REGS_SIZE);
	/* The kernel rings only in slice 0; processes map their own. */
	hdev->doorbells = devm_ioremap(&pdev->dev, hdev->doorbells_phys,
				       HGPU_DOORBELL_SLICE_SIZE);
	if (!hdev->mmio || !hdev->doorbells)
		return -ENOMEM;
	return 0;
}

static int hgpu_device_init_pci(struct hgpu_device *hdev)
{
	struct pci_dev *pdev = hdev->pdev;
	int err;

	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = pci_request_regions(pdev, "hmm_gpu");
	if (err)
		goto err_disable;
	err = hgpu_device_map_bars(hdev);
	if (err)
		goto err_regions;
	err = dma_set_mask_and_coherent(&pdev->dev,
					DMA_BIT_MASK(HGPU_DMA_BITS));
	if (err)
		goto err_regions;
	dma_set_max_seg_size(&pdev->dev, SZ_2M);
	err = hgpu_device_identify(hdev) ?: hgpu_hive_init(hdev);
	if (err)
		goto err_regions;
	/* A kernel before this one may have left engines running. */
	hgpu_device_halt(hdev);
	pci_set_master(pdev);
	return 0;

err_regions:
	pci_release_regions(pdev);
err_disable:
	pci_disable_device(pdev);
	return err;
}

static void hgpu_device_fini_pci(struct hgpu_device *hdev)
{
	hgpu_device_halt(hdev);
	pci_clear_master(hdev->pdev);
	pci_release_regions(hdev->pdev);
	pci_disable_device(hdev->pdev);
}

/* VRAM to SDMA: what the rest is built on. Interrupts work when it returns. */
static int hgpu_device_init_base(struct hgpu_device *hdev)
{
	int err;

	err = hgpu_vram_init(hdev);
	if (err)
		return err;
	err = hgpu_gart_init(hdev);
	if (err)
		goto err_vram;
	err = hgpu_ih_init(hdev);
	if (err)
		goto err_gart;
	err = hgpu_sdma_init(hdev);
	if (err)
		goto err_ih;
	err = hgpu_ih_enable(hdev);
	if (err)
		goto err_sdma;
	err = hgpu_sdma_selftest(hdev);
	if (err)
		goto err_irq;
	return 0;

err_irq:
	hgpu_ih_disable(hdev);
err_sdma:
	hgpu_sdma_fini(hdev);
err_ih:
	hgpu_ih_fini(hdev);
err_gart:
	hgpu_gart_fini(hdev);
err_vram:
	hgpu_vram_unbind(hdev);
	return err;
}

/* Interrupts first: no handler may look at what goes after them. */
static void hgpu_device_fini_base(struct hgpu_device *hdev)
{
	hgpu_ih_disable(hdev);
	hgpu_sdma_fini(hdev);
	hgpu_ih_fini(hdev);
	hgpu_gart_fini(hdev);
	hgpu_vram_unbind(hdev);
}

/* SDMA interrupts of user queues: SDMA below does not know queues, nor queues events. */
static void hgpu_device_queue_interrupt(struct hgpu_device *hdev,
					const struct hgpu_iv *iv, void *data)
{
	if (iv->ring_id < HGPU_SDMA_CTX_RLC0)
		return;
	if (iv->src_id == HGPU_SRCID_SDMA_TRAP)
		hgpu_kfd_event_interrupt(iv->pasid, iv->src_data[0]);
	else
		hgpu_queue_interrupt(hdev, (unsigned long)data, iv);
}

static int hgpu_device_route_queues(struct hgpu_device *hdev)
{
	unsigned long engine;
	int err;

	for (engine = 0; engine < hdev->num_sdma; engine++) {
		err = hgpu_ih_register(hdev, hgpu_ih_sdma_client(engine),
				       HGPU_IH_SRC_ANY,
				       hgpu_device_queue_interrupt,
				       (void *)engine);
		if (err)
			return err;
	}
	return 0;
}

static void hgpu_device_announce(struct hgpu_device *hdev)
{
	drm_info(&hdev->drm, "VRAM %llu MiB (%llu MiB in BAR %u), %u SDMA engines, IRQ %d, GPU id %u, node %u\n",
		 hdev->vram.size >> 20, hdev->vram.visible >> 20, HGPU_BAR_VRAM,
		 hdev->num_sdma, hdev->ih.irq, hdev->gpu_id,
		 hdev->topology_node);
}

int hgpu_device_init(struct hgpu_device *hdev)
{
	int err;

	init_rwsem(&hdev->reset_lock);
	hgpu_smi_init(hdev);
	hdev->index = ida_alloc(&hgpu_index_ida, GFP_KERNEL);
	if (hdev->index < 0)
		return hdev->index;
	err = hgpu_device_init_pci(hdev);
	if (err)
		goto err_index;
	err = hgpu_device_init_base(hdev);
	if (err)
		goto err_pci;
	err = hgpu_vmid_init(hdev);
	if (err)
		goto err_base;
	err = hgpu_hqd_init(hdev);
	if (err)
		goto err_vmid;
	err = hgpu_device_route_queues(hdev);
	if (err)
		goto err_hqd;
	err = hgpu_virgl_init(hdev);
	if (err)
		goto err_hqd;
	err = hgpu_pagemap_init(hdev);
	if (err)
		goto err_virgl;
	hgpu_hive_link(hdev);
	err = drm_dev_register(&hdev->drm, 0);
	if (err)
		goto err_pagemap;
	hgpu_debugfs_add(hdev);
	err = hgpu_kfd_add_device(hdev);
	if (err)
		goto err_drm;
	hgpu_device_announce(hdev);
	return 0;

err_drm:
	set_bit(HGPU_STATE_REMOVING, &hdev->state);
	hgpu_smi_fini(hdev);
	hgpu_debugfs_remove(hdev);
	drm_dev_unplug(&hdev->drm);
	hgpu_svm_evict_all(hdev);
err_pagemap:
	hgpu_pagemap_fini(hdev);
err_virgl:
	hgpu_virgl_fini(hdev);
err_hqd:
	hgpu_hqd_fini(hdev);
err_vmid:
	hgpu_vmid_fini(hdev);
err_base:
	hgpu_device_fini_base(hdev);
err_pci:
	hgpu_device_fini_pci(hdev);
err_index:
	ida_free(&hgpu_index_ida, hdev->index);
	return err;
}

/*
 * Processes on peers look at struct pages of this GPU that they have just found
 * in their page tables. There are none in there any more, so it is about those
 * who have looked before.
 */
static void hgpu_device_wait_for_peers(struct hgpu_device *hdev)
{
	struct hgpu_process *process;
	unsigned long pasid = 0;

	if (!hdev->hive.id)
		return;
	while ((process = hgpu_process_next(&pasid))) {
		hgpu_svms_sync(&process->svms);
		hgpu_process_put(process);
	}
}

void hgpu_device_fini(struct hgpu_device *hdev)
{
	set_bit(HGPU_STATE_REMOVING, &hdev->state);
	if (hgpu_device_gone(hdev))
		hgpu_sdma_kill(hdev);

	/* Who waits for a job in an ioctl does not keep the GPU. */
	hgpu_virgl_kill(hdev);
	hgpu_debugfs_remove(hdev);
	drm_dev_unplug(&hdev->drm);
	hgpu_kfd_stop_device(hdev);
	if (hgpu_device_gone(hdev))
		hgpu_kfd_event_reset(hdev);
	/* Entries of queues that have just stopped; nothing takes new ones. */
	hgpu_ih_drain(hdev);
	hgpu_svm_evict_all(hdev);
	hgpu_device_wait_for_peers(hdev);
	hgpu_kfd_remove_device(hdev);
	hgpu_smi_fini(hdev);
	hgpu_pagemap_fini(hdev);
	hgpu_virgl_fini(hdev);
	hgpu_hqd_fini(hdev);
	hgpu_vmid_fini(hdev);
	hgpu_device_fini_base(hdev);
	hgpu_device_fini_pci(hdev);
	ida_free(&hgpu_index_ida, hdev->index);
}

/* What was in VRAM cannot be had any more, whatever the registers say. */
void hgpu_device_lost(struct hgpu_device *hdev)
{
	set_bit(HGPU_STATE_GONE, &hdev->state);
	hgpu_sdma_kill(hdev);
	hgpu_virgl_kill(hdev);
}

/*
 * Function level reset: registers and queues are lost, VRAM is not (SPEC 2).
 *
 * From here until the PCI core has restored the configuration, 100 ms later,
 * stores to the BARs are swallowed. Who can wait does: jobs (submit_lock), the
 * GART (its lock), others who store to VRAM (reset_lock). Notifiers cannot, so
 * what they write to page tables is only in the shadows: _reset_done() writes
 * all tables again before any VMID translates. User queues are stopped first:
 * freed memory must not be reachable through an entry that could not be
 * cleared.
 *
 * Locks of processes are not to be taken once jobs are kept out: their holders
 * may be waiting for a job.
 */
void hgpu_device_reset_prepare(struct hgpu_device *hdev)
{
	hgpu_smi_reset_start(hdev, "PCI reset");
	set_bit(HGPU_STATE_RESETTING, &hdev->state);
	hgpu_virgl_reset(hdev);
	hgpu_hqd_reset(hdev);
	hgpu_sdma_suspend(hdev);
	hgpu_ih_suspend(hdev);
	down_write(&hdev->reset_lock);
	hgpu_gart_suspend(hdev);
}

static void hgpu_device_restore_tables(struct hgpu_device *hdev)
{
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		hgpu_vm_restore(&pdd->vm);
		hgpu_process_put(pdd->process);
	}
}

void hgpu_device_reset_done(struct hgpu_device *hdev)
{
	int err;

	pci_set_master(hdev->pdev);
	/* A reset of the bus is a cold one: VRAM has lost its contents. */
	if (!hgpu_gart_survived(hdev)) {
		drm_err(&hdev->drm, "VRAM did not survive the reset, and with it what processes had there: unbind the driver and bind it again\n");
		hgpu_device_lost(hdev);
	}
	hgpu_gart_resume(hdev);
	up_write(&hdev->reset_lock);
	hgpu_ih_resume(hdev);
	err = hgpu_sdma_resume(hdev);
	if (err && err != -ENODEV)
		drm_err(&hdev->drm, "SDMA does not run after the reset (%d): unbind the driver and bind it again\n",
			err);
	/* Page tables and VMIDs also then: queues and CPU faults go on. */
	if (!test_bit(HGPU_STATE_GONE, &hdev->state)) {
		hgpu_hive_link(hdev);
		hgpu_device_restore_tables(hdev);
		hgpu_vmid_hw_init(hdev);
	}
	clear_bit(HGPU_STATE_RESETTING, &hdev->state);
	hgpu_kfd_event_reset(hdev);
	if (err)
		return;
	drm_info(&hdev->drm, "reset: VRAM is kept, queues of processes are lost\n");
	hgpu_smi_reset_end(hdev);
}
