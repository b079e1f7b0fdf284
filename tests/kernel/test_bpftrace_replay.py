"""Scripts replayed on a recording, beside bpftrace itself on the same run of the same program.

A run of the workload serves many scripts: each has a bpftrace of its own beside the recorder. bpftrace needs seventy
milliseconds for each probe to attach and detach, so of the labs' scripts of all system calls one runs as it is, and
the others name calls that the workload makes; times are those of nanosleep, which hardly feel what watches them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.beside_bpftrace import LiveScript, Printed, parse_json, scripts
from support.bpftrace_scripts import checked, run_on
from support.live import Recorder, Waiting, rows, trace_of

from bpfrec.analyze.bpftrace.errors import ScriptError
from bpfrec.analyze.bpftrace.holdings import holdings

LIKE = "0.17"

HERE = Path(__file__).parent / "bpftrace"
SCRIPTS = scripts(HERE) | scripts(HERE / "features")
LABS = scripts(HERE / "seeds")
_OWN = ("opensnoop", "statsnoop", "setuids", "syncsnoop", "killsnoop")
TOOLS = dict.fromkeys(_OWN, "replayed") | {"execsnoop": ""}
PACKAGE = sorted(Path("/usr/sbin").glob("*.bt"))
REPLAYED = {*TOOLS, "syscount", "pidpersec"}
LANGUAGE = sorted((Path(__file__).parents[1] / "unit/analyze/bpftrace/language").glob(f"*.{LIKE}.txt"))

_COMMS = ("replayed", "replayed-one", "replayed-two", "exe")
_TIMED = {"11-time-of-a-call-printed", "12-times-as-histogram", "13-shortest-and-longest", "14-stack-at-a-new-longest"}


_AT_ONCE = 24
"""Scripts that watch one run: the kernel lets a tracepoint have 64 programs, and each script has two marks at one."""


@dataclass
class Both:
    """Runs of the workload: for each script the trace of its run, its parameters, and what bpftrace printed."""

    traces: dict[str, Path]
    parameters: dict[str, tuple[str, ...]]
    live: dict[str, Printed]

    def replayed(self, name: str, text: str) -> Printed:
        """What a replay prints."""
        return parse_json(run_on(self.traces[name], text, *self.parameters[name], like=LIKE, json=True))


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """``items`` in lists of ``size``."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


@pytest.fixture(scope="module")
def both(programs: Callable[..., Path], bpftrace: str, tmp_path_factory: pytest.TempPathFactory) -> Both:
    if f"v{LIKE}" not in subprocess.run([bpftrace, "--version"], capture_output=True, text=True, check=True).stdout:
        pytest.skip(f"the judge is bpftrace {LIKE}, as Debian 12 has it")
    folder = tmp_path_factory.mktemp("replay")
    texts = SCRIPTS | LABS | {name: Path(f"/usr/sbin/{name}.bt").read_text() for name in TOOLS}
    found = Both({}, {}, {})
    for number, names in enumerate(batched(texts, _AT_ONCE)):
        _watch_one_run(
            bpftrace, programs("replayed"), folder / f"trace{number}.bpfrec", {n: texts[n] for n in names}, found
        )
    return found


def _watch_one_run(bpftrace: str, program: Path, output: Path, texts: dict[str, str], found: Both) -> None:
    """Runs the workload once, under the recorder and all scripts of ``texts``."""
    workload = Waiting([program])
    main = str(workload.pid)
    parameters = {name: (main, main) if name in LABS else (main, "replayed", "7") for name in texts}
    live = {name: LiveScript(bpftrace, text, *parameters[name]) for name, text in texts.items()}
    for script in live.values():
        script.wait()
    recorder = Recorder(output, "-p", main, "--follow", "--data", "64", "--stack-on", "all")
    workload.go_until("done")
    for script in live.values():
        script.finish()
    found.live |= {name: script.ended() for name, script in live.items()}
    workload.end()
    recorder.wait()
    assert rows(output, "SELECT * FROM losses WHERE severity = 'data_loss'") == []
    found.traces |= dict.fromkeys(texts, output)
    found.parameters |= parameters


@pytest.mark.parametrize("name", SCRIPTS)
def test_maps_and_lines_are_the_same(both: Both, name: str) -> None:
    replayed, live = both.replayed(name, SCRIPTS[name]), both.live[name]
    assert replayed.maps or replayed.lines
    assert replayed.maps == live.maps
    assert replayed.lines == live.lines


@pytest.mark.parametrize("name", LABS)
def test_the_labs_scripts_print_the_same(both: Both, name: str) -> None:
    replayed, live = both.replayed(name, LABS[name]), both.live[name]
    if name == "04-from-where":
        # bpftrace follows frame pointers, which the C library does not have.
        assert sum(replayed.maps["@calls"].values()) == sum(live.maps["@calls"].values())
        innermost = [{key.split()[0] for key in printed.maps["@calls"]} for printed in (replayed, live)]
        assert innermost[0] == innermost[1]
    elif name in _TIMED:
        assert _without_times(replayed) == _without_times(live)
        _times_agree(replayed.maps, live.maps)
    else:
        # Of other programs bpftrace sees more than was recorded.
        assert _of_the_workload(replayed.maps) == _of_the_workload(live.maps)
        assert replayed.lines == live.lines == []
    assert replayed.maps or name == "10-time-of-a-call"


def _of_the_workload(maps: dict[str, Any]) -> dict[str, Any]:
    """Maps without the entries of other programs: a key begins with the program's name, a path or a number."""

    def is_ours(key: str) -> bool:
        first = key.split(",", maxsplit=1)[0]
        return (
            first in _COMMS
            or first.isdigit()
            or first.startswith("tracepoint:")
            or "\n" in first
            or first == "/dev/zero"
        )

    kept = {
        name: {k: v for k, v in value.items() if is_ours(k)} if isinstance(value, dict) else value
        for name, value in maps.items()
    }
    return {name: value for name, value in kept.items() if value != {}}


def _without_times(printed: Printed) -> tuple[Any, ...]:
    """Whether there are lines, and the keys: what does not depend on the clock. In BEGIN, tid is bpftrace's own."""
    maps = {name: value for name, value in printed.maps.items() if name != "@curmaxval"}
    keys = {name: sorted(value) if isinstance(value, dict) else None for name, value in maps.items()}
    return bool(printed.lines), keys


def _times_agree(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Times of one millisecond within a fifth; as many of them."""
    for name, value in ours.items():
        if not isinstance(value, dict):
            continue
        for key, time_or_buckets in value.items():
            if key == "0":
                # In BEGIN, tid is that of bpftrace itself; a replay has none.
                continue
            other = theirs[name][key]
            if isinstance(time_or_buckets, list):
                assert sum(b["count"] for b in time_or_buckets) == sum(b["count"] for b in other)
            elif "nanosleep" in name:
                assert time_or_buckets == pytest.approx(other, rel=0.2)


@pytest.mark.parametrize("name", TOOLS)
def test_tools_of_the_package_print_the_same(both: Both, name: str) -> None:
    live = both.live[name]
    if live.lost:
        pytest.skip(f"bpftrace lost {live.lost} lines, for it watches the whole machine")
    replayed = both.replayed(name, Path(f"/usr/sbin/{name}.bt").read_text())
    ours, theirs = (_lines(printed, TOOLS[name]) for printed in (replayed, live))
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


def test_syscount_counts_the_programs_calls(both: Both) -> None:
    text = Path("/usr/sbin/syscount.bt").read_text()
    replayed = parse_json(run_on(both.traces["pointers"], text, like=LIKE, json=True))
    live = both.live["pointers"].maps["@id"]
    assert replayed.maps["@process"]["replayed"] == sum(live.values())


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_every_tool_of_the_package_replays_or_is_refused_with_a_reason(both: Both, path: Path) -> None:
    text = path.read_text()
    if path.stem in REPLAYED:
        assert run_on(both.traces["pointers"], text, like=LIKE)
        return
    with trace_of(both.traces["pointers"]) as trace, pytest.raises(ScriptError) as refused:
        checked(text, like=LIKE, held=holdings(trace))
    assert "record" in refused.value.message or "cannot be replayed" in refused.value.message


@pytest.mark.parametrize("expected", LANGUAGE, ids=lambda path: path.stem)
def test_the_expected_texts_of_the_language_are_bpftraces_own(bpftrace: str, expected: Path) -> None:
    script = expected.with_name(expected.name.replace(f".{LIKE}.txt", ".bt"))
    done = subprocess.run([bpftrace, str(script), "17"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == expected.read_text()
