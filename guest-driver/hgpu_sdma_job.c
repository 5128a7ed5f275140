// SPDX-License-Identifier: GPL-2.0-only
/* SDMA jobs: building, submitting, waiting. See hgpu_sdma_engine.h. */

#include <linux/dma-mapping.h>
#include <linux/error-injection.h>

#include "hgpu_device.h"
#include "hgpu_sdma_job.h"

void hgpu_sdma_job_set_state(struct hgpu_sdma_job *job,
			     enum hgpu_sdma_job_state state)
{
	/* Only forward; BUILT is where it begins. */
	WARN_ON_ONCE(state <= job->state);
	job->state = state;
}

/* The slot is claimed by clearing its bit; -1 when none is free. */
static int hgpu_sdma_slot_try(struct hgpu_sdma *sdma)
{
	unsigned long bit;

	for_each_set_bit(bit, &sdma->ib_free, HGPU_SDMA_IB_SLOTS)
		if (test_and_clear_bit(bit, &sdma->ib_free))
			return bit;
	return -1;
}

void hgpu_sdma_slot_put(struct hgpu_device *hdev, unsigned int slot)
{
	struct hgpu_sdma *sdma = &hdev->sdma;

	set_bit(slot, &sdma->ib_free);
	wake_up_all(&sdma->ib_wait);
}

struct hgpu_sdma_job *hgpu_sdma_job_alloc(struct hgpu_device *hdev, u32 ndw)
{
	struct hgpu_sdma *sdma = &hdev->sdma;
	struct hgpu_sdma_job *job;
	int slot, err;

	if (!ndw || ndw > HGPU_SDMA_IB_DW)
		return ERR_PTR(-EINVAL);
	if (READ_ONCE(sdma->dead))
		return ERR_PTR(-ENODEV);

	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return ERR_PTR(-ENOMEM);
	err = hgpu_compat_sched_job_init(&job->base, &sdma->entity);
	if (err) {
		kfree(job);
		return ERR_PTR(err);
	}
	/*
	 * Slots come back as jobs end, and each ends in bounded time: the
	 * scheduler fails the one that does not.
	 */
	wait_event(sdma->ib_wait, (slot = hgpu_sdma_slot_try(sdma)) >= 0);

	job->hdev = hdev;
	job->slot = slot;
	job->ib = sdma->ib[slot].cpu;
	job->max_dw = ndw;
	INIT_LIST_HEAD(&job->link);
	return job;
}

void hgpu_sdma_job_free(struct hgpu_sdma_job *job)
{
	if (!job)
		return;
	hgpu_sdma_slot_put(job->hdev, job->slot);
	drm_sched_job_cleanup(&job->base);
	kfree(job);
}

/* Room for @n dwords, or NULL. */
static __le32 *hgpu_sdma_reserve(struct hgpu_sdma_job *job, u32 n)
{
	__le32 *at = job->ib + job->ndw;

	if (WARN_ON_ONCE(n > job->max_dw - job->ndw)) {
		job->error = -EOVERFLOW;
		return NULL;
	}
	job->ndw += n;
	return at;
}

void hgpu_sdma_emit(struct hgpu_sdma_job *job, u32 dword)
{
	__le32 *at = hgpu_sdma_reserve(job, 1);

	if (at)
		*at = cpu_to_le32(dword);
}

static void hgpu_sdma_emit_addr(struct hgpu_sdma_job *job, u64 addr)
{
	hgpu_sdma_emit(job, lower_32_bits(addr));
	hgpu_sdma_emit(job, upper_32_bits(addr));
}

void hgpu_sdma_emit_copy(struct hgpu_sdma_job *job, u64 src, u64 dst, u64 bytes)
{
	job->bytes += bytes;
	while (bytes) {
		u32 n = min_t(u64, bytes, HGPU_SDMA_COPY_MAX_BYTES);

		hgpu_sdma_emit(job,
			       HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY,
						    HGPU_SDMA_SUBOP_COPY_LINEAR));
		hgpu_sdma_emit(job,
			       FIELD_PREP(HGPU_SDMA_PKT_COPY_LINEAR_COUNT__COUNT,
					  n - 1));
		hgpu_sdma_emit(job, 0);
		hgpu_sdma_emit_addr(job, src);
		hgpu_sdma_emit_addr(job, dst);
		src += n;
		dst += n;
		bytes -= n;
	}
}

void hgpu_sdma_emit_fill(struct hgpu_sdma_job *job, u64 dst, u32 value,
			 u64 bytes)
{
	job->bytes += bytes;
	while (bytes) {
		u32 n = min_t(u64, bytes, HGPU_SDMA_FILL_MAX_BYTES);

		hgpu_sdma_emit(job,
			       HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_CONST_FILL, 0) |
			       FIELD_PREP(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE,
					  HGPU_SDMA_FILLSIZE_DWORD));
		hgpu_sdma_emit_addr(job, dst);
		hgpu_sdma_emit(job, value);
		hgpu_sdma_emit(job,
			       FIELD_PREP(HGPU_SDMA_PKT_CONSTANT_FILL_COUNT__COUNT,
					  n - 1));
		dst += n;
		bytes -= n;
	}
}

/* Invalidates VMID 0 on the ring and waits there until no engine lags behind. */
static void hgpu_sdma_emit_flush(struct hgpu_sdma_job *job)
{
	hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_SRBM_WRITE, 0) |
		       FIELD_PREP(HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN, 0xf));
	hgpu_sdma_emit(job,
		       FIELD_PREP(HGPU_SDMA_PKT_SRBM_WRITE_ADDR__ADDR,
				  HGPU_VM_INVALIDATE_ENG_REQ(HGPU_INV_ENG_SDMA) / 4));
	hgpu_sdma_emit(job, BIT(0) |
		       HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES |
		       HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES);

	/* For ever: the job's timeout is the bound. */
	hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_POLL_REGMEM, 0) |
		       FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
				  HGPU_SDMA_POLL_FUNC_EQ));
	hgpu_sdma_emit_addr(job, HGPU_VM_INVALIDATE_ENG_ACK(HGPU_INV_ENG_SDMA));
	hgpu_sdma_emit(job, BIT(0));
	hgpu_sdma_emit(job, BIT(0));
	hgpu_sdma_emit(job,
		       FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 100) |
		       FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT,
				  HGPU_SDMA_POLL_RETRY_FOREVER));
}

void hgpu_sdma_emit_gart_window(struct hgpu_sdma_job *job, unsigned int window,
				const dma_addr_t *addr, u32 npages,
				u32 gart_flags)
{
	__le32 *at;
	u32 i;

	if (WARN_ON_ONCE(window >= HGPU_GART_WINDOWS || !npages ||
			 npages > HGPU_GART_WINDOW_PAGES)) {
		job->error = -EINVAL;
		return;
	}

	hgpu_sdma_emit(job,
		       HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_WRITE,
					    HGPU_SDMA_SUBOP_WRITE_LINEAR));
	hgpu_sdma_emit_addr(job, hgpu_gart_window_pte_addr(job->hdev, window));
	hgpu_sdma_emit(job,
		       FIELD_PREP(HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__COUNT,
				  2 * npages - 1));
	at = hgpu_sdma_reserve(job, 2 * npages);
	for (i = 0; at && i < npages; i++) {
		u64 pte = addr[i] == DMA_MAPPING_ERROR ? 0 :
			  hgpu_gart_pte(addr[i], gart_flags);

		*at++ = cpu_to_le32(lower_32_bits(pte));
		*at++ = cpu_to_le32(upper_32_bits(pte));
	}
	hgpu_sdma_emit_flush(job);
}

static struct dma_fence *hgpu_sdma_job_submit_locked(struct hgpu_sdma_job *job)
{
	struct dma_fence *fence;

	lockdep_assert_held(&job->hdev->sdma.submit_lock);

	hgpu_sdma_job_set_state(job, HGPU_SDMA_JOB_QUEUED);
	drm_sched_job_arm(&job->base);
	fence = dma_fence_get(&job->base.s_fence->finished);
	/* The scheduler may have freed the job when this returns. */
	drm_sched_entity_push_job(&job->base);
	return fence;
}

struct dma_fence *hgpu_sdma_job_submit(struct hgpu_sdma_job *job)
{
	struct hgpu_sdma *sdma = &job->hdev->sdma;
	struct dma_fence *fence;

	mutex_lock(&sdma->submit_lock);
	fence = hgpu_sdma_job_submit_locked(job);
	mutex_unlock(&sdma->submit_lock);
	return fence;
}

/* 0, or what became of the job. A function of its own, so that tests can make it fail. */
static noinline int hgpu_fence_error(struct dma_fence *fence)
{
	return min(dma_fence_get_status(fence), 0);
}
ALLOW_ERROR_INJECTION(hgpu_fence_error, ERRNO);

long hgpu_fence_wait(struct dma_fence *fence)
{
	might_sleep();
	dma_fence_wait(fence, false);
	return hgpu_fence_error(fence);
}

int hgpu_sdma_clear_bo(struct hgpu_device *hdev, struct hgpu_bo *bo)
{
	u64 page = 0, npages = PFN_DOWN(hgpu_bo_size(bo));
	int err = 0;

	while (page < npages && !err) {
		struct hgpu_sdma_job *job;
		struct dma_fence *fence;

		job = hgpu_sdma_job_alloc(hdev, HGPU_SDMA_IB_DW);
		if (IS_ERR(job))
			return PTR_ERR(job);
		/* As many of the buffer's pieces as fit, 4 MiB of each. */
		while (page < npages &&
		       job->ndw + HGPU_SDMA_CONST_FILL_DW <= job->max_dw) {
			u64 n, offset = hgpu_bo_vram_page(bo, page, &n);

			n = min_t(u64, n, HGPU_SDMA_FILL_MAX_BYTES / PAGE_SIZE);
			hgpu_sdma_emit_fill(job, hgpu_vram_mc_addr(hdev, offset),
					    0, n * PAGE_SIZE);
			page += n;
		}
		fence = hgpu_sdma_job_submit(job);
		err = hgpu_fence_wait(fence);
		dma_fence_put(fence);
	}
	return err;
}

/* A job behind all others: when it is done, so are they. */
void hgpu_sdma_suspend(struct hgpu_device *hdev)
	__acquires(&hdev->sdma.submit_lock)
{
	struct hgpu_sdma_job *job = hgpu_sdma_job_alloc(hdev, 1);
	struct dma_fence *fence;

	mutex_lock(&hdev->sdma.submit_lock);
	if (IS_ERR(job))
		return;
	hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_NOP, 0));
	fence = hgpu_sdma_job_submit_locked(job);
	hgpu_fence_wait(fence);
	dma_fence_put(fence);
}

int hgpu_sdma_resume(struct hgpu_device *hdev)
	__releases(&hdev->sdma.submit_lock)
{
	int err = hgpu_ring_start(hdev, &hdev->sdma.ring);

	if (err)
		hgpu_sdma_kill(hdev);
	mutex_unlock(&hdev->sdma.submit_lock);
	return err;
}
