/* SPDX-License-Identifier: MIT */
/*
 * Vega interrupt ring entries (SPEC 6). Source of truth: amdgpu_ih.c
 * (amdgpu_ih_decode_iv_helper), soc15_ih_clientid.h, ivsrcid/, and
 * gmc_v9_0_process_interrupt() of Linux 6.12.
 */
#ifndef HGPU_IH_H
#define HGPU_IH_H

#include "hgpu_types.h"

struct hgpu_ih_entry {
    hgpu_le32 dw[8];
};
HGPU_ASSERT_SIZE(struct hgpu_ih_entry, 32);

/* dw[0] */
#define HGPU_IH_DW0__CLIENT_ID      GENMASK(7, 0)
#define HGPU_IH_DW0__SRC_ID         GENMASK(15, 8)
#define HGPU_IH_DW0__RING_ID        GENMASK(23, 16)
#define HGPU_IH_DW0__VMID           GENMASK(27, 24)
#define HGPU_IH_DW0__VMID_SRC       BIT(31)     /* 1: the memory hub (SDMA) */
/* dw[1]: timestamp 31:0, in ticks of HGPU_GPU_CLOCK_HZ */
/* dw[2] */
#define HGPU_IH_DW2__TIMESTAMP_HI   GENMASK(15, 0)
#define HGPU_IH_DW2__TIMESTAMP_SRC  BIT(31)
/* dw[3] */
#define HGPU_IH_DW3__PASID          GENMASK(15, 0)
#define HGPU_IH_DW3__NODE_ID        GENMASK(23, 16)
/* dw[4..7]: source data 0..3 */

#define HGPU_IH_CLIENTID_SDMA0      0x08
#define HGPU_IH_CLIENTID_SDMA1      0x09
#define HGPU_IH_CLIENTID_SDMA2      0x01
#define HGPU_IH_CLIENTID_SDMA3      0x04
#define HGPU_IH_CLIENTID_SDMA4      0x05
#define HGPU_IH_CLIENTID_SDMA5      0x11
#define HGPU_IH_CLIENTID_SDMA6      0x13
#define HGPU_IH_CLIENTID_SDMA7      0x18
#define HGPU_IH_CLIENTID_VMC        0x12
#define HGPU_IH_CLIENTID_GRBM_CP    0x14

/* Client SDMAn; ring id is the context (HGPU_SDMA_CTX_*) */
#define HGPU_SRCID_SDMA_TRAP        224     /* data 0: context of the TRAP packet */
#define HGPU_SRCID_SDMA_ILLEGAL     241     /* data 0: header; 1, 2: its address; as VI */
#define HGPU_SRCID_SDMA_BUS_ERROR   220     /* data 0, 1: address (SDMA_ECC's number) */
#define HGPU_SRCID_SDMA_DOORBELL_INVALID 244 /* data 0, 1: the value refused */
#define HGPU_SRCID_SDMA_POLL_TIMEOUT 246    /* data 0: header */
#define HGPU_SRCID_SDMA_SRBMWRITE   247     /* data 0: header; privilege violation */

/* Client VMC, source VM_FAULT; data 0: address 43:12 */
#define HGPU_SRCID_VM_FAULT         0
#define HGPU_IH_FAULT_DATA1__ADDR_HI GENMASK(3, 0)  /* address 47:44 */
#define HGPU_IH_FAULT_DATA1__WRITE  BIT(5)
#define HGPU_IH_FAULT_DATA1__RETRY  BIT(7)
/* Ring id of a fault entry: kfd_int_process_v9.c's prot bits */
#define HGPU_IH_FAULT_RING__VALID   0x08    /* the page was not present */
#define HGPU_IH_FAULT_RING__READ    0x10
#define HGPU_IH_FAULT_RING__WRITE   0x20    /* not permitted to write */
#define HGPU_IH_FAULT_RING__EXEC    0x40
/* data 2 (own): which context was it: engine 7:4, context 3:0 */
#define HGPU_IH_FAULT_DATA2__ENGINE GENMASK(7, 4)
#define HGPU_IH_FAULT_DATA2__CTX    GENMASK(3, 0)

/* Client GRBM_CP: a job of the virgl engine has ended (SPEC 11.4); ring id: the slot */
#define HGPU_SRCID_CP_EOP           181     /* data 0: the job's sequence */

#endif /* HGPU_IH_H */
