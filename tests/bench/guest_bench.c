// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The measurements that are made in a guest; scripts/bench runs it and makes the table.
 *
 * Ours and the kernel's own fake device, test_hmm, take turns on the same amount of memory in the same boot,
 * with one thread. Each figure is the median of REPEATS (huge pages: HUGE_REPEATS), that of migrating to the device of
 * twice as many: on a shared machine single ones differ by a third, and their reference is a difference of two.
 *
 * Prints one line a figure: name|unit|ours|reference|reference's name|higher or lower is better|target,
 * where target is what ours / reference (reference / ours, if lower is better) must reach; empty: none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "figures.h"
#include "gpu.h"
#include "hgpu_regs.h"
#include "hgpu_sdma.h"
#include "mem.h"
#include "tap.h"
#include "test_hmm_uapi.h"

enum { REPEATS = 13, HUGE_REPEATS = 5, PAGES = 65536, BYTES = PAGES * 4096, GRANULES = BYTES / (2 << 20) };

/* ---- figures ---- */

/* Nanoseconds for BYTES as MB/s. */
static double mb_per_s(double ns)
{
	return BYTES / ns * 1e3;
}

/* ---- memory ---- */

static volatile uint32_t sink;

static void write_every_page(char *at)
{
	for (size_t page = 0; page < PAGES; page++)
		*(volatile uint32_t *)(at + page * PAGE) = page;
}

static long long read_every_page(char *at)
{
	long long start = now_ns();

	for (size_t page = 0; page < PAGES; page++)
		sink = *(volatile uint32_t *)(at + page * PAGE);
	return now_ns() - start;
}

static void check_every_page(char *at)
{
	for (size_t page = 0; page < PAGES; page++)
		if (*(uint32_t *)(at + page * PAGE) != page)
			fail("page %zu is %#x after the migrations", page, *(uint32_t *)(at + page * PAGE));
}

static char *buffer(int advice)
{
	char *at = map_anon(BYTES);

	if (madvise(at, BYTES, advice))
		fail("madvise: %s", strerror(errno));
	write_every_page(at);
	return at;
}

/*
 * After the first round pages of MADV_HUGEPAGE memory are small ones, and khugepaged makes them huge again, in the middle
 * of a measurement: those that it holds just then stay behind, which test_hmm says is an error (ENOENT).
 */
static void let_khugepaged_sleep(void)
{
	static const char file[] = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs";
	static const char hour[] = "3600000";
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, hour, strlen(hour)) < 0)
		fail("%s: %s", file, strerror(errno));
	close(fd);
}

/* ---- the reference: lib/test_hmm.c ---- */

static int load_test_hmm(void)
{
	struct utsname u;
	char path[256], line[128];
	unsigned int major = 0;
	FILE *f;
	int fd;

	uname(&u);
	snprintf(path, sizeof(path), "/lib/modules/%s/kernel/lib/test_hmm.ko", u.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
		fail("%s: %s", path, strerror(errno));
	close(fd);
	f = fopen("/proc/devices", "r");
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "HMM_DMIRROR"))
			major = atoi(line);
	if (f)
		fclose(f);
	mknod("/dev/hmm_dmirror0", S_IFCHR | 0600, makedev(major, 0));	/* devtmpfs may have made it */
	fd = open("/dev/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("/dev/hmm_dmirror0: %s", strerror(errno));
	return fd;
}

static long long dmirror(int fd, unsigned long request, void *at, void *mirror)
{
	struct hmm_dmirror_cmd cmd = { .addr = (uintptr_t)at, .ptr = (uintptr_t)mirror, .npages = PAGES };
	long long start = now_ns();

	while (ioctl(fd, request, &cmd))
		if (errno != EINTR)
			fail("test_hmm, ioctl %#lx: %s", request, strerror(errno));
	if (cmd.cpages != PAGES)
		fail("test_hmm, ioctl %#lx: %llu of %d pages", request, (unsigned long long)cmd.cpages, PAGES);
	return now_ns() - start;
}

struct figures {
	struct samples to_device, net, gross, read, fault_back, to_system;
};

static void measure_test_hmm(int fd, char *at, char *mirror, struct figures *f)
{
	long long gross[2], read;

	write_every_page(at);
	gross[0] = dmirror(fd, HMM_DMIRROR_MIGRATE_TO_DEV, at, mirror);
	read = dmirror(fd, HMM_DMIRROR_READ, at, mirror);	/* what the call above did besides migrating */
	add(&f->read, read);
	add(&f->fault_back, read_every_page(at));
	gross[1] = dmirror(fd, HMM_DMIRROR_MIGRATE_TO_DEV, at, mirror);
	for (int i = 0; i < 2; i++) {
		add(&f->gross, gross[i]);
		add(&f->net, gross[i] - read);
	}
	add(&f->to_system, dmirror(fd, HMM_DMIRROR_MIGRATE_TO_SYS, at, mirror));
	check_every_page(at);
}

/* ---- ours ---- */

static long long prefetch(struct gpu *gpu, char *at, uint32_t location)
{
	long long start = now_ns();
	int error = svm_prefetch(gpu, at, BYTES, location);

	if (error)
		fail("prefetch: %s", strerror(-error));
	return now_ns() - start;
}

static void measure_ours(struct gpu *gpu, char *at, struct figures *f)
{
	write_every_page(at);
	add(&f->to_device, prefetch(gpu, at, gpu->id));
	expect_in_vram(at, BYTES);
	add(&f->fault_back, read_every_page(at));
	expect_in_ram(at, BYTES);
	add(&f->to_device, prefetch(gpu, at, gpu->id));
	add(&f->to_system, prefetch(gpu, at, 0));
	expect_in_ram(at, BYTES);
	check_every_page(at);
}

/* What migrating 256 MiB to the device costs the driver, from its counters. */
static void measure_costs(struct gpu *gpu, char *at)
{
	struct samples share = { .n = 0 }, wait = { .n = 0 }, doorbells = { .n = 0 }, traps = { .n = 0 };

	for (int i = 0; i < REPEATS; i++) {
		struct stats s;
		double ns;

		write_every_page(at);
		stats_read(&s, 0);
		prefetch(gpu, at, gpu->id);
		ns = stats_since(&s, "migrate_ns");
		add(&share, stats_since(&s, "migrate_core_mm_ns") / ns);
		add(&wait, stats_since(&s, "migrate_sdma_wait_ns") / ns);
		add(&doorbells, (double)stats_since(&s, "doorbells") / GRANULES);
		add(&traps, (double)stats_since(&s, "sdma_traps") / GRANULES);
		read_every_page(at);
	}
	report("core_mm_share", "1", median(&share), 0.7, "bound", "higher", "1");
	report("sdma_wait_share", "1", median(&wait), -1, "", "lower", "");
	report("doorbells_per_2m", "1", median(&doorbells), 1, "bound", "lower", "1");
	report("interrupts_per_2m", "1", median(&traps), 1, "bound", "lower", "1");
}

static void emit_timestamp(struct queue *q, void *at)
{
	uint32_t p[HGPU_SDMA_TIMESTAMP_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_TIMESTAMP, HGPU_SDMA_SUBOP_TIMESTAMP_GET_GLOBAL),
		(uint32_t)(uintptr_t)at, (uint32_t)((uintptr_t)at >> 32),
	};

	queue_emit(q, p, HGPU_SDMA_TIMESTAMP_DW);
}

/* From the GPU's first try to its success, by the GPU's own clock: interrupt, driver, 2 MiB copied, replay. */
static void measure_fault_latency(struct gpu *gpu, char *at)
{
	struct samples us = { .n = 0 };
	volatile uint64_t *stamp;
	struct queue q;
	struct bo bo;

	queue_create(&q, gpu, 64 << 10);
	bo_create(&bo, gpu, PAGE);
	stamp = bo.at;
	write_every_page(at);
	for (size_t granule = 0; granule < GRANULES; granule++) {
		emit_timestamp(&q, (void *)&stamp[0]);
		queue_write32(&q, at + granule * GRANULE, granule);
		emit_timestamp(&q, (void *)&stamp[1]);
		queue_run(&q);
		add(&us, (stamp[1] - stamp[0]) * (1e6 / HGPU_GPU_CLOCK_HZ));
	}
	expect_in_vram(at, BYTES);
	report("gpu_fault_replay_p50", "us", percentile(&us, 50), -1, "", "lower", "");
	report("gpu_fault_replay_p99", "us", percentile(&us, 99), -1, "", "lower", "");
	queue_destroy(&q);
	bo_destroy(&bo);
	read_every_page(at);
}

static void measure_memcpy(char *dst, char *src)
{
	struct samples ns = { .n = 0 };

	for (int i = 0; i < REPEATS; i++) {
		long long start = now_ns();

		memcpy(dst, src, BYTES);
		add(&ns, now_ns() - start);
	}
	report("guest_memcpy_256m", "MB/s", mb_per_s(median(&ns)), -1, "", "higher", "");
}

static void compare(const char *suffix, int repeats, struct gpu *gpu, int fd, char *at, char *mirror,
		    const char *const target[3])
{
	struct figures hmm = { 0 }, ours = { 0 };
	char name[64];

	for (int i = 0; i < repeats; i++) {
		measure_test_hmm(fd, at, mirror, &hmm);
		measure_ours(gpu, at, &ours);
	}
	snprintf(name, sizeof(name), "migrate_to_device_%s", suffix);
	report(name, "MB/s", mb_per_s(median(&ours.to_device)), mb_per_s(median(&hmm.net)), "test_hmm net", "higher", target[0]);
	snprintf(name, sizeof(name), "cpu_fault_back_%s", suffix);
	report(name, "MB/s", mb_per_s(median(&ours.fault_back)), mb_per_s(median(&hmm.fault_back)), "test_hmm", "higher", target[1]);
	snprintf(name, sizeof(name), "migrate_back_%s", suffix);
	report(name, "MB/s", mb_per_s(median(&ours.to_system)), mb_per_s(median(&hmm.to_system)), "test_hmm", "higher", target[2]);
	snprintf(name, sizeof(name), "test_hmm_migrate_ioctl_%s", suffix);
	report(name, "MB/s", -1, mb_per_s(median(&hmm.gross)), "test_hmm gross", "higher", "");
	snprintf(name, sizeof(name), "test_hmm_read_%s", suffix);
	report(name, "MB/s", -1, mb_per_s(median(&hmm.read)), "test_hmm", "higher", "");
}

int main(void)
{
	static const char *const targets[] = { "1.5", "2.5", "1" }, *const none[] = { "", "", "" };
	char *at = buffer(MADV_NOHUGEPAGE), *mirror = buffer(MADV_NOHUGEPAGE), *huge;
	int fd = load_test_hmm();
	struct gpu gpu;

	gpu_open(&gpu, 0);
	measure_memcpy(mirror, at);
	compare("4k_256m", REPEATS, &gpu, fd, at, mirror, targets);
	measure_costs(&gpu, at);
	measure_fault_latency(&gpu, at);
	munmap(at, BYTES);
	let_khugepaged_sleep();
	huge = buffer(MADV_HUGEPAGE);
	compare("2m_256m", HUGE_REPEATS, &gpu, fd, huge, mirror, none);
	munmap(huge, BYTES);
	munmap(mirror, BYTES);
	gpu_close(&gpu);
	measure_virgl();
	return 0;
}
