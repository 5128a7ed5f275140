# shellcheck shell=bash
# The two halves of scripts/run in C, and the initramfs that holds one of them.

GUEST_SRC=$HGPU_ROOT/scripts/guest

guest_dir()    { printf '%s/guest/%s\n' "$HGPU_CACHE" "$(hash_files "$GUEST_SRC"/*.[ch])"; }
guest_relay()  { printf '%s/relay\n' "$(guest_dir)"; }
guest_initrd() { printf '%s/initrd.cpio\n' "$(guest_dir)"; }

setup_guest() {
	local out
	out=$(guest_dir)
	is_ready "$out" || with_lock "$HGPU_CACHE/guest/lock" step "guest's init" build_guest "$out"
}

build_guest() {
	local out=$1 tmp=$1.new cflags=(-std=gnu11 -O2 -Wall -Wextra)
	rm -rf "$tmp"
	mkdir -p "$tmp"
	cc "${cflags[@]}" -static -o "$tmp/init" "$GUEST_SRC/init.c"
	cc "${cflags[@]}" -o "$tmp/relay" "$GUEST_SRC/relay.c"
	(cd "$tmp" && echo init | cpio -o -H newc --quiet >initrd.cpio)
	: >"$tmp/done"
	rm -rf "$out"
	mv "$tmp" "$out"
	keep_newest 4 "$HGPU_CACHE/guest"
}
