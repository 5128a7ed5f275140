/*
 * hmm-gpu: what the files of the QEMU glue share
 *
 * hmm-gpu-pci.c      the PCI device: BARs, properties, reset, life and death
 * hmm-gpu-host.c     HgpuHostOps: DMA, interrupts, time, turns on the main loop
 * hmm-gpu-hive.c     which GPUs are peers
 * hmm-gpu-virgl.c    the renderer processes of the virgl engine
 * hmm-gpu-vmstate.c  the saved state
 * hmm-gpu-trace.c    the core's trace ids as QEMU trace events
 *
 * The GPU itself is in core/ and knows nothing of QEMU. These files in turn
 * know nothing of packets, page tables or registers: what crosses the seam is
 * in core/gpu.h, and none of it depends on what a value means.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HMM_GPU_PCI_H
#define HMM_GPU_PCI_H

#include "hw/pci/pci_device.h"
#include "qemu/queue.h"
#include "system/runstate.h"
#include "core/gpu.h"
#include "core/virgl_wire.h"

#define TYPE_HMM_GPU "hmm-gpu"
OBJECT_DECLARE_SIMPLE_TYPE(HmmGpu, HMM_GPU)

typedef struct HmmGpuRenderer HmmGpuRenderer;

/* Bits of HmmGpu.features */
#define HMM_GPU_FEATURE_XNACK   0

struct HmmGpu {
    PCIDevice parent_obj;

    MemoryRegion vram;          /* all of it; RAM, migrated as such */
    MemoryRegion vram_bar;      /* BAR 0: the window, and zeroes behind it */
    MemoryRegion vram_window;   /* the part of VRAM that BAR 0 shows */
    MemoryRegion doorbell_bar;
    MemoryRegion reg_bar;

    /* properties */
    uint64_t vram_size;
    uint64_t vram_bar_size;     /* 0 until realize: fits VRAM */
    uint32_t sdma_engines;
    uint32_t features;          /* HMM_GPU_FEATURE_* */
    uint32_t hive;              /* 0: in none */
    OnOffAuto virgl;
    uint32_t virgl_timeout;     /* ms */
    char *virgl_helper;

    uint32_t node;              /* in the hive */
    QLIST_ENTRY(HmmGpu) in_hives;

    HgpuGpu gpu;

    /* The virgl engine, see hmm-gpu-virgl.c */
    uint32_t virgl_slots;       /* 0: there is none */
    HmmGpuRenderer *renderer[HGPU_VIRGL_CONTEXTS + 1];  /* by context */
    Error *virgl_blocker;       /* of migration */
    bool virgl_warned;          /* that there is no renderer */

    /* Turns on the main loop, see hmm-gpu-host.c */
    QEMUBH *bh;                 /* the only place that lets the engines work */
    QEMUTimer *timer;           /* the core's */
    QEMUTimer *pause;           /* between two bursts of slices */
    VMChangeStateEntry *vm_change;
    unsigned int slices;        /* of the present burst */
    uint64_t timer_served_ns;   /* when it last did */
    bool timer_due;             /* the core's timer has expired */
    bool vm_running;

    /* The core is not re-entrant; these wait until it has returned. */
    unsigned int core_depth;
    bool reset_pending;
    bool bh_pending;
    bool unplugged;
};

extern const HgpuHostOps hmm_gpu_host_ops;
extern const VMStateDescription vmstate_hmm_gpu;

/* Every call into the core stands between these two. */
void hmm_gpu_enter_core(HmmGpu *s);
void hmm_gpu_leave_core(HmmGpu *s);

void hmm_gpu_host_init(HmmGpu *s);
void hmm_gpu_host_exit(HmmGpu *s);
void hmm_gpu_host_reset(HmmGpu *s);

/* The first takes a node, fails if there is none; the last may give NULL. */
bool hmm_gpu_join_hive(HmmGpu *s, Error **errp);
void hmm_gpu_leave_hive(HmmGpu *s);
HgpuGpu *hmm_gpu_hive_node(HmmGpu *s, uint32_t node);

/* Decides whether there is an engine; the last ends all renderers. */
bool hmm_gpu_virgl_init(HmmGpu *s, Error **errp);
void hmm_gpu_virgl_exit(HmmGpu *s);
void hmm_gpu_virgl_check_blocker(HmmGpu *s);
bool hmm_gpu_virgl_start(void *opaque, uint32_t ctx, uint8_t **staging);
bool hmm_gpu_virgl_send(void *opaque, uint32_t ctx,
                        const struct hgpu_wire_request *req);
void hmm_gpu_virgl_kill(void *opaque, uint32_t ctx);

void hmm_gpu_trace(HmmGpu *s, uint32_t id, const uint64_t *args);

/* What traces and logs call this device. */
const char *hmm_gpu_name(HmmGpu *s);

#endif /* HMM_GPU_PCI_H */
