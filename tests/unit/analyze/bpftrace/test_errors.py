"""Scripts that are refused: the place, bpftrace's words, the remedy."""

from __future__ import annotations

import pytest
from support.bpftrace_scripts import checked, refusal, run

from bpfrec.analyze.bpftrace.holdings import Holdings


def test_an_error_shows_the_place_the_line_and_a_marker():
    assert refusal("BEGIN { $x = nope; }") == (
        "stdin:1:14-18: ERROR: Unknown identifier: 'nope'\nBEGIN { $x = nope; }\n             ~~~~"
    )


def test_what_follows_from_an_error_is_none_of_its_own():
    said = refusal('BEGIN { $a = kaddr("x"); $b = *$a; @m = rand; print(@m); print($a + $b); }').splitlines()
    assert [line for line in said if "ERROR" in line] == [
        "stdin:1:14-24: ERROR: kaddr() cannot be replayed: the trace does not hold the kernel's addresses",
        "stdin:1:41-45: ERROR: rand cannot be replayed: random numbers cannot be replayed",
    ]


def test_a_remedy_that_several_errors_have_is_told_once():
    said = refusal("uprobe:a:b, k:vfs_read { @ = count(); }").splitlines()
    assert [line for line in said if line.startswith("HINT")] == [said[-1]]
    assert "bpfrec analyze bpftrace -l" in said[-1]


def test_tabs_before_the_place_do_not_move_the_marker():
    said = refusal("BEGIN {\n\tprint(nope);\n}").splitlines()
    assert said == ["stdin:2:8-12: ERROR: Unknown identifier: 'nope'", " print(nope);", "       ~~~~"]


def test_all_errors_are_told_at_once():
    said = refusal("BEGIN { print(nope); print(@none); }")
    assert "Unknown identifier: 'nope'" in said
    assert "Undefined map: @none" in said


@pytest.mark.parametrize(
    ("script", "place", "words"),
    [
        ("BEGIN { print(1) ", "1:17-18", "unexpected end of file"),
        ("BEGIN { $x = ; }", "1:14-15", "syntax error, unexpected ;"),
        ("BEGIN { $x = 1 @y }", "1:16-18", "syntax error, unexpected @y"),
        ("BEGIN { ` }", "1:9-10", "syntax error, unexpected `"),
        ("#if 1\nBEGIN { }", "1:1-6", "#if is not known"),
        ("#ifdef X\nBEGIN { }", "2:1-2", "unterminated conditional directive"),
        ("#define F(x x\nBEGIN { }", "1:1-14", "invalid parameters of #define F()"),
        ("BEGIN { $x = 99999999999999999999; }", "1:14-34", "does not fit into 64 bits"),
        ("interval:s:² { }", "1:1-13", "interval needs a unit and a number"),
        ("t:syscalls:sys_enter_openat { print(arg²); }", "1:37-41", "Unknown identifier: 'arg²'"),
        ("BEGIN { $x = 089; }", "1:14-17", "invalid octal number"),
        ("BEGIN { print($x); }", "1:15-17", "Undefined or undeclared variable: $x"),
        ('BEGIN { @x = 1; @x = "a"; }', "1:17-25", "Type mismatch for @x"),
        ('BEGIN { @x[1] = 1; @x["a"] = 1; }', "1:20-27", "Argument mismatch for @x"),
        ("BEGIN { @x[1] = 1; @x = 1; }", "1:20-22", "Argument mismatch for @x"),
        ("BEGIN { @x = count(); @x = 5; }", "1:23-29", "Type mismatch for @x"),
        ("BEGIN { $x = count(); }", "1:14-21", "count() should be assigned to a map"),
        ("BEGIN { count(); }", "1:9-16", "count() should be assigned to a map"),
        ("BEGIN { @x = hist(); }", "1:14-20", "hist() requires 1 to 2 arguments (0 provided)"),
        ('BEGIN { @x = hist("a"); }', "1:19-22", "hist() only supports integer arguments"),
        ("BEGIN { @x = lhist(1, 0, 10, 0); }", "1:14-32", "lhist() step must be >= 1 (0 provided)"),
        ("BEGIN { @x = lhist(1, 10, 0, 1); }", "1:14-32", "lhist() min must be less than max"),
        ("BEGIN { @x = lhist(1, 0, 100000, 1); }", "1:14-36", "lhist() too many buckets"),
        ('BEGIN { system("ls"); }', "1:9-21", "system() is an unsafe function being used in safe mode"),
        ('BEGIN { cat("/etc/passwd"); }', "1:9-27", "cat() cannot be replayed"),
        ("BEGIN { nope(); }", "1:9-15", "Unknown function: 'nope'"),
        ('BEGIN { printf("%d\\n"); }', "1:9-23", "not enough arguments for format string (0 supplied, 1 expected)"),
        ('BEGIN { printf("%d\\n", "a"); }', "1:9-28", "%d specifier expects a value of type integer"),
        ('BEGIN { if ("a") { } }', "1:13-16", "Invalid condition in if()"),
        ("BEGIN { break; }", "1:9-14", "'break' statement should be contained inside a loop"),
        ("BEGIN { unroll (101) { } }", "1:17-20", "unroll maximum value is 100"),
        ('BEGIN { print("a" < "b"); }', "1:15-24", "The < operator can not be used on expressions of types"),
        ("BEGIN { $t = (1, 2); print($t.2); }", "1:28-32", "Invalid tuple index: 2"),
        ("BEGIN { print(-true); }", "1:15-20", "The - operator can not be used on expressions of type 'bool'"),
        (
            "BEGIN { @ = sum(3); print(~@); }",
            "1:27-29",
            "The ~ operator can not be used on expressions of type 'sum_t'",
        ),
        ("BEGIN { print(args.x); }", "1:15-19", "args"),
        ("BEGIN { print(retval); }", "1:15-21", "retval"),
        ("BEGIN { print(rand); }", "1:15-19", "random numbers cannot be replayed"),
        ("BEGIN { print(curtask); }", "1:15-22", "does not hold the kernel's structs"),
        ("BEGIN { print(cpid); }", "1:15-19", "cpid cannot be used without child command"),
        ("BEGIN { @x = 1; clear(@x[1]); }", "1:23-28", "should not be indexed by a key"),
        ("t:syscalls:sys_enter_openat { print(args.nope); }", "1:37-46", "does not contain a field named 'nope'"),
        ("t:syscalls:sys_enter_openat { print(args.common_pid); }", "1:37-52", "common tracepoint fields"),
        ("t:syscalls:sys_enter_openat { @[kstack] = count(); }", "1:33-39", "kstack cannot be replayed here"),
        ("t:syscalls:sys_enter_openat { @[cpu] = count(); }", "1:33-36", "the CPU on which it ended"),
        ("t:syscalls:sys_enter_read { print(str(args.buf)); }", "1:39-47", "the contents were not recorded"),
        ("t:syscalls:sys_enter_newstat { print(args.statbuf->st_size); }", "1:38-59", "was not recorded"),
        ("k:vfs_read { @ = count(); }", "1:1-11", "functions of the kernel are not recorded"),
        ("k:sys_read { @ = count(); }", "1:1-11", "kprobe:__x64_sys_read is."),
        ("uprobe:/bin/bash:readline { @ = count(); }", "1:1-26", "functions of programs are not recorded"),
        ("t:sched:sched_switch { @ = count(); }", "1:1-21", "tracepoints of sched are not recorded"),
        ("t:syscalls:sys_enter_opena { @ = count(); }", "1:1-27", "tracepoint not found: syscalls:sys_enter_opena"),
        ("profile:hz:99 { @ = count(); }", "1:1-14", "record --profile 99 would have taken them"),
        ("interval:s:0 { @ = count(); }", "1:1-13", "interval needs a unit and a number"),
        ("interval:s:$1 { @ = count(); }", "1:1-14", "the probe names $1"),
        ("nope:x { @ = count(); }", "1:1-7", "Invalid probe type: nope"),
        ("config = { nope = 1; } BEGIN { }", "1:12-20", "nope: not a known configuration option"),
        ("macro m($a) { $a } BEGIN { m(1); }", "1:30-31", "expects a variable"),
        ("macro m(a) { m(a) } BEGIN { m(1); }", "", "Recursive macro call detected"),
        ('import "x.h"; BEGIN { }', "1:1-14", "cannot be replayed: a replay reads scripts alone"),
        ('import "none.bt"; BEGIN { }', "1:1-18", "none.bt: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(script: str, place: str, words: str):
    said = refusal(script)
    assert words in said, said
    assert f"stdin:{place}" in said, said


def test_brackets_cannot_exhaust_the_stack():
    assert "nested deeper" in refusal("BEGIN { print(" + "(" * 5000 + "1" + ")" * 5000 + "); }")


@pytest.mark.grid
@pytest.mark.parametrize("part", ["$a - ", "!", "$a ? 2 : ", "$a && ", "$a << ", "$a == "])
def test_chains_run_up_to_a_length_and_are_refused_beyond(part: str):
    assert run("BEGIN { $a = 1; print(" + part * 100 + "$a); exit(); }")
    assert "nested deeper" in refusal("BEGIN { $a = 1; print(" + part * 5000 + "$a); }")


def test_a_call_that_was_not_recorded_is_refused_with_the_option():
    held = Holdings(calls=frozenset({"openat", "read"}))
    said = refusal("t:syscalls:sys_enter_write { @ = count(); }", held=held)
    assert "the trace does not hold this call" in said
    assert "It holds openat, read. record -e write" in said
    checked("t:syscalls:sys_enter_* { @ = count(); }", held=held)


def test_what_0_17_alone_refuses_is_accepted_by_either():
    for script in (
        "t:syscalls:sys_enter_openat { print(args.filename); }",
        "BEGIN { @x[1] = 2; print(@x[1]); }",
        "BEGIN { } BEGIN { }",
        "BEGIN { let $x = 5; for ($i : 0..3) { print($i); } }",
    ):
        checked(script, like="0.17")
        checked(script, like="latest")
