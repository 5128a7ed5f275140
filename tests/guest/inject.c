// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every failure that migration can meet, one after the other: the first allocation on the driver's behalf fails,
 * the second, and so on until there is none left; likewise each DMA mapping and each copy. What was asked for may
 * fail then, or be done in another way. No byte may change, and at the next time it must work.
 *
 * By the kernel's own fault injection (Documentation/fault-injection), which the debug kernel has. A failure of
 * the engine itself, and its silence, are sdma_failure.c's.
 *
 * KERNEL: debug
 * RUN: --vram 16M
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0013u
#define MODULE "/sys/module/hmm_gpu"

enum { BYTES = 128 << 10, HOME = 4 * 4096, OTHER = 3 << 20, VRAM = 4 << 20, MANY = 500,
	TOUCHED = 20, ALWAYS = 1000000, QUIET_US = 50000 };

/**
 * struct injector - one of the kernel's ways to make something fail
 * @dir: its files
 * @function: which function fails; NULL: allocations
 * @retval: with what
 * @count: events that it has counted so far: the one that fails is the one at which a multiple of "interval" is met.
 *	Nobody can read it or set it back, so what shares it is in one test.
 */
struct injector {
	const char *dir, *function;
	uint64_t retval, count;
};

static struct gpu gpu;
static struct queue q;
static char *buf, *other, *home;	/* home stays in RAM */

/* ---- the kernel's fault injection ---- */

static void set_text(const struct injector *injector, const char *file, const char *text)
{
	char path[128];
	int error;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", injector->dir, file);
	error = write_text(path, text);
	expect(!error, "%s to %s: %s", text, path, strerror(-error));
}

static void set(const struct injector *injector, const char *file, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%#lx", value);
	set_text(injector, file, text);
}

static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	char text[32] = "";

	expect(file && fgets(text, sizeof(text), file), "%s: %s", path, strerror(errno));
	fclose(file);
	return strtoull(text, NULL, 0);
}

static uint64_t times_left(const struct injector *injector)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/times", injector->dir);
	return read_number(path);
}

/*
 * The kernel's buddy allocator (6.12.117) does not survive that a block cannot be split: gpu_buddy_alloc_blocks()
 * frees a block that is still in the tree of the free ones.
 */
static void spare_the_buddy_allocator(const struct injector *injector)
{
	uint64_t address, first = UINT64_MAX, last = 0;
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[256], type;

	expect(symbols, "/proc/kallsyms: %s", strerror(errno));
	while (fgets(line, sizeof(line), symbols)) {
		int at = 0;

		if (sscanf(line, "%lx %c gpu_buddy_%n", &address, &type, &at) != 2 || !at || type != 'T')
			continue;
		first = address < first ? address : first;
		last = address > last ? address : last;
	}
	fclose(symbols);
	expect(first < last, "where is the buddy allocator?");
	set(injector, "reject-start", first);
	set(injector, "reject-end", last + PAGE);	/* and what the last one consists of */
}

/* Allocations fail on the driver's behalf only: some frame of the stack is in its code. */
static void choose_the_driver(const struct injector *injector)
{
	uint64_t text = read_number(MODULE "/sections/.text");

	spare_the_buddy_allocator(injector);

	set(injector, "require-start", text);
	set(injector, "require-end", text + read_number(MODULE "/coresize"));
	set(injector, "stacktrace-depth", 32);
	set_text(injector, "ignore-gfp-wait", "N");
}

static void choose_as_well(const struct injector *injector, const char *function)
{
	struct injector other = *injector;
	char file[64];

	other.function = function;
	set_text(&other, "inject", function);
	snprintf(file, sizeof(file), "%s/retval", function);
	set(&other, file, other.retval);
}

static void choose_the_function(const struct injector *injector)
{
	set_text(injector, "inject", "\n");	/* forget others */
	choose_as_well(injector, injector->function);
}

static void choose(const struct injector *injector)
{
	set(injector, "probability", 0);
	set(injector, "verbose", 0);
	if (injector->function)
		choose_the_function(injector);
	else
		choose_the_driver(injector);
	if (!strcmp(injector->dir, "fail_page_alloc")) {
		set_text(injector, "ignore-gfp-highmem", "N");
		set(injector, "min-order", 0);
	}
}

static void hold(const struct injector *injector) { set(injector, "probability", 0); }
static void go_on(const struct injector *injector) { set(injector, "probability", 100); }

/* From now on the @nth event fails, and no other. */
static void arm(const struct injector *injector, unsigned int nth)
{
	set(injector, "interval", injector->count + nth);
	set(injector, "times", 1);
	go_on(injector);
}

/* The next @times events fail. */
static void fail_next(const struct injector *injector, uint64_t times)
{
	set(injector, "interval", 1);
	set(injector, "times", times);
	go_on(injector);
}

/* Did it? @nth is what arm() was told. Nothing fails from now on. */
static bool fired(struct injector *injector, unsigned int nth)
{
	hold(injector);
	if (times_left(injector))
		return false;
	if (injector->count + nth > 1)	/* at an interval of one nothing is counted */
		injector->count += nth;
	return true;
}

/* ---- what is done ---- */

/**
 * struct operation - something that can be repeated
 * @prepare: the state that it begins with
 * @run: must not fail in a way that is not @injector's; true if it was done
 * @check: nothing is lost
 */
struct operation {
	const char *name;
	void (*prepare)(void);
	bool (*run)(void);
	void (*check)(void);
};

static bool is_done(int error)
{
	expect(error == 0 || error == -ENOMEM || error == -EIO, "%s", strerror(-error));
	return !error;
}

/* New memory: the GPU and the driver know nothing of it. */
static void in_ram(void)
{
	expect(mmap(buf, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == buf, "mmap");
	pattern_fill(buf, BYTES, SEED);
}

/* A part was never touched: it is filled, not copied. */
static void in_ram_with_holes(void)
{
	in_ram();
	expect(!madvise(buf + BYTES / 2, BYTES / 2, MADV_DONTNEED), "MADV_DONTNEED");
}

static void in_vram(void)
{
	in_ram();
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
}

static void home_is_the_cpus(void)
{
	expect(!madvise(home, HOME, MADV_DONTNEED), "MADV_DONTNEED");
	pattern_fill(home, HOME, SEED);
}

static void vram_is_full(void)
{
	in_ram();
	value_check(other, OTHER, SEED);
	expect_int(svm_prefetch(&gpu, other, OTHER, gpu.id), ==, 0);
}

static bool prefetch_to_vram(void) { return is_done(svm_prefetch(&gpu, buf, BYTES, gpu.id)); }
static bool prefetch_to_ram(void) { return is_done(svm_prefetch(&gpu, buf, BYTES, 0)); }

static bool cpu_reads(void)
{
	/* One failure is not enough: cpu_fault_fails_for_its_own_page_alone() */
	expect_int(signal_of_read(buf), ==, 0);
	return true;
}

/* Nobody tells it of errors: it waits until it can go on. */
static bool gpu_writes(void)
{
	queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, buf, 0, 0);
	queue_run(&q);
	return true;
}

static bool gpu_writes_at_home(void)
{
	for (size_t page = 0; page < HOME / PAGE; page++)
		queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, home + page * PAGE, 0, 0);
	queue_run(&q);
	return true;
}

static bool attributes_split_it(void)
{
	struct kfd_ioctl_svm_attribute flags = { KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_READ_MOSTLY };

	return is_done(svm_set_attr(&gpu, buf + BYTES / 4, BYTES / 4, 1, &flags));
}

static bool a_part_is_unmapped(void)
{
	char *part = buf + BYTES / 4;

	expect(mmap(part, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == part, "mmap");
	pattern_fill(buf, BYTES, SEED);
	return gpu_writes();
}

static void all_is_there(void)
{
	pattern_check(buf, BYTES, SEED);
}

static void home_is_there(void)
{
	expect_in_ram(home, HOME);
	pattern_check(home, HOME, SEED);
}

static void half_is_there(void)
{
	pattern_check(buf, BYTES / 2, SEED);
	value_check(buf + BYTES / 2, BYTES / 2, 0);
}

static void both_are_there(void)
{
	all_is_there();
	value_check(other, OTHER, SEED);
}

static const struct operation operations[] = {
	{ "prefetch to VRAM", in_ram, prefetch_to_vram, all_is_there },
	{ "prefetch to VRAM with holes", in_ram_with_holes, prefetch_to_vram, half_is_there },
	{ "prefetch to RAM", in_vram, prefetch_to_ram, all_is_there },
	{ "CPU fault", in_vram, cpu_reads, all_is_there },
	{ "GPU fault", in_ram, gpu_writes, all_is_there },
	{ "GPU fault with holes", in_ram_with_holes, gpu_writes, half_is_there },
	{ "GPU fault that maps RAM", home_is_the_cpus, gpu_writes_at_home, home_is_there },
	{ "GPU access to VRAM", in_vram, gpu_writes, all_is_there },
	{ "eviction", vram_is_full, prefetch_to_vram, both_are_there },
	{ "SET_ATTR", in_vram, attributes_split_it, all_is_there },
	{ "munmap", in_vram, a_part_is_unmapped, all_is_there },
};

#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* ---- one after the other ---- */

/*
 * It was armed in vain: how many there were, nobody knows. Repeat until the count is known again. Not this operation
 * alone: what was counted may have been another's, such as a GPU fault that was reported twice and is looked at late.
 */
static void find_the_count(struct injector *injector, const struct operation *operation, unsigned int nth)
{
	for (int i = 0; i < MANY; i++) {
		const struct operation *any = i % 2 ? &operations[i / 2 % OPERATIONS] : operation;

		any->prepare();
		go_on(injector);
		any->run();
		if (fired(injector, nth))
			return;
	}
	fail("%s: %s %u never fails", operation->name, injector->dir, nth);
}

/* The @nth event fails. Returns whether there was one. */
static bool nth_failure(struct injector *injector, const struct operation *operation, unsigned int nth)
{
	bool hit;

	operation->prepare();
	arm(injector, nth);
	operation->run();
	hit = fired(injector, nth);
	operation->check();
	operation->prepare();
	expect(operation->run(), "%s does not work after failure %u of %s", operation->name, nth, injector->dir);
	operation->check();
	return hit;
}

static unsigned int each_failure(struct injector *injector, const struct operation *operation)
{
	unsigned int n = 0;

	while (nth_failure(injector, operation, n + 1))
		expect(++n < MANY, "%s: there is no end", operation->name);
	if (n)	/* or none was counted */
		find_the_count(injector, operation, n + 1);
	diag("%s: %u of %s", operation->name, n, injector->function ?: injector->dir);
	return n;
}

/* So that a little memory is more than there is. */
static void take_vram_but(size_t left)
{
	struct kfd_ioctl_get_available_memory_args available = { .gpu_id = gpu.id };
	struct kfd_ioctl_alloc_memory_of_gpu_args a = {
		.gpu_id = gpu.id, .flags = KFD_IOC_ALLOC_MEM_FLAGS_VRAM | KFD_IOC_ALLOC_MEM_FLAGS_WRITABLE };

	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_AVAILABLE_MEMORY, &available), ==, 0);
	a.size = (available.available - left) & ~(GRANULE - 1);
	a.va_addr = (uint64_t)mmap(NULL, a.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	expect_int(kfd_ioctl(&gpu, AMDKFD_IOC_ALLOC_MEMORY_OF_GPU, &a), ==, 0);
}

static void begin(void)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };

	gpu_and_queue(&gpu, &q);
	take_vram_but(VRAM);
	buf = map_anon(BYTES);
	home = map_anon(HOME);
	expect_int(svm_set_attr(&gpu, home, HOME, 1, &preferred), ==, 0);
	other = map_anon(OTHER);
	queue_fill(&q, other, SEED, OTHER);
	queue_run(&q);
}

static void inject(struct injector *injector)
{
	unsigned int failures = 0;

	choose(injector);
	for (size_t i = 0; i < OPERATIONS; i++)
		failures += each_failure(injector, &operations[i]);
	expect(failures, "%s never fails", injector->function ?: injector->dir);
}

static void no_memory_for_objects(void)
{
	struct injector injector = { .dir = "failslab" };

	begin();
	inject(&injector);
	queue_destroy(&q);
}

static void no_memory_for_pages(void)
{
	struct injector injector = { .dir = "fail_page_alloc" };

	begin();
	inject(&injector);
	queue_destroy(&q);
}

/* Pages that cannot be mapped for a copy, or for the GPU's own accesses, and copies that do not succeed. */
static void no_mapping_and_no_copy(void)
{
	struct injector injector = { .dir = "fail_function", .retval = -EIO };

	begin();
	injector.function = "hgpu_copy_map_pages";
	inject(&injector);
	injector.function = "hgpu_fence_error";
	inject(&injector);
	injector.function = "hgpu_svm_make_system_pte";
	injector.retval = 0;
	inject(&injector);
	queue_destroy(&q);
}

/* ---- one page, not its neighbours ---- */

/* Touch the page that the tests are about, which is neither the first nor the last of those that move with it. */
static int signal_at_page(void)
{
	return signal_of_read(buf + TOUCHED * PAGE);
}

static void expect_all_comes_later(void)
{
	pattern_check(buf, BYTES, SEED);
	expect_in_ram(buf, BYTES);
}

/* The engine cannot copy, nor can the processor: two failures each time that pages shall come home. */
static void cpu_fault_fails_for_its_own_page_alone(void)
{
	struct injector injector = { .dir = "fail_function", .function = "hgpu_copy_map_pages", .retval = -EIO };
	struct stats before;

	begin();
	choose(&injector);
	choose_as_well(&injector, "hgpu_copy_rescue_locked");

	/* All of them fail, then this one comes. */
	in_vram();
	stats_read(&before, 0);
	fail_next(&injector, 2);
	expect_int(signal_at_page(), ==, 0);
	hold(&injector);
	expect_int(times_left(&injector), ==, 0);
	expect_int(stats_since(&before, "cpu_faults_failed"), ==, 0);
	expect_in_ram(buf + TOUCHED * PAGE, PAGE);
	expect_in_vram(buf, TOUCHED * PAGE);
	expect_in_vram(buf + (TOUCHED + 1) * PAGE, BYTES - (TOUCHED + 1) * PAGE);
	expect_all_comes_later();

	/* And this one, too. */
	in_vram();
	fail_next(&injector, 4);
	expect_int(signal_at_page(), ==, SIGBUS);
	hold(&injector);
	expect_int(times_left(&injector), ==, 0);
	expect_int(stats_since(&before, "cpu_faults_failed"), ==, 1);
	expect_in_vram(buf, BYTES);
	expect_int(signal_at_page(), ==, 0);
	expect_all_comes_later();
	queue_destroy(&q);
}

/* There are some pages to go to, not all that are wanted. */
static void cpu_fault_gets_the_last_page_there_is(void)
{
	struct injector injector = { .dir = "fail_page_alloc" };
	struct stats before;
	struct where w;

	begin();
	choose(&injector);
	in_vram();
	expect_int(signal_at_page(), ==, 0);	/* the slabs have what this takes */
	in_vram();
	/* Orders 5 and 4 exceed the space; 3 does not, unless slabs were given much of it: then less does not. So some come. */
	set(&injector, "space", 12);
	stats_read(&before, 0);
	fail_next(&injector, 200);
	expect_int(signal_at_page(), ==, 0);
	hold(&injector);
	set(&injector, "space", 0);
	expect_int(times_left(&injector), <, 200);
	expect_int(stats_since(&before, "cpu_faults_failed"), ==, 0);	/* the one that it was for was among them */
	expect_in_ram(buf + TOUCHED * PAGE, PAGE);
	w = where_is(buf, BYTES);
	expect_int(w.present, >=, 1);
	expect_int(w.present, <, BYTES / PAGE);
	expect_int(w.device, ==, BYTES / PAGE - w.present);
	expect_all_comes_later();
	queue_destroy(&q);
}

/* ---- XNACK off ---- */

/*
 * What the queue counts on goes, and cannot be mapped again: the queue waits, as long as that takes. A half keeps
 * its bytes; the other comes anew, in the work item.
 */
static void queue_waits_for(struct injector *injector)
{
	struct stats before;
	char *copy = other;

	choose(injector);
	pattern_fill(buf, BYTES, SEED);
	value_check(copy, BYTES, 0);
	stats_read(&before, 0);
	fail_next(injector, ALWAYS);
	expect(!madvise(buf + BYTES / 2, BYTES / 2, MADV_DONTNEED), "MADV_DONTNEED");
	queue_copy(&q, copy, buf, BYTES);
	queue_submit(&q);
	expect(wait_until(times_left(injector) < ALWAYS, 5000), "%s never fails", injector->function ?: injector->dir);
	nap_us(QUIET_US);
	expect(!queue_idle(&q), "the queue did not wait");
	value_check(copy, BYTES, 0);
	diag("%lu of %s", ALWAYS - times_left(injector), injector->function ?: injector->dir);
	hold(injector);
	queue_wait(&q);
	pattern_check(copy, BYTES / 2, SEED);
	value_check(copy + BYTES / 2, BYTES / 2, 0);
	half_is_there();
	expect_int(stats_since(&before, "queues_evicted"), ==, 1);
	expect_int(stats_since(&before, "queues_restored"), ==, 1);
	expect_int(stats_since(&before, "gpu_faults") + stats_since(&before, "gpu_faults_noretry"), ==, 0);
	memset(copy, 0, BYTES);
}

static void give(char *at)
{
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id };

	expect_int(svm_set_attr(&gpu, at, BYTES, 1, &access), ==, 0);
}

/* The queue, and two pieces of memory of which it is given one. */
static void open_without_xnack(void)
{
	gpu_open(&gpu, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, 0);
	queue_create(&q, &gpu, 64 << 10);
	buf = map_anon(BYTES);
	other = map_anon(BYTES);
	pattern_fill(buf, BYTES, SEED);
	memset(other, 0, BYTES);
	give(other);
}

static void queues_wait_for_what_cannot_be_mapped(void)
{
	struct injector pages = { .dir = "fail_page_alloc" };
	struct injector mappings = { .dir = "fail_function", .function = "hgpu_svm_make_system_pte" };

	open_without_xnack();
	give(buf);
	queue_copy(&q, buf, buf, PAGE);	/* it runs */
	queue_run(&q);
	queue_waits_for(&pages);
	queue_waits_for(&mappings);
	queue_destroy(&q);
}

/* All the time that it is to be mapped for the first time, the CPU changes it: as if it did right after. */
static void what_keeps_changing_is_mapped_later(void)
{
	struct injector finds = { .dir = "fail_function", .function = "hgpu_svm_find_some", .retval = -EBUSY };
	struct stats before;

	open_without_xnack();
	choose(&finds);
	stats_read(&before, 0);
	fail_next(&finds, ALWAYS);
	give(buf);
	queue_copy(&q, other, buf, BYTES);
	queue_submit(&q);
	nap_us(QUIET_US);
	expect(!queue_idle(&q), "the queue did not wait");
	value_check(other, BYTES, 0);
	hold(&finds);
	queue_wait(&q);
	pattern_check(other, BYTES, SEED);
	expect_int(stats_since(&before, "queues_evicted"), ==, 1);
	expect_int(stats_since(&before, "queues_restored"), ==, 1);
	expect_int(stats_since(&before, "gpu_faults") + stats_since(&before, "gpu_faults_noretry"), ==, 0);
	queue_destroy(&q);
}

static const struct tap_test tests[] = {
	TAP_TEST(no_memory_for_objects),
	TAP_TEST(no_memory_for_pages),
	TAP_TEST(no_mapping_and_no_copy),
	TAP_TEST(cpu_fault_fails_for_its_own_page_alone),
	TAP_TEST(cpu_fault_gets_the_last_page_there_is),
	TAP_TEST(queues_wait_for_what_cannot_be_mapped),
	TAP_TEST(what_keeps_changing_is_mapped_later),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), no_vram_left, argc, argv);
}
