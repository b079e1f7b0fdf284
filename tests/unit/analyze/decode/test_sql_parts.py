"""The SQL of the decoders: what is asked for is there, what is there is asked for, and how it is filled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bpfrec.analyze import decode
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment

FOLDER = Path(decode.__path__[0])
ASKED = re.compile(r'sql\(\s*f?"(\w+)\.(\w+?)(\{\w+\})?"')


def parts():
    for file in (FOLDER / "sql").glob("*.sql"):
        for name in re.findall(r"^-- part: (\w+)$", file.read_text("utf-8"), re.MULTILINE):
            yield f"{file.stem}.{name}"


def test_every_part_is_asked_for_and_there_is_every_one_that_is():
    asked = {
        f"{file}.{part}*" if place else f"{file}.{part}"
        for source in FOLDER.rglob("*.py")
        for file, part, place in ASKED.findall(source.read_text("utf-8"))
    }
    families = tuple(name[:-1] for name in asked if name.endswith("*"))
    exact = {name for name in asked if not name.endswith("*")}
    there = set(parts())
    assert exact <= there
    # numbers.FORM is asked for by the form's name.
    assert {name for name in there - exact if not name.startswith((*families, "numbers."))} == set()


def test_only_sql_is_taken_as_it_is():
    assert sql("numbers.uint", value=Fragment("s.arg0")) == "CAST(s.arg0 AS VARCHAR)"
    assert sql("numbers.uint", value="'; DROP TABLE x") == "CAST('''; DROP TABLE x' AS VARCHAR)"
    assert listed([1, "a'", Fragment("b")]) == "1, 'a''', b"


def test_comments_are_for_the_reader():
    assert "--" not in sql("numbers.device_major", value=1)


def test_what_is_missing_is_an_error():
    with pytest.raises(KeyError, match="value"):
        sql("numbers.uint")
    with pytest.raises(KeyError, match="nonsense"):
        sql("numbers.nonsense", value=1)
