#!/bin/sh
# The demonstration, as scripts/demo runs it.
#
# RUN-DEFAULT:
# RUN-DEFAULT: --iommu
echo "TAP version 13"
echo "1..1"
if out=$("$HGPU_GUEST_PROGRAMS/demo") && [ "$(printf '%s\n' "$out" | tail -n 1)" = "demo: PASS" ]; then
	echo "ok 1 - demo_passes"
else
	printf '%s\n' "$out" | sed 's/^/# /'
	echo "not ok 1 - demo_passes"
	exit 1
fi
