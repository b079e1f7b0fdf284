"""What the names in a probe stand for, as columns of the trace's views, and which rows the probe fires on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property
from importlib.resources import files

from bpfrec.analyze.engine.sqltemplate import literal, render_text
from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.c_to_sql import POINTED_TO, Value, as_condition, convert, translate
from bpfrec.analyze.probes.c_types import CType
from bpfrec.analyze.probes.captured_values import CapturedValues
from bpfrec.analyze.probes.functions import Parameter, Source, exact
from bpfrec.analyze.probes.sites import Site
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.units import whole_number

_MACROS = {
    c_types.INT: "c_int",
    c_types.UINT: "c_uint",
    c_types.LONG: "c_long",
    CType(16, False): "c_ushort",
}
"""Macros of the trace's database that read a raw argument, shorter than the general conversion."""

_ARGUMENTS = 6


class SiteScope:
    """The names of one site; remembers which were used, since a call that lacks one of them cannot be asked.

    ``has_data``: whether the trace holds the contents of buffers. ``by_path``: whether its rows are chosen by
    their paths. ``prefix``: what the names of its joins begin with. ``compares_bytes``: as in
    :class:`bpfrec.analyze.probes.c_to_sql.Scope`.
    """

    def __init__(
        self,
        site: Site,
        *,
        has_data: bool = False,
        by_path: bool = False,
        prefix: str = "",
        compares_bytes: bool = False,
    ) -> None:
        self.site, self.compares_bytes = site, compares_bytes
        self._prefix = prefix
        self._by_path = by_path
        self._used: set[int] = set()
        self._asks_for_entry = False
        self._declared = {name: (i, ctype) for i, (name, ctype) in enumerate(site.parameters)}
        self._captured = CapturedValues(self._choose, at_exit=site.at_exit, has_data=has_data, prefix=prefix)

    @property
    def members(self) -> list[str]:
        """The system calls that have every value used so far; empty where the function is every call."""
        return [m for m, s in self.site.function.members.items() if all(s[i] is not None for i in self._used)]

    @property
    def lacking(self) -> dict[str, str]:
        """The other members, and the parameter that each lacks."""
        parameters = self.site.function.parameters
        return {
            member: next(parameters[i].name for i in sorted(self._used) if sources[i] is None)
            for member, sources in self.site.function.members.items()
            if member not in self.members
        }

    @property
    def lacking_in_32_bit(self) -> dict[str, str]:
        """Members whose calls by 32-bit programs lack a value used so far, and the parameter."""
        parameters = self.site.function.parameters
        lacked = {
            member: next((parameters[i].name for i in sorted(self._used) if sources[i] is None), None)
            for member, sources in self.site.function.i386.items()
            if member in self.members
        }
        return {member: parameter for member, parameter in lacked.items() if parameter is not None}

    @property
    def source(self) -> str:
        """What stands behind FROM: the rows of ``syscalls``, with new processes' returns where the probe sees them.

        These do not know what was so at entry: a probe that asks for that does not fire there.
        """
        if not self.site.sees_children_return or self._used or self._asks_for_entry:
            return "syscalls"
        template = files("bpfrec.analyze.probes").joinpath("returns.sql").read_text("utf-8")
        return render_text(template, forks=calls_that("forks"), by_path=self._by_path)

    @property
    def joins(self) -> list[str]:
        """JOIN clauses that the values used so far need, and the conditions on which it fires."""
        joins = list(self._captured.joins)
        for member in self.members:
            if member in self._only:
                joins += self._only[member][1]
        return joins

    def conditions(self) -> list[str]:
        """SQL conditions that a row of syscalls fulfils where the probe fires.

        Raises:
            ReportError: no system call has all the values used.
        """
        function, conditions = self.site.function, []
        if function.members:
            if not self.members:
                missing = ", ".join(sorted({f"{name} of {member}" for member, name in self.lacking.items()}))
                raise ReportError(f"not recorded: {missing}", POINTED_TO)
            conditions.append(f"syscall {_is_one_of(self.members)}")
        for member in self.members:
            tests = [self._only[member][0]] if member in self._only else []
            if member in self.lacking_in_32_bit:
                tests.append("abi <> 'i386'")
            if abis := self._abis(member):
                tests.append(f"abi {_is_one_of(abis)}")
            if tests:
                test = " AND ".join(tests)
                conditions += tests if self.members == [member] else [f"(syscall <> {literal(member)} OR {test})"]
        if self.site.at_exit:
            conditions.append("duration_ns IS NOT NULL")
        if self.site.at_exit and self.site.tracepoint:
            # It sees the end of every call.
            return conditions
        # A probe that is placed while the function runs does not fire, not even when it returns.
        seen = "entry_status IS NULL" if function.is_entry else "entry_status IS DISTINCT FROM 'before-recording'"
        return [*conditions, seen]

    def name(self, name: str) -> Value:
        """See :class:`bpfrec.analyze.probes.c_to_sql.Scope`."""
        if name in self._declared:
            index, ctype = self._declared[name]
            return self._parameter(index, ctype, name)
        if len(name) == 4 and name.startswith("arg") and name[3] in "123456" and not self.site.tracepoint:
            return self._parameter(int(name[3]) - 1, c_types.ULONG, name)
        if name in {"$retval", "retval"}:
            return self._retval(name)
        if name == "$latency":
            if not self.site.at_exit:
                raise ReportError("$latency is known only when a function returns", "Ask in an exit probe: r:...")
            self._asks_for_entry = True
            return Value("duration_ns", c_types.ULONG, origin=name)
        if name in _EVENT:
            return _EVENT[name]
        if not self.site.tracepoint:
            for index, parameter in enumerate(self.site.function.parameters):
                if parameter.name == name:
                    return self._parameter(index, _declared_type(parameter), name)
        raise ReportError(f"unknown name in an expression: {name}", self._known())

    def call(self, function: str, argument: c_syntax.Expression) -> Value:
        """``$entry(x)``: the value of x at entry, which is how arguments are recorded."""
        if not self.site.at_exit or not isinstance(argument, c_syntax.Name):
            raise ReportError(f"{function}(name) gives a parameter at entry, in an exit probe: r:...")
        return self.name(argument.name)

    def member(self, base: str, member: str) -> Value | None:
        """``args->member`` of a tracepoint."""
        if base != "args" or not self.site.tracepoint:
            return None
        origin = f"args->{member}"
        fields = self._fields_of_tracepoint()
        if member not in fields:
            raise ReportError(f"the tracepoint has no field {member}", f"It has: {', '.join(fields)}")
        if member in {"__syscall_nr", "nr", "id"}:
            return Value("nr", c_types.LONG, origin=origin)
        if member == "ret":
            return Value("ret", c_types.LONG, origin=origin)
        if not self.site.function.members:
            elements = tuple(Value(f"arg{i}", c_types.ULONG, origin=f"{origin}[{i}]") for i in range(_ARGUMENTS))
            return Value("NULL", c_types.ULONG, elements=elements, origin=origin)
        index, parameter = next((i, p) for i, p in enumerate(self.site.function.parameters) if p.name == member)
        return self._parameter(index, _declared_type(parameter), origin)

    def _fields_of_tracepoint(self) -> list[str]:
        number = ["id"] if not self.site.function.members else ["__syscall_nr", "nr"]
        if self.site.at_exit:
            return [*number, "ret"]
        if not self.site.function.members:
            return [*number, "args"]
        return [*number, *(p.name for p in self.site.function.parameters if p.name)]

    def _retval(self, name: str) -> Value:
        if not self.site.at_exit:
            raise ReportError(f"{name} is known only when a function returns", "Ask in an exit probe: r:...")
        if self.site.tracepoint:
            raise ReportError(f"{name} is not known in a tracepoint", "Ask for args->ret.")
        # Callers of libc see -1 and errno; the range is that of include/linux/err.h.
        sql = "(CASE WHEN ret BETWEEN -4095 AND -1 THEN -1 ELSE ret END)" if self.site.libc else "ret"
        return Value(sql, c_types.LONG, origin=name)

    def _parameter(self, index: int, ctype: CType, name: str) -> Value:
        function = self.site.function
        if index >= len(function.parameters):
            raise ReportError(
                f"{name}: {function.name} has {len(function.parameters)} parameters in a recorded trace",
                f"They are: {', '.join(p.name for p in function.parameters) or '(none)'}",
            )
        self._used.add(index)
        origin = f"{name} of {function.name}"
        raw = self._choose(index, lambda s: str(s.constant) if s.constant is not None else f"arg{s.index}")
        if raw is None:
            return Value("NULL", ctype, origin=origin)
        macro = _MACROS.get(ctype)
        constant = whole_number(raw)
        value = Value(raw, c_types.ULONG, constant=constant, origin=origin)
        converted = (
            replace(value, sql=f"{macro}({raw})", ctype=ctype) if macro and constant is None else convert(value, ctype)
        )
        sources = [sources[index] for sources in function.members.values()]
        return self._captured.pointed_at(converted, index, [source for source in sources if source])

    def _choose(self, index: int, sql_of: Callable[[Source], str | None]) -> str | None:
        """One SQL expression for all members: the same column where they agree, else one chosen by syscall."""
        function = self.site.function
        options: dict[str, list[str]] = {}
        special: dict[str, list[str]] = {}
        for found, sources_of in ((options, function.members), (special, function.i386)):
            for member, sources in sources_of.items():
                source = sources[index]
                sql = sql_of(source) if source is not None else None
                if sql is not None:
                    found.setdefault(sql, []).append(member)
        special = {sql: members for sql, members in special.items() if not set(members) <= set(options.get(sql, ()))}
        if len(options) <= 1 and not special:
            return next(iter(options), None)
        whens = [
            *(f"WHEN abi = 'i386' AND {_among(members)} THEN {sql}" for sql, members in special.items()),
            *(f"WHEN {_among(members)} THEN {sql}" for sql, members in options.items()),
        ]
        return f"(CASE {' '.join(whens)} END)"

    @cached_property
    def _only(self) -> dict[str, tuple[str, list[str]]]:
        """By member, the SQL condition on which it stands for the function, and the joins that it needs."""
        found = {}
        for member, condition in self.site.function.only.items():
            scope = SiteScope(Site(exact(syscalls()[member]), at_exit=False), prefix=f"{self._prefix}{member}_")
            sql = as_condition(translate(c_syntax.parse_expression(condition), scope))
            found[member] = (sql, scope.joins)
        return found

    def _abis(self, member: str) -> tuple[str, ...]:
        """The ABIs in which ``member`` stands for the function; empty: all."""
        return self.site.function.abis.get(member, ())

    def _known(self) -> str:
        names = [*self._declared] or [p.name for p in self.site.function.parameters if p.name]
        if self.site.tracepoint:
            names = [f"args->{name}" for name in self._fields_of_tracepoint()]
        names += ["$retval", "$latency"] if self.site.at_exit and not self.site.tracepoint else []
        return f"Known here are: {', '.join([*names, '$PID', '$COMM'])}"


def _among(members: Collection[str]) -> str:
    return f"syscall IN ({', '.join(literal(member) for member in members)})"


def _is_one_of(names: Collection[str]) -> str:
    listed = [literal(name) for name in names]
    return f"= {listed[0]}" if len(listed) == 1 else f"IN ({', '.join(listed)})"


_EVENT = {
    "$PID": Value("pid", c_types.UINT, origin="$PID"),
    "$tgid": Value("pid", c_types.UINT, origin="$tgid"),
    "$pid": Value("tid", c_types.UINT, origin="$pid"),
    "$uid": Value("(uid & 4294967295)", c_types.UINT, origin="$uid"),
    "$cpu": Value("cpu", c_types.UINT, origin="$cpu"),
    "$COMM": Value("1", c_types.STRING, text="comm", origin="$COMM"),
}
"""Names that every event has; in bcc's trace $pid is the thread and $tgid the process."""


def _declared_type(parameter: Parameter) -> CType:
    try:
        return c_types.parse_type(parameter.declared)
    except ReportError:
        return c_types.ULONG
