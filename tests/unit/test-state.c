/*
 * hmm-gpu unit tests: saving and loading (SPEC 8).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define VMID        3u
#define SRC         UINT64_C(0x7f0000000000)
#define DST         UINT64_C(0x7f1000000000)
#define INTERVAL_NS UINT64_C(10000000)

static void migrate(Rig **rig, RigQueue *q, uint64_t now)
{
    *rig = rig_migrate(*rig, now);
    g_assert_nonnull(*rig);
    if (q) {
        q->rig = *rig;
    }
}

static Rig *rig_with_queue(RigQueue *q)
{
    Rig *rig = rig_new();

    *q = rig_user_queue(rig, 0, 0, VMID);
    for (uint64_t off = 0; off < MiB; off += HGPU_PAGE_SIZE) {
        rig_map(rig, VMID, SRC + off, RIG_PTE_SYS | (RIG_DATA + off));
        rig_map(rig, VMID, DST + off, RIG_PTE | (RIG_VDATA + off));
    }
    return rig;
}

static void copy_goes_on_after_load(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    rig_pattern(rig->ram + RIG_DATA, MiB, 3);
    PUT(&q, COPY(SRC, DST, MiB), FENCE(SRC, 0x55));
    rig_doorbell(&q);
    for (uint32_t i = 0; i < 3; i++) {
        rig->scheduled = false;
        hgpu_run(&rig->gpu);
        g_assert_cmpuint(rig_ctx(&q)->progress, >, 0);
        migrate(&rig, &q, 1000 * i);
    }
    g_assert_true(rig->scheduled);
    rig_run(rig);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, MiB, 3));
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0x55);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, q.wptr);
    rig_free(rig);
}

static void parked_access_walks_again_on_load(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    rig_map(rig, VMID, DST + 0x3000, 0);
    rig_pattern(rig->ram + RIG_DATA, 0x8000, 3);
    PUT(&q, COPY(SRC, DST, 0x8000));
    rig_go(&q);
    rig_expect_fault(rig, true, DST + 0x3000);
    /* resolved, and the flush that says so was before the save */
    rig_map(rig, VMID, DST + 0x3000, RIG_PTE | (RIG_VDATA + 0x3000));
    migrate(&rig, &q, rig->now);
    rig_run(rig);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, 0x8000, 3));
    rig_expect_none(rig);
    rig_free(rig);
}

static void unresolved_fault_stays_parked_after_load(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    rig_map(rig, VMID, DST, 0);
    PUT(&q, FENCE(DST, 7));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    rig_pass(rig, INTERVAL_NS / 2);
    migrate(&rig, &q, 5);       /* a machine with a young clock */
    rig_run(rig);
    rig_expect_none(rig);
    g_assert_true(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS) &
                  HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    rig_pass(rig, INTERVAL_NS / 2 - 1);
    rig_expect_none(rig);
    rig_pass(rig, 1);
    rig_expect_fault(rig, true, DST);
    rig_map(rig, VMID, DST, RIG_PTE | RIG_VDATA);
    rig_flush(rig, BIT(VMID));
    rig_run(rig);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 7);
    rig_free(rig);
}

static void poll_goes_on_after_load(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    PUT(&q, HDR(POLL_REGMEM, 0) |
        HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL |
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
                   HGPU_SDMA_POLL_FUNC_EQ), LOHI(SRC), 1, ~0u,
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 1000) |
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, 3));
    rig_go(&q);
    rig_pass(rig, 15000);
    migrate(&rig, &q, UINT64_C(1) << 60);
    rig_run(rig);
    rig_pass(rig, 5000 + 9999);
    rig_expect_none(rig);
    rig_pass(rig, 1);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_POLL_TIMEOUT);
    rig_free(rig);
}

static void tlb_is_empty_after_load(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_map(rig, VMID, DST, RIG_PTE | (RIG_VDATA + 0x5000));
    migrate(&rig, &q, rig->now);
    PUT(&q, FENCE(DST, 2));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0x5000), ==, 2);
    rig_free(rig);
}

static void outstanding_interrupt_stays_outstanding(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    PUT(&q, TRAP(1));
    rig_go(&q);
    g_assert_cmpuint(rig->irqs, ==, 1);
    migrate(&rig, &q, rig->now);
    PUT(&q, TRAP(2));
    rig_go(&q);
    g_assert_cmpuint(rig->irqs, ==, 0);     /* of the new machine */
    rig_wr(rig, HGPU_IH_RB_RPTR, 32);
    g_assert_cmpuint(rig->irqs, ==, 1);
    rig_free(rig);
}

static void reported_refusal_stays_reported(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    hgpu_doorbell_write(&rig->gpu, q.doorbell, 2, 8);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_DOORBELL_INVALID);
    migrate(&rig, &q, rig->now);
    hgpu_doorbell_write(&rig->gpu, q.doorbell, 2, 8);
    rig_expect_none(rig);
    rig_free(rig);
}

static void gpu_clock_does_not_jump(void)
{
    Rig *rig = rig_new();
    uint32_t clock;

    rig->now += 123456789;
    clock = rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_LSB);
    migrate(&rig, NULL, 17);
    g_assert_cmpuint(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_LSB), ==, clock);
    rig->now += 1000;
    g_assert_cmpuint(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_LSB), ==,
                     clock + 100);
    migrate(&rig, NULL, UINT64_C(1) << 50);     /* and again */
    g_assert_cmpuint(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_LSB), ==,
                     clock + 100);
    rig_free(rig);
}

static void incomplete_packet_survives_load(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);
    const uint32_t fence[] = { FENCE(DST, 0x31) };

    rig_put(&q, fence, 3);
    rig_go(&q);
    migrate(&rig, &q, rig->now);
    rig_run(rig);
    rig_put(&q, fence + 3, 1);
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0x31);
    rig_free(rig);
}

/* ---- Refusals ---- */

/* One context in each state that holds something: what can be wrong. */
static Rig *busy_rig(void)
{
    Rig *rig = rig_new();
    RigQueue park = rig_user_queue(rig, 0, 0, VMID);
    RigQueue poll = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    RigQueue copy = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);
    RigQueue halt = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_GFX);
    RigQueue ib = rig_user_queue(rig, 1, 7, VMID);

    PUT(&park, FENCE(DST, 1));
    PUT(&poll, HDR(POLL_REGMEM, 0) |
        HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL |
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
                   HGPU_SDMA_POLL_FUNC_EQ), LOHI(RIG_GART + RIG_DATA), 1, ~0u,
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 1000) |
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, 3));
    PUT(&halt, FENCE(0x1000, 1));
    rig_map(rig, VMID, SRC, RIG_PTE_SYS | RIG_DATA);
    {
        const uint32_t dwords[] = { FENCE(DST, 1) };

        memcpy(rig->ram + RIG_DATA + 0x100, dwords, sizeof(dwords));
    }
    PUT(&ib, INDIRECT(0, SRC + 0x100, 4));
    rig_go(&park);
    rig_go(&poll);
    rig_go(&halt);
    rig_go(&ib);
    PUT(&copy, COPY(RIG_FB, RIG_FB + 4 * MiB, 4u << 20));
    rig_doorbell(&copy);
    rig->scheduled = false;
    hgpu_run(&rig->gpu);
    return rig;
}

#define PARK    sdma[0].ctx[2]
#define POLL    sdma[0].ctx[0]
#define BUSY    sdma[0].ctx[1]      /* in the middle of a copy */
#define HALT    sdma[1].ctx[0]
#define IB      sdma[1].ctx[9]      /* parked in an IB */
#define OFF     sdma[1].ctx[3]
#define GONE    sdma[5].ctx[0]      /* of an engine that is not there */

#define BADS(BAD)                                                       \
    BAD(clock_base = s->saved_ns + 1)                                   \
    BAD(fault_status = BIT(24))                                         \
    BAD(fault_page = UINT64_C(1) << 36)                                 \
    BAD(fault_seq = UINT64_MAX)                                         \
    BAD(fault_seq = 0)                                                  \
    BAD(retry_interval = 99)                                            \
    BAD(retry_interval = 10000001)                                      \
    BAD(inv[17].sem = 2)                                                \
    BAD(inv[0].req = BIT(24))                                           \
    BAD(inv[9].ack = BIT(16))                                           \
    BAD(vm[15].cntl = BIT(8))                                           \
    BAD(vm[0].pt_start = UINT64_C(1) << 36)                             \
    BAD(vm[7].pt_end = UINT64_MAX)                                      \
    BAD(vmid_lut[15] = 0x10000)                                         \
    BAD(ih.rb_cntl |= HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR)             \
    BAD(ih.rb_cntl |= BIT(7))                                           \
    BAD(ih.rb_cntl |= HGPU_IH_RB_CNTL__RB_SIZE)                         \
    BAD(ih.rb_cntl &= ~HGPU_IH_RB_CNTL__MC_SPACE)                       \
    BAD(ih.rb_base = 0x80)                                              \
    BAD(ih.rb_base = UINT64_C(1) << 48)                                 \
    BAD(ih.rptr = 16)                                                   \
    BAD(ih.rptr = 0x2000)                                               \
    BAD(ih.wptr = 0x2000)                                               \
    BAD(ih.wptr = 4)                                                    \
    BAD(ih.wptr = 2)                                                    \
    BAD(ih.wptr = 0x40000)                                              \
    BAD(ih.wptr_addr = 2)                                               \
    BAD(ih.wptr_addr = UINT64_C(1) << 48)                               \
    BAD(ih.outstanding = 2)                                             \
    BAD(nr_engines = 3)                                                 \
    BAD(nr_engines = 0)                                                 \
    BAD(nr_engines = UINT32_MAX)                                        \
    BAD(rr_next = 20)                                                   \
    BAD(rr_next = UINT32_MAX)                                           \
    BAD(sdma[0].cntl = 2)                                               \
    BAD(sdma[1].f32_cntl = HGPU_SDMA_F32_CNTL__RESET)                   \
    BAD(sdma[7].f32_cntl = 2)                                           \
    BAD(PARK.rb_cntl |= BIT(31))                                        \
    BAD(PARK.rb_cntl &= ~HGPU_SDMA_RB_CNTL__RB_ENABLE)                  \
    BAD(PARK.rb_cntl &= ~HGPU_SDMA_RB_CNTL__RB_SIZE)                    \
    BAD(PARK.rb_cntl |= HGPU_SDMA_RB_CNTL__RB_SIZE)                     \
    BAD(PARK.rb_cntl &= ~HGPU_SDMA_RB_CNTL__RB_VMID)                    \
    BAD(OFF.rb_cntl |= HGPU_SDMA_RB_CNTL__RB_ENABLE)                    \
    BAD(PARK.rb_base = 0x80)                                            \
    BAD(PARK.rb_rptr = 2)                                               \
    BAD(PARK.rb_rptr = 0x20)                                            \
    BAD(PARK.rb_wptr = 17)                                              \
    BAD(PARK.rb_wptr = 0x10000)                                         \
    BAD(PARK.rb_wptr = UINT64_MAX - 3)                                  \
    BAD(PARK.rb_wptr = 0)                                               \
    BAD(PARK.wptr_refused = 2)                                          \
    BAD(PARK.rb_rptr_addr += 4)                                         \
    BAD(PARK.ib_cntl |= BIT(1))                                         \
    BAD(PARK.ib_cntl |= FIELD_PREP(HGPU_SDMA_IB_CNTL__CMD_VMID, 1))     \
    BAD(IB.ib_cntl ^= FIELD_PREP(HGPU_SDMA_IB_CNTL__CMD_VMID, 8))       \
    BAD(PARK.ib_offset = 1)                                             \
    BAD(IB.ib_offset = 5)                                               \
    BAD(PARK.ib_base = 32)                                              \
    BAD(IB.ib_base += 4)                                                \
    BAD(PARK.ib_size = 4)                                               \
    BAD(IB.ib_size = 0)                                                 \
    BAD(IB.ib_size = 0x100000)                                          \
    BAD(OFF.ib_size = 1)                                                \
    BAD(PARK.doorbell = 1)                                              \
    BAD(PARK.doorbell_offset = 0x200000)                                \
    BAD(PARK.doorbell_offset = 4)                                       \
    BAD(PARK.mqd_base = 0x80)                                           \
    BAD(PARK.exception = HGPU_SDMA_EXCEPTION_FAULT)                     \
    BAD(HALT.exception = HGPU_SDMA_EXCEPTION_NONE)                      \
    BAD(HALT.exception = HGPU_SDMA_EXCEPTION_MQD)                       \
    BAD(HALT.exception = UINT32_MAX)                                    \
    BAD(OFF.exception = HGPU_SDMA_EXCEPTION_BUS)                        \
    BAD(PARK.preempted = 1)                                             \
    BAD(OFF.preempted = 2)                                              \
    BAD(PARK.pkt[0] = 0xff)                                             \
    BAD(BUSY.pkt[1] = 0)                                                \
    BAD(PARK.pkt_len = 11)                                              \
    BAD(PARK.pkt_len = UINT32_MAX)                                      \
    BAD(BUSY.pkt_len = 6)                                               \
    BAD(IB.pkt_len = 5)                                                 \
    BAD(OFF.pkt_len = 1)                                                \
    BAD(POLL.pkt_len = 0)                                               \
    BAD(BUSY.progress = UINT64_C(4) * 1024 * 1024 + 1)                  \
    BAD(BUSY.progress = UINT64_MAX)                                     \
    BAD(POLL.progress = 2)                                              \
    BAD(OFF.progress = 1)                                               \
    BAD(POLL.retries = 0x1000)                                          \
    BAD(BUSY.retries = 1)                                               \
    BAD(OFF.retries = 1)                                                \
    BAD(PARK.skip = 1)                                                  \
    BAD(OFF.skip = 1)                                                   \
    BAD(PARK.state = HGPU_CTX_STATES)                                   \
    BAD(PARK.state = UINT32_MAX)                                        \
    BAD(PARK.state = HGPU_CTX_RUNNING)                                  \
    BAD(PARK.state = HGPU_CTX_HALTED)                                   \
    BAD(PARK.state = HGPU_CTX_DISABLED)                                 \
    BAD(OFF.state = HGPU_CTX_IDLE)                                      \
    BAD(BUSY.state = HGPU_CTX_RETRY_WAIT)                               \
    BAD(HALT.state = HGPU_CTX_RUNNING)                                  \
    BAD(PARK.parked.replay = 2)                                         \
    BAD(POLL.parked.replay = 1)                                         \
    BAD(PARK.parked.deadline_ns = UINT64_MAX)                           \
    BAD(POLL.parked.deadline_ns = s->saved_ns + UINT64_C(10000000001))  \
    BAD(PARK.parked.vmid = 16)                                          \
    BAD(PARK.parked.access = 3)                                         \
    BAD(PARK.parked.id = 0)                                             \
    BAD(PARK.parked.id = UINT64_MAX)                                    \
    BAD(OFF.parked.id = 1)                                              \
    BAD(GONE = s->PARK)                                                 \
    BAD(GONE.state = HGPU_CTX_RUNNING)

static const char *const bad_names[] = {
#define BAD(assignment) #assignment,
    BADS(BAD)
#undef BAD
};

static void spoil(HgpuState *s, uintptr_t which)
{
    uintptr_t n = 0;

#define BAD(assignment)                                                 \
    if (n++ == which) {                                                 \
        s->assignment;                                                  \
    }
    BADS(BAD)
#undef BAD
}

static void bad_field_is_refused(gconstpointer which)
{
    Rig *rig = busy_rig();
    HgpuState left;

    hgpu_pre_save(&rig->gpu);
    spoil(&rig->gpu.s, (uintptr_t)which);
    g_assert_nonnull(hgpu_post_load(&rig->gpu));
    /* what is left is a GPU after a reset */
    left = rig->gpu.s;
    hgpu_reset(&rig->gpu);
    g_assert_cmpmem(&rig->gpu.s, sizeof(left), &left, sizeof(left));
    g_assert_cmpuint(rig->timer, ==, 0);
    rig_free(rig);
}

/* A parked access, and what parked it, are not a state of this GPU. */
static void retry_is_refused_without_xnack(void)
{
    RigQueue q;
    Rig *rig = rig_with_queue(&q);

    rig_map(rig, VMID, DST, 0);
    PUT(&q, FENCE(DST, 7));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    rig->config.xnack = false;
    g_assert_null(rig_migrate(rig, 0));

    rig = rig_with_queue(&q);
    rig->config.xnack = false;
    g_assert_null(rig_migrate(rig, 0));

    rig = rig_new();
    rig->config.xnack = false;
    migrate(&rig, NULL, 0);
    rig_free(rig);
}

static void busy_state_is_accepted(void)
{
    Rig *rig = busy_rig();

    g_assert_cmpuint(rig->gpu.s.PARK.state, ==, HGPU_CTX_RETRY_WAIT);
    g_assert_cmpuint(rig->gpu.s.POLL.state, ==, HGPU_CTX_POLL_WAIT);
    g_assert_cmpuint(rig->gpu.s.BUSY.state, ==, HGPU_CTX_RUNNING);
    g_assert_cmpuint(rig->gpu.s.HALT.state, ==, HGPU_CTX_HALTED);
    g_assert_cmpuint(rig->gpu.s.IB.state, ==, HGPU_CTX_RETRY_WAIT);
    g_assert_cmpuint(rig->gpu.s.IB.ib_size, ==, 4);
    migrate(&rig, NULL, rig->now);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/state/" #name, name)
    TEST(copy_goes_on_after_load);
    TEST(parked_access_walks_again_on_load);
    TEST(unresolved_fault_stays_parked_after_load);
    TEST(poll_goes_on_after_load);
    TEST(tlb_is_empty_after_load);
    TEST(outstanding_interrupt_stays_outstanding);
    TEST(reported_refusal_stays_reported);
    TEST(gpu_clock_does_not_jump);
    TEST(incomplete_packet_survives_load);
    TEST(busy_state_is_accepted);
    TEST(retry_is_refused_without_xnack);
    for (uintptr_t i = 0; i < G_N_ELEMENTS(bad_names); i++) {
        g_autofree char *path = g_strdup_printf("/state/refused/%s",
                                                bad_names[i]);

        g_test_add_data_func(path, (gconstpointer)i, bad_field_is_refused);
    }
    return g_test_run();
}
