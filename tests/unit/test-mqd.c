/*
 * hmm-gpu unit tests: MAP, UNMAP and RESET of user queues (SPEC 7.5).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define VMID        3u
#define SRC         UINT64_C(0x7f0000000000)
#define DST         UINT64_C(0x7f1000000000)

#define WORD(name)  (offsetof(struct hgpu_sdma_mqd, name))

static Rig *rig;
static RigQueue q;

static uint64_t mqd_ram(const RigQueue *queue)
{
    return RIG_MQDS + (queue->engine * HGPU_SDMA_CTXS + queue->ctx) * 512;
}

static uint32_t mqd_get(uint64_t word)
{
    return rig_ram32(rig, mqd_ram(&q) + word);
}

static void mqd_set(uint64_t word, uint32_t val)
{
    rig_ram_set32(rig, mqd_ram(&q) + word, val);
}

/* What a driver writes for a new queue. */
static void mqd_init(void)
{
    memset(rig->ram + mqd_ram(&q), 0, 512);
    mqd_set(WORD(rb_cntl), RIG_RB_CNTL(VMID) & ~HGPU_SDMA_RB_CNTL__RB_ENABLE);
    mqd_set(WORD(rb_base), q.va >> 8);
    mqd_set(WORD(rb_base_hi), q.va >> 40);
    mqd_set(WORD(rb_rptr_addr_lo), LO(q.rptr_va));
    mqd_set(WORD(rb_rptr_addr_hi), HI(q.rptr_va));
    mqd_set(WORD(ib_cntl), HGPU_SDMA_IB_CNTL__IB_ENABLE);
    mqd_set(WORD(doorbell), HGPU_SDMA_DOORBELL__ENABLE);
    mqd_set(WORD(doorbell_offset), q.doorbell);
    mqd_set(WORD(sdma_engine_id), 0x1111);
    mqd_set(WORD(sdma_queue_id), 0x2222);
    mqd_set(WORD(csa_addr_lo), 0x3333);
}

static void cmd(const RigQueue *queue, uint32_t command)
{
    rig_ctx_wr(queue, HGPU_SDMA_HQD_CMD, command);
}

static void map(const RigQueue *queue)
{
    cmd(queue, HGPU_SDMA_HQD_CMD_MAP);
    rig_run(rig);
}

static void unmap(const RigQueue *queue)
{
    cmd(queue, HGPU_SDMA_HQD_CMD_UNMAP);
}

/* The command is taken, but the MQD is no good. */
static bool cmd_fails(uint32_t command)
{
    uint32_t errors = rig->guest_errors;

    hgpu_reg_write(&rig->gpu, rig_ctx_reg(&q, HGPU_SDMA_HQD_CMD), command);
    rig_run(rig);
    return rig->guest_errors == errors + 1 &&
           rig_exception(&q) == HGPU_SDMA_EXCEPTION_MQD;
}

static void setup(void)
{
    rig = rig_new();
    q = rig_user_queue(rig, 0, 0, VMID);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    mqd_init();
    for (uint64_t off = 0; off < MiB; off += HGPU_PAGE_SIZE) {
        rig_map(rig, VMID, SRC + off, RIG_PTE_SYS | (RIG_DATA + off));
        rig_map(rig, VMID, DST + off, RIG_PTE | (RIG_VDATA + off));
    }
}

static void teardown(void)
{
    rig_free(rig);
}

/* The same MQD in another slot: its ring, its doorbell, its pointers. */
static RigQueue slot(uint32_t engine, uint32_t rlc)
{
    RigQueue other = q;

    other.engine = engine;
    other.ctx = HGPU_SDMA_CTX_RLC0 + rlc;
    rig_ctx_wr(&other, HGPU_SDMA_MQD_BASE_LO, LO(RIG_GART + mqd_ram(&q)));
    rig_ctx_wr(&other, HGPU_SDMA_MQD_BASE_HI, HI(RIG_GART + mqd_ram(&q)));
    return other;
}

static void finished(const RigQueue *queue)
{
    g_assert_cmpuint(rig_exception(queue), ==, HGPU_SDMA_EXCEPTION_NONE);
    g_assert_cmphex(rig_ctx(queue)->rb_rptr, ==, queue->wptr);
    g_assert_cmphex(rig_ram64(rig, queue->rptr_ram), ==, queue->wptr);
    rig_expect_none(rig);
}

static void map_loads_and_runs(void)
{
    PUT(&q, FENCE(DST, 1));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
    finished(&q);
    PUT(&q, FENCE(DST, 2));
    rig_go(&q);         /* its doorbell too */
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 2);
    finished(&q);
}

static void map_writes_rptr_back_even_if_idle(void)
{
    mqd_set(WORD(rb_rptr), 0x100);
    mqd_set(WORD(rb_wptr), 0x100);
    map(&q);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, 0x100);
}

static void unmap_saves_and_disables(void)
{
    PUT(&q, FENCE(DST, 1));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    unmap(&q);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS), ==,
                    HGPU_SDMA_CONTEXT_STATUS__IDLE |
                    HGPU_SDMA_CONTEXT_STATUS__PREEMPTED);
    g_assert_cmphex(mqd_get(WORD(rb_rptr)), ==, q.wptr);
    g_assert_cmphex(mqd_get(WORD(rb_wptr)), ==, q.wptr);
    g_assert_cmphex(mqd_get(WORD(rb_base)), ==, LO(q.va >> 8));
    g_assert_cmphex(mqd_get(WORD(doorbell_offset)), ==, q.doorbell);
    g_assert_cmphex(mqd_get(WORD(midcmd_cntl)), ==, 0);
    g_assert_true(mqd_get(WORD(context_status)) &
                  HGPU_SDMA_CONTEXT_STATUS__PREEMPTED);
    /* the driver's own words are left alone */
    g_assert_cmphex(mqd_get(WORD(sdma_engine_id)), ==, 0x1111);
    g_assert_cmphex(mqd_get(WORD(sdma_queue_id)), ==, 0x2222);
    g_assert_cmphex(mqd_get(WORD(csa_addr_lo)), ==, 0x3333);
    /* and a doorbell is lost now */
    PUT(&q, FENCE(DST, 2));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 1);
}

static void copy_moves_on_in_another_slot(void)
{
    const uint32_t n = 0xf0000;
    RigQueue at = q;

    rig_pattern(rig->ram + RIG_DATA, n, 3);
    PUT(&q, COPY(SRC, DST, n), FENCE(SRC, 0x77));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    at.wptr = q.wptr;
    cmd(&at, HGPU_SDMA_HQD_CMD_MAP);
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t progress;

        rig->scheduled = false;
        hgpu_run(&rig->gpu);        /* one slice: 256 KiB */
        progress = rig_ctx(&at)->progress;
        g_assert_cmpuint(progress, >, 0);
        unmap(&at);
        g_assert_cmpuint(FIELD_GET(HGPU_MQD_MIDCMD_LEN,
                                   mqd_get(WORD(midcmd_cntl))), ==, 7);
        g_assert_cmpuint(mqd_get(WORD(midcmd_progress_lo)), ==, progress);
        /* done is done: nobody copies it twice */
        g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, progress, 3));
        at = slot(1 - at.engine, i + 1);
        at.wptr = q.wptr;
        cmd(&at, HGPU_SDMA_HQD_CMD_MAP);
    }
    rig_run(rig);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, n, 3));
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0x77);
    g_assert_cmpuint(rig->gpu.stats.bytes, ==, n);
    finished(&at);
}

static void parked_queue_walks_again_in_another_slot(void)
{
    RigQueue at;

    rig_map(rig, VMID, DST + 0x2000, 0);
    rig_pattern(rig->ram + RIG_DATA, 0x5000, 4);
    PUT(&q, COPY(SRC, DST, 0x5000));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    rig_expect_fault(rig, true, DST + 0x2000);
    unmap(&q);
    g_assert_cmpuint(mqd_get(WORD(midcmd_progress_lo)), ==, 0x2000);
    g_assert_cmpuint(rig->timer, ==, 0);
    at = slot(1, 6);
    at.wptr = q.wptr;
    map(&at);
    rig_expect_fault(rig, true, DST + 0x2000);     /* still missing */
    rig_map(rig, VMID, DST + 0x2000, RIG_PTE | (RIG_VDATA + 0x2000));
    rig_flush(rig, BIT(VMID));
    rig_run(rig);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, 0x5000, 4));
    finished(&at);
}

static void half_fetched_packet_moves_on(void)
{
    const uint32_t fence[] = { FENCE(DST, 0x99) };
    RigQueue at;

    rig_put(&q, fence, 2);
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    unmap(&q);
    /* an incomplete packet has only had its header read */
    g_assert_cmpuint(FIELD_GET(HGPU_MQD_MIDCMD_LEN,
                               mqd_get(WORD(midcmd_cntl))), ==, 1);
    rig_ram_set32(rig, q.ram, 0xffffffff);
    rig_put(&q, fence + 2, 2);
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    at = slot(0, 5);
    at.wptr = q.wptr;
    map(&at);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, 0x99);
    finished(&at);
}

static void ib_moves_on_in_another_slot(void)
{
    uint64_t ib = RIG_DATA + 0x80000;
    const uint32_t dwords[] = {
        FENCE(DST, 1), COPY(SRC, DST + 0x1000, 0x3000), FENCE(DST + 8, 2),
    };
    RigQueue at;

    memcpy(rig->ram + ib, dwords, sizeof(dwords));
    rig_map(rig, VMID, DST + 0x2000, 0);
    rig_pattern(rig->ram + RIG_DATA, 0x3000, 8);
    PUT(&q, INDIRECT(VMID, SRC + 0x80000, G_N_ELEMENTS(dwords)),
        FENCE(DST + 12, 3));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    rig_expect_fault(rig, true, DST + 0x2000);
    unmap(&q);
    g_assert_cmpuint(mqd_get(WORD(ib_size)), ==, G_N_ELEMENTS(dwords));
    g_assert_cmpuint(mqd_get(WORD(ib_offset)), ==, 4);
    g_assert_true(mqd_get(WORD(midcmd_cntl)) & HGPU_MQD_MIDCMD_IB);
    g_assert_cmpuint(mqd_get(WORD(rb_rptr)), ==, 0);
    rig_map(rig, VMID, DST + 0x2000, RIG_PTE | (RIG_VDATA + 0x2000));
    at = slot(1, 7);
    at.wptr = q.wptr;
    map(&at);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA + 0x1000, 0x3000, 8));
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 8), ==,
                    UINT64_C(0x0000000300000002));
    finished(&at);
}

static void poll_keeps_its_retries(void)
{
    PUT(&q, HDR(POLL_REGMEM, 0) |
        HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL |
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
                   HGPU_SDMA_POLL_FUNC_EQ), LOHI(SRC), 1, ~0u,
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, 100) |
        FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, 10));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    rig_pass(rig, 3000);
    unmap(&q);
    g_assert_cmpuint(mqd_get(WORD(midcmd_retries)), ==, 10 - 4);
    map(&q);
    rig_pass(rig, 5999);
    rig_expect_none(rig);
    rig_pass(rig, 1);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_POLL_TIMEOUT);
}

static void skip_moves_on(void)
{
    PUT(&q, HDR(COND_EXE, 0), LOHI(SRC), 1, 5, HDR(NOP, 0));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    unmap(&q);
    g_assert_cmpuint(mqd_get(WORD(skip_cntl)), ==, 4);
    PUT(&q, FENCE(DST, 1), FENCE(DST + 4, 2));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==, UINT64_C(2) << 32);
    finished(&q);
}

static void exception_comes_back(void)
{
    PUT(&q, 0xff, HDR(NOP, 0));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_ILLEGAL);
    unmap(&q);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_NONE);
    map(&q);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_ILLEGAL);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, 0);
    rig_expect_none(rig);       /* it was reported already */
}

static void reset_saves_nothing(void)
{
    PUT(&q, FENCE(DST, 1));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    cmd(&q, HGPU_SDMA_HQD_CMD_RESET);
    g_assert_cmphex(mqd_get(WORD(rb_rptr)), ==, 0);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS), ==,
                    HGPU_SDMA_CONTEXT_STATUS__IDLE);
}

/* A report about the slot's last queue does not silence its next. */
static void refused_doorbell_of_each_queue_is_reported(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        map(&q);
        for (uint32_t j = 0; j < 3; j++) {
            hgpu_doorbell_write(&rig->gpu, q.doorbell, 2, 8);
        }
        rig_expect(rig, HGPU_IH_CLIENTID_SDMA0,
                   HGPU_SRCID_SDMA_DOORBELL_INVALID);
        rig_expect_none(rig);
        cmd(&q, i ? HGPU_SDMA_HQD_CMD_UNMAP : HGPU_SDMA_HQD_CMD_RESET);
    }
}

static void map_of_enabled_refused(void)
{
    map(&q);
    rig_wr_refused(rig, rig_ctx_reg(&q, HGPU_SDMA_HQD_CMD),
                   HGPU_SDMA_HQD_CMD_MAP);
    unmap(&q);
    rig_wr_refused(rig, rig_ctx_reg(&q, HGPU_SDMA_HQD_CMD),
                   HGPU_SDMA_HQD_CMD_UNMAP);
}

static void bad_mqd_is_not_mapped(void)
{
    static const struct {
        uint64_t word;
        uint32_t val;
    } bad[] = {
        { WORD(rb_cntl), RIG_RB_CNTL(0) },
        { WORD(rb_cntl), FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_VMID, VMID) },
        { WORD(rb_cntl), RIG_RB_CNTL(VMID) |
          HGPU_SDMA_RB_CNTL__RB_SIZE },
        { WORD(rb_rptr), 2 },
        { WORD(rb_rptr), 8 },               /* above WPTR */
        { WORD(rb_wptr), 3 },
        { WORD(rb_wptr), 0x4004 },          /* more than the ring */
        { WORD(rb_wptr_hi), 1 },
        { WORD(rb_rptr_addr_lo), 4 },
        { WORD(doorbell_offset), 0x200000 },
        { WORD(doorbell_offset), 0xc },
        { WORD(ib_size), 16 },              /* WPTR says no INDIRECT */
        { WORD(ib_size), 0x100000 },
        { WORD(ib_offset), 1 },
        { WORD(ib_base_lo), 32 },
        { WORD(ib_cntl), FIELD_PREP(HGPU_SDMA_IB_CNTL__CMD_VMID, 2) },
        { WORD(skip_cntl), 0x4000 },
        { WORD(context_status), FIELD_PREP(
          HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, HGPU_SDMA_EXCEPTION_MQD) },
        { WORD(context_status), HGPU_SDMA_CONTEXT_STATUS__EXCEPTION },
        { WORD(midcmd_cntl), 1 },           /* more than is below WPTR */
        { WORD(midcmd_cntl), 15 },
        { WORD(midcmd_progress_lo), 1 },
        { WORD(midcmd_progress_hi), 1 },
        { WORD(midcmd_retries), 1 },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        mqd_init();
        mqd_set(bad[i].word, bad[i].val);
        if (!cmd_fails(HGPU_SDMA_HQD_CMD_MAP)) {
            g_error("case %u", i);
        }
        g_assert_false(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS) &
                       HGPU_SDMA_CONTEXT_STATUS__SELECTED);
    }
    mqd_init();
    map(&q);            /* and a good one clears it */
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_NONE);
    rig_expect_none(rig);
}

static void bad_packet_in_mqd_is_not_mapped(void)
{
    static const struct {
        uint32_t header, len, progress, cntl;
    } bad[] = {
        { HDR(COPY, 0), 8, 0, 0 },          /* more dwords than it has */
        { HDR(COPY, 0), 3, 16, 0 },         /* progress before it is whole */
        { HDR(COPY, 0), 7, 2, 0 },          /* more than its one byte */
        { HDR(WRITE, 0), 4, 2, 0 },         /* no whole dword */
        { HDR(PTEPDE, 0), 10, 4, 0 },       /* no whole entry */
        { HDR(FENCE, 0), 4, 2, 0 },
        { HDR(COPY, 0), 7, 0, HGPU_MQD_MIDCMD_IB },
        { 0xff, 1, 0, 0 },                  /* unknown, but no exception */
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        mqd_init();
        mqd_set(WORD(rb_wptr), 0x1000);
        mqd_set(WORD(midcmd_data[0]), bad[i].header);
        mqd_set(WORD(midcmd_cntl), bad[i].len | bad[i].cntl);
        mqd_set(WORD(midcmd_progress_lo), bad[i].progress);
        if (!cmd_fails(HGPU_SDMA_HQD_CMD_MAP)) {
            g_error("case %u", i);
        }
    }
    rig_expect_none(rig);
}

static void unreadable_mqd_is_not_mapped(void)
{
    rig->fail_from = mqd_ram(&q) + 256;
    rig->fail_to = mqd_ram(&q) + 260;
    g_assert_true(cmd_fails(HGPU_SDMA_HQD_CMD_MAP));
    rig->fail_to = 0;
    rig_ctx_wr(&q, HGPU_SDMA_MQD_BASE_HI, 0);   /* no such address */
    g_assert_true(cmd_fails(HGPU_SDMA_HQD_CMD_MAP));
    g_assert_cmphex(rig_rd(rig, HGPU_VM_L2_PROTECTION_FAULT_STATUS), ==, 0);
}

static void unwritable_mqd_loses_the_state(void)
{
    map(&q);
    rig_vram_set64(rig, RIG_GART_TABLE + (mqd_ram(&q) >> 12) * 8,
                   (RIG_PTE_SYS & ~HGPU_PTE_WRITEABLE) |
                   (mqd_ram(&q) & ~UINT64_C(0xfff)));
    rig_flush(rig, 1);
    g_assert_true(cmd_fails(HGPU_SDMA_HQD_CMD_UNMAP));
    g_assert_false(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS) &
                   (HGPU_SDMA_CONTEXT_STATUS__SELECTED |
                    HGPU_SDMA_CONTEXT_STATUS__PREEMPTED));
}

static void mqd_without_ib_enable_runs_no_ib(void)
{
    mqd_set(WORD(ib_cntl), 0);
    PUT(&q, INDIRECT(0, SRC, 4));
    mqd_set(WORD(rb_wptr), LO(q.wptr));
    map(&q);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_ILLEGAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) \
    g_test_add_vtable("/mqd/" #name, 0, NULL, (GTestFixtureFunc)setup, \
                      (GTestFixtureFunc)name, (GTestFixtureFunc)teardown)
    TEST(map_loads_and_runs);
    TEST(map_writes_rptr_back_even_if_idle);
    TEST(unmap_saves_and_disables);
    TEST(copy_moves_on_in_another_slot);
    TEST(parked_queue_walks_again_in_another_slot);
    TEST(half_fetched_packet_moves_on);
    TEST(ib_moves_on_in_another_slot);
    TEST(poll_keeps_its_retries);
    TEST(skip_moves_on);
    TEST(exception_comes_back);
    TEST(reset_saves_nothing);
    TEST(refused_doorbell_of_each_queue_is_reported);
    TEST(map_of_enabled_refused);
    TEST(bad_mqd_is_not_mapped);
    TEST(bad_packet_in_mqd_is_not_mapped);
    TEST(unreadable_mqd_is_not_mapped);
    TEST(unwritable_mqd_loses_the_state);
    TEST(mqd_without_ib_enable_runs_no_ib);
    return g_test_run();
}
