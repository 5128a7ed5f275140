// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues that must not run for a while: eviction, and resets.
 *
 * Who evicts may be a notifier, which neither sleeps long nor touches the
 * process's memory: it takes the run lock and nothing else. Who restores has
 * read the write pointers before, since doorbells that rang meanwhile are lost,
 * and reads them again afterwards.
 */
#include "hgpu_device.h"
#include "hgpu_process.h"
#include "hgpu_queue.h"

static void hold_back_locked(struct hgpu_queue *queue)
{
	if (!queue->mapped)
		return;
	if (hgpu_queue_stop_locked(queue)) {
		/* What it was at is lost, but it must not go on either. */
		hgpu_queue_kill_locked(queue);
		queue->lost = true;
		return;
	}
	queue->evicted = true;
	hgpu_stat_inc(queue->pdd->hdev, queues_evicted);
}

static void evict_locked(struct hgpu_process_device *pdd)
{
	struct hgpu_queue *queue;

	lockdep_assert_held(&pdd->process->run_lock);
	if (pdd->evicted++)
		return;
	list_for_each_entry(queue, &pdd->queues, link)
		hold_back_locked(queue);
}

void hgpu_process_device_evict(struct hgpu_process_device *pdd)
{
	spin_lock(&pdd->process->run_lock);
	evict_locked(pdd);
	spin_unlock(&pdd->process->run_lock);
}

void hgpu_process_evict_queues(struct hgpu_process *process,
			       enum KFD_QUEUE_EVICTION_TRIGGERS trigger)
{
	unsigned int i;

	for (i = 0; i < process->num_devices; i++) {
		struct hgpu_process_device *pdd = process->devices[i];

		if (!READ_ONCE(pdd->removed))
			hgpu_smi_queue_evicted(pdd->hdev, process->pid_nr, trigger);
		hgpu_process_device_evict(pdd);
		hgpu_vm_hold(&pdd->vm);
	}
}

static void call_on_queues(struct hgpu_process *process,
			   void (*fn)(struct hgpu_queue *queue))
{
	struct hgpu_queue *queue;
	unsigned int i;

	lockdep_assert_held(&process->lock);
	for (i = 0; i < process->num_devices; i++)
		list_for_each_entry(queue, &process->devices[i]->queues, link)
			fn(queue);
}

void hgpu_process_prepare_restore(struct hgpu_process *process)
{
	call_on_queues(process, hgpu_queue_fetch_wptr);
}

static void restore_locked(struct hgpu_process_device *pdd)
{
	struct hgpu_queue *queue;

	lockdep_assert_held(&pdd->process->run_lock);
	if (WARN_ON_ONCE(!pdd->evicted) || --pdd->evicted)
		return;
	list_for_each_entry(queue, &pdd->queues, link)
		if (queue->evicted && hgpu_queue_start_locked(queue))
			queue->lost = true;
}

void hgpu_process_restore_queues(struct hgpu_process *process)
{
	unsigned int i;

	lockdep_assert_held(&process->lock);
	for (i = 0; i < process->num_devices; i++) {
		struct hgpu_process_device *pdd = process->devices[i];

		if (!READ_ONCE(pdd->removed))
			hgpu_smi_queue_restored(pdd->hdev, process->pid_nr);
		hgpu_vm_unhold(&pdd->vm);
		spin_lock(&process->run_lock);
		restore_locked(pdd);
		spin_unlock(&process->run_lock);
	}
}

void hgpu_process_finish_restore(struct hgpu_process *process)
{
	call_on_queues(process, hgpu_queue_catch_up);
}

void hgpu_process_restore_rescheduled(struct hgpu_process *process)
{
	unsigned int i;

	for (i = 0; i < process->num_devices; i++)
		if (!READ_ONCE(process->devices[i]->removed))
			hgpu_smi_queue_rescheduled(process->devices[i]->hdev,
						   process->pid_nr);
}

/* ---- resets ---- */

/* An evicted queue, too: nobody could tell its owner that others are lost. */
static void lose_queues(struct hgpu_process_device *pdd)
{
	struct hgpu_queue *queue;

	spin_lock(&pdd->process->run_lock);
	list_for_each_entry(queue, &pdd->queues, link) {
		queue->lost |= queue->mapped || queue->evicted;
		/* If it does not stop, the reset will stop it. */
		hgpu_queue_kill_locked(queue);
		queue->mapped = false;
		queue->evicted = false;
	}
	spin_unlock(&pdd->process->run_lock);
}

void hgpu_hqd_reset(struct hgpu_device *hdev)
{
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		lose_queues(pdd);
		hgpu_process_put(pdd->process);
	}
}
