/* SPDX-License-Identifier: MIT */
/*
 * SDMA v4 packets (SPEC 7.3). Source of truth: vega10_sdma_pkt_open.h of
 * Linux 6.12. Dword offsets of a field are in the comment behind its packet;
 * HGPU_SDMA_<PACKET>_DW is the packet's length.
 */
#ifndef HGPU_SDMA_H
#define HGPU_SDMA_H

#include "hgpu_types.h"

#define HGPU_SDMA_OP_NOP            0
#define HGPU_SDMA_OP_COPY           1
#define HGPU_SDMA_OP_WRITE          2
#define HGPU_SDMA_OP_INDIRECT       4
#define HGPU_SDMA_OP_FENCE          5
#define HGPU_SDMA_OP_TRAP           6
#define HGPU_SDMA_OP_POLL_REGMEM    8
#define HGPU_SDMA_OP_COND_EXE       9
#define HGPU_SDMA_OP_ATOMIC         10
#define HGPU_SDMA_OP_CONST_FILL     11
#define HGPU_SDMA_OP_PTEPDE         12
#define HGPU_SDMA_OP_TIMESTAMP      13
#define HGPU_SDMA_OP_SRBM_WRITE     14

#define HGPU_SDMA_SUBOP_COPY_LINEAR 0
#define HGPU_SDMA_SUBOP_WRITE_LINEAR 0
#define HGPU_SDMA_SUBOP_PTEPDE_GEN  0
#define HGPU_SDMA_SUBOP_PTEPDE_COPY 1
#define HGPU_SDMA_SUBOP_PTEPDE_RMW  2
#define HGPU_SDMA_SUBOP_TIMESTAMP_SET 0
#define HGPU_SDMA_SUBOP_TIMESTAMP_GET 1
#define HGPU_SDMA_SUBOP_TIMESTAMP_GET_GLOBAL 2

/* dword 0 of every packet */
#define HGPU_SDMA_PKT_HEADER__OP        GENMASK(7, 0)
#define HGPU_SDMA_PKT_HEADER__SUB_OP    GENMASK(15, 8)
#define HGPU_SDMA_PKT_HEADER(op, sub_op) \
    (FIELD_PREP(HGPU_SDMA_PKT_HEADER__OP, op) | \
     FIELD_PREP(HGPU_SDMA_PKT_HEADER__SUB_OP, sub_op))

/* NOP: header, then COUNT dwords that are skipped */
#define HGPU_SDMA_PKT_NOP_HEADER__COUNT GENMASK(29, 16)

/* COPY linear: header, count, parameter, src lo, hi, dst lo, hi [, dst2 lo, hi] */
#define HGPU_SDMA_COPY_LINEAR_DW        7
#define HGPU_SDMA_COPY_BROADCAST_DW     9
#define HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST BIT(27)
#define HGPU_SDMA_PKT_COPY_LINEAR_COUNT__COUNT GENMASK(21, 0)       /* bytes - 1 */
#define HGPU_SDMA_PKT_COPY_LINEAR_PARAMETER__DST_SW GENMASK(17, 16) /* must be 0 */
#define HGPU_SDMA_PKT_COPY_LINEAR_PARAMETER__SRC_SW GENMASK(25, 24) /* must be 0 */
#define HGPU_SDMA_COPY_MAX_BYTES        (1u << 22)

/* WRITE linear: header, dst lo, hi, count, data... */
#define HGPU_SDMA_WRITE_DW              4
#define HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__COUNT GENMASK(19, 0)      /* dwords - 1 */
#define HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__SW GENMASK(25, 24)        /* must be 0 */
#define HGPU_SDMA_WRITE_MAX_DWORDS      (1u << 20)

/* INDIRECT: header, base lo, hi (32-byte aligned), size, csa lo, hi (ignored) */
#define HGPU_SDMA_INDIRECT_DW           6
#define HGPU_SDMA_PKT_INDIRECT_HEADER__VMID GENMASK(19, 16)
#define HGPU_SDMA_PKT_INDIRECT_IB_SIZE__IB_SIZE GENMASK(19, 0)      /* dwords */
#define HGPU_SDMA_IB_ALIGN              32u

/* FENCE: header, addr lo, hi (4-byte aligned), data */
#define HGPU_SDMA_FENCE_DW              4

/* TRAP: header, context */
#define HGPU_SDMA_TRAP_DW               2
#define HGPU_SDMA_PKT_TRAP_INT_CONTEXT__INT_CONTEXT GENMASK(27, 0)

/* CONST_FILL: header, dst lo, hi, data, count */
#define HGPU_SDMA_CONST_FILL_DW         5
#define HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__SW GENMASK(17, 16)      /* must be 0 */
#define HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE GENMASK(31, 30) /* 0 byte, 2 dword */
#define HGPU_SDMA_FILLSIZE_BYTE         0u
#define HGPU_SDMA_FILLSIZE_DWORD        2u
#define HGPU_SDMA_PKT_CONSTANT_FILL_COUNT__COUNT GENMASK(21, 0)     /* bytes - 1 */
#define HGPU_SDMA_FILL_MAX_BYTES        (1u << 22)

/* POLL_REGMEM: header, addr lo, hi, value, mask, dw5 */
#define HGPU_SDMA_POLL_REGMEM_DW        6
#define HGPU_SDMA_PKT_POLL_REGMEM_HEADER__HDP_FLUSH BIT(26)         /* ignored */
#define HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC GENMASK(30, 28)
#define HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL BIT(31)
#define HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL GENMASK(15, 0)      /* clock ticks */
#define HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT GENMASK(27, 16)
#define HGPU_SDMA_POLL_RETRY_FOREVER    0xfffu
#define HGPU_SDMA_POLL_FUNC_ALWAYS      0u
#define HGPU_SDMA_POLL_FUNC_LT          1u
#define HGPU_SDMA_POLL_FUNC_LE          2u
#define HGPU_SDMA_POLL_FUNC_EQ          3u
#define HGPU_SDMA_POLL_FUNC_NE          4u
#define HGPU_SDMA_POLL_FUNC_GE          5u
#define HGPU_SDMA_POLL_FUNC_GT          6u

/* COND_EXE: header, addr lo, hi, reference, exec count */
#define HGPU_SDMA_COND_EXE_DW           5
#define HGPU_SDMA_PKT_COND_EXE_EXEC_COUNT__EXEC_COUNT GENMASK(13, 0) /* dwords */

/* ATOMIC: header, addr lo, hi, src lo, hi, cmp lo, hi, loop interval */
#define HGPU_SDMA_ATOMIC_DW             8
#define HGPU_SDMA_PKT_ATOMIC_HEADER__LOOP BIT(16)
#define HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP GENMASK(31, 25)
#define HGPU_SDMA_PKT_ATOMIC_LOOP_INTERVAL__LOOP_INTERVAL GENMASK(12, 0)
/* TC_OP_ATOMIC_*: +0x20 64 bits wide, +0x40 without a returned value */
#define HGPU_TC_OP_ATOMIC_SWAP_RTN_32   0x07
#define HGPU_TC_OP_ATOMIC_CMPSWAP_RTN_32 0x08
#define HGPU_TC_OP_ATOMIC_ADD_RTN_32    0x0f
#define HGPU_TC_OP_ATOMIC_SUB_RTN_32    0x10
#define HGPU_TC_OP_ATOMIC_SMIN_RTN_32   0x11
#define HGPU_TC_OP_ATOMIC_UMIN_RTN_32   0x12
#define HGPU_TC_OP_ATOMIC_SMAX_RTN_32   0x13
#define HGPU_TC_OP_ATOMIC_UMAX_RTN_32   0x14
#define HGPU_TC_OP_ATOMIC_AND_RTN_32    0x15
#define HGPU_TC_OP_ATOMIC_OR_RTN_32     0x16
#define HGPU_TC_OP_ATOMIC_XOR_RTN_32    0x17
#define HGPU_TC_OP_ATOMIC_INC_RTN_32    0x18
#define HGPU_TC_OP_ATOMIC_DEC_RTN_32    0x19
#define HGPU_TC_OP__BASE                0x1f
#define HGPU_TC_OP__64                  0x20
#define HGPU_TC_OP__NO_RTN              0x40

/* PTEPDE gen: header, dst lo, hi, mask lo, hi, init lo, hi, incr lo, hi, count */
#define HGPU_SDMA_PTEPDE_GEN_DW         10
#define HGPU_SDMA_PKT_WRITE_INCR_COUNT__COUNT GENMASK(18, 0)        /* entries - 1 */
/* PTEPDE copy: header, src lo, hi, dst lo, hi, mask lo, hi, count */
#define HGPU_SDMA_PTEPDE_COPY_DW        8
#define HGPU_SDMA_PKT_PTEPDE_COPY_HEADER__PTEPDE_OP BIT(31)
#define HGPU_SDMA_PKT_PTEPDE_COPY_COUNT__COUNT GENMASK(18, 0)       /* entries - 1 */
/* PTEPDE rmw: header, addr lo, hi, mask lo, hi, value lo, hi */
#define HGPU_SDMA_PTEPDE_RMW_DW         7

/* TIMESTAMP get: header, addr lo, hi (8-byte aligned) */
#define HGPU_SDMA_TIMESTAMP_DW          3

/* SRBM_WRITE: header, register (dword index), data */
#define HGPU_SDMA_SRBM_WRITE_DW         3
#define HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN GENMASK(31, 28)    /* must be 0xf */
#define HGPU_SDMA_PKT_SRBM_WRITE_ADDR__ADDR GENMASK(17, 0)

/* The longest fixed part of a packet (WRITE's data does not count). */
#define HGPU_SDMA_PKT_MAX_DW            10

#endif /* HGPU_SDMA_H */
