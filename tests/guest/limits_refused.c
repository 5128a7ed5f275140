// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest too small for its GPU: VRAM of 64 GiB takes struct pages of 1 GiB, which is more than there is. The
 * driver says so, and the guest lives.
 *
 * RUN-DEFAULT: --vram 64G --device vram-bar-size=256M --mem 1G --no-driver
 */
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

enum { READ_ALL = 3 };

/* The kernel's log holds the line with @first in it, and @second behind that. */
static const char *in_log(const char *first, const char *second)
{
	static char log[1 << 18];
	int n = klogctl(READ_ALL, log, sizeof(log) - 1);
	char *line;

	expect(n >= 0, "klogctl");
	log[n] = 0;
	line = strstr(log, first);
	return line ? strstr(line, second) : NULL;
}

static void gpu_is_refused_with_the_numbers(void)
{
	uint64_t before = named_value("/proc/meminfo", "MemAvailable:");
	const char *rest;
	unsigned int mib;

	expect_int(driver_load(), ==, 0);
	expect_int(gpu_count(), ==, 0);
	rest = in_log("VRAM of 65536 MiB needs 1024 MiB of system memory", " and ");
	expect(rest, "the kernel's log does not say what is needed");
	expect(sscanf(rest, " and %u MiB may be used", &mib) == 1 && mib > 100 && mib < 1024,
	       "the kernel's log does not say what there is");
	expect_int(named_value("/proc/meminfo", "MemAvailable:"), >, before - 64 * 1024);
	expect_int(named_value("/sys/kernel/debug/hmm_gpu/memory", "used"), ==, 0);
	expect_int(driver_unload(), ==, 0);
}

/* Nothing of the first attempt is left that would stand in the way of the second. */
static void driver_loads_again(void)
{
	expect_int(driver_load(), ==, 0);
	expect_int(gpu_count(), ==, 0);
	expect_int(driver_unload(), ==, 0);
}

static const struct tap_test tests[] = {
	TAP_TEST(gpu_is_refused_with_the_numbers),
	TAP_TEST(driver_loads_again),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), NULL, argc, argv);
}
