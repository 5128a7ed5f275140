/*
 * hmm-gpu unit tests: every SDMA packet, executed and refused (SPEC 7.3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define RAM(x)      (RIG_GART + RIG_DATA + (x))
#define VRAM(x)     (RIG_FB + RIG_VDATA + (x))

static Rig *rig;
static RigQueue q;

static void setup(void)
{
    rig = rig_new();
    q = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_GFX);
}

static void teardown(void)
{
    rig_free(rig);
}

static void finished(void)
{
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_NONE);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, q.wptr);
    rig_expect_none(rig);
}

/* The packet at @rptr halted its context, which alone stands still. */
static void halted(uint32_t source, uint32_t exception, uint64_t rptr)
{
    RigQueue other = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_GFX);
    RigIrq irq = rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, source);

    g_assert_cmpuint(irq.ring, ==, q.ctx);
    g_assert_cmphex(irq.data[0], ==, rig_ram32(rig, q.ram + rptr));
    if (source == HGPU_SRCID_SDMA_ILLEGAL) {
        g_assert_cmphex(irq.data[1], ==, LO(q.va + rptr));
        g_assert_cmphex(irq.data[2], ==, HI(q.va + rptr));
    }
    g_assert_cmpuint(rig_exception(&q), ==, exception);
    g_assert_cmphex(rig_ctx(&q)->rb_rptr, ==, rptr);
    rig_expect_none(rig);
    PUT(&other, FENCE(RIG_GART + RIG_RAM_SIZE - 4096, 0x600d));
    rig_go(&other);
    g_assert_cmphex(rig_ram32(rig, RIG_RAM_SIZE - 4096), ==, 0x600d);
}

/* Put the packet alone into a fresh ring and expect it to be illegal. */
static void illegal(const uint32_t *dwords, uint32_t n)
{
    setup();
    g_array_set_size(rig->writes, 0);
    rig_put(&q, dwords, n);
    rig_go(&q);
    g_assert_cmpuint(rig->writes->len, ==, 3);  /* IH entry, WPTR, MSI */
    halted(HGPU_SRCID_SDMA_ILLEGAL, HGPU_SDMA_EXCEPTION_ILLEGAL, 0);
    teardown();
}

#define ILLEGAL(...)                                                    \
    do {                                                                \
        const uint32_t put_[] = { __VA_ARGS__ };                        \
        illegal(put_, G_N_ELEMENTS(put_));                              \
    } while (0)

/* ---- NOP, unknown ---- */

static void nop_skips_its_count(void)
{
    PUT(&q, HDR(NOP, 0), HDR(NOP, 0) |
        FIELD_PREP(HGPU_SDMA_PKT_NOP_HEADER__COUNT, 3), 0xff, 0xff, 0xff,
        FENCE(RAM(0), 1));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    finished();
}

static void unknown_packet_illegal(void)
{
    static const uint8_t known[] = { 0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13,
                                     14 };

    for (uint32_t op = 0; op < 256; op++) {
        if (op > 14 || !memchr(known, op, sizeof(known))) {
            ILLEGAL(op, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        }
    }
}

static void unknown_sub_op_illegal(void)
{
    static const uint8_t subs[] = { 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 3, 3,
                                    1 };

    for (uint32_t op = 0; op < G_N_ELEMENTS(subs); op++) {
        if (subs[op]) {
            ILLEGAL(HGPU_SDMA_PKT_HEADER(op, subs[op]), 0, 0, 0, 0, 0, 0, 0,
                    0, 0, 0, 0);
            ILLEGAL(HGPU_SDMA_PKT_HEADER(op, 0x80), 0, 0, 0, 0, 0, 0, 0, 0,
                    0, 0, 0);
        }
    }
    ILLEGAL(HDR(TIMESTAMP, HGPU_SDMA_SUBOP_TIMESTAMP_SET), LOHI(RAM(0)));
}

/* ---- COPY ---- */

static void copy_moves_bytes_between_all_memories(void)
{
    static const struct {
        uint64_t src, dst;
        bool to_vram;
    } cases[] = {
        { RAM(0x1003), VRAM(0x2005), true },
        { VRAM(0x2005), RAM(0x105007), false },
        { RAM(0x105007), RAM(0x200001), false },
        { VRAM(0x2005), VRAM(0x300ffe), true },
    };
    const uint32_t n = 300001;

    rig_pattern(rig->ram + RIG_DATA + 0x1003, n, 9);
    for (uint32_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t *dst = cases[i].to_vram
                       ? rig->vram + (cases[i].dst - RIG_FB)
                       : rig->ram + (cases[i].dst - RIG_GART);

        dst[-1] = dst[n] = 0xa5;
        PUT(&q, COPY(cases[i].src, cases[i].dst, n));
        rig_go(&q);
        g_assert_true(rig_is_pattern(dst, n, 9));
        g_assert_cmphex(dst[-1], ==, 0xa5);
        g_assert_cmphex(dst[n], ==, 0xa5);
    }
    finished();
}

static void copy_of_one_byte_and_of_the_most(void)
{
    const uint32_t most = HGPU_SDMA_COPY_MAX_BYTES;

    rig_pattern(rig->ram + RIG_DATA, most, 1);
    PUT(&q, COPY(RAM(0), VRAM(0), most), COPY(RAM(5), VRAM(most), 1));
    rig_go(&q);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA, most, 1));
    g_assert_cmphex(rig->vram[RIG_VDATA + most], ==, rig->ram[RIG_DATA + 5]);
    g_assert_cmphex(rig->vram[RIG_VDATA + most + 1], ==, 0);
    finished();
}

static void copy_broadcast_writes_both(void)
{
    rig_pattern(rig->ram + RIG_DATA, 0x5432, 4);
    PUT(&q, HDR(COPY, 0) | HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST,
        0x5432 - 1, 0, LOHI(RAM(0)), LOHI(VRAM(0x11)), LOHI(RAM(0x10077)));
    rig_go(&q);
    g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA + 0x11, 0x5432, 4));
    g_assert_true(rig_is_pattern(rig->ram + RIG_DATA + 0x10077, 0x5432, 4));
    finished();
}

static void copy_through_short_maps_and_bounce(void)
{
    static const uint64_t map_max[] = { 1, 3, 100, 4095, 0 };
    const uint32_t n = 20000;

    for (uint32_t i = 0; i < G_N_ELEMENTS(map_max); i++) {
        rig->map_max = map_max[i];
        rig_pattern(rig->ram + RIG_DATA + 7, n, i);
        PUT(&q, HDR(COPY, 0) | HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST,
            n - 1, 0, LOHI(RAM(7)), LOHI(RAM(0x100ff1)), LOHI(RAM(0x200002)));
        rig_go(&q);
        g_assert_true(rig_is_pattern(rig->ram + RIG_DATA + 0x100ff1, n, i));
        g_assert_true(rig_is_pattern(rig->ram + RIG_DATA + 0x200002, n, i));
    }
    finished();
}

static void copy_through_scattered_pages(void)
{
    const uint32_t pages = 256;
    uint64_t slot = RIG_GART_TABLE + (RIG_DATA >> 12) * 8;

    for (uint32_t i = 0; i < pages; i++) {
        uint64_t page = RIG_DATA + (i * 37 % pages) * 4096;

        rig_vram_set64(rig, slot + i * 8, RIG_PTE_SYS | page);
        rig_pattern(rig->vram + RIG_VDATA + i * 4096, 4096, i);
    }
    PUT(&q, COPY(VRAM(0), RAM(0), pages * 4096));
    rig_go(&q);
    for (uint32_t i = 0; i < pages; i++) {
        g_assert_true(rig_is_pattern(rig->ram + RIG_DATA +
                                     (i * 37 % pages) * 4096, 4096, i));
    }
    finished();
}

static void copy_overlap_is_harmless(void)
{
    PUT(&q, COPY(RAM(0), RAM(100), 10000), COPY(RAM(100), RAM(0), 10000));
    rig_go(&q);
    finished();
}

static void copy_with_swap_illegal(void)
{
    ILLEGAL(HDR(COPY, 0), 3, BIT(16), LOHI(RAM(0)), LOHI(RAM(64)));
    ILLEGAL(HDR(COPY, 0), 3, BIT(17), LOHI(RAM(0)), LOHI(RAM(64)));
    ILLEGAL(HDR(COPY, 0), 3, BIT(24), LOHI(RAM(0)), LOHI(RAM(64)));
}

/* ---- WRITE, CONST_FILL ---- */

static void write_stores_its_dwords(void)
{
    const uint32_t n = 3000;

    PUT(&q, HDR(WRITE, 0), LOHI(RAM(0xff4)), n - 1);
    for (uint32_t i = 0; i < n; i++) {
        PUT(&q, i * 0x01010101u);
    }
    PUT(&q, FENCE(RAM(0), 1));
    rig_go(&q);
    for (uint32_t i = 0; i < n; i++) {
        g_assert_cmphex(rig_ram32(rig, RIG_DATA + 0xff4 + i * 4), ==,
                        i * 0x01010101u);
    }
    g_assert_cmphex(rig_ram32(rig, RIG_DATA + 0xff4 + n * 4), ==, 0);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 1);
    finished();
}

static void write_payload_wraps(void)
{
    for (uint32_t round = 0; round < 5; round++) {
        PUT(&q, HDR(WRITE, 0), LOHI(VRAM(0)), 1500 - 1);
        for (uint32_t i = 0; i < 1500; i++) {
            PUT(&q, round * 10000 + i);
        }
        rig_go(&q);
        for (uint32_t i = 0; i < 1500; i++) {
            uint32_t val;

            memcpy(&val, rig->vram + RIG_VDATA + i * 4, 4);
            g_assert_cmpuint(GUINT32_FROM_LE(val), ==, round * 10000 + i);
        }
    }
    finished();
}

static void write_malformed_illegal(void)
{
    ILLEGAL(HDR(WRITE, 0), LOHI(RAM(2)), 0, 1);
    ILLEGAL(HDR(WRITE, 0), LOHI(RAM(0)), BIT(24), 1);
}

static void fill_writes_its_pattern(void)
{
    static const struct {
        uint32_t size, off, n;
    } cases[] = {
        { HGPU_SDMA_FILLSIZE_BYTE, 3, 1 },
        { HGPU_SDMA_FILLSIZE_BYTE, 0xffd, 9000 },
        { HGPU_SDMA_FILLSIZE_DWORD, 4, 4 },
        { HGPU_SDMA_FILLSIZE_DWORD, 0xffc, 9003 },
        { HGPU_SDMA_FILLSIZE_DWORD, 0, 1 },
        { HGPU_SDMA_FILLSIZE_DWORD, 0, 600001 },
    };
    static const uint64_t map_max[] = { UINT64_MAX, 7, 0 };
    const uint32_t val = 0x44332211;

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases) * 3; i++) {
        uint32_t n = cases[i / 3].n;
        uint8_t *at = rig->ram + RIG_DATA + 0x1000 + cases[i / 3].off;
        bool dword = cases[i / 3].size == HGPU_SDMA_FILLSIZE_DWORD;

        rig->map_max = map_max[i % 3];
        memset(at - 1, 0xee, n + 2);
        PUT(&q, HDR(CONST_FILL, 0) |
            FIELD_PREP(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE,
                       cases[i / 3].size),
            LOHI(RAM(0x1000 + cases[i / 3].off)), val, n - 1);
        rig_go(&q);
        for (uint32_t j = 0; j < n; j++) {
            if (at[j] != (uint8_t)(val >> (dword ? j % 4 * 8 : 0))) {
                g_error("case %u byte %u is %02x", i, j, at[j]);
            }
        }
        g_assert_cmphex(at[-1], ==, 0xee);
        g_assert_cmphex(at[n], ==, 0xee);
    }
    finished();
}

static void fill_malformed_illegal(void)
{
    const uint32_t mask = HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE;

    ILLEGAL(HDR(CONST_FILL, 0) | FIELD_PREP(mask, 1), LOHI(RAM(0)), 1, 3);
    ILLEGAL(HDR(CONST_FILL, 0) | FIELD_PREP(mask, 3), LOHI(RAM(0)), 1, 3);
    ILLEGAL(HDR(CONST_FILL, 0) | FIELD_PREP(mask, 2), LOHI(RAM(2)), 1, 3);
    ILLEGAL(HDR(CONST_FILL, 0) | BIT(16), LOHI(RAM(0)), 1, 3);
}

/* ---- INDIRECT ---- */

static void put_ib(uint64_t off, const uint32_t *dwords, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        rig_ram_set32(rig, RIG_DATA + off + i * 4, dwords[i]);
    }
}

#define IB(off, ...)                                                    \
    ({                                                                  \
        const uint32_t put_[] = { __VA_ARGS__ };                        \
        put_ib(off, put_, G_N_ELEMENTS(put_));                          \
        (uint32_t)G_N_ELEMENTS(put_);                                   \
    })

static void indirect_runs_and_returns(void)
{
    uint32_t n = IB(0x1000, FENCE(RAM(0), 1), HDR(NOP, 0), FENCE(RAM(4), 2));

    PUT(&q, INDIRECT(0, RAM(0x1000), n), FENCE(RAM(8), 3));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 0), ==, 1);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 2);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 3);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_IB_SIZE), ==, 0);
    finished();
}

static void indirect_of_nothing_is_done(void)
{
    PUT(&q, INDIRECT(0, RAM(0x1000), 0), FENCE(RAM(8), 3));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 3);
    finished();
}

static void rptr_does_not_cover_a_running_ib(void)
{
    uint32_t n = IB(0x1000, HDR(POLL_REGMEM, 0) |
                    HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL |
                    FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC,
                               HGPU_SDMA_POLL_FUNC_EQ),
                    LOHI(RAM(0)), 1, 0xffffffff, 0x0fff0000);

    PUT(&q, HDR(NOP, 0), INDIRECT(0, RAM(0x1000), n));
    rig_go(&q);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_RPTR), ==, 4);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_IB_SIZE), ==, n);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_IB_OFFSET), ==, 0);
    g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_IB_BASE_LO), ==,
                    LO(RAM(0x1000)));
    rig_ram_set32(rig, RIG_DATA, 1);
    rig_pass(rig, 100000);
    finished();
}

static void indirect_in_a_process_uses_its_memory(void)
{
    const uint64_t va = 0x700000000000;
    const uint32_t ib[] = { FENCE(va + 0x800, 0x77) };

    rig_vm(rig, 6, RIG_VM_RETRY);
    rig_map(rig, 6, va, RIG_PTE_SYS | (RIG_DATA + 0x3000));
    put_ib(0x3000, ib, G_N_ELEMENTS(ib));
    PUT(&q, INDIRECT(6, va, G_N_ELEMENTS(ib)), FENCE(RAM(0), 1));
    rig_go(&q);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA + 0x3800), ==, 0x77);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 1);
    finished();
}

static void process_ib_in_kernel_ring_has_no_privilege(void)
{
    const uint64_t va = 0x700000000000;
    const uint32_t ib[] = {
        HDR(SRBM_WRITE, 0) | HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN,
        HGPU_SCRATCH / 4, 0xbad
    };

    rig_vm(rig, 6, RIG_VM_RETRY);
    rig_map(rig, 6, va, RIG_PTE_SYS | (RIG_DATA + 0x3000));
    put_ib(0x3000, ib, G_N_ELEMENTS(ib));
    PUT(&q, INDIRECT(6, va, G_N_ELEMENTS(ib)));
    rig_go(&q);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_SRBMWRITE);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_PRIV);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH), ==, 0);
}

static void indirect_malformed_illegal(void)
{
    ILLEGAL(INDIRECT(0, RAM(0x1010), 4));
}

static void indirect_while_disabled_illegal(void)
{
    rig_ctx_wr(&q, HGPU_SDMA_IB_CNTL, 0);
    PUT(&q, INDIRECT(0, RAM(0x1000), 4));
    rig_go(&q);
    halted(HGPU_SRCID_SDMA_ILLEGAL, HGPU_SDMA_EXCEPTION_ILLEGAL, 0);
}

static void expect_illegal_ib(uint32_t n, uint32_t at)
{
    RigIrq irq;

    PUT(&q, INDIRECT(0, RAM(0x1000), n));
    rig_go(&q);
    irq = rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_ILLEGAL);
    g_assert_cmphex(irq.data[1], ==, LO(RAM(0x1000 + at)));
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_ILLEGAL);
}

static void nested_indirect_illegal(void)
{
    expect_illegal_ib(IB(0x1000, HDR(NOP, 0), INDIRECT(0, RAM(0x2000), 4)),
                      4);
}

static void packet_beyond_its_ib_illegal(void)
{
    /* the rest of the fence is there in memory, but not in the IB */
    IB(0x1000, HDR(NOP, 0), FENCE(RAM(0), 1));
    expect_illegal_ib(4, 4);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0);
}

static void payload_beyond_its_ib_illegal(void)
{
    IB(0x1000, HDR(WRITE, 0), LOHI(RAM(0)), 1, 7, 7);
    expect_illegal_ib(5, 0);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA), ==, 0);
}

/* ---- FENCE, TRAP, TIMESTAMP ---- */

static void fence_comes_after_the_data(void)
{
    uint64_t fence_at = 0;
    const RigWrite *w;

    g_array_set_size(rig->writes, 0);
    PUT(&q, COPY(RAM(0), RAM(0x100000), 300000), FENCE(RAM(0x200000), 9),
        COPY(RAM(0), RAM(0x300000), 100));
    rig_go(&q);
    for (uint32_t i = 0; i < rig->writes->len; i++) {
        w = &g_array_index(rig->writes, RigWrite, i);
        if (w->addr == RIG_DATA + 0x200000) {
            fence_at = i;
        } else if (w->addr >= RIG_DATA + 0x300000) {
            g_assert_cmpuint(fence_at, >, 0);
        } else if (w->addr >= RIG_DATA) {
            g_assert_cmpuint(fence_at, ==, 0);
        }
    }
    g_assert_cmpuint(fence_at, >, 0);
    finished();
}

static void fence_misaligned_illegal(void)
{
    ILLEGAL(FENCE(RAM(1), 1));
    ILLEGAL(FENCE(RAM(2), 1));
}

static void trap_interrupts_after_data_and_rptr(void)
{
    const RigWrite *w;
    RigIrq irq;

    rig_wr(rig, HGPU_IH_VMID_LUT(0), 0x4711);
    g_array_set_size(rig->writes, 0);
    PUT(&q, FENCE(RAM(0), 1), TRAP(0xf1234567));
    rig_go(&q);
    w = &g_array_index(rig->writes, RigWrite, 0);
    g_assert_cmpuint(rig->writes->len, ==, 5);
    g_assert_cmphex(w[0].addr, ==, RIG_DATA);
    g_assert_cmphex(w[1].addr, ==, q.rptr_ram);
    g_assert_cmphex(w[2].addr, ==, RIG_IH_RING);
    g_assert_cmpuint(w[4].kind, ==, RIG_INTERRUPT);
    g_assert_cmphex(rig_ram64(rig, q.rptr_ram), ==, q.wptr);
    irq = rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_TRAP);
    g_assert_cmphex(irq.data[0], ==, 0x1234567);
    g_assert_cmphex(irq.pasid, ==, 0x4711);
    finished();
}

static void trap_disabled_is_silent(void)
{
    rig_wr(rig, HGPU_SDMA_BASE(0) + HGPU_SDMA_CNTL, 0);
    PUT(&q, TRAP(1));
    rig_go(&q);
    finished();
}

static void traps_name_their_engine_and_context(void)
{
    RigQueue p = rig_kernel_queue(rig, 1, HGPU_SDMA_CTX_PAGE);

    PUT(&p, TRAP(1));
    rig_go(&p);
    g_assert_cmpuint(rig_expect(rig, HGPU_IH_CLIENTID_SDMA1,
                                HGPU_SRCID_SDMA_TRAP).ring, ==,
                     HGPU_SDMA_CTX_PAGE);
}

static void timestamp_writes_the_clock(void)
{
    rig->now += 12345678910;
    PUT(&q, HDR(TIMESTAMP, HGPU_SDMA_SUBOP_TIMESTAMP_GET), LOHI(RAM(8)),
        HDR(TIMESTAMP, HGPU_SDMA_SUBOP_TIMESTAMP_GET_GLOBAL), LOHI(RAM(16)));
    rig_go(&q);
    g_assert_cmpuint(rig_ram64(rig, RIG_DATA + 8), ==, 1234567891);
    g_assert_cmpuint(rig_ram64(rig, RIG_DATA + 16), ==, 1234567891);
    finished();
}

static void timestamp_misaligned_illegal(void)
{
    ILLEGAL(HDR(TIMESTAMP, HGPU_SDMA_SUBOP_TIMESTAMP_GET), LOHI(RAM(4)));
}

/* ---- POLL_REGMEM ---- */

#define POLL(mem, func, addr, val, mask, interval, retries)             \
    HDR(POLL_REGMEM, 0) |                                               \
    ((mem) ? HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL : 0) |          \
    FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC, func),           \
    LOHI(addr), val, mask,                                              \
    FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, interval) |     \
    FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, retries)

static void poll_compares_unsigned_and_masked(void)
{
    static const uint32_t vals[] = { 4, 5, 6, 0xfffffff5 };
    /* value & 0xf against 5: less, equal, greater, equal */
    static const uint8_t holds[7] = { 0xf, 0x1, 0xb, 0xa, 0x5, 0xe, 0x4 };

    for (uint32_t func = 0; func < 7; func++) {
        for (uint32_t i = 0; i < 4; i++) {
            bool want = holds[func] >> i & 1;

            setup();
            rig_ram_set32(rig, RIG_DATA, vals[i]);
            PUT(&q, POLL(true, func, RAM(0), 5, 0xf, 0, 0xfff),
                FENCE(RAM(4), 1));
            rig_go(&q);
            if (rig_ram32(rig, RIG_DATA + 4) != want) {
                g_error("func %u value %u", func, vals[i]);
            }
            g_assert_true(!!(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS) &
                             HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT) == !want);
            teardown();
        }
    }
    /* 0x80000000 is large */
    setup();
    rig_ram_set32(rig, RIG_DATA, 0x80000000);
    PUT(&q, POLL(true, HGPU_SDMA_POLL_FUNC_GT, RAM(0), 1, ~0u, 0, 0));
    rig_go(&q);
    finished();
    teardown();
}

static void poll_waits_its_interval(void)
{
    uint64_t reads;

    PUT(&q, POLL(true, HGPU_SDMA_POLL_FUNC_EQ, RAM(0), 1, ~0u, 1000, 0xfff),
        FENCE(RAM(4), 1));
    rig_go(&q);
    reads = rig->dma_reads;
    rig_pass(rig, 9999);
    g_assert_cmpuint(rig->dma_reads, ==, reads);
    rig_pass(rig, 1);
    g_assert_cmpuint(rig->dma_reads, ==, reads + 1);
    rig_pass(rig, 100 * 10000);
    g_assert_cmpuint(rig->dma_reads, ==, reads + 101);
    rig_ram_set32(rig, RIG_DATA, 1);
    rig_pass(rig, 10000);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 1);
    finished();
}

static void poll_interval_is_at_least_a_microsecond(void)
{
    uint64_t reads;

    PUT(&q, POLL(true, HGPU_SDMA_POLL_FUNC_EQ, RAM(0), 1, ~0u, 0, 0xfff));
    rig_go(&q);
    reads = rig->dma_reads;
    rig_pass(rig, 10000);
    g_assert_cmpuint(rig->dma_reads, ==, reads + 10);
}

static void poll_gives_up(void)
{
    uint64_t reads = rig->dma_reads;

    PUT(&q, POLL(true, HGPU_SDMA_POLL_FUNC_EQ, RAM(0), 1, ~0u, 100, 5));
    rig_go(&q);
    rig_pass(rig, 4 * 1000);
    rig_expect_none(rig);
    rig_pass(rig, 1000);
    g_assert_cmpuint(rig->dma_reads, ==, reads + 2 + 6);
    halted(HGPU_SRCID_SDMA_POLL_TIMEOUT, HGPU_SDMA_EXCEPTION_TIMEOUT, 0);
}

static void waiting_poll_holds_up_nobody(void)
{
    RigQueue page = rig_kernel_queue(rig, 0, HGPU_SDMA_CTX_PAGE);

    PUT(&q, POLL(true, HGPU_SDMA_POLL_FUNC_EQ, RAM(0), 1, ~0u, 10, 0xfff));
    rig_go(&q);
    PUT(&page, FENCE(RAM(0), 1));
    rig_go(&page);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    rig_pass(rig, 1000);
    finished();
}

static void poll_reads_a_register(void)
{
    rig_wr(rig, HGPU_SCRATCH, 0x1200);
    PUT(&q, POLL(false, HGPU_SDMA_POLL_FUNC_EQ, HGPU_SCRATCH, 0x1234, 0xffff,
                 10, 0xfff), FENCE(RAM(0), 1));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
    rig_wr(rig, HGPU_SCRATCH, 0x551234);
    rig_pass(rig, 1000);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 1);
    finished();
}

static void poll_malformed_illegal(void)
{
    ILLEGAL(POLL(true, 7, RAM(0), 1, 1, 0, 0));
    ILLEGAL(POLL(true, 3, RAM(2), 1, 1, 0, 0));
    ILLEGAL(POLL(false, 3, HGPU_SCRATCH + 1, 1, 1, 0, 0));
}

/* ---- COND_EXE ---- */

static void cond_exe_skips_unless_equal(void)
{
    rig_ram_set32(rig, RIG_DATA + 0x100, 0x77);
    PUT(&q, HDR(COND_EXE, 0), LOHI(RAM(0x100)), 0x77, 4, FENCE(RAM(0), 1),
        HDR(COND_EXE, 0), LOHI(RAM(0x100)), 0x78, 4, FENCE(RAM(4), 2),
        FENCE(RAM(8), 3));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 0), ==, 1);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 3);
    finished();
}

static void cond_exe_skip_goes_beyond_wptr(void)
{
    PUT(&q, HDR(COND_EXE, 0), LOHI(RAM(0x100)), 1, 8, FENCE(RAM(0), 1));
    rig_go(&q);
    PUT(&q, FENCE(RAM(4), 2), FENCE(RAM(8), 3));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 0), ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 3);
    finished();
}

static void cond_exe_skips_in_an_ib(void)
{
    uint32_t n = IB(0x1000, HDR(COND_EXE, 0), LOHI(RAM(0x100)), 1, 4,
                    FENCE(RAM(0), 1));

    PUT(&q, INDIRECT(0, RAM(0x1000), n), FENCE(RAM(4), 2));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 0), ==, 0);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 4), ==, 2);
    finished();
}

static void cond_exe_malformed_illegal(void)
{
    ILLEGAL(HDR(COND_EXE, 0), LOHI(RAM(2)), 1, 4);
    setup();
    expect_illegal_ib(IB(0x1000, HDR(COND_EXE, 0), LOHI(RAM(0x100)), 1, 5,
                         FENCE(RAM(0), 1)), 0);
    teardown();
}

/* ---- ATOMIC ---- */

#define ATOMIC(op, addr, src, cmp)                                      \
    HDR(ATOMIC, 0) |                                                    \
    FIELD_PREP(HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP, op),             \
    LOHI(addr), LOHI(src), LOHI(cmp), 0
#define OP(name)    HGPU_TC_OP_ATOMIC_##name##_RTN_32
#define OP64(name)  (OP(name) | HGPU_TC_OP__64)

static void atomic_computes(void)
{
    const uint64_t big = UINT64_C(0x8000000000000000);
    static const uint64_t noise = UINT64_C(0xdddddddd00000000);
    const struct {
        uint32_t op;
        uint64_t old, src, cmp, want;
    } cases[] = {
        { OP(SWAP), 1, 2, 0, 2 },
        { OP64(SWAP), 1, big | 2, 0, big | 2 },
        { OP(CMPSWAP), 7, 9, 7, 9 },
        { OP(CMPSWAP), 8, 9, 7, 8 },
        { OP(CMPSWAP), 7, 9, noise | 7, 9 },
        { OP64(CMPSWAP), big, 9, big, 9 },
        { OP64(CMPSWAP), big, 9, 0, big },
        { OP(ADD), 0xffffffff, 2, 0, 1 },
        { OP64(ADD), UINT64_MAX, 2, 0, 1 },
        { OP(SUB), 1, 2, 0, 0xffffffff },
        { OP64(SUB), 1, 2, 0, UINT64_MAX },
        { OP(SMIN), 0x80000000, 1, 0, 0x80000000 },
        { OP(SMIN), 1, 0x80000000, 0, 0x80000000 },
        { OP64(SMIN), 1, big, 0, big },
        { OP(UMIN), 0x80000000, 1, 0, 1 },
        { OP64(UMIN), big, 1, 0, 1 },
        { OP(SMAX), 0x80000000, 1, 0, 1 },
        { OP(SMAX), 5, 1, 0, 5 },
        { OP64(SMAX), big, 1, 0, 1 },
        { OP(UMAX), 0x80000000, 1, 0, 0x80000000 },
        { OP64(UMAX), 1, big, 0, big },
        { OP(AND), 0xff0f, 0x0fff, 0, 0x0f0f },
        { OP64(AND), UINT64_MAX, big, 0, big },
        { OP(OR), 0xf0, 0x0f, 0, 0xff },
        { OP64(OR), 1, big, 0, big | 1 },
        { OP(XOR), 0xff, 0x0f, 0, 0xf0 },
        { OP64(XOR), UINT64_MAX, big, 0, ~big },
        { OP(INC), 4, 5, 0, 5 },
        { OP(INC), 5, 5, 0, 0 },
        { OP(INC), 6, 5, 0, 0 },
        { OP64(INC), 0xffffffff, big, 0, 0x100000000 },
        { OP(DEC), 5, 5, 0, 4 },
        { OP(DEC), 0, 5, 0, 5 },
        { OP(DEC), 6, 5, 0, 5 },
        { OP64(DEC), 0x100000000, big, 0, 0xffffffff },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases) * 4; i++) {
        uint32_t op = cases[i / 4].op | (i & 1 ? HGPU_TC_OP__NO_RTN : 0);
        bool wide = op & HGPU_TC_OP__64;
        uint64_t old = cases[i / 4].old | (wide ? 0 : noise);
        uint64_t want = cases[i / 4].want | (wide ? 0 : noise);
        uint64_t got;

        rig_ram_set64(rig, RIG_DATA, old);
        rig_vram_set64(rig, RIG_VDATA, old);
        PUT(&q, ATOMIC(op, i & 2 ? RAM(0) : VRAM(0), cases[i / 4].src,
                       cases[i / 4].cmp));
        rig_go(&q);
        got = i & 2 ? rig_ram64(rig, RIG_DATA) : rig_vram64(rig, RIG_VDATA);
        if (got != want) {
            g_error("case %u: 0x%" PRIx64, i / 4, got);
        }
    }
    finished();
}

static void atomic_loop_waits_for_its_value(void)
{
    PUT(&q, HDR(ATOMIC, 0) | HGPU_SDMA_PKT_ATOMIC_HEADER__LOOP |
        FIELD_PREP(HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP, OP(CMPSWAP)),
        LOHI(RAM(0)), 5, 0, 1, 0, 1000, FENCE(RAM(8), 1));
    rig_go(&q);
    rig_pass(rig, 1000000);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 0);
    g_assert_true(rig_ctx_rd(&q, HGPU_SDMA_CONTEXT_STATUS) &
                  HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT);
    rig_ram_set32(rig, RIG_DATA, 1);
    rig_pass(rig, 10000);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 5);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 8), ==, 1);
    finished();
}

static void atomic_malformed_illegal(void)
{
    for (uint32_t op = 0; op < 128; op++) {
        uint32_t base = op & HGPU_TC_OP__BASE;

        if (base < 0x07 || (base > 0x08 && base < 0x0f) || base > 0x19) {
            ILLEGAL(ATOMIC(op, RAM(0), 1, 1));
        }
    }
    ILLEGAL(ATOMIC(OP(ADD), RAM(2), 1, 1));
    ILLEGAL(ATOMIC(OP64(ADD), RAM(4), 1, 1));
}

static void atomic_on_unmappable_memory_is_bus_error(void)
{
    rig->map_max = 0;
    PUT(&q, ATOMIC(OP(ADD), RAM(0), 1, 1));
    rig_go(&q);
    rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_BUS_ERROR);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_BUS);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
}

/* ---- PTEPDE ---- */

static void ptepde_gen_writes_entries(void)
{
    const uint64_t init = UINT64_C(0xfff0000), incr = UINT64_C(0x1000);
    const uint64_t flags = UINT64_C(0x0600000000000073);
    const uint32_t n = 1500;

    PUT(&q, HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_GEN), LOHI(VRAM(0xff8)),
        LOHI(flags), LOHI(init), LOHI(incr), n - 1);
    rig_go(&q);
    for (uint32_t i = 0; i < n; i++) {
        g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0xff8 + i * 8), ==,
                        (init + i * incr) | flags);
    }
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0xff8 + n * 8), ==, 0);
    finished();
}

static void ptepde_gen_of_the_most(void)
{
    const uint32_t n = 1u << 19;

    PUT(&q, HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_GEN), LOHI(VRAM(0)), 0, 0,
        0, 0, 1, 0, n - 1);
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA + (n - 1) * UINT64_C(8)), ==,
                    n - 1);
    finished();
}

static void ptepde_copy_copies_or_merges(void)
{
    const uint64_t mask = UINT64_C(0x00ff00ff00ff00ff);
    const uint32_t n = 1200;

    for (uint32_t merge = 0; merge < 2; merge++) {
        rig_pattern(rig->ram + RIG_DATA + 0x10, n * 8, 1);
        rig_pattern(rig->vram + RIG_VDATA + 0x808, n * 8, 2);
        PUT(&q, HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_COPY) |
            (merge ? HGPU_SDMA_PKT_PTEPDE_COPY_HEADER__PTEPDE_OP : 0),
            LOHI(RAM(0x10)), LOHI(VRAM(0x808)), LOHI(mask), n - 1);
        rig_go(&q);
        if (!merge) {
            g_assert_true(rig_is_pattern(rig->vram + RIG_VDATA + 0x808,
                                         n * 8, 1));
            continue;
        }
        rig_pattern(rig->ram + RIG_DATA + 0x10000, n * 8, 2);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t old = rig_ram64(rig, RIG_DATA + 0x10000 + i * 8);
            uint64_t src = rig_ram64(rig, RIG_DATA + 0x10 + i * 8);

            g_assert_cmphex(rig_vram64(rig, RIG_VDATA + 0x808 + i * 8), ==,
                            (old & ~mask) | (src & mask));
        }
    }
    finished();
}

static void ptepde_rmw_changes_masked_bits(void)
{
    rig_vram_set64(rig, RIG_VDATA, UINT64_C(0x1122334455667788));
    PUT(&q, HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_RMW), LOHI(VRAM(0)),
        LOHI(UINT64_C(0xffff00000000ff00)),
        LOHI(UINT64_C(0xaaaabbbbccccdddd)));
    rig_go(&q);
    g_assert_cmphex(rig_vram64(rig, RIG_VDATA), ==,
                    UINT64_C(0xaaaa33445566dd88));
    finished();
}

static void ptepde_through_bounce(void)
{
    rig->map_max = 0;
    rig_ram_set64(rig, RIG_DATA, UINT64_C(0x1122334455667788));
    PUT(&q, HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_RMW), LOHI(RAM(0)),
        LOHI(UINT64_C(0xff)), LOHI(UINT64_C(0x99)),
        HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_GEN), LOHI(RAM(0x1ff8)), 0, 0,
        LOHI(UINT64_C(100)), LOHI(UINT64_C(1)), 1000 - 1,
        HDR(PTEPDE, HGPU_SDMA_SUBOP_PTEPDE_COPY), LOHI(RAM(0x1ff8)),
        LOHI(RAM(0x8ff0)), 0, 0, 1000 - 1);
    rig_go(&q);
    g_assert_cmphex(rig_ram64(rig, RIG_DATA), ==,
                    UINT64_C(0x1122334455667799));
    for (uint32_t i = 0; i < 1000; i++) {
        g_assert_cmpuint(rig_ram64(rig, RIG_DATA + 0x8ff0 + i * 8), ==,
                         100 + i);
    }
    finished();
}

static void ptepde_misaligned_illegal(void)
{
    ILLEGAL(HDR(PTEPDE, 0), LOHI(RAM(4)), 0, 0, 0, 0, 0, 0, 0);
    ILLEGAL(HDR(PTEPDE, 1), LOHI(RAM(4)), LOHI(RAM(8)), 0, 0, 0);
    ILLEGAL(HDR(PTEPDE, 1), LOHI(RAM(8)), LOHI(RAM(4)), 0, 0, 0);
    ILLEGAL(HDR(PTEPDE, 2), LOHI(RAM(4)), 0, 0, 0, 0);
}

/* ---- SRBM_WRITE ---- */

#define SRBM(reg, val)                                                  \
    HDR(SRBM_WRITE, 0) | HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN,      \
    (reg) / 4, val

static void srbm_write_writes_a_register(void)
{
    PUT(&q, SRBM(HGPU_SCRATCH, 0xcafe), SRBM(HGPU_IH_VMID_LUT(3), 9));
    rig_go(&q);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH), ==, 0xcafe);
    g_assert_cmphex(rig_rd(rig, HGPU_IH_VMID_LUT(3)), ==, 9);
    finished();
}

static void srbm_write_of_nothing_is_refused_only(void)
{
    uint32_t errors = rig->guest_errors;

    PUT(&q, SRBM(0xfffc, 1), SRBM(HGPU_ID, 1),
        HDR(SRBM_WRITE, 0) | HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN,
        0xffffffff, 1);
    rig_go(&q);
    g_assert_cmpuint(rig->guest_errors, ==, errors + 3);
    finished();
}

static void srbm_write_without_all_bytes_illegal(void)
{
    ILLEGAL(HDR(SRBM_WRITE, 0) | 0x70000000, HGPU_SCRATCH / 4, 1);
    ILLEGAL(HDR(SRBM_WRITE, 0), HGPU_SCRATCH / 4, 1);
}

static void srbm_write_flushes_the_tlb_between_packets(void)
{
    uint64_t slot = RIG_FB + RIG_GART_TABLE +
                    ((RIG_DATA + 0x5000) >> 12) * 8;
    uint64_t pte = RIG_PTE_SYS | (RIG_DATA + 0x9000);

    /* use the window, rewrite its PTE, flush, use it again: one ring */
    PUT(&q, FENCE(RAM(0x5000), 1),
        HDR(WRITE, 0), LOHI(slot), 1, LOHI(pte),
        SRBM(HGPU_VM_INVALIDATE_ENG_REQ(2), 1), FENCE(RAM(0x5000), 2));
    rig_go(&q);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 0x5000), ==, 1);
    g_assert_cmpuint(rig_ram32(rig, RIG_DATA + 0x9000), ==, 2);
    finished();
}

static void srbm_write_may_stop_its_own_context(void)
{
    static const struct {
        uint32_t reg, val, rptr;    /* the packet has 12 bytes */
    } ways[] = {
        { HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_RB_CNTL, 0, 12 },
        { HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL,
          HGPU_SDMA_F32_CNTL__RESET, 0 },
        { HGPU_SDMA_BASE(0) + HGPU_SDMA_F32_CNTL, HGPU_SDMA_F32_CNTL__HALT,
          12 },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        setup();
        PUT(&q, SRBM(ways[i].reg, ways[i].val), FENCE(RAM(0), 1));
        rig_go(&q);
        g_assert_cmpuint(rig_ram32(rig, RIG_DATA), ==, 0);
        g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_RB_RPTR), ==, ways[i].rptr);
        rig_expect_none(rig);
        teardown();
    }
}

/* ---- Privilege ---- */

static void denied(const uint32_t *dwords, uint32_t n)
{
    RigIrq irq;

    setup();
    q = rig_user_queue(rig, 0, 4, 8);
    rig_put(&q, dwords, n);
    rig_go(&q);
    irq = rig_expect(rig, HGPU_IH_CLIENTID_SDMA0, HGPU_SRCID_SDMA_SRBMWRITE);
    g_assert_cmpuint(irq.ring, ==, q.ctx);
    g_assert_cmpuint(irq.vmid, ==, 8);
    g_assert_cmphex(irq.pasid, ==, RIG_PASID(8));
    g_assert_cmphex(irq.data[0], ==, dwords[0]);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_PRIV);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH), ==, 0);
    teardown();
}

#define DENIED(...)                                                     \
    do {                                                                \
        const uint32_t put_[] = { __VA_ARGS__ };                        \
        denied(put_, G_N_ELEMENTS(put_));                               \
    } while (0)

static void user_queue_has_no_privilege(void)
{
    DENIED(SRBM(HGPU_SCRATCH, 1));
    DENIED(POLL(false, 3, HGPU_SCRATCH, 1, 1, 0, 0));
    DENIED(INDIRECT(7, 0x1000, 4));
}

static void rb_priv_gives_an_rlc_nothing(void)
{
    q = rig_user_queue(rig, 0, 0, 8);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL,
               RIG_RB_CNTL(8) | HGPU_SDMA_RB_CNTL__RB_PRIV);
    PUT(&q, SRBM(HGPU_SCRATCH, 1));
    rig_go(&q);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_PRIV);
}

static void user_indirect_may_name_its_own_vmid(void)
{
    const uint64_t va = 0x60000000;
    const uint32_t ib[] = { FENCE(va + 0x800, 0x77) };

    q = rig_user_queue(rig, 0, 0, 8);
    rig_map(rig, 8, va, RIG_PTE_SYS | (RIG_DATA + 0x3000));
    put_ib(0x3000, ib, G_N_ELEMENTS(ib));
    PUT(&q, INDIRECT(8, va, G_N_ELEMENTS(ib)));
    rig_go(&q);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA + 0x3800), ==, 0x77);
    rig_ram_set32(rig, RIG_DATA + 0x3800, 0);
    PUT(&q, INDIRECT(0, va, G_N_ELEMENTS(ib)));
    rig_go(&q);
    g_assert_cmphex(rig_ram32(rig, RIG_DATA + 0x3800), ==, 0x77);
    finished();
}

static void kernel_ring_of_a_process_needs_rb_priv(void)
{
    rig_vm(rig, 8, RIG_VM_RETRY);
    rig_map_range(rig, 8, q.va, RIG_PTE_SYS | q.ram, q.bytes);
    rig_map(rig, 8, q.rptr_va & ~UINT64_C(0xfff),
            RIG_PTE_SYS | (q.rptr_ram & ~UINT64_C(0xfff)));
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL,
               RIG_RB_CNTL(8) | HGPU_SDMA_RB_CNTL__RB_PRIV);
    PUT(&q, SRBM(HGPU_SCRATCH, 1));
    rig_go(&q);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH), ==, 1);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, 0);
    rig_ctx_wr(&q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(8));
    PUT(&q, SRBM(HGPU_SCRATCH, 2));
    rig_go(&q);
    g_assert_cmphex(rig_rd(rig, HGPU_SCRATCH), ==, 1);
    g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_PRIV);
}

/* ---- Bus errors ---- */

static void failed_dma_halts_with_bus_error(void)
{
    const uint32_t packets[][8] = {
        { COPY(RAM(0x10000), RAM(0), 64) },
        { COPY(RAM(0), RAM(0x10000), 64) },
        { FENCE(RAM(0x10000), 1) },
        { FILL32(RAM(0x10000), 1, 64) },
        { HDR(WRITE, 0), LOHI(RAM(0x10000)), 0, 1 },
        { HDR(TIMESTAMP, 1), LOHI(RAM(0x10000)) },
        { INDIRECT(0, RAM(0x10000), 4) },
        { ATOMIC(OP(ADD), RAM(0x10000), 1, 1) },
        { HDR(PTEPDE, 2), LOHI(RAM(0x10000)), 0, 0, 0, 0 },
        { HDR(COND_EXE, 0), LOHI(RAM(0x10000)), 0, 0 },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(packets); i++) {
        RigIrq irq;

        setup();
        rig->fail_from = RIG_DATA + 0x10000;
        rig->fail_to = RIG_DATA + 0x11000;
        rig_put(&q, packets[i], 8);
        rig_go(&q);
        irq = rig_expect(rig, HGPU_IH_CLIENTID_SDMA0,
                         HGPU_SRCID_SDMA_BUS_ERROR);
        g_assert_cmphex(irq.data[0], ==, RIG_DATA + 0x10000);
        g_assert_cmphex(irq.data[1], ==, 0);
        g_assert_cmpuint(rig_exception(&q), ==, HGPU_SDMA_EXCEPTION_BUS);
        g_assert_cmphex(rig_ctx_rd(&q, HGPU_SDMA_FAULT_ADDR_LO), ==,
                        LO(RAM(0x10000)));
        teardown();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* TEST has its own rig, set up here; OWN makes rigs as it needs them. */
#define TEST(name) \
    g_test_add_vtable("/packets/" #name, 0, NULL, (GTestFixtureFunc)setup, \
                      (GTestFixtureFunc)name, (GTestFixtureFunc)teardown)
#define OWN(name) g_test_add_func("/packets/" #name, name)
    TEST(nop_skips_its_count);
    OWN(unknown_packet_illegal);
    OWN(unknown_sub_op_illegal);
    TEST(copy_moves_bytes_between_all_memories);
    TEST(copy_of_one_byte_and_of_the_most);
    TEST(copy_broadcast_writes_both);
    TEST(copy_through_short_maps_and_bounce);
    TEST(copy_through_scattered_pages);
    TEST(copy_overlap_is_harmless);
    OWN(copy_with_swap_illegal);
    TEST(write_stores_its_dwords);
    TEST(write_payload_wraps);
    OWN(write_malformed_illegal);
    TEST(fill_writes_its_pattern);
    OWN(fill_malformed_illegal);
    TEST(indirect_runs_and_returns);
    TEST(indirect_of_nothing_is_done);
    TEST(rptr_does_not_cover_a_running_ib);
    TEST(indirect_in_a_process_uses_its_memory);
    TEST(process_ib_in_kernel_ring_has_no_privilege);
    OWN(indirect_malformed_illegal);
    TEST(indirect_while_disabled_illegal);
    TEST(nested_indirect_illegal);
    TEST(packet_beyond_its_ib_illegal);
    TEST(payload_beyond_its_ib_illegal);
    TEST(fence_comes_after_the_data);
    OWN(fence_misaligned_illegal);
    TEST(trap_interrupts_after_data_and_rptr);
    TEST(trap_disabled_is_silent);
    TEST(traps_name_their_engine_and_context);
    TEST(timestamp_writes_the_clock);
    OWN(timestamp_misaligned_illegal);
    OWN(poll_compares_unsigned_and_masked);
    TEST(poll_waits_its_interval);
    TEST(poll_interval_is_at_least_a_microsecond);
    TEST(poll_gives_up);
    TEST(waiting_poll_holds_up_nobody);
    TEST(poll_reads_a_register);
    OWN(poll_malformed_illegal);
    TEST(cond_exe_skips_unless_equal);
    TEST(cond_exe_skip_goes_beyond_wptr);
    TEST(cond_exe_skips_in_an_ib);
    OWN(cond_exe_malformed_illegal);
    TEST(atomic_computes);
    TEST(atomic_loop_waits_for_its_value);
    OWN(atomic_malformed_illegal);
    TEST(atomic_on_unmappable_memory_is_bus_error);
    TEST(ptepde_gen_writes_entries);
    TEST(ptepde_gen_of_the_most);
    TEST(ptepde_copy_copies_or_merges);
    TEST(ptepde_rmw_changes_masked_bits);
    TEST(ptepde_through_bounce);
    OWN(ptepde_misaligned_illegal);
    TEST(srbm_write_writes_a_register);
    TEST(srbm_write_of_nothing_is_refused_only);
    OWN(srbm_write_without_all_bytes_illegal);
    TEST(srbm_write_flushes_the_tlb_between_packets);
    OWN(srbm_write_may_stop_its_own_context);
    OWN(user_queue_has_no_privilege);
    TEST(rb_priv_gives_an_rlc_nothing);
    TEST(user_indirect_may_name_its_own_vmid);
    TEST(kernel_ring_of_a_process_needs_rb_priv);
    OWN(failed_dma_halts_with_bus_error);
    return g_test_run();
}
