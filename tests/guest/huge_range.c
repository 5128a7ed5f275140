// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Address space costs a program nothing; what the driver remembers about it must not cost the machine its memory.
 *
 * With little VRAM ranges are small, 2 MiB, so that little address space makes many.
 *
 * RUN: --vram 16M
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "lib/event.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define GIB (1ul << 30)
#define TIB (1ul << 40)

static const struct kfd_ioctl_svm_attribute fine = { KFD_IOCTL_SVM_ATTR_GRANULARITY, 5 };

/* As much address space as there is to be had, up to @bytes. */
static char *reserve(size_t *bytes)
{
	for (; *bytes >= TIB; *bytes /= 2) {
		void *at = mmap(NULL, *bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at != MAP_FAILED)
			return at;
	}
	fail("mmap of 1 TiB: %s", strerror(errno));
}

static long long available_kib(void)
{
	return named_value("/proc/meminfo", "MemAvailable:");
}

static void still_works(void)
{
	char *buf = map_anon(MIB);

	queue_create(&q, &gpu, 4096);
	queue_fill(&q, buf, 0x600d, MIB);
	queue_run(&q);
	value_check(buf, MIB, 0x600d);
	queue_destroy(&q);
}

static void attributes_of_a_huge_mapping_are_refused(void)
{
	size_t bytes = 64 * TIB;
	char *at = reserve(&bytes);
	long long before, start;

	gpu_open(&gpu, 0);
	before = available_kib();
	start = now_ms();
	expect_int(svm_set_attr(&gpu, at, bytes, 1, &fine), ==, -ENOMEM);
	diag("%zu TiB: refused after %lld ms", bytes / TIB, now_ms() - start);
	expect_int(now_ms() - start, <, 2000 * tap_patience());
	expect_int(before - available_kib(), <, 16 << 10);
	still_works();
	expect_int(svm_set_attr(&gpu, at + TIB / 2, GIB, 1, &fine), ==, 0);
}

/* KASAN does not give back the last of what is freed, up to a 32nd of RAM: QUARANTINE_FRACTION in mm/kasan/quarantine.c */
static long long held_back_kib(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return tap_brief() ? info.totalram / 32 >> 10 : 0;
}

/* The same, piece by piece; and what is unmapped counts no more. */
static void ranges_are_limited_and_given_back(void)
{
	size_t piece = 16 * GIB, bytes = TIB, taken = 0;
	long long before, start = now_ms();
	char *at = reserve(&bytes);
	int error;

	if (tap_brief() && !tap_long())
		skip("65536 ranges take half a minute on the debug kernel");
	gpu_open(&gpu, 0);
	still_works();
	before = available_kib();
	do
		error = svm_set_attr(&gpu, at + taken, piece, 1, &fine);
	while (!error && (taken += piece) < bytes);
	diag("%zu GiB have attributes, which takes %lld KiB, after %lld ms", taken / GIB, before - available_kib(),
	     now_ms() - start);
	expect_int(error, ==, -ENOMEM);
	expect_int(taken, >=, piece);
	expect_int(before - available_kib(), <, 64 << 10);
	still_works();
	start = now_ms();
	munmap(at, bytes);
	expect(wait_until(before - available_kib() < (16 << 10) + held_back_kib(), 20000), "%lld KiB are gone",
	       before - available_kib());
	diag("given back after %lld ms", now_ms() - start);
	bytes = TIB;
	at = reserve(&bytes);
	expect_int(svm_set_attr(&gpu, at, piece, 1, &fine), ==, 0);
	still_works();
}

/* Attributes for all of a mapping, or for as much of it as the limit allows. */
static size_t attributes_for(char *at, size_t bytes)
{
	size_t done = 0;

	for (size_t piece = 64 * GIB; piece >= 2 * MIB; piece /= 2)
		while (done + piece <= bytes && !svm_set_attr(&gpu, at + done, piece, 1, &fine))
			done += piece;
	return done;
}

/* Memory that nobody has registered needs a range, too. Without one the access fails, which is told. */
static void access_beyond_the_limit_is_denied(void)
{
	size_t bytes = TIB, taken;
	char *at, *buf = map_anon(2 * MIB);
	uint32_t id;

	if (tap_brief() && !tap_long())
		skip("65536 ranges take half a minute on the debug kernel");
	at = reserve(&bytes);
	gpu_and_queue(&gpu, &q);
	queue_write32(&q, buf, 0x600d);
	queue_run(&q);
	munmap(buf, 2 * MIB);		/* its range goes to others */
	buf = map_anon(2 * MIB);
	*buf = 1;
	id = create_type(KFD_IOC_EVENT_MEMORY, 1);
	taken = attributes_for(at, bytes);
	expect_int(taken, >=, 64 * GIB);
	expect_int(taken, <, bytes);
	queue_write32(&q, buf, 0xbad);
	queue_run_into_fault(&q);
	expect_exception(id, buf, "not present");
	expect_int(*(uint32_t *)buf, ==, 1);
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(attributes_of_a_huge_mapping_are_refused),
	TAP_TEST(ranges_are_limited_and_given_back),
	TAP_TEST(access_beyond_the_limit_is_denied),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
