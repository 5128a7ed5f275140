// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables that user space hands in for the virgl engine.
 */
#include <kunit/test.h>
#include <linux/sizes.h>

#include "hgpu_virgl_priv.h"

#define VA_END	(1ull << 47)
#define ADDR	0x10000ull

/* ---- streams ---- */

struct stream_case {
	const char *name;
	u64 addr;
	u32 ndw;
	int err;
};

static const struct stream_case stream_cases[] = {
	{ "one dword", ADDR, 1, 0 },
	{ "as long as can be", ADDR, HGPU_VIRGL_STREAM_DW, 0 },
	{ "longer", ADDR, HGPU_VIRGL_STREAM_DW + 1, -E2BIG },
	{ "none", ADDR, 0, -EINVAL },
	{ "not aligned", ADDR + 2, 1, -EINVAL },
	{ "up to the end of the space", VA_END - 4, 1, 0 },
	{ "over the end of the space", VA_END - 4, 2, -EINVAL },
	{ "over the end of everything", U64_MAX - 3, 2, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(stream, stream_cases, name);

static void stream_is_within_limits(struct kunit *test)
{
	const struct stream_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_stream(c->addr, c->ndw), c->err);
}

/* ---- resources ---- */

static const struct drm_hmm_gpu_virgl_resource good_resource = {
	.handle = 1, .width = 4096, .height = 1,
};

struct resource_case {
	const char *name;
	void (*change)(struct drm_hmm_gpu_virgl_resource *r);
	int err;
};

#define CHANGE(type, name, how)						\
	static void name(struct type *r)				\
	{								\
		how;							\
	}

CHANGE(drm_hmm_gpu_virgl_resource, resource_as_it_is, (void)r)
CHANGE(drm_hmm_gpu_virgl_resource, resource_last_handle, r->handle = HGPU_VIRGL_RESOURCES)
CHANGE(drm_hmm_gpu_virgl_resource, resource_handle_0, r->handle = 0)
CHANGE(drm_hmm_gpu_virgl_resource, resource_handle_large, r->handle = HGPU_VIRGL_RESOURCES + 1)
CHANGE(drm_hmm_gpu_virgl_resource, resource_flags, r->flags = 1)
CHANGE(drm_hmm_gpu_virgl_resource, resource_pad, r->pad = 1)
CHANGE(drm_hmm_gpu_virgl_resource, resource_no_width, r->width = 0)
CHANGE(drm_hmm_gpu_virgl_resource, resource_no_height, r->height = 0)
CHANGE(drm_hmm_gpu_virgl_resource, resource_largest, r->width = HGPU_VIRGL_BUFFER_MAX)
CHANGE(drm_hmm_gpu_virgl_resource, resource_too_large, r->width = HGPU_VIRGL_BUFFER_MAX + 1)
CHANGE(drm_hmm_gpu_virgl_resource, resource_too_high, r->height = HGPU_VIRGL_TEXTURE_MAX + 1)

static const struct resource_case resource_cases[] = {
	{ "as it is", resource_as_it_is, 0 },
	{ "the last handle", resource_last_handle, 0 },
	{ "handle 0", resource_handle_0, -EINVAL },
	{ "handle too large", resource_handle_large, -EINVAL },
	{ "flags", resource_flags, -EINVAL },
	{ "padding", resource_pad, -EINVAL },
	{ "no width", resource_no_width, -EINVAL },
	{ "no height", resource_no_height, -EINVAL },
	{ "the largest buffer", resource_largest, 0 },
	{ "a larger one", resource_too_large, -EINVAL },
	{ "too high", resource_too_high, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(resource, resource_cases, name);

static void resource_is_within_limits(struct kunit *test)
{
	const struct resource_case *c = test->param_value;
	struct drm_hmm_gpu_virgl_resource r = good_resource;

	c->change(&r);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_resource(&r), c->err);
}

/* ---- ranges ---- */

static const struct drm_hmm_gpu_virgl_range good_range = {
	.resource = 1, .flags = HMM_GPU_VIRGL_RANGE_IN, .w = 64, .h = 1, .d = 1,
	.addr = ADDR, .size = 64,
};

struct range_case {
	const char *name;
	void (*change)(struct drm_hmm_gpu_virgl_range *r);
	int err;
};

CHANGE(drm_hmm_gpu_virgl_range, range_as_it_is, (void)r)
CHANGE(drm_hmm_gpu_virgl_range, range_both_ways, r->flags = 3)
CHANGE(drm_hmm_gpu_virgl_range, range_no_way, r->flags = 0)
CHANGE(drm_hmm_gpu_virgl_range, range_unknown_flag, r->flags = 5)
CHANGE(drm_hmm_gpu_virgl_range, range_pad, r->pad = 1ull << 63)
CHANGE(drm_hmm_gpu_virgl_range, range_resource_0, r->resource = 0)
CHANGE(drm_hmm_gpu_virgl_range, range_resource_large, r->resource = HGPU_VIRGL_RESOURCES + 1)
CHANGE(drm_hmm_gpu_virgl_range, range_z, r->z = 1)
CHANGE(drm_hmm_gpu_virgl_range, range_d, r->d = 2)
CHANGE(drm_hmm_gpu_virgl_range, range_w, r->w = 0)
CHANGE(drm_hmm_gpu_virgl_range, range_h, r->h = 0)
CHANGE(drm_hmm_gpu_virgl_range, range_no_size, r->size = 0)
CHANGE(drm_hmm_gpu_virgl_range, range_end, r->addr = VA_END - 64)
CHANGE(drm_hmm_gpu_virgl_range, range_over_end, r->addr = VA_END - 63)
CHANGE(drm_hmm_gpu_virgl_range, range_wraps, r->size = U64_MAX)
CHANGE(drm_hmm_gpu_virgl_range, range_all, r->size = HGPU_VIRGL_STAGING)
CHANGE(drm_hmm_gpu_virgl_range, range_more, r->size = HGPU_VIRGL_STAGING + 1)

static const struct range_case range_cases[] = {
	{ "as it is", range_as_it_is, 0 },
	{ "in and out", range_both_ways, 0 },
	{ "neither in nor out", range_no_way, -EINVAL },
	{ "unknown flag", range_unknown_flag, -EINVAL },
	{ "padding", range_pad, -EINVAL },
	{ "resource 0", range_resource_0, -EINVAL },
	{ "resource too large", range_resource_large, -EINVAL },
	{ "z", range_z, -EINVAL },
	{ "two layers", range_d, -EINVAL },
	{ "no width", range_w, -EINVAL },
	{ "no height", range_h, -EINVAL },
	{ "no memory", range_no_size, -EINVAL },
	{ "up to the end of the space", range_end, 0 },
	{ "over the end of the space", range_over_end, -EINVAL },
	{ "wraps", range_wraps, -EINVAL },
	{ "all of the staging memory", range_all, 0 },
	{ "more than that", range_more, -E2BIG },
};

KUNIT_ARRAY_PARAM_DESC(range, range_cases, name);

/* The row that is wrong is found wherever it is. */
static void range_is_within_limits(struct kunit *test)
{
	const struct range_case *c = test->param_value;
	struct drm_hmm_gpu_virgl_range r[3] = { good_range, good_range, good_range };

	c->change(&r[0]);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, 1), c->err);
	r[2] = r[0];
	r[0] = good_range;
	if (r[2].size < HGPU_VIRGL_STAGING)
		KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, 3), c->err);
}

static void ranges_are_within_limits_together(struct kunit *test)
{
	const u32 n = HGPU_VIRGL_RANGES + 1;
	struct drm_hmm_gpu_virgl_range *r = kunit_kcalloc(test, n, sizeof(*r), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, r);
	for (i = 0; i < n; i++) {
		r[i] = good_range;
		r[i].size = HGPU_VIRGL_STAGING / HGPU_VIRGL_RANGES;
	}
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, 0), 0);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, HGPU_VIRGL_RANGES), 0);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, n), -E2BIG);
	r[HGPU_VIRGL_RANGES - 1].size++;
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, HGPU_VIRGL_RANGES), -E2BIG);
	/* Sums that wrap would let this through. */
	for (i = 0; i < n; i++)
		r[i].size = VA_END - ADDR;
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_ranges(r, HGPU_VIRGL_RANGES), -E2BIG);
}

/* ---- syncobjs ---- */

static void points_are_of_timelines_only(struct kunit *test)
{
	struct drm_hmm_gpu_virgl_sync s[2] = {
		{ .handle = 1 },
		{ .handle = 2, .flags = HMM_GPU_VIRGL_SYNC_TIMELINE, .point = 1ull << 40 },
	};

	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_syncs(s, 2), 0);
	s[0].point = 1;
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_syncs(s, 2), -EINVAL);
	s[0].point = 0;
	s[1].flags |= 2;
	KUNIT_EXPECT_EQ(test, hgpu_virgl_check_syncs(s, 2), -EINVAL);
}

/* ---- statuses ---- */

static void every_status_is_an_error_but_ok(struct kunit *test)
{
	u32 status;

	KUNIT_EXPECT_EQ(test, hgpu_virgl_errno(HGPU_VIRGL_OK), 0);
	for (status = 1; status <= HGPU_VIRGL_STATUS_COUNT; status++)
		KUNIT_EXPECT_LT(test, hgpu_virgl_errno(status), 0);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_errno(HGPU_VIRGL_FAULT), -EFAULT);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_errno(HGPU_VIRGL_TIMEOUT), -ETIME);
	KUNIT_EXPECT_EQ(test, hgpu_virgl_errno(HGPU_VIRGL_NOT_WRITTEN), -EIO);
}

static struct kunit_case virgl_cases[] = {
	KUNIT_CASE_PARAM(stream_is_within_limits, stream_gen_params),
	KUNIT_CASE_PARAM(resource_is_within_limits, resource_gen_params),
	KUNIT_CASE_PARAM(range_is_within_limits, range_gen_params),
	KUNIT_CASE(ranges_are_within_limits_together),
	KUNIT_CASE(points_are_of_timelines_only),
	KUNIT_CASE(every_status_is_an_error_but_ok),
	{}
};

static struct kunit_suite virgl_suite = {
	.name = "hgpu_virgl",
	.test_cases = virgl_cases,
};
kunit_test_suites(&virgl_suite);
