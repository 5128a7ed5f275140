/*
 * hmm-gpu device core: virgl jobs' memory (SPEC 11.3).
 *
 * Between a VMID's memory and staging memory, a contiguous piece at a time.
 * Like SDMA's copies: the first byte that cannot be translated parks the slot,
 * and the same loop goes on from there.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "virgl.h"
#include "fault.h"
#include "memory.h"
#include "sdma.h"

bool hgpu_virgl_range_rows(const struct hgpu_wire_range *range, uint64_t *rows,
                           uint64_t *row_bytes)
{
    uint64_t before;

    *rows = 1;
    *row_bytes = range->size;
    if (!range->stride || range->h <= 1) {
        return true;
    }
    before = (uint64_t)range->stride * (range->h - 1);
    *rows = range->h;
    *row_bytes = range->size - before;
    return range->size > before && *row_bytes <= range->stride;
}

/* ---- Pieces ---- */

/*
 * Copy up to @len bytes between @va and @staging. Returns how many, 0 if the
 * first cannot be: then hgpu_virgl_fault() has been told.
 */
static uint64_t copy_piece(HgpuVirgl *v, uint64_t va, uint8_t *staging,
                           uint64_t len, uint32_t access)
{
    uint32_t vmid = v->job->vmid;
    HgpuFault fault;
    HgpuRun run;
    HgpuMap map;

    if (!hgpu_mem_run(v->gpu, vmid, va, len, access, &run, &fault) ||
        !hgpu_mem_map(v->gpu, vmid, &run, run.len, access, HGPU_BOUNCE_SRC,
                      &map, &fault)) {
        hgpu_virgl_fault(v, &fault);
        return 0;
    }
    if (access == HGPU_ACCESS_READ) {
        memcpy(staging, map.ptr, map.len);
    } else {
        memcpy(map.ptr, staging, map.len);
    }
    if (!hgpu_mem_unmap(v->gpu, &map, map.len, &fault)) {
        hgpu_virgl_fault(v, &fault);
        return 0;
    }
    return map.len;
}

/* The same, within the budget, noting the progress; false: stop here. */
static bool copy_some(HgpuVirgl *v, uint64_t va, uint64_t staging,
                      uint64_t len, uint32_t access)
{
    uint8_t *base = v->gpu->virgl_staging[v->job->context];
    uint64_t done;

    if (v->budget < HGPU_PACKET_COST) {
        return false;
    }
    done = copy_piece(v, va, base + staging, MIN(len, v->budget), access);
    if (!done) {
        return false;
    }
    if (v->slot->parked.id) {
        hgpu_fault_resolved(v->gpu, &v->slot->parked,
                            HGPU_IH_FAULT_ENGINE_VIRGL, v->index);
    }
    v->job->progress += done;
    v->budget -= MIN(v->budget, MAX(done, HGPU_PACKET_COST));
    v->gpu->stats.bytes += done;
    return true;
}

/* ---- The stream ---- */

bool hgpu_virgl_copy_stream(HgpuVirgl *v)
{
    HgpuVirglJob *job = v->job;
    uint64_t total = job->stream_dw * UINT64_C(4);

    while (job->progress < total) {
        if (!copy_some(v, job->stream + job->progress,
                       HGPU_WIRE_STREAM + job->progress,
                       total - job->progress, HGPU_ACCESS_READ)) {
            return false;
        }
    }
    job->progress = 0;
    return true;
}

/* ---- Ranges ---- */

/* The range in progress: what lies between its rows is not touched. */
static bool copy_range(HgpuVirgl *v, uint32_t access, uint64_t *bytes)
{
    HgpuVirglJob *job = v->job;
    const struct hgpu_wire_range *range = &job->range[job->row];
    uint64_t rows, row_bytes;

    hgpu_virgl_range_rows(range, &rows, &row_bytes);
    while (job->progress < rows * row_bytes) {
        uint64_t before = job->progress;
        uint64_t in_row = before % row_bytes;
        uint64_t off = before / row_bytes * range->stride + in_row;

        if (!copy_some(v, job->addr[job->row] + off, range->offset + off,
                       row_bytes - in_row, access)) {
            return false;
        }
        *bytes += job->progress - before;
    }
    job->progress = 0;
    return true;
}

bool hgpu_virgl_copy_ranges(HgpuVirgl *v, uint32_t flag)
{
    HgpuVirglJob *job = v->job;
    bool in = flag == HGPU_VIRGL_RANGE_IN;

    for (; job->row < job->range_count; job->row++) {
        if ((job->range[job->row].flags & flag) &&
            !copy_range(v, in ? HGPU_ACCESS_READ : HGPU_ACCESS_WRITE,
                        in ? &job->result.in_bytes : &job->result.out_bytes)) {
            return false;
        }
    }
    job->row = 0;
    return true;
}
