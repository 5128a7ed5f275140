/*
 * hmm-gpu: the GPU as the qtests use it
 *
 * A test plays the driver: it sets up rings, page tables and queues as
 * protocol/SPEC.md says, with the numbers of protocol/hgpu_*.h and nothing
 * from the device's own sources.
 *
 * Guest RAM and VRAM have a fixed layout (RAM_*, VRAM_*), so that a test can
 * look at the memory behind an address without asking anyone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HMM_GPU_TEST_H
#define HMM_GPU_TEST_H

#include "qemu/bswap.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/pci.h"
#include "libqos/pci-pc.h"
#include "hgpu_ih.h"
#include "hgpu_mqd.h"
#include "hgpu_pte.h"
#include "hgpu_regs.h"
#include "hgpu_sdma.h"

#define GPU_SLOT            4
#define GPU_ARGS            "hmm-gpu,id=gpu0,addr=4.0,vram-size=64M"
#define GPU_VRAM_SIZE       (64 * MiB)

/* What a machine of these tests has; gpu_machine_args() is the rest. */
#define RAM_SIZE            (128 * MiB)
#define RAM_IH_RING         0x100000u
#define RAM_IH_WPTR         0x110000u
#define RAM_MSI             0x111000u   /* MSI-X messages land here */
#define RAM_RING_RPTR       0x112000u   /* write-back, 8 bytes a ring */
#define RAM_FENCE           0x113000u
#define RAM_RINGS           0x120000u   /* 16 KiB each */
#define RAM_IOMMU           0x400000u   /* tables of the vIOMMU */
#define RAM_DATA            0x1000000u  /* from here on a test's own */

#define VRAM_GART           0x0u        /* table: 64 KiB, 32 MiB of aperture */
#define VRAM_TABLES         0x100000u   /* page tables, one after the other */
#define VRAM_MQD            0x200000u
#define VRAM_DATA           0x400000u   /* from here on a test's own */

#define GART_VA             0x1000000000ull
#define GART_PAGES          8192u
#define FB_VA               ((uint64_t)HGPU_MC_VM_FB_LOCATION_BASE_RESET << \
                             HGPU_MC_VM_FB_LOCATION_SHIFT)

#define IH_RING_LOG2        10          /* dwords: 4 KiB, 128 entries */
#define IH_RING_BYTES       (4u << IH_RING_LOG2)
#define RING_LOG2           12          /* dwords: 16 KiB */
#define RING_BYTES          (4u << RING_LOG2)

#define MSI_DATA            0x5a5a0000u /* + vector */

/* PTE flags that a driver would use */
#define PTE_RAM     (HGPU_PTE_VALID | HGPU_PTE_SYSTEM | HGPU_PTE_SNOOPED | \
                     HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE)
#define PTE_VRAM    (HGPU_PTE_VALID | HGPU_PTE_READABLE | HGPU_PTE_WRITEABLE)

typedef struct TestGpu {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *dev;
    QPCIBar vram;
    QPCIBar doorbells;
    QPCIBar regs;
    uint64_t vram_bar_size;
    uint32_t gart_next;         /* first free page of the aperture */
    uint32_t table_next;        /* first free byte of VRAM_TABLES */
    uint32_t ih_rptr;
    uint32_t ram_base;          /* several GPUs share RAM */
    uint32_t iova_base;         /* RAM as the device sees it, vIOMMU */
} TestGpu;

/* A ring of the GPU's, kernel or user. */
typedef struct TestRing {
    TestGpu *gpu;
    uint32_t engine;
    uint32_t ctx;
    uint32_t ram;               /* where the ring is in RAM */
    uint32_t rptr_ram;          /* and its write-back */
    uint32_t doorbell;
    uint64_t wptr;
} TestRing;

/* A process's address space */
typedef struct TestVm {
    TestGpu *gpu;
    uint32_t vmid;
    uint32_t root;              /* VRAM offset of PDB2 */
} TestVm;

/* Packets being put together */
typedef struct TestPkts {
    uint32_t dw[1024];
    unsigned int n;
} TestPkts;

/* ---- Machine and device ---- */

/* Options that every machine here needs; to be freed. */
char *gpu_machine_args(void);
/* Starts QEMU with @args more, finds the GPU in slot 4 and maps its BARs. */
void gpu_open(TestGpu *g, const char *args);
/* The GPU @devfn of a machine that runs already */
void gpu_attach(TestGpu *g, QTestState *qts, QPCIBus *bus, int devfn);
void gpu_detach(TestGpu *g);
void gpu_close(TestGpu *g);
/* IH ring, GART, MSI-X vector 0: what a driver's probe does */
void gpu_setup(TestGpu *g);
/* gpu_open() of the usual GPU, then gpu_setup() */
void gpu_start(TestGpu *g);

uint32_t gpu_read(TestGpu *g, uint32_t reg);
void gpu_write(TestGpu *g, uint32_t reg, uint32_t val);
void gpu_doorbell(TestGpu *g, uint32_t off, uint64_t val);
void gpu_vram_read(TestGpu *g, uint64_t off, void *buf, size_t len);
void gpu_vram_write(TestGpu *g, uint64_t off, const void *buf, size_t len);
void gpu_ram_read(TestGpu *g, uint64_t addr, void *buf, size_t len);
void gpu_ram_write(TestGpu *g, uint64_t addr, const void *buf, size_t len);
/* After a reset of the PCI device: BARs, bus mastering, MSI-X as before */
void gpu_reenable(TestGpu *g);
/* A function level reset, then gpu_reenable() */
void gpu_flr(TestGpu *g);

/* Virtual time goes on by 20 us. */
void gpu_step(TestGpu *g);
int64_t gpu_deadline(void);

/* Waits for @cond, at most 20 s of real time; virtual time goes on. */
#define GPU_WAIT(g, cond)                                                   \
    do {                                                                    \
        int64_t end_ = gpu_deadline();                                      \
        while (!(cond)) {                                                   \
            g_assert_cmpint(g_get_monotonic_time(), <, end_);               \
            gpu_step(g);                                                    \
        }                                                                   \
    } while (0)

/* The same while virtual time stands still */
#define GPU_WAIT_STILL(g, cond)                                             \
    do {                                                                    \
        int64_t end_ = gpu_deadline();                                      \
        while (!(cond)) {                                                   \
            g_assert_cmpint(g_get_monotonic_time(), <, end_);               \
        }                                                                   \
    } while (0)

/* Bytes that tell their place; @seed tells one buffer from another. */
void test_pattern(uint8_t *buf, size_t len, uint32_t seed);
void gpu_assert_ram(TestGpu *g, uint64_t addr, const void *want, size_t len);
void gpu_assert_vram(TestGpu *g, uint64_t off, const void *want, size_t len);

/* ---- Interrupts ---- */

/* The next entry of the IH ring, in host order; waits for it. */
void gpu_ih_next(TestGpu *g, struct hgpu_ih_entry *e);
bool gpu_ih_empty(TestGpu *g);
void gpu_ih_drain(TestGpu *g);
void gpu_msix_unmask(TestGpu *g, unsigned int vector);
/* True if a message of @vector has come since the last call. */
bool gpu_msix_taken(TestGpu *g, unsigned int vector);

/* ---- Memory ---- */

/* VMID 0 address of [ram, ram + len), through new pages of the GART */
uint64_t gpu_bind_ram(TestGpu *g, uint64_t ram, uint64_t len);
uint64_t gpu_bind_pte(TestGpu *g, uint64_t pte);
/* The bus address of  */
static inline uint64_t gpu_bus(TestGpu *g, uint64_t ram)
{
    return ram + g->iova_base;
}
static inline uint64_t gpu_vram_va(uint64_t off)
{
    return FB_VA + off;
}
/* VRAM address of a byte of node @node's VRAM; for VMID 0 at FB_VA + that */
static inline uint64_t hive_addr(uint32_t node, uint64_t off)
{
    return ((uint64_t)node << HGPU_XGMI_SEGMENT_SHIFT) + off;
}
void gpu_flush_tlb(TestGpu *g, uint32_t vmid);

void vm_init(TestVm *vm, TestGpu *g, uint32_t vmid, uint32_t pasid);
void vm_set_pte(TestVm *vm, uint64_t va, uint64_t pte);
void vm_map(TestVm *vm, uint64_t va, uint64_t pa, uint64_t len,
            uint64_t flags);

/* ---- Packets ---- */

void pkt_dw(TestPkts *p, uint32_t dw);
void pkt_copy(TestPkts *p, uint64_t src, uint64_t dst, uint32_t bytes);
void pkt_fill(TestPkts *p, uint64_t dst, uint32_t val, uint32_t bytes);
void pkt_write(TestPkts *p, uint64_t dst, const uint32_t *val, uint32_t n);
void pkt_fence(TestPkts *p, uint64_t addr, uint32_t val);
void pkt_trap(TestPkts *p, uint32_t val);
void pkt_srbm_write(TestPkts *p, uint32_t reg, uint32_t val);
void pkt_poll_reg(TestPkts *p, uint32_t reg, uint32_t val, uint32_t mask);

/* ---- Rings and queues ---- */

static inline uint32_t ring_reg(TestRing *r, uint32_t reg)
{
    return HGPU_SDMA_CTX_BASE(r->engine, r->ctx) + reg;
}

/* Kernel ring @ctx of @engine, enabled, in RAM through the GART */
void ring_open(TestRing *r, TestGpu *g, uint32_t engine, uint32_t ctx);
/* User queue on the HQD @ctx, its ring at @va of @vm; MQD number @mqd */
void queue_open(TestRing *r, TestVm *vm, uint32_t engine, uint32_t ctx,
                uint64_t va, unsigned int mqd);
void queue_build_mqd(TestRing *r, TestVm *vm, uint64_t va,
                     struct hgpu_sdma_mqd *mqd);
void queue_cmd(TestRing *r, unsigned int mqd, uint32_t cmd);
uint32_t queue_mqd_off(unsigned int mqd);

void ring_put(TestRing *r, const TestPkts *p);      /* no doorbell */
void ring_kick(TestRing *r);
void ring_submit(TestRing *r, const TestPkts *p);
uint32_t ring_status(TestRing *r);
uint32_t ring_exception(TestRing *r);
uint64_t ring_rptr(TestRing *r);
void ring_wait_idle(TestRing *r);
void ring_wait_status(TestRing *r, uint32_t bit);
void ring_wait_exception(TestRing *r, uint32_t exception);

/*
 * Copies there and back and compares: is this GPU in working order? It is new,
 * or reset: nothing is flushed first, so an old translation would show.
 */
void gpu_check_works(TestGpu *g);
/* The same for one that has been at work */
void gpu_check_still_works(TestGpu *g);

/* ---- The virgl engine (hmm-gpu-test-virgl.c) ---- */

/* False: the test is marked as skipped, with the reason. */
bool virgl_can_render(void);
/* Processes of this QEMU that are renderers; *last: one of them */
unsigned int virgl_renderers(QTestState *qts, pid_t *last);
/* A job that writes val to bus, and then to VRAM; it is not waited for. */
void virgl_start_write(TestGpu *g, uint64_t bus, uint32_t val);
/* A context whose renderer works for years */
void virgl_make_busy(TestGpu *g);

/* ---- The files of tests ---- */

void hmm_gpu_add_pci_tests(void);
void hmm_gpu_add_sdma_tests(void);
void hmm_gpu_add_fault_tests(void);
void hmm_gpu_add_reset_tests(void);
void hmm_gpu_add_hostile_tests(void);
void hmm_gpu_add_property_tests(void);
void hmm_gpu_add_migration_tests(void);
void hmm_gpu_add_iommu_tests(void);
void hmm_gpu_add_hotplug_tests(void);
void hmm_gpu_add_hive_tests(void);
void hmm_gpu_add_log_tests(void);
void hmm_gpu_add_virgl_tests(void);

#endif /* HMM_GPU_TEST_H */
