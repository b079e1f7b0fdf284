"""One answer made of many: what a report's ``NAME.reduce.sql`` says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files
from itertools import islice

from bpfrec.analyze.engine.errors import sql_errors
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.session import Scratch, connect
from bpfrec.analyze.engine.sqltemplate import identifier, literal, render
from bpfrec.formats.errors import ReportError

_PACKAGE = "bpfrec.analyze.reports"
_NEEDS: dict[str, tuple[dict[str, object], str]] = {
    "syscount": ({"process": False, "interval_s": None}, "without -P and -i: ids of processes mean nothing elsewhere"),
    "latency": ({"histogram": True}, "with -H: percentiles of many traces cannot be had from those of each"),
    "failures": ({"process": False}, "without -P: ids of processes mean nothing elsewhere"),
}
"""Options that the answers of a report have to be asked with, so that they can be merged, and why."""
_ROWS_AT_ONCE = 100_000
_ISO = "%Y-%m-%dT%H:%M:%S.%n"


def mergeable() -> list[str]:
    """The reports whose answers can be merged."""
    suffix = ".reduce.sql"
    names = (entry.name for entry in files(_PACKAGE).iterdir() if entry.name.endswith(suffix))
    return sorted(name.removesuffix(suffix).replace("_", "-") for name in names)


def reduce_sql(report: str, options: dict[str, object]) -> str:
    """The query over the table ``answers`` that merges those of ``report``.

    Raises:
        ReportError: they cannot be merged, or not with these options.
    """
    if report not in mergeable():
        raise ReportError(
            f"answers of {report} cannot be merged", f"Those of these reports can: {', '.join(mergeable())}."
        )
    needs, why = _NEEDS.get(report, ({}, ""))
    if any(options.get(name, wanted if wanted is not True else False) != wanted for name, wanted in needs.items()):
        raise ReportError(f"answers of {report} can be merged only {why}")
    return render(f"{report.replace('-', '_')}.reduce", latency=bool(options.get("latency")))


def merge(sql: str, answers: Iterable[Result], top: int) -> Result:
    """The answer that ``sql`` makes of ``answers``; at most ``top`` rows, 0 for all.

    The answers are kept by DuckDB, which writes them to a temporary folder if they take much memory.

    Raises:
        BpfrecError: two answers have different columns.
    """
    scratch = Scratch()
    connection = connect(scratch)
    try:
        columns: list[str] = []
        for answer in answers:
            if not columns:
                columns = answer.columns
                declared = ", ".join(
                    f"{identifier(name)} {kind}" for name, kind in zip(answer.columns, answer.types, strict=True)
                )
                connection.execute(f"CREATE TABLE answers ({declared})")
            if answer.columns != columns:
                raise ReportError("the answers of two traces have different columns")
            rows = iter(answer)
            while some := list(islice(rows, _ROWS_AT_ONCE)):
                with sql_errors():
                    connection.register("answer", replace(answer, source=some).arrow())
                    connection.execute("INSERT INTO answers SELECT * FROM answer")
                    connection.unregister("answer")
        if not columns:
            return Result([], [], [], sql)
        with sql_errors():
            relation = connection.sql(f"{sql}\nLIMIT {top}" if top else sql)
            types = [str(kind).strip('"') for kind in relation.types]
            shown = (
                f"strftime({identifier(name)}, {literal(_ISO)}) AS {identifier(name)}"
                if kind == "TIMESTAMP_NS"
                else identifier(name)
                for name, kind in zip(relation.columns, types, strict=True)
            )
            names = list(relation.columns)
            return Result(names, types, relation.project(", ".join(shown)).fetchall(), sql)
    finally:
        connection.close()
        scratch.remove()
