/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel versions and configurations: here and nowhere else.
 *
 * Refuses, at build time and by name, what the driver cannot be built without.
 * CONFIG_DEVICE_PRIVATE is not among these: kernels without it export enough
 * to link, so hgpu_drv.c refuses when the module is loaded.
 */
#ifndef HGPU_COMPAT_H
#define HGPU_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "hmm_gpu needs Linux 6.12 or newer: these kernel headers are older"
#else

#if !IS_ENABLED(CONFIG_HMM_MIRROR)
#error "hmm_gpu needs a kernel with CONFIG_HMM_MIRROR: this one has it off"
#endif
#if !IS_ENABLED(CONFIG_MMU_NOTIFIER)
#error "hmm_gpu needs a kernel with CONFIG_MMU_NOTIFIER: this one has it off"
#endif
#if !IS_ENABLED(CONFIG_ZONE_DEVICE)
#error "hmm_gpu needs a kernel with CONFIG_ZONE_DEVICE: this one has it off"
#endif
#if !IS_ENABLED(CONFIG_DRM)
#error "hmm_gpu needs a kernel with CONFIG_DRM: this one has it off"
#endif
#if !IS_ENABLED(CONFIG_DRM_TTM)
#error "hmm_gpu needs a kernel with CONFIG_DRM_TTM (select any driver that uses it): this one has it off"
#endif
#if !IS_ENABLED(CONFIG_DRM_SCHED)
#error "hmm_gpu needs a kernel with CONFIG_DRM_SCHED (select any driver that uses it): this one has it off"
#endif
#if !IS_ENABLED(CONFIG_DRM_BUDDY)
#error "hmm_gpu needs a kernel with CONFIG_DRM_BUDDY (select any driver that uses it): this one has it off"
#endif

/* The buddy allocator was DRM's before it was all GPU drivers'. */
#if __has_include(<linux/gpu_buddy.h>)
#include <linux/gpu_buddy.h>
#else
#include <drm/drm_buddy.h>

#define gpu_buddy			drm_buddy
#define gpu_buddy_block			drm_buddy_block
#define gpu_buddy_init			drm_buddy_init
#define gpu_buddy_fini			drm_buddy_fini
#define gpu_buddy_alloc_blocks		drm_buddy_alloc_blocks
#define gpu_buddy_free_list		drm_buddy_free_list
#define gpu_buddy_block_trim		drm_buddy_block_trim
#define gpu_buddy_block_offset		drm_buddy_block_offset
#define gpu_buddy_block_size		drm_buddy_block_size
#define GPU_BUDDY_RANGE_ALLOCATION	DRM_BUDDY_RANGE_ALLOCATION
#define GPU_BUDDY_TOPDOWN_ALLOCATION	DRM_BUDDY_TOPDOWN_ALLOCATION
#define GPU_BUDDY_CONTIGUOUS_ALLOCATION	DRM_BUDDY_CONTIGUOUS_ALLOCATION
#endif

#endif /* LINUX_VERSION_CODE */
#endif /* HGPU_COMPAT_H */
