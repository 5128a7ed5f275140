// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A GPU that stops answering takes what is in its memory with it. Who touches that gets a signal, never zeroes;
 * nothing waits for a GPU that will not come back; and one that does come back is a new one.
 *
 * RUN: --module fence_timeout_ms=1000
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000eu
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"
#define REFERENCES "/sys/module/hmm_gpu/refcnt"

#define BYTES tap_size(8 * MIB, 4 * MIB)

static char address[16];
static uint64_t references;	/* to the module, when nobody uses the GPU */

static int unbinder;

/* What the processes of a test tell each other. */
static struct talk {
	volatile uint32_t unbind, unbound, go_on;
} *talk;

static uint64_t number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 1)
		fail("%s: %s", path, strerror(errno));
	close(fd);
	return strtoull(text, NULL, 0);
}

/* ---- how a GPU is lost ---- */

/* A reset of its bus, unlike one of the GPU alone, clears its memory. */
static void reset_the_bus(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", address);
	if (write_text(path, "bus"))
		skip("this bus cannot be reset");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	expect_int(write_text(path, "1"), ==, 0);
}

/* ---- what is lost with it ---- */

static void expect_lost(const char *buf)
{
	/* one of each granule or so: for each the driver tries to bring all of it home */
	for (size_t page = 0; page < BYTES / PAGE; page += 509) {
		int signal = signal_of_read(buf + page * PAGE);

		if (signal != SIGBUS)
			fail("page %zu of lost memory gave signal %d and is %#x", page, signal,
			     signal ? 0 : *(const uint32_t *)(buf + page * PAGE));
	}
}

static void sleep_with_lost_memory(void *arg)
{
	expect(wait_until(talk->go_on, 60000), "nobody told us to go on");
	expect_lost(arg);
}

static void look_at_lost_memory(void *arg)
{
	expect_lost(arg);
}

static void unbind(void *arg)
{
	(void)arg;
	expect(wait_until(talk->unbind, 60000), "nobody told us to unbind");
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	talk->unbound = 1;
}

static void unbind_in_time(void)
{
	talk->unbind = 1;
	expect(wait_until(talk->unbound, 10000), "the driver does not let go of a GPU that is lost");
	tap_join(unbinder);
}

static char *begin(void)
{
	char *buf;

	talk = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unbinder = tap_fork(unbind, NULL);	/* before there is memory that it would share */
	buf = map_anon(BYTES);
	pattern_fill(buf, BYTES, SEED);
	gpu_and_queue(&gpu, &q);
	queue_nop(&q);
	queue_run(&q);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	return buf;
}

static void works(void *arg)
{
	char *buf = map_anon(4 * MIB), *copy = map_anon(4 * MIB);

	(void)arg;
	pattern_fill(buf, 4 * MIB, SEED + 1);
	gpu_and_queue(&gpu, &q);
	queue_copy(&q, copy, buf, 4 * MIB);
	queue_run(&q);
	expect_in_vram(buf, 4 * MIB);
	pattern_check(copy, 4 * MIB, SEED + 1);
	pattern_check(buf, 4 * MIB, SEED + 1);
}

/* ---- the tests ---- */

/* Who waits for a GPU that is lost hears of it. */
static void loss_is_an_exception(void)
{
	struct kfd_event_data data = { 0 };
	struct kfd_ioctl_wait_events_args w = { .events_ptr = (uintptr_t)&data, .num_events = 1, .timeout = PATIENT };

	begin();
	data.event_id = create_type(KFD_IOC_EVENT_HW_EXCEPTION, AUTO);
	gpu_pull_out(address);
	unbind_in_time();
	expect_int(wait_call(&w), ==, 0);
	expect_int(w.wait_result, ==, COMPLETE);
	expect_int(data.hw_exception_data.memory_lost, ==, 1);
	expect_int(data.hw_exception_data.gpu_id, ==, gpu.id);
}

static void memory_is_lost_for_all_who_share_it(void)
{
	char *buf = begin(), *fresh;
	int sleeper = tap_fork(sleep_with_lost_memory, buf);

	gpu_pull_out(address);
	unbind_in_time();
	expect_lost(buf);
	tap_join(tap_fork(look_at_lost_memory, buf));	/* a child that is forked now, too */
	talk->go_on = 1;
	tap_join(sleeper);

	/* The process goes on without. */
	expect(!madvise(buf, MIB, MADV_DONTNEED), "madvise: %s", strerror(errno));
	value_check(buf, MIB, 0);
	expect(mmap(buf + MIB, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf + MIB,
	       "mmap: %s", strerror(errno));
	pattern_fill(buf, 2 * MIB, SEED);
	pattern_check(buf, 2 * MIB, SEED);
	expect_int(signal_of_read(buf + 2 * MIB), ==, SIGBUS);
	fresh = mremap(buf + 2 * MIB, MIB, 2 * MIB, MREMAP_MAYMOVE);
	expect(fresh != MAP_FAILED, "mremap: %s", strerror(errno));
	expect_int(signal_of_read(fresh), ==, SIGBUS);
	expect_int(signal_of_read(fresh + MIB), ==, 0);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), <, 0);
}

static void touch_before_unbind_gives_a_signal(void)
{
	char *buf = begin();
	long long begun = now_ms();

	gpu_pull_out(address);
	expect_int(signal_of_read(buf + 5 * PAGE), ==, SIGBUS);
	expect_int(now_ms() - begun, <, 5000 * tap_patience());
	expect_lost(buf);
	unbind_in_time();
	expect_lost(buf);
}

static void gpu_that_comes_back_does_not_bring_memory_back(void)
{
	char *buf = begin();

	gpu_pull_out(address);
	unbind_in_time();
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	tap_join(tap_fork(works, NULL));
	expect_lost(buf);
	tap_join(tap_fork(works, NULL));
}

static void bus_reset_loses_what_was_in_vram(void)
{
	char *buf = begin();

	reset_the_bus();
	expect_lost(buf);
	unbind_in_time();
	expect_lost(buf);
}

static void gpu_is_as_good_as_new(void)
{
	tap_join(tap_fork(works, NULL));
}

/* With all processes gone. */
static const char *gpu_comes_back(void)
{
	char path[64];

	snprintf(path, sizeof(path), DRIVER "/%s", address);
	if (access(path, F_OK) && !wait_until(number_in(REFERENCES) == references, 5000))
		return "the module is still referenced by what has been lost";
	if (access(path, F_OK) && write_text(DRIVER "/bind", address))
		return "the driver does not take the GPU again";
	return nothing_left();
}

static const struct tap_test tests[] = {
	TAP_TEST(loss_is_an_exception),
	TAP_TEST(memory_is_lost_for_all_who_share_it),
	TAP_TEST(touch_before_unbind_gives_a_signal),
	TAP_TEST(gpu_that_comes_back_does_not_bring_memory_back),
	TAP_TEST(bus_reset_loses_what_was_in_vram),
	TAP_TEST(gpu_is_as_good_as_new),
};

int main(int argc, char **argv)
{
	if (gpu_count()) {	/* not on the machine where --list is asked for */
		gpu_pci_address(0, address);
		references = number_in(REFERENCES);
	}
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), gpu_comes_back, argc, argv);
}
