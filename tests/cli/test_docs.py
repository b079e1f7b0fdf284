"""The docs are true: every ``bpfrec analyze`` command shown is run, and prints what the page says.

BPFREC_UPDATE_DOCS=1 writes what the commands print into the pages.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from support.program import run_bpfrec

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
UPDATE = os.environ.get("BPFREC_UPDATE_DOCS") == "1"


def run(command: str) -> str:
    """What ``command`` prints, both streams, as on a terminal of 120 columns. It is run by no shell."""
    words = shlex.split(command)
    assert words[0] == "bpfrec", f"no command of bpfrec: {command}"
    assert words[1] in ("analyze", "report", "sql"), f"only analysis can be shown as a console block: {command}"
    done = run_bpfrec(*words[1:], columns=120, cwd=ROOT)
    lines = (done.stderr + done.stdout).splitlines()
    return "".join(f"{text.rstrip()}\n" for text in lines)


def answered(block: str) -> str:
    """The block with what its commands print now."""
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    assert commands, "a console block without a command"
    return "".join(f"$ {command}\n{run(command)}" for command in commands)


@pytest.mark.grid
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_console_blocks_show_what_is_printed(page: Path) -> None:
    text = page.read_text()
    now = BLOCK.sub(lambda match: f"```console\n{answered(match[1])}```", text)
    if UPDATE:
        page.write_text(now)
    assert text == now or UPDATE, (
        f"{page.name} is out of date; look at: BPFREC_UPDATE_DOCS=1 pytest tests/cli/test_docs.py"
    )


@pytest.mark.parametrize("page", [p for p in PAGES if PYTHON.search(p.read_text())], ids=lambda page: page.name)
def test_python_blocks_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for block in PYTHON.findall(page.read_text()):
        exec(compile(block, page.name, "exec"), {})


def test_the_flame_graph_is_that_of_the_sample() -> None:
    arguments = ("-i", "sample_traces/running.bpfrec", "flamegraph", "--samples", "--by", "time", "--format", "svg")
    now = run_bpfrec("analyze", *arguments, cwd=ROOT).stdout
    picture = ROOT / "docs" / "flamegraph.svg"
    if UPDATE:
        picture.write_text(now)
    assert picture.read_text() == now, (
        "flamegraph.svg is out of date; run: BPFREC_UPDATE_DOCS=1 pytest tests/cli/test_docs.py"
    )


def test_every_report_has_a_page_and_the_readme_links_it() -> None:
    from bpfrec.analyze.reports import REPORTS

    readme = (ROOT / "README.md").read_text()
    for name in REPORTS:
        assert (ROOT / "docs" / "reports" / f"{name}.md").is_file(), f"no page for report {name}"
        assert f"docs/reports/{name}.md" in readme, f"README does not link report {name}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links {target}, which is not there"


def generated(page: Path, begin: str, end: str, content: str) -> None:
    """Compares what stands between ``begin`` and ``end`` on a page with ``content``, or writes it there."""
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    now = f"{before}{begin}{content}\n{end}{after}"
    if UPDATE:
        page.write_text(now)
    assert page.read_text() == now, (
        f"{page.name} is out of date; run: BPFREC_UPDATE_DOCS=1 pytest tests/cli/test_docs.py"
    )


def test_the_format_page_describes_every_column() -> None:
    from bpfrec.formats.schema import TABLES

    sections = []
    for table in TABLES:
        lines = [f"| {c.name} | {c.sql_type} | {c.comment} |" for c in table.columns]
        sections.append(
            f"\n### {table.name}\n\n{table.comment}\n\n| column | type | what |\n|---|---|---|\n"
            + "\n".join(lines)
            + "\n"
        )
    generated(ROOT / "docs" / "format.md", "from formats/schema.py -->\n", "<!-- end of tables -->", "".join(sections))


def test_the_decoding_page_lists_every_function() -> None:
    from bpfrec.analyze.decode.functions import functions

    rows = sorted(f"| `{f.signature}` | {f.comment} |" for f in functions().values())
    table = "\n".join(["", "| function | makes text of |", "|---|---|", *rows, ""])
    generated(
        ROOT / "docs" / "decoding.md", "from formats/kernel/decoders.tsv -->\n", "<!-- end of functions -->", table
    )
