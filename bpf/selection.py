"""What is to be recorded, as the BPF program needs to know it."""

from __future__ import annotations

from dataclasses import dataclass

from bpfrec.formats.captures import struct_bytes
from bpfrec.formats.syscalls import Capture, by_number

NATIVE_ABI = "x86_64"

PLANS = 1024
PLAN_COMPAT = 512
"""Rows of the plan table: native calls from 0, 32-bit ones from ``PLAN_COMPAT``; the last of each is for all others."""

PLAN_RECORD, PLAN_STACK, PLAN_REPLACES_MEMORY, PLAN_EXEC, PLAN_SETS_UID, PLAN_AT_EXIT = 1, 2, 4, 8, 16, 32
CAPTURES = 4
CAPTURE_STRING, CAPTURE_BYTES, CAPTURE_SOCKADDR, CAPTURE_STRINGS = 1, 2, 3, 4
CAPTURE_AT_EXIT = 16

_KINDS = {"path": CAPTURE_STRING, "strings": CAPTURE_STRINGS, "sockaddr": CAPTURE_SOCKADDR}
_EXEC = frozenset({"execve", "execveat"})
_SETS_UID = frozenset({"setuid", "setreuid", "setresuid", "setuid32", "setreuid32", "setresuid32"})
_ARGUMENTS = 6


@dataclass(frozen=True)
class Selection:
    """Which calls are recorded.

    ``tgids`` and ``tids`` name processes and threads; with neither, every process counts. ``comm`` and ``uid`` narrow
    that down. ``calls`` holds syscall names, None: all; ``unknown_calls``: also those that have no name here.
    ``until_exec``: the processes of ``tgids`` are recorded from their next execve on. ``follow``: and their children.
    """

    tgids: frozenset[int] = frozenset()
    tids: frozenset[int] = frozenset()
    comm: str | None = None
    uid: int | None = None
    calls: frozenset[str] | None = None
    unknown_calls: bool = True
    failed_only: bool = False
    stacks: bool = True
    follow: bool = False
    until_exec: bool = False


@dataclass(frozen=True)
class PlannedCapture:
    """``struct capture`` of ``plans.c``; ``size``: most bytes of a struct; ``length``: as in :class:`Capture`."""

    argument: int
    kind: int
    size: int = 0
    length: int = _ARGUMENTS


@dataclass(frozen=True)
class Plan:
    """One row of the plan table: ``struct call_plan`` of ``programs/plans.c``.

    ``captures``: first, if any, the one whose data goes inline; ``nargs``: how many arguments are recorded.
    """

    flags: int
    captures: tuple[PlannedCapture, ...] = ()
    nargs: int = _ARGUMENTS


def plan_table(selection: Selection) -> list[Plan]:
    """The ``PLANS`` rows for ``selection``."""
    rest = Plan(PLAN_RECORD if selection.unknown_calls else 0)
    table = [rest] * PLANS
    for base, abi in ((0, NATIVE_ABI), (PLAN_COMPAT, "i386")):
        for number, call in by_number(abi).items():
            if number >= PLAN_COMPAT - 1:
                continue
            flags = PLAN_EXEC | PLAN_REPLACES_MEMORY if call.name in _EXEC else 0
            if selection.calls is None or call.name in selection.calls:
                flags |= PLAN_RECORD
            if call.paths:
                flags |= PLAN_STACK
            if call.name in _SETS_UID:
                flags |= PLAN_SETS_UID
            # 32-bit structs and pointers have another layout: only strings are copied there.
            captures = [_planned(c) for c in call.captures if abi == NATIVE_ABI or c.kind == "path"]
            if any(c.kind & CAPTURE_AT_EXIT for c in captures):
                flags |= PLAN_AT_EXIT
            nargs = _ARGUMENTS if call.arguments is None else len(call.arguments)
            table[base + number] = Plan(flags, tuple(captures), nargs)
    return table


def _planned(capture: Capture) -> PlannedCapture:
    kind = _KINDS.get(capture.kind, CAPTURE_BYTES) | (CAPTURE_AT_EXIT if capture.at_exit else 0)
    size = struct_bytes(capture.kind) if capture.kind not in _KINDS else 0
    return PlannedCapture(capture.index, kind, size, _ARGUMENTS if capture.length is None else capture.length)
