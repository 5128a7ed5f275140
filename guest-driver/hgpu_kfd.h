/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KFD's user interface: /dev/kfd, its sysfs topology, and buffers.
 */
#ifndef HGPU_KFD_H
#define HGPU_KFD_H

#include <linux/bits.h>
#include <linux/interval_tree.h>
#include <linux/types.h>
#include <uapi/linux/kfd_ioctl.h>

#include "hgpu_process.h"
#include "hgpu_queue.h"

struct device;
struct drm_file;
struct hgpu_bo;
struct hgpu_device;
struct hgpu_userptr;
struct sg_table;

/*
 * What GET_VERSION says. Minor 10 is the last that promises nothing about CU
 * context save areas, DMA-bufs or the debugger; the thunk then asks for less.
 */
#define HGPU_KFD_MINOR_VERSION	10

/* mmap offsets on /dev/kfd, as kfd_priv.h has them */
#define HGPU_KFD_MMAP_TYPE	GENMASK_ULL(63, 62)
#define HGPU_KFD_MMAP_EVENTS	2u
#define HGPU_KFD_MMAP_DOORBELL	3u
#define HGPU_KFD_MMAP_GPU_ID	GENMASK_ULL(61, 46)

/* A handle names GPU and buffer; never 0, which the thunk reads as "none". */
#define HGPU_KFD_HANDLE_GPU_ID	GENMASK_ULL(63, 32)
#define HGPU_KFD_HANDLE_ID	GENMASK_ULL(31, 0)

/* GPUVM addresses that user space may use: kfd_flat_memory.c's for dGPUs */
#define HGPU_KFD_GPUVM_BASE	0x10000ull
#define HGPU_KFD_GPUVM_LIMIT	((1ull << 47) - 1)

/* --- lifetime: called by hgpu_drv.c and hgpu_device.c --- */

/**
 * hgpu_kfd_init() - class, /dev/kfd, topology with the CPU node, processes
 *
 * Context: module load, before any GPU is probed.
 * Return: 0 or -errno.
 */
int hgpu_kfd_init(void);

/**
 * hgpu_kfd_exit() - the counterpart
 *
 * Ends all processes: no file is open, or the module could not go, but an mm
 * that used a GPU may live on.
 *
 * Context: module unload, after the last GPU was removed.
 */
void hgpu_kfd_exit(void);

/**
 * hgpu_kfd_add_device() - a GPU is ready: give it an id and a node, show it
 * @hdev: the GPU; its DRM device is registered (the render node's number is
 *	published)
 *
 * Return: 0, -ENOSPC (more than HGPU_MAX_GPUS) or -ENOMEM.
 */
int hgpu_kfd_add_device(struct hgpu_device *hdev);

/**
 * hgpu_kfd_stop_device() - first step of removal
 * @hdev: the GPU; drm_dev_unplug() has been called
 *
 * On return no process gets at the GPU: its node is gone, ioctls that name it
 * fail with -ENODEV, queues are stopped, doorbell mappings are zapped, shared
 * memory has let go of its page tables. Pages in VRAM are still there.
 *
 * Context: may sleep. Idempotent; also for a GPU that was never added.
 */
void hgpu_kfd_stop_device(struct hgpu_device *hdev);

/**
 * hgpu_kfd_remove_device() - second step, after hgpu_svm_evict_all()
 * @hdev: the GPU
 *
 * Frees all that processes had on it: buffers, page tables, VMIDs, doorbells.
 * Afterwards only user mappings of buffers hold some memory of it.
 *
 * Context: may sleep. Idempotent.
 */
void hgpu_kfd_remove_device(struct hgpu_device *hdev);

/**
 * hgpu_kfd_drm_close() - a DRM file is being closed (drm_driver.postclose)
 * @hdev: the GPU
 * @file: the file; its mmap permissions on buffers are taken back
 */
void hgpu_kfd_drm_close(struct hgpu_device *hdev, struct drm_file *file);

/* --- the list of GPUs (hgpu_kfd_device.c) --- */

int hgpu_kfd_attach_process(struct hgpu_process *process);
unsigned int hgpu_kfd_num_devices(void);

/* --- chardev and topology --- */

int hgpu_kfd_chardev_init(void);
void hgpu_kfd_chardev_exit(void);
struct device *hgpu_kfd_class_device(void);
void hgpu_kfd_zap_doorbells(struct hgpu_process *process, struct hgpu_device *hdev);

/**
 * hgpu_kfd_topology_update() - make sysfs show these GPUs
 * @gpus: the GPUs, in the order of their nodes
 * @num_gpus: how many; 0: the CPU alone
 *
 * Context: may sleep; the caller serialises.
 * Nodes whose GPU stays at its place are not touched.
 *
 * Return: 0 or -ENOMEM; then the nodes from the one that failed on are missing.
 */
int hgpu_kfd_topology_update(struct hgpu_device **gpus, unsigned int num_gpus);
int hgpu_kfd_topology_init(void);
void hgpu_kfd_topology_exit(void);

/* --- ioctls (hgpu_kfd_ioctl.c) --- */

long hgpu_kfd_ioctl(struct hgpu_process *process, unsigned int cmd, unsigned long arg);

/**
 * hgpu_kfd_pdd() - the process's view of a GPU that is there
 * @process: the process
 * @gpu_id: as in the topology
 *
 * Context: under the process's lock.
 * Return: the process device; -EINVAL for an id of nothing; -ENODEV when the GPU
 * or the process is going.
 */
struct hgpu_process_device *hgpu_kfd_pdd(struct hgpu_process *process, u32 gpu_id);

/* --- buffers; all under the process's lock --- */

/**
 * struct hgpu_kfd_bo - what ALLOC_MEMORY_OF_GPU made
 * @pdd: whose it is
 * @bo: the memory; NULL for USERPTR and the doorbell "allocation"
 * @user: USERPTR: memory of the process; else NULL
 * @id: in the process device's idr
 * @flags: KFD_IOC_ALLOC_MEM_FLAGS_*
 * @size: bytes, whole pages
 * @copies: how often the GPU has it in a row: twice for an AQL ring
 * @va: interval in the process's bo_vas, pages; at 0, and not there, for VRAM
 *	that is not to be mapped
 * @cpu: USERPTR: interval in the process's userptrs, pages
 * @mapped: bit n: mapped on the process's device n
 * @dma: pages, DMA-mapped for the process's device n; NULL where @bo does it
 * @queues: how many rings and pointers of queues lie here: it stays mapped
 */
struct hgpu_kfd_bo {
	struct hgpu_process_device *pdd;
	struct hgpu_bo *bo;
	struct hgpu_userptr *user;
	int id;
	u32 flags;
	u64 size;
	unsigned int copies;
	struct interval_tree_node va;
	struct interval_tree_node cpu;
	unsigned long mapped;
	struct sg_table *dma[HGPU_MAX_GPUS];
	unsigned int queues;
};

int hgpu_kfd_acquire_vm(struct hgpu_process_device *pdd, unsigned int fd);
int hgpu_kfd_alloc(struct hgpu_process_device *pdd,
		   struct kfd_ioctl_alloc_memory_of_gpu_args *args);
int hgpu_kfd_free(struct hgpu_kfd_bo *kbo);
struct hgpu_kfd_bo *hgpu_kfd_bo_lookup(struct hgpu_process *process, u64 handle);
void hgpu_kfd_free_all(struct hgpu_process_device *pdd);

int hgpu_kfd_hold_bo(struct hgpu_process_device *pdd, u64 va, u64 size, struct hgpu_kfd_bo **bo);
void hgpu_kfd_release_bo(struct hgpu_kfd_bo **bo);

/* hgpu_kfd_map.c */

int hgpu_kfd_map(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd);
int hgpu_kfd_unmap(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd);
void hgpu_kfd_unmap_all(struct hgpu_kfd_bo *kbo);
void hgpu_kfd_detach_gpu(struct hgpu_process_device *pdd);

/* For hgpu_kfd_userptr.c:  are bits of process devices */

int hgpu_kfd_attach(struct hgpu_kfd_bo *kbo, unsigned long gpus);
void hgpu_kfd_detach(struct hgpu_kfd_bo *kbo, unsigned long gpus);

/* --- queues (hgpu_kfd_queue.c) --- */

/*
 * What the thunk and KFD make of one CU of gfx9: 40 waves with 8 bytes of
 * control stack each, and their registers and LDS.
 */
#define HGPU_KFD_CTL_STACK_SIZE \
	((u32)PAGE_ALIGN(sizeof(struct kfd_context_save_area_header) + 40 * 8 + 8))
#define HGPU_KFD_CWSR_SIZE	(HGPU_KFD_CTL_STACK_SIZE + 0x40000 + 0x4000 + 0x10000 + 0x1000)
#define HGPU_KFD_EOP_SIZE	4096

/* The ioctls: @data is the structure of that name. Context: may sleep; no locks. */
int hgpu_kfd_create_queue(struct hgpu_process *process, void *data);
int hgpu_kfd_destroy_queue(struct hgpu_process *process, void *data);
int hgpu_kfd_update_queue(struct hgpu_process *process, void *data);
int hgpu_kfd_set_cu_mask(struct hgpu_process *process, void *data);
int hgpu_kfd_get_queue_wave_state(struct hgpu_process *process, void *data);
int hgpu_kfd_alloc_queue_gws(struct hgpu_process *process, void *data);

/**
 * hgpu_kfd_release_bos() - a queue is gone, and needs its buffers no more
 * @bos: &hgpu_queue.bos
 *
 * Context: under the process's lock.
 */
void hgpu_kfd_release_bos(struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS]);

static inline u64 hgpu_kfd_doorbell_mmap_offset(u32 gpu_id, u32 offset)
{
	return FIELD_PREP(HGPU_KFD_MMAP_TYPE, HGPU_KFD_MMAP_DOORBELL) |
	       FIELD_PREP(HGPU_KFD_MMAP_GPU_ID, gpu_id) | offset;
}

#endif /* HGPU_KFD_H */
