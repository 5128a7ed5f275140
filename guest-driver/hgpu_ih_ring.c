// SPDX-License-Identifier: GPL-2.0-only
/* The interrupt handler: see hgpu_ih_ring.h, SPEC 6. */

#include <kunit/visibility.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/log2.h>

#include "hgpu_device.h"
#include "hgpu_trace.h"

#define HGPU_IH_ENTRY_SIZE	((u32)sizeof(struct hgpu_ih_entry))
#define HGPU_IH_MASK		(HGPU_IH_RING_SIZE - 1)
#define HGPU_IH_TIMESTAMP_MASK	GENMASK_ULL(47, 0)

/* The ring and, in a page behind it, the write pointer's write-back. */
#define HGPU_IH_ALLOC_SIZE	(HGPU_IH_RING_SIZE + PAGE_SIZE)

void hgpu_ih_decode(const struct hgpu_ih_entry *entry, struct hgpu_iv *iv)
{
	u32 dw[8];
	int i;

	for (i = 0; i < ARRAY_SIZE(dw); i++)
		dw[i] = le32_to_cpu(READ_ONCE(entry->dw[i]));

	iv->client_id = FIELD_GET(HGPU_IH_DW0__CLIENT_ID, dw[0]);
	iv->src_id = FIELD_GET(HGPU_IH_DW0__SRC_ID, dw[0]);
	iv->ring_id = FIELD_GET(HGPU_IH_DW0__RING_ID, dw[0]);
	iv->vmid = FIELD_GET(HGPU_IH_DW0__VMID, dw[0]);
	iv->timestamp = dw[1] |
		(u64)FIELD_GET(HGPU_IH_DW2__TIMESTAMP_HI, dw[2]) << 32;
	iv->pasid = FIELD_GET(HGPU_IH_DW3__PASID, dw[3]);
	for (i = 0; i < ARRAY_SIZE(iv->src_data); i++)
		iv->src_data[i] = dw[4 + i];
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_ih_decode);

u8 hgpu_ih_sdma_client(unsigned int engine)
{
	static const u8 client[HGPU_SDMA_ENGINES_MAX] = {
		HGPU_IH_CLIENTID_SDMA0, HGPU_IH_CLIENTID_SDMA1,
		HGPU_IH_CLIENTID_SDMA2, HGPU_IH_CLIENTID_SDMA3,
		HGPU_IH_CLIENTID_SDMA4, HGPU_IH_CLIENTID_SDMA5,
		HGPU_IH_CLIENTID_SDMA6, HGPU_IH_CLIENTID_SDMA7,
	};

	return client[engine];
}

int hgpu_ih_register(struct hgpu_device *hdev, u8 client, u8 src,
		     hgpu_ih_handler_t fn, void *data)
{
	struct hgpu_ih *ih = &hdev->ih;
	unsigned int n;
	int err = 0;

	mutex_lock(&ih->handlers_lock);
	n = ih->num_handlers;
	if (n < ARRAY_SIZE(ih->handlers)) {
		ih->handlers[n] = (struct hgpu_ih_handler) {
			.fn = fn,
			.data = data,
			.client_id = client,
			.src_id = src,
		};
		/* Pairs with the acquire in hgpu_ih_dispatch(). */
		smp_store_release(&ih->num_handlers, n + 1);
	} else {
		err = -ENOSPC;
	}
	mutex_unlock(&ih->handlers_lock);
	return err;
}

int hgpu_ih_on_lost(struct hgpu_device *hdev, hgpu_ih_lost_t fn, void *data)
{
	struct hgpu_ih *ih = &hdev->ih;
	unsigned int n;
	int err = 0;

	mutex_lock(&ih->handlers_lock);
	n = ih->num_lost;
	if (n < ARRAY_SIZE(ih->lost)) {
		ih->lost[n] = (struct hgpu_ih_lost) { .fn = fn, .data = data };
		/* Pairs with the acquire in hgpu_ih_overflow_locked(). */
		smp_store_release(&ih->num_lost, n + 1);
	} else {
		err = -ENOSPC;
	}
	mutex_unlock(&ih->handlers_lock);
	return err;
}

static void hgpu_ih_dispatch(struct hgpu_device *hdev, const struct hgpu_iv *iv)
{
	struct hgpu_ih *ih = &hdev->ih;
	/* Pairs with the release in hgpu_ih_register(). */
	unsigned int i, n = smp_load_acquire(&ih->num_handlers);
	bool claimed = false;

	for (i = 0; i < n; i++) {
		const struct hgpu_ih_handler *h = &ih->handlers[i];

		if (h->client_id != iv->client_id ||
		    (h->src_id != iv->src_id && h->src_id != HGPU_IH_SRC_ANY))
			continue;
		h->fn(hdev, iv, h->data);
		claimed = true;
	}
	if (!claimed)
		hgpu_stat_inc(hdev, ih_unclaimed);
}

/*
 * Entries were overwritten. What is left begins behind the slot that is
 * written next. Retry faults among the lost are reported again by the device; who
 * waits for something else looks for itself in its lost callback. A queue that has
 * halted is not looked for (SPEC 10).
 */
static void hgpu_ih_overflow_locked(struct hgpu_device *hdev, u32 wptr)
{
	struct hgpu_ih *ih = &hdev->ih;
	unsigned int i, n;

	lockdep_assert_held(&ih->lock);

	trace_hgpu_ih_overflow(hdev, ih->rptr, wptr);
	hgpu_stat_inc(hdev, ih_overflows);
	/* A process can provoke it (TRAPs): once, then it is only counted. */
	dev_warn_once(hdev->drm.dev, "interrupt ring overflowed: entries lost; see ih_overflows in debugfs\n");

	ih->rptr = (wptr + HGPU_IH_ENTRY_SIZE) & HGPU_IH_MASK;
	hgpu_wreg(hdev, HGPU_IH_RB_RPTR, ih->rptr);
	hgpu_wreg(hdev, HGPU_IH_RB_CNTL, hgpu_rreg(hdev, HGPU_IH_RB_CNTL) |
		  HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR);

	/* Pairs with the release in hgpu_ih_on_lost(). */
	n = smp_load_acquire(&ih->num_lost);
	for (i = 0; i < n; i++)
		ih->lost[i].fn(hdev, ih->lost[i].data);
}

/*
 * Handles entries up to @wptr, a value of the write pointer with its overflow
 * bit. Then tells the device, which interrupts again if there is more.
 */
static void hgpu_ih_process_locked(struct hgpu_device *hdev, u32 wptr)
{
	struct hgpu_ih *ih = &hdev->ih;
	unsigned int n = 0;
	struct hgpu_iv iv;

	lockdep_assert_held(&ih->lock);

	if (wptr & HGPU_IH_RB_WPTR__RB_OVERFLOW)
		hgpu_ih_overflow_locked(hdev, wptr & HGPU_IH_RB_WPTR__OFFSET);
	wptr &= HGPU_IH_RB_WPTR__OFFSET & HGPU_IH_MASK;

	/* The entries were written before the write pointer that covers them. */
	dma_rmb();
	while (ih->rptr != wptr) {
		hgpu_ih_decode(ih->ring + ih->rptr, &iv);
		iv.timestamp = (iv.timestamp + READ_ONCE(ih->clock_base)) &
			       HGPU_IH_TIMESTAMP_MASK;
		iv.id = ++ih->last_id ?: ++ih->last_id;
		trace_hgpu_ih_entry(hdev, &iv);
		hgpu_ih_dispatch(hdev, &iv);
		ih->rptr = (ih->rptr + HGPU_IH_ENTRY_SIZE) & HGPU_IH_MASK;
		n++;
	}
	hgpu_stat_add(hdev, ih_entries, n);
	hgpu_wreg(hdev, HGPU_IH_RB_RPTR, ih->rptr);
}

static irqreturn_t hgpu_ih_irq(int irq, void *arg)
{
	struct hgpu_device *hdev = arg;

	hgpu_stat_inc(hdev, interrupts);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t hgpu_ih_thread(int irq, void *arg)
{
	struct hgpu_device *hdev = arg;
	struct hgpu_ih *ih = &hdev->ih;

	mutex_lock(&ih->lock);
	hgpu_ih_process_locked(hdev, le32_to_cpu(READ_ONCE(*ih->wptr)));
	mutex_unlock(&ih->lock);
	return IRQ_HANDLED;
}

void hgpu_ih_drain(struct hgpu_device *hdev)
{
	struct hgpu_ih *ih = &hdev->ih;
	u32 wptr;

	mutex_lock(&ih->lock);
	/* The register, as the write-back may be on its way. */
	wptr = hgpu_rreg(hdev, HGPU_IH_RB_WPTR);
	if (!ih->suspended && !hgpu_device_gone(hdev))
		hgpu_ih_process_locked(hdev, wptr);
	mutex_unlock(&ih->lock);
}

u64 hgpu_gpu_timestamp(struct hgpu_device *hdev)
{
	unsigned long flags;
	u32 lsb, msb;
	u64 base;

	spin_lock_irqsave(&hdev->ih.clock_lock, flags);
	lsb = hgpu_rreg(hdev, HGPU_RLC_GPU_CLOCK_COUNT_LSB);
	msb = hgpu_rreg(hdev, HGPU_RLC_GPU_CLOCK_COUNT_MSB);
	base = hdev->ih.clock_base;
	/* No answer, as in the middle of a reset: time stands still. */
	if (msb == U32_MAX) {
		base = hdev->ih.clock_suspended;
		lsb = msb = 0;
	}
	spin_unlock_irqrestore(&hdev->ih.clock_lock, flags);
	return base + ((u64)msb << 32 | lsb);
}

void hgpu_ih_hw_init(struct hgpu_device *hdev)
{
	struct hgpu_ih *ih = &hdev->ih;
	u32 cntl = FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE,
			      ilog2(HGPU_IH_RING_SIZE / sizeof(u32))) |
		   FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, HGPU_IH_MC_SPACE_BUS) |
		   HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE |
		   HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE |
		   HGPU_IH_RB_CNTL__ENABLE_INTR |
		   HGPU_IH_RB_CNTL__RPTR_REARM;

	hgpu_wreg(hdev, HGPU_IH_RB_CNTL, 0);
	hgpu_wreg(hdev, HGPU_IH_RB_BASE, ih->ring_dma >> 8);
	hgpu_wreg(hdev, HGPU_IH_RB_BASE_HI,
		  FIELD_PREP(HGPU_IH_RB_BASE_HI__ADDR, ih->ring_dma >> 40));
	hgpu_wreg(hdev, HGPU_IH_RB_WPTR_ADDR_LO, lower_32_bits(ih->wptr_dma));
	hgpu_wreg(hdev, HGPU_IH_RB_WPTR_ADDR_HI,
		  FIELD_PREP(HGPU_IH_RB_WPTR_ADDR_HI__ADDR,
			     upper_32_bits(ih->wptr_dma)));

	mutex_lock(&ih->lock);
	/* Enabling makes both pointers 0. */
	ih->rptr = 0;
	ih->suspended = false;
	WRITE_ONCE(*ih->wptr, 0);
	/* Before the device can write its own. */
	wmb();
	hgpu_wreg(hdev, HGPU_IH_RB_CNTL, cntl);
	hgpu_wreg(hdev, HGPU_IH_RB_CNTL, cntl | HGPU_IH_RB_CNTL__RB_ENABLE);
	mutex_unlock(&ih->lock);
}

int hgpu_ih_init(struct hgpu_device *hdev)
{
	struct hgpu_ih *ih = &hdev->ih;

	mutex_init(&ih->lock);
	mutex_init(&ih->handlers_lock);
	spin_lock_init(&ih->clock_lock);

	ih->ring = dma_alloc_coherent(&hdev->pdev->dev, HGPU_IH_ALLOC_SIZE,
				      &ih->ring_dma, GFP_KERNEL);
	if (!ih->ring)
		return -ENOMEM;
	ih->wptr = ih->ring + HGPU_IH_RING_SIZE;
	ih->wptr_dma = ih->ring_dma + HGPU_IH_RING_SIZE;
	return 0;
}

int hgpu_ih_enable(struct hgpu_device *hdev)
{
	struct hgpu_ih *ih = &hdev->ih;
	int err;

	err = pci_alloc_irq_vectors(hdev->pdev, 1, 1, PCI_IRQ_MSIX);
	if (err < 0) {
		drm_err(&hdev->drm, "no MSI-X vector: %d\n", err);
		return err;
	}
	ih->irq = pci_irq_vector(hdev->pdev, HGPU_MSIX_VECTOR_IH);
	err = request_threaded_irq(ih->irq, hgpu_ih_irq, hgpu_ih_thread, 0,
				   "hmm_gpu", hdev);
	if (err) {
		ih->irq = 0;
		pci_free_irq_vectors(hdev->pdev);
		return err;
	}
	hgpu_ih_hw_init(hdev);
	return 0;
}

void hgpu_ih_disable(struct hgpu_device *hdev)
{
	struct hgpu_ih *ih = &hdev->ih;

	if (!ih->irq)
		return;
	hgpu_wreg(hdev, HGPU_IH_RB_CNTL, 0);
	free_irq(ih->irq, hdev);
	pci_free_irq_vectors(hdev->pdev);
	ih->irq = 0;
}

/* No handler runs until _resume(), and every entry so far has been handled. */
void hgpu_ih_suspend(struct hgpu_device *hdev)
{
	disable_irq(hdev->ih.irq);
	hgpu_ih_drain(hdev);
	mutex_lock(&hdev->ih.lock);
	hdev->ih.suspended = true;
	mutex_unlock(&hdev->ih.lock);
	hdev->ih.clock_suspended = hgpu_gpu_timestamp(hdev);
}

void hgpu_ih_resume(struct hgpu_device *hdev)
{
	/* Only now: until the reset the clock itself went on. */
	spin_lock_irq(&hdev->ih.clock_lock);
	WRITE_ONCE(hdev->ih.clock_base, hdev->ih.clock_suspended);
	spin_unlock_irq(&hdev->ih.clock_lock);

	hgpu_ih_hw_init(hdev);
	enable_irq(hdev->ih.irq);
}

void hgpu_ih_fini(struct hgpu_device *hdev)
{
	struct hgpu_ih *ih = &hdev->ih;

	dma_free_coherent(&hdev->pdev->dev, HGPU_IH_ALLOC_SIZE, ih->ring,
			  ih->ring_dma);
	mutex_destroy(&ih->handlers_lock);
	mutex_destroy(&ih->lock);
}
