/*
 * hmm-gpu unit tests: the virgl engine (SPEC 11), with renderers that only say
 * what the test wants.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
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

/* ---- Slots ---- */

static uint32_t slot_state(uint32_t s)
{
    return FIELD_GET(HGPU_VIRGL_SLOT_STATE__STATE,
                     rig_rd(rig, HGPU_VIRGL_SLOT_STATE(s)));
}

static bool slot_waits(uint32_t s)
{
    return rig_rd(rig, HGPU_VIRGL_SLOT_STATE(s)) &
           HGPU_VIRGL_SLOT_STATE__RETRY_WAIT;
}

static uint64_t slot_fault_addr(uint32_t s)
{
    return rig_rd(rig, HGPU_VIRGL_SLOT_FAULT_ADDR_LO(s)) |
           (uint64_t)rig_rd(rig, HGPU_VIRGL_SLOT_FAULT_ADDR_HI(s)) << 32;
}

static struct hgpu_virgl_job *job_at(uint32_t s)
{
    return (struct hgpu_virgl_job *)(rig->ram + JOB(s));
}

static struct hgpu_virgl_range *range_at(uint32_t s, uint32_t row)
{
    return (struct hgpu_virgl_range *)(rig->ram + JOB(s) +
                                       sizeof(struct hgpu_virgl_job)) + row;
}

/* A job's memory, zeroed but for what every job has. */
static struct hgpu_virgl_job *job_new(uint32_t s, uint32_t op)
{
    struct hgpu_virgl_job *job = job_at(s);

    memset(job, 0, 0x2000);
    job->op = op;
    job->context = CTX;
    job->sequence = 0x1000 + s;
    job->result.status = UINT32_MAX;
    return job;
}

static void slot_start(uint32_t s)
{
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_LO(s), LO(RIG_GART + JOB(s)));
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_HI(s), HI(RIG_GART + JOB(s)));
    rig_wr(rig, HGPU_VIRGL_SLOT_CMD(s), HGPU_VIRGL_SLOT_CMD__START);
}

static void slot_go(uint32_t s)
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

static void context_new(uint32_t s, uint32_t ctx)
{
    job_new(s, HGPU_VIRGL_JOB_CONTEXT_CREATE)->context = ctx;
    slot_go(s);
    rig_virgl_reply(rig, ctx, HGPU_WIRE_OK);
    rig_virgl_reply(rig, ctx, HGPU_WIRE_OK);
    job_ended(s, HGPU_VIRGL_OK);
}

/* A row of a SUBMIT that is being put together. */
static struct hgpu_virgl_range *add_range(uint32_t s, uint32_t flags,
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
static struct hgpu_virgl_job *submit_new(uint32_t s, uint32_t dw)
{
    struct hgpu_virgl_job *job = job_new(s, HGPU_VIRGL_JOB_SUBMIT);

    job->vmid = VMID;
    job->stream = STREAM;
    job->stream_dw = dw;
    return job;
}

static void map_ram(uint64_t va, uint64_t ram, uint64_t bytes)
{
    rig_map_range(rig, VMID, va, RIG_PTE_SYS | ram, bytes);
}

static void flush(void)
{
    rig_flush(rig, BIT(VMID));
    rig_run(rig);
}

static uint8_t *staging(void)
{
    return rig->renderer[CTX].staging;
}

/* All of the VMID's memory is mapped, and a context is there. */
static void ready(void)
{
    map_ram(STREAM, STREAM_RAM, 0x100000);
    map_ram(SRC, SRC_RAM, 0x100000);
    map_ram(DST, DST_RAM, 0x100000);
    rig_pattern(rig->ram + STREAM_RAM, 0x100000, 1);
    rig_pattern(rig->ram + SRC_RAM, 0x100000, 2);
    context_new(0, CTX);
}

/* ---- Registers ---- */

static void slots_are_in_caps(void)
{
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__VIRGL_SLOTS, rig_rd(rig, HGPU_CAPS)),
                     ==, HGPU_VIRGL_SLOTS);
    for (uint32_t s = 0; s < HGPU_VIRGL_SLOTS; s++) {
        g_assert_cmpuint(slot_state(s), ==, HGPU_VIRGL_STATE_IDLE);
        g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_CMD(s)), ==, 0);
        g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_LO(s)), ==, 0);
        g_assert_cmphex(slot_fault_addr(s), ==, 0);
    }
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_CMD(HGPU_VIRGL_SLOTS), 1);
}

static void no_slots_no_registers(void)
{
    Rig *plain = rig_new();

    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__VIRGL_SLOTS,
                               rig_rd(plain, HGPU_CAPS)), ==, 0);
    rig_wr_refused(plain, HGPU_VIRGL_SLOT_JOB_LO(0), 0x40);
    rig_wr_refused(plain, HGPU_VIRGL_SLOT_CMD(0), 1);
    rig_run(plain);
    rig_free(plain);
}

static void registers_keep_what_they_have(void)
{
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_LO(2), 0xffffffc0);
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_HI(2), UINT32_MAX);
    g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_LO(2)), ==, 0xffffffc0);
    g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_HI(2)), ==, 0xffff);
    g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_LO(1)), ==, 0);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_JOB_LO(2), 0x20);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_STATE(2), 0);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_FAULT_ADDR_LO(2), 0);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_CMD(2), 0);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_CMD(2), 3);
    /* nothing to abort: not a mistake, the job may just have ended */
    rig_wr(rig, HGPU_VIRGL_SLOT_CMD(2), HGPU_VIRGL_SLOT_CMD__ABORT);
    rig_run(rig);
    rig_expect_none(rig);
}

static void busy_slot_is_locked(void)
{
    job_new(1, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    slot_start(1);
    g_assert_cmpuint(slot_state(1), ==, HGPU_VIRGL_STATE_FETCH);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_JOB_LO(1), 0);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_JOB_HI(1), 0);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_CMD(1), HGPU_VIRGL_SLOT_CMD__START);
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_LO(0), 0x40);
    rig_run(rig);
    g_assert_cmpuint(slot_state(1), ==, HGPU_VIRGL_STATE_RENDER);
    rig_wr_refused(rig, HGPU_VIRGL_SLOT_CMD(1), HGPU_VIRGL_SLOT_CMD__START);
}

/* ---- Contexts ---- */

static void context_lives_from_create_to_destroy(void)
{
    job_new(0, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    slot_go(0);
    g_assert_cmpuint(rig->renderer[CTX].starts, ==, 1);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_RENDER);
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 1);
    g_assert_false(rig->renderer[CTX].busy);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    rig_virgl_asked(rig, CTX, HGPU_WIRE_CONTEXT_CREATE);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_RENDER);
    rig_expect_none(rig);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);

    job_new(0, HGPU_VIRGL_JOB_CONTEXT_DESTROY);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmpuint(rig->renderer[CTX].kills, ==, 1);
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 0);

    job_new(0, HGPU_VIRGL_JOB_CONTEXT_DESTROY);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_NO_CONTEXT);
    context_new(0, CTX);
    g_assert_cmpuint(rig->renderer[CTX].starts, ==, 2);
}

static void context_is_made_once(void)
{
    context_new(0, CTX);
    job_new(0, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_BAD_JOB);
    g_assert_cmpuint(rig->renderer[CTX].starts, ==, 1);
    g_assert_nonnull(staging());
}

static void all_contexts_at_once(void)
{
    for (uint32_t ctx = 1; ctx <= HGPU_VIRGL_CONTEXTS; ctx++) {
        context_new(ctx % HGPU_VIRGL_SLOTS, ctx);
        g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, ctx);
    }
}

static void no_renderer_no_context(void)
{
    rig->renderer_missing = true;
    job_new(0, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_NO_RENDERER);
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 0);
    rig->renderer_missing = false;
    context_new(0, CTX);
}

/* However starting a renderer goes wrong, there is no context then. */
static void failed_create_leaves_nothing(void)
{
    static const uint32_t bad[] = {
        HGPU_WIRE_BAD_REQUEST, HGPU_WIRE_NO_MEMORY, HGPU_WIRE_TIMEOUT,
        HGPU_WIRE_DIED, 77,
    };

    for (uint32_t i = 0; i < 2 * G_N_ELEMENTS(bad); i++) {
        job_new(0, HGPU_VIRGL_JOB_CONTEXT_CREATE);
        slot_go(0);
        if (i % 2) {
            rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
        }
        rig_virgl_reply(rig, CTX, bad[i / 2]);
        job_ended(0, HGPU_VIRGL_NO_RENDERER);
        g_assert_null(staging());
        g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 0);
    }
    context_new(0, CTX);
}

static void other_version_is_no_renderer(void)
{
    struct hgpu_wire_reply hello = {
        .kind = HGPU_WIRE_HELLO, .detail = HGPU_WIRE_VERSION + 1,
    };

    job_new(0, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    slot_go(0);
    hgpu_virgl_reply(&rig->gpu, CTX, &hello);
    rig_run(rig);
    job_ended(0, HGPU_VIRGL_NO_RENDERER);
    g_assert_null(staging());
}

/* ---- Resources ---- */

static const struct hgpu_virgl_resource buffer = {
    .handle = 7, .target = HGPU_VIRGL_BUFFER, .format = HGPU_VIRGL_R8_UNORM,
    .bind = HGPU_VIRGL_BIND_SHADER_BUFFER, .width = 4096, .height = 1,
    .depth = 1, .array_size = 1,
};

static const struct hgpu_virgl_resource texture = {
    .handle = 9, .target = HGPU_VIRGL_TEXTURE_2D,
    .format = HGPU_VIRGL_R8G8B8A8_UNORM,
    .bind = HGPU_VIRGL_BIND_RENDER_TARGET, .width = 640, .height = 480,
    .depth = 1, .array_size = 1, .last_level = 3,
};

static void resource_go(const struct hgpu_virgl_resource *resource)
{
    job_new(0, HGPU_VIRGL_JOB_RESOURCE_CREATE)->resource = *resource;
    slot_go(0);
}

static void resources_are_passed_on(void)
{
    const struct hgpu_virgl_resource *const all[] = { &buffer, &texture };

    context_new(0, CTX);
    for (uint32_t i = 0; i < G_N_ELEMENTS(all); i++) {
        const struct hgpu_wire_request *req;

        resource_go(all[i]);
        g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_RENDER);
        req = rig_virgl_asked(rig, CTX, HGPU_WIRE_RESOURCE_CREATE);
        g_assert_cmpmem(&req->resource, sizeof(req->resource), all[i],
                        sizeof(*all[i]));
        rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
        job_ended(0, HGPU_VIRGL_OK);
    }
    job_new(0, HGPU_VIRGL_JOB_RESOURCE_DESTROY)->resource.handle = 9;
    slot_go(0);
    g_assert_cmpuint(rig_virgl_asked(rig, CTX, HGPU_WIRE_RESOURCE_DESTROY)
                     ->resource.handle, ==, 9);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_NO_RESOURCE);
    job_ended(0, HGPU_VIRGL_NO_RESOURCE);
    g_assert_nonnull(staging());
}

/* ---- SUBMIT ---- */

static void submit_copies_in_and_out(void)
{
    const struct hgpu_wire_range *table;
    const struct hgpu_wire_submit *submit;
    RigIrq irq;

    ready();
    submit_new(0, 0x2345);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC + 0x123, 0x3001);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST + 0x777, 0x2002);
    add_range(0, HGPU_VIRGL_RANGE_IN | HGPU_VIRGL_RANGE_OUT, DST + 0x9000, 8);
    memset(rig->ram + DST_RAM, 0xee, 0x10000);
    slot_go(0);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_RENDER);
    submit = &rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT)->submit;
    g_assert_cmpuint(submit->stream_dw, ==, 0x2345);
    g_assert_cmpuint(submit->range_count, ==, 3);
    g_assert_cmpmem(staging() + submit->stream, 4 * 0x2345,
                    rig->ram + STREAM_RAM, 4 * 0x2345);
    table = (void *)(staging() + submit->ranges);
    g_assert_cmpuint(table[1].resource, ==, 7);
    g_assert_cmpuint(table[1].flags, ==, HGPU_WIRE_RANGE_OUT);
    g_assert_cmpuint(table[1].size, ==, 0x2002);
    g_assert_cmpmem(staging() + table[0].offset, 0x3001,
                    rig->ram + SRC_RAM + 0x123, 0x3001);
    g_assert_cmphex(staging()[table[2].offset + 7], ==, 0xee);
    rig_pattern(staging() + table[1].offset, 0x2002, 9);
    memset(staging() + table[2].offset, 0x11, 8);

    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    irq = job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmpuint(irq.vmid, ==, VMID);
    g_assert_cmphex(irq.pasid, ==, RIG_PASID(VMID));
    g_assert_true(rig_is_pattern(rig->ram + DST_RAM + 0x777, 0x2002, 9));
    g_assert_cmphex(rig->ram[DST_RAM + 0x776], ==, 0xee);
    g_assert_cmphex(rig->ram[DST_RAM + 0x777 + 0x2002], ==, 0xee);
    g_assert_cmphex(rig->ram[DST_RAM + 0x9000], ==, 0x11);
    g_assert_cmphex(rig->ram[DST_RAM + 0x9008], ==, 0xee);
    g_assert_cmpuint(job_at(0)->result.in_bytes, ==, 0x3001 + 8);
    g_assert_cmpuint(job_at(0)->result.out_bytes, ==, 0x2002 + 8);
    g_assert_cmpuint(job_at(0)->result.faults, ==, 0);
    rig_expect_none(rig);
}

/* ---- Faults ---- */

static void retry_fault_parks_the_slot(void)
{
    RigIrq irq;

    ready();
    submit_new(2, 0x800);
    rig_map(rig, VMID, STREAM + PAGE, 0);
    flush();
    slot_go(2);
    g_assert_cmpuint(slot_state(2), ==, HGPU_VIRGL_STATE_FETCH);
    g_assert_true(slot_waits(2));
    g_assert_cmphex(slot_fault_addr(2), ==, STREAM + PAGE);
    irq = rig_expect_fault(rig, true, STREAM + PAGE);
    g_assert_cmpuint(irq.vmid, ==, VMID);
    g_assert_cmphex(irq.pasid, ==, RIG_PASID(VMID));
    g_assert_false(irq.data[1] & HGPU_IH_FAULT_DATA1__WRITE);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__ENGINE, irq.data[2]), ==,
                     HGPU_IH_FAULT_ENGINE_VIRGL);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__CTX, irq.data[2]), ==, 2);
    g_assert_false(rig->scheduled);
    map_ram(STREAM + PAGE, STREAM_RAM + PAGE, PAGE);
    flush();
    rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT);
    g_assert_false(slot_waits(2));
    g_assert_true(rig_is_pattern(staging() + HGPU_WIRE_STREAM, 0x2000, 1));
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(2, HGPU_VIRGL_OK);
    g_assert_cmpuint(job_at(2)->result.faults, ==, 1);
    rig_expect_none(rig);
}

static void set_up(void)
{
    rig = rig_new_like(&virgl_config);
    rig_setup(rig);
    rig_vm(rig, VMID, RIG_VM_RETRY);
}

static void run_on_rig(gconstpointer test)
{
    set_up();
    ((void (*)(void))test)();
    rig_free(rig);
}

#define TESTS(TEST)                                                     \
    TEST(slots_are_in_caps)                                             \
    TEST(no_slots_no_registers)                                         \
    TEST(registers_keep_what_they_have)                                 \
    TEST(busy_slot_is_locked)                                           \
    TEST(context_lives_from_create_to_destroy)                          \
    TEST(context_is_made_once)                                          \
    TEST(all_contexts_at_once)                                          \
    TEST(no_renderer_no_context)                                        \
    TEST(failed_create_leaves_nothing)                                  \
    TEST(other_version_is_no_renderer)                                  \
    TEST(resources_are_passed_on)                                       \
    TEST(submit_copies_in_and_out)                                      \
    TEST(retry_fault_parks_the_slot)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) \
    g_test_add_data_func("/virgl/" #name, (gconstpointer)name, run_on_rig);
    TESTS(TEST)
#undef TEST
    return g_test_run();
}
