"""bpf/perf_records.py: every whole record is found, whatever stands behind it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.ring_bytes import perf_record

from bpfrec.bpf.perf_records import perf_records

RECORDS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 0xFFFF), st.integers(0, 9).map(lambda n: bytes(n * 8))))


@given(RECORDS, st.integers(0, 4000))
def test_whole_records_come_out_however_the_stream_is_cut(records: list[tuple[int, int, bytes]], cut: int) -> None:
    data = b"".join(perf_record(kind, body, misc) for kind, misc, body in records)[:cut]
    found = [(kind, misc, data[start:end]) for kind, misc, start, end in perf_records(memoryview(data))]
    ends = [sum(8 + len(body) for *_, body in records[: i + 1]) for i in range(len(records))]
    assert found == records[: sum(end <= len(data) for end in ends)]


def test_a_size_that_cannot_be_one_ends_it() -> None:
    good = perf_record(3, bytes(8))
    for damage in (bytes(16), b"\xff" * 16, bytes(7)):
        assert [end for *_, end in perf_records(memoryview(good + damage))] == [16]
