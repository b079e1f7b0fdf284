"""Scripts replayed in the test's own process."""

from __future__ import annotations

import io
from pathlib import Path

import bpfrec
from bpfrec.analyze.bpftrace.check import Checked, check
from bpfrec.analyze.bpftrace.dialect import DIALECTS
from bpfrec.analyze.bpftrace.errors import Source
from bpfrec.analyze.bpftrace.holdings import Holdings, holdings
from bpfrec.analyze.bpftrace.output import Output
from bpfrec.analyze.bpftrace.parse import parse
from bpfrec.analyze.bpftrace.replay import Manner, replay
from bpfrec.formats.errors import BpfrecError

HEAD = "Attaching"


def checked(
    script: str,
    *parameters: str,
    like: str = "latest",
    held: Holdings | None = None,
    name: str = "stdin",
    **options: str,
) -> Checked:
    """The script of the file ``name``, checked against a trace that holds every call, or against ``held``."""
    source = Source(name, script)
    return check(source, parse(source), held or Holdings(), DIALECTS[like], list(parameters), options)


def run(script: str, *parameters: str, like: str = "latest", json: bool = False, **options: str) -> str:
    """What a script that needs no trace prints."""
    target = io.BytesIO()
    replay(
        None,
        checked(script, *parameters, like=like, **options),
        Output(target, io.StringIO(), safe=False),
        Manner(json=json),
    )
    return _printed(target)


def run_on(
    trace: Path, script: str, *parameters: str, like: str = "latest", json: bool = False, sql: bool = True
) -> str:
    """What a script prints on a trace."""
    target = io.BytesIO()
    with bpfrec.open(trace) as opened:
        done = checked(script, *parameters, like=like, held=holdings(opened))
        replay(opened, done, Output(target, io.StringIO(), safe=False), Manner(json=json, sql=sql))
    return _printed(target)


def _printed(target: io.BytesIO) -> str:
    return target.getvalue().decode("utf-8", "surrogateescape")


def body(printed: str) -> str:
    """What was printed without the two empty lines before the maps."""
    return printed.removeprefix("\n\n")


def refusal(
    script: str, *parameters: str, like: str = "latest", held: Holdings | None = None, name: str = "stdin"
) -> str:
    """What is said of a script that does not run; a test that expects one fails where it runs."""
    try:
        checked(script, *parameters, like=like, held=held, name=name)
    except BpfrecError as error:
        return str(error)
    raise AssertionError(f"the script is accepted: {script}")
