// SPDX-License-Identifier: GPL-2.0-only
/* debugfs: see hgpu_debugfs.h. */

#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "hgpu_debugfs.h"
#include "hgpu_device.h"
#include "hgpu_memlimit.h"
#include "hgpu_sdma_test.h"
#include "hgpu_svm.h"

static struct dentry *hgpu_debugfs_root;

static int stats_show(struct seq_file *m, void *unused)
{
	struct hgpu_device *hdev = m->private;

#define HGPU_STATS_PRINT(name) \
	seq_printf(m, #name " %llu\n", hgpu_stat_read(hdev, name));
	HGPU_STATS(HGPU_STATS_PRINT)
#undef HGPU_STATS_PRINT
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int vram_show(struct seq_file *m, void *unused)
{
	hgpu_vram_show(m->private, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vram);

static int memory_show(struct seq_file *m, void *unused)
{
	hgpu_memlimit_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

static int ranges_show(struct seq_file *m, void *unused)
{
	hgpu_svm_show_ranges(m->private, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ranges);

static int sdma_show(struct seq_file *m, void *unused)
{
	struct hgpu_device *hdev = m->private;
	struct hgpu_sdma *sdma = &hdev->sdma;

	seq_printf(m, "engines %u\n", hdev->num_sdma);
	seq_printf(m, "wptr %llu\n", READ_ONCE(sdma->ring.wptr));
	seq_printf(m, "rptr %llu\n", hgpu_ring_rptr(&sdma->ring));
	seq_printf(m, "emitted %u\n", READ_ONCE(sdma->emitted));
	seq_printf(m, "fence %u\n", hgpu_ring_fence_value(&sdma->ring));
	seq_printf(m, "status 0x%x\n", hgpu_ring_status(hdev, &sdma->ring));
	seq_printf(m, "slots_free %u\n",
		   (unsigned int)hweight_long(READ_ONCE(sdma->ib_free)));
	seq_printf(m, "dead %d\n", READ_ONCE(sdma->dead));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(sdma);

static int virgl_show(struct seq_file *m, void *unused)
{
	hgpu_virgl_show(m->private, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(virgl);

static ssize_t inject_write(struct file *file, const char __user *buf,
			    size_t len, loff_t *pos)
{
	struct hgpu_device *hdev = file->private_data;
	char name[16] = {};
	int err;

	if (len >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, buf, len))
		return -EFAULT;
	err = hgpu_sdma_inject(hdev, name);
	return err ?: len;
}

static const struct file_operations inject_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = inject_write,
};

static struct dentry *hgpu_debugfs_dir(struct hgpu_device *hdev,
				       const char *name)
{
	struct dentry *dir = debugfs_create_dir(name, hgpu_debugfs_root);

	debugfs_create_file("stats", 0444, dir, hdev, &stats_fops);
	debugfs_create_file("vram", 0444, dir, hdev, &vram_fops);
	debugfs_create_file("ranges", 0444, dir, hdev, &ranges_fops);
	debugfs_create_file("sdma", 0444, dir, hdev, &sdma_fops);
	debugfs_create_file("virgl", 0444, dir, hdev, &virgl_fops);
	debugfs_create_file("inject", 0200, dir, hdev, &inject_fops);
	return dir;
}

void hgpu_debugfs_add(struct hgpu_device *hdev)
{
	char index[12];

	snprintf(index, sizeof(index), "%d", hdev->index);
	hdev->debugfs = hgpu_debugfs_dir(hdev, pci_name(hdev->pdev));
	hdev->debugfs_index = hgpu_debugfs_dir(hdev, index);
}

void hgpu_debugfs_remove(struct hgpu_device *hdev)
{
	debugfs_remove_recursive(hdev->debugfs_index);
	debugfs_remove_recursive(hdev->debugfs);
	hdev->debugfs_index = NULL;
	hdev->debugfs = NULL;
}

void hgpu_debugfs_init(void)
{
	hgpu_debugfs_root = debugfs_create_dir("hmm_gpu", NULL);
	debugfs_create_file("memory", 0444, hgpu_debugfs_root, NULL, &memory_fops);
}

void hgpu_debugfs_exit(void)
{
	debugfs_remove_recursive(hgpu_debugfs_root);
}
