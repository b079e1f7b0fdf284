"""The table of families against the facts about system calls."""

from __future__ import annotations

import pytest

from bpfrec.analyze.probes.c_syntax import parse_expression
from bpfrec.analyze.probes.c_to_sql import translate
from bpfrec.analyze.probes.function_table import LIBRARY, families, not_calls
from bpfrec.analyze.probes.functions import find_function, heads_of
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.sites import Site
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.syscalls import syscalls


def test_names_and_aliases_are_unique():
    names = []
    for family in families():
        head = LIBRARY if family.name.startswith(LIBRARY) else ""
        names += [family.name, *(f"{head}{alias}" for alias in family.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("family", families(), ids=lambda f: f.name)
def test_every_member_is_a_system_call_and_every_mapping_names_an_argument(family):
    parameters = [declaration.split()[-1].lstrip("*") for declaration in family.signature.split("; ") if declaration]
    for name, member in family.members.items():
        call = syscalls()[name]
        assert set(member.arguments) <= set(parameters)
        if call.arguments is None:
            assert not member.arguments
            assert not member.only
            continue
        for parameter in parameters:
            wanted = member.arguments.get(parameter, parameter)
            assert wanted is None or isinstance(wanted, int) or call.argument(wanted), (name, parameter)
    function = find_function(family.name)
    assert [p.name for p in function.parameters] == parameters
    for sources in function.members.values():
        assert len(sources) == len(parameters)
    SiteScope(Site(function, at_exit=True)).conditions()


@pytest.mark.parametrize("family", families(), ids=lambda f: f.name)
def test_a_parameter_is_a_path_for_all_members_or_for_none(family):
    for i, _ in enumerate(find_function(family.name).parameters):
        found = {s[i].path_column for s in find_function(family.name).members.values() if s[i] is not None}
        assert len(found) <= 1


@pytest.mark.parametrize(("function", "calls"), not_calls().items())
def test_advice_names_what_can_be_asked(function, calls):
    with pytest.raises(ReportError):
        find_function(function)
    for call in calls:
        assert find_function(call).members


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("open", {"open", "openat", "openat2", "creat"}),
        ("SyS_open", {"open", "openat", "openat2", "creat"}),
        ("sys_open", {"open", "openat", "openat2", "creat"}),
        ("__libc_open64", {"open", "openat", "openat2", "creat"}),
        ("__GI___open", {"open", "openat", "openat2", "creat"}),
        ("__x64_sys_openat", {"openat"}),
        ("__arm64_sys_openat2", {"openat2"}),
        ("openat64", {"openat"}),
        ("ksys_read", {"read"}),
        ("do_nanosleep", {"nanosleep", "clock_nanosleep", "clock_nanosleep_time64"}),
        ("clock_nanosleep", {"clock_nanosleep"}),
        ("pread", {"pread64"}),
        ("pread64", {"pread64"}),
        ("fork", {"fork", "clone", "clone3"}),
        ("vfork", {"vfork", "clone", "clone3"}),
        ("clone3", {"clone3"}),
        ("waitpid", {"wait4", "waitpid"}),
        ("fstat", {"fstat", "fstat64", "oldfstat"}),
        ("dup2", {"dup2", "dup3"}),
        ("dup", {"dup"}),
        ("recv", {"recvfrom"}),
        ("_exit", {"exit", "exit_group"}),
    ],
)
def test_names(name, members):
    assert set(find_function(name).members) == members


def test_the_stat_family():
    assert {"stat", "lstat", "newfstatat", "statx"} <= set(find_function("stat").members)
    assert set(find_function("lstat").members) == {"lstat"}
    assert heads_of("newfstatat")[0] == "stat"


@pytest.mark.parametrize("name", ["vfs_open", "malloc", "tcp_connect", "do_nothing", "opne", "", "__", "sys_", "64"])
def test_what_no_call_stands_for_is_refused(name):
    with pytest.raises(ReportError) as caught:
        find_function(name)
    assert "system calls" in caught.value.hint


def test_a_close_name_is_offered():
    with pytest.raises(ReportError, match="Close to it: open"):
        find_function("opne")


@pytest.mark.parametrize(
    ("function", "expression", "sql"),
    [
        ("openat", "filename", "arg1"),
        ("openat", "arg2", "arg1"),
        (
            "open",
            "arg1",
            "(CASE WHEN syscall IN ('open', 'creat') THEN arg0 WHEN syscall IN ('openat', 'openat2') THEN arg1 END)",
        ),
        ("creat", "arg2", "arg1"),
        ("rename", 'arg1 == "a"', "(path IS NOT DISTINCT FROM 'a')"),
        ("rename", '"b" == newname', "('b' IS NOT DISTINCT FROM path2)"),
        ("statx", "buffer", "arg4"),
    ],
)
def test_where_arguments_stand(function, expression, sql):
    scope = SiteScope(Site(find_function(function), at_exit=False))
    assert translate(parse_expression(expression), scope).sql == sql


def test_calls_that_lack_what_is_asked_are_left_out():
    scope = SiteScope(Site(find_function("open"), at_exit=False))
    translate(parse_expression("flags & O_CREAT"), scope)
    assert scope.members == ["open", "openat", "creat"]
    assert scope.lacking == {"openat2": "flags"}


def test_rmdir_is_told_from_unlink():
    conditions = SiteScope(Site(find_function("rmdir"), at_exit=False)).conditions()
    assert any("512" in condition for condition in conditions)
