/*
 * hmm-gpu qtest: behind an intel-iommu that translates (SPEC 7.7)
 *
 * The bus addresses of RAM are IOVA_BASE above the addresses of RAM: what goes
 * around the vIOMMU finds nothing there. Its tables are made by hand: legacy
 * mode, one domain, four levels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hmm-gpu-test.h"

#define IOVA_BASE       0x40000000u

#define ROOT_TABLE      RAM_IOMMU
#define CONTEXT_TABLE   (RAM_IOMMU + 0x1000)
#define SL_TABLES       (RAM_IOMMU + 0x2000)

#define ENTRY_PRESENT   1ull
#define CONTEXT_AW_48   2ull
#define CONTEXT_DID     (1ull << 8)
#define SL_READ         1ull
#define SL_WRITE        2ull
#define SL_ADDR         (~0xfffull & ((1ull << 48) - 1))

typedef struct Iommu {
    QTestState *qts;
    uint32_t next;              /* free page for a table */
} Iommu;

static void iommu_writel(Iommu *io, uint32_t reg, uint32_t val)
{
    qtest_writel(io->qts, Q35_HOST_BRIDGE_IOMMU_ADDR + reg, val);
}

static void iommu_wait_status(Iommu *io, uint32_t bit)
{
    g_assert_cmphex(qtest_readl(io->qts, Q35_HOST_BRIDGE_IOMMU_ADDR +
                                DMAR_GSTS_REG) & bit, !=, 0);
}

static uint32_t iommu_new_table(Iommu *io)
{
    uint32_t table = io->next;

    io->next += 0x1000;
    qtest_memset(io->qts, table, 0, 0x1000);
    return table;
}

static void iommu_set(Iommu *io, uint64_t iova, uint64_t pa, uint64_t perm)
{
    uint32_t table = SL_TABLES;
    int level;

    for (level = 3; level > 0; level--) {
        uint32_t at = table + ((iova >> (12 + 9 * level)) & 511) * 8;
        uint64_t entry = qtest_readq(io->qts, at);

        if (!entry) {
            entry = iommu_new_table(io) | SL_READ | SL_WRITE;
            qtest_writeq(io->qts, at, entry);
        }
        table = entry & SL_ADDR;
    }
    qtest_writeq(io->qts, table + ((iova >> 12) & 511) * 8,
                 perm ? pa | perm : 0);
}

static void iommu_map(Iommu *io, uint64_t iova, uint64_t pa, uint64_t len)
{
    uint64_t done;

    for (done = 0; done < len; done += 4096) {
        iommu_set(io, iova + done, pa + done, SL_READ | SL_WRITE);
    }
}

static void iommu_flush(Iommu *io)
{
    iommu_writel(io, DMAR_IOTLB_REG, 0);
    iommu_writel(io, DMAR_IOTLB_REG_HI,
                 (VTD_TLB_IVT | VTD_TLB_GLOBAL_FLUSH) >> 32);
}

static void iommu_enable(Iommu *io, int devfn)
{
    qtest_memset(io->qts, ROOT_TABLE, 0, 0x3000);
    qtest_writeq(io->qts, ROOT_TABLE, CONTEXT_TABLE | ENTRY_PRESENT);
    qtest_writeq(io->qts, CONTEXT_TABLE + devfn * 16,
                 SL_TABLES | ENTRY_PRESENT);
    qtest_writeq(io->qts, CONTEXT_TABLE + devfn * 16 + 8,
                 CONTEXT_AW_48 | CONTEXT_DID);

    iommu_writel(io, DMAR_RTADDR_REG, ROOT_TABLE);
    iommu_writel(io, DMAR_RTADDR_REG_HI, 0);
    iommu_writel(io, DMAR_GCMD_REG, VTD_GCMD_SRTP);
    iommu_wait_status(io, VTD_GSTS_RTPS);
    iommu_writel(io, DMAR_GCMD_REG, VTD_GCMD_TE);
    iommu_wait_status(io, VTD_GSTS_TES);
}

/* A GPU that sees the RAM of rings, IH and MSI, and nothing more */
static void open_behind_iommu(TestGpu *g, Iommu *io)
{
    gpu_open(g, "-device intel-iommu -device " GPU_ARGS);
    g->iova_base = IOVA_BASE;
    *io = (Iommu) { .qts = g->qts, .next = SL_TABLES + 0x1000 };
    iommu_enable(io, QPCI_DEVFN(GPU_SLOT, 0));
    iommu_map(io, IOVA_BASE + RAM_IH_RING, RAM_IH_RING,
              RAM_IOMMU - RAM_IH_RING);
    gpu_setup(g);
}

static void dma_is_translated(void)
{
    TestGpu g;
    Iommu io;

    open_behind_iommu(&g, &io);
    iommu_map(&io, IOVA_BASE + RAM_DATA, RAM_DATA, 0x40000);
    gpu_check_works(&g);
    gpu_close(&g);
}

static void interrupts_are_translated(void)
{
    TestGpu g;
    Iommu io;
    TestRing r;
    TestPkts p = { };
    struct hgpu_ih_entry e;

    open_behind_iommu(&g, &io);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    pkt_trap(&p, 0x99);
    ring_submit(&r, &p);
    gpu_ih_next(&g, &e);
    g_assert_cmphex(e.dw[4], ==, 0x99);
    g_assert_true(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    gpu_close(&g);
}

/* Pages that follow each other as IOVAs, and do not in RAM */
static void scattered_pages_are_found(void)
{
    const int pages = 32;
    uint8_t data[32 * 4096];
    TestGpu g;
    Iommu io;
    TestRing r;
    TestPkts p = { };
    int i;

    open_behind_iommu(&g, &io);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    test_pattern(data, sizeof(data), 40);
    for (i = 0; i < pages; i++) {
        uint32_t ram = RAM_DATA + (pages - 1 - i) * 0x3000;

        iommu_map(&io, IOVA_BASE + RAM_DATA + i * 4096, ram, 4096);
        gpu_ram_write(&g, ram, data + i * 4096, 4096);
    }
    pkt_copy(&p, gpu_bind_ram(&g, RAM_DATA, sizeof(data)),
             gpu_vram_va(VRAM_DATA), sizeof(data));
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    gpu_assert_vram(&g, VRAM_DATA, data, sizeof(data));
    gpu_close(&g);
}

static void expect_bus_error(TestGpu *g, TestRing *r, uint64_t addr)
{
    struct hgpu_ih_entry e;

    ring_wait_exception(r, HGPU_SDMA_EXCEPTION_BUS);
    gpu_ih_next(g, &e);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_SDMA_BUS_ERROR);
    g_assert_cmphex((uint64_t)e.dw[5] << 32 | e.dw[4], ==, addr);
}

static void assert_ring_works(TestGpu *g, TestRing *r, uint32_t val)
{
    TestPkts p = { };

    pkt_fence(&p, gpu_bind_ram(g, RAM_FENCE, 4), val);
    ring_submit(r, &p);
    ring_wait_idle(r);
    g_assert_cmphex(qtest_readl(g->qts, RAM_FENCE), ==, val);
}

static void unmapped_iova_is_bus_error_of_one_context(void)
{
    TestGpu g;
    Iommu io;
    TestRing reads, writes, good;
    TestPkts p = { };

    open_behind_iommu(&g, &io);
    ring_open(&reads, &g, 0, HGPU_SDMA_CTX_GFX);
    ring_open(&writes, &g, 1, HGPU_SDMA_CTX_GFX);
    ring_open(&good, &g, 0, HGPU_SDMA_CTX_PAGE);

    pkt_copy(&p, gpu_bind_ram(&g, RAM_DATA, 4096), gpu_vram_va(VRAM_DATA),
             4096);
    ring_submit(&reads, &p);
    expect_bus_error(&g, &reads, IOVA_BASE + RAM_DATA);

    p.n = 0;
    pkt_fill(&p, gpu_bind_ram(&g, RAM_DATA + 0x5000, 4096), 1, 4096);
    ring_submit(&writes, &p);
    expect_bus_error(&g, &writes, IOVA_BASE + RAM_DATA + 0x5000);

    assert_ring_works(&g, &good, 41);
    gpu_close(&g);
}

/* The pages before the hole are done; the hole has its address reported. */
static void hole_in_the_middle_is_found(void)
{
    uint8_t data[8 * 4096];
    TestGpu g;
    Iommu io;
    TestRing r;
    TestPkts p = { };

    open_behind_iommu(&g, &io);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    test_pattern(data, sizeof(data), 42);
    gpu_vram_write(&g, VRAM_DATA, data, sizeof(data));
    iommu_map(&io, IOVA_BASE + RAM_DATA, RAM_DATA, sizeof(data));
    iommu_set(&io, IOVA_BASE + RAM_DATA + 5 * 4096, 0, 0);
    pkt_copy(&p, gpu_vram_va(VRAM_DATA),
             gpu_bind_ram(&g, RAM_DATA, sizeof(data)), sizeof(data));
    ring_submit(&r, &p);
    expect_bus_error(&g, &r, IOVA_BASE + RAM_DATA + 5 * 4096);
    gpu_assert_ram(&g, RAM_DATA, data, 5 * 4096);
    gpu_close(&g);
}

static void read_only_iova_refuses_write(void)
{
    TestGpu g;
    Iommu io;
    TestRing r;
    TestPkts p = { };

    open_behind_iommu(&g, &io);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    qtest_writel(g.qts, RAM_DATA, 0x1234);
    iommu_set(&io, IOVA_BASE + RAM_DATA, RAM_DATA, SL_READ);
    pkt_copy(&p, gpu_bind_ram(&g, RAM_DATA, 4), gpu_vram_va(VRAM_DATA), 4);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    g_assert_cmphex(qpci_io_readl(g.dev, g.vram, VRAM_DATA), ==, 0x1234);

    p.n = 0;
    pkt_fill(&p, gpu_bind_ram(&g, RAM_DATA, 4), 0x5678, 4);
    ring_submit(&r, &p);
    expect_bus_error(&g, &r, IOVA_BASE + RAM_DATA);
    g_assert_cmphex(qtest_readl(g.qts, RAM_DATA), ==, 0x1234);
    gpu_close(&g);
}

static void unmapped_again_is_bus_error(void)
{
    TestGpu g;
    Iommu io;
    TestRing r;
    TestPkts p = { };
    uint64_t va;

    open_behind_iommu(&g, &io);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_GFX);
    iommu_map(&io, IOVA_BASE + RAM_DATA, RAM_DATA, 4096);
    va = gpu_bind_ram(&g, RAM_DATA, 4096);
    pkt_fill(&p, va, 1, 4096);
    ring_submit(&r, &p);
    ring_wait_idle(&r);

    iommu_set(&io, IOVA_BASE + RAM_DATA, 0, 0);
    iommu_flush(&io);
    ring_submit(&r, &p);
    expect_bus_error(&g, &r, IOVA_BASE + RAM_DATA);
    gpu_close(&g);
}

/* A process's page table in RAM that the vIOMMU hides: a fault, no retry */
static void page_table_behind_hole_is_noretry_fault(void)
{
    TestGpu g;
    Iommu io;
    TestVm vm;
    TestRing q;
    TestPkts p = { };
    uint64_t le = cpu_to_le64((IOVA_BASE + RAM_DATA) | HGPU_PTE_VALID |
                              HGPU_PTE_SYSTEM);
    uint32_t status;

    open_behind_iommu(&g, &io);
    vm_init(&vm, &g, 3, 33);
    queue_open(&q, &vm, 1, HGPU_SDMA_CTX_RLC0, 0x10000000, 0);
    pkt_fill(&p, 0x10000000, 0, 4);
    ring_put(&q, &p);

    gpu_vram_write(&g, vm.root, &le, sizeof(le));
    gpu_flush_tlb(&g, 3);
    ring_kick(&q);
    ring_wait_exception(&q, HGPU_SDMA_EXCEPTION_FAULT);
    status = gpu_read(&g, HGPU_VM_L2_PROTECTION_FAULT_STATUS);
    g_assert_cmphex(status & HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR,
                    !=, 0);
    gpu_close(&g);
}

void hmm_gpu_add_iommu_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/iommu/" #name, name)
    ADD(dma_is_translated);
    ADD(interrupts_are_translated);
    ADD(scattered_pages_are_found);
    ADD(unmapped_iova_is_bus_error_of_one_context);
    ADD(hole_in_the_middle_is_found);
    ADD(read_only_iova_refuses_write);
    ADD(unmapped_again_is_bus_error);
    ADD(page_table_behind_hole_is_noretry_fault);
#undef ADD
}
