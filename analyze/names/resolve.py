"""Finds the name of what each call is about."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bpfrec.analyze.engine.protocols import Queries, Session
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render_text
from bpfrec.analyze.names import kinds, reasons
from bpfrec.analyze.names.callers import CALLER_SQL, callers, numbers
from bpfrec.analyze.names.codes import Codes, Codes32, code_of, names_table, paired
from bpfrec.analyze.names.columns import REQUEST_NAMES
from bpfrec.analyze.names.coverage import FORKING, MAKING, MOVING, Coverage, Losses
from bpfrec.analyze.names.descriptor_lookup import Changes, DescriptorLookup
from bpfrec.analyze.names.descriptor_tables import flags, tables_of
from bpfrec.analyze.names.naming import Addresses, Naming
from bpfrec.analyze.names.sockets import TYPE_SQL
from bpfrec.formats.kernel.descriptors import O_CLOEXEC, makers, uses
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.kernel.uring_ops import uring_ops
from bpfrec.formats.numeric.asof import FOREVER, Booleans, Integers
from bpfrec.formats.numeric.parts import ROWS, WORKERS

_NOTHING = 255
"""In place of a reason: the call names nothing."""
_O_TMPFILE, _O_NOFOLLOW, _MAP_ANONYMOUS = 0o20000000, 0o400000, 0x20
_F_SETFD, _F_DUPFD_CLOEXEC = 2, 1030
_FIONCLEX, _FIOCLEX = 0x5450, 0x5451
_MSG_CMSG_CLOEXEC = 0x40000000
_RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH, _RESOLVE_IN_ROOT = 0x04, 0x08, 0x10
_BPF_MAKERS = (0, 5, 7, 13, 14, 17, 18, 19, 28, 30, 32, 33, 36)
"""Commands of enum bpf_cmd (include/uapi/linux/bpf.h) that give a descriptor."""

_BREAKING = frozenset(("execve", "execveat", "unshare", "close_range"))
"""Calls that end the sharing of descriptors or directories, or close descriptors at once."""

_FREQUENT = frozenset(("open", "openat", "close"))
"""Calls of which there are so many that ``changes.sql`` reads each by itself."""

_ADDRESSED = frozenset(("bind", "connect", "getsockname", "getpeername", "accept", "accept4"))
"""Calls that say an address of a socket."""

_GOES_UP = r"(^|/)\.\.(/|$)"
_LEADS_ELSEWHERE = Fragment(
    "CASE"
    # What it asked for was not copied: an absolute path, or one that goes up, may lead anywhere.
    f" WHEN resolve IS NULL THEN path LIKE '/%' OR regexp_matches(path, {literal(_GOES_UP)})"
    # The kernel stops at the start where a path would go above it. Only at the beginning of a path the text shows that.
    f" WHEN resolve & {_RESOLVE_IN_ROOT} != 0"
    rf" THEN regexp_matches(regexp_replace(path, '^/*(\.\.?(/+|$))*', ''), {literal(_GOES_UP)})"
    # The kernel refuses a path that would leave its start.
    f" WHEN resolve & {_RESOLVE_BENEATH} != 0 THEN path LIKE '/%' OR starts_with(path, '../') OR path = '..'"
    " ELSE FALSE END"
)
"""Whether the flags of an openat2 (column ``resolve``) make its ``path`` lead elsewhere than its text says."""


class _Found(NamedTuple):
    """What the calls of some rows of ``uses.sql`` are about: codes by the number of the call and the place."""

    call: Integers
    place: Integers
    code: Codes32


def find_names(queries: Session) -> tuple[Codes, pa.Table]:
    """What each call is about, as a code, and the rows of ``computed.names``."""
    queries.execute(_sql("rules"))
    queries.append("world_rules", _rules())
    naming = naming_of(queries)
    places, seen = (Codes(), Codes()), 0
    is_place = naming.are_places()

    def keep(found: _Found) -> None:
        nonlocal seen
        seen += len(found.call)
        for place, codes in enumerate(places):
            rows = np.flatnonzero((found.place == place) & (found.code != 0))
            codes.add(found.call[rows], found.code[rows], seen)

    with ThreadPoolExecutor(WORKERS) as workers:
        waiting: deque[Future[_Found]] = deque()
        for rows in queries.batches(_sql("uses"), ROWS):
            if len(waiting) > WORKERS:
                keep(waiting.popleft().result())
            waiting.append(workers.submit(_resolve, rows, naming, is_place))
        while waiting:
            keep(waiting.popleft().result())
    queries.execute("DROP TABLE world_rules")
    names = naming.names
    codes, pairs = paired(*places, 2 * len(names.text) + 1)
    return codes, names_table(codes, pairs, names.text, names.canonical)


def find_request_names(queries: Session) -> pa.Table:
    """The rows of ``computed.request_names``: what each request to io_uring is about."""
    ops = _listed((op.name, op.fd, op.second) for op in uring_ops().values() if op.fd not in (None, "family"))
    naming = naming_of(queries)
    rows = queries.arrow(_sql("requests", ops=ops))
    name, reason, is_path = _named(rows, naming, naming.are_places())
    place = numbers(rows, "place", 0)
    names, canonical = pa.array(naming.names.text, pa.string()), pa.array(naming.names.canonical, pa.bool_())
    parts = []
    for which in (0, 1):
        mine = place == which
        number = pa.array(name[mine], mask=name[mine] < 0)
        why = reason[mine]
        plain = {key: rows[key].filter(pa.array(mine)) for key in ("pid", "tid", "ts_ns")}
        known = {"name": names.take(number), "canonical": canonical.take(number), "is_path": pa.array(is_path[mine])}
        parts.append(pa.table(plain | known | {"reason": pa.array(why.astype(np.uint8), mask=why == reasons.NONE)}))
    joined = parts[0].join(parts[1], ["pid", "tid", "ts_ns"], join_type="left outer", right_suffix="2")
    return joined.select([column.name for column in REQUEST_NAMES.columns])


def opened_at(queries: Queries, at_ns: int) -> Iterator[tuple[int, int, str | None]]:
    """What processes had open at a time (ns on CLOCK_MONOTONIC): pid, number, name (None: not known), in order.

    The numbers -100 and -101 are the working directory and the root. What the trace cannot tell is left out.
    """
    naming = naming_of(queries)
    alive = "SELECT DISTINCT pid FROM processes WHERE coalesce(start_ns, {0}) <= {0} AND coalesce(end_ns, {1}) > {0}"
    pids = queries.arrow(f"{alive.format(at_ns, at_ns + 1)} AND pid IS NOT NULL ORDER BY pid ASC")["pid"].to_numpy()
    fds = naming.numbers()
    for pid in pids:
        name, reason = naming.find(np.full(len(fds), int(pid)), fds, np.full(len(fds), 2 * at_ns))
        for fd in np.flatnonzero((name >= 0) | (reason == reasons.NAME_UNKNOWN)):
            text = naming.names.text[name[fd]] if name[fd] >= 0 else None
            yield int(pid), int(fds[fd]), text


def _resolve(rows: pa.Table, naming: Naming, is_place: Booleans) -> _Found:
    """The codes of the names in rows of ``uses.sql``; ``is_place``: which names can have paths behind them."""
    name, reason, is_path = _named(rows, naming, is_place)
    return _Found(numbers(rows, "event_id", -1), numbers(rows, "place", 0), code_of(name, is_path, reason))


def _named(rows: pa.Table, naming: Naming, is_place: Booleans) -> tuple[Integers, Integers, Booleans]:
    """Names (-1: none), reasons, and whether paths stand behind the names, of rows as those of ``uses.sql``."""
    reason = numbers(rows, "reason", 0).copy()
    asked = np.flatnonzero(reason == reasons.NONE)
    name = np.full(len(reason), -1)
    name[asked], reason[asked] = naming.find(
        numbers(rows, "caller", 0)[asked], numbers(rows, "fd", -1)[asked], numbers(rows, "at", 0)[asked]
    )
    is_path = flags(rows, "is_path")
    is_open = (reason == reasons.NOT_OPEN) & ~flags(rows, "refused")
    reason[is_open] = reasons.NOT_FOLLOWED
    nowhere = is_path & (name >= 0)
    nowhere[nowhere] = ~is_place[name[nowhere]]
    name[nowhere], reason[nowhere] = -1, reasons.BASE_UNKNOWN
    reason[reason == _NOTHING] = reasons.NONE
    return name, reason, is_path


def naming_of(queries: Queries) -> Naming:
    """Follows all descriptors and directories of the trace."""
    coverage = Coverage.of(queries.manifest.configuration)
    changed = MAKING | MOVING | {"chroot", "pivot_root", "getcwd", "recvmsg", "socketcall", "fcntl64"}
    rare = FORKING | _ADDRESSED | _BREAKING | {"io_uring_setup"}
    _make(queries, "calls", calls=sorted((changed | rare) - _FREQUENT))
    losses = Losses(_rows(queries, "losses", BEFORE=-FOREVER, FOREVER=FOREVER))
    breaks = _rows(queries, "breaks", calls=sorted(_BREAKING))
    forks = _rows(queries, "forks", calls=sorted(FORKING))
    threads, apart = _rows(queries, "threads"), _rows(queries, "thread_tables", FOREVER=FOREVER)
    processes = _rows(queries, "processes")
    tables = tables_of(processes, forks, breaks, coverage.forking, reasons.NOT_RECORDED, threads, apart)
    _make(
        queries,
        "changes",
        makers=_makers(),
        bpf_makers=_BPF_MAKERS,
        socket_type=TYPE_SQL,
        uring_openers=_listed((op.name, op.gives) for op in uring_ops().values() if op.gives),
    )
    queries.execute(_sql("texts"))
    texts: list[str] = queries.arrow("SELECT text FROM world_texts ORDER BY id ASC")["text"].to_pylist()
    numbered = queries.arrow(_sql("numbered"))
    queries.execute("DROP TABLE world_changes; DROP TABLE world_texts")
    changes = Changes.of(numbered)
    del numbered
    addresses = _addresses(_rows(queries, "addresses", calls=sorted(_ADDRESSED)))
    lookup = DescriptorLookup(changes, tables, breaks, losses, coverage, _rows(queries, "rings", BEFORE=-FOREVER))
    queries.execute("DROP TABLE world_calls")
    return Naming(lookup, texts, addresses, coverage.addressing)


def _addresses(rows: pa.Table) -> Addresses:
    plain = {name: numbers(rows, name, 0) for name in ("fd", "seen", "at")}
    return Addresses(callers(rows), **plain, is_local=flags(rows, "is_local"), address=rows["address"].to_pylist())


def _makers() -> Fragment:
    return _listed((m.syscall, m.name, m.argument, m.mask, m.open_how) for m in makers())


def _listed(rows: Iterable[tuple[str | int | bool | None, ...]]) -> Fragment:
    """Rows for VALUES."""
    return Fragment(", ".join(map(literal, rows)))


@cache
def _rules() -> pa.Table:
    """What each call names, with the columns of ``world_rules``."""
    rows = [
        (
            call.name,
            abi,
            place,
            use.role in ("path", "text"),
            use.role == "text",
            use.role == "fd?",
            use.role == "mapped",
            use.fd,
            place == 1 and use.path is not None,
        )
        for call in syscalls().values()
        if call.arguments is not None
        for abi in ([None] if call.i386_arguments is None else ["x86_64", "i386"])
        for place, use in enumerate(uses(call.name, abi or "x86_64"))
    ]
    names = ("syscall", "abi", "place", "is_path", "is_text", "is_optional", "is_mapped", "fd", "is_second")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _sql(name: str, **values: object) -> str:
    named = {name: getattr(kinds, name) for name in dir(kinds) if name.isupper()}
    named |= {name: getattr(reasons, name) for name in dir(reasons) if name.isupper() and name != "REASONS"}
    named |= {
        "O_CLOEXEC": O_CLOEXEC,
        "O_TMPFILE": _O_TMPFILE,
        "O_NOFOLLOW": _O_NOFOLLOW,
        "MAP_ANONYMOUS": _MAP_ANONYMOUS,
        "F_SETFD": _F_SETFD,
        "F_DUPFD_CLOEXEC": _F_DUPFD_CLOEXEC,
        "FIOCLEX": _FIOCLEX,
        "FIONCLEX": _FIONCLEX,
        "MSG_CMSG_CLOEXEC": _MSG_CMSG_CLOEXEC,
        "RESOLVE_NO_SYMLINKS": _RESOLVE_NO_SYMLINKS,
        "RESOLVE_IN_ROOT": _RESOLVE_IN_ROOT,
        "leads_elsewhere": _LEADS_ELSEWHERE,
        "NOTHING": _NOTHING,
        "caller": Fragment(CALLER_SQL),
    }
    text = files("bpfrec.analyze.names").joinpath(f"{name}.sql").read_text("utf-8")
    return render_text(text, **(named | values))


def _make(queries: Queries, name: str, **values: object) -> None:
    queries.execute(_sql(name, **values))


def _rows(queries: Queries, name: str, **values: object) -> pa.Table:
    return queries.arrow(_sql(name, **values))
