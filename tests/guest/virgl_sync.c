// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Submissions among the kernel's other users of fences: syncobjs, binary and timeline, sync files, and buffers that
 * are passed on as dma-bufs.
 *
 * RUN-DEFAULT: --device virgl-timeout=3000
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/scene.h"
#include "lib/shaders.h"
#include "lib/tap.h"

#define TIMELINE HMM_GPU_VIRGL_SYNC_TIMELINE

#define BYTES tap_size(4 * MIB, MIB)
#define FLOATS (BYTES / sizeof(float))

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;

static int call(unsigned long request, void *args)
{
	return ioctl(gpu.drm, request, args) ? -errno : 0;
}

/* ---- syncobjs ---- */

static uint32_t syncobj(uint32_t flags)
{
	struct drm_syncobj_create args = { .flags = flags };

	expect_int(call(DRM_IOCTL_SYNCOBJ_CREATE, &args), ==, 0);
	return args.handle;
}

static int wait_for_syncobj(uint32_t handle, int64_t until_ns)
{
	struct drm_syncobj_wait args = { .handles = (uintptr_t)&handle, .timeout_nsec = until_ns, .count_handles = 1 };

	return call(DRM_IOCTL_SYNCOBJ_WAIT, &args);
}

static int wait_for_point(uint32_t handle, uint64_t point, int64_t until_ns)
{
	struct drm_syncobj_timeline_wait args = {
		.handles = (uintptr_t)&handle, .points = (uintptr_t)&point, .timeout_nsec = until_ns,
		.count_handles = 1, .flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
	};

	return call(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &args);
}

static uint64_t point_of(uint32_t handle)
{
	uint64_t point = 0;
	struct drm_syncobj_timeline_array args = {
		.handles = (uintptr_t)&handle, .points = (uintptr_t)&point, .count_handles = 1,
	};

	expect_int(call(DRM_IOCTL_SYNCOBJ_QUERY, &args), ==, 0);
	return point;
}

static void signal_point(uint32_t handle, uint64_t point)
{
	struct drm_syncobj_timeline_array args = {
		.handles = (uintptr_t)&handle, .points = (uintptr_t)&point, .count_handles = 1,
	};

	expect_int(call(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &args), ==, 0);
}

static int sync_file(uint32_t handle)
{
	struct drm_syncobj_handle args = {
		.handle = handle, .flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE, .fd = -1,
	};

	expect_int(call(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &args), ==, 0);
	return args.fd;
}

/* 1: signalled, 0: not yet, else an error. */
static int status_of(int fd)
{
	struct sync_file_info info = { 0 };

	expect(!ioctl(fd, SYNC_IOC_FILE_INFO, &info), "SYNC_IOC_FILE_INFO: %s", strerror(errno));
	return info.status;
}

static void add_signal(struct virgl_job *to, uint32_t handle, uint32_t flags, uint64_t point)
{
	to->signal[to->signals++] = (struct drm_hmm_gpu_virgl_sync){ handle, flags, point };
}

static void add_wait(struct virgl_job *to, uint32_t handle, uint32_t flags, uint64_t point)
{
	to->wait[to->waits++] = (struct drm_hmm_gpu_virgl_sync){ handle, flags, point };
}

static int64_t patient(void)
{
	return now_ns() + 30000000000ll * tap_patience();
}

static void syncobj_is_signalled_when_memory_is_written(void)
{
	float *x = map_anon(BYTES), *y = map_anon(BYTES);
	uint32_t done;
	struct saxpy s;
	int fd;

	render_open(&gpu, 0, &v);
	done = syncobj(0);
	saxpy_open(&s, &v, FLOATS);
	saxpy_fill(x, y, FLOATS);
	saxpy_add(&s, &job, 3, x, y, FLOATS);
	add_signal(&job, done, 0, 0);
	expect_int(virgl_submit(&v, &job), ==, 0);
	fd = sync_file(done);
	expect_int(wait_for_syncobj(done, patient()), ==, 0);
	saxpy_check(3, x, y, FLOATS);
	expect_int(status_of(fd), ==, 1);
	expect_int(virgl_wait(&v, &job, 0), ==, 0);
	expect_int(job.result.status, ==, HGPU_VIRGL_OK);
}

/* Two contexts know nothing of each other's order but by what is waited for. */
static void submission_waits_for_another_contexts(void)
{
	enum { MAX = 40 };
	static struct virgl_job jobs[MAX];
	uint32_t *memory = map_anon(PAGE), turn[MAX], n = 2 * tap_rounds(MAX / 2);
	struct virgl_buffer b[2];
	struct virgl other, *who[2] = { &v, &other };
	struct hgpu_shader_buffer bound;
	uint32_t shader[2], constants[4];

	render_open(&gpu, 0, &v);
	render_context(&other, gpu.drm);
	for (int i = 0; i < 2; i++)
		expect_int(virgl_buffer(who[i], &b[i], HGPU_VIRGL_BIND_SHADER_BUFFER, PAGE), ==, 0);
	memset(memory, 0, PAGE);
	/* each adds 64 times its number to what the one before it left; a lost update shows */
	for (uint32_t i = 0; i < n; i++) {
		struct virgl_job *j = &jobs[i];

		turn[i] = syncobj(0);
		if (i < 2)
			shader[i] = virgl_shader(who[i], j, HGPU_VIRGL_COMPUTE, 0, count_tgsi);
		bound = (struct hgpu_shader_buffer){ 0, PAGE, b[i % 2].handle };
		hgpu_stream_bind_shader(&j->stream, shader[i % 2], HGPU_VIRGL_COMPUTE);
		constants[0] = i + 1;
		hgpu_stream_constants(&j->stream, HGPU_VIRGL_COMPUTE, constants, 4);
		hgpu_stream_shader_buffers(&j->stream, HGPU_VIRGL_COMPUTE, &bound, 1);
		hgpu_stream_grid(&j->stream, (const uint32_t[]){ 1, 1, 1 }, (const uint32_t[]){ 1, 1, 1 });
		virgl_inout(j, &b[i % 2], memory, PAGE);
		if (i)
			add_wait(j, turn[i - 1], 0, 0);
		add_signal(j, turn[i], 0, 0);
		expect_int(virgl_submit(who[i % 2], j), ==, 0);
	}
	for (uint32_t i = 0; i < n; i++)
		render_wait(who[i % 2], &jobs[i], HGPU_VIRGL_OK);
	expect_int(memory[0], ==, 64 * n * (n + 1) / 2);
}

static void submission_waits_for_a_point_that_the_cpu_signals(void)
{
	uint32_t *memory = map_anon(PAGE), line;
	struct virgl_buffer b;

	render_open(&gpu, 0, &v);
	line = syncobj(0);
	expect_int(virgl_buffer(&v, &b, HGPU_VIRGL_BIND_SHADER_BUFFER, PAGE), ==, 0);
	render_nothing(&job);
	virgl_in(&job, &b, memory, PAGE);

	/* a point that nobody has said yet who will signal cannot be waited for */
	add_wait(&job, line, TIMELINE, 7);
	expect_int(virgl_submit(&v, &job), ==, -EINVAL);
	signal_point(line, 7);
	render_run(&v, &job);
	job.wait[0].point = 5;
	render_run(&v, &job);
	job.wait[0].point = 8;
	expect_int(virgl_submit(&v, &job), ==, -EINVAL);
}

static void timeline_goes_from_point_to_point(void)
{
	enum { N = 8 };
	static struct virgl_job jobs[N];
	uint32_t line;

	render_open(&gpu, 0, &v);
	line = syncobj(0);
	for (int i = 0; i < N; i++) {
		render_nothing(&jobs[i]);
		if (i)
			add_wait(&jobs[i], line, TIMELINE, 10 * i);
		add_signal(&jobs[i], line, TIMELINE, 10 * (i + 1));
		expect_int(virgl_submit(&v, &jobs[i]), ==, 0);
	}
	expect_int(wait_for_point(line, 10 * N, patient()), ==, 0);
	expect_int(point_of(line), ==, 10 * N);
	for (int i = 0; i < N; i++)
		expect_int(virgl_wait(&v, &jobs[i], 0), ==, 0);
	expect_int(wait_for_point(line, 10 * N + 1, now_ns() + 1000000), ==, -ETIME);
}

static void nothing_is_signalled_by_a_submission_that_is_refused(void)
{
	uint32_t done;

	render_open(&gpu, 0, &v);
	done = syncobj(0);
	render_nothing(&job);
	add_signal(&job, done, 0, 0);
	job.signal[job.signals++] = (struct drm_hmm_gpu_virgl_sync){ .handle = 99 };
	expect_int(virgl_submit(&v, &job), ==, -ENOENT);
	expect_int(wait_for_syncobj(done, now_ns()), ==, -EINVAL);	/* it has no fence */
}

/* ---- how they end ---- */

static void fence_is_not_signalled_before_the_shader_ends(void)
{
	uint32_t done;
	int fd;

	render_open(&gpu, 0, &v);
	done = syncobj(0);
	render_endless(&v, &job);
	add_signal(&job, done, 0, 0);
	expect_int(virgl_submit(&v, &job), ==, 0);
	fd = sync_file(done);
	nap_us(50000);
	expect_int(status_of(fd), ==, 0);
	expect_int(wait_for_syncobj(done, now_ns() + 1000000), ==, -ETIME);
	render_wait(&v, &job, HGPU_VIRGL_TIMEOUT);
	expect_int(wait_for_syncobj(done, patient()), ==, 0);
	diag("the fence's error is %d", status_of(fd));
	expect_int(status_of(fd), <, 0);
}

static void fence_says_that_a_submission_failed(void)
{
	uint32_t done;
	int fd;

	render_open(&gpu, 0, &v);
	done = syncobj(0);
	hgpu_stream_dw(&job.stream, HGPU_VIRGL_CMD(200, 0, 0));
	add_signal(&job, done, 0, 0);
	expect_int(virgl_submit(&v, &job), ==, 0);
	fd = sync_file(done);
	render_wait(&v, &job, HGPU_VIRGL_BAD_STREAM);
	expect_int(wait_for_syncobj(done, patient()), ==, 0);
	expect_int(status_of(fd), <, 0);
}

/* What waits for a submission that never comes to its end goes on when its context ends. */
static void fence_is_signalled_when_its_context_ends(void)
{
	struct virgl_job waiting = { 0 };
	struct virgl other;
	uint32_t done;
	int fd;

	render_open(&gpu, 0, &v);
	render_context(&other, gpu.drm);
	done = syncobj(0);
	render_endless(&v, &job);
	add_signal(&job, done, 0, 0);
	expect_int(virgl_submit(&v, &job), ==, 0);
	fd = sync_file(done);
	render_nothing(&waiting);
	add_wait(&waiting, done, 0, 0);
	expect_int(virgl_submit(&other, &waiting), ==, 0);
	nap_us(50000);
	expect_int(virgl_wait(&other, &waiting, 0), ==, -ETIME);
	expect_int(virgl_close(&v), ==, 0);
	expect_int(virgl_wait(&other, &waiting, patient()), ==, 0);
	expect_int(status_of(fd), <, 0);
	render_works(&other);
}

/* ---- dma-bufs ---- */

static int from_kfd(uint64_t kfd_handle, uint32_t *handle)
{
	struct drm_hmm_gpu_gem_from_kfd args = { .kfd_handle = kfd_handle };
	int error = call(DRM_IOCTL_HMM_GPU_GEM_FROM_KFD, &args);

	*handle = args.handle;
	return error;
}

static int dma_buf_of(const struct bo *bo)
{
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1 };

	expect_int(from_kfd(bo->handle, &prime.handle), ==, 0);
	expect_int(call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), ==, 0);
	expect_int(call(DRM_IOCTL_GEM_CLOSE, &(struct drm_gem_close){ .handle = prime.handle }), ==, 0);
	return prime.fd;
}

static void begin_access(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | flags };

	expect(!ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), "DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
}

static void end_access(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_END | flags };

	expect(!ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), "DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
}

static void expect_scene(const uint8_t *picture)
{
	struct scene_difference d;

	expect_int(scene_compare(SCENE_REFERENCE, picture, &d), ==, 0);
	expect(scene_is_right(&d), "that is another picture: at most %u, mean %.3f", d.worst, d.mean);
}

/* The picture goes into a buffer, which another one has as a dma-buf: it outlives the GPU's side of it. */
static void rendered_buffer_is_exported(void)
{
	struct scene_vertex *vertices = malloc(scene_count() * sizeof(*vertices));
	uint8_t *texture = malloc(SCENE_TEXTURE_BYTES), *mapped;
	struct scene scene;
	struct bo bo;
	int fd;

	render_open(&gpu, 0, &v);
	bo_create(&bo, &gpu, (SCENE_BYTES + PAGE - 1) & ~(PAGE - 1));
	fd = dma_buf_of(&bo);
	expect_int(lseek(fd, 0, SEEK_END), ==, bo.size);
	expect_int(scene_open(&scene, &v), ==, 0);
	scene_vertices(vertices);
	scene_texture(texture);
	scene_draw(&scene, &job, vertices, texture, bo.at);
	render_run(&v, &job);
	mapped = mmap(NULL, bo.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(mapped != MAP_FAILED, "mmap of the dma-buf: %s", strerror(errno));
	begin_access(fd, DMA_BUF_SYNC_READ);
	expect_scene(mapped);
	end_access(fd, DMA_BUF_SYNC_READ);

	/* it is the same memory, in both directions */
	memset(mapped, 0x5a, PAGE);
	value_check(bo.at, PAGE, 0x5a5a5a5a);
	expect_int(virgl_close(&v), ==, 0);
	bo_destroy(&bo);
	gpu_close(&gpu);
	value_check(mapped, PAGE, 0x5a5a5a5a);
	munmap(mapped, bo.size);
	close(fd);
}

/* Who has the dma-buf can wait for what the GPU writes there, by poll() and by a sync file. */
static void dma_buf_has_the_fence_of_who_writes_it(void)
{
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };
	struct pollfd poll_it = { .events = POLLIN };
	struct virgl_buffer b;
	struct bo bo;
	int fd;

	render_open(&gpu, 0, &v);
	bo_create(&bo, &gpu, PAGE);
	fd = dma_buf_of(&bo);
	poll_it.fd = fd;
	expect_int(poll(&poll_it, 1, 0), ==, 1);
	expect_int(virgl_buffer(&v, &b, HGPU_VIRGL_BIND_SHADER_BUFFER, PAGE), ==, 0);
	render_endless(&v, &job);
	virgl_out(&job, &b, bo.at, PAGE);
	expect_int(virgl_submit(&v, &job), ==, 0);
	expect_int(poll(&poll_it, 1, 0), ==, 0);
	expect(!ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export), "EXPORT_SYNC_FILE: %s", strerror(errno));
	expect_int(status_of(export.fd), ==, 0);
	render_wait(&v, &job, HGPU_VIRGL_TIMEOUT);
	expect_int(poll(&poll_it, 1, 30000), ==, 1);
	expect_int(status_of(export.fd), !=, 0);
}

static void only_buffers_in_gtt_of_this_process_are_given_out(void)
{
	struct bo vram, gtt;
	uint32_t handle;

	render_open(&gpu, 0, &v);
	bo_create(&gtt, &gpu, PAGE);
	bo_create_as(&vram, &gpu, 2 * MIB, KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE |
					   KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC);
	expect_int(from_kfd(vram.handle, &handle), ==, -EINVAL);
	expect_int(from_kfd(gtt.handle ^ 0xffff, &handle), ==, -ENOENT);
	expect_int(from_kfd(0, &handle), ==, -ENOENT);
	expect_int(call(DRM_IOCTL_HMM_GPU_GEM_FROM_KFD,
			&(struct drm_hmm_gpu_gem_from_kfd){ .kfd_handle = gtt.handle, .flags = 1 }), ==, -EINVAL);
	expect_int(from_kfd(gtt.handle, &handle), ==, 0);
	expect_int(call(DRM_IOCTL_GEM_CLOSE, &(struct drm_gem_close){ .handle = handle }), ==, 0);
	expect_int(call(DRM_IOCTL_GEM_CLOSE, &(struct drm_gem_close){ .handle = handle }), ==, -EINVAL);
	bo_destroy(&gtt);
	expect_int(from_kfd(gtt.handle, &handle), ==, -ENOENT);
}

static const struct tap_test tests[] = {
	TAP_TEST(syncobj_is_signalled_when_memory_is_written),
	TAP_TEST(submission_waits_for_another_contexts),
	TAP_TEST(submission_waits_for_a_point_that_the_cpu_signals),
	TAP_TEST(timeline_goes_from_point_to_point),
	TAP_TEST(nothing_is_signalled_by_a_submission_that_is_refused),
	TAP_TEST(fence_is_not_signalled_before_the_shader_ends),
	TAP_TEST(fence_says_that_a_submission_failed),
	TAP_TEST(fence_is_signalled_when_its_context_ends),
	TAP_TEST(rendered_buffer_is_exported),
	TAP_TEST(dma_buf_has_the_fence_of_who_writes_it),
	TAP_TEST(only_buffers_in_gtt_of_this_process_are_given_out),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
