/* SPDX-License-Identifier: MIT */
/*
 * Memory queue descriptor of an SDMA user queue: struct v9_sdma_mqd's layout
 * (amd/include/v9_structs.h of Linux 6.12), 128 dwords (SPEC 7.5).
 *
 * The device reads it on HQD_CMD MAP and writes it back on UNMAP. Where AMD's
 * layout keeps a register, so does this one; the state of a packet that was
 * interrupted stands in AMD's mid-command words, and, because theirs are too
 * few for the longest packet, in words that AMD reserves.
 */
#ifndef HGPU_MQD_H
#define HGPU_MQD_H

#include "hgpu_types.h"

struct hgpu_sdma_mqd {
    hgpu_le32 rb_cntl;              /* 0: as SDMA_RB_CNTL */
    hgpu_le32 rb_base;              /* 1 */
    hgpu_le32 rb_base_hi;
    hgpu_le32 rb_rptr;              /* 3: bytes */
    hgpu_le32 rb_rptr_hi;
    hgpu_le32 rb_wptr;              /* 5: bytes */
    hgpu_le32 rb_wptr_hi;
    hgpu_le32 rb_wptr_poll_cntl;    /* ignored */
    hgpu_le32 rb_rptr_addr_hi;      /* 8 */
    hgpu_le32 rb_rptr_addr_lo;
    hgpu_le32 ib_cntl;              /* 10 */
    hgpu_le32 ib_rptr;              /* ignored; written 0 */
    hgpu_le32 ib_offset;            /* 12: dwords */
    hgpu_le32 ib_base_lo;
    hgpu_le32 ib_base_hi;
    hgpu_le32 ib_size;              /* 15: dwords */
    hgpu_le32 skip_cntl;            /* 16: dwords COND_EXE has yet to skip */
    hgpu_le32 context_status;       /* 17: written on UNMAP; MAP keeps EXCEPTION */
    hgpu_le32 doorbell;             /* 18 */
    hgpu_le32 status;
    hgpu_le32 doorbell_log;
    hgpu_le32 watermark;
    hgpu_le32 doorbell_offset;      /* 22 */
    hgpu_le32 csa_addr_lo;
    hgpu_le32 csa_addr_hi;
    hgpu_le32 ib_sub_remain;
    hgpu_le32 preempt;
    hgpu_le32 dummy_reg;
    hgpu_le32 rb_wptr_poll_addr_hi;
    hgpu_le32 rb_wptr_poll_addr_lo;
    hgpu_le32 rb_aql_cntl;
    hgpu_le32 minor_ptr_update;
    hgpu_le32 midcmd_data[9];       /* 32: packet dwords 0-8 */
    hgpu_le32 midcmd_cntl;          /* 41: HGPU_MQD_MIDCMD_* */
    hgpu_le32 midcmd_data9;         /* 42: packet dword 9 (AMD: reserved) */
    hgpu_le32 midcmd_progress_lo;   /* 43: bytes done of the packet */
    hgpu_le32 midcmd_progress_hi;
    hgpu_le32 midcmd_retries;       /* 45: polls left */
    hgpu_le32 reserved_46[80];
    hgpu_le32 sdma_engine_id;       /* 126: the driver's own */
    hgpu_le32 sdma_queue_id;
};
HGPU_ASSERT_SIZE(struct hgpu_sdma_mqd, 512);

#define HGPU_MQD_MIDCMD_LEN         GENMASK(3, 0)   /* dwords held; 0: between packets */
#define HGPU_MQD_MIDCMD_IB          BIT(4)          /* inside an indirect buffer */

#define HGPU_MQD_ALIGN              256u

#endif /* HGPU_MQD_H */
