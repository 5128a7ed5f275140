/*
 * hmm-gpu device core: access to a VMID's memory.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "memory.h"
#include "gart.h"
#include "gpuvm.h"
#include "tlb.h"
#include "vram.h"

/* The VRAM aperture of VMID 0; never cached, there is nothing to walk. */
static void fb_run(const HgpuGpu *gpu, uint64_t va, HgpuRun *run)
{
    run->pa = va - HGPU_FB_START;
    run->len = gpu->vram_size - run->pa;
    run->system = false;
}

/* Check what @entry says about the access in @fault, and make it a run. */
static bool entry_run(const HgpuGpu *gpu, const HgpuTlbEntry *entry,
                      HgpuRun *run, HgpuFault *fault)
{
    uint64_t off = fault->addr - entry->va;

    fault->flags = hgpu_pte_denies(entry->flags, fault->access);
    if (fault->flags) {
        fault->kind = hgpu_gpuvm_fault_kind(gpu, fault->vmid);
        return false;
    }
    run->pa = entry->pa + off;
    run->len = BIT_ULL(entry->shift) - off;
    run->system = entry->flags & HGPU_PTE_SYSTEM;
    if (run->system) {
        return true;
    }
    if (run->pa >= gpu->vram_size) {
        fault->kind = HGPU_FAULT_NORETRY;
        fault->mapping_error = true;
        return false;
    }
    run->len = MIN(run->len, gpu->vram_size - run->pa);
    return true;
}

/* Translate @fault->addr: to the end of its page, fragment or aperture. */
static bool mem_translate(HgpuGpu *gpu, HgpuRun *run, HgpuFault *fault)
{
    const HgpuTlbEntry *hit;
    HgpuTlbEntry entry;
    bool ok;

    run->va = fault->addr;
    if (!fault->vmid && hgpu_fb_contains(gpu, fault->addr)) {
        fb_run(gpu, fault->addr, run);
        return true;
    }
    hit = hgpu_tlb_lookup(&gpu->tlb, fault->vmid, fault->addr);
    if (hit) {
        return entry_run(gpu, hit, run, fault);
    }
    ok = fault->vmid ? hgpu_gpuvm_walk(gpu, &entry, fault)
                     : hgpu_gart_walk(gpu, &entry, fault);
    if (!ok || !entry_run(gpu, &entry, run, fault)) {
        return false;
    }
    hgpu_tlb_insert(&gpu->tlb, &entry);
    return true;
}

bool hgpu_mem_run(HgpuGpu *gpu, uint32_t vmid, uint64_t va, uint64_t len,
                  uint32_t access, HgpuRun *run, HgpuFault *fault)
{
    HgpuFault ignored;
    HgpuRun next;

    *fault = (HgpuFault) { .vmid = vmid, .access = access, .addr = va };
    if (!mem_translate(gpu, run, fault)) {
        return false;
    }
    while (run->len < len) {
        ignored = (HgpuFault) {
            .vmid = vmid, .access = access, .addr = va + run->len,
        };
        if (!mem_translate(gpu, &next, &ignored) ||
            next.system != run->system || next.pa != run->pa + run->len) {
            return true;
        }
        run->len += next.len;
    }
    run->len = len;
    return true;
}

static bool bus_error(const HgpuRun *run, uint32_t vmid, uint32_t access,
                      HgpuFault *fault)
{
    *fault = (HgpuFault) {
        .kind = HGPU_FAULT_BUS, .vmid = vmid, .access = access,
        .addr = run->va, .bus_addr = run->pa,
    };
    return false;
}

static bool map_bounced(HgpuGpu *gpu, uint32_t bounce, HgpuMap *map,
                        HgpuFault *fault)
{
    map->ptr = gpu->bounce[bounce];
    map->len = MIN(map->len, sizeof(gpu->bounce[bounce]));
    map->bounced = true;
    if (hgpu_access_reads(map->access) &&
        gpu->ops->dma_read(gpu->opaque, map->run->pa, map->ptr,
                           map->len) < 0) {
        return bus_error(map->run, map->vmid, map->access, fault);
    }
    return true;
}

static uint32_t dma_flags(uint32_t access)
{
    return hgpu_access_writes(access) ? HGPU_DMA_WRITE : HGPU_DMA_READ;
}

bool hgpu_mem_map(HgpuGpu *gpu, uint32_t vmid, const HgpuRun *run,
                  uint64_t len, uint32_t access, uint32_t bounce,
                  HgpuMap *map, HgpuFault *fault)
{
    uint64_t mapped = MIN(len, run->len);

    *map = (HgpuMap) {
        .len = mapped, .run = run, .vmid = vmid, .access = access,
    };
    if (!run->system) {
        map->ptr = gpu->vram + run->pa;
        return true;
    }
    gpu->stats.maps++;
    map->ptr = gpu->ops->dma_map(gpu->opaque, run->pa, &mapped,
                                 dma_flags(access));
    if (!map->ptr) {
        return map_bounced(gpu, bounce, map, fault);
    }
    map->len = MIN(map->len, mapped);
    return true;
}

bool hgpu_mem_unmap(HgpuGpu *gpu, const HgpuMap *map, uint64_t used,
                    HgpuFault *fault)
{
    bool writes = hgpu_access_writes(map->access);

    if (!map->run->system) {
        if (writes) {
            hgpu_vram_dirty(gpu, map->run->pa, used);
        }
        return true;
    }
    if (!map->bounced) {
        gpu->ops->dma_unmap(gpu->opaque, map->ptr, map->len,
                            dma_flags(map->access), used);
        return true;
    }
    if (writes && used &&
        gpu->ops->dma_write(gpu->opaque, map->run->pa, map->ptr, used) < 0) {
        return bus_error(map->run, map->vmid, map->access, fault);
    }
    return true;
}

uint64_t hgpu_mem_read(HgpuGpu *gpu, uint32_t vmid, uint64_t va, void *buf,
                       uint64_t len, HgpuFault *fault)
{
    uint64_t done = 0;
    HgpuRun run;

    while (done < len) {
        uint8_t *to = (uint8_t *)buf + done;

        if (!hgpu_mem_run(gpu, vmid, va + done, len - done, HGPU_ACCESS_READ,
                          &run, fault)) {
            break;
        }
        if (!run.system) {
            memcpy(to, gpu->vram + run.pa, run.len);
        } else if (gpu->ops->dma_read(gpu->opaque, run.pa, to, run.len) < 0) {
            bus_error(&run, vmid, HGPU_ACCESS_READ, fault);
            break;
        }
        done += run.len;
    }
    return done;
}

uint64_t hgpu_mem_write(HgpuGpu *gpu, uint32_t vmid, uint64_t va,
                        const void *buf, uint64_t len, HgpuFault *fault)
{
    uint64_t done = 0;
    HgpuRun run;

    while (done < len) {
        const uint8_t *from = (const uint8_t *)buf + done;

        if (!hgpu_mem_run(gpu, vmid, va + done, len - done, HGPU_ACCESS_WRITE,
                          &run, fault)) {
            break;
        }
        if (!run.system) {
            memcpy(gpu->vram + run.pa, from, run.len);
            hgpu_vram_dirty(gpu, run.pa, run.len);
        } else if (gpu->ops->dma_write(gpu->opaque, run.pa, from,
                                       run.len) < 0) {
            bus_error(&run, vmid, HGPU_ACCESS_WRITE, fault);
            break;
        }
        done += run.len;
    }
    return done;
}
