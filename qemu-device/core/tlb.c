/*
 * hmm-gpu device core: the TLB (SPEC 4.4).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tlb.h"

static uint32_t tlb_set(uint32_t vmid, uint64_t va, uint32_t shift)
{
    uint64_t page = va >> shift;

    return (page ^ (page >> 9) ^ (vmid * 37) ^ (shift * 11)) %
           HGPU_TLB_SETS;
}

const HgpuTlbEntry *hgpu_tlb_lookup(HgpuTlb *tlb, uint32_t vmid, uint64_t va)
{
    uint64_t shifts = tlb->shifts[vmid];

    while (shifts) {
        uint32_t shift = __builtin_ctzll(shifts);
        uint64_t start = va >> shift << shift;
        const HgpuTlbEntry *set = tlb->entry[tlb_set(vmid, va, shift)];

        for (uint32_t way = 0; way < HGPU_TLB_WAYS; way++) {
            if (set[way].flags && set[way].va == start &&
                set[way].shift == shift && set[way].vmid == vmid) {
                tlb->hits++;
                return &set[way];
            }
        }
        shifts &= shifts - 1;
    }
    tlb->misses++;
    return NULL;
}

void hgpu_tlb_insert(HgpuTlb *tlb, const HgpuTlbEntry *entry)
{
    uint32_t set = tlb_set(entry->vmid, entry->va, entry->shift);
    uint32_t way;

    for (way = 0; way < HGPU_TLB_WAYS; way++) {
        if (!tlb->entry[set][way].flags) {
            break;
        }
    }
    if (way == HGPU_TLB_WAYS) {
        way = tlb->victim[set];
        tlb->victim[set] = (way + 1) % HGPU_TLB_WAYS;
    }
    tlb->entry[set][way] = *entry;
    tlb->shifts[entry->vmid] |= BIT_ULL(entry->shift);
}

uint32_t hgpu_tlb_flush(HgpuTlb *tlb, uint32_t vmids)
{
    HgpuTlbEntry *entry = &tlb->entry[0][0];
    uint32_t dropped = 0;

    for (uint32_t i = 0; i < HGPU_TLB_SETS * HGPU_TLB_WAYS; i++) {
        if (entry[i].flags && (vmids & BIT(entry[i].vmid))) {
            entry[i].flags = 0;
            dropped++;
        }
    }
    for (uint32_t vmid = 0; vmid < HGPU_VMIDS; vmid++) {
        if (vmids & BIT(vmid)) {
            tlb->shifts[vmid] = 0;
        }
    }
    return dropped;
}
