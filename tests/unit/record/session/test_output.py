"""record/session/output.py: no trace is overwritten in silence."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import NOBODY, as_nobody, needs_root

from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.working_folder import SpoolKind


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def published(output: Output) -> Path | None:
    """Makes a trace that says "new", and gives it its name; what was there before is now at the path returned."""
    made = output.folder / "trace.zip"
    made.write_text("new")
    with output:
        return output.publish(made)


def test_an_existing_default_file_is_kept_as_old() -> None:
    Path("trace.bpfrec").write_text("first")
    output = prepare(None, force=False)
    assert published(output) == Path("trace.bpfrec.old")
    assert Path("trace.bpfrec.old").read_text() == "first"
    assert Path("trace.bpfrec").read_text() == "new"


def test_a_named_file_needs_force() -> None:
    Path("mine").write_text("first")
    with pytest.raises(BpfrecError, match="--force"):
        prepare(Path("mine"), force=False)
    output = prepare(Path("mine"), force=True)
    assert published(output) is None, "with --force the file is replaced, not kept"
    assert [(path.name, path.read_text()) for path in Path.cwd().iterdir()] == [("mine", "new")]


def test_a_file_that_appears_while_recording_is_kept_too() -> None:
    output = prepare(Path("mine"), force=False)
    Path("mine").write_text("another recording's")
    assert published(output) == Path("mine.old")
    assert Path("mine.old").read_text() == "another recording's"


def test_the_working_folder_is_private_beside_the_target_and_goes_away() -> None:
    output = prepare(Path("mine"), force=False)
    assert oct(output.folder.stat().st_mode & 0o777) == "0o700", "others could read or replace the spool"
    assert output.folder.resolve().parent == Path.cwd(), "the trace could not be renamed into place"
    output.spool(SpoolKind.CALLS).write_text("x")
    output.close()
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("named", ["folder", "missing/mine", "n" * 300, ""])
def test_where_no_file_can_be_made_the_message_names_it(named: str) -> None:
    Path("folder").mkdir()
    with pytest.raises(BpfrecError) as refused:
        prepare(Path(named), force=False)
    assert str(Path(named)) in refused.value.message
    assert "-o" in refused.value.hint


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(BpfrecError, match="not a regular file"):
        prepare(Path("/dev/null"), force=True)
    assert Path("/dev/null").is_char_device()


def test_a_folder_in_the_place_of_the_old_file_is_noticed_before_recording(tmp_path: Path) -> None:
    (tmp_path / "trace.bpfrec.old").mkdir()
    with pytest.raises(BpfrecError, match="is a folder"):
        prepare(tmp_path / "trace.bpfrec", force=False)
    assert [p.name for p in tmp_path.iterdir()] == ["trace.bpfrec.old"], "a working folder was left behind"


def test_a_recording_that_fails_changes_no_file_and_keeps_its_spools() -> None:
    Path("trace.bpfrec").write_text("first")
    Path("trace.bpfrec.old").write_text("older")
    with prepare(None, force=False) as output:
        output.spool(SpoolKind.CALLS).write_text("calls")
        (output.folder / "syscalls.parquet").write_text("half a table")
        kept = output.keep_spools()
    assert kept is not None
    assert [path.name for path in kept.iterdir()] == ["calls.spool"], "tables that are half written take room alone"
    assert (Path("trace.bpfrec").read_text(), Path("trace.bpfrec.old").read_text()) == ("first", "older")


def test_spools_that_hold_nothing_are_not_kept() -> None:
    with prepare(Path("mine"), force=False) as output:
        output.spool(SpoolKind.CALLS).touch()
        assert output.keep_spools() is None
    assert list(Path.cwd().iterdir()) == []


def test_some_room_is_kept_and_given_back() -> None:
    with prepare(Path("mine"), force=False) as output:
        output.reserve_room()
        [reserve] = output.folder.iterdir()
        free = os.statvfs(".").f_bavail * os.statvfs(".").f_frsize
        assert 0 < reserve.stat().st_size <= min(16 << 20, free)
        output.use_reserve()
        output.use_reserve()
        assert not list(output.folder.iterdir())


def test_a_rename_that_fails_puts_the_old_file_back(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("trace.bpfrec").write_text("first")
    real = os.rename

    def rename(source: str, target: str, **folders: int) -> None:
        if target == "trace.bpfrec" and source != "trace.bpfrec.old":
            raise OSError(5, "Input/output error")
        real(source, target, **folders)

    with monkeypatch.context() as broken:
        broken.setattr(os, "rename", rename)
        with pytest.raises(OSError, match="Input/output"):
            published(prepare(None, force=False))
    assert [(path.name, path.read_text()) for path in Path.cwd().iterdir()] == [("trace.bpfrec", "first")]


def test_a_folder_that_is_moved_away_leads_nowhere_else(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "calls.spool").write_text("precious")
    output = prepare(Path("mine"), force=False)
    [folder] = [path for path in Path.cwd().iterdir() if path.name.startswith(".mine")]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(victim)
    output.spool(SpoolKind.CALLS).write_text("calls")
    published(output)
    assert (victim / "calls.spool").read_text() == "precious", "a link in the place of the folder was followed"
    assert Path("mine").read_text() == "new"
    assert folder.is_symlink(), "what somebody else put there is not ours to remove"


def test_a_link_at_the_target_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    Path("trace.bpfrec").symlink_to(tmp_path / "precious")
    assert published(prepare(None, force=False)) == Path("trace.bpfrec.old")
    assert Path("trace.bpfrec.old").is_symlink()
    Path("trace.bpfrec").unlink()
    Path("trace.bpfrec").symlink_to(tmp_path / "precious")
    published(prepare(None, force=True))
    assert (tmp_path / "precious").read_text() == "precious"
    assert Path("trace.bpfrec").read_text() == "new"


def test_a_working_folder_that_is_swapped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between mkdir and open, somebody who owns the folder around it can put another in its place."""
    real = os.mkdir

    def mkdir(name: str, mode: int, **folder: int) -> None:
        real(name, mode, **folder)
        os.chmod(name, 0o777, **folder)  # noqa: PTH101 - relative to a descriptor

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(BpfrecError, match="private folder"):
        prepare(Path("mine"), force=False)
    assert list(Path.cwd().iterdir()) == []


USER = User(NOBODY, NOBODY, "nobody", "/")


@pytest.fixture
def places() -> Iterator[Path]:
    """A folder that anybody may pass through, with ``users``, which is nobody's, and ``roots``."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    for name, owner in (("users", NOBODY), ("roots", 0)):
        (folder / name).mkdir(mode=0o755)
        os.chown(folder / name, owner, owner)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_behind_sudo_no_file_of_roots_is_replaced(places: Path) -> None:
    settings = places / "roots" / "settings"
    settings.write_text("precious")
    with pytest.raises(BpfrecError, match="not a file of nobody, who called sudo"):
        prepare(settings, force=True, user=USER)
    assert settings.read_text() == "precious"
    assert [path.name for path in settings.parent.iterdir()] == ["settings"], "a working folder was left behind"
    output = prepare(places / "roots" / "new", force=False, user=USER)
    (places / "roots" / "new").write_text("made meanwhile")
    with pytest.raises(BpfrecError, match="not a file of nobody"):
        published(output)
    assert (places / "roots" / "new").read_text() == "made meanwhile"


@needs_root
def test_behind_sudo_files_are_renamed_with_the_users_permissions(places: Path) -> None:
    target = places / "users" / "mine"
    assert published(prepare(target, force=False, user=USER)) is None
    assert published(prepare(target, force=True, user=USER)) is None
    assert target.read_text() == "new"
    output = prepare(target, force=True, user=USER)
    os.chown(target.parent, 0, 0)
    with pytest.raises(PermissionError):
        published(output)
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["mine"]


@needs_root
@pytest.mark.parametrize("mode", [0o775, 0o777])
def test_behind_sudo_a_folder_that_others_change_is_refused_unless_it_is_the_users(places: Path, mode: int) -> None:
    shared = places / "shared"
    shared.mkdir()
    shared.chmod(mode)
    os.chown(shared, 1, 1)
    if mode == 0o777:
        assert published(prepare(shared / "mine", force=False, user=USER)) is None
    else:
        with pytest.raises(BpfrecError, match="nobody, who called sudo, may not write there"):
            prepare(shared / "mine", force=False, user=USER)


@needs_root
@pytest.mark.parametrize("name", ["trace.bpfrec", "trace.bpfrec.old"])
def test_behind_sudo_a_file_of_others_in_a_shared_folder_is_noticed_before_recording(places: Path, name: str) -> None:
    shared = places / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / name).write_text("somebody else's")
    with pytest.raises(BpfrecError, match="not a file of nobody"):
        # An older trace is in the way only where it would be moved.
        prepare(shared / "trace.bpfrec", force=name == "trace.bpfrec", user=USER)
    assert [path.name for path in shared.iterdir()] == [name]
    os.chown(shared / name, NOBODY, NOBODY)
    assert published(prepare(shared / "trace.bpfrec", force=True, user=USER)) is None


@needs_root
def test_the_working_folder_in_a_users_folder_is_roots(places: Path) -> None:
    with prepare(places / "users" / "mine", force=False, user=USER) as output:
        found = output.folder.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o700)
        assert not as_nobody(lambda: list(output.folder.resolve().iterdir()))


@needs_root
def test_acting_as_a_user_ends(places: Path) -> None:
    before = (os.geteuid(), os.getegid(), os.getgroups())
    with USER.acting():
        during = os.geteuid()
        with pytest.raises(PermissionError):
            (places / "roots" / "new").touch()
    assert during == NOBODY
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before
