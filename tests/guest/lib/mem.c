// SPDX-License-Identifier: GPL-2.0-or-later
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "tap.h"

/* ---- patterns ---- */

uint32_t pattern_at(size_t dword, uint32_t seed)
{
	return ((uint32_t)dword + seed) * 2654435761u ^ seed;
}

void pattern_fill(void *at, size_t bytes, uint32_t seed)
{
	uint32_t *dw = at;

	for (size_t i = 0; i < bytes / 4; i++)
		dw[i] = pattern_at(i, seed);
}

void pattern_check(const void *at, size_t bytes, uint32_t seed)
{
	const uint32_t *dw = at;

	for (size_t i = 0; i < bytes / 4; i++)
		if (dw[i] != pattern_at(i, seed))
			fail("byte %#zx (page %zu) is %08x, expected %08x", i * 4, i * 4 / PAGE, dw[i],
			     pattern_at(i, seed));
}

void value_check(const void *at, size_t bytes, uint32_t value)
{
	const uint32_t *dw = at;

	for (size_t i = 0; i < bytes / 4; i++)
		if (dw[i] != value)
			fail("byte %#zx (page %zu) is %08x, expected %08x", i * 4, i * 4 / PAGE, dw[i], value);
}

void *map_anon(size_t bytes)
{
	size_t room = bytes + GRANULE;
	char *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start = (char *)(((uintptr_t)at + GRANULE - 1) & ~(GRANULE - 1));

	if (at == MAP_FAILED)
		fail("mmap of %zu bytes: %s", room, strerror(errno));
	if (start > at)
		munmap(at, start - at);
	munmap(start + bytes, at + room - (start + bytes));
	return start;
}

/* ---- the witness ---- */

/*
 * Entries as Documentation/admin-guide/mm/pagemap.rst has them. A page of device-private memory is shown as
 * swapped, with type and, instead of an offset, the PFN. The two types stand behind all real swap files'
 * (include/linux/swap.h: 32 types, the last five are device 4, PTE marker 1): 27 writable, 28 not.
 */
#define PM_PRESENT	(1ull << 63)
#define PM_SWAP		(1ull << 62)
#define PM_SWAP_TYPE	0x1full
#define PM_SWAP_OFFSET(e) (((e) & ((1ull << 55) - 1)) >> 5)

enum { SWP_DEVICE_WRITE = 27, SWP_DEVICE_READ = 28 };

/* What the driver asked the core for: one region a GPU. */
static const char *const region_names[] = { "hmm-gpu", "hmm_gpu" };

bool device_region(unsigned int index, uint64_t *start, uint64_t *end)
{
	char line[256];
	bool found = false;
	FILE *f = fopen("/proc/iomem", "r");

	if (!f)
		fail("/proc/iomem: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), f)) {
		char *name = strstr(line, " : ");

		/* a free region is at the top level; BARs carry the driver's name too, but below their bus */
		if (!name || line[0] == ' ')
			continue;
		for (size_t i = 0; !found && i < sizeof(region_names) / sizeof(region_names[0]); i++)
			found = strstr(name, region_names[i]) && !index--;
		if (found && sscanf(line, "%" SCNx64 "-%" SCNx64, start, end) != 2)
			found = false;
	}
	fclose(f);
	return found;
}

static struct {
	uint64_t start[8], end[8];
	unsigned int n;
} regions;

static bool in_known_region(uint64_t pfn)
{
	for (unsigned int i = 0; i < regions.n; i++)
		if (pfn >= regions.start[i] / PAGE && pfn <= regions.end[i] / PAGE)
			return true;
	return false;
}

/* Regions come and go with their GPUs: what is not in a known one may be in a new one. */
static bool in_our_region(uint64_t pfn)
{
	if (in_known_region(pfn))
		return true;
	regions.n = 0;
	while (regions.n < 8 && device_region(regions.n, &regions.start[regions.n], &regions.end[regions.n]))
		regions.n++;
	return in_known_region(pfn);
}

unsigned int pagemap_type(uint64_t e)
{
	return e & PM_SWAP_TYPE;
}

uint64_t pagemap_pfn(uint64_t e)
{
	return PM_SWAP_OFFSET(e);
}

bool pagemap_is_device(uint64_t e)
{
	return !(e & PM_PRESENT) && (e & PM_SWAP) &&
	       (pagemap_type(e) == SWP_DEVICE_WRITE || pagemap_type(e) == SWP_DEVICE_READ) &&
	       in_our_region(pagemap_pfn(e));
}

static void count_entry(struct where *w, uint64_t e)
{
	unsigned int type = pagemap_type(e);

	if (e & PM_PRESENT)
		w->present++;
	else if (!(e & PM_SWAP))
		w->none++;
	else if (type != SWP_DEVICE_WRITE && type != SWP_DEVICE_READ)
		w->swapped++;
	else if (!pagemap_is_device(e))
		w->foreign++;
	else {
		w->device++;
		w->device_ro += type == SWP_DEVICE_READ;
	}
}

static void read_pagemap(size_t page, size_t n, uint64_t *e)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, e, n * 8, page * 8) != (ssize_t)(n * 8))
		fail("/proc/self/pagemap: %s", strerror(errno));
	close(fd);
}

uint64_t pagemap_entry(const void *at)
{
	uint64_t e;

	read_pagemap((uintptr_t)at / PAGE, 1, &e);
	return e;
}

struct where where_is(const void *at, size_t bytes)
{
	struct where w = { 0 };
	size_t page = (uintptr_t)at / PAGE, n = bytes / PAGE;
	uint64_t e[512];

	while (n) {
		size_t some = n < 512 ? n : 512;

		read_pagemap(page, some, e);
		for (size_t i = 0; i < some; i++)
			count_entry(&w, e[i]);
		page += some;
		n -= some;
	}
	return w;
}

static void say_where(struct where w)
{
	diag("of these pages %zu are in RAM, %zu in VRAM, %zu swapped, %zu nowhere, %zu in a foreign device",
	     w.present, w.device, w.swapped, w.none, w.foreign);
}

void expect_in_vram(const void *at, size_t bytes)
{
	struct where w = where_is(at, bytes);

	if (w.device == bytes / PAGE)
		return;
	say_where(w);
	fail("expected all %zu pages in VRAM", bytes / PAGE);
}

void expect_in_ram(const void *at, size_t bytes)
{
	struct where w = where_is(at, bytes);

	if (w.present == bytes / PAGE)
		return;
	say_where(w);
	fail("expected all %zu pages in RAM", bytes / PAGE);
}

/* ---- the driver's counters ---- */

bool stats_try(struct stats *s, unsigned int gpu)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/hmm_gpu/%u/stats", gpu);
	s->n = 0;
	f = fopen(path, "r");
	if (!f)
		return false;
	while (s->n < sizeof(s->of) / sizeof(s->of[0]) &&
	       fscanf(f, "%39s %" SCNu64, s->of[s->n].name, &s->of[s->n].value) == 2)
		s->n++;
	fclose(f);
	return s->n;
}

void stats_read(struct stats *s, unsigned int gpu)
{
	if (!stats_try(s, gpu))
		fail("no counters of GPU %u in /sys/kernel/debug/hmm_gpu", gpu);
}

uint64_t stats_get(const struct stats *s, const char *name)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!strcmp(s->of[i].name, name))
			return s->of[i].value;
	fail("the driver has no counter '%s'", name);
}

uint64_t stat_now(const char *name)
{
	struct stats s;

	stats_read(&s, 0);
	return stats_get(&s, name);
}

uint64_t stats_since_of(unsigned int gpu, const struct stats *before, const char *name)
{
	struct stats now;

	stats_read(&now, gpu);
	return stats_get(&now, name) - stats_get(before, name);
}

uint64_t stats_since(const struct stats *before, const char *name)
{
	return stats_since_of(0, before, name);
}

static bool holds_no_vram(unsigned int gpu)
{
	struct stats s;

	if (!stats_try(&s, gpu))
		return true;
	return stats_get(&s, "vram_chunks_alloc") == stats_get(&s, "vram_chunks_freed");
}

const char *no_vram_left(void)
{
	static char text[160];
	struct stats s;

	for (unsigned int gpu = 0; stats_try(&s, gpu); gpu++) {
		/* frees are done by a work item, a killed process ends when it likes */
		if (wait_until(holds_no_vram(gpu), 5000))
			continue;
		stats_try(&s, gpu);
		snprintf(text, sizeof(text), "GPU %u still holds %" PRIu64 " VRAM chunks", gpu,
			 stats_get(&s, "vram_chunks_alloc") - stats_get(&s, "vram_chunks_freed"));
		return text;
	}
	return NULL;
}

/* Bytes of system memory that are charged to processes; none where the driver is not. */
static uint64_t charged(void)
{
	FILE *f = fopen("/sys/kernel/debug/hmm_gpu/memory", "r");
	uint64_t value, sum = 0;
	char key[64];

	while (f && fscanf(f, "%63s %" SCNu64, key, &value) == 2)
		if (!strcmp(key, "gtt") || !strcmp(key, "userptr") || !strcmp(key, "svm"))
			sum += value;
	if (f)
		fclose(f);
	return sum;
}

static const char *no_memory_left(void)
{
	static char text[160];

	if (wait_until(!charged(), 5000))
		return NULL;
	snprintf(text, sizeof(text), "%" PRIu64 " bytes of system memory are still charged", charged());
	return text;
}

const char *nothing_left(void)
{
	const char *trouble = no_vram_left() ?: no_memory_left();
	struct stats s;

	for (unsigned int gpu = 0; !trouble && stats_try(&s, gpu); gpu++) {
		if (stats_get(&s, "sdma_errors") || stats_get(&s, "tlb_flush_timeouts") ||
		    stats_get(&s, "ih_overflows"))
			return "the driver counts failed copies, lost flushes or a full interrupt ring";
		if (stats_get(&s, "virgl_contexts_stuck"))
			return "the driver counts contexts of the virgl engine that did not end";
	}
	return trouble;
}

uint64_t named_value(const char *path, const char *name)
{
	char line[256], key[64], text[32];
	FILE *f = fopen(path, "r");
	uint64_t found = 0;
	bool any = false;

	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %31s", key, text) == 2 && !strcmp(key, name)) {
			found = strtoull(text, NULL, 0);
			any = true;
		}
	}
	fclose(f);
	if (!any)
		fail("%s has no line '%s'", path, name);
	return found;
}

/* ---- accesses that may fail ---- */

static sigjmp_buf after_read;

static void on_bad_read(int signal)
{
	siglongjmp(after_read, signal);
}

int signal_of_read(const void *at)
{
	struct sigaction act = { .sa_handler = on_bad_read }, bus, segv;
	int signal;

	sigaction(SIGBUS, &act, &bus);
	sigaction(SIGSEGV, &act, &segv);
	signal = sigsetjmp(after_read, 1);
	if (!signal)
		(void)*(const volatile char *)at;
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return signal;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		error = -errno;
	close(fd);
	return error;
}

void obstacle_make(struct obstacle *o)
{
	o->fd = memfd_create("obstacle", 0);
	expect(o->fd >= 0, "memfd: %s", strerror(errno));
	obstacle_remove(o);
	o->at = mmap(NULL, OBSTACLE, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
	expect(o->at != MAP_FAILED, "mmap: %s", strerror(errno));
}

void obstacle_raise(struct obstacle *o)
{
	expect(!ftruncate(o->fd, 0), "ftruncate: %s", strerror(errno));
}

void obstacle_remove(struct obstacle *o)
{
	expect(!ftruncate(o->fd, OBSTACLE), "ftruncate: %s", strerror(errno));
}
