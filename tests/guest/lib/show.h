/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What demonstrations print: numbered steps, and a line for each thing that was counted. What is not as it should be
 * ends the program with `demo: FAIL:` and why.
 */
#ifndef SHOW_H
#define SHOW_H

#include <stddef.h>
#include <stdint.h>

/* Options of the command line (--color), and fail() of the libraries ends the demonstration. */
void show_init(int argc, char **argv);

void show_title(const char *text);
void step(int n, const char *format, ...) __attribute__((format(printf, 2, 3)));
void line(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 1234567 as "1 234 567", right-aligned. Four of them may be in use. */
const char *count(uint64_t v);

/* Something to say beside the numbers, dimmed; for "%s%s%s". */
extern const char *dim, *plain;

/* How many of the pages are where, by the kernel's own page table. */
void show_where(const void *at, size_t bytes);

_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define demand(condition, ...) do { if (!(condition)) give_up(__VA_ARGS__); } while (0)

/* The last line; returns what main returns. */
int show_pass(void);

#endif
