// SPDX-License-Identifier: GPL-2.0-or-later
#include "tap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_FAIL = 1, EXIT_SKIP = 77 };

int tap_seconds = 120;

static char *skip_reason;	/* shared with the tests */

void (*tap_on_fail)(const char *text);

long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void nap_us(unsigned int us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000l };

	nanosleep(&t, NULL);
}

void tap_nap(void)
{
	nap_us(tap_patience() > 1 ? 2000 : 200);
}

/* lockdep's file is there when KASAN and the rest of the debug kernel are. */
int tap_patience(void)
{
	static int factor;

	if (!factor)
		factor = access("/proc/lockdep", F_OK) ? 1 : 5;
	return factor;
}

bool tap_brief(void)
{
	return tap_patience() > 1;
}

bool tap_long(void)
{
	const char *is_long = getenv("HGPU_TEST_LONG");

	return is_long && *is_long == '1';
}

unsigned int tap_rounds(unsigned int n)
{
	unsigned int few = n / 5 > 2 ? n / 5 : 2;

	return tap_brief() && few < n ? few : n;
}

size_t tap_size(size_t bytes, size_t least)
{
	size_t less = bytes / 4 > least ? bytes / 4 : least;

	return tap_brief() ? less : bytes;
}

static void vdiag(const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	printf("# %s\n", text);
	fflush(stdout);
}

void diag(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdiag(format, args);
	va_end(args);
}

void fail(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (tap_on_fail)
		tap_on_fail(text);
	diag("%s", text);
	_exit(EXIT_FAIL);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, 256, format, args);
	va_end(args);
	_exit(EXIT_SKIP);
}

int tap_fork(void (*run)(void *arg), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		run(arg);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

static int wait_for(int pid)
{
	int st;

	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			fail("waitpid(%d): %s", pid, strerror(errno));
	return st;
}

void tap_join(int pid)
{
	int st = wait_for(pid);

	if (WIFSIGNALED(st))
		fail("process %d died of signal %d (%s)", pid, WTERMSIG(st), strsignal(WTERMSIG(st)));
	if (WEXITSTATUS(st))
		_exit(WEXITSTATUS(st));	/* it has said why */
}

void tap_join_killed(int pid, int signal)
{
	int st = wait_for(pid);

	if (!WIFSIGNALED(st) || WTERMSIG(st) != signal)
		fail("process %d was to die of signal %d, wait status is %#x", pid, signal, st);
}

/* Wait for the test; true when it ended in time. Whatever it left running ends with it. */
static bool finish(pid_t pid, int *st)
{
	struct pollfd p = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool ended;

	ended = poll(&p, 1, tap_seconds * 1000 * tap_patience()) == 1;
	close(p.fd);
	kill(-pid, SIGKILL);
	waitpid(pid, st, 0);
	while (waitpid(-1, NULL, 0) > 0)	/* we are the reaper of its orphans */
		;
	return ended;
}

static bool run_test(const struct tap_test *test, const char *(*after)(void), bool *skipped)
{
	const char *trouble;
	pid_t pid;
	bool ok;
	int st;

	fflush(stdout);
	*skip_reason = 0;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		test->run();
		fflush(stdout);
		_exit(0);
	}
	setpgid(pid, pid);
	if (!finish(pid, &st)) {
		diag("not finished after %d s", tap_seconds * tap_patience());
		ok = false;
	} else if (WIFSIGNALED(st)) {
		diag("died of signal %d (%s)", WTERMSIG(st), strsignal(WTERMSIG(st)));
		ok = false;
	} else {
		*skipped = WEXITSTATUS(st) == EXIT_SKIP;
		ok = *skipped || !WEXITSTATUS(st);
	}
	trouble = after ? after() : NULL;
	if (trouble)
		diag("after the test: %s", trouble);
	return ok && !trouble;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int tap_main(const struct tap_test *tests, size_t n, const char *(*after)(void), int argc, char **argv)
{
	unsigned int plan = 0, number = 0, bad = 0;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < n; i++)
			puts(tests[i].name);
		return 0;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	skip_reason = mmap(NULL, 256, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < n; i++)
		plan += wanted(tests[i].name, argc, argv);
	printf("TAP version 13\n1..%u\n", plan);
	for (size_t i = 0; i < n; i++) {
		long long start = now_ms();
		bool ok, skipped = false;

		if (!wanted(tests[i].name, argc, argv))
			continue;
		ok = run_test(&tests[i], after, &skipped);
		bad += !ok;
		printf("%sok %u - %s%s%s", ok ? "" : "not ", ++number, tests[i].name,
		       skipped ? " # SKIP " : "", skipped ? skip_reason : "");
		if (!skipped)
			printf(" # %lld ms", now_ms() - start);
		putchar('\n');
		fflush(stdout);
	}
	return bad || !plan ? 1 : 0;
}
