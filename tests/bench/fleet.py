"""Measures what a fleet costs: ``make bench-fleet``, or with options (``--traces 210 2000 --on local spark``).

The traces are the samples under other names, served by a process of this machine: over HTTP, or by moto's S3 (``--store
s3``), which takes more CPU time than bpfrec does. For each command it prints seconds, CPU seconds of all processes of
bpfrec and Spark, CPU seconds of the server, bytes read, and the memory of the largest
process so far.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

SAMPLES = sorted((Path(__file__).parents[2] / "sample_traces").glob("*.bpfrec"))
CHOSEN = "trace LIKE '%/build-%'"
SQL = "SELECT syscall, count(*) AS calls FROM syscalls GROUP BY ALL"
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """What one command cost; ``rows``: those of its answer, sorted."""

    seconds: float
    cpu_s: float
    server_cpu_s: float
    largest_bytes: int
    rows: list[str]


def serve_http(pipe: Any) -> None:
    contents = {path.stem: path.read_bytes() for path in SAMPLES}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2].rpartition("-")[0]
            content = contents[name]
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            start, end = (int(found[1]), min(int(found[2]) + 1, len(content))) if found else (0, len(content))
            self.send_response(206 if found else 200)
            if found:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
            self.send_header("ETag", f'"{name}"')
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            self.wfile.write(content[start:end])

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    pipe.send(server.server_port)
    server.serve_forever()


def serve_s3(pipe: Any) -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    pipe.send(server.get_host_and_port()[1])
    time.sleep(1e6)


@contextmanager
def store(kind: str, count: int, folder: Path) -> Iterator[tuple[str, int]]:
    """A store with ``count`` traces: the place of them, and the pid of the server."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve_s3 if kind == "s3" else serve_http, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    names = [f"{SAMPLES[at % len(SAMPLES)].stem}-{at}.bpfrec" for at in range(count)]
    try:
        if kind == "http":
            listed = folder / "traces.txt"
            listed.write_text("".join(f"http://127.0.0.1:{port}/{name}\n" for name in names))
            yield str(listed), server.pid or 0
        else:
            os.environ |= {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
            fill(port, names)
            yield "s3://fleet/traces/", server.pid or 0
    finally:
        server.kill()


def fill(port: int, names: list[str]) -> None:
    import pyarrow.fs

    system = pyarrow.fs.S3FileSystem(
        allow_bucket_creation=True, endpoint_override=f"127.0.0.1:{port}", scheme="http", region="us-east-1"
    )
    system.create_dir("fleet")
    contents = [path.read_bytes() for path in SAMPLES]
    for at, name in enumerate(names):
        with system.open_output_stream(f"fleet/traces/{name}") as target:
            target.write(contents[at % len(contents)])


def measured(server: int, *arguments: str) -> Cost:
    before, used, begin = _server_cpu_s(server), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "bpfrec", "fleet", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    rows = sorted(process.stdout)
    if process.wait():
        sys.exit(f"bpfrec fleet {' '.join(arguments)} ended with {process.returncode}")
    seconds = time.monotonic() - begin
    await_others(server)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime - used.ru_utime - used.ru_stime
    return Cost(seconds, cpu, _server_cpu_s(server) - before, usage.ru_maxrss << 10, rows)


def adopt_orphans() -> None:
    """Makes processes whose parent ends children of this one: Spark's JVM ends after who started it."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def await_others(server: int) -> None:
    """Waits for all processes but the server, so that their CPU time counts."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while left := [int(pid) for pid in children.read_text().split() if int(pid) != server]:
        os.waitpid(left[0], 0)


def _server_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, nargs="+", default=[210])
    parser.add_argument("--store", choices=("http", "s3"), default="http")
    parser.add_argument("--on", choices=("local", "spark"), nargs="+", default=["local"])
    parser.add_argument("--ask", choices=("index", "chosen", "all"), nargs="+", default=["index", "chosen", "all"])
    parser.add_argument("--jobs", default="2")
    options = parser.parse_args()
    adopt_orphans()
    print("traces store  on     question  seconds   CPU s  server CPU s   MB read  requests  largest MB", flush=True)
    for count in options.traces:
        with tempfile.TemporaryDirectory() as name, store(options.store, count, Path(name)) as (place, server):
            measure(options, count, place, server, Path(name))


def measure(options: argparse.Namespace, count: int, place: str, server: int, folder: Path) -> None:
    index, status = folder / "fleet.parquet", folder / "status.csv"

    def show(on: str, what: str, cost: Cost, read: int, requests: int) -> None:
        print(
            f"{count:>6} {options.store:<6} {on:<6} {what:<8} {cost.seconds:>8.1f} {cost.cpu_s:>7.1f} "
            f"{cost.server_cpu_s:>13.1f} {read / 1e6:>9.1f} {requests:>9} {cost.largest_bytes / 1e6:>11.0f}",
            flush=True,
        )

    cost = measured(server, "index", place, "-o", str(index))
    show("", "index", cost, pc.sum(pq.read_table(index)["bytes_read"]).as_py() or 0, count)
    for what, where in (("chosen", ["--where", CHOSEN]), ("all", [])):
        if what not in options.ask:
            continue
        answers = []
        for on in options.on:
            cost = measured(
                server, "sql", SQL, "--fleet", str(index), *where, "--on", on, "--jobs", options.jobs,
                "--format", "csv", "--status", str(status), "--force",
            )  # fmt: skip
            with status.open() as file:
                rows = list(csv.DictReader(file))
            show(on, what, cost, sum(int(row["bytes_read"]) for row in rows), sum(int(row["requests"]) for row in rows))
            answers.append(cost.rows)
        if any(answer != answers[0] for answer in answers):
            sys.exit("the answers differ")


if __name__ == "__main__":
    main()
