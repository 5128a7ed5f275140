// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scripts/run's half on the host: starts QEMU, sends the job to the guest's init, passes the command's
 * stdin, stdout and stderr, watches the console, and ends with the command's exit status - or with
 * 125 and the reason when the guest did not stay healthy, or 124 when the command took too long.
 *
 * usage: relay [OPTIONS] NARGS CMD [ARG ...] QEMU [QEMU-ARG ...]      (NARGS: number of words of CMD)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define EXIT_TIMEOUT 124
#define EXIT_VOID 125
#define TAIL_LINES 40
#define MAX_REPORTS 8
#define REPORT_LINES 60		/* of the console, from a report's first line on */
#define OFF_MS 20000		/* from BYE, or from the decision to stop, to QEMU's end */
#define DUMP_MS 5000		/* how long a guest has to write its state to the console */

/*
 * What the kernel prints when something is wrong with it. The text after the time stamp is matched, so
 * that a command which writes such words to its own stdout does not count.
 */
static const char report_pattern[] =
	"^(WARNING: |BUG: |kernel BUG at |Oops|Kernel panic|general protection fault|"
	"Unable to handle |refcount_t: |list_(add|del) corruption|UBSAN: |"
	"INFO: task .* blocked |INFO: possible |INFO: trying to register non-static key|"
	"rcu: INFO: |watchdog: BUG|DEBUG_LOCKS_WARN_ON|ODEBUG: |"
	"kmemleak: [0-9]+ new suspected|DMAR: \\[|DMAR: DRHD: handling fault|"
	"Out of memory: Killed process 1 )|trying to unregister non-static key";

static struct {
	long timeout_s, patience_s;	/* 0: no limit */
	const char *console_path;
	bool check_log, verbose;
	const char *dir, *module, *params, *release_dir;
	struct link_settings set;
	char **cmd, **qemu;
	int ncmd;
} opt = { .patience_s = 180, .check_log = true };

static struct {
	char *text;
	size_t len, cap, line;	/* `line`: where the unfinished last line starts */
	size_t reports[MAX_REPORTS];
	int nreports;
	int fd, file;
	regex_t report;
} con = { .fd = -1, .file = -1 };

static struct {
	char *text;
	size_t len;
	int fd;
} qemu_err = { .fd = -1 };

static struct {
	int link, sig;
	pid_t qemu;
	bool hello, started, exited, bye, in_open, dumped;
	uint32_t status, in_flight;
	char failed[1024];
	long start, cmd_start, last_sign;
} run = { .link = -1, .sig = -1 };

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
	va_list ap;

	fputs("scripts/run: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static _Noreturn void die(const char *what)
{
	note("%s: %s", what, strerror(errno));
	exit(EXIT_VOID);
}

/* False when the other side is gone. */
static bool write_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EAGAIN) {	/* a caller's stdout may be non-blocking */
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		buf = (const char *)buf + n;
		len -= n;
	}
	return true;
}

/* ---- the console ---- */

/* The line without a "[   12.345678]" or "[   12.345678][  T123]" before it. */
static const char *skip_stamp(const char *s)
{
	while (*s == '[') {
		const char *end = strchr(s, ']');

		if (!end || strspn(s + 1, " 0123456789.TC") != (size_t)(end - s - 1))
			break;
		s = end + 1;
		s += strspn(s, " ");
	}
	return s;
}

static void check_line(size_t at)
{
	if (con.nreports < MAX_REPORTS &&
	    !regexec(&con.report, skip_stamp(con.text + at), 0, NULL, 0))
		con.reports[con.nreports++] = at;
}

static void console_add(const char *buf, size_t n)
{
	char *nl;

	if (con.file >= 0 && !write_all(con.file, buf, n))
		die(opt.console_path);
	if (con.len + n + 1 > con.cap) {
		con.cap = 2 * (con.len + n + 1);
		con.text = realloc(con.text, con.cap);
		if (!con.text)
			die("the console's text");
	}
	for (size_t i = 0; i < n; i++)
		if (buf[i] && buf[i] != '\r')
			con.text[con.len++] = buf[i];
	con.text[con.len] = 0;
	while ((nl = strchr(con.text + con.line, '\n'))) {
		*nl = 0;
		check_line(con.line);
		*nl = '\n';
		con.line = nl + 1 - con.text;
	}
}

/* At most `lines` lines of the console from `at` on. */
static void print_console(size_t at, int lines)
{
	while (lines-- > 0 && at < con.len) {
		size_t n = strcspn(con.text + at, "\n");

		fprintf(stderr, "  | %.*s\n", (int)n, con.text + at);
		at += n + 1;
	}
}

static void print_tail(void)
{
	size_t at = con.len;

	for (int lines = 0; at > 0 && lines <= TAIL_LINES; at--)
		lines += con.text[at - 1] == '\n';
	if (con.len) {
		note("the last lines of the guest's console:");
		print_console(at ? at + 1 : 0, TAIL_LINES);
	}
	if (qemu_err.len && !opt.verbose)
		note("QEMU said:\n%.*s", (int)qemu_err.len, qemu_err.text);
}

static void print_reports(void)
{
	for (int i = 0; i < con.nreports; i++) {
		size_t next = i + 1 < con.nreports ? con.reports[i + 1] : con.len;
		int lines = 0;

		for (size_t at = con.reports[i]; at < next && lines < REPORT_LINES; at++)
			lines += con.text[at] == '\n';
		print_console(con.reports[i], lines);
	}
}

/* ---- QEMU ---- */

static void start_qemu(int link_fd, int con_fd, int err_fd, int nqemu)
{
	char link_arg[64], con_arg[64], **argv = calloc(nqemu + 16, sizeof(*argv));
	pid_t parent = getpid();
	int n = 0;

	if (!argv)
		die("QEMU's arguments");
	for (; n < nqemu; n++)
		argv[n] = opt.qemu[n];
	snprintf(link_arg, sizeof(link_arg), "socket,id=hgpu-link,fd=%d", link_fd);
	snprintf(con_arg, sizeof(con_arg), "socket,id=hgpu-console,fd=%d", con_fd);
	char *tail[] = {
		"-chardev", link_arg, "-device", "virtserialport,bus=hgpu-serial.0,chardev=hgpu-link,name=" LINK_PORT,
		"-chardev", con_arg, "-serial", "chardev:hgpu-console", NULL,
	};
	memcpy(argv + n, tail, sizeof(tail));

	run.qemu = fork();
	if (run.qemu < 0)
		die("fork");
	if (run.qemu)
		return;
	/* A group of its own: Ctrl-C is for relay to act on. It dies with relay all the same. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_VOID);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	fcntl(link_fd, F_SETFD, 0);
	fcntl(con_fd, F_SETFD, 0);
	dup2(open("/dev/null", O_RDWR), 0);
	dup2(err_fd, 1);
	dup2(err_fd, 2);
	execvp(argv[0], argv);
	dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(EXIT_VOID);
}

static void launch(int nqemu)
{
	int link[2], console[2], err[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) || pipe2(err, O_CLOEXEC))
		die("sockets for QEMU");
	start_qemu(link[1], console[1], err[1], nqemu);
	close(link[1]);
	close(console[1]);
	close(err[1]);
	run.link = link[0];
	con.fd = console[0];
	qemu_err.fd = err[0];
}

/* ---- the link ---- */

static void send_frame(enum link_type type, const void *payload, uint32_t len)
{
	struct link_head head = { .type = type, .len = len };

	/* A guest that died is noticed where its frames are read. */
	if (write_all(run.link, &head, sizeof(head)))
		write_all(run.link, payload, len);
}

static void send_text(enum link_type type, const char *text)
{
	if (text)
		send_frame(type, text, strlen(text));
}

static void send_job(void)
{
	for (int i = 0; i < opt.ncmd; i++)
		send_text(LINK_ARG, opt.cmd[i]);
	for (char **e = environ; *e; e++)
		send_text(LINK_ENV, *e);
	send_text(LINK_DIR, opt.dir);
	send_text(LINK_MODULE, opt.module);
	send_text(LINK_PARAMS, opt.params);
	send_text(LINK_RELEASE_DIR, opt.release_dir);
	send_frame(LINK_SETTINGS, &opt.set, sizeof(opt.set));
	send_frame(LINK_GO, NULL, 0);
}

static bool read_all(void *buf, size_t len)
{
	while (len) {
		ssize_t n = read(run.link, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf = (char *)buf + n;
		len -= n;
	}
	return true;
}

/* The caller closed its end of stdout: end as a local command would. */
static _Noreturn void end_by(int sig)
{
	kill(run.qemu, SIGKILL);
	waitpid(run.qemu, NULL, 0);
	exit(128 + sig);
}

static void pass_output(int fd, const char *buf, size_t len)
{
	if (!write_all(fd, buf, len)) {
		if (errno == EPIPE)
			end_by(SIGPIPE);
		die(fd == 1 ? "stdout" : "stderr");
	}
}

static bool take_frame(void)
{
	static char buf[LINK_MAX_PAYLOAD + 1];
	struct link_head head;
	uint32_t value = 0;

	if (!read_all(&head, sizeof(head)) || head.len > LINK_MAX_PAYLOAD || !read_all(buf, head.len))
		return false;
	buf[head.len] = 0;
	if (head.len == sizeof(value))
		memcpy(&value, buf, sizeof(value));
	switch (head.type) {
	case LINK_HELLO:
		run.hello = true;
		send_job();
		break;
	case LINK_STARTED:
		run.started = true;
		run.cmd_start = now_ms();
		if (opt.verbose)
			note("the command starts after %.1f s", (run.cmd_start - run.start) / 1000.0);
		break;
	case LINK_ALIVE:
		break;
	case LINK_STDOUT:
		pass_output(1, buf, head.len);
		break;
	case LINK_STDERR:
		pass_output(2, buf, head.len);
		break;
	case LINK_STDIN_TAKEN:
		run.in_flight -= value;
		break;
	case LINK_EXIT:
		run.exited = true;
		run.status = value;
		break;
	case LINK_FAILED:
		snprintf(run.failed, sizeof(run.failed), "%.1000s", buf);
		break;
	case LINK_BYE:
		run.bye = true;
		break;
	default:
		note("unexpected frame %u from the guest", head.type);
		return false;
	}
	/* After the write above, which may have waited long for the caller. */
	run.last_sign = now_ms();
	return true;
}

static void pass_stdin(void)
{
	char buf[16 << 10];
	size_t room = LINK_STDIN_WINDOW - run.in_flight;
	ssize_t n = read(0, buf, room < sizeof(buf) ? room : sizeof(buf));

	if (n > 0) {
		send_frame(LINK_STDIN, buf, n);
		run.in_flight += n;
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		send_frame(LINK_STDIN_END, NULL, 0);
		run.in_open = false;
	}
}

/* ---- the run ---- */

static void drain_fd(int *fd, void (*take)(const char *, size_t))
{
	char buf[16 << 10];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0) {
		take(buf, n);
	} else if (n == 0 || errno != EINTR) {
		close(*fd);
		*fd = -1;
	}
}

static void qemu_err_add(const char *buf, size_t n)
{
	if (opt.verbose && !run.bye)	/* then it says only that we ended it */
		write_all(2, buf, n);
	qemu_err.text = realloc(qemu_err.text, qemu_err.len + n);
	if (!qemu_err.text)
		die("QEMU's messages");
	memcpy(qemu_err.text + qemu_err.len, buf, n);
	qemu_err.len += n;
}

static void take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(run.sig, &info, sizeof(info)) != sizeof(info))
		return;
	end_by(info.ssi_signo);
}

static void serve_once(int timeout_ms)
{
	bool want_stdin = run.in_open && run.started && run.in_flight < LINK_STDIN_WINDOW;
	struct pollfd p[] = {
		{ .fd = run.link, .events = POLLIN },
		{ .fd = con.fd, .events = POLLIN },
		{ .fd = qemu_err.fd, .events = POLLIN },
		{ .fd = run.sig, .events = POLLIN },
		{ .fd = want_stdin ? 0 : -1, .events = POLLIN },
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), timeout_ms) <= 0)
		return;
	if (p[3].revents)
		take_signal();
	if (p[1].revents)
		drain_fd(&con.fd, console_add);
	if (p[2].revents)
		drain_fd(&qemu_err.fd, qemu_err_add);
	if (p[4].revents)
		pass_stdin();
	if (p[0].revents && !take_frame()) {
		close(run.link);
		run.link = -1;
	}
}

/* Serve until QEMU has closed the console and its stderr, that is until it has ended. */
static void serve_to_end(long limit_ms)
{
	long end = now_ms() + limit_ms;

	while ((con.fd >= 0 || qemu_err.fd >= 0) && now_ms() < end)
		serve_once(end - now_ms());
}

/* Give the guest a moment to print what its tasks are doing, then take the machine away. */
static void stop_guest(void)
{
	if (run.started) {
		send_frame(LINK_DUMP, NULL, 0);
		serve_to_end(DUMP_MS);
	}
	kill(run.qemu, SIGKILL);
	serve_to_end(OFF_MS);
}

/* Which limit has passed, NULL if none. `*wait`: ms to the nearest. */
static const char *passed_limit(long *wait)
{
	const long now = now_ms();
	const struct { long end; bool on; const char *text; } limits[] = {
		{ run.start + opt.patience_s * 1000, opt.patience_s && !run.started, "the guest did not get to the command" },
		{ run.cmd_start + opt.timeout_s * 1000, opt.timeout_s && run.started, "timeout" },
		{ run.last_sign + opt.patience_s * 1000, opt.patience_s && run.started, "the guest gives no sign of life" },
	};

	*wait = 1000000;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (!limits[i].on)
			continue;
		if (now >= limits[i].end)
			return limits[i].text;
		if (limits[i].end - now < *wait)
			*wait = limits[i].end - now;
	}
	return NULL;
}

static int verdict_void(const char *why)
{
	note("%s", why);
	if (con.nreports)
		print_reports();
	else
		print_tail();
	return EXIT_VOID;
}

static int verdict(void)
{
	if (run.failed[0])
		return verdict_void(run.failed);
	if (!run.exited)
		return verdict_void(run.started ? "the guest ended before the command did"
			: run.hello ? "the guest ended before the command started"
			: con.len ? "the guest ended while it booted" : "QEMU did not start the guest");
	if (con.nreports && opt.check_log) {
		note("the command ended with status %u, but the guest's kernel reports trouble:", run.status);
		print_reports();
		return EXIT_VOID;
	}
	return run.status;
}

static int serve(void)
{
	const char *limit;
	long wait;

	run.start = run.last_sign = now_ms();
	while (run.link >= 0 && !run.bye) {
		limit = passed_limit(&wait);
		if (limit && !strcmp(limit, "timeout")) {
			stop_guest();
			note("the command did not end within %ld s", opt.timeout_s);
			con.nreports ? print_reports() : print_tail();
			return EXIT_TIMEOUT;
		}
		if (limit) {
			stop_guest();
			return verdict_void(limit);
		}
		serve_once(wait);
	}
	/* Nothing is lost by not waiting for the guest's own power-off: all is synced, the console is drained. */
	if (run.bye)
		kill(run.qemu, SIGTERM);
	serve_to_end(OFF_MS);
	return verdict();
}

static void watch_signals(void)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		sigaddset(&set, sigs[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	run.sig = signalfd(-1, &set, SFD_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
}

static int parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+t:b:c:Ld:m:p:r:g:s:kDSv")) >= 0) {
		switch (c) {
		case 't': opt.timeout_s = atol(optarg); break;
		case 'b': opt.patience_s = atol(optarg); break;
		case 'c': opt.console_path = optarg; break;
		case 'L': opt.check_log = false; break;
		case 'd': opt.dir = optarg; break;
		case 'm': opt.module = optarg; break;
		case 'p': opt.params = optarg; break;
		case 'r': opt.release_dir = optarg; break;
		case 'g': opt.set.gpus = atoi(optarg); break;
		case 's': opt.set.swap_mib = atoi(optarg); break;
		case 'k': opt.set.kmemleak = 1; break;
		case 'D': opt.set.may_lose_driver = 1; break;
		case 'S': opt.set.share_dir = 1; break;
		case 'v': opt.verbose = true; break;
		default: exit(EXIT_VOID);
		}
	}
	opt.ncmd = optind < argc ? atoi(argv[optind++]) : 0;
	if (opt.ncmd < 1 || argc - optind <= opt.ncmd) {
		note("relay: no command or no QEMU; use scripts/run");
		exit(EXIT_VOID);
	}
	opt.cmd = argv + optind;
	opt.qemu = opt.cmd + opt.ncmd;
	return argc - optind - opt.ncmd;
}

int main(int argc, char **argv)
{
	int nqemu, status;

	/* A closed stdin, stdout or stderr must not become one of our sockets. */
	while ((status = open("/dev/null", O_RDWR | O_CLOEXEC)) <= 2)
		if (status < 0)
			die("/dev/null");
	close(status);
	nqemu = parse(argc, argv);

	if (regcomp(&con.report, report_pattern, REG_EXTENDED | REG_NOSUB))
		die("the pattern of kernel reports");
	if (opt.console_path) {
		con.file = open(opt.console_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (con.file < 0)
			die(opt.console_path);
	}
	run.in_open = true;
	watch_signals();
	launch(nqemu);
	status = serve();
	kill(run.qemu, SIGKILL);
	waitpid(run.qemu, NULL, 0);
	return status;
}
