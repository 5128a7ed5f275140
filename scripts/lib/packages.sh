# shellcheck shell=bash
# The Debian packages, and sources from other suites of the same archive. The machine's own
# package sources stay as they are: what they lack comes through private lists in the cache.

PACKAGES=(
	# building in general
	gcc libc6-dev make patch pkg-config dpkg-dev xz-utils ca-certificates
	# QEMU and the device core
	ninja-build python3 python3-venv libglib2.0-dev zlib1g-dev libpixman-1-dev
	libattr1-dev libcap-ng-dev libfdt-dev libslirp-dev libvirglrenderer-dev libepoxy-dev libgbm-dev libdrm-dev
	# the renderer of its virgl engine: EGL, and Mesa's software rasteriser to run it
	libegl-dev libegl-mesa0 libgl1-mesa-dri
	# its firmware: Debian's QEMU source carries none
	seabios qemu-system-data
	# the guest kernel and its modules
	flex bison bc libelf-dev cpio kmod lz4
	# the guest's shell before the host's root is there
	busybox-static
	# tests
	shellcheck
)

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
	local missing
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	say "missing packages: ${missing[*]}"
	need_root "apt-get install ${missing[*]}"
	step "package lists" as_root apt-get update
	step "packages" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "${missing[@]}"
}

setup_packages() {
	check_release
	need_packages "${PACKAGES[@]}"
	if ! have_meson; then
		need_root "apt-get install -t $MESON_SUITE meson"
		step "meson from $MESON_SUITE" install_meson
	fi
}

check_release() {
	local id=
	# shellcheck disable=SC1091
	[ ! -r /etc/os-release ] || id=$(. /etc/os-release && echo "${ID-} ${VERSION_CODENAME-}")
	[ "$id" = "debian $DEBIAN_RELEASE" ] ||
		warn "this is '${id:-an unknown system}'; the scripts are tried on Debian 12 ($DEBIAN_RELEASE) only"
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		die "this machine has no dpkg and apt-get" \
			"use Debian 12; a chroot made with debootstrap is enough"
	fi
}

missing_packages() {
	dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		awk -v want="$*" '
			$2 == "installed" { have[$1] = 1 }
			END { n = split(want, w, " "); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

have_meson() {
	local have
	have=$(dpkg-query -W -f '${Version}' meson 2>/dev/null) && dpkg --compare-versions "$have" ge 1.5
}

install_meson() {
	private_lists
	as_root env DEBIAN_FRONTEND=noninteractive apt-get "${PRIVATE_APT[@]}" \
		install -y --no-install-recommends -t "$MESON_SUITE" meson
}

# private_lists: lists of the suites that the machine is not set up for, kept in the cache.
# Sets PRIVATE_APT, the options that make apt use them. The archive's address and keyring are
# the machine's own.
private_lists() {
	local dir=$HGPU_CACHE/apt uri
	PRIVATE_APT=(-o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=-
		-o Dir::State::lists="$dir/lists")
	uri=$(archive_uri)
	mkdir -p "$dir/lists/partial"
	cat >"$dir/sources.list.new" <<-EOF
		deb $uri $DEBIAN_RELEASE main
		deb $uri $MESON_SUITE main
		$(printf "deb-src %s main\n" "$uri $QEMU_SUITE" "$uri $THUNK_SUITE" | sort -u)
	EOF
	if cmp -s "$dir/sources.list.new" "$dir/sources.list" && [ "$dir/lists.date" -nt "$dir/sources.list" ] &&
		[ -z "$(find "$dir/lists.date" -mmin +600)" ]; then
		return 0
	fi
	mv "$dir/sources.list.new" "$dir/sources.list"
	as_root apt-get "${PRIVATE_APT[@]}" -o APT::Update::Error-Mode=any update
	: >"$dir/lists.date"
}

archive_uri() {
	local uri
	# shellcheck disable=SC2016
	uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
		awk -v r="$DEBIAN_RELEASE" '$2 == r { print $1; exit }')
	[ -n "$uri" ] || die "apt knows no archive that has $DEBIAN_RELEASE" \
		"see that /etc/apt/sources.list names one and 'apt-get update' succeeds"
	printf '%s\n' "$uri"
}
