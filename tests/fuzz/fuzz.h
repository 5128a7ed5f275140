/*
 * hmm-gpu fuzzing: the virgl engine against guests that mean harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_FUZZ_H
#define HGPU_FUZZ_H

#include "stream.h"
#include "virgl_wire.h"

/* ---- chance.c: the same numbers for the same seed ---- */

void chance_seed(uint32_t seed);
uint32_t chance(uint32_t n);            /* below @n */
uint32_t chance_odd(void);              /* a number that tends to hurt */

/* ---- mutate.c ---- */

/* Resources of every context, by handle */
enum {
    FUZZ_SRC = 1,                       /* shader buffers */
    FUZZ_DST,
    FUZZ_COLOR,                         /* 64 x 64 */
    FUZZ_DEPTH,
    FUZZ_TEXTURE,                       /* 16 x 16 */
    FUZZ_VERTICES,
    FUZZ_ANYTHING,
};

#define FUZZ_BUFFER_BYTES   4096u

/*
 * A stream that works, changed in a few places. @checked: only by changes that
 * the renderer's check lets through, so that virglrenderer gets to see them.
 */
void fuzz_stream(struct hgpu_stream *s, bool checked);

/* ---- guest.c ---- */

/* How many jobs ended how; shared with the process that counts. */
struct fuzz_counts {
    uint32_t next;                      /* seed */
    uint32_t job[HGPU_VIRGL_STATUS_COUNT];
    uint32_t ran;                       /* streams to their end */
    uint32_t faults;
    uint32_t aborts;
};

/* A machine, a context, some submissions, and the machine's end. */
void fuzz_guest(struct fuzz_counts *counts, bool checked);

/* Start the renderer in this process; NULL, or why it does not. */
const char *fuzz_renderer_open(void);

#endif /* HGPU_FUZZ_H */
