// SPDX-License-Identifier: GPL-2.0-only
/*
 * SMI events: who listens, and the lines they read. Both are KFD's: the lines
 * are made with the formats of its uapi header.
 */
#include <drm/drm_drv.h>
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "hgpu_compat.h"
#include "hgpu_device.h"
#include "hgpu_trace.h"

#define HGPU_SMI_BUFFER	1024	/* bytes that a client may leave unread, as KFD */
#define HGPU_SMI_ALL	KFD_SMI_EVENT_MASK_FROM_INDEX(KFD_SMI_EVENT_ALL_PROCESS)

/**
 * struct hgpu_smi_client - an open file
 * @hdev: the GPU; a reference to its drm_device is held
 * @link: in &hgpu_smi.clients; empty after hgpu_smi_fini()
 * @wait: poll()
 * @read_lock: one reader at a time; above mmap_lock
 * @mask: events that it wants to hear of
 * @tgid: thread group of the opener
 * @admin: the opener may hear of other processes
 * @fifo: whole lines; written under &hgpu_smi.lock, read under @read_lock
 */
struct hgpu_smi_client {
	struct hgpu_device *hdev;
	struct list_head link;
	wait_queue_head_t wait;
	struct mutex read_lock;
	u64 mask;
	pid_t tgid;
	bool admin;
	DECLARE_KFIFO(fifo, char, HGPU_SMI_BUFFER);
};

/* ---- the file ---- */

static __poll_t hgpu_smi_poll(struct file *file, struct poll_table_struct *table)
{
	struct hgpu_smi_client *client = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &client->wait, table);
	if (!kfifo_is_empty(&client->fifo))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (list_empty(&client->link))
		mask |= EPOLLHUP;
	return mask;
}

static ssize_t hgpu_smi_read(struct file *file, char __user *buf, size_t size,
			     loff_t *pos)
{
	struct hgpu_smi_client *client = file->private_data;
	unsigned int copied;
	int err;

	if (mutex_lock_interruptible(&client->read_lock))
		return -ERESTARTSYS;
	err = kfifo_to_user(&client->fifo, buf, size, &copied);
	mutex_unlock(&client->read_lock);

	if (err)
		return err;
	if (copied)
		return copied;
	return list_empty(&client->link) ? -ENODEV : -EAGAIN;
}

/* The mask, in place of the one before. */
static ssize_t hgpu_smi_write(struct file *file, const char __user *buf,
			      size_t size, loff_t *pos)
{
	struct hgpu_smi_client *client = file->private_data;
	u64 mask;

	if (size < sizeof(mask) || copy_from_user(&mask, buf, sizeof(mask)))
		return -EFAULT;
	WRITE_ONCE(client->mask, mask);
	return sizeof(mask);
}

static void hgpu_smi_client_free(struct hgpu_smi_client *client)
{
	struct hgpu_device *hdev = client->hdev;

	spin_lock(&hdev->smi.lock);
	list_del(&client->link);
	spin_unlock(&hdev->smi.lock);
	kfree(client);
	drm_dev_put(&hdev->drm);
}

static int hgpu_smi_release(struct inode *inode, struct file *file)
{
	hgpu_smi_client_free(file->private_data);
	return 0;
}

static const struct file_operations hgpu_smi_fops = {
	.owner = THIS_MODULE,
	.poll = hgpu_smi_poll,
	.read = hgpu_smi_read,
	.write = hgpu_smi_write,
	.release = hgpu_smi_release,
	.llseek = noop_llseek,
};

int hgpu_smi_open(struct hgpu_device *hdev)
{
	struct hgpu_smi_client *client;
	int fd;

	client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);
	if (!client)
		return -ENOMEM;

	drm_dev_get(&hdev->drm);
	client->hdev = hdev;
	client->tgid = task_tgid_nr(current);
	client->admin = capable(CAP_SYS_ADMIN);
	init_waitqueue_head(&client->wait);
	mutex_init(&client->read_lock);
	INIT_KFIFO(client->fifo);
	spin_lock(&hdev->smi.lock);
	list_add_tail(&client->link, &hdev->smi.clients);
	spin_unlock(&hdev->smi.lock);

	fd = anon_inode_getfd("kfd_smi_ev", &hgpu_smi_fops, client, O_RDWR);
	if (fd < 0)
		hgpu_smi_client_free(client);
	return fd;
}

void hgpu_smi_init(struct hgpu_device *hdev)
{
	spin_lock_init(&hdev->smi.lock);
	INIT_LIST_HEAD(&hdev->smi.clients);
}

void hgpu_smi_fini(struct hgpu_device *hdev)
{
	struct hgpu_smi_client *client, *next;

	spin_lock(&hdev->smi.lock);
	list_for_each_entry_safe(client, next, &hdev->smi.clients, link) {
		list_del_init(&client->link);
		wake_up_all(&client->wait);
	}
	spin_unlock(&hdev->smi.lock);
}

/* ---- telling ---- */

/* Before anything is formatted or locked. */
static bool has_clients(const struct hgpu_device *hdev)
{
	return !list_empty(&hdev->smi.clients);
}

bool hgpu_smi_heard(const struct hgpu_device *hdev)
{
	return has_clients(hdev) || trace_hgpu_migrate_start_enabled() ||
	       trace_hgpu_migrate_end_enabled();
}

/* @pid: 0 for what is nobody's in particular */
static bool wants(const struct hgpu_smi_client *client, pid_t pid,
		  enum kfd_smi_event event)
{
	u64 mask = READ_ONCE(client->mask);

	if (!(mask & KFD_SMI_EVENT_MASK_FROM_INDEX(event)))
		return false;
	return !pid || pid == client->tgid ||
	       (client->admin && (mask & HGPU_SMI_ALL));
}

static void send(struct hgpu_device *hdev, pid_t pid, enum kfd_smi_event event,
		 const char *line, unsigned int len)
{
	struct hgpu_smi_client *client;

	spin_lock(&hdev->smi.lock);
	list_for_each_entry(client, &hdev->smi.clients, link) {
		if (!wants(client, pid, event))
			continue;
		if (kfifo_avail(&client->fifo) < len) {
			hgpu_stat_inc(hdev, smi_events_dropped);
			continue;
		}
		kfifo_in(&client->fifo, line, len);
		wake_up_all(&client->wait);
	}
	spin_unlock(&hdev->smi.lock);
}

__printf(4, 5)
static void tell(struct hgpu_device *hdev, pid_t pid, enum kfd_smi_event event,
		 const char *format, ...)
{
	char line[KFD_SMI_EVENT_MSG_SIZE];
	unsigned int len;
	va_list args;

	len = scnprintf(line, sizeof(line), "%x ", event);
	va_start(args, format);
	len += vscnprintf(line + len, sizeof(line) - len, format, args);
	va_end(args);
	send(hdev, pid, event, line, len);
}

void hgpu_smi_migrate_start(struct hgpu_device *hdev,
			    const struct hgpu_smi_migration *what)
{
	trace_hgpu_migrate_start(hdev, what);
	if (!has_clients(hdev))
		return;
	tell(hdev, what->pid, KFD_SMI_EVENT_MIGRATE_START,
	     KFD_EVENT_FMT_MIGRATE_START(ktime_get_boottime_ns(), what->pid,
					 what->first, what->npages, what->from,
					 what->to, what->prefetch_loc,
					 what->preferred_loc, what->trigger));
}

void hgpu_smi_migrate_end(struct hgpu_device *hdev,
			  const struct hgpu_smi_migration *what)
{
	trace_hgpu_migrate_end(hdev, what);
	if (!has_clients(hdev))
		return;
	tell(hdev, what->pid, KFD_SMI_EVENT_MIGRATE_END,
	     HGPU_COMPAT_FMT_MIGRATE_END(ktime_get_boottime_ns(), what->pid,
					 what->first, what->npages, what->from,
					 what->to, what->trigger));
}

void hgpu_smi_fault_start(struct hgpu_device *hdev, pid_t pid,
			  u32 id, unsigned long page, bool write)
{
	trace_hgpu_page_fault_start(hdev, pid, id, page,
				    write ? 'W' : 'R');
	if (!has_clients(hdev))
		return;
	tell(hdev, pid, KFD_SMI_EVENT_PAGE_FAULT_START,
	     KFD_EVENT_FMT_PAGEFAULT_START(ktime_get_boottime_ns(), pid, page,
					   hdev->gpu_id, write ? 'W' : 'R'));
}

void hgpu_smi_fault_end(struct hgpu_device *hdev, pid_t pid,
			u32 id, unsigned long page, bool migrated)
{
	trace_hgpu_page_fault_end(hdev, pid, id, page,
				  migrated ? 'M' : 'U');
	if (!has_clients(hdev))
		return;
	tell(hdev, pid, KFD_SMI_EVENT_PAGE_FAULT_END,
	     KFD_EVENT_FMT_PAGEFAULT_END(ktime_get_boottime_ns(), pid, page,
					 hdev->gpu_id, migrated ? 'M' : 'U'));
}

void hgpu_smi_unmapped(struct hgpu_device *hdev, pid_t pid,
		       unsigned long first, unsigned long last,
		       enum KFD_SVM_UNMAP_TRIGGERS trigger)
{
	trace_hgpu_unmapped(hdev, pid, first, last, trigger);
	if (!has_clients(hdev))
		return;
	tell(hdev, pid, KFD_SMI_EVENT_UNMAP_FROM_GPU,
	     KFD_EVENT_FMT_UNMAP_FROM_GPU(ktime_get_boottime_ns(), pid, first,
					  last - first + 1, hdev->gpu_id,
					  trigger));
}

void hgpu_smi_queue_evicted(struct hgpu_device *hdev, pid_t pid,
			    enum KFD_QUEUE_EVICTION_TRIGGERS trigger)
{
	trace_hgpu_queue_eviction(hdev, pid, trigger);
	if (!has_clients(hdev))
		return;
	tell(hdev, pid, KFD_SMI_EVENT_QUEUE_EVICTION,
	     KFD_EVENT_FMT_QUEUE_EVICTION(ktime_get_boottime_ns(), pid,
					  hdev->gpu_id, trigger));
}

static void tell_restore(struct hgpu_device *hdev, pid_t pid, char how)
{
	trace_hgpu_queue_restore(hdev, pid, how);
	if (!has_clients(hdev))
		return;
	tell(hdev, pid, KFD_SMI_EVENT_QUEUE_RESTORE,
	     KFD_EVENT_FMT_QUEUE_RESTORE(ktime_get_boottime_ns(), pid,
					 hdev->gpu_id, how));
}

void hgpu_smi_queue_restored(struct hgpu_device *hdev, pid_t pid)
{
	tell_restore(hdev, pid, '0');
}

void hgpu_smi_queue_rescheduled(struct hgpu_device *hdev, pid_t pid)
{
	tell_restore(hdev, pid, 'R');
}

void hgpu_smi_vm_fault(struct hgpu_device *hdev, pid_t pid, pid_t task,
		       const char *comm)
{
	if (!has_clients(hdev))
		return;
	tell(hdev, pid, KFD_SMI_EVENT_VMFAULT,
	     KFD_EVENT_FMT_VMFAULT(task, comm));
}

void hgpu_smi_reset_start(struct hgpu_device *hdev, const char *cause)
{
	hdev->smi.resets++;
	trace_hgpu_reset_start(hdev, hdev->smi.resets, cause);
	if (!has_clients(hdev))
		return;
	tell(hdev, 0, KFD_SMI_EVENT_GPU_PRE_RESET,
	     KFD_EVENT_FMT_UPDATE_GPU_RESET(hdev->smi.resets, cause));
}

void hgpu_smi_reset_end(struct hgpu_device *hdev)
{
	trace_hgpu_reset_end(hdev, hdev->smi.resets);
	if (!has_clients(hdev))
		return;
	tell(hdev, 0, KFD_SMI_EVENT_GPU_POST_RESET,
	     KFD_EVENT_FMT_UPDATE_GPU_RESET(hdev->smi.resets, ""));
}
