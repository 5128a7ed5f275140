/*
 * hmm-gpu unit tests: faults, parked contexts, replay (SPEC 5).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define VMID        3u
#define SRC         UINT64_C(0x7f0000000000)
#define DST         UINT64_C(0x7f1000000000)
#define INTERVAL_NS UINT64_C(10000000)      /* the reset value */

static Rig *rig;
static RigQueue q;

static void setup(void)
{
    rig = rig_new();
    q = rig_user_queue(rig, 0, 0, VMID);
}

static void teardown(void)
{
    rig_free(rig);
}

/* A page of the process lives in RAM at RIG_DATA + its number in the range. */
static void map_src(uint64_t off)
{
    rig_map(rig, VMID, SRC + off, RIG_PTE_SYS | (RIG_DATA + off));
}

static void map_dst(uint64_t off)
{
    rig_map(rig, VMID, DST + off, RIG_PTE | (RIG_VDATA + off));
}

static void map_both(uint64_t bytes)
{
    for (uint64_t off = 0; off < bytes; off += HGPU_PAGE_SIZE) {
        map_src(off);
        map_dst(off);
    }
}

static void flush(void)
{
    rig_flush(rig, BIT(VMID));
    rig_run(rig);
}

static uint32_t status(void)
{
    return rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS);
}

static uint64_t fault_addr(void)
{
    return rig_ctx_rd(&q, HGPU_SDMA_FAULT_ADDR_LO) |
           (uint64_t)rig_ctx_rd(&q, HGPU_SDMA_FAULT_ADDR_HI) << 32;
}

static void parked_at(uint64_t addr)
{
    g_assert_true(status() & HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    g_assert_false(status() & HGPU_SDMA_CONTEXT_STATUS__IDLE);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_NONE);
    g_assert_cmphex(fault_addr(), ==, addr);
    g_assert_false(rig->scheduled);
}

static void finished(void)
{
    g_assert_cmphex(status(), ==, HGPU_SDMA_CONTEXT_STATUS__SELECTED |
                    HGPU_SDMA_CONTEXT_STATUS__IDLE);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, q.wptr);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, q.wptr);
    rig_expect_none(rig);
}

/* ---- Retry faults ---- */

static void read_fault_is_reported_in_full(void)
{
    RigIrq irq;

    map_dst(0);
    rig->now += 77770;
    PUT(&q, COPY(SRC + 0x123, DST, 64));
    rig_go(&q);
    parked_at(SRC + 0x123);
    g_assert_cmpuint(rig->irqs, ==, 1);
    irq = rig_expect_fault(rig, true, SRC);
    g_assert_cmpuint(irq.vmid, ==, VMID);
    g_assert_cmphex(irq.pasid, ==, RIG_PASID(VMID));
    g_assert_cmphex(irq.ring, ==, HGPU_IH_FAULT_RING__VALID);
    g_assert_false(irq.data[1] & HGPU_IH_FAULT_DATA1__WRITE);
    g_assert_cmpuint(irq.time, ==, 7777);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__ENGINE, irq.data[2]), ==,
                     0);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__CTX, irq.data[2]), ==,
                     q.ctx);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
    rig_expect_none(rig);
}

static void write_fault_says_so(void)
{
    map_src(0);
    PUT(&q, COPY(SRC, DST + 0x40, 64));
    rig_go(&q);
    parked_at(DST + 0x40);
    g_assert_true(rig_expect_fault(rig, true, DST).data[1] &
                  HGPU_IH_FAULT_DATA1__WRITE);
}

static void highest_address_bits_are_reported(void)
{
    const uint64_t va = UINT64_C(0xfedcba987000);

    PUT(&q, FENCE(va, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, va);
}

static void write_to_read_only_page_is_permission_fault(void)
{
    RigIrq irq;

    rig_map(rig, VMID, DST, HGPU_PTE_VALID | HGPU_PTE_READABLE | RIG_VDATA);
    PUT(&q, FENCE(DST, 0x42));
    rig_go(&q);
    parked_at(DST);
    irq = rig_expect_fault(rig, true, DST);
    g_assert_cmphex(irq.ring, ==, HGPU_IH_FAULT_RING__WRITE);
    map_dst(0);
    flush();
    finished();
}

static void resolved_fault_goes_on_after_flush(void)
{
    map_dst(0);
    rig_pattern(rig->ram + RIG_DATA, 4096, 5);
    PUT(&q, COPY(SRC, DST, 4096), FENCE(DST, 0x1234));
    rig_go(&q);
    rig_expect_fault(rig, true, SRC);
    map_src(0);
    g_assert_false(rig->scheduled);     /* nobody told it yet */
    flush();
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA) & 0xffffffff, ==, 0x1234);
    g_assert_cmpmem(rig->vram + RIG_VDATA + 4, 4092,
                    rig->ram + RIG_DATA + 4, 4092);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_FAULT_REPLAYED], ==, 1);
    finished();
}

static void each_page_faults_in_turn_and_none_is_lost(void)
{
    const uint32_t pages = 9;

    rig_pattern(rig->ram + RIG_DATA, pages * 4096, 6);
    PUT(&q, COPY(SRC + 5, DST + 9, (pages - 1) * 4096));
    rig_go(&q);
    for (uint32_t i = 0; i < 2 * pages; i++) {
        uint64_t at = fault_addr();

        if (!(status() & HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT)) {
            break;
        }
        rig_expect_fault(rig, true, at);
        rig_expect_none(rig);
        if (at >= DST) {
            map_dst((at - DST) & ~UINT64_C(4095));
        } else {
            map_src((at - SRC) & ~UINT64_C(4095));
        }
        flush();
    }
    g_assert_true(rig_is_pattern(rig->ram + RIG_DATA, pages * 4096, 6));
    g_assert_cmpmem(rig->vram + RIG_VDATA + 9, (pages - 1) * 4096,
                    rig->ram + RIG_DATA + 5, (pages - 1) * 4096);
    g_assert_cmpuint(rig->gpu.stats.retry_faults, ==, 2 * pages);
    finished();
}

/* What was copied before the fault is not copied again. */
static void resume_is_page_granular(void)
{
    map_both(8 * 4096);
    rig_map(rig, VMID, DST + 5 * 4096, 0);
    rig_pattern(rig->ram + RIG_DATA, 8 * 4096, 7);
    PUT(&q, COPY(SRC, DST, 8 * 4096));
    rig_go(&q);
    parked_at(DST + 5 * 4096);
    g_assert_cmpuint(rig_ctx(&q)->progress, ==, 5 * 4096);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, 5 * 4096, 7));
    memset(rig->vram + RIG_VDATA, 0xcc, 5 * 4096);
    map_dst(5 * 4096);
    flush();
    for (uint32_t i = 0; i < 5 * 4096; i++) {
        g_assert_cmphex(rig->vram[RIG_VDATA + i], ==, 0xcc);
    }
    g_assert_cmpmem(rig->vram + RIG_VDATA + 5 * 4096, 3 * 4096,
                    rig->ram + RIG_DATA + 5 * 4096, 3 * 4096);
}

static void unresolved_fault_is_reported_every_interval(void)
{
    RigIrq first, again;

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    first = rig_expect_fault(rig, true, DST);
    rig_pass(rig, INTERVAL_NS - 1);
    rig_expect_none(rig);
    rig_pass(rig, 1);
    again = rig_expect_fault(rig, true, DST);
    g_assert_cmpuint(again.time - first.time, ==, INTERVAL_NS / 10);
    for (uint32_t i = 0; i < 5; i++) {
        rig_pass(rig, INTERVAL_NS);
        rig_expect_fault(rig, true, DST);
        rig_expect_none(rig);
    }
    g_assert_cmpuint(rig->gpu.stats.retry_faults, ==, 1);
    g_assert_cmpuint(rig->traced[HGPU_TRACE_FAULT_AGAIN], ==, 6);
}

static void retry_interval_register_sets_the_pace(void)
{
    rig_wr(rig, HGPU_RETRY_INTERVAL, 250);
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    rig_pass(rig, 249999);
    rig_expect_none(rig);
    rig_pass(rig, 1);
    rig_expect_fault(rig, true, DST);
}

/* A report that nobody acted on, and no flush: it must not hang. */
static void interval_walks_again_before_it_reports(void)
{
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    map_dst(0);
    rig_pass(rig, INTERVAL_NS);
    rig_expect_none(rig);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
    finished();
}

static void report_lost_in_full_ring_does_not_hang(void)
{
    rig_setup_ih(rig, (RIG_IH_CNTL & ~HGPU_IH_RB_CNTL__RB_ENABLE));
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    parked_at(DST);
    rig_setup_ih(rig, RIG_IH_CNTL);
    rig_pass(rig, INTERVAL_NS);
    rig_expect_fault(rig, true, DST);
    map_dst(0);
    flush();
    finished();
}

static void flush_of_other_vmid_replays_nothing(void)
{
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    map_dst(0);
    rig_flush(rig, 0xffff & ~BIT(VMID));
    rig_run(rig);
    parked_at(DST);
    flush();
    finished();
}

static void flush_without_resolution_makes_no_noise(void)
{
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    for (uint32_t i = 0; i < 10; i++) {
        flush();
        parked_at(DST);
    }
    rig_expect_none(rig);
    rig_pass(rig, INTERVAL_NS);
    rig_expect_fault(rig, true, DST);
}

static void retry_may_become_noretry(void)
{
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    rig_map(rig, VMID, DST, HGPU_VM_NORETRY_FLAGS);
    flush();
    rig_expect_fault(rig, false, DST);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_FAULT);
    rig_pass(rig, 10 * INTERVAL_NS);
    rig_expect_none(rig);
}

/* ---- Every access of every packet ---- */

typedef struct Access {
    const char *name;
    uint32_t packet[10];
    uint32_t n;
    uint64_t va;            /* the page that is missing at first */
    uint64_t pte;           /* and what it becomes */
} Access;

#define PAGE_RAM    (RIG_PTE_SYS | (RIG_DATA + 0x100000))
#define PAGE_VRAM   (RIG_PTE | (RIG_VDATA + 0x100000))

static void every_packet_can_be_replayed(void)
{
    const Access cases[] = {
        { "copy src", { COPY(SRC, DST, 100) }, 7, SRC, PAGE_RAM },
        { "copy dst", { COPY(SRC, DST, 100) }, 7, DST, PAGE_VRAM },
        { "copy dst2", { HDR(COPY, 0) | BIT(27), 99, 0, LOHI(SRC), LOHI(DST),
          LOHI(DST + 0x5000) }, 9, DST + 0x5000, PAGE_RAM },
        { "write", { HDR(WRITE, 0), LOHI(DST), 1, 7, 8 }, 6, DST, PAGE_RAM },
        { "fill", { FILL32(DST, 7, 64) }, 5, DST, PAGE_VRAM },
        { "fence", { FENCE(DST, 7) }, 4, DST, PAGE_RAM },
        { "poll", { HDR(POLL_REGMEM, 0) | BIT(31), LOHI(SRC), 0, 0, 0 }, 6,
          SRC, PAGE_RAM },
        { "cond_exe", { HDR(COND_EXE, 0), LOHI(SRC), 0, 0 }, 5, SRC,
          PAGE_RAM },
        { "atomic", { HDR(ATOMIC, 0) | 0x0fu << 25, LOHI(DST), 1, 0, 0, 0,
          0 }, 8, DST, PAGE_RAM },
        { "gen", { HDR(PTEPDE, 0), LOHI(DST), 0, 0, 1, 0, 1, 0, 9 }, 10, DST,
          PAGE_RAM },
        { "pte copy src", { HDR(PTEPDE, 1), LOHI(SRC), LOHI(DST), 0, 0, 9 },
          8, SRC, PAGE_RAM },
        { "pte copy dst", { HDR(PTEPDE, 1), LOHI(SRC), LOHI(DST), 0, 0, 9 },
          8, DST, PAGE_VRAM },
        { "rmw", { HDR(PTEPDE, 2), LOHI(DST), 1, 0, 1, 0 }, 7, DST,
          PAGE_RAM },
        { "timestamp", { HDR(TIMESTAMP, 1), LOHI(DST) }, 3, DST, PAGE_RAM },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Access *a = &cases[i];

        setup();
        map_both(6 * 4096);
        rig_map(rig, VMID, a->va, 0);
        rig_put(&q, a->packet, a->n);
        rig_go(&q);
        if (fault_addr() != a->va) {
            g_error("%s: 0x%" PRIx64, a->name, fault_addr());
        }
        parked_at(a->va);
        rig_expect_fault(rig, true, a->va);
        rig_map(rig, VMID, a->va, a->pte);
        flush();
        finished();
        teardown();
    }
}

static void write_payload_is_replayed_from_where_it_was(void)
{
    const uint32_t n = 2500;

    map_dst(0);
    PUT(&q, HDR(WRITE, 0), LOHI(DST + 0xff0), n - 1);
    for (uint32_t i = 0; i < n; i++) {
        PUT(&q, i);
    }
    rig_go(&q);
    parked_at(DST + 0x1000);
    g_assert_cmpuint(rig_ctx(&q)->progress, ==, 16);
    map_dst(0x1000);
    flush();
    parked_at(DST + 0x2000);
    map_dst(0x2000);
    map_dst(0x3000);
    flush();
    for (uint32_t i = 0; i < n; i++) {
        uint32_t val;

        memcpy(&val, rig->vram + RIG_VDATA + 0xff0 + i * 4, 4);
        g_assert_cmpuint(GUINT32_FROM_LE(val), ==, i);
    }
    rig_expect_fault(rig, true, DST + 0x1000);
    rig_expect_fault(rig, true, DST + 0x2000);
    finished();
}

static void ring_fetch_fault_is_replayed(void)
{
    uint64_t page = q.va + HGPU_PAGE_SIZE;
    const uint32_t fence[] = { FENCE(DST, 0x31) };

    map_dst(0);
    rig_map(rig, VMID, page, 0);
    flush();
    /* two dwords of the fence lie in the first page, two in the second */
    PUT(&q, HDR(NOP, 0) |
        FIELD_PREP(HGPU_SDMA_PKT_NOP_HEADER__COUNT, 1024 - 3));
    q.wptr += (1024 - 3) * 4;
    rig_put(&q, fence, 4);
    rig_go(&q);
    parked_at(page);
    rig_expect_fault(rig, true, page);
    g_assert_cmpuint(rig_ctx(&q)->pkt_len, ==, 2);
    /* read once: what was fetched does not change any more */
    rig_ram_set32(rig, q.ram + 4096 - 8, 0xffffffff);
    rig_map(rig, VMID, page, RIG_PTE_SYS | (q.ram + HGPU_PAGE_SIZE));
    flush();
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0x31);
    finished();
}

static void ib_fetch_fault_is_replayed(void)
{
    const uint32_t ib[] = { FENCE(DST, 0x77) };

    map_dst(0);
    PUT(&q, INDIRECT(0, SRC, G_N_ELEMENTS(ib)), FENCE(DST + 4, 0x88));
    rig_go(&q);
    parked_at(SRC);
    rig_expect_fault(rig, true, SRC);
    memcpy(rig->ram + RIG_DATA, ib, sizeof(ib));
    map_src(0);
    flush();
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==,
                    UINT64_C(0x0000008800000077));
    finished();
}

static void rptr_write_back_fault_is_replayed(void)
{
    uint64_t page = q.rptr_va & ~(HGPU_PAGE_SIZE - 1);

    map_dst(0);
    rig_map(rig, VMID, page, 0);
    flush();
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
    parked_at(q.rptr_va);
    rig_expect_fault(rig, true, page);
    rig_map(rig, VMID, page, RIG_PTE_SYS | (q.rptr_ram & ~UINT64_C(4095)));
    flush();
    finished();
}

static void trap_waits_for_its_rptr(void)
{
    uint64_t page = q.rptr_va & ~(HGPU_PAGE_SIZE - 1);

    rig_map(rig, VMID, page, 0);
    flush();
    PUT(&q, TRAP(5));
    rig_go(&q);
    rig_expect_fault(rig, true, page);
    rig_expect_none(rig);
    rig_map(rig, VMID, page, RIG_PTE_SYS | (q.rptr_ram & ~UINT64_C(4095)));
    flush();
    g_assert_cmpuint(rig_expect(rig, HGPU_IH_CLIENTID_SDMA0,
                                HGPU_SRCID_SDMA_TRAP).data[0], ==, 5);
    finished();
}

/* ---- Who waits, who does not ---- */

static void parked_queue_holds_up_nobody(void)
{
    RigQueue same = rig_user_queue(rig, 0, 1, VMID);
    RigQueue other = rig_user_queue(rig, 0, 2, VMID + 1);
    RigQueue gfx = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    map_dst(0x1000);
    rig_map(rig, VMID + 1, DST, RIG_PTE | (RIG_VDATA + 0x2000));
    PUT(&same, FENCE(DST + 0x1000, 2));
    PUT(&other, FENCE(DST, 3));
    PUT(&gfx, FENCE(RIG_FB + RIG_VDATA + 0x3000, 4));
    rig_go(&same);
    rig_go(&other);
    rig_go(&gfx);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0x1000), ==, 2);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0x2000), ==, 3);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0x3000), ==, 4);
    parked_at(DST);
}

/* The migration ring writes the PTE and flushes: all from SRBM_WRITE. */
static void kernel_ring_resolves_the_fault(void)
{
    RigQueue gfx = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    uint64_t slot = RIG_FB + rig_entry(rig, VMID, DST, HGPU_VM_PTB);

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    PUT(&gfx, HDR(PTEPDE, 0), LOHI(slot), LOHI(RIG_PTE), LOHI(RIG_VDATA), 0,
        0, 0, HDR(SRBM_WRITE, 0) | 0xf0000000,
        HGPU_VM_INVALIDATE_ENG_REQ(2) / 4, BIT(VMID));
    rig_go(&gfx);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
    finished();
}

static void all_parked_queues_of_a_vmid_are_replayed(void)
{
    RigQueue queues[HGPU_SDMA_RLC_QUEUES];

    for (uint32_t i = 0; i < G_N_ELEMENTS(queues); i++) {
        queues[i] = rig_user_queue(rig, 1, i, VMID);
        PUT(&queues[i], FENCE(DST + i * 0x1000, i + 1));
        rig_go(&queues[i]);
        rig_expect_fault(rig, true, DST + i * 0x1000);
    }
    for (uint32_t i = 0; i < G_N_ELEMENTS(queues); i++) {
        map_dst(i * 0x1000);
    }
    flush();
    for (uint32_t i = 0; i < G_N_ELEMENTS(queues); i++) {
        g_assert_cmphex(rig_vram64(rig, RIG_VDATA + i * 0x1000), ==, i + 1);
    }
    rig_expect_none(rig);
}

static void unhalted_engine_walks_again(void)
{
    uint32_t f32 = HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL;

    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    rig_wr(rig, f32, HGPU_SDMA_F32_CNTL__HALT);
    map_dst(0);
    flush();
    rig_pass(rig, 3 * INTERVAL_NS);
    rig_expect_none(rig);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0);
    rig_wr(rig, f32, 0);
    rig_run(rig);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
    finished();
}

static void disabled_queue_forgets_its_fault(void)
{
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, DST);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    g_assert_cmpuint(rig->timer, ==, 0);
    rig_pass(rig, 3 * INTERVAL_NS);
    rig_expect_none(rig);
}

static void fault_in_an_ib_of_a_process_names_that_process(void)
{
    RigQueue gfx = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
    const uint32_t ib[] = { FENCE(DST, 0x77) };

    memcpy(rig->ram + RIG_DATA, ib, sizeof(ib));
    map_src(0);
    PUT(&gfx, INDIRECT(VMID, SRC, G_N_ELEMENTS(ib)));
    rig_go(&gfx);
    g_assert_cmpuint(rig_expect_fault(rig, true, DST).vmid, ==, VMID);
    map_dst(0);
    rig_flush(rig, 1);      /* the ring's own VMID: not this fault's */
    rig_run(rig);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0);
    flush();
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0x77);
}

/* ---- No-retry ---- */

static void noretry_fault_halts_and_latches(void)
{
    uint32_t s;

    PUT(&q, COPY(SRC, BIT_ULL(50) | 0x1234567, 64));
    map_src(0);
    rig_go(&q);
    rig_expect_fault(rig, false, 0x1234567);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_FAULT);
    g_assert_cmphex(fault_addr(), ==, BIT_ULL(50) | 0x1234567);
    s = rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS);
    g_assert_cmpuint(FIELD_GET(
        HGPU_VM_L2_PROTECTION_FAULT_STATUS__WALKER_ERROR, s), ==, 1);
    g_assert_cmpuint(FIELD_GET(HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID, s),
                     ==, VMID);
    g_assert_cmpuint(FIELD_GET(HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID, s),
                     ==, q.ctx);
    g_assert_true(s & HGPU_VM_L2_PROTECTION_FAULT_STATUS__RW);
    g_assert_false(s & HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS);
    rig_pass(rig, 5 * INTERVAL_NS);
    flush();
    rig_expect_none(rig);
}

static void first_noretry_fault_stays_latched(void)
{
    RigQueue p = rig_user_queue(rig, 1, 5, VMID + 1);
    const uint64_t page = UINT64_C(0x654321000);
    uint32_t s;

    rig_vm(rig, VMID, RIG_VM_NORETRY);
    rig_vm(rig, VMID + 1, RIG_VM_NORETRY);
    PUT(&p, HDR(ATOMIC, 0) | 0x0fu << 25, LOHI(page), 0, 0, 0, 0, 0);
    rig_go(&p);
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, page);
    rig_expect_fault(rig, false, DST);
    s = rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS);
    g_assert_true(s & HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS);
    g_assert_true(s & HGPU_VM_L2_PROTECTION_FAULT_STATUS__ATOMIC);
    g_assert_cmpuint(FIELD_GET(
        HGPU_VM_L2_PROTECTION_FAULT_STATUS__PERMISSION_FAULTS, s), ==, 1);
    g_assert_cmpuint(FIELD_GET(HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID, s),
                     ==, VMID + 1);
    g_assert_cmpuint(FIELD_GET(HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID, s),
                     ==, 1 << 4 | p.ctx);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32), ==,
                    LO(page >> 12));
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_ADDR_HI32), ==,
                    HI(page >> 12));
    /* both ways to clear it */
    rig_wr(rig, HGPU_VM_L2_PROTECTION_FAULT_CNTL, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, s);
    rig_wr(rig, HGPU_VM_L2_PROTECTION_FAULT_CNTL, 1);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32), ==,
                    0);
    rig->gpu.s.fault_status = s;
    rig_wr(rig, HGPU_VM_INVALIDATE_ENG_REQ(0), BIT(23));
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
}

static void halted_queue_halts_nobody_else(void)
{
    RigQueue other = rig_user_queue(rig, 0, 1, VMID);

    PUT(&q, FENCE(BIT_ULL(60), 1), FENCE(DST, 9));
    rig_go(&q);
    map_dst(0);
    PUT(&other, FENCE(DST + 4, 2));
    rig_go(&other);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, UINT64_C(2) << 32);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_FAULT);
    /* a doorbell does not wake it */
    PUT(&q, HDR(NOP, 0));
    rig_go(&q);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, 0);
}

static void kernel_fault_is_noretry(void)
{
    RigQueue gfx = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);

    PUT(&gfx, FENCE(0x1000, 1));
    rig_go(&gfx);
    g_assert_cmpuint(rig_expect_fault(rig, false, 0x1000).vmid, ==, 0);
    g_assert_cmpuint(rig_exception(&gfx), ==, HGPU_SDMA_EXCEPTION_FAULT);
}

static void unreadable_table_halts_with_mapping_error(void)
{
    rig_vram_set64(rig, rig_entry(rig, VMID, DST, HGPU_VM_PDB0),
                   HGPU_PTE_VALID | HGPU_PTE_SYSTEM | RIG_RAM_SIZE);
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, DST);
    g_assert_true(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS) &
                  HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR);
}

/* A process cannot name memory of another: only what its tables say. */
static void queue_reaches_only_its_own_memory(void)
{
    rig_vm(rig, VMID + 1, RIG_VM_RETRY);
    rig_map(rig, VMID + 1, DST, RIG_PTE | RIG_VDATA);
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    parked_at(DST);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0);
}

/* The driver asks for retries, as always; there are none to be had. */
static void without_xnack_every_fault_halts(void)
{
    HgpuConfig config = rig_config;

    config.xnack = false;
    rig = rig_new_like(&config);
    rig_setup(rig);
    q = rig_user_queue(rig, 0, 0, VMID);
    PUT(&q, FENCE(DST, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, DST);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_FAULT);
    g_assert_cmphex(fault_addr(), ==, DST);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) \
    g_test_add_vtable("/faults/" #name, 0, NULL, (GTestFixtureFunc)setup, \
                      (GTestFixtureFunc)name, (GTestFixtureFunc)teardown)
    TEST(read_fault_is_reported_in_full);
    TEST(write_fault_says_so);
    TEST(highest_address_bits_are_reported);
    TEST(write_to_read_only_page_is_permission_fault);
    TEST(resolved_fault_goes_on_after_flush);
    TEST(each_page_faults_in_turn_and_none_is_lost);
    TEST(resume_is_page_granular);
    TEST(unresolved_fault_is_reported_every_interval);
    TEST(retry_interval_register_sets_the_pace);
    TEST(interval_walks_again_before_it_reports);
    TEST(report_lost_in_full_ring_does_not_hang);
    TEST(flush_of_other_vmid_replays_nothing);
    TEST(flush_without_resolution_makes_no_noise);
    TEST(retry_may_become_noretry);
    g_test_add_func("/faults/every_packet_can_be_replayed",
                    every_packet_can_be_replayed);
    TEST(write_payload_is_replayed_from_where_it_was);
    TEST(ring_fetch_fault_is_replayed);
    TEST(ib_fetch_fault_is_replayed);
    TEST(rptr_write_back_fault_is_replayed);
    TEST(trap_waits_for_its_rptr);
    TEST(parked_queue_holds_up_nobody);
    TEST(kernel_ring_resolves_the_fault);
    TEST(all_parked_queues_of_a_vmid_are_replayed);
    TEST(unhalted_engine_walks_again);
    TEST(disabled_queue_forgets_its_fault);
    TEST(fault_in_an_ib_of_a_process_names_that_process);
    TEST(noretry_fault_halts_and_latches);
    TEST(first_noretry_fault_stays_latched);
    TEST(halted_queue_halts_nobody_else);
    TEST(kernel_fault_is_noretry);
    TEST(unreadable_table_halts_with_mapping_error);
    TEST(queue_reaches_only_its_own_memory);
    g_test_add_func("/faults/without_xnack_every_fault_halts",
                    without_xnack_every_fault_halts);
    return g_test_run();
}
