"""Macros: a copy of the body in place of each use, with what was passed in place of the parameters."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.builtin_variables import REFUSED, builtin_kinds
from bpfrec.analyze.bpftrace.dialect import LATEST
from bpfrec.analyze.bpftrace.errors import Problem, Span

_MOST_EXPANSIONS = 2000
_MOST_DEPTH = 50
_BUILTINS = (frozenset(builtin_kinds(LATEST)) | frozenset(REFUSED)) - {"nsecs", "ustack", "kstack"}
"""What may be called as a function without arguments, too: ``comm()``."""


class Expander:
    """Expands the macros and ``#define`` names of a script in place."""

    def __init__(self, script: tree.Script) -> None:
        self._macros = script.macros
        self._defines = script.defines
        self._functional = script.functional_defines
        self._number = 0

    def expand(self, node: Any, depth: int = 0) -> Any:
        """``node`` with what it uses expanded.

        Raises:
            Problem: a macro that is passed what it does not take, or that leads to itself.
        """
        if isinstance(node, tree.Call) and self._is_macro(node):
            return self._use(node, self._macros[node.name], node.arguments, depth)
        if isinstance(node, tree.Call) and not node.arguments and _plain(node.name) in _BUILTINS:
            return tree.Name(node.span, _plain(node.name))
        if isinstance(node, tree.Call) and node.name in self._functional:
            return self._substituted(node, depth)
        if isinstance(node, tree.Assign) and isinstance(node.value, tree.BlockExpression):
            return self._assigned_behind(self._inside(node, depth))
        if isinstance(node, tree.Name):
            node.name = _plain(node.name)
            if node.name in self._defines:
                self._count(node, depth)
                value = copy.deepcopy(self._defines[node.name])
                _move(value, node.span)
                return self.expand(value, depth + 1)
            if node.name in self._macros and not self._macros[node.name].parameters:
                return self._use(node, self._macros[node.name], [], depth)
        if isinstance(node, tree.Node):
            return self._inside(node, depth)
        if isinstance(node, list):
            return [self.expand(item, depth) for item in node]
        return node

    def _inside(self, node: Any, depth: int) -> Any:
        for item in fields(node):
            value = getattr(node, item.name)
            if isinstance(value, (tree.Node, list)):
                setattr(node, item.name, self.expand(value, depth))
        return node

    def _is_macro(self, node: tree.Call) -> bool:
        """Whether a macro is called; one that takes something else does not hide a builtin of its name."""
        macro = self._macros.get(node.name)
        if macro is None:
            return False
        return len(macro.parameters) == len(node.arguments) or node.name not in _BUILTINS

    @staticmethod
    def _assigned_behind(node: tree.Assign) -> tree.Statement:
        """``@x = { ...; count() }`` as ``{ ...; @x = count(); }``: an aggregation has to stand in its assignment."""
        block = node.value
        if not isinstance(block, tree.BlockExpression) or not isinstance(block.value, tree.Call):
            return node
        last = tree.Assign(node.span, node.target, node.operator, block.value)
        return tree.Block(block.span, [*block.block.statements, last])

    def _substituted(self, node: tree.Call, depth: int) -> Any:
        """A use of ``#define name(parameters) expression``: the expression with the arguments in their places."""
        self._count(node, depth)
        parameters, body = self._functional[node.name]
        if len(parameters) != len(node.arguments):
            raise Problem(
                node.span,
                f"macro '{node.name}' requires {len(parameters)} arguments, but {len(node.arguments)} were given",
            )
        value = copy.deepcopy(body)
        _move(value, node.span)
        value = _renamed(value, dict(zip(parameters, node.arguments, strict=True)), None)
        return self.expand(value, depth + 1)

    def _count(self, node: tree.Node, depth: int) -> None:
        self._number += 1
        if depth > _MOST_DEPTH or self._number > _MOST_EXPANSIONS:
            raise Problem(node.span, "Recursive macro call detected")

    def _use(self, node: Any, macro: tree.Macro, arguments: list[Any], depth: int) -> Any:
        self._count(node, depth)
        if len(arguments) != len(macro.parameters):
            raise Problem(
                node.span,
                f"Call to macro '{macro.name}' has wrong number arguments. Expected: {len(macro.parameters)} "
                f"but got {len(arguments)}",
            )
        passed = dict(zip(macro.parameters, arguments, strict=True))
        for name, value in passed.items():
            if name.startswith("$") and not isinstance(value, tree.Variable):
                raise Problem(value.span, f"Mismatched arg to macro call: {name} expects a variable")
            if name.startswith("@") and not isinstance(value, tree.Map):
                raise Problem(value.span, f"Mismatched arg to macro call: {name} expects a map")
        body = _renamed(copy.deepcopy(macro.body), passed, self._number)
        last = body.statements[-1] if body.statements else None
        value = last.value if isinstance(last, tree.Evaluate) else None
        kept = body.statements[:-1] if value is not None else body.statements
        _note_use(body, node.span)
        if value is not None and not kept:
            return self.expand(value, depth + 1)
        made = tree.BlockExpression(node.span, tree.Block(body.span, kept), value)
        return self.expand(made, depth + 1)


def _plain(name: str) -> str:
    return name.removeprefix("__builtin_")


def _note_use(node: Any, span: Span) -> None:
    """Notes in calls of a macro's body where the macro was used: messages at run time tell both places."""
    if isinstance(node, list):
        for item in node:
            _note_use(item, span)
    elif isinstance(node, tree.Node):
        if isinstance(node, tree.Call):
            node.expanded = (*node.expanded, span)
        for item in fields(node):
            _note_use(getattr(node, item.name), span)


def _move(node: Any, span: Any) -> None:
    """Puts a copy at the place where it is used, so that errors show that."""
    if isinstance(node, list):
        for item in node:
            _move(item, span)
    elif isinstance(node, tree.Node):
        node.span = span
        for item in fields(node):
            _move(getattr(node, item.name), span)


def _renamed(node: Any, passed: dict[str, Any], number: int | None) -> Any:
    """``node`` with what was passed in place of parameters; variables are renamed by ``number``, if there is one."""
    if isinstance(node, list):
        return [_renamed(item, passed, number) for item in node]
    if not isinstance(node, tree.Node):
        return node
    if isinstance(node, tree.Name) and node.name in passed:
        return copy.deepcopy(passed[node.name])
    if isinstance(node, tree.Variable):
        if node.name in passed:
            return copy.deepcopy(passed[node.name])
        if number is not None:
            node.name = f"{node.name}#{number}"
        return node
    for item in fields(node):
        value = getattr(node, item.name)
        if isinstance(value, (tree.Node, list)):
            setattr(node, item.name, _renamed(value, passed, number))
    if isinstance(node, tree.Map) and node.name in passed:
        node.name = passed[node.name].name
    return node
