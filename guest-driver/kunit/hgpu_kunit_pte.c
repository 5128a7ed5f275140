// SPDX-License-Identifier: GPL-2.0-only
/*
 * Encodings: GPUVM entries and fragments, GART entries, interrupt entries.
 * Expected values are spelled out as AMD's headers have them, not built with
 * the macros that the code uses.
 */
#include <kunit/test.h>

#include "hgpu_gart.h"
#include "hgpu_gpuvm.h"
#include "hgpu_ih_ring.h"

#define RW	(HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE)

/* ---- GPUVM ---- */

static void pte_vram_is_valid_offset_with_permissions(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hgpu_pte_vram(0, 0), 0x1);
	KUNIT_EXPECT_EQ(test, hgpu_pte_vram(0x12345000, RW), 0x12345061);
	KUNIT_EXPECT_EQ(test, hgpu_pte_vram(0x1000, HGPU_PTE_READABLE), 0x1021);
	KUNIT_EXPECT_EQ(test, hgpu_pte_vram(0x1000, HGPU_PTE_EXECUTABLE), 0x1011);
}

static void pte_system_is_snooped_bus_address(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hgpu_pte_system(0x7fffff000, RW), 0x7fffff067);
	KUNIT_EXPECT_EQ(test, hgpu_pte_system(0xfffffffff000, HGPU_PTE_READABLE),
			0xfffffffff027);
}

static void pte_foreign_flags_are_dropped(struct kunit *test)
{
	u64 pte = hgpu_pte_vram(0x2000, ~0ull);

	KUNIT_EXPECT_EQ(test, pte, 0x2071);
	KUNIT_EXPECT_EQ(test, hgpu_pte_vram(0x2fff, 0), 0x2001);
}

static void pde_table_points_at_vram(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hgpu_pde_table(0x345000), 0x345001);
}

static void pde_huge_is_a_leaf(struct kunit *test)
{
	u64 pde = hgpu_pde_huge(hgpu_pte_vram(0x600000, RW));

	KUNIT_EXPECT_EQ(test, pde, 0x600061 | 1ull << 54);
}

static void pte_kind_and_address_are_read_back(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, hgpu_pte_is_vram(hgpu_pte_vram(0x5000, RW)));
	KUNIT_EXPECT_FALSE(test, hgpu_pte_is_vram(hgpu_pte_system(0x5000, RW)));
	KUNIT_EXPECT_FALSE(test, hgpu_pte_is_vram(0));
	KUNIT_EXPECT_EQ(test, hgpu_pte_addr(hgpu_pde_huge(hgpu_pte_vram(0x800000, RW))),
			0x800000);
}

/* ---- fragments ---- */

struct fragment_case {
	const char *name;
	u64 page;	/* virtual page of the first entry */
	u64 phys;	/* its physical page */
	u32 run;	/* entries that continue it */
	u32 n;		/* entries shown to the function */
	unsigned int frag;
};

static const struct fragment_case fragment_cases[] = {
	{ "single page", 16, 16, 1, 1, 0 },
	{ "pair", 16, 16, 2, 2, 1 },
	{ "whole table", 512, 1024, 512, 512, 9 },
	{ "run is cut to a power of two", 0, 0, 15, 512, 3 },
	{ "virtual alignment limits", 4, 16, 512, 508, 2 },
	{ "physical alignment limits", 16, 6, 512, 496, 1 },
	{ "odd physical page", 16, 7, 512, 496, 0 },
	{ "page and address zero", 0, 0, 512, 512, 9 },
	{ "end of the span limits", 0, 0, 512, 7, 2 },
};

KUNIT_ARRAY_PARAM_DESC(fragment, fragment_cases, name);

static u64 *fragment_entries(struct kunit *test, const struct fragment_case *c)
{
	u64 *ptes = kunit_kcalloc(test, 512, sizeof(*ptes), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, ptes);
	for (i = 0; i < c->n; i++)	/* what is behind the run lies elsewhere */
		ptes[i] = hgpu_pte_vram((i < c->run ? c->phys + i : 0x100000 + 3 * i) << 12, RW);
	return ptes;
}

static void fragment_is_largest_aligned_run(struct kunit *test)
{
	const struct fragment_case *c = test->param_value;
	u64 *ptes = fragment_entries(test, c);

	KUNIT_EXPECT_EQ(test, hgpu_pte_fragment(c->page, ptes, c->n), c->frag);
}

static void fragment_ends_where_flags_differ(struct kunit *test)
{
	u64 ptes[8];
	u32 i;

	for (i = 0; i < 8; i++)
		ptes[i] = hgpu_pte_system(i << 12, i < 4 ? RW : HGPU_PTE_READABLE);
	KUNIT_EXPECT_EQ(test, hgpu_pte_fragment(0, ptes, 8), 2);
	KUNIT_EXPECT_EQ(test, hgpu_pte_fragment(4, ptes + 4, 4), 2);
}

static void fragment_of_invalid_entry_is_none(struct kunit *test)
{
	u64 ptes[4] = {};

	KUNIT_EXPECT_EQ(test, hgpu_pte_fragment(0, ptes, 4), 0);
}

/* ---- GART ---- */

static void gart_pte_is_snooped_system_page(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hgpu_gart_pte(0x12345000, HGPU_GART_READ), 0x12345027);
	KUNIT_EXPECT_EQ(test, hgpu_gart_pte(0x12345000, HGPU_GART_WRITE), 0x12345047);
	KUNIT_EXPECT_EQ(test, hgpu_gart_pte(0xffff12345000, HGPU_GART_READ | HGPU_GART_WRITE),
			0xffff12345067);
}

static void gart_pte_without_permission_is_valid(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hgpu_gart_pte(0x1000, 0), 0x1007);
}

/* ---- interrupt entries ---- */

static void ih_entry_fields_are_where_vega_has_them(struct kunit *test)
{
	const struct hgpu_ih_entry entry = {
		.dw = {
			cpu_to_le32(0x85280012),	/* VMID 5, ring 0x28, source 0, VMC */
			cpu_to_le32(0x89abcdef),
			cpu_to_le32(0x80004567),	/* bit 31 is not part of the time */
			cpu_to_le32(0x00ff8001),	/* node id, PASID */
			cpu_to_le32(0x11111111), cpu_to_le32(0x22222222),
			cpu_to_le32(0x33333333), cpu_to_le32(0x44444444),
		},
	};
	struct hgpu_iv iv = {};

	hgpu_ih_decode(&entry, &iv);
	KUNIT_EXPECT_EQ(test, iv.client_id, 0x12);
	KUNIT_EXPECT_EQ(test, iv.src_id, 0);
	KUNIT_EXPECT_EQ(test, iv.ring_id, 0x28);
	KUNIT_EXPECT_EQ(test, iv.vmid, 5);
	KUNIT_EXPECT_EQ(test, iv.timestamp, 0x456789abcdefull);
	KUNIT_EXPECT_EQ(test, iv.pasid, 0x8001);
	KUNIT_EXPECT_EQ(test, iv.src_data[0], 0x11111111);
	KUNIT_EXPECT_EQ(test, iv.src_data[1], 0x22222222);
	KUNIT_EXPECT_EQ(test, iv.src_data[2], 0x33333333);
	KUNIT_EXPECT_EQ(test, iv.src_data[3], 0x44444444);
}

static void ih_entry_of_all_ones_stays_in_its_fields(struct kunit *test)
{
	struct hgpu_ih_entry entry;
	struct hgpu_iv iv = {};

	memset(&entry, 0xff, sizeof(entry));
	hgpu_ih_decode(&entry, &iv);
	KUNIT_EXPECT_EQ(test, iv.vmid, 15);
	KUNIT_EXPECT_EQ(test, iv.timestamp, 0xffffffffffffull);
	KUNIT_EXPECT_EQ(test, iv.pasid, 0xffff);
}

static struct kunit_case hgpu_pte_cases[] = {
	KUNIT_CASE(pte_vram_is_valid_offset_with_permissions),
	KUNIT_CASE(pte_system_is_snooped_bus_address),
	KUNIT_CASE(pte_foreign_flags_are_dropped),
	KUNIT_CASE(pde_table_points_at_vram),
	KUNIT_CASE(pde_huge_is_a_leaf),
	KUNIT_CASE(pte_kind_and_address_are_read_back),
	KUNIT_CASE_PARAM(fragment_is_largest_aligned_run, fragment_gen_params),
	KUNIT_CASE(fragment_ends_where_flags_differ),
	KUNIT_CASE(fragment_of_invalid_entry_is_none),
	{}
};

static struct kunit_suite hgpu_pte_suite = {
	.name = "hgpu_pte",
	.test_cases = hgpu_pte_cases,
};

static struct kunit_case hgpu_gart_cases[] = {
	KUNIT_CASE(gart_pte_is_snooped_system_page),
	KUNIT_CASE(gart_pte_without_permission_is_valid),
	{}
};

static struct kunit_suite hgpu_gart_suite = {
	.name = "hgpu_gart",
	.test_cases = hgpu_gart_cases,
};

static struct kunit_case hgpu_ih_cases[] = {
	KUNIT_CASE(ih_entry_fields_are_where_vega_has_them),
	KUNIT_CASE(ih_entry_of_all_ones_stays_in_its_fields),
	{}
};

static struct kunit_suite hgpu_ih_suite = {
	.name = "hgpu_ih",
	.test_cases = hgpu_ih_cases,
};

kunit_test_suites(&hgpu_pte_suite, &hgpu_gart_suite, &hgpu_ih_suite);
