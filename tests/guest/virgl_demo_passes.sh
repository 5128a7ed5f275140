#!/bin/sh
# The demonstration of the virgl engine, as scripts/demo --virgl runs it.
#
# RUN-DEFAULT:
echo "TAP version 13"
echo "1..1"
case ${HGPU_VIRGL-} in
"no: "*)
	echo "ok 1 - virgl_demo_passes # SKIP ${HGPU_VIRGL#no: }"
	exit 0 ;;
esac
file=$(mktemp)
if out=$("$HGPU_GUEST_PROGRAMS/virgl_demo" "$file") && [ "$(printf '%s\n' "$out" | tail -n 1)" = "demo: PASS" ] &&
	[ "$(head -c 4 "$file" | tail -c 3)" = PNG ]; then
	echo "ok 1 - virgl_demo_passes"
else
	printf '%s\n' "$out" | sed 's/^/# /'
	echo "not ok 1 - virgl_demo_passes"
	exit 1
fi
