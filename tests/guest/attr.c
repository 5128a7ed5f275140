// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attributes of shared virtual memory: what is got is what was set, of a part too; a call that is refused
 * changes nothing, and one that changes nothing costs nothing.
 *
 * RUN-DEFAULT: --gpus 2 --vram 64M
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define UNDEFINED KFD_IOCTL_SVM_LOCATION_UNDEFINED
#define EXT_COHERENT 0x80u	/* KFD_IOCTL_SVM_FLAG_EXT_COHERENT, which is newer than some headers */
#define DEFAULT_FLAGS (KFD_IOCTL_SVM_FLAG_HOST_ACCESS | KFD_IOCTL_SVM_FLAG_COHERENT)
#define N(array) (sizeof(array) / sizeof((array)[0]))

typedef struct kfd_ioctl_svm_attribute attr;

enum {
	PREFERRED = KFD_IOCTL_SVM_ATTR_PREFERRED_LOC,
	PREFETCH = KFD_IOCTL_SVM_ATTR_PREFETCH_LOC,
	ACCESS = KFD_IOCTL_SVM_ATTR_ACCESS,
	IN_PLACE = KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE,
	NO_ACCESS = KFD_IOCTL_SVM_ATTR_NO_ACCESS,
	SET_FLAGS = KFD_IOCTL_SVM_ATTR_SET_FLAGS,
	CLR_FLAGS = KFD_IOCTL_SVM_ATTR_CLR_FLAGS,
	GRANULARITY = KFD_IOCTL_SVM_ATTR_GRANULARITY,
};

static struct gpu gpu, other;
static struct queue q;

static void open_both(void)
{
	gpu_open(&gpu, 0);
	gpu_open(&other, 1);
}

static void set(const void *at, size_t bytes, attr a)
{
	expect_int(svm_set_attr(&gpu, at, bytes, 1, &a), ==, 0);
}

/* ---- what is got ---- */

enum { PAGES = 9, THIRD = PAGES / 3 };

/**
 * struct row - an attribute, set to a value everywhere and then to another one in the middle
 * @a: the first
 * @b: the second
 * @ask: what is asked for; the rest is the answers
 * @fresh: about memory that has no attributes
 * @is_a: where @a was set last
 * @is_b: where @b was
 * @mixed: about both
 */
struct row {
	attr a, b, ask, fresh, is_a, is_b, mixed;
};

static void expect_answer(const struct row *r, const char *when, const char *at, size_t pages, attr wanted)
{
	attr got = r->ask;

	expect_int(svm_get_attr(&gpu, at, pages * PAGE, 1, &got), ==, 0);
	if (got.type != wanted.type || got.value != wanted.value)
		fail("set %u to %#x, then %u to %#x; %s: asked for %u, got %u with %#x, expected %u with %#x", r->a.type,
		     r->a.value, r->b.type, r->b.value, when, r->ask.type, got.type, got.value, wanted.type, wanted.value);
}

static void check_row(const struct row *r)
{
	char *buf = map_anon(PAGES * PAGE), *middle = buf + THIRD * PAGE, *tail = middle + THIRD * PAGE;

	expect_answer(r, "before all", buf, PAGES, r->fresh);
	set(middle, THIRD * PAGE, r->a);
	expect_answer(r, "with nothing around it", buf, PAGES, r->is_a);
	expect_answer(r, "around it", buf, THIRD, r->fresh);
	set(buf, PAGES * PAGE, r->a);
	expect_answer(r, "everywhere", buf, PAGES, r->is_a);
	set(middle, THIRD * PAGE, r->b);
	expect_answer(r, "before the middle", buf, THIRD, r->is_a);
	expect_answer(r, "in the middle", middle, THIRD, r->is_b);
	expect_answer(r, "behind it", tail, THIRD, r->is_a);
	expect_answer(r, "at the seam", tail - PAGE, 2, r->mixed);
	expect_answer(r, "everywhere, mixed", buf, PAGES, r->mixed);
	set(middle, THIRD * PAGE, r->a);
	expect_answer(r, "everywhere, again", buf, PAGES, r->is_a);
	munmap(buf, PAGES * PAGE);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i]);
}

static void locations_are_got_as_they_were_set(void)
{
	open_both();
	for (uint32_t type = PREFERRED; type <= PREFETCH; type++) {
		const attr here = { type, gpu.id }, there = { type, other.id }, ram = { type, 0 }, none = { type, UNDEFINED };
		const struct row rows[] = {
			{ here, ram, none, none, here, ram, none },
			{ ram, here, none, none, ram, here, none },
			{ here, there, none, none, here, there, none },
		};

		check_rows(rows, N(rows));
	}
	check_row(&(struct row) {
		{ PREFERRED, gpu.id }, { PREFERRED, UNDEFINED }, { PREFERRED, 0 }, { PREFERRED, UNDEFINED },
		{ PREFERRED, gpu.id }, { PREFERRED, UNDEFINED }, { PREFERRED, UNDEFINED },
	});
}

static void access_is_got_as_it_was_set(void)
{
	open_both();
	for (int i = 0; i < 2; i++) {
		uint32_t id = i ? other.id : gpu.id;
		const attr may = { ACCESS, id }, in_place = { IN_PLACE, id }, not = { NO_ACCESS, id };
		const struct row rows[] = {
			/* XNACK is on: all may */
			{ may, in_place, may, may, may, in_place, not },
			{ may, not, may, may, may, not, not },
			{ in_place, may, may, may, in_place, may, not },
			{ in_place, not, may, may, in_place, not, not },
			{ not, in_place, may, may, not, in_place, not },
		};

		check_rows(rows, N(rows));
	}
}

static void access_of_one_gpu_says_nothing_of_the_other(void)
{
	char *buf = map_anon(PAGE);
	attr both[2];

	open_both();
	set(buf, PAGE, (attr) { IN_PLACE, gpu.id });
	both[0] = (attr) { ACCESS, gpu.id };
	both[1] = (attr) { ACCESS, other.id };
	expect_int(svm_get_attr(&gpu, buf, PAGE, 2, both), ==, 0);
	expect_int(both[0].type, ==, IN_PLACE);
	expect_int(both[1].type, ==, ACCESS);
	set(buf, PAGE, (attr) { NO_ACCESS, other.id });
	both[0] = (attr) { ACCESS, gpu.id };
	both[1] = (attr) { ACCESS, other.id };
	expect_int(svm_get_attr(&gpu, buf, PAGE, 2, both), ==, 0);
	expect_int(both[0].type, ==, IN_PLACE);
	expect_int(both[1].type, ==, NO_ACCESS);
}

static void flags_are_got_as_they_were_set(void)
{
	static const uint32_t flags[] = {
		KFD_IOCTL_SVM_FLAG_HOST_ACCESS, KFD_IOCTL_SVM_FLAG_COHERENT, KFD_IOCTL_SVM_FLAG_HIVE_LOCAL,
		KFD_IOCTL_SVM_FLAG_GPU_RO, KFD_IOCTL_SVM_FLAG_GPU_EXEC, KFD_IOCTL_SVM_FLAG_GPU_READ_MOSTLY,
		KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED, EXT_COHERENT, DEFAULT_FLAGS, ~0u,
	};

	open_both();
	for (size_t i = 0; i < N(flags); i++) {
		const uint32_t with = DEFAULT_FLAGS | flags[i], without = DEFAULT_FLAGS & ~flags[i];
		const attr on = { SET_FLAGS, flags[i] }, off = { CLR_FLAGS, flags[i] };
		const struct row rows[] = {
			{ on, off, { SET_FLAGS, 0 }, { SET_FLAGS, DEFAULT_FLAGS },
			  { SET_FLAGS, with }, { SET_FLAGS, without }, { SET_FLAGS, without } },
			/* those that are nowhere set */
			{ on, off, { CLR_FLAGS, 0 }, { CLR_FLAGS, ~DEFAULT_FLAGS },
			  { CLR_FLAGS, ~with }, { CLR_FLAGS, ~without }, { CLR_FLAGS, ~with } },
		};

		check_rows(rows, N(rows));
	}
}

static void granularity_is_got_as_it_was_set(void)
{
	const attr ask = { GRANULARITY, 0 }, fresh = { GRANULARITY, 9 };
	const struct row rows[] = {
		{ { GRANULARITY, 3 }, { GRANULARITY, 12 }, ask, fresh, { GRANULARITY, 3 }, { GRANULARITY, 12 }, { GRANULARITY, 3 } },
		{ { GRANULARITY, 12 }, { GRANULARITY, 0 }, ask, fresh, { GRANULARITY, 12 }, { GRANULARITY, 0 }, { GRANULARITY, 0 } },
		/* 63 is the most */
		{ { GRANULARITY, 64 }, { GRANULARITY, ~0u }, ask, fresh, { GRANULARITY, 63 }, { GRANULARITY, 63 }, { GRANULARITY, 63 } },
	};

	open_both();
	check_rows(rows, N(rows));
}

/* ---- what is refused ---- */

static void get_that_is_refused_leaves_the_array_alone(void)
{
	char *buf = map_anon(PAGE);
	attr wrong[5];

	open_both();
	wrong[0] = (attr) { IN_PLACE, gpu.id };	/* an answer, not a question */
	wrong[1] = (attr) { NO_ACCESS, gpu.id };
	wrong[2] = (attr) { GRANULARITY + 1, 0 };
	wrong[3] = (attr) { ~0u, 0 };
	wrong[4] = (attr) { ACCESS, gpu.id + other.id };
	set(buf, PAGE, (attr) { IN_PLACE, gpu.id });
	for (size_t i = 0; i < N(wrong); i++) {
		attr ask[] = { { PREFERRED, 0x1234 }, { ACCESS, gpu.id }, { SET_FLAGS, 0x5678 }, wrong[i] }, was[N(ask)];

		memcpy(was, ask, sizeof(ask));
		expect_int(svm_get_attr(&gpu, buf, PAGE, N(ask), ask), ==, -EINVAL);
		expect(!memcmp(was, ask, sizeof(ask)), "the array has changed, with attribute %u at its end", wrong[i].type);
	}
}

static void set_that_is_refused_changes_nothing(void)
{
	char *buf = map_anon(2 * PAGE);
	attr wrong[4];

	open_both();
	wrong[0] = (attr) { GRANULARITY + 1, 0 };
	wrong[1] = (attr) { PREFERRED, gpu.id + other.id };
	wrong[2] = (attr) { PREFETCH, UNDEFINED };
	wrong[3] = (attr) { NO_ACCESS, 0 };
	for (size_t i = 0; i < N(wrong); i++) {
		const attr all[] = { { GRANULARITY, 3 }, { SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO }, wrong[i] };

		expect_int(svm_set_attr(&gpu, buf, 2 * PAGE, N(all), all), ==, -EINVAL);
		expect_int(svm_get(&gpu, buf, 2 * PAGE, GRANULARITY), ==, 9);
		expect_int(svm_get(&gpu, buf, 2 * PAGE, SET_FLAGS), ==, DEFAULT_FLAGS);
	}
	munmap(buf + PAGE, PAGE);
	wrong[0] = (attr) { GRANULARITY, 3 };
	expect_int(svm_set_attr(&gpu, buf, 2 * PAGE, 1, wrong), ==, -EFAULT);
	expect_int(svm_get(&gpu, buf, PAGE, GRANULARITY), ==, 9);
}

/* A buffer of the GPU's where the CPU has other memory: a pointer cannot mean both. */
static void addresses_of_a_buffer_are_in_use(void)
{
	char *buf = map_anon(4 * PAGE);
	struct kfd_ioctl_alloc_memory_of_gpu_args alloc = {
		.va_addr = (uintptr_t)buf + PAGE, .size = 2 * PAGE,
		.flags = KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE,
	};
	struct kfd_ioctl_free_memory_of_gpu_args release;
	attr a = { GRANULARITY, 4 };

	open_both();
	set(buf, PAGE, a);
	alloc.gpu_id = gpu.id;
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &alloc), ==, 0);
	expect_int(svm_set_attr(&gpu, buf, 4 * PAGE, 1, &a), ==, -EADDRINUSE);
	expect_int(svm_get_attr(&gpu, buf, 4 * PAGE, 1, &a), ==, -EADDRINUSE);
	expect_int(svm_get_attr(&gpu, buf + 2 * PAGE, PAGE, 1, &a), ==, -EADDRINUSE);
	expect_int(a.value, ==, 4);
	expect_int(svm_get(&gpu, buf, PAGE, GRANULARITY), ==, 4);
	expect_int(svm_get(&gpu, buf + 3 * PAGE, PAGE, GRANULARITY), ==, 9);
	release.handle = alloc.handle;
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_FREE_MEMORY_OF_GPU, &release), ==, 0);
	set(buf, 4 * PAGE, a);
	expect_int(svm_get(&gpu, buf, 4 * PAGE, GRANULARITY), ==, 4);
}

/* ---- what it costs ---- */

enum { MAPPED = 64, PART = 16 };

/* What the GPU's page tables have seen since @s. */
static void expect_ptes(const struct stats *s, const char *when, unsigned int zapped, unsigned int written)
{
	if (stats_since(s, "ptes_zapped") != zapped || stats_since(s, "ptes_written") != written)
		fail("%s: %lu entries cleared, %lu written; expected %u and %u", when, stats_since(s, "ptes_zapped"),
		     stats_since(s, "ptes_written"), zapped, written);
}

static attr in_ram[5];

/* Pages in RAM that the GPU has mapped, with an attribute of each kind. */
static char *mapped_in_place(void)
{
	char *buf = map_anon(MAPPED * PAGE);

	gpu_and_queue(&gpu, &q);
	in_ram[0] = (attr) { PREFERRED, 0 };
	in_ram[1] = (attr) { IN_PLACE, gpu.id };
	in_ram[2] = (attr) { GRANULARITY, 4 };
	in_ram[3] = (attr) { SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_EXEC };
	in_ram[4] = (attr) { CLR_FLAGS, KFD_IOCTL_SVM_FLAG_COHERENT };
	memset(buf, 0x11, MAPPED * PAGE);
	expect_int(svm_set_attr(&gpu, buf, MAPPED * PAGE, N(in_ram), in_ram), ==, 0);
	return buf;
}

/* The GPU writes to all of it, which is mapped. */
static void expect_no_fault(char *buf, uint32_t value)
{
	uint64_t faults = stat_now("gpu_faults");

	queue_fill(&q, buf, value, MAPPED * PAGE);
	queue_run(&q);
	expect_int(stat_now("gpu_faults") - faults, ==, 0);
	value_check(buf, MAPPED * PAGE, value);
}

static void what_is_set_again_costs_nothing(void)
{
	char *buf = mapped_in_place();
	struct stats s;

	expect_no_fault(buf, 1);
	stats_read(&s, 0);
	for (size_t i = 0; i < N(in_ram); i++)
		set(buf, MAPPED * PAGE, in_ram[i]);
	set(buf + PAGE, 3 * PAGE, in_ram[3]);
	expect_int(svm_set_attr(&gpu, buf, MAPPED * PAGE, N(in_ram), in_ram), ==, 0);
	expect_ptes(&s, "all as it was", 0, 0);
	expect_int(stats_since(&s, "tlb_flushes"), ==, 0);
	expect_no_fault(buf, 2);
}

static void only_what_changes_is_mapped_anew(void)
{
	char *buf = mapped_in_place(), *part = buf + PART * PAGE;
	struct stats s;

	expect_no_fault(buf, 1);
	stats_read(&s, 0);
	set(part, PART * PAGE, (attr) { CLR_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_EXEC });
	expect_ptes(&s, "a flag of a part", PART, PART);
	expect_no_fault(buf, 2);
	stats_read(&s, 0);
	set(buf, MAPPED * PAGE, in_ram[3]);
	expect_ptes(&s, "the flag of all, of which a part had it not", PART, PART);
	expect_no_fault(buf, 3);
	stats_read(&s, 0);
	set(part, PART * PAGE, (attr) { NO_ACCESS, gpu.id });
	expect_ptes(&s, "no access to a part", PART, 0);
	stats_read(&s, 0);
	set(buf, MAPPED * PAGE, in_ram[1]);
	expect_ptes(&s, "access to all, of which a part had none", 0, PART);
	expect_no_fault(buf, 4);
	stats_read(&s, 0);
	set(part, PART * PAGE, (attr) { GRANULARITY, 9 });
	expect_ptes(&s, "the granularity of a part", 0, 0);
	expect_no_fault(buf, 5);
}

static void access_that_is_taken_is_gone(void)
{
	char *buf = mapped_in_place();

	set(buf, MAPPED * PAGE, (attr) { PREFERRED, UNDEFINED });	/* another one lets GPUs in, as in KFD */
	expect_no_fault(buf, 1);
	set(buf + PAGE, PAGE, (attr) { NO_ACCESS, gpu.id });
	queue_write32(&q, buf + PAGE, 0xbad);
	queue_run_into_fault(&q);
	value_check(buf, MAPPED * PAGE, 1);
	queue_destroy(&q);
}

static void write_permission_that_is_taken_is_gone(void)
{
	char *buf = mapped_in_place();

	expect_no_fault(buf, 1);
	set(buf + 3 * PAGE, PAGE, (attr) { SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO });
	queue_copy(&q, buf + 4 * PAGE, buf + 3 * PAGE, PAGE);	/* reading is still allowed */
	queue_run(&q);
	queue_write32(&q, buf + 3 * PAGE, 0xbad);
	queue_run_into_fault(&q);
	value_check(buf, MAPPED * PAGE, 1);
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(locations_are_got_as_they_were_set),
	TAP_TEST(access_is_got_as_it_was_set),
	TAP_TEST(access_of_one_gpu_says_nothing_of_the_other),
	TAP_TEST(flags_are_got_as_they_were_set),
	TAP_TEST(granularity_is_got_as_it_was_set),
	TAP_TEST(get_that_is_refused_leaves_the_array_alone),
	TAP_TEST(set_that_is_refused_changes_nothing),
	TAP_TEST(addresses_of_a_buffer_are_in_use),
	TAP_TEST(what_is_set_again_costs_nothing),
	TAP_TEST(only_what_changes_is_mapped_anew),
	TAP_TEST(access_that_is_taken_is_gone),
	TAP_TEST(write_permission_that_is_taken_is_gone),
};

int main(int argc, char **argv)
{
	return tap_main(tests, N(tests), nothing_left, argc, argv);
}
