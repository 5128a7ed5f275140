/*
 * hmm-gpu device core: the register file (SPEC 3 to 7).
 *
 * One table row a register: where its bits are kept, which exist, its reset
 * value, who may write it. Registers that do something have a hook; a hook
 * that returns false has refused the write and changed nothing.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "regs.h"
#include "ctx.h"
#include "fault.h"
#include "host.h"
#include "ih.h"
#include "queue.h"
#include "tlb.h"

typedef struct HgpuRegRef HgpuRegRef;

typedef struct HgpuReg {
    const char *name;
    uint16_t offset;            /* in its block */
    uint16_t field;             /* in the block's struct */
    uint8_t width;              /* bytes of the field; 0: there is none */
    uint8_t shift;              /* of the register's bit 0 in the field */
    uint8_t flags;
    uint32_t bits;              /* that exist */
    uint32_t strobes;           /* of these, the ones that are never stored */
    uint32_t align;             /* a write must be a multiple of this */
    uint32_t reset;
    uint32_t (*read)(const HgpuRegRef *ref);
    bool (*write)(const HgpuRegRef *ref, uint32_t val);
} HgpuReg;

#define RO              BIT(0)
#define LOCKED          BIT(1)  /* writes are refused while the ring runs */

typedef struct HgpuBlock {
    uint32_t base;
    uint32_t stride;
    uint32_t count;
    const HgpuReg *regs;
    uint32_t nr_regs;
    size_t state;               /* in HgpuState */
    size_t state_stride;
} HgpuBlock;

struct HgpuRegRef {
    HgpuGpu *gpu;
    const HgpuReg *reg;
    uint8_t *state;             /* the struct behind the block */
    uint32_t engine;
    uint32_t index;             /* in the block: context, VMID, ... */
};

/* ---- Plain access to a register's bits ---- */

static uint64_t field_load(const uint8_t *state, const HgpuReg *reg)
{
    uint32_t word;
    uint64_t quad;

    if (reg->width == 4) {
        memcpy(&word, state + reg->field, sizeof(word));
        return word;
    }
    memcpy(&quad, state + reg->field, sizeof(quad));
    return quad;
}

static uint32_t reg_load(const HgpuRegRef *ref)
{
    return (field_load(ref->state, ref->reg) >> ref->reg->shift) &
           ref->reg->bits;
}

static void reg_store(const HgpuRegRef *ref, uint32_t val)
{
    const HgpuReg *reg = ref->reg;
    uint64_t bits = (uint64_t)reg->bits << reg->shift;
    uint64_t quad = field_load(ref->state, reg);
    uint32_t word;

    quad = (quad & ~bits) | (((uint64_t)val << reg->shift) & bits);
    word = quad;
    memcpy(ref->state + reg->field,
           reg->width == 4 ? (const void *)&word : (const void *)&quad,
           reg->width);
}

/* ---- Hooks: identification and clock ---- */

static uint32_t read_id(const HgpuRegRef *ref)
{
    (void)ref;
    return HGPU_ID_VALUE;
}

static uint32_t read_version(const HgpuRegRef *ref)
{
    (void)ref;
    return HGPU_VERSION_VALUE;
}

static uint32_t read_caps(const HgpuRegRef *ref)
{
    return FIELD_PREP(HGPU_CAPS__SDMA_ENGINES, ref->gpu->nr_engines) |
           FIELD_PREP(HGPU_CAPS__SDMA_RLC_QUEUES, HGPU_SDMA_RLC_QUEUES) |
           FIELD_PREP(HGPU_CAPS__VM_INV_ENGINES, HGPU_VM_INV_ENGINES);
}

static uint32_t read_vram_lo(const HgpuRegRef *ref)
{
    return ref->gpu->vram_size;
}

static uint32_t read_vram_hi(const HgpuRegRef *ref)
{
    return ref->gpu->vram_size >> 32;
}

static uint32_t read_clock_lsb(const HgpuRegRef *ref)
{
    uint64_t clock = hgpu_clock(ref->gpu);

    ref->gpu->s.clock_msb = clock >> 32;
    return clock;
}

static uint32_t read_fb_base(const HgpuRegRef *ref)
{
    (void)ref;
    return HGPU_MC_VM_FB_LOCATION_BASE_RESET;
}

static uint32_t read_fb_top(const HgpuRegRef *ref)
{
    return HGPU_MC_VM_FB_LOCATION_BASE_RESET +
           ((ref->gpu->vram_size - 1) >> HGPU_MC_VM_FB_LOCATION_SHIFT);
}

/* ---- Hooks: faults and invalidation ---- */

static uint32_t read_zero(const HgpuRegRef *ref)
{
    (void)ref;
    return 0;
}

static bool write_fault_cntl(const HgpuRegRef *ref, uint32_t val)
{
    if (val &
    HGPU_VM_L2_PROTECTION_FAULT_CNTL__CLEAR_PROTECTION_FAULT_STATUS_ADDR) {
        hgpu_fault_clear(ref->gpu);
    }
    return true;
}

static bool write_retry_interval(const HgpuRegRef *ref, uint32_t val)
{
    if (val < HGPU_RETRY_INTERVAL_MIN || val > HGPU_RETRY_INTERVAL_MAX) {
        return false;
    }
    reg_store(ref, val);
    return true;
}

/* Reading acquires the semaphore. */
static uint32_t read_inv_sem(const HgpuRegRef *ref)
{
    uint32_t acquired = !reg_load(ref);

    reg_store(ref, 1);
    return acquired;
}

static bool write_inv_sem(const HgpuRegRef *ref, uint32_t val)
{
    if (val) {
        return false;
    }
    reg_store(ref, 0);
    return true;
}

/*
 * No translation is held across slices, and this is not called within an
 * access: when the TLB is clean, nothing can use an old translation.
 */
static bool write_inv_req(const HgpuRegRef *ref, uint32_t val)
{
    HgpuGpu *gpu = ref->gpu;
    HgpuInvEngine *inv = &gpu->s.inv[ref->index];
    uint32_t vmids = FIELD_GET(
        HGPU_VM_INVALIDATE_ENG0_REQ__PER_VMID_INVALIDATE_REQ, val);
    uint32_t dropped;

    inv->req = val;
    inv->ack &= ~vmids;
    dropped = hgpu_tlb_flush(&gpu->tlb, vmids);
    hgpu_trace(gpu, TLB_FLUSH, ref->index, vmids, dropped);
    inv->ack |= vmids;
    if (val &
        HGPU_VM_INVALIDATE_ENG0_REQ__CLEAR_PROTECTION_FAULT_STATUS_ADDR) {
        hgpu_fault_clear(gpu);
    }
    hgpu_queue_replay_vmids(gpu, vmids);
    return true;
}

/* ---- Hooks: IH ---- */

static bool write_ih_cntl(const HgpuRegRef *ref, uint32_t val)
{
    return hgpu_ih_write_cntl(ref->gpu, val);
}

static bool write_ih_rptr(const HgpuRegRef *ref, uint32_t val)
{
    return hgpu_ih_write_rptr(ref->gpu, val);
}

/* ---- Hooks: SDMA contexts ---- */

static HgpuSdmaCtx *ref_ctx(const HgpuRegRef *ref)
{
    return &ref->gpu->s.sdma[ref->engine].ctx[ref->index];
}

static bool write_rb_cntl(const HgpuRegRef *ref, uint32_t val)
{
    return hgpu_queue_write_cntl(ref->gpu, ref->engine, ref->index, val);
}

static bool write_rb_wptr(const HgpuRegRef *ref, uint32_t val)
{
    ref_ctx(ref)->rb_wptr_lo = val;
    return true;
}

static bool write_rb_wptr_hi(const HgpuRegRef *ref, uint32_t val)
{
    hgpu_queue_set_wptr(ref->gpu, ref->engine, ref->index,
                        (uint64_t)val << 32 | ref_ctx(ref)->rb_wptr_lo);
    return true;
}

/* CMD_VMID is the device's. */
static bool write_ib_cntl(const HgpuRegRef *ref, uint32_t val)
{
    HgpuSdmaCtx *ctx = ref_ctx(ref);

    ctx->ib_cntl = (ctx->ib_cntl & HGPU_SDMA_IB_CNTL__CMD_VMID) |
                   (val & HGPU_SDMA_IB_CNTL__IB_ENABLE);
    return true;
}

static uint32_t read_context_status(const HgpuRegRef *ref)
{
    return hgpu_ctx_status(ref_ctx(ref));
}

static bool write_doorbell_offset(const HgpuRegRef *ref, uint32_t val)
{
    if (val >= HGPU_BAR_DOORBELL_SIZE) {
        return false;
    }
    reg_store(ref, val);
    return true;
}

static bool write_hqd_cmd(const HgpuRegRef *ref, uint32_t val)
{
    if (ref->index < HGPU_SDMA_CTX_RLC0) {
        return false;
    }
    switch (val) {
    case HGPU_SDMA_HQD_CMD_MAP:
        return hgpu_mqd_map(ref->gpu, ref->engine, ref->index);
    case HGPU_SDMA_HQD_CMD_UNMAP:
        return hgpu_mqd_unmap(ref->gpu, ref->engine, ref->index);
    case HGPU_SDMA_HQD_CMD_RESET:
        hgpu_queue_disable(ref->gpu, ref->engine, ref->index);
        ref_ctx(ref)->preempted = 0;
        return true;
    default:
        return false;
    }
}

/* ---- Hooks: SDMA engines ---- */

static void reset_contexts(HgpuGpu *gpu, uint32_t engine);

static bool write_f32_cntl(const HgpuRegRef *ref, uint32_t val)
{
    HgpuGpu *gpu = ref->gpu;
    HgpuSdmaEngine *engine = &gpu->s.sdma[ref->engine];
    uint32_t was = engine->f32_cntl;

    engine->f32_cntl = val & HGPU_SDMA_F32_CNTL__HALT;
    if (val & HGPU_SDMA_F32_CNTL__RESET) {
        reset_contexts(gpu, ref->engine);
    }
    if (was & ~val & HGPU_SDMA_F32_CNTL__HALT) {
        hgpu_queue_replay_engine(gpu, ref->engine);
    }
    hgpu_queue_kick(gpu);
    return true;
}

static uint32_t read_sdma_status(const HgpuRegRef *ref)
{
    const HgpuSdmaEngine *engine = &ref->gpu->s.sdma[ref->engine];

    for (uint32_t c = 0; c < HGPU_SDMA_CTXS; c++) {
        if (!(hgpu_ctx_status(&engine->ctx[c]) &
              HGPU_SDMA_CONTEXT_STATUS__IDLE)) {
            return 0;
        }
    }
    return HGPU_SDMA_STATUS_REG__IDLE;
}

/* ---- The tables ---- */

#define ALL_BITS UINT32_MAX
#define AT(type, member) \
    .field = offsetof(type, member), .width = sizeof(((type *)0)->member)

static const HgpuReg global_regs[] = {
    { .name = "ID", .offset = HGPU_ID, .flags = RO, .read = read_id },
    { .name = "VERSION", .offset = HGPU_VERSION, .flags = RO,
      .read = read_version },
    { .name = "CAPS", .offset = HGPU_CAPS, .flags = RO, .read = read_caps },
    { .name = "SCRATCH", .offset = HGPU_SCRATCH, .bits = ALL_BITS,
      AT(HgpuState, scratch) },
    { .name = "VRAM_SIZE_LO", .offset = HGPU_VRAM_SIZE_LO, .flags = RO,
      .read = read_vram_lo },
    { .name = "VRAM_SIZE_HI", .offset = HGPU_VRAM_SIZE_HI, .flags = RO,
      .read = read_vram_hi },
    { .name = "RLC_GPU_CLOCK_COUNT_LSB",
      .offset = HGPU_RLC_GPU_CLOCK_COUNT_LSB, .flags = RO,
      .read = read_clock_lsb },
    { .name = "RLC_GPU_CLOCK_COUNT_MSB",
      .offset = HGPU_RLC_GPU_CLOCK_COUNT_MSB, .flags = RO,
      .bits = ALL_BITS, AT(HgpuState, clock_msb) },
    { .name = "MC_VM_FB_LOCATION_BASE",
      .offset = HGPU_MC_VM_FB_LOCATION_BASE, .flags = RO,
      .read = read_fb_base },
    { .name = "MC_VM_FB_LOCATION_TOP", .offset = HGPU_MC_VM_FB_LOCATION_TOP,
      .flags = RO, .read = read_fb_top },
    { .name = "VM_L2_PROTECTION_FAULT_CNTL",
      .offset = HGPU_VM_L2_PROTECTION_FAULT_CNTL,
      .read = read_zero, .write = write_fault_cntl,
      .bits =
      HGPU_VM_L2_PROTECTION_FAULT_CNTL__CLEAR_PROTECTION_FAULT_STATUS_ADDR },
    { .name = "VM_L2_PROTECTION_FAULT_STATUS",
      .offset = HGPU_VM_L2_PROTECTION_FAULT_STATUS, .flags = RO,
      .bits = HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__WALKER_ERROR |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__PERMISSION_FAULTS |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__RW |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__ATOMIC |
              HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID,
      AT(HgpuState, fault_status) },
    { .name = "VM_L2_PROTECTION_FAULT_ADDR_LO32",
      .offset = HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32, .flags = RO,
      .bits = ALL_BITS, AT(HgpuState, fault_page) },
    { .name = "VM_L2_PROTECTION_FAULT_ADDR_HI32",
      .offset = HGPU_VM_L2_PROTECTION_FAULT_ADDR_HI32, .flags = RO,
      .bits = HGPU_VM_CONTEXT_ADDR_HI__MASK, .shift = 32,
      AT(HgpuState, fault_page) },
    { .name = "RETRY_INTERVAL", .offset = HGPU_RETRY_INTERVAL,
      .bits = ALL_BITS, .reset = HGPU_RETRY_INTERVAL_RESET,
      .write = write_retry_interval, AT(HgpuState, retry_interval) },
};

#define INV(name) (HGPU_VM_INVALIDATE_ENG_##name(0) - \
                   HGPU_VM_INVALIDATE_ENG_BASE)

static const HgpuReg inv_regs[] = {
    { .name = "VM_INVALIDATE_ENG_SEM", .offset = INV(SEM), .bits = BIT(0),
      .read = read_inv_sem, .write = write_inv_sem,
      AT(HgpuInvEngine, sem) },
    { .name = "VM_INVALIDATE_ENG_REQ", .offset = INV(REQ),
      .bits = HGPU_VM_INVALIDATE_ENG0_REQ__PER_VMID_INVALIDATE_REQ |
              HGPU_VM_INVALIDATE_ENG0_REQ__FLUSH_TYPE |
              HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES |
              HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE0 |
              HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE1 |
              HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE2 |
              HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES |
              HGPU_VM_INVALIDATE_ENG0_REQ__CLEAR_PROTECTION_FAULT_STATUS_ADDR,
      .write = write_inv_req, AT(HgpuInvEngine, req) },
    { .name = "VM_INVALIDATE_ENG_ACK", .offset = INV(ACK), .flags = RO,
      .bits = HGPU_VM_INVALIDATE_ENG0_ACK__PER_VMID_INVALIDATE_ACK,
      AT(HgpuInvEngine, ack) },
};

#define VM(name) (HGPU_VM_CONTEXT_##name(0) - HGPU_VM_CONTEXT_BASE)

static const HgpuReg vm_regs[] = {
    { .name = "VM_CONTEXT_CNTL", .offset = VM(CNTL),
      .bits = HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT |
        HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH |
        HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE |
        HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT,
      AT(HgpuVmContext, cntl) },
    { .name = "VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32",
      .offset = VM(PAGE_TABLE_BASE_ADDR_LO32), .bits = ALL_BITS,
      AT(HgpuVmContext, pt_base) },
    { .name = "VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32",
      .offset = VM(PAGE_TABLE_BASE_ADDR_HI32), .bits = ALL_BITS, .shift = 32,
      AT(HgpuVmContext, pt_base) },
    { .name = "VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32",
      .offset = VM(PAGE_TABLE_START_ADDR_LO32), .bits = ALL_BITS,
      AT(HgpuVmContext, pt_start) },
    { .name = "VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32",
      .offset = VM(PAGE_TABLE_START_ADDR_HI32), .shift = 32,
      .bits = HGPU_VM_CONTEXT_ADDR_HI__MASK, AT(HgpuVmContext, pt_start) },
    { .name = "VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32",
      .offset = VM(PAGE_TABLE_END_ADDR_LO32), .bits = ALL_BITS,
      AT(HgpuVmContext, pt_end) },
    { .name = "VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32",
      .offset = VM(PAGE_TABLE_END_ADDR_HI32), .shift = 32,
      .bits = HGPU_VM_CONTEXT_ADDR_HI__MASK, AT(HgpuVmContext, pt_end) },
};

static const HgpuReg lut_regs[] = {
    { .name = "IH_VMID_LUT", .bits = HGPU_IH_VMID_LUT__PASID, .width = 4 },
};

#define IH(name) (HGPU_IH_##name - HGPU_IH_RB_CNTL)

static const HgpuReg ih_regs[] = {
    { .name = "IH_RB_CNTL", .offset = IH(RB_CNTL), .write = write_ih_cntl,
      .bits = HGPU_IH_RB_CNTL__RB_ENABLE | HGPU_IH_RB_CNTL__RB_SIZE |
              HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE |
              HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE |
              HGPU_IH_RB_CNTL__ENABLE_INTR | HGPU_IH_RB_CNTL__RPTR_REARM |
              HGPU_IH_RB_CNTL__MC_SPACE |
              HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR,
      .strobes = HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR, AT(HgpuIh, rb_cntl) },
    { .name = "IH_RB_BASE", .offset = IH(RB_BASE), .bits = ALL_BITS,
      .shift = 8, .flags = LOCKED, AT(HgpuIh, rb_base) },
    { .name = "IH_RB_BASE_HI", .offset = IH(RB_BASE_HI), .shift = 40,
      .bits = HGPU_IH_RB_BASE_HI__ADDR, .flags = LOCKED,
      AT(HgpuIh, rb_base) },
    { .name = "IH_RB_RPTR", .offset = IH(RB_RPTR), .bits = ALL_BITS,
      .write = write_ih_rptr, AT(HgpuIh, rptr) },
    { .name = "IH_RB_WPTR", .offset = IH(RB_WPTR), .flags = RO,
      .bits = HGPU_IH_RB_WPTR__OFFSET | HGPU_IH_RB_WPTR__RB_OVERFLOW,
      AT(HgpuIh, wptr) },
    { .name = "IH_RB_WPTR_ADDR_LO", .offset = IH(RB_WPTR_ADDR_LO),
      .bits = ALL_BITS, .align = 4, AT(HgpuIh, wptr_addr) },
    { .name = "IH_RB_WPTR_ADDR_HI", .offset = IH(RB_WPTR_ADDR_HI),
      .bits = HGPU_IH_RB_WPTR_ADDR_HI__ADDR, .shift = 32,
      AT(HgpuIh, wptr_addr) },
    { .name = "IH_RB_DROPPED", .offset = IH(RB_DROPPED), .flags = RO,
      .bits = ALL_BITS, AT(HgpuIh, dropped) },
};

static const HgpuReg ctx_regs[] = {
    { .name = "SDMA_RB_CNTL", .offset = HGPU_SDMA_RB_CNTL,
      .bits = HGPU_RB_CNTL_BITS, .write = write_rb_cntl,
      AT(HgpuSdmaCtx, rb_cntl) },
    { .name = "SDMA_RB_BASE", .offset = HGPU_SDMA_RB_BASE, .bits = ALL_BITS,
      .shift = 8, .flags = LOCKED, AT(HgpuSdmaCtx, rb_base) },
    { .name = "SDMA_RB_BASE_HI", .offset = HGPU_SDMA_RB_BASE_HI,
      .bits = HGPU_SDMA_RB_BASE_HI__ADDR, .shift = 40, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_base) },
    { .name = "SDMA_RB_RPTR", .offset = HGPU_SDMA_RB_RPTR, .bits = ALL_BITS,
      .align = 4, .flags = LOCKED, AT(HgpuSdmaCtx, rb_rptr) },
    { .name = "SDMA_RB_RPTR_HI", .offset = HGPU_SDMA_RB_RPTR_HI,
      .bits = ALL_BITS, .shift = 32, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_rptr) },
    { .name = "SDMA_RB_WPTR", .offset = HGPU_SDMA_RB_WPTR, .bits = ALL_BITS,
      .write = write_rb_wptr, AT(HgpuSdmaCtx, rb_wptr) },
    { .name = "SDMA_RB_WPTR_HI", .offset = HGPU_SDMA_RB_WPTR_HI,
      .bits = ALL_BITS, .shift = 32, .write = write_rb_wptr_hi,
      AT(HgpuSdmaCtx, rb_wptr) },
    { .name = "SDMA_RB_RPTR_ADDR_HI", .offset = HGPU_SDMA_RB_RPTR_ADDR_HI,
      .bits = ALL_BITS, .shift = 32, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_rptr_addr) },
    { .name = "SDMA_RB_RPTR_ADDR_LO", .offset = HGPU_SDMA_RB_RPTR_ADDR_LO,
      .bits = ALL_BITS, .align = HGPU_RPTR_ADDR_ALIGN, .flags = LOCKED,
      AT(HgpuSdmaCtx, rb_rptr_addr) },
    { .name = "SDMA_IB_CNTL", .offset = HGPU_SDMA_IB_CNTL,
      .bits = HGPU_IB_CNTL_BITS, .reset = HGPU_SDMA_IB_CNTL__IB_ENABLE,
      .write = write_ib_cntl, AT(HgpuSdmaCtx, ib_cntl) },
    { .name = "SDMA_IB_OFFSET", .offset = HGPU_SDMA_IB_OFFSET, .flags = RO,
      .bits = ALL_BITS, AT(HgpuSdmaCtx, ib_offset) },
    { .name = "SDMA_IB_BASE_LO", .offset = HGPU_SDMA_IB_BASE_LO, .flags = RO,
      .bits = ALL_BITS, AT(HgpuSdmaCtx, ib_base) },
    { .name = "SDMA_IB_BASE_HI", .offset = HGPU_SDMA_IB_BASE_HI, .flags = RO,
      .bits = ALL_BITS, .shift = 32, AT(HgpuSdmaCtx, ib_base) },
    { .name = "SDMA_IB_SIZE", .offset = HGPU_SDMA_IB_SIZE, .flags = RO,
      .bits = ALL_BITS, AT(HgpuSdmaCtx, ib_size) },
    { .name = "SDMA_CONTEXT_STATUS", .offset = HGPU_SDMA_CONTEXT_STATUS,
      .flags = RO, .read = read_context_status },
    { .name = "SDMA_DOORBELL", .offset = HGPU_SDMA_DOORBELL,
      .bits = HGPU_SDMA_DOORBELL__ENABLE, AT(HgpuSdmaCtx, doorbell) },
    { .name = "SDMA_DOORBELL_OFFSET", .offset = HGPU_SDMA_DOORBELL_OFFSET,
      .bits = HGPU_SDMA_DOORBELL_OFFSET__OFFSET, .align = HGPU_DOORBELL_SIZE,
      .write = write_doorbell_offset, AT(HgpuSdmaCtx, doorbell_offset) },
    { .name = "SDMA_MQD_BASE_LO", .offset = HGPU_SDMA_MQD_BASE_LO,
      .bits = ALL_BITS, .align = HGPU_MQD_ALIGN, AT(HgpuSdmaCtx, mqd_base) },
    { .name = "SDMA_MQD_BASE_HI", .offset = HGPU_SDMA_MQD_BASE_HI,
      .bits = ALL_BITS, .shift = 32, AT(HgpuSdmaCtx, mqd_base) },
    { .name = "SDMA_HQD_CMD", .offset = HGPU_SDMA_HQD_CMD, .bits = ALL_BITS,
      .read = read_zero, .write = write_hqd_cmd },
    { .name = "SDMA_FAULT_ADDR_LO", .offset = HGPU_SDMA_FAULT_ADDR_LO,
      .flags = RO, .bits = ALL_BITS, AT(HgpuSdmaCtx, fault_addr) },
    { .name = "SDMA_FAULT_ADDR_HI", .offset = HGPU_SDMA_FAULT_ADDR_HI,
      .flags = RO, .bits = ALL_BITS, .shift = 32,
      AT(HgpuSdmaCtx, fault_addr) },
};

static const HgpuReg engine_regs[] = {
    { .name = "SDMA_CNTL", .offset = HGPU_SDMA_CNTL,
      .bits = HGPU_SDMA_CNTL__TRAP_ENABLE,
      .reset = HGPU_SDMA_CNTL__TRAP_ENABLE, AT(HgpuSdmaEngine, cntl) },
    { .name = "SDMA_F32_CNTL", .offset = HGPU_SDMA_F32_CNTL,
      .bits = HGPU_SDMA_F32_CNTL__HALT | HGPU_SDMA_F32_CNTL__RESET,
      .strobes = HGPU_SDMA_F32_CNTL__RESET,
      .write = write_f32_cntl, AT(HgpuSdmaEngine, f32_cntl) },
    { .name = "SDMA_STATUS_REG", .offset = HGPU_SDMA_STATUS_REG, .flags = RO,
      .read = read_sdma_status },
};

#define BLOCK(at, step, n, table, member, each) \
    { at, step, n, table, G_N_ELEMENTS(table), \
      offsetof(HgpuState, member), each }

/* Of the whole GPU; SDMA's are found by engine and context. */
static const HgpuBlock blocks[] = {
    BLOCK(HGPU_VM_INVALIDATE_ENG_BASE, HGPU_VM_INVALIDATE_ENG_STRIDE,
          HGPU_VM_INV_ENGINES, inv_regs, inv, sizeof(HgpuInvEngine)),
    BLOCK(HGPU_VM_CONTEXT_BASE, HGPU_VM_CONTEXT_STRIDE, HGPU_VMIDS, vm_regs,
          vm, sizeof(HgpuVmContext)),
    BLOCK(HGPU_IH_VMID_LUT(0), HGPU_IH_VMID_LUT(1) - HGPU_IH_VMID_LUT(0),
          HGPU_VMIDS, lut_regs, vmid_lut, sizeof(uint32_t)),
    BLOCK(HGPU_IH_RB_CNTL, HGPU_IH_RB_DROPPED + 4 - HGPU_IH_RB_CNTL, 1,
          ih_regs, ih, 0),
    { 0, HGPU_IH_RB_CNTL, 1, global_regs, G_N_ELEMENTS(global_regs), 0, 0 },
};

static const HgpuBlock ctx_block = {
    0, HGPU_SDMA_CTX_STRIDE, HGPU_SDMA_CTXS, ctx_regs,
    G_N_ELEMENTS(ctx_regs), offsetof(HgpuSdmaEngine, ctx),
    sizeof(HgpuSdmaCtx),
};

static const HgpuBlock engine_block = {
    0, HGPU_SDMA_STRIDE, 1, engine_regs, G_N_ELEMENTS(engine_regs), 0, 0,
};

/* ---- Finding a register ---- */

/* Find @off in @block, whose instances' structs begin in @state. */
static bool block_find(const HgpuBlock *block, uint8_t *state, uint32_t off,
                       HgpuRegRef *ref)
{
    uint32_t index;

    if (off < block->base ||
        off - block->base >= block->stride * block->count) {
        return false;
    }
    off -= block->base;
    index = off / block->stride;
    for (uint32_t i = 0; i < block->nr_regs; i++) {
        if (block->regs[i].offset == off % block->stride) {
            ref->reg = &block->regs[i];
            ref->index = index;
            ref->state = state + block->state + index * block->state_stride;
            return true;
        }
    }
    return false;
}

static bool reg_find(HgpuGpu *gpu, uint32_t off, HgpuRegRef *ref)
{
    uint32_t engine;

    *ref = (HgpuRegRef) { .gpu = gpu };
    if (off & 3) {
        return false;
    }
    if (off < HGPU_SDMA_BASE(0)) {
        for (uint32_t i = 0; i < G_N_ELEMENTS(blocks); i++) {
            if (block_find(&blocks[i], (uint8_t *)&gpu->s, off, ref)) {
                return true;
            }
        }
        return false;
    }
    engine = (off - HGPU_SDMA_BASE(0)) / HGPU_SDMA_STRIDE;
    if (engine >= gpu->nr_engines) {
        return false;
    }
    off -= HGPU_SDMA_BASE(engine);
    ref->engine = engine;
    return block_find(&ctx_block, (uint8_t *)&gpu->s.sdma[engine], off, ref) ||
           block_find(&engine_block, (uint8_t *)&gpu->s.sdma[engine], off,
                      ref);
}

/* ---- Access ---- */

/* Does a ring run on what this register says? */
static bool reg_locked(const HgpuRegRef *ref)
{
    const HgpuReg *reg = ref->reg;

    if (!(reg->flags & LOCKED)) {
        return false;
    }
    if (reg >= ctx_regs && reg < ctx_regs + G_N_ELEMENTS(ctx_regs)) {
        return ref_ctx(ref)->state != HGPU_CTX_DISABLED;
    }
    return ref->gpu->s.ih.rb_cntl & HGPU_IH_RB_CNTL__RB_ENABLE;
}

static bool reg_accepts(const HgpuRegRef *ref, uint32_t val)
{
    const HgpuReg *reg = ref->reg;

    if ((reg->flags & RO) || reg_locked(ref)) {
        return false;
    }
    val &= reg->bits;
    if (reg->align && val % reg->align) {
        return false;
    }
    if (reg->write) {
        return reg->write(ref, val);
    }
    reg_store(ref, val);
    return true;
}

uint32_t hgpu_reg_read(HgpuGpu *gpu, uint32_t off)
{
    HgpuRegRef ref;
    uint32_t val = 0;

    if (!reg_find(gpu, off, &ref)) {
        hgpu_guest_error(gpu, "read of 0x%x, where no register is", off);
    } else {
        val = ref.reg->read ? ref.reg->read(&ref) : reg_load(&ref);
    }
    hgpu_trace(gpu, REG_READ, off, val);
    return val;
}

void hgpu_reg_write(HgpuGpu *gpu, uint32_t off, uint32_t val)
{
    HgpuRegRef ref;

    hgpu_trace(gpu, REG_WRITE, off, val);
    if (!reg_find(gpu, off, &ref)) {
        hgpu_guest_error(gpu, "write of 0x%x to 0x%x, where no register is",
                         val, off);
    } else if (!reg_accepts(&ref, val)) {
        hgpu_guest_error(gpu, "write of 0x%x to %s (0x%x) refused", val,
                         ref.reg->name, off);
    }
}

/* ---- Reset, and checks on load ---- */

typedef const char *BlockVisit(uint8_t *state, const HgpuBlock *block);

static const char *block_reset(uint8_t *state, const HgpuBlock *block)
{
    for (uint32_t i = 0; i < block->nr_regs; i++) {
        HgpuRegRef ref = { .reg = &block->regs[i], .state = state };

        if (ref.reg->reset) {
            reg_store(&ref, ref.reg->reset);
        }
    }
    return NULL;
}

/* The bits of the field at @field that belong to some register. */
static uint64_t field_bits(const HgpuBlock *block, uint32_t field)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < block->nr_regs; i++) {
        if (block->regs[i].width && block->regs[i].field == field) {
            bits |= (uint64_t)(block->regs[i].bits &
                               ~block->regs[i].strobes)
                    << block->regs[i].shift;
        }
    }
    return bits;
}

static const char *block_check(uint8_t *state, const HgpuBlock *block)
{
    for (uint32_t i = 0; i < block->nr_regs; i++) {
        const HgpuReg *reg = &block->regs[i];
        uint64_t val;

        if (!reg->width) {
            continue;
        }
        val = field_load(state, reg);
        if (val & ~field_bits(block, reg->field)) {
            return reg->name;
        }
        if (reg->align && (val >> reg->shift) % reg->align) {
            return reg->name;
        }
    }
    return NULL;
}

static const char *block_visit(uint8_t *state, const HgpuBlock *block,
                               BlockVisit *visit)
{
    const char *name = NULL;

    for (uint32_t i = 0; !name && i < block->count; i++) {
        name = visit(state + block->state + i * block->state_stride, block);
    }
    return name;
}

static const char *regs_visit(HgpuGpu *gpu, BlockVisit *visit)
{
    const char *name = NULL;

    for (uint32_t i = 0; !name && i < G_N_ELEMENTS(blocks); i++) {
        name = block_visit((uint8_t *)&gpu->s, &blocks[i], visit);
    }
    for (uint32_t e = 0; !name && e < HGPU_SDMA_ENGINES_MAX; e++) {
        uint8_t *engine = (uint8_t *)&gpu->s.sdma[e];

        name = block_visit(engine, &engine_block, visit);
        if (!name) {
            name = block_visit(engine, &ctx_block, visit);
        }
    }
    return name;
}

static void reset_contexts(HgpuGpu *gpu, uint32_t engine)
{
    for (uint32_t c = 0; c < HGPU_SDMA_CTXS; c++) {
        hgpu_ctx_move(gpu, engine, c, HGPU_CTX_DISABLED);
        memset(&gpu->s.sdma[engine].ctx[c], 0, sizeof(HgpuSdmaCtx));
    }
    block_visit((uint8_t *)&gpu->s.sdma[engine], &ctx_block, block_reset);
}

void hgpu_regs_reset(HgpuGpu *gpu)
{
    regs_visit(gpu, block_reset);
}

const char *hgpu_regs_check(const HgpuGpu *gpu)
{
    return regs_visit((HgpuGpu *)gpu, block_check);
}
