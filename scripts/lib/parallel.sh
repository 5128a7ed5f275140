# shellcheck shell=bash
# Running several things at a time.

# in_parallel RUN SHOW ITEM...: `RUN ITEM` for each item, as many at a time as there are CPUs; then `SHOW ITEM STATUS`
# with RUN's output on its stdin, in the items' order and as soon as those before have been shown. Fails if any RUN
# or SHOW did.
in_parallel() {
	local run=$1 show=$2 items item dir n=0 shown=0 failed=0
	shift 2
	items=("$@")
	dir=$(mktemp -d)
	for item; do
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
			wait -n || true
			show_what_has_ended
		done
		{
			status=0
			"$run" "$item" >"$dir/$n.out" 2>&1 </dev/null || status=$?
			echo $status >"$dir/$n.status"
		} &
		n=$((n + 1))
	done
	while [ "$(jobs -rp | wc -l)" -gt 0 ]; do
		wait -n || true
		show_what_has_ended
	done
	show_what_has_ended
	rm -rf "$dir"
	[ $shown = $n ] || die "'$run ${items[$shown]}' was killed"
	[ $failed = 0 ]
}

# With in_parallel()'s variables.
show_what_has_ended() {
	local status
	while [ -s "$dir/$shown.status" ]; do
		status=$(cat "$dir/$shown.status")
		"$show" "${items[$shown]}" "$status" <"$dir/$shown.out" && [ "$status" = 0 ] || failed=1
		shown=$((shown + 1))
	done
}

# A SHOW: the output as it is.
show_output() { cat; }
