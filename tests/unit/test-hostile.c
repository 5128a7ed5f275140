/*
 * hmm-gpu unit tests: a guest that means no good.
 *
 * Seeded, so that a failure repeats: HGPU_SEED=n runs one seed, HGPU_ROUNDS=n
 * more or fewer steps. Registers, rings, page tables, MQDs, doorbells, failing
 * DMA, time, virgl jobs and renderers, saves and loads, all at random; run it
 * under ASan and UBSan. What is asserted: each call returns, a slice is bounded
 * (rig_run checks), no map is left open, and every state that is reached can be
 * saved and loaded, if it has no contexts of virgl.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>

#include "rig.h"

typedef struct Hostile {
    Rig *rig;
    GRand *rand;
    RigQueue q[4];
    uint8_t *sane;              /* VRAM below RIG_TABLES_END, as it was */
    uint64_t packets;
    uint64_t faults;
    uint64_t answers;
    bool virgl;
} Hostile;

static uint32_t pick(Hostile *h, uint32_t n)
{
    return g_rand_int(h->rand) % n;
}

static bool chance(Hostile *h, uint32_t one_in)
{
    return pick(h, one_in) == 0;
}

static uint64_t rand64(Hostile *h)
{
    return (uint64_t)g_rand_int(h->rand) << 32 | g_rand_int(h->rand);
}

/* Numbers that are wrong in interesting ways. */
static uint32_t nasty32(Hostile *h)
{
    switch (pick(h, 8)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX;
    case 2:
        return BIT(pick(h, 32));
    case 3:
        return BIT(pick(h, 32)) - 1;
    case 4:
        return -BIT(pick(h, 32));
    case 5:
        return pick(h, 64);
    default:
        return g_rand_int(h->rand);
    }
}

/* Addresses near something. */
static uint64_t nasty_addr(Hostile *h)
{
    static const uint64_t base[] = {
        RIG_FB, RIG_FB + RIG_VRAM_SIZE, RIG_GART, RIG_GART + RIG_RAM_SIZE,
        RIG_GART + RIG_DATA, RIG_FB + RIG_VDATA, RIG_FB + RIG_TABLES,
        RIG_FB + RIG_GART_TABLE, RIG_GART + RIG_RINGS, RIG_USER_RING,
        RIG_USER_RPTR, UINT64_C(1) << 48, 0, UINT64_C(0x7f0000000000),
        UINT64_C(0x7f0000000000), UINT64_C(0x7f0000000000),
        RIG_GART + RIG_MQDS, RIG_GART + RIG_IH_RING,
    };
    uint64_t addr = base[pick(h, G_N_ELEMENTS(base))];

    switch (pick(h, 16)) {
    case 0:
        return addr - 1 - pick(h, 8192);
    case 1:
        return rand64(h);
    case 2 ... 5:
        return addr + (pick(h, 8192) & ~7u);
    default:
        return addr + (pick(h, 1 << 20) & ~7u);
    }
}

static uint64_t nasty_pte(Hostile *h)
{
    uint64_t pte = RIG_PTE;

    switch (pick(h, 6)) {
    case 0:
        return rand64(h);
    case 1:
        return rand64(h) & 0xff;
    case 2:
        pte |= HGPU_PDE_PTE | (rand64(h) & (RIG_VRAM_SIZE - 1));
        break;
    default:
        pte |= pick(h, RIG_RAM_SIZE >> 12) << 12;
        pte |= chance(h, 2) ? HGPU_PTE_SYSTEM : 0;
        pte |= FIELD_PREP(HGPU_PTE_FRAG, (uint64_t)(chance(h, 3) ?
                                                     pick(h, 32) : 0));
        break;
    }
    return chance(h, 8) ? pte ^ BIT_ULL(pick(h, 64)) : pte;
}

/* ---- What it does ---- */

static uint32_t some_register(Hostile *h)
{
    static const uint32_t engine_regs[] = {
        HGPU_SDMA_CNTL, HGPU_SDMA_F32_CNTL, HGPU_SDMA_STATUS_REG,
    };
    uint32_t e = pick(h, 9);

    switch (pick(h, 6)) {
    case 0:
        return g_rand_int(h->rand) & 0xffff;
    case 1:
        return HGPU_SDMA_BASE(e % RIG_ENGINES) + engine_regs[pick(h, 3)];
    case 2:
        return HGPU_IH_RB_CNTL + pick(h, 8) * 4;
    case 3:
        return 0x200 + pick(h, 0x120) * 4;
    default:
        return HGPU_SDMA_CTX_BASE(e % RIG_ENGINES, pick(h, HGPU_SDMA_CTXS)) +
               pick(h, 24) * 4;
    }
}

static void poke_register(Hostile *h)
{
    uint32_t off = some_register(h);

    if (chance(h, 3)) {
        hgpu_reg_read(&h->rig->gpu, off);
    } else {
        hgpu_reg_write(&h->rig->gpu, off, chance(h, 3) ?
                       pick(h, 4) : nasty32(h));
    }
}

static void poke_page_table(Hostile *h)
{
    uint64_t slot;

    if (chance(h, 2)) {
        slot = RIG_GART_TABLE + pick(h, RIG_RAM_SIZE >> 12) * 8;
    } else {
        slot = RIG_TABLES +
               pick(h, (h->rig->next_table - RIG_TABLES) / 8) * 8;
    }
    rig_vram_set64(h->rig, slot, nasty_pte(h));
}

static void poke_mqd(Hostile *h)
{
    uint64_t word = RIG_MQDS + pick(h, 20) * 512 + pick(h, 50) * 4;

    rig_ram_set32(h->rig, word, chance(h, 4) ? nasty32(h) : pick(h, 32));
}

/* A packet of a known kind whose words may all be wrong. */
static void put_packet(Hostile *h, RigQueue *q)
{
    static const uint8_t kinds[][3] = {     /* op, sub-op, dwords */
        { 0, 0, 1 }, { 1, 0, 7 }, { 1, 0, 7 }, { 1, 0, 9 }, { 2, 0, 8 }, { 4, 0, 6 },
        { 5, 0, 4 }, { 6, 0, 2 }, { 8, 0, 6 }, { 9, 0, 5 }, { 10, 0, 8 },
        { 11, 0, 5 }, { 12, 0, 10 }, { 12, 1, 8 }, { 12, 2, 7 },
        { 13, 1, 3 }, { 13, 2, 3 }, { 14, 0, 3 },
    };
    const uint8_t *kind = kinds[pick(h, G_N_ELEMENTS(kinds))];
    uint32_t dwords[10];

    dwords[0] = HGPU_SDMA_PKT_HEADER(kind[0], kind[1]);
    if (kind[2] == 9) {
        dwords[0] |= HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST;
    }
    if (chance(h, 6)) {
        dwords[0] |= nasty32(h) & 0xffff0000;
    }
    for (uint32_t i = 1; i < kind[2]; i++) {
        if (i + 1 < kind[2] && (i == 1 || chance(h, 2))) {
            uint64_t addr = nasty_addr(h);

            dwords[i++] = LO(addr);
            dwords[i] = HI(addr);
        } else {
            dwords[i] = chance(h, 4) ? pick(h, 20000) : nasty32(h);
        }
    }
    if (kind[0] == 1 && !chance(h, 8)) {
        uint64_t src = nasty_addr(h), dst = nasty_addr(h);
        const uint32_t copy[] = { COPY(src, dst, pick(h, 100000) + 1) };

        memcpy(&dwords[1], &copy[1], sizeof(copy) - 4);
    }
    if (kind[0] == 2 && !chance(h, 8)) {
        dwords[3] = pick(h, 4);
    }
    rig_put(q, dwords, kind[2]);
}

static void put_and_ring(Hostile *h)
{
    RigQueue *q = &h->q[pick(h, G_N_ELEMENTS(h->q))];

    q->rig = h->rig;
    /* follow what became of the ring */
    if (!chance(h, 8)) {
        q->wptr = rig_ctx(q)->rb_wptr;
    }
    for (uint32_t n = pick(h, 12); n; n--) {
        if (chance(h, 30)) {
            PUT(q, nasty32(h));
        } else {
            put_packet(h, q);
        }
    }
    hgpu_doorbell_write(&h->rig->gpu, q->doorbell, chance(h, 20) ? rand64(h)
                        : q->wptr, chance(h, 50) ? pick(h, 16) : 8);
}

/* Mend what everything else depends on, or nothing would ever run. */
static void mend(Hostile *h)
{
    HgpuGpu *gpu = &h->rig->gpu;

    memcpy(h->rig->vram, h->sane, RIG_TABLES_END);
    rig_setup_gart(h->rig);
    rig_vm(h->rig, 1, RIG_VM_RETRY);
    rig_vm(h->rig, 2, chance(h, 2));
    hgpu_reg_write(gpu, HGPU_VM_INVALIDATE_ENG_REQ(1), 0xffff);
    rig_setup_ih(h->rig, RIG_IH_CNTL |
                 (chance(h, 2) ? HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE : 0));
    for (uint32_t e = 0; e < RIG_ENGINES; e++) {
        hgpu_reg_write(gpu, HGPU_SDMA_BASE(e) + HGPU_SDMA_F32_CNTL, 0);
    }
    h->rig->fail_to = 0;
}

/* Bring a context that halted or was disabled back to life. */
static void revive(Hostile *h)
{
    RigQueue *q = &h->q[pick(h, G_N_ELEMENTS(h->q))];
    uint32_t base = HGPU_SDMA_CTX_BASE(q->engine, q->ctx);
    HgpuGpu *gpu = &h->rig->gpu;

    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_CNTL, 0);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_BASE, q->va >> 8);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_BASE_HI, q->va >> 40);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_RPTR, 0);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_RPTR_HI, 0);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_WPTR, 0);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_WPTR_HI, 0);
    hgpu_reg_write(gpu, base + HGPU_SDMA_DOORBELL_OFFSET, q->doorbell);
    hgpu_reg_write(gpu, base + HGPU_SDMA_DOORBELL,
                   HGPU_SDMA_DOORBELL__ENABLE);
    hgpu_reg_write(gpu, base + HGPU_SDMA_IB_CNTL, 1);
    hgpu_reg_write(gpu, base + HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(q->vmid));
    q->wptr = 0;
}

static void upset_host(Hostile *h)
{
    static const uint64_t map_max[] = { 0, 1, 7, 4096, UINT64_MAX };

    h->rig->map_max = map_max[pick(h, G_N_ELEMENTS(map_max))];
    h->rig->fail_from = pick(h, RIG_RAM_SIZE);
    h->rig->fail_to = chance(h, 2) ? 0
                      : h->rig->fail_from + pick(h, 1 << 20);
}

static void work(Hostile *h)
{
    rig_run(h->rig);
    rig_pass(h->rig, pick(h, 1000000));
}

/* ---- The virgl engine ---- */

static void fill_job(Hostile *h, struct hgpu_virgl_job *job)
{
    struct hgpu_virgl_range *row = (struct hgpu_virgl_range *)(job + 1);
    uint32_t rows = pick(h, 6);

    memset(job, 0, sizeof(*job) + rows * sizeof(*row));
    job->op = chance(h, 3) ? pick(h, 7) : HGPU_VIRGL_JOB_SUBMIT;
    job->context = chance(h, 8) ? pick(h, 20) : 1 + pick(h, 3);
    job->vmid = chance(h, 20) ? nasty32(h) : 1 + pick(h, 2);
    job->sequence = g_rand_int(h->rand);
    job->stream = nasty_addr(h) & ~(uint64_t)(chance(h, 20) ? 0 : 3);
    job->stream_dw = chance(h, 20) ? nasty32(h) : pick(h, 20000);
    job->range_count = chance(h, 20) ? nasty32(h) : rows;
    job->resource = (struct hgpu_virgl_resource) {
        .handle = 1 + pick(h, 8), .width = 64, .height = 1, .depth = 1,
        .array_size = 1,
    };
    for (uint32_t i = 0; i < rows; i++) {
        row[i].resource = 1 + pick(h, 8);
        row[i].flags = chance(h, 20) ? nasty32(h) : 1 + pick(h, 3);
        row[i].addr = nasty_addr(h);
        row[i].size = chance(h, 20) ? rand64(h) : pick(h, 100000);
        row[i].stride = chance(h, 2) ? 0 : pick(h, 10000);
        row[i].h = chance(h, 2) ? 1 : pick(h, 100);
    }
}

static void start_job(Hostile *h)
{
    uint32_t s = pick(h, HGPU_VIRGL_SLOTS), word;
    uint64_t at = RIG_DATA + s * UINT64_C(0x2000);
    uint64_t va = chance(h, 10) ? nasty_addr(h) & ~UINT64_C(63)
                                : RIG_GART + at;
    HgpuGpu *gpu = &h->rig->gpu;

    fill_job(h, (struct hgpu_virgl_job *)(h->rig->ram + at));
    for (uint32_t n = chance(h, 4) ? pick(h, 4) : 0; n; n--) {
        word = pick(h, 256);
        rig_ram_set32(h->rig, at + word * 4, nasty32(h));
    }
    hgpu_reg_write(gpu, HGPU_VIRGL_SLOT_JOB_LO(s), va);
    hgpu_reg_write(gpu, HGPU_VIRGL_SLOT_JOB_HI(s), va >> 32);
    hgpu_reg_write(gpu, HGPU_VIRGL_SLOT_CMD(s), HGPU_VIRGL_SLOT_CMD__START);
    hgpu_reg_write(gpu, HGPU_VIRGL_SLOT_CMD((s + 1) % HGPU_VIRGL_SLOTS),
                   chance(h, 5) ? HGPU_VIRGL_SLOT_CMD__ABORT : nasty32(h));
}

/* A renderer answers, or does what it likes with its staging memory. */
static void poke_renderer(Hostile *h)
{
    uint32_t ctx = 1 + pick(h, 3);
    RigRenderer *r = &h->rig->renderer[ctx];
    struct hgpu_wire_reply reply = {
        .status = chance(h, 8) ? pick(h, 12) : HGPU_WIRE_OK,
        .detail = chance(h, 20) ? nasty32(h) : HGPU_WIRE_VERSION,
    };

    if (r->staging && chance(h, 3)) {
        memset(r->staging, g_rand_int(h->rand), HGPU_WIRE_DATA + 0x10000);
    }
    r->dead = r->staging && chance(h, 100);
    if (!r->staging || (r->greets && !r->busy && !chance(h, 20))) {
        return;
    }
    r->greets = true;
    r->busy = false;
    hgpu_virgl_reply(&h->rig->gpu, ctx, &reply);
    h->answers++;
}

static void poke_virgl(Hostile *h)
{
    start_job(h);
    rig_run(h->rig);
    for (uint32_t n = 6; n; n--) {
        poke_renderer(h);
        rig_run(h->rig);
    }
}

/* What can be reached can be saved, but for contexts of virgl. */
static void save_and_load(Hostile *h)
{
    uint64_t now = h->rig->now;

    if (hgpu_virgl_contexts(&h->rig->gpu)) {
        if (chance(h, 2)) {
            return;
        }
        hgpu_reset(&h->rig->gpu);
        h->rig->ih_rptr = 0;
        mend(h);
    }

    h->packets += h->rig->gpu.stats.packets;
    h->faults += h->rig->gpu.stats.retry_faults;
    h->rig = rig_migrate(h->rig, chance(h, 2) ? now : rand64(h) >> 4);
    g_assert_nonnull(h->rig);
}

static void step(Hostile *h)
{
    switch (pick(h, 24)) {
    case 0 ... 1:
        poke_register(h);
        break;
    case 2:
        poke_page_table(h);
        break;
    case 3:
        poke_mqd(h);
        break;
    case 4 ... 8:
        put_and_ring(h);
        break;
    case 9 ... 11:
        if (h->virgl) {
            poke_virgl(h);
        }
        break;
    case 12 ... 15:
        revive(h);
        break;
    case 16 ... 17:
        mend(h);
        break;
    case 18:
        upset_host(h);
        break;
    case 19:
        hgpu_reg_write(&h->rig->gpu, HGPU_VM_INVALIDATE_ENG_REQ(1), 0xffff);
        break;
    default:
        work(h);
        break;
    }
}

static void hostile_init(Hostile *h, uint32_t seed, bool virgl)
{
    HgpuConfig config = rig_config;

    config.virgl_slots = HGPU_VIRGL_SLOTS;
    memset(h, 0, sizeof(*h));
    h->rand = g_rand_new_with_seed(seed);
    h->virgl = virgl;
    h->rig = rig_new_like(&config);
    rig_setup(h->rig);
    h->q[0] = rig_kernel_queue(h->rig, 0, HGPU_SDMA_CTX_GFX);
    h->q[1] = rig_kernel_queue(h->rig, 1, HGPU_SDMA_CTX_PAGE);
    h->q[2] = rig_user_queue(h->rig, 0, 0, 1);
    h->q[3] = rig_user_queue(h->rig, 1, 3, 2);
    for (uint32_t vmid = 1; vmid <= 2; vmid++) {
        rig_map_range(h->rig, vmid, UINT64_C(0x7f0000000000),
                      RIG_PTE_SYS | RIG_DATA, MiB / 2);
        rig_map_range(h->rig, vmid, UINT64_C(0x7f0000090000),
                      RIG_PTE | RIG_VDATA, MiB / 2);
    }
    h->sane = g_memdup2(h->rig->vram, RIG_TABLES_END);
}

static void hostile_free(Hostile *h)
{
    rig_free(h->rig);
    g_rand_free(h->rand);
    g_free(h->sane);
}

static uint32_t from_env(const char *name, uint32_t otherwise)
{
    const char *value = g_getenv(name);

    return value ? strtoul(value, NULL, 0) : otherwise;
}

static void run_seed(uint32_t seed)
{
    uint32_t rounds = from_env("HGPU_ROUNDS", 4000);
    Hostile h;

    g_test_message("seed %u", seed);
    hostile_init(&h, seed, true);
    for (uint32_t i = 0; i < rounds; i++) {
        step(&h);
        if (chance(&h, 200)) {
            save_and_load(&h);
        }
    }
    save_and_load(&h);
    g_test_message("packets %" PRIu64 " retry faults %" PRIu64, h.packets,
                   h.faults);
    g_test_message("renderers answered %" PRIu64, h.answers);
    g_assert_cmpuint(h.packets, >, rounds / 100);
    g_assert_cmpuint(h.answers, >, rounds / 200);
    hostile_free(&h);
}

static void random_guest_breaks_nothing(void)
{
    uint32_t seed = from_env("HGPU_SEED", 0);

    if (seed) {
        run_seed(seed);
        return;
    }
    for (seed = 1; seed <= 12; seed++) {
        run_seed(seed);
    }
}

/* Engines that the rig does not have lie between the rest and virgl. */
static size_t some_used_byte(Hostile *h)
{
    const size_t gap = offsetof(HgpuState, sdma[RIG_ENGINES]);
    const size_t virgl = offsetof(HgpuState, virgl_contexts);
    size_t at = pick(h, gap + sizeof(HgpuState) - virgl);

    return at < gap ? at : at - gap + virgl;
}

/* A file that somebody has edited is refused, or is a state to run from. */
static void edited_state_breaks_nothing(void)
{
    uint32_t refused = 0;

    for (uint32_t seed = 1; seed <= 150; seed++) {
        Hostile h;
        uint8_t *bytes;

        hostile_init(&h, seed, false);
        for (uint32_t i = 0; i < 60; i++) {
            step(&h);
        }
        hgpu_pre_save(&h.rig->gpu);
        bytes = (uint8_t *)&h.rig->gpu.s;
        for (uint32_t n = pick(&h, 3) + 1; n; n--) {
            bytes[some_used_byte(&h)] ^= BIT(pick(&h, 8));
        }
        refused += hgpu_post_load(&h.rig->gpu) != NULL;
        for (uint32_t i = 0; i < 60; i++) {
            step(&h);
        }
        hostile_free(&h);
    }
    g_assert_cmpuint(refused, >, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/hostile/" #name, name)
    TEST(random_guest_breaks_nothing);
    TEST(edited_state_breaks_nothing);
    return g_test_run();
}
