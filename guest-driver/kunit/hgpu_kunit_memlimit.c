// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of memory: what KFD of Linux 6.12 comes to, worked out by hand.
 */
#include <kunit/test.h>

#include "hgpu_memlimit.h"

#define KIB	1024ull
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)

/* ---- system memory ---- */

struct system_case {
	const char *name;
	u64 ram;
	u64 limit;
};

static const struct system_case system_cases[] = {
	{ "no RAM", 0, 0 },
	/* half of 63/64 */
	{ "1 GiB", GIB, 504 * MIB },
	{ "2 GiB", 2 * GIB, 1008 * MIB },
	{ "63/64 are just below 3 GiB", 3120 * MIB, 1572480 * KIB },
	/* 63/64, without 1.5 GiB */
	{ "63/64 are just above 3 GiB", 3121 * MIB, 1573104 * KIB },
	{ "4 GiB", 4 * GIB, 2496 * MIB },
	{ "64 GiB", 64 * GIB, 63 * GIB - 1536 * MIB },
};

KUNIT_ARRAY_PARAM_DESC(system, system_cases, name);

static void system_limit_is_kfds(struct kunit *test)
{
	const struct system_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, hgpu_memlimit_system(c->ram), c->limit);
}

/* ---- VRAM ---- */

struct tables_case {
	const char *name;
	u64 vram;
	u64 total;
	u64 tables;
};

static const struct tables_case tables_cases[] = {
	{ "an eighth of little VRAM", 16 * MIB, GIB, 2 * MIB },
	{ "an eighth is as much", 64 * MIB, GIB, 8 * MIB },
	{ "8 MiB", 512 * MIB, 4 * GIB, 8 * MIB },
	{ "8 MiB up to 128 GiB", 64 * GIB, 128 * GIB, 8 * MIB },
	{ "1/16384 of more than that", 64 * GIB, 256 * GIB, 16 * MIB },
};

KUNIT_ARRAY_PARAM_DESC(tables, tables_cases, name);

static void vram_for_page_tables_is_kfds(struct kunit *test)
{
	const struct tables_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, hgpu_memlimit_page_tables(c->vram, c->total), c->tables);
}

static struct kunit_case memlimit_cases[] = {
	KUNIT_CASE_PARAM(system_limit_is_kfds, system_gen_params),
	KUNIT_CASE_PARAM(vram_for_page_tables_is_kfds, tables_gen_params),
	{}
};

static struct kunit_suite memlimit_suite = {
	.name = "hgpu_memlimit",
	.test_cases = memlimit_cases,
};
kunit_test_suites(&memlimit_suite);
