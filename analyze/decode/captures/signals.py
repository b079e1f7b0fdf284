"""Signals: their actions, and what waitid(2) tells of a child."""

from __future__ import annotations

from bpfrec.analyze.decode.captures.view import Values
from bpfrec.analyze.decode.number_texts import number_text
from bpfrec.analyze.decode.sql_parts import sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.formats.kernel.decoding import constants


def sigaction(value: Values) -> Fragment:
    """The text of a ``struct sigaction``; the restorer is there where a flag says so."""
    return sql(
        "signals.sigaction",
        handler=value("handler"),
        mask=value("mask"),
        flags=value("flags"),
        has_restorer=constants("sigaction")["SA_RESTORER"],
        restorer=number_text("address", value("restorer"), 64),
    )


def child(value: Values) -> Fragment:
    """The text of a siginfo of SIGCHLD; NULL for another."""
    return sql(
        "signals.child",
        signal=value("si_signo"),
        sigchld=constants("signal")["SIGCHLD"],
        code=value("si_code"),
        exited=constants("child_code")["CLD_EXITED"],
        error=value("si_errno"),
        pid=number_text("int", value("si_pid"), 32),
        uid=number_text("uint", value("si_uid"), 32),
        exit_status=number_text("int", value("si_status"), 32),
        status=value("si_status"),
    )
