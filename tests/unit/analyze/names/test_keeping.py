"""Names are found once, and read again from what is kept; answers are the same."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

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
    has_column, said = fill._has_column, []

    def noted(*given: object) -> bool:
        said.append(has_column(*given))  # type: ignore[arg-type]
        return said[-1]

    monkeypatch.setattr(fill, "_has_column", noted)
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
