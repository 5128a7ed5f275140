// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demonstration of the virgl engine: shaders draw a scene from malloc'ed memory into malloc'ed memory.
 *
 * The engine is given addresses. It reads vertices and texture, and writes the picture, through the process's page
 * tables; none of the memory is known to the driver before the GPU faults on it. Usage: virgl_demo [--color] FILE.png
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/png.h"
#include "lib/scene.h"
#include "lib/show.h"
#include "lib/tap.h"
#include "lib/virgl.h"

/**
 * struct memory - what the scene is made of and drawn into, in whole pages of one piece of malloc's
 * @start: all of it
 * @bytes: how much
 * @vertices: in it
 * @texture: likewise
 * @picture: likewise
 */
struct memory {
	char *start;
	size_t bytes;
	struct scene_vertex *vertices;
	uint8_t *texture, *picture;
};

static size_t whole_pages(size_t bytes)
{
	return (bytes + PAGE - 1) & ~(PAGE - 1);
}

static void introduce(struct gpu *gpu, struct virgl *v)
{
	long long start;
	int error;

	show_title("hmm-gpu: a scene, drawn by shaders from malloc'ed memory into malloc'ed memory");
	demand(gpu_count() > 0, "no GPU in KFD's topology; is hmm_gpu.ko loaded?");
	gpu_open(gpu, 0);
	line("GPU", "gpu_id %u, node %u of KFD's topology", gpu->id, gpu->node);
	start = now_ms();
	error = virgl_open(v, gpu->drm);
	demand(error != -ENODEV, "the GPU has no virgl engine, or its host no renderer; on the host, "
	       "`hmm-gpu-virgl --probe` says why");
	demand(!error, "no context: %s", strerror(-error));
	line("time to start a renderer", "%s ms", count(now_ms() - start));
}

static void fill_memory(struct memory *m)
{
	size_t vertices = whole_pages(scene_count() * sizeof(*m->vertices)), texture = whole_pages(SCENE_TEXTURE_BYTES);
	char *all;

	step(1, "CPU: malloc room for vertices, a texture and a picture; write every byte");
	m->bytes = vertices + texture + whole_pages(SCENE_BYTES);
	demand(m->bytes <= GRANULE, "the scene has become too large for one granule");
	/* which is what is migrated at once: nothing else that is touched may lie there */
	all = malloc(2 * GRANULE);
	demand(all, "malloc: %s", strerror(errno));
	m->start = (char *)(((uintptr_t)all + GRANULE - 1) & ~(GRANULE - 1));
	m->vertices = (void *)m->start;
	m->texture = (void *)(m->start + vertices);
	m->picture = m->texture + texture;
	memset(m->start, 0, m->bytes);
	scene_vertices(m->vertices);
	scene_texture(m->texture);
	line("vertices", "%s", count(scene_count()));
	line("picture", "%d x %d", SCENE_WIDTH, SCENE_HEIGHT);
	show_where(m->start, m->bytes);
	demand(where_is(m->start, m->bytes).present == m->bytes / PAGE, "the memory is not in RAM to start with");
}

static void draw(struct virgl *v, struct memory *m)
{
	struct virgl_job job = { 0 };
	struct scene scene;
	struct stats s;
	long long start;
	int error = scene_open(&scene, v);

	step(2, "GPU: the virgl engine draws; the driver was told addresses, and nothing of what is there");
	demand(!error, "no resources: %s", strerror(-error));
	scene_draw(&scene, &job, m->vertices, m->texture, m->picture);
	line("command stream", "%s dwords, two shaders as TGSI text", count(job.stream.count));
	stats_read(&s, 0);
	start = now_ms();
	error = virgl_run(v, &job);
	demand(error != -EIO, "the submission ended with: %s", virgl_status(job.result.status));
	demand(!error, "no submission: %s", strerror(-error));
	line("time", "%s ms", count(now_ms() - start));
	line("  waiting for faults, reading", "%s us", count(job.result.in_ns / 1000));
	line("  rendering, on the host", "%s us", count(job.result.render_ns / 1000));
	line("  writing", "%s us", count(job.result.out_ns / 1000));
	line("bytes read / written", "%s /%s", count(job.result.in_bytes), count(job.result.out_bytes));
	line("retry faults of the engine", "%s", count(job.result.faults));
	line("GPU faults taken", "%s", count(stats_since(&s, "gpu_faults")));
	line("pages migrated to VRAM", "%s   %sthe stream's, too%s", count(stats_since(&s, "pages_to_vram")), dim, plain);
	line("interrupts", "%s", count(stats_since(&s, "interrupts")));
	show_where(m->start, m->bytes);

	demand(job.result.faults > 0, "the engine took no fault");
	demand(job.result.out_bytes == SCENE_BYTES, "the engine wrote %" PRIu64 " bytes, expected %d",
	       (uint64_t)job.result.out_bytes, SCENE_BYTES);
	demand(stats_since(&s, "pages_to_vram") >= m->bytes / PAGE, "the driver counts %" PRIu64 " pages to VRAM, expected "
	       "at least %zu", stats_since(&s, "pages_to_vram"), m->bytes / PAGE);
	demand(where_is(m->start, m->bytes).device == m->bytes / PAGE,
	       "the CPU's page table does not have all pages in VRAM");
	virgl_job_free(&job);
}

static void read_picture(struct memory *m, const char *file)
{
	struct scene_difference d;
	struct stats s;
	int error;

	step(3, "CPU: read the picture");
	stats_read(&s, 0);
	error = scene_compare(SCENE_REFERENCE, m->picture, &d);
	demand(!error, "the reference picture " SCENE_REFERENCE ": %s", strerror(-error));
	line("CPU faults taken", "%s", count(stats_since(&s, "cpu_faults")));
	line("pages migrated back to RAM", "%s", count(stats_since(&s, "pages_to_ram")));
	show_where(m->start, m->bytes);
	line("difference from the reference", "mean %.3f, at most %u of 255   %s%d x %d squares of %d pixels%s", d.mean,
	     d.worst, dim, SCENE_SMALL_WIDTH, SCENE_SMALL_HEIGHT, SCENE_SCALE * SCENE_SCALE, plain);
	error = png_write(file, m->picture, SCENE_WIDTH, SCENE_HEIGHT);
	demand(!error, "%s cannot be written: %s", file, strerror(-error));
	line("picture", "%s", file);

	demand(scene_is_right(&d), "%u squares of the picture are not as they should be", d.squares);
	demand(stats_since(&s, "cpu_faults") > 0, "the CPU took no fault");
	demand(where_is(m->picture, SCENE_BYTES).present == SCENE_BYTES / PAGE,
	       "the CPU's page table does not have all of the picture in RAM");
}

int main(int argc, char **argv)
{
	struct memory m;
	struct virgl v;
	struct gpu gpu;

	show_init(argc, argv);
	demand(argc > 1 && argv[argc - 1][0] != '-', "usage: virgl_demo [--color] FILE.png");
	introduce(&gpu, &v);
	fill_memory(&m);
	draw(&v, &m);
	read_picture(&m, argv[argc - 1]);
	demand(!virgl_close(&v), "the context cannot be ended");
	return show_pass();
}
