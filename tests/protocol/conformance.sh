#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Compare protocol/'s constants with the amdgpu sources of a Linux tree; prints TAP.
#
#   tests/protocol/conformance.sh [LINUX-TREE]     default: $KERNEL_SRC, else the tree scripts/setup fetched
#
# Whole headers are included as they are. What stands in .c files, or in headers that need a kernel
# around them, is cut out here into amd_extract.h: one #define or one function each.
set -eu
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
linux=${1:-${KERNEL_SRC-}}
if [ -z "$linux" ]; then
	linux=$(bash -c 'for l in common versions sources; do . "$0/scripts/lib/$l.sh"; done; kernel_source' "$root")
fi
amd=$linux/drivers/gpu/drm/amd
if [ -z "$linux" ] || [ ! -d "$amd" ]; then
	echo "TAP version 13"
	echo "1..0 # SKIP no kernel source with drivers/gpu/drm/amd (run scripts/setup, or set KERNEL_SRC)"
	exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# take NAME FILE SED-EXPRESSION: #define NAME as what the expression prints; exactly one line must match.
take() {
	value=$(sed -n "$3" "$amd/$2" | sort -u)
	if [ -z "$value" ] || [ "$(printf '%s\n' "$value" | wc -l)" -ne 1 ]; then
		echo "Bail out! $2 does not have what $1 is read from; see $0"
		exit 1
	fi
	printf '#define %s (%s)\n' "$1" "$value"
}

# extract FILE NAME: a #define with its continuation lines.
extract() {
	awk -v name="$2" '
		on { print; if (!/\\$/) exit }
		!on && $1 == "#define" && ($2 == name || index($2, name "(") == 1) { on = 1; print; if (!/\\$/) exit }
	' "$amd/$1" | grep . || { echo "Bail out! $1 has no $2" >&2; exit 1; }
}

{
	for name in PTE_VALID PTE_SYSTEM PTE_SNOOPED PTE_TMZ PTE_EXECUTABLE PTE_READABLE PTE_WRITEABLE PTE_FRAG \
		PTE_PRT PDE_PTE PTE_TF PDE_BFS VM_NORETRY_FLAGS PTE_MTYPE_VG10_SHIFT PTE_MTYPE_VG10_MASK; do
		extract amdgpu/amdgpu_vm.h AMDGPU_$name
	done
	echo 'enum {'
	sed -n '/^enum amdgpu_vm_level {/,/^};/s/AMDGPU_VM_/AMD_VM_/p' "$amd/amdgpu/amdgpu_vm.h"
	echo '};'
	take AMD_GMC_V9_0_PDE_NOT_ADDR amdgpu/gmc_v9_0.c '/^static void gmc_v9_0_get_vm_pde/,/^}/s/.*BUG_ON(\*addr & \(0x[0-9A-F]*ULL\)).*/\1/p'
	take AMD_GMC_V9_0_RETRY_FAULT amdgpu/gmc_v9_0.c 's/.*bool retry_fault = !!(entry->src_data\[1\] & \(0x[0-9a-f]*\)).*/\1/p'
	take AMD_GMC_V9_0_WRITE_FAULT amdgpu/gmc_v9_0.c 's/.*bool write_fault = !!(entry->src_data\[1\] & \(0x[0-9a-f]*\)).*/\1/p'
	take AMD_GMC_V9_0_ADDR_HI amdgpu/gmc_v9_0.c 's/.*((u64)entry->src_data\[1\] & \(0x[0-9a-f]*\)) << 44.*/\1/p'
	for bit in valid read write; do
		take "AMD_KFD_V9_PROT_$(echo $bit | tr a-z A-Z)" amdkfd/kfd_int_process_v9.c \
			"s/.*info\.prot_$bit *= ring_id & \(0x[0-9a-f]*\).*/\1/p"
	done
	# v4 has no source for an illegal packet: VI's number, from the registration of its interrupt
	take AMD_SDMA_V3_0_ILLEGAL_INST amdgpu/sdma_v3_0.c \
		'/amdgpu_irq_add_id/{N;s/.*AMDGPU_IRQ_CLIENTID_LEGACY, \([0-9]*\),\n.*illegal_inst_irq.*/\1/p}'
	take AMD_VEGA10_IH_MC_SPACE_BUS amdgpu/vega10_ih.c 's/.*MC_SPACE, ih->use_bus_addr ? \([0-9]*\) : [0-9]*.*/\1/p'
	take AMD_VEGA10_IH_MC_SPACE_GPU amdgpu/vega10_ih.c 's/.*MC_SPACE, ih->use_bus_addr ? [0-9]* : \([0-9]*\).*/\1/p'
	take AMD_SDMA_V4_0_COPY_MAX_BYTES amdgpu/sdma_v4_0.c 's/.*\.copy_max_bytes = \(0x[0-9a-f]*\).*/\1/p'
	take AMD_SDMA_V4_0_FILL_MAX_BYTES amdgpu/sdma_v4_0.c 's/.*\.fill_max_bytes = \(0x[0-9a-f]*\).*/\1/p'
	take AMD_SDMA_V4_0_POLL_EQUAL amdgpu/sdma_v4_0.c 's/.*SDMA_PKT_POLL_REGMEM_HEADER_FUNC(\([0-9]*\))); .. == .*/\1/p'
	take AMD_SDMA_V4_0_IB_MASK amdgpu/sdma_v4_0.c 's/.*lower_32_bits(ib->gpu_addr) & \(0x[0-9a-f]*\).*/\1/p'
	# size, block size, levels below the root, bits of an address: one line for all chips with four levels
	take AMD_GMC_V9_0_BLOCK_SIZE amdgpu/gmc_v9_0.c 's/.*amdgpu_vm_adjust_size(adev, [^,]*, \([0-9]*\), 3, [0-9]*);.*/\1/p'
	take AMD_GMC_V9_0_VA_BITS amdgpu/gmc_v9_0.c 's/.*amdgpu_vm_adjust_size(adev, [^,]*, [0-9]*, 3, \([0-9]*\));.*/\1/p'
	take AMD_MMHUB_V1_0_FB_SHIFT amdgpu/mmhub_v1_0.c 's/.*base <<= \([0-9]*\);.*/\1/p'
	extract amdgpu/amdgpu_ids.h AMDGPU_NUM_VMID
	extract amdgpu/amdgpu_gart.h AMDGPU_GPU_PAGE_SHIFT
	printf '#define AMD_SDMA_RLC_QUEUES %s\n' \
		"$(grep -cE 'mmSDMA0_RLC[0-9]+_RB_CNTL[[:space:]]' "$amd/include/asic_reg/sdma0/sdma0_4_2_2_offset.h")"
	printf '#define AMD_VM_INVALIDATE_ENGINES %s\n' \
		"$(grep -cE 'mmVM_INVALIDATE_ENG[0-9]+_REQ[[:space:]]' "$amd/include/asic_reg/gc/gc_9_0_offset.h")"
	cat <<'END'
struct amdgpu_device;
struct amdgpu_ih_ring { uint32_t *ring; uint32_t rptr; };
struct amdgpu_iv_entry { unsigned client_id, src_id, ring_id, vmid, vmid_src; uint64_t timestamp;
	unsigned timestamp_src, pasid, node_id, src_data[4]; };
#define le32_to_cpu(x) (x)
static
END
	sed -n '/^void amdgpu_ih_decode_iv_helper/,/^}/p' "$amd/amdgpu/amdgpu_ih.c"
} >"$tmp/amd_extract.h"
if grep -q '^Bail out!' "$tmp/amd_extract.h"; then
	grep '^Bail out!' "$tmp/amd_extract.h"
	exit 1
fi

cc -std=gnu11 -Wall -Werror -I"$tmp" -I"$root/protocol" -I"$amd" -o "$tmp/conformance" "$here/conformance.c"
"$tmp/conformance" "$root"/protocol/hgpu_*.h
