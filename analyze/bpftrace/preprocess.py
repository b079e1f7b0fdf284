"""What happens to a script before it is parsed: comments and preprocessor lines become blanks, of the same length.

Of the preprocessor there are ``#define`` with and without arguments, ``#undef``, ``#include``, and conditions on names
that are defined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bpfrec.analyze.bpftrace.errors import Problem, Span

_TOKEN = re.compile(r'"(?:\\[\s\S]|[^"\\])*"|//[^\n]*|/\*[\s\S]*?\*/')
_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*([a-z]+)\b[ \t]*(.*)$")
_DEFINED = frozenset({"BPFTRACE_HAVE_BTF", "__x86_64__"})
"""What bpftrace itself defines on a machine with BTF."""

_MOST_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Define:
    """``#define``: its text and place, and the names of its parameters; None: it takes none."""

    text: str
    span: Span
    parameters: tuple[str, ...] | None = None


@dataclass
class Preprocessed:
    """A script ready for the parser. ``defines``: each ``#define`` by name."""

    text: str
    defines: dict[str, Define] = field(default_factory=dict)
    includes: list[str] = field(default_factory=list)


def preprocess(text: str) -> Preprocessed:
    """``text`` without comments and preprocessor lines.

    Raises:
        Problem: a directive that is not known, or one that is not closed.
    """
    if len(text) > _MOST_CHARACTERS:
        raise Problem(Span(1, 1, 1, 2), f"the script has more than {_MOST_CHARACTERS} characters")
    done = Preprocessed("")
    lines: list[str] = []
    shown: list[bool] = []
    for number, line in enumerate(_joined(_TOKEN.sub(_blank, text)).split("\n"), 1):
        match = _DIRECTIVE.match(line)
        if number == 1 and line.startswith("#!"):
            lines.append("")
        elif match is None:
            lines.append(line if all(shown) else " " * len(line))
        else:
            _direct(match, Span(number, 1, number, len(line) + 1), shown, done)
            lines.append(" " * len(line))
    if shown:
        raise Problem(Span(len(lines), 1, len(lines), 2), "unterminated conditional directive: #endif is missing")
    done.text = "\n".join(lines)
    return done


def _joined(text: str) -> str:
    """Directives that go on behind a backslash in one line; the lines that they took are empty."""

    def one(match: re.Match[str]) -> str:
        return match[0].replace("\\\n", " ") + "\n" * match[0].count("\\\n")

    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)+[^\n]*", one, text, flags=re.MULTILINE)


def _blank(match: re.Match[str]) -> str:
    text = match[0]
    return text if text.startswith('"') else re.sub(r"[^\n]", " ", text)


def _direct(match: re.Match[str], span: Span, shown: list[bool], done: Preprocessed) -> None:
    word, rest = match[1], match[2].strip()
    defined = rest in _DEFINED or rest in done.defines
    if word in ("ifdef", "ifndef"):
        shown.append(defined == (word == "ifdef"))
    elif word in ("else", "endif") and not shown:
        raise Problem(span, f"#{word} without #if")
    elif word == "else":
        shown[-1] = not shown[-1]
    elif word == "endif":
        shown.pop()
    elif not all(shown):
        return
    elif word == "define":
        _define(rest, span, done)
    elif word == "undef":
        done.defines.pop(rest, None)
    elif word == "include":
        done.includes.append(rest.strip('<>"'))
    else:
        raise Problem(span, f"#{word} is not known", "there are #define, #undef, #include, #ifdef, #ifndef, #else")


def _define(rest: str, span: Span, done: Preprocessed) -> None:
    match = re.fullmatch(r"([A-Za-z_]\w*)(\()?(.*)", rest)
    if not match:
        raise Problem(span, "macro name missing after #define")
    parameters: tuple[str, ...] | None = None
    text = match[3]
    if match[2]:
        listed, closed, text = text.partition(")")
        parameters = tuple(name.strip() for name in listed.split(",")) if listed.strip() else ()
        if not closed or not all(name.isidentifier() for name in parameters):
            raise Problem(span, f"invalid parameters of #define {match[1]}()")
    done.defines[match[1]] = Define(text.strip(), span, parameters)
