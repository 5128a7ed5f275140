// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPUVM: writing, clearing and reading page table entries; the TLB.
 */
#include <drm/drm_print.h>
#include <kunit/visibility.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_gpuvm_table.h"
#include "hgpu_vmid.h"
#include "hgpu_vram.h"

/* ---- lifetime ---- */

void hgpu_vm_early_init(struct hgpu_vm *vm, struct hgpu_device *hdev, u16 pasid)
{
	vm->hdev = hdev;
	vm->pasid = pasid;
	mutex_init(&vm->alloc_lock);
	INIT_LIST_HEAD(&vm->blocks);
	spin_lock_init(&vm->lock);
	spin_lock_init(&vm->tlb_lock);
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_early_init);

int hgpu_vm_init(struct hgpu_vm *vm)
{
	struct hgpu_pt *root;

	mutex_lock(&vm->alloc_lock);
	root = hgpu_pt_alloc_locked(vm, HGPU_VM_PDB2);
	if (!IS_ERR(root)) {
		spin_lock(&vm->lock);
		vm->root = root;
		spin_unlock(&vm->lock);
	}
	mutex_unlock(&vm->alloc_lock);
	return PTR_ERR_OR_ZERO(root);
}

void hgpu_vm_fini(struct hgpu_vm *vm)
{
	struct hgpu_pt *root;

	drm_WARN_ON(&vm->hdev->drm, vm->users);

	mutex_lock(&vm->alloc_lock);
	spin_lock(&vm->lock);
	root = vm->root;
	vm->root = NULL;
	spin_unlock(&vm->lock);

	hgpu_pt_free_tree(root, HGPU_VM_PDB2);
	hgpu_pt_free_blocks_locked(vm);
	mutex_unlock(&vm->alloc_lock);
}

/* ---- holding accesses ---- */

static u64 hgpu_vm_root_locked(const struct hgpu_vm *vm)
{
	lockdep_assert_held(&vm->tlb_lock);
	return vm->held && vm->parkers ? vm->hdev->virgl.no_pages : vm->root->addr;
}

/* What is parked is walked again by the flush, and goes on or stays. */
static void hgpu_vm_change_root(struct hgpu_vm *vm, int held, int parkers)
{
	u64 root = 0;

	spin_lock(&vm->tlb_lock);
	if (vm->vmid)
		root = hgpu_vm_root_locked(vm);
	vm->held += held;
	vm->parkers += parkers;
	if (vm->vmid && root != hgpu_vm_root_locked(vm)) {
		hgpu_vmid_bind(vm->hdev, vm->vmid, vm->pasid, hgpu_vm_root_locked(vm));
		hgpu_vmid_flush(vm->hdev, vm->vmid);
	}
	spin_unlock(&vm->tlb_lock);
}

void hgpu_vm_hold(struct hgpu_vm *vm)
{
	hgpu_vm_change_root(vm, 1, 0);
}

void hgpu_vm_unhold(struct hgpu_vm *vm)
{
	hgpu_vm_change_root(vm, -1, 0);
}

void hgpu_vm_add_parker(struct hgpu_vm *vm)
{
	hgpu_vm_change_root(vm, 0, 1);
}

void hgpu_vm_remove_parker(struct hgpu_vm *vm)
{
	hgpu_vm_change_root(vm, 0, -1);
}

int hgpu_vm_get_vmid(struct hgpu_vm *vm)
{
	int ret, vmid = vm->vmid;

	if (vm->users++)
		return vmid;

	vmid = hgpu_vmid_alloc(vm->hdev);
	if (vmid < 0) {
		vm->users--;
		return vmid;
	}

	/*
	 * From here on flushes reach the device. Entries that were changed
	 * before are seen by its first walk: the flush drops the last owner's
	 * translations, and no queue runs yet that could make new ones.
	 */
	spin_lock(&vm->tlb_lock);
	hgpu_vmid_bind(vm->hdev, vmid, vm->pasid, hgpu_vm_root_locked(vm));
	ret = hgpu_vmid_flush(vm->hdev, vmid);
	if (!ret)
		vm->vmid = vmid;
	else
		hgpu_vmid_unbind(vm->hdev, vmid);
	spin_unlock(&vm->tlb_lock);

	if (ret) {
		/* The VMID stays taken: nobody knows what the TLB holds. */
		vm->users--;
		return ret;
	}
	return vmid;
}

void hgpu_vm_put_vmid(struct hgpu_vm *vm)
{
	unsigned int vmid = vm->vmid;
	int ret;

	if (--vm->users)
		return;

	spin_lock(&vm->tlb_lock);
	vm->vmid = 0;
	hgpu_vmid_unbind(vm->hdev, vmid);
	ret = hgpu_vmid_flush(vm->hdev, vmid);
	spin_unlock(&vm->tlb_lock);

	if (!ret)
		hgpu_vmid_free(vm->hdev, vmid);
}

int hgpu_vm_flush_tlb(struct hgpu_vm *vm)
{
	int ret = 0;

	wmb();	/* entries before the request */
	spin_lock(&vm->tlb_lock);
	if (vm->vmid)
		ret = hgpu_vmid_flush(vm->hdev, vm->vmid);
	spin_unlock(&vm->tlb_lock);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_flush_tlb);

/* ---- walking ---- */

/*
 * The PDB0 that a page belongs to. Without one, NULL, and *next is the first
 * page behind the hole in the tables.
 */
static struct hgpu_pt *hgpu_vm_pdb0_locked(struct hgpu_vm *vm, u64 page, u64 *next)
{
	struct hgpu_pt *pt = vm->root;
	unsigned int level;

	lockdep_assert_held(&vm->lock);
	*next = HGPU_VM_PAGES;
	for (level = HGPU_VM_PDB2; pt && level > HGPU_VM_PDB0; level--) {
		*next = round_down(page, 1ull << (level * HGPU_VM_BITS)) +
			(1ull << (level * HGPU_VM_BITS));
		pt = pt->child[hgpu_pt_index(page, level)];
	}
	if (pt)
		*next = round_down(page, (u64)HGPU_VM_ENTRIES) + HGPU_VM_ENTRIES;
	return pt;
}

/* ---- entries of one PTB ---- */

/* The CPU's copy only: the device's is written by the caller. */
static void hgpu_ptb_note(struct hgpu_pt *ptb, u32 i, u64 pte)
{
	ptb->nused += !!pte;
	ptb->nused -= !!ptb->shadow[i];
	ptb->shadow[i] = pte;
}

/* Store entries [lo, hi), with the fragments that their addresses allow. */
static void hgpu_ptb_fragment(struct hgpu_pt *ptb, u32 lo, u32 hi)
{
	u32 i, end;

	for (i = lo; i < hi; i++)
		ptb->shadow[i] &= ~HGPU_PTE_FRAG;
	while (lo < hi) {
		/* Index and page number are equally aligned within a table. */
		unsigned int frag = hgpu_pte_fragment(lo, &ptb->shadow[lo], hi - lo);

		for (end = lo + (1u << frag); lo < end; lo++) {
			ptb->shadow[lo] |= FIELD_PREP(HGPU_PTE_FRAG, frag);
			hgpu_pt_store(ptb, lo, ptb->shadow[lo]);
		}
	}
}

/*
 * Entries [lo, hi) are about to change: what is left of the fragments that
 * they cut must not promise them any more. SPEC 4.3 lets the TLB believe it.
 */
static void hgpu_ptb_cut(struct hgpu_pt *ptb, u32 lo, u32 hi)
{
	u32 head = 1u << FIELD_GET(HGPU_PTE_FRAG, ptb->shadow[lo]);
	u32 tail = 1u << FIELD_GET(HGPU_PTE_FRAG, ptb->shadow[hi - 1]);
	u32 start = round_down(lo, head);
	u32 end = round_up(hi, tail);

	if (start < lo)
		hgpu_ptb_fragment(ptb, start, lo);
	if (end > hi)
		hgpu_ptb_fragment(ptb, hi, end);
}

/* Returns how many of them were valid. */
static u32 hgpu_ptb_clear(struct hgpu_pt *ptb, u32 lo, u32 hi)
{
	u32 i, valid = 0;

	if (!ptb->nused)
		return 0;
	hgpu_ptb_cut(ptb, lo, hi);
	for (i = lo; i < hi; i++) {
		if (!ptb->shadow[i])
			continue;
		valid += ptb->shadow[i] & HGPU_PTE_VALID;
		hgpu_ptb_note(ptb, i, 0);
		hgpu_pt_store(ptb, i, 0);
	}
	return valid;
}

/* A 2 MiB leaf goes; its PTB, which is empty, takes its place. */
static void hgpu_pdb0_clear_leaf(struct hgpu_pt *pdb0, u32 i)
{
	struct hgpu_pt *ptb = pdb0->child[i];

	pdb0->shadow[i] = 0;
	hgpu_pt_store(pdb0, i, ptb ? hgpu_pde_table(ptb->addr) : 0);
}

/* Reads within one PTB's span. */
static u32 hgpu_vm_read_locked(struct hgpu_pt *pdb0, u64 page, u32 n, u64 *ptes)
{
	u32 d = hgpu_pt_index(page, HGPU_VM_PDB0);
	u32 lo = hgpu_pt_index(page, HGPU_VM_PTB);
	u64 leaf = pdb0->shadow[d] & ~HGPU_PDE_PTE;
	struct hgpu_pt *ptb = pdb0->child[d];
	u32 i, valid = 0;

	if (leaf) {
		for (i = 0; i < n; i++)
			ptes[i] = leaf + (lo + i) * HGPU_PAGE_SIZE;
		return leaf & HGPU_PTE_VALID ? n : 0;
	}
	for (i = 0; ptb && i < n; i++) {
		ptes[i] = ptb->shadow[lo + i] & ~HGPU_PTE_FRAG;
		valid += ptes[i] & HGPU_PTE_VALID;
	}
	return valid;
}

/* The PTB below a 2 MiB leaf says the same, and takes its place. */
static void hgpu_vm_split_leaf_locked(struct hgpu_vm *vm, u64 page)
{
	u32 d = hgpu_pt_index(page, HGPU_VM_PDB0), i;
	struct hgpu_pt *pdb0, *ptb;
	u64 leaf, next;

	pdb0 = hgpu_vm_pdb0_locked(vm, page, &next);
	if (!pdb0 || !pdb0->shadow[d])
		return;
	ptb = pdb0->child[d];
	leaf = pdb0->shadow[d] & ~HGPU_PDE_PTE;
	for (i = 0; i < HGPU_VM_ENTRIES; i++)
		hgpu_ptb_note(ptb, i, leaf + i * HGPU_PAGE_SIZE);
	hgpu_ptb_fragment(ptb, 0, HGPU_VM_ENTRIES);
	wmb();	/* the entries before the table */
	hgpu_pdb0_clear_leaf(pdb0, d);
}

/* ---- the interface ---- */

static u32 hgpu_vm_set_locked(struct hgpu_vm *vm, u64 page, u32 n, const u64 *ptes)
{
	u32 lo = hgpu_pt_index(page, HGPU_VM_PTB), hi = lo + n;
	u32 d = hgpu_pt_index(page, HGPU_VM_PDB0);
	struct hgpu_pt *pdb0, *ptb;
	u32 i, replaced = 0;
	u64 next;

	lockdep_assert_held(&vm->lock);
	pdb0 = hgpu_vm_pdb0_locked(vm, page, &next);
	ptb = pdb0 ? pdb0->child[d] : NULL;
	if (!ptb) {
		/* Fine when the GPU has gone; else somebody forgot to prepare. */
		drm_WARN_ON_ONCE(&vm->hdev->drm, vm->root);
		return 0;
	}

	if (pdb0->shadow[d]) {
		hgpu_pdb0_clear_leaf(pdb0, d);
		replaced = HGPU_VM_ENTRIES;
	}
	hgpu_ptb_cut(ptb, lo, hi);
	for (i = lo; i < hi; i++) {
		replaced += ptb->shadow[i] & HGPU_PTE_VALID;
		hgpu_ptb_note(ptb, i, ptes[i - lo]);
	}
	hgpu_ptb_fragment(ptb, lo, hi);
	return replaced;
}

u64 hgpu_vm_set(struct hgpu_vm *vm, u64 first_page, u32 npages, const u64 *ptes)
{
	u64 replaced = 0;

	hgpu_stat_add(vm->hdev, ptes_written, npages);
	while (npages) {
		u32 n = min_t(u32, npages, HGPU_VM_ENTRIES -
			      hgpu_pt_index(first_page, HGPU_VM_PTB));

		spin_lock(&vm->lock);
		replaced += hgpu_vm_set_locked(vm, first_page, n, ptes);
		spin_unlock(&vm->lock);

		first_page += n;
		npages -= n;
		ptes += n;
	}
	wmb();	/* a fault that is replayed without a flush finds them too */
	return replaced;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_set);

static u64 hgpu_vm_read_one_locked(struct hgpu_vm *vm, u64 page)
{
	struct hgpu_pt *pdb0;
	u64 pte = 0, next;

	pdb0 = hgpu_vm_pdb0_locked(vm, page, &next);
	if (pdb0)
		hgpu_vm_read_locked(pdb0, page, 1, &pte);
	return pte;
}

u64 hgpu_vm_exchange(struct hgpu_vm *vm, u64 page, u64 pte)
{
	u64 was;

	hgpu_stat_inc(vm->hdev, ptes_written);
	spin_lock(&vm->lock);
	was = hgpu_vm_read_one_locked(vm, page);
	hgpu_vm_split_leaf_locked(vm, page);
	hgpu_vm_set_locked(vm, page, 1, &pte);
	spin_unlock(&vm->lock);
	return was;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_exchange);

bool hgpu_vm_set_if(struct hgpu_vm *vm, u64 page, u64 expected, u64 pte)
{
	bool as_expected;

	spin_lock(&vm->lock);
	as_expected = hgpu_vm_read_one_locked(vm, page) == expected;
	if (as_expected) {
		hgpu_vm_split_leaf_locked(vm, page);
		hgpu_vm_set_locked(vm, page, 1, &pte);
	}
	spin_unlock(&vm->lock);
	if (as_expected)
		hgpu_stat_inc(vm->hdev, ptes_written);
	wmb();	/* as in hgpu_vm_set() */
	return as_expected;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_set_if);

bool hgpu_vm_set_huge(struct hgpu_vm *vm, u64 first_page, u64 pde)
{
	u32 d = hgpu_pt_index(first_page, HGPU_VM_PDB0);
	struct hgpu_pt *pdb0, *ptb;
	u64 next;

	if (drm_WARN_ON_ONCE(&vm->hdev->drm, first_page % HGPU_VM_ENTRIES) ||
	    drm_WARN_ON_ONCE(&vm->hdev->drm,
			     (hgpu_pte_addr(pde) >> HGPU_PAGE_SHIFT) % HGPU_VM_ENTRIES))
		return false;

	spin_lock(&vm->lock);
	pdb0 = hgpu_vm_pdb0_locked(vm, first_page, &next);
	ptb = pdb0 ? pdb0->child[d] : NULL;
	if (!ptb) {
		drm_WARN_ON_ONCE(&vm->hdev->drm, vm->root);
		spin_unlock(&vm->lock);
		return false;
	}
	pdb0->shadow[d] = pde;
	hgpu_pt_store(pdb0, d, pde);
	hgpu_ptb_clear(ptb, 0, HGPU_VM_ENTRIES);
	spin_unlock(&vm->lock);

	wmb();	/* as in hgpu_vm_set() */
	hgpu_stat_inc(vm->hdev, ptes_written);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_set_huge);

/* Clears within one PTB's span. */
static u32 hgpu_vm_zap_locked(struct hgpu_pt *pdb0, u64 first_page, u64 last_page)
{
	u32 d = hgpu_pt_index(first_page, HGPU_VM_PDB0);

	if (pdb0->shadow[d]) {
		hgpu_pdb0_clear_leaf(pdb0, d);
		return HGPU_VM_ENTRIES;
	}
	if (!pdb0->child[d])
		return 0;
	return hgpu_ptb_clear(pdb0->child[d], hgpu_pt_index(first_page, HGPU_VM_PTB),
			      hgpu_pt_index(last_page, HGPU_VM_PTB) + 1);
}

u64 hgpu_vm_zap(struct hgpu_vm *vm, u64 first_page, u64 last_page)
{
	u64 cleared = 0, page, next;

	last_page = min_t(u64, last_page, HGPU_VM_PAGES - 1);
	for (page = first_page; page <= last_page; page = next) {
		struct hgpu_pt *pdb0;

		spin_lock(&vm->lock);
		pdb0 = hgpu_vm_pdb0_locked(vm, page, &next);
		if (pdb0)
			cleared += hgpu_vm_zap_locked(pdb0, page, min(next - 1, last_page));
		spin_unlock(&vm->lock);
	}
	hgpu_stat_add(vm->hdev, ptes_zapped, cleared);
	return cleared;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_zap);

u64 hgpu_vm_next_used(struct hgpu_vm *vm, u64 page, u64 last_page)
{
	bool used = false;
	u64 next;

	for (; page <= last_page; page = next) {
		u32 d = hgpu_pt_index(page, HGPU_VM_PDB0);
		struct hgpu_pt *pdb0;

		spin_lock(&vm->lock);
		pdb0 = hgpu_vm_pdb0_locked(vm, page, &next);
		used = pdb0 && (pdb0->shadow[d] ||
				(pdb0->child[d] && pdb0->child[d]->nused));
		spin_unlock(&vm->lock);
		if (used)
			break;
	}
	return min(page, last_page + 1);
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_next_used);

u32 hgpu_vm_read(struct hgpu_vm *vm, u64 first_page, u32 npages, u64 *ptes)
{
	u64 page = first_page, end = first_page + npages, next;
	u32 valid = 0;

	memset(ptes, 0, npages * sizeof(*ptes));
	for (; page < end; page = next) {
		struct hgpu_pt *pdb0;

		spin_lock(&vm->lock);
		pdb0 = hgpu_vm_pdb0_locked(vm, page, &next);
		if (pdb0)
			valid += hgpu_vm_read_locked(pdb0, page, min(next, end) - page,
						     ptes + (page - first_page));
		spin_unlock(&vm->lock);
	}
	return valid;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_vm_read);

/* ---- buffers ---- */

/**
 * struct hgpu_pte_source - memory that is being mapped, from its first page on
 * @flags: permission bits of all entries
 * @next: makes the entries of the next @n pages
 * @bo: the buffer
 * @index: of the next page in @bo
 * @iter: at the page before the next one, of memory that is no buffer
 */
struct hgpu_pte_source {
	u64 flags;
	void (*next)(struct hgpu_pte_source *source, u32 n, u64 *ptes);
	struct hgpu_bo *bo;
	u64 index;
	struct sg_dma_page_iter iter;
};

static void hgpu_pte_next_gtt(struct hgpu_pte_source *source, u32 n, u64 *ptes)
{
	u32 i;

	for (i = 0; i < n; i++)
		ptes[i] = hgpu_pte_system(hgpu_bo_dma_address(source->bo, source->index++),
					  source->flags);
}

static void hgpu_pte_next_vram(struct hgpu_pte_source *source, u32 n, u64 *ptes)
{
	struct hgpu_device *hdev = to_hgpu(source->bo->tbo.base.dev);
	u64 offset = 0, run = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		if (!run)
			offset = hgpu_vram_addr(hdev, hgpu_bo_vram_page(source->bo, source->index,
									&run));
		ptes[i] = hgpu_pte_vram(offset, source->flags);
		offset += HGPU_PAGE_SIZE;
		source->index++;
		run--;
	}
}

static void hgpu_pte_next_sgt(struct hgpu_pte_source *source, u32 n, u64 *ptes)
{
	u32 i;

	for (i = 0; i < n; i++) {
		__sg_page_iter_dma_next(&source->iter);
		ptes[i] = hgpu_pte_system(sg_page_iter_dma_address(&source->iter),
					  source->flags);
	}
}

/* A whole 2 MiB of entries that are one aligned run become one leaf. */
static bool hgpu_vm_try_huge(struct hgpu_vm *vm, u64 page, u32 n, const u64 *ptes)
{
	if (n != HGPU_VM_ENTRIES || page % HGPU_VM_ENTRIES ||
	    hgpu_pte_fragment(page, ptes, n) != HGPU_VM_BITS)
		return false;
	return hgpu_vm_set_huge(vm, page, hgpu_pde_huge(ptes[0]));
}

static int hgpu_vm_map(struct hgpu_vm *vm, u64 first, u64 npages,
		       struct hgpu_pte_source *source)
{
	u64 done = 0;
	u64 *ptes;
	int ret;

	ret = hgpu_vm_prepare(vm, first, first + npages - 1);
	if (ret)
		return ret;
	ptes = kmalloc_array(HGPU_VM_ENTRIES, sizeof(*ptes), GFP_KERNEL);
	if (!ptes)
		return -ENOMEM;

	while (done < npages) {
		u64 page = first + done;
		u32 n = min_t(u64, npages - done,
			      HGPU_VM_ENTRIES - hgpu_pt_index(page, HGPU_VM_PTB));

		source->next(source, n, ptes);
		if (!hgpu_vm_try_huge(vm, page, n, ptes))
			hgpu_vm_set(vm, page, n, ptes);
		done += n;
		cond_resched();
	}
	kfree(ptes);

	ret = hgpu_vm_flush_tlb(vm);
	if (ret)
		hgpu_vm_zap(vm, first, first + npages - 1);
	return ret;
}

int hgpu_vm_map_bo(struct hgpu_vm *vm, struct hgpu_bo *bo, u64 va, u64 pte_flags)
{
	struct hgpu_pte_source source = {
		.flags = pte_flags,
		.next = bo->domain == HGPU_DOMAIN_GTT ? hgpu_pte_next_gtt : hgpu_pte_next_vram,
		.bo = bo,
	};

	return hgpu_vm_map(vm, va >> HGPU_PAGE_SHIFT, hgpu_bo_size(bo) >> HGPU_PAGE_SHIFT,
			   &source);
}

int hgpu_vm_map_sgt(struct hgpu_vm *vm, struct sg_table *sgt, u64 size, u64 va, u64 pte_flags)
{
	struct hgpu_pte_source source = {
		.flags = pte_flags,
		.next = hgpu_pte_next_sgt,
	};

	__sg_page_iter_start(&source.iter.base, sgt->sgl, sgt->nents, 0);
	return hgpu_vm_map(vm, va >> HGPU_PAGE_SHIFT, size >> HGPU_PAGE_SHIFT, &source);
}

int hgpu_vm_unmap(struct hgpu_vm *vm, u64 va, u64 size)
{
	u64 first = va >> HGPU_PAGE_SHIFT;

	if (!hgpu_vm_zap(vm, first, first + (size >> HGPU_PAGE_SHIFT) - 1))
		return 0;
	return hgpu_vm_flush_tlb(vm);
}
