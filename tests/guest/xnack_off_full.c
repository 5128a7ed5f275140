// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * More memory than VRAM, and who fights over it, without recoverable faults (XNACK off): memory that leaves VRAM is
 * mapped in RAM before the queues that use it go on. So they never have a fault, and no byte is lost.
 *
 * RUN-DEFAULT: --vram 16M
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hgpu_sdma.h"
#include "lib/feeder.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0019u

enum { FITS = 8 << 20 };		/* certainly, and twice as much does not */

static struct gpu gpu;
static struct queue q;
static struct stats before;
static volatile bool stop;

static void open_without_xnack(void)
{
	gpu_open(&gpu, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, 0);
	queue_create(&q, &gpu, 64 << 10);
	stats_read(&before, 0);
}

/* Memory with the pattern in it that the GPU may use. */
static char *given(size_t bytes)
{
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, gpu.id };
	char *at = map_anon(bytes);

	pattern_fill(at, bytes, SEED);
	expect_int(svm_set_attr(&gpu, at, bytes, 1, &access), ==, 0);
	return at;
}

static unsigned long counted(const char *name)
{
	return stats_since(&before, name);
}

/* Queues were stopped for the sake of evictions, and no access has failed. */
static void expect_pauses_and_no_faults(void)
{
	expect_int(counted("evictions"), >, 0);
	expect_int(counted("queues_evicted"), >, 0);
	expect_int(counted("gpu_faults"), ==, 0);
	expect_int(counted("gpu_faults_noretry"), ==, 0);
}

/* Those that are still there run again. */
static void expect_all_restored(void)
{
	expect(wait_until(counted("queues_evicted") == counted("queues_restored"), 2000), "queues stay evicted");
}

/* ---- VRAM is short ---- */

static void memory_in_use_is_evicted(void)
{
	struct feeder f;
	char *src, *other;

	open_without_xnack();
	src = given(FITS);
	feeder_start(&f, &q, given(MIB), src, MIB);
	other = given(FITS);
	for (unsigned int round = 0; round < tap_rounds(6); round++) {
		expect_int(svm_prefetch(&gpu, src, FITS, gpu.id), ==, 0);
		expect_in_vram(src, FITS);
		feeder_gets_on(&f);
		expect_int(svm_prefetch(&gpu, other, FITS, gpu.id), ==, 0);
		expect_in_vram(other, FITS);
		expect(where_is(src, FITS).present > 0, "both fit into VRAM");
		feeder_gets_on(&f);
	}
	feeder_stop(&f, SEED);
	expect_pauses_and_no_faults();
	expect_all_restored();
	pattern_check(src, FITS, SEED);
	pattern_check(other, FITS, SEED);
}

/* All of a buffer is copied back and forth by the GPU, again and again at another place. */
static void copy_beside_others(void *unused)
{
	char *buf, *copy;

	(void)unused;
	open_without_xnack();
	buf = given(FITS);
	copy = given(FITS);
	for (unsigned int round = 0; round < tap_rounds(5); round++) {
		memset(copy, 0, FITS);
		queue_copy(&q, copy, buf, FITS);
		queue_submit(&q);
		expect_int(svm_prefetch(&gpu, round % 2 ? buf : copy, FITS, gpu.id), ==, 0);
		queue_wait(&q);
		pattern_check(copy, FITS, SEED);
	}
	pattern_check(buf, FITS, SEED);
	expect_int(counted("gpu_faults_noretry"), ==, 0);
	queue_destroy(&q);
}

static void processes_compete_for_vram(void)
{
	int child[3];

	stats_read(&before, 0);
	for (int i = 0; i < 3; i++)
		child[i] = tap_fork(copy_beside_others, NULL);
	for (int i = 0; i < 3; i++)
		tap_join(child[i]);
	expect_pauses_and_no_faults();
}

/* ---- who fights over memory ---- */

#define WORKING_SET tap_size(32 * MIB, 20 * MIB)	/* twice VRAM, or some granules more */
enum { BATCH = 64 };

static uint32_t next(uint32_t *seed)
{
	return (*seed = *seed * 1664525 + 1013904223) >> 8;
}

/* Waits for mmap_lock as a writer nearly all the time. */
static void *change_the_address_space(void *unused)
{
	while (!stop) {
		char *at = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		expect(at != MAP_FAILED, "mmap: %s", strerror(errno));
		at[PAGE] = 1;
		munmap(at, 16 * PAGE);
	}
	return unused;
}

/* Each adds to words of its own in random pages. */
struct adder {
	char *buf;
	uint16_t *added;
	uint32_t seed;
};

static void *cpu_adds(void *arg)
{
	struct adder *a = arg;

	while (!stop) {
		size_t page = next(&a->seed) % (WORKING_SET / PAGE);

		++*(uint32_t *)(a->buf + page * PAGE + 64);
		a->added[page]++;
		nap_us(1000);
	}
	return NULL;
}

static void *memory_moves(void *buf)
{
	uint32_t seed = SEED;

	while (!stop) {
		size_t n = 1 + next(&seed) % (FITS / GRANULE), at = next(&seed) % (WORKING_SET / GRANULE - n);

		expect_int(svm_prefetch(&gpu, (char *)buf + at * GRANULE, n * GRANULE, next(&seed) % 4 ? gpu.id : 0), ==, 0);
	}
	return NULL;
}

static void gpu_adds(struct adder *a, int ms)
{
	long long end = now_ms() + ms;

	do {
		for (int i = 0; i < BATCH; i++) {
			size_t page = next(&a->seed) % (WORKING_SET / PAGE);

			queue_atomic(&q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, a->buf + page * PAGE, 1, 0);
			a->added[page]++;
		}
		queue_run(&q);
	} while (now_ms() < end || !counted("cpu_faults"));	/* on a debug kernel little happens in the time */
}

static void check_added(const struct adder *a, size_t offset)
{
	for (size_t page = 0; page < WORKING_SET / PAGE; page++) {
		uint32_t is = *(uint32_t *)(a->buf + page * PAGE + offset);
		uint32_t wanted = pattern_at((page * PAGE + offset) / 4, SEED) + a->added[page];

		if (is != wanted)
			fail("page %zu: byte %zu is %08x, expected %08x", page, offset, is, wanted);
	}
}

static struct adder adder(char *buf, uint32_t seed)
{
	return (struct adder) { buf, calloc(WORKING_SET / PAGE, sizeof(uint16_t)), seed };
}

static void cpu_gpu_and_prefetches_fight_beside_a_writer(void)
{
	struct adder of_cpu, of_gpu;
	pthread_t thread[3];
	char *buf;

	open_without_xnack();
	buf = given(WORKING_SET);
	expect_int(svm_prefetch(&gpu, buf, WORKING_SET, gpu.id), ==, 0);	/* its end is there */
	of_cpu = adder(buf, 1);
	of_gpu = adder(buf, 2);
	expect(!pthread_create(&thread[0], NULL, change_the_address_space, NULL) &&
	       !pthread_create(&thread[1], NULL, cpu_adds, &of_cpu) &&
	       !pthread_create(&thread[2], NULL, memory_moves, buf), "pthread_create");
	gpu_adds(&of_gpu, tap_brief() ? 2000 : 4000);
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	diag("%lu evictions, %lu CPU faults, queues stopped %lu times", counted("evictions"), counted("cpu_faults"),
	     counted("queues_evicted"));
	expect_pauses_and_no_faults();
	expect_all_restored();
	check_added(&of_gpu, 0);
	check_added(&of_cpu, 64);
}

static const struct tap_test tests[] = {
	TAP_TEST(memory_in_use_is_evicted),
	TAP_TEST(processes_compete_for_vram),
	TAP_TEST(cpu_gpu_and_prefetches_fight_beside_a_writer),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
