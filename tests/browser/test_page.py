"""The page and the viewer in Debian's Chromium: what people see and do, and that nothing leaves the machine."""

from __future__ import annotations

import base64
import csv
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.hostile import HOSTILE
from support.program import run_bpfrec

import bpfrec

SAMPLES = Path(__file__).parents[2] / "sample_traces"
SECTIONS = ["Summary", "Timeline", "Waiting", "Failures", "Files", "Network", "Processes", "Latency", "Stacks"]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "Chromium is missing: make setup-dev installs it"
    with sync_playwright() as playwright:
        # Root has no sandbox of Chromium's, and the pages are ours.
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Seen:
    """What a page asked for, and complained of."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def opened(browser: Browser, path: Path, **options: Any) -> tuple[Page, Seen]:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", **options)
    seen = Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append("dialog"), dialog.dismiss()))
    page.goto(path.as_uri())
    return page, seen


def html(trace: Path, target: Path, *options: str) -> Path:
    done = run_bpfrec("analyze", "-i", trace, "html", "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return html(SAMPLES / "build.bpfrec", tmp_path_factory.mktemp("page") / "build.html")


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def painted(page: Page, selector: str) -> int:
    """How many colours a canvas has."""
    script = """(canvas) => {
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return new Set(new Uint32Array(data.buffer)).size;
    }"""
    found: int = page.locator(selector).evaluate(script)
    return found


def test_a_page_opens_and_answers(browser: Browser, build: Path) -> None:
    page, seen = opened(browser, build)
    assert page.title() == "build.bpfrec: 4,485 calls in 219 ms"
    assert texts(page, "section > h2") == SECTIONS
    assert painted(page, ".lanes canvas") > 20
    assert painted(page, ".flame canvas") > 10

    # Search finds, and Enter goes to the first match.
    page.keyboard.press("/")
    page.keyboard.type("ld.so.preload")
    expect(page.locator("output[for=timeline-search]")).to_have_text("12 of 4,485 calls")
    page.keyboard.press("Enter")
    expect(page.locator(".call h3")).to_have_text(
        'access("/etc/ld.so.preload", R_OK) = -1 ENOENT (No such file or directory)'
    )
    assert texts(page, ".call .stack li")[0].startswith("access ")
    page.locator("#timeline-search").fill("")

    # Zoom zooms: by button, by key, by dragging across the chart.
    shown = page.locator("output.range")
    whole = shown.inner_text()
    page.get_by_role("button", name="Zoom in").click()
    assert shown.inner_text() != whole
    page.locator(".lanes canvas").focus()
    page.keyboard.press("0")
    expect(shown).to_have_text(whole)
    page.locator("#timeline").evaluate("(section) => section.scrollIntoView()")
    box = page.locator("#timeline .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()
    zoomed = [float(number) for number in re.findall(r"[\d.]+(?= s)", shown.inner_text())]
    assert zoomed[:2] == pytest.approx([0.25 * 0.219236, 0.5 * 0.219236], abs=0.005)
    page.keyboard.press("ArrowRight")
    assert page.locator(".call h3").inner_text()

    # A click on a bar shows its call.
    page.keyboard.press("0")
    page.locator(".lanes").evaluate("(view) => { view.scrollTop = 0; }")
    page.locator(".lanes canvas").click(position={"x": 500, "y": 57})
    expect(page.locator(".call dd", has_text="process 8667")).to_have_count(1)
    assert [said for said in seen.requests if said != build.as_uri()] == []
    assert seen.complaints == []
    page.close()


def test_tables_sort_filter_and_copy(browser: Browser, build: Path) -> None:
    page, seen = opened(browser, build, permissions=["clipboard-read", "clipboard-write"])
    files = page.locator("#files")
    heading = files.locator("th", has_text="calls")
    assert heading.get_attribute("aria-sort") == "none"
    for order in ("descending", "ascending"):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == order
        numbers = [int(text.replace(",", "")) for text in files.locator("td[data-heading=calls]").all_inner_texts()]
        assert len(numbers) == 50
        assert numbers == sorted(numbers, reverse=order == "descending")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "none"

    files.get_by_label("Filter").fill("libc.so")
    files.get_by_role("button", name="Copy as CSV").click()
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    with bpfrec.open(SAMPLES / "build.bpfrec") as trace:
        wanted = [row for row in trace.report("files").dicts() if "libc.so" in row["path"]]
    assert [(row["path"], int(row["total_ns"])) for row in rows] == [(row["path"], row["total_ns"]) for row in wanted]
    for table in page.locator("table").all():
        assert table.locator("caption").count() == 1
        assert table.locator("th[scope=col]").count() > 0
    assert seen.complaints == []
    page.close()


def test_themes_and_a_phone(browser: Browser, build: Path) -> None:
    page, seen = opened(browser, build, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Change to light colours").click()
    light = page.evaluate(background)
    assert sum(map(int, re.findall(r"\d+", dark))) < 200
    assert sum(map(int, re.findall(r"\d+", light))) > 600
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seen.complaints == []
    page.close()


def test_two_fingers_zoom_and_one_moves(browser: Browser, build: Path) -> None:
    page, seen = opened(browser, build, has_touch=True)
    canvas = page.locator(".lanes canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    session = page.context.new_cdp_session(page)
    y = box["y"] + 30

    def touch(kind: str, *across: float) -> None:
        points = [{"x": x, "y": y, "id": number} for number, x in enumerate(across)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def shown() -> list[float]:
        return [float(number) for number in re.findall(r"[\d.]+(?= s)", page.locator("output.range").inner_text())]

    picked = texts(page, ".call h3")
    # Lanes have their names on the left; the time is on the rest.
    middle, length = box["x"] + box["width"] * 0.6, 0.219236
    touch("touchStart", middle - 50, middle + 50)
    for by in (70, 90, 100):
        touch("touchMove", middle - by, middle + by)
    touch("touchEnd")
    zoomed = shown()
    assert zoomed[1] - zoomed[0] == pytest.approx(length / 2, rel=0.02)
    assert zoomed[0] > 0
    assert zoomed[1] < length

    touch("touchStart", middle)
    for by in (10, 20, 40):
        touch("touchMove", middle + by)
    touch("touchEnd")
    moved = shown()
    assert moved[0] < zoomed[0]
    assert moved[1] - moved[0] == pytest.approx(zoomed[1] - zoomed[0], rel=0.02)
    assert texts(page, ".call h3") == picked, "neither of both is a click"
    assert seen.complaints == []
    page.close()


def test_hostile_names_stay_text(browser: Browser, hostile_trace: Path, tmp_path: Path) -> None:
    done = html(hostile_trace, tmp_path / "hostile.html")
    page, seen = opened(browser, done)
    assert page.locator("script").count() == 3
    assert page.locator("main img, main iframe, main script, main style, main a[href^=http]").count() == 0
    assert texts(page, "section > h2") == SECTIONS
    assert [said for said in seen.requests if said != done.as_uri()] == []
    assert seen.complaints == []
    page.close()


def dropped(page: Page, trace: Path) -> None:
    content = base64.b64encode(trace.read_bytes()).decode()
    page.evaluate(
        """([name, content]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        [trace.name, content],
    )


def test_the_viewer_opens_a_dropped_trace(browser: Browser, hostile_trace: Path, tmp_path: Path) -> None:
    viewer = tmp_path / "viewer.html"
    done = run_bpfrec("analyze", "html", "--viewer", "-o", viewer, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    page, seen = opened(browser, viewer)
    expect(page.locator("#drop h2")).to_have_text("Drop a trace here")
    dropped(page, SAMPLES / "build.bpfrec")
    expect(page).to_have_title("build.bpfrec: 4,485 calls in 219 ms", timeout=60_000)
    assert texts(page, "section > h2") == SECTIONS
    assert painted(page, ".lanes canvas") > 20
    assert painted(page, ".flame canvas") > 10
    with bpfrec.open(SAMPLES / "build.bpfrec") as trace:
        latency = trace.report("latency").dicts()
        processes = trace.report("processes").dicts()
        waits = trace.query("SELECT count(*) FROM syscalls WHERE syscall = 'wait4' AND duration_ns >= 100000").rows[0][
            0
        ]
    found = page.evaluate("""() => Object.fromEntries(["latency", "processes", "waiting"].map((id) => [id,
        [...document.querySelectorAll(`#${id} > div > .data tbody tr`)].map(
            (row) => [...row.children].map((cell) => cell.innerText.trim()))]))""")
    assert [[row[0], row[1], row[2]] for row in found["latency"]] == [
        [row["syscall"], f"{row['count']:,}", f"{row['errors']:,}"] for row in latency[: len(found["latency"])]
    ]
    assert [(row[1], row[6], row[7], row[8]) for row in found["processes"]] == [
        (
            str(row["pid"]),
            f"{row['calls']:,}",
            f"{row['failed']:,}",
            "" if row["exit_code"] is None else str(row["exit_code"]),
        )
        for row in processes
    ]
    assert sum(int(row[3]) for row in found["waiting"] if row[1] == "wait4") == waits
    page.locator("#timeline-search").fill("ld.so.preload")
    expect(page.locator("output[for=timeline-search]")).to_have_text("12 of 4,485 calls")

    dropped(page, hostile_trace)
    expect(page).not_to_have_title("build.bpfrec: 4,485 calls in 219 ms", timeout=60_000)
    assert page.locator("main img, main iframe, main script, main style").count() == 0
    broken = tmp_path / "broken.bpfrec"
    broken.write_bytes((SAMPLES / "build.bpfrec").read_bytes()[:50_000])
    dropped(page, broken)
    expect(page.get_by_role("alert")).to_contain_text("its end is missing")
    page.locator("#file").set_input_files(SAMPLES / "talk.bpfrec")
    expect(page).to_have_title(re.compile("^talk.bpfrec: 560 calls"), timeout=60_000)
    assert "127.0.0.1:40057" in page.locator("#network").inner_text()
    assert [said for said in seen.requests if said != viewer.as_uri()] == []
    assert seen.complaints == []
    page.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a_table_twice", "it holds syscalls.parquet twice"),
        ("rows_that_repeat_to_billions", "4,096,000,000 rows, more than this viewer holds"),
        ("texts_for_all", "damaged"),
        ("a_chain_of_parents", None),
        ("a_stack_of_300_000_frames", None),
        ("evil_texts", None),
    ],
)
def test_the_viewer_shows_what_strangers_made_or_says_why_not(
    browser: Browser, tmp_path: Path, name: str, said: str | None
) -> None:
    viewer = tmp_path / "viewer.html"
    run_bpfrec("analyze", "html", "--viewer", "-o", viewer, cwd=tmp_path)
    trace = HOSTILE[name](tmp_path / "hostile")
    page, seen = opened(browser, viewer)
    page.locator("#file").set_input_files(trace)
    shown = page.locator("#stacks, [role=alert]").first
    shown.wait_for(timeout=90_000)
    if said is None:
        assert texts(page, "section > h2") == SECTIONS
    else:
        expect(page.get_by_role("alert")).to_contain_text(said)
    assert [url for url in seen.requests if url != viewer.as_uri()] == []
    assert seen.complaints == []
    page.close()
