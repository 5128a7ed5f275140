/*
 * hmm-gpu device core: is this state one that the device could be in?
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_STATE_H
#define HGPU_CORE_STATE_H

#include "gpu.h"

/*
 * Check context @c, loaded from a file or an MQD, against what the registers
 * and packets could have made of it. NULL, or the name of the bad field.
 */
const char *hgpu_state_check_ctx(const HgpuSdmaCtx *ctx, uint32_t c);

/* Everything in @gpu->s; registers' stray bits are hgpu_regs_check()'s. */
const char *hgpu_state_check(const HgpuGpu *gpu);

#endif /* HGPU_CORE_STATE_H */
