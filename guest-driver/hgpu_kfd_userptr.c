// SPDX-License-Identifier: GPL-2.0-only
/*
 * USERPTR: a process's own memory as a buffer.
 *
 * Its pages are pinned as long as the buffer lives. So the GPU keeps what was
 * there when the buffer was made, whatever the process does to its mapping.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "hgpu_kfd.h"
#include "hgpu_memlimit.h"

/* A signal may end it after so many. */
#define HGPU_USERPTR_BATCH	512u

static int hgpu_userptr_pin_pages(u64 addr, u64 npages, struct page **pages, u64 *pinned)
{
	for (*pinned = 0; *pinned < npages; cond_resched()) {
		int n = min_t(u64, npages - *pinned, HGPU_USERPTR_BATCH);

		n = pin_user_pages_fast(addr + (*pinned << PAGE_SHIFT), n,
					FOLL_WRITE | FOLL_LONGTERM, pages + *pinned);
		if (n < 0)
			return n;
		if (!n)
			return -EFAULT;
		*pinned += n;
	}
	return 0;
}

/**
 * hgpu_kfd_userptr_pin() - get hold of the memory of a new USERPTR buffer
 * @kbo: the buffer; its size and where the CPU has it are known
 *
 * Memory in VRAM comes home.
 *
 * Context: of the process, under its lock; takes mmap_lock.
 * Return: 0; -ENOMEM, also when KFD's limit is reached; -EFAULT where there is
 * no memory that the process may write to and that may be pinned.
 */
int hgpu_kfd_userptr_pin(struct hgpu_kfd_bo *kbo)
{
	u64 npages = kbo->size >> PAGE_SHIFT, pinned = 0;
	int ret;

	ret = hgpu_memlimit_reserve(HGPU_MEM_USERPTR, kbo->size);
	if (ret)
		return ret;
	ret = -ENOMEM;
	kbo->user = kvmalloc_array(npages, sizeof(*kbo->user), GFP_KERNEL_ACCOUNT);
	if (!kbo->user)
		goto err_unreserve;
	ret = hgpu_userptr_pin_pages((u64)kbo->cpu.start << PAGE_SHIFT, npages, kbo->user, &pinned);
	if (ret)
		goto err_unpin;
	return 0;

err_unpin:
	unpin_user_pages(kbo->user, pinned);
	kvfree(kbo->user);
	kbo->user = NULL;
err_unreserve:
	hgpu_memlimit_unreserve(HGPU_MEM_USERPTR, kbo->size);
	return ret;
}

/**
 * hgpu_kfd_userptr_unpin() - let go of it
 * @kbo: the buffer, mapped on no GPU
 *
 * Context: may sleep.
 */
void hgpu_kfd_userptr_unpin(struct hgpu_kfd_bo *kbo)
{
	/* Nobody knows what the GPU has written to. */
	unpin_user_pages_dirty_lock(kbo->user, kbo->size >> PAGE_SHIFT, true);
	kvfree(kbo->user);
	kbo->user = NULL;
	hgpu_memlimit_unreserve(HGPU_MEM_USERPTR, kbo->size);
}
