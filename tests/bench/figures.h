/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured, and the line that is printed of it. */
#ifndef FIGURES_H
#define FIGURES_H

struct samples {
	double v[512];
	unsigned int n;
};

void add(struct samples *s, double v);
double percentile(struct samples *s, unsigned int p);
double median(struct samples *s);

/* @ours, @reference: negative is none. @better: "higher" or "lower". @target: "" is none. */
void report(const char *name, const char *unit, double ours, double reference, const char *reference_name,
	    const char *better, const char *target);

/* The virgl engine, on GPU 0; a comment says why not, where it has none. */
void measure_virgl(void);

#endif
