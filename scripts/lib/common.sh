# shellcheck shell=bash
# Sourced by every script in scripts/: where things are, how to speak, how to stop.

shopt -s inherit_errexit	# a failure inside $(...) is a failure

HGPU_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
HGPU_CACHE=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/hmm-gpu
HGPU_LOGS=$HGPU_CACHE/log

say()  { printf 'hmm-gpu: %s\n' "$*" >&2; }
warn() { printf 'hmm-gpu: warning: %s\n' "$*" >&2; }

# die MESSAGE [ADVICE]: what happened and why; then what to do next.
die() {
	printf 'hmm-gpu: error: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf 'hmm-gpu: %s\n' "$2" >&2
	exit 1
}

# need_root WHAT: stop, naming WHAT, if it cannot be done as root. Before a step, because sudo may ask for
# a password and a step's output goes to a log.
need_root() {
	[ "$(id -u)" != 0 ] || return 0
	if ! command -v sudo >/dev/null || ! sudo -v; then
		die "this needs root, and sudo does not give it: $1" "run that as root once, then start again"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# hash_files FILE...: 12 hex digits that change with any file's content, not with its place or date.
hash_files() { cat -- "$@" | sha256sum | cut -c1-12; }
hash_text()  { printf '%s\n' "$@" | sha256sum | cut -c1-12; }

# hash_tree DIR...: the same for whole directories of sources, file names included.
hash_tree() {
	local dir
	for dir; do
		[ ! -d "$dir" ] || (cd "$dir" && list_sources | xargs -r sha256sum)
	done | sha256sum | cut -c1-12
}

# Sources below the current directory: what a build may read, not what it leaves behind.
list_sources() {
	find . -type f \( -name '*.[chS]' -o -name 'Kconfig' -o -name 'Kbuild' -o -name 'Makefile' \
		-o -name 'meson.build' -o -name 'trace-events' -o -name '*.txt' \) \
		! -name '*.mod.c' ! -name '.*' ! -path '*/build/*' -printf '%P\n' | LC_ALL=C sort
}

# sync_sources FROM TO: make TO hold FROM's sources. A file whose content did not change keeps
# its date, so that the build after it is incremental; a file that went away in FROM goes in TO.
sync_sources() {
	local from=$1 to=$2 f
	mkdir -p "$to"
	while read -r f; do
		cmp -s "$from/$f" "$to/$f" && continue
		mkdir -p "$(dirname "$to/$f")"
		cp -- "$from/$f" "$to/$f"
	done < <(cd "$from" && list_sources)
	LC_ALL=C comm -13 <(cd "$from" && list_sources) <(cd "$to" && list_sources) |
		while read -r f; do rm -f -- "$to/$f"; done
}


# keep_newest N DIR [PATTERN]: drop all but the N most recently used entries of a cache directory.
# An entry is used when its `done` is touched.
keep_newest() {
	local entry
	find "$2" -mindepth 2 -maxdepth 2 -name 'done' -path "$2/${3-*}/done" -printf '%T@ %h\n' | sort -rn |
		tail -n +$(($1 + 1)) | cut -d' ' -f2- | while read -r entry; do rm -rf -- "$entry" "$entry-modules"; done
}

# is_ready DIR [OWN-SOURCE]: DIR was built. What comes from a person's own tree (QEMU_SRC, KERNEL_SRC) is
# built again by scripts/setup, which looks for changes in that tree; the other scripts take it as it is.
is_ready() {
	[ -e "$1/done" ] || return 1
	[ -z "${2-}" ] || [ -z "${HGPU_LOOK_FOR_CHANGES-}" ] || return 1
	touch "$1/done"
}

# with_lock FILE CMD...: one process at a time; says so when it has to wait. Never call it as a
# condition: that would switch `set -e` off in CMD.
with_lock() {
	local file=$1
	shift
	mkdir -p "$(dirname "$file")"
	(
		exec 9>"$file"
		if ! flock -n 9; then
			say "waiting for another build (lock $file)"
			flock 9
		fi
		"$@"
	)
}

# file_result OUT KEEP FILE...: put FILEs in OUT, drop all but KEEP of its siblings, print OUT.
file_result() {
	local out=$1 keep=$2
	shift 2
	rm -rf "$out"
	mkdir -p "$out"
	cp -t "$out" -- "$@"
	: >"$out/done"
	keep_newest "$keep" "$(dirname "$out")"
	printf '%s\n' "$out"
}
