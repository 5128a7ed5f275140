/* SPDX-License-Identifier: GPL-2.0-only */
/* The manager behind TTM_PL_VRAM; for hgpu_vram.c and hgpu_bo.c only. */
#ifndef HGPU_VRAM_MGR_H
#define HGPU_VRAM_MGR_H

#include <drm/ttm/ttm_resource.h>
#include <linux/types.h>

struct hgpu_vram;

/* &ttm_resource.start of one that is in several pieces */
#define HGPU_VRAM_NOT_CONTIGUOUS	(~0UL)

/*
 * Bit of &ttm_place.flags for the manager, far from TTM's own: the reserve may
 * be used.
 */
#define HGPU_PL_FLAG_KERNEL	BIT(31)

int hgpu_vram_mgr_init(struct hgpu_vram *vram);
void hgpu_vram_mgr_fini(struct hgpu_vram *vram);

/**
 * hgpu_vram_res_page() - VRAM offset of a page of a resource
 * @vram: the VRAM
 * @res: a resource of the manager
 * @page: index of the page
 * @npages: if not NULL, pages that are contiguous from there on
 *
 * Return: byte offset in VRAM; ~0 beyond the end.
 */
u64 hgpu_vram_res_page(struct hgpu_vram *vram, struct ttm_resource *res,
		       u64 page, u64 *npages);

/**
 * hgpu_vram_res_visible() - does the CPU reach all of a resource?
 * @vram: the VRAM
 * @res: a resource of the manager
 *
 * Return: true if so.
 */
bool hgpu_vram_res_visible(const struct hgpu_vram *vram,
			   struct ttm_resource *res);

#endif /* HGPU_VRAM_MGR_H */
