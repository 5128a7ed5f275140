// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reports of GPU faults that the driver gets round to when the memory that they are about has been unmapped. Whether
 * other memory is there by then or none: it is not for that access.
 *
 * The driver's work item is kept waiting: the guest has one CPU, which a thread of real-time priority does not give
 * away. The interrupt thread is above it, so reports are taken from the ring into the driver's queue all the same.
 *
 * RUN: --cpus 1
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0031u

enum {
	BYTES = 2 << 20, AT = 77,	/* the page that the GPU writes to */
	KEPT_MS = 900,			/* after a second Linux gives the CPU away all the same */
};

static long long kept_since;

static void keep_cpu(bool keep)
{
	struct sched_param param = { .sched_priority = keep };

	kept_since = now_ms();
	expect(!sched_setscheduler(0, keep ? SCHED_FIFO : SCHED_OTHER, &param), "sched_setscheduler: %s", strerror(errno));
}

/* Memory in RAM; a GPU's write to it is parked and reported, and the driver does not get round to it. */
static char *reported(struct stats *before)
{
	char *buf = map_anon(BYTES);

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, BYTES, SEED);
	queue_write32(&q, buf + AT * PAGE, 0xcafe);
	stats_read(before, 0);
	keep_cpu(true);
	queue_submit(&q);
	expect(spin_until(stats_since(before, "ih_entries"), 5000), "no report");
	return buf;
}

/* The write is done because something else than its fault has mapped the page. */
static char *reported_and_done(struct stats *before)
{
	struct kfd_ioctl_svm_attribute in_place = { KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, 0 };
	char *buf = reported(before);

	in_place.value = gpu.id;
	expect_int(svm_set_attr(&gpu, buf + AT * PAGE, PAGE, 1, &in_place), ==, 0);
	expect(spin_until(queue_idle(&q), 5000), "the write is not done");
	expect_int(*(uint32_t *)(buf + AT * PAGE), ==, 0xcafe);
	return buf;
}

/* The driver has not got round to the report: without that a test would show nothing. */
static void expect_waiting(const struct stats *before, struct stats *waiting)
{
	stats_read(waiting, 0);
	if (now_ms() - kept_since > KEPT_MS)
		skip("it took %lld ms: the guest is too slow to keep the driver waiting", now_ms() - kept_since);
	expect_int(stats_since(before, "gpu_faults"), ==, 0);
}

/* Let the driver do what waits: it handles the report, and drops it. */
static void expect_dropped(const struct stats *before)
{
	struct stats waiting;

	expect_waiting(before, &waiting);
	keep_cpu(false);
	expect(wait_until(stats_since(&waiting, "gpu_faults") || stats_since(&waiting, "gpu_faults_filtered"), 5000),
	       "nobody has looked at the report");
	expect_int(stats_since(before, "gpu_faults"), ==, 0);
	expect_int(stats_since(&waiting, "gpu_faults_filtered"), ==, 1);
}

static void replace(char *buf, int prot)
{
	expect(mmap(buf, BYTES, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf, "mmap: %s", strerror(errno));
}

static void report_does_not_touch_what_came_in_its_place(void)
{
	struct stats s;
	char *buf = reported_and_done(&s);

	replace(buf, PROT_READ | PROT_WRITE);
	expect_dropped(&s);
	expect_int(where_is(buf, BYTES).none, ==, BYTES / PAGE);
	expect_int(stats_since(&s, "pages_to_vram"), ==, 0);
	queue_run(&q);
	queue_write32(&q, buf + AT * PAGE, 0x600d);	/* which an access of now is for */
	queue_run(&q);
	expect_int(stats_since(&s, "gpu_faults"), ==, 1);
	expect_int(where_is(buf, BYTES).device, ==, BYTES / PAGE);
	expect_int(*(uint32_t *)(buf + AT * PAGE), ==, 0x600d);
}

/* Once in place of the memory there is none, once what may not be written. */
static void report_is_no_exception_when_its_memory_is_gone(void)
{
	for (int i = 0; i < 2; i++) {
		struct stats s;
		char *buf = reported_and_done(&s);
		uint32_t id;

		if (i)
			replace(buf, PROT_READ);
		else
			munmap(buf, BYTES);
		expect_dropped(&s);
		id = create_type(KFD_IOC_EVENT_MEMORY, AUTO);
		expect_int(stats_since(&s, "gpu_faults_failed"), ==, 0);
		if (i)
			mprotect(buf, BYTES, PROT_READ | PROT_WRITE);
		else
			expect(mmap(buf, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				    -1, 0) == buf, "mmap: %s", strerror(errno));
		queue_write32(&q, buf + AT * PAGE, 0x600d);
		queue_run(&q);
		expect_int(*(uint32_t *)(buf + AT * PAGE), ==, 0x600d);
		expect_int(stats_since(&s, "gpu_faults_noretry"), ==, 0);
		expect(!is_signaled(id), "an access that was right is told as an exception");
		queue_destroy(&q);
		gpu_close(&gpu);
	}
}

/* With the same bytes, at another address, which the report does not name. */
static void report_does_not_follow_memory_that_was_moved(void)
{
	char *elsewhere = map_anon(BYTES), *buf;
	struct stats s;

	buf = reported_and_done(&s);
	expect(mremap(buf, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere, "mremap: %s", strerror(errno));
	replace(buf, PROT_READ | PROT_WRITE);
	expect_dropped(&s);
	expect_int(where_is(buf, BYTES).none, ==, BYTES / PAGE);
	expect_in_ram(elsewhere, BYTES);
	pattern_check(elsewhere, AT * PAGE, SEED);
	expect_int(*(uint32_t *)(elsewhere + AT * PAGE), ==, 0xcafe);
}

/* Its report is dropped, too; the next one is about the memory that is there now. */
static void access_that_waits_still_is_reported_again(void)
{
	struct stats s, waiting;
	char *buf = reported(&s);

	/* what has no range is not watched: it is registered, and has no mapping */
	expect_int(svm_set_attr(&gpu, buf + AT * PAGE, PAGE, 1, &(struct kfd_ioctl_svm_attribute){
		KFD_IOCTL_SVM_ATTR_GRANULARITY, 9 }), ==, 0);
	replace(buf, PROT_READ | PROT_WRITE);
	expect_waiting(&s, &waiting);
	keep_cpu(false);
	queue_wait(&q);
	expect_int(stats_since(&waiting, "gpu_faults_filtered"), >=, 1);
	expect_int(stats_since(&s, "gpu_faults"), ==, 1);
	expect_int(*(uint32_t *)(buf + AT * PAGE), ==, 0xcafe);
	expect_int(*(uint32_t *)buf, ==, 0);
}

static const struct tap_test tests[] = {
	TAP_TEST(report_does_not_touch_what_came_in_its_place),
	TAP_TEST(report_is_no_exception_when_its_memory_is_gone),
	TAP_TEST(report_does_not_follow_memory_that_was_moved),
	TAP_TEST(access_that_waits_still_is_reported_again),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
