/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of one GPU, shown by debugfs (hmm_gpu/<gpu>/stats), never reset
 * while the GPU is bound. They are what tests and the demonstration print.
 */
#ifndef HGPU_STATS_H
#define HGPU_STATS_H

#include <linux/atomic.h>
#include <linux/types.h>

/*
 * The one list: COUNTER(name). The name is the member of struct hgpu_stats
 * and the word in the debugfs file; tests parse it, so it does not change.
 */
#define HGPU_STATS(COUNTER)						\
	/* faults */							\
	COUNTER(gpu_faults)		/* fault entries handled */	\
	COUNTER(gpu_faults_filtered)	/* repeats dropped */		\
	COUNTER(gpu_faults_noretry)	/* no-retry: the queue halts */	\
	COUNTER(gpu_faults_failed)	/* could not be resolved */	\
	COUNTER(fault_retries)		/* handling started over */	\
	COUNTER(cpu_faults)		/* migrate_to_ram calls */	\
	COUNTER(cpu_faults_failed)	/* ... that ended in SIGBUS */	\
	/* migration */							\
	COUNTER(pages_to_vram)						\
	COUNTER(pages_from_peers)	/* of these, by direct copy */	\
	COUNTER(pages_to_ram)						\
	COUNTER(pages_not_migrated)	/* collected, then left where they were */ \
	COUNTER(migrate_again)		/* granules collected once more */ \
	COUNTER(migrate_partial)	/* ... and still not all of the pages */ \
	COUNTER(holes_filled)		/* pages that were made by a fill */ \
	COUNTER(migrate_ns)		/* in migration, all of it */	\
	COUNTER(migrate_core_mm_ns)	/* of it in migrate_vma_*, hmm, dma_map */ \
	COUNTER(migrate_sdma_wait_ns)	/* of it waiting for SDMA */	\
	COUNTER(vram_full)		/* fell back to system memory */ \
	COUNTER(evictions)		/* chunks that others needed */	\
	COUNTER(evictions_refused)	/* ... and could not have */	\
	COUNTER(evictions_forgone)	/* ... for what goes round */	\
	COUNTER(pages_evicted)		/* of pages_to_ram */		\
	COUNTER(pages_moved_found)	/* ... that had moved, and were let go */ \
	COUNTER(vram_chunks_alloc)					\
	COUNTER(vram_chunks_freed)					\
	COUNTER(vram_pages_freed)	/* page_free callbacks */	\
	/* GPU page tables */						\
	COUNTER(ptes_written)						\
	COUNTER(ptes_zapped)						\
	COUNTER(tlb_flushes)						\
	COUNTER(tlb_flush_timeouts)					\
	COUNTER(notifier_invalidations)					\
	/* SDMA */							\
	COUNTER(sdma_jobs)		/* put on the kernel ring */	\
	COUNTER(sdma_bytes)		/* copied or filled by them */	\
	COUNTER(sdma_errors)		/* jobs that failed */		\
	COUNTER(sdma_resets)		/* kernel ring recovered */	\
	COUNTER(doorbells)		/* rung on the kernel ring */	\
	COUNTER(sdma_traps)		/* TRAP entries of the kernel ring */ \
	COUNTER(gart_binds)						\
	/* interrupts */						\
	COUNTER(interrupts)		/* of vector 0 */		\
	COUNTER(ih_entries)						\
	COUNTER(ih_unclaimed)		/* entries without a handler */	\
	COUNTER(ih_overflows)						\
	/* queues */							\
	COUNTER(queues_created)						\
	COUNTER(queues_destroyed)					\
	COUNTER(queues_evicted)		/* stopped, or made while others were */ \
	COUNTER(queues_restored)	/* ... that run again */	\
	/* virgl engine */						\
	COUNTER(virgl_contexts)		/* made */			\
	COUNTER(virgl_contexts_lost)					\
	COUNTER(virgl_contexts_stuck)	/* did not end */		\
	COUNTER(virgl_jobs)		/* started, of all kinds */	\
	COUNTER(virgl_errors)		/* ... that failed */		\
	COUNTER(virgl_faults)		/* retry faults that they took */ \
	/* events */							\
	COUNTER(smi_events_dropped)	/* no room: read too slowly */

/*
 * struct hgpu_stats - the counters of one GPU
 *
 * Monotonic; times are nanoseconds. Each is updated alone, so a reader may
 * see two of them a moment apart.
 */
struct hgpu_stats {
#define HGPU_STATS_MEMBER(name) atomic64_t name;
	HGPU_STATS(HGPU_STATS_MEMBER)
#undef HGPU_STATS_MEMBER
};

/**
 * hgpu_stat_add() - count
 * @hdev: the GPU
 * @name: a member of struct hgpu_stats
 * @n: how many
 *
 * Context: any.
 */
#define hgpu_stat_add(hdev, name, n)	atomic64_add(n, &(hdev)->stats.name)
#define hgpu_stat_inc(hdev, name)	atomic64_inc(&(hdev)->stats.name)
#define hgpu_stat_read(hdev, name)	((u64)atomic64_read(&(hdev)->stats.name))

#endif /* HGPU_STATS_H */
