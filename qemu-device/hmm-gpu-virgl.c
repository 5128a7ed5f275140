/*
 * hmm-gpu: the renderer processes of the virgl engine
 *
 * Each context of the engine has a process of its own, hmm-gpu-virgl (virgl/
 * has its source), a socket to talk to it and memory shared with it. The
 * messages are core/virgl_wire.h's. What is done here:
 *
 *   start   migration is blocked, the process spawned; HELLO is its first word
 *   send    a request, with a deadline in host time
 *   reply   read on the main loop, checked, handed to the core
 *   kill    at any time: SIGKILL needs nobody's cooperation
 *
 * The process runs what a guest wrote and is not trusted: a message of the
 * wrong size, kind or number, one that nobody waits for, and silence past the
 * deadline are its end. So is QEMU's own, by the closed socket and by
 * PR_SET_PDEATHSIG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/memfd.h"
#include "qemu/sockets.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "migration/blocker.h"
#include "hmm-gpu-pci.h"
#include "trace.h"

#define HMM_GPU_RENDERER        "hmm-gpu-virgl"

/* Loading OpenGL and its compiler takes long on a busy host. */
#define HMM_GPU_HELLO_MS        10000

/* When the core cannot take the news of a deadline now. */
#define HMM_GPU_AGAIN_MS        1

/* What the callback that reaps a process looks at; it outlives the renderer. */
typedef struct HmmGpuChild {
    GPid pid;                   /* 0: reaped */
    bool orphan;                /* no renderer points here any more */
} HmmGpuChild;

struct HmmGpuRenderer {
    HmmGpu *gpu;
    uint32_t ctx;
    HmmGpuChild *child;
    int sock;                   /* -1: ended, but staging is still mapped */
    uint8_t *staging;
    QEMUTimer *deadline;
    uint32_t sequence;
    uint32_t kind;              /* of the reply that is awaited, 0: none */
};

/* ---- The process ---- */

static void hmm_gpu_child_reaped(GPid pid, int status, gpointer opaque)
{
    HmmGpuChild *child = opaque;

    trace_hmm_gpu_virgl_reaped(pid, status);
    g_spawn_close_pid(pid);
    child->pid = 0;
    if (child->orphan) {
        g_free(child);
    }
}

static void hmm_gpu_child_leave(HmmGpuChild *child)
{
    if (!child) {
        return;
    }
    child->orphan = true;
    if (child->pid) {
        kill(child->pid, SIGKILL);
    } else {
        g_free(child);
    }
}

/* Stdin is the socket and stdout the memory; everything else is closed. */
static HmmGpuChild *hmm_gpu_spawn(const char *program, int sock, int memory,
                                  Error **errp)
{
    const char *argv[] = { program, "--serve", NULL };
    g_autoptr(GError) err = NULL;
    HmmGpuChild *child;
    GPid pid;

    if (!g_spawn_async_with_fds(NULL, (char **)argv, NULL,
                                G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                sock, memory, -1, &err)) {
        error_setg(errp, "The renderer process cannot be started: %s",
                   err->message);
        error_append_hint(errp, "(-sandbox on,spawn=deny forbids it, for one: "
                          "use virgl=off with that.)\n");
        return NULL;
    }
    child = g_new0(HmmGpuChild, 1);
    child->pid = pid;
    g_child_watch_add(pid, hmm_gpu_child_reaped, child);
    return child;
}

/* ---- Migration ---- */

static bool hmm_gpu_virgl_block_migration(HmmGpu *s, Error **errp)
{
    if (s->virgl_blocker) {
        return true;
    }
    error_setg(&s->virgl_blocker, "%s: a program in the guest has a context "
               "of the virgl engine, whose renderer process can be neither "
               "migrated nor saved", hmm_gpu_name(s));
    error_append_hint(&s->virgl_blocker, "End the programs that have one, or "
                      "start QEMU with virgl=off for this device.\n");
    return migrate_add_blocker(&s->virgl_blocker, errp) == 0;
}

void hmm_gpu_virgl_check_blocker(HmmGpu *s)
{
    if (!s->virgl_blocker || hgpu_virgl_contexts(&s->gpu)) {
        return;
    }
    for (uint32_t ctx = 1; ctx <= HGPU_VIRGL_CONTEXTS; ctx++) {
        if (s->renderer[ctx]) {
            return;
        }
    }
    migrate_del_blocker(&s->virgl_blocker);
}

/* ---- Replies ---- */

/* End the process; staging memory stays until the core lets go of it. */
static void hmm_gpu_renderer_end(HmmGpuRenderer *r)
{
    if (r->sock < 0) {
        return;
    }
    qemu_set_fd_handler(r->sock, NULL, NULL, NULL);
    close(r->sock);
    r->sock = -1;
    r->kind = 0;
    timer_del(r->deadline);
    hmm_gpu_child_leave(r->child);
    r->child = NULL;
}

/*
 * A process's words for a person: what is in them is not ours. The core logs
 * those about a job; that no context can be made is for whoever runs QEMU.
 */
static void hmm_gpu_renderer_quote(HmmGpuRenderer *r,
                                   struct hgpu_wire_reply *reply)
{
    reply->text[sizeof(reply->text) - 1] = '\0';
    for (char *c = reply->text; *c; c++) {
        if (!g_ascii_isprint(*c)) {
            *c = ' ';
        }
    }
    if (reply->status && reply->kind == HGPU_WIRE_HELLO) {
        warn_report_once("%s: no virgl context can be made: %s",
                         hmm_gpu_name(r->gpu), reply->text);
    }
}

static void hmm_gpu_renderer_tell_core(HmmGpuRenderer *r,
                                       struct hgpu_wire_reply *reply)
{
    HmmGpu *s = r->gpu;
    uint32_t ctx = r->ctx;

    trace_hmm_gpu_virgl_reply(hmm_gpu_name(s), ctx, reply->kind,
                              reply->sequence, reply->status, reply->text);
    r->kind = 0;
    timer_del(r->deadline);
    if (reply->status == HGPU_WIRE_TIMEOUT ||
        reply->status == HGPU_WIRE_DIED) {
        hmm_gpu_renderer_end(r);
    }
    /* @r may be freed in there, by virgl_kill */
    object_ref(OBJECT(s));
    hmm_gpu_enter_core(s);
    hgpu_virgl_reply(&s->gpu, ctx, reply);
    hmm_gpu_leave_core(s);
    object_unref(OBJECT(s));
}

/* In place of the process, which is at its end. */
static void hmm_gpu_renderer_answer(HmmGpuRenderer *r, uint32_t status)
{
    struct hgpu_wire_reply reply = {
        .kind = r->kind,
        .sequence = r->sequence,
        .status = status,
    };

    pstrcpy(reply.text, sizeof(reply.text), status == HGPU_WIRE_TIMEOUT
            ? "its process was too slow and has been ended"
            : "its process has died");

    if (r->kind) {
        hmm_gpu_renderer_quote(r, &reply);
        hmm_gpu_renderer_tell_core(r, &reply);
    } else {
        hmm_gpu_renderer_end(r);
    }
}

static bool hmm_gpu_renderer_expects(HmmGpuRenderer *r,
                                     const struct hgpu_wire_reply *reply)
{
    if (!r->kind || reply->kind != r->kind || reply->sequence != r->sequence) {
        return false;
    }
    return reply->kind == HGPU_WIRE_HELLO
           ? reply->detail == HGPU_WIRE_VERSION &&
             (reply->status == HGPU_WIRE_OK || reply->status == HGPU_WIRE_DIED)
           : reply->status < HGPU_WIRE_TIMEOUT;
}

static void hmm_gpu_renderer_readable(void *opaque)
{
    HmmGpuRenderer *r = opaque;
    struct hgpu_wire_reply reply;
    ssize_t n;

    /* From a loop nested in the core's DMA: it stays readable. */
    if (r->gpu->core_depth) {
        return;
    }
    n = RETRY_ON_EINTR(recv(r->sock, &reply, sizeof(reply), MSG_TRUNC));
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n != sizeof(reply) || !hmm_gpu_renderer_expects(r, &reply)) {
        hmm_gpu_renderer_answer(r, HGPU_WIRE_DIED);
        return;
    }
    hmm_gpu_renderer_quote(r, &reply);
    hmm_gpu_renderer_tell_core(r, &reply);
}

static void hmm_gpu_renderer_silent(void *opaque)
{
    HmmGpuRenderer *r = opaque;

    if (r->gpu->core_depth) {
        timer_mod(r->deadline, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) +
                  HMM_GPU_AGAIN_MS);
        return;
    }
    hmm_gpu_renderer_answer(r, HGPU_WIRE_TIMEOUT);
}

static void hmm_gpu_renderer_expect(HmmGpuRenderer *r, uint32_t kind,
                                    uint32_t sequence, uint32_t ms)
{
    r->kind = kind;
    r->sequence = sequence;
    timer_mod(r->deadline, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ms);
}

/* ---- What the core calls ---- */

/* Sealed: a process that could shrink it could stop QEMU with SIGBUS. */
static uint8_t *hmm_gpu_new_staging(int *memory, Error **errp)
{
    uint8_t *staging;

    *memory = qemu_memfd_create(HMM_GPU_RENDERER, HGPU_WIRE_STAGING_SIZE,
                                false, 0, F_SEAL_GROW | F_SEAL_SHRINK |
                                F_SEAL_SEAL, errp);
    if (*memory < 0) {
        return NULL;
    }
    staging = mmap(NULL, HGPU_WIRE_STAGING_SIZE, PROT_READ | PROT_WRITE,
                   MAP_SHARED, *memory, 0);
    if (staging == MAP_FAILED) {
        error_setg_errno(errp, errno, "No address space for staging memory");
        close(*memory);
        return NULL;
    }
    return staging;
}

static HmmGpuRenderer *hmm_gpu_renderer_new(HmmGpu *s, uint32_t ctx,
                                            Error **errp)
{
    HmmGpuRenderer *r = NULL;
    HmmGpuChild *child;
    int sock[2], memory;
    uint8_t *staging;

    staging = hmm_gpu_new_staging(&memory, errp);
    if (!staging) {
        return NULL;
    }
    if (qemu_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock)) {
        error_setg_errno(errp, errno, "No socket for the renderer process");
        goto err_staging;
    }
    child = hmm_gpu_spawn(s->virgl_helper, sock[1], memory, errp);
    close(sock[1]);
    if (!child) {
        close(sock[0]);
        goto err_staging;
    }
    close(memory);
    qemu_socket_set_nonblock(sock[0]);

    r = g_new0(HmmGpuRenderer, 1);
    r->gpu = s;
    r->ctx = ctx;
    r->child = child;
    r->sock = sock[0];
    r->staging = staging;
    r->deadline = timer_new_ms(QEMU_CLOCK_REALTIME, hmm_gpu_renderer_silent, r);
    return r;

err_staging:
    qemu_memfd_free(staging, HGPU_WIRE_STAGING_SIZE, memory);
    return NULL;
}

bool hmm_gpu_virgl_start(void *opaque, uint32_t ctx, uint8_t **staging)
{
    HmmGpu *s = opaque;
    HmmGpuRenderer *r;
    Error *err = NULL;

    assert(!s->renderer[ctx]);
    if (s->unplugged || s->reset_pending) {
        return false;
    }
    r = hmm_gpu_virgl_block_migration(s, &err)
        ? hmm_gpu_renderer_new(s, ctx, &err) : NULL;
    if (!r) {
        if (!s->virgl_warned) {
            s->virgl_warned = true;
            warn_reportf_err(err, "%s: no virgl context can be made: ",
                             hmm_gpu_name(s));
        } else {
            error_free(err);
        }
        return false;
    }
    trace_hmm_gpu_virgl_start(hmm_gpu_name(s), ctx, r->child->pid);
    s->renderer[ctx] = r;
    *staging = r->staging;
    hmm_gpu_renderer_expect(r, HGPU_WIRE_HELLO, 0,
                            MAX(s->virgl_timeout, HMM_GPU_HELLO_MS));
    qemu_set_fd_handler(r->sock, hmm_gpu_renderer_readable, NULL, r);
    return true;
}

bool hmm_gpu_virgl_send(void *opaque, uint32_t ctx,
                        const struct hgpu_wire_request *req)
{
    HmmGpu *s = opaque;
    HmmGpuRenderer *r = s->renderer[ctx];
    struct hgpu_wire_request numbered = *req;

    if (!r || r->sock < 0) {
        return false;
    }
    assert(!r->kind);
    numbered.sequence = r->sequence + 1;
    trace_hmm_gpu_virgl_send(hmm_gpu_name(s), ctx, req->kind,
                             numbered.sequence);
    /* Of at most one packet, the socket always has room. */
    if (RETRY_ON_EINTR(send(r->sock, &numbered, sizeof(numbered),
                            MSG_NOSIGNAL)) != sizeof(numbered)) {
        hmm_gpu_renderer_end(r);
        return false;
    }
    hmm_gpu_renderer_expect(r, req->kind, numbered.sequence, s->virgl_timeout);
    return true;
}

void hmm_gpu_virgl_kill(void *opaque, uint32_t ctx)
{
    HmmGpu *s = opaque;
    HmmGpuRenderer *r = s->renderer[ctx];

    if (!r) {
        return;
    }
    trace_hmm_gpu_virgl_kill(hmm_gpu_name(s), ctx);
    s->renderer[ctx] = NULL;
    hmm_gpu_renderer_end(r);
    timer_free(r->deadline);
    qemu_memfd_free(r->staging, HGPU_WIRE_STAGING_SIZE, -1);
    g_free(r);
}

/* ---- Realize and unplug ---- */

/* Beside QEMU's own program, or where it installs what it starts. */
static char *hmm_gpu_virgl_find(void)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = NULL, *helpers = NULL;
    char *path = NULL;

    if (exe) {
        dir = g_path_get_dirname(exe);
        path = g_build_filename(dir, HMM_GPU_RENDERER, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_EXECUTABLE)) {
            return path;
        }
        g_free(path);
    }
    helpers = get_relocated_path(CONFIG_QEMU_HELPERDIR);
    return g_build_filename(helpers, HMM_GPU_RENDERER, NULL);
}

bool hmm_gpu_virgl_init(HmmGpu *s, Error **errp)
{
    bool wanted = s->virgl == ON_OFF_AUTO_ON;
    bool xnack = s->features & BIT(HMM_GPU_FEATURE_XNACK);

    s->virgl_slots = 0;
    if (s->virgl == ON_OFF_AUTO_OFF) {
        return true;
    }
    if (!s->virgl_timeout || s->virgl_timeout > INT32_MAX) {
        error_setg(errp, "virgl-timeout=%" PRIu32 " is not possible: give 1 "
                   "to %d milliseconds", s->virgl_timeout, INT32_MAX);
        return false;
    }
    if (!xnack && wanted) {
        error_setg(errp, "virgl=on is not possible with xnack=off: what the "
                   "engine reads and writes is fetched by retry faults");
        return false;
    }
    if (!s->virgl_helper) {
        s->virgl_helper = hmm_gpu_virgl_find();
    }
    if (!g_file_test(s->virgl_helper, G_FILE_TEST_IS_EXECUTABLE)) {
        if (!wanted) {
            return true;
        }
        error_setg(errp, "virgl=on is not possible: there is no program %s",
                   s->virgl_helper);
        error_append_hint(errp, "QEMU's build makes it where it finds "
                          "virglrenderer and EGL; virgl-helper=FILE says "
                          "where it is.\n");
        return false;
    }
    s->virgl_slots = xnack ? HGPU_VIRGL_SLOTS : 0;
    return true;
}

void hmm_gpu_virgl_exit(HmmGpu *s)
{
    for (uint32_t ctx = 1; ctx <= HGPU_VIRGL_CONTEXTS; ctx++) {
        hmm_gpu_virgl_kill(s, ctx);
    }
    if (s->virgl_blocker) {
        migrate_del_blocker(&s->virgl_blocker);
    }
}
