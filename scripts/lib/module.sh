# shellcheck shell=bash
# hmm_gpu.ko: built outside the kernel's tree, from copies of guest-driver/ and protocol/. The copies
# are shared by all clones (incremental builds); the result is filed under the sources' content, so
# that no clone loads another's driver.

# module_dir VARIANT: where hmm_gpu.ko and hmm_gpu_kunit.ko of these sources are, or are to be.
module_dir() {
	local kernel
	kernel=$(kernel_dir "$1")
	printf '%s-modules/out/%s\n' "$kernel" "$(hash_tree "$HGPU_ROOT/guest-driver" "$HGPU_ROOT/protocol")"
}

# setup_module VARIANT: sets MODULE_OUT, the directory that holds hmm_gpu.ko.
setup_module() {
	local kernel
	kernel=$(kernel_dir "$1")
	MODULE_OUT=$(module_dir "$1")
	if [ ! -f "$HGPU_ROOT/guest-driver/Kbuild" ]; then
		warn "there is no guest-driver/Kbuild yet: no module to build"
		return 0
	fi
	is_ready "$MODULE_OUT" "${KERNEL_SRC-}" || MODULE_OUT=$(with_lock "$kernel-modules/lock" build_module "$1" "$kernel")
}

# Prints where the result is, as build_qemu does.
build_module() {
	local variant=$1 kernel=$2 dir=$2-modules out
	sync_sources "$HGPU_ROOT/protocol" "$dir/work/protocol"
	sync_sources "$HGPU_ROOT/guest-driver" "$dir/work/guest-driver"
	out=$dir/out/$(hash_tree "$dir/work/guest-driver" "$dir/work/protocol")
	rm -f "$dir/work/guest-driver"/*.ko	# one that is no longer built must not be found
	step "hmm_gpu.ko ($variant)" make -C "$kernel/build" M="$dir/work/guest-driver" -j"$(nproc)" modules
	file_result "$out" 10 "$dir/work/guest-driver"/*.ko
}
