/*
 * hmm-gpu fuzzing: a guest whose jobs, ranges, streams and page tables are
 * partly nonsense, and a renderer whose replies are.
 *
 * The device core is the one of QEMU and the renderer that of hmm-gpu-virgl,
 * here in one process, without its confinement.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "rig.h"
#include "fuzz.h"
#include "virgl/render.h"

#define VMID            3u
#define CTX             1u

#define STREAM_VA       UINT64_C(0x10000000)
#define DATA_VA         UINT64_C(0x20000000)
#define JOB             UINT64_C(0x400000)          /* RAM */
#define STREAM_RAM      UINT64_C(0x410000)
#define STREAM_BYTES    UINT64_C(0x40000)
#define DATA_RAM        UINT64_C(0x500000)
#define DATA_BYTES      UINT64_C(0x20000)

#define RANGES          6u
#define PATIENCE        64u                         /* turns a job may take */

/* ---- The renderer ---- */

static struct {
    uint8_t *staging;
    bool live;
    bool pending;               /* @reply is to be delivered */
    uint32_t ctx;
    struct hgpu_wire_reply reply;
} renderer;

const char *fuzz_renderer_open(void)
{
    renderer.staging = mmap(NULL, HGPU_WIRE_STAGING_SIZE,
                            PROT_READ | PROT_WRITE, MAP_PRIVATE |
                            MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return renderer.staging == MAP_FAILED
           ? "no address space"
           : hgpu_render_open(renderer.staging, HGPU_WIRE_STAGING_SIZE);
}

static bool renderer_start(void *opaque, uint32_t ctx, uint8_t **staging)
{
    (void)opaque;
    if (renderer.live) {
        return false;           /* this process is only good for one */
    }
    renderer.live = true;
    renderer.ctx = ctx;
    renderer.reply = (struct hgpu_wire_reply) {
        .kind = HGPU_WIRE_HELLO, .detail = HGPU_WIRE_VERSION,
    };
    renderer.pending = true;
    *staging = renderer.staging;
    return true;
}

static bool renderer_send(void *opaque, uint32_t ctx,
                          const struct hgpu_wire_request *req)
{
    (void)opaque;
    g_assert_true(renderer.live && ctx == renderer.ctx && !renderer.pending);
    if (!chance(300)) {
        return false;
    }
    hgpu_render_do(req, &renderer.reply);
    renderer.pending = true;
    return true;
}

static void renderer_kill(void *opaque, uint32_t ctx)
{
    struct hgpu_wire_request end = {
        .kind = HGPU_WIRE_CONTEXT_DESTROY, .context = ctx,
    };
    struct hgpu_wire_reply reply;

    (void)opaque;
    if (renderer.live && ctx == renderer.ctx) {
        hgpu_render_do(&end, &reply);
        renderer.live = false;
        renderer.pending = false;
    }
}

/* What the device's host lets through of a hostile renderer. */
static void corrupt(struct hgpu_wire_reply *reply)
{
    if (reply->kind == HGPU_WIRE_HELLO) {
        return;
    }
    reply->status = chance(HGPU_WIRE_DIED + 1);
    reply->detail = chance_odd();
    reply->in_ns = reply->out_ns = chance_odd() * UINT64_C(0x100000001);
}

static void deliver(Rig *rig)
{
    struct hgpu_wire_reply reply = renderer.reply;

    if (!renderer.pending) {
        return;
    }
    renderer.pending = false;
    if (!chance(300)) {
        corrupt(&reply);
    }
    hgpu_virgl_reply(&rig->gpu, renderer.ctx, &reply);
}

/* ---- The machine ---- */

static uint64_t any_page(void)
{
    return chance(2) ? (DATA_RAM + chance(16) * HGPU_PAGE_SIZE) | RIG_PTE_SYS
                     : (RIG_VDATA + chance(16) * HGPU_PAGE_SIZE) | RIG_PTE;
}

/* Mostly there; what is not comes when it is missed. */
static void map_all(Rig *rig)
{
    uint64_t off;

    rig_vm(rig, VMID, RIG_VM_RETRY);
    for (off = 0; off < STREAM_BYTES; off += HGPU_PAGE_SIZE) {
        if (chance(8)) {
            rig_map(rig, VMID, STREAM_VA + off,
                    (STREAM_RAM + off) | RIG_PTE_SYS);
        }
    }
    for (off = 0; off < DATA_BYTES; off += HGPU_PAGE_SIZE) {
        if (chance(4)) {
            rig_map(rig, VMID, DATA_VA + off, any_page());
        }
    }
    rig_flush(rig, BIT(VMID));
}

static Rig *machine(void)
{
    static HgpuHostOps ops;
    HgpuConfig config = rig_config;
    Rig *rig;

    config.virgl_slots = HGPU_VIRGL_SLOTS;
    rig = rig_new_like(&config);
    ops = *rig->gpu.ops;
    ops.virgl_start = renderer_start;
    ops.virgl_send = renderer_send;
    ops.virgl_kill = renderer_kill;
    rig->gpu.ops = &ops;
    rig_setup(rig);
    map_all(rig);
    return rig;
}

/* ---- Jobs ---- */

static void answer_fault(Rig *rig, const RigIrq *irq)
{
    uint64_t va = (uint64_t)irq->data[0] << HGPU_PAGE_SHIFT;

    if (va >= STREAM_VA && va < STREAM_VA + STREAM_BYTES) {
        rig_map(rig, VMID, va, (STREAM_RAM + va - STREAM_VA) | RIG_PTE_SYS);
    } else if (va < UINT64_C(1) << 40 && chance(8)) {
        rig_map(rig, VMID, va, any_page());
    } else if (va < UINT64_C(1) << 40) {
        rig_map(rig, VMID, va, 0);      /* with tables, at any rate */
    }
    rig_flush(rig, BIT(VMID));
}

static bool is_idle(Rig *rig, uint32_t slot)
{
    return FIELD_GET(HGPU_VIRGL_SLOT_STATE__STATE,
                     rig_rd(rig, HGPU_VIRGL_SLOT_STATE(slot))) ==
           HGPU_VIRGL_STATE_IDLE;
}

static void serve(Rig *rig, struct fuzz_counts *counts)
{
    RigIrq irq;

    while (rig_take(rig, &irq)) {
        if (irq.client == HGPU_IH_CLIENTID_VMC) {
            counts->faults++;
            answer_fault(rig, &irq);
        }
    }
}

static uint32_t run_job(Rig *rig, uint32_t slot, struct fuzz_counts *counts)
{
    uint32_t status;

    hgpu_reg_write(&rig->gpu, HGPU_VIRGL_SLOT_CMD(slot),
                   HGPU_VIRGL_SLOT_CMD__START);
    for (uint32_t i = 0; i < PATIENCE && !is_idle(rig, slot); i++) {
        rig_run(rig);
        deliver(rig);
        rig_pass(rig, 1000);
        serve(rig, counts);
        if (!chance(200)) {
            break;
        }
    }
    if (!is_idle(rig, slot)) {
        counts->aborts++;
        hgpu_reg_write(&rig->gpu, HGPU_VIRGL_SLOT_CMD(slot),
                       HGPU_VIRGL_SLOT_CMD__ABORT);
        g_assert_true(is_idle(rig, slot));
    }
    serve(rig, counts);
    status = rig_ram32(rig, JOB + offsetof(struct hgpu_virgl_job, result));
    if (status < HGPU_VIRGL_STATUS_COUNT) {
        counts->job[status]++;
    }
    return status;
}

static uint32_t do_job(Rig *rig, struct hgpu_virgl_job *job,
                       struct fuzz_counts *counts)
{
    uint32_t slot = chance(HGPU_VIRGL_SLOTS);
    uint64_t va = RIG_GART + JOB;

    if (!chance(60)) {
        ((uint32_t *)job)[chance(sizeof(*job) / 4)] = chance_odd();
    }
    job->result.status = ~0u;
    memcpy(rig->ram + JOB, job, sizeof(*job));
    hgpu_reg_write(&rig->gpu, HGPU_VIRGL_SLOT_JOB_LO(slot), va);
    hgpu_reg_write(&rig->gpu, HGPU_VIRGL_SLOT_JOB_HI(slot), va >> 32);
    return run_job(rig, slot, counts);
}

static void make_resource(Rig *rig, struct hgpu_virgl_resource res,
                          struct fuzz_counts *counts)
{
    struct hgpu_virgl_job job = {
        .op = HGPU_VIRGL_JOB_RESOURCE_CREATE, .context = CTX, .resource = res,
    };

    job.resource.depth = 1;
    job.resource.array_size = 1;
    do_job(rig, &job, counts);
}

static struct hgpu_virgl_resource buffer(uint32_t handle, uint32_t bind)
{
    return (struct hgpu_virgl_resource) {
        .handle = handle, .target = HGPU_VIRGL_BUFFER,
        .format = HGPU_VIRGL_R8_UNORM, .bind = bind,
        .width = FUZZ_BUFFER_BYTES, .height = 1,
    };
}

static struct hgpu_virgl_resource texture(uint32_t handle, uint32_t format,
                                          uint32_t bind, uint32_t side)
{
    return (struct hgpu_virgl_resource) {
        .handle = handle, .target = HGPU_VIRGL_TEXTURE_2D, .format = format,
        .bind = bind, .width = side, .height = side,
    };
}

static void make_context(Rig *rig, struct fuzz_counts *counts)
{
    struct hgpu_virgl_job job = {
        .op = HGPU_VIRGL_JOB_CONTEXT_CREATE, .context = CTX,
    };
    const uint32_t color = HGPU_VIRGL_R8G8B8A8_UNORM;
    const uint32_t shader = HGPU_VIRGL_BIND_SHADER_BUFFER;

    do_job(rig, &job, counts);
    make_resource(rig, buffer(FUZZ_SRC, shader), counts);
    make_resource(rig, buffer(FUZZ_DST, shader), counts);
    make_resource(rig, texture(FUZZ_COLOR, color,
                               HGPU_VIRGL_BIND_RENDER_TARGET, 64), counts);
    make_resource(rig, texture(FUZZ_DEPTH, HGPU_VIRGL_Z32_FLOAT,
                               HGPU_VIRGL_BIND_DEPTH_STENCIL, 64), counts);
    make_resource(rig, texture(FUZZ_TEXTURE, color,
                               HGPU_VIRGL_BIND_SAMPLER_VIEW, 16), counts);
    make_resource(rig, buffer(FUZZ_VERTICES, HGPU_VIRGL_BIND_VERTEX_BUFFER),
                  counts);
    make_resource(rig, (struct hgpu_virgl_resource) {
        FUZZ_ANYTHING, chance(2) ? 2 : chance(9),
        chance(2) ? color : chance(322), chance(4) ? HGPU_VIRGL_BIND_SAMPLER_VIEW : 1u << chance(20),
        1 + chance(64), chance(2) ? 1 : 1 + chance(64), 1, 1, chance(4) ? 0 : chance(8), 0,
    }, counts);
}

static void destroy_context(Rig *rig, struct fuzz_counts *counts)
{
    struct hgpu_virgl_job job = {
        .op = HGPU_VIRGL_JOB_CONTEXT_DESTROY, .context = CTX,
    };

    do_job(rig, &job, counts);
}

static struct hgpu_virgl_range any_range(void)
{
    static const struct hgpu_virgl_range sound[] = {
        { .resource = FUZZ_SRC, .flags = HGPU_VIRGL_RANGE_IN,
          .w = FUZZ_BUFFER_BYTES, .h = 1, .d = 1, .size = FUZZ_BUFFER_BYTES },
        { .resource = FUZZ_DST, .flags = 3, .x = 8, .w = 100, .h = 1, .d = 1,
          .size = 100 },
        { .resource = FUZZ_COLOR, .flags = HGPU_VIRGL_RANGE_OUT,
          .w = 64, .h = 64, .d = 1, .size = 64 * 64 * 4 },
        { .resource = FUZZ_TEXTURE, .flags = HGPU_VIRGL_RANGE_IN, .x = 2,
          .y = 3, .w = 9, .h = 7, .d = 1, .stride = 100,
          .size = 6 * 100 + 9 * 4 },
        { .resource = FUZZ_DEPTH, .flags = 3, .w = 64, .h = 64, .d = 1,
          .size = 64 * 64 * 4 },
        { .resource = FUZZ_ANYTHING, .flags = 3, .w = 1, .h = 1, .d = 1,
          .size = 4 },
    };
    struct hgpu_virgl_range r = sound[chance(G_N_ELEMENTS(sound))];

    r.addr = DATA_VA + chance(DATA_BYTES);
    if (!chance(20)) {
        ((uint32_t *)&r)[chance(sizeof(r) / 4)] = chance_odd();
    }
    return r;
}

/* Its status */
static uint32_t submit(Rig *rig, struct fuzz_counts *counts, bool checked)
{
    struct hgpu_virgl_job job = {
        .op = HGPU_VIRGL_JOB_SUBMIT, .context = CTX, .vmid = VMID,
        .stream = STREAM_VA, .range_count = chance(RANGES),
    };
    struct hgpu_virgl_range *range =
        (struct hgpu_virgl_range *)(rig->ram + JOB + sizeof(job));
    struct hgpu_stream s = { };
    uint32_t status;

    fuzz_stream(&s, checked);
    job.stream_dw = MIN(s.count, STREAM_BYTES / 4);
    memcpy(rig->ram + STREAM_RAM, s.dw, job.stream_dw * 4);
    for (uint32_t i = 0; i < job.range_count; i++) {
        range[i] = any_range();
    }
    status = do_job(rig, &job, counts);
    counts->ran += status == HGPU_VIRGL_OK;
    hgpu_stream_free(&s);
    return status;
}

static void destroy_some_resource(Rig *rig, struct fuzz_counts *counts)
{
    struct hgpu_virgl_job job = {
        .op = HGPU_VIRGL_JOB_RESOURCE_DESTROY, .context = CTX,
        .resource.handle = 1 + chance(FUZZ_ANYTHING),
    };

    do_job(rig, &job, counts);
}

void fuzz_guest(struct fuzz_counts *counts, bool checked)
{
    Rig *rig = machine();

    make_context(rig, counts);
    for (uint32_t n = 1 + chance(8); n; n--) {
        if (submit(rig, counts, checked) == HGPU_VIRGL_NO_CONTEXT) {
            destroy_context(rig, counts);
            make_context(rig, counts);
        }
        if (!chance(8)) {
            destroy_some_resource(rig, counts);
        }
    }
    hgpu_reset(&rig->gpu);
    g_assert_false(renderer.live);
    rig_free(rig);
}
