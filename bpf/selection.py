"""What has to be recorded, in the form in which the BPF program needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bpfrec.formats.kernel.captures import ELEMENTS, captured_bytes, wide
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import Capture, by_number

NATIVE_ABI = "x86_64"

PLANS = 1024
PLAN_COMPAT = 512
"""Rows of the plan table: native calls from 0, 32-bit ones from ``PLAN_COMPAT``. The last of each is for all others."""

PLAN_RECORD, PLAN_STACK, PLAN_REPLACES_MEMORY, PLAN_EXEC, PLAN_SETS_UID, PLAN_AT_EXIT = 1, 2, 4, 8, 16, 32
PLAN_FORKS = 64
CAPTURES = 8
CAPTURE_STRING, CAPTURE_BYTES, CAPTURE_SOCKADDR, CAPTURE_STRINGS, CAPTURE_ARRAY = 1, 2, 3, 4, 5
CAPTURE_BITS, CAPTURE_MESSAGE, CAPTURE_CONTENTS, CAPTURE_BUFFERS = 6, 7, 8, 9
CAPTURE_AT_EXIT = 16
LENGTH_NONE, LENGTH_RET = 6, 7
DATA_MOST = 4096
"""The most bytes that are copied of what a call reads, writes, sends or receives."""

_KINDS = {
    "path": CAPTURE_STRING,
    "string": CAPTURE_STRING,
    "strings": CAPTURE_STRINGS,
    "environment": CAPTURE_STRINGS,
    "sockaddr": CAPTURE_SOCKADDR,
    "fd_set": CAPTURE_BITS,
    "msghdr": CAPTURE_MESSAGE,
    "data": CAPTURE_CONTENTS,
    "buffers": CAPTURE_BUFFERS,
}
_EXEC = frozenset(calls_that("executes"))
_FORKS = frozenset(calls_that("forks"))
# These do not return to where they were called from, so the stack has to be read at entry.
_NO_RETURN = frozenset(calls_that("never_returns"))
_SETS_UID = frozenset(calls_that("sets_uid"))
_ARGUMENTS = 6


@dataclass(frozen=True)
class StackChoice:
    """Which calls have a user stack recorded: those that fail, those that take a path, those named, or all."""

    failed: bool = True
    paths: bool = True
    every: bool = False
    calls: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.failed or self.paths or self.every or bool(self.calls)


MOST_HELPERS = 2
"""How many processes of the recorder's the BPF program can know."""


@dataclass(frozen=True)
class Selection:
    """Which calls are recorded.

    ``tgids`` and ``tids`` name processes and threads; with neither, every process counts. ``comm``, ``uid`` and
    ``cgroup`` (a folder of cgroup version 2; cgroups below it count too) narrow that down. ``calls``: names of system
    calls, None: all; ``unknown_calls``: also those whose number has no name here. ``data_bytes``: how many bytes to
    copy of what a call reads, writes, sends or receives, 0: none. ``environment``: copy the environments of executed
    programs. ``stacks``: how stacks are found, ``fp``, ``full`` or ``off``; ``stack_on``: for which calls.
    ``until_exec``: record the processes of ``tgids`` from their next execve on. ``follow``: also record children.
    ``sched``: also when threads are off their CPUs; ``kernel_stacks_ns``: with kernel stacks where a call waits so
    long, None: without. ``profile``: samples a second on each CPU, 0: none; they do not depend on ``calls``.
    ``helper_pids``: processes that are never recorded, as the recorder itself; at most :data:`MOST_HELPERS`.
    """

    tgids: frozenset[int] = frozenset()
    tids: frozenset[int] = frozenset()
    comm: str | None = None
    uid: int | None = None
    calls: frozenset[str] | None = None
    unknown_calls: bool = True
    failed_only: bool = False
    stacks: str = "fp"
    stack_on: StackChoice = StackChoice()
    data_bytes: int = 0
    environment: bool = False
    follow: bool = False
    until_exec: bool = False
    cgroup: Path | None = None
    profile: int = 0
    helper_pids: tuple[int, ...] = ()
    sched: bool = False
    kernel_stacks_ns: int | None = None

    @property
    def has_stacks(self) -> bool:
        """Whether any call has a stack."""
        return self.stacks != "off" and bool(self.stack_on)

    @property
    def has_full_stacks(self) -> bool:
        """Whether any call has a stack that is unwound by unwind tables."""
        return self.has_stacks and self.stacks == "full"

    @property
    def has_kernel_stacks(self) -> bool:
        """Whether anything has a kernel stack."""
        return self.samples_stacks or self.kernel_stacks_ns is not None

    @property
    def samples_stacks(self) -> bool:
        """Whether samples have stacks."""
        return self.stacks != "off" and self.profile > 0


@dataclass(frozen=True)
class PlannedCapture:
    """``struct capture`` of ``plans.c``; ``size``: the most bytes of a struct; others as in :class:`Capture`."""

    argument: int
    kind: int
    size: int = 0
    length: int = LENGTH_NONE
    when: int = _ARGUMENTS
    least: int = 0
    most: int = 0


@dataclass(frozen=True)
class Plan:
    """One row of the plan table: ``struct call_plan`` of ``programs/plans.c``.

    ``captures``: the first one, if any, has its data inline in the record. ``nargs``: how many arguments are recorded.
    ``buffers``: ``CAPTURES`` plus the index of the capture that names buffers to copy, 0: none.
    """

    flags: int
    captures: tuple[PlannedCapture, ...] = ()
    nargs: int = _ARGUMENTS
    buffers: int = 0


def plan_table(selection: Selection) -> list[Plan]:
    """The ``PLANS`` rows for ``selection``."""
    on = selection.stack_on
    rest = Plan((PLAN_RECORD if selection.unknown_calls else 0) | (PLAN_STACK if on.every else 0))
    table = [rest] * PLANS
    for base, abi in ((0, NATIVE_ABI), (PLAN_COMPAT, "i386")):
        for number, call in by_number(abi).items():
            if number >= PLAN_COMPAT - 1:
                continue
            flags = PLAN_EXEC | PLAN_REPLACES_MEMORY if call.name in _EXEC else 0
            if call.name in _NO_RETURN:
                flags |= PLAN_REPLACES_MEMORY
            if selection.calls is None or call.name in selection.calls:
                flags |= PLAN_RECORD
            if on.every or (on.paths and call.paths) or call.name in on.calls:
                flags |= PLAN_STACK
            if call.name in _SETS_UID:
                flags |= PLAN_SETS_UID
            if call.name in _FORKS:
                flags |= PLAN_FORKS
            captures = [_planned(c) for c in call.captures_for(abi) if _is_wanted(c, selection)]
            if any(c.kind & CAPTURE_AT_EXIT for c in captures):
                flags |= PLAN_AT_EXIT
            arguments = call.arguments_for(abi)
            nargs = _ARGUMENTS if arguments is None else len(arguments)
            buffers = _buffers(captures) if selection.data_bytes else 0
            table[base + number] = Plan(flags, tuple(captures), nargs, buffers)
    return table


def _planned(capture: Capture) -> PlannedCapture:
    kind = _KINDS.get(capture.kind, CAPTURE_ARRAY if wide(capture.kind) in ELEMENTS else CAPTURE_BYTES)
    if capture.kind == "string" and capture.at_exit:
        # The result of the call says how long it is.
        kind = CAPTURE_ARRAY
    return PlannedCapture(
        argument=capture.index,
        kind=kind | (CAPTURE_AT_EXIT if capture.at_exit else 0),
        size=1 if capture.kind == "string" else 0 if capture.kind in _KINDS else captured_bytes(capture.kind),
        length=LENGTH_NONE if capture.length is None else capture.length,
        when=_ARGUMENTS if capture.when is None else capture.when,
        least=capture.values[0],
        most=capture.values[1],
    )


def _buffers(captures: list[PlannedCapture]) -> int:
    kinds = [capture.kind & ~CAPTURE_AT_EXIT for capture in captures]
    return next((CAPTURES + n for n, kind in enumerate(kinds) if kind in (CAPTURE_BUFFERS, CAPTURE_MESSAGE)), 0)


def _is_wanted(capture: Capture, selection: Selection) -> bool:
    if capture.kind in ("data", "buffers"):
        return selection.data_bytes > 0
    return selection.environment or capture.kind != "environment"
