"""record/processes/helpers.py: what hangs takes one helper, and nobody else waits for it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpfrec.record.processes.helpers import Helpers


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    made = Helpers(wait=0.2, most=3)
    yield made
    made.close()


def double(number: int) -> tuple[int, None]:
    return 2 * number, None


def opened(path: str) -> tuple[str, int]:
    return path, os.open(path, os.O_RDONLY)


def hang(path: str) -> tuple[str, None]:
    """Waits until somebody writes to a FIFO, as one waits for a file system."""
    return Path(path).read_text(), None


def fail() -> tuple[None, None]:
    raise ValueError


def die() -> tuple[None, None]:
    os._exit(3)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_values_and_files_come_back(helpers: Helpers, tmp_path: Path) -> None:
    assert helpers.ask(("a",), double, 21).value == 42
    (tmp_path / "file").write_text("content")
    reply = helpers.ask(("a",), opened, str(tmp_path / "file"))
    assert reply.value == str(tmp_path / "file")
    with os.fdopen(reply.descriptor or -1) as file:
        assert file.read() == "content"


@pytest.mark.parametrize("work", [fail, die])
def test_what_fails_is_an_answer(helpers: Helpers, work) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        reply = helpers.ask(("a",), work)
        assert (reply.is_there, reply.value, reply.descriptor) == (True, None, None)
    assert helpers.ask(("a",), double, 1).value == 2
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208


def test_what_hangs_delays_only_what_has_its_key(helpers: Helpers, fifo: Path) -> None:
    hanging = helpers.ask(("disk", "one"), hang, str(fifo))
    behind = helpers.ask(("disk", "two"), double, 1)
    assert not hanging.is_there
    assert not behind.is_there
    assert helpers.busy(("two",))
    assert helpers.ask(("other", "two-more"), double, 2).value == 4, "others do not wait"
    fifo.write_text("late")
    helpers.settle()
    assert (hanging.value, behind.value) == ("late", 2)
    assert not helpers.busy(("disk", "two"))


def test_the_end_is_not_waited_for_for_ever(helpers: Helpers, fifo: Path) -> None:
    hanging = [helpers.ask((number,), hang, str(fifo)) for number in range(3)]
    behind = helpers.ask(("new",), double, 1)
    helpers.settle(patience=0.3)
    assert [reply.is_there for reply in (*hanging, behind)] == [False] * 4
    pids = [helper.pid for helper in helpers._helpers]
    helpers.close()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}/fd/0").exists() for pid in pids) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert not any(Path(f"/proc/{pid}/fd/0").exists() for pid in pids), "they end"


def test_a_helper_holds_nothing_of_the_recorder(helpers: Helpers, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        held = os.fstat(file.fileno()).st_ino
        assert helpers.ask(("a",), double, 1).is_there
        (helper,) = helpers._helpers
        numbers = sorted(os.listdir(f"/proc/{helper.pid}/fd"))  # noqa: PTH208
        assert numbers == ["0", "1", "2", "3"]
        assert all(os.stat(f"/proc/{helper.pid}/fd/{n}").st_ino != held for n in numbers)  # noqa: PTH116
