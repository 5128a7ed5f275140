// SPDX-License-Identifier: GPL-2.0-only
/* The module: PCI driver, DRM driver, parameters. */

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "hgpu_debugfs.h"
#include "hgpu_device.h"
#include "hgpu_drv.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_gem.h"
#include "hgpu_memlimit.h"
#include "hgpu_svm.h"
#include "hgpu_virgl_engine.h"
#include "uapi/hmm_gpu_drm.h"

unsigned int hgpu_fence_timeout_ms = 10000;
module_param_named(fence_timeout_ms, hgpu_fence_timeout_ms, uint, 0444);
MODULE_PARM_DESC(fence_timeout_ms,
		 "Milliseconds after which an SDMA job of the kernel has failed (100-600000, default 10000)");

unsigned int hgpu_virgl_timeout_ms = 60000;
module_param_named(virgl_timeout_ms, hgpu_virgl_timeout_ms, uint, 0444);
MODULE_PARM_DESC(virgl_timeout_ms,
		 "Milliseconds after which a job of the virgl engine is ended, its page faults included (100-3600000, default 60000)");

static int hgpu_drm_open(struct drm_device *drm, struct drm_file *file)
{
	return hgpu_virgl_open(file);
}

static void hgpu_drm_postclose(struct drm_device *drm, struct drm_file *file)
{
	hgpu_virgl_close(to_hgpu(drm), file);
	hgpu_kfd_drm_close(to_hgpu(drm), file);
}

DEFINE_DRM_GEM_FOPS(hgpu_drm_fops);

static const struct drm_ioctl_desc hgpu_drm_ioctls[] = {
	DRM_IOCTL_DEF_DRV(HMM_GPU_VIRGL_CONTEXT_CREATE, hgpu_virgl_context_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(HMM_GPU_VIRGL_CONTEXT_DESTROY, hgpu_virgl_context_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(HMM_GPU_VIRGL_RESOURCE_CREATE, hgpu_virgl_resource_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(HMM_GPU_VIRGL_RESOURCE_DESTROY, hgpu_virgl_resource_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(HMM_GPU_VIRGL_SUBMIT, hgpu_virgl_submit, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(HMM_GPU_VIRGL_WAIT, hgpu_virgl_wait, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(HMM_GPU_GEM_FROM_KFD, hgpu_gem_from_kfd, DRM_RENDER_ALLOW),
};

/*
 * The user interface is KFD's, but for the virgl engine. The major number is what
 * libdrm_amdgpu, which KFD's user space tries and can do without, accepts
 * without a complaint on stderr; it then finds no AMDGPU_INFO and gives up.
 */
static const struct drm_driver hgpu_drm_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_SYNCOBJ |
			   DRIVER_SYNCOBJ_TIMELINE,
	.open = hgpu_drm_open,
	.postclose = hgpu_drm_postclose,
	.ioctls = hgpu_drm_ioctls,
	.num_ioctls = ARRAY_SIZE(hgpu_drm_ioctls),
	.fops = &hgpu_drm_fops,
	.name = "hmm_gpu",
	.desc = "Emulated GPU with device-private memory",
	HGPU_COMPAT_DRM_DATE("20250101")
	.major = 3,
	.minor = 0,
};

bool hgpu_drm_file_is_ours(const struct file *file)
{
	return file->f_op == &hgpu_drm_fops;
}

static int hgpu_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct hgpu_device *hdev;
	int err;

	hdev = devm_drm_dev_alloc(&pdev->dev, &hgpu_drm_driver,
				  struct hgpu_device, drm);
	if (IS_ERR(hdev))
		return PTR_ERR(hdev);
	hdev->pdev = pdev;
	INIT_LIST_HEAD(&hdev->link);
	pci_set_drvdata(pdev, hdev);

	err = hgpu_device_init(hdev);
	if (err)
		return dev_err_probe(&pdev->dev, err, "the GPU cannot be used\n");
	return 0;
}

static void hgpu_pci_remove(struct pci_dev *pdev)
{
	hgpu_device_fini(pci_get_drvdata(pdev));
}

static pci_ers_result_t hgpu_pci_error_detected(struct pci_dev *pdev,
						pci_channel_state_t state)
{
	/* Something failed once, the link and the GPU work. */
	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;

	/*
	 * No recovery otherwise: what was in VRAM cannot be read. No DMA
	 * before the fences of jobs are signalled and their pages are freed;
	 * and nobody waits for a timeout.
	 */
	pci_clear_master(pdev);
	hgpu_device_lost(pci_get_drvdata(pdev));
	return PCI_ERS_RESULT_DISCONNECT;
}

static void hgpu_pci_reset_prepare(struct pci_dev *pdev)
{
	hgpu_device_reset_prepare(pci_get_drvdata(pdev));
}

static void hgpu_pci_reset_done(struct pci_dev *pdev)
{
	hgpu_device_reset_done(pci_get_drvdata(pdev));
}

static const struct pci_error_handlers hgpu_pci_err_handlers = {
	.error_detected = hgpu_pci_error_detected,
	.reset_prepare = hgpu_pci_reset_prepare,
	.reset_done = hgpu_pci_reset_done,
};

static const struct pci_device_id hgpu_pci_ids[] = {
	{ PCI_DEVICE(HGPU_PCI_VENDOR_ID, HGPU_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, hgpu_pci_ids);

static struct pci_driver hgpu_pci_driver = {
	.name = "hmm_gpu",
	.id_table = hgpu_pci_ids,
	.probe = hgpu_pci_probe,
	.remove = hgpu_pci_remove,
	.err_handler = &hgpu_pci_err_handlers,
};

static int __init hgpu_init(void)
{
	int err;

	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE)) {
		pr_err("hmm_gpu: this kernel has CONFIG_DEVICE_PRIVATE off, without which no page can live in VRAM: use a kernel that has it on\n");
		return -EOPNOTSUPP;
	}
	if (hgpu_fence_timeout_ms < 100 || hgpu_fence_timeout_ms > 600000) {
		pr_err("hmm_gpu: fence_timeout_ms=%u is not within 100-600000\n",
		       hgpu_fence_timeout_ms);
		return -EINVAL;
	}

	if (hgpu_virgl_timeout_ms < 100 || hgpu_virgl_timeout_ms > 3600000) {
		pr_err("hmm_gpu: virgl_timeout_ms=%u is not within 100-3600000\n",
		       hgpu_virgl_timeout_ms);
		return -EINVAL;
	}

	hgpu_memlimit_init();
	err = hgpu_svm_init();
	if (err)
		return err;
	err = hgpu_kfd_init();
	if (err)
		goto err_svm;
	hgpu_debugfs_init();
	err = pci_register_driver(&hgpu_pci_driver);
	if (err)
		goto err_kfd;
	return 0;

err_kfd:
	hgpu_debugfs_exit();
	hgpu_kfd_exit();
err_svm:
	hgpu_svm_exit();
	return err;
}

static void __exit hgpu_exit(void)
{
	pci_unregister_driver(&hgpu_pci_driver);
	hgpu_debugfs_exit();
	hgpu_kfd_exit();
	hgpu_svm_exit();
}

module_init(hgpu_init);
module_exit(hgpu_exit);

MODULE_DESCRIPTION("Driver of the emulated GPU hmm-gpu");
MODULE_AUTHOR("The hmm-gpu developers");
MODULE_LICENSE("GPL");
