"""``call_text`` beside what the installed strace prints: the same calls, the same text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.strace_lines import TEXT, strace_lines, strace_works
from support.trace_builder import TraceBuilder

from bpfrec.analyze.facade import Trace
from bpfrec.formats.kernel.decoding import Decoder, constants, decoders, decodings
from bpfrec.formats.kernel.syscalls import Syscall, syscalls

pytestmark = pytest.mark.skipif(not strace_works(), reason="no strace 6.1 that may trace, or no gcc")

KNOWN_TO_6_1 = 450
"""strace 6.1 refuses and decodes calls up to this number."""

ADDRESS = 0x1000
Call = tuple[str, *tuple[int, ...]]

DIFFERS = {
    "exit": "does not return",
    "exit_group": "does not return",
    "fork": "strace follows what was not made",
    "vfork": "strace follows what was not made",
    "rt_sigreturn": "strace shows the mask that it finds on the stack",
    "restart_syscall": "strace names the call that it thinks is resumed",
    "execve": "strace lists the environment",
    "syslog": "strace shows the number and no name",
    "quotactl": "QCMD is not split",
    "quotactl_fd": "QCMD is not split",
    "ioprio_set": "the priority is not split",
    "kexec_load": "the flags are not split",
}
"""Calls whose text is not strace's, and why."""

NOT_OURS = {
    r"^(socket|getsockopt|setsockopt).*(AF_|SOL_)(?!UNIX|INET|NETLINK|SOCKET|IP\b|IPV6|TCP|UDP)": "other protocols",
    r"^socketpair": "strace knows no protocols there",
    r"^mremap.*, MREMAP_FIXED": "refused by the kernel without MREMAP_MAYMOVE",
    r"^ptrace": "registers by name",
    r"^prctl\(PR_SET_SECCOMP, SECCOMP_MODE_[DS]": "only a filter has another argument",
    r"^prctl\(PR_(SET(?!_SECCOMP, SECCOMP)|GET|PAC|MCE|TSC|SCHED|CAP_AMBIENT|SVE|SME)": "what only that option takes",
    r"^keyctl": "numbers in decimal, flags",
    r"^futex.*WAKE_OP": "the operation is not split",
    r"^futex\(0x1000, 0x": "the kernel takes no clock there",
    r"^getsockopt.*SO_GET_(?=FILTER|INFO|ENTRIES|REV)": "setting has another name",
    r"^(unshare|setns|memfd_secret).*0x": "strace names only what they take",
    r"^(name_to_handle_at|move_pages|mount_setattr).*0x": "strace names only what they take",
    r"^open_by_handle_at\(-100": "AT_FDCWD serves there as well",
    r"^kcmp.*EPOLL_TFD": "points at a struct",
    r"^swapon": "the priority in decimal",
}
"""Lines of strace's that are not compared, and why."""

NEWER = {
    "BPF_TOKEN_CREATE",
    "FUTEX_WAKE_OP",
    "F_CREATED_QUERY",
    "F_DUPFD_QUERY",
    "F_SEAL_EXEC",
    "MADV_GUARD_INSTALL",
    "MADV_GUARD_REMOVE",
    "MAP_DROPPABLE",
    "MEMBARRIER_CMD_GET_REGISTRATIONS",
    "MFD_EXEC",
    "MFD_NOEXEC_SEAL",
    "MPOL_WEIGHTED_INTERLEAVE",
    "RWF_ATOMIC",
    "RWF_DONTCACHE",
    "RWF_NOAPPEND",
    "SCHED_EXT",
    "STATX_MNT_ID_UNIQUE",
    "STATX_SUBVOL",
    "STATX_WRITE_ATOMIC",
}
"""Names that strace 6.1 does not know."""


def plain(call: Syscall) -> list[int]:
    """Arguments of no meaning: pointers that lead nowhere, and ones, so that buffers are not empty."""
    return [TEXT if a.index in call.paths else ADDRESS if a.is_pointer else 1 for a in call.arguments or ()]


def values(decoder: Decoder) -> list[int]:
    """Every number that has a name, alone and beside a flag, all flags, and one that has none."""
    named = [v for t in decoder.terms for n, v in t.values.items() if n not in NEWER]
    flags = [v for t in decoder.terms if t.mask is None for n, v in t.values.items() if n not in NEWER]
    both = [v | flags[0] for v in named] if flags else []
    together = 0
    for flag in flags:
        together |= flag
    return sorted({*named, *both, together, 0})


def calls_of(call: Syscall) -> list[Call]:
    made: list[Call] = [(call.name, *plain(call))]
    for name, decoding in decodings(call).items():
        argument, decoder = call.argument(name), decoders().get(decoding.decoder)
        if argument is None or decoder is None:
            continue
        for choice, chosen in (decoder.choices or {"": decoder.name}).items():
            if choice in NEWER:
                continue
            for value in values(decoders()[chosen]):
                arguments = plain(call)
                arguments[argument.index] = value
                if choice and (selector := call.argument(decoding.selector or "")):
                    arguments[selector.index] = decoders()[decoder.selector].named(choice)[1]
                made.append((call.name, *arguments))
    return made


def texts_of(folder: Path, calls: list[Call], ret: int | None = -38, path: str = "a b") -> list[str]:
    """What ``call_text`` says of the calls."""
    builder = TraceBuilder()
    for name, *arguments in calls:
        paths = dict.fromkeys(("path", "path2")[: len(syscalls()[name].paths)], path)
        builder.call(name, 0, *(a for a in arguments), ret=ret, **paths)
    with Trace(builder.write(folder / "t.bpfrec")) as trace:
        found = {}
        for name in trace.manifest.syscalls:
            found.update(trace.query(f"SELECT event_id, call_text FROM sys.{name}").rows)
    return [found[i] for i in range(len(calls))]


def comparable(line: str) -> str:
    """The line; of ioctl without the last argument, which has a meaning for each request."""
    return re.sub(r"^(ioctl\(1, (\w| or |_IOC\([^)]*\))+).*", r"\1", line)


@pytest.mark.slow
def test_calls_are_written_as_strace_writes_them(tmp_path: Path) -> None:
    chosen = [
        call
        for call in syscalls().values()
        if call.numbers.get("x86_64", 999) <= KNOWN_TO_6_1
        and call.name not in DIFFERS
        and call.arguments is not None
        and not call.name.endswith("probe")
    ]
    calls = [made for call in chosen for made in calls_of(call)]
    strace = [comparable(line) for line in strace_lines(tmp_path, calls, (b"a b",))]
    ours = [comparable(line) for line in texts_of(tmp_path, calls)]
    skipped = re.compile("|".join(NOT_OURS))
    compared = [(s, o) for s, o in zip(strace, ours, strict=True) if not skipped.match(s)]
    assert len(compared) > 4500, "the tables got lost"
    wrong = [f"strace: {s}\n  ours: {o}" for s, o in compared if s != o]
    assert not wrong, f"{len(wrong)} of {len(compared)} differ\n" + "\n".join(wrong[:400])


PATHS = (
    b"plain",
    b"",
    b"a b\"c\\d'e",
    b"\1\x019\x018\x7f\x1f",
    b"\t\n\v\f\r",
    "\u00fc\ue000\u65e5".encode(),
    b"\x01\x02\x03",
    b"\\x80 \\001",
    b"\xff\xfe1",
)


def test_paths_are_quoted_as_strace_quotes_them(tmp_path: Path) -> None:
    expected = strace_lines(tmp_path, [("open", TEXT + i, 0) for i in range(len(PATHS))], PATHS)
    builder = TraceBuilder()
    for path in PATHS:
        try:
            columns = {"path": path.decode()}
        except UnicodeDecodeError:
            columns = {"path": path.decode("utf-8", "backslashreplace"), "path_status": "not-utf8"}
        builder.call("open", 0, 0x1000, 0, ret=-38, **columns)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as trace:
        assert [text for (text,) in trace.query("SELECT call_text FROM sys.open ORDER BY event_id").rows] == expected


@pytest.mark.grid
@pytest.mark.parametrize("error", [2, 11, 133, 134, 512, 513, 514, 515, 516, 524, 531, 4095])
def test_errors_are_written_as_strace_writes_them(tmp_path: Path, error: int) -> None:
    call = ("close", 3)
    assert strace_lines(tmp_path, [call], inject=f"error={error}") == texts_of(tmp_path, [call], ret=-error)


@pytest.mark.parametrize("value", [0, 1, 0x802, 0o22])
def test_results_are_written_as_strace_writes_them(tmp_path: Path, value: int) -> None:
    calls: list[Call] = [
        ("mmap", 0, 4096, 3, 0x22, -1, 0),
        ("brk", 0),
        ("umask", 0o22),
        ("lseek", 3, -1, 1),
        ("fcntl", 3, constants("fcntl")["F_GETFD"]),
        ("fcntl", 3, constants("fcntl")["F_GETFL"]),
        ("fcntl", 3, constants("fcntl")["F_DUPFD"], 7),
        ("shmat", 5, 0, 0),
        ("mremap", 0x1000, 1, 1, 1),
    ]
    assert strace_lines(tmp_path, calls, inject=f"retval={value}") == texts_of(tmp_path, calls, ret=value)
