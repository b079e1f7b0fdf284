"""record/losses.py: every call that the kernel counted is in the rows or in the losses, and no loss counts twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bpfrec.bpf.program import COUNTERS
from bpfrec.record.losses import losses_of

NONE = dict.fromkeys((*COUNTERS, "missed_runs"), 0)


def losses(
    counters: dict[str, int], by_cpu: list[int], decoded: int, notices: list[tuple[int, int, int]] | None = None
) -> list[tuple[Any, ...]]:
    recorded: Any = SimpleNamespace(counters=NONE | counters, lost_by_cpu=by_cpu, ring_bytes=1 << 20)
    rows = losses_of(recorded, decoded, notices or [], sideband_lost=0)
    assert all(row["remedy"] for row in rows), "a loss without a remedy leaves the reader alone"
    return [(row["kind"], row["severity"], row["cpu"], row["ts_ns"], row["count"]) for row in rows]


def test_nothing_lost_is_no_row() -> None:
    assert losses({"sent_syscalls": 10}, [0, 0], decoded=10) == []


def test_full_rings_count_calls_exactly_and_notices_say_when() -> None:
    # The notices count extras too: 8 records lost, 5 of them calls.
    found = losses({"sent_syscalls": 10, "lost_syscalls": 6}, [1, 5], 10, [(1, 100, 3), (1, 200, 5)])
    assert found == [
        ("ring-full", "data_loss", 0, None, 1),
        ("ring-full", "data_loss", 1, 100, 5),
    ]
    assert sum(row[4] for row in found) == 6, "the losses must add up to what the program counted"


def test_notices_without_lost_calls_are_no_lost_calls() -> None:
    assert losses({"sent_syscalls": 1, "lost_data": 4}, [0], 1, [(0, 100, 4)]) == [
        ("path-lost", "notice", None, None, 4)
    ]


def test_calls_that_were_sent_and_never_spooled() -> None:
    assert losses({"sent_syscalls": 10}, [0], decoded=7) == [("spool-cut", "data_loss", None, None, 3)]


def test_every_other_counter_has_its_row() -> None:
    counted = {"lost_threads": 1, "lost_exits": 2, "missed_runs": 3, "lost_data": 4}
    found = {(kind, severity): count for kind, severity, _, _, count in losses(counted, [0], decoded=0)}
    assert found == {
        ("thread-table-full", "data_loss"): 1,
        ("exit-missed", "data_loss"): 2,
        ("program-skipped", "data_loss"): 3,
        ("path-lost", "notice"): 4,
    }
