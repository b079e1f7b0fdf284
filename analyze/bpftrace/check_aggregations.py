"""Aggregations: count(), hist() and their like."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_arguments import ArgumentCheck
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.functions import MOST_BUCKETS, MOST_INTERVALS
from bpfrec.analyze.bpftrace.kinds import Aggregate, Int, Kind, Pointer
from bpfrec.analyze.bpftrace.timeseries import WAYS


class AggregationCheck:
    """Checks what is aggregated, and how."""

    def __init__(self, arguments: ArgumentCheck) -> None:
        self.arguments = arguments
        self.e = arguments.e

    def check(self, node: tree.Call) -> Kind:
        """The type of what a map holds that is assigned an aggregation."""
        name = node.name
        if name == "count":
            return Aggregate("count", True)
        kind = self.e.number(node.arguments[0], f"{name}() only supports integer arguments")
        if isinstance(kind, Pointer):
            raise Problem(node.span, f"{name}() only supports integer arguments, not '{kind}'")
        signed = isinstance(kind, Int) and kind.signed
        if name == "lhist":
            low, high, step = (self.arguments.number(a, "lhist") for a in node.arguments[1:])
            if step <= 0:
                raise Problem(node.span, f"lhist() step must be >= 1 ({step} provided)")
            if low > high:
                raise Problem(node.span, f"lhist() min must be less than max (provided min {low} and max {high})")
            if (high - low) // step > MOST_BUCKETS:
                raise Problem(
                    node.span,
                    f"lhist() too many buckets, must be <= {MOST_BUCKETS} (would need {(high - low) // step})",
                )
            return Aggregate("lhist", signed, (low, high, step))
        if name == "tseries":
            return self._series(node, signed)
        if name == "hist":
            bits = self.arguments.number(node.arguments[1], "hist") if len(node.arguments) > 1 else 0
            if not 0 <= bits <= 5:
                raise Problem(node.span, f"hist() bits {bits} must be 0..5")
            return Aggregate("hist", signed, (bits,))
        return Aggregate(name, signed)

    def _series(self, node: tree.Call, signed: bool) -> Kind:
        interval, count = (self.arguments.number(a, "tseries") for a in node.arguments[1:3])
        if interval < 1:
            raise Problem(node.span, f"tseries() interval_ns must be >= 1 ({interval} provided)")
        if count < 1:
            raise Problem(node.span, f"tseries() num_intervals must be >= 1 ({count} provided)")
        if count >= MOST_INTERVALS:
            raise Problem(node.span, f"tseries() num_intervals must be < {MOST_INTERVALS} ({count} provided)")
        way = self.arguments.string(node, 3) if len(node.arguments) > 3 else ""
        if way not in WAYS or (len(node.arguments) > 3 and not way):
            listed = ", ".join(filter(None, WAYS))
            raise Problem(
                node.span, f'tseries() expects one of the following aggregation functions: {listed} ("{way}" provided)'
            )
        return Aggregate("tseries", signed, (interval, count, WAYS.index(way)))
