"""The manifest of a redacted trace."""

from __future__ import annotations

from support.trace_builder import TraceBuilder

from bpfrec.analyze.share.columns import ColumnRedactor, classes
from bpfrec.analyze.share.manifest import redacted_manifest
from bpfrec.analyze.share.text import TextRedactor


def test_options_with_names_are_replaced_and_others_stay() -> None:
    manifest = TraceBuilder().manifest()
    manifest.configuration = {
        "comm": "acmed",
        "cgroup": "/sys/fs/cgroup/acme.slice",
        "events": ["openat"],
        "stacks": "full",
        "later": {"acmekey": ["acmevalue", 7]},
    }
    made = redacted_manifest(manifest, ColumnRedactor(TextRedactor(bytes(32)), classes()))
    assert "acme" not in str(made.configuration)
    assert made.configuration["cgroup"].startswith("/sys/fs/cgroup/")
    assert made.configuration["events"] == ["openat"]
    assert made.configuration["stacks"] == "full"
    assert manifest.configuration["comm"] == "acmed"


def test_why_it_stopped_stays_readable() -> None:
    manifest = TraceBuilder().manifest()
    redactor = ColumnRedactor(TextRedactor(bytes(32)), classes())
    manifest.command = {"argv": ["acmed"], "pid": 1, "exit_code": 3, "outcome": "exited with 3"}
    for stopped, stays in (
        ("the time was up", True),
        ("SIGINT", True),
        ("all recorded processes ended", True),
        ("acmed exited with 3", False),
        ("no room in /srv/acme", False),
    ):
        manifest.stopped = stopped
        made = redacted_manifest(manifest, redactor).stopped
        assert (made == stopped) == stays
        assert "acme" not in made
    manifest.stopped = "acmed exited with 3"
    assert redacted_manifest(manifest, redactor).stopped.endswith(" exited with 3")
