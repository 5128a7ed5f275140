#!/bin/bash
# Runs in the guest: kfdtest, every test in a process of its own, as TAP. What a test said is shown if it failed.
#
#   tests/kfdtest/guest.sh DIR GPUS SECONDS TEST...
#
# DIR holds bin/kfdtest; a TEST is GROUP.NAME/MODE, and no test may take more than SECONDS.
set -uo pipefail
dir=$1 gpus=$2 limit=$3
shift 3
export LD_LIBRARY_PATH=$dir/lib
said=$(mktemp)

# They run a shader.
needs_compute() {
	case $1 in
	*.BasicSystemMemTest/*|*.EvictSystemRangeTest/*|*.PartialUnmapSysMemTest/*|*.BasicVramTest/*|KFDSVMEvictTest.QueueTest/*) ;;
	*) return 1 ;;
	esac
}

trouble_in_log() { dmesg | grep -cE 'WARNING: |BUG: |Oops|INFO: task|possible (circular|recursive) locking'; }

# What can be seen of a test that hangs.
show_hang() {
	local task
	for task in /proc/[0-9]*/task/[0-9]*; do
		[ "$(cat "$task/comm" 2>/dev/null)" = kfdtest ] || continue
		echo "# ${task#/proc/} at $(tr '\n' ' ' <"$task/stack" 2>/dev/null)"
	done
	sed "s,^,# stats: ," /sys/kernel/debug/hmm_gpu/0/stats | grep -v ' 0$'
}

# run TEST: its exit status, or "hang".
run() {
	local test timer which
	setsid "$dir/bin/kfdtest" --gtest_filter="$1" --timeout 60000 >"$said" 2>&1 </dev/null &
	test=$!
	sleep "$limit" &
	timer=$!
	wait -n -p which "$test" "$timer"
	status=$?
	if [ "$which" = "$timer" ]; then
		status=hang
		show_hang
	fi
	kill "$timer" 2>/dev/null
	kill -KILL -- "-$test" 2>/dev/null	# and what it forked
	wait "$timer" 2>/dev/null
	for _ in {1..100}; do
		kill -0 -- "-$test" 2>/dev/null || return 0
		sleep 0.1
	done
	show_hang
	echo "Bail out! $1 cannot be killed"
	exit 1
}

# verdict: nothing if the test that just ran is passed; else why not, or SKIP and why.
# gtest calls a test that left itself out passed, and so it does where none matched.
verdict() {
	local left_out
	left_out=$(grep -oiE "skipping.*|test is skipped.*|XNACK mode.*NOT supported|SVM API not supported" "$said" | head -n 1)
	if [ "$status" = hang ]; then
		echo "not done after $limit s"
	elif [ "$status" != 0 ]; then
		echo "exit status $status"
	elif grep -q "Failed .* XNACK mode" "$said"; then
		echo "it ran in the other XNACK mode"
	elif ! grep -q '^\[  PASSED  \] 1 test\.' "$said"; then
		echo "it did not run"
	elif grep -q "retry [0-9]* allocate vram" "$said"; then
		echo "memory was refused"
	elif [ "$(trouble_in_log)" -gt "$trouble" ]; then
		echo "the kernel's log has a report"
	elif [[ $left_out == *"at least two SVM supported GPUs"* && $gpus -lt 2 ]]; then
		echo "SKIP needs two GPUs"	# which the other boot has
	elif [ -n "$left_out" ]; then
		echo "it left itself out: $left_out"
	fi
}

echo "TAP version 13"
echo "1..$#"
machine="$gpus GPU"
[ "$gpus" = 1 ] || machine+=s
n=0 bad=0
for name; do
	n=$((n + 1)) mode=off
	[ "${name##*/}" = 0 ] || mode=on
	label="${name%/*}, XNACK $mode, $machine"
	if needs_compute "$name"; then
		echo "ok $n - $label # SKIP needs the compute engine"
		continue
	fi
	trouble=$(trouble_in_log)
	start=${EPOCHREALTIME/./}
	run "$name"
	time=$(((${EPOCHREALTIME/./} - start) / 100000))
	why=$(verdict)
	case $why in
	'') echo "ok $n - $label # $((time / 10)).$((time % 10)) s" ;;
	SKIP*) echo "ok $n - $label # $why" ;;
	*)
		bad=1
		grep -v '^\[ RUN\|^Note:\|^\[=\|^\[-\|amdgpu_device_initialize\|emu_mode' "$said" | head -n 40 | sed 's,/[^ ]*/kfdtest/src/,,; s/^/#   /'
		echo "# $why"
		echo "not ok $n - $label # $((time / 10)).$((time % 10)) s" ;;
	esac
done
exit $bad
