"""Names in expressions: builtins, constants, parameters, and where each may stand."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.builtin_variables import RAW_ARGUMENTS, REFUSED, builtin_kinds
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.kinds import I64, STRING, Int, Kind
from bpfrec.analyze.bpftrace.literals import parameter_value
from bpfrec.analyze.bpftrace.probes import Source
from bpfrec.formats.units import whole_number


class NameCheck:
    """Gives names their types, and refuses those that the trace cannot answer where they stand."""

    def __init__(self, context: Context) -> None:
        self.c = context
        self.builtins = builtin_kinds(context.dialect)

    def name(self, node: tree.Name) -> Kind:
        """The type of a name.

        Raises:
            Problem: there is none of that name, or the trace does not hold it here.
        """
        name = node.name
        if name in self.c.enums:
            return I64 if self.c.dialect.old else Int(64, False, enum=self.c.enum_of[name])
        if constant(name) is not None:
            return I64
        if name in REFUSED:
            raise Problem(node.span, f"{name} cannot be replayed: {REFUSED[name][0]}", REFUSED[name][1])
        if name.startswith("sarg") and whole_number(name[4:]) is not None:
            raise Problem(node.span, f"{name} cannot be replayed: the trace does not hold the kernel's stack")
        if name.startswith("arg") and (index := whole_number(name[3:])) is not None:
            return self._argument(node, index)
        kind = self.builtins.get(name)
        if kind is None:
            raise Problem(node.span, f"Unknown identifier: '{name}'")
        self._available(node)
        return kind

    def _argument(self, node: tree.Name, number: int) -> Kind:
        kinds = [RAW_ARGUMENTS.get(s.source) if s.provider == "rawtracepoint" else None for s in self.c.sites]
        if None in kinds or not kinds:
            hint = "Ask for args->NAME of tracepoint:syscalls:sys_enter_NAME."
            raise Problem(node.span, f"{node.name} cannot be replayed here: the trace does not hold registers", hint)
        known = kinds[0]
        if known is None or number != 1:
            raise Problem(node.span, f"{node.name} cannot be replayed: the trace does not hold registers")
        return known[1] if self.c.sites[0].source is Source.RAW_ENTER else I64

    def _available(self, node: tree.Name) -> None:
        name, sites, held = node.name, self.c.sites, self.c.held
        events = [s for s in sites if s.source.has_event]
        match name:
            case "args":
                if any(s.fields is None for s in sites):
                    raise Problem(node.span, "The args builtin can only be used with tracepoint probes here")
            case "retval":
                if any(s.provider not in ("kretprobe", "fexit") for s in sites):
                    raise Problem(
                        node.span,
                        "The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'kretfunc' probes"
                        + (" (try to use args.ret instead)" if all(s.source.is_exit for s in sites) else ""),
                    )
            case "func":
                if any(not s.function or s.provider == "tracepoint" for s in sites):
                    raise Problem(node.span, "The func builtin can not be used with this probe")
            case "cpu":
                if any(s.source.is_entry for s in events):
                    raise Problem(
                        node.span,
                        "cpu cannot be replayed at the entry of a call: the trace has the CPU on which it ended",
                        "Ask for it at sys_exit.",
                    )
                if any(s.source in (Source.FORK, Source.PROCESS_EXIT) for s in events):
                    raise Problem(node.span, "cpu cannot be replayed here: the trace does not hold it for processes")
            case "ustack":
                self.user_stack(node.span)
            case "kstack":
                self.kernel_stack(node.span)
            case "cpid":
                if held.command_pid is None:
                    raise Problem(
                        node.span,
                        "cpid cannot be used without child command",
                        "record -- COMMAND would have taken it.",
                    )

    def user_stack(self, span: Span) -> None:
        """Refuses user stacks where the trace has none.

        Raises:
            Problem: it has none.
        """
        for site in self.c.sites:
            if site.source.is_entry or site.source.is_exit:
                if self.c.held.stacks == "off" or not self.c.held.stack_on:
                    raise Problem(
                        span, "ustack: the trace has no stacks of calls", "record --stack-on all would have taken them."
                    )
            elif site.source is not Source.SAMPLE:
                raise Problem(span, f"ustack cannot be replayed in {site.name}: the trace has no stack of it")

    def kernel_stack(self, span: Span) -> None:
        """Refuses kernel stacks where the trace has none.

        Raises:
            Problem: it has none.
        """
        if any(site.source is not Source.SAMPLE for site in self.c.sites):
            raise Problem(
                span,
                "kstack cannot be replayed here: the trace has kernel stacks of samples alone",
                "record --profile 99 takes them; ask at profile:hz:99.",
            )

    def parameter(self, node: tree.Parameter) -> Kind:
        """The type of a positional parameter: one that was not given is 0."""
        if node.number > len(self.c.parameters):
            return Int(64, signed=True, literal=True)
        value = parameter_value(self.c.parameters[node.number - 1])
        return STRING if isinstance(value, str) else Int(64, value < 2**63, literal=value >= 0)
