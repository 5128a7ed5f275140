// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compute queues (SPEC 10): what a process makes, changes and destroys before
 * there is an engine that could run one.
 *
 * No hardware queue ever knows of such a queue. Its doorbell is its own, so
 * that no other queue hears it; whoever rings it is not heard at all. It needs
 * no VMID, and neither a reset nor anything else takes it away.
 */
#include <linux/kfd_ioctl.h>
#include <linux/slab.h>

#include "hgpu_device.h"
#include "hgpu_process.h"
#include "hgpu_queue.h"

/* As KFD has it, of one process on one GPU: what AMD's scheduler takes. */
#define HGPU_MAX_QUEUES_PER_GPU	127

static int hgpu_queue_check_compute(const struct hgpu_queue_props *props)
{
	return IS_ALIGNED(props->ring, 256) ? 0 : -EINVAL;
}

struct hgpu_queue *hgpu_queue_create_compute(struct hgpu_process_device *pdd,
					     const struct hgpu_queue_props *props,
					     u64 rptr, u64 wptr, u32 ctl_stack_size)
{
	struct hgpu_queue *queue;
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	ret = hgpu_queue_check_compute(props);
	if (ret)
		return ERR_PTR(ret);
	if (!rptr || !wptr || !IS_ALIGNED(rptr, 4) || !IS_ALIGNED(wptr, 8))
		return ERR_PTR(-EINVAL);
	if (list_count_nodes(&pdd->queues) >= HGPU_MAX_QUEUES_PER_GPU)
		return ERR_PTR(-ENOSPC);

	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	queue->pdd = pdd;
	queue->props = *props;
	queue->rptr = rptr;
	queue->wptr = wptr;
	queue->compute = true;
	queue->ctl_stack_size = ctl_stack_size;

	/* There are more of them than queues. */
	queue->doorbell = find_first_zero_bit(pdd->doorbells, HGPU_MAX_QUEUES_PER_PROCESS);
	__set_bit(queue->doorbell, pdd->doorbells);
	spin_lock(&pdd->process->run_lock);
	list_add_tail(&queue->link, &pdd->queues);
	spin_unlock(&pdd->process->run_lock);
	hgpu_stat_inc(pdd->hdev, queues_created);
	return queue;
}

int hgpu_queue_update_compute(struct hgpu_queue *queue, const struct hgpu_queue_props *props)
{
	int ret;

	lockdep_assert_held(&queue->pdd->process->lock);
	ret = hgpu_queue_check_compute(props);
	if (ret)
		return ret;
	spin_lock(&queue->pdd->process->run_lock);
	queue->props = *props;
	spin_unlock(&queue->pdd->process->run_lock);
	return 0;
}

int hgpu_queue_wave_state(const struct hgpu_queue *queue,
			  struct kfd_context_save_area_header *header)
{
	lockdep_assert_held(&queue->pdd->process->lock);
	if (!queue->compute || (queue->props.ring && queue->props.percent))
		return -EINVAL;
	/* The stack grows down and the waves' state lies behind it: no wave. */
	header->wave_state.control_stack_offset = queue->ctl_stack_size;
	header->wave_state.control_stack_size = 0;
	header->wave_state.wave_state_offset = queue->ctl_stack_size;
	header->wave_state.wave_state_size = 0;
	return 0;
}
