/*
 * hmm-gpu qtest: a driver in small
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "hmm-gpu-test.h"

#define STEP_NS             (20 * SCALE_US)
#define DEADLINE_US         (20 * G_TIME_SPAN_SECOND)

/*
 * qtest writes small pieces in hexadecimal and larger ones in base64; it is
 * quadratic in the length of a command.
 */
#define SMALL               4096
#define PIECE               (64 * KiB)

/* ---- Machine and device ---- */

char *gpu_machine_args(void)
{
    const char *dirs = g_getenv("HGPU_QEMU_FIRMWARE")
                       ?: "/usr/share/seabios:/usr/share/qemu";
    g_auto(GStrv) dir = g_strsplit(dirs, ":", 0);
    GString *args = g_string_new("-machine q35 -nodefaults -m 128M");
    int i;

    for (i = 0; dir[i]; i++) {
        g_string_append_printf(args, " -L %s", dir[i]);
    }
    return g_string_free(args, false);
}

void gpu_attach(TestGpu *g, QTestState *qts, QPCIBus *bus, int devfn)
{
    *g = (TestGpu) { .qts = qts, .bus = bus, .table_next = VRAM_TABLES };
    g->dev = qpci_device_find(bus, devfn);
    g_assert_nonnull(g->dev);
    qpci_device_enable(g->dev);
    g->vram = qpci_iomap(g->dev, HGPU_BAR_VRAM, &g->vram_bar_size);
    g->doorbells = qpci_iomap(g->dev, HGPU_BAR_DOORBELL, NULL);
    g->regs = qpci_iomap(g->dev, HGPU_BAR_REGS, NULL);
}

void gpu_open(TestGpu *g, const char *args)
{
    g_autofree char *machine = gpu_machine_args();
    QTestState *qts = qtest_initf("%s %s", machine, args);

    gpu_attach(g, qts, qpci_new_pc(qts, NULL), QPCI_DEVFN(GPU_SLOT, 0));
}

void gpu_detach(TestGpu *g)
{
    g_clear_pointer(&g->dev, g_free);
}

void gpu_close(TestGpu *g)
{
    gpu_detach(g);
    qpci_free_pc(g->bus);
    qtest_quit(g->qts);
}

static void gpu_setup_gart(TestGpu *g)
{
    uint64_t first = GART_VA >> HGPU_PAGE_SHIFT;
    uint64_t last = first + GART_PAGES - 1;
    g_autofree void *zeroes = g_malloc0(GART_PAGES * 8);

    gpu_vram_write(g, VRAM_GART, zeroes, GART_PAGES * 8);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0),
              VRAM_GART | HGPU_PTE_VALID);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(0), 0);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0), first);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(0), first >> 32);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0), last);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(0), last >> 32);
    gpu_write(g, HGPU_VM_CONTEXT_CNTL(0),
              HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT);
}

static void gpu_setup_ih(TestGpu *g)
{
    uint32_t ring = gpu_bus(g, g->ram_base + RAM_IH_RING);
    uint32_t wptr = gpu_bus(g, g->ram_base + RAM_IH_WPTR);

    gpu_write(g, HGPU_IH_RB_CNTL, 0);
    gpu_write(g, HGPU_IH_RB_BASE, ring >> 8);
    gpu_write(g, HGPU_IH_RB_BASE_HI, 0);
    gpu_write(g, HGPU_IH_RB_WPTR_ADDR_LO, wptr);
    gpu_write(g, HGPU_IH_RB_WPTR_ADDR_HI, 0);
    gpu_write(g, HGPU_IH_RB_CNTL,
              HGPU_IH_RB_CNTL__RB_ENABLE |
              FIELD_PREP(HGPU_IH_RB_CNTL__RB_SIZE, IH_RING_LOG2) |
              FIELD_PREP(HGPU_IH_RB_CNTL__MC_SPACE, HGPU_IH_MC_SPACE_BUS) |
              HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE |
              HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE |
              HGPU_IH_RB_CNTL__RPTR_REARM |
              HGPU_IH_RB_CNTL__ENABLE_INTR);
    qtest_writel(g->qts, g->ram_base + RAM_IH_WPTR, 0);
    g->ih_rptr = 0;
}

void gpu_setup(TestGpu *g)
{
    unsigned int i;

    gpu_setup_gart(g);
    gpu_setup_ih(g);
    g->gart_next = 0;
    g->table_next = VRAM_TABLES;
    /* Repeated reports only where a test wants them. */
    gpu_write(g, HGPU_RETRY_INTERVAL, HGPU_RETRY_INTERVAL_MAX);

    if (!g->dev->msix_enabled) {
        qpci_msix_enable(g->dev);
    }
    for (i = 0; i < HGPU_MSIX_VECTORS; i++) {
        gpu_msix_unmask(g, i);
    }
}

void gpu_start(TestGpu *g)
{
    gpu_open(g, "-device " GPU_ARGS);
    gpu_setup(g);
}

uint32_t gpu_read(TestGpu *g, uint32_t reg)
{
    return qpci_io_readl(g->dev, g->regs, reg);
}

void gpu_write(TestGpu *g, uint32_t reg, uint32_t val)
{
    qpci_io_writel(g->dev, g->regs, reg, val);
}

void gpu_doorbell(TestGpu *g, uint32_t off, uint64_t val)
{
    qpci_io_writeq(g->dev, g->doorbells, off, val);
}

void gpu_ram_read(TestGpu *g, uint64_t addr, void *buf, size_t len)
{
    size_t done, n;

    if (len <= SMALL) {
        qtest_memread(g->qts, addr, buf, len);
        return;
    }
    for (done = 0; done < len; done += n) {
        n = MIN(len - done, PIECE);
        qtest_bufread(g->qts, addr + done, buf + done, n);
    }
}

void gpu_ram_write(TestGpu *g, uint64_t addr, const void *buf, size_t len)
{
    size_t done, n;

    if (len <= SMALL) {
        qtest_memwrite(g->qts, addr, buf, len);
        return;
    }
    for (done = 0; done < len; done += n) {
        n = MIN(len - done, PIECE);
        qtest_bufwrite(g->qts, addr + done, buf + done, n);
    }
}

void gpu_vram_read(TestGpu *g, uint64_t off, void *buf, size_t len)
{
    gpu_ram_read(g, g->vram.addr + off, buf, len);
}

void gpu_vram_write(TestGpu *g, uint64_t off, const void *buf, size_t len)
{
    gpu_ram_write(g, g->vram.addr + off, buf, len);
}

void gpu_reenable(TestGpu *g)
{
    qpci_config_writel(g->dev, PCI_BASE_ADDRESS_0, g->vram.addr);
    qpci_config_writel(g->dev, PCI_BASE_ADDRESS_2, g->doorbells.addr);
    qpci_config_writel(g->dev, PCI_BASE_ADDRESS_5, g->regs.addr);
    if (g->dev->msix_enabled) {
        uint8_t cap = qpci_find_capability(g->dev, PCI_CAP_ID_MSIX, 0);

        qpci_config_writel(g->dev, PCI_BASE_ADDRESS_4,
                           g->dev->msix_table_bar.addr);
        qpci_config_writew(g->dev, cap + PCI_MSIX_FLAGS,
                           PCI_MSIX_FLAGS_ENABLE);
    }
    qpci_device_enable(g->dev);
}

void gpu_flr(TestGpu *g)
{
    uint8_t cap = qpci_find_capability(g->dev, PCI_CAP_ID_EXP, 0);
    uint16_t devctl;

    g_assert_cmphex(cap, !=, 0);
    devctl = qpci_config_readw(g->dev, cap + PCI_EXP_DEVCTL);
    qpci_config_writew(g->dev, cap + PCI_EXP_DEVCTL,
                       devctl | PCI_EXP_DEVCTL_BCR_FLR);
    g_assert_cmphex(qpci_config_readw(g->dev, cap + PCI_EXP_DEVCTL) &
                    PCI_EXP_DEVCTL_BCR_FLR, ==, 0);
    gpu_reenable(g);
}

void gpu_step(TestGpu *g)
{
    qtest_clock_step(g->qts, STEP_NS);
}

int64_t gpu_deadline(void)
{
    return g_get_monotonic_time() + DEADLINE_US;
}

void test_pattern(uint8_t *buf, size_t len, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;
    size_t i;

    for (i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        buf[i] = x >> 24;
    }
}

static void assert_same(const uint8_t *have, const uint8_t *want, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (have[i] != want[i]) {
            g_test_message("first difference at byte 0x%zx of 0x%zx: "
                           "0x%02x, not 0x%02x", i, len, have[i], want[i]);
            g_assert_cmphex(have[i], ==, want[i]);
        }
    }
}

void gpu_assert_ram(TestGpu *g, uint64_t addr, const void *want, size_t len)
{
    g_autofree uint8_t *have = g_malloc(len);

    gpu_ram_read(g, addr, have, len);
    assert_same(have, want, len);
}

void gpu_assert_vram(TestGpu *g, uint64_t off, const void *want, size_t len)
{
    gpu_assert_ram(g, g->vram.addr + off, want, len);
}

/* ---- Interrupts ---- */

static uint32_t gpu_ih_wptr(TestGpu *g)
{
    return qtest_readl(g->qts, g->ram_base + RAM_IH_WPTR) &
           HGPU_IH_RB_WPTR__OFFSET;
}

bool gpu_ih_empty(TestGpu *g)
{
    return gpu_ih_wptr(g) == g->ih_rptr;
}

void gpu_ih_next(TestGpu *g, struct hgpu_ih_entry *e)
{
    int i;

    GPU_WAIT(g, !gpu_ih_empty(g));
    gpu_ram_read(g, g->ram_base + RAM_IH_RING + g->ih_rptr, e, sizeof(*e));
    for (i = 0; i < ARRAY_SIZE(e->dw); i++) {
        e->dw[i] = le32_to_cpu(e->dw[i]);
    }
    g->ih_rptr = (g->ih_rptr + sizeof(*e)) % IH_RING_BYTES;
    gpu_write(g, HGPU_IH_RB_RPTR, g->ih_rptr);
}

void gpu_ih_drain(TestGpu *g)
{
    g->ih_rptr = gpu_ih_wptr(g);
    gpu_write(g, HGPU_IH_RB_RPTR, g->ih_rptr);
}

void gpu_msix_unmask(TestGpu *g, unsigned int vector)
{
    uint64_t off = g->dev->msix_table_off + vector * PCI_MSIX_ENTRY_SIZE;
    uint32_t addr = g->ram_base + RAM_MSI + vector * 4;

    qtest_writel(g->qts, addr, 0);
    qpci_io_writel(g->dev, g->dev->msix_table_bar,
                   off + PCI_MSIX_ENTRY_LOWER_ADDR, gpu_bus(g, addr));
    qpci_io_writel(g->dev, g->dev->msix_table_bar,
                   off + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
    qpci_io_writel(g->dev, g->dev->msix_table_bar,
                   off + PCI_MSIX_ENTRY_DATA, MSI_DATA + vector);
    qpci_io_writel(g->dev, g->dev->msix_table_bar,
                   off + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
}

bool gpu_msix_taken(TestGpu *g, unsigned int vector)
{
    uint32_t addr = g->ram_base + RAM_MSI + vector * 4;
    uint32_t data = qtest_readl(g->qts, addr);

    if (!data) {
        return false;
    }
    g_assert_cmphex(data, ==, MSI_DATA + vector);
    qtest_writel(g->qts, addr, 0);
    return true;
}

/* ---- Memory ---- */

uint64_t gpu_bind_pte(TestGpu *g, uint64_t pte)
{
    uint32_t page = g->gart_next++;
    uint64_t le = cpu_to_le64(pte);

    g_assert_cmpuint(page, <, GART_PAGES);
    gpu_vram_write(g, VRAM_GART + page * 8, &le, sizeof(le));
    return GART_VA + page * HGPU_PAGE_SIZE;
}

uint64_t gpu_bind_ram(TestGpu *g, uint64_t ram, uint64_t len)
{
    uint64_t first = ram & ~(HGPU_PAGE_SIZE - 1);
    uint32_t pages = DIV_ROUND_UP(ram + len - first, HGPU_PAGE_SIZE);
    g_autofree uint64_t *pte = g_new(uint64_t, pages);
    uint32_t page = g->gart_next;
    uint32_t i;

    g_assert_cmpuint(page + pages, <=, GART_PAGES);
    for (i = 0; i < pages; i++) {
        pte[i] = cpu_to_le64(gpu_bus(g, first + i * HGPU_PAGE_SIZE) | PTE_RAM);
    }
    gpu_vram_write(g, VRAM_GART + page * 8, pte, pages * 8);
    g->gart_next += pages;
    return GART_VA + page * HGPU_PAGE_SIZE + (ram - first);
}

/* With engine 17, as the driver; rings use others. */
void gpu_flush_tlb(TestGpu *g, uint32_t vmid)
{
    gpu_write(g, HGPU_VM_INVALIDATE_ENG_REQ(17), BIT(vmid));
    GPU_WAIT(g, gpu_read(g, HGPU_VM_INVALIDATE_ENG_ACK(17)) & BIT(vmid));
}

static uint32_t vm_new_table(TestGpu *g)
{
    static const uint8_t zeroes[HGPU_VM_TABLE_SIZE];
    uint32_t off = g->table_next;

    g->table_next += HGPU_VM_TABLE_SIZE;
    g_assert_cmphex(g->table_next, <=, VRAM_MQD);
    gpu_vram_write(g, off, zeroes, sizeof(zeroes));
    return off;
}

void vm_init(TestVm *vm, TestGpu *g, uint32_t vmid, uint32_t pasid)
{
    uint64_t last = (1ull << (47 - HGPU_PAGE_SHIFT)) - 1;

    *vm = (TestVm) { .gpu = g, .vmid = vmid, .root = vm_new_table(g) };
    gpu_write(g, HGPU_IH_VMID_LUT(vmid), pasid);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(vmid),
              vm->root | HGPU_PTE_VALID);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(vmid), 0);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(vmid), 0);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(vmid), 0);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(vmid), last);
    gpu_write(g, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(vmid), last >> 32);
    gpu_write(g, HGPU_VM_CONTEXT_CNTL(vmid),
              HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT |
              FIELD_PREP(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH,
                         HGPU_VM_DEPTH) |
              HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT);
    gpu_flush_tlb(g, vmid);
}

static uint64_t vm_read_entry(TestVm *vm, uint32_t off)
{
    uint64_t le;

    gpu_vram_read(vm->gpu, off, &le, sizeof(le));
    return le64_to_cpu(le);
}

static void vm_write_entry(TestVm *vm, uint32_t off, uint64_t entry)
{
    uint64_t le = cpu_to_le64(entry);

    gpu_vram_write(vm->gpu, off, &le, sizeof(le));
}

/* Without a TLB flush, which is for the test to do or to leave out. */
void vm_set_pte(TestVm *vm, uint64_t va, uint64_t pte)
{
    uint32_t table = vm->root;
    int level;

    for (level = HGPU_VM_PDB2; ; level--) {
        uint32_t index = (va >> HGPU_VM_SHIFT(level)) & (HGPU_VM_ENTRIES - 1);
        uint32_t off = table + index * 8;
        uint64_t entry;

        if (level == HGPU_VM_PTB) {
            vm_write_entry(vm, off, pte);
            return;
        }
        entry = vm_read_entry(vm, off);
        if (!(entry & HGPU_PTE_VALID)) {
            entry = vm_new_table(vm->gpu) | HGPU_PTE_VALID;
            vm_write_entry(vm, off, entry);
        }
        table = entry & HGPU_PDE_ADDR;
    }
}

void vm_map(TestVm *vm, uint64_t va, uint64_t pa, uint64_t len,
            uint64_t flags)
{
    uint64_t done;

    for (done = 0; done < len; done += HGPU_PAGE_SIZE) {
        vm_set_pte(vm, va + done, (pa + done) | flags);
    }
}

/* ---- Packets ---- */

void pkt_dw(TestPkts *p, uint32_t dw)
{
    g_assert_cmpuint(p->n, <, ARRAY_SIZE(p->dw));
    p->dw[p->n++] = dw;
}

static void pkt_addr(TestPkts *p, uint64_t addr)
{
    pkt_dw(p, addr);
    pkt_dw(p, addr >> 32);
}

void pkt_copy(TestPkts *p, uint64_t src, uint64_t dst, uint32_t bytes)
{
    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY,
                                   HGPU_SDMA_SUBOP_COPY_LINEAR));
    pkt_dw(p, bytes - 1);
    pkt_dw(p, 0);
    pkt_addr(p, src);
    pkt_addr(p, dst);
}

void pkt_fill(TestPkts *p, uint64_t dst, uint32_t val, uint32_t bytes)
{
    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_CONST_FILL, 0) |
              FIELD_PREP(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE,
                         HGPU_SDMA_FILLSIZE_DWORD));
    pkt_addr(p, dst);
    pkt_dw(p, val);
    pkt_dw(p, bytes - 1);
}

void pkt_write(TestPkts *p, uint64_t dst, const uint32_t *val, uint32_t n)
{
    uint32_t i;

    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_WRITE,
                                   HGPU_SDMA_SUBOP_WRITE_LINEAR));
    pkt_addr(p, dst);
    pkt_dw(p, n - 1);
    for (i = 0; i < n; i++) {
        pkt_dw(p, val[i]);
    }
}

void pkt_fence(TestPkts *p, uint64_t addr, uint32_t val)
{
    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_FENCE, 0));
    pkt_addr(p, addr);
    pkt_dw(p, val);
}

void pkt_trap(TestPkts *p, uint32_t val)
{
    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_TRAP, 0));
    pkt_dw(p, val);
}

void pkt_srbm_write(TestPkts *p, uint32_t reg, uint32_t val)
{
    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_SRBM_WRITE, 0) |
              HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN);
    pkt_dw(p, reg / 4);
    pkt_dw(p, val);
}

void pkt_poll_reg(TestPkts *p, uint32_t reg, uint32_t val, uint32_t mask)
{
    pkt_dw(p, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_POLL_REGMEM, 0) |
              FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
                         HGPU_SDMA_POLL_FUNC_EQ));
    pkt_dw(p, reg);
    pkt_dw(p, 0);
    pkt_dw(p, val);
    pkt_dw(p, mask);
    pkt_dw(p, FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 10) |
              FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT,
                         HGPU_SDMA_POLL_RETRY_FOREVER));
}

/* ---- Rings and queues ---- */

static void ring_init(TestRing *r, TestGpu *g, uint32_t engine, uint32_t ctx)
{
    uint32_t n = engine * HGPU_SDMA_CTXS + ctx;

    *r = (TestRing) {
        .gpu = g,
        .engine = engine,
        .ctx = ctx,
        .ram = g->ram_base + RAM_RINGS + n * RING_BYTES,
        .rptr_ram = g->ram_base + RAM_RING_RPTR + n * 8,
        /* A slice for each */
        .doorbell = n * HGPU_DOORBELL_SLICE_SIZE,
    };
    qtest_writeq(g->qts, r->rptr_ram, 0);
}

void ring_open(TestRing *r, TestGpu *g, uint32_t engine, uint32_t ctx)
{
    uint64_t base, rptr;

    ring_init(r, g, engine, ctx);
    base = gpu_bind_ram(g, r->ram, RING_BYTES);
    rptr = gpu_bind_ram(g, r->rptr_ram, 8);

    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_BASE), base >> 8);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_BASE_HI), base >> 40);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_RPTR), 0);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_RPTR_HI), 0);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_WPTR), 0);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_WPTR_HI), 0);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_RPTR_ADDR_LO), rptr);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_RPTR_ADDR_HI), rptr >> 32);
    gpu_write(g, ring_reg(r, HGPU_SDMA_DOORBELL_OFFSET), r->doorbell);
    gpu_write(g, ring_reg(r, HGPU_SDMA_DOORBELL), HGPU_SDMA_DOORBELL__ENABLE);
    gpu_write(g, ring_reg(r, HGPU_SDMA_RB_CNTL),
              HGPU_SDMA_RB_CNTL__RB_ENABLE |
              FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, RING_LOG2) |
              HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE);
    g_assert_cmphex(ring_status(r) & HGPU_SDMA_CONTEXT_STATUS__SELECTED, !=,
                    0);
}

uint32_t queue_mqd_off(unsigned int mqd)
{
    return VRAM_MQD + mqd * sizeof(struct hgpu_sdma_mqd);
}

/* The write-back's page follows the ring in @vm. */
void queue_build_mqd(TestRing *r, TestVm *vm, uint64_t va,
                     struct hgpu_sdma_mqd *mqd)
{
    uint64_t rptr = va + RING_BYTES + r->rptr_ram % HGPU_PAGE_SIZE;

    *mqd = (struct hgpu_sdma_mqd) {
        .rb_cntl = FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, RING_LOG2) |
                   HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_VMID, vm->vmid),
        .rb_base = va >> 8,
        .rb_base_hi = va >> 40,
        .rb_rptr_addr_lo = rptr,
        .rb_rptr_addr_hi = rptr >> 32,
        .ib_cntl = HGPU_SDMA_IB_CNTL__IB_ENABLE,
        .doorbell = HGPU_SDMA_DOORBELL__ENABLE,
        .doorbell_offset = r->doorbell,
    };
}

void queue_cmd(TestRing *r, unsigned int mqd, uint32_t cmd)
{
    uint64_t va = gpu_vram_va(queue_mqd_off(mqd));

    gpu_write(r->gpu, ring_reg(r, HGPU_SDMA_MQD_BASE_LO), va);
    gpu_write(r->gpu, ring_reg(r, HGPU_SDMA_MQD_BASE_HI), va >> 32);
    gpu_write(r->gpu, ring_reg(r, HGPU_SDMA_HQD_CMD), cmd);
}

void queue_open(TestRing *r, TestVm *vm, uint32_t engine, uint32_t ctx,
                uint64_t va, unsigned int mqd)
{
    struct hgpu_sdma_mqd image;
    uint32_t *dw = (uint32_t *)&image;
    int i;

    ring_init(r, vm->gpu, engine, ctx);
    vm_map(vm, va, gpu_bus(vm->gpu, r->ram), RING_BYTES, PTE_RAM);
    vm_map(vm, va + RING_BYTES,
           gpu_bus(vm->gpu, r->rptr_ram) & ~(HGPU_PAGE_SIZE - 1),
           HGPU_PAGE_SIZE, PTE_RAM);
    queue_build_mqd(r, vm, va, &image);
    for (i = 0; i < sizeof(image) / 4; i++) {
        dw[i] = cpu_to_le32(dw[i]);
    }
    gpu_vram_write(vm->gpu, queue_mqd_off(mqd), &image, sizeof(image));
    queue_cmd(r, mqd, HGPU_SDMA_HQD_CMD_MAP);
    g_assert_cmphex(ring_exception(r), ==, HGPU_SDMA_EXCEPTION_NONE);
    g_assert_cmphex(ring_status(r) & HGPU_SDMA_CONTEXT_STATUS__SELECTED, !=,
                    0);
}

void ring_put(TestRing *r, const TestPkts *p)
{
    unsigned int i;

    for (i = 0; i < p->n; i++) {
        uint32_t le = cpu_to_le32(p->dw[i]);

        qtest_memwrite(r->gpu->qts, r->ram + r->wptr % RING_BYTES, &le, 4);
        r->wptr += 4;
    }
}

void ring_kick(TestRing *r)
{
    gpu_doorbell(r->gpu, r->doorbell, r->wptr);
}

void ring_submit(TestRing *r, const TestPkts *p)
{
    ring_put(r, p);
    ring_kick(r);
}

uint32_t ring_status(TestRing *r)
{
    return gpu_read(r->gpu, ring_reg(r, HGPU_SDMA_CONTEXT_STATUS));
}

uint32_t ring_exception(TestRing *r)
{
    return FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, ring_status(r));
}

uint64_t ring_rptr(TestRing *r)
{
    uint64_t lo = gpu_read(r->gpu, ring_reg(r, HGPU_SDMA_RB_RPTR));
    uint64_t hi = gpu_read(r->gpu, ring_reg(r, HGPU_SDMA_RB_RPTR_HI));

    return hi << 32 | lo;
}

void ring_wait_status(TestRing *r, uint32_t bit)
{
    GPU_WAIT(r->gpu, ring_status(r) & bit);
}

void ring_wait_idle(TestRing *r)
{
    uint32_t status;

    GPU_WAIT(r->gpu, (status = ring_status(r)) &
                     (HGPU_SDMA_CONTEXT_STATUS__IDLE |
                      HGPU_SDMA_CONTEXT_STATUS__EXCEPTION));
    g_assert_cmphex(FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, status),
                    ==, HGPU_SDMA_EXCEPTION_NONE);
    g_assert_cmphex(ring_rptr(r), ==, r->wptr);
}

void ring_wait_exception(TestRing *r, uint32_t exception)
{
    GPU_WAIT(r->gpu, ring_status(r) & HGPU_SDMA_CONTEXT_STATUS__EXCEPTION);
    g_assert_cmphex(ring_exception(r), ==, exception);
}

void gpu_check_works(TestGpu *g)
{
    TestRing r;
    TestPkts p = { };
    uint8_t data[3 * 4096 + 100];
    uint32_t src = g->ram_base + RAM_DATA;
    uint32_t dst = src + 0x10000;

    gpu_setup(g);
    test_pattern(data, sizeof(data), g_test_rand_int());
    gpu_ram_write(g, src, data, sizeof(data));
    qtest_memset(g->qts, dst, 0, sizeof(data));
    qtest_writel(g->qts, g->ram_base + RAM_FENCE, 0);

    ring_open(&r, g, 1, HGPU_SDMA_CTX_PAGE);
    pkt_copy(&p, gpu_bind_ram(g, src, sizeof(data)),
             gpu_vram_va(VRAM_DATA), sizeof(data));
    pkt_copy(&p, gpu_vram_va(VRAM_DATA),
             gpu_bind_ram(g, dst, sizeof(data)), sizeof(data));
    pkt_fence(&p, gpu_bind_ram(g, g->ram_base + RAM_FENCE, 4), 0xfeedc0de);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g->qts, g->ram_base + RAM_FENCE), ==,
                    0xfeedc0de);
    gpu_assert_vram(g, VRAM_DATA, data, sizeof(data));
    gpu_assert_ram(g, dst, data, sizeof(data));
    gpu_write(g, ring_reg(&r, HGPU_SDMA_RB_CNTL), 0);
}

void gpu_check_still_works(TestGpu *g)
{
    gpu_flush_tlb(g, 0);
    gpu_check_works(g);
}
