/*
 * hmm-gpu unit tests: the walker, the TLB, the GART, runs (SPEC 4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#define VMID    5u
#define VA      UINT64_C(0x123456789000)
#define PA      UINT64_C(0x00abc000)

static HgpuRun run;
static HgpuFault fault;

static bool translate(Rig *rig, uint32_t vmid, uint64_t va, uint32_t access)
{
    return hgpu_mem_run(&rig->gpu, vmid, va, 1, access, &run, &fault);
}

static void expect_pa(Rig *rig, uint32_t vmid, uint64_t va, uint64_t pa,
                      bool system)
{
    g_assert_true(translate(rig, vmid, va, HGPU_ACCESS_READ));
    g_assert_cmphex(run.pa, ==, pa);
    g_assert_true(run.system == system);
}

static void expect_fault(Rig *rig, uint32_t vmid, uint64_t va,
                         uint32_t access, HgpuFaultKind kind,
                         uint32_t walker_error, uint32_t flags)
{
    g_assert_false(translate(rig, vmid, va, access));
    g_assert_cmpuint(fault.kind, ==, kind);
    g_assert_cmpuint(fault.walker_error, ==, walker_error);
    g_assert_cmphex(fault.flags, ==, flags);
    g_assert_cmphex(fault.addr, ==, va);
    g_assert_cmpuint(fault.vmid, ==, vmid);
    g_assert_cmpuint(fault.access, ==, access);
}

#define INVALID     HGPU_IH_FAULT_RING__VALID

static void expect_invalid(Rig *rig, uint64_t va, HgpuFaultKind kind)
{
    expect_fault(rig, VMID, va, HGPU_ACCESS_READ, kind, HGPU_WALKER_OK,
                 INVALID);
    g_assert_false(fault.mapping_error);
}

static Rig *rig_with_vm(void)
{
    Rig *rig = rig_new();

    rig_vm(rig, VMID, RIG_VM_RETRY);
    return rig;
}

/* ---- Walker ---- */

static void walk_finds_vram_page(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    expect_pa(rig, VMID, VA + 0xfff, PA + 0xfff, false);
    rig_free(rig);
}

static void walk_finds_system_page(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE_SYS | UINT64_C(0x765432101000));
    expect_pa(rig, VMID, VA, UINT64_C(0x765432101000), true);
    rig_free(rig);
}

static void walk_uses_every_index_bit(void)
{
    Rig *rig = rig_with_vm();

    for (uint32_t bit = HGPU_PAGE_SHIFT; bit < HGPU_VA_BITS; bit++) {
        rig_map(rig, VMID, VA ^ BIT_ULL(bit), RIG_PTE | bit << 12);
    }
    for (uint32_t bit = HGPU_PAGE_SHIFT; bit < HGPU_VA_BITS; bit++) {
        expect_pa(rig, VMID, VA ^ BIT_ULL(bit), bit << 12, false);
    }
    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void walk_ignores_other_vmids(void)
{
    Rig *rig = rig_with_vm();

    rig_vm(rig, VMID + 1, RIG_VM_RETRY);
    rig_map(rig, VMID + 1, VA, RIG_PTE | PA);
    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    rig_map(rig, VMID, VA, RIG_PTE | (PA + 0x5000));
    expect_pa(rig, VMID, VA, PA + 0x5000, false);
    expect_pa(rig, VMID + 1, VA, PA, false);
    rig_free(rig);
}

static void invalid_entry_at_any_level_is_retry_fault(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE | PA);
    for (int level = HGPU_VM_PTB; level <= HGPU_VM_PDB2; level++) {
        uint64_t slot = rig_entry(rig, VMID, VA, level);
        uint64_t entry = rig_vram64(rig, slot);

        rig_flush(rig, BIT(VMID));
        rig_vram_set64(rig, slot, entry & ~HGPU_PTE_VALID);
        expect_invalid(rig, VA, HGPU_FAULT_RETRY);
        rig_vram_set64(rig, slot, entry);
        expect_pa(rig, VMID, VA, PA, false);
    }
    rig_free(rig);
}

static void invalid_root_is_retry_fault(void)
{
    Rig *rig = rig_with_vm();

    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(VMID),
           rig->root[VMID]);
    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void invalid_entry_without_retry_bit_is_noretry(void)
{
    Rig *rig = rig_with_vm();

    rig_vm(rig, VMID, RIG_VM_NORETRY);
    expect_invalid(rig, VA, HGPU_FAULT_NORETRY);
    rig_free(rig);
}

static void noretry_flags_are_noretry(void)
{
    static const uint64_t flags[] = { HGPU_PTE_EXECUTABLE, HGPU_PDE_PTE,
                                      HGPU_PTE_TF };
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, HGPU_VM_NORETRY_FLAGS);
    expect_invalid(rig, VA, HGPU_FAULT_NORETRY);
    /* in a directory too */
    rig_vram_set64(rig, rig_entry(rig, VMID, VA, HGPU_VM_PDB0),
                   HGPU_VM_NORETRY_FLAGS);
    expect_invalid(rig, VA, HGPU_FAULT_NORETRY);
    /* any two of them are not enough */
    for (uint32_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        rig_map(rig, VMID, VA + HGPU_PAGE_SIZE * 512 * 8,
                HGPU_VM_NORETRY_FLAGS & ~flags[i]);
        expect_invalid(rig, VA + HGPU_PAGE_SIZE * 512 * 8, HGPU_FAULT_RETRY);
    }
    rig_free(rig);
}

static void missing_permission_faults(void)
{
    static const struct {
        uint64_t pte;
        uint32_t access, flags;
    } cases[] = {
        { HGPU_PTE_WRITEABLE, HGPU_ACCESS_READ, HGPU_IH_FAULT_RING__READ },
        { HGPU_PTE_READABLE, HGPU_ACCESS_WRITE, HGPU_IH_FAULT_RING__WRITE },
        { HGPU_PTE_READABLE, HGPU_ACCESS_ATOMIC, HGPU_IH_FAULT_RING__WRITE },
        { HGPU_PTE_WRITEABLE, HGPU_ACCESS_ATOMIC, HGPU_IH_FAULT_RING__READ },
        { HGPU_PTE_EXECUTABLE, HGPU_ACCESS_ATOMIC,
          HGPU_IH_FAULT_RING__READ | HGPU_IH_FAULT_RING__WRITE },
    };
    Rig *rig = rig_with_vm();

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        rig_map(rig, VMID, VA, HGPU_PTE_VALID | cases[i].pte | PA);
        expect_fault(rig, VMID, VA, cases[i].access, HGPU_FAULT_RETRY,
                     HGPU_WALKER_OK, cases[i].flags);
    }
    rig_vm(rig, VMID, RIG_VM_NORETRY);
    expect_fault(rig, VMID, VA, HGPU_ACCESS_WRITE, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_OK, HGPU_IH_FAULT_RING__WRITE);
    rig_free(rig);
}

static void address_out_of_range_is_noretry(void)
{
    Rig *rig = rig_with_vm();
    uint64_t page = VA >> HGPU_PAGE_SHIFT;

    expect_fault(rig, VMID, BIT_ULL(48), HGPU_ACCESS_READ,
                 HGPU_FAULT_NORETRY, HGPU_WALKER_RANGE, INVALID);
    expect_fault(rig, VMID, UINT64_MAX, HGPU_ACCESS_READ,
                 HGPU_FAULT_NORETRY, HGPU_WALKER_RANGE, INVALID);
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(VMID), LO(page));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(VMID), HI(page));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(VMID), LO(page + 1));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(VMID), HI(page + 1));
    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    expect_invalid(rig, VA + 0x1fff, HGPU_FAULT_RETRY);
    expect_fault(rig, VMID, VA - 1, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_RANGE, INVALID);
    expect_fault(rig, VMID, VA + 0x2000, HGPU_ACCESS_READ,
                 HGPU_FAULT_NORETRY, HGPU_WALKER_RANGE, INVALID);
    rig_free(rig);
}

static void context_of_wrong_shape_is_noretry(void)
{
    Rig *rig = rig_with_vm();
    uint32_t cntl = rig_rd(rig, HGPU_VM_CONTEXT_CNTL(VMID));
    const uint32_t bad[] = {
        cntl & ~HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT,
        cntl & ~HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH,
        cntl | FIELD_PREP(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE, 9),
    };

    rig_map(rig, VMID, VA, RIG_PTE | PA);
    for (uint32_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        rig_wr(rig, HGPU_VM_CONTEXT_CNTL(VMID), bad[i]);
        expect_fault(rig, VMID, VA, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                     HGPU_WALKER_RANGE, INVALID);
    }
    rig_free(rig);
}

static void pde_as_pte_maps_2m_and_1g(void)
{
    Rig *rig = rig_with_vm();

    rig_vram_set64(rig, rig_entry(rig, VMID, VA, HGPU_VM_PDB0),
                   RIG_PTE | HGPU_PDE_PTE | 4 * MiB);
    expect_pa(rig, VMID, VA, 4 * MiB + (VA & (2 * MiB - 1)), false);
    expect_pa(rig, VMID, VA | (2 * MiB - 1), 6 * MiB - 1, false);
    rig_flush(rig, BIT(VMID));
    rig_vram_set64(rig, rig_entry(rig, VMID, VA, HGPU_VM_PDB1),
                   RIG_PTE_SYS | HGPU_PDE_PTE | UINT64_C(7) << 30);
    expect_pa(rig, VMID, VA, (UINT64_C(7) << 30) | (VA & 0x3fffffff), true);
    expect_pa(rig, VMID, VA | 0x3fffffff, (UINT64_C(8) << 30) - 1, true);
    rig_free(rig);
}

static void misaligned_leaf_is_walker_error(void)
{
    Rig *rig = rig_with_vm();

    rig_vram_set64(rig, rig_entry(rig, VMID, VA, HGPU_VM_PDB0),
                   RIG_PTE | HGPU_PDE_PTE | (4 * MiB + 0x1000));
    expect_fault(rig, VMID, VA, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_LEAF, INVALID);
    rig_free(rig);
}

static void leaf_in_root_is_walker_error(void)
{
    Rig *rig = rig_with_vm();

    rig_vram_set64(rig, rig_entry(rig, VMID, VA, HGPU_VM_PDB2),
                   RIG_PTE | HGPU_PDE_PTE);
    expect_fault(rig, VMID, VA, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_DIRECTORY, INVALID);
    rig_free(rig);
}

static void tables_in_system_memory_are_walked(void)
{
    Rig *rig = rig_with_vm();
    uint64_t pdb0 = rig_entry(rig, VMID, VA, HGPU_VM_PDB0);

    rig_vram_set64(rig, pdb0, HGPU_PTE_VALID | HGPU_PTE_SYSTEM | RIG_DATA);
    rig_ram_set64(rig, RIG_DATA + ((VA >> 12) & 511) * 8, RIG_PTE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    /* and the root itself */
    rig_flush(rig, BIT(VMID));
    memcpy(rig->ram + RIG_DATA + 0x1000, rig->vram + rig->root[VMID], 4096);
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(VMID),
           (RIG_DATA + 0x1000) | HGPU_PTE_VALID | HGPU_PTE_SYSTEM);
    expect_pa(rig, VMID, VA, PA, false);
    rig_free(rig);
}

static void unreadable_table_is_mapping_error(void)
{
    static const uint64_t bad[] = {
        HGPU_PTE_VALID | RIG_VRAM_SIZE,                     /* VRAM */
        HGPU_PTE_VALID | HGPU_PDE_ADDR,
        HGPU_PTE_VALID | HGPU_PTE_SYSTEM | RIG_RAM_SIZE,    /* bus */
        HGPU_PTE_VALID | HGPU_PTE_SYSTEM | RIG_DATA,
    };
    Rig *rig = rig_with_vm();
    uint64_t pdb0 = rig_entry(rig, VMID, VA, HGPU_VM_PDB0);

    rig->fail_from = RIG_DATA;
    rig->fail_to = RIG_DATA + 4096;
    for (uint32_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        rig_vram_set64(rig, pdb0, bad[i]);
        expect_fault(rig, VMID, VA, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                     HGPU_WALKER_DIRECTORY, 0);
        g_assert_true(fault.mapping_error);
    }
    rig_free(rig);
}

static void leaf_beyond_vram_is_mapping_error(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE | RIG_VRAM_SIZE);
    expect_fault(rig, VMID, VA, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_OK, 0);
    g_assert_true(fault.mapping_error);
    rig_map(rig, VMID, VA, RIG_PTE | HGPU_PTE_ADDR);
    expect_fault(rig, VMID, VA, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_OK, 0);
    rig_free(rig);
}

/* ---- TLB ---- */

static void missed_flush_is_visible(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    rig_map(rig, VMID, VA, RIG_PTE | (PA + 0x8000));
    expect_pa(rig, VMID, VA, PA, false);
    rig_map(rig, VMID, VA, 0);
    expect_pa(rig, VMID, VA, PA, false);
    rig_flush(rig, BIT(VMID));
    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void flush_of_other_vmid_keeps_entries(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    rig_map(rig, VMID, VA, 0);
    rig_flush(rig, 0xffff & ~BIT(VMID));
    expect_pa(rig, VMID, VA, PA, false);
    rig_flush(rig, BIT(VMID) | BIT(1));
    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void faults_are_not_cached(void)
{
    Rig *rig = rig_with_vm();

    expect_invalid(rig, VA, HGPU_FAULT_RETRY);
    rig_map(rig, VMID, VA, RIG_PTE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    rig_free(rig);
}

static void denied_leaf_is_not_cached(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, HGPU_PTE_VALID | HGPU_PTE_READABLE | PA);
    g_assert_false(translate(rig, VMID, VA, HGPU_ACCESS_WRITE));
    rig_map(rig, VMID, VA, RIG_PTE | PA);
    g_assert_true(translate(rig, VMID, VA, HGPU_ACCESS_WRITE));
    rig_free(rig);
}

static void cached_read_only_needs_flush_to_upgrade(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, HGPU_PTE_VALID | HGPU_PTE_READABLE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    rig_map(rig, VMID, VA, RIG_PTE | PA);
    expect_fault(rig, VMID, VA, HGPU_ACCESS_WRITE, HGPU_FAULT_RETRY,
                 HGPU_WALKER_OK, HGPU_IH_FAULT_RING__WRITE);
    rig_flush(rig, BIT(VMID));
    g_assert_true(translate(rig, VMID, VA, HGPU_ACCESS_WRITE));
    rig_free(rig);
}

static void fragment_covers_its_aligned_run(void)
{
    Rig *rig = rig_with_vm();
    uint64_t run64k = VA & ~UINT64_C(0xffff);
    uint64_t walks;

    rig_map_range(rig, VMID, run64k, RIG_PTE | 0xab0000 |
                  FIELD_PREP(HGPU_PTE_FRAG, UINT64_C(4)), 0x10000);
    expect_pa(rig, VMID, run64k + 0x5000, 0xab5000, false);
    walks = rig->gpu.stats.walks;
    for (uint64_t off = 0; off < 0x10000; off += 0x1000) {
        expect_pa(rig, VMID, run64k + off, 0xab0000 + off, false);
    }
    g_assert_cmpuint(rig->gpu.stats.walks, ==, walks);
    expect_invalid(rig, run64k + 0x10000, HGPU_FAULT_RETRY);
    expect_invalid(rig, run64k - 1, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void wrong_fragment_is_visible(void)
{
    Rig *rig = rig_with_vm();
    uint64_t run8k = VA & ~UINT64_C(0x1fff);

    /* not contiguous in VRAM, and the second page is not even mapped */
    rig_map(rig, VMID, run8k, RIG_PTE | 0x402000 |
            FIELD_PREP(HGPU_PTE_FRAG, UINT64_C(1)));
    expect_pa(rig, VMID, run8k, 0x402000, false);
    expect_pa(rig, VMID, run8k + 0x1000, 0x403000, false);
    rig_free(rig);
}

static void fragment_above_9_counts_as_9(void)
{
    Rig *rig = rig_with_vm();
    uint64_t run2m = VA & ~(2 * MiB - 1);

    rig_map_range(rig, VMID, run2m, RIG_PTE | 4 * MiB |
                  FIELD_PREP(HGPU_PTE_FRAG, UINT64_C(31)), 2 * MiB);
    expect_pa(rig, VMID, run2m + 0x1ff000, 4 * MiB + 0x1ff000, false);
    expect_pa(rig, VMID, run2m, 4 * MiB, false);
    expect_invalid(rig, run2m + 2 * MiB, HGPU_FAULT_RETRY);
    expect_invalid(rig, run2m - 1, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void eviction_loses_nothing(void)
{
    Rig *rig = rig_with_vm();
    const uint32_t pages = 4 * HGPU_TLB_SETS * HGPU_TLB_WAYS;

    for (uint32_t i = 0; i < pages; i++) {
        rig_map(rig, VMID, VA + i * HGPU_PAGE_SIZE,
                RIG_PTE | (i * UINT64_C(7919) % 4096) << 12);
    }
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < pages; i++) {
            expect_pa(rig, VMID, VA + i * HGPU_PAGE_SIZE,
                      (i * UINT64_C(7919) % 4096) << 12, false);
        }
    }
    g_assert_cmpuint(rig->gpu.stats.walks, >, pages);
    rig_free(rig);
}

static void working_set_of_the_size_of_the_tlb_stays(void)
{
    Rig *rig = rig_with_vm();
    const uint32_t pages = HGPU_TLB_SETS * HGPU_TLB_WAYS / 2;

    rig_map_range(rig, VMID, VA, RIG_PTE, pages * HGPU_PAGE_SIZE);
    for (uint32_t pass = 0; pass < 3; pass++) {
        for (uint32_t i = 0; i < pages; i++) {
            g_assert_true(translate(rig, VMID, VA + i * HGPU_PAGE_SIZE,
                                    HGPU_ACCESS_READ));
        }
    }
    g_assert_cmpuint(rig->gpu.stats.walks, ==, pages);
    rig_free(rig);
}

static void register_change_waits_for_flush(void)
{
    Rig *rig = rig_with_vm();

    rig_map(rig, VMID, VA, RIG_PTE | PA);
    expect_pa(rig, VMID, VA, PA, false);
    rig_wr(rig, HGPU_VM_CONTEXT_CNTL(VMID), 0);
    expect_pa(rig, VMID, VA, PA, false);
    rig_flush(rig, BIT(VMID));
    g_assert_false(translate(rig, VMID, VA, HGPU_ACCESS_READ));
    rig_free(rig);
}

/* ---- VMID 0 ---- */

static void fb_aperture_is_vram(void)
{
    Rig *rig = rig_new();

    expect_pa(rig, 0, RIG_FB, 0, false);
    expect_pa(rig, 0, RIG_FB + RIG_VRAM_SIZE - 1, RIG_VRAM_SIZE - 1, false);
    expect_fault(rig, 0, RIG_FB + RIG_VRAM_SIZE, HGPU_ACCESS_READ,
                 HGPU_FAULT_NORETRY, HGPU_WALKER_RANGE, INVALID);
    expect_fault(rig, 0, RIG_FB - 1, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_RANGE, INVALID);
    expect_fault(rig, 0, 0, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_RANGE, INVALID);
    /* a process has no aperture */
    rig_vm(rig, VMID, RIG_VM_RETRY);
    expect_invalid(rig, RIG_FB, HGPU_FAULT_RETRY);
    rig_free(rig);
}

static void gart_maps_its_aperture(void)
{
    Rig *rig = rig_new();

    rig_vram_set64(rig, RIG_GART_TABLE + 3 * 8, RIG_PTE_SYS | 0xdef000);
    rig_vram_set64(rig, RIG_GART_TABLE + 4 * 8, RIG_PTE | 0x555000);
    expect_pa(rig, 0, RIG_GART + 0x3123, 0xdef123, true);
    expect_pa(rig, 0, RIG_GART + 0x4123, 0x555123, false);
    expect_pa(rig, 0, RIG_GART + RIG_RAM_SIZE - 1, RIG_RAM_SIZE - 1, true);
    expect_fault(rig, 0, RIG_GART + RIG_RAM_SIZE, HGPU_ACCESS_READ,
                 HGPU_FAULT_NORETRY, HGPU_WALKER_RANGE, INVALID);
    expect_fault(rig, 0, RIG_GART - 1, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_RANGE, INVALID);
    rig_free(rig);
}

static void gart_fault_is_always_noretry(void)
{
    Rig *rig = rig_new();

    rig_wr(rig, HGPU_VM_CONTEXT_CNTL(0),
           HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT |
           HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT);
    rig_vram_set64(rig, RIG_GART_TABLE, 0);
    rig_vram_set64(rig, RIG_GART_TABLE + 8,
                   HGPU_PTE_VALID | HGPU_PTE_READABLE);
    expect_fault(rig, 0, RIG_GART, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_OK, INVALID);
    expect_fault(rig, 0, RIG_GART + 0x1000, HGPU_ACCESS_WRITE,
                 HGPU_FAULT_NORETRY, HGPU_WALKER_OK,
                 HGPU_IH_FAULT_RING__WRITE);
    rig_free(rig);
}

static void gart_entry_is_cached_until_flush(void)
{
    Rig *rig = rig_new();

    expect_pa(rig, 0, RIG_GART, 0, true);
    rig_vram_set64(rig, RIG_GART_TABLE, RIG_PTE_SYS | 0x9000);
    expect_pa(rig, 0, RIG_GART, 0, true);
    rig_flush(rig, BIT(0));
    expect_pa(rig, 0, RIG_GART, 0x9000, true);
    rig_free(rig);
}

static void gart_of_wrong_shape_faults(void)
{
    Rig *rig = rig_new();
    uint32_t base = HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(0);
    uint32_t cntl = HGPU_VM_CONTEXT_CNTL(0);
    uint32_t on = rig_rd(rig, cntl);

    rig_wr(rig, base, RIG_GART_TABLE);      /* not VALID */
    expect_fault(rig, 0, RIG_GART, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_DIRECTORY, INVALID);
    rig_wr(rig, base, RIG_GART_TABLE | HGPU_PTE_VALID | HGPU_PTE_SYSTEM);
    expect_fault(rig, 0, RIG_GART, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_DIRECTORY, INVALID);
    rig_wr(rig, base, HGPU_PTE_VALID | (RIG_VRAM_SIZE - 0x1000));
    expect_pa(rig, 0, RIG_FB, 0, false);
    g_assert_false(translate(rig, 0, RIG_GART + 0x200000, HGPU_ACCESS_READ));
    g_assert_true(fault.mapping_error);
    rig_wr(rig, base, RIG_GART_TABLE | HGPU_PTE_VALID);
    rig_wr(rig, cntl, 0);
    expect_fault(rig, 0, RIG_GART, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_RANGE, INVALID);
    rig_wr(rig, cntl, on | FIELD_PREP(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH,
                                      1));
    expect_fault(rig, 0, RIG_GART, HGPU_ACCESS_READ, HGPU_FAULT_NORETRY,
                 HGPU_WALKER_RANGE, INVALID);
    rig_wr(rig, cntl, on);
    expect_pa(rig, 0, RIG_GART, 0, true);
    rig_free(rig);
}

static void fb_wins_over_gart(void)
{
    Rig *rig = rig_new();
    uint64_t first = RIG_FB >> HGPU_PAGE_SHIFT;

    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(0), LO(first));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(0), HI(first));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(0), LO(first + 8));
    rig_wr(rig, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(0), HI(first + 8));
    expect_pa(rig, 0, RIG_FB + 0x3000, 0x3000, false);
    rig_free(rig);
}

/* ---- Runs ---- */

static void run_joins_contiguous_pages(void)
{
    Rig *rig = rig_new();

    g_assert_true(hgpu_mem_run(&rig->gpu, 0, RIG_GART + 0x123, 64 * 4096,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, 64 * 4096);
    g_assert_cmphex(run.pa, ==, 0x123);
    rig_free(rig);
}

static void run_ends_at_a_gap(void)
{
    Rig *rig = rig_new();

    rig_vram_set64(rig, RIG_GART_TABLE + 3 * 8, RIG_PTE_SYS | 0x9000);
    g_assert_true(hgpu_mem_run(&rig->gpu, 0, RIG_GART + 0x800, 1 << 20,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, 0x2800);
    /* system memory and VRAM with the same number are not contiguous */
    rig_flush(rig, 1);
    rig_vram_set64(rig, RIG_GART_TABLE + 3 * 8, RIG_PTE | 0x3000);
    g_assert_true(hgpu_mem_run(&rig->gpu, 0, RIG_GART, 1 << 20,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, 0x3000);
    /* nor does it go on behind a page that faults */
    rig_flush(rig, 1);
    rig_vram_set64(rig, RIG_GART_TABLE + 3 * 8, 0);
    g_assert_true(hgpu_mem_run(&rig->gpu, 0, RIG_GART, 1 << 20,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, 0x3000);
    rig_free(rig);
}

static void run_ends_with_vram(void)
{
    Rig *rig = rig_with_vm();

    g_assert_true(hgpu_mem_run(&rig->gpu, 0, RIG_FB + RIG_VRAM_SIZE - 8,
                               4096, HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, 8);
    /* a leaf whose end is beyond VRAM */
    rig_vram_set64(rig, rig_entry(rig, VMID, 0, HGPU_VM_PDB1),
                   RIG_PTE | HGPU_PDE_PTE);
    g_assert_true(hgpu_mem_run(&rig->gpu, VMID, RIG_VRAM_SIZE - 16, 4096,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, 16);
    g_assert_false(translate(rig, VMID, RIG_VRAM_SIZE, HGPU_ACCESS_READ));
    g_assert_true(fault.mapping_error);
    rig_free(rig);
}

static void run_ends_with_the_address_space(void)
{
    Rig *rig = rig_with_vm();
    uint64_t last = BIT_ULL(48) - HGPU_PAGE_SIZE;

    rig_map(rig, VMID, last, RIG_PTE | PA);
    rig_map(rig, VMID, 0, RIG_PTE | (PA + HGPU_PAGE_SIZE));
    g_assert_true(hgpu_mem_run(&rig->gpu, VMID, last, 0x2000,
                               HGPU_ACCESS_READ, &run, &fault));
    g_assert_cmpuint(run.len, ==, HGPU_PAGE_SIZE);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/memory/" #name, name)
    TEST(walk_finds_vram_page);
    TEST(walk_finds_system_page);
    TEST(walk_uses_every_index_bit);
    TEST(walk_ignores_other_vmids);
    TEST(invalid_entry_at_any_level_is_retry_fault);
    TEST(invalid_root_is_retry_fault);
    TEST(invalid_entry_without_retry_bit_is_noretry);
    TEST(noretry_flags_are_noretry);
    TEST(missing_permission_faults);
    TEST(address_out_of_range_is_noretry);
    TEST(context_of_wrong_shape_is_noretry);
    TEST(pde_as_pte_maps_2m_and_1g);
    TEST(misaligned_leaf_is_walker_error);
    TEST(leaf_in_root_is_walker_error);
    TEST(tables_in_system_memory_are_walked);
    TEST(unreadable_table_is_mapping_error);
    TEST(leaf_beyond_vram_is_mapping_error);
    TEST(missed_flush_is_visible);
    TEST(flush_of_other_vmid_keeps_entries);
    TEST(faults_are_not_cached);
    TEST(denied_leaf_is_not_cached);
    TEST(cached_read_only_needs_flush_to_upgrade);
    TEST(fragment_covers_its_aligned_run);
    TEST(wrong_fragment_is_visible);
    TEST(fragment_above_9_counts_as_9);
    TEST(eviction_loses_nothing);
    TEST(working_set_of_the_size_of_the_tlb_stays);
    TEST(register_change_waits_for_flush);
    TEST(fb_aperture_is_vram);
    TEST(gart_maps_its_aperture);
    TEST(gart_fault_is_always_noretry);
    TEST(gart_entry_is_cached_until_flush);
    TEST(gart_of_wrong_shape_faults);
    TEST(fb_wins_over_gart);
    TEST(run_joins_contiguous_pages);
    TEST(run_ends_at_a_gap);
    TEST(run_ends_with_vram);
    TEST(run_ends_with_the_address_space);
    return g_test_run();
}
