"""What makes nodes of the syntax tree of what the parser matched; methods are called like the rules they serve."""

from __future__ import annotations

from typing import Any

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.literals import integer, unescape

_Items = list[Any]


def _span(meta: Any) -> Span:
    if getattr(meta, "empty", True):
        return tree.NOWHERE
    return Span(meta.line, meta.column, meta.end_line, meta.end_column)


def _token_span(token: Any) -> Span:
    return Span(token.line, token.column, token.end_line, token.end_column)


def builder() -> Any:
    """The transformer from matches to nodes; it does not recurse, for matches may be deep."""
    import lark  # noqa: PLC0415
    from lark.visitors import Transformer_NonRecursive  # noqa: PLC0415

    @lark.v_args(meta=True)
    class Builder(Transformer_NonRecursive[Any, Any]):
        def script(self, meta: Any, items: _Items) -> tree.Script:
            def of(kind: type) -> list[Any]:
                return [item for item in items if isinstance(item, kind)]

            settings = [setting for item in items if isinstance(item, list) for setting in item]
            macros = {m.name: m for m in of(tree.Macro)}
            return tree.Script(
                _span(meta),
                *(of(tree.Probe), macros, settings, of(tree.MapDeclaration), of(tree.StructDefinition)),
                *(of(tree.EnumDefinition), of(tree.Import)),
            )

        def config(self, _meta: Any, items: _Items) -> list[tree.Setting]:
            return [item for item in items if isinstance(item, tree.Setting)]

        def setting(self, meta: Any, items: _Items) -> tree.Setting:
            key, value = items[:2]
            written = str(value)
            if value.type == "INT":
                return tree.Setting(_span(meta), str(key), integer(written, _token_span(value))[0])
            if value.type == "BOOL":
                return tree.Setting(_span(meta), str(key), written == "true")
            return tree.Setting(_span(meta), str(key), unescape(written) if value.type == "STRING" else written)

        def map_declaration(self, meta: Any, items: _Items) -> tree.MapDeclaration:
            name, kind, size = (str(item) for item in items)
            return tree.MapDeclaration(_span(meta), name, kind, integer(size, _span(meta))[0])

        def parameters(self, _meta: Any, items: _Items) -> list[str]:
            return [str(item) for item in items]

        def macro(self, meta: Any, items: _Items) -> tree.Macro:
            name, parameters, body = items
            return tree.Macro(_span(meta), str(name), parameters or [], body)

        def aggregate_kind(self, _meta: Any, items: _Items) -> str:
            return str(items[0])

        def struct_definition(self, meta: Any, items: _Items) -> tree.StructDefinition:
            members = [item for item in items[2:] if isinstance(item, tree.Member)]
            attributes = " ".join(str(item) for item in items[2:] if isinstance(item, str))
            return tree.StructDefinition(
                _span(meta), str(items[1]), items[0] == "union", members, "packed" in attributes
            )

        def array_length(self, meta: Any, items: _Items) -> int:
            return integer(str(items[0]), _span(meta))[0] if items[0] is not None else 0

        def member(self, meta: Any, items: _Items) -> tree.Member:
            written, name, *lengths, bits = items
            if bits is not None:
                raise Problem(_span(meta), "bit-fields cannot be replayed", "Take the whole number and shift it.")
            held = tree.TypeName(written.span, written.words, written.stars, (*lengths, *written.lengths), written.of)
            return tree.Member(_span(meta), held, str(name))

        def nested_member(self, meta: Any, items: _Items) -> tree.Member:
            kind, name, *rest = items
            members = [item for item in rest if isinstance(item, tree.Member)]
            variable = next(item for item in rest if isinstance(item, str))
            lengths = tuple(item for item in rest if isinstance(item, int))
            called = str(name) if name is not None else f"(unnamed at {meta.line}:{meta.column})"
            nested = tree.StructDefinition(_span(meta), called, kind == "union", members)
            written = tree.TypeName(_span(meta), ("struct", called), 0, lengths)
            return tree.Member(_span(meta), written, str(variable), nested)

        def enumerator(self, _meta: Any, items: _Items) -> tuple[str, Any]:
            return str(items[0]), items[1]

        def enum_definition(self, meta: Any, items: _Items) -> tree.EnumDefinition:
            name = next((str(item) for item in items[1:] if isinstance(item, str)), "")
            return tree.EnumDefinition(_span(meta), name, [item for item in items if isinstance(item, tuple)])

        def function(self, meta: Any, items: _Items) -> None:
            raise Problem(
                Span(meta.line, meta.column, meta.line, meta.column + 2),
                f"fn {items[0]}() cannot be replayed: functions of a script are not supported",
                f"Write it as macro {items[0]}(...).",
            )

        def import_file(self, meta: Any, items: _Items) -> tree.Import:
            return tree.Import(_span(meta), unescape(str(items[0])))

        def probe_names(self, _meta: Any, items: _Items) -> list[tree.ProbeName]:
            return [tree.ProbeName(_token_span(item), str(item)) for item in items]

        def predicate(self, _meta: Any, items: _Items) -> Any:
            return items[0]

        def probe(self, meta: Any, items: _Items) -> tree.Probe:
            names, *rest = items
            body = rest[-1]
            return tree.Probe(_span(meta), names, rest[0] if len(rest) > 1 else None, body)

        def block(self, meta: Any, items: _Items) -> tree.Block:
            return tree.Block(_span(meta), [item for item in items if item is not None])

        def empty(self, _meta: Any, _items: _Items) -> None:
            return None

        def if_statement(self, meta: Any, items: _Items) -> tree.If:
            condition, yes, no = items
            if isinstance(no, tree.If):
                no = tree.Block(no.span, [no])
            return tree.If(_span(meta), condition, yes, no)

        def unroll(self, meta: Any, items: _Items) -> tree.Unroll:
            return tree.Unroll(_span(meta), items[0], items[1])

        def while_loop(self, meta: Any, items: _Items) -> tree.While:
            return tree.While(_span(meta), items[0], items[1])

        def range(self, _meta: Any, items: _Items) -> tuple[Any, Any]:
            return items[0], items[1]

        def for_loop(self, meta: Any, items: _Items) -> tree.Statement:
            name, over, body = items
            variable = tree.Variable(_token_span(name), str(name))
            if isinstance(over, tuple):
                return tree.ForRange(_span(meta), variable, over[0], over[1], body)
            if not isinstance(over, tree.Map):
                raise Problem(over.span, "Loop expression must be a map or a range")
            return tree.ForMap(_span(meta), variable, over, body)

        def block_statement(self, _meta: Any, items: _Items) -> tree.Block:
            block: tree.Block = items[0]
            return block

        def expression_statement(self, meta: Any, items: _Items) -> tree.Statement:
            if isinstance(items[0], tree.BlockExpression) and items[0].value is None:
                return items[0].block
            return tree.Evaluate(_span(meta), items[0])

        def let(self, meta: Any, items: _Items) -> tree.Let:
            name, type_name, value = items
            return tree.Let(_span(meta), tree.Variable(_token_span(name), str(name)), type_name, value)

        def assign(self, meta: Any, items: _Items) -> tree.Assign:
            target, operator, value = items
            return tree.Assign(_span(meta), target, str(operator)[:-1], value)

        def return_statement(self, meta: Any, items: _Items) -> tree.Return:
            return tree.Return(_span(meta), items[0])

        def break_statement(self, meta: Any, _items: _Items) -> tree.Break:
            return tree.Break(_span(meta))

        def continue_statement(self, meta: Any, _items: _Items) -> tree.Continue:
            return tree.Continue(_span(meta))

        def conditional(self, meta: Any, items: _Items) -> tree.Conditional:
            return tree.Conditional(_span(meta), *items)

        def elvis(self, meta: Any, items: _Items) -> tree.Conditional:
            return tree.Conditional(_span(meta), items[0], None, items[1])

        def binary(self, meta: Any, items: _Items) -> tree.Binary:
            return tree.Binary(_span(meta), str(items[1]), items[0], items[2])

        def unary(self, meta: Any, items: _Items) -> tree.Expression:
            operator, operand = str(items[0]), items[1]
            if operator == "-" and isinstance(operand, tree.Integer):
                return tree.Integer(_span(meta), -operand.value)
            return tree.Unary(_span(meta), operator, operand)

        def prefix_step(self, meta: Any, items: _Items) -> tree.Step:
            return tree.Step(_span(meta), items[1], str(items[0]), True)

        def postfix_step(self, meta: Any, items: _Items) -> tree.Step:
            return tree.Step(_span(meta), items[0], str(items[1]), False)

        def cast(self, meta: Any, items: _Items) -> tree.Cast:
            return tree.Cast(_span(meta), items[0], items[1])

        def sizeof_type(self, meta: Any, items: _Items) -> tree.SizeOf:
            return tree.SizeOf(_span(meta), items[0])

        sizeof = sizeof_type

        def field_path(self, _meta: Any, items: _Items) -> list[str]:
            return [str(item) for item in items]

        def offsetof(self, meta: Any, items: _Items) -> tree.OffsetOf:
            return tree.OffsetOf(_span(meta), items[0], items[1])

        def field_name(self, _meta: Any, items: _Items) -> str:
            return str(items[0])

        def field(self, meta: Any, items: _Items) -> tree.Field:
            return tree.Field(_span(meta), items[0], items[1], False)

        def arrow(self, meta: Any, items: _Items) -> tree.Field:
            return tree.Field(_span(meta), items[0], items[1], True)

        def item(self, meta: Any, items: _Items) -> tree.Item:
            return tree.Item(_span(meta), items[0], integer(str(items[1]), _span(meta))[0])

        def index(self, meta: Any, items: _Items) -> tree.Expression:
            base, *keys = items
            if isinstance(base, tree.Map) and not base.indexed:
                return tree.Map(_span(meta), base.name, keys, True)
            if len(keys) != 1:
                raise Problem(_span(meta), "syntax error: an array has one index")
            return tree.Index(_span(meta), base, keys[0])

        def integer(self, meta: Any, items: _Items) -> tree.Integer:
            value, unsigned = integer(str(items[0]), _span(meta))
            return tree.Integer(_span(meta), value, unsigned)

        def boolean(self, meta: Any, items: _Items) -> tree.Boolean:
            return tree.Boolean(_span(meta), items[0] == "true")

        def string(self, meta: Any, items: _Items) -> tree.String:
            # A zero byte ends a string, wherever it stands.
            return tree.String(_span(meta), "".join(unescape(str(item)) for item in items).partition("\0")[0])

        def name(self, meta: Any, items: _Items) -> tree.Name:
            return tree.Name(_span(meta), str(items[0]))

        def map(self, meta: Any, items: _Items) -> tree.Map:
            return tree.Map(_span(meta), str(items[0]))

        def variable(self, meta: Any, items: _Items) -> tree.Variable:
            return tree.Variable(_span(meta), str(items[0]))

        def parameter(self, meta: Any, items: _Items) -> tree.Parameter:
            return tree.Parameter(_span(meta), int(str(items[0])[1:]))

        def parameter_count(self, meta: Any, _items: _Items) -> tree.ParameterCount:
            return tree.ParameterCount(_span(meta))

        def arguments(self, _meta: Any, items: _Items) -> _Items:
            return items

        def call(self, meta: Any, items: _Items) -> tree.Call:
            return tree.Call(_span(meta), str(items[0]), items[1] or [])

        def if_expression(self, meta: Any, items: _Items) -> tree.Conditional:
            condition, yes, no = items
            parts = [tree.with_value(part, part.span) if isinstance(part, tree.Block) else part for part in (yes, no)]
            return tree.Conditional(_span(meta), condition, *parts)

        def parenthesized(self, _meta: Any, items: _Items) -> Any:
            return items[0]

        def empty_tuple(self, meta: Any, _items: _Items) -> tree.Tuple:
            return tree.Tuple(_span(meta), [])

        def tuple(self, meta: Any, items: _Items) -> tree.Tuple:
            return tree.Tuple(_span(meta), items)

        def named(self, _meta: Any, items: _Items) -> Any:
            return str(items[0]), items[1]

        def record(self, meta: Any, items: _Items) -> tree.Record:
            return tree.Record(_span(meta), [n for n, _ in items], [v for _, v in items])

        def block_expression(self, _meta: Any, items: _Items) -> tree.BlockExpression:
            return tree.with_value(items[0], items[0].span)

        def type(self, meta: Any, items: _Items) -> tree.TypeName:
            words = tuple(str(item) for item in items if not isinstance(item, int) and item.type != "STAR")
            stars = sum(1 for item in items if not isinstance(item, int) and item.type == "STAR")
            return tree.TypeName(_span(meta), words, stars, tuple(item for item in items if isinstance(item, int)))

        def struct_type(self, meta: Any, items: _Items) -> tree.TypeName:
            named: tree.TypeName = self.type(meta, items)
            return named

        def type_of(self, meta: Any, items: _Items) -> tree.TypeName:
            of, *stars = items
            if isinstance(of, tree.TypeName):
                return tree.TypeName(_span(meta), of.words, of.stars + len(stars), of.lengths, of.of)
            return tree.TypeName(_span(meta), (), len(stars), (), of)

    return Builder()
