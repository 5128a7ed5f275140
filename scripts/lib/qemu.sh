# shellcheck shell=bash
# QEMU with the device built in. One patched tree and build directory per QEMU source and configuration,
# shared by all clones; the device's sources are copied in under a lock, and the binaries filed under
# the sources' content, so that no clone tests another's device.
#
#   $HGPU_CACHE/qemu/VERSION-KEY/tree, build/   and   out/CONTENT/{qemu-system-x86_64,hmm-gpu-test}

QEMU_PATCH=$HGPU_ROOT/qemu-device/qemu-tree.patch

qemu_dir() {
	local src name
	src=$(qemu_source)
	[ -n "$src" ] || die "there is no QEMU source yet" "run scripts/setup"
	name=$(basename "$src")
	[ -z "${QEMU_SRC-}" ] || name=$name-$(hash_text "$src")
	printf '%s\n' "$HGPU_CACHE/qemu/$name-$(hash_text "$(hash_files "$QEMU_PATCH")" "${QEMU_CONFIGURE[@]}")"
}

qemu_content() { hash_tree "$HGPU_ROOT/qemu-device" "$HGPU_ROOT/protocol" "$HGPU_ROOT/tests/qtest"; }
qemu_out()     { printf '%s/out/%s\n' "$(qemu_dir)" "$(qemu_content)"; }

# The -L options: Debian spreads the firmware over two packages.
QEMU_FIRMWARE=(-L /usr/share/seabios -L /usr/share/qemu)

# setup_qemu: sets QEMU_OUT, the directory that holds qemu-system-x86_64 and hmm-gpu-test.
setup_qemu() {
	fetch_qemu
	QEMU_OUT=$(qemu_out)
	if [ -e "$QEMU_OUT/done" ] && [ -z "${QEMU_SRC-}" ]; then
		touch "$QEMU_OUT"
		return 0
	fi
	QEMU_OUT=$(with_lock "$(qemu_dir)/lock" build_qemu "$(qemu_dir)")
}

# Prints where the result is: filed under what was copied, which a clone that is being edited may
# have left behind by the time the build is done.
build_qemu() {
	local dir=$1 out
	if [ ! -e "$dir/tree.done" ]; then
		need_disk 3000
		step "QEMU: prepare the tree" prepare_qemu "$dir"
		: >"$dir/tree.done"
	fi
	copy_device "$dir/tree"
	out=$dir/out/$(hash_tree "$dir/tree/hw/misc/hmm-gpu" "$dir/tree/include/hw/misc/hmm-gpu" "$dir/tree/tests/qtest/hmm-gpu")
	[ -e "$dir/build/build.ninja" ] || step "QEMU: configure" configure_qemu "$dir"
	step "QEMU: build" make_qemu "$dir"
	rm -rf "$out"
	mkdir -p "$out"
	cp "$dir/build/qemu-system-x86_64" "$out/"
	[ ! -e "$dir/build/$QEMU_QTEST" ] || cp "$dir/build/$QEMU_QTEST" "$out/"
	: >"$out/done"
	keep_newest 10 "$dir/out"
	printf '%s\n' "$out"
}

# A person's own tree is only linked to, never written: the patched files and ours become real files.
prepare_qemu() {
	local dir=$1 src
	src=$(qemu_source)
	rm -rf "$dir/tree" "$dir/build"
	mkdir -p "$dir/tree"
	if [ -n "${QEMU_SRC-}" ]; then
		(cd "$src" && find . -mindepth 1 -maxdepth 1 ! -name '.git' ! -name 'build*' -exec cp -rs "$src/{}" "$dir/tree/" \;)
		sed -n 's,^+++ b/,,p' "$QEMU_PATCH" | while read -r f; do cp --remove-destination "$src/$f" "$dir/tree/$f"; done
	else
		cp -a "$src/." "$dir/tree/"
	fi
	patch -d "$dir/tree" -p1 --no-backup-if-mismatch <"$QEMU_PATCH"
}

QEMU_QTEST=tests/qtest/hmm-gpu/hmm-gpu-test

# copy_device TREE: our sources, where the patch expects them.
copy_device() {
	local tree=$1
	sync_sources "$HGPU_ROOT/qemu-device" "$tree/hw/misc/hmm-gpu"
	sync_sources "$HGPU_ROOT/protocol" "$tree/include/hw/misc/hmm-gpu"
	sync_sources "$HGPU_ROOT/tests/qtest" "$tree/tests/qtest/hmm-gpu"
}

configure_qemu() {
	mkdir -p "$1/build"
	cd "$1/build" && ../tree/configure "${QEMU_CONFIGURE[@]}"
}

make_qemu() {
	local targets=(qemu-system-x86_64)
	[ ! -e "$1/tree/$QEMU_QTEST.c" ] || targets+=("$QEMU_QTEST")
	ninja -C "$1/build" "${targets[@]}"
}
