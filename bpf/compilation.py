"""How a recording gets its program: out of the cache, or compiled by a process beside this one."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from bpfrec.bpf import child_process
from bpfrec.bpf.bcc_module import bcc_identity, load_bcc
from bpfrec.bpf.compiled import CompiledProgram, read_compiled
from bpfrec.bpf.compiling import HALVES, HEADERS_VARIABLE, PROGRAMS, compile_program
from bpfrec.bpf.defines import Defines
from bpfrec.bpf.program_cache import Origin, ProgramCache
from bpfrec.formats.errors import BpfrecError

_log = logging.getLogger(__name__)

# Of the layout of what is kept.
_VERSION = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_COMPILED, _FAILED = b"c", b"f"


class Compilation:
    """The program compiled with ``defines``, which is looked for in ``cache`` at once.

    If it is not there, a child process compiles it: other things can be done meanwhile, and the compiler's memory ends
    with the child. Not for use beside other threads.
    """

    def __init__(self, defines: Defines, cache: ProgramCache) -> None:
        self.defines = defines
        self._begin = time.monotonic()
        self._cache = cache
        self._key = _key(defines.flags)
        self._found = self._cache.get(self._key)
        self._child: _Compiler | None = None
        self._is_thorough = False
        self.is_kept = self._found is not None
        _log.info("defines: %s", " ".join(defines.flags))
        if self._found is None:
            self._child = self._compiler()
        else:
            _log.info("found the compiled program in %.3f s", time.monotonic() - self._begin)

    def result(self) -> CompiledProgram:
        """The program, as soon as it is compiled.

        Raises:
            BpfrecError: bcc is missing, the program does not compile, or the kernel refuses its maps.
        """
        if self._found is None:
            begin, child = time.monotonic(), self._child or self._compiler()
            self._child = None
            self._found = child.result()
            _log.info("waited %.2f s for the compiler", time.monotonic() - begin)
        return self._found

    def anew(self) -> CompiledProgram | None:
        """The program compiled in another way than that which :meth:`result` gave, and the kernel refused.

        What was kept is compiled now, and what was compiled in a hurry is compiled thoroughly. None: it was.

        Raises:
            BpfrecError: as :meth:`result`.
        """
        if self._is_thorough:
            return None
        self._is_thorough = not self.is_kept
        self.is_kept, self._found = False, None
        return self.result()

    def _compiler(self) -> _Compiler:
        flags, is_thorough = self.defines.flags, self._is_thorough
        return _Compiler(lambda: _compiled_and_kept(flags, is_thorough, self._cache, self._key))

    def close(self) -> None:
        """Ends a compiler whose result nobody wants."""
        if self._child is not None:
            self._child.close()
            self._child = None


class _Compiler:
    """A child process that compiles: ``work`` gives the program."""

    def __init__(self, work: Callable[[], CompiledProgram]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._pipe, results = os.pipe()
        # A signal that comes to the whole process group is the parent's to act upon.
        self._pid = child_process.start(lambda: _send(work, results), _SIGNALS)
        os.close(results)
        self._is_running = True

    def result(self) -> CompiledProgram:
        """Waits for the program.

        Raises:
            BpfrecError: there is none.
        """
        self._is_running = False
        with os.fdopen(self._pipe, "rb") as pipe:
            said = pipe.read()
        status = os.waitstatus_to_exitcode(child_process.reap(self._pid) or 0)
        kind, content = said[:1], said[1:]
        if kind == _COMPILED:
            return CompiledProgram.from_bytes(content)
        if kind == _FAILED:
            raise BpfrecError(*json.loads(content))
        ended = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise BpfrecError(f"the compiler of the BPF program {ended}", "It needs about 200 MB of memory.")

    def close(self) -> None:
        """Ends it, unless its result was waited for."""
        if self._is_running:
            self._is_running = False
            os.close(self._pipe)
            child_process.kill(self._pid)


def _send(work: Callable[[], CompiledProgram], results: int) -> None:
    """In the child: sends the program, or the reason why there is none."""
    try:
        said = _COMPILED + work().to_bytes()
    except BpfrecError as error:
        said = _FAILED + json.dumps([error.message, error.hint]).encode()
    except Exception:
        _log.exception("compiling failed")
        raise
    with os.fdopen(results, "wb") as pipe:
        pipe.write(said)


def _compiled_and_kept(flags: list[str], is_thorough: bool, cache: ProgramCache, key: str) -> CompiledProgram:
    """Compiles on two CPUs, where there are two: a half of the functions on each."""
    if len(os.sched_getaffinity(0)) == 1:
        program = _compiled(flags, is_thorough)
    else:
        first, second = HALVES
        other = _Compiler(lambda: _compiled([*flags, second], is_thorough))
        try:
            program = _compiled([*flags, first], is_thorough).joined(other.result())
        finally:
            other.close()
    cache.put(key, program, Origin.of(_library()))
    return program


def _compiled(flags: list[str], is_thorough: bool) -> CompiledProgram:
    bcc = load_bcc()
    return read_compiled(bcc.libbcc.lib, compile_program(bcc, flags, is_thorough=is_thorough).module)


def _library() -> str:
    """The path of the libbcc that this process has loaded.

    Raises:
        OSError: none is.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        name = line.partition("/")[2]
        if "libbcc.so" in name:
            return f"/{name}"
    raise FileNotFoundError("libbcc.so")


def _key(flags: list[str]) -> str:
    """What the compiled program depends on: sources and headers, defines, bcc, and the kernel that it is for."""
    digest = sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)

    system = os.uname()
    add(str(_VERSION), system.release, system.version, system.machine)
    add(bcc_identity(), os.environ.get(HEADERS_VARIABLE, ""), *flags)
    for source in sorted(PROGRAMS.rglob("*.[ch]")):
        add(str(source.relative_to(PROGRAMS)), source.read_bytes())
    return digest.hexdigest()
