// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hostile and mistaken calls: each must fail with the right error, change nothing, and leave the GPU to
 * others. The errors are KFD's where KFD has one.
 *
 * RUN:
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hgpu_regs.h"
#include "hmm_gpu_drm.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

static struct gpu gpu;
static struct queue q;

#define refuse(error, request, ...) do { \
	int got_; \
	__typeof__(__VA_ARGS__) args_ = __VA_ARGS__; \
	got_ = kfd_ioctl(&gpu, request, &args_); \
	if (got_ != -(error)) \
		fail("%s:%d: %s gave %d (%s), expected -%s", __FILE_NAME__, __LINE__, #request, got_, \
		     strerror(-got_), #error); \
	} while (0)

/* ---- the file itself ---- */

static void unknown_numbers_are_refused(void)
{
	char big[16384] = { 0 };

	gpu_open(&gpu, 0);
	for (unsigned int nr = 0; nr < 256; nr++) {
		int got;

		/* what this interface version has: 0x01 to 0x26 */
		if (nr >= AMDKFD_COMMAND_START && nr < AMDKFD_COMMAND_END)
			continue;
		got = kfd_ioctl(&gpu, _IOC(_IOC_READ | _IOC_WRITE, AMDKFD_IOCTL_BASE, nr, 64), big);
		if (got >= 0)
			fail("ioctl number %#x gave %d", nr, got);
	}
	expect_int(kfd_ioctl(&gpu, _IOWR('X', 1, int), big), <, 0);
	gpu_works(&gpu);
}

/* Trap 1 of the contract: older and newer programs have structures of other sizes. */
static void structures_of_other_sizes_are_taken(void)
{
	struct { struct kfd_ioctl_get_version_args v; uint64_t more[16]; } large = { .more = { 1, 2, 3 } };
	uint32_t small[2] = { 0, 0x77 };

	gpu_open(&gpu, 0);
	expect_int(kfd_ioctl(&gpu, _IOC(_IOC_READ, AMDKFD_IOCTL_BASE, 1, sizeof(large)), &large), ==, 0);
	expect_int(large.v.major_version, ==, 1);
	expect_int(kfd_ioctl(&gpu, _IOC(_IOC_READ, AMDKFD_IOCTL_BASE, 1, 4), small), ==, 0);
	expect_int(small[0], ==, 1);
	expect_int(small[1], ==, 0x77);	/* beyond the size that was given */
}

static void bad_pointers_give_efault(void)
{
	static const uint32_t numbers[] = { 0x01, 0x02, 0x03, 0x05, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1e, 0x20, 0x21 };

	gpu_open(&gpu, 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		unsigned long request = _IOC(_IOC_READ | _IOC_WRITE, AMDKFD_IOCTL_BASE, numbers[i], 48);

		expect_int(kfd_ioctl(&gpu, request, NULL), ==, -EFAULT);
		expect_int(kfd_ioctl(&gpu, request, (void *)0xffff888000001000ul), ==, -EFAULT);
	}
	gpu_works(&gpu);
}

static void mmap_of_odd_offsets_is_refused(void)
{
	static const uint64_t bad[] = { 0, 0x1000, 3ull << 62, 1ull << 62, 2ull << 62, ~0xfffull };
	struct queue first;

	gpu_and_queue(&gpu, &first);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		void *at = (void *)syscall(SYS_mmap, NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, gpu.kfd, bad[i]);

		expect(at == MAP_FAILED, "mmap of /dev/kfd at %#lx gave %p", bad[i], at);
	}
	gpu_works(&gpu);
}

static void doorbells_of_other_sizes_are_refused(void)
{
	uint64_t offset = 3ull << 62;

	gpu_and_queue(&gpu, &q);
	offset |= (uint64_t)gpu.id << 46;
	for (size_t bytes = PAGE; bytes <= 16 * PAGE; bytes += PAGE) {
		void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, gpu.kfd, offset);

		expect((at != MAP_FAILED) == (bytes == HGPU_DOORBELL_SLICE_SIZE), "mmap of %zu bytes of doorbells gave %p",
		       bytes, at);
	}
}

/* ---- acquiring ---- */

static void acquire_vm_wants_a_render_node_of_ours(void)
{
	int null = open("/dev/null", O_RDWR), other;
	char path[64];

	gpu_open(&gpu, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", gpu.drm);
	other = open(path, O_RDWR);	/* a second opening of the same node is another address space */
	expect(other >= 0, "%s: %s", path, strerror(errno));
	refuse(EINVAL, AMDKFD_IOC_ACQUIRE_VM, (struct kfd_ioctl_acquire_vm_args){ .drm_fd = null, .gpu_id = gpu.id });
	refuse(EINVAL, AMDKFD_IOC_ACQUIRE_VM, (struct kfd_ioctl_acquire_vm_args){ .drm_fd = gpu.drm, .gpu_id = gpu.id + 1 });
	refuse(EBUSY, AMDKFD_IOC_ACQUIRE_VM, (struct kfd_ioctl_acquire_vm_args){ .drm_fd = other, .gpu_id = gpu.id });
	refuse(EINVAL, AMDKFD_IOC_ACQUIRE_VM, (struct kfd_ioctl_acquire_vm_args){ .drm_fd = 12345, .gpu_id = gpu.id });
	refuse(0, AMDKFD_IOC_ACQUIRE_VM, (struct kfd_ioctl_acquire_vm_args){ .drm_fd = gpu.drm, .gpu_id = gpu.id });
	gpu_works(&gpu);
}

static void xnack_mode_is_fixed_while_queues_live(void)
{
	gpu_and_queue(&gpu, &q);
	refuse(EBUSY, AMDKFD_IOC_SET_XNACK_MODE, (struct kfd_ioctl_set_xnack_mode_args){ .xnack_enabled = 1 });
	refuse(0, AMDKFD_IOC_SET_XNACK_MODE, (struct kfd_ioctl_set_xnack_mode_args){ .xnack_enabled = -1 });
	queue_destroy(&q);
	refuse(0, AMDKFD_IOC_SET_XNACK_MODE, (struct kfd_ioctl_set_xnack_mode_args){ .xnack_enabled = 1 });
}

/* ---- memory ---- */

#define GTT (KFD_IOC_ALLOC_MEM_FLAGS_GTT | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE)

static void bad_allocations_are_refused(void)
{
	static const struct { uint64_t va, size; uint32_t gpu_off, flags; } bad[] = {
		{ 0x200000000000, 0, 0, GTT },
		{ 0x200000000000, 1ull << 60, 0, GTT },
		{ 0x200000000000, ~0ull, 0, GTT },
		{ 0x200000000800, PAGE, 0, GTT },			/* not page-aligned */
		{ 1ull << 47, PAGE, 0, GTT },				/* not a user address */
		{ 0xffff888000000000, PAGE, 0, GTT },
		{ (1ull << 47) - PAGE, 2 * PAGE, 0, GTT },		/* across the end */
		{ ~0ull - PAGE + 1, PAGE, 0, GTT },
		{ 0x200000000000, PAGE, 1, GTT },			/* no such GPU */
		{ 0x200000000000, PAGE, 0, 0 },				/* no kind of memory */
		{ 0x200000000000, PAGE, 0, GTT | KFD_IOC_ALLOC_MEM_FLAGS_VRAM },
		{ 0x200000000000, PAGE, 0, KFD_IOC_ALLOC_MEM_FLAGS_DOORBELL },	/* a slice, not a page */
	};

	gpu_open(&gpu, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kfd_ioctl_alloc_memory_of_gpu_args a = {
			.va_addr = bad[i].va, .size = bad[i].size, .gpu_id = gpu.id + bad[i].gpu_off, .flags = bad[i].flags,
		};
		int got = kfd_ioctl(&gpu, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &a);

		if (got != -EINVAL && got != -ENOMEM)
			fail("bad allocation %zu gave %d (%s)", i, got, strerror(-got));
	}
	gpu_works(&gpu);
}

static void handles_of_nothing_are_refused(void)
{
	static const uint64_t bad[] = { 0, 1, ~0ull, 0x1234567800000001, 0xffffffff };
	uint32_t ids[1];
	struct bo bo;

	gpu_open(&gpu, 0);
	ids[0] = gpu.id;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refuse(EINVAL, AMDKFD_IOC_FREE_MEMORY_OF_GPU, (struct kfd_ioctl_free_memory_of_gpu_args){ .handle = bad[i] });
		refuse(EINVAL, AMDKFD_IOC_MAP_MEMORY_TO_GPU, (struct kfd_ioctl_map_memory_to_gpu_args){
			.handle = bad[i], .n_devices = 1, .device_ids_array_ptr = (uintptr_t)ids });
		refuse(EINVAL, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, (struct kfd_ioctl_unmap_memory_from_gpu_args){
			.handle = bad[i], .n_devices = 1, .device_ids_array_ptr = (uintptr_t)ids });
	}
	bo_create(&bo, &gpu, PAGE);				/* as KFD says it of its own GPU */
	refuse(EINVAL, AMDKFD_IOC_FREE_MEMORY_OF_GPU, (struct kfd_ioctl_free_memory_of_gpu_args){ .handle = bo.handle + 99 });
	refuse(ENOMEM, AMDKFD_IOC_MAP_MEMORY_TO_GPU, (struct kfd_ioctl_map_memory_to_gpu_args){
		.handle = bo.handle + 99, .n_devices = 1, .device_ids_array_ptr = (uintptr_t)ids });
	refuse(ENOMEM, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, (struct kfd_ioctl_unmap_memory_from_gpu_args){
		.handle = bo.handle + 99, .n_devices = 1, .device_ids_array_ptr = (uintptr_t)ids });
	bo_destroy(&bo);
	gpu_works(&gpu);
}

static void map_with_bad_device_lists_is_refused(void)
{
	uint32_t ids[20];
	struct bo bo;

	gpu_open(&gpu, 0);
	bo_create(&bo, &gpu, PAGE);
	ids[0] = gpu.id + 1;
#define MAP(n, ok, list) (struct kfd_ioctl_map_memory_to_gpu_args){ .handle = bo.handle, .n_devices = n, .n_success = ok, \
	.device_ids_array_ptr = (uintptr_t)(list) }
	refuse(EINVAL, AMDKFD_IOC_MAP_MEMORY_TO_GPU, MAP(0, 0, ids));
	refuse(EINVAL, AMDKFD_IOC_MAP_MEMORY_TO_GPU, MAP(1, 2, ids));
	refuse(EINVAL, AMDKFD_IOC_MAP_MEMORY_TO_GPU, MAP(1, 0, ids));
	refuse(EFAULT, AMDKFD_IOC_MAP_MEMORY_TO_GPU, MAP(1, 0, 0x1000));
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_MAP_MEMORY_TO_GPU, &MAP(~0u, 0, ids)), <, 0);
	for (int i = 0; i < 20; i++)				/* one GPU often: it is mapped once */
		ids[i] = gpu.id;
	refuse(0, AMDKFD_IOC_MAP_MEMORY_TO_GPU, MAP(20, 0, ids));
	refuse(EINVAL, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, MAP(20, 0, ids));	/* and unmapped once */
	refuse(0, AMDKFD_IOC_MAP_MEMORY_TO_GPU, MAP(20, 0, ids));
	bo_destroy(&bo);
	gpu_works(&gpu);
}

static void memory_of_a_queue_cannot_be_unmapped(void)
{
	struct kfd_ioctl_unmap_memory_from_gpu_args unmap = { .n_devices = 1 };
	char *buf = map_anon(MIB);

	gpu_and_queue(&gpu, &q);
	unmap.handle = q.ring.handle;
	unmap.device_ids_array_ptr = (uintptr_t)&gpu.id;
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, &unmap), <, 0);
	queue_fill(&q, buf, 5, MIB);
	queue_run(&q);
	value_check(buf, MIB, 5);
	queue_destroy(&q);
}

/* ---- queues ---- */

static void bad_queues_are_refused(void)
{
	struct kfd_ioctl_create_queue_args good, bad;
	struct bo ring, pointers;

	gpu_open(&gpu, 0);
	bo_create(&ring, &gpu, 64 << 10);
	bo_create(&pointers, &gpu, PAGE);
	memset(pointers.at, 0, PAGE);
	good = (struct kfd_ioctl_create_queue_args){
		.gpu_id = gpu.id, .queue_type = KFD_IOC_QUEUE_TYPE_SDMA, .ring_size = ring.size,
		.queue_percentage = 100, .queue_priority = 7, .ring_base_address = (uintptr_t)ring.at,
		.read_pointer_address = (uintptr_t)pointers.at, .write_pointer_address = (uintptr_t)pointers.at + 8,
	};
#define REFUSE_WITH(field, value) do { bad = good; bad.field = value; \
	int got_ = kfd_ioctl(&gpu, AMDKFD_IOC_CREATE_QUEUE, &bad); \
	if (got_ != -EINVAL && got_ != -EFAULT) \
		fail("CREATE_QUEUE with %s = %s gave %d (%s)", #field, #value, got_, strerror(-got_)); } while (0)
	REFUSE_WITH(gpu_id, gpu.id + 1);
	REFUSE_WITH(ring_size, 0xffff);
	REFUSE_WITH(ring_size, 3 << 12);
	REFUSE_WITH(ring_size, 0x80000000);
	REFUSE_WITH(ring_size, 128 << 10);			/* larger than its buffer */
	REFUSE_WITH(queue_percentage, 101);
	REFUSE_WITH(queue_priority, 16);
	REFUSE_WITH(ring_base_address, 0xffff888000000000);
	REFUSE_WITH(ring_base_address, 0);
	REFUSE_WITH(ring_base_address, 0x10000);		/* nothing is there */
	REFUSE_WITH(ring_base_address, (uintptr_t)ring.at + 4);
	REFUSE_WITH(read_pointer_address, 0xffff888000000000);
	REFUSE_WITH(read_pointer_address, 0x10000);
	REFUSE_WITH(read_pointer_address, (uintptr_t)pointers.at + 1);
	REFUSE_WITH(write_pointer_address, 0xffff888000000000);
	REFUSE_WITH(write_pointer_address, 0x10000);
	REFUSE_WITH(write_pointer_address, (uintptr_t)pointers.at + 1);
	bad = good;
	bad.queue_type = 77;
	bad.gpu_id = 0;						/* is not asked for */
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_CREATE_QUEUE, &bad), ==, -ENOTSUPP);
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_CREATE_QUEUE, &good), ==, 0);
	refuse(0, AMDKFD_IOC_DESTROY_QUEUE, (struct kfd_ioctl_destroy_queue_args){ .queue_id = good.queue_id });
	refuse(EINVAL, AMDKFD_IOC_DESTROY_QUEUE, (struct kfd_ioctl_destroy_queue_args){ .queue_id = good.queue_id });
	refuse(EINVAL, AMDKFD_IOC_DESTROY_QUEUE, (struct kfd_ioctl_destroy_queue_args){ .queue_id = ~0u });
	gpu_works(&gpu);
}

static void queues_run_out_with_an_error(void)
{
	static struct queue many[64];
	unsigned int n = 0;
	struct bo ring, pointers;
	int error = 0;

	gpu_open(&gpu, 0);
	bo_create(&ring, &gpu, 4096);
	bo_create(&pointers, &gpu, PAGE);
	memset(pointers.at, 0, PAGE);
	while (n < 64 && !error) {
		struct kfd_ioctl_create_queue_args args = {
			.gpu_id = gpu.id, .queue_type = KFD_IOC_QUEUE_TYPE_SDMA, .ring_size = 4096,
			.queue_percentage = 100, .queue_priority = 7, .ring_base_address = (uintptr_t)ring.at,
			.read_pointer_address = (uintptr_t)pointers.at, .write_pointer_address = (uintptr_t)pointers.at + 8,
		};

		error = kfd_ioctl(&gpu, AMDKFD_IOC_CREATE_QUEUE, &args);
		if (!error)
			many[n++].id = args.queue_id;
	}
	expect_int(error, ==, -ENOMEM);	/* as KFD */
	expect_int(n, >=, 2 * HGPU_SDMA_RLC_QUEUES);
	while (n--)
		refuse(0, AMDKFD_IOC_DESTROY_QUEUE, (struct kfd_ioctl_destroy_queue_args){ .queue_id = many[n].id });
	gpu_works(&gpu);
}

static void odd_doorbell_values_are_refused_by_the_device(void)
{
	static const uint64_t bad[] = { 3, 1ull << 40, ~0ull, 1 << 20 };
	char *buf = map_anon(MIB);

	gpu_and_queue(&gpu, &q);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		*q.doorbell = q.wptr + bad[i];
	queue_fill(&q, buf, 6, MIB);
	queue_run(&q);
	value_check(buf, MIB, 6);
	*q.doorbell = 0;	/* back */
	queue_fill(&q, buf, 7, MIB);
	queue_run(&q);
	value_check(buf, MIB, 7);
	queue_destroy(&q);
}

/* ---- shared virtual memory ---- */

static void bad_svm_calls_are_refused(void)
{
	char *buf = map_anon(MIB), *hole = map_anon(MIB);
	struct kfd_ioctl_svm_attribute a = { KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, 0 };
	static const uint32_t types[] = { KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC,
					  KFD_IOCTL_SVM_ATTR_ACCESS };

	munmap(hole, MIB);
	gpu_open(&gpu, 0);
	pattern_fill(buf, MIB, 1);
	expect_int(svm_set_attr(&gpu, buf + 1, PAGE, 1, &a), ==, -EINVAL);
	expect_int(svm_set_attr(&gpu, buf, PAGE + 1, 1, &a), ==, -EINVAL);
	expect_int(svm_set_attr(&gpu, buf, 0, 1, &a), ==, -EINVAL);
	expect_int(svm_set_attr(&gpu, hole, PAGE, 1, &a), ==, -EFAULT);
	expect_int(svm_set_attr(&gpu, (void *)0x10000, PAGE, 1, &a), ==, -EFAULT);
	expect_int(svm_set_attr(&gpu, buf, ~0xfffull, 1, &a), <, 0);
	expect_int(svm_set_attr(&gpu, (void *)0xffff888000000000ul, PAGE, 1, &a), <, 0);
	expect_int(svm_get_attr(&gpu, hole, PAGE, 1, &a), ==, -EFAULT);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		a = (struct kfd_ioctl_svm_attribute){ types[i], gpu.id + 1 };	/* no such GPU */
		expect_int(svm_set_attr(&gpu, buf, PAGE, 1, &a), ==, -EINVAL);
	}
	a = (struct kfd_ioctl_svm_attribute){ 99, 0 };
	expect_int(svm_set_attr(&gpu, buf, PAGE, 1, &a), ==, -EINVAL);
	expect_int(svm_get_attr(&gpu, buf, PAGE, 1, &a), ==, -EINVAL);
	pattern_check(buf, MIB, 1);
	gpu_works(&gpu);
}

static void svm_with_a_lying_count_is_refused(void)
{
	struct { struct kfd_ioctl_svm_args args; struct kfd_ioctl_svm_attribute a[2]; } c = {
		.args = { .size = PAGE, .op = KFD_IOCTL_SVM_OP_SET_ATTR, .nattr = 3 },	/* only two follow */
		.a = { { KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, 0 } },
	};

	gpu_open(&gpu, 0);
	c.args.start_addr = (uintptr_t)map_anon(PAGE);
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_SVM + (sizeof(c.a) << _IOC_SIZESHIFT), &c), ==, -EINVAL);
	c.args.nattr = ~0u;
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_SVM + (sizeof(c.a) << _IOC_SIZESHIFT), &c), ==, -EINVAL);
	c.args.nattr = 1;
	c.args.op = 9;
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_SVM + (sizeof(c.a) << _IOC_SIZESHIFT), &c), ==, -EINVAL);
	gpu_works(&gpu);
}

static void svm_over_a_buffer_is_refused(void)
{
	struct kfd_ioctl_svm_attribute a = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 9 };
	struct bo bo;

	gpu_open(&gpu, 0);
	bo_create(&bo, &gpu, 4 * PAGE);
	expect_int(svm_set_attr(&gpu, bo.at, 4 * PAGE, 1, &a), <, 0);
	bo_destroy(&bo);
	gpu_works(&gpu);
}

/* Every number with every length and with arguments that mean nothing: no answer matters, survival does. */
static void random_calls_do_no_harm(void)
{
	uint32_t x = 1, args[64];

	gpu_and_queue(&gpu, &q);
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int nr, size;

		x = x * 1664525 + 1013904223;
		nr = 1 + (x >> 24) % 0x27;
		size = (x >> 8) % sizeof(args);
		for (int k = 0; k < 64; k++) {
			x = x * 1664525 + 1013904223;
			args[k] = x & 1u << 31 ? x >> (x >> 27) : k & 1 ? 0 : gpu.id;
		}
		if (nr == 0x0c)		/* WAIT_EVENTS may wait */
			continue;
		ioctl(gpu.kfd, _IOC(_IOC_READ | _IOC_WRITE, AMDKFD_IOCTL_BASE, nr, size), args);
	}
}

static void drm_calls_of_others_are_refused(void)
{
	char args[256] = { 0 };

	gpu_open(&gpu, 0);
	for (unsigned int nr = DRM_COMMAND_BASE; nr < DRM_COMMAND_END; nr++)	/* amdgpu's, for instance */
		if (nr < _IOC_NR(DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_CREATE) || nr > _IOC_NR(DRM_IOCTL_HMM_GPU_GEM_FROM_KFD))
			expect_int(ioctl(gpu.drm, _IOC(_IOC_READ | _IOC_WRITE, 'd', nr, 64), args), ==, -1);
	gpu_works(&gpu);
}

static const struct tap_test tests[] = {
	TAP_TEST(unknown_numbers_are_refused),
	TAP_TEST(structures_of_other_sizes_are_taken),
	TAP_TEST(bad_pointers_give_efault),
	TAP_TEST(mmap_of_odd_offsets_is_refused),
	TAP_TEST(doorbells_of_other_sizes_are_refused),
	TAP_TEST(acquire_vm_wants_a_render_node_of_ours),
	TAP_TEST(xnack_mode_is_fixed_while_queues_live),
	TAP_TEST(bad_allocations_are_refused),
	TAP_TEST(handles_of_nothing_are_refused),
	TAP_TEST(map_with_bad_device_lists_is_refused),
	TAP_TEST(memory_of_a_queue_cannot_be_unmapped),
	TAP_TEST(bad_queues_are_refused),
	TAP_TEST(queues_run_out_with_an_error),
	TAP_TEST(odd_doorbell_values_are_refused_by_the_device),
	TAP_TEST(bad_svm_calls_are_refused),
	TAP_TEST(svm_with_a_lying_count_is_refused),
	TAP_TEST(svm_over_a_buffer_is_refused),
	TAP_TEST(random_calls_do_no_harm),
	TAP_TEST(drm_calls_of_others_are_refused),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
