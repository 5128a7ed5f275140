// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's ioctls on queues, and the memory that queues keep mapped.
 */
#include <linux/log2.h>
#include <linux/uaccess.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_process.h"
#include "hgpu_queue.h"

/* KFD looks at so many bits of a CU mask, however long it is. */
#define HGPU_KFD_MAX_CU_MASK	1024

static bool hgpu_kfd_is_compute(u32 queue_type)
{
	return queue_type == KFD_IOC_QUEUE_TYPE_COMPUTE ||
	       queue_type == KFD_IOC_QUEUE_TYPE_COMPUTE_AQL;
}

static struct hgpu_queue *hgpu_kfd_queue(struct hgpu_process *process, u32 id)
{
	lockdep_assert_held(&process->lock);
	return id < HGPU_MAX_QUEUES_PER_PROCESS ? idr_find(&process->queue_ids, id) : NULL;
}

static int hgpu_kfd_queue_props(u64 ring, u32 size, u32 percentage, u32 priority,
				struct hgpu_queue_props *props)
{
	/* Bits 15:8 choose an XCC, of which there is one. */
	props->percent = percentage & 0xff;
	props->priority = priority;
	props->ring = ring;
	props->ring_size = max_t(u32, size, KFD_MIN_QUEUE_RING_SIZE);
	if (props->percent > KFD_MAX_QUEUE_PERCENTAGE || priority > KFD_MAX_QUEUE_PRIORITY ||
	    !is_power_of_2(props->ring_size))
		return -EINVAL;
	return 0;
}

/* ---- memory ---- */

/*
 * What waves are saved in. The thunk takes shared memory that is always mapped
 * where it can, else a buffer. KFD wants room for the debugger behind it, too.
 */
static int hgpu_kfd_hold_save_area(struct hgpu_process_device *pdd,
				   const struct kfd_ioctl_create_queue_args *args,
				   struct hgpu_kfd_bo **bo)
{
	u64 first = args->ctx_save_restore_address >> PAGE_SHIFT;
	u64 pages = PAGE_ALIGN((u64)args->ctx_save_restore_size) >> PAGE_SHIFT;

	if (args->ctl_stack_size != HGPU_KFD_CTL_STACK_SIZE ||
	    args->ctx_save_restore_size < HGPU_KFD_CWSR_SIZE ||
	    !PAGE_ALIGNED(args->ctx_save_restore_address))
		return -EINVAL;
	if (!hgpu_kfd_hold_bo(pdd, args->ctx_save_restore_address, pages << PAGE_SHIFT, bo))
		return 0;
	return hgpu_svm_always_mapped(&pdd->process->svms, pdd->index, first,
				      first + pages - 1) ? 0 : -EINVAL;
}

static int hgpu_kfd_hold_compute(struct hgpu_process_device *pdd,
				 const struct kfd_ioctl_create_queue_args *args,
				 struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS])
{
	int ret = 0;

	if (args->eop_buffer_address && args->eop_buffer_size < HGPU_KFD_EOP_SIZE)
		return -EINVAL;
	if (args->eop_buffer_address)
		ret = hgpu_kfd_hold_bo(pdd, args->eop_buffer_address,
				       args->eop_buffer_size, &bos[HGPU_QUEUE_EOP]);
	return ret ?: hgpu_kfd_hold_save_area(pdd, args, &bos[HGPU_QUEUE_CWSR]);
}

static int hgpu_kfd_hold_queue(struct hgpu_process_device *pdd,
			       const struct kfd_ioctl_create_queue_args *args,
			       const struct hgpu_queue_props *props,
			       struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS])
{
	int ret;

	memset(bos, 0, HGPU_QUEUE_BOS * sizeof(*bos));
	ret = hgpu_kfd_hold_bo(pdd, props->ring, props->ring_size, &bos[HGPU_QUEUE_RING]);
	if (!ret)
		ret = hgpu_kfd_hold_bo(pdd, args->read_pointer_address, sizeof(u64),
				       &bos[HGPU_QUEUE_RPTR]);
	if (!ret)
		ret = hgpu_kfd_hold_bo(pdd, args->write_pointer_address, sizeof(u64),
				       &bos[HGPU_QUEUE_WPTR]);
	if (!ret && hgpu_kfd_is_compute(args->queue_type))
		ret = hgpu_kfd_hold_compute(pdd, args, bos);
	if (ret)
		hgpu_kfd_release_bos(bos);
	return ret;
}

void hgpu_kfd_release_bos(struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS])
{
	unsigned int i;

	for (i = 0; i < HGPU_QUEUE_BOS; i++)
		hgpu_kfd_release_bo(&bos[i]);
}

/* ---- queues come and go ---- */

static struct hgpu_queue *hgpu_kfd_make_queue(struct hgpu_process_device *pdd,
					      const struct kfd_ioctl_create_queue_args *args,
					      const struct hgpu_queue_props *props)
{
	unsigned int engine = HGPU_ANY_ENGINE;

	switch (args->queue_type) {
	case KFD_IOC_QUEUE_TYPE_SDMA_BY_ENG_ID:
		engine = args->sdma_engine_id;
		if (engine >= pdd->hdev->hqds.num_engines)
			return ERR_PTR(-EINVAL);
		fallthrough;
	case KFD_IOC_QUEUE_TYPE_SDMA:
		return hgpu_queue_create_sdma(pdd, props, args->read_pointer_address,
					      args->write_pointer_address, engine);
	case KFD_IOC_QUEUE_TYPE_SDMA_XGMI:
		return ERR_PTR(-ENOMEM);	/* as KFD: none of that kind is left */
	default:	/* compute: kinds that are unknown have been refused */
		return hgpu_queue_create_compute(pdd, props, args->read_pointer_address,
						 args->write_pointer_address,
						 args->ctl_stack_size);
	}
}

static int hgpu_kfd_create_queue_locked(struct hgpu_process_device *pdd,
					struct kfd_ioctl_create_queue_args *args,
					const struct hgpu_queue_props *props)
{
	struct hgpu_process *process = pdd->process;
	struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS];
	struct hgpu_queue *queue;
	int ret, id;

	ret = hgpu_kfd_hold_queue(pdd, args, props, bos);
	if (ret)
		return ret;
	id = idr_alloc(&process->queue_ids, NULL, 0, HGPU_MAX_QUEUES_PER_PROCESS, GFP_KERNEL);
	if (id < 0) {
		ret = id == -ENOSPC ? -ENOMEM : id;
		goto err_bos;
	}
	queue = hgpu_kfd_make_queue(pdd, args, props);
	if (IS_ERR(queue)) {
		ret = PTR_ERR(queue);
		goto err_id;
	}
	queue->id = id;
	memcpy(queue->bos, bos, sizeof(bos));
	idr_replace(&process->queue_ids, queue, id);

	args->queue_id = id;
	args->doorbell_offset = hgpu_kfd_doorbell_mmap_offset(pdd->hdev->gpu_id,
							      hgpu_queue_doorbell_offset(queue));
	return 0;

err_id:
	idr_remove(&process->queue_ids, id);
err_bos:
	hgpu_kfd_release_bos(bos);
	return ret;
}

int hgpu_kfd_create_queue(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_create_queue_args *args = data;
	struct hgpu_process_device *pdd;
	struct hgpu_queue_props props;
	int ret;

	ret = hgpu_kfd_queue_props(args->ring_base_address, args->ring_size,
				   args->queue_percentage, args->queue_priority, &props);
	if (ret)
		return ret;
	if (args->queue_type > KFD_IOC_QUEUE_TYPE_SDMA_BY_ENG_ID)
		return -ENOTSUPP;	/* sic, as KFD */

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpu_id);
	if (IS_ERR(pdd))
		ret = PTR_ERR(pdd);
	else
		ret = pdd->ready ? hgpu_kfd_create_queue_locked(pdd, args, &props) : -ESRCH;
	mutex_unlock(&process->lock);
	return ret;
}

int hgpu_kfd_destroy_queue(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_destroy_queue_args *args = data;
	struct hgpu_queue *queue;

	mutex_lock(&process->lock);
	queue = hgpu_kfd_queue(process, args->queue_id);
	if (queue) {
		struct hgpu_kfd_bo *bos[HGPU_QUEUE_BOS];
		unsigned int gpu = queue->pdd->index;

		memcpy(bos, queue->bos, sizeof(bos));
		idr_remove(&process->queue_ids, queue->id);
		hgpu_queue_destroy(queue);
		hgpu_kfd_release_bos(bos);
		hgpu_svm_queue_gone(&process->svms, gpu);
	}
	mutex_unlock(&process->lock);
	return queue ? 0 : -EINVAL;
}

/* ---- changing them ---- */

static int hgpu_kfd_update_queue_locked(struct hgpu_queue *queue,
					const struct hgpu_queue_props *props)
{
	struct hgpu_kfd_bo *ring = NULL;
	int ret;

	/* Without a ring it is disabled, and keeps the one it had, as in KFD. */
	if (props->ring && hgpu_kfd_hold_bo(queue->pdd, props->ring, props->ring_size, &ring))
		return -EFAULT;		/* as KFD, which says EINVAL when it makes a queue */
	ret = queue->compute ? hgpu_queue_update_compute(queue, props) :
			       hgpu_queue_update(queue, props);
	if (!ret && ring)
		swap(queue->bos[HGPU_QUEUE_RING], ring);
	hgpu_kfd_release_bo(&ring);
	return ret;
}

int hgpu_kfd_update_queue(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_update_queue_args *args = data;
	struct hgpu_queue_props props;
	struct hgpu_queue *queue;
	int ret;

	ret = hgpu_kfd_queue_props(args->ring_base_address, args->ring_size,
				   args->queue_percentage, args->queue_priority, &props);
	if (ret)
		return ret;
	mutex_lock(&process->lock);
	queue = hgpu_kfd_queue(process, args->queue_id);
	ret = queue ? hgpu_kfd_update_queue_locked(queue, &props) : -EFAULT;
	mutex_unlock(&process->lock);
	return ret;
}

int hgpu_kfd_set_cu_mask(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_cu_mask_args *args = data;
	u32 mask[HGPU_KFD_MAX_CU_MASK / 32];
	struct hgpu_queue *queue;

	if (!args->num_cu_mask || args->num_cu_mask % 32)
		return -EINVAL;
	/* There is one CU and nothing runs on it: the mask is as good as any. */
	if (copy_from_user(mask, u64_to_user_ptr(args->cu_mask_ptr),
			   min(args->num_cu_mask, HGPU_KFD_MAX_CU_MASK) / 8))
		return -EFAULT;
	mutex_lock(&process->lock);
	queue = hgpu_kfd_queue(process, args->queue_id);
	mutex_unlock(&process->lock);
	return queue ? 0 : -EFAULT;
}

int hgpu_kfd_get_queue_wave_state(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_queue_wave_state_args *args = data;
	struct kfd_context_save_area_header header = {};
	struct hgpu_queue *queue;
	int ret;

	mutex_lock(&process->lock);
	queue = hgpu_kfd_queue(process, args->queue_id);
	ret = queue ? hgpu_queue_wave_state(queue, &header) : -EFAULT;
	mutex_unlock(&process->lock);
	if (ret)
		return ret;

	args->ctl_stack_used_size = header.wave_state.control_stack_size;
	args->save_area_used_size = header.wave_state.wave_state_size;
	if (copy_to_user(u64_to_user_ptr(args->ctl_stack_address), &header.wave_state,
			 sizeof(header.wave_state)))
		return -EFAULT;
	return 0;
}

int hgpu_kfd_alloc_queue_gws(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_alloc_queue_gws_args *args = data;
	struct hgpu_queue *queue;

	mutex_lock(&process->lock);
	queue = hgpu_kfd_queue(process, args->queue_id);
	mutex_unlock(&process->lock);
	return queue ? -ENODEV : -EINVAL;	/* the topology promises none */
}
