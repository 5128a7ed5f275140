/*
 * hmm-gpu qtest: the PCI device (SPEC 2), register access (SPEC 3), MSI-X
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "hmm-gpu-test.h"

static uint64_t bar_size(TestGpu *g, int bar)
{
    int reg = PCI_BASE_ADDRESS_0 + bar * 4;
    uint32_t old = qpci_config_readl(g->dev, reg);
    uint64_t mask;

    qpci_config_writel(g->dev, reg, 0xffffffff);
    mask = qpci_config_readl(g->dev, reg);
    qpci_config_writel(g->dev, reg, old);
    if (mask & PCI_BASE_ADDRESS_MEM_TYPE_64) {
        uint32_t old_hi = qpci_config_readl(g->dev, reg + 4);

        qpci_config_writel(g->dev, reg + 4, 0xffffffff);
        mask |= (uint64_t)qpci_config_readl(g->dev, reg + 4) << 32;
        qpci_config_writel(g->dev, reg + 4, old_hi);
    } else {
        mask |= 0xffffffffull << 32;
    }
    return -(mask & ~0xfull);
}

static uint32_t bar_type(TestGpu *g, int bar)
{
    return qpci_config_readl(g->dev, PCI_BASE_ADDRESS_0 + bar * 4) & 0xf;
}

static void identity_as_specified(void)
{
    TestGpu g;

    gpu_open(&g, "-device " GPU_ARGS);
    g_assert_cmphex(qpci_config_readw(g.dev, PCI_VENDOR_ID), ==,
                    HGPU_PCI_VENDOR_ID);
    g_assert_cmphex(qpci_config_readw(g.dev, PCI_DEVICE_ID), ==,
                    HGPU_PCI_DEVICE_ID);
    g_assert_cmphex(qpci_config_readb(g.dev, PCI_REVISION_ID), ==,
                    HGPU_PCI_REVISION);
    g_assert_cmphex(qpci_config_readw(g.dev, PCI_CLASS_DEVICE), ==,
                    HGPU_PCI_CLASS);

    g_assert_cmphex(gpu_read(&g, HGPU_ID), ==, HGPU_ID_VALUE);
    g_assert_cmphex(gpu_read(&g, HGPU_VERSION), ==, HGPU_VERSION_VALUE);
    gpu_close(&g);
}

static void bars_as_specified(void)
{
    TestGpu g;

    gpu_open(&g, "-device " GPU_ARGS);
    g_assert_cmphex(bar_type(&g, HGPU_BAR_VRAM), ==,
                    PCI_BASE_ADDRESS_MEM_TYPE_64 |
                    PCI_BASE_ADDRESS_MEM_PREFETCH);
    g_assert_cmphex(bar_type(&g, HGPU_BAR_DOORBELL), ==,
                    PCI_BASE_ADDRESS_MEM_TYPE_64);
    g_assert_cmphex(bar_type(&g, HGPU_BAR_MSIX), ==, 0);
    g_assert_cmphex(bar_type(&g, HGPU_BAR_REGS), ==, 0);

    g_assert_cmphex(bar_size(&g, HGPU_BAR_VRAM), ==, GPU_VRAM_SIZE);
    g_assert_cmphex(bar_size(&g, HGPU_BAR_DOORBELL), ==,
                    HGPU_BAR_DOORBELL_SIZE);
    g_assert_cmphex(bar_size(&g, HGPU_BAR_MSIX), ==, HGPU_BAR_MSIX_SIZE);
    g_assert_cmphex(bar_size(&g, HGPU_BAR_REGS), ==, HGPU_BAR_REGS_SIZE);
    gpu_close(&g);
}

static void capabilities_as_specified(void)
{
    TestGpu g;
    uint8_t exp, msix;
    uint16_t flags;

    gpu_open(&g, "-device " GPU_ARGS);
    exp = qpci_find_capability(g.dev, PCI_CAP_ID_EXP, 0);
    g_assert_cmphex(exp, !=, 0);
    flags = qpci_config_readw(g.dev, exp + PCI_EXP_FLAGS);
    /* On the root bus an endpoint is an integrated one. */
    g_assert_cmphex((flags & PCI_EXP_FLAGS_TYPE) >> 4, ==,
                    PCI_EXP_TYPE_RC_END);
    g_assert_cmphex(qpci_config_readl(g.dev, exp + PCI_EXP_DEVCAP) &
                    PCI_EXP_DEVCAP_FLR, !=, 0);

    msix = qpci_find_capability(g.dev, PCI_CAP_ID_MSIX, 0);
    g_assert_cmphex(msix, !=, 0);
    g_assert_cmpuint(qpci_msix_table_size(g.dev), ==, HGPU_MSIX_VECTORS);
    g_assert_cmphex(qpci_config_readl(g.dev, msix + PCI_MSIX_TABLE) &
                    PCI_MSIX_FLAGS_BIRMASK, ==, HGPU_BAR_MSIX);
    gpu_close(&g);
}

static void sizes_follow_properties(void)
{
    TestGpu g;
    uint32_t caps;

    gpu_open(&g, "-device hmm-gpu,addr=4.0,vram-size=50M,sdma-engines=5");
    g_assert_cmphex(bar_size(&g, HGPU_BAR_VRAM), ==, 64 * MiB);
    g_assert_cmphex(gpu_read(&g, HGPU_VRAM_SIZE_LO), ==, 50 * MiB);
    g_assert_cmphex(gpu_read(&g, HGPU_VRAM_SIZE_HI), ==, 0);
    caps = gpu_read(&g, HGPU_CAPS);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__SDMA_ENGINES, caps), ==, 5);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__SDMA_RLC_QUEUES, caps), ==,
                     HGPU_SDMA_RLC_QUEUES);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__VM_INV_ENGINES, caps), ==,
                     HGPU_VM_INV_ENGINES);
    gpu_close(&g);
}

/* VM_CONTEXT_CNTL keeps the bit that asks for retries only where there are. */
static void xnack_follows_property(void)
{
    const uint32_t retry =
        HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT;
    static const char *const devices[] = {
        "-device hmm-gpu,addr=4.0,vram-size=16M,xnack=off",
        "-device hmm-gpu,addr=4.0,vram-size=16M,xnack=on",
        "-device hmm-gpu,addr=4.0,vram-size=16M",
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(devices); i++) {
        TestGpu g;

        gpu_open(&g, devices[i]);
        gpu_write(&g, HGPU_VM_CONTEXT_CNTL(3), retry);
        g_assert_cmphex(gpu_read(&g, HGPU_VM_CONTEXT_CNTL(3)), ==,
                        i ? retry : 0);
        g_assert_cmpint(!!(gpu_read(&g, HGPU_CAPS) & HGPU_CAPS__XNACK), ==,
                        i > 0);
        gpu_close(&g);
    }
}

static void vram_default_is_512m(void)
{
    TestGpu g;

    gpu_open(&g, "-device hmm-gpu,addr=4.0,vram-bar-size=16M");
    g_assert_cmphex(gpu_read(&g, HGPU_VRAM_SIZE_LO), ==, 512 * MiB);
    g_assert_cmpuint(FIELD_GET(HGPU_CAPS__SDMA_ENGINES,
                               gpu_read(&g, HGPU_CAPS)), ==, 2);
    gpu_close(&g);
}

/* Costs nothing as long as nobody touches it. */
static void vram_may_be_64g(void)
{
    TestGpu g;

    gpu_open(&g, "-device hmm-gpu,addr=4.0,vram-size=64G,vram-bar-size=16M");
    g_assert_cmphex(gpu_read(&g, HGPU_VRAM_SIZE_LO), ==, 0);
    g_assert_cmphex(gpu_read(&g, HGPU_VRAM_SIZE_HI), ==, 16);
    gpu_check_works(&g);
    gpu_close(&g);
}

static void bar0_beyond_vram_reads_zero(void)
{
    static const uint8_t zeroes[64];
    TestGpu g;

    gpu_open(&g, "-device hmm-gpu,addr=4.0,vram-size=18M");
    g_assert_cmphex(g.vram_bar_size, ==, 32 * MiB);
    qpci_io_writel(g.dev, g.vram, 18 * MiB - 4, 0x11223344);
    qpci_io_writel(g.dev, g.vram, 18 * MiB, 0x55667788);
    qpci_io_writeq(g.dev, g.vram, 32 * MiB - 8, UINT64_MAX);
    g_assert_cmphex(qpci_io_readl(g.dev, g.vram, 18 * MiB - 4), ==,
                    0x11223344);
    gpu_assert_vram(&g, 18 * MiB, zeroes, sizeof(zeroes));
    gpu_assert_vram(&g, 32 * MiB - sizeof(zeroes), zeroes, sizeof(zeroes));
    gpu_close(&g);
}

/* The engine reaches all of VRAM, the BAR shows its start. */
static void bar0_smaller_than_vram_shows_start(void)
{
    uint8_t data[4096];
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    gpu_open(&g, "-device hmm-gpu,addr=4.0,vram-size=64M,vram-bar-size=16M");
    g_assert_cmphex(g.vram_bar_size, ==, 16 * MiB);
    gpu_setup(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    test_pattern(data, sizeof(data), 1);
    gpu_vram_write(&g, 16 * MiB - sizeof(data), data, sizeof(data));
    pkt_copy(&p, gpu_vram_va(16 * MiB - sizeof(data)), gpu_vram_va(60 * MiB),
             sizeof(data));
    pkt_copy(&p, gpu_vram_va(60 * MiB), gpu_vram_va(VRAM_DATA),
             sizeof(data));
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    gpu_assert_vram(&g, VRAM_DATA, data, sizeof(data));
    gpu_close(&g);
}

/* ---- Registers ---- */

static void scratch_keeps_value(void)
{
    TestGpu g;

    gpu_open(&g, "-device " GPU_ARGS);
    g_assert_cmphex(gpu_read(&g, HGPU_SCRATCH), ==, 0);
    gpu_write(&g, HGPU_SCRATCH, 0xcafef00d);
    g_assert_cmphex(gpu_read(&g, HGPU_SCRATCH), ==, 0xcafef00d);
    gpu_close(&g);
}

static void register_access_of_other_size_refused(void)
{
    TestGpu g;

    gpu_open(&g, "-device " GPU_ARGS);
    gpu_write(&g, HGPU_SCRATCH, 0xcafef00d);

    qpci_io_writeb(g.dev, g.regs, HGPU_SCRATCH, 0x11);
    qpci_io_writew(g.dev, g.regs, HGPU_SCRATCH, 0x1111);
    qpci_io_writew(g.dev, g.regs, HGPU_SCRATCH + 2, 0x1111);
    qpci_io_writeq(g.dev, g.regs, HGPU_SCRATCH - 4, UINT64_MAX);
    qpci_io_writel(g.dev, g.regs, HGPU_SCRATCH + 1, 0x11111111);
    qpci_io_writel(g.dev, g.regs, HGPU_SCRATCH - 2, 0x11111111);
    g_assert_cmphex(gpu_read(&g, HGPU_SCRATCH), ==, 0xcafef00d);

    g_assert_cmphex(qpci_io_readb(g.dev, g.regs, HGPU_SCRATCH), ==, 0);
    g_assert_cmphex(qpci_io_readw(g.dev, g.regs, HGPU_SCRATCH), ==, 0);
    g_assert_cmphex(qpci_io_readq(g.dev, g.regs, HGPU_ID), ==, 0);
    g_assert_cmphex(qpci_io_readl(g.dev, g.regs, HGPU_ID + 2), ==, 0);
    gpu_close(&g);
}

static void offset_without_register_reads_zero(void)
{
    static const uint32_t offsets[] = {
        0x00f0, 0x0fff0 & ~3u, 0x7ffc, HGPU_SDMA_BASE(2), 0xfffc,
    };
    TestGpu g;
    int i;

    gpu_open(&g, "-device " GPU_ARGS);
    for (i = 0; i < ARRAY_SIZE(offsets); i++) {
        gpu_write(&g, offsets[i], 0xffffffff);
        g_assert_cmphex(gpu_read(&g, offsets[i]), ==, 0);
    }
    gpu_close(&g);
}

static void clock_follows_virtual_time(void)
{
    TestGpu g;
    uint32_t lsb;

    gpu_open(&g, "-device " GPU_ARGS);
    lsb = gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB);
    g_assert_cmphex(gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB), ==, lsb);
    qtest_clock_step(g.qts, 1000000);
    g_assert_cmpuint(gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB) - lsb, ==,
                     HGPU_GPU_CLOCK_HZ / 1000);

    /* 2^32 ticks are 43 seconds: the high half counts, and is latched. */
    qtest_clock_step(g.qts, 43 * NANOSECONDS_PER_SECOND);
    g_assert_cmphex(gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_MSB), ==, 0);
    gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB);
    g_assert_cmphex(gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_MSB), ==, 1);
    gpu_close(&g);
}

/* ---- Doorbells ---- */

static void doorbell_of_other_size_refused(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 1);
    ring_put(&r, &p);
    qpci_io_writeb(g.dev, g.doorbells, r.doorbell, r.wptr);
    qpci_io_writew(g.dev, g.doorbells, r.doorbell, r.wptr);
    qpci_io_writel(g.dev, g.doorbells, r.doorbell, r.wptr);
    g_assert_cmphex(gpu_read(&g, ring_reg(&r, HGPU_SDMA_RB_WPTR)), ==, 0);
    g_assert_cmphex(qpci_io_readq(g.dev, g.doorbells, r.doorbell), ==, 0);

    ring_kick(&r);
    g_assert_cmphex(gpu_read(&g, ring_reg(&r, HGPU_SDMA_RB_WPTR)), ==,
                    r.wptr);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 1);
    gpu_close(&g);
}

static void doorbell_of_nobody_ignored(void)
{
    TestGpu g;

    gpu_start(&g);
    gpu_doorbell(&g, HGPU_BAR_DOORBELL_SIZE - 8, 64);
    g_assert_true(gpu_ih_empty(&g));
    gpu_check_works(&g);
    gpu_close(&g);
}

/* ---- MSI-X ---- */

static void trap_on(TestGpu *g, TestRing *r)
{
    TestPkts p = { };
    struct hgpu_ih_entry e;

    pkt_trap(&p, 0x123);
    ring_submit(r, &p);
    ring_wait_idle(r);
    gpu_ih_next(g, &e);
    g_assert_cmphex(e.dw[4], ==, 0x123);
}

static void msix_delivered(void)
{
    TestGpu g;
    TestRing r;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    trap_on(&g, &r);
    g_assert_true(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    g_assert_false(qpci_msix_pending(g.dev, HGPU_MSIX_VECTOR_IH));
    gpu_close(&g);
}

static void msix_masked_is_pending(void)
{
    TestGpu g;
    TestRing r;
    uint64_t ctrl;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    ctrl = g.dev->msix_table_off +
           HGPU_MSIX_VECTOR_IH * PCI_MSIX_ENTRY_SIZE +
           PCI_MSIX_ENTRY_VECTOR_CTRL;
    qpci_io_writel(g.dev, g.dev->msix_table_bar, ctrl,
                   PCI_MSIX_ENTRY_CTRL_MASKBIT);
    trap_on(&g, &r);
    g_assert_false(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    /* libqos looks for the PBA at the table's offset */
    g.dev->msix_pba_off = HGPU_BAR_MSIX_SIZE / 2;
    g_assert_true(qpci_msix_pending(g.dev, HGPU_MSIX_VECTOR_IH));

    qpci_io_writel(g.dev, g.dev->msix_table_bar, ctrl, 0);
    g_assert_true(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    g_assert_false(qpci_msix_pending(g.dev, HGPU_MSIX_VECTOR_IH));
    gpu_close(&g);
}

static void msix_disabled_is_silent(void)
{
    TestGpu g;
    TestRing r;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    qpci_msix_disable(g.dev);
    trap_on(&g, &r);
    g_assert_false(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    gpu_close(&g);
}

/* ---- Several ---- */

static void two_gpus_work_independently(void)
{
    TestGpu a, b;
    TestRing ra;
    TestPkts p = { };

    gpu_open(&a, "-device " GPU_ARGS
             " -device hmm-gpu,id=gpu1,addr=5.0,vram-size=32M");
    gpu_attach(&b, a.qts, a.bus, QPCI_DEVFN(5, 0));
    b.ram_base = 32 * MiB;
    gpu_setup(&a);
    ring_open(&ra, &a, 0, HGPU_SDMA_CTX_GFX);
    gpu_check_works(&b);

    /* One that is in trouble, and reset, is no trouble for the other. */
    pkt_dw(&p, 0xff);
    ring_submit(&ra, &p);
    ring_wait_exception(&ra, HGPU_SDMA_EXCEPTION_ILLEGAL);
    g_assert_true(gpu_ih_empty(&b));
    gpu_flr(&a);
    gpu_check_still_works(&b);
    gpu_check_works(&a);
    gpu_detach(&b);
    gpu_close(&a);
}

void hmm_gpu_add_pci_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/pci/" #name, name)
    ADD(identity_as_specified);
    ADD(bars_as_specified);
    ADD(capabilities_as_specified);
    ADD(sizes_follow_properties);
    ADD(xnack_follows_property);
    ADD(vram_default_is_512m);
    ADD(vram_may_be_64g);
    ADD(bar0_beyond_vram_reads_zero);
    ADD(bar0_smaller_than_vram_shows_start);
    ADD(scratch_keeps_value);
    ADD(register_access_of_other_size_refused);
    ADD(offset_without_register_reads_zero);
    ADD(clock_follows_virtual_time);
    ADD(doorbell_of_other_size_refused);
    ADD(doorbell_of_nobody_ignored);
    ADD(msix_delivered);
    ADD(msix_masked_is_pending);
    ADD(msix_disabled_is_silent);
    ADD(two_gpus_work_independently);
#undef ADD
}
