/*
 * hmm-gpu device core: what a table of registers is made of.
 *
 * One table row a register: where its bits are kept, which exist, its reset
 * value, who may write it. Registers that do something have a hook; a hook
 * that returns false has refused the write and changed nothing.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_REGS_TABLE_H
#define HGPU_CORE_REGS_TABLE_H

#include "gpu.h"

typedef struct HgpuRegRef HgpuRegRef;

typedef struct HgpuReg {
    const char *name;
    uint16_t offset;            /* in its block */
    uint16_t field;             /* in the block's struct */
    uint8_t width;              /* bytes of the field; 0: there is none */
    uint8_t shift;              /* of the register's bit 0 in the field */
    uint8_t flags;
    uint32_t bits;              /* that exist */
    uint32_t strobes;           /* of these, the ones that are never stored */
    uint32_t align;             /* a write must be a multiple of this */
    uint32_t reset;
    uint32_t (*read)(const HgpuRegRef *ref);
    bool (*write)(const HgpuRegRef *ref, uint32_t val);
} HgpuReg;

#define RO              BIT(0)
#define LOCKED          BIT(1)  /* writes are refused while the ring runs */

typedef struct HgpuBlock {
    uint32_t base;
    uint32_t stride;
    uint32_t count;
    const HgpuReg *regs;
    uint32_t nr_regs;
    size_t state;               /* of the first instance's struct */
    size_t state_stride;
    /* Does a ring run on what the LOCKED registers say? */
    bool (*locked)(const HgpuRegRef *ref);
} HgpuBlock;

struct HgpuRegRef {
    HgpuGpu *gpu;
    const HgpuBlock *block;
    const HgpuReg *reg;
    uint8_t *state;             /* the struct behind the block */
    uint32_t engine;
    uint32_t index;             /* in the block: context, VMID, ... */
};

#define ALL_BITS        UINT32_MAX

/* A register kept in @member of the block's struct @type. */
#define AT(type, member) \
    .field = offsetof(type, member), .width = sizeof(((type *)0)->member)

/* The register's bits, as they are kept, without any hook. */
uint32_t hgpu_reg_load(const HgpuRegRef *ref);
void hgpu_reg_store(const HgpuRegRef *ref, uint32_t val);

/* Read hook of registers that only do something when written. */
uint32_t hgpu_reg_read_zero(const HgpuRegRef *ref);

/* All contexts of an engine to their reset values. */
void hgpu_regs_reset_contexts(HgpuGpu *gpu, uint32_t engine);

/* regs_mc.c: offsets in BAR 5; states in HgpuState */
#define HGPU_MC_BLOCKS          5
extern const HgpuBlock hgpu_mc_blocks[HGPU_MC_BLOCKS];

/* regs_virgl.c: offsets in BAR 5; states in HgpuState; where there are slots */
extern const HgpuBlock hgpu_virgl_block;

/* regs_sdma.c: offsets in an engine; states in HgpuSdmaEngine */
extern const HgpuBlock hgpu_sdma_ctx_block;
extern const HgpuBlock hgpu_sdma_engine_block;

#endif /* HGPU_CORE_REGS_TABLE_H */
