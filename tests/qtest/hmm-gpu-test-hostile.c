/*
 * hmm-gpu qtest: a guest that means harm, or whose driver has lost its way
 *
 * Nothing it writes may end QEMU, hang it, or make the device unusable after a
 * reset. The random runs repeat with --seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-test.h"

static uint32_t any32(void)
{
    static const uint32_t likely[] = {
        0, 1, 0xffffffff, 0x80000000, 0x7fffffff, 0xfff, 0x1000,
    };

    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        return likely[g_test_rand_int_range(0, ARRAY_SIZE(likely))];
    case 1:
        return 1u << g_test_rand_int_range(0, 32);
    default:
        return g_test_rand_int();
    }
}

static uint64_t any64(void)
{
    return (uint64_t)any32() << 32 | any32();
}

static void settle(TestGpu *g)
{
    int i;

    for (i = 0; i < 20; i++) {
        qtest_clock_step(g->qts, 1 * SCALE_MS);
    }
}

static void survive(TestGpu *g)
{
    settle(g);
    g_assert_cmphex(gpu_read(g, HGPU_ID), ==, HGPU_ID_VALUE);
    gpu_flr(g);
    gpu_check_works(g);
}

/* ---- Refused, one by one (SPEC 3, 5, 6.1, 7.2) ---- */

static void assert_refused(TestGpu *g, uint32_t reg, uint32_t val)
{
    uint32_t before = gpu_read(g, reg);

    gpu_write(g, reg, val);
    if (gpu_read(g, reg) != before) {
        g_test_message("register 0x%04x took 0x%08x", reg, val);
        g_assert_cmphex(gpu_read(g, reg), ==, before);
    }
}

static void read_only_registers_refuse_writes(void)
{
    static const uint32_t regs[] = {
        HGPU_ID, HGPU_VERSION, HGPU_CAPS, HGPU_VRAM_SIZE_LO,
        HGPU_VRAM_SIZE_HI, HGPU_MC_VM_FB_LOCATION_BASE,
        HGPU_MC_VM_FB_LOCATION_TOP, HGPU_VM_L2_PROTECTION_FAULT_STATUS,
        HGPU_VM_INVALIDATE_ENG_ACK(0), HGPU_IH_RB_WPTR, HGPU_IH_RB_DROPPED,
        HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_CONTEXT_STATUS,
        HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_IB_OFFSET,
        HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_FAULT_ADDR_LO,
        HGPU_SDMA_BASE(0) + HGPU_SDMA_STATUS_REG,
    };
    TestGpu g;
    int i;

    gpu_open(&g, "-device " GPU_ARGS);
    for (i = 0; i < ARRAY_SIZE(regs); i++) {
        assert_refused(&g, regs[i], 0);
        assert_refused(&g, regs[i], 0xffffffff);
    }
    gpu_close(&g);
}

static void values_out_of_range_refused(void)
{
    TestGpu g;
    uint32_t ring = HGPU_SDMA_CTX_BASE(0, 0);
    uint32_t hqd = HGPU_SDMA_CTX_BASE(0, HGPU_SDMA_CTX_RLC0);

    gpu_open(&g, "-device " GPU_ARGS);
    assert_refused(&g, HGPU_RETRY_INTERVAL, HGPU_RETRY_INTERVAL_MIN - 1);
    assert_refused(&g, HGPU_RETRY_INTERVAL, HGPU_RETRY_INTERVAL_MAX + 1);
    /* Too small a ring, too large a ring */
    assert_refused(&g, ring + HGPU_SDMA_RB_CNTL,
                   HGPU_SDMA_RB_CNTL__RB_ENABLE |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE,
                              HGPU_SDMA_RB_SIZE_LOG2_MIN - 1));
    assert_refused(&g, ring + HGPU_SDMA_RB_CNTL,
                   HGPU_SDMA_RB_CNTL__RB_ENABLE |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE,
                              HGPU_SDMA_RB_SIZE_LOG2_MAX + 1));
    /* A user queue in the kernel's address space */
    assert_refused(&g, hqd + HGPU_SDMA_RB_CNTL,
                   HGPU_SDMA_RB_CNTL__RB_ENABLE |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, RING_LOG2));
    assert_refused(&g, HGPU_IH_RB_CNTL,
                   HGPU_IH_RB_CNTL__RB_ENABLE |
                   FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE, 20) |
                   FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE,
                              HGPU_IH_MC_SPACE_BUS));
    gpu_close(&g);
}

static void running_ring_refuses_changes(void)
{
    TestGpu g;
    TestRing r;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    assert_refused(&g, ring_reg(&r, HGPU_SDMA_RB_BASE), 0x123);
    assert_refused(&g, ring_reg(&r, HGPU_SDMA_RB_RPTR), 0x40);
    assert_refused(&g, ring_reg(&r, HGPU_SDMA_RB_RPTR_ADDR_LO), 0x40);
    assert_refused(&g, ring_reg(&r, HGPU_SDMA_RB_CNTL),
                   HGPU_SDMA_RB_CNTL__RB_ENABLE |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, RING_LOG2 + 1));
    assert_refused(&g, HGPU_IH_RB_BASE, 0x777);
    assert_refused(&g, HGPU_IH_RB_RPTR, 0x10);
    assert_refused(&g, HGPU_IH_RB_RPTR, IH_RING_BYTES);
    gpu_close(&g);
}

/* ---- Random, by the thousand ---- */

static void random_registers_survived(void)
{
    TestGpu g;
    int i;

    gpu_start(&g);
    for (i = 0; i < 20000; i++) {
        uint32_t reg = g_test_rand_int_range(0, HGPU_BAR_REGS_SIZE / 4) * 4;

        /* More often where there are registers */
        if (g_test_rand_bit()) {
            reg = HGPU_SDMA_CTX_BASE(g_test_rand_int_range(0, 2),
                                     g_test_rand_int_range(0, 10)) +
                  g_test_rand_int_range(0, 0x58 / 4) * 4;
        }
        if (g_test_rand_int_range(0, 4)) {
            gpu_write(&g, reg, any32());
        } else {
            gpu_read(&g, reg);
        }
        if (i % 500 == 0) {
            gpu_step(&g);
        }
    }
    survive(&g);
    gpu_close(&g);
}

static void random_doorbells_survived(void)
{
    TestGpu g;
    TestRing r;
    int i;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    for (i = 0; i < 3000; i++) {
        uint32_t off = g_test_rand_bit() ? r.doorbell :
                       any32() % (HGPU_BAR_DOORBELL_SIZE - 8);

        switch (g_test_rand_int_range(0, 4)) {
        case 0:
            qpci_io_writeb(g.dev, g.doorbells, off, any32());
            break;
        case 1:
            qpci_io_writel(g.dev, g.doorbells, off, any32());
            break;
        default:
            gpu_doorbell(&g, off & ~7u, any64());
        }
    }
    survive(&g);
    gpu_close(&g);
}

static uint32_t any_packet_header(void)
{
    return (any32() & ~HGPU_SDMA_PKT_HEADER__OP) |
           g_test_rand_int_range(0, 16);
}

/* Addresses that often mean something, so that packets get far */
static uint64_t any_address(TestGpu *g)
{
    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        return FB_VA + any32() % GPU_VRAM_SIZE;
    case 1:
        return GART_VA + any32() % (16 * HGPU_PAGE_SIZE);
    case 2:
        return any64() & ((1ull << HGPU_VA_BITS) - 1);
    default:
        return any64();
    }
}

static void fill_ring_with_anything(TestGpu *g, TestRing *r)
{
    TestPkts p = { };

    while (p.n < 64) {
        uint64_t addr;

        pkt_dw(&p, any_packet_header());
        pkt_dw(&p, any32());
        addr = any_address(g);
        pkt_dw(&p, addr);
        pkt_dw(&p, addr >> 32);
        pkt_dw(&p, any32());
    }
    ring_submit(r, &p);
}

static void random_kernel_ring_survived(void)
{
    TestGpu g;
    int round;

    gpu_start(&g);
    for (round = 0; round < 60; round++) {
        TestRing r;

        ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
        fill_ring_with_anything(&g, &r);
        settle(&g);
        gpu_write(&g, ring_reg(&r, HGPU_SDMA_RB_CNTL), 0);
        g.gart_next = 0;
        gpu_flush_tlb(&g, 0);
    }
    survive(&g);
    gpu_close(&g);
}

static void random_user_queue_survived(void)
{
    TestGpu g;
    TestVm vm;
    TestRing r;
    int round;

    gpu_start(&g);
    vm_init(&vm, &g, 7, 77);
    for (round = 0; round < 60; round++) {
        queue_open(&r, &vm, 1, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);
        fill_ring_with_anything(&g, &r);
        settle(&g);
        queue_cmd(&r, 0, round % 2 ? HGPU_SDMA_HQD_CMD_UNMAP
                                   : HGPU_SDMA_HQD_CMD_RESET);
        queue_cmd(&r, 0, HGPU_SDMA_HQD_CMD_MAP);
        queue_cmd(&r, 0, HGPU_SDMA_HQD_CMD_RESET);
    }
    survive(&g);
    gpu_close(&g);
}

static void random_mqd_survived(void)
{
    TestGpu g;
    TestVm vm;
    TestRing r;
    struct hgpu_sdma_mqd good;
    int round;

    gpu_start(&g);
    vm_init(&vm, &g, 7, 77);
    queue_open(&r, &vm, 0, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);
    queue_build_mqd(&r, &vm, 0x10000000, &good);
    queue_cmd(&r, 0, HGPU_SDMA_HQD_CMD_RESET);
    for (round = 0; round < 400; round++) {
        struct hgpu_sdma_mqd mqd = good;
        uint32_t *dw = (uint32_t *)&mqd;
        int spoil = g_test_rand_int_range(1, round % 8 ? 4 : 128);

        while (spoil--) {
            dw[g_test_rand_int_range(0, 46)] = any32();
        }
        gpu_vram_write(&g, queue_mqd_off(0), &mqd, sizeof(mqd));
        queue_cmd(&r, 0, HGPU_SDMA_HQD_CMD_MAP);
        gpu_step(&g);
        /* A refused one leaves the context disabled. */
        if (ring_exception(&r) == HGPU_SDMA_EXCEPTION_MQD) {
            g_assert_cmphex(ring_status(&r) &
                            HGPU_SDMA_CONTEXT_STATUS__SELECTED, ==, 0);
        }
        queue_cmd(&r, 0, round % 2 ? HGPU_SDMA_HQD_CMD_UNMAP
                                   : HGPU_SDMA_HQD_CMD_RESET);
        queue_cmd(&r, 0, HGPU_SDMA_HQD_CMD_RESET);
    }
    survive(&g);
    gpu_close(&g);
}

/* Page tables full of anything, also pointing at each other and at MMIO */
static void random_page_tables_survived(void)
{
    uint64_t table[HGPU_VM_ENTRIES];
    TestGpu g;
    TestVm vm;
    TestRing r;
    int round, i;

    gpu_start(&g);
    vm_init(&vm, &g, 7, 77);
    for (round = 0; round < 40; round++) {
        TestPkts p = { };

        queue_open(&r, &vm, 1, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);
        for (i = 0; i < HGPU_VM_ENTRIES; i++) {
            uint64_t entry = any64();

            if (i % 4) {        /* to a table, of whatever level */
                entry = (entry & ~HGPU_PDE_ADDR) | HGPU_PTE_VALID |
                        (VRAM_TABLES + (any32() % 16) * 4096);
            }
            table[i] = cpu_to_le64(entry);
        }
        gpu_vram_write(&g, VRAM_TABLES + 15 * 4096, table, sizeof(table));
        gpu_vram_write(&g, vm.root + 8, table, sizeof(table) - 8);
        gpu_flush_tlb(&g, 7);
        for (i = 0; i < 8; i++) {
            pkt_fill(&p, any64() & ((1ull << HGPU_VA_BITS) - 1), any32(),
                     any32() % 65536 + 1);
        }
        ring_submit(&r, &p);
        settle(&g);
        queue_cmd(&r, 0, HGPU_SDMA_HQD_CMD_RESET);
    }
    survive(&g);
    gpu_close(&g);
}

static void ih_ring_nowhere_survived(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    gpu_start(&g);
    gpu_write(&g, HGPU_IH_RB_CNTL, 0);
    gpu_write(&g, HGPU_IH_RB_BASE, 0);
    gpu_write(&g, HGPU_IH_RB_BASE_HI, HGPU_IH_RB_BASE_HI__ADDR);
    gpu_write(&g, HGPU_IH_RB_CNTL,
              HGPU_IH_RB_CNTL__RB_ENABLE |
              FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE, IH_RING_LOG2) |
              FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, HGPU_IH_MC_SPACE_BUS) |
              HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE |
              HGPU_IH_RB_CNTL__ENABLE_INTR);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    for (i = 0; i < 300; i++) {
        pkt_trap(&p, i);
    }
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    g_assert_cmpuint(gpu_read(&g, HGPU_IH_RB_DROPPED), ==, 300);
    survive(&g);
    gpu_close(&g);
}

/* Polls for ever in every context of the device, at the shortest interval */
static void endless_polls_leave_machine_usable(void)
{
    TestGpu g;
    TestRing r[2];
    TestPkts p = { };
    int i;

    gpu_start(&g);
    pkt_poll_reg(&p, HGPU_SCRATCH, 1, 1);
    for (i = 0; i < ARRAY_SIZE(r); i++) {
        ring_open(&r[i], &g, i, HGPU_SDMA_CTX_GFX);
        ring_submit(&r[i], &p);
    }
    ring_wait_status(&r[0], HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT);
    for (i = 0; i < 100; i++) {
        qtest_clock_step(g.qts, 1 * SCALE_MS);
    }
    g_assert_cmphex(ring_status(&r[1]) & HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT,
                    !=, 0);
    gpu_write(&g, HGPU_SCRATCH, 1);
    ring_wait_idle(&r[0]);
    ring_wait_idle(&r[1]);
    gpu_close(&g);
}

void hmm_gpu_add_hostile_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/hostile/" #name, name)
    ADD(read_only_registers_refuse_writes);
    ADD(values_out_of_range_refused);
    ADD(running_ring_refuses_changes);
    ADD(random_registers_survived);
    ADD(random_doorbells_survived);
    ADD(random_kernel_ring_survived);
    ADD(random_user_queue_survived);
    ADD(random_mqd_survived);
    ADD(random_page_tables_survived);
    ADD(ih_ring_nowhere_survived);
    ADD(endless_polls_leave_machine_usable);
#undef ADD
}
