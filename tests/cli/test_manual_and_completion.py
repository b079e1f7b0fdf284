"""Manual pages and completion: every option is in a page that man accepts; shells complete words from the trace."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest
from support.program import run_bpfrec, start_bpfrec

from bpfrec.analyze.reports import REPORTS
from bpfrec.cli import root
from bpfrec.manual import manual_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man") / "man1"
    assert run_bpfrec("man", "-o", folder).returncode == 0
    return folder


def test_every_command_has_a_page_with_all_its_options(pages: Path) -> None:
    written = dict(manual_pages(click.Context(root), "0"))
    assert {f"{name}.1" for name in written} == {path.name for path in pages.iterdir()}
    assert {"bpfrec", "bpfrec-record", "bpfrec-sql", "bpfrec-analyze-flamegraph"} <= set(written)
    assert {f"bpfrec-report-{name}" for name in REPORTS} <= set(written)
    page = written["bpfrec-report-syscount"].replace("\\-", "-")
    for flag in ("--ppid", "--interval", "--syscall", "--from", "--format", "--limit"):
        assert flag in page
    assert "bpfrec-report(1)" in page.replace("\\fB", "").replace("\\fR", "")


@pytest.mark.skipif(shutil.which("man") is None or shutil.which("groff") is None, reason="no man here")
def test_man_shows_the_pages_without_a_warning(pages: Path) -> None:
    for name in ("bpfrec.1", "bpfrec-record.1", "bpfrec-report-trace.1", "bpfrec-report-stackcount.1"):
        command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(pages / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name


def completed(line: str) -> list[str]:
    """What bash would offer for the last word of ``line``."""
    words = line.split(" ")
    environment = {"_BPFREC_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = start_bpfrec(environment=environment)
    assert done.returncode == 0, done.stderr
    return [offer.partition(",")[2] for offer in done.stdout.splitlines()]


def test_words_are_completed_from_the_trace(lab1_trace: Path) -> None:
    assert completed("bpfrec report sysc") == ["syscount"]
    assert completed(f"bpfrec report failures -i {lab1_trace} -p ") == ["4242", "99"]
    assert completed(f"bpfrec report {lab1_trace} failures -p 99,4") == ["99,4242"]
    assert completed(f"bpfrec report failures -i {lab1_trace} --syscall ope") == ["open", "openat"]
    assert "%file" in completed(f"bpfrec report failures -i {lab1_trace} --syscall %f")
    assert "openat2" in completed("bpfrec report failures -i /nonexistent --syscall openat")
    assert "jsonl" in completed("bpfrec report failures --format js")


def offered(line: str) -> list[str]:
    """The same as lines of kind and word, asked in this process."""
    environment = {"_BPFREC_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = run_bpfrec(environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "analyze qq",
        "report qq",
        "report failures qq",
        "report failures -i qq",
        "report syscount -i qq",
        "report trace qq",
        "report files -o qq",
        "sql qq",
        "analyze schema qq",
        "analyze bpftrace qq",
        "analyze compare qq",
        "share qq",
        "fleet index qq",
        "fleet sql --fleet qq",
        "recover qq",
        "import qq",
    ],
)
def test_names_of_files_are_completed(line: str) -> None:
    assert offered(f"bpfrec {line}") == ["file,qq"]


def test_words_that_lead_nowhere_are_completed_in_silence(lab1_trace: Path) -> None:
    for line in ("bpfrec xx ", "bpfrec analyze xx t", "bpfrec report xx --f"):
        offered(line)
    assert offered("bpfrec help report sysc") == ["plain,syscount"]
    assert "plain,report" in offered("bpfrec help re")
    assert "plain,schema" in offered(f"bpfrec analyze {lab1_trace} s")
    assert offered("bpfrec report stacks --by t") == ["plain,time"]
    assert offered("bpfrec record --report sysc") == ["plain,syscount"]
    assert offered("bpfrec record --live sy") == ["plain,syncsnoop"]
    assert "plain,futex,openat2" in offered("bpfrec record -e futex,openat")
    assert offered("bpfrec record -e %n") == ["plain,%network"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_accepted_by_their_shells(shell: str, tmp_path: Path) -> None:
    done = run_bpfrec("completion", shell, "--install", environment={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    (script,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert script.read_text().rstrip() == run_bpfrec("completion", shell).stdout.rstrip()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    subprocess.run([shell, "-n", str(script)], timeout=60, check=True)
