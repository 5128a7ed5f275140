/*
 * hmm-gpu unit tests: which command streams the renderer is given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "hgpu_virgl.h"
#include "hgpu_virgl_cmd.h"
#include "virgl/check.h"

#define BUFFER          7
#define BUFFER_BYTES    4096u

static uint64_t buffer_size(uint32_t handle)
{
    return handle == BUFFER ? BUFFER_BYTES : 0;
}

/* One command of @n dwords and what is said of it, NULL for nothing. */
static void expect(uint32_t op, const uint32_t *dw, uint32_t n,
                   const char *wrong)
{
    uint32_t stream[64] = { HGPU_VIRGL_CMD(op, 0, n) }, at;

    g_assert_cmpuint(n, <, G_N_ELEMENTS(stream));
    memcpy(stream + 1, dw, n * 4);
    g_assert_cmpstr(hgpu_virgl_check(stream, n + 1, buffer_size, &at), ==,
                    wrong);
}

#define EXPECT(op, wrong, ...) do { \
        const uint32_t dw_[] = { __VA_ARGS__ }; \
        expect(HGPU_VIRGL_##op, dw_, G_N_ELEMENTS(dw_), wrong); \
    } while (0)

static const char outside[] = "range outside its buffer";

static void vertex_buffer_has_a_resource(void)
{
    EXPECT(SET_VERTEX_BUFFERS, NULL, 24, 0, BUFFER);
    EXPECT(SET_VERTEX_BUFFERS, outside, 24, 0, 0);
    EXPECT(SET_VERTEX_BUFFERS, outside, 24, 0, BUFFER, 24, 0, 0);
    EXPECT(SET_VERTEX_BUFFERS, outside, 24, 0, BUFFER + 1);
}

static void vertex_buffer_starts_within_its_resource(void)
{
    EXPECT(SET_VERTEX_BUFFERS, NULL, 2048, BUFFER_BYTES, BUFFER);
    EXPECT(SET_VERTEX_BUFFERS, outside, 24, BUFFER_BYTES + 1, BUFFER);
    EXPECT(SET_VERTEX_BUFFERS, outside, 2049, 0, BUFFER);
}

/* Unlike a vertex buffer's, a shader buffer's slot may be emptied. */
static void shader_buffer_is_within_its_resource(void)
{
    const uint32_t stage = HGPU_VIRGL_COMPUTE;

    EXPECT(SET_SHADER_BUFFERS, NULL, stage, 0, 16, BUFFER_BYTES - 16, BUFFER);
    EXPECT(SET_SHADER_BUFFERS, NULL, stage, 0, 0, 0, 0);
    EXPECT(SET_SHADER_BUFFERS, outside, stage, 0, 16, BUFFER_BYTES, BUFFER);
    EXPECT(SET_SHADER_BUFFERS, outside, stage, 0, 8, 64, BUFFER);
    EXPECT(SET_SHADER_BUFFERS, outside, stage, 0, 0, 64, BUFFER + 1);
    EXPECT(SET_SHADER_BUFFERS, "no such shader buffer", stage, 16, 0, 64,
           BUFFER);
}

static void index_buffer_is_within_its_resource(void)
{
    EXPECT(SET_INDEX_BUFFER, NULL, 0);
    EXPECT(SET_INDEX_BUFFER, NULL, BUFFER, 4, 64);
    EXPECT(SET_INDEX_BUFFER, outside, BUFFER, 3, 63);
    EXPECT(SET_INDEX_BUFFER, outside, BUFFER, 4, 62);
    EXPECT(SET_INDEX_BUFFER, outside, BUFFER, 4, BUFFER_BYTES + 4);
}

static void dispatch_has_its_limits(void)
{
    EXPECT(LAUNCH_GRID, NULL, 64, 1, 1, 65535, 1, 1, 0, 0);
    EXPECT(LAUNCH_GRID, "grid too large", 64, 1, 1, 65536, 1, 1, 0, 0);
    EXPECT(LAUNCH_GRID, "grid too large", 1, 1, 1, 4096, 4097, 1, 0, 0);
    EXPECT(LAUNCH_GRID, "indirect dispatch is not supported", 1, 1, 1, 1, 1, 1,
           BUFFER, 0);
}

static void commands_are_whole_and_known(void)
{
    const uint32_t cut[] = { HGPU_VIRGL_CMD(HGPU_VIRGL_BIND_OBJECT, 1, 1), 5,
                             HGPU_VIRGL_CMD(HGPU_VIRGL_BIND_OBJECT, 1, 1) };
    uint32_t at;

    g_assert_cmpstr(hgpu_virgl_check(cut, 2, buffer_size, &at), ==, NULL);
    g_assert_cmpstr(hgpu_virgl_check(cut, 3, buffer_size, &at), ==,
                    "command goes past the end of the stream");
    g_assert_cmpuint(at, ==, 2);
    EXPECT(BIND_OBJECT, "command of a wrong size", 5, 5);
    EXPECT(SET_VERTEX_BUFFERS, "command of a wrong size", 24, 0, BUFFER, 24);
    expect(200, cut, 1, "command that is not supported");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/virgl-check/" #name, name)
    ADD(vertex_buffer_has_a_resource);
    ADD(vertex_buffer_starts_within_its_resource);
    ADD(shader_buffer_is_within_its_resource);
    ADD(index_buffer_is_within_its_resource);
    ADD(dispatch_has_its_limits);
    ADD(commands_are_whole_and_known);
    return g_test_run();
}
