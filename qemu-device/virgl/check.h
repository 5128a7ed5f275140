/*
 * What of a Gallium command stream this engine lets through.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_VIRGL_CHECK_H
#define HGPU_VIRGL_CHECK_H

#include <stdint.h>

/* Bytes of the buffer @handle of the stream's context, 0 if it has none. */
typedef uint64_t hgpu_virgl_buffer_size_fn(uint32_t handle);

/*
 * NULL: every command is complete, allowed, of a possible size and within
 * limits. Else what is wrong, and *@at the dword of the command's header.
 */
const char *hgpu_virgl_check(const uint32_t *stream, uint32_t count,
                             hgpu_virgl_buffer_size_fn *buffer_size,
                             uint32_t *at);

/* Bytes of a texel of a resource, 0 for formats that are not offered. */
uint32_t hgpu_virgl_texel_bytes(uint32_t format);

#endif /* HGPU_VIRGL_CHECK_H */
