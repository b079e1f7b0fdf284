"""Python source for fields, elements, and what pointers lead to."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.folding import folded
from bpfrec.analyze.bpftrace.generate_shared import Making, wrapped
from bpfrec.analyze.bpftrace.kinds import Array, Int, Kind, Pointer, Str, Struct, Tup, is_text
from bpfrec.analyze.bpftrace.memory import LISTS, TEXTS, capture_of


class MemberSource:
    """Makes source of parts of values; ``value`` makes that of an expression."""

    def __init__(self, making: Making, value: Callable[[tree.Expression], str]) -> None:
        self.making = making
        self.c = making.c
        self.out = making.out
        self.value = value

    def field(self, node: tree.Field) -> str:
        """Source for a field of args, a struct or a record."""
        if isinstance(node.base, tree.Name) and node.base.name == "args":
            return self.args_field(node.name)
        base = node.base.kind
        if isinstance(base, Tup):
            return f"{self.value(node.base)}[{base.names.index(node.name)}]"
        struct = base.to if isinstance(base, Pointer) else base
        assert isinstance(struct, Struct)
        layout = self.c.structs.get(struct.name)
        assert layout is not None
        place = layout.members[node.name]
        return self.loaded(self.value(node.base), place.kind, place.offset)

    def loaded(self, pointer: str, kind: Kind, offset: int = 0) -> str:
        """Source for what is in memory at ``pointer`` plus ``offset``."""
        match kind:
            case Int():
                return f"P.load({pointer}, {offset}, {kind.bits // 8}, {kind.signed})"
            case Struct():
                return f"P.moved({pointer}, {offset})"
            case Array() if is_text(kind):
                return f"P.char_array({pointer}, {offset}, {kind.length})"
            case Array():
                return f"P.load_array({pointer}, {offset}, {self.out.constant(kind)})"
            case Pointer():
                return f"(P.load({pointer}, {offset}, 8, False), None)"
        return f"P.load({pointer}, {offset}, 1, False)"

    def args_field(self, name: str) -> str:
        """Source for a field of ``args``; a pointer leads to what was copied."""
        field = self.making.sites[0].fields[name] if self.making.sites[0].fields else None
        if name in ("id", "__syscall_nr"):
            return self.out.column("nr")
        if name == "ret":
            return self.out.column("ret")
        if name == "args" and field is not None and field.argument is None:
            return "(" + ", ".join(self.out.column("raw", str(i)) for i in range(6)) + ")"
        if field is None or field.argument is None:
            return self.out.column("sched", name)
        code = self.out.column("field", name)
        if not isinstance(field.kind, Pointer):
            return wrapped(code, 0, MASK, field.kind) if isinstance(field.kind, Int) else code
        return f"({code}, {self._leads_to(name, code)})"

    def field_capture(self, name: str) -> str:
        """How what a field points at was copied, '' where it was not; the same at all sites."""
        kinds = set()
        for site in self.making.sites:
            field = site.fields[name] if site.fields else None
            if site.call is None or field is None or field.argument is None:
                return ""
            capture = capture_of(site.call, field.argument.index)
            kinds.add(capture.kind if capture else "")
        return kinds.pop() if len(kinds) == 1 else ""

    def _leads_to(self, name: str, code: str) -> str:
        kind = self.field_capture(name)
        if not kind:
            return "None"
        if kind in TEXTS:
            return self.field_text(name, kind)
        if kind in LISTS:
            return f"P.strings({self.out.column('list', name, kind)})"
        return f"P.memory({kind!r}, {self.out.column('memory', name, kind)}, {code})"

    def field_text(self, name: str, kind: str) -> str:
        """Source for the string that a field points at."""
        text, status = self.out.column("text", name, kind), self.out.column("status", name, kind)
        return f"({text} if {status} is None else P.text({text}, {status}, {self.out.column('field', name)}))"

    def index(self, node: tree.Index) -> str:
        """Source for an element."""
        base = node.base.kind
        if isinstance(base, Tup):
            return f"{self.value(node.base)}[{folded(node.index, self.making.dialect, node.index.kind)}]"
        if isinstance(base, Str):
            return f"F.character({self.value(node.base)}, {self.value(node.index)})"
        if isinstance(base, Pointer):
            size = self.c.structs.size(base.to) if base.to is not None else 1
            at = f"P.moved({self.value(node.base)}, {self.value(node.index)} * {size or 1})"
            return self.loaded(at, node.kind)
        return f"F.item({self.value(node.base)}, {self.value(node.index)})"
