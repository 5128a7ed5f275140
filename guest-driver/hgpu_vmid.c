// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMIDs 1-15 (SPEC 4.2, 4.4, 4.6).
 */
#include <drm/drm_print.h>
#include <linux/iopoll.h>

#include "hgpu_device.h"
#include "hgpu_gpuvm.h"
#include "hgpu_vmid.h"

/*
 * The device acknowledges in the same breath or after the slice that an
 * engine is busy with: this much time means that it is broken. A host that is
 * short of CPUs may stall us for a while, so it is not small.
 */
#define HGPU_FLUSH_TIMEOUT_US	1000000

/* Everything: the device drops all of the VMID whatever is selected. */
#define HGPU_FLUSH_ALL							\
	(HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES |		\
	 HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE0 |		\
	 HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE1 |		\
	 HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE2 |		\
	 HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES)

static_assert(HGPU_INV_ENG_VM + HGPU_VMIDS <= HGPU_VM_INV_ENGINES);

static void hgpu_vmid_program_locked(struct hgpu_device *hdev, unsigned int v)
{
	const struct hgpu_vmid *vmid = &hdev->vmids.vmids[v];
	u64 last = HGPU_VM_PAGES - 1;
	u64 base = hgpu_pde_table(vmid->root);
	u32 cntl;

	lockdep_assert_held(&hdev->vmids.lock);
	if (!vmid->bound) {
		hgpu_wreg(hdev, HGPU_VM_CONTEXT_CNTL(v), 0);
		hgpu_wreg(hdev, HGPU_IH_VMID_LUT(v), 0);
		return;
	}

	cntl = HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT |
	       FIELD_PREP(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH, HGPU_VM_DEPTH);
	if (hdev->xnack)
		cntl |= HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT;

	hgpu_wreg(hdev, HGPU_IH_VMID_LUT(v), vmid->pasid);
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(v), lower_32_bits(base));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(v), upper_32_bits(base));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(v), 0);
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(v), 0);
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(v), lower_32_bits(last));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(v), upper_32_bits(last));
	hgpu_wreg(hdev, HGPU_VM_CONTEXT_CNTL(v), cntl);
}

int hgpu_vmid_init(struct hgpu_device *hdev)
{
	spin_lock_init(&hdev->vmids.lock);
	hdev->vmids.vmids[0].used = true;
	hgpu_vmid_hw_init(hdev);
	return 0;
}

void hgpu_vmid_hw_init(struct hgpu_device *hdev)
{
	unsigned int v;

	spin_lock(&hdev->vmids.lock);
	for (v = 1; v < HGPU_VMIDS; v++)
		hgpu_vmid_program_locked(hdev, v);
	spin_unlock(&hdev->vmids.lock);
}

void hgpu_vmid_fini(struct hgpu_device *hdev)
{
	unsigned int v;

	for (v = 1; v < HGPU_VMIDS; v++)
		drm_WARN_ON_ONCE(&hdev->drm, hdev->vmids.vmids[v].used);
}

int hgpu_vmid_alloc(struct hgpu_device *hdev)
{
	int vmid = -ENOSPC;
	unsigned int v;

	spin_lock(&hdev->vmids.lock);
	for (v = 1; v < HGPU_VMIDS; v++) {
		if (hdev->vmids.vmids[v].used)
			continue;
		hdev->vmids.vmids[v].used = true;
		vmid = v;
		break;
	}
	spin_unlock(&hdev->vmids.lock);
	return vmid;
}

void hgpu_vmid_free(struct hgpu_device *hdev, unsigned int vmid)
{
	spin_lock(&hdev->vmids.lock);
	hdev->vmids.vmids[vmid].used = false;
	spin_unlock(&hdev->vmids.lock);
}

void hgpu_vmid_bind(struct hgpu_device *hdev, unsigned int vmid, u16 pasid,
		    u64 root)
{
	spin_lock(&hdev->vmids.lock);
	hdev->vmids.vmids[vmid].bound = true;
	hdev->vmids.vmids[vmid].pasid = pasid;
	hdev->vmids.vmids[vmid].root = root;
	hgpu_vmid_program_locked(hdev, vmid);
	spin_unlock(&hdev->vmids.lock);
}

void hgpu_vmid_unbind(struct hgpu_device *hdev, unsigned int vmid)
{
	spin_lock(&hdev->vmids.lock);
	hdev->vmids.vmids[vmid].bound = false;
	hgpu_vmid_program_locked(hdev, vmid);
	spin_unlock(&hdev->vmids.lock);
}

int hgpu_vmid_flush(struct hgpu_device *hdev, unsigned int vmid)
{
	unsigned int engine = HGPU_INV_ENG_VM + vmid;
	u32 req = HGPU_FLUSH_ALL |
		  FIELD_PREP(HGPU_VM_INVALIDATE_ENG0_REQ__PER_VMID_INVALIDATE_REQ,
			     1u << vmid);
	u32 ack;
	int ret;

	hgpu_wreg(hdev, HGPU_VM_INVALIDATE_ENG_REQ(engine), req);
	/*
	 * A GPU that is gone translates nothing; nor does one that is being
	 * reset, and then its TLB is empty.
	 */
	ret = read_poll_timeout_atomic(hgpu_rreg, ack,
				       (ack & (1u << vmid)) ||
				       hgpu_device_resetting(hdev) ||
				       hgpu_device_gone(hdev), 1,
				       HGPU_FLUSH_TIMEOUT_US, false, hdev,
				       HGPU_VM_INVALIDATE_ENG_ACK(engine));
	hgpu_stat_inc(hdev, tlb_flushes);
	if (!ret)
		return 0;

	hgpu_stat_inc(hdev, tlb_flush_timeouts);
	if (!xchg(&hdev->vmids.timeout_logged, true))
		drm_err(&hdev->drm, "TLB flush of VMID %u was not acknowledged\n", vmid);
	return -ETIME;
}
