/*
 * hmm-gpu device core: slots of the virgl engine (SPEC 11).
 *
 * A slot's job is read and checked (virgl_job.c), its stream and ranges are
 * copied to the staging memory of its context's renderer and back
 * (virgl_copy.c); between these the renderer works, and answers. virgl.c has
 * the states, the contexts, and what ends a job.
 *
 * The renderer can write all of staging memory at any time: nothing that was
 * put there is read back but what is copied out to the guest.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_VIRGL_H
#define HGPU_CORE_VIRGL_H

#include "mm.h"

/* A turn of slot @index. */
typedef struct HgpuVirgl {
    HgpuGpu *gpu;
    uint32_t index;
    HgpuVirglSlot *slot;
    HgpuVirglJob *job;
    uint64_t budget;            /* bytes left in this turn */
} HgpuVirgl;

/* ---- virgl.c: for registers, queues and the GPU as a whole ---- */

/* SLOT_CMD; false: refused. */
bool hgpu_virgl_start(HgpuGpu *gpu, uint32_t s);
void hgpu_virgl_abort(HgpuGpu *gpu, uint32_t s);

/* Could slot @s use a turn now? If not: when (0: time will not change it). */
bool hgpu_virgl_runnable(const HgpuGpu *gpu, uint32_t s, uint64_t now_ns);
uint64_t hgpu_virgl_deadline(const HgpuGpu *gpu, uint32_t s);

/* A turn of at most @budget bytes; returns what it used up. */
uint64_t hgpu_virgl_turn(HgpuGpu *gpu, uint32_t s, uint64_t budget);

/* Walk again what is parked in the VMIDs of @vmids (a bit each). */
void hgpu_virgl_replay_vmids(HgpuGpu *gpu, uint32_t vmids);

/* End all renderers; slots are not touched. */
void hgpu_virgl_reset(HgpuGpu *gpu);

/* The state was loaded, and is sound; renderers, if any, are of another. */
void hgpu_virgl_post_load(HgpuGpu *gpu);

/* ---- virgl.c: for the others ---- */

/* The access in @fault failed: the slot is parked, or its job ends. */
void hgpu_virgl_fault(HgpuVirgl *v, const HgpuFault *fault);

/* ---- virgl_job.c ---- */

/*
 * hgpu_virgl_job_read: read the slot's job, and the range table of a SUBMIT
 *
 * Returns: an HGPU_VIRGL_* status; the job's result has the row or the address
 * to blame. Whatever it is, what could be read of the job is there.
 */
uint32_t hgpu_virgl_job_read(HgpuVirgl *v);

/* Write the job's result where the guest looks for it. */
void hgpu_virgl_job_write_result(HgpuVirgl *v);

/* ---- virgl_copy.c ---- */

/* How many rows a range has, and the bytes of each; false: it is malformed. */
bool hgpu_virgl_range_rows(const struct hgpu_wire_range *range, uint64_t *rows,
                           uint64_t *row_bytes);

/*
 * Copy on, while the budget lasts: the stream, or the ranges with @flag
 * (HGPU_VIRGL_RANGE_IN or OUT). True: all is copied. False: the slot is not
 * runnable any more, or the budget is used up.
 */
bool hgpu_virgl_copy_stream(HgpuVirgl *v);
bool hgpu_virgl_copy_ranges(HgpuVirgl *v, uint32_t flag);

#endif /* HGPU_CORE_VIRGL_H */
