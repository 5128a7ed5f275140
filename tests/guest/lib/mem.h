/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at memory: patterns, the driver's counters, and the witness that is not our driver.
 */
#ifndef MEM_H
#define MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every dword of a buffer gets a value that depends on where it is and on a seed. */
uint32_t pattern_at(size_t dword, uint32_t seed);
void pattern_fill(void *at, size_t bytes, uint32_t seed);
void pattern_check(const void *at, size_t bytes, uint32_t seed);	/* fails the test at the first wrong dword */
void value_check(const void *at, size_t bytes, uint32_t value);

/* Anonymous memory at an address that is a multiple of 2 MiB, so that granules are whole. */
void *map_anon(size_t bytes);

/**
 * struct where - what the CPU's page table says about a range, read from /proc/PID/pagemap
 * @present: pages in RAM
 * @device: pages of device-private swap type whose PFN is in a region of ours, of them
 * @device_ro: not writable
 * @foreign: device-private, but elsewhere: always wrong
 * @swapped: on a swap device
 * @none: nothing there yet
 *
 * pagemap is the core kernel's view; the region comes from /proc/iomem. Both need root.
 */
struct where {
	size_t present, device, device_ro, foreign, swapped, none;
};

struct where where_is(const void *at, size_t bytes);

/* One page, as the kernel gives it. */
uint64_t pagemap_entry(const void *at);
unsigned int pagemap_type(uint64_t entry);
uint64_t pagemap_pfn(uint64_t entry);
bool pagemap_is_device(uint64_t entry);	/* device-private and ours */

/* All pages of the range: in VRAM, in RAM; else the test fails and says where they are. */
void expect_in_vram(const void *at, size_t bytes);
void expect_in_ram(const void *at, size_t bytes);

/* The device-private region of GPU number @index as /proc/iomem shows it (bytes, inclusive end); false: none. */
bool device_region(unsigned int index, uint64_t *start, uint64_t *end);

/**
 * struct stats - the driver's counters (debugfs hmm_gpu/N/stats)
 */
struct stats {
	unsigned int n;
	struct {
		char name[40];
		uint64_t value;
	} of[96];
};

bool stats_try(struct stats *s, unsigned int gpu);
void stats_read(struct stats *s, unsigned int gpu);
uint64_t stats_get(const struct stats *s, const char *name);
uint64_t stat_now(const char *name);		/* of GPU 0 */
uint64_t stats_since(const struct stats *before, const char *name);	/* of GPU 0, now */
uint64_t stats_since_of(unsigned int gpu, const struct stats *before, const char *name);

/*
 * For tap_main(): with all processes gone, no VRAM may be held, no system memory charged and no copy may have
 * failed. Where copies fail on purpose, no VRAM may be held.
 */
const char *nothing_left(void);
const char *no_vram_left(void);

/* The number behind NAME in a file with a name at the start of each line; fails the test if it is not there. */
uint64_t named_value(const char *path, const char *name);

/* Read a byte: 0, or the signal that the access got. For one thread at a time. */
int signal_of_read(const void *at);

/**
 * struct obstacle - memory that cannot be had for a while: of a file that is too short as long as it is raised
 * @fd: the file
 * @at: OBSTACLE bytes, mapped
 */
struct obstacle {
	int fd;
	char *at;
};

#define OBSTACLE (4 * PAGE)

void obstacle_make(struct obstacle *o);
void obstacle_raise(struct obstacle *o);
void obstacle_remove(struct obstacle *o);

/* Write a string to a file of proc or sysfs; 0 or -errno. */
int write_text(const char *path, const char *text);

#endif
