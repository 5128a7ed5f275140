# shellcheck shell=bash
# Which accelerator works. That /dev/kvm exists proves nothing (a nested or restricted one may
# accept everything and never run a guest), so a guest is booted on it once, for a few seconds.

# pick_accel auto|kvm|tcg: the one to use. The answer for auto is remembered until the host reboots.
pick_accel() {
	local known
	[ "$1" = auto ] || { echo "$1"; return; }
	if [ ! -w /dev/kvm ]; then
		echo tcg
		return
	fi
	known=$HGPU_CACHE/accel/$(hash_text "$(cat /proc/sys/kernel/random/boot_id)" "$(id -u)")
	if [ ! -e "$known" ]; then
		mkdir -p "$(dirname "$known")"
		if kvm_boots; then echo kvm; else echo tcg; fi >"$known.$$"
		mv "$known.$$" "$known"
		say "accelerator: $(cat "$known") (tried with a short boot)"
	fi
	cat "$known"
}

kvm_boots() {
	local kernel
	kernel=$(kernel_dir default)
	timeout -s KILL 10 "$QEMU_OUT/qemu-system-x86_64" "${QEMU_FIRMWARE[@]}" -machine q35 -accel kvm -cpu host -m 256M \
		-nodefaults -display none -no-reboot -serial stdio -kernel "$kernel/bzImage" \
		-initrd "$(guest_initrd)" -append "console=ttyS0 panic=-1 hgpu_probe=1" 2>/dev/null </dev/null |
		grep -q 'hmm-gpu: probe: the guest runs'
}
