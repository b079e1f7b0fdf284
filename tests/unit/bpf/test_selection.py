"""bpf/selection.py: the table that tells the BPF program what to do per system call."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bpfrec.bpf import wire
from bpfrec.bpf.defines import constants_of, selection_defines
from bpfrec.bpf.kernel_facts import KernelFacts
from bpfrec.bpf.program import _CAPTURE, _PLAN
from bpfrec.bpf.selection import (
    CAPTURE_AT_EXIT,
    CAPTURE_BYTES,
    CAPTURE_SOCKADDR,
    CAPTURE_STRING,
    CAPTURES,
    LENGTH_NONE,
    MOST_HELPERS,
    PLAN_AT_EXIT,
    PLAN_COMPAT,
    PLAN_EXEC,
    PLAN_RECORD,
    PLAN_REPLACES_MEMORY,
    PLAN_STACK,
    PLANS,
    Plan,
    PlannedCapture,
    Selection,
    StackChoice,
    plan_table,
)
from bpfrec.formats.kernel.captures import STRUCTS
from bpfrec.formats.kernel.syscalls import syscalls


def plan(name: str, selection: Selection, abi: str = "x86_64") -> Plan:
    return plan_table(selection)[(0 if abi == "x86_64" else PLAN_COMPAT) + syscalls()[name].numbers[abi]]


def test_everything_is_recorded_unless_named() -> None:
    assert all(row.flags & PLAN_RECORD for row in plan_table(Selection()))
    some = Selection(calls=frozenset({"openat"}), unknown_calls=False)
    table = plan_table(some)
    numbers = [syscalls()["openat"].numbers["x86_64"], PLAN_COMPAT + syscalls()["openat"].numbers["i386"]]
    assert [i for i, row in enumerate(table) if row.flags & PLAN_RECORD] == sorted(numbers)


def test_calls_without_a_name_follow_their_switch() -> None:
    for unknown in (True, False):
        table = plan_table(Selection(calls=frozenset(), unknown_calls=unknown))
        assert bool(table[PLAN_COMPAT - 1].flags & PLAN_RECORD) is unknown
        assert bool(table[PLANS - 1].flags & PLAN_RECORD) is unknown


def test_the_rows_for_unknown_calls_are_no_known_call() -> None:
    for abi in ("x86_64", "i386"):
        numbers = {c.numbers[abi]: c.name for c in syscalls().values() if abi in c.numbers}
        high = [name for number, name in numbers.items() if number >= PLAN_COMPAT - 1]
        assert not high, f"{high} have no row of their own: make PLAN_COMPAT larger in both languages"


def test_captures() -> None:
    path = PlannedCapture(1, CAPTURE_STRING)
    assert plan("openat", Selection()).captures == (path,)
    assert plan("rename", Selection()).captures == (PlannedCapture(0, CAPTURE_STRING), path)
    assert plan("clock_nanosleep", Selection()).captures == (PlannedCapture(2, CAPTURE_BYTES, size=16),)
    assert plan("clock_nanosleep", Selection(), "i386").captures == (PlannedCapture(2, CAPTURE_BYTES, size=8),)
    assert plan("sendmsg", Selection(), "i386").captures == (), "a 32-bit message has another layout"
    assert plan("openat", Selection(), "i386").captures == (path,)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pread64", 5),
        ("pwrite64", 5),
        ("readahead", 4),
        ("fallocate", 6),
        ("sync_file_range", 6),
        ("mmap", 1),
        ("select", 1),
    ],
)
def test_32_bit_calls_have_the_arguments_that_are_passed_there(name: str, arguments: int) -> None:
    assert plan(name, Selection(), "i386").nargs == arguments


def test_captures_stand_where_32_bit_calls_have_them() -> None:
    assert plan("fanotify_mark", Selection()).captures == (PlannedCapture(4, CAPTURE_STRING),)
    assert plan("fanotify_mark", Selection(), "i386").captures == (PlannedCapture(5, CAPTURE_STRING),)
    assert plan("select", Selection(), "i386").captures == (), "all that it is given is in memory"
    data = Selection(data_bytes=16)
    assert plan("pwrite64", data, "i386").captures == plan("pwrite64", data).captures != ()


def test_captures_of_structs_whose_size_is_passed() -> None:
    assert plan("clone3", Selection()).captures == (PlannedCapture(0, CAPTURE_BYTES, size=88, length=1),)


def test_captures_of_results() -> None:
    accept = plan("accept", Selection())
    assert accept.captures == (PlannedCapture(1, CAPTURE_SOCKADDR | CAPTURE_AT_EXIT, length=2),)
    assert accept.flags & PLAN_AT_EXIT
    assert not plan("connect", Selection()).flags & PLAN_AT_EXIT


def test_every_call_fits_what_the_program_can_capture() -> None:
    for call in syscalls().values():
        kinds = [c.kind for c in call.captures]
        at_exit = [c.at_exit for c in call.captures]
        assert len(kinds) <= CAPTURES, f"{call.name} has {len(kinds)} captures, and there is room for {CAPTURES}"
        assert at_exit == sorted(at_exit), f"{call.name}: what is captured at exit stands last"
        assert not {"strings", "environment", "buffers"} & set(kinds[:1]), f"{call.name}: a vector has no room inline"
        assert "path" not in kinds[kinds.count("path") :], f"{call.name}: paths stand first"
        assert "msghdr" not in kinds[1:], f"{call.name}: a message is the first capture"
        vectors = {"strings", "environment"} & set(kinds)
        assert not vectors or (call.name in ("execve", "execveat") and kinds[1:] == ["strings", "environment"])
        optional = [c.kind in ("data", "environment") for c in call.captures if not c.at_exit]
        assert optional == sorted(optional), f"{call.name}: the others keep their places when these are left out"
        told = [n for n, c in enumerate(call.captures) if c.at_exit and (c.length or 0) < LENGTH_NONE and c.length]
        limited = [n for n in told if kinds[n] in ("sockaddr", "sockopt")]
        assert limited in ([], [0]), f"{call.name}: the room for a result is noted for the first capture"


def most_bytes(name: str) -> int:
    """What the captures of a call can add to a batch."""
    sizes = {"fd_set": 512, "sockaddr": 128} | dict.fromkeys(STRUCTS, 128)
    parts = 3 if syscalls()[name].captures[0].kind == "msghdr" else 0
    return sum(8 + sizes.get(c.kind, 4104) for c in syscalls()[name].captures) + parts * (8 + 4104)


def test_a_batch_has_room_for_every_call() -> None:
    """WIRE_BATCH_FULL and WIRE_BATCH_MAX of wire.h; a stack and the call itself come on top."""
    itself = 8 + 8 * wire.FRAMES + wire.SYSCALL.itemsize + 8 * wire.ARGS + wire.INLINE_BYTES
    most = {call.name: most_bytes(call.name) for call in syscalls().values() if call.captures}
    worst = max(most, key=most.__getitem__)
    assert 4096 + most[worst] + itself < 24560 - 4112, f"{worst} may add {most[worst]} bytes"


def test_exec_calls_are_marked_even_where_they_are_not_recorded() -> None:
    for name in ("execve", "execveat"):
        flags = plan(name, Selection(calls=frozenset({"read"}), unknown_calls=False)).flags
        assert flags & (PLAN_EXEC | PLAN_REPLACES_MEMORY | PLAN_RECORD) == PLAN_EXEC | PLAN_REPLACES_MEMORY, (
            f"recording of a command begins at its {name}, recorded or not"
        )


def test_calls_with_paths_get_stacks() -> None:
    assert plan("openat", Selection()).flags & PLAN_STACK
    assert not plan("read", Selection()).flags & PLAN_STACK


def test_the_row_that_is_written_is_as_large_as_the_programs() -> None:
    assert _PLAN.size + CAPTURES * _CAPTURE.size == 68, "struct call_plan in plans.c has 68 bytes"


NO_CALLS = StackChoice(failed=False, paths=False)


def test_defines_ask_for_no_more_than_was_asked_for() -> None:
    def names(selection: Selection) -> set[str]:
        named = {d.partition("=")[0] for d in selection_defines(selection, KernelFacts())}
        return named - {"MAX_THREADS", "MAX_LOST_RUNS"}

    assert names(Selection(stacks="off")) == set(), "-a: no filter"
    assert names(Selection(tgids=frozenset({7}), stacks="off")) == {"ONLY_TGID"}, "one process: compiled in, no map"
    assert names(Selection(tgids=frozenset({7, 8}), tids=frozenset({9}))) == {
        "BY_TGID",
        "BY_TID",
        "STACKS",
        "STACKS_OF_FAILED",
    }
    assert names(Selection(tgids=frozenset({7}), tids=frozenset({9}), stacks="off")) == {"BY_TGID", "BY_TID"}
    assert names(Selection(uid=0, failed_only=True, stacks="off")) == {"BY_UID", "FAILED_ONLY"}
    assert names(Selection(environment=True, stacks="off")) == {"ENVIRONMENT"}
    assert names(Selection(profile=99, stacks="off")) == {"PROFILE"}
    assert names(Selection(profile=99, stacks="fp", stack_on=NO_CALLS)) == {"PROFILE", "PROFILE_FP"}
    assert {"PROFILE_FULL", "MAX_PATHS"} <= names(Selection(profile=99, stacks="full", stack_on=NO_CALLS))


def test_full_stacks_and_of_which_calls() -> None:
    def names(on: StackChoice) -> set[str]:
        return {d for d in selection_defines(Selection(stacks="full", stack_on=on), KernelFacts()) if "STACK" in d}

    assert names(StackChoice()) == {"FULL_STACKS", "STACKS_OF_FAILED"}
    assert names(StackChoice(failed=False)) == {"FULL_STACKS"}
    assert names(StackChoice(failed=False, paths=False)) == set()
    named = Selection(stack_on=StackChoice(failed=False, paths=False, calls=frozenset({"read"})))
    assert plan("read", named).flags & PLAN_STACK
    assert not plan("openat", named).flags & PLAN_STACK
    every = Selection(stack_on=StackChoice(every=True))
    assert all(row.flags & PLAN_STACK for row in plan_table(every)), "a call without a name here has none"
    for name in ("exit_group", "rt_sigreturn", "execve"):
        assert plan(name, every).flags & PLAN_REPLACES_MEMORY, f"{name} does not return to where it was called"


def test_a_name_becomes_the_words_that_the_kernel_compares() -> None:
    kept = b"a-name-too-long\0"
    words = constants_of(Selection(comm="a-name-too-long-for-it", stacks="off"))[3:5]
    assert words == [int.from_bytes(kept[8 * i : 8 * i + 8], "little") for i in (0, 1)]
    assert len(constants_of(Selection(comm="\udcff"))) == len(words) + 4 + MOST_HELPERS, "a name need not be UTF-8"


def test_recordings_of_the_same_kind_are_of_the_same_program() -> None:
    one, other = Selection(tgids=frozenset({7})), Selection(tgids=frozenset({8}))
    assert selection_defines(one, KernelFacts()) == selection_defines(other, KernelFacts())
    assert (constants_of(one)[1], constants_of(other)[1]) == (7, 8)
    named = [Selection(comm=comm, uid=uid) for comm, uid in (("a", 0), ("b", 1))]
    assert selection_defines(named[0], KernelFacts()) == selection_defines(named[1], KernelFacts())
    assert constants_of(named[0])[2:4] == [0, ord("a")]
    assert constants_of(named[1])[2:4] == [1, ord("b")]
    assert constants_of(one)[0] == os.getpid(), "the recorder's own calls are never recorded"
    assert constants_of(replace(one, helper_pids=(9, 8)))[5:7] == [9, 8], "... nor those of its helper"
