"""Scripts replayed on a recording, beside bpftrace itself on the same run of the same program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.beside_bpftrace import LiveScript, Printed, parse_json, scripts
from support.bpftrace_scripts import run_on
from support.live import Recorder, Waiting, rows

LIKE = "0.17"

SCRIPTS = scripts(Path(__file__).parent / "bpftrace")
_OWN = ("opensnoop", "statsnoop", "setuids", "syncsnoop", "killsnoop")
TOOLS = dict.fromkeys(_OWN, "replayed") | {"execsnoop": ""}
LANGUAGE = sorted((Path(__file__).parents[1] / "unit/analyze/bpftrace/language").glob(f"*.{LIKE}.txt"))


@pytest.fixture(scope="module")
def both(
    programs: Callable[..., Path], bpftrace: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Printed]]:
    """A trace of one run of the workload, and what bpftrace printed of that run, by script."""
    if f"v{LIKE}" not in subprocess.run([bpftrace, "--version"], capture_output=True, text=True, check=True).stdout:
        pytest.skip(f"the judge is bpftrace {LIKE}, as Debian 12 has it")
    output = tmp_path_factory.mktemp("replay") / "trace.bpfrec"
    workload = Waiting([programs("replayed")])
    live = {name: LiveScript(bpftrace, text) for name, text in SCRIPTS.items()}
    for name in TOOLS:
        live[name] = LiveScript(bpftrace, Path(f"/usr/sbin/{name}.bt").read_text())
    for script in live.values():
        script.wait()
    recorder = Recorder(output, "-p", str(workload.pid), "--follow", "--data", "64", "--stack-on", "all")
    workload.go()
    recorder.wait()
    printed = {name: script.stop() for name, script in live.items()}
    assert rows(output, "SELECT * FROM losses WHERE severity = 'data_loss'") == []
    return output, printed


@pytest.mark.parametrize("name", SCRIPTS)
def test_maps_and_lines_are_the_same(both: tuple[Path, dict[str, Printed]], name: str) -> None:
    trace, live = both
    replayed = parse_json(run_on(trace, SCRIPTS[name], like=LIKE, json=True))
    assert replayed.maps or replayed.lines
    assert replayed.maps == live[name].maps
    assert replayed.lines == live[name].lines


@pytest.mark.parametrize("name", TOOLS)
def test_tools_of_the_package_print_the_same(both: tuple[Path, dict[str, Printed]], name: str) -> None:
    trace, live = both
    if live[name].lost:
        pytest.skip(f"bpftrace lost {live[name].lost} lines, for it watches the whole machine")
    text = Path(f"/usr/sbin/{name}.bt").read_text()
    replayed = parse_json(run_on(trace, text, like=LIKE, json=True))
    ours, theirs = (_lines(printed, TOOLS[name]) for printed in (replayed, live[name]))
    assert ours == theirs
    assert ours


def _lines(printed: Printed, comm: str) -> list[str]:
    """The lines of one program, without times: of others bpftrace sees more than was recorded."""
    text = "".join(line if line.endswith(("\n", " ")) else line + "\n" for line in printed.lines)
    # bpftrace may be stopped between the pieces of its last line.
    # A path at the end of a line may end in the name, as when others open the program.
    lines = [line for line in text[: text.rfind("\n") + 1].splitlines() if not comm or f"{comm} " in line]
    if not comm:
        return [line.split(maxsplit=2)[2] for line in lines if "again an argument" in line]
    return [line[line.index(f"{comm} ") :] for line in lines]


@pytest.mark.parametrize("expected", LANGUAGE, ids=lambda path: path.stem)
def test_the_expected_texts_of_the_language_are_bpftraces_own(bpftrace: str, expected: Path) -> None:
    script = expected.with_name(expected.name.replace(f".{LIKE}.txt", ".bt"))
    done = subprocess.run([bpftrace, str(script), "17"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == expected.read_text()
