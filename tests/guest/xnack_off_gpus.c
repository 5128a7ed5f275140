// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two GPUs and a process without recoverable faults (XNACK off): both have the same memory mapped, queues of both
 * stand still while the CPU changes something, and one of the GPUs may be pulled out meanwhile.
 *
 * RUN-DEFAULT: --gpus 2 --vram 64M --device hive=1
 * RUN-DEFAULT: --gpus 2 --vram 64M
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/feeder.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0017u
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"

enum { STAYS, GOES };		/* which GPU is pulled out */
enum { QUIET_MS = 60 };		/* longer than it takes to restore queues, if nothing is in the way */

static struct gpu gpu[2];
static struct queue q[2];
static struct stats before[2];
static char address[16];	/* of the one that goes */

static long counted(unsigned int i, const char *name)
{
	return stats_since_of(i, &before[i], name);
}

static void open_both(void)
{
	gpu_open_all(gpu, 2);
	expect_int(gpu_set_xnack(&gpu[0], 0), ==, 0);
	for (unsigned int i = 0; i < 2; i++) {
		queue_create(&q[i], &gpu[i], 64 << 10);
		stats_read(&before[i], i);
	}
}

static bool hive(void)
{
	return named_value("/sys/devices/virtual/kfd/kfd/topology/nodes/1/properties", "hive_id");
}

static void attr(void *at, size_t bytes, uint32_t type, uint32_t value)
{
	struct kfd_ioctl_svm_attribute a = { type, value };

	expect_int(svm_set_attr(&gpu[0], at, bytes, 1, &a), ==, 0);
}

static void *give(void *at, size_t bytes)
{
	attr(at, bytes, KFD_IOCTL_SVM_ATTR_ACCESS, gpu[0].id);
	attr(at, bytes, KFD_IOCTL_SVM_ATTR_ACCESS, gpu[1].id);
	return at;
}

static char *given_pattern(size_t bytes)
{
	char *at = map_anon(bytes);

	pattern_fill(at, bytes, SEED);
	return give(at, bytes);
}

static void expect_no_faults(unsigned int i)
{
	expect_int(counted(i, "gpu_faults"), ==, 0);
	expect_int(counted(i, "gpu_faults_noretry"), ==, 0);
}

/* The GPU's queues were stopped, and all of them run again. */
static void expect_evictions(unsigned int i)
{
	expect_int(counted(i, "queues_evicted"), >, 0);
	expect(wait_until(counted(i, "queues_evicted") == counted(i, "queues_restored"), 2000),
	       "queues of GPU %u stay evicted", i);
}

/* ---- memory of both ---- */

static void both_have_it_mapped(void)
{
	size_t bytes = tap_size(4 * MIB, 2 * MIB);
	char *src, *dst[2];

	open_both();
	src = given_pattern(bytes);
	for (unsigned int i = 0; i < 2; i++) {
		dst[i] = give(map_anon(bytes), bytes);	/* never touched */
		queue_copy(&q[i], dst[i], src, bytes);
		queue_submit(&q[i]);
	}
	for (unsigned int i = 0; i < 2; i++) {
		queue_wait(&q[i]);
		pattern_check(dst[i], bytes, SEED);
		expect_int(counted(i, "queues_evicted"), ==, 0);
		expect_no_faults(i);
	}
}

/* KFD's rule: where the one reaches the other's VRAM, what both use may go there. */
static void memory_of_both_goes_where_both_reach_it(void)
{
	size_t bytes = tap_size(4 * MIB, 2 * MIB);
	char *buf, *out;

	open_both();
	buf = given_pattern(bytes);
	out = give(map_anon(bytes), bytes);
	for (unsigned int to = 0; to < 2; to++) {
		expect_int(svm_prefetch(&gpu[0], buf, bytes, gpu[to].id), ==, 0);
		if (hive())
			expect_in_vram(buf, bytes);
		else
			expect_in_ram(buf, bytes);
		expect_int(counted(to, "pages_to_vram"), ==, hive() ? bytes / PAGE : 0);
		for (unsigned int i = 0; i < 2; i++) {
			memset(out, 0, bytes);
			queue_copy(&q[i], out, buf, bytes);
			queue_run(&q[i]);
			pattern_check(out, bytes, SEED);
			expect_no_faults(i);
		}
	}
	if (hive())
		expect_int(counted(1, "pages_from_peers"), ==, bytes / PAGE);
	pattern_check(buf, bytes, SEED);
}

/* ---- GPUs that copy all the time ---- */

/* From memory of both GPUs, to memory of both. */
static void feed(struct feeder *f, unsigned int i, char *src, size_t bytes)
{
	feeder_start(f, &q[i], give(map_anon(bytes), bytes), src, bytes);
}

static void cpu_takes_memory_from_both(void)
{
	size_t bytes = 2 * MIB;
	struct feeder f[2];
	uint32_t round;
	char *src;

	open_both();
	src = given_pattern(bytes);
	feed(&f[0], 0, src, bytes);
	feed(&f[1], 1, src, bytes);
	for (round = 1; round < tap_rounds(20); round++) {
		char *dst = f[round % 2].dst;

		expect(!madvise(src, bytes, MADV_DONTNEED), "madvise: %s", strerror(errno));
		pattern_fill(src, bytes, SEED + round);
		expect(!madvise(dst + round * 8 * PAGE, 32 * PAGE, MADV_DONTNEED), "madvise: %s", strerror(errno));
		expect(!mprotect(src + round * PAGE, 20 * PAGE, PROT_READ) &&
		       !mprotect(src + round * PAGE, 20 * PAGE, PROT_READ | PROT_WRITE), "mprotect: %s", strerror(errno));
		nap_us(3000);
	}
	for (unsigned int i = 0; i < 2; i++) {
		feeder_stop(&f[i], SEED + round - 1);
		expect_evictions(i);
		expect_no_faults(i);
	}
}

/* Memory of one GPU at a time, beside work of both. */
static void memory_moves_from_gpu_to_gpu(void)
{
	size_t bytes = tap_size(4 * MIB, 2 * MIB);
	struct queue mover[2];
	struct feeder f[2];
	char *src, *buf, *out;

	open_both();
	src = given_pattern(MIB);
	out = give(map_anon(bytes), bytes);
	buf = map_anon(bytes);
	pattern_fill(buf, bytes, SEED);
	for (unsigned int i = 0; i < 2; i++) {
		queue_create(&mover[i], &gpu[i], 4096);
		feed(&f[i], i, src, MIB);
	}
	for (unsigned int round = 0; round < tap_rounds(6); round++) {
		unsigned int to = round % 2;

		attr(buf, bytes, KFD_IOCTL_SVM_ATTR_NO_ACCESS, gpu[!to].id);
		attr(buf, bytes, KFD_IOCTL_SVM_ATTR_ACCESS, gpu[to].id);
		expect_int(svm_prefetch(&gpu[0], buf, bytes, gpu[to].id), ==, 0);
		expect_in_vram(buf, bytes);
		expect_int(counted(to, "pages_to_vram"), ==, (round / 2 + 1) * (bytes / PAGE));
		expect(!madvise(out, bytes, MADV_DONTNEED), "madvise: %s", strerror(errno));
		queue_copy(&mover[to], out, buf, bytes);
		queue_run(&mover[to]);
		pattern_check(out, bytes, SEED);
	}
	for (unsigned int i = 0; i < 2; i++) {
		feeder_stop(&f[i], SEED);
		expect_evictions(i);
		expect_no_faults(i);
		if (hive())
			expect_int(counted(i, "pages_to_ram"), ==, 0);
	}
	pattern_check(buf, bytes, SEED);
}

/* ---- one is pulled out ---- */

/* No queue of it runs any more, and nobody waits for it. */
static void unbind_in_time(void)
{
	long long begun = now_ms();

	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	expect_int(now_ms() - begun, <, 15000 * tap_patience());
}

static void expect_standing(struct queue *queue)
{
	uint64_t at = queue_rptr(queue);

	nap_us(QUIET_MS * 1000);
	expect(!queue_idle(queue) && queue_rptr(queue) == at, "the queue runs");
}

/* What the one that stays does as before: run, stop, go on. */
static void expect_the_other_works(char *buf, size_t bytes)
{
	for (uint32_t round = 1; round < 4; round++) {
		long evicted = counted(STAYS, "queues_evicted");

		expect(!madvise(buf, bytes, MADV_DONTNEED), "madvise: %s", strerror(errno));
		expect_int(counted(STAYS, "queues_evicted"), >, evicted);
		queue_fill(&q[STAYS], buf, round, bytes);
		queue_run(&q[STAYS]);
		value_check(buf, bytes, round);
	}
	expect_evictions(STAYS);
	expect_no_faults(STAYS);
}

static void gpu_is_pulled_out_while_queues_stand_still(void)
{
	size_t bytes = 2 * MIB;
	struct obstacle o;
	char *buf, *lost;

	open_both();
	obstacle_make(&o);
	give(o.at, OBSTACLE);
	buf = give(map_anon(2 * bytes), 2 * bytes);
	lost = map_anon(bytes);
	attr(lost, bytes, KFD_IOCTL_SVM_ATTR_ACCESS, gpu[GOES].id);
	expect_int(svm_prefetch(&gpu[GOES], lost, bytes, gpu[GOES].id), ==, 0);
	expect_in_vram(lost, bytes);
	obstacle_raise(&o);
	for (unsigned int i = 0; i < 2; i++) {
		queue_fill(&q[i], buf + i * bytes, 0xe0 + i, bytes);
		queue_submit(&q[i]);
	}
	expect_standing(&q[0]);
	expect_standing(&q[1]);
	gpu_pull_out(address);
	unbind_in_time();
	expect_standing(&q[STAYS]);
	obstacle_remove(&o);
	queue_wait(&q[STAYS]);
	value_check(buf, bytes, 0xe0);
	value_check(buf + bytes, bytes, 0);
	expect_int(signal_of_read(lost), ==, SIGBUS);
	expect_the_other_works(buf, bytes);
}

static void gpu_is_pulled_out_before_its_queues_stop(void)
{
	size_t bytes = 2 * MIB;
	struct feeder f;
	long long begun;
	char *src, *buf;

	open_both();
	src = given_pattern(bytes);
	buf = give(map_anon(bytes), bytes);
	feed(&f, STAYS, src, bytes);
	for (unsigned int i = 0; i < 100; i++)
		queue_copy(&q[GOES], buf, src, bytes);
	queue_submit(&q[GOES]);
	gpu_pull_out(address);
	begun = now_ms();
	expect(!madvise(buf, bytes, MADV_DONTNEED), "madvise: %s", strerror(errno));
	expect_int(now_ms() - begun, <, 5000 * tap_patience());
	feeder_gets_on(&f);
	unbind_in_time();
	value_check(buf, bytes, 0);
	feeder_stop(&f, SEED);
	expect_the_other_works(buf, bytes);
}

static void gpu_is_as_good_as_new(void)
{
	both_have_it_mapped();
}

/* With all processes gone. */
static const char *gpu_comes_back(void)
{
	char path[64];

	snprintf(path, sizeof(path), DRIVER "/%s", address);
	if (access(path, F_OK) && write_text(DRIVER "/bind", address))
		return "the driver does not take the GPU again";
	return nothing_left();
}

static const struct tap_test tests[] = {
	TAP_TEST(both_have_it_mapped),
	TAP_TEST(memory_of_both_goes_where_both_reach_it),
	TAP_TEST(cpu_takes_memory_from_both),
	TAP_TEST(memory_moves_from_gpu_to_gpu),
	TAP_TEST(gpu_is_pulled_out_while_queues_stand_still),
	TAP_TEST(gpu_is_pulled_out_before_its_queues_stop),
	TAP_TEST(gpu_is_as_good_as_new),
};

int main(int argc, char **argv)
{
	if (gpu_count() > GOES)	/* not on the machine where --list is asked for */
		gpu_pci_address(GOES, address);
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), gpu_comes_back, argc, argv);
}
