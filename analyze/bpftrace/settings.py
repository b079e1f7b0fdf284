"""``config = { ... }``: what it may say, and what a replay makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.errors import Problem

_STACK_MODES = ("bpftrace", "perf", "raw", "build_id")
_LICENSES = ("Dual MIT/GPL", "Dual BSD/GPL", "Dual MPL/GPL", "GPL and additional rights", "GPL v2", "GPL")
_IGNORED = frozenset(
    {
        "cache_user_symbols",
        "cpp_demangle",
        "debug_output",
        "lazy_symbolication",
        "log_size",
        "max_bpf_progs",
        "max_cat_bytes",
        "max_probes",
        "max_type_res_iterations",
        "on_stack_limit",
        "perf_rb_pages",
        "show_debug_info",
        "symbol_source",
        "unstable_import",
        "unstable_macro",
        "unstable_map_decl",
        "unstable_tseries",
        "unstable_addr",
        "use_blazesym",
        "verify_llvm_ir",
        "btf",
        "missing_probes",
        "vmlinux",
        "warn_missing_probes",
        "strlen",
        "max_ast_nodes",
        "no_cpp_demangle",
        "unstable_import_statement",
    }
)
"""What bpftrace takes and what means nothing to a replay."""


@dataclass
class Settings:
    """What a script's configuration says. ``string_bytes``: at most so many bytes of a string, without its zero."""

    string_bytes: int
    trailer: str
    print_maps_on_exit: bool = True
    stack_mode: str = "bpftrace"
    max_map_keys: int | None = None


def settings_of(script: tree.Script, dialect: Dialect) -> Settings:
    """The settings of a script.

    Raises:
        Problem: there is no such setting, or it has a wrong value.
    """
    settings = Settings(dialect.string_bytes, dialect.trailer)
    for setting in script.settings:
        name = setting.name.lower().removeprefix("bpftrace_")
        value = setting.value
        if name in ("max_strlen", "max_map_keys"):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise Problem(setting.span, f"Invalid value for {setting.name}: it has to be a number from 1")
            if name == "max_strlen":
                settings.string_bytes = value - 1
            else:
                settings.max_map_keys = value
        elif name == "print_maps_on_exit":
            if value not in (True, False, 0, 1):
                raise Problem(setting.span, f"Invalid value for {setting.name}: it is true or false")
            settings.print_maps_on_exit = bool(value)
        elif name == "stack_mode":
            if value not in _STACK_MODES:
                raise Problem(
                    setting.span, f"Invalid value for stack_mode: {value}", f"It is {', '.join(_STACK_MODES)}."
                )
            settings.stack_mode = str(value)
        elif name == "str_trunc_trailer":
            settings.trailer = str(value)
        elif name == "license":
            if value not in _LICENSES:
                raise Problem(
                    setting.span, f"Invalid value for license. Found: {value}. Valid values: {', '.join(_LICENSES)}"
                )
        elif name not in _IGNORED:
            raise Problem(setting.span, f"{setting.name}: not a known configuration option")
    return settings
