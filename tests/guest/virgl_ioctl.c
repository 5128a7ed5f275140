// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The virgl engine's ioctls: what of their arguments is refused, and whose contexts are.
 *
 * RUN:
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/tap.h"

enum { BOUND = HGPU_VIRGL_BIND_SHADER_BUFFER, SMALL = 4096 };

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;

/* ---- the ioctls' arguments ---- */

static int call(unsigned long request, void *args)
{
	return ioctl(gpu.drm, request, args) ? -errno : 0;
}

#define CONTEXT(request, ...) call(DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_##request, \
	&(struct drm_hmm_gpu_virgl_context){ __VA_ARGS__ })
#define RESOURCE(request, ...) call(DRM_IOCTL_HMM_GPU_VIRGL_RESOURCE_##request, \
	&(struct drm_hmm_gpu_virgl_resource){ .context = v.context, __VA_ARGS__ })
#define BUFFER(...) RESOURCE(CREATE, .target = HGPU_VIRGL_BUFFER, .format = HGPU_VIRGL_R8_UNORM, .bind = BOUND, \
	.height = 1, __VA_ARGS__)
#define SUBMIT(...) call(DRM_IOCTL_HMM_GPU_VIRGL_SUBMIT, &(struct drm_hmm_gpu_virgl_submit){ \
	.context = v.context, .stream = (uintptr_t)job.stream.dw, .stream_dw = job.stream.count, __VA_ARGS__ })
#define WAIT(...) call(DRM_IOCTL_HMM_GPU_VIRGL_WAIT, &(struct drm_hmm_gpu_virgl_wait){ \
	.context = v.context, .sequence = job.sequence, __VA_ARGS__ })

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static void contexts_are_checked(void)
{
	render_open(&gpu, 0, &v);
	expect_int(CONTEXT(CREATE, .flags = 1), ==, -EINVAL);
	expect_int(CONTEXT(DESTROY, .context = v.context, .flags = 1), ==, -EINVAL);
	expect_int(CONTEXT(DESTROY, .context = 0), ==, -ENOENT);
	expect_int(CONTEXT(DESTROY, .context = v.context + 1), ==, -ENOENT);
	expect_int(CONTEXT(DESTROY, .context = ~0u), ==, -ENOENT);
	expect_int(virgl_close(&v), ==, 0);
	expect_int(virgl_close(&v), ==, -ENOENT);
}

static void resources_are_checked(void)
{
	render_open(&gpu, 0, &v);
	expect_int(BUFFER(.handle = 1, .width = SMALL), ==, 0);
	expect_int(BUFFER(.handle = HGPU_VIRGL_RESOURCES, .width = SMALL), ==, 0);
	expect_int(BUFFER(.handle = 1, .width = SMALL), ==, -EINVAL);
	expect_int(BUFFER(.handle = 0, .width = SMALL), ==, -EINVAL);
	expect_int(BUFFER(.handle = HGPU_VIRGL_RESOURCES + 1, .width = SMALL), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = 0), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = HGPU_VIRGL_BUFFER_MAX + 1), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .height = 2), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .last_level = 1), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .flags = 1), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .pad = 1), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .context = v.context + 1), ==, -ENOENT);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .target = 9), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = SMALL, .format = 9999), ==, -EINVAL);
	expect_int(BUFFER(.handle = 2, .width = HGPU_VIRGL_TEXTURE_MAX + 1, .target = HGPU_VIRGL_TEXTURE_2D,
			  .format = HGPU_VIRGL_R8G8B8A8_UNORM, .bind = HGPU_VIRGL_BIND_SAMPLER_VIEW), ==, -EINVAL);
	expect_int(RESOURCE(DESTROY, .handle = 2), ==, -ENOENT);
	expect_int(RESOURCE(DESTROY, .handle = 0), ==, -ENOENT);
	expect_int(RESOURCE(DESTROY, .handle = 1, .width = 1), ==, -EINVAL);
	expect_int(RESOURCE(DESTROY, .handle = 1, .flags = 1), ==, -EINVAL);
	expect_int(RESOURCE(DESTROY, .handle = 1), ==, 0);
	expect_int(RESOURCE(DESTROY, .handle = 1), ==, -ENOENT);
	expect_int(BUFFER(.handle = 1, .width = SMALL), ==, 0);
	v.resources = 1;
	render_works(&v);
}

static void submissions_are_checked(void)
{
	const struct drm_hmm_gpu_virgl_sync none = { .handle = 99 }, flag = { .flags = 2 }, point = { .point = 1 };
	void *nowhere = map_anon(PAGE);

	munmap(nowhere, PAGE);
	render_open(&gpu, 0, &v);
	render_nothing(&job);
	expect_int(SUBMIT(.flags = 1), ==, -EINVAL);
	expect_int(SUBMIT(.context = 0), ==, -ENOENT);
	expect_int(SUBMIT(.context = v.context + 1), ==, -ENOENT);
	expect_int(SUBMIT(.stream = (uintptr_t)job.stream.dw + 2), ==, -EINVAL);
	expect_int(SUBMIT(.ranges = (uintptr_t)nowhere, .range_count = 1), ==, -EFAULT);
	expect_int(SUBMIT(.range_count = ~0u), ==, -E2BIG);
	expect_int(SUBMIT(.in_syncs = (uintptr_t)nowhere, .in_sync_count = 1), ==, -EFAULT);
	expect_int(SUBMIT(.out_syncs = (uintptr_t)nowhere, .out_sync_count = 1), ==, -EFAULT);
	expect_int(SUBMIT(.in_sync_count = ~0u), ==, -EINVAL);
	expect_int(SUBMIT(.out_sync_count = 65), ==, -EINVAL);
	expect_int(SUBMIT(.in_syncs = (uintptr_t)&none, .in_sync_count = 1), ==, -ENOENT);
	expect_int(SUBMIT(.out_syncs = (uintptr_t)&none, .out_sync_count = 1), ==, -ENOENT);
	expect_int(SUBMIT(.in_syncs = (uintptr_t)&flag, .in_sync_count = 1), ==, -EINVAL);
	expect_int(SUBMIT(.out_syncs = (uintptr_t)&point, .out_sync_count = 1), ==, -EINVAL);

	/* none of them counted */
	render_run(&v, &job);
	expect_int(job.sequence, ==, 1);
	expect_int(WAIT(.flags = 1), ==, -EINVAL);
	expect_int(WAIT(.pad = 1), ==, -EINVAL);
	expect_int(WAIT(.context = 0), ==, -ENOENT);
	expect_int(WAIT(.sequence = 0), ==, -ENOENT);
	expect_int(WAIT(.sequence = 2), ==, -ENOENT);
	expect_int(WAIT(.sequence = ~0ull), ==, -ENOENT);
	expect_int(WAIT(.timeout_ns = -1), ==, 0);
}
#pragma GCC diagnostic pop

static void results_of_64_submissions_are_kept(void)
{
	render_open(&gpu, 0, &v);
	render_nothing(&job);
	for (unsigned int i = 0; i < 65; i++)
		render_run(&v, &job);
	job.sequence = 1;
	expect_int(virgl_wait(&v, &job, 0), ==, -ENOENT);
	job.sequence = 2;
	expect_int(virgl_wait(&v, &job, 0), ==, 0);
}

/* ---- who may ---- */

static void all_contexts_of_a_gpu_can_be_made_and_no_more(void)
{
	struct virgl all[HGPU_VIRGL_CONTEXTS], more;

	render_open(&gpu, 0, &all[0]);
	for (unsigned int i = 1; i < HGPU_VIRGL_CONTEXTS; i++)
		render_context(&all[i], gpu.drm);
	expect_int(virgl_open(&more, gpu.drm), ==, -ENOSPC);
	expect_int(virgl_close(&all[7]), ==, 0);
	render_context(&all[7], gpu.drm);
	render_works(&all[7]);
	render_works(&all[HGPU_VIRGL_CONTEXTS - 1]);
}

static void context_belongs_to_its_file(void)
{
	struct drm_hmm_gpu_virgl_context args = { 0 };
	char path[32];
	int other;

	render_open(&gpu, 0, &v);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", gpu.drm);
	other = open(path, O_RDWR | O_CLOEXEC);
	expect(other >= 0, "%s: %s", path, strerror(errno));
	args.context = v.context;
	expect(ioctl(other, DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_DESTROY, &args) && errno == ENOENT, "another file's context");
	expect(ioctl(other, DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_CREATE, &args) && errno == EINVAL, "no ACQUIRE_VM");
	close(other);
	render_works(&v);
}

static void use_it_without_the_memory(void *arg)
{
	(void)arg;
	virgl_job_clear(&job);
	render_nothing(&job);
	expect_int(virgl_submit(&v, &job), <, 0);
}

static void child_cannot_use_its_parents_context(void)
{
	render_open(&gpu, 0, &v);
	tap_join(tap_fork(use_it_without_the_memory, NULL));
	render_works(&v);
}

static void xnack_stays_on_while_there_is_a_context(void)
{
	struct virgl other;

	render_open(&gpu, 0, &v);
	render_context(&other, gpu.drm);
	expect_int(gpu_set_xnack(&gpu, 0), ==, -EBUSY);
	expect_int(virgl_close(&other), ==, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, -EBUSY);
	expect_int(virgl_close(&v), ==, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, 0);
	expect_int(virgl_open(&v, gpu.drm), ==, -EPERM);
	expect_int(gpu_set_xnack(&gpu, 1), ==, 0);
	render_new_works(&gpu);
}

static const struct tap_test tests[] = {
	TAP_TEST(contexts_are_checked),
	TAP_TEST(resources_are_checked),
	TAP_TEST(submissions_are_checked),
	TAP_TEST(results_of_64_submissions_are_kept),
	TAP_TEST(all_contexts_of_a_gpu_can_be_made_and_no_more),
	TAP_TEST(context_belongs_to_its_file),
	TAP_TEST(child_cannot_use_its_parents_context),
	TAP_TEST(xnack_stays_on_while_there_is_a_context),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
