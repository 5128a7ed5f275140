// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing, clearing and reading page table entries, on tables in system
 * memory: no GPU is asked. After each step the tables that a GPU would walk
 * are compared with what hgpu_vm_read() says, and no fragment may promise
 * more than there is.
 */
#include <kunit/test.h>

#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_gpuvm_table.h"

#define RW	(HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE)
#define BASE	(5ull << 18 | 3ull << 9)	/* a page: PDB1 5, PDB0 3, PTB 0 */
#define TABLES	2				/* PTBs from there on */
#define PAGES	(TABLES * 512u)

struct vm_fixture {
	struct hgpu_device *hdev;
	struct hgpu_vm vm;
	struct hgpu_pt pdb2, pdb1, pdb0, ptb[TABLES];
	u64 ptes[PAGES];
};

static void make_table(struct kunit *test, struct hgpu_pt *pt, u64 offset, unsigned int level)
{
	pt->addr = offset;
	pt->io = (u64 __iomem __force *)kunit_kcalloc(test, 512, 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)pt->io);
	if (level > HGPU_VM_PTB) {
		pt->child = kunit_kcalloc(test, 512, sizeof(*pt->child), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, pt->child);
	}
	if (level <= HGPU_VM_PDB0) {
		pt->shadow = kunit_kcalloc(test, 512, 8, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, pt->shadow);
	}
}

static void link_table(struct hgpu_pt *parent, u32 index, struct hgpu_pt *pt)
{
	parent->child[index] = pt;
	hgpu_pt_store(parent, index, hgpu_pde_table(pt->addr));
}

static int vm_test_init(struct kunit *test)
{
	struct vm_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->hdev = kunit_kzalloc(test, sizeof(*f->hdev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->hdev);
	test->priv = f;
	hgpu_vm_early_init(&f->vm, f->hdev, 1);
	make_table(test, &f->pdb2, 0x1000, HGPU_VM_PDB2);
	make_table(test, &f->pdb1, 0x2000, HGPU_VM_PDB1);
	make_table(test, &f->pdb0, 0x3000, HGPU_VM_PDB0);
	link_table(&f->pdb2, hgpu_pt_index(BASE, HGPU_VM_PDB2), &f->pdb1);
	link_table(&f->pdb1, hgpu_pt_index(BASE, HGPU_VM_PDB1), &f->pdb0);
	for (i = 0; i < TABLES; i++) {
		make_table(test, &f->ptb[i], 0x4000 + i * 0x1000, HGPU_VM_PTB);
		link_table(&f->pdb0, hgpu_pt_index(BASE, HGPU_VM_PDB0) + i, &f->ptb[i]);
	}
	f->vm.root = &f->pdb2;
	return 0;
}

static u64 io_read(struct hgpu_pt *pt, u32 i)
{
	return le64_to_cpu(((__le64 __force *)pt->io)[i]);
}

/* What a GPU would find: the entry of a page, FRAG included. 0: a fault. */
static u64 walk(struct vm_fixture *f, u32 i)
{
	u64 pde = io_read(&f->pdb0, hgpu_pt_index(BASE + i, HGPU_VM_PDB0));

	if (pde & HGPU_PDE_PTE)
		return (pde & ~HGPU_PDE_PTE) + (i % 512) * HGPU_PAGE_SIZE;
	if (!(pde & HGPU_PTE_VALID))
		return 0;
	return io_read(&f->ptb[i / 512], i % 512);
}

/* A TLB may take what an entry's FRAG promises for every page of the run. */
static void check_fragment(struct kunit *test, struct vm_fixture *f, u32 i)
{
	u64 pte = walk(f, i);
	u32 run = 1u << FIELD_GET(HGPU_PTE_FRAG, pte);
	u32 start = round_down(i, run), k;
	s64 delta;

	KUNIT_ASSERT_LE(test, run, 512);
	for (k = start; k < start + run; k++) {
		delta = ((s64)k - i) * HGPU_PAGE_SIZE;
		if (walk(f, k) != pte + delta)
			KUNIT_FAIL(test, "page %u: FRAG %u promises page %u", i, ilog2(run), k);
	}
}

static void check(struct kunit *test, struct vm_fixture *f)
{
	u32 i, valid = 0;
	u64 *seen = kunit_kcalloc(test, PAGES, 8, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, seen);
	for (i = 0; i < PAGES; i++)
		valid += f->ptes[i] & HGPU_PTE_VALID;
	KUNIT_EXPECT_EQ(test, hgpu_vm_read(&f->vm, BASE, PAGES, seen), valid);
	KUNIT_EXPECT_MEMEQ(test, seen, f->ptes, sizeof(f->ptes));
	for (i = 0; i < PAGES; i++) {
		KUNIT_EXPECT_EQ(test, walk(f, i) & ~HGPU_PTE_FRAG, f->ptes[i]);
		if (f->ptes[i] & HGPU_PTE_VALID)
			check_fragment(test, f, i);
	}
	kunit_kfree(test, seen);
}

/* Map @n pages from page @i on at physical page @phys, and expect it. */
static u64 map(struct vm_fixture *f, u32 i, u32 n, u64 phys)
{
	u32 k;

	for (k = 0; k < n; k++)
		f->ptes[i + k] = hgpu_pte_vram((phys + k) << 12, RW);
	return hgpu_vm_set(&f->vm, BASE + i, n, &f->ptes[i]);
}

static u64 zap(struct vm_fixture *f, u32 i, u32 n)
{
	memset(&f->ptes[i], 0, n * 8);
	return hgpu_vm_zap(&f->vm, BASE + i, BASE + i + n - 1);
}

static void set_huge(struct kunit *test, struct vm_fixture *f, u32 table, u64 phys)
{
	u64 pde = hgpu_pde_huge(hgpu_pte_vram(phys << 12, RW));
	u32 k;

	for (k = 0; k < 512; k++)
		f->ptes[table * 512 + k] = hgpu_pte_vram((phys + k) << 12, RW);
	KUNIT_EXPECT_TRUE(test, hgpu_vm_set_huge(&f->vm, BASE + table * 512, pde));
}

static void set_across_tables_is_read_back(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, map(f, 500, 40, 0x1000), 0);
	check(test, f);
}

static void set_aligned_run_gets_its_fragment(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	map(f, 0, 512, 0x200);
	KUNIT_EXPECT_EQ(test, FIELD_GET(HGPU_PTE_FRAG, walk(f, 0)), 9);
	KUNIT_EXPECT_EQ(test, FIELD_GET(HGPU_PTE_FRAG, walk(f, 511)), 9);
	map(f, 512, 16, 0x1001);
	KUNIT_EXPECT_EQ(test, FIELD_GET(HGPU_PTE_FRAG, walk(f, 512)), 0);
	check(test, f);
}

static void set_over_valid_counts_what_it_replaces(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	map(f, 10, 20, 0x400);
	KUNIT_EXPECT_EQ(test, map(f, 20, 30, 0x800), 10);
	check(test, f);
}

static void set_into_a_fragment_cuts_it(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	map(f, 0, 512, 0x200);
	KUNIT_EXPECT_EQ(test, map(f, 100, 1, 0x5000), 1);
	check(test, f);
	KUNIT_EXPECT_EQ(test, FIELD_GET(HGPU_PTE_FRAG, walk(f, 0)), 6);
	KUNIT_EXPECT_EQ(test, FIELD_GET(HGPU_PTE_FRAG, walk(f, 256)), 8);
}

static void zap_into_a_fragment_cuts_it(struct kunit *test)
{
	struct vm_fixture *f = test->priv;
	u32 lo, n;

	for (lo = 0; lo < 512; lo += 73)
		for (n = 1; lo + n <= 512; n = 3 * n + 1) {
			map(f, 0, 512, 0x200);
			KUNIT_EXPECT_EQ(test, zap(f, lo, n), n);
			check(test, f);
		}
}

static void zap_counts_valid_pages_only(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	map(f, 508, 8, 0x300);
	KUNIT_EXPECT_EQ(test, zap(f, 0, 510), 2);
	check(test, f);
	KUNIT_EXPECT_EQ(test, zap(f, 0, PAGES), 6);
	KUNIT_EXPECT_EQ(test, zap(f, 0, PAGES), 0);
	check(test, f);
}

static void next_used_skips_what_is_empty(struct kunit *test)
{
	struct vm_fixture *f = test->priv;
	u64 poison = HGPU_VM_NORETRY_FLAGS;

	KUNIT_EXPECT_EQ(test, hgpu_vm_next_used(&f->vm, 0, BASE + PAGES - 1), BASE + PAGES);
	hgpu_vm_set(&f->vm, BASE + 5, 1, &poison);
	KUNIT_EXPECT_EQ(test, hgpu_vm_next_used(&f->vm, 0, BASE + PAGES - 1), BASE);
	KUNIT_EXPECT_EQ(test, hgpu_vm_next_used(&f->vm, BASE + 7, BASE + PAGES - 1), BASE + 7);
	KUNIT_EXPECT_EQ(test, hgpu_vm_next_used(&f->vm, 0, BASE - 1), BASE);
	zap(f, 5, 1);
	KUNIT_EXPECT_EQ(test, hgpu_vm_next_used(&f->vm, 0, BASE + PAGES - 1), BASE + PAGES);
}

static void zap_where_no_tables_are_does_nothing(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	map(f, 0, 8, 0x300);
	KUNIT_EXPECT_EQ(test, hgpu_vm_zap(&f->vm, 0, BASE - 1), 0);
	KUNIT_EXPECT_EQ(test, hgpu_vm_zap(&f->vm, BASE + PAGES, HGPU_VM_PAGES - 1), 0);
	check(test, f);
	/* ... and the whole space at once finds what there is. */
	memset(f->ptes, 0, sizeof(f->ptes));
	KUNIT_EXPECT_EQ(test, hgpu_vm_zap(&f->vm, 0, U64_MAX), 8);
	check(test, f);
}

static void zap_clears_no_retry_entries_too(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	f->ptes[7] = HGPU_VM_NORETRY_FLAGS;
	KUNIT_EXPECT_EQ(test, hgpu_vm_set(&f->vm, BASE + 7, 1, &f->ptes[7]), 0);
	check(test, f);
	KUNIT_EXPECT_EQ(test, zap(f, 7, 1), 0);
	check(test, f);
}

static void huge_leaf_is_read_as_pages(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	set_huge(test, f, 1, 0x400);
	check(test, f);
}

static void huge_leaf_replaces_pages(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	map(f, 500, 100, 0x1000);
	set_huge(test, f, 1, 0x400);
	check(test, f);
	/* What lay below is gone for good, not hidden. */
	KUNIT_EXPECT_EQ(test, zap(f, 512, 512), 512);
	check(test, f);
}

static void zap_of_part_of_huge_leaf_clears_it_whole(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	set_huge(test, f, 0, 0x400);
	set_huge(test, f, 1, 0x800);
	KUNIT_EXPECT_EQ(test, zap(f, 300, 1), 512);
	memset(f->ptes, 0, 512 * 8);
	check(test, f);
}

static void set_into_huge_leaf_clears_the_rest(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	set_huge(test, f, 0, 0x400);
	memset(f->ptes, 0, 512 * 8);
	KUNIT_EXPECT_EQ(test, map(f, 8, 4, 0x3000), 512);
	check(test, f);
}

static void exchange_in_huge_leaf_leaves_the_rest(struct kunit *test)
{
	u64 was, poison = HGPU_VM_NORETRY_FLAGS;
	struct vm_fixture *f = test->priv;

	set_huge(test, f, 1, 0x400);
	was = f->ptes[600];
	KUNIT_EXPECT_EQ(test, hgpu_vm_exchange(&f->vm, BASE + 600, poison), was);
	f->ptes[600] = poison;
	check(test, f);
	KUNIT_EXPECT_FALSE(test, hgpu_vm_set_if(&f->vm, BASE + 601, poison, was));
	check(test, f);
	KUNIT_EXPECT_TRUE(test, hgpu_vm_set_if(&f->vm, BASE + 600, poison, was));
	f->ptes[600] = was;
	check(test, f);
}

static void exchange_where_nothing_is_mapped(struct kunit *test)
{
	u64 poison = HGPU_VM_NORETRY_FLAGS;
	struct vm_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, hgpu_vm_exchange(&f->vm, BASE + 3, poison), 0);
	f->ptes[3] = poison;
	check(test, f);
	KUNIT_EXPECT_EQ(test, zap(f, 3, 1), 0);
	KUNIT_EXPECT_FALSE(test, hgpu_vm_set_if(&f->vm, BASE + 3, poison, f->ptes[0] | RW));
	check(test, f);
}

static void nothing_happens_without_tables(struct kunit *test)
{
	struct vm_fixture *f = test->priv;
	u64 pte = hgpu_pte_vram(0, RW);

	map(f, 0, 8, 0x300);
	f->vm.root = NULL;	/* as after hgpu_vm_fini() */
	KUNIT_EXPECT_EQ(test, hgpu_vm_set(&f->vm, BASE, 1, &pte), 0);
	KUNIT_EXPECT_FALSE(test, hgpu_vm_set_huge(&f->vm, BASE, hgpu_pde_huge(pte)));
	KUNIT_EXPECT_EQ(test, hgpu_vm_zap(&f->vm, BASE, BASE + 7), 0);
	KUNIT_EXPECT_EQ(test, hgpu_vm_read(&f->vm, BASE, 1, &pte), 0);
	KUNIT_EXPECT_EQ(test, pte, 0);
	KUNIT_EXPECT_EQ(test, hgpu_vm_prepare(&f->vm, BASE, BASE), -ENODEV);
	KUNIT_EXPECT_EQ(test, hgpu_vm_flush_tlb(&f->vm), 0);
}

static void prepare_refuses_absurd_spans(struct kunit *test)
{
	struct vm_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, hgpu_vm_prepare(&f->vm, 8, 7), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgpu_vm_prepare(&f->vm, 0, HGPU_VM_PAGES), -EINVAL);
	KUNIT_EXPECT_EQ(test, hgpu_vm_prepare(&f->vm, U64_MAX, U64_MAX), -EINVAL);
}

static struct kunit_case hgpu_gpuvm_cases[] = {
	KUNIT_CASE(set_across_tables_is_read_back),
	KUNIT_CASE(set_aligned_run_gets_its_fragment),
	KUNIT_CASE(set_over_valid_counts_what_it_replaces),
	KUNIT_CASE(set_into_a_fragment_cuts_it),
	KUNIT_CASE(zap_into_a_fragment_cuts_it),
	KUNIT_CASE(zap_counts_valid_pages_only),
	KUNIT_CASE(next_used_skips_what_is_empty),
	KUNIT_CASE(zap_where_no_tables_are_does_nothing),
	KUNIT_CASE(zap_clears_no_retry_entries_too),
	KUNIT_CASE(huge_leaf_is_read_as_pages),
	KUNIT_CASE(huge_leaf_replaces_pages),
	KUNIT_CASE(zap_of_part_of_huge_leaf_clears_it_whole),
	KUNIT_CASE(set_into_huge_leaf_clears_the_rest),
	KUNIT_CASE(exchange_in_huge_leaf_leaves_the_rest),
	KUNIT_CASE(exchange_where_nothing_is_mapped),
	KUNIT_CASE(nothing_happens_without_tables),
	KUNIT_CASE(prepare_refuses_absurd_spans),
	{}
};

static struct kunit_suite hgpu_gpuvm_suite = {
	.name = "hgpu_gpuvm",
	.init = vm_test_init,
	.test_cases = hgpu_gpuvm_cases,
};

kunit_test_suite(hgpu_gpuvm_suite);
