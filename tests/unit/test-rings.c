/*
 * hmm-gpu unit tests: SDMA rings, doorbells, turns (SPEC 7.2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define DST     (RIG_GART + RIG_DATA)

static void ring_refused(RigQueue *q, uint64_t wptr)
{
    uint64_t was = rig_ctx(q)->rb_wptr;
    uint32_t errors = q->rig->guest_errors;

    hgpu_doorbell_write(&q->rig->gpu, q->doorbell, wptr, 8);
    rig_run(q->rig);
    g_assert_cmpuint(q->rig->guest_errors, ==, errors + 1);
    g_assert_cmphex(rig_ctx(q)->rb_wptr, ==, was);
    g_assert_cmpuint(rig_exception(q), ==, HGPU_SDMA_EXCEPTION_NONE);
}

/* The first since WPTR has moved on: it is reported. */
static void expect_refused_doorbell(RigQueue *q, uint64_t wptr)
{
    RigIrq irq;

    ring_refused(q, wptr);
    irq = rig_expect(q->rig, HGPU_IH_CLIENTID_SDMA0,
                     HGPU_SRCID_SDMA_DOORBELL_INVALID);
    g_assert_cmpuint(irq.ring, ==, q->ctx);
    g_assert_cmphex(irq.data[0], ==, LO(wptr));
    g_assert_cmphex(irq.data[1], ==, HI(wptr));
}

static void move_on(RigQueue *q)
{
    PUT(q, HDR(NOP, 0));
    rig_go(q);
}

static void doorbell_runs_the_ring(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, FENCE(DST, 0xabcd));
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0);
    rig_go(&q);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0xabcd);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_RPTR), ==, q.wptr);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, q.wptr);
    rig_free(rig);
}

static void ring_wraps_many_times(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_PAGE);

    /* 7 and 4 dwords: every packet crosses the ring's end at some time */
    for (uint32_t i = 0; i < 5000; i++) {
        rig_ram_set32(rig, RIG_DATA + 4, i);
        PUT(&q, COPY(DST + 4, DST + 8, 4), FENCE(DST, i));
        rig_go(&q);
        g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, i);
        g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, i);
    }
    g_assert_cmpuint(q.wptr, >, 10 * q.bytes);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, q.wptr);
    rig_free(rig);
}

static void pointers_beyond_32_bits_work(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint64_t start = UINT64_C(0x7fffffff0);

    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR, LO(start));
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR_HI, HI(start));
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR, LO(start));
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR_HI, HI(start));
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0));
    q.wptr = start;
    PUT(&q, FENCE(DST, 1), FENCE(DST + 4, 2), FENCE(DST + 8, 3));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 3);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, start + 48);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_RPTR_HI), ==, 8);
    rig_free(rig);
}

static void full_ring_runs(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, HDR(NOP, 0));
    rig_go(&q);
    for (uint32_t i = 0; i < q.bytes / 16; i++) {
        PUT(&q, FENCE(DST, i));
    }
    rig_go(&q);     /* exactly a ring's worth */
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, q.bytes / 16 - 1);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, q.wptr);
    rig_expect_none(rig);
    rig_free(rig);
}

static void overfull_ring_refused(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    expect_refused_doorbell(&q, q.bytes + 4);
    move_on(&q);
    expect_refused_doorbell(&q, UINT64_MAX - 3);
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);     /* and it still works */
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    rig_free(rig);
}

static void backward_or_misaligned_wptr_refused(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    expect_refused_doorbell(&q, q.wptr - 4);
    move_on(&q);
    expect_refused_doorbell(&q, 0);
    move_on(&q);
    expect_refused_doorbell(&q, q.wptr + 2);
    move_on(&q);
    /* the register refuses like the doorbell */
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR, 0);
    hgpu_reg_write(&rig->gpu, rig_ctx_reg(&q, HGPU_SDMA_RB_WPTR_HI), 0);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_DOORBELL_INVALID);
    g_assert_cmphex(rig_ctx(&q)->rb_wptr, ==, q.wptr);
    rig_free(rig);
}

/* Not below RPTR, but what was promised is taken back. */
static void wptr_is_never_taken_back(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint32_t f32 = HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL;

    rig_wr(rig, f32, HGPU_SDMA_F32_CNTL__HALT);
    PUT(&q, FENCE(DST, 1), FENCE(DST, 2));
    rig_go(&q);
    expect_refused_doorbell(&q, q.wptr - 16);
    rig_wr(rig, f32, 0);
    rig_run(rig);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 2);
    rig_free(rig);
}

static void refusal_is_reported_once_until_wptr_moves(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    RigQueue other = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);

    expect_refused_doorbell(&q, 2);
    for (uint32_t i = 0; i < 300; i++) {    /* more than the IH ring holds */
        ring_refused(&q, 2 + 4 * i);
    }
    rig_doorbell(&q);           /* what it has already: not a move */
    ring_refused(&q, 2);
    rig_expect_none(rig);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_DOORBELL_REFUSED], ==, 302);
    expect_refused_doorbell(&other, 2);     /* each has its own */
    ring_refused(&other, 2);
    move_on(&q);
    expect_refused_doorbell(&q, 2);
    ring_refused(&other, 2);
    rig_expect_none(rig);
    rig_free(rig);
}

static void refusal_is_reported_again_by_an_enabled_context(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    expect_refused_doorbell(&q, 2);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0));
    expect_refused_doorbell(&q, 2);
    rig_free(rig);
}

static void doorbell_of_other_size_refused(void)
{
    static const uint32_t sizes[] = { 1, 2, 4, 16, 0 };
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);
    uint32_t errors = rig->guest_errors;

    PUT(&q, FENCE(DST, 1));
    for (uint32_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        hgpu_doorbell_write(&rig->gpu, q.doorbell, q.wptr, sizes[i]);
    }
    hgpu_doorbell_write(&rig->gpu, q.doorbell + 4, q.wptr, 8);
    rig_run(rig);
    g_assert_cmpuint(rig->guest_errors, ==, errors + 6);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    rig_expect_none(rig);
    rig_free(rig);
}

static void unclaimed_doorbell_does_nothing(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);

    PUT(&q, FENCE(DST, 1));
    hgpu_doorbell_write(&rig->gpu, 0x1000, q.wptr, 8);
    rig_ctx_wr(&q, HGPU_SDMA_DOORBELL, 0);
    rig_doorbell(&q);
    rig_ctx_wr(&q, HGPU_SDMA_DOORBELL, HGPU_SDMA_DOORBELL__ENABLE);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_doorbell(&q);
    rig_run(rig);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_DOORBELL_UNCLAIMED], ==, 3);
    g_assert_cmphex(rig_ctx(&q)->rb_wptr, ==, 0);
    rig_expect_none(rig);
    rig_free(rig);
}

static void shared_doorbell_reaches_all_its_contexts(void)
{
    Rig *rig = rig_new();
    RigQueue a = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    RigQueue b = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_PAGE);

    rig_ctx_wr(&b, HGPU_SDMA_DOORBELL_OFFSET, a.doorbell);
    PUT(&a, FENCE(DST, 1));
    PUT(&b, FENCE(DST + 4, 2));
    rig_go(&a);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 2);
    rig_free(rig);
}

static void incomplete_packet_waits(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    const uint32_t fence[] = { FENCE(DST, 42) };
    uint64_t reads;

    for (uint32_t i = 0; i < 3; i++) {
        PUT(&q, fence[i]);
        rig_go(&q);
        g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_RPTR), ==, 0);
        g_assert_false(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS) &
                       HGPU_SDMA_CONTEXT_STATUS__IDLE);
    }
    g_assert_cmpuint(rig->timer, ==, 0);
    /* what was fetched is not fetched again: scribble over it */
    rig_ram_set32(rig, q.ram, 0xffffffff);
    reads = rig->dma_read_bytes;
    PUT(&q, fence[3]);
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 42);
    g_assert_cmpuint(rig->dma_read_bytes - reads, <=, 12);
    rig_free(rig);
}

static void payload_beyond_wptr_waits(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, HDR(WRITE, 0), LOHI(DST), 2 - 1, 0x11111111);
    rig_go(&q);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0);
    PUT(&q, 0x22222222);
    rig_go(&q);
    g_assert_cmphex(rig_ram64(rig, RIG_DATA), ==,
                    UINT64_C(0x2222222211111111));
    rig_free(rig);
}

static void packet_longer_than_its_ring_is_illegal(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, HDR(NOP, 0) | FIELD_PREP(HGPU_SDMA_PKT_NOP_HEADER__COUNT,
                                     q.bytes / 4));
    rig_go(&q);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_ILLEGAL);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_ILLEGAL);
    rig_free(rig);
}

static void rptr_is_written_back_when_idle_only_if_enabled(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0) &
               ~HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE);
    rig_ram_set64(rig, q.rptr_ram, 0x5555);
    PUT(&q, HDR(NOP, 0));
    rig_go(&q);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, 0x5555);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, 4);
    rig_free(rig);
}

static void rptr_comes_after_the_data(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    const RigWrite *last;

    g_array_set_size(rig->writes, 0);
    PUT(&q, COPY(DST, DST + 0x10000, 0x3000), FENCE(DST + 0x40000, 1));
    rig_go(&q);
    last = &g_array_index(rig->writes, RigWrite, rig->writes->len - 1);
    g_assert_cmphex(last->addr, ==, q.rptr_ram);
    g_assert_cmphex(last[-1].addr, ==, RIG_DATA + 0x40000);
    for (uint32_t i = 0; i + 2 < rig->writes->len; i++) {
        uint64_t addr = g_array_index(rig->writes, RigWrite, i).addr;

        g_assert_cmphex(addr, >=, RIG_DATA + 0x10000);
        g_assert_cmphex(addr, <, RIG_DATA + 0x13000);
    }
    rig_free(rig);
}

static void disable_drops_packet_and_enable_restarts_at_rptr(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, COPY(DST, DST + 4 * MiB, 4u << 20), FENCE(DST, 1));
    rig_doorbell(&q);
    rig->scheduled = false;
    hgpu_run(&rig->gpu);
    g_assert_cmpuint(rig_ctx(&q)->progress, >, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_run(rig);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS), ==,
                    HGPU_SDMA_CONTEXT_STATUS__IDLE);
    g_assert_cmpuint(rig_ctx(&q)->progress, ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0));
    rig_run(rig);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    rig_free(rig);
}

static void disable_clears_exception(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, 0xff);
    rig_go(&q);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_ILLEGAL);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_NONE);
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR, LO(q.wptr));
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0));
    PUT(&q, FENCE(DST, 3));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 3);
    rig_free(rig);
}

/* Everybody's first fence comes before anybody's last byte. */
static void contexts_take_turns(void)
{
    Rig *rig = rig_new();
    RigQueue q[] = {
        rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX),
        rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE),
        rig_user_queue(rig, 0, 0, 3),
        rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_GFX),
    };
    uint32_t slices = 0;

    rig_map_range(rig, 3, RIG_DATA, RIG_PTE_SYS | RIG_DATA, 8 * MiB);
    for (uint32_t i = 0; i < G_N_ELEMENTS(q); i++) {
        uint64_t base = i == 2 ? RIG_DATA : DST;

        PUT(&q[i], COPY(base + 0x1000, base + 4 * MiB, 2u << 20));
        rig_doorbell(&q[i]);
    }
    while (rig->scheduled) {
        uint64_t least = UINT64_MAX, most = 0;

        rig->scheduled = false;
        hgpu_run(&rig->gpu);
        for (uint32_t i = 0; i < G_N_ELEMENTS(q); i++) {
            uint64_t done = rig_ctx(&q[i])->rb_rptr ? 2 * MiB
                                                    : rig_ctx(&q[i])->progress;

            least = MIN(least, done);
            most = MAX(most, done);
        }
        g_assert_cmpuint(most - least, <=, 128 * 1024);
        slices++;
    }
    g_assert_cmpuint(slices, >=, 32);
    rig_free(rig);
}

static void slice_of_nops_is_bounded(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint64_t packets;

    for (uint32_t i = 0; i < q.bytes / 4; i++) {
        PUT(&q, HDR(NOP, 0));
    }
    rig_doorbell(&q);
    while (rig->scheduled) {
        packets = rig->gpu.stats.packets;
        rig->scheduled = false;
        hgpu_run(&rig->gpu);
        g_assert_cmpuint(rig->gpu.stats.packets - packets, <=, 1024);
    }
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, q.wptr);
    rig_free(rig);
}

static void idle_device_asks_for_nothing(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint64_t slices;

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    slices = rig->gpu.stats.slices;
    rig_pass(rig, UINT64_C(10000000000));
    g_assert_cmpuint(rig->gpu.stats.slices, ==, slices);
    g_assert_cmpuint(rig->timer, ==, 0);
    rig_free(rig);
}

static void ring_of_every_size_works(void)
{
    for (uint32_t log2 = HGPU_SDMA_RB_SIZE_LOG2_MIN; log2 <= 14; log2++) {
        Rig *rig = rig_new();
        RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

        rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
        rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL,
                   (RIG_RB_CNTL(0) & ~HGPU_SDMA_RB_CNTL__RB_SIZE) |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, log2));
        q.bytes = 4u << log2;
        for (uint32_t i = 1; i <= 3 * q.bytes / 16; i++) {
            PUT(&q, FENCE(DST, i));
            rig_go(&q);
            g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, i);
        }
        rig_free(rig);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/rings/" #name, name)
    TEST(doorbell_runs_the_ring);
    TEST(ring_wraps_many_times);
    TEST(pointers_beyond_32_bits_work);
    TEST(full_ring_runs);
    TEST(overfull_ring_refused);
    TEST(backward_or_misaligned_wptr_refused);
    TEST(wptr_is_never_taken_back);
    TEST(refusal_is_reported_once_until_wptr_moves);
    TEST(refusal_is_reported_again_by_an_enabled_context);
    TEST(doorbell_of_other_size_refused);
    TEST(unclaimed_doorbell_does_nothing);
    TEST(shared_doorbell_reaches_all_its_contexts);
    TEST(incomplete_packet_waits);
    TEST(payload_beyond_wptr_waits);
    TEST(packet_longer_than_its_ring_is_illegal);
    TEST(rptr_is_written_back_when_idle_only_if_enabled);
    TEST(rptr_comes_after_the_data);
    TEST(disable_drops_packet_and_enable_restarts_at_rptr);
    TEST(disable_clears_exception);
    TEST(contexts_take_turns);
    TEST(slice_of_nops_is_bounded);
    TEST(idle_device_asks_for_nothing);
    TEST(ring_of_every_size_works);
    return g_test_run();
}
