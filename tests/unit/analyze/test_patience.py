"""The sign of life while an answer takes long."""

from __future__ import annotations

import io
import sys
import time

import pytest

from bpfrec.analyze.commands import output, patience
from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.patience import Patience


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch) -> Terminal:
    monkeypatch.setattr(patience, "_FIRST_S", 0.01)
    monkeypatch.setattr(patience, "_NEXT_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def wait_for(terminal: Terminal, text: str) -> None:
    end = time.monotonic() + 10
    while text not in terminal.getvalue() and time.monotonic() < end:
        time.sleep(0.01)
    assert text in terminal.getvalue()


def test_a_slow_answer_says_that_it_goes_on_and_takes_that_back(monkeypatch, capsys):
    terminal = on_a_terminal(monkeypatch)

    def lines():
        wait_for(terminal, "still asking, 0 s")
        yield "the answer"

    with Patience():
        output.write_lines(lines())
        assert terminal.getvalue().endswith("\r\x1b[K")
        seen = terminal.getvalue()
        time.sleep(0.05)
        assert terminal.getvalue() == seen, "it goes on while the answer is printed"
    assert capsys.readouterr().out == "the answer\n"
    assert Patience.current is None


def test_remarks_stand_on_lines_of_their_own(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    with Patience():
        wait_for(terminal, "still asking")
        for _ in range(200):
            output.note("a remark")
    assert terminal.getvalue().count("bpfrec: a remark\n") == 200
    assert "ends it)bpfrec: a remark" not in terminal.getvalue()


def test_a_file_that_is_slow_to_write_says_so_too(monkeypatch, tmp_path):
    terminal = on_a_terminal(monkeypatch)
    with Patience() as outer:
        with output_file(tmp_path / "table.csv", force=False):
            assert Patience.current is outer, "one line is enough"
        assert Patience.current is outer
    with output_file(tmp_path / "page.html", force=False) as file:
        wait_for(terminal, "still asking")
        file.write("the answer")
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert (tmp_path / "page.html").read_text() == "the answer"


@pytest.mark.parametrize(("term", "is_terminal"), [("dumb", True), ("xterm", False)])
def test_what_is_no_terminal_hears_nothing(monkeypatch, term, is_terminal):
    stderr = on_a_terminal(monkeypatch)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(stderr, "isatty", lambda: is_terminal)
    with Patience():
        time.sleep(0.05)
    assert stderr.getvalue() == ""
