"""Macros: a copy of the body in place of each use, with what was passed in place of the parameters."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.errors import Problem

_MOST_EXPANSIONS = 2000
_MOST_DEPTH = 50


class Expander:
    """Expands the macros and ``#define`` names of a script in place."""

    def __init__(self, script: tree.Script) -> None:
        self._macros = script.macros
        self._defines = script.defines
        self._number = 0

    def expand(self, node: Any, depth: int = 0) -> Any:
        """``node`` with what it uses expanded.

        Raises:
            Problem: a macro that is passed what it does not take, or that leads to itself.
        """
        if isinstance(node, tree.Call) and node.name in self._macros:
            return self._use(node, self._macros[node.name], node.arguments, depth)
        if isinstance(node, tree.Name):
            if node.name in self._defines:
                self._count(node, depth)
                value = copy.deepcopy(self._defines[node.name])
                _move(value, node.span)
                return self.expand(value, depth + 1)
            if node.name in self._macros and not self._macros[node.name].parameters:
                return self._use(node, self._macros[node.name], [], depth)
        if isinstance(node, tree.Node):
            for item in fields(node):
                value = getattr(node, item.name)
                if isinstance(value, (tree.Node, list)):
                    setattr(node, item.name, self.expand(value, depth))
        elif isinstance(node, list):
            return [self.expand(item, depth) for item in node]
        return node

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
        made = tree.BlockExpression(node.span, tree.Block(body.span, kept), value)
        return self.expand(made, depth + 1)


def _move(node: Any, span: Any) -> None:
    """Puts a copy at the place where it is used, so that errors show that."""
    if isinstance(node, list):
        for item in node:
            _move(item, span)
    elif isinstance(node, tree.Node):
        node.span = span
        for item in fields(node):
            _move(getattr(node, item.name), span)


def _renamed(node: Any, passed: dict[str, Any], number: int) -> Any:
    if isinstance(node, list):
        return [_renamed(item, passed, number) for item in node]
    if not isinstance(node, tree.Node):
        return node
    if isinstance(node, tree.Name) and node.name in passed:
        return copy.deepcopy(passed[node.name])
    if isinstance(node, tree.Variable):
        if node.name in passed:
            return copy.deepcopy(passed[node.name])
        node.name = f"{node.name}#{number}"
        return node
    for item in fields(node):
        value = getattr(node, item.name)
        if isinstance(value, (tree.Node, list)):
            setattr(node, item.name, _renamed(value, passed, number))
    if isinstance(node, tree.Map) and node.name in passed:
        node.name = passed[node.name].name
    return node
