// SPDX-License-Identifier: GPL-2.0-or-later
#include "feeder.h"
#include "mem.h"
#include "tap.h"

static void *feed(void *arg)
{
	struct feeder *f = arg;

	while (!f->stop) {
		queue_copy(f->q, f->dst, f->src, f->bytes);
		queue_run(f->q);
		f->rounds++;
	}
	return NULL;
}

void feeder_start(struct feeder *f, struct queue *q, char *dst, char *src, size_t bytes)
{
	*f = (struct feeder) { .q = q, .dst = dst, .src = src, .bytes = bytes };
	expect(!pthread_create(&f->thread, NULL, feed, f), "pthread_create");
}

void feeder_gets_on(const struct feeder *f)
{
	unsigned int rounds = f->rounds;

	expect(wait_until(f->rounds > rounds + 1, 20000), "the GPU gets nowhere");
}

void feeder_stop(struct feeder *f, uint32_t seed)
{
	feeder_gets_on(f);
	f->stop = true;
	pthread_join(f->thread, NULL);
	pattern_check(f->dst, f->bytes, seed);
	pattern_check(f->src, f->bytes, seed);
}
