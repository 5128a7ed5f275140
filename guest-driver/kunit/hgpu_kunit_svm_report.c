// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports of GPU faults: which are of yesterday (times of 48 bits, memory that
 * has been unmapped since), and which are kept when there are too many.
 */
#include <kunit/test.h>
#include <linux/string.h>

#include "hgpu_svm_priv.h"

#define WRAP	(1ull << 48)	/* of the clock that entries carry */

/* ---- times ---- */

struct date_case {
	const char *name;
	u64 now;
	u64 reported;
	u64 date;
};

static const struct date_case date_cases[] = {
	{ "just now", 1000, 1000, 1000 },
	{ "a while ago", 1000, 3, 3 },
	{ "before the first wrap", WRAP + 5, WRAP - 16, WRAP - 16 },
	{ "in the tick that wraps", WRAP, 0, WRAP },
	{ "the last tick before it", WRAP, WRAP - 1, WRAP - 1 },
	{ "after it", WRAP + 5, 5, WRAP + 5 },
	{ "after many", 7 * WRAP + 1000, 1, 7 * WRAP + 1 },
	{ "before the last of many", 7 * WRAP + 1000, 1001, 6 * WRAP + 1001 },
};

KUNIT_ARRAY_PARAM_DESC(date, date_cases, name);

static void report_time_is_completed(struct kunit *test)
{
	const struct date_case *c = test->param_value;
	struct hgpu_svm_fault fault = { .timestamp = c->reported };

	hgpu_svm_fault_date(&fault, c->now);
	KUNIT_EXPECT_EQ(test, fault.timestamp, c->date);
}

/* The low 48 bits of the two would say the opposite. */
static void report_is_compared_across_the_wrap(struct kunit *test)
{
	struct hgpu_svm_fault before = { .timestamp = WRAP - 10 };
	struct hgpu_svm_fault after = { .timestamp = 10 };

	hgpu_svm_fault_date(&before, WRAP + 20);
	hgpu_svm_fault_date(&after, WRAP + 20);
	KUNIT_EXPECT_FALSE(test, hgpu_svm_reported_since(&before, WRAP + 5));
	KUNIT_EXPECT_TRUE(test, hgpu_svm_reported_since(&before, WRAP - 10));
	KUNIT_EXPECT_TRUE(test, hgpu_svm_reported_since(&after, WRAP - 5));
	KUNIT_EXPECT_TRUE(test, hgpu_svm_reported_since(&after, WRAP + 10));
	KUNIT_EXPECT_FALSE(test, hgpu_svm_reported_since(&after, WRAP + 11));
}

/* ---- memory that is gone ---- */

static bool unmapped_after(const struct hgpu_svm_unmaps *unmaps, u64 page, u8 gpu,
			   u64 reported)
{
	struct hgpu_svm_fault fault = {
		.timestamp = reported, .page = page, .gpu = gpu,
	};

	return hgpu_svm_unmaps_after(unmaps, &fault);
}

static void unmap(struct hgpu_svm_unmaps *unmaps, u64 first, u64 last, u64 when)
{
	struct hgpu_svm_unmap one = {
		.first = first, .last = last, .when = { when, when + 1000 },
	};

	hgpu_svm_unmaps_add(unmaps, &one);
}

static void only_older_reports_of_its_pages_are_before_an_unmap(struct kunit *test)
{
	struct hgpu_svm_unmaps unmaps = { };

	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 0, 0, 0));
	unmap(&unmaps, 100, 109, WRAP + 50);
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 100, 0, WRAP + 49));
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 109, 0, 7));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 100, 0, WRAP + 50));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 99, 0, 7));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 110, 0, 7));
}

static void each_gpu_has_its_own_clock(struct kunit *test)
{
	struct hgpu_svm_unmaps unmaps = { };

	unmap(&unmaps, 100, 109, 50);
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 105, 1, 1049));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 105, 1, 1050));
	/* it never could use them */
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 105, 2, 0));
}

static void last_unmap_of_a_page_counts(struct kunit *test)
{
	struct hgpu_svm_unmaps unmaps = { };

	unmap(&unmaps, 100, 109, 50);
	unmap(&unmaps, 105, 119, 70);
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 104, 0, 60));
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 105, 0, 60));
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 119, 0, 60));
}

/* munmap() of many ranges takes one place. */
static void ranges_side_by_side_are_one(struct kunit *test)
{
	struct hgpu_svm_unmaps unmaps = { };
	u64 i;

	unmap(&unmaps, 10, 19, 40);
	for (i = 0; i < 10 * HGPU_SVM_UNMAPS; i++)
		unmap(&unmaps, 100 + 10 * i, 109 + 10 * i, 50);
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 15, 0, 45));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 99, 0, 45));
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 100, 0, 45));
	KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 99 + 10 * i, 0, 45));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 100 + 10 * i, 0, 45));
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 100, 0, 50));
}

/* None is forgotten; of old ones it may say more, but of no later report. */
static void many_unmaps_are_remembered(struct kunit *test)
{
	struct hgpu_svm_unmaps unmaps = { };
	u64 i, n = 3 * HGPU_SVM_UNMAPS;

	for (i = 0; i < n; i++)
		unmap(&unmaps, 100 * (i + 1), 100 * (i + 1) + 9, 50 + i);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_TRUE(test, unmapped_after(&unmaps, 100 * (i + 1) + 9,
						       0, 49 + i));
		KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 100 * (i + 1),
							0, 50 + n));
	}
	for (i = n - HGPU_SVM_UNMAPS; i < n; i++) {
		KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 100 * (i + 1),
							0, 50 + i));
		KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps,
							100 * (i + 1) + 10, 0, 0));
	}
	/* those before them have the time of the last of them */
	KUNIT_EXPECT_FALSE(test, unmapped_after(&unmaps, 100, 0,
						50 + n - HGPU_SVM_UNMAPS));
}

/* ---- the queue ---- */

static struct hgpu_svm_fault report(u64 page, u8 flags)
{
	return (struct hgpu_svm_fault) { .page = page, .flags = flags };
}

static void no_retry_report_takes_the_place_of_another(struct kunit *test)
{
	struct hgpu_svms *svms = kunit_kzalloc(test, sizeof(*svms), GFP_KERNEL);
	struct hgpu_svm_fault f;
	u32 i, halts = 0;

	KUNIT_ASSERT_NOT_NULL(test, svms);
	spin_lock_init(&svms->fault_lock);
	for (i = 0; i < HGPU_SVM_FAULTS; i++) {
		f = report(i, i ? 0 : HGPU_SVM_FAULT_NORETRY);
		KUNIT_EXPECT_TRUE(test, hgpu_svm_fault_push(svms, &f));
	}
	f = report(1000, 0);
	KUNIT_EXPECT_FALSE(test, hgpu_svm_fault_push(svms, &f));
	f = report(2000, HGPU_SVM_FAULT_NORETRY);
	KUNIT_EXPECT_TRUE(test, hgpu_svm_fault_push(svms, &f));
	KUNIT_EXPECT_FALSE(test, hgpu_svm_fault_push(svms, &f));	/* is there */

	for (i = 0; hgpu_svm_fault_pop(svms, &f); i++) {
		KUNIT_EXPECT_EQ(test, f.page, i == HGPU_SVM_FAULTS - 1 ? 2000 : i);
		halts += !!(f.flags & HGPU_SVM_FAULT_NORETRY);
	}
	KUNIT_EXPECT_EQ(test, i, HGPU_SVM_FAULTS);
	KUNIT_EXPECT_EQ(test, halts, 2);
}

static struct kunit_case svm_report_cases[] = {
	KUNIT_CASE_PARAM(report_time_is_completed, date_gen_params),
	KUNIT_CASE(report_is_compared_across_the_wrap),
	KUNIT_CASE(only_older_reports_of_its_pages_are_before_an_unmap),
	KUNIT_CASE(each_gpu_has_its_own_clock),
	KUNIT_CASE(last_unmap_of_a_page_counts),
	KUNIT_CASE(ranges_side_by_side_are_one),
	KUNIT_CASE(many_unmaps_are_remembered),
	KUNIT_CASE(no_retry_report_takes_the_place_of_another),
	{}
};

static struct kunit_suite svm_report_suite = {
	.name = "hgpu_svm_report",
	.test_cases = svm_report_cases,
};
kunit_test_suites(&svm_report_suite);
