# shellcheck shell=bash
# AMD's libhsakmt (the "thunk") and kfdtest, from Debian's source package of another suite of the same archive.
# Only the suites kfdtest and thunk need them: where they cannot be had, those say so and skip.
#
#   $HGPU_CACHE/kfdtest/VERSION-RECIPE/    bin/kfdtest, lib/libhsakmt.so.1, include/hsakmt/

THUNK_PACKAGES=(libhsakmt-dev)		# this Debian's own
KFDTEST_PACKAGES=(g++ cmake ninja-build pkg-config libdrm-dev libnuma-dev libgtest-dev llvm-14-dev)

# Nothing if there is none yet.
thunk_source() { newest_source thunk "$THUNK_SERIES"; }

kfdtest_dir() {
	printf '%s/kfdtest/%s-%s\n' "$HGPU_CACHE" "$(basename "$(thunk_source)")" "$(hash_files "$HGPU_ROOT/scripts/lib/kfdtest.sh")"
}

setup_thunk() { need_packages "${THUNK_PACKAGES[@]}"; }

# setup_kfdtest: sets KFDTEST_OUT, the directory that holds bin/kfdtest.
setup_kfdtest() {
	need_packages "${KFDTEST_PACKAGES[@]}"
	fetch_thunk
	KFDTEST_OUT=$(kfdtest_dir)
	is_ready "$KFDTEST_OUT" || with_lock "$HGPU_CACHE/kfdtest/lock" step "kfdtest: build" build_kfdtest "$KFDTEST_OUT"
}

fetch_thunk() {
	[ -z "$(thunk_source)" ] || return 0
	need_disk 200
	with_lock "$HGPU_SRC/lock" step "libhsakmt $THUNK_SERIES source" fetch_thunk_now
}

# Upstream's tarball alone: Debian's patches are for its packages, and kfdtest is to be AMD's.
fetch_thunk_now() {
	local tmp=$HGPU_SRC/.thunk.$$ tarball version
	[ -z "$(thunk_source)" ] || return 0	# another process fetched it while we waited
	rm -rf "$HGPU_SRC"/.thunk.*
	private_lists
	mkdir -p "$tmp/tree"
	(cd "$tmp" && apt-get "${PRIVATE_APT[@]}" source --tar-only --download-only "roct-thunk-interface/$THUNK_SUITE")
	tarball=$(find "$tmp" -maxdepth 1 -name '*.orig.tar.*z')
	version=${tarball##*_}
	version=${version%.orig.tar.*}
	case $version in
	"$THUNK_SERIES".*) ;;
	*) die "$THUNK_SUITE has libhsakmt $version, not $THUNK_SERIES" ;;
	esac
	tar -x --strip-components=1 -C "$tmp/tree" -f "$tarball"
	mv -T "$tmp/tree" "$HGPU_SRC/thunk-$version"
	rm -rf "$tmp"
}

# build_kfdtest OUT: the library, then kfdtest with it. Debian's tarball lacks the gtest that kfdtest brings along,
# so its CMakeLists.txt is told to take this system's; the tests are as AMD wrote them.
build_kfdtest() {
	local out=$1 tmp=$1.new src
	src=$(thunk_source)
	rm -rf "$out" "$tmp"
	mkdir -p "$tmp" "$out"
	cp -r "$src" "$tmp/tree"
	sed -i -e '\,/gtest-1.6.0)$,d' -e 's, gtest-1.6.0/gtest-all.cpp,,' -e 's/^target_link_libraries(kfdtest /&gtest /' \
		"$tmp/tree/tests/kfdtest/CMakeLists.txt"
	cmake -S "$tmp/tree" -B "$tmp/thunk" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=on \
		-DCMAKE_INSTALL_PREFIX="$out" -DCMAKE_INSTALL_LIBDIR=lib
	ninja -C "$tmp/thunk" install
	LIBHSAKMT_PATH=$out cmake -S "$tmp/tree/tests/kfdtest" -B "$tmp/kfdtest" -G Ninja -DCMAKE_BUILD_TYPE=Release \
		-DLLVM_DIR=/usr/lib/llvm-14/lib/cmake/llvm
	ninja -C "$tmp/kfdtest" kfdtest
	install -D -t "$out/bin" "$tmp/kfdtest/kfdtest"
	rm -rf "$tmp"
	: >"$out/done"
	keep_newest 2 "$HGPU_CACHE/kfdtest"
}

# setup_or_skip STEP LOG: scripts/setup STEP for a suite. If that fails, prints the suite's stream; returns 1 if we are
# to blame, 2 if packages or source cannot be had here.
setup_or_skip() {
	local step=$1 log=$2 packages=("${THUNK_PACKAGES[@]}")
	mkdir -p "$(dirname "$log")"
	if "$HGPU_ROOT/scripts/setup" "$step" >"$log" 2>&1; then
		return 0
	fi
	[ "$step" != kfdtest ] || packages=("${KFDTEST_PACKAGES[@]}")
	echo "TAP version 13"
	if [ -n "$(missing_packages "${packages[@]}")" ] || { [ "$step" = kfdtest ] && [ -z "$(thunk_source)" ]; }; then
		echo "1..0 # SKIP $step cannot be had here: $(sed -n 's/^hmm-gpu: error: //p' "$log" | tail -n 1)"
		return 2
	fi
	sed 's/^/# /' "$log"
	echo "1..1"
	echo "not ok 1 - scripts/setup $step"
	return 1
}
