"""Reading the probe specifiers of argdist and trace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.argdist_spec import parse_argdist
from bpfrec.analyze.probes.c_to_sql import string_of, translate
from bpfrec.analyze.probes.printf import Conversion, Message, parse_message
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.sites import parse_signature
from bpfrec.analyze.probes.splitting import split
from bpfrec.analyze.probes.trace_spec import parse_trace_probe
from bpfrec.formats.errors import BpfrecError, ReportError


def test_all_parts_of_a_specifier():
    spec = parse_argdist(
        "p:c:write(int fd, const void *buf, size_t n):size_t,int:n,fd:fd==1#my: label", histogram=False
    )
    assert spec.site.function.name == "write"
    assert spec.site.libc
    assert not spec.site.at_exit
    assert [name for name, _ in spec.site.parameters] == ["fd", "buf", "n"]
    assert [(c.shown, c.ctype) for c in spec.collected] == [("n", c_types.ULONG), ("fd", c_types.INT)]
    assert spec.condition == c_syntax.Binary("==", c_syntax.Name("fd"), c_syntax.Number(1, c_types.INT))
    assert spec.title == "my: label"


def test_defaults():
    assert parse_argdist("p:c:open()", histogram=False).collected == ()
    assert parse_argdist("r:c:read()", histogram=True).collected[0].shown == "retval"
    assert parse_argdist("t:syscalls:sys_exit_openat()", histogram=False).collected == ()


def test_entry_is_shown_as_the_parameter():
    spec = parse_argdist("r::read(int fd, void *b, size_t n):u64:$latency/$entry(n)", histogram=True)
    assert spec.collected[0].shown == "$latency/n"


def test_a_conditional_and_strings_do_not_cut():
    spec = parse_argdist('p:c:open(char *f):int,char*:f == "a:b,#c" ? 1 : 2,f:STRCMP("x:,#(", f)#l', histogram=False)
    assert [c.shown for c in spec.collected] == ['f == "a:b,#c" ? 1 : 2', "f"]
    assert spec.label == "l"
    assert isinstance(spec.condition, c_syntax.Call)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "open",
        "p:c:open",
        "p:c:open(",
        "x:c:open()",
        "p:c:()",
        "p:c:open():u32,u32:1",
        "p:c:open():foo:1",
        "p:c:open():u32:",
        "p:c:open():u32:1:2:3",
        "p:c:open()x",
        "p:m:sin()",
        "p:/bin/bash:readline()",
        "u:node:gc()",
        "t:block:block_rq_issue()",
        "t:syscalls:openat()",
        "p::vfs_read()",
        "p:c:open*()",
        "p:c:open():int:$retval",
        "p:c:open():u64:$latency",
        "p:c:write(int fd, char *b):char*:b",
        "p:c:open(char *f):char:f[0]",
        "p:c:open(42)",
        "t:syscalls:sys_exit_openat():char*:args->filename",
        "t:syscalls:sys_enter_openat():int:args->nonsense",
        "p:c:open():int:arg4",
        "p:c:openat2(int d, char *f, struct open_how *h):u64:h->nonsense",
        "p:c:getrlimit(int r, struct rlimit *l):u64:l->rlim_cur",
        "p:c:open()\0:u32:1",
    ],
)
def test_wrong_specifiers(text):
    with pytest.raises(ReportError):
        translated(text)


def translated(text):
    spec = parse_argdist(text, histogram=False)
    scope = SiteScope(spec.site)
    for collected in spec.collected:
        value = translate(collected.tree, scope)
        if collected.ctype.is_string:
            string_of(value)
    return scope.conditions()


@pytest.mark.parametrize("text", ["p:c:open()", "p:c:open(char *f):char*:f", "r:c:read():u32,u32:1,2"])
def test_wrong_histograms(text):
    with pytest.raises(ReportError):
        parse_argdist(text, histogram=True)


def test_a_trace_probe():
    probe = parse_trace_probe('r:c:open(const char *f) ((int)retval < 0) "%s: %-5d%%", f, retval')
    assert (probe.shown, probe.site.at_exit, probe.site.libc) == ("open", True, True)
    assert isinstance(probe.condition, c_syntax.Binary)
    assert probe.message == Message(
        (
            Conversion("%s", None, c_syntax.Name("f")),
            ": ",
            Conversion("%-5d", c_types.INT, c_syntax.Name("retval")),
            "%",
        )
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [("open", "p"), ("c:open", "p"), ("::open", "p"), ("r::open", "r"), (":c:open", "p"), ("p::SyS_open", "p")],
)
def test_places(text, kind):
    probe = parse_trace_probe(text)
    assert probe.site.function.name == "open"
    assert probe.site.at_exit == (kind == "r")
    assert probe.message is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "(arg1)",
        "open (arg1",
        "open(int",
        'open "%s"',
        'open "%s", arg1, arg2',
        'open "%y", arg1',
        'open "%K", arg1',
        'open "%U", arg1',
        "open arg1",
        'open "',
        "open+0x12",
        "r::",
        "x::open",
        "t:syscalls:sys_enter_openat(int a)",
        "open ()",
        'open "%',
        'open "%", arg1',
        "kfree_skb",
        "c:malloc",
        "u:pthread:pthread_create",
        'open "%hs", arg1',
    ],
)
def test_wrong_trace_probes(text):
    with pytest.raises(ReportError):
        parse_trace_probe(text)


def test_signatures():
    assert parse_signature("void") == parse_signature(" ") == ()
    assert parse_signature("struct timespec *time") == (("time", c_types.CType(64, False, "struct timespec")),)
    assert parse_signature("const char __user *f, unsigned  int fl, char* const g, foo_t x") == (
        ("f", c_types.STRING),
        ("fl", c_types.UINT),
        ("g", c_types.STRING),
        ("x", c_types.ULONG),
    )
    for wrong in ("int", "char *", "int a,", "int a[2]", "..."):
        with pytest.raises(ReportError):
            parse_signature(wrong)


def test_split():
    assert split("a:b?c:d:e", ":") == ["a", "b?c:d", "e"]
    assert split('f(a,b),[c,d],\'"\',","', ",") == ["f(a,b)", "[c,d]", "'\"'", '","']


PIECES = st.lists(
    st.sampled_from(
        [
            "p",
            "r",
            "t",
            ":",
            "c",
            "open",
            "SyS_open",
            "(",
            ")",
            "char *f",
            ",",
            "u64",
            "$retval",
            "arg1",
            "#",
            '"',
            "%d",
            " ",
            "?",
            "STRCMP",
            "&&",
            "->",
            "1",
            "'",
            "\\",
            "args",
            "sys_enter_openat",
            "syscalls",
            "\x1b",
            "\ud800",
        ]
    )
).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(PIECES, st.text(max_size=80)))
def test_garbage_is_refused_without_a_traceback(text):
    for parse in (lambda: parse_argdist(text, True), lambda: parse_trace_probe(text), lambda: parse_message(text)):
        try:
            parse()
        except BpfrecError as error:
            said = error.message
        else:
            said = "understood"
        assert said
