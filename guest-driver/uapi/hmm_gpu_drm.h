/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The virgl engine's user interface: ioctls of hmm_gpu's render node.
 *
 * Everything else is KFD's (<linux/kfd_ioctl.h>), from which a process also has
 * its GPU virtual address space: AMDKFD_IOC_ACQUIRE_VM must have bound the file
 * to the process, and addresses here are those of its shared virtual memory and
 * of its buffers. XNACK must be on, and stays on while a context lives
 * (SET_XNACK_MODE: -EBUSY).
 *
 * Padding must be zero and unknown flags are refused (-EINVAL). Numbers start
 * where amdgpu's end: its user space tries those on this file and is refused.
 */
#ifndef HMM_GPU_DRM_H
#define HMM_GPU_DRM_H

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_HMM_GPU_VIRGL_CONTEXT_CREATE	0x30
#define DRM_HMM_GPU_VIRGL_CONTEXT_DESTROY	0x31
#define DRM_HMM_GPU_VIRGL_RESOURCE_CREATE	0x32
#define DRM_HMM_GPU_VIRGL_RESOURCE_DESTROY	0x33
#define DRM_HMM_GPU_VIRGL_SUBMIT		0x34
#define DRM_HMM_GPU_VIRGL_WAIT			0x35
#define DRM_HMM_GPU_GEM_FROM_KFD		0x36

/**
 * struct drm_hmm_gpu_virgl_context - make or end a context
 * @context: CREATE: out; DESTROY: which
 * @flags: 0
 *
 * A context belongs to its file. CREATE waits until the host has started a
 * renderer. Errors: -ENODEV, the GPU has no virgl engine, or its host no
 * renderer (the host's log says why); -ENOSPC, 16 contexts exist, or too many
 * processes use the GPU; -EINVAL, no ACQUIRE_VM of the calling process through
 * this file, or bad arguments; -EPERM, XNACK is off; -EAGAIN, the GPU was reset
 * meanwhile; -ENOENT, no such context of the calling process; -ENOMEM; -EINTR, the
 * caller is being killed.
 */
struct drm_hmm_gpu_virgl_context {
	__u32 context;
	__u32 flags;
};

/**
 * struct drm_hmm_gpu_virgl_resource - make or end a buffer or texture
 * @context: whose
 * @handle: 1 to 4096, chosen by the caller; commands name it so
 * @target: HGPU_VIRGL_BUFFER or HGPU_VIRGL_TEXTURE_2D (and so on: all values
 *	are those of hgpu_virgl_cmd.h)
 * @format: R8_UNORM for a buffer
 * @bind: what it may be used for
 * @width: texels; of a buffer bytes
 * @height: texels; of a buffer 1
 * @last_level: mip levels less one
 * @flags: 0
 * @pad: 0
 *
 * DESTROY looks at @context, @handle and @flags; the rest must be 0. Errors:
 * -EINVAL, the renderer or the engine refuses it; -ENOENT, no such context or
 * resource; -ECANCELED, the context is lost; -ENOMEM.
 */
struct drm_hmm_gpu_virgl_resource {
	__u32 context;
	__u32 handle;
	__u32 target;
	__u32 format;
	__u32 bind;
	__u32 width;
	__u32 height;
	__u32 last_level;
	__u32 flags;
	__u32 pad;
};

#define HMM_GPU_VIRGL_RANGE_IN		(1 << 0)	/* memory to resource, before */
#define HMM_GPU_VIRGL_RANGE_OUT		(1 << 1)	/* resource to memory, after */

/**
 * struct drm_hmm_gpu_virgl_range - a part of a resource, and its memory
 * @resource: handle
 * @flags: HMM_GPU_VIRGL_RANGE_*, at least one
 * @level: mip level
 * @stride: bytes from row to row in memory; 0: packed
 * @x: first texel of the box; buffers: byte
 * @y: first row; buffers: 0
 * @z: 0
 * @w: texels of a row; buffers: bytes
 * @h: rows; buffers: 1
 * @d: 1
 * @addr: GPU virtual address
 * @size: bytes of memory: (@h - 1) * stride + @w * bytes a texel
 * @pad: 0
 */
struct drm_hmm_gpu_virgl_range {
	__u32 resource;
	__u32 flags;
	__u32 level;
	__u32 stride;
	__u32 x;
	__u32 y;
	__u32 z;
	__u32 w;
	__u32 h;
	__u32 d;
	__u64 addr;
	__u64 size;
	__u64 pad;
};

#define HMM_GPU_VIRGL_SYNC_TIMELINE	(1 << 0)	/* @point counts */

/**
 * struct drm_hmm_gpu_virgl_sync - a syncobj to wait for, or to signal
 * @handle: of the syncobj
 * @flags: HMM_GPU_VIRGL_SYNC_*
 * @point: of a timeline; else 0
 */
struct drm_hmm_gpu_virgl_sync {
	__u32 handle;
	__u32 flags;
	__u64 point;
};

/**
 * struct drm_hmm_gpu_virgl_submit - run a command stream
 * @context: where
 * @flags: 0
 * @stream: GPU virtual address of the commands, a multiple of 4
 * @stream_dw: how many dwords, 1 to 2^20
 * @range_count: 0 to 64
 * @ranges: user pointer to struct drm_hmm_gpu_virgl_range
 * @in_syncs: user pointer to struct drm_hmm_gpu_virgl_sync: waited for before
 *	the GPU reads anything, the stream included
 * @out_syncs: the same, signalled when all is written. Nothing is signalled if
 *	the ioctl fails
 * @in_sync_count: 0 to 64
 * @out_sync_count: 0 to 64
 * @sequence: out: counts the context's submissions from 1 on
 *
 * Submissions of one context run in order. Memory that is freed before the
 * submission has ended is a fault of that submission, nothing worse. The range
 * table is read here, stream and memory are when the submission runs.
 * Errors: -EINVAL; -ENOENT, no such context or syncobj; -ECANCELED, the context
 * is lost, by an earlier submission: make a new one; -E2BIG, more than 2^20
 * dwords, 64 ranges or 256 MiB of them; -ENOMEM; -ENODEV. What goes wrong
 * later is the fence's error and the answer of WAIT.
 */
struct drm_hmm_gpu_virgl_submit {
	__u32 context;
	__u32 flags;
	__u64 stream;
	__u32 stream_dw;
	__u32 range_count;
	__u64 ranges;
	__u64 in_syncs;
	__u64 out_syncs;
	__u32 in_sync_count;
	__u32 out_sync_count;
	__u64 sequence;
};

/**
 * struct drm_hmm_gpu_virgl_wait - wait for a submission, learn how it ended
 * @context: of which context
 * @flags: 0
 * @sequence: from SUBMIT; one of the last 64
 * @timeout_ns: CLOCK_MONOTONIC, absolute; 0: do not wait
 * @status: out: HGPU_VIRGL_OK, or another of hgpu_virgl.h's
 * @row: out: index of the range that is to blame, where one is
 * @fault_addr: out: of HGPU_VIRGL_FAULT and _BUS_ERROR
 * @faults: out: retry faults that the submission took
 * @pad: 0
 * @in_ns: out: time for reading the stream and copying ranges in, waits for
 *	faults included
 * @render_ns: out: time of the renderer
 * @out_ns: out: time for copying ranges out
 * @in_bytes: out
 * @out_bytes: out
 *
 * Errors: -ETIME, it has not ended yet; -ENOENT, no such context, or a sequence
 * that is not known (any more); -EINTR. 0 however the submission ended.
 */
struct drm_hmm_gpu_virgl_wait {
	__u32 context;
	__u32 flags;
	__u64 sequence;
	__s64 timeout_ns;
	__u32 status;
	__u32 row;
	__u64 fault_addr;
	__u32 faults;
	__u32 pad;
	__u64 in_ns;
	__u64 render_ns;
	__u64 out_ns;
	__u64 in_bytes;
	__u64 out_bytes;
};

/**
 * struct drm_hmm_gpu_gem_from_kfd - a GEM handle for a buffer of KFD
 * @kfd_handle: from AMDKFD_IOC_ALLOC_MEMORY_OF_GPU with GTT, of this GPU
 * @handle: out: for PRIME export and GEM_CLOSE
 * @flags: 0
 *
 * The memory lives until both are freed. Errors: -ENOENT, no such buffer of the
 * calling process; -EINVAL, not in GTT.
 */
struct drm_hmm_gpu_gem_from_kfd {
	__u64 kfd_handle;
	__u32 handle;
	__u32 flags;
};

#define DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_HMM_GPU_VIRGL_CONTEXT_CREATE, struct drm_hmm_gpu_virgl_context)
#define DRM_IOCTL_HMM_GPU_VIRGL_CONTEXT_DESTROY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_HMM_GPU_VIRGL_CONTEXT_DESTROY, struct drm_hmm_gpu_virgl_context)
#define DRM_IOCTL_HMM_GPU_VIRGL_RESOURCE_CREATE \
	DRM_IOW(DRM_COMMAND_BASE + DRM_HMM_GPU_VIRGL_RESOURCE_CREATE, struct drm_hmm_gpu_virgl_resource)
#define DRM_IOCTL_HMM_GPU_VIRGL_RESOURCE_DESTROY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_HMM_GPU_VIRGL_RESOURCE_DESTROY, struct drm_hmm_gpu_virgl_resource)
#define DRM_IOCTL_HMM_GPU_VIRGL_SUBMIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_HMM_GPU_VIRGL_SUBMIT, struct drm_hmm_gpu_virgl_submit)
#define DRM_IOCTL_HMM_GPU_VIRGL_WAIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_HMM_GPU_VIRGL_WAIT, struct drm_hmm_gpu_virgl_wait)
#define DRM_IOCTL_HMM_GPU_GEM_FROM_KFD \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_HMM_GPU_GEM_FROM_KFD, struct drm_hmm_gpu_gem_from_kfd)

#if defined(__cplusplus)
}
#endif

#endif /* HMM_GPU_DRM_H */
