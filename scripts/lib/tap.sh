# shellcheck shell=bash
# Reading and writing TAP. A log may hold several streams, each starting with "TAP version" or "KTAP version".

# tap_count LOG STATUS: "passed failed skipped" over all streams of a suite's output. A stream without
# a plan, or with another number of results than its plan says, is a failure, and so is a suite that
# ended with STATUS != 0 although all its results were good, or that printed no stream at all.
tap_count() {
	awk -v status="$2" '
	function finish() { if (open && (plan < 0 || plan != seen)) f++; open = 0 }
	function begin() { finish(); open = 1; plan = -1; seen = 0; streams++ }
	/^K?TAP version/ { begin(); next }
	/^1\.\.[0-9]+/ {
		if (!open) begin()
		split($1, a, "."); plan = a[3] + 0
		if (plan == 0 && /# *SKIP/) s++
		next
	}
	/^(not )?ok( |$)/ {
		if (!open) begin()
		seen++
		if (/# *SKIP/) s++
		else if (/# *TODO/) s++
		else if (/^ok/) p++
		else f++
	}
	/^Bail out!/ { f++ }
	END {
		finish()
		if (!streams || (status != 0 && !f)) f++
		print p + 0, f + 0, s + 0
	}' "$1"
}

# tap_failures LOG: the failed lines with a little of what was said before each.
tap_failures() {
	grep -B 12 -E '^(not ok|Bail out!)' "$1" | grep -v '^ok' || tail -n 15 "$1"
}

# For suites written in shell: tap_begin; tap_is NAME CMD...; tap_skip NAME WHY; tap_end.
tap_begin() { tap_n=0 tap_bad=0; echo "TAP version 13"; }

tap_report() {
	tap_n=$((tap_n + 1))
	[ "$1" = ok ] || tap_bad=$((tap_bad + 1))
	echo "$1 $tap_n - $2"
}

# tap_is NAME CMD...: CMD's output is shown only if it fails.
tap_is() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		tap_report ok "$name"
	else
		printf '%s\n' "$out" | sed 's/^/# /'
		tap_report "not ok" "$name"
	fi
}

tap_skip() { tap_report ok "$1 # SKIP $2"; }
tap_end()  { echo "1..$tap_n"; [ "$tap_bad" = 0 ]; }
