/*
 * hmm-gpu fuzzing: streams that work, and what becomes of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "virgl/check.h"
#include "fuzz.h"
#include "shaders.h"

static const char vertex_tgsi[] =
    "VERT\n"
    "DCL IN[0]\n"
    "DCL IN[1]\n"
    "DCL OUT[0], POSITION\n"
    "DCL OUT[1], GENERIC[0]\n"
    "DCL CONST[0..3]\n"
    "DCL TEMP[0], LOCAL\n"
    "  0: MUL TEMP[0], CONST[0], IN[0].xxxx\n"
    "  1: MAD TEMP[0], CONST[1], IN[0].yyyy, TEMP[0]\n"
    "  2: ADD OUT[0], CONST[3], TEMP[0]\n"
    "  3: MOV OUT[1], IN[1]\n"
    "  4: END\n";

static const char fragment_tgsi[] =
    "FRAG\n"
    "DCL IN[0], GENERIC[0], PERSPECTIVE\n"
    "DCL OUT[0], COLOR\n"
    "DCL SAMP[0]\n"
    "DCL SVIEW[0], 2D, FLOAT\n"
    "DCL TEMP[0], LOCAL\n"
    "  0: TEX TEMP[0], IN[0], SAMP[0], 2D\n"
    "  1: MUL OUT[0], TEMP[0], IN[0].zzzz\n"
    "  2: END\n";

static void put_compute(struct hgpu_stream *s, const char *tgsi,
                        uint32_t shared)
{
    const struct hgpu_shader_buffer buf[] = {
        { 0, FUZZ_BUFFER_BYTES, FUZZ_SRC },
        { 0, FUZZ_BUFFER_BYTES, FUZZ_DST },
    };
    const uint32_t constants[4] = { 3, 256 };

    hgpu_stream_shader(s, 5, HGPU_VIRGL_COMPUTE, shared, tgsi);
    hgpu_stream_bind_shader(s, 5, HGPU_VIRGL_COMPUTE);
    hgpu_stream_constants(s, HGPU_VIRGL_COMPUTE, constants, 4);
    hgpu_stream_shader_buffers(s, HGPU_VIRGL_COMPUTE, buf, 2);
    hgpu_stream_grid(s, (uint32_t[]) { 64, 1, 1 }, (uint32_t[]) { 4, 1, 1 });
    hgpu_stream_barrier(s);
}

static void put_draw(struct hgpu_stream *s)
{
    static const struct hgpu_vertex_element el[] = {
        { 0, 0, 0, HGPU_VIRGL_R32G32B32_FLOAT },
        { 12, 0, 0, HGPU_VIRGL_R32G32B32_FLOAT },
    };
    static const float unit[16] = {
        1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1,
    };

    hgpu_stream_surface(s, 1, FUZZ_COLOR, HGPU_VIRGL_R8G8B8A8_UNORM);
    hgpu_stream_surface(s, 2, FUZZ_DEPTH, HGPU_VIRGL_Z32_FLOAT);
    hgpu_stream_framebuffer(s, 1, 2);
    hgpu_stream_viewport(s, 64, 64);
    hgpu_stream_clear_targets(s, unit, 1);
    hgpu_stream_shader(s, 3, HGPU_VIRGL_VERTEX, 0, vertex_tgsi);
    hgpu_stream_bind_shader(s, 3, HGPU_VIRGL_VERTEX);
    hgpu_stream_shader(s, 4, HGPU_VIRGL_FRAGMENT, 0, fragment_tgsi);
    hgpu_stream_bind_shader(s, 4, HGPU_VIRGL_FRAGMENT);
    hgpu_stream_blend(s, 5);
    hgpu_stream_depth_less(s, 6);
    hgpu_stream_rasterizer(s, 7);
    hgpu_stream_sampler_view(s, 8, FUZZ_TEXTURE, HGPU_VIRGL_R8G8B8A8_UNORM);
    hgpu_stream_sampler(s, 9);
    hgpu_stream_bind_sampler(s, 8, 9);
    hgpu_stream_vertex_elements(s, 10, el, 2);
    hgpu_stream_vertex_buffer(s, 24, FUZZ_VERTICES);
    hgpu_stream_constants(s, HGPU_VIRGL_VERTEX, unit, 16);
    hgpu_stream_draw(s, 0, 48);
    hgpu_stream_destroy(s, HGPU_VIRGL_OBJ_SURFACE, 1);
}

/* Dword of some command's header */
static uint32_t pick(const struct hgpu_stream *s)
{
    uint32_t at = 0, n = 0, found = 0;

    for (; at < s->count; at += 1 + (s->dw[at] >> 16)) {
        if (!chance(++n)) {
            found = at;
        }
    }
    return found;
}

static void repeat_command(struct hgpu_stream *s)
{
    uint32_t from = pick(s), n = 1 + (s->dw[from] >> 16);

    for (uint32_t i = 0; i < n && from + i < s->count; i++) {
        hgpu_stream_dw(s, s->dw[from + i]);
    }
}

static void change_text(struct hgpu_stream *s)
{
    ((char *)s->dw)[chance(s->count * 4)] = 32 + chance(95);
}

/* Some dword of the command at @at, rather one of its first */
static uint32_t pick_dword(const struct hgpu_stream *s, uint32_t at)
{
    uint32_t len = s->dw[at] >> 16;
    uint32_t i = at + 1 + (len ? chance(len > 14 ? 5 : len) : 0);

    return i < s->count ? i : s->count - 1;
}

static void mutate(struct hgpu_stream *s)
{
    uint32_t at = pick(s), i = pick_dword(s, at);

    switch (chance(10)) {
    case 0:
        s->dw[i] ^= 1u << chance(32);
        break;
    case 1:
        s->dw[at] = (s->dw[at] & ~0xffu) | chance(HGPU_VIRGL_LAST_OP + 1);
        break;
    case 2:
        s->dw[at] = (s->dw[at] & ~0xff00u) | chance(12) << 8;
        break;
    case 3:
        s->dw[at] ^= 1u << (16 + chance(6));
        break;
    case 4:
        hgpu_stream_dw(s, chance_odd());
        break;
    case 5:
        repeat_command(s);
        break;
    case 6:
        change_text(s);
        break;
    case 7:
        s->dw[chance(s->count)] = chance_odd();
        break;
    default:
        s->dw[i] = chance_odd();
        break;
    }
}

static uint64_t buffer_size(uint32_t handle)
{
    return handle == FUZZ_SRC || handle == FUZZ_DST || handle == FUZZ_VERTICES
           ? FUZZ_BUFFER_BYTES : 0;
}

/* Take back what the check would see. */
static void mutate_unseen(struct hgpu_stream *s)
{
    uint32_t count = s->count, at;
    uint32_t *old = malloc(count * 4);

    memcpy(old, s->dw, count * 4);
    mutate(s);
    if (hgpu_virgl_check(s->dw, s->count, buffer_size, &at)) {
        memcpy(s->dw, old, count * 4);
        s->count = count;
    }
    free(old);
}

void fuzz_stream(struct hgpu_stream *s, bool checked)
{
    hgpu_stream_clear(s);
    switch (chance(4)) {
    case 0:
        put_compute(s, saxpy_tgsi, 0);
        break;
    case 1:
        put_compute(s, sum_tgsi, SUM_SHARED);
        break;
    default:
        put_draw(s);
        break;
    }
    for (uint32_t n = checked ? 2 + chance(8) : chance(5); n; n--) {
        if (checked) {
            mutate_unseen(s);
        } else {
            mutate(s);
        }
    }
}
