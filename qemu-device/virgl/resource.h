/*
 * The resources of the renderer's context, as far as they must be known to
 * check what a stream or a range does with them.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_VIRGL_RESOURCE_H
#define HGPU_VIRGL_RESOURCE_H

#include <stdbool.h>

#include "core/virgl_wire.h"

/* Both return an hgpu_wire_status. */
uint32_t hgpu_resource_create(uint32_t ctx, const struct hgpu_wire_resource *r);
uint32_t hgpu_resource_destroy(uint32_t ctx, uint32_t handle);

void hgpu_resource_destroy_all(uint32_t ctx);

/* NULL if there is none */
const struct hgpu_wire_resource *hgpu_resource_get(uint32_t handle);

/* Bytes of a buffer, 0 for what is none. */
uint64_t hgpu_resource_buffer_size(uint32_t handle);

/* Remember what a stream binds; it has passed hgpu_virgl_check(). */
void hgpu_resource_note_bindings(const uint32_t *stream, uint32_t dwords);

/* Is the box inside the resource, and r->size what the box takes? */
bool hgpu_resource_has_box(const struct hgpu_wire_resource *res,
                           const struct hgpu_wire_range *r);

#endif /* HGPU_VIRGL_RESOURCE_H */
