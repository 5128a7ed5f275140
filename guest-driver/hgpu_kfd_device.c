// SPDX-License-Identifier: GPL-2.0-only
/*
 * The GPUs as KFD counts them: ids, nodes, coming and going.
 */
#include <drm/drm_drv.h>
#include <drm/drm_print.h>
#include <linux/hash.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_process.h"

/*
 * hgpu_kfd_lock serialises arrivals, removals and what sysfs shows of them.
 * hgpu_kfd_list_lock protects the list; it nests inside hgpu_kfd_lock, and
 * inside mmap_lock (a process is attached there), so sysfs is not touched
 * under it.
 */
static DEFINE_MUTEX(hgpu_kfd_lock);
static DEFINE_MUTEX(hgpu_kfd_list_lock);
static LIST_HEAD(hgpu_kfd_devices);	/* struct hgpu_device, by link */

int hgpu_kfd_attach_process(struct hgpu_process *process)
{
	struct hgpu_device *hdev;
	int ret = 0;

	/*
	 * Published while the list stands still: a GPU that is being removed
	 * has either been left out or will find this process.
	 */
	mutex_lock(&hgpu_kfd_list_lock);
	list_for_each_entry(hdev, &hgpu_kfd_devices, link) {
		ret = hgpu_process_add_gpu(process, hdev);
		if (ret)
			break;
	}
	hgpu_process_publish(process);
	mutex_unlock(&hgpu_kfd_list_lock);
	return ret;
}

/* The list as an array; it can be looked at without the list's lock. */
static unsigned int hgpu_kfd_list(struct hgpu_device *gpus[HGPU_MAX_GPUS])
{
	struct hgpu_device *hdev;
	unsigned int n = 0;

	lockdep_assert_held(&hgpu_kfd_lock);
	mutex_lock(&hgpu_kfd_list_lock);
	list_for_each_entry(hdev, &hgpu_kfd_devices, link)
		gpus[n++] = hdev;
	mutex_unlock(&hgpu_kfd_list_lock);
	return n;
}

unsigned int hgpu_kfd_num_devices(void)
{
	unsigned int n;

	mutex_lock(&hgpu_kfd_list_lock);
	n = list_count_nodes(&hgpu_kfd_devices);
	mutex_unlock(&hgpu_kfd_list_lock);
	return n;
}

static bool hgpu_kfd_id_taken(struct hgpu_device *const *gpus, unsigned int n, u32 id)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (gpus[i]->gpu_id == id)
			return true;
	return false;
}

/* The same place gets the same id in every boot, as KFD's ids do. */
static u32 hgpu_kfd_choose_id(struct hgpu_device *hdev, struct hgpu_device *const *gpus,
			      unsigned int n)
{
	u32 place = pci_domain_nr(hdev->pdev->bus) << 16 | pci_dev_id(hdev->pdev);
	u32 id = hash_32(place, 16);

	while (!id || hgpu_kfd_id_taken(gpus, n, id))
		id = (id + 1) & 0xffff;
	return id;
}

static int hgpu_kfd_show_locked(void)
{
	struct hgpu_device *gpus[HGPU_MAX_GPUS];
	unsigned int i, n;

	lockdep_assert_held(&hgpu_kfd_lock);
	n = hgpu_kfd_list(gpus);
	for (i = 0; i < n; i++)
		gpus[i]->topology_node = i + 1;		/* the CPU is node 0 */
	return hgpu_kfd_topology_update(gpus, n);
}

int hgpu_kfd_add_device(struct hgpu_device *hdev)
{
	struct hgpu_device *gpus[HGPU_MAX_GPUS];
	unsigned int n;
	int ret;

	mutex_lock(&hgpu_kfd_lock);
	n = hgpu_kfd_list(gpus);
	if (n == HGPU_MAX_GPUS) {
		ret = -ENOSPC;
		goto out_unlock;
	}
	hdev->gpu_id = hgpu_kfd_choose_id(hdev, gpus, n);

	mutex_lock(&hgpu_kfd_list_lock);
	list_add_tail(&hdev->link, &hgpu_kfd_devices);
	mutex_unlock(&hgpu_kfd_list_lock);

	ret = hgpu_kfd_show_locked();
	if (!ret)
		drm_info(&hdev->drm, "KFD node %u, gpu_id %u\n",
			 hdev->topology_node, hdev->gpu_id);
out_unlock:
	mutex_unlock(&hgpu_kfd_lock);
	if (ret) {	/* a process may have been attached in between */
		hgpu_kfd_stop_device(hdev);
		hgpu_kfd_remove_device(hdev);
	}
	return ret;
}

/* Call @fn for each process that knows the GPU. */
static void hgpu_kfd_call_on_pdds(struct hgpu_device *hdev,
				  void (*fn)(struct hgpu_process_device *pdd))
{
	struct hgpu_process_device *pdd;
	unsigned long pasid = 0;

	while ((pdd = hgpu_process_next_on(hdev, &pasid))) {
		fn(pdd);
		hgpu_process_put(pdd->process);
	}
}

static void hgpu_kfd_stop_pdd(struct hgpu_process_device *pdd)
{
	hgpu_kfd_zap_doorbells(pdd->process, pdd->hdev);
	hgpu_process_remove_gpu(pdd);
}

void hgpu_kfd_stop_device(struct hgpu_device *hdev)
{
	mutex_lock(&hgpu_kfd_lock);
	mutex_lock(&hgpu_kfd_list_lock);
	if (!list_empty(&hdev->link))
		list_del_init(&hdev->link);
	mutex_unlock(&hgpu_kfd_list_lock);

	if (hgpu_kfd_show_locked())
		drm_warn(&hdev->drm, "no memory to show the KFD topology\n");
	mutex_unlock(&hgpu_kfd_lock);

	hgpu_kfd_call_on_pdds(hdev, hgpu_kfd_stop_pdd);
}

void hgpu_kfd_remove_device(struct hgpu_device *hdev)
{
	hgpu_kfd_call_on_pdds(hdev, hgpu_process_release_gpu);
	/* Processes without a reference left are being freed at this moment. */
	wait_event(hdev->hqds.idle, !atomic_read(&hdev->hqds.users));
}

int hgpu_kfd_init(void)
{
	int ret;

	ret = hgpu_process_init();
	if (ret)
		return ret;
	ret = hgpu_kfd_chardev_init();
	if (ret)
		goto err_process;
	ret = hgpu_kfd_topology_init();
	if (ret)
		goto err_chardev;
	return 0;

err_chardev:
	hgpu_kfd_chardev_exit();
err_process:
	hgpu_process_exit();
	return ret;
}

void hgpu_kfd_exit(void)
{
	hgpu_kfd_topology_exit();
	hgpu_kfd_chardev_exit();
	hgpu_process_exit();
}
