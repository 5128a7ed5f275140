/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The GPU as a program sees it: KFD's ioctls, buffers, user SDMA queues and shared virtual memory.
 * Plain ioctls with <linux/kfd_ioctl.h>; no ROCm library. Whatever fails here fails the test.
 */
#ifndef GPU_H
#define GPU_H

#include <linux/kfd_ioctl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ul
#define MIB (1ul << 20)
#define GRANULE (2 * MIB)		/* what the driver migrates at once */

/**
 * struct gpu - an opened GPU
 * @kfd: file descriptor of /dev/kfd
 * @drm: of the render node
 * @id: KFD's gpu_id
 * @node: number in the topology
 * @vram: bytes of VRAM, from the topology
 * @doorbells: the process's slice, mapped with the first queue
 */
struct gpu {
	int kfd, drm;
	uint32_t id, node;
	uint64_t vram;
	volatile uint64_t *doorbells;
};

#define ENOTSUPP 524	/* the kernel's own, which KFD lets out */

unsigned int gpu_count(void);

/* The module in the file that HGPU_MODULE names; without that the test is skipped. 0 or -errno. */
int driver_load(void);
int driver_unload(void);

/**
 * gpu_open() - everything up to where queues can be made: GPU number @index of the topology, with its
 * virtual memory acquired and XNACK (recoverable faults) on, if it has that.
 * gpu_open_as_is(): in the mode that it comes in.
 */
void gpu_open(struct gpu *gpu, unsigned int index);
void gpu_open_as_is(struct gpu *gpu, unsigned int index);
void gpu_close(struct gpu *gpu);

/* The first @n GPUs, with one file descriptor of /dev/kfd, as programs have it. */
void gpu_open_all(struct gpu *gpu, unsigned int n);

/* XNACK (recoverable faults) on or off: 0 or -errno; -1: which, 0 or 1. */
int gpu_set_xnack(const struct gpu *gpu, int mode);

/* The PCI address of GPU number @index, as sysfs writes it. */
void gpu_pci_address(unsigned int index, char address[16]);

/* That GPU answers no address any more, as if it had been pulled out; the driver is not told. */
void gpu_pull_out(const char *address);

/* An ioctl on /dev/kfd: 0 or -errno. */
int kfd_ioctl(const struct gpu *gpu, unsigned long request, void *arg);

/**
 * struct bo - a buffer, mapped at the same address for CPU and GPU
 */
struct bo {
	struct gpu *gpu;
	uint64_t handle;
	size_t size;
	void *at;
};

void bo_create(struct bo *bo, struct gpu *gpu, size_t size);	/* in GTT */
void bo_create_as(struct bo *bo, struct gpu *gpu, size_t size, uint32_t flags);	/* KFD_IOC_ALLOC_MEM_FLAGS_* */
void bo_destroy(struct bo *bo);

/*
 * Buffers of any kind, step by step; 0 or -errno. gpu_alloc() leaves handle and mmap_offset in @a, where
 * mmap_offset comes from for USERPTR; gpu_map() and gpu_unmap() are about one GPU.
 */
int gpu_alloc(struct gpu *gpu, const void *at, size_t size, uint32_t flags,
	      struct kfd_ioctl_alloc_memory_of_gpu_args *a);
int gpu_map(struct gpu *gpu, uint64_t handle);
int gpu_unmap(struct gpu *gpu, uint64_t handle);
int gpu_free(struct gpu *gpu, uint64_t handle);

/**
 * struct queue - a user SDMA queue
 * @ring: the packets
 * @pointers: read pointer at 0, write pointer at 8, both in bytes and never wrapping
 * @wptr: bytes emitted, submitted or not
 */
struct queue {
	struct gpu *gpu;
	struct bo ring, pointers;
	uint32_t id;
	uint64_t wptr;
	volatile uint64_t *doorbell;
};

void queue_create(struct queue *q, struct gpu *gpu, size_t ring_size);
int queue_try_create(struct queue *q, struct gpu *gpu, size_t ring_size);	/* 0 or CREATE_QUEUE's -errno */
void gpu_and_queue(struct gpu *gpu, struct queue *q);	/* what most tests start with: GPU 0, a ring of 64 KiB */
void queue_destroy(struct queue *q);

/* In buffers that are there, which stay; 0 or CREATE_QUEUE's -errno. The pointers' page is zero. */
int queue_create_in(struct queue *q, struct gpu *gpu, const struct bo *ring, const struct bo *pointers);
void queue_leave(struct queue *q);

/* Put packets into the ring; nothing runs before queue_submit(). Any size: split as the packet wants it. */
void queue_emit(struct queue *q, const uint32_t *dw, unsigned int n);
void queue_nop(struct queue *q);
void queue_copy(struct queue *q, void *dst, const void *src, size_t bytes);
void queue_fill(struct queue *q, void *dst, uint32_t value, size_t bytes);
void queue_write32(struct queue *q, void *dst, uint32_t value);
void queue_fence(struct queue *q, void *dst, uint32_t value);
void queue_trap(struct queue *q, uint32_t context);
void queue_atomic(struct queue *q, unsigned int tc_op, void *dst, uint64_t src, uint64_t compare);

/* Ring the doorbell. */
void queue_submit(struct queue *q);

uint64_t queue_rptr(const struct queue *q);
bool queue_idle(const struct queue *q);

/*
 * Submit what must be refused, and wait until the driver counts one more no-retry fault of GPU 0; the queue
 * must then stand still, not be done.
 */
void queue_run_into_fault(struct queue *q);

/* Wait until everything submitted is done; fails the test when that takes too long. */
void queue_wait(struct queue *q);
void queue_run(struct queue *q);	/* submit and wait */

/* A GPU still does what it is asked to, by a queue of its own; fails the test if not. */
void gpu_works(struct gpu *gpu);

/* Shared virtual memory; 0 or -errno. */
int svm_set_attr(struct gpu *gpu, const void *at, size_t size, unsigned int n,
		 const struct kfd_ioctl_svm_attribute *attrs);
int svm_get_attr(struct gpu *gpu, const void *at, size_t size, unsigned int n,
		 struct kfd_ioctl_svm_attribute *attrs);
int svm_prefetch(struct gpu *gpu, const void *at, size_t size, uint32_t location);
uint32_t svm_get(struct gpu *gpu, const void *at, size_t size, uint32_t type);

#endif
