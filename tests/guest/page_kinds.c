// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kinds of pages that the kernel moves, or does not: pinned, held by a pipe, locked, merged, huge, of files. By
 * prefetch and by a GPU fault they go to VRAM or are used where they are, and no byte is lost on the way.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0015u
#define KSM "/sys/kernel/mm/ksm/"

enum {
	BYTES = 2 << 20, ALL = BYTES / 4096,
	HELD = 16, AT = 100,	/* pages [AT, AT + HELD) are held */
	MARK = 32,		/* dword there that the GPU writes: who copies them may have the first ones in registers */
};

static struct gpu gpu;
static struct queue q;

static void set_flags(const void *at, size_t bytes, uint32_t type, uint32_t flags)
{
	struct kfd_ioctl_svm_attribute a = { type, flags };

	expect_int(svm_set_attr(&gpu, at, bytes, 1, &a), ==, 0);
}

/* Anonymous memory with the pattern in it: one granule. */
static char *filled(void)
{
	char *at = map_anon(BYTES);

	pattern_fill(at, BYTES, SEED);
	return at;
}

/* ---- pages that somebody holds ---- */

/**
 * struct holder - keeps pages where they are
 * @hold: the pages from @at on, HELD of them
 * @let_go: of them; what it has got must be the pattern there, but for the one at MARK
 */
struct holder {
	void (*hold)(char *at);
	void (*let_go)(uint32_t mark);
};

/* What it has got. */
static char seen[HELD * 4096];

static void check_seen(uint32_t mark)
{
	uint32_t dw = AT * PAGE / 4;

	for (size_t i = 0; i < sizeof(seen) / 4; i++)
		expect_int(((uint32_t *)seen)[i], ==, i == MARK ? mark : pattern_at(dw + i, SEED));
}

/* A pipe holds references to what vmsplice() has put into it: it has 16 places. */
static int pipe_fd[2];

static void hold_by_pipe(char *at)
{
	struct iovec pages = { at, sizeof(seen) };

	expect(!pipe(pipe_fd), "pipe: %s", strerror(errno));
	expect_int(vmsplice(pipe_fd[1], &pages, 1, 0), ==, sizeof(seen));
}

static void let_go_by_pipe(uint32_t mark)
{
	for (size_t n = 0; n < sizeof(seen); ) {
		ssize_t got = read(pipe_fd[0], seen + n, sizeof(seen) - n);

		expect(got > 0, "read of the pipe: %s", strerror(errno));
		n += got;
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	check_seen(mark);
}

/*
 * process_vm_readv() pins what it reads. Its target is memory whose faults are ours to resolve, so it stands still
 * with the pages pinned until we do.
 */
static struct {
	pthread_t thread;
	int faults;
	char *target;
	ssize_t got;
} reader;

static void *read_pinned(void *at)
{
	struct iovec from = { at, sizeof(seen) }, to = { reader.target, sizeof(seen) };

	reader.got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	return NULL;
}

static void hold_by_pin(char *at)
{
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	struct pollfd p;

	reader.target = map_anon(sizeof(seen));
	reader.faults = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	expect(reader.faults >= 0 && !ioctl(reader.faults, UFFDIO_API, &api), "userfaultfd: %s", strerror(errno));
	all.range.start = (uintptr_t)reader.target;
	all.range.len = sizeof(seen);
	expect(!ioctl(reader.faults, UFFDIO_REGISTER, &all), "UFFDIO_REGISTER: %s", strerror(errno));
	expect(!pthread_create(&reader.thread, NULL, read_pinned, at), "pthread_create");
	p = (struct pollfd) { .fd = reader.faults, .events = POLLIN };
	expect_int(poll(&p, 1, 20000), ==, 1);
	expect_int(p.revents, ==, POLLIN);
}

static void let_go_by_pin(uint32_t mark)
{
	close(reader.faults);	/* its faults are ordinary ones from now on */
	pthread_join(reader.thread, NULL);
	expect_int(reader.got, ==, sizeof(seen));
	memcpy(seen, reader.target, sizeof(seen));
	check_seen(mark);
}

static const struct holder in_a_pipe = { hold_by_pipe, let_go_by_pipe }, pinned = { hold_by_pin, let_go_by_pin };

static void expect_all_but_held_in_vram(const char *buf)
{
	expect_in_vram(buf, AT * PAGE);
	expect_in_ram(buf + AT * PAGE, HELD * PAGE);
	expect_in_vram(buf + (AT + HELD) * PAGE, (ALL - AT - HELD) * PAGE);
}

static void prefetch_moves_all_but(const struct holder *h)
{
	char *buf = filled(), *held = buf + AT * PAGE;
	struct stats s;

	gpu_open(&gpu, 0);
	h->hold(held);
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_all_but_held_in_vram(buf);
	expect_int(stats_since(&s, "pages_to_vram"), ==, ALL - HELD);
	/* three tries, no more */
	expect_int(stats_since(&s, "migrate_again"), ==, 2);
	expect_int(stats_since(&s, "migrate_partial"), ==, 1);
	pattern_check(buf, BYTES, SEED);
	h->let_go(pattern_at(AT * PAGE / 4 + MARK, SEED));
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect_int(stats_since(&s, "migrate_again"), ==, 0);
	expect_int(stats_since(&s, "migrate_partial"), ==, 0);
	pattern_check(buf, BYTES, SEED);
}

static void prefetch_moves_all_but_pages_in_a_pipe(void)
{
	prefetch_moves_all_but(&in_a_pipe);
}

static void prefetch_moves_all_but_pinned_pages(void)
{
	prefetch_moves_all_but(&pinned);
}

/* The GPU writes to a page that is held; it must be that page, which the holder sees. */
static void gpu_uses_what_is_held(const struct holder *h)
{
	char *buf = filled(), *copy = map_anon(BYTES), *held = buf + AT * PAGE;
	uint32_t *mark = (uint32_t *)held + MARK;
	struct stats s;

	gpu_and_queue(&gpu, &q);
	h->hold(held);
	stats_read(&s, 0);
	queue_write32(&q, mark, 0x600d);
	queue_run(&q);
	/* A page that could move is tried again when it has been mapped, and the GPU does not wait for that. */
	expect(wait_until(where_is(held, HELD * PAGE).present == HELD && stats_since(&s, "migrate_partial") == 2, 5000),
	       "%lu granules were collected in part", stats_since(&s, "migrate_partial"));
	expect_int(stats_since(&s, "migrate_again"), ==, 4);
	expect_all_but_held_in_vram(buf);
	queue_copy(&q, copy, buf, BYTES);
	queue_run(&q);
	h->let_go(0x600d);
	expect_int(*mark, ==, 0x600d);
	expect_int(((uint32_t *)copy)[AT * PAGE / 4 + MARK], ==, 0x600d);
	*mark = ((uint32_t *)copy)[AT * PAGE / 4 + MARK] = pattern_at(AT * PAGE / 4 + MARK, SEED);
	pattern_check(copy, BYTES, SEED);
	pattern_check(buf, BYTES, SEED);
}

static void gpu_uses_pages_in_a_pipe_where_they_are(void)
{
	gpu_uses_what_is_held(&in_a_pipe);
}

static void gpu_uses_pinned_pages_where_they_are(void)
{
	gpu_uses_what_is_held(&pinned);
}

/* Who wants to hold them has them brought home. */
static void pages_come_home_to_be_held(const struct holder *h)
{
	char *buf = filled(), *held = buf + AT * PAGE;
	uint32_t *mark = (uint32_t *)held + MARK;

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, mark, 0x600d);
	queue_run(&q);
	expect_in_vram(buf, BYTES);
	h->hold(held);
	expect_in_ram(held, HELD * PAGE);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_all_but_held_in_vram(buf);
	h->let_go(0x600d);
	*mark = pattern_at(AT * PAGE / 4 + MARK, SEED);
	pattern_check(buf, BYTES, SEED);
}

static void pages_come_home_to_go_into_a_pipe(void)
{
	pages_come_home_to_be_held(&in_a_pipe);
}

static void pages_come_home_to_be_pinned(void)
{
	pages_come_home_to_be_held(&pinned);
}

/* What is not there, or in VRAM already, was not left out: nothing is collected twice for its sake. */
static void holes_and_device_pages_are_not_missed(void)
{
	char *buf = filled();
	struct stats s;

	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf + MIB / 2, MIB, gpu.id), ==, 0);
	madvise(buf, MIB / 4, MADV_DONTNEED);
	set_flags(buf, BYTES, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_HOST_ACCESS);
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect_int(stats_since(&s, "migrate_again"), ==, 0);
	expect_int(stats_since(&s, "migrate_partial"), ==, 0);
	value_check(buf, MIB / 4, 0);
}

/* ---- kinds of mappings ---- */

static void *mapping(int flags, int fd)
{
	char *at = map_anon(BYTES);

	/* in its place, so that it is one granule */
	if (mmap(at, BYTES, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, 0) != at)
		fail("mmap: %s", strerror(errno));
	return at;
}

static char *map_locked(void)
{
	char *at = map_anon(BYTES);

	expect(!mlock(at, BYTES), "mlock: %s", strerror(errno));
	return at;
}

/* A pool for three of them; they must be there at once. */
static void need_huge_pages(void)
{
	if (write_text("/proc/sys/vm/nr_hugepages", "3") || named_value("/proc/meminfo", "HugePages_Free:") < 3)
		skip("the kernel gives %lu huge pages", named_value("/proc/meminfo", "HugePages_Free:"));
}

static char *map_huge(void)
{
	need_huge_pages();
	return mapping(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
}

static char *map_huge_shared(void)
{
	need_huge_pages();
	return mapping(MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1);
}

static char *map_shared(void)
{
	return mapping(MAP_SHARED | MAP_ANONYMOUS, -1);
}

static int new_memfd(void)
{
	int fd = memfd_create("kinds", MFD_CLOEXEC);

	expect(fd >= 0 && !ftruncate(fd, BYTES), "memfd: %s", strerror(errno));
	return fd;
}

static char *map_memfd(void)
{
	return mapping(MAP_SHARED, new_memfd());
}

static char *map_memfd_private(void)
{
	return mapping(MAP_PRIVATE, new_memfd());
}

/**
 * struct kind - memory of a kind
 * @map: some of it, BYTES
 * @moves: it can be in VRAM
 */
struct kind {
	char *(*map)(void);
	bool moves;
};

static void expect_place(const struct kind *k, const char *buf)
{
	if (k->moves)
		expect_in_vram(buf, BYTES);
	else
		expect_in_ram(buf, BYTES);
}

static void works_by_prefetch_and_fault(struct kind k)
{
	char *buf = k.map(), *copy = map_anon(BYTES);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, BYTES, SEED);
	queue_write32(&q, copy, 0);
	queue_run(&q);
	stats_read(&s, 0);
	for (uint32_t round = 1; round <= tap_rounds(3); round++) {
		queue_copy(&q, copy, buf, BYTES);
		queue_write32(&q, buf + 7 * PAGE, round);
		queue_run(&q);
		/* what stays is mapped by a fault, too: nothing has mapped it before */
		expect_int(round > 1 || stats_since(&s, "gpu_faults") > 0, ==, 1);
		expect_place(&k, buf);
		pattern_check(copy, 7 * PAGE, SEED);
		expect_int(*(uint32_t *)(buf + 7 * PAGE), ==, round);	/* the granule comes home */
		expect_in_ram(buf, BYTES);
		*(uint32_t *)(buf + 7 * PAGE) = pattern_at(7 * PAGE / 4, SEED);
		pattern_check(copy, BYTES, SEED);
		pattern_check(buf, BYTES, SEED);
	}

	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_place(&k, buf);
	expect_int(svm_prefetch(&gpu, buf, BYTES, 0), ==, 0);
	expect_in_ram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
	queue_destroy(&q);
	munmap(buf, BYTES);
	write_text("/proc/sys/vm/nr_hugepages", "0");
}

static void locked_memory_moves(void)
{
	works_by_prefetch_and_fault((struct kind) { map_locked, true });
}

static void huge_pages_stay(void)
{
	works_by_prefetch_and_fault((struct kind) { map_huge, false });
}

static void shared_huge_pages_stay(void)
{
	works_by_prefetch_and_fault((struct kind) { map_huge_shared, false });
}

static void shared_memory_stays(void)
{
	works_by_prefetch_and_fault((struct kind) { map_shared, false });
}

static void shared_memfd_stays(void)
{
	works_by_prefetch_and_fault((struct kind) { map_memfd, false });
}

/* What was written is the process's own. */
static void private_memfd_moves_when_it_was_written(void)
{
	works_by_prefetch_and_fault((struct kind) { map_memfd_private, true });
}

/* The first page is written, so it is the process's; the rest is the file's. */
static void pages_of_a_private_file_are_copied_when_the_gpu_writes(void)
{
	int fd = new_memfd();
	char *file = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), *buf, *copy = map_anon(BYTES);
	size_t some = tap_size(BYTES, 0);

	pattern_fill(file, BYTES, SEED);
	buf = mapping(MAP_PRIVATE, fd);
	gpu_and_queue(&gpu, &q);
	*(volatile uint32_t *)buf = 1;
	expect_int(*(volatile uint32_t *)(buf + 5 * PAGE), ==, pattern_at(5 * PAGE / 4, SEED));
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, PAGE);
	expect_in_ram(buf + 5 * PAGE, PAGE);
	queue_copy(&q, copy, buf, some);
	queue_write32(&q, buf + 5 * PAGE, 2);
	queue_write32(&q, buf + 400 * PAGE, 3);
	queue_run(&q);
	expect_int(*(uint32_t *)copy, ==, 1);
	*(uint32_t *)copy = pattern_at(0, SEED);
	pattern_check(copy, some, SEED);
	expect_int(*(uint32_t *)buf, ==, 1);
	expect_int(*(uint32_t *)(buf + 5 * PAGE), ==, 2);
	expect_int(*(uint32_t *)(buf + 400 * PAGE), ==, 3);
	pattern_check(file, BYTES, SEED);
}

/* ---- locking ---- */

static void locking_brings_memory_home(void)
{
	char *buf = filled();

	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect(!mlock(buf, BYTES), "mlock: %s", strerror(errno));
	expect_in_ram(buf, BYTES);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	expect_in_vram(buf, BYTES);
	expect(!munlock(buf, BYTES), "munlock: %s", strerror(errno));
	expect_in_vram(buf, BYTES);
	pattern_check(buf, BYTES, SEED);
}

/* ---- merging ---- */

static uint64_t merged_pfn[ALL];	/* the pages that KSM has made of two buffers with the same contents */

/* 0: not in RAM. */
static uint64_t pfn_of(const void *at)
{
	uint64_t entry = pagemap_entry(at);

	return entry >> 63 ? entry & ((1ull << 55) - 1) : 0;
}

/*
 * How many pages of two buffers are the same. KPF_KSM of /proc/kpageflags is of no use: Linux 6.12 shows it for all
 * anonymous pages.
 */
static size_t merged(char *const buf[2])
{
	size_t n = 0;

	for (size_t page = 0; page < ALL; page++) {
		merged_pfn[page] = pfn_of(buf[0] + page * PAGE);
		n += merged_pfn[page] && merged_pfn[page] == pfn_of(buf[1] + page * PAGE);
	}
	return n;
}

/* One of those that merge() has made is as it was. */
static void expect_merged(const char *at)
{
	struct where w = where_is(at, BYTES);
	size_t n = 0;

	for (size_t page = 0; page < ALL; page++)
		n += pfn_of(at + page * PAGE) == merged_pfn[page];
	if (n != ALL)
		fail("of %d pages %zu are merged; %zu are in RAM, %zu in VRAM, %zu under migration", ALL, n, w.present, w.device,
		     w.swapped);
}

static void ksm(const char *name, const char *value)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), KSM "%s", name);
	error = write_text(path, value);
	expect(!error, "%s: %s", path, strerror(-error));
}

static void start_ksm(void)
{
	ksm("pages_to_scan", "10000");
	ksm("sleep_millisecs", "10");
	ksm("run", "1");
}

/* Of two buffers with equal pages KSM makes one each. It has stopped then. */
static void merge_filled(char *const buf[2])
{
	for (int i = 0; i < 2; i++)
		expect(!madvise(buf[i], BYTES, MADV_MERGEABLE), "MADV_MERGEABLE: %s", strerror(errno));
	start_ksm();
	expect(wait_until(merged(buf) == ALL, 20000), "KSM has merged %zu of %d pages", merged(buf), ALL);
	ksm("run", "0");
}

static void merge(char *buf[2])
{
	buf[0] = filled();
	buf[1] = filled();
	merge_filled(buf);
}

static void merged_pages_are_read_where_they_are(void)
{
	char *buf[2], *copy = map_anon(BYTES);
	struct stats s;

	gpu_and_queue(&gpu, &q);
	merge(buf);
	set_flags(buf[0], BYTES, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_HOST_ACCESS);
	stats_read(&s, 0);
	expect_int(svm_prefetch(&gpu, buf[0], BYTES, gpu.id), ==, 0);
	expect_merged(buf[0]);
	expect_int(stats_since(&s, "migrate_again"), ==, 0);	/* they were not left out, they cannot move */
	queue_copy(&q, copy, buf[0], BYTES);
	queue_run(&q);
	expect_merged(buf[0]);
	expect_merged(buf[1]);
	pattern_check(copy, BYTES, SEED);
	pattern_check(buf[0], BYTES, SEED);
	pattern_check(buf[1], BYTES, SEED);
}

static void merged_pages_are_copied_when_the_gpu_writes(void)
{
	char *buf[2], *written;

	gpu_and_queue(&gpu, &q);
	merge(buf);
	written = buf[0] + 3 * PAGE;
	queue_write32(&q, written, 0x600d);
	queue_run(&q);
	expect_in_ram(buf[0], BYTES);
	expect(pfn_of(written) != merged_pfn[3], "the GPU has written to a merged page");
	expect_merged(buf[1]);
	pattern_check(buf[1], BYTES, SEED);
	expect_int(*(uint32_t *)written, ==, 0x600d);
	*(uint32_t *)written = pattern_at(3 * PAGE / 4, SEED);
	pattern_check(buf[0], BYTES, SEED);
}

/*
 * With HOST_ACCESS they are made present for writing, so they are copied. The copies, which may be merged again, move
 * when that is not wanted any more.
 */
static void memory_moves_when_it_is_not_to_be_merged(void)
{
	char *buf[2];

	gpu_open(&gpu, 0);
	merge(buf);
	expect_int(svm_prefetch(&gpu, buf[0], BYTES, gpu.id), ==, 0);
	expect_in_ram(buf[0], BYTES);
	expect_merged(buf[1]);
	expect_int(merged(buf), ==, 0);
	expect(!madvise(buf[0], BYTES, MADV_UNMERGEABLE), "MADV_UNMERGEABLE: %s", strerror(errno));
	expect_int(svm_prefetch(&gpu, buf[0], BYTES, gpu.id), ==, 0);
	expect_in_vram(buf[0], BYTES);
	pattern_check(buf[1], BYTES, SEED);
	pattern_check(buf[0], BYTES, SEED);
}

static unsigned long ksm_number(const char *name)
{
	char path[64];
	unsigned long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), KSM "%s", name);
	f = fopen(path, "r");
	expect(f && fscanf(f, "%lu", &n) == 1, "%s: %s", path, strerror(errno));
	fclose(f);
	return n;
}

/* How many merged pages KSM could find by its reverse map. */
static unsigned long ksm_knows(void)
{
	return ksm_number("pages_shared") + ksm_number("pages_sharing");
}

/* How the pages are that a child has in common with its parent. */
struct heir { char *buf[2]; int go[2]; };

static bool is_merged(const char *at)
{
	return pfn_of(at) == merged_pfn[0];
}

static void use_what_was_merged(void *arg)
{
	const struct heir *heir = arg;
	char *copy = map_anon(BYTES);
	size_t used = 0;

	expect_int(read(heir->go[0], merged_pfn, sizeof(merged_pfn)), ==, sizeof(merged_pfn));
	gpu_and_queue(&gpu, &q);
	for (int i = 0; i < 2; i++) {
		char *buf = heir->buf[i];

		if (!is_merged(buf))
			continue;
		used++;
		set_flags(buf, BYTES, KFD_IOCTL_SVM_ATTR_CLR_FLAGS, KFD_IOCTL_SVM_FLAG_HOST_ACCESS);
		expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
		expect_merged(buf);
		expect(!mprotect(buf, BYTES, PROT_NONE), "mprotect: %s", strerror(errno));
		expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
		expect(!mprotect(buf, BYTES, PROT_READ | PROT_WRITE), "mprotect: %s", strerror(errno));
		expect_merged(buf);
		queue_copy(&q, copy, buf, BYTES);
		queue_run(&q);
		expect_merged(buf);
		pattern_check(copy, BYTES, SEED);
		pattern_check(buf, BYTES, SEED);
	}
	expect_int(used, >, 0);
}

/* KSM forgets what it knows of the parent's pages, and does not get round to the child's: one page at a time. */
static void disown(char *const buf[2])
{
	unsigned long known = ksm_knows();

	for (int i = 0; i < 2; i++)
		expect(!madvise(buf[i], BYTES, MADV_UNMERGEABLE), "MADV_UNMERGEABLE: %s", strerror(errno));
	ksm("pages_to_scan", "1");
	ksm("sleep_millisecs", "1");
	ksm("run", "1");
	expect(wait_until(ksm_knows() < known - ALL / 2, 20000), "KSM knows of %lu pages, before of %lu", ksm_knows(), known);
	ksm("run", "0");
}

/*
 * KSM finds merged pages by the address space in which it has merged them. When that has given them up, no reverse map
 * tells of those that a child has got, until it is scanned itself: a migration entry in their place would stay for ever.
 */
static void merged_pages_that_ksm_has_lost_stay(bool born_before)
{
	struct heir heir = { .buf = { filled(), filled() } };
	int child = 0;

	expect(!pipe(heir.go), "pipe: %s", strerror(errno));
	if (born_before)
		child = tap_fork(use_what_was_merged, &heir);
	merge_filled(heir.buf);
	if (!born_before)
		child = tap_fork(use_what_was_merged, &heir);
	disown(heir.buf);
	expect_int(write(heir.go[1], merged_pfn, sizeof(merged_pfn)), ==, sizeof(merged_pfn));
	tap_join(child);
}

static void merged_pages_that_a_child_got_stay(void)
{
	merged_pages_that_ksm_has_lost_stay(false);
}

/* It has not asked for merging, and has got them all the same: of pages that it shared with its parent. */
static void pages_that_were_merged_behind_a_child_stay(void)
{
	merged_pages_that_ksm_has_lost_stay(true);
}

static unsigned long full_scans(void)
{
	return ksm_number("full_scans");
}

/* KSM passes over what is not in RAM. */
static void pages_in_vram_are_not_merged(void)
{
	char *buf = filled(), *twin = filled();
	unsigned long scans;

	gpu_open(&gpu, 0);
	expect_int(svm_prefetch(&gpu, buf, BYTES, gpu.id), ==, 0);
	madvise(buf, BYTES, MADV_MERGEABLE);
	madvise(twin, BYTES, MADV_MERGEABLE);
	start_ksm();
	scans = full_scans();
	expect(wait_until(full_scans() >= scans + 4, 20000), "KSM does not scan");
	ksm("run", "0");
	expect_in_vram(buf, BYTES);
	pattern_check(twin, BYTES, SEED);
	pattern_check(buf, BYTES, SEED);
}

/* ---- files ---- */

#define DISK "/tmp/page_kinds"

static void run_command(const char *command)
{
	int status = system(command);

	if (status)
		skip("'%s' ends with %d", command, status);
}

static void drop_caches(void)
{
	sync();
	expect_int(write_text("/proc/sys/vm/drop_caches", "1"), ==, 0);
}

/* On a disk: what the GPU has written must be written back, though no CPU has made the page dirty. */
static void gpu_writes_reach_the_disk(void)
{
	uint32_t rounds = tap_rounds(3);
	char *map, back[PAGE];
	int fd;

	run_command("mke2fs -q -F " DISK ".img 16M >/dev/null && mkdir -p " DISK " && "
		    "mount -t ext2 \"$(losetup -f --show " DISK ".img)\" " DISK);
	fd = open(DISK "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	expect(fd >= 0 && !ftruncate(fd, BYTES), "%s: %s", DISK "/file", strerror(errno));
	map = mapping(MAP_SHARED, fd);
	pattern_fill(map, BYTES, SEED);
	drop_caches();
	gpu_and_queue(&gpu, &q);
	expect_int(svm_prefetch(&gpu, map, BYTES, gpu.id), ==, 0);
	for (uint32_t round = 1; round <= rounds; round++) {
		for (size_t page = 0; page < ALL; page += 3)
			queue_write32(&q, map + page * PAGE, round + page);
		queue_run(&q);
		expect_int(where_is(map, BYTES).device, ==, 0);
		drop_caches();	/* written back, and the GPU does not have it mapped any more */
	}
	queue_destroy(&q);
	munmap(map, BYTES);
	drop_caches();
	for (size_t page = 0; page < ALL; page++) {
		uint32_t *dw = (uint32_t *)back;

		expect_int(pread(fd, back, PAGE, page * PAGE), ==, PAGE);
		expect_int(dw[0], ==, page % 3 ? pattern_at(page * PAGE / 4, SEED) : rounds + page);
		for (size_t i = 1; i < PAGE / 4; i++)
			expect_int(dw[i], ==, pattern_at(page * PAGE / 4 + i, SEED));
	}
	close(fd);
}

static const char *nothing_left_or_mounted(void)
{
	if (!access(DISK ".img", F_OK) &&
	    (umount2(DISK, MNT_DETACH) || system("losetup -D") || unlink(DISK ".img")))
		diag("the file system on " DISK ".img cannot be removed");
	return nothing_left();
}

static const struct tap_test tests[] = {
	TAP_TEST(prefetch_moves_all_but_pages_in_a_pipe),
	TAP_TEST(prefetch_moves_all_but_pinned_pages),
	TAP_TEST(gpu_uses_pages_in_a_pipe_where_they_are),
	TAP_TEST(gpu_uses_pinned_pages_where_they_are),
	TAP_TEST(pages_come_home_to_go_into_a_pipe),
	TAP_TEST(pages_come_home_to_be_pinned),
	TAP_TEST(holes_and_device_pages_are_not_missed),
	TAP_TEST(locked_memory_moves),
	TAP_TEST(locking_brings_memory_home),
	TAP_TEST(huge_pages_stay),
	TAP_TEST(shared_huge_pages_stay),
	TAP_TEST(shared_memory_stays),
	TAP_TEST(shared_memfd_stays),
	TAP_TEST(private_memfd_moves_when_it_was_written),
	TAP_TEST(pages_of_a_private_file_are_copied_when_the_gpu_writes),
	TAP_TEST(merged_pages_are_read_where_they_are),
	TAP_TEST(merged_pages_are_copied_when_the_gpu_writes),
	TAP_TEST(memory_moves_when_it_is_not_to_be_merged),
	TAP_TEST(merged_pages_that_a_child_got_stay),
	TAP_TEST(pages_that_were_merged_behind_a_child_stay),
	TAP_TEST(pages_in_vram_are_not_merged),
	TAP_TEST(gpu_writes_reach_the_disk),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left_or_mounted, argc, argv);
}
