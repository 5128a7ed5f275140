/* SPDX-License-Identifier: MIT */
/*
 * Pictures in files: PNG with 8-bit RGB and nothing compressed. What is written here can be read here, other PNGs
 * cannot.
 */
#ifndef PNG_H
#define PNG_H

#include <stdint.h>

/* @rgba: rows from the top, four bytes a pixel; alpha is dropped. 0 or -errno. */
int png_write(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height);

/* The same; alpha is 255. -EINVAL: no picture of that size, or not written here. */
int png_read(const char *path, uint8_t *rgba, uint32_t width, uint32_t height);

#endif
