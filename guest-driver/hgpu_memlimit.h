/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much memory processes may have for the GPUs, as KFD limits it.
 *
 * System memory that is pinned, or that must be there whenever a GPU asks for
 * it, is charged to one account of the whole machine before it is allocated:
 * beyond the limit ioctls fail with -ENOMEM before anybody is killed for
 * memory. The struct pages of all VRAM come first. VRAM of buffers is charged
 * to its GPU.
 *
 * Whoever charges uncharges the same number of bytes of the same kind, when
 * the memory is given back and not earlier.
 */
#ifndef HGPU_MEMLIMIT_H
#define HGPU_MEMLIMIT_H

#include <linux/types.h>

struct hgpu_device;
struct seq_file;

/**
 * enum hgpu_mem_kind - what system memory is charged for
 * @HGPU_MEM_GTT: pages of GTT buffers; TTM's own limit counts for them too
 * @HGPU_MEM_USERPTR: a process's own memory, in buffers
 * @HGPU_MEM_SVM: ranges of shared memory of a process without XNACK
 * @HGPU_MEM_PAGES: struct pages of VRAM
 * @HGPU_MEM_KINDS: how many there are
 */
enum hgpu_mem_kind {
	HGPU_MEM_GTT,
	HGPU_MEM_USERPTR,
	HGPU_MEM_SVM,
	HGPU_MEM_PAGES,
	HGPU_MEM_KINDS
};

/**
 * struct hgpu_memlimit_vram - VRAM of one GPU in buffers of processes
 * @used: bytes
 * @aligned: the same, each buffer rounded up to 2 MiB
 *
 * Protected by hgpu_memlimit.c's lock.
 */
struct hgpu_memlimit_vram {
	u64 used;
	u64 aligned;
};

/**
 * hgpu_memlimit_system() - KFD's limit for system memory
 * @ram: bytes of RAM that the kernel manages
 *
 * Context: any; pure, tested by kunit.
 * Return: bytes.
 */
u64 hgpu_memlimit_system(u64 ram);

/**
 * hgpu_memlimit_page_tables() - VRAM that buffers of processes leave alone
 * @vram: bytes of the GPU's VRAM
 * @total: bytes of VRAM of all GPUs, and of RAM
 *
 * Context: any; pure, tested by kunit.
 * Return: bytes.
 */
u64 hgpu_memlimit_page_tables(u64 vram, u64 total);

/**
 * hgpu_memlimit_init() - at module load: what the limit is
 */
void hgpu_memlimit_init(void);

/**
 * hgpu_memlimit_reserve() - charge system memory
 * @kind: what for
 * @bytes: how much
 *
 * Context: any but interrupts; does not sleep.
 * Return: 0, or -ENOMEM and nothing is charged.
 */
int hgpu_memlimit_reserve(enum hgpu_mem_kind kind, u64 bytes);

/**
 * hgpu_memlimit_unreserve() - uncharge it
 * @kind: what for
 * @bytes: how much, at most what was charged
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_memlimit_unreserve(enum hgpu_mem_kind kind, u64 bytes);

/**
 * hgpu_memlimit_left() - how much system memory can be charged
 *
 * Context: any but interrupts.
 * Return: bytes, a snapshot.
 */
u64 hgpu_memlimit_left(void);

/**
 * hgpu_memlimit_reserve_vram() - charge VRAM of a buffer of a process
 * @hdev: the GPU
 * @bytes: how much
 *
 * Says nothing of what shared memory has taken of it.
 *
 * Context: any but interrupts; does not sleep.
 * Return: 0, or -ENOMEM and nothing is charged.
 */
int hgpu_memlimit_reserve_vram(struct hgpu_device *hdev, u64 bytes);
void hgpu_memlimit_unreserve_vram(struct hgpu_device *hdev, u64 bytes);

/**
 * hgpu_memlimit_vram_left() - what AVAILABLE_MEMORY says
 * @hdev: the GPU
 *
 * Context: any but interrupts.
 * Return: bytes, a multiple of 2 MiB.
 */
u64 hgpu_memlimit_vram_left(struct hgpu_device *hdev);

/* debugfs hmm_gpu/memory, "name value" a line */
void hgpu_memlimit_show(struct seq_file *m);

#endif /* HGPU_MEMLIMIT_H */
