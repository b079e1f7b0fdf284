"""A trace in Perfetto's format: protos/perfetto/trace/perfetto_trace.proto.

A track for each thread under its process; a slice for each call with its arguments, result, path and call stack; an
instant for each failure and signal; samples as PerfSample; flows from calls that send bytes to those that get them. A
thread's times off the CPU have a track of their own below it. Times are on CLOCK_MONOTONIC, and a clock snapshot ties
them to the wall clock, so that the trace can be shown together with others of the same host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from bpfrec.analyze.export.protobuf import fixed64, integer, nested, packed, text
from bpfrec.analyze.export.source import Call, OffCpu, Sample, Signal, Source, StackFrame

_REALTIME, _MONOTONIC = 1, 3
_SEQUENCE = 1
_BEGIN, _END, _INSTANT = 1, 2, 3
_CLEARED, _NEEDS_STATE = 1, 2
_USER, _KERNEL = 2, 1

# Fields of TracePacket.
_PACKET = 1
_CLOCK_SNAPSHOT, _TIMESTAMP, _SEQUENCE_ID, _TRACK_EVENT, _INTERNED = 6, 8, 10, 11, 12
_FLAGS, _DEFAULTS, _TRACK, _PERF_SAMPLE, _TIMESTAMP_CLOCK = 13, 59, 60, 66, 58
# Fields of InternedData.
_NAMES, _ARGUMENT_NAMES, _FUNCTIONS, _FRAMES, _STACKS, _PATHS, _MAPPINGS = 2, 3, 5, 6, 7, 17, 19
# Fields of TrackEvent.
_ANNOTATION, _TYPE, _NAME_IID, _TRACK_UUID, _CATEGORY, _CALLSTACK_IID = 4, 9, 10, 11, 22, 56
_FLOWS, _ENDING_FLOWS = 47, 48

_ARGUMENTS = (
    *("call", "ret", "errno", "unfinished", "path", "event_id", "signal", "syscall", "waker_pid", "waker_tid"),
    *("blocked_ns", "wait_ns"),
)
_ARGUMENT_IDS = {name: number for number, name in enumerate(_ARGUMENTS, 1)}


def perfetto(source: Source) -> Iterator[bytes]:
    """Yields the packets of the trace that ``source`` reads."""
    writer = _Writer(source)
    yield from writer.head()
    yield from map(writer.call, source.calls())
    yield from map(writer.signal, source.signals())
    yield from map(writer.off_cpu, source.off_cpu())
    yield from map(writer.sample, source.samples())


class _Writer:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._threads = source.threads()
        self._stacks = source.stacks()
        self._waiting = set[tuple[int, int]]()
        self._leaving, self._arriving = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
        for number, (sender, receiver) in enumerate(source.flows(), 1):
            self._leaving[sender].append(number)
            self._arriving[receiver].append(number)
        self._names: dict[str, int] = {}
        self._callstacks: dict[tuple[int, ...], int] = {}
        self._functions: dict[str, int] = {}
        self._paths: dict[str, int] = {}
        self._frames: dict[StackFrame, int] = {}

    def head(self) -> Iterator[bytes]:
        """The clocks, what is the same for all packets, and the tracks."""
        clock = self._source.trace.manifest.clock
        snapshot = [
            nested(1, integer(1, number), integer(2, at))
            for number, at in ((_MONOTONIC, clock.monotonic_ns), (_REALTIME, clock.wall_ns))
        ]
        yield _packet(nested(_CLOCK_SNAPSHOT, *snapshot, integer(2, _MONOTONIC)))
        names = [nested(_ARGUMENT_NAMES, integer(1, i), text(2, name)) for i, name in enumerate(_ARGUMENTS, 1)]
        defaults = nested(_DEFAULTS, integer(_TIMESTAMP_CLOCK, _MONOTONIC))
        yield _packet(defaults, nested(_INTERNED, *names), integer(_FLAGS, _CLEARED))
        for pid, name in self._source.processes().items():
            described = nested(3, integer(1, pid), text(6, name))
            yield _packet(nested(_TRACK, integer(1, _process_track(pid)), described))
        for pid, tid in self._threads:
            yield self._thread_track(pid, tid)

    def _thread_track(self, pid: int, tid: int) -> bytes:
        described = nested(4, integer(1, pid), integer(2, tid), text(5, self._threads.get((pid, tid), "")))
        track = nested(_TRACK, integer(1, _thread_track(tid, pid)), integer(5, _process_track(pid)), described)
        return _packet(track)

    def call(self, call: Call) -> bytes:
        """The packets of one call: its begin, its end where it returned, an instant where it failed."""
        packets = [self._known_thread(call.pid, call.tid)]
        said: list[bytes] = []
        event = [*_of_type(_BEGIN, "syscall"), integer(_NAME_IID, self._name(call.syscall, said))]
        event += [_argument("call", call.text), _argument("event_id", call.event_id)]
        event += _arguments(call, "ret", "errno", "path")
        if call.duration_ns is None:
            event.append(_argument("unfinished", True))
        if call.stack_id is not None and call.stack_id in self._stacks:
            event.append(integer(_CALLSTACK_IID, self._callstack((call.stack_id,), said)))
        event += [fixed64(_FLOWS, flow) for flow in self._leaving.pop(call.event_id, ())]
        track = integer(_TRACK_UUID, _thread_track(call.tid, call.pid))
        packets.append(_event(call.ts_ns, [track, *event], said))
        if call.duration_ns is not None:
            end = call.ts_ns + call.duration_ns
            if call.errno is not None:
                said = []
                failure = [*_of_type(_INSTANT, "failure"), integer(_NAME_IID, self._name(call.errno, said))]
                packets.append(_event(end, [track, *failure], said))
            # A call that waits for bytes may begin before those that send them: the flow leads to its end.
            arriving = [fixed64(_ENDING_FLOWS, flow) for flow in self._arriving.pop(call.event_id, ())]
            packets.append(_event(end, [track, integer(_TYPE, _END), *arriving], []))
        return b"".join(packets)

    def signal(self, signal: Signal) -> bytes:
        """The packet of a signal: an instant on the track of its thread."""
        said: list[bytes] = []
        known = self._known_thread(signal.pid, signal.tid)
        track = integer(_TRACK_UUID, _thread_track(signal.tid, signal.pid))
        event = [*_of_type(_INSTANT, "signal"), integer(_NAME_IID, self._name(signal.name, said))]
        return known + _event(signal.ts_ns, [track, *event, _argument("signal", signal.text)], said)

    def off_cpu(self, off: OffCpu) -> bytes:
        """The packets of a time off the CPU: a slice on a track of its own below that of the thread."""
        packets = [self._known_thread(off.pid, off.tid)]
        number = _waiting_track(off.tid, off.pid)
        if (off.pid, off.tid) not in self._waiting:
            self._waiting.add((off.pid, off.tid))
            above = integer(5, _thread_track(off.tid, off.pid))
            packets.append(_packet(nested(_TRACK, integer(1, number), text(2, "off the CPU"), above)))
        track = integer(_TRACK_UUID, number)
        said: list[bytes] = []
        event = [*_of_type(_BEGIN, "off-cpu"), integer(_NAME_IID, self._name(off.state, said))]
        event += _arguments(off, "syscall", "waker_pid", "waker_tid", "blocked_ns", "wait_ns")
        if off.kernel_stack_id is not None and off.kernel_stack_id in self._stacks:
            event.append(integer(_CALLSTACK_IID, self._callstack((off.kernel_stack_id,), said)))
        packets.append(_event(off.ts_ns, [track, *event], said))
        if off.duration_ns is not None:
            packets.append(_event(off.ts_ns + off.duration_ns, [track, integer(_TYPE, _END)], []))
        return b"".join(packets)

    def sample(self, sample: Sample) -> bytes:
        """The packet of one CPU sample."""
        stacks = tuple(stack for stack in sample.stacks if stack in self._stacks)
        if not stacks:
            return b""
        said: list[bytes] = []
        number = self._callstack(stacks, said)
        mode = integer(5, _USER if sample.kernel_stack_id is None else _KERNEL)
        ids = [integer(1, sample.cpu), integer(2, sample.pid), integer(3, sample.tid)]
        written = nested(_PERF_SAMPLE, *ids, integer(4, number), mode)
        return _packet(integer(_TIMESTAMP, sample.ts_ns), written, *_interned(said))

    def _known_thread(self, pid: int, tid: int) -> bytes:
        """The packet of the thread's track where there is none yet: the trace does not list the thread."""
        if (pid, tid) in self._threads:
            return b""
        self._threads[pid, tid] = ""
        return self._thread_track(pid, tid)

    def _name(self, name: str, said: list[bytes]) -> int:
        """The number of a name; ``said`` gets what has to be said before it is used, as below."""
        number = self._names.get(name)
        if number is None:
            number = self._names[name] = len(self._names) + 1
            said.append(nested(_NAMES, integer(1, number), text(2, name)))
        return number

    def _callstack(self, stacks: tuple[int, ...], said: list[bytes]) -> int:
        """The number of a call stack made of ``stacks``, innermost first."""
        known = self._callstacks.get(stacks)
        if known is not None:
            return known
        number = self._callstacks[stacks] = len(self._callstacks) + 1
        frames = [self._frame(frame, said) for stack in stacks for frame in self._stacks[stack]]
        # Perfetto has the outermost frame first.
        said.append(nested(_STACKS, integer(1, number), *(integer(2, frame) for frame in reversed(frames))))
        return number

    def _frame(self, frame: StackFrame, said: list[bytes]) -> int:
        number = self._frames.get(frame)
        if number is None:
            number = self._frames[frame] = len(self._frames) + 1
            function = _interned_string(_FUNCTIONS, frame.function, self._functions, said)
            is_new = frame.module not in self._paths
            path = _interned_string(_PATHS, frame.module, self._paths, said)
            if is_new:
                said.append(nested(_MAPPINGS, integer(1, path), packed(7, [path])))
            parts = [integer(1, number), integer(2, function), integer(3, path), integer(4, frame.address)]
            said.append(nested(_FRAMES, *parts))
        return number


def _interned_string(field: int, value: str, known: dict[str, int], said: list[bytes]) -> int:
    number = known.get(value)
    if number is None:
        number = known[value] = len(known) + 1
        said.append(nested(field, integer(1, number), text(2, value)))
    return number


def _process_track(pid: int) -> int:
    return 1 << 32 | pid


def _thread_track(tid: int, pid: int) -> int:
    return 1 << 62 | pid << 31 | tid


def _waiting_track(tid: int, pid: int) -> int:
    return 1 << 63 | pid << 31 | tid


def _of_type(kind: int, category: str) -> list[bytes]:
    return [integer(_TYPE, kind), text(_CATEGORY, category)]


def _arguments(shown: Call | OffCpu, *names: str) -> list[bytes]:
    """Annotations for those of the fields ``names`` that are known."""
    return [_argument(name, value) for name in names if (value := getattr(shown, name)) is not None]


def _argument(name: str, value: str | int | bool) -> bytes:
    """A debug annotation: its fields bool_value, int_value and string_value are 2, 4 and 6."""
    written = text(6, value) if isinstance(value, str) else integer(2 if isinstance(value, bool) else 4, value)
    return nested(_ANNOTATION, integer(1, _ARGUMENT_IDS[name]), written)


def _interned(parts: Iterable[bytes]) -> list[bytes]:
    said = b"".join(parts)
    return [nested(_INTERNED, said)] if said else []


def _event(ts_ns: int, event: list[bytes], interned: list[bytes]) -> bytes:
    return _packet(integer(_TIMESTAMP, ts_ns), nested(_TRACK_EVENT, *event), *_interned(interned))


def _packet(*parts: bytes) -> bytes:
    if not any(part[:1] == _FLAGS_KEY for part in parts):
        parts = (*parts, integer(_FLAGS, _NEEDS_STATE))
    return nested(_PACKET, *parts, integer(_SEQUENCE_ID, _SEQUENCE))


_FLAGS_KEY = integer(_FLAGS, 0)[:1]
