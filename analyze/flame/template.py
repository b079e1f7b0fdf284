"""The templates and scripts of flame graphs; every value is escaped for HTML and XML."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def resource(name: str) -> str:
    """The text of ``flame/templates/NAME``."""
    return files("bpfrec.analyze.flame").joinpath("templates", name).read_text("utf-8").strip()


@cache
def template(name: str) -> jinja2.Template:
    """The template ``flame/templates/NAME``."""
    import jinja2  # noqa: PLC0415

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(resource(name))
