/*
 * hmm-gpu qtest: kernel rings and their packets (SPEC 7), bus errors (7.7)
 *
 * Every packet's semantics are the unit tests' affair; here the path is tested
 * from doorbell to memory, and what DMA means to the rest of the machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "hmm-gpu-test.h"

static void open_ring(TestGpu *g, TestRing *r)
{
    gpu_start(g);
    ring_open(r, g, 0, HGPU_SDMA_CTX_GFX);
}

static void run(TestRing *r, const TestPkts *p)
{
    ring_submit(r, p);
    ring_wait_idle(r);
}

/* ---- Copies ---- */

/* RAM pages far apart and out of order, contiguous through the GART */
static uint64_t bind_scattered(TestGpu *g, const uint32_t *page, int n)
{
    uint64_t va = 0;
    int i;

    for (i = 0; i < n; i++) {
        uint64_t at = gpu_bind_pte(g, page[i] | PTE_RAM);

        va = va ?: at;
    }
    return va;
}

static void copy_ram_to_vram_gathers_pages(void)
{
    static const uint32_t page[] = {
        RAM_DATA + 0x7000, RAM_DATA + 0x1000, RAM_DATA + 0x900000, RAM_DATA,
    };
    uint8_t data[sizeof(page) / 4 * 4096];
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    open_ring(&g, &r);
    test_pattern(data, sizeof(data), 2);
    for (i = 0; i < ARRAY_SIZE(page); i++) {
        gpu_ram_write(&g, page[i], data + i * 4096, 4096);
    }
    /* Neither end on a page boundary */
    pkt_copy(&p, bind_scattered(&g, page, ARRAY_SIZE(page)) + 5,
             gpu_vram_va(VRAM_DATA + 5), sizeof(data) - 12);
    run(&r, &p);
    gpu_assert_vram(&g, VRAM_DATA + 5, data + 5, sizeof(data) - 12);
    gpu_close(&g);
}

static void copy_vram_to_ram_scatters_pages(void)
{
    static const uint32_t page[] = {
        RAM_DATA + 0x3000, RAM_DATA + 0x800000, RAM_DATA + 0x1000,
    };
    uint8_t data[sizeof(page) / 4 * 4096];
    static const uint8_t zeroes[4096];
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    open_ring(&g, &r);
    test_pattern(data, sizeof(data), 3);
    gpu_vram_write(&g, VRAM_DATA, data, sizeof(data));
    qtest_memset(g.qts, RAM_DATA, 0, 0x8000);
    pkt_copy(&p, gpu_vram_va(VRAM_DATA),
             bind_scattered(&g, page, ARRAY_SIZE(page)), sizeof(data));
    run(&r, &p);
    for (i = 0; i < ARRAY_SIZE(page); i++) {
        gpu_assert_ram(&g, page[i], data + i * 4096, 4096);
    }
    gpu_assert_ram(&g, RAM_DATA + 0x2000, zeroes, 4096);
    gpu_assert_ram(&g, RAM_DATA + 0x4000, zeroes, 4096);
    gpu_close(&g);
}

static void copy_of_4m_takes_many_slices(void)
{
    const uint32_t len = HGPU_SDMA_COPY_MAX_BYTES;
    g_autofree uint8_t *data = g_malloc(len);
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    open_ring(&g, &r);
    test_pattern(data, len, 4);
    gpu_ram_write(&g, RAM_DATA, data, len);
    pkt_copy(&p, gpu_bind_ram(&g, RAM_DATA, len), gpu_vram_va(VRAM_DATA),
             len);
    run(&r, &p);
    gpu_assert_vram(&g, VRAM_DATA, data, len);
    gpu_close(&g);
}

static void copy_within_ram_leaves_vram_alone(void)
{
    uint8_t data[8192], marker[64];
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    open_ring(&g, &r);
    test_pattern(data, sizeof(data), 5);
    memset(marker, 0xee, sizeof(marker));
    gpu_vram_write(&g, VRAM_DATA, marker, sizeof(marker));
    gpu_ram_write(&g, RAM_DATA, data, sizeof(data));
    pkt_copy(&p, gpu_bind_ram(&g, RAM_DATA, sizeof(data)),
             gpu_bind_ram(&g, RAM_DATA + 0x10000, sizeof(data)),
             sizeof(data));
    run(&r, &p);
    gpu_assert_ram(&g, RAM_DATA + 0x10000, data, sizeof(data));
    gpu_assert_vram(&g, VRAM_DATA, marker, sizeof(marker));
    gpu_close(&g);
}

/* ---- Other packets ---- */

static void const_fill_writes_dwords(void)
{
    uint32_t want[1024];
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    open_ring(&g, &r);
    for (i = 0; i < ARRAY_SIZE(want); i++) {
        want[i] = cpu_to_le32(0xdeadbeef);
    }
    want[1023] = 0;
    qtest_memset(g.qts, RAM_DATA, 0, sizeof(want));
    pkt_fill(&p, gpu_bind_ram(&g, RAM_DATA, sizeof(want)), 0xdeadbeef,
             sizeof(want) - 4);
    run(&r, &p);
    gpu_assert_ram(&g, RAM_DATA, want, sizeof(want));
    gpu_close(&g);
}

static void write_linear_writes_data(void)
{
    static const uint32_t val[] = { 1, 0x22334455, 0xffffffff };
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    open_ring(&g, &r);
    pkt_write(&p, gpu_vram_va(VRAM_DATA + 4), val, ARRAY_SIZE(val));
    run(&r, &p);
    for (i = 0; i < ARRAY_SIZE(val); i++) {
        g_assert_cmphex(qpci_io_readl(g.dev, g.vram, VRAM_DATA + 4 + i * 4),
                        ==, val[i]);
    }
    gpu_close(&g);
}

static void fence_follows_data(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    open_ring(&g, &r);
    qtest_writel(g.qts, RAM_FENCE, 0);
    pkt_fill(&p, gpu_bind_ram(&g, RAM_DATA, 4 * MiB), 0x77777777, 4 * MiB);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0xabcd1234);
    ring_submit(&r, &p);
    GPU_WAIT(&g, qtest_readl(g.qts, RAM_FENCE));
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0xabcd1234);
    g_assert_cmphex(qtest_readl(g.qts, RAM_DATA + 4 * MiB - 4), ==,
                    0x77777777);
    ring_wait_idle(&r);
    gpu_close(&g);
}

static void trap_makes_ih_entry_and_interrupt(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    struct hgpu_ih_entry e;

    gpu_start(&g);
    ring_open(&r, &g, 1, HGPU_SDMA_CTX_PAGE);
    qtest_clock_step(g.qts, 12340);
    pkt_trap(&p, 0x7654321);
    ring_submit(&r, &p);
    gpu_ih_next(&g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__CLIENT_ID, e.dw[0]), ==,
                    HGPU_IH_CLIENTID_SDMA1);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_SDMA_TRAP);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__RING_ID, e.dw[0]), ==,
                     HGPU_SDMA_CTX_PAGE);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__VMID, e.dw[0]), ==, 0);
    g_assert_cmpuint(e.dw[1], >=, 1234);
    g_assert_cmphex(e.dw[4], ==, 0x7654321);
    g_assert_true(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    g_assert_true(gpu_ih_empty(&g));
    gpu_close(&g);
}

static void rptr_written_back_before_trap(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    struct hgpu_ih_entry e;

    open_ring(&g, &r);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 1);
    pkt_trap(&p, 0);
    ring_submit(&r, &p);
    gpu_ih_next(&g, &e);
    g_assert_cmphex(qtest_readq(g.qts, r.rptr_ram), >=, 4 * 4);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readq(g.qts, r.rptr_ram), ==, r.wptr);
    gpu_close(&g);
}

/* What the driver's migration job is made of: PTEs, flush, copy, fence */
static void gart_window_job_as_the_driver_sends_it(void)
{
    uint8_t data[2 * 4096];
    uint32_t pte[4];
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint64_t window;
    uint32_t page;

    open_ring(&g, &r);
    test_pattern(data, sizeof(data), 6);
    gpu_ram_write(&g, RAM_DATA, data, 4096);
    gpu_ram_write(&g, RAM_DATA + 0x5000, data + 4096, 4096);

    /* The window points elsewhere at first, and the TLB knows it. */
    page = g.gart_next;
    window = gpu_bind_ram(&g, RAM_DATA + 0x100000, sizeof(data));
    pkt_copy(&p, window, gpu_vram_va(VRAM_DATA), sizeof(data));

    pte[0] = RAM_DATA | PTE_RAM;
    pte[1] = 0;
    pte[2] = (RAM_DATA + 0x5000) | PTE_RAM;
    pte[3] = 0;
    pkt_write(&p, gpu_vram_va(VRAM_GART + page * 8), pte, ARRAY_SIZE(pte));
    pkt_srbm_write(&p, HGPU_VM_INVALIDATE_ENG_REQ(3), BIT(0));
    pkt_poll_reg(&p, HGPU_VM_INVALIDATE_ENG_ACK(3), BIT(0), BIT(0));
    pkt_copy(&p, window, gpu_vram_va(VRAM_DATA), sizeof(data));
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 1);
    run(&r, &p);
    gpu_assert_vram(&g, VRAM_DATA, data, sizeof(data));
    gpu_close(&g);
}

/* ---- The ring ---- */

static void ring_wraps(void)
{
    TestGpu g;
    TestRing r;
    uint64_t fence;
    int i;

    open_ring(&g, &r);
    fence = gpu_bind_ram(&g, RAM_FENCE, 4);
    /* Three times round, with a packet across the end each time */
    for (i = 1; r.wptr < 3 * RING_BYTES; i++) {
        static const uint32_t payload[100];
        TestPkts p = { };

        pkt_write(&p, gpu_vram_va(VRAM_DATA), payload, ARRAY_SIZE(payload));
        pkt_fence(&p, fence, i);
        run(&r, &p);
        g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, i);
    }
    gpu_close(&g);
}

static void ring_may_be_full(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint64_t fence;

    open_ring(&g, &r);
    fence = gpu_bind_ram(&g, RAM_FENCE, 4);
    pkt_fence(&p, fence, 5);
    while (r.wptr < RING_BYTES) {
        ring_put(&r, &p);
    }
    g_assert_cmphex(r.wptr, ==, RING_BYTES);
    ring_kick(&r);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 5);
    gpu_close(&g);
}

static void wptr_beyond_ring_refused(void)
{
    TestGpu g;
    TestRing r;
    struct hgpu_ih_entry e;

    open_ring(&g, &r);
    gpu_doorbell(&g, r.doorbell, RING_BYTES + 4);
    gpu_ih_next(&g, &e);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_SDMA_DOORBELL_INVALID);
    g_assert_cmphex(e.dw[4], ==, RING_BYTES + 4);
    g_assert_cmphex(gpu_read(&g, ring_reg(&r, HGPU_SDMA_RB_WPTR)), ==, 0);
    g_assert_cmphex(ring_exception(&r), ==, HGPU_SDMA_EXCEPTION_NONE);
    gpu_check_still_works(&g);
    gpu_close(&g);
}

static void illegal_packet_halts_one_ring(void)
{
    TestGpu g;
    TestRing bad, good;
    TestPkts p = { };
    struct hgpu_ih_entry e;

    open_ring(&g, &bad);
    ring_open(&good, &g, 0, HGPU_SDMA_CTX_PAGE);
    pkt_dw(&p, 0x000000ee);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 9);
    qtest_writel(g.qts, RAM_FENCE, 0);
    ring_submit(&bad, &p);
    ring_wait_exception(&bad, HGPU_SDMA_EXCEPTION_ILLEGAL);
    gpu_ih_next(&g, &e);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_SDMA_ILLEGAL);
    g_assert_cmphex(e.dw[4], ==, 0xee);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0);

    p.n = 0;
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 10);
    run(&good, &p);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 10);
    gpu_close(&g);
}

/* An endless IB-less ring of work must leave register accesses their turn. */
static void busy_engines_leave_turns_to_cpu(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    open_ring(&g, &r);
    for (i = 0; i < 128; i++) {
        pkt_fill(&p, gpu_vram_va(VRAM_DATA), i, 4 * MiB);
    }
    ring_submit(&r, &p);
    /* With virtual time standing still no more than a burst is done. */
    for (i = 0; i < 200; i++) {
        gpu_write(&g, HGPU_SCRATCH, i);
        g_assert_cmpuint(gpu_read(&g, HGPU_SCRATCH), ==, i);
    }
    g_assert_cmphex(ring_rptr(&r), <, r.wptr);
    ring_wait_idle(&r);
    gpu_close(&g);
}

/* ---- Bus errors ---- */

static void expect_bus_error(TestGpu *g, TestRing *r, uint64_t addr)
{
    struct hgpu_ih_entry e;

    ring_wait_exception(r, HGPU_SDMA_EXCEPTION_BUS);
    gpu_ih_next(g, &e);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_SDMA_BUS_ERROR);
    g_assert_cmphex((uint64_t)e.dw[5] << 32 | e.dw[4], ==, addr);
}

static void dma_to_nowhere_is_bus_error(void)
{
    const uint64_t nowhere = 0x40ull << 32;
    TestGpu g;
    TestRing bad, good;
    TestPkts p = { };

    open_ring(&g, &bad);
    ring_open(&good, &g, 0, HGPU_SDMA_CTX_PAGE);
    pkt_copy(&p, gpu_vram_va(VRAM_DATA), gpu_bind_pte(&g, nowhere | PTE_RAM),
             4096);
    ring_submit(&bad, &p);
    expect_bus_error(&g, &bad, nowhere);

    p.n = 0;
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 11);
    run(&good, &p);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 11);
    gpu_close(&g);
}

static void dma_from_nowhere_is_bus_error(void)
{
    const uint64_t nowhere = 0x40ull << 32;
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    open_ring(&g, &r);
    pkt_copy(&p, gpu_bind_pte(&g, nowhere | PTE_RAM), gpu_vram_va(VRAM_DATA),
             4096);
    ring_submit(&r, &p);
    expect_bus_error(&g, &r, nowhere);
    gpu_close(&g);
}

static void bus_master_off_is_bus_error(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint16_t cmd;

    open_ring(&g, &r);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 12);
    qtest_writel(g.qts, RAM_FENCE, 0);
    ring_put(&r, &p);
    cmd = qpci_config_readw(g.dev, PCI_COMMAND);
    qpci_config_writew(g.dev, PCI_COMMAND, cmd & ~PCI_COMMAND_MASTER);
    ring_kick(&r);
    ring_wait_exception(&r, HGPU_SDMA_EXCEPTION_BUS);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0);
    /* The entry could not be written either. */
    g_assert_true(gpu_ih_empty(&g));
    g_assert_cmpuint(gpu_read(&g, HGPU_IH_RB_DROPPED), ==, 1);
    g_assert_false(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));

    qpci_config_writew(g.dev, PCI_COMMAND, cmd);
    gpu_check_still_works(&g);
    gpu_close(&g);
}

/* ---- DMA to what is not RAM ---- */

static void dma_to_own_registers_is_bus_error(void)
{
    static const uint32_t val = 0x12345678;
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint64_t reg;

    open_ring(&g, &r);
    reg = gpu_bind_pte(&g, g.regs.addr | PTE_RAM) + HGPU_SCRATCH;
    pkt_write(&p, reg, &val, 1);
    ring_submit(&r, &p);
    ring_wait_exception(&r, HGPU_SDMA_EXCEPTION_BUS);
    g_assert_cmphex(gpu_read(&g, HGPU_SCRATCH), ==, 0);
    gpu_check_still_works(&g);
    gpu_close(&g);
}

static void dma_to_own_vram_bar_works(void)
{
    uint8_t data[4096];
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    open_ring(&g, &r);
    test_pattern(data, sizeof(data), 7);
    gpu_vram_write(&g, VRAM_DATA, data, sizeof(data));
    pkt_copy(&p, gpu_vram_va(VRAM_DATA),
             gpu_bind_pte(&g, (g.vram.addr + VRAM_DATA + 0x1000) | PTE_RAM),
             sizeof(data));
    run(&r, &p);
    gpu_assert_vram(&g, VRAM_DATA + 0x1000, data, sizeof(data));
    gpu_close(&g);
}

static void dma_to_another_gpu_works(void)
{
    static const uint32_t val = 0x600df00d;
    uint8_t data[8192];
    TestGpu a, b;
    TestRing r;
    TestPkts p = { };

    gpu_open(&a, "-device " GPU_ARGS
             " -device hmm-gpu,id=gpu1,addr=5.0,vram-size=32M");
    gpu_attach(&b, a.qts, a.bus, QPCI_DEVFN(5, 0));
    gpu_setup(&a);
    ring_open(&r, &a, 0, HGPU_SDMA_CTX_GFX);
    test_pattern(data, sizeof(data), 8);
    gpu_vram_write(&a, VRAM_DATA, data, sizeof(data));
    pkt_copy(&p, gpu_vram_va(VRAM_DATA),
             gpu_bind_ram(&a, b.vram.addr + VRAM_DATA, sizeof(data)),
             sizeof(data));
    pkt_write(&p, gpu_bind_pte(&a, b.regs.addr | PTE_RAM) + HGPU_SCRATCH,
              &val, 1);
    run(&r, &p);
    gpu_assert_vram(&b, VRAM_DATA, data, sizeof(data));
    g_assert_cmphex(gpu_read(&b, HGPU_SCRATCH), ==, val);
    gpu_detach(&b);
    gpu_close(&a);
}

/*
 * The engine pokes a pvpanic device: the machine is stopped in the middle of
 * the packet that does it.
 */
static void dma_that_stops_the_machine_goes_on_later(void)
{
    static const uint32_t panicked = 1;
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    QPCIDevice *pvpanic;
    QPCIBar bar;

    gpu_open(&g, "-action panic=pause -device pvpanic-pci,addr=5.0 -device "
             GPU_ARGS);
    gpu_setup(&g);
    pvpanic = qpci_device_find(g.bus, QPCI_DEVFN(5, 0));
    qpci_device_enable(pvpanic);
    bar = qpci_iomap(pvpanic, 0, NULL);

    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    pkt_write(&p, gpu_bind_pte(&g, (bar.addr & ~0xfffull) | PTE_RAM) +
              (bar.addr & 0xfff), &panicked, 1);
    pkt_fill(&p, gpu_vram_va(VRAM_DATA), 1, 4 * MiB);
    pkt_fill(&p, gpu_vram_va(VRAM_DATA), 2, 4 * MiB);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0x57);
    ring_submit(&r, &p);
    qtest_qmp_eventwait(g.qts, "STOP");
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0);

    qtest_qmp_assert_success(g.qts, "{'execute': 'cont'}");
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0x57);
    g_free(pvpanic);
    gpu_close(&g);
}

static void stopped_machine_does_no_work(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    int i;

    open_ring(&g, &r);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0x58);
    qtest_writel(g.qts, RAM_FENCE, 0);
    qtest_qmp_assert_success(g.qts, "{'execute': 'stop'}");
    ring_submit(&r, &p);
    for (i = 0; i < 100; i++) {
        g_assert_cmphex(ring_rptr(&r), ==, 0);
    }
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0);

    qtest_qmp_assert_success(g.qts, "{'execute': 'cont'}");
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0x58);
    gpu_close(&g);
}

void hmm_gpu_add_sdma_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/sdma/" #name, name)
    ADD(copy_ram_to_vram_gathers_pages);
    ADD(copy_vram_to_ram_scatters_pages);
    ADD(copy_of_4m_takes_many_slices);
    ADD(copy_within_ram_leaves_vram_alone);
    ADD(const_fill_writes_dwords);
    ADD(write_linear_writes_data);
    ADD(fence_follows_data);
    ADD(trap_makes_ih_entry_and_interrupt);
    ADD(rptr_written_back_before_trap);
    ADD(gart_window_job_as_the_driver_sends_it);
    ADD(ring_wraps);
    ADD(ring_may_be_full);
    ADD(wptr_beyond_ring_refused);
    ADD(illegal_packet_halts_one_ring);
    ADD(busy_engines_leave_turns_to_cpu);
    ADD(dma_to_nowhere_is_bus_error);
    ADD(dma_from_nowhere_is_bus_error);
    ADD(bus_master_off_is_bus_error);
    ADD(dma_to_own_registers_is_bus_error);
    ADD(dma_to_own_vram_bar_works);
    ADD(dma_to_another_gpu_works);
    ADD(dma_that_stops_the_machine_goes_on_later);
    ADD(stopped_machine_does_no_work);
#undef ADD
}
