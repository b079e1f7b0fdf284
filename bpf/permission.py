"""Why recording is not permitted here, and what the user can do about it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

# include/uapi/linux/capability.h
_CAPABILITIES = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_IPC_LOCK": 14,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
_NEEDED = ("CAP_BPF", "CAP_PERFMON")

_FOR_OTHERS = {
    "CAP_SYS_PTRACE": "open files, arguments, mapped files and symbols of processes of other users are missing",
    "CAP_DAC_READ_SEARCH": "programs in folders that this user may not enter have no symbols",
}
"""Without what a recording of other users' processes lacks something, and what: proc(5), capabilities(7)."""

_SUDO_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin")
"""Where sudo looks for programs, as distributions set it up: secure_path in sudoers(5)."""

_PID_NAMESPACE = Path("/proc/self/ns/pid")
# PROC_PID_INIT_INO in include/linux/proc_ns.h
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC

_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_LOCKED_KIB = Path("/proc/sys/kernel/perf_event_mlock_kb")
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def check_permission() -> None:
    """Checks that BPF programs may be loaded, as far as that can be known beforehand.

    Raises:
        BpfrecError: a capability is missing, or pids here are not those that BPF sees.
    """
    missing = _missing_capabilities()
    if not missing:
        _check_pid_namespace()
        return
    if os.geteuid() != 0:
        if missing != list(_NEEDED):
            raise BpfrecError(
                f"recording without root needs {' and '.join(_NEEDED)}: this process lacks {' and '.join(missing)}",
                f"Add it to its capabilities, or run: {command_with_sudo()}",
            )
        raise BpfrecError(
            "recording needs root: the kernel lets nobody else load BPF programs and read other processes",
            f"Run it with: {command_with_sudo()}   (analysis needs no root)",
        )
    where = "this container" if _in_container() else "this environment"
    raise BpfrecError(
        f"root here lacks {' and '.join(missing)}: {where} has dropped what loading BPF programs needs",
        "Record on the host, or start the container with: --privileged --pid=host   "
        f"(or --cap-add {' --cap-add '.join(c.removeprefix('CAP_') for c in missing)})",
    )


def command_with_sudo() -> str:
    """This command line behind sudo, for a message: with the whole path of the program where sudo would not find it."""
    program = Path(sys.argv[0])
    if program.parts[-2:] == ("bpfrec", "__main__.py"):
        found = [sys.executable, "-m", "bpfrec"]
    elif program.name != "bpfrec":
        return "sudo bpfrec record ..."
    else:
        path = str(program.absolute())
        found = ["bpfrec" if shutil.which("bpfrec", path=os.pathsep.join(_SUDO_PATH)) == path else path]
    return shlex.join(["sudo", *found, *sys.argv[1:]])


def lacking_for_others() -> list[str]:
    """What a recording of processes of other users lacks, in words, with the capability that would give it."""
    return [f"without {name}, {what}" for name, what in _FOR_OTHERS.items() if not has_capability(name)]


def why_refused(what: str, said: str) -> BpfrecError:
    """The error for a failure in bcc or the kernel: ``what`` failed, and ``said`` is what they printed meanwhile."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if _lockdown() == "confidentiality":
        return BpfrecError(
            f"{what}: the kernel is locked down ({_LOCKDOWN} says confidentiality), and BPF may not read memory",
            "Boot with lockdown=integrity, or without lockdown.",
        )
    if any(line.endswith("Operation not permitted") for line in lines):
        return BpfrecError(
            f"{what}: bpf(2) is not permitted here, although root has the capabilities for it: a seccomp filter or a "
            "security module is in the way, as in containers",
            "Record on the host, or start the container with: --privileged --pid=host",
        )
    telling = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "bcc does not say why")
    return BpfrecError(f"{what}: {telling}", "Please report this, with the output of: uname -a")


def perf_refused(error: OSError) -> BpfrecError:
    """The error for a perf_event_open(2) that failed with ``error``."""
    paranoid = Path("/proc/sys/kernel/perf_event_paranoid")
    setting = paranoid.read_text().strip() if paranoid.exists() else "not there"
    return BpfrecError(
        f"perf_event_open is not permitted: {error.strerror} (kernel.perf_event_paranoid is {setting})",
        "Run as root on the host, or in a container started with: --privileged",
    )


def locked_memory_refused(bytes_per_cpu: int) -> BpfrecError:
    """The error for rings of ``bytes_per_cpu`` that this user may not lock: see perf_event_open(2)."""
    needed = -(-bytes_per_cpu // 1024)
    allowed = _LOCKED_KIB.read_text().strip() if _LOCKED_KIB.exists() else "unknown"
    why = "without CAP_IPC_LOCK" if not has_capability("CAP_IPC_LOCK") else "here"
    return BpfrecError(
        f"the rings of each CPU need {needed} KiB of locked memory, and the kernel permits {allowed} {why}",
        f"Add CAP_IPC_LOCK to its capabilities, or permit more: sysctl kernel.{_LOCKED_KIB.name}={needed}",
    )


def _check_pid_namespace() -> None:
    if _PID_NAMESPACE.stat().st_ino != _INITIAL_PID_NAMESPACE:
        raise BpfrecError(
            "this is a pid namespace of its own, as containers have: BPF tells processes by the ids of the host, which "
            "are not those in /proc here",
            "Record on the host, or start the container with: --pid=host (in Kubernetes, hostPID: true)",
        )


def _missing_capabilities() -> list[str]:
    if has_capability("CAP_SYS_ADMIN"):
        return []
    return [name for name in _NEEDED if not has_capability(name)]


def has_capability(name: str) -> bool:
    """Whether this process has the capability ``name`` now, such as "CAP_BPF"."""
    held = 0
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
    return bool(held >> _CAPABILITIES[name] & 1)


def _lockdown() -> str:
    try:
        state = _LOCKDOWN.read_text()
    except OSError:
        return "none"
    return state.partition("[")[2].partition("]")[0]


def _in_container() -> bool:
    return any(mark.exists() for mark in _CONTAINER_MARKS)
