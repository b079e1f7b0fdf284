"""Loading a compiled program: its maps are made, and threads have the kernel check its functions."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from bpfrec.bpf import bpf_calls
from bpfrec.bpf.compiled import CompiledProgram
from bpfrec.bpf.maps import Map
from bpfrec.bpf.permission import why_refused

_log = logging.getLogger(__name__)

_PRIORITY = 10


class LoadedProgram:
    """``maps`` by name, made at once, and the functions of ``program`` that ``kinds`` names with their types.

    ``constants``: numbers that are put into the instructions. The kernel takes tenths of a second to check the
    functions, so that goes on in threads until :meth:`wait`, in the order of ``kinds``.

    Raises:
        BpfrecError: the kernel refuses the maps.
    """

    def __init__(self, program: CompiledProgram, kinds: Mapping[str, int], constants: Sequence[int]) -> None:
        self.maps: dict[str, Map] = {}
        self._functions: dict[str, int] = {}
        self._failure: OSError | None = None
        self._threads: list[threading.Thread] = []
        self._begin = time.monotonic()
        try:
            for definition in program.maps:
                self.maps[definition.name] = Map(definition)
        except OSError as error:
            self.close()
            raise why_refused("the maps of the BPF program cannot be made", _text(error)) from None
        descriptors = [each.descriptor for each in self.maps.values()]
        waiting = [(name, kind, program.instructions(name, descriptors, constants)) for name, kind in kinds.items()]
        license_ = program.license.encode()
        lock = threading.Lock()

        def load() -> None:
            # What the main thread does meanwhile takes as long.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
            while True:
                with lock:
                    if not waiting or self._failure is not None:
                        return
                    name, kind, instructions = waiting.pop(0)
                try:
                    self._functions[name] = bpf_calls.load_program(kind, instructions, license_, name)
                except OSError as error:
                    self._failure = error

        for _ in range(min(len(waiting), os.cpu_count() or 1)):
            thread = threading.Thread(target=load, daemon=True)
            thread.start()
            self._threads.append(thread)

    def wait(self) -> Mapping[str, int]:
        """The descriptors of the functions, by name, when all are loaded.

        Raises:
            BpfrecError: the kernel refuses one.
        """
        begin = time.monotonic()
        self._join()
        if self._failure is not None:
            raise why_refused("the kernel refuses the BPF program", _text(self._failure))
        _log.info(
            "loaded %s in %.2f s, and waited %.2f s for that",
            ", ".join(self._functions),
            time.monotonic() - self._begin,
            time.monotonic() - begin,
        )
        return self._functions

    @property
    def is_unverified(self) -> bool:
        """Whether the kernel has refused a function for what it does, not for who asks."""
        return self._failure is not None and self._failure.errno not in (None, errno.EPERM, errno.ENOMEM)

    def close(self) -> None:
        """Unloads all."""
        self._join()
        for descriptor in self._functions.values():
            with suppress(OSError):
                os.close(descriptor)
        self._functions.clear()
        for each in self.maps.values():
            each.close()
        self.maps.clear()

    def _join(self) -> None:
        while self._threads:
            self._threads.pop().join()


def _text(error: OSError) -> str:
    """What the kernel says; the last line has the reason."""
    log = error.log.splitlines() if isinstance(error, bpf_calls.RefusedError) else []
    # The verifier ends with its statistics.
    said = [line for line in log if line.strip() and not line.startswith("processed ")]
    return "\n".join([*said, ": ".join([*said[-1:], os.strerror(error.errno or errno.EINVAL)])])
