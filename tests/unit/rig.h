/*
 * hmm-gpu unit tests: a GPU on a test bench.
 *
 * A fake host (flat RAM, a clock turned by hand, DMA that fails where it is
 * told to) and the few programming steps every test needs. Addresses:
 *
 *   bus 0 .. RIG_RAM_SIZE         the RAM
 *   VMID 0: RIG_FB + x            VRAM x
 *           RIG_GART + x          bus x, through the GART
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_TEST_RIG_H
#define HGPU_TEST_RIG_H

#include <string.h>

#include "gpu.h"
#include "gart.h"
#include "vram.h"
#include "memory.h"

#define MiB                 (UINT64_C(1) << 20)
#define RIG_RAM_SIZE        (16 * MiB)
#define RIG_VRAM_SIZE       (16 * MiB)
#define RIG_ENGINES         2u

#define RIG_FB              HGPU_FB_START
#define RIG_GART            (UINT64_C(0x7f) << 32)

/* RAM */
#define RIG_IH_RING         UINT64_C(0x010000)  /* up to 256 KiB */
#define RIG_IH_WPTR         UINT64_C(0x060000)
#define RIG_RPTRS           UINT64_C(0x061000)  /* 8 bytes a context */
#define RIG_MQDS            UINT64_C(0x062000)  /* 512 bytes each */
#define RIG_RINGS           UINT64_C(0x100000)  /* 64 KiB a context */
#define RIG_DATA            UINT64_C(0x400000)  /* free for tests */

/* VRAM */
#define RIG_GART_TABLE      UINT64_C(0x008000)
#define RIG_TABLES          UINT64_C(0x100000)  /* page tables */
#define RIG_TABLES_END      UINT64_C(0x300000)
#define RIG_VDATA           UINT64_C(0x400000)  /* free for tests */

/* Where a user queue's ring and pointers are in its VMID. */
#define RIG_USER_RING       UINT64_C(0x10000000)
#define RIG_USER_RPTR       UINT64_C(0x20000000)

#define RIG_PASID(vmid)     (0x8000u + (vmid))

/* Valid, readable, writeable */
#define RIG_PTE             (HGPU_PTE_VALID | HGPU_PTE_READABLE | \
                             HGPU_PTE_WRITEABLE)
#define RIG_PTE_SYS         (RIG_PTE | HGPU_PTE_SYSTEM | HGPU_PTE_SNOOPED)

typedef enum RigWriteKind {
    RIG_WROTE_BUS,
    RIG_WROTE_VRAM,
    RIG_INTERRUPT,
} RigWriteKind;

/* What the device did to the outside, in order. */
typedef struct RigWrite {
    RigWriteKind kind;
    uint64_t addr;
    uint64_t len;
} RigWrite;

/* The renderer of a virgl context: what it was asked, and when it was ended. */
typedef struct RigRenderer {
    uint8_t *staging;           /* NULL: it does not live */
    uint32_t starts;
    uint32_t kills;             /* also of one that does not live */
    bool greets;                /* HELLO has been said */
    bool dead;                  /* nothing can be sent to it */
    bool busy;                  /*  is to be replied to */
    struct hgpu_wire_request request;
} RigRenderer;

typedef struct Rig {
    HgpuGpu gpu;
    HgpuConfig config;
    struct Rig *peer[HGPU_XGMI_NODES];
    uint8_t *ram;
    uint8_t *vram;

    uint64_t now;
    bool scheduled;
    uint64_t timer;             /* 0: not armed */
    uint32_t irqs;
    void (*irq_hook)(struct Rig *rig);  /* called as it is raised */
    uint32_t guest_errors;
    char *last_error;

    uint64_t map_max;           /* a map is this long at most; 0: none */
    uint64_t fail_from;         /* DMA to [fail_from, fail_to) fails */
    uint64_t fail_to;
    uint32_t maps_open;
    uint64_t dma_reads;
    uint64_t dma_read_bytes;

    GArray *writes;             /* of RigWrite */
    uint64_t traced[HGPU_TRACE_COUNT];

    uint64_t next_table;        /* page tables are carved off VRAM here */
    uint64_t root[HGPU_VMIDS];  /* VRAM offset, 0: none */
    uint32_t ih_rptr;
    RigRenderer renderer[HGPU_VIRGL_CONTEXTS + 1];  /* by context */
    bool renderer_missing;      /* none can be started */
} Rig;

/* A ring somebody writes packets into. */
typedef struct RigQueue {
    Rig *rig;
    uint32_t engine;
    uint32_t ctx;
    uint32_t vmid;
    uint64_t ram;               /* RAM offset of the ring */
    uint64_t va;                /* its address in the VMID */
    uint64_t rptr_ram;          /* RAM offset of the RPTR write-back */
    uint64_t rptr_va;
    uint64_t doorbell;
    uint32_t bytes;
    uint64_t wptr;
} RigQueue;

/* GART over all of RAM and an IH ring of 256 entries are set up. */
Rig *rig_new(void);
/* Nothing is set up. */
Rig *rig_new_bare(void);
/* Nor here, on a GPU like @config (memory is the rig's). */
Rig *rig_new_like(const HgpuConfig *config);
extern const HgpuConfig rig_config;     /* what the others have */
/* Set up as rig_new() does. */
void rig_setup(Rig *rig);
void rig_free(Rig *rig);
/*
 * Save the GPU and its memory, and load them into another machine whose clock
 * stands at @now; NULL if the state is refused. @rig is freed.
 */
Rig *rig_migrate(Rig *rig, uint64_t now);

uint32_t rig_rd(Rig *rig, uint32_t reg);
void rig_wr(Rig *rig, uint32_t reg, uint32_t val);
/* Write, and expect a refusal: one guest error. */
void rig_wr_refused(Rig *rig, uint32_t reg, uint32_t val);

/* Let the device work until it has nothing to do now. */
void rig_run(Rig *rig);
/* Let time pass, serving the timer when it expires. */
void rig_pass(Rig *rig, uint64_t ns);

uint32_t rig_ram32(Rig *rig, uint64_t addr);
uint64_t rig_ram64(Rig *rig, uint64_t addr);
void rig_ram_set32(Rig *rig, uint64_t addr, uint32_t val);
void rig_ram_set64(Rig *rig, uint64_t addr, uint64_t val);
uint64_t rig_vram64(Rig *rig, uint64_t off);
void rig_vram_set64(Rig *rig, uint64_t off, uint64_t val);
/* Bytes that differ from place to place and from @seed to @seed. */
void rig_pattern(uint8_t *at, uint64_t len, uint32_t seed);
bool rig_is_pattern(const uint8_t *at, uint64_t len, uint32_t seed);

/* ---- IH ---- */

#define RIG_IH_LOG2         11u     /* dwords: 8 KiB, 256 entries */
#define RIG_IH_CNTL                                                     \
    (HGPU_IH_RB_CNTL__RB_ENABLE | HGPU_IH_RB_CNTL__ENABLE_INTR |        \
     HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE |                           \
     HGPU_IH_RB_CNTL__RPTR_REARM |                                      \
     FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, HGPU_IH_MC_SPACE_BUS) |      \
     FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE, RIG_IH_LOG2))

typedef struct RigIrq {
    uint32_t client, source, ring, vmid, pasid;
    uint64_t time;
    uint32_t data[4];
} RigIrq;

void rig_setup_ih(Rig *rig, uint32_t cntl);
/* The oldest entry that was not taken yet; false: there is none. */
bool rig_take(Rig *rig, RigIrq *irq);
/* Take one, which must be there. */
RigIrq rig_expect(Rig *rig, uint32_t client, uint32_t source);
/* Take one, which must be a VM fault; returns its address. */
RigIrq rig_expect_fault(Rig *rig, bool retry, uint64_t addr);
void rig_expect_none(Rig *rig);

/* ---- Address spaces ---- */

void rig_setup_gart(Rig *rig);
#define RIG_VM_RETRY        true
#define RIG_VM_NORETRY      false
void rig_vm(Rig *rig, uint32_t vmid, bool retry);
/* VRAM offset of @va's entry at HGPU_VM_* @level; tables are made. */
uint64_t rig_entry(Rig *rig, uint32_t vmid, uint64_t va, int level);
/* Map a page; @pte: address and flags. No invalidation. */
void rig_map(Rig *rig, uint32_t vmid, uint64_t va, uint64_t pte);
void rig_map_range(Rig *rig, uint32_t vmid, uint64_t va, uint64_t pte,
                   uint64_t bytes);
void rig_flush(Rig *rig, uint32_t vmids);

/* ---- Queues ---- */

#define RIG_RING_LOG2       12u     /* dwords: 16 KiB */
#define RIG_RB_CNTL(vmid)                                               \
    (HGPU_SDMA_RB_CNTL__RB_ENABLE |                                     \
     HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE |                         \
     FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, RIG_RING_LOG2) |            \
     FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_VMID, vmid))

/* The kernel's ring GFX or PAGE of an engine: VMID 0, through the GART. */
RigQueue rig_kernel_queue(Rig *rig, uint32_t engine, uint32_t ctx);
/* A user queue in an RLC context; its VMID gets retry faults. */
RigQueue rig_user_queue(Rig *rig, uint32_t engine, uint32_t rlc,
                        uint32_t vmid);
uint32_t rig_ctx_reg(const RigQueue *q, uint32_t reg);
uint32_t rig_ctx_rd(const RigQueue *q, uint32_t reg);
void rig_ctx_wr(const RigQueue *q, uint32_t reg, uint32_t val);
HgpuSdmaCtx *rig_ctx(const RigQueue *q);
uint32_t rig_exception(const RigQueue *q);

void rig_put(RigQueue *q, const uint32_t *dwords, uint32_t n);
void rig_doorbell(RigQueue *q);
/* Ring and run. */
void rig_go(RigQueue *q);

#define PUT(q, ...)                                                     \
    do {                                                                \
        const uint32_t put_[] = { __VA_ARGS__ };                        \
        rig_put(q, put_, G_N_ELEMENTS(put_));                           \
    } while (0)

#define LO(addr)            ((uint32_t)(addr))
#define HI(addr)            ((uint32_t)((uint64_t)(addr) >> 32))
#define LOHI(addr)          LO(addr), HI(addr)
#define HDR(op, sub)        HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_##op, sub)

#define COPY(src, dst, n)   HDR(COPY, 0), (n) - 1, 0, LOHI(src), LOHI(dst)
#define FENCE(addr, val)    HDR(FENCE, 0), LOHI(addr), val
#define TRAP(ctx)           HDR(TRAP, 0), ctx
#define FILL32(dst, val, n)                                             \
    HDR(CONST_FILL, 0) | FIELD_PREP(                                    \
        HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE,                   \
        HGPU_SDMA_FILLSIZE_DWORD), LOHI(dst), val, (n) - 1
#define INDIRECT(vmid, va, n)                                           \
    HDR(INDIRECT, 0) |                                                  \
    FIELD_PREP(HGPU_SDMA_PKT_INDIRECT_HEADER__VMID, vmid),              \
    LOHI(va), n, 0, 0

/* ---- Renderers (rig-virgl.c) ---- */

bool rig_virgl_start(void *opaque, uint32_t ctx, uint8_t **staging);
bool rig_virgl_send(void *opaque, uint32_t ctx,
                    const struct hgpu_wire_request *req);
void rig_virgl_kill(void *opaque, uint32_t ctx);
void rig_virgl_free(Rig *rig);
/* The renderer answers what it was asked (or says HELLO), and all work on. */
void rig_virgl_reply(Rig *rig, uint32_t ctx, uint32_t status);
/* Expect that it was asked , and nothing since. */
const struct hgpu_wire_request *rig_virgl_asked(Rig *rig, uint32_t ctx,
                                                uint32_t kind);

#endif /* HGPU_TEST_RIG_H */
