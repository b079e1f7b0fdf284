"""record/session/output.py: no trace is overwritten in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.output import SpoolKind, prepare


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_existing_default_file_is_kept_as_old() -> None:
    Path("trace.bpfrec").write_text("first")
    output = prepare(None, force=False)
    assert output.make_way() == Path("trace.bpfrec.old")
    assert Path("trace.bpfrec.old").read_text() == "first"
    assert not Path("trace.bpfrec").exists()


def test_a_named_file_needs_force() -> None:
    Path("mine").write_text("first")
    with pytest.raises(BpfrecError, match="--force"):
        prepare(Path("mine"), force=False)
    output = prepare(Path("mine"), force=True)
    assert output.make_way() is None, "with --force the file is replaced, not kept"


def test_a_file_that_appears_while_recording_is_kept_too() -> None:
    output = prepare(Path("mine"), force=False)
    Path("mine").write_text("another recording's")
    assert output.make_way() == Path("mine.old")
    assert Path("mine.old").read_text() == "another recording's"


def test_the_working_folder_is_private_beside_the_target_and_goes_away() -> None:
    output = prepare(Path("mine"), force=False)
    assert oct(output.folder.stat().st_mode & 0o777) == "0o700", "others could read or replace the spool"
    assert output.folder.resolve().parent == Path.cwd(), "the trace could not be renamed into place"
    output.spool(SpoolKind.CALLS).write_text("x")
    output.remove_folder()
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("named", ["folder", "missing/mine", "n" * 300, ""])
def test_where_no_file_can_be_made_the_message_names_it(named: str) -> None:
    Path("folder").mkdir()
    with pytest.raises(BpfrecError) as refused:
        prepare(Path(named), force=False)
    assert str(Path(named)) in refused.value.message
    assert "-o" in refused.value.hint


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(BpfrecError, match="no regular file"):
        prepare(Path("/dev/null"), force=True)
    assert Path("/dev/null").is_char_device()


def test_a_folder_in_the_place_of_the_old_file_is_noticed_before_recording(tmp_path: Path) -> None:
    (tmp_path / "trace.bpfrec.old").mkdir()
    with pytest.raises(BpfrecError, match="is a folder"):
        prepare(tmp_path / "trace.bpfrec", force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["trace.bpfrec.old"], "a working folder was left behind"
