/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * <linux/kfd_ioctl.h> includes <drm/drm.h> for its integer types and ioctl macros. Debian's linux-libc-dev
 * has the former without the latter, so here is what is needed of it.
 */
#ifndef LIB_DRM_H
#define LIB_DRM_H
#include <linux/types.h>
#include <sys/ioctl.h>
#endif
