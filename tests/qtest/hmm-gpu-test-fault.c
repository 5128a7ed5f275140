/*
 * hmm-gpu qtest: user queues (SPEC 7.5), faults and replay (SPEC 4, 5)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-test.h"

#define VMID        3
#define PASID       0x1234
#define ENGINE      1
#define CTX         (HGPU_SDMA_CTX_RLC0 + 1)

/* What the process has where */
#define RING_VA     0x7f0000000000ull
#define SRC_VA      0x7f1234560000ull
#define DST_VA      0x00007ffff000ull   /* the next page has other tables */
#define HOLE_VA     0x123400000000ull
#define SRC_RAM     RAM_DATA
#define DST_RAM     (RAM_DATA + 0x100000)
#define LEN         (4 * 4096)

typedef struct UserTest {
    TestGpu g;
    TestVm vm;
    TestRing q;
    uint8_t data[LEN];
} UserTest;

static void open_user(UserTest *t)
{
    gpu_start(&t->g);
    vm_init(&t->vm, &t->g, VMID, PASID);
    queue_open(&t->q, &t->vm, ENGINE, CTX, RING_VA, 0);
    test_pattern(t->data, LEN, g_test_rand_int());
    gpu_ram_write(&t->g, SRC_RAM, t->data, LEN);
    qtest_memset(t->g.qts, DST_RAM, 0, LEN);
    vm_map(&t->vm, SRC_VA, SRC_RAM, LEN, PTE_RAM);
    gpu_flush_tlb(&t->g, VMID);
}

static void close_user(UserTest *t)
{
    gpu_close(&t->g);
}

static void submit_copy(UserTest *t)
{
    TestPkts p = { };

    pkt_copy(&p, SRC_VA, DST_VA, LEN);
    ring_submit(&t->q, &p);
}

static uint64_t fault_addr(UserTest *t)
{
    uint32_t lo = gpu_read(&t->g, ring_reg(&t->q, HGPU_SDMA_FAULT_ADDR_LO));
    uint32_t hi = gpu_read(&t->g, ring_reg(&t->q, HGPU_SDMA_FAULT_ADDR_HI));

    return (uint64_t)hi << 32 | lo;
}

/* The entry says what faulted; returns its data 1. */
static uint32_t expect_fault(UserTest *t, uint64_t va)
{
    struct hgpu_ih_entry e;
    uint64_t addr;

    gpu_ih_next(&t->g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__CLIENT_ID, e.dw[0]), ==,
                    HGPU_IH_CLIENTID_VMC);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_VM_FAULT);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__VMID, e.dw[0]), ==, VMID);
    g_assert_cmphex(e.dw[0] & HGPU_IH_DW0__VMID_SRC, !=, 0);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW3__PASID, e.dw[3]), ==, PASID);
    addr = (uint64_t)FIELD_GET(HGPU_IH_FAULT_DATA1__ADDR_HI, e.dw[5]) << 44 |
           (uint64_t)e.dw[4] << 12;
    g_assert_cmphex(addr, ==, va & ~(HGPU_PAGE_SIZE - 1));
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__ENGINE, e.dw[6]), ==,
                     ENGINE);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__CTX, e.dw[6]), ==,
                     t->q.ctx);
    return e.dw[5];
}

static void expect_retry_fault(UserTest *t, uint64_t va, bool write)
{
    uint32_t data1 = expect_fault(t, va);

    g_assert_cmphex(data1 & HGPU_IH_FAULT_DATA1__RETRY, !=, 0);
    g_assert_cmpint(!!(data1 & HGPU_IH_FAULT_DATA1__WRITE), ==, write);
    g_assert_cmphex(ring_status(&t->q) &
                    HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT, !=, 0);
    g_assert_cmphex(fault_addr(t), ==, va);
    g_assert_true(gpu_msix_taken(&t->g, HGPU_MSIX_VECTOR_IH));
}

/* ---- User queues ---- */

static void user_queue_copies_through_four_levels(void)
{
    UserTest t;

    open_user(&t);
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    submit_copy(&t);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    g_assert_cmphex(qtest_readq(t.g.qts, t.q.rptr_ram), ==, t.q.wptr);
    g_assert_true(gpu_ih_empty(&t.g));
    close_user(&t);
}

static void user_queue_reaches_vram(void)
{
    UserTest t;

    open_user(&t);
    vm_map(&t.vm, DST_VA, VRAM_DATA, LEN, PTE_VRAM);
    submit_copy(&t);
    ring_wait_idle(&t.q);
    gpu_assert_vram(&t.g, VRAM_DATA, t.data, LEN);
    close_user(&t);
}

/* VMID 0's addresses mean nothing to it. */
static void user_queue_cannot_reach_vmid0(void)
{
    UserTest t;
    TestPkts p = { };

    open_user(&t);
    pkt_copy(&p, SRC_VA, gpu_vram_va(VRAM_DATA), 64);
    ring_submit(&t.q, &p);
    ring_wait_status(&t.q, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT |
                     HGPU_SDMA_CONTEXT_STATUS__EXCEPTION);
    g_assert_cmphex(fault_addr(&t), ==, gpu_vram_va(VRAM_DATA));
    close_user(&t);
}

static void user_queue_cannot_write_registers(void)
{
    UserTest t;
    TestPkts p = { };

    open_user(&t);
    pkt_srbm_write(&p, HGPU_SCRATCH, 0xbad);
    ring_submit(&t.q, &p);
    ring_wait_exception(&t.q, HGPU_SDMA_EXCEPTION_PRIV);
    g_assert_cmphex(gpu_read(&t.g, HGPU_SCRATCH), ==, 0);
    close_user(&t);
}

/* ---- Retry faults ---- */

static void retry_fault_parks_reports_replays(void)
{
    static const uint8_t zeroes[LEN];
    UserTest t;

    open_user(&t);
    submit_copy(&t);
    expect_retry_fault(&t, DST_VA, true);
    gpu_assert_ram(&t.g, DST_RAM, zeroes, LEN);

    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    gpu_flush_tlb(&t.g, VMID);
    /* The flush does it, not the next interval. */
    GPU_WAIT_STILL(&t.g, ring_status(&t.q) & HGPU_SDMA_CONTEXT_STATUS__IDLE);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    g_assert_true(gpu_ih_empty(&t.g));
    close_user(&t);
}

/* Page by page: what came before the fault stays done. */
static void retry_fault_keeps_progress(void)
{
    UserTest t;
    int page;

    open_user(&t);
    submit_copy(&t);
    for (page = 0; page < LEN / 4096; page++) {
        uint32_t off = page * 4096;

        expect_retry_fault(&t, DST_VA + off, true);
        gpu_assert_ram(&t.g, DST_RAM, t.data, off);
        vm_map(&t.vm, DST_VA + off, DST_RAM + off, 4096, PTE_RAM);
        gpu_flush_tlb(&t.g, VMID);
    }
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    close_user(&t);
}

/* The source page comes from another place than before the fault. */
static void replay_uses_new_translation(void)
{
    UserTest t;
    TestPkts p = { };

    open_user(&t);
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    pkt_copy(&p, HOLE_VA, DST_VA, LEN);
    ring_submit(&t.q, &p);
    expect_retry_fault(&t, HOLE_VA, false);

    gpu_vram_write(&t.g, VRAM_DATA, t.data, LEN);
    vm_map(&t.vm, HOLE_VA, VRAM_DATA, LEN, PTE_VRAM);
    gpu_flush_tlb(&t.g, VMID);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    close_user(&t);
}

static void retry_fault_in_ring_fetch_replays(void)
{
    UserTest t;
    TestPkts p = { };

    open_user(&t);
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    vm_map(&t.vm, RING_VA, 0, RING_BYTES, 0);
    gpu_flush_tlb(&t.g, VMID);
    pkt_copy(&p, SRC_VA, DST_VA, LEN);
    ring_submit(&t.q, &p);
    expect_retry_fault(&t, RING_VA, false);
    vm_map(&t.vm, RING_VA, t.q.ram, RING_BYTES, PTE_RAM);
    gpu_flush_tlb(&t.g, VMID);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    close_user(&t);
}

static void retry_fault_reported_again_each_interval(void)
{
    const int64_t interval_ns = 1000 * SCALE_US;
    UserTest t;
    int i;

    open_user(&t);
    gpu_write(&t.g, HGPU_RETRY_INTERVAL, interval_ns / SCALE_US);
    submit_copy(&t);
    GPU_WAIT_STILL(&t.g, !gpu_ih_empty(&t.g));
    expect_retry_fault(&t, DST_VA, true);
    for (i = 0; i < 3; i++) {
        qtest_clock_step(t.g.qts, interval_ns / 2);
        ring_status(&t.q);
        g_assert_true(gpu_ih_empty(&t.g));
        qtest_clock_step(t.g.qts, interval_ns / 2 + 20 * SCALE_US);
        GPU_WAIT_STILL(&t.g, !gpu_ih_empty(&t.g));
        expect_retry_fault(&t, DST_VA, true);
    }
    close_user(&t);
}

/* Software never saw the report and flushed nothing: still it goes on. */
static void retry_fault_resolved_without_flush(void)
{
    UserTest t;

    open_user(&t);
    gpu_write(&t.g, HGPU_RETRY_INTERVAL, 1000);
    submit_copy(&t);
    ring_wait_status(&t.q, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    close_user(&t);
}

static void retry_fault_leaves_other_queues_running(void)
{
    UserTest t;
    TestRing other, kernel;
    TestPkts p = { };

    open_user(&t);
    queue_open(&other, &t.vm, ENGINE, CTX + 1, RING_VA + 0x100000, 1);
    ring_open(&kernel, &t.g, ENGINE, HGPU_SDMA_CTX_PAGE);
    submit_copy(&t);
    expect_retry_fault(&t, DST_VA, true);

    /* The same engine, both kinds of context: this resolves the fault. */
    pkt_copy(&p, SRC_VA, SRC_VA + 2 * 4096, 4096);
    ring_submit(&other, &p);
    ring_wait_idle(&other);
    p.n = 0;
    pkt_fence(&p, gpu_bind_ram(&t.g, RAM_FENCE, 4), 13);
    ring_submit(&kernel, &p);
    ring_wait_idle(&kernel);
    g_assert_cmphex(qtest_readl(t.g.qts, RAM_FENCE), ==, 13);
    g_assert_cmphex(ring_status(&t.q) &
                    HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT, !=, 0);
    close_user(&t);
}

static void write_to_read_only_page_is_retry_fault(void)
{
    UserTest t;
    struct hgpu_ih_entry e;

    open_user(&t);
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM & ~HGPU_PTE_WRITEABLE);
    submit_copy(&t);
    gpu_ih_next(&t.g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__RING_ID, e.dw[0]) &
                    (HGPU_IH_FAULT_RING__VALID | HGPU_IH_FAULT_RING__WRITE),
                    ==, HGPU_IH_FAULT_RING__WRITE);
    g_assert_cmphex(e.dw[5] & HGPU_IH_FAULT_DATA1__RETRY, !=, 0);
    g_assert_cmphex(e.dw[5] & HGPU_IH_FAULT_DATA1__WRITE, !=, 0);

    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    gpu_flush_tlb(&t.g, VMID);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    close_user(&t);
}

/* ---- No-retry faults ---- */

static void noretry_fault_halts_and_latches(void)
{
    UserTest t;
    TestRing other;
    TestPkts p = { };
    uint32_t data1, status;

    open_user(&t);
    queue_open(&other, &t.vm, ENGINE, CTX + 1, RING_VA + 0x100000, 1);
    vm_map(&t.vm, DST_VA, 0, LEN, HGPU_VM_NORETRY_FLAGS);
    gpu_flush_tlb(&t.g, VMID);
    submit_copy(&t);
    ring_wait_exception(&t.q, HGPU_SDMA_EXCEPTION_FAULT);
    data1 = expect_fault(&t, DST_VA);
    g_assert_cmphex(data1 & HGPU_IH_FAULT_DATA1__RETRY, ==, 0);
    g_assert_cmphex(data1 & HGPU_IH_FAULT_DATA1__WRITE, !=, 0);
    g_assert_cmphex(fault_addr(&t), ==, DST_VA);

    status = gpu_read(&t.g, HGPU_VM_L2_PROTECTION_FAULT_STATUS);
    g_assert_cmpuint(FIELD_GET(HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID,
                               status), ==, VMID);
    g_assert_cmphex(status & HGPU_VM_L2_PROTECTION_FAULT_STATUS__RW, !=, 0);
    g_assert_cmpuint(FIELD_GET(HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID,
                               status), ==, ENGINE << 4 | CTX);
    g_assert_cmphex(gpu_read(&t.g, HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32), ==,
                    (uint32_t)(DST_VA >> 12));

    /* Halted it stays, whatever is flushed; the others never noticed. */
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    gpu_flush_tlb(&t.g, VMID);
    pkt_copy(&p, SRC_VA, DST_VA, LEN);
    ring_submit(&other, &p);
    ring_wait_idle(&other);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    g_assert_cmphex(ring_exception(&t.q), ==, HGPU_SDMA_EXCEPTION_FAULT);

    gpu_write(&t.g, HGPU_VM_L2_PROTECTION_FAULT_CNTL, 1);
    g_assert_cmphex(gpu_read(&t.g, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==,
                    0);
    close_user(&t);
}

static void vm_context_off_is_noretry_fault(void)
{
    UserTest t;

    open_user(&t);
    gpu_write(&t.g, HGPU_VM_CONTEXT_CNTL(VMID), 0);
    gpu_flush_tlb(&t.g, VMID);
    submit_copy(&t);
    ring_wait_exception(&t.q, HGPU_SDMA_EXCEPTION_FAULT);
    close_user(&t);
}

/* ---- TLB ---- */

static void stale_translation_used_until_flushed(void)
{
    static const uint8_t zeroes[LEN];
    UserTest t;

    open_user(&t);
    vm_map(&t.vm, DST_VA, VRAM_DATA, LEN, PTE_VRAM);
    submit_copy(&t);
    ring_wait_idle(&t.q);

    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    /* Not by a flush for somebody else either */
    gpu_flush_tlb(&t.g, VMID + 1);
    submit_copy(&t);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, zeroes, LEN);

    gpu_flush_tlb(&t.g, VMID);
    submit_copy(&t);
    ring_wait_idle(&t.q);
    gpu_assert_ram(&t.g, DST_RAM, t.data, LEN);
    close_user(&t);
}

static void leaf_of_2m_translates(void)
{
    const uint64_t va = HOLE_VA;
    UserTest t;
    TestPkts p = { };
    uint64_t pde, le;
    uint32_t pdb2, pdb1;

    open_user(&t);
    /* Tables down to PDB0, whose entry is then made a leaf. */
    vm_set_pte(&t.vm, va, 0);
    gpu_vram_read(&t.g, t.vm.root + ((va >> 39) & 511) * 8, &le, 8);
    pdb2 = le64_to_cpu(le) & HGPU_PDE_ADDR;
    gpu_vram_read(&t.g, pdb2 + ((va >> 30) & 511) * 8, &le, 8);
    pdb1 = le64_to_cpu(le) & HGPU_PDE_ADDR;
    pde = 0x800000 | PTE_VRAM | HGPU_PDE_PTE;
    le = cpu_to_le64(pde);
    gpu_vram_write(&t.g, pdb1 + ((va >> 21) & 511) * 8, &le, 8);
    gpu_flush_tlb(&t.g, VMID);

    pkt_copy(&p, SRC_VA, va + 2 * MiB - LEN, LEN);
    ring_submit(&t.q, &p);
    ring_wait_idle(&t.q);
    gpu_assert_vram(&t.g, 0x800000 + 2 * MiB - LEN, t.data, LEN);
    close_user(&t);
}

/* ---- MAP and UNMAP ---- */

static void parked_queue_moves_to_other_engine(void)
{
    UserTest t;
    TestRing other;

    open_user(&t);
    vm_map(&t.vm, DST_VA, DST_RAM, 2 * 4096, PTE_RAM);
    submit_copy(&t);
    expect_retry_fault(&t, DST_VA + 2 * 4096, true);

    queue_cmd(&t.q, 0, HGPU_SDMA_HQD_CMD_UNMAP);
    g_assert_cmphex(ring_status(&t.q) &
                    (HGPU_SDMA_CONTEXT_STATUS__SELECTED |
                     HGPU_SDMA_CONTEXT_STATUS__PREEMPTED), ==,
                    HGPU_SDMA_CONTEXT_STATUS__PREEMPTED);
    vm_map(&t.vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    gpu_flush_tlb(&t.g, VMID);

    /* The half that was done is done: it is not copied again. */
    qtest_memset(t.g.qts, DST_RAM, 0x99, 4096);
    other = t.q;
    other.engine = 0;
    other.ctx = HGPU_SDMA_CTX_RLC0 + 7;
    queue_cmd(&other, 0, HGPU_SDMA_HQD_CMD_MAP);
    ring_wait_idle(&other);
    gpu_assert_ram(&t.g, DST_RAM + 4096, t.data + 4096, LEN - 4096);
    g_assert_cmphex(qtest_readb(t.g.qts, DST_RAM), ==, 0x99);
    close_user(&t);
}

static void mqd_outside_vram_refused(void)
{
    UserTest t;

    open_user(&t);
    queue_cmd(&t.q, 0, HGPU_SDMA_HQD_CMD_RESET);
    gpu_write(&t.g, ring_reg(&t.q, HGPU_SDMA_MQD_BASE_LO), 0);
    gpu_write(&t.g, ring_reg(&t.q, HGPU_SDMA_MQD_BASE_HI), 0);
    gpu_write(&t.g, ring_reg(&t.q, HGPU_SDMA_HQD_CMD),
              HGPU_SDMA_HQD_CMD_MAP);
    g_assert_cmphex(ring_exception(&t.q), ==, HGPU_SDMA_EXCEPTION_MQD);
    g_assert_cmphex(ring_status(&t.q) & HGPU_SDMA_CONTEXT_STATUS__SELECTED,
                    ==, 0);
    close_user(&t);
}

void hmm_gpu_add_fault_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/fault/" #name, name)
    ADD(user_queue_copies_through_four_levels);
    ADD(user_queue_reaches_vram);
    ADD(user_queue_cannot_reach_vmid0);
    ADD(user_queue_cannot_write_registers);
    ADD(retry_fault_parks_reports_replays);
    ADD(retry_fault_keeps_progress);
    ADD(replay_uses_new_translation);
    ADD(retry_fault_in_ring_fetch_replays);
    ADD(retry_fault_reported_again_each_interval);
    ADD(retry_fault_resolved_without_flush);
    ADD(retry_fault_leaves_other_queues_running);
    ADD(write_to_read_only_page_is_retry_fault);
    ADD(noretry_fault_halts_and_latches);
    ADD(vm_context_off_is_noretry_fault);
    ADD(stale_translation_used_until_flushed);
    ADD(leaf_of_2m_translates);
    ADD(parked_queue_moves_to_other_engine);
    ADD(mqd_outside_vram_refused);
#undef ADD
}
