// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine that moves pages fails: jobs of others, on purpose, and copies in the middle of a migration. No byte
 * may be lost, and the next migration must work.
 *
 * Ranges are as large as a 32nd of VRAM: 64 MiB.
 *
 * RUN: --vram 2G --module fence_timeout_ms=1000
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed000fu
#define DEBUGFS "/sys/kernel/debug/hmm_gpu/0"
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"

enum { BYTES = 4 << 20, TWO_BATCHES = 64 << 20, FAILURES = 30, PCI_COMMAND = 4, PCI_COMMAND_MASTER = 4 };

static char address[16];
static struct gpu gpu;
static struct queue q;

/* ---- jobs that fail beside migrations ---- */

static void fail_some_jobs(void *arg)
{
	volatile uint32_t *done = arg;

	for (int i = 0; i < FAILURES; i++) {
		const char *kind = i == FAILURES / 2 ? "hang" : i % 2 ? "illegal" : "fault";
		int error = write_text(DEBUGFS "/inject", kind);

		expect(!error, "inject %s: %s", kind, strerror(-error));
		nap_us(i % 8 * 5000);
	}
	*done = 1;
}

static void migrations_go_on_beside_jobs_that_fail(void)
{
	volatile uint32_t *done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *buf = map_anon(MIB), *copy = map_anon(MIB);
	uint64_t slots = named_value(DEBUGFS "/sdma", "slots_free");
	uint32_t round = 0;
	struct stats s;
	int pid;

	gpu_and_queue(&gpu, &q);
	stats_read(&s, 0);
	pid = tap_fork(fail_some_jobs, (void *)done);
	do {
		pattern_fill(buf, MIB, SEED + round);
		if (round % 2)
			expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
		queue_copy(&q, copy, buf, MIB);
		queue_run(&q);
		expect_in_vram(buf, MIB);
		pattern_check(copy, MIB, SEED + round);
		pattern_check(buf, MIB, SEED + round);
		round++;
	} while (!*done);
	tap_join(pid);
	diag("%u rounds beside %lu failed jobs", round, stats_since(&s, "sdma_errors"));
	expect_int(stats_since(&s, "sdma_errors"), ==, FAILURES);
	expect_int(named_value(DEBUGFS "/sdma", "dead"), ==, 0);
	expect(wait_until(named_value(DEBUGFS "/sdma", "slots_free") == slots, 2000), "slots of jobs are missing");
}

/* ---- migrations that fail ---- */

static void set_bus_master(bool on)
{
	uint16_t command;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
	fd = open(path, O_RDWR | O_CLOEXEC);
	expect(fd >= 0 && pread(fd, &command, 2, PCI_COMMAND) == 2, "%s: %s", path, strerror(errno));
	command = on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER;
	expect(pwrite(fd, &command, 2, PCI_COMMAND) == 2, "%s: %s", path, strerror(errno));
	close(fd);
}

static void *bus_master_after_a_while(void *arg)
{
	nap_us(300000);
	set_bus_master(true);
	return arg;
}

/*
 * Without access to the bus the engine halts in whatever it is given. Its interrupt is lost as well, so the driver
 * notices by the time that has passed, and then the bus is there again. Returns whether a job has failed.
 */
static bool while_the_bus_is_off(void (*move)(char *buf), char *buf)
{
	struct stats s;
	pthread_t on;

	stats_read(&s, 0);
	set_bus_master(false);
	expect(!pthread_create(&on, NULL, bus_master_after_a_while, NULL), "pthread_create");
	move(buf);
	pthread_join(on, NULL);
	return stats_since(&s, "sdma_errors");
}

static void to_vram(char *buf)
{
	svm_prefetch(&gpu, buf, BYTES, gpu.id);
}

static void to_ram(char *buf)
{
	expect_int(signal_of_read(buf), ==, 0);
}

static void copy_to_vram_that_fails_leaves_the_bytes_in_ram(void)
{
	char *buf = map_anon(BYTES);
	struct where w;
	int tries = 0;

	pattern_fill(buf, BYTES, SEED);
	gpu_open(&gpu, 0);
	while (!while_the_bus_is_off(to_vram, buf)) {	/* too late, this time */
		expect(tries++ < 5, "no copy fails while the bus is off");
		pattern_check(buf, BYTES, SEED);
	}
	w = where_is(buf, BYTES);
	diag("%zu pages in RAM, %zu in VRAM", w.present, w.device);
	expect_int(w.present, >, 0);
	expect_int(w.present + w.device, ==, BYTES / PAGE);
	pattern_check(buf, BYTES, SEED);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
}

static void batches_to_vram(char *buf)
{
	svm_prefetch(&gpu, buf, TWO_BATCHES, gpu.id);
}

/*
 * Memory that the CPU shall have access to is present after a prefetch, also the batch to which that did not come.
 * The first one is there from the beginning, so that its first copy meets the bus while it is off.
 */
static void prefetch_that_fails_leaves_pages_for_all(void)
{
	struct where w;
	int tries = 0;
	char *buf;

	gpu_open(&gpu, 0);
	do {
		expect(tries++ < 5, "no copy fails while the bus is off");
		buf = map_anon(2 * TWO_BATCHES);
		buf += -(uintptr_t)buf % TWO_BATCHES;	/* one range */
		pattern_fill(buf, TWO_BATCHES / 2, SEED);
	} while (!while_the_bus_is_off(batches_to_vram, buf));
	w = where_is(buf, TWO_BATCHES);
	diag("%zu pages in RAM, %zu in VRAM", w.present, w.device);
	expect_int(w.present, >=, TWO_BATCHES / 2 / PAGE);
	expect_int(w.present + w.device, ==, TWO_BATCHES / PAGE);
	pattern_fill(buf, TWO_BATCHES, SEED);
	expect_int(svm_prefetch(&gpu, buf, TWO_BATCHES, gpu.id), ==, 0);
	expect_in_vram(buf, TWO_BATCHES);
	pattern_check(buf, TWO_BATCHES, SEED);
}

/* All VRAM is in the BAR here: what the engine cannot fetch, the processor can. */
static void copy_to_ram_that_fails_is_done_by_the_processor(void)
{
	char *buf = map_anon(BYTES);
	int tries = 0;

	pattern_fill(buf, BYTES, SEED);
	gpu_open(&gpu, 0);
	do {
		expect(tries++ < 5, "no copy fails while the bus is off");
		expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
		expect_in_vram(buf, BYTES);
	} while (!while_the_bus_is_off(to_ram, buf));
	pattern_check(buf, BYTES, SEED);
	expect_in_ram(buf, BYTES);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
}

/* Bound again, the GPU is a new one, with counters for those who want none of failures. */
static const char *gpu_is_bound_again(void)
{
	const char *trouble = no_vram_left();

	if (write_text(DRIVER "/unbind", address) || write_text(DRIVER "/bind", address))
		return "the driver does not take the GPU again";
	return trouble;
}

static const struct tap_test tests[] = {
	TAP_TEST(migrations_go_on_beside_jobs_that_fail),
	TAP_TEST(copy_to_vram_that_fails_leaves_the_bytes_in_ram),
	TAP_TEST(prefetch_that_fails_leaves_pages_for_all),
	TAP_TEST(copy_to_ram_that_fails_is_done_by_the_processor),
};

int main(int argc, char **argv)
{
	if (gpu_count())	/* not on the machine where --list is asked for */
		gpu_pci_address(0, address);
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), gpu_is_bound_again, argc, argv);
}
