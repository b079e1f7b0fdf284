"""record --live: which reports can be shown while recording goes on, and how the rows of segments become one text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from support.trace_builder import MS, TraceBuilder

from bpfrec.record_live import add_live_option


def asked(*arguments: str) -> tuple[Any, int, str]:
    """What ``record`` gets for ``--live``, its exit status, and what it says."""
    given: list[Any] = []

    @click.command()
    @click.argument("command", nargs=-1)
    def record(command: tuple[str, ...], show: Any) -> None:  # noqa: ARG001
        given.append(show)

    add_live_option(record)
    add_live_option(record)
    done = CliRunner().invoke(record, arguments)
    return given[0] if given else None, done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ("failed-opens", "needs the whole recording: --report failed-opens"),
        ("sumary", "no report is called sumary"),
        ("", "no report is called"),
        ("'", "quotation"),
        ("opensnoop --nosuch", "--nosuch"),
        ("opensnoop -F", "-F/--full-path needs the whole recording"),
        ("opensnoop -T", "needs the whole recording"),
        ("trace open -U", "-U/--user-stack needs the whole recording"),
        ("trace -A -M 3 open", "-A/--aggregate needs the whole recording"),
        ("calls --around 7", "--around needs the whole recording"),
        ("opensnoop --format json", "--format"),
        ("opensnoop --sql", "--sql"),
        ("opensnoop -o rows.txt", "--output"),
        ("opensnoop other.bpfrec", "no other trace"),
    ],
)
def test_what_cannot_be_live_is_refused_before_recording(live: str, why: str) -> None:
    show, status, said = asked("--live", live)
    assert (show, status) == (None, 2)
    assert why in said


def test_without_the_option_nothing_is_shown() -> None:
    assert asked()[:2] == (None, 0)


def segments(folder: Path) -> Iterator[Path]:
    """Three traces; the second has no call."""
    for number, paths in enumerate((["/a", "/b"], [], ["/c"])):
        builder = TraceBuilder()
        for place, path in enumerate(paths):
            builder.call("openat", (number * 10 + place) * MS, -100, 1, 0, 0, ret=-2, path=path)
        yield builder.write(folder / f"{number}.bpfrec")


@pytest.mark.parametrize(
    ("live", "found"),
    [
        ("opensnoop -x", ["/a", "/b", "/c"]),
        ("opensnoop --limit 1", ["/a"]),
        ("statsnoop", []),
        ("trace 'r:c:open \"%s\", arg1'", ["/a", "/b", "/c"]),
        ("trace -M 2 'r:c:open \"%s\", arg1'", ["/a", "/b"]),
    ],
)
def test_segments_become_one_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], live: str, found: list[str]
) -> None:
    show: Callable[[Iterator[Path]], None] = asked("--live", live)[0]
    show(segments(tmp_path))
    out, said = capfd.readouterr()
    head, *rows = out.splitlines()
    assert "PID" in head
    assert [row.split()[-1] for row in rows] == found
    assert said.endswith("none of 3 calls\n") is not bool(found)


def test_calls_are_counted_through_all_segments(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked("--live", "calls --syscall openat")[0](segments(tmp_path))
    out, said = capfd.readouterr()
    assert len(out.splitlines()) == 3
    assert said == ""


def test_a_probe_that_is_wrong_ends_the_text_and_not_the_recording(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked("--live", "trace open:::")[0](segments(tmp_path))
    assert "bpfrec: --live trace: " in (said := capfd.readouterr().err)
    assert "recording goes on" in said
