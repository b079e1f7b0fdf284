"""Ranges of an object in S3, Google Cloud Storage or Azure, through the file systems that pyarrow has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.remote.source import HEAD_BYTES, changed, missing, refused, unreadable
from bpfrec.formats.remote.store_endpoint import with_endpoint
from bpfrec.formats.remote.uri import Uri

if TYPE_CHECKING:
    import pyarrow.fs

_REFUSED = re.compile(
    r"ACCESS_DENIED|Forbidden|Unauthorized|UNAUTHENTICATED|PERMISSION_DENIED|\b40[13]\b"
    r"|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN|AuthenticationFailed"
    r"|AuthorizationFailure|credential",
    re.IGNORECASE,
)
_GONE = re.compile(r"RESOURCE_NOT_FOUND|NO_SUCH_KEY|NO_SUCH_BUCKET|NoSuchKey|\b404\b")
_CREDENTIALS = {
    "s3": "Credentials are those of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, of ~/.aws, or of the machine's role.",
    "gs": "Credentials are those of GOOGLE_APPLICATION_CREDENTIALS or of gcloud; for a public bucket: "
    "gs://anonymous@BUCKET/...",
    "abfs": "Credentials are those of the environment or of az login.",
}
_MOST_CAUSE = 300
_QUERY = re.compile(r"(\w://[^\s'\"?]*)\?[^\s'\"]*")
_USER = re.compile(r"(\w://)[^\s'\"/@]*:[^\s'\"/@]*@")


class StoreSource:
    """An object at ``uri``; see :class:`.Source`. Credentials are those that the environment gives.

    Each range is followed by a look at the object's version, for pyarrow cannot ask for a range of one version.
    """

    def __init__(self, uri: Uri) -> None:
        self._uri = uri
        self.size, self.version = 0, ""
        self._system: pyarrow.fs.FileSystem | None = None
        self._path = ""
        self._file: Any = None

    def begin(self, target: BinaryIO) -> int:
        """Opens the object and writes its first bytes into ``target``."""
        try:
            self._system, self._path = file_system(self._uri)
            self._file = self._system.open_input_file(self._path)
            self.size = self._file.size()
            self.version = self._version(self._file)
            head = self._file.read_at(min(HEAD_BYTES, self.size), 0) if self.size else b""
        except OSError as error:
            raise store_error(self._uri, error) from None
        if not self.size:
            raise TraceFileError(f"{self._uri}: it is empty")
        return target.write(head)

    def read(self, start: int, length: int) -> bytes:
        """The bytes of a range."""
        if self._system is None:
            raise ValueError("it has not begun")
        try:
            content: bytes = self._file.read_at(length, start)
            with self._system.open_input_file(self._path) as again:
                same = again.size() == self.size and self._version(again) == self.version
        except OSError as error:
            raise store_error(self._uri, error) from None
        if not same:
            raise changed(self._uri)
        if len(content) != length:
            raise unreadable(self._uri, "the store gives fewer bytes than it was asked for")
        return content

    def close(self) -> None:
        """Closes the object."""
        if self._file is not None:
            self._file.close()

    def _version(self, file: Any) -> str:
        found = {_text(key).lower(): _text(value) for key, value in (file.metadata() or {}).items()}
        for key in ("etag", "generation", "last-modified"):
            if key in found:
                return found[key]
        if self._system is None:
            return ""
        return str(self._system.get_file_info(self._path).mtime_ns)


def file_system(uri: Uri) -> tuple[pyarrow.fs.FileSystem, str]:
    """The file system that ``uri`` is in, and the path there.

    Raises:
        TraceFileError: it is no address of a store.
        OSError: the store cannot be reached.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.fs  # noqa: PLC0415

    text = uri.text.replace("gcs://", "gs://", 1) if uri.scheme == "gcs" else uri.text
    if uri.scheme == "s3":
        text = with_endpoint(text)
    try:
        system, path = pa.fs.FileSystem.from_uri(text)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TraceFileError(f"{uri}: this is no address of a store: {cause_of(error)}") from None
    return system, path


def store_error(uri: Uri, error: OSError) -> TraceFileError:
    """What pyarrow says, as bpfrec says it."""
    cause = cause_of(error)
    said = _without_queries(str(error))
    if isinstance(error, FileNotFoundError) or _GONE.search(said):
        return missing(uri)
    if isinstance(error, PermissionError) or _REFUSED.search(said):
        return refused(uri, cause, _CREDENTIALS.get(uri.scheme.rstrip("s") if "abfs" in uri.scheme else uri.scheme, ""))
    return unreadable(uri, cause)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def cause_of(error: Exception) -> str:
    """What pyarrow says, on one line and without secrets."""
    text = _without_queries(str(error)).strip() or type(error).__name__
    return text.splitlines()[0][:_MOST_CAUSE]


def _without_queries(text: str) -> str:
    """``text`` without the queries of addresses in it: signatures may be there, and user and password."""
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))
