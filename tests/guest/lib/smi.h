/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KFD's SMI events, read as its user space does: a line each, in the formats of KFD 1.10, which stand here
 * once more so that the driver's are not compared with themselves. Whatever fails here fails the test.
 */
#ifndef SMI_H
#define SMI_H

#include <linux/kfd_ioctl.h>
#include <stdbool.h>
#include <stdint.h>

#include "gpu.h"

#define SMI(name) KFD_SMI_EVENT_MASK_FROM_INDEX(KFD_SMI_EVENT_##name)
#define SMI_MIGRATE (SMI(MIGRATE_START) | SMI(MIGRATE_END))
#define SMI_FAULT (SMI(PAGE_FAULT_START) | SMI(PAGE_FAULT_END))
#define SMI_RESET (SMI(GPU_PRE_RESET) | SMI(GPU_POST_RESET))
#define SMI_EVERYTHING (SMI(ALL_PROCESS) - 1)	/* of this process */

/**
 * struct smi_event - a line; what it does not have is 0
 * @event: KFD_SMI_EVENT_*
 * @ns: when, CLOCK_BOOTTIME
 * @pid: thread group; of a VM fault the thread
 * @at: page number
 * @pages: how many
 * @node: KFD's gpu_id
 * @from: likewise, 0 for RAM
 * @to: likewise
 * @prefetch: likewise, or another location
 * @preferred: likewise
 * @trigger: why
 * @how: W or R, M or U; of a restore 0 or R
 * @count: of resets
 * @text: cause of a reset, name of who has a VM fault
 */
struct smi_event {
	unsigned int event;
	long long ns;
	int pid;
	unsigned long at, pages;
	uint32_t node, from, to, prefetch, preferred;
	int trigger;
	char how;
	unsigned int count;
	char text[96];
};

int smi_open(const struct gpu *gpu, uint64_t mask);
int smi_try_open(const struct gpu *gpu, uint32_t gpu_id);	/* the file or -errno; no mask yet */
void smi_ask(int fd, uint64_t mask);

bool smi_try_next(int fd, struct smi_event *e);		/* false: there is nothing to read */
struct smi_event smi_next(int fd, unsigned int event);	/* waits for it; it must be such an event */
void smi_expect_nothing(int fd);
void smi_drain(int fd);

long long boottime_ns(void);

#endif
