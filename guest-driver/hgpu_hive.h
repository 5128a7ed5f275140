/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hives: GPUs that reach each other's VRAM over XGMI (SPEC 4.7).
 *
 * They have one space of VRAM addresses. Who maps a peer's VRAM takes care that
 * the mapping is gone before the memory is: the device tells nobody.
 */
#ifndef HGPU_HIVE_H
#define HGPU_HIVE_H

#include <linux/types.h>

struct hgpu_device;

/**
 * struct hgpu_hive - a GPU's place in its hive; constant
 * @id: which; 0: it is in none
 * @node: its number there
 * @base: VRAM address of its VRAM's first byte
 */
struct hgpu_hive {
	u32 id;
	u32 node;
	u64 base;
};

/**
 * hgpu_hive_init() - ask the device
 * @hdev: the GPU; registers can be read
 *
 * Return: 0, -ENODEV if what it says cannot be.
 */
int hgpu_hive_init(struct hgpu_device *hdev);

/**
 * hgpu_hive_link() - let peers at the GPU's VRAM, and it at theirs
 * @hdev: the GPU; one that is in no hive is left alone
 *
 * For hgpu_device.c, when the GPU has been set up, and after every reset that
 * VRAM has survived: a reset ends it.
 */
void hgpu_hive_link(struct hgpu_device *hdev);

/**
 * hgpu_hive_unlink() - undo hgpu_hive_link()
 * @hdev: the GPU; no peer uses its VRAM any more
 */
void hgpu_hive_unlink(struct hgpu_device *hdev);

/**
 * hgpu_hive_same() - does one GPU reach the other's VRAM?
 * @a: a GPU
 * @b: another, or the same one
 *
 * Context: any.
 * Return: true if so; that goes both ways.
 */
bool hgpu_hive_same(const struct hgpu_device *a, const struct hgpu_device *b);

/**
 * hgpu_hive_owner() - what core mm knows the owner of device memory by
 * @hdev: the GPU
 *
 * Context: any.
 * Return: a cookie, the same for all GPUs that reach @hdev's VRAM.
 */
void *hgpu_hive_owner(struct hgpu_device *hdev);

#endif /* HGPU_HIVE_H */
