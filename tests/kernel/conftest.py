"""Live recordings: needs root and a kernel that permits BPF.

BPFREC_KERNEL_TESTS: unset, a test that cannot run is skipped with the reason; 0, all are skipped; 1, as in CI, a test
that cannot run fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.company import in_company
from support.live import WORKLOADS, KnownRecording, build, cannot_run, record_command, started

TRACEFS = Path("/sys/kernel/tracing")


# xdist reads the groups in a hook of its own.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.kernel)
        if config.pluginmanager.hasplugin("rerunfailures"):
            # Other programs can disturb a live recording, but hardly twice. tests/conftest.py says which ran again.
            item.add_marker(pytest.mark.flaky(reruns=1))
        if config.pluginmanager.hasplugin("xdist") and item.get_closest_marker("spread") is None:
            # Tests of one file ask one recording, and judges of two runs of its workload would count both together.
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    with in_company(run, alone=item.get_closest_marker("alone") is not None) if run else nullcontext():
        return (yield)


@pytest.fixture(autouse=True)
def _kernel(_permission: str | None) -> None:
    if os.environ.get("BPFREC_KERNEL_TESTS") == "0":
        pytest.skip("BPFREC_KERNEL_TESTS=0")
    if _permission:
        cannot_run(_permission)


@pytest.fixture(autouse=True)
def _leave_nothing_running() -> Iterator[None]:
    yield
    for process in started:
        process.kill()
        process.wait()
    started.clear()


@pytest.fixture(scope="session")
def _permission() -> str | None:
    """Why BPF cannot be used here, None where it can: tried, not guessed."""
    from bpfrec.bpf.permission import check_permission
    from bpfrec.bpf.program import load_program
    from bpfrec.bpf.selection import Selection
    from bpfrec.formats.errors import BpfrecError

    try:
        check_permission()
        load_program(Selection(tgids=frozenset({1}))).close()
    except BpfrecError as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles a workload of tests/workloads once: ``programs("known")``."""
    folder = tmp_path_factory.mktemp("programs")

    def program(name: str, *flags: str) -> Path:
        target = folder / "-".join([name, *(f.strip("-") for f in flags)])
        if not target.exists():
            build(WORKLOADS / f"{name}.c", target, flags)
        return target

    return program


@pytest.fixture(scope="session")
def known_recording(programs: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> KnownRecording:
    folder = tmp_path_factory.mktemp("known") / "files"
    folder.mkdir()
    (folder / "existing").write_text("seven bytes and more")
    trace, program = folder.parent / "trace.bpfrec", programs("known")
    done = record_command(trace, program, folder)
    assert done.returncode == 0, done.stderr
    return KnownRecording(trace, program, folder, done.stdout.splitlines())


@pytest.fixture(scope="session")
def bpftrace() -> str:
    """The bpftrace program, with tracefs mounted, which it needs and bpfrec does not."""
    program = shutil.which("bpftrace")
    if program is None:
        cannot_run("bpftrace is not installed: apt-get install bpftrace")
    if not (TRACEFS / "events").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
    assert program is not None
    return program


@pytest.fixture(scope="session")
def node() -> str:
    program = shutil.which("node")
    if program is None:
        cannot_run("node is not installed: apt-get install nodejs")
    assert program is not None
    return program
