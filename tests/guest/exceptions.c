// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Exceptions: a process whose GPU access is wrong is told where and why, nothing of it runs on that GPU any more, and
 * nobody else notices. A GPU that is reset tells everybody. As KFD in Linux 6.12, but for what SPEC.md says.
 *
 * RUN:
 * RUN-DEFAULT: --iommu
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000fu
#define NOTHING ((char *)0x220000000000)	/* nobody maps anything here */

/* ---- what is told ---- */

static void access_to_nothing(void)
{
	char *buf = map_anon(4 * PAGE);
	uint32_t id;

	pattern_fill(buf, 4 * PAGE, SEED);
	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_copy(&q, buf, NOTHING + 2 * PAGE + 100, 64);
	queue_run_into_fault(&q);
	expect_exception(id, NOTHING + 2 * PAGE, "not present");
	expect(!is_signaled(id), "it came twice");
	pattern_check(buf, 4 * PAGE, SEED);
	queue_destroy(&q);
}

/* In the middle of a copy the page counts, not where the copy begins. */
static void access_beyond_the_end_of_memory(void)
{
	char *buf = map_anon(8 * PAGE), *copy = map_anon(8 * PAGE);
	uint32_t id;

	pattern_fill(buf, 8 * PAGE, SEED);
	munmap(buf + 5 * PAGE, 3 * PAGE);
	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_copy(&q, copy + 8, buf + 8, 7 * PAGE);
	queue_run_into_fault(&q);
	expect_exception(id, buf + 5 * PAGE, "not present");
	queue_destroy(&q);
}

static void access_to_memory_without_access(void)
{
	char *buf = map_anon(PAGE);
	uint32_t id;

	*buf = 1;
	mprotect(buf, PAGE, PROT_NONE);
	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_write32(&q, buf, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, buf, "not present");
	queue_destroy(&q);
}

static void write_to_read_only_memory(void)
{
	char *buf = map_anon(2 * PAGE);
	uint32_t id;

	pattern_fill(buf, 2 * PAGE, SEED);
	mprotect(buf, 2 * PAGE, PROT_READ);
	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_write32(&q, buf + PAGE + 12, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, buf + PAGE, "read-only");
	pattern_check(buf, 2 * PAGE, SEED);
	queue_destroy(&q);
}

static void write_to_what_the_gpu_may_only_read(void)
{
	struct kfd_ioctl_svm_attribute ro = { KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO };
	char *buf = map_anon(MIB), *copy = map_anon(MIB);
	uint32_t id;

	pattern_fill(buf, MIB, SEED);
	gpu_and_queue(&gpu, &q);
	expect_int(svm_set_attr(&gpu, buf, MIB, 1, &ro), ==, 0);
	queue_copy(&q, copy, buf, MIB);	/* so that it is mapped */
	queue_run(&q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_write32(&q, buf + 7 * PAGE, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, buf + 7 * PAGE, "read-only");
	pattern_check(buf, MIB, SEED);
	queue_destroy(&q);
}

static void write_to_a_read_only_buffer(void)
{
	struct kfd_ioctl_alloc_memory_of_gpu_args a = { .size = PAGE, .flags = KFD_IOC_ALLOC_MEM_FLAGS_GTT };
	struct kfd_ioctl_map_memory_to_gpu_args m = { .n_devices = 1, .device_ids_array_ptr = (uintptr_t)&gpu.id };
	char *at = map_anon(PAGE);
	uint32_t id;

	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	munmap(at, PAGE);
	a.gpu_id = gpu.id;
	a.va_addr = (uintptr_t)at;
	expect_int(kfd(AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, a), ==, 0);
	m.handle = a.handle;
	expect_int(kfd(AMDKFD_IOC_MAP_MEMORY_TO_GPU, m), ==, 0);
	expect(mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, gpu.drm, a.mmap_offset) == at, "%s",
	       strerror(errno));
	*(uint32_t *)at = 1;
	queue_write32(&q, at, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, at, "read-only");
	expect_int(*(volatile uint32_t *)at, ==, 1);
	queue_destroy(&q);
}

/* ---- who is told ---- */

static void sleeping_waiters_wake_up(void)
{
	struct waiter any = { .n = 2, .ms = FOREVER }, all = { .n = 2, .ms = FOREVER, .all = true };
	uint32_t id[2];

	any.id[1] = open_with_page();
	id[0] = any.id[0] = all.id[0] = create_type(KFD_IOC_EVENT_MEMORY, MANUAL);
	id[1] = all.id[1] = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	start(&any);
	start(&all);
	expect_asleep(&any);
	expect_asleep(&all);
	queue_write32(&q, NOTHING, 0xbad);
	queue_run_into_fault(&q);
	ended_with(&any, COMPLETE);
	ended_with(&all, COMPLETE);
	for (int i = 0; i < 2; i++)	/* again and again: nothing has reset it */
		expect_exception(id[0], NOTHING, "not present");
	expect(!is_signaled(id[1]), "the waiter has left the signal");
	queue_destroy(&q);
}

static void other_events_are_left_alone(void)
{
	static const uint32_t types[] = { KFD_IOC_EVENT_NODECHANGE, KFD_IOC_EVENT_DEVICESTATECHANGE,
		KFD_IOC_EVENT_HW_EXCEPTION, KFD_IOC_EVENT_SYSTEM_EVENT, KFD_IOC_EVENT_DEBUG_EVENT, KFD_IOC_EVENT_SIGNAL };
	uint32_t id[6], memory[3], late;

	open_with_page();
	for (int i = 0; i < 6; i++)
		id[i] = create_type(types[i], MANUAL);
	for (int i = 0; i < 3; i++)
		memory[i] = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	expect_int(destroy(memory[1]), ==, 0);
	queue_write32(&q, NOTHING, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(memory[2], NOTHING, "not present");
	expect_exception(memory[0], NOTHING, "not present");
	late = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	expect(!is_signaled(late), "an event tells of what was before it");
	for (int i = 0; i < 6; i++)
		expect(!is_signaled(id[i]), "an event of type %u is signalled", types[i]);
	queue_destroy(&q);
}

/* ---- what stops ---- */

/* Nothing runs: neither the queue nor one that comes now. What a program does when it ends still works. */
static void expect_standstill(struct queue *other)
{
	char *buf = map_anon(MIB);
	struct queue fresh;
	uint64_t rptr;

	queue_create(&fresh, &gpu, 4096);
	queue_fill(&fresh, buf, 1, PAGE);
	queue_submit(&fresh);
	rptr = queue_rptr(other);
	queue_fill(other, buf + PAGE, 1, PAGE);
	queue_submit(other);
	expect_int(kfd(AMDKFD_IOC_UPDATE_QUEUE, (struct kfd_ioctl_update_queue_args){
		.queue_id = other->id, .ring_base_address = (uintptr_t)other->ring.at, .ring_size = other->ring.size,
		.queue_percentage = 50, .queue_priority = 7 }), ==, 0);
	nap_us(100000);
	expect_int(queue_rptr(other), ==, rptr);
	expect_int(queue_rptr(&fresh), ==, 0);
	value_check(buf, MIB, 0);
	queue_destroy(&fresh);
}

static void all_queues_of_the_process_stop(void)
{
	char *buf = map_anon(GRANULE), *keep = map_anon(4 * MIB);
	struct queue busy, idle;

	pattern_fill(keep, 4 * MIB, SEED);
	gpu_and_queue(&gpu, &q);
	queue_create(&busy, &gpu, 64 << 10);
	queue_create(&idle, &gpu, 4096);
	queue_nop(&idle);
	queue_run(&idle);
	expect_int(svm_prefetch(&gpu, keep, 4 * MIB, gpu.id), ==, 0);
	for (int i = 1; i < 3000; i++)
		queue_fill(&busy, buf, i, GRANULE);
	queue_submit(&busy);
	queue_write32(&q, NOTHING, 0xbad);
	queue_run_into_fault(&q);
	expect(!queue_idle(&busy), "the other queue was through first");
	memset(buf, 0x55, GRANULE);
	expect_standstill(&idle);
	value_check(buf, GRANULE, 0x55555555);	/* not by the busy one either */
	expect(!queue_idle(&busy), "a queue goes on");
	queue_destroy(&q);
	queue_destroy(&busy);
	queue_destroy(&idle);
	/* memory is not stopped */
	pattern_check(keep, 4 * MIB, SEED);
	expect_int(svm_prefetch(&gpu, keep, 4 * MIB, gpu.id), ==, 0);
	expect_in_vram(keep, 4 * MIB);
	pattern_check(keep, 4 * MIB, SEED);
}

static void exception_outlasts_a_reset(void)
{
	char address[16], path[64];
	struct queue idle;

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	gpu_and_queue(&gpu, &q);
	queue_write32(&q, NOTHING, 0xbad);
	queue_run_into_fault(&q);
	expect_int(write_text(path, "1"), ==, 0);
	queue_destroy(&q);
	queue_create(&idle, &gpu, 4096);
	expect_standstill(&idle);
	queue_destroy(&idle);
}

/* What the processes of the next test tell each other. */
struct crowd {
	volatile uint32_t rounds, stop;
};

static void work_beside(void *arg)
{
	char *buf = map_anon(2 * MIB), *copy = map_anon(2 * MIB);
	struct crowd *c = arg;
	uint32_t id;

	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	while (!c->stop) {
		pattern_fill(buf, 2 * MIB, SEED + c->rounds);	/* faults of both kinds */
		queue_copy(&q, copy, buf, 2 * MIB);
		queue_run(&q);
		pattern_check(copy, 2 * MIB, SEED + c->rounds);
		c->rounds++;
	}
	expect(!is_signaled(id), "it is told of another process's exception");
	queue_destroy(&q);
}

static void be_wrong(void *arg)
{
	uint32_t id;

	(void)arg;
	gpu_and_queue(&gpu, &q);
	id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
	queue_write32(&q, NOTHING, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, NOTHING, "not present");
}

static void other_processes_are_unharmed(void)
{
	struct crowd *c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid = tap_fork(work_beside, c);

	expect(wait_until(c->rounds > 1, 20000), "the other process does not run");
	for (unsigned int i = 0; i < tap_rounds(10); i++)
		tap_join(tap_fork(be_wrong, NULL));
	for (uint32_t rounds = c->rounds, i = 0; i < 2; i++, rounds = c->rounds)
		expect(wait_until(c->rounds > rounds, 20000), "the other process stands");
	c->stop = 1;
	tap_join(pid);
}

/* ---- hardware exceptions ---- */

static void expect_reset(uint32_t id)
{
	struct kfd_hsa_hw_exception_data *h;
	struct kfd_event_data data;

	expect_int(wait_and_read(id, PATIENT, &data), ==, COMPLETE);
	h = &data.hw_exception_data;
	expect_int(h->reset_type, ==, 0);	/* of the whole GPU */
	expect_int(h->reset_cause, ==, 0);	/* it was no ECC error */
	expect_int(h->memory_lost, ==, 0);
	expect_int(h->gpu_id, ==, gpu.id);
	expect_int(((uint32_t *)&data)[4], ==, 0x55555555);	/* there is no more of it */
}

static void wait_for_a_reset(void *arg)
{
	struct crowd *c = arg;
	uint32_t id;

	gpu_open(&gpu, 0);
	id = create_type(KFD_IOC_EVENT_HW_EXCEPTION, AUTO);
	c->rounds++;
	expect_reset(id);
}

static void reset_is_an_exception_for_everybody(void)
{
	struct crowd *c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pid = tap_fork(wait_for_a_reset, c);
	uint32_t hw, memory, signal;
	char address[16], path[64];
	struct waiter sleeper;

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	signal = open_with_page();
	hw = create_type(KFD_IOC_EVENT_HW_EXCEPTION, MANUAL);
	memory = create_type(KFD_IOC_EVENT_MEMORY, MANUAL);
	sleeper = (struct waiter){ .id = { memory, hw }, .n = 2, .ms = FOREVER };
	start(&sleeper);
	expect_asleep(&sleeper);
	expect(wait_until(c->rounds, 20000), "the other process does not come so far");
	expect_int(write_text(path, "1"), ==, 0);
	ended_with(&sleeper, COMPLETE);
	expect_reset(hw);
	expect(!is_signaled(memory), "a reset is told as a memory exception");
	expect(!is_signaled(signal), "a reset signals an event of the program's");
	tap_join(pid);
	queue_destroy(&q);
	queue_create(&q, &gpu, 4096);	/* it is no end */
	queue_nop(&q);
	queue_run(&q);
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(access_to_nothing),
	TAP_TEST(access_beyond_the_end_of_memory),
	TAP_TEST(access_to_memory_without_access),
	TAP_TEST(write_to_read_only_memory),
	TAP_TEST(write_to_what_the_gpu_may_only_read),
	TAP_TEST(write_to_a_read_only_buffer),
	TAP_TEST(sleeping_waiters_wake_up),
	TAP_TEST(other_events_are_left_alone),
	TAP_TEST(all_queues_of_the_process_stop),
	TAP_TEST(exception_outlasts_a_reset),
	TAP_TEST(other_processes_are_unharmed),
	TAP_TEST(reset_is_an_exception_for_everybody),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
