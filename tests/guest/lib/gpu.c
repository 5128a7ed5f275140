// SPDX-License-Identifier: GPL-2.0-or-later
#include "gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "mem.h"
#include "tap.h"

#define TOPOLOGY "/sys/devices/virtual/kfd/kfd/topology/nodes"

enum { MAX_NODES = 9, DOORBELL_SLICE = 8192, QUEUE_SECONDS = 60, PCI_COMMAND = 4 };

/* ---- topology ---- */

/* The value of NAME in a file of "NAME VALUE" lines; 0 if it is not there. */
static uint64_t property(const char *path, const char *name)
{
	char key[64];
	uint64_t value, found = 0;
	FILE *f = fopen(path, "r");

	if (!f)
		return 0;
	while (fscanf(f, "%63s %lu", key, &value) == 2)
		if (!strcmp(key, name))
			found = value;
	fclose(f);
	return found;
}

static uint32_t node_gpu_id(unsigned int node)
{
	char path[128];
	uint32_t id = 0;
	FILE *f;

	snprintf(path, sizeof(path), TOPOLOGY "/%u/gpu_id", node);
	f = fopen(path, "r");
	if (f && fscanf(f, "%u", &id) != 1)
		id = 0;
	if (f)
		fclose(f);
	return id;
}

/* The node of GPU number @index, or -1. */
static int find_node(unsigned int index)
{
	for (unsigned int node = 0; node < MAX_NODES; node++)
		if (node_gpu_id(node) && !index--)
			return node;
	return -1;
}

unsigned int gpu_count(void)
{
	unsigned int n = 0;

	while (find_node(n) >= 0)
		n++;
	return n;
}

static uint64_t node_property(unsigned int node, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), TOPOLOGY "/%u/properties", node);
	return property(path, name);
}

void gpu_pci_address(unsigned int index, char address[16])
{
	int node = find_node(index);
	unsigned int where;

	if (node < 0)
		fail("there is no GPU number %u in " TOPOLOGY, index);
	where = node_property(node, "location_id");
	snprintf(address, 16, "%04x:%02x:%02x.%x", (unsigned int)node_property(node, "domain") & 0xffff,
		 where >> 8 & 0xff, where >> 3 & 0x1f, where & 7);
}

void gpu_pull_out(const char *address)
{
	const uint16_t none = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	expect(fd >= 0 && pwrite(fd, &none, sizeof(none), PCI_COMMAND) == sizeof(none), "%s: %s", path, strerror(errno));
	close(fd);
}

/* ---- the driver ---- */

int driver_load(void)
{
	const char *file = getenv("HGPU_MODULE");
	int fd, error;

	if (!file)
		skip("HGPU_MODULE does not say where the module is");
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", file, strerror(errno));
	error = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return error;
}

int driver_unload(void)
{
	return syscall(SYS_delete_module, "hmm_gpu", O_NONBLOCK) ? -errno : 0;
}

/* ---- the GPU ---- */

int kfd_ioctl(const struct gpu *gpu, unsigned long request, void *arg)
{
	int tries = 100;

	while (ioctl(gpu->kfd, request, arg)) {
		if (errno != EINTR || !tries--)	/* the thunk would try again for ever */
			return -errno;
	}
	return 0;
}

static void must(int error, const char *what)
{
	if (error)
		fail("%s: %s", what, strerror(-error));
}

int gpu_set_xnack(const struct gpu *gpu, int mode)
{
	struct kfd_ioctl_set_xnack_mode_args xnack = { .xnack_enabled = mode };
	int error = kfd_ioctl(gpu, AMDKFD_IOC_SET_XNACK_MODE, &xnack);

	return error || mode >= 0 ? error : xnack.xnack_enabled;
}

static void acquire_vm(struct gpu *gpu)
{
	struct kfd_ioctl_acquire_vm_args acquire = { .drm_fd = gpu->drm, .gpu_id = gpu->id };

	must(kfd_ioctl(gpu, AMDKFD_IOC_ACQUIRE_VM, &acquire), "ACQUIRE_VM");
}

void gpu_open_as_is(struct gpu *gpu, unsigned int index)
{
	int node = find_node(index);
	char path[128];

	memset(gpu, 0, sizeof(*gpu));
	if (node < 0)
		fail("there is no GPU number %u in " TOPOLOGY, index);
	gpu->node = node;
	gpu->id = node_gpu_id(node);
	snprintf(path, sizeof(path), TOPOLOGY "/%d/mem_banks/0/properties", node);
	gpu->vram = property(path, "size_in_bytes");
	gpu->kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (gpu->kfd < 0)
		fail("/dev/kfd: %s", strerror(errno));
	snprintf(path, sizeof(path), "/dev/dri/renderD%lu", node_property(node, "drm_render_minor"));
	gpu->drm = open(path, O_RDWR | O_CLOEXEC);
	if (gpu->drm < 0)
		fail("%s: %s", path, strerror(errno));
	acquire_vm(gpu);
}

void gpu_open(struct gpu *gpu, unsigned int index)
{
	int xnack;

	gpu_open_as_is(gpu, index);
	xnack = gpu_set_xnack(gpu, 1);
	if (xnack != -EPERM)
		must(xnack, "SET_XNACK_MODE 1");
	expect_int(gpu_set_xnack(gpu, -1), ==, !xnack);
}

void gpu_open_all(struct gpu *gpu, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		gpu_open(&gpu[i], i);
		if (i) {
			close(gpu[i].kfd);
			gpu[i].kfd = gpu[0].kfd;
		}
	}
}

void gpu_close(struct gpu *gpu)
{
	if (gpu->doorbells)
		munmap((void *)gpu->doorbells, DOORBELL_SLICE);
	close(gpu->drm);
	close(gpu->kfd);
}

/* ---- buffers ---- */

void bo_create_as(struct bo *bo, struct gpu *gpu, size_t size, uint32_t flags)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args alloc = { .size = size, .gpu_id = gpu->id, .flags = flags };
	struct kfd_ioctl_map_memory_to_gpu_args map = { .n_devices = 1, .device_ids_array_ptr = (uintptr_t)&gpu->id };
	void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	alloc.va_addr = (uintptr_t)at;
	must(kfd_ioctl(gpu, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &alloc), "ALLOC_MEMORY_OF_GPU");
	if (mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, gpu->drm, alloc.mmap_offset) != at)
		fail("mmap of a buffer on the render node: %s", strerror(errno));
	map.handle = alloc.handle;
	must(kfd_ioctl(gpu, AMDKFD_IOC_MAP_MEMORY_TO_GPU, &map), "MAP_MEMORY_TO_GPU");
	expect_int(map.n_success, ==, 1);
	*bo = (struct bo){ .gpu = gpu, .handle = alloc.handle, .size = size, .at = at };
}

void bo_create(struct bo *bo, struct gpu *gpu, size_t size)
{
	bo_create_as(bo, gpu, size, KFD_IOC_ALLOC_MEM_FLAGS_GTT | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE |
				    KFD_IOC_ALLOC_MEM_FLAGS_EXECUTABLE | KFD_IOC_ALLOC_MEM_FLAGS_COHERENT |
				    KFD_IOC_ALLOC_MEM_FLAGS_UNCACHED | KFD_IOC_ALLOC_MEM_FLAGS_NO_SUBSTITUTE);
}

void bo_destroy(struct bo *bo)
{
	struct kfd_ioctl_unmap_memory_from_gpu_args unmap = {
		.handle = bo->handle, .n_devices = 1, .device_ids_array_ptr = (uintptr_t)&bo->gpu->id,
	};
	struct kfd_ioctl_free_memory_of_gpu_args free = { .handle = bo->handle };

	must(kfd_ioctl(bo->gpu, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, &unmap), "UNMAP_MEMORY_FROM_GPU");
	munmap(bo->at, bo->size);
	must(kfd_ioctl(bo->gpu, AMDKFD_IOC_FREE_MEMORY_OF_GPU, &free), "FREE_MEMORY_OF_GPU");
}

int gpu_alloc(struct gpu *gpu, const void *at, size_t size, uint32_t flags,
	      struct kfd_ioctl_alloc_memory_of_gpu_args *a)
{
	*a = (struct kfd_ioctl_alloc_memory_of_gpu_args){
		.va_addr = (uintptr_t)at, .size = size, .gpu_id = gpu->id, .flags = flags,
		.mmap_offset = a->mmap_offset };
	return kfd_ioctl(gpu, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, a);
}

int gpu_map(struct gpu *gpu, uint64_t handle)
{
	struct kfd_ioctl_map_memory_to_gpu_args m = {
		.handle = handle, .n_devices = 1, .device_ids_array_ptr = (uintptr_t)&gpu->id };

	return kfd_ioctl(gpu, AMDKFD_IOC_MAP_MEMORY_TO_GPU, &m);
}

int gpu_unmap(struct gpu *gpu, uint64_t handle)
{
	struct kfd_ioctl_unmap_memory_from_gpu_args m = {
		.handle = handle, .n_devices = 1, .device_ids_array_ptr = (uintptr_t)&gpu->id };

	return kfd_ioctl(gpu, AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, &m);
}

int gpu_free(struct gpu *gpu, uint64_t handle)
{
	struct kfd_ioctl_free_memory_of_gpu_args f = { .handle = handle };

	return kfd_ioctl(gpu, AMDKFD_IOC_FREE_MEMORY_OF_GPU, &f);
}

/* ---- queues ---- */

static void map_doorbells(struct gpu *gpu, uint64_t offset)
{
	void *at;

	if (gpu->doorbells)
		return;
	at = mmap(NULL, DOORBELL_SLICE, PROT_READ | PROT_WRITE, MAP_SHARED, gpu->kfd,
		  offset & ~(DOORBELL_SLICE - 1ull));
	if (at == MAP_FAILED)
		fail("mmap of the doorbells: %s", strerror(errno));
	gpu->doorbells = at;
}

int queue_create_in(struct queue *q, struct gpu *gpu, const struct bo *ring, const struct bo *pointers)
{
	struct kfd_ioctl_create_queue_args args = {
		.gpu_id = gpu->id, .queue_type = KFD_IOC_QUEUE_TYPE_SDMA,
		.ring_base_address = (uintptr_t)ring->at, .ring_size = ring->size,
		.read_pointer_address = (uintptr_t)pointers->at, .write_pointer_address = (uintptr_t)pointers->at + 8,
		.queue_percentage = 100, .queue_priority = 7,
	};
	int error = kfd_ioctl(gpu, AMDKFD_IOC_CREATE_QUEUE, &args);

	if (error)
		return error;
	*q = (struct queue){ .gpu = gpu, .ring = *ring, .pointers = *pointers, .id = args.queue_id };
	map_doorbells(gpu, args.doorbell_offset);
	q->doorbell = gpu->doorbells + (args.doorbell_offset & (DOORBELL_SLICE - 1)) / sizeof(uint64_t);
	return 0;
}

int queue_try_create(struct queue *q, struct gpu *gpu, size_t ring_size)
{
	struct bo ring, pointers;
	int error;

	bo_create(&ring, gpu, ring_size);
	bo_create(&pointers, gpu, PAGE);
	memset(pointers.at, 0, PAGE);
	error = queue_create_in(q, gpu, &ring, &pointers);
	if (error) {
		bo_destroy(&ring);
		bo_destroy(&pointers);
	}
	return error;
}

void queue_create(struct queue *q, struct gpu *gpu, size_t ring_size)
{
	must(queue_try_create(q, gpu, ring_size), "CREATE_QUEUE (SDMA)");
}

void gpu_and_queue(struct gpu *gpu, struct queue *q)
{
	gpu_open(gpu, 0);
	queue_create(q, gpu, 64 << 10);
}

void queue_leave(struct queue *q)
{
	struct kfd_ioctl_destroy_queue_args args = { .queue_id = q->id };

	must(kfd_ioctl(q->gpu, AMDKFD_IOC_DESTROY_QUEUE, &args), "DESTROY_QUEUE");
}

void queue_destroy(struct queue *q)
{
	queue_leave(q);
	bo_destroy(&q->ring);
	bo_destroy(&q->pointers);
}

uint64_t queue_rptr(const struct queue *q)
{
	return __atomic_load_n((uint64_t *)q->pointers.at, __ATOMIC_ACQUIRE);
}

bool queue_idle(const struct queue *q)
{
	return queue_rptr(q) == q->wptr;
}

void queue_emit(struct queue *q, const uint32_t *dw, unsigned int n)
{
	uint32_t *ring = q->ring.at;

	if (q->wptr + n * 4 - queue_rptr(q) > q->ring.size) {
		queue_submit(q);	/* the read pointer is written when the queue runs dry */
		queue_wait(q);
	}
	for (unsigned int i = 0; i < n; i++, q->wptr += 4)
		ring[q->wptr % q->ring.size / 4] = dw[i];
}

static uint32_t lo(uint64_t v) { return (uint32_t)v; }
static uint32_t hi(uint64_t v) { return v >> 32; }

/* KFD's user space keeps a packet to 2 MiB; the pieces then also meet granules. */
#define PACKET_BYTES GRANULE

void queue_nop(struct queue *q)
{
	uint32_t p[] = { HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_NOP, 0) };

	queue_emit(q, p, 1);
}

void queue_copy(struct queue *q, void *dst, const void *src, size_t bytes)
{
	while (bytes) {
		uint32_t n = bytes < PACKET_BYTES ? bytes : PACKET_BYTES;
		uint32_t p[HGPU_SDMA_COPY_LINEAR_DW] = {
			HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_COPY, HGPU_SDMA_SUBOP_COPY_LINEAR), n - 1, 0,
			lo((uintptr_t)src), hi((uintptr_t)src), lo((uintptr_t)dst), hi((uintptr_t)dst),
		};

		queue_emit(q, p, HGPU_SDMA_COPY_LINEAR_DW);
		src = (const char *)src + n;
		dst = (char *)dst + n;
		bytes -= n;
	}
}

void queue_fill(struct queue *q, void *dst, uint32_t value, size_t bytes)
{
	while (bytes) {
		uint32_t n = bytes < PACKET_BYTES ? bytes : PACKET_BYTES;
		uint32_t p[HGPU_SDMA_CONST_FILL_DW] = {
			HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_CONST_FILL, 0) |
			FIELD_PREP(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE, HGPU_SDMA_FILLSIZE_DWORD),
			lo((uintptr_t)dst), hi((uintptr_t)dst), value, n - 1,
		};

		queue_emit(q, p, HGPU_SDMA_CONST_FILL_DW);
		dst = (char *)dst + n;
		bytes -= n;
	}
}

void queue_write32(struct queue *q, void *dst, uint32_t value)
{
	uint32_t p[HGPU_SDMA_WRITE_DW + 1] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_WRITE, HGPU_SDMA_SUBOP_WRITE_LINEAR),
		lo((uintptr_t)dst), hi((uintptr_t)dst), 0, value,
	};

	queue_emit(q, p, HGPU_SDMA_WRITE_DW + 1);
}

void queue_fence(struct queue *q, void *dst, uint32_t value)
{
	uint32_t p[HGPU_SDMA_FENCE_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_FENCE, 0), lo((uintptr_t)dst), hi((uintptr_t)dst), value,
	};

	queue_emit(q, p, HGPU_SDMA_FENCE_DW);
}

void queue_trap(struct queue *q, uint32_t context)
{
	uint32_t p[HGPU_SDMA_TRAP_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_TRAP, 0),
		FIELD_PREP(HGPU_SDMA_PKT_TRAP_INT_CONTEXT__INT_CONTEXT, context),
	};

	queue_emit(q, p, HGPU_SDMA_TRAP_DW);
}

void queue_atomic(struct queue *q, unsigned int tc_op, void *dst, uint64_t src, uint64_t compare)
{
	uint32_t p[HGPU_SDMA_ATOMIC_DW] = {
		HGPU_SDMA_PKT_HEADER(HGPU_SDMA_OP_ATOMIC, 0) |
		FIELD_PREP(HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP, tc_op),
		lo((uintptr_t)dst), hi((uintptr_t)dst), lo(src), hi(src), lo(compare), hi(compare), 0,
	};

	queue_emit(q, p, HGPU_SDMA_ATOMIC_DW);
}

void queue_submit(struct queue *q)
{
	uint64_t *wptr = (uint64_t *)((char *)q->pointers.at + 8);

	__atomic_store_n(wptr, q->wptr, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*q->doorbell = q->wptr;
}

void queue_wait(struct queue *q)
{
	if (!wait_until(queue_idle(q), QUEUE_SECONDS * 1000))
		fail("the queue stands at %lu of %lu bytes after %d s", queue_rptr(q), q->wptr,
		     QUEUE_SECONDS * tap_patience());
}

void queue_run(struct queue *q)
{
	queue_submit(q);
	queue_wait(q);
}

void gpu_works(struct gpu *gpu)
{
	char *buf = map_anon(MIB);
	struct queue own;

	queue_create(&own, gpu, 64 << 10);
	queue_fill(&own, buf, 0x600d600d, MIB);
	queue_run(&own);
	value_check(buf, MIB, 0x600d600d);
	queue_destroy(&own);
	munmap(buf, MIB);
}

void queue_run_into_fault(struct queue *q)
{
	uint64_t before = stat_now("gpu_faults_noretry");

	queue_submit(q);
	if (!wait_until(stat_now("gpu_faults_noretry") > before || queue_idle(q), QUEUE_SECONDS * 1000))
		fail("no fault was reported and the queue is not done");
	if (queue_idle(q))
		fail("the queue did what must be refused");
}

/* ---- shared virtual memory ---- */

static int svm(struct gpu *gpu, uint32_t op, const void *at, size_t size, unsigned int n,
	       struct kfd_ioctl_svm_attribute *attrs)
{
	size_t bytes = n * sizeof(*attrs);
	struct {
		struct kfd_ioctl_svm_args args;
		struct kfd_ioctl_svm_attribute attrs[32];
	} c = { .args = { .start_addr = (uintptr_t)at, .size = size, .op = op, .nattr = n } };
	int error;

	if (n > 32)
		fail("%u attributes are more than this function takes", n);
	memcpy(c.attrs, attrs, bytes);
	error = kfd_ioctl(gpu, AMDKFD_IOC_SVM + (bytes << _IOC_SIZESHIFT), &c);
	memcpy(attrs, c.attrs, bytes);
	return error;
}

int svm_set_attr(struct gpu *gpu, const void *at, size_t size, unsigned int n,
		 const struct kfd_ioctl_svm_attribute *attrs)
{
	struct kfd_ioctl_svm_attribute copy[32];

	memcpy(copy, attrs, n * sizeof(*attrs));
	return svm(gpu, KFD_IOCTL_SVM_OP_SET_ATTR, at, size, n, copy);
}

int svm_get_attr(struct gpu *gpu, const void *at, size_t size, unsigned int n,
		 struct kfd_ioctl_svm_attribute *attrs)
{
	return svm(gpu, KFD_IOCTL_SVM_OP_GET_ATTR, at, size, n, attrs);
}

int svm_prefetch(struct gpu *gpu, const void *at, size_t size, uint32_t location)
{
	struct kfd_ioctl_svm_attribute a = { KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, location };

	return svm_set_attr(gpu, at, size, 1, &a);
}

uint32_t svm_get(struct gpu *gpu, const void *at, size_t size, uint32_t type)
{
	struct kfd_ioctl_svm_attribute a = { type, 0 };

	must(svm_get_attr(gpu, at, size, 1, &a), "SVM_OP_GET_ATTR");
	return a.value;
}
