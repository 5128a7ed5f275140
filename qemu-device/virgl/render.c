/*
 * The renderer: virglrenderer behind the wire's requests, for one context.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <virgl/virglrenderer.h>

#include "check.h"
#include "egl.h"
#include "hgpu_virgl_cmd.h"
#include "render.h"
#include "resource.h"

/* virglrenderer's own header names this without saying what it is. */
struct virgl_box {
    uint32_t x, y, z;
    uint32_t w, h, d;
};

static struct {
    uint8_t *staging;
    uint64_t size;
    uint32_t context;           /* 0: there is none */
    bool lost;
    struct hgpu_render_caps caps;
    char text[HGPU_WIRE_TEXT];
} self;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* virglrenderer insists on one; hgpu_egl_finish() is what tells of the end. */
static void write_fence(void *opaque, uint32_t fence)
{
    (void)opaque;
    (void)fence;
}

/* Keep the first complaint of each request: the rest follows from it. */
static void complain(const char *fmt, va_list ap)
{
    if (!self.text[0]) {
        vsnprintf(self.text, sizeof(self.text), fmt, ap);
    }
}

/* ---- Start and capabilities ---- */

/* Dwords of capability set 2, Mesa's and virglrenderer's union virgl_caps. */
#define CAPS_GLSL           66
#define CAPS_BITS           98
#define CAPS_BLOCK_THREADS  113
#define CAPS_SHARED_BYTES   114
#define CAPS_SHADER_BUFFERS 108
#define CAPS_DWORDS         1024

static const char *read_caps(void)
{
    static uint32_t caps[CAPS_DWORDS];
    uint32_t version, size;

    virgl_renderer_get_cap_set(HGPU_VIRGL_CAPSET, &version, &size);
    if (size <= CAPS_BLOCK_THREADS * 4 || size > sizeof(caps)) {
        return "virglrenderer's capabilities are of an unknown kind";
    }
    virgl_renderer_fill_caps(HGPU_VIRGL_CAPSET, version, caps);
    if (!(caps[CAPS_BITS] & HGPU_VIRGL_CAP_COMPUTE)) {
        return "this host's OpenGL has no compute shaders";
    }
    self.caps = (struct hgpu_render_caps) {
        .device = hgpu_egl_device(),
        .version = hgpu_egl_version(),
        .software = hgpu_egl_is_software(),
        .glsl = caps[CAPS_GLSL],
        .shader_buffers = caps[CAPS_SHADER_BUFFERS],
        .block_threads = caps[CAPS_BLOCK_THREADS],
        .shared_bytes = caps[CAPS_SHARED_BYTES],
    };
    return NULL;
}

const char *hgpu_render_open(uint8_t *staging, uint64_t size)
{
    static struct virgl_renderer_callbacks cb = {
        .version = 2,
        .write_fence = write_fence,
    };
    const char *missing = hgpu_egl_open();

    if (missing) {
        return missing;
    }
    hgpu_egl_callbacks(&cb);
    virgl_set_debug_callback(complain);
    self.staging = staging;
    self.size = size;
    if (virgl_renderer_init(&self, 0, &cb)) {
        return "virglrenderer does not start";
    }
    virgl_renderer_force_ctx_0();
    missing = read_caps();
    self.text[0] = 0;
    return missing;
}

const struct hgpu_render_caps *hgpu_render_caps(void)
{
    return &self.caps;
}

void hgpu_render_close(void)
{
    virgl_renderer_cleanup(&self);
}

/* ---- The context ---- */

static uint32_t context_create(uint32_t ctx)
{
    if (!ctx || ctx > HGPU_VIRGL_CONTEXTS || self.context) {
        return HGPU_WIRE_BAD_REQUEST;
    }
    if (virgl_renderer_context_create(ctx, 3, "gpu")) {
        return HGPU_WIRE_NO_MEMORY;
    }
    self.context = ctx;
    self.lost = false;
    return HGPU_WIRE_OK;
}

static uint32_t context_destroy(void)
{
    hgpu_resource_destroy_all(self.context);
    virgl_renderer_context_destroy(self.context);
    self.context = 0;
    return HGPU_WIRE_OK;
}

/*
 * virglrenderer reports some errors only by refusing later work, and that
 * only once another context has been current: ask it.
 */
static bool is_lost(void)
{
    uint32_t nothing = 0;

    virgl_renderer_force_ctx_0();
    self.lost = virgl_renderer_submit_cmd(&nothing, self.context, 0) != 0;
    return self.lost;
}

/* ---- Submissions ---- */

static bool in_staging(uint64_t offset, uint64_t size)
{
    return size <= self.size && offset <= self.size - size;
}

static uint32_t check_range(const struct hgpu_wire_range *r)
{
    const struct hgpu_wire_resource *res = hgpu_resource_get(r->resource);

    if (!res) {
        return HGPU_WIRE_NO_RESOURCE;
    }
    if (!in_staging(r->offset, r->size)) {
        return HGPU_WIRE_BAD_REQUEST;
    }
    return hgpu_resource_has_box(res, r) ? HGPU_WIRE_OK
                                         : HGPU_WIRE_BAD_TRANSFER;
}

static uint32_t check_stream(const uint32_t *stream, uint32_t dwords)
{
    uint32_t at;
    const char *wrong = hgpu_virgl_check(stream, dwords,
                                         hgpu_resource_buffer_size, &at);

    if (!wrong) {
        return HGPU_WIRE_OK;
    }
    snprintf(self.text, sizeof(self.text), "%s, at dword %u", wrong, at);
    self.lost = true;
    return HGPU_WIRE_BAD_STREAM;
}

static int transfer_one(const struct hgpu_wire_range *r, uint32_t flag)
{
    struct virgl_box box = { r->x, r->y, r->z, r->w, r->h, r->d };
    struct iovec iov = { self.staging + r->offset, r->size };

    return flag == HGPU_WIRE_RANGE_IN
           ? virgl_renderer_transfer_write_iov(r->resource, self.context,
                                               r->level, r->stride, 0, &box,
                                               0, &iov, 1)
           : virgl_renderer_transfer_read_iov(r->resource, self.context,
                                              r->level, r->stride, 0, &box,
                                              0, &iov, 1);
}

/* Move every range with @flag between staging memory and its resource. */
static uint32_t transfer(const struct hgpu_wire_range *range, uint32_t count,
                         uint32_t flag, uint32_t *row)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((range[i].flags & flag) && transfer_one(&range[i], flag)) {
            if (is_lost()) {
                return HGPU_WIRE_BAD_STREAM;
            }
            *row = i;
            return HGPU_WIRE_BAD_TRANSFER;
        }
    }
    return HGPU_WIRE_OK;
}

static uint32_t run_stream(const uint32_t *stream, uint32_t dwords)
{
    int err;

    hgpu_resource_note_bindings(stream, dwords);
    err = virgl_renderer_submit_cmd((void *)stream, self.context, dwords);

    if (!err) {
        hgpu_egl_finish();
    }
    if (err || is_lost()) {
        self.lost = true;
        return HGPU_WIRE_BAD_STREAM;
    }
    return HGPU_WIRE_OK;
}

static uint32_t run(const uint32_t *stream, uint32_t dwords,
                    const struct hgpu_wire_range *range, uint32_t count,
                    struct hgpu_wire_reply *reply)
{
    uint64_t start = now_ns(), filled, rendered;
    uint32_t status;

    status = transfer(range, count, HGPU_WIRE_RANGE_IN, &reply->detail);
    filled = now_ns();
    reply->in_ns = filled - start;
    if (status) {
        return status;
    }
    status = run_stream(stream, dwords);
    rendered = now_ns();
    reply->render_ns = rendered - filled;
    if (status) {
        return status;
    }
    status = transfer(range, count, HGPU_WIRE_RANGE_OUT, &reply->detail);
    reply->out_ns = now_ns() - rendered;
    return status;
}

static uint32_t submit(const struct hgpu_wire_submit *s,
                       struct hgpu_wire_reply *reply)
{
    /* a copy: what was checked must be what is used */
    struct hgpu_wire_range range[HGPU_VIRGL_RANGES];
    const uint32_t *stream = (const uint32_t *)(self.staging + s->stream);
    uint32_t status;

    if (s->range_count > HGPU_VIRGL_RANGES || s->ranges & 7 ||
        s->stream & 3 || s->stream_dw > HGPU_VIRGL_STREAM_DW ||
        !in_staging(s->stream, s->stream_dw * UINT64_C(4)) ||
        !in_staging(s->ranges, s->range_count * sizeof(range[0]))) {
        return HGPU_WIRE_BAD_REQUEST;
    }
    memcpy(range, self.staging + s->ranges,
           s->range_count * sizeof(range[0]));
    for (uint32_t i = 0; i < s->range_count; i++) {
        status = check_range(&range[i]);
        if (status) {
            reply->detail = i;
            return status;
        }
    }
    status = check_stream(stream, s->stream_dw);
    return status ? status
                  : run(stream, s->stream_dw, range, s->range_count, reply);
}

/* ---- Requests ---- */

static uint32_t serve(const struct hgpu_wire_request *req,
                      struct hgpu_wire_reply *reply)
{
    if (req->kind == HGPU_WIRE_CONTEXT_CREATE) {
        return context_create(req->context);
    }
    if (!self.context || req->context != self.context ||
        (self.lost && req->kind != HGPU_WIRE_CONTEXT_DESTROY)) {
        return HGPU_WIRE_NO_CONTEXT;
    }
    switch (req->kind) {
    case HGPU_WIRE_CONTEXT_DESTROY:
        return context_destroy();
    case HGPU_WIRE_RESOURCE_CREATE:
        return hgpu_resource_create(self.context, &req->resource);
    case HGPU_WIRE_RESOURCE_DESTROY:
        return hgpu_resource_destroy(self.context, req->resource.handle);
    case HGPU_WIRE_SUBMIT:
        return submit(&req->submit, reply);
    default:
        return HGPU_WIRE_BAD_REQUEST;
    }
}

void hgpu_render_do(const struct hgpu_wire_request *req,
                    struct hgpu_wire_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    memset(self.text, 0, sizeof(self.text));
    reply->kind = req->kind;
    reply->sequence = req->sequence;
    reply->status = serve(req, reply);
    memcpy(reply->text, self.text, sizeof(reply->text));
}
