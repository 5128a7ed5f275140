/* SPDX-License-Identifier: MIT */
/* Compute shaders as TGSI text. */
#ifndef SHADERS_H
#define SHADERS_H

#include "stream.h"

/*
 * y = a * x + y, BUFFER[0] and [1], in groups of four floats. CONST[0]: a, how many groups. A block is 64 threads of
 * a group each; blocks are counted in two dimensions, since one alone ends at 65535. Product and sum are rounded
 * each, as C does it without -ffast-math or FMA.
 */
extern const char saxpy_tgsi[];

enum { SAXPY_BLOCK = 64 * 4 };

/*
 * Sums of uint32_t, wrapping: BUFFER[1] gets one for each block of 64 of BUFFER[0]. The block adds in shared memory,
 * in a tree with a barrier between its steps.
 */
extern const char sum_tgsi[];

enum { SUM_BLOCK = 64, SUM_SHARED = 64 * 4 };

/* Each of 64 threads a block adds 1 to the first word of BUFFER[0], CONST[0].x times: up to 60000. */
extern const char count_tgsi[];

#endif
