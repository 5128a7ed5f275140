/*
 * hmm-gpu: what the device core wants of its host, given by QEMU
 *
 * DMA goes through the device's bus-master address space, so a vIOMMU and the
 * bus-master bit are honoured, and every result is reported. Time is
 * QEMU_CLOCK_VIRTUAL. The engines work in a bottom half on the main loop, a
 * bounded slice a turn.
 *
 * Three things a guest can do make this file longer than a table:
 *
 * - Its DMA may aim at anything in the memory map: at our own registers (the
 *   re-entrancy guard of bottom half and MMIO turns that into a bus error), or
 *   at our configuration space, our root port's, or a device that stops the
 *   machine. Then we are reset, unplugged or stopped in the middle of the core,
 *   which is not re-entrant: hmm_gpu_enter_core/leave_core put it off until the
 *   core has returned.
 * - It may give the engines work for hours. Between two bursts of slices there
 *   is a pause in which the main loop sleeps and vCPUs get the lock.
 * - It may fault as often as it likes: guest errors are formatted only when
 *   -d guest_errors asks for them.
 *
 * Nothing here knows what an address, a vector or a slice is for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "block/aio.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_device.h"
#include "hmm-gpu-pci.h"

/*
 * A burst moves 2 MiB at most, well under a millisecond: the longest that a
 * vCPU waits for a register access. The pause is just long enough for the
 * main loop to really sleep.
 */
#define HMM_GPU_BURST_SLICES    8
#define HMM_GPU_PAUSE_NS        (50 * SCALE_US)

/* The core's timer is not served more often than this. */
#define HMM_GPU_TIMER_MIN_NS    (10 * SCALE_US)

/* ---- DMA ---- */

/* Unplugged or reset in the middle of the core: what it still does is void. */
static bool hmm_gpu_is_cut_off(HmmGpu *s)
{
    return s->unplugged || s->reset_pending;
}

static int hmm_gpu_dma_read(void *opaque, uint64_t addr, void *buf,
                            uint64_t len)
{
    HmmGpu *s = opaque;

    if (hmm_gpu_is_cut_off(s) ||
        pci_dma_read(PCI_DEVICE(s), addr, buf, len) != MEMTX_OK) {
        return -EIO;
    }
    return 0;
}

static int hmm_gpu_dma_write(void *opaque, uint64_t addr, const void *buf,
                             uint64_t len)
{
    HmmGpu *s = opaque;

    if (hmm_gpu_is_cut_off(s) ||
        pci_dma_write(PCI_DEVICE(s), addr, buf, len) != MEMTX_OK) {
        return -EIO;
    }
    return 0;
}

static DMADirection hmm_gpu_dma_direction(uint32_t flags)
{
    return flags & HGPU_DMA_WRITE ? DMA_DIRECTION_FROM_DEVICE
                                  : DMA_DIRECTION_TO_DEVICE;
}

/*
 * RAM only: what lies behind a bounce buffer (another device's BAR, or an
 * address that the vIOMMU refuses) could not report a failed transaction, see
 * hmm_gpu_host_init(). The core goes through dma_read/dma_write for it.
 */
static void *hmm_gpu_dma_map(void *opaque, uint64_t addr, uint64_t *len,
                             uint32_t flags)
{
    HmmGpu *s = opaque;
    DMADirection dir = hmm_gpu_dma_direction(flags);
    dma_addr_t mapped = *len;
    void *ptr;

    if (hmm_gpu_is_cut_off(s)) {
        return NULL;
    }
    dma_barrier(pci_get_address_space(PCI_DEVICE(s)), dir);
    ptr = pci_dma_map(PCI_DEVICE(s), addr, &mapped, dir);
    if (ptr) {
        *len = mapped;
    }
    return ptr;
}

static void hmm_gpu_dma_unmap(void *opaque, void *ptr, uint64_t len,
                              uint32_t flags, uint64_t access_len)
{
    HmmGpu *s = opaque;

    pci_dma_unmap(PCI_DEVICE(s), ptr, len, hmm_gpu_dma_direction(flags),
                  access_len);
}

static void hmm_gpu_vram_dirty(void *opaque, uint64_t off, uint64_t len)
{
    HmmGpu *s = opaque;

    memory_region_set_dirty(&s->vram, off, len);
}

/* A peer whose own reset is still pending has its memory all the same. */
static HgpuGpu *hmm_gpu_peer(void *opaque, uint32_t node)
{
    HmmGpu *s = opaque;

    return hmm_gpu_is_cut_off(s) ? NULL : hmm_gpu_hive_node(s, node);
}

/* ---- Interrupts, traces, errors ---- */

static void hmm_gpu_raise_irq(void *opaque, uint32_t vector)
{
    HmmGpu *s = opaque;

    if (!hmm_gpu_is_cut_off(s) && msix_enabled(PCI_DEVICE(s))) {
        msix_notify(PCI_DEVICE(s), vector);
    }
}

static void hmm_gpu_host_trace(void *opaque, uint32_t id, const uint64_t *args)
{
    hmm_gpu_trace(opaque, id, args);
}

static void G_GNUC_PRINTF(2, 3)
hmm_gpu_guest_error(void *opaque, const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    if (!qemu_loglevel_mask(LOG_GUEST_ERROR)) {
        return;
    }
    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qemu_log("%s: %s\n", hmm_gpu_name(opaque), g_strchomp(msg));
}

/* ---- Time ---- */

static uint64_t hmm_gpu_clock_ns(void *opaque)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static void hmm_gpu_timer_arm(void *opaque, uint64_t expire_ns)
{
    HmmGpu *s = opaque;
    uint64_t soonest;

    if (s->unplugged) {
        return;
    }
    /* Loading a snapshot may set the clock back. */
    s->timer_served_ns = MIN(s->timer_served_ns, hmm_gpu_clock_ns(s));
    soonest = s->timer_served_ns + HMM_GPU_TIMER_MIN_NS;
    timer_mod(s->timer, MIN(MAX(expire_ns, soonest), INT64_MAX));
}

static void hmm_gpu_timer_cancel(void *opaque)
{
    HmmGpu *s = opaque;

    s->timer_due = false;
    if (!s->unplugged) {
        timer_del(s->timer);
    }
}

/* Into the bottom half, where the re-entrancy guard is held. */
static void hmm_gpu_timer_cb(void *opaque)
{
    HmmGpu *s = opaque;

    s->timer_due = true;
    s->timer_served_ns = hmm_gpu_clock_ns(s);
    qemu_bh_schedule(s->bh);
}

/* ---- Turns ---- */

void hmm_gpu_enter_core(HmmGpu *s)
{
    s->core_depth++;
}

void hmm_gpu_leave_core(HmmGpu *s)
{
    if (--s->core_depth) {
        return;
    }
    if (s->reset_pending) {
        s->reset_pending = false;
        hgpu_reset(&s->gpu);
    }
    if (s->vm_running != s->gpu.running) {
        hgpu_set_running(&s->gpu, s->vm_running);
    }
    hmm_gpu_virgl_check_blocker(s);
    if (s->unplugged) {
        /* Not in the middle of the core, which may be copying from or to them. */
        hmm_gpu_virgl_exit(s);
        return;
    }
    if (s->bh_pending) {
        s->bh_pending = false;
        qemu_bh_schedule(s->bh);
    }
}

static void hmm_gpu_schedule(void *opaque)
{
    HmmGpu *s = opaque;

    if (!s->unplugged && !timer_pending(s->pause)) {
        qemu_bh_schedule(s->bh);
    }
}

static void hmm_gpu_pause_cb(void *opaque)
{
    HmmGpu *s = opaque;

    qemu_bh_schedule(s->bh);
}

static void hmm_gpu_end_burst(HmmGpu *s)
{
    s->slices = 0;
    qemu_bh_cancel(s->bh);
    timer_mod(s->pause, hmm_gpu_clock_ns(s) + HMM_GPU_PAUSE_NS);
}

static void hmm_gpu_drop_ref(void *opaque)
{
    object_unref(OBJECT(opaque));
}

static void hmm_gpu_bh(void *opaque)
{
    HmmGpu *s = opaque;
    bool more;

    /* From an event loop nested in our own DMA: after it, then. */
    if (s->core_depth) {
        s->bh_pending = true;
        return;
    }

    object_ref(OBJECT(s));
    hmm_gpu_enter_core(s);
    if (s->timer_due && s->vm_running) {
        s->timer_due = false;
        hgpu_timer(&s->gpu);
    }
    more = hgpu_run(&s->gpu);
    hmm_gpu_leave_core(s);

    if (s->unplugged) {
        /* Whoever called us still needs our guard: not the last one now. */
        aio_bh_schedule_oneshot(qemu_get_aio_context(), hmm_gpu_drop_ref, s);
        return;
    }
    if (!more) {
        s->slices = 0;
    } else if (++s->slices == HMM_GPU_BURST_SLICES) {
        hmm_gpu_end_burst(s);
    }
    object_unref(OBJECT(s));
}

static void hmm_gpu_vm_change(void *opaque, bool running, RunState state)
{
    HmmGpu *s = opaque;

    hmm_gpu_enter_core(s);
    s->vm_running = running;
    hmm_gpu_leave_core(s);
    if (running && s->timer_due) {
        qemu_bh_schedule(s->bh);
    }
}

/* ---- Life and death ---- */

void hmm_gpu_host_reset(HmmGpu *s)
{
    hmm_gpu_timer_cancel(s);

    hmm_gpu_enter_core(s);
    s->reset_pending = true;
    hmm_gpu_leave_core(s);
}

void hmm_gpu_host_init(HmmGpu *s)
{
    DeviceState *dev = DEVICE(s);
    const HgpuConfig config = {
        .vram = memory_region_get_ram_ptr(&s->vram),
        .vram_size = s->vram_size,
        .nr_engines = s->sdma_engines,
        .xnack = s->features & BIT(HMM_GPU_FEATURE_XNACK),
        .hive = s->hive,
        .node = s->node,
        .virgl_slots = s->virgl_slots,
    };

    pci_get_address_space(PCI_DEVICE(s))->max_bounce_buffer_size = 0;

    s->bh = qemu_bh_new_guarded(hmm_gpu_bh, s, &dev->mem_reentrancy_guard);
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, hmm_gpu_timer_cb, s);
    s->pause = timer_new_ns(QEMU_CLOCK_VIRTUAL, hmm_gpu_pause_cb, s);

    hgpu_init(&s->gpu, &hmm_gpu_host_ops, s, &config);

    s->vm_change = qdev_add_vm_change_state_handler(dev, hmm_gpu_vm_change, s);
    hmm_gpu_vm_change(s, runstate_is_live(runstate_get()), runstate_get());
}

void hmm_gpu_host_exit(HmmGpu *s)
{
    s->unplugged = true;
    qemu_del_vm_change_state_handler(s->vm_change);
    timer_free(s->pause);
    timer_free(s->timer);
    qemu_bh_delete(s->bh);
    if (!s->core_depth) {
        hmm_gpu_virgl_exit(s);
    }
}

const HgpuHostOps hmm_gpu_host_ops = {
    .dma_read = hmm_gpu_dma_read,
    .dma_write = hmm_gpu_dma_write,
    .dma_map = hmm_gpu_dma_map,
    .dma_unmap = hmm_gpu_dma_unmap,
    .vram_dirty = hmm_gpu_vram_dirty,
    .peer = hmm_gpu_peer,
    .raise_irq = hmm_gpu_raise_irq,
    .clock_ns = hmm_gpu_clock_ns,
    .timer_arm = hmm_gpu_timer_arm,
    .timer_cancel = hmm_gpu_timer_cancel,
    .schedule = hmm_gpu_schedule,
    .trace = hmm_gpu_host_trace,
    .guest_error = hmm_gpu_guest_error,
    .virgl_start = hmm_gpu_virgl_start,
    .virgl_send = hmm_gpu_virgl_send,
    .virgl_kill = hmm_gpu_virgl_kill,
};
