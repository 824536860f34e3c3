"""Expressions on documents: `$mergeObjects`, `$getField`, `$setField`, `$unsetField`, and pairs of key and value."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import fields_of
from kato_compat.values.show import shown
from kato_compat.values.types import alias_of


def merge_into(result: dict[str, Any], value: Any, code: int = 40400) -> None:
    """Set the fields of `value` in `result`; null and missing change nothing. Raises `code` for anything else."""
    if type(value) is dict:
        result.update(value)
        return
    if value is None or value is MISSING:
        return
    fields = fields_of(value)
    if fields is None:
        raise fail(code, f"$mergeObjects requires object inputs, but input {shown(value)} is of type {alias_of(value)}")
    result.update(fields)


@register
@dataclass(frozen=True, slots=True)
class MergeObjects(Operation):
    """`$mergeObjects`: one document with the fields of all, the last value of each (MongoDB manual: $mergeObjects)."""

    spec: ClassVar[Spec] = Spec(
        "$mergeObjects",
        Kind.EXPRESSION,
        "3.6",
        "One document with the fields of all documents; the last value of a field stays.",
        examples=(Example(({"a": {"x": 1, "y": 1}},), {"$mergeObjects": ["$a", {"x": 2}]}, [{"x": 2, "y": 1}]),),
    )

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(context.arguments("$mergeObjects", operand, 0, None))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 40400 for an operand that is neither a document nor null."""
        parts = tuple(each.compile() for each in self.operands)

        def evaluate(root: Any, frame: Frame) -> Any:
            result: dict[str, Any] = {}
            for part in parts:
                merge_into(result, part(root, frame))
            return result

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class GetField(Operation):
    """`$getField`: a field by a name that may hold dots and dollars (MongoDB manual: $getField)."""

    spec: ClassVar[Spec] = Spec(
        "$getField",
        Kind.EXPRESSION,
        "5.0",
        "The value of a field, whose name may hold dots and dollar signs.",
        examples=(Example(({"a.b": 1},), {"$getField": "a.b"}, [1]),),
    )
    pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

    field: Expression
    input: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 3041701 to 3041703."""
        # An object is the full form unless it is itself an expression that gives the field's name.
        if type(operand) is not dict or (operand and next(iter(operand)).startswith("$")):
            return cls(context.parse(operand), context.parse("$$CURRENT"))
        parts: dict[str, Expression] = {}
        for name, raw in operand.items():
            if name not in ("field", "input"):
                raise fail(3041701, f"$getField found an unknown argument: {name}")
            parts[name] = context.parse(raw)
        if "field" not in parts:
            raise fail(3041702, "$getField requires 'field' to be specified")
        if "input" not in parts:
            raise fail(3041703, "$getField requires 'input' to be specified")
        return cls(parts["field"], parts["input"])

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.field, self.input)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 3041704 for a name that is not a string."""
        name, source = self.field.compile(), self.input.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            field = name(root, frame)
            if type(field) is not str:
                raise fail(
                    3041704,
                    f"$getField requires 'field' to evaluate to type String, but got {alias_of(field)}",
                )
            value = source(root, frame)
            if type(value) is dict:
                return value.get(field, MISSING)
            if value is None:
                return None
            fields = fields_of(value)
            return MISSING if fields is None else fields.get(field, MISSING)

        return evaluate


def _field_name(name: str, raw: Any) -> str:
    """The constant that names the field; `raw` is what was written. Raises 4161106 to 4161108."""
    if type(raw) is str and raw.startswith("$"):
        raise fail(
            4161108,
            f"'{raw}' is a field path reference which is not allowed in this context. "
            f"Did you mean {{$literal: '{raw}'}}?",
        )
    if type(raw) is list or (type(raw) is dict and next(iter(raw), "") not in ("$literal", "$const")):
        raise fail(4161106, f"{name} requires 'field' to evaluate to a constant, but got a non-constant argument")
    value = next(iter(raw.values())) if type(raw) is dict else raw
    if type(value) is not str:
        raise fail(4161107, f"{name} requires 'field' to evaluate to type String, but got {alias_of(value)}")
    if "\0" in value:
        raise fail(9534700, f"{name}: 'field' cannot contain an embedded null byte")
    return value


def _setter(spec_: Spec) -> type[Operation]:
    """`$setField`, or `$unsetField`, which has no value and removes the field."""
    name = spec_.name
    known = ("field", "input") if name == "$unsetField" else ("field", "input", "value")

    @dataclass(frozen=True, slots=True)
    class Setter(Operation):
        __doc__ = f"`{name}` (MongoDB manual: {name})."

        spec: ClassVar[Spec] = spec_
        pure: ClassVar[bool] = False  # the server does not fold it: errors wait for a document

        field: str
        input: Expression
        value: Expression

        @classmethod
        def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
            """See `Operation.parse`. Raises 4161100 to 4161109."""
            if type(operand) is not dict:
                raise fail(4161100, f"{name} only supports an object as its argument")
            parts: dict[str, Expression] = {}
            for key, raw in operand.items():
                if key not in known:
                    raise fail(4161101, f"{name} found an unknown argument: {key}")
                parts[key] = context.parse(raw)
            if name == "$unsetField":
                parts["value"] = Literal(MISSING)
            for code, key in ((4161102, "field"), (4161103, "value"), (4161109, "input")):
                if key not in parts:
                    raise fail(code, f"{name} requires '{key}' to be specified")
            return cls(_field_name(name, operand["field"]), parts["input"], parts["value"])

        @property
        def children(self) -> tuple[Expression, ...]:
            """See `Expression.children`."""
            return (self.input, self.value)

        def compile(self) -> Evaluator:
            """See `Expression.compile`. Raises 4161105 for an input that is neither a document nor null."""
            field, source, value = self.field, self.input.compile(), self.value.compile()

            def evaluate(root: Any, frame: Frame) -> Any:
                fields = source(root, frame)
                if fields is None or fields is MISSING:
                    return None
                document = fields_of(fields)
                if document is None:
                    raise fail(
                        4161105, f"{name} requires 'input' to evaluate to type Object, but got {alias_of(fields)}"
                    )
                result = dict(document)
                new = value(root, frame)
                if new is MISSING:
                    result.pop(field, None)
                else:
                    result[field] = new
                return result

            return evaluate

    return Setter


SetField = register(
    _setter(
        Spec(
            "$setField",
            Kind.EXPRESSION,
            "5.0",
            "A document with one field set, or removed by $$REMOVE; its name may hold dots and dollar signs.",
            examples=(
                Example(
                    ({"a": 1},), {"$setField": {"field": "x.y", "input": "$$ROOT", "value": 2}}, [{"a": 1, "x.y": 2}]
                ),
            ),
        )
    )
)
UnsetField = register(
    _setter(
        Spec(
            "$unsetField",
            Kind.EXPRESSION,
            "5.0",
            "A document without one field, whose name may hold dots and dollar signs.",
            examples=(
                Example(({"a": 1, "x.y": 2},), {"$unsetField": {"field": "x.y", "input": "$$ROOT"}}, [{"a": 1}]),
            ),
        )
    )
)


@register
@dataclass(frozen=True, slots=True)
class ObjectToArray(Operation):
    """`$objectToArray`: the fields as documents ``{k, v}`` (MongoDB manual: $objectToArray)."""

    spec: ClassVar[Spec] = Spec(
        "$objectToArray",
        Kind.EXPRESSION,
        "3.4",
        "The fields of a document as documents of a key k and a value v.",
        examples=(Example(({"a": {"x": 1}},), {"$objectToArray": "$a"}, [[{"k": "x", "v": 1}]]),),
    )

    document: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        (document,) = context.arguments("$objectToArray", operand, 1, 1)
        return cls(document)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.document,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 40390 for what is neither a document nor null."""
        document = self.document.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            value = document(root, frame)
            if value is None or value is MISSING:
                return None
            fields = fields_of(value)
            if fields is None:
                raise fail(40390, f"$objectToArray requires a document input, found: {alias_of(value)}")
            return [{"k": name, "v": item} for name, item in fields.items()]

        return evaluate


@register
@dataclass(frozen=True, slots=True)
class ArrayToObject(Operation):
    """`$arrayToObject`: a document from pairs or ``{k, v}`` documents (MongoDB manual: $arrayToObject)."""

    spec: ClassVar[Spec] = Spec(
        "$arrayToObject",
        Kind.EXPRESSION,
        "3.4",
        "A document from an array of pairs, or of documents of a key k and a value v.",
        examples=(
            Example(({"a": [["x", 1], ["y", 2]]},), {"$arrayToObject": "$a"}, [{"x": 1, "y": 2}]),
            Example(({"a": [{"k": "x", "v": 1}]},), {"$arrayToObject": "$a"}, [{"x": 1}]),
        ),
    )

    array: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        (array,) = context.arguments("$arrayToObject", operand, 1, 1)
        return cls(array)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.array,)

    def compile(self) -> Evaluator:
        """See `Expression.compile`. Raises 40386 and 40391 to 40398 for an array of another shape."""
        array = self.array.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            items = array(root, frame)
            if items is None or items is MISSING:
                return None
            if type(items) is not list:
                raise fail(40386, f"$arrayToObject requires an array input, found: {alias_of(items)}")
            if not items:
                return {}
            first = items[0]
            if type(first) is list:
                return dict(map(_pair, items))
            if fields_of(first) is not None:
                return dict(map(_entry, items))
            raise fail(40398, f"Unrecognised input type format for $arrayToObject: {alias_of(first)}")

        return evaluate


_CONSISTENT = "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. "


def _pair(item: Any) -> tuple[str, Any]:
    if type(item) is not list:
        raise fail(40396, f"{_CONSISTENT}Array was detected, now found: {alias_of(item)}")
    if len(item) != 2:
        raise fail(40397, f"$arrayToObject requires an array of size 2 arrays, found array of size: {len(item)}")
    name, value = item
    if type(name) is not str:
        raise fail(
            40395,
            "$arrayToObject requires an array of key-value pairs, where the key must be of type string. "
            f"Found key type: {alias_of(name)}",
        )
    if "\0" in name:
        raise fail(4940400, "Key field cannot contain an embedded null byte")
    return name, value


def _entry(item: Any) -> tuple[str, Any]:
    fields = fields_of(item)
    if fields is None:
        raise fail(40391, f"{_CONSISTENT}Object was detected, now found: {alias_of(item)}")
    if len(fields) != 2:
        raise fail(
            40392,
            f"$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:{len(fields)}",
        )
    if "k" not in fields or "v" not in fields:
        raise fail(
            40393,
            "$arrayToObject requires an object with keys 'k' and 'v'. "
            f"Missing either or both keys from: {shown(fields)}",
        )
    name = fields["k"]
    if type(name) is not str:
        raise fail(
            40394,
            "$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type "
            f"string. Found type: {alias_of(name)}",
        )
    if "\0" in name:
        raise fail(4940401, "Key field cannot contain an embedded null byte")
    return name, fields["v"]
