/*
 * hmm-gpu: how fast the device core alone copies, beside memcpy.
 *
 * A 1 MiB COPY packet from system memory, through the GART, to VRAM: packet
 * decode, translation, slices and all, but no QEMU (the host's dma_map is an
 * addition). memcpy moves the same bytes between the same buffers, in turns
 * with it. Medians of many; a line a figure, in the form of guest_bench.c,
 * or JSON with --json.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gpu.h"
#include "gart.h"

/* A host that ignores most of what it is told. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define MiB             (UINT64_C(1) << 20)
#define COPY_BYTES      MiB
#define PAGES           (COPY_BYTES / HGPU_PAGE_SIZE)
#define BUFFERS         16u     /* 32 MiB in all: more than the caches hold */
#define RAM_SIZE        (64 * MiB)
#define VRAM_SIZE       (64 * MiB)
#define SRC             (16 * MiB)              /* in RAM */
#define DST             (16 * MiB)              /* in VRAM */
#define RING            (1 * MiB)               /* in VRAM */
#define GART_TABLE      (8 * MiB)               /* in VRAM */
#define GART            (UINT64_C(0x7f) << 32)
#define RING_LOG2       12u
#define ROUNDS          101

typedef struct Bench {
    HgpuGpu gpu;
    uint8_t *ram;
    uint8_t *vram;
    bool scheduled;
    uint64_t wptr;
} Bench;

static int dma_read(void *opaque, uint64_t addr, void *buf, uint64_t len)
{
    memcpy(buf, ((Bench *)opaque)->ram + addr, len);
    return 0;
}

static int dma_write(void *opaque, uint64_t addr, const void *buf,
                     uint64_t len)
{
    memcpy(((Bench *)opaque)->ram + addr, buf, len);
    return 0;
}

static void *dma_map(void *opaque, uint64_t addr, uint64_t *len,
                     uint32_t flags)
{
    return addr < RAM_SIZE ? ((Bench *)opaque)->ram + addr : NULL;
}

static void dma_unmap(void *opaque, void *ptr, uint64_t len, uint32_t flags,
                      uint64_t access_len)
{
}

static void vram_dirty(void *opaque, uint64_t off, uint64_t len)
{
}

static HgpuGpu *peer(void *opaque, uint32_t node)
{
    return NULL;
}

static void raise_irq(void *opaque, uint32_t vector)
{
}

static uint64_t clock_ns(void *opaque)
{
    return 0;
}

static void timer_arm(void *opaque, uint64_t expire_ns)
{
}

static void timer_cancel(void *opaque)
{
}

static void schedule(void *opaque)
{
    ((Bench *)opaque)->scheduled = true;
}

static void trace(void *opaque, uint32_t id, const uint64_t *args)
{
}

static void G_GNUC_PRINTF(2, 3) guest_error(void *opaque, const char *fmt, ...)
{
    fprintf(stderr, "core_copy: guest error: %s\n", fmt);
    exit(1);
}

static const HgpuHostOps ops = {
    dma_read, dma_write, dma_map, dma_unmap, vram_dirty, peer, raise_irq,
    clock_ns, timer_arm, timer_cancel, schedule, trace, guest_error,
    NULL, NULL, NULL,
};

static double now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static void set_gart(Bench *b, uint64_t page, uint64_t to)
{
    uint64_t pte = GUINT64_TO_LE(to * HGPU_PAGE_SIZE | HGPU_PTE_VALID |
                                 HGPU_PTE_SYSTEM | HGPU_PTE_READABLE |
                                 HGPU_PTE_WRITEABLE);

    memcpy(b->vram + GART_TABLE + page * 8, &pte, 8);
}

/* @stride 1: contiguous; else the pages of a buffer lie scattered in it. */
static void fill_gart(Bench *b, uint32_t stride)
{
    for (uint64_t i = 0; i < BUFFERS * PAGES; i++) {
        set_gart(b, i, SRC / HGPU_PAGE_SIZE + i / PAGES * PAGES +
                       i % PAGES * stride % PAGES);
    }
    hgpu_reg_write(&b->gpu, HGPU_VM_INVALIDATE_ENG_REQ(0), 1);
}

static void setup(Bench *b)
{
    HgpuConfig config = {
        .vram_size = VRAM_SIZE, .nr_engines = 2, .xnack = true,
    };
    uint64_t first = GART / HGPU_PAGE_SIZE;
    uint64_t last = first + BUFFERS * PAGES - 1;
    uint64_t ring = HGPU_FB_START + RING;

    b->ram = aligned_alloc(4096, RAM_SIZE);
    b->vram = aligned_alloc(4096, VRAM_SIZE);
    if (!b->ram || !b->vram) {
        fprintf(stderr, "core_copy: no memory\n");
        exit(1);
    }
    for (uint64_t i = 0; i < RAM_SIZE; i++) {
        b->ram[i] = i * 2654435761u >> 13;
    }
    memset(b->vram, 0, VRAM_SIZE);
    config.vram = b->vram;
    hgpu_init(&b->gpu, &ops, b, &config);
    hgpu_reg_write(&b->gpu, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0),
                   GART_TABLE | HGPU_PTE_VALID);
    hgpu_reg_write(&b->gpu, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0),
                   first);
    hgpu_reg_write(&b->gpu, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0),
                   last);
    hgpu_reg_write(&b->gpu, HGPU_VM_CONTEXT_CNTL(0),
                   HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT);
    hgpu_reg_write(&b->gpu, HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_RB_BASE,
                   ring >> 8);
    hgpu_reg_write(&b->gpu, HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_RB_BASE_HI,
                   ring >> 40);
    hgpu_reg_write(&b->gpu, HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_DOORBELL,
                   HGPU_SDMA_DOORBELL__ENABLE);
    hgpu_reg_write(&b->gpu, HGPU_SDMA_CTX_BASE(0, 0) + HGPU_SDMA_RB_CNTL,
                   HGPU_SDMA_RB_CNTL__RB_ENABLE |
                   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, RING_LOG2));
}

static void put(Bench *b, uint32_t dword)
{
    dword = GUINT32_TO_LE(dword);
    memcpy(b->vram + RING + (b->wptr & ((4u << RING_LOG2) - 1)), &dword, 4);
    b->wptr += 4;
}

static void copy_by_gpu(Bench *b, uint32_t buffer)
{
    uint64_t src = GART + buffer * COPY_BYTES;
    uint64_t dst = HGPU_FB_START + DST + buffer * COPY_BYTES;

    put(b, HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY, 0));
    put(b, COPY_BYTES - 1);
    put(b, 0);
    put(b, src);
    put(b, src >> 32);
    put(b, dst);
    put(b, dst >> 32);
    hgpu_doorbell_write(&b->gpu, 0, b->wptr, 8);
    while (b->scheduled) {
        b->scheduled = false;
        hgpu_run(&b->gpu);
    }
}

static uint64_t gart_page(Bench *b, uint64_t page)
{
    uint64_t pte;

    memcpy(&pte, b->vram + GART_TABLE + page * 8, 8);
    return GUINT64_FROM_LE(pte) & HGPU_PTE_ADDR;
}

/* The same bytes to the same places; scattered ones a page at a time. */
static void copy_by_cpu(Bench *b, uint32_t buffer, bool scattered)
{
    uint8_t *dst = b->vram + DST + buffer * COPY_BYTES;

    if (!scattered) {
        memcpy(dst, b->ram + SRC + buffer * COPY_BYTES, COPY_BYTES);
        return;
    }
    for (uint64_t i = 0; i < PAGES; i++) {
        memcpy(dst + i * HGPU_PAGE_SIZE,
               b->ram + gart_page(b, buffer * PAGES + i), HGPU_PAGE_SIZE);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(bool json, const char *name, double ours, double reference,
                   const char *reference_name, const char *target)
{
    if (json) {
        printf("{\"name\":\"%s\",\"unit\":\"MB/s\",\"ours\":%.0f,"
               "\"reference\":%.0f,\"reference_name\":\"%s\","
               "\"ratio\":%.3f}\n", name, ours, reference, reference_name,
               ours / reference);
    } else {
        printf("%s|MB/s|%.0f|%.0f|%s|higher|%s\n", name, ours, reference,
               reference_name, target);
    }
}

static void measure(Bench *b, bool json, bool scattered)
{
    double gpu[ROUNDS], cpu[ROUNDS];
    double mb = COPY_BYTES / 1e6;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        double start = now_us();

        copy_by_gpu(b, i % BUFFERS);
        gpu[i] = now_us() - start;
        start = now_us();
        copy_by_cpu(b, (i + BUFFERS / 2) % BUFFERS, scattered);
        cpu[i] = now_us() - start;
    }
    qsort(gpu, ROUNDS, sizeof(gpu[0]), compare);
    qsort(cpu, ROUNDS, sizeof(cpu[0]), compare);
    report(json, scattered ? "sdma_copy_1m_core_scattered"
                           : "sdma_copy_1m_core",
           mb / gpu[ROUNDS / 2] * 1e6, mb / cpu[ROUNDS / 2] * 1e6,
           scattered ? "memcpy by page" : "memcpy", scattered ? "" : "0.8");
}

static void check(Bench *b)
{
    memset(b->vram + DST, 0, BUFFERS * COPY_BYTES);
    for (uint32_t i = 0; i < BUFFERS; i++) {
        copy_by_gpu(b, i);
    }
    for (uint64_t i = 0; i < BUFFERS * PAGES; i++) {
        if (memcmp(b->vram + DST + i * HGPU_PAGE_SIZE,
                   b->ram + gart_page(b, i), HGPU_PAGE_SIZE)) {
            fprintf(stderr, "core_copy: page %" PRIu64 " is wrong\n", i);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");
    static Bench bench;

    setup(&bench);
    fill_gart(&bench, 1);
    check(&bench);
    measure(&bench, json, false);
    fill_gart(&bench, 37);
    check(&bench);
    measure(&bench, json, true);
    free(bench.ram);
    free(bench.vram);
    return 0;
}
