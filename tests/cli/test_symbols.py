"""``analyze --symbols`` and ``BPFREC_SYMBOLS`` as users give them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.program import run_bpfrec
from support.stripped_build import Build
from support.trace_builder import TraceBuilder

from bpfrec.formats import schema

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("gcc", "objcopy")), reason="needs gcc and objcopy"
)

ASKED = ("sql", "SELECT symbol, line FROM frames", "--format", "json")


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(tmp_path_factory.mktemp("it"))


@pytest.fixture
def trace(it: Build, tmp_path: Path) -> Path:
    builder = TraceBuilder()
    address = it.hidden + 4
    builder.add(schema.FRAMES, stack_id=0, depth=0, ip=address, module_address=address, build_id=it.build_id)
    return builder.write(tmp_path / "it.bpfrec")


def test_folders_are_options_or_a_variable(it: Build, trace: Path, tmp_path: Path) -> None:
    found = [{"symbol": "hidden", "line": 2}]
    empty = tmp_path / "empty"
    empty.mkdir()
    folder = it.debug.parent
    option = run_bpfrec("analyze", "-i", trace, "--symbols", empty, "--symbols", folder, *ASKED)
    assert json.loads(option.stdout) == found, option.stderr
    assert option.stderr == ""
    variable = run_bpfrec("analyze", "-i", trace, *ASKED, environment={"BPFREC_SYMBOLS": f"{empty}:{folder}"})
    assert json.loads(variable.stdout) == found, variable.stderr


def test_a_folder_that_has_nothing_is_told(trace: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_bpfrec("analyze", "-i", trace, "--symbols", tmp_path / "empty", *ASKED)
    assert json.loads(done.stdout) == [{"symbol": None, "line": None}]
    assert done.stderr.startswith("bpfrec: no file in ")
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_is_not_there_is_wrong_usage(trace: Path, tmp_path: Path) -> None:
    done = run_bpfrec("analyze", "-i", trace, "--symbols", tmp_path / "missing", *ASKED)
    assert done.returncode == 2
    assert "does not exist" in done.stderr
