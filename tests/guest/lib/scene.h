/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scene: a cube with a wall through it and a ring around it, on a floor. Everything has the one texture and is drawn in an
 * order in which only the depth test can make it right.
 */
#ifndef SCENE_H
#define SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "virgl.h"

enum {
	SCENE_WIDTH = 640, SCENE_HEIGHT = 480, SCENE_BYTES = SCENE_WIDTH * SCENE_HEIGHT * 4,
	SCENE_TEXELS = 64, SCENE_TEXTURE_BYTES = SCENE_TEXELS * SCENE_TEXELS * 4,
	SCENE_SCALE = 8, SCENE_SMALL_WIDTH = SCENE_WIDTH / SCENE_SCALE, SCENE_SMALL_HEIGHT = SCENE_HEIGHT / SCENE_SCALE,
};

struct scene_vertex {
	float position[3], u, v, light;
};

/**
 * struct scene - what is in the renderer, and how much
 * @v: where
 * @color: the picture
 * @depth: its depths
 * @texture: what is on everything
 * @vertices: of triangles
 * @count: how many vertices; scene_vertices() writes them
 * @pipeline: how they are drawn, made with the first job
 */
struct scene {
	struct virgl *v;
	struct virgl_image color, depth, texture;
	struct virgl_buffer vertices;
	uint32_t count;
	struct virgl_pipeline pipeline;
};

uint32_t scene_count(void);
void scene_vertices(struct scene_vertex *out);
void scene_texture(uint8_t *rgba);

int scene_open(struct scene *s, struct virgl *v);	/* 0 or -errno */

/* Draw it: vertices and texture are read, the picture written, where @job runs. */
void scene_draw(struct scene *s, struct virgl_job *job, const struct scene_vertex *vertices, const uint8_t *texture,
		uint8_t *picture);

/**
 * struct scene_difference - how a picture differs from the reference, in which each pixel stands for a square
 * @worst: of a square's mean colour, 0 to 255
 * @mean: of all squares
 * @squares: how many differ by more than 4
 */
struct scene_difference {
	unsigned int worst, squares;
	double mean;
};

/* The picture as small as the reference. */
void scene_shrink(const uint8_t *picture, uint8_t *small);

/* 0 or -errno, of the reference in @path. */
int scene_compare(const char *path, const uint8_t *picture, struct scene_difference *d);

/*
 * Rasterisers may differ at edges, by a pixel, and where a texel ends. Squares have 64 pixels: what is drawn elsewhere,
 * or seen through, is more than that.
 */
static inline int scene_is_right(const struct scene_difference *d)
{
	return d->worst <= 24 && d->squares <= SCENE_SMALL_WIDTH * SCENE_SMALL_HEIGHT / 50 && d->mean <= 0.5;
}

#endif
