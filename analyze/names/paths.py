"""A path and the directory it starts at as one name: by its text alone, for symbolic links are not followed.

``.`` and ``//`` are left out. ``..`` at the beginning of the path goes up where the directory's name is ``canonical``,
that is, no symbolic link stands in it; else it stays, because what it leads to is not above in the text. A path that
begins with a slash goes nowhere from the root with it.
"""

from __future__ import annotations

from bpfrec.analyze.engine.sqltemplate import literal

ALL_PARTS = 2


def joined(base: str, canonical: bool, path: str) -> str:
    """``path`` from the directory ``base``; from the root, where it begins with a slash, which ``base`` then is."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    stem = [part for part in base.split("/") if part]
    absolute = path.startswith("/")
    while parts and parts[0] == ".." and (canonical or absolute):
        stem, parts = stem if absolute else stem[:-1], parts[1:]
    return "/" + "/".join((*stem, *parts))


def stays_canonical(canonical: bool, path: str, no_links: int) -> bool:
    """Whether the name of ``path`` is canonical as its directory's is.

    ``no_links``: which of its parts are known not to be links: 0 none, 1 the last, 2 all.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        del parts[0]
    return canonical and (no_links == ALL_PARTS or not parts or (no_links > 0 and parts == [path.rpartition("/")[2]]))


def joined_expression(base: str, canonical: str, path: str) -> str:
    """:func:`joined` in SQL; the arguments are SQL, and NULL where one of them is."""
    plain = f"(if({base} = '/', '', {base}) || if(starts_with({path}, '/'), '', '/') || {path})"
    dots = f"regexp_extract({path}, {literal(_DOTS)})"
    depth = f"if(starts_with({path}, '/'), 0, len(regexp_extract_all({dots}, {literal(_UP)})))"
    stem = f"string_split({base}, '/')"
    higher = f"'/' || array_to_string(list_slice({stem}, 2, greatest(len({stem}) - {depth}, 1)), '/')"
    above = f"{higher} || '/' || substr({path}, length({dots}) + 1)"
    goes_up = f"({canonical} OR starts_with({path}, '/')) AND regexp_matches({path}, {literal(_GOES_UP)})"
    cleaned = f"CASE WHEN {goes_up} THEN {above} ELSE {plain} END"
    for needless, less in (("/(?:[.]?/)+", "/"), ("/[.]?$", "")):
        cleaned = f"regexp_replace({cleaned}, {literal(needless)}, {literal(less)}, 'g')"
    tests = ("contains({0}, '//')", "contains({0}, './')", "ends_with({0}, '/')", "ends_with({0}, '.')")
    odd = " OR ".join(test.format(path) for test in tests)
    # Most paths are absolute, and name what they say.
    as_said = f"{base} = '/' AND starts_with({path}, '/')"
    return (
        f"CASE WHEN {base} IS NULL THEN NULL WHEN {odd} THEN coalesce(nullif({cleaned}, ''), '/')"
        f" WHEN {as_said} THEN {path} ELSE {plain} END"
    )


_DOTS = r"^/*(\.\.?(/+|$))*"
_UP = r"\.\."
_GOES_UP = r"^[/.]*\.\.(/|$)"
