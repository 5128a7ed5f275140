/*
 * hmm-gpu qtest: saving to a file and loading (SPEC 8)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "qobject/qdict.h"
#include "hmm-gpu-test.h"

#define VMID        3
#define RING_VA     0x10000000ull
#define SRC_VA      0x20000000ull
#define DST_VA      0x30000000ull
#define SRC_RAM     RAM_DATA
#define DST_RAM     (RAM_DATA + 32 * MiB)
#define LEN         (4 * 4096)

typedef struct SavedState {
    char *dir;
    char *file;
    char *uri;
} SavedState;

static void saved_init(SavedState *s)
{
    s->dir = g_dir_make_tmp("hmm-gpu-test-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    s->file = g_build_filename(s->dir, "state", NULL);
    s->uri = g_strdup_printf("file:%s", s->file);
}

static void saved_free(SavedState *s)
{
    unlink(s->file);
    rmdir(s->dir);
    g_free(s->uri);
    g_free(s->file);
    g_free(s->dir);
}

/* Waits until a migration has ended; true if it went well. */
static bool migration_ended_well(QTestState *qts)
{
    int64_t end = gpu_deadline();

    while (g_get_monotonic_time() < end) {
        QDict *rsp = qtest_qmp(qts, "{'execute': 'query-migrate'}");
        const char *status = qdict_get_try_str(qdict_get_qdict(rsp, "return"),
                                               "status");
        bool done = !g_strcmp0(status, "completed");
        bool failed = !g_strcmp0(status, "failed");

        qobject_unref(rsp);
        if (done || failed) {
            return done;
        }
        g_usleep(2000);
    }
    g_assert_not_reached();
}

static void save(TestGpu *g, SavedState *s)
{
    saved_init(s);
    qtest_qmp_assert_success(g->qts, "{'execute': 'migrate', "
                             "'arguments': {'uri': %s}}", s->uri);
    g_assert_true(migration_ended_well(g->qts));
}

/* A machine with @device that has tried to load; false if it refused to. */
static bool try_load(SavedState *s, const char *device, QTestState **qts)
{
    g_autofree char *machine = gpu_machine_args();

    *qts = qtest_initf("%s -device %s -incoming defer", machine, device);
    qtest_qmp_assert_success(*qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s, "
                             "'exit-on-error': false}}", s->uri);
    return migration_ended_well(*qts);
}

/*
 * @g goes on in another QEMU. Its virtual clock starts at 0 again, which is
 * none of the guest's business.
 */
static void move(TestGpu *g)
{
    SavedState s;
    QTestState *qts;
    QPCIDevice *dev;

    save(g, &s);
    g_assert_true(try_load(&s, GPU_ARGS, &qts));
    saved_free(&s);

    qtest_quit(g->qts);
    qpci_free_pc(g->bus);
    g->qts = qts;
    g->bus = qpci_new_pc(qts, NULL);
    dev = qpci_device_find(g->bus, g->dev->devfn);
    g_assert_nonnull(dev);
    dev->msix_enabled = g->dev->msix_enabled;
    dev->msix_table_bar = g->dev->msix_table_bar;
    dev->msix_pba_bar = g->dev->msix_pba_bar;
    dev->msix_table_off = g->dev->msix_table_off;
    dev->msix_pba_off = g->dev->msix_pba_off;
    g_free(g->dev);
    g->dev = dev;
}

static void idle_gpu_keeps_everything(void)
{
    uint8_t data[4096];
    TestGpu g;
    uint32_t ih, base;

    gpu_start(&g);
    gpu_check_works(&g);
    test_pattern(data, sizeof(data), 30);
    gpu_vram_write(&g, GPU_VRAM_SIZE - sizeof(data), data, sizeof(data));
    gpu_write(&g, HGPU_SCRATCH, 0x13579bdf);
    gpu_write(&g, HGPU_IH_VMID_LUT(9), 0x999);
    ih = gpu_read(&g, HGPU_IH_RB_CNTL);
    base = gpu_read(&g, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0));

    move(&g);
    g_assert_cmphex(gpu_read(&g, HGPU_SCRATCH), ==, 0x13579bdf);
    g_assert_cmphex(gpu_read(&g, HGPU_IH_VMID_LUT(9)), ==, 0x999);
    g_assert_cmphex(gpu_read(&g, HGPU_IH_RB_CNTL), ==, ih);
    g_assert_cmphex(gpu_read(&g,
                             HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0)),
                    ==, base);
    gpu_assert_vram(&g, GPU_VRAM_SIZE - sizeof(data), data, sizeof(data));
    gpu_check_works(&g);
    gpu_close(&g);
}

static void gpu_clock_goes_on(void)
{
    TestGpu g;
    uint32_t before, after;

    gpu_start(&g);
    qtest_clock_step(g.qts, 500 * SCALE_MS);
    before = gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB);
    move(&g);
    after = gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB);
    g_assert_cmpuint(after, >=, before);
    qtest_clock_step(g.qts, 1 * SCALE_MS);
    g_assert_cmpuint(gpu_read(&g, HGPU_RLC_GPU_CLOCK_COUNT_LSB) - after, ==,
                     HGPU_GPU_CLOCK_HZ / 1000);
    gpu_close(&g);
}

/* ---- In the middle of things ---- */

static void parked_fault_goes_on_after_load(void)
{
    uint8_t data[LEN];
    TestGpu g;
    TestVm vm;
    TestRing q;
    TestPkts p = { };

    gpu_start(&g);
    vm_init(&vm, &g, VMID, 0x33);
    queue_open(&q, &vm, 1, HGPU_SDMA_CTX_RLC0, RING_VA, 0);
    test_pattern(data, LEN, 31);
    gpu_ram_write(&g, SRC_RAM, data, LEN);
    vm_map(&vm, SRC_VA, SRC_RAM, LEN, PTE_RAM);
    vm_map(&vm, DST_VA, DST_RAM, 2 * 4096, PTE_RAM);
    gpu_flush_tlb(&g, VMID);

    /* Two pages done, parked before the third */
    pkt_copy(&p, SRC_VA, DST_VA, LEN);
    ring_submit(&q, &p);
    ring_wait_status(&q, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    gpu_ih_drain(&g);
    qtest_memset(g.qts, DST_RAM, 0x99, 4096);

    move(&g);
    g_assert_cmphex(ring_status(&q) & HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, ==,
                    0);
    g_assert_cmphex(gpu_read(&g, ring_reg(&q, HGPU_SDMA_FAULT_ADDR_LO)), ==,
                    DST_VA + 2 * 4096);
    vm_map(&vm, DST_VA, DST_RAM, LEN, PTE_RAM);
    gpu_flush_tlb(&g, VMID);
    ring_wait_idle(&q);
    /* It went on where it was: the first pages were not copied again. */
    g_assert_cmphex(qtest_readb(g.qts, DST_RAM), ==, 0x99);
    gpu_assert_ram(&g, DST_RAM + 4096, data + 4096, LEN - 4096);
    gpu_close(&g);
}

/* The interval goes on too, counted on the new clock. */
static void parked_fault_reported_again_after_load(void)
{
    const int64_t interval_ns = 100 * SCALE_MS;
    TestGpu g;
    TestVm vm;
    TestRing q;
    TestPkts p = { };
    struct hgpu_ih_entry e;

    gpu_start(&g);
    vm_init(&vm, &g, VMID, 0x33);
    queue_open(&q, &vm, 1, HGPU_SDMA_CTX_RLC0, RING_VA, 0);
    gpu_write(&g, HGPU_RETRY_INTERVAL, interval_ns / SCALE_US);
    qtest_clock_step(g.qts, 77 * NANOSECONDS_PER_SECOND);
    pkt_fill(&p, DST_VA, 0x12121212, 4096);
    ring_submit(&q, &p);
    ring_wait_status(&q, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    gpu_ih_drain(&g);
    gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH);

    move(&g);
    ring_status(&q);
    g_assert_true(gpu_ih_empty(&g));
    qtest_clock_step(g.qts, interval_ns + 1 * SCALE_MS);
    GPU_WAIT_STILL(&g, !gpu_ih_empty(&g));
    gpu_ih_next(&g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__CLIENT_ID, e.dw[0]), ==,
                    HGPU_IH_CLIENTID_VMC);
    g_assert_cmphex(e.dw[4], ==, DST_VA >> 12);
    g_assert_true(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));

    /* Resolved, but nobody flushes: the next walk finds it. */
    vm_map(&vm, DST_VA, DST_RAM, 4096, PTE_RAM);
    ring_wait_idle(&q);
    g_assert_cmphex(qtest_readl(g.qts, DST_RAM), ==, 0x12121212);
    gpu_close(&g);
}

static void big_copy_goes_on_after_load(void)
{
    const uint32_t each = HGPU_SDMA_COPY_MAX_BYTES, n = 4;
    g_autofree uint8_t *data = g_malloc(each * n);
    g_autofree uint8_t *half = g_malloc(each * n);
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint64_t src, dst;
    uint32_t i;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_PAGE);
    test_pattern(data, each * n, 32);
    gpu_ram_write(&g, SRC_RAM, data, each * n);
    src = gpu_bind_ram(&g, SRC_RAM, each * n);
    dst = gpu_vram_va(VRAM_DATA);
    for (i = 0; i < n; i++) {
        pkt_copy(&p, src + i * each, dst + i * each, each);
    }
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0xc0ffee);
    ring_submit(&r, &p);

    /* Burst by burst until about half is done, then no time passes. */
    for (i = 0; i < 1000 && ring_rptr(&r) < r.wptr / 3; i++) {
        gpu_step(&g);
    }
    g_assert_cmphex(ring_rptr(&r), >=, r.wptr / 3);
    g_assert_cmphex(ring_rptr(&r), <, r.wptr);
    gpu_vram_read(&g, VRAM_DATA, half, each * n);
    g_assert_cmpmem(half, each, data, each);
    g_assert_cmpint(memcmp(half, data, each * n), !=, 0);

    move(&g);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0xc0ffee);
    gpu_assert_vram(&g, VRAM_DATA, data, each * n);
    gpu_close(&g);
}

static void waiting_poll_goes_on_after_load(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_PAGE);
    qtest_clock_step(g.qts, 10 * NANOSECONDS_PER_SECOND);
    pkt_poll_reg(&p, HGPU_SCRATCH, 0x77, 0xff);
    pkt_fence(&p, gpu_bind_ram(&g, RAM_FENCE, 4), 0x77);
    ring_submit(&r, &p);
    ring_wait_status(&r, HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT);

    move(&g);
    gpu_write(&g, HGPU_SCRATCH, 0x77);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, RAM_FENCE), ==, 0x77);
    gpu_close(&g);
}

static void unmapped_queue_goes_on_after_load(void)
{
    TestGpu g;
    TestVm vm;
    TestRing q;
    TestPkts p = { };

    gpu_start(&g);
    vm_init(&vm, &g, VMID, 0x33);
    queue_open(&q, &vm, 1, HGPU_SDMA_CTX_RLC0, RING_VA, 0);
    pkt_fill(&p, DST_VA, 0x34343434, 4096);
    ring_submit(&q, &p);
    ring_wait_status(&q, HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT);
    queue_cmd(&q, 0, HGPU_SDMA_HQD_CMD_UNMAP);

    move(&g);
    vm_map(&vm, DST_VA, DST_RAM, 4096, PTE_RAM);
    queue_cmd(&q, 0, HGPU_SDMA_HQD_CMD_MAP);
    ring_wait_idle(&q);
    g_assert_cmphex(qtest_readl(g.qts, DST_RAM), ==, 0x34343434);
    gpu_close(&g);
}

static void tlb_is_empty_after_load(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint64_t va, pte;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_PAGE);
    va = gpu_bind_ram(&g, DST_RAM, 4096);
    pkt_fill(&p, va, 1, 4);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    pte = cpu_to_le64((DST_RAM + 4096) | PTE_RAM);
    gpu_vram_write(&g, VRAM_GART + (va - GART_VA) / 4096 * 8, &pte, 8);

    move(&g);
    p.n = 0;
    pkt_fill(&p, va, 2, 4);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    g_assert_cmphex(qtest_readl(g.qts, DST_RAM), ==, 1);
    g_assert_cmphex(qtest_readl(g.qts, DST_RAM + 4096), ==, 2);
    gpu_close(&g);
}

static void pending_msix_survives(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    uint64_t ctrl;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_PAGE);
    ctrl = g.dev->msix_table_off + PCI_MSIX_ENTRY_VECTOR_CTRL;
    qpci_io_writel(g.dev, g.dev->msix_table_bar, ctrl,
                   PCI_MSIX_ENTRY_CTRL_MASKBIT);
    pkt_trap(&p, 1);
    ring_submit(&r, &p);
    ring_wait_idle(&r);

    move(&g);
    g_assert_false(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    qpci_io_writel(g.dev, g.dev->msix_table_bar, ctrl, 0);
    g_assert_true(gpu_msix_taken(&g, HGPU_MSIX_VECTOR_IH));
    gpu_close(&g);
}

/* The engine writes VRAM that a running migration has already sent. */
static void vram_written_during_migration_is_sent_again(void)
{
    TestGpu g;
    TestRing r;
    TestPkts p = { };
    SavedState s;
    QTestState *qts;
    int64_t passes = 0, left = 0;
    int i;

    gpu_start(&g);
    ring_open(&r, &g, 0, HGPU_SDMA_CTX_PAGE);
    qtest_qmp_assert_success(g.qts, "{'execute': 'migrate-set-parameters', "
                             "'arguments': {'max-bandwidth': 30000000, "
                             "'downtime-limit': 1}}");
    qtest_memset(g.qts, SRC_RAM, 1, 32 * MiB);
    saved_init(&s);
    qtest_qmp_assert_success(g.qts, "{'execute': 'migrate', "
                             "'arguments': {'uri': %s}}", s.uri);
    /* RAM that is dirty again, a second's worth, keeps it from converging. */
    for (i = 1; passes < 2 || left < 16 * MiB; i++) {
        QDict *rsp, *ram;

        qtest_memset(g.qts, SRC_RAM, i % 255 + 1, 32 * MiB);
        rsp = qtest_qmp(g.qts, "{'execute': 'query-migrate'}");
        ram = qdict_get_qdict(qdict_get_qdict(rsp, "return"), "ram");
        if (ram) {
            passes = qdict_get_int(ram, "dirty-sync-count");
            left = qdict_get_int(ram, "remaining");
        }
        qobject_unref(rsp);
        g_assert_cmpint(i, <, 100000);
    }
    pkt_fill(&p, gpu_vram_va(VRAM_DATA), 0x56565656, 64 * KiB);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    qtest_qmp_assert_success(g.qts, "{'execute': 'migrate-set-parameters', "
                             "'arguments': {'max-bandwidth': 1000000000, "
                             "'downtime-limit': 30000}}");
    g_assert_true(migration_ended_well(g.qts));

    g_assert_true(try_load(&s, GPU_ARGS, &qts));
    saved_free(&s);
    g_assert_cmphex(qtest_readl(qts, g.vram.addr + VRAM_DATA), ==,
                    0x56565656);
    g_assert_cmphex(qtest_readl(qts, g.vram.addr + VRAM_DATA + 64 * KiB - 4),
                    ==, 0x56565656);
    qtest_quit(qts);
    gpu_close(&g);
}

/* ---- Refused ---- */

static void load_into_other_properties_refused(void)
{
    static const char * const other[] = {
        "hmm-gpu,addr=4.0,vram-size=32M,vram-bar-size=64M",
        "hmm-gpu,addr=4.0,vram-size=64M,vram-bar-size=32M",
        "hmm-gpu,addr=4.0,vram-size=64M,sdma-engines=3",
        "hmm-gpu,addr=4.0,vram-size=64M,xnack=off",
        "hmm-gpu,addr=4.0,vram-size=64M,hive=1",
    };
    TestGpu g;
    SavedState s;
    int i;

    gpu_start(&g);
    save(&g, &s);
    for (i = 0; i < ARRAY_SIZE(other); i++) {
        QTestState *qts;

        g_assert_false(try_load(&s, other[i], &qts));
        qtest_quit(qts);
    }
    saved_free(&s);
    gpu_close(&g);
}

static void load_without_virgl_engine_refused(void)
{
    TestGpu g;
    SavedState s;
    QTestState *qts;

    gpu_start(&g);
    if (!FIELD_GET(HGPU_CAPS__VIRGL_SLOTS, gpu_read(&g, HGPU_CAPS))) {
        g_test_skip("this QEMU was built without virglrenderer");
        gpu_close(&g);
        return;
    }
    save(&g, &s);
    g_assert_false(try_load(&s, GPU_ARGS ",virgl=off", &qts));
    qtest_quit(qts);
    g_assert_true(try_load(&s, GPU_ARGS, &qts));
    qtest_quit(qts);
    saved_free(&s);
    gpu_close(&g);
}

/* Replaces the only 4 bytes in @file that are @from, big-endian. */
static void spoil(const char *file, uint32_t from, uint32_t to)
{
    g_autofree char *data = NULL;
    uint32_t be = cpu_to_be32(from);
    char *at;
    gsize len;

    g_assert_true(g_file_get_contents(file, &data, &len, NULL));
    at = memmem(data, len, &be, sizeof(be));
    g_assert_nonnull(at);
    g_assert_null(memmem(at + 1, len - (at + 1 - data), &be, sizeof(be)));
    stl_be_p(at, to);
    g_assert_true(g_file_set_contents(file, data, len, NULL));
}

static void state_out_of_bounds_refused(void)
{
    const uint32_t odd_but_legal = 0x0054a7e5;
    TestGpu g;
    SavedState s;
    QTestState *qts;

    gpu_start(&g);
    gpu_write(&g, HGPU_RETRY_INTERVAL, odd_but_legal);
    g_assert_cmphex(gpu_read(&g, HGPU_RETRY_INTERVAL), ==, odd_but_legal);
    save(&g, &s);
    spoil(s.file, odd_but_legal, HGPU_RETRY_INTERVAL_MAX + 1);
    g_assert_false(try_load(&s, GPU_ARGS, &qts));
    qtest_quit(qts);
    saved_free(&s);
    gpu_close(&g);
}

void hmm_gpu_add_migration_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/migration/" #name, name)
    ADD(idle_gpu_keeps_everything);
    ADD(gpu_clock_goes_on);
    ADD(parked_fault_goes_on_after_load);
    ADD(parked_fault_reported_again_after_load);
    ADD(big_copy_goes_on_after_load);
    ADD(waiting_poll_goes_on_after_load);
    ADD(unmapped_queue_goes_on_after_load);
    ADD(tlb_is_empty_after_load);
    ADD(pending_msix_survives);
    ADD(vram_written_during_migration_is_sent_again);
    ADD(load_into_other_properties_refused);
    ADD(load_without_virgl_engine_refused);
    ADD(state_out_of_bounds_refused);
#undef ADD
}
