// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A migration storm: queues of two GPUs and threads of the CPU add to the same words of the same pages, which
 * everybody wants to have. No addition may be lost, and everybody comes to an end.
 *
 * RUN-DEFAULT: --gpus 2 --vram 64M
 * RUN-DEFAULT: --gpus 2 --vram 64M --device hive=1
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

enum { GPUS = 2, CPUS = 2, PAGES = 16 };

/* All add to SHARED; each has a word of its own besides. */
enum { SHARED, OWN };

struct fighter {
	pthread_t thread;
	struct queue q;
	unsigned int number;
	long long ms;
};

static struct gpu gpu[GPUS];
static struct fighter fighter[GPUS + CPUS];
static char *buf;
static unsigned int rounds;
static pthread_barrier_t start;

static uint32_t *word(size_t page, unsigned int which)
{
	return (uint32_t *)(buf + page * PAGE) + 16 * which;
}

static void *gpu_adds(void *arg)
{
	struct fighter *f = arg;
	long long begun;

	pthread_barrier_wait(&start);
	begun = now_ms();
	for (unsigned int round = 0; round < rounds; round++) {
		for (size_t page = 0; page < PAGES; page++) {
			queue_atomic(&f->q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word(page, SHARED), 1, 0);
			queue_atomic(&f->q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, word(page, OWN + f->number), round, 0);
		}
		queue_run(&f->q);
	}
	f->ms = now_ms() - begun;
	return NULL;
}

static void *cpu_adds(void *arg)
{
	struct fighter *f = arg;
	long long begun;

	pthread_barrier_wait(&start);
	begun = now_ms();
	for (unsigned int round = 0; round < rounds; round++) {
		for (size_t page = 0; page < PAGES; page++) {
			__atomic_fetch_add(word(page, SHARED), 1, __ATOMIC_RELAXED);
			__atomic_fetch_add(word(page, OWN + f->number), round, __ATOMIC_RELAXED);
		}
		nap_us(500);
	}
	f->ms = now_ms() - begun;
	return NULL;
}

static void open_gpus(void)
{
	gpu_open_all(gpu, GPUS);
	for (unsigned int i = 0; i < GPUS; i++)
		queue_create(&fighter[i].q, &gpu[i], 64 << 10);
}

static void fight(uint32_t granularity, unsigned int n)
{
	struct kfd_ioctl_svm_attribute attr = { KFD_IOCTL_SVM_ATTR_GRANULARITY, granularity };
	struct stats before[GPUS], now;

	open_gpus();
	rounds = n;
	buf = map_anon(2 * MIB);
	expect_int(svm_set_attr(&gpu[0], buf, PAGES * PAGE, 1, &attr), ==, 0);
	for (unsigned int i = 0; i < GPUS; i++)
		stats_read(&before[i], i);
	pthread_barrier_init(&start, NULL, GPUS + CPUS);
	for (unsigned int i = 0; i < GPUS + CPUS; i++) {
		fighter[i].number = i;
		expect(!pthread_create(&fighter[i].thread, NULL, i < GPUS ? gpu_adds : cpu_adds, &fighter[i]),
		       "pthread_create");
	}
	for (unsigned int i = 0; i < GPUS + CPUS; i++)
		pthread_join(fighter[i].thread, NULL);

	for (size_t page = 0; page < PAGES; page++) {
		expect_int(*word(page, SHARED), ==, (GPUS + CPUS) * rounds);
		for (unsigned int i = 0; i < GPUS + CPUS; i++)
			expect_int(*word(page, OWN + i), ==, rounds * (rounds - 1) / 2);
	}
	for (unsigned int i = 0; i < GPUS + CPUS; i++) {
		if (i >= GPUS) {
			diag("a CPU: %lld ms", fighter[i].ms);
			continue;
		}
		stats_read(&now, i);
#define COUNTED(name) (stats_get(&now, name) - stats_get(&before[i], name))
		diag("GPU %u: %lld ms, %lu faults, %lu pages in (%lu from the peer), %lu out", i, fighter[i].ms,
		     COUNTED("gpu_faults"), COUNTED("pages_to_vram"), COUNTED("pages_from_peers"),
		     COUNTED("pages_to_ram"));
		expect_int(COUNTED("gpu_faults_noretry"), ==, 0);
		expect_int(COUNTED("pages_to_vram"), >, 0);
#undef COUNTED
		queue_destroy(&fighter[i].q);
	}
}

static void pages_are_fought_over_one_by_one(void)
{
	fight(0, tap_rounds(24));
}

static void pages_are_fought_over_together(void)
{
	fight(9, tap_rounds(150));
}

static const struct tap_test tests[] = {
	TAP_TEST(pages_are_fought_over_one_by_one),
	TAP_TEST(pages_are_fought_over_together),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
