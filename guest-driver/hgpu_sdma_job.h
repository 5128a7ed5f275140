/* SPDX-License-Identifier: GPL-2.0-only */
/* A job from the inside; for hgpu_sdma_*.c only. */
#ifndef HGPU_SDMA_JOB_H
#define HGPU_SDMA_JOB_H

#include <drm/gpu_scheduler.h>
#include <linux/dma-fence.h>
#include <linux/list.h>

struct hgpu_device;

/*
 * enum hgpu_sdma_job_state - where a job is
 *
 *   alloc --> BUILT --submit--> QUEUED --run_job--> RINGED --fence--> DONE
 *               |                  |                   |
 *               v freed            v freed: never run  +- failed --> DONE
 *
 * Changed by hgpu_sdma_job_set_state() only. From QUEUED on under
 * &hgpu_sdma.fence_lock.
 */
enum hgpu_sdma_job_state {
	HGPU_SDMA_JOB_BUILT,	/* its owner's; the hardware fence is not set up */
	HGPU_SDMA_JOB_QUEUED,	/* the scheduler's */
	HGPU_SDMA_JOB_RINGED,	/* on &hgpu_sdma.pending, fence set up */
	HGPU_SDMA_JOB_DONE,	/* fence signalled */
};

/**
 * struct hgpu_sdma_job - one indirect buffer on its way
 * @hw: the hardware fence; first, as its last reference frees the job
 * @base: the scheduler's part
 * @hdev: the GPU
 * @link: in &hgpu_sdma.pending
 * @state: see there
 * @slot: of the IB pool
 * @ib: the slot's memory
 * @ndw: dwords emitted
 * @max_dw: dwords asked for
 * @bytes: copied or filled, for the statistics
 * @seqno: of @hw, and the value of the FENCE packet
 * @error: found while building; the job is then never run
 */
struct hgpu_sdma_job {
	struct dma_fence hw;
	struct drm_sched_job base;
	struct hgpu_device *hdev;
	struct list_head link;
	enum hgpu_sdma_job_state state;
	unsigned int slot;
	__le32 *ib;
	u32 ndw;
	u32 max_dw;
	u64 bytes;
	u32 seqno;
	int error;
};

static inline struct hgpu_sdma_job *to_hgpu_job(struct drm_sched_job *base)
{
	return container_of(base, struct hgpu_sdma_job, base);
}

void hgpu_sdma_job_set_state(struct hgpu_sdma_job *job,
			     enum hgpu_sdma_job_state state);
void hgpu_sdma_slot_put(struct hgpu_device *hdev, unsigned int slot);

/* Appends one dword; for packets that have no emit function (tests). */
void hgpu_sdma_emit(struct hgpu_sdma_job *job, u32 dword);

/* Zeroes a VRAM buffer; &hgpu_vram.clear. */
int hgpu_sdma_clear_bo(struct hgpu_device *hdev, struct hgpu_bo *bo);

#endif /* HGPU_SDMA_JOB_H */
