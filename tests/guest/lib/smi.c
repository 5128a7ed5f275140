// SPDX-License-Identifier: GPL-2.0-or-later
#include "smi.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { WAIT_MS = 5000, QUIET_MS = 30 };

long long boottime_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int smi_try_open(const struct gpu *gpu, uint32_t gpu_id)
{
	struct kfd_ioctl_smi_events_args args = { .gpuid = gpu_id };
	int error = kfd_ioctl(gpu, AMDKFD_IOC_SMI_EVENTS, &args);

	return error ?: (int)args.anon_fd;
}

void smi_ask(int fd, uint64_t mask)
{
	expect_int(write(fd, &mask, sizeof(mask)), ==, sizeof(mask));
}

int smi_open(const struct gpu *gpu, uint64_t mask)
{
	int fd = smi_try_open(gpu, gpu->id);

	expect(fd >= 0, "SMI_EVENTS: %s", strerror(-fd));
	smi_ask(fd, mask);
	return fd;
}

/* True if all of @line after the event's number was understood. */
static bool parse(struct smi_event *e, const char *line)
{
	int n = -1;

	switch (e->event) {
	case KFD_SMI_EVENT_VMFAULT:
		sscanf(line, "%x:%95[^\n]%n", (unsigned int *)&e->pid, e->text, &n);
		break;
	case KFD_SMI_EVENT_GPU_PRE_RESET:
		sscanf(line, "%x %95[^\n]%n", &e->count, e->text, &n);
		break;
	case KFD_SMI_EVENT_GPU_POST_RESET:
		sscanf(line, "%x%*1[ ]%n", &e->count, &n);
		break;
	case KFD_SMI_EVENT_MIGRATE_START:
		sscanf(line, "%lld -%d @%lx(%lx) %x->%x %x:%x %d%n", &e->ns, &e->pid, &e->at, &e->pages, &e->from, &e->to,
		       &e->prefetch, &e->preferred, &e->trigger, &n);
		break;
	case KFD_SMI_EVENT_MIGRATE_END:
		sscanf(line, "%lld -%d @%lx(%lx) %x->%x %d%n", &e->ns, &e->pid, &e->at, &e->pages, &e->from, &e->to,
		       &e->trigger, &n);
		break;
	case KFD_SMI_EVENT_PAGE_FAULT_START:
	case KFD_SMI_EVENT_PAGE_FAULT_END:
		sscanf(line, "%lld -%d @%lx(%x) %c%n", &e->ns, &e->pid, &e->at, &e->node, &e->how, &n);
		break;
	case KFD_SMI_EVENT_QUEUE_EVICTION:
		sscanf(line, "%lld -%d %x %d%n", &e->ns, &e->pid, &e->node, &e->trigger, &n);
		break;
	case KFD_SMI_EVENT_QUEUE_RESTORE:
		sscanf(line, "%lld -%d %x %c%n", &e->ns, &e->pid, &e->node, &e->how, &n);
		break;
	case KFD_SMI_EVENT_UNMAP_FROM_GPU:
		sscanf(line, "%lld -%d @%lx(%lx) %x %d%n", &e->ns, &e->pid, &e->at, &e->pages, &e->node, &e->trigger, &n);
		break;
	}
	return n >= 0 && !strcmp(line + n, "\n");
}

/* Byte by byte, as lines come: a file has as many readers and buffers as it likes. */
bool smi_try_next(int fd, struct smi_event *e)
{
	char line[128] = "";
	int skip = -1;

	memset(e, 0, sizeof(*e));
	for (size_t i = 0; !i || line[i - 1] != '\n'; i++) {
		expect(i < sizeof(line) - 1, "a line is too long: %s", line);
		if (read(fd, &line[i], 1) == 1)
			continue;
		expect(!i, "half a line: %s", line);
		expect(errno == EAGAIN, "read: %s", strerror(errno));
		return false;
	}
	sscanf(line, "%x %n", &e->event, &skip);
	expect(skip > 0 && parse(e, line + skip), "cannot be parsed: %s", line);
	return true;
}

struct smi_event smi_next(int fd, unsigned int event)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct smi_event e;

	expect(poll(&p, 1, WAIT_MS * tap_patience()) == 1 && smi_try_next(fd, &e), "no event, waiting for %u", event);
	if (e.event != event)
		fail("event %u instead of %u: page %#lx, %#lx pages, trigger %d", e.event, event, e.at, e.pages, e.trigger);
	return e;
}

void smi_expect_nothing(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct smi_event e;

	if (poll(&p, 1, QUIET_MS) == 0 && !smi_try_next(fd, &e))
		return;
	expect(smi_try_next(fd, &e), "poll() found something to read, read() did not");
	fail("event %u, where there should be none: page %#lx, %#lx pages, trigger %d", e.event, e.at, e.pages, e.trigger);
}

void smi_drain(int fd)
{
	char some[64];

	while (read(fd, some, sizeof(some)) > 0)
		;
}
