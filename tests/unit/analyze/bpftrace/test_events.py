"""Scripts at events of traces made row by row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.bpftrace_scripts import body, run_on
from support.trace_builder import MS, START_NS, TraceBuilder

from bpfrec.formats import schema
from bpfrec.formats.errors import BpfrecError


def at(nanoseconds: int) -> int:
    return START_NS + nanoseconds


@pytest.fixture
def on(tmp_path: Path) -> Callable[..., str]:
    """Runs a script on a trace that was built."""

    def run(trace: TraceBuilder, script: str, *parameters: str, **options: Any) -> str:
        path = tmp_path / "trace.bpfrec"
        if not path.exists():
            trace.write(path)
        return body(run_on(path, script, *parameters, **options))

    return run


def maps(printed: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in printed.splitlines():
        if line.startswith('{"type": "map"'):
            found |= json.loads(line)["data"]
    return found


def test_lab_1_in_one_line(lab1_trace: Path):
    script = "t:syscalls:sys_exit_openat /args.ret < 0/ { @[comm, args.ret] = count(); }"
    assert body(run_on(lab1_trace, script)) == "@[server, -14]: 1\n@[server, -2]: 23\n"


def test_names_of_tracepoints_are_not_those_of_calls(on: Callable[..., str]):
    trace = TraceBuilder()
    for number, call in enumerate(("stat", "lstat", "fstat", "uname", "sendfile", "umount2", "newfstatat")):
        trace.call(call, number * MS, 1, 2, 3, 4)
    printed = on(trace, "t:syscalls:sys_enter_* { @[probe] = count(); }")
    names = sorted(line.split("sys_enter_")[1].split("]")[0] for line in printed.splitlines())
    assert names == ["newfstat", "newfstatat", "newlstat", "newstat", "newuname", "sendfile64", "umount"]


def test_events_come_in_the_order_of_time_whatever_the_rows(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("read", 5 * MS, 7, took=10 * MS, ret=1)  # ends last
    trace.call("write", 6 * MS, 8, took=1 * MS, ret=2)
    printed = on(
        trace,
        't:syscalls:sys_enter_read, t:syscalls:sys_enter_write { printf("> %s %d\\n", probe, args.fd); }'
        't:syscalls:sys_exit_read, t:syscalls:sys_exit_write { printf("< %s %d\\n", probe, args.ret); }',
    )
    assert printed.splitlines()[:4] == [
        "> tracepoint:syscalls:sys_enter_read 7",
        "> tracepoint:syscalls:sys_enter_write 8",
        "< tracepoint:syscalls:sys_exit_write 2",
        "< tracepoint:syscalls:sys_exit_read 1",
    ]


def test_calls_seen_from_one_end_alone(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("read", 1 * MS, 1, ret=5, entry_status="before-recording")
    trace.call("read", 2 * MS, 1, ret=None, unfinished="recording-stopped")
    trace.call("read", 3 * MS, 1, ret=-1, entry_status="refused")
    printed = on(trace, "t:syscalls:sys_enter_read { @in++; } t:syscalls:sys_exit_read { @out++; }")
    assert printed == "@in: 1\n@out: 2\n"


def test_calls_of_32_bit_programs_are_seen_by_raw_tracepoints_alone(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("read", 1 * MS, 1, abi="i386", nr=3)
    trace.call("read", 2 * MS, 1)
    printed = on(trace, "t:syscalls:sys_enter_read { @a++; } t:raw_syscalls:sys_enter { @b[args.id]++; }")
    assert printed == "@a: 1\n@b[0]: 1\n@b[3]: 1\n"


def test_arguments_are_registers_and_casts_give_them_a_sign(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("openat", MS, -100 % 2**32, 0x5000, 0o2101, path="/x")
    script = (
        "t:syscalls:sys_enter_openat {"
        ' printf("%d %lld %d %x %p\\n", args.dfd, args.dfd, (int32)args.dfd, args.flags, args.filename);'
        " @[args.dfd, (int32)args.dfd] = count(); }"
    )
    assert on(trace, script) == "-100 4294967196 -100 441 0x5000\n\n\n@[4294967196, -100]: 1\n"


def test_a_pointer_kept_until_the_exit_leads_to_the_recorded_string(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("openat", MS, 0, 0x5000, ret=3, path="/etc/hosts")
    trace.call("open", 2 * MS, 0x6000, ret=-2, path="/nonexistent")
    trace.call("openat", 3 * MS, 0, 0x1, ret=-14, path_status="unreadable")
    trace.call("openat", 4 * MS, 0, 0, ret=-14, path_status="null")
    script = (
        "t:syscalls:sys_enter_open, t:syscalls:sys_enter_openat { @name[tid] = args.filename; }"
        "t:syscalls:sys_exit_open, t:syscalls:sys_exit_openat /@name[tid]/ {"
        ' printf("%s %d\\n", str(@name[tid]), args.ret); delete(@name[tid]); }'
    )
    assert on(trace, script) == "/etc/hosts 3\n/nonexistent -2\n -14\n\n\n@name[4242]: 0x0\n"


def test_strings_are_cut_where_each_version_cuts_them(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("open", MS, 0x5000, path="/" + "x" * 99)
    script = 't:syscalls:sys_enter_open { printf("%s %s\\n", str(args.filename), str(args.filename, 10)); }'
    assert on(trace, script, like="0.17").splitlines()[1] == "/" + "x" * 62 + " /" + "x" * 9
    assert on(trace, script).splitlines()[0] == "/" + "x" * 99 + " /" + "x" * 8
    limited = "config = { max_strlen = 20 } " + script
    assert on(trace, limited).splitlines()[0] == "/" + "x" * 18 + ".. /" + "x" * 8


def test_bytes_that_are_no_text_come_out_as_they_went_in(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("open", MS, 0x5000, path="/a\\xff\\x41", path_status="not-utf8")
    printed = on(trace, "t:syscalls:sys_enter_open { print(str(args.filename)); print(strlen(str(args.filename))); }")
    assert printed.encode("utf-8", "surrogateescape").startswith(b"/a\xff\\x41\n7\n")


def test_structs_behind_pointers(on: Callable[..., str]):
    trace = TraceBuilder()
    call = trace.call("nanosleep", MS, 0x7000, 0x7100)
    trace.add(schema.TIMESPECS, event_id=call, arg=0, tv_sec=3, tv_nsec=-5)
    for number, (address, port) in enumerate((("127.0.0.1", 80), ("::1", 443), ("/run/x", None))):
        call = trace.call("connect", (2 + number) * MS, 5, 0x8000, 16)
        family = (2, 10, 1)[number]
        trace.add(schema.SOCKADDRS, event_id=call, arg=1, family=family, address=address, port=port)
    printed = on(
        trace,
        "t:syscalls:sys_enter_nanosleep { print(args.rqtp->tv_sec); print((args.rqtp.tv_nsec, (*args.rqtp).tv_sec)); }"
        "t:syscalls:sys_enter_connect {"
        " $a = (struct sockaddr *)args.uservaddr;"
        " if ($a->sa_family == 2) {"
        "  $in = (struct sockaddr_in *)args.uservaddr;"
        '  printf("%s %d\\n", ntop($in->sin_addr.s_addr), bswap($in->sin_port)); }'
        " else if ($a->sa_family == 10) {"
        "  $in6 = (struct sockaddr_in6 *)args.uservaddr;"
        '  printf("%s %d\\n", ntop($in6->sin6_addr.in6_u.u6_addr8), bswap($in6->sin6_port)); }'
        ' else { printf("%s\\n", ((struct sockaddr_un *)args.uservaddr)->sun_path); } }',
    )
    assert printed == "3\n(-5, 3)\n127.0.0.1 80\n::1 443\n/run/x\n\n\n"


def test_memory_that_was_not_recorded_is_never_a_number(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("openat", MS, 0, 0x5000, path="/x")
    with pytest.raises(BpfrecError, match="not recorded"):
        on(trace, "t:syscalls:sys_enter_openat { print(*(uint64 *)(args.filename + 4096)); }")
    with pytest.raises(BpfrecError, match="not recorded"):
        on(trace, "t:syscalls:sys_enter_openat { print(str((uint8 *)12345)); }")


def test_vectors_of_strings_are_joined(on: Callable[..., str]):
    trace = TraceBuilder()
    call = trace.call("execve", MS, 0x5000, 0x6000, 0x7000, path="/bin/ls")
    for position, value in enumerate(("ls", "-l", "a b")):
        trace.add(schema.EXEC_ARGS, event_id=call, arg=1, position=position, value=value)
    printed = on(trace, 't:syscalls:sys_enter_execve { join(args.argv); join(args.argv, "|"); }')
    assert printed == "ls -l a b\nls|-l|a b\n\n\n"


def test_names_at_the_exit_are_those_of_then(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.add(schema.THREADS, tid=4242, pid=4242, comm="sh", end_ns=at(MS + 500))
    trace.add(schema.THREADS, tid=4242, pid=4242, comm="ls", start_ns=at(MS + 500))
    trace.call("execve", MS, 0x5000, 0x6000, 0x7000, comm="sh", path="/bin/ls")
    trace.call("read", 2 * MS, 1, comm="ls")
    printed = on(trace, "t:raw_syscalls:sys_enter { @in[comm]++; } t:raw_syscalls:sys_exit { @out[comm]++; }")
    assert printed == "@in[ls]: 1\n@in[sh]: 1\n@out[ls]: 2\n"


def test_a_new_thread_returns_from_clone_too(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.add(schema.THREADS, tid=4243, pid=4242, comm="server", start_ns=at(MS + 100))
    trace.call("clone", MS, 0x3D0F00, ret=4243)
    trace.call("clone", 2 * MS, 0x3D0F00, ret=-11)
    printed = on(
        trace, "t:syscalls:sys_exit_clone { @[tid, args.ret]++; } t:sched:sched_process_fork { @f[args.child_pid]++; }"
    )
    assert printed == "@[4242, -11]: 1\n@[4242, 4243]: 1\n@[4243, 0]: 1\n@f[4243]: 1\n"


def test_the_cpu_on_which_a_new_thread_returns_is_not_known(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.add(schema.THREADS, tid=4243, pid=4242, comm="server", start_ns=at(MS + 100))
    trace.call("clone", MS, 0x3D0F00, ret=4243)
    trace.call("close", 2 * MS, 3)
    with pytest.raises(BpfrecError, match="the CPU on which a new thread began"):
        on(trace, "t:syscalls:sys_exit_* { @[cpu] = count(); }")
    assert on(trace, "t:syscalls:sys_exit_close { @[cpu] = count(); }") == "@[1]: 1\n"


def test_processes_begin_and_end(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.add(schema.PROCESSES, pid=77, ppid=4242, start_ns=at(MS), end_ns=at(5 * MS), comm="ls", uid=7)
    trace.add(schema.THREADS, tid=77, pid=77, comm="sh", start_ns=at(MS), end_ns=at(2 * MS + 400))
    trace.add(schema.THREADS, tid=77, pid=77, comm="ls", start_ns=at(2 * MS + 400), end_ns=at(5 * MS))
    trace.call("execve", 2 * MS, 0x5000, 0x6000, 0x7000, took=800, comm="sh", path="/bin/ls", pid=77)
    printed = on(
        trace,
        't:sched:sched_process_exec { printf("%s %s %d %d\\n", comm, args.filename, args.pid, ppid); }'
        't:sched:sched_process_exit { printf("%s %s %d %d\\n", comm, args.comm, args.pid, uid); }',
    )
    assert printed == "ls /bin/ls 77 4242\nls ls 77 7\n\n\n"


def test_intervals_run_on_the_clock_of_the_trace(on: Callable[..., str]):
    trace = TraceBuilder()
    for number in range(4):
        trace.call("getppid", 300 * number * MS)
    script = (
        "t:syscalls:sys_enter_getppid { @n++; }"
        'interval:ms:500 { printf("%d at %d\\n", @n, elapsed / 1000000); }'
        'interval:1s { printf("second\\n"); }'
        'END { printf("end %d\\n", elapsed / 1000000); }'
    )
    assert on(trace, script).splitlines()[:7] == [
        "2 at 500",
        "4 at 1000",
        "second",
        "4 at 1500",
        "4 at 2000",
        "second",
        "end 2000",
    ]


def test_exit_ends_the_run_at_once_and_the_end_still_runs(on: Callable[..., str]):
    trace = TraceBuilder()
    for number in range(5):
        trace.call("getppid", number * MS)
    script = (
        't:syscalls:sys_enter_getppid { @n++; if (@n == 3) { exit(); printf("never\\n"); } }'
        't:syscalls:sys_enter_getppid { @also++; } END { printf("end\\n"); }'
    )
    assert on(trace, script) == "end\n\n\n@also: 2\n@n: 3\n"


def test_actions_run_in_the_order_of_the_script_and_once_for_each_name(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("getppid", MS)
    script = (
        "t:syscalls:sys_enter_getppid, t:syscalls:sys_enter_getpp* { @twice++; }"
        't:syscalls:sys_enter_getppid { printf("%d\\n", @twice); return; printf("never\\n"); }'
        "t:raw_syscalls:sys_enter { @raw++; }"
    )
    assert on(trace, script) == "2\n\n\n@raw: 1\n@twice: 2\n"


def test_positional_parameters_stand_anywhere(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("read", MS, 5)
    script = 't:syscalls:sys_enter_$1 /args.fd == $2/ { printf("%s %d %d\\n", str($1), $2, $#); print(str($3)); }'
    assert on(trace, script, "read", "5") == "read 5 2\n\n\n\n"


def test_times_are_those_of_the_recording_host(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("read", 1_500 * MS, 5)
    script = 't:syscalls:sys_enter_read { time("%H:%M:%S\\n"); print(strftime("%Y-%m-%d %H:%M:%S.%f", nsecs)); }'
    assert on(trace, script) == "12:00:01\n2026-08-01 12:00:01.500000\n\n\n"


def test_stacks_are_keys_and_values(on: Callable[..., str]):
    trace = TraceBuilder()
    for number in (1, 2):
        trace.add(schema.STACKS, stack_id=number, pid=4242, ts_ns=at(MS), depth=2)
        for depth, (name, ip) in enumerate((("read", 0x100), (f"caller{number}", 0x200 + number))):
            trace.add(schema.FRAMES, stack_id=number, depth=depth, ip=ip, symbol=name, symbol_offset=7, module="/bin/x")
    trace.add(schema.FRAMES, stack_id=1, depth=2, ip=0xABC)
    for number in (1, 2, 2):
        trace.call("read", number * MS, 5, stack_id=number)
    trace_configuration = trace.manifest()
    trace_configuration.configuration |= {"stacks": "full", "stack_on": ["all"]}
    trace.manifest = lambda: trace_configuration  # type: ignore[method-assign]
    shown = "t:syscalls:sys_enter_read { @[ustack] = count(); @one[ustack(1)] = count(); @n[len(ustack)] = count(); }"
    assert on(trace, shown) == (
        "@[\n        read+7\n        caller1+7\n        0xabc\n]: 1\n"
        "@[\n        read+7\n        caller2+7\n]: 2\n"
        "@n[3]: 1\n@n[2]: 2\n"
        "@one[\n        read+7\n]: 3\n"
    )
    older = on(trace, "t:syscalls:sys_enter_read { @[ustack] = count(); }", like="0.17")
    assert "@[\n    read+7\n    caller1+7\n    0xabc\n]: 1\n" in older
    assert "read+7 (/bin/x)" in on(trace, "t:syscalls:sys_enter_read { print(ustack(perf)); }")


def test_a_stack_that_was_not_asked_for_is_not_an_empty_one(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("read", MS, 5, ret=1)
    manifest = trace.manifest()
    manifest.configuration |= {"stacks": "full", "stack_on": ["failed", "paths"]}
    trace.manifest = lambda: manifest  # type: ignore[method-assign]
    with pytest.raises(BpfrecError, match="recorded without one"):
        on(trace, "t:syscalls:sys_exit_read { @[ustack] = count(); }")


def test_json_is_bpftraces(on: Callable[..., str]):
    trace = TraceBuilder()
    for size in (1, 5, 5):
        trace.call("write", size * MS, 1, 2, size)
    printed = on(
        trace,
        "t:syscalls:sys_enter_write { @c[comm, pid] = count(); @h = hist(args.count); @l = lhist(args.count, 0, 10, 5);"
        ' @s[1] = stats(args.count); @a = avg(args.count); @t = (1, "x"); }'
        'END { printf("done\\n"); print((1, "a")); print(1 == 1); clear(@t); }',
        json=True,
    )
    assert [json.loads(line) for line in printed.splitlines()] == [
        {"type": "attached_probes", "count": 2, "data": {"probes": 2}},
        {"type": "printf", "data": "done\n"},
        {"type": "value", "data": [1, "a"]},
        {"type": "value", "data": True},
        {"type": "stats", "data": {"@a": 3}},
        {"type": "map", "data": {"@c": {"server,4242": 3}}},
        {
            "type": "hist",
            "data": {
                "@h": [
                    {"min": 1, "max": 1, "count": 1},
                    {"min": 2, "max": 3, "count": 0},
                    {"min": 4, "max": 7, "count": 2},
                ]
            },
        },
        {"type": "hist", "data": {"@l": [{"min": 0, "max": 4, "count": 1}, {"min": 5, "max": 9, "count": 2}]}},
        {"type": "stats", "data": {"@s": {"1": {"count": 3, "average": 3, "total": 11}}}},
    ]


def test_a_register_has_the_sign_of_its_declared_type(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("lseek", MS, 3, -5, 0)
    trace.call("openat", 2 * MS, 2**32 - 100, 0, 0)
    printed = on(
        trace,
        "t:syscalls:sys_enter_lseek { @o = args.offset; @low = min(args.offset); @[args.offset < 0] = count(); }"
        "t:syscalls:sys_enter_openat { @dfd = args.dfd; }",
    )
    assert printed == "@[true]: 1\n@dfd: 4294967196\n@low: -5\n@o: -5\n"


def test_arguments_and_results_of_raw_syscalls_in_one_script(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("lseek", MS, 3, 5, 0, ret=5)
    script = (
        "t:raw_syscalls:sys_enter { @[args.args[1]] = count(); } t:raw_syscalls:sys_exit { @ret[args.ret] = count(); }"
    )
    assert on(trace, script) == "@[5]: 1\n@ret[5]: 1\n"
    assert on(trace, script + " BEGIN { @x[1] = 2; } interval:ms:1 { @x[1]++; }").startswith("@[5]: 1\n@ret[5]: 1\n")


def test_the_beginning_of_a_path_that_is_no_utf8_is_compared(on: Callable[..., str]):
    trace = TraceBuilder()
    trace.call("openat", MS, 3, 5, 0, path="/etc/\\xff", path_status="not-utf8")
    script = 't:syscalls:sys_enter_openat /strncmp(str(args.filename), "/etc/", 5) == 0/ { @++; }'
    assert on(trace, script) == "@: 1\n"
