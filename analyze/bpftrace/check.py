"""Checks a script before it runs: types, probes, what the trace holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.check_statements import StatementCheck
from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.errors import OptionError, Problem, ScriptError, Source, script_error
from bpfrec.analyze.bpftrace.folding import constant_value
from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.imports import add_imports
from bpfrec.analyze.bpftrace.macros import Expander
from bpfrec.analyze.bpftrace.probes import Site, sites
from bpfrec.analyze.bpftrace.probes import Source as Fires
from bpfrec.analyze.bpftrace.scopes import MapInfo, Scope
from bpfrec.analyze.bpftrace.settings import Settings, settings_of
from bpfrec.analyze.bpftrace.structs import Structs

_MOST_PASSES = 12


@dataclass
class CheckedProbe:
    """A probe with its action: where it runs, and the tree, whose expressions have types."""

    sites: list[Site]
    predicate: tree.Expression | None
    body: tree.Block


@dataclass
class Checked:
    """A script that can run."""

    source: Source
    context: Context
    probes: list[CheckedProbe]
    settings: Settings
    warnings: list[str] = field(default_factory=list)

    @property
    def maps(self) -> dict[str, MapInfo]:
        """The maps of the script by name."""
        return self.context.maps


def check(
    source: Source,
    script: tree.Script,
    held: Holdings,
    dialect: Dialect,
    parameters: list[str],
    options: dict[str, str] | None = None,
) -> Checked:
    """The script with types and events.

    ``parameters`` are ``$1``, ``$2`` ...; ``options`` what getopt() finds.

    Raises:
        ScriptError: all that is wrong with it.
    """
    problems: list[Problem] = []
    structs = Structs()
    context = Context(dialect, held, structs, parameters, options or {})
    if not script.probes:
        raise ScriptError(f"{source.name}: the script has no probe")
    add_imports(source, script)
    try:
        context.structs = Structs(script.structs)
        settings = settings_of(script, dialect)
        for declaration in script.map_declarations:
            _declare(declaration, context)
        for definition in script.enums:
            _enumerate(definition, context)
        expander = Expander(script)
        probes = []
        for probe in script.probes:
            expander.expand(probe)
            found = [site for name in probe.names for site in _sites(name, context, problems)]
            probes.append(CheckedProbe(found, probe.predicate, probe.body))
    except Problem as problem:
        raise script_error(source, [*problems, problem]) from None
    if problems:
        raise script_error(source, problems)
    _remark(context, probes)
    _run_passes(context, probes, problems)
    if problems:
        raise script_error(source, problems)
    _check_options(context)
    for declaration in script.map_declarations:
        if context.maps[declaration.name].keys is None and not dialect.old:
            context.warn(declaration.span, f"Unused map: {declaration.name}")
    warnings = [source.message(span, "WARNING", text) for span, text in context.warnings]
    return Checked(source, context, probes, settings, warnings)


def _declare(declaration: tree.MapDeclaration, context: Context) -> None:
    """Notes a map that the script declares. Which entries a full LRU map drops is the kernel's choice: it keeps all."""
    info = context.map(declaration.name)
    if declaration.size < 1:
        raise Problem(declaration.span, f"{declaration.name}: a map has room for one entry at least")
    if not declaration.type_name.startswith(("lru", "percpulru")):
        info.declared = declaration.span, declaration.size


def _check_options(context: Context) -> None:
    """Refuses options that no getopt() of the script asks for.

    Raises:
        OptionError: there are some, or ``--help``; with those that there could be.
    """
    unexpected = [name for name in context.options if name not in context.described]
    if not unexpected:
        return
    expected = [f"--{name}" + (f": {text}" if text else "") for name, text in sorted(context.described.items())]
    if not expected:
        hint = "HINT: the script asks for no options."
    elif len(expected) == 1:
        hint = f"HINT: expected program options: {expected[0]}"
    else:
        hint = "\n".join(["HINT: expected program options:", *expected])
    listed = ", ".join(f"--{name}" for name in unexpected)
    raise OptionError(f"ERROR: unexpected program command line options: {listed}\n{hint}")


def _remark(context: Context, probes: list[CheckedProbe]) -> None:
    """Notes where a replay cannot be what the script asks for, and runs all the same."""
    held = context.held
    for site in (site for probe in probes for site in probe.sites):
        if site.source is Fires.SAMPLE and held.profile_hz and site.period_ns != 10**9 // held.profile_hz:
            context.remarks[
                f"{site.name} runs at the samples of the trace, {held.profile_hz} a second on each CPU "
                f"(record --profile {held.profile_hz}); idle CPUs have none"
            ] = None
        if held.failed_only and site.source.has_event and site.source is not Fires.SAMPLE:
            context.remarks["this trace holds failed calls alone (record -x)"] = None


def _sites(name: tree.ProbeName, context: Context, problems: list[Problem]) -> list[Site]:
    try:
        return sites(name.text, name.span, context.parameters, context.held)
    except Problem as problem:
        problems.append(problem)
        return []


def _run_passes(context: Context, probes: list[CheckedProbe], problems: list[Problem]) -> None:
    """Goes through the script until all types are known, then once more, in which errors count."""
    for _ in range(_MOST_PASSES):
        context.changed = False
        _pass(context, probes, [])
        if not context.changed:
            break
    context.final = True
    _pass(context, probes, problems)


def _pass(context: Context, probes: list[CheckedProbe], problems: list[Problem]) -> None:
    statements = StatementCheck(context, problems)
    for probe in probes:
        context.sites = probe.sites
        context.action = context.scope = Scope()
        context.slots = 0
        if probe.predicate is not None:
            statements.guard(partial(statements.predicate, probe.predicate))
        statements.block(probe.body)


def _enumerate(definition: tree.EnumDefinition, context: Context) -> None:
    following = 0
    enum = definition.name or f"unnamed enum {len(context.enumerators)}"
    names = context.enumerators.setdefault(enum, {})
    for name, value in definition.enumerators:
        if value is not None:
            number = constant_value(value, context)
            if number is None:
                raise Problem(definition.span, f"{name}: an enumerator's value has to be a number")
            following = number
        context.enums[name] = following
        context.enum_of[name] = enum
        names.setdefault(following & (2**64 - 1), name)
        following += 1
