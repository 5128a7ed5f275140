# shellcheck shell=bash
# Loads a module in a distribution's kernel: that kernel, the modules it needs from its package, busybox, and
# nothing else, on the machine's own QEMU with a GPU in it.

# kernel_image RELEASE DIR: its package, unpacked into DIR and kept there. Fails where it cannot be had.
kernel_image() {
	local release=$1 dir=$2 package
	[ ! -e "$dir/done" ] || return 0
	rm -rf "$dir"
	mkdir -p "$dir/root"
	for package in "linux-image-$release" "linux-image-$release-unsigned"; do
		(cd "$dir" && apt-get download "$package") && break
	done
	dpkg-deb -x "$dir"/linux-image-*.deb "$dir/root" && rm "$dir"/linux-image-*.deb
	depmod -b "$dir/root" "$release"
	: >"$dir/done"
}

# modules_for MODULE RELEASE ROOT: files of the modules that MODULE depends on, in the order of loading.
modules_for() {
	local name
	modinfo -F depends "$1" | tr ',' '\n' | while read -r name; do
		[ -z "$name" ] || modprobe -d "$3" -S "$2" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# make_initrd MODULE RELEASE ROOT OUT
make_initrd() {
	local tree=$4.tree file name
	rm -rf "$tree"
	mkdir -p "$tree/bin" "$tree/modules" "$tree/proc"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp "$1" "$tree/last.ko"
	modules_for "$1" "$2" "$3" >"$tree/list"
	while read -r file; do
		name=$(basename "${file%%.ko*}").ko
		case $file in *.xz) xz -dc "$file" ;; *.zst) zstd -dc "$file" ;; *) cat "$file" ;; esac >"$tree/modules/$name"
		echo "$name"
	done <"$tree/list" >"$tree/order"
	cat >"$tree/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		while read -r name; do
			/bin/busybox insmod "/modules/$name" || echo "insmod $name failed"
		done </order
		/bin/busybox insmod /last.ko
		echo "insmod ended with $?"
		/bin/busybox poweroff -f
	END
	chmod +x "$tree/init"
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$4"
}

# insmod_says MODULE RELEASE: the console of a boot that loads MODULE.
insmod_says() {
	local image=$HGPU_CACHE/distribution-kernel/$2 initrd
	initrd=$(mktemp)
	kernel_image "$2" "$image" >&2 || return 1
	make_initrd "$1" "$2" "$image/root" "$initrd"
	setup_qemu >&2
	timeout 300 "$QEMU_OUT/qemu-system-x86_64" "${QEMU_FIRMWARE[@]}" -machine q35 -accel tcg -cpu max -smp 2 -m 1G \
		-nodefaults -display none -no-reboot -serial stdio -device hmm-gpu,vram-size=64M \
		-kernel "$image/root/boot/vmlinuz-$2" -initrd "$initrd" \
		-append "console=ttyS0 loglevel=7 panic=-1 mitigations=off no_timer_check" </dev/null
	rm -rf "$initrd" "$initrd.tree"
}
