/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests that print TAP, each in a process of its own.
 *
 * A KFD process is a property of an address space, so a test that opened the GPU, leaked a queue or was
 * killed must not be seen by the next one: every test is a forked child, and what it did is judged by its
 * exit. After each test the parent looks whether the driver still holds anything (tap_after).
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stddef.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

#define TAP_TEST(function) { #function, function }

/**
 * tap_main() - run the tests and print their results
 * @tests: the tests; a test fails when it calls fail(), dies of a signal or takes too long
 * @n: how many
 * @after: called in the parent after each test; NULL, or what is wrong (the test then fails)
 * @argc: of main
 * @argv: of main: --list, or names of tests, of which the others are left out
 *
 * Return: what main returns.
 */
int tap_main(const struct tap_test *tests, size_t n, const char *(*after)(void), int argc, char **argv);

/* To be called in a test. diag() prints a comment; the others end the test, from any of its processes. */
void diag(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How long a test may take, times tap_patience(); a soak asks for more before tap_main(). */
extern int tap_seconds;

/* Called instead of printing, by a program that is not a test; must not return. */
extern void (*tap_on_fail)(const char *text);

#define expect(condition, ...) do { if (!(condition)) { \
	diag("%s:%d: expected %s", __FILE_NAME__, __LINE__, #condition); fail(__VA_ARGS__); } } while (0)

#define expect_int(actual, op, wanted) do { \
	long long a_ = (long long)(actual), w_ = (long long)(wanted); \
	if (!(a_ op w_)) \
		fail("%s:%d: %s is %lld, expected %s %lld", __FILE_NAME__, __LINE__, #actual, a_, #op, w_); \
	} while (0)

/**
 * tap_fork() - a further process of the test
 * @run: what it does; it ends with exit(0) after it
 * @arg: for @run
 *
 * fail() in it fails the test as soon as tap_join() waits for it.
 * Return: its pid.
 */
int tap_fork(void (*run)(void *arg), void *arg);

/* Wait for one; fails the test unless it ended well. tap_join_killed(): it was to die of that signal. */
void tap_join(int pid);
void tap_join_killed(int pid, int signal);

/* Milliseconds since boot, and the same as nanoseconds. */
long long now_ns(void);
static inline long long now_ms(void) { return now_ns() / 1000000; }

/* Wait, sleeping a little, until the condition holds or the time is over; the value is whether it held. */
#define wait_until(condition, ms) __extension__({ \
	long long end_ = now_ms() + (ms) * tap_patience(); \
	bool held_; \
	while (!(held_ = (condition)) && now_ms() < end_) \
		tap_nap(); \
	held_; })

/* The same without giving the CPU away. */
#define spin_until(condition, ms) __extension__({ \
	long long end_ = now_ms() + (ms); \
	bool held_; \
	while (!(held_ = (condition)) && now_ms() < end_) \
		; \
	held_; })

void nap_us(unsigned int us);

/* Until one looks again. On a debug kernel looking costs the CPU that others need, as long as 1 ms of theirs. */
void tap_nap(void);

/* How much slower than usual things may be: 1, more on a debug kernel. */
int tap_patience(void);

/*
 * Whether tests are to be short: on the debug kernel, where a page costs ten times as much. A test then repeats itself
 * less often and moves less memory, but all that it does otherwise it does, and at least twice what it repeats.
 */
bool tap_brief(void);

/* Whether time does not matter: scripts/test --long. */
bool tap_long(void);

/**
 * tap_rounds() - how often a test repeats itself
 * @n: how often it does where there is time
 *
 * Return: @n, or if tests are to be short a fifth of it, but not less than two.
 */
unsigned int tap_rounds(unsigned int n);

/**
 * tap_size() - how much memory a test uses
 * @bytes: how much it uses where there is time
 * @least: with less the test would not be one: more than a granule, or than there is VRAM
 *
 * Return: @bytes, or if tests are to be short a quarter of it, but not less than @least.
 */
size_t tap_size(size_t bytes, size_t least);

#endif
