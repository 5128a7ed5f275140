# shellcheck shell=bash
# The programs of tests/guest and tests/bench that run in the guest; they are built on the host and filed
# under the content of their sources.

guest_tests_dir() {
	printf '%s/guest-tests/%s\n' "$HGPU_CACHE" "$(hash_text "$(hash_tree "$HGPU_ROOT/tests/guest" "$HGPU_ROOT/protocol")")"
}

setup_guest_tests() {
	local out
	out=$(guest_tests_dir)
	if [ -e "$out/done" ]; then
		touch "$out"
		return 0
	fi
	with_lock "$HGPU_CACHE/guest-tests/lock" build_guest_tests "$out"
}

build_guest_tests() {
	[ ! -e "$1/done" ] || return 0
	step "guest tests" make -C "$HGPU_ROOT/tests/guest" -j"$(nproc)" O="$1"
	: >"$1/done"
	keep_newest 8 "$HGPU_CACHE/guest-tests"
}
