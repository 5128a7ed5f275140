// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * AMD's libhsakmt on our driver: the distribution's as it is, and the one that comes with kfdtest. Arguments are those
 * of every test program (tap.h).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem.h"
#include "thunk.h"

static uint64_t mem_total(void)
{
	return named_value("/proc/meminfo", "MemTotal:") * 1024;
}

/* ---- topology ---- */

static void version_is_one_that_has_svm_and_smi(void)
{
	HsaVersionInfo v;

	ok(hsaKmtOpenKFD());
	ok(hsaKmtGetVersion(&v));
	expect_int(v.KernelInterfaceMajorVersion, ==, 1);
	expect_int(v.KernelInterfaceMinorVersion, >=, 10);
	ok(hsaKmtCloseKFD());
}

static void system_has_the_cpu_and_every_gpu(void)
{
	struct system s = thunk_open();

	expect_int(s.num_gpus, ==, gpu_count());
	expect_int(s.num_nodes, ==, 1 + s.num_gpus);
	for (unsigned int i = 0; i < s.num_gpus; i++)
		expect_int(s.gpu[i], ==, 1 + i);
	ok(hsaKmtReleaseSystemProperties());
	ok(hsaKmtCloseKFD());
}

static void node_0_is_the_cpu(void)
{
	HsaNodeProperties p;

	thunk_open();
	p = node_properties(0);
	expect_int(p.NumCPUCores, ==, sysconf(_SC_NPROCESSORS_ONLN));
	expect_int(p.NumFComputeCores, ==, 0);
	expect_int(p.NumMemoryBanks, >=, 1);
	expect_int(p.NumCaches, >=, 1);
}

static void gpu_node_is_a_gfx906_with_svm(void)
{
	struct system s = thunk_open();

	for (unsigned int i = 0; i < s.num_gpus; i++) {
		HsaNodeProperties p = node_properties(s.gpu[i]);

		expect_int(p.NumCPUCores, ==, 0);
		expect_int(p.NumFComputeCores, ==, 4);
		expect_int(p.EngineId.ui32.Major, ==, 9);
		expect_int(p.EngineId.ui32.Minor, ==, 0);
		expect_int(p.EngineId.ui32.Stepping, ==, 6);
		expect_int(p.Capability.ui32.SVMAPISupported, ==, 1);
		expect_int(p.DrmRenderMinor, >=, 128);
		expect_int(p.WaveFrontSize, ==, 64);
		expect_int(p.NumSdmaEngines, >=, 1);
		expect_int(p.NumSdmaQueuesPerEngine, >=, 1);
		expect_int(p.uCodeEngineVersions.uCodeSDMA, >, 0);
	}
}

/* The size of the node's only bank of one or the other type. */
static uint64_t bank_size(HSAuint32 node, HSA_HEAPTYPE type, HSA_HEAPTYPE other)
{
	HSAuint32 n = node_properties(node).NumMemoryBanks;
	HsaMemoryProperties banks[16];
	uint64_t size = 0;

	memset(banks, 0, sizeof(banks));
	expect(n && n <= 16, "node %u has %u banks", node, n);
	ok(hsaKmtGetNodeMemoryProperties(node, n, banks));
	for (HSAuint32 i = 0; i < n; i++)
		if (banks[i].HeapType == type || banks[i].HeapType == other) {
			expect_int(size, ==, 0);	/* there is one */
			size = banks[i].SizeInBytes;
		}
	expect(size, "node %u has no bank of type %d", node, type);
	return size;
}

static void memory_banks_have_their_sizes(void)
{
	struct system s = thunk_open();
	char path[96];

	expect_int(bank_size(0, HSA_HEAPTYPE_SYSTEM, HSA_HEAPTYPE_SYSTEM), ==, mem_total());
	for (unsigned int i = 0; i < s.num_gpus; i++) {
		snprintf(path, sizeof(path), "/sys/devices/virtual/kfd/kfd/topology/nodes/%u/mem_banks/0/properties", s.gpu[i]);
		expect_int(bank_size(s.gpu[i], HSA_HEAPTYPE_FRAME_BUFFER_PUBLIC, HSA_HEAPTYPE_FRAME_BUFFER_PRIVATE), ==,
			   named_value(path, "size_in_bytes"));
	}
}

/* Node @from has a PCIe link to @to. */
static void expect_link(HSAuint32 from, HSAuint32 to)
{
	HSAuint32 n = node_properties(from).NumIOLinks;
	HsaIoLinkProperties links[2 * MAX_GPUS];
	bool found = false;

	memset(links, 0, sizeof(links));
	expect(n && n <= 2 * MAX_GPUS, "node %u has %u links", from, n);
	ok(hsaKmtGetNodeIoLinkProperties(from, n, links));
	for (HSAuint32 i = 0; i < n; i++) {
		expect_int(links[i].NodeFrom, ==, from);
		if (links[i].NodeTo == to) {
			expect_int(links[i].IoLinkType, ==, HSA_IOLINKTYPE_PCIEXPRESS);
			expect_int(links[i].Weight, ==, 20);
			found = true;
		}
	}
	expect(found, "node %u has no link to node %u", from, to);
}

static void io_links_join_every_gpu_and_the_cpu(void)
{
	struct system s = thunk_open();

	expect_int(node_properties(0).NumIOLinks, ==, s.num_gpus);
	for (unsigned int i = 0; i < s.num_gpus; i++) {
		expect_link(0, s.gpu[i]);
		expect_link(s.gpu[i], 0);
	}
}

static void clock_counters_run(void)
{
	HsaClockCounters a, b;
	struct system s = thunk_open();

	ok(hsaKmtGetClockCounters(s.gpu[0], &a));
	nap_us(10000);
	ok(hsaKmtGetClockCounters(s.gpu[0], &b));
	expect_int(b.GPUClockCounter, >, a.GPUClockCounter);
	expect_int(b.SystemClockCounter, >=, a.SystemClockCounter + 10000000);
	expect_int(b.SystemClockFrequencyHz, ==, 1000000000);
}

/* ---- memory and queues ---- */

/* The GPU fills and copies @at; @to is system memory in which the CPU looks. */
static void expect_gpu_works_on(struct sdma *q, uint32_t *at, uint32_t *to, size_t size)
{
	memset(to, 0, size);
	sdma_fill(q, at, 0x600df00d, size);
	sdma_copy(q, to, at, size);
	sdma_run(q);
	value_check(to, size, 0x600df00d);
}

static void memory_of_kind(HSAuint32 node, HSAuint32 gpu, HsaMemFlags flags)
{
	uint32_t *at, *to;
	struct sdma q;

	sdma_create(&q, gpu);
	to = memory_alloc(0, MIB, non_paged());
	at = memory_alloc(node, MIB, flags);
	if (flags.ui32.HostAccess) {
		pattern_fill(at, MIB, 1);
		sdma_copy(&q, to, at, MIB);
		sdma_run(&q);
		pattern_check(to, MIB, 1);
	}
	expect_gpu_works_on(&q, at, to, MIB);
	if (flags.ui32.HostAccess)
		value_check(at, MIB, 0x600df00d);
	memory_free(at, MIB);
	memory_free(to, MIB);
	sdma_destroy(&q);
}

static void on_every_gpu_of(struct system s, void (*run)(HSAuint32 node))
{
	for (unsigned int i = 0; i < s.num_gpus; i++)
		run(s.gpu[i]);
}

static void on_every_gpu(void (*run)(HSAuint32 node))
{
	on_every_gpu_of(thunk_open(), run);
}

static void use_paged(HSAuint32 gpu) { memory_of_kind(0, gpu, paged()); }
static void use_non_paged(HSAuint32 gpu) { memory_of_kind(0, gpu, non_paged()); }
static void use_vram(HSAuint32 gpu) { memory_of_kind(gpu, gpu, non_paged()); }
static void use_hidden_vram(HSAuint32 gpu) { memory_of_kind(gpu, gpu, hidden()); }

static void paged_system_memory_is_used_by_the_gpu(void) { on_every_gpu(use_paged); }
static void non_paged_system_memory_is_used_by_the_gpu(void) { on_every_gpu(use_non_paged); }
static void vram_is_used_by_gpu_and_cpu(void) { on_every_gpu(use_vram); }
static void vram_without_host_access_is_used_by_the_gpu(void) { on_every_gpu(use_hidden_vram); }

#ifdef HSA_SMI_EVENT_MASK_FROM_INDEX
static void available_memory_shrinks_and_grows(void)
{
	struct system s = thunk_open();
	HSAuint64 before, with, after;
	void *at = NULL;

	ok(hsaKmtAvailableMemory(s.gpu[0], &before));
	ok(hsaKmtAllocMemory(s.gpu[0], 16 * MIB, non_paged(), &at));
	ok(hsaKmtAvailableMemory(s.gpu[0], &with));
	ok(hsaKmtFreeMemory(at, 16 * MIB));
	ok(hsaKmtAvailableMemory(s.gpu[0], &after));
	expect_int(with, ==, before - 16 * MIB);
	expect_int(after, ==, before);
}
#endif

static void queue_takes_updates_and_ends(void)
{
	struct system s = thunk_open();
	struct sdma q;
	uint32_t *to;

	sdma_create(&q, s.gpu[0]);
	to = memory_alloc(0, MIB, non_paged());
	memset(to, 0, MIB);
	ok(hsaKmtUpdateQueue(q.resource.QueueId, 0, HSA_QUEUE_PRIORITY_NORMAL, q.ring, 65536, NULL));
	sdma_fill(&q, to, 1, MIB);
	sdma_submit(&q);
	nap_us(50000);
	expect(!sdma_is_done(&q), "a queue of 0 per cent runs");
	ok(hsaKmtUpdateQueue(q.resource.QueueId, 100, HSA_QUEUE_PRIORITY_NORMAL, q.ring, 65536, NULL));
	expect(wait_until(sdma_is_done(&q), 10000), "it does not go on");
	value_check(to, MIB, 1);
	sdma_destroy(&q);
}

/* ---- events ---- */

static void event_is_set_waited_for_and_reset(void)
{
	struct system s = thunk_open();
	HsaEvent *e = event_create(HSA_EVENTTYPE_SIGNAL, s.gpu[0], true);

	expect_int(hsaKmtWaitOnEvent(e, 10), ==, HSAKMT_STATUS_WAIT_TIMEOUT);
	ok(hsaKmtSetEvent(e));
	ok(hsaKmtWaitOnEvent(e, 0));
	ok(hsaKmtWaitOnEvent(e, 0));		/* it is reset by hand */
	ok(hsaKmtResetEvent(e));
	expect_int(hsaKmtWaitOnEvent(e, 0), ==, HSAKMT_STATUS_WAIT_TIMEOUT);
	ok(hsaKmtDestroyEvent(e));
}

static void *set_a_little_later(void *event)
{
	nap_us(50000);
	ok(hsaKmtSetEvent(event));
	return NULL;
}

static void one_of_two_events_ends_a_wait(void)
{
	struct system s = thunk_open();
	HsaEvent *e[] = { event_create(HSA_EVENTTYPE_SIGNAL, s.gpu[0], false),
			  event_create(HSA_EVENTTYPE_SIGNAL, s.gpu[0], false) };
	pthread_t thread;

	pthread_create(&thread, NULL, set_a_little_later, e[1]);
	ok(hsaKmtWaitOnMultipleEvents(e, 2, false, 20000));
	pthread_join(thread, NULL);
	expect_int(hsaKmtWaitOnMultipleEvents(e, 2, true, 10), ==, HSAKMT_STATUS_WAIT_TIMEOUT);
	ok(hsaKmtDestroyEvent(e[0]));
	ok(hsaKmtDestroyEvent(e[1]));
}

static void signal_of(HSAuint32 gpu)
{
	HsaEvent *e = event_create(HSA_EVENTTYPE_SIGNAL, gpu, false);
	struct sdma q;

	sdma_create(&q, gpu);
	expect_int(hsaKmtWaitOnEvent(e, 0), ==, HSAKMT_STATUS_WAIT_TIMEOUT);
	for (int i = 0; i < 10; i++) {
		sdma_signal(&q, e);
		sdma_submit(&q);
		ok(hsaKmtWaitOnEvent(e, 20000));
	}
	sdma_destroy(&q);
	ok(hsaKmtDestroyEvent(e));
}

static void gpu_signals_an_event(void) { on_every_gpu(signal_of); }

static void access_that_is_not_allowed_is_a_memory_event(void)
{
	struct system s = thunk_open();
	const HsaMemoryAccessFault *fault;
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	HsaEvent *e = event_create(HSA_EVENTTYPE_MEMORY, s.gpu[0], true);
	struct sdma q;

	sdma_create(&q, s.gpu[0]);
	expect_int(mprotect(at + 2 * PAGE, PAGE, PROT_NONE), ==, 0);
	sdma_fill(&q, at + 2 * PAGE, 1, PAGE);
	sdma_submit(&q);
	ok(hsaKmtWaitOnEvent(e, 20000));
	fault = &e->EventData.EventData.MemoryAccessFault;
	expect_int(fault->VirtualAddress, ==, (uintptr_t)(at + 2 * PAGE));
	expect_int(fault->NodeId, ==, s.gpu[0]);
	expect(!sdma_is_done(&q), "the queue did what must be refused");
	sdma_destroy(&q);
	ok(hsaKmtDestroyEvent(e));
}

/* ---- shared virtual memory ---- */

static HSAuint32 svm_get1(void *at, size_t size, HSAuint32 type)
{
	HSA_SVM_ATTRIBUTE a = { .type = type };

	ok(hsaKmtSVMGetAttr(at, size, 1, &a));
	return a.value;
}

static void svm_set1(void *at, size_t size, HSAuint32 type, HSAuint32 value)
{
	HSA_SVM_ATTRIBUTE a = { .type = type, .value = value };

	ok(hsaKmtSVMSetAttr(at, size, 1, &a));
}

static void svm_attributes_are_kept(void)
{
	struct system s = thunk_open();
	HSA_SVM_ATTRIBUTE access = { .type = HSA_SVM_ATTR_ACCESS, .value = s.gpu[0] };
	char *at = map_anon(4 * MIB);

	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_PREFERRED_LOC), ==, INVALID_NODEID);
	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_PREFETCH_LOC), ==, INVALID_NODEID);
	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_GRANULARITY), ==, 9);
	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_SET_FLAGS), ==, HSA_SVM_FLAG_HOST_ACCESS | HSA_SVM_FLAG_COHERENT);

	svm_set1(at, MIB, HSA_SVM_ATTR_PREFERRED_LOC, s.gpu[0]);
	svm_set1(at, MIB, HSA_SVM_ATTR_GRANULARITY, 5);
	svm_set1(at, MIB, HSA_SVM_ATTR_SET_FLAGS, HSA_SVM_FLAG_GPU_EXEC);
	svm_set1(at, MIB, HSA_SVM_ATTR_CLR_FLAGS, HSA_SVM_FLAG_COHERENT);
	svm_set1(at, MIB, HSA_SVM_ATTR_ACCESS_IN_PLACE, s.gpu[0]);
	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_PREFERRED_LOC), ==, s.gpu[0]);
	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_GRANULARITY), ==, 5);
	expect_int(svm_get1(at, MIB, HSA_SVM_ATTR_SET_FLAGS), ==, HSA_SVM_FLAG_HOST_ACCESS | HSA_SVM_FLAG_GPU_EXEC);
	ok(hsaKmtSVMGetAttr(at, MIB, 1, &access));
	expect_int(access.type, ==, HSA_SVM_ATTR_ACCESS_IN_PLACE);

	/* what differs within it; what has no attributes does not count */
	expect_int(svm_get1(at, 2 * MIB, HSA_SVM_ATTR_PREFERRED_LOC), ==, s.gpu[0]);
	svm_set1(at + MIB, MIB, HSA_SVM_ATTR_PREFERRED_LOC, 0);
	expect_int(svm_get1(at, 2 * MIB, HSA_SVM_ATTR_PREFERRED_LOC), ==, INVALID_NODEID);
}

static void svm_prefetch_moves_and_the_cpu_brings_back(void)
{
	struct system s = thunk_open();
	char *at = map_anon(4 * MIB);

	pattern_fill(at, 4 * MIB, 7);
	svm_set1(at, 4 * MIB, HSA_SVM_ATTR_PREFETCH_LOC, s.gpu[0]);
	expect_in_vram(at, 4 * MIB);
	expect_int(svm_get1(at, 4 * MIB, HSA_SVM_ATTR_PREFETCH_LOC), ==, s.gpu[0]);
	pattern_check(at, 4 * MIB, 7);
	expect_in_ram(at, 4 * MIB);
	svm_set1(at, 4 * MIB, HSA_SVM_ATTR_PREFETCH_LOC, s.gpu[0]);
	svm_set1(at, 4 * MIB, HSA_SVM_ATTR_PREFETCH_LOC, 0);
	expect_in_ram(at, 4 * MIB);
	pattern_check(at, 4 * MIB, 7);
}

static void svm_range_of_no_memory_is_refused(void)
{
	HSA_SVM_ATTRIBUTE a = { .type = HSA_SVM_ATTR_GRANULARITY, .value = 3 };

	thunk_open();
	expect_int(hsaKmtSVMSetAttr((void *)0x10000, PAGE, 1, &a), ==, HSAKMT_STATUS_ERROR);
	expect_int(hsaKmtSVMGetAttr((void *)0x10000, PAGE, 1, &a), ==, HSAKMT_STATUS_ERROR);
}

/* 6.2 turns these into SVM attributes, 5.2 maps the pages to the GPU at another address. */
static void use_registered(HSAuint32 gpu)
{
	HSAuint64 elsewhere = 0;
	char *at = map_anon(2 * MIB);
	struct sdma q;
	uint32_t *to;

	sdma_create(&q, gpu);
	to = memory_alloc(0, MIB, non_paged());
	memset(to, 0, MIB);
	pattern_fill(at, MIB, 3);
	ok(hsaKmtRegisterMemory(at, MIB));
	ok(hsaKmtMapMemoryToGPU(at, MIB, &elsewhere));
	sdma_copy(&q, to, elsewhere ? (void *)elsewhere : at, MIB);
	sdma_run(&q);
	pattern_check(to, MIB, 3);
	ok(hsaKmtUnmapMemoryToGPU(at));
	ok(hsaKmtDeregisterMemory(at));
	memory_free(to, MIB);
	sdma_destroy(&q);
}

static void registered_memory_is_used_by_the_gpu(void) { on_every_gpu(use_registered); }

static void registered_memory_is_used_without_xnack(void)
{
	struct system s = thunk_open();

	ok(hsaKmtSetXNACKMode(0));
	on_every_gpu_of(s, use_registered);
}

static int xnack_mode(void)
{
	HSAint32 mode = -1;

	ok(hsaKmtGetXNACKMode(&mode));
	return mode;
}

static void xnack_mode_is_switched_without_queues_only(void)
{
	struct system s = thunk_open();
	struct sdma q;

	expect_int(xnack_mode(), ==, 1);
	ok(hsaKmtSetXNACKMode(0));
	expect_int(xnack_mode(), ==, 0);
	sdma_create(&q, s.gpu[0]);
	expect_int(hsaKmtSetXNACKMode(1), ==, HSAKMT_STATUS_ERROR);
	expect_int(hsaKmtSetXNACKMode(0), ==, HSAKMT_STATUS_ERROR);
	expect_int(xnack_mode(), ==, 0);
	sdma_destroy(&q);
	ok(hsaKmtSetXNACKMode(1));
	expect_int(xnack_mode(), ==, 1);
}

/* ---- SMI ---- */

#ifdef HSA_SMI_EVENT_MASK_FROM_INDEX
static void smi_tells_of_a_prefetch(void)
{
	HSAuint64 mask = HSA_SMI_EVENT_MASK_FROM_INDEX(HSA_SMI_EVENT_MIGRATE_START);
	struct system s = thunk_open();
	char *at = map_anon(2 * MIB), text[HSA_SMI_EVENT_MSG_SIZE] = "";
	unsigned int event, from, to, prefetch, preferred, trigger;
	unsigned long page, pages;
	long long ns;
	int fd = -1, pid;

	ok(hsaKmtOpenSMI(s.gpu[0], &fd));
	expect_int(write(fd, &mask, sizeof(mask)), ==, sizeof(mask));
	memset(at, 1, 2 * MIB);
	svm_set1(at, 2 * MIB, HSA_SVM_ATTR_PREFETCH_LOC, s.gpu[0]);
	expect_int(read(fd, text, sizeof(text) - 1), >, 0);
	expect(sscanf(text, "%x %lld -%d @%lx(%lx) %x->%x %x:%x %u", &event, &ns, &pid, &page, &pages, &from, &to, &prefetch,
		      &preferred, &trigger) == 10, "'%s' is no such event", text);
	expect_int(event, ==, HSA_SMI_EVENT_MIGRATE_START);
	expect_int(pid, ==, getpid());
	expect_int(page, ==, (uintptr_t)at / PAGE);
	expect_int(pages, ==, 2 * MIB / PAGE);
	expect_int(from, ==, 0);
	expect_int(trigger, ==, HSA_MIGRATE_TRIGGER_PREFETCH);
	close(fd);
}
#endif

static const struct tap_test tests[] = {
	TAP_TEST(version_is_one_that_has_svm_and_smi),
	TAP_TEST(system_has_the_cpu_and_every_gpu),
	TAP_TEST(node_0_is_the_cpu),
	TAP_TEST(gpu_node_is_a_gfx906_with_svm),
	TAP_TEST(memory_banks_have_their_sizes),
	TAP_TEST(io_links_join_every_gpu_and_the_cpu),
	TAP_TEST(clock_counters_run),
	TAP_TEST(paged_system_memory_is_used_by_the_gpu),
	TAP_TEST(non_paged_system_memory_is_used_by_the_gpu),
	TAP_TEST(vram_is_used_by_gpu_and_cpu),
	TAP_TEST(vram_without_host_access_is_used_by_the_gpu),
	TAP_TEST(queue_takes_updates_and_ends),
	TAP_TEST(event_is_set_waited_for_and_reset),
	TAP_TEST(one_of_two_events_ends_a_wait),
	TAP_TEST(gpu_signals_an_event),
	TAP_TEST(access_that_is_not_allowed_is_a_memory_event),
	TAP_TEST(svm_attributes_are_kept),
	TAP_TEST(svm_prefetch_moves_and_the_cpu_brings_back),
	TAP_TEST(svm_range_of_no_memory_is_refused),
	TAP_TEST(registered_memory_is_used_by_the_gpu),
	TAP_TEST(registered_memory_is_used_without_xnack),
	TAP_TEST(xnack_mode_is_switched_without_queues_only),
#ifdef HSA_SMI_EVENT_MASK_FROM_INDEX	/* libhsakmt 5.2 has no such functions */
	TAP_TEST(available_memory_shrinks_and_grows),
	TAP_TEST(smi_tells_of_a_prefetch),
#endif
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
