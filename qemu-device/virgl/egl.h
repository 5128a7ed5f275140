/*
 * A headless EGL for the renderer: no window system, no device node needed.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_VIRGL_EGL_H
#define HGPU_VIRGL_EGL_H

#include <stdbool.h>
#include <virgl/virglrenderer.h>

/* Connect; NULL, or what is missing. */
const char *hgpu_egl_open(void);

/* Of the context that is current: who draws, and with which OpenGL. */
const char *hgpu_egl_device(void);
const char *hgpu_egl_version(void);
bool hgpu_egl_is_software(void);

/* Wait for the GPU to finish all commands of the current context. */
void hgpu_egl_finish(void);

/* Give virglrenderer its contexts from here. */
void hgpu_egl_callbacks(struct virgl_renderer_callbacks *cb);

#endif /* HGPU_VIRGL_EGL_H */
