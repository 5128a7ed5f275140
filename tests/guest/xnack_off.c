// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process without recoverable faults (XNACK off): what it registers is mapped at once and stays mapped, and
 * its queues stand still while the CPU changes something. So no queue ever has a fault, but for accesses that
 * are wrong.
 *
 * RUN: --swap 512M --mem 384M
 * RUN-DEFAULT: --iommu
 * RUN-DEFAULT: --device xnack=off
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/feeder.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed000eu

enum { QUIET_MS = 60 };	/* longer than it takes to restore queues, if nothing is in the way */

static struct gpu gpu;
static struct queue q;
static struct stats before;

static void set_xnack(int on)
{
	int error = gpu_set_xnack(&gpu, on);

	if (on && error == -EPERM && !gpu_set_xnack(&gpu, -1))
		skip("the GPU has no recoverable faults");
	expect_int(error, ==, 0);
}

static void open_without_xnack(void)
{
	gpu_open(&gpu, 0);
	set_xnack(0);
	queue_create(&q, &gpu, 64 << 10);
	stats_read(&before, 0);
}

static int try_attr(void *at, size_t bytes, uint32_t type, uint32_t value)
{
	struct kfd_ioctl_svm_attribute a = { type, value };

	return svm_set_attr(&gpu, at, bytes, 1, &a);
}

static void set_attr(void *at, size_t bytes, uint32_t type, uint32_t value)
{
	expect_int(try_attr(at, bytes, type, value), ==, 0);
}

/* As programs do it. */
static void *give(void *at, size_t bytes)
{
	set_attr(at, bytes, KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id);
	return at;
}

static void *given(size_t bytes)
{
	return give(map_anon(bytes), bytes);
}

static void expect_no_faults(void)
{
	expect_int(stats_since(&before, "gpu_faults"), ==, 0);
	expect_int(stats_since(&before, "gpu_faults_noretry"), ==, 0);
}

static bool all_restored(void)
{
	return stats_since(&before, "queues_evicted") == stats_since(&before, "queues_restored");
}

/* Queues were stopped, and all of them run again. */
static void expect_evictions(void)
{
	expect_int(stats_since(&before, "queues_evicted"), >, 0);
	expect(wait_until(all_restored(), 2000), "queues stay evicted");
}

static void fill_and_check(void *at, size_t bytes, uint32_t value)
{
	queue_fill(&q, at, value, bytes);
	queue_run(&q);
	value_check(at, bytes, value);
}

/* ---- mapped at once ---- */

static void registered_memory_needs_no_fault(void)
{
	size_t bytes = tap_size(6 * MIB, 2 * MIB + PAGE);
	char *src = map_anon(bytes), *dst = map_anon(bytes);

	open_without_xnack();
	pattern_fill(src, bytes, SEED);
	give(src, bytes);
	give(dst, bytes);	/* never touched */
	queue_copy(&q, dst, src, bytes);
	queue_run(&q);
	expect_in_ram(src, bytes);
	expect_in_ram(dst, bytes);
	pattern_check(dst, bytes, SEED);
	expect_int(stats_since(&before, "queues_evicted"), ==, 0);
	expect_no_faults();
}

static void in_place_is_mapped_too(void)
{
	char *buf = map_anon(MIB);

	open_without_xnack();
	set_attr(buf, MIB, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, gpu.id);
	fill_and_check(buf, MIB, 0x11);
	expect_no_faults();
}

static void files_are_mapped(void)
{
	int fd = memfd_create("xnack_off", 0);
	char *shared, *private, *readonly;

	expect(fd >= 0 && !ftruncate(fd, MIB), "memfd: %s", strerror(errno));
	shared = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	readonly = mmap(NULL, MIB, PROT_READ, MAP_SHARED, fd, 0);
	pattern_fill(shared, MIB, SEED);
	open_without_xnack();
	give(shared, MIB);
	give(private, MIB);
	give(readonly, MIB);
	queue_copy(&q, private, readonly, MIB / 2);
	queue_fill(&q, shared, 0x22, MIB);
	queue_run(&q);
	value_check(readonly, MIB, 0x22);
	pattern_check(private, MIB / 2, SEED);
	expect_no_faults();
}

static void prefetched_memory_is_mapped_in_vram(void)
{
	size_t bytes = tap_size(6 * MIB, 2 * MIB + PAGE);
	char *buf = map_anon(bytes), *copy = map_anon(bytes);
	struct kfd_ioctl_svm_attribute attrs[] = {
		{ KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, 0 }, { KFD_IOCTL_SVM_ATTR_ACCESS, 0 },
	};

	open_without_xnack();
	attrs[0].value = attrs[1].value = gpu.id;
	pattern_fill(buf, bytes, SEED);
	expect_int(svm_set_attr(&gpu, buf, bytes, 2, attrs), ==, 0);
	give(copy, bytes);
	queue_copy(&q, copy, buf, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	pattern_check(copy, bytes, SEED);
	pattern_check(buf, bytes, SEED);		/* comes home */
	expect_evictions();
	fill_and_check(buf, bytes, 0x33);
	/* there again, under the queue */
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	queue_fill(&q, buf, 0x34, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);
	value_check(buf, bytes, 0x34);
	expect_no_faults();
}

static void what_cannot_be_mapped_is_an_error(void)
{
	int fd = memfd_create("xnack_off", 0);
	char *at;

	expect(fd >= 0 && !ftruncate(fd, 2 * PAGE), "memfd: %s", strerror(errno));
	at = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	open_without_xnack();
	expect_int(try_attr(at, 8 * PAGE, KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id), ==, -EFAULT);
	/* the same once more, when it can be had */
	expect_int(ftruncate(fd, 8 * PAGE), ==, 0);
	give(at, 8 * PAGE);
	fill_and_check(at, 8 * PAGE, 0x44);
	expect_no_faults();
}

/* ---- wrong accesses ---- */

static void unregistered_memory_is_out_of_reach(void)
{
	char *buf = map_anon(MIB);

	open_without_xnack();
	memset(buf, 0x55, MIB);
	queue_fill(&q, buf, 0, MIB);
	queue_run_into_fault(&q);
	value_check(buf, MIB, 0x55555555);
}

static void access_that_was_taken_away_is_denied(void)
{
	char *buf;

	open_without_xnack();
	buf = given(MIB);
	fill_and_check(buf, MIB, 0x56);
	set_attr(buf, MIB, KFD_IOCTL_SVM_ATTR_NO_ACCESS, gpu.id);
	queue_fill(&q, buf, 0, PAGE);
	queue_run_into_fault(&q);
	value_check(buf, MIB, 0x56);
}

static void memory_that_was_unmapped_is_denied(void)
{
	char *buf;

	open_without_xnack();
	buf = given(4 * MIB);
	fill_and_check(buf, 4 * MIB, 0x57);
	munmap(buf + MIB, MIB);
	fill_and_check(buf, MIB, 0x58);
	fill_and_check(buf + 2 * MIB, 2 * MIB, 0x59);
	expect_no_faults();
	queue_fill(&q, buf + MIB, 0, PAGE);
	queue_run_into_fault(&q);
}

/* ---- the CPU changes things ---- */

/* From registered memory to registered memory. */
static void feed(struct feeder *f, size_t bytes)
{
	char *src = map_anon(bytes);

	pattern_fill(src, bytes, SEED);
	feeder_start(f, &q, given(bytes), give(src, bytes), bytes);
}

/* Queues have stood still, and nothing was lost by it. */
static void stop_feeding(struct feeder *f, uint32_t seed)
{
	feeder_stop(f, seed);
	expect_evictions();
	expect_no_faults();
}

static void cpu_rewrites_what_the_gpu_reads(void)
{
	struct feeder f;
	uint32_t round, rounds = tap_rounds(20);

	open_without_xnack();
	feed(&f, tap_size(4 * MIB, 2 * MIB));
	for (round = 1; round < rounds; round++) {
		expect(!madvise(f.src, f.bytes, MADV_DONTNEED), "%s", strerror(errno));
		pattern_fill(f.src, f.bytes, SEED + round);
		nap_us(3000);
	}
	stop_feeding(&f, SEED + round - 1);
}

static void cpu_takes_pages_of_the_destination(void)
{
	struct feeder f;

	open_without_xnack();
	feed(&f, 4 * MIB);
	for (uint32_t round = 0; round < tap_rounds(60); round++) {
		expect(!madvise(f.dst + round % 16 * 64 * PAGE, 32 * PAGE, MADV_DONTNEED), "%s", strerror(errno));
		nap_us(2000);
	}
	stop_feeding(&f, SEED);
}

static void cpu_changes_permissions(void)
{
	struct feeder f;

	open_without_xnack();
	feed(&f, 4 * MIB);
	for (uint32_t round = 0; round < tap_rounds(40); round++) {
		size_t at = round % 7 * 73 * PAGE;

		/* what the GPU may only read then, it does */
		expect(!mprotect(f.src + at, 50 * PAGE, PROT_READ), "%s", strerror(errno));
		nap_us(1000);
		expect(!mprotect(f.src + at, 50 * PAGE, PROT_READ | PROT_WRITE), "%s", strerror(errno));
		nap_us(1000);
	}
	stop_feeding(&f, SEED);
}

static void memory_that_comes_back_is_mapped_again(void)
{
	char *buf;

	open_without_xnack();
	buf = given(2 * MIB);
	fill_and_check(buf, 2 * MIB, 0x61);
	for (uint32_t round = 0; round < tap_rounds(5); round++) {
		expect(!mprotect(buf + 10 * PAGE, 100 * PAGE, PROT_NONE), "%s", strerror(errno));
		expect_evictions();
		expect(!mprotect(buf + 10 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE), "%s", strerror(errno));
		fill_and_check(buf, 2 * MIB, 0x62 + round);
	}
	expect_no_faults();
}

/* There is no page table yet, so the core has nothing to tell when that changes. */
static void memory_that_nobody_could_read_is_mapped_when_they_can(void)
{
	size_t bytes = 3 * MIB;
	char *buf = mmap((void *)0x300000000000, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	expect(buf != MAP_FAILED, "mmap: %s", strerror(errno));
	gpu_open(&gpu, 0);
	set_xnack(1);		/* without, it is as in KFD: SPEC 10 */
	set_xnack(0);
	queue_create(&q, &gpu, 4096);
	give(buf, bytes);
	expect(!mprotect(buf, bytes, PROT_READ | PROT_WRITE), "%s", strerror(errno));
	fill_and_check(buf, bytes, 0x71);
	expect(!mprotect(buf, bytes, PROT_READ), "%s", strerror(errno));
	queue_fill(&q, buf, 0x72, bytes);
	queue_run_into_fault(&q);
	value_check(buf, bytes, 0x71);
}

static void write_own_copy(void *arg)
{
	struct feeder *f = arg;

	pattern_check(f->src, f->bytes, SEED);
	memset(f->src, 0xee, f->bytes);
	memset(f->dst, 0xee, f->bytes);
}

static void children_share_memory(void)
{
	struct feeder f;

	open_without_xnack();
	feed(&f, tap_size(4 * MIB, MIB));
	for (uint32_t round = 0; round < tap_rounds(6); round++)
		tap_join(tap_fork(write_own_copy, &f));
	stop_feeding(&f, SEED);
}

static int go_on[2];

static void look_when_told(void *buf)
{
	char told;

	expect_int(read(go_on[0], &told, 1), ==, 1);
	pattern_check(buf, 2 * MIB, SEED);
}

/* It lies in VRAM, where nobody copies on write: the GPU must not write what is the child's, too. */
static void children_share_vram(void)
{
	char *buf = map_anon(2 * MIB);
	int child;

	open_without_xnack();
	give(buf, 2 * MIB);
	expect_int(pipe(go_on), ==, 0);
	for (uint32_t round = 0; round < 3; round++) {
		pattern_fill(buf, 2 * MIB, SEED);
		expect_int(svm_prefetch(&gpu, buf, 2 * MIB, gpu.id), ==, 0);
		expect_in_vram(buf, 2 * MIB);
		child = tap_fork(look_when_told, buf);
		queue_fill(&q, buf + MIB / 2, 0x71 + round, MIB);
		queue_run(&q);
		expect_int(write(go_on[1], "", 1), ==, 1);
		tap_join(child);
		value_check(buf + MIB / 2, MIB, 0x71 + round);
		pattern_check(buf, MIB / 2, SEED);
	}
	expect_no_faults();
}

static void pages_are_swapped_out(void)
{
	struct feeder f;
	size_t out = 0;

	open_without_xnack();
	feed(&f, tap_size(4 * MIB, MIB));
	for (uint32_t round = 0; round < tap_rounds(6); round++) {
		madvise(f.src, f.bytes, MADV_PAGEOUT);
		madvise(f.dst, f.bytes, MADV_PAGEOUT);
		out += where_is(f.src, f.bytes).swapped;
		nap_us(2000);
	}
	if (!out)
		skip("there is no swap");
	stop_feeding(&f, SEED);
}

static void touch(const char *at, size_t bytes)
{
	for (size_t page = 0; page < bytes / PAGE; page++)
		(void)*(volatile const char *)(at + page * PAGE);
}

static void memory_moves_to_vram_and_back(void)
{
	struct feeder f;

	open_without_xnack();
	feed(&f, 6 * MIB);
	for (uint32_t round = 0; round < tap_rounds(8); round++) {
		expect_int(svm_prefetch(&gpu, f.src, f.bytes, gpu.id), ==, 0);
		expect_int(svm_prefetch(&gpu, f.dst, f.bytes, round % 2 ? 0 : gpu.id), ==, 0);
		touch(f.src + round % 3 * 2 * MIB, 2 * MIB);
	}
	stop_feeding(&f, SEED);
}

/* 2 MiB of VRAM are one entry for the GPU, which goes as a whole. */
static void part_of_a_large_entry_goes(void)
{
	size_t bytes = 8 * MIB;
	char *buf;

	open_without_xnack();
	buf = given(bytes);
	expect_int(svm_prefetch(&gpu, buf, bytes, gpu.id), ==, 0);
	queue_fill(&q, buf, 0x71, bytes);
	queue_run(&q);
	expect_in_vram(buf, bytes);

	munmap(buf + 2 * MIB + 37 * PAGE, 3 * PAGE);
	queue_fill(&q, buf + 2 * MIB, 0x72, 37 * PAGE);
	queue_fill(&q, buf + 2 * MIB + 40 * PAGE, 0x73, 2 * MIB - 40 * PAGE);
	queue_run(&q);
	expect_no_faults();

	/* attributes of a part, then the CPU takes the other; and the other way round */
	set_attr(buf + 4 * MIB, 100 * PAGE, KFD_IOCTL_SVM_ATTR_GRANULARITY, 3);
	set_attr(buf + 6 * MIB + 9 * PAGE, 300 * PAGE, KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_EXEC);
	queue_fill(&q, buf + 4 * MIB, 0x74, 4 * MIB);
	queue_run(&q);
	madvise(buf + 4 * MIB, PAGE, MADV_DONTNEED);
	madvise(buf + 7 * MIB, PAGE, MADV_DONTNEED);
	queue_fill(&q, buf + 4 * MIB, 0x75, 4 * MIB);
	queue_run(&q);
	expect_no_faults();
	value_check(buf, 2 * MIB, 0x71);
	value_check(buf + 2 * MIB, 37 * PAGE, 0x72);
	value_check(buf + 2 * MIB + 40 * PAGE, 2 * MIB - 40 * PAGE, 0x73);
	value_check(buf + 4 * MIB, 4 * MIB, 0x75);
}

/* ---- queues that stand still ---- */

/* As in KFD the queues stand still until the memory can be had again, or is not wanted any more. */
static void obstacle_give(struct obstacle *o)
{
	obstacle_make(o);
	give(o->at, OBSTACLE);
}

static void expect_standing(struct queue *queue)
{
	uint64_t at = queue_rptr(queue);

	nap_us(QUIET_MS * 1000);
	expect(!queue_idle(queue) && queue_rptr(queue) == at, "the queue runs");
}

static void doorbell_of_an_evicted_queue_is_heard(void)
{
	struct obstacle o;
	char *buf;

	open_without_xnack();
	obstacle_give(&o);
	buf = given(2 * MIB);
	for (uint32_t round = 0; round < tap_rounds(4); round++) {
		obstacle_raise(&o);
		for (int i = 0; i < 3; i++) {
			queue_fill(&q, buf, 0x80 + round * 4 + i, 2 * MIB);
			queue_submit(&q);
		}
		expect_standing(&q);
		obstacle_remove(&o);
		queue_wait(&q);
		value_check(buf, 2 * MIB, 0x82 + round * 4);
	}
	expect_evictions();
	expect_no_faults();
}

static void queue_is_stopped_in_the_middle_of_its_work(void)
{
	size_t bytes = tap_size(32 * MIB, 8 * MIB);
	struct obstacle o;
	char *src, *dst;

	open_without_xnack();
	obstacle_give(&o);
	src = map_anon(bytes);
	pattern_fill(src, bytes, SEED);
	give(src, bytes);
	dst = given(bytes);
	for (uint32_t round = 0; round < tap_rounds(5); round++) {
		memset(dst, 0, bytes);
		for (int i = 0; i < 4; i++)
			queue_copy(&q, dst, src, bytes);
		queue_submit(&q);
		nap_us(1000 * round);
		obstacle_raise(&o);
		nap_us(QUIET_MS * 1000);
		obstacle_remove(&o);
		queue_wait(&q);
		pattern_check(dst, bytes, SEED);
	}
	expect_evictions();
	expect_no_faults();
}

static void queue_made_while_others_are_evicted_waits(void)
{
	struct queue other;
	struct obstacle o;
	char *buf;

	open_without_xnack();
	obstacle_give(&o);
	buf = given(MIB);
	obstacle_raise(&o);
	queue_create(&other, &gpu, 4096);
	queue_fill(&other, buf, 0x91, MIB);
	queue_submit(&other);
	expect_standing(&other);
	obstacle_remove(&o);
	queue_wait(&other);
	value_check(buf, MIB, 0x91);
	expect_evictions();
	queue_destroy(&other);
}

static int update(struct queue *queue, uint32_t percent)
{
	struct kfd_ioctl_update_queue_args args = {
		.ring_base_address = (uintptr_t)queue->ring.at, .queue_id = queue->id,
		.ring_size = queue->ring.size, .queue_percentage = percent, .queue_priority = 7,
	};

	return kfd_ioctl(&gpu, AMDKFD_IOC_UPDATE_QUEUE, &args);
}

static void evicted_queues_are_changed_and_destroyed(void)
{
	struct queue other[3];
	struct obstacle o;
	char *buf;

	open_without_xnack();
	obstacle_give(&o);
	buf = given(MIB);
	for (int i = 0; i < 3; i++) {
		queue_create(&other[i], &gpu, 4096);
		queue_fill(&other[i], buf + i * 64 * PAGE, 0xa0 + i, 64 * PAGE);
	}
	obstacle_raise(&o);
	for (int i = 0; i < 3; i++)
		queue_submit(&other[i]);
	expect_int(update(&other[0], 0), ==, 0);	/* off */
	expect_int(update(&other[1], 0), ==, 0);
	expect_int(update(&other[1], 50), ==, 0);	/* and on again */
	queue_destroy(&other[2]);
	expect_standing(&other[1]);
	obstacle_remove(&o);
	queue_wait(&other[1]);
	value_check(buf + 64 * PAGE, 64 * PAGE, 0xa1);
	expect_standing(&other[0]);
	expect_int(update(&other[0], 100), ==, 0);
	queue_wait(&other[0]);
	value_check(buf, 64 * PAGE, 0xa0);
	value_check(buf + 128 * PAGE, 64 * PAGE, 0);
	queue_destroy(&other[0]);
	queue_destroy(&other[1]);
	expect_no_faults();
}

static void queues_go_on_when_nobody_wants_the_memory(void)
{
	struct obstacle o;
	char *buf;

	open_without_xnack();
	buf = given(MIB);
	for (uint32_t round = 0; round < 2; round++) {
		obstacle_give(&o);
		obstacle_raise(&o);
		queue_fill(&q, buf, 0xb0 + round, MIB);
		queue_submit(&q);
		expect_standing(&q);
		if (round)
			munmap(o.at, OBSTACLE);
		else
			set_attr(o.at, OBSTACLE, KFD_IOCTL_SVM_ATTR_NO_ACCESS, gpu.id);
		queue_wait(&q);
		value_check(buf, MIB, 0xb0 + round);
	}
	expect_no_faults();
}

static void be_evicted_and_die(void *arg)
{
	size_t bytes = tap_size(8 * MIB, 2 * MIB);
	struct obstacle o;
	char *buf;

	open_without_xnack();
	obstacle_give(&o);
	buf = given(bytes);
	for (int i = 0; i < 50; i++)
		queue_fill(&q, buf, 0xc0, bytes);
	queue_submit(&q);
	obstacle_raise(&o);
	if (arg)
		kill(getpid(), SIGKILL);
	/* or simply ends */
}

static void process_ends_while_its_queues_are_evicted(void)
{
	for (unsigned int round = 0; round < tap_rounds(3); round++) {
		tap_join_killed(tap_fork(be_evicted_and_die, ""), SIGKILL);
		tap_join(tap_fork(be_evicted_and_die, NULL));
	}
	registered_memory_needs_no_fault();
}

static void reset_while_queues_are_evicted(void)
{
	char file[64], address[16], *buf;
	struct queue other;
	struct obstacle o;

	gpu_pci_address(0, address);
	snprintf(file, sizeof(file), "/sys/bus/pci/devices/%s/reset", address);
	open_without_xnack();
	obstacle_give(&o);
	buf = given(MIB);
	obstacle_raise(&o);
	queue_fill(&q, buf, 0xd0, MIB);
	queue_submit(&q);
	expect_standing(&q);
	expect_int(write_text(file, "1"), ==, 0);
	expect_int(update(&q, 100), ==, -EIO);	/* it is lost as those that ran */
	queue_create(&other, &gpu, 4096);
	queue_fill(&other, buf, 0xd1, MIB);
	queue_submit(&other);
	expect_standing(&other);
	obstacle_remove(&o);
	queue_wait(&other);
	value_check(buf, MIB, 0xd1);
	queue_destroy(&other);
	queue_destroy(&q);
}

static void evictions_are_told(void)
{
	struct smi_event e;
	struct obstacle o;
	int fd, tries;

	open_without_xnack();
	obstacle_give(&o);
	fd = smi_open(&gpu, SMI(QUEUE_EVICTION) | SMI(QUEUE_RESTORE));
	obstacle_raise(&o);
	e = smi_next(fd, KFD_SMI_EVENT_QUEUE_EVICTION);
	expect_int(e.pid, ==, getpid());
	expect_int(e.node, ==, gpu.id);
	expect_int(e.trigger, ==, KFD_QUEUE_EVICTION_TRIGGER_SVM);
	for (tries = 0; tries < 3; tries++) {
		e = smi_next(fd, KFD_SMI_EVENT_QUEUE_RESTORE);
		expect_int(e.how, ==, 'R');
		expect_int(e.pid, ==, getpid());
		expect_int(e.node, ==, gpu.id);
	}
	obstacle_remove(&o);
	do
		e = smi_next(fd, KFD_SMI_EVENT_QUEUE_RESTORE);
	while (e.how == 'R');
	expect_int(e.how, ==, '0');
	smi_expect_nothing(fd);
	expect_evictions();
}

/* ---- switching ---- */

static void mode_stays_while_there_are_queues(void)
{
	open_without_xnack();
	expect_int(gpu_set_xnack(&gpu, -1), ==, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, -EBUSY);
	expect_int(gpu_set_xnack(&gpu, 1), ==, -EBUSY);
	queue_destroy(&q);
	set_xnack(0);
	set_xnack(1);
	expect_int(gpu_set_xnack(&gpu, -1), ==, 1);
}

static void switch_takes_memory_along(void)
{
	size_t bytes = 4 * MIB;
	char *buf = map_anon(bytes);

	gpu_open(&gpu, 0);
	set_xnack(1);
	queue_create(&q, &gpu, 4096);
	pattern_fill(buf, bytes, SEED);
	queue_write32(&q, buf, pattern_at(0, SEED));	/* it has attributes now */
	queue_run(&q);
	expect_in_vram(buf, 2 * MIB);
	set_attr(buf + 2 * MIB, 2 * MIB, KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0);
	queue_destroy(&q);

	set_xnack(0);
	queue_create(&q, &gpu, 4096);
	stats_read(&before, 0);
	queue_fill(&q, buf, 0xe1, bytes);
	queue_run(&q);
	value_check(buf, bytes, 0xe1);
	expect_no_faults();
	queue_destroy(&q);

	set_xnack(1);
	queue_create(&q, &gpu, 4096);
	buf = map_anon(bytes);
	stats_read(&before, 0);
	fill_and_check(buf, bytes, 0xe2);
	expect_int(stats_since(&before, "gpu_faults"), >, 0);
}

static void default_access_follows_the_mode(void)
{
	char *buf = map_anon(MIB);

	gpu_open(&gpu, 0);
	for (int on = 0; on < 2; on++) {
		struct kfd_ioctl_svm_attribute a = { KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id };

		set_xnack(on);
		expect_int(svm_get_attr(&gpu, buf, MIB, 1, &a), ==, 0);
		expect_int(a.type, ==, on ? KFD_IOCTL_SVM_ATTR_ACCESS : KFD_IOCTL_SVM_ATTR_NO_ACCESS);
	}
}

/* ---- KFD's limit ---- */

static uint64_t charged(void)
{
	return named_value("/sys/kernel/debug/hmm_gpu/memory", "svm");
}

static uint64_t limit(void)
{
	return named_value("/sys/kernel/debug/hmm_gpu/memory", "limit");
}

static char *reserve(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	expect(at != MAP_FAILED, "mmap: %s", strerror(errno));
	return at;
}

static void registered_memory_is_charged(void)
{
	char *buf = reserve(16 * MIB);

	open_without_xnack();
	expect_int(charged(), ==, 0);
	set_attr(buf, 8 * MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY, 9);
	expect_int(charged(), ==, 8 * MIB);
	give(buf + 3 * PAGE, 2 * MIB);			/* splits it */
	expect_int(charged(), ==, 8 * MIB);
	give(buf + 7 * MIB, 2 * MIB);			/* half of it new */
	expect_int(charged(), ==, 9 * MIB);
	munmap(buf + MIB, PAGE);
	munmap(buf + 8 * MIB, 8 * MIB);
	expect(wait_until(charged() == 8 * MIB - PAGE, 2000), "%lu bytes are charged", (long)charged());
	queue_destroy(&q);
	set_xnack(1);
	expect_int(charged(), ==, 0);
	set_attr(buf, MIB, KFD_IOCTL_SVM_ATTR_GRANULARITY, 8);
	set_attr(buf + 4 * MIB, MIB, KFD_IOCTL_SVM_ATTR_NO_ACCESS, gpu.id);
	expect_int(charged(), ==, 0);
	set_xnack(0);
	expect_int(charged(), ==, 8 * MIB - PAGE);	/* and what is left when we end: nothing_left() */
}

enum { CROWD_BYTES = 96 << 20 };

/**
 * struct crowd - memory that a thread has made present, which takes a while
 * @at: CROWD_BYTES
 * @there: all of it
 */
struct crowd {
	char *at;
	volatile bool there;
};

/* mmap_lock is held from the first page to the last. */
static void *populate(void *arg)
{
	struct crowd *c = arg;

	expect(!madvise(c->at, CROWD_BYTES, MADV_POPULATE_WRITE), "madvise: %s", strerror(errno));
	c->there = true;
	return NULL;
}

/* Have a fault at @buf wait for mmap_lock while the mode changes. False: it did not wait so long. */
static bool fault_and_switch(char *buf)
{
	struct crowd c = { .at = map_anon(CROWD_BYTES) };
	pthread_t thread;
	bool waits;

	set_xnack(1);
	queue_create(&q, &gpu, 4096);
	queue_fill(&q, buf, 1, PAGE);
	expect(!madvise(c.at, CROWD_BYTES, MADV_NOHUGEPAGE), "madvise: %s", strerror(errno));
	stats_read(&before, 0);
	expect(!pthread_create(&thread, NULL, populate, &c), "pthread_create");
	expect(wait_until(where_is(c.at, PAGE).present, 5000), "nothing is populated");
	queue_submit(&q);
	expect(wait_until(stats_since(&before, "gpu_faults") > 0, 5000), "no fault");
	queue_leave(&q);	/* its buffers would be unmapped when that is over */
	set_xnack(0);
	waits = !c.there;
	pthread_join(thread, NULL);
	munmap(c.at, CROWD_BYTES);
	return waits;
}

/* It makes a range for memory that nobody registered, but not where that would be charged for. */
static void fault_that_waits_makes_no_range_in_the_other_mode(void)
{
	char *buf = map_anon(MIB), *other = map_anon(MIB);
	int tries = 0;

	gpu_open(&gpu, 0);
	while (!fault_and_switch(buf)) {
		if (++tries == 5)
			skip("mmap_lock cannot be held long enough here");
		buf = map_anon(MIB);
	}
	queue_create(&q, &gpu, 4096);
	queue_fill(&q, buf, 2, PAGE);
	queue_run_into_fault(&q);	/* faults are handled one after the other */

	expect(!munmap(buf, MIB), "munmap: %s", strerror(errno));
	set_attr(other, MIB, KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id);	/* after which nothing is left to be settled */
	expect_int(charged(), ==, MIB * (1 + tries));
}

static void limit_is_kept(void)
{
	size_t much = limit() + MIB;
	char *buf = reserve(much), *other = map_anon(MIB);

	open_without_xnack();
	expect_int(try_attr(buf, much & ~(PAGE - 1), KFD_IOCTL_SVM_ATTR_GRANULARITY, 9), ==, -ENOMEM);
	expect_int(charged(), ==, 0);
	give(other, MIB);
	fill_and_check(other, MIB, 0x77);
	queue_destroy(&q);

	set_xnack(1);
	set_attr(buf, much & ~(PAGE - 1), KFD_IOCTL_SVM_ATTR_GRANULARITY, 9);
	expect_int(gpu_set_xnack(&gpu, 0), ==, -ENOMEM);
	expect_int(gpu_set_xnack(&gpu, -1), ==, 1);
	expect_int(charged(), ==, 0);
	munmap(buf, much);
	expect(wait_until(!gpu_set_xnack(&gpu, 0), 2000), "what was unmapped is still in the way");
	expect_int(charged(), ==, MIB);
}

static void charge_and_die(void *unused)
{
	(void)unused;
	open_without_xnack();
	given(4 * MIB);
	expect_int(charged(), ==, 4 * MIB);
	kill(getpid(), SIGKILL);
}

static void killed_process_is_not_charged(void)
{
	tap_join_killed(tap_fork(charge_and_die, NULL), SIGKILL);
	expect(wait_until(!charged(), 2000), "%lu bytes are charged", (long)charged());
}

/* ---- the same with recoverable faults, where it is asked for ---- */

static void always_mapped_memory_has_no_faults(void)
{
	char *buf = map_anon(4 * MIB);

	gpu_open(&gpu, 0);
	set_xnack(1);
	queue_create(&q, &gpu, 4096);
	stats_read(&before, 0);
	set_attr(buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED);
	fill_and_check(buf, 4 * MIB, 0xf1);
	for (uint32_t round = 0; round < tap_rounds(5); round++) {
		expect(!madvise(buf, 3 * MIB, MADV_DONTNEED), "%s", strerror(errno));
		expect_evictions();
		fill_and_check(buf, 4 * MIB, 0xf2 + round);
	}
	expect_no_faults();
	set_attr(buf, 4 * MIB, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED);
	stats_read(&before, 0);
	expect(!madvise(buf, 4 * MIB, MADV_DONTNEED), "%s", strerror(errno));
	fill_and_check(buf, 4 * MIB, 0xff);
	expect_int(stats_since(&before, "gpu_faults"), >, 0);
	expect_int(stats_since(&before, "queues_evicted"), ==, 0);
}

/* munmap() of what nobody uses, while the GPU works on what shares a 2 MiB entry with it: the queue must stand still. */
static void holes_are_cut_beside_the_gpus_work(void)
{
	enum { HOLE = 37, ENTRIES = 4 };
	struct feeder f;
	char *buf;

	open_without_xnack();
	buf = given(ENTRIES * 2 * MIB);
	pattern_fill(buf, HOLE * PAGE, SEED);
	expect_int(svm_prefetch(&gpu, buf, ENTRIES * 2 * MIB, gpu.id), ==, 0);
	feeder_start(&f, &q, buf + 2 * MIB, buf, HOLE * PAGE);
	for (unsigned int i = 0; i < ENTRIES; i++) {
		expect(wait_until(all_restored(), 2000), "queues stay evicted");
		stats_read(&before, 0);
		expect(!munmap(buf + (i * 512 + HOLE) * PAGE, PAGE), "%s", strerror(errno));
		expect_evictions();
		expect_no_faults();
	}
	feeder_stop(&f, SEED);
	expect_no_faults();
}

/* More holes than a range has room for: what lies between them is there as before. */
static void memory_between_many_holes_stays(void)
{
	char *buf;

	open_without_xnack();
	buf = given(2 * MIB);
	for (size_t page = 1; page < 512; page += 2)
		expect(!munmap(buf + page * PAGE, PAGE), "%s", strerror(errno));
	for (size_t page = 0; page < 512; page += 2)
		queue_write32(&q, buf + page * PAGE, ~page);
	queue_run(&q);
	for (size_t page = 0; page < 512; page += 2)
		expect_int(*(uint32_t *)(buf + page * PAGE), ==, (uint32_t)~page);
	expect_no_faults();
}

static const struct tap_test tests[] = {
	TAP_TEST(registered_memory_needs_no_fault),
	TAP_TEST(in_place_is_mapped_too),
	TAP_TEST(files_are_mapped),
	TAP_TEST(prefetched_memory_is_mapped_in_vram),
	TAP_TEST(what_cannot_be_mapped_is_an_error),
	TAP_TEST(unregistered_memory_is_out_of_reach),
	TAP_TEST(access_that_was_taken_away_is_denied),
	TAP_TEST(memory_that_was_unmapped_is_denied),
	TAP_TEST(cpu_rewrites_what_the_gpu_reads),
	TAP_TEST(cpu_takes_pages_of_the_destination),
	TAP_TEST(cpu_changes_permissions),
	TAP_TEST(memory_that_comes_back_is_mapped_again),
	TAP_TEST(memory_that_nobody_could_read_is_mapped_when_they_can),
	TAP_TEST(children_share_memory),
	TAP_TEST(children_share_vram),
	TAP_TEST(pages_are_swapped_out),
	TAP_TEST(memory_moves_to_vram_and_back),
	TAP_TEST(part_of_a_large_entry_goes),
	TAP_TEST(holes_are_cut_beside_the_gpus_work),
	TAP_TEST(memory_between_many_holes_stays),
	TAP_TEST(doorbell_of_an_evicted_queue_is_heard),
	TAP_TEST(queue_is_stopped_in_the_middle_of_its_work),
	TAP_TEST(queue_made_while_others_are_evicted_waits),
	TAP_TEST(evicted_queues_are_changed_and_destroyed),
	TAP_TEST(queues_go_on_when_nobody_wants_the_memory),
	TAP_TEST(process_ends_while_its_queues_are_evicted),
	TAP_TEST(reset_while_queues_are_evicted),
	TAP_TEST(evictions_are_told),
	TAP_TEST(mode_stays_while_there_are_queues),
	TAP_TEST(switch_takes_memory_along),
	TAP_TEST(default_access_follows_the_mode),
	TAP_TEST(registered_memory_is_charged),
	TAP_TEST(fault_that_waits_makes_no_range_in_the_other_mode),
	TAP_TEST(limit_is_kept),
	TAP_TEST(killed_process_is_not_charged),
	TAP_TEST(always_mapped_memory_has_no_faults),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
