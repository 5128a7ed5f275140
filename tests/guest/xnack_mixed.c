// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A GPU with recoverable faults (XNACK) and one without in the same guest: processes have the mode that all of their
 * GPUs can do.
 *
 * RUN-DEFAULT: --gpus 2 --vram 64M --qemu-arg -set --qemu-arg device.gpu1.xnack=off
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0015u
#define DRIVER "/sys/bus/pci/drivers/hmm_gpu"

enum { WITH, WITHOUT };

static struct gpu gpu[2];
static struct queue q[2];

static void open_both(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		gpu_open_as_is(&gpu[i], i);
		if (i) {
			close(gpu[i].kfd);
			gpu[i].kfd = gpu[0].kfd;
		}
		queue_create(&q[i], &gpu[i], 64 << 10);
	}
}

static void done(void)
{
	queue_destroy(&q[0]);
	queue_destroy(&q[1]);
}

static char *given_to_both(size_t bytes)
{
	struct kfd_ioctl_svm_attribute access[2] = {
		{ KFD_IOCTL_SVM_ATTR_ACCESS, gpu[0].id }, { KFD_IOCTL_SVM_ATTR_ACCESS, gpu[1].id },
	};
	char *at = map_anon(bytes);

	expect_int(svm_set_attr(&gpu[0], at, bytes, 2, access), ==, 0);
	return at;
}

static uint64_t noretry_faults(unsigned int i)
{
	struct stats s;

	stats_read(&s, i);
	return stats_get(&s, "gpu_faults_noretry");
}

static void mode_is_off_and_cannot_be_on(void)
{
	gpu_open_as_is(&gpu[WITH], WITH);	/* that is not the one to blame */
	expect_int(gpu_set_xnack(&gpu[WITH], -1), ==, 0);
	expect_int(gpu_set_xnack(&gpu[WITH], 1), ==, -EPERM);
	expect_int(gpu_set_xnack(&gpu[WITH], 0), ==, 0);
	expect_int(gpu_set_xnack(&gpu[WITH], -1), ==, 0);
	queue_create(&q[WITH], &gpu[WITH], 4096);
	expect_int(gpu_set_xnack(&gpu[WITH], 1), ==, -EBUSY);
	queue_destroy(&q[WITH]);
}

static void both_use_the_same_memory(void)
{
	uint64_t before[2] = { noretry_faults(WITH), noretry_faults(WITHOUT) };
	char *src, *dst[2];

	open_both();
	src = given_to_both(4 * MIB);
	pattern_fill(src, 4 * MIB, SEED);	/* under their eyes: stopped, mapped anew, restored */
	for (unsigned int i = 0; i < 2; i++) {
		dst[i] = given_to_both(4 * MIB);
		queue_copy(&q[i], dst[i], src, 4 * MIB);
		queue_submit(&q[i]);
	}
	for (unsigned int i = 0; i < 2; i++) {
		queue_wait(&q[i]);
		pattern_check(dst[i], 4 * MIB, SEED);
		expect_int(noretry_faults(i), ==, before[i]);
	}
	done();
}

static void memory_goes_to_the_vram_of_either(void)
{
	char *buf;

	open_both();
	buf = map_anon(4 * MIB);
	for (unsigned int i = 0; i < 2; i++) {
		struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, gpu[i].id };
		struct kfd_ioctl_svm_attribute none = { KFD_IOCTL_SVM_ATTR_NO_ACCESS, gpu[!i].id };

		pattern_fill(buf, 4 * MIB, SEED + i);
		expect_int(svm_set_attr(&gpu[0], buf, 4 * MIB, 1, &none), ==, 0);
		expect_int(svm_set_attr(&gpu[0], buf, 4 * MIB, 1, &access), ==, 0);
		expect_int(svm_prefetch(&gpu[0], buf, 4 * MIB, gpu[i].id), ==, 0);
		expect_in_vram(buf, 4 * MIB);
		queue_copy(&q[i], buf, buf + 2 * MIB, 2 * MIB);
		queue_run(&q[i]);
		expect_in_vram(buf, 4 * MIB);
		expect(!memcmp(buf, buf + 2 * MIB, 2 * MIB), "GPU %u copied something else", i);
	}
	done();
}

/* One is told by the driver that there is no retry, the other knows. */
static void wrong_access_halts_a_queue_of_either(void)
{
	char *nothing = map_anon(MIB);

	mprotect(nothing, MIB, PROT_NONE);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t before = noretry_faults(i);

		open_both();
		queue_fill(&q[i], nothing, 1, PAGE);
		queue_submit(&q[i]);
		expect(wait_until(noretry_faults(i) > before, 5000), "the fault of GPU %u is not reported", i);
		expect(!queue_idle(&q[i]), "GPU %u wrote to memory that is not there", i);
		done();
		gpu_close(&gpu[0]);
		close(gpu[1].drm);
	}
}

static void check_it_can_be_on(void *arg)
{
	char *buf = map_anon(MIB);

	(void)arg;
	gpu_open(&gpu[WITH], 0);	/* asks for it */
	queue_create(&q[WITH], &gpu[WITH], 4096);
	queue_fill(&q[WITH], buf, 0x55, MIB);	/* which nobody registered */
	queue_run(&q[WITH]);
	value_check(buf, MIB, 0x55);
	queue_destroy(&q[WITH]);
}

static void without_that_gpu_processes_have_xnack(void)
{
	char address[16];

	gpu_pci_address(WITHOUT, address);
	expect_int(write_text(DRIVER "/unbind", address), ==, 0);
	tap_join(tap_fork(check_it_can_be_on, NULL));
	expect_int(write_text(DRIVER "/bind", address), ==, 0);
	mode_is_off_and_cannot_be_on();
}

static const struct tap_test tests[] = {
	TAP_TEST(mode_is_off_and_cannot_be_on),
	TAP_TEST(both_use_the_same_memory),
	TAP_TEST(memory_goes_to_the_vram_of_either),
	TAP_TEST(wrong_access_halts_a_queue_of_either),
	TAP_TEST(without_that_gpu_processes_have_xnack),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
