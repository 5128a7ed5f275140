// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes: made when /dev/kfd is opened, ended by their mm.
 */
#include <drm/drm_drv.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_events.h"
#include "hgpu_process.h"

#define HGPU_PASID_LIMIT	XA_LIMIT(1, HGPU_IH_VMID_LUT__PASID)

/*
 * All processes by PASID. An entry goes when its process is freed; PASIDs are
 * given out in turn, so that a late fault does not find a new owner.
 */
static DEFINE_XARRAY_ALLOC1(hgpu_processes);
static u32 hgpu_next_pasid;

static struct workqueue_struct *hgpu_process_wq;
static DECLARE_WAIT_QUEUE_HEAD(hgpu_process_idle);

/* ---- process devices ---- */

int hgpu_process_add_gpu(struct hgpu_process *process, struct hgpu_device *hdev)
{
	struct hgpu_process_device *pdd;

	if (process->num_devices == HGPU_MAX_GPUS)
		return 0;
	pdd = kzalloc(sizeof(*pdd), GFP_KERNEL);
	if (!pdd)
		return -ENOMEM;

	drm_dev_get(&hdev->drm);
	atomic_inc(&hdev->hqds.users);
	pdd->process = process;
	pdd->hdev = hdev;
	pdd->index = process->num_devices;
	INIT_LIST_HEAD(&pdd->queues);
	INIT_LIST_HEAD(&pdd->vctxs);
	idr_init(&pdd->bos);
	hgpu_vm_early_init(&pdd->vm, hdev, process->pasid);
	process->devices[process->num_devices++] = pdd;
	hgpu_svms_add_gpu(&process->svms, pdd->index, hdev);
	return 0;
}

void hgpu_process_stop_queues(struct hgpu_process_device *pdd)
{
	struct hgpu_queue *queue, *next;

	lockdep_assert_held(&pdd->process->lock);
	hgpu_virgl_stop_contexts(pdd);
	list_for_each_entry_safe(queue, next, &pdd->queues, link) {
		idr_remove(&pdd->process->queue_ids, queue->id);
		hgpu_kfd_release_bos(queue->bos);
		hgpu_queue_destroy(queue);
	}
}

void hgpu_process_remove_gpu(struct hgpu_process_device *pdd)
{
	struct hgpu_process *process = pdd->process;

	mutex_lock(&process->lock);
	WRITE_ONCE(pdd->removed, true);
	hgpu_process_stop_queues(pdd);
	hgpu_svms_remove_gpu(&process->svms, pdd->index);
	mutex_unlock(&process->lock);
}

void hgpu_process_release_gpu(struct hgpu_process_device *pdd)
{
	struct hgpu_process *process = pdd->process;
	struct hgpu_hqd_table *hqds = &pdd->hdev->hqds;

	mutex_lock(&process->lock);
	if (!pdd->released) {
		hgpu_kfd_free_all(pdd);
		hgpu_vm_fini(&pdd->vm);
		if (pdd->doorbell_slice)
			hgpu_doorbell_slice_free(pdd->hdev, pdd->doorbell_slice);
		pdd->released = true;
		if (atomic_dec_and_test(&hqds->users))
			wake_up_all(&hqds->idle);
	}
	mutex_unlock(&process->lock);
}

struct hgpu_process_device *hgpu_process_device(struct hgpu_process *process,
						struct hgpu_device *hdev)
{
	unsigned int i;

	for (i = 0; i < process->num_devices; i++)
		if (process->devices[i]->hdev == hdev)
			return process->devices[i];
	return NULL;
}

bool hgpu_process_can_retry(struct hgpu_process *process)
{
	unsigned int i;

	for (i = 0; i < process->num_devices; i++)
		if (!process->devices[i]->hdev->xnack)
			return false;
	return true;
}

bool hgpu_process_has_work(struct hgpu_process *process)
{
	unsigned int i;

	lockdep_assert_held(&process->lock);
	for (i = 0; i < process->num_devices; i++)
		if (!list_empty(&process->devices[i]->vctxs))
			return true;
	return !idr_is_empty(&process->queue_ids);
}

struct hgpu_process_device *hgpu_process_device_by_id(struct hgpu_process *process,
						      u32 gpu_id)
{
	unsigned int i;

	for (i = 0; i < process->num_devices; i++)
		if (process->devices[i]->hdev->gpu_id == gpu_id)
			return process->devices[i];
	return NULL;
}

/* ---- the end of the mm ---- */

static void hgpu_process_quiesce(struct hgpu_process *process)
{
	unsigned int i;

	/* Whoever comes second waits here until the first is done. */
	mutex_lock(&process->lock);
	if (!test_and_set_bit(HGPU_PROCESS_QUIESCED, &process->flags)) {
		for (i = 0; i < process->num_devices; i++)
			hgpu_process_stop_queues(process->devices[i]);
		hgpu_svms_release(&process->svms);
	}
	mutex_unlock(&process->lock);
}

/* ---- references ---- */

static void hgpu_process_free_work(struct work_struct *work)
{
	struct hgpu_process *process = container_of(work, struct hgpu_process, free_work);
	unsigned int i;

	hgpu_process_quiesce(process);	/* of one that was never complete */
	for (i = 0; i < process->num_devices; i++) {
		struct hgpu_process_device *pdd = process->devices[i];

		hgpu_process_remove_gpu(pdd);
		hgpu_process_release_gpu(pdd);
	}
	hgpu_svms_fini(&process->svms);
	hgpu_userptrs_fini(&process->userptrs);
	hgpu_kfd_events_fini(&process->events);

	for (i = 0; i < process->num_devices; i++) {
		idr_destroy(&process->devices[i]->bos);
		drm_dev_put(&process->devices[i]->hdev->drm);
		kfree(process->devices[i]);
	}
	idr_destroy(&process->queue_ids);
	put_pid(process->tgid);
	mmdrop(process->mm);

	xa_lock(&hgpu_processes);
	__xa_erase(&hgpu_processes, process->pasid);
	if (xa_empty(&hgpu_processes))
		wake_up_all(&hgpu_process_idle);
	xa_unlock(&hgpu_processes);
	kfree(process);
}

static void hgpu_process_last_put(struct kref *ref)
{
	struct hgpu_process *process = container_of(ref, struct hgpu_process, ref);

	/* The last one may be dropped where sleeping is not allowed. */
	queue_work(hgpu_process_wq, &process->free_work);
}

void hgpu_process_put(struct hgpu_process *process)
{
	if (process)
		kref_put(&process->ref, hgpu_process_last_put);
}

struct hgpu_process *hgpu_process_get_by_pasid(u16 pasid)
{
	struct hgpu_process *process;

	xa_lock(&hgpu_processes);
	process = xa_load(&hgpu_processes, pasid);
	if (process && !kref_get_unless_zero(&process->ref))
		process = NULL;
	xa_unlock(&hgpu_processes);
	return process;
}

struct hgpu_process *hgpu_process_next(unsigned long *pasid)
{
	struct hgpu_process *process;

	xa_lock(&hgpu_processes);
	do {
		process = xa_find_after(&hgpu_processes, pasid, ULONG_MAX, XA_PRESENT);
	} while (process && !kref_get_unless_zero(&process->ref));
	xa_unlock(&hgpu_processes);
	return process;
}

struct hgpu_process_device *hgpu_process_next_on(struct hgpu_device *hdev,
						 unsigned long *pasid)
{
	struct hgpu_process_device *pdd;
	struct hgpu_process *process;

	while ((process = hgpu_process_next(pasid))) {
		pdd = hgpu_process_device(process, hdev);
		if (pdd)
			return pdd;
		hgpu_process_put(process);
	}
	return NULL;
}

struct hgpu_process_device *hgpu_process_current_device(struct hgpu_device *hdev)
{
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		if (pdd->process->mm == current->mm && !hgpu_process_dead(pdd->process))
			return pdd;
		hgpu_process_put(pdd->process);
	}
	return NULL;
}

/* ---- notifier ---- */

static void hgpu_process_end(struct hgpu_process *process)
{
	hgpu_process_quiesce(process);
	if (test_and_clear_bit(HGPU_PROCESS_NOTIFIED, &process->flags))
		mmu_notifier_put(&process->notifier);
}

static void hgpu_process_notifier_release(struct mmu_notifier *notifier,
					  struct mm_struct *mm)
{
	hgpu_process_end(container_of(notifier, struct hgpu_process, notifier));
}

/* ---- making one ---- */

void hgpu_process_publish(struct hgpu_process *process)
{
	/* The slot is reserved: this allocates nothing. */
	xa_store(&hgpu_processes, process->pasid, process, GFP_KERNEL);
}

static int hgpu_process_alloc_pasid(struct hgpu_process *process)
{
	u32 pasid;
	int ret;

	/* Reserved only: who looks finds nobody until everything is there. */
	ret = xa_alloc_cyclic(&hgpu_processes, &pasid, NULL, HGPU_PASID_LIMIT,
			      &hgpu_next_pasid, GFP_KERNEL);
	if (ret < 0)
		return ret == -EBUSY ? -ENOSPC : ret;
	process->pasid = pasid;
	return 0;
}

/* The one place of initialisation, so that there is one lock class for each. */
static void hgpu_process_init_locks(struct hgpu_process *process)
{
	mutex_init(&process->lock);
	spin_lock_init(&process->run_lock);
	spin_lock_init(&process->va_lock);
	hgpu_userptrs_init(&process->userptrs);
}

/* Under the mmap_lock of current's mm, which has no process yet. */
static struct mmu_notifier *hgpu_process_alloc_notifier(struct mm_struct *mm)
{
	struct hgpu_process *process;
	int ret;

	process = kzalloc(sizeof(*process), GFP_KERNEL);
	if (!process)
		return ERR_PTR(-ENOMEM);

	kref_init(&process->ref);
	hgpu_process_init_locks(process);
	process->bo_vas = RB_ROOT_CACHED;
	process->userptr_vas = RB_ROOT_CACHED;
	idr_init(&process->queue_ids);
	hgpu_kfd_events_init(&process->events);
	INIT_WORK(&process->free_work, hgpu_process_free_work);
	process->pid_nr = task_tgid_nr(current);

	ret = hgpu_process_alloc_pasid(process);
	if (ret)
		goto err_free;
	ret = hgpu_svms_init(&process->svms, mm);
	if (ret)
		goto err_pasid;
	process->svms.pid = process->pid_nr;
	mmgrab(mm);
	process->mm = mm;
	process->tgid = get_pid(task_tgid(current));

	ret = hgpu_kfd_attach_process(process);
	if (ret) {
		/* Complete enough to go the usual way. */
		hgpu_process_put(process);
		return ERR_PTR(ret);
	}
	process->svms.xnack = hgpu_process_can_retry(process);
	return &process->notifier;

err_pasid:
	xa_erase(&hgpu_processes, process->pasid);
err_free:
	idr_destroy(&process->queue_ids);
	kfree(process);
	return ERR_PTR(ret);
}

/* With bottom halves off, once no notifier can run any more. */
static void hgpu_process_free_notifier(struct mmu_notifier *notifier)
{
	hgpu_process_put(container_of(notifier, struct hgpu_process, notifier));
}

static const struct mmu_notifier_ops hgpu_process_notifier_ops = {
	.release = hgpu_process_notifier_release,
	.alloc_notifier = hgpu_process_alloc_notifier,
	.free_notifier = hgpu_process_free_notifier,
};

struct hgpu_process *hgpu_process_open(void)
{
	struct hgpu_process *process;
	struct mmu_notifier *notifier;

	if (!current->mm)
		return ERR_PTR(-EINVAL);

	notifier = mmu_notifier_get(&hgpu_process_notifier_ops, current->mm);
	if (IS_ERR(notifier))
		return ERR_CAST(notifier);
	process = container_of(notifier, struct hgpu_process, notifier);
	kref_get(&process->ref);
	/* One registration for the mm's whole life, however often it opens. */
	if (test_and_set_bit(HGPU_PROCESS_NOTIFIED, &process->flags))
		mmu_notifier_put(notifier);
	return process;
}

static bool hgpu_process_va_is_in(struct hgpu_process *process, struct rb_root_cached *tree,
				  u64 first_page, u64 last_page)
{
	bool found;

	spin_lock(&process->va_lock);
	found = interval_tree_iter_first(tree, first_page, last_page);
	spin_unlock(&process->va_lock);
	return found;
}

bool hgpu_process_va_is_bo(struct hgpu_process *process, u64 first_page, u64 last_page)
{
	return hgpu_process_va_is_in(process, &process->bo_vas, first_page, last_page);
}

bool hgpu_process_va_is_userptr(struct hgpu_process *process, u64 first_page, u64 last_page)
{
	return hgpu_process_va_is_in(process, &process->userptr_vas, first_page, last_page);
}

/* ---- module ---- */

/*
 * Teach lockdep that the process's lock is outside of mmap_lock, and what
 * notifiers take inside of reclaim.
 */
static int hgpu_process_prime_lockdep(void)
{
	struct hgpu_process *process;

	if (!IS_ENABLED(CONFIG_LOCKDEP) || !current->mm)
		return 0;
	process = kzalloc(sizeof(*process), GFP_KERNEL);
	if (!process)
		return -ENOMEM;
	hgpu_process_init_locks(process);
	mutex_lock(&process->lock);
	mmap_read_lock(current->mm);
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_lock(&process->userptrs.lock);
	spin_lock(&process->run_lock);
	spin_unlock(&process->run_lock);
	mutex_unlock(&process->userptrs.lock);
	fs_reclaim_release(GFP_KERNEL);
	mmap_read_unlock(current->mm);
	mutex_unlock(&process->lock);
	kfree(process);
	return 0;
}

int hgpu_process_init(void)
{
	int ret = hgpu_process_prime_lockdep();

	if (ret)
		return ret;
	hgpu_process_wq = alloc_workqueue("hgpu_process", WQ_UNBOUND, 0);
	return hgpu_process_wq ? 0 : -ENOMEM;
}

void hgpu_process_exit(void)
{
	struct hgpu_process *process;
	unsigned long pasid = 0;

	while ((process = hgpu_process_next(&pasid))) {
		hgpu_process_end(process);
		hgpu_process_put(process);
	}
	wait_event(hgpu_process_idle, xa_empty(&hgpu_processes));
	/*
	 * Nothing is left to free, but the callback that said so, which runs
	 * with bottom halves off, may not have returned yet; nor may a
	 * release() that came first.
	 */
	mmu_notifier_synchronize();
	synchronize_rcu();
	destroy_workqueue(hgpu_process_wq);
}
