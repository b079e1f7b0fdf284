"""formats/remote/store_source.py: what stores say, as bpfrec says it."""

from __future__ import annotations

import pytest

from bpfrec.formats.remote.store_source import store_error
from bpfrec.formats.remote.uri import Uri

SIGNED = Uri("abfs://account@127.0.0.1:10000/traces/t.bpfrec?sv=2020-12-06&sig=SECRET%3D")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "GetProperties failed for 'http://127.0.0.1/traces/t.bpfrec?sv=1&sig=SECRET%3D'. 403 AuthenticationFailed",
            "access is refused: GetProperties failed for 'http://127.0.0.1/traces/t.bpfrec'. 403",
        ),
        ("Cannot open http://127.0.0.1/t.bpfrec?sig=SECRET: 404 not found\nand more", "no such trace"),
        ("Timeout at https://me:SECRET@127.0.0.1/t.bpfrec", "it cannot be read: Timeout at https://127.0.0.1/t.bpfrec"),
        ("", "it cannot be read: OSError"),
    ],
)
def test_no_secret_is_said(said: str, message: str) -> None:
    error = store_error(SIGNED, OSError(said))
    assert error.message.startswith(f"abfs://account@127.0.0.1:10000/traces/t.bpfrec: {message}")
    assert "SECRET" not in error.message + error.hint
