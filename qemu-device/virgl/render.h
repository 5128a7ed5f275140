/*
 * The renderer: virglrenderer behind the wire's requests, for one context.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_VIRGL_RENDER_H
#define HGPU_VIRGL_RENDER_H

#include <stdbool.h>

#include "core/virgl_wire.h"

/* What the renderer turned out to be able to do. */
struct hgpu_render_caps {
    const char *device;             /* OpenGL's name of what draws */
    const char *version;            /* OpenGL's */
    bool software;
    uint32_t glsl;                  /* times 100 */
    uint32_t shader_buffers;
    uint32_t block_threads;
    uint32_t shared_bytes;
};

/*
 * hgpu_render_open: start virglrenderer
 * @staging: @size bytes that all requests' offsets are in
 *
 * Returns: NULL, or why it cannot do what this engine needs.
 */
const char *hgpu_render_open(uint8_t *staging, uint64_t size);

const struct hgpu_render_caps *hgpu_render_caps(void);

/*
 * hgpu_render_do: do @req and fill @reply
 *
 * Nothing of @req is trusted, nor of what its offsets lead to.
 */
void hgpu_render_do(const struct hgpu_wire_request *req,
                    struct hgpu_wire_reply *reply);

void hgpu_render_close(void);

#endif /* HGPU_VIRGL_RENDER_H */
