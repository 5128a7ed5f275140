// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * GPUs of a hive: they use each other's VRAM where it is, and memory goes from one to the other without a stay in
 * system memory.
 *
 * RUN: --gpus 2 --vram 64M --device hive=1
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed0013u
#define BYTES tap_size(4 * MIB, 2 * MIB)
#define PAGES (BYTES / PAGE)
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"
#define NODES "/sys/devices/virtual/kfd/kfd/topology/nodes"

static struct gpu gpu[2];
static struct queue q[2];
static struct stats before[2];

static void count_from_here(void)
{
	for (unsigned int i = 0; i < 2; i++)
		stats_read(&before[i], i);
}

static long counted(unsigned int i, const char *name)
{
	return stats_since_of(i, &before[i], name);
}

/* One file of /dev/kfd, two GPUs with a queue each. */
static void open_both(void)
{
	gpu_open_all(gpu, 2);
	queue_create(&q[0], &gpu[0], 64 << 10);
	queue_create(&q[1], &gpu[1], 64 << 10);
}

static void done(void)
{
	queue_destroy(&q[0]);
	queue_destroy(&q[1]);
}

static void attr(const void *at, size_t bytes, uint32_t type, uint32_t value)
{
	struct kfd_ioctl_svm_attribute a = { type, value };

	expect_int(svm_set_attr(&gpu[0], at, bytes, 1, &a), ==, 0);
}

/* Memory that is in RAM and stays there, whoever uses it. */
static char *in_ram(size_t bytes)
{
	char *at = map_anon(bytes);

	attr(at, bytes, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0);
	return at;
}

/* Memory with a pattern, in the VRAM of GPU number @i. */
static char *in_vram_of(unsigned int i, size_t bytes, uint32_t seed)
{
	char *at = map_anon(bytes);

	pattern_fill(at, bytes, seed);
	expect_int(svm_prefetch(&gpu[i], at, bytes, gpu[i].id), ==, 0);
	expect_in_vram(at, bytes);
	return at;
}

/* Nothing has gone anywhere since count_from_here(). */
static void expect_nothing_moved(void)
{
	static const char *const names[] = { "pages_to_vram", "pages_to_ram", "pages_from_peers", "cpu_faults" };

	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			expect(!counted(i, names[k]), "GPU %u: %s is %ld", i, names[k], counted(i, names[k]));
}

/* All of @n pages, and no others, have gone from GPU @from to GPU @to, by themselves. */
static void expect_direct(unsigned int from, unsigned int to, long n)
{
	expect_int(counted(to, "pages_from_peers"), ==, n);
	expect_int(counted(to, "pages_to_vram"), ==, n);
	expect_int(counted(from, "pages_to_vram"), ==, 0);
	for (unsigned int i = 0; i < 2; i++) {
		expect_int(counted(i, "pages_to_ram"), ==, 0);
		expect_int(counted(i, "cpu_faults"), ==, 0);
	}
}

/* ---- what user space is told ---- */

static unsigned long number(const char *name, const char *format, unsigned int a, unsigned int b)
{
	char path[160], file[64];

	snprintf(file, sizeof(file), format, a, b);
	snprintf(path, sizeof(path), NODES "/%s", file);
	return named_value(path, name);
}

static void topology_has_xgmi_links(void)
{
	expect_int(number("io_links_count", "%u/properties", 0, 0), ==, 2);
	for (unsigned int node = 1; node <= 2; node++) {
		expect_int(number("hive_id", "%u/properties", node, 0), ==, 1);
		expect_int(number("io_links_count", "%u/properties", node, 0), ==, 2);
		expect_int(number("type", "%u/io_links/%u/properties", node, 0), ==, 2);
		expect_int(number("node_to", "%u/io_links/%u/properties", node, 0), ==, 0);
		expect_int(number("type", "%u/io_links/%u/properties", node, 1), ==, 11);
		expect_int(number("weight", "%u/io_links/%u/properties", node, 1), ==, 15);
		expect_int(number("node_from", "%u/io_links/%u/properties", node, 1), ==, node);
		expect_int(number("node_to", "%u/io_links/%u/properties", node, 1), ==, 3 - node);
		expect_int(number("flags", "%u/io_links/%u/properties", node, 1) & 1, ==, 1);
	}
}

/* ---- in place ---- */

static void peer_reads_in_place(void)
{
	char *buf, *copy;

	open_both();
	for (unsigned int user = 0; user < 2; user++) {
		copy = in_ram(BYTES);
		buf = in_vram_of(!user, BYTES, SEED + user);
		attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[user].id);
		count_from_here();
		queue_copy(&q[user], copy, buf, BYTES);
		queue_run(&q[user]);
		expect_nothing_moved();
		expect_in_vram(buf, BYTES);
		pattern_check(copy, BYTES, SEED + user);
	}
	done();
}

static void peer_writes_in_place(void)
{
	char *buf, *copy;

	open_both();
	copy = in_ram(BYTES);
	buf = in_vram_of(1, BYTES, SEED);
	pattern_fill(copy, BYTES, ~SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
	count_from_here();
	queue_copy(&q[0], buf, copy, BYTES);
	queue_run(&q[0]);
	for (size_t i = 0; i < PAGES; i++)
		queue_atomic(&q[1], HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + i * PAGE, 7, 0);
	queue_run(&q[1]);
	expect_nothing_moved();
	expect_in_vram(buf, BYTES);
	for (size_t i = 0; i < PAGES; i++) {
		uint32_t *word = (uint32_t *)(buf + i * PAGE);

		expect_int(*word, ==, pattern_at(i * PAGE / 4, ~SEED) + 7);
		*word -= 7;
	}
	pattern_check(buf, BYTES, ~SEED);
	done();
}

/* What the peer has mapped goes when the memory does. */
static void memory_that_leaves_is_not_used_where_it_was(void)
{
	char *buf, *copy;

	open_both();
	copy = in_ram(BYTES);
	buf = in_vram_of(1, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	pattern_fill(buf, BYTES, SEED + 1);	/* home, by CPU faults */
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	pattern_check(copy, BYTES, SEED + 1);

	expect(!madvise(buf, BYTES, MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	value_check(copy, BYTES, 0);
	done();
}

static void check_pattern(void *buf)
{
	pattern_check(buf, BYTES / 2, SEED);
}

static void child_and_parent_share_what_a_peer_has(void)
{
	char *buf, *copy;
	int pid;

	open_both();
	copy = in_ram(BYTES);
	buf = in_vram_of(1, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	pid = tap_fork(check_pattern, buf);
	queue_fill(&q[0], buf, 0x77, BYTES);	/* the child has its own */
	queue_run(&q[0]);
	tap_join(pid);
	value_check(buf, BYTES, 0x77);
	done();
}

/* ---- direct copies ---- */

static void prefetch_between_peers_is_direct(void)
{
	char *buf;

	open_both();
	buf = in_vram_of(0, BYTES, SEED);
	for (unsigned int round = 0; round < tap_rounds(4); round++) {
		unsigned int to = !(round % 2);

		count_from_here();
		expect_int(svm_prefetch(&gpu[0], buf, BYTES, gpu[to].id), ==, 0);
		expect_direct(!to, to, PAGES);
		expect_in_vram(buf, BYTES);
	}
	pattern_check(buf, BYTES, SEED);
	done();
}

static void fault_of_a_peer_migrates_directly(void)
{
	char *buf;

	open_both();
	buf = in_vram_of(0, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS, gpu[1].id);
	count_from_here();
	for (size_t i = 0; i < PAGES; i++)
		queue_atomic(&q[1], HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + i * PAGE, 1, 0);
	queue_run(&q[1]);
	expect_direct(0, 1, PAGES);
	for (size_t i = 0; i < PAGES; i++)
		expect_int((*(uint32_t *)(buf + i * PAGE))--, ==, pattern_at(i * PAGE / 4, SEED) + 1);
	pattern_check(buf, BYTES, SEED);
	done();
}

/* One prefetch takes what is at the peer, in RAM and nowhere, each page to its place. */
static void mixed_memory_is_collected_from_everywhere(void)
{
	const size_t PART = BYTES / 4;
	char *buf = map_anon(BYTES);

	open_both();
	/* or holes would be filled in RAM first */
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_HOST_ACCESS);
	pattern_fill(buf, PART, SEED);
	for (size_t i = 0; i < PART; i += 4 * PAGE)
		expect_int(svm_prefetch(&gpu[0], buf + i, 2 * PAGE, gpu[0].id), ==, 0);
	count_from_here();
	expect_int(svm_prefetch(&gpu[0], buf, BYTES, gpu[1].id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect_int(counted(1, "pages_to_vram"), ==, PAGES);
	expect_int(counted(1, "pages_from_peers"), ==, PART / PAGE / 2);
	expect_int(counted(1, "holes_filled"), ==, (BYTES - PART) / PAGE);
	expect_int(counted(0, "pages_to_ram"), ==, 0);
	pattern_check(buf, PART, SEED);
	value_check(buf + PART, BYTES - PART, 0);
	done();
}

/* KFD: what is preferred wins where it can be reached. */
static void preferred_peer_gets_the_memory(void)
{
	char *buf = map_anon(BYTES);

	open_both();
	pattern_fill(buf, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, gpu[1].id);
	count_from_here();
	for (size_t i = 0; i < PAGES; i++)
		queue_atomic(&q[0], HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf + i * PAGE, 1, 0);
	queue_run(&q[0]);
	expect_in_vram(buf, BYTES);
	expect_int(counted(0, "pages_to_vram"), ==, 0);
	for (size_t i = 0; i < PAGES; i++)
		expect_int((*(uint32_t *)(buf + i * PAGE))--, ==, pattern_at(i * PAGE / 4, SEED) + 1);
	pattern_check(buf, BYTES, SEED);
	done();
}

/* Not in RAM, as it must where GPUs are no peers (tests/guest/gpus.c). */
static void prefetch_goes_to_vram_although_a_peer_uses_it_in_place(void)
{
	char *buf = map_anon(BYTES);

	open_both();
	pattern_fill(buf, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
	expect_int(svm_prefetch(&gpu[0], buf, BYTES, gpu[1].id), ==, 0);
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
	done();
}

static void events_name_the_peer(void)
{
	struct smi_event e;
	char *buf;
	int fd[2];

	open_both();
	buf = in_vram_of(0, MIB, SEED);
	for (unsigned int i = 0; i < 2; i++)
		fd[i] = smi_open(&gpu[i], SMI_MIGRATE);
	expect_int(svm_prefetch(&gpu[0], buf, MIB, gpu[1].id), ==, 0);
	e = smi_next(fd[1], KFD_SMI_EVENT_MIGRATE_START);
	expect_int(e.from, ==, gpu[0].id);
	expect_int(e.to, ==, gpu[1].id);
	expect_int(e.pages, ==, MIB / PAGE);
	e = smi_next(fd[1], KFD_SMI_EVENT_MIGRATE_END);
	expect_int(e.from, ==, gpu[0].id);
	smi_expect_nothing(fd[0]);
	smi_expect_nothing(fd[1]);
	done();
}

/* ---- a peer that goes, or is reset ---- */

static void reset_peer_is_reached_again(void)
{
	char address[16], file[96], *buf, *copy;

	open_both();
	copy = in_ram(BYTES);
	buf = in_vram_of(1, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	memset(copy, 0, BYTES);

	gpu_pci_address(1, address);
	snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/reset", address);
	expect_int(write_text(file, "1"), ==, 0);
	queue_destroy(&q[1]);
	queue_create(&q[1], &gpu[1], 64 << 10);
	count_from_here();
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	expect_int(counted(1, "cpu_faults"), ==, 0);
	pattern_check(copy, BYTES, SEED);
	/* and by the kernel */
	expect_int(svm_prefetch(&gpu[0], buf, BYTES, gpu[0].id), ==, 0);
	expect_int(counted(0, "pages_from_peers"), ==, PAGES);
	pattern_check(buf, BYTES, SEED);
	done();
}

static void unbound_peer_leaves_nothing_behind(void)
{
	char address[16], *buf, *copy;

	gpu_pci_address(1, address);
	open_both();
	copy = in_ram(BYTES);
	buf = in_vram_of(1, BYTES, SEED);
	attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	memset(copy, 0, BYTES);

	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_in_ram(buf, BYTES);
	expect_int(number("io_links_count", "%u/properties", 1, 0), ==, 1);
	queue_copy(&q[0], copy, buf, BYTES);
	queue_run(&q[0]);
	pattern_check(copy, BYTES, SEED);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	topology_has_xgmi_links();
	queue_fill(&q[0], buf, 0x11, BYTES);
	queue_run(&q[0]);
	value_check(buf, BYTES, 0x11);
	queue_destroy(&q[0]);
}

/* A MiB that is inherited was lost with GPU 1; the next one is in the VRAM of the one that came in its place. */
static void move_what_was_lost_too(void *buf)
{
	char *next = (char *)buf + MIB;

	gpu_open_all(gpu, 2);
	pattern_fill(next, MIB, SEED + 1);
	expect_int(svm_prefetch(&gpu[0], next, MIB, gpu[1].id), ==, 0);
	expect_in_vram(next, MIB);
	svm_prefetch(&gpu[0], buf, 2 * MIB, gpu[0].id);
	pattern_check(next, MIB, SEED + 1);
	for (size_t page = 0; page < MIB / PAGE; page += 51) {
		const char *lost = (char *)buf + page * PAGE;

		if (signal_of_read(lost) != SIGBUS)
			fail("page %zu of lost memory is %#x", page, *(const uint32_t *)lost);
	}
}

static void successor_of_a_peer_has_nothing_of_what_was_lost(void)
{
	char address[16], file[96], *buf = map_anon(4 * MIB);

	buf += -(uintptr_t)buf % (2 * MIB);	/* one granule */
	gpu_pci_address(1, address);
	gpu_open_all(gpu, 2);
	pattern_fill(buf, MIB, SEED);
	expect_int(svm_prefetch(&gpu[0], buf, MIB, gpu[1].id), ==, 0);
	expect_in_vram(buf, MIB);

	snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/reset_method", address);
	expect_int(write_text(file, "bus"), ==, 0);
	snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/reset", address);
	expect_int(write_text(file, "1"), ==, 0);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	tap_join(tap_fork(move_what_was_lost_too, buf));
	expect_int(signal_of_read(buf), ==, SIGBUS);
}

/* What parent and child tell each other. */
struct told {
	volatile uint32_t stop, rounds;
};

static void use_in_place_until_told(void *arg)
{
	struct told *told = arg;
	char *buf, *copy;

	open_both();
	copy = in_ram(BYTES);
	for (uint32_t round = 0; !told->stop; told->rounds = ++round) {
		buf = map_anon(BYTES);
		pattern_fill(buf, BYTES, round);
		attr(buf, BYTES, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu[0].id);
		svm_prefetch(&gpu[1], buf, BYTES, gpu[1].id);	/* which may be gone */
		queue_copy(&q[0], copy, buf, BYTES);
		queue_run(&q[0]);
		pattern_check(copy, BYTES, round);
		munmap(buf, BYTES);
	}
	_exit(0);
}

static void peer_is_unbound_while_it_is_used(void)
{
	struct told *told = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char address[16];
	int pid;

	gpu_pci_address(1, address);
	for (unsigned int round = 0; round < tap_rounds(3); round++) {
		told->stop = told->rounds = 0;
		pid = tap_fork(use_in_place_until_told, told);
		expect(wait_until(told->rounds > round, 20000), "the process does not come so far");
		nap_us(7000 * round);
		expect_int(write_text(DRIVER "/unbind", address), ==, 0);
		nap_us(50000);
		told->stop = 1;
		tap_join(pid);
		expect_int(write_text(DRIVER "/bind", address), ==, 0);
	}
}

/* A buffer in VRAM of one, used by the other where it is. */
static void vram_buffer_is_mapped_on_the_peer(void)
{
	open_both();
	for (unsigned int user = 0; user < 2; user++) {
		struct kfd_ioctl_alloc_memory_of_gpu_args a = { 0 };
		char *at = (char *)0x200000000000, *copy = in_ram(BYTES);

		expect_int(gpu_alloc(&gpu[!user], at, BYTES, KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE,
				     &a), ==, 0);
		for (unsigned int i = 0; i < 2; i++)
			expect_int(gpu_map(&gpu[i], a.handle), ==, 0);
		queue_fill(&q[user], at, 0x71 + user, BYTES / 2);
		queue_run(&q[user]);
		queue_fill(&q[!user], at + BYTES / 2, 0x71 + user, BYTES / 2);
		queue_run(&q[!user]);
		for (unsigned int i = 0; i < 2; i++) {
			memset(copy, 0, BYTES);
			queue_copy(&q[i], copy, at, BYTES);
			queue_run(&q[i]);
			value_check(copy, BYTES, 0x71 + user);
		}
		expect_int(gpu_unmap(&gpu[!user], a.handle), ==, 0);
		expect_int(gpu_free(&gpu[!user], a.handle), ==, -EBUSY);
		expect_int(gpu_unmap(&gpu[user], a.handle), ==, 0);
		expect_int(gpu_free(&gpu[!user], a.handle), ==, 0);
	}
	done();
}

static const struct tap_test tests[] = {
	TAP_TEST(topology_has_xgmi_links),
	TAP_TEST(peer_reads_in_place),
	TAP_TEST(peer_writes_in_place),
	TAP_TEST(memory_that_leaves_is_not_used_where_it_was),
	TAP_TEST(child_and_parent_share_what_a_peer_has),
	TAP_TEST(prefetch_between_peers_is_direct),
	TAP_TEST(fault_of_a_peer_migrates_directly),
	TAP_TEST(mixed_memory_is_collected_from_everywhere),
	TAP_TEST(preferred_peer_gets_the_memory),
	TAP_TEST(prefetch_goes_to_vram_although_a_peer_uses_it_in_place),
	TAP_TEST(vram_buffer_is_mapped_on_the_peer),
	TAP_TEST(events_name_the_peer),
	TAP_TEST(reset_peer_is_reached_again),
	TAP_TEST(unbound_peer_leaves_nothing_behind),
	TAP_TEST(peer_is_unbound_while_it_is_used),
	TAP_TEST(successor_of_a_peer_has_nothing_of_what_was_lost),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
