/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are protocol/'s numbers AMD's numbers? Compiled with both sets of headers, so a renamed or moved
 * constant does not build and a changed one fails. Prints TAP, one line a group.
 *
 * Every HGPU_ name that the protocol headers define must be compared here or be listed as our own,
 * with the reason; the last test reads the headers and names what is neither.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hgpu_ih.h"
#include "hgpu_mqd.h"
#include "hgpu_pte.h"
#include "hgpu_regs.h"
#include "hgpu_sdma.h"
#include "hgpu_virgl.h"
#include "hgpu_virgl_cmd.h"

#include "amdgpu/vega10_sdma_pkt_open.h"
#include "include/asic_reg/gc/gc_9_0_sh_mask.h"
#include "include/asic_reg/oss/osssys_4_0_sh_mask.h"
#include "include/asic_reg/sdma0/sdma0_4_0_sh_mask.h"
#include "include/ivsrcid/gfx/irqsrcs_gfx_9_0.h"
#include "include/ivsrcid/sdma0/irqsrcs_sdma0_4_0.h"
#include "include/ivsrcid/vmc/irqsrcs_vmc_1_0.h"
#include "include/soc15_ih_clientid.h"
#include "include/v9_structs.h"
#include "include/vega10_enum.h"

typedef uint32_t u32;
typedef uint64_t u64;
#include "amd_extract.h"	/* what stands in .c files and in headers that need a kernel; see run */

struct check {
	const char *group;	/* NULL: same as the entry before */
	const char *name;	/* ours */
	uint64_t ours;
	const char *twin;	/* theirs, or why there is none */
	uint64_t theirs;
};

#define VALUE(name, amd)	{ NULL, #name, (uint64_t)(name), #amd, (uint64_t)(amd) }
/* A packet field: AMD gives mask (unshifted) and shift, and the dword it stands in (checked by LENGTH). */
#define PKT(name, amd)		{ NULL, #name, (uint64_t)(name), #amd, \
				  (uint64_t)(uint32_t)((uint32_t)amd##_mask << amd##_shift) }
/* A packet's length: one more than the last dword that AMD describes. */
#define LENGTH(name, amd)	{ NULL, #name, (uint64_t)(name), #amd "_offset + 1", amd##_offset + 1 }
#define REG(name, amd)		{ NULL, #name, (uint64_t)(name), #amd, (uint64_t)(uint32_t)(amd##_MASK) }
#define GROUP(text)		{ text, NULL, 0, NULL, 0 }
#define MQD(field, amd)		{ NULL, "hgpu_sdma_mqd." #field, offsetof(struct hgpu_sdma_mqd, field), #amd, \
				  offsetof(struct v9_sdma_mqd, amd) }

static const struct check checks[] = {
GROUP("sdma: opcodes and sub-opcodes"),
VALUE(HGPU_SDMA_OP_NOP, SDMA_OP_NOP),
VALUE(HGPU_SDMA_OP_COPY, SDMA_OP_COPY),
VALUE(HGPU_SDMA_OP_WRITE, SDMA_OP_WRITE),
VALUE(HGPU_SDMA_OP_INDIRECT, SDMA_OP_INDIRECT),
VALUE(HGPU_SDMA_OP_FENCE, SDMA_OP_FENCE),
VALUE(HGPU_SDMA_OP_TRAP, SDMA_OP_TRAP),
VALUE(HGPU_SDMA_OP_POLL_REGMEM, SDMA_OP_POLL_REGMEM),
VALUE(HGPU_SDMA_OP_COND_EXE, SDMA_OP_COND_EXE),
VALUE(HGPU_SDMA_OP_ATOMIC, SDMA_OP_ATOMIC),
VALUE(HGPU_SDMA_OP_CONST_FILL, SDMA_OP_CONST_FILL),
VALUE(HGPU_SDMA_OP_PTEPDE, SDMA_OP_PTEPDE),
VALUE(HGPU_SDMA_OP_TIMESTAMP, SDMA_OP_TIMESTAMP),
VALUE(HGPU_SDMA_OP_SRBM_WRITE, SDMA_OP_SRBM_WRITE),
VALUE(HGPU_SDMA_SUBOP_COPY_LINEAR, SDMA_SUBOP_COPY_LINEAR),
VALUE(HGPU_SDMA_SUBOP_WRITE_LINEAR, SDMA_SUBOP_WRITE_LINEAR),
VALUE(HGPU_SDMA_SUBOP_PTEPDE_GEN, SDMA_SUBOP_PTEPDE_GEN),
VALUE(HGPU_SDMA_SUBOP_PTEPDE_COPY, SDMA_SUBOP_PTEPDE_COPY),
VALUE(HGPU_SDMA_SUBOP_PTEPDE_RMW, SDMA_SUBOP_PTEPDE_RMW),
VALUE(HGPU_SDMA_SUBOP_TIMESTAMP_SET, SDMA_SUBOP_TIMESTAMP_SET),
VALUE(HGPU_SDMA_SUBOP_TIMESTAMP_GET, SDMA_SUBOP_TIMESTAMP_GET),
VALUE(HGPU_SDMA_SUBOP_TIMESTAMP_GET_GLOBAL, SDMA_SUBOP_TIMESTAMP_GET_GLOBAL),

GROUP("sdma: packet fields"),
PKT(HGPU_SDMA_PKT_HEADER__OP, SDMA_PKT_HEADER_op),
PKT(HGPU_SDMA_PKT_HEADER__SUB_OP, SDMA_PKT_HEADER_sub_op),
{ NULL, "HGPU_SDMA_PKT_HEADER", HGPU_SDMA_PKT_HEADER(0x5a, 0xc3), "SDMA_PKT_HEADER_OP|SUB_OP",
  SDMA_PKT_HEADER_OP(0x5a) | SDMA_PKT_HEADER_SUB_OP(0xc3) },
PKT(HGPU_SDMA_PKT_NOP_HEADER__COUNT, SDMA_PKT_NOP_HEADER_count),
PKT(HGPU_SDMA_PKT_COPY_LINEAR_HEADER__BROADCAST, SDMA_PKT_COPY_LINEAR_HEADER_broadcast),
PKT(HGPU_SDMA_PKT_COPY_LINEAR_COUNT__COUNT, SDMA_PKT_COPY_LINEAR_COUNT_count),
PKT(HGPU_SDMA_PKT_COPY_LINEAR_PARAMETER__DST_SW, SDMA_PKT_COPY_LINEAR_PARAMETER_dst_sw),
PKT(HGPU_SDMA_PKT_COPY_LINEAR_PARAMETER__SRC_SW, SDMA_PKT_COPY_LINEAR_PARAMETER_src_sw),
PKT(HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__COUNT, SDMA_PKT_WRITE_UNTILED_DW_3_count),
PKT(HGPU_SDMA_PKT_WRITE_UNTILED_DW_3__SW, SDMA_PKT_WRITE_UNTILED_DW_3_sw),
PKT(HGPU_SDMA_PKT_INDIRECT_HEADER__VMID, SDMA_PKT_INDIRECT_HEADER_vmid),
PKT(HGPU_SDMA_PKT_INDIRECT_IB_SIZE__IB_SIZE, SDMA_PKT_INDIRECT_IB_SIZE_ib_size),
PKT(HGPU_SDMA_PKT_TRAP_INT_CONTEXT__INT_CONTEXT, SDMA_PKT_TRAP_INT_CONTEXT_int_context),
PKT(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__SW, SDMA_PKT_CONSTANT_FILL_HEADER_sw),
PKT(HGPU_SDMA_PKT_CONSTANT_FILL_HEADER__FILLSIZE, SDMA_PKT_CONSTANT_FILL_HEADER_fillsize),
PKT(HGPU_SDMA_PKT_CONSTANT_FILL_COUNT__COUNT, SDMA_PKT_CONSTANT_FILL_COUNT_count),
PKT(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__HDP_FLUSH, SDMA_PKT_POLL_REGMEM_HEADER_hdp_flush),
PKT(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__FUNC, SDMA_PKT_POLL_REGMEM_HEADER_func),
PKT(HGPU_SDMA_PKT_POLL_REGMEM_HEADER__MEM_POLL, SDMA_PKT_POLL_REGMEM_HEADER_mem_poll),
PKT(HGPU_SDMA_PKT_POLL_REGMEM_DW5__INTERVAL, SDMA_PKT_POLL_REGMEM_DW5_interval),
PKT(HGPU_SDMA_PKT_POLL_REGMEM_DW5__RETRY_COUNT, SDMA_PKT_POLL_REGMEM_DW5_retry_count),
PKT(HGPU_SDMA_PKT_COND_EXE_EXEC_COUNT__EXEC_COUNT, SDMA_PKT_COND_EXE_EXEC_COUNT_exec_count),
PKT(HGPU_SDMA_PKT_ATOMIC_HEADER__LOOP, SDMA_PKT_ATOMIC_HEADER_loop),
PKT(HGPU_SDMA_PKT_ATOMIC_HEADER__ATOMIC_OP, SDMA_PKT_ATOMIC_HEADER_atomic_op),
PKT(HGPU_SDMA_PKT_ATOMIC_LOOP_INTERVAL__LOOP_INTERVAL, SDMA_PKT_ATOMIC_LOOP_INTERVAL_loop_interval),
PKT(HGPU_SDMA_PKT_WRITE_INCR_COUNT__COUNT, SDMA_PKT_WRITE_INCR_COUNT_count),
PKT(HGPU_SDMA_PKT_PTEPDE_COPY_HEADER__PTEPDE_OP, SDMA_PKT_PTEPDE_COPY_HEADER_ptepde_op),
PKT(HGPU_SDMA_PKT_PTEPDE_COPY_COUNT__COUNT, SDMA_PKT_PTEPDE_COPY_COUNT_count),
PKT(HGPU_SDMA_PKT_SRBM_WRITE_HEADER__BYTE_EN, SDMA_PKT_SRBM_WRITE_HEADER_byte_en),
PKT(HGPU_SDMA_PKT_SRBM_WRITE_ADDR__ADDR, SDMA_PKT_SRBM_WRITE_ADDR_addr),

GROUP("sdma: packet lengths and limits"),
LENGTH(HGPU_SDMA_COPY_LINEAR_DW, SDMA_PKT_COPY_LINEAR_DST_ADDR_HI_dst_addr_63_32),
LENGTH(HGPU_SDMA_COPY_BROADCAST_DW, SDMA_PKT_COPY_BROADCAST_LINEAR_DST2_ADDR_HI_dst2_addr_63_32),
LENGTH(HGPU_SDMA_WRITE_DW, SDMA_PKT_WRITE_UNTILED_DW_3_count),
LENGTH(HGPU_SDMA_INDIRECT_DW, SDMA_PKT_INDIRECT_CSA_ADDR_HI_csa_addr_63_32),
LENGTH(HGPU_SDMA_FENCE_DW, SDMA_PKT_FENCE_DATA_data),
LENGTH(HGPU_SDMA_TRAP_DW, SDMA_PKT_TRAP_INT_CONTEXT_int_context),
LENGTH(HGPU_SDMA_CONST_FILL_DW, SDMA_PKT_CONSTANT_FILL_COUNT_count),
LENGTH(HGPU_SDMA_POLL_REGMEM_DW, SDMA_PKT_POLL_REGMEM_DW5_interval),
LENGTH(HGPU_SDMA_COND_EXE_DW, SDMA_PKT_COND_EXE_EXEC_COUNT_exec_count),
LENGTH(HGPU_SDMA_ATOMIC_DW, SDMA_PKT_ATOMIC_LOOP_INTERVAL_loop_interval),
LENGTH(HGPU_SDMA_PTEPDE_GEN_DW, SDMA_PKT_WRITE_INCR_COUNT_count),
LENGTH(HGPU_SDMA_PTEPDE_COPY_DW, SDMA_PKT_PTEPDE_COPY_COUNT_count),
LENGTH(HGPU_SDMA_PTEPDE_RMW_DW, SDMA_PKT_PTEPDE_RMW_VALUE_HI_value_63_32),
LENGTH(HGPU_SDMA_TIMESTAMP_DW, SDMA_PKT_TIMESTAMP_GET_WRITE_ADDR_HI_write_addr_63_32),
LENGTH(HGPU_SDMA_TIMESTAMP_DW, SDMA_PKT_TIMESTAMP_GET_GLOBAL_WRITE_ADDR_HI_write_addr_63_32),
LENGTH(HGPU_SDMA_SRBM_WRITE_DW, SDMA_PKT_SRBM_WRITE_DATA_data),
VALUE(HGPU_SDMA_COPY_MAX_BYTES, AMD_SDMA_V4_0_COPY_MAX_BYTES),
VALUE(HGPU_SDMA_FILL_MAX_BYTES, AMD_SDMA_V4_0_FILL_MAX_BYTES),
VALUE(HGPU_SDMA_WRITE_MAX_DWORDS, SDMA_PKT_WRITE_UNTILED_DW_3_count_mask + 1),
VALUE(HGPU_SDMA_PKT_MAX_DW, SDMA_PKT_WRITE_INCR_COUNT_count_offset + 1),
VALUE(HGPU_SDMA_POLL_RETRY_FOREVER, SDMA_PKT_POLL_REGMEM_DW5_retry_count_mask),
VALUE(HGPU_SDMA_POLL_FUNC_EQ, AMD_SDMA_V4_0_POLL_EQUAL),
VALUE(HGPU_SDMA_IB_ALIGN, ~AMD_SDMA_V4_0_IB_MASK + 1),
VALUE(HGPU_SDMA_RLC_QUEUES, AMD_SDMA_RLC_QUEUES),

GROUP("sdma: atomic operations"),
VALUE(HGPU_TC_OP_ATOMIC_SWAP_RTN_32, TC_OP_ATOMIC_SWAP_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_CMPSWAP_RTN_32, TC_OP_ATOMIC_CMPSWAP_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_ADD_RTN_32, TC_OP_ATOMIC_ADD_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_SUB_RTN_32, TC_OP_ATOMIC_SUB_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_SMIN_RTN_32, TC_OP_ATOMIC_SMIN_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_UMIN_RTN_32, TC_OP_ATOMIC_UMIN_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_SMAX_RTN_32, TC_OP_ATOMIC_SMAX_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_UMAX_RTN_32, TC_OP_ATOMIC_UMAX_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_AND_RTN_32, TC_OP_ATOMIC_AND_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_OR_RTN_32, TC_OP_ATOMIC_OR_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_XOR_RTN_32, TC_OP_ATOMIC_XOR_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_INC_RTN_32, TC_OP_ATOMIC_INC_RTN_32),
VALUE(HGPU_TC_OP_ATOMIC_DEC_RTN_32, TC_OP_ATOMIC_DEC_RTN_32),
VALUE(HGPU_TC_OP__64, TC_OP_MASK_64),
VALUE(HGPU_TC_OP__NO_RTN, TC_OP_MASK_NO_RTN),
VALUE(HGPU_TC_OP_ATOMIC_ADD_RTN_32 | HGPU_TC_OP__64, TC_OP_ATOMIC_ADD_RTN_64),
VALUE(HGPU_TC_OP_ATOMIC_XOR_RTN_32 | HGPU_TC_OP__NO_RTN, TC_OP_ATOMIC_XOR_32),
VALUE(HGPU_TC_OP_ATOMIC_CMPSWAP_RTN_32 | HGPU_TC_OP__64 | HGPU_TC_OP__NO_RTN, TC_OP_ATOMIC_CMPSWAP_64),
VALUE(HGPU_TC_OP__BASE, TC_OP_RESERVED_NON_FLOAT_RTN_32_3),	/* the largest code of the 32-bit group */

GROUP("sdma: registers of a context (RLC0 stands for all)"),
REG(HGPU_SDMA_RB_CNTL__RB_ENABLE, SDMA0_RLC0_RB_CNTL__RB_ENABLE),
REG(HGPU_SDMA_RB_CNTL__RB_SIZE, SDMA0_RLC0_RB_CNTL__RB_SIZE),
REG(HGPU_SDMA_RB_CNTL__RPTR_WRITEBACK_ENABLE, SDMA0_RLC0_RB_CNTL__RPTR_WRITEBACK_ENABLE),
REG(HGPU_SDMA_RB_CNTL__RB_PRIV, SDMA0_RLC0_RB_CNTL__RB_PRIV),
REG(HGPU_SDMA_RB_CNTL__RB_VMID, SDMA0_RLC0_RB_CNTL__RB_VMID),
REG(HGPU_SDMA_RB_CNTL__RB_VMID, SDMA0_GFX_RB_CNTL__RB_VMID),
REG(HGPU_SDMA_RB_CNTL__RB_SIZE, SDMA0_PAGE_RB_CNTL__RB_SIZE),
REG(HGPU_SDMA_RB_BASE_HI__ADDR, SDMA0_RLC0_RB_BASE_HI__ADDR),
REG(HGPU_SDMA_IB_CNTL__IB_ENABLE, SDMA0_RLC0_IB_CNTL__IB_ENABLE),
REG(HGPU_SDMA_IB_CNTL__CMD_VMID, SDMA0_RLC0_IB_CNTL__CMD_VMID),
REG(HGPU_SDMA_CONTEXT_STATUS__SELECTED, SDMA0_RLC0_CONTEXT_STATUS__SELECTED),
REG(HGPU_SDMA_CONTEXT_STATUS__IDLE, SDMA0_RLC0_CONTEXT_STATUS__IDLE),
REG(HGPU_SDMA_CONTEXT_STATUS__EXCEPTION, SDMA0_RLC0_CONTEXT_STATUS__EXCEPTION),
REG(HGPU_SDMA_CONTEXT_STATUS__PREEMPTED, SDMA0_RLC0_CONTEXT_STATUS__PREEMPTED),
REG(HGPU_SDMA_DOORBELL__ENABLE, SDMA0_RLC0_DOORBELL__ENABLE),
REG(HGPU_SDMA_DOORBELL_OFFSET__OFFSET, SDMA0_RLC0_DOORBELL_OFFSET__OFFSET),

GROUP("sdma: registers of an engine"),
REG(HGPU_SDMA_CNTL__TRAP_ENABLE, SDMA0_CNTL__TRAP_ENABLE),
REG(HGPU_SDMA_F32_CNTL__HALT, SDMA0_F32_CNTL__HALT),
REG(HGPU_SDMA_STATUS_REG__IDLE, SDMA0_STATUS_REG__IDLE),

GROUP("mqd: struct v9_sdma_mqd"),
MQD(rb_cntl, sdmax_rlcx_rb_cntl),
MQD(rb_base, sdmax_rlcx_rb_base),
MQD(rb_base_hi, sdmax_rlcx_rb_base_hi),
MQD(rb_rptr, sdmax_rlcx_rb_rptr),
MQD(rb_rptr_hi, sdmax_rlcx_rb_rptr_hi),
MQD(rb_wptr, sdmax_rlcx_rb_wptr),
MQD(rb_wptr_hi, sdmax_rlcx_rb_wptr_hi),
MQD(rb_wptr_poll_cntl, sdmax_rlcx_rb_wptr_poll_cntl),
MQD(rb_rptr_addr_hi, sdmax_rlcx_rb_rptr_addr_hi),
MQD(rb_rptr_addr_lo, sdmax_rlcx_rb_rptr_addr_lo),
MQD(ib_cntl, sdmax_rlcx_ib_cntl),
MQD(ib_rptr, sdmax_rlcx_ib_rptr),
MQD(ib_offset, sdmax_rlcx_ib_offset),
MQD(ib_base_lo, sdmax_rlcx_ib_base_lo),
MQD(ib_base_hi, sdmax_rlcx_ib_base_hi),
MQD(ib_size, sdmax_rlcx_ib_size),
MQD(skip_cntl, sdmax_rlcx_skip_cntl),
MQD(context_status, sdmax_rlcx_context_status),
MQD(doorbell, sdmax_rlcx_doorbell),
MQD(status, sdmax_rlcx_status),
MQD(doorbell_log, sdmax_rlcx_doorbell_log),
MQD(watermark, sdmax_rlcx_watermark),
MQD(doorbell_offset, sdmax_rlcx_doorbell_offset),
MQD(csa_addr_lo, sdmax_rlcx_csa_addr_lo),
MQD(csa_addr_hi, sdmax_rlcx_csa_addr_hi),
MQD(ib_sub_remain, sdmax_rlcx_ib_sub_remain),
MQD(preempt, sdmax_rlcx_preempt),
MQD(dummy_reg, sdmax_rlcx_dummy_reg),
MQD(rb_wptr_poll_addr_hi, sdmax_rlcx_rb_wptr_poll_addr_hi),
MQD(rb_wptr_poll_addr_lo, sdmax_rlcx_rb_wptr_poll_addr_lo),
MQD(rb_aql_cntl, sdmax_rlcx_rb_aql_cntl),
MQD(minor_ptr_update, sdmax_rlcx_minor_ptr_update),
MQD(midcmd_data, sdmax_rlcx_midcmd_data0),
MQD(midcmd_data[8], sdmax_rlcx_midcmd_data8),
MQD(midcmd_cntl, sdmax_rlcx_midcmd_cntl),
MQD(midcmd_data9, reserved_42),
MQD(midcmd_progress_lo, reserved_43),
MQD(midcmd_progress_hi, reserved_44),
MQD(midcmd_retries, reserved_45),
MQD(reserved_46, reserved_46),
MQD(sdma_engine_id, sdma_engine_id),
MQD(sdma_queue_id, sdma_queue_id),
{ NULL, "struct hgpu_sdma_mqd", sizeof(struct hgpu_sdma_mqd), "struct v9_sdma_mqd",
  sizeof(struct v9_sdma_mqd) },

GROUP("pte: amdgpu_vm.h"),
VALUE(HGPU_PTE_VALID, AMDGPU_PTE_VALID),
VALUE(HGPU_PTE_SYSTEM, AMDGPU_PTE_SYSTEM),
VALUE(HGPU_PTE_SNOOPED, AMDGPU_PTE_SNOOPED),
VALUE(HGPU_PTE_TMZ, AMDGPU_PTE_TMZ),
VALUE(HGPU_PTE_EXECUTABLE, AMDGPU_PTE_EXECUTABLE),
VALUE(HGPU_PTE_READABLE, AMDGPU_PTE_READABLE),
VALUE(HGPU_PTE_WRITEABLE, AMDGPU_PTE_WRITEABLE),
VALUE(HGPU_PTE_FRAG, AMDGPU_PTE_FRAG(~0ull)),
VALUE(HGPU_PTE_PRT, AMDGPU_PTE_PRT),
VALUE(HGPU_PDE_PTE, AMDGPU_PDE_PTE),
VALUE(HGPU_PTE_TF, AMDGPU_PTE_TF),
VALUE(HGPU_PTE_MTYPE_VG10, AMDGPU_PTE_MTYPE_VG10_MASK),
VALUE(HGPU_PDE_BFS, AMDGPU_PDE_BFS(0x1full)),
VALUE(HGPU_VM_NORETRY_FLAGS, AMDGPU_VM_NORETRY_FLAGS),
/* A PDE's address: what gmc_v9_0_get_vm_pde() does not call a bug. */
VALUE(HGPU_PDE_ADDR, ~AMD_GMC_V9_0_PDE_NOT_ADDR),
VALUE(HGPU_PTE_ADDR, ~AMD_GMC_V9_0_PDE_NOT_ADDR & ~0xfffull),

GROUP("vm: page table levels and sizes"),
/* AMD counts from the root down, we from the table of pages up: the shift is 9 bits a level. */
VALUE(HGPU_VM_PDB2, AMD_VM_PTB - AMD_VM_PDB2),
VALUE(HGPU_VM_PDB1, AMD_VM_PTB - AMD_VM_PDB1),
VALUE(HGPU_VM_PDB0, AMD_VM_PTB - AMD_VM_PDB0),
VALUE(HGPU_VM_PTB, AMD_VM_PTB - AMD_VM_PTB),
VALUE(HGPU_VM_DEPTH, AMD_VM_PTB - AMD_VM_PDB2),
VALUE(HGPU_VM_BITS, AMD_GMC_V9_0_BLOCK_SIZE),
VALUE(HGPU_VA_BITS, AMD_GMC_V9_0_VA_BITS),
VALUE(HGPU_PAGE_SHIFT, AMDGPU_GPU_PAGE_SHIFT),
VALUE(HGPU_VMIDS, AMDGPU_NUM_VMID),
VALUE(HGPU_MC_VM_FB_LOCATION_SHIFT, AMD_MMHUB_V1_0_FB_SHIFT),

GROUP("vm: gc_9_0 registers"),
REG(HGPU_MC_VM_FB_LOCATION__ADDR, MC_VM_FB_LOCATION_BASE__FB_BASE),
REG(HGPU_MC_VM_FB_LOCATION__ADDR, MC_VM_FB_LOCATION_TOP__FB_TOP),
REG(HGPU_MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION, MC_VM_XGMI_LFB_CNTL__PF_LFB_REGION),
REG(HGPU_MC_VM_XGMI_LFB_CNTL__PF_MAX_REGION, MC_VM_XGMI_LFB_CNTL__PF_MAX_REGION),
REG(HGPU_MC_VM_XGMI_LFB_SIZE__PF_LFB_SIZE, MC_VM_XGMI_LFB_SIZE__PF_LFB_SIZE),
REG(HGPU_VM_L2_PROTECTION_FAULT_CNTL__CLEAR_PROTECTION_FAULT_STATUS_ADDR,
    VM_L2_PROTECTION_FAULT_CNTL__CLEAR_PROTECTION_FAULT_STATUS_ADDR),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS, VM_L2_PROTECTION_FAULT_STATUS__MORE_FAULTS),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__WALKER_ERROR, VM_L2_PROTECTION_FAULT_STATUS__WALKER_ERROR),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__PERMISSION_FAULTS, VM_L2_PROTECTION_FAULT_STATUS__PERMISSION_FAULTS),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR, VM_L2_PROTECTION_FAULT_STATUS__MAPPING_ERROR),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__CID, VM_L2_PROTECTION_FAULT_STATUS__CID),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__RW, VM_L2_PROTECTION_FAULT_STATUS__RW),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__ATOMIC, VM_L2_PROTECTION_FAULT_STATUS__ATOMIC),
REG(HGPU_VM_L2_PROTECTION_FAULT_STATUS__VMID, VM_L2_PROTECTION_FAULT_STATUS__VMID),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__PER_VMID_INVALIDATE_REQ, VM_INVALIDATE_ENG0_REQ__PER_VMID_INVALIDATE_REQ),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__FLUSH_TYPE, VM_INVALIDATE_ENG0_REQ__FLUSH_TYPE),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES, VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PTES),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE0, VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE0),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE1, VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE1),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE2, VM_INVALIDATE_ENG0_REQ__INVALIDATE_L2_PDE2),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES, VM_INVALIDATE_ENG0_REQ__INVALIDATE_L1_PTES),
REG(HGPU_VM_INVALIDATE_ENG0_REQ__CLEAR_PROTECTION_FAULT_STATUS_ADDR,
    VM_INVALIDATE_ENG0_REQ__CLEAR_PROTECTION_FAULT_STATUS_ADDR),
REG(HGPU_VM_INVALIDATE_ENG0_ACK__PER_VMID_INVALIDATE_ACK, VM_INVALIDATE_ENG0_ACK__PER_VMID_INVALIDATE_ACK),
REG(HGPU_VM_CONTEXT1_CNTL__ENABLE_CONTEXT, VM_CONTEXT1_CNTL__ENABLE_CONTEXT),
REG(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH, VM_CONTEXT1_CNTL__PAGE_TABLE_DEPTH),
REG(HGPU_VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE, VM_CONTEXT1_CNTL__PAGE_TABLE_BLOCK_SIZE),
REG(HGPU_VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT,
    VM_CONTEXT1_CNTL__RETRY_PERMISSION_OR_INVALID_PAGE_FAULT),
REG(HGPU_VM_CONTEXT_ADDR_HI__MASK, VM_CONTEXT1_PAGE_TABLE_START_ADDR_HI32__LOGICAL_PAGE_NUMBER_HI4),
REG(HGPU_VM_CONTEXT_ADDR_HI__MASK, VM_CONTEXT1_PAGE_TABLE_END_ADDR_HI32__LOGICAL_PAGE_NUMBER_HI4),
VALUE(HGPU_VM_INV_ENGINES, AMD_VM_INVALIDATE_ENGINES),

GROUP("ih: osssys_4_0 registers"),
REG(HGPU_IH_VMID_LUT__PASID, IH_VMID_0_LUT__PASID),
REG(HGPU_IH_RB_CNTL__RB_ENABLE, IH_RB_CNTL__RB_ENABLE),
REG(HGPU_IH_RB_CNTL__RB_SIZE, IH_RB_CNTL__RB_SIZE),
REG(HGPU_IH_RB_CNTL__WPTR_WRITEBACK_ENABLE, IH_RB_CNTL__WPTR_WRITEBACK_ENABLE),
REG(HGPU_IH_RB_CNTL__WPTR_OVERFLOW_ENABLE, IH_RB_CNTL__WPTR_OVERFLOW_ENABLE),
REG(HGPU_IH_RB_CNTL__ENABLE_INTR, IH_RB_CNTL__ENABLE_INTR),
REG(HGPU_IH_RB_CNTL__RPTR_REARM, IH_RB_CNTL__RPTR_REARM),
REG(HGPU_IH_RB_CNTL__MC_SPACE, IH_RB_CNTL__MC_SPACE),
REG(HGPU_IH_RB_CNTL__WPTR_OVERFLOW_CLEAR, IH_RB_CNTL__WPTR_OVERFLOW_CLEAR),
REG(HGPU_IH_RB_BASE_HI__ADDR, IH_RB_BASE_HI__ADDR),
REG(HGPU_IH_RB_WPTR__RB_OVERFLOW, IH_RB_WPTR__RB_OVERFLOW),
REG(HGPU_IH_RB_WPTR__OFFSET, IH_RB_WPTR__OFFSET),
REG(HGPU_IH_RB_WPTR_ADDR_HI__ADDR, IH_RB_WPTR_ADDR_HI__ADDR),
VALUE(HGPU_IH_MC_SPACE_BUS, AMD_VEGA10_IH_MC_SPACE_BUS),
VALUE(HGPU_IH_MC_SPACE_GPU, AMD_VEGA10_IH_MC_SPACE_GPU),

GROUP("ih: clients and sources"),
VALUE(HGPU_IH_CLIENTID_SDMA0, SOC15_IH_CLIENTID_SDMA0),
VALUE(HGPU_IH_CLIENTID_SDMA1, SOC15_IH_CLIENTID_SDMA1),
VALUE(HGPU_IH_CLIENTID_SDMA2, SOC15_IH_CLIENTID_SDMA2),
VALUE(HGPU_IH_CLIENTID_SDMA3, SOC15_IH_CLIENTID_SDMA3),
VALUE(HGPU_IH_CLIENTID_SDMA4, SOC15_IH_CLIENTID_SDMA4),
VALUE(HGPU_IH_CLIENTID_SDMA5, SOC15_IH_CLIENTID_SDMA5),
VALUE(HGPU_IH_CLIENTID_SDMA6, SOC15_IH_CLIENTID_SDMA6),
VALUE(HGPU_IH_CLIENTID_SDMA7, SOC15_IH_CLIENTID_SDMA7),
VALUE(HGPU_IH_CLIENTID_VMC, SOC15_IH_CLIENTID_VMC),
VALUE(HGPU_IH_CLIENTID_GRBM_CP, SOC15_IH_CLIENTID_GRBM_CP),
VALUE(HGPU_SRCID_CP_EOP, GFX_9_0__SRCID__CP_EOP_INTERRUPT),
VALUE(HGPU_SRCID_SDMA_TRAP, SDMA0_4_0__SRCID__SDMA_TRAP),
VALUE(HGPU_SRCID_SDMA_ILLEGAL, AMD_SDMA_V3_0_ILLEGAL_INST),
VALUE(HGPU_SRCID_SDMA_BUS_ERROR, SDMA0_4_0__SRCID__SDMA_ECC),
VALUE(HGPU_SRCID_SDMA_DOORBELL_INVALID, SDMA0_4_0__SRCID__SDMA_DOORBELL_INVALID),
VALUE(HGPU_SRCID_SDMA_POLL_TIMEOUT, SDMA0_4_0__SRCID__SDMA_POLL_TIMEOUT),
VALUE(HGPU_SRCID_SDMA_SRBMWRITE, SDMA0_4_0__SRCID__SDMA_SRBMWRITE),
VALUE(HGPU_SRCID_VM_FAULT, VMC_1_0__SRCID__VM_FAULT),

GROUP("ih: the fault entry as gmc_v9_0 and kfd_int_process_v9 read it"),
VALUE(HGPU_IH_FAULT_DATA1__WRITE, AMD_GMC_V9_0_WRITE_FAULT),
VALUE(HGPU_IH_FAULT_DATA1__RETRY, AMD_GMC_V9_0_RETRY_FAULT),
VALUE(HGPU_IH_FAULT_DATA1__ADDR_HI, AMD_GMC_V9_0_ADDR_HI),
VALUE(HGPU_IH_FAULT_RING__VALID, AMD_KFD_V9_PROT_VALID),
VALUE(HGPU_IH_FAULT_RING__READ, AMD_KFD_V9_PROT_READ),
VALUE(HGPU_IH_FAULT_RING__WRITE, AMD_KFD_V9_PROT_WRITE),
};

/* What has no twin, by name or by the beginning of the name (a trailing *). */
static const struct { const char *name, *why; } own[] = {
	{ "HGPU_TYPES_H", "include guard" }, { "HGPU_SDMA_H", "include guard" }, { "HGPU_PTE_H", "include guard" },
	{ "HGPU_IH_H", "include guard" }, { "HGPU_MQD_H", "include guard" }, { "HGPU_REGS_H", "include guard" },
	{ "HGPU_ASSERT_SIZE", "compile-time helper" },

	{ "HGPU_PCI_*", "PCI identity of an emulated device" },
	{ "HGPU_BAR_*", "own BAR layout" },
	{ "HGPU_MSIX_*", "own" },
	{ "HGPU_DOORBELL_*", "own doorbell layout; 8 bytes a doorbell and 8 KiB a process as SOC15 and the thunk have it" },
	{ "HGPU_VRAM_*", "own limits and size registers" },
	{ "HGPU_SDMA_ENGINES_MIN", "own limit" }, { "HGPU_SDMA_ENGINES_MAX", "own limit" },
	{ "HGPU_DMA_BITS", "48 as on GC 9.4.2 (44 before); an entry has room for 48, compared as HGPU_PTE_ADDR" },
	{ "HGPU_PAGE_SIZE", "from HGPU_PAGE_SHIFT" },
	{ "HGPU_VM_ENTRIES", "from HGPU_VM_BITS" }, { "HGPU_VM_TABLE_SIZE", "from HGPU_VM_BITS" },
	{ "HGPU_VM_SHIFT", "from HGPU_VM_BITS" },

	{ "HGPU_VIRGL_*", "own engine; what a stream holds is Gallium's, of which amdgpu knows nothing" },
	{ "HGPU_IH_FAULT_ENGINE_VIRGL", "own engine" },
	{ "HGPU_ID", "own register" }, { "HGPU_ID_VALUE", "own" },
	{ "HGPU_VERSION", "own register" }, { "HGPU_VERSION_VALUE", "own" },
	{ "HGPU_CAPS", "own register" }, { "HGPU_CAPS__*", "own" }, { "HGPU_SCRATCH", "own register" },
	{ "HGPU_GPU_CLOCK_HZ", "own: the reference clock of the emulated GPU" },
	{ "HGPU_RETRY_INTERVAL*", "own register" },
	{ "HGPU_WALKER_*", "amdgpu prints the field and names no value" },
	{ "HGPU_SDMA_EXCEPTION_*", "own codes in AMD's EXCEPTION field: not public" },
	{ "HGPU_SDMA_CONTEXT_STATUS__RETRY_WAIT", "own bit above AMD's" },
	{ "HGPU_SDMA_CONTEXT_STATUS__POLL_WAIT", "own bit above AMD's" },
	{ "HGPU_SDMA_HQD_CMD*", "own: stands for the CP's MAP_QUEUES and UNMAP_QUEUES" },
	{ "HGPU_SDMA_FAULT_ADDR_*", "own register" }, { "HGPU_SDMA_MQD_BASE_*", "own register" },
	{ "HGPU_SDMA_F32_CNTL__RESET", "own bit; amdgpu resets SDMA through GRBM_SOFT_RESET" },
	{ "HGPU_SDMA_RB_SIZE_LOG2_*", "own limits" }, { "HGPU_IH_RB_SIZE_LOG2_*", "own limits" },
	{ "HGPU_IH_RB_DROPPED", "own register" },
	{ "HGPU_IH_FAULT_DATA2__*", "own: names the context; AMD's data 2 is the retry CAM's index" },
	{ "HGPU_IH_FAULT_RING__EXEC", "bit 6 beside AMD's 3, 4, 5; kfd_int_process_v9.c does not read it" },
	{ "HGPU_MQD_MIDCMD_*", "own use of AMD's mid-command words" },
	{ "HGPU_MQD_ALIGN", "own" },
	{ "HGPU_SDMA_POLL_FUNC_*", "as PM4 WAIT_REG_MEM; only 3 (equal) stands in amdgpu, compared above" },
	{ "HGPU_SDMA_FILLSIZE_*", "log2 of bytes; kfdtest uses 0 and 2, amdgpu has no names for them" },
	{ "HGPU_MC_VM_FB_LOCATION_BASE_RESET", "own: where VRAM starts" },
	/* the entry's layout is compared as a whole, by AMD's own decoder, below */
	{ "HGPU_IH_DW0__*", "compared by amdgpu_ih_decode_iv_helper()" },
	{ "HGPU_IH_DW2__*", "compared by amdgpu_ih_decode_iv_helper()" },
	{ "HGPU_IH_DW3__*", "compared by amdgpu_ih_decode_iv_helper()" },

	/* The register map: own offsets, AMD's names. Fields are compared above. */
	{ "HGPU_RLC_GPU_CLOCK_COUNT_LSB", "own offset" }, { "HGPU_RLC_GPU_CLOCK_COUNT_MSB", "own offset" },
	{ "HGPU_MC_VM_FB_LOCATION_BASE", "own offset" }, { "HGPU_MC_VM_FB_LOCATION_TOP", "own offset" },
	{ "HGPU_MC_VM_XGMI_LFB_CNTL", "own offset" }, { "HGPU_MC_VM_XGMI_LFB_SIZE", "own offset" },
	{ "HGPU_XGMI_HIVE_ID", "own register" }, { "HGPU_XGMI_CNTL", "own register" }, { "HGPU_XGMI_CNTL__*", "own" },
	{ "HGPU_XGMI_NODES", "own: what PF_MAX_REGION can say" },
	{ "HGPU_XGMI_SEGMENT_SHIFT", "own: the most VRAM there is" },
	{ "HGPU_VM_L2_PROTECTION_FAULT_CNTL", "own offset" }, { "HGPU_VM_L2_PROTECTION_FAULT_STATUS", "own offset" },
	{ "HGPU_VM_L2_PROTECTION_FAULT_ADDR_LO32", "own offset" }, { "HGPU_VM_L2_PROTECTION_FAULT_ADDR_HI32", "own offset" },
	{ "HGPU_VM_INVALIDATE_ENG_BASE", "own offset" }, { "HGPU_VM_INVALIDATE_ENG_STRIDE", "own offset" },
	{ "HGPU_VM_INVALIDATE_ENG_SEM", "own offset" }, { "HGPU_VM_INVALIDATE_ENG_REQ", "own offset" },
	{ "HGPU_VM_INVALIDATE_ENG_ACK", "own offset" },
	{ "HGPU_VM_CONTEXT_BASE", "own offset" }, { "HGPU_VM_CONTEXT_STRIDE", "own offset" },
	{ "HGPU_VM_CONTEXT_CNTL", "own offset" }, { "HGPU_VM_CONTEXT_PAGE_TABLE_*", "own offset" },
	{ "HGPU_IH_VMID_LUT", "own offset" }, { "HGPU_IH_RB_CNTL", "own offset" }, { "HGPU_IH_RB_BASE", "own offset" },
	{ "HGPU_IH_RB_BASE_HI", "own offset" }, { "HGPU_IH_RB_RPTR", "own offset" }, { "HGPU_IH_RB_WPTR", "own offset" },
	{ "HGPU_IH_RB_WPTR_ADDR_LO", "own offset" }, { "HGPU_IH_RB_WPTR_ADDR_HI", "own offset" },
	{ "HGPU_SDMA_BASE", "own offset" }, { "HGPU_SDMA_STRIDE", "own offset" },
	{ "HGPU_SDMA_CTX_*", "own layout; AMD has the same contexts (GFX, PAGE, RLC0-7)" },
	{ "HGPU_SDMA_CTXS", "own" },
	{ "HGPU_SDMA_RB_CNTL", "own offset" }, { "HGPU_SDMA_RB_BASE", "own offset" },
	{ "HGPU_SDMA_RB_BASE_HI", "own offset" }, { "HGPU_SDMA_RB_RPTR", "own offset" },
	{ "HGPU_SDMA_RB_RPTR_HI", "own offset" }, { "HGPU_SDMA_RB_WPTR", "own offset" },
	{ "HGPU_SDMA_RB_WPTR_HI", "own offset" }, { "HGPU_SDMA_RB_RPTR_ADDR_HI", "own offset" },
	{ "HGPU_SDMA_RB_RPTR_ADDR_LO", "own offset" }, { "HGPU_SDMA_IB_CNTL", "own offset" },
	{ "HGPU_SDMA_IB_OFFSET", "own offset" }, { "HGPU_SDMA_IB_BASE_LO", "own offset" },
	{ "HGPU_SDMA_IB_BASE_HI", "own offset" }, { "HGPU_SDMA_IB_SIZE", "own offset" },
	{ "HGPU_SDMA_CONTEXT_STATUS", "own offset" }, { "HGPU_SDMA_DOORBELL", "own offset" },
	{ "HGPU_SDMA_DOORBELL_OFFSET", "own offset" }, { "HGPU_SDMA_CNTL", "own offset" },
	{ "HGPU_SDMA_F32_CNTL", "own offset" }, { "HGPU_SDMA_STATUS_REG", "own offset" },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static unsigned int tests, failures;

static void result(bool ok, const char *text)
{
	tests++;
	failures += !ok;
	printf("%sok %u - %s\n", ok ? "" : "not ", tests, text);
}

static void compare_groups(void)
{
	char text[160];
	size_t i = 0;

	while (i < N(checks)) {
		const char *group = checks[i++].group;
		unsigned int n = 0;
		bool ok = true;

		for (; i < N(checks) && !checks[i].group; i++, n++) {
			const struct check *c = &checks[i];

			if (c->ours == c->theirs)
				continue;
			ok = false;
			printf("# %s is %#" PRIx64 ", %s is %#" PRIx64 "\n", c->name, c->ours, c->twin, c->theirs);
		}
		snprintf(text, sizeof(text), "%s (%u compared)", group, n);
		result(ok, text);
	}
}

/* An entry made with our masks, read by AMD's own decoder. */
static void decode_entry(void)
{
	static uint32_t ring[8];
	struct amdgpu_ih_ring ih = { .ring = ring, .rptr = 0 };
	struct amdgpu_iv_entry e = { 0 };
	bool ok;

	ring[0] = FIELD_PREP(HGPU_IH_DW0__CLIENT_ID, 0x12) | FIELD_PREP(HGPU_IH_DW0__SRC_ID, 0xe0) |
		  FIELD_PREP(HGPU_IH_DW0__RING_ID, 0x28) | FIELD_PREP(HGPU_IH_DW0__VMID, 0x9) |
		  FIELD_PREP(HGPU_IH_DW0__VMID_SRC, 1);
	ring[1] = 0x89abcdef;
	ring[2] = FIELD_PREP(HGPU_IH_DW2__TIMESTAMP_HI, 0x4567) | FIELD_PREP(HGPU_IH_DW2__TIMESTAMP_SRC, 1);
	ring[3] = FIELD_PREP(HGPU_IH_DW3__PASID, 0x8001) | FIELD_PREP(HGPU_IH_DW3__NODE_ID, 0x5c);
	for (int i = 0; i < 4; i++)
		ring[4 + i] = 0x11111111u * (i + 1);
	amdgpu_ih_decode_iv_helper(NULL, &ih, &e);
	ok = e.client_id == 0x12 && e.src_id == 0xe0 && e.ring_id == 0x28 && e.vmid == 9 && e.vmid_src == 1 &&
	     e.timestamp == 0x456789abcdefull && e.timestamp_src == 1 && e.pasid == 0x8001 &&
	     e.node_id == 0x5c && e.src_data[0] == 0x11111111 && e.src_data[3] == 0x44444444 &&
	     ih.rptr == sizeof(struct hgpu_ih_entry);
	result(ok, "ih: amdgpu_ih_decode_iv_helper() reads our entry");
}

/* Entries are named for a constant, or for an expression that begins with one. */
static bool is_compared(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < N(checks); i++)
		if (checks[i].name && !strncmp(checks[i].name, name, len) &&
		    (!checks[i].name[len] || checks[i].name[len] == ' '))
			return true;
	return false;
}

static bool is_own(const char *name)
{
	for (size_t i = 0; i < N(own); i++) {
		size_t len = strlen(own[i].name);

		if (own[i].name[len - 1] == '*' ? !strncmp(own[i].name, name, len - 1) : !strcmp(own[i].name, name))
			return true;
	}
	return false;
}

static void cover_header(const char *path, unsigned int *names, unsigned int *missing)
{
	char line[512], name[128];
	FILE *f = fopen(path, "r");

	if (!f) {
		printf("# cannot open %s\n", path);
		(*missing)++;
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "#define %127[A-Za-z0-9_]", name) != 1 || strncmp(name, "HGPU_", 5))
			continue;
		(*names)++;
		if (is_compared(name) || is_own(name))
			continue;
		(*missing)++;
		printf("# %s (%s) is neither compared nor listed as our own\n", name, path);
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	unsigned int names = 0, missing = 0;
	char text[160];

	printf("TAP version 13\n");
	compare_groups();
	decode_entry();
	for (int i = 1; i < argc; i++)
		cover_header(argv[i], &names, &missing);
	snprintf(text, sizeof(text), "coverage: each of %u names is compared or listed as our own", names);
	result(names && !missing, text);
	printf("1..%u\n", tests);
	return failures ? 1 : 0;
}
