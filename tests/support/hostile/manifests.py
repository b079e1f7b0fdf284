"""Manifests that are made to harm."""

from __future__ import annotations

from typing import Any

from support.hostile.making import EVIL, of_manifest

_LARGEST = (1 << 63) - 1


@of_manifest
def times_at_the_ends(manifest: dict[str, Any]) -> None:
    manifest |= {"start_ns": _LARGEST, "stop_ns": -_LARGEST}
    manifest["clock"] = {"monotonic_ns": -_LARGEST, "wall_ns": _LARGEST, "utc_offset_s": _LARGEST}


@of_manifest
def an_offset_beyond_the_day(manifest: dict[str, Any]) -> None:
    manifest["clock"]["utc_offset_s"] = -_LARGEST


@of_manifest
def a_stop_before_the_start(manifest: dict[str, Any]) -> None:
    manifest["stop_ns"] = manifest["start_ns"] - 10**15


@of_manifest
def a_host_of_no_sense(manifest: dict[str, Any]) -> None:
    manifest["host"] |= {
        "page_size": 0,
        "cpus": -_LARGEST,
        "memory_bytes": -1,
        "name": EVIL,
        "kernel": "",
        "arch": EVIL,
    }


@of_manifest
def evil_texts(manifest: dict[str, Any]) -> None:
    manifest |= {"tool_version": EVIL, "stopped": EVIL, "command_line": [EVIL, "", EVIL * 100]}
    manifest["configuration"] = {EVIL: EVIL, "stacks": EVIL, "pids": EVIL, "profile_hz": EVIL, "syscalls": {EVIL: EVIL}}
    manifest["command"] = {"argv": EVIL, "exit_status": EVIL, EVIL: [EVIL]}
    manifest["counters"] = {EVIL: 1, "recorded": -5, "lost": _LARGEST}
    manifest["syscalls"] |= {EVIL: 1, "unknown_1; DROP VIEW syscalls": 1, "": 1}


@of_manifest
def texts_of_megabytes(manifest: dict[str, Any]) -> None:
    manifest |= {"stopped": "x" * (7 << 20), "command_line": ["y" * (7 << 20)]}


@of_manifest
def a_million_arguments(manifest: dict[str, Any]) -> None:
    manifest["command_line"] = [""] * 1_000_000
    manifest["configuration"] = {"pids": [0] * 1_000_000}


@of_manifest
def a_hundred_thousand_calls(manifest: dict[str, Any]) -> None:
    manifest["syscalls"] |= {f"unknown_{number}": 1 for number in range(100_000)}


@of_manifest
def ten_thousand_counters(manifest: dict[str, Any]) -> None:
    manifest["counters"] = {f"counter-{number}": -number for number in range(10_000)}


@of_manifest
def negative_counts(manifest: dict[str, Any]) -> None:
    manifest["syscalls"] = dict.fromkeys(manifest["syscalls"], -_LARGEST)
    for entry in manifest["tables"].values():
        entry["rows"] = -_LARGEST


@of_manifest
def tables_of_absurd_sizes(manifest: dict[str, Any]) -> None:
    for entry in manifest["tables"].values():
        entry |= {"rows": _LARGEST, "bytes": _LARGEST}


@of_manifest
def tables_elsewhere(manifest: dict[str, Any]) -> None:
    entry = manifest["tables"]["threads"]
    manifest["tables"] |= {"../../etc/passwd": entry, "/etc/passwd": entry, EVIL: entry}


@of_manifest
def no_tables(manifest: dict[str, Any]) -> None:
    manifest["tables"] = {}


@of_manifest
def a_configuration_that_nests(manifest: dict[str, Any]) -> None:
    nested: dict[str, Any] = {}
    for _ in range(400):
        nested = {"a": [nested]}
    manifest["configuration"] = nested


@of_manifest
def a_wrong_checksum(manifest: dict[str, Any]) -> None:
    for entry in manifest["tables"].values():
        entry["sha256"] = "0" * 64


@of_manifest
def parts_of_wrong_kinds(manifest: dict[str, Any]) -> None:
    manifest |= {"counters": [], "tables": None}


@of_manifest
def huge_numbers(manifest: dict[str, Any]) -> None:
    manifest["start_ns"] = 10**4000
    manifest["counters"]["recorded"] = float("inf")
