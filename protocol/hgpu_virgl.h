/* SPDX-License-Identifier: MIT */
/*
 * The virgl engine (SPEC 11): its registers and its jobs.
 *
 * The commands in a job's stream are Gallium's, as virglrenderer reads them:
 * hgpu_virgl_cmd.h.
 */
#ifndef HGPU_VIRGL_H
#define HGPU_VIRGL_H

#include "hgpu_types.h"

/* Registers of slot s (SPEC 11.2) */
#define HGPU_VIRGL_SLOTS            4u
#define HGPU_VIRGL_BASE             0x2000
#define HGPU_VIRGL_STRIDE           0x40
#define HGPU_VIRGL_SLOT_JOB_LO(s)        (HGPU_VIRGL_BASE + (s) * 0x40 + 0x00)
#define HGPU_VIRGL_SLOT_JOB_HI(s)        (HGPU_VIRGL_BASE + (s) * 0x40 + 0x04)
#define   HGPU_VIRGL_SLOT_JOB_HI__ADDR   GENMASK(15, 0)
#define   HGPU_VIRGL_JOB_ALIGN           64u
#define HGPU_VIRGL_SLOT_CMD(s)           (HGPU_VIRGL_BASE + (s) * 0x40 + 0x08)
#define   HGPU_VIRGL_SLOT_CMD__START     1u
#define   HGPU_VIRGL_SLOT_CMD__ABORT     2u
#define HGPU_VIRGL_SLOT_STATE(s)         (HGPU_VIRGL_BASE + (s) * 0x40 + 0x0c)
#define   HGPU_VIRGL_SLOT_STATE__STATE   GENMASK(3, 0)
#define     HGPU_VIRGL_STATE_IDLE         0u
#define     HGPU_VIRGL_STATE_FETCH        1u  /* reads the job, its ranges, the stream */
#define     HGPU_VIRGL_STATE_IN           2u  /* copies ranges into staging memory */
#define     HGPU_VIRGL_STATE_RENDER       3u  /* the renderer works */
#define     HGPU_VIRGL_STATE_OUT          4u  /* copies ranges out of staging memory */
#define   HGPU_VIRGL_SLOT_STATE__RETRY_WAIT BIT(4)
#define HGPU_VIRGL_SLOT_FAULT_ADDR_LO(s) (HGPU_VIRGL_BASE + (s) * 0x40 + 0x10)
#define HGPU_VIRGL_SLOT_FAULT_ADDR_HI(s) (HGPU_VIRGL_BASE + (s) * 0x40 + 0x14)

/* What HGPU_IH_FAULT_DATA2__ENGINE says of a slot's fault; CTX is the slot. */
#define HGPU_IH_FAULT_ENGINE_VIRGL  15u

/* Limits (SPEC 11.5) */
#define HGPU_VIRGL_CONTEXTS         16u         /* 1 to 16 */
#define HGPU_VIRGL_RESOURCES        4096u       /* of a context, by handles 1 to 4096 */
#define HGPU_VIRGL_RANGES           64u         /* of a submission */
#define HGPU_VIRGL_STREAM_DW        (1u << 20)
#define HGPU_VIRGL_STAGING          (256ull << 20)  /* bytes of all ranges of a submission */
#define HGPU_VIRGL_BUFFER_MAX       (256u << 20)    /* bytes */
#define HGPU_VIRGL_TEXTURE_MAX      8192u           /* texels a side */

/* hgpu_virgl_job.op */
#define HGPU_VIRGL_JOB_CONTEXT_CREATE   1u
#define HGPU_VIRGL_JOB_CONTEXT_DESTROY  2u
#define HGPU_VIRGL_JOB_RESOURCE_CREATE  3u
#define HGPU_VIRGL_JOB_RESOURCE_DESTROY 4u
#define HGPU_VIRGL_JOB_SUBMIT           5u

/* hgpu_virgl_result.status */
#define HGPU_VIRGL_OK               0u
#define HGPU_VIRGL_BAD_JOB          1u  /* unknown op, field or limit */
#define HGPU_VIRGL_NO_RENDERER      2u  /* the host cannot start one */
#define HGPU_VIRGL_NO_CONTEXT       3u  /* not made, destroyed, or lost */
#define HGPU_VIRGL_NO_RESOURCE      4u
#define HGPU_VIRGL_BAD_TRANSFER     5u  /* a box outside its resource, or a size that is not the box's */
#define HGPU_VIRGL_NO_MEMORY        6u  /* the renderer's */
#define HGPU_VIRGL_BAD_STREAM       7u  /* the context is lost */
#define HGPU_VIRGL_TIMEOUT          8u  /* the context is lost */
#define HGPU_VIRGL_DIED             9u  /* the renderer; the context is lost */
#define HGPU_VIRGL_FAULT            10u /* no-retry fault at fault_addr */
#define HGPU_VIRGL_BUS_ERROR        11u /* SPEC 7.7, at fault_addr */
#define HGPU_VIRGL_ABORTED          12u
#define HGPU_VIRGL_STATUS_COUNT     13u

struct hgpu_virgl_resource {
    hgpu_le32 handle;               /* 1 to HGPU_VIRGL_RESOURCES */
    hgpu_le32 target;               /* HGPU_VIRGL_TARGET_*, hgpu_virgl_cmd.h */
    hgpu_le32 format;
    hgpu_le32 bind;
    hgpu_le32 width;                /* buffers: bytes */
    hgpu_le32 height;
    hgpu_le32 depth;                /* 1 */
    hgpu_le32 array_size;           /* 1 */
    hgpu_le32 last_level;
    hgpu_le32 samples;              /* 0 */
};
HGPU_ASSERT_SIZE(struct hgpu_virgl_resource, 40);

/* hgpu_virgl_range.flags */
#define HGPU_VIRGL_RANGE_IN         BIT(0)      /* memory to resource, before */
#define HGPU_VIRGL_RANGE_OUT        BIT(1)      /* resource to memory, after */

/* A part of a resource, and the memory that it is copied from and to. */
struct hgpu_virgl_range {
    hgpu_le32 resource;
    hgpu_le32 flags;
    hgpu_le32 level;
    hgpu_le32 stride;               /* bytes a row in memory; 0: packed */
    hgpu_le32 x, y, z, w, h, d;     /* buffers: x and w in bytes, y = z = 0, h = d = 1 */
    hgpu_le64 addr;                 /* in the job's VMID */
    hgpu_le64 size;                 /* bytes of memory: stride * (h - 1) + a row of w texels */
    hgpu_le64 reserved;
};
HGPU_ASSERT_SIZE(struct hgpu_virgl_range, 64);

/* Written by the device when the job has ended, before its interrupt. */
struct hgpu_virgl_result {
    hgpu_le32 status;
    hgpu_le32 row;                  /* of the range table, where one is to blame */
    hgpu_le64 fault_addr;
    hgpu_le32 faults;               /* retry faults that were reported */
    hgpu_le32 reserved;
    hgpu_le64 in_ns;                /* virtual time of FETCH and IN, waits for faults included */
    hgpu_le64 render_ns;            /* host time, with copies from and to staging memory */
    hgpu_le64 out_ns;               /* virtual time */
    hgpu_le64 in_bytes;
    hgpu_le64 out_bytes;
};
HGPU_ASSERT_SIZE(struct hgpu_virgl_result, 64);

/* In VMID 0 memory, 64-byte aligned; a SUBMIT's range table follows it. */
struct hgpu_virgl_job {
    hgpu_le32 op;
    hgpu_le32 context;              /* 1 to HGPU_VIRGL_CONTEXTS */
    hgpu_le32 vmid;                 /* SUBMIT: 1 to 15 */
    hgpu_le32 sequence;             /* data 0 of the interrupt */
    hgpu_le64 stream;               /* SUBMIT: in the VMID, 4-byte aligned */
    hgpu_le32 stream_dw;
    hgpu_le32 range_count;
    struct hgpu_virgl_resource resource;    /* RESOURCE_CREATE; _DESTROY: the handle */
    hgpu_le32 reserved[14];
    struct hgpu_virgl_result result;
};
HGPU_ASSERT_SIZE(struct hgpu_virgl_job, 192);

#endif /* HGPU_VIRGL_H */
