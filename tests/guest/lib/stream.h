/*
 * Write Gallium command streams for the virgl engine.
 *
 * A stream is a growing array of dwords. Each function below appends one
 * command; none of them can fail (running out of memory ends the program).
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: MIT
 */
#ifndef HGPU_STREAM_H
#define HGPU_STREAM_H

#include <stddef.h>
#include "hgpu_virgl_cmd.h"

struct hgpu_stream {
	uint32_t *dw;
	uint32_t count;
	uint32_t room;
};

struct hgpu_vertex_element {
	uint32_t offset;
	uint32_t divisor;
	uint32_t buffer;
	uint32_t format;
};

struct hgpu_shader_buffer {
	uint32_t offset;
	uint32_t length;
	uint32_t resource;
};

void hgpu_stream_clear(struct hgpu_stream *s);
void hgpu_stream_free(struct hgpu_stream *s);
void hgpu_stream_dw(struct hgpu_stream *s, uint32_t value);

void hgpu_stream_shader(struct hgpu_stream *s, uint32_t handle,
			enum hgpu_virgl_stage stage, uint32_t shared_bytes,
			const char *tgsi);
void hgpu_stream_bind_shader(struct hgpu_stream *s, uint32_t handle,
			     enum hgpu_virgl_stage stage);
void hgpu_stream_bind(struct hgpu_stream *s, enum hgpu_virgl_object type,
		      uint32_t handle);
void hgpu_stream_destroy(struct hgpu_stream *s, enum hgpu_virgl_object type,
			 uint32_t handle);

void hgpu_stream_constants(struct hgpu_stream *s, enum hgpu_virgl_stage stage,
			   const void *data, uint32_t dwords);
void hgpu_stream_shader_buffers(struct hgpu_stream *s,
				enum hgpu_virgl_stage stage,
				const struct hgpu_shader_buffer *buf,
				uint32_t count);
void hgpu_stream_grid(struct hgpu_stream *s, const uint32_t block[3],
		      const uint32_t grid[3]);
void hgpu_stream_barrier(struct hgpu_stream *s);

void hgpu_stream_surface(struct hgpu_stream *s, uint32_t handle,
			 uint32_t resource, uint32_t format);
void hgpu_stream_framebuffer(struct hgpu_stream *s, uint32_t color,
			     uint32_t depth);
void hgpu_stream_viewport(struct hgpu_stream *s, uint32_t width,
			  uint32_t height);
void hgpu_stream_clear_targets(struct hgpu_stream *s, const float rgba[4],
			       double depth);
void hgpu_stream_blend(struct hgpu_stream *s, uint32_t handle);
void hgpu_stream_depth_less(struct hgpu_stream *s, uint32_t handle);
void hgpu_stream_rasterizer(struct hgpu_stream *s, uint32_t handle);
void hgpu_stream_sampler_view(struct hgpu_stream *s, uint32_t handle,
			      uint32_t resource, uint32_t format);
void hgpu_stream_sampler(struct hgpu_stream *s, uint32_t handle);
void hgpu_stream_bind_sampler(struct hgpu_stream *s, uint32_t view,
			      uint32_t state);
void hgpu_stream_vertex_elements(struct hgpu_stream *s, uint32_t handle,
				 const struct hgpu_vertex_element *el,
				 uint32_t count);
void hgpu_stream_vertex_buffer(struct hgpu_stream *s, uint32_t stride,
			       uint32_t resource);
void hgpu_stream_draw(struct hgpu_stream *s, uint32_t first, uint32_t count);

#endif /* HGPU_STREAM_H */
