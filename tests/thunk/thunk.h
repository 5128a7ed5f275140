/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of libhsakmt share. All is done with the library's functions; whatever fails here fails the test.
 */
#ifndef THUNK_H
#define THUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __has_include(<hsakmt/hsakmt.h>)
#include <hsakmt/hsakmt.h>	/* 6.2 */
#else
#include <hsakmt.h>		/* 5.2 */
#endif

#include "gpu.h"	/* PAGE, MIB and the topology in sysfs: the library has KFD open, nothing here does */
#include "tap.h"

#define ok(call) expect_int(call, ==, HSAKMT_STATUS_SUCCESS)

enum { MAX_GPUS = 8 };

/**
 * struct system - the topology as the library sees it
 * @num_nodes: all of them
 * @num_gpus: of them
 * @gpu: their node numbers; the CPU is node 0
 */
struct system {
	HSAuint32 num_nodes, num_gpus, gpu[MAX_GPUS];
};

/* Open KFD and take the topology; what most tests start with. */
struct system thunk_open(void);
HsaNodeProperties node_properties(HSAuint32 node);

/* Flags for hsaKmtAllocMemory() */
HsaMemFlags paged(void);		/* the process's own pages (node 0) */
HsaMemFlags non_paged(void);		/* the driver's: GTT (node 0), VRAM that the CPU sees (a GPU's node) */
HsaMemFlags hidden(void);		/* VRAM that the CPU does not see */

void *memory_alloc(HSAuint32 node, size_t size, HsaMemFlags flags);	/* and mapped: VRAM to its GPU, other memory to all */
void memory_free(void *at, size_t size);

/**
 * struct sdma - a user SDMA queue of the library
 * @ring: the packets; small tests only, it does not wrap
 * @wptr: bytes emitted
 */
struct sdma {
	HsaQueueResource resource;
	uint32_t *ring;
	HSAuint64 wptr;
};

void sdma_create(struct sdma *q, HSAuint32 node);
void sdma_destroy(struct sdma *q);
void sdma_copy(struct sdma *q, void *dst, const void *src, size_t bytes);	/* below 4 MiB, as fill */
void sdma_fill(struct sdma *q, void *dst, uint32_t value, size_t bytes);
void sdma_signal(struct sdma *q, const HsaEvent *event);			/* FENCE and TRAP */
void sdma_submit(struct sdma *q);
bool sdma_is_done(const struct sdma *q);
void sdma_run(struct sdma *q);		/* submit and wait */

HsaEvent *event_create(HSA_EVENTTYPE type, HSAuint32 node, bool manual);

#endif
