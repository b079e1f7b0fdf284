"""The SQL prompt."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bpfrec.analyze.commands.output import Output, note
from bpfrec.analyze.commands.sql import answer
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.render.escape import printable_lines
from bpfrec.formats.errors import BpfrecError

_HELP = """\
A query ends with a semicolon and may have several lines. Ctrl-C drops what was typed, Ctrl-D leaves.
.tables         the views
.schema [NAME]  the columns of the view NAME, or of all
.help           this
.exit           leave"""
_TABLES = "SELECT DISTINCT schema_name AS schema, view_name AS view FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
_HISTORY_LINES = 1000


def prompt(trace: Trace, output: Output) -> None:
    """Reads statements from the terminal and prints their answers until the user leaves."""
    note(f"{trace.path}: .help for help")
    with _history():
        for script in _scripts():
            try:
                _obey(trace, output, script)
            except BpfrecError as error:
                note(error.message)
                if error.hint:
                    sys.stderr.write(printable_lines(error.hint) + "\n")
            except KeyboardInterrupt:
                note("interrupted")


def _scripts() -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            line = input("     ...> " if lines else "bpfrec> ")
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            lines = []
            continue
        except EOFError:
            sys.stderr.write("\n")
            return
        if not lines and line.strip() in (".exit", ".quit"):
            return
        if line.strip() or lines:
            lines.append(line)
        if lines and (lines[0].startswith(".") or line.rstrip().endswith(";")):
            yield "\n".join(lines)
            lines = []


def _obey(trace: Trace, output: Output, script: str) -> None:
    command, _, argument = script.partition(" ")
    if not command.startswith("."):
        answer(trace, output, script)
    elif command == ".tables":
        output.write(trace.query(_TABLES))
    elif command == ".schema":
        from bpfrec.analyze.engine.sqltemplate import bundled_sql, render_text  # noqa: PLC0415

        output.write(trace.query(render_text(bundled_sql("schema"), view=argument.strip() or None)))
    elif command == ".help":
        sys.stderr.write(_HELP + "\n")
    else:
        note(f"unknown command {command}; .help lists them")


@contextmanager
def _history() -> Iterator[None]:
    try:
        import readline  # noqa: PLC0415
    except ImportError:
        yield
        return
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    file = state / "bpfrec" / "sql_history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(_HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            readline.write_history_file(file)
