# shellcheck shell=bash
# Whether this machine can render for the device's virgl engine.

# virgl_state: prints "yes", or "no: REASON". For the guest's programs, as HGPU_VIRGL.
virgl_state() {
	local renderer why
	setup_qemu
	renderer=$QEMU_OUT/hmm-gpu-virgl
	if [ ! -x "$renderer" ]; then
		echo "no: QEMU was built without virglrenderer or EGL"
	elif why=$("$renderer" --probe 2>&1); then
		echo yes
	else
		echo "no: ${why%%$'\n'*}"
	fi
}
