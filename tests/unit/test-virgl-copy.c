/*
 * hmm-gpu unit tests: what virgl jobs copy, their faults, their turns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "test-virgl.h"

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

/* The renderer can write staging memory at any time; it says nothing there. */
static void renderer_scribbles_in_vain(void)
{
    ready();
    submit_new(0, 16);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 64);
    slot_go(0);
    rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT);
    memset(staging(), 0xff, HGPU_WIRE_DATA);
    memset(staging() + HGPU_WIRE_DATA, 0x5a, 64);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmphex(rig->ram[DST_RAM], ==, 0x5a);
    g_assert_cmphex(rig->ram[DST_RAM + 63], ==, 0x5a);
    g_assert_cmphex(rig->ram[DST_RAM + 64], ==, 0);
}

/* Three rows of 100 bytes, 0x1800 apart: what lies between is not mapped. */
static void rows_are_copied_without_gaps(void)
{
    struct hgpu_virgl_range *range;
    const struct hgpu_wire_range *sent;

    ready();
    submit_new(0, 0);
    range = add_range(0, HGPU_VIRGL_RANGE_IN | HGPU_VIRGL_RANGE_OUT, SRC + 8,
                      2 * 0x1800 + 100);
    range->stride = 0x1800;
    range->w = 25;
    range->h = 3;
    rig_map(rig, VMID, SRC + 2 * PAGE, 0);
    flush();
    slot_go(0);
    rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT);
    sent = (void *)(staging() + HGPU_WIRE_RANGES);
    for (uint32_t row = 0; row < 3; row++) {
        g_assert_cmpmem(staging() + sent->offset + row * 0x1800, 100,
                        rig->ram + SRC_RAM + 8 + row * 0x1800, 100);
    }
    g_assert_cmphex(staging()[sent->offset + 100], ==, 0);
    memset(staging() + sent->offset, 0xaa, 2 * 0x1800 + 100);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmpuint(job_at(0)->result.in_bytes, ==, 300);
    g_assert_cmpuint(job_at(0)->result.out_bytes, ==, 300);
    rig_pattern(staging(), 0x4000, 2);
    memset(staging() + 8, 0xaa, 100);
    memset(staging() + 8 + 0x1800, 0xaa, 100);
    memset(staging() + 8 + 0x3000, 0xaa, 100);
    g_assert_cmpmem(rig->ram + SRC_RAM, 0x4000, staging(), 0x4000);
}

static void vram_is_copied_too(void)
{
    ready();
    rig_map_range(rig, VMID, SRC, RIG_PTE | RIG_VDATA, 0x4000);
    rig_map_range(rig, VMID, DST, RIG_PTE | (RIG_VDATA + 0x10000), 0x4000);
    flush();
    rig_pattern(rig->vram + RIG_VDATA, 0x4000, 4);
    submit_new(0, 0);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 0x4000);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 0x4000);
    slot_go(0);
    g_assert_true(rig_is_pattern(staging() + HGPU_WIRE_DATA, 0x4000, 4));
    rig_pattern(staging() + HGPU_WIRE_DATA + 0x4000, 0x4000, 5);
    g_array_set_size(rig->writes, 0);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA + 0x10000, 0x4000, 5));
    g_assert_cmpuint(g_array_index(rig->writes, RigWrite, 0).kind, ==,
                     RIG_WROTE_VRAM);
}

/* A host that maps nothing, and one that maps a little at a time. */
static void short_maps_are_enough(void)
{
    static const uint64_t most[] = { 0, 1, 100, 4097 };

    ready();
    for (uint32_t i = 0; i < G_N_ELEMENTS(most); i++) {
        rig->map_max = most[i];
        memset(rig->ram + DST_RAM, 0, 0x3000);
        submit_new(0, 0x100);
        add_range(0, HGPU_VIRGL_RANGE_IN, SRC + 5, 0x2100);
        add_range(0, HGPU_VIRGL_RANGE_OUT, DST + 3, 0x2100);
        slot_go(0);
        g_assert_cmpmem(staging() + HGPU_WIRE_DATA, 0x2100,
                        rig->ram + SRC_RAM + 5, 0x2100);
        rig_pattern(staging() + HGPU_WIRE_DATA + 0x2100, 0x2100, 6);
        rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
        job_ended(0, HGPU_VIRGL_OK);
        g_assert_true(rig_is_pattern(rig->ram + DST_RAM + 3, 0x2100, 6));
    }
}

static void slots_are_idle(Rig *at)
{
    for (uint32_t s = 0; s < HGPU_VIRGL_SLOTS; s++) {
        g_assert_cmpuint(at->gpu.s.virgl[s].state, ==,
                         HGPU_VIRGL_STATE_IDLE);
    }
}

/* The bytes, then the result, then the entry, then the interrupt. */
static void completion_is_in_order(void)
{
    const uint64_t result = JOB(0) + offsetof(struct hgpu_virgl_job, result);
    const RigWrite *w;
    uint32_t n;

    ready();
    submit_new(0, 1);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 64);
    slot_go(0);
    rig->irq_hook = slots_are_idle;
    g_array_set_size(rig->writes, 0);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    w = (const RigWrite *)rig->writes->data;
    n = rig->writes->len;
    g_assert_cmpuint(n, ==, 5);
    g_assert_cmphex(w[0].addr, ==, DST_RAM);
    g_assert_cmphex(w[1].addr, ==, result);
    g_assert_cmpuint(w[1].len, ==, sizeof(struct hgpu_virgl_result));
    g_assert_cmphex(w[2].addr, >=, RIG_IH_RING);
    g_assert_cmphex(w[2].addr, <, RIG_IH_WPTR);
    g_assert_cmphex(w[3].addr, ==, RIG_IH_WPTR);
    g_assert_cmpuint(w[4].kind, ==, RIG_INTERRUPT);
    job_ended(0, HGPU_VIRGL_OK);
}

static void result_says_where_time_went(void)
{
    struct hgpu_wire_reply reply = {
        .kind = HGPU_WIRE_SUBMIT, .in_ns = 100, .render_ns = 20, .out_ns = 3,
    };

    ready();
    submit_new(0, 1);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 64);
    slot_start(0);
    rig->now += 5000;
    rig_run(rig);
    rig->now += 70000;
    rig_map(rig, VMID, DST, 0);
    flush();
    rig->renderer[CTX].busy = false;
    hgpu_virgl_reply(&rig->gpu, CTX, &reply);
    rig_run(rig);
    rig_expect_fault(rig, true, DST);
    rig->now += 900;
    map_ram(DST, DST_RAM, PAGE);
    flush();
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmpuint(job_at(0)->result.in_ns, ==, 5000);
    g_assert_cmpuint(job_at(0)->result.render_ns, ==, 123);
    g_assert_cmpuint(job_at(0)->result.out_ns, ==, 900);
}

/* ---- Limits ---- */

static void largest_stream_is_taken(void)
{
    ready();
    map_ram(STREAM, STREAM_RAM, 4 * HGPU_VIRGL_STREAM_DW);
    flush();
    submit_new(0, HGPU_VIRGL_STREAM_DW);
    slot_go(0);
    g_assert_cmpuint(rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT)
                     ->submit.stream_dw, ==, HGPU_VIRGL_STREAM_DW);
    g_assert_cmpmem(staging(), 4 * HGPU_VIRGL_STREAM_DW,
                    rig->ram + STREAM_RAM, 4 * HGPU_VIRGL_STREAM_DW);
}

/* All rows, and all of staging memory: ranges of an odd size each. */
static void largest_table_is_taken(void)
{
    uint64_t left = HGPU_VIRGL_STAGING;
    const struct hgpu_wire_range *sent;

    ready();
    submit_new(0, 0);
    for (uint32_t i = 0; i < HGPU_VIRGL_RANGES; i++) {
        uint64_t size = i < HGPU_VIRGL_RANGES - 1 ? 0x3fff01 : left;

        add_range(0, HGPU_VIRGL_RANGE_OUT, DST, size);
        left -= size;
    }
    slot_go(0);
    g_assert_cmpuint(rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT)
                     ->submit.range_count, ==, HGPU_VIRGL_RANGES);
    sent = (void *)(staging() + HGPU_WIRE_RANGES);
    for (uint32_t i = 0; i < HGPU_VIRGL_RANGES; i++) {
        uint64_t end = sent[i].offset + sent[i].size;

        g_assert_cmpuint(sent[i].offset % 64, ==, 0);
        g_assert_cmpuint(sent[i].offset, >=, HGPU_WIRE_DATA);
        g_assert_cmpuint(end, <=, i < HGPU_VIRGL_RANGES - 1
                         ? sent[i + 1].offset : HGPU_WIRE_STAGING_SIZE);
    }
    rig_virgl_reply(rig, CTX, HGPU_WIRE_NO_MEMORY);
    job_ended(0, HGPU_VIRGL_NO_MEMORY);
    range_at(0, HGPU_VIRGL_RANGES - 1)->size++;
    slot_go(0);
    job_ended(0, HGPU_VIRGL_BAD_JOB);
    g_assert_cmpuint(job_at(0)->result.row, ==, HGPU_VIRGL_RANGES - 1);
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
    g_assert_cmphex(slot_fault_addr(2), ==, STREAM + PAGE);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_FAULT_REPLAYED], ==, 1);
    rig_expect_none(rig);
}

/* Nothing but the stream, the ranges' pages, each missing at first. */
static void every_page_may_be_missing(void)
{
    uint32_t faults = 0;

    ready();
    for (uint64_t off = 0; off < 4 * PAGE; off += PAGE) {
        rig_map(rig, VMID, STREAM + off, 0);
        rig_map(rig, VMID, SRC + off, 0);
        rig_map(rig, VMID, DST + off, 0);
    }
    flush();
    submit_new(0, 0x800);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC + 0x800, 2 * PAGE);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST + 0x800, 2 * PAGE);
    slot_go(0);
    while (slot_state(0) != HGPU_VIRGL_STATE_IDLE) {
        uint64_t va;

        if (slot_state(0) == HGPU_VIRGL_STATE_RENDER) {
            rig_pattern(staging() + HGPU_WIRE_DATA + 2 * PAGE, 2 * PAGE, 8);
            rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
            continue;
        }
        va = slot_fault_addr(0) & ~(PAGE - 1);
        g_assert_true(slot_waits(0));
        rig_expect_fault(rig, true, va);
        rig_map(rig, VMID, va, RIG_PTE_SYS |
                (STREAM_RAM + va - STREAM));
        flush();
        faults++;
    }
    g_assert_cmpuint(faults, ==, 2 + 3 + 3);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmpuint(job_at(0)->result.faults, ==, faults);
    g_assert_cmpmem(staging() + HGPU_WIRE_DATA, 2 * PAGE,
                    rig->ram + SRC_RAM + 0x800, 2 * PAGE);
    g_assert_true(rig_is_pattern(rig->ram + DST_RAM + 0x800, 2 * PAGE, 8));
}

/* What was copied before the fault is not read again (SPEC 5). */
static void copied_pages_are_not_read_again(void)
{
    ready();
    rig_map(rig, VMID, SRC + PAGE, 0);
    flush();
    submit_new(0, 0);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 2 * PAGE);
    slot_go(0);
    rig_expect_fault(rig, true, SRC + PAGE);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_IN);
    memset(rig->ram + SRC_RAM, 0, 2 * PAGE);
    map_ram(SRC + PAGE, SRC_RAM + PAGE, PAGE);
    flush();
    rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT);
    g_assert_true(rig_is_pattern(staging() + HGPU_WIRE_DATA, PAGE, 2));
    g_assert_cmphex(staging()[HGPU_WIRE_DATA + PAGE], ==, 0);
}

static void write_fault_says_so(void)
{
    RigIrq irq;

    ready();
    rig_map(rig, VMID, DST, (RIG_PTE_SYS & ~HGPU_PTE_WRITEABLE) | DST_RAM);
    flush();
    submit_new(0, 0);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 64);
    slot_go(0);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_OUT);
    irq = rig_expect_fault(rig, true, DST);
    g_assert_true(irq.data[1] & HGPU_IH_FAULT_DATA1__WRITE);
    g_assert_cmphex(irq.ring, ==, HGPU_IH_FAULT_RING__WRITE);
}

/* Reported again by the clock, not by invalidations of something else. */
static void fault_is_reported_by_the_clock(void)
{
    ready();
    rig_map(rig, VMID, SRC, 0);
    flush();
    submit_new(1, 0);
    add_range(1, HGPU_VIRGL_RANGE_IN, SRC, 64);
    slot_go(1);
    rig_expect_fault(rig, true, SRC);
    flush();
    rig_flush(rig, BIT(VMID + 1));
    rig_run(rig);
    rig_expect_none(rig);
    rig_pass(rig, HGPU_RETRY_INTERVAL_RESET * UINT64_C(1000));
    rig_expect_fault(rig, true, SRC);
    rig_expect_none(rig);
    /* mapped, but nobody says so: found at the next report's time */
    map_ram(SRC, SRC_RAM, PAGE);
    rig_flush(rig, BIT(VMID + 1));
    rig_run(rig);
    g_assert_true(slot_waits(1));
    rig_pass(rig, HGPU_RETRY_INTERVAL_RESET * UINT64_C(1000));
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(1, HGPU_VIRGL_OK);
    g_assert_cmpuint(job_at(1)->result.faults, ==, 1);
}

/* Resolved, copied, taken away again, all within a report's interval. */
static void resolved_page_faults_anew(void)
{
    ready();
    rig_map(rig, VMID, SRC, 0);
    flush();
    submit_new(0, 0);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 64);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC + PAGE, 2 * HGPU_SLICE_BYTES);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 64);
    slot_go(0);
    rig_expect_fault(rig, true, SRC);
    map_ram(SRC, SRC_RAM, PAGE);
    rig_flush(rig, BIT(VMID));
    rig->scheduled = false;
    hgpu_run(&rig->gpu);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_IN);
    rig_map(rig, VMID, SRC, 0);
    flush();
    rig_expect_fault(rig, true, SRC);
    map_ram(SRC, SRC_RAM, PAGE);
    flush();
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);
    g_assert_cmpuint(job_at(0)->result.faults, ==, 2);
}

static void noretry_fault_ends_the_job(void)
{
    ready();
    rig_map(rig, VMID, DST + PAGE, HGPU_VM_NORETRY_FLAGS);
    flush();
    submit_new(0, 4);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 64);
    add_range(0, HGPU_VIRGL_RANGE_OUT, DST, 2 * PAGE);
    slot_go(0);
    memset(staging() + HGPU_WIRE_DATA + 64, 0x44, 2 * PAGE);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_FAULT);
    rig_expect_none(rig);
    g_assert_cmphex(job_at(0)->result.fault_addr, ==, DST + PAGE);
    g_assert_cmpuint(job_at(0)->result.row, ==, 1);
    g_assert_cmphex(slot_fault_addr(0), ==, DST + PAGE);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
    /* what was copied stays, and so does the context */
    g_assert_cmphex(rig->ram[DST_RAM + PAGE - 1], ==, 0x44);
    g_assert_nonnull(staging());
    g_assert_cmpuint(job_at(0)->result.out_bytes, ==, PAGE);
}

/* Parked, and then denied by the driver. */
static void denied_fault_ends_the_job(void)
{
    ready();
    rig_map(rig, VMID, SRC, 0);
    flush();
    submit_new(0, 4);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 64);
    slot_go(0);
    rig_expect_fault(rig, true, SRC);
    rig_map(rig, VMID, SRC, HGPU_VM_NORETRY_FLAGS);
    flush();
    job_ended(0, HGPU_VIRGL_FAULT);
    g_assert_cmpuint(job_at(0)->result.faults, ==, 1);
    rig_expect_none(rig);
    rig_pass(rig, UINT64_C(1000000000));
    rig_expect_none(rig);
}

static void failed_dma_ends_the_job(void)
{
    ready();
    rig->fail_from = SRC_RAM + PAGE;
    rig->fail_to = rig->fail_from + 1;
    rig->map_max = PAGE;
    submit_new(0, 4);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 2 * PAGE);
    slot_go(0);
    job_ended(0, HGPU_VIRGL_BUS_ERROR);
    g_assert_cmphex(job_at(0)->result.fault_addr, ==, SRC + PAGE);
    g_assert_nonnull(staging());
    rig_expect_none(rig);
}

/* ---- Side by side ---- */

static void slots_work_side_by_side(void)
{
    ready();
    context_new(1, CTX + 1);
    rig_map(rig, VMID, SRC, 0);
    flush();
    submit_new(0, 4);
    add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 64);
    submit_new(1, 8)->context = CTX + 1;
    add_range(1, HGPU_VIRGL_RANGE_OUT, DST, 64);
    slot_start(0);
    slot_go(1);
    rig_expect_fault(rig, true, SRC);
    g_assert_true(slot_waits(0));
    g_assert_cmpuint(slot_state(1), ==, HGPU_VIRGL_STATE_RENDER);
    rig_virgl_reply(rig, CTX + 1, HGPU_WIRE_OK);
    job_ended(1, HGPU_VIRGL_OK);
    map_ram(SRC, SRC_RAM, PAGE);
    flush();
    rig_virgl_reply(rig, CTX, HGPU_WIRE_OK);
    job_ended(0, HGPU_VIRGL_OK);
}

/* One context's end is not another's. */
static void contexts_are_apart(void)
{
    ready();
    context_new(1, CTX + 1);
    submit_new(0, 4);
    submit_new(1, 4)->context = CTX + 1;
    slot_start(0);
    slot_go(1);
    rig_virgl_reply(rig, CTX, HGPU_WIRE_BAD_STREAM);
    job_ended(0, HGPU_VIRGL_BAD_STREAM);
    g_assert_null(staging());
    rig_virgl_reply(rig, CTX + 1, HGPU_WIRE_OK);
    job_ended(1, HGPU_VIRGL_OK);
}

/* How many slices until @done, which must come. */
static uint32_t slices_until(bool (*done)(void *), void *opaque)
{
    uint32_t slices = 0;

    while (!done(opaque)) {
        g_assert_true(rig->scheduled);
        rig->scheduled = false;
        hgpu_run(&rig->gpu);
        slices++;
    }
    return slices;
}

static bool queue_drained(void *opaque)
{
    const RigQueue *q = opaque;

    return rig_ctx(q)->rb_rptr == q->wptr;
}

static bool slot_renders(void *opaque)
{
    return slot_state(*(uint32_t *)opaque) == HGPU_VIRGL_STATE_RENDER;
}

/* A copy of 1 MiB takes 4 slices alone, 8 beside a slot that copies, too. */
static void sdma_and_slots_share_the_time(void)
{
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint32_t slot = 0, slices;

    ready();
    submit_new(0, 0);
    for (uint32_t i = 0; i < 4; i++) {
        add_range(0, HGPU_VIRGL_RANGE_IN, SRC, MiB);
    }
    PUT(&q, COPY(RIG_GART + SRC_RAM, RIG_FB + RIG_VDATA, MiB));
    slot_start(0);
    rig_doorbell(&q);
    slices = slices_until(queue_drained, &q);
    g_assert_cmpuint(slices, >=, 7);
    g_assert_cmpuint(slices, <=, 9);
    g_assert_cmpuint(slot_state(0), ==, HGPU_VIRGL_STATE_IN);
    slices += slices_until(slot_renders, &slot);
    g_assert_cmpuint(slices, >=, 20);
    g_assert_cmpuint(slices, <=, 22);
}

/* Rows of a byte cost more than a byte: a slice stays short. */
static void small_rows_do_not_hold_up_a_slice(void)
{
    struct hgpu_virgl_range *range;
    uint32_t slot = 0;

    ready();
    submit_new(0, 0);
    range = add_range(0, HGPU_VIRGL_RANGE_IN, SRC, 0x8000 * 16 - 15);
    range->stride = 16;
    range->w = 1;
    range->h = 0x8000;
    slot_start(0);
    g_assert_cmpuint(slices_until(slot_renders, &slot), >=,
                     0x8000 / (HGPU_SLICE_BYTES / 256));
}

/* Register writes by a packet: in the middle of SDMA's turn. */
#define SRBM(reg, val)                                                  \
    HDR(SRBM_WRITE, 0) | HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN,      \
    (reg) / 4, val

static void ring_may_start_and_abort(void)
{
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    ready();
    submit_new(1, 4);
    PUT(&q, SRBM(HGPU_VIRGL_SLOT_JOB_LO(1), LO(RIG_GART + JOB(1))),
        SRBM(HGPU_VIRGL_SLOT_JOB_HI(1), HI(RIG_GART)),
        SRBM(HGPU_VIRGL_SLOT_CMD(1), HGPU_VIRGL_SLOT_CMD__START));
    rig_go(&q);
    rig_virgl_asked(rig, CTX, HGPU_WIRE_SUBMIT);
    PUT(&q, SRBM(HGPU_VIRGL_SLOT_CMD(1), HGPU_VIRGL_SLOT_CMD__ABORT));
    rig_go(&q);
    job_ended(1, HGPU_VIRGL_ABORTED);
    lost_context_is_lost();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST(submit_copies_in_and_out);
    TEST(renderer_scribbles_in_vain);
    TEST(rows_are_copied_without_gaps);
    TEST(vram_is_copied_too);
    TEST(short_maps_are_enough);
    TEST(completion_is_in_order);
    TEST(result_says_where_time_went);
    TEST(largest_stream_is_taken);
    TEST(largest_table_is_taken);
    TEST(retry_fault_parks_the_slot);
    TEST(every_page_may_be_missing);
    TEST(copied_pages_are_not_read_again);
    TEST(write_fault_says_so);
    TEST(fault_is_reported_by_the_clock);
    TEST(resolved_page_faults_anew);
    TEST(noretry_fault_ends_the_job);
    TEST(denied_fault_ends_the_job);
    TEST(failed_dma_ends_the_job);
    TEST(slots_work_side_by_side);
    TEST(contexts_are_apart);
    TEST(sdma_and_slots_share_the_time);
    TEST(small_rows_do_not_hold_up_a_slice);
    TEST(ring_may_start_and_abort);
    return g_test_run();
}
