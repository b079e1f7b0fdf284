"""Flame graphs: what they add up to, where boxes are, and that no name in a trace is more than text."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stack_traces import DESCEND_SHOWN, HANDLER, stacked

import bpfrec
from bpfrec.analyze.flame.draw import measured
from bpfrec.analyze.flame.folded import folded
from bpfrec.analyze.flame.frame import Frame, Kind
from bpfrec.analyze.flame.html_page import html
from bpfrec.analyze.flame.layout import Flame, flame_of, hidden_note, widest
from bpfrec.analyze.flame.palette import palette
from bpfrec.analyze.flame.speedscope import speedscope
from bpfrec.analyze.flame.svg import svg
from bpfrec.analyze.flame.weights import MeasuredStacks

SCHEMA = json.loads((Path(__file__).parents[3] / "support" / "speedscope-schema.json").read_text())
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    with bpfrec.open(stacked().write(tmp_path_factory.mktemp("flame") / "t.bpfrec")) as opened:
        yield opened


def lines_of(trace, **options) -> dict[str, int]:
    lines = [line.rpartition(" ") for line in folded(measured(trace, **options)[0])]
    assert len(lines) == len({path for path, _, _ in lines}), "a path stands twice"
    return {path: int(value) for path, _, value in lines}


def flame(paths: dict[tuple[str, ...], int], kind: Kind = Kind.NATIVE) -> Flame:
    names = {name: place for place, name in enumerate(sorted({name for path in paths for name in path}))}
    return flame_of(
        MeasuredStacks(
            [Frame(name, kind, "lib.so") for name in names],
            np.cumsum([0, *map(len, paths)]),
            np.array([names[name] for path in paths for name in path], dtype=np.int64),
            np.array(list(paths.values()), dtype=np.int64),
            "calls",
        )
    )


def test_folded_stacks_are_all_calls_with_a_stack(trace):
    found = lines_of(trace)
    calls = stacked().rows["syscalls"]
    assert sum(found.values()) == sum("stack_id" in row for row in calls)
    opening = f"_start;main;{';'.join([DESCEND_SHOWN] * 3)};open;openat"
    assert (found[f"server;{opening}"], found[f"other;{opening}"]) == (40, 10)
    assert found[f"node;_start;Builtins_JSEntry;[anon]_[j];{HANDLER}_[j];open;openat"] == 5
    assert found["server;[stack-truncated];stripped+0x1234;open;openat"] == 2
    assert found["server;[error-14];openat"] == 1
    assert found["server;log;write;write"] == 4


def test_folded_stacks_by_time_and_failures(trace):
    calls = [row for row in stacked().rows["syscalls"] if "stack_id" in row]
    by_time = lines_of(trace, by="time", comm=False, call=False)
    assert sum(by_time.values()) == sum(row["duration_ns"] or 0 for row in calls)
    assert by_time["_start;Builtins_JSEntry;[anon]_[j];" + HANDLER + "_[j];open"] == 500_000
    assert sum(lines_of(trace, by="failures").values()) == sum((row["ret"] or 0) < 0 for row in calls)
    assert sum(lines_of(trace, pid=99).values()) == 10


def test_lines_of_a_function_are_frames_of_their_own(trace):
    only = {"syscall": "write", "comm": False, "call": False}
    assert lines_of(trace, **only) == {"log;write": 4}
    assert lines_of(trace, lines=True, **only) == {"log log.c:7;write": 2, "log log.c:9;write": 2}
    (jit,) = lines_of(trace, lines=True, pid=700)
    assert f";{HANDLER}_[j];" in jit, "a name that has its line was given another"


def test_samples_have_the_kernel_above_the_program(trace):
    found = lines_of(trace, samples=True)
    own = f"server;_start;main;{';'.join([DESCEND_SHOWN] * 3)};open"
    assert found == {
        own: 6,
        f"{own};do_syscall_64_[k];do_filp_open_[k]": 3,
        "kworker;kthread_[k]": 2,
        "server;[capped];do_syscall_64_[k];do_filp_open_[k]": 1,
    }
    notes = measured(trace, samples=True)[0].notes
    assert notes == [
        "samples without a stack, which are not counted: capped 1",
        "samples with a kernel stack alone: capped 1",
    ]


def test_nothing_to_draw_is_said(trace, lab1_trace):
    with pytest.raises(bpfrec.BpfrecError, match="no system calls with a stack"):
        measured(trace, pid=1)
    with bpfrec.open(lab1_trace) as bare, pytest.raises(bpfrec.BpfrecError, match="CPU samples") as refused:
        measured(bare, samples=True)
    assert "--profile" in refused.value.hint


PATHS = st.dictionaries(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=7).map(tuple), st.integers(1, 1000), min_size=1, max_size=40
)


@given(PATHS)
def test_boxes_stand_on_their_callers_side_by_side(paths):
    drawn = flame(paths)
    assert {tuple(line.rpartition(" ")[0].split(";")): int(line.rpartition(" ")[2]) for line in folded(drawn)} == paths
    assert drawn.total == sum(paths.values())
    for node in range(1, len(drawn.value)):
        parent = drawn.parent[node]
        assert parent < node
        assert drawn.depth[node] == drawn.depth[parent] + 1
        assert drawn.x[parent] <= drawn.x[node]
        assert drawn.x[node] + drawn.value[node] <= drawn.x[parent] + drawn.value[parent]
    for level in range(int(drawn.depth.max()) + 1):
        of = np.flatnonzero(drawn.depth == level)
        assert (drawn.x[of][1:] >= drawn.x[of][:-1] + drawn.value[of][:-1]).all(), "boxes overlap"
    children = np.zeros_like(drawn.value)
    np.add.at(children, drawn.parent[1:], drawn.value[1:])
    assert (children + drawn.own == drawn.value).all()


@given(PATHS, st.integers(1, 30))
def test_what_is_left_out_is_the_narrowest_and_leaves_no_box_in_the_air(paths, most):
    whole = flame(paths)
    kept = widest(whole, most)
    assert len(kept.value) == min(most, len(whole.value))
    assert len(kept.value) + kept.hidden == len(whole.value)
    assert (kept.parent[1:] < np.arange(1, len(kept.parent))).all()
    assert (kept.parent[1:] >= 0).all()
    assert (kept.depth[1:] == kept.depth[kept.parent[1:]] + 1).all()
    assert kept.hidden == 0 or kept.value.min() >= kept.widest
    assert (hidden_note(kept) is None) == (kept.hidden == 0)


def test_what_a_picture_leaves_out_it_says():
    paths = {("main", f"f{i:04}"): 1 for i in range(9000)} | {("main", "hot"): 100_000}
    picture, page = svg(flame(paths), "t"), html(flame(paths), "t")
    assert "9000 frames are too narrow to be drawn, the widest of them 0.001% of all" in picture
    assert len(ET.fromstring(picture).findall(f".//{SVG}g[@data-p]")) == 3
    assert "too narrow" not in page
    assert len(json.loads(data_of(page))["frame"]) == 9003
    assert len(list(folded(flame(paths)))) == 9001


def test_deep_stacks_are_drawn_whole():
    deep = flame({("descend",) * 2000: 5})
    picture = ET.fromstring(svg(deep, "t"))
    boxes = picture.findall(f".//{SVG}g[@data-p]/{SVG}rect")
    assert len(boxes) == 2001
    tops = [float(box.get("y", "")) for box in boxes]
    assert tops == sorted(tops, reverse=True), "the root is not at the bottom"
    assert max(tops) < float(picture.get("height", ""))


def test_speedscope_files_are_valid(trace):
    for options in ({}, {"by": "time"}, {"samples": True}):
        drawn, title = measured(trace, lines=True, **options)
        file = json.loads("".join(speedscope(drawn, title, "1.2")))
        jsonschema.validate(file, SCHEMA)
        (profile,) = file["profiles"]
        assert sum(profile["weights"]) == profile["endValue"] == drawn.total
        assert profile["unit"] == ("nanoseconds" if options.get("by") else "none")
        frames = file["shared"]["frames"]
        assert {index for sample in profile["samples"] for index in sample} == set(range(len(frames)))
    drawn, title = measured(trace, lines=True)
    frames = json.loads("".join(speedscope(drawn, title, "1.2")))["shared"]["frames"]
    assert [f for f in frames if f["name"] == "log"] == [
        {"name": "log", "file": "/src/log.c", "line": line} for line in (7, 9)
    ]
    assert {"name": HANDLER, "file": "/srv/app.js", "line": 12} in frames
    assert {"name": "open", "file": "libc.so.6"} in frames


def test_kinds_of_code_have_colours_and_a_legend(trace):
    drawn = measured(trace)[0]
    colors = palette(drawn)
    kinds = {frame.name: colors.colors[place] for frame, place in zip(drawn.frames, colors.of_frames, strict=True)}
    assert len({kinds[name] for name in ("open", "main", HANDLER, "Builtins_JSEntry", "server", "openat")}) == 6
    assert [text for _, text in colors.legend] == [
        *("deep", "libc.so.6", "node", "stripped"),
        *("JIT code", "found by frame pointer: a guess", "name of the thread", "system call", "why a stack ends early"),
    ]
    many = flame({(f"f{i}",): 100 - i for i in range(20)})
    many.frames = [Frame(frame.name, frame.kind, f"lib{i}.so") for i, frame in enumerate(many.frames)]
    assert "13 other modules" in [text for _, text in palette(many).legend]


class _Page(HTMLParser):
    """Tags, attributes and texts of a page, where scripts and styles are what they are in a browser: not markup."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def data_of(page: str) -> str:
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    return data


EVIL = [
    "</script><script>alert(1)</script>",
    "</title></svg><img src=x onerror=alert(1)>",
    "]]><script>alert(1)</script>",
    '" onload="alert(1)',
    "<!--<script>",
    "a;b c 7",
    "\x1b[31m\x00\ufffe\ud800\u202e\n",
    "{{ 7 * 7 }}",
    "https://example.org/x.js",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(EVIL), st.text(max_size=30)), min_size=1, max_size=6), st.sampled_from(Kind))
def test_names_are_text_whatever_they_are(names, kind):
    drawn = flame({tuple(names): 3}, kind)
    drawn.frames = [Frame(f.name, f.kind, f.name, f.name, 1) for f in drawn.frames]
    drawn.notes = names
    plain = flame({("f",) * len(names): 3}, kind)
    plain.frames = [Frame("f", f.kind, "f", "f", 1) for f in plain.frames]

    picture = svg(drawn, names[0])
    root = ET.fromstring(picture)
    assert {element.tag for element in root.iter()} == {
        element.tag for element in ET.fromstring(svg(plain, "f")).iter()
    }
    assert not [name for element in root.iter() for name in element.attrib if name.startswith(("on", "href"))]

    page = _Page(html(drawn, names[0]))
    assert set(page.tags) == set(_Page(html(plain, "f")).tags)
    assert page.tags.count("script") == 2
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href", "style")]
    assert json.loads(data_of(html(drawn, names[0])))["value"] == [3] * (len(names) + 1)

    (line,) = folded(drawn)
    assert line.isprintable() or "\n" not in line
    assert line.rpartition(" ")[2] == "3"
    assert line.count(";") == len(names) - 1
    jsonschema.validate(json.loads("".join(speedscope(drawn, names[0], "1"))), SCHEMA)


def test_neither_page_nor_picture_loads_anything(trace):
    drawn, title = measured(trace)
    page, picture = html(drawn, title), svg(drawn, title)
    assert re.findall(r"https?://[^\s\"'<]*", page) == []
    assert set(re.findall(r"https?://[^\s\"'<]*", picture)) == {"http://www.w3.org/2000/svg"}
    for text in (page, picture):
        assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|innerHTML|\beval\(|new Function|WebSocket", text)
    policy = next(v for n, v in _Page(page).attributes if n == "content" and v and "default-src" in v)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_the_policy_permits_just_what_is_in_the_page(trace):
    import base64
    import hashlib

    page = html(*measured(trace))
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in page.replace("&#39;", "'").replace("&#43;", "+")
