// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kfd: the file, and mappings of doorbells.
 */
#include <drm/drm_drv.h>
#include <linux/compat.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_process.h"

#define HGPU_KFD_NAME	"kfd"

static int hgpu_kfd_major;
static struct device *hgpu_kfd_dev;

static char *hgpu_kfd_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0666;	/* what udev's rules give the render group */
	return NULL;
}

static const struct class hgpu_kfd_class = {
	.name = HGPU_KFD_NAME,
	.devnode = hgpu_kfd_devnode,
};

/* ---- file ---- */

static int hgpu_kfd_open(struct inode *inode, struct file *filp)
{
	struct hgpu_process *process;

	if (iminor(inode))
		return -ENODEV;
	if (in_compat_syscall())	/* as KFD: pointers are 64 bits wide */
		return -EPERM;
	process = hgpu_process_open();
	if (IS_ERR(process))
		return PTR_ERR(process);
	filp->private_data = process;
	return 0;
}

static int hgpu_kfd_release(struct inode *inode, struct file *filp)
{
	hgpu_process_put(filp->private_data);
	return 0;
}

/*
 * Only the process that opened the file may use it. A child that inherited it
 * would otherwise take its parent's buffers and queues apart; one that has
 * gone on to another program has another mm.
 */
static bool hgpu_kfd_is_owner(const struct hgpu_process *process)
{
	return process->mm == current->mm && process->tgid == task_tgid(current);
}

static long hgpu_kfd_unlocked_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct hgpu_process *process = filp->private_data;

	return hgpu_kfd_is_owner(process) ? hgpu_kfd_ioctl(process, cmd, arg) : -EBADF;
}

/* ---- doorbells ---- */

static vm_fault_t hgpu_kfd_doorbell_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct hgpu_process_device *pdd = vma->vm_private_data;
	struct hgpu_device *hdev = pdd->hdev;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long pfn;
	int idx;

	/* After drm_dev_unplug() none is put in any more, and zapping is final. */
	if (!drm_dev_enter(&hdev->drm, &idx))
		return ret;
	pfn = (hdev->doorbells_phys + pdd->doorbell_slice * HGPU_DOORBELL_SLICE_SIZE) >>
	      PAGE_SHIFT;
	pfn += vmf->pgoff & (HGPU_DOORBELL_SLICE_SIZE / PAGE_SIZE - 1);
	ret = vmf_insert_pfn(vma, vmf->address, pfn);
	drm_dev_exit(idx);
	return ret;
}

static const struct vm_operations_struct hgpu_kfd_doorbell_ops = {
	.fault = hgpu_kfd_doorbell_fault,
};

static int hgpu_kfd_doorbell_mmap(struct hgpu_process_device *pdd, struct vm_area_struct *vma)
{
	if (vma->vm_end - vma->vm_start != HGPU_DOORBELL_SLICE_SIZE ||
	    (vma->vm_pgoff << PAGE_SHIFT) % HGPU_DOORBELL_SLICE_SIZE)
		return -EINVAL;
	/* A private copy of a doorbell rings nothing. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (READ_ONCE(pdd->removed))
		return -ENODEV;
	if (!hgpu_process_device_ready(pdd))
		return -EINVAL;

	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND |
			  VM_DONTDUMP | VM_NORESERVE);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_private_data = pdd;	/* lives as long as the file */
	vma->vm_ops = &hgpu_kfd_doorbell_ops;
	return 0;
}

/**
 * hgpu_kfd_zap_doorbells() - take a process's doorbell mappings of a GPU away
 * @process: the process
 * @hdev: the GPU; unplugged: an access to the doorbell is SIGBUS from now on
 *
 * Context: may sleep; takes the process's mmap_lock.
 */
void hgpu_kfd_zap_doorbells(struct hgpu_process *process, struct hgpu_device *hdev)
{
	struct hgpu_process_device *pdd = hgpu_process_device(process, hdev);
	struct mm_struct *mm = process->mm;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	if (!mmget_not_zero(mm))
		return;
	vma_iter_init(&vmi, mm, 0);
	mmap_read_lock(mm);
	for_each_vma(vmi, vma)
		if (vma->vm_ops == &hgpu_kfd_doorbell_ops && vma->vm_private_data == pdd)
			zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	mmap_read_unlock(mm);
	mmput_async(mm);	/* the last one stops queues, and takes locks */
}

static int hgpu_kfd_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct hgpu_process *process = filp->private_data;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	struct hgpu_process_device *pdd;

	if (!hgpu_kfd_is_owner(process))
		return -EBADF;
	if (FIELD_GET(HGPU_KFD_MMAP_TYPE, offset) != HGPU_KFD_MMAP_DOORBELL)
		return -EINVAL;
	pdd = hgpu_process_device_by_id(process, FIELD_GET(HGPU_KFD_MMAP_GPU_ID, offset));
	return pdd ? hgpu_kfd_doorbell_mmap(pdd, vma) : -ENODEV;
}

static const struct file_operations hgpu_kfd_fops = {
	.owner = THIS_MODULE,
	.open = hgpu_kfd_open,
	.release = hgpu_kfd_release,
	.unlocked_ioctl = hgpu_kfd_unlocked_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = hgpu_kfd_mmap,
	.llseek = noop_llseek,
};

/* ---- class and device ---- */

struct device *hgpu_kfd_class_device(void)
{
	return hgpu_kfd_dev;
}

int hgpu_kfd_chardev_init(void)
{
	int ret;

	ret = register_chrdev(0, HGPU_KFD_NAME, &hgpu_kfd_fops);
	if (ret < 0)
		return ret;
	hgpu_kfd_major = ret;
	ret = class_register(&hgpu_kfd_class);
	if (ret) {
		pr_err("hmm_gpu: cannot register class kfd (%d): is amdgpu loaded?\n", ret);
		goto err_chrdev;
	}
	hgpu_kfd_dev = device_create(&hgpu_kfd_class, NULL, MKDEV(hgpu_kfd_major, 0),
				     NULL, HGPU_KFD_NAME);
	if (IS_ERR(hgpu_kfd_dev)) {
		ret = PTR_ERR(hgpu_kfd_dev);
		goto err_class;
	}
	return 0;

err_class:
	class_unregister(&hgpu_kfd_class);
err_chrdev:
	unregister_chrdev(hgpu_kfd_major, HGPU_KFD_NAME);
	return ret;
}

void hgpu_kfd_chardev_exit(void)
{
	device_destroy(&hgpu_kfd_class, MKDEV(hgpu_kfd_major, 0));
	class_unregister(&hgpu_kfd_class);
	unregister_chrdev(hgpu_kfd_major, HGPU_KFD_NAME);
}
