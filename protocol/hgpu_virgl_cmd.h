/*
 * The Gallium command stream as virglrenderer reads it: opcodes, object types,
 * formats and bits that this project uses.
 *
 * Every command starts with one header dword: opcode in bits 7:0, object type
 * in bits 15:8, number of payload dwords (without the header) in bits 31:16.
 * Objects (shaders, surfaces, ...) are named by handles that the writer of the
 * stream chooses, unique within their context; resources are named by handles
 * given out with the resource.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: MIT
 */
#ifndef HGPU_VIRGL_CMD_H
#define HGPU_VIRGL_CMD_H

#include "hgpu_types.h"

#define HGPU_VIRGL_CMD(op, obj, dw) \
	((uint32_t)(op) | (uint32_t)(obj) << 8 | (uint32_t)(dw) << 16)
#define HGPU_VIRGL_CMD_MAX_DW 0xffffu

enum hgpu_virgl_op {
	HGPU_VIRGL_NOP = 0,
	HGPU_VIRGL_CREATE_OBJECT = 1,
	HGPU_VIRGL_BIND_OBJECT = 2,
	HGPU_VIRGL_DESTROY_OBJECT = 3,
	HGPU_VIRGL_SET_VIEWPORT = 4,
	HGPU_VIRGL_SET_FRAMEBUFFER = 5,
	HGPU_VIRGL_SET_VERTEX_BUFFERS = 6,
	HGPU_VIRGL_CLEAR = 7,
	HGPU_VIRGL_DRAW_VBO = 8,
	HGPU_VIRGL_RESOURCE_INLINE_WRITE = 9,
	HGPU_VIRGL_SET_SAMPLER_VIEWS = 10,
	HGPU_VIRGL_SET_INDEX_BUFFER = 11,
	HGPU_VIRGL_SET_CONSTANT_BUFFER = 12,
	HGPU_VIRGL_BIND_SAMPLER_STATES = 18,
	HGPU_VIRGL_BIND_SHADER = 31,
	HGPU_VIRGL_SET_SHADER_BUFFERS = 34,
	HGPU_VIRGL_MEMORY_BARRIER = 36,
	HGPU_VIRGL_LAUNCH_GRID = 37,
	HGPU_VIRGL_LAST_OP = 60,
};

enum hgpu_virgl_object {
	HGPU_VIRGL_OBJ_BLEND = 1,
	HGPU_VIRGL_OBJ_RASTERIZER = 2,
	HGPU_VIRGL_OBJ_DSA = 3,
	HGPU_VIRGL_OBJ_SHADER = 4,
	HGPU_VIRGL_OBJ_VERTEX_ELEMENTS = 5,
	HGPU_VIRGL_OBJ_SAMPLER_VIEW = 6,
	HGPU_VIRGL_OBJ_SAMPLER_STATE = 7,
	HGPU_VIRGL_OBJ_SURFACE = 8,
};

enum hgpu_virgl_stage {
	HGPU_VIRGL_VERTEX = 0,
	HGPU_VIRGL_FRAGMENT = 1,
	HGPU_VIRGL_COMPUTE = 5,
};

enum hgpu_virgl_target {
	HGPU_VIRGL_BUFFER = 0,
	HGPU_VIRGL_TEXTURE_2D = 2,
};

enum hgpu_virgl_format {
	HGPU_VIRGL_B8G8R8A8_UNORM = 1,
	HGPU_VIRGL_Z32_FLOAT = 18,
	HGPU_VIRGL_R32_FLOAT = 28,
	HGPU_VIRGL_R32G32_FLOAT = 29,
	HGPU_VIRGL_R32G32B32_FLOAT = 30,
	HGPU_VIRGL_R32G32B32A32_FLOAT = 31,
	HGPU_VIRGL_R8_UNORM = 64,
	HGPU_VIRGL_R8G8B8A8_UNORM = 67,
};

#define HGPU_VIRGL_BIND_DEPTH_STENCIL	(1u << 0)
#define HGPU_VIRGL_BIND_RENDER_TARGET	(1u << 1)
#define HGPU_VIRGL_BIND_SAMPLER_VIEW	(1u << 3)
#define HGPU_VIRGL_BIND_VERTEX_BUFFER	(1u << 4)
#define HGPU_VIRGL_BIND_INDEX_BUFFER	(1u << 5)
#define HGPU_VIRGL_BIND_CONSTANT_BUFFER	(1u << 6)
#define HGPU_VIRGL_BIND_SHADER_BUFFER	(1u << 14)

#define HGPU_VIRGL_CLEAR_DEPTH		(1u << 0)
#define HGPU_VIRGL_CLEAR_COLOR0		(1u << 2)

#define HGPU_VIRGL_PRIM_TRIANGLES	4
#define HGPU_VIRGL_FUNC_LESS		1
#define HGPU_VIRGL_BARRIER_ALL		((1u << 14) - 1)

/* Capability set 2 ("virgl2"): dword offsets of what this project looks at. */
#define HGPU_VIRGL_CAPSET		2
#define HGPU_VIRGL_CAP_COMPUTE		(1u << 7)

#endif /* HGPU_VIRGL_CMD_H */
