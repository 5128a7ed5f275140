// SPDX-License-Identifier: GPL-2.0-only
/*
 * What user space hands in for the virgl engine: is it within the limits of
 * SPEC 11.5? What only the renderer knows (formats, sizes of resources) it checks.
 * And what user space is told.
 */
#include <kunit/visibility.h>

#include "hgpu_gpuvm.h"
#include "hgpu_virgl_priv.h"

static bool is_va_span(u64 addr, u64 size)
{
	const u64 end = HGPU_VM_PAGES << HGPU_PAGE_SHIFT;

	return addr < end && size <= end - addr;
}

/**
 * hgpu_virgl_check_stream() - a command stream
 * @addr: GPU virtual address
 * @ndw: dwords
 *
 * Return: 0, -EINVAL, -E2BIG.
 */
int hgpu_virgl_check_stream(u64 addr, u32 ndw)
{
	if (ndw > HGPU_VIRGL_STREAM_DW)
		return -E2BIG;
	if (!ndw || addr % sizeof(u32) || !is_va_span(addr, (u64)ndw * sizeof(u32)))
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_virgl_check_stream);

/**
 * hgpu_virgl_check_resource() - a resource to be made
 * @args: what it is to be
 *
 * Return: 0 or -EINVAL.
 */
int hgpu_virgl_check_resource(const struct drm_hmm_gpu_virgl_resource *args)
{
	if (args->flags || args->pad || !args->handle || args->handle > HGPU_VIRGL_RESOURCES)
		return -EINVAL;
	if (!args->width || !args->height || args->width > HGPU_VIRGL_BUFFER_MAX ||
	    args->height > HGPU_VIRGL_TEXTURE_MAX)
		return -EINVAL;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_virgl_check_resource);

static int check_range(const struct drm_hmm_gpu_virgl_range *range)
{
	const u32 flags = HMM_GPU_VIRGL_RANGE_IN | HMM_GPU_VIRGL_RANGE_OUT;

	if (!range->flags || range->flags & ~flags || range->pad)
		return -EINVAL;
	if (!range->resource || range->resource > HGPU_VIRGL_RESOURCES)
		return -EINVAL;
	if (range->z || range->d != 1 || !range->w || !range->h)
		return -EINVAL;
	if (!range->size || !is_va_span(range->addr, range->size))
		return -EINVAL;
	return 0;
}

/**
 * hgpu_virgl_check_ranges() - a table of ranges
 * @ranges: the table
 * @n: rows
 *
 * Return: 0, -EINVAL, -E2BIG.
 */
int hgpu_virgl_check_ranges(const struct drm_hmm_gpu_virgl_range *ranges, u32 n)
{
	u64 total = 0;
	u32 i;
	int err;

	if (n > HGPU_VIRGL_RANGES)
		return -E2BIG;
	for (i = 0; i < n; i++) {
		err = check_range(&ranges[i]);
		if (err)
			return err;
		total += ranges[i].size;	/* of 64 that have 47 bits */
	}
	return total > HGPU_VIRGL_STAGING ? -E2BIG : 0;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_virgl_check_ranges);

/**
 * hgpu_virgl_check_syncs() - what to wait for, or to signal
 * @syncs: the table
 * @n: rows
 *
 * Return: 0 or -EINVAL.
 */
int hgpu_virgl_check_syncs(const struct drm_hmm_gpu_virgl_sync *syncs, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		if (syncs[i].flags & ~HMM_GPU_VIRGL_SYNC_TIMELINE)
			return -EINVAL;
		if (!(syncs[i].flags & HMM_GPU_VIRGL_SYNC_TIMELINE) && syncs[i].point)
			return -EINVAL;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_virgl_check_syncs);

int hgpu_virgl_errno(u32 status)
{
	switch (status) {
	case HGPU_VIRGL_OK:
		return 0;
	case HGPU_VIRGL_BAD_JOB:
	case HGPU_VIRGL_BAD_TRANSFER:
		return -EINVAL;
	case HGPU_VIRGL_NO_RENDERER:
		return -ENODEV;
	case HGPU_VIRGL_NO_RESOURCE:
		return -ENOENT;
	case HGPU_VIRGL_NO_MEMORY:
		return -ENOMEM;
	case HGPU_VIRGL_TIMEOUT:
		return -ETIME;
	case HGPU_VIRGL_FAULT:
		return -EFAULT;
	case HGPU_VIRGL_NO_CONTEXT:
	case HGPU_VIRGL_ABORTED:
		return -ECANCELED;
	default:	/* BAD_STREAM, DIED, BUS_ERROR, and what cannot be */
		return -EIO;
	}
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_virgl_errno);
