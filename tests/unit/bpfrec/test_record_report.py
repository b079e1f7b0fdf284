"""record --report: the reports that follow a recording, and its exit status."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bpfrec.formats.errors import BpfrecError
from bpfrec.record_report import add_report_option

FAILED = -1


def recorded(
    status: int, *arguments: str, fails: bool = False, asked: list[list[str]] | None = None
) -> tuple[int, list[list[str]], str]:
    """The exit status of a recording that ends with ``status``, the reports that it asks for, and what it says."""
    asked = [] if asked is None else asked

    @click.command()
    @click.option("-o", "--output", type=click.Path(path_type=Path))
    @click.argument("command", nargs=-1)
    def record(output: Path | None, command: tuple[str, ...]) -> None:  # noqa: ARG001
        if status == FAILED:
            raise BpfrecError("no memory")
        sys.exit(status)

    def ask(words: list[str]) -> None:
        asked.append(list(words))
        if fails:
            raise BpfrecError("no answer")

    add_report_option(record, ask)
    add_report_option(record, ask)
    done = CliRunner().invoke(record, arguments)
    if isinstance(done.exception, BpfrecError):
        raise done.exception
    return done.exit_code, asked, done.output


def test_reports_are_asked_for_the_trace_that_was_written() -> None:
    code, asked, _ = recorded(0, "-o", "t.bpfrec", "--report", "syscount -P -L", "--report", "failures", "--", "true")
    assert code == 0
    assert asked == [
        ["report", "syscount", "-P", "-L", "--input", "t.bpfrec"],
        ["report", "failures", "--input", "t.bpfrec"],
    ]
    assert recorded(0, "--report", "summary")[1] == [["report", "summary", "--input", "trace.bpfrec"]]


@pytest.mark.parametrize(("status", "fails", "code"), [(7, False, 7), (7, True, 7), (0, True, 1)])
def test_the_status_is_that_of_the_command_unless_only_the_report_fails(status: int, fails: bool, code: int) -> None:
    found, asked, said = recorded(status, "--report", "summary", fails=fails)
    assert (found, len(asked)) == (code, 1)
    assert ("no answer" in said) == fails


def test_a_recording_that_fails_is_not_reported() -> None:
    asked: list[list[str]] = []
    with pytest.raises(BpfrecError, match="no memory"):
        recorded(FAILED, "--report", "summary", asked=asked)
    assert asked == []


@pytest.mark.parametrize("name", ["sumary", "", "'"])
def test_an_unknown_report_is_refused_before_recording(name: str) -> None:
    code, asked, said = recorded(0, "--report", name)
    assert (code, asked) == (2, [])
    if name == "sumary":
        assert "summary" in said
