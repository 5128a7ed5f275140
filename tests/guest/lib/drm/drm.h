/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * <linux/kfd_ioctl.h> includes <drm/drm.h>, and hmm_gpu_drm.h "drm.h". Debian's linux-libc-dev leaves that
 * header of the kernel's to libdrm-dev, which has it elsewhere.
 */
#ifndef LIB_DRM_H
#define LIB_DRM_H
#include <libdrm/drm.h>
#endif
