// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SMI events: what happens is told, every field of it, to those who asked and may know.
 *
 * RUN:
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define NOTHING ((char *)0x210000000000)	/* nobody maps anything here */

static struct gpu gpu;
static struct queue q;

static void vm_fault_names_who_acquired_the_gpu(void)
{
	struct smi_event e;
	int fd;

	prctl(PR_SET_NAME, "has acquired");
	gpu_and_queue(&gpu, &q);
	prctl(PR_SET_NAME, "is renamed");
	fd = smi_open(&gpu, SMI_EVERYTHING);
	queue_write32(&q, NOTHING, 0xbad);
	queue_run_into_fault(&q);
	e = smi_next(fd, KFD_SMI_EVENT_VMFAULT);
	expect_int(e.pid, ==, syscall(SYS_gettid));
	expect(!strcmp(e.text, "has acquired"), "it names '%s'", e.text);
	smi_expect_nothing(fd);		/* a fault that is not resolved is no page fault */
}

static void reset_is_told_to_everybody(void)
{
	char address[16], path[64];
	struct smi_event before, after;
	unsigned int count = 0;
	int fd;

	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	gpu_open(&gpu, 0);
	fd = smi_open(&gpu, SMI_RESET);
	for (unsigned int round = 0; round < 2; round++) {
		expect_int(write_text(path, "1"), ==, 0);
		before = smi_next(fd, KFD_SMI_EVENT_GPU_PRE_RESET);
		after = smi_next(fd, KFD_SMI_EVENT_GPU_POST_RESET);
		expect(!strcmp(before.text, "PCI reset"), "its cause is '%s'", before.text);
		expect_int(after.count, ==, before.count);
		if (round)
			expect_int(before.count, ==, count + 1);
		count = before.count;
	}
	expect_int(count, >=, 2);
	smi_expect_nothing(fd);
}

/* ---- the file ---- */

static void bad_calls_are_refused(void)
{
	char small[7] = "";
	uint64_t mask = 0;
	int fd;

	gpu_open(&gpu, 0);
	expect_int(smi_try_open(&gpu, 0), ==, -EINVAL);		/* the CPU */
	expect_int(smi_try_open(&gpu, gpu.id ^ 0xffff), ==, -EINVAL);
	expect_int(smi_try_open(&gpu, gpu.id | 1 << 16), ==, -EINVAL);
	fd = smi_open(&gpu, SMI_MIGRATE);
	expect(write(fd, small, sizeof(small)) == -1 && errno == EFAULT, "a short mask: %s", strerror(errno));
	expect(write(fd, (void *)PAGE, 8) == -1 && errno == EFAULT, "a mask from nowhere: %s", strerror(errno));
	expect(read(fd, &mask, 8) == -1 && errno == EAGAIN, "nothing to read: %s", strerror(errno));
}

static const struct tap_test tests[] = {
	TAP_TEST(vm_fault_names_who_acquired_the_gpu),
	TAP_TEST(reset_is_told_to_everybody),
	TAP_TEST(bad_calls_are_refused),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
