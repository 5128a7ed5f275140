// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random work by CPU and GPU on more memory than there is VRAM, with everything that can happen to memory in
 * between, against a copy that only the CPU touches. Processes of several threads, each with memory and a
 * queue of its own, with recoverable faults (XNACK on) and without; one thread more in each process moves
 * pages about, which must not show.
 *
 * The seed is told first. The same seed (--seed N or HGPU_STRESS_SEED) has each thread do the same things in
 * the same order; when that is, and what the mover finds, is not repeated. --seconds N or
 * HGPU_STRESS_SECONDS is the time of each test: 6 by default, 30 for all, and 120, ten minutes for all, in
 * long runs. --trace or HGPU_STRESS_TRACE tells each step.
 *
 * KERNEL: debug
 * RUN: --vram 16M --swap 512M --mem 384M
 * RUN-LONG: --vram 16M --iommu
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hgpu_sdma.h"
#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

enum {
	BYTES = 48 << 20,	/* of all threads of a test: three times the VRAM. Half where all is made present at once */
	CHECK_BYTES = 2 << 20,
	LONGEST = 500,		/* pages of a span; CHECK_BYTES hold it */
	MAX_WORKERS = 4,
	SMALL = 8,		/* pages whose translations the GPU has for sure before memory goes */
	FIRST_GRANULARITY = 5,	/* more and faster steps than with KFD's 9 */
};

/**
 * struct worker - a thread with memory of its own
 * @q: its queue
 * @buf: the memory under test
 * @check: where the GPU copies parts for comparison
 * @shadow: what @buf must hold
 * @pages: of @buf
 * @touched: one for each that was in a span, others are as they were
 * @random: state of the random numbers
 * @steps: done
 * @what: the current one
 * @emitted: the queue has packets that were not waited for
 * @child: forked and not yet joined
 */
struct worker {
	pthread_t thread;
	struct queue q;
	char *buf, *check;
	uint32_t *shadow;
	size_t pages;
	bool *touched;
	unsigned int process, number;
	uint32_t random;
	unsigned long steps, moved;
	const char *what;
	bool emitted;
	int child;
};

static struct {
	uint32_t seed;
	unsigned int seconds;
	bool trace;
} options;

/* Of this process */
static struct {
	struct gpu gpu;
	bool xnack;		/* or all that the GPU may touch is registered */
	struct worker worker[MAX_WORKERS];
	unsigned int n;
	long long end;
	pthread_mutex_t layout;	/* held while a part of a buffer is somewhere else, or nowhere */
	volatile bool stop;
} here;

static __thread struct worker *me;

static uint32_t mixed(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352du;
	x = (x ^ x >> 15) * 0x846ca68bu;
	return x ^ x >> 16;
}

static uint32_t next_random(uint32_t *state)
{
	*state += 0x9e3779b9u;
	return mixed(*state);
}

static uint32_t rnd(uint32_t below)
{
	return (uint64_t)next_random(&me->random) * below >> 32;
}

/* ---- spans ---- */

/* Whole pages, mostly few. */
struct span { size_t page, n; };

static struct span span_of(size_t n)
{
	struct span x = { rnd(me->pages - n), n };

	memset(me->touched + x.page, true, n);
	return x;
}

static struct span any_span(void)
{
	return span_of(1 + rnd(rnd(4) ? 8 : rnd(16) ? 64 : LONGEST));
}

static char *at(struct span x) { return me->buf + x.page * PAGE; }
static size_t bytes(struct span x) { return x.n * PAGE; }
static uint32_t *shadow_at(struct span x) { return me->shadow + x.page * 1024; }

static bool overlap(struct span x, struct span y)
{
	return y.page < x.page + x.n && x.page < y.page + y.n;
}

static void tell(struct span x)
{
	if (options.trace)
		diag("%u.%u step %lu: %s, page %zu + %zu", me->process, me->number, me->steps, me->what, x.page, x.n);
}

static void compare(const char *who, const void *memory, struct span x)
{
	const uint32_t *is = memory, *wanted = shadow_at(x);

	if (!memcmp(is, wanted, bytes(x)))
		return;
	for (size_t i = 0; i < x.n * 1024; i++)
		if (is[i] != wanted[i])
			fail("%s of thread %u.%u in step %lu (%s, page %zu + %zu): page %zu, dword %zu is %08x, expected %08x",
			     who, me->process, me->number, me->steps, me->what, x.page, x.n, x.page + i / 1024, i % 1024,
			     is[i], wanted[i]);
}

/* Memory is always there, so a signal is a difference, too. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (!me)
		fail("signal %d at %p", signal, info->si_addr);
	fail("signal %d at %p in thread %u.%u, step %lu (%s); its memory begins at %p", signal, info->si_addr,
	     me->process, me->number, me->steps, me->what ?: "the mover", me->buf);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* ---- the GPU ---- */

static void gpu_done(void)
{
	if (me->emitted)
		queue_run(&me->q);
	me->emitted = false;
}

/* Mostly it starts at once, and works while the next steps are done. */
static void gpu_goes_on(void)
{
	me->emitted = true;
	if (rnd(4))
		queue_submit(&me->q);
}

/* Without recoverable faults the GPU finds what it was given, and nothing else. */
static void give(void *memory, size_t size)
{
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, here.gpu.id };

	if (!here.xnack)
		expect_int(svm_set_attr(&here.gpu, memory, size, 1, &access), ==, 0);
}

static void gpu_adds_to(struct span x, size_t most)
{
	for (size_t i = 0; i < x.n && i < most; i++) {
		queue_atomic(&me->q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, at(x) + i * PAGE + 64, i + 3, 0);
		shadow_at(x)[i * 1024 + 16] += i + 3;
	}
	me->emitted = true;
}

/* What has been there is in the GPU's tables and TLB when it goes. */
static void gpu_knows(struct span x)
{
	gpu_adds_to(x, SMALL);
	gpu_done();
}

static void gpu_reads_right(struct span x)
{
	/* a copy that is not made must not find what the last one has left */
	for (size_t i = 0; i < x.n; i++)
		((uint32_t *)me->check)[i * 1024] = ~shadow_at(x)[i * 1024];
	queue_copy(&me->q, me->check, at(x), bytes(x));
	me->emitted = true;
	gpu_done();
	compare("what the GPU reads", me->check, x);
}

/* ---- what changes the contents ---- */

static void cpu_writes(struct span x)
{
	uint32_t seed = next_random(&me->random);

	gpu_done();
	pattern_fill(at(x), bytes(x), seed);
	pattern_fill(shadow_at(x), bytes(x), seed);
}

static void cpu_writes_words(struct span x)
{
	uint32_t value = next_random(&me->random);

	gpu_done();
	for (size_t i = 0; i < x.n; i++)
		((uint32_t *)at(x))[i * 1024 + 5] = shadow_at(x)[i * 1024 + 5] = value + i;
}

static void gpu_fills(struct span x)
{
	uint32_t value = next_random(&me->random);

	queue_fill(&me->q, at(x), value, bytes(x));
	for (size_t i = 0; i < x.n * 1024; i++)
		shadow_at(x)[i] = value;
	gpu_goes_on();
}

static void gpu_copies(struct span x)
{
	struct span from = span_of(x.n);

	if (overlap(x, from))
		return;	/* undefined */
	queue_copy(&me->q, at(x), at(from), bytes(x));
	memcpy(shadow_at(x), shadow_at(from), bytes(x));
	gpu_goes_on();
}

static void gpu_adds(struct span x)
{
	gpu_adds_to(x, 100);
	gpu_goes_on();
}

static void discarded(struct span x)
{
	gpu_knows(x);
	expect(!madvise(at(x), bytes(x), MADV_DONTNEED), "MADV_DONTNEED: %s", strerror(errno));
	memset(shadow_at(x), 0, bytes(x));
	gpu_adds(x);
}

/* What is written after MADV_FREE stays, whoever writes it. */
static void freed_and_written(struct span x)
{
	gpu_knows(x);
	expect(!madvise(at(x), bytes(x), MADV_FREE), "MADV_FREE: %s", strerror(errno));
	if (rnd(3))
		gpu_fills(x);
	else
		cpu_writes(x);
}

static void map_fixed(char *memory, size_t size)
{
	if (mmap(memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != memory)
		fail("mmap: %s", strerror(errno));
}

static void mapped_anew(struct span x)
{
	bool first_unmapped = rnd(2);

	gpu_knows(x);
	pthread_mutex_lock(&here.layout);
	if (first_unmapped)
		munmap(at(x), bytes(x));
	map_fixed(at(x), bytes(x));
	give(at(x), bytes(x));
	pthread_mutex_unlock(&here.layout);
	memset(shadow_at(x), 0, bytes(x));
	gpu_adds(x);
}

/* mremap() that shrinks a mapping, and then grows it again where the end of its own has been. */
static void cut_and_grown(struct span x)
{
	struct span head = { x.page, (x.n + 1) / 2 }, tail = { x.page + head.n, x.n - head.n };

	if (!tail.n)
		return;
	gpu_knows(x);
	pthread_mutex_lock(&here.layout);
	expect(mremap(at(x), bytes(x), bytes(head), 0) == at(x), "mremap, smaller: %s", strerror(errno));
	if (mremap(at(x), bytes(head), bytes(x), 0) == at(x))
		me->moved++;
	else	/* EFAULT: the head is of several mappings */
		map_fixed(at(tail), bytes(tail));
	give(at(tail), bytes(tail));
	pthread_mutex_unlock(&here.layout);
	memset(shadow_at(tail), 0, bytes(tail));
	gpu_adds(x);
}

/* ---- what must not change them ---- */

/*
 * mremap() takes a single mapping only, and by now there are many: EFAULT. By then what was there before has
 * been unmapped.
 */
static bool move(char *from, char *to, size_t size)
{
	if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return false;
	me->moved++;
	return true;
}

static void must_move(char *from, char *to, size_t size)
{
	if (!move(from, to, size))
		fail("mremap of a single mapping: %s", strerror(errno));
}

/* Where memory has been that is now back in its place. */
static void spare_again(size_t size)
{
	map_fixed(me->check, size);
	give(me->check, size);
}

/* Memory is used somewhere else, and comes back. */
static void away_and_back(struct span x)
{
	bool leave_mapping = rnd(2);
	char *away = me->check;

	gpu_knows(x);
	pthread_mutex_lock(&here.layout);
	if (leave_mapping)
		away = mremap(at(x), bytes(x), bytes(x), MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	else if (!move(at(x), away, bytes(x)))
		away = MAP_FAILED;
	if (away != MAP_FAILED) {
		give(away, bytes(x));
		queue_atomic(&me->q, HGPU_TC_OP_ATOMIC_ADD_RTN_32, away, 1, 0);
		me->emitted = true;
		gpu_done();
		*shadow_at(x) += 1;
		must_move(away, at(x), bytes(x));
		give(at(x), bytes(x));
	}
	if (!leave_mapping)
		spare_again(bytes(x));
	pthread_mutex_unlock(&here.layout);
	gpu_adds(x);
}

static void swap_shadows(struct span x, struct span y)
{
	for (size_t i = 0; i < x.n * 1024; i++) {
		uint32_t dw = shadow_at(x)[i];

		shadow_at(x)[i] = shadow_at(y)[i];
		shadow_at(y)[i] = dw;
	}
}

/* Two parts change places. */
static void swapped(struct span x)
{
	struct span y = span_of(x.n);

	if (overlap(x, y))
		return;
	gpu_knows(x);
	gpu_knows(y);
	pthread_mutex_lock(&here.layout);
	if (move(at(x), me->check, bytes(x))) {
		if (move(at(y), at(x), bytes(x))) {
			must_move(me->check, at(y), bytes(y));
			swap_shadows(x, y);
		} else {
			must_move(me->check, at(x), bytes(x));
		}
		give(at(x), bytes(x));
		give(at(y), bytes(y));
	}
	spare_again(bytes(x));
	pthread_mutex_unlock(&here.layout);
	gpu_adds(y);
	gpu_adds(x);
}

static void attribute(struct span x, uint32_t type, uint32_t value)
{
	struct kfd_ioctl_svm_attribute a = { type, value };

	expect_int(svm_set_attr(&here.gpu, at(x), bytes(x), 1, &a), ==, 0);
}

static void prefetched(struct span x)
{
	attribute(x, KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, rnd(2) ? here.gpu.id : 0);
}

/* While the GPU works. */
static void attributes_change(struct span x)
{
	static const uint32_t flags[] = {
		KFD_IOCTL_SVM_FLAG_HOST_ACCESS, KFD_IOCTL_SVM_FLAG_COHERENT, KFD_IOCTL_SVM_FLAG_GPU_READ_MOSTLY,
		KFD_IOCTL_SVM_FLAG_GPU_EXEC, KFD_IOCTL_SVM_FLAG_GPU_ALWAYS_MAPPED };
	static const uint32_t access[] = { KFD_IOCTL_SVM_ATTR_ACCESS, KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE };
	const uint32_t locations[] = { here.gpu.id, KFD_IOCTL_SVM_LOCATION_SYSMEM, KFD_IOCTL_SVM_LOCATION_UNDEFINED };
	const struct kfd_ioctl_svm_attribute attributes[] = {
		{ KFD_IOCTL_SVM_ATTR_SET_FLAGS, flags[rnd(5)] }, { KFD_IOCTL_SVM_ATTR_CLR_FLAGS, flags[rnd(5)] },
		{ KFD_IOCTL_SVM_ATTR_GRANULARITY, rnd(11) }, { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, locations[rnd(3)] },
		{ access[rnd(2)], here.gpu.id },
	};
	unsigned int first = rnd(5), n = 1 + rnd(5 - first);

	expect_int(svm_set_attr(&here.gpu, at(x), bytes(x), n, &attributes[first]), ==, 0);
}

static void gpu_only_reads(struct span x)
{
	gpu_knows(x);
	attribute(x, KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO);
	gpu_reads_right(x);
	attribute(x, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_RO);
	gpu_adds(x);
}

static void gpu_is_kept_out(struct span x)
{
	gpu_knows(x);
	attribute(x, KFD_IOCTL_SVM_ATTR_NO_ACCESS, here.gpu.id);
	cpu_writes_words(x);
	attribute(x, rnd(4) ? KFD_IOCTL_SVM_ATTR_ACCESS : KFD_IOCTL_SVM_ATTR_ACCESS_IN_PLACE, here.gpu.id);
	gpu_adds(x);
}

static void protect(struct span x, int prot)
{
	expect(!mprotect(at(x), bytes(x), prot), "mprotect: %s", strerror(errno));
}

static void read_only_for_a_while(struct span x)
{
	gpu_knows(x);
	protect(x, PROT_READ);
	gpu_reads_right(x);
	compare("read-only memory", at(x), x);
	protect(x, PROT_READ | PROT_WRITE);
	gpu_adds(x);
}

static void nobodys_for_a_while(struct span x)
{
	gpu_knows(x);
	pthread_mutex_lock(&here.layout);	/* the mover reads */
	protect(x, PROT_NONE);
	protect(x, PROT_READ | PROT_WRITE);
	pthread_mutex_unlock(&here.layout);
	gpu_adds(x);
}

static void advised(struct span x)
{
	static const int advice[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD, MADV_PAGEOUT, MADV_PAGEOUT,
				      MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_UNMERGEABLE };

	madvise(at(x), bytes(x), advice[rnd(8)]);	/* what the kernel makes of it is its own business */
}

/* The child's memory is as it was at the fork, whatever the parent does meanwhile. */
static void look_and_write(void *arg)
{
	struct span x = *(struct span *)arg;

	nap_us(rnd(30000));
	compare("a child's memory", at(x), x);
	memset(at(x), 0x55, bytes(x) / 2);
}

static void child_looks_and_writes(struct span x)
{
	if (me->child) {
		tap_join(me->child);
		me->child = 0;
		return;
	}
	if (rnd(4))	/* forks are slow here */
		return;
	gpu_knows(x);
	pthread_mutex_lock(&here.layout);	/* or the child might inherit it locked */
	me->child = tap_fork(look_and_write, &x);
	pthread_mutex_unlock(&here.layout);
	gpu_adds(x);
}

static void cpu_compares(struct span x)
{
	gpu_done();
	compare("what the CPU reads", at(x), x);
}

/* ---- threads ---- */

#define MOVE(function, longest) { #function, function, longest }

/* The random numbers that a move takes depend on nothing but random numbers. */
static const struct {
	const char *name;
	void (*make)(struct span x);
	size_t longest;		/* 0: any */
} moves[] = {
	MOVE(cpu_writes, 0), MOVE(cpu_writes_words, 0), MOVE(gpu_fills, 0), MOVE(gpu_copies, 0), MOVE(gpu_adds, 0),
	MOVE(gpu_fills, 0), MOVE(gpu_copies, 0), MOVE(gpu_adds, 0),
	MOVE(discarded, 0), MOVE(freed_and_written, 0), MOVE(mapped_anew, 0), MOVE(cut_and_grown, 0),
	MOVE(away_and_back, 64), MOVE(swapped, 16), MOVE(prefetched, 0), MOVE(prefetched, 0),
	MOVE(attributes_change, 0), MOVE(attributes_change, 0), MOVE(gpu_only_reads, 0), MOVE(gpu_is_kept_out, 0),
	MOVE(read_only_for_a_while, 0), MOVE(nobodys_for_a_while, 0), MOVE(advised, 0), MOVE(advised, 0),
	MOVE(child_looks_and_writes, 0), MOVE(cpu_compares, 0), MOVE(cpu_compares, 0), MOVE(gpu_reads_right, 0),
};

static void step(void)
{
	unsigned int which = rnd(sizeof(moves) / sizeof(moves[0]));
	size_t longest = moves[which].longest;
	struct span x = longest ? span_of(1 + rnd(longest)) : any_span();

	me->what = moves[which].name;
	tell(x);
	moves[which].make(x);
	me->steps++;
}

static void *work(void *arg)
{
	me = arg;
	while (now_ms() < here.end)
		step();
	gpu_done();
	if (me->child)
		tap_join(me->child);
	return NULL;
}

/* The other things that are done to the threads' memory: none of them may show. */
static void move_something(void)
{
	struct worker *w = &here.worker[rnd(here.n)];
	size_t n = 1 + rnd(256);
	char *memory = w->buf + rnd(w->pages - n) * PAGE;
	struct kfd_ioctl_svm_attribute a = { KFD_IOCTL_SVM_ATTR_PREFETCH_LOC, here.gpu.id };
	unsigned int what = rnd(8);
	int error;

	switch (what) {
	case 0:
		madvise(memory, n * PAGE, MADV_PAGEOUT);
		return;
	case 1: case 2: case 3:
		pthread_mutex_lock(&here.layout);
		(void)*(volatile char *)memory;
		pthread_mutex_unlock(&here.layout);
		return;
	case 4:
		a.value = 0;
		break;
	case 5:
		a = (struct kfd_ioctl_svm_attribute){ KFD_IOCTL_SVM_ATTR_GRANULARITY, rnd(11) };
		break;
	}
	error = svm_set_attr(&here.gpu, memory, n * PAGE, 1, &a);
	/* EFAULT: a part is somewhere else */
	expect(error == 0 || error == -EFAULT, "the mover's SET_ATTR: %s", strerror(-error));
}

static void *mover(void *arg)
{
	me = arg;
	while (!here.stop) {
		move_something();
		nap_us(300);
	}
	return NULL;
}

/* ---- processes ---- */

static void prepare(struct worker *w, unsigned int process, unsigned int number, size_t size)
{
	const struct kfd_ioctl_svm_attribute granularity = { KFD_IOCTL_SVM_ATTR_GRANULARITY, FIRST_GRANULARITY };

	w->process = process;
	w->number = number;
	w->random = mixed(options.seed + 100 * process + number);
	w->pages = size / PAGE;
	w->buf = map_anon(size);
	w->check = map_anon(CHECK_BYTES);
	w->shadow = map_anon(size);
	w->touched = calloc(w->pages, sizeof(*w->touched));
	expect_int(svm_set_attr(&here.gpu, w->buf, size, 1, &granularity), ==, 0);
	give(w->buf, size);
	give(w->check, CHECK_BYTES);
	queue_create(&w->q, &here.gpu, 256 << 10);
	if (options.trace)
		diag("%u.%u has %p to %p, and %p", process, number, w->buf, w->buf + size, w->check);
}

static void start(pthread_t *thread, void *(*run)(void *), struct worker *w)
{
	expect_int(pthread_create(thread, NULL, run, w), ==, 0);
}

static void finish(struct worker *w)
{
	me = w;
	w->what = "the end";
	for (size_t page = 0, n; page < w->pages; page += n) {
		for (n = 0; page + n < w->pages && w->touched[page + n]; n++)
			;
		compare("the memory", w->buf + page * PAGE, (struct span){ page, n });
		n += !n;
	}
	diag("thread %u.%u: %lu steps, %lu mappings moved", w->process, w->number, w->steps, w->moved);
	queue_destroy(&w->q);
}

/* A process of @n threads, each with @size bytes. */
static void run_process(unsigned int process, bool xnack, unsigned int n, size_t size)
{
	struct worker moving = { .random = mixed(options.seed + 100 * process + 99) };

	here.n = n;
	here.xnack = xnack;
	catch_signals();
	pthread_mutex_init(&here.layout, NULL);
	gpu_open(&here.gpu, 0);
	expect_int(gpu_set_xnack(&here.gpu, xnack), ==, 0);
	for (unsigned int i = 0; i < n; i++)
		prepare(&here.worker[i], process, i, size);
	here.end = now_ms() + options.seconds * 1000ll;
	for (unsigned int i = 0; i < n; i++)
		start(&here.worker[i].thread, work, &here.worker[i]);
	start(&moving.thread, mover, &moving);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(here.worker[i].thread, NULL);
	here.stop = true;
	pthread_join(moving.thread, NULL);
	for (unsigned int i = 0; i < n; i++)
		finish(&here.worker[i]);
}

struct one { unsigned int number; bool xnack; };

static void run_one(void *arg)
{
	const struct one *one = arg;

	run_process(one->number, one->xnack, 2, BYTES / 3 / (one->xnack ? 2 : 4));
}

static void run_three(unsigned int first, const bool xnack[3])
{
	int child[3];

	for (unsigned int i = 0; i < 3; i++)
		child[i] = tap_fork(run_one, &(struct one){ first + i, xnack[i] });
	for (unsigned int i = 0; i < 3; i++)
		tap_join(child[i]);
}

static void one_thread(void) { run_process(0, true, 1, BYTES); }
static void four_threads(void) { run_process(1, true, 4, BYTES / 4); }
static void four_threads_without_xnack(void) { run_process(2, false, 4, BYTES / 8); }
static void three_processes(void) { run_three(3, (const bool[]){ true, true, true }); }
static void three_processes_two_without_xnack(void) { run_three(6, (const bool[]){ true, false, false }); }

static const struct tap_test tests[] = {
	TAP_TEST(one_thread),
	TAP_TEST(four_threads),
	TAP_TEST(four_threads_without_xnack),
	TAP_TEST(three_processes),
	TAP_TEST(three_processes_two_without_xnack),
};

/* ---- options ---- */

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

static void options_from_environment(void)
{
	options.seed = number_from("HGPU_STRESS_SEED", mixed((uint32_t)(now_ns() ^ getpid())));
	options.seconds = number_from("HGPU_STRESS_SECONDS", tap_long() ? 120 : 6);
	options.trace = number_from("HGPU_STRESS_TRACE", 0);
}

/* Takes the options out; what is left are names of tests. */
static int take_options(int argc, char **argv)
{
	int n = 1;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			options.seed = strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			options.seconds = strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--trace"))
			options.trace = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

/* Identical pages become one, here too. */
static void run_ksm(const char *how)
{
	write_text("/sys/kernel/mm/ksm/run", how);
}

int main(int argc, char **argv)
{
	bool listing = argc == 2 && !strcmp(argv[1], "--list");
	int status;

	options_from_environment();
	argc = take_options(argc, argv);
	tap_seconds = 120 + options.seconds;
	if (!listing)
		diag("seed %u, to be repeated with HGPU_STRESS_SEED=%u HGPU_STRESS_SECONDS=%u", options.seed,
		     options.seed, options.seconds);
	if (!listing)
		run_ksm("1");
	status = tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
	if (!listing)
		run_ksm("0");
	if (status)
		diag("this was seed %u: scripts/run [the same options] -- build/tests/guest/stress --seed %u --seconds %u [TEST]",
		     options.seed, options.seed, options.seconds);
	return status;
}
