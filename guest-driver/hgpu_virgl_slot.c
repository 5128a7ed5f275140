// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots of the virgl engine (SPEC 11.2 to 11.4): registers, the job in memory,
 * and how it ends: by its interrupt, or because it is aborted.
 */
#include <drm/drm_print.h>
#include <linux/iopoll.h>

#include "hgpu_device.h"
#include "hgpu_process.h"
#include "hgpu_trace.h"
#include "hgpu_virgl_priv.h"

#define HGPU_VSLOT_MEM	(sizeof(struct hgpu_virgl_job) + \
			 HGPU_VIRGL_RANGES * sizeof(struct hgpu_virgl_range))

/* To end a renderer; a host that is short of CPUs needs its time. */
#define HGPU_VSLOT_POLL_US	2000000

static struct hgpu_virgl_job *slot_image(const struct hgpu_vslot *slot)
{
	return slot->mem.cpu;
}

static u32 slot_state(const struct hgpu_vslot *slot)
{
	return FIELD_GET(HGPU_VIRGL_SLOT_STATE__STATE,
			 hgpu_rreg(slot->hdev, HGPU_VIRGL_SLOT_STATE(slot->index)));
}

static void slot_cmd(const struct hgpu_vslot *slot, u32 cmd)
{
	hgpu_wreg(slot->hdev, HGPU_VIRGL_SLOT_CMD(slot->index), cmd);
}

/* Is the renderer gone after that? Not after NO_CONTEXT of a context that is not there yet. */
static bool status_loses(u32 status)
{
	return status == HGPU_VIRGL_BAD_STREAM || status == HGPU_VIRGL_TIMEOUT ||
	       status == HGPU_VIRGL_DIED || status == HGPU_VIRGL_NO_CONTEXT;
}

/* ---- starting ---- */

static void write_image(struct hgpu_vslot *slot, const struct hgpu_vjob *job)
{
	struct hgpu_virgl_job *image = slot_image(slot);
	u32 n = le32_to_cpu(job->image.range_count);

	memcpy(image, &job->image, sizeof(*image));
	memcpy(image + 1, job->ranges, n * sizeof(job->ranges[0]));
	image->sequence = cpu_to_le32(slot->sequence);
	image->result.status = cpu_to_le32(HGPU_VIRGL_NOT_WRITTEN);
}

static u32 image_status(const struct hgpu_vslot *slot)
{
	return le32_to_cpu(READ_ONCE(slot_image(slot)->result.status));
}

/* False: the device does not take it. */
static bool ring_locked(struct hgpu_vslot *slot)
{
	struct hgpu_device *hdev = slot->hdev;

	wmb();	/* the job before the command */
	hgpu_wreg(hdev, HGPU_VIRGL_SLOT_JOB_LO(slot->index), lower_32_bits(slot->mem.gpu));
	hgpu_wreg(hdev, HGPU_VIRGL_SLOT_JOB_HI(slot->index), upper_32_bits(slot->mem.gpu));
	slot_cmd(slot, HGPU_VIRGL_SLOT_CMD__START);
	if (slot_state(slot) != HGPU_VIRGL_STATE_IDLE)
		return true;
	dma_rmb();	/* the result after the state */
	return image_status(slot) != HGPU_VIRGL_NOT_WRITTEN;
}

static int start_locked(struct hgpu_vslot *slot, struct hgpu_vjob *job)
{
	struct hgpu_device *hdev = slot->hdev;

	lockdep_assert_held(&slot->lock);
	/*
	 * Who sets one of these takes the lock afterwards, to end what runs: no
	 * job is started behind his back.
	 */
	if (READ_ONCE(hdev->virgl.dead))
		return -ENODEV;
	if (hgpu_device_resetting(hdev))
		return -EAGAIN;
	if (job->ctx && (READ_ONCE(job->ctx->stopped) || READ_ONCE(job->ctx->lost)))
		return -ECANCELED;
	if (drm_WARN_ON_ONCE(&hdev->drm, slot->job))
		return -EIO;

	job->slot = slot;
	job->sequence = ++slot->sequence;
	write_image(slot, job);
	if (!ring_locked(slot)) {
		drm_err(&hdev->drm, "virgl slot %u does not take a job\n", slot->index);
		return hgpu_device_gone(hdev) ? -ENODEV : -EIO;
	}
	slot->job = job;
	return 0;
}

int hgpu_vslot_start(struct hgpu_vslot *slot, struct hgpu_vjob *job)
{
	int err;

	spin_lock(&slot->lock);
	err = start_locked(slot, job);
	spin_unlock(&slot->lock);

	trace_hgpu_virgl_start(slot->hdev, slot->index, err ? 0 : job->sequence,
			       le32_to_cpu(job->image.context), le32_to_cpu(job->image.op), err);
	if (!err)
		hgpu_stat_inc(slot->hdev, virgl_jobs);
	else if (err == -ECANCELED)
		job->hw->result.status = HGPU_VIRGL_NO_CONTEXT;
	return err;
}

/* ---- ending ---- */

static void read_result(const struct hgpu_vslot *slot, struct hgpu_vresult *to)
{
	const struct hgpu_virgl_result *from = &slot_image(slot)->result;

	to->status = image_status(slot);
	to->row = le32_to_cpu(from->row);
	to->fault_addr = le64_to_cpu(from->fault_addr);
	to->faults = le32_to_cpu(from->faults);
	to->in_ns = le64_to_cpu(from->in_ns);
	to->render_ns = le64_to_cpu(from->render_ns);
	to->out_ns = le64_to_cpu(from->out_ns);
	to->in_bytes = le64_to_cpu(from->in_bytes);
	to->out_bytes = le64_to_cpu(from->out_bytes);
}

/* The slot is idle, or its device is gone: take the job off it. */
static struct hgpu_vjob *take_locked(struct hgpu_vslot *slot)
{
	struct hgpu_vjob *job = slot->job;

	lockdep_assert_held(&slot->lock);
	slot->job = NULL;
	dma_rmb();	/* what the device wrote before it said so */
	read_result(slot, &job->hw->result);
	if (job->hw->result.status == HGPU_VIRGL_NOT_WRITTEN)
		job->hw->result.status = HGPU_VIRGL_BUS_ERROR;
	return job;
}

/* The wrong access is over: its address may be a good one for the next job. */
void hgpu_vjob_finish_work(struct work_struct *work)
{
	struct hgpu_vjob *job = container_of(work, struct hgpu_vjob, finish);

	hgpu_svm_queue_gone(&job->ctx->process->svms, job->ctx->pdd->index);
	hgpu_vfence_signal(job->hw);
}

/* Off its slot, without locks. The job may be gone on return. */
static void finish(struct hgpu_vjob *job, int error)
{
	struct hgpu_vresult *result = &job->hw->result;
	struct hgpu_device *hdev = job->hdev;

	if (job->ctx && status_loses(result->status) && !READ_ONCE(job->ctx->lost)) {
		WRITE_ONCE(job->ctx->lost, true);
		hgpu_stat_inc(hdev, virgl_contexts_lost);
	}
	job->hw->error = error ?: hgpu_virgl_errno(result->status);
	hgpu_stat_add(hdev, virgl_faults, result->faults);
	if (result->status != HGPU_VIRGL_OK)
		hgpu_stat_inc(hdev, virgl_errors);
	trace_hgpu_virgl_end(hdev, job->slot->index, job->sequence, result->status,
			     result->faults, job->hw->error);

	if (result->status == HGPU_VIRGL_FAULT && job->ctx)
		queue_work(system_unbound_wq, &job->finish);
	else
		hgpu_vfence_signal(job->hw);
}

void hgpu_vslot_abort(struct hgpu_vslot *slot, const struct hgpu_vjob *which,
		      const struct hgpu_vctx *ctx, bool timed_out)
{
	struct hgpu_device *hdev = slot->hdev;
	struct hgpu_vjob *job = NULL;
	bool gone = false;

	spin_lock(&slot->lock);
	if (slot->job && (!which || which == slot->job) && (!ctx || ctx == slot->job->ctx)) {
		gone = hgpu_device_gone(hdev);
		if (!gone && slot_state(slot) != HGPU_VIRGL_STATE_IDLE) {
			slot_cmd(slot, HGPU_VIRGL_SLOT_CMD__ABORT);
			drm_WARN_ON_ONCE(&hdev->drm, slot_state(slot) != HGPU_VIRGL_STATE_IDLE &&
					 !hgpu_device_gone(hdev));
		}
		job = take_locked(slot);
	}
	spin_unlock(&slot->lock);

	if (!job)
		return;
	if (gone)
		job->hw->result.status = HGPU_VIRGL_ABORTED;
	else if (timed_out && job->hw->result.status == HGPU_VIRGL_ABORTED)
		job->hw->result.status = HGPU_VIRGL_TIMEOUT;
	finish(job, gone || READ_ONCE(hdev->virgl.dead) ? -ENODEV : 0);
}

/* ---- interrupts ---- */

static void slot_interrupt(struct hgpu_device *hdev, const struct hgpu_iv *iv, void *data)
{
	struct hgpu_vjob *job = NULL;
	struct hgpu_vslot *slot;

	if (iv->ring_id >= hdev->virgl.num_slots)
		return;
	slot = &hdev->virgl.slots[iv->ring_id];
	spin_lock(&slot->lock);
	/* The entry of a job that was aborted comes late. */
	if (slot->job && slot->job->sequence == iv->src_data[0])
		job = take_locked(slot);
	spin_unlock(&slot->lock);
	if (job)
		finish(job, 0);
}

/* Entries are lost, perhaps ours. A slot with a job is idle only when that has ended. */
static void slots_lost(struct hgpu_device *hdev, void *data)
{
	unsigned int i;

	for (i = 0; i < hdev->virgl.num_slots; i++) {
		struct hgpu_vslot *slot = &hdev->virgl.slots[i];
		struct hgpu_vjob *job = NULL;

		spin_lock(&slot->lock);
		if (slot->job && slot_state(slot) == HGPU_VIRGL_STATE_IDLE)
			job = take_locked(slot);
		spin_unlock(&slot->lock);
		if (job)
			finish(job, 0);
	}
}

int hgpu_vslot_register(struct hgpu_device *hdev)
{
	int err;

	err = hgpu_ih_register(hdev, HGPU_IH_CLIENTID_GRBM_CP, HGPU_SRCID_CP_EOP,
			       slot_interrupt, NULL);
	if (!err)
		err = hgpu_ih_on_lost(hdev, slots_lost, NULL);
	return err;
}

/* ---- before and after schedulers ---- */

u32 hgpu_vslot_destroy_context(struct hgpu_vslot *slot, u32 hw)
{
	struct hgpu_virgl_job *image = slot_image(slot);
	u32 state;

	memset(image, 0, sizeof(*image));
	image->op = cpu_to_le32(HGPU_VIRGL_JOB_CONTEXT_DESTROY);
	image->context = cpu_to_le32(hw);
	image->sequence = cpu_to_le32(++slot->sequence);
	image->result.status = cpu_to_le32(HGPU_VIRGL_NOT_WRITTEN);
	if (ring_locked(slot))
		read_poll_timeout(slot_state, state, state == HGPU_VIRGL_STATE_IDLE, 10,
				  HGPU_VSLOT_POLL_US, false, slot);
	dma_rmb();	/* the result after the state */
	return image_status(slot);
}

void hgpu_virgl_halt(struct hgpu_device *hdev)
{
	u32 i, slots = FIELD_GET(HGPU_CAPS__VIRGL_SLOTS, hgpu_rreg(hdev, HGPU_CAPS));

	for (i = 0; i < min(slots, HGPU_VIRGL_SLOTS); i++)
		if (FIELD_GET(HGPU_VIRGL_SLOT_STATE__STATE,
			      hgpu_rreg(hdev, HGPU_VIRGL_SLOT_STATE(i))))
			hgpu_wreg(hdev, HGPU_VIRGL_SLOT_CMD(i), HGPU_VIRGL_SLOT_CMD__ABORT);
}

int hgpu_vslot_init(struct hgpu_device *hdev, unsigned int index)
{
	struct hgpu_vslot *slot = &hdev->virgl.slots[index];
	int err;

	slot->hdev = hdev;
	slot->index = index;
	spin_lock_init(&slot->lock);
	err = hgpu_gtt_alloc(hdev, HGPU_VSLOT_MEM, &slot->mem);
	if (err)
		return err;
	err = hgpu_vsched_init(slot);
	if (err)
		hgpu_gtt_free(hdev, &slot->mem);
	return err;
}

void hgpu_vslot_fini(struct hgpu_vslot *slot)
{
	drm_sched_fini(&slot->sched);
	hgpu_gtt_free(slot->hdev, &slot->mem);
}
