#!/bin/sh
# The first lab from end to end: `make demo` runs this. $BPFREC: the command; $SUDO: "sudo" or nothing.
set -eu

here=$(dirname "$0")
folder=build/demo
trace=$folder/trace.bpfrec
mkdir -p "$folder"

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
step() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; }

gcc -g -fno-omit-frame-pointer -O0 "$here/../tests/workloads/server.c" -o "$folder/server"
"$folder/server" >"$folder/server.log" &
server=$!
program=$server
trap 'kill $program 2>/dev/null || :' EXIT

step "bpfrec record -p $server -d 3 -o $trace"
if ! $SUDO "$BPFREC" record -p "$server" -d 3 -o "$trace" --force; then
    trace=sample_traces/lab1-server.bpfrec
    printf '\nRecording is not possible here, for the reason above. The same questions, asked of a recording made elsewhere:\n'
    server=$("$BPFREC" analyze -i "$trace" sql --format csv 'SELECT min(pid) AS pid FROM syscalls' | tail -n 1)
fi

step "bpfrec analyze -i $trace report syscount -c -p $server"
"$BPFREC" analyze -i "$trace" report syscount -c -p "$server"
step "bpfrec analyze -i $trace report failed-opens"
"$BPFREC" analyze -i "$trace" report failed-opens
probe='p::do_nanosleep(struct timespec *time):u64:time->tv_nsec'
step "bpfrec analyze -i $trace report argdist -p $server -H '$probe'"
"$BPFREC" analyze -i "$trace" report argdist -p "$server" -H "$probe"

cat <<END

The server waits for a file that is not there. The recording is $trace; try next:
  $BPFREC analyze -i $trace report summary
  $BPFREC analyze -i $trace report trace 'SyS_open (STRCMP("/etc/tracing-server-example.conf", arg1))' -U -M 1
  $BPFREC analyze -i $trace sql 'SELECT syscall, avg(duration_ns) FROM syscalls GROUP BY 1'
END
