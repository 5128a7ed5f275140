// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared virtual memory: lifetime, and the order of locks.
 */

/**
 * DOC: Lock order of shared virtual memory
 *
 * From the outside in:
 *
 * 1. mmap_lock of the process
 * 2. &hgpu_svms.lock: ranges and attributes. Held by fault handling and the
 *    ioctls, also while they migrate and fault pages in; never by a CPU fault,
 *    which may be taken below it
 * 3. dma_resv of a buffer. VRAM for a migration is allocated here, and may have
 *    to be evicted, whoever's it is, before
 * 4. the migrate mutex: &struct hgpu_migration, one for each transfer window.
 *    Below dma_resv, since an eviction is called with that held and needs a
 *    window; nothing takes a dma_resv while it has a migration
 * 5. folio locks and reclaim: memory is allocated in all of the above
 * 6. what a reset holds: the SDMA ring's submit_lock, &hgpu_device.reset_lock
 * 7. &hgpu_svms.notifier_lock: the GPU's PTEs. Taken in notifiers, hence in
 *    reclaim: nothing is allocated below
 * 8. spinlocks: the process's run lock (&hgpu_process.run_lock: notifiers stop
 *    queues), page tables, TLB flush, chunks, TTM's LRU lists, rings, events.
 *    A dma_resv is tried here, too, to move a chunk to the end of its list
 *
 * The process's lock is outside of all of them; faults and notifiers do without.
 */

#include <linux/dma-resv.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "hgpu_svm_priv.h"

struct workqueue_struct *hgpu_svm_wq;

/* Teach lockdep the order above before anything gets it wrong. */
static void prime_lockdep(struct hgpu_svms *svms)
{
	struct mm_struct *mm = current->mm;
	struct dma_resv resv;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		return;

	dma_resv_init(&resv);
	if (mm)
		mmap_read_lock(mm);
	mutex_lock(&svms->lock);
	dma_resv_lock(&resv, NULL);
	hgpu_migration_prime();
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_lock(&svms->notifier_lock);
	spin_lock(&svms->fault_lock);

	spin_unlock(&svms->fault_lock);
	mutex_unlock(&svms->notifier_lock);
	fs_reclaim_release(GFP_KERNEL);
	hgpu_migration_unprime();
	dma_resv_unlock(&resv);
	mutex_unlock(&svms->lock);
	if (mm)
		mmap_read_unlock(mm);
	dma_resv_fini(&resv);
}

/* The one place of initialisation, so that there is one lock class for each. */
static void init_locks(struct hgpu_svms *svms)
{
	mutex_init(&svms->lock);
	mutex_init(&svms->notifier_lock);
	spin_lock_init(&svms->fault_lock);
}

/**
 * hgpu_svm_init() - at module load
 *
 * Return: 0 or -ENOMEM.
 */
int hgpu_svm_init(void)
{
	struct hgpu_svms *svms;

	hgpu_svm_wq = alloc_workqueue("hgpu_svm", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!hgpu_svm_wq)
		return -ENOMEM;

	svms = kzalloc(sizeof(*svms), GFP_KERNEL);
	if (!svms) {
		destroy_workqueue(hgpu_svm_wq);
		return -ENOMEM;
	}
	init_locks(svms);
	prime_lockdep(svms);
	kfree(svms);
	return 0;
}

/**
 * hgpu_svm_exit() - at module unload, after the last process and GPU
 */
void hgpu_svm_exit(void)
{
	hgpu_pagemaps_exit();
	destroy_workqueue(hgpu_svm_wq);
}

int hgpu_svms_init(struct hgpu_svms *svms, struct mm_struct *mm)
{
	static atomic64_t last_id;
	unsigned int i;

	init_locks(svms);
	svms->mm = mm;
	svms->id = atomic64_inc_return(&last_id);
	svms->ranges = RB_ROOT_CACHED;
	svms->range_cap = SZ_1G >> PAGE_SHIFT;
	INIT_LIST_HEAD(&svms->unmapped);
	INIT_WORK(&svms->unmap_work, hgpu_svm_unmap_work);
	INIT_LIST_HEAD(&svms->missing);
	INIT_DELAYED_WORK(&svms->restore_work, hgpu_svm_restore_work);
	INIT_WORK(&svms->fault_work, hgpu_svm_fault_work);
	for (i = 0; i < HGPU_SVM_RESOLVED; i++)
		svms->resolved[i].block = U64_MAX;
	hgpu_svm_denials_init(svms);
	return hgpu_svm_scratch_init(svms);
}

void hgpu_svms_add_gpu(struct hgpu_svms *svms, unsigned int gpu,
		       struct hgpu_device *hdev)
{
	/* KFD's: a 32nd of the smallest VRAM, so that a range can be moved. */
	u64 cap = clamp(hgpu_vram_size(hdev) >> 5, (u64)SZ_2M, (u64)SZ_1G);

	mutex_lock(&svms->lock);
	mutex_lock(&svms->notifier_lock);
	svms->gpus[gpu].hdev = hdev;
	mutex_unlock(&svms->notifier_lock);
	svms->range_cap = min(svms->range_cap,
			      rounddown_pow_of_two(cap) >> PAGE_SHIFT);
	mutex_unlock(&svms->lock);
}

void hgpu_svms_set_vm(struct hgpu_svms *svms, unsigned int gpu,
		      struct hgpu_vm *vm)
{
	mutex_lock(&svms->lock);
	mutex_lock(&svms->notifier_lock);
	svms->gpus[gpu].vm = vm;
	svms->gpus[gpu].task = task_pid_nr(current);
	get_task_comm(svms->gpus[gpu].comm, current);
	mutex_unlock(&svms->notifier_lock);
	hgpu_svm_gpu_arrives(svms, gpu);
	mutex_unlock(&svms->lock);
}

/*
 * What peers have mapped of its VRAM goes too, with all else of them: their
 * faults map it again. What is lost with the GPU would stay mapped else, and
 * whoever gets its node next would be reached.
 */
static void zap_with_peers_locked(struct hgpu_svm_range *range,
				  unsigned int gpu)
{
	u64 first = range->it.start, last = range->it.last;
	struct hgpu_svms *svms = range->svms;
	struct hgpu_device *hdev = svms->gpus[gpu].hdev;
	unsigned int i;

	hgpu_svm_zap_gpu_locked(svms, gpu, first, last);
	for (i = 0; i < HGPU_SVM_MAX_GPUS; i++) {
		if (i == gpu || !hdev || !svms->gpus[i].hdev ||
		    !hgpu_hive_same(hdev, svms->gpus[i].hdev))
			continue;
		/* Without retry its queues wait until it is mapped again. */
		hgpu_svm_hold_locked(range, first, last, MMU_NOTIFY_CLEAR);
		hgpu_svm_zap_gpu_locked(svms, i, first, last);
	}
}

void hgpu_svms_remove_gpu(struct hgpu_svms *svms, unsigned int gpu)
{
	struct hgpu_svm_range *range;

	mutex_lock(&svms->lock);
	hgpu_svm_allow_pages(svms, BIT(gpu), 0, U64_MAX - 1);
	hgpu_svm_forget_reports(svms, gpu);
	mutex_lock(&svms->notifier_lock);
	for (range = hgpu_svm_range_first(svms, 0, ULONG_MAX); range;
	     range = hgpu_svm_range_next(range, 0, ULONG_MAX)) {
		zap_with_peers_locked(range, gpu);
		range->attrs.access &= ~BIT(gpu);
		range->attrs.in_place &= ~BIT(gpu);
	}
	svms->gpus[gpu] = (struct hgpu_svm_gpu) { };
	mutex_unlock(&svms->notifier_lock);
	mutex_unlock(&svms->lock);
}

void hgpu_svms_sync(struct hgpu_svms *svms)
{
	mutex_lock(&svms->lock);
	mutex_unlock(&svms->lock);
}

void hgpu_svms_release(struct hgpu_svms *svms)
{
	struct hgpu_svm_range *range;

	mutex_lock(&svms->notifier_lock);
	svms->dead = true;
	mutex_unlock(&svms->notifier_lock);

	mutex_lock(&svms->lock);
	for (range = hgpu_svm_range_first(svms, 0, ULONG_MAX); range;
	     range = hgpu_svm_range_next(range, 0, ULONG_MAX))
		hgpu_svm_zap(svms, range->it.start, range->it.last);
	mutex_unlock(&svms->lock);
}

void hgpu_svms_fini(struct hgpu_svms *svms)
{
	cancel_work_sync(&svms->fault_work);
	hgpu_svm_ranges_free(svms);
	/* No notifier is left that could queue them. */
	cancel_work_sync(&svms->unmap_work);
	cancel_delayed_work_sync(&svms->restore_work);
	hgpu_svm_scratch_fini(svms);
}
