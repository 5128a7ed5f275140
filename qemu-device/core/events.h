/*
 * hmm-gpu device core: trace events.
 *
 * HGPU_TRACE_EVENTS is the one list. A host shows an event as it likes, by
 * its id, its name (hgpu_trace_info) and its arguments' format.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_EVENTS_H
#define HGPU_CORE_EVENTS_H

#include <stdint.h>
#include <inttypes.h>

#define HGPU_TRACE_ARGS_MAX     6

/* EVENT(id, name, number of arguments, printf format of that many PRIx64) */
#define HGPU_TRACE_EVENTS(EVENT)                                              \
    EVENT(RESET, "reset", 1, "engines %" PRIu64)                              \
    EVENT(REG_READ, "reg_read", 2, "off 0x%" PRIx64 " val 0x%" PRIx64)        \
    EVENT(REG_WRITE, "reg_write", 2, "off 0x%" PRIx64 " val 0x%" PRIx64)      \
    EVENT(DOORBELL, "doorbell", 4, "off 0x%" PRIx64 " val 0x%" PRIx64         \
          " engine %" PRIu64 " ctx %" PRIu64)                                 \
    EVENT(DOORBELL_UNCLAIMED, "doorbell_unclaimed", 2,                        \
          "off 0x%" PRIx64 " val 0x%" PRIx64)                                 \
    EVENT(DOORBELL_REFUSED, "doorbell_refused", 4, "val 0x%" PRIx64           \
          " rptr 0x%" PRIx64 " engine %" PRIu64 " ctx %" PRIu64)              \
    EVENT(CTX_STATE, "ctx_state", 5, "engine %" PRIu64 " ctx %" PRIu64        \
          " from %" PRIu64 " to %" PRIu64 " rptr 0x%" PRIx64)                 \
    EVENT(CTX_HALT, "ctx_halt", 4, "engine %" PRIu64 " ctx %" PRIu64          \
          " exception %" PRIu64 " rptr 0x%" PRIx64)                           \
    EVENT(PACKET, "packet", 4, "engine %" PRIu64 " ctx %" PRIu64              \
          " header 0x%" PRIx64 " rptr 0x%" PRIx64)                            \
    EVENT(FENCE, "fence", 4, "engine %" PRIu64 " ctx %" PRIu64                \
          " addr 0x%" PRIx64 " data 0x%" PRIx64)                              \
    EVENT(RPTR_WRITEBACK, "rptr_writeback", 4, "engine %" PRIu64              \
          " ctx %" PRIu64 " addr 0x%" PRIx64 " rptr 0x%" PRIx64)              \
    EVENT(MQD_MAP, "mqd_map", 4, "engine %" PRIu64 " ctx %" PRIu64            \
          " mqd 0x%" PRIx64 " rptr 0x%" PRIx64)                               \
    EVENT(MQD_UNMAP, "mqd_unmap", 4, "engine %" PRIu64 " ctx %" PRIu64        \
          " mqd 0x%" PRIx64 " rptr 0x%" PRIx64)                               \
    EVENT(FAULT_RETRY, "fault_retry", 6, "id %" PRIu64 " engine %" PRIu64     \
          " ctx %" PRIu64 " vmid %" PRIu64 " addr 0x%" PRIx64                 \
          " access %" PRIu64)                                                 \
    EVENT(FAULT_AGAIN, "fault_again", 6, "id %" PRIu64 " engine %" PRIu64     \
          " ctx %" PRIu64 " vmid %" PRIu64 " addr 0x%" PRIx64                 \
          " access %" PRIu64)                                                 \
    EVENT(FAULT_REPLAYED, "fault_replayed", 4, "id %" PRIu64                  \
          " engine %" PRIu64 " ctx %" PRIu64 " addr 0x%" PRIx64)              \
    EVENT(FAULT_NORETRY, "fault_noretry", 6, "engine %" PRIu64                \
          " ctx %" PRIu64 " vmid %" PRIu64 " addr 0x%" PRIx64                 \
          " access %" PRIu64 " status 0x%" PRIx64)                            \
    EVENT(BUS_ERROR, "bus_error", 3, "engine %" PRIu64 " ctx %" PRIu64        \
          " addr 0x%" PRIx64)                                                 \
    EVENT(TLB_FLUSH, "tlb_flush", 3, "inv_engine %" PRIu64                    \
          " vmids 0x%" PRIx64 " entries %" PRIu64)                            \
    EVENT(IH_ENTRY, "ih_entry", 6, "client 0x%" PRIx64 " src %" PRIu64        \
          " ring %" PRIu64 " vmid %" PRIu64 " pasid %" PRIu64                 \
          " wptr 0x%" PRIx64)                                                 \
    EVENT(IH_OVERFLOW, "ih_overflow", 2, "rptr 0x%" PRIx64                    \
          " wptr 0x%" PRIx64)                                                 \
    EVENT(IH_DROP, "ih_drop", 2, "client 0x%" PRIx64 " src %" PRIu64)         \
    EVENT(VIRGL_JOB, "virgl_job", 6, "slot %" PRIu64 " op %" PRIu64           \
          " context %" PRIu64 " vmid %" PRIu64 " seq %" PRIu64                \
          " stream_dw %" PRIu64)                                              \
    EVENT(VIRGL_STATE, "virgl_state", 3, "slot %" PRIu64 " from %" PRIu64     \
          " to %" PRIu64)                                                     \
    EVENT(VIRGL_END, "virgl_end", 4, "slot %" PRIu64 " seq %" PRIu64          \
          " status %" PRIu64 " faults %" PRIu64)                              \
    EVENT(VIRGL_RENDERER, "virgl_renderer", 2, "context %" PRIu64             \
          " alive %" PRIu64)                                                  \
    EVENT(IRQ, "irq", 1, "vector %" PRIu64)

typedef enum HgpuTraceId {
#define HGPU_TRACE_ENUM(id, name, nargs, fmt) HGPU_TRACE_##id,
    HGPU_TRACE_EVENTS(HGPU_TRACE_ENUM)
#undef HGPU_TRACE_ENUM
    HGPU_TRACE_COUNT
} HgpuTraceId;

/* HGPU_TRACE_NARGS_<id>: checked against every call at compile time */
enum {
#define HGPU_TRACE_ENUM(id, name, nargs, fmt) HGPU_TRACE_NARGS_##id = nargs,
    HGPU_TRACE_EVENTS(HGPU_TRACE_ENUM)
#undef HGPU_TRACE_ENUM
};

typedef struct HgpuTraceInfo {
    const char *name;
    uint32_t nargs;
    const char *fmt;
} HgpuTraceInfo;

extern const HgpuTraceInfo hgpu_trace_info[HGPU_TRACE_COUNT];

#endif /* HGPU_CORE_EVENTS_H */
