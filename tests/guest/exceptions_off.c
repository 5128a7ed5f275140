// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Exceptions of processes without recoverable faults (XNACK off). On a GPU that could retry, the driver denies the
 * access; one that cannot halts the queue by itself, and its report is all there is.
 *
 * RUN:
 * RUN-DEFAULT: --device xnack=off
 */
#include <sys/mman.h>

#include "lib/event.h"
#include "lib/mem.h"

#define SEED 0x5eed001bu

/* The GPU may access memory with a pattern in it, which is mapped; @flags: KFD_IOCTL_SVM_FLAG_* more. Returns the event. */
static uint32_t open_with_memory(char **buf, uint32_t flags)
{
	struct kfd_ioctl_svm_attribute attrs[] = {
		{ KFD_IOCTL_SVM_ATTR_ACCESS, 0 }, { KFD_IOCTL_SVM_ATTR_SET_FLAGS, flags },
	};

	gpu_open(&gpu, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, 0);
	queue_create(&q, &gpu, 4096);
	attrs[0].value = gpu.id;
	*buf = map_anon(MIB);
	pattern_fill(*buf, MIB, SEED);
	expect_int(svm_set_attr(&gpu, *buf, MIB, 2, attrs), ==, 0);
	return create_type(KFD_IOC_EVENT_MEMORY, AUTO);
}

/* The GPU can read it, and a write to page @page is an exception that changes nothing. */
static void write_is_read_only(uint32_t id, char *buf, size_t page)
{
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id };
	char *copy = map_anon(MIB);

	expect_int(svm_set_attr(&gpu, copy, MIB, 1, &access), ==, 0);
	queue_copy(&q, copy, buf, MIB);
	queue_run(&q);
	pattern_check(copy, MIB, SEED);
	queue_write32(&q, buf + page * PAGE + 12, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, buf + page * PAGE, "read-only");
	expect(!is_signaled(id), "it came twice");
	pattern_check(buf, MIB, SEED);
	queue_destroy(&q);
}

static void access_to_unregistered_memory(void)
{
	char *buf, *other = map_anon(4 * PAGE);
	uint32_t id = open_with_memory(&buf, 0);

	queue_write32(&q, other + 2 * PAGE + 100, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, other + 2 * PAGE, "not present");
	value_check(other, 4 * PAGE, 0);
	queue_destroy(&q);
}

static void write_to_read_only_memory(void)
{
	uint32_t id;
	char *buf;

	id = open_with_memory(&buf, 0);
	expect(!mprotect(buf, MIB, PROT_READ), "mprotect");
	write_is_read_only(id, buf, 9);
}

static void write_to_what_the_gpu_may_only_read(void)
{
	uint32_t id;
	char *buf;

	id = open_with_memory(&buf, KFD_IOCTL_SVM_FLAG_GPU_RO);
	write_is_read_only(id, buf, 7);
}

static void access_that_was_taken_away(void)
{
	struct kfd_ioctl_svm_attribute none;
	uint32_t id;
	char *buf;

	id = open_with_memory(&buf, 0);
	none = (struct kfd_ioctl_svm_attribute) { KFD_IOCTL_SVM_ATTR_NO_ACCESS, gpu.id };
	expect_int(svm_set_attr(&gpu, buf + 3 * PAGE, PAGE, 1, &none), ==, 0);
	queue_copy(&q, buf + 5 * PAGE, buf + 2 * PAGE, 2 * PAGE);	/* the first of them is allowed, and copied */
	queue_run_into_fault(&q);
	expect_exception(id, buf + 3 * PAGE, "not present");
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(access_to_unregistered_memory),
	TAP_TEST(write_to_read_only_memory),
	TAP_TEST(write_to_what_the_gpu_may_only_read),
	TAP_TEST(access_that_was_taken_away),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
