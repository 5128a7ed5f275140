/*
 * hmm-gpu fuzzing: fuzz-virgl SECONDS SEED
 *
 * A child takes one seed after the other until it dies; the parent notes which
 * that was, and another child goes on. Hanging is allowed, the device's
 * deadline is there for it; any other death is not. TAP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sanitizer/common_interface_defs.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define HANG_S          20u
#define DEATHS_MAX      5u
#define NO_RENDERER     77

const char *__asan_default_options(void);

/* The libraries are not ours to be without leaks. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0:allocator_may_return_null=1:exitcode=99:"
           "max_free_fill_size=4096";
}

/* The libraries talk a lot of broken streams; AddressSanitizer does not. */
static void quiet(void)
{
    if (getenv("HGPU_FUZZ_NOISY")) {
        return;
    }
    __sanitizer_set_report_fd((void *)(intptr_t)dup(STDERR_FILENO));
    if (!freopen("/dev/null", "w", stdout) ||
        !freopen("/dev/null", "w", stderr)) {
        _exit(1);
    }
}

static void child(struct fuzz_counts *counts, uint32_t end, bool checked,
                  time_t until)
{
    const char *missing;

    setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
    quiet();
    missing = fuzz_renderer_open();
    if (missing) {
        _exit(NO_RENDERER);
    }
    for (; counts->next != end && time(NULL) < until; counts->next++) {
        alarm(HANG_S);
        chance_seed(counts->next);
        fuzz_guest(counts, checked);
    }
    _exit(0);
}

static void say_counts(const struct fuzz_counts *c, uint32_t first,
                       uint32_t hung)
{
    printf("# seeds %u to %u: %u streams ran, %u hung; %u faults, %u jobs "
           "aborted; jobs by status:", first, c->next, c->ran, hung,
           c->faults, c->aborts);
    for (uint32_t i = 0; i < HGPU_VIRGL_STATUS_COUNT; i++) {
        printf(" %u:%u", i, c->job[i]);
    }
    printf("\n");
}

/* Returns whether nobody died; *@skip: there is no renderer here. */
static bool fuzz(struct fuzz_counts *counts, bool checked, uint32_t seed,
                 uint32_t count, time_t until, bool *skip)
{
    uint32_t died = 0, hung = 0;
    int status = -1;

    memset(counts, 0, sizeof(*counts));
    counts->next = seed;
    while (status && died < DEATHS_MAX) {
        fflush(stdout);
        if (fork() == 0) {
            child(counts, seed + count, checked, until);
        }
        wait(&status);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_RENDERER) {
            *skip = true;
            return true;
        }
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
            hung++;
            counts->next++;
        } else if (status) {
            died++;
            printf("# seed %u: status 0x%x; again: fuzz-virgl %s %u\n",
                   counts->next, status, checked ? "checked" : "raw",
                   counts->next);
            counts->next++;
        }
    }
    say_counts(counts, seed, hung);
    return !died;
}

static int fuzz_one(struct fuzz_counts *counts, const char *mode,
                    uint32_t seed)
{
    bool skip = false;

    return !fuzz(counts, !strcmp(mode, "checked"), seed, 1,
                 time(NULL) + HANG_S, &skip) || skip;
}

static void say(int n, bool ok, bool skip, const char *what)
{
    printf("%s %d - %s%s\n", ok ? "ok" : "not ok", n, what,
           skip ? " # SKIP the renderer does not start, see "
                  "hmm-gpu-virgl --probe" : "");
}

int main(int argc, char **argv)
{
    struct fuzz_counts *counts = mmap(NULL, sizeof(*counts),
                                      PROT_READ | PROT_WRITE, MAP_SHARED |
                                      MAP_ANONYMOUS, -1, 0);
    bool skip = false, ok;
    uint32_t seconds, seed;

    if (argc != 3 || counts == MAP_FAILED) {
        fprintf(stderr, "usage: fuzz-virgl SECONDS SEED | raw SEED | "
                "checked SEED\n");
        return 2;
    }
    seed = strtoul(argv[2], NULL, 0);
    seconds = strtoul(argv[1], NULL, 0);
    if (!seconds) {
        return fuzz_one(counts, argv[1], seed);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("TAP version 13\n1..2\n");
    ok = fuzz(counts, false, seed, ~0u, time(NULL) + seconds / 2, &skip);
    /* A fuzzer that reaches nothing finds nothing. */
    ok = ok && (skip || (counts->ran && counts->faults &&
                         counts->job[HGPU_VIRGL_BAD_STREAM]));
    say(1, ok, skip, "mutated streams and jobs hurt neither device nor "
        "renderer");
    ok = fuzz(counts, true, seed, ~0u, time(NULL) + seconds / 2, &skip);
    ok = ok && (skip || counts->ran);
    say(2, ok, skip, "nor do streams of which the check sees nothing");
    return 0;
}
