"""Every report and every command: the same options, nothing by a slip, nothing overwritten."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.program import run_bpfrec

from bpfrec.analyze.commands.filter_options import USUAL
from bpfrec.analyze.commands.output import Output, note, write_list
from bpfrec.analyze.commands.report import report_command
from bpfrec.analyze.commands.sections import TITLES
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.reports import REPORTS
from bpfrec.cli import root
from bpfrec.manual import manual_pages
from bpfrec.record.options.choices import Bytes

SAMPLES = Path(__file__).parents[2] / "sample_traces"
OUTPUT = ("--limit", "--format", "--output", "--force", "--sql", "--input", "--symbols")


@pytest.fixture(scope="module", name="build")
def _build() -> Iterator[Trace]:
    with Trace(SAMPLES / "build.bpfrec") as trace:
        yield trace


def rows(trace: Trace, *words: str) -> list[dict[str, object]]:
    done = run_bpfrec("report", *words, "-i", trace.path, "--format", "json", opened=trace)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_knows_the_options_that_all_have(name: str) -> None:
    params = report_command(name).params
    known = {flag: param for param in params for flag in (*param.opts, *param.secondary_opts)}
    long = [flags[-1] if flags[-1].startswith("--") else flags[0] for flags in USUAL.values()]
    assert [flag for flag in (*long, *OUTPUT) if flag not in known] == []
    ranges = [param.opts for param in params if isinstance(param.type, click.IntRange | click.FloatRange)]
    assert ranges == [], "click's ranges speak of x>=1"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("lsof -e read", "not of calls"),
        ("lsof -x", "not of calls"),
        ("netstat --from 1", "--at MOMENT"),
        ("lsof --to 1", "--at MOMENT"),
        ("tcpconnect -d", "name servers"),
        ("solisten -n 4026531840", "--name"),
        ("syscount --exec ls", "record --report syscount -- COMMAND"),
        ("opensnoop --exec ls", "record --report opensnoop -- COMMAND"),
        ("stackcount --debug", "--sql"),
        ("filetop 1 2 3", "one argument too many"),
        ("filetop x", "'x' is no time"),
        ("filetop 1 x", "'x' is no whole number"),
        ("filetop 1 0", "the least is 1"),
        ("filetop 1 -i 2", "give one"),
        ("filetop -d usr", "absolute"),
        ("filetop --read-only --write-only", "contradict"),
        ("summary --limit x", "'x' is no whole number"),
        ("summary --limit -1", "'-1' is no whole number"),
        ("leaks --least 0", "the least is 1"),
        ("syscount -T t.bpfrec", "'t.bpfrec' is no whole number"),
        ("stacks --by t.bpfrec", "'t.bpfrec' is not one of"),
    ],
)
def test_what_a_report_cannot_do_is_refused_with_the_reason(build: Trace, words: str, reason: str) -> None:
    done = run_bpfrec("report", *words.split(), "-i", build.path, opened=build)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr.splitlines()[0]


def test_options_choose_in_reports_that_are_not_about_calls(build: Trace) -> None:
    ended = {row["comm"] for row in rows(build, "exitsnoop")}
    assert {row["comm"] for row in rows(build, "exitsnoop", "--path", "*/ld")} == {"ld", "collect2"} < ended
    assert {row["comm"] for row in rows(build, "exitsnoop", "--per-thread", "-e", "execve", "--path", "*/ld")} == {"ld"}
    assert {row["pid"] for row in rows(build, "lsof", "-t", "8671", "--at", "event:2870")} == {8671}
    started = rows(build, "startup", "--path", "*/ld", "--limit", "2")
    assert {row["comm"] for row in started} == {"ld", "collect2"}
    assert max(Counter((row["pid"], row["part"]) for row in started).values()) == 2
    assert len(rows(build, "summary", "--limit", "0")) > len(rows(build, "summary", "--limit", "3"))
    assert rows(build, "trace", "openat", "--limit", "0") == rows(build, "trace", "openat")
    counted = ("argdist", "-C", "r::openat():int")
    assert rows(build, *counted, "--limit", "0") == rows(build, *counted)
    assert len(rows(build, *counted, "--limit", "1")) == 1


def test_times_off_the_cpu_are_chosen_by_the_call() -> None:
    with Trace(SAMPLES / "sleeping.bpfrec") as trace:
        assert {row["syscall"] for row in rows(trace, "offcpu", "--path", "*pipe*")} == {"read"}
        assert rows(trace, "offcpu", "-x") == []


def test_filetop_has_the_arguments_of_bcc(build: Trace) -> None:
    by_option = rows(build, "filetop", "-i", "100ms", "--limit", "0")
    assert len({row["interval"] for row in by_option}) > 2
    assert rows(build, "filetop", "100ms", "--limit", "0") == by_option
    both = ("report", "filetop", "-i", "100ms", "-i", build.path, "--format", "json", "--limit", "0")
    assert json.loads(run_bpfrec(*both, opened=build).stdout) == by_option, "the second -i does not end the first"
    first = rows(build, "filetop", "100ms", "1", "--limit", "0")
    assert first == [row for row in by_option if row["interval"] == 1]
    every = rows(build, "filetop", "--limit", "0")
    folder = "/usr/lib/x86_64-linux-gnu"
    inside = rows(build, "filetop", "-d", folder, "--limit", "0")
    assert inside == [row for row in every if str(row["file"]).rpartition("/")[0] == folder] != []
    read, written = (rows(build, "filetop", f"--{kind}-only", "--limit", "0") for kind in ("read", "write"))
    assert sum(int(str(row["reads"])) for row in read) == sum(int(str(row["reads"])) for row in every)
    assert {row["writes"] for row in read} == {row["reads"] for row in written} == {0}


def test_columns_that_bcc_added_to_its_tools(build: Trace) -> None:
    def head(*words: str) -> list[str]:
        text = run_bpfrec("report", *words, "--limit", "2", "-i", build.path, opened=build).stdout
        return text.splitlines()[:3]

    assert [line[:54] for line in head("execsnoop", "-M", "-C")] == [
        f"{'COMM':<16} {'PID':<7} {'PCOMM':<16} {'PPID':<7} CPU ",
        f"{'sh':<16} {'8666':<7} {'?':<16} {'8663':<7} 0   ",
        f"{'gcc':<16} {'8667':<7} {'sh':<16} {'8666':<7} 0   ",
    ]
    assert head("statsnoop", "-s")[0] == "PID     COMM               FD ERR SYSCALL      PATH"
    assert head("statsnoop", "-s")[1].split()[4] == "newfstatat"


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("repotr",), "Did you mean report?"),
        (("reports",), "Did you mean report?"),
        (("repor", "x"), "Did you mean report?"),
        (("compare",), "Did you mean bpfrec analyze compare?"),
        (("record", "lsof"), "Did you mean bpfrec report lsof? To record a program called lsof: bpfrec record -- lsof"),
        (("record", "summary", "t.bpfrec"), "Did you mean bpfrec report summary?"),
    ],
)
def test_nothing_is_recorded_by_a_slip(words: tuple[str, ...], advice: str, tmp_path: Path) -> None:
    done = run_bpfrec(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert advice in done.stderr
    assert list(tmp_path.iterdir()) == []


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_lines_end_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", _Terminal())
    monkeypatch.setattr(sys, "stdout", _Terminal())
    note("a remark of more than thirty columns, and a/path/that/is/longer/than/all/of/it")
    write_list({"one": "a word and others that do not fit beside it"})
    padded = Result(["a"], ["VARCHAR"], [("x",)], "")
    Output("table", show_sql=False).write(padded, lambda _: [f"{'x':<39}"])
    assert sys.stderr.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "bpfrec: a remark of more than",
        "thirty columns, and",
        "a/path/that/is/longer/than/all/of/it",
    ]
    assert sys.stdout.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "one  a word and others that do",
        "     not fit beside it",
        "x",
    ]


def test_record_takes_sizes_with_units(tmp_path: Path) -> None:
    for size in ("0", "x", "1.5.2", "-1", "1T"):
        done = run_bpfrec("record", "--data", size, "--", "touch", "made", cwd=tmp_path)
        assert (done.returncode, list(tmp_path.iterdir())) == (2, []), size
        assert "such as 256 or 4K" in done.stderr
    sizes = Bytes(1 << 20)
    assert [sizes("256"), sizes("4K"), sizes("1MiB"), sizes("1.5k")] == [256, 4096, 1 << 20, 1536]


@pytest.mark.parametrize(
    ("report", "reason"),
    [("syscount -Q", "No such option '-Q'"), ("opensnoop -p x", "'x' is no PID"), ("trace", "Missing argument")],
)
def test_a_report_is_checked_before_the_recording(report: str, reason: str, tmp_path: Path) -> None:
    done = run_bpfrec("record", "--report", report, "--", "touch", "made", cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert reason in done.stderr
    assert done.stderr.startswith("bpfrec: Invalid value for '--report': ")


@pytest.mark.parametrize("words", [(), ("analyze",), ("fleet",)])
def test_without_a_command_there_is_help(words: tuple[str, ...]) -> None:
    done = run_bpfrec(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0].startswith("Usage: ")
    assert "\nCommands:\n" in done.stderr
    error = json.loads(run_bpfrec(*words, environment={"AI_AGENT": "1"}).stderr)
    assert error["error"] == "no command is given"


def test_the_help_begins_with_what_only_this_report_has() -> None:
    text = run_bpfrec("report", "opensnoop", "--help").stdout
    own, choosing, rest = (text.index(f"\n{title}:\n") for title in TITLES)
    assert text.index("--extended_fields") < text.index("Refused:") < choosing < text.index("--pid") < rest
    assert own < text.index("--timestamp") < choosing < text.index("--path") < rest < text.index("--format")
    page = dict(manual_pages(click.Context(root), "0"))["bpfrec-report-opensnoop"]
    assert [line for line in page.splitlines() if line[4:].title() in map(str.title, TITLES)] == [
        f".SH {title.upper()}" for title in TITLES
    ]
    for name in REPORTS:
        assert "\\b" not in (report_command(name).help or ""), f"{name} shows the mark for a block"


def test_help_is_a_word_too() -> None:
    for words, same in ((("help",), ("--help",)), (("help", "report", "lsof"), ("report", "lsof", "--help"))):
        done = run_bpfrec(*words)
        assert (done.returncode, done.stdout) == (0, run_bpfrec(*same).stdout)
    assert run_bpfrec("-V").stdout == run_bpfrec("--version").stdout


_TALK = str(SAMPLES / "talk.bpfrec")
_WRITING = {
    "report": ("report", "syscount", _TALK, "-o", "FILE.json"),
    "sql": ("sql", _TALK, "SELECT 1", "-o", "FILE.csv"),
    "info": ("analyze", "info", _TALK, "-o", "FILE.json"),
    "schema": ("analyze", "schema", _TALK, "-o", "FILE.csv"),
    "compare": ("analyze", "compare", _TALK, _TALK, "-o", "FILE.json"),
    "html": ("analyze", "html", _TALK, "-o", "FILE.html"),
    "export": ("analyze", "export", _TALK, "-o", "FILE.pftrace"),
    "bpftrace": ("analyze", "bpftrace", _TALK, "-e", "BEGIN { exit() }", "-o", "FILE.txt"),
    "share": ("share", _TALK, "-o", "FILE.bpfrec"),
    "import": ("import", str(Path(__file__).with_name("strace.log")), "-o", "FILE.bpfrec"),
    "fleet-report": ("fleet", "report", "syscount", "--fleet", _TALK, "-o", "FILE.csv"),
    "fleet-status": ("fleet", "report", "syscount", "--fleet", _TALK, "--status", "FILE.csv"),
    "fleet-index": ("fleet", "index", _TALK, "-o", "FILE.parquet"),
    "fleet-export": ("fleet", "export", "--fleet", _TALK, "--to", "."),
    "man": ("man", "-o", "."),
    "skill": ("skill", "--install", "FOLDER"),
    "record": ("record", "-o", "FILE.bpfrec", "--", "true"),
}


@pytest.mark.parametrize("words", _WRITING.values(), ids=_WRITING)
def test_no_command_overwrites_a_file(words: tuple[str, ...], tmp_path: Path) -> None:
    names = (
        "FILE.json",
        "FILE.csv",
        "FILE.html",
        "FILE.pftrace",
        "FILE.txt",
        "FILE.bpfrec",
        "FILE.parquet",
        "bpfrec.1",
    )
    (tmp_path / "FOLDER" / "bpfrec").mkdir(parents=True)
    files = sorted(tmp_path / name for name in (*names, "FOLDER/bpfrec/SKILL.md"))
    for file in files:
        file.write_text("mine")
    done = run_bpfrec(*words, cwd=tmp_path)
    assert done.returncode in (1, 125), done.stderr
    assert done.stderr.startswith("bpfrec: ")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == files
    assert {path.read_text() for path in files} == {"mine"}


def flags_of(command: click.Command) -> set[str]:
    return {flag for param in command.params for flag in param.opts}


def test_every_command_that_writes_a_file_is_tried_above() -> None:
    def writing(name: str, group: click.Group) -> Iterator[str]:
        ctx = click.Context(group)
        for child in group.list_commands(ctx):
            command = group.get_command(ctx, child)
            if isinstance(command, click.Group) and child != "report":
                yield from writing("" if child == "analyze" else f"{child}-", command)
            elif command and (
                child == "report" or {"-o", "--to", "--install"} & {flag for p in command.params for flag in p.opts}
            ):
                yield f"{name}{child}"

    untried = {"recover", "fleet-sql", "flamegraph", "completion"}
    """A trace of a recorder that was killed; as fleet-report; a trace with stacks, in test_words; the user's folder."""
    assert set(writing("", root)) - untried == set(_WRITING) - {"fleet-status"}


def test_a_folder_of_traces_is_told_apart() -> None:
    done = run_bpfrec("report", "summary", "-i", SAMPLES)
    assert done.returncode == 1
    assert "It has traces: build.bpfrec, " in done.stderr
    assert "bpfrec fleet report NAME --fleet" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("TRACE", "-e", "PROGRAM"),
        ("-e", "PROGRAM", "TRACE"),
        ("-e", "PROGRAM", "-i", "TRACE"),
        ("SCRIPT", "TRACE"),
        ("TRACE", "SCRIPT"),
        ("SCRIPT", "-i", "TRACE"),
    ],
    ids=" ".join,
)
def test_bpftrace_takes_the_trace_in_any_place(words: tuple[str, ...], build: Trace, tmp_path: Path) -> None:
    program = 'BEGIN { printf("%d", $#); exit(); }'
    (tmp_path / "s.bt").write_text(program)
    given = {"TRACE": str(build.path), "PROGRAM": program, "SCRIPT": str(tmp_path / "s.bt")}
    done = run_bpfrec("analyze", "bpftrace", "-q", *(given.get(word, word) for word in words), opened=build)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
