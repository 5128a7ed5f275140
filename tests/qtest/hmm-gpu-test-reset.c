/*
 * hmm-gpu qtest: cold reset and function level reset (SPEC 2)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "hmm-gpu-test.h"

#define Q35_PCIEXBAR        0x60
#define ECAM_BASE           0xb0000000u
#define ECAM_ENABLE         BIT(0)

typedef void (*ResetFn)(TestGpu *g);

static void cold_reset(TestGpu *g)
{
    qtest_system_reset(g->qts);
    gpu_reenable(g);
}

static const struct {
    uint32_t reg;
    uint32_t val;
} reset_values[] = {
    { HGPU_ID, HGPU_ID_VALUE },
    { HGPU_VERSION, HGPU_VERSION_VALUE },
    { HGPU_SCRATCH, 0 },
    { HGPU_MC_VM_FB_LOCATION_BASE, HGPU_MC_VM_FB_LOCATION_BASE_RESET },
    { HGPU_MC_VM_FB_LOCATION_TOP, HGPU_MC_VM_FB_LOCATION_BASE_RESET + 3 },
    { HGPU_VM_L2_PROTECTION_FAULT_STATUS, 0 },
    { HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32, 0 },
    { HGPU_RETRY_INTERVAL, HGPU_RETRY_INTERVAL_RESET },
    { HGPU_VM_INVALIDATE_ENG_ACK(17), 0 },
    { HGPU_VM_CONTEXT_CNTL(0), 0 },
    { HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0), 0 },
    { HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0), 0 },
    { HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0), 0 },
    { HGPU_VM_CONTEXT_CNTL(5), 0 },
    { HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(5), 0 },
    { HGPU_IH_VMID_LUT(5), 0 },
    { HGPU_IH_RB_CNTL, 0 },
    { HGPU_IH_RB_BASE, 0 },
    { HGPU_IH_RB_RPTR, 0 },
    { HGPU_IH_RB_WPTR, 0 },
    { HGPU_IH_RB_WPTR_ADDR_LO, 0 },
    { HGPU_IH_RB_DROPPED, 0 },
    { HGPU_SDMA_BASE(0) + HGPU_SDMA_CNTL, HGPU_SDMA_CNTL__TRAP_ENABLE },
    { HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL, 0 },
    { HGPU_SDMA_BASE(1) + HGPU_SDMA_STATUS_REG,
      HGPU_SDMA_STATUS_REG__IDLE },
};

static const struct {
    uint32_t reg;
    uint32_t val;
} ctx_reset_values[] = {
    { HGPU_SDMA_RB_CNTL, 0 },
    { HGPU_SDMA_RB_BASE, 0 },
    { HGPU_SDMA_RB_BASE_HI, 0 },
    { HGPU_SDMA_RB_RPTR, 0 },
    { HGPU_SDMA_RB_RPTR_HI, 0 },
    { HGPU_SDMA_RB_WPTR, 0 },
    { HGPU_SDMA_RB_WPTR_HI, 0 },
    { HGPU_SDMA_RB_RPTR_ADDR_LO, 0 },
    { HGPU_SDMA_RB_RPTR_ADDR_HI, 0 },
    { HGPU_SDMA_IB_CNTL, HGPU_SDMA_IB_CNTL__IB_ENABLE },
    { HGPU_SDMA_IB_OFFSET, 0 },
    { HGPU_SDMA_IB_SIZE, 0 },
    { HGPU_SDMA_DOORBELL, 0 },
    { HGPU_SDMA_DOORBELL_OFFSET, 0 },
    { HGPU_SDMA_MQD_BASE_LO, 0 },
    { HGPU_SDMA_MQD_BASE_HI, 0 },
    { HGPU_SDMA_FAULT_ADDR_LO, 0 },
    { HGPU_SDMA_FAULT_ADDR_HI, 0 },
};

static void assert_reg(TestGpu *g, uint32_t reg, uint32_t want)
{
    uint32_t have = gpu_read(g, reg);

    if (have != want) {
        g_test_message("register 0x%04x", reg);
        g_assert_cmphex(have, ==, want);
    }
}

static void assert_reset(TestGpu *g)
{
    uint32_t e, c;
    int i;

    for (i = 0; i < ARRAY_SIZE(reset_values); i++) {
        assert_reg(g, reset_values[i].reg, reset_values[i].val);
    }
    for (e = 0; e < 2; e++) {
        for (c = 0; c < HGPU_SDMA_CTXS; c++) {
            uint32_t base = HGPU_SDMA_CTX_BASE(e, c);

            for (i = 0; i < ARRAY_SIZE(ctx_reset_values); i++) {
                assert_reg(g, base + ctx_reset_values[i].reg,
                           ctx_reset_values[i].val);
            }
            g_assert_cmphex(gpu_read(g, base + HGPU_SDMA_CONTEXT_STATUS) &
                            ~HGPU_SDMA_CONTEXT_STATUS__IDLE, ==, 0);
        }
    }
}

static void fresh_device_has_reset_values(void)
{
    TestGpu g;

    gpu_open(&g, "-device " GPU_ARGS);
    assert_reset(&g);
    gpu_close(&g);
}

/* A GPU with every kind of trouble: busy, parked, halted, interrupting */
static void make_busy(TestGpu *g)
{
    TestVm vm;
    TestRing busy, parked, halted;
    TestPkts p = { };
    int i;

    vm_init(&vm, g, 5, 55);
    ring_open(&busy, g, 0, HGPU_SDMA_CTX_PAGE);
    ring_open(&halted, g, 1, HGPU_SDMA_CTX_GFX);
    queue_open(&parked, &vm, 1, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);

    pkt_fill(&p, 0x123456789000ull, 1, 4096);
    ring_submit(&parked, &p);
    ring_wait_status(&parked, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    p.n = 0;
    pkt_dw(&p, 0x66);
    ring_submit(&halted, &p);
    ring_wait_exception(&halted, HGPU_SDMA_EXCEPTION_ILLEGAL);
    p.n = 0;
    for (i = 0; i < 32; i++) {
        pkt_fill(&p, gpu_vram_va(VRAM_DATA), i, 4 * MiB);
    }
    pkt_fence(&p, gpu_bind_ram(g, RAM_FENCE, 4), 0xdead);
    ring_submit(&busy, &p);
    gpu_write(g, HGPU_SCRATCH, 1);
    g_assert_cmphex(ring_rptr(&busy), !=, busy.wptr);
}

/* After a reset nothing moves, nothing is raised, nothing is written. */
static void assert_silent(TestGpu *g)
{
    int i;

    g_assert_cmphex(qtest_readl(g->qts, RAM_FENCE), ==, 0);
    gpu_msix_taken(g, HGPU_MSIX_VECTOR_IH);
    gpu_ih_drain(g);
    for (i = 0; i < 50; i++) {
        qtest_clock_step(g->qts, 20 * SCALE_MS);
    }
    g_assert_cmphex(qtest_readl(g->qts, RAM_FENCE), ==, 0);
    g_assert_true(gpu_ih_empty(g));
    g_assert_false(gpu_msix_taken(g, HGPU_MSIX_VECTOR_IH));
}

static void reset_while_busy(ResetFn reset)
{
    TestGpu g;

    gpu_start(&g);
    make_busy(&g);
    reset(&g);
    assert_reset(&g);
    assert_silent(&g);
    gpu_check_works(&g);
    gpu_close(&g);
}

static void cold_reset_while_busy(void)
{
    reset_while_busy(cold_reset);
}

static void flr_while_busy(void)
{
    reset_while_busy(gpu_flr);
}

static void reset_clears_msix(ResetFn reset)
{
    TestGpu g;
    uint8_t cap;

    gpu_start(&g);
    cap = qpci_find_capability(g.dev, PCI_CAP_ID_MSIX, 0);
    g.dev->msix_enabled = false;        /* gpu_reenable() leaves it alone */
    reset(&g);
    g_assert_cmphex(qpci_config_readw(g.dev, cap + PCI_MSIX_FLAGS) &
                    PCI_MSIX_FLAGS_ENABLE, ==, 0);
    gpu_close(&g);
}

static void cold_reset_clears_msix(void)
{
    reset_clears_msix(cold_reset);
}

static void flr_clears_msix(void)
{
    reset_clears_msix(gpu_flr);
}

static void flr_keeps_vram(void)
{
    uint8_t data[4096];
    TestGpu g;

    gpu_start(&g);
    test_pattern(data, sizeof(data), 20);
    gpu_vram_write(&g, VRAM_DATA, data, sizeof(data));
    gpu_flr(&g);
    gpu_assert_vram(&g, VRAM_DATA, data, sizeof(data));
    gpu_close(&g);
}

/* Undefined by contract; ours gives the memory back to the host. */
static void cold_reset_discards_vram(void)
{
    uint8_t data[4096], zeroes[4096] = { };
    TestGpu g;

    gpu_start(&g);
    test_pattern(data, sizeof(data), 21);
    gpu_vram_write(&g, VRAM_DATA, data, sizeof(data));
    cold_reset(&g);
    gpu_assert_vram(&g, VRAM_DATA, zeroes, sizeof(zeroes));
    gpu_close(&g);
}

static void engine_reset_spares_the_other(void)
{
    TestGpu g;
    TestRing a, b;
    TestPkts p = { };

    gpu_start(&g);
    ring_open(&a, &g, 0, HGPU_SDMA_CTX_GFX);
    ring_open(&b, &g, 1, HGPU_SDMA_CTX_GFX);
    pkt_dw(&p, 0x66);
    ring_submit(&a, &p);
    ring_wait_exception(&a, HGPU_SDMA_EXCEPTION_ILLEGAL);
    gpu_write(&g, HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL,
              HGPU_SDMA_F32_CNTL__RESET);
    g_assert_cmphex(ring_exception(&a), ==, HGPU_SDMA_EXCEPTION_NONE);
    g_assert_cmphex(ring_status(&a) & HGPU_SDMA_CONTEXT_STATUS__SELECTED, ==,
                    0);
    p.n = 0;
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 3);
    ring_submit(&b, &p);
    ring_wait_idle(&b);
    ring_open(&a, &g, 0, HGPU_SDMA_CTX_GFX);
    p.n = 0;
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 4);
    ring_submit(&a, &p);
    ring_wait_idle(&a);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 4);
    gpu_close(&g);
}

/*
 * The device writes the FLR bit of its own configuration space by DMA: the
 * reset comes in the middle of the packet that causes it.
 */
static void flr_by_own_dma(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint32_t devctl;
    uint64_t ecam;
    uint8_t cap;
    QPCIDevice *host;

    gpu_start(&g);
    host = qpci_device_find(g.bus, QPCI_DEVFN(0, 0));
    qpci_config_writel(host, Q35_PCIEXBAR + 4, 0);
    qpci_config_writel(host, Q35_PCIEXBAR, ECAM_BASE | ECAM_ENABLE);
    ecam = ECAM_BASE + (g.dev->devfn << 12);
    g_assert_cmphex(qtest_readl(g.qts, ecam), ==,
                    HGPU_PCI_DEVICE_ID << 16 | HGPU_PCI_VENDOR_ID);

    cap = qpci_find_capability(g.dev, PCI_CAP_ID_EXP, 0);
    devctl = qpci_config_readl(g.dev, cap + PCI_EXP_DEVCTL) |
             PCI_EXP_DEVCTL_BCR_FLR;
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    qtest_writel(g.qts, RAM_FENCE, 0);
    pkt_write(&p, gpu_bind_pte(&g, ecam | PTE_RAM) + cap + PCI_EXP_DEVCTL,
              &devctl, 1);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0xdead);
    ring_submit(&r, &p);
    GPU_WAIT(&g, !(qpci_config_readw(g.dev, PCI_COMMAND) &
                   PCI_COMMAND_MASTER));
    gpu_reenable(&g);
    assert_reset(&g);
    assert_silent(&g);
    gpu_check_works(&g);
    g_free(host);
    gpu_close(&g);
}

void hmm_gpu_add_reset_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/reset/" #name, name)
    ADD(fresh_device_has_reset_values);
    ADD(cold_reset_while_busy);
    ADD(flr_while_busy);
    ADD(cold_reset_clears_msix);
    ADD(flr_clears_msix);
    ADD(flr_keeps_vram);
    ADD(cold_reset_discards_vram);
    ADD(engine_reset_spares_the_other);
    ADD(flr_by_own_dma);
#undef ADD
}
