/*
 * hmm-gpu device core: contexts get their turns (SPEC 7.2, 7.5).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_QUEUE_H
#define HGPU_CORE_QUEUE_H

#include "gpu.h"

/* Let the host call hgpu_run() or hgpu_timer() when there is a reason to. */
void hgpu_queue_kick(HgpuGpu *gpu);

/* Everybody's turns, HGPU_SLICE_BYTES of them. */
void hgpu_queue_run(HgpuGpu *gpu);

/* Write to RB_CNTL; false: refused. */
bool hgpu_queue_write_cntl(HgpuGpu *gpu, uint32_t e, uint32_t c,
                           uint32_t val);

/* Disable, from any state. */
void hgpu_queue_disable(HgpuGpu *gpu, uint32_t e, uint32_t c);

/* A new WPTR by register or doorbell: taken, or reported as invalid. */
void hgpu_queue_set_wptr(HgpuGpu *gpu, uint32_t e, uint32_t c, uint64_t wptr);

void hgpu_queue_doorbell(HgpuGpu *gpu, uint64_t off, uint64_t wptr);

/* Walk again what is parked in the VMIDs of @vmids (a bit each). */
void hgpu_queue_replay_vmids(HgpuGpu *gpu, uint32_t vmids);

/* The same for all contexts of engine @e. */
void hgpu_queue_replay_engine(HgpuGpu *gpu, uint32_t e);

/* HQD_CMD; false: refused. */
bool hgpu_mqd_map(HgpuGpu *gpu, uint32_t e, uint32_t c);
bool hgpu_mqd_unmap(HgpuGpu *gpu, uint32_t e, uint32_t c);

#endif /* HGPU_CORE_QUEUE_H */
