"""A web server with one file, which notes what it is asked and can be made to misbehave."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """``ranges``: the bytes that were asked for, (start, end). ``fail``: answers to give instead, one after the other,
    before it works. ``cut``: how many bytes of each answer are left out.
    """

    content: bytes
    etag: str = '"one"'
    has_ranges: bool = True
    cut: int = 0
    fail: list[int] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    redirect: str = ""
    pause_s: float = 0
    address: str = ""

    @property
    def bytes_given(self) -> int:
        return sum(end - start for start, end in self.ranges)


@contextmanager
def serve(served: Served) -> Iterator[Served]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            time.sleep(served.pause_s)
            served.authorizations.append(self.headers.get("Authorization"))
            if served.redirect:
                self.send_response(302)
                self.send_header("Location", served.redirect)
                self.end_headers()
                return
            if served.fail:
                self.send_error(served.fail.pop(0))
                return
            start, end = 0, len(served.content)
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if found and served.has_ranges:
                start, end = int(found[1]), min(int(found[2]) + 1, end)
                if start >= end:
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(served.content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", served.etag)
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            if self.command == "HEAD":
                return
            served.ranges.append((start, end))
            self.wfile.write(served.content[start : end - served.cut])

        def do_HEAD(self) -> None:
            self.do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    served.address = f"http://127.0.0.1:{server.server_port}/a/trace.bpfrec"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
