// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reports that the device makes of an access until the very moment at which its page is mapped. When the driver gets
 * round to the last of them the access may have gone through, and the CPU may have fetched the page back: then it
 * must stay there, because nobody waits for it.
 *
 * Here the CPU is there at once. One report in some thousand comes in the moment that matters, so that a driver which
 * acts on it fails here in one run of four.
 *
 * RUN-DEFAULT:
 */
#include <stdint.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

static struct gpu gpu;
static struct queue q;

/* The GPU writes, the CPU adds one to that, and again; returns how often the CPU did not find what was written. */
static unsigned int pass_back_and_forth(volatile uint32_t *word, unsigned int rounds)
{
	unsigned int wrong = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		queue_write32(&q, (void *)word, 2 * round);
		queue_submit(&q);
		if (!spin_until(queue_idle(&q), 20000))
			return rounds;
		wrong += (*word)++ != 2 * round;
	}
	return wrong;
}

static void last_report_of_an_access_moves_nothing(void)
{
	unsigned int rounds = tap_rounds(200), wrong;
	uint32_t *word = map_anon(2 * MIB);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	*word = 0;
	stats_read(&s, 0);
	wrong = pass_back_and_forth(word, rounds);
	expect_int(wrong, ==, 0);
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
