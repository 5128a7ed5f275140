/*
 * hmm-gpu unit tests: renderers that do what the test says, and no work.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "rig.h"

#include <sys/mman.h>

static RigRenderer *renderer(Rig *rig, uint32_t ctx)
{
    g_assert_cmpuint(ctx, >=, 1);
    g_assert_cmpuint(ctx, <=, HGPU_VIRGL_CONTEXTS);
    return &rig->renderer[ctx];
}

bool rig_virgl_start(void *opaque, uint32_t ctx, uint8_t **staging)
{
    Rig *rig = opaque;
    RigRenderer *r = renderer(rig, ctx);

    g_assert_null(r->staging);
    if (rig->renderer_missing) {
        return false;
    }
    /* sparse, and gone with the renderer: who still uses it is seen */
    r->staging = mmap(NULL, HGPU_WIRE_STAGING_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(r->staging != MAP_FAILED);
    r->starts++;
    r->greets = false;
    r->dead = false;
    r->busy = false;
    *staging = r->staging;
    return true;
}

bool rig_virgl_send(void *opaque, uint32_t ctx,
                    const struct hgpu_wire_request *req)
{
    RigRenderer *r = renderer(opaque, ctx);

    g_assert_nonnull(r->staging);
    g_assert_true(r->greets);
    g_assert_false(r->busy);
    g_assert_cmpuint(req->context, ==, ctx);
    if (r->dead) {
        return false;
    }
    r->request = *req;
    r->busy = true;
    return true;
}

void rig_virgl_kill(void *opaque, uint32_t ctx)
{
    RigRenderer *r = renderer(opaque, ctx);

    r->kills++;
    r->busy = false;
    if (r->staging) {
        munmap(r->staging, HGPU_WIRE_STAGING_SIZE);
        r->staging = NULL;
    }
}

void rig_virgl_free(Rig *rig)
{
    for (uint32_t ctx = 1; ctx <= HGPU_VIRGL_CONTEXTS; ctx++) {
        rig_virgl_kill(rig, ctx);
    }
}

void rig_virgl_reply(Rig *rig, uint32_t ctx, uint32_t status)
{
    RigRenderer *r = renderer(rig, ctx);
    struct hgpu_wire_reply reply = { .status = status };

    if (!r->greets) {
        reply.kind = HGPU_WIRE_HELLO;
        reply.detail = HGPU_WIRE_VERSION;
        r->greets = true;
    } else {
        g_assert_true(r->busy);
        reply.kind = r->request.kind;
        r->busy = false;
    }
    g_strlcpy(reply.text, "so it is", sizeof(reply.text));
    hgpu_virgl_reply(&rig->gpu, ctx, &reply);
    rig_run(rig);
}

const struct hgpu_wire_request *rig_virgl_asked(Rig *rig, uint32_t ctx,
                                                uint32_t kind)
{
    const RigRenderer *r = renderer(rig, ctx);

    g_assert_true(r->busy);
    g_assert_cmpuint(r->request.kind, ==, kind);
    return &r->request;
}
