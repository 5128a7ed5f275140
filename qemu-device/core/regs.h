/*
 * hmm-gpu device core: the register file (SPEC 3 to 7).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_REGS_H
#define HGPU_CORE_REGS_H

#include "gpu.h"

/* Registers to their reset values; the state behind them has been zeroed. */
void hgpu_regs_reset(HgpuGpu *gpu);

/* NULL, or the name of a register that holds bits it does not have. */
const char *hgpu_regs_check(const HgpuGpu *gpu);

#endif /* HGPU_CORE_REGS_H */
