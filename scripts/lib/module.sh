# shellcheck shell=bash
# hmm_gpu.ko: built outside the kernel's tree, from copies of guest-driver/ and protocol/. The copies
# are shared by all clones (incremental builds); the result is filed under the sources' content, so
# that no clone loads another's driver.

module_key() { hash_tree "$HGPU_ROOT/guest-driver" "$HGPU_ROOT/protocol"; }

# module_dir VARIANT: where hmm_gpu.ko and hmm_gpu_kunit.ko of these sources are, or are to be.
module_dir() { printf '%s-modules/out/%s\n' "$(kernel_dir "$1")" "$(module_key)"; }
module_ko()  { printf '%s/hmm_gpu.ko\n' "$(module_dir "$1")"; }

setup_module() {
	local out
	out=$(module_dir "$1")
	if [ ! -f "$HGPU_ROOT/guest-driver/Kbuild" ]; then
		warn "there is no guest-driver/Kbuild yet: no module to build"
		return 0
	fi
	if [ -e "$out/done" ] && [ -z "${KERNEL_SRC-}" ]; then
		touch "$out"
		return 0
	fi
	with_lock "$(kernel_dir "$1")-modules/lock" build_module "$1" "$out"
}

build_module() {
	local variant=$1 out=$2 work
	work=$(dirname "$(dirname "$out")")/work
	step "hmm_gpu.ko ($variant)" make_module "$variant" "$work"
	rm -rf "$out"
	mkdir -p "$out"
	find "$work/guest-driver" -name '*.ko' -exec cp -t "$out" {} +
	: >"$out/done"
	keep_newest 8 "$(dirname "$out")"
}

make_module() {
	local work=$2
	sync_sources "$HGPU_ROOT/protocol" "$work/protocol"
	sync_sources "$HGPU_ROOT/guest-driver" "$work/guest-driver"
	make -C "$(kernel_build "$1")" M="$work/guest-driver" -j"$(nproc)" modules
}
