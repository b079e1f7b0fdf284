"""An S3 in this process (moto's server), with a bucket called ``traces``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pyarrow.fs
from moto.server import ThreadedMotoServer

BUCKET = "traces"


@contextmanager
def object_store() -> Iterator[pyarrow.fs.S3FileSystem]:
    """Gives a file system of its own for the test; bpfrec finds the store by the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        with patch.dict(os.environ, environment):
            store = pyarrow.fs.S3FileSystem(
                allow_bucket_creation=True, endpoint_override=f"{host}:{port}", scheme="http", region="us-east-1"
            )
            store.create_dir(BUCKET)
            yield store
    finally:
        server.stop()


def put(store: pyarrow.fs.S3FileSystem, key: str, content: bytes) -> str:
    """Writes an object, and returns its address."""
    with store.open_output_stream(f"{BUCKET}/{key}") as target:
        target.write(content)
    return f"s3://{BUCKET}/{key}"
