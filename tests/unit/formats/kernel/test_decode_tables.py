"""constants.tsv against the kernel's headers, decoders.tsv and decoding.tsv against each other and syscalls.tsv."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bpfrec.analyze.decode.calls import call_text
from bpfrec.analyze.decode.functions import functions
from bpfrec.formats.kernel.decoding import RESULT, WRITTEN, constants, decoders, decodings, families
from bpfrec.formats.kernel.fact_tables import tsv_rows
from bpfrec.formats.kernel.syscalls import syscalls

_HEADERS = """
asm/ldt.h asm/prctl.h asm/unistd.h fcntl.h grp.h sched.h signal.h sys/epoll.h sys/eventfd.h sys/fanotify.h sys/file.h
sys/inotify.h sys/ioctl.h sys/ipc.h sys/klog.h sys/mman.h sys/mount.h sys/msg.h sys/personality.h sys/quota.h
sys/random.h sys/resource.h sys/sem.h sys/shm.h sys/signalfd.h sys/socket.h sys/stat.h sys/swap.h sys/time.h
sys/timerfd.h sys/types.h sys/uio.h sys/wait.h sys/xattr.h time.h unistd.h netinet/in.h
linux/arm_sdei.h linux/bpf.h linux/btrfs.h linux/capability.h linux/close_range.h linux/dm-ioctl.h linux/dma-buf.h
linux/filter.h linux/fs.h linux/fscrypt.h linux/fsverity.h linux/futex.h linux/hdreg.h linux/if_arp.h linux/if_ether.h
linux/if_packet.h linux/if_tun.h linux/in6.h linux/input.h linux/io_uring.h linux/ioprio.h linux/ipv6.h linux/kcmp.h
linux/kd.h linux/keyctl.h linux/kexec.h linux/kvm.h linux/landlock.h linux/loop.h linux/membarrier.h linux/memfd.h
linux/mempolicy.h linux/module.h linux/msdos_fs.h linux/nbd.h linux/netlink.h linux/nsfs.h linux/perf_event.h
linux/prctl.h linux/ptrace.h linux/random.h linux/reboot.h linux/rtc.h linux/seccomp.h linux/sed-opal.h
linux/serial.h linux/sockios.h linux/tcp.h linux/udp.h linux/uinput.h linux/userfaultfd.h linux/vhost.h linux/vt.h
linux/watchdog.h poll.h scsi/sg.h netipx/ipx.h linux/can.h linux/errqueue.h linux/netfilter_ipv4/ip_tables.h
"""
HEADERS = _HEADERS.split()

NAMELESS = re.compile(r"SIGRT(MIN|_\d+)|.* or .*|SUID_DUMP_\w+|PER_MASK|htons\(0\)")
"""Names that are no constants of C: strace's own, or the kernel's inner ones."""


GLIBCS = {"F_GETLK64", "F_SETLK64", "F_SETLKW64", "O_LARGEFILE", "__O_TMPFILE"}
"""Names to which glibc gives other values than asm-generic/fcntl.h."""


def _source(names: list[str]) -> str:
    """A program that prints the names' values. One function each: gcc reports a name once in a function."""
    lines = ["#define _GNU_SOURCE", "#include <stdio.h>"]
    lines += [line for h in HEADERS for line in (f"#if __has_include(<{h}>)", f"#include <{h}>", "#endif")]
    lines += [f"static unsigned f{i}(void) {{ return (unsigned)({name}); }}" for i, name in enumerate(names)]
    prints = [f'printf("{i} %u\\n", f{i}());' for i in range(len(names))]
    return "\n".join([*lines, "int main(void) {", *prints, "return 0; }"])


def _gcc(folder: Path, source: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    (folder / "c.c").write_text(source)
    command = ["gcc", "-w", "-fmax-errors=0", *options, folder / "c.c"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def known_to_c(folder: Path, names: list[str]) -> dict[str, int]:
    """The values of those names that the headers have, 32 bits of each."""
    first = _source([]).splitlines().index("int main(void) {") + 1
    errors = _gcc(folder, _source(names), "-fsyntax-only").stderr
    wrong = {int(line) - first for line in re.findall(r"c\.c:(\d+):\d+: (?:error|note)", errors)}
    left = [name for i, name in enumerate(names) if i not in wrong]
    built = _gcc(folder, _source(left), "-o", folder / "c")
    assert built.returncode == 0, built.stderr
    printed = subprocess.run([folder / "c"], capture_output=True, text=True, timeout=10, check=True).stdout
    return {left[int(i)]: int(value) for i, value in map(str.split, printed.splitlines())}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile the headers with")
def test_constants_are_those_of_the_headers(tmp_path: Path) -> None:
    ours = {(n, v % 2**32) for f in families() for n, v in constants(f).items() if not NAMELESS.fullmatch(n)}
    names = sorted({name for name, _ in ours})
    values = known_to_c(tmp_path, names)
    wrong = {
        (name, value, values[name]) for name, value in ours if values.get(name, value) != value and name not in GLIBCS
    }
    assert not wrong, "name, our value, the headers' value"
    assert len(values) > len(names) * 0.95, f"the headers lack {sorted(set(names) - set(values))}"


def test_constants_have_a_family_that_is_used_and_names_come_once() -> None:
    used = {term.family for decoder in decoders().values() for term in decoder.terms}
    assert families() == used | {"utime"}, "what is in no argument is in a struct"
    rows = [(family, name) for family, name, _ in tsv_rows("constants.tsv")]
    assert len(rows) == len(set(rows))


def test_decoders_hold_together() -> None:
    assert len(decoders()) == len(list(tsv_rows("decoders.tsv"))), "a decoder stands there twice"
    for decoder in decoders().values():
        assert re.fullmatch(r"[a-z][a-z_0-9]+", decoder.name)
        assert decoder.bits in (16, 32, 64)
        assert decoder.comment
        for term in decoder.terms:
            for name, value in constants(term.family).items():
                inside = decoder.width if term.mask is None else term.mask
                assert value < 0 or value & ~inside == 0, f"{decoder.name}: {name} is out of its bits"
        for name, chosen in decoder.choices.items():
            assert decoders()[decoder.selector].named(name)
            assert not decoders()[chosen].choices, f"{decoder.name}: {chosen} chooses itself"


def test_decodings_hold_together() -> None:
    spoken = {(call, argument) for call, argument, *_ in tsv_rows("decoding.tsv")}
    assert len(spoken) == len(list(tsv_rows("decoding.tsv"))), "an argument stands there twice"
    arguments = {(call.name, a.name) for call in syscalls().values() for a in call.arguments or ()}
    everywhere = {("*", name) for _, name in arguments}
    results = {(call.name, RESULT) for call in syscalls().values()}
    assert spoken <= arguments | everywhere | results
    for call in syscalls().values():
        for decoding in decodings(call).values():
            assert decoding.decoder in decoders() or decoding.decoder in WRITTEN
            chooses = decoding.decoder in decoders() and bool(decoders()[decoding.decoder].choices)
            assert chooses == (decoding.selector is not None), f"{call.name}: {decoding}"
        assert call_text(call, call.name)


def test_every_decoder_is_used() -> None:
    direct = {d.decoder for call in syscalls().values() for d in decodings(call).values()}
    chosen = {name for decoder in decoders().values() for name in decoder.choices.values()}
    needed = {name for function in functions().values() for name in function.needs}
    structs = {"open_how_flags", "resolve_flags", "clone3_flags", "child_code", "epoll_events", "poll_events"}
    structs |= {"sigaction_flags", "signal_handler", "signal_stack_flags", "signal_code", "signal_source"}
    assert set(decoders()) <= direct | chosen | needed | structs | {"errno_name", "futex_bitset"}
