"""Dataclasses and named tuples as JSON and back, checked against their types: a file may come from anybody."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_LEAST, _END = -(1 << 63), 1 << 64


def to_json(value: Any) -> str:
    """Returns ``value`` as JSON on one line. Sets become sorted lists, paths and keys of dictionaries strings."""
    return json.dumps(_plain(value), separators=(",", ":"))


def from_json(kind: type[T], text: str | bytes) -> T:
    """Returns the ``kind`` that ``text`` stands for, made by :func:`to_json`.

    Raises:
        ValueError: it is not JSON, or not that of a ``kind``.
    """
    try:
        return from_plain(kind, json.loads(text))
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def from_plain(kind: type[T], raw: Any) -> T:
    """Returns the ``kind`` made of ``raw``, what JSON gave. Unknown members are ignored.

    Raises:
        ValueError: ``raw`` is not that of a ``kind``.
    """
    made: T = _typed(kind, raw)
    return made


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.init}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, frozenset | set):
        return [_plain(each) for each in sorted(value)]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    known = {field.name for field in fields(kind) if field.init} if is_dataclass(kind) else get_type_hints(kind).keys()
    return {name: hint for name, hint in get_type_hints(kind).items() if name in known}


def _typed(kind: Any, raw: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    made: Any
    if origin in (Union, types.UnionType):
        given = next(each for each in arguments if each is not type(None))
        made = None if raw is None and type(None) in arguments else _typed(given, raw)
    elif origin in (list, set, frozenset, tuple):
        made = _sequence(origin, arguments, raw)
    elif origin is dict:
        made = _dictionary(arguments, raw)
    elif is_dataclass(kind) or (isinstance(kind, type) and issubclass(kind, tuple)):
        made = _structure(kind, raw)
    else:
        made = _scalar(kind, raw)
    return made


def _scalar(kind: Any, raw: Any) -> Any:
    if kind is Path and isinstance(raw, str) and "\0" not in raw:
        return Path(raw)
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if not isinstance(kind, type) or type(raw) is not kind or (isinstance(raw, int) and not _LEAST <= raw < _END):
        raise ValueError(_wrong(kind, raw))
    return raw


def _dictionary(arguments: tuple[Any, ...], raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise ValueError(_wrong(dict, raw))
    return {_key(arguments[0], key): _typed(arguments[1], each) for key, each in raw.items()}


def _sequence(origin: Any, arguments: tuple[Any, ...], raw: Any) -> Any:
    if not isinstance(raw, list):
        raise ValueError(_wrong(origin, raw))
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(raw) != len(arguments):
            raise ValueError(_wrong(origin, raw))
        return tuple(_typed(each, value) for each, value in zip(arguments, raw, strict=True))
    return origin(_typed(arguments[0], value) for value in raw)


def _structure(kind: Any, raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise ValueError(_wrong(kind, raw))
    members = {name: _typed(hint, raw[name]) for name, hint in _hints(kind).items() if name in raw}
    try:
        return kind(**members)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _key(kind: Any, key: str) -> Any:
    if kind is str:
        return key
    if kind is int and key.lstrip("-").isascii() and key.lstrip("-").isdigit() and len(key) < 20:
        return int(key)
    raise ValueError(_wrong(kind, key))


def _wrong(kind: Any, raw: Any) -> str:
    return f"{raw!r}"[:80] + f" is no {getattr(kind, '__name__', kind)}"
