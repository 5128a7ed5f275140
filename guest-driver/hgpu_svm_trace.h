/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of shared virtual memory. Pages are virtual page numbers; id is
 * that of the interrupt entry which has reported the GPU fault, or 0.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hmm_gpu_svm

#if !defined(HGPU_SVM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HGPU_SVM_TRACE_H

#include <linux/dma-direction.h>
#include <linux/tracepoint.h>

#include "hgpu_device.h"
#include "hgpu_svm.h"

DECLARE_EVENT_CLASS(hgpu_svm_range,
	TP_PROTO(pid_t pid, u64 first, u64 last),
	TP_ARGS(pid, first, last),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, first)
		__field(u64, last)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->first = first;
		__entry->last = last;
	),
	TP_printk("pid=%d pages=%#llx-%#llx", __entry->pid, __entry->first,
		  __entry->last)
);

DEFINE_EVENT(hgpu_svm_range, hgpu_svm_range_new,
	TP_PROTO(pid_t pid, u64 first, u64 last), TP_ARGS(pid, first, last));
DEFINE_EVENT(hgpu_svm_range, hgpu_svm_range_free,
	TP_PROTO(pid_t pid, u64 first, u64 last), TP_ARGS(pid, first, last));

TRACE_EVENT(hgpu_svm_invalidate,
	TP_PROTO(pid_t pid, u64 first, u64 last, unsigned int event),
	TP_ARGS(pid, first, last, event),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, first)
		__field(u64, last)
		__field(unsigned int, event)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->first = first;
		__entry->last = last;
		__entry->event = event;
	),
	TP_printk("pid=%d pages=%#llx-%#llx event=%u", __entry->pid,
		  __entry->first, __entry->last, __entry->event)
);

TRACE_EVENT(hgpu_svm_restore,
	TP_PROTO(pid_t pid, int err),
	TP_ARGS(pid, err),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->err = err;
	),
	TP_printk("pid=%d err=%d", __entry->pid, __entry->err)
);

TRACE_EVENT(hgpu_svm_map,
	TP_PROTO(const struct hgpu_svms *svms, unsigned int gpu, u64 first,
		 u64 last, u32 flags),
	TP_ARGS(svms, gpu, first, last, flags),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u32, id)
		__field(u64, first)
		__field(u64, last)
		__field(u32, flags)
		__field(u8, gpu)
	),
	TP_fast_assign(
		__entry->pid = svms->pid;
		__entry->id = svms->fault_id;
		__entry->first = first;
		__entry->last = last;
		__entry->flags = flags;
		__entry->gpu = gpu;
	),
	TP_printk("pid=%d gpu=%u id=%u pages=%#llx-%#llx flags=%#x",
		  __entry->pid, __entry->gpu, __entry->id, __entry->first,
		  __entry->last, __entry->flags)
);

/* Parked accesses are walked again, after these pages have been mapped. */
TRACE_EVENT(hgpu_svm_replay,
	TP_PROTO(const struct hgpu_svms *svms, unsigned int gpu, u64 first,
		 u32 npages),
	TP_ARGS(svms, gpu, first, npages),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u32, id)
		__field(u64, first)
		__field(u32, npages)
		__field(u8, gpu)
	),
	TP_fast_assign(
		__entry->pid = svms->pid;
		__entry->id = svms->fault_id;
		__entry->first = first;
		__entry->npages = npages;
		__entry->gpu = gpu;
	),
	TP_printk("pid=%d gpu=%u id=%u page=%#llx pages=%u", __entry->pid,
		  __entry->gpu, __entry->id, __entry->first, __entry->npages)
);

TRACE_EVENT(hgpu_svm_fault,
	TP_PROTO(pid_t pid, const struct hgpu_svm_fault *fault),
	TP_ARGS(pid, fault),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, page)
		__field(u32, id)
		__field(u64, timestamp)
		__field(u8, gpu)
		__field(u8, flags)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->page = fault->page;
		__entry->id = fault->id;
		__entry->timestamp = fault->timestamp;
		__entry->gpu = fault->gpu;
		__entry->flags = fault->flags;
	),
	TP_printk("pid=%d gpu=%u id=%u page=%#llx write=%d retry=%d clock=%llu",
		  __entry->pid, __entry->gpu, __entry->id, __entry->page,
		  !!(__entry->flags & HGPU_SVM_FAULT_WRITE),
		  !(__entry->flags & HGPU_SVM_FAULT_NORETRY),
		  __entry->timestamp)
);

DECLARE_EVENT_CLASS(hgpu_svm_fault_result,
	TP_PROTO(pid_t pid, const struct hgpu_svm_fault *fault, int err),
	TP_ARGS(pid, fault, err),
	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(u64, page)
		__field(u32, id)
		__field(u64, timestamp)
		__field(u8, gpu)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->pid = pid;
		__entry->page = fault->page;
		__entry->id = fault->id;
		__entry->timestamp = fault->timestamp;
		__entry->gpu = fault->gpu;
		__entry->err = err;
	),
	TP_printk("pid=%d gpu=%u id=%u page=%#llx clock=%llu err=%d",
		  __entry->pid, __entry->gpu, __entry->id, __entry->page,
		  __entry->timestamp, __entry->err)
);

DEFINE_EVENT(hgpu_svm_fault_result, hgpu_svm_fault_done,
	TP_PROTO(pid_t pid, const struct hgpu_svm_fault *fault, int err),
	TP_ARGS(pid, fault, err));
DEFINE_EVENT(hgpu_svm_fault_result, hgpu_svm_fault_filtered,
	TP_PROTO(pid_t pid, const struct hgpu_svm_fault *fault, int err),
	TP_ARGS(pid, fault, err));
DEFINE_EVENT(hgpu_svm_fault_result, hgpu_svm_deny,
	TP_PROTO(pid_t pid, const struct hgpu_svm_fault *fault, int err),
	TP_ARGS(pid, fault, err));

TRACE_EVENT(hgpu_svm_cpu_fault,
	TP_PROTO(struct hgpu_device *hdev, unsigned long addr, unsigned long pfn),
	TP_ARGS(hdev, addr, pfn),
	TP_STRUCT__entry(
		__field(int, index)
		__field(unsigned long, addr)
		__field(unsigned long, pfn)
	),
	TP_fast_assign(
		__entry->index = hdev->index;
		__entry->addr = addr;
		__entry->pfn = pfn;
	),
	TP_printk("gpu%d addr=%#lx pfn=%#lx", __entry->index, __entry->addr,
		  __entry->pfn)
);

TRACE_EVENT(hgpu_svm_migrated,
	TP_PROTO(struct hgpu_device *hdev, u32 id, unsigned long addr,
		 u32 npages, long moved, enum dma_data_direction dir, int err),
	TP_ARGS(hdev, id, addr, npages, moved, dir, err),
	TP_STRUCT__entry(
		__field(int, index)
		__field(u32, id)
		__field(unsigned long, addr)
		__field(u32, npages)
		__field(long, moved)
		__field(bool, to_vram)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->index = hdev->index;
		__entry->id = id;
		__entry->addr = addr;
		__entry->npages = npages;
		__entry->moved = moved;
		__entry->to_vram = dir == DMA_TO_DEVICE;
		__entry->err = err;
	),
	TP_printk("gpu%d id=%u addr=%#lx pages=%u moved=%ld to=%s err=%d",
		  __entry->index, __entry->id, __entry->addr,
		  __entry->npages, __entry->moved,
		  __entry->to_vram ? "vram" : "ram", __entry->err)
);

DECLARE_EVENT_CLASS(hgpu_svm_chunk,
	TP_PROTO(const struct hgpu_svm_chunk *chunk),
	TP_ARGS(chunk),
	TP_STRUCT__entry(
		__field(int, index)
		__field(unsigned long, pfn)
		__field(unsigned long, va)
		__field(u32, npages)
	),
	TP_fast_assign(
		__entry->index = chunk->hdev->index;
		__entry->pfn = chunk->pfn;
		__entry->va = chunk->va;
		__entry->npages = chunk->npages;
	),
	TP_printk("gpu%d pfn=%#lx va=%#lx pages=%u", __entry->index,
		  __entry->pfn, __entry->va, __entry->npages)
);

DEFINE_EVENT(hgpu_svm_chunk, hgpu_svm_chunk_new,
	TP_PROTO(const struct hgpu_svm_chunk *chunk), TP_ARGS(chunk));
DEFINE_EVENT(hgpu_svm_chunk, hgpu_svm_chunk_free,
	TP_PROTO(const struct hgpu_svm_chunk *chunk), TP_ARGS(chunk));

TRACE_EVENT(hgpu_svm_evicted,
	TP_PROTO(const struct hgpu_svm_chunk *chunk, long moved, int err),
	TP_ARGS(chunk, moved, err),
	TP_STRUCT__entry(
		__field(int, index)
		__field(unsigned long, pfn)
		__field(long, moved)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->index = chunk->hdev->index;
		__entry->pfn = chunk->pfn;
		__entry->moved = moved;
		__entry->err = err;
	),
	TP_printk("gpu%d pfn=%#lx moved=%ld err=%d", __entry->index,
		  __entry->pfn, __entry->moved, __entry->err)
);

TRACE_EVENT(hgpu_svm_goes_round,
	TP_PROTO(struct hgpu_device *hdev, pid_t pid, unsigned long va),
	TP_ARGS(hdev, pid, va),
	TP_STRUCT__entry(
		__field(int, index)
		__field(pid_t, pid)
		__field(unsigned long, va)
	),
	TP_fast_assign(
		__entry->index = hdev->index;
		__entry->pid = pid;
		__entry->va = va;
	),
	TP_printk("gpu%d pid=%d va=%#lx", __entry->index, __entry->pid,
		  __entry->va)
);

#endif /* HGPU_SVM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE hgpu_svm_trace
#include <trace/define_trace.h>
