/*
 * hmm-gpu qtest: the virgl engine with its real renderer (SPEC 11)
 *
 * HGPU_RENDERER names the hmm-gpu-virgl of the QEMU under test. Where that
 * cannot render on this host, the tests that need it are skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "hmm-gpu-test.h"
#include "hgpu_virgl.h"
#include "hgpu_virgl_cmd.h"

#define VMID        5
#define PASID       0x2345
#define STREAM_VA   0x10000000ull
#define IN_VA       0x20000000ull
#define OUT_VA      0x30000000ull
#define JOB_RAM     RAM_DATA                /* a page a slot */
#define STREAM_RAM  (RAM_DATA + 0x100000)
#define IN_RAM      (RAM_DATA + 0x200000)
#define OUT_RAM     (RAM_DATA + 0x300000)
#define COUNT       4096u                   /* numbers, a multiple of 64 */
#define BYTES       (4 * COUNT)

#define IN_BUFFER   1
#define OUT_BUFFER  2
#define SHADER      7

/* GPUs of one machine share RAM. */
#define AT(t, ram)  ((t)->g.ram_base + (ram))

typedef struct VirglTest {
    TestGpu g;
    TestVm vm;
    uint64_t job[HGPU_VIRGL_SLOTS];         /* in VMID 0 */
    uint32_t sequence;
    uint32_t in[COUNT];
} VirglTest;

/* ---- Is there a renderer? ---- */

bool virgl_can_render(void)
{
    static int known;
    static char *why;
    const char *argv[] = { g_getenv("HGPU_RENDERER"), "--probe", NULL };
    g_autoptr(GError) err = NULL;
    int status;

    if (!known) {
        known = 1;
        if (!argv[0]) {
            why = g_strdup("HGPU_RENDERER names no renderer program");
        } else if (!g_spawn_sync(NULL, (char **)argv, NULL,
                                 G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                                 NULL, &why, &status, &err)) {
            why = g_strdup(err->message);
        } else if (status == 0) {
            g_clear_pointer(&why, g_free);
        }
    }
    if (why) {
        g_test_skip(g_strdelimit(why, "\n", ' '));
    }
    return !why;
}

/* Processes of the QEMU under test that are renderers */
unsigned int virgl_renderers(QTestState *qts, pid_t *last)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;
    unsigned int n = 0;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_strdup_printf("/proc/%s/stat", name);
        g_autofree char *stat = NULL;
        int pid, parent;
        char comm[32], state;

        if (g_ascii_isdigit(*name) &&
            g_file_get_contents(path, &stat, NULL, NULL) &&
            sscanf(stat, "%d (%31[^)]) %c %d", &pid, comm, &state,
                   &parent) == 4 &&
            parent == qtest_pid(qts) && g_str_has_prefix("hmm-gpu-virgl", comm)
            && state != 'Z') {
            n++;
            if (last) {
                *last = pid;
            }
        }
    }
    return n;
}

/* ---- Jobs ---- */

static void put_job(VirglTest *t, uint32_t slot, struct hgpu_virgl_job *job)
{
    job->sequence = cpu_to_le32(++t->sequence);
    gpu_ram_write(&t->g, AT(t, JOB_RAM) + slot * HGPU_PAGE_SIZE, job, sizeof(*job));
    gpu_write(&t->g, HGPU_VIRGL_SLOT_JOB_LO(slot), t->job[slot]);
    gpu_write(&t->g, HGPU_VIRGL_SLOT_JOB_HI(slot), t->job[slot] >> 32);
    gpu_write(&t->g, HGPU_VIRGL_SLOT_CMD(slot), HGPU_VIRGL_SLOT_CMD__START);
}

static uint32_t slot_state(VirglTest *t, uint32_t slot)
{
    return gpu_read(&t->g, HGPU_VIRGL_SLOT_STATE(slot));
}

static void get_result(VirglTest *t, uint32_t slot,
                       struct hgpu_virgl_result *result)
{
    gpu_ram_read(&t->g, AT(t, JOB_RAM) + slot * HGPU_PAGE_SIZE +
                 offsetof(struct hgpu_virgl_job, result), result,
                 sizeof(*result));
}

static uint32_t result_status(VirglTest *t, uint32_t slot)
{
    struct hgpu_virgl_result result;

    get_result(t, slot, &result);
    return le32_to_cpu(result.status);
}

/* Waits for the slot's interrupt; returns the status of its job. */
static uint32_t wait_job(VirglTest *t, uint32_t slot)
{
    struct hgpu_ih_entry e;

    gpu_ih_next(&t->g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__CLIENT_ID, e.dw[0]), ==,
                    HGPU_IH_CLIENTID_GRBM_CP);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__SRC_ID, e.dw[0]), ==,
                     HGPU_SRCID_CP_EOP);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_DW0__RING_ID, e.dw[0]), ==, slot);
    g_assert_cmpuint(e.dw[4], ==, t->sequence);
    g_assert_cmpuint(slot_state(t, slot), ==, HGPU_VIRGL_STATE_IDLE);
    return result_status(t, slot);
}

static uint32_t do_context(VirglTest *t, uint32_t op, uint32_t ctx)
{
    struct hgpu_virgl_job job = {
        .op = cpu_to_le32(op), .context = cpu_to_le32(ctx),
    };

    put_job(t, 0, &job);
    return wait_job(t, 0);
}

static uint32_t make_buffer(VirglTest *t, uint32_t ctx, uint32_t handle,
                            uint32_t bytes)
{
    struct hgpu_virgl_job job = {
        .op = cpu_to_le32(HGPU_VIRGL_JOB_RESOURCE_CREATE),
        .context = cpu_to_le32(ctx),
        .resource = {
            .handle = cpu_to_le32(handle),
            .target = cpu_to_le32(HGPU_VIRGL_BUFFER),
            .format = cpu_to_le32(HGPU_VIRGL_R8_UNORM),
            .bind = cpu_to_le32(HGPU_VIRGL_BIND_SHADER_BUFFER),
            .width = cpu_to_le32(bytes), .height = cpu_to_le32(1),
            .depth = cpu_to_le32(1), .array_size = cpu_to_le32(1),
        },
    };

    put_job(t, 0, &job);
    return wait_job(t, 0);
}

/* ---- Streams ---- */

/* out[i] = in[i] * 3 + 7; with a loop count, that many rounds of it first */
static const char shader[] =
    "COMP\n"
    "PROPERTY CS_FIXED_BLOCK_WIDTH 64\n"
    "PROPERTY CS_FIXED_BLOCK_HEIGHT 1\n"
    "PROPERTY CS_FIXED_BLOCK_DEPTH 1\n"
    "DCL SV[0], THREAD_ID\n"
    "DCL SV[1], BLOCK_ID\n"
    "DCL BUFFER[0]\n"
    "DCL BUFFER[1]\n"
    "DCL CONST[0]\n"
    "DCL TEMP[0..3], LOCAL\n"
    "IMM[0] UINT32 {64, 4, 0, 1}\n"
    "IMM[1] UINT32 {3, 7, 0, 0}\n"
    "  0: MOV TEMP[2].x, IMM[0].zzzz\n"
    "  1: BGNLOOP\n"
    "  2:   USGE TEMP[2].y, TEMP[2].xxxx, CONST[0].xxxx\n"
    "  3:   UIF TEMP[2].yyyy\n"
    "  4:     BRK\n"
    "  5:   ENDIF\n"
    "  6:   ATOMUADD TEMP[3].x, BUFFER[1], IMM[0].zzzz, IMM[0].wwww\n"
    "  7:   UADD TEMP[2].x, TEMP[2].xxxx, IMM[0].wwww\n"
    "  8: ENDLOOP\n"
    "  9: UMAD TEMP[0].x, SV[1].xxxx, IMM[0].xxxx, SV[0].xxxx\n"
    " 10: UMUL TEMP[0].x, TEMP[0].xxxx, IMM[0].yyyy\n"
    " 11: LOAD TEMP[1].x, BUFFER[0], TEMP[0].xxxx\n"
    " 12: UMAD TEMP[1].x, TEMP[1].xxxx, IMM[1].xxxx, IMM[1].yyyy\n"
    " 13: STORE BUFFER[1].x, TEMP[0].xxxx, TEMP[1].xxxx\n"
    " 14: END\n";

static void put_shader(TestPkts *p)
{
    uint32_t text[(sizeof(shader) + 3) / 4] = { };
    unsigned int i;

    memcpy(text, shader, sizeof(shader));
    pkt_dw(p, HGPU_VIRGL_CMD(HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_SHADER,
                             5 + ARRAY_SIZE(text)));
    pkt_dw(p, SHADER);
    pkt_dw(p, HGPU_VIRGL_COMPUTE);
    pkt_dw(p, sizeof(shader));
    pkt_dw(p, 1024);            /* tokens, at most */
    pkt_dw(p, 0);
    for (i = 0; i < ARRAY_SIZE(text); i++) {
        pkt_dw(p, le32_to_cpu(text[i]));
    }
    pkt_dw(p, HGPU_VIRGL_CMD(HGPU_VIRGL_BIND_SHADER, 0, 2));
    pkt_dw(p, SHADER);
    pkt_dw(p, HGPU_VIRGL_COMPUTE);
}

static void put_buffers(TestPkts *p)
{
    pkt_dw(p, HGPU_VIRGL_CMD(HGPU_VIRGL_SET_SHADER_BUFFERS, 0, 8));
    pkt_dw(p, HGPU_VIRGL_COMPUTE);
    pkt_dw(p, 0);
    pkt_dw(p, 0);
    pkt_dw(p, BYTES);
    pkt_dw(p, IN_BUFFER);
    pkt_dw(p, 0);
    pkt_dw(p, BYTES);
    pkt_dw(p, OUT_BUFFER);
}

/* Each of @height rows of blocks does the same work, @loops rounds a thread. */
static void put_dispatch(TestPkts *p, uint32_t height, uint32_t loops)
{
    const uint32_t dw[] = {
        HGPU_VIRGL_CMD(HGPU_VIRGL_SET_CONSTANT_BUFFER, 0, 6),
        HGPU_VIRGL_COMPUTE, 0, loops, 0, 0, 0,
        HGPU_VIRGL_CMD(HGPU_VIRGL_LAUNCH_GRID, 0, 8),
        64, 1, 1, COUNT / 64, height, 1, 0, 0,
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(dw); i++) {
        pkt_dw(p, dw[i]);
    }
}

static struct hgpu_virgl_range whole(uint32_t handle, uint32_t flags,
                                     uint64_t va)
{
    return (struct hgpu_virgl_range) {
        .resource = cpu_to_le32(handle), .flags = cpu_to_le32(flags),
        .w = cpu_to_le32(BYTES), .h = cpu_to_le32(1), .d = cpu_to_le32(1),
        .addr = cpu_to_le64(va), .size = cpu_to_le64(BYTES),
    };
}

static void submit(VirglTest *t, uint32_t slot, uint32_t ctx,
                   const TestPkts *p)
{
    const struct hgpu_virgl_range ranges[] = {
        whole(IN_BUFFER, HGPU_VIRGL_RANGE_IN, IN_VA),
        whole(OUT_BUFFER, HGPU_VIRGL_RANGE_OUT, OUT_VA),
    };
    struct hgpu_virgl_job job = {
        .op = cpu_to_le32(HGPU_VIRGL_JOB_SUBMIT),
        .context = cpu_to_le32(ctx), .vmid = cpu_to_le32(VMID),
        .stream = cpu_to_le64(STREAM_VA), .stream_dw = cpu_to_le32(p->n),
        .range_count = cpu_to_le32(ARRAY_SIZE(ranges)),
    };
    unsigned int i;

    for (i = 0; i < p->n; i++) {
        qtest_writel(t->g.qts, AT(t, STREAM_RAM) + 4 * i, p->dw[i]);
    }
    gpu_ram_write(&t->g, AT(t, JOB_RAM) + slot * HGPU_PAGE_SIZE +
                  sizeof(job), ranges, sizeof(ranges));
    put_job(t, slot, &job);
}

static void submit_work(VirglTest *t, uint32_t ctx)
{
    TestPkts p = { };

    put_shader(&p);
    put_buffers(&p);
    put_dispatch(&p, 1, 0);
    submit(t, 0, ctx, &p);
}

/* Years of work */
static void submit_endless(VirglTest *t, uint32_t ctx)
{
    TestPkts p = { };

    put_shader(&p);
    put_buffers(&p);
    put_dispatch(&p, 65535, 60000);
    submit(t, 0, ctx, &p);
}

/* ---- A test's GPU ---- */

static void setup(VirglTest *t)
{
    uint32_t i;

    vm_init(&t->vm, &t->g, VMID, PASID);
    for (i = 0; i < HGPU_VIRGL_SLOTS; i++) {
        t->job[i] = gpu_bind_ram(&t->g, AT(t, JOB_RAM) + i * HGPU_PAGE_SIZE,
                                 HGPU_PAGE_SIZE);
    }
    test_pattern((uint8_t *)t->in, BYTES, g_test_rand_int());
    gpu_ram_write(&t->g, AT(t, IN_RAM), t->in, BYTES);
    qtest_memset(t->g.qts, AT(t, OUT_RAM), 0, BYTES);
    vm_map(&t->vm, STREAM_VA, AT(t, STREAM_RAM), 64 * KiB, PTE_RAM);
    vm_map(&t->vm, IN_VA, AT(t, IN_RAM), BYTES, PTE_RAM);
    vm_map(&t->vm, OUT_VA, AT(t, OUT_RAM), BYTES, PTE_RAM);
    gpu_flush_tlb(&t->g, VMID);
}

static void start(VirglTest *t, const char *props)
{
    g_autofree char *args = g_strdup_printf("-device %s,virgl=on%s", GPU_ARGS,
                                            props);

    t->sequence = 0;
    gpu_open(&t->g, args);
    gpu_setup(&t->g);
    setup(t);
}

static void make_context(VirglTest *t, uint32_t ctx)
{
    g_assert_cmpuint(do_context(t, HGPU_VIRGL_JOB_CONTEXT_CREATE, ctx), ==,
                     HGPU_VIRGL_OK);
    g_assert_cmpuint(make_buffer(t, ctx, IN_BUFFER, BYTES), ==, HGPU_VIRGL_OK);
    g_assert_cmpuint(make_buffer(t, ctx, OUT_BUFFER, BYTES), ==,
                     HGPU_VIRGL_OK);
}

static bool start_with_context(VirglTest *t, const char *props)
{
    if (!virgl_can_render()) {
        return false;
    }
    start(t, props);
    make_context(t, 1);
    g_assert_cmpuint(virgl_renderers(t->g.qts, NULL), ==, 1);
    return true;
}

static void assert_worked(VirglTest *t)
{
    uint32_t i;

    for (i = 0; i < COUNT; i++) {
        g_assert_cmphex(qtest_readl(t->g.qts, AT(t, OUT_RAM) + 4 * i), ==,
                        le32_to_cpu(t->in[i]) * 3 + 7);
    }
}

static void assert_works(VirglTest *t, uint32_t ctx)
{
    qtest_memset(t->g.qts, AT(t, OUT_RAM), 0, BYTES);
    submit_work(t, ctx);
    g_assert_cmpuint(wait_job(t, 0), ==, HGPU_VIRGL_OK);
    assert_worked(t);
}

/* The context is lost, and a new one can be made under its name. */
static void assert_lost(VirglTest *t, uint32_t ctx)
{
    GPU_WAIT(&t->g, virgl_renderers(t->g.qts, NULL) == 0);
    submit_work(t, ctx);
    g_assert_cmpuint(wait_job(t, 0), ==, HGPU_VIRGL_NO_CONTEXT);
    g_assert_cmpuint(do_context(t, HGPU_VIRGL_JOB_CONTEXT_DESTROY, ctx), ==,
                     HGPU_VIRGL_OK);
    make_context(t, ctx);
    assert_works(t, ctx);
}

/* ---- Tests ---- */

static uint32_t slots_of(const char *props)
{
    g_autofree char *args = g_strdup_printf("-device %s%s", GPU_ARGS, props);
    uint32_t caps;
    TestGpu g;

    gpu_open(&g, args);
    caps = gpu_read(&g, HGPU_CAPS);
    gpu_close(&g);
    return FIELD_GET(HGPU_CAPS__VIRGL_SLOTS, caps);
}

static void engine_is_there_as_asked_for(void)
{
    g_assert_cmpuint(slots_of(",virgl=off"), ==, 0);
    g_assert_cmpuint(slots_of(",xnack=off"), ==, 0);
    g_assert_cmpuint(slots_of(",virgl-helper=/nowhere"), ==, 0);
    g_assert_cmpuint(slots_of(",virgl=on,virgl-helper=/bin/false"), ==,
                     HGPU_VIRGL_SLOTS);
}

/* A program that says nothing and ends; and one that says the wrong thing. */
static void renderer_that_is_none_makes_no_context(void)
{
    static const char *const helpers[] = {
        ",virgl-helper=/bin/false", ",virgl-helper=/bin/echo",
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(helpers); i++) {
        VirglTest t;

        start(&t, helpers[i]);
        g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_CREATE, 1), ==,
                         HGPU_VIRGL_NO_RENDERER);
        g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_DESTROY, 1), ==,
                         HGPU_VIRGL_NO_CONTEXT);
        gpu_check_still_works(&t.g);
        gpu_close(&t.g);
    }
}

static void context_comes_and_goes(void)
{
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_CREATE, 1), ==,
                     HGPU_VIRGL_BAD_JOB);
    g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_CREATE,
                                HGPU_VIRGL_CONTEXTS), ==, HGPU_VIRGL_OK);
    g_assert_cmpuint(virgl_renderers(t.g.qts, NULL), ==, 2);
    g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_DESTROY, 1), ==,
                     HGPU_VIRGL_OK);
    GPU_WAIT(&t.g, virgl_renderers(t.g.qts, NULL) == 1);
    g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_DESTROY, 1), ==,
                     HGPU_VIRGL_NO_CONTEXT);
    gpu_close(&t.g);
}

static void shader_works_on_ram_and_vram(void)
{
    uint32_t i, out[COUNT];
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    assert_works(&t, 1);

    /* a page of the source and one of the destination in VRAM */
    gpu_vram_write(&t.g, VRAM_DATA, t.in, HGPU_PAGE_SIZE);
    qtest_memset(t.g.qts, IN_RAM, 0, HGPU_PAGE_SIZE);
    vm_map(&t.vm, IN_VA, VRAM_DATA, HGPU_PAGE_SIZE, PTE_VRAM);
    vm_map(&t.vm, OUT_VA + HGPU_PAGE_SIZE, VRAM_DATA + HGPU_PAGE_SIZE,
           HGPU_PAGE_SIZE, PTE_VRAM);
    gpu_flush_tlb(&t.g, VMID);
    submit_work(&t, 1);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_OK);
    gpu_ram_read(&t.g, OUT_RAM, out, BYTES);
    gpu_vram_read(&t.g, VRAM_DATA + HGPU_PAGE_SIZE,
                  (uint8_t *)out + HGPU_PAGE_SIZE, HGPU_PAGE_SIZE);
    for (i = 0; i < COUNT; i++) {
        g_assert_cmphex(le32_to_cpu(out[i]), ==,
                        le32_to_cpu(t.in[i]) * 3 + 7);
    }
    gpu_close(&t.g);
}

static void expect_retry_fault(VirglTest *t, uint64_t va, uint32_t state)
{
    struct hgpu_ih_entry e;

    gpu_ih_next(&t->g, &e);
    g_assert_cmphex(FIELD_GET(HGPU_IH_DW0__CLIENT_ID, e.dw[0]), ==,
                    HGPU_IH_CLIENTID_VMC);
    g_assert_cmphex((uint64_t)e.dw[4] << 12, ==, va);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__ENGINE, e.dw[6]), ==,
                     HGPU_IH_FAULT_ENGINE_VIRGL);
    g_assert_cmpuint(FIELD_GET(HGPU_IH_FAULT_DATA2__CTX, e.dw[6]), ==, 0);
    g_assert_cmphex(slot_state(t, 0), ==,
                    state | HGPU_VIRGL_SLOT_STATE__RETRY_WAIT);
    g_assert_cmphex(gpu_read(&t->g, HGPU_VIRGL_SLOT_FAULT_ADDR_LO(0)), ==, va);
}

static void map_missing_page(VirglTest *t, uint64_t va, uint64_t ram)
{
    vm_map(&t->vm, va, ram, HGPU_PAGE_SIZE, PTE_RAM);
    gpu_flush_tlb(&t->g, VMID);
}

static void missing_pages_are_faulted_in(void)
{
    struct hgpu_virgl_result result;
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    vm_set_pte(&t.vm, STREAM_VA, 0);
    vm_set_pte(&t.vm, IN_VA + HGPU_PAGE_SIZE, 0);
    vm_set_pte(&t.vm, OUT_VA + 2 * HGPU_PAGE_SIZE, 0);
    gpu_flush_tlb(&t.g, VMID);

    submit_work(&t, 1);
    expect_retry_fault(&t, STREAM_VA, HGPU_VIRGL_STATE_FETCH);
    map_missing_page(&t, STREAM_VA, STREAM_RAM);
    expect_retry_fault(&t, IN_VA + HGPU_PAGE_SIZE, HGPU_VIRGL_STATE_IN);
    map_missing_page(&t, IN_VA + HGPU_PAGE_SIZE, IN_RAM + HGPU_PAGE_SIZE);
    expect_retry_fault(&t, OUT_VA + 2 * HGPU_PAGE_SIZE,
                       HGPU_VIRGL_STATE_OUT);
    map_missing_page(&t, OUT_VA + 2 * HGPU_PAGE_SIZE,
                     OUT_RAM + 2 * HGPU_PAGE_SIZE);

    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_OK);
    assert_worked(&t);
    get_result(&t, 0, &result);
    g_assert_cmpuint(le32_to_cpu(result.faults), >=, 3);
    g_assert_cmpuint(le64_to_cpu(result.in_bytes), >=, BYTES);
    g_assert_cmpuint(le64_to_cpu(result.out_bytes), >=, BYTES);
    g_assert_cmpuint(le64_to_cpu(result.render_ns), >, 0);
    gpu_close(&t.g);
}

static void broken_stream_loses_the_context(void)
{
    TestPkts p = { };
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    put_buffers(&p);
    p.dw[5] = 1 << 20;          /* far behind the buffer */
    submit(&t, 0, 1, &p);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_BAD_STREAM);
    assert_lost(&t, 1);
    gpu_close(&t.g);
}

/* A buffer that goes while it is bound; another takes its name. */
static void bound_buffer_can_be_destroyed(void)
{
    struct hgpu_virgl_job destroy = {
        .op = cpu_to_le32(HGPU_VIRGL_JOB_RESOURCE_DESTROY),
        .context = cpu_to_le32(1),
        .resource.handle = cpu_to_le32(OUT_BUFFER),
    };
    TestPkts p = { };
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    assert_works(&t, 1);
    put_job(&t, 0, &destroy);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_OK);
    g_assert_cmpuint(make_buffer(&t, 1, OUT_BUFFER, BYTES), ==, HGPU_VIRGL_OK);

    /* nothing is bound there: the shader's writes go nowhere */
    put_dispatch(&p, 1, 0);
    submit(&t, 0, 1, &p);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_OK);
    p.n = 0;
    put_buffers(&p);
    put_dispatch(&p, 1, 0);
    qtest_memset(t.g.qts, OUT_RAM, 0, BYTES);
    submit(&t, 0, 1, &p);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_OK);
    assert_worked(&t);
    gpu_close(&t.g);
}

static void endless_shader_ends_at_the_deadline(void)
{
    VirglTest t;

    if (!start_with_context(&t, ",virgl-timeout=3000")) {
        return;
    }
    submit_endless(&t, 1);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_TIMEOUT);
    assert_lost(&t, 1);
    gpu_close(&t.g);
}

static void wait_render(VirglTest *t)
{
    GPU_WAIT(&t->g, slot_state(t, 0) == HGPU_VIRGL_STATE_RENDER);
}

static void abort_ends_an_endless_shader(void)
{
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    submit_endless(&t, 1);
    wait_render(&t);
    gpu_write(&t.g, HGPU_VIRGL_SLOT_CMD(0), HGPU_VIRGL_SLOT_CMD__ABORT);
    g_assert_cmpuint(slot_state(&t, 0), ==, HGPU_VIRGL_STATE_IDLE);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_ABORTED);
    assert_lost(&t, 1);
    gpu_close(&t.g);
}

static void killed_renderer_is_noticed(void)
{
    VirglTest t;
    pid_t pid;

    if (!start_with_context(&t, "")) {
        return;
    }
    /* while it works */
    submit_endless(&t, 1);
    wait_render(&t);
    g_assert_cmpuint(virgl_renderers(t.g.qts, &pid), ==, 1);
    kill(pid, SIGKILL);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_DIED);
    assert_lost(&t, 1);

    /* while it does not */
    g_assert_cmpuint(virgl_renderers(t.g.qts, &pid), ==, 1);
    kill(pid, SIGKILL);
    GPU_WAIT(&t.g, virgl_renderers(t.g.qts, NULL) == 0);
    submit_work(&t, 1);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_DIED);
    assert_lost(&t, 1);
    gpu_close(&t.g);
}

static void reset_ends_renderers(VirglTest *t)
{
    GPU_WAIT(&t->g, virgl_renderers(t->g.qts, NULL) == 0);
    g_assert_cmpuint(slot_state(t, 0), ==, HGPU_VIRGL_STATE_IDLE);
    gpu_check_works(&t->g);
    setup(t);
    make_context(t, 1);
    assert_works(t, 1);
}

static void flr_ends_renderers(void)
{
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    submit_endless(&t, 1);
    wait_render(&t);
    gpu_flr(&t.g);
    reset_ends_renderers(&t);
    gpu_close(&t.g);
}

static void machine_reset_ends_renderers(void)
{
    VirglTest t;

    if (!start_with_context(&t, "")) {
        return;
    }
    qtest_system_reset(t.g.qts);
    gpu_reenable(&t.g);
    reset_ends_renderers(&t);
    gpu_close(&t.g);
}

static void assert_said(QDict *rsp, const char *text)
{
    const char *desc = qdict_get_try_str(qdict_get_qdict(rsp, "error") ?: rsp,
                                         "desc");

    if (!desc) {
        desc = qdict_get_str(rsp, "return");
    }
    if (!strstr(desc, text)) {
        g_test_message("said: %s", desc);
        g_assert_not_reached();
    }
    qobject_unref(rsp);
}

static QDict *try_migrate(VirglTest *t)
{
    return qtest_qmp(t->g.qts, "{'execute': 'migrate', "
                     "'arguments': {'uri': 'exec:cat > /dev/null'}}");
}

static void context_refuses_migration_and_savevm(void)
{
    VirglTest t;
    QDict *rsp;
    pid_t pid;

    if (!start_with_context(&t, "")) {
        return;
    }
    assert_said(try_migrate(&t), "gpu0: a program in the guest has a context "
                "of the virgl engine");
    rsp = qtest_qmp(t.g.qts, "{'execute': 'human-monitor-command', "
                    "'arguments': {'command-line': 'savevm one'}}");
    assert_said(rsp, "gpu0: a program in the guest has a context");

    /* a lost one counts as well */
    g_assert_cmpuint(virgl_renderers(t.g.qts, &pid), ==, 1);
    kill(pid, SIGKILL);
    submit_work(&t, 1);
    g_assert_cmpuint(wait_job(&t, 0), ==, HGPU_VIRGL_DIED);
    assert_said(try_migrate(&t), "gpu0: a program in the guest");

    g_assert_cmpuint(do_context(&t, HGPU_VIRGL_JOB_CONTEXT_DESTROY, 1), ==,
                     HGPU_VIRGL_OK);
    rsp = try_migrate(&t);
    g_assert_false(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    gpu_close(&t.g);
}

static void two_gpus_render_side_by_side(void)
{
    VirglTest one = { }, two = { };

    if (!virgl_can_render()) {
        return;
    }
    start(&one, " -device hmm-gpu,addr=5.0,vram-size=64M,virgl=on");
    make_context(&one, 1);
    gpu_attach(&two.g, one.g.qts, one.g.bus, QPCI_DEVFN(5, 0));
    two.g.ram_base = RAM_SIZE / 2;
    gpu_setup(&two.g);
    setup(&two);
    make_context(&two, 1);

    submit_endless(&one, 1);
    wait_render(&one);
    assert_works(&two, 1);
    g_assert_cmpuint(slot_state(&one, 0), ==, HGPU_VIRGL_STATE_RENDER);
    gpu_flr(&one.g);
    GPU_WAIT(&two.g, virgl_renderers(two.g.qts, NULL) == 1);
    assert_works(&two, 1);
    gpu_detach(&two.g);
    gpu_close(&one.g);
}

void virgl_start_write(TestGpu *g, uint64_t bus, uint32_t val)
{
    VirglTest t = { .g = *g };
    struct hgpu_virgl_range ranges[] = {
        whole(IN_BUFFER, HGPU_VIRGL_RANGE_IN, IN_VA),
        whole(IN_BUFFER, HGPU_VIRGL_RANGE_OUT,
              OUT_VA + (bus & (HGPU_PAGE_SIZE - 1))),
        whole(OUT_BUFFER, HGPU_VIRGL_RANGE_OUT, OUT_VA + HGPU_PAGE_SIZE),
    };
    struct hgpu_virgl_job job = {
        .op = cpu_to_le32(HGPU_VIRGL_JOB_SUBMIT),
        .context = cpu_to_le32(1), .vmid = cpu_to_le32(VMID),
        .stream = cpu_to_le64(STREAM_VA),
        .range_count = cpu_to_le32(ARRAY_SIZE(ranges)),
    };

    gpu_setup(&t.g);
    setup(&t);
    make_context(&t, 1);
    qtest_writel(g->qts, IN_RAM, val);
    vm_map(&t.vm, OUT_VA, bus & ~(HGPU_PAGE_SIZE - 1), HGPU_PAGE_SIZE,
           PTE_RAM);
    vm_map(&t.vm, OUT_VA + HGPU_PAGE_SIZE, VRAM_DATA, BYTES, PTE_VRAM);
    gpu_flush_tlb(&t.g, VMID);
    ranges[1].w = cpu_to_le32(4);
    ranges[1].size = cpu_to_le64(4);
    gpu_ram_write(&t.g, JOB_RAM + sizeof(job), ranges, sizeof(ranges));
    put_job(&t, 0, &job);
}

void virgl_make_busy(TestGpu *g)
{
    VirglTest t = { .g = *g };

    gpu_setup(&t.g);
    setup(&t);
    make_context(&t, 1);
    submit_endless(&t, 1);
    wait_render(&t);
    g_assert_cmpuint(virgl_renderers(g->qts, NULL), ==, 1);
}

void hmm_gpu_add_virgl_tests(void)
{
    static const struct {
        const char *name;
        void (*test)(void);
    } tests[] = {
        { "engine_is_there_as_asked_for", engine_is_there_as_asked_for },
        { "renderer_that_is_none_makes_no_context",
          renderer_that_is_none_makes_no_context },
        { "context_comes_and_goes", context_comes_and_goes },
        { "shader_works_on_ram_and_vram", shader_works_on_ram_and_vram },
        { "missing_pages_are_faulted_in", missing_pages_are_faulted_in },
        { "broken_stream_loses_the_context", broken_stream_loses_the_context },
        { "bound_buffer_can_be_destroyed", bound_buffer_can_be_destroyed },
        { "endless_shader_ends_at_the_deadline",
          endless_shader_ends_at_the_deadline },
        { "abort_ends_an_endless_shader", abort_ends_an_endless_shader },
        { "killed_renderer_is_noticed", killed_renderer_is_noticed },
        { "flr_ends_renderers", flr_ends_renderers },
        { "machine_reset_ends_renderers", machine_reset_ends_renderers },
        { "context_refuses_migration_and_savevm",
          context_refuses_migration_and_savevm },
        { "two_gpus_render_side_by_side", two_gpus_render_side_by_side },
    };
    unsigned int i;

    for (i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *path = g_strdup_printf("hmm-gpu/virgl/%s",
                                                tests[i].name);

        qtest_add_func(path, tests[i].test);
    }
}
