"""Tables that are made to harm."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from support.hostile.making import EVIL, of_tables

from bpfrec.formats import schema
from bpfrec.formats.arrow import arrow_schema

MOST_DEPTH = 300_000
CHAIN = 20_000


def _each(folder: Path, change: Callable[[pa.Table], pa.Table], *names: str) -> None:
    """Changes the named tables, or all."""
    for member in sorted(folder.glob("*.parquet")):
        if not names or member.stem in names:
            pq.write_table(change(pq.read_table(member)), member)


def _columns(table: pa.Table, change: Callable[[pa.Field, pa.ChunkedArray], Any]) -> pa.Table:
    """Changes every column; ``change`` gives the values of the new one."""
    changed = {field.name: change(field, table[field.name]) for field in table.schema}
    return pa.table(changed)


def _rows(folder: Path, table: schema.Table, rows: dict[str, list[Any]]) -> None:
    """Writes a table that has only these rows, by column."""
    columns = arrow_schema(table)
    count = len(next(iter(rows.values())))
    arrays = [pa.array(rows[f.name], f.type) if f.name in rows else pa.nulls(count, f.type) for f in columns]
    pq.write_table(pa.table(arrays, schema=columns), folder / table.member)


def _varint(number: int) -> bytes:
    """A positive number of 64 bits as Thrift's compact protocol has it."""
    number <<= 1
    groups = []
    while number > 0x7F:
        groups.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*groups, number])


def _with_footer(member: Path, change: Callable[[bytes], bytes]) -> None:
    content = member.read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    footer = change(content[-8 - size : -8])
    member.write_bytes(content[: -8 - size] + footer + len(footer).to_bytes(4, "little") + content[-4:])


@of_tables
def rows_that_repeat_to_billions(folder: Path) -> None:
    """Row groups that all have the same pages: every row is there, in a small file."""
    for name in ("syscalls", "frames", "losses"):
        member = folder / f"{name}.parquet"
        table = pq.read_table(member)
        first = table.slice(0, 1)
        numbers = pa.array([0] * 1_000_000)
        pq.write_table(pa.table({c: first[c].combine_chunks().take(numbers) for c in first.column_names}), member)
        metadata = pq.read_metadata(member)
        for _ in range(12):
            metadata.append_row_groups(metadata)
        footer = folder / "footer"
        metadata.write_metadata_file(footer)
        content = footer.read_bytes()
        size = int.from_bytes(content[-8:-4], "little")
        footer.unlink()
        _with_footer(member, lambda _, new=content[-8 - size : -8]: new)  # type: ignore[misc]


@of_tables
def rows_that_only_the_footer_has(folder: Path) -> None:
    for member in folder.glob("*.parquet"):
        rows = pq.read_metadata(member).num_rows
        _with_footer(member, lambda old, n=rows: old.replace(b"\x16" + _varint(n), b"\x16" + _varint(1 << 61)))  # type: ignore[misc]


@of_tables
def a_negative_number_of_rows(folder: Path) -> None:
    for member in folder.glob("*.parquet"):
        rows = pq.read_metadata(member).num_rows
        _with_footer(member, lambda old, n=rows: old.replace(b"\x16" + _varint(n), b"\x16\x01", 1))  # type: ignore[misc]


@of_tables
def a_stack_of_300_000_frames(folder: Path) -> None:
    depth = range(MOST_DEPTH)
    names = [f"function_{number}" for number in depth]
    stack = pq.read_table(folder / "syscalls.parquet")["stack_id"].drop_null()[0].as_py()
    frames = {"stack_id": [stack] * MOST_DEPTH, "depth": list(depth), "ip": list(depth), "symbol": names}
    _rows(folder, schema.FRAMES, frames)
    _each(
        folder,
        lambda t: _columns(t, lambda f, c: [stack] * len(c) if f.name == "stack_id" else c),
        "syscalls",
        "samples",
    )


@of_tables
def frames_of_one_depth(folder: Path) -> None:
    _each(folder, lambda t: _columns(t, lambda f, c: [0] * len(c) if f.name in ("depth", "stack_id") else c), "frames")


@of_tables
def a_chain_of_parents(folder: Path) -> None:
    pids = list(range(1, CHAIN + 1))
    _rows(folder, schema.PROCESSES, {"pid": pids, "ppid": [pid - 1 for pid in pids], "start_ns": pids})
    _forks(folder, pids, [pid + 1 for pid in pids])


@of_tables
def loops_of_parents(folder: Path) -> None:
    pids = list(range(1, CHAIN + 1))
    parents = [pid % CHAIN + 1 for pid in pids]
    _rows(folder, schema.PROCESSES, {"pid": [*pids, 7, 7], "ppid": [*parents, 7, 8]})
    _forks(folder, pids, parents)


def _forks(folder: Path, pids: list[int], children: list[int]) -> None:
    """Makes the calls clone(), by which ``pids`` have made ``children``, all at one time."""
    count = len(pids)
    numbers = {"event_id": range(count), "ts_ns": [10**12] * count, "duration_ns": [1] * count, "nr": [56] * count}
    texts = {"syscall": ["clone"] * count, "abi": ["x86_64"] * count, "comm": ["loop"] * count}
    arguments = {"arg0": [0] * count, "arg1": [0] * count, "uid": [0] * count, "cpu": [0] * count}
    _rows(folder, schema.SYSCALLS, numbers | texts | arguments | {"pid": pids, "tid": pids, "ret": children})


@of_tables
def numbers_beyond_the_dictionary(folder: Path) -> None:
    """Pages of indices into a dictionary, all bits of which are set."""
    for name, column in (("syscalls", "syscall"), ("frames", "symbol"), ("processes", "comm"), ("samples", "comm")):
        member = folder / f"{name}.parquet"
        table = pq.read_table(member)
        pq.write_table(table, member, compression="none", use_dictionary=True, write_statistics=False)
        chunk = pq.read_metadata(member).row_group(0).column(table.column_names.index(column))
        end = chunk.dictionary_page_offset + chunk.total_compressed_size
        content = bytearray(member.read_bytes())
        start = max(chunk.data_page_offset + 60, end - 600)
        content[start : end - 4] = b"\xff" * (end - 4 - start)
        member.write_bytes(content)


@of_tables
def ends_before_starts(folder: Path) -> None:
    values = {"end_ns": -(10**18), "duration_ns": -(10**15), "end_addr": 0, "until_ns": -5, "size": -1, "depth": -1}
    _each(folder, lambda t: _columns(t, lambda f, c: [values[f.name]] * len(c) if f.name in values else c))


def _extreme(field: pa.Field, column: pa.ChunkedArray) -> Any:
    if not pa.types.is_integer(field.type):
        return column
    bits = field.type.bit_width
    least = -(1 << (bits - 1)) if pa.types.is_signed_integer(field.type) else 0
    values = [least, least + 1, None, 0, 1, least + (1 << bits) - 2, least + (1 << bits) - 1]
    return pa.array([values[number % len(values)] for number in range(len(column))], field.type)


@of_tables
def the_least_and_the_greatest(folder: Path) -> None:
    _each(folder, lambda t: _columns(t, _extreme))


@of_tables
def all_numbers_the_same(folder: Path) -> None:
    """Every join of two tables has all pairs of their rows."""

    def same(field: pa.Field, column: pa.ChunkedArray) -> Any:
        return pa.array([1] * len(column), field.type) if pa.types.is_integer(field.type) else column

    _each(folder, lambda t: _columns(t, same))


@of_tables
def evil_names(folder: Path) -> None:
    def evil(field: pa.Field, column: pa.ChunkedArray) -> Any:
        if pa.types.is_integer(field.type) or pa.types.is_binary(field.type):
            return column
        return [f"=cmd|' /C calc'!A0{EVIL}{number % 5}" for number in range(len(column))]

    _each(folder, lambda t: _columns(t, evil))


@of_tables
def evil_names_of_known_calls(folder: Path) -> None:
    """The columns that choose what is shown are as they were."""
    kept = ("syscall", "abi", "errno", "kind", "status", "source", "severity", "stack_status", "unfinished")

    def evil(field: pa.Field, column: pa.ChunkedArray) -> Any:
        is_kept = field.name in kept or pa.types.is_integer(field.type) or pa.types.is_binary(field.type)
        return column if is_kept else [f"@SUM(1){EVIL}{number % 50}" for number in range(len(column))]

    _each(folder, lambda t: _columns(t, evil))


@of_tables
def texts_for_all(folder: Path) -> None:
    _each(folder, lambda t: _columns(t, lambda _, c: [f"a{number}" for number in range(len(c))]))


@of_tables
def numbers_for_all(folder: Path) -> None:
    _each(folder, lambda t: _columns(t, lambda _, c: [float("nan") if n % 2 else 1e300 for n in range(len(c))]))


@of_tables
def lists_for_all(folder: Path) -> None:
    _each(folder, lambda t: _columns(t, lambda _, c: [[{"a": [n]}] for n in range(len(c))]))


@of_tables
def bytes_for_all(folder: Path) -> None:
    _each(folder, lambda t: _columns(t, lambda _, c: [bytes([n % 256, 0, 255]) for n in range(len(c))]))


@of_tables
def no_columns(folder: Path) -> None:
    _each(folder, lambda t: t.select([]))


@of_tables
def other_columns(folder: Path) -> None:
    _each(folder, lambda t: t.rename_columns([f"x{number}" for number in range(t.num_columns)]))


@of_tables
def columns_of_one_name(folder: Path) -> None:
    _each(
        folder, lambda t: pa.table([*t.columns, *t.columns], names=[*t.column_names, *map(str.upper, t.column_names)])
    )


@of_tables
def twenty_thousand_columns(folder: Path) -> None:
    more = {f"more_{number}": pa.nulls(1, pa.int8()) for number in range(20_000)}
    _each(folder, lambda t: pa.table({name: t[name].slice(0, 1) for name in t.column_names} | more), "threads")


@of_tables
def a_type_that_nests(folder: Path) -> None:
    kind: pa.DataType = pa.int8()
    for _ in range(90):
        kind = pa.list_(kind)
    more = {"nested": pa.nulls(1, kind)}
    _each(folder, lambda t: pa.table({name: t[name].slice(0, 1) for name in t.column_names} | more), "threads")


@of_tables
def a_type_that_nests_ten_thousand_times(folder: Path) -> None:
    """Elements of the schema that each have one child; no library writes so many."""
    member = folder / "threads.parquet"
    table = pa.table({"tid": pa.array([1], pa.int32())})
    pq.write_table(table, member, store_schema=False)
    group = b"\x35\x02\x18\x01a\x15\x02\x00"  # optional, named a, one child
    count = 10_000

    def nested(footer: bytes) -> bytes:
        at = footer.index(b"\x19\x2c") + 2  # a list of two structs: the root, and the column
        root_end = footer.index(b"\x00", at) + 1
        elements = count + 2
        length = bytes([elements & 0x7F | 0x80, elements >> 7 & 0x7F | (0x80 if elements >> 14 else 0)])
        length += bytes([elements >> 14]) if elements >> 14 else b""
        return footer[: at - 1] + b"\xfc" + length + footer[at:root_end] + group * count + footer[root_end:]

    _with_footer(member, nested)


@of_tables
def one_text_in_all_rows(folder: Path) -> None:
    text = pa.array(["/" + "x" * (16 << 20)])

    def long(field: pa.Field, column: pa.ChunkedArray) -> Any:
        if field.name not in ("path", "cmdline", "symbol", "comm", "target", "value"):
            return column
        return pa.DictionaryArray.from_arrays(pa.array([0] * len(column), pa.int32()), text)

    _each(folder, lambda t: _columns(t, long))


@of_tables
def names_of_their_own_for_all(folder: Path) -> None:
    count = 200_000
    numbers = list(range(count))
    names = [f"unknown_{number}" for number in numbers]
    rows = {"event_id": numbers, "ts_ns": numbers, "pid": numbers, "tid": numbers, "nr": [0] * count, "syscall": names}
    texts = {"comm": names, "path": names, "errno": names, "abi": ["x86_64"] * count, "ret": [-n for n in numbers]}
    _rows(folder, schema.SYSCALLS, rows | texts)
    _rows(folder, schema.LOSSES, {"kind": names, "severity": ["data_loss"] * count, "count": numbers, "remedy": names})


@of_tables
def binaries_that_unpack_to_gigabytes(folder: Path) -> None:
    part = pa.array([bytes(1 << 20)])
    count = 3_000
    parts = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), part)
    positions = [number << 20 for number in range(count)]
    table = pa.table({"binary_id": pa.array([0] * count, pa.int32()), "position": positions, "bytes": parts})
    pq.write_table(table, folder / "binary_parts.parquet", compression="zstd")
    build = next(filter(None, pq.read_table(folder / "frames.parquet")["build_id"].to_pylist()))
    _rows(folder, schema.BINARIES, {"binary_id": [0], "path": ["/x"], "build_id": [build], "size": [count << 20]})


@of_tables
def garbage_in_every_table(folder: Path) -> None:
    source = random.Random(7)
    for member in folder.glob("*.parquet"):
        content = bytearray(member.read_bytes())
        for _ in range(20):
            content[source.randrange(4, len(content) - 8)] = source.randrange(256)
        member.write_bytes(content)


@of_tables
def pages_of_garbage(folder: Path) -> None:
    """The footer is good, and all that it leads to is not."""
    source = random.Random(11)
    for member in folder.glob("*.parquet"):
        content = bytearray(member.read_bytes())
        footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        content[4:footer] = source.randbytes(footer - 4)
        member.write_bytes(content)


@of_tables
def half_of_every_table(folder: Path) -> None:
    for member in folder.glob("*.parquet"):
        content = member.read_bytes()
        member.write_bytes(content[: len(content) // 2])


@of_tables
def tables_that_are_text(folder: Path) -> None:
    for member in folder.glob("*.parquet"):
        member.write_text(f"<html>{EVIL}")


@of_tables
def tables_of_nothing(folder: Path) -> None:
    for member in folder.glob("*.parquet"):
        member.write_bytes(b"")


@of_tables
def an_encrypted_table(folder: Path) -> None:
    for member in folder.glob("*.parquet"):
        content = member.read_bytes()
        member.write_bytes(b"PARE" + content[4:-4] + b"PARE")
