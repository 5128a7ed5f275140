/*
 * hmm-gpu qtest: a hive (SPEC 4.7)
 *
 * The GPU in slot 4 comes first, so it is node 0 and its VRAM addresses are
 * offsets: what works with it alone works here, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hmm-gpu-test.h"

#define VMID        5
#define VA          0x123456789000ull
#define RING_VA     0x10000000ull
#define LEN         (3 * 4096 + 100)

#define TWO(hive_a, hive_b)                                                 \
    "-device " GPU_ARGS ",hive=" hive_a                                     \
    " -device hmm-gpu,id=gpu1,addr=5.0,vram-size=32M,hive=" hive_b

static void open_two(TestGpu *a, TestGpu *b, const char *args)
{
    gpu_open(a, args);
    gpu_attach(b, a->qts, a->bus, QPCI_DEVFN(5, 0));
    gpu_setup(a);
    gpu_write(a, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
    gpu_write(b, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
}

static void close_two(TestGpu *a, TestGpu *b)
{
    gpu_detach(b);
    gpu_close(a);
}

static uint32_t node_of(TestGpu *g)
{
    return FIELD_GET(HGPU_MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION,
                     gpu_read(g, HGPU_MC_VM_XGMI_LFB_CNTL));
}

/* A write to VRAM address @addr fails. */
static void expect_nobody(TestGpu *g, uint64_t addr)
{
    struct hgpu_ih_entry e;
    TestRing r;
    TestPkts p = { };

    gpu_ih_drain(g);
    ring_open(&r, g, 0, HGPU_SDMA_CTX_GFX);
    pkt_fence(&p, FB_VA + addr, 0xbad);
    ring_submit(&r, &p);
    ring_wait_exception(&r, HGPU_SDMA_EXCEPTION_BUS);
    gpu_ih_next(g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                    HGPU_SRCID_SDMA_BUS_ERROR);
    g_assert_cmphex(e.dw[4] | (uint64_t)e.dw[5] << 32, ==, addr);
    gpu_write(g, ring_reg(&r, HGPU_SDMA_RB_CNTL), 0);
}

static void nodes_in_order_of_arrival(void)
{
    TestGpu a, b;

    open_two(&a, &b, TWO("7", "7"));
    g_assert_cmpuint(gpu_read(&a, HGPU_XGMI_HIVE_ID), ==, 7);
    g_assert_cmpuint(gpu_read(&b, HGPU_XGMI_HIVE_ID), ==, 7);
    g_assert_cmpuint(node_of(&a), ==, 0);
    g_assert_cmpuint(node_of(&b), ==, 1);
    close_two(&a, &b);
}

static void copies_between_peers(void)
{
    uint8_t data[LEN];
    TestGpu a, b;
    TestRing r;
    TestPkts p = { };

    open_two(&a, &b, TWO("1", "1"));
    ring_open(&r, &a, 0, HGPU_SDMA_CTX_GFX);
    test_pattern(data, LEN, 50);
    gpu_vram_write(&a, VRAM_DATA, data, LEN);
    pkt_copy(&p, gpu_vram_va(VRAM_DATA),
             FB_VA + hive_addr(1, VRAM_DATA + 4), LEN);
    pkt_copy(&p, FB_VA + hive_addr(1, VRAM_DATA + 4),
             gpu_vram_va(2 * VRAM_DATA), LEN);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    gpu_assert_vram(&b, VRAM_DATA + 4, data, LEN);
    gpu_assert_vram(&a, 2 * VRAM_DATA, data, LEN);
    close_two(&a, &b);
}

static void process_reads_peer_in_place(void)
{
    uint8_t data[LEN];
    TestGpu a, b;
    TestVm vm;
    TestRing q;
    TestPkts p = { };

    open_two(&a, &b, TWO("1", "1"));
    test_pattern(data, LEN, 51);
    gpu_vram_write(&b, VRAM_DATA, data, LEN);
    vm_init(&vm, &a, VMID, 0x33);
    queue_open(&q, &vm, 1, HGPU_SDMA_CTX_RLC0, RING_VA, 0);
    vm_map(&vm, VA, hive_addr(1, VRAM_DATA), 4 * 4096, PTE_VRAM);
    vm_map(&vm, VA + MiB, VRAM_DATA, 4 * 4096, PTE_VRAM);
    pkt_copy(&p, VA, VA + MiB, LEN);
    ring_submit(&q, &p);
    ring_wait_idle(&q);
    gpu_assert_vram(&a, VRAM_DATA, data, LEN);
    close_two(&a, &b);
}

static void hives_do_not_mix(void)
{
    TestGpu a, b;

    open_two(&a, &b, TWO("1", "2"));
    g_assert_cmpuint(node_of(&b), ==, 0);
    expect_nobody(&a, hive_addr(1, VRAM_DATA));
    g_assert_cmphex(gpu_read(&a, HGPU_XGMI_HIVE_ID), ==, 1);
    g_assert_cmphex(gpu_read(&b, HGPU_XGMI_HIVE_ID), ==, 2);
    close_two(&a, &b);
}

static void reset_peer_is_gone_until_linked(void)
{
    static const uint32_t mark = 0x13572468;
    uint32_t is;
    TestGpu a, b;
    TestRing r;
    TestPkts p = { };

    open_two(&a, &b, TWO("1", "1"));
    gpu_vram_write(&b, VRAM_DATA, &mark, sizeof(mark));
    gpu_flr(&b);
    expect_nobody(&a, hive_addr(1, VRAM_DATA));
    gpu_assert_vram(&b, VRAM_DATA, &mark, sizeof(mark));

    gpu_write(&b, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
    ring_open(&r, &a, 1, HGPU_SDMA_CTX_GFX);
    pkt_fence(&p, FB_VA + hive_addr(1, VRAM_DATA), ~mark);
    ring_submit(&r, &p);
    ring_wait_idle(&r);
    gpu_vram_read(&b, VRAM_DATA, &is, sizeof(is));
    g_assert_cmphex(is, ==, ~mark);
    close_two(&a, &b);
}

static bool plug(QTestState *qts, const char *id, uint32_t hive)
{
    QDict *rsp = qtest_qmp(qts, "{'execute': 'device_add', 'arguments': "
                           "{'driver': 'hmm-gpu', 'bus': 'rp0', 'id': %s, "
                           "'vram-size': 16777216, 'hive': %u}}", id, hive);
    bool ok = !qdict_haskey(rsp, "error");

    qobject_unref(rsp);
    return ok;
}

static void ninth_gpu_of_a_hive_refused(void)
{
    g_autofree char *machine = gpu_machine_args();
    GString *args = g_string_new(machine);
    QTestState *qts;
    int i;

    g_string_append(args, " -device pcie-root-port,id=rp0,chassis=1");
    for (i = 0; i < HGPU_XGMI_NODES; i++) {
        g_string_append_printf(args, " -device hmm-gpu,addr=%x.0,"
                               "vram-size=16M,hive=3", 8 + i);
    }
    qts = qtest_init(args->str);
    g_assert_false(plug(qts, "nine", 3));
    g_assert_false(plug(qts, "nine", 3));
    g_assert_true(plug(qts, "other", 4));
    qtest_quit(qts);
    g_string_free(args, true);
}

void hmm_gpu_add_hive_tests(void)
{
#define ADD(name) qtest_add_func("hmm-gpu/hive/" #name, name)
    ADD(nodes_in_order_of_arrival);
    ADD(copies_between_peers);
    ADD(process_reads_peer_in_place);
    ADD(hives_do_not_mix);
    ADD(reset_peer_is_gone_until_linked);
    ADD(ninth_gpu_of_a_hive_refused);
#undef ADD
}
