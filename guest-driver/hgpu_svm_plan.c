// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting and merging of attribute ranges: pure functions, tested by kunit.
 *
 * All spans are sorted and do not overlap. Every function may be called with
 * @out NULL to learn how many spans there will be.
 */
#include <kunit/visibility.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "hgpu_svm_plan.h"

/**
 * hgpu_svm_attrs_equal() - compare
 * @a: attributes
 * @b: attributes
 *
 * Context: any.
 * Return: whether memory with @a and memory with @b may be one range.
 */
bool hgpu_svm_attrs_equal(const struct hgpu_svm_attrs *a,
			  const struct hgpu_svm_attrs *b)
{
	return a->preferred_loc == b->preferred_loc &&
	       a->prefetch_loc == b->prefetch_loc &&
	       a->flags == b->flags &&
	       a->granularity == b->granularity &&
	       a->access == b->access &&
	       a->in_place == b->in_place;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_attrs_equal);

/* Output under construction: @run is not out yet, it may still grow. */
struct plan {
	struct hgpu_svm_span *out;
	unsigned int n;
	u64 cap;
	bool have_run;
	struct hgpu_svm_span run;
};

static void plan_flush(struct plan *plan)
{
	u64 first = plan->run.first;

	if (!plan->have_run)
		return;

	for (;;) {
		u64 last = min(plan->run.last, (first | (plan->cap - 1)));

		if (plan->out)
			plan->out[plan->n] = (struct hgpu_svm_span) {
				first, last, plan->run.attrs,
			};
		plan->n++;
		if (last == plan->run.last)
			break;
		first = last + 1;
	}
	plan->have_run = false;
}

static void plan_emit(struct plan *plan, u64 first, u64 last,
		      const struct hgpu_svm_attrs *attrs)
{
	if (first > last)
		return;
	if (plan->have_run && plan->run.last + 1 == first &&
	    hgpu_svm_attrs_equal(&plan->run.attrs, attrs)) {
		plan->run.last = last;
		return;
	}
	plan_flush(plan);
	plan->run = (struct hgpu_svm_span) { first, last, *attrs };
	plan->have_run = true;
}

/**
 * hgpu_svm_plan_change() - ranges after new attributes
 * @old: ranges that overlap the change
 * @n: how many
 * @change: what changes
 * @out: the ranges that replace all of @old, in the changed stretch and in
 *	what of @old reaches beyond it; adjacent equals are one, up to the cap
 *
 * Context: may sleep.
 * Return: how many.
 */
unsigned int hgpu_svm_plan_change(const struct hgpu_svm_span *old,
				  unsigned int n,
				  const struct hgpu_svm_change *change,
				  struct hgpu_svm_span *out)
{
	struct plan plan = { .out = out, .cap = change->cap };
	struct hgpu_svm_attrs fresh = change->defaults;
	u64 next = change->first;
	unsigned int i;

	change->apply(&fresh, change->data);

	for (i = 0; i < n; i++) {
		const struct hgpu_svm_span *s = &old[i];
		struct hgpu_svm_attrs attrs = s->attrs;
		u64 first = max(s->first, change->first);
		u64 last = min(s->last, change->last);

		if (s->first < change->first)
			plan_emit(&plan, s->first, change->first - 1, &s->attrs);
		if (next < first)
			plan_emit(&plan, next, first - 1, &fresh);
		change->apply(&attrs, change->data);
		plan_emit(&plan, first, last, &attrs);
		if (s->last > change->last)
			plan_emit(&plan, change->last + 1, s->last, &s->attrs);
		next = last + 1;
		cond_resched();
	}
	if (next <= change->last)
		plan_emit(&plan, next, change->last, &fresh);
	plan_flush(&plan);
	return plan.n;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_plan_change);

/**
 * hgpu_svm_plan_find() - what a page is part of
 * @spans: some ranges
 * @n: how many
 * @page: the page
 * @last: a page not before @page; moved down to the last one of which the same
 *	is true as of @page
 *
 * Context: any.
 * Return: the span; NULL if the page is in none.
 */
const struct hgpu_svm_span *
hgpu_svm_plan_find(const struct hgpu_svm_span *spans, unsigned int n, u64 page,
		   u64 *last)
{
	unsigned int from = 0, to = n;

	/* the first span that does not end before the page */
	while (from < to) {
		unsigned int middle = from + (to - from) / 2;

		if (spans[middle].last < page)
			from = middle + 1;
		else
			to = middle;
	}
	if (from == n)
		return NULL;
	if (spans[from].first > page) {
		*last = min(*last, spans[from].first - 1);
		return NULL;
	}
	*last = min(*last, spans[from].last);
	return &spans[from];
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_plan_find);

/**
 * hgpu_svm_plan_cut() - what is left of a range
 * @old: the range
 * @holes: what was taken, sorted, not overlapping
 * @num_holes: how many
 * @out: what is left; at most @num_holes + 1
 *
 * Context: any.
 * Return: how many.
 */
unsigned int hgpu_svm_plan_cut(const struct hgpu_svm_span *old,
			       const struct hgpu_svm_hole *holes,
			       unsigned int num_holes,
			       struct hgpu_svm_span *out)
{
	u64 next = old->first;
	unsigned int i, n = 0;

	for (i = 0; i <= num_holes; i++) {
		u64 end = i < num_holes ? min(holes[i].first, old->last + 1) :
					  old->last + 1;

		if (next < end) {
			if (out)
				out[n] = (struct hgpu_svm_span) {
					next, end - 1, old->attrs,
				};
			n++;
		}
		if (i < num_holes)
			next = max(next, holes[i].last + 1);
	}
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_plan_cut);

/**
 * hgpu_svm_hole_add() - remember that pages are gone
 * @holes: sorted, not overlapping, not touching; changed in place
 * @n: how many
 * @max: room, at least 1
 * @first: first page
 * @last: last page, inclusive
 *
 * Without room it becomes one with the hole that is closest to it, with the
 * pages between them. These then lose their attributes, never their contents.
 *
 * Context: any.
 * Return: how many there are now.
 */
unsigned int hgpu_svm_hole_add(struct hgpu_svm_hole *holes, unsigned int n,
			       unsigned int max, u64 first, u64 last)
{
	unsigned int from = 0, to;

	while (from < n && holes[from].last + 1 < first)
		from++;
	for (to = from; to < n && holes[to].first <= last + 1; to++)
		;
	if (from == to && n < max) {
		memmove(&holes[from + 1], &holes[from],
			(n - from) * sizeof(*holes));
		holes[from] = (struct hgpu_svm_hole) { first, last };
		return n + 1;
	}
	if (from == to) {
		if (from == n || (from && first - holes[from - 1].last <
					  holes[from].first - last))
			from--;
		to = from + 1;
	}

	holes[from].first = min(first, holes[from].first);
	holes[from].last = max(last, holes[to - 1].last);
	memmove(&holes[from + 1], &holes[to], (n - to) * sizeof(*holes));
	return n - (to - from) + 1;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_svm_hole_add);
