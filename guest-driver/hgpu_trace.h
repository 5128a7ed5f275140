/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the base. The seqno of an SDMA job is the value of its FENCE
 * packet, and the words of an interrupt entry are the device's, so both can be
 * found again in the trace of QEMU. The id of an interrupt entry is that of the
 * GPU fault it reports, in all events until the access is replayed.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM hmm_gpu

#if !defined(HGPU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HGPU_TRACE_H

#include <linux/tracepoint.h>

#include "hgpu_device.h"

TRACE_EVENT(hgpu_ih_entry,
	TP_PROTO(const struct hgpu_device *hdev, const struct hgpu_iv *iv),
	TP_ARGS(hdev, iv),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u8, client)
		__field(u8, src)
		__field(u8, ring)
		__field(u8, vmid)
		__field(u16, pasid)
		__field(u32, data0)
		__field(u32, data1)
		__field(u32, data2)
		__field(u32, id)
		__field(u64, timestamp)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->id = iv->id;
		__entry->client = iv->client_id;
		__entry->src = iv->src_id;
		__entry->ring = iv->ring_id;
		__entry->vmid = iv->vmid;
		__entry->pasid = iv->pasid;
		__entry->data0 = iv->src_data[0];
		__entry->data1 = iv->src_data[1];
		__entry->data2 = iv->src_data[2];
		__entry->timestamp = iv->timestamp;
	),
	TP_printk("gpu=%d id=%u client=0x%02x src=%u ring=0x%x vmid=%u pasid=%u data=0x%x,0x%x,0x%x timestamp=%llu",
		  __entry->gpu, __entry->id, __entry->client, __entry->src,
		  __entry->ring, __entry->vmid, __entry->pasid, __entry->data0,
		  __entry->data1, __entry->data2, __entry->timestamp)
);

TRACE_EVENT(hgpu_ih_overflow,
	TP_PROTO(const struct hgpu_device *hdev, u32 rptr, u32 wptr),
	TP_ARGS(hdev, rptr, wptr),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, rptr)
		__field(u32, wptr)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->rptr = rptr;
		__entry->wptr = wptr;
	),
	TP_printk("gpu=%d rptr=0x%x wptr=0x%x",
		  __entry->gpu, __entry->rptr, __entry->wptr)
);

TRACE_EVENT(hgpu_sdma_run,
	TP_PROTO(const struct hgpu_device *hdev, u32 seqno, u32 ndw, u64 bytes,
		 u64 wptr),
	TP_ARGS(hdev, seqno, ndw, bytes, wptr),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, seqno)
		__field(u32, ndw)
		__field(u64, bytes)
		__field(u64, wptr)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->seqno = seqno;
		__entry->ndw = ndw;
		__entry->bytes = bytes;
		__entry->wptr = wptr;
	),
	TP_printk("gpu=%d seqno=%u ndw=%u bytes=%llu wptr=0x%llx",
		  __entry->gpu, __entry->seqno, __entry->ndw, __entry->bytes,
		  __entry->wptr)
);

TRACE_EVENT(hgpu_sdma_done,
	TP_PROTO(const struct hgpu_device *hdev, u32 seqno, int error),
	TP_ARGS(hdev, seqno, error),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, seqno)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->seqno = seqno;
		__entry->error = error;
	),
	TP_printk("gpu=%d seqno=%u error=%d",
		  __entry->gpu, __entry->seqno, __entry->error)
);

TRACE_EVENT(hgpu_sdma_reset,
	TP_PROTO(const struct hgpu_device *hdev, u32 seqno, u32 status,
		 u64 rptr),
	TP_ARGS(hdev, seqno, status, rptr),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, seqno)
		__field(u32, status)
		__field(u64, rptr)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->seqno = seqno;
		__entry->status = status;
		__entry->rptr = rptr;
	),
	TP_printk("gpu=%d guilty=%u status=0x%x rptr=0x%llx",
		  __entry->gpu, __entry->seqno, __entry->status, __entry->rptr)
);

TRACE_EVENT(hgpu_bo_create,
	TP_PROTO(const struct hgpu_bo *bo, u64 size, int error),
	TP_ARGS(bo, size, error),
	TP_STRUCT__entry(
		__field(const void *, bo)
		__field(u64, size)
		__field(int, domain)
		__field(u32, flags)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->bo = bo;
		__entry->size = size;
		__entry->domain = bo ? bo->domain : -1;
		__entry->flags = bo ? bo->flags : 0;
		__entry->error = error;
	),
	TP_printk("bo=%p size=%llu domain=%d flags=0x%x error=%d",
		  __entry->bo, __entry->size, __entry->domain, __entry->flags,
		  __entry->error)
);

TRACE_EVENT(hgpu_bo_free,
	TP_PROTO(const struct hgpu_bo *bo),
	TP_ARGS(bo),
	TP_STRUCT__entry(
		__field(const void *, bo)
		__field(u64, size)
	),
	TP_fast_assign(
		__entry->bo = bo;
		__entry->size = bo->tbo.base.size;
	),
	TP_printk("bo=%p size=%llu", __entry->bo, __entry->size)
);

DECLARE_EVENT_CLASS(hgpu_migration,
	TP_PROTO(const struct hgpu_device *hdev,
		 const struct hgpu_smi_migration *what),
	TP_ARGS(hdev, what),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, id)
		__field(pid_t, pid)
		__field(unsigned long, first)
		__field(unsigned long, npages)
		__field(u32, from)
		__field(u32, to)
		__field(int, trigger)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->id = what->fault_id;
		__entry->pid = what->pid;
		__entry->first = what->first;
		__entry->npages = what->npages;
		__entry->from = what->from;
		__entry->to = what->to;
		__entry->trigger = what->trigger;
	),
	TP_printk("gpu=%d id=%u pid=%d page=0x%lx pages=%lu from=0x%x to=0x%x trigger=%d",
		  __entry->gpu, __entry->id, __entry->pid, __entry->first,
		  __entry->npages, __entry->from, __entry->to,
		  __entry->trigger)
);

DEFINE_EVENT(hgpu_migration, hgpu_migrate_start,
	TP_PROTO(const struct hgpu_device *hdev,
		 const struct hgpu_smi_migration *what),
	TP_ARGS(hdev, what));
DEFINE_EVENT(hgpu_migration, hgpu_migrate_end,
	TP_PROTO(const struct hgpu_device *hdev,
		 const struct hgpu_smi_migration *what),
	TP_ARGS(hdev, what));

DECLARE_EVENT_CLASS(hgpu_page_fault,
	TP_PROTO(const struct hgpu_device *hdev, pid_t pid, u32 id,
		 unsigned long page, char how),
	TP_ARGS(hdev, pid, id, page, how),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, id)
		__field(pid_t, pid)
		__field(unsigned long, page)
		__field(char, how)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->id = id;
		__entry->pid = pid;
		__entry->page = page;
		__entry->how = how;
	),
	TP_printk("gpu=%d id=%u pid=%d page=0x%lx how=%c", __entry->gpu,
		  __entry->id, __entry->pid, __entry->page, __entry->how)
);

DEFINE_EVENT(hgpu_page_fault, hgpu_page_fault_start,
	TP_PROTO(const struct hgpu_device *hdev, pid_t pid, u32 id,
		 unsigned long page, char how),
	TP_ARGS(hdev, pid, id, page, how));
DEFINE_EVENT(hgpu_page_fault, hgpu_page_fault_end,
	TP_PROTO(const struct hgpu_device *hdev, pid_t pid, u32 id,
		 unsigned long page, char how),
	TP_ARGS(hdev, pid, id, page, how));

TRACE_EVENT(hgpu_unmapped,
	TP_PROTO(const struct hgpu_device *hdev, pid_t pid,
		 unsigned long first, unsigned long last, int trigger),
	TP_ARGS(hdev, pid, first, last, trigger),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(pid_t, pid)
		__field(unsigned long, first)
		__field(unsigned long, last)
		__field(int, trigger)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->pid = pid;
		__entry->first = first;
		__entry->last = last;
		__entry->trigger = trigger;
	),
	TP_printk("gpu=%d pid=%d pages=0x%lx-0x%lx trigger=%d", __entry->gpu,
		  __entry->pid, __entry->first, __entry->last,
		  __entry->trigger)
);


/* All queues of a process on a GPU; trigger: KFD_QUEUE_EVICTION_TRIGGER_* */
TRACE_EVENT(hgpu_queue_eviction,
	TP_PROTO(const struct hgpu_device *hdev, pid_t pid, int trigger),
	TP_ARGS(hdev, pid, trigger),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(pid_t, pid)
		__field(int, trigger)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->pid = pid;
		__entry->trigger = trigger;
	),
	TP_printk("gpu=%d pid=%d trigger=%d", __entry->gpu, __entry->pid,
		  __entry->trigger)
);

/* how: 0: they run; R: they cannot run yet, which is tried again */
TRACE_EVENT(hgpu_queue_restore,
	TP_PROTO(const struct hgpu_device *hdev, pid_t pid, char how),
	TP_ARGS(hdev, pid, how),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(pid_t, pid)
		__field(char, how)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->pid = pid;
		__entry->how = how;
	),
	TP_printk("gpu=%d pid=%d how=%c", __entry->gpu, __entry->pid,
		  __entry->how)
);

TRACE_EVENT(hgpu_reset_start,
	TP_PROTO(const struct hgpu_device *hdev, u32 count, const char *cause),
	TP_ARGS(hdev, count, cause),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, count)
		__string(cause, cause)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->count = count;
		__assign_str(cause);
	),
	TP_printk("gpu=%d count=%u cause=%s", __entry->gpu, __entry->count,
		  __get_str(cause))
);

TRACE_EVENT(hgpu_reset_end,
	TP_PROTO(const struct hgpu_device *hdev, u32 count),
	TP_ARGS(hdev, count),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, count)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->count = count;
	),
	TP_printk("gpu=%d count=%u", __entry->gpu, __entry->count)
);

/* sequence: the context's; the job that it becomes has the slot's, as the device traces it */
TRACE_EVENT(hgpu_virgl_submit,
	TP_PROTO(const struct hgpu_device *hdev, u32 context, u64 sequence,
		 u64 stream, u32 stream_dw, u32 ranges),
	TP_ARGS(hdev, context, sequence, stream, stream_dw, ranges),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, context)
		__field(u64, sequence)
		__field(u64, stream)
		__field(u32, stream_dw)
		__field(u32, ranges)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->context = context;
		__entry->sequence = sequence;
		__entry->stream = stream;
		__entry->stream_dw = stream_dw;
		__entry->ranges = ranges;
	),
	TP_printk("gpu=%d context=%u sequence=%llu stream=0x%llx dw=%u ranges=%u",
		  __entry->gpu, __entry->context, __entry->sequence,
		  __entry->stream, __entry->stream_dw, __entry->ranges)
);

TRACE_EVENT(hgpu_virgl_start,
	TP_PROTO(const struct hgpu_device *hdev, u32 slot, u32 job, u32 context,
		 u32 op, int error),
	TP_ARGS(hdev, slot, job, context, op, error),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, slot)
		__field(u32, job)
		__field(u32, context)
		__field(u32, op)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->slot = slot;
		__entry->job = job;
		__entry->context = context;
		__entry->op = op;
		__entry->error = error;
	),
	TP_printk("gpu=%d slot=%u job=%u context=%u op=%u error=%d",
		  __entry->gpu, __entry->slot, __entry->job, __entry->context,
		  __entry->op, __entry->error)
);

TRACE_EVENT(hgpu_virgl_end,
	TP_PROTO(const struct hgpu_device *hdev, u32 slot, u32 job, u32 status,
		 u32 faults, int error),
	TP_ARGS(hdev, slot, job, status, faults, error),
	TP_STRUCT__entry(
		__field(int, gpu)
		__field(u32, slot)
		__field(u32, job)
		__field(u32, status)
		__field(u32, faults)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->gpu = hdev->index;
		__entry->slot = slot;
		__entry->job = job;
		__entry->status = status;
		__entry->faults = faults;
		__entry->error = error;
	),
	TP_printk("gpu=%d slot=%u job=%u status=%u faults=%u error=%d",
		  __entry->gpu, __entry->slot, __entry->job, __entry->status,
		  __entry->faults, __entry->error)
);

#endif /* HGPU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE hgpu_trace
#include <trace/define_trace.h>
