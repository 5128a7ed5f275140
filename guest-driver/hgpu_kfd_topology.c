// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's topology in sysfs: /sys/devices/virtual/kfd/kfd/topology.
 *
 * Nothing in a node changes while its GPU is there, but for its links to later
 * ones. So its files are texts that are written when the node is made. When a
 * GPU comes or goes only nodes from its own on are made anew, with all links to
 * and from them: user space that looks at the others meanwhile finds them. A
 * reader that sees generation_id change starts over.
 *
 * Node 0 is the CPU with all system memory, GPUs follow.
 */
#include <drm/drm_file.h>
#include <linux/cpumask.h>
#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"

/* What the GPU says it is: a gfx906 with one compute unit. */
#define HGPU_GFX_TARGET_VERSION	90006
#define HGPU_GFX_NAME		"vega20"
#define HGPU_MEC_FW_VERSION	480
#define HGPU_SDMA_FW_VERSION	145
#define HGPU_CP_QUEUES		24	/* of 4 pipes with 8 each, those that are not graphics' */
#define HGPU_ENGINE_CLOCK_MHZ	1000
#define HGPU_MEM_CLOCK_MHZ	1000
#define HGPU_MEM_WIDTH_BITS	4096

/* Values and bits of the thunk's hsakmttypes.h */
#define HSA_CAP_DOORBELL_TYPE_2_0	(2u << 12)
#define HSA_CAP_SVMAPI_SUPPORTED	BIT(27)
#define HSA_MEM_HEAP_TYPE_SYSTEM	0
#define HSA_MEM_HEAP_TYPE_FB_PUBLIC	1
#define HSA_MEM_HEAP_TYPE_FB_PRIVATE	2
#define HSA_IOLINKTYPE_PCIEXPRESS	2
#define HSA_IOLINKTYPE_XGMI		11
#define HSA_IOLINK_ENABLED		BIT(0)
#define HSA_IOLINK_NON_COHERENT		BIT(1)
#define HSA_IOLINK_WEIGHT_PCIE		20
#define HSA_IOLINK_WEIGHT_XGMI		15	/* a hop */
#define HSA_CACHE_TYPE_DATA		BIT(0)
#define HSA_CACHE_TYPE_CPU		BIT(2)

#define HGPU_TOPO_MAX_FILES	3

struct hgpu_topo_file {
	struct attribute attr;
	char *text;
};

/* A directory; the last one made comes first in its node's list. */
struct hgpu_topo_dir {
	struct kobject kobj;
	struct list_head link;
	unsigned int num_files;
	struct hgpu_topo_file files[HGPU_TOPO_MAX_FILES];
};

/* A node: what it shows and what it is made of. */
struct hgpu_topo_node {
	struct hgpu_device *hdev;	/* NULL: the CPU, or not there */
	struct list_head dirs;
	struct hgpu_topo_dir *node;
	struct hgpu_topo_dir *links;
};

/* Protected by the callers' lock; the generation is read without. */
static struct hgpu_topo_dir *hgpu_topo_root, *hgpu_topo_nodes;
static struct hgpu_topo_node hgpu_topo_node[1 + HGPU_MAX_GPUS];
static unsigned int hgpu_topo_num_nodes;
static unsigned int hgpu_topo_generation;

/* Protects the texts against being replaced while they are read. */
static DEFINE_MUTEX(hgpu_topo_text_lock);

/* ---- directories and files ---- */

static ssize_t hgpu_topo_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct hgpu_topo_file *file = container_of(attr, struct hgpu_topo_file, attr);

	if (!file->text)
		return sysfs_emit(buf, "%u\n", READ_ONCE(hgpu_topo_generation));
	guard(mutex)(&hgpu_topo_text_lock);
	return sysfs_emit_at(buf, 0, "%s", file->text);
}

static void hgpu_topo_release(struct kobject *kobj)
{
	struct hgpu_topo_dir *dir = container_of(kobj, struct hgpu_topo_dir, kobj);
	unsigned int i;

	for (i = 0; i < dir->num_files; i++)
		kfree(dir->files[i].text);
	kfree(dir);
}

static const struct sysfs_ops hgpu_topo_sysfs_ops = {
	.show = hgpu_topo_show,
};

static const struct kobj_type hgpu_topo_type = {
	.release = hgpu_topo_release,
	.sysfs_ops = &hgpu_topo_sysfs_ops,
};

static __printf(3, 4)
struct hgpu_topo_dir *hgpu_topo_mkdir(struct list_head *dirs, struct kobject *parent,
				      const char *fmt, ...)
{
	struct hgpu_topo_dir *dir;
	va_list args;
	char name[16];
	int ret;

	dir = kzalloc(sizeof(*dir), GFP_KERNEL);
	if (!dir)
		return NULL;
	va_start(args, fmt);
	vscnprintf(name, sizeof(name), fmt, args);
	va_end(args);

	INIT_LIST_HEAD(&dir->link);
	ret = kobject_init_and_add(&dir->kobj, &hgpu_topo_type, parent, "%s", name);
	if (ret) {
		kobject_put(&dir->kobj);
		return NULL;
	}
	list_add(&dir->link, dirs);
	return dir;
}

/* @text: becomes the file's; NULL: the generation */
static int hgpu_topo_add(struct hgpu_topo_dir *dir, const char *name, char *text)
{
	struct hgpu_topo_file *file = &dir->files[dir->num_files];

	if (WARN_ON(dir->num_files == HGPU_TOPO_MAX_FILES)) {
		kfree(text);
		return -ENOSPC;
	}
	dir->num_files++;
	sysfs_attr_init(&file->attr);
	file->attr.name = name;
	file->attr.mode = 0444;
	file->text = text;
	return sysfs_create_file(&dir->kobj, &file->attr);
}

static __printf(3, 4)
int hgpu_topo_file(struct hgpu_topo_dir *dir, const char *name, const char *fmt, ...)
{
	va_list args;
	char *text;

	if (!dir)
		return -ENOMEM;
	va_start(args, fmt);
	text = kvasprintf(GFP_KERNEL, fmt, args);
	va_end(args);
	return text ? hgpu_topo_add(dir, name, text) : -ENOMEM;
}

static void hgpu_topo_remove(struct list_head *dirs)
{
	struct hgpu_topo_dir *dir, *next;

	list_for_each_entry_safe(dir, next, dirs, link) {
		list_del(&dir->link);
		kobject_del(&dir->kobj);
		kobject_put(&dir->kobj);
	}
}

/* ---- what is in a node ---- */

static int hgpu_topo_mem_bank(struct list_head *dirs, struct kobject *node, u32 heap_type, u64 size)
{
	struct hgpu_topo_dir *banks, *bank;

	banks = hgpu_topo_mkdir(dirs, node, "mem_banks");
	bank = banks ? hgpu_topo_mkdir(dirs, &banks->kobj, "0") : NULL;
	return hgpu_topo_file(bank, "properties",
			      "heap_type %u\n"
			      "size_in_bytes %llu\n"
			      "flags %u\n"
			      "width %u\n"
			      "mem_clk_max %u\n",
			      heap_type, size, 0, HGPU_MEM_WIDTH_BITS, HGPU_MEM_CLOCK_MHZ);
}

/* GPUs that this one reaches, of the nodes below @below. */
static unsigned int hgpu_topo_peers(unsigned int n, unsigned int below)
{
	unsigned int i, peers = 0;

	for (i = 1; i < below; i++)
		peers += i != n && hgpu_hive_same(hgpu_topo_node[i].hdev, hgpu_topo_node[n].hdev);
	return peers;
}

/* A GPU's first link is to the CPU, the others are to its peers. */
static unsigned int hgpu_topo_link_number(unsigned int from, unsigned int to)
{
	if (!from)
		return to - 1;
	return to ? 1 + hgpu_topo_peers(from, to) : 0;
}

/* Flags as KFD has them for a gfx906. */
static int hgpu_topo_io_link(struct list_head *dirs, unsigned int from, unsigned int to)
{
	struct hgpu_topo_dir *link = hgpu_topo_mkdir(dirs, &hgpu_topo_node[from].links->kobj, "%u",
						     hgpu_topo_link_number(from, to));
	bool xgmi = from && to;

	return hgpu_topo_file(link, "properties",
			      "type %u\n"
			      "version_major 0\n"
			      "version_minor 0\n"
			      "node_from %u\n"
			      "node_to %u\n"
			      "weight %u\n"
			      "min_latency 0\n"
			      "max_latency 0\n"
			      "min_bandwidth 0\n"
			      "max_bandwidth 0\n"
			      "recommended_transfer_size 0\n"
			      "recommended_sdma_engine_id_mask 0\n"
			      "flags %lu\n",
			      xgmi ? HSA_IOLINKTYPE_XGMI : HSA_IOLINKTYPE_PCIEXPRESS, from, to,
			      xgmi ? HSA_IOLINK_WEIGHT_XGMI : HSA_IOLINK_WEIGHT_PCIE,
			      HSA_IOLINK_ENABLED | (xgmi ? HSA_IOLINK_NON_COHERENT : 0));
}

/* Both ways between a node and the CPU, and its peers among the nodes before it. */
static int hgpu_topo_io_links(struct list_head *dirs, unsigned int n)
{
	unsigned int i;
	int ret;

	ret = hgpu_topo_io_link(dirs, n, 0) ?: hgpu_topo_io_link(dirs, 0, n);
	for (i = 1; i < n && !ret; i++)
		if (hgpu_hive_same(hgpu_topo_node[i].hdev, hgpu_topo_node[n].hdev))
			ret = hgpu_topo_io_link(dirs, n, i) ?: hgpu_topo_io_link(dirs, i, n);
	return ret;
}

/*
 * One cache, for user space that reads the number as proof that it has found a
 * CPU. What the caches are is the business of /sys/devices/system/cpu.
 */
static int hgpu_topo_cpu_cache(struct list_head *dirs, struct kobject *node)
{
	struct hgpu_topo_dir *caches, *cache;

	caches = hgpu_topo_mkdir(dirs, node, "caches");
	cache = caches ? hgpu_topo_mkdir(dirs, &caches->kobj, "0") : NULL;
	return hgpu_topo_file(cache, "properties",
			      "processor_id_low 0\n"
			      "level 1\n"
			      "size 32\n"
			      "cache_line_size %u\n"
			      "cache_lines_per_tag 1\n"
			      "association 8\n"
			      "latency 1\n"
			      "type %lu\n"
			      "sibling_map 1\n",
			      (unsigned int)L1_CACHE_BYTES,
			      HSA_CACHE_TYPE_DATA | HSA_CACHE_TYPE_CPU);
}

static char *hgpu_topo_cpu_properties(unsigned int num_gpus)
{
	return kasprintf(GFP_KERNEL,
			      "cpu_cores_count %u\n"
			      "simd_count 0\n"
			      "mem_banks_count 1\n"
			      "caches_count 1\n"
			      "io_links_count %u\n"
			      "p2p_links_count 0\n"
			      "cpu_core_id_base 0\n"
			      "simd_id_base 0\n"
			      "max_waves_per_simd 0\n"
			      "lds_size_in_kb 0\n"
			      "gds_size_in_kb 0\n"
			      "num_gws 0\n"
			      "wave_front_size 0\n"
			      "array_count 0\n"
			      "simd_arrays_per_engine 0\n"
			      "cu_per_simd_array 0\n"
			      "simd_per_cu 0\n"
			      "max_slots_scratch_cu 0\n"
			      "gfx_target_version 0\n"
			      "vendor_id 0\n"
			      "device_id 0\n"
			      "location_id 0\n"
			      "domain 0\n"
			      "drm_render_minor 0\n"
			      "hive_id 0\n"
			      "num_sdma_engines 0\n"
			      "num_sdma_xgmi_engines 0\n"
			      "num_sdma_queues_per_engine 0\n"
			      "num_cp_queues 0\n"
			      "cwsr_size 0\n"
			      "ctl_stack_size 0\n"
			      "max_engine_clk_ccompute %u\n",
			      num_online_cpus(), num_gpus, HGPU_ENGINE_CLOCK_MHZ);
}

static char *hgpu_topo_gpu_properties(struct hgpu_device *hdev, unsigned int num_links)
{
	struct hgpu_hqd_table *hqds = &hdev->hqds;

	return kasprintf(GFP_KERNEL,
			      "cpu_cores_count 0\n"
			      "simd_count 4\n"
			      "mem_banks_count 1\n"
			      "caches_count 0\n"
			      "io_links_count %u\n"
			      "p2p_links_count 0\n"
			      "cpu_core_id_base 0\n"
			      "simd_id_base %u\n"
			      "max_waves_per_simd 10\n"
			      "lds_size_in_kb 64\n"
			      "gds_size_in_kb 0\n"
			      "num_gws 0\n"
			      "wave_front_size 64\n"
			      "array_count 1\n"
			      "simd_arrays_per_engine 1\n"
			      "cu_per_simd_array 1\n"
			      "simd_per_cu 4\n"
			      "max_slots_scratch_cu 32\n"
			      "gfx_target_version %u\n"
			      "vendor_id %u\n"
			      "device_id %u\n"
			      "location_id %u\n"
			      "domain %u\n"
			      "drm_render_minor %d\n"
			      "hive_id %u\n"
			      "num_sdma_engines %u\n"
			      "num_sdma_xgmi_engines 0\n"
			      "num_sdma_queues_per_engine %u\n"
			      "num_cp_queues %u\n"
			      "cwsr_size %u\n"
			      "ctl_stack_size %u\n"
			      "max_engine_clk_fcompute %u\n"
			      "local_mem_size 0\n"
			      "fw_version %u\n"
			      "capability %lu\n"
			      "debug_prop 0\n"
			      "sdma_fw_version %u\n"
			      "unique_id %u\n"
			      "num_xcc 1\n"
			      "max_engine_clk_ccompute %u\n",
			      num_links, 0x80000000u + 4 * (hdev->topology_node - 1),
			      HGPU_GFX_TARGET_VERSION, hdev->pdev->vendor, hdev->pdev->device,
			      pci_dev_id(hdev->pdev), pci_domain_nr(hdev->pdev->bus),
			      hdev->drm.render->index, hdev->hive.id,
			      hqds->num_engines, hqds->num_slots / hqds->num_engines,
			      HGPU_CP_QUEUES, HGPU_KFD_CWSR_SIZE, HGPU_KFD_CTL_STACK_SIZE,
			      HGPU_ENGINE_CLOCK_MHZ, HGPU_MEC_FW_VERSION,
			      HSA_CAP_SVMAPI_SUPPORTED | HSA_CAP_DOORBELL_TYPE_2_0,
			      HGPU_SDMA_FW_VERSION, hdev->gpu_id, HGPU_ENGINE_CLOCK_MHZ);
}

/* ---- nodes ---- */

/* What node @n says of itself, if the nodes below @num are there. */
static char *hgpu_topo_properties(unsigned int n, unsigned int num)
{
	if (!n)
		return hgpu_topo_cpu_properties(num - 1);
	return hgpu_topo_gpu_properties(hgpu_topo_node[n].hdev, 1 + hgpu_topo_peers(n, num));
}

/* Its directory, and the one for links to come. */
static int hgpu_topo_make_node(unsigned int n, u32 gpu_id, const char *name)
{
	struct list_head *dirs = &hgpu_topo_node[n].dirs;
	struct hgpu_topo_dir *node = hgpu_topo_mkdir(dirs, &hgpu_topo_nodes->kobj, "%u", n);
	char *properties = hgpu_topo_properties(n, n + 1);
	int ret;

	if (!node || !properties) {
		kfree(properties);
		return -ENOMEM;
	}
	hgpu_topo_node[n].node = node;
	/* The first file: hgpu_topo_count_links() relies on it. */
	ret = hgpu_topo_add(node, "properties", properties) ?:
	      hgpu_topo_file(node, "gpu_id", "%u\n", gpu_id) ?:
	      hgpu_topo_file(node, "name", "%s\n", name);
	if (ret)
		return ret;
	hgpu_topo_node[n].links = hgpu_topo_mkdir(dirs, &node->kobj, "io_links");
	return hgpu_topo_node[n].links ? 0 : -ENOMEM;
}

static int hgpu_topo_make_cpu(void)
{
	struct list_head *dirs = &hgpu_topo_node[0].dirs;
	int ret = hgpu_topo_make_node(0, 0, "");
	struct kobject *node;

	if (ret)
		return ret;
	node = &hgpu_topo_node[0].node->kobj;
	return hgpu_topo_mem_bank(dirs, node, HSA_MEM_HEAP_TYPE_SYSTEM,
				  (u64)totalram_pages() << PAGE_SHIFT) ?:
	       hgpu_topo_cpu_cache(dirs, node);
}

/* The properties of every node name the number of its links. */
static int hgpu_topo_count_links(void)
{
	unsigned int n;
	char *text;

	for (n = 0; n < hgpu_topo_num_nodes; n++) {
		text = hgpu_topo_properties(n, hgpu_topo_num_nodes);
		if (!text)
			return -ENOMEM;
		mutex_lock(&hgpu_topo_text_lock);
		swap(hgpu_topo_node[n].node->files[0].text, text);
		mutex_unlock(&hgpu_topo_text_lock);
		kfree(text);
	}
	return 0;
}

static int hgpu_topo_make_gpu(unsigned int n, struct hgpu_device *hdev)
{
	bool large_bar = hdev->vram.visible == hdev->vram.size;
	struct list_head *dirs = &hgpu_topo_node[n].dirs;
	int ret = hgpu_topo_make_node(n, hdev->gpu_id, HGPU_GFX_NAME);

	if (ret)
		return ret;
	/* Others' links to the GPU come and go with the GPU's node. */
	return hgpu_topo_mem_bank(dirs, &hgpu_topo_node[n].node->kobj,
				  large_bar ? HSA_MEM_HEAP_TYPE_FB_PUBLIC :
					      HSA_MEM_HEAP_TYPE_FB_PRIVATE,
				  hgpu_vram_size(hdev)) ?:
	       hgpu_topo_io_links(dirs, n);
}

/* Take nodes away from the last one down, until @keep are left. */
static void hgpu_topo_shrink(unsigned int keep)
{
	while (hgpu_topo_num_nodes > keep) {
		struct hgpu_topo_node *node = &hgpu_topo_node[--hgpu_topo_num_nodes];

		hgpu_topo_remove(&node->dirs);
		node->hdev = NULL;
	}
}

int hgpu_kfd_topology_update(struct hgpu_device **gpus, unsigned int num_gpus)
{
	unsigned int same = 0;
	int ret = 0;

	while (same < num_gpus && same + 1 < hgpu_topo_num_nodes &&
	       hgpu_topo_node[same + 1].hdev == gpus[same])
		same++;

	WRITE_ONCE(hgpu_topo_generation, hgpu_topo_generation + 1);
	hgpu_topo_shrink(1 + same);
	while (!ret && hgpu_topo_num_nodes < 1 + num_gpus) {
		unsigned int n = hgpu_topo_num_nodes++;

		hgpu_topo_node[n].hdev = gpus[n - 1];
		ret = hgpu_topo_make_gpu(n, gpus[n - 1]);
	}
	if (ret)	/* nodes below the one that failed are whole */
		hgpu_topo_shrink(hgpu_topo_num_nodes - 1);
	ret = hgpu_topo_count_links() ?: ret;
	WRITE_ONCE(hgpu_topo_generation, hgpu_topo_generation + 1);
	return ret;
}

int hgpu_kfd_topology_init(void)
{
	LIST_HEAD(dirs);
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(hgpu_topo_node); i++)
		INIT_LIST_HEAD(&hgpu_topo_node[i].dirs);

	hgpu_topo_root = hgpu_topo_mkdir(&dirs, &hgpu_kfd_class_device()->kobj, "topology");
	if (!hgpu_topo_root)
		return -ENOMEM;
	/* Not part of a node: hgpu_kfd_topology_exit() knows it. */
	list_del_init(&hgpu_topo_root->link);

	hgpu_topo_nodes = hgpu_topo_mkdir(&hgpu_topo_node[0].dirs, &hgpu_topo_root->kobj, "nodes");
	hgpu_topo_num_nodes = 1;
	ret = hgpu_topo_add(hgpu_topo_root, "generation_id", NULL) ?:
	      hgpu_topo_file(hgpu_topo_root, "system_properties",
			     "platform_oem 0\nplatform_id 0\nplatform_rev 0\n");
	if (!ret)
		ret = hgpu_topo_nodes ? hgpu_topo_make_cpu() : -ENOMEM;
	if (!ret)
		ret = hgpu_kfd_topology_update(NULL, 0);
	if (ret)
		hgpu_kfd_topology_exit();
	return ret;
}

void hgpu_kfd_topology_exit(void)
{
	hgpu_topo_shrink(0);
	kobject_del(&hgpu_topo_root->kobj);
	kobject_put(&hgpu_topo_root->kobj);
	hgpu_topo_root = NULL;
}
