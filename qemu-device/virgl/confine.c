/*
 * What the renderer process gives up before it reads its first stream.
 *
 * The renderer compiles programs that come from the guest to machine code and
 * runs them; errors in it must be taken for exploitable. All that it needs
 * from then on is memory, its threads and its one socket.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ALLOW(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), \
    RETURN(SECCOMP_RET_ALLOW)

/* What a GPU of the host takes besides */
#define ALLOW_GPU(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), \
    RETURN(software ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW)

static bool filter_calls(bool software)
{
    struct sock_filter code[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        ALLOW(sendto), ALLOW(recvfrom), ALLOW(futex), ALLOW(brk),
        ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(mprotect),
        ALLOW(madvise), ALLOW(getpid), ALLOW(gettid), ALLOW(tgkill),
        ALLOW(read), ALLOW(write), ALLOW(close), ALLOW(lseek),
        ALLOW(rt_sigprocmask), ALLOW(rt_sigaction), ALLOW(rt_sigreturn),
        ALLOW(clock_gettime), ALLOW(clock_nanosleep), ALLOW(nanosleep),
        ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(sysinfo),
        ALLOW(set_robust_list), ALLOW(rseq), ALLOW(exit), ALLOW(exit_group),
        ALLOW(restart_syscall), ALLOW(newfstatat), ALLOW(prctl),
        ALLOW_GPU(ioctl), ALLOW_GPU(ppoll), ALLOW_GPU(fcntl),
#ifdef __NR_poll
        ALLOW_GPU(poll),
#endif
        RETURN(SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

    /* every thread: the rasteriser's workers run the guest's code */
    return !syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
                    SECCOMP_FILTER_FLAG_TSYNC, &prog);
}

static uint64_t mapped_now(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f && fscanf(f, "%lu", &pages) != 1) {
        pages = 0;
    }
    if (f) {
        fclose(f);
    }
    return (uint64_t)pages * sysconf(_SC_PAGESIZE);
}

const char *hgpu_confine(bool software, uint64_t memory)
{
    uint64_t now = mapped_now();
    struct rlimit none = { 0, 0 };
    struct rlimit space = { now + memory, now + memory };

    if (!now || setrlimit(RLIMIT_AS, &space)) {
        return "its memory cannot be limited";
    }
    if (setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_FSIZE, &none) ||
        prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        return "its rights cannot be limited";
    }
    return filter_calls(software) ? NULL : "its system calls cannot be limited";
}
