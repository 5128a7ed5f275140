/*
 * hmm-gpu device core: the interrupt handler ring (SPEC 6).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ih.h"
#include "host.h"
#include "memory.h"
#include "ring.h"

#define IH_ENTRY_BYTES ((uint32_t)sizeof(struct hgpu_ih_entry))

static const uint8_t sdma_clients[HGPU_SDMA_ENGINES_MAX] = {
    HGPU_IH_CLIENTID_SDMA0, HGPU_IH_CLIENTID_SDMA1, HGPU_IH_CLIENTID_SDMA2,
    HGPU_IH_CLIENTID_SDMA3, HGPU_IH_CLIENTID_SDMA4, HGPU_IH_CLIENTID_SDMA5,
    HGPU_IH_CLIENTID_SDMA6, HGPU_IH_CLIENTID_SDMA7,
};

/* Write to the ring's space: the bus, or VMID 0. */
static bool ih_write(HgpuGpu *gpu, uint64_t addr, const void *buf,
                     uint32_t len)
{
    uint32_t space = FIELD_GET(HGPU_IH_RB_CNTL__MC_SPACE, gpu->s.ih.rb_cntl);
    HgpuFault fault;

    if (space == HGPU_IH_MC_SPACE_BUS) {
        return gpu->ops->dma_write(gpu->opaque, addr, buf, len) >= 0;
    }
    return hgpu_mem_write(gpu, 0, addr, buf, len, &fault) == len;
}

static void ih_write_back_wptr(HgpuGpu *gpu)
{
    const HgpuIh *ih = &gpu->s.ih;
    uint32_t wptr = GUINT32_TO_LE(ih->wptr);

    if (!(ih->rb_cntl & HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE)) {
        return;
    }
    hgpu_write_barrier();
    if (!ih_write(gpu, ih->wptr_addr, &wptr, sizeof(wptr))) {
        hgpu_guest_error(gpu, "IH: WPTR write-back to 0x%" PRIx64 " failed",
                         ih->wptr_addr);
    }
}

static void ih_raise(HgpuGpu *gpu)
{
    HgpuIh *ih = &gpu->s.ih;

    if (!(ih->rb_cntl & HGPU_IH_RB_CNTL__ENABLE_INTR) || ih->outstanding) {
        return;
    }
    ih->outstanding = 1;
    gpu->stats.interrupts++;
    hgpu_trace(gpu, IRQ, HGPU_MSIX_VECTOR_IH);
    gpu->ops->raise_irq(gpu->opaque, HGPU_MSIX_VECTOR_IH);
}

static void ih_encode(HgpuGpu *gpu, const HgpuIhEvent *event,
                      struct hgpu_ih_entry *entry)
{
    uint64_t now = hgpu_clock(gpu);
    uint32_t pasid = gpu->s.vmid_lut[event->vmid];

    entry->dw[0] = FIELD_PREP(HGPU_IH_DW0__CLIENT_ID, event->client) |
                   FIELD_PREP(HGPU_IH_DW0__SRC_ID, event->source) |
                   FIELD_PREP(HGPU_IH_DW0__RING_ID, event->ring) |
                   FIELD_PREP(HGPU_IH_DW0__VMID, event->vmid) |
                   HGPU_IH_DW0__VMID_SRC;
    entry->dw[1] = now;
    entry->dw[2] = FIELD_PREP(HGPU_IH_DW2__TIMESTAMP_HI, now >> 32);
    entry->dw[3] = FIELD_PREP(HGPU_IH_DW3__PASID, pasid);
    memcpy(&entry->dw[4], event->data, sizeof(event->data));
    for (uint32_t i = 0; i < G_N_ELEMENTS(entry->dw); i++) {
        entry->dw[i] = GUINT32_TO_LE(entry->dw[i]);
    }
}

static void ih_drop(HgpuGpu *gpu, const HgpuIhEvent *event)
{
    if (gpu->s.ih.dropped != UINT32_MAX) {
        gpu->s.ih.dropped++;
    }
    hgpu_trace(gpu, IH_DROP, event->client, event->source);
}

/* Where WPTR is after one more entry. */
static uint32_t ih_next_wptr(const HgpuIh *ih)
{
    return hgpu_ring_wrap(ih->wptr & HGPU_IH_RB_WPTR__OFFSET, IH_ENTRY_BYTES,
                          hgpu_ih_ring_bytes(ih->rb_cntl));
}

static bool ih_full(const HgpuIh *ih)
{
    return ih_next_wptr(ih) == ih->rptr;
}

/* With WPTR_OVERFLOW_ENABLE there is always room for one more (SPEC 6.1). */
static bool ih_has_room(const HgpuIh *ih)
{
    return !ih_full(ih) ||
           (ih->rb_cntl & HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE);
}

/* An entry has been written: only now one may have been overwritten. */
static void ih_advance(HgpuGpu *gpu)
{
    HgpuIh *ih = &gpu->s.ih;

    if (ih_full(ih)) {
        hgpu_trace(gpu, IH_OVERFLOW, ih->rptr,
                   ih->wptr & HGPU_IH_RB_WPTR__OFFSET);
        ih->wptr |= HGPU_IH_RB_WPTR__RB_OVERFLOW;
    }
    ih->wptr = (ih->wptr & HGPU_IH_RB_WPTR__RB_OVERFLOW) | ih_next_wptr(ih);
}

void hgpu_ih_post(HgpuGpu *gpu, const HgpuIhEvent *event)
{
    HgpuIh *ih = &gpu->s.ih;
    uint32_t wptr = ih->wptr & HGPU_IH_RB_WPTR__OFFSET;
    struct hgpu_ih_entry entry;

    if (!(ih->rb_cntl & HGPU_IH_RB_CNTL__RB_ENABLE)) {
        ih_drop(gpu, event);
        return;
    }
    ih_encode(gpu, event, &entry);
    if (!ih_has_room(ih) ||
        !ih_write(gpu, ih->rb_base + wptr, &entry, sizeof(entry))) {
        ih_drop(gpu, event);
        return;
    }
    ih_advance(gpu);
    hgpu_trace(gpu, IH_ENTRY, event->client, event->source, event->ring,
               event->vmid, gpu->s.vmid_lut[event->vmid], ih->wptr);
    ih_write_back_wptr(gpu);
    ih_raise(gpu);
}

void hgpu_ih_post_sdma(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t source,
                       uint32_t data0, uint32_t data1, uint32_t data2)
{
    const HgpuSdmaCtx *ctx = &gpu->s.sdma[e].ctx[c];
    HgpuIhEvent event = {
        .client = sdma_clients[e],
        .source = source,
        .ring = c,
        .vmid = FIELD_GET(HGPU_SDMA_RB_CNTL__RB_VMID, ctx->rb_cntl),
        .data = { data0, data1, data2 },
    };

    hgpu_ih_post(gpu, &event);
}

static bool ih_cntl_ok(uint32_t old, uint32_t val)
{
    const uint32_t fixed = HGPU_IH_RB_CNTL__RB_SIZE |
                           HGPU_IH_RB_CNTL__MC_SPACE;
    uint32_t space = FIELD_GET(HGPU_IH_RB_CNTL__MC_SPACE, val);

    if (!(val & HGPU_IH_RB_CNTL__RB_ENABLE)) {
        return true;
    }
    if ((old & HGPU_IH_RB_CNTL__RB_ENABLE) && ((old ^ val) & fixed)) {
        return false;
    }
    return hgpu_ih_ring_bytes(val) &&
           (space == HGPU_IH_MC_SPACE_BUS || space == HGPU_IH_MC_SPACE_GPU);
}

bool hgpu_ih_write_cntl(HgpuGpu *gpu, uint32_t val)
{
    HgpuIh *ih = &gpu->s.ih;
    uint32_t old = ih->rb_cntl;
    bool clear = val & HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR;

    if (!ih_cntl_ok(old, val)) {
        return false;
    }
    ih->rb_cntl = val & ~HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR;
    if ((val & ~old) & HGPU_IH_RB_CNTL__RB_ENABLE) {
        ih->rptr = 0;
        ih->wptr = 0;
        ih->outstanding = 0;
    } else if (clear && (ih->wptr & HGPU_IH_RB_WPTR__RB_OVERFLOW)) {
        ih->wptr &= ~HGPU_IH_RB_WPTR__RB_OVERFLOW;
        ih_write_back_wptr(gpu);
    }
    return true;
}

bool hgpu_ih_write_rptr(HgpuGpu *gpu, uint32_t val)
{
    HgpuIh *ih = &gpu->s.ih;

    if (val % IH_ENTRY_BYTES || val >= hgpu_ih_ring_bytes(ih->rb_cntl)) {
        return false;
    }
    ih->rptr = val;
    ih->outstanding = 0;
    if (val != (ih->wptr & HGPU_IH_RB_WPTR__OFFSET) &&
        (ih->rb_cntl & HGPU_IH_RB_CNTL__RB_ENABLE) &&
        (ih->rb_cntl & HGPU_IH_RB_CNTL__RPTR_REARM)) {
        ih_raise(gpu);
    }
    return true;
}
