// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reports that the device makes of an access until the very moment at which its page is mapped. When the driver gets
 * round to the last of them the access may have gone through, and the CPU may have fetched the page back: then it
 * must stay there, because nobody waits for it.
 *
 * Here the device repeats its reports a hundred times as often as usual, and the CPU is there at once.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_regs.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

static struct gpu gpu;
static struct queue q;

static volatile uint32_t *registers(void)
{
	char address[16], path[64];
	void *at;
	int fd;

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource5", address);
	fd = open(path, O_RDWR);
	at = mmap(NULL, HGPU_BAR_REGS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(at != MAP_FAILED, "%s: %s", path, strerror(errno));
	close(fd);
	return at;
}

/* The GPU writes, the CPU adds one to that, and again; returns how often the CPU did not find what was written. */
static unsigned int pass_back_and_forth(volatile uint32_t *word, unsigned int rounds)
{
	unsigned int wrong = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		queue_write32(&q, (void *)word, 2 * round);
		queue_submit(&q);
		if (!spin_until(queue_idle(&q), 5000))
			return rounds;
		wrong += (*word)++ != 2 * round;
	}
	return wrong;
}

static void last_report_of_an_access_moves_nothing(void)
{
	unsigned int rounds = tap_rounds(100), wrong;
	volatile uint32_t *regs = registers();
	uint32_t *word = map_anon(2 * MIB);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	*word = 0;
	stats_read(&s, 0);
	regs[HGPU_RETRY_INTERVAL / 4] = HGPU_RETRY_INTERVAL_MIN;
	wrong = pass_back_and_forth(word, rounds);
	regs[HGPU_RETRY_INTERVAL / 4] = HGPU_RETRY_INTERVAL_RESET;
	expect_int(wrong, ==, 0);
	expect(stats_since(&s, "gpu_faults_filtered") > rounds, "the device has not repeated itself");
	expect_int(stats_since(&s, "gpu_faults"), ==, rounds);
	expect_int(stats_since(&s, "cpu_faults"), ==, rounds);
}

static const struct tap_test tests[] = {
	TAP_TEST(last_report_of_an_access_moves_nothing),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
