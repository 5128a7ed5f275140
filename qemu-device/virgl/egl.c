/*
 * A headless EGL for the renderer: no window system, no device node needed.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <EGL/egl.h>
#include <EGL/eglext.h>

#include "egl.h"

static EGLDisplay display;
static void (*gl_finish)(void);
static const unsigned char *(*gl_get_string)(unsigned int name);

/* of GL/gl.h, which would want libGL */
#define GL_RENDERER 0x1f01
#define GL_VERSION  0x1f02

static bool has(const char *list, const char *name)
{
    size_t len = strlen(name);
    const char *at = list;

    while (at && (at = strstr(at, name))) {
        if ((at == list || at[-1] == ' ') && (!at[len] || at[len] == ' ')) {
            return true;
        }
        at += len;
    }
    return false;
}

const char *hgpu_egl_open(void)
{
    const char *client = eglQueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
    PFNEGLGETPLATFORMDISPLAYEXTPROC get_display = (void *)
        eglGetProcAddress("eglGetPlatformDisplayEXT");

    if (!has(client, "EGL_MESA_platform_surfaceless") || !get_display) {
        return "EGL lacks EGL_MESA_platform_surfaceless";
    }
    display = get_display(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY,
                          NULL);
    if (display == EGL_NO_DISPLAY || !eglInitialize(display, NULL, NULL)) {
        return "EGL does not start";
    }
    if (!has(eglQueryString(display, EGL_EXTENSIONS),
             "EGL_KHR_no_config_context") ||
        !has(eglQueryString(display, EGL_EXTENSIONS),
             "EGL_KHR_surfaceless_context")) {
        return "EGL lacks contexts without a surface";
    }
    if (!eglBindAPI(EGL_OPENGL_API)) {
        return "EGL has no OpenGL";
    }
    gl_finish = (void (*)(void))eglGetProcAddress("glFinish");
    gl_get_string = (const unsigned char *(*)(unsigned int))
        eglGetProcAddress("glGetString");
    return gl_finish && gl_get_string ? NULL : "EGL does not give OpenGL's calls";
}

static const char *get_string(unsigned int name)
{
    const char *s = (const char *)gl_get_string(name);

    return s ? s : "unknown";
}

const char *hgpu_egl_device(void)
{
    return get_string(GL_RENDERER);
}

const char *hgpu_egl_version(void)
{
    return get_string(GL_VERSION);
}

/* By the names of Mesa's rasterisers. */
bool hgpu_egl_is_software(void)
{
    const char *device = hgpu_egl_device();

    return strstr(device, "llvmpipe") || strstr(device, "softpipe");
}

void hgpu_egl_finish(void)
{
    gl_finish();
}

static virgl_renderer_gl_context
create(void *opaque, int scanout, struct virgl_renderer_gl_ctx_param *param)
{
    const EGLint attr[] = {
        EGL_CONTEXT_MAJOR_VERSION, param->major_ver,
        EGL_CONTEXT_MINOR_VERSION, param->minor_ver,
        EGL_CONTEXT_OPENGL_PROFILE_MASK,
        EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
        EGL_NONE,
    };
    EGLContext share = param->shared ? eglGetCurrentContext() : EGL_NO_CONTEXT;

    (void)opaque;
    (void)scanout;
    return eglCreateContext(display, EGL_NO_CONFIG_KHR, share, attr);
}

static void destroy(void *opaque, virgl_renderer_gl_context ctx)
{
    (void)opaque;
    eglDestroyContext(display, ctx);
}

static int make_current(void *opaque, int scanout,
                        virgl_renderer_gl_context ctx)
{
    (void)opaque;
    (void)scanout;
    return eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, ctx)
           ? 0 : -1;
}

void hgpu_egl_callbacks(struct virgl_renderer_callbacks *cb)
{
    cb->create_gl_context = create;
    cb->destroy_gl_context = destroy;
    cb->make_current = make_current;
}
