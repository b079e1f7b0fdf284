"""The SQL of this folder: parts of ``sql/*.sql``, and the values that fill them.

A part begins with a line ``-- part: NAME`` and ends where the next begins; other comments are for the reader. ``$name``
or ``${name}`` stands for a value. Jinja, which fills the SQL of the reports, is not used here: every query of a view of
``sys`` fills dozens of parts, and importing Jinja alone would take a tenth of its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from bpfrec.analyze.engine.sqltemplate import Fragment, literal

_PART = re.compile(r"^-- part: (\w+)$", re.MULTILINE)
_PLACE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def sql(name: str, /, **values: object) -> Fragment:
    """The SQL of the part ``FILE.PART``, filled with ``values``.

    A :class:`Fragment` is taken as it is, any other value becomes a SQL literal.

    Raises:
        KeyError: there is no such part, or it needs a value that is not given.
    """
    filled = {key: value if type(value) is Fragment else literal(value) for key, value in values.items()}
    return Fragment(_part(name) % filled)


def listed(values: Iterable[object], separator: str = ", ") -> Fragment:
    """``values``, each a :class:`Fragment` or made a literal, with ``separator`` between them."""
    return Fragment(separator.join(map(literal, values)))


@cache
def _part(name: str) -> str:
    """The SQL of a part, on one line, as a format for the operator %."""
    file, _, part = name.partition(".")
    lines = (line.strip() for line in _parts(file)[part].splitlines())
    text = " ".join(line for line in lines if line and not line.startswith("--"))
    return _PLACE.sub(lambda place: f"%({place[1] or place[2]})s", text.replace("%", "%%"))


@cache
def _parts(file: str) -> dict[str, str]:
    text = files("bpfrec.analyze.decode").joinpath("sql", f"{file}.sql").read_text("utf-8")
    _, *rest = _PART.split(text)
    return dict(zip(rest[::2], rest[1::2], strict=True))
