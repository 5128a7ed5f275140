# shellcheck shell=bash
# This project's own Meson build: the device core with its unit tests, and the guest's test programs.

HGPU_HOST_BUILD=$HGPU_ROOT/build

# setup_host_build [TARGET ...]: all of it, or what is named. Ninja does not lock its directory, and suites that run
# side by side each want it built.
setup_host_build() { with_lock "$HGPU_HOST_BUILD/lock" build_host_programs "$@"; }

build_host_programs() {
	local options=("-Dkernel-source=$(kernel_source)")
	if [ ! -e "$HGPU_HOST_BUILD/build.ninja" ]; then
		step "host programs: configure" /usr/bin/meson setup "${options[@]}" "$HGPU_HOST_BUILD" "$HGPU_ROOT"
	fi
	step "host programs" ninja -C "$HGPU_HOST_BUILD" "$@"
}

# host_programs SUITE: the programs that tests/SUITE/meson.build made, in the order of their names.
host_programs() {
	find "$HGPU_HOST_BUILD/tests/$1" -maxdepth 1 -type f -perm -u+x ! -name '*.so' 2>/dev/null | LC_ALL=C sort
}
