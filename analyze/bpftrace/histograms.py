"""Histograms as bpftrace draws them: buckets, labels, bars."""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.analyze.bpftrace.dialect import Dialect

_BAR = 52
_UNITS = "KMGTPE"


def fine_bucket(value: int, bits: int) -> int:
    """The bucket of ``hist(value, bits)``, which has 2^bits buckets for each power of two; -1: negative."""
    if value < 0 or value >= 1 << 63:
        return -1
    if value < 1 << bits:
        return value
    power = value.bit_length() - 1
    return ((power - bits + 1) << bits) + ((value >> (power - bits)) & ((1 << bits) - 1))


def linear_bucket(value: int, low: int, high: int, step: int) -> int:
    """The bucket of ``lhist(value, low, high, step)``: 0 below, then one for each step, then that of ``high`` on."""
    if value < low:
        return 0
    if value >= high:
        return (high - low) // step + 1
    return (value - low) // step + 1


def _power_label(power: int, dialect: Dialect) -> str:
    units = "KMGT" if dialect.old else _UNITS
    unit = min(power // 10, len(units))
    return f"{1 << (power - 10 * unit)}{units[unit - 1] if unit else ''}"


def _hist_range(bucket: int, bits: int) -> tuple[int, int]:
    """The first value of a bucket and the first behind it."""
    if bits == 0:
        return (0, 1) if bucket == 0 else (1 << (bucket - 1), 1 << bucket)
    if bucket < 1 << bits:
        return bucket, bucket + 1
    power = (bucket >> bits) + bits - 1
    part = 1 << (power - bits)
    start = (1 << power) + (bucket & ((1 << bits) - 1)) * part
    return start, start + part


def _fine_bound(bucket: int, bits: int) -> str:
    """The first value of a bucket that is part of a power of two, in a unit that the width of the bucket decides."""
    start, end = _hist_range(bucket, bits)
    unit = min((end - start).bit_length() - 1, 10 * len(_UNITS)) // 10
    return f"{start >> 10 * unit}{_UNITS[unit - 1] if unit else ''}"


def hist_lines(counts: dict[int, int], bits: int, div: int, dialect: Dialect) -> Iterator[str]:
    """The lines of a histogram by powers of two."""
    buckets = sorted(bucket for bucket, count in counts.items() if count)
    if not buckets:
        return
    most = max(counts.values())
    for bucket in range(buckets[0], buckets[-1] + 1):
        count = counts.get(bucket, 0)
        if bucket < 0:
            label = "(..., 0)"
        else:
            start, end = _hist_range(bucket, bits)
            if end - start == 1:
                label = f"[{start}]"
            elif bits == 0:
                label = f"[{_power_label(bucket - 1, dialect)}, {_power_label(bucket, dialect)})"
            else:
                label = f"[{_fine_bound(bucket, bits)}, {_fine_bound(bucket + 1, bits)})"
        yield _line(label, count, most, div)


def lhist_lines(counts: dict[int, int], bounds: tuple[int, ...], div: int, dialect: Dialect) -> Iterator[str]:
    """The lines of a linear histogram."""
    low, high, step = bounds
    del div  # it is ignored
    buckets = sorted(bucket for bucket, count in counts.items() if count)
    if not buckets:
        return
    last = (high - low) // step + 1
    most = max(counts.values())
    for bucket in range(buckets[0], buckets[-1] + 1):
        if bucket == 0:
            label = f"(..., {_linear(low, step, dialect)})"
        elif bucket == last:
            label = f"[{_linear(high, step, dialect)}, ...)"
        else:
            start = low + (bucket - 1) * step
            label = f"[{_linear(start, step, dialect)}, {_linear(start + step, step, dialect)})"
        yield _line(label, counts.get(bucket, 0), most, 1)


def _linear(value: int, step: int, dialect: Dialect) -> str:
    if not dialect.old and step % 1024:
        return str(value)
    for power, unit in ((20, "M"), (10, "K")):
        if value and value % (1 << power) == 0:
            return f"{value >> power}{unit}"
    return str(value)


def _line(label: str, count: int, most: int, div: int) -> str:
    bar = "@" * int(count / most * _BAR)
    return f"{label:<16s}{count // div:>8d} |{bar:<{_BAR}s}|"


def hist_json(counts: dict[int, int], bits: int) -> list[dict[str, int]]:
    """The buckets of a histogram by powers of two, as -f json writes them: between the first and last with a count."""
    buckets = sorted(bucket for bucket, count in counts.items() if count)
    if not buckets:
        return []
    out = []
    for bucket in range(buckets[0], buckets[-1] + 1):
        count = counts.get(bucket, 0)
        if bucket < 0:
            out.append({"max": -1, "count": count})
        else:
            start, end = _hist_range(bucket, bits)
            out.append({"min": start, "max": end - 1, "count": count})
    return out


def lhist_json(counts: dict[int, int], bounds: tuple[int, ...]) -> list[dict[str, int]]:
    """The buckets of a linear histogram."""
    low, high, step = bounds
    buckets = sorted(bucket for bucket, count in counts.items() if count)
    if not buckets:
        return []
    last = (high - low) // step + 1
    out = []
    for bucket in range(buckets[0], buckets[-1] + 1):
        count = counts.get(bucket, 0)
        if bucket == 0:
            out.append({"max": low - 1, "count": count})
        elif bucket == last:
            out.append({"min": high, "count": count})
        else:
            start = low + (bucket - 1) * step
            out.append({"min": start, "max": start + step - 1, "count": count})
    return out
