"""What the program has to know of the running kernel, as defines; kept, for its type information takes long to read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bpfrec.bpf import btf, task_offsets
from bpfrec.bpf.program_cache import ProgramCache
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.typed_json import from_json, to_json

_log = logging.getLogger(__name__)

_PREPARE_EXEC = "btf_trace_sched_prepare_exec"
_FOLDER, _READERS = Path(__file__).parent, ("btf.py", "task_offsets.py", "kernel_facts.py")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class KernelFacts:
    """Defines by what needs them; none where the kernel's type information is missing or lacks something of it.

    ``submit_point``: the tracepoint that tells of each request to io_uring; None: the kernel has none.
    ``has_prepare_exec``: it has the tracepoint sched_prepare_exec.
    """

    task: tuple[str, ...] = ()
    sched: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    registers: tuple[str, ...] = ()
    uring: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    submit_point: str | None = None
    has_prepare_exec: bool = False


def kernel_facts(cache: ProgramCache) -> KernelFacts:
    """The facts as ``cache`` has them; else they are read, and kept there until the next boot."""
    key = _key()
    kept = cache.get_facts(key)
    if kept is not None:
        try:
            return from_json(KernelFacts, kept)
        except ValueError as error:
            _log.info("the kept facts of the kernel are not used: %s", error)
    facts = read_kernel_facts()
    if facts != KernelFacts():
        # What cannot be read here, as in a container without /sys, may be readable for the next recording.
        cache.put_facts(key, to_json(facts).encode())
    return facts


def read_kernel_facts() -> KernelFacts:
    """The facts as the kernel's type information has them."""
    types = btf.kernel_types()
    if types is None:
        return KernelFacts()
    return KernelFacts(
        task=_or_nothing(lambda: task_offsets.task_defines(types)),
        sched=_or_nothing(lambda: task_offsets.sched_defines(types)),
        stack=tuple(task_offsets.stack_defines(types)),
        registers=tuple(task_offsets.register_defines(types)),
        uring=tuple(task_offsets.uring_defines(types)),
        requests=tuple(task_offsets.request_defines(types)),
        submit_point=task_offsets.submit_point(types),
        has_prepare_exec=btf.has_name(_PREPARE_EXEC, types),
    )


def _or_nothing(defines: Callable[[], list[str]]) -> tuple[str, ...]:
    try:
        return tuple(defines())
    except BpfrecError as error:
        _log.info("%s", error)
        return ()


def _key() -> str:
    """What the facts depend on: the kernel that runs since this boot, and the code that reads them."""
    digest = sha256()
    for path in (_BOOT, *(_FOLDER / name for name in _READERS)):
        with suppress(OSError):
            digest.update(path.read_bytes())
    return digest.hexdigest()
