from __future__ import annotations

import csv
import functools
import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from support import trace_builder
from support.program import run_bpfrec, start_bpfrec

import bpfrec
from bpfrec.analyze.commands.lazygroup import LazyGroup
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.reports import REPORTS
from bpfrec.cli import root
from bpfrec.formats import schema
from bpfrec.formats.manifest import MANIFEST

OPTION_REPORTS = ("argdist", "trace", "stackcount")
"""Reports that answer only when they are given a probe."""

LISTINGS = [
    *(("report", name) for name in REPORTS if name not in OPTION_REPORTS),
    ("report", "syscount", "-L", "-P"),
    ("report", "latency", "-H"),
    ("report", "opensnoop", "-x", "-n", "ser", "-f", "O_CREAT|O_TRUNC"),
    ("info",),
    ("schema",),
    ("sql", "SELECT 1 AS a, ts FROM syscalls ORDER BY event_id LIMIT 1"),
]


def listing_id(arguments: tuple[str, ...]) -> str:
    return " ".join(arguments)[:40]


@pytest.fixture(scope="module")
def opened(lab1_trace: Path) -> Iterator[Trace]:
    with bpfrec.open(lab1_trace) as trace:
        yield trace


@pytest.fixture(scope="module")
def opened_hostile(hostile_trace: Path) -> Iterator[Trace]:
    with bpfrec.open(hostile_trace) as trace:
        yield trace


@pytest.fixture(scope="module")
def listed(opened: Trace) -> Callable[..., str]:
    """Prints a listing of the lab's trace in a form; each is asked for once."""

    @functools.cache
    def ask(arguments: tuple[str, ...], *form: str) -> str:
        done = run_bpfrec("analyze", *arguments, *form, opened=opened)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ask


def test_times_have_a_zone_in_json_and_csv(lab1_trace):
    for form in ("json", "csv"):
        text = run_bpfrec("analyze", "-i", lab1_trace, "report", "failed-opens", "--format", form).stdout
        assert "2026-08-01T10:00:00.010000000Z" in text


def data_rows(text: str) -> list[dict]:
    return json.loads(text)


@pytest.mark.grid
@pytest.mark.parametrize("arguments", LISTINGS, ids=listing_id)
def test_every_listing_has_the_same_rows_in_json_and_csv(listed, arguments):
    rows = data_rows(listed(arguments, "--format", "json"))
    read = list(csv.DictReader(io.StringIO(listed(arguments, "--format", "csv"))))
    assert len(rows) == len(read)
    for row, text in zip(rows, read, strict=True):
        assert list(row) == list(text)
        for name, value in row.items():
            if isinstance(value, list):
                assert json.loads(text[name]) == value
            elif not isinstance(value, bool | dict | float):
                assert ("" if value is None else str(value)) == text[name]


@pytest.mark.grid
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("analyze", "-i", "TRACE", "report", "opensnoop", "-x"), 0),
        (("analyze", "-i", "TRACE", "report"), 0),
        (("analyze", "-i", "TRACE", "report", "argdist", "-C", "r:c:open():int:$retval"), 0),
        (("analyze", "-i", "TRACE", "schema", "sys.openat"), 0),
        (("analyze", "-i", "TRACE", "info", "--format", "json"), 0),
        (("analyze", "-i", "TRACE", "sql", "SELEC 1"), 1),
        (("analyze", "-i", "TRACE", "sql"), 0),
        (("analyze", "-i", "/nonexistent", "info"), 1),
        (("analyze", "-i", "TRACE", "report", "syscount", "-c", "-L"), 2),
        (("analyze", "--help"), 0),
        ((), 2),
    ],
    ids=lambda value: listing_id(value) if isinstance(value, tuple) else "",
)
def test_a_process_of_its_own_answers_as_the_tests_do(lab1_trace, arguments, code):
    arguments = [lab1_trace if argument == "TRACE" else argument for argument in arguments]
    query = "SELECT count(*), max(comm) FROM syscalls;\n"
    process, here = (run(*arguments, stdin=query) for run in (start_bpfrec, run_bpfrec))
    assert (process.returncode, process.stdout, process.stderr) == (here.returncode, here.stdout, here.stderr)
    assert process.returncode == code
    assert process.stdout + process.stderr


@pytest.mark.grid
@pytest.mark.parametrize("arguments", LISTINGS, ids=listing_id)
def test_the_printed_query_gives_the_same_rows(opened, listed, arguments):
    query = listed(arguments, "--sql")
    again = run_bpfrec("analyze", "sql", "--format", "json", stdin=query, opened=opened)
    assert again.returncode == 0, again.stderr
    assert again.stdout == listed(arguments, "--format", "json")


@pytest.mark.grid
@pytest.mark.parametrize("arguments", LISTINGS[:-3], ids=listing_id)
def test_every_column_of_a_report_has_a_comment_in_its_query(listed, arguments):
    rows = listed(arguments, "--format", "csv")
    query = listed(arguments, "--sql")
    last_select = query[query.rindex("\nSELECT\n" if "\nSELECT\n" in query else "SELECT\n") :]
    columns = last_select[: last_select.index("\nFROM ")]
    assert columns.count("\n    -- ") == len(next(csv.reader(io.StringIO(rows))))


def test_every_column_of_the_schema_has_a_comment(lab1_trace):
    rows = data_rows(run_bpfrec("analyze", "-i", lab1_trace, "schema", "--format", "json").stdout)
    assert {"syscalls", "frames", "losses", "recording", "sys.openat", "sys.unknown_999"} <= {r["view"] for r in rows}
    assert [r for r in rows if not r["comment"] or not r["type"]] == []


def commands(group: click.Group, path: tuple[str, ...] = ()):
    context = click.Context(group)
    for name in group.list_commands(context):
        if path == () and name == "record":
            continue  # has tests of its own
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_every_command_and_option_has_a_help_text():
    found = dict(commands(root))
    assert {("analyze", "report", name) for name in REPORTS} <= set(found)
    for path, command in found.items():
        assert command.name == path[-1]
        assert command.help, path
        assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == [], path


def test_the_lists_of_commands_name_what_is_there():
    for path, command in [((), root), *commands(root)]:
        if isinstance(command, LazyGroup):
            for entry in command.entries.values():
                assert entry.help[0].islower(), path


@pytest.fixture(scope="module")
def broken(lab1_trace, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("broken")
    whole = lab1_trace.read_bytes()
    files = {
        name: folder / name for name in ("empty", "cut", "text", "flipped", "no-manifest", "newer", "not-json", "gone")
    }
    files["empty"].write_bytes(b"")
    files["cut"].write_bytes(whole[: len(whole) // 2])
    files["text"].write_text("SELECT 1")
    files["flipped"].write_bytes(whole[:200] + bytes(b ^ 0xFF for b in whole[200:260]) + whole[260:])
    with zipfile.ZipFile(lab1_trace) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifests = {
        "no-manifest": None,
        "newer": members[MANIFEST].replace(b'"format_version": 1', b'"format_version": 99'),
        "not-json": b"{",
    }
    for name, manifest in manifests.items():
        with zipfile.ZipFile(files[name], "w") as archive:
            for member, content in (members | {MANIFEST: manifest}).items():
                if content is not None:
                    archive.writestr(member, content)
    files["folder"] = folder / "folder"
    files["folder"].mkdir()
    return files


KINDS = ["empty", "cut", "text", "flipped", "no-manifest", "newer", "not-json", "gone", "folder"]
QUESTIONS = [
    *(("report", name) for name in REPORTS if name not in OPTION_REPORTS),
    ("info",),
    ("schema",),
    ("sql", "FROM syscalls"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_answers_from_a_broken_trace(broken, kind):
    for arguments in QUESTIONS if kind == "flipped" else [("report", "summary"), ("info",), ("sql", "FROM syscalls")]:
        if kind == "flipped" and arguments == ("info",):
            continue  # needs the manifest and the losses, which are whole
        done = run_bpfrec("analyze", "-i", broken[kind], *arguments)
        assert done.returncode == 1, (arguments, done.stdout)
        assert done.stdout == ""
        assert done.stderr.startswith("bpfrec: ")
        assert "Traceback" not in done.stderr
    if kind == "newer":
        assert "pip install --upgrade bpfrec" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "report", "syscout"),
        ("analyze", "nothing"),
        ("analyze", "report", "syscount", "-c", "-P"),
        ("analyze", "report", "syscount", "-c", "-L"),
        ("analyze", "report", "syscount", "-m"),
        ("analyze", "report", "syscount", "-e", "EWHAT"),
        ("analyze", "report", "syscount", "--syscall", "opn"),
        ("analyze", "report", "opensnoop", "-f", "O_WHAT"),
        ("analyze", "report", "syscount", "--format", "xml"),
        ("analyze", "sql", "SELECT 1", "-f", "x.sql"),
        ("analyze", "info", "more"),
        ("nothing",),
    ],
    ids=listing_id,
)
def test_wrong_usage_is_2(lab1_trace, arguments):
    done = run_bpfrec(*arguments, environment={"BPFREC_TRACE": str(lab1_trace)})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bpfrec: ")
    assert "For help: bpfrec" in done.stderr


def test_an_unknown_report_is_answered_with_its_neighbours():
    assert "syscount" in run_bpfrec("analyze", "report", "syscout").stderr


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT * FROM sys.nowhere", "nowhere"),
        ("SELECT error('boom')", "boom"),
        ("SELECT CAST('x' AS INTEGER)", "x"),
        ("FROM 'https://example.org/x.parquet'", "not allowed"),
    ],
)
def test_a_wrong_query_is_1_with_a_message(lab1_trace, query, says):
    done = run_bpfrec("analyze", "-i", lab1_trace, "sql", query)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bpfrec: ")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_sql_prints_the_last_rows_of_a_script(lab1_trace, tmp_path):
    script = tmp_path / "q.sql"
    copy = tmp_path / "out.csv"
    script.write_text(
        f"-- a script\nSET threads = 1; SELECT count(*) AS n FROM syscalls;\nCOPY (SELECT 7) TO '{copy}';"
    )
    for arguments, stdin in (
        (["-f", script], ""),
        ([script.read_text()], ""),
        ([], script.read_text()),
        (["-f", "-"], script.read_text()),
    ):
        copy.unlink(missing_ok=True)
        options = ("--format", "csv", "--allow-files")
        done = run_bpfrec("analyze", "-i", lab1_trace, "sql", *arguments, *options, stdin=stdin)
        assert (done.returncode, done.stdout) == (0, "n\n61\n"), done.stderr
        assert copy.exists()


def test_sql_with_sql_runs_nothing(lab1_trace, tmp_path):
    query = f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'"
    assert run_bpfrec("analyze", "-i", lab1_trace, "sql", query, "--sql").stdout == query + "\n"
    assert list(tmp_path.iterdir()) == []


def test_explain_is_readable(lab1_trace):
    done = run_bpfrec("analyze", "-i", lab1_trace, "sql", "EXPLAIN SELECT count(*) FROM syscalls")
    assert done.stdout.count("\n") > 3
    assert "\\x0a" not in done.stdout


def test_the_default_trace(lab1_trace, tmp_path):
    assert "trace.bpfrec: no such trace" in run_bpfrec("analyze", "info", cwd=tmp_path).stderr
    (tmp_path / "trace.bpfrec").symlink_to(lab1_trace)
    assert run_bpfrec("analyze", "info", cwd=tmp_path).returncode == 0


def test_losses_are_the_first_line_on_standard_error(lossy_trace, lab1_trace):
    # What each report says of losses is asked in unit/analyze/test_reports.py.
    for arguments in (("report", "failures"), ("report", "calls"), ("report", "files"), ("sql", "SELECT 1")):
        lossy = run_bpfrec("analyze", "-i", lossy_trace, *arguments)
        assert lossy.stderr.splitlines()[0].startswith("bpfrec: this trace lacks 1234 events (ring-full)"), arguments
        assert "lacks" not in run_bpfrec("analyze", "-i", lab1_trace, *arguments).stderr


@pytest.mark.grid
@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("arguments", [*QUESTIONS, ("report", "opensnoop", "-U", "-T", "-e")], ids=listing_id)
def test_no_escape_of_a_hostile_trace_reaches_the_terminal(opened_hostile, arguments, form):
    done = run_bpfrec("analyze", *arguments, "--format", form, opened=opened_hostile)
    assert done.returncode == 0, done.stderr
    written = (done.stdout + done.stderr).replace("\n", "")
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2028" for c in written)


def test_a_trace_of_nulls_is_printed(tmp_path):
    builder = trace_builder.TraceBuilder()
    for name, at in (("openat", 0), ("write", 1), ("connect", 2)):
        builder.call(name, at, ret=-2, stack_id=1)
    nulls = ("pid", "tid", "ts_ns", "syscall", "comm", "uid", "cpu", "nr", "abi", "errno", "duration_ns")
    for columns in (nulls, *((column,) for column in nulls)):
        builder.call("openat", 3, ret=3, stack_id=1)
        builder.rows["syscalls"][-1] |= dict.fromkeys(columns)
    for table in (schema.PROCESSES, schema.THREADS, schema.FRAMES, schema.STACKS, schema.LOSSES, schema.SOCKADDRS):
        builder.add(table)
    builder.add(schema.FRAMES, stack_id=1, depth=0)
    builder.add(schema.STACKS, stack_id=1)
    trace = builder.write(tmp_path / "t.bpfrec")
    probes = {
        "argdist": ("-C", "p:c:openat(int d, char *f):char*:f"),
        "trace": ('openat "%s", arg2', "-UTC"),
        "stackcount": ("open*",),
        # Without contents its text is an error.
        "stream": ("--format", "json"),
    }
    more = [
        ("report", "syscount", "-P", "-L"),
        ("report", "opensnoop", "-T", "-U", "-e"),
        ("report", "processes", "-c"),
    ]
    with bpfrec.open(trace) as opened:
        for arguments in (
            *(("report", name, *probes.get(name, ())) for name in REPORTS),
            *more,
            ("flamegraph",),
            ("info",),
        ):
            done = run_bpfrec("analyze", *arguments, opened=opened)
            assert "Traceback" not in done.stderr, (arguments, done.stderr)
            assert done.returncode == 0, (arguments, done.stderr)


def test_hostile_strings_in_messages_are_escaped(lab1_trace, tmp_path):
    with zipfile.ZipFile(lab1_trace) as archive:
        manifest = json.loads(archive.read(MANIFEST))
    manifest |= {"format_version": 99, "tool_version": "\x1b[31m\u202e"}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    done = run_bpfrec("analyze", "-i", tmp_path, "info")
    assert done.returncode == 1
    assert "\\x1b[31m\\u202e" in done.stderr


def on_a_terminal(*arguments: str | Path, typed: tuple[str, ...] = (), **variables: str) -> str:
    """What a terminal gets to see; each of ``typed`` is typed when there is a prompt."""
    environment = os.environ | {"COLUMNS": "80", "TERM": "dumb", "XDG_STATE_HOME": "/nonexistent"} | variables
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background inherits that it is ignored
        os.execve(sys.executable, [sys.executable, "-m", "bpfrec", *map(str, arguments)], environment)
    seen, lines = "", list(typed)
    try:
        while select.select([terminal], [], [], 20)[0]:
            try:
                seen += os.read(terminal, 65536).decode()
            except OSError:  # Linux says EIO when the program has ended
                break
            if seen.endswith("> ") and lines:
                time.sleep(0.3)  # between its prompt and its wait, readline loses a Ctrl-C
                os.write(terminal, lines.pop(0).encode())
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    assert not lines, seen
    return seen


def test_csv_is_escaped_on_a_terminal_and_raw_in_a_pipe(hostile_trace):
    arguments = ("analyze", "-i", hostile_trace, "sql", "SELECT path FROM syscalls LIMIT 1", "--format", "csv")
    assert "\x1b" not in on_a_terminal(*arguments)
    assert "\x1b" in run_bpfrec(*arguments).stdout


def test_colours_are_for_terminals_that_have_them(lab1_trace):
    arguments = ("analyze", "-i", lab1_trace, "report", "failures")
    assert "\x1b[31mENOENT\x1b[0m" in on_a_terminal(*arguments, TERM="xterm")
    for variables in ({"TERM": "xterm", "NO_COLOR": "1"}, {}):
        assert "\x1b[31m" not in on_a_terminal(*arguments, **variables)
    assert "\x1b" not in run_bpfrec(*arguments, environment={"TERM": "xterm"}).stdout


def test_the_prompt(lab1_trace):
    typed = ("SELECT count(*)\n", "FROM syscalls;\n", ".tables\n", ".schema losses\n", "SELEC;\n", ".what\n", ".help\n")
    seen = on_a_terminal("analyze", "-i", lab1_trace, "sql", typed=(*typed, ".exit\n"))
    for expected in ("61\r\n", "openat", "remedy", "syntax error", "unknown command .what", "Ctrl-D leaves"):
        assert expected in seen


def test_ctrl_c_drops_the_line_and_ctrl_d_leaves(lab1_trace):
    typed = ("SELECT 'dropped' ||\n", "\x03", "SELECT 'ke' || 'pt';\n", "\x04")
    seen = on_a_terminal("analyze", "-i", lab1_trace, "sql", typed=typed)
    assert "kept" in seen
    assert "Error" not in seen


def test_ctrl_c_ends_a_query_without_a_word(lab1_trace):
    query = "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3"
    handled = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{handled}; from bpfrec.__main__ import main; main()"
    command = [sys.executable, "-c", code, "analyze", "-i", str(lab1_trace), "sql", query]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(4)  # DuckDB would draw its progress bar by then
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_a_closed_pipe_is_no_complaint(lab1_trace):
    command = f"{sys.executable} -m bpfrec analyze -i {lab1_trace} sql 'FROM range(200000)' | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.strip(), done.stderr) == ("range", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_a_message(lab1_trace):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "bpfrec", "analyze", "-i", str(lab1_trace), "info"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "bpfrec: No space left on device\n")


def test_an_encoding_that_lacks_a_character_is_no_failure(hostile_trace):
    environment = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = start_bpfrec("analyze", "-i", hostile_trace, "report", "opensnoop", environment=environment)
    assert (done.returncode, "\\u65e5" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (
            ["--help"],
            ["duckdb", "jinja2", "rich", "lark", "pyarrow", "numpy", "bpfrec.record", "bpfrec.analyze.facade"],
        ),
        (["analyze", "report"], ["duckdb", "jinja2", "rich", "lark", "pyarrow", "numpy", "bpfrec.analyze.facade"]),
        (
            ["analyze", "-i", "{trace}", "report", "syscount"],
            ["rich", "lark", "pyarrow", "numpy", "bpfrec.record", "bpfrec.bpf"],
        ),
        (
            ["analyze", "-i", "{trace}", "sql", "SELECT count(*) FROM syscalls"],
            ["jinja2", "rich", "lark", "pyarrow", "numpy"],
        ),
    ],
)
def test_commands_import_what_they_need(lab1_trace, arguments, absent):
    program = (
        "import sys\nfrom bpfrec.__main__ import main\n"
        "try: main()\nexcept SystemExit as e: assert e.code == 0\n"
        f"print(*[m for m in {absent!r} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *(a.format(trace=lab1_trace) for a in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.splitlines()[-1].strip() == ""


def test_version():
    done = start_bpfrec("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "bpfrec")
