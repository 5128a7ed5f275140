// SPDX-License-Identifier: GPL-2.0-or-later
#include "scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "png.h"

enum { RING = 48, TUBE = 20, QUADS = 1 + 6 + 1 + RING * TUBE, CORNERS = 6 };

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
	"  2: MAD TEMP[0], CONST[2], IN[0].zzzz, TEMP[0]\n"
	"  3: ADD OUT[0], CONST[3], TEMP[0]\n"
	"  4: MOV OUT[1], IN[1]\n"
	"  5: END\n";

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

/* ---- what there is to see ---- */

struct vec {
	float x, y, z;
};

static struct vec add(struct vec a, struct vec b)
{
	return (struct vec){ a.x + b.x, a.y + b.y, a.z + b.z };
}

static struct vec times(struct vec a, float f)
{
	return (struct vec){ a.x * f, a.y * f, a.z * f };
}

/* Of a surface that faces @normal, whose length is 1; the sun stands behind the viewer's right shoulder. */
static float light(struct vec normal)
{
	float sun = normal.x * 0.37f + normal.y * 0.74f + normal.z * 0.56f;

	return 0.45f + 0.55f * (sun > 0 ? sun : 0);
}

static struct scene_vertex *put(struct scene_vertex *out, struct vec at, float u, float v, float brightness)
{
	*out = (struct scene_vertex){ { at.x, at.y, at.z }, u, v, brightness };
	return out + 1;
}

/* Two triangles from @o, along @a and @b; the texture @repeat times each way. */
static struct scene_vertex *flat(struct scene_vertex *out, struct vec o, struct vec a, struct vec b, struct vec normal,
				 float repeat)
{
	static const uint8_t corner[CORNERS] = { 0, 1, 3, 0, 3, 2 };

	for (int i = 0; i < CORNERS; i++) {
		int s = corner[i] & 1, t = corner[i] >> 1;

		out = put(out, add(o, add(times(a, s), times(b, t))), s * repeat, t * repeat, light(normal));
	}
	return out;
}

static struct scene_vertex *cube(struct scene_vertex *out)
{
	static const struct vec axis[3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };

	for (int face = 0; face < 6; face++) {
		struct vec n = times(axis[face / 2], face & 1 ? 1 : -1), a = axis[(face / 2 + 1) % 3],
			   b = axis[(face / 2 + 2) % 3];

		out = flat(out, add(n, times(add(a, b), -1)), times(a, 2), times(b, 2), n, 1);
	}
	return out;
}

/* A point of the ring: @ring and @tube count from 0 to RING and TUBE, once around each. */
static struct scene_vertex *ring_point(struct scene_vertex *out, int ring, int tube)
{
	float s = ring * (2 * (float)M_PI / RING), t = tube * (2 * (float)M_PI / TUBE);
	struct vec outwards = { cosf(s), 0.35f * cosf(s), sinf(s) }, up = { -0.33f, 0.94f, 0 }, n;

	n = add(times(outwards, cosf(t)), times(up, sinf(t)));
	n = times(n, 1 / sqrtf(n.x * n.x + n.y * n.y + n.z * n.z));
	return put(out, add(add(times(outwards, 1.75f), (struct vec){ 0, 0.1f, 0 }), times(n, 0.28f)),
		   12.0f * ring / RING, 2.0f * tube / TUBE, light(n));
}

static struct scene_vertex *ring(struct scene_vertex *out)
{
	static const uint8_t corner[CORNERS] = { 0, 1, 3, 0, 3, 2 };

	for (int r = 0; r < RING; r++)
		for (int t = 0; t < TUBE; t++)
			for (int i = 0; i < CORNERS; i++)
				out = ring_point(out, r + (corner[i] & 1), t + (corner[i] >> 1));
	return out;
}

uint32_t scene_count(void)
{
	return QUADS * CORNERS;
}

void scene_vertices(struct scene_vertex *out)
{
	static const struct vec up = { 0, 1, 0 }, to_us = { 0.6f, 0, 0.8f };

	out = ring(out);
	out = cube(out);
	out = flat(out, (struct vec){ -2.2f, -0.8f, 1.65f }, (struct vec){ 4.4f, 0, -3.3f }, (struct vec){ 0, 1, 0 },
		   to_us, 3);
	flat(out, (struct vec){ -4, -1, -4 }, (struct vec){ 8, 0, 0 }, (struct vec){ 0, 0, 8 }, up, 4);
}

void scene_texture(uint8_t *rgba)
{
	for (int y = 0; y < SCENE_TEXELS; y++)
		for (int x = 0; x < SCENE_TEXELS; x++, rgba += 4) {
			int check = (x >> 4 ^ y >> 4) & 1;

			rgba[0] = check ? 235 : x * 4;
			rgba[1] = check ? 205 : y * 4;
			rgba[2] = check ? 130 : 160;
			rgba[3] = 255;
		}
}

/* ---- how it is seen ---- */

/* Matrices by columns. */
static void multiply(float out[16], const float a[16], const float b[16])
{
	for (int c = 0; c < 4; c++)
		for (int r = 0; r < 4; r++) {
			out[4 * c + r] = 0;
			for (int k = 0; k < 4; k++)
				out[4 * c + r] += a[4 * k + r] * b[4 * c + k];
		}
}

static void camera(float m[16])
{
	const float f = 1.8f, near = 1, far = 20, yaw = 0.55f, pitch = 0.5f;
	const float projection[16] = {
		f * SCENE_HEIGHT / SCENE_WIDTH, 0, 0, 0,
		0, f, 0, 0,
		0, 0, -(far + near) / (far - near), -1,
		0, 0, -2 * far * near / (far - near), 0,
	};
	const float turn[16] = {
		cosf(yaw), 0, sinf(yaw), 0,
		0, 1, 0, 0,
		-sinf(yaw), 0, cosf(yaw), 0,
		0, 0, 0, 1,
	};
	const float tilt[16] = {
		1, 0, 0, 0,
		0, cosf(pitch), sinf(pitch), 0,
		0, -sinf(pitch), cosf(pitch), 0,
		0, 0.2f, -6.5f, 1,
	};
	float t[16];

	multiply(t, tilt, turn);
	multiply(m, projection, t);
}

/* ---- drawing ---- */

int scene_open(struct scene *s, struct virgl *v)
{
	int error;

	*s = (struct scene){ .v = v, .count = scene_count() };
	error = virgl_image(v, &s->color, HGPU_VIRGL_R8G8B8A8_UNORM, HGPU_VIRGL_BIND_RENDER_TARGET, SCENE_WIDTH,
			    SCENE_HEIGHT);
	if (!error)
		error = virgl_image(v, &s->depth, HGPU_VIRGL_Z32_FLOAT, HGPU_VIRGL_BIND_DEPTH_STENCIL, SCENE_WIDTH,
				    SCENE_HEIGHT);
	if (!error)
		error = virgl_image(v, &s->texture, HGPU_VIRGL_R8G8B8A8_UNORM, HGPU_VIRGL_BIND_SAMPLER_VIEW,
				    SCENE_TEXELS, SCENE_TEXELS);
	if (!error)
		error = virgl_buffer(v, &s->vertices, HGPU_VIRGL_BIND_VERTEX_BUFFER,
				     s->count * sizeof(struct scene_vertex));
	return error;
}

static void make_pipeline(struct scene *s, struct virgl_job *job)
{
	static const struct hgpu_vertex_element elements[] = {
		{ offsetof(struct scene_vertex, position), 0, 0, HGPU_VIRGL_R32G32B32_FLOAT },
		{ offsetof(struct scene_vertex, u), 0, 0, HGPU_VIRGL_R32G32B32_FLOAT },
	};

	s->pipeline = (struct virgl_pipeline){
		.color = &s->color, .depth = &s->depth, .texture = &s->texture,
		.vertices = &s->vertices, .stride = sizeof(struct scene_vertex), .elements = elements, .n = 2,
		.vs = virgl_shader(s->v, job, HGPU_VIRGL_VERTEX, 0, vertex_tgsi),
		.fs = virgl_shader(s->v, job, HGPU_VIRGL_FRAGMENT, 0, fragment_tgsi),
	};
	virgl_pipeline(s->v, job, &s->pipeline);
}

void scene_draw(struct scene *s, struct virgl_job *job, const struct scene_vertex *vertices, const uint8_t *texture,
		uint8_t *picture)
{
	static const float sky[4] = { 0.13f, 0.19f, 0.28f, 1 };
	float m[16];

	virgl_in(job, &s->vertices, vertices, s->vertices.bytes);
	virgl_image_in(job, &s->texture, texture);
	virgl_image_out(job, &s->color, picture);
	if (!s->pipeline.first)
		make_pipeline(s, job);
	camera(m);
	virgl_clear(job, &s->pipeline, sky);
	virgl_draw(job, m, 16, 0, s->count);
}

/* ---- judging it ---- */

static unsigned int square(const uint8_t *picture, unsigned int x, unsigned int y, unsigned int channel)
{
	unsigned int sum = 0;

	for (unsigned int row = 0; row < SCENE_SCALE; row++)
		for (unsigned int column = 0; column < SCENE_SCALE; column++)
			sum += picture[4 * ((y * SCENE_SCALE + row) * SCENE_WIDTH + x * SCENE_SCALE + column) + channel];
	return (sum + SCENE_SCALE * SCENE_SCALE / 2) / (SCENE_SCALE * SCENE_SCALE);
}

void scene_shrink(const uint8_t *picture, uint8_t *small)
{
	for (unsigned int y = 0; y < SCENE_SMALL_HEIGHT; y++)
		for (unsigned int x = 0; x < SCENE_SMALL_WIDTH; x++)
			for (unsigned int channel = 0; channel < 4; channel++)
				*small++ = square(picture, x, y, channel);
}

int scene_compare(const char *path, const uint8_t *picture, struct scene_difference *d)
{
	enum { SQUARES = SCENE_SMALL_WIDTH * SCENE_SMALL_HEIGHT };
	static uint8_t wanted[4 * SQUARES], got[4 * SQUARES];
	int error = png_read(path, wanted, SCENE_SMALL_WIDTH, SCENE_SMALL_HEIGHT);
	unsigned int sum = 0;

	*d = (struct scene_difference){ 0 };
	scene_shrink(picture, got);
	for (unsigned int i = 0; i < SQUARES; i++) {
		unsigned int most = 0;

		for (unsigned int channel = 0; channel < 3; channel++) {
			unsigned int by = abs(got[4 * i + channel] - wanted[4 * i + channel]);

			most = by > most ? by : most;
		}
		sum += most;
		d->squares += most > 4;
		d->worst = most > d->worst ? most : d->worst;
	}
	d->mean = (double)sum / SQUARES;
	return error;
}
