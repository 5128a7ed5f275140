// SPDX-License-Identifier: GPL-2.0-only
/* Hives: see hgpu_hive.h, SPEC 4.7. */

#include <drm/drm_print.h>
#include <linux/xarray.h>

#include "hgpu_device.h"

int hgpu_hive_init(struct hgpu_device *hdev)
{
	struct hgpu_hive *hive = &hdev->hive;
	u32 cntl, size;

	hive->id = hgpu_rreg(hdev, HGPU_XGMI_HIVE_ID);
	if (!hive->id)
		return 0;
	cntl = hgpu_rreg(hdev, HGPU_MC_VM_XGMI_LFB_CNTL);
	size = hgpu_rreg(hdev, HGPU_MC_VM_XGMI_LFB_SIZE);
	hive->node = FIELD_GET(HGPU_MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION, cntl);
	hive->base = (u64)FIELD_GET(HGPU_MC_VM_XGMI_LFB_SIZE__PF_LFB_SIZE, size) <<
		     HGPU_MC_VM_FB_LOCATION_SHIFT;
	if (hive->base != 1ull << HGPU_XGMI_SEGMENT_SHIFT) {
		drm_err(&hdev->drm, "hive %u has segments of %#llx bytes, this driver knows %#llx\n",
			hive->id, hive->base, 1ull << HGPU_XGMI_SEGMENT_SHIFT);
		return -ENODEV;
	}
	hive->base *= hive->node;
	return 0;
}

void hgpu_hive_link(struct hgpu_device *hdev)
{
	if (hdev->hive.id)
		hgpu_wreg(hdev, HGPU_XGMI_CNTL, HGPU_XGMI_CNTL__LINK_ENABLE);
}

void hgpu_hive_unlink(struct hgpu_device *hdev)
{
	if (hdev->hive.id)
		hgpu_wreg(hdev, HGPU_XGMI_CNTL, 0);
}

bool hgpu_hive_same(const struct hgpu_device *a, const struct hgpu_device *b)
{
	return a == b || (a->hive.id && a->hive.id == b->hive.id);
}

void *hgpu_hive_owner(struct hgpu_device *hdev)
{
	/* No pointer looks like that, so nobody else's cookie. */
	return hdev->hive.id ? xa_mk_value(hdev->hive.id) : hdev;
}
