/*
 * hmm-gpu unit tests: the virgl engine's registers and contexts, and jobs that
 * fail.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "test-virgl.h"

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

/* ---- Jobs that are refused ---- */

/* What turns a good SUBMIT, of two rows, into one that is not. */
#define BAD_SUBMITS(BAD)                                                \
    BAD(BAD_JOB, 0, job->op = 0)                                        \
    BAD(BAD_JOB, 0, job->op = 6)                                        \
    BAD(BAD_JOB, 0, job->op = UINT32_MAX)                               \
    BAD(BAD_JOB, 0, job->context = 0)                                   \
    BAD(BAD_JOB, 0, job->context = HGPU_VIRGL_CONTEXTS + 1)             \
    BAD(BAD_JOB, 0, job->context = UINT32_MAX)                          \
    BAD(NO_CONTEXT, 0, job->context = CTX + 1)                          \
    BAD(BAD_JOB, 0, job->vmid = 0)                                      \
    BAD(BAD_JOB, 0, job->vmid = 16)                                     \
    BAD(BAD_JOB, 0, job->vmid = UINT32_MAX)                             \
    BAD(BAD_JOB, 0, job->stream += 2)                                   \
    BAD(BAD_JOB, 0, job->stream_dw = HGPU_VIRGL_STREAM_DW + 1)          \
    BAD(BAD_JOB, 0, job->stream_dw = UINT32_MAX)                        \
    BAD(BAD_JOB, 0, job->range_count = HGPU_VIRGL_RANGES + 1)           \
    BAD(BAD_JOB, 0, job->range_count = UINT32_MAX)                      \
    BAD(BAD_JOB, 0, job->reserved[0] = 1)                               \
    BAD(BAD_JOB, 0, job->reserved[13] = 1)                              \
    BAD(BAD_JOB, 1, row->flags = 0)                                     \
    BAD(BAD_JOB, 1, row->flags |= BIT(2))                               \
    BAD(BAD_JOB, 1, row->flags |= BIT(31))                              \
    BAD(BAD_JOB, 1, row->reserved = 1)                                  \
    BAD(BAD_JOB, 1, row->size = HGPU_VIRGL_STAGING)                     \
    BAD(BAD_JOB, 1, row->size = UINT64_MAX)                             \
    BAD(NO_RESOURCE, 1, row->resource = 0)                              \
    BAD(NO_RESOURCE, 1, row->resource = HGPU_VIRGL_RESOURCES + 1)       \
    BAD(BAD_TRANSFER, 1, (row->stride = 8, row->h = 3))                 \
    BAD(BAD_TRANSFER, 1, (row->stride = 32, row->h = 3))                \
    BAD(BAD_TRANSFER, 1, (row->stride = UINT32_MAX, row->h = UINT32_MAX)) \
    BAD(FAULT, 1, row->addr = BIT_ULL(48))                              \
    BAD(FAULT, 1, row->addr = UINT64_MAX - 5)

static const struct {
    const char *name;
    uint32_t status, row;
} bad_submits[] = {
#define BAD(status, row, change) { #change, HGPU_VIRGL_##status, row },
    BAD_SUBMITS(BAD)
#undef BAD
};

static void spoil(uintptr_t which, struct hgpu_virgl_job *job,
                  struct hgpu_virgl_range *row)
{
    uintptr_t n = 0;

#define BAD(status, at, change)                                         \
    if (n++ == which) {                                                 \
        change;                                                         \
    }
    BAD_SUBMITS(BAD)
#undef BAD
}

static void bad_submit_is_refused(gconstpointer which)
{
    uintptr_t i = (uintptr_t)which;

    set_up();
    ready();
    submit_new(1, 4);
    add_range(1, HGPU_VIRGL_RANGE_OUT, DST, 64);
    add_range(1, HGPU_VIRGL_RANGE_IN, SRC, 64);
    spoil(i, job_at(1), range_at(1, 1));
    slot_go(1);
    job_ended(1, bad_submits[i].status);
    g_assert_cmpuint(job_at(1)->result.row, ==, bad_submits[i].row);
    g_assert_false(rig->renderer[CTX].busy);
    g_assert_nonnull(staging());
    rig_expect_none(rig);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);

    /* the context and the slot are none the worse for it */
    submit_new(1, 4);
    slot_go(1);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(1, HGPU_VIRGL_OK);
    rig_free(rig);
}

static void bad_resources_are_refused(void)
{
#define BAD(of, change)                                                 \
    do {                                                                \
        struct hgpu_virgl_resource r = of;                              \
                                                                        \
        r.change;                                                       \
        resource_go(&r);                                                \
        if (job_at(0)->result.status != HGPU_VIRGL_BAD_JOB) {           \
            g_error("%s: %u", #change, job_at(0)->result.status);       \
        }                                                               \
        job_ended(0, HGPU_VIRGL_BAD_JOB);                               \
        g_assert_false(rig->renderer[CTX].busy);                        \
    } while (0)
    context_new(0, CTX);
    BAD(buffer, handle = 0);
    BAD(buffer, handle = HGPU_VIRGL_RESOURCES + 1);
    BAD(buffer, target = 1);
    BAD(buffer, target = UINT32_MAX);
    BAD(buffer, bind = BIT(17));
    BAD(buffer, width = 0);
    BAD(buffer, width = HGPU_VIRGL_BUFFER_MAX + 1);
    BAD(buffer, height = 2);
    BAD(buffer, last_level = 1);
    BAD(texture, width = 0);
    BAD(texture, width = HGPU_VIRGL_TEXTURE_MAX + 1);
    BAD(texture, height = 0);
    BAD(texture, height = HGPU_VIRGL_TEXTURE_MAX + 1);
    BAD(texture, depth = 0);
    BAD(texture, depth = 2);
    BAD(texture, array_size = 2);
    BAD(texture, last_level = 14);
    BAD(texture, samples = 4);
#undef BAD
    job_new(0, HGPU_VIRGL_JOB_RESOURCE_DESTROY);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_BAD_JOB);
}

static void one_job_of_a_context_at_a_time(void)
{
    ready();
    submit_new(0, 1);
    slot_go(0);
    for (uint32_t op = HGPU_VIRGL_JOB_CONTEXT_CREATE;
         op <= HGPU_VIRGL_JOB_SUBMIT; op++) {
        if (op == HGPU_VIRGL_JOB_RESOURCE_CREATE) {
            job_new(1, op)->resource = buffer;
        } else if (op == HGPU_VIRGL_JOB_RESOURCE_DESTROY) {
            job_new(1, op)->resource.handle = 7;
        } else {
            submit_new(1, 1)->op = op;
        }
        slot_go(1);
        job_ended(1, HGPU_VIRGL_BAD_JOB);
    }
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);
}

/* ---- Jobs that cannot be read, results that cannot be written ---- */

static void unreachable_job_is_a_bus_error(void)
{
    rig->fail_from = JOB(0);
    rig->fail_to = JOB(0) + 1;
    job_new(0, HGPU_VIRGL_JOB_CONTEXT_CREATE)->sequence = 0;
    slot_go(0);
    /* what could be written is written */
    job_ended(0, HGPU_VIRGL_BUS_ERROR);
    g_assert_cmphex(job_at(0)->result.fault_addr, ==, RIG_GART + JOB(0));
    g_assert_cmpuint(hgpu_virgl_contexts(&rig->gpu), ==, 0);
}

static void unmapped_job_still_ends(void)
{
    RigIrq irq;

    rig_wr(rig, HGPU_VIRGL_SLOT_JOB_HI(0), 0x1234);
    rig_wr(rig, HGPU_VIRGL_SLOT_CMD(0), HGPU_VIRGL_SLOT_CMD__START);
    rig_run(rig);
    irq = rig_expect(rig, HGPU_IH_CLIENTID_GRBM_CP, HGPU_SRCID_CP_EOP);
    g_assert_cmphex(irq.data[0], ==, 0);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_IDLE);
    g_assert_cmphex(slot_fault_addr(0), ==, UINT64_C(0x1234) << 32);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
}

static void unreachable_table_is_a_bus_error(void)
{
    ready();
    submit_new(0, 4);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 64);
    rig->fail_from = JOB(0) + sizeof(struct hgpu_virgl_job) + 8;
    rig->fail_to = rig->fail_from + 1;
    slot_go(0);
    job_ended(0, HGPU_VIRGL_BUS_ERROR);
    g_assert_cmphex(job_at(0)->result.fault_addr, ==,
                    RIG_GART + JOB(0) + sizeof(struct hgpu_virgl_job));
}

static void lost_result_still_interrupts(void)
{
    ready();
    submit_new(0, 4);
    slot_go(0);
    rig->fail_from = JOB(0) + offsetof(struct hgpu_virgl_job, result);
    rig->fail_to = rig->fail_from + 1;
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, UINT32_MAX);
}

/* ---- What renderers answer ---- */

static const struct {
    uint32_t wire, status;
    bool lost;
} answers[] = {
    { HGPU_WIRE_BAD_REQUEST, HGPU_VIRGL_BAD_JOB, false },
    { HGPU_WIRE_NO_CONTEXT, HGPU_VIRGL_DIED, true },
    { HGPU_WIRE_NO_RESOURCE, HGPU_VIRGL_NO_RESOURCE, false },
    { HGPU_WIRE_BAD_STREAM, HGPU_VIRGL_BAD_STREAM, true },
    { HGPU_WIRE_BAD_TRANSFER, HGPU_VIRGL_BAD_TRANSFER, false },
    { HGPU_WIRE_NO_MEMORY, HGPU_VIRGL_NO_MEMORY, false },
    { HGPU_WIRE_TIMEOUT, HGPU_VIRGL_TIMEOUT, true },
    { HGPU_WIRE_DIED, HGPU_VIRGL_DIED, true },
    { 1000, HGPU_VIRGL_DIED, true },
};

static void every_answer_has_its_status(void)
{
    ready();
    for (uint32_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        submit_new(3, 4);
        add_range(3, HGPU_VIRGL_RANGE_OUT, DST, 64);
        slot_go(3);
        memset(staging() + HGPU_WIRE_DATA, 0x77, 64);
        rig_virgl_reply(rig, CTX, answers[i].wire);
        job_ended(3, answers[i].status);
        g_assert_cmphex(rig->ram[DST_RAM], ==, 0);
        if (answers[i].lost) {
            lost_context_is_lost();
        } else {
            g_assert_nonnull(staging());
        }
    }
}

static void renderer_names_the_row(void)
{
    struct hgpu_wire_reply reply = {
        .kind = HGPU_WIRE_SUBMIT, .status = HGPU_WIRE_BAD_TRANSFER,
    };

    ready();
    for (uint32_t i = 0; i < 2; i++) {
        submit_new(0, 4);
        add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 64);
        slot_go(0);
        reply.detail = i ? UINT32_MAX : 5;
        rig->renderer[CTX].busy = false;
        hgpu_virgl_reply(&rig->gpu, CTX, &reply);
        rig_run(rig);
        job_ended(0, HGPU_VIRGL_BAD_TRANSFER);
        g_assert_cmpuint(job_at(0)->result.row, ==,
                         i ? HGPU_VIRGL_RANGES - 1 : 5);
    }
}

static void dead_renderer_is_found_out(void)
{
    ready();
    rig->renderer[CTX].dead = true;
    submit_new(0, 4);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_DIED);
    lost_context_is_lost();
}

/* Nobody waits for it: a host should not, but it does no harm. */
static void unasked_reply_is_ignored(void)
{
    static const struct hgpu_wire_reply reply = {
        .kind = HGPU_WIRE_SUBMIT, .status = HGPU_WIRE_BAD_STREAM,
    };

    ready();
    hgpu_virgl_reply(&rig->gpu, CTX, &reply);
    hgpu_virgl_reply(&rig->gpu, CTX + 1, &reply);
    rig_run(rig);
    rig_expect_none(rig);
    submit_new(0, 4);
    rig_map(rig, VMID, STREAM, 0);
    flush();
    slot_go(0);
    hgpu_virgl_reply(&rig->gpu, CTX, &reply);
    rig_run(rig);
    rig_expect_fault(rig, true, STREAM);
    g_assert_true(slot_waits(0));
    g_assert_nonnull(staging());
}

static void reply_waits_for_the_machine(void)
{
    ready();
    submit_new(0, 4);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 64);
    slot_go(0);
    memset(staging() + HGPU_WIRE_DATA, 0x77, 64);
    hgpu_set_running(&rig->gpu, false);
    g_array_set_size(rig->writes, 0);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    g_assert_false(rig->scheduled);
    g_assert_cmpuint(rig->writes->len, ==, 0);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_RENDER);
    hgpu_set_running(&rig->gpu, true);
    rig_run(rig);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmphex(rig->ram[DST_RAM], ==, 0x77);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(slots_are_in_caps);
    TEST(no_slots_no_registers);
    TEST(registers_keep_what_they_have);
    TEST(busy_slot_is_locked);
    TEST(context_lives_from_create_to_destroy);
    TEST(context_is_made_once);
    TEST(all_contexts_at_once);
    TEST(no_renderer_no_context);
    TEST(failed_create_leaves_nothing);
    TEST(other_version_is_no_renderer);
    TEST(resources_are_passed_on);
    TEST(bad_resources_are_refused);
    TEST(one_job_of_a_context_at_a_time);
    TEST(unreachable_job_is_a_bus_error);
    TEST(unmapped_job_still_ends);
    TEST(unreachable_table_is_a_bus_error);
    TEST(lost_result_still_interrupts);
    TEST(every_answer_has_its_status);
    TEST(renderer_names_the_row);
    TEST(dead_renderer_is_found_out);
    TEST(unasked_reply_is_ignored);
    TEST(reply_waits_for_the_machine);
    for (uintptr_t i = 0; i < G_N_ELEMENTS(bad_submits); i++) {
        g_autofree char *name = g_strdup_printf("/virgl/refused/%s",
                                                bad_submits[i].name);

        g_test_add_data_func(name, (gconstpointer)i, bad_submit_is_refused);
    }
    return g_test_run();
}
