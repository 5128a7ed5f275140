/*
 * hmm-gpu-virgl: the renderer process of one context of the virgl engine
 *
 * Started by the device with its socket and staging memory; ends when the
 * socket closes. By hand it is of use for --probe only.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "render.h"

/* Address space beyond what is mapped when the start is done (SPEC 11.5) */
#define MEMORY (UINT64_C(2) << 30)

static const char help[] =
    "usage: hmm-gpu-virgl --probe | --serve | --help\n"
    "\n"
    "Renders for one context of the virgl engine of QEMU's hmm-gpu device, which starts it.\n"
    "\n"
    "  --probe  start as for the device, say what this host's OpenGL can do; exit status 1 and the\n"
    "           reason if it lacks what the engine needs\n"
    "  --serve  what the device says; needs its socket and memory as stdin and stdout\n"
    "  --help   this text\n"
    "\n"
    "OpenGL comes from the host's EGL, without a window system. It takes a GPU of the host if there is\n"
    "one that this user may open (/dev/dri/renderD*), else Mesa's software rasteriser, which is what this\n"
    "project is tested with. LIBGL_ALWAYS_SOFTWARE=1 in QEMU's environment always takes the latter.\n";

/* From here on only what the device asks for; NULL, or why not. */
static const char *start(uint8_t *staging, uint64_t size)
{
    const char *missing;

    /* A guest's shaders do not go to the host's disk, nor could they. */
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
    missing = hgpu_render_open(staging, size);
    return missing ? missing
                   : hgpu_confine(hgpu_render_caps()->software, MEMORY);
}

/* ---- --serve ---- */

static int say_why_not(int sock, const char *why)
{
    struct hgpu_wire_reply hello = {
        .kind = HGPU_WIRE_HELLO,
        .detail = HGPU_WIRE_VERSION,
        .status = HGPU_WIRE_DIED,
    };

    snprintf(hello.text, sizeof(hello.text), "%s", why);
    if (send(sock, &hello, sizeof(hello), MSG_NOSIGNAL) < 0) {
        fprintf(stderr, "hmm-gpu-virgl: %s\n", why);
    }
    return 1;
}

static int serve_requests(int sock)
{
    struct hgpu_wire_reply reply = {
        .kind = HGPU_WIRE_HELLO,
        .detail = HGPU_WIRE_VERSION,
    };
    struct hgpu_wire_request req;
    ssize_t n;

    for (;;) {
        if (send(sock, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply)) {
            return 1;
        }
        n = recv(sock, &req, sizeof(req), MSG_TRUNC);
        if (n != sizeof(req)) {
            return n ? 1 : 0;
        }
        hgpu_render_do(&req, &reply);
    }
}

/* Libraries print as they like: not into the descriptors that mean something. */
static bool silence(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool done = null >= 0 && dup2(null, STDOUT_FILENO) >= 0;

    if (null > STDERR_FILENO) {
        close(null);
    }
    return done;
}

static int serve(void)
{
    const int sock = HGPU_WIRE_SOCKET_FD;
    const char *missing;
    struct stat st;
    void *staging;
    int status;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fstat(HGPU_WIRE_STAGING_FD, &st) || !S_ISREG(st.st_mode)) {
        fprintf(stderr, "hmm-gpu-virgl: --serve is for the device only, "
                "see --help\n");
        return 2;
    }
    staging = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                   HGPU_WIRE_STAGING_FD, 0);
    if (staging == MAP_FAILED) {
        return say_why_not(sock, "staging memory cannot be mapped");
    }
    if (!silence()) {
        return say_why_not(sock, "/dev/null cannot be opened");
    }
    missing = start(staging, st.st_size);
    if (missing) {
        return say_why_not(sock, missing);
    }
    /* Nothing that a guest causes fills the host's log. */
    dup2(STDOUT_FILENO, STDERR_FILENO);
    status = serve_requests(sock);
    hgpu_render_close();
    return status;
}

/* ---- --probe ---- */

/* A context and a buffer: what every guest does first. */
static const char *try_one(void)
{
    struct hgpu_wire_request req = {
        .kind = HGPU_WIRE_CONTEXT_CREATE,
        .context = 1,
    };
    struct hgpu_wire_reply reply;

    hgpu_render_do(&req, &reply);
    if (reply.status) {
        return "virglrenderer makes no context";
    }
    req.kind = HGPU_WIRE_RESOURCE_CREATE;
    req.resource = (struct hgpu_wire_resource) {
        1, 0 /* buffer */, 64 /* R8_UNORM */, 1 << 14, 4096, 1, 1, 1, 0, 0
    };
    hgpu_render_do(&req, &reply);
    return reply.status ? "virglrenderer makes no buffer" : NULL;
}

static int try_and_print(void)
{
    const struct hgpu_render_caps *caps = hgpu_render_caps();
    const char *missing = start(NULL, 0);

    if (!missing) {
        missing = try_one();
    }
    if (missing) {
        printf("hmm-gpu-virgl: %s\n"
               "Needed are libEGL and OpenGL 4.3 of Mesa or of a GPU; Debian "
               "has them in libegl-mesa0 and libgl1-mesa-dri.\n", missing);
        return 1;
    }
    printf("device: %s (%s)\n", caps->device,
           caps->software ? "software" : "a GPU of the host");
    printf("OpenGL: %s, GLSL %u\n", caps->version, caps->glsl);
    printf("compute: %u buffers a shader, %u threads a block, "
           "%u bytes shared\n", caps->shader_buffers, caps->block_threads,
           caps->shared_bytes);
    return 0;
}

/* In a process of its own: once confined, it cannot write to a file. */
static int probe(void)
{
    char text[1024] = "";
    size_t len = 0;
    int fds[2], status = 1;
    ssize_t n;
    pid_t pid;

    if (pipe(fds)) {
        perror("hmm-gpu-virgl");
        return 1;
    }
    pid = fork();
    if (!pid) {
        dup2(fds[1], STDOUT_FILENO);
        exit(try_and_print());
    }
    close(fds[1]);
    while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0) {
        len += n;
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        fprintf(stderr, "hmm-gpu-virgl: it crashed: its OpenGL is no good\n");
        return 1;
    }
    fputs(text, WEXITSTATUS(status) ? stderr : stdout);
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";

    if (!strcmp(what, "--help")) {
        fputs(help, stdout);
        return 0;
    }
    if (!strcmp(what, "--probe")) {
        return probe();
    }
    if (!strcmp(what, "--serve")) {
        return serve();
    }
    fputs(help, stderr);
    return 2;
}
