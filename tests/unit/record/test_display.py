"""record/display.py: what is said at the end is so, and who listens makes no difference."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bpfrec.record.display import Display, why_nothing
from bpfrec.record.request import Request

TARGET = Path("trace.bpfrec")


def said(capsys: pytest.CaptureFixture[str], **members: Any) -> list[str]:
    losses = members.pop("losses", [])
    began = members.pop("recording_start_ns", None)
    recorded: Any = SimpleNamespace(
        start_ns=0, stop_ns=10**9, stopped="SIGINT", ended_early=[], recording_start_ns=began
    )
    finished: Any = SimpleNamespace(
        **{"calls": 5, "samples": 0, "processes": 1, "size": 1000, "lost": 0, "losses": losses} | members
    )
    with Display("it") as display:
        display.summary(Request(everything=True), recorded, finished, TARGET, None)
    return capsys.readouterr().err.splitlines()


def test_nothing_lost_is_said_only_where_nothing_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing lost" in said(capsys)[0]
    stacks = {"kind": "stacks-lost", "severity": "notice", "count": 8317, "remedy": "Record less."}
    first, second, *_ = said(capsys, losses=[stacks])
    assert "nothing lost" not in first, "8,317 stacks were"
    assert "no call lost" in first
    assert second == "bpfrec: stacks-lost: 8,317. Record less."
    ring = {"kind": "ring-full", "severity": "data_loss", "count": 7, "remedy": "Record less."}
    assert "7 LOST" in said(capsys, losses=[ring, stacks], lost=7)[0]


def test_what_is_not_kept_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    _, second, *_ = said(capsys, recording_start_ns=-90 * 10**9)
    assert second == "bpfrec: what was recorded in the first 90.0 s is not kept, as --last asks"


@pytest.mark.parametrize(
    ("request_", "ended_early", "expected"),
    [
        (Request(pids=(7,)), [7], "process or thread 7 ended before recording began"),
        (Request(everything=True, comm="ngnix"), [], "no process or thread was named ngnix"),
        (Request(everything=True, uid=12), [], "user 12 made none"),
        (Request(pids=(7,), calls=frozenset(["read"]), failed_only=True), [], "-e names"),
        (Request(pids=(7,), failed_only=True), [], "none failed"),
        (Request(pids=(7,)), [], "waited in one call all the time"),
    ],
)
def test_why_there_may_be_no_calls(request_: Request, ended_early: list[int], expected: str) -> None:
    recorded: Any = SimpleNamespace(ended_early=ended_early)
    assert expected in why_nothing(request_, recorded)


def test_a_reader_that_has_gone_changes_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    kept = os.dup(2)
    os.dup2(writer, 2)
    try:
        with Display("it") as display:
            display.say("one")
            display.started()
            display.say("two")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writer)


def test_names_that_others_chose_do_not_reach_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    with Display("it") as display:
        display.say("recording x\x1b[31m\udcff")
    assert capsys.readouterr().err == "bpfrec: recording x\\x1b[31m\\udcff\n"
