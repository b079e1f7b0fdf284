"""The functions and columns that make text of numbers: what they give, of what, and what they cost to make."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.trace_builder import TraceBuilder

from bpfrec.analyze.decode.functions import functions, named_in
from bpfrec.analyze.facade import Trace
from bpfrec.formats.kernel.decoding import Decoder, Term, constants, decoders

FLAGS = [d for d in decoders().values() if d.rest == "hex" and d.terms and any(t.mask is None for t in d.terms)]
U64 = st.integers(0, 2**64 - 1) | st.integers(0, 63).map(lambda bit: 1 << bit) | st.integers(0, 4096)


@pytest.fixture(scope="module")
def sql():
    connection = duckdb.connect()
    for function in functions().values():
        connection.execute(function.create())
    yield lambda query: connection.execute(f"SELECT {query}").fetchone()[0]
    connection.close()


@pytest.fixture
def trace(tmp_path: Path):
    builder = TraceBuilder()
    builder.call("openat", 0, -100, 0x1000, 0o2000101, 0o644, ret=3, path="/etc/passwd")
    builder.call("openat", 1, 5, 0x1000, 0, 0xFFFF, ret=-2, path="a\nb")
    builder.call("openat", 2, 2**32 - 100, 0x1000, 0, 0, ret=-14, path_status="unreadable")
    builder.call("openat", 3, -100, 0, 0, 0, ret=-14, path_status="null")
    builder.call("openat", 4, -100, 0x1000, 0, 0, ret=3, path="x" * 9, path_status="truncated")
    builder.call("read", 5, 3, 0x1000, 10, ret=None, unfinished="recording-stopped")
    builder.call("kill", 6, -1, 15)
    builder.call("fcntl", 7, 3, 3, 0, ret=0o102002)
    builder.call("fcntl", 8, 3, 3, 0, ret=-9)
    builder.call("unknown_999", 9, 1, 2, 0, 0, 0, 255, ret=-38)
    builder.call("clone", 10, 0x1000011, 0, 0, 0x7000, 0, ret=77)
    builder.call("rt_sigreturn", 11, ret=0)
    with Trace(builder.write(tmp_path / "t.bpfrec")) as opened:
        yield opened


def test_views_have_text_beside_every_raw_argument_that_has_a_meaning(trace):
    columns = trace.query("FROM sys.openat").columns
    assert columns[columns.index("dfd") :][:7] == [
        "dfd", "dfd_text", "filename", "flags", "flags_text", "mode", "mode_text",
    ]  # fmt: skip
    assert columns[-1] == "call_text"
    assert trace.query("SELECT dfd_text, flags, flags_text, mode_text FROM sys.openat ORDER BY event_id").rows[:3] == [
        ("AT_FDCWD", 0o2000101, "O_WRONLY|O_CREAT|O_CLOEXEC", "0644"),
        ("5", 0, "O_RDONLY", "0177777"),
        ("AT_FDCWD", 0, "O_RDONLY", "000"),
    ]
    assert trace.query("SELECT ret, ret_text FROM sys.fcntl ORDER BY event_id").rows == [
        (0o102002, "O_RDWR|O_APPEND|O_LARGEFILE"),
        (-9, None),
    ]


@pytest.mark.parametrize(
    ("call", "texts"),
    [
        (
            "openat",
            [
                'openat(AT_FDCWD, "/etc/passwd", O_WRONLY|O_CREAT|O_CLOEXEC, 0644) = 3',
                'openat(5, "a\\nb", O_RDONLY) = -1 ENOENT (No such file or directory)',
                "openat(AT_FDCWD, 0x1000, O_RDONLY) = -1 EFAULT (Bad address)",
                "openat(AT_FDCWD, NULL, O_RDONLY) = -1 EFAULT (Bad address)",
                'openat(AT_FDCWD, "xxxxxxxxx"..., O_RDONLY) = 3',
            ],
        ),
        ("read", ["read(3, 0x1000, 10) = ?"]),
        ("kill", ["kill(-1, SIGTERM) = 0"]),
        ("fcntl", ["fcntl(3, F_GETFL) = 0x8402 (flags O_RDWR|O_APPEND|O_LARGEFILE)"]),
        ("unknown_999", ["unknown_999(0x1, 0x2, 0, 0, 0, 0xff) = -1 ENOSYS (Function not implemented)"]),
        (
            "clone",
            [
                "clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7000) = 77",
            ],
        ),
        ("rt_sigreturn", ["rt_sigreturn() = 0"]),
    ],
)
def test_call_text(trace, call, texts):
    rows = trace.query(f"SELECT call_text FROM sys.{call} ORDER BY event_id").rows
    assert [text for (text,) in rows[: len(texts)]] == texts


def test_times_that_were_copied_are_in_call_text(lab1_trace):
    with Trace(lab1_trace) as trace:
        assert trace.query("SELECT DISTINCT call_text FROM sys.clock_nanosleep").rows == [
            ("clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=0, tv_nsec=1000}, NULL) = 0",)
        ]


def test_only_the_functions_that_a_query_names_are_made(trace):
    trace.query("SELECT count(*) FROM syscalls")
    assert trace.engine._catalog._functions == set()
    assert trace.query("SELECT Open_Flags(arg2) FROM syscalls WHERE syscall = 'openat' LIMIT 1").rows
    assert trace.engine._catalog._functions == {"open_flags"}
    assert trace.query("SELECT socket_protocol(2, 6), socket_protocol(1, 6)").rows == [("IPPROTO_TCP", "6")]
    assert trace.engine._catalog._functions == {"open_flags", *(f.name for f in named_in("socket_protocol"))}


def test_every_function_is_listed(trace):
    rows = dict(trace.query("FROM functions").rows)
    assert rows["open_flags(value)"] == "flags of open(2)"
    assert rows.keys() == {function.signature for function in functions().values()} | {"stack_text(stack_id)"}
    own = "SELECT count(*) FROM duckdb_functions() WHERE function_name = 'open_flags'"
    assert trace.query(own).rows == [(1,)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("errno_name(-2)", "ENOENT"),
        ("errno_name(2)", "ENOENT"),
        ("errno_name(-512)", "ERESTARTSYS"),
        ("errno_name(9999)", "9999"),
        ("signal_name(0)", "0"),
        ("signal_name(-9)", "-9"),
        ("signal_name(33)", "SIGRT_1"),
        ("dirfd_text(-100)", "AT_FDCWD"),
        ("dirfd_text(4294967196)", "AT_FDCWD"),
        ("dirfd_text(18446744073709551516::UBIGINT)", "AT_FDCWD"),
        ("open_flags(-1::INTEGER) = open_flags(18446744073709551615::UBIGINT)", True),
        ("mmap_prot(-1::BIGINT) = mmap_prot(18446744073709551615::UBIGINT)", True),
        ("file_mode(33188)", "S_IFREG|0644"),
        ("device_text(259)", "makedev(0x1, 0x3)"),
        ("result_text(-2::BIGINT)", "-1 ENOENT (No such file or directory)"),
        ("result_text(-512::BIGINT)", "? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        ("result_text((-9223372036854775808)::BIGINT)", "-9223372036854775808"),
        ("result_text(NULL::BIGINT)", "?"),
        ("quoted_text('it''s', NULL)", '"it\'s"'),
    ],
)
def test_functions(sql, call, text):
    assert sql(call) == text


@pytest.mark.parametrize("name", [n for n in functions() if n not in ("quoted_text", "result_text", "sockaddr_text")])
def test_nothing_is_nothing(sql, name):
    arguments = ", ".join(["0"] * (len(functions()[name].parameters) - 1) + ["NULL::UBIGINT"])
    assert sql(f"{name}({arguments})") is None


def value_of(text: str, decoder: Decoder) -> int:
    """The number that a text of flags says."""
    value = 0
    for part in text.split("|"):
        named = [v for t in decoder.terms for n, v in t.values.items() if n == part]
        value |= named[0] if named else int(part, 16)
    return value


@settings(max_examples=300, deadline=None)
@given(decoder=st.sampled_from(FLAGS), value=U64)
def test_flags_say_every_bit(sql, decoder, value):
    text = sql(f"{decoder.name}({value}::UBIGINT)")
    assert value_of(text, decoder) == value & decoder.width


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(decoders())), selector=U64, value=U64)
def test_any_number_has_a_text(sql, name, selector, value):
    arguments = f"{selector}::UBIGINT, {value}::UBIGINT" if decoders()[name].choices else f"{value}::UBIGINT"
    assert sql(f"{name}({arguments})")


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_quoted_paths_read_back(sql, text):
    quoted = sql("quoted_text('" + text.replace("'", "''") + "', NULL)")
    assert quoted.isascii()
    assert quoted.isprintable()
    assert quoted[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1").decode() == text


def test_every_name_has_its_number_back(sql):
    for decoder in decoders().values():
        match decoder.terms:
            case (Term(mask=mask) as whole,) if mask == decoder.width:
                values = list(whole.values.values())
                rows = f"unnest({values}::UBIGINT[]) AS v, unnest(range({len(values)})) AS place"
                texts = sql(f"list({decoder.name}(v) ORDER BY place) FROM (SELECT {rows})")
                said = dict(zip(values, texts, strict=True))
                assert set(said.values()) <= set(constants(whole.family)), decoder.name
                assert all(whole.values[name] == v for v, name in said.items()), decoder.name
