// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Compute queues as the thunk makes them: they come, change and go as KFD's do, and nothing runs them. And what
 * goes with them: CU masks, trap handlers, scratch memory, tile configurations.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_regs.h"
#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define NODE "/sys/devices/virtual/kfd/kfd/topology/nodes/1/properties"
#define SOMEWHERE ((char *)0x230000000000)

enum {
	CTL_STACK = 0x1000,
	CWSR = 0x56000,			/* with 40 waves of one CU */
	RING = 4096,
	PM4_WRITE_DATA = (int)0xc0033700, PM4_TO_MEMORY = 5 << 8,
};

/**
 * struct compute - a compute queue and what it lives in
 * @ring: packets
 * @pointers: read pointer at 0, write pointer at 8
 * @eop: end of pipe buffer
 * @save: save area
 * @args: of CREATE_QUEUE
 */
struct compute {
	struct bo ring, pointers, eop, save;
	struct kfd_ioctl_create_queue_args args;
};

static void prepare(struct compute *c, uint32_t type)
{
	bo_create(&c->ring, &gpu, RING);
	bo_create(&c->pointers, &gpu, PAGE);
	bo_create(&c->eop, &gpu, PAGE);
	bo_create(&c->save, &gpu, CWSR + PAGE);
	memset(c->pointers.at, 0, PAGE);
	c->args = (struct kfd_ioctl_create_queue_args){
		.gpu_id = gpu.id, .queue_type = type, .ring_size = RING, .queue_percentage = 100, .queue_priority = 7,
		.ring_base_address = (uintptr_t)c->ring.at, .read_pointer_address = (uintptr_t)c->pointers.at,
		.write_pointer_address = (uintptr_t)c->pointers.at + 8,
		.eop_buffer_address = (uintptr_t)c->eop.at, .eop_buffer_size = PAGE,
		.ctx_save_restore_address = (uintptr_t)c->save.at, .ctx_save_restore_size = CWSR,
		.ctl_stack_size = CTL_STACK,
	};
}

static int try_make(struct compute *c)
{
	return kfd(AMDKFD_IOC_CREATE_QUEUE, c->args);
}

static void make(struct compute *c, uint32_t type)
{
	prepare(c, type);
	expect_int(try_make(c), ==, 0);
}

static int destroy_id(uint32_t id)
{
	return kfd(AMDKFD_IOC_DESTROY_QUEUE, (struct kfd_ioctl_destroy_queue_args){ .queue_id = id });
}

static void unmake(struct compute *c)
{
	expect_int(destroy_id(c->args.queue_id), ==, 0);
	bo_destroy(&c->ring);
	bo_destroy(&c->pointers);
	bo_destroy(&c->eop);
	bo_destroy(&c->save);
}

static int change(uint32_t id, void *ring, size_t size, unsigned int percent)
{
	return kfd(AMDKFD_IOC_UPDATE_QUEUE, (struct kfd_ioctl_update_queue_args){
		.queue_id = id, .ring_base_address = (uintptr_t)ring, .ring_size = size, .queue_percentage = percent,
		.queue_priority = 3 });
}

static int unmap(const struct bo *bo)
{
	return kfd(AMDKFD_IOC_UNMAP_MEMORY_FROM_GPU, (struct kfd_ioctl_unmap_memory_from_gpu_args){
		.handle = bo->handle, .n_devices = 1, .device_ids_array_ptr = (uintptr_t)&gpu.id });
}

/* ---- life ---- */

static void queues_of_both_formats_come_and_go(void)
{
	static const uint32_t types[] = { KFD_IOC_QUEUE_TYPE_COMPUTE, KFD_IOC_QUEUE_TYPE_COMPUTE_AQL };

	gpu_open(&gpu, 0);
	for (int i = 0; i < 2; i++) {
		struct bo larger;
		struct compute c;

		make(&c, types[i]);
		bo_create(&larger, &gpu, 4 * RING);
		expect_int(change(c.args.queue_id, larger.at, 4 * RING, 50), ==, 0);
		expect_int(change(c.args.queue_id, NULL, 0, 50), ==, 0);	/* off */
		expect_int(change(c.args.queue_id, larger.at, 4 * RING, 0), ==, 0);
		expect_int(change(c.args.queue_id, larger.at, 4 * RING, 100), ==, 0);
		unmake(&c);
		bo_destroy(&larger);
		expect_int(destroy_id(c.args.queue_id), ==, -EINVAL);
		expect_int(change(c.args.queue_id, NULL, 0, 0), ==, -EFAULT);
	}
	gpu_works(&gpu);
}

static void ids_and_doorbells_are_not_shared(void)
{
	struct compute c[3];
	uint64_t frame;

	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 3; i++)
		make(&c[i], KFD_IOC_QUEUE_TYPE_COMPUTE + i % 2 * 2);
	frame = c[0].args.doorbell_offset & ~8191ull;
	for (int i = 0; i < 3; i++) {
		expect_int(c[i].args.doorbell_offset & ~8191ull, ==, frame);
		expect_int(c[i].args.queue_id, !=, q.id);
		expect(gpu.doorbells + (c[i].args.doorbell_offset & 8191) / 8 != q.doorbell, "a doorbell has two queues");
		for (int k = 0; k < i; k++) {
			expect_int(c[i].args.queue_id, !=, c[k].args.queue_id);
			expect_int(c[i].args.doorbell_offset, !=, c[k].args.doorbell_offset);
		}
	}
	for (int i = 0; i < 3; i++)
		unmake(&c[i]);
	queue_destroy(&q);
}

/* It is not there yet, and does not pretend: whoever waits for the read pointer waits. */
static void nothing_runs(void)
{
	volatile uint64_t *pointers;
	uint32_t *word, event;
	struct compute c;
	struct bo target;

	event = open_with_page();
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	bo_create(&target, &gpu, PAGE);
	word = target.at;
	*(volatile uint32_t *)word = 1;
	memcpy(c.ring.at, (uint32_t[]){ (uint32_t)PM4_WRITE_DATA, PM4_TO_MEMORY, (uint32_t)(uintptr_t)word,
					(uintptr_t)word >> 32, 0xbad }, 20);
	pointers = c.pointers.at;
	for (int round = 0; round < 3; round++) {
		pointers[1] = 5;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		gpu.doorbells[(c.args.doorbell_offset & 8191) / 8] = 5;
		if (round)	/* also for a queue that is found with work when it is enabled */
			expect_int(change(c.args.queue_id, c.ring.at, RING, round == 1 ? 0 : 100), ==, 0);
		gpu_works(&gpu);
		expect_int(wait_one(event, 50), ==, TIMEOUT);
		expect_int(pointers[0], ==, 0);
		expect_int(*(volatile uint32_t *)word, ==, 1);
	}
	unmake(&c);
}

static void memory_of_a_compute_queue_stays_mapped(void)
{
	struct compute c;
	struct bo other;

	gpu_open(&gpu, 0);
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	expect_int(unmap(&c.ring), ==, -EBUSY);
	expect_int(unmap(&c.pointers), ==, -EBUSY);
	expect_int(unmap(&c.eop), ==, -EBUSY);
	expect_int(unmap(&c.save), ==, -EBUSY);
	bo_create(&other, &gpu, RING);
	expect_int(change(c.args.queue_id, other.at, RING, 100), ==, 0);
	expect_int(unmap(&other), ==, -EBUSY);
	expect_int(change(c.args.queue_id, c.ring.at, RING, 100), ==, 0);
	bo_destroy(&other);	/* not held any more */
	expect_int(unmap(&c.save), ==, -EBUSY);
	unmake(&c);
}

static void xnack_mode_is_fixed_by_a_compute_queue(void)
{
	struct kfd_ioctl_set_xnack_mode_args xnack = { .xnack_enabled = 1 };
	struct compute c;

	gpu_open(&gpu, 0);
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	expect_int(kfd(AMDKFD_IOC_SET_XNACK_MODE, xnack), ==, -EBUSY);
	unmake(&c);
	expect_int(kfd(AMDKFD_IOC_SET_XNACK_MODE, xnack), ==, 0);
}

static void there_are_127_queues_at_most(void)
{
	uint32_t id[127];
	struct compute c;

	gpu_open(&gpu, 0);
	prepare(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	for (int i = 0; i < 127; i++) {
		expect_int(try_make(&c), ==, 0);
		id[i] = c.args.queue_id;
	}
	expect_int(try_make(&c), ==, -ENOSPC);
	expect_int(destroy_id(id[50]), ==, 0);
	expect_int(try_make(&c), ==, 0);
	expect_int(try_make(&c), ==, -ENOSPC);
	expect_int(destroy_id(c.args.queue_id), ==, 0);
	for (int i = 0; i < 127; i++)
		expect_int(destroy_id(id[i]), ==, i == 50 ? -EINVAL : 0);
	gpu_works(&gpu);
}

static void reset_leaves_compute_queues(void)
{
	char address[16], path[64];
	struct compute c;

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	gpu_open(&gpu, 0);
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	expect_int(write_text(path, "1"), ==, 0);
	expect_int(change(c.args.queue_id, c.ring.at, RING, 100), ==, 0);
	unmake(&c);
	gpu_works(&gpu);
}

static void die_with_queues(void *arg)
{
	struct compute c[5];

	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 5; i++)
		make(&c[i], KFD_IOC_QUEUE_TYPE_COMPUTE);
	if (!arg)
		return;
	*(volatile uint32_t *)arg = 1;
	for (;;)
		pause();
}

static void processes_end_with_their_compute_queues(void)
{
	volatile uint32_t *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid;

	tap_join(tap_fork(die_with_queues, NULL));
	pid = tap_fork(die_with_queues, (void *)word);
	expect(wait_until(*word, 20000), "the process did not come so far");
	kill(pid, SIGKILL);
	tap_join_killed(pid, SIGKILL);
	expect(wait_until(stat_now("queues_created") == stat_now("queues_destroyed"), 5000), "%lu queues are left",
	       stat_now("queues_created") - stat_now("queues_destroyed"));
}

/* ---- what is refused ---- */

static void bad_compute_queues_are_refused(void)
{
	struct kfd_ioctl_create_queue_args good;
	struct compute c;

	gpu_open(&gpu, 0);
	prepare(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	good = c.args;
#define REFUSE_WITH(field, value) do { \
	c.args = good; c.args.field = value; \
	int got_ = try_make(&c); \
	if (got_ != -EINVAL) \
		fail("CREATE_QUEUE with %s = %s gave %d (%s)", #field, #value, got_, strerror(-got_)); } while (0)
	REFUSE_WITH(gpu_id, gpu.id + 1);
	REFUSE_WITH(ring_size, 3 << 12);
	REFUSE_WITH(ring_size, 2 * RING);
	REFUSE_WITH(ring_base_address, (uintptr_t)SOMEWHERE);
	REFUSE_WITH(ring_base_address, (uintptr_t)c.ring.at + 4);
	REFUSE_WITH(queue_percentage, 101);
	REFUSE_WITH(queue_priority, 16);
	REFUSE_WITH(read_pointer_address, 0);
	REFUSE_WITH(read_pointer_address, (uintptr_t)c.pointers.at + 2);
	REFUSE_WITH(write_pointer_address, (uintptr_t)SOMEWHERE);
	REFUSE_WITH(write_pointer_address, (uintptr_t)c.pointers.at + 4);
	REFUSE_WITH(eop_buffer_address, (uintptr_t)SOMEWHERE);
	REFUSE_WITH(eop_buffer_size, 0);
	REFUSE_WITH(eop_buffer_size, PAGE - 1);
	REFUSE_WITH(eop_buffer_size, 2 * PAGE);
	REFUSE_WITH(eop_buffer_size, ~0ull);
	REFUSE_WITH(ctl_stack_size, 0);
	REFUSE_WITH(ctl_stack_size, 2 * CTL_STACK);
	REFUSE_WITH(ctx_save_restore_size, 0);
	REFUSE_WITH(ctx_save_restore_size, CWSR - PAGE);
	REFUSE_WITH(ctx_save_restore_size, CWSR + 2 * PAGE);	/* more than there is */
	REFUSE_WITH(ctx_save_restore_size, ~0u);
	REFUSE_WITH(ctx_save_restore_address, 0);
	REFUSE_WITH(ctx_save_restore_address, (uintptr_t)SOMEWHERE);
	REFUSE_WITH(ctx_save_restore_address, ~0xfffull);
	REFUSE_WITH(ctx_save_restore_address, (uintptr_t)c.save.at + 8);
	c.args = good;
	c.args.eop_buffer_address = c.args.eop_buffer_size = 0;		/* not every GPU has one */
	expect_int(try_make(&c), ==, 0);
	expect_int(change(c.args.queue_id, c.ring.at, 3 << 12, 100), ==, -EINVAL);
	expect_int(change(c.args.queue_id, c.ring.at, 2 * RING, 100), ==, -EFAULT);
	expect_int(change(c.args.queue_id, SOMEWHERE, RING, 100), ==, -EFAULT);
	expect_int(change(c.args.queue_id, c.ring.at, RING, 101), ==, -EINVAL);
	unmake(&c);	/* none of them has kept its memory */
}

/* Where the thunk of newer interfaces has the save area. */
static void save_area_may_be_shared_memory_that_is_always_mapped(void)
{
	struct kfd_ioctl_svm_attribute mapped[] = { { KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED },
						    { KFD_IOCTL_SVM_ATTR_ACCESS, 0 } };
	struct kfd_ioctl_svm_attribute not_ours = { KFD_IOCTL_SVM_ATTR_NO_ACCESS, 0 };
	char *at = map_anon(GRANULE);
	struct compute c;

	gpu_open(&gpu, 0);
	mapped[1].value = not_ours.value = gpu.id;
	prepare(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	c.args.ctx_save_restore_address = (uintptr_t)at;
	expect_int(try_make(&c), ==, -EINVAL);
	expect_int(svm_set_attr(&gpu, at, CWSR - PAGE, 2, mapped), ==, 0);
	expect_int(try_make(&c), ==, -EINVAL);		/* its last page is not */
	expect_int(svm_set_attr(&gpu, at, CWSR, 2, mapped), ==, 0);
	expect_int(svm_set_attr(&gpu, at + 3 * PAGE, PAGE, 1, &not_ours), ==, 0);
	expect_int(try_make(&c), ==, -EINVAL);
	expect_int(svm_set_attr(&gpu, at, CWSR, 2, mapped), ==, 0);
	expect_int(try_make(&c), ==, 0);
	munmap(at, GRANULE);	/* nothing is saved there: nothing happens */
	unmake(&c);
}

/* ---- what goes with them ---- */

static int wave_state(uint32_t id, void *at, struct kfd_ioctl_get_queue_wave_state_args *a)
{
	*a = (struct kfd_ioctl_get_queue_wave_state_args){ .ctl_stack_address = (uintptr_t)at, .queue_id = id,
							   .ctl_stack_used_size = 77, .save_area_used_size = 77 };
	return kfd(AMDKFD_IOC_GET_QUEUE_WAVE_STATE, *a);
}

static void disabled_queue_has_no_waves(void)
{
	struct kfd_ioctl_get_queue_wave_state_args a;
	uint32_t header[6] = { 1, 1, 1, 1, 1, 1 };
	struct compute c;

	gpu_and_queue(&gpu, &q);
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	expect_int(wave_state(c.args.queue_id, header, &a), ==, -EINVAL);	/* they may be running */
	expect_int(change(c.args.queue_id, c.ring.at, RING, 0), ==, 0);
	expect_int(wave_state(c.args.queue_id, header, &a), ==, 0);
	expect_int(a.ctl_stack_used_size, ==, 0);
	expect_int(a.save_area_used_size, ==, 0);
	expect(!memcmp(header, (uint32_t[]){ CTL_STACK, 0, CTL_STACK, 0, 1, 1 }, sizeof(header)), "%#x %#x %#x %#x %#x",
	       header[0], header[1], header[2], header[3], header[4]);
	expect_int(wave_state(c.args.queue_id, NULL, &a), ==, -EFAULT);
	expect_int(wave_state(q.id, header, &a), ==, -EINVAL);
	expect_int(wave_state(1000, header, &a), ==, -EFAULT);
	expect_int(wave_state(~0u, header, &a), ==, -EFAULT);
	unmake(&c);
	queue_destroy(&q);
}

static int cu_mask(uint32_t id, uint32_t bits, const void *mask)
{
	return kfd(AMDKFD_IOC_SET_CU_MASK, (struct kfd_ioctl_set_cu_mask_args){ .queue_id = id, .num_cu_mask = bits,
										 .cu_mask_ptr = (uintptr_t)mask });
}

static void cu_masks_are_taken(void)
{
	char *mask = map_anon(2 * PAGE) + PAGE - 1024 / 8;	/* 1024 bits can be read */
	struct compute c;

	mprotect(mask + 1024 / 8, PAGE, PROT_NONE);
	gpu_and_queue(&gpu, &q);
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	expect_int(cu_mask(c.args.queue_id, 32, mask), ==, 0);
	expect_int(cu_mask(c.args.queue_id, 1024, mask), ==, 0);
	expect_int(cu_mask(c.args.queue_id, 1u << 31, mask), ==, 0);	/* of which KFD takes the first 1024 bits */
	expect_int(cu_mask(q.id, 32, mask), ==, 0);
	expect_int(cu_mask(c.args.queue_id, 1024, mask + 4), ==, -EFAULT);
	expect_int(cu_mask(c.args.queue_id, 32, NULL), ==, -EFAULT);
	expect_int(cu_mask(c.args.queue_id, 0, mask), ==, -EINVAL);
	expect_int(cu_mask(c.args.queue_id, 33, mask), ==, -EINVAL);
	expect_int(cu_mask(1000, 32, mask), ==, -EFAULT);
	unmake(&c);
	queue_destroy(&q);
}

static void there_is_no_global_wave_sync(void)
{
	struct kfd_ioctl_alloc_queue_gws_args a = { .num_gws = 1 };
	struct compute c;

	gpu_open(&gpu, 0);
	make(&c, KFD_IOC_QUEUE_TYPE_COMPUTE);
	a.queue_id = c.args.queue_id;
	expect_int(kfd(AMDKFD_IOC_ALLOC_QUEUE_GWS, a), ==, -ENODEV);
	a.queue_id = 1000;
	expect_int(kfd(AMDKFD_IOC_ALLOC_QUEUE_GWS, a), ==, -EINVAL);
	unmake(&c);
}

#define TRAPS(id) (struct kfd_ioctl_set_trap_handler_args){ .gpu_id = id, .tba_addr = 0x10000 }
#define SCRATCH(id) (struct kfd_ioctl_set_scratch_backing_va_args){ .gpu_id = id, .va_addr = 0x10000 }
#define POLICY(id) (struct kfd_ioctl_set_memory_policy_args){ .gpu_id = id }

static void settings_before_acquire_vm(void *arg)
{
	uint32_t id = *(uint32_t *)arg;

	gpu.kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	expect(gpu.kfd >= 0, "/dev/kfd: %s", strerror(errno));
	expect_int(kfd(AMDKFD_IOC_SET_TRAP_HANDLER, TRAPS(id)), ==, -ESRCH);
	expect_int(kfd(AMDKFD_IOC_SET_MEMORY_POLICY, POLICY(id)), ==, -ESRCH);
	expect_int(kfd(AMDKFD_IOC_SET_SCRATCH_BACKING_VA, SCRATCH(id)), ==, -ENODEV);
}

static void settings_want_a_gpu_that_is_acquired(void)
{
	gpu_open(&gpu, 0);
	tap_join(tap_fork(settings_before_acquire_vm, &gpu.id));
	expect_int(kfd(AMDKFD_IOC_SET_TRAP_HANDLER, TRAPS(gpu.id)), ==, 0);
	expect_int(kfd(AMDKFD_IOC_SET_MEMORY_POLICY, POLICY(gpu.id)), ==, 0);
	expect_int(kfd(AMDKFD_IOC_SET_SCRATCH_BACKING_VA, SCRATCH(gpu.id)), ==, 0);
	expect_int(kfd(AMDKFD_IOC_SET_TRAP_HANDLER, TRAPS(gpu.id + 1)), ==, -EINVAL);
	expect_int(kfd(AMDKFD_IOC_SET_MEMORY_POLICY, POLICY(gpu.id + 1)), ==, -EINVAL);
	expect_int(kfd(AMDKFD_IOC_SET_SCRATCH_BACKING_VA, SCRATCH(gpu.id + 1)), ==, -EINVAL);
}

static void tile_configuration_is_that_of_gfx9(void)
{
	uint32_t tiles[40], macros[20];
	struct kfd_ioctl_get_tile_config_args a = { .tile_config_ptr = (uintptr_t)tiles, .num_tile_configs = 40,
		.macro_tile_config_ptr = (uintptr_t)macros, .num_macro_tile_configs = 3, .num_banks = 5, .num_ranks = 5 };

	memset(tiles, 0x55, sizeof(tiles));
	memset(macros, 0x55, sizeof(macros));
	gpu_open(&gpu, 0);
	a.gpu_id = gpu.id;
	expect_int(kfd(AMDKFD_IOC_GET_TILE_CONFIG, a), ==, 0);
	expect_int(a.num_tile_configs, ==, 32);
	expect_int(a.num_macro_tile_configs, ==, 3);
	expect_int(a.gb_addr_config, ==, 0x22014042);
	expect_int(a.num_banks | a.num_ranks, ==, 0);
	value_check(tiles, 32 * 4, 0);
	value_check(tiles + 32, 8 * 4, 0x55555555);
	value_check(macros, 3 * 4, 0);
	value_check(macros + 3, 17 * 4, 0x55555555);
	a.tile_config_ptr = 0;
	expect_int(kfd(AMDKFD_IOC_GET_TILE_CONFIG, a), ==, -EFAULT);
	expect_int(a.num_tile_configs, ==, 0);
	a.gpu_id++;
	expect_int(kfd(AMDKFD_IOC_GET_TILE_CONFIG, a), ==, -EINVAL);
}

static void old_debugger_interface_is_not_permitted(void)
{
	uint64_t args[16] = { 0 };

	gpu_open(&gpu, 0);
	for (unsigned int nr = 0x0d; nr <= 0x10; nr++)
		expect_int(kfd_ioctl(&gpu, _IOC(_IOC_WRITE, AMDKFD_IOCTL_BASE, nr, 16), args), ==, -EPERM);
}

static void topology_tells_of_compute_queues(void)
{
	expect_int(named_value(NODE, "num_cp_queues"), ==, 24);
	expect_int(named_value(NODE, "ctl_stack_size"), ==, CTL_STACK);
	expect_int(named_value(NODE, "cwsr_size"), ==, CWSR);
	expect_int(named_value(NODE, "num_gws"), ==, 0);
}

static const struct tap_test tests[] = {
	TAP_TEST(queues_of_both_formats_come_and_go),
	TAP_TEST(ids_and_doorbells_are_not_shared),
	TAP_TEST(nothing_runs),
	TAP_TEST(memory_of_a_compute_queue_stays_mapped),
	TAP_TEST(xnack_mode_is_fixed_by_a_compute_queue),
	TAP_TEST(there_are_127_queues_at_most),
	TAP_TEST(reset_leaves_compute_queues),
	TAP_TEST(processes_end_with_their_compute_queues),
	TAP_TEST(bad_compute_queues_are_refused),
	TAP_TEST(save_area_may_be_shared_memory_that_is_always_mapped),
	TAP_TEST(disabled_queue_has_no_waves),
	TAP_TEST(cu_masks_are_taken),
	TAP_TEST(there_is_no_global_wave_sync),
	TAP_TEST(settings_want_a_gpu_that_is_acquired),
	TAP_TEST(tile_configuration_is_that_of_gfx9),
	TAP_TEST(old_debugger_interface_is_not_permitted),
	TAP_TEST(topology_tells_of_compute_queues),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
