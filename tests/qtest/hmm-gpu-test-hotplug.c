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
#define WINDOW_LIMIT    0xe7f00000u
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

/* @more: device options, and other devices */
static void open_behind_port_with(TestGpu *g, QPCIDevice **port,
                                  const char *more)
{
    g_autofree char *machine = gpu_machine_args();
    QTestState *qts = qtest_initf("%s " MACHINE
                                  "-device hmm-gpu,bus=rp0,id=gpu0,"
                                  "vram-size=64M%s", machine, more);
    QPCIBus *bus = qpci_new_pc(qts, NULL);

    *port = open_port(bus);
    gpu_attach(g, qts, bus, GPU_DEVFN);
}

static void open_behind_port(TestGpu *g, QPCIDevice **port)
{
    open_behind_port_with(g, port, "");
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

/* Configuration space in the memory map. */
static QPCIDevice *open_ecam(QPCIBus *bus)
{
    QPCIDevice *host = qpci_device_find(bus, QPCI_DEVFN(0, 0));

    qpci_config_writel(host, Q35_PCIEXBAR + 4, 0);
    qpci_config_writel(host, Q35_PCIEXBAR, ECAM_BASE | ECAM_ENABLE);
    return host;
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

static void unplug_while_rendering(void)
{
    TestGpu g;
    QPCIDevice *port;

    if (!virgl_can_render()) {
        return;
    }
    open_behind_port(&g, &port);
    virgl_make_busy(&g);
    unplug(&g, port);
    GPU_WAIT(&g, virgl_renderers(g.qts, NULL) == 0);
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
/* The renderer's memory goes with the GPU, but not while it is copied from. */
static void unplug_by_own_rendering(void)
{
    QPCIDevice *port, *host;
    TestGpu g;
    int i;

    if (!virgl_can_render()) {
        return;
    }
    open_behind_port(&g, &port);
    host = open_ecam(g.bus);
    qtest_qmp_device_del_send(g.qts, "gpu0");
    virgl_start_write(&g, ECAM_BASE + (PORT_DEVFN << 12) +
                      port_exp_cap(port) + PCI_EXP_SLTCTL,
                      PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF);
    for (i = 0; i < 400; i++) {
        gpu_step(&g);
    }
    qtest_qmp_eventwait(g.qts, "DEVICE_DELETED");
    g_assert_false(gpu_is_there(&g));
    GPU_WAIT(&g, virgl_renderers(g.qts, NULL) == 0);
    g_free(host);
    close_behind_port(&g, port);
}

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
    host = open_ecam(g.bus);
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

/* A hive: the one behind the port, which leaves, and one that stays */
static void open_hive(TestGpu *leaves, TestGpu *stays, QPCIDevice **port)
{
    open_behind_port_with(leaves, port, ",hive=1 "
                          "-device hmm-gpu,addr=5.0,vram-size=64M,hive=1");
    leaves->bus->mmio_alloc_ptr = WINDOW_LIMIT + MiB;
    gpu_attach(stays, leaves->qts, leaves->bus, QPCI_DEVFN(5, 0));
    gpu_write(leaves, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
    gpu_write(stays, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
}

/* A ring of node 1, whose VRAM is not where the helpers think: bare. */
typedef struct FarRing {
    TestGpu *gpu;
    uint32_t wptr;
} FarRing;

#define FAR_BASE    hive_addr(1, 0)
#define FAR_RING    0x800000u
#define FAR_RING_VA (FB_VA + FAR_BASE + FAR_RING)
#define FAR_GART    0x0u
#define FAR_CTX     HGPU_SDMA_CTX_BASE(0, HGPU_SDMA_CTX_PAGE)

static void far_open(FarRing *r, TestGpu *g)
{
    uint64_t first = GART_VA >> HGPU_PAGE_SHIFT;

    *r = (FarRing) { .gpu = g };
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0),
              (uint32_t)FAR_BASE | FAR_GART | HGPU_PTE_VALID);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(0),
              FAR_BASE >> 32);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0), first);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0), first + 511);
    gpu_write(g, HGPU_VM_CONTEXT_CNTL(0),
              HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT);
    gpu_write(g, FAR_CTX + HGPU_SDMA_RB_BASE, FAR_RING_VA >> 8);
    gpu_write(g, FAR_CTX + HGPU_SDMA_RB_BASE_HI, FAR_RING_VA >> 40);
    gpu_write(g, FAR_CTX + HGPU_SDMA_RB_CNTL, HGPU_SDMA_RB_CNTL__RB_ENABLE |
              FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, 10));
}

static void far_submit(FarRing *r, TestPkts *p)
{
    gpu_vram_write(r->gpu, FAR_RING + r->wptr, p->dw, p->n * 4);
    r->wptr += p->n * 4;
    p->n = 0;
    gpu_write(r->gpu, FAR_CTX + HGPU_SDMA_RB_WPTR, r->wptr);
    gpu_write(r->gpu, FAR_CTX + HGPU_SDMA_RB_WPTR_HI, 0);
}

static uint32_t far_status(FarRing *r, uint32_t bits)
{
    return gpu_read(r->gpu, FAR_CTX + HGPU_SDMA_CONTEXT_STATUS) & bits;
}

static void far_wait_idle(FarRing *r)
{
    GPU_WAIT(r->gpu, far_status(r, HGPU_SDMA_CONTEXT_STATUS__IDLE));
}

static uint32_t far_wait_exception(FarRing *r)
{
    const uint32_t bits = HGPU_SDMA_CONTEXT_STATUS__EXCEPTION;

    GPU_WAIT(r->gpu, far_status(r, bits));
    return FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION,
                     far_status(r, bits));
}

static void unplugged_peer_is_a_bus_error(void)
{
    TestGpu leaves, stays;
    QPCIDevice *port;
    FarRing r;
    TestPkts p = { };

    open_hive(&leaves, &stays, &port);
    far_open(&r, &stays);
    pkt_fence(&p, FB_VA + VRAM_DATA, 0x1234);
    far_submit(&r, &p);
    far_wait_idle(&r);
    g_assert_cmphex(qpci_io_readl(leaves.dev, leaves.vram, VRAM_DATA), ==,
                    0x1234);
    unplug(&leaves, port);
    pkt_fence(&p, FB_VA + VRAM_DATA, 0x1234);
    far_submit(&r, &p);
    g_assert_cmpuint(far_wait_exception(&r), ==, HGPU_SDMA_EXCEPTION_BUS);
    gpu_detach(&stays);
    close_behind_port(&leaves, port);
}

/*
 * One copy with two destinations: what powers the peer's slot off, and the
 * peer's VRAM.
 */
static void peer_unplugged_within_a_packet(void)
{
    const uint16_t off = PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF;
    TestGpu leaves, stays;
    QPCIDevice *port, *host;
    uint64_t ecam, pte, src = FB_VA + FAR_BASE + VRAM_DATA;
    FarRing r;
    TestPkts p = { };

    open_hive(&leaves, &stays, &port);
    host = open_ecam(leaves.bus);
    far_open(&r, &stays);
    ecam = ECAM_BASE + (PORT_DEVFN << 12);
    pte = ecam | PTE_RAM;
    gpu_vram_write(&stays, FAR_GART, &pte, sizeof(pte));
    gpu_vram_write(&stays, VRAM_DATA, &off, sizeof(off));
    pkt_dw(&p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY, 0) |
           HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST);
    pkt_dw(&p, sizeof(off) - 1);
    pkt_dw(&p, 0);
    pkt_dw(&p, src);
    pkt_dw(&p, src >> 32);
    pkt_dw(&p, GART_VA + port_exp_cap(port) + PCI_EXP_SLTCTL);
    pkt_dw(&p, GART_VA >> 32);
    pkt_dw(&p, FB_VA + VRAM_DATA);
    pkt_dw(&p, (FB_VA + VRAM_DATA) >> 32);
    pkt_fence(&p, FB_VA + FAR_BASE + 2 * VRAM_DATA, 0x77);
    pkt_fence(&p, FB_VA + VRAM_DATA, 0x88);
    qtest_qmp_device_del_send(leaves.qts, "gpu0");
    far_submit(&r, &p);
    g_assert_cmpuint(far_wait_exception(&r), ==, HGPU_SDMA_EXCEPTION_BUS);
    qtest_qmp_eventwait(leaves.qts, "DEVICE_DELETED");
    g_assert_false(gpu_is_there(&leaves));
    g_assert_cmphex(qpci_io_readl(stays.dev, stays.vram, 2 * VRAM_DATA), ==,
                    0x77);
    gpu_detach(&stays);
    g_free(host);
    close_behind_port(&leaves, port);
}

void hmm_gpu_add_hotplug_tests(void)
{
    qtest_add_func("hmm-gpu/hotplug/unplugged_peer_is_a_bus_error",
                   unplugged_peer_is_a_bus_error);
    qtest_add_func("hmm-gpu/hotplug/peer_unplugged_within_a_packet",
                   peer_unplugged_within_a_packet);
    qtest_add_func("hmm-gpu/hotplug/endpoint_behind_root_port_works",
                   endpoint_behind_root_port_works);
    qtest_add_func("hmm-gpu/hotplug/unplug_while_busy", unplug_while_busy);
    qtest_add_func("hmm-gpu/hotplug/unplug_while_rendering",
                   unplug_while_rendering);
    qtest_add_func("hmm-gpu/hotplug/unplug_by_own_rendering",
                   unplug_by_own_rendering);
    qtest_add_func("hmm-gpu/hotplug/plugged_again_works",
                   plugged_again_works);
    qtest_add_data_func("hmm-gpu/hotplug/unplug_by_own_dma",
                        GINT_TO_POINTER(false), unplug_by_own_dma);
    qtest_add_data_func("hmm-gpu/hotplug/unplug_by_own_dma_undecoded",
                        GINT_TO_POINTER(true), unplug_by_own_dma);
}
