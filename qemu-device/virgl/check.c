/*
 * What of a Gallium command stream this engine lets through.
 *
 * virglrenderer judges a stream command by command while it runs it, says
 * nothing of a cut-off last command, and knows commands that an engine without
 * a display, video, or guest-backed resources has no use for. Commands are
 * therefore walked here first: nothing runs of a stream that is not whole.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stddef.h>

#include "check.h"
#include "hgpu_virgl.h"
#include "hgpu_virgl_cmd.h"

#define MAX_GRID 65535u
#define MAX_GROUPS (1u << 24)

typedef const char *check_fn(const uint32_t *cmd, uint32_t dwords,
                             hgpu_virgl_buffer_size_fn *buffer_size);

uint32_t hgpu_virgl_texel_bytes(uint32_t format)
{
    static const uint8_t bytes[] = {
        [HGPU_VIRGL_B8G8R8A8_UNORM] = 4,
        [HGPU_VIRGL_Z32_FLOAT] = 4,
        [HGPU_VIRGL_R32_FLOAT] = 4,
        [HGPU_VIRGL_R32G32_FLOAT] = 8,
        [HGPU_VIRGL_R32G32B32A32_FLOAT] = 16,
        [HGPU_VIRGL_R8_UNORM] = 1,
        [HGPU_VIRGL_R8G8B8A8_UNORM] = 4,
    };

    return format < sizeof(bytes) ? bytes[format] : 0;
}

/* Three floats are for vertices only: OpenGL need not draw into them. */
static const char *check_vertex_elements(const uint32_t *cmd, uint32_t dwords)
{
    if (dwords < 5 || dwords > 65 || (dwords - 1) % 4) {
        return "vertex elements of a wrong size";
    }
    for (uint32_t i = 5; i <= dwords; i += 4) {
        if (cmd[i] != HGPU_VIRGL_R32G32B32_FLOAT &&
            !hgpu_virgl_texel_bytes(cmd[i])) {
            return "unknown format";
        }
    }
    return NULL;
}

static const char *check_create(const uint32_t *cmd, uint32_t dwords,
                                hgpu_virgl_buffer_size_fn *buffer_size)
{
    static const uint8_t size[] = {
        [HGPU_VIRGL_OBJ_BLEND] = 11,
        [HGPU_VIRGL_OBJ_RASTERIZER] = 9,
        [HGPU_VIRGL_OBJ_DSA] = 5,
        [HGPU_VIRGL_OBJ_SAMPLER_VIEW] = 6,
        [HGPU_VIRGL_OBJ_SAMPLER_STATE] = 9,
        [HGPU_VIRGL_OBJ_SURFACE] = 5,
    };
    uint32_t type = cmd[0] >> 8 & 0xff;

    (void)buffer_size;
    switch (type) {
    case HGPU_VIRGL_OBJ_SHADER:
        /* whole in one command, no stream output */
        if (dwords < 6 || cmd[3] < 4 || cmd[3] > (dwords - 5) * 4 ||
            cmd[4] > 65536) {
            return "shader of a wrong size";
        }
        if (cmd[2] != HGPU_VIRGL_COMPUTE &&
            (cmd[2] > HGPU_VIRGL_FRAGMENT || cmd[5])) {
            return "shader stage that is not supported";
        }
        return NULL;
    case HGPU_VIRGL_OBJ_VERTEX_ELEMENTS:
        return check_vertex_elements(cmd, dwords);
    case HGPU_VIRGL_OBJ_SAMPLER_VIEW:
        if (cmd[3] >> 24 != HGPU_VIRGL_TEXTURE_2D) {
            return "view that is not of a two-dimensional texture";
        }
        /* fall through */
    case HGPU_VIRGL_OBJ_SURFACE:
        if (!hgpu_virgl_texel_bytes(cmd[3] & 0xffffff)) {
            return "unknown format";
        }
        break;
    }
    return type >= sizeof(size) || !size[type] ? "unknown object type"
           : dwords != size[type] ? "object of a wrong size" : NULL;
}

static const char *check_grid(const uint32_t *cmd, uint32_t dwords,
                              hgpu_virgl_buffer_size_fn *buffer_size)
{
    uint64_t groups = 1;

    (void)dwords;
    (void)buffer_size;
    if (cmd[7]) {
        return "indirect dispatch is not supported";
    }
    for (int i = 4; i < 7; i++) {
        if (cmd[i] > MAX_GRID) {
            return "grid too large";
        }
        groups *= cmd[i];
    }
    return groups > MAX_GROUPS ? "grid too large" : NULL;
}

static const char *check_draw(const uint32_t *cmd, uint32_t dwords,
                              hgpu_virgl_buffer_size_fn *buffer_size)
{
    (void)dwords;
    (void)buffer_size;
    return cmd[2] > 1u << 24 || cmd[5] > 1u << 16 || cmd[12]
           ? "draw too large" : NULL;
}

/* Handle 0 unbinds; nothing of its row is used. */
static bool in_buffer(hgpu_virgl_buffer_size_fn *buffer_size, uint32_t handle,
                      uint32_t offset, uint32_t length)
{
    uint64_t size;

    if (!handle) {
        return true;
    }
    size = buffer_size(handle);
    return length <= size && offset <= size - length && size;
}

/*
 * The renderer does not look whether a range starts within its buffer: a
 * shader then reaches the process's other memory.
 */
static const char *check_shader_buffers(const uint32_t *cmd, uint32_t dwords,
                                        hgpu_virgl_buffer_size_fn *buffer_size)
{
    if (cmd[1] > HGPU_VIRGL_COMPUTE || cmd[2] > 16 ||
        (dwords - 2) / 3 > 16 - cmd[2]) {
        return "no such shader buffer";
    }
    for (uint32_t i = 3; i < dwords; i += 3) {
        if (cmd[i] % 16 ||
            !in_buffer(buffer_size, cmd[i + 2], cmd[i], cmd[i + 1])) {
            return "range outside its buffer";
        }
    }
    return NULL;
}

/* A slot without a resource is not drawn with: Mesa 22.3 smashes its stack. */
static const char *check_vertex_buffers(const uint32_t *cmd, uint32_t dwords,
                                        hgpu_virgl_buffer_size_fn *buffer_size)
{
    for (uint32_t i = 1; i < dwords; i += 3) {
        if (cmd[i] > 2048 || !cmd[i + 2] ||
            !in_buffer(buffer_size, cmd[i + 2], cmd[i + 1], 0)) {
            return "range outside its buffer";
        }
    }
    return NULL;
}

static const char *check_index_buffer(const uint32_t *cmd, uint32_t dwords,
                                      hgpu_virgl_buffer_size_fn *buffer_size)
{
    if (dwords == 1) {
        return cmd[1] ? "command of a wrong size" : NULL;
    }
    return (cmd[2] != 1 && cmd[2] != 2 && cmd[2] != 4) || cmd[3] % cmd[2] ||
           !in_buffer(buffer_size, cmd[1], cmd[3], 0)
           ? "range outside its buffer" : NULL;
}

/* Least and greatest payload; the rest above the least comes in steps. */
static const struct rule {
    uint16_t least;
    uint16_t greatest;
    uint16_t step;
    check_fn *more;
} rules[] = {
    [HGPU_VIRGL_CREATE_OBJECT] = { 5, 0xffff, 1, check_create },
    [HGPU_VIRGL_BIND_OBJECT] = { 1, 1, 1, NULL },
    [HGPU_VIRGL_DESTROY_OBJECT] = { 1, 1, 1, NULL },
    [HGPU_VIRGL_SET_VIEWPORT] = { 7, 7, 1, NULL },
    [HGPU_VIRGL_SET_FRAMEBUFFER] = { 2, 10, 1, NULL },
    [HGPU_VIRGL_SET_VERTEX_BUFFERS] = { 3, 48, 3, check_vertex_buffers },
    [HGPU_VIRGL_CLEAR] = { 8, 8, 1, NULL },
    [HGPU_VIRGL_DRAW_VBO] = { 12, 12, 1, check_draw },
    [HGPU_VIRGL_SET_SAMPLER_VIEWS] = { 3, 34, 1, NULL },
    [HGPU_VIRGL_SET_INDEX_BUFFER] = { 1, 3, 2, check_index_buffer },
    [HGPU_VIRGL_SET_CONSTANT_BUFFER] = { 2, 4098, 1, NULL },
    [HGPU_VIRGL_BIND_SAMPLER_STATES] = { 3, 34, 1, NULL },
    [HGPU_VIRGL_BIND_SHADER] = { 2, 2, 1, NULL },
    [HGPU_VIRGL_SET_SHADER_BUFFERS] = { 5, 50, 3, check_shader_buffers },
    [HGPU_VIRGL_MEMORY_BARRIER] = { 1, 1, 1, NULL },
    [HGPU_VIRGL_LAUNCH_GRID] = { 8, 8, 1, check_grid },
};

static const char *check_command(const uint32_t *cmd, uint32_t dwords,
                                 hgpu_virgl_buffer_size_fn *buffer_size)
{
    uint32_t op = cmd[0] & 0xff;
    const struct rule *rule = &rules[op];

    if (op >= sizeof(rules) / sizeof(rules[0]) || !rule->step) {
        return "command that is not supported";
    }
    if (dwords < rule->least || dwords > rule->greatest ||
        (dwords - rule->least) % rule->step) {
        return "command of a wrong size";
    }
    return rule->more ? rule->more(cmd, dwords, buffer_size) : NULL;
}

const char *hgpu_virgl_check(const uint32_t *stream, uint32_t count,
                             hgpu_virgl_buffer_size_fn *buffer_size,
                             uint32_t *at)
{
    for (*at = 0; *at < count; *at += 1 + (stream[*at] >> 16)) {
        uint32_t dwords = stream[*at] >> 16;
        const char *wrong;

        if (dwords > count - *at - 1) {
            return "command goes past the end of the stream";
        }
        wrong = check_command(stream + *at, dwords, buffer_size);
        if (wrong) {
            return wrong;
        }
    }
    return NULL;
}
