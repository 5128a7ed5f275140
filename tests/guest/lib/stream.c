/*
 * Write Gallium command streams for the virgl engine.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>
#include "stream.h"

#define ONE_SHADER_TOKENS	300	/* least room asked of the TGSI parser */

void hgpu_stream_clear(struct hgpu_stream *s)
{
	s->count = 0;
}

void hgpu_stream_free(struct hgpu_stream *s)
{
	free(s->dw);
	memset(s, 0, sizeof(*s));
}

void hgpu_stream_dw(struct hgpu_stream *s, uint32_t value)
{
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 256;
		s->dw = realloc(s->dw, s->room * sizeof(*s->dw));
		if (!s->dw)
			abort();
	}
	s->dw[s->count++] = value;
}

static void put_float(struct hgpu_stream *s, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	hgpu_stream_dw(s, bits);
}

static void header(struct hgpu_stream *s, uint32_t op, uint32_t obj,
		   uint32_t dwords)
{
	hgpu_stream_dw(s, HGPU_VIRGL_CMD(op, obj, dwords));
}

/* Text bytes, zero padded to a dword. */
static void put_bytes(struct hgpu_stream *s, const char *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4) {
		size_t n = bytes - i < 4 ? bytes - i : 4;
		uint32_t word = 0;

		memcpy(&word, data + i, n);
		hgpu_stream_dw(s, word);
	}
}

/* Upper bound of the tokens in a shader: no instruction has more than these. */
static uint32_t token_bound(const char *tgsi)
{
	uint32_t lines = 0;

	for (; *tgsi; tgsi++)
		lines += *tgsi == '\n';
	return ONE_SHADER_TOKENS + lines * 16;
}

void hgpu_stream_shader(struct hgpu_stream *s, uint32_t handle,
			enum hgpu_virgl_stage stage, uint32_t shared_bytes,
			const char *tgsi)
{
	uint32_t bytes = strlen(tgsi) + 1;

	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_SHADER,
	       5 + (bytes + 3) / 4);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, stage);
	hgpu_stream_dw(s, bytes);
	hgpu_stream_dw(s, token_bound(tgsi));
	/* compute: shared memory; else: number of stream outputs (none) */
	hgpu_stream_dw(s, stage == HGPU_VIRGL_COMPUTE ? shared_bytes : 0);
	put_bytes(s, tgsi, bytes);
}

void hgpu_stream_bind_shader(struct hgpu_stream *s, uint32_t handle,
			     enum hgpu_virgl_stage stage)
{
	header(s, HGPU_VIRGL_BIND_SHADER, 0, 2);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, stage);
}

void hgpu_stream_bind(struct hgpu_stream *s, enum hgpu_virgl_object type,
		      uint32_t handle)
{
	header(s, HGPU_VIRGL_BIND_OBJECT, type, 1);
	hgpu_stream_dw(s, handle);
}

void hgpu_stream_destroy(struct hgpu_stream *s, enum hgpu_virgl_object type,
			 uint32_t handle)
{
	header(s, HGPU_VIRGL_DESTROY_OBJECT, type, 1);
	hgpu_stream_dw(s, handle);
}

void hgpu_stream_constants(struct hgpu_stream *s, enum hgpu_virgl_stage stage,
			   const void *data, uint32_t dwords)
{
	header(s, HGPU_VIRGL_SET_CONSTANT_BUFFER, 0, 2 + dwords);
	hgpu_stream_dw(s, stage);
	hgpu_stream_dw(s, 0);
	put_bytes(s, data, dwords * 4);
}

void hgpu_stream_shader_buffers(struct hgpu_stream *s,
				enum hgpu_virgl_stage stage,
				const struct hgpu_shader_buffer *buf,
				uint32_t count)
{
	header(s, HGPU_VIRGL_SET_SHADER_BUFFERS, 0, 2 + 3 * count);
	hgpu_stream_dw(s, stage);
	hgpu_stream_dw(s, 0);
	for (uint32_t i = 0; i < count; i++) {
		hgpu_stream_dw(s, buf[i].offset);
		hgpu_stream_dw(s, buf[i].length);
		hgpu_stream_dw(s, buf[i].resource);
	}
}

void hgpu_stream_grid(struct hgpu_stream *s, const uint32_t block[3],
		      const uint32_t grid[3])
{
	header(s, HGPU_VIRGL_LAUNCH_GRID, 0, 8);
	for (int i = 0; i < 3; i++)
		hgpu_stream_dw(s, block[i]);
	for (int i = 0; i < 3; i++)
		hgpu_stream_dw(s, grid[i]);
	hgpu_stream_dw(s, 0);		/* not indirect */
	hgpu_stream_dw(s, 0);
}

void hgpu_stream_barrier(struct hgpu_stream *s)
{
	header(s, HGPU_VIRGL_MEMORY_BARRIER, 0, 1);
	hgpu_stream_dw(s, HGPU_VIRGL_BARRIER_ALL);
}

void hgpu_stream_surface(struct hgpu_stream *s, uint32_t handle,
			 uint32_t resource, uint32_t format)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_SURFACE, 5);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, resource);
	hgpu_stream_dw(s, format);
	hgpu_stream_dw(s, 0);		/* level */
	hgpu_stream_dw(s, 0);		/* layers: first | last << 16 */
}

void hgpu_stream_framebuffer(struct hgpu_stream *s, uint32_t color,
			     uint32_t depth)
{
	header(s, HGPU_VIRGL_SET_FRAMEBUFFER, 0, 3);
	hgpu_stream_dw(s, 1);
	hgpu_stream_dw(s, depth);
	hgpu_stream_dw(s, color);
}

void hgpu_stream_viewport(struct hgpu_stream *s, uint32_t width,
			  uint32_t height)
{
	header(s, HGPU_VIRGL_SET_VIEWPORT, 0, 7);
	hgpu_stream_dw(s, 0);
	put_float(s, width / 2.0f);
	put_float(s, -(height / 2.0f));	/* row 0 is the top */
	put_float(s, 0.5f);
	put_float(s, width / 2.0f);
	put_float(s, height / 2.0f);
	put_float(s, 0.5f);
}

void hgpu_stream_clear_targets(struct hgpu_stream *s, const float rgba[4],
			       double depth)
{
	uint32_t half[2];

	memcpy(half, &depth, sizeof(half));
	header(s, HGPU_VIRGL_CLEAR, 0, 8);
	hgpu_stream_dw(s, HGPU_VIRGL_CLEAR_COLOR0 | HGPU_VIRGL_CLEAR_DEPTH);
	for (int i = 0; i < 4; i++)
		put_float(s, rgba[i]);
	hgpu_stream_dw(s, half[0]);
	hgpu_stream_dw(s, half[1]);
	hgpu_stream_dw(s, 0);		/* stencil */
}

/* No blending, all components written. */
void hgpu_stream_blend(struct hgpu_stream *s, uint32_t handle)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_BLEND, 11);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, 0);
	hgpu_stream_dw(s, 0);
	for (int i = 0; i < 8; i++)
		hgpu_stream_dw(s, i ? 0 : 0xfu << 27);
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_BLEND, handle);
}

void hgpu_stream_depth_less(struct hgpu_stream *s, uint32_t handle)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_DSA, 5);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, 1 | 1 << 1 | HGPU_VIRGL_FUNC_LESS << 2);
	hgpu_stream_dw(s, 0);		/* stencil front */
	hgpu_stream_dw(s, 0);		/* stencil back */
	put_float(s, 0);		/* alpha reference */
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_DSA, handle);
}

/* Fill, cull nothing, clip by depth, pixel centres at one half. */
void hgpu_stream_rasterizer(struct hgpu_stream *s, uint32_t handle)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_RASTERIZER, 9);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, 1u << 1 | 1u << 29 | 1u << 30);
	put_float(s, 1);		/* point size */
	hgpu_stream_dw(s, 0);		/* sprite coordinates */
	hgpu_stream_dw(s, 0);		/* stipple, clip planes */
	put_float(s, 1);		/* line width */
	put_float(s, 0);		/* offset units, scale, clamp */
	put_float(s, 0);
	put_float(s, 0);
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_RASTERIZER, handle);
}

void hgpu_stream_sampler_view(struct hgpu_stream *s, uint32_t handle,
			      uint32_t resource, uint32_t format)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_SAMPLER_VIEW, 6);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, resource);
	hgpu_stream_dw(s, format | HGPU_VIRGL_TEXTURE_2D << 24);
	hgpu_stream_dw(s, 0);		/* layers */
	hgpu_stream_dw(s, 0);		/* levels */
	hgpu_stream_dw(s, 0 | 1 << 3 | 2 << 6 | 3 << 9);
}

/* Repeat, nearest in the image, no mipmaps: the same on every rasteriser. */
void hgpu_stream_sampler(struct hgpu_stream *s, uint32_t handle)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_SAMPLER_STATE, 9);
	hgpu_stream_dw(s, handle);
	hgpu_stream_dw(s, 2u << 11);	/* wrap 0, nearest, mip none */
	put_float(s, 0);		/* bias, smallest and greatest level */
	put_float(s, 0);
	put_float(s, 0);
	for (int i = 0; i < 4; i++)
		put_float(s, 0);	/* border colour */
}

void hgpu_stream_bind_sampler(struct hgpu_stream *s, uint32_t view,
			      uint32_t state)
{
	header(s, HGPU_VIRGL_SET_SAMPLER_VIEWS, 0, 3);
	hgpu_stream_dw(s, HGPU_VIRGL_FRAGMENT);
	hgpu_stream_dw(s, 0);
	hgpu_stream_dw(s, view);
	header(s, HGPU_VIRGL_BIND_SAMPLER_STATES, 0, 3);
	hgpu_stream_dw(s, HGPU_VIRGL_FRAGMENT);
	hgpu_stream_dw(s, 0);
	hgpu_stream_dw(s, state);
}

void hgpu_stream_vertex_elements(struct hgpu_stream *s, uint32_t handle,
				 const struct hgpu_vertex_element *el,
				 uint32_t count)
{
	header(s, HGPU_VIRGL_CREATE_OBJECT, HGPU_VIRGL_OBJ_VERTEX_ELEMENTS,
	       1 + 4 * count);
	hgpu_stream_dw(s, handle);
	for (uint32_t i = 0; i < count; i++) {
		hgpu_stream_dw(s, el[i].offset);
		hgpu_stream_dw(s, el[i].divisor);
		hgpu_stream_dw(s, el[i].buffer);
		hgpu_stream_dw(s, el[i].format);
	}
	hgpu_stream_bind(s, HGPU_VIRGL_OBJ_VERTEX_ELEMENTS, handle);
}

void hgpu_stream_vertex_buffer(struct hgpu_stream *s, uint32_t stride,
			       uint32_t resource)
{
	header(s, HGPU_VIRGL_SET_VERTEX_BUFFERS, 0, 3);
	hgpu_stream_dw(s, stride);
	hgpu_stream_dw(s, 0);		/* offset */
	hgpu_stream_dw(s, resource);
}

void hgpu_stream_draw(struct hgpu_stream *s, uint32_t first, uint32_t count)
{
	header(s, HGPU_VIRGL_DRAW_VBO, 0, 12);
	hgpu_stream_dw(s, first);
	hgpu_stream_dw(s, count);
	hgpu_stream_dw(s, HGPU_VIRGL_PRIM_TRIANGLES);
	hgpu_stream_dw(s, 0);		/* indexed */
	hgpu_stream_dw(s, 1);		/* instances */
	hgpu_stream_dw(s, 0);		/* index bias */
	hgpu_stream_dw(s, 0);		/* first instance */
	hgpu_stream_dw(s, 0);		/* primitive restart */
	hgpu_stream_dw(s, 0);		/* restart index */
	hgpu_stream_dw(s, 0);		/* smallest and greatest index */
	hgpu_stream_dw(s, first + count - 1);
	hgpu_stream_dw(s, 0);		/* count from stream output */
}
