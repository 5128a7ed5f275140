// SPDX-License-Identifier: GPL-2.0-or-later
#include "show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "tap.h"

enum { WIDTH = 34 };

const char *dim = "", *plain = "";
static const char *bold = "", *green = "", *red = "";

static void use_colour(void)
{
	bold = "\033[1m";
	dim = "\033[2m";
	green = "\033[32m";
	red = "\033[31m";
	plain = "\033[0m";
}

static void on_fail(const char *text)
{
	give_up("%s", text);
}

void show_init(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--color"))
			use_colour();
	tap_on_fail = on_fail;
}

void show_title(const char *text)
{
	printf("%s%s%s\n", bold, text, plain);
}

void step(int n, const char *format, ...)
{
	va_list args;

	printf("\n%s%d  ", bold, n);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s\n", plain);
	fflush(stdout);
}

void line(const char *label, const char *format, ...)
{
	int dots = WIDTH - (int)strlen(label);
	va_list args;

	printf("   %s %s", label, dim);
	for (int i = 0; i < dots; i++)
		putchar('.');
	printf("%s ", plain);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* 1234567 as "1 234 567", right-aligned. */
const char *count(uint64_t v)
{
	static char buf[4][32];
	static int turn;
	char digits[24], *out = buf[turn = (turn + 1) % 4];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v), len = n + (n - 1) / 3, o = 0;

	while (o < 11 - len)
		out[o++] = ' ';
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out[o++] = ' ';
		out[o++] = digits[i];
	}
	out[o] = 0;
	return out;
}

void give_up(const char *format, ...)
{
	va_list args;

	printf("\n%sdemo: FAIL: ", red);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s\n", plain);
	fflush(stdout);
	_exit(1);
}

void show_where(const void *at, size_t bytes)
{
	struct where w = where_is(at, bytes);

	line("pages in RAM / in VRAM", "%s /%s   %s/proc/self/pagemap%s", count(w.present), count(w.device), dim, plain);
	demand(!w.foreign, "%zu pages are in a device that is not ours", w.foreign);
}

int show_pass(void)
{
	printf("\n%sdemo: PASS%s\n", green, plain);
	return 0;
}
