"""Ranges of a file on a web server."""

from __future__ import annotations

import base64
import http.client
import re
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.remote.source import HEAD_BYTES, changed, missing, refused, unreadable
from bpfrec.formats.remote.uri import Uri

TIMEOUT_S = 20.0
"""How long a server may be silent."""
SLOWEST = 20_000
"""Bytes a second: a slower server is given up, but for the first :data:`TIMEOUT_S` seconds of an answer."""
TRIES = 3
_WAIT_S = 0.3
_COPY_BYTES = 1 << 16
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_PASSING = (408, 429, 500, 502, 503, 504)
"""Answers after which it pays to try again."""
_AGENT = "bpfrec"


class WebSource:
    """A file at ``uri`` (http or https); see :class:`.Source`. Proxies are those of the environment."""

    def __init__(self, uri: Uri) -> None:
        self._uri = uri
        self.size, self.version = 0, ""
        parts = urlsplit(uri.text)
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        self._authorization = _authorization(parts.username, parts.password)
        self._opener = urllib.request.build_opener(_Redirects)

    def begin(self, target: BinaryIO) -> int:
        """Writes the first bytes into ``target``; all of them if the server gives no ranges."""
        for attempt in range(TRIES):
            target.seek(0)
            target.truncate()
            try:
                with self._ask(0, HEAD_BYTES) as answer:
                    self.version = _version(answer.headers)
                    if answer.status == http.client.PARTIAL_CONTENT:
                        _, _, self.size = self._range(answer.headers)
                        return _copy(answer, target, min(HEAD_BYTES, self.size))
                    length = answer.headers.get("Content-Length", "")
                    self.size = _copy(answer, target, int(length) if length.isdecimal() else None)
                    return self.size
            except _Again as failure:
                self._pause(attempt, failure)
        raise AssertionError

    def read(self, start: int, length: int) -> bytes:
        """The bytes of a range."""
        for attempt in range(TRIES):
            try:
                with self._ask(start, length) as answer:
                    if _version(answer.headers) != self.version or answer.status != http.client.PARTIAL_CONTENT:
                        raise changed(self._uri)
                    first, last, size = self._range(answer.headers)
                    if size != self.size:
                        raise changed(self._uri)
                    if (first, last) != (start, start + length - 1):
                        raise unreadable(self._uri, "the server gives another range than it was asked for")
                    return b"".join(_Pieces(answer, length))
            except _Again as failure:
                self._pause(attempt, failure)
        raise AssertionError

    def close(self) -> None:
        """Nothing is open between requests."""

    def _ask(self, start: int, length: int) -> http.client.HTTPResponse:
        request = urllib.request.Request(self._url)  # noqa: S310 - of this scheme alone
        request.add_header("Range", f"bytes={start}-{start + length - 1}")
        request.add_header("Accept-Encoding", "identity")
        request.add_header("User-Agent", _AGENT)
        if self._authorization:
            # Where a redirect leads, it would be a gift.
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise self._failure(error.code, error.reason) from None
        except urllib.error.URLError as error:
            raise _Again(_cause(error.reason)) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Again(_cause(error)) from None
        return answer

    def _failure(self, status: int, reason: str) -> TraceFileError | _Again:
        if status in (401, 403, 407):
            hint = "Give a link that is signed, or name user and password: https://USER:PASSWORD@HOST/..."
            return refused(self._uri, f"{status} {reason}", hint)
        if status in (404, 410):
            return missing(self._uri)
        if status == 416:
            return changed(self._uri) if self.size else TraceFileError(f"{self._uri}: it is empty")
        cause = f"the server answers {status} {reason}"
        return _Again(cause) if status in _PASSING else unreadable(self._uri, cause)

    def _range(self, headers: Message) -> tuple[int, int, int]:
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if not found:
            raise unreadable(self._uri, "the server gives a range without its place and the file's size")
        first, last, size = map(int, found.groups())
        return first, last, size

    def _pause(self, attempt: int, failure: _Again) -> None:
        if attempt + 1 == TRIES:
            raise unreadable(self._uri, f"{failure} ({TRIES} tries)") from None
        time.sleep(_WAIT_S * 4**attempt)


class _Again(Exception):  # noqa: N818 - no error yet
    """A failure that may pass."""


class _Pieces:
    """The body of an answer, piece by piece, ``length`` bytes of it.

    Raises:
        _Again: it ends early, or comes too slowly.
    """

    def __init__(self, answer: IO[bytes], length: int | None) -> None:
        self._answer, self._left, self._begin, self._got = answer, length, time.monotonic(), 0

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> bytes:
        wanted = _COPY_BYTES if self._left is None else min(_COPY_BYTES, self._left)
        try:
            piece: bytes = self._answer.read1(wanted) if wanted else b""  # type: ignore[attr-defined]
        except (OSError, http.client.HTTPException) as error:
            raise _Again(_cause(error)) from None
        if not piece:
            if self._left:
                raise _Again("the connection ended early")
            raise StopIteration
        self._got += len(piece)
        if self._left is not None:
            self._left -= len(piece)
        if time.monotonic() - self._begin > TIMEOUT_S + self._got / SLOWEST:
            raise _Again("the server is too slow")
        return piece


def _copy(answer: IO[bytes], target: BinaryIO, length: int | None) -> int:
    """Copies ``length`` bytes, or those that come if it is None; returns how many."""
    return sum(target.write(piece) for piece in _Pieces(answer, length))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other web servers only, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """The next request; an error if it leads elsewhere."""
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise urllib.error.HTTPError(req.full_url, code, f"redirect to {scheme}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _authorization(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _version(headers: Message) -> str:
    return headers.get("ETag") or headers.get("Last-Modified") or ""


def _cause(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip() or type(error).__name__
