/* SPDX-License-Identifier: MIT */
/*
 * hmm-gpu: PCI identity, BARs and the register map (BAR 5).
 *
 * The map is this project's own; SPEC.md sections 2 to 8 are normative for
 * every register's access, reset value and effect. A register whose meaning
 * is AMD's has AMD's name behind HGPU_, and its fields AMD's positions.
 * Offsets are bytes. Registers are 32 bits wide and accessed as such.
 */
#ifndef HGPU_REGS_H
#define HGPU_REGS_H

#include "hgpu_types.h"

/* PCI (SPEC 2) */
#define HGPU_PCI_VENDOR_ID          0x1234
#define HGPU_PCI_DEVICE_ID          0x484d
#define HGPU_PCI_REVISION           0x01
#define HGPU_PCI_CLASS              0x1200  /* processing accelerator */

#define HGPU_BAR_VRAM               0
#define HGPU_BAR_DOORBELL           2
#define HGPU_BAR_MSIX               4
#define HGPU_BAR_REGS               5

#define HGPU_BAR_REGS_SIZE          0x10000
#define HGPU_BAR_DOORBELL_SIZE      0x200000
#define HGPU_BAR_MSIX_SIZE          0x1000
#define HGPU_MSIX_VECTORS           4
#define HGPU_MSIX_VECTOR_IH         0       /* the others are reserved */

/* One 8-byte doorbell a queue; a process owns one slice (thunk: 8 KiB). */
#define HGPU_DOORBELL_SIZE          8
#define HGPU_DOORBELL_SLICE_SIZE    0x2000
#define HGPU_DOORBELL_SLICES        (HGPU_BAR_DOORBELL_SIZE / HGPU_DOORBELL_SLICE_SIZE)

#define HGPU_VRAM_MIN               (16ull << 20)
#define HGPU_VRAM_MAX               (64ull << 30)
#define HGPU_VRAM_ALIGN             (2ull << 20)

#define HGPU_SDMA_ENGINES_MIN       2
#define HGPU_SDMA_ENGINES_MAX       8
#define HGPU_VMIDS                  16
#define HGPU_VM_INV_ENGINES         18      /* as GFX9 */
#define HGPU_VA_BITS                48
#define HGPU_DMA_BITS               48      /* bits of a system address in a PTE */

/* Identification (SPEC 3.1) */
#define HGPU_ID                     0x0000
#define   HGPU_ID_VALUE             0x55504748u     /* "HGPU" */
#define HGPU_VERSION                0x0004
#define   HGPU_VERSION_VALUE        0x00010000u     /* major 31:16, minor 15:0 */
#define HGPU_CAPS                   0x0008
#define   HGPU_CAPS__SDMA_ENGINES   GENMASK(3, 0)
#define   HGPU_CAPS__SDMA_RLC_QUEUES GENMASK(7, 4)
#define   HGPU_CAPS__VM_INV_ENGINES GENMASK(12, 8)
#define   HGPU_CAPS__XNACK         BIT(13)         /* retry faults can be had */
#define   HGPU_CAPS__VIRGL_SLOTS    GENMASK(16, 14) /* 0: no virgl engine */
#define HGPU_SCRATCH                0x000c
#define HGPU_VRAM_SIZE_LO           0x0010          /* bytes */
#define HGPU_VRAM_SIZE_HI           0x0014
#define HGPU_RLC_GPU_CLOCK_COUNT_LSB 0x0018         /* reading latches MSB */
#define HGPU_RLC_GPU_CLOCK_COUNT_MSB 0x001c
#define   HGPU_GPU_CLOCK_HZ         100000000u

/* Memory controller (SPEC 4.1): units of 16 MiB */
#define HGPU_MC_VM_FB_LOCATION_BASE 0x0100
#define HGPU_MC_VM_FB_LOCATION_TOP  0x0104          /* inclusive */
#define   HGPU_MC_VM_FB_LOCATION__ADDR GENMASK(23, 0)
#define   HGPU_MC_VM_FB_LOCATION_SHIFT 24
#define   HGPU_MC_VM_FB_LOCATION_BASE_RESET 0xf400u

/* Hive (SPEC 4.7); size in units of 16 MiB */
#define HGPU_MC_VM_XGMI_LFB_CNTL    0x0108
#define   HGPU_MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION GENMASK(2, 0)
#define   HGPU_MC_VM_XGMI_LFB_CNTL__PF_MAX_REGION GENMASK(6, 4)
#define HGPU_MC_VM_XGMI_LFB_SIZE    0x010c
#define   HGPU_MC_VM_XGMI_LFB_SIZE__PF_LFB_SIZE GENMASK(15, 0)
#define HGPU_XGMI_HIVE_ID           0x0110
#define HGPU_XGMI_CNTL              0x0114
#define   HGPU_XGMI_CNTL__LINK_ENABLE BIT(0)
#define HGPU_XGMI_NODES             8u
#define HGPU_XGMI_SEGMENT_SHIFT     36      /* 64 GiB: HGPU_VRAM_MAX */

/* VM L2 (SPEC 4.5, 5) */
#define HGPU_VM_L2_PROTECTION_FAULT_CNTL 0x0200
#define   HGPU_VM_L2_PROTECTION_FAULT_CNTL__CLEAR_PROTECTION_FAULT_STATUS_ADDR BIT(0)
#define HGPU_VM_L2_PROTECTION_FAULT_STATUS 0x0204
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS BIT(0)
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__WALKER_ERROR GENMASK(3, 1)
#define     HGPU_WALKER_OK          0u
#define     HGPU_WALKER_RANGE       1u  /* address range, or the context */
#define     HGPU_WALKER_DIRECTORY   2u
#define     HGPU_WALKER_LEAF        3u  /* alignment */
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__PERMISSION_FAULTS GENMASK(7, 4)
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR BIT(8)
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID GENMASK(17, 9)
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__RW BIT(18)
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__ATOMIC BIT(19)
#define   HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID GENMASK(23, 20)
#define HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32 0x0208 /* page number */
#define HGPU_VM_L2_PROTECTION_FAULT_ADDR_HI32 0x020c

/* Microseconds between two reports of one unresolved retry fault (own). */
#define HGPU_RETRY_INTERVAL         0x0210
#define   HGPU_RETRY_INTERVAL_MIN   100u
#define   HGPU_RETRY_INTERVAL_MAX   10000000u
#define   HGPU_RETRY_INTERVAL_RESET 10000u

/* Invalidation engines (SPEC 4.4), e < HGPU_VM_INV_ENGINES */
#define HGPU_VM_INVALIDATE_ENG_BASE 0x0240
#define HGPU_VM_INVALIDATE_ENG_STRIDE 0x10
#define HGPU_VM_INVALIDATE_ENG_SEM(e) (HGPU_VM_INVALIDATE_ENG_BASE + (e) * 0x10 + 0x0)
#define HGPU_VM_INVALIDATE_ENG_REQ(e) (HGPU_VM_INVALIDATE_ENG_BASE + (e) * 0x10 + 0x4)
#define HGPU_VM_INVALIDATE_ENG_ACK(e) (HGPU_VM_INVALIDATE_ENG_BASE + (e) * 0x10 + 0x8)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__PER_VMID_INVALIDATE_REQ GENMASK(15, 0)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__FLUSH_TYPE GENMASK(17, 16)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES BIT(18)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE0 BIT(19)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE1 BIT(20)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE2 BIT(21)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES BIT(22)
#define   HGPU_VM_INVALIDATE_ENG0_REQ__CLEAR_PROTECTION_FAULT_STATUS_ADDR BIT(23)
#define   HGPU_VM_INVALIDATE_ENG0_ACK__PER_VMID_INVALIDATE_ACK GENMASK(15, 0)

/* VM contexts (SPEC 4.2, 4.3), v < HGPU_VMIDS; addresses in 4 KiB pages */
#define HGPU_VM_CONTEXT_BASE        0x0400
#define HGPU_VM_CONTEXT_STRIDE      0x20
#define HGPU_VM_CONTEXT_CNTL(v)     (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x00)
#define   HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT BIT(0)
#define   HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH GENMASK(2, 1)
#define   HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE GENMASK(6, 3)
#define   HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT BIT(7)
#define HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_LO32(v)  (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x04)
#define HGPU_VM_CONTEXT_PAGE_TABLE_BASE_ADDR_HI32(v)  (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x08)
#define HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_LO32(v) (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x0c)
#define HGPU_VM_CONTEXT_PAGE_TABLE_START_ADDR_HI32(v) (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x10)
#define HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_LO32(v)   (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x14)
#define HGPU_VM_CONTEXT_PAGE_TABLE_END_ADDR_HI32(v)   (HGPU_VM_CONTEXT_BASE + (v) * 0x20 + 0x18)
#define   HGPU_VM_CONTEXT_ADDR_HI__MASK GENMASK(3, 0) /* page number bits 35:32 */

/* VMID to PASID (SPEC 4.6), v < HGPU_VMIDS */
#define HGPU_IH_VMID_LUT(v)         (0x0600 + (v) * 4)
#define   HGPU_IH_VMID_LUT__PASID   GENMASK(15, 0)

/* Interrupt handler ring (SPEC 6) */
#define HGPU_IH_RB_CNTL             0x0700
#define   HGPU_IH_RB_CNTL__RB_ENABLE BIT(0)
#define   HGPU_IH_RB_CNTL__RB_SIZE  GENMASK(5, 1)   /* log2 of dwords */
#define   HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE BIT(8)
#define   HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE BIT(16)
#define   HGPU_IH_RB_CNTL__ENABLE_INTR BIT(17)
#define   HGPU_IH_RB_CNTL__RPTR_REARM BIT(21)
#define   HGPU_IH_RB_CNTL__MC_SPACE GENMASK(30, 28)
#define     HGPU_IH_MC_SPACE_BUS    1u              /* system (bus) addresses */
#define     HGPU_IH_MC_SPACE_GPU    4u              /* VMID 0 addresses */
#define   HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR BIT(31)
#define HGPU_IH_RB_BASE             0x0704          /* address 39:8 */
#define HGPU_IH_RB_BASE_HI          0x0708          /* address 47:40 */
#define   HGPU_IH_RB_BASE_HI__ADDR  GENMASK(7, 0)
#define HGPU_IH_RB_RPTR             0x070c          /* bytes */
#define HGPU_IH_RB_WPTR             0x0710          /* bytes; read only */
#define   HGPU_IH_RB_WPTR__RB_OVERFLOW BIT(0)
#define   HGPU_IH_RB_WPTR__OFFSET   GENMASK(17, 2)
#define HGPU_IH_RB_WPTR_ADDR_LO     0x0714
#define HGPU_IH_RB_WPTR_ADDR_HI     0x0718
#define   HGPU_IH_RB_WPTR_ADDR_HI__ADDR GENMASK(15, 0)
#define HGPU_IH_RB_DROPPED          0x071c          /* entries lost; own */
#define HGPU_IH_RB_SIZE_LOG2_MIN    6u              /* 256 bytes, 8 entries */
#define HGPU_IH_RB_SIZE_LOG2_MAX    16u             /* 256 KiB */

/* SDMA engines (SPEC 7), e < CAPS.SDMA_ENGINES */
#define HGPU_SDMA_BASE(e)           (0x8000 + (e) * 0x1000)
#define HGPU_SDMA_STRIDE            0x1000

/* Contexts of one engine: two kernel rings, then the HQDs of user queues. */
#define HGPU_SDMA_CTX_GFX           0
#define HGPU_SDMA_CTX_PAGE          1
#define HGPU_SDMA_CTX_RLC0          2
#define HGPU_SDMA_RLC_QUEUES        8
#define HGPU_SDMA_CTXS              (HGPU_SDMA_CTX_RLC0 + HGPU_SDMA_RLC_QUEUES)
#define HGPU_SDMA_CTX_STRIDE        0x80
#define HGPU_SDMA_CTX_BASE(e, c)    (HGPU_SDMA_BASE(e) + (c) * HGPU_SDMA_CTX_STRIDE)

/* Registers of a context, offsets from HGPU_SDMA_CTX_BASE */
#define HGPU_SDMA_RB_CNTL           0x00
#define   HGPU_SDMA_RB_CNTL__RB_ENABLE BIT(0)
#define   HGPU_SDMA_RB_CNTL__RB_SIZE GENMASK(6, 1)  /* log2 of dwords */
#define   HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE BIT(12)
#define   HGPU_SDMA_RB_CNTL__RB_PRIV BIT(23)
#define   HGPU_SDMA_RB_CNTL__RB_VMID GENMASK(27, 24)
#define HGPU_SDMA_RB_SIZE_LOG2_MIN  6u              /* 256 bytes */
#define HGPU_SDMA_RB_SIZE_LOG2_MAX  24u             /* 64 MiB */
#define HGPU_SDMA_RB_BASE           0x04            /* address 39:8 */
#define HGPU_SDMA_RB_BASE_HI        0x08            /* address 63:40 */
#define   HGPU_SDMA_RB_BASE_HI__ADDR GENMASK(23, 0)
#define HGPU_SDMA_RB_RPTR           0x0c            /* bytes, never wraps */
#define HGPU_SDMA_RB_RPTR_HI        0x10
#define HGPU_SDMA_RB_WPTR           0x14            /* bytes, never wraps */
#define HGPU_SDMA_RB_WPTR_HI        0x18            /* writing commits both */
#define HGPU_SDMA_RB_RPTR_ADDR_HI   0x1c
#define HGPU_SDMA_RB_RPTR_ADDR_LO   0x20
#define HGPU_SDMA_IB_CNTL           0x24
#define   HGPU_SDMA_IB_CNTL__IB_ENABLE BIT(0)
#define   HGPU_SDMA_IB_CNTL__CMD_VMID GENMASK(19, 16)
#define HGPU_SDMA_IB_OFFSET         0x28            /* dwords; read only */
#define HGPU_SDMA_IB_BASE_LO        0x2c            /* read only */
#define HGPU_SDMA_IB_BASE_HI        0x30            /* read only */
#define HGPU_SDMA_IB_SIZE           0x34            /* dwords; read only */
#define HGPU_SDMA_CONTEXT_STATUS    0x38
#define   HGPU_SDMA_CONTEXT_STATUS__SELECTED BIT(0)
#define   HGPU_SDMA_CONTEXT_STATUS__IDLE BIT(2)
#define   HGPU_SDMA_CONTEXT_STATUS__EXCEPTION GENMASK(6, 4)
#define     HGPU_SDMA_EXCEPTION_NONE    0u
#define     HGPU_SDMA_EXCEPTION_ILLEGAL 1u  /* unknown or malformed packet */
#define     HGPU_SDMA_EXCEPTION_PRIV    2u  /* register access without privilege */
#define     HGPU_SDMA_EXCEPTION_FAULT   3u  /* no-retry VM fault */
#define     HGPU_SDMA_EXCEPTION_BUS     4u  /* DMA transaction failed */
#define     HGPU_SDMA_EXCEPTION_TIMEOUT 5u  /* POLL_REGMEM or ATOMIC gave up */
#define     HGPU_SDMA_EXCEPTION_MQD     6u  /* MQD unreadable or refused */
#define   HGPU_SDMA_CONTEXT_STATUS__PREEMPTED BIT(9)
#define   HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT BIT(16)  /* own: parked in a retry fault */
#define   HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT BIT(17)   /* own: waiting in a packet */
#define HGPU_SDMA_DOORBELL          0x3c
#define   HGPU_SDMA_DOORBELL__ENABLE BIT(28)
#define HGPU_SDMA_DOORBELL_OFFSET   0x40            /* bytes into BAR 2 */
#define   HGPU_SDMA_DOORBELL_OFFSET__OFFSET GENMASK(27, 2)
#define HGPU_SDMA_MQD_BASE_LO       0x44            /* own: VMID 0 address, 256-byte aligned */
#define HGPU_SDMA_MQD_BASE_HI       0x48
#define HGPU_SDMA_HQD_CMD           0x4c            /* own; RLC contexts only */
#define   HGPU_SDMA_HQD_CMD_MAP     1u              /* load the MQD and run */
#define   HGPU_SDMA_HQD_CMD_UNMAP   2u              /* stop, save into the MQD */
#define   HGPU_SDMA_HQD_CMD_RESET   3u              /* stop, save nothing */
#define HGPU_SDMA_FAULT_ADDR_LO     0x50            /* own: byte address that parked or */
#define HGPU_SDMA_FAULT_ADDR_HI     0x54            /* halted the context; read only */

/* Registers of an engine, offsets from HGPU_SDMA_BASE */
#define HGPU_SDMA_CNTL              0xf00
#define   HGPU_SDMA_CNTL__TRAP_ENABLE BIT(0)
#define HGPU_SDMA_F32_CNTL          0xf04
#define   HGPU_SDMA_F32_CNTL__HALT  BIT(0)
#define   HGPU_SDMA_F32_CNTL__RESET BIT(31)         /* own: self-clearing */
#define HGPU_SDMA_STATUS_REG        0xf08
#define   HGPU_SDMA_STATUS_REG__IDLE BIT(0)

#endif /* HGPU_REGS_H */
