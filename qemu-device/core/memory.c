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

/* Clip @run, which begins in VRAM, to the VRAM of the GPU that has it. */
static bool vram_run(HgpuGpu *gpu, HgpuRun *run, HgpuFault *fault)
{
    uint64_t off;
    const HgpuGpu *owner = hgpu_vram_owner(gpu, run->pa, &off);

    if (owner) {
        run->len = MIN(run->len, owner->vram_size - off);
        return true;
    }
    if (hgpu_vram_is_peers(gpu, run->pa)) {
        fault->kind = HGPU_FAULT_BUS;
        fault->bus_addr = run->pa;
    } else {
        fault->kind = HGPU_FAULT_NORETRY;
        fault->mapping_error = true;
    }
    return false;
}

/* The VRAM aperture of VMID 0; never cached, there is nothing to walk. */
static bool fb_run(HgpuGpu *gpu, HgpuRun *run, HgpuFault *fault)
{
    run->pa = fault->addr - HGPU_FB_START;
    run->len = BIT_ULL(HGPU_XGMI_SEGMENT_SHIFT);
    run->system = false;
    return vram_run(gpu, run, fault);
}

/* Check what @entry says about the access in @fault, and make it a run. */
static bool entry_run(HgpuGpu *gpu, const HgpuTlbEntry *entry,
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
    return run->system || vram_run(gpu, run, fault);
}

/* Translate @fault->addr: to the end of its page, fragment or aperture. */
static bool mem_translate(HgpuGpu *gpu, HgpuRun *run, HgpuFault *fault)
{
    const HgpuTlbEntry *hit;
    HgpuTlbEntry entry;
    bool ok;

    run->va = fault->addr;
    if (!fault->vmid && hgpu_fb_contains(gpu, fault->addr)) {
        return fb_run(gpu, run, fault);
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

/* Segments of a hive touch where VRAM is as large as it can be. */
static bool run_goes_on(const HgpuRun *run, const HgpuRun *next)
{
    return next->system == run->system && next->pa == run->pa + run->len &&
           (run->system ||
            !((next->pa ^ run->pa) >> HGPU_XGMI_SEGMENT_SHIFT));
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
            !run_goes_on(run, &next)) {
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

/* Where a run in VRAM is, for the host; NULL if it is there no more. */
static uint8_t *vram_ptr(HgpuGpu *gpu, const HgpuRun *run)
{
    uint64_t off;
    const HgpuGpu *owner = hgpu_vram_owner(gpu, run->pa, &off);

    return owner ? owner->vram + off : NULL;
}

/* The first @len bytes of a run in VRAM were written. */
static void vram_written(HgpuGpu *gpu, const HgpuRun *run, uint64_t len)
{
    uint64_t off;
    HgpuGpu *owner = hgpu_vram_owner(gpu, run->pa, &off);

    if (owner) {
        hgpu_vram_dirty(owner, off, len);
    }
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
        map->ptr = vram_ptr(gpu, run);
        return map->ptr || bus_error(run, vmid, access, fault);
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
            vram_written(gpu, map->run, used);
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
            memcpy(to, vram_ptr(gpu, &run), run.len);
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
            memcpy(vram_ptr(gpu, &run), from, run.len);
            vram_written(gpu, &run, run.len);
        } else if (gpu->ops->dma_write(gpu->opaque, run.pa, from,
                                       run.len) < 0) {
            bus_error(&run, vmid, HGPU_ACCESS_WRITE, fault);
            break;
        }
        done += run.len;
    }
    return done;
}
