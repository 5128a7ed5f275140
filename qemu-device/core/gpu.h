/*
 * hmm-gpu device core: public interface.
 *
 * The core is the GPU without its bus: registers, VRAM, GART, GPUVM, the
 * interrupt ring and the SDMA engines of protocol/SPEC.md. It knows no QEMU:
 * whatever it wants from outside goes through HgpuHostOps. All functions are
 * to be called from one thread (QEMU: under the BQL).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_GPU_H
#define HGPU_CORE_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

#include "hgpu_types.h"
#include "hgpu_regs.h"
#include "hgpu_pte.h"
#include "hgpu_ih.h"
#include "hgpu_sdma.h"
#include "hgpu_mqd.h"
#include "hgpu_virgl.h"
#include "events.h"
#include "virgl_wire.h"

/* Bytes moved in one call of hgpu_run(), at most. */
#define HGPU_SLICE_BYTES        (256 * 1024)

/* flags of HgpuHostOps.dma_map and dma_unmap */
#define HGPU_DMA_READ           0u
#define HGPU_DMA_WRITE          1u      /* the device will write */

typedef struct HgpuGpu HgpuGpu;

/*
 * What the core needs of its host. Every member must be set, where it does not
 * say otherwise. Bus addresses are the device's (behind a vIOMMU, if there is
 * one). None of these may call back into the core, except that guest_error,
 * trace and virgl_kill may read state.
 */
typedef struct HgpuHostOps {
    /* 0, or a negative number if any part of the transaction failed. */
    int (*dma_read)(void *opaque, uint64_t addr, void *buf, uint64_t len);
    int (*dma_write)(void *opaque, uint64_t addr, const void *buf,
                     uint64_t len);
    /*
     * A host pointer to [addr, addr + *len) of guest RAM (reads, writes and
     * host atomics work on it), or NULL for anything else, such as MMIO or
     * an address that translates to nothing: the core then uses dma_read and
     * dma_write, which can report failure. May shorten *len, to at least 1.
     * Every map is undone before the core returns to its host.
     */
    void *(*dma_map)(void *opaque, uint64_t addr, uint64_t *len,
                     uint32_t flags);
    void (*dma_unmap)(void *opaque, void *ptr, uint64_t len, uint32_t flags,
                      uint64_t access_len);

    /* The device, or a peer, wrote [off, off + len) of VRAM. */
    void (*vram_dirty)(void *opaque, uint64_t off, uint64_t len);

    /*
     * Node @node of the GPU's hive, which is not its own, or NULL. It is
     * looked at before the next DMA or call from the host, and not later:
     * these may be its end.
     */
    HgpuGpu *(*peer)(void *opaque, uint32_t node);

    void (*raise_irq)(void *opaque, uint32_t vector);

    /* The virtual clock; it stands still while the machine does. */
    uint64_t (*clock_ns)(void *opaque);
    /* One timer: call hgpu_timer() at expire_ns or after; arming moves it. */
    void (*timer_arm)(void *opaque, uint64_t expire_ns);
    void (*timer_cancel)(void *opaque);

    /* Call hgpu_run() soon, from the main loop; calls before it coalesce. */
    void (*schedule)(void *opaque);

    /* args: hgpu_trace_info[id].nargs values */
    void (*trace)(void *opaque, uint32_t id, const uint64_t *args);
    void (*guest_error)(void *opaque, const char *fmt, ...)
        G_GNUC_PRINTF(2, 3);

    /*
     * The renderers of virgl contexts (SPEC 11), each a process; these three
     * may be NULL where HgpuConfig.virgl_slots is 0.
     *
     * Start the renderer of context @ctx, 1 to HGPU_VIRGL_CONTEXTS, which has
     * none. Its HELLO, or TIMEOUT or DIED in its place, comes as a reply.
     * *staging: HGPU_WIRE_STAGING_SIZE, mapped until virgl_kill. False: it
     * cannot be started, and the host has said why.
     */
    bool (*virgl_start)(void *opaque, uint32_t ctx, uint8_t **staging);
    /*
     * Send @req, when the last one was replied to; the host numbers it and
     * keeps its deadline in host time. The reply, or TIMEOUT or DIED in its
     * place, comes by hgpu_virgl_reply(), never from within. False: the
     * renderer has died, and no reply will come.
     */
    bool (*virgl_send)(void *opaque, uint32_t ctx,
                       const struct hgpu_wire_request *req);
    /*
     * End it: no reply any more, staging memory is gone. Also when the context
     * of a renderer that was ended goes: a host that keeps a machine from
     * being saved while there are contexts may ask hgpu_virgl_contexts() here.
     */
    void (*virgl_kill)(void *opaque, uint32_t ctx);
} HgpuHostOps;

/* What a GPU is. It is no state: it lasts as long as the GPU. */
typedef struct HgpuConfig {
    void *vram;                 /* @vram_size bytes that outlive the GPU */
    uint64_t vram_size;         /* HGPU_VRAM_MIN..MAX, n * HGPU_VRAM_ALIGN */
    uint32_t nr_engines;        /* HGPU_SDMA_ENGINES_MIN..MAX */
    bool xnack;                 /* has retry faults */
    uint32_t hive;              /* which, 0: in none */
    uint32_t node;              /* in the hive, below HGPU_XGMI_NODES */
    uint32_t virgl_slots;       /* 0 or, with xnack, HGPU_VIRGL_SLOTS */
} HgpuConfig;

/* ---- Guest-visible state: fixed-width integers, arrays, counts only ---- */

/* VM_CONTEXT registers of one VMID; pt_start and pt_end are page numbers. */
typedef struct HgpuVmContext {
    uint32_t cntl;
    uint64_t pt_base;
    uint64_t pt_start;
    uint64_t pt_end;
} HgpuVmContext;

typedef struct HgpuInvEngine {
    uint32_t sem;
    uint32_t req;
    uint32_t ack;
} HgpuInvEngine;

typedef struct HgpuIh {
    uint32_t rb_cntl;
    uint64_t rb_base;
    uint32_t rptr;
    uint32_t wptr;              /* with RB_OVERFLOW in bit 0 */
    uint64_t wptr_addr;
    uint32_t dropped;
    uint32_t outstanding;       /* raised, RPTR not written since */
} HgpuIh;

/* HgpuParked.access */
#define HGPU_ACCESS_READ        0u
#define HGPU_ACCESS_WRITE       1u
#define HGPU_ACCESS_ATOMIC      2u      /* reads and writes */

/* An access that waits for the driver (SPEC 5). */
typedef struct HgpuParked {
    uint64_t addr;              /* of the last fault, also a resolved one */
    uint64_t deadline_ns;       /* of the next report */
    uint64_t id;                /* cookie in traces; 0: nothing is parked */
    uint32_t vmid;
    uint32_t access;            /* HGPU_ACCESS_* */
    uint32_t replay;            /* walk before the deadline */
} HgpuParked;

/*
 * HgpuSdmaCtx.state (SPEC 7.2). hgpu_ctx_move() alone changes it.
 *
 *              enable, or        RETRY_WAIT <--+
 *              WPTR moved              |       |
 *   DISABLED --> RUNNING <-------------+       | an access faults
 *      ^          |  ^ |                       |
 *      |          |  | +-----------------------+
 *      |          |  +--> POLL_WAIT     a packet waits, until its deadline
 *      |          +--> IDLE             nothing below WPTR; WPTR moves it on
 *      |          +--> HALTED           exception; also from RETRY_WAIT
 *      +--- any, by RB_ENABLE = 0, RESET, UNMAP
 */
#define HGPU_CTX_DISABLED       0u
#define HGPU_CTX_IDLE           1u
#define HGPU_CTX_RUNNING        2u
#define HGPU_CTX_RETRY_WAIT     3u
#define HGPU_CTX_POLL_WAIT      4u
#define HGPU_CTX_HALTED         5u
#define HGPU_CTX_STATES         6u

/* One context (kernel ring or HQD) of one SDMA engine. */
typedef struct HgpuSdmaCtx {
    /* registers */
    uint32_t rb_cntl;
    uint64_t rb_base;
    uint64_t rb_rptr;
    uint64_t rb_wptr;
    uint32_t rb_wptr_lo;        /* written, not yet committed by _HI */
    uint32_t wptr_refused;      /* reported; WPTR has not moved since */
    uint64_t rb_rptr_addr;
    uint32_t ib_cntl;
    uint32_t ib_offset;         /* dwords; an IB runs while offset < size */
    uint64_t ib_base;
    uint32_t ib_size;
    uint32_t doorbell;
    uint32_t doorbell_offset;
    uint64_t mqd_base;
    uint32_t exception;         /* HGPU_SDMA_EXCEPTION_* */
    uint32_t preempted;

    /* the packet in progress: dwords fetched, bytes done */
    uint32_t pkt[HGPU_SDMA_PKT_MAX_DW];
    uint32_t pkt_len;
    uint64_t progress;
    uint32_t retries;           /* polls left */
    uint32_t skip;              /* dwords COND_EXE has yet to skip */
    uint64_t rptr_written;      /* RPTR as last written back */

    /* where it is, what it waits for */
    uint32_t state;             /* HGPU_CTX_* */
    HgpuParked parked;          /* the deadline is also POLL_WAIT's */
} HgpuSdmaCtx;

typedef struct HgpuSdmaEngine {
    uint32_t cntl;
    uint32_t f32_cntl;
    HgpuSdmaCtx ctx[HGPU_SDMA_CTXS];
} HgpuSdmaEngine;

/*
 * One slot of the virgl engine (SPEC 11.2). What its job works on dies with the
 * context, which cannot be saved: see HgpuVirglJob.
 */
typedef struct HgpuVirglSlot {
    uint64_t job;
    uint32_t state;             /* HGPU_VIRGL_STATE_* */
    uint32_t begun;             /* the job has been read */
    uint32_t retry_wait;
    HgpuParked parked;
} HgpuVirglSlot;

typedef struct HgpuState {
    uint32_t scratch;
    uint32_t clock_msb;         /* latched by reading LSB */
    uint64_t clock_base;        /* ns: the GPU clock counts from here */
    uint64_t saved_ns;          /* clock_ns() at hgpu_pre_save() */
    uint32_t fault_status;
    uint64_t fault_page;        /* valid while fault_status is not 0 */
    uint64_t fault_seq;         /* fault ids given out */
    uint32_t retry_interval;    /* microseconds */
    uint32_t xgmi_cntl;
    HgpuInvEngine inv[HGPU_VM_INV_ENGINES];
    HgpuVmContext vm[HGPU_VMIDS];
    uint32_t vmid_lut[HGPU_VMIDS];
    HgpuIh ih;
    uint32_t nr_engines;        /* as HgpuGpu.nr_engines; checked on load */
    uint32_t rr_next;           /* context or slot that has the next turn */
    HgpuSdmaEngine sdma[HGPU_SDMA_ENGINES_MAX];
    uint32_t virgl_contexts;    /* a bit each, lost ones too; 0 when saved */
    HgpuVirglSlot virgl[HGPU_VIRGL_SLOTS];
} HgpuState;

/* ---- Not guest-visible: rebuilt or dropped on load ---- */

#define HGPU_TLB_SETS           128u
#define HGPU_TLB_WAYS           4u

typedef struct HgpuTlbEntry {
    uint64_t va;                /* first byte, aligned to the entry's size */
    uint64_t pa;                /* VRAM address or bus address */
    uint32_t flags;             /* HGPU_PTE_* bits 6:0; 0: entry is free */
    uint8_t vmid;
    uint8_t shift;              /* log2 of the bytes covered */
} HgpuTlbEntry;

typedef struct HgpuTlb {
    HgpuTlbEntry entry[HGPU_TLB_SETS][HGPU_TLB_WAYS];
    uint8_t victim[HGPU_TLB_SETS];
    uint64_t shifts[HGPU_VMIDS];        /* bit n: one of 2^n bytes exists */
    uint64_t hits;
    uint64_t misses;
} HgpuTlb;

/* The job of a slot that is not idle, in the host's byte order. */
typedef struct HgpuVirglJob {
    uint32_t op;                /* 0: it could not be read */
    uint32_t context;
    uint32_t vmid;
    uint32_t sequence;
    uint64_t stream;
    uint32_t stream_dw;
    uint32_t range_count;
    struct hgpu_wire_resource resource;
    struct hgpu_wire_range range[HGPU_VIRGL_RANGES];
    uint64_t addr[HGPU_VIRGL_RANGES];

    /* how far it is */
    uint32_t row;               /* of the range table */
    uint64_t progress;          /* bytes of the stream, or of the row's range */
    uint32_t awaits;            /* RENDER: HGPU_WIRE_* that was asked */
    uint32_t replied;
    struct hgpu_wire_reply reply;

    /* what the result will say */
    uint64_t since_ns;          /* in_ns, out_ns: when that began */
    struct hgpu_virgl_result result;
} HgpuVirglJob;

/* Counted for benchmarks and tests; never read by the guest. */
typedef struct HgpuStats {
    uint64_t slices;
    uint64_t packets;
    uint64_t bytes;
    uint64_t doorbells;
    uint64_t interrupts;
    uint64_t retry_faults;
    uint64_t noretry_faults;
    uint64_t walks;
    uint64_t maps;
} HgpuStats;

struct HgpuGpu {
    HgpuState s;

    const HgpuHostOps *ops;
    void *opaque;
    uint8_t *vram;
    uint64_t vram_size;
    uint32_t nr_engines;
    bool xnack;
    uint32_t hive;
    uint32_t node;
    uint32_t virgl_slots;
    uint32_t running;           /* the machine runs */
    uint32_t scheduled;         /* ops->schedule() called, hgpu_run() not yet */
    uint64_t timer_ns;          /* when the timer is armed for, 0: it is not */
    uint8_t bounce[3][HGPU_PAGE_SIZE];  /* for what dma_map refuses */
    /* SRBM_WRITE and POLL_REGMEM reach the registers through these */
    uint32_t (*reg_read)(HgpuGpu *gpu, uint32_t off);
    void (*reg_write)(HgpuGpu *gpu, uint32_t off, uint32_t val);
    HgpuTlb tlb;
    HgpuStats stats;
    HgpuVirglJob virgl_job[HGPU_VIRGL_SLOTS];
    /* by context; NULL: it has no renderer, there is none or it is lost */
    uint8_t *virgl_staging[HGPU_VIRGL_CONTEXTS + 1];
};

/*
 * hgpu_init: make @gpu a GPU in its reset state
 *
 * The machine counts as running until hgpu_set_running() says otherwise.
 */
void hgpu_init(HgpuGpu *gpu, const HgpuHostOps *ops, void *opaque,
               const HgpuConfig *config);

/* Every register and queue to its reset value; VRAM keeps its contents. */
void hgpu_reset(HgpuGpu *gpu);

/* BAR 5; @off is a multiple of 4 (anything else is a guest error, reads 0). */
uint32_t hgpu_reg_read(HgpuGpu *gpu, uint32_t off);
void hgpu_reg_write(HgpuGpu *gpu, uint32_t off, uint32_t val);

/* BAR 2; only @size 8 at a multiple of 8 is a doorbell. */
void hgpu_doorbell_write(HgpuGpu *gpu, uint64_t off, uint64_t val,
                         uint32_t size);

/*
 * hgpu_run: one bounded slice of all engines' work
 *
 * Returns: true if there is more to do now, in which case ops->schedule()
 * has been called again (the host may put a pause between slices).
 */
bool hgpu_run(HgpuGpu *gpu);

/* The timer of ops->timer_arm() has expired. */
void hgpu_timer(HgpuGpu *gpu);

/* The machine stopped or runs again. Stopped, hgpu_run() does nothing. */
void hgpu_set_running(HgpuGpu *gpu, bool running);

/* Make @gpu->s fit to be saved; call it before reading the state for a file. */
void hgpu_pre_save(HgpuGpu *gpu);

/*
 * hgpu_post_load: accept @gpu->s after it was loaded from a file
 *
 * Checks every field, drops the TLB, makes every parked access walk again.
 * Returns: NULL, or the name of the field that is out of bounds; then the
 * GPU has been reset and the load must fail.
 */
const char *hgpu_post_load(HgpuGpu *gpu);

/*
 * hgpu_virgl_reply: what the renderer of context @ctx answered
 *
 * The host has checked size, sequence and kind of it. From the main loop, not
 * from within another call of the core; also while the machine is stopped.
 */
void hgpu_virgl_reply(HgpuGpu *gpu, uint32_t ctx,
                      const struct hgpu_wire_reply *reply);

/* How many virgl contexts there are, lost ones too: none can be saved. */
uint32_t hgpu_virgl_contexts(const HgpuGpu *gpu);

#endif /* HGPU_CORE_GPU_H */
