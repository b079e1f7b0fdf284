"""Signals: their actions, what waitid(2) tells of a child, and those that threads were given."""

from __future__ import annotations

from bpfrec.analyze.decode.captures.view import Values
from bpfrec.analyze.decode.number_texts import hex_text, masked, number_text
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


def delivered() -> Fragment:
    """The text of a row ``s`` of the table ``signals``, as strace writes it."""
    value = Fragment("s.value")
    return sql(
        "signals.delivered",
        kernel=constants("signal_source")["SI_KERNEL"],
        exited=constants("child_code")["CLD_EXITED"],
        timer=hex_text(Fragment("CAST(s.timer AS BIGINT)")),
        address=number_text("address", Fragment("s.address"), 64),
        arch=number_text("hex", Fragment("s.arch"), 32),
        number=number_text("int", masked(value, 32), 32),
        pointer=number_text("address", value, 64),
    )
