/*
 * hmm-gpu device core: the register file (SPEC 3).
 *
 * The tables are in regs_mc.c, regs_virgl.c and regs_sdma.c; here registers are
 * found, read, written, reset, and checked after a load.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "regs.h"
#include "regs_table.h"
#include "ctx.h"
#include "host.h"

/* ---- Plain access to a register's bits ---- */

static uint64_t field_load(const uint8_t *state, const HgpuReg *reg)
{
    uint32_t word;
    uint64_t quad;

    if (reg->width == 4) {
        memcpy(&word, state + reg->field, sizeof(word));
        return word;
    }
    memcpy(&quad, state + reg->field, sizeof(quad));
    return quad;
}

uint32_t hgpu_reg_load(const HgpuRegRef *ref)
{
    return (field_load(ref->state, ref->reg) >> ref->reg->shift) &
           ref->reg->bits;
}

void hgpu_reg_store(const HgpuRegRef *ref, uint32_t val)
{
    const HgpuReg *reg = ref->reg;
    uint64_t bits = (uint64_t)reg->bits << reg->shift;
    uint64_t quad = field_load(ref->state, reg);
    uint32_t word;

    quad = (quad & ~bits) | (((uint64_t)val << reg->shift) & bits);
    word = quad;
    memcpy(ref->state + reg->field,
           reg->width == 4 ? (const void *)&word : (const void *)&quad,
           reg->width);
}

uint32_t hgpu_reg_read_zero(const HgpuRegRef *ref)
{
    (void)ref;
    return 0;
}

/* ---- Finding a register ---- */

/* Find @off in @block, whose instances' structs begin in @state. */
static bool block_find(const HgpuBlock *block, uint8_t *state, uint32_t off,
                       HgpuRegRef *ref)
{
    uint32_t index;

    if (off < block->base ||
        off - block->base >= block->stride * block->count) {
        return false;
    }
    off -= block->base;
    index = off / block->stride;
    for (uint32_t i = 0; i < block->nr_regs; i++) {
        if (block->regs[i].offset == off % block->stride) {
            ref->block = block;
            ref->reg = &block->regs[i];
            ref->index = index;
            ref->state = state + block->state + index * block->state_stride;
            return true;
        }
    }
    return false;
}

static bool reg_find(HgpuGpu *gpu, uint32_t off, HgpuRegRef *ref)
{
    uint32_t engine;
    uint8_t *state;

    *ref = (HgpuRegRef) { .gpu = gpu };
    if (off & 3) {
        return false;
    }
    if (off < HGPU_SDMA_BASE(0)) {
        for (uint32_t i = 0; i < HGPU_MC_BLOCKS; i++) {
            if (block_find(&hgpu_mc_blocks[i], (uint8_t *)&gpu->s, off, ref)) {
                return true;
            }
        }
        return gpu->virgl_slots &&
               block_find(&hgpu_virgl_block, (uint8_t *)&gpu->s, off, ref);
    }
    engine = (off - HGPU_SDMA_BASE(0)) / HGPU_SDMA_STRIDE;
    if (engine >= gpu->nr_engines) {
        return false;
    }
    off -= HGPU_SDMA_BASE(engine);
    ref->engine = engine;
    state = (uint8_t *)&gpu->s.sdma[engine];
    return block_find(&hgpu_sdma_ctx_block, state, off, ref) ||
           block_find(&hgpu_sdma_engine_block, state, off, ref);
}

/* ---- Access ---- */

static bool reg_locked(const HgpuRegRef *ref)
{
    return (ref->reg->flags & LOCKED) && ref->block->locked(ref);
}

static bool reg_accepts(const HgpuRegRef *ref, uint32_t val)
{
    const HgpuReg *reg = ref->reg;

    if ((reg->flags & RO) || reg_locked(ref)) {
        return false;
    }
    val &= reg->bits;
    if (reg->align && val % reg->align) {
        return false;
    }
    if (reg->write) {
        return reg->write(ref, val);
    }
    hgpu_reg_store(ref, val);
    return true;
}

uint32_t hgpu_reg_read(HgpuGpu *gpu, uint32_t off)
{
    HgpuRegRef ref;
    uint32_t val = 0;

    if (!reg_find(gpu, off, &ref)) {
        hgpu_guest_error(gpu, "read of 0x%x, where no register is", off);
    } else {
        val = ref.reg->read ? ref.reg->read(&ref) : hgpu_reg_load(&ref);
    }
    hgpu_trace(gpu, REG_READ, off, val);
    return val;
}

void hgpu_reg_write(HgpuGpu *gpu, uint32_t off, uint32_t val)
{
    HgpuRegRef ref;

    hgpu_trace(gpu, REG_WRITE, off, val);
    if (!reg_find(gpu, off, &ref)) {
        hgpu_guest_error(gpu, "write of 0x%x to 0x%x, where no register is",
                         val, off);
    } else if (!reg_accepts(&ref, val)) {
        hgpu_guest_error(gpu, "write of 0x%x to %s (0x%x) refused", val,
                         ref.reg->name, off);
    }
}

/* ---- Reset, and checks on load ---- */

typedef const char *BlockVisit(uint8_t *state, const HgpuBlock *block);

static const char *block_reset(uint8_t *state, const HgpuBlock *block)
{
    for (uint32_t i = 0; i < block->nr_regs; i++) {
        HgpuRegRef ref = { .reg = &block->regs[i], .state = state };

        if (ref.reg->reset) {
            hgpu_reg_store(&ref, ref.reg->reset);
        }
    }
    return NULL;
}

/* The bits of the field at @field that belong to some register. */
static uint64_t field_bits(const HgpuBlock *block, uint32_t field)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < block->nr_regs; i++) {
        if (block->regs[i].width && block->regs[i].field == field) {
            bits |= (uint64_t)(block->regs[i].bits &
                               ~block->regs[i].strobes)
                    << block->regs[i].shift;
        }
    }
    return bits;
}

static const char *block_check(uint8_t *state, const HgpuBlock *block)
{
    for (uint32_t i = 0; i < block->nr_regs; i++) {
        const HgpuReg *reg = &block->regs[i];
        uint64_t val;

        if (!reg->width) {
            continue;
        }
        val = field_load(state, reg);
        if (val & ~field_bits(block, reg->field)) {
            return reg->name;
        }
        if (reg->align && (val >> reg->shift) % reg->align) {
            return reg->name;
        }
    }
    return NULL;
}

static const char *block_visit(uint8_t *state, const HgpuBlock *block,
                               BlockVisit *visit)
{
    const char *name = NULL;

    for (uint32_t i = 0; !name && i < block->count; i++) {
        name = visit(state + block->state + i * block->state_stride, block);
    }
    return name;
}

static const char *regs_visit(HgpuGpu *gpu, BlockVisit *visit)
{
    const char *name = NULL;

    for (uint32_t i = 0; !name && i < HGPU_MC_BLOCKS; i++) {
        name = block_visit((uint8_t *)&gpu->s, &hgpu_mc_blocks[i], visit);
    }
    if (!name) {
        name = block_visit((uint8_t *)&gpu->s, &hgpu_virgl_block, visit);
    }
    for (uint32_t e = 0; !name && e < HGPU_SDMA_ENGINES_MAX; e++) {
        uint8_t *engine = (uint8_t *)&gpu->s.sdma[e];

        name = block_visit(engine, &hgpu_sdma_engine_block, visit);
        if (!name) {
            name = block_visit(engine, &hgpu_sdma_ctx_block, visit);
        }
    }
    return name;
}

void hgpu_regs_reset_contexts(HgpuGpu *gpu, uint32_t engine)
{
    for (uint32_t c = 0; c < HGPU_SDMA_CTXS; c++) {
        hgpu_ctx_move(gpu, engine, c, HGPU_CTX_DISABLED);
        memset(&gpu->s.sdma[engine].ctx[c], 0, sizeof(HgpuSdmaCtx));
    }
    block_visit((uint8_t *)&gpu->s.sdma[engine], &hgpu_sdma_ctx_block,
                block_reset);
}

void hgpu_regs_reset(HgpuGpu *gpu)
{
    regs_visit(gpu, block_reset);
}

const char *hgpu_regs_check(const HgpuGpu *gpu)
{
    return regs_visit((HgpuGpu *)gpu, block_check);
}
