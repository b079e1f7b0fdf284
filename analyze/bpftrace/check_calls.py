"""Functions of the language: how many arguments they take, of which types, what they give."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_expressions import (
    Context,
    ExpressionCheck,
    is_number,
    is_text,
)
from bpfrec.analyze.bpftrace.errors import OptionError, Problem
from bpfrec.analyze.bpftrace.formats import INTEGERS, parse_format
from bpfrec.analyze.bpftrace.kinds import (
    BOOL,
    STRING,
    U64,
    VOID,
    Aggregate,
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
    Void,
)
from bpfrec.analyze.bpftrace.timeseries import WAYS

ARITY: dict[str, tuple[int, int]] = {
    "count": (0, 0),
    "sum": (1, 1),
    "min": (1, 1),
    "max": (1, 1),
    "avg": (1, 1),
    "stats": (1, 1),
    "hist": (1, 2),
    "lhist": (4, 4),
    "tseries": (3, 4),
    "printf": (1, 64),
    "errorf": (1, 64),
    "warnf": (1, 64),
    "print": (1, 3),
    "clear": (1, 1),
    "zero": (1, 1),
    "delete": (1, 2),
    "has_key": (2, 2),
    "len": (1, 1),
    "time": (0, 1),
    "strftime": (2, 2),
    "exit": (0, 1),
    "assert": (1, 2),
    "join": (1, 2),
    "str": (1, 2),
    "buf": (1, 2),
    "ntop": (1, 2),
    "pton": (1, 1),
    "usym": (1, 1),
    "ksym": (1, 1),
    "ustack": (0, 2),
    "kstack": (0, 2),
    "strncmp": (3, 3),
    "strcontains": (2, 2),
    "strlen": (1, 1),
    "strstr": (2, 2),
    "strerror": (1, 1),
    "syscall_name": (1, 1),
    "signal_name": (1, 1),
    "bswap": (1, 1),
    "nsecs": (0, 1),
    "getopt": (1, 3),
    "macaddr": (1, 1),
}
"""Every function that replays, with the least and most arguments."""

UNSAFE = frozenset({"system", "signal", "override", "write_user", "override_return", "signal_thread"})
REFUSED = {
    "cat": "it reads a file of the running system",
    "kaddr": "the trace does not hold the kernel's addresses",
    "uaddr": "the trace does not hold addresses of variables",
    "cgroupid": "it asks the running system",
    "cgroup_path": "it asks the running system",
    "path": "the trace does not hold the kernel's paths",
    "reg": "the trace does not hold registers",
    "skboutput": "the trace does not hold packets",
    "socket_cookie": "the trace does not hold the kernel's sockets",
    "percpu_kaddr": "the trace does not hold the kernel's memory",
    "kptr": "the trace does not hold the kernel's memory",
    "uptr": "what a pointer leads to is known of the arguments of calls alone",
    "unwatch": "accesses to memory are not recorded",
    "debugf": "it writes to the kernel's trace pipe",
    "kstack_id": "the trace has kernel stacks of samples alone",
}
"""Functions that cannot be replayed, and why."""

AGGREGATES = frozenset({"count", "sum", "min", "max", "avg", "stats", "hist", "lhist", "tseries"})
STACK_MODES = ("bpftrace", "perf", "raw", "build_id")
MAX_LHIST = 1000
MOST_INTERVALS = 1_000_000


class CallCheck:
    """Checks calls; methods are called like the functions they serve, with ``check_`` before."""

    def __init__(self, context: Context, expressions: ExpressionCheck) -> None:
        self.c = context
        self.e = expressions
        expressions.call = self.check

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
        if name not in ARITY and name in self.e.builtins:
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
            return self._aggregate(node)
        kind: Kind = getattr(self, f"check_{name}")(node)
        return kind

    # -- aggregations

    def _aggregate(self, node: tree.Call) -> Kind:
        name = node.name
        if name == "count":
            return Aggregate("count", True)
        kind = self.e.number(node.arguments[0], f"{name}() only supports integer arguments")
        if isinstance(kind, Pointer):
            raise Problem(node.span, f"{name}() only supports integer arguments, not '{kind}'")
        signed = isinstance(kind, Int) and kind.signed
        if name == "lhist":
            low, high, step = (self._literal(a, "lhist") for a in node.arguments[1:])
            if step <= 0:
                raise Problem(node.span, f"lhist() step must be >= 1 ({step} provided)")
            if low > high:
                raise Problem(node.span, f"lhist() min must be less than max (provided min {low} and max {high})")
            if (high - low) // step > MAX_LHIST:
                raise Problem(
                    node.span,
                    f"lhist() too many buckets, must be <= {MAX_LHIST} (would need {(high - low) // step})",
                )
            return Aggregate("lhist", signed, (low, high, step))
        if name == "tseries":
            return self._series(node, signed)
        if name == "hist":
            bits = self._literal(node.arguments[1], "hist") if len(node.arguments) > 1 else 0
            if not 0 <= bits <= 5:
                raise Problem(node.span, f"hist() bits {bits} must be 0..5")
            return Aggregate("hist", signed, (bits,))
        return Aggregate(name, signed)

    def _series(self, node: tree.Call, signed: bool) -> Kind:
        interval, count = (self._literal(a, "tseries") for a in node.arguments[1:3])
        if interval < 1:
            raise Problem(node.span, f"tseries() interval_ns must be >= 1 ({interval} provided)")
        if count < 1:
            raise Problem(node.span, f"tseries() num_intervals must be >= 1 ({count} provided)")
        if count >= MOST_INTERVALS:
            raise Problem(node.span, f"tseries() num_intervals must be < {MOST_INTERVALS} ({count} provided)")
        way = self._string_literal(node, 3) if len(node.arguments) > 3 else ""
        if way not in WAYS or (len(node.arguments) > 3 and not way):
            listed = ", ".join(filter(None, WAYS))
            raise Problem(
                node.span, f'tseries() expects one of the following aggregation functions: {listed} ("{way}" provided)'
            )
        return Aggregate("tseries", signed, (interval, count, WAYS.index(way)))

    def _literal(self, node: tree.Expression, name: str) -> int:
        self.e.check(node)
        value = constant_value(node, self.c)
        if value is None:
            raise Problem(node.span, f"{name}() expects a literal here")
        return value

    # -- printing

    def check_printf(self, node: tree.Call) -> Kind:
        """printf(), errorf(), warnf(): conversions against values."""
        first, *values = node.arguments
        if not isinstance(first, tree.String):
            raise Problem(first.span, f"{node.name}() expects a string literal ({self.e.check(first)} provided)")
        first.kind = STRING
        kinds = [self.e.check(value) for value in values]
        parsed = parse_format(first.value, self.c.dialect)
        wanted = sum(1 + conversion.stars for conversion in parsed.conversions)
        if wanted != len(values):
            few = "Not enough" if wanted > len(values) else "Too many"
            numbers = f"arguments for format string ({len(values)} supplied, {wanted} expected)"
            old = self.c.dialect.old
            raise Problem(node.span, f"{node.name}: {few} {numbers}" if old else f"{few.lower()} {numbers}")
        position = 0
        for conversion in parsed.conversions:
            for _ in range(conversion.stars):
                self._conversion(node, "d", values[position], kinds[position])
                position += 1
            self._conversion(node, conversion.form, values[position], kinds[position])
            position += 1
        return VOID

    check_errorf = check_warnf = check_printf

    def _conversion(self, node: tree.Call, form: str, value: tree.Expression, kind: Kind) -> None:
        if isinstance(kind, Unknown):
            return
        if form in INTEGERS or form == "p":
            if not (is_number(kind) or isinstance(kind, Pointer)):
                what = "pointer" if form == "p" else "integer"
                raise Problem(
                    node.span, f"{node.name}: %{form} specifier expects a value of type {what} ({kind} supplied)"
                )
        elif form == "gr":
            raise Problem(
                node.span, "%gr cannot be replayed: the names of the kernel's allocation flags were not recorded"
            )
        elif form in ("r", "rx", "rh"):
            if not isinstance(kind, (Bytes, Array, Str)):
                raise Problem(
                    node.span, f"{node.name}: %{form} specifier expects a value of type buffer ({kind} supplied)"
                )
        elif isinstance(kind, (Void,)) or (isinstance(kind, Aggregate) and not is_number(kind)):
            raise Problem(value.span, f"{node.name}: %s specifier expects a value of type string ({kind} supplied)")

    def check_print(self, node: tree.Call) -> Kind:
        """print() of a map, with top and div, or of a value."""
        first, *numbers = node.arguments
        if isinstance(first, tree.Map) and not first.indexed:
            info = self.c.map(first.name)
            first.kind = info.value
            if self.c.final and isinstance(info.value, Unknown):
                raise Problem(first.span, f"Undefined map: {first.name}")
            for number in numbers:
                self.e.number(number, "print() top and div expect integers")
                if constant_value(number, self.c) is None:
                    raise Problem(number.span, "print() top and div must be literals")
            return VOID
        if numbers:
            raise Problem(node.span, "Non-map print() only takes 1 argument")
        if isinstance(first, tree.Map):
            info = self.e.map_keys(first)
            first.kind = info.value
            info.read = True
            if self.c.final and isinstance(info.value, Unknown):
                raise Problem(first.span, f"Undefined map: {first.name}")
            return VOID
        kind = self.e.check(first)
        if isinstance(kind, Void):
            raise Problem(node.span, f"{kind} type passed to print() is not printable")
        return VOID

    def _whole_map(self, node: tree.Call) -> tree.Map:
        first = node.arguments[0]
        if not isinstance(first, tree.Map):
            raise Problem(first.span, f"{node.name}() expects a map to be provided")
        if first.indexed:
            raise Problem(first.span, f"The map passed to {node.name}() should not be indexed by a key")
        info = self.c.map(first.name)
        first.kind = info.value
        if self.c.final and isinstance(info.value, Unknown):
            raise Problem(first.span, f"Undefined map: {first.name}")
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
        self.e.map_keys(first)
        first.kind = self.c.map(first.name).value
        return BOOL if not self.c.dialect.old else VOID

    def check_has_key(self, node: tree.Call) -> Kind:
        """has_key(@m, k)."""
        first = node.arguments[0]
        if not isinstance(first, tree.Map):
            raise Problem(first.span, "has_key() expects a map to be provided")
        self._has_keys(node, first)
        self._join_keys(node)
        self.e.map_keys(first)
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
            self._string_literal(node, 0)
        return VOID

    def check_strftime(self, node: tree.Call) -> Kind:
        """strftime(format, ns)."""
        self._string_literal(node, 0)
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
            self._string_literal(node, 1)
        return VOID

    # -- strings and memory

    def _string_literal(self, node: tree.Call, position: int) -> str:
        argument = node.arguments[position]
        self.e.check(argument)
        if not isinstance(argument, tree.String):
            raise Problem(argument.span, f"{node.name}() expects a string literal ({argument.kind} provided)")
        return argument.value

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
        from bpfrec.analyze.bpftrace.memory import check_recorded  # noqa: PLC0415 - it looks at types too

        check_recorded(node.span, node.name, self.c.sites, self.c.held)

    def check_join(self, node: tree.Call) -> Kind:
        """join(argv[, separator])."""
        first = node.arguments[0]
        kind = self.e.check(first)
        if not isinstance(kind, (Pointer, Unknown)):
            raise Problem(first.span, f"join() only supports pointer arguments, not '{kind}'")
        if len(node.arguments) > 1:
            self._string_literal(node, 1)
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
        text = self._string_literal(node, 0)
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
            self._text(argument, "strncmp")
        if self._literal(node.arguments[2], "strncmp") < 0:
            raise Problem(node.span, "Builtin strncmp requires a non-negative literal")
        return U64

    def check_strcontains(self, node: tree.Call) -> Kind:
        """strcontains(a, b)."""
        for argument in node.arguments:
            self._text(argument, "strcontains")
        return U64 if self.c.dialect.old else BOOL

    def check_strstr(self, node: tree.Call) -> Kind:
        """strstr(a, b): where b begins in a, or -1."""
        for argument in node.arguments:
            self._text(argument, "strstr")
        return Int(64, True)

    def check_strlen(self, node: tree.Call) -> Kind:
        """strlen(text)."""
        self._text(node.arguments[0], "strlen")
        return U64

    def _text(self, node: tree.Expression, name: str) -> None:
        kind = self.e.check(node)
        if not is_text(kind) and not isinstance(kind, Unknown):
            raise Problem(node.span, f"{name}() expects a string, not '{kind}'")

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
        kind = self.e.number(node.arguments[0], "bswap() only supports integer arguments")
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
            self.e.user_stack(node.span)
        else:
            self.e.kernel_stack(node.span)
        return Stack(node.name, mode)

    check_kstack = check_ustack

    def check_getopt(self, node: tree.Call) -> Kind:
        """getopt(name[, default[, help]])."""
        name = self._string_literal(node, 0)
        self.c.described.setdefault(name, "")
        if len(node.arguments) < 2:
            return BOOL
        kind = self.e.check(node.arguments[1])
        if len(node.arguments) > 2:
            self.c.described[name] = self._string_literal(node, 2)
        if not isinstance(node.arguments[1], (tree.Integer, tree.Boolean, tree.String)):
            raise Problem(node.span, "getopt() expects a literal as default")
        if not isinstance(kind, Int):
            return kind
        given = self.c.options.get(name, "0")
        try:
            return Int(64, int(given, 0) < 2**63)
        except ValueError:
            raise OptionError(f"ERROR: program command line option --{name} invalid integer (value: {given})") from None


def constant_value(node: tree.Expression, context: Context) -> int | None:
    """The value of a number, or of a positional parameter that is one."""
    from bpfrec.analyze.bpftrace.check_expressions import parameter_value  # noqa: PLC0415

    if isinstance(node, tree.Integer):
        return node.value
    if isinstance(node, tree.Name):
        from bpfrec.analyze.bpftrace.constants import constant  # noqa: PLC0415

        return context.enums.get(node.name, constant(node.name))
    if isinstance(node, tree.Parameter):
        if node.number > len(context.parameters):
            return 0
        value = parameter_value(context.parameters[node.number - 1])
        return value if isinstance(value, int) else None
    return None


def _many(least: int, most: int) -> str:
    words = {0: "no arguments", 1: "one argument"}
    if least == most:
        return words.get(least, f"{least} arguments")
    if most > 4:
        return f"at least {words.get(least, f'{least} arguments')}"
    return f"{least} to {most} arguments"
