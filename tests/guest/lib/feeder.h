/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A GPU that copies all the time, in a thread of its own.
 */
#ifndef FEEDER_H
#define FEEDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu.h"

/**
 * struct feeder - the thread and what it does
 * @q: its queue
 * @dst: where it copies to
 * @src: where it copies from, the pattern at the end
 * @bytes: how much
 * @stop: the end
 * @rounds: done
 */
struct feeder {
	pthread_t thread;
	struct queue *q;
	char *dst, *src;
	size_t bytes;
	volatile bool stop;
	volatile unsigned int rounds;
};

void feeder_start(struct feeder *f, struct queue *q, char *dst, char *src, size_t bytes);

/* Nobody is in its way for good. */
void feeder_gets_on(const struct feeder *f);

/* The same at the end, and nothing is lost: both have the pattern of @seed. */
void feeder_stop(struct feeder *f, uint32_t seed);

#endif
