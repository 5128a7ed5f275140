// SPDX-License-Identifier: MIT
#include "png.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Signature, IHDR with length and CRC; then IDAT, a zlib stream of one stored block a row; then IEND. */
enum { HEAD = 8 + 25, CHUNK = 12, ZLIB_HEAD = 2, BLOCK_HEAD = 5, ADLER = 4, MAX_WIDTH = 20000 };

static uint32_t crc_of(uint32_t crc, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

static void be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = v >> (24 - 8 * i);
}

/* A chunk whose data is in place already. Returns what is behind it. */
static uint8_t *chunk(uint8_t *p, const char *type, uint32_t len)
{
	be32(p, len);
	memcpy(p + 4, type, 4);
	be32(p + 8 + len, ~crc_of(0xffffffffu, p + 4, 4 + len));
	return p + CHUNK + len;
}

static size_t row_bytes(uint32_t width)
{
	return 1 + 3 * (size_t)width;	/* with its filter byte */
}

static size_t data_bytes(uint32_t width, uint32_t height)
{
	return ZLIB_HEAD + height * (BLOCK_HEAD + row_bytes(width)) + ADLER;
}

static size_t file_bytes(uint32_t width, uint32_t height)
{
	return HEAD + CHUNK + data_bytes(width, height) + CHUNK;
}

static void put_rows(uint8_t *p, const uint8_t *rgba, uint32_t width, uint32_t height)
{
	uint32_t row = row_bytes(width), a = 1, b = 0;

	*p++ = 0x78;
	*p++ = 0x01;
	for (uint32_t y = 0; y < height; y++, p += row) {
		*p++ = y == height - 1;
		*p++ = row;
		*p++ = row >> 8;
		*p++ = ~row;
		*p++ = ~row >> 8;
		p[0] = 0;
		for (uint32_t x = 0; x < width; x++, rgba += 4)
			memcpy(p + 1 + 3 * x, rgba, 3);
		for (uint32_t i = 0; i < row; i++) {
			a = (a + p[i]) % 65521;
			b = (b + a) % 65521;
		}
	}
	be32(p, b << 16 | a);
}

/* The whole file, file_bytes() of it; NULL: no memory. */
static uint8_t *make_file(const uint8_t *rgba, uint32_t width, uint32_t height)
{
	static const uint8_t signature[8] = { 137, 'P', 'N', 'G', 13, 10, 26, 10 };
	uint8_t *file = malloc(file_bytes(width, height)), *p;

	if (!file)
		return NULL;
	memcpy(file, signature, 8);
	p = file + 8;
	be32(p + 8, width);
	be32(p + 12, height);
	memcpy(p + 16, (const uint8_t[]){ 8, 2, 0, 0, 0 }, 5);	/* eight bits of RGB */
	p = chunk(p, "IHDR", 13);
	put_rows(p + 8, rgba, width, height);
	p = chunk(p, "IDAT", data_bytes(width, height));
	chunk(p, "IEND", 0);
	return file;
}

static int check_size(uint32_t width, uint32_t height)
{
	return width && height && width <= MAX_WIDTH && height <= MAX_WIDTH ? 0 : -EINVAL;
}

int png_write(const char *path, const uint8_t *rgba, uint32_t width, uint32_t height)
{
	size_t len = file_bytes(width, height);
	uint8_t *file;
	FILE *f;
	int error = check_size(width, height);

	if (error)
		return error;
	file = make_file(rgba, width, height);
	if (!file)
		return -ENOMEM;
	f = fopen(path, "wb");
	error = f ? 0 : -errno;
	if (f && fwrite(file, len, 1, f) != 1)
		error = -EIO;
	if (f && fclose(f))
		error = -EIO;
	free(file);
	return error;
}

/* Where a row's pixels must be, they are taken; the file must then be what would be written of them. */
static int take_rows(const uint8_t *file, uint8_t *rgba, uint32_t width, uint32_t height)
{
	const uint8_t *p = file + HEAD + 8 + ZLIB_HEAD;
	uint8_t *out = rgba, *again;
	int error;

	for (uint32_t y = 0; y < height; y++) {
		p += BLOCK_HEAD + 1;
		for (uint32_t x = 0; x < width; x++, p += 3, out += 4) {
			memcpy(out, p, 3);
			out[3] = 255;
		}
	}
	again = make_file(rgba, width, height);
	if (!again)
		return -ENOMEM;
	error = memcmp(again, file, file_bytes(width, height)) ? -EINVAL : 0;
	free(again);
	return error;
}

int png_read(const char *path, uint8_t *rgba, uint32_t width, uint32_t height)
{
	size_t len = file_bytes(width, height);
	uint8_t *file;
	FILE *f;
	int error = check_size(width, height);

	if (error)
		return error;
	f = fopen(path, "rb");
	if (!f)
		return -errno;
	file = malloc(len + 1);
	if (!file)
		error = -ENOMEM;
	else if (fread(file, 1, len + 1, f) != len)
		error = -EINVAL;
	else
		error = take_rows(file, rgba, width, height);
	free(file);
	fclose(f);
	return error;
}
