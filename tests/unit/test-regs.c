/*
 * hmm-gpu unit tests: registers (SPEC 3, 4.4, 7.1, 7.2) and reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

static void unknown_offset_reads_zero(void)
{
    static const uint32_t holes[] = { 0x20, 0x1fc, 0x3ff, 0x640, 0x720,
                                      0x7ffc, 0x8058, 0x8500, 0x8f0c,
                                      0xfffc, 0x10000, 0xfffffffc };
    Rig *rig = rig_new_bare();

    for (uint32_t i = 0; i < G_N_ELEMENTS(holes); i++) {
        uint32_t errors = rig->guest_errors;

        rig_wr_refused(rig, holes[i], 0xffffffff);
        g_assert_cmphex(rig_rd(rig, holes[i]), ==, 0);
        g_assert_cmpuint(rig->guest_errors, ==, errors + 2);
    }
    rig_free(rig);
}

static void unaligned_access_refused(void)
{
    Rig *rig = rig_new_bare();

    rig_wr(rig, HGPU_SCRATCH, 0x12345678);
    rig_wr_refused(rig, HGPU_SCRATCH + 1, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH + 2), ==, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH), ==, 0x12345678);
    rig_free(rig);
}

static void identification_reads(void)
{
    Rig *rig = rig_new_bare();
    uint32_t caps = rig_rd(rig, HGPU_CAPS);

    g_assert_cmphex(rig_rd(rig, HGPU_ID), ==, HGPU_ID_VALUE);
    g_assert_cmphex(rig_rd(rig, HGPU_VERSION), ==, HGPU_VERSION_VALUE);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__SDMA_ENGINES, caps), ==,
                     RIG_ENGINES);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__SDMA_RLC_QUEUES, caps), ==,
                     HGPU_SDMA_RLC_QUEUES);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__VM_INV_ENGINES, caps), ==,
                     HGPU_VM_INV_ENGINES);
    g_assert_true(caps & HGPU_CAPS__XNACK);
    g_assert_cmphex(rig_rd(rig, HGPU_VRAM_SIZE_LO), ==, RIG_VRAM_SIZE);
    g_assert_cmphex(rig_rd(rig, HGPU_VRAM_SIZE_HI), ==, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_MC_VM_FB_LOCATION_BASE), ==, 0xf400);
    g_assert_cmphex(rig_rd(rig, HGPU_MC_VM_FB_LOCATION_TOP), ==, 0xf400);
    rig_free(rig);
}

static void read_only_write_refused(void)
{
    static const uint32_t ro[] = {
        HGPU_ID, HGPU_VERSION, HGPU_CAPS, HGPU_VRAM_SIZE_LO,
        HGPU_RLC_GPU_CLOCK_COUNT_LSB, HGPU_RLC_GPU_CLOCK_COUNT_MSB,
        HGPU_MC_VM_FB_LOCATION_BASE, HGPU_MC_VM_FB_LOCATION_TOP,
        HGPU_VM_L2_PROTECTION_FAULT_STATUS, HGPU_IH_RB_WPTR,
        HGPU_IH_RB_DROPPED, HGPU_VM_INVALIDATE_ENG_ACK(3),
        HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_IB_OFFSET,
        HGPU_SDMA_CTX_BASE(1, 9) + HGPU_SDMA_CONTEXT_STATUS,
        HGPU_SDMA_CTX_BASE(1, 9) + HGPU_SDMA_FAULT_ADDR_LO,
        HGPU_SDMA_BASE(0) + HGPU_SDMA_STATUS_REG,
    };
    Rig *rig = rig_new_bare();

    for (uint32_t i = 0; i < G_N_ELEMENTS(ro); i++) {
        rig_wr_refused(rig, ro[i], 0xffffffff);
    }
    rig_free(rig);
}

static void unnamed_bits_read_zero(void)
{
    Rig *rig = rig_new_bare();

    rig_wr(rig, HGPU_IH_VMID_LUT(5), 0xffffffff);
    g_assert_cmphex(rig_rd(rig, HGPU_IH_VMID_LUT(5)), ==, 0xffff);
    rig_wr(rig, HGPU_VM_CONTEXT_CNTL(15), 0xffffffff);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_CONTEXT_CNTL(15)), ==, 0xff);
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(15), 0xffffffff);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(15)),
                    ==, 0xf);
    rig_wr(rig, HGPU_SDMA_CTX_BASE(0, 2) + HGPU_SDMA_RB_BASE_HI, 0xffffffff);
    g_assert_cmphex(rig_rd(rig, HGPU_SDMA_CTX_BASE(0, 2) +
                           HGPU_SDMA_RB_BASE_HI), ==, 0xffffff);
    rig_free(rig);
}

/* Without XNACK the bit that asks for retries is one without a name. */
static void retry_bit_needs_xnack(void)
{
    HgpuConfig config = rig_config;
    Rig *rig;

    config.xnack = false;
    rig = rig_new_like(&config);
    g_assert_cmphex(rig_rd(rig, HGPU_CAPS) & HGPU_CAPS__XNACK, ==, 0);
    rig_wr(rig, HGPU_VM_CONTEXT_CNTL(15), 0xffffffff);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_CONTEXT_CNTL(15)), ==, 0x7f);
    rig_free(rig);
}

static void neighbours_do_not_share_bits(void)
{
    Rig *rig = rig_new_bare();
    uint32_t at = HGPU_SDMA_CTX_BASE(1, 7);

    rig_wr(rig, at + HGPU_SDMA_RB_BASE, 0x12345678);
    rig_wr(rig, at + HGPU_SDMA_RB_BASE_HI, 0x9abcde);
    g_assert_cmphex(rig_rd(rig, at + HGPU_SDMA_RB_BASE), ==, 0x12345678);
    g_assert_cmphex(rig_rd(rig, at + HGPU_SDMA_RB_BASE_HI), ==, 0x9abcde);
    g_assert_cmphex(rig->gpu.s.sdma[1].ctx[7].rb_base, ==,
                    UINT64_C(0x9abcde1234567800));
    for (uint32_t v = 0; v < HGPU_VMIDS; v++) {
        rig_wr(rig, HGPU_IH_VMID_LUT(v), 100 + v);
    }
    for (uint32_t v = 0; v < HGPU_VMIDS; v++) {
        g_assert_cmpuint(rig_rd(rig, HGPU_IH_VMID_LUT(v)), ==, 100 + v);
    }
    rig_free(rig);
}

static void clock_lsb_latches_msb(void)
{
    Rig *rig = rig_new_bare();
    uint64_t ticks = UINT64_C(0x5ffffffff);

    rig->now += ticks * 10;
    g_assert_cmphex(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_LSB), ==,
                    0xffffffff);
    rig->now += 10;
    g_assert_cmphex(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_MSB), ==, 5);
    g_assert_cmphex(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_LSB), ==, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_RLC_GPU_CLOCK_COUNT_MSB), ==, 6);
    rig_free(rig);
}

static void retry_interval_out_of_range_refused(void)
{
    Rig *rig = rig_new_bare();

    g_assert_cmpuint(rig_rd(rig, HGPU_RETRY_INTERVAL), ==, 10000);
    rig_wr(rig, HGPU_RETRY_INTERVAL, 100);
    rig_wr(rig, HGPU_RETRY_INTERVAL, 10000000);
    rig_wr_refused(rig, HGPU_RETRY_INTERVAL, 99);
    rig_wr_refused(rig, HGPU_RETRY_INTERVAL, 10000001);
    rig_wr_refused(rig, HGPU_RETRY_INTERVAL, 0);
    g_assert_cmpuint(rig_rd(rig, HGPU_RETRY_INTERVAL), ==, 10000000);
    rig_free(rig);
}

static void semaphore_has_one_owner(void)
{
    Rig *rig = rig_new_bare();

    g_assert_cmpuint(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_SEM(4)), ==, 1);
    g_assert_cmpuint(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_SEM(4)), ==, 0);
    g_assert_cmpuint(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_SEM(5)), ==, 1);
    rig_wr_refused(rig, HGPU_VM_INVALIDATE_ENG_SEM(4), 1);
    g_assert_cmpuint(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_SEM(4)), ==, 0);
    rig_wr(rig, HGPU_VM_INVALIDATE_ENG_SEM(4), 0);
    g_assert_cmpuint(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_SEM(4)), ==, 1);
    rig_free(rig);
}

static void invalidation_acknowledges_its_vmids(void)
{
    Rig *rig = rig_new_bare();

    rig_wr(rig, HGPU_VM_INVALIDATE_ENG_REQ(0), 0x8002);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_ACK(0)), ==, 0x8002);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_ACK(1)), ==, 0);
    rig_wr(rig, HGPU_VM_INVALIDATE_ENG_REQ(0), 0x0004);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_ACK(0)), ==, 0x8006);
    rig_free(rig);
}

static void misaligned_value_refused(void)
{
    static const struct {
        uint32_t reg, good, bad;
    } cases[] = {
        { HGPU_SDMA_RB_RPTR, 8, 6 },
        { HGPU_SDMA_RB_RPTR_ADDR_LO, 0x1008, 0x1004 },
        { HGPU_SDMA_DOORBELL_OFFSET, 0x1ffff8, 0x1ffffc },
        { HGPU_SDMA_DOORBELL_OFFSET, 0x0, 0x200000 },
        { HGPU_SDMA_MQD_BASE_LO, 0x300, 0x280 },
    };
    Rig *rig = rig_new_bare();

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint32_t reg = HGPU_SDMA_CTX_BASE(0, 3) + cases[i].reg;

        rig_wr(rig, reg, cases[i].good);
        rig_wr_refused(rig, reg, cases[i].bad);
        g_assert_cmphex(rig_rd(rig, reg), ==, cases[i].good);
    }
    rig_wr_refused(rig, HGPU_IH_RB_WPTR_ADDR_LO, 2);
    rig_free(rig);
}

static void enabled_ring_locks_its_registers(void)
{
    static const uint32_t locked[] = {
        HGPU_SDMA_RB_BASE, HGPU_SDMA_RB_BASE_HI, HGPU_SDMA_RB_RPTR,
        HGPU_SDMA_RB_RPTR_HI, HGPU_SDMA_RB_RPTR_ADDR_LO,
        HGPU_SDMA_RB_RPTR_ADDR_HI,
    };
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint32_t cntl = rig_ctx_rd(&q, HGPU_SDMA_RB_CNTL);

    for (uint32_t i = 0; i < G_N_ELEMENTS(locked); i++) {
        uint32_t was = rig_ctx_rd(&q, locked[i]);

        rig_wr_refused(rig, rig_ctx_reg(&q, locked[i]), 0x100);
        g_assert_cmphex(rig_ctx_rd(&q, locked[i]), ==, was);
    }
    rig_wr_refused(rig, rig_ctx_reg(&q, HGPU_SDMA_RB_CNTL),
                   cntl ^ HGPU_SDMA_RB_CNTL__RB_PRIV);
    rig_wr_refused(rig, rig_ctx_reg(&q, HGPU_SDMA_RB_CNTL),
                   cntl ^ FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, 1));
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL,
               cntl ^ HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_BASE, 0x100);
    rig_free(rig);
}

static void bad_ring_is_not_enabled(void)
{
    Rig *rig = rig_new_bare();
    uint32_t gfx = HGPU_SDMA_CTX_BASE(0, HGPU_SDMA_CTX_GFX);
    uint32_t rlc = HGPU_SDMA_CTX_BASE(0, HGPU_SDMA_CTX_RLC0);
    uint32_t log2[] = { 0, 5, 25, 63 };

    for (uint32_t i = 0; i < G_N_ELEMENTS(log2); i++) {
        rig_wr_refused(rig, gfx, HGPU_SDMA_RB_CNTL__RB_ENABLE |
                       FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, log2[i]));
        g_assert_cmphex(rig_rd(rig, gfx), ==, 0);
    }
    rig_wr_refused(rig, rlc, RIG_RB_CNTL(0));
    rig_wr(rig, gfx + HGPU_SDMA_RB_RPTR, 0x1000);
    rig_wr_refused(rig, gfx, RIG_RB_CNTL(0));   /* WPTR below RPTR */
    rig_wr(rig, gfx + HGPU_SDMA_RB_WPTR, 0x1000 + (4 << RIG_RING_LOG2) + 4);
    rig_wr(rig, gfx + HGPU_SDMA_RB_WPTR_HI, 0);
    rig_wr_refused(rig, gfx, RIG_RB_CNTL(0));   /* beyond the ring */
    g_assert_cmpuint(rig->gpu.s.sdma[0].ctx[0].state, ==, HGPU_CTX_DISABLED);
    g_assert_false(rig->scheduled);
    rig_free(rig);
}

static void wptr_commits_with_high_half(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);

    PUT(&q, FENCE(RIG_GART + RIG_DATA, 77));
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR, LO(q.wptr));
    rig_run(rig);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_WPTR), ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR_HI, 0);
    rig_run(rig);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_WPTR), ==, LO(q.wptr));
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 77);
    rig_free(rig);
}

static void halted_engine_stands_still(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    RigQueue other = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_GFX);
    uint32_t f32 = HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL;

    rig_wr(rig, f32, HGPU_SDMA_F32_CNTL__HALT);
    PUT(&q, FENCE(RIG_GART + RIG_DATA, 1));
    PUT(&other, FENCE(RIG_GART + RIG_DATA + 4, 2));
    rig_go(&q);
    rig_go(&other);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 2);
    g_assert_cmphex(rig_rd(rig, HGPU_SDMA_BASE(0) + HGPU_SDMA_STATUS_REG),
                    ==, 0);
    rig_wr(rig, f32, 0);
    rig_run(rig);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    g_assert_cmphex(rig_rd(rig, HGPU_SDMA_BASE(0) + HGPU_SDMA_STATUS_REG),
                    ==, HGPU_SDMA_STATUS_REG__IDLE);
    rig_free(rig);
}

static void engine_reset_resets_its_contexts(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    RigQueue user = rig_user_queue(rig, 0, 7, 9);
    RigQueue other = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_GFX);
    uint32_t f32 = HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL;

    rig_wr(rig, f32, HGPU_SDMA_F32_CNTL__RESET);
    g_assert_cmphex(rig_rd(rig, f32), ==, 0);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_CNTL), ==, 0);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_BASE), ==, 0);
    g_assert_cmphex(rig_ctx_rd(&user, HGPU_SDMA_DOORBELL), ==, 0);
    g_assert_cmphex(rig_ctx_rd(&user, HGPU_SDMA_IB_CNTL), ==,
                    HGPU_SDMA_IB_CNTL__IB_ENABLE);
    g_assert_cmphex(rig_ctx_rd(&other, HGPU_SDMA_RB_CNTL), ==,
                    RIG_RB_CNTL(0));
    rig_free(rig);
}

static void hqd_cmd_refused_where_it_means_nothing(void)
{
    Rig *rig = rig_new();
    uint32_t gfx = HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_HQD_CMD;
    uint32_t rlc = HGPU_SDMA_CTX_BASE(0, 2) + HGPU_SDMA_HQD_CMD;

    rig_wr_refused(rig, gfx, HGPU_SDMA_HQD_CMD_MAP);
    rig_wr_refused(rig, gfx, HGPU_SDMA_HQD_CMD_RESET);
    rig_wr_refused(rig, rlc, 0);
    rig_wr_refused(rig, rlc, 4);
    rig_wr_refused(rig, rlc, HGPU_SDMA_HQD_CMD_UNMAP);  /* disabled */
    g_assert_cmphex(rig_rd(rig, rlc), ==, 0);
    rig_free(rig);
}

/* Every offset of the BAR, so that a register without a reset is found. */
static void reset_restores_every_register(void)
{
    Rig *fresh = rig_new_bare();
    Rig *rig = rig_new();
    RigQueue q = rig_user_queue(rig, 1, 3, 4);

    PUT(&q, COPY(0x1234000, 0x5678000, 4096));
    rig_go(&q);     /* parked */
    rig->now = fresh->now;
    for (uint32_t off = 0; off < HGPU_BAR_REGS_SIZE; off += 4) {
        hgpu_reg_write(&rig->gpu, off, 0x01010100);
    }
    hgpu_reset(&rig->gpu);
    for (uint32_t off = 0; off < HGPU_BAR_REGS_SIZE; off += 4) {
        uint32_t want = rig_rd(fresh, off);

        if (rig_rd(rig, off) != want) {
            g_error("register 0x%x", off);
        }
    }
    g_assert_cmpmem(&rig->gpu.s, sizeof(HgpuState), &fresh->gpu.s,
                    sizeof(HgpuState));
    g_assert_cmpuint(rig->timer, ==, 0);
    rig_free(fresh);
    rig_free(rig);
}

static void reset_stops_all_dma(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    RigQueue parked = rig_user_queue(rig, 1, 0, 2);
    uint32_t irqs;

    PUT(&parked, FENCE(0x1000, 1));
    rig_go(&parked);
    g_assert_cmpuint(rig->timer, !=, 0);

    PUT(&q, COPY(RIG_GART + RIG_DATA, RIG_GART + RIG_DATA + 4 * MiB,
                 4u << 20), TRAP(0));
    rig_doorbell(&q);
    hgpu_run(&rig->gpu);    /* in the middle */
    g_assert_true(rig->scheduled);
    hgpu_reset(&rig->gpu);
    g_assert_cmpuint(rig->timer, ==, 0);
    g_array_set_size(rig->writes, 0);
    irqs = rig->irqs;
    rig_run(rig);
    rig_pass(rig, UINT64_C(100000000));
    g_assert_cmpuint(rig->writes->len, ==, 0);
    g_assert_cmpuint(rig->irqs, ==, irqs);
    rig_free(rig);
}

static void stopped_machine_does_nothing(void)
{
    Rig *rig = rig_new();
    RigQueue q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, FENCE(RIG_GART + RIG_DATA, 5));
    rig_doorbell(&q);
    hgpu_set_running(&rig->gpu, false);
    rig->scheduled = false;
    g_assert_false(hgpu_run(&rig->gpu));
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    hgpu_set_running(&rig->gpu, true);
    g_assert_true(rig->scheduled);
    rig_run(rig);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 5);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/regs/" #name, name)
    TEST(unknown_offset_reads_zero);
    TEST(unaligned_access_refused);
    TEST(identification_reads);
    TEST(read_only_write_refused);
    TEST(unnamed_bits_read_zero);
    TEST(retry_bit_needs_xnack);
    TEST(neighbours_do_not_share_bits);
    TEST(clock_lsb_latches_msb);
    TEST(retry_interval_out_of_range_refused);
    TEST(semaphore_has_one_owner);
    TEST(invalidation_acknowledges_its_vmids);
    TEST(misaligned_value_refused);
    TEST(enabled_ring_locks_its_registers);
    TEST(bad_ring_is_not_enabled);
    TEST(wptr_commits_with_high_half);
    TEST(halted_engine_stands_still);
    TEST(engine_reset_resets_its_contexts);
    TEST(hqd_cmd_refused_where_it_means_nothing);
    TEST(reset_restores_every_register);
    TEST(reset_stops_all_dma);
    TEST(stopped_machine_does_nothing);
    return g_test_run();
}
