/*
 * The resources of the renderer's context, as far as they must be known to
 * check what a stream or a range does with them.
 *
 * virglrenderer takes a box that does not fit for a reason to give the context
 * up, and compares no range of a buffer with its size: both are checked with
 * what is kept here, before it sees them.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <virgl/virglrenderer.h>

#include "check.h"
#include "hgpu_virgl_cmd.h"
#include "resource.h"

#define LEVELS 14

/* By handle; a width of 0: there is none. */
static struct hgpu_wire_resource resources[HGPU_VIRGL_RESOURCES + 1];

/*
 * What is bound as a shader buffer, by stage and slot. virglrenderer keeps a
 * pointer there without holding the buffer, so it must go before the buffer.
 */
#define STAGES  (HGPU_VIRGL_COMPUTE + 1)
#define SLOTS   16
static uint32_t bound[STAGES][SLOTS];

static bool is_possible(const struct hgpu_wire_resource *r)
{
    if (r->depth != 1 || r->array_size != 1 || r->samples ||
        !r->width || !r->height) {
        return false;
    }
    switch (r->target) {
    case HGPU_VIRGL_BUFFER:
        return r->width <= HGPU_VIRGL_BUFFER_MAX && r->height == 1 &&
               !r->last_level && r->format == HGPU_VIRGL_R8_UNORM;
    case HGPU_VIRGL_TEXTURE_2D:
        return r->width <= HGPU_VIRGL_TEXTURE_MAX &&
               r->height <= HGPU_VIRGL_TEXTURE_MAX && r->last_level < LEVELS &&
               (r->width | r->height) >> r->last_level &&
               hgpu_virgl_texel_bytes(r->format);
    default:
        return false;
    }
}

uint32_t hgpu_resource_create(uint32_t ctx, const struct hgpu_wire_resource *r)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = r->handle,
        .target = r->target,
        .format = r->format,
        .bind = r->bind,
        .width = r->width,
        .height = r->height,
        .depth = r->depth,
        .array_size = r->array_size,
        .last_level = r->last_level,
        .nr_samples = r->samples,
    };
    int err;

    if (!r->handle || r->handle > HGPU_VIRGL_RESOURCES ||
        resources[r->handle].width || !is_possible(r)) {
        return HGPU_WIRE_BAD_REQUEST;
    }
    err = virgl_renderer_resource_create(&args, NULL, 0);
    if (err) {
        return err == ENOMEM || err == -ENOMEM ? HGPU_WIRE_NO_MEMORY
                                               : HGPU_WIRE_BAD_REQUEST;
    }
    virgl_renderer_ctx_attach_resource(ctx, r->handle);
    resources[r->handle] = *r;
    return HGPU_WIRE_OK;
}

void hgpu_resource_note_bindings(const uint32_t *stream, uint32_t dwords)
{
    for (const uint32_t *cmd = stream; cmd < stream + dwords;
         cmd += 1 + (*cmd >> 16)) {
        uint32_t rows = (*cmd >> 16) > 2 ? ((*cmd >> 16) - 2) / 3 : 0;

        if ((*cmd & 0xff) != HGPU_VIRGL_SET_SHADER_BUFFERS) {
            continue;
        }
        for (uint32_t i = 0; i < rows; i++) {
            bound[cmd[1]][cmd[2] + i] = cmd[3 + 3 * i + 2];
        }
    }
}

static void unbind_shader_buffer(uint32_t ctx, uint32_t stage, uint32_t slot)
{
    uint32_t none[] = {
        HGPU_VIRGL_CMD(HGPU_VIRGL_SET_SHADER_BUFFERS, 0, 5),
        stage, slot, 0, 0, 0
    };

    virgl_renderer_submit_cmd(none, ctx, sizeof(none) / sizeof(none[0]));
    bound[stage][slot] = 0;
}

static void unbind(uint32_t ctx, uint32_t handle)
{
    for (uint32_t stage = 0; stage < STAGES; stage++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            if (bound[stage][slot] == handle) {
                unbind_shader_buffer(ctx, stage, slot);
            }
        }
    }
}

uint32_t hgpu_resource_destroy(uint32_t ctx, uint32_t handle)
{
    if (!hgpu_resource_get(handle)) {
        return HGPU_WIRE_NO_RESOURCE;
    }
    unbind(ctx, handle);
    virgl_renderer_ctx_detach_resource(ctx, handle);
    virgl_renderer_resource_unref(handle);
    memset(&resources[handle], 0, sizeof(resources[handle]));
    return HGPU_WIRE_OK;
}

void hgpu_resource_destroy_all(uint32_t ctx)
{
    for (uint32_t i = 1; i <= HGPU_VIRGL_RESOURCES; i++) {
        hgpu_resource_destroy(ctx, i);
    }
}

const struct hgpu_wire_resource *hgpu_resource_get(uint32_t handle)
{
    return handle <= HGPU_VIRGL_RESOURCES && resources[handle].width
           ? &resources[handle] : NULL;
}

uint64_t hgpu_resource_buffer_size(uint32_t handle)
{
    const struct hgpu_wire_resource *res = hgpu_resource_get(handle);

    return res && res->target == HGPU_VIRGL_BUFFER ? res->width : 0;
}

static uint32_t at_level(uint32_t extent, uint32_t level)
{
    return extent >> level ? extent >> level : 1;
}

bool hgpu_resource_has_box(const struct hgpu_wire_resource *res,
                           const struct hgpu_wire_range *r)
{
    uint64_t row = (uint64_t)r->w * hgpu_virgl_texel_bytes(res->format);
    uint64_t stride = r->stride ? r->stride : row;
    uint32_t width, height;

    if (r->level > res->last_level || !r->w || !r->h || r->d != 1 || r->z) {
        return false;
    }
    width = at_level(res->width, r->level);
    height = at_level(res->height, r->level);
    return r->w <= width && r->x <= width - r->w &&
           r->h <= height && r->y <= height - r->h &&
           stride >= row && stride <= UINT32_MAX &&
           r->size == stride * (r->h - 1) + row;
}
