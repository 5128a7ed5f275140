// SPDX-License-Identifier: GPL-2.0-or-later
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>

#include "tap.h"

void add(struct samples *s, double v)
{
	if (s->n < sizeof(s->v) / sizeof(s->v[0]))
		s->v[s->n++] = v;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double percentile(struct samples *s, unsigned int p)
{
	if (!s->n)
		fail("nothing was measured");
	qsort(s->v, s->n, sizeof(s->v[0]), by_value);
	return s->v[(s->n - 1) * p / 100];
}

double median(struct samples *s)
{
	return percentile(s, 50);
}

void report(const char *name, const char *unit, double ours, double reference, const char *reference_name,
	    const char *better, const char *target)
{
	printf("%s|%s|", name, unit);
	printf(ours >= 0 ? "%.6g|" : "|", ours);
	printf(reference >= 0 ? "%.6g|" : "|", reference);
	printf("%s|%s|%s\n", reference_name, better, target);
	fflush(stdout);
}
