/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SMI events: KFD's log of page faults, migrations, unmappings, evictions and
 * resets, one line of text each, for those who have asked for it.
 *
 * Below everything that has something to tell: it knows the GPU and no more.
 * What they tell is traced, too. None of the functions that tell does anything
 * while nobody listens; they allocate nothing and take one spinlock, a leaf, so
 * notifiers may call them.
 */
#ifndef HGPU_SMI_H
#define HGPU_SMI_H

#include <linux/kfd_ioctl.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct hgpu_device;

/**
 * struct hgpu_smi - who listens to a GPU
 * @lock: protects @clients, and writing to their buffers
 * @clients: open files
 * @resets: how many there have been; written by who resets
 */
struct hgpu_smi {
	spinlock_t lock;
	struct list_head clients;
	u32 resets;
};

/**
 * struct hgpu_smi_migration - memory that is to move, as far as it can
 * @fault_id: of the GPU fault that it is for, or 0; for traces
 * @pid: thread group of the owner
 * @first: first page
 * @npages: how many
 * @from: KFD's gpu_id, 0 for system memory
 * @to: likewise
 * @prefetch_loc: attribute of the memory
 * @preferred_loc: likewise
 * @trigger: why
 */
struct hgpu_smi_migration {
	u32 fault_id;
	pid_t pid;
	unsigned long first;
	unsigned long npages;
	u32 from;
	u32 to;
	u32 prefetch_loc;
	u32 preferred_loc;
	enum KFD_MIGRATE_TRIGGERS trigger;
};

/**
 * hgpu_smi_init() - nobody listens
 * @hdev: the GPU
 */
void hgpu_smi_init(struct hgpu_device *hdev);

/**
 * hgpu_smi_fini() - hang up on those who listen
 * @hdev: the GPU; nobody calls hgpu_smi_open() any more
 *
 * They read what there is, then -ENODEV.
 *
 * Context: process context.
 */
void hgpu_smi_fini(struct hgpu_device *hdev);

/**
 * hgpu_smi_open() - KFD's SMI_EVENTS: a file to read events from
 * @hdev: the GPU
 *
 * It hears nothing before a mask is written to it. Events of other processes
 * are for those only who have CAP_SYS_ADMIN now and ask for them in the mask.
 * The file keeps @hdev's memory, not the GPU.
 *
 * Context: process context, may sleep.
 * Return: a file descriptor of current, -ENOMEM, -EMFILE, -ENFILE.
 */
int hgpu_smi_open(struct hgpu_device *hdev);

/**
 * hgpu_smi_heard() - does anybody listen, or trace?
 * @hdev: the GPU
 *
 * For those who would have to find out more before they can tell.
 *
 * Context: any; the answer may be of yesterday.
 * Return: true if so.
 */
bool hgpu_smi_heard(const struct hgpu_device *hdev);

/**
 * hgpu_smi_migrate_start() - memory is about to move
 * @hdev: to or from this GPU
 * @what: what, and why
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_migrate_start(struct hgpu_device *hdev,
			    const struct hgpu_smi_migration *what);

/**
 * hgpu_smi_migrate_end() - it has moved, as far as it could
 * @hdev: as given to hgpu_smi_migrate_start()
 * @what: likewise
 *
 * Not called when there turned out to be nothing to move.
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_migrate_end(struct hgpu_device *hdev,
			  const struct hgpu_smi_migration *what);

/**
 * hgpu_smi_fault_start() - a GPU's page fault is going to be resolved
 * @hdev: the GPU
 * @pid: thread group of the process
 * @id: of the fault, for traces
 * @page: virtual page number
 * @write: it wrote
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_fault_start(struct hgpu_device *hdev, pid_t pid,
			  u32 id, unsigned long page, bool write);

/**
 * hgpu_smi_fault_end() - the page fault is resolved, or put off
 * @hdev: the GPU
 * @pid: thread group of the process
 * @id: of the fault, for traces
 * @page: virtual page number
 * @migrated: memory was to move for it
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_fault_end(struct hgpu_device *hdev, pid_t pid,
			u32 id, unsigned long page, bool migrated);

/**
 * hgpu_smi_unmapped() - a GPU has lost translations to the CPU's doings
 * @hdev: the GPU
 * @pid: thread group of the process
 * @first: first page
 * @last: last page, inclusive
 * @trigger: why
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_unmapped(struct hgpu_device *hdev, pid_t pid,
		       unsigned long first, unsigned long last,
		       enum KFD_SVM_UNMAP_TRIGGERS trigger);

/**
 * hgpu_smi_queue_evicted() - a process's queues are about to be stopped
 * @hdev: the GPU
 * @pid: thread group of the process
 * @trigger: why
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_queue_evicted(struct hgpu_device *hdev, pid_t pid,
			    enum KFD_QUEUE_EVICTION_TRIGGERS trigger);

/**
 * hgpu_smi_queue_restored() - a process's queues are about to go on
 * @hdev: the GPU
 * @pid: thread group of the process
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_queue_restored(struct hgpu_device *hdev, pid_t pid);

/**
 * hgpu_smi_queue_rescheduled() - a process's queues cannot go on yet
 * @hdev: the GPU
 * @pid: thread group of the process
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_queue_rescheduled(struct hgpu_device *hdev, pid_t pid);

/**
 * hgpu_smi_vm_fault() - a queue was halted by an access that must fail
 * @hdev: the GPU
 * @pid: thread group of the process
 * @task: the thread that acquired the page tables
 * @comm: its name then
 *
 * Context: any but interrupts; does not sleep.
 */
void hgpu_smi_vm_fault(struct hgpu_device *hdev, pid_t pid, pid_t task,
		       const char *comm);

/**
 * hgpu_smi_reset_start() - the GPU is about to be reset
 * @hdev: the GPU
 * @cause: why
 *
 * Context: process context; the caller lets no two resets be at once.
 */
void hgpu_smi_reset_start(struct hgpu_device *hdev, const char *cause);

/**
 * hgpu_smi_reset_end() - the GPU works again
 * @hdev: the GPU
 *
 * Context: as hgpu_smi_reset_start().
 */
void hgpu_smi_reset_end(struct hgpu_device *hdev);

#endif /* HGPU_SMI_H */
