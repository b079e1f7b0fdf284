"""``bpfrec analyze bpftrace`` as a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.program import Done, run_bpfrec, start_bpfrec

SAMPLES = Path(__file__).parents[2] / "sample_traces"


def replay(*arguments: str, trace: str = "build", stdin: str = "") -> Done:
    return run_bpfrec("analyze", "-i", SAMPLES / f"{trace}.bpfrec", "bpftrace", *arguments, stdin=stdin)


def test_a_program_on_the_command_line():
    script = 'tracepoint:syscalls:sys_enter_openat /comm == "hello"/ { @[comm, str(args.filename)] = count(); }'
    done = start_bpfrec("analyze", "-i", SAMPLES / "build.bpfrec", "bpftrace", "-e", script)
    assert done.stdout == "\n\n@[hello, /etc/ld.so.cache]: 1\n@[hello, /lib/x86_64-linux-gnu/libc.so.6]: 1\n"
    assert done.stderr == "Attached 1 probe\n"
    assert done.returncode == 0


def test_a_file_with_parameters_and_options(tmp_path: Path):
    script = tmp_path / "script.bt"
    script.write_text(
        'BEGIN { printf("%d %s %d %s\\n", $1, str($2), getopt("n", 5), getopt("name", "none")); exit(3); }'
    )
    done = replay(str(script), "17", "text", "--n=8", "--name=given")
    assert (done.stdout, done.returncode) == ("17 text 8 given\n\n\n", 3)


def test_from_standard_input_like_an_older_version_as_json():
    done = replay("--like", "0.17", "-f", "json", "-", stdin="BEGIN { @x = 1 == 1; exit(); }")
    assert [json.loads(line) for line in done.stdout.splitlines() if line] == [
        {"type": "attached_probes", "data": {"probes": 1}},
        {"type": "map", "data": {"@x": 1}},
    ]


def test_into_a_file(tmp_path: Path):
    target = tmp_path / "answer"
    done = replay("-o", str(target), "-e", 'BEGIN { printf("here\\n"); exit(); }')
    assert (done.stdout, target.read_text()) == ("", "here\n\n\n")


def test_an_error_stands_first_and_nothing_is_printed():
    done = replay("-e", "BEGIN { print(nope); }")
    assert done.stdout == ""
    assert (
        done.stderr == "stdin:1:15-19: ERROR: Unknown identifier: 'nope'\nBEGIN { print(nope); }\n              ~~~~\n"
    )
    assert done.returncode == 1


def test_what_a_script_tells_at_run_time_has_its_place():
    script = 'macro bad() { errorf("bad: %d", 5); } BEGIN { bad(); warnf("soso"); @a = 0; print(1 / @a); }'
    done = replay("-q", "-e", script)
    by_zero = "Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result."
    assert [line for line in done.stderr.splitlines() if line.startswith("stdin")] == [
        "stdin:1:15-35: ERROR: bad: 5",
        "stdin:1:47-52: ERROR: expanded from",
        "stdin:1:54-67: WARNING: soso",
        f"stdin:1:83-89: WARNING: {by_zero}",
    ]
    assert "Attached" not in done.stderr
    assert "WARNING" not in replay("--no-warnings", "-e", script).stderr
    assert replay("-q", "-e", 'BEGIN { assert(1 == 2, "never"); }').returncode == 1


def test_options_that_a_script_does_not_take():
    script = 'BEGIN { print(getopt("aa", 10, "how many")); print(getopt("b")); }'
    assert replay("-e", script, "--", "--aa=0x10", "--b=False").stdout == "16\nfalse\n\n\n"
    wrong = replay("-e", script, "--", "--aa=False")
    assert (wrong.returncode, wrong.stderr) == (
        1,
        "ERROR: program command line option --aa invalid integer (value: False)\n",
    )
    helped = replay("-e", script, "--", "--help")
    assert helped.returncode == 1
    assert helped.stderr.splitlines()[1:] == ["HINT: expected program options:", "--aa: how many", "--b"]


def test_a_dry_run_checks_and_runs_nothing():
    assert replay("--dry-run", "-e", 'BEGIN { printf("never\\n"); }').stdout == ""
    assert replay("--dry-run", "-e", "BEGIN { nope(); }").returncode == 1


def test_what_fails_while_it_runs_is_a_message():
    done = replay("-e", "t:syscalls:sys_enter_openat { print(str((uint8 *)5)); }")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "bpfrec: the script reads memory that was not recorded: a string at 0x5",
        "A trace has what calls take alone.",
    ]


def test_listing():
    assert replay("-l", "t:syscalls:sys_enter_open").stdout == "tracepoint:syscalls:sys_enter_open\n"
    assert replay("-l", "-v", "tracepoint:syscalls:sys_exit_openat").stdout == (
        "tracepoint:syscalls:sys_exit_openat\n    int __syscall_nr\n    long ret\n"
    )
    assert replay("-lv", "tracepoint:raw_syscalls:sys_enter").stdout == (
        "tracepoint:raw_syscalls:sys_enter\n    long id\n    unsigned long args[6]\n"
    )
    everything = replay("-l").stdout.splitlines()
    assert "tracepoint:syscalls:sys_enter_newstat" in everything
    assert "kprobe:__x64_sys_newstat" in everything
    assert not [line for line in everything if line.startswith("profile")]


def test_sql_of_aggregations_and_why_there_is_none():
    shown = replay("--sql", "-e", "t:syscalls:sys_enter_openat /uid == 0/ { @[comm] = count(); }")
    assert shown.stdout.startswith("SELECT ")
    assert "count(*)" in shown.stdout
    refused = replay("--sql", "-e", "t:syscalls:sys_enter_openat { @ts[tid] = nsecs; }")
    assert refused.stdout == ""
    assert refused.stderr.startswith("stdin:1:31-47: NOTE: no SQL: a map is assigned, and the last event counts")
    assert refused.returncode == 1


def test_samples_of_another_frequency_are_said():
    done = replay("-e", "profile:hz:99 { @[uid != 0] = count(); }", trace="running")
    assert "profile:hz:99 runs at the samples of the trace, 100 a second" in done.stderr
    assert "@[true]:" in done.stdout


def test_a_script_that_is_too_large_is_refused_and_not_cut(tmp_path: Path):
    script = "BEGIN { exit(); }\n" + "/" * (1 << 20)
    (tmp_path / "large.bt").write_text(script)
    for name, stdin in ((str(tmp_path / "large.bt"), ""), ("-", script)):
        done = replay(name, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{name}: larger than 1 MiB" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Give a script"),
        (("/nonexistent/script.bt",), "No such file or directory"),
        (("-p", "1", "-e", "BEGIN { }"), "No such option: -p"),
        (("-c", "ls", "-e", "BEGIN { }"), "bpfrec record -- COMMAND"),
        (("-q", "-l", "t:syscalls:sys_enter_opnat"), "no probe of this trace matches t:syscalls:sys_enter_opnat"),
        (("-e", "BEGIN { }", "--", "--nope"), "HINT: the script asks for no options."),
        (("--like", "0.20", "-e", "BEGIN { }"), "'0.20' is not one of '0.17', 'latest'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str):
    done = replay(*arguments)
    assert said in done.stderr
    assert done.returncode in ((0,) if "-l" in arguments else (1, 2))
    assert "Traceback" not in done.stderr
