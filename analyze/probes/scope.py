"""What the names in a probe stand for, as columns of the trace's views, and which rows the probe fires on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.probes import c_syntax, c_types
from bpfrec.analyze.probes.c_to_sql import POINTED_TO, Value, as_condition, convert, translate
from bpfrec.analyze.probes.c_types import CType
from bpfrec.analyze.probes.functions import Parameter, ProbedFunction, Source, exact
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.captures import STRUCTS
from bpfrec.formats.kernel.syscalls import syscalls

_MACROS = {c_types.INT: "c_int", c_types.UINT: "c_uint", c_types.LONG: "c_long", CType(16, False): "c_ushort"}
"""Macros of the trace's database that read a raw argument, shorter than the general conversion."""


@dataclass(frozen=True)
class Site:
    """Where a probe sits: at ``function``, at its return where ``at_exit``.

    ``parameters`` are the names and types that the probe itself declares, in order. ``libc``: a failed call returns
    -1, as its callers see it, instead of -errno. ``tracepoint``: arguments are members of ``args``.
    """

    function: ProbedFunction
    at_exit: bool
    parameters: tuple[tuple[str, CType], ...] = ()
    libc: bool = False
    tracepoint: bool = False


class SiteScope:
    """The names of one site; remembers which were used, since a call that lacks one of them cannot be asked."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._used: set[int] = set()
        self._joins: set[int] = set()
        self._structs: set[int] = set()
        self._declared = {name: (i, ctype) for i, (name, ctype) in enumerate(site.parameters)}

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
    def joins(self) -> list[str]:
        """JOIN clauses that the values used so far need."""
        clauses = []
        for i in sorted(self._joins):
            argument = self._choose(i, lambda s: str(s.index) if s.timespec else None)
            clauses.append(
                f"LEFT JOIN timespecs AS timespec{i}"
                f" ON timespec{i}.event_id = syscalls.event_id AND timespec{i}.arg = {argument}"
            )
        for i in sorted(self._structs):
            argument = self._choose(i, lambda s: str(s.index) if s.struct else None)
            clauses.append(
                f"LEFT JOIN structs AS struct{i}"
                f" ON struct{i}.event_id = syscalls.event_id AND struct{i}.arg = {argument}"
            )
        return clauses

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
            names = [literal(m) for m in self.members]
            conditions.append(f"syscall = {names[0]}" if len(names) == 1 else f"syscall IN ({', '.join(names)})")
        for member in self.members:
            if member in function.only:
                scope = SiteScope(Site(exact(syscalls()[member]), at_exit=False))
                condition = as_condition(translate(c_syntax.parse_expression(function.only[member]), scope))
                conditions.append(
                    condition if self.members == [member] else f"(syscall <> {literal(member)} OR {condition})"
                )
        if self.site.at_exit:
            conditions.append("duration_ns IS NOT NULL")
        # A probe that is placed while the function runs does not fire, not even when it returns.
        conditions.append("entry_status IS DISTINCT FROM 'before-recording'")
        return conditions

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
        if member in {"__syscall_nr", "nr", "id"}:
            return Value("nr", c_types.LONG, origin=f"args->{member}")
        if self.site.at_exit:
            if member == "ret":
                return Value("ret", c_types.LONG, origin="args->ret")
            raise ReportError(f"the tracepoint has no field {member}", "It has: ret, __syscall_nr")
        for index, parameter in enumerate(self.site.function.parameters):
            if parameter.name == member:
                return self._parameter(index, _declared_type(parameter), f"args->{member}")
        names = [p.name for p in self.site.function.parameters if p.name]
        raise ReportError(f"the tracepoint has no field {member}", f"It has: {', '.join([*names, '__syscall_nr'])}")

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
        constant = int(raw) if raw.isdigit() else None
        value = Value(raw, c_types.ULONG, constant=constant, origin=origin)
        converted = (
            replace(value, sql=f"{macro}({raw})", ctype=ctype) if macro and constant is None else convert(value, ctype)
        )
        return replace(converted, text=self._text(index), fields=self._fields(index, origin))

    def _text(self, index: int) -> str | None:
        return self._choose(index, lambda s: s.path_column)

    def _fields(self, index: int, origin: str) -> dict[str, Value]:
        sources = [s[index] for s in self.site.function.members.values()]
        if structs := {s.struct for s in sources if s and s.struct}:
            # One row of structs cannot be of two kinds.
            return self._members(index, structs.pop(), origin) if len(structs) == 1 else {}
        if not any(s and s.timespec for s in sources):
            return {}
        self._joins.add(index)
        return {
            name: Value(f"timespec{index}.{name}", c_types.LONG, origin=f"{name} of {origin}")
            for name in ("tv_sec", "tv_nsec")
        }

    def _members(self, index: int, kind: str, origin: str) -> dict[str, Value]:
        self._structs.add(index)
        members = {}
        for member in STRUCTS[kind]:
            word = f"struct{index}.word{member.word}"
            raw = Value(
                f"({word} >> {member.shift})" if member.shift else word,
                c_types.ULONG,
                origin=f"{member.name} of {origin}",
            )
            members[member.name] = convert(raw, CType(member.bits, member.signed))
        return members

    def _choose(self, index: int, sql_of: Callable[[Source], str | None]) -> str | None:
        """One SQL expression for all members: the same column where they agree, else one chosen by syscall."""
        options: dict[str, list[str]] = {}
        for member, sources in self.site.function.members.items():
            source = sources[index]
            sql = sql_of(source) if source is not None else None
            if sql is not None:
                options.setdefault(sql, []).append(member)
        if len(options) <= 1:
            return next(iter(options), None)
        whens = " ".join(
            f"WHEN syscall IN ({', '.join(literal(m) for m in members)}) THEN {sql}" for sql, members in options.items()
        )
        return f"(CASE {whens} END)"

    def _known(self) -> str:
        names = [*self._declared] or [p.name for p in self.site.function.parameters if p.name]
        if self.site.tracepoint:
            names = [f"args->{name}" for name in names if not self.site.at_exit] or ["args->ret"]
        names += ["$retval", "$latency"] if self.site.at_exit and not self.site.tracepoint else []
        return f"Known here are: {', '.join([*names, '$PID', '$COMM'])}"


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
