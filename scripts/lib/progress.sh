# shellcheck shell=bash
# Long steps: one line when they start, where they are, how long they took; output goes to a log.

# step LABEL CMD...: runs CMD with its output in a log. On failure shows the log's end and stops.
step() {
	local label=$1 log start pid status=0
	shift
	mkdir -p "$HGPU_LOGS"
	log=$HGPU_LOGS/$(printf '%s' "$label" | tr -cs 'A-Za-z0-9._' '-').log
	start=$SECONDS
	say "$label ..."
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	show_progress "$pid" "$log" "$label" "$start"
	wait "$pid" || status=$?
	if [ $status != 0 ]; then
		tail -n 30 "$log" >&2
		explain_failure "$log"
		die "'$label' failed after $((SECONDS - start)) s; the whole log is $log"
	fi
	say "$label: done in $((SECONDS - start)) s"
}

# Where a running step is: ninja's own [n/m], or the number of kernel objects built so far.
show_progress() {
	local pid=$1 log=$2 label=$3 start=$4 where last=$SECONDS every=30
	[ -t 2 ] && every=1
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		[ $((SECONDS - last)) -ge $every ] || continue
		last=$SECONDS
		where=$(progress_of "$log")
		if [ -t 2 ]; then
			printf '\r\033[Khmm-gpu: %s: %s s %s' "$label" $((SECONDS - start)) "$where" >&2
		else
			say "$label: $((SECONDS - start)) s $where"
		fi
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# The causes a person can do something about.
explain_failure() {
	if grep -qE 'Could not resolve|Temporary failure resolving|Unable to connect|Failed to fetch' "$1"; then
		warn "a download failed: is there a network, and does 'apt-get update' work?"
	elif grep -q 'No space left on device' "$1"; then
		warn "the disk is full: $(df -h "$HGPU_CACHE" | tail -n 1)"
	elif grep -qE 'Could not get lock|Unable to acquire the dpkg' "$1"; then
		warn "another apt or dpkg is running: wait for it and start again"
	elif grep -qE 'Permission denied|are you root' "$1"; then
		warn "a step was not permitted: run as root, or with sudo installed"
	fi
}

progress_of() {
	local n
	n=$(tail -c 4000 "$1" | tr '\r' '\n' | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1) ||
		n=$(grep -cE '^ +(CC|AS|LD|AR) ' "$1") || n=
	case $n in
	''|'['*) printf '%s\n' "$n" ;;
	*) printf '%s files\n' "$n" ;;
	esac
}
