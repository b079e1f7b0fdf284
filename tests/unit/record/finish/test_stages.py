"""record/finish/stages.py: a share of work that only grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bpfrec.record.finish.stages import Stages

SHARES = st.lists(st.floats(0, 1), max_size=5).map(sorted)


@given(st.lists(st.tuples(st.integers(0, 1000), SHARES), max_size=5))
def test_progress_never_runs_backwards_and_ends_at_all(work: list[tuple[int, list[float]]]) -> None:
    told: list[float] = []
    stages = Stages({str(number): weight for number, (weight, _) in enumerate(work)}, told.append)
    for number, (_, shares) in enumerate(work):
        with stages.stage(str(number)) as report:
            for share in shares:
                report(share)
    with stages.stage("of no weight") as report:
        report(0.5)
    assert told == sorted(told)
    assert all(0 <= share <= 1 for share in told)
    assert told[-1] == (1 if any(weight for weight, _ in work) else 0)
