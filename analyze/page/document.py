"""The page as one HTML document: its template, style and scripts, all in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import bpfrec
from bpfrec.analyze.flame.html_page import content_hash
from bpfrec.analyze.flame.template import resource

if TYPE_CHECKING:
    import jinja2

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async |function |const |class )", re.MULTILINE)


def document(data: str, title: str, scripts: Iterable[str]) -> str:
    """The page. ``data`` is JSON as :func:`inert` makes it; ``title`` is escaped here.

    Its Content-Security-Policy permits the scripts and the style sheet that are in it, by their hashes, and no request.
    """
    style = f"{_text('vendor', 'uPlot.min.css')}\n{_text('assets', 'page.css')}"
    parts = [{"text": text, "hash": content_hash(text)} for text in scripts]
    return _template().render(
        data=data,
        title=title,
        version=bpfrec.__version__,
        style=style,
        style_hash=content_hash(style),
        scripts=parts,
    )


def inert(value: Any) -> str:
    """``value`` as JSON that can stand in a script element: nothing in it ends the element, or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_scripts() -> list[str]:
    """The scripts of a page that has its data: uPlot, and bpfrec's own."""
    return [_text("vendor", "uPlot.iife.min.js"), joined_modules("main.js")]


def viewer_scripts() -> list[str]:
    """The scripts of the viewer: uPlot, hyparquet with fzstd, and bpfrec's own."""
    vendored = [_text("vendor", name) for name in ("uPlot.iife.min.js", "hyparquet.min.js")]
    return [*vendored, joined_modules("viewer.js")]


def joined_modules(main: str) -> str:
    """The module ``main`` and all that it imports as one script, what is imported before what imports it.

    The modules share one scope, so no two of them have a name in common at their top level.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in texts:
            return
        text = _text("scripts", name)
        for imported in _IMPORT.findall(text):
            add(imported)
        texts[name] = _EXPORT.sub("", _IMPORT.sub("", text)).strip()

    add(main)
    return "\n".join(['(function () {\n"use strict";', resource("flame.js"), *texts.values(), "})();"])


@cache
def _text(folder: str, name: str) -> str:
    return files("bpfrec.analyze.page").joinpath(folder, name).read_text("utf-8").strip()


@cache
def _template() -> jinja2.Template:
    import jinja2  # noqa: PLC0415

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text("assets", "page.html.jinja"))
