/*
 * What the device and its renderer process say to each other.
 *
 * The device starts the process with two descriptors: 0, one end of a
 * SOCK_SEQPACKET socket pair, and 1, the staging memory (a memfd sealed against
 * growing and shrinking, mapped shared by both). One packet is one message. The
 * renderer speaks first (HELLO); from then on every request has exactly one
 * reply, in order, carrying its sequence number. At most one request is
 * outstanding. All data (command stream, range table, contents of resources)
 * lies in staging memory; messages carry offsets only.
 *
 * The renderer is not trusted by the device: a reply of the wrong size,
 * sequence number or kind ends it. Silence past the deadline does as well.
 *
 * Copyright (c) 2026 The hmm-gpu developers
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HGPU_CORE_VIRGL_WIRE_H
#define HGPU_CORE_VIRGL_WIRE_H

#include <stdint.h>

#include "hgpu_virgl.h"

#define HGPU_WIRE_VERSION 1u
#define HGPU_WIRE_SOCKET_FD 0
#define HGPU_WIRE_STAGING_FD 1
#define HGPU_WIRE_TEXT 184

/*
 * Staging memory: the stream, the range table, then the contents of ranges
 * wherever the device puts them (there is room to align each to 64 bytes). The
 * renderer takes any offsets.
 */
#define HGPU_WIRE_STREAM        UINT64_C(0)
#define HGPU_WIRE_RANGES        (HGPU_WIRE_STREAM + 4 * HGPU_VIRGL_STREAM_DW)
#define HGPU_WIRE_DATA          (HGPU_WIRE_RANGES + (64 << 10))
#define HGPU_WIRE_STAGING_SIZE  (HGPU_WIRE_DATA + HGPU_VIRGL_STAGING + \
                                 (64 << 10))

enum hgpu_wire_kind {
    HGPU_WIRE_HELLO = 1,
    HGPU_WIRE_CONTEXT_CREATE,
    HGPU_WIRE_CONTEXT_DESTROY,
    HGPU_WIRE_RESOURCE_CREATE,
    HGPU_WIRE_RESOURCE_DESTROY,
    HGPU_WIRE_SUBMIT,
};

/* Zero is success; the others are the errors a submission can have. */
enum hgpu_wire_status {
    HGPU_WIRE_OK = 0,
    HGPU_WIRE_BAD_REQUEST,      /* the device's mistake, or a limit */
    HGPU_WIRE_NO_CONTEXT,       /* never created, destroyed, or lost */
    HGPU_WIRE_NO_RESOURCE,
    HGPU_WIRE_BAD_STREAM,       /* this submission lost the context */
    HGPU_WIRE_BAD_TRANSFER,     /* box or size outside the resource */
    HGPU_WIRE_NO_MEMORY,
    /* only the device's end says these */
    HGPU_WIRE_TIMEOUT,
    HGPU_WIRE_DIED,
};

#define HGPU_WIRE_RANGE_IN  (1u << 0)   /* staging -> resource before */
#define HGPU_WIRE_RANGE_OUT (1u << 1)   /* resource -> staging after */

/* One row of a submission's range table, in staging memory. */
struct hgpu_wire_range {
    uint32_t resource;
    uint32_t flags;
    uint32_t level;
    uint32_t stride;                    /* bytes; 0: tightly packed */
    uint32_t x, y, z, w, h, d;          /* buffers: x, w in bytes, h = d = 1 */
    uint64_t offset;                    /* of the bytes, in staging memory */
    uint64_t size;
};

struct hgpu_wire_resource {
    uint32_t handle;
    uint32_t target;
    uint32_t format;
    uint32_t bind;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t array_size;
    uint32_t last_level;
    uint32_t samples;
};

struct hgpu_wire_submit {
    uint64_t stream;                    /* offset, 4-byte aligned */
    uint64_t ranges;                    /* offset, 8-byte aligned */
    uint32_t stream_dw;
    uint32_t range_count;
};

struct hgpu_wire_request {
    uint32_t kind;
    uint32_t sequence;
    uint32_t context;
    uint32_t pad;
    union {
        struct hgpu_wire_resource resource;
        struct hgpu_wire_submit submit;
    };
};

/*
 * @detail: of HELLO, HGPU_WIRE_VERSION; of a SUBMIT with NO_RESOURCE or
 * BAD_TRANSFER, the row of the range table; else 0.
 */
struct hgpu_wire_reply {
    uint32_t kind;
    uint32_t sequence;
    uint32_t status;
    uint32_t detail;                    /* see above */
    uint64_t in_ns;                     /* SUBMIT: where its time went */
    uint64_t render_ns;
    uint64_t out_ns;
    char text[HGPU_WIRE_TEXT];          /* the renderer's words, terminated */
};

_Static_assert(sizeof(struct hgpu_wire_range) == 56, "range");
_Static_assert(sizeof(struct hgpu_wire_request) == 56, "request");
_Static_assert(sizeof(struct hgpu_wire_reply) == 224, "reply");

#endif /* HGPU_CORE_VIRGL_WIRE_H */
