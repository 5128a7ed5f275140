#!/bin/sh
# Runs in the guest: loads the suites' module and turns KUnit's nested report into flat TAP, one line a
# test case (a parameterised case is one: its own line gives the verdict).
set -eu
modprobe kunit
insmod "$1"
cat /sys/kernel/debug/kunit/*/results | awk '
	/^    # Subtest: / { suite = $3 }
	/^    (not )?ok [0-9]+ / {
		n++
		verdict = $1 == "not" ? "not ok" : "ok"
		sub(/^    (not )?ok [0-9]+ (- )?/, "")
		out[n] = verdict " " n " - " suite ": " $0
		bad += verdict == "not ok"
		next
	}
	{ note[n + 1] = note[n + 1] "# " $0 "\n" }	# what a failed expectation said, before its verdict
	END {
		print "TAP version 13"
		print "1.." n + 0
		for (i = 1; i <= n; i++) {
			if (out[i] ~ /^not/) printf "%s", note[i]
			print out[i]
		}
		exit bad > 0 || !n
	}'
