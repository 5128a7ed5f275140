/*
 * hmm-gpu device core: registers of the virgl engine's slots (SPEC 11.2).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "regs_table.h"
#include "virgl.h"

static bool slot_locked(const HgpuRegRef *ref)
{
    return ref->gpu->s.virgl[ref->index].state != HGPU_VIRGL_STATE_IDLE;
}

static bool write_slot_cmd(const HgpuRegRef *ref, uint32_t val)
{
    switch (val) {
    case HGPU_VIRGL_SLOT_CMD__START:
        return hgpu_virgl_start(ref->gpu, ref->index);
    case HGPU_VIRGL_SLOT_CMD__ABORT:
        hgpu_virgl_abort(ref->gpu, ref->index);
        return true;
    default:
        return false;
    }
}

static uint32_t read_slot_state(const HgpuRegRef *ref)
{
    const HgpuVirglSlot *slot = &ref->gpu->s.virgl[ref->index];

    return FIELD_PREP(HGPU_VIRGL_SLOT_STATE__STATE, slot->state) |
           (slot->retry_wait ? HGPU_VIRGL_SLOT_STATE__RETRY_WAIT : 0);
}

#define SLOT(name) (HGPU_VIRGL_SLOT_##name(0) - HGPU_VIRGL_BASE)

static const HgpuReg slot_regs[] = {
    { .name = "VIRGL_SLOT_JOB_LO", .offset = SLOT(JOB_LO),
      .bits = ALL_BITS, .align = HGPU_VIRGL_JOB_ALIGN, .flags = LOCKED,
      AT(HgpuVirglSlot, job) },
    { .name = "VIRGL_SLOT_JOB_HI", .offset = SLOT(JOB_HI),
      .bits = HGPU_VIRGL_SLOT_JOB_HI__ADDR, .shift = 32, .flags = LOCKED,
      AT(HgpuVirglSlot, job) },
    { .name = "VIRGL_SLOT_CMD", .offset = SLOT(CMD), .bits = ALL_BITS,
      .read = hgpu_reg_read_zero, .write = write_slot_cmd },
    { .name = "VIRGL_SLOT_STATE", .offset = SLOT(STATE), .flags = RO,
      .read = read_slot_state },
    { .name = "VIRGL_SLOT_FAULT_ADDR_LO", .offset = SLOT(FAULT_ADDR_LO),
      .flags = RO, .bits = ALL_BITS, AT(HgpuVirglSlot, parked.addr) },
    { .name = "VIRGL_SLOT_FAULT_ADDR_HI", .offset = SLOT(FAULT_ADDR_HI),
      .flags = RO, .bits = ALL_BITS, .shift = 32,
      AT(HgpuVirglSlot, parked.addr) },
};

const HgpuBlock hgpu_virgl_block = {
    .base = HGPU_VIRGL_BASE, .stride = HGPU_VIRGL_STRIDE,
    .count = HGPU_VIRGL_SLOTS,
    .regs = slot_regs, .nr_regs = G_N_ELEMENTS(slot_regs),
    .state = offsetof(HgpuState, virgl),
    .state_stride = sizeof(HgpuVirglSlot), .locked = slot_locked,
};
