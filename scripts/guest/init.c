// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's process 1 under scripts/run: makes the host's root file system the guest's, loads the
 * driver, runs one command with its stdin, stdout and stderr carried over the link, and reports how
 * it ended.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define DRIVER_DIR "/sys/bus/pci/drivers/hmm_gpu"
#define PORT_WAIT_MS 10000
#define DRAIN_MS 10000

/* What the host asked for. */
static struct {
	char **argv, **envp;
	size_t argc, envc;
	char *dir, *module, *params, *release_dir;
	struct link_settings set;
} job;

static int link_fd = -1;

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void write_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return;	/* the host is gone; it will end the machine */
		buf = (const char *)buf + n;
		len -= n;
	}
}

static void send_frame(enum link_type type, const void *payload, uint32_t len)
{
	struct link_head head = { .type = type, .len = len };

	write_all(link_fd, &head, sizeof(head));
	write_all(link_fd, payload, len);
}

static void send_u32(enum link_type type, uint32_t value)
{
	send_frame(type, &value, sizeof(value));
}

/*
 * With a link the host ends the machine when it has read BYE. Powering off here would drop what QEMU has
 * taken from the port and a slow reader of stdout has not taken from QEMU.
 */
static _Noreturn void power_off(void)
{
	sync();
	if (link_fd >= 0)
		send_frame(LINK_BYE, NULL, 0);
	else
		reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The run is void: say why, to the host and on the console. */
static _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "init: %s\n", text);
	if (link_fd >= 0)
		send_frame(LINK_FAILED, text, strlen(text));
	power_off();
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail("cannot write '%s' to %s: %s", text, path, strerror(errno));
	close(fd);
}

static void read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	if (fd >= 0)
		close(fd);
}

/* ---- the link ---- */

/* The port's number depends on probe order, so it is found by name; it appears a moment after boot. */
static bool find_port(char *dev, size_t size)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		char path[300], name[64];

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		read_line(path, name, sizeof(name));
		found = !strcmp(name, LINK_PORT);
		if (found)
			snprintf(dev, size, "/dev/%.64s", e->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

static void open_link(void)
{
	long end = now_ms() + PORT_WAIT_MS;
	char dev[80];

	while (!find_port(dev, sizeof(dev)) || (link_fd = open(dev, O_RDWR | O_CLOEXEC)) < 0) {
		if (now_ms() > end)
			fail("the kernel shows no virtio-serial port '" LINK_PORT "'");
		usleep(2000);
	}
	send_frame(LINK_HELLO, NULL, 0);	/* waits until the host's end is connected */
}

static void read_all(void *buf, size_t len)
{
	while (len) {
		ssize_t n = read(link_fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			fail("the link broke while the job was read");
		buf = (char *)buf + n;
		len -= n;
	}
}

static void push(char ***list, size_t *count, char *item)
{
	*list = realloc(*list, (*count + 2) * sizeof(**list));
	if (!*list)
		fail("out of memory");
	(*list)[(*count)++] = item;
	(*list)[*count] = NULL;
}

static void take_setting(uint32_t type, char *text, uint32_t len)
{
	switch (type) {
	case LINK_ARG:
		push(&job.argv, &job.argc, text);
		break;
	case LINK_ENV:
		push(&job.envp, &job.envc, text);
		break;
	case LINK_DIR:
		job.dir = text;
		break;
	case LINK_MODULE:
		job.module = text;
		break;
	case LINK_PARAMS:
		job.params = text;
		break;
	case LINK_RELEASE_DIR:
		job.release_dir = text;
		break;
	case LINK_SETTINGS:
		if (len == sizeof(job.set))
			memcpy(&job.set, text, len);
		break;
	default:
		fail("frame %u is not one that starts a job", type);
	}
}

static void read_job(void)
{
	struct link_head head;

	for (read_all(&head, sizeof(head)); head.type != LINK_GO; read_all(&head, sizeof(head))) {
		char *text;

		if (head.len > LINK_MAX_PAYLOAD)
			fail("a frame of %u bytes is too long", head.len);
		text = malloc(head.len + 1);
		if (!text)
			fail("out of memory");
		read_all(text, head.len);
		text[head.len] = 0;
		take_setting(head.type, text, head.len);
	}
	if (!job.argc || !job.dir)
		fail("the host sent no command or no directory");
}

/* ---- the machine ---- */

/* Below /run and /dev/shm the caller's directory has no parents in the guest. */
static void make_parents(const char *path)
{
	char *copy = strdup(path);

	for (char *s = copy + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = 0;
		mkdir(copy, 0755);
	}
	free(copy);
}

static void do_mount(const char *what, const char *where, const char *type,
		     unsigned long flags, const char *options)
{
	mkdir(where, 0755);
	if (mount(what, where, type, flags, options))
		fail("cannot mount %s on %s (%s): %s", type, where, options ? options : "",
		     strerror(errno));
}

/* Needed before the link; /dev itself may have been mounted by the kernel already. */
static void mount_early(void)
{
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		fail("cannot mount /dev: %s", strerror(errno));
	do_mount("proc", "/proc", "proc", 0, NULL);
	do_mount("sys", "/sys", "sysfs", 0, NULL);
}

#define P9_OPTIONS "trans=virtio,version=9p2000.L,msize=512000"

/* The host's root, read-only, with a tmpfs for what the guest changes. */
static void enter_root(void)
{
	static const char *const keep[] = { "/dev", "/proc", "/sys" };

	do_mount("root", "/ro", "9p", MS_RDONLY, P9_OPTIONS ",cache=loose");
	do_mount("rw", "/rw", "tmpfs", 0, "size=75%");
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	do_mount("root", "/new", "overlay", 0, "lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work");
	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
		char to[16];

		snprintf(to, sizeof(to), "/new%s", keep[i]);
		mkdir(to, 0755);
		if (mount(keep[i], to, NULL, MS_MOVE, NULL))
			fail("cannot move %s: %s", keep[i], strerror(errno));
	}
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("cannot enter the host's root: %s", strerror(errno));
}

static void mount_rest(void)
{
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	do_mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666");
	do_mount("shm", "/dev/shm", "tmpfs", 0, NULL);
	do_mount("run", "/run", "tmpfs", 0, NULL);
	do_mount("debug", "/sys/kernel/debug", "debugfs", 0, NULL);
	do_mount("trace", "/sys/kernel/tracing", "tracefs", 0, NULL);
	do_mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	if (symlink("/proc/self/fd", "/dev/fd") && errno != EEXIST)
		fail("cannot make /dev/fd: %s", strerror(errno));
	/* After /run: the directory may be below it. Without cache=mmap there is no shared mapping. */
	if (job.set.share_dir) {
		make_parents(job.dir);
		do_mount("cwd", job.dir, "9p", 0, P9_OPTIONS ",cache=mmap");
	}
}

static void link_modules(void)
{
	struct utsname u;
	char path[512];

	if (!job.release_dir || uname(&u))
		return;
	mkdir("/lib/modules", 0755);
	snprintf(path, sizeof(path), "/lib/modules/%s", u.release);
	if (symlink(job.release_dir, path) && errno != EEXIST)
		fail("cannot make %s: %s", path, strerror(errno));
}

/* mkswap and swapon on a zram device. The header is Linux's: version and last page at 1024, a magic
 * word at the page's end. */
static void start_swap(void)
{
	char size[32];
	struct { uint32_t version, last_page, bad_pages; } info = {
		.version = 1, .last_page = job.set.swap_mib * 256 - 1,
	};
	int fd;

	snprintf(size, sizeof(size), "%uM", job.set.swap_mib);
	write_file("/sys/block/zram0/disksize", size);
	fd = open("/dev/zram0", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, &info, sizeof(info), 1024) != sizeof(info) ||
	    pwrite(fd, "SWAPSPACE2", 10, 4086) != 10 || fsync(fd))
		fail("cannot write the swap header: %s", strerror(errno));
	close(fd);
	if (swapon("/dev/zram0", 0))
		fail("cannot swap on zram: %s", strerror(errno));
}

static unsigned int bound_gpus(void)
{
	DIR *d = opendir(DRIVER_DIR);
	struct dirent *e;
	unsigned int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9' && strchr(e->d_name, ':');
	if (d)
		closedir(d);
	return n;
}

static void load_driver(void)
{
	int fd;

	if (!job.module)
		return;
	fd = open(job.module, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open the driver %s: %s", job.module, strerror(errno));
	if (syscall(SYS_finit_module, fd, job.params ? job.params : "", 0))
		fail("the driver %s does not load (parameters '%s'): %s", job.module,
		     job.params ? job.params : "", strerror(errno));
	close(fd);
	if (bound_gpus() != job.set.gpus)
		fail("the driver took %u of %u GPUs", bound_gpus(), job.set.gpus);
}

/* ---- the command ---- */

static struct {
	pid_t pid;
	int in, out, err;	/* our ends; -1 when closed */
	bool exited, in_ended;
	uint32_t status;
	char in_buf[LINK_STDIN_WINDOW];
	size_t in_len;		/* bytes that the command has not taken yet */
} cmd = { .in = -1, .out = -1, .err = -1 };

static _Noreturn void exec_command(int in, int out, int err)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	environ = job.envp;
	if (chdir(job.dir)) {
		fprintf(stderr, "scripts/run: cannot enter %s in the guest: %s\n", job.dir, strerror(errno));
		_exit(126);
	}
	execvp(job.argv[0], job.argv);
	fprintf(stderr, "scripts/run: cannot run '%s' in the guest: %s\n", job.argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void start_command(void)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		fail("no pipes: %s", strerror(errno));
	cmd.pid = fork();
	if (cmd.pid < 0)
		fail("cannot fork: %s", strerror(errno));
	if (!cmd.pid)
		exec_command(in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	cmd.in = in[1];
	cmd.out = out[0];
	cmd.err = err[0];
	fcntl(cmd.in, F_SETFL, O_NONBLOCK);
	send_frame(LINK_STARTED, NULL, 0);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Hand buffered stdin to the command. A command that closed its stdin takes everything, unread. */
static void feed_stdin(void)
{
	ssize_t n = cmd.in_len;

	if (cmd.in_len && cmd.in >= 0) {
		n = write(cmd.in, cmd.in_buf, cmd.in_len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			close_fd(&cmd.in);
			n = cmd.in_len;
		}
	}
	if (n > 0) {
		cmd.in_len -= n;
		memmove(cmd.in_buf, cmd.in_buf + n, cmd.in_len);
		send_u32(LINK_STDIN_TAKEN, n);
	}
	if (cmd.in_ended && !cmd.in_len)
		close_fd(&cmd.in);
}

static void take_frame(void)
{
	struct link_head head;

	read_all(&head, sizeof(head));
	switch (head.type) {
	case LINK_STDIN:
		if (head.len > sizeof(cmd.in_buf) - cmd.in_len)
			fail("the host sent more stdin than its window allows");
		read_all(cmd.in_buf + cmd.in_len, head.len);
		cmd.in_len += head.len;
		break;
	case LINK_STDIN_END:
		cmd.in_ended = true;
		break;
	case LINK_DUMP:
		write_file("/proc/sys/kernel/printk", "7");
		write_file("/proc/sysrq-trigger", "w");
		write_file("/proc/sysrq-trigger", "l");
		break;
	default:
		fail("unexpected frame %u from the host", head.type);
	}
	feed_stdin();
}

static void pass_output(int *fd, enum link_type type)
{
	static char buf[32 << 10];	/* the driver's limit for one write to a port */
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0)
		send_frame(type, buf, n);
	else if (n == 0 || errno != EINTR)
		close_fd(fd);
}

/* Orphans are ours to reap; the command's own end is what everybody waits for. */
static void reap(void)
{
	pid_t pid;
	int st;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		if (pid != cmd.pid)
			continue;
		cmd.exited = true;
		cmd.status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	}
}

static void serve_once(int sig_fd, int timeout_ms)
{
	struct pollfd p[] = {
		{ .fd = link_fd, .events = POLLIN },
		{ .fd = sig_fd, .events = POLLIN },
		{ .fd = cmd.out, .events = POLLIN },
		{ .fd = cmd.err, .events = POLLIN },
		{ .fd = cmd.in_len ? cmd.in : -1, .events = POLLOUT },
	};
	struct signalfd_siginfo info;

	if (poll(p, sizeof(p) / sizeof(p[0]), timeout_ms) < 0)
		return;
	if (p[0].revents & POLLIN)
		take_frame();
	if (p[1].revents && read(sig_fd, &info, sizeof(info)) > 0)
		reap();
	if (p[2].revents)
		pass_output(&cmd.out, LINK_STDOUT);
	if (p[3].revents)
		pass_output(&cmd.err, LINK_STDERR);
	if (p[4].revents)
		feed_stdin();
}

static void serve(int sig_fd)
{
	long beat = 0;

	while (!cmd.exited) {
		if (now_ms() - beat >= 1000) {
			beat = now_ms();
			send_frame(LINK_ALIVE, NULL, 0);
		}
		serve_once(sig_fd, 1000);
	}
}

/* A task that SIGKILL does not end keeps a pipe open, or is a child that cannot be reaped. */
static void name_survivor(char *buf, size_t size)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	snprintf(buf, size, "unknown");
	while (d && (e = readdir(d))) {
		char path[300], line[256];
		int pid = atoi(e->d_name);

		if (pid <= 1)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
		read_line(path, line, sizeof(line));
		if (line[0])	/* kernel threads have none */
			snprintf(buf, size, "%d (%.200s)", pid, line);
	}
	if (d)
		closedir(d);
}

/* The command has ended: what it left running ends too, and the last output goes out. */
static void finish_processes(int sig_fd)
{
	long end = now_ms() + DRAIN_MS;
	char who[256];

	kill(-1, SIGKILL);
	while (cmd.out >= 0 || cmd.err >= 0 || waitpid(-1, NULL, WNOHANG) >= 0) {
		if (now_ms() > end) {
			write_file("/proc/sysrq-trigger", "w");
			name_survivor(who, sizeof(who));
			fail("a process cannot be killed: %s; see the console for where it hangs", who);
		}
		serve_once(sig_fd, 20);
	}
}

/* Twice: an object is reported when a second scan finds it unreferenced too. */
static void scan_kmemleak(void)
{
	char buf[4096];
	ssize_t n;
	int fd;

	if (!job.set.kmemleak || access("/sys/kernel/debug/kmemleak", F_OK))
		return;
	write_file("/sys/kernel/debug/kmemleak", "scan");
	write_file("/sys/kernel/debug/kmemleak", "scan");
	fd = open("/sys/kernel/debug/kmemleak", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		write_all(2, buf, n);
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	sigset_t chld;
	int sig_fd;

	mount_early();
	if (getenv("hgpu_probe")) {	/* only to see whether this accelerator boots at all */
		puts("hmm-gpu: probe: the guest runs");
		reboot(RB_POWER_OFF);
	}
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	signal(SIGPIPE, SIG_IGN);
	sig_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);

	open_link();
	read_job();
	enter_root();
	mount_rest();
	link_modules();
	if (job.set.swap_mib)
		start_swap();
	load_driver();

	start_command();
	serve(sig_fd);
	finish_processes(sig_fd);
	scan_kmemleak();
	if (job.module && !job.set.may_lose_driver && bound_gpus() != job.set.gpus)
		fail("after the command the driver has %u of %u GPUs", bound_gpus(), job.set.gpus);
	send_u32(LINK_EXIT, cmd.status);
	power_off();
}
