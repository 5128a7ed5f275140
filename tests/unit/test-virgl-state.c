/*
 * hmm-gpu unit tests: ABORT, reset, saving and loading of the virgl engine, in
 * every state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "test-virgl.h"

/* ---- ABORT and reset, in each state ---- */

/* Where a slot can stand still, and whether ABORT loses the context there. */
typedef enum Stand {
    IN_START,                   /* the job has not been read */
    IN_FETCH,
    IN_IN,
    IN_RENDER,
    IN_ANSWERED,                /* the reply has not been looked at */
    IN_OUT,
    IN_RESOURCE,
    IN_HELLO,
    IN_CREATE,
    STANDS
} Stand;

/* Slot 1 into @stand; the context exists but for IN_HELLO and IN_CREATE. */
static void bring_to(Stand stand)
{
    const uint64_t hole[STANDS] = {
        [IN_FETCH] = STREAM, [IN_IN] = SRC, [IN_OUT] = DST,
    };

    map_ram(STREAM, STREAM_RAM, 0x10000);
    map_ram(SRC, SRC_RAM, 0x10000);
    map_ram(DST, DST_RAM, 0x10000);
    if (hole[stand]) {
        rig_map(rig, VMID, hole[stand], 0);
    }
    flush();
    if (stand < IN_HELLO) {
        context_new(0, CTX);
    }
    if (stand >= IN_HELLO) {
        job_new(1, HGPU_VIRGL_JOB_CONTEXT_CREATE);
    } else if (stand == IN_RESOURCE) {
        job_new(1, HGPU_VIRGL_JOB_RESOURCE_CREATE)->resource = buffer;
    } else {
        submit_new(1, 4);
        add_range(1, HGPU_VIRGL_RANGE_IN, SRC, 64);
        add_range(1, HGPU_VIRGL_RANGE_OUT, DST, 64);
    }
    slot_start(1);
    if (stand == IN_START) {
        return;
    }
    rig_run(rig);
    if (hole[stand] && stand != IN_OUT) {
        rig_expect_fault(rig, true, hole[stand]);
    } else if (stand == IN_OUT) {
        rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
        rig_expect_fault(rig, true, DST);
    } else if (stand == IN_CREATE) {
        rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    } else if (stand == IN_ANSWERED) {
        struct hgpu_wire_reply reply = { .kind = HGPU_WIRE_SUBMIT };

        rig->renderer[CTX].busy = false;
        hgpu_virgl_reply(&rig->gpu, CTX, &reply);
    }
}

static void abort_ends_the_job(gconstpointer which)
{
    Stand stand = (Stand)(uintptr_t)which;
    bool lost = stand == IN_RENDER || stand == IN_ANSWERED ||
                stand >= IN_RESOURCE;
    RigIrq irq;

    set_up();
    bring_to(stand);
    rig_wr(rig, HGPU_VIRGL_SLOT_CMD(1), HGPU_VIRGL_SLOT_CMD__ABORT);
    irq = job_ended(1, HGPU_VIRGL_ABORTED);
    g_assert_cmpuint(irq.vmid, ==, stand < IN_RESOURCE ? VMID : 0);
    g_assert_cmphex(slot_fault_addr(1) != 0, ==, stand == IN_FETCH ||
                    stand == IN_IN || stand == IN_OUT);
    g_array_set_size(rig->writes, 0);
    rig_run(rig);
    map_ram(SRC, SRC_RAM, PAGE);
    map_ram(DST, DST_RAM, PAGE);
    map_ram(STREAM, STREAM_RAM, PAGE);
    flush();
    rig_pass(rig, UINT64_C(10000000000));
    g_assert_cmpuint(rig->writes->len, ==, 0);
    g_assert_cmpuint(rig->timer, ==, 0);
    rig_expect_none(rig);
    if (lost) {
        lost_context_is_lost();
    } else {
        g_assert_nonnull(staging());
        submit_new(1, 4);
        slot_go(1);
        rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
        job_ended(1, HGPU_VIRGL_OK);
    }
    rig_free(rig);
}

static void reset_ends_everything(gconstpointer which)
{
    set_up();
    context_new(2, CTX + 1);
    bring_to((Stand)(uintptr_t)which);
    g_array_set_size(rig->writes, 0);
    hgpu_reset(&rig->gpu);
    g_assert_null(staging());
    g_assert_null(rig->renderer[CTX + 1].staging);
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 0);
    rig_run(rig);
    rig_pass(rig, UINT64_C(10000000000));
    g_assert_cmpuint(rig->writes->len, ==, 0);
    for (uint32_t s = 0; s < HGPU_VIRGL_SLOTS; s++) {
        g_assert_cmpuint(slot_state(s), ==, HGPU_VIRGL_STATE_IDLE);
        g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_LO(s)), ==, 0);
        g_assert_cmphex(slot_fault_addr(s), ==, 0);
    }
    rig->ih_rptr = 0;
    rig_setup(rig);
    rig_vm(rig, VMID, RIG_VM_RETRY);
    ready();
    rig_free(rig);
}

/* ---- Saving and loading ---- */

static void idle_slots_are_saved(void)
{
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_LO(1), 0x12340);
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_HI(1), 0x77);
    submit_new(2, 4);
    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_HI(3), 0x1234);
    rig_wr(rig, HGPU_VIRGL_SLOT_CMD(3), HGPU_VIRGL_SLOT_CMD__START);
    rig_run(rig);
    rig_expect(rig, HGPU_IH_CLIENTID_GRBM_CP, HGPU_SRCID_CP_EOP);
    slot_start(2);
    rig = rig_migrate(rig, 5000000);
    g_assert_nonnull(rig);
    g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_LO(1)), ==, 0x12340);
    g_assert_cmphex(rig_rd(rig, HGPU_VIRGL_SLOT_JOB_HI(1)), ==, 0x77);
    g_assert_cmphex(slot_fault_addr(3), ==, UINT64_C(0x1234) << 32);
    /* the one that was started has yet to read its job */
    rig_run(rig);
    job_ended(2, HGPU_VIRGL_NO_CONTEXT);
    g_assert_cmpuint(job_at(2)->result.in_ns, ==, 0);
}

/* Contexts, lost ones too, and whatever works for them. */
static void contexts_are_not_loaded(gconstpointer which)
{
    Stand stand = (Stand)(uintptr_t)which;

    set_up();
    bring_to(stand);
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 1);
    if (stand == IN_CREATE) {
        rig_wr(rig, HGPU_VIRGL_SLOT_CMD(1), HGPU_VIRGL_SLOT_CMD__ABORT);
        g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 1);
    }
    g_assert_null(rig_migrate(rig, 0));
}

#define BADS(BAD)                                                       \
    BAD(virgl_contexts = BIT(1))                                        \
    BAD(virgl_contexts = BIT(31))                                       \
    BAD(virgl[0].job = 8)                                               \
    BAD(virgl[3].job = BIT_ULL(48))                                     \
    BAD(virgl[0].state = HGPU_VIRGL_STATE_IN)                           \
    BAD(virgl[0].state = HGPU_VIRGL_STATE_RENDER)                       \
    BAD(virgl[0].state = HGPU_VIRGL_STATE_OUT)                          \
    BAD(virgl[3].state = UINT32_MAX)                                    \
    BAD(virgl[0].begun = 1)                                             \
    BAD(virgl[0].retry_wait = 1)                                        \
    BAD(virgl[0].parked.deadline_ns = 1)                                \
    BAD(virgl[0].parked.id = 1)                                         \
    BAD(virgl[0].parked.vmid = 1)                                       \
    BAD(virgl[0].parked.access = 1)                                     \
    BAD(virgl[0].parked.replay = 1)                                     \
    BAD(rr_next = RIG_ENGINES * HGPU_SDMA_CTXS + HGPU_VIRGL_SLOTS)

static void bad_state_is_refused(void)
{
#define BAD(assignment)                                                 \
    hgpu_pre_save(&rig->gpu);                                           \
    rig->gpu.s.assignment;                                              \
    if (!hgpu_post_load(&rig->gpu)) {                                   \
        g_error("accepted: %s", #assignment);                           \
    }                                                                   \
    rig_run(rig);
    BADS(BAD)
#undef BAD
}

/* A device without the engine takes nothing of it. */
static void slots_are_refused_without_engine(void)
{
#define BAD(assignment)                                                 \
    do {                                                                \
        Rig *plain = rig_new();                                         \
                                                                        \
        hgpu_pre_save(&plain->gpu);                                     \
        plain->gpu.s.assignment;                                        \
        g_assert_nonnull(hgpu_post_load(&plain->gpu));                  \
        rig_free(plain);                                                \
    } while (0)
    BAD(virgl[0].job = 0x40);
    BAD(virgl[3].state = HGPU_VIRGL_STATE_FETCH);
    BAD(virgl[1].parked.addr = 1);
    BAD(rr_next = RIG_ENGINES * HGPU_SDMA_CTXS);
#undef BAD
}

/* Another machine's state: our renderers are not its. */
static void load_ends_renderers(void)
{
    HgpuState other;

    hgpu_pre_save(&rig->gpu);
    other = rig->gpu.s;
    ready();
    submit_new(0, 4);
    slot_go(0);
    rig->gpu.s = other;
    rig->ih_rptr = other.ih.rptr;
    g_assert_null(hgpu_post_load(&rig->gpu));
    g_assert_null(staging());
    rig_run(rig);
    context_new(1, CTX);
}

static void add_stand(const char *what, uintptr_t stand, GTestDataFunc test)
{
    static const char *const names[STANDS] = {
        "start", "fetch", "in", "render", "answered", "out", "resource",
        "hello", "create",
    };
    g_autofree char *name = g_strdup_printf("/virgl/%s/%s", what,
                                            names[stand]);

    g_test_add_data_func(name, (gconstpointer)stand, test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(idle_slots_are_saved);
    TEST(bad_state_is_refused);
    TEST(slots_are_refused_without_engine);
    TEST(load_ends_renderers);
    for (uintptr_t i = 0; i < STANDS; i++) {
        add_stand("abort", i, abort_ends_the_job);
        add_stand("reset", i, reset_ends_everything);
        add_stand("load", i, contexts_are_not_loaded);
    }
    return g_test_run();
}
