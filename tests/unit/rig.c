/*
 * hmm-gpu unit tests: a GPU on a test bench.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#include <stdarg.h>

/* ---- The fake host ---- */

static bool dma_fails(const Rig *rig, uint64_t addr, uint64_t len)
{
    return len > RIG_RAM_SIZE || addr > RIG_RAM_SIZE - len ||
           (addr < rig->fail_to && addr + len > rig->fail_from);
}

static void note(Rig *rig, RigWriteKind kind, uint64_t addr, uint64_t len)
{
    RigWrite write = { kind, addr, len };

    g_array_append_val(rig->writes, write);
}

static int host_dma_read(void *opaque, uint64_t addr, void *buf, uint64_t len)
{
    Rig *rig = opaque;

    if (dma_fails(rig, addr, len)) {
        return -1;
    }
    rig->dma_reads++;
    rig->dma_read_bytes += len;
    memcpy(buf, rig->ram + addr, len);
    return 0;
}

static int host_dma_write(void *opaque, uint64_t addr, const void *buf,
                          uint64_t len)
{
    Rig *rig = opaque;

    if (dma_fails(rig, addr, len)) {
        return -1;
    }
    memcpy(rig->ram + addr, buf, len);
    note(rig, RIG_WROTE_BUS, addr, len);
    return 0;
}

static void *host_dma_map(void *opaque, uint64_t addr, uint64_t *len,
                          uint32_t flags)
{
    Rig *rig = opaque;

    (void)flags;
    *len = MIN(*len, rig->map_max);
    if (!*len || dma_fails(rig, addr, *len)) {
        return NULL;
    }
    rig->maps_open++;
    return rig->ram + addr;
}

static void host_dma_unmap(void *opaque, void *ptr, uint64_t len,
                           uint32_t flags, uint64_t access_len)
{
    Rig *rig = opaque;

    g_assert_cmpuint(rig->maps_open, >, 0);
    g_assert_cmpuint(access_len, <=, len);
    rig->maps_open--;
    if ((flags & HGPU_DMA_WRITE) && access_len) {
        note(rig, RIG_WROTE_BUS, (uint8_t *)ptr - rig->ram, access_len);
    }
}

static void host_vram_dirty(void *opaque, uint64_t off, uint64_t len)
{
    Rig *rig = opaque;

    g_assert_cmpuint(len, >, 0);
    g_assert_cmpuint(off, <, RIG_VRAM_SIZE);
    g_assert_cmpuint(len, <=, RIG_VRAM_SIZE - off);
    note(rig, RIG_WROTE_VRAM, off, len);
}

static HgpuGpu *host_peer(void *opaque, uint32_t node)
{
    Rig *rig = opaque;

    g_assert_cmpuint(node, <, HGPU_XGMI_NODES);
    g_assert_cmpuint(node, !=, rig->config.node);
    return rig->peer[node] ? &rig->peer[node]->gpu : NULL;
}

static void host_raise_irq(void *opaque, uint32_t vector)
{
    Rig *rig = opaque;

    g_assert_cmpuint(vector, ==, HGPU_MSIX_VECTOR_IH);
    rig->irqs++;
    note(rig, RIG_INTERRUPT, vector, 0);
    if (rig->irq_hook) {
        rig->irq_hook(rig);
    }
}

static uint64_t host_clock_ns(void *opaque)
{
    return ((Rig *)opaque)->now;
}

static void host_timer_arm(void *opaque, uint64_t expire_ns)
{
    ((Rig *)opaque)->timer = MAX(expire_ns, 1);
}

static void host_timer_cancel(void *opaque)
{
    ((Rig *)opaque)->timer = 0;
}

static void host_schedule(void *opaque)
{
    ((Rig *)opaque)->scheduled = true;
}

static void host_trace(void *opaque, uint32_t id, const uint64_t *args)
{
    (void)args;
    g_assert_cmpuint(id, <, HGPU_TRACE_COUNT);
    ((Rig *)opaque)->traced[id]++;
}

static void G_GNUC_PRINTF(2, 3)
host_guest_error(void *opaque, const char *fmt, ...)
{
    Rig *rig = opaque;
    va_list ap;

    va_start(ap, fmt);
    g_free(rig->last_error);
    rig->last_error = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    rig->guest_errors++;
}

static const HgpuHostOps host_ops = {
    .dma_read = host_dma_read,
    .dma_write = host_dma_write,
    .dma_map = host_dma_map,
    .dma_unmap = host_dma_unmap,
    .vram_dirty = host_vram_dirty,
    .peer = host_peer,
    .raise_irq = host_raise_irq,
    .clock_ns = host_clock_ns,
    .timer_arm = host_timer_arm,
    .timer_cancel = host_timer_cancel,
    .schedule = host_schedule,
    .trace = host_trace,
    .guest_error = host_guest_error,
    .virgl_start = rig_virgl_start,
    .virgl_send = rig_virgl_send,
    .virgl_kill = rig_virgl_kill,
};

/* ---- The bench ---- */

const HgpuConfig rig_config = {
    .vram_size = RIG_VRAM_SIZE, .nr_engines = RIG_ENGINES, .xnack = true,
};

Rig *rig_new_like(const HgpuConfig *config)
{
    Rig *rig = g_new0(Rig, 1);

    rig->ram = g_malloc0(RIG_RAM_SIZE);
    rig->vram = g_malloc0(RIG_VRAM_SIZE);
    rig->now = 1000000;
    rig->map_max = UINT64_MAX;
    rig->writes = g_array_new(false, false, sizeof(RigWrite));
    rig->next_table = RIG_TABLES;
    rig->config = *config;
    rig->config.vram = rig->vram;
    hgpu_init(&rig->gpu, &host_ops, rig, &rig->config);
    return rig;
}

Rig *rig_new_bare(void)
{
    return rig_new_like(&rig_config);
}

void rig_setup(Rig *rig)
{
    rig_setup_gart(rig);
    rig_setup_ih(rig, RIG_IH_CNTL);
}

Rig *rig_new(void)
{
    Rig *rig = rig_new_bare();

    rig_setup(rig);
    return rig;
}

void rig_free(Rig *rig)
{
    g_assert_cmpuint(rig->maps_open, ==, 0);
    rig_virgl_free(rig);
    g_array_free(rig->writes, true);
    g_free(rig->last_error);
    g_free(rig->ram);
    g_free(rig->vram);
    g_free(rig);
}

Rig *rig_migrate(Rig *rig, uint64_t now)
{
    Rig *to = rig_new_like(&rig->config);
    const char *refused;

    hgpu_set_running(&rig->gpu, false);
    hgpu_pre_save(&rig->gpu);
    to->now = now;
    to->ih_rptr = rig->ih_rptr;
    to->next_table = rig->next_table;
    memcpy(to->root, rig->root, sizeof(to->root));
    memcpy(to->ram, rig->ram, RIG_RAM_SIZE);
    memcpy(to->vram, rig->vram, RIG_VRAM_SIZE);
    hgpu_set_running(&to->gpu, false);
    to->gpu.s = rig->gpu.s;
    rig_free(rig);
    refused = hgpu_post_load(&to->gpu);
    if (refused) {
        g_test_message("refused: %s", refused);
        rig_free(to);
        return NULL;
    }
    hgpu_set_running(&to->gpu, true);
    return to;
}

uint32_t rig_rd(Rig *rig, uint32_t reg)
{
    return hgpu_reg_read(&rig->gpu, reg);
}

void rig_wr(Rig *rig, uint32_t reg, uint32_t val)
{
    uint32_t errors = rig->guest_errors;

    hgpu_reg_write(&rig->gpu, reg, val);
    if (rig->guest_errors != errors) {
        g_error("0x%x to 0x%x: %s", val, reg, rig->last_error);
    }
}

void rig_wr_refused(Rig *rig, uint32_t reg, uint32_t val)
{
    uint32_t errors = rig->guest_errors;

    hgpu_reg_write(&rig->gpu, reg, val);
    g_assert_cmpuint(rig->guest_errors, ==, errors + 1);
}

void rig_run(Rig *rig)
{
    for (uint32_t slices = 0; rig->scheduled; slices++) {
        uint64_t bytes = rig->gpu.stats.bytes;

        g_assert_cmpuint(slices, <, 10000);
        rig->scheduled = false;
        g_assert_true(hgpu_run(&rig->gpu) == rig->scheduled);
        g_assert_cmpuint(rig->maps_open, ==, 0);
        g_assert_cmpuint(rig->gpu.stats.bytes - bytes, <=, HGPU_SLICE_BYTES);
    }
}

void rig_pass(Rig *rig, uint64_t ns)
{
    uint64_t until = rig->now + ns;

    while (rig->timer && rig->timer <= until) {
        rig->now = MAX(rig->now, rig->timer);
        rig->timer = 0;
        hgpu_timer(&rig->gpu);
        rig_run(rig);
    }
    rig->now = until;
}

uint32_t rig_ram32(Rig *rig, uint64_t addr)
{
    uint32_t val;

    memcpy(&val, rig->ram + addr, sizeof(val));
    return GUINT32_FROM_LE(val);
}

uint64_t rig_ram64(Rig *rig, uint64_t addr)
{
    uint64_t val;

    memcpy(&val, rig->ram + addr, sizeof(val));
    return GUINT64_FROM_LE(val);
}

void rig_ram_set32(Rig *rig, uint64_t addr, uint32_t val)
{
    val = GUINT32_TO_LE(val);
    memcpy(rig->ram + addr, &val, sizeof(val));
}

void rig_ram_set64(Rig *rig, uint64_t addr, uint64_t val)
{
    val = GUINT64_TO_LE(val);
    memcpy(rig->ram + addr, &val, sizeof(val));
}

uint64_t rig_vram64(Rig *rig, uint64_t off)
{
    uint64_t val;

    memcpy(&val, rig->vram + off, sizeof(val));
    return GUINT64_FROM_LE(val);
}

void rig_vram_set64(Rig *rig, uint64_t off, uint64_t val)
{
    val = GUINT64_TO_LE(val);
    memcpy(rig->vram + off, &val, sizeof(val));
}

static uint8_t pattern_byte(uint64_t i, uint32_t seed)
{
    uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) + seed * 0x85ebca6bu;

    return x >> 37;
}

void rig_pattern(uint8_t *at, uint64_t len, uint32_t seed)
{
    for (uint64_t i = 0; i < len; i++) {
        at[i] = pattern_byte(i, seed);
    }
}

bool rig_is_pattern(const uint8_t *at, uint64_t len, uint32_t seed)
{
    for (uint64_t i = 0; i < len; i++) {
        if (at[i] != pattern_byte(i, seed)) {
            return false;
        }
    }
    return true;
}

/* ---- IH ---- */

void rig_setup_ih(Rig *rig, uint32_t cntl)
{
    bool bus = FIELD_GET(HGPU_IH_RB_CNTL__MC_SPACE, cntl) ==
               HGPU_IH_MC_SPACE_BUS;
    uint64_t ring = RIG_IH_RING + (bus ? 0 : RIG_GART);
    uint64_t wptr = RIG_IH_WPTR + (bus ? 0 : RIG_GART);

    rig_wr(rig, HGPU_IH_RB_CNTL, 0);
    rig_wr(rig, HGPU_IH_RB_BASE, ring >> 8);
    rig_wr(rig, HGPU_IH_RB_BASE_HI, ring >> 40);
    rig_wr(rig, HGPU_IH_RB_WPTR_ADDR_LO, LO(wptr));
    rig_wr(rig, HGPU_IH_RB_WPTR_ADDR_HI, HI(wptr));
    rig_wr(rig, HGPU_IH_RB_CNTL, cntl);
    rig->ih_rptr = 0;
}

bool rig_take(Rig *rig, RigIrq *irq)
{
    uint32_t wptr = rig_rd(rig, HGPU_IH_RB_WPTR) & HGPU_IH_RB_WPTR__OFFSET;
    uint32_t cntl = rig_rd(rig, HGPU_IH_RB_CNTL);
    uint32_t bytes = 4u << FIELD_GET(HGPU_IH_RB_CNTL__RB_SIZE, cntl);
    uint32_t dw[8];

    if (wptr == rig->ih_rptr) {
        return false;
    }
    for (uint32_t i = 0; i < 8; i++) {
        dw[i] = rig_ram32(rig, RIG_IH_RING + rig->ih_rptr + i * 4);
    }
    rig->ih_rptr = (rig->ih_rptr + 32) & (bytes - 1);
    rig_wr(rig, HGPU_IH_RB_RPTR, rig->ih_rptr);
    *irq = (RigIrq) {
        .client = FIELD_GET(HGPU_IH_DW0__CLIENT_ID, dw[0]),
        .source = FIELD_GET(HGPU_IH_DW0__SRC_ID, dw[0]),
        .ring = FIELD_GET(HGPU_IH_DW0__RING_ID, dw[0]),
        .vmid = FIELD_GET(HGPU_IH_DW0__VMID, dw[0]),
        .pasid = FIELD_GET(HGPU_IH_DW3__PASID, dw[3]),
        .time = dw[1] |
                (uint64_t)FIELD_GET(HGPU_IH_DW2__TIMESTAMP_HI, dw[2]) << 32,
        .data = { dw[4], dw[5], dw[6], dw[7] },
    };
    g_assert_true(dw[0] & HGPU_IH_DW0__VMID_SRC);
    return true;
}

RigIrq rig_expect(Rig *rig, uint32_t client, uint32_t source)
{
    RigIrq irq;

    g_assert_true(rig_take(rig, &irq));
    g_assert_cmpuint(irq.client, ==, client);
    g_assert_cmpuint(irq.source, ==, source);
    return irq;
}

RigIrq rig_expect_fault(Rig *rig, bool retry, uint64_t addr)
{
    RigIrq irq = rig_expect(rig, HGPU_IH_CLIENTID_VMC, HGPU_SRCID_VM_FAULT);
    uint64_t page = irq.data[0] |
                    (uint64_t)FIELD_GET(HGPU_IH_FAULT_DATA1__ADDR_HI,
                                        irq.data[1]) << 32;

    g_assert_cmphex(page, ==, addr >> HGPU_PAGE_SHIFT);
    g_assert_true(!!(irq.data[1] & HGPU_IH_FAULT_DATA1__RETRY) == retry);
    return irq;
}

void rig_expect_none(Rig *rig)
{
    RigIrq irq;

    g_assert_false(rig_take(rig, &irq));
}

/* ---- Address spaces ---- */

static void set_page_reg(Rig *rig, uint32_t reg, uint64_t val)
{
    rig_wr(rig, reg, LO(val));
    rig_wr(rig, reg + 4, HI(val));
}

void rig_setup_gart(Rig *rig)
{
    uint64_t first = RIG_GART >> HGPU_PAGE_SHIFT;
    uint64_t pages = RIG_RAM_SIZE >> HGPU_PAGE_SHIFT;

    for (uint64_t i = 0; i < pages; i++) {
        rig_vram_set64(rig, RIG_GART_TABLE + i * 8,
                       RIG_PTE_SYS | i << HGPU_PAGE_SHIFT);
    }
    set_page_reg(rig, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0),
                 (hgpu_vram_base(&rig->gpu) + RIG_GART_TABLE) |
                 HGPU_PTE_VALID);
    set_page_reg(rig, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0), first);
    set_page_reg(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0),
                 first + pages - 1);
    rig_wr(rig, HGPU_VM_CONTEXT_CNTL(0),
           HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT);
}

static uint64_t new_table(Rig *rig)
{
    uint64_t table = rig->next_table;

    rig->next_table += HGPU_VM_TABLE_SIZE;
    g_assert_cmpuint(rig->next_table, <=, RIG_TABLES_END);
    return table;
}

void rig_vm(Rig *rig, uint32_t vmid, bool retry)
{
    uint32_t cntl = HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT |
                    FIELD_PREP(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH,
                               HGPU_VM_DEPTH);

    if (retry) {
        cntl |= HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT;
    }
    if (!rig->root[vmid]) {
        rig->root[vmid] = new_table(rig);
    }
    set_page_reg(rig, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(vmid),
                 (hgpu_vram_base(&rig->gpu) + rig->root[vmid]) |
                 HGPU_PTE_VALID);
    set_page_reg(rig, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(vmid), 0);
    set_page_reg(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(vmid),
                 (UINT64_C(1) << 36) - 1);
    rig_wr(rig, HGPU_VM_CONTEXT_CNTL(vmid), cntl);
    rig_wr(rig, HGPU_IH_VMID_LUT(vmid), RIG_PASID(vmid));
}

uint64_t rig_entry(Rig *rig, uint32_t vmid, uint64_t va, int level)
{
    uint64_t base = hgpu_vram_base(&rig->gpu);
    uint64_t table = rig->root[vmid];

    for (int at = HGPU_VM_PDB2;; at--) {
        uint64_t slot = table + ((va >> HGPU_VM_SHIFT(at)) &
                                 (HGPU_VM_ENTRIES - 1)) * 8;
        uint64_t pde = rig_vram64(rig, slot);

        if (at == level) {
            return slot;
        }
        if (!(pde & HGPU_PTE_VALID)) {
            pde = (base + new_table(rig)) | HGPU_PTE_VALID;
            rig_vram_set64(rig, slot, pde);
        }
        table = (pde & HGPU_PDE_ADDR) - base;
    }
}

void rig_map(Rig *rig, uint32_t vmid, uint64_t va, uint64_t pte)
{
    rig_vram_set64(rig, rig_entry(rig, vmid, va, HGPU_VM_PTB), pte);
}

void rig_map_range(Rig *rig, uint32_t vmid, uint64_t va, uint64_t pte,
                   uint64_t bytes)
{
    for (uint64_t off = 0; off < bytes; off += HGPU_PAGE_SIZE) {
        rig_map(rig, vmid, va + off, pte + off);
    }
}

void rig_flush(Rig *rig, uint32_t vmids)
{
    rig_wr(rig, HGPU_VM_INVALIDATE_ENG_REQ(17), vmids);
    g_assert_cmphex(rig_rd(rig, HGPU_VM_INVALIDATE_ENG_ACK(17)) & vmids, ==,
                    vmids);
}

/* ---- Queues ---- */

uint32_t rig_ctx_reg(const RigQueue *q, uint32_t reg)
{
    return HGPU_SDMA_CTX_BASE(q->engine, q->ctx) + reg;
}

uint32_t rig_ctx_rd(const RigQueue *q, uint32_t reg)
{
    return rig_rd(q->rig, rig_ctx_reg(q, reg));
}

void rig_ctx_wr(const RigQueue *q, uint32_t reg, uint32_t val)
{
    rig_wr(q->rig, rig_ctx_reg(q, reg), val);
}

HgpuSdmaCtx *rig_ctx(const RigQueue *q)
{
    return &q->rig->gpu.s.sdma[q->engine].ctx[q->ctx];
}

uint32_t rig_exception(const RigQueue *q)
{
    return FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION,
                     rig_ctx_rd(q, HGPU_SDMA_CONTEXT_STATUS));
}

static void queue_setup(RigQueue *q)
{
    rig_ctx_wr(q, HGPU_SDMA_RB_BASE, q->va >> 8);
    rig_ctx_wr(q, HGPU_SDMA_RB_BASE_HI, q->va >> 40);
    rig_ctx_wr(q, HGPU_SDMA_RB_RPTR_ADDR_LO, LO(q->rptr_va));
    rig_ctx_wr(q, HGPU_SDMA_RB_RPTR_ADDR_HI, HI(q->rptr_va));
    rig_ctx_wr(q, HGPU_SDMA_DOORBELL_OFFSET, q->doorbell);
    rig_ctx_wr(q, HGPU_SDMA_DOORBELL, HGPU_SDMA_DOORBELL__ENABLE);
    rig_ctx_wr(q, HGPU_SDMA_MQD_BASE_LO,
               LO(RIG_GART + RIG_MQDS +
                  (q->engine * HGPU_SDMA_CTXS + q->ctx) * 512));
    rig_ctx_wr(q, HGPU_SDMA_MQD_BASE_HI, HI(RIG_GART));
    rig_ctx_wr(q, HGPU_SDMA_RB_CNTL, RIG_RB_CNTL(q->vmid));
    rig_run(q->rig);
}

static RigQueue queue_init(Rig *rig, uint32_t engine, uint32_t ctx)
{
    uint32_t n = engine * HGPU_SDMA_CTXS + ctx;

    return (RigQueue) {
        .rig = rig, .engine = engine, .ctx = ctx,
        .ram = RIG_RINGS + n * UINT64_C(0x10000),
        .rptr_ram = RIG_RPTRS + n * UINT64_C(8),
        .doorbell = n * UINT64_C(8), .bytes = 4u << RIG_RING_LOG2,
    };
}

RigQueue rig_kernel_queue(Rig *rig, uint32_t engine, uint32_t ctx)
{
    RigQueue q = queue_init(rig, engine, ctx);

    q.va = RIG_GART + q.ram;
    q.rptr_va = RIG_GART + q.rptr_ram;
    queue_setup(&q);
    return q;
}

RigQueue rig_user_queue(Rig *rig, uint32_t engine, uint32_t rlc,
                        uint32_t vmid)
{
    RigQueue q = queue_init(rig, engine, HGPU_SDMA_CTX_RLC0 + rlc);
    uint64_t page = q.rptr_ram & ~(HGPU_PAGE_SIZE - 1);

    q.vmid = vmid;
    q.va = RIG_USER_RING + q.ram;
    q.rptr_va = RIG_USER_RPTR + q.rptr_ram;
    rig_vm(rig, vmid, RIG_VM_RETRY);
    rig_map_range(rig, vmid, q.va, RIG_PTE_SYS | q.ram, q.bytes);
    rig_map(rig, vmid, RIG_USER_RPTR + page, RIG_PTE_SYS | page);
    queue_setup(&q);
    return q;
}

void rig_put(RigQueue *q, const uint32_t *dwords, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        rig_ram_set32(q->rig, q->ram + (q->wptr & (q->bytes - 1)), dwords[i]);
        q->wptr += 4;
    }
}

void rig_doorbell(RigQueue *q)
{
    hgpu_doorbell_write(&q->rig->gpu, q->doorbell, q->wptr, 8);
}

void rig_go(RigQueue *q)
{
    rig_doorbell(q);
    rig_run(q->rig);
}
