"""Logs that are made to harm: reading one takes time with its length, and what is absurd is counted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.program import run_bpfrec

import bpfrec
from bpfrec.analyze.imports import text_lines as lines_of_files
from bpfrec.analyze.imports.strace_values import MOST_NESTED, NestedError, parse_value, split_arguments
from bpfrec.analyze.imports.text_lines import text_lines

SIZE = 1 << 18
MOST_SECONDS = 60
"""Of CPU time. None takes a tenth of that; what takes time with the square of its length takes hours."""
BEGIN = "100 1700000000.000001 "
GOOD = f'{BEGIN}openat(AT_FDCWD, "a", O_RDONLY) = 3\n'
SAMPLE = "sh 100 [000] 1.000001: cpu-clock:\n\t7f00 main+0x1 (/bin/x)\n\n"


@contextmanager
def in_bounded_time() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"more than {MOST_SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


HOSTILE = {
    "brackets": f"{BEGIN}ioctl(3, {'[' * SIZE}) = 0\n",
    "nested": f"{BEGIN}ioctl(3, {'{' * 5000}{'}' * 5000}) = 0\n",
    "string without an end": f'{BEGIN}openat(AT_FDCWD, "{chr(92)}"{(chr(92) + chr(34)) * SIZE}, O_RDONLY) = 3\n',
    "blanks behind a pid": f"1{' ' * SIZE}x\n",
    "blanks in a call": f"{BEGIN}read(3{' ' * SIZE}x\n",
    "names without an end": f"{BEGIN}read({'1<1' * (SIZE // 3)}) = 3\n",
    "remarks without an end": f"{BEGIN}read(3, {'/*' * (SIZE // 2)}) = 3\n",
    "changes": f"{BEGIN}read(3, {'a => ' * (SIZE // 5)}b) = 3\n",
    "sets": f"{BEGIN}select(3, [1], NULL, NULL, NULL) = 1 (in {'[in ' * (SIZE // 4)})\n",
    "frames": f"{BEGIN}read(3) = 1\n > {'(' * (SIZE // 2)}{')' * (SIZE // 2)}\n",
    "numbers": f"{BEGIN}read({'9' * SIZE}, 0x{'f' * SIZE}) = {'9' * SIZE} <{'9' * SIZE}>\n",
    "resumed": f"{BEGIN}<... read resumed>{') = ' * (SIZE // 4)}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_log_of_strace_is_read_in_bounded_time(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(GOOD + HOSTILE[name] + GOOD)
    with in_bounded_time():
        done = run_bpfrec("import", log, "-o", tmp_path / "t.bpfrec")
    assert done.returncode == 0, done.stderr
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        assert trace.sql("SELECT count(*) FROM syscalls WHERE path = 'a'").fetchall() == [(2,)]


PERF = {
    "blanks": " " * SIZE + "x\n",
    "blanks behind a word": f"sh 100 [000] 1.000001:{' ' * SIZE}x\n",
    "words": "a " * (SIZE // 2) + "\n",
    "a module without an end": f"sh 100 [000] 1.000001: cpu-clock:\n\t7f00 a ({'a' * SIZE}\n\n",
    "a head of blanks": f"# ========\n# {' ' * SIZE}x\n# ========\n",
}


@pytest.mark.parametrize("name", PERF)
def test_a_text_of_perf_is_read_in_bounded_time(name: str, tmp_path: Path) -> None:
    log = tmp_path / "perf.txt"
    log.write_text(SAMPLE + PERF[name] + "\n" + SAMPLE)
    with in_bounded_time():
        done = run_bpfrec("import", log, "-o", tmp_path / "t.bpfrec")
    assert done.returncode == 0, done.stderr
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        assert trace.sql("SELECT count(*) >= 2 FROM samples").fetchall() == [(True,)]


def test_what_is_nested_too_deeply_is_not_understood_and_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(GOOD + HOSTILE["nested"])
    done = run_bpfrec("import", log, "-o", tmp_path / "t.bpfrec")
    assert "1 calls from 2 lines; not understood: 1" in done.stderr
    deepest = f"{'[' * MOST_NESTED}1{']' * MOST_NESTED}"
    value: Any = parse_value(deepest)
    for _ in range(MOST_NESTED):
        (value,) = value
    assert value == "1"
    with pytest.raises(NestedError):
        split_arguments(f"[{deepest}]")


def test_an_absurdly_long_line_is_not_read_whole_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_of_files, "LONGEST", 100)
    log = tmp_path / "log"
    # Its first hundred characters look like a whole call, and are none.
    long = f'{BEGIN}openat(AT_FDCWD, "wrong) = 7 '.ljust(99, "x") + ') = 7", O_RDONLY) = 3\n'
    log.write_text(GOOD + long + GOOD + "y" * 300)
    with log.open("rb") as file:
        assert len(file.readlines()) == 4
    assert [line[:40] for line in text_lines(log)] == [
        GOOD[:40],
        "[a line of more than 100 characters, whi",
        GOOD[:40],
        "[a line of more than 100 characters, whi",
    ]
    done = run_bpfrec("import", log, "-o", tmp_path / "t.bpfrec")
    assert "2 calls from 4 lines; not understood: 2" in done.stderr
