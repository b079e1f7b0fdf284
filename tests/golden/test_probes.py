"""argdist and trace on the commands of the labs, in the text of bcc 0.26, byte for byte."""

from __future__ import annotations

import pytest
from support.probe_traces import nodey
from support.program import run_bpfrec
from support.trace_builder import TraceBuilder

from bpfrec.formats import schema

SLEEPS = "p::do_nanosleep(struct timespec *time):u64:time->tv_nsec"
OPENS = "p:c:open(char *filename):char*:filename"
RESULTS = "r:c:open():int:$retval"
STARS = "*" * 40


@pytest.fixture(scope="module")
def nodey_trace(tmp_path_factory):
    return nodey().write(tmp_path_factory.mktemp("nodey") / "nodey.bpfrec")


def report(trace, *arguments, notes=True):
    done = run_bpfrec("analyze", "-i", trace, "report", *arguments)
    assert done.returncode == 0, done.stderr
    return (done.stdout, done.stderr) if notes else done.stdout


def test_argdist_histogram_of_sleeps(lab1_trace):
    out, err = report(lab1_trace, "argdist", "-p", "4242", "-H", SLEEPS)
    rows = [(0, 1), *((1 << n, (2 << n) - 1) for n in range(1, 9))]
    empty = "".join(f"{low:10d} -> {high:<10d} : 0        |{' ' * 40}|\n" for low, high in rows)
    assert out == (
        "[10:00:02]\n"
        "     time->tv_nsec       : count     distribution\n"
        f"{empty}"
        f"       512 -> 1023       : 23       |{STARS}|\n"
    )
    assert err.startswith("bpfrec: nanosleep: matched clock_nanosleep (")


def test_argdist_count_of_paths(lab1_trace):
    out, err = report(lab1_trace, "argdist", "-p", "4242", "-C", OPENS)
    assert out == (
        "[10:00:02]\n"
        f"{OPENS}\n"
        "\tCOUNT      EVENT\n"
        "\t1          filename = <unreadable>\n"
        "\t24         filename = /etc/tracing-server-example.conf\n"
    )
    assert err == (
        "bpfrec: open: matched openat (glibc calls openat for open)\n"
        "bpfrec: times are UTC; the local time of the recording host was UTC+02:00\n"
    )


def test_argdist_count_of_results(lab1_trace):
    assert report(lab1_trace, "argdist", "-p", "4242", "-C", RESULTS, notes=False) == (
        f"[10:00:02]\n{RESULTS}\n\tCOUNT      EVENT\n\t1          $retval = 3\n\t24         $retval = -1\n"
    )


def test_argdist_counts_stand_before_histograms_and_labels_replace_headings(nodey_trace):
    arguments = [
        "-H",
        "p::write(int fd, char *b, size_t n):size_t:n#bytes",
        "-C",
        "p:c:write()#writes",
        "-C",
        "r:c:write()",
    ]
    out = report(nodey_trace, "argdist", *arguments, notes=False)
    lines = out.splitlines()
    assert lines[:8] == [
        "[10:00:02]",
        "writes",
        "\tCOUNT      EVENT",
        "\t2          total calls",
        "r:c:write()",
        "\tCOUNT      EVENT",
        "\t1          retval = 0",
        "\t1          retval = 5",
    ]
    assert lines[8] == "               bytes                         : count     distribution"
    assert lines[11] == "                   4 -> 7                    : 1        |********************|"
    assert lines[-1] == "          8589934592 -> 17179869183          : 1        |********************|"


def test_argdist_intervals(nodey_trace):
    head = "p:c:write()\n\tCOUNT      EVENT\n"
    arguments = ["argdist", "-C", "p:c:write()", "-i", "1"]
    assert report(nodey_trace, *arguments, notes=False) == (
        f"[10:00:01]\n{head}[10:00:02]\n{head}\t2          total calls\n"
    )
    assert report(nodey_trace, *arguments, "-n", "1", notes=False) == f"[10:00:01]\n{head}"
    assert report(nodey_trace, *arguments, "-d", "1", notes=False) == f"[10:00:01]\n{head}"
    both = ["argdist", "-C", "p::open()", "-i", "1", "-c"]
    body = "p::open()\n\tCOUNT      EVENT\n\t5          total calls\n"
    assert report(nodey_trace, *both, notes=False) == f"[10:00:01]\n{body}[10:00:02]\n{body}"


HEADER = "PID     TID     COMM            FUNC             "


def test_trace_of_a_path_with_stacks(nodey_trace):
    # The last is of nodey.conf.new: bcc's STRCMP compares as many characters as its constant has.
    out, err = report(nodey_trace, "trace", 'SyS_open (STRCMP("/etc/nodey.conf", arg1))', "-U", "-p", "700")
    assert out == (
        f"{HEADER}\n"
        "700     700     node            SyS_open         \n"
        "        open64+0x58 [libc.so.6]\n"
        "        LazyCompile:*about /root/nodey/app.js:23+0x1a [perf-700.map]\n"
        "        [unknown] [node]\n"
        "        [unknown]\n"
        "\n"
        "700     700     node            SyS_open         \n"
        "        __vdso_time+0x4 [[vdso]]\n"
        "\n"
        "700     700     node            SyS_open         \n"
        "        [no stack recorded]\n"
        "\n"
        "700     700     node            SyS_open         \n"
        "        [no stack recorded]\n"
        "\n"
        "700     700     node            SyS_open         \n"
        "        [no stack recorded]\n"
        "\n"
    )
    assert err.splitlines() == [
        "bpfrec: open: matched open, openat, openat2, creat (glibc calls openat for open)",
        "bpfrec: no stack was recorded with 3 of 5 events",
    ]


def test_trace_messages_and_columns(nodey_trace):
    probes = [
        'r::open ((int)retval == -2) "%s %d %llx", arg1, -1, arg2',
        'p::nanosleep(struct timespec *t) "%lld", t->tv_nsec',
    ]
    out, err = report(nodey_trace, "trace", *probes, "-t", "-C")
    assert out == (
        f"TIME     CPU {HEADER}-\n"
        "0.003000 0   700     700     node            open             /etc/nodey.conf -1 40\n"
        "0.008000 0   700     700     node            nanosleep        700\n"
        "0.009000 0   700     700     node            nanosleep        3\n"
    )
    assert "bpfrec: open: 1 calls of openat2 left out: flags is none of its arguments\n" in err
    assert report(nodey_trace, "trace", "creat", "-u", notes=False) == (
        f"{'TIME':<17} {HEADER}\n1785578400.005000 700     700     node            creat            \n"
    )
    assert report(nodey_trace, "trace", "creat", "-T", "-n", "no", notes=False) == (
        f"{'TIME':<8} {HEADER}\n10:00:00 700     700     node            creat            \n"
    )


def test_trace_addresses_and_aggregation(nodey_trace):
    out = report(nodey_trace, "trace", 'open "%s", arg1', "-U", "-a", "-A", "-M", "4", notes=False)
    node = "700     700     node            open             /etc/nodey.conf"
    assert f"{node}\n            7f0000001000 open64+0x58 [libc.so.6]\n" in out
    assert out.endswith(f"{node}\n        [no stack recorded]\n-->COUNT 1\n\n")
    out = report(nodey_trace, "trace", 'open "%s", arg1', "-A", "-M", "4", notes=False)
    assert out == f"{HEADER}-\n{node}\n-->COUNT 3\n\n{node}.new\n-->COUNT 1\n\n"


def test_probes_read_members_of_structs_that_are_passed(tmp_path):
    builder = TraceBuilder()
    how = builder.call("openat2", 0, -100, 1, 0x7000, 24, path="/a")
    builder.add(schema.STRUCTS, event_id=how, arg=2, kind="open_how", word0=0o100, word1=0o640, word2=8)
    lock = builder.call("fcntl", 1, 3, 6, 0x7000)
    builder.add(schema.STRUCTS, event_id=lock, arg=2, kind="flock", word0=2 << 16 | 1, word1=2**64 - 5, word2=0)
    trace = builder.write(tmp_path / "t.bpfrec")

    opens = "p::openat2(int dfd, const char *name, struct open_how *how):u64,u64:how->mode,how->resolve"
    out = report(trace, "argdist", "-C", opens, notes=False)
    assert "how->mode = 416, how->resolve = 8" in out
    locks = 'p::fcntl(int fd, int cmd, struct flock *l) "%d %d %d", l->l_type, l->l_whence, l->l_start'
    out = report(trace, "trace", locks, notes=False)
    assert out.splitlines()[1].endswith("fcntl            1 2 -5")
