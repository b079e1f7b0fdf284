"""formats/remote: a trace on a web server answers as the same file does here, and no more of it is read than needed."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.large_trace import write_large_trace
from support.web import Served, serve

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.formats.errors import BpfrecError, TraceFileError
from bpfrec.formats.remote import web_source
from bpfrec.formats.remote.cached_object import BLOCK_BYTES, CachedObject
from bpfrec.formats.remote.remote_reader import RemoteTraceReader
from bpfrec.formats.remote.source import HEAD_BYTES
from bpfrec.formats.remote.uri import Uri, trace_place

SAMPLE = Path(__file__).parents[4] / "sample_traces" / "build.bpfrec"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large_trace(tmp_path_factory.mktemp("large") / "large.bpfrec", 30)


@pytest.fixture
def served(large: Path) -> Iterator[Served]:
    with serve(Served(large.read_bytes())) as server:
        yield server


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_source, "_WAIT_S", 0.0)


def remote(trace: Trace) -> CachedObject:
    assert isinstance(trace._reader, RemoteTraceReader)
    return trace._reader.object


def test_info_is_one_request(served: Served, large: Path) -> None:
    with bpfrec.open(served.address) as trace, bpfrec.open(large) as here:
        assert {**trace.info, "file": ""} == {**here.info, "file": ""}
        assert trace.info["file"] == served.address
        assert served.ranges == [(0, HEAD_BYTES)]


def test_a_report_reads_its_columns_alone(served: Served, large: Path) -> None:
    with bpfrec.open(served.address) as trace, bpfrec.open(large) as here:
        assert trace.report("syscount").rows == here.report("syscount").rows
        assert served.bytes_given < len(served.content) / 10
        assert remote(trace).requests == len(served.ranges)
        assert remote(trace).bytes_read == served.bytes_given


def test_nothing_is_read_twice(served: Served, large: Path) -> None:
    query = "SELECT * EXCLUDE ts FROM syscalls ORDER BY event_id"
    with bpfrec.open(served.address) as trace, bpfrec.open(large) as here:
        assert trace.arrow(query).equals(here.arrow(query))
        trace.report("files")
        read = served.bytes_given
        trace.report("files")
        trace.report("failures")
        assert served.bytes_given == read <= len(served.content)
    starts = sorted(served.ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(starts))


def test_verify_reads_all_and_finds_damage(served: Served) -> None:
    with bpfrec.open(served.address) as trace:
        assert all(not fault for _, fault in trace.verify())
        assert served.bytes_given <= len(served.content)
        entry = trace.manifest.tables["syscalls"]
    assert entry.offset is not None
    at = entry.offset + entry.bytes // 2
    served.content = served.content[:at] + b"\xff" * 8 + served.content[at + 8 :]
    with bpfrec.open(served.address) as trace:
        assert [name for name, fault in trace.verify() if fault] == ["syscalls"]


def test_an_older_trace_has_its_places_in_the_directory(tmp_path: Path) -> None:
    """The sample was recorded before manifests said where tables are; the second has its manifest at the end."""
    last = tmp_path / "last.bpfrec"
    with zipfile.ZipFile(SAMPLE) as source, zipfile.ZipFile(last, "w") as target:
        for info in [*source.infolist()[1:], source.infolist()[0]]:
            target.writestr(info.filename, source.read(info))
    for path in (SAMPLE, last):
        with serve(Served(path.read_bytes())) as server, bpfrec.open(server.address) as trace:
            assert trace.manifest.tables["syscalls"].offset is None
            assert trace.report("syscount").rows[0][:2] == ("lseek", 769)
            assert server.bytes_given == path.stat().st_size


def test_a_server_without_ranges_gives_the_file_once(served: Served) -> None:
    served.has_ranges = False
    with bpfrec.open(served.address) as trace:
        trace.report("syscount")
        trace.report("files")
    assert served.ranges == [(0, len(served.content))]


def test_a_trace_that_is_replaced_gives_an_error(served: Served) -> None:
    with bpfrec.open(served.address) as trace:
        assert trace.info["calls"] == 30 * 4485
        served.etag = '"two"'
        with pytest.raises(TraceFileError, match="replaced while it was read"):
            trace.report("syscount")
        with pytest.raises(BpfrecError, match="replaced while it was read"):
            trace.sql("SELECT max(arg2) FROM syscalls").fetchall()


def test_a_trace_that_goes_gives_an_error(served: Served) -> None:
    with bpfrec.open(served.address) as trace:
        assert trace.sql("SELECT count(*) FROM syscalls").fetchall() == [(30 * 4485,)]
        served.fail = [404]
        with pytest.raises(BpfrecError, match="no such trace"):
            trace.query("SELECT max(arg2) FROM syscalls")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([404], "no such trace"),
        ([403], "access is refused: 403"),
        ([401], "access is refused: 401"),
        ([400], "the server answers 400"),
        ([503, 503, 503], r"the server answers 503 .*\(3 tries\)"),
    ],
)
def test_what_the_server_says(served: Served, answers: list[int], message: str) -> None:
    served.fail = answers
    with pytest.raises(TraceFileError, match=message):
        bpfrec.open(served.address)
    assert not served.fail


def test_what_may_pass_is_tried_again(served: Served) -> None:
    served.fail = [503, 429]
    with bpfrec.open(served.address) as trace:
        assert trace.info["calls"] == 30 * 4485


def test_an_answer_that_is_cut_short_is_none(served: Served) -> None:
    served.cut = 1
    with pytest.raises(TraceFileError, match="ended early"):
        bpfrec.open(served.address)


def test_a_slow_server_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_source, "TIMEOUT_S", 0.1)
    served.pause_s = 0.5
    with pytest.raises(TraceFileError, match=r"no answer within 0\.1 s \(3 tries\)"):
        bpfrec.open(served.address)


def test_a_server_that_gives_bytes_too_slowly_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = itertools.count(0, 60)
    clock = SimpleNamespace(monotonic=lambda: next(minutes), sleep=lambda _: None)
    monkeypatch.setattr(web_source, "time", clock)
    with pytest.raises(TraceFileError, match=r"the server is too slow \(3 tries\)"):
        bpfrec.open(served.address)


def test_a_trace_that_was_cut_short(served: Served) -> None:
    served.content = served.content[: len(served.content) // 2]
    with pytest.raises(TraceFileError, match="cut short"):
        bpfrec.open(served.address)


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>" * 20_000])
def test_what_is_no_trace(content: bytes) -> None:
    with serve(Served(content)) as server, pytest.raises(TraceFileError, match=r"not a bpfrec trace|empty"):
        bpfrec.open(server.address)


def test_a_redirect_gets_no_password_and_stays_on_the_web(served: Served) -> None:
    named = served.address.replace("http://", "http://me:secret@")
    with serve(Served(b"", redirect=served.address)) as first:
        with bpfrec.open(first.address.replace("http://", "http://me:secret@")):
            pass
        assert first.authorizations == ["Basic bWU6c2VjcmV0"]
    assert served.authorizations == [None]
    with bpfrec.open(named) as trace:
        assert trace.info["file"] == served.address
    with serve(Served(b"", redirect="ftp://127.0.0.1/x")) as first, pytest.raises(TraceFileError, match="302"):
        bpfrec.open(first.address)


def test_queries_read_the_tables_of_this_trace_alone(served: Served) -> None:
    with bpfrec.open(served.address) as trace:
        for place in ("bpfrec-table://manifest.parquet", "/etc/passwd", served.address):
            with pytest.raises(BpfrecError, match=r"is not allowed"):
                trace.query(f"FROM read_parquet('{place}')")


def test_the_names_of_traces() -> None:
    assert trace_place("a/b.bpfrec") == Path("a/b.bpfrec")
    assert trace_place("file:///a/b%20c.bpfrec") == Path("/a/b c.bpfrec")
    signed = trace_place("https://me:pass@host:8/x%20y.bpfrec?X-Amz-Signature=abc")
    assert isinstance(signed, Uri)
    assert (str(signed), signed.name) == ("https://host:8/x%20y.bpfrec", "x y.bpfrec")
    assert str(trace_place("s3://key:secret@bucket/x")) == "s3://bucket/x"
    assert str(trace_place("abfs://container@account/x")) == "abfs://container@account/x"
    assert trace_place("SELECT 's3://x y'") == Path("SELECT 's3://x y'")


def test_blocks_are_read_in_one_request(served: Served) -> None:
    whole = CachedObject(Uri(served.address))
    assert whole.read(HEAD_BYTES - 3, BLOCK_BYTES) == served.content[HEAD_BYTES - 3 :][:BLOCK_BYTES]
    assert whole.read(len(served.content) - 2, 10) == served.content[-2:]
    assert whole.read(len(served.content), 10) == b""
    assert served.ranges[1:] == [
        (HEAD_BYTES, HEAD_BYTES + BLOCK_BYTES),
        (len(served.content) // BLOCK_BYTES * BLOCK_BYTES, len(served.content)),
    ]
    whole.close()
