/*
 * What the renderer process gives up before it reads its first stream.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_VIRGL_CONFINE_H
#define HGPU_VIRGL_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * hgpu_confine: from here on no new files, programs, sockets or privileges
 * @software: no GPU device is in use either (it needs ioctl)
 * @memory: bytes of address space beyond what is mapped now
 *
 * Returns NULL, or what could not be given up.
 */
const char *hgpu_confine(bool software, uint64_t memory);

#endif /* HGPU_VIRGL_CONFINE_H */
