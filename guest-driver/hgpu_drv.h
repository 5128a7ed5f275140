/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HGPU_DRV_H
#define HGPU_DRV_H

#include <linux/types.h>

struct file;

/**
 * hgpu_drm_file_is_ours() - is this an open file of one of our DRM nodes?
 * @file: any file
 *
 * Context: any.
 * Return: true if its private_data is a struct drm_file whose minor's device
 * is a GPU of this driver.
 */
bool hgpu_drm_file_is_ours(const struct file *file);

#endif /* HGPU_DRV_H */
