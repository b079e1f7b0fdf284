"""Where the S3 of ``AWS_ENDPOINT_URL`` is: a store that is not Amazon's."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def with_endpoint(text: str) -> str:
    """The ``s3://`` address with the endpoint of the environment, unless it names one itself."""
    endpoint = next(filter(None, map(os.environ.get, _VARIABLES)), "")
    parts = urlsplit(text)
    options = parse_qsl(parts.query)
    if not endpoint or any(name == "endpoint_override" for name, _ in options):
        return text
    at = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    options += [("endpoint_override", at.netloc), ("scheme", at.scheme)]
    return urlunsplit(parts._replace(query=urlencode(options)))
