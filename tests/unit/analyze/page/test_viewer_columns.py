"""The viewer's reader of large tables, analyze/page/scripts/columns.js, gets what pyarrow has written."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PAGE = Path(__file__).parents[4] / "analyze" / "page"
ROWS = 3000
READ = """
import fs from "node:fs";
import vm from "node:vm";
vm.runInThisContext(fs.readFileSync(process.argv[2] + "/vendor/hyparquet.min.js", "utf8"));
const { readColumns } = await import(process.argv[2] + "/scripts/columns.js");
const answers = [];
for (const path of process.argv.slice(3)) {
  const bytes = fs.readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const rows = {};
  try {
    const names = ["wide", "narrow", "steps", "leaps", "text", "absent"];
    const columns = await readColumns(file, hyparquet.parquetMetadata(file), names, new Set(["text"]), () => {});
    for (const name of names) {
      const values = Array.from({ length: ROWS }, (_, i) => columns[name].at(i));
      rows[name] = values.map((value) => (value === null ? null : String(value)));
    }
    answers.push(rows);
  } catch (error) {
    answers.push(`${error.constructor.name}: ${error.message}`);
  }
}
console.log(JSON.stringify(answers));
""".replace("ROWS", str(ROWS))

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed; make setup-dev installs it"
)


def table(nulls: float) -> pa.Table:
    chance = random.Random(7)

    def column(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array([None if chance.random() < nulls else value for value in values], kind)

    steps = [10**15 + 40 * i + chance.randrange(1000) for i in range(ROWS)]
    return pa.table(
        {
            "wide": column([chance.randrange(-(2**63), 2**63) for _ in range(ROWS)], pa.int64()),
            "narrow": column([chance.choice((-1, 0, 7, 2**31 - 1)) for _ in range(ROWS)], pa.int32()),
            "steps": column(steps, pa.int64()),
            # Their differences take from 25 to 64 bits.
            "leaps": column(
                [chance.randrange(-(2**62), 2**62) >> chance.randrange(50) for _ in range(ROWS)], pa.int64()
            ),
            "text": column([chance.choice(("", "read", "ä€𝄞", f"path {i}")) for i in range(ROWS)], pa.string()),
        }
    )


def answers(*files: Path) -> list[Any]:
    script = files[0].with_name("read.mjs")
    script.write_text(READ)
    command = ["node", script, PAGE, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    read: list[Any] = json.loads(done.stdout)
    return read


def test_every_encoding_of_a_trace_is_read_as_pyarrow_wrote_it(tmp_path: Path) -> None:
    delta = {"steps": "DELTA_BINARY_PACKED", "leaps": "DELTA_BINARY_PACKED"}
    ways: list[dict[str, Any]] = [
        {"use_dictionary": ["narrow", "text"], "column_encoding": delta, "compression": "zstd"},
        {"use_dictionary": True, "compression": "zstd", "data_page_version": "2.0"},
        {"use_dictionary": False, "compression": "none", "data_page_size": 100, "row_group_size": 700},
        # A dictionary that becomes too large is given up in the middle of a column.
        {"use_dictionary": True, "compression": "zstd", "dictionary_pagesize_limit": 2000},
    ]
    written = []
    for nulls in (0.0, 0.3, 1.0):
        made = table(nulls)
        for number, way in enumerate(ways):
            path = tmp_path / f"{nulls}-{number}.parquet"
            pq.write_table(made, path, **way)
            written.append((path, made))
    required = pa.schema([field.with_nullable(False) for field in table(0).schema])
    pq.write_table(table(0).cast(required), tmp_path / "required.parquet", compression="zstd")
    written.append((tmp_path / "required.parquet", table(0)))
    for (path, made), read in zip(written, answers(*(path for path, _ in written)), strict=True):
        assert not isinstance(read, str), f"{path.name}: {read}"
        for name in made.column_names:
            expected = [None if value is None else str(value) for value in made[name].to_pylist()]
            assert read[name] == expected, f"{path.name}: {name}"
        assert set(read["absent"]) == {None}


def test_damage_is_an_error_and_takes_no_more_than_the_rows(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(table(0.3), whole, compression="zstd", use_dictionary=["text"])
    content = whole.read_bytes()
    chance = random.Random(3)
    damaged = []
    for number in range(60):
        changed = bytearray(content)
        for _ in range(4):
            # Not the footer, which hyparquet reads.
            changed[chance.randrange(4, len(content) * 9 // 10)] = chance.randrange(256)
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(changed)
        damaged.append(path)
    read = answers(*damaged)
    assert len(read) == len(damaged)
    assert any(isinstance(answer, str) for answer in read)


def test_what_bpfrec_never_writes_is_told_apart_from_damage(tmp_path: Path) -> None:
    pq.write_table(table(0), tmp_path / "other.parquet", compression="snappy")
    [said] = answers(tmp_path / "other.parquet")
    assert said == "OtherLayoutError: it is compressed by SNAPPY"
