"""The memory that arguments point at, as strace decoded it, as rows of a trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from bpfrec.analyze.imports.strace_numbers import MASK_64, parse_number, parse_signals, parse_wait_status
from bpfrec.analyze.imports.strace_values import Changed, Text, Value, parse_value
from bpfrec.formats.columns import Table
from bpfrec.formats.kernel.captures import MOST_WORDS, STRUCTS
from bpfrec.formats.kernel.decoding import decoders
from bpfrec.formats.kernel.sockaddr import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, unix_address
from bpfrec.formats.kernel.syscalls import RESULT_LENGTH, Capture, Syscall
from bpfrec.formats.schema import ARRAYS, DATA, EXEC_ARGS, SOCKADDRS, STRINGS, TIMESPECS
from bpfrec.formats.schema import STRUCTS as STRUCT_ROWS

Row: TypeAlias = tuple[Table, dict[str, Any]]
"""A row of a table that belongs to a call, without its ``event_id``."""

_MEMBERS = {
    "itimerspec": ("it_interval.tv_sec", "it_interval.tv_nsec", "it_value.tv_sec", "it_value.tv_nsec"),
    "itimerval": ("it_interval.tv_sec", "it_interval.tv_usec", "it_value.tv_sec", "it_value.tv_usec"),
    "timespecs": ("0.tv_sec", "0.tv_nsec", "1.tv_sec", "1.tv_nsec"),
    "timevals": ("0.tv_sec", "0.tv_usec", "1.tv_sec", "1.tv_usec"),
    "sigaction": ("sa_handler", "sa_flags", "sa_restorer", "sa_mask"),
    "msghdr": ("msg_name", "msg_namelen", "msg_iov", "msg_iovlen", "msg_control", "msg_controllen", "msg_flags"),
}
"""What strace calls the members of structs, in the order of ``STRUCTS``, where that differs."""

_DECODERS = {
    "sigaction.flags": "sigaction_flags",
    "open_how.flags": "open_how_flags",
    "open_how.resolve": "resolve_flags",
    "clone_args.flags": "clone3_flags",
    "clone_args.exit_signal": "signal_name",
    "stack_t.ss_flags": "signal_stack_flags",
    "siginfo.si_signo": "signal_name",
    "siginfo.si_code": "child_code",
    "flock.l_whence": "seek_name",
    "msghdr.msg_flags": "msg_flags",
}
_DESCRIPTORS_PER_WORD = 64
_ADDRESS = re.compile(r'inet_pton\(AF_INET6, "([^"]+)"')


@dataclass(frozen=True, slots=True)
class _Pointed:
    """What one argument points at: how it is captured, its value, all arguments, and what the call returned."""

    capture: Capture
    value: Value
    values: list[Value]
    ret: int | None


def captured_rows(call: Syscall, values: list[Value], ret: int | None, remark: str) -> Iterator[Row]:
    """Makes the rows of what the arguments of one call point at.

    ``values``: the arguments as :func:`.strace_values.parse_value` gives them; ``ret``: what the call returned, None if
    it did not; ``remark``: what stands behind the result in parentheses.
    """
    worked = ret is not None and ret >= 0
    given_back = _given_back(call, values, remark) if remark and worked else {}
    for capture in call.captures:
        if capture.index >= len(values) or capture.kind == "path":
            continue
        value = values[capture.index]
        if capture.at_exit and capture.index in given_back:
            value = given_back[capture.index]
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Changed):
            value = value[0]
        if isinstance(value, Changed):
            value = value.after if capture.at_exit else value.before
        elif capture.at_exit and (not worked or (ret == 0 and capture.kind == "pollfd")):
            continue
        if isinstance(value, str) and capture.kind not in ("sigset", "timespecs", "timevals"):
            continue
        if capture.when is not None and not _applies(capture, values):
            continue
        make = _MAKERS.get(capture.kind, _struct)
        for table, row in make(_Pointed(capture, value, values, ret)):
            yield table, {"arg": capture.index, **row}


def _given_back(call: Syscall, values: list[Value], remark: str) -> dict[int, Value]:
    """What poll and select leave in their arguments; strace writes it behind the result, as ``in [3], out [4]``."""
    if remark.startswith("[") and values and isinstance(values[0], list):
        parsed = parse_value(remark)
        ready = parsed if isinstance(parsed, list) else []
        returned = {str(item.get("fd")): item.get("revents", "0") for item in ready if isinstance(item, dict)}
        asked = [item for item in values[0] if isinstance(item, dict)]
        return {0: [{**item, "revents": returned.get(str(item.get("fd")), "0")} for item in asked]}
    if call.name.endswith(("select", "select6")):
        sets = dict(_READY.findall(remark))
        return {
            index: parse_value(sets.get(word, "[]"))
            for index, word in _SETS
            if index < len(values) and isinstance(values[index], list)
        }
    return {}


_READY = re.compile(r"\b(in|out|except) (\[[^][]*\])")
_SETS = ((1, "in"), (2, "out"), (3, "except"))


def _applies(capture: Capture, values: list[Value]) -> bool:
    decider = values[capture.when or 0] if (capture.when or 0) < len(values) else ""
    number = parse_number(decider) if isinstance(decider, str) else None
    return number is not None and capture.values[0] <= number <= capture.values[1]


def _strings(at: _Pointed) -> Iterator[Row]:
    if isinstance(at.value, Text):
        yield STRINGS, {"value": at.value.escaped, "status": at.value.status}


def _vector(at: _Pointed) -> Iterator[Row]:
    if not isinstance(at.value, list):
        return
    for position, item in enumerate(at.value):
        if not isinstance(item, Text):
            yield EXEC_ARGS, {"position": position, "value": None, "status": "truncated"}
            return
        yield EXEC_ARGS, {"position": position, "value": item.escaped, "status": item.status}


def _data(at: _Pointed) -> Iterator[Row]:
    if isinstance(at.value, Text):
        size = at.ret
        if at.capture.length not in (None, RESULT_LENGTH):
            asked = at.values[at.capture.length or 0] if (at.capture.length or 0) < len(at.values) else ""
            size = parse_number(asked) if isinstance(asked, str) else None
        yield DATA, {"bytes": at.value.raw, "size": size, "status": None if at.value.whole else "truncated"}


def _buffers(at: _Pointed) -> Iterator[Row]:
    vectors = _iovecs(at.value)
    texts = [item["iov_base"] for item in vectors if isinstance(item.get("iov_base"), Text)]
    if texts:
        parts = [text for text in texts if isinstance(text, Text)]
        whole = len(parts) == len(vectors) and all(part.whole for part in parts)
        yield (
            DATA,
            {
                "bytes": b"".join(part.raw for part in parts),
                "size": at.ret if at.ret is not None and at.ret >= 0 else None,
                "status": None if whole else "truncated",
            },
        )


def _iovecs(value: Value) -> list[dict[str, Value]]:
    if isinstance(value, dict):
        value = value.get("msg_iov", [])
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _iovec(at: _Pointed) -> Iterator[Row]:
    for position, item in enumerate(_iovecs(at.value)):
        address, size = _number(item.get("iov_base")), _number(item.get("iov_len"))
        yield ARRAYS, _element(at.capture, "iovec", position, address, size)


def _pollfd(at: _Pointed) -> Iterator[Row]:
    for position, item in enumerate(at.value if isinstance(at.value, list) else []):
        if isinstance(item, dict):
            descriptor = _number(item.get("fd"), 32)
            events = _number(item.get("events", "0"), 16, "poll_events")
            returned = _number(item.get("revents", "0"), 16, "poll_events")
            word = None if events is None or returned is None else events | returned << 16
            yield ARRAYS, _element(at.capture, "pollfd", position, descriptor, word)


def _epoll_event(at: _Pointed) -> Iterator[Row]:
    items = at.value if isinstance(at.value, list) else [at.value]
    for position, item in enumerate(items):
        if isinstance(item, dict):
            data = item.get("data", item.get("1"))
            number = data.get("u64") if isinstance(data, dict) else data
            events = _number(item.get("events", item.get("0")), 32, "epoll_events")
            yield ARRAYS, _element(at.capture, "epoll_event", position, events, _number(number))


def _fd_set(at: _Pointed) -> Iterator[Row]:
    if not isinstance(at.value, list):
        return
    numbers = [number for item in at.value if (number := _number(item)) is not None]
    words = [0] * (max(numbers, default=-1) // _DESCRIPTORS_PER_WORD + 1)
    for number in numbers:
        words[number // _DESCRIPTORS_PER_WORD] |= 1 << number % _DESCRIPTORS_PER_WORD
    for position, word in enumerate(words):
        yield ARRAYS, _element(at.capture, "fd_set", position, word, None)


def _element(capture: Capture, kind: str, position: int, word0: int | None, word1: int | None) -> dict[str, Any]:
    phase = "exit" if capture.at_exit else "entry"
    return {"kind": kind, "phase": phase, "position": position, "word0": word0, "word1": word1, "status": None}


def _timespec(at: _Pointed) -> Iterator[Row]:
    if isinstance(at.value, dict) and "tv_sec" in at.value:
        seconds, nanoseconds = _signed(at.value.get("tv_sec")), _signed(at.value.get("tv_nsec"))
        yield TIMESPECS, {"tv_sec": seconds, "tv_nsec": nanoseconds, "status": None}


def _msghdr(at: _Pointed) -> Iterator[Row]:
    if not isinstance(at.value, dict):
        return
    yield from _struct(at)
    yield from _iovec(at)
    name = at.value.get("msg_name")
    if isinstance(name, dict):
        yield from _sockaddr(replace(at, value=name))
    control = at.value.get("msg_control")
    for message in control if isinstance(control, list) else []:
        if isinstance(message, dict) and message.get("cmsg_type") == "SCM_RIGHTS":
            passed = message.get("cmsg_data")
            for position, item in enumerate(passed if isinstance(passed, list) else []):
                yield ARRAYS, _element(at.capture, "scm_rights", position, _number(item, 32), None)


def _sockaddr(at: _Pointed) -> Iterator[Row]:
    if not isinstance(at.value, dict) or not isinstance(at.value.get("sa_family"), str):
        return
    family = parse_number(str(at.value["sa_family"]), decoders()["address_family"])
    address: str | None = None
    port = extra = None
    if family == AF_INET:
        written = str(at.value.get("sin_addr", ""))
        address = written.removeprefix('inet_addr("').removesuffix('")') if "inet_addr" in written else None
        port = _number(at.value.get("sin_port"))
    elif family == AF_INET6:
        written = " ".join(str(item) for item in at.value.values())
        found = _ADDRESS.search(written)
        scope = at.value.get("sin6_scope_id", "0")
        address = found[1] + (f"%{_scope(scope)}" if scope != "0" else "") if found else None
        port, extra = _number(at.value.get("sin6_port")), _number(at.value.get("sin6_flowinfo"))
    elif family == AF_UNIX:
        path = at.value.get("sun_path")
        address = (
            ""
            if path is None
            else unix_address(b"\0" + path.raw if path.abstract else path.raw)
            if isinstance(path, Text)
            else None
        )
    elif family == AF_NETLINK:
        number = _number(at.value.get("nl_pid"))
        address = None if number is None else str(number)
        extra = _number(at.value.get("nl_groups"))
    elif isinstance(data := at.value.get("sa_data"), Text):
        address = data.raw.hex()
    yield SOCKADDRS, {"family": family, "address": address, "port": port, "status": None, "extra": extra}


def _scope(value: Value) -> str:
    return str(value).removeprefix('if_nametoindex("').removesuffix('")')


def _fds(at: _Pointed) -> Iterator[Row]:
    if isinstance(at.value, list) and len(at.value) == 2:
        first, second = (_number(item, 32) for item in at.value)
        if first is not None and second is not None:
            yield _words("fds", [first | second << 32])


def _int(at: _Pointed) -> Iterator[Row]:
    item = at.value[0] if isinstance(at.value, list) and at.value else at.value
    if isinstance(item, dict) and isinstance(item.get("0"), str):
        number = parse_wait_status(str(item["0"]))
    else:
        number = _number(item, 32)
    if number is not None:
        yield _words("int", [number])


def _sigset(at: _Pointed) -> Iterator[Row]:
    mask = _set_of_signals(at.value)
    if mask is not None:
        yield _words("sigset", [mask])


def _set_of_signals(value: Value) -> int | None:
    if isinstance(value, list):
        return parse_signals(f"[{' '.join(map(str, value))}]")
    return parse_signals(value) if isinstance(value, str) else None


def _sockopt(at: _Pointed) -> Iterator[Row]:
    if isinstance(at.value, list) and len(at.value) == 1 and (number := _number(at.value[0], 32)) is not None:
        yield _words("sockopt", [number])
    elif isinstance(at.value, dict) and {"l_onoff", "l_linger"} <= at.value.keys():
        on, linger = _number(at.value["l_onoff"], 32), _number(at.value["l_linger"], 32)
        if on is not None and linger is not None:
            yield _words("sockopt", [on | linger << 32])
    elif isinstance(at.value, dict) and {"tv_sec", "tv_usec"} <= at.value.keys():
        yield _words("sockopt", [_number(at.value["tv_sec"]), _number(at.value["tv_usec"])])


def _struct(at: _Pointed) -> Iterator[Row]:
    """A struct of :data:`STRUCTS`; a word of which a member is not known is NULL."""
    members = STRUCTS.get(at.capture.kind, ())
    flat = dict(_flat(at.value))
    if at.capture.kind == "siginfo":
        # strace leaves it out where it is 0.
        flat.setdefault("si_errno", "0")
    names = _MEMBERS.get(at.capture.kind, tuple(member.name for member in members))
    words: list[int | None] = []
    for member, name in zip(members, names, strict=True):
        decoder = _DECODERS.get(f"{at.capture.kind}.{member.name}")
        written = flat.get(name)
        bits = (
            _set_of_signals(written)
            if name == "sa_mask" and written is not None
            else _number(written, member.bits, decoder)
        )
        words += [0] * (member.word + 1 - len(words))
        word = words[member.word]
        words[member.word] = None if bits is None or word is None else word | bits << member.shift
    if any(word is not None for word in words):
        yield _words(at.capture.kind, words)


def _flat(value: Value, prefix: str = "") -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{prefix}{name}", member
            yield from _flat(member, f"{prefix}{name}.")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            if item in ("UTIME_NOW", "UTIME_OMIT"):
                yield f"{prefix}{position}.tv_sec", "0"
                yield f"{prefix}{position}.tv_nsec", item
            else:
                yield from _flat(item, f"{prefix}{position}.")


def _words(kind: str, words: list[int | None]) -> Row:
    return STRUCT_ROWS, {
        "kind": kind,
        "status": None,
        **{f"word{number}": words[number] if number < len(words) else None for number in range(MOST_WORDS)},
    }


def _number(value: Value | None, bits: int = 64, decoder: str | None = None) -> int | None:
    if not isinstance(value, str):
        return None
    number = parse_number(value, decoders()[decoder] if decoder else None)
    return None if number is None else number & (MASK_64 >> (64 - bits))


def _signed(value: Value | None) -> int | None:
    return parse_number(value) if isinstance(value, str) else None


_MAKERS: dict[str, Callable[[_Pointed], Iterator[Row]]] = {
    "string": _strings,
    "strings": _vector,
    "environment": _vector,
    "data": _data,
    "buffers": _buffers,
    "iovec": _iovec,
    "pollfd": _pollfd,
    "epoll_event": _epoll_event,
    "fd_set": _fd_set,
    "timespec": _timespec,
    "msghdr": _msghdr,
    "sockaddr": _sockaddr,
    "fds": _fds,
    "int": _int,
    "sigset": _sigset,
    "sockopt": _sockopt,
}
