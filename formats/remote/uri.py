"""Names of traces that are elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

WEB_SCHEMES = ("http", "https")
STORE_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss")

_URI = re.compile(rf"(?:{'|'.join((*WEB_SCHEMES, *STORE_SCHEMES))})://\S+", re.IGNORECASE)
_FILE = "file://"


@dataclass(frozen=True)
class Uri:
    """The address of a trace in an object store or on a web server.

    ``text`` may hold secrets: a password, or the query of a signed link. As a string it is shown without them.
    """

    text: str

    @property
    def scheme(self) -> str:
        """``https``, ``s3`` and so on, in lower case."""
        return self.text.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """The last part of its path, as of a file."""
        return unquote(urlsplit(self.text).path).rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        """Scheme, host and path."""
        parts = urlsplit(self.text)
        host = parts.netloc.rpartition("@")[2]
        if self.scheme.startswith("abfs") and "@" in parts.netloc and ":" not in parts.netloc.partition("@")[0]:
            # abfs://CONTAINER@ACCOUNT/: no user stands there.
            host = parts.netloc
        return f"{self.scheme}://{host}{parts.path}"


def trace_place(name: str | Path | Uri) -> Path | Uri:
    """Where the trace called ``name`` is: an address if it begins as one, else a path."""
    if isinstance(name, str):
        if _URI.fullmatch(name):
            return Uri(name)
        if name.lower().startswith(_FILE):
            # It comes with a web client, which takes longer to import than all else that a start needs of this.
            from urllib.request import url2pathname  # noqa: PLC0415

            return Path(url2pathname(name[len(_FILE) :].removeprefix("localhost")))
        return Path(name)
    return name
