/*
 * hmm-gpu device core: the virgl engine (SPEC 11).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gpu.h"

void hgpu_virgl_reply(HgpuGpu *gpu, uint32_t ctx,
                      const struct hgpu_wire_reply *reply)
{
    (void)gpu;
    (void)ctx;
    (void)reply;
}

uint32_t hgpu_virgl_contexts(const HgpuGpu *gpu)
{
    (void)gpu;
    return 0;
}
