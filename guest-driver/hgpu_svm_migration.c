// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may migrate: the two migrations of a GPU, one for each transfer window.
 *
 * They are one step of the lock order (DOC comment in hgpu_svm.c). A thread
 * that has one and tries for the second does not wait.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "hgpu_svm_priv.h"

static struct lockdep_map hgpu_migration_map __maybe_unused;

/**
 * hgpu_migration_prime() - show lockdep a migration being taken
 */
void hgpu_migration_prime(void)
{
	static struct lock_class_key key;

	lockdep_init_map(&hgpu_migration_map, "hgpu_migration", &key, 0);
	lock_map_acquire(&hgpu_migration_map);
}

/**
 * hgpu_migration_unprime() - and being given back
 */
void hgpu_migration_unprime(void)
{
	lock_map_release(&hgpu_migration_map);
}

/**
 * hgpu_migrations_init() - one migration for each window
 * @hdev: the GPU
 *
 * Return: 0 or -ENOMEM.
 */
int hgpu_migrations_init(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct device *dev = &hdev->pdev->dev;
	unsigned int i;

	spin_lock_init(&pm->migrations_lock);
	init_waitqueue_head(&pm->migrations_wait);
	/* The window's PTEs are by page: a run may be as long as it is. */
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_seg_boundary(dev, ULONG_MAX);

	for (i = 0; i < HGPU_GART_WINDOWS; i++) {
		struct hgpu_migration *m = kvzalloc(sizeof(*m), GFP_KERNEL);

		if (!m) {
			hgpu_migrations_fini(hdev);
			return -ENOMEM;
		}
		m->hdev = hdev;
		m->window = i;
		m->max_run = min(dma_max_mapping_size(dev),
				 (size_t)HGPU_GRANULE_PAGES << PAGE_SHIFT);
		sg_init_table(m->sg, HGPU_GRANULE_PAGES);
		sg_unmark_end(&m->sg[HGPU_GRANULE_PAGES - 1]);
		pm->migrations[i] = m;
	}
	return 0;
}

/**
 * hgpu_migrations_fini() - undo hgpu_migrations_init()
 * @hdev: the GPU; nobody migrates
 */
void hgpu_migrations_fini(struct hgpu_device *hdev)
{
	unsigned int i;

	for (i = 0; i < HGPU_GART_WINDOWS; i++) {
		kvfree(hdev->pagemap.migrations[i]);
		hdev->pagemap.migrations[i] = NULL;
	}
}

/**
 * hgpu_migration_tryget() - take a second migration
 * @hdev: the GPU
 *
 * Context: the caller has one already, to keep two granules in flight.
 * Return: a migration for hgpu_migration_put_try(), or NULL.
 */
struct hgpu_migration *hgpu_migration_tryget(struct hgpu_device *hdev)
{
	struct hgpu_pagemap *pm = &hdev->pagemap;
	struct hgpu_migration *m = NULL;
	unsigned int i;

	spin_lock(&pm->migrations_lock);
	for (i = 0; i < HGPU_GART_WINDOWS && !m; i++)
		swap(m, pm->migrations[i]);
	spin_unlock(&pm->migrations_lock);
	if (m) {
		m->core_ns = 0;
		m->fault_id = 0;
		m->collected = false;
	}
	return m;
}

/**
 * hgpu_migration_get() - take a migration, waiting for one
 * @hdev: the GPU
 *
 * Context: process context, may sleep; no folio is locked, and the caller has
 * no migration: those who have one never wait for who waits here.
 * Return: the migration, for hgpu_migration_put().
 */
struct hgpu_migration *hgpu_migration_get(struct hgpu_device *hdev)
{
	struct hgpu_migration *m;

	lock_map_acquire(&hgpu_migration_map);
	wait_event(hdev->pagemap.migrations_wait,
		   (m = hgpu_migration_tryget(hdev)));
	return m;
}

/**
 * hgpu_migration_put_try() - give the second migration back
 * @m: from hgpu_migration_tryget(), or NULL
 */
void hgpu_migration_put_try(struct hgpu_migration *m)
{
	struct hgpu_pagemap *pm;

	if (!m)
		return;
	pm = &m->hdev->pagemap;
	hgpu_stat_add(m->hdev, migrate_core_mm_ns, m->core_ns);
	spin_lock(&pm->migrations_lock);
	pm->migrations[m->window] = m;
	spin_unlock(&pm->migrations_lock);
	wake_up(&pm->migrations_wait);
}

/**
 * hgpu_migration_put() - give a migration back
 * @m: from hgpu_migration_get()
 */
void hgpu_migration_put(struct hgpu_migration *m)
{
	hgpu_migration_put_try(m);
	lock_map_release(&hgpu_migration_map);
}

/**
 * hgpu_migrations_wait() - wait for those who have a migration now
 * @hdev: the GPU
 *
 * Context: process context, may sleep; the caller has no migration.
 */
void hgpu_migrations_wait(struct hgpu_device *hdev)
{
	struct hgpu_migration *m[HGPU_GART_WINDOWS];
	unsigned int i;

	m[0] = hgpu_migration_get(hdev);
	for (i = 1; i < HGPU_GART_WINDOWS; i++)
		wait_event(hdev->pagemap.migrations_wait,
			   (m[i] = hgpu_migration_tryget(hdev)));
	while (--i)
		hgpu_migration_put_try(m[i]);
	hgpu_migration_put(m[0]);
}
