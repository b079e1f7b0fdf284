"""locks: who waited for whom: locks of files, and futexes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.text_columns import Duration, TextColumn, duration, fitting_table, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.lock_files import file_waits
from bpfrec.analyze.reports.lock_futexes import REQUEUEING, UNLOCK_PI, WAITING, WAKING, SharedMemory, futex_waits
from bpfrec.analyze.reports.lock_waits import FILES, Thread, Wait, WaitGraph, nobody_left
from bpfrec.analyze.reports.option_types import least_option, top_option
from bpfrec.analyze.reports.report import Answer, Report

_LEAST_US = 100.0
_MOST_CHAINS = 3
_MOST_LINKS = 4
"""Waits of a chain that are told one by one."""


def compute(trace: Queries, calls: CallFilter, *, least_us: float = _LEAST_US, top: int = 20) -> Result:
    """Waits of at least ``least_us`` microseconds for flock, fcntl and futex, by waiter, holder and object.

    ``calls`` chooses the waits; who ended them may be anybody in the trace. A wait that was going on when the recording
    stopped counts until then. ``top``: at most this many rows, 0 for all.
    Columns: total_ns, waits, max_ns, still, gave_up, tid, pid, comm, holder_tid, holder_pid, holder, kind, object,
    in_chain. Notes tell of deadlocks and of chains.
    """
    stop_ns = trace.manifest.stop_ns
    asked: dict[str, object] = {"least_ns": round(least_us * 1_000), "stop_ns": stop_ns}
    asked["where"] = calls.where(trace.manifest, "syscalls")
    threads, alive = _threads(trace)
    waits = _futexes(trace, threads, stop_ns, asked)
    asked["where"] = calls.where(trace.manifest, "c")
    waits += file_waits(trace.query(render("locks_files", **asked)).dicts(), stop_ns)
    if trace.manifest.configuration.get("tids"):
        alive = {}  # other threads may be there
    graph = WaitGraph(waits)
    rows = Fragment(", ".join(map(_row, waits)))
    return trace.query(render("locks", rows=rows, top=top), _findings(graph, waits, alive), lazy=True)


def _threads(trace: Queries) -> tuple[dict[int, Thread], dict[int, set[int]]]:
    """The threads by tid, and those of each process that were alive at the end."""
    query = (
        "SELECT tid, pid, max_by(comm, coalesce(start_ns, 0)), bool_or(end_ns IS NULL) FROM threads GROUP BY tid, pid"
    )
    threads: dict[int, Thread] = {}
    alive: dict[int, set[int]] = {}
    for tid, pid, name, lives in trace.query(query).rows:
        if tid is None or pid is None:
            continue
        threads[tid] = Thread(tid, pid, name)
        if lives:
            alive.setdefault(pid, set()).add(tid)
    return threads, alive


def _futexes(trace: Queries, threads: dict[int, Thread], stop_ns: int, asked: dict[str, object]) -> list[Wait]:
    sql = render("locks_futexes", waiting=WAITING, waking=WAKING, requeueing=REQUEUEING, unlock_pi=UNLOCK_PI, **asked)
    rows = trace.query(sql).dicts()
    mapped: list[dict[str, object]] = []
    parents: dict[int, int] = {}
    if any(not row["is_private"] for row in rows):
        mapped = trace.query(render("locks_mappings")).dicts()
        found = trace.query("SELECT pid, ppid FROM processes WHERE pid IS NOT NULL AND ppid IS NOT NULL").rows
        parents = dict(found)
    return futex_waits(rows, SharedMemory(mapped, parents), threads, stop_ns)


def _row(wait: Wait) -> Fragment:
    waiter, holder = wait.waiter, wait.holder
    known = (None, None, None) if holder is None else (holder.tid, holder.pid, holder.name)
    ends = (wait.kind, wait.object, wait.length_ns, wait.is_still, wait.gave_up, wait.held_by_waiter)
    return literal((waiter.tid, waiter.pid, waiter.name, *known, *ends))


def _findings(graph: WaitGraph, waits: list[Wait], alive: dict[int, set[int]]) -> list[str]:
    circles = list(graph.circles())
    told = {wait.waiter.tid for links in circles for wait in links}
    found = [f"deadlock: {_told(links)}" for links in circles]
    for stuck in nobody_left(waits, alive):
        threads = {wait.waiter.tid for wait in stuck}
        if told.isdisjoint(threads):
            named = ", ".join(str(wait.waiter) for wait in stuck[:_MOST_LINKS])
            more = f" and {len(stuck) - _MOST_LINKS} more" if len(stuck) > _MOST_LINKS else ""
            found.append(
                f"deadlock: all threads of process {stuck[0].waiter.pid} wait, without a timeout, for another of them:"
                f" {named}{more}"
            )
        told |= threads
    chains = (links for links in graph.chains() if not told.issuperset(link.waiter.tid for link in links))
    return [*found, *(f"chain: {_told(links)}" for links in islice(chains, _MOST_CHAINS))]


def _told(links: list[Wait]) -> str:
    text = "; its holder ".join(
        f"{wait.waiter} waits {Duration(wait.length_ns)} for {wait.what}" for wait in links[:_MOST_LINKS]
    )
    if len(links) > _MOST_LINKS:
        text += f"; and {len(links) - _MOST_LINKS} waits behind it"
    last = links[-1].holder
    return text if last is None else f"{text}; its holder is {last}"


def _named(prefix: str, name: str) -> TextColumn:
    heading = "WAITER" if not prefix else "HOLDER"
    return TextColumn(
        heading, lambda row: None if row[f"{prefix}tid"] is None else f"{row[name]} {row[f'{prefix}tid']}"
    )


_WAITER, _HOLDER = _named("", "comm"), _named("holder_", "holder")
_WAITS, _STILL = TextColumn("WAITS", "waits"), TextColumn("STILL", "still")
_OBJECT = TextColumn(
    "WAITED FOR", lambda row: f"{row['kind']} {row['object']}" if row["kind"] in FILES else row["object"]
)
_WIDE = (
    TextColumn("TIME (ms)", scaled("total_ns", 1e6)),
    _WAITS,
    TextColumn("LONGEST", scaled("max_ns", 1e6)),
    *(_STILL, _WAITER, _HOLDER, _OBJECT),
)
_NARROW = (TextColumn("TIME", duration("total_ns")), _WAITS, _STILL, _WAITER, _HOLDER, _OBJECT)


def _text(answer: Answer) -> Iterator[str]:
    rows = answer.counter.through(answer.result.records())
    return fitting_table(_WIDE, _NARROW, rows, answer.width, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    options=(
        least_option(_LEAST_US, "waits of"),
        top_option(20),
    ),
    empty="no thread waited so long for a lock",
    help="""Show who waited for whom: locks of files (flock, fcntl) and futexes, by waiter, holder and object.

    HOLDER is the thread that ended the wait, by an unlock, a wake-up or its end, or that has the lock still; "-": not
    known. Chains and deadlocks are told on standard error. A futex is a mutex, a condition variable, a semaphore or
    anything else that waits: an idle worker waits for whoever brings the next work.""",
)
