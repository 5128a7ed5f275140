// SPDX-License-Identifier: GPL-2.0-only
/* Limits of memory: see hgpu_memlimit.h. */

#include <drm/ttm/ttm_tt.h>
#include <kunit/visibility.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>

#include "hgpu_device.h"
#include "hgpu_memlimit.h"

/* What KFD leaves to the rest of the system, where there is enough. */
#define HGPU_MEMLIMIT_RESERVE	(3ull << 29)
/* Buffers in VRAM count in these steps, but for the limit itself. */
#define HGPU_MEMLIMIT_VRAM_STEP	SZ_2M
#define HGPU_MEMLIMIT_PT_MIN	SZ_8M
#define HGPU_MEMLIMIT_PT_SHIFT	14

/**
 * struct hgpu_memlimit - the account of the machine
 * @lock: protects everything but @limit and @ram; a leaf
 * @limit: bytes of system memory that may be charged; constant
 * @ram: bytes that were free at load; constant
 * @used: bytes charged, by kind
 * @refused: charges that failed
 */
static struct hgpu_memlimit {
	spinlock_t lock;
	u64 limit;
	u64 ram;
	u64 used[HGPU_MEM_KINDS];
	u64 refused;
} hgpu_memlimit = { .lock = __SPIN_LOCK_UNLOCKED(hgpu_memlimit.lock) };

/* ---- the formulas ---- */

u64 hgpu_memlimit_system(u64 ram)
{
	u64 limit = ram - (ram >> 6);

	return limit < 2 * HGPU_MEMLIMIT_RESERVE ? limit / 2 : limit - HGPU_MEMLIMIT_RESERVE;
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_memlimit_system);

u64 hgpu_memlimit_page_tables(u64 vram, u64 total)
{
	u64 tables = max_t(u64, total >> HGPU_MEMLIMIT_PT_SHIFT, HGPU_MEMLIMIT_PT_MIN);

	/* No hardware has so little VRAM that this matters. */
	return min(tables, vram / 8);
}
EXPORT_SYMBOL_IF_KUNIT(hgpu_memlimit_page_tables);

/* ---- system memory ---- */

void hgpu_memlimit_init(void)
{
	struct sysinfo si;

	si_meminfo(&si);
	hgpu_memlimit.limit = hgpu_memlimit_system((u64)(si.totalram - si.totalhigh) * si.mem_unit);
	hgpu_memlimit.ram = (u64)(si.freeram - si.freehigh) * si.mem_unit;
}

static u64 memlimit_used_locked(void)
{
	u64 used = 0;
	int kind;

	lockdep_assert_held(&hgpu_memlimit.lock);
	for (kind = 0; kind < HGPU_MEM_KINDS; kind++)
		used += hgpu_memlimit.used[kind];
	return used;
}

/* Sums of two numbers that are bytes of something do not overflow. */
static bool memlimit_fits_locked(enum hgpu_mem_kind kind, u64 bytes)
{
	/* Known from the first GPU's TTM device on; a parameter of TTM. */
	u64 ttm = (u64)ttm_tt_pages_limit() << PAGE_SHIFT;

	if (memlimit_used_locked() + bytes > hgpu_memlimit.limit)
		return false;
	return kind != HGPU_MEM_GTT || hgpu_memlimit.used[kind] + bytes <= ttm;
}

int hgpu_memlimit_reserve(enum hgpu_mem_kind kind, u64 bytes)
{
	bool fits;

	spin_lock(&hgpu_memlimit.lock);
	fits = memlimit_fits_locked(kind, bytes);
	if (fits)
		hgpu_memlimit.used[kind] += bytes;
	else
		hgpu_memlimit.refused++;
	spin_unlock(&hgpu_memlimit.lock);
	return fits ? 0 : -ENOMEM;
}

void hgpu_memlimit_unreserve(enum hgpu_mem_kind kind, u64 bytes)
{
	spin_lock(&hgpu_memlimit.lock);
	if (!WARN_ONCE(hgpu_memlimit.used[kind] < bytes,
		       "hmm_gpu: memory of kind %d is given back twice\n", kind))
		hgpu_memlimit.used[kind] -= bytes;
	spin_unlock(&hgpu_memlimit.lock);
}

u64 hgpu_memlimit_left(void)
{
	u64 used;

	spin_lock(&hgpu_memlimit.lock);
	used = memlimit_used_locked();
	spin_unlock(&hgpu_memlimit.lock);
	return hgpu_memlimit.limit > used ? hgpu_memlimit.limit - used : 0;
}

/* ---- VRAM ---- */

/* VRAM of all GPUs: that which has struct pages. */
static u64 memlimit_all_vram_locked(void)
{
	lockdep_assert_held(&hgpu_memlimit.lock);
	return div64_ul(hgpu_memlimit.used[HGPU_MEM_PAGES], sizeof(struct page)) << PAGE_SHIFT;
}

/* What buffers of processes may have: not what is pinned, nor the page tables. */
static u64 memlimit_vram_locked(struct hgpu_device *hdev)
{
	u64 total = hgpu_memlimit.ram + memlimit_all_vram_locked();
	u64 size = hgpu_vram_size(hdev);

	return size - hgpu_bo_size(hdev->gart.bo) - hgpu_memlimit_page_tables(size, total);
}

int hgpu_memlimit_reserve_vram(struct hgpu_device *hdev, u64 bytes)
{
	struct hgpu_memlimit_vram *vram = &hdev->memlimit;
	bool fits;

	spin_lock(&hgpu_memlimit.lock);
	fits = vram->used + bytes <= memlimit_vram_locked(hdev);
	if (fits) {
		vram->used += bytes;
		vram->aligned += ALIGN(bytes, HGPU_MEMLIMIT_VRAM_STEP);
	} else {
		hgpu_memlimit.refused++;
	}
	spin_unlock(&hgpu_memlimit.lock);
	return fits ? 0 : -ENOMEM;
}

void hgpu_memlimit_unreserve_vram(struct hgpu_device *hdev, u64 bytes)
{
	struct hgpu_memlimit_vram *vram = &hdev->memlimit;

	spin_lock(&hgpu_memlimit.lock);
	if (!WARN_ONCE(vram->used < bytes, "hmm_gpu: VRAM is given back twice\n")) {
		vram->used -= bytes;
		vram->aligned -= ALIGN(bytes, HGPU_MEMLIMIT_VRAM_STEP);
	}
	spin_unlock(&hgpu_memlimit.lock);
}

u64 hgpu_memlimit_vram_left(struct hgpu_device *hdev)
{
	u64 all, used;

	spin_lock(&hgpu_memlimit.lock);
	all = memlimit_vram_locked(hdev);
	used = hdev->memlimit.aligned;
	spin_unlock(&hgpu_memlimit.lock);
	return all > used ? ALIGN_DOWN(all - used, HGPU_MEMLIMIT_VRAM_STEP) : 0;
}

/* ---- debugfs ---- */

void hgpu_memlimit_show(struct seq_file *m)
{
	u64 used[HGPU_MEM_KINDS], all, refused;

	spin_lock(&hgpu_memlimit.lock);
	memcpy(used, hgpu_memlimit.used, sizeof(used));
	all = memlimit_used_locked();
	refused = hgpu_memlimit.refused;
	spin_unlock(&hgpu_memlimit.lock);

	seq_printf(m, "limit %llu\n", hgpu_memlimit.limit);
	seq_printf(m, "ttm_limit %llu\n", (u64)ttm_tt_pages_limit() << PAGE_SHIFT);
	seq_printf(m, "used %llu\n", all);
	seq_printf(m, "gtt %llu\n", used[HGPU_MEM_GTT]);
	seq_printf(m, "userptr %llu\n", used[HGPU_MEM_USERPTR]);
	seq_printf(m, "svm %llu\n", used[HGPU_MEM_SVM]);
	seq_printf(m, "struct_pages %llu\n", used[HGPU_MEM_PAGES]);
	seq_printf(m, "refused %llu\n", refused);
}
