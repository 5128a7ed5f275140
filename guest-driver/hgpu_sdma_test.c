// SPDX-License-Identifier: GPL-2.0-only
/*
 * SDMA's self-test at probe, and jobs that are meant to fail (debugfs, for the
 * tests of recovery).
 */

#include <linux/iosys-map.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_sdma_job.h"
#include "hgpu_sdma_test.h"

#define HGPU_SELFTEST_TIMEOUT	(5 * HZ)
#define HGPU_SELFTEST_PATTERN	0x600df00du

/*
 * Submits, waits, and says what is broken when nothing comes: the engine, or
 * the interrupt.
 */
static int hgpu_selftest_run(struct hgpu_device *hdev,
			     struct hgpu_sdma_job *job, const char *what)
{
	struct hgpu_ring *ring = &hdev->sdma.ring;
	u32 before = hgpu_ring_fence_value(ring);
	struct dma_fence *fence;
	long left;
	int err;

	fence = hgpu_sdma_job_submit(job);
	left = dma_fence_wait_timeout(fence, false, HGPU_SELFTEST_TIMEOUT);
	err = left > 0 ? min(dma_fence_get_status(fence), 0) : -ETIME;
	dma_fence_put(fence);
	if (!err)
		return 0;

	if (left <= 0 && hgpu_ring_fence_value(ring) != before)
		drm_err(&hdev->drm, "self-test (%s): the job is done, but no interrupt came\n",
			what);
	else
		drm_err(&hdev->drm, "self-test (%s): error %d, SDMA0 context status %#x, rptr %#llx\n",
			what, err, hgpu_ring_status(hdev, ring),
			hgpu_ring_rptr(ring));
	return err;
}

static int hgpu_selftest_ring(struct hgpu_device *hdev)
{
	struct hgpu_sdma_job *job = hgpu_sdma_job_alloc(hdev, 1);

	if (IS_ERR(job))
		return PTR_ERR(job);
	hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_NOP, 0));
	return hgpu_selftest_run(hdev, job, "ring");
}

/* System page -> transfer window -> VRAM -> bound GART page. */
static struct hgpu_sdma_job *
hgpu_selftest_copy_job(struct hgpu_device *hdev, const struct hgpu_gtt_mem *mem,
		       struct hgpu_bo *bo)
{
	u64 vram = hgpu_vram_mc_addr(hdev, hgpu_bo_vram_offset(bo));
	struct hgpu_sdma_job *job;
	dma_addr_t src = mem->dma;

	job = hgpu_sdma_job_alloc(hdev, HGPU_SDMA_WINDOW_DW(1) +
				  2 * HGPU_SDMA_COPY_LINEAR_DW);
	if (IS_ERR(job))
		return job;
	hgpu_sdma_emit_gart_window(job, 0, &src, 1, HGPU_GART_READ);
	hgpu_sdma_emit_copy(job, hgpu_gart_window_addr(hdev, 0), vram,
			    PAGE_SIZE);
	hgpu_sdma_emit_copy(job, vram, mem->gpu + PAGE_SIZE, PAGE_SIZE);
	return job;
}

static int hgpu_selftest_verify(struct hgpu_device *hdev, const u32 *dst)
{
	int i;

	for (i = 0; i < PAGE_SIZE / sizeof(u32); i++) {
		if (dst[i] == HGPU_SELFTEST_PATTERN + i)
			continue;
		drm_err(&hdev->drm, "self-test (copy): dword %d is %#x, not %#x\n",
			i, dst[i], HGPU_SELFTEST_PATTERN + i);
		return -EIO;
	}
	return 0;
}

static int hgpu_selftest_copy(struct hgpu_device *hdev)
{
	struct hgpu_sdma_job *job;
	struct hgpu_gtt_mem mem;
	struct hgpu_bo *bo;
	u32 *src;
	int i, err;

	err = hgpu_gtt_alloc(hdev, 2 * PAGE_SIZE, &mem);
	if (err)
		return err;
	err = hgpu_bo_create(hdev, PAGE_SIZE, 0, HGPU_DOMAIN_VRAM,
			     HGPU_BO_CONTIGUOUS | HGPU_BO_KERNEL, &bo);
	if (err)
		goto err_mem;

	src = mem.cpu;
	for (i = 0; i < PAGE_SIZE / sizeof(u32); i++)
		src[i] = HGPU_SELFTEST_PATTERN + i;
	job = hgpu_selftest_copy_job(hdev, &mem, bo);
	if (IS_ERR(job)) {
		err = PTR_ERR(job);
		goto err_bo;
	}
	err = hgpu_selftest_run(hdev, job, "copy");
	if (!err)
		err = hgpu_selftest_verify(hdev, mem.cpu + PAGE_SIZE);
	else
		/* The job may still come to life: nothing of it in use then. */
		hgpu_ring_stop(hdev, &hdev->sdma.ring);

err_bo:
	hgpu_bo_put(bo);
err_mem:
	hgpu_gtt_free(hdev, &mem);
	return err;
}

int hgpu_sdma_selftest(struct hgpu_device *hdev)
{
	int err;

	err = hgpu_selftest_ring(hdev);
	if (err)
		return err;
	return hgpu_selftest_copy(hdev);
}

static void hgpu_inject_hang(struct hgpu_sdma_job *job)
{
	/* Waits for ever for a register that never gets this value. */
	hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_POLL_REGMEM, 0) |
		       FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
				  HGPU_SDMA_POLL_FUNC_EQ));
	hgpu_sdma_emit(job, HGPU_ID);
	hgpu_sdma_emit(job, 0);
	hgpu_sdma_emit(job, ~HGPU_ID_VALUE);
	hgpu_sdma_emit(job, ~0u);
	hgpu_sdma_emit(job,
		       FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 10000) |
		       FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT,
				  HGPU_SDMA_POLL_RETRY_FOREVER));
}

static void hgpu_inject_illegal(struct hgpu_sdma_job *job)
{
	hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(0xff, 0));
}

static void hgpu_inject_fault(struct hgpu_sdma_job *job)
{
	/* Neither the FB aperture nor the GART is at 0. */
	hgpu_sdma_emit_copy(job, 0, 0, PAGE_SIZE);
}

static const struct {
	const char *name;
	void (*emit)(struct hgpu_sdma_job *job);
	int error;
} hgpu_injections[] = {
	{ "hang", hgpu_inject_hang, -ETIME },
	{ "illegal", hgpu_inject_illegal, -EIO },
	{ "fault", hgpu_inject_fault, -EIO },
};

/* A good job, a bad one, a good one: only the bad one may fail. */
static int hgpu_inject_run(struct hgpu_device *hdev, int which)
{
	struct dma_fence *fence[3] = {};
	int i, err = 0;
	long status;

	for (i = 0; i < ARRAY_SIZE(fence); i++) {
		struct hgpu_sdma_job *job = hgpu_sdma_job_alloc(hdev, 16);

		if (IS_ERR(job)) {
			err = PTR_ERR(job);
			break;
		}
		if (i == 1)
			hgpu_injections[which].emit(job);
		else
			hgpu_sdma_emit(job, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_NOP, 0));
		fence[i] = hgpu_sdma_job_submit(job);
	}
	for (i = 0; i < ARRAY_SIZE(fence); i++) {
		if (!fence[i])
			continue;
		status = hgpu_fence_wait(fence[i]);
		dma_fence_put(fence[i]);
		if (!err && status != (i == 1 ? hgpu_injections[which].error : 0)) {
			drm_err(&hdev->drm, "inject %s: job %d ended with %ld\n",
				hgpu_injections[which].name, i, status);
			err = -EUCLEAN;
		}
	}
	return err;
}

int hgpu_sdma_inject(struct hgpu_device *hdev, const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(hgpu_injections); i++)
		if (sysfs_streq(name, hgpu_injections[i].name))
			return hgpu_inject_run(hdev, i);
	return -EINVAL;
}
