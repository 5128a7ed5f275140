/*
 * hmm-gpu device core: virgl jobs as they lie in memory (SPEC 11.3).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virgl.h"
#include "hgpu_virgl_cmd.h"
#include "host.h"
#include "memory.h"

#define VIRGL_LEVELS 14u

#define VIRGL_BINDS (HGPU_VIRGL_BIND_DEPTH_STENCIL | \
                     HGPU_VIRGL_BIND_RENDER_TARGET | \
                     HGPU_VIRGL_BIND_SAMPLER_VIEW | \
                     HGPU_VIRGL_BIND_VERTEX_BUFFER | \
                     HGPU_VIRGL_BIND_INDEX_BUFFER | \
                     HGPU_VIRGL_BIND_CONSTANT_BUFFER | \
                     HGPU_VIRGL_BIND_SHADER_BUFFER)

/* ---- Reading ---- */

/* Read @len bytes, @off behind the job's first. */
static uint32_t job_fetch(HgpuVirgl *v, uint64_t off, void *buf, uint64_t len)
{
    HgpuFault fault;

    if (hgpu_mem_read(v->gpu, 0, v->slot->job + off, buf, len, &fault) ==
        len) {
        return HGPU_VIRGL_OK;
    }
    v->slot->parked.addr = fault.addr;
    v->job->result.fault_addr = fault.addr;
    return fault.kind == HGPU_FAULT_BUS ? HGPU_VIRGL_BUS_ERROR
                                        : HGPU_VIRGL_FAULT;
}

static void resource_decode(const struct hgpu_virgl_resource *from,
                            struct hgpu_wire_resource *to)
{
    *to = (struct hgpu_wire_resource) {
        .handle = GUINT32_FROM_LE(from->handle),
        .target = GUINT32_FROM_LE(from->target),
        .format = GUINT32_FROM_LE(from->format),
        .bind = GUINT32_FROM_LE(from->bind),
        .width = GUINT32_FROM_LE(from->width),
        .height = GUINT32_FROM_LE(from->height),
        .depth = GUINT32_FROM_LE(from->depth),
        .array_size = GUINT32_FROM_LE(from->array_size),
        .last_level = GUINT32_FROM_LE(from->last_level),
        .samples = GUINT32_FROM_LE(from->samples),
    };
}

static void job_decode(const struct hgpu_virgl_job *from, HgpuVirglJob *to)
{
    to->op = GUINT32_FROM_LE(from->op);
    to->context = GUINT32_FROM_LE(from->context);
    to->vmid = GUINT32_FROM_LE(from->vmid);
    to->sequence = GUINT32_FROM_LE(from->sequence);
    to->stream = GUINT64_FROM_LE(from->stream);
    to->stream_dw = GUINT32_FROM_LE(from->stream_dw);
    to->range_count = GUINT32_FROM_LE(from->range_count);
    resource_decode(&from->resource, &to->resource);
}

static void range_decode(const struct hgpu_virgl_range *from, uint64_t offset,
                         struct hgpu_wire_range *to)
{
    *to = (struct hgpu_wire_range) {
        .resource = GUINT32_FROM_LE(from->resource),
        .flags = GUINT32_FROM_LE(from->flags),
        .level = GUINT32_FROM_LE(from->level),
        .stride = GUINT32_FROM_LE(from->stride),
        .x = GUINT32_FROM_LE(from->x),
        .y = GUINT32_FROM_LE(from->y),
        .z = GUINT32_FROM_LE(from->z),
        .w = GUINT32_FROM_LE(from->w),
        .h = GUINT32_FROM_LE(from->h),
        .d = GUINT32_FROM_LE(from->d),
        .offset = offset,
        .size = GUINT64_FROM_LE(from->size),
    };
}

/* ---- Checking ---- */

static bool handle_ok(uint32_t handle)
{
    return handle >= 1 && handle <= HGPU_VIRGL_RESOURCES;
}

static bool reserved_ok(const struct hgpu_virgl_job *job)
{
    uint32_t any = 0;

    for (uint32_t i = 0; i < G_N_ELEMENTS(job->reserved); i++) {
        any |= job->reserved[i];
    }
    return !any;
}

static bool buffer_ok(const struct hgpu_wire_resource *r)
{
    return r->width && r->width <= HGPU_VIRGL_BUFFER_MAX && r->height == 1 &&
           !r->last_level;
}

static bool texture_ok(const struct hgpu_wire_resource *r)
{
    return r->width && r->width <= HGPU_VIRGL_TEXTURE_MAX &&
           r->height && r->height <= HGPU_VIRGL_TEXTURE_MAX &&
           r->last_level < VIRGL_LEVELS;
}

/* Formats, and what each may be bound as, are the renderer's to know. */
static bool resource_ok(const struct hgpu_wire_resource *r)
{
    if (!handle_ok(r->handle) || (r->bind & ~VIRGL_BINDS) || r->depth != 1 ||
        r->array_size != 1 || r->samples) {
        return false;
    }
    switch (r->target) {
    case HGPU_VIRGL_BUFFER:
        return buffer_ok(r);
    case HGPU_VIRGL_TEXTURE_2D:
        return texture_ok(r);
    default:
        return false;
    }
}

static bool submit_ok(const HgpuVirglJob *job)
{
    return job->vmid >= 1 && job->vmid < HGPU_VMIDS && !(job->stream & 3) &&
           job->stream_dw <= HGPU_VIRGL_STREAM_DW &&
           job->range_count <= HGPU_VIRGL_RANGES;
}

/* Apart from its range table. */
static bool job_ok(const HgpuVirglJob *job)
{
    if (job->context < 1 || job->context > HGPU_VIRGL_CONTEXTS) {
        return false;
    }
    switch (job->op) {
    case HGPU_VIRGL_JOB_CONTEXT_CREATE:
    case HGPU_VIRGL_JOB_CONTEXT_DESTROY:
        return true;
    case HGPU_VIRGL_JOB_RESOURCE_CREATE:
        return resource_ok(&job->resource);
    case HGPU_VIRGL_JOB_RESOURCE_DESTROY:
        return handle_ok(job->resource.handle);
    case HGPU_VIRGL_JOB_SUBMIT:
        return submit_ok(job);
    default:
        return false;
    }
}

/* @left: bytes of staging memory that no range before this one has. */
static uint32_t range_check(const struct hgpu_wire_range *range,
                            uint64_t reserved, uint64_t left)
{
    uint64_t rows, row_bytes;

    if ((range->flags & ~(HGPU_VIRGL_RANGE_IN | HGPU_VIRGL_RANGE_OUT)) ||
        !range->flags || reserved || range->size > left) {
        return HGPU_VIRGL_BAD_JOB;
    }
    if (!handle_ok(range->resource)) {
        return HGPU_VIRGL_NO_RESOURCE;
    }
    return hgpu_virgl_range_rows(range, &rows, &row_bytes)
           ? HGPU_VIRGL_OK : HGPU_VIRGL_BAD_TRANSFER;
}

static uint64_t staging_align(uint64_t offset)
{
    return (offset + 63) & ~UINT64_C(63);
}

/* Decode and check the range table, and give each range its staging memory. */
static uint32_t ranges_read(HgpuVirgl *v)
{
    HgpuVirglJob *job = v->job;
    uint64_t offset = HGPU_WIRE_DATA, left = HGPU_VIRGL_STAGING;
    struct hgpu_virgl_range table[HGPU_VIRGL_RANGES];
    uint32_t status = job_fetch(v, sizeof(struct hgpu_virgl_job), table,
                                job->range_count * sizeof(table[0]));

    for (uint32_t i = 0; !status && i < job->range_count; i++) {
        range_decode(&table[i], offset, &job->range[i]);
        job->addr[i] = GUINT64_FROM_LE(table[i].addr);
        status = range_check(&job->range[i], table[i].reserved, left);
        if (status) {
            job->result.row = i;
        } else {
            left -= job->range[i].size;
            offset = staging_align(offset + job->range[i].size);
        }
    }
    return status;
}

uint32_t hgpu_virgl_job_read(HgpuVirgl *v)
{
    struct hgpu_virgl_job wire;
    uint32_t status = job_fetch(v, 0, &wire, sizeof(wire));

    if (status) {
        return status;
    }
    job_decode(&wire, v->job);
    if (!reserved_ok(&wire) || !job_ok(v->job)) {
        return HGPU_VIRGL_BAD_JOB;
    }
    return v->job->op == HGPU_VIRGL_JOB_SUBMIT ? ranges_read(v)
                                               : HGPU_VIRGL_OK;
}

/* ---- The result ---- */

void hgpu_virgl_job_write_result(HgpuVirgl *v)
{
    const struct hgpu_virgl_result *r = &v->job->result;
    uint64_t addr = v->slot->job + offsetof(struct hgpu_virgl_job, result);
    struct hgpu_virgl_result wire = {
        .status = GUINT32_TO_LE(r->status),
        .row = GUINT32_TO_LE(r->row),
        .fault_addr = GUINT64_TO_LE(r->fault_addr),
        .faults = GUINT32_TO_LE(r->faults),
        .in_ns = GUINT64_TO_LE(r->in_ns),
        .render_ns = GUINT64_TO_LE(r->render_ns),
        .out_ns = GUINT64_TO_LE(r->out_ns),
        .in_bytes = GUINT64_TO_LE(r->in_bytes),
        .out_bytes = GUINT64_TO_LE(r->out_bytes),
    };
    HgpuFault fault;

    if (hgpu_mem_write(v->gpu, 0, addr, &wire, sizeof(wire), &fault) !=
        sizeof(wire)) {
        hgpu_guest_error(v->gpu, "virgl slot %u: the result cannot be written"
                         " to 0x%" PRIx64, v->index, addr);
    }
}
