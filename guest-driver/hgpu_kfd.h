/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KFD's user interface: /dev/kfd, its sysfs topology, and buffers.
 */
#ifndef HGPU_KFD_H
#define HGPU_KFD_H

#include <linux/interval_tree.h>
#include <linux/types.h>
#include <uapi/linux/kfd_ioctl.h>

struct device;
struct drm_file;
struct hgpu_bo;
struct hgpu_device;
struct hgpu_process;
struct hgpu_process_device;

/* What GET_VERSION says: up to SMI events; later minors promise more. */
#define HGPU_KFD_MINOR_VERSION	10

/* Type bits of an mmap offset on /dev/kfd, as kfd_priv.h has them */
#define HGPU_KFD_MMAP_TYPE	GENMASK_ULL(63, 62)
#define HGPU_KFD_MMAP_DOORBELL	3u
#define HGPU_KFD_MMAP_GPU_ID	GENMASK_ULL(61, 46)

/* A handle names GPU and buffer; never 0, which the thunk reads as "none". */
#define HGPU_KFD_HANDLE_GPU_ID	GENMASK_ULL(63, 32)
#define HGPU_KFD_HANDLE_ID	GENMASK_ULL(31, 0)

/* --- lifetime: called by hgpu_drv.c and hgpu_device.c --- */

/**
 * hgpu_kfd_init() - class, /dev/kfd, topology with the CPU node, processes
 * Context: module load, before any GPU is probed.
 * Return: 0 or -errno.
 */
int hgpu_kfd_init(void);

/**
 * hgpu_kfd_stop() - first step of module unload: end all processes
 *
 * No file is open, or the module could not go; but an mm that used a GPU may
 * live on, with pages in VRAM. Call before pci_unregister_driver().
 */
void hgpu_kfd_stop(void);

/**
 * hgpu_kfd_exit() - last step of module unload
 * Context: after the last GPU was removed.
 */
void hgpu_kfd_exit(void);

/**
 * hgpu_kfd_device_add() - a GPU is ready: give it an id, a node, show it
 * @hdev: the GPU; its DRM device is registered (the render node's number is
 *	published)
 *
 * Return: 0, -ENOSPC (more than HGPU_MAX_GPUS) or -ENOMEM.
 */
int hgpu_kfd_device_add(struct hgpu_device *hdev);

/**
 * hgpu_kfd_device_stop() - first step of removal
 * @hdev: the GPU; drm_dev_unplug() has been called
 *
 * On return no process gets at the GPU: its node is gone, ioctls that name it
 * fail with -ENODEV, queues are stopped, doorbell mappings are zapped. Page
 * tables are still there: pages have yet to be brought home.
 *
 * Context: may sleep. Idempotent; also after a failed add.
 */
void hgpu_kfd_device_stop(struct hgpu_device *hdev);

/**
 * hgpu_kfd_device_release() - second step, after hgpu_svm_evict_all()
 * @hdev: the GPU
 *
 * Frees all that processes had on it: buffers, page tables, VMIDs, doorbells.
 * Afterwards only user mappings of buffers hold some memory of it.
 *
 * Context: may sleep. Idempotent.
 */
void hgpu_kfd_device_release(struct hgpu_device *hdev);

/**
 * hgpu_kfd_drm_close() - a DRM file is being closed (drm_driver.postclose)
 * @hdev: the GPU
 * @file: the file; its mmap permissions on buffers are taken back
 */
void hgpu_kfd_drm_close(struct hgpu_device *hdev, struct drm_file *file);

/* --- chardev, topology --- */

int hgpu_kfd_chardev_init(void);
void hgpu_kfd_chardev_exit(void);
struct device *hgpu_kfd_device(void);
void hgpu_kfd_zap_doorbells(struct hgpu_process *process, struct hgpu_device *hdev);

int hgpu_kfd_topology_init(struct device *kfd_dev);
void hgpu_kfd_topology_exit(void);
int hgpu_kfd_topology_add(struct hgpu_device *hdev);
void hgpu_kfd_topology_remove(struct hgpu_device *hdev);
unsigned int hgpu_kfd_topology_num_nodes(void);

/* --- buffers (hgpu_kfd_memory.c); all under the process's lock --- */

/**
 * struct hgpu_kfd_bo - what ALLOC_MEMORY_OF_GPU made
 * @pdd: whose it is
 * @bo: the memory; NULL for the doorbell "allocation"
 * @handle: idr part
 * @flags: KFD_IOC_ALLOC_MEM_FLAGS_*
 * @size: bytes as asked for, rounded up to pages
 * @va: interval in the process's bo_vas, pages
 * @mapped: bit n: mapped on the process's device n
 * @queues: rings and pointers of queues lie here: no unmapping (as KFD)
 */
struct hgpu_kfd_bo {
	struct hgpu_process_device *pdd;
	struct hgpu_bo *bo;
	int handle;
	u32 flags;
	u64 size;
	struct interval_tree_node va;
	unsigned long mapped;
	unsigned int queues;
};

int hgpu_kfd_acquire_vm(struct hgpu_process_device *pdd, unsigned int fd);
int hgpu_kfd_alloc(struct hgpu_process_device *pdd,
		   struct kfd_ioctl_alloc_memory_of_gpu_args *args);
int hgpu_kfd_free(struct hgpu_kfd_bo *kbo);
int hgpu_kfd_map(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd);
int hgpu_kfd_unmap(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd);
struct hgpu_kfd_bo *hgpu_kfd_bo_lookup(struct hgpu_process *process, u64 handle);
struct hgpu_kfd_bo *hgpu_kfd_bo_at(struct hgpu_process_device *pdd, u64 va, u64 size);
void hgpu_kfd_free_all(struct hgpu_process_device *pdd);

#endif /* HGPU_KFD_H */
