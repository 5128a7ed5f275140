/*
 * hmm-gpu unit tests: VRAM of peers in a hive (SPEC 4.7).
 *
 * The GPU under test is node 2; its peer is node 5.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define HIVE        77u
#define OWN         2u
#define PEER        5u
#define VMID        3u
#define VA          UINT64_C(0x7f0000000000)
#define LEN         UINT64_C(0x5000)

/* VRAM address, and where it is for VMID 0 */
#define AT(node, off) \
    (((uint64_t)(node) << HGPU_XGMI_SEGMENT_SHIFT) + (off))
#define FB(node, off)   (RIG_FB + AT(node, off))

static Rig *rig, *peer;
static RigQueue q;

static Rig *rig_in_hive(uint32_t node)
{
    HgpuConfig config = rig_config;
    Rig *r;

    config.hive = HIVE;
    config.node = node;
    r = rig_new_like(&config);
    rig_setup(r);
    rig_wr(r, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
    return r;
}

static void setup(void)
{
    rig = rig_in_hive(OWN);
    peer = rig_in_hive(PEER);
    rig->peer[PEER] = peer;
    peer->peer[OWN] = rig;
    q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);
}

static void teardown(void)
{
    rig_free(rig);
    rig_free(peer);
}

static void use_user_queue(void)
{
    q = rig_user_queue(rig, 1, 0, VMID);
}

/* Was [off, off + len) of @r's VRAM noted as written, and nothing else? */
static void expect_dirty(Rig *r, uint64_t off, uint64_t len)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < r->writes->len; i++) {
        RigWrite *w = &g_array_index(r->writes, RigWrite, i);

        if (w->kind == RIG_WROTE_VRAM) {
            g_assert_cmphex(w->addr, >=, off);
            g_assert_cmphex(w->addr + w->len, <=, off + len);
            bytes += w->len;
        }
    }
    g_assert_cmphex(bytes, ==, len);
    g_array_set_size(r->writes, 0);
}

/* What was submitted has failed: nobody answered at @addr. */
static void expect_bus_error(uint64_t addr)
{
    RigIrq irq = rig_expect(rig, q.engine ? HGPU_IH_CLIENTID_SDMA1
                                          : HGPU_IH_CLIENTID_SDMA0,
                            HGPU_SRCID_SDMA_BUS_ERROR);

    g_assert_cmphex(irq.data[0] | (uint64_t)irq.data[1] << 32, ==, addr);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_BUS);
    rig_expect_none(rig);
    rig_expect_none(peer);
    g_assert_cmpuint(rig->guest_errors + peer->guest_errors, ==, 0);
}

/* The kernel's ring, empty. */
static void restart(void)
{
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR_HI, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_WPTR_HI, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0));
    q.wptr = 0;
}

/* ---- Registers ---- */

static void registers_say_who_it_is(void)
{
    uint32_t cntl = rig_rd(peer, HGPU_MC_VM_XGMI_LFB_CNTL);
    uint32_t segment = rig_rd(peer, HGPU_MC_VM_XGMI_LFB_SIZE);
    uint32_t base = rig_rd(peer, HGPU_MC_VM_FB_LOCATION_BASE);

    g_assert_cmpuint(FIELD_GET(HGPU_MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION, cntl),
                     ==, PEER);
    g_assert_cmpuint(FIELD_GET(HGPU_MC_VM_XGMI_LFB_CNTL__PF_MAX_REGION, cntl),
                     ==, HGPU_XGMI_NODES - 1);
    g_assert_cmphex((uint64_t)segment << 24, ==, HGPU_VRAM_MAX);
    g_assert_cmpuint(rig_rd(peer, HGPU_XGMI_HIVE_ID), ==, HIVE);
    g_assert_cmphex(base, ==, HGPU_MC_VM_FB_LOCATION_BASE_RESET);
    g_assert_cmphex(rig_rd(peer, HGPU_MC_VM_FB_LOCATION_TOP), ==,
                    base + PEER * segment);
    rig_wr_refused(peer, HGPU_MC_VM_XGMI_LFB_CNTL, 0);
    rig_wr_refused(peer, HGPU_MC_VM_XGMI_LFB_SIZE, 0);
    rig_wr_refused(peer, HGPU_XGMI_HIVE_ID, 1);
    rig_wr(peer, HGPU_XGMI_CNTL, UINT32_MAX);
    g_assert_cmphex(rig_rd(peer, HGPU_XGMI_CNTL), ==,
                    HGPU_XGMI_CNTL__LINK_ENABLE);
}

static void without_a_hive_there_is_nothing(void)
{
    Rig *single = rig_new();

    rig_wr(single, HGPU_XGMI_CNTL, UINT32_MAX);
    g_assert_cmphex(rig_rd(single, HGPU_XGMI_CNTL), ==, 0);
    g_assert_cmphex(rig_rd(single, HGPU_XGMI_HIVE_ID), ==, 0);
    g_assert_cmphex(rig_rd(single, HGPU_MC_VM_XGMI_LFB_CNTL), ==, 0);
    g_assert_cmphex(rig_rd(single, HGPU_MC_VM_XGMI_LFB_SIZE), ==, 0);
    single->peer[PEER] = peer;
    q = rig_kernel_queue(single, 0, HGPU_SDMA_CTX_PAGE);
    PUT(&q, FENCE(FB(PEER, RIG_VDATA), 1));
    rig_go(&q);
    rig_expect_fault(single, false, FB(PEER, RIG_VDATA));
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA), ==, 0);
    rig_free(single);
}

/* ---- One's own ---- */

static void own_vram_is_at_its_node(void)
{
    rig_pattern(rig->vram + RIG_VDATA, LEN, 1);
    PUT(&q, COPY(FB(OWN, RIG_VDATA), RIG_GART + RIG_DATA, LEN));
    rig_go(&q);
    g_assert_true(rig_is_pattern(rig->ram + RIG_DATA, LEN, 1));

    use_user_queue();
    rig_map(rig, VMID, VA, RIG_PTE | AT(OWN, RIG_VDATA));
    PUT(&q, FENCE(VA + 8, 0x1234));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 8) & UINT32_MAX, ==, 0x1234);
    g_assert_cmpuint(rig_exception(&q), ==, 0);
}

/* In its own segment nothing is different from a GPU that is alone. */
static void own_segment_ends_with_vram(void)
{
    PUT(&q, FENCE(FB(OWN, RIG_VRAM_SIZE), 1));
    rig_go(&q);
    rig_expect_fault(rig, false, FB(OWN, RIG_VRAM_SIZE));

    use_user_queue();
    rig_map(rig, VMID, VA, RIG_PTE | AT(OWN, RIG_VRAM_SIZE));
    PUT(&q, FENCE(VA, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, VA);
    g_assert_true(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS) &
                  HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS);
}

static void behind_the_last_segment_is_nothing(void)
{
    uint64_t last = AT(HGPU_XGMI_NODES, 0);

    PUT(&q, FENCE(RIG_FB + last, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, RIG_FB + last);
    rig_wr(rig, HGPU_VM_L2_PROTECTION_FAULT_CNTL, 1);

    use_user_queue();
    rig_map(rig, VMID, VA, RIG_PTE | last);
    PUT(&q, FENCE(VA, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, VA);
    g_assert_true(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS) &
                  HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR);
}

/* ---- The peer's ---- */

static void copy_goes_to_the_peer_and_back(void)
{
    rig_pattern(rig->vram + RIG_VDATA, LEN, 2);
    g_array_set_size(peer->writes, 0);
    g_array_set_size(rig->writes, 0);
    PUT(&q, COPY(FB(OWN, RIG_VDATA), FB(PEER, RIG_VDATA + 0x123), LEN));
    rig_go(&q);
    g_assert_true(rig_is_pattern(peer->vram + RIG_VDATA + 0x123, LEN, 2));
    expect_dirty(peer, RIG_VDATA + 0x123, LEN);
    expect_dirty(rig, 0, 0);

    PUT(&q, COPY(FB(PEER, RIG_VDATA + 0x123), FB(OWN, 2 * RIG_VDATA), LEN));
    rig_go(&q);
    g_assert_true(rig_is_pattern(rig->vram + 2 * RIG_VDATA, LEN, 2));
    expect_dirty(peer, 0, 0);
    expect_dirty(rig, 2 * RIG_VDATA, LEN);
}

static void process_reaches_mapped_pages(void)
{
    use_user_queue();
    rig_pattern(peer->vram + RIG_VDATA, 0x2000, 3);
    rig_map_range(rig, VMID, VA, RIG_PTE | AT(PEER, RIG_VDATA), 0x2000);
    rig_map_range(rig, VMID, VA + 0x10000, RIG_PTE_SYS | RIG_DATA, 0x2000);
    PUT(&q, COPY(VA, VA + 0x10000, 0x2000));
    rig_go(&q);
    g_assert_true(rig_is_pattern(rig->ram + RIG_DATA, 0x2000, 3));
    /* what the next page is, is as ever its own affair */
    PUT(&q, FENCE(VA + 0x2000, 1));
    rig_go(&q);
    rig_expect_fault(rig, true, VA + 0x2000);
}

/* Every packet that writes can write there. */
static void all_packets_work_on_the_peer(void)
{
    uint64_t at = FB(PEER, RIG_VDATA);
    uint8_t *mem = peer->vram + RIG_VDATA;

    rig_vram_set64(rig, RIG_VDATA, 0x1111222233334444);
    g_array_set_size(peer->writes, 0);
    PUT(&q, FILL32(at, 0xabababab, 0x40),
        FENCE(at + 0x10, 0x5555),
        HDR(WRITE, 0), LOHI(at + 0x18), 0, 0x6666,
        HDR(ATOMIC, 0) |
        FIELD_PREP(HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP,
                   HGPU_TC_OP_ATOMIC_ADD_RTN_32),
        LOHI(at + 0x10), 0x2222, 0, 0, 0, 0,
        HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_GEN), LOHI(at + 0x20), 0, 0,
        0x7000, 0, 0, 0, 0,
        HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_COPY),
        LOHI(FB(OWN, RIG_VDATA)), LOHI(at + 0x28), 0, 0, 0,
        HDR(TIMESTAMP, HGPU_SDMA_SUBOP_TIMESTAMP_GET), LOHI(at + 0x30));
    rig_go(&q);
    g_assert_cmpuint(rig_exception(&q), ==, 0);
    g_assert_cmphex(mem[0xf], ==, 0xab);
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA + 0x10), ==,
                    UINT64_C(0xabababab00007777));
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA + 0x18), ==,
                    UINT64_C(0xabababab00006666));
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA + 0x20), ==, 0x7000);
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA + 0x28), ==,
                    0x1111222233334444);
    /* no time has passed */
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA + 0x30), ==, 0);
    expect_dirty(peer, RIG_VDATA, 0x40 + 4 + 4 + 4 + 8 + 8 + 8);
}

/* A ring, what it writes back and an IB may be with the peer, too. */
static void ring_can_live_with_the_peer(void)
{
    uint32_t packets[] = { FENCE(FB(OWN, RIG_VDATA), 0x99) };

    memcpy(peer->vram + RIG_VDATA, packets, sizeof(packets));
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_BASE, LO(FB(PEER, RIG_VDATA) >> 8));
    rig_ctx_wr(&q, HGPU_SDMA_RB_BASE_HI, FB(PEER, RIG_VDATA) >> 40);
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR_ADDR_LO, LO(FB(PEER, RIG_TABLES_END)));
    rig_ctx_wr(&q, HGPU_SDMA_RB_RPTR_ADDR_HI, HI(FB(PEER, RIG_TABLES_END)));
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(0));
    q.wptr = sizeof(packets);
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0x99);
    g_assert_cmphex(rig_vram64(peer, RIG_TABLES_END), ==, sizeof(packets));
}

/* ---- Nobody there ---- */

static void link_must_be_enabled_at_both_ends(void)
{
    Rig *const ends[] = { rig, peer };

    for (uint32_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        rig_wr(ends[i], HGPU_XGMI_CNTL, 0);
        PUT(&q, FENCE(FB(PEER, RIG_VDATA), 1));
        rig_go(&q);
        expect_bus_error(AT(PEER, RIG_VDATA));
        g_assert_cmphex(rig_vram64(peer, RIG_VDATA), ==, 0);
        rig_wr(ends[i], HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
        restart();
    }
    PUT(&q, FENCE(FB(PEER, RIG_VDATA), 1));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA), ==, 1);
}

static void no_such_place_is_a_bus_error(void)
{
    static const uint64_t nowhere[] = {
        AT(0, 0), AT(PEER, RIG_VRAM_SIZE), AT(PEER + 1, 0) - 4,
        AT(HGPU_XGMI_NODES, 0) - 4,
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(nowhere); i++) {
        PUT(&q, FENCE(RIG_FB + nowhere[i], 1));
        rig_go(&q);
        expect_bus_error(nowhere[i]);
        restart();
    }
    /* half a copy: what there is was done */
    rig_pattern(rig->vram + RIG_VDATA, 0x2000, 4);
    PUT(&q, COPY(FB(OWN, RIG_VDATA), FB(PEER, RIG_VRAM_SIZE - 0x1000),
                 0x2000));
    rig_go(&q);
    expect_bus_error(AT(PEER, RIG_VRAM_SIZE));
    g_assert_true(rig_is_pattern(peer->vram + RIG_VRAM_SIZE - 0x1000, 0x1000,
                                 4));
}

static void process_gets_a_bus_error_not_a_fault(void)
{
    use_user_queue();
    rig_map(rig, VMID, VA, RIG_PTE | AT(PEER + 1, 0x3000));
    PUT(&q, FENCE(VA + 0x10, 1));
    rig_go(&q);
    expect_bus_error(AT(PEER + 1, 0x3010));
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
}

/* Its VRAM is what it was, but first the peer's driver must say so. */
static void reset_of_the_peer_cuts_the_link(void)
{
    rig_vram_set64(peer, RIG_VDATA, 0x1122334455667788);
    PUT(&q, COPY(FB(PEER, RIG_VDATA), FB(OWN, RIG_VDATA), 8));
    rig_go(&q);
    hgpu_reset(&peer->gpu);
    g_assert_cmphex(rig_rd(peer, HGPU_XGMI_CNTL), ==, 0);
    PUT(&q, COPY(FB(PEER, RIG_VDATA), FB(OWN, RIG_VDATA + 8), 8));
    rig_go(&q);
    expect_bus_error(AT(PEER, RIG_VDATA));
    restart();

    rig_wr(peer, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
    PUT(&q, COPY(FB(PEER, RIG_VDATA), FB(OWN, RIG_VDATA + 8), 8));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 8), ==, 0x1122334455667788);
}

/* A translation that is cached is no way to a peer that has left. */
static void unplugged_peer_is_not_reached(void)
{
    use_user_queue();
    rig_map(rig, VMID, VA, RIG_PTE | AT(PEER, RIG_VDATA));
    PUT(&q, FENCE(VA, 1));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA), ==, 1);
    rig->peer[PEER] = NULL;
    PUT(&q, FENCE(VA, 2));
    rig_go(&q);
    expect_bus_error(AT(PEER, RIG_VDATA));
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA), ==, 1);
}

/* ---- Tables ---- */

static void tables_of_a_peer_are_not_walked(void)
{
    uint64_t slot;

    use_user_queue();
    /* a whole and valid table, but not in our VRAM */
    rig_map(rig, VMID, VA, RIG_PTE | AT(OWN, RIG_VDATA));
    slot = rig_entry(rig, VMID, VA, HGPU_VM_PDB0);
    memcpy(peer->vram + RIG_TABLES, rig->vram + RIG_TABLES,
           RIG_TABLES_END - RIG_TABLES);
    rig_vram_set64(rig, slot, rig_vram64(rig, slot) + AT(PEER - OWN, 0));
    PUT(&q, FENCE(VA, 1));
    rig_go(&q);
    rig_expect_fault(rig, false, VA);
    g_assert_true(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS) &
                  HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0);
}

static void gart_table_of_a_peer_is_not_read(void)
{
    HgpuRun run;
    HgpuFault fault;
    uint64_t base = AT(PEER, RIG_GART_TABLE) | HGPU_PTE_VALID;

    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0), LO(base));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(0), HI(base));
    rig_flush(rig, BIT(0));
    g_assert_false(hgpu_mem_run(&rig->gpu, 0, RIG_GART, 1, HGPU_ACCESS_READ,
                                &run, &fault));
    g_assert_true(fault.mapping_error);
    g_assert_cmpuint(fault.kind, ==, HGPU_FAULT_NORETRY);
}

/* With VRAM as large as can be, one's last page and the next one's first. */
static void run_stays_with_one_gpu(void)
{
    Rig *next = rig_in_hive(OWN + 1);
    uint64_t last = HGPU_VRAM_MAX - HGPU_PAGE_SIZE;
    HgpuRun run;
    HgpuFault fault;

    use_user_queue();
    rig->peer[OWN + 1] = next;
    rig->gpu.vram_size = HGPU_VRAM_MAX;
    rig_map_range(rig, VMID, VA, RIG_PTE | AT(OWN, last), 0x2000);
    g_assert_true(hgpu_mem_run(&rig->gpu, VMID, VA, 0x2000, HGPU_ACCESS_READ,
                               &run, &fault));
    g_assert_cmphex(run.pa, ==, AT(OWN, last));
    g_assert_cmphex(run.len, ==, 0x1000);
    g_assert_true(hgpu_mem_run(&rig->gpu, 0, FB(OWN, last), 0x2000,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmphex(run.len, ==, 0x1000);
    g_assert_true(hgpu_mem_run(&rig->gpu, VMID, VA + 0x1000, 0x1000,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmphex(run.pa, ==, AT(OWN + 1, 0));
    rig->gpu.vram_size = RIG_VRAM_SIZE;
    rig_free(next);
}

/* ---- State ---- */

static void link_survives_load(void)
{
    rig = rig_migrate(rig, 0);
    g_assert_nonnull(rig);
    g_assert_cmphex(rig_rd(rig, HGPU_XGMI_CNTL), ==,
                    HGPU_XGMI_CNTL__LINK_ENABLE);
    rig->peer[PEER] = peer;
    q.rig = rig;
    PUT(&q, FENCE(FB(PEER, RIG_VDATA), 1));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(peer, RIG_VDATA), ==, 1);
}

static void link_without_a_hive_is_refused(void)
{
    Rig *other = rig_in_hive(0);

    other->config.hive = 0;
    g_assert_null(rig_migrate(other, 0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) \
    g_test_add_vtable("/hive/" #name, 0, NULL, (GTestFixtureFunc)setup, \
                      (GTestFixtureFunc)name, (GTestFixtureFunc)teardown)
    TEST(registers_say_who_it_is);
    TEST(without_a_hive_there_is_nothing);
    TEST(own_vram_is_at_its_node);
    TEST(own_segment_ends_with_vram);
    TEST(behind_the_last_segment_is_nothing);
    TEST(copy_goes_to_the_peer_and_back);
    TEST(process_reaches_mapped_pages);
    TEST(all_packets_work_on_the_peer);
    TEST(ring_can_live_with_the_peer);
    TEST(link_must_be_enabled_at_both_ends);
    TEST(no_such_place_is_a_bus_error);
    TEST(process_gets_a_bus_error_not_a_fault);
    TEST(reset_of_the_peer_cuts_the_link);
    TEST(unplugged_peer_is_not_reached);
    TEST(tables_of_a_peer_are_not_walked);
    TEST(gart_table_of_a_peer_is_not_read);
    TEST(run_stays_with_one_gpu);
    TEST(link_survives_load);
    TEST(link_without_a_hive_is_refused);
    return g_test_run();
}
