"""Stacks of code without frame pointers: every frame is where gdb has it, and none is missing up to the first."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from multi_demangle import demangle_symbol
from support.live import PATIENCE, WORKLOADS, cannot_run, record_command, rows

SCRIPT = Path(__file__).parents[1] / "support" / "gdb_stacks.py"
ROOTS = {"_start", "clone3", "__clone3", "clone", "__clone", "runtime.goexit"}

FUNCTIONS = {"missing", "recurse", "with_alloca", "with_large_frame", "with_unused_pages", "compare", "on_signal"}
FUNCTIONS |= {"in_thread", "main"}
# Parts of functions that compilers move away, as gdb and symbol tables spell them.
_PART = re.compile(r"(\.part|\.cold|\[cold\])(\.[0-9]+)?$")
# What tells functions of Rust apart that have one name.
_HASH = re.compile(r"::h[0-9a-f]{16}$")

Frame = tuple[str | None, tuple[str, int] | None]
"""Name of the function, and where: file and offset in it."""


@pytest.fixture(scope="session")
def gdb() -> str:
    program = shutil.which("gdb")
    if program is None:
        cannot_run("gdb is not installed: apt-get install gdb")
    assert program is not None
    return program


def tool(name: str) -> str:
    """A compiler: in the PATH, or where its own installer puts it."""
    found = shutil.which(name) or shutil.which(name, path=str(Path("~/.cargo/bin").expanduser()))
    if found is None:
        cannot_run(f"{name} is not installed: make setup-dev installs it")
    assert found is not None
    return found


def gdb_stacks(gdb: str, folder: Path, *command: str | Path) -> dict[str, list[Frame]]:
    """What gdb says of each call, by its path; beyond the first frame of a thread it goes on with what is none."""
    said = folder / "stacks.json"
    done = subprocess.run(
        [gdb, "-q", "-nx", "-batch", "-x", SCRIPT, "--args", *command],
        env=os.environ | {"STACKS": str(said)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    stacks: dict[str, list[Frame]] = {}
    for line in said.read_text().splitlines():
        path, frames = json.loads(line)
        known = [(name, tuple(place) if place else None) for name, place in frames]
        roots = [number for number, (name, _) in enumerate(known) if name in ROOTS]
        stacks[path] = known[: roots[0] + 1] if roots else known
    assert stacks, done.stderr
    return stacks


def recorded_stacks(folder: Path, *command: str | Path) -> dict[str, list[Frame]]:
    """The same as the trace has it."""
    trace = folder / "trace.bpfrec"
    done = record_command(trace, *command, options=["--force"])
    assert done.returncode == 0, done.stderr
    frames = rows(
        trace,
        "SELECT s.path, symbol, m.path, ip - start_addr + file_offset "
        "FROM syscalls s JOIN frames f USING (stack_id) LEFT JOIN mappings m "
        "ON m.pid = s.pid AND f.ip BETWEEN start_addr AND end_addr AND m.path = f.module "
        "WHERE s.path LIKE '/nonexistent/%' ORDER BY s.event_id, f.depth",
    )
    stacks: dict[str, list[Frame]] = {}
    for path, symbol, module, offset in frames:
        place = None if offset is None else (str(module), int(str(offset)))
        stacks.setdefault(str(path), []).append((symbol, place))  # type: ignore[arg-type]
    unfinished = rows(
        trace,
        "SELECT s.path, stack_status, t.status FROM syscalls s LEFT JOIN stacks t USING (stack_id) "
        "WHERE s.path LIKE '/nonexistent/%' AND (t.status IS DISTINCT FROM 'root')",
    )
    assert unfinished == []
    return stacks


def assert_same(recorded: dict[str, list[Frame]], judged: dict[str, list[Frame]], own: Path) -> None:
    """Of functions in libc, which have several names each and may be linked in, only the places are compared."""
    assert recorded.keys() == judged.keys()
    for path, frames in judged.items():
        ours = recorded[path]
        assert [place for _, place in ours] == [place for _, place in frames], f"{path}: {ours}\n{frames}"
        for (name, place), (our_name, _) in zip(frames, ours, strict=True):
            if place and place[0] == str(own) and name is not None and (name in FUNCTIONS or "deep::" in name):
                assert our_name is not None
                assert _PART.sub("", demangle_symbol(our_name)) == _PART.sub("", name)


@pytest.mark.parametrize(
    "flags",
    [
        ["-O0", "-fomit-frame-pointer"],
        ["-O2", "-fomit-frame-pointer"],
        ["-O2", "-fomit-frame-pointer", "-no-pie"],
        ["-O2", "-fomit-frame-pointer", "-static", "-DSTATIC"],
        ["-O2", "-fomit-frame-pointer", "-rdynamic", "-s"],
        ["-O1", "-fno-omit-frame-pointer"],
    ],
    ids=" ".join,
)
def test_c(gdb: str, programs: Callable[..., Path], tmp_path: Path, flags: list[str]) -> None:
    program = programs("callers", *flags)
    command: list[str | Path] = [program]
    if "-static" not in flags:
        command.append(programs("callers", "-DLIBRARY", "-shared", "-fPIC", "-O2", "-fomit-frame-pointer"))
    recorded = recorded_stacks(tmp_path, *command)
    assert len(recorded["/nonexistent/recursion-2000"]) > 2000
    assert_same(recorded, gdb_stacks(gdb, tmp_path, *command), program)


def test_cpp(gdb: str, tmp_path: Path) -> None:
    program = tmp_path / "callers"
    command = ["g++", "-O2", "-fomit-frame-pointer", WORKLOADS / "callers.cpp", "-o", program]
    subprocess.run(command, check=True, timeout=PATIENCE)
    assert_same(recorded_stacks(tmp_path, program), gdb_stacks(gdb, tmp_path, program), program)


def test_rust(gdb: str, tmp_path: Path) -> None:
    program = tmp_path / "callers"
    command = [tool("rustc"), "-O", WORKLOADS / "callers.rs", "-o", program]
    subprocess.run(command, check=True, timeout=3 * PATIENCE, capture_output=True)
    recorded, judged = recorded_stacks(tmp_path, program), gdb_stacks(gdb, tmp_path, program)
    assert len(judged) == 8
    assert_same(recorded, judged, program)
    for path, frames in judged.items():
        named = [_HASH.sub("", name) for name, _ in frames if name and "callers::" in name]
        assert named
        ours = [demangle_symbol(name) for name, _ in recorded[path] if name]
        assert [name for name in ours if "callers::" in name] == named


@pytest.fixture(scope="module")
def go_build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Builds callers.go with the flags given; what is compiled of Go itself is kept in between."""
    folder = tmp_path_factory.mktemp("go")
    environment = os.environ | {"GOCACHE": str(folder / "cache"), "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}

    def build(*flags: str) -> Path:
        target = folder / str(len(list(folder.iterdir()))) / "callers"
        command = [tool("go"), "build", *flags, "-o", target, WORKLOADS / "callers.go"]
        subprocess.run(command, check=True, timeout=3 * PATIENCE, capture_output=True, env=environment)
        return target

    return build


@pytest.mark.parametrize("flags", [[], ["-buildmode=pie"], ["-ldflags=-s -w"]], ids=" ".join)
def test_go(gdb: str, go_build: Callable[..., Path], tmp_path: Path, flags: list[str]) -> None:
    """gdb goes by the tables for debuggers, and this by those that are left where these are stripped."""
    program = go_build(*flags)
    whole = go_build() if "-ldflags=-s -w" in flags else program
    recorded, judged = recorded_stacks(tmp_path, program), gdb_stacks(gdb, tmp_path, whole)
    assert len(judged) == 6
    names = {path: [name for name, _ in frames] for path, frames in judged.items()}
    assert {path: [name for name, _ in frames] for path, frames in recorded.items()} == names


def test_node(gdb: str, node: str, tmp_path: Path) -> None:
    """gdb is lost in generated code. Up to there frames are its, and from there on they lead to the first."""
    source = WORKLOADS / "callers.js"
    command = [node, "--perf-basic-prof", "--interpreted-frames-native-stack", source]
    recorded, judged = recorded_stacks(tmp_path, *command), gdb_stacks(gdb, tmp_path, *command)
    assert recorded.keys() == judged.keys()
    lines = {
        str(path): str(names).split("|")
        for path, names in rows(
            tmp_path / "trace.bpfrec",
            "SELECT path, string_agg(symbol || ':' || f.line, '|' ORDER BY f.depth) FROM syscalls "
            f"JOIN frames f USING (stack_id) WHERE f.file = '{source}' GROUP BY path",
        )
    }
    for path, frames in recorded.items():
        native = [place for _, place in judged[path]]
        generated = next(n for n, place in enumerate(native) if place is None or not place[0].startswith("/"))
        assert [place for _, place in frames[:generated]] == native[:generated]
        assert generated > 5
        assert str(frames[-1][0]) == "_start"
        assert "_ZN4node5StartEiPPc" in {name for name, _ in frames}
        assert "missing" in lines[path][0], lines[path]
        assert lines[path][0].endswith(":4")
    assert sum("recurse" in name for name in lines["/nonexistent/recursion"]) == 101
    for path in ("mapped", "reviver", "sorted", "replaced", "timer"):
        assert {"sorted": "compare", "replaced": "replacer"}.get(path, path) in lines[f"/nonexistent/{path}"][1]


@pytest.mark.parametrize(
    "command",
    [
        [
            "/usr/bin/python3",
            "-c",
            "import os, json; print(os.path.exists('x'), sorted([1], key=lambda n: open('/nonexistent/x')))",
        ],
        ["/usr/bin/perl", "-e", "sub f { open(my $f, '<', '/nonexistent/x') } f()"],
        ["/bin/sh", "-c", ". /nonexistent/x"],
        ["/usr/bin/git", "-C", "/", "config", "-f", "/nonexistent/x", "a.b"],
    ],
    ids=lambda command: Path(command[0]).name,
)
def test_programs_of_the_distribution(gdb: str, tmp_path: Path, command: list[str]) -> None:
    if not Path(command[0]).exists():
        pytest.skip(f"{command[0]} is not installed")
    trace = tmp_path / "trace.bpfrec"
    judged = gdb_stacks(gdb, tmp_path, *command)
    record_command(trace, *command, options=["--force"])
    stacks = [
        [
            (str(module), int(str(offset)))
            for module, offset in rows(
                trace,
                "SELECT m.path, ip - start_addr + file_offset FROM frames f LEFT JOIN mappings m "
                "ON f.ip BETWEEN start_addr AND end_addr AND m.path = f.module "
                f"WHERE stack_id = {stack} ORDER BY depth",
            )
        ]
        for (stack,) in rows(
            trace, "SELECT stack_id FROM syscalls WHERE path = '/nonexistent/x' AND syscall = 'openat'"
        )
    ]
    frames = [place for _, place in judged["/nonexistent/x"]]
    assert frames in stacks, f"{stacks}\n{frames}"
