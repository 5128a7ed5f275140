/*
 * hmm-gpu qtest: behind a root port, coming and going (SPEC 2)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "hmm-gpu-test.h"

#define PORT_DEVFN      QPCI_DEVFN(3, 0)
#define GPU_DEVFN       (1 << 8)        /* bus 1, slot 0 */

#define WINDOW_BASE     0xe0000000u
#define WINDOW_LIMIT    0xeff00000u
#define Q35_PCIEXBAR    0x60
#define ECAM_BASE       0xb0000000u
#define ECAM_ENABLE     BIT(0)

/* Native hot-plug: the guest's writes to Slot Control decide. */
#define MACHINE         "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-" \
                        "support=off -device pcie-root-port,id=rp0," \
                        "chassis=1,addr=3.0 "

static uint8_t port_exp_cap(QPCIDevice *port)
{
    return qpci_find_capability(port, PCI_CAP_ID_EXP, 0);
}

static QPCIDevice *open_port(QPCIBus *bus)
{
    QPCIDevice *port = qpci_device_find(bus, PORT_DEVFN);

    g_assert_nonnull(port);
    qpci_config_writeb(port, PCI_SECONDARY_BUS, 1);
    qpci_config_writeb(port, PCI_SUBORDINATE_BUS, 1);
    qpci_config_writew(port, PCI_MEMORY_BASE, WINDOW_BASE >> 16);
    qpci_config_writew(port, PCI_MEMORY_LIMIT, WINDOW_LIMIT >> 16);
    qpci_device_enable(port);
    return port;
}

static void port_set_power(QPCIDevice *port, bool on)
{
    uint8_t cap = port_exp_cap(port);

    qpci_config_writew(port, cap + PCI_EXP_SLTCTL,
                       on ? PCI_EXP_SLTCTL_PWR_ON | PCI_EXP_SLTCTL_PWR_IND_ON
                          : PCI_EXP_SLTCTL_PWR_OFF |
                            PCI_EXP_SLTCTL_PWR_IND_OFF);
}

static void open_behind_port(TestGpu *g, QPCIDevice **port)
{
    g_autofree char *machine = gpu_machine_args();
    QTestState *qts = qtest_initf("%s " MACHINE
                                  "-device hmm-gpu,bus=rp0,id=gpu0,"
                                  "vram-size=64M", machine);
    QPCIBus *bus = qpci_new_pc(qts, NULL);

    *port = open_port(bus);
    gpu_attach(g, qts, bus, GPU_DEVFN);
}

static void close_behind_port(TestGpu *g, QPCIDevice *port)
{
    g_free(port);
    gpu_close(g);
}

/* As asked for by device_del: the guest answers by switching power off. */
static void unplug(TestGpu *g, QPCIDevice *port)
{
    qtest_qmp_device_del_send(g->qts, "gpu0");
    port_set_power(port, false);
    qtest_qmp_eventwait(g->qts, "DEVICE_DELETED");
}

static bool gpu_is_there(TestGpu *g)
{
    return qpci_config_readw(g->dev, PCI_VENDOR_ID) == HGPU_PCI_VENDOR_ID;
}

static void endpoint_behind_root_port_works(void)
{
    TestGpu g;
    QPCIDevice *port;
    uint8_t cap;

    open_behind_port(&g, &port);
    cap = qpci_find_capability(g.dev, PCI_CAP_ID_EXP, 0);
    g_assert_cmphex((qpci_config_readw(g.dev, cap + PCI_EXP_FLAGS) &
                     PCI_EXP_FLAGS_TYPE) >> 4, ==, PCI_EXP_TYPE_ENDPOINT);
    gpu_check_works(&g);
    gpu_flr(&g);
    gpu_check_works(&g);
    close_behind_port(&g, port);
}

/* Busy, parked, and with a timer running */
static void make_busy(TestGpu *g)
{
    TestVm vm;
    TestRing busy, parked;
    TestPkts p = { };
    int i;

    gpu_setup(g);
    vm_init(&vm, g, 5, 55);
    ring_open(&busy, g, 0, HGPU_SDMA_CTX_PAGE);
    queue_open(&parked, &vm, 1, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);
    pkt_fill(&p, 0x123456789000ull, 1, 4096);
    ring_submit(&parked, &p);
    ring_wait_status(&parked, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    p.n = 0;
    for (i = 0; i < 32; i++) {
        pkt_fill(&p, gpu_vram_va(VRAM_DATA), i, 4 * MiB);
    }
    ring_submit(&busy, &p);
}

static void unplug_while_busy(void)
{
    TestGpu g;
    QPCIDevice *port;
    int i;

    open_behind_port(&g, &port);
    make_busy(&g);
    unplug(&g, port);
    g_assert_false(gpu_is_there(&g));
    for (i = 0; i < 100; i++) {
        qtest_clock_step(g.qts, 20 * SCALE_MS);
    }
    close_behind_port(&g, port);
}

static void plugged_again_works(void)
{
    TestGpu g;
    QPCIDevice *port;
    int i;

    open_behind_port(&g, &port);
    for (i = 0; i < 3; i++) {
        QTestState *qts = g.qts;
        QPCIBus *bus = g.bus;

        make_busy(&g);
        unplug(&g, port);
        gpu_detach(&g);
        bus->mmio_alloc_ptr = WINDOW_BASE;

        qtest_qmp_device_add(qts, "hmm-gpu", "gpu0",
                             "{'bus': 'rp0', 'vram-size': 67108864}");
        port_set_power(port, true);
        gpu_attach(&g, qts, bus, GPU_DEVFN);
        gpu_check_works(&g);
        gpu_write(&g, HGPU_IH_RB_CNTL, 0);
    }
    close_behind_port(&g, port);
}

/*
 * The device's own DMA powers its slot off: it goes away in the middle of the
 * packet that does it, with memory decoding on, or off so that nothing else
 * holds on to it; and it does go away, which the event says.
 */
static void unplug_by_own_dma(const void *data)
{
    bool decode_off = GPOINTER_TO_INT(data);
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    QPCIDevice *port, *host;
    uint32_t sltctl = PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF;
    uint64_t ecam;
    uint32_t i;

    open_behind_port(&g, &port);
    host = qpci_device_find(g.bus, QPCI_DEVFN(0, 0));
    qpci_config_writel(host, Q35_PCIEXBAR + 4, 0);
    qpci_config_writel(host, Q35_PCIEXBAR, ECAM_BASE | ECAM_ENABLE);
    ecam = ECAM_BASE + (PORT_DEVFN << 12);

    gpu_setup(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    /* A pause comes first, in which decoding can be switched off. */
    for (i = 0; i < 8; i++) {
        pkt_fill(&p, gpu_vram_va(VRAM_DATA), i, 4 * MiB);
    }
    pkt_write(&p, gpu_bind_pte(&g, ecam | PTE_RAM) + port_exp_cap(port) +
              PCI_EXP_SLTCTL, &sltctl, 1);
    pkt_fill(&p, gpu_vram_va(VRAM_DATA), 0, 4 * MiB);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0xdead);
    qtest_qmp_device_del_send(g.qts, "gpu0");
    ring_submit(&r, &p);
    g_assert_cmphex(gpu_read(&g, HGPU_ID), ==, HGPU_ID_VALUE);
    if (decode_off) {
        qpci_config_writew(g.dev, PCI_COMMAND, PCI_COMMAND_MASTER);
    }
    for (i = 0; i < 400; i++) {
        gpu_step(&g);
    }
    qtest_qmp_eventwait(g.qts, "DEVICE_DELETED");
    g_assert_false(gpu_is_there(&g));
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0);
    for (i = 0; i < 20; i++) {
        qtest_clock_step(g.qts, 20 * SCALE_MS);
    }
    g_free(host);
    close_behind_port(&g, port);
}

void hmm_gpu_add_hotplug_tests(void)
{
    qtest_add_func("hmm-gpu/hotplug/endpoint_behind_root_port_works",
                   endpoint_behind_root_port_works);
    qtest_add_func("hmm-gpu/hotplug/unplug_while_busy", unplug_while_busy);
    qtest_add_func("hmm-gpu/hotplug/plugged_again_works",
                   plugged_again_works);
    qtest_add_data_func("hmm-gpu/hotplug/unplug_by_own_dma",
                        GINT_TO_POINTER(false), unplug_by_own_dma);
    qtest_add_data_func("hmm-gpu/hotplug/unplug_by_own_dma_undecoded",
                        GINT_TO_POINTER(true), unplug_by_own_dma);
}
