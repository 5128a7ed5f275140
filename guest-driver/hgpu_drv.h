/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HGPU_DRV_H
#define HGPU_DRV_H

#include <linux/types.h>

struct file;

/**
 * hgpu_drm_file_is_ours() - is this an open file of one of our DRM nodes?
 * @file: any file
 *
 * If so its private_data is a struct drm_file, and to_hgpu() of that one's
 * minor's device is the GPU.
 *
 * Context: any.
 */
bool hgpu_drm_file_is_ours(const struct file *file);

#endif /* HGPU_DRV_H */
