"""What of the language replays, as tables in Markdown for the page of the docs: made of what the check itself uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfrec.analyze.bpftrace import builtin_variables, functions, probes
from bpfrec.analyze.bpftrace.dialect import LATEST

_BUILTIN_NOTES = {
    "cpu": "at the exit of a call, and in samples: the CPU on which the call ended",
    "comm": "the name at that time; in BEGIN, END and interval: bpftrace",
    "pid": "in BEGIN, END and interval: 0",
    "tid": "in BEGIN, END and interval: 0",
    "uid": "the real user id at the entry of the call; in BEGIN, END and interval: 0",
    "nsecs": "CLOCK_MONOTONIC of the recording host",
    "elapsed": "since the recording began",
    "cpid": "the command of `record -- COMMAND`",
    "username": "root, and others where the replay runs on the recording host; in BEGIN, END and interval: root",
    "ustack": "where the recording took one: `record --stack-on`",
    "kstack": "in profile probes; elsewhere only as a statement by itself, which does nothing",
    "retval": "kretprobe and fexit",
    "func": "kprobe, kretprobe, fentry, fexit",
    "ncpus": "of the recording host",
    "ppid": "the parent when the process was first seen",
}
_FUNCTION_NOTES = {
    "buf": "with `record --data`, of buffers that were written or filled",
    "join": "of the arguments of execve and execveat",
    "usym": "of addresses that are in recorded frames; else the address",
    "ksym": "of addresses that are in recorded frames; else the address",
    "kstack": "in profile probes",
    "ustack": "where the recording took a stack",
    "nsecs": "boot and monotonic are the same clock",
    "str": "of strings that were recorded, and of parameters",
    "macaddr": "of arrays of 6 bytes",
    "strftime": "in the local time of the recording host",
    "time": "the time of the event, in the local time of the recording host",
}


def tables() -> str:
    """The tables, each under a heading."""
    parts = [
        _table("Builtins", ("builtin", "replay"), _builtins()),
        _table("Functions", ("function", "replay"), _functions()),
        _table("Other probes", ("probe", "replay"), _probes()),
    ]
    return "\n\n".join(parts) + "\n"


def _table(title: str, heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"### {title}", "", f"| {heads[0]} | {heads[1]} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {said} |" for name, said in rows)])


def _builtins() -> Iterator[tuple[str, str]]:
    for name in sorted(builtin_variables.builtin_kinds(LATEST)):
        note = _BUILTIN_NOTES.get(name)
        yield f"`{name}`", f"yes: {note}" if note else "yes"
    yield "`arg1`", "yes: in rawtracepoint sys_enter the number of the call, in sys_exit its result"
    for name, (why, instead) in sorted(builtin_variables.REFUSED.items()):
        yield f"`{name}`", f"no: {why}" + (f". {instead}" if instead else "")


def _functions() -> Iterator[tuple[str, str]]:
    for name in sorted(functions.ARITY):
        note = _FUNCTION_NOTES.get(name)
        yield f"`{name}()`", f"yes: {note}" if note else "yes"
    for name, why in sorted(functions.REFUSED.items()):
        yield f"`{name}()`", f"no: {why}"
    for name in sorted(functions.UNSAFE):
        yield f"`{name}()`", "no: a replay changes nothing"


def _probes() -> Iterator[tuple[str, str]]:
    for name, what in probes.NOT_RECORDED.items():
        if len(name) > 2:
            yield f"`{name}`", f"no: {what} are not recorded"
