# shellcheck shell=bash
# The guest kernel: variants `default` and `debug`, each built outside its source tree.
#
#   $HGPU_CACHE/kernel/VERSION-VARIANT-KEY/   build/ (what modules are built against), bzImage,
#                                             root/lib/modules/RELEASE, `done` when complete
# KEY follows the configuration, our Kconfig entry and the compiler, so a build is never reused for another.

HGPU_VARIANTS="default debug"

kernel_fragments() {
	printf '%s\n' "$HGPU_ROOT/scripts/guest/kernel.config"
	[ "$1" != debug ] || printf '%s\n' "$HGPU_ROOT/scripts/guest/kernel-debug.config"
}

# kernel_dir VARIANT: where that kernel is, or is to be.
kernel_dir() {
	local src name key fragments
	src=$(kernel_source)
	[ -n "$src" ] || die "there is no kernel source yet" "run scripts/setup"
	mapfile -t fragments < <(kernel_fragments "$1")
	key=$(hash_text "$(hash_files "${fragments[@]}" "$HGPU_ROOT/guest-driver/Kconfig" "$HGPU_ROOT/scripts/guest/Kconfig")" "$(cc -dumpfullversion)")
	name=$(basename "$src")
	[ -z "${KERNEL_SRC-}" ] || name=$name-$(hash_text "$src")
	printf '%s\n' "$HGPU_CACHE/kernel/$name-$1-$key"
}

setup_kernel() {
	local variant=$1 dir
	fetch_kernel
	dir=$(kernel_dir "$variant")
	is_ready "$dir" "${KERNEL_SRC-}" || with_lock "$HGPU_CACHE/kernel/lock" build_kernel "$variant" "$dir"
}

build_kernel() {
	local variant=$1 dir=$2
	is_ready "$dir" "${KERNEL_SRC-}" && return 0	# somebody else built it while we waited
	need_disk 3000
	seed_kernel "$variant" "$dir"
	step "kernel ($variant): configure" configure_kernel "$variant" "$dir"
	step "kernel ($variant): build" make_kernel "$dir"
	step "kernel ($variant): modules" install_kernel "$dir"
	: >"$dir/done"
	keep_newest 3 "$(dirname "$dir")" "*-$variant-*"
}

# Start from the last build of the same source and variant: after a change of configuration
# kbuild then compiles only what that change touches.
seed_kernel() {
	local variant=$1 dir=$2 last
	[ ! -d "$dir" ] || return 0
	last=$(find "$HGPU_CACHE/kernel" -mindepth 1 -maxdepth 1 -name "$(basename "${dir%-*}")-*" \
		-printf '%T@ %p\n' 2>/dev/null | sort -rn | head -n 1 | cut -d' ' -f2-)
	mkdir -p "$dir/build"
	[ -z "$last" ] || cp -a "$last/build" "$dir/"
}

# kernel_make DIR ARG...: make in DIR/build, with our Kconfig entry beside the kernel's own.
kernel_make() {
	local dir=$1 src
	shift
	src=$(kernel_source)
	make -C "$src" O="$dir/build" KBUILD_KCONFIG="$dir/Kconfig" "$@"
}

configure_kernel() {
	local variant=$1 dir=$2 src fragments
	src=$(kernel_source)
	[ ! -e "$src/.config" ] || die "KERNEL_SRC=$src was built in place, so nothing can be built outside of it" \
		"run 'make mrproper' there, or give a clean worktree of it"
	cat "$src/Kconfig" "$HGPU_ROOT/guest-driver/Kconfig" "$HGPU_ROOT/scripts/guest/Kconfig" >"$dir/Kconfig"
	mapfile -t fragments < <(kernel_fragments "$variant")
	# allnoconfig, so that an option is on because a fragment says so and not because it has a default:
	# tinyconfig plus olddefconfig gives a kernel of half again as many files.
	cat "${fragments[@]}" >"$dir/fragments"
	kernel_make "$dir" KCONFIG_ALLCONFIG="$dir/fragments" allnoconfig
	check_kernel_config "$dir/build/.config" "${fragments[@]}"
}

# wanted_options FRAGMENT...: what is to be on; the last fragment that names an option has the last word.
wanted_options() {
	cat "$@" | sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=.*/\1 &/p; s/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1/p' |
		awk '{ v[$1] = $2 } END { for (n in v) if (v[n] != "") print v[n] }'
}

# Kconfig drops what it cannot satisfy without a word; a guest that lacks an option fails much later.
check_kernel_config() {
	local config=$1 line lost=0
	shift
	while read -r line; do
		grep -qxF -- "$line" "$config" && continue
		printf 'not in the resulting .config: %s (there: %s)\n' "$line" \
			"$(grep -E "^(# )?${line%%=*}[= ]" "$config" || echo nothing)"
		lost=$((lost + 1))
	done < <(wanted_options "$@")
	[ $lost = 0 ] || [ -n "${KERNEL_SRC-}" ] || die "$lost options of the fragment did not survive Kconfig"
}

make_kernel() { kernel_make "$1" -j"$(($(nproc) + 1))" bzImage modules; }

install_kernel() {
	local dir=$1
	kernel_make "$dir" INSTALL_MOD_PATH="$dir/root" modules_install
	cp "$dir/build/arch/x86/boot/bzImage" "$dir/bzImage.new"
	mv "$dir/bzImage.new" "$dir/bzImage"
}

# kernel_release_dir DIR: the one directory below lib/modules; nothing before the kernel is built.
kernel_release_dir() { find "$1/root/lib/modules" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | head -n 1; }
