"""shmsnoop: System V shared memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, Record, bcc_lines, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.report import Answer
from bpfrec.analyze.reports.snoop import flag, snoop, snoop_report

_GET_FLAGS = {
    "IPC_CREAT": 0o1000,
    "IPC_EXCL": 0o2000,
    "SHM_HUGETLB": 0o4000,
    "SHM_HUGE_2MB": 21 << 26,
    "SHM_HUGE_1GB": 30 << 26,
    "SHM_NORESERVE": 0o10000,
    "SHM_EXEC": 0o100000,
}
_AT_FLAGS = {"SHM_RDONLY": 0o10000, "SHM_RND": 0o20000, "SHM_REMAP": 0o40000, "SHM_EXEC": 0o100000}
"""shmget(2), shmat(2). bcc's tool names a flag if any of its bits is set, and so the page sizes overlap."""


def compute(trace: Queries, calls: CallFilter, *, duration_s: float | None = None, top: int = 0) -> Result:
    """Calls of shmget, shmat, shmdt and shmctl that returned, by the time of their return.

    ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, pid, tid, comm, syscall, ret, first, second, third: the arguments.
    """
    return snoop(trace, calls, "shmsnoop", duration_s=duration_s, top=top)


def _flags(value: int, names: Mapping[str, int]) -> str:
    if not value:
        return "0x0"
    set_ = [name for name, bits in names.items() if bits & value]
    rest = value
    for name in set_:
        rest &= ~names[name]
    if rest or not set_:
        set_.append(f"0{rest:o}")
    return f"0x{value:x} ({'|'.join(set_)})"


def _arguments(row: Record) -> str:
    first, second, third = (row[name] or 0 for name in ("first", "second", "third"))
    match row["syscall"]:
        case "shmget":
            flags = _flags(third & 0xFFFFFFFF, _GET_FLAGS)
            return f"key: 0x{first & 0xFFFFFFFF:x}, size: {second}, shmflg: {flags}"
        case "shmat":
            flags = _flags(third & 0xFFFFFFFF, _AT_FLAGS)
            return f"shmid: 0x{first & 0xFFFFFFFF:x}, shmaddr: 0x{second:x}, shmflg: {flags}"
        case "shmdt":
            return f"shmaddr: 0x{first:x}"
    return f"shmid: 0x{first & 0xFFFFFFFF:x}, cmd: {second & 0xFFFFFFFF}, buf: 0x{third:x}"


def _text(answer: Answer) -> Iterator[str]:
    who = "tid" if answer.options["tid"] else "pid"
    fields = (
        Field("TIME(s)", -14, decimals("time_s", 9), gap="", when="timestamp"),
        Field(who.upper(), -6, who),
        Field("COMM", -16, "comm"),
        Field("SYS", 6, lambda row: row["syscall"].upper()),
        Field("RET", 16, lambda row: f"{row['ret'] & (2**64 - 1):x}"),
        Field("ARGs", 0, _arguments, gap=""),
    )
    return bcc_lines(fields, answer.result.records(), answer.options)


REPORT = snoop_report(
    compute,
    _text,
    """Print calls of System V shared memory, as bcc's shmsnoop does: shmget, shmat, shmdt, shmctl.""",
    streams=True,
    needs_all=("timestamp",),
    options=(flag(["-T", "--timestamp"], "Show seconds since the first of them."),),
)
