// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device-private memory: struct pages for VRAM, from the first to the last.
 */
#include <drm/drm_drv.h>
#include <drm/drm_print.h>
#include <linux/mm.h>
#include <linux/module.h>

#include "hgpu_svm_priv.h"

/* ---- what struct pages cost ---- */

static u64 pagemap_cost(struct hgpu_device *hdev)
{
	return (hgpu_vram_size(hdev) >> PAGE_SHIFT) * sizeof(struct page);
}

/*
 * KFD reserves it whatever the limit, and processes of a guest with too little
 * memory then get none at all.
 */
static int pagemap_reserve(struct hgpu_device *hdev)
{
	u64 cost = pagemap_cost(hdev), free = (u64)si_mem_available() << PAGE_SHIFT;
	u64 left = min(hgpu_memlimit_left(), free);

	if (cost <= left && !hgpu_memlimit_reserve(HGPU_MEM_PAGES, cost))
		return 0;
	drm_err(&hdev->drm,
		"VRAM of %llu MiB needs %llu MiB of system memory for its struct pages, and %llu MiB may be used: give the guest more memory or the GPU less VRAM\n",
		hgpu_vram_size(hdev) >> 20, cost >> 20, left >> 20);
	return -ENOMEM;
}

static void pagemap_unreserve(struct hgpu_device *hdev)
{
	hgpu_memlimit_unreserve(HGPU_MEM_PAGES, pagemap_cost(hdev));
}

/* ---- the end of the struct pages ---- */

/* GPUs that are no more, whose lost pages are */
static atomic_t hgpu_orphans = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(hgpu_orphans_wait);

static void pagemap_unmap(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;

	pm->ready = false;
	/* Waits until the last page's reference is gone. */
	memunmap_pages(&pm->pgmap);
	release_mem_region(pm->region->start, resource_size(pm->region));
	pagemap_unreserve(hdev);
}

/* Nobody maps a lost page any more. @pm is gone on return. */
static void pagemap_bury(struct hgpu_pagemap *pm)
{
	struct hgpu_device *hdev = container_of(pm, struct hgpu_device,
						pagemap);
	bool has_module = pm->has_module;

	drm_info(&hdev->drm, "the last page that was lost is unmapped\n");
	pagemap_unmap(hdev);
	hgpu_migrations_fini(hdev);
	drm_dev_put(&hdev->drm);
	if (atomic_dec_and_test(&hgpu_orphans))
		wake_up_all(&hgpu_orphans_wait);
	/* hgpu_svm_exit() waits for this work item. */
	if (has_module)
		module_put(THIS_MODULE);
}

void hgpu_pagemaps_exit(void)
{
	while (!wait_event_timeout(hgpu_orphans_wait,
				   !atomic_read(&hgpu_orphans), 10 * HZ))
		pr_warn("hmm_gpu: waiting for processes that map memory of a lost GPU: end them\n");
}

static void pagemap_free_work(struct work_struct *work)
{
	struct hgpu_pagemap *pm = container_of(work, struct hgpu_pagemap,
					       free_work);
	struct hgpu_svm_chunk *chunk, *next;
	bool last = false;

	llist_for_each_entry_safe(chunk, next, llist_del_all(&pm->free_list),
				  free)
		last |= hgpu_chunk_free(chunk);
	if (last)
		pagemap_bury(pm);
}

/* ---- lifetime ---- */

static const struct dev_pagemap_ops pagemap_ops = {
	.page_free = hgpu_chunk_page_free,
	.migrate_to_ram = hgpu_svm_migrate_to_ram,
};

static int pagemap_map_reserved(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct device *dev = &hdev->pdev->dev;
	u64 size = hgpu_vram_size(hdev);
	struct resource *res;
	void *ret;

	res = request_free_mem_region(&iomem_resource, size, "hmm-gpu VRAM");
	if (IS_ERR(res)) {
		drm_err(&hdev->drm,
			"no free physical address range of %llu MiB for device memory (%ld)\n",
			size >> 20, PTR_ERR(res));
		return PTR_ERR(res);
	}

	pm->pgmap.type = MEMORY_DEVICE_PRIVATE;
	pm->pgmap.range.start = res->start;
	pm->pgmap.range.end = res->start + size - 1;
	pm->pgmap.nr_range = 1;
	pm->pgmap.ops = &pagemap_ops;
	pm->pgmap.owner = hgpu_hive_owner(hdev);
	ret = memremap_pages(&pm->pgmap, dev_to_node(dev));
	if (IS_ERR(ret)) {
		drm_err(&hdev->drm,
			"no struct pages for %llu MiB of VRAM: they take %llu MiB of system memory (%ld)\n",
			size >> 20, pagemap_cost(hdev) >> 20, PTR_ERR(ret));
		release_mem_region(res->start, resource_size(res));
		return PTR_ERR(ret);
	}
	pm->region = res;
	pm->base_pfn = PHYS_PFN(pm->pgmap.range.start);
	pm->npages = size >> PAGE_SHIFT;
	pm->ready = true;
	return 0;
}

static int pagemap_map(struct hgpu_device *hdev)
{
	int err;

	err = pagemap_reserve(hdev);
	if (err)
		return err;
	err = pagemap_map_reserved(hdev);
	if (err)
		pagemap_unreserve(hdev);
	return err;
}

int hgpu_pagemap_init(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	int err;

	spin_lock_init(&pm->lock);
	INIT_LIST_HEAD(&pm->chunks);
	init_llist_head(&pm->free_list);
	INIT_WORK(&pm->free_work, pagemap_free_work);
	init_waitqueue_head(&pm->idle);

	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		drm_err(&hdev->drm,
			"this kernel has CONFIG_DEVICE_PRIVATE off\n");
		return -EOPNOTSUPP;
	}

	err = hgpu_migrations_init(hdev);
	if (err)
		return err;

	err = pagemap_map(hdev);
	if (err)
		goto err_migrations;

	err = hgpu_ih_register(hdev, HGPU_IH_CLIENTID_VMC, HGPU_SRCID_VM_FAULT,
			       hgpu_svm_fault_enqueue, NULL);
	if (err)
		goto err_unmap;
	return 0;

err_unmap:
	pagemap_unmap(hdev);
err_migrations:
	hgpu_migrations_fini(hdev);
	return err;
}

void hgpu_pagemap_flush(struct hgpu_device *hdev)
{
	flush_work(&hdev->pagemap.free_work);
}

/*
 * Are there pages that are lost but still mapped? Then the struct pages live
 * on without the GPU, and its buffers are given back now.
 */
static bool pagemap_orphan(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct hgpu_svm_chunk *chunk;
	bool orphaned;

	spin_lock(&pm->lock);
	pm->orphaned = pm->num_chunks;
	if (pm->orphaned) {
		drm_dev_get(&hdev->drm);
		atomic_inc(&hgpu_orphans);
		/* Not while it is being unloaded: that waits. */
		pm->has_module = try_module_get(THIS_MODULE);
	}
	orphaned = pm->orphaned;
	spin_unlock(&pm->lock);

	while (orphaned && (chunk = hgpu_chunk_with_bo(pm))) {
		hgpu_chunk_free_bo(chunk);
		hgpu_chunk_unref(chunk);
	}
	/* No buffer is being given back any more either. */
	hgpu_pagemap_flush(hdev);
	return orphaned;
}

void hgpu_pagemap_fini(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;

	if (!pm->ready)
		return;

	hgpu_pagemap_flush(hdev);
	/*
	 * CPU faults on lost pages that began before these were given up may
	 * have a job, or read BAR 0. Who begins now finds neither.
	 */
	if (READ_ONCE(pm->num_chunks)) {
		set_bit(HGPU_STATE_GONE, &hdev->state);
		hgpu_migrations_wait(hdev);
	}
	if (pagemap_orphan(hdev))
		return;
	pagemap_unmap(hdev);
	hgpu_migrations_fini(hdev);
}
