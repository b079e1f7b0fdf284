"""Functions of the language: how many arguments they take, of which types, what they give."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_aggregations import AggregationCheck
from bpfrec.analyze.bpftrace.check_arguments import ArgumentCheck
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.check_expressions import ExpressionCheck
from bpfrec.analyze.bpftrace.check_printing import PrintingCheck
from bpfrec.analyze.bpftrace.errors import OptionError, Problem
from bpfrec.analyze.bpftrace.folding import constant_value, exact_kind
from bpfrec.analyze.bpftrace.functions import AGGREGATES, ARITY, REFUSED, STACK_MODES, UNSAFE
from bpfrec.analyze.bpftrace.kinds import (
    BOOL,
    STRING,
    U64,
    VOID,
    Array,
    Bytes,
    Int,
    Kind,
    Pointer,
    Stack,
    Str,
    Struct,
    Symbol,
    Unknown,
    is_number,
    is_text,
)
from bpfrec.analyze.bpftrace.memory import check_recorded


class CallCheck:
    """Checks calls; methods are called like the functions they serve, with ``check_`` before."""

    def __init__(self, context: Context, expressions: ExpressionCheck) -> None:
        self.c = context
        self.e = expressions
        expressions.calls = self.check
        self.arguments = ArgumentCheck(expressions)
        self.aggregations = AggregationCheck(self.arguments)
        self.printing = PrintingCheck(expressions)

    def check(self, node: tree.Call) -> Kind:
        """The type of what a call gives.

        Raises:
            Problem: there is no such function, or it does not take what it is given.
        """
        name = node.name
        if name in UNSAFE:
            raise Problem(
                node.span,
                f"{name}() is an unsafe function being used in safe mode",
                "A replay changes nothing: it cannot do what this asks for.",
            )
        if name in REFUSED:
            raise Problem(node.span, f"{name}() cannot be replayed: {REFUSED[name]}")
        if name not in ARITY and name in self.e.names.builtins:
            raise Problem(
                node.span, f"{name}() cannot be replayed with arguments: the trace has {name} of the event alone"
            )
        if name not in ARITY:
            raise Problem(node.span, f"Unknown function: '{name}'")
        least, most = ARITY[name]
        given = len(node.arguments)
        if not least <= given <= most:
            raise Problem(node.span, f"{name}() requires {_many(least, most)} ({given} provided)")
        if name in AGGREGATES:
            return self.aggregations.check(node)
        kind: Kind = getattr(self, f"check_{name}")(node)
        return kind

    # -- printing

    def check_printf(self, node: tree.Call) -> Kind:
        """printf(), errorf(), warnf()."""
        return self.printing.printf(node)

    check_errorf = check_warnf = check_printf

    def check_print(self, node: tree.Call) -> Kind:
        """print() of a map or a value."""
        return self.printing.print(node)

    # -- maps

    def _whole_map(self, node: tree.Call) -> tree.Map:
        first = node.arguments[0]
        if not isinstance(first, tree.Map):
            raise Problem(first.span, f"{node.name}() expects a map to be provided")
        if first.indexed:
            raise Problem(first.span, f"The map passed to {node.name}() should not be indexed by a key")
        first.kind = self.c.defined(first.name, first.span).value
        return first

    def check_clear(self, node: tree.Call) -> Kind:
        """clear() and zero() of a map."""
        self._whole_map(node)
        return VOID

    check_zero = check_clear

    def check_len(self, node: tree.Call) -> Kind:
        """len() of a map, a stack, a string."""
        first = node.arguments[0]
        if isinstance(first, tree.Map) and not first.indexed:
            self._whole_map(node)
            self.c.map(first.name).read = True
            self._has_keys(node, first)
            return U64
        kind = self.e.check(first)
        if not isinstance(kind, (Stack, Unknown)):
            raise Problem(first.span, f"len() expects a map or stack to be provided, not '{kind}'")
        return U64

    def check_delete(self, node: tree.Call) -> Kind:
        """delete(@m[k]) and delete(@m, k)."""
        first = node.arguments[0]
        if not isinstance(first, tree.Map):
            raise Problem(first.span, "delete() expects a map to be provided")
        if len(node.arguments) == 2:
            self._join_keys(node)
            first = node.arguments[0]
            assert isinstance(first, tree.Map)
        self.e.maps.keys(first)
        first.kind = self.c.map(first.name).value
        return BOOL if not self.c.dialect.old else VOID

    def check_has_key(self, node: tree.Call) -> Kind:
        """has_key(@m, k)."""
        first = node.arguments[0]
        if not isinstance(first, tree.Map):
            raise Problem(first.span, "has_key() expects a map to be provided")
        self._has_keys(node, first)
        self._join_keys(node)
        self.e.maps.keys(first)
        self.c.map(first.name).read = True
        first.kind = self.c.map(first.name).value
        return BOOL

    def _has_keys(self, node: tree.Call, first: tree.Map) -> None:
        """Refuses a map that has no keys."""
        if self.c.map(first.name).keys == () and not self.c.dialect.old:
            raise Problem(node.span, f"call to {node.name}() expects a map with explicit keys (non-scalar map)")

    def _join_keys(self, node: tree.Call) -> None:
        """Puts the key that is an argument into the map, where it is used as in ``@m[k]``."""
        first = node.arguments[0]
        if isinstance(first, tree.Map) and not first.indexed:
            key = node.arguments[1]
            first.keys = list(key.items) if isinstance(key, tree.Tuple) else [key]
            first.indexed = True
        elif isinstance(first, tree.Map) and self.c.maps.get(first.name) is None:
            raise Problem(first.span, f"The map passed to {node.name}() should not be indexed by a key")

    # -- time

    def check_time(self, node: tree.Call) -> Kind:
        """time() prints the time."""
        if node.arguments:
            self.arguments.string(node, 0)
        return VOID

    def check_strftime(self, node: tree.Call) -> Kind:
        """strftime(format, ns)."""
        self.arguments.string(node, 0)
        self.e.number(node.arguments[1], "strftime() expects an integer")
        return Str("timestamp")

    def check_nsecs(self, node: tree.Call) -> Kind:
        """nsecs(clock)."""
        for argument in node.arguments:
            if not isinstance(argument, tree.Name) or argument.name not in ("monotonic", "boot", "tai", "sw_tai"):
                raise Problem(argument.span, "Invalid timestamp mode: it is one of boot, monotonic, tai")
            if argument.name in ("tai", "sw_tai"):
                raise Problem(
                    argument.span, f"nsecs({argument.name}) cannot be replayed: the trace does not hold that clock"
                )
            argument.kind = VOID
        return U64

    def check_exit(self, node: tree.Call) -> Kind:
        """exit(), with a code."""
        for argument in node.arguments:
            self.e.number(argument, "exit() expects an integer")
        return VOID

    def check_assert(self, node: tree.Call) -> Kind:
        """assert(condition[, message])."""
        self.e.number(node.arguments[0], "assert() expects a condition")
        if len(node.arguments) > 1:
            self.arguments.string(node, 1)
        return VOID

    # -- strings and memory

    def check_str(self, node: tree.Call) -> Kind:
        """str(pointer[, length])."""
        first = node.arguments[0]
        kind = self.e.check(first)
        if not isinstance(kind, (Pointer, Unknown, Array)) and not is_text(kind) and not is_number(kind):
            raise Problem(first.span, f"str() expects an integer or a pointer type as first argument ({kind} provided)")
        if len(node.arguments) > 1:
            self.e.number(node.arguments[1], "str() expects an integer as second argument")
        self._readable(first)
        return STRING

    def check_buf(self, node: tree.Call) -> Kind:
        """buf(pointer[, length])."""
        first = node.arguments[0]
        kind = self.e.check(first)
        if not isinstance(kind, (Pointer, Unknown, Array, Int)) and not is_text(kind):
            raise Problem(first.span, f"buf() expects an integer, string, or array argument but saw {kind}")
        if len(node.arguments) > 1:
            self.e.number(node.arguments[1], "buf() expects an integer as second argument")
        elif isinstance(kind, Pointer):
            raise Problem(node.span, "buf() expects a length argument for non-array type " + str(kind))
        self._readable(first)
        return Bytes()

    def _readable(self, node: tree.Expression) -> None:
        """Refuses what an argument points at where it was not recorded, or is not there yet at entry."""
        if not (isinstance(node, tree.Field) and isinstance(node.base, tree.Name) and node.base.name == "args"):
            return
        check_recorded(node.span, node.name, self.c.sites, self.c.held)

    def check_join(self, node: tree.Call) -> Kind:
        """join(argv[, separator])."""
        first = node.arguments[0]
        kind = self.e.check(first)
        if not isinstance(kind, (Pointer, Unknown)):
            raise Problem(first.span, f"join() only supports pointer arguments, not '{kind}'")
        if len(node.arguments) > 1:
            self.arguments.string(node, 1)
        self._readable(first)
        return VOID

    def check_ntop(self, node: tree.Call) -> Kind:
        """ntop([family,] address)."""
        kinds = [self.e.check(a) for a in node.arguments]
        if not (is_number(kinds[-1]) or isinstance(kinds[-1], (Array, Unknown, Struct, Pointer))):
            raise Problem(node.span, f"ntop() expects an integer or array argument, got {kinds[-1]}")
        return Str("inet")

    def check_pton(self, node: tree.Call) -> Kind:
        """pton(text)."""
        text = self.arguments.string(node, 0)
        return Array(Int(8, False), 16 if ":" in text else 4)

    def check_macaddr(self, node: tree.Call) -> Kind:
        """macaddr(bytes)."""
        kind = self.e.check(node.arguments[0])
        if not (isinstance(kind, Array) and kind.length == 6):
            raise Problem(node.span, f"macaddr() only supports array or pointer arguments of 6 bytes, not '{kind}'")
        return Str("mac_address")

    def check_strncmp(self, node: tree.Call) -> Kind:
        """strncmp(a, b, length)."""
        for argument in node.arguments[:2]:
            self.arguments.text(argument, "strncmp")
        if self.arguments.number(node.arguments[2], "strncmp") < 0:
            raise Problem(node.span, "Builtin strncmp requires a non-negative literal")
        return U64

    def check_strcontains(self, node: tree.Call) -> Kind:
        """strcontains(a, b)."""
        for argument in node.arguments:
            self.arguments.text(argument, "strcontains")
        return U64 if self.c.dialect.old else BOOL

    def check_strstr(self, node: tree.Call) -> Kind:
        """strstr(a, b): where b begins in a, or -1."""
        for argument in node.arguments:
            self.arguments.text(argument, "strstr")
        return Int(64, True)

    def check_strlen(self, node: tree.Call) -> Kind:
        """strlen(text)."""
        self.arguments.text(node.arguments[0], "strlen")
        return U64

    # -- numbers with names

    def check_strerror(self, node: tree.Call) -> Kind:
        """strerror(number)."""
        self.e.number(node.arguments[0], "strerror() expects an integer")
        return Str("strerror")

    def check_syscall_name(self, node: tree.Call) -> Kind:
        """syscall_name(number), signal_name(number)."""
        self.e.number(node.arguments[0], f"{node.name}() expects an integer")
        return STRING

    check_signal_name = check_syscall_name

    def check_bswap(self, node: tree.Call) -> Kind:
        """bswap(number) keeps the width of the number."""
        self.e.number(node.arguments[0], "bswap() only supports integer arguments")
        kind = exact_kind(node.arguments[0], self.c.dialect)
        if isinstance(kind, Int):
            return Int(kind.bits, False)
        return kind

    def check_usym(self, node: tree.Call) -> Kind:
        """usym(address), ksym(address)."""
        kind = self.e.check(node.arguments[0])
        if not is_number(kind) and not isinstance(kind, (Pointer, Unknown)):
            raise Problem(node.span, f"{node.name}() expects an integer or pointer argument, not '{kind}'")
        return Symbol(node.name)

    check_ksym = check_usym

    def check_ustack(self, node: tree.Call) -> Kind:
        """ustack([mode,] [limit]), kstack(...)."""
        mode = "bpftrace"
        for position, argument in enumerate(node.arguments):
            if position == 0 and isinstance(argument, tree.Name) and argument.name in STACK_MODES:
                mode = argument.name
                argument.kind = VOID
            elif constant_value(argument, self.c) is None:
                raise Problem(argument.span, f"{node.name}: invalid limit value or mode")
            else:
                self.e.check(argument)
        if node.name == "ustack":
            self.e.names.user_stack(node.span)
        else:
            self.e.names.kernel_stack(node.span)
        return Stack(node.name, mode)

    check_kstack = check_ustack

    def check_getopt(self, node: tree.Call) -> Kind:
        """getopt(name[, default[, help]])."""
        name = self.arguments.string(node, 0)
        self.c.described.setdefault(name, "")
        if len(node.arguments) < 2:
            return BOOL
        kind = self.e.check(node.arguments[1])
        if len(node.arguments) > 2:
            self.c.described[name] = self.arguments.string(node, 2)
        if not isinstance(node.arguments[1], (tree.Integer, tree.Boolean, tree.String)):
            raise Problem(node.span, "getopt() expects a literal as default")
        if not isinstance(kind, Int):
            return kind
        given = self.c.options.get(name, "0")
        try:
            return Int(64, int(given, 0) < 2**63)
        except ValueError:
            raise OptionError(f"ERROR: program command line option --{name} invalid integer (value: {given})") from None


def _many(least: int, most: int) -> str:
    words = {0: "no arguments", 1: "one argument"}
    if least == most:
        return words.get(least, f"{least} arguments")
    if most > 4:
        return f"at least {words.get(least, f'{least} arguments')}"
    return f"{least} to {most} arguments"
