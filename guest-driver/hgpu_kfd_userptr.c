// SPDX-License-Identifier: GPL-2.0-only
/* USERPTR: see hgpu_kfd_userptr.h. */

#include <linux/hmm.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "hgpu_kfd.h"
#include "hgpu_kfd_userptr.h"
#include "hgpu_memlimit.h"
#include "hgpu_process.h"

/* KFD's */
#define HGPU_USERPTR_RESTORE_DELAY	msecs_to_jiffies(1)
/* How often MAP looks for memory that is on the move before the work item does. */
#define HGPU_USERPTR_TRIES		4
#define HGPU_USERPTR_BATCH		512u

static struct hgpu_process *process_of(struct hgpu_userptr *user)
{
	return user->kbo->pdd->process;
}

static u64 npages_of(const struct hgpu_userptr *user)
{
	return user->kbo->size >> PAGE_SHIFT;
}

/* ---- the notifier ---- */

/* Queues stand still from here until the work item has found it. */
static void hold_locked(struct hgpu_userptr *user)
{
	struct hgpu_process *process = process_of(user);
	struct hgpu_userptrs *users = &process->userptrs;

	lockdep_assert_held(&users->lock);
	if (list_empty(&user->invalid))
		list_add_tail(&user->invalid, &users->invalid);
	if (!users->evicted) {
		users->evicted = true;
		hgpu_process_evict_queues(process, KFD_QUEUE_EVICTION_TRIGGER_USERPTR);
	}
	queue_delayed_work(system_unbound_wq, &users->restore_work,
			   HGPU_USERPTR_RESTORE_DELAY);
}

static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *what, unsigned long seq)
{
	struct hgpu_userptr *user = container_of(notifier, struct hgpu_userptr, notifier);
	struct hgpu_userptrs *users = &process_of(user)->userptrs;

	if (mmu_notifier_range_blockable(what))
		mutex_lock(&users->lock);
	else if (!mutex_trylock(&users->lock))
		return false;
	mmu_interval_set_seq(notifier, seq);
	if (user->live)
		hold_locked(user);
	mutex_unlock(&users->lock);
	return true;
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate = invalidate,
};

/* ---- finding the memory ---- */

static int find_batch(struct hgpu_userptr *user, unsigned long seq, u64 first, u64 n,
		      unsigned long *pfns)
{
	struct mm_struct *mm = user->notifier.mm;
	struct hmm_range range = {
		.notifier = &user->notifier,
		.notifier_seq = seq,
		.start = ((u64)user->kbo->cpu.start + first) << PAGE_SHIFT,
		.end = ((u64)user->kbo->cpu.start + first + n) << PAGE_SHIFT,
		.hmm_pfns = pfns,
		.default_flags = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE,
	};
	u64 i;
	int ret;

	mmap_read_lock(mm);
	ret = hmm_range_fault(&range);
	mmap_read_unlock(mm);
	for (i = 0; !ret && i < n; i++)
		user->pages[first + i] = hmm_pfn_to_page(pfns[i]);
	return ret;
}

/* Where it is now. -EBUSY: it changes while we look. */
static int find(struct hgpu_userptr *user, unsigned long seq)
{
	u64 done = 0, npages = npages_of(user);
	unsigned long *pfns;
	int ret = 0;

	pfns = kmalloc_array(HGPU_USERPTR_BATCH, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	while (done < npages && !ret) {
		u64 n = min_t(u64, npages - done, HGPU_USERPTR_BATCH);

		memset(pfns, 0, n * sizeof(*pfns));
		ret = fatal_signal_pending(current) ? -EFAULT :
						      find_batch(user, seq, done, n, pfns);
		done += n;
		cond_resched();
	}
	kfree(pfns);
	return ret;
}

/* Find it and have GPUs find it there. -EBUSY: it is elsewhere again, or there is more to do. */
static int validate(struct hgpu_userptr *user, unsigned long gpus)
{
	struct hgpu_userptrs *users = &process_of(user)->userptrs;
	unsigned long seq = mmu_interval_read_begin(&user->notifier);
	int ret = find(user, seq);

	if (!ret)
		ret = hgpu_kfd_attach(user->kbo, gpus);
	else if (ret == -EFAULT)
		hgpu_kfd_detach(user->kbo, gpus);
	if (ret && ret != -EFAULT)
		return ret;

	mutex_lock(&users->lock);
	if (mmu_interval_read_retry(&user->notifier, seq) ||
	    (!list_empty(&user->invalid) && gpus != user->kbo->mapped))
		ret = -EBUSY;
	else
		list_del_init(&user->invalid);
	mutex_unlock(&users->lock);
	return ret;
}

/* ---- restoring ---- */

static struct hgpu_userptr *first_invalid(struct hgpu_userptrs *users)
{
	struct hgpu_userptr *user;

	mutex_lock(&users->lock);
	user = list_first_entry_or_null(&users->invalid, struct hgpu_userptr, invalid);
	mutex_unlock(&users->lock);
	return user;
}

static int validate_all(struct hgpu_process *process)
{
	struct hgpu_userptr *user;
	int ret = 0;

	lockdep_assert_held(&process->lock);	/* so it stays */
	while (!ret && (user = first_invalid(&process->userptrs))) {
		ret = validate(user, user->kbo->mapped);
		if (ret == -EFAULT)	/* queues that use it fault */
			ret = 0;
	}
	/* Read-only memory is waited for, as KFD does. */
	return ret;
}

/* Returns false if something is invalid again. */
static bool resume(struct hgpu_process *process)
{
	struct hgpu_userptrs *users = &process->userptrs;
	bool all;

	kthread_use_mm(process->mm);
	hgpu_process_prepare_restore(process);
	mutex_lock(&users->lock);
	all = list_empty(&users->invalid);
	if (all && users->evicted) {
		users->evicted = false;
		hgpu_process_restore_queues(process);
	}
	mutex_unlock(&users->lock);
	hgpu_process_finish_restore(process);
	kthread_unuse_mm(process->mm);
	return all;
}

static void restore_work(struct work_struct *work)
{
	struct hgpu_userptrs *users = container_of(to_delayed_work(work), struct hgpu_userptrs,
						   restore_work);
	struct hgpu_process *process = container_of(users, struct hgpu_process, userptrs);

	/* The queues of an exiting process do not go on. */
	if (!mmget_not_zero(process->mm))
		return;
	mutex_lock(&process->lock);
	if (!hgpu_process_dead(process) && (validate_all(process) || !resume(process))) {
		hgpu_process_restore_rescheduled(process);
		queue_delayed_work(system_unbound_wq, &users->restore_work,
				   HGPU_USERPTR_RESTORE_DELAY);
	}
	mutex_unlock(&process->lock);
	/* exit_mmap() would wait for this very work item. */
	mmput_async(process->mm);
}

/* ---- the interface ---- */

void hgpu_userptrs_init(struct hgpu_userptrs *users)
{
	mutex_init(&users->lock);
	INIT_LIST_HEAD(&users->invalid);
	INIT_DELAYED_WORK(&users->restore_work, restore_work);
}

void hgpu_userptrs_fini(struct hgpu_userptrs *users)
{
	cancel_delayed_work_sync(&users->restore_work);
	WARN_ON_ONCE(!list_empty(&users->invalid));
}

static int insert(struct hgpu_userptr *user)
{
	return mmu_interval_notifier_insert(&user->notifier, current->mm,
					    (u64)user->kbo->cpu.start << PAGE_SHIFT,
					    user->kbo->size, &notifier_ops);
}

int hgpu_kfd_userptr_create(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_userptr *user;
	int ret;

	ret = hgpu_memlimit_reserve(HGPU_MEM_USERPTR, kbo->size);
	if (ret)
		return ret;
	ret = -ENOMEM;
	user = kvzalloc(struct_size(user, pages, kbo->size >> PAGE_SHIFT), GFP_KERNEL_ACCOUNT);
	if (!user)
		goto err_unreserve;
	user->kbo = kbo;
	INIT_LIST_HEAD(&user->invalid);
	ret = insert(user);
	if (ret)
		goto err_free;
	kbo->user = user;

	/* That it is there; where it is then will be seen when it is mapped. */
	ret = find(user, mmu_interval_read_begin(&user->notifier));
	if (ret && ret != -EBUSY)
		goto err_remove;
	return 0;

err_remove:
	kbo->user = NULL;
	mmu_interval_notifier_remove(&user->notifier);
err_free:
	kvfree(user);
err_unreserve:
	hgpu_memlimit_unreserve(HGPU_MEM_USERPTR, kbo->size);
	return ret;
}

void hgpu_kfd_userptr_destroy(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_userptr *user = kbo->user;

	kbo->user = NULL;
	mmu_interval_notifier_remove(&user->notifier);
	kvfree(user);
	hgpu_memlimit_unreserve(HGPU_MEM_USERPTR, kbo->size);
}

int hgpu_kfd_userptr_map(struct hgpu_kfd_bo *kbo, unsigned int gpu)
{
	struct hgpu_userptr *user = kbo->user;
	struct hgpu_userptrs *users = &process_of(user)->userptrs;
	int ret = -EBUSY, i;

	lockdep_assert_held(&process_of(user)->lock);
	/* Before we look where it is, so that no invalidation is missed. */
	mutex_lock(&users->lock);
	user->live = true;
	mutex_unlock(&users->lock);

	for (i = 0; i < HGPU_USERPTR_TRIES && ret == -EBUSY; i++)
		ret = validate(user, BIT(gpu));
	/* A try before may have mapped it. */
	if (ret && ret != -EBUSY)
		hgpu_kfd_detach(kbo, BIT(gpu));
	if (ret != -EBUSY)
		return ret;
	mutex_lock(&users->lock);
	hold_locked(user);
	mutex_unlock(&users->lock);
	return 0;
}

void hgpu_kfd_userptr_unmapped(struct hgpu_kfd_bo *kbo)
{
	struct hgpu_userptrs *users = &process_of(kbo->user)->userptrs;

	if (kbo->mapped)
		return;
	mutex_lock(&users->lock);
	kbo->user->live = false;
	list_del_init(&kbo->user->invalid);
	mutex_unlock(&users->lock);
}
