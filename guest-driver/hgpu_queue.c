// SPDX-License-Identifier: GPL-2.0-only
/*
 * SDMA user queues (SPEC 7.2, 7.5); what hgpu_queue_compute.c makes is freed here, too.
 *
 * A doorbell that rings while a queue is not mapped is lost. So whenever a
 * queue is mapped its write pointer is read from the process's memory, first
 * for the MQD and once more when the queue runs.
 *
 * Who reads it may sleep. Who maps and unmaps holds the run lock, a spinlock,
 * since notifiers have to stop queues (hgpu_queue_evict.c).
 */
#include <drm/drm_print.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "hgpu_device.h"
#include "hgpu_mqd.h"
#include "hgpu_process.h"
#include "hgpu_queue.h"

#define HGPU_RING_MIN	(4u << HGPU_SDMA_RB_SIZE_LOG2_MIN)
#define HGPU_RING_MAX	(4u << HGPU_SDMA_RB_SIZE_LOG2_MAX)

/* ---- slots ---- */

int hgpu_hqd_init(struct hgpu_device *hdev)
{
	struct hgpu_hqd_table *hqds = &hdev->hqds;
	u32 rlc = FIELD_GET(HGPU_CAPS__SDMA_RLC_QUEUES, hgpu_rreg(hdev, HGPU_CAPS));

	mutex_init(&hqds->lock);
	spin_lock_init(&hqds->error_lock);
	atomic_set(&hqds->users, 0);
	init_waitqueue_head(&hqds->idle);
	hqds->num_engines = min(hdev->num_sdma, HGPU_SDMA_ENGINES_MAX);
	hqds->num_slots = hqds->num_engines * min(rlc, HGPU_SDMA_RLC_QUEUES);
	__set_bit(0, hqds->slices);
	return hgpu_gtt_alloc(hdev, hqds->num_slots * sizeof(struct hgpu_sdma_mqd),
			      &hqds->mqds);
}

void hgpu_hqd_fini(struct hgpu_device *hdev)
{
	drm_WARN_ON(&hdev->drm, !bitmap_empty(hdev->hqds.used, HGPU_MAX_HQDS));
	hgpu_gtt_free(hdev, &hdev->hqds.mqds);
}

static unsigned int hgpu_slot_engine(struct hgpu_device *hdev, unsigned int slot)
{
	return slot % hdev->hqds.num_engines;
}

static u32 hgpu_slot_reg(struct hgpu_device *hdev, unsigned int slot, u32 reg)
{
	unsigned int rlc = slot / hdev->hqds.num_engines;

	return HGPU_SDMA_CTX_BASE(hgpu_slot_engine(hdev, slot),
				  HGPU_SDMA_CTX_RLC0 + rlc) + reg;
}

static struct hgpu_sdma_mqd *hgpu_slot_mqd(struct hgpu_device *hdev, unsigned int slot)
{
	return (struct hgpu_sdma_mqd *)hdev->hqds.mqds.cpu + slot;
}

static u32 hgpu_slot_status(struct hgpu_device *hdev, unsigned int slot)
{
	return hgpu_rreg(hdev, hgpu_slot_reg(hdev, slot, HGPU_SDMA_CONTEXT_STATUS));
}

static void hgpu_slot_cmd(struct hgpu_device *hdev, unsigned int slot, u32 cmd)
{
	hgpu_wreg(hdev, hgpu_slot_reg(hdev, slot, HGPU_SDMA_HQD_CMD), cmd);
}

static void hgpu_slot_set_owner(struct hgpu_device *hdev, unsigned int slot, u16 pasid)
{
	spin_lock(&hdev->hqds.error_lock);
	hdev->hqds.hqds[slot].pasid = pasid;
	hdev->hqds.hqds[slot].error = 0;
	spin_unlock(&hdev->hqds.error_lock);
}

static int hgpu_slot_alloc(struct hgpu_device *hdev, unsigned int engine, u16 pasid)
{
	struct hgpu_hqd_table *hqds = &hdev->hqds;
	unsigned int slot;

	mutex_lock(&hqds->lock);
	for_each_clear_bit(slot, hqds->used, hqds->num_slots)
		if (engine == HGPU_ANY_ENGINE || engine == hgpu_slot_engine(hdev, slot))
			break;
	if (slot < hqds->num_slots)
		__set_bit(slot, hqds->used);
	mutex_unlock(&hqds->lock);

	if (slot >= hqds->num_slots)
		return -ENOMEM;
	hgpu_slot_set_owner(hdev, slot, pasid);
	return slot;
}

static void hgpu_slot_free(struct hgpu_device *hdev, unsigned int slot)
{
	hgpu_slot_set_owner(hdev, slot, 0);
	mutex_lock(&hdev->hqds.lock);
	__clear_bit(slot, hdev->hqds.used);
	mutex_unlock(&hdev->hqds.lock);
}

int hgpu_doorbell_slice_alloc(struct hgpu_device *hdev)
{
	struct hgpu_hqd_table *hqds = &hdev->hqds;
	int slice;

	mutex_lock(&hqds->lock);
	slice = find_first_zero_bit(hqds->slices, HGPU_DOORBELL_SLICES);
	if (slice < HGPU_DOORBELL_SLICES)
		__set_bit(slice, hqds->slices);
	else
		slice = -ENOSPC;
	mutex_unlock(&hqds->lock);
	return slice;
}

void hgpu_doorbell_slice_free(struct hgpu_device *hdev, unsigned int slice)
{
	mutex_lock(&hdev->hqds.lock);
	__clear_bit(slice, hdev->hqds.slices);
	mutex_unlock(&hdev->hqds.lock);
}

u32 hgpu_queue_doorbell_offset(const struct hgpu_queue *queue)
{
	return queue->doorbell * HGPU_DOORBELL_SIZE;
}

/* ---- interrupts ---- */

static const char *hgpu_queue_error_name(u8 src)
{
	switch (src) {
	case HGPU_SRCID_SDMA_ILLEGAL:
		return "illegal packet";
	case HGPU_SRCID_SDMA_BUS_ERROR:
		return "bus error";
	case HGPU_SRCID_SDMA_POLL_TIMEOUT:
		return "poll timeout";
	case HGPU_SRCID_SDMA_SRBMWRITE:
		return "privileged packet";
	case HGPU_SRCID_SDMA_DOORBELL_INVALID:
		return "write pointer refused";
	default:
		return "unknown";
	}
}

void hgpu_queue_interrupt(struct hgpu_device *hdev, unsigned int engine,
			  const struct hgpu_iv *iv)
{
	struct hgpu_hqd_table *hqds = &hdev->hqds;
	unsigned int slot = (iv->ring_id - HGPU_SDMA_CTX_RLC0) * hqds->num_engines + engine;
	bool news = false;

	if (slot >= hqds->num_slots)
		return;

	spin_lock(&hqds->error_lock);
	/* The entry may be older than the slot's present owner. */
	if (hqds->hqds[slot].pasid == iv->pasid && !hqds->hqds[slot].error) {
		news = true;
		/* A refused doorbell harms nobody: the queue goes on. */
		if (iv->src_id != HGPU_SRCID_SDMA_DOORBELL_INVALID)
			hqds->hqds[slot].error = iv->src_id;
	}
	spin_unlock(&hqds->error_lock);

	if (news)
		dev_notice_ratelimited(hdev->drm.dev,
				       "PASID %u, SDMA%u queue %u: %s (%#x %#x %#x)\n",
				       iv->pasid, engine, iv->ring_id - HGPU_SDMA_CTX_RLC0,
				       hgpu_queue_error_name(iv->src_id),
				       iv->src_data[0], iv->src_data[1], iv->src_data[2]);
}

/* ---- mapping ---- */

/*
 * The device's own word counts as well as the interrupt: when the ring has
 * overflowed the entry is lost, and mapping a halted queue would look like
 * success.
 */
static bool hgpu_queue_halted_locked(struct hgpu_queue *queue)
{
	struct hgpu_device *hdev = queue->pdd->hdev;
	struct hgpu_sdma_mqd *mqd = hgpu_slot_mqd(hdev, queue->slot);
	u32 status = queue->mapped ? hgpu_slot_status(hdev, queue->slot) :
				     le32_to_cpu(mqd->context_status);
	bool error;

	lockdep_assert_held(&queue->pdd->process->run_lock);
	spin_lock(&hdev->hqds.error_lock);
	error = hdev->hqds.hqds[queue->slot].error;
	spin_unlock(&hdev->hqds.error_lock);
	return error || FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, status);
}

static bool hgpu_queue_wants_to_run(const struct hgpu_queue *queue)
{
	return queue->props.ring && queue->props.percent && !queue->lost && !queue->compute;
}

static u64 hgpu_mqd_rptr(const struct hgpu_sdma_mqd *mqd)
{
	return (u64)le32_to_cpu(mqd->rb_rptr_hi) << 32 | le32_to_cpu(mqd->rb_rptr);
}

static u64 hgpu_mqd_wptr(const struct hgpu_sdma_mqd *mqd)
{
	return (u64)le32_to_cpu(mqd->rb_wptr_hi) << 32 | le32_to_cpu(mqd->rb_wptr);
}

/*
 * The write pointer in the process's memory. Who has not mapped it for the CPU
 * has nothing queued there that the device does not know of: what a doorbell
 * has told is in the MQD.
 */
void hgpu_queue_fetch_wptr(struct hgpu_queue *queue)
{
	u64 wptr;

	lockdep_assert_held(&queue->pdd->process->lock);
	queue->wptr_known = !copy_from_user(&wptr, u64_to_user_ptr(queue->wptr),
					    sizeof(wptr));
	if (queue->wptr_known)
		queue->user_wptr = wptr;
}

static bool hgpu_wptr_valid(u64 rptr, u64 wptr, u32 ring_size)
{
	return IS_ALIGNED(wptr, 4) && wptr >= rptr && wptr - rptr <= ring_size;
}

/* Is what hgpu_queue_fetch_wptr() found a write pointer for such a ring? */
static bool hgpu_queue_wptr_fits(struct hgpu_queue *queue, u32 ring_size)
{
	struct hgpu_device *hdev = queue->pdd->hdev;
	struct hgpu_sdma_mqd *mqd = hgpu_slot_mqd(hdev, queue->slot);
	u64 wptr = queue->wptr_known ? queue->user_wptr : hgpu_mqd_wptr(mqd);

	if (hgpu_wptr_valid(hgpu_mqd_rptr(mqd), wptr, ring_size))
		return true;
	drm_dbg(&hdev->drm, "write pointer %#llx does not fit read pointer %#llx\n",
		wptr, hgpu_mqd_rptr(mqd));
	return false;
}

/* What is constant is written once; MAP and UNMAP keep the rest up to date. */
static void hgpu_queue_init_mqd(struct hgpu_queue *queue)
{
	struct hgpu_process_device *pdd = queue->pdd;
	struct hgpu_sdma_mqd *mqd = hgpu_slot_mqd(pdd->hdev, queue->slot);
	u32 doorbell = pdd->doorbell_slice * HGPU_DOORBELL_SLICE_SIZE +
		       hgpu_queue_doorbell_offset(queue);

	memset(mqd, 0, sizeof(*mqd));
	mqd->rb_rptr_addr_lo = cpu_to_le32(lower_32_bits(queue->rptr));
	mqd->rb_rptr_addr_hi = cpu_to_le32(upper_32_bits(queue->rptr));
	mqd->ib_cntl = cpu_to_le32(HGPU_SDMA_IB_CNTL__IB_ENABLE);
	mqd->doorbell = cpu_to_le32(HGPU_SDMA_DOORBELL__ENABLE);
	mqd->doorbell_offset = cpu_to_le32(doorbell);
	mqd->sdma_engine_id = cpu_to_le32(hgpu_slot_engine(pdd->hdev, queue->slot));
	mqd->sdma_queue_id = cpu_to_le32(queue->slot / pdd->hdev->hqds.num_engines);
}

static void hgpu_queue_update_mqd(struct hgpu_queue *queue, u64 wptr)
{
	struct hgpu_sdma_mqd *mqd = hgpu_slot_mqd(queue->pdd->hdev, queue->slot);
	u64 base = queue->props.ring >> 8;
	u32 cntl = HGPU_SDMA_RB_CNTL__RB_ENABLE |
		   HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE |
		   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_SIZE, ilog2(queue->props.ring_size / 4)) |
		   FIELD_PREP(HGPU_SDMA_RB_CNTL__RB_VMID, queue->vmid);

	mqd->rb_cntl = cpu_to_le32(cntl);
	mqd->rb_base = cpu_to_le32(lower_32_bits(base));
	mqd->rb_base_hi = cpu_to_le32(upper_32_bits(base));
	mqd->rb_wptr = cpu_to_le32(lower_32_bits(wptr));
	mqd->rb_wptr_hi = cpu_to_le32(upper_32_bits(wptr));
}

/* MAP, with the write pointer that was fetched or, if that is none, the last. */
static int hgpu_queue_map_locked(struct hgpu_queue *queue)
{
	struct hgpu_device *hdev = queue->pdd->hdev;
	u64 mqd_addr = hdev->hqds.mqds.gpu + queue->slot * sizeof(struct hgpu_sdma_mqd);
	u64 wptr = hgpu_mqd_wptr(hgpu_slot_mqd(hdev, queue->slot));
	u32 status;

	/*
	 * hgpu_hqd_reset() takes the lock after the flag was set: no queue is
	 * mapped behind its back.
	 */
	if (hgpu_device_resetting(hdev))
		return -EBUSY;

	if (queue->wptr_known && hgpu_queue_wptr_fits(queue, queue->props.ring_size))
		wptr = queue->user_wptr;
	hgpu_queue_update_mqd(queue, wptr);
	dma_wmb();	/* the MQD before the command */
	hgpu_wreg(hdev, hgpu_slot_reg(hdev, queue->slot, HGPU_SDMA_MQD_BASE_LO),
		  lower_32_bits(mqd_addr));
	hgpu_wreg(hdev, hgpu_slot_reg(hdev, queue->slot, HGPU_SDMA_MQD_BASE_HI),
		  upper_32_bits(mqd_addr));
	hgpu_slot_cmd(hdev, queue->slot, HGPU_SDMA_HQD_CMD_MAP);

	status = hgpu_slot_status(hdev, queue->slot);
	if (!(status & HGPU_SDMA_CONTEXT_STATUS__SELECTED)) {
		drm_err(&hdev->drm, "SDMA%u refused a queue (status %#x)\n",
			hgpu_slot_engine(hdev, queue->slot), status);
		return -EIO;
	}
	queue->mapped = true;
	queue->mapped_wptr = wptr;
	return 0;
}

int hgpu_queue_start_locked(struct hgpu_queue *queue)
{
	struct hgpu_process_device *pdd = queue->pdd;
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	lockdep_assert_held(&pdd->process->run_lock);
	if (!hgpu_queue_wants_to_run(queue)) {
		queue->evicted = false;
		return 0;
	}
	if (pdd->evicted) {
		if (!queue->evicted)
			hgpu_stat_inc(pdd->hdev, queues_evicted);
		queue->evicted = true;
		return 0;
	}
	ret = hgpu_queue_map_locked(queue);
	if (!ret && queue->evicted)
		hgpu_stat_inc(pdd->hdev, queues_restored);
	queue->evicted = false;
	return ret;
}

void hgpu_queue_catch_up(struct hgpu_queue *queue)
{
	struct hgpu_process *process = queue->pdd->process;
	struct hgpu_device *hdev = queue->pdd->hdev;

	hgpu_queue_fetch_wptr(queue);
	spin_lock(&process->run_lock);
	/* The device checks it, as it would a doorbell's value. */
	if (queue->mapped && queue->wptr_known &&
	    queue->user_wptr != queue->mapped_wptr) {
		hgpu_wreg(hdev, hgpu_slot_reg(hdev, queue->slot, HGPU_SDMA_RB_WPTR),
			  lower_32_bits(queue->user_wptr));
		hgpu_wreg(hdev, hgpu_slot_reg(hdev, queue->slot, HGPU_SDMA_RB_WPTR_HI),
			  upper_32_bits(queue->user_wptr));
	}
	spin_unlock(&process->run_lock);
}

int hgpu_queue_stop_locked(struct hgpu_queue *queue)
{
	struct hgpu_device *hdev = queue->pdd->hdev;
	u32 status;

	lockdep_assert_held(&queue->pdd->process->run_lock);
	if (!queue->mapped)
		return 0;
	hgpu_slot_cmd(hdev, queue->slot, HGPU_SDMA_HQD_CMD_UNMAP);
	status = hgpu_slot_status(hdev, queue->slot);
	dma_rmb();	/* the MQD after the command */
	if (hgpu_device_gone(hdev))
		return -ENODEV;
	if (status & HGPU_SDMA_CONTEXT_STATUS__SELECTED ||
	    FIELD_GET(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, status) == HGPU_SDMA_EXCEPTION_MQD) {
		drm_err(&hdev->drm, "SDMA%u did not give a queue back (status %#x)\n",
			hgpu_slot_engine(hdev, queue->slot), status);
		return -EIO;
	}
	queue->mapped = false;
	return 0;
}

int hgpu_queue_kill_locked(struct hgpu_queue *queue)
{
	struct hgpu_device *hdev = queue->pdd->hdev;

	lockdep_assert_held(&queue->pdd->process->run_lock);
	if (!queue->mapped)
		return 0;
	hgpu_slot_cmd(hdev, queue->slot, HGPU_SDMA_HQD_CMD_RESET);
	if (hgpu_slot_status(hdev, queue->slot) & HGPU_SDMA_CONTEXT_STATUS__SELECTED &&
	    !hgpu_device_gone(hdev)) {
		drm_err(&hdev->drm, "SDMA%u does not stop a queue\n",
			hgpu_slot_engine(hdev, queue->slot));
		return -EIO;
	}
	queue->mapped = false;
	return 0;
}

/* ---- the interface ---- */

static int hgpu_queue_check(const struct hgpu_queue_props *props)
{
	if (!is_power_of_2(props->ring_size) || props->ring_size < HGPU_RING_MIN ||
	    props->ring_size > HGPU_RING_MAX)
		return -EINVAL;
	if (!IS_ALIGNED(props->ring, 256) ||
	    props->ring >= HGPU_VM_PAGES << HGPU_PAGE_SHIFT)
		return -EINVAL;
	return 0;
}

/* Let it run, and be seen by those who stop queues, in one step. */
static int hgpu_queue_publish(struct hgpu_queue *queue)
{
	struct hgpu_process_device *pdd = queue->pdd;
	int ret;

	hgpu_queue_fetch_wptr(queue);
	if (hgpu_queue_wants_to_run(queue) &&
	    !hgpu_queue_wptr_fits(queue, queue->props.ring_size))
		return -EINVAL;

	spin_lock(&pdd->process->run_lock);
	ret = hgpu_queue_start_locked(queue);
	if (!ret)
		list_add_tail(&queue->link, &pdd->queues);
	spin_unlock(&pdd->process->run_lock);
	if (!ret)
		hgpu_queue_catch_up(queue);
	return ret;
}

struct hgpu_queue *hgpu_queue_create_sdma(struct hgpu_process_device *pdd,
					  const struct hgpu_queue_props *props,
					  u64 rptr, u64 wptr, unsigned int engine)
{
	struct hgpu_queue *queue;
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	ret = hgpu_queue_check(props);
	if (ret)
		return ERR_PTR(ret);
	if (!rptr || !wptr || !IS_ALIGNED(rptr, 8) || !IS_ALIGNED(wptr, 8))
		return ERR_PTR(-EINVAL);

	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	queue->pdd = pdd;
	queue->props = *props;
	queue->rptr = rptr;
	queue->wptr = wptr;

	ret = hgpu_vm_get_vmid(&pdd->vm);
	if (ret < 0)
		goto err_free;
	queue->vmid = ret;

	ret = hgpu_slot_alloc(pdd->hdev, engine, pdd->process->pasid);
	if (ret < 0)
		goto err_vmid;
	queue->slot = ret;

	queue->doorbell = find_first_zero_bit(pdd->doorbells, HGPU_MAX_QUEUES_PER_PROCESS);
	if (queue->doorbell >= HGPU_MAX_QUEUES_PER_PROCESS) {
		ret = -ENOMEM;
		goto err_slot;
	}

	hgpu_queue_init_mqd(queue);
	ret = hgpu_queue_publish(queue);
	if (ret)
		goto err_slot;
	__set_bit(queue->doorbell, pdd->doorbells);
	hgpu_stat_inc(pdd->hdev, queues_created);
	return queue;

err_slot:
	hgpu_slot_free(pdd->hdev, queue->slot);
err_vmid:
	hgpu_vm_put_vmid(&pdd->vm);
err_free:
	kfree(queue);
	return ERR_PTR(ret);
}

/* Stop a queue for a change; -EIO: it has halted, and stays as it is. */
static int hgpu_queue_pause(struct hgpu_queue *queue)
{
	struct hgpu_process *process = queue->pdd->process;
	int ret = -EIO;

	spin_lock(&process->run_lock);
	if (!queue->lost && !hgpu_queue_halted_locked(queue)) {
		ret = hgpu_queue_stop_locked(queue);
		/* In the meantime; it stays unmapped. */
		if (!ret && hgpu_queue_halted_locked(queue))
			ret = -EIO;
	}
	spin_unlock(&process->run_lock);
	return ret;
}

int hgpu_queue_update(struct hgpu_queue *queue, const struct hgpu_queue_props *props)
{
	struct hgpu_process *process = queue->pdd->process;
	bool fits;
	int ret;

	lockdep_assert_held(&process->lock);
	ret = hgpu_queue_check(props);
	if (ret)
		return ret;
	ret = hgpu_queue_pause(queue);
	if (ret)
		return ret;

	hgpu_queue_fetch_wptr(queue);
	fits = !props->ring || hgpu_queue_wptr_fits(queue, props->ring_size);

	spin_lock(&process->run_lock);
	if (fits)
		queue->props = *props;
	ret = hgpu_queue_start_locked(queue);
	spin_unlock(&process->run_lock);
	if (!ret)
		hgpu_queue_catch_up(queue);
	/* One that does not fit goes on as it was. */
	return fits ? ret : -EINVAL;
}

void hgpu_queue_destroy(struct hgpu_queue *queue)
{
	struct hgpu_process_device *pdd = queue->pdd;
	int ret;

	lockdep_assert_held(&pdd->process->lock);
	spin_lock(&pdd->process->run_lock);
	ret = hgpu_queue_kill_locked(queue);
	list_del(&queue->link);
	spin_unlock(&pdd->process->run_lock);
	/*
	 * A queue that does not stop keeps its slot, and the VMID that it
	 * runs under, so that nobody else inherits what it does.
	 */
	if (!ret && !queue->compute) {
		hgpu_slot_free(pdd->hdev, queue->slot);
		hgpu_vm_put_vmid(&pdd->vm);
	}
	__clear_bit(queue->doorbell, pdd->doorbells);
	hgpu_stat_inc(pdd->hdev, queues_destroyed);
	kfree(queue);
}
