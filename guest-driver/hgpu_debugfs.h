/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * debugfs: in /sys/kernel/debug/hmm_gpu/
 *
 *   memory  limits and use of memory, of all GPUs: see hgpu_memlimit.h
 *
 * and in <pci name>/ and, the same files, <index>/ there:
 *
 *   stats   the counters, "name value" a line
 *   vram    sizes and use, likewise
 *   sdma    the kernel's ring, likewise
 *   virgl   the virgl engine: slots, and who has contexts
 *   inject  write hang, illegal or fault: see hgpu_sdma_inject()
 */
#ifndef HGPU_DEBUGFS_H
#define HGPU_DEBUGFS_H

struct hgpu_device;

/* The directory of the module; before and after all GPUs. */
void hgpu_debugfs_init(void);
void hgpu_debugfs_exit(void);

/**
 * hgpu_debugfs_add() - show a GPU
 * @hdev: the GPU, all of it up
 *
 * Without debugfs there is nothing to see, which is not an error.
 */
void hgpu_debugfs_add(struct hgpu_device *hdev);

/**
 * hgpu_debugfs_remove() - hide it
 * @hdev: the GPU; nobody reads its files when this returns
 */
void hgpu_debugfs_remove(struct hgpu_device *hdev);

#endif /* HGPU_DEBUGFS_H */
