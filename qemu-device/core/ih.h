/*
 * hmm-gpu device core: the interrupt handler ring (SPEC 6).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_IH_H
#define HGPU_CORE_IH_H

#include "gpu.h"

typedef struct HgpuIhEvent {
    uint32_t client;            /* HGPU_IH_CLIENTID_* */
    uint32_t source;            /* HGPU_SRCID_* */
    uint32_t ring;
    uint32_t vmid;              /* its PASID is looked up here */
    uint32_t data[4];
} HgpuIhEvent;

/* Write an entry and interrupt, or count it as dropped. */
void hgpu_ih_post(HgpuGpu *gpu, const HgpuIhEvent *event);

/* The same, from context @c of engine @e, about itself. */
void hgpu_ih_post_sdma(HgpuGpu *gpu, uint32_t e, uint32_t c, uint32_t source,
                       uint32_t data0, uint32_t data1, uint32_t data2);

/* Register writes; false: refused, nothing has changed. */
bool hgpu_ih_write_cntl(HgpuGpu *gpu, uint32_t val);
bool hgpu_ih_write_rptr(HgpuGpu *gpu, uint32_t val);

#endif /* HGPU_CORE_IH_H */
