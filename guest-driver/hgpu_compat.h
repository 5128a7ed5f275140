/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel versions: here, in Kbuild, and nowhere else.
 *
 * Kbuild refuses kernels that the driver cannot be built against.
 * CONFIG_DEVICE_PRIVATE is another matter: kernels without it export enough to
 * link, so hgpu_drv.c refuses when the module is loaded.
 */
#ifndef HGPU_COMPAT_H
#define HGPU_COMPAT_H

#include <linux/version.h>

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
#define gpu_buddy_block_offset		drm_buddy_block_offset
#define gpu_buddy_block_size		drm_buddy_block_size
#define GPU_BUDDY_RANGE_ALLOCATION	DRM_BUDDY_RANGE_ALLOCATION
#define GPU_BUDDY_TOPDOWN_ALLOCATION	DRM_BUDDY_TOPDOWN_ALLOCATION
#define GPU_BUDDY_CONTIGUOUS_ALLOCATION	DRM_BUDDY_CONTIGUOUS_ALLOCATION
#endif

/* &drm_driver.date went with 6.14; until then a NULL one is warned about. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define HGPU_COMPAT_DRM_DATE(d)	.date = (d),
#else
#define HGPU_COMPAT_DRM_DATE(d)
#endif

/* Symbol namespaces became strings with 6.13. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define HGPU_COMPAT_IMPORT_KUNIT_NS()	MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING)
#else
#define HGPU_COMPAT_IMPORT_KUNIT_NS()	MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING")
#endif

/*
 * Some kernels' kfd_ioctl.h has an error code in this line. KFD's interface 1.10,
 * which is what we promise, does not, whatever kernel we are built for.
 */
#define HGPU_COMPAT_FMT_MIGRATE_END(ns, pid, start, size, from, to, trigger) \
	"%lld -%d @%lx(%lx) %x->%x %d\n", (ns), (pid), (start), (size), (from), (to), (trigger)

#include <drm/gpu_scheduler.h>

/* A scheduler that knows all priorities, with one job a credit. */
static inline int
hgpu_compat_sched_init(struct drm_gpu_scheduler *sched,
		       const struct drm_sched_backend_ops *ops,
		       struct workqueue_struct *submit_wq,
		       struct workqueue_struct *timeout_wq, u32 credits,
		       long timeout, const char *name, struct device *dev)
{
#ifdef HGPU_HAVE_SCHED_INIT_ARGS
	const struct drm_sched_init_args args = {
		.ops = ops,
		.submit_wq = submit_wq,
		.timeout_wq = timeout_wq,
		.num_rqs = DRM_SCHED_PRIORITY_COUNT,
		.credit_limit = credits,
		.timeout = timeout,
		.name = name,
		.dev = dev,
	};

	return drm_sched_init(sched, &args);
#else
	return drm_sched_init(sched, ops, submit_wq, DRM_SCHED_PRIORITY_COUNT, credits, 0,
			      timeout, timeout_wq, NULL, name, dev);
#endif
}

static inline int hgpu_compat_sched_job_init(struct drm_sched_job *job,
					     struct drm_sched_entity *entity)
{
#ifdef HGPU_HAVE_SCHED_CLIENT_ID
	return drm_sched_job_init(job, entity, 1, NULL, 0);
#else
	return drm_sched_job_init(job, entity, 1, NULL);
#endif
}

static inline void hgpu_compat_sched_start(struct drm_gpu_scheduler *sched)
{
#ifdef HGPU_HAVE_SCHED_START_ERRNO
	drm_sched_start(sched, 0);
#else
	drm_sched_start(sched);
#endif
}

#endif /* HGPU_COMPAT_H */
