/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Splitting and merging of attribute ranges, as pure functions: what the
 * ranges of a stretch of address space shall be after a change. Putting that
 * into effect is hgpu_svm_range.c's.
 */
#ifndef HGPU_SVM_PLAN_H
#define HGPU_SVM_PLAN_H

#include <linux/types.h>

/**
 * struct hgpu_svm_attrs - KFD's attributes
 * @preferred_loc: gpu_id, 0 for system memory, KFD_IOCTL_SVM_LOCATION_UNDEFINED
 * @prefetch_loc: likewise; the last prefetch
 * @flags: KFD_IOCTL_SVM_FLAG_*
 * @granularity: log2 of pages
 * @access: GPUs (by index) that migrate the memory when they touch it
 * @in_place: GPUs that touch it where it is
 */
struct hgpu_svm_attrs {
	u32 preferred_loc;
	u32 prefetch_loc;
	u32 flags;
	u8 granularity;
	u8 access;
	u8 in_place;
};

/**
 * struct hgpu_svm_span - pages with equal attributes
 * @first: first page
 * @last: last page, inclusive
 * @attrs: theirs
 */
struct hgpu_svm_span {
	u64 first;
	u64 last;
	struct hgpu_svm_attrs attrs;
};

/**
 * struct hgpu_svm_hole - pages that are gone
 * @first: first page
 * @last: last page, inclusive
 */
struct hgpu_svm_hole {
	u64 first;
	u64 last;
};

/**
 * struct hgpu_svm_change - new attributes for a stretch
 * @first: first page
 * @last: last page, inclusive
 * @cap: pages of the largest span; a power of two. Longer ones are split at
 *	multiples of it
 * @defaults: of memory that had no attributes
 * @apply: changes attributes
 * @data: for @apply
 */
struct hgpu_svm_change {
	u64 first;
	u64 last;
	u64 cap;
	struct hgpu_svm_attrs defaults;
	void (*apply)(struct hgpu_svm_attrs *attrs, const void *data);
	const void *data;
};

bool hgpu_svm_attrs_equal(const struct hgpu_svm_attrs *a,
			  const struct hgpu_svm_attrs *b);
unsigned int hgpu_svm_plan_change(const struct hgpu_svm_span *old,
				  unsigned int n,
				  const struct hgpu_svm_change *change,
				  struct hgpu_svm_span *out);
const struct hgpu_svm_span *
hgpu_svm_plan_find(const struct hgpu_svm_span *spans, unsigned int n, u64 page,
		   u64 *last);
unsigned int hgpu_svm_plan_cut(const struct hgpu_svm_span *old,
			       const struct hgpu_svm_hole *holes,
			       unsigned int num_holes,
			       struct hgpu_svm_span *out);
unsigned int hgpu_svm_hole_add(struct hgpu_svm_hole *holes, unsigned int n,
			       unsigned int max, u64 first, u64 last);

#endif /* HGPU_SVM_PLAN_H */
