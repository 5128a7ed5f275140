// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KFD's interface beside faults: topology, buffers, and what queues go through - disabled, moved to
 * another ring, stopped in the middle of a packet, lost in a reset.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_regs.h"
#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0007u
#define TOPOLOGY "/sys/devices/virtual/kfd/kfd/topology"
#define MEMORY "/sys/kernel/debug/hmm_gpu/memory"

static struct gpu gpu;
static struct queue q;

#define kfd(request, ...) kfd_ioctl(&gpu, request, &(__VA_ARGS__))

/* ---- questions ---- */

static long read_number(const char *path, const char *name)
{
	char key[64];
	long value = -1, v;
	FILE *f = fopen(path, "r");

	expect(f, "%s: %s", path, strerror(errno));
	if (!name && fscanf(f, "%ld", &v) == 1)
		value = v;
	while (name && fscanf(f, "%63s %ld", key, &v) == 2)
		if (!strcmp(key, name))
			value = v;
	fclose(f);
	return value;
}

static void topology_is_what_user_space_needs(void)
{
	static const char *const ones[] = { "simd_count", "simd_per_cu", "array_count", "simd_arrays_per_engine",
		"num_xcc", "mem_banks_count", "io_links_count", "num_sdma_engines", "num_sdma_queues_per_engine" };
	const char *cpu = TOPOLOGY "/nodes/0/properties", *node = TOPOLOGY "/nodes/1/properties";

	expect_int(read_number(TOPOLOGY "/generation_id", NULL), >, 0);
	expect_int(read_number(TOPOLOGY "/nodes/0/gpu_id", NULL), ==, 0);
	expect_int(read_number(cpu, "cpu_cores_count"), ==, sysconf(_SC_NPROCESSORS_ONLN));
	expect_int(read_number(cpu, "caches_count"), >=, 1);
	expect_int(read_number(cpu, "io_links_count"), ==, 1);
	expect_int(read_number(TOPOLOGY "/nodes/0/mem_banks/0/properties", "size_in_bytes"), >, 100 * MIB);

	expect_int(read_number(TOPOLOGY "/nodes/1/gpu_id", NULL), >, 0);
	expect_int(read_number(TOPOLOGY "/nodes/1/gpu_id", NULL), <=, 0xffff);
	for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++)
		expect(read_number(node, ones[i]) >= 1, "%s is %ld", ones[i], read_number(node, ones[i]));
	expect_int(read_number(node, "gfx_target_version"), ==, 90006);
	expect_int(read_number(node, "cpu_cores_count"), ==, 0);
	expect_int(read_number(node, "drm_render_minor"), >=, 128);
	expect(read_number(node, "capability") & 1l << 27, "the capability of SVM is not there");
	expect(read_number(node, "fw_version") & 0x3ff, "no firmware version");
	expect_int(read_number(TOPOLOGY "/nodes/1/io_links/0/properties", "node_from"), ==, 1);
	expect_int(read_number(TOPOLOGY "/nodes/1/io_links/0/properties", "node_to"), ==, 0);
	expect(access(TOPOLOGY "/nodes/2", F_OK), "there is a node too many");
}

static void version_promises_svm_and_no_more(void)
{
	struct kfd_ioctl_get_version_args v = { 0 };

	gpu_open(&gpu, 0);
	expect_int(kfd(AMDKFD_IOC_GET_VERSION, v), ==, 0);
	expect_int(v.major_version, ==, 1);
	expect_int(v.minor_version, ==, 10);
}

static void apertures_are_those_of_a_discrete_gpu(void)
{
	struct kfd_process_device_apertures a[2] = { 0 };
	struct kfd_ioctl_get_process_apertures_new_args new = { .kfd_process_device_apertures_ptr = (uintptr_t)a };
	struct kfd_ioctl_get_process_apertures_args old = { 0 };

	gpu_open(&gpu, 0);
	expect_int(kfd(AMDKFD_IOC_GET_PROCESS_APERTURES_NEW, new), ==, 0);
	expect_int(new.num_of_nodes, ==, 1);	/* asked with 0: how many? */
	new.num_of_nodes = 2;			/* the thunk passes the number of nodes */
	expect_int(kfd(AMDKFD_IOC_GET_PROCESS_APERTURES_NEW, new), ==, 0);
	expect_int(new.num_of_nodes, ==, 1);
	expect_int(a[0].gpu_id, ==, gpu.id);
	expect_int(a[0].gpuvm_limit, ==, (1ul << 47) - 1);
	expect_int(a[0].lds_base, ==, 1ul << 48);
	expect_int(a[0].scratch_base, ==, 2ul << 48);
	expect_int(a[1].gpu_id, ==, 0);
	expect_int(kfd(AMDKFD_IOC_GET_PROCESS_APERTURES, old), ==, 0);
	expect_int(old.num_of_nodes, ==, 1);
	expect(!memcmp(&old.process_apertures[0], &a[0], sizeof(a[0])), "old and new disagree");
	new.num_of_nodes = 1;
	new.kfd_process_device_apertures_ptr = 0x1000;
	expect_int(kfd(AMDKFD_IOC_GET_PROCESS_APERTURES_NEW, new), ==, -EFAULT);
}

static void clocks_go_on(void)
{
	struct kfd_ioctl_get_clock_counters_args a = { 0 }, b = { 0 };

	gpu_open(&gpu, 0);
	a.gpu_id = b.gpu_id = gpu.id;
	expect_int(kfd(AMDKFD_IOC_GET_CLOCK_COUNTERS, a), ==, 0);
	nap_us(20000);
	expect_int(kfd(AMDKFD_IOC_GET_CLOCK_COUNTERS, b), ==, 0);
	expect_int(b.gpu_clock_counter, >, a.gpu_clock_counter);
	expect_int(b.system_clock_counter - a.system_clock_counter, >=, 20000000);
	expect_int(b.system_clock_freq, ==, 1000000000);
	a.gpu_id = 0;	/* a node without a GPU has clocks too, but none of a GPU */
	expect_int(kfd(AMDKFD_IOC_GET_CLOCK_COUNTERS, a), ==, 0);
	expect_int(a.gpu_clock_counter, ==, 0);
}

static void xnack_is_on_until_switched_off(void)
{
	struct kfd_ioctl_set_xnack_mode_args x = { .xnack_enabled = -1 };

	gpu_open(&gpu, 0);
	expect_int(kfd(AMDKFD_IOC_SET_XNACK_MODE, x), ==, 0);
	expect_int(x.xnack_enabled, ==, 1);
	x.xnack_enabled = 0;
	expect_int(kfd(AMDKFD_IOC_SET_XNACK_MODE, x), ==, 0);
	x.xnack_enabled = -1;
	expect_int(kfd(AMDKFD_IOC_SET_XNACK_MODE, x), ==, 0);
	expect_int(x.xnack_enabled, ==, 0);
	x.xnack_enabled = 1;
	expect_int(kfd(AMDKFD_IOC_SET_XNACK_MODE, x), ==, 0);
	expect_int(x.xnack_enabled, ==, 1);
}

/* ---- buffers ---- */

#define VRAM (KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)
#define AQL (KFD_IOC_ALLOC_MEM_FLAGS_GTT | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE | KFD_IOC_ALLOC_MEM_FLAGS_AQL_QUEUE_MEM)

static int alloc_at(void *at, size_t size, uint32_t flags, struct kfd_ioctl_alloc_memory_of_gpu_args *a)
{
	a->mmap_offset = 0;
	return gpu_alloc(&gpu, at, size, flags, a);
}

static int map_to_gpu(uint64_t handle, bool on)
{
	return on ? gpu_map(&gpu, handle) : gpu_unmap(&gpu, handle);
}

static int free_handle(uint64_t handle)
{
	return gpu_free(&gpu, handle);
}

/* VRAM that CPU and GPU see, at a 2 MiB boundary, so that large entries are used. */
static void vram_buffer_is_used_by_cpu_and_gpu(void)
{
	size_t bytes = 6 * MIB + 5 * PAGE;
	struct kfd_ioctl_alloc_memory_of_gpu_args a;
	char *at = map_anon(8 * MIB), *copy = map_anon(8 * MIB);

	gpu_and_queue(&gpu, &q);
	munmap(at, 8 * MIB);
	expect_int(alloc_at(at, bytes, VRAM | KFD_IOC_ALLOC_MEM_FLAGS_PUBLIC, &a), ==, 0);
	expect(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, gpu.drm, a.mmap_offset) == at, "%s",
	       strerror(errno));
	expect_int(map_to_gpu(a.handle, true), ==, 0);
	value_check(at, bytes, 0);	/* somebody else's before */
	pattern_fill(at, bytes, SEED);
	queue_copy(&q, copy, at, bytes);
	queue_fill(&q, at + PAGE, 0x77, 3 * MIB);
	queue_run(&q);
	pattern_check(copy, bytes, SEED);
	value_check(at + PAGE, 3 * MIB, 0x77);
	expect_int(free_handle(a.handle), ==, -EBUSY);	/* still mapped */
	expect_int(map_to_gpu(a.handle, true), ==, 0);	/* twice is once */
	expect_int(map_to_gpu(a.handle, false), ==, 0);
	expect_int(map_to_gpu(a.handle, false), ==, -EINVAL);
	munmap(at, bytes);
	expect_int(free_handle(a.handle), ==, 0);
	expect_int(free_handle(a.handle), ==, -EINVAL);
	queue_destroy(&q);
}

static void vram_that_is_not_public_maps_without_access(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a;
	char *at = map_anon(PAGE);

	gpu_open(&gpu, 0);
	expect_int(alloc_at(at, PAGE, VRAM, &a), ==, 0);	/* the thunk's EOP buffer */
	expect(mmap(at, PAGE, PROT_NONE, MAP_SHARED | MAP_FIXED, gpu.drm, a.mmap_offset) == at, "%s", strerror(errno));
	expect_int(free_handle(a.handle), ==, 0);
}

/* How the thunk really maps it. There is no private copy to be had, so it never becomes writable. */
static void vram_maps_privately_without_access(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a;
	char *at = map_anon(PAGE);

	gpu_open(&gpu, 0);
	expect_int(alloc_at(at, PAGE, VRAM, &a), ==, 0);
	expect(mmap(at, PAGE, PROT_NONE, MAP_PRIVATE | MAP_FIXED, gpu.drm, a.mmap_offset) == at, "%s", strerror(errno));
	expect(mprotect(at, PAGE, PROT_READ | PROT_WRITE) && errno == EACCES, "a private mapping became writable");
	expect_int(map_to_gpu(a.handle, true), ==, 0);
	expect_int(map_to_gpu(a.handle, false), ==, 0);
	expect(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, gpu.drm, a.mmap_offset) == MAP_FAILED && errno == EINVAL,
	       "a private mapping that can be read");
	munmap(at, PAGE);
	expect_int(free_handle(a.handle), ==, 0);
}

static void available_memory_follows_allocations(void)
{
	struct kfd_ioctl_get_available_memory_args before = { 0 }, after = { 0 };
	struct kfd_ioctl_alloc_memory_of_gpu_args a;

	gpu_open(&gpu, 0);
	before.gpu_id = after.gpu_id = gpu.id;
	expect_int(kfd(AMDKFD_IOC_AVAILABLE_MEMORY, before), ==, 0);
	expect_int(before.available, >, 8 * MIB);
	expect_int(before.available, <, gpu.vram);
	expect_int(alloc_at((void *)0x200000000000, 4 * MIB, VRAM, &a), ==, 0);
	expect_int(kfd(AMDKFD_IOC_AVAILABLE_MEMORY, after), ==, 0);
	expect_int(before.available - after.available, ==, 4 * MIB);
}

static void more_than_there_is_gives_enomem(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a;
	void *at = (void *)0x200000000000;

	gpu_open(&gpu, 0);
	expect_int(alloc_at(at, gpu.vram, VRAM, &a), ==, -ENOMEM);
	expect_int(alloc_at(at, 1ul << 40, VRAM, &a), ==, -ENOMEM);
	expect_int(alloc_at(at, 1ul << 40, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, -ENOMEM);
	expect_int(alloc_at(at, PAGE, VRAM, &a), ==, 0);	/* the address is not taken */
}

/* As KFD has it: counted, and never mapped. */
static void vram_without_an_address_is_not_mapped(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a, b;

	gpu_open(&gpu, 0);
	expect_int(alloc_at(NULL, 4 * MIB, VRAM, &a), ==, 0);
	expect_int(alloc_at(NULL, 4 * MIB, VRAM, &b), ==, 0);	/* is no address */
	expect_int(map_to_gpu(a.handle, true), ==, -EINVAL);
	expect_int(map_to_gpu(a.handle, false), ==, -EINVAL);
	expect_int(alloc_at(NULL, MIB, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &b), ==, -EINVAL);
	expect_int(free_handle(a.handle), ==, 0);
}

/* A ring of AQL packets may be read beyond its end: that is its beginning again. */
static void aql_ring_is_seen_twice(void)
{
	size_t bytes = 8 * PAGE, all = 2 * bytes;
	struct kfd_ioctl_alloc_memory_of_gpu_args a;
	char *at = map_anon(all), *copy;
	struct bo bo;

	gpu_and_queue(&gpu, &q);
	bo_create(&bo, &gpu, all);
	copy = bo.at;
	munmap(at, all);
	expect_int(alloc_at(at, all, AQL, &a), ==, 0);
	expect_int(named_value(MEMORY, "gtt"), >=, bytes);
	expect(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, gpu.drm, a.mmap_offset) == at, "%s",
	       strerror(errno));
	expect_int(map_to_gpu(a.handle, true), ==, 0);
	pattern_fill(at, bytes, SEED);
	queue_copy(&q, copy, at, all);
	queue_run(&q);
	pattern_check(copy, bytes, SEED);
	pattern_check(copy + bytes, bytes, SEED);
	expect_int(map_to_gpu(a.handle, false), ==, 0);
	expect_int(free_handle(a.handle), ==, 0);
	expect_int(alloc_at(at, 3 * PAGE, AQL, &a), ==, -EINVAL);
}

/* Pages that the kernel has handed out since boot. */
static uint64_t pages_allocated(void)
{
	char name[64];
	uint64_t value, sum = 0;
	FILE *f = fopen("/proc/vmstat", "r");

	expect(f, "/proc/vmstat: %s", strerror(errno));
	while (fscanf(f, "%63s %lu", name, &value) == 2)
		if (!strncmp(name, "pgalloc_", 8))
			sum += value;
	fclose(f);
	expect_int(sum, >, 0);
	return sum;
}

/* System memory in buffers is limited, and counts until nobody can reach it any more. */
static void freed_buffer_counts_while_it_is_mapped(void)
{
	size_t left = named_value(MEMORY, "limit") - named_value(MEMORY, "used");
	size_t piece = left / 8 / PAGE * PAGE, rest = left / PAGE * PAGE - 4 * piece + PAGE;
	struct kfd_ioctl_alloc_memory_of_gpu_args a;
	char *at = (char *)0x200000000000, *maps[4];
	uint64_t before;

	expect_int(left, <, named_value(MEMORY, "ttm_limit"));	/* which is not what this is about */
	gpu_open(&gpu, 0);
	for (int i = 0; i < 4; i++) {
		expect_int(alloc_at(at, piece, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, 0);
		maps[i] = mmap(NULL, piece, PROT_READ | PROT_WRITE, MAP_SHARED, gpu.drm, a.mmap_offset);
		expect(maps[i] != MAP_FAILED, "%s", strerror(errno));
		expect_int(free_handle(a.handle), ==, 0);
		*maps[i] = i + 1;	/* it is still there */
	}
	before = pages_allocated();
	expect_int(alloc_at(at, rest, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, -ENOMEM);
	/* refused, not tried until memory was short */
	expect_int(pages_allocated() - before, <, rest / PAGE / 4);
	for (int i = 0; i < 4; i++) {
		expect_int(*maps[i], ==, i + 1);
		munmap(maps[i], piece);
	}
	expect_int(named_value(MEMORY, "gtt"), ==, 0);
	expect_int(alloc_at(at, rest, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, 0);
	expect_int(named_value(MEMORY, "gtt"), ==, rest);
	expect_int(free_handle(a.handle), ==, 0);
}

static void addresses_belong_to_one_buffer_or_to_svm(void)
{
	struct kfd_ioctl_svm_attribute keep = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 5 };
	struct kfd_ioctl_alloc_memory_of_gpu_args a, b;
	char *at = map_anon(4 * MIB), *svm = map_anon(4 * MIB);

	gpu_open(&gpu, 0);
	expect_int(alloc_at(at, MIB, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, 0);
	expect_int(alloc_at(at + MIB - PAGE, MIB, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &b), ==, -EADDRINUSE);
	expect_int(alloc_at(at + MIB, MIB, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &b), ==, 0);
	expect_int(svm_set_attr(&gpu, svm, MIB, 1, &keep), ==, 0);
	expect_int(alloc_at(svm + MIB - PAGE, MIB, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &b), ==, -EADDRINUSE);
}

/* The thunk frees registered memory and has the address in a buffer the next moment. */
static void address_is_free_as_soon_as_it_is_unmapped(void)
{
	struct kfd_ioctl_svm_attribute keep = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 5 };
	char *at = map_anon(4 * MIB);
	struct kfd_ioctl_alloc_memory_of_gpu_args a;

	gpu_open(&gpu, 0);
	for (unsigned int i = 0; i < tap_rounds(300); i++) {
		munmap(at, 4 * MIB);
		expect(mmap(at, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at, "%s",
		       strerror(errno));
		expect_int(svm_set_attr(&gpu, at, MIB, 1, &keep), ==, 0);
		munmap(at + (i % 2) * MIB / 2, MIB / 2);	/* half of a range, either one */
		expect_int(alloc_at(at + (i % 2) * MIB / 2, MIB / 2, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, 0);
		expect_int(free_handle(a.handle), ==, 0);
		munmap(at, MIB);
		expect_int(alloc_at(at, MIB, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, 0);
		expect_int(free_handle(a.handle), ==, 0);
	}
}

static void map_foreign_buffer(void *arg)
{
	struct gpu mine;
	void *at;

	gpu_open(&mine, 0);	/* a DRM file of its own */
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, mine.drm, *(uint64_t *)arg);
	expect(at == MAP_FAILED, "another process's buffer can be mapped");
}

static void buffers_are_not_mapped_by_others(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a;

	gpu_open(&gpu, 0);
	expect_int(alloc_at(map_anon(PAGE), PAGE, KFD_IOC_ALLOC_MEM_FLAGS_GTT, &a), ==, 0);
	tap_join(tap_fork(map_foreign_buffer, &a.mmap_offset));
	expect(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, gpu.drm, a.mmap_offset) != MAP_FAILED, "%s", strerror(errno));
}

/* The address space belongs to the process: a DRM file that is closed is replaced by the next. */
static void vm_is_acquired_again_with_another_file(void)
{
	struct kfd_ioctl_acquire_vm_args acquire;
	struct bo bo;
	char path[64];
	int other;

	gpu_open(&gpu, 0);
	bo_create(&bo, &gpu, 4 * PAGE);
	pattern_fill(bo.at, bo.size, SEED);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", gpu.drm);
	other = open(path, O_RDWR);
	/* a mapping holds its file; the address stays taken */
	expect(mmap(bo.at, bo.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == bo.at, "%s", strerror(errno));
	close(gpu.drm);
	acquire = (struct kfd_ioctl_acquire_vm_args){ .drm_fd = other, .gpu_id = gpu.id };
	expect_int(kfd(AMDKFD_IOC_ACQUIRE_VM, acquire), ==, 0);
	gpu.drm = other;
	queue_create(&q, &gpu, 4096);
	queue_fill(&q, (char *)bo.at + PAGE, 9, PAGE);
	queue_run(&q);
}

static void doorbells_are_shared_or_refused(void)
{
	uint64_t offset;

	gpu_and_queue(&gpu, &q);
	offset = 3ull << 62 | (uint64_t)gpu.id << 46;
	expect(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, gpu.kfd, offset) == MAP_FAILED,
	       "a private mapping of doorbells");
}

/* ---- queues ---- */

static int update_queue(void *ring, size_t size, unsigned int percent)
{
	return kfd(AMDKFD_IOC_UPDATE_QUEUE, (struct kfd_ioctl_update_queue_args){
		.queue_id = q.id, .ring_base_address = (uintptr_t)ring, .ring_size = size,
		.queue_percentage = percent, .queue_priority = 7 });
}

static void enabled_queue_finds_what_was_written_meanwhile(void)
{
	static const struct { bool ring; unsigned int percent; } off[] = { { true, 0 }, { false, 100 } };
	char *buf = map_anon(MIB);

	gpu_and_queue(&gpu, &q);
	for (size_t i = 0; i < 2; i++) {
		expect_int(update_queue(off[i].ring ? q.ring.at : NULL, off[i].ring ? q.ring.size : 0, off[i].percent), ==, 0);
		queue_fill(&q, buf, 0x40 + i, MIB);
		queue_submit(&q);	/* nobody hears the doorbell */
		nap_us(20000);
		expect(!queue_idle(&q), "a queue that is off runs");
		expect_int(update_queue(q.ring.at, q.ring.size, 100), ==, 0);
		queue_wait(&q);
		value_check(buf, MIB, 0x40 + i);
	}
	queue_destroy(&q);
}

/* Wait in a packet for *word to become 1. */
static void queue_poll(uint32_t *word)
{
	uint32_t p[HGPU_SDMA_POLL_REGMEM_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_POLL_REGMEM, 0) |
		FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC, HGPU_SDMA_POLL_FUNC_EQ) |
		HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL,
		(uint32_t)(uintptr_t)word, (uintptr_t)word >> 32, 1, ~0u,
		FIELD_PREP(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, HGPU_SDMA_POLL_RETRY_FOREVER) | 1000,
	};

	queue_emit(&q, p, HGPU_SDMA_POLL_REGMEM_DW);
}

static void queue_stopped_in_a_packet_goes_on(void)
{
	char *buf = map_anon(MIB);
	struct bo word;

	gpu_and_queue(&gpu, &q);
	bo_create(&word, &gpu, PAGE);
	*(volatile uint32_t *)word.at = 0;
	queue_fill(&q, buf, 1, MIB);
	queue_poll(word.at);
	queue_fill(&q, buf, 2, MIB);
	queue_submit(&q);
	for (int i = 0; i < 20; i++) {	/* also before it has come there */
		expect_int(update_queue(q.ring.at, q.ring.size, i % 2 ? 100 : 0), ==, 0);
		nap_us(i * 500);
	}
	expect(!queue_idle(&q), "the queue did not wait");
	value_check(buf, MIB, 1);
	*(volatile uint32_t *)word.at = 1;
	queue_wait(&q);
	value_check(buf, MIB, 2);
	queue_destroy(&q);
}

static void queue_stopped_in_a_copy_loses_nothing(void)
{
	size_t bytes = tap_size(16 * MIB, 4 * MIB);
	char *a = map_anon(bytes), *b = map_anon(bytes);
	unsigned int stops = 0;

	gpu_and_queue(&gpu, &q);
	pattern_fill(a, bytes, SEED);
	queue_copy(&q, b, a, bytes);
	queue_submit(&q);
	while (!queue_idle(&q)) {
		expect_int(update_queue(q.ring.at, q.ring.size, 0), ==, 0);
		expect_int(update_queue(q.ring.at, q.ring.size, 100), ==, 0);
		stops++;
		nap_us(1000);
	}
	diag("stopped %u times", stops);
	pattern_check(b, bytes, SEED);
	pattern_check(a, bytes, SEED);
	queue_destroy(&q);
}

/* At whatever it was doing: copying, parked in a fault, waiting for its turn. */
static void queue_destroyed_at_any_moment_stops(void)
{
	size_t bytes = tap_size(4 * MIB, MIB);

	for (int i = 0; i < 12; i++) {
		char *buf = map_anon(bytes);

		if (i)
			queue_create(&q, &gpu, 64 << 10);
		else
			gpu_and_queue(&gpu, &q);
		queue_fill(&q, buf, i, bytes);
		queue_submit(&q);
		nap_us(i * 300);
		queue_destroy(&q);
		memset(buf, 0x55, bytes);
		nap_us(2000);
		value_check(buf, bytes, 0x55555555);	/* nothing comes after it */
		munmap(buf, bytes);
	}
}

static void queue_moves_to_a_larger_ring(void)
{
	char *buf = map_anon(MIB);
	struct bo larger, before;

	gpu_open(&gpu, 0);
	queue_create(&q, &gpu, 4096);
	for (int i = 0; i < 300; i++)	/* more than once around */
		queue_fill(&q, buf, i, PAGE);
	queue_run(&q);
	before = q.ring;
	bo_create(&larger, &gpu, 64 << 10);
	expect_int(update_queue(larger.at, larger.size, 100), ==, 0);
	bo_destroy(&before);	/* not held any more */
	q.ring = larger;
	for (int i = 0; i < 3000; i++)
		queue_fill(&q, buf, i, PAGE);
	queue_run(&q);
	value_check(buf, PAGE, 2999);
	expect_int(map_to_gpu(larger.handle, false), ==, -EBUSY);
	queue_destroy(&q);
}

static void bad_updates_leave_the_queue_as_it_is(void)
{
	char *buf = map_anon(MIB);

	gpu_and_queue(&gpu, &q);
	queue_fill(&q, buf, 1, MIB);
	queue_run(&q);
	expect_int(update_queue(q.ring.at, 3 << 12, 100), ==, -EINVAL);
	expect_int(update_queue(q.ring.at, q.ring.size, 101), ==, -EINVAL);
	expect_int(update_queue(q.ring.at, 2 * q.ring.size, 100), ==, -EFAULT);
	expect_int(update_queue((void *)0x10000, q.ring.size, 100), ==, -EFAULT);
	expect_int(update_queue((char *)q.ring.at + 4, 4096, 100), ==, -EINVAL);
	expect_int(update_queue(NULL, q.ring.size, 100), ==, 0);	/* disabled, it keeps its ring */
	expect_int(gpu_unmap(&gpu, q.ring.handle), ==, -EBUSY);
	expect_int(update_queue(q.ring.at, q.ring.size, 100), ==, 0);
	queue_fill(&q, buf, 2, MIB);
	queue_run(&q);
	value_check(buf, MIB, 2);
	queue_destroy(&q);
}

static void write_pointer_beyond_the_ring_is_refused(void)
{
	struct kfd_ioctl_create_queue_args args;

	gpu_and_queue(&gpu, &q);
	args = (struct kfd_ioctl_create_queue_args){
		.gpu_id = gpu.id, .queue_type = KFD_IOC_QUEUE_TYPE_SDMA, .ring_size = 4096,
		.queue_percentage = 100, .ring_base_address = (uintptr_t)q.ring.at,
		.read_pointer_address = (uintptr_t)q.pointers.at + 64, .write_pointer_address = (uintptr_t)q.pointers.at + 72,
	};
	((volatile uint64_t *)q.pointers.at)[9] = 4100;
	expect_int(kfd(AMDKFD_IOC_CREATE_QUEUE, args), ==, -EINVAL);
	((volatile uint64_t *)q.pointers.at)[9] = 6;
	expect_int(kfd(AMDKFD_IOC_CREATE_QUEUE, args), ==, -EINVAL);
	((volatile uint64_t *)q.pointers.at)[9] = 0;
	expect_int(kfd(AMDKFD_IOC_CREATE_QUEUE, args), ==, 0);
}

/* As newer headers have it: 96 bytes, where Debian 12's are 88. */
struct create_queue_by_engine {
	struct kfd_ioctl_create_queue_args args;
	uint32_t engine, pad;
};
#define BY_ENGINE 4

static void kinds_of_queues_that_are_not_there_are_refused(void)
{
	static const struct { uint32_t type, engine; int error; } kinds[] = {
		{ 77, 0, -ENOTSUPP },
		{ KFD_IOC_QUEUE_TYPE_SDMA_XGMI, 0, -ENOMEM }, { BY_ENGINE, 2, -EINVAL },
		{ BY_ENGINE, 1, 0 }, { BY_ENGINE, 0, 0 },
	};

	gpu_and_queue(&gpu, &q);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct create_queue_by_engine c = { .engine = kinds[i].engine };

		c.args = (struct kfd_ioctl_create_queue_args){
			.gpu_id = gpu.id, .queue_type = kinds[i].type,
			.ring_size = 4096, .queue_percentage = 0, .ring_base_address = (uintptr_t)q.ring.at,
			.read_pointer_address = (uintptr_t)q.pointers.at + 64,
			.write_pointer_address = (uintptr_t)q.pointers.at + 72,
		};
		expect_int(kfd(_IOWR(AMDKFD_IOCTL_BASE, 2, struct create_queue_by_engine), c), ==, kinds[i].error);
	}
}

/* ---- fifteen address spaces ---- */

struct crowd {
	volatile uint32_t *words;	/* 0: have a queue, 1: go on, 2: were refused */
};

static void have_a_queue(void *arg)
{
	struct crowd *c = arg;
	char *buf = map_anon(MIB);
	struct kfd_ioctl_create_queue_args args;
	struct bo ring;
	int error;

	gpu_open(&gpu, 0);
	bo_create(&ring, &gpu, 8192);
	memset(ring.at, 0, ring.size);
	args = (struct kfd_ioctl_create_queue_args){
		.gpu_id = gpu.id, .queue_type = KFD_IOC_QUEUE_TYPE_SDMA, .ring_size = 4096, .queue_percentage = 100,
		.ring_base_address = (uintptr_t)ring.at, .read_pointer_address = (uintptr_t)ring.at + 4096,
		.write_pointer_address = (uintptr_t)ring.at + 4104,
	};
	error = kfd(AMDKFD_IOC_CREATE_QUEUE, args);
	expect(!error || error == -ENOSPC, "CREATE_QUEUE: %s", strerror(-error));
	__atomic_fetch_add(&c->words[error ? 2 : 0], 1, __ATOMIC_SEQ_CST);
	expect(wait_until(c->words[1], 60000), "nobody told us to go on");
	if (error)
		return;
	expect_int(kfd(AMDKFD_IOC_DESTROY_QUEUE, (struct kfd_ioctl_destroy_queue_args){ .queue_id = args.queue_id }), ==, 0);
	queue_create(&q, &gpu, 4096);
	queue_fill(&q, buf, 3, MIB);
	queue_run(&q);
	value_check(buf, MIB, 3);
}

static void sixteenth_process_with_a_queue_is_refused(void)
{
	struct crowd c = { mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
	int pids[16];

	for (int i = 0; i < 16; i++)
		pids[i] = tap_fork(have_a_queue, &c);
	expect(wait_until(c.words[0] + c.words[2] == 16, 60000), "%u have queues, %u do not", c.words[0], c.words[2]);
	expect_int(c.words[0], ==, 15);
	c.words[1] = 1;
	for (int i = 0; i < 16; i++)
		tap_join(pids[i]);
	gpu_and_queue(&gpu, &q);
}

/* ---- reset ---- */

static void reset_loses_queues_and_keeps_memory(void)
{
	char address[16], path[64], *buf = map_anon(4 * MIB);

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, 4 * MIB, SEED);
	expect_int(svm_prefetch(&gpu, buf, 4 * MIB, gpu.id), ==, 0);
	queue_nop(&q);
	queue_run(&q);
	expect_int(write_text(path, "1"), ==, 0);
	expect_in_vram(buf, 4 * MIB);
	expect_int(update_queue(q.ring.at, q.ring.size, 100), ==, -EIO);
	queue_destroy(&q);
	pattern_check(buf, 2 * MIB, SEED);
	queue_create(&q, &gpu, 4096);
	queue_fill(&q, buf, 8, 4 * MIB);
	queue_run(&q);
	value_check(buf, 4 * MIB, 8);
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(topology_is_what_user_space_needs),
	TAP_TEST(version_promises_svm_and_no_more),
	TAP_TEST(apertures_are_those_of_a_discrete_gpu),
	TAP_TEST(clocks_go_on),
	TAP_TEST(xnack_is_on_until_switched_off),
	TAP_TEST(vram_buffer_is_used_by_cpu_and_gpu),
	TAP_TEST(vram_that_is_not_public_maps_without_access),
	TAP_TEST(vram_maps_privately_without_access),
	TAP_TEST(available_memory_follows_allocations),
	TAP_TEST(more_than_there_is_gives_enomem),
	TAP_TEST(vram_without_an_address_is_not_mapped),
	TAP_TEST(aql_ring_is_seen_twice),
	TAP_TEST(freed_buffer_counts_while_it_is_mapped),
	TAP_TEST(addresses_belong_to_one_buffer_or_to_svm),
	TAP_TEST(address_is_free_as_soon_as_it_is_unmapped),
	TAP_TEST(buffers_are_not_mapped_by_others),
	TAP_TEST(vm_is_acquired_again_with_another_file),
	TAP_TEST(doorbells_are_shared_or_refused),
	TAP_TEST(enabled_queue_finds_what_was_written_meanwhile),
	TAP_TEST(queue_stopped_in_a_packet_goes_on),
	TAP_TEST(queue_stopped_in_a_copy_loses_nothing),
	TAP_TEST(queue_destroyed_at_any_moment_stops),
	TAP_TEST(queue_moves_to_a_larger_ring),
	TAP_TEST(bad_updates_leave_the_queue_as_it_is),
	TAP_TEST(write_pointer_beyond_the_ring_is_refused),
	TAP_TEST(kinds_of_queues_that_are_not_there_are_refused),
	TAP_TEST(sixteenth_process_with_a_queue_is_refused),
	TAP_TEST(reset_loses_queues_and_keeps_memory),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
