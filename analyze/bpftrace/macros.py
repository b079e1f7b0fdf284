"""Macros: a copy of the body in place of each use, with what was passed in place of the parameters."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.builtin_variables import REFUSED, builtin_kinds
from bpfrec.analyze.bpftrace.dialect import LATEST
from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.walk import walk

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
        if isinstance(node, tree.Evaluate) and (used := self._used(node.value)) is not None:
            # As a statement it gives no value, so both sides of an if at its end may differ.
            return self.expand(self._body(node.value, *used, depth), depth + 1)
        if isinstance(node, (tree.Call, tree.Name)) and (used := self._used(node)) is not None:
            return self._use(node, *used, depth)
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

    def _used(self, node: tree.Expression) -> tuple[tree.Macro, list[tree.Expression]] | None:
        """The macro that an expression is a use of, and what it is passed.

        A macro that takes something else does not hide a builtin of its name.
        """
        if not isinstance(node, (tree.Call, tree.Name)):
            return None
        arguments = node.arguments if isinstance(node, tree.Call) else []
        macro = self._macros.get(node.name)
        if macro is None or node.name in self._defines:
            return None
        if len(macro.parameters) == len(arguments):
            return macro, arguments
        return None if isinstance(node, tree.Name) or node.name in _BUILTINS else (macro, arguments)

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
        """What a use of a macro stands for in place of a value."""
        made = tree.with_value(self._body(node, macro, arguments, depth), node.span)
        if made.value is not None and not made.block.statements:
            return self.expand(made.value, depth + 1)
        return self.expand(made, depth + 1)

    def _body(self, node: Any, macro: tree.Macro, arguments: list[Any], depth: int) -> tree.Block:
        """A copy of a macro's body with what is passed in place of its parameters."""
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
        body: tree.Block = _renamed(copy.deepcopy(macro.body), passed, self._number)
        _note_use(body, node.span)
        return body


def _plain(name: str) -> str:
    return name.removeprefix("__builtin_")


def _note_use(body: tree.Block, span: Span) -> None:
    """Notes in calls of a macro's body where the macro was used: messages at run time tell both places."""
    for node in walk(body):
        if isinstance(node, tree.Call):
            node.expanded = (*node.expanded, span)


def _move(value: tree.Expression, span: Span) -> None:
    """Puts a copy at the place where it is used, so that errors show that."""
    for node in walk(value):
        node.span = span


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
