// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting and merging of attribute ranges. Besides the cases by hand, random
 * changes are compared with a model that keeps the attributes of every page.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "hgpu_svm_plan.h"

#define CAP	64
#define SPANS	8

static const struct hgpu_svm_attrs fresh = { .granularity = 9 };

static void set_flags(struct hgpu_svm_attrs *attrs, const void *data)
{
	attrs->flags = *(const u32 *)data;
}

static unsigned int change(const struct hgpu_svm_span *old, unsigned int n,
			   u64 first, u64 last, const u32 *flags,
			   struct hgpu_svm_span *out)
{
	struct hgpu_svm_change c = {
		.first = first,
		.last = last,
		.cap = CAP,
		.defaults = fresh,
		.apply = set_flags,
		.data = flags,
	};

	return hgpu_svm_plan_change(old, n, &c, out);
}

#define SPAN(first, last, value) \
	{ first, last, { .granularity = 9, .flags = value } }

static void expect_spans(struct kunit *test, const struct hgpu_svm_span *got,
			 unsigned int n, const struct hgpu_svm_span *want,
			 unsigned int n_want)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, n, n_want);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, got[i].first, want[i].first);
		KUNIT_EXPECT_EQ(test, got[i].last, want[i].last);
		KUNIT_EXPECT_TRUE(test, hgpu_svm_attrs_equal(&got[i].attrs,
							     &want[i].attrs));
	}
}

#define EXPECT_CHANGE(test, old, n, first, last, value, ...) do {	\
	const struct hgpu_svm_span want_[] = { __VA_ARGS__ };		\
	struct hgpu_svm_span got_[SPANS];					\
	u32 value_ = value;						\
	unsigned int n_ = change(old, n, first, last, &value_, NULL);	\
									\
	KUNIT_EXPECT_EQ(test, n_, change(old, n, first, last, &value_, got_)); \
	expect_spans(test, got_, n_, want_, ARRAY_SIZE(want_));		\
} while (0)

static void change_of_nothing_makes_a_range(struct kunit *test)
{
	EXPECT_CHANGE(test, NULL, 0, 3, 7, 1, SPAN(3, 7, 1));
	EXPECT_CHANGE(test, NULL, 0, 3, 3, 0, SPAN(3, 3, 0));
}

static void change_of_a_whole_range_keeps_its_bounds(struct kunit *test)
{
	struct hgpu_svm_span old[] = { SPAN(10, 19, 1) };

	EXPECT_CHANGE(test, old, 1, 10, 19, 2, SPAN(10, 19, 2));
}

static void change_of_the_head_splits(struct kunit *test)
{
	struct hgpu_svm_span old[] = { SPAN(10, 19, 1) };

	EXPECT_CHANGE(test, old, 1, 10, 12, 2, SPAN(10, 12, 2), SPAN(13, 19, 1));
	EXPECT_CHANGE(test, old, 1, 5, 12, 2, SPAN(5, 12, 2), SPAN(13, 19, 1));
}

static void change_of_the_tail_splits(struct kunit *test)
{
	struct hgpu_svm_span old[] = { SPAN(10, 19, 1) };

	EXPECT_CHANGE(test, old, 1, 19, 19, 2, SPAN(10, 18, 1), SPAN(19, 19, 2));
	EXPECT_CHANGE(test, old, 1, 15, 30, 2, SPAN(10, 14, 1), SPAN(15, 30, 2));
}

static void change_of_the_middle_splits_in_three(struct kunit *test)
{
	struct hgpu_svm_span old[] = { SPAN(10, 19, 1) };

	EXPECT_CHANGE(test, old, 1, 12, 14, 2,
		      SPAN(10, 11, 1), SPAN(12, 14, 2), SPAN(15, 19, 1));
}

static void change_that_changes_nothing_splits_nothing(struct kunit *test)
{
	struct hgpu_svm_span old[] = { SPAN(10, 19, 1) };

	EXPECT_CHANGE(test, old, 1, 12, 14, 1, SPAN(10, 19, 1));
}

static void change_fills_gaps_and_merges(struct kunit *test)
{
	struct hgpu_svm_span old[] = {
		SPAN(2, 5, 1), SPAN(6, 9, 2), SPAN(20, 29, 3), SPAN(40, 45, 7),
	};

	EXPECT_CHANGE(test, old, 4, 0, 50, 7, SPAN(0, 50, 7));
	EXPECT_CHANGE(test, old, 4, 4, 42, 7, SPAN(2, 3, 1), SPAN(4, 45, 7));
}

static void ranges_are_split_at_multiples_of_the_cap(struct kunit *test)
{
	EXPECT_CHANGE(test, NULL, 0, 60, 200, 1, SPAN(60, 63, 1),
		      SPAN(64, 127, 1), SPAN(128, 191, 1), SPAN(192, 200, 1));
	EXPECT_CHANGE(test, NULL, 0, 0, 63, 1, SPAN(0, 63, 1));
	EXPECT_CHANGE(test, NULL, 0, 63, 64, 1, SPAN(63, 63, 1), SPAN(64, 64, 1));
}

#define EXPECT_CUT(test, old, holes, ...) do {				\
	const struct hgpu_svm_span want_[] = { __VA_ARGS__ };		\
	struct hgpu_svm_span got_[SPANS];					\
	unsigned int n_ = hgpu_svm_plan_cut(&(old), holes, ARRAY_SIZE(holes), \
					    got_);			\
									\
	KUNIT_EXPECT_EQ(test, n_, hgpu_svm_plan_cut(&(old), holes,	\
						    ARRAY_SIZE(holes), NULL)); \
	expect_spans(test, got_, n_, want_, ARRAY_SIZE(want_));		\
} while (0)

static void cut_leaves_what_is_around_the_holes(struct kunit *test)
{
	struct hgpu_svm_span old = SPAN(10, 19, 1);
	struct hgpu_svm_hole head[] = { { 10, 12 } }, tail[] = { { 15, 19 } };
	struct hgpu_svm_hole middle[] = { { 13, 13 } };
	struct hgpu_svm_hole many[] = { { 10, 10 }, { 12, 13 }, { 19, 19 } };

	EXPECT_CUT(test, old, head, SPAN(13, 19, 1));
	EXPECT_CUT(test, old, tail, SPAN(10, 14, 1));
	EXPECT_CUT(test, old, middle, SPAN(10, 12, 1), SPAN(14, 19, 1));
	EXPECT_CUT(test, old, many, SPAN(11, 11, 1), SPAN(14, 18, 1));
}

static void cut_of_everything_leaves_nothing(struct kunit *test)
{
	struct hgpu_svm_span old = SPAN(10, 19, 1), out[2];
	struct hgpu_svm_hole exact = { 10, 19 }, more = { 0, 100 };

	KUNIT_EXPECT_EQ(test, hgpu_svm_plan_cut(&old, &exact, 1, out), 0);
	KUNIT_EXPECT_EQ(test, hgpu_svm_plan_cut(&old, &more, 1, out), 0);
	KUNIT_EXPECT_EQ(test, hgpu_svm_plan_cut(&old, NULL, 0, out), 1);
}

/* Steps through [first, last] and expects what comes of it. */
static void expect_steps(struct kunit *test, const struct hgpu_svm_span *spans,
			 unsigned int n, u64 first, u64 last,
			 const struct hgpu_svm_hole *want, const int *index,
			 unsigned int n_want)
{
	unsigned int i;

	for (i = 0; i < n_want; i++) {
		const struct hgpu_svm_span *span;
		u64 end = last;

		span = hgpu_svm_plan_find(spans, n, first, &end);
		KUNIT_EXPECT_EQ(test, first, want[i].first);
		KUNIT_EXPECT_EQ(test, end, want[i].last);
		KUNIT_EXPECT_PTR_EQ(test, span,
				    index[i] < 0 ? NULL : &spans[index[i]]);
		first = end + 1;
	}
	KUNIT_EXPECT_EQ(test, first, last + 1);
}

static void find_steps_through_spans_and_gaps(struct kunit *test)
{
	struct hgpu_svm_span spans[] = {
		SPAN(2, 5, 1), SPAN(6, 9, 2), SPAN(20, 29, 3),
	};
	struct hgpu_svm_hole all[] = {
		{ 0, 1 }, { 2, 5 }, { 6, 9 }, { 10, 19 }, { 20, 29 }, { 30, 40 },
	};
	struct hgpu_svm_hole part[] = { { 8, 9 }, { 10, 19 }, { 20, 22 } };
	struct hgpu_svm_hole nothing[] = { { 11, 15 } };

	expect_steps(test, spans, 3, 0, 40, all,
		     (const int []){ -1, 0, 1, -1, 2, -1 }, 6);
	expect_steps(test, spans, 3, 8, 22, part, (const int []){ 1, -1, 2 }, 3);
	expect_steps(test, spans, 3, 11, 15, nothing, (const int []){ -1 }, 1);
	expect_steps(test, spans, 0, 11, 15, nothing, (const int []){ -1 }, 1);
}

static void holes_are_sorted_and_joined(struct kunit *test)
{
	struct hgpu_svm_hole h[4];
	unsigned int n;

	n = hgpu_svm_hole_add(h, 0, 4, 20, 29);
	n = hgpu_svm_hole_add(h, n, 4, 5, 6);
	n = hgpu_svm_hole_add(h, n, 4, 40, 41);
	KUNIT_ASSERT_EQ(test, n, 3);
	KUNIT_EXPECT_EQ(test, h[0].first, 5);
	KUNIT_EXPECT_EQ(test, h[1].last, 29);
	KUNIT_EXPECT_EQ(test, h[2].first, 40);

	/* touches the first and overlaps the second */
	n = hgpu_svm_hole_add(h, n, 4, 7, 22);
	KUNIT_ASSERT_EQ(test, n, 2);
	KUNIT_EXPECT_EQ(test, h[0].first, 5);
	KUNIT_EXPECT_EQ(test, h[0].last, 29);
}

static void expect_holes(struct kunit *test, const struct hgpu_svm_hole *got,
			 unsigned int n, const struct hgpu_svm_hole *want,
			 unsigned int n_want)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, n, n_want);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, got[i].first, want[i].first);
		KUNIT_EXPECT_EQ(test, got[i].last, want[i].last);
	}
}

static void holes_without_room_join_the_closest(struct kunit *test)
{
	struct hgpu_svm_hole h[3];
	unsigned int n = 0;

	n = hgpu_svm_hole_add(h, n, 3, 0, 0);
	n = hgpu_svm_hole_add(h, n, 3, 200, 200);
	n = hgpu_svm_hole_add(h, n, 3, 100, 100);
	n = hgpu_svm_hole_add(h, n, 3, 110, 110);	/* the one before */
	n = hgpu_svm_hole_add(h, n, 3, 190, 191);	/* the one after */
	n = hgpu_svm_hole_add(h, n, 3, 300, 300);	/* beyond the last */
	expect_holes(test, h, n, (const struct hgpu_svm_hole []){
		{ 0, 0 }, { 100, 110 }, { 190, 300 } }, 3);
	/* all that it touches */
	n = hgpu_svm_hole_add(h, n, 3, 111, 189);
	expect_holes(test, h, n, (const struct hgpu_svm_hole []){
		{ 0, 0 }, { 100, 300 } }, 2);
	n = hgpu_svm_hole_add(h, n, 3, 0, 400);
	expect_holes(test, h, n, (const struct hgpu_svm_hole []){ { 0, 400 } }, 1);
}

/* ---- against a model ---- */

#define PAGES	256
#define NONE	U32_MAX

struct model {
	u32 flags[PAGES];
	struct hgpu_svm_span spans[PAGES];
	unsigned int n;
};

/* Replace spans [from, to) by @new. */
static void splice(struct model *m, unsigned int from, unsigned int to,
		   const struct hgpu_svm_span *new, unsigned int n)
{
	memmove(&m->spans[from + n], &m->spans[to],
		(m->n - to) * sizeof(*m->spans));
	memcpy(&m->spans[from], new, n * sizeof(*new));
	m->n = m->n - (to - from) + n;
}

static void model_check(struct kunit *test, const struct model *m)
{
	unsigned int i;
	u64 page = 0;

	for (i = 0; i < m->n; i++) {
		const struct hgpu_svm_span *s = &m->spans[i];

		KUNIT_ASSERT_LE(test, s->first, s->last);
		KUNIT_ASSERT_LE(test, page, s->first);
		KUNIT_ASSERT_EQ(test, s->first / CAP, s->last / CAP);
		for (; page < s->first; page++)
			KUNIT_ASSERT_EQ(test, m->flags[page], NONE);
		for (; page <= s->last; page++)
			KUNIT_ASSERT_EQ(test, m->flags[page], s->attrs.flags);
	}
	for (; page < PAGES; page++)
		KUNIT_ASSERT_EQ(test, m->flags[page], NONE);
}

static void model_overlap(const struct model *m, u64 first, u64 last,
			  unsigned int *from, unsigned int *to)
{
	for (*from = 0; *from < m->n && m->spans[*from].last < first; (*from)++)
		;
	for (*to = *from; *to < m->n && m->spans[*to].first <= last; (*to)++)
		;
}

static void random_changes_match_a_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct hgpu_svm_span *out = kunit_kcalloc(test, PAGES, sizeof(*out),
						  GFP_KERNEL);
	struct rnd_state rnd;
	unsigned int round, from, to, n, i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_ASSERT_NOT_NULL(test, out);
	for (i = 0; i < PAGES; i++)
		m->flags[i] = NONE;

	prandom_seed_state(&rnd, 0x484d4d);
	for (round = 0; round < 2000; round++) {
		u64 first = prandom_u32_state(&rnd) % PAGES;
		u64 last = min_t(u64, PAGES - 1,
				 first + prandom_u32_state(&rnd) % 90);
		u32 flags = prandom_u32_state(&rnd) % 3;

		model_overlap(m, first, last, &from, &to);
		if (prandom_u32_state(&rnd) % 4) {
			n = change(&m->spans[from], to - from, first, last,
				   &flags, out);
		} else {
			struct hgpu_svm_hole hole = { first, last };

			flags = NONE;
			for (n = 0, i = from; i < to; i++)
				n += hgpu_svm_plan_cut(&m->spans[i], &hole, 1,
						       out + n);
		}
		splice(m, from, to, out, n);
		for (i = first; i <= last; i++)
			m->flags[i] = flags;
		model_check(test, m);
	}
}

static struct kunit_case plan_cases[] = {
	KUNIT_CASE(change_of_nothing_makes_a_range),
	KUNIT_CASE(change_of_a_whole_range_keeps_its_bounds),
	KUNIT_CASE(change_of_the_head_splits),
	KUNIT_CASE(change_of_the_tail_splits),
	KUNIT_CASE(change_of_the_middle_splits_in_three),
	KUNIT_CASE(change_that_changes_nothing_splits_nothing),
	KUNIT_CASE(change_fills_gaps_and_merges),
	KUNIT_CASE(ranges_are_split_at_multiples_of_the_cap),
	KUNIT_CASE(cut_leaves_what_is_around_the_holes),
	KUNIT_CASE(cut_of_everything_leaves_nothing),
	KUNIT_CASE(find_steps_through_spans_and_gaps),
	KUNIT_CASE(holes_are_sorted_and_joined),
	KUNIT_CASE(holes_without_room_join_the_closest),
	KUNIT_CASE(random_changes_match_a_model),
	{}
};

static struct kunit_suite plan_suite = {
	.name = "hgpu_svm_plan",
	.test_cases = plan_cases,
};

kunit_test_suite(plan_suite);
