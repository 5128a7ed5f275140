// SPDX-License-Identifier: GPL-2.0-only
/*
 * KFD's ioctls.
 *
 * Dispatched by number, whatever size the caller's structure has: the thunk's
 * are older and shorter than ours, and SVM's ends in an array. What the caller
 * does not have is 0 for us; what we do not know is left as it is. As in KFD
 * the structure goes back also when the call failed.
 */
#include <drm/drm_print.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "hgpu_device.h"
#include "hgpu_kfd.h"
#include "hgpu_kfd_events.h"
#include "hgpu_memlimit.h"
#include "hgpu_process.h"

#define HGPU_LDS_BASE		(1ull << 48)
#define HGPU_SCRATCH_BASE	(2ull << 48)
#define HGPU_APERTURE_SIZE	(1ull << 32)

/* How a gfx906 addresses tiled surfaces. There are none here. */
#define HGPU_GB_ADDR_CONFIG	0x22014042
#define HGPU_TILE_CONFIGS	32
#define HGPU_MACRO_TILE_CONFIGS	16

struct hgpu_process_device *hgpu_kfd_pdd(struct hgpu_process *process, u32 gpu_id)
{
	struct hgpu_process_device *pdd = hgpu_process_device_by_id(process, gpu_id);

	lockdep_assert_held(&process->lock);
	if (!pdd)
		return ERR_PTR(-EINVAL);
	return pdd->removed || hgpu_process_dead(process) ? ERR_PTR(-ENODEV) : pdd;
}

/* ---- questions ---- */

static int hgpu_kfd_get_version(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_version_args *args = data;

	args->major_version = KFD_IOCTL_MAJOR_VERSION;
	args->minor_version = HGPU_KFD_MINOR_VERSION;
	return 0;
}

/* The answer to an ioctl that nothing comes of: is the process bound to the GPU? */
static int hgpu_kfd_check_bound(struct hgpu_process *process, u32 gpu_id, int unbound)
{
	struct hgpu_process_device *pdd;
	int ret;

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, gpu_id);
	if (IS_ERR(pdd))
		ret = PTR_ERR(pdd);
	else
		ret = pdd->ready ? 0 : unbound;
	mutex_unlock(&process->lock);
	return ret;
}

static int hgpu_kfd_get_clock_counters(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_clock_counters_args *args = data;
	struct hgpu_process_device *pdd;

	/* KFD answers for a node without a GPU too */
	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpu_id);
	args->gpu_clock_counter = IS_ERR(pdd) ? 0 : hgpu_gpu_timestamp(pdd->hdev);
	mutex_unlock(&process->lock);

	args->cpu_clock_counter = ktime_get_raw_ns();
	args->system_clock_counter = ktime_get_boottime_ns();
	args->system_clock_freq = NSEC_PER_SEC;
	return 0;
}

static int hgpu_kfd_get_available_memory(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_available_memory_args *args = data;
	struct hgpu_process_device *pdd;

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpu_id);
	if (!IS_ERR(pdd))
		args->available = hgpu_memlimit_vram_left(pdd->hdev);
	mutex_unlock(&process->lock);
	return PTR_ERR_OR_ZERO(pdd);
}

static void hgpu_kfd_fill_aperture(const struct hgpu_process_device *pdd,
				   struct kfd_process_device_apertures *aperture)
{
	aperture->gpu_id = pdd->hdev->gpu_id;
	aperture->lds_base = HGPU_LDS_BASE;
	aperture->lds_limit = HGPU_LDS_BASE + HGPU_APERTURE_SIZE - 1;
	aperture->scratch_base = HGPU_SCRATCH_BASE;
	aperture->scratch_limit = HGPU_SCRATCH_BASE + HGPU_APERTURE_SIZE - 1;
	aperture->gpuvm_base = HGPU_KFD_GPUVM_BASE;
	aperture->gpuvm_limit = HGPU_KFD_GPUVM_LIMIT;
}

static unsigned int hgpu_kfd_fill_apertures(struct hgpu_process *process,
					    struct kfd_process_device_apertures *apertures,
					    unsigned int max)
{
	unsigned int i, n = 0;

	mutex_lock(&process->lock);
	for (i = 0; i < process->num_devices && n < max; i++)
		if (!process->devices[i]->removed)
			hgpu_kfd_fill_aperture(process->devices[i], &apertures[n++]);
	mutex_unlock(&process->lock);
	return n;
}

static int hgpu_kfd_get_apertures(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_process_apertures_args *args = data;

	args->num_of_nodes = hgpu_kfd_fill_apertures(process, args->process_apertures,
						     NUM_OF_SUPPORTED_GPUS);
	return 0;
}

static int hgpu_kfd_get_apertures_new(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_process_apertures_new_args *args = data;
	struct kfd_process_device_apertures apertures[HGPU_MAX_GPUS] = {};
	unsigned int n;

	n = hgpu_kfd_fill_apertures(process, apertures, HGPU_MAX_GPUS);
	if (!args->num_of_nodes) {	/* how many would there be? */
		args->num_of_nodes = n;
		return 0;
	}
	/* User space may pass the number of all nodes, the CPU's included. */
	args->num_of_nodes = min(n, args->num_of_nodes);
	if (copy_to_user(u64_to_user_ptr(args->kfd_process_device_apertures_ptr), apertures,
			 args->num_of_nodes * sizeof(apertures[0])))
		return -EFAULT;
	return 0;
}

/* The part of an array that user space has room for is 0, as on any gfx9. */
static int hgpu_kfd_clear_tiles(u64 ptr, u32 *num, u32 max)
{
	*num = min(*num, max);
	if (!clear_user(u64_to_user_ptr(ptr), *num * sizeof(u32)))
		return 0;
	*num = 0;
	return -EFAULT;
}

static int hgpu_kfd_get_tile_config(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_get_tile_config_args *args = data;
	struct hgpu_process_device *pdd;

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpu_id);
	mutex_unlock(&process->lock);
	if (IS_ERR(pdd))
		return PTR_ERR(pdd);
	args->gb_addr_config = HGPU_GB_ADDR_CONFIG;
	args->num_banks = 0;	/* not of gfx9 */
	args->num_ranks = 0;
	return hgpu_kfd_clear_tiles(args->tile_config_ptr, &args->num_tile_configs,
				    HGPU_TILE_CONFIGS) ?:
	       hgpu_kfd_clear_tiles(args->macro_tile_config_ptr,
				    &args->num_macro_tile_configs, HGPU_MACRO_TILE_CONFIGS);
}

/* ---- what waves would need, and none runs ---- */

static int hgpu_kfd_set_trap_handler(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_trap_handler_args *args = data;

	return hgpu_kfd_check_bound(process, args->gpu_id, -ESRCH);
}

static int hgpu_kfd_set_scratch_backing_va(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_scratch_backing_va_args *args = data;

	return hgpu_kfd_check_bound(process, args->gpu_id, -ENODEV);
}

/* The old debugger interface, as KFD answers it. */
static int hgpu_kfd_not_permitted(struct hgpu_process *process, void *data)
{
	return -EPERM;
}

/* ---- memory ---- */

static int hgpu_kfd_ioctl_acquire_vm(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_acquire_vm_args *args = data;
	struct hgpu_process_device *pdd;
	int ret;

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpu_id);
	ret = IS_ERR(pdd) ? PTR_ERR(pdd) : hgpu_kfd_acquire_vm(pdd, args->drm_fd);
	mutex_unlock(&process->lock);
	return ret;
}

static int hgpu_kfd_set_memory_policy(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_memory_policy_args *args = data;

	if (args->default_policy > KFD_IOC_CACHE_POLICY_NONCOHERENT ||
	    args->alternate_policy > KFD_IOC_CACHE_POLICY_NONCOHERENT)
		return -EINVAL;
	/* There are no caches to have a policy. */
	return hgpu_kfd_check_bound(process, args->gpu_id, -ESRCH);
}

static int hgpu_kfd_ioctl_alloc(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args *args = data;
	struct hgpu_process_device *pdd;
	int ret;

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpu_id);
	if (IS_ERR(pdd))
		ret = PTR_ERR(pdd);
	else
		ret = pdd->ready ? hgpu_kfd_alloc(pdd, args) : -ENODEV;
	mutex_unlock(&process->lock);
	return ret;
}

/* The buffer of a handle, on a GPU that is there. KFD's calls differ in what they say if there is @none. */
static struct hgpu_kfd_bo *hgpu_kfd_bo(struct hgpu_process *process, u64 handle, int none)
{
	struct hgpu_process_device *pdd;
	struct hgpu_kfd_bo *kbo;

	pdd = hgpu_kfd_pdd(process, FIELD_GET(HGPU_KFD_HANDLE_GPU_ID, handle));
	if (IS_ERR(pdd))
		return ERR_CAST(pdd);
	kbo = hgpu_kfd_bo_lookup(process, handle);
	return kbo ?: ERR_PTR(none);
}

static int hgpu_kfd_ioctl_free(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_free_memory_of_gpu_args *args = data;
	struct hgpu_kfd_bo *kbo;
	int ret;

	mutex_lock(&process->lock);
	kbo = hgpu_kfd_bo(process, args->handle, -EINVAL);
	ret = IS_ERR(kbo) ? PTR_ERR(kbo) : hgpu_kfd_free(kbo);
	mutex_unlock(&process->lock);
	return ret;
}

/*
 * MAP and UNMAP have the same arguments. They go through the GPUs in order and
 * stop at the first failure; n_success says how far they came. As in KFD there
 * may be more of them than GPUs.
 */
static int hgpu_kfd_for_gpus(struct hgpu_process *process,
			     struct kfd_ioctl_map_memory_to_gpu_args *args,
			     int (*fn)(struct hgpu_kfd_bo *kbo, struct hgpu_process_device *pdd))
{
	struct hgpu_kfd_bo *kbo;
	int ret = 0;
	u32 *ids;

	if (!args->n_devices || args->n_success > args->n_devices)
		return -EINVAL;
	ids = memdup_array_user(u64_to_user_ptr(args->device_ids_array_ptr), args->n_devices,
				sizeof(*ids));
	if (IS_ERR(ids))
		return PTR_ERR(ids);

	mutex_lock(&process->lock);
	kbo = hgpu_kfd_bo(process, args->handle, -ENOMEM);
	if (IS_ERR(kbo))
		ret = PTR_ERR(kbo);
	while (!ret && args->n_success < args->n_devices) {
		struct hgpu_process_device *pdd = hgpu_kfd_pdd(process, ids[args->n_success]);

		ret = IS_ERR(pdd) ? PTR_ERR(pdd) : fn(kbo, pdd);
		if (!ret)
			args->n_success++;
	}
	mutex_unlock(&process->lock);
	kfree(ids);
	return ret;
}

static int hgpu_kfd_ioctl_map(struct hgpu_process *process, void *data)
{
	return hgpu_kfd_for_gpus(process, data, hgpu_kfd_map);
}

static_assert(sizeof(struct kfd_ioctl_map_memory_to_gpu_args) ==
	      sizeof(struct kfd_ioctl_unmap_memory_from_gpu_args));

static int hgpu_kfd_ioctl_unmap(struct hgpu_process *process, void *data)
{
	return hgpu_kfd_for_gpus(process, data, hgpu_kfd_unmap);
}

/* ---- shared virtual memory ---- */

static int hgpu_kfd_set_xnack_mode(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_set_xnack_mode_args *args = data;
	int ret = 0;

	mutex_lock(&process->lock);
	if (args->xnack_enabled < 0)
		args->xnack_enabled = process->svms.xnack;
	else if (hgpu_process_has_work(process))
		ret = -EBUSY;		/* also when nothing would change, as KFD */
	else if (args->xnack_enabled && !hgpu_process_can_retry(process))
		ret = -EPERM;
	else
		ret = hgpu_svms_set_xnack(&process->svms, args->xnack_enabled);
	mutex_unlock(&process->lock);
	return ret;
}

static int hgpu_kfd_svm(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_svm_args *args = data;

	switch (args->op) {
	case KFD_IOCTL_SVM_OP_SET_ATTR:
		return hgpu_svm_set_attr(&process->svms, args->start_addr, args->size,
					 args->nattr, args->attrs);
	case KFD_IOCTL_SVM_OP_GET_ATTR:
		return hgpu_svm_get_attr(&process->svms, args->start_addr, args->size,
					 args->nattr, args->attrs);
	default:
		return -EINVAL;
	}
}

/* The array of attributes must be inside of what was copied in. */
static int hgpu_kfd_svm_validate(const void *data, unsigned int size)
{
	const struct kfd_ioctl_svm_args *args = data;
	size_t need = struct_size(args, attrs, args->nattr);

	return need == SIZE_MAX || size < need ? -EINVAL : 0;
}

/* ---- events ---- */

static int hgpu_kfd_smi_events(struct hgpu_process *process, void *data)
{
	struct kfd_ioctl_smi_events_args *args = data;
	struct hgpu_process_device *pdd;
	int ret;

	mutex_lock(&process->lock);
	pdd = hgpu_kfd_pdd(process, args->gpuid);
	ret = IS_ERR(pdd) ? PTR_ERR(pdd) : hgpu_smi_open(pdd->hdev);
	mutex_unlock(&process->lock);
	if (ret < 0)
		return ret;
	args->anon_fd = ret;
	return 0;
}

/* ---- dispatch ---- */

struct hgpu_kfd_ioctl_desc {
	unsigned int cmd;
	int (*fn)(struct hgpu_process *process, void *data);
	int (*validate)(const void *data, unsigned int size);
};

#define HGPU_KFD_IOCTL(name, _fn, ...) \
	[_IOC_NR(AMDKFD_IOC_##name)] = { .cmd = AMDKFD_IOC_##name, .fn = _fn, __VA_ARGS__ }

static const struct hgpu_kfd_ioctl_desc hgpu_kfd_ioctls[AMDKFD_COMMAND_END] = {
	HGPU_KFD_IOCTL(GET_VERSION, hgpu_kfd_get_version),
	HGPU_KFD_IOCTL(CREATE_QUEUE, hgpu_kfd_create_queue),
	HGPU_KFD_IOCTL(DESTROY_QUEUE, hgpu_kfd_destroy_queue),
	HGPU_KFD_IOCTL(SET_MEMORY_POLICY, hgpu_kfd_set_memory_policy),
	HGPU_KFD_IOCTL(GET_CLOCK_COUNTERS, hgpu_kfd_get_clock_counters),
	HGPU_KFD_IOCTL(GET_PROCESS_APERTURES, hgpu_kfd_get_apertures),
	HGPU_KFD_IOCTL(UPDATE_QUEUE, hgpu_kfd_update_queue),
	HGPU_KFD_IOCTL(CREATE_EVENT, hgpu_kfd_create_event),
	HGPU_KFD_IOCTL(DESTROY_EVENT, hgpu_kfd_destroy_event),
	HGPU_KFD_IOCTL(SET_EVENT, hgpu_kfd_set_event),
	HGPU_KFD_IOCTL(RESET_EVENT, hgpu_kfd_reset_event),
	HGPU_KFD_IOCTL(WAIT_EVENTS, hgpu_kfd_wait_events),
	HGPU_KFD_IOCTL(DBG_REGISTER_DEPRECATED, hgpu_kfd_not_permitted),
	HGPU_KFD_IOCTL(DBG_UNREGISTER_DEPRECATED, hgpu_kfd_not_permitted),
	HGPU_KFD_IOCTL(DBG_ADDRESS_WATCH_DEPRECATED, hgpu_kfd_not_permitted),
	HGPU_KFD_IOCTL(DBG_WAVE_CONTROL_DEPRECATED, hgpu_kfd_not_permitted),
	HGPU_KFD_IOCTL(SET_SCRATCH_BACKING_VA, hgpu_kfd_set_scratch_backing_va),
	HGPU_KFD_IOCTL(GET_TILE_CONFIG, hgpu_kfd_get_tile_config),
	HGPU_KFD_IOCTL(SET_TRAP_HANDLER, hgpu_kfd_set_trap_handler),
	HGPU_KFD_IOCTL(GET_PROCESS_APERTURES_NEW, hgpu_kfd_get_apertures_new),
	HGPU_KFD_IOCTL(ACQUIRE_VM, hgpu_kfd_ioctl_acquire_vm),
	HGPU_KFD_IOCTL(ALLOC_MEMORY_OF_GPU, hgpu_kfd_ioctl_alloc),
	HGPU_KFD_IOCTL(FREE_MEMORY_OF_GPU, hgpu_kfd_ioctl_free),
	HGPU_KFD_IOCTL(MAP_MEMORY_TO_GPU, hgpu_kfd_ioctl_map),
	HGPU_KFD_IOCTL(UNMAP_MEMORY_FROM_GPU, hgpu_kfd_ioctl_unmap),
	HGPU_KFD_IOCTL(SET_CU_MASK, hgpu_kfd_set_cu_mask),
	HGPU_KFD_IOCTL(GET_QUEUE_WAVE_STATE, hgpu_kfd_get_queue_wave_state),
	HGPU_KFD_IOCTL(ALLOC_QUEUE_GWS, hgpu_kfd_alloc_queue_gws),
	HGPU_KFD_IOCTL(SMI_EVENTS, hgpu_kfd_smi_events),
	HGPU_KFD_IOCTL(SVM, hgpu_kfd_svm, .validate = hgpu_kfd_svm_validate),
	HGPU_KFD_IOCTL(SET_XNACK_MODE, hgpu_kfd_set_xnack_mode),
	HGPU_KFD_IOCTL(AVAILABLE_MEMORY, hgpu_kfd_get_available_memory),
};

/* @data: room for the caller's structure and for ours, zeroed */
static long hgpu_kfd_call(struct hgpu_process *process,
			  const struct hgpu_kfd_ioctl_desc *desc, void __user *arg,
			  void *data, unsigned int user_size)
{
	long ret;

	if (desc->cmd & IOC_IN && copy_from_user(data, arg, user_size))
		return -EFAULT;
	ret = desc->validate ? desc->validate(data, user_size) : 0;
	if (ret)
		return ret;
	ret = desc->fn(process, data);
	if (desc->cmd & IOC_OUT && copy_to_user(arg, data, user_size))
		return -EFAULT;
	return ret;
}

/**
 * hgpu_kfd_ioctl() - an ioctl of /dev/kfd
 * @process: whose file it is; the caller belongs to it
 * @cmd: as the caller has it; of its size only the caller's side is believed
 * @arg: the caller's structure
 *
 * Return: 0; -ENOTTY for what is none of KFD's numbers; -EINVAL for those
 * that this driver does not have; never -EAGAIN or -EINTR, on which the thunk
 * would try again for ever, but for a wait that a signal ends.
 */
long hgpu_kfd_ioctl(struct hgpu_process *process, unsigned int cmd, unsigned long arg)
{
	const struct hgpu_kfd_ioctl_desc *desc;
	unsigned int user_size = _IOC_SIZE(cmd), nr = _IOC_NR(cmd);
	u64 small[16] = {};
	void *data = small;
	unsigned int size;
	long ret;

	if (_IOC_TYPE(cmd) != AMDKFD_IOCTL_BASE || nr < AMDKFD_COMMAND_START || nr >= AMDKFD_COMMAND_END)
		return -ENOTTY;
	desc = &hgpu_kfd_ioctls[array_index_nospec(nr, AMDKFD_COMMAND_END)];
	if (!desc->fn)
		return -EINVAL;

	size = max_t(unsigned int, user_size, _IOC_SIZE(desc->cmd));
	if (size > sizeof(small)) {
		data = kzalloc(size, GFP_KERNEL);
		if (!data)
			return -ENOMEM;
	}
	ret = hgpu_kfd_call(process, desc, (void __user *)arg, data, user_size);
	if (data != small)
		kfree(data);
	return ret;
}
