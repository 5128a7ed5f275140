/*
 * hmm-gpu device core: parked contexts and reported faults (SPEC 5).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fault.h"
#include "ctx.h"
#include "host.h"
#include "ih.h"

static void fault_post(HgpuGpu *gpu, uint32_t e, uint32_t c,
                       const HgpuFault *fault)
{
    HgpuIhEvent event = {
        .client = HGPU_IH_CLIENTID_VMC,
        .source = HGPU_SRCID_VM_FAULT,
        .ring = fault->flags,
        .vmid = fault->vmid,
    };

    event.data[0] = fault->addr >> HGPU_PAGE_SHIFT;
    event.data[1] = FIELD_PREP(HGPU_IH_FAULT_DATA1__ADDR_HI,
                               fault->addr >> (HGPU_PAGE_SHIFT + 32));
    if (hgpu_access_writes(fault->access)) {
        event.data[1] |= HGPU_IH_FAULT_DATA1__WRITE;
    }
    if (fault->kind == HGPU_FAULT_RETRY) {
        event.data[1] |= HGPU_IH_FAULT_DATA1__RETRY;
    }
    event.data[2] = FIELD_PREP(HGPU_IH_FAULT_DATA2__ENGINE, e) |
                    FIELD_PREP(HGPU_IH_FAULT_DATA2__CTX, c);
    hgpu_ih_post(gpu, &event);
}

static uint32_t fault_status(uint32_t e, uint32_t c, const HgpuFault *fault)
{
    /* The status register has the flags of the interrupt entry lower down. */
    uint32_t denied = fault->flags / HGPU_IH_FAULT_RING__VALID;
    uint32_t status =
        FIELD_PREP(HGPU_VM_L2_PROTECTION_FAULT_STATUS__WALKER_ERROR,
                   fault->walker_error) |
        FIELD_PREP(HGPU_VM_L2_PROTECTION_FAULT_STATUS__PERMISSION_FAULTS,
                   denied) |
        FIELD_PREP(HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID, e << 4 | c) |
        FIELD_PREP(HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID, fault->vmid);

    if (fault->mapping_error) {
        status |= HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR;
    }
    if (hgpu_access_writes(fault->access)) {
        status |= HGPU_VM_L2_PROTECTION_FAULT_STATUS__RW;
    }
    if (fault->access == HGPU_ACCESS_ATOMIC) {
        status |= HGPU_VM_L2_PROTECTION_FAULT_STATUS__ATOMIC;
    }
    return status;
}

static void fault_latch(HgpuGpu *gpu, uint32_t status, uint64_t addr)
{
    if (gpu->s.fault_status) {
        gpu->s.fault_status |=
            HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS;
        return;
    }
    gpu->s.fault_status = status;
    gpu->s.fault_page = (addr >> HGPU_PAGE_SHIFT) & HGPU_VM_PAGE_MASK;
}

static bool fault_is_known(const HgpuParked *parked, const HgpuFault *fault)
{
    return parked->id && parked->vmid == fault->vmid &&
           parked->access == fault->access &&
           parked->addr >> HGPU_PAGE_SHIFT == fault->addr >> HGPU_PAGE_SHIFT;
}

bool hgpu_fault_park(HgpuGpu *gpu, HgpuParked *parked, uint32_t e, uint32_t c,
                     const HgpuFault *fault)
{
    bool known = fault_is_known(parked, fault);
    uint64_t now = hgpu_now_ns(gpu);

    if (!known) {
        if (parked->id) {
            hgpu_fault_resolved(gpu, parked, e, c);
        }
        parked->id = ++gpu->s.fault_seq;
        gpu->stats.retry_faults++;
        hgpu_trace(gpu, FAULT_RETRY, parked->id, e, c, fault->vmid,
                   fault->addr, fault->access);
    } else if (now >= parked->deadline_ns) {
        hgpu_trace(gpu, FAULT_AGAIN, parked->id, e, c, fault->vmid,
                   fault->addr, fault->access);
    }
    parked->addr = fault->addr;
    parked->vmid = fault->vmid;
    parked->access = fault->access;
    parked->replay = 0;
    if (!known || now >= parked->deadline_ns) {
        parked->deadline_ns = now + gpu->s.retry_interval * UINT64_C(1000);
        fault_post(gpu, e, c, fault);
    }
    return !known;
}

static void fault_halt(HgpuGpu *gpu, uint32_t e, uint32_t c,
                       const HgpuFault *fault)
{
    uint32_t status = fault_status(e, c, fault);

    gpu->stats.noretry_faults++;
    hgpu_trace(gpu, FAULT_NORETRY, e, c, fault->vmid, fault->addr,
               fault->access, status);
    fault_latch(gpu, status, fault->addr);
    gpu->s.sdma[e].ctx[c].parked.addr = fault->addr;
    hgpu_ctx_halt(gpu, e, c, HGPU_SDMA_EXCEPTION_FAULT);
    fault_post(gpu, e, c, fault);
}

static void bus_halt(HgpuGpu *gpu, uint32_t e, uint32_t c,
                     const HgpuFault *fault)
{
    hgpu_trace(gpu, BUS_ERROR, e, c, fault->bus_addr);
    gpu->s.sdma[e].ctx[c].parked.addr = fault->addr;
    hgpu_ctx_halt(gpu, e, c, HGPU_SDMA_EXCEPTION_BUS);
    hgpu_ih_post_sdma(gpu, e, c, HGPU_SRCID_SDMA_BUS_ERROR, fault->bus_addr,
                      fault->bus_addr >> 32, 0);
}

void hgpu_fault_raise(HgpuGpu *gpu, uint32_t e, uint32_t c,
                      const HgpuFault *fault)
{
    switch (fault->kind) {
    case HGPU_FAULT_RETRY:
        hgpu_fault_park(gpu, &gpu->s.sdma[e].ctx[c].parked, e, c, fault);
        hgpu_ctx_move(gpu, e, c, HGPU_CTX_RETRY_WAIT);
        break;
    case HGPU_FAULT_NORETRY:
        fault_halt(gpu, e, c, fault);
        break;
    case HGPU_FAULT_BUS:
        bus_halt(gpu, e, c, fault);
        break;
    }
}

void hgpu_fault_resolved(HgpuGpu *gpu, HgpuParked *parked, uint32_t e,
                         uint32_t c)
{
    hgpu_trace(gpu, FAULT_REPLAYED, parked->id, e, c, parked->addr);
    parked->id = 0;
}

void hgpu_fault_clear(HgpuGpu *gpu)
{
    gpu->s.fault_status = 0;
    gpu->s.fault_page = 0;
}
