// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SMI events: what happens is told, every field of it, to those who asked and may know.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/smi.h"
#include "lib/tap.h"

#define SEED 0x5eed0012u
#define NOTHING ((char *)0x210000000000)	/* nobody maps anything here */
#define UNDEFINED KFD_IOCTL_SVM_LOCATION_UNDEFINED
#define ALL_PROCESSES SMI(ALL_PROCESS)

enum { NOBODY = 65534, FIFO = 1024 };

static struct gpu gpu;
static struct queue q;

static unsigned long page_of(const void *at) { return (uintptr_t)at / PAGE; }

/*
 * Anonymous memory of at most 8 MiB that attributes make one range: they are cut at multiples of a 32nd of VRAM,
 * and each moves by itself.
 */
static char *map_one_range(void)
{
	return (char *)(((uintptr_t)map_anon(16 * MIB) + 8 * MIB - 1) & -(8 * MIB));
}

/* Memory that the GPU works on in RAM; a SET_ATTR of its own, so not a granule but what is named has the attribute. */
static char *map_for_ram(size_t bytes)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC, 0 };
	char *at = map_anon(bytes);

	expect_int(svm_set_attr(&gpu, at, bytes, 1, &preferred), ==, 0);
	return at;
}

static void fill_by_gpu(char *at, size_t bytes)
{
	queue_fill(&q, at, 0x600d, bytes);
	queue_run(&q);
}

/* ---- what is in a line ---- */

/* Both ends of a migration; returns when it began. */
static struct smi_event expect_migration(int fd, const void *at, size_t bytes, uint32_t from, uint32_t to,
					 uint32_t prefetch, uint32_t preferred, int trigger)
{
	long long now = boottime_ns();
	struct smi_event start = smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	struct smi_event end = smi_next(fd, KFD_SMI_EVENT_MIGRATE_END);

	expect_int(start.pid, ==, getpid());
	expect_int(start.at, ==, page_of(at));
	expect_int(start.pages, ==, bytes / PAGE);
	expect_int(start.from, ==, from);
	expect_int(start.to, ==, to);
	expect_int(start.prefetch, ==, prefetch);
	expect_int(start.preferred, ==, preferred);
	expect_int(start.trigger, ==, trigger);
	expect_int(end.pid, ==, getpid());
	expect_int(end.at, ==, start.at);
	expect_int(end.pages, ==, start.pages);
	expect_int(end.from, ==, from);
	expect_int(end.to, ==, to);
	expect_int(end.trigger, ==, trigger);
	expect_int(end.ns, >, start.ns);
	expect_int(end.ns, <, now);
	return start;
}

static void prefetch_is_told_both_ways(void)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC };
	char *buf = map_one_range();
	long long before;
	int fd;

	gpu_open(&gpu, 0);
	fd = smi_open(&gpu, SMI_MIGRATE);
	before = boottime_ns();
	/* Untouched memory, a bit of everything: half a granule, a whole one, a page. */
	expect_int(svm_prefetch(&gpu, buf + MIB, 3 * MIB + PAGE, gpu.id), ==, 0);
	expect_int(expect_migration(fd, buf + MIB, 3 * MIB + PAGE, 0, gpu.id, gpu.id, UNDEFINED,
				    KFD_MIGRATE_TRIGGER_PREFETCH).ns, >, before);
	preferred.value = gpu.id;
	expect_int(svm_set_attr(&gpu, buf + MIB, 3 * MIB + PAGE, 1, &preferred), ==, 0);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);	/* all of it is there: no end */
	expect_int(svm_prefetch(&gpu, buf + MIB, 3 * MIB + PAGE, 0), ==, 0);
	expect_migration(fd, buf + MIB, 3 * MIB + PAGE, gpu.id, 0, 0, gpu.id, KFD_MIGRATE_TRIGGER_PREFETCH);
	smi_expect_nothing(fd);
}

static void nothing_is_told_of_memory_that_stays(void)
{
	char *buf = map_anon(4 * MIB), *other = map_anon(2 * MIB);
	int fd;

	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, other, 2 * MIB, gpu.id), ==, 0);	/* there is something in VRAM */
	fd = smi_open(&gpu, SMI_MIGRATE);
	pattern_fill(buf, 4 * MIB, SEED);
	expect_int(svm_prefetch(&gpu, buf, 4 * MIB, 0), ==, 0);
	smi_expect_nothing(fd);
	/* All of it is there already: as in KFD a beginning without an end. */
	expect_int(svm_prefetch(&gpu, other, 2 * MIB, gpu.id), ==, 0);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	smi_expect_nothing(fd);
}

static void each_vma_moves_by_itself(void)
{
	char *buf = map_one_range();
	int fd;

	gpu_open(&gpu, 0);
	fd = smi_open(&gpu, SMI_MIGRATE);
	pattern_fill(buf, 4 * MIB, SEED);
	mprotect(buf + 3 * MIB, MIB, PROT_READ);
	expect_int(svm_prefetch(&gpu, buf, 4 * MIB, gpu.id), ==, 0);
	expect_migration(fd, buf, 3 * MIB, 0, gpu.id, gpu.id, UNDEFINED, KFD_MIGRATE_TRIGGER_PREFETCH);
	expect_migration(fd, buf + 3 * MIB, MIB, 0, gpu.id, gpu.id, UNDEFINED, KFD_MIGRATE_TRIGGER_PREFETCH);
	smi_expect_nothing(fd);
}

/* A fault of the page at @at; returns when it began. Migrations in between have been read, or not asked for. */
static void expect_fault(const struct smi_event *start, const struct smi_event *end, const void *at, char access,
			 char how)
{
	expect_int(start->pid, ==, getpid());
	expect_int(start->at, ==, page_of(at));
	expect_int(start->node, ==, gpu.id);
	expect_int(start->how, ==, access);
	expect_int(end->pid, ==, getpid());
	expect_int(end->at, ==, page_of(at));
	expect_int(end->node, ==, gpu.id);
	expect_int(end->how, ==, how);
	expect_int(end->ns, >, start->ns);
}

static void gpu_fault_is_told_with_its_migration(void)
{
	char *buf = map_anon(4 * MIB), *out;
	struct smi_event start, move, end;
	long long before;
	int fd;

	gpu_and_queue(&gpu, &q);
	out = map_for_ram(PAGE);
	fill_by_gpu(out, PAGE);
	pattern_fill(buf, 4 * MIB, SEED);
	fd = smi_open(&gpu, SMI_FAULT | SMI_MIGRATE);
	before = boottime_ns();
	queue_write32(&q, buf + MIB + 5 * PAGE, 1);
	queue_run(&q);
	start = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_START);
	move = expect_migration(fd, buf, 2 * MIB, 0, gpu.id, UNDEFINED, UNDEFINED, KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU);
	end = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_END);
	expect_fault(&start, &end, buf + MIB + 5 * PAGE, 'W', 'M');
	expect_int(before, <, start.ns);
	expect_int(start.ns, <, move.ns);
	expect_int(move.ns, <, end.ns);

	queue_copy(&q, out, buf + 3 * MIB, PAGE);
	queue_run(&q);
	start = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_START);
	expect_migration(fd, buf + 2 * MIB, 2 * MIB, 0, gpu.id, UNDEFINED, UNDEFINED, KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU);
	end = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_END);
	expect_fault(&start, &end, buf + 3 * MIB, 'R', 'M');
	smi_expect_nothing(fd);
}

/* Even when there is something in VRAM, and no page yet in RAM. */
static void gpu_fault_without_migration_is_an_update(void)
{
	char *buf, *other = map_anon(MIB);
	struct smi_event start, end;
	int fd;

	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, other, MIB, gpu.id), ==, 0);
	buf = map_for_ram(PAGE);
	fd = smi_open(&gpu, SMI_FAULT | SMI_MIGRATE);
	queue_write32(&q, buf, 1);
	queue_run(&q);
	start = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_START);
	end = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_END);
	expect_fault(&start, &end, buf, 'W', 'U');
	smi_expect_nothing(fd);
}

static void gpu_fault_may_bring_memory_home(void)
{
	struct kfd_ioctl_svm_attribute exec = { KFD_IOCTL_SVM_ATTR_SET_FLAGS, KFD_IOCTL_SVM_FLAG_GPU_EXEC };
	struct smi_event start, end;
	char *buf;
	int fd;

	gpu_and_queue(&gpu, &q);
	buf = map_for_ram(MIB);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect_int(svm_set_attr(&gpu, buf, MIB, 1, &exec), ==, 0);	/* the GPU has to look again */
	fd = smi_open(&gpu, SMI_FAULT | SMI_MIGRATE);
	queue_write32(&q, buf, 1);
	queue_run(&q);
	start = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_START);
	expect_migration(fd, buf, MIB, gpu.id, 0, gpu.id, 0, KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU);
	end = smi_next(fd, KFD_SMI_EVENT_PAGE_FAULT_END);
	expect_fault(&start, &end, buf, 'W', 'M');
	smi_expect_nothing(fd);
}

static void cpu_fault_is_told(void)
{
	struct kfd_ioctl_svm_attribute preferred = { KFD_IOCTL_SVM_ATTR_PREFERRED_LOC };
	char *buf = map_one_range();
	int fd;

	gpu_open(&gpu, 0);
	preferred.value = gpu.id;
	pattern_fill(buf, 6 * MIB, SEED);
	expect_int(svm_set_attr(&gpu, buf, 6 * MIB, 1, &preferred), ==, 0);
	expect_int(svm_prefetch(&gpu, buf, 6 * MIB, gpu.id), ==, 0);
	fd = smi_open(&gpu, SMI_MIGRATE);
	(void)*(volatile char *)(buf + 3 * MIB);
	expect_migration(fd, buf + 2 * MIB, 2 * MIB, gpu.id, 0, gpu.id, gpu.id, KFD_MIGRATE_TRIGGER_PAGEFAULT_CPU);
	smi_expect_nothing(fd);
	expect_in_ram(buf + 2 * MIB, 2 * MIB);
	expect_in_vram(buf + 4 * MIB, 2 * MIB);
}

static void touch_granule(void *at)
{
	(void)*(volatile char *)at;
}

static void cpu_fault_of_a_child_is_the_owners(void)
{
	char *buf = map_anon(2 * MIB);
	int fd;

	gpu_open(&gpu, 0);
	pattern_fill(buf, 2 * MIB, SEED);
	expect_int(svm_prefetch(&gpu, buf, 2 * MIB, gpu.id), ==, 0);
	fd = smi_open(&gpu, SMI_MIGRATE);
	tap_join(tap_fork(touch_granule, buf));
	expect_migration(fd, buf, 2 * MIB, gpu.id, 0, gpu.id, UNDEFINED, KFD_MIGRATE_TRIGGER_PAGEFAULT_CPU);
	smi_expect_nothing(fd);
}

static void expect_unmap(int fd, const void *at, size_t bytes, int trigger)
{
	long long now = boottime_ns();
	struct smi_event e = smi_next(fd, KFD_SMI_EVENT_UNMAP_FROM_GPU);

	expect(e.at == page_of(at) && e.pages == bytes / PAGE, "%#lx pages from %#lx, trigger %d, instead of %#lx from %#lx",
	       e.pages, e.at, e.trigger, bytes / PAGE, page_of(at));
	expect_int(e.pid, ==, getpid());
	expect_int(e.node, ==, gpu.id);
	expect_int(e.trigger, ==, trigger);
	expect_int(e.ns, >, 0);
	expect_int(e.ns, <, now);
}

/* Less than 2 MiB: the core invalidates all of those when it splits a VMA in them. */
static void unmapping_is_told_with_its_reason(void)
{
	char *buf;
	int fd;

	gpu_and_queue(&gpu, &q);
	buf = map_for_ram(MIB);
	fill_by_gpu(buf, MIB);
	fd = smi_open(&gpu, SMI(UNMAP_FROM_GPU));
	madvise(buf + 3 * PAGE, 5 * PAGE, MADV_DONTNEED);
	expect_unmap(fd, buf + 3 * PAGE, 5 * PAGE, KFD_SVM_UNMAP_TRIGGER_MMU_NOTIFY);
	madvise(buf + 3 * PAGE, 5 * PAGE, MADV_DONTNEED);	/* the GPU has lost it */
	smi_expect_nothing(fd);
	mprotect(buf + 32 * PAGE, PAGE, PROT_READ);
	expect_unmap(fd, buf + 32 * PAGE, PAGE, KFD_SVM_UNMAP_TRIGGER_MMU_NOTIFY);
	mprotect(buf + 32 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	smi_drain(fd);
	munmap(buf + 64 * PAGE, 16 * PAGE);
	expect_unmap(fd, buf + 64 * PAGE, 16 * PAGE, KFD_SVM_UNMAP_TRIGGER_UNMAP_FROM_CPU);
	smi_expect_nothing(fd);
}

static void migration_unmaps_first(void)
{
	char *buf;
	int fd;

	gpu_and_queue(&gpu, &q);
	buf = map_for_ram(MIB);
	fill_by_gpu(buf, MIB);
	fd = smi_open(&gpu, SMI(UNMAP_FROM_GPU) | SMI_MIGRATE);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	expect_unmap(fd, buf, MIB, KFD_SVM_UNMAP_TRIGGER_MMU_NOTIFY_MIGRATE);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_END);
	smi_expect_nothing(fd);
	(void)*(volatile char *)buf;	/* and so it is on the way home; prefetching has mapped it */
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	expect_unmap(fd, buf, MIB, KFD_SVM_UNMAP_TRIGGER_MMU_NOTIFY_MIGRATE);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_END);
	smi_expect_nothing(fd);
}

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

static void prefetch_and_back(char *buf)
{
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect_int(svm_prefetch(&gpu, buf, MIB, 0), ==, 0);
}

static void only_what_was_asked_for_is_heard(void)
{
	char *buf = map_anon(MIB);
	int fd, deaf;

	gpu_open(&gpu, 0);
	deaf = smi_try_open(&gpu, gpu.id);
	expect_int(deaf, >=, 0);
	fd = smi_open(&gpu, SMI(MIGRATE_END));
	prefetch_and_back(buf);
	smi_expect_nothing(deaf);	/* no mask, no events */
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_END);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_END);
	smi_expect_nothing(fd);
	smi_ask(fd, SMI(MIGRATE_START));	/* in place of the first */
	prefetch_and_back(buf);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	smi_ask(fd, 0);			/* what came before is there still */
	prefetch_and_back(buf);
	smi_next(fd, KFD_SMI_EVENT_MIGRATE_START);
	smi_expect_nothing(fd);
	smi_expect_nothing(deaf);
}

static void several_listeners_hear_the_same(void)
{
	char *buf = map_anon(MIB);
	int fd[3];

	gpu_open(&gpu, 0);
	for (int i = 0; i < 3; i++)
		fd[i] = smi_open(&gpu, SMI_MIGRATE);
	close(fd[1]);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	for (int i = 0; i < 3; i += 2)
		expect_migration(fd[i], buf, MIB, 0, gpu.id, gpu.id, UNDEFINED, KFD_MIGRATE_TRIGGER_PREFETCH);
}

struct listening {
	int fd, heard;
};

static void *wait_for_event(void *arg)
{
	struct listening *l = arg;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	l->heard = poll(&p, 1, 10000 * tap_patience()) == 1 ? p.revents : 0;
	return NULL;
}

static void poll_waits_for_an_event(void)
{
	struct pollfd p = { .events = POLLIN };
	struct listening l = { 0 };
	char *buf = map_anon(MIB);
	pthread_t thread;

	gpu_open(&gpu, 0);
	p.fd = l.fd = smi_open(&gpu, SMI(MIGRATE_START));
	expect_int(poll(&p, 1, 0), ==, 0);
	expect(!pthread_create(&thread, NULL, wait_for_event, &l), "pthread_create");
	nap_us(30000);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	pthread_join(thread, NULL);
	expect_int(l.heard, ==, POLLIN);
	expect_int(poll(&p, 1, 0), ==, 1);
	smi_next(p.fd, KFD_SMI_EVENT_MIGRATE_START);
	expect_int(poll(&p, 1, 0), ==, 0);
}

/* Each round trip is at least 4 lines of at least 40 bytes: the buffer has 1024. */
static void what_finds_no_room_is_dropped_whole(void)
{
	uint64_t dropped = stat_now("smi_events_dropped");
	char *buf = map_anon(MIB), all[2 * FIFO];
	unsigned int lines = 0;
	struct smi_event e;
	ssize_t got;
	int fd, other;

	gpu_open(&gpu, 0);
	fd = smi_open(&gpu, SMI_MIGRATE);
	other = smi_open(&gpu, SMI_MIGRATE);
	for (int i = 0; i < 20; i++) {
		prefetch_and_back(buf);
		smi_drain(other);	/* one who reads loses nothing */
	}
	got = read(fd, all, sizeof(all));
	expect_int(got, >, FIFO - KFD_SMI_EVENT_MSG_SIZE);
	expect_int(got, <=, FIFO);
	expect_int(all[got - 1], ==, '\n');
	for (ssize_t i = 0; i < got; i++)
		lines += all[i] == '\n';
	expect_int(stat_now("smi_events_dropped") - dropped, ==, 80 - lines);
	expect(!smi_try_next(fd, &e), "there is more than the buffer holds");
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect_migration(fd, buf, MIB, 0, gpu.id, gpu.id, UNDEFINED, KFD_MIGRATE_TRIGGER_PREFETCH);
}

static void bad_calls_are_refused_and_lose_nothing(void)
{
	char *buf = map_anon(MIB), small[7] = "";
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
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect(read(fd, (void *)PAGE, 64) == -1 && errno == EFAULT, "to nowhere: %s", strerror(errno));
	expect_migration(fd, buf, MIB, 0, gpu.id, gpu.id, UNDEFINED, KFD_MIGRATE_TRIGGER_PREFETCH);
}

/* ---- who may know ---- */

struct other {
	volatile uint32_t *words;	/* 0: the child's pid, when it has done something; 1: it may go */
	char *buf;
};

static struct other new_other(void)
{
	return (struct other){ .words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
}

static void do_something(void *arg)
{
	struct other *o = arg;
	char *buf = map_anon(MIB);

	gpu_open(&gpu, 0);
	prefetch_and_back(buf);
	o->words[0] = getpid();
	expect(wait_until(o->words[1], 30000), "nobody told us to go");
}

/* Of another process: @heard, if it may be known. */
static void expect_of_another(int fd, bool heard)
{
	struct other o = new_other();
	int pid = tap_fork(do_something, &o);

	expect(wait_until(o.words[0], 30000), "the other process did nothing");
	if (heard) {
		expect_int(smi_next(fd, KFD_SMI_EVENT_MIGRATE_START).pid, ==, o.words[0]);
		expect_int(smi_next(fd, KFD_SMI_EVENT_MIGRATE_START).pid, ==, o.words[0]);
	}
	smi_expect_nothing(fd);
	o.words[1] = 1;
	tap_join(pid);
}

static void others_are_heard_on_request(void)
{
	char *buf = map_anon(MIB);
	int fd;

	gpu_open(&gpu, 0);
	fd = smi_open(&gpu, SMI(MIGRATE_START));
	expect_of_another(fd, false);
	smi_ask(fd, SMI(MIGRATE_START) | ALL_PROCESSES);
	expect_of_another(fd, true);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect_int(smi_next(fd, KFD_SMI_EVENT_MIGRATE_START).pid, ==, getpid());
}

/* Runs last in its process: root does not come back. */
static void listen_without_privilege(void *arg)
{
	struct other *o = arg;
	char *buf = map_anon(MIB);
	int fd;

	gpu_open(&gpu, 0);
	expect(!setgid(NOBODY) && !setuid(NOBODY), "setuid: %s", strerror(errno));
	fd = smi_open(&gpu, SMI(MIGRATE_START) | ALL_PROCESSES);
	o->words[0] = 1;
	expect(wait_until(o->words[1], 30000), "nobody told us to go on");
	smi_expect_nothing(fd);
	expect_int(svm_prefetch(&gpu, buf, MIB, gpu.id), ==, 0);
	expect_int(smi_next(fd, KFD_SMI_EVENT_MIGRATE_START).pid, ==, getpid());
}

static void others_are_not_heard_without_privilege(void)
{
	struct other o = new_other();
	char *buf = map_anon(MIB);
	int pid = tap_fork(listen_without_privilege, &o);

	gpu_open(&gpu, 0);
	expect(wait_until(o.words[0], 30000), "the other process does not listen");
	prefetch_and_back(buf);
	o.words[1] = 1;
	tap_join(pid);
}

/* ---- all at once ---- */

static void *listen_and_go(void *arg)
{
	volatile bool *stop = arg;
	struct smi_event e;

	while (!*stop) {
		int fd = smi_open(&gpu, SMI_EVERYTHING | ALL_PROCESSES);

		for (int i = 0; i < 50 && !*stop; i++)
			smi_try_next(fd, &e);
		close(fd);
	}
	return NULL;
}

static void listeners_come_and_go_while_things_happen(void)
{
	char *buf = map_anon(4 * MIB);
	volatile bool stop = false;
	pthread_t threads[2];

	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 2; i++)
		expect(!pthread_create(&threads[i], NULL, listen_and_go, (void *)&stop), "pthread_create");
	for (uint32_t i = 0; i < tap_rounds(16); i++) {
		queue_fill(&q, buf, i, 4 * MIB);
		queue_run(&q);
		value_check(buf + i % 4 * MIB, MIB, i);
		madvise(buf, MIB, MADV_DONTNEED);
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static const struct tap_test tests[] = {
	TAP_TEST(prefetch_is_told_both_ways),
	TAP_TEST(nothing_is_told_of_memory_that_stays),
	TAP_TEST(each_vma_moves_by_itself),
	TAP_TEST(gpu_fault_is_told_with_its_migration),
	TAP_TEST(gpu_fault_without_migration_is_an_update),
	TAP_TEST(gpu_fault_may_bring_memory_home),
	TAP_TEST(cpu_fault_is_told),
	TAP_TEST(cpu_fault_of_a_child_is_the_owners),
	TAP_TEST(unmapping_is_told_with_its_reason),
	TAP_TEST(migration_unmaps_first),
	TAP_TEST(vm_fault_names_who_acquired_the_gpu),
	TAP_TEST(reset_is_told_to_everybody),
	TAP_TEST(only_what_was_asked_for_is_heard),
	TAP_TEST(several_listeners_hear_the_same),
	TAP_TEST(poll_waits_for_an_event),
	TAP_TEST(what_finds_no_room_is_dropped_whole),
	TAP_TEST(bad_calls_are_refused_and_lose_nothing),
	TAP_TEST(others_are_heard_on_request),
	TAP_TEST(others_are_not_heard_without_privilege),
	TAP_TEST(listeners_come_and_go_while_things_happen),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
