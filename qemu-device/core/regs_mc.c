/*
 * hmm-gpu device core: registers of everything but SDMA (SPEC 3 to 6).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "regs_table.h"
#include "fault.h"
#include "host.h"
#include "ih.h"
#include "queue.h"
#include "tlb.h"
#include "vram.h"

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
           FIELD_PREP(HGPU_CAPS__VM_INV_ENGINES, HGPU_VM_INV_ENGINES) |
           FIELD_PREP(HGPU_CAPS__XNACK, ref->gpu->xnack) |
           FIELD_PREP(HGPU_CAPS__VIRGL_SLOTS, ref->gpu->virgl_slots);
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
    uint64_t last = hgpu_vram_base(ref->gpu) + ref->gpu->vram_size - 1;

    return HGPU_MC_VM_FB_LOCATION_BASE_RESET +
           (last >> HGPU_MC_VM_FB_LOCATION_SHIFT);
}

/* ---- Hooks: hive ---- */

static uint32_t read_lfb_cntl(const HgpuRegRef *ref)
{
    if (!ref->gpu->hive) {
        return 0;
    }
    return FIELD_PREP(HGPU_MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION,
                      ref->gpu->node) |
           FIELD_PREP(HGPU_MC_VM_XGMI_LFB_CNTL__PF_MAX_REGION,
                      HGPU_XGMI_NODES - 1);
}

static uint32_t read_lfb_size(const HgpuRegRef *ref)
{
    return ref->gpu->hive ? 1u << (HGPU_XGMI_SEGMENT_SHIFT -
                                   HGPU_MC_VM_FB_LOCATION_SHIFT) : 0;
}

static uint32_t read_hive_id(const HgpuRegRef *ref)
{
    return ref->gpu->hive;
}

static bool write_xgmi_cntl(const HgpuRegRef *ref, uint32_t val)
{
    hgpu_reg_store(ref, ref->gpu->hive ? val : 0);
    return true;
}

/* ---- Hooks: faults and invalidation ---- */

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
    hgpu_reg_store(ref, val);
    return true;
}

/* Where there is no XNACK, there is no bit that asks for it. */
static bool write_vm_cntl(const HgpuRegRef *ref, uint32_t val)
{
    if (!ref->gpu->xnack) {
        val &= ~HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT;
    }
    hgpu_reg_store(ref, val);
    return true;
}

/* Reading acquires the semaphore. */
static uint32_t read_inv_sem(const HgpuRegRef *ref)
{
    uint32_t acquired = !hgpu_reg_load(ref);

    hgpu_reg_store(ref, 1);
    return acquired;
}

static bool write_inv_sem(const HgpuRegRef *ref, uint32_t val)
{
    if (val) {
        return false;
    }
    hgpu_reg_store(ref, 0);
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

static bool ih_locked(const HgpuRegRef *ref)
{
    return ref->gpu->s.ih.rb_cntl & HGPU_IH_RB_CNTL__RB_ENABLE;
}

/* ---- The tables ---- */

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
    { .name = "MC_VM_XGMI_LFB_CNTL", .offset = HGPU_MC_VM_XGMI_LFB_CNTL,
      .flags = RO, .read = read_lfb_cntl },
    { .name = "MC_VM_XGMI_LFB_SIZE", .offset = HGPU_MC_VM_XGMI_LFB_SIZE,
      .flags = RO, .read = read_lfb_size },
    { .name = "XGMI_HIVE_ID", .offset = HGPU_XGMI_HIVE_ID, .flags = RO,
      .read = read_hive_id },
    { .name = "XGMI_CNTL", .offset = HGPU_XGMI_CNTL,
      .bits = HGPU_XGMI_CNTL__LINK_ENABLE, .write = write_xgmi_cntl,
      AT(HgpuState, xgmi_cntl) },
    { .name = "VM_L2_PROTECTION_FAULT_CNTL",
      .offset = HGPU_VM_L2_PROTECTION_FAULT_CNTL,
      .read = hgpu_reg_read_zero, .write = write_fault_cntl,
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
    { .name = "VM_CONTEXT_CNTL", .offset = VM(CNTL), .write = write_vm_cntl,
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

#define TABLE(name) .regs = name, .nr_regs = G_N_ELEMENTS(name)

const HgpuBlock hgpu_mc_blocks[HGPU_MC_BLOCKS] = {
    { .base = HGPU_VM_INVALIDATE_ENG_BASE,
      .stride = HGPU_VM_INVALIDATE_ENG_STRIDE, .count = HGPU_VM_INV_ENGINES,
      TABLE(inv_regs), .state = offsetof(HgpuState, inv),
      .state_stride = sizeof(HgpuInvEngine) },
    { .base = HGPU_VM_CONTEXT_BASE, .stride = HGPU_VM_CONTEXT_STRIDE,
      .count = HGPU_VMIDS, TABLE(vm_regs), .state = offsetof(HgpuState, vm),
      .state_stride = sizeof(HgpuVmContext) },
    { .base = HGPU_IH_VMID_LUT(0),
      .stride = HGPU_IH_VMID_LUT(1) - HGPU_IH_VMID_LUT(0),
      .count = HGPU_VMIDS, TABLE(lut_regs),
      .state = offsetof(HgpuState, vmid_lut),
      .state_stride = sizeof(uint32_t) },
    { .base = HGPU_IH_RB_CNTL, .count = 1,
      .stride = HGPU_IH_RB_DROPPED + 4 - HGPU_IH_RB_CNTL,
      TABLE(ih_regs), .state = offsetof(HgpuState, ih),
      .locked = ih_locked },
    { .stride = HGPU_IH_RB_CNTL, .count = 1, TABLE(global_regs) },
};
