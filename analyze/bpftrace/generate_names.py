"""Python source for names: builtins, constants, parameters, stacks."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.generate_shared import Making
from bpfrec.analyze.bpftrace.literals import parameter_value
from bpfrec.analyze.bpftrace.probes import Site, Source

_PROBE_TYPES = {"begin": "special", "end": "special"}


class NameSource:
    """Makes source of names."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.c = making.c
        self.out = making.out

    def name(self, node: tree.Name) -> str:
        """Source for a builtin or a constant."""
        name = node.name
        if name in self.c.enums:
            return str(self.c.enums[name])
        value = constant(name)
        if value is not None:
            return f"({value})" if value < 0 else str(value)
        is_event = any(site.source.has_event for site in self.making.sites)
        match name:
            case "nsecs":
                return "t"
            case "elapsed":
                return f"(t - {self.c.held.start_ns})"
            case "ncpus":
                return str(self.c.held.cpus)
            case "cpid":
                return str(self.c.held.command_pid)
            case "probe":
                return self._probe()
            case "func":
                return self._probe(by_function=True)
            case "probetype":
                return self._provider()
            case "retval":
                return f"({self.out.column('ret')} & {MASK})"
            case "ustack" | "kstack":
                return self.stack(name, None)
            case "username" if not is_event:
                return "'root'"
            case "username":
                return f"S.username({self.out.column('uid')})"
            case "comm" if not is_event:
                return "'bpftrace'"
            case "pid" | "tid" | "uid" | "cpu" | "ppid" if not is_event:
                return "0"
            case "comm":
                return self.out.column("comm")
            case "cpu" if any(site.source.is_exit for site in self.making.sites):
                cpu = self.out.column("cpu")
                return f"({cpu} if {cpu} is not None else F.no_cpu())"
            case "arg1":
                source = self.making.sites[0].source
                return self.out.column("nr" if source is Source.RAW_ENTER else "ret")
        return self.out.column(name)

    def _probe(self, by_function: bool = False) -> str:
        names = self.probe_names(by_function)
        if len(set(names.values())) == 1:
            return repr(next(iter(names.values())))
        return f"{self.out.constant(names)}[{self.out.column('call')}]"

    def _provider(self) -> str:
        names = {site.call: _PROBE_TYPES.get(site.provider, site.provider) for site in self.making.sites}
        if len(set(names.values())) == 1:
            return repr(next(iter(names.values())))
        return f"{self.out.constant(names)}[{self.out.column('call')}]"

    def probe_names(self, by_function: bool) -> dict[str | None, str]:
        """The names of the probes of the action, or of their functions, by system call."""
        return {site.call: site.function if by_function else self._site_name(site) for site in self.making.sites}

    def _site_name(self, site: Site) -> str:
        is_own = site.source in (Source.BEGIN, Source.END)
        return site.name.lower() if is_own and not self.making.dialect.old else site.name

    def stack(self, name: str, limit: int | None) -> str:
        """Source for the number of the stack of the event."""
        is_sample = self.making.sites[0].source is Source.SAMPLE
        if name == "kstack":
            code = f"F.sampled_stack({self.out.column('kstack')})"
        elif is_sample:
            code = f"F.sampled_stack({self.out.column('stack')})"
        else:
            code = f"S.stack({self.out.column('stack')}, {self.out.column('stack_status')}, {self.out.column('ret')})"
        return code if limit is None else f"S.limited({code}, {limit})"

    def parameter(self, node: tree.Parameter) -> str:
        """Source for a positional parameter."""
        if node.number > len(self.c.parameters):
            return "0"
        return repr(parameter_value(self.c.parameters[node.number - 1]))
