"""record/finish/losses.py: every call that was counted is in the rows or in the losses, and no loss counts twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bpfrec.bpf.program import COUNTERS, LostBurst
from bpfrec.bpf.selection import StackChoice
from bpfrec.record.finish.losses import loss_kinds, losses_of
from bpfrec.record.finish.remedies import _REMEDIES, remedy_text
from bpfrec.record.options.ring_size import RingSize, as_option
from bpfrec.record.request import Request

NONE = dict.fromkeys((*COUNTERS, "missed_runs", "throttled_samples"), 0)


MIB = 1 << 20
SECOND = 1_000_000_000


def rows(
    counters: dict[str, int], by_cpu: list[int], decoded: int, runs: list[LostBurst] | None = None
) -> list[dict[str, Any]]:
    samples = counters.get("samples", 0)
    counted = NONE | counters
    recorded: Any = SimpleNamespace(
        counters=counted,
        lost_by_cpu=by_cpu,
        lost_bursts=runs or [],
        ring_cpus=frozenset(range(len(by_cpu))),
        ring_bytes=MIB,
        spooled_bytes=100 * counters.get("sent_syscalls", 0),
    )
    found = losses_of(
        recorded,
        Request(everything=True),
        counted
        | {
            "not_spooled": counted["sent_syscalls"] - decoded,
            "lost_samples": counted["lost_samples"] + counted["sent_samples"] - samples,
        },
    )
    assert all(row["remedy"] for row in found), "a loss without a remedy leaves the reader alone"
    return found


def losses(*arguments: Any) -> list[tuple[Any, ...]]:
    columns = ("kind", "severity", "cpu", "tid", "ts_ns", "until_ns", "count")
    return [tuple(row.get(column) for column in columns) for row in rows(*arguments)]


def run(count: int, *, cpu: int = 0, burst: int = 0, tid: int = 7, first: int = 100, last: int = 200) -> LostBurst:
    return LostBurst(cpu, burst, pid=7, tid=tid, count=count, first=first, last=last)


def test_nothing_lost_is_no_row() -> None:
    assert losses({"sent_syscalls": 10}, [0, 0], 10) == []


def test_full_rings_say_whose_calls_are_lost_where_and_when() -> None:
    found = losses({"sent_syscalls": 10, "lost_syscalls": 9}, [2, 7], 10, [run(2), run(4, cpu=1, tid=8)])
    assert found == [
        ("ring-full", "data_loss", 0, 7, 100, 200, 2),
        ("ring-full", "data_loss", 1, 8, 100, 200, 4),
        ("ring-full", "data_loss", 1, None, None, None, 3),
    ], "what the program has no account of must still be counted"
    assert sum(row[-1] for row in found) == 9, "the losses must add up to what the program counted"


def test_the_remedy_names_the_buffer_that_would_have_held_the_longest_burst() -> None:
    lost = [run(15_000, tid=7), run(15_000, tid=8), run(10, burst=1, first=9 * SECOND, last=9 * SECOND)]
    [remedy] = {row["remedy"] for row in rows({"sent_syscalls": 10}, [30_010], 10, lost)}
    assert "--buffer 4M" in remedy, "1 MiB held, and 30,000 calls of 100 bytes were lost in one go: 4 MiB"
    [remedy] = {row["remedy"] for row in rows({"sent_syscalls": 10}, [10**12], 10, [run(10**12)])}
    assert "--buffer" not in remedy, "no machine has that much memory"


def test_the_remedy_is_an_option_that_can_be_typed() -> None:
    assert [as_option(size) for size in (1 << 18, 1 << 19, MIB, 1 << 36)] == ["256K", "512K", "1M", "65536M"]
    assert all(RingSize().convert(as_option(1 << n), None, None) == 1 << n for n in range(18, 37))


def test_calls_that_were_sent_and_never_spooled() -> None:
    assert losses({"sent_syscalls": 10}, [0], 7) == [("spool-cut", "data_loss", None, None, None, None, 3)]


def test_every_other_counter_has_its_row() -> None:
    counted = {"lost_threads": 1, "lost_exits": 2, "missed_runs": 3, "lost_data": 4}
    found = {(row["kind"], row["severity"]): row["count"] for row in rows(counted, [0], 0)}
    assert found == {
        ("thread-table-full", "data_loss"): 1,
        ("exit-missed", "data_loss"): 2,
        ("program-skipped", "data_loss"): 3,
        ("path-lost", "notice"): 4,
    }


def test_samples_that_are_missing() -> None:
    assert losses({"sent_samples": 10, "samples": 10}, [0], 0) == []
    counted = {"sent_samples": 10, "samples": 8, "lost_samples": 3, "capped_samples": 4, "throttled_samples": 1}
    found = {(row["kind"], row["severity"]): row["count"] for row in rows(counted, [0], 0)}
    assert found == {
        ("samples-lost", "notice"): 5,
        ("samples-capped", "notice"): 4,
        ("samples-throttled", "notice"): 1,
    }


def test_the_table_of_losses_says_what_each_kind_needs() -> None:
    kinds = loss_kinds()
    assert len({kind.kind for kind in kinds}) == len(kinds), "a kind with two rows"
    assert len({kind.counter for kind in kinds}) == len(kinds), "a counter that is told twice"
    assert {kind.severity for kind in kinds} == {"data_loss", "notice"}
    assert {name for kind in kinds for name in kind.remedies} == set(_REMEDIES), "a remedy that is never offered"
    no_losses = {"sent_syscalls", "lost_syscalls", "sent_samples", "sent_off_cpu"}
    unheard = set(COUNTERS) - {kind.counter for kind in kinds} - no_losses
    assert not unheard, "a counter of the BPF program that no loss is told of"


@pytest.mark.parametrize("kind", [kind.kind for kind in loss_kinds()])
def test_no_remedy_is_offered_that_the_recording_had_already(kind: str) -> None:
    given = Request(
        pids=(7,),
        calls=frozenset(["read"]),
        failed_only=True,
        stacks="fp",
        stack_on=StackChoice(failed=True, paths=False),
        profile=1,
    )
    [names] = [row.remedies for row in loss_kinds() if row.kind == kind]
    assert "Record less" not in remedy_text(names, given)


def test_remedies_are_offered_in_one_sentence() -> None:
    names = ("processes", "calls", "failed", "room")
    room = "Make room on the disk that holds the trace, or name another with -o."
    assert remedy_text(names, Request(everything=True)) == f"{room} Record less: -p PID, -e SYSCALLS or -x."
    assert remedy_text(names, Request(pids=(1,), failed_only=True)) == f"{room} Record less: -e SYSCALLS."
    assert remedy_text((), Request()) == ""


def test_a_cpu_that_came_online_had_no_ring() -> None:
    burst = run(2, cpu=1)
    recorded: Any = SimpleNamespace(
        counters=NONE,
        lost_by_cpu=[0, 5],
        lost_bursts=[burst],
        ring_cpus=frozenset({0}),
        ring_bytes=MIB,
        spooled_bytes=0,
    )
    found = losses_of(recorded, Request(everything=True), {})
    assert [(row["kind"], row["severity"], row["cpu"], row["count"]) for row in found] == [
        ("cpu-came-online", "data_loss", 1, 2),
        ("cpu-came-online", "data_loss", 1, 3),
    ]
    assert all("--buffer" not in row["remedy"] for row in found), "no size of a ring that was not there would have held"
