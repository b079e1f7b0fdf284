"""Names are found once, and read again from what is kept; answers are the same."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import duckdb
import pytest

import bpfrec
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.names import fill, resolve
from bpfrec.analyze.names.keeping import VARIABLE
from bpfrec.formats.errors import BpfrecError

SAMPLE = Path(__file__).parents[4] / "sample_traces" / "build.bpfrec"
QUESTION = "SELECT event_id, resolved_path, resolved_path2, resolved_reason FROM syscalls ORDER BY event_id"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches" / "bpfrec" / "names"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has an entry for every time that names were found by the calls of a trace."""
    times: list[str] = []
    finding = resolve.naming_of

    def naming_of(queries: object) -> object:
        times.append("found")
        return finding(queries)  # type: ignore[arg-type]

    monkeypatch.setattr(resolve, "naming_of", naming_of)
    return times


def answer(trace: Path) -> list[tuple[object, ...]]:
    with bpfrec.open(trace) as opened:
        return list(opened.query(QUESTION).rows)


def test_names_are_found_once(folder: Path, found: list[str], tmp_path: Path) -> None:
    first = answer(SAMPLE)
    assert found == ["found"]
    [file] = folder.iterdir()
    copy = shutil.copy(SAMPLE, tmp_path / "copy.bpfrec")
    assert answer(copy) == first
    assert found == ["found"], "a copy is the same trace"
    file.write_bytes(file.read_bytes()[:-1])
    assert answer(SAMPLE) == first
    assert found == ["found", "found"], "what is damaged is found again"
    assert answer(SAMPLE) == first
    assert found == ["found", "found"], "and kept again"


def test_a_folder_is_not_known_by_its_manifest(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(tmp_path / "unzipped")
    answer(tmp_path / "unzipped")
    assert not folder.exists()


def test_nothing_is_kept_where_it_is_switched_off(
    folder: Path, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "off")
    assert answer(SAMPLE) == answer(SAMPLE)
    assert len(found) == 2
    assert not folder.exists()


def test_a_folder_can_be_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named"))
    answer(SAMPLE)
    assert len(list((tmp_path / "named" / "names").iterdir())) == 1
    assert not folder.exists()
    monkeypatch.setenv(VARIABLE, "relative")
    with pytest.raises(BpfrecError, match="which is no folder"):
        answer(SAMPLE)


def test_without_a_safe_place_names_are_found_all_the_same(folder: Path, found: list[str]) -> None:
    folder.parent.parent.mkdir()
    folder.parent.parent.chmod(0o777)
    assert answer(SAMPLE) == answer(SAMPLE)
    assert len(found) == 2
    assert not folder.parent.exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_a_column_of_codes_says_what_the_function_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    trace = SAMPLE
    if is_folder:
        trace = tmp_path / "unzipped"
        with zipfile.ZipFile(SAMPLE) as archive:
            archive.extractall(trace)
    before = sorted(trace.iterdir()) if is_folder else []
    by_function = answer(trace)
    monkeypatch.setattr(fill, "MANY_CALLS", 1)
    has_column, said = fill._copy_with_codes, []

    def noted(*given: object) -> bool:
        said.append(has_column(*given))  # type: ignore[arg-type]
        return said[-1]

    monkeypatch.setattr(fill, "_copy_with_codes", noted)
    assert answer(trace) == by_function
    assert said == [True], "the copy of the calls has no column of codes"
    with bpfrec.open(trace) as opened:
        opened.query("SET preserve_insertion_order = false")
        assert list(opened.query(QUESTION).rows) == by_function, "the order of the rows is that of the file"
        by_view = opened.query("SELECT event_id, resolved_path FROM sys.openat ORDER BY event_id").rows
        assert (
            by_view
            == opened.query("SELECT event_id, resolved_path FROM syscalls WHERE syscall = 'openat' ORDER BY 1").rows
        )
        assert "name_code" not in opened.query("FROM syscalls LIMIT 1").columns
    assert not is_folder or sorted(trace.iterdir()) == before, "a folder that is read stays as it is"


@pytest.mark.usefixtures("folder")
def test_where_no_copy_can_be_made_the_function_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_function = answer(SAMPLE)
    monkeypatch.setattr(fill, "MANY_CALLS", 1)
    monkeypatch.setattr(Trace, "_copy_of_calls", lambda _: tmp_path / "missing" / "copy.parquet")
    assert answer(SAMPLE) == by_function


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("many", [1, 1 << 30], ids=["column", "function"])
def test_who_is_interrupted_begins_again(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    expected = answer(SAMPLE)
    monkeypatch.setattr(fill, "MANY_CALLS", many)
    name = "_copy_with_codes" if many == 1 else "_by_number"
    whole = getattr(fill, name)

    def interrupted(*given: object) -> object:
        whole(*given)
        raise KeyboardInterrupt

    with bpfrec.open(SAMPLE) as opened:
        monkeypatch.setattr(fill, name, interrupted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                opened.query(QUESTION)
        monkeypatch.setattr(fill, name, whole)
        assert list(opened.query(QUESTION).rows) == expected, "names are there twice"


def changed(folder: Path, statement: str) -> Path:
    """The sample as a folder, whose calls are what ``statement`` selects from the view ``calls``."""
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(folder)
    calls = folder / "syscalls.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE calls AS FROM read_parquet('{calls}')")
        connection.execute(f"COPY ({statement}) TO '{calls}' (FORMAT parquet)")
    return folder


@pytest.mark.parametrize("many", [1, 1 << 30], ids=["column", "function"])
@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ('SELECT * EXCLUDE (event_id), event_id AS "EVENT_ID" FROM calls', True),
        ("SELECT * REPLACE (NULL::BIGINT AS event_id) FROM calls", False),
        ("SELECT * EXCLUDE (event_id) FROM calls", False),
        ("SELECT * REPLACE (event_id::DOUBLE AS event_id) FROM calls", True),
        ("SELECT *, 7 AS more FROM calls", True),
    ],
    ids=["capitals", "null", "missing", "double", "more"],
)
def test_calls_of_odd_files_have_the_names_of_their_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, many: int, statement: str, names: bool
) -> None:
    monkeypatch.setattr(fill, "MANY_CALLS", many)
    question = "SELECT resolved_path FROM syscalls ORDER BY ts_ns, tid, resolved_path"
    with bpfrec.open(SAMPLE) as opened:
        expected = list(opened.query(question).rows)
    with bpfrec.open(changed(tmp_path / "odd", statement)) as opened:
        found = list(opened.query(question).rows)
    assert found == (expected if names else [(None,)] * len(expected))


@pytest.mark.parametrize("name", ["name_code", "FILE_ROW_NUMBER"])
def test_a_file_with_a_column_of_ours_is_damaged(tmp_path: Path, name: str) -> None:
    folder = changed(tmp_path / "odd", f"SELECT *, 3 AS {name} FROM calls")
    with bpfrec.open(folder) as opened, pytest.raises(BpfrecError, match=f"damaged: it has a column {name.lower()}"):
        opened.query(QUESTION)


@pytest.mark.usefixtures("folder")
def test_names_do_not_hang_on_the_order_that_a_session_likes() -> None:
    expected = answer(SAMPLE)
    shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]))
    with bpfrec.open(SAMPLE) as opened:
        opened.query("SET default_order = 'DESC'")
        opened.query("SET default_null_order = 'NULLS_FIRST'")
        assert list(opened.query(QUESTION.replace("ORDER BY event_id", "ORDER BY event_id ASC")).rows) == expected
