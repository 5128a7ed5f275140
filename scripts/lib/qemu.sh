# shellcheck shell=bash
# QEMU with the device built in. One patched tree and build directory per QEMU source and configuration,
# shared by all clones; the device's sources are copied in under a lock, and the binaries filed under
# the sources' content, so that no clone tests another's device.
#
#   $HGPU_CACHE/qemu/VERSION-KEY/tree, build/   and   out/CONTENT/qemu-system-x86_64 and hmm-gpu-virgl,
#   qtest/CONTENT/hmm-gpu-test

# The hook, and for Debian's source what its QEMU needs mended; a tree of QEMU_SRC gets the hook only.
QEMU_PATCHES=("$HGPU_ROOT/qemu-device/qemu-tree.patch")
[ -n "${QEMU_SRC-}" ] || QEMU_PATCHES+=("$HGPU_ROOT/qemu-device/qemu-10.0-tcg-view.patch")

qemu_dir() {
	local src name
	src=$(qemu_source)
	[ -n "$src" ] || die "there is no QEMU source yet" "run scripts/setup"
	name=$(basename "$src")
	[ -z "${QEMU_SRC-}" ] || name=$name-$(hash_text "$src")
	printf '%s\n' "$HGPU_CACHE/qemu/$name-$(hash_text "$(hash_files "${QEMU_PATCHES[@]}")" "${QEMU_CONFIGURE[@]}")"
}

# result_dir KIND TREE...: where what is built from these sources is, or is to be.
result_dir() {
	local dir kind=$1
	shift
	dir=$(qemu_dir)
	printf '%s/%s/%s\n' "$dir" "$kind" "$(hash_tree "$@")"
}

qemu_out()  { result_dir out "$HGPU_ROOT/qemu-device" "$HGPU_ROOT/protocol"; }
qtest_out() { result_dir qtest "$HGPU_ROOT/tests/qtest" "$HGPU_ROOT/protocol"; }

# The -L options: Debian spreads the firmware over two packages.
QEMU_FIRMWARE=(-L /usr/share/seabios -L /usr/share/qemu)

# setup_qemu: sets QEMU_OUT, the directory that holds qemu-system-x86_64.
setup_qemu() {
	local dir
	fetch_qemu
	dir=$(qemu_dir)
	QEMU_OUT=$(qemu_out)
	is_ready "$QEMU_OUT" "${QEMU_SRC-}" || QEMU_OUT=$(with_lock "$dir/lock" build_qemu "$dir")
}

# setup_qtest: sets QTEST_OUT, the directory that holds hmm-gpu-test; empty if there is no such test.
setup_qtest() {
	local dir
	QTEST_OUT=
	[ -e "$HGPU_ROOT/tests/qtest/hmm-gpu-test.c" ] || return 0
	fetch_qemu
	dir=$(qemu_dir)
	QTEST_OUT=$(qtest_out)
	is_ready "$QTEST_OUT" "${QEMU_SRC-}" || QTEST_OUT=$(with_lock "$dir/lock" build_qtest "$dir")
}

# Prints where the result is: filed under what was copied, which a clone that is being edited may
# have left behind by the time the build is done.
build_qemu() {
	local dir=$1 out targets=(qemu-system-x86_64)
	ready_to_build "$dir"
	out=$dir/out/$(hash_tree "$dir/tree/$QEMU_DEVICE_DIR" "$dir/tree/$QEMU_PROTOCOL_DIR")
	step "QEMU: build" ninja -C "$dir/build" qemu-system-x86_64
	if grep -q "^build $QEMU_RENDERER:" "$dir/build/build.ninja"; then
		targets+=("$QEMU_RENDERER")
		step "QEMU: renderer" ninja -C "$dir/build" "$QEMU_RENDERER"
	fi
	file_result "$out" 10 "${targets[@]/#/$dir/build/}"
}

build_qtest() {
	local dir=$1 out
	ready_to_build "$dir"
	out=$dir/qtest/$(hash_tree "$dir/tree/$QEMU_QTEST_DIR" "$dir/tree/$QEMU_PROTOCOL_DIR")
	step "QEMU: qtest" ninja -C "$dir/build" "$QEMU_QTEST_DIR/hmm-gpu-test"
	file_result "$out" 4 "$dir/build/$QEMU_QTEST_DIR/hmm-gpu-test"
}

# ready_to_build DIR: patched tree, our sources in it, configured.
ready_to_build() {
	local dir=$1
	if ! is_ready "$dir" "${QEMU_SRC-}"; then
		need_disk 3000
		step "QEMU: prepare the tree" prepare_qemu "$dir/tree"
		: >"$dir/done"
	fi
	keep_newest 2 "$(dirname "$dir")"
	copy_device "$dir/tree"
	[ -e "$dir/build/build.ninja" ] || step "QEMU: configure" configure_qemu "$dir"
}

# prepare_qemu TREE: a copy of the sources, with the patches. Done again for a person's own tree, so it must
# not touch what did not change: a newer date on a meson.build costs a configure.
prepare_qemu() {
	local tree=$1 src tmp f
	src=$(qemu_source)
	mkdir -p "$tree"
	find "$src" -mindepth 1 -maxdepth 1 ! -name .git ! -name 'build*' -exec cp -ru --preserve=timestamps,mode -t "$tree" {} +
	tmp=$(mktemp -d)
	sed -n 's,^+++ b/,,p' "${QEMU_PATCHES[@]}" >"$tmp/files"
	(cd "$src" && xargs cp --parents -t "$tmp" <"$tmp/files")
	cat "${QEMU_PATCHES[@]}" | patch -d "$tmp" -p1 --no-backup-if-mismatch
	while read -r f; do
		cmp -s "$tmp/$f" "$tree/$f" || cp "$tmp/$f" "$tree/$f"
	done <"$tmp/files"
	rm -rf "$tmp"
}

# Where the patch expects our sources.
QEMU_DEVICE_DIR=hw/misc/hmm-gpu			# qemu-device/
QEMU_PROTOCOL_DIR=include/hw/misc/hmm-gpu	# protocol/
QEMU_QTEST_DIR=tests/qtest/hmm-gpu		# tests/qtest/
QEMU_RENDERER=$QEMU_DEVICE_DIR/virgl/hmm-gpu-virgl	# made where virglrenderer and EGL are found

copy_device() {
	local tree=$1
	sync_sources "$HGPU_ROOT/qemu-device" "$tree/$QEMU_DEVICE_DIR"
	sync_sources "$HGPU_ROOT/protocol" "$tree/$QEMU_PROTOCOL_DIR"
	sync_sources "$HGPU_ROOT/tests/qtest" "$tree/$QEMU_QTEST_DIR"
	# Meson does not notice a file that appeared; the build files look for some.
	(cd "$tree" && find $QEMU_DEVICE_DIR $QEMU_QTEST_DIR -type f | sort) >"$tree/hmm-gpu.new"
	cmp -s "$tree/hmm-gpu.new" "$tree/hmm-gpu.files" || touch "$tree/$QEMU_DEVICE_DIR/meson.build"
	mv "$tree/hmm-gpu.new" "$tree/hmm-gpu.files"
}

configure_qemu() {
	mkdir -p "$1/build"
	cd "$1/build" && ../tree/configure "${QEMU_CONFIGURE[@]}"
}
