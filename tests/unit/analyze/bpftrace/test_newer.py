"""What today's bpftrace has and 0.17 has not, as bpftrace's own runtime tests say it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.bpftrace_scripts import body, refusal, run


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("enum Foo { ONE = 1, TWO }; BEGIN { @[ONE, TWO] = TWO; }", "@[ONE, TWO]: TWO\n"),
        ('enum { A = 333, B }; BEGIN { $f = (A, B); print($f); printf("%d %s|%5s|\\n", A, A, B); }', None),
        ("enum X { A = 3 }; BEGIN { print((enum X)3); print((enum X)9); }", "A\n9\n\n\n"),
        ("#define F(x, y) ((x) * (y) + 1)\nBEGIN { print(F(2 + 1, 4)); }", "13\n\n\n"),
        ("#define F(x) ((x) + \\\n 1)\nBEGIN { print(F(F(2))); }", "4\n\n\n"),
        ("BEGIN { print(if (1) { if (0) { 2 } else { 3 } } else { 4 }); }", "3\n\n\n"),
        ("BEGIN { @ = { let $a = 100; avg($a) }; }", "@: 100\n"),
        ("BEGIN { print(comm()); print(__builtin_comm); print(probetype); }", "bpftrace\nbpftrace\nspecial\n\n\n"),
        ('BEGIN { $a = "foo"; printf("%c%c\\n", $a[0], $a[2]); }', "fo\n\n\n"),
        ("BEGIN { $a = (1, 2, 3); print($a[1 + 1]); }", "3\n\n\n"),
        ("BEGIN { $t = ((int8)1, (int64)1, (int8)1); print(sizeof($t)); }", "24\n\n\n"),
        ('BEGIN { print((int8[])"hi"); print((bool[2])(uint16)1); }', "[104,105,0]\n[true,false]\n\n\n"),
        ("struct F { int x; struct B { int y; } b; }; BEGIN { print(offsetof(struct F, b.y)); }", "4\n\n\n"),
        ("struct F { char c; int x; } __attribute__((packed)); BEGIN { print(sizeof(struct F)); }", "5\n\n\n"),
        ("BEGIN { let $y: typeof(1) = 5; print(sizeof(typeof($y))); }", "8\n\n\n"),
        ("BEGIN { print(@); } END { @ = stats(1); }", "@: { .count = 0, .average = 0, .total = 0 }\n"),
        ("BEGIN { $a = (x=1, y=2); $a = (y=3, x=4); print($a); }", "{ .x = 4, .y = 3 }\n\n\n"),
        ("BEGIN { print(signal_name(2)); print(signal_name(1024)); }", "Interrupt\nN/A\n\n\n"),
        ("macro m(x) { if (x > 1) { 5 } else { 6 } } BEGIN { print((m(1), m(2) + 1)); }", "(6, 6)\n\n\n"),
        ("macro m(x) { if (x > 1) { @a = 1; } else { @b[x]++ } } BEGIN { m(1); m(2); }", "@a: 1\n@b[1]: 1\n"),
        ('macro cpu() { "hi" } BEGIN { printf(cpu()); }', "hi\n\n"),
    ],
)
def test_it_prints(script: str, printed: str | None):
    assert body(run(script)).startswith(printed if printed is not None else "(A, B)\n333 A|    B|\n")


def test_parameters_of_probes_and_their_parts():
    assert run('BEG$1 { printf("%s", str($2 + 1)); }', "IN", "hello") == "ello\n\n"


def test_json_has_blanks_where_bpftrace_has_them():
    written = run('BEGIN { @ = (1, "x", (4, 5)); @r = (a=0, b=(1, 2)); @p = (int16 *)0x32; }', json=True).splitlines()
    assert written == [
        '{"type": "attached_probes", "count": 1, "data": {"probes": 1}}',
        '{"type": "map", "data": {"@": [1,"x",[4,5]]}}',
        '{"type": "map", "data": {"@p": 50}}',
        '{"type": "map", "data": {"@r": {"a": 0, "b": [1,2]}}}',
    ]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("fn f($a : int64) : int64 { return $a; } BEGIN { }", "fn f() cannot be replayed"),
        ("BEGIN { @ = 0; print(len(@)); }", "expects a map with explicit keys"),
        ('BEGIN { printf("%gr", 1); }', "%gr cannot be replayed"),
        ("struct F { int x : 3; }; BEGIN { }", "bit-fields cannot be replayed"),
        ("config = { license = Potato } BEGIN { }", "Invalid value for license. Found: Potato"),
        ("#define F(x) x\nBEGIN { print(F(1, 2)); }", "requires 1 arguments, but 2 were given"),
        ("BEGIN { print(ppid(5)); }", "ppid() cannot be replayed with arguments"),
        ('BEGIN { @ = tseries(1, 1s, 5, "mean"); }', "expects one of the following aggregation functions"),
    ],
)
def test_it_is_refused(script: str, words: str):
    assert words in refusal(script)


def test_an_imported_file_gives_its_macros_constants_and_structs(tmp_path: Path):
    (tmp_path / "more.bt").write_text("#define SEVEN 7\nmacro third(x) { x + SEVEN }\n")
    (tmp_path / "library.bt").write_text(
        'import "more.bt"\nmacro twice(x) { third(x) * 2 }\nstruct S { int a; int b; };\nenum E { ONE = 1 };\n'
    )
    script = tmp_path / "script.bt"
    script.write_text('import "library.bt";\nBEGIN { print((twice(1), sizeof(struct S), ONE)); }\n')
    assert run(script.read_text(), name=str(script)) == "(16, 8, ONE)\n\n\n"


def test_an_error_in_an_imported_file_has_its_place_there(tmp_path: Path):
    (tmp_path / "library.bt").write_text("\nmacro bad() { nope }\n")
    script = tmp_path / "script.bt"
    script.write_text('import "library.bt"\nBEGIN { print(bad()); }\n')
    said = refusal(script.read_text(), name=str(script)).splitlines()
    assert said[:2] == [f"{tmp_path}/library.bt:2:15-19: ERROR: Unknown identifier: 'nope'", "macro bad() { nope }"]
    (tmp_path / "library.bt").chmod(0o666)
    assert "may be written by anybody" in refusal(script.read_text(), name=str(script))


def test_an_imported_file_is_read_whole_or_refused(tmp_path: Path):
    library, script = tmp_path / "library.bt", tmp_path / "script.bt"
    script.write_text('import "library.bt"\nBEGIN { print(seven()); }\n')
    macro = "\nmacro seven() { 7 }"
    library.write_text("/" * ((1 << 20) - len(macro)) + macro)
    assert run(script.read_text(), name=str(script)) == "7\n\n\n"
    library.write_text("/" * (1 << 20) + macro)
    said = refusal(script.read_text(), name=str(script)).splitlines()
    assert said[0] == f"{script}:1:1-20: ERROR: library.bt: larger than 1 MiB, so it is not imported"
    library.unlink()
    os.mkfifo(library)
    assert "library.bt: not a file" in refusal(script.read_text(), name=str(script))


def test_what_an_imported_macro_tells_names_its_own_file_in_json(tmp_path: Path):
    (tmp_path / "library.bt").write_text('macro bad() { errorf("bad") }\n')
    text = 'import "library.bt"\nBEGIN { bad(); warnf("worse"); }\n'
    (tmp_path / "script.bt").write_text(text)
    told = [json.loads(line) for line in run(text, json=True, name=str(tmp_path / "script.bt")).splitlines()[1:]]
    assert [(line["filename"], line["line"], line["col"]) for line in told] == [
        (str(tmp_path / "library.bt"), 1, 15),
        (str(tmp_path / "script.bt"), 2, 16),
    ]


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("@s = sum(-7); print(@s * 2); print(@s > -8);", "-14\ntrue\n"),
        ("@m = max((int32)-3); print(@m - 1); @c = count(); print(@c - 3);", "-4\n-2\n"),
        (
            "$p = (uint8 *)0; print($p + 4); print((uint64)($p + 1)); print(*($p + 2)); print(str($p + 3));",
            "0x4\n1\n0\n\n",
        ),
        (
            "print((strerror(11), strerror(102), strerror(9999)));",
            "(Try again (operation would block), Network dropped connection because of reset, Unknown error)\n",
        ),
        ("print((syscall_name(1), syscall_name(99999)));", "(write, Unknown syscall)\n"),
        (
            "print((bswap(258), bswap(5), bswap(200), bswap(0x12345678), bswap(-2), bswap(5000000000)));",
            "(513, 5, 51200, 2018915346, 254, 68122622327521280)\n",
        ),
        (
            'print((sizeof(1), sizeof(200), sizeof(300 * 300), sizeof("abc"), sizeof((1, 300)), sizeof(5000000000)));',
            "(1, 2, 4, 4, 4, 8)\n",
        ),
    ],
)
def test_it_prints_what_0_27_printed(script: str, printed: str):
    assert run(f"BEGIN {{ {script} exit(); }}").startswith(printed)


def test_the_complement_of_a_narrow_unsigned_number_stays_narrow():
    script = """BEGIN {
 $a = (uint8)5; print(~$a); print(~$a + 1); print(~$a << 4); print(~$a == 250); print((1, ~$a)); print(~~$a);
 print((uint64)~$a - 300); print(~(uint16)7 * 2); print(~(uint32)9 - 1); print(~5); print(~(uint64)5);
 @[~$a] = sum(~$a);
}"""
    live = [
        "250",
        "251",
        "4000",
        "true",
        "(1,250)",
        "5",
        "-50",
        "131056",
        "4294967285",
        "18446744073709551610",
        "18446744073709551610",
    ]
    assert run(script).replace(", ", ",").splitlines() == [*live, "", "", "@[250]: 250"]


@pytest.mark.parametrize(
    ("kind", "body", "left"),
    [
        ("hash(1)", "@[1] = 1; @[2] = 2; @[1] = 3;", "@[1]: 3\n"),
        ("percpuhash(1)", "@[1] = count(); @[2] = count(); @[1] = count();", "@[1]: 2\n"),
        ("hash(2)", "@[1] = avg(4); @[2] = avg(5); @[3] = avg(6); delete(@, 1); @[3] = avg(7);", "@[2]: 5\n@[3]: 7\n"),
        ("lruhash(1)", "@[1] = 1; @[2] = 2;", "@[1]: 1\n@[2]: 2\n"),
    ],
)
def test_a_map_of_a_declared_size_takes_no_more_keys(kind: str, body: str, left: str):
    assert run(f"let @ = {kind}; BEGIN {{ {body} }}") == "\n\n" + left


def test_a_full_map_is_told_once():
    told = run("let @ = hash(1); BEGIN { @[1] = 1; @[2] = 2; @[3] = 3; }", json=True).splitlines()
    assert [json.loads(line)["type"] for line in told] == ["attached_probes", "warnf", "map"]
    assert json.loads(told[1])["msg"].startswith("Map full; can't update element.")


def test_a_map_of_size_none_is_refused():
    assert "a map has room for one entry at least" in refusal("let @ = hash(0); BEGIN { @[1] = 1; }")


def test_truth_values_are_numbers_in_0_17():
    printed = run("BEGIN { @b = true; @k[true] = false; print(!true); exit(); }", like="0.17")
    assert printed == "Attaching 1 probe...\n0\n\n\n@b: 1\n@k[1]: 0\n"


def test_a_deleted_count_without_keys_stays_in_0_17_and_is_zero():
    assert run("BEGIN { @ = count(); delete(@); }", like="0.17") == "Attaching 1 probe...\n\n\n@: 0\n"
