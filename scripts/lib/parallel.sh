# shellcheck shell=bash
# Running several things at a time.

# in_parallel RUN SHOW ITEM...: `RUN ITEM` for each item, as many at a time as there are CPUs; then `SHOW ITEM STATUS`
# with RUN's output on its stdin, in the items' order and as soon as those before have been shown. Fails if any RUN
# or SHOW did. RUN has a shell of its own. SHOW has not and may set its caller's variables, which is why the ones
# here have names that nobody else uses.
in_parallel() {
	local par_run=$1 par_show=$2 par_items par_item par_dir par_started=0 par_shown=0 par_failed=0
	shift 2
	par_items=("$@")
	par_dir=$(mktemp -d)
	for par_item; do
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
			wait -n || true
			show_what_has_ended
		done
		run_for_show "$par_run" "$par_item" "$par_dir/$par_started" &
		par_started=$((par_started + 1))
	done
	while [ "$(jobs -rp | wc -l)" -gt 0 ]; do
		wait -n || true
		show_what_has_ended
	done
	show_what_has_ended
	rm -rf "$par_dir"
	[ $par_shown = $par_started ] || die "'$par_run ${par_items[$par_shown]}' was killed"
	[ $par_failed = 0 ]
}

# run_for_show RUN ITEM FILE: RUN's output in FILE.out; its status, once it has ended, in FILE.status.
run_for_show() {
	local status=0
	("$1" "$2" >"$3.out" 2>&1 </dev/null) || status=$?
	echo $status >"$3.status"
}

# With in_parallel()'s variables.
show_what_has_ended() {
	local par_status
	while [ -s "$par_dir/$par_shown.status" ]; do
		par_status=$(cat "$par_dir/$par_shown.status")
		"$par_show" "${par_items[$par_shown]}" "$par_status" <"$par_dir/$par_shown.out" && [ "$par_status" = 0 ] ||
			par_failed=1
		par_shown=$((par_shown + 1))
	done
}

# A SHOW: the output as it is.
show_output() { cat; }
