"""Names are found once, and read again from what is kept; answers are the same."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

import bpfrec
from bpfrec.analyze.names import resolve
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
