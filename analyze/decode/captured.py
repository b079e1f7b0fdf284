"""What the recorder copied for an argument: its columns in a sys view, its text in the whole call, its join."""

from __future__ import annotations

from bpfrec.analyze.view import Late, ViewColumn
from bpfrec.formats import schema
from bpfrec.formats.syscalls import Argument, Capture, Syscall


def joins(call: Syscall, capture: Capture) -> tuple[Late, ...]:
    """What the columns and the text of a capture need; () where the row of the call has all."""
    del call
    if capture.kind != "timespec":
        return ()
    t = _alias(capture)
    join = f"LEFT JOIN main.timespecs AS {t} ON {t}.event_id = s.event_id AND {t}.arg = {capture.index}"
    return (Late(join, ("timespecs",)),)


def captured_columns(call: Syscall, capture: Capture) -> list[ViewColumn]:
    """The columns of what was copied for ``capture.index``."""
    if call.arguments is None or capture.kind != "timespec":
        return []
    argument: Argument = call.arguments[capture.index]
    return [
        ViewColumn(
            f"{argument.name}_{c.name}",
            c.sql_type,
            f"{c.name} of {argument.name}: {c.comment}",
            f"{_alias(capture)}.{c.name}",
            joins(call, capture),
        )
        for c in schema.TIMESPECS.columns
        if c.name in ("tv_sec", "tv_nsec")
    ]


def captured_text(call: Syscall, capture: Capture, otherwise: str) -> str:
    """SQL for the text of what was copied; ``otherwise`` where nothing was."""
    del call
    if capture.kind != "timespec":
        return otherwise
    t = _alias(capture)
    return (
        f"CASE WHEN {t}.tv_sec IS NULL THEN {otherwise}"
        f" ELSE concat('{{tv_sec=', {t}.tv_sec, ', tv_nsec=', {t}.tv_nsec, '}}') END"
    )


def _alias(capture: Capture) -> str:
    return f"t{capture.index}"
