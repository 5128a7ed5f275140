/*
 * hmm-gpu unit tests: the interrupt ring (SPEC 6).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"
#include "ih.h"

#define SMALL_LOG2  6u      /* 256 bytes, 8 entries */
#define SMALL       ((RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__RB_SIZE) | \
                     FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE, SMALL_LOG2))
#define OVERFLOW    HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE

static void post(Rig *rig, uint32_t number)
{
    HgpuIhEvent event = {
        .client = HGPU_IH_CLIENTID_SDMA0, .source = HGPU_SRCID_SDMA_TRAP,
        .ring = 3, .vmid = 7, .data = { number, ~number, 2, 3 },
    };

    hgpu_ih_post(&rig->gpu, &event);
}

static uint32_t wptr(Rig *rig)
{
    return rig_rd(rig, HGPU_IH_RB_WPTR);
}

static void entry_has_every_field(void)
{
    Rig *rig = rig_new();
    RigIrq irq;

    rig_wr(rig, HGPU_IH_VMID_LUT(7), 0xbeef);
    rig->now += UINT64_C(10) * 0x123456789abc;
    post(rig, 0x11223344);
    irq = rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_TRAP);
    g_assert_cmpuint(irq.ring, ==, 3);
    g_assert_cmpuint(irq.vmid, ==, 7);
    g_assert_cmphex(irq.pasid, ==, 0xbeef);
    g_assert_cmphex(irq.time, ==, 0x123456789abc);
    g_assert_cmphex(irq.data[0], ==, 0x11223344);
    g_assert_cmphex(irq.data[1], ==, 0xeeddccbb);
    g_assert_cmphex(irq.data[3], ==, 3);
    rig_free(rig);
}

static void pasid_is_the_one_of_the_moment(void)
{
    Rig *rig = rig_new();

    rig_wr(rig, HGPU_IH_VMID_LUT(7), 1);
    post(rig, 0);
    rig_wr(rig, HGPU_IH_VMID_LUT(7), 2);
    post(rig, 0);
    g_assert_cmpuint(rig_expect(rig, 8, 224).pasid, ==, 1);
    g_assert_cmpuint(rig_expect(rig, 8, 224).pasid, ==, 2);
    rig_free(rig);
}

static void entry_comes_before_wptr_before_interrupt(void)
{
    Rig *rig = rig_new();
    const RigWrite *w;

    g_array_set_size(rig->writes, 0);
    post(rig, 1);
    g_assert_cmpuint(rig->writes->len, ==, 3);
    w = &g_array_index(rig->writes, RigWrite, 0);
    g_assert_cmphex(w[0].addr, ==, RIG_IH_RING);
    g_assert_cmphex(w[1].addr, ==, RIG_IH_WPTR);
    g_assert_cmpuint(w[2].kind, ==, RIG_INTERRUPT);
    g_assert_cmpuint(rig_ram32(rig, RIG_IH_WPTR), ==, 32);
    rig_free(rig);
}

static void write_back_only_if_enabled(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, RIG_IH_CNTL &
                 ~HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE);
    rig_ram_set32(rig, RIG_IH_WPTR, 0xdead);
    post(rig, 1);
    g_assert_cmphex(rig_ram32(rig, RIG_IH_WPTR), ==, 0xdead);
    g_assert_cmpuint(wptr(rig), ==, 32);
    rig_free(rig);
}

static void interrupt_once_until_rptr_is_written(void)
{
    Rig *rig = rig_new();

    post(rig, 0);
    post(rig, 1);
    post(rig, 2);
    g_assert_cmpuint(rig->irqs, ==, 1);
    rig_wr(rig, HGPU_IH_RB_RPTR, 96);   /* all taken */
    g_assert_cmpuint(rig->irqs, ==, 1);
    post(rig, 3);
    g_assert_cmpuint(rig->irqs, ==, 2);
    rig_free(rig);
}

static void rptr_short_of_wptr_raises_again(void)
{
    Rig *rig = rig_new();

    post(rig, 0);
    post(rig, 1);
    rig_wr(rig, HGPU_IH_RB_RPTR, 32);
    g_assert_cmpuint(rig->irqs, ==, 2);
    rig_wr(rig, HGPU_IH_RB_RPTR, 64);
    g_assert_cmpuint(rig->irqs, ==, 2);
    /* not without RPTR_REARM */
    rig_wr(rig, HGPU_IH_RB_CNTL,
           RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__RPTR_REARM);
    post(rig, 2);
    g_assert_cmpuint(rig->irqs, ==, 3);
    rig_wr(rig, HGPU_IH_RB_RPTR, 64);
    g_assert_cmpuint(rig->irqs, ==, 3);
    rig_free(rig);
}

static void masked_interrupt_stays_silent(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__ENABLE_INTR);
    post(rig, 0);
    g_assert_cmpuint(rig->irqs, ==, 0);
    g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, 0);
    rig_free(rig);
}

static void disabled_ring_counts_drops(void)
{
    Rig *rig = rig_new();

    rig_wr(rig, HGPU_IH_RB_CNTL, RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__RB_ENABLE);
    post(rig, 0);
    post(rig, 1);
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 2);
    g_assert_cmpuint(rig->irqs, ==, 0);
    g_assert_cmpuint(wptr(rig), ==, 0);
    rig_free(rig);
}

static void drop_counter_saturates(void)
{
    Rig *rig = rig_new_bare();

    rig->gpu.s.ih.dropped = UINT32_MAX - 1;
    post(rig, 0);
    post(rig, 0);
    post(rig, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, UINT32_MAX);
    rig_free(rig);
}

static void wptr_wraps(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, SMALL);
    for (uint32_t i = 0; i < 50; i++) {
        RigIrq irq;

        post(rig, i);
        irq = rig_expect(rig, 8, 224);
        g_assert_cmpuint(irq.data[0], ==, i);
        g_assert_cmpuint(wptr(rig), ==, (i + 1) % 8 * 32);
    }
    rig_free(rig);
}

static void full_ring_drops_the_new_entry(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, SMALL);
    for (uint32_t i = 0; i < 10; i++) {
        post(rig, i);
    }
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 3);
    g_assert_cmpuint(wptr(rig), ==, 7 * 32);
    for (uint32_t i = 0; i < 7; i++) {
        g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, i);
    }
    rig_expect_none(rig);
    post(rig, 10);
    g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, 10);
    rig_free(rig);
}

static void overflow_overwrites_and_says_so(void)
{
    Rig *rig = rig_new();
    uint32_t restart;

    rig_setup_ih(rig, SMALL | OVERFLOW);
    for (uint32_t i = 0; i < 7; i++) {
        post(rig, i);
    }
    g_assert_cmphex(wptr(rig), ==, 7 * 32);
    post(rig, 7);
    post(rig, 8);
    g_assert_cmphex(wptr(rig), ==, 32 | HGPU_IH_RB_WPTR__RB_OVERFLOW);
    g_assert_cmphex(rig_ram32(rig, RIG_IH_WPTR), ==,
                    32 | HGPU_IH_RB_WPTR__RB_OVERFLOW);
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 0);

    /* as amdgpu: go on behind the slot that may be written next */
    restart = (wptr(rig) & HGPU_IH_RB_WPTR__OFFSET) + 32;
    rig->ih_rptr = restart;
    rig_wr(rig, HGPU_IH_RB_CNTL, SMALL | OVERFLOW |
           HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR);
    g_assert_cmphex(wptr(rig), ==, 32);
    g_assert_cmphex(rig_ram32(rig, RIG_IH_WPTR), ==, 32);
    g_assert_false(rig_rd(rig, HGPU_IH_RB_CNTL) &
                   HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR);
    for (uint32_t i = 2; i < 9; i++) {
        g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, i);
    }
    rig_expect_none(rig);
    post(rig, 9);
    g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, 9);
    rig_free(rig);
}

static void overflow_flag_stays_until_cleared(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, SMALL | OVERFLOW);
    for (uint32_t i = 0; i < 12; i++) {
        post(rig, i);
        if (i >= 7) {
            g_assert_true(wptr(rig) & HGPU_IH_RB_WPTR__RB_OVERFLOW);
        }
    }
    rig_wr(rig, HGPU_IH_RB_RPTR, 0);
    g_assert_true(wptr(rig) & HGPU_IH_RB_WPTR__RB_OVERFLOW);
    rig_free(rig);
}

/* What was not written has overwritten nothing: there is nothing to say. */
static void overflow_that_cannot_be_written_is_a_drop(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, SMALL | OVERFLOW);
    for (uint32_t i = 0; i < 7; i++) {
        post(rig, i);
    }
    rig->fail_from = RIG_IH_RING + 7 * 32;
    rig->fail_to = RIG_IH_RING + 8 * 32;
    post(rig, 7);
    g_assert_cmphex(wptr(rig), ==, 7 * 32);
    g_assert_cmphex(rig_ram32(rig, RIG_IH_WPTR), ==, 7 * 32);
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 1);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_IH_OVERFLOW], ==, 0);
    rig->fail_to = 0;
    post(rig, 8);
    g_assert_cmphex(wptr(rig), ==, HGPU_IH_RB_WPTR__RB_OVERFLOW);
    g_assert_cmphex(rig_ram32(rig, RIG_IH_WPTR), ==,
                    HGPU_IH_RB_WPTR__RB_OVERFLOW);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_IH_OVERFLOW], ==, 1);
    rig_free(rig);
}

static void ring_in_gpu_space_goes_through_gart(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, (RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__MC_SPACE) |
                 FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, HGPU_IH_MC_SPACE_GPU));
    post(rig, 99);
    g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, 99);
    g_assert_cmpuint(rig_ram32(rig, RIG_IH_WPTR), ==, 32);
    rig_free(rig);
}

static void unreachable_ring_counts_drops(void)
{
    Rig *rig = rig_new();

    rig->fail_from = RIG_IH_RING;
    rig->fail_to = RIG_IH_RING + 32;
    post(rig, 0);
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 1);
    g_assert_cmpuint(wptr(rig), ==, 0);
    g_assert_cmpuint(rig->irqs, ==, 0);
    rig->fail_to = 0;
    /* the same for a GPU address that is not mapped; no fault about it */
    rig_setup_ih(rig, (RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__MC_SPACE) |
                 FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, HGPU_IH_MC_SPACE_GPU));
    rig_vram_set64(rig, RIG_GART_TABLE + (RIG_IH_RING >> 12) * 8, 0);
    rig_flush(rig, 1);
    post(rig, 0);
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 2);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
    rig_free(rig);
}

static void enable_clears_the_pointers(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, SMALL | OVERFLOW);
    for (uint32_t i = 0; i < 9; i++) {
        post(rig, i);
    }
    rig_wr(rig, HGPU_IH_RB_RPTR, 64);
    rig_setup_ih(rig, SMALL);
    g_assert_cmphex(wptr(rig), ==, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_IH_RB_RPTR), ==, 0);
    post(rig, 0);
    g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, 0);
    rig_free(rig);
}

static void bad_setup_refused(void)
{
    static const uint32_t log2[] = { 0, 5, 17, 31 };
    static const uint32_t space[] = { 0, 2, 3, 5, 6, 7 };
    Rig *rig = rig_new_bare();

    for (uint32_t i = 0; i < G_N_ELEMENTS(log2); i++) {
        rig_wr_refused(rig, HGPU_IH_RB_CNTL,
                       (RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__RB_SIZE) |
                       FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE, log2[i]));
    }
    for (uint32_t i = 0; i < G_N_ELEMENTS(space); i++) {
        rig_wr_refused(rig, HGPU_IH_RB_CNTL,
                       (RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__MC_SPACE) |
                       FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, space[i]));
    }
    g_assert_cmphex(rig_rd(rig, HGPU_IH_RB_CNTL), ==, 0);
    rig_free(rig);
}

static void enabled_ring_locks_its_registers(void)
{
    Rig *rig = rig_new();

    rig_wr_refused(rig, HGPU_IH_RB_BASE, 0x100);
    rig_wr_refused(rig, HGPU_IH_RB_BASE_HI, 1);
    rig_wr_refused(rig, HGPU_IH_RB_CNTL, SMALL);
    rig_wr_refused(rig, HGPU_IH_RB_CNTL, RIG_IH_CNTL ^
                   FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE,
                              HGPU_IH_MC_SPACE_BUS ^ HGPU_IH_MC_SPACE_GPU));
    g_assert_cmphex(rig_rd(rig, HGPU_IH_RB_CNTL), ==, RIG_IH_CNTL);
    rig_free(rig);
}

static void bad_rptr_refused(void)
{
    Rig *rig = rig_new();

    rig_setup_ih(rig, SMALL);
    rig_wr(rig, HGPU_IH_RB_RPTR, 224);
    rig_wr_refused(rig, HGPU_IH_RB_RPTR, 16);
    rig_wr_refused(rig, HGPU_IH_RB_RPTR, 256);
    rig_wr_refused(rig, HGPU_IH_RB_RPTR, 0xffffffe0);
    g_assert_cmphex(rig_rd(rig, HGPU_IH_RB_RPTR), ==, 224);
    rig_free(rig);
}

static void largest_ring_holds_all_but_one(void)
{
    Rig *rig = rig_new();
    uint32_t entries = (4u << HGPU_IH_RB_SIZE_LOG2_MAX) / 32;

    rig_setup_ih(rig, (RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__RB_SIZE) |
                 FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE,
                            HGPU_IH_RB_SIZE_LOG2_MAX));
    for (uint32_t i = 0; i < entries; i++) {
        post(rig, i);
    }
    g_assert_cmpuint(rig_rd(rig, HGPU_IH_RB_DROPPED), ==, 1);
    g_assert_cmphex(wptr(rig), ==, 0x3ffe0);
    for (uint32_t i = 0; i < entries - 1; i++) {
        g_assert_cmpuint(rig_expect(rig, 8, 224).data[0], ==, i);
    }
    rig_expect_none(rig);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/ih/" #name, name)
    TEST(entry_has_every_field);
    TEST(pasid_is_the_one_of_the_moment);
    TEST(entry_comes_before_wptr_before_interrupt);
    TEST(write_back_only_if_enabled);
    TEST(interrupt_once_until_rptr_is_written);
    TEST(rptr_short_of_wptr_raises_again);
    TEST(masked_interrupt_stays_silent);
    TEST(disabled_ring_counts_drops);
    TEST(drop_counter_saturates);
    TEST(wptr_wraps);
    TEST(full_ring_drops_the_new_entry);
    TEST(overflow_overwrites_and_says_so);
    TEST(overflow_flag_stays_until_cleared);
    TEST(overflow_that_cannot_be_written_is_a_drop);
    TEST(ring_in_gpu_space_goes_through_gart);
    TEST(unreachable_ring_counts_drops);
    TEST(enable_clears_the_pointers);
    TEST(bad_setup_refused);
    TEST(enabled_ring_locks_its_registers);
    TEST(bad_rptr_refused);
    TEST(largest_ring_holds_all_but_one);
    return g_test_run();
}
