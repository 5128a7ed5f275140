/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What scripts/run's two halves say to each other: relay (on the host, beside QEMU) and init (the
 * guest's process 1), over one virtio-serial port.
 *
 * One ordered stream instead of a port for each of stdin, stdout and stderr: when EXIT arrives,
 * everything the command wrote has arrived. With separate ports a guest that powers off takes with
 * it what QEMU could not yet hand to a slow reader.
 */
#ifndef HGPU_LINK_H
#define HGPU_LINK_H

#include <stdint.h>

#define LINK_PORT "hmm-gpu.link"

/* A frame is this header, then `len` bytes. Both ends are the same machine: no byte order to settle. */
struct link_head {
	uint32_t type;
	uint32_t len;
};
_Static_assert(sizeof(struct link_head) == 8, "the frame header has no holes");

#define LINK_MAX_PAYLOAD (256u << 10)	/* one argument or environment string, at most */
#define LINK_STDIN_WINDOW (64u << 10)	/* stdin bytes sent and not yet acknowledged, at most */

enum link_type {
	/* host to guest: how to start */
	LINK_ARG = 1,		/* one string of the command */
	LINK_ENV,		/* one NAME=VALUE */
	LINK_DIR,		/* the caller's directory; shared under tag `cwd` */
	LINK_MODULE,		/* the driver's file, to be loaded before the command */
	LINK_PARAMS,		/* its parameters */
	LINK_RELEASE_DIR,	/* what /lib/modules/RELEASE is to be */
	LINK_SETTINGS,		/* struct link_settings */
	LINK_GO,		/* that was all: run */
	/* host to guest: while it runs */
	LINK_STDIN,		/* bytes */
	LINK_STDIN_END,
	LINK_DUMP,		/* put the state of all tasks on the console: the host is about to give up */

	/* guest to host */
	LINK_HELLO = 64,	/* init runs */
	LINK_STARTED,		/* the command runs */
	LINK_ALIVE,		/* every second */
	LINK_STDOUT,		/* bytes */
	LINK_STDERR,		/* bytes */
	LINK_STDIN_TAKEN,	/* uint32_t: so many stdin bytes have gone to the command */
	LINK_EXIT,		/* uint32_t: exit status, or 128 + signal */
	LINK_FAILED,		/* text: the guest cannot do what was asked, the run is void */
	LINK_BYE,		/* nothing will follow; the machine may be switched off */
};

struct link_settings {
	uint32_t gpus;		/* that many must have the driver bound before the command starts */
	uint32_t swap_mib;	/* zram swap; 0: none */
	uint32_t kmemleak;	/* scan for leaks after the command */
	uint32_t may_lose_driver; /* the command may leave GPUs without a driver */
	uint32_t share_dir;	/* the caller's directory is a share of its own */
};

#endif
