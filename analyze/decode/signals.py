"""SQL for what calls say of signals: sets of them, actions, and what waitid(2) tells of a child."""

from __future__ import annotations

from bpfrec.analyze.decode.copies import Values
from bpfrec.analyze.decode.functions import written
from bpfrec.formats.kernel.decoding import constants


def sigaction(value: Values) -> str:
    """The text of a ``struct sigaction``; the restorer is there where a flag says so."""
    flags = value("flags")
    restorer = f"', sa_restorer=' || {written('address', value('restorer'), 64)}"
    return (
        f"('{{sa_handler=' || signal_handler({value('handler')}) || ', sa_mask=' || sigset_text({value('mask')})"
        f" || ', sa_flags=' || sigaction_flags({flags})"
        f" || CASE WHEN {flags} & {constants('sigaction')['SA_RESTORER']} != 0 THEN {restorer} ELSE '' END || '}}')"
    )


def child(value: Values) -> str:
    """The text of a siginfo of SIGCHLD, without the times that are not copied; NULL for another.

    Where nobody was found, waitid(2) sets the signal to 0.
    """
    code = value("si_code")
    status = (
        f"CASE WHEN {code} = {constants('child_code')['CLD_EXITED']} THEN {written('int', value('si_status'), 32)}"
        f" ELSE signal_name({value('si_status')}) END"
    )
    error = f"CASE WHEN {value('si_errno')} != 0 THEN ', si_errno=' || errno_name({value('si_errno')}) ELSE '' END"
    return (
        f"CASE {value('si_signo')} WHEN 0 THEN '{{}}' WHEN {constants('signal')['SIGCHLD']}"
        f" THEN '{{si_signo=SIGCHLD, si_code=' || child_code({code}) || {error}"
        f" || ', si_pid=' || {written('int', value('si_pid'), 32)}"
        f" || ', si_uid=' || {written('uint', value('si_uid'), 32)} || ', si_status=' || {status} || '}}' END"
    )
