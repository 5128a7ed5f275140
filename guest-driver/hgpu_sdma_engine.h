/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's SDMA queue: jobs, fences, recovery.
 *
 * One ring (engine 0, context PAGE), one scheduler, one entity, so jobs run in
 * the order in which they are submitted. A job is an indirect buffer out of a
 * pool that was allocated once; submitting rings one doorbell and raises one
 * interrupt when done.
 *
 * Addresses in packets are VMID 0's: VRAM is hgpu_vram_mc_addr(), system
 * memory is in the GART (a transfer window, or hgpu_gart_bind()).
 *
 * Not hgpu_sdma.h, which is the protocol's.
 */
#ifndef HGPU_SDMA_ENGINE_H
#define HGPU_SDMA_ENGINE_H

#include "hgpu_compat.h"
#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "hgpu_gart.h"
#include "hgpu_ring.h"
#include "hgpu_sdma.h"

struct hgpu_device;
struct hgpu_sdma_job;

#define HGPU_SDMA_IB_SLOTS	32
#define HGPU_SDMA_IB_DW		8192	/* dwords of a slot: a job's limit */

/* Dwords that the emit functions need, for hgpu_sdma_job_alloc() */
#define HGPU_SDMA_COPY_DW(bytes)					\
	(HGPU_SDMA_COPY_LINEAR_DW *					\
	 DIV_ROUND_UP_ULL(bytes, HGPU_SDMA_COPY_MAX_BYTES))
#define HGPU_SDMA_FILL_DW(bytes)					\
	(HGPU_SDMA_CONST_FILL_DW *					\
	 DIV_ROUND_UP_ULL(bytes, HGPU_SDMA_FILL_MAX_BYTES))
#define HGPU_SDMA_WINDOW_DW(npages)					\
	(HGPU_SDMA_WRITE_DW + 2 * (npages) +				\
	 HGPU_SDMA_SRBM_WRITE_DW + HGPU_SDMA_POLL_REGMEM_DW)

/**
 * struct hgpu_sdma - the kernel's SDMA queue of one GPU
 * @ring: the ring
 * @sched: runs jobs in order, and notices those that do not end
 * @entity: the one source of jobs
 * @submit_wq: where @sched works; WQ_MEM_RECLAIM, since migration waits for it
 * @timeout_wq: where @sched recovers; another, as recovery stops the first
 * @ib: the pool
 * @ib_free: which slots of @ib are free; atomic bit operations
 * @ib_wait: who waits for a slot
 * @submit_lock: a job is armed and pushed under it, so that both happen in the
 *	same order; below the migrate mutex, above nothing that sleeps
 * @fence_lock: protects @pending, @emitted and the state of the jobs on it; the
 *	lock of the hardware fences; interrupts off
 * @pending: jobs on the ring, in order
 * @fence_context: of the hardware fences
 * @emitted: seqno of the newest job on the ring
 * @halted: the device has halted the ring and recovery is on its way; written
 *	under &hgpu_ih.lock, by recovery when no interrupt can come
 * @dead: the GPU is gone or being torn down: jobs fail at once with -ENODEV
 */
struct hgpu_sdma {
	struct hgpu_ring ring;
	struct drm_gpu_scheduler sched;
	struct drm_sched_entity entity;
	struct workqueue_struct *submit_wq;
	struct workqueue_struct *timeout_wq;
	struct hgpu_gtt_mem ib[HGPU_SDMA_IB_SLOTS];
	unsigned long ib_free;
	wait_queue_head_t ib_wait;
	struct mutex submit_lock;
	spinlock_t fence_lock;
	struct list_head pending;
	u64 fence_context;
	u32 emitted;
	bool halted;
	bool dead;
};

/**
 * hgpu_sdma_job_alloc() - a job, empty
 * @hdev: the GPU
 * @ndw: dwords that will be emitted, at most HGPU_SDMA_IB_DW
 *
 * Takes a slot of the pool and waits for one if all are taken: a caller must
 * not hold jobs unsubmitted while it waits for another thread's.
 *
 * Context: process context, may sleep; GFP_KERNEL.
 * Return: the job; ERR_PTR of -ENOMEM, -EINVAL (too long), -ENODEV.
 */
struct hgpu_sdma_job *hgpu_sdma_job_alloc(struct hgpu_device *hdev, u32 ndw);

/**
 * hgpu_sdma_emit_copy() - copy
 * @job: the job
 * @src: VMID 0 address
 * @dst: VMID 0 address
 * @bytes: not 0; split into packets as needed
 *
 * This and the other emit functions: Context: any. A job that outgrows its
 * @ndw keeps its length, warns once, and fails with -EOVERFLOW when submitted.
 */
void hgpu_sdma_emit_copy(struct hgpu_sdma_job *job, u64 src, u64 dst,
			 u64 bytes);

/**
 * hgpu_sdma_emit_fill() - fill with a dword
 * @job: the job
 * @dst: VMID 0 address, 4-byte aligned
 * @value: the dword
 * @bytes: not 0; split into packets as needed
 */
void hgpu_sdma_emit_fill(struct hgpu_sdma_job *job, u64 dst, u32 value,
			 u64 bytes);

/**
 * hgpu_sdma_emit_gart_window() - point a transfer window at system pages
 * @job: the job
 * @window: below HGPU_GART_WINDOWS; jobs run one after the other, so a window is
 *	free for the next job whatever the last one did with it
 * @addr: bus addresses; entry i becomes the window's page i
 * @npages: at most HGPU_GART_WINDOW_PAGES
 * @gart_flags: HGPU_GART_READ, HGPU_GART_WRITE: what the GPU may do to them
 *
 * Writes the PTEs, invalidates VMID 0 and waits for the acknowledgement, all
 * on the ring. The window keeps pointing there until it is pointed elsewhere;
 * only this job's later packets may rely on it. An entry whose address is
 * DMA_MAPPING_ERROR becomes an invalid PTE (a page that is not copied).
 */
void hgpu_sdma_emit_gart_window(struct hgpu_sdma_job *job, unsigned int window,
				const dma_addr_t *addr, u32 npages,
				u32 gart_flags);

/**
 * hgpu_sdma_job_submit() - hand the job to the ring
 * @job: the job; consumed, also on failure
 *
 * Jobs run in the order of this call. Everything that was emitted is done,
 * and visible to the CPU, when the fence signals without error.
 *
 * Context: process context, may sleep, allocates nothing; in the signalling
 * path of nobody's fence.
 * Return: a reference to the finished fence, never NULL, never an error: what
 * went wrong is the fence's error.
 */
struct dma_fence *hgpu_sdma_job_submit(struct hgpu_sdma_job *job);

/**
 * hgpu_sdma_job_free() - throw away a job that was not submitted
 * @job: the job, or NULL
 *
 * Context: process context.
 */
void hgpu_sdma_job_free(struct hgpu_sdma_job *job);

/**
 * hgpu_fence_wait() - wait for a job
 * @fence: from hgpu_sdma_job_submit(); the reference stays the caller's
 *
 * Not interruptible: it ends, since a job that does not is failed after the
 * module parameter fence_timeout_ms.
 *
 * Context: process context, may sleep. Not in a notifier.
 * Return: 0, or the job's error: -ETIME, -EIO (the engine refused a packet or
 * lost a transaction), -ENODEV, -EOVERFLOW.
 */
long hgpu_fence_wait(struct dma_fence *fence);

/*
 * For hgpu_device.c. _suspend() waits until the ring is idle and keeps new jobs
 * out until _resume(), by the same task, has started the ring again.
 */
int hgpu_sdma_init(struct hgpu_device *hdev);
int hgpu_sdma_selftest(struct hgpu_device *hdev);
void hgpu_sdma_kill(struct hgpu_device *hdev);
void hgpu_sdma_suspend(struct hgpu_device *hdev);
int hgpu_sdma_resume(struct hgpu_device *hdev);
void hgpu_sdma_fini(struct hgpu_device *hdev);

#endif /* HGPU_SDMA_ENGINE_H */
