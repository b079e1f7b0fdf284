"""``bpfrec share``: what it lists, the copy that it makes, and that every report works on one."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import trace_builder
from support.plain_bytes import plain_bytes
from support.program import run_bpfrec as run
from support.trace_builder import MS, START_NS, TraceBuilder

import bpfrec
from bpfrec.analyze.reports import REPORTS
from bpfrec.analyze.share.columns import classes
from bpfrec.formats import schema

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "sample_traces").glob("**/*.bpfrec"))
DOCS = ROOT / "docs" / "sharing.md"
PROBES: dict[str, dict[str, Any]] = {
    "argdist": {"counts": ["p:c:openat(int fd, char *path):char*:path"]},
    "trace": {"probes": ['p:c:openat(int fd, char *path) "%s", path']},
}

SECRETS = {
    "arguments": ("hunter22secret", "acmeargument"),
    "environment": ("acmeenvironment",),
    "data": ("acmecontents",),
    "paths": ("acmefolder", "acmefile", "acmecwd"),
    "users": ("alicetheuser",),
    "host": ("acmehost",),
    "addresses": ("203.0.113.77", "10.99.98.97", "2001:db8:77::1", "deadbeefcafe"),
    "sockets": ("acmesocket", "acmeabstract"),
    "programs": ("acmeprogram", "acmethread"),
    "symbols": ("acme_function", "acmesource", "acmejit"),
    "binaries": ("acmebinary",),
}


def secretive() -> TraceBuilder:
    """A trace with a secret of every class, in every table that can hold it."""
    trace = trace_builder.lab1()
    trace.host.name = "acmehost"
    home = "/home/alicetheuser/acmefolder"
    program = {"pid": 77, "comm": "acmeprogram"}
    trace.add(
        schema.PROCESSES,
        pid=77,
        ppid=1,
        comm="acmeprogram",
        exe=f"{home}/acmeprogram",
        cmdline=f"./acmeprogram --password=hunter22secret {home}/acmefile.conf",
        uid=1000,
        cwd=f"{home}/acmecwd",
        root="/",
        snapshot_ns=START_NS,
    )
    trace.add(schema.THREADS, tid=77, pid=77, comm="acmethread")
    trace.add(schema.DESCRIPTORS, pid=77, fd=3, target=f"{home}/acmefile.log", ts_ns=START_NS, flags=0)
    trace.add(schema.DESCRIPTORS, pid=77, fd=4, target="socket:[99]", ts_ns=START_NS, name="TCP 10.99.98.97:80")
    trace.add(schema.DESCRIPTORS, pid=77, fd=5, target="socket:[98]", ts_ns=START_NS, name="unix:/run/acmesocket.sock")
    execve = trace.call("execve", 2 * MS, 1, 2, 3, path=f"{home}/acmeprogram", **program)
    for arg, position, value in (
        (1, 0, "./acmeprogram"),
        (1, 1, "acmeargument=1"),
        (2, 0, "ACMEENV=acmeenvironment"),
        (2, 1, "USER=alicetheuser"),
    ):
        trace.add(schema.EXEC_ARGS, event_id=execve, arg=arg, position=position, value=value)
    trace.call("openat", 3 * MS, -100, 1, 0, 0, ret=6, path="acmefile.conf", stack_id=1, **program)
    trace.call("rename", 4 * MS, 1, 2, path="acmefile.conf", path2=f"{home}/acmefile.old", **program)
    trace.call("write", 5 * MS, 6, 1, 20, ret=20, **program)
    write = trace.call("write", 5 * MS + 1, 6, 1, 20, ret=20, **program)
    trace.add(schema.DATA, event_id=write, arg=1, bytes=b"hello acmecontents!!", size=20)
    for place, (family, address) in enumerate(
        (
            *((2, "203.0.113.77"), (10, "2001:db8:77::1"), (1, "/run/acmesocket.sock"), (1, "@acmeabstract")),
            *((17, "deadbeefcafe"), (16, "4242")),
        )
    ):
        socket = trace.call("socket", 6 * MS + 10 * place, family, 1, 0, ret=10 + place, **program)
        call = trace.call("connect", 6 * MS + 10 * place + 5, 10 + place, 1, 16, took=2, **program)
        trace.add(
            schema.SOCKADDRS,
            event_id=call,
            arg=1,
            family=family,
            address=address,
            port=80 if family in (2, 10) else None,
        )
        assert socket < call
    option = trace.call("getsockopt", 7 * MS, 10, 0, 80, 1, 2, **program)
    trace.add(schema.STRUCTS, event_id=option, arg=3, kind="sockopt", word0=0x4D7100CB50000002)
    error = trace.call("getsockopt", 7 * MS + 1, 10, 1, 4, 1, 2, **program)
    trace.add(schema.STRUCTS, event_id=error, arg=3, kind="sockopt", word0=111)
    memory = trace.call("memfd_create", 8 * MS, 1, 0, ret=20, **program)
    trace.add(schema.STRINGS, event_id=memory, arg=0, value="acmefile-memory")
    trace.add(schema.STACKS, stack_id=1, pid=77, ts_ns=START_NS + 3 * MS, depth=3, status="root")
    frame = {"stack_id": 1, "source": "cfi"}
    libc = "/usr/lib/x86_64-linux-gnu/libc.so.6"
    trace.add(
        schema.FRAMES,
        depth=0,
        ip=1,
        symbol="openat64",
        symbol_offset=1,
        module=libc,
        file="openat64.c",
        line=3,
        **frame,
    )
    module = f"{home}/acmeprogram"
    trace.add(
        schema.FRAMES, depth=1, ip=2, symbol="acme_function", module=module, file="/build/acmesource.c", line=9, **frame
    )
    trace.add(
        schema.FRAMES, depth=2, ip=0x501, symbol="JS:~acmejit /srv/acmefolder/a.js:1:2", module="perf-77.map", **frame
    )
    trace.add(schema.JIT_SYMBOLS, pid=77, address=0x500, size=16, name="JS:~acmejit /srv/acmefolder/a.js:1:2")
    trace.add(schema.MAPPINGS, pid=77, start_addr=0, end_addr=4096, file_offset=0, path=module, build_id="aa" * 20)
    trace.add(schema.BINARIES, binary_id=0, path=module, build_id="aa" * 20, sha256="bb" * 32, size=15)
    trace.add(schema.BINARY_PARTS, binary_id=0, position=0, bytes=b"\x7fELF acmebinary")
    trace.add(schema.SAMPLES, ts_ns=START_NS + 9 * MS, pid=77, tid=77, comm="acmethread", uid=0, cpu=0, stack_id=1)
    return trace


@pytest.fixture(scope="module")
def secret_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trace = secretive()
    manifest = trace.manifest()
    manifest.command_line = ["bpfrec", "record", "--", "./acmeprogram", "--password=hunter22secret"]
    manifest.configuration |= {"command": ["./acmeprogram", "--password=hunter22secret"]}
    manifest.command = {"argv": ["./acmeprogram"], "pid": 77, "exit_code": 0, "outcome": "exited with 0"}
    manifest.stopped = "./acmeprogram exited with 0"
    return trace.write(tmp_path_factory.mktemp("secret") / "secret.bpfrec", manifest)


@pytest.fixture(scope="module")
def ticket(secret_trace: Path) -> Path:
    target = secret_trace.with_name("ticket.bpfrec")
    done = run("share", str(secret_trace), "-o", str(target), "--redact")
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def secret_bytes(secret_trace: Path) -> bytes:
    return plain_bytes(secret_trace)


@pytest.fixture(scope="module")
def ticket_bytes(ticket: Path) -> bytes:
    return plain_bytes(ticket)


def manifest_of(trace: Path) -> dict[str, object]:
    with zipfile.ZipFile(trace) as archive:
        manifest: dict[str, object] = json.loads(archive.read("manifest.json"))
        return manifest


def listed(*arguments: str) -> list[dict[str, object]]:
    done = run("share", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize("secret", [secret for secrets in SECRETS.values() for secret in secrets])
def test_no_byte_of_a_redacted_trace_tells_a_secret(secret_bytes: bytes, ticket_bytes: bytes, secret: str) -> None:
    assert secret.encode() in secret_bytes, "the search would find it"
    assert secret.encode() not in ticket_bytes


def test_words_of_socket_options_that_may_be_addresses_go_and_others_stay(ticket: Path) -> None:
    with bpfrec.open(ticket) as trace:
        assert trace.sql("SELECT word0 FROM structs ORDER BY event_id").fetchall() == [(None,), (111,)]


@pytest.mark.grid
@pytest.mark.parametrize("name", sorted(classes()))
def test_one_class_alone_is_replaced_everywhere(secret_trace: Path, tmp_path: Path, name: str) -> None:
    done = run("share", str(secret_trace), "-o", str(tmp_path / "t.bpfrec"), f"--redact={name}")
    assert done.returncode == 0, done.stderr
    content = plain_bytes(tmp_path / "t.bpfrec")
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        assert trace.manifest.sharing is not None
        assert trace.manifest.sharing["redacted"] == [name]
    for secret in SECRETS[name]:
        # Names of files are those of programs, too, in columns of another class.
        if secret not in ("acmefolder", "acmefile", "acmecwd", "acmeprogram", "hunter22secret"):
            assert secret.encode() not in content, secret
    other = "data" if name != "data" else "environment"
    assert SECRETS[other][0].encode() in content


def test_the_same_word_has_the_same_token(ticket: Path) -> None:
    def one(query: str) -> object:
        with bpfrec.open(ticket) as trace:
            return trace.sql(query).fetchall()[0][0]

    exe = str(one("SELECT exe FROM processes WHERE pid = 77"))
    assert exe == one("SELECT module FROM frames WHERE depth = 1") == one("SELECT path FROM mappings")
    assert exe == one("SELECT path FROM syscalls WHERE syscall = 'execve' AND pid = 77")
    assert exe.startswith("/home/")
    assert len(exe) == len("/home/alicetheuser/acmefolder/acmeprogram")
    assert exe.endswith("/" + str(one("SELECT comm FROM processes WHERE pid = 77")))
    cwd = str(one("SELECT cwd FROM processes WHERE pid = 77"))
    path = str(one("SELECT path FROM syscalls WHERE syscall = 'openat' AND pid = 77"))
    assert one("SELECT resolved_path FROM syscalls WHERE syscall = 'openat' AND pid = 77") == f"{cwd}/{path}"
    assert path.endswith(".conf")
    assert one("SELECT symbol FROM frames WHERE depth = 0") == "openat64"


def test_another_copy_has_other_tokens(secret_trace: Path, ticket: Path, tmp_path: Path) -> None:
    assert run("share", str(secret_trace), "-o", str(tmp_path / "t.bpfrec"), "--redact").returncode == 0
    assert manifest_of(tmp_path / "t.bpfrec")["host"] != manifest_of(ticket)["host"]


def test_the_list_has_every_class_with_counts_and_examples(secret_trace: Path) -> None:
    rows = listed(str(secret_trace))
    assert {row["class"] for row in rows} == set(classes())
    assert {row["done"] for row in rows} == {"kept"}
    (row,) = [row for row in rows if (row["table"], row["column"]) == ("syscalls", "path2")]
    assert (row["values"], row["distinct"]) == (1, 1)
    assert row["examples"] == "/home/alicetheuser/acmefolder/acmefil..."


def test_the_manifest_says_what_was_done(ticket: Path) -> None:
    sharing = manifest_of(ticket)["sharing"]
    assert isinstance(sharing, dict)
    assert sharing["redacted"] == sorted(classes())
    assert {"table": "syscalls", "column": "path2", "class": "paths", "values": 1} in sharing["replaced"]
    assert sharing["only"] == []


def test_dry_run_writes_nothing(secret_trace: Path, tmp_path: Path) -> None:
    rows = listed(str(secret_trace), "-o", str(tmp_path / "t.bpfrec"), "--redact", "--dry-run")
    assert {row["done"] for row in rows} == {"replaced"}
    assert list(tmp_path.iterdir()) == []


def test_the_copy_is_private_and_replaces_nothing(ticket: Path, secret_trace: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(ticket.stat().st_mode) == 0o600
    before = ticket.read_bytes()
    refused = run("share", str(secret_trace), "-o", str(ticket), "--redact")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "exists" in refused.stderr
    assert ticket.read_bytes() == before
    assert "is the trace itself" in run("share", str(secret_trace), "-o", str(secret_trace), "--force").stderr
    link = tmp_path / "link.bpfrec"
    link.symlink_to(tmp_path / "elsewhere")
    assert run("share", str(secret_trace), "-o", str(link), "--force").returncode == 0
    assert not link.is_symlink()
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--redact=everything"], "is no class"),
        (["--redact"], "-o FILE"),
        (["--only", "user=1", "--dry-run"], "is none of process, time, syscall"),
        (["--only", "syscall=opennat", "--dry-run"], "no system call is called 'opennat'"),
        (["--only", "time=5", "--dry-run"], "FROM..TO"),
        (["--only", "process=nobody", "--dry-run"], "no call is left"),
        (["--max-size", "much", "--dry-run"], "is no size"),
    ],
)
def test_mistakes_are_told(secret_trace: Path, arguments: list[str], says: str) -> None:
    done = run("share", str(secret_trace), *arguments)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


ASKED = {
    "build": tuple(REPORTS),
    "exchange": tuple(REPORTS),
    "leaking": ("leaks", "lsof", "netstat", "files"),
    "locking": ("locks", "waiting", "timeline"),
    "sleeping": ("offcpu", "startup", "stream"),
}
"""The reports that are asked of each sample: those that have rows there, and all of them twice."""


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_report_works_on_a_redacted_trace(sample: Path, tmp_path: Path) -> None:
    target = tmp_path / "ticket.bpfrec"
    done = run("share", str(sample), "-o", str(target), "--redact", "--format", "csv")
    assert done.returncode == 0, done.stderr
    with bpfrec.open(sample) as before, bpfrec.open(target) as after:
        for name in ASKED.get(sample.stem, ("summary",)):
            options = PROBES.get(name, {})
            assert len(after.report(name, **options)) == len(before.report(name, **options)), name
        for table in schema.TABLES:
            if table.name not in ("binaries", "binary_parts"):
                count = f"SELECT count(*) FROM {table.name}"
                assert after.sql(count).fetchall() == before.sql(count).fetchall(), table.name


def test_names_are_resolved_as_before(tmp_path: Path) -> None:
    sample = ROOT / "sample_traces" / "build.bpfrec"
    assert run("share", str(sample), "-o", str(tmp_path / "t.bpfrec"), "--redact").returncode == 0
    query = (
        "SELECT event_id, length(resolved_path), len(string_split(resolved_path, '/')), resolved_reason,"
        " dense_rank() OVER (ORDER BY first) FROM (SELECT *, min(event_id) OVER (PARTITION BY resolved_path) AS first"
        " FROM syscalls) ORDER BY event_id"
    )
    with bpfrec.open(sample) as before, bpfrec.open(tmp_path / "t.bpfrec") as after:
        assert after.sql(query).fetchall() == before.sql(query).fetchall()


def test_only_a_process_and_what_belongs_to_it(secret_trace: Path, tmp_path: Path) -> None:
    assert run("share", str(secret_trace), "-o", str(tmp_path / "t.bpfrec"), "--only", "process=server").returncode == 0
    content = plain_bytes(tmp_path / "t.bpfrec")
    # The manifest has the command line of the recording.
    for secret in ("acmefile", "acmethread", "acme_function", "acmejit", "acmebinary", "203.0.113.77"):
        assert secret.encode() not in content, secret
    with bpfrec.open(tmp_path / "t.bpfrec") as trace, bpfrec.open(secret_trace) as before:
        assert trace.sql("SELECT DISTINCT pid FROM syscalls").fetchall() == [(4242,)]
        assert trace.sql("SELECT pid FROM processes").fetchall() == [(4242,)]
        assert trace.sql("SELECT tid FROM threads").fetchall() == [(4242,)]
        rows = "SELECT event_id, ts_ns FROM syscalls WHERE pid = 4242"
        assert trace.sql(rows).fetchall() == before.sql(rows).fetchall()
        assert trace.sql("SELECT count(*) FROM timespecs").fetchall() == [(23,)]
        assert trace.manifest.counters["recorded"] == len(trace.sql(rows).fetchall())
        assert sum(trace.manifest.syscalls.values()) == trace.manifest.counters["recorded"]


def test_only_a_time_counts_what_is_left_out(secret_trace: Path, tmp_path: Path) -> None:
    assert run("share", str(secret_trace), "-o", str(tmp_path / "t.bpfrec"), "--only", "time=0.9..0.97").returncode == 0
    with bpfrec.open(tmp_path / "t.bpfrec") as trace, bpfrec.open(secret_trace) as before:
        total = before.sql("SELECT count(*) FROM syscalls").fetchall()[0][0]
        kept = trace.sql("SELECT count(*) FROM syscalls").fetchall()[0][0]
        lost = trace.sql("SELECT sum(count)::BIGINT FROM losses WHERE kind = 'left-out'").fetchall()[0][0]
        assert 0 < kept < total
        assert kept + lost == total
        assert "left-out" in trace.loss_notes()[0]
        # A descriptor that was opened before has no name here, rather than a wrong one.
        assert trace.sql("SELECT DISTINCT resolved_path FROM syscalls WHERE syscall = 'read'").fetchall() == [(None,)]
        assert trace.info["duration_ns"] == 70 * MS


def test_only_some_system_calls(secret_trace: Path, tmp_path: Path) -> None:
    arguments = ("--only", "syscall=openat,read")
    assert run("share", str(secret_trace), "-o", str(tmp_path / "t.bpfrec"), *arguments).returncode == 0
    with bpfrec.open(tmp_path / "t.bpfrec") as trace:
        assert trace.sql("SELECT DISTINCT syscall FROM syscalls ORDER BY 1").fetchall() == [("openat",), ("read",)]
        assert trace.manifest.configuration["events"] == ["openat", "read"]
        assert trace.sql("SELECT count(*) FROM sockaddrs").fetchall() == [(0,)]
        assert trace.sql("SELECT count(*) FROM samples").fetchall() == [(0,)]
        assert trace.sql("SELECT count(*) FROM frames").fetchall() == [(3,)]
        reasons = trace.sql("SELECT DISTINCT resolved_reason FROM syscalls WHERE syscall = 'read'").fetchall()
        assert reasons == [("not-recorded",)]


@pytest.mark.slow
def test_a_trace_is_made_smaller_in_the_stated_order(tmp_path: Path) -> None:
    sample = ROOT / "sample_traces" / "formats" / "format-1.bpfrec"
    whole = sample.stat().st_size
    sizes = []
    for limit in (whole * 3 // 4, whole // 2, whole * 2 // 5):
        target = tmp_path / f"{limit}.bpfrec"
        done = run("share", str(sample), "-o", str(target), "--max-size", str(limit))
        assert done.returncode == 0, done.stderr
        assert target.stat().st_size <= limit
        sizes.append(done.stderr.partition("left out to make it smaller: ")[2].partition("\n")[0])
        with bpfrec.open(target) as trace:
            assert trace.sql("SELECT count(*) FROM losses WHERE kind = 'left-out'").fetchall()[0][0] >= 1
    # The last one lacks all that the others lack.
    with bpfrec.open(target) as trace:
        for name in ("summary", "calls", "stacks", "stream", "failed-opens", "files", "leaks", "startup"):
            trace.report(name)
    assert sizes[0].startswith("contents of reads and writes")
    assert sizes[-1].startswith("contents of reads and writes, samples, call stacks")
    tiny = run("share", str(sample), "-o", str(tmp_path / "tiny.bpfrec"), "--max-size", "1000")
    assert (tiny.returncode, "cannot be made as small" in tiny.stderr) == (1, True)
    assert not (tmp_path / "tiny.bpfrec").exists()


def test_a_trace_can_be_shared_again(ticket: Path, tmp_path: Path) -> None:
    assert run("share", str(ticket), "-o", str(tmp_path / "t.bpfrec"), "--redact").returncode == 0


def test_hostile_text_is_listed_without_escapes(hostile_trace: Path, tmp_path: Path) -> None:
    done = run("share", str(hostile_trace), "-o", str(tmp_path / "t.bpfrec"), "--redact")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_the_guide_lists_the_classes() -> None:
    begin, end = "from analyze/share/classes.tsv -->\n", "<!-- /classes -->"
    text = DOCS.read_text("utf-8")
    table = (
        "\n| class | what |\n|---|---|\n" + "".join(f"| {name} | {what} |\n" for name, what in classes().items()) + "\n"
    )
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if os.environ.get("BPFREC_UPDATE_DOCS") == "1":
        DOCS.write_text(before + begin + table + end + after, "utf-8")
        return
    assert text == before + begin + table + end + after
