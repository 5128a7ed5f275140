// SPDX-License-Identifier: GPL-2.0-only
/* A kernel ring: see hgpu_ring.h, SPEC 7.2. */

#include <linux/log2.h>

#include "hgpu_device.h"

/* In the page behind the packets. */
#define HGPU_RING_RPTR_OFFSET	0
#define HGPU_RING_FENCE_OFFSET	64

static u32 hgpu_ring_reg(const struct hgpu_ring *ring, u32 reg)
{
	return HGPU_SDMA_CTX_BASE(ring->engine, ring->ctx) + reg;
}

static void *hgpu_ring_wb(const struct hgpu_ring *ring, u32 offset)
{
	return ring->mem.cpu + ring->size + offset;
}

u64 hgpu_ring_rptr(const struct hgpu_ring *ring)
{
	__le64 *rptr = hgpu_ring_wb(ring, HGPU_RING_RPTR_OFFSET);

	return le64_to_cpu(READ_ONCE(*rptr));
}

u32 hgpu_ring_fence_value(const struct hgpu_ring *ring)
{
	__le32 *fence = hgpu_ring_wb(ring, HGPU_RING_FENCE_OFFSET);

	return le32_to_cpu(READ_ONCE(*fence));
}

u64 hgpu_ring_fence_addr(const struct hgpu_ring *ring)
{
	return ring->mem.gpu + ring->size + HGPU_RING_FENCE_OFFSET;
}

u32 hgpu_ring_status(struct hgpu_device *hdev, const struct hgpu_ring *ring)
{
	return hgpu_rreg(hdev, hgpu_ring_reg(ring, HGPU_SDMA_CONTEXT_STATUS));
}

int hgpu_ring_begin(struct hgpu_ring *ring, u32 ndw)
{
	spin_lock(&ring->lock);
	if (ring->wptr + ndw * sizeof(u32) - hgpu_ring_rptr(ring) >
	    ring->size) {
		spin_unlock(&ring->lock);
		return -EBUSY;
	}
	ring->staged = ring->wptr;
	return 0;
}

void hgpu_ring_write(struct hgpu_ring *ring, u32 dword)
{
	__le32 *at = ring->mem.cpu + (ring->staged & (ring->size - 1));

	lockdep_assert_held(&ring->lock);

	WRITE_ONCE(*at, cpu_to_le32(dword));
	ring->staged += sizeof(u32);
}

void hgpu_ring_commit(struct hgpu_ring *ring)
{
	lockdep_assert_held(&ring->lock);

	ring->wptr = ring->staged;
	spin_unlock(&ring->lock);
}

void hgpu_ring_doorbell(struct hgpu_device *hdev, struct hgpu_ring *ring)
{
	/* The packets and their IB before the doorbell that publishes them. */
	wmb();
	writeq(ring->wptr, hdev->doorbells + ring->doorbell);
	hgpu_stat_inc(hdev, doorbells);
}

void hgpu_ring_stop(struct hgpu_device *hdev, struct hgpu_ring *ring)
{
	hgpu_wreg(hdev, hgpu_ring_reg(ring, HGPU_SDMA_RB_CNTL), 0);
	hgpu_wreg(hdev, hgpu_ring_reg(ring, HGPU_SDMA_DOORBELL), 0);
}

int hgpu_ring_start(struct hgpu_device *hdev, struct hgpu_ring *ring)
{
	u64 rptr_addr = ring->mem.gpu + ring->size + HGPU_RING_RPTR_OFFSET;
	u32 cntl = FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE,
			      ilog2(ring->size / sizeof(u32))) |
		   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_VMID, 0) |
		   HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE |
		   HGPU_SDMA_RB_CNTL__RB_PRIV;
	u32 readback;
	__le64 *rptr = hgpu_ring_wb(ring, HGPU_RING_RPTR_OFFSET);
	u32 base = HGPU_SDMA_CTX_BASE(ring->engine, ring->ctx);

	spin_lock(&ring->lock);
	ring->wptr = 0;
	ring->staged = 0;
	WRITE_ONCE(*rptr, 0);
	/* Before the device can write its own. */
	wmb();

	hgpu_wreg(hdev, base + HGPU_SDMA_RB_CNTL, 0);
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_BASE, ring->mem.gpu >> 8);
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_BASE_HI,
		  FIELD_PREP(HGPU_SDMA_RB_BASE_HI__ADDR, ring->mem.gpu >> 40));
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_RPTR, 0);
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_RPTR_HI, 0);
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_WPTR, 0);
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_WPTR_HI, 0);
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_RPTR_ADDR_LO,
		  lower_32_bits(rptr_addr));
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_RPTR_ADDR_HI,
		  upper_32_bits(rptr_addr));
	hgpu_wreg(hdev, base + HGPU_SDMA_IB_CNTL,
		  HGPU_SDMA_IB_CNTL__IB_ENABLE);
	hgpu_wreg(hdev, base + HGPU_SDMA_DOORBELL_OFFSET, ring->doorbell);
	hgpu_wreg(hdev, base + HGPU_SDMA_DOORBELL, HGPU_SDMA_DOORBELL__ENABLE);
	cntl |= HGPU_SDMA_RB_CNTL__RB_ENABLE;
	hgpu_wreg(hdev, base + HGPU_SDMA_RB_CNTL, cntl);
	readback = hgpu_rreg(hdev, base + HGPU_SDMA_RB_CNTL);
	spin_unlock(&ring->lock);

	if (hgpu_device_gone(hdev))
		return -ENODEV;
	if (readback != cntl) {
		drm_err(&hdev->drm, "SDMA%u context %u does not start: RB_CNTL %#x, wrote %#x\n",
			ring->engine, ring->ctx, readback, cntl);
		return -EIO;
	}
	return 0;
}

int hgpu_ring_init(struct hgpu_device *hdev, struct hgpu_ring *ring,
		   unsigned int engine, unsigned int ctx, u32 size)
{
	ring->engine = engine;
	ring->ctx = ctx;
	ring->size = size;
	/* Slice 0 of the doorbells is the kernel's (SPEC 9): one a context. */
	ring->doorbell = (engine * HGPU_SDMA_CTX_RLC0 + ctx) *
			 HGPU_DOORBELL_SIZE;
	spin_lock_init(&ring->lock);
	return hgpu_gtt_alloc(hdev, size + PAGE_SIZE, &ring->mem);
}

void hgpu_ring_fini(struct hgpu_device *hdev, struct hgpu_ring *ring)
{
	hgpu_gtt_free(hdev, &ring->mem);
}
