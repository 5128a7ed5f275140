/*
 * hmm-gpu unit tests: what tests of the virgl engine (SPEC 11) share.
 *
 * A rig with the engine, whose renderers say what the test wants; jobs, their
 * range tables and what VMID sees lie in RAM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_TEST_VIRGL_H
#define HGPU_TEST_VIRGL_H

#include "rig.h"
#include "hgpu_virgl_cmd.h"

#define VMID        3u
#define CTX         5u
#define PAGE        HGPU_PAGE_SIZE
#define STREAM      UINT64_C(0x7f0000000000)
#define SRC         UINT64_C(0x7f0000100000)
#define DST         UINT64_C(0x7f0000200000)

/* RAM: a job and its table a slot, then what the VMID sees */
#define JOBS        RIG_DATA
#define JOB(s)      (JOBS + (s) * UINT64_C(0x2000))
#define STREAM_RAM  (RIG_DATA + 0x100000)
#define SRC_RAM     (RIG_DATA + 0x200000)
#define DST_RAM     (RIG_DATA + 0x300000)

static const HgpuConfig virgl_config = {
    .vram_size = RIG_VRAM_SIZE, .nr_engines = RIG_ENGINES, .xnack = true,
    .virgl_slots = HGPU_VIRGL_SLOTS,
};

static Rig *rig;

static inline void set_up(void)
{
    rig = rig_new_like(&virgl_config);
    rig_setup(rig);
    rig_vm(rig, VMID, RIG_VM_RETRY);
}

/* ---- Slots ---- */

static inline uint32_t slot_state(uint32_t s)
{
    return FIELD_GET(HGPU_VIRGL_SLOT_STATE__STATE,
                     rig_rd(rig, HGPU_VIRGL_SLOT_STATE(s)));
}

static inline bool slot_waits(uint32_t s)
{
    return rig_rd(rig, HGPU_VIRGL_SLOT_STATE(s)) &
           HGPU_VIRGL_SLOT_STATE__RETRY_WAIT;
}

static inline uint64_t slot_fault_addr(uint32_t s)
{
    return rig_rd(rig, HGPU_VIRGL_SLOT_FAULT_ADDR_LO(s)) |
           (uint64_t)rig_rd(rig, HGPU_VIRGL_SLOT_FAULT_ADDR_HI(s)) << 32;
}

static inline struct hgpu_virgl_job *job_at(uint32_t s)
{
    return (struct hgpu_virgl_job *)(rig->ram + JOB(s));
}

static inline struct hgpu_virgl_range *range_at(uint32_t s, uint32_t row)
{
    return (struct hgpu_virgl_range *)(rig->ram + JOB(s) +
                                       sizeof(struct hgpu_virgl_job)) + row;
}

/* A job's memory, zeroed but for what every job has. */
static inline struct hgpu_virgl_job *job_new(uint32_t s, uint32_t op)
{
    struct hgpu_virgl_job *job = job_at(s);

    memset(job, 0, 0x2000);
    job->op = op;
    job->context = CTX;
    job->sequence = 0x1000 + s;
    job->result.status = UINT32_MAX;
    return job;
}

static inline void slot_start(uint32_t s)
{
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_LO(s), LO(RIG_GART + JOB(s)));
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_HI(s), HI(RIG_GART + JOB(s)));
    rig_wr(rig, HGPU_VIRGL_SLOT_CMD(s), HGPU_VIRGL_SLOT_CMD__START);
}

static inline void slot_go(uint32_t s)
{
    slot_start(s);
    rig_run(rig);
}

/* The slot's job has ended with @status, and its interrupt was written. */
static RigIrq job_ended(uint32_t s, uint32_t status)
{
    RigIrq irq = rig_expect(rig, HGPU_IH_CLIENTID_GRBM_CP, HGPU_SRCID_CP_EOP);

    g_assert_cmpuint(slot_state(s), ==, HGPU_VIRGL_STATE_IDLE);
    g_assert_false(slot_waits(s));
    g_assert_cmpuint(irq.ring, ==, s);
    g_assert_cmphex(irq.data[0], ==, job_at(s)->sequence);
    g_assert_cmpuint(job_at(s)->result.status, ==, status);
    return irq;
}

/* ---- Jobs that work ---- */

static inline void context_new(uint32_t s, uint32_t ctx)
{
    job_new(s, HGPU_VIRGL_JOB_CONTEXT_CREATE)->context = ctx;
    slot_go(s);
    rig_virgl_reply(rig, ctx, HGPU_WIRE_OK);
    rig_virgl_reply(rig, ctx, HGPU_WIRE_OK);
    job_ended(s, HGPU_VIRGL_OK);
}

/* A row of a SUBMIT that is being put together. */
static inline struct hgpu_virgl_range *add_range(uint32_t s, uint32_t flags,
                                          uint64_t addr, uint64_t size)
{
    struct hgpu_virgl_job *job = job_at(s);
    struct hgpu_virgl_range *range = range_at(s, job->range_count++);

    *range = (struct hgpu_virgl_range) {
        .resource = 7, .flags = flags, .w = size, .h = 1, .d = 1,
        .addr = addr, .size = size,
    };
    return range;
}

/* A SUBMIT of @dw dwords, without ranges. */
static inline struct hgpu_virgl_job *submit_new(uint32_t s, uint32_t dw)
{
    struct hgpu_virgl_job *job = job_new(s, HGPU_VIRGL_JOB_SUBMIT);

    job->vmid = VMID;
    job->stream = STREAM;
    job->stream_dw = dw;
    return job;
}

static inline void map_ram(uint64_t va, uint64_t ram, uint64_t bytes)
{
    rig_map_range(rig, VMID, va, RIG_PTE_SYS | ram, bytes);
}

static inline void flush(void)
{
    rig_flush(rig, BIT(VMID));
    rig_run(rig);
}

static inline uint8_t *staging(void)
{
    return rig->renderer[CTX].staging;
}

/* All of the VMID's memory is mapped, and a context is there. */
static inline void ready(void)
{
    map_ram(STREAM, STREAM_RAM, 0x100000);
    map_ram(SRC, SRC_RAM, 0x100000);
    map_ram(DST, DST_RAM, 0x100000);
    rig_pattern(rig->ram + STREAM_RAM, 0x100000, 1);
    rig_pattern(rig->ram + SRC_RAM, 0x100000, 2);
    context_new(0, CTX);
}

static const struct hgpu_virgl_resource G_GNUC_UNUSED buffer = {
    .handle = 7, .target = HGPU_VIRGL_BUFFER, .format = HGPU_VIRGL_R8_UNORM,
    .bind = HGPU_VIRGL_BIND_SHADER_BUFFER, .width = 4096, .height = 1,
    .depth = 1, .array_size = 1,
};

static const struct hgpu_virgl_resource G_GNUC_UNUSED texture = {
    .handle = 9, .target = HGPU_VIRGL_TEXTURE_2D,
    .format = HGPU_VIRGL_R8G8B8A8_UNORM,
    .bind = HGPU_VIRGL_BIND_RENDER_TARGET, .width = 640, .height = 480,
    .depth = 1, .array_size = 1, .last_level = 3,
};

static inline void resource_go(const struct hgpu_virgl_resource *resource)
{
    job_new(0, HGPU_VIRGL_JOB_RESOURCE_CREATE)->resource = *resource;
    slot_go(0);
}

/* A lost context takes nothing but its end. */
static inline void lost_context_is_lost(void)
{
    g_assert_null(staging());
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 1);
    submit_new(2, 4);
    slot_go(2);
    job_ended(2, HGPU_VIRGL_NO_CONTEXT);
    resource_go(&buffer);
    job_ended(0, HGPU_VIRGL_NO_CONTEXT);
    job_new(2, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    slot_go(2);
    job_ended(2, HGPU_VIRGL_BAD_JOB);
    job_new(2, HGPU_VIRGL_JOB_CONTEXT_DESTROY);
    slot_go(2);
    job_ended(2, HGPU_VIRGL_OK);
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 0);
    context_new(2, CTX);
}

static inline void run_on_rig(gconstpointer test)
{
    set_up();
    ((void (*)(void))test)();
    rig_free(rig);
}

#define TEST(name) \
    g_test_add_data_func("/virgl/" #name, (gconstpointer)name, run_on_rig)

#endif /* HGPU_TEST_VIRGL_H */
