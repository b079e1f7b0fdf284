"""Arrays that the recorder copied: buffers of vectors, and descriptors that were waited for."""

from __future__ import annotations

from bpfrec.analyze.decode.contents import data_join, data_parts
from bpfrec.analyze.decode.copies import Copied, Part
from bpfrec.analyze.decode.functions import written
from bpfrec.analyze.engine.view import Late
from bpfrec.formats.kernel.syscalls import RESULT_LENGTH, Capture, Syscall

_WHOLE = (
    "LEFT JOIN (SELECT event_id, list(word0 ORDER BY position) FILTER (WHERE status IS NULL) AS first,"
    " list(word1 ORDER BY position) FILTER (WHERE status IS NULL) AS second,"
    " sum(word1) FILTER (WHERE status IS NULL) AS total, max(status) AS status"
    " FROM main.arrays WHERE arg = {index} AND kind = '{kind}' AND phase = '{phase}' GROUP BY event_id) AS {row}"
    " ON {row}.event_id = s.event_id"
)
_MOST = 2**64 - 1
_WHY = "NULL: whole, or none was passed; else truncated, unreadable, lost"


def array_join(index: int, kind: str, phase: str, row: str) -> Late:
    """The join of an argument's array as one ``row``: lists ``first`` and ``second`` of its words, their status."""
    return Late(_WHOLE.format(index=index, kind=kind, phase=phase, row=row), ("arrays",))


def listed(row: str, elements: str, *, empty: str = "FALSE") -> str:
    """SQL for the text of an array whose ``elements`` are a list of texts; ``empty``: when it has none."""
    rest = f"CASE {row}.status WHEN 'truncated' THEN ['...'] WHEN 'unreadable' THEN ['???'] ELSE [] END"
    return (
        f"CASE WHEN {row}.first IS NOT NULL THEN '[' || array_to_string(list_concat({elements}, {rest}), ', ') || ']'"
        f" WHEN {empty} THEN '[]' END"
    )


def _each(row: str) -> str:
    """Goes through the elements of an array, by their places."""
    return f"FOR i IN range(1, CAST(len({row}.first) AS BIGINT) + 1)"


def _first(row: str) -> str:
    return f"list_extract({row}.first, i)"


def _second(row: str) -> str:
    return f"list_extract({row}.second, i)"


def _empty(capture: Capture) -> str:
    """When an array has no elements, of which no row tells."""
    size = "s.ret" if capture.length == RESULT_LENGTH else f"s.arg{capture.length}"
    return f"{row_of(capture)}.status IS NULL AND {size} = 0 AND s.arg{capture.index} != 0"


def row_of(capture: Capture) -> str:
    """The name of the row of the array as it was passed, or was given back where that alone is copied."""
    return f"a{capture.index}"


def buffer_parts(row: str, late: Late, *, none: str) -> tuple[Part, ...]:
    """The columns of the buffers in ``row``; ``none``: when there are none."""
    # The kernel refuses lengths whose sum it cannot count.
    total = f"CASE WHEN {row}.total <= {_MOST} THEN CAST({row}.total AS UBIGINT) END"
    status = f"coalesce({row}.status, CASE WHEN {row}.total > {_MOST} THEN 'overflow' END)"

    def known(value: str) -> str:
        return f"CASE WHEN {row}.status IS NULL THEN CASE WHEN {none} THEN 0 ELSE {value} END END"

    return (
        Part("_bytes", "UBIGINT", "bytes of its buffers together; NULL: see status", known(total), (late,)),
        Part("_count", "BIGINT", "how many buffers; NULL: see status", known(f"len({row}.first)"), (late,)),
        Part(
            "_status",
            "VARCHAR",
            "NULL: read whole, or none was passed; else truncated, unreadable, lost, overflow (no sum of 64 bits)",
            status,
            (late,),
        ),
    )


def buffers_text(row: str, contents: str, *, moved: str, has_contents: bool) -> str:
    """SQL for a list of texts, of the buffers in ``row``; ``contents`` is the row of what was in them.

    ``moved``: the bytes that the call gave back, which is all that it filled; NULL for those that it took.
    """
    address = written("address", _first(row), 64)
    if not has_contents:
        base = address
    else:
        before = f"coalesce(list_sum({row}.second[:i - 1]), 0)"
        held = f"least({_second(row)}, greatest(coalesce({moved}, {2**80}) - {before}, 0))"
        # Lengths can be any number; so much is never copied.
        first, last = (
            f"CAST(least({end}, {2**31 - 1}) AS BIGINT)" for end in (f"2 * {before} + 1", f"2 * ({before} + {held})")
        )
        digits = f"hex({contents}.bytes)[{first}:{last}]"
        base = (
            f"CASE WHEN {contents}.bytes IS NULL OR {_first(row)} = 0 THEN {address} ELSE bytes_text(unhex({digits}))"
            f" || CASE WHEN length({digits}) < 2 * {held} THEN '...' ELSE '' END END"
        )
    return f"['{{iov_base=' || {base} || ', iov_len=' || {_second(row)} || '}}' {_each(row)}]"


def vector(call: Syscall, capture: Capture) -> Copied:
    """Buffers, by their addresses and lengths, with what was in them where that was recorded."""
    row, index = row_of(capture), capture.index
    late = array_join(index, "iovec", "entry", row)
    contents = next((c for c in call.captures if c.index == index and c.kind == "buffers"), None)
    moved = "greatest(s.ret, 0)" if contents and contents.at_exit else "NULL"
    texts = buffers_text(row, f"d{index}", moved=moved, has_contents=contents is not None)
    parts = buffer_parts(row, late, none=_empty(capture))
    if contents is None:
        return Copied(parts, listed(row, texts, empty=_empty(capture)), (late,))
    text = listed(row, texts, empty=_empty(capture))
    return Copied((*parts, *data_parts(index)), text, (late, data_join(index)))


def polled(_call: Syscall, capture: Capture) -> Copied:
    """The pollfds of poll(2), with what was found where the call worked."""
    row, found, index = row_of(capture), f"x{capture.index}", capture.index
    late = (array_join(index, "pollfd", "entry", row), array_join(index, "pollfd", "exit", found))
    fd = written("int", f"({_first(row)} & 4294967295)", 32)
    elements = (
        f"[{{'fd': CAST({fd} AS INTEGER), 'events': poll_events({_second(row)}),"
        f" 'revents': poll_events({_second(found)} >> 16)}} {_each(row)}]"
    )
    parts = (
        Part(
            "",
            "STRUCT(fd INTEGER, events VARCHAR, revents VARCHAR)[]",
            "what was waited for, and what was found, NULL where the call failed; NULL: see status",
            f"CASE WHEN {row}.status IS NULL THEN {elements} END",
            late,
        ),
        Part("_status", "VARCHAR", _WHY, f"{row}.status", late[:1]),
    )
    ignored = f"({_first(row)} & {1 << 31}) != 0"
    texts = (
        f"['{{fd=' || {fd} || CASE WHEN {ignored} THEN '' ELSE ', events=' || poll_events({_second(row)}) END"
        f" || '}}' {_each(row)}]"
    )
    return Copied(parts, listed(row, texts, empty=_empty(capture)), late[:1])


def epolled(_call: Syscall, capture: Capture) -> Copied:
    """The one event that is passed to epoll_ctl(2), or those that epoll_wait(2) gives."""
    row, is_one = row_of(capture), capture.length is None
    late = (array_join(capture.index, "epoll_event", "exit" if capture.at_exit else "entry", row),)
    elements = f"[{{'events': epoll_events({_first(row)}), 'data': {_second(row)}}} {_each(row)}]"
    parts = (
        Part(
            "",
            "STRUCT(events VARCHAR, data UBIGINT)[]",
            "the events; NULL: see status, or there are none",
            f"CASE WHEN {row}.status IS NULL THEN {elements} END",
            late,
        ),
        Part("_status", "VARCHAR", _WHY, f"{row}.status", late),
    )
    texts = (
        f"['{{events=' || epoll_events({_first(row)}) || ', data={{u32=' || ({_second(row)} & 4294967295)"
        f" || ', u64=' || {_second(row)} || '}}}}' {_each(row)}]"
    )
    text = f"{texts}[1]" if is_one else listed(row, texts, empty=_empty(capture))
    return Copied(parts, text, late)


def selected(_call: Syscall, capture: Capture) -> Copied:
    """A set of descriptors of select(2), as it was passed and as it was given back."""
    passed, given = row_of(capture), f"x{capture.index}"
    late = tuple(array_join(capture.index, "fd_set", phase, row) for phase, row in (("entry", passed), ("exit", given)))

    def whole(row: str) -> str:
        return f"CASE WHEN {row}.status IS NULL THEN {descriptors(row)} END"

    waited, ready = "the descriptors in it; NULL: see status", "those that were ready; NULL: none was, or it failed"
    parts = (
        Part("", "INTEGER[]", waited, whole(passed), late[:1]),
        Part("_ready", "INTEGER[]", ready, whole(given), late[1:]),
        Part("_status", "VARCHAR", _WHY, f"{passed}.status", late[:1]),
    )
    text = f"CASE WHEN {passed}.status IS NULL THEN '[' || array_to_string({descriptors(passed)}, ' ') || ']' END"
    return Copied(parts, text, late[:1])


def descriptors(row: str) -> str:
    """SQL for a list of the descriptors in an fd_set, as far as the first argument says that it goes."""
    first = "(i - 1) * 64"
    is_set = f"({_first(row)} >> CAST(bit AS UBIGINT)) & 1 = 1 AND {first} + bit < s.arg0 & {2**31 - 1}"
    found = f"flatten([[CAST({first} + bit AS INTEGER) FOR bit IN range(64) IF {is_set}] {_each(row)}])"
    return f"CASE WHEN {row}.first IS NOT NULL THEN {found} END"


def remark(call: Syscall) -> tuple[str, tuple[Late, ...]] | None:
    """What strace says behind the result of poll(2) and select(2): what was ready; without the time that was left."""
    waited = [c for c in call.captures if c.at_exit and c.kind in ("pollfd", "fd_set")]
    if not waited:
        return None
    late = tuple(array_join(c.index, c.kind, "exit", f"x{c.index}") for c in waited)
    if waited[0].kind == "pollfd":
        row = f"x{waited[0].index}"
        texts = (
            f"['{{fd=' || {written('int', f'({_first(row)} & 4294967295)', 32)} || ', revents='"
            f" || poll_events({_second(row)} >> 16) || '}}'"
            f" {_each(row)} IF {_second(row)} >> 16 != 0]"
        )
        shown = f"'[' || array_to_string({texts}, ', ') || ']'"
    else:
        sets = (
            f"CASE WHEN len({descriptors(f'x{c.index}')}) > 0"
            f" THEN '{name} [' || array_to_string({descriptors(f'x{c.index}')}, ' ') || ']' END"
            for name, c in zip(("in", "out", "except"), waited, strict=True)
        )
        shown = f"nullif(concat_ws(', ', {', '.join(sets)}), '')"
    return f"CASE WHEN s.ret = 0 THEN 'Timeout' WHEN s.ret > 0 THEN {shown} END", late
