/*
 * hmm-gpu device core: slots, contexts and renderers of the virgl engine
 * (SPEC 11).
 *
 *   IDLE --START--> FETCH --> IN --> RENDER --> OUT --> IDLE     a SUBMIT
 *                     |                ^ |
 *                     +----------------+ +------------> IDLE     other jobs
 *
 * Whatever ends a job, from any state, goes through virgl_end(). A slot whose
 * job has been read works for a context that exists, unless that very job makes
 * it; so while there are no contexts every slot can be saved.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "virgl.h"
#include "fault.h"
#include "host.h"
#include "ih.h"
#include "queue.h"
#include "sdma.h"

static HgpuVirgl virgl_at(HgpuGpu *gpu, uint32_t s, uint64_t budget)
{
    return (HgpuVirgl) {
        .gpu = gpu, .index = s, .slot = &gpu->s.virgl[s],
        .job = &gpu->virgl_job[s], .budget = budget,
    };
}

static void virgl_move(HgpuVirgl *v, uint32_t state)
{
    hgpu_trace(v->gpu, VIRGL_STATE, v->index, v->slot->state, state);
    v->slot->state = state;
}

/* ---- Contexts ---- */

static bool context_exists(const HgpuGpu *gpu, uint32_t ctx)
{
    return gpu->s.virgl_contexts & BIT(ctx);
}

/* End the renderer; the context is lost. */
static void context_lose(HgpuGpu *gpu, uint32_t ctx)
{
    if (gpu->virgl_staging[ctx]) {
        gpu->virgl_staging[ctx] = NULL;
        hgpu_trace(gpu, VIRGL_RENDERER, ctx, 0);
        gpu->ops->virgl_kill(gpu->opaque, ctx);
    }
}

/* It exists no more; the host hears of it, also when it was lost before. */
static void context_remove(HgpuGpu *gpu, uint32_t ctx)
{
    gpu->s.virgl_contexts &= ~BIT(ctx);
    gpu->virgl_staging[ctx] = NULL;
    hgpu_trace(gpu, VIRGL_RENDERER, ctx, 0);
    gpu->ops->virgl_kill(gpu->opaque, ctx);
}

static bool context_start(HgpuGpu *gpu, uint32_t ctx)
{
    uint8_t *staging;

    if (!gpu->ops->virgl_start(gpu->opaque, ctx, &staging)) {
        return false;
    }
    gpu->virgl_staging[ctx] = staging;
    gpu->s.virgl_contexts |= BIT(ctx);
    hgpu_trace(gpu, VIRGL_RENDERER, ctx, 1);
    return true;
}

/* Does another slot work for the context of @v's job? */
static bool context_busy(const HgpuVirgl *v)
{
    for (uint32_t s = 0; s < v->gpu->virgl_slots; s++) {
        if (s != v->index && v->gpu->s.virgl[s].begun &&
            v->gpu->virgl_job[s].context == v->job->context) {
            return true;
        }
    }
    return false;
}

uint32_t hgpu_virgl_contexts(const HgpuGpu *gpu)
{
    return __builtin_popcount(gpu->s.virgl_contexts);
}

/* ---- The end of a job ---- */

static void virgl_post_eop(HgpuVirgl *v)
{
    HgpuIhEvent event = {
        .client = HGPU_IH_CLIENTID_GRBM_CP,
        .source = HGPU_SRCID_CP_EOP,
        .ring = v->index,
        .vmid = v->job->vmid < HGPU_VMIDS ? v->job->vmid : 0,
        .data = { v->job->sequence },
    };

    hgpu_ih_post(v->gpu, &event);
}

/* FETCH and IN are over, or OUT is. */
static void virgl_time(HgpuVirgl *v)
{
    HgpuVirglJob *job = v->job;
    uint64_t ns = hgpu_now_ns(v->gpu) - job->since_ns;

    switch (v->slot->state) {
    case HGPU_VIRGL_STATE_FETCH:
    case HGPU_VIRGL_STATE_IN:
        job->result.in_ns = ns;
        break;
    case HGPU_VIRGL_STATE_OUT:
        job->result.out_ns = ns;
        break;
    }
}

/* The result, an idle slot, the interrupt: in this order (SPEC 11.4). */
static void virgl_end(HgpuVirgl *v, uint32_t status)
{
    HgpuVirglSlot *slot = v->slot;
    uint64_t addr = slot->parked.addr;

    virgl_time(v);
    v->job->result.status = status;
    hgpu_virgl_job_write_result(v);
    hgpu_trace(v->gpu, VIRGL_END, v->index, v->job->sequence, status,
               v->job->result.faults);
    virgl_move(v, HGPU_VIRGL_STATE_IDLE);
    slot->begun = 0;
    slot->retry_wait = 0;
    slot->parked = (HgpuParked) { .addr = addr };
    hgpu_write_barrier();
    virgl_post_eop(v);
}

/* The job has failed, and the context with it. */
static void virgl_end_lost(HgpuVirgl *v, uint32_t status)
{
    if (v->job->op == HGPU_VIRGL_JOB_CONTEXT_CREATE) {
        context_remove(v->gpu, v->job->context);
        status = HGPU_VIRGL_NO_RENDERER;
    } else {
        context_lose(v->gpu, v->job->context);
    }
    virgl_end(v, status);
}

void hgpu_virgl_fault(HgpuVirgl *v, const HgpuFault *fault)
{
    bool bus = fault->kind == HGPU_FAULT_BUS;

    if (fault->kind == HGPU_FAULT_RETRY) {
        v->slot->retry_wait = 1;
        v->job->result.faults +=
            hgpu_fault_park(v->gpu, &v->slot->parked,
                            HGPU_IH_FAULT_ENGINE_VIRGL, v->index, fault);
        return;
    }
    if (bus) {
        hgpu_trace(v->gpu, BUS_ERROR, HGPU_IH_FAULT_ENGINE_VIRGL, v->index,
                   fault->bus_addr);
    } else {
        v->gpu->stats.noretry_faults++;
    }
    v->slot->parked.addr = fault->addr;
    v->job->result.fault_addr = fault->addr;
    v->job->result.row = v->job->row;
    virgl_end(v, bus ? HGPU_VIRGL_BUS_ERROR : HGPU_VIRGL_FAULT);
}

/* ---- RENDER ---- */

static void virgl_ask(HgpuVirgl *v, uint32_t kind)
{
    HgpuVirglJob *job = v->job;
    struct hgpu_wire_request req = { .kind = kind, .context = job->context };

    if (kind == HGPU_WIRE_SUBMIT) {
        req.submit = (struct hgpu_wire_submit) {
            .stream = HGPU_WIRE_STREAM, .stream_dw = job->stream_dw,
            .ranges = HGPU_WIRE_RANGES, .range_count = job->range_count,
        };
    } else {
        req.resource = job->resource;
    }
    job->awaits = kind;
    job->replied = 0;
    if (v->slot->state != HGPU_VIRGL_STATE_RENDER) {
        virgl_time(v);
        virgl_move(v, HGPU_VIRGL_STATE_RENDER);
    }
    if (!v->gpu->ops->virgl_send(v->gpu->opaque, job->context, &req)) {
        virgl_end_lost(v, HGPU_VIRGL_DIED);
    }
}

void hgpu_virgl_reply(HgpuGpu *gpu, uint32_t ctx,
                      const struct hgpu_wire_reply *reply)
{
    for (uint32_t s = 0; s < gpu->virgl_slots; s++) {
        HgpuVirglJob *job = &gpu->virgl_job[s];

        if (gpu->s.virgl[s].state == HGPU_VIRGL_STATE_RENDER &&
            job->context == ctx && !job->replied) {
            job->reply = *reply;
            job->replied = 1;
        }
    }
    hgpu_queue_kick(gpu);
}

static uint32_t reply_status(const struct hgpu_wire_reply *reply)
{
    switch (reply->status) {
    case HGPU_WIRE_OK:
        return HGPU_VIRGL_OK;
    case HGPU_WIRE_BAD_REQUEST:
        return HGPU_VIRGL_BAD_JOB;
    case HGPU_WIRE_NO_RESOURCE:
        return HGPU_VIRGL_NO_RESOURCE;
    case HGPU_WIRE_BAD_STREAM:
        return HGPU_VIRGL_BAD_STREAM;
    case HGPU_WIRE_BAD_TRANSFER:
        return HGPU_VIRGL_BAD_TRANSFER;
    case HGPU_WIRE_NO_MEMORY:
        return HGPU_VIRGL_NO_MEMORY;
    case HGPU_WIRE_TIMEOUT:
        return HGPU_VIRGL_TIMEOUT;
    default:
        /* NO_CONTEXT: it has lost what it was given. */
        return HGPU_VIRGL_DIED;
    }
}

static bool status_loses(uint32_t status)
{
    return status == HGPU_VIRGL_BAD_STREAM || status == HGPU_VIRGL_TIMEOUT ||
           status == HGPU_VIRGL_DIED;
}

static void reply_failed(HgpuVirgl *v, uint32_t status)
{
    HgpuVirglJob *job = v->job;

    if (status == HGPU_VIRGL_NO_RESOURCE ||
        status == HGPU_VIRGL_BAD_TRANSFER) {
        job->result.row = MIN(job->reply.detail, HGPU_VIRGL_RANGES - 1);
    }
    if (status_loses(status) || job->op == HGPU_VIRGL_JOB_CONTEXT_CREATE) {
        virgl_end_lost(v, status);
    } else {
        virgl_end(v, status);
    }
}

static void reply_submitted(HgpuVirgl *v)
{
    HgpuVirglJob *job = v->job;

    job->result.render_ns = job->reply.in_ns + job->reply.render_ns +
                            job->reply.out_ns;
    job->since_ns = hgpu_now_ns(v->gpu);
    virgl_move(v, HGPU_VIRGL_STATE_OUT);
}

static void virgl_replied(HgpuVirgl *v)
{
    HgpuVirglJob *job = v->job;
    uint32_t status = reply_status(&job->reply);

    if (status) {
        reply_failed(v, status);
        return;
    }
    switch (job->awaits) {
    case HGPU_WIRE_HELLO:
        if (job->reply.detail != HGPU_WIRE_VERSION) {
            reply_failed(v, HGPU_VIRGL_DIED);
        } else {
            virgl_ask(v, HGPU_WIRE_CONTEXT_CREATE);
        }
        break;
    case HGPU_WIRE_SUBMIT:
        reply_submitted(v);
        break;
    default:
        virgl_end(v, HGPU_VIRGL_OK);
        break;
    }
}

/* ---- The other states ---- */

static void begin_create(HgpuVirgl *v)
{
    if (context_exists(v->gpu, v->job->context)) {
        virgl_end(v, HGPU_VIRGL_BAD_JOB);
    } else if (!context_start(v->gpu, v->job->context)) {
        virgl_end(v, HGPU_VIRGL_NO_RENDERER);
    } else {
        v->job->awaits = HGPU_WIRE_HELLO;
        virgl_time(v);
        virgl_move(v, HGPU_VIRGL_STATE_RENDER);
    }
}

static void begin_destroy(HgpuVirgl *v)
{
    if (!context_exists(v->gpu, v->job->context)) {
        virgl_end(v, HGPU_VIRGL_NO_CONTEXT);
        return;
    }
    context_remove(v->gpu, v->job->context);
    virgl_end(v, HGPU_VIRGL_OK);
}

/* What the job's operation starts with, once it is known to be sound. */
static void virgl_dispatch(HgpuVirgl *v)
{
    switch (v->job->op) {
    case HGPU_VIRGL_JOB_CONTEXT_CREATE:
        begin_create(v);
        return;
    case HGPU_VIRGL_JOB_CONTEXT_DESTROY:
        begin_destroy(v);
        return;
    }
    if (!v->gpu->virgl_staging[v->job->context]) {
        virgl_end(v, HGPU_VIRGL_NO_CONTEXT);
    } else if (v->job->op == HGPU_VIRGL_JOB_RESOURCE_CREATE) {
        virgl_ask(v, HGPU_WIRE_RESOURCE_CREATE);
    } else if (v->job->op == HGPU_VIRGL_JOB_RESOURCE_DESTROY) {
        virgl_ask(v, HGPU_WIRE_RESOURCE_DESTROY);
    }
    /* A SUBMIT stays in FETCH, for its stream. */
}

static void virgl_begin(HgpuVirgl *v)
{
    uint32_t status = hgpu_virgl_job_read(v);

    hgpu_trace(v->gpu, VIRGL_JOB, v->index, v->job->op, v->job->context,
               v->job->vmid, v->job->sequence, v->job->stream_dw);
    v->slot->begun = 1;
    if (!status && context_busy(v)) {
        status = HGPU_VIRGL_BAD_JOB;
    }
    if (status) {
        virgl_end(v, status);
    } else {
        virgl_dispatch(v);
    }
}

static void virgl_fetch(HgpuVirgl *v)
{
    if (!v->slot->begun) {
        virgl_begin(v);
    } else if (hgpu_virgl_copy_stream(v)) {
        virgl_move(v, HGPU_VIRGL_STATE_IN);
    }
}

static void virgl_in(HgpuVirgl *v)
{
    HgpuVirglJob *job = v->job;

    if (!hgpu_virgl_copy_ranges(v, HGPU_VIRGL_RANGE_IN)) {
        return;
    }
    memcpy(v->gpu->virgl_staging[job->context] + HGPU_WIRE_RANGES, job->range,
           job->range_count * sizeof(job->range[0]));
    virgl_ask(v, HGPU_WIRE_SUBMIT);
}

static void virgl_out(HgpuVirgl *v)
{
    if (hgpu_virgl_copy_ranges(v, HGPU_VIRGL_RANGE_OUT)) {
        virgl_end(v, HGPU_VIRGL_OK);
    }
}

static void virgl_step(HgpuVirgl *v)
{
    switch (v->slot->state) {
    case HGPU_VIRGL_STATE_FETCH:
        virgl_fetch(v);
        break;
    case HGPU_VIRGL_STATE_IN:
        virgl_in(v);
        break;
    case HGPU_VIRGL_STATE_RENDER:
        virgl_replied(v);
        break;
    case HGPU_VIRGL_STATE_OUT:
        virgl_out(v);
        break;
    }
    v->budget -= MIN(v->budget, HGPU_PACKET_COST);
}

/* ---- Turns ---- */

bool hgpu_virgl_runnable(const HgpuGpu *gpu, uint32_t s, uint64_t now_ns)
{
    const HgpuVirglSlot *slot = &gpu->s.virgl[s];

    switch (slot->state) {
    case HGPU_VIRGL_STATE_IDLE:
        return false;
    case HGPU_VIRGL_STATE_RENDER:
        return gpu->virgl_job[s].replied;
    default:
        return !slot->retry_wait || slot->parked.replay ||
               now_ns >= slot->parked.deadline_ns;
    }
}

uint64_t hgpu_virgl_deadline(const HgpuGpu *gpu, uint32_t s)
{
    const HgpuVirglSlot *slot = &gpu->s.virgl[s];

    return slot->retry_wait ? slot->parked.deadline_ns : 0;
}

uint64_t hgpu_virgl_turn(HgpuGpu *gpu, uint32_t s, uint64_t budget)
{
    HgpuVirgl v = virgl_at(gpu, s, budget);

    v.slot->retry_wait = 0;
    while (v.budget >= HGPU_PACKET_COST && !v.slot->retry_wait &&
           hgpu_virgl_runnable(gpu, s, 0)) {
        virgl_step(&v);
    }
    return budget - v.budget;
}

void hgpu_virgl_replay_vmids(HgpuGpu *gpu, uint32_t vmids)
{
    for (uint32_t s = 0; s < gpu->virgl_slots; s++) {
        HgpuVirglSlot *slot = &gpu->s.virgl[s];

        if (slot->retry_wait && (vmids & BIT(slot->parked.vmid))) {
            slot->parked.replay = 1;
        }
    }
}

/* ---- Registers, reset ---- */

bool hgpu_virgl_start(HgpuGpu *gpu, uint32_t s)
{
    HgpuVirgl v = virgl_at(gpu, s, 0);

    if (v.slot->state != HGPU_VIRGL_STATE_IDLE) {
        return false;
    }
    memset(v.job, 0, sizeof(*v.job));
    v.job->since_ns = hgpu_now_ns(gpu);
    virgl_move(&v, HGPU_VIRGL_STATE_FETCH);
    hgpu_queue_kick(gpu);
    return true;
}

void hgpu_virgl_abort(HgpuGpu *gpu, uint32_t s)
{
    HgpuVirgl v = virgl_at(gpu, s, 0);

    if (v.slot->state == HGPU_VIRGL_STATE_IDLE) {
        return;
    }
    if (!v.slot->begun) {
        /* for its sequence number, whatever else is in it */
        hgpu_virgl_job_read(&v);
        memset(&v.job->result, 0, sizeof(v.job->result));
    }
    if (v.slot->state == HGPU_VIRGL_STATE_RENDER) {
        context_lose(gpu, v.job->context);
    }
    virgl_end(&v, HGPU_VIRGL_ABORTED);
    hgpu_queue_kick(gpu);
}

void hgpu_virgl_reset(HgpuGpu *gpu)
{
    for (uint32_t ctx = 1; ctx <= HGPU_VIRGL_CONTEXTS; ctx++) {
        if (context_exists(gpu, ctx) || gpu->virgl_staging[ctx]) {
            context_remove(gpu, ctx);
        }
    }
}

void hgpu_virgl_post_load(HgpuGpu *gpu)
{
    hgpu_virgl_reset(gpu);
    memset(gpu->virgl_job, 0, sizeof(gpu->virgl_job));
    for (uint32_t s = 0; s < gpu->virgl_slots; s++) {
        gpu->virgl_job[s].since_ns = hgpu_now_ns(gpu);
    }
}
