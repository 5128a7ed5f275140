// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Several GPUs in one machine: nodes, queues and buffers of each, and one that is taken away.
 *
 * RUN-DEFAULT: --gpus 3 --vram 64M
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed0009u
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"
#define NODES "/sys/devices/virtual/kfd/kfd/topology/nodes"

static unsigned long property(unsigned int node, const char *name)
{
	char path[128], key[64];
	unsigned long value, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), NODES "/%u/properties", node);
	f = fopen(path, "r");
	expect(f, "%s: %s", path, strerror(errno));
	while (fscanf(f, "%63s %lu", key, &value) == 2)
		if (!strcmp(key, name))
			found = value;
	fclose(f);
	return found;
}

static void every_gpu_has_a_node(void)
{
	struct gpu gpu[3];

	expect_int(gpu_count(), ==, 3);
	expect_int(property(0, "io_links_count"), ==, 3);
	for (unsigned int i = 0; i < 3; i++) {
		gpu_open(&gpu[i], i);
		expect_int(gpu[i].node, ==, i + 1);
		for (unsigned int k = 0; k < i; k++)
			expect(gpu[i].id != gpu[k].id && property(i + 1, "location_id") != property(k + 1, "location_id"),
			       "GPUs %u and %u are the same", i, k);
	}
}

static void queues_of_all_gpus_work_at_once(void)
{
	size_t bytes = tap_size(4 * MIB, 2 * MIB + PAGE);
	struct queue q[3];
	struct gpu gpu[3];
	char *buf[3];

	gpu_open_all(gpu, 3);
	for (unsigned int i = 0; i < 3; i++) {
		buf[i] = map_anon(2 * bytes);
		pattern_fill(buf[i], bytes, SEED + i);
		queue_create(&q[i], &gpu[i], 64 << 10);
		queue_copy(&q[i], buf[i] + bytes, buf[i], bytes);
		queue_submit(&q[i]);
	}
	for (unsigned int i = 0; i < 3; i++) {
		queue_wait(&q[i]);
		pattern_check(buf[i] + bytes, bytes, SEED + i);
		pattern_check(buf[i], bytes, SEED + i);
		queue_destroy(&q[i]);
	}
}

/* MAP on GPUs 0 to *n - 1. 0 or -errno; @n becomes how far it came. */
static int map_on(struct gpu gpu[3], uint64_t handle, uint32_t *n)
{
	uint32_t ids[3] = { gpu[0].id, gpu[1].id, gpu[2].id };
	struct kfd_ioctl_map_memory_to_gpu_args map = {
		.handle = handle, .n_devices = *n, .device_ids_array_ptr = (uintptr_t)ids };
	int error = kfd_ioctl(&gpu[0], AMDKFD_IOC_MAP_MEMORY_TO_GPU, &map);

	*n = map.n_success;
	return error;
}

static void vram_and_doorbells_of_another_gpu_are_not_mapped(void)
{
	static const struct { uint32_t flag; size_t size; } kinds[] = {
		{ KFD_IOC_ALLOC_MEM_FLAGS_VRAM, PAGE }, { KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL, 8192 } };
	struct gpu gpu[3];

	gpu_open_all(gpu, 3);
	for (unsigned int i = 0; i < 2; i++) {
		struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
		uint32_t n = 2;

		expect_int(gpu_alloc(&gpu[0], map_anon(8192), kinds[i].size, kinds[i].flag, &a), ==, 0);
		expect_int(map_on(gpu, a.handle, &n), ==, -EINVAL);
		expect_int(n, ==, 1);		/* how far it came */
		expect_int(gpu_unmap(&gpu[0], a.handle), ==, 0);
		expect_int(gpu_free(&gpu[0], a.handle), ==, 0);
	}
}

/* Each GPU reads and writes what is mapped on all. */
static void all_work_in(struct gpu gpu[3], char *at, size_t bytes)
{
	struct queue q;

	for (unsigned int i = 0; i < 3; i++) {
		char *copy = map_anon(bytes);

		queue_create(&q, &gpu[i], 4096);
		pattern_fill(at, bytes, SEED + i);
		queue_copy(&q, copy, at, bytes);
		queue_fill(&q, at, i, bytes);
		queue_run(&q);
		pattern_check(copy, bytes, SEED + i);
		value_check(at, bytes, i);
		queue_destroy(&q);
		munmap(copy, bytes);
	}
}

/* System memory, the buffer's or the process's, is everybody's. */
static void system_memory_is_mapped_on_all_gpus(void)
{
	size_t bytes = 3 * MIB + PAGE;
	struct gpu gpu[3];

	gpu_open_all(gpu, 3);
	for (unsigned int user = 0; user < 2; user++) {
		struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
		char *at = map_anon(bytes);
		uint32_t n = 3;

		a.mmap_offset = user ? (uintptr_t)at : 0;
		expect_int(gpu_alloc(&gpu[1], at, bytes, KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE |
				     (user ? KFD_IOC_ALLOC_MEM_FLAGS_USERPTR : KFD_IOC_ALLOC_MEM_FLAGS_GTT), &a), ==, 0);
		if (!user)
			expect(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, gpu[1].drm,
				    a.mmap_offset) == at, "%s", strerror(errno));
		expect_int(map_on(gpu, a.handle, &n), ==, 0);
		expect_int(n, ==, 3);
		all_work_in(gpu, at, bytes);
		expect_int(gpu_unmap(&gpu[1], a.handle), ==, 0);
		expect_int(gpu_free(&gpu[1], a.handle), ==, -EBUSY);	/* the others have it */
		expect_int(gpu_unmap(&gpu[0], a.handle), ==, 0);
		expect_int(gpu_unmap(&gpu[1], a.handle), ==, -EINVAL);
		expect_int(gpu_unmap(&gpu[2], a.handle), ==, 0);
		expect_int(gpu_free(&gpu[1], a.handle), ==, 0);
	}
}

static void work(struct gpu *gpu)
{
	char *buf = map_anon(2 * MIB);
	struct queue q;

	queue_create(&q, gpu, 4096);
	queue_fill(&q, buf, gpu->id, 2 * MIB);
	queue_run(&q);
	value_check(buf, 2 * MIB, gpu->id);
	queue_destroy(&q);
	munmap(buf, 2 * MIB);
}

/* What is wrong stops the process on that GPU alone. */
static void wrong_access_leaves_the_other_gpus(void)
{
	struct queue wrong, right;
	char *buf = map_anon(MIB);
	struct gpu gpu[3];

	gpu_open_all(gpu, 3);
	queue_create(&wrong, &gpu[0], 4096);
	queue_create(&right, &gpu[1], 4096);
	queue_write32(&wrong, (void *)0x240000000000, 0xbad);
	queue_run_into_fault(&wrong);
	queue_fill(&right, buf, 7, MIB);
	queue_run(&right);
	value_check(buf, MIB, 7);
	work(&gpu[1]);
	work(&gpu[2]);
	queue_destroy(&wrong);
	queue_destroy(&right);
}

/* Memory goes from GPU to GPU through RAM; each tells of its own part. */
static void each_gpu_tells_its_own_events(void)
{
	char *buf = map_anon(MIB);
	struct smi_event e;
	struct gpu gpu[3];
	int fd[3];

	gpu_open_all(gpu, 3);
	for (unsigned int i = 0; i < 3; i++)
		fd[i] = smi_open(&gpu[i], SMI_MIGRATE);
	expect_int(svm_prefetch(&gpu[0], buf, MIB, gpu[0].id), ==, 0);
	smi_next(fd[0], KFD_SMI_EVENT_MIGRATE_START);
	smi_next(fd[0], KFD_SMI_EVENT_MIGRATE_END);
	expect_int(svm_prefetch(&gpu[0], buf, MIB, gpu[1].id), ==, 0);
	e = smi_next(fd[0], KFD_SMI_EVENT_MIGRATE_START);
	expect_int(e.from, ==, gpu[0].id);
	expect_int(e.to, ==, 0);
	expect_int(e.prefetch, ==, gpu[1].id);
	smi_next(fd[0], KFD_SMI_EVENT_MIGRATE_END);
	e = smi_next(fd[1], KFD_SMI_EVENT_MIGRATE_START);
	expect_int(e.from, ==, 0);
	expect_int(e.to, ==, gpu[1].id);
	smi_next(fd[1], KFD_SMI_EVENT_MIGRATE_END);
	for (unsigned int i = 0; i < 3; i++)
		smi_expect_nothing(fd[i]);
}

/*
 * Without a hive a GPU reaches no other's VRAM: what it is to use in place comes to RAM, all of it at once and not
 * page by page by CPU faults.
 */
static void in_place_memory_of_another_gpu_goes_to_ram(void)
{
	struct kfd_ioctl_svm_attribute attr = { KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, 0 };
	char *buf = map_anon(4 * MIB), *copy = map_anon(4 * MIB);
	struct stats before, now;
	struct gpu gpu[3];
	struct queue q;

	gpu_open_all(gpu, 3);
	queue_create(&q, &gpu[0], 64 << 10);
	pattern_fill(buf, 4 * MIB, SEED);
	expect_int(svm_prefetch(&gpu[0], buf, 4 * MIB, gpu[1].id), ==, 0);
	expect_in_vram(buf, 4 * MIB);
	attr.value = gpu[0].id;
	expect_int(svm_set_attr(&gpu[0], buf, 4 * MIB, 1, &attr), ==, 0);
	stats_read(&before, 1);
	queue_copy(&q, copy, buf, 4 * MIB);
	queue_run(&q);
	stats_read(&now, 1);
	expect_in_ram(buf, 4 * MIB);
	expect_int(stats_get(&now, "pages_to_ram") - stats_get(&before, "pages_to_ram"), ==, 4 * MIB / PAGE);
	expect_int(stats_get(&now, "cpu_faults") - stats_get(&before, "cpu_faults"), ==, 0);
	pattern_check(copy, 4 * MIB, SEED);
	/* and a prefetch does not take it away again */
	expect_int(svm_prefetch(&gpu[0], buf, 4 * MIB, gpu[1].id), ==, 0);
	expect_in_ram(buf, 4 * MIB);
	queue_destroy(&q);
}

static void open_and_work(void *arg)
{
	struct gpu gpu;

	gpu_open(&gpu, *(unsigned int *)arg);
	work(&gpu);
}

static void unbound_gpu_leaves_the_others_alone(void)
{
	struct kfd_ioctl_svm_attribute get = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };
	struct kfd_ioctl_get_available_memory_args available = { 0 };
	char address[16], *buf = map_anon(4 * MIB);
	struct gpu gpu[3];
	unsigned int last = 2;
	struct queue q;

	gpu_pci_address(1, address);	/* the one in the middle */
	gpu_open_all(gpu, 3);
	queue_create(&q, &gpu[1], 4096);
	pattern_fill(buf, 4 * MIB, SEED);
	expect_int(svm_prefetch(&gpu[1], buf, 4 * MIB, gpu[1].id), ==, 0);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);

	expect_in_ram(buf, 4 * MIB);
	pattern_check(buf, 4 * MIB, SEED);
	expect_int(gpu_count(), ==, 2);		/* nodes are contiguous again */
	expect_int(property(0, "io_links_count"), ==, 2);
	available.gpu_id = gpu[1].id;
	expect_int(kfd_ioctl(&gpu[0], AMDKFD_IOC_AVAILABLE_MEMORY, &available), ==, -ENODEV);
	expect_int(svm_get_attr(&gpu[0], buf, 4 * MIB, 1, &get), ==, 0);
	work(&gpu[0]);
	work(&gpu[2]);

	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	expect_int(gpu_count(), ==, 3);
	/* A process sees the GPUs that were there when it came; the next one sees them all. */
	work(&gpu[0]);
	tap_join(tap_fork(open_and_work, &last));
}

/* A GPU that goes takes its buffers along, also from under the queues of others. */
static void unbound_gpu_takes_its_buffers_from_the_others(void)
{
	struct bo bos[3];
	char address[16];
	struct gpu gpu[3];
	uint32_t n = 3;
	struct queue q;

	gpu_pci_address(1, address);
	gpu_open_all(gpu, 3);
	bo_create(&bos[0], &gpu[1], 4096);	/* goes, and GPU 0 has it */
	bo_create(&bos[1], &gpu[1], 4096);
	bo_create(&bos[2], &gpu[0], MIB);	/* stays, and the GPU that goes has it */
	memset(bos[1].at, 0, 4096);
	for (unsigned int i = 0; i < 3; i++, n = 3)
		expect_int(map_on(gpu, bos[i].handle, &n), ==, 0);
	expect_int(queue_create_in(&q, &gpu[0], &bos[0], &bos[1]), ==, 0);
	queue_nop(&q);
	queue_run(&q);
	expect_int(gpu_unmap(&gpu[0], bos[0].handle), ==, -EBUSY);

	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_int(gpu_unmap(&gpu[0], bos[0].handle), ==, -ENODEV);
	queue_nop(&q);	/* in a ring that is not there any more */
	queue_submit(&q);
	queue_leave(&q);
	work(&gpu[0]);
	expect_int(gpu_unmap(&gpu[2], bos[2].handle), ==, 0);
	bo_destroy(&bos[2]);	/* nobody else has it any more */
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
}

static void unbinding_while_others_work(void)
{
	unsigned int index[3] = { 0, 1, 2 };
	char address[3][16];
	int pids[3];

	for (unsigned int i = 0; i < 3; i++)
		gpu_pci_address(i, address[i]);
	for (unsigned int round = 0; round < tap_rounds(3); round++) {
		/* GPU 0 stays; of the others one goes and comes */
		pids[0] = tap_fork(open_and_work, &index[0]);
		expect_int(write_text(DRIVER "/unbind", address[1 + round % 2]), ==, 0);
		pids[1] = tap_fork(open_and_work, &index[0]);
		expect_int(write_text(DRIVER "/bind", address[1 + round % 2]), ==, 0);
		tap_join(pids[0]);
		tap_join(pids[1]);
	}
	for (unsigned int i = 0; i < 3; i++)
		pids[i] = tap_fork(open_and_work, &index[i]);
	for (unsigned int i = 0; i < 3; i++)
		tap_join(pids[i]);
}

static const struct tap_test tests[] = {
	TAP_TEST(every_gpu_has_a_node),
	TAP_TEST(queues_of_all_gpus_work_at_once),
	TAP_TEST(vram_and_doorbells_of_another_gpu_are_not_mapped),
	TAP_TEST(system_memory_is_mapped_on_all_gpus),
	TAP_TEST(wrong_access_leaves_the_other_gpus),
	TAP_TEST(each_gpu_tells_its_own_events),
	TAP_TEST(in_place_memory_of_another_gpu_goes_to_ram),
	TAP_TEST(unbound_gpu_leaves_the_others_alone),
	TAP_TEST(unbound_gpu_takes_its_buffers_from_the_others),
	TAP_TEST(unbinding_while_others_work),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
