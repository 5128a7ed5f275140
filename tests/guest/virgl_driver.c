// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of jobs of the virgl engine by the driver's hand: parked where queues are stopped, ended when they take
 * too long, and taken along by a GPU or a module that goes.
 *
 * RUN: --module virgl_timeout_ms=5000 --device virgl-timeout=120000
 */
#include <errno.h>
#include <linux/sync_file.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/render.h"
#include "lib/tap.h"

#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"
#define USERPTR (KFD_IOC_ALLOC_MEM_FLAGS_USERPTR | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)
#define AT ((char *)0x200000000000)

enum { FLOATS = 64 << 10, BYTES = FLOATS * 4 };

static struct gpu gpu;
static struct virgl v;
static struct virgl_job job;

/* ---- parked ---- */

struct user_saxpy {
	float *x, *y;
	uint64_t handle;
	struct saxpy saxpy;
};

/* y is a USERPTR buffer, whose address is another one for the GPU. */
static void open_user(struct user_saxpy *u)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };

	u->x = map_anon(BYTES);
	u->y = map_anon(BYTES);
	saxpy_fill(u->x, u->y, FLOATS);
	a.mmap_offset = (uintptr_t)u->y;
	expect_int(gpu_alloc(&gpu, AT, BYTES, USERPTR, &a), ==, 0);
	u->handle = a.handle;
	expect_int(gpu_map(&gpu, u->handle), ==, 0);
	saxpy_open(&u->saxpy, &v, FLOATS);
	render_works(&v);		/* compiles nothing later */
	virgl_job_clear(&job);
	saxpy_add(&u->saxpy, &job, 3, u->x, (float *)AT, FLOATS);
}

/* While memory of a USERPTR buffer is read-only no queue of the process runs. */
static void stop_queues(const struct user_saxpy *u)
{
	expect(!mprotect(u->y, BYTES, PROT_READ), "mprotect: %s", strerror(errno));
}

static void let_queues_run(const struct user_saxpy *u)
{
	expect(!mprotect(u->y, BYTES, PROT_READ | PROT_WRITE), "mprotect: %s", strerror(errno));
}

static void job_waits_while_queues_are_stopped(void)
{
	struct user_saxpy u;

	render_open(&gpu, 0, &v);
	open_user(&u);
	stop_queues(&u);
	expect_int(virgl_submit(&v, &job), ==, 0);
	expect_int(virgl_wait(&v, &job, now_ns() + 1000000000), ==, -ETIME);
	let_queues_run(&u);
	render_wait(&v, &job, HGPU_VIRGL_OK);
	saxpy_check(3, u.x, u.y, FLOATS);
}

/* It goes where the memory is, not where it was. */
static void job_finds_memory_that_has_moved_meanwhile(void)
{
	struct user_saxpy u;
	float *fresh = map_anon(BYTES);

	render_open(&gpu, 0, &v);
	for (unsigned int i = 0; i < tap_rounds(10); i++) {
		open_user(&u);
		stop_queues(&u);
		memcpy(fresh, u.y, BYTES);
		expect_int(virgl_submit(&v, &job), ==, 0);
		/* long enough for one that does not wait */
		expect_int(virgl_wait(&v, &job, now_ns() + 500000000), ==, -ETIME);
		/* other pages, with the same numbers, at the same address */
		expect(mremap(fresh, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, u.y) == u.y,
		       "mremap: %s", strerror(errno));
		render_wait(&v, &job, HGPU_VIRGL_OK);
		saxpy_check(3, u.x, u.y, FLOATS);
		fresh = map_anon(BYTES);
		expect_int(gpu_unmap(&gpu, u.handle), ==, 0);
		expect_int(gpu_free(&gpu, u.handle), ==, 0);
		saxpy_close(&u.saxpy);
	}
}

/* ---- too long ---- */

static void rendering_takes_too_long(void)
{
	struct virgl other;

	render_open(&gpu, 0, &v);
	render_context(&other, gpu.drm);
	render_endless(&v, &job);
	expect_int(virgl_submit(&v, &job), ==, 0);
	render_works(&other);
	render_wait(&v, &job, HGPU_VIRGL_TIMEOUT);
	render_works(&other);
	render_is_lost(&gpu, &v);
}

static void fault_takes_too_long(void)
{
	struct user_saxpy u;

	render_open(&gpu, 0, &v);
	open_user(&u);
	stop_queues(&u);
	expect_int(virgl_submit(&v, &job), ==, 0);
	render_wait(&v, &job, HGPU_VIRGL_TIMEOUT);
	let_queues_run(&u);
	render_is_lost(&gpu, &v);
	for (size_t i = 0; i < FLOATS; i++)
		if (u.y[i] != saxpy_y(i))
			fail("y[%zu] was written", i);
}

/* Those behind it in the same context are not run. */
static void jobs_behind_a_lost_one_are_cancelled(void)
{
	static struct virgl_job behind[5];

	render_open(&gpu, 0, &v);
	render_endless(&v, &job);
	expect_int(virgl_submit(&v, &job), ==, 0);
	for (int i = 0; i < 5; i++) {
		render_nothing(&behind[i]);
		expect_int(virgl_submit(&v, &behind[i]), ==, 0);
	}
	render_wait(&v, &job, HGPU_VIRGL_TIMEOUT);
	for (int i = 0; i < 5; i++)
		render_wait(&v, &behind[i], HGPU_VIRGL_NO_CONTEXT);
}

/* ---- ended ---- */

/* How many lines about the engine say that. */
static unsigned int engine_says(const char *what)
{
	FILE *f = fopen("/sys/kernel/debug/hmm_gpu/0/virgl", "re");
	char line[256];
	unsigned int n = 0;

	expect(f, "the engine's debugfs file: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, what);
	fclose(f);
	return n;
}

static void nothing_runs_for_a_context_that_has_ended(void)
{
	render_open(&gpu, 0, &v);
	render_endless(&v, &job);
	expect_int(virgl_submit(&v, &job), ==, 0);
	/* rendering: before that it would end by itself, for want of memory */
	expect(wait_until(engine_says(" state 0x3 ") == 1, 3000), "the shader does not run");
	expect_int(virgl_close(&v), ==, 0);
	expect_int(engine_says("context "), ==, 0);
	expect(wait_until(!engine_says("busy 1"), 3000), "it still runs");
}

static void die_with_the_shader_running(void *unused)
{
	(void)unused;
	render_open(&gpu, 0, &v);
	render_endless(&v, &job);
	expect_int(virgl_submit(&v, &job), ==, 0);
	expect(wait_until(engine_says(" state 0x3 ") == 1, 10000), "the shader does not run");
	/* somebody else has the file, and keeps it */
	if (!fork()) {
		pause();
		_exit(0);
	}
	raise(SIGKILL);
}

static void process_that_ends_takes_its_jobs_along_but_not_its_file(void)
{
	render_wanted();
	tap_join_killed(tap_fork(die_with_the_shader_running, NULL), SIGKILL);
	expect(wait_until(!engine_says("busy 1"), 3000), "it still runs");
	expect_int(engine_says(" stopped 1 "), ==, 1);
}

/* ---- the GPU goes, the module goes ---- */

static int sync_file_of(struct virgl_job *of)
{
	struct drm_syncobj_create create = { 0 };
	struct drm_syncobj_handle handle = {
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE, .fd = -1,
	};

	expect(!ioctl(gpu.drm, DRM_IOCTL_SYNCOBJ_CREATE, &create), "SYNCOBJ_CREATE: %s", strerror(errno));
	of->signal[of->signals++] = (struct drm_hmm_gpu_virgl_sync){ .handle = create.handle };
	expect_int(virgl_submit(&v, of), ==, 0);
	handle.handle = create.handle;
	expect(!ioctl(gpu.drm, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &handle), "HANDLE_TO_FD: %s", strerror(errno));
	return handle.fd;
}

static int status_of(int fd)
{
	struct sync_fence_info fence = { .status = -1000 };
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = (uintptr_t)&fence };

	expect(!ioctl(fd, SYNC_IOC_FILE_INFO, &info), "SYNC_IOC_FILE_INFO: %s", strerror(errno));
	/* names are asked for as well, and must still be there */
	expect(info.status < 0 || *fence.obj_name, "a fence without a name");
	return info.status;
}

static void works_in_a_new_process(void *arg)
{
	(void)arg;
	render_open(&gpu, 0, &v);
	render_works(&v);
}

static void unbind_ends_what_runs(void)
{
	struct virgl_buffer b;
	char address[16];
	int fd;

	gpu_pci_address(0, address);
	render_open(&gpu, 0, &v);
	render_works(&v);
	render_endless(&v, &job);
	fd = sync_file_of(&job);
	nap_us(100000);
	expect_int(status_of(fd), ==, 0);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_int(status_of(fd), ==, -ENODEV);
	expect_int(virgl_submit(&v, &job), ==, -ENODEV);
	expect_int(virgl_buffer(&v, &b, HGPU_VIRGL_BIND_SHADER_BUFFER, PAGE), ==, -ENODEV);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	/* the file of the GPU that is gone is still open, and its context is closed behind this */
	tap_join(tap_fork(works_in_a_new_process, NULL));
	expect_int(status_of(fd), ==, -ENODEV);
	gpu_close(&gpu);
	expect_int(status_of(fd), ==, -ENODEV);
	close(fd);
	tap_join(tap_fork(works_in_a_new_process, NULL));
}

static volatile bool asked;

/* An ioctl that waits behind the endless shader. */
static void *make_a_buffer(void *arg)
{
	struct virgl_buffer b;

	(void)arg;
	asked = true;
	expect_int(virgl_buffer(&v, &b, HGPU_VIRGL_BIND_SHADER_BUFFER, PAGE), ==, -ENODEV);
	return NULL;
}

static void unbind_does_not_wait_for_what_runs(void)
{
	char address[16];
	pthread_t thread;
	long long begun;

	gpu_pci_address(0, address);
	render_open(&gpu, 0, &v);
	render_endless(&v, &job);
	expect_int(virgl_submit(&v, &job), ==, 0);
	expect(!pthread_create(&thread, NULL, make_a_buffer, NULL), "pthread_create");
	expect(wait_until(asked, 3000), "the other thread did not begin");
	nap_us(100000);
	begun = now_ms();
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	diag("it took %lld ms", now_ms() - begun);
	expect_int(now_ms() - begun, <, 3000 * tap_patience());	/* the time-out is 5 s */
	pthread_join(thread, NULL);
	gpu_close(&gpu);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	tap_join(tap_fork(works_in_a_new_process, NULL));
}

static void gpu_is_pulled_out_while_a_job_runs(void)
{
	char address[16];
	int fd;

	gpu_pci_address(0, address);
	render_open(&gpu, 0, &v);
	render_endless(&v, &job);
	fd = sync_file_of(&job);
	nap_us(100000);
	gpu_pull_out(address);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_int(status_of(fd), ==, -ENODEV);
	gpu_close(&gpu);
	close(fd);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	tap_join(tap_fork(works_in_a_new_process, NULL));
}

static void fence_keeps_the_module(void)
{
	int fd;

	if (!getenv("HGPU_MODULE"))
		skip("HGPU_MODULE does not say where the module is");
	render_open(&gpu, 0, &v);
	render_nothing(&job);
	fd = sync_file_of(&job);
	render_wait(&v, &job, HGPU_VIRGL_OK);
	gpu_close(&gpu);
	nap_us(200000);
	expect_int(driver_unload(), ==, -EWOULDBLOCK);
	expect_int(status_of(fd), ==, 1);
	close(fd);
	expect(wait_until(driver_unload() == 0, 5000), "the module does not go although nothing is open: %s", strerror(errno));
	expect_int(driver_load(), ==, 0);
	expect(wait_until(gpu_count() > 0, 10000), "the GPU is not there after loading");
	tap_join(tap_fork(works_in_a_new_process, NULL));
}

static const struct tap_test tests[] = {
	TAP_TEST(job_waits_while_queues_are_stopped),
	TAP_TEST(job_finds_memory_that_has_moved_meanwhile),
	TAP_TEST(rendering_takes_too_long),
	TAP_TEST(fault_takes_too_long),
	TAP_TEST(jobs_behind_a_lost_one_are_cancelled),
	TAP_TEST(nothing_runs_for_a_context_that_has_ended),
	TAP_TEST(process_that_ends_takes_its_jobs_along_but_not_its_file),
	TAP_TEST(unbind_ends_what_runs),
	TAP_TEST(unbind_does_not_wait_for_what_runs),
	TAP_TEST(fence_keeps_the_module),
	TAP_TEST(gpu_is_pulled_out_while_a_job_runs),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
