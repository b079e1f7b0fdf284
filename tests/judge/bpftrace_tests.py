"""Reads bpftrace's own runtime tests (``tests/runtime`` of its source), and says which need the language alone.

A test is a paragraph of ``WORD text`` lines: NAME, then PROG (a script) or RUN (a shell command that names
``{{BPFTRACE}}``), then what has to be in the output. Lines that begin with blanks go on with the line before. In 0.17
EXPECT is a regular expression, and a run of blanks in any line is one blank; later EXPECT is a whole line of the
output, and EXPECT_REGEX, EXPECT_FILE, EXPECT_JSON and their ``_NONE`` forms say the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NOT_TESTS = ("engine", "scripts", "outputs")
_TEXTS = re.compile(r'"(?:\\[\s\S]|[^"\\])*"')
_PROBES = re.compile(
    r"(?<![\w.$@:])(?:k|kr|kprobe|kretprobe|fentry|fexit|kfunc|kretfunc|f|fr|t|tracepoint|rt|rawtracepoint|u|uprobe|ur"
    r"|uretprobe|U|usdt|p|profile|s|software|h|hardware|w|watchpoint|aw|asyncwatchpoint|it|iter|self|bench|test):\S"
)
_OTHER_NEEDS = {
    "BEFORE": "a program that runs beside it",
    "AFTER": "a program that runs beside it",
    "SETUP": "files that its own build makes",
    "NEW_PIDNS": "namespaces of its own",
    "REQUIRES_FEATURE": "a feature of the kernel or of the build",
    "REQUIRES": "files of another machine",
}


@dataclass
class RuntimeTest:
    """One test.

    ``expects``: what to look for, as pairs of a mode (text, regex, file, json, or with ``_none``) and text.
    ``needs``: why it is not about the language alone; '' where it is.
    """

    suite: str
    name: str = ""
    program: str = ""
    command: str = ""
    expects: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    fails: bool = False
    status: int = 0
    needs: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether the whole output is compared."""
        return any(mode in ("file", "json") for mode, _ in self.expects)


def read_tests(folder: Path) -> Iterator[RuntimeTest]:
    """The tests below ``folder`` (bpftrace's ``tests/runtime``), in the order of their files.

    Tests of other machines are left out.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    texts = {path.name: path.read_text() for path in files if path.name not in _NOT_TESTS}
    is_old = not any("EXPECT_REGEX" in text for text in texts.values())
    for suite, text in texts.items():
        kept = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
        for paragraph in re.split(r"\n\n+", kept):
            if paragraph.strip():
                test = _old_test(suite, paragraph) if is_old else _test(suite, paragraph)
                if test is not None:
                    test.needs = test.needs or _needs(test, folder)
                    yield test


def _old_test(suite: str, paragraph: str) -> RuntimeTest | None:
    test = RuntimeTest(suite)
    for line in paragraph.strip("\n").split("\n"):
        word, *rest = line.split()
        if not _take(test, word, " ".join(rest), "regex"):
            return None
    return test


def _test(suite: str, paragraph: str) -> RuntimeTest | None:
    test, word = RuntimeTest(suite), ""
    for line in paragraph.strip("\n").split("\n"):
        if word and line[: len(word) + 1].isspace():
            more = line[len(word) + 1 :]
            if word == "PROG":
                test.program += "\n" + more
            elif word in ("EXPECT", "EXPECT_REGEX"):
                mode, text = test.expects[-1]
                test.expects[-1] = (mode, f"{text}\n{more}")
            continue
        word, _, rest = line.strip().partition(" ")
        if not _take(test, word, rest.strip(), "text"):
            return None
    return test


def _take(test: RuntimeTest, word: str, text: str, mode: str) -> bool:
    """Notes one line of a test; whether the test is one for this machine."""
    match word:
        case "NAME":
            test.name = text
        case "PROG":
            test.program = text
        case "RUN":
            test.command = text
        case "EXPECT":
            test.expects.append((mode, text))
        case "EXPECT_NONE" | "EXPECT_REGEX" | "EXPECT_REGEX_NONE" | "EXPECT_FILE" | "EXPECT_JSON":
            kind = word.removeprefix("EXPECT_").lower()
            test.expects.append(("text_none" if kind == "none" else kind, text))
        case "ENV":
            test.environment = dict(item.split("=", 1) for item in text.split())
        case "WILL_FAIL":
            test.fails = True
        case "RETURN_CODE":
            test.status = int(text)
        case "ARCH":
            names = [name.strip() for name in text.split("|")]
            return "!x86_64" not in names and (
                not [n for n in names if n[0] != "!"] or {"x86_64", "le"} & {*names} != set()
            )
    test.needs = test.needs or _OTHER_NEEDS.get(word, "")
    return True


def _needs(test: RuntimeTest, folder: Path) -> str:
    """What else than the language a test needs, by what it runs."""
    script = test.program or test.command
    if "BPFTRACE_DUMMY_TS_MAP" in test.environment:
        return "a clock that only its own tests have"
    for name in re.findall(r"runtime/(scripts/[\w.-]+)", test.command):
        script += (folder / name).read_text()
    probes = _PROBES.search(_TEXTS.sub('""', script))
    if "./testprogs" in script or "testlibs" in script:
        return "a program of its own tests"
    if probes is not None:
        return "probes of the kernel or of a program"
    if test.command and (not test.command.startswith("{{BPFTRACE}} ") or "$(" in test.command):
        return "a shell around it"
    if re.search(
        r"(?<!\S)(-c|-p|--cmd|--pid|--aot|--mode|--info|--version|-h|-d|-l|-lv|--emit\S*|--probe-filter)\b",
        test.command,
    ):
        return "options that are not about the language"
    return ""
