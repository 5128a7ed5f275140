# shellcheck shell=bash
# The sources of QEMU and of the kernel: fetched once, unpacked in the cache, never changed there
# (a build patches a copy or builds outside of them).

HGPU_SRC=$HGPU_CACHE/src

# newest_source NAME SERIES: the newest unpacked source of that series, nothing if there is none.
newest_source() {
	find "$HGPU_SRC" -mindepth 1 -maxdepth 1 -type d -name "$1-$2.*" 2>/dev/null | sort -V | tail -n 1
}

# A person's own trees: checked once, here, where a mistake ends the script.
if [ -n "${QEMU_SRC-}" ]; then
	[ -f "$QEMU_SRC/hw/misc/meson.build" ] || die "QEMU_SRC=$QEMU_SRC is not a QEMU source tree"
	QEMU_SRC=$(cd "$QEMU_SRC" && pwd -P)
fi
if [ -n "${KERNEL_SRC-}" ]; then
	[ -f "$KERNEL_SRC/Kbuild" ] || die "KERNEL_SRC=$KERNEL_SRC is not a Linux source tree"
	KERNEL_SRC=$(cd "$KERNEL_SRC" && pwd -P)
fi

# Nothing if there is none yet.
qemu_source()   { if [ -n "${QEMU_SRC-}" ]; then echo "$QEMU_SRC"; else newest_source qemu "$QEMU_SERIES"; fi; }
kernel_source() { if [ -n "${KERNEL_SRC-}" ]; then echo "$KERNEL_SRC"; else newest_source linux "$KERNEL_SERIES"; fi; }

need_disk() {
	local have
	mkdir -p "$HGPU_CACHE"
	have=$(df -Pk "$HGPU_CACHE" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "$have" -ge "$1" ] || die "$HGPU_CACHE has $have MB left; this step needs $1 MB" \
		"free some space, or set XDG_CACHE_HOME to a place that has it"
}

fetch_qemu() {
	[ -z "$(qemu_source)" ] || return 0
	need_disk 3000
	with_lock "$HGPU_SRC/lock" step "QEMU $QEMU_SERIES source" fetch_qemu_now
}

fetch_qemu_now() {
	local tmp=$HGPU_SRC/.qemu.$$ version
	[ -z "$(qemu_source)" ] || return 0	# another process fetched it while we waited
	rm -rf "$HGPU_SRC"/.qemu.*	# of one that was interrupted
	private_lists
	mkdir -p "$tmp"
	(cd "$tmp" && apt-get "${PRIVATE_APT[@]}" source --download-only "qemu/$QEMU_SUITE")
	dpkg-source --no-check -x "$tmp"/*.dsc "$tmp/tree"
	version=$(sed -n 's/^Version: *\([0-9]*:\)\{0,1\}//p' "$tmp"/*.dsc | head -n 1)
	case $version in
	"$QEMU_SERIES".*) ;;
	*) die "$QEMU_SUITE has QEMU $version, not $QEMU_SERIES" "set QEMU_SRC to a tree of QEMU $QEMU_SERIES" ;;
	esac
	mv -T "$tmp/tree" "$HGPU_SRC/qemu-$version"
	rm -rf "$tmp"
}

fetch_kernel() {
	[ -z "$(kernel_source)" ] || return 0
	need_disk 5000
	with_lock "$HGPU_SRC/lock" step "Linux $KERNEL_SERIES source" fetch_kernel_now
}

# Whichever of the machine's own suites and the private lists has the package; the former first,
# because that is where security updates are.
fetch_kernel_now() {
	local tmp=$HGPU_SRC/.linux.$$ package=linux-source-$KERNEL_SERIES version tarball
	[ -z "$(kernel_source)" ] || return 0	# another process fetched it while we waited
	rm -rf "$HGPU_SRC"/.linux.*
	mkdir -p "$tmp/deb"
	chmod 755 "$tmp"
	if [ -n "$(apt-cache show "$package" 2>/dev/null)" ]; then
		(cd "$tmp" && apt-get download "$package")
	else
		private_lists
		(cd "$tmp" && apt-get "${PRIVATE_APT[@]}" download "$package")
	fi
	version=$(dpkg-deb -f "$tmp"/*.deb Version)
	dpkg-deb -x "$tmp"/*.deb "$tmp/deb"
	tarball=$(find "$tmp/deb" -name "$package.tar.*")
	mkdir "$tmp/tree"
	tar -x --strip-components=1 -C "$tmp/tree" -f "$tarball"
	mv -T "$tmp/tree" "$HGPU_SRC/linux-$version"
	rm -rf "$tmp"
}
