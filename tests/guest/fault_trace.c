// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The driver's trace events: one id leads from the interrupt entry that reports a GPU fault to the access being
 * replayed, and what SMI tells is traced, too.
 *
 * RUN-DEFAULT:
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/gpu.h"
#include "lib/mem.h"
#include "lib/tap.h"

#define SEED 0x5eed0016u
#define TRACING "/sys/kernel/debug/tracing"

static struct gpu gpu;
static struct queue q;

static void tracing(const char *file, const char *text)
{
	char path[96];
	int error;

	snprintf(path, sizeof(path), TRACING "/%s", file);
	error = write_text(path, text);
	expect(!error, "%s: %s", path, strerror(-error));
}

static void trace_this(bool on)
{
	tracing("trace_clock", "global");	/* one order for all CPUs */
	tracing("trace", "");
	tracing("events/hmm_gpu/enable", on ? "1" : "0");
	tracing("events/hmm_gpu_svm/enable", on ? "1" : "0");
}

/**
 * struct line - an event as the trace file has it
 * @name: of the event
 * @text: all of the line
 */
struct line {
	char name[32];
	char text[256];
};

static struct line lines[20000];
static unsigned int num_lines;

/* Read what has been traced: "  task-pid  [cpu] flags  time: event: fields" */
static void read_trace(void)
{
	FILE *f = fopen(TRACING "/trace", "r");
	char text[sizeof(lines[0].text)];

	expect(f, TRACING "/trace: %s", strerror(errno));
	num_lines = 0;
	while (fgets(text, sizeof(text), f)) {
		struct line *l = &lines[num_lines];
		char *event = strstr(text, ": hgpu_");

		if (text[0] == '#' || !event)
			continue;
		expect(num_lines < sizeof(lines) / sizeof(lines[0]), "more events than this test reads");
		expect_int(sscanf(event + 2, "%31[^:]", l->name), ==, 1);
		strcpy(l->text, text);
		num_lines++;
	}
	fclose(f);
}

/* The number behind NAME= in an event, decimal or 0x; the test fails if there is none. */
static unsigned long field(const struct line *l, const char *name)
{
	char key[32];
	char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(l->text, key);
	if (!at)
		fail("no %s in: %s", name, l->text);
	return strtoul(at + strlen(key), NULL, 0);
}

/* The next event from @from on with that name and id; the test fails if there is none. */
static unsigned int find(unsigned int from, const char *name, unsigned long id)
{
	for (unsigned int i = from; i < num_lines; i++)
		if (!strcmp(lines[i].name, name) && field(&lines[i], "id") == id)
			return i;
	for (unsigned int i = 0; i < num_lines; i++)
		if (strstr(lines[i].text, "id="))
			diag("%s", lines[i].text);
	fail("no %s with id %lu after line %u", name, id, from);
}

/* The fault that was resolved for this page: its id. */
static unsigned long fault_of(const void *at)
{
	for (unsigned int i = 0; i < num_lines; i++)
		if (!strcmp(lines[i].name, "hgpu_svm_fault_done") && field(&lines[i], "page") == (uintptr_t)at / PAGE)
			return field(&lines[i], "id");
	fail("no fault of page %#lx in %u events", (uintptr_t)at / PAGE, num_lines);
}

/* Steps of a fault that moves a granule to VRAM, in this order. Returns the line of the last. */
static unsigned int follow(const void *at, const void *granule)
{
	static const char *const steps[] = {
		"hgpu_ih_entry", "hgpu_svm_fault", "hgpu_page_fault_start", "hgpu_migrate_start", "hgpu_svm_migrated",
		"hgpu_migrate_end", "hgpu_svm_map", "hgpu_svm_replay", "hgpu_page_fault_end", "hgpu_svm_fault_done",
	};
	unsigned int found[sizeof(steps) / sizeof(steps[0])], n = 0, line = 0;
	unsigned long id = fault_of(at), page = (uintptr_t)at / PAGE, first = (uintptr_t)granule / PAGE;

	expect(id, "the fault has no id");
	for (; n < sizeof(steps) / sizeof(steps[0]); n++, line++)
		line = found[n] = find(line, steps[n], id);
	/* The entry's data are the address. */
	expect(strstr(lines[found[0]].text, " data=0x"), "no data in: %s", lines[found[0]].text);
	expect_int(strtoul(strstr(lines[found[0]].text, " data=") + 6, NULL, 0), ==, (uint32_t)page);
	expect_int(field(&lines[found[1]], "page"), ==, page);
	expect_int(field(&lines[found[1]], "write"), ==, 1);
	expect_int(field(&lines[found[2]], "page"), ==, page);
	expect(strstr(lines[found[2]].text, " how=W"), "no write: %s", lines[found[2]].text);
	expect_int(field(&lines[found[3]], "page"), ==, first);
	expect_int(field(&lines[found[3]], "pages"), ==, GRANULE / PAGE);
	expect_int(field(&lines[found[3]], "trigger"), ==, KFD_MIGRATE_TRIGGER_PAGEFAULT_GPU);
	expect_int(field(&lines[found[3]], "to"), ==, gpu.id);
	expect_int(field(&lines[found[4]], "addr"), ==, (uintptr_t)granule);
	expect_int(field(&lines[found[4]], "moved"), ==, GRANULE / PAGE);
	expect_int(field(&lines[found[7]], "page"), ==, first);
	expect_int(field(&lines[found[7]], "pages"), ==, GRANULE / PAGE);
	expect(strstr(lines[found[8]].text, " how=M"), "no migration: %s", lines[found[8]].text);
	expect_int(field(&lines[found[9]], "err"), ==, 0);
	return found[9];
}

/* The fault of a page is over a moment after the access that it has held up. */
static bool is_over(const void *at)
{
	read_trace();
	for (unsigned int i = 0; i < num_lines; i++)
		if (!strcmp(lines[i].name, "hgpu_svm_fault_done") && field(&lines[i], "page") == (uintptr_t)at / PAGE)
			return true;
	return false;
}

static void one_id_leads_from_the_interrupt_to_the_replay(void)
{
	char *buf = map_anon(3 * GRANULE);
	unsigned int first, second;

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, 3 * GRANULE, SEED);
	trace_this(true);
	queue_write32(&q, buf + 5 * PAGE, 1);
	queue_write32(&q, buf + 2 * GRANULE + 7 * PAGE, 2);
	queue_run(&q);
	expect(wait_until(is_over(buf + 2 * GRANULE + 7 * PAGE), 5000), "the fault is not done");
	trace_this(false);
	first = follow(buf + 5 * PAGE, buf);
	second = follow(buf + 2 * GRANULE + 7 * PAGE, buf + 2 * GRANULE);
	expect_int(first, <, second);
	expect(fault_of(buf + 5 * PAGE) != fault_of(buf + 2 * GRANULE + 7 * PAGE), "two faults have one id");
	expect_int(*(uint32_t *)(buf + 5 * PAGE), ==, 1);
}

static unsigned int count(const char *name, unsigned long id)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < num_lines; i++)
		n += !strcmp(lines[i].name, name) && field(&lines[i], "id") == id;
	return n;
}

/* What no GPU fault has caused has no id, so it is not taken for a step of one. */
static void what_is_no_fault_has_no_id(void)
{
	char *buf = map_anon(2 * GRANULE);

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, 2 * GRANULE, SEED);
	queue_write32(&q, buf, 1);	/* faults have been there before */
	queue_run(&q);
	trace_this(true);
	expect_int(svm_prefetch(&gpu, buf + GRANULE, GRANULE, gpu.id), ==, 0);
	(void)*(volatile char *)(buf + GRANULE);
	expect_int(svm_prefetch(&gpu, buf, GRANULE, 0), ==, 0);
	read_trace();
	trace_this(false);
	expect_int(count("hgpu_migrate_start", 0), ==, 3);
	expect_int(count("hgpu_migrate_end", 0), ==, 3);
	expect_int(count("hgpu_svm_migrated", 0), ==, 3);
	expect_int(count("hgpu_svm_map", 0), >=, 1);
	for (unsigned int i = 0; i < num_lines; i++)
		if (strstr(lines[i].text, " id=") && strcmp(lines[i].name, "hgpu_ih_entry"))
			expect_int(field(&lines[i], "id"), ==, 0);
}

/* An access that is denied: the id leads to the poison, and to the report of the halt another one. */
static void denied_access_is_followed_to_its_end(void)
{
	char *buf = map_anon(GRANULE);
	unsigned long id = 0;
	unsigned int i, deny;

	gpu_and_queue(&gpu, &q);
	pattern_fill(buf, GRANULE, SEED);
	mprotect(buf, GRANULE, PROT_READ);
	trace_this(true);
	queue_write32(&q, buf + 9 * PAGE, 1);
	queue_run_into_fault(&q);
	read_trace();
	trace_this(false);
	for (i = 0; i < num_lines && !id; i++)
		if (!strcmp(lines[i].name, "hgpu_svm_deny"))
			id = field(&lines[i], "id");
	expect(id, "no denial in %u events", num_lines);
	deny = i - 1;
	expect_int(field(&lines[deny], "page"), ==, (uintptr_t)(buf + 9 * PAGE) / PAGE);
	expect_int(find(0, "hgpu_ih_entry", id), <, find(0, "hgpu_svm_fault", id));
	expect_int(find(0, "hgpu_svm_fault", id), <, deny);
	expect_int(field(&lines[find(deny, "hgpu_svm_replay", id)], "page"), ==, (uintptr_t)(buf + 9 * PAGE) / PAGE);
	for (i = deny; i < num_lines; i++)
		if (!strcmp(lines[i].name, "hgpu_svm_fault") && !field(&lines[i], "retry"))
			return;
	fail("the halt is not in the trace");
}

static void munmap_is_traced_where_a_gpu_had_the_memory(void)
{
	char *buf = map_anon(GRANULE);
	unsigned int n = 0;

	gpu_and_queue(&gpu, &q);
	queue_write32(&q, buf, 1);
	queue_run(&q);
	trace_this(true);
	munmap(buf, GRANULE);
	read_trace();
	trace_this(false);
	for (unsigned int i = 0; i < num_lines; i++) {
		if (strcmp(lines[i].name, "hgpu_unmapped"))
			continue;
		n++;
		expect_int(field(&lines[i], "pages"), ==, (uintptr_t)buf / PAGE);
		expect_int(field(&lines[i], "trigger"), ==, KFD_SVM_UNMAP_TRIGGER_UNMAP_FROM_CPU);
		expect_int(field(&lines[i], "pid"), ==, getpid());
	}
	expect_int(n, ==, 1);
}

/* The next event from @from on with that name, or num_lines. */
static unsigned int next(unsigned int from, const char *name)
{
	while (from < num_lines && strcmp(lines[from].name, name))
		from++;
	return from;
}

static bool queues_run_again(const struct stats *before)
{
	uint64_t evicted = stats_since(before, "queues_evicted");

	return evicted && stats_since(before, "queues_restored") == evicted;
}

static void queues_that_stop_and_go_on_are_traced(void)
{
	struct kfd_ioctl_svm_attribute access = { KFD_IOCTL_SVM_ATTR_ACCESS, 0 };
	unsigned int evicted, restored, n = 0;
	char *buf = map_anon(GRANULE);
	struct stats s;

	gpu_open(&gpu, 0);
	expect_int(gpu_set_xnack(&gpu, 0), ==, 0);
	queue_create(&q, &gpu, 64 << 10);
	access.value = gpu.id;
	expect_int(svm_set_attr(&gpu, buf, GRANULE, 1, &access), ==, 0);
	stats_read(&s, 0);
	trace_this(true);
	expect_int(madvise(buf, PAGE, MADV_DONTNEED), ==, 0);
	expect(wait_until(queues_run_again(&s), 5000), "queues were not stopped, or do not go on");
	read_trace();
	trace_this(false);
	for (restored = 0; (evicted = next(restored, "hgpu_queue_eviction")) < num_lines; n++) {
		expect_int(field(&lines[evicted], "gpu"), ==, 0);
		expect_int(field(&lines[evicted], "pid"), ==, getpid());
		expect_int(field(&lines[evicted], "trigger"), ==, KFD_QUEUE_EVICTION_TRIGGER_SVM);
		restored = evicted;
		do {
			restored = next(restored, "hgpu_queue_restore");
			expect(restored < num_lines, "an eviction without an end");
			expect_int(field(&lines[restored], "pid"), ==, getpid());
		} while (!strstr(lines[restored++].text, " how=0"));
	}
	expect_int(n, ==, stats_since(&s, "queues_evicted"));	/* there is one queue */
}

static void reset_is_traced(void)
{
	char address[16], path[64];
	unsigned int start, end;

	gpu_open(&gpu, 0);
	gpu_pci_address(0, address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
	trace_this(true);
	expect_int(write_text(path, "1"), ==, 0);
	read_trace();
	trace_this(false);
	start = next(0, "hgpu_reset_start");
	end = next(start, "hgpu_reset_end");
	expect(end < num_lines, "a reset without beginning or end in %u events", num_lines);
	expect(strstr(lines[start].text, " cause=PCI reset"), "no cause: %s", lines[start].text);
	expect_int(field(&lines[start], "count"), >, 0);
	expect_int(field(&lines[start], "count"), ==, field(&lines[end], "count"));
	expect_int(next(start + 1, "hgpu_reset_start"), ==, num_lines);
}

static const struct tap_test tests[] = {
	TAP_TEST(one_id_leads_from_the_interrupt_to_the_replay),
	TAP_TEST(what_is_no_fault_has_no_id),
	TAP_TEST(denied_access_is_followed_to_its_end),
	TAP_TEST(munmap_is_traced_where_a_gpu_had_the_memory),
	TAP_TEST(queues_that_stop_and_go_on_are_traced),
	TAP_TEST(reset_is_traced),
};

int main(int argc, char **argv)
{
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]), nothing_left, argc, argv);
}
