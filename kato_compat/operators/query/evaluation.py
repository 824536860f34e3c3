"""Evaluation query operators but `$jsonSchema` (MongoDB manual: Evaluation Query Operators, Miscellaneous)."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128
from bson.regex import Regex

from kato_compat.errors import fail, refused
from kato_compat.ir.expression import Literal
from kato_compat.ir.filter import DocumentOperator, FieldOperator, FilterScope
from kato_compat.ir.predicate import ALWAYS, NEVER, AtPath, Computed, Constant, Predicate, Test, ValueTest, truthy
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec, Status
from kato_compat.operators.query import push
from kato_compat.operators.query.integer import integer
from kato_compat.sql.column import Column
from kato_compat.sql.fragment import Pushed
from kato_compat.values.order import regex_parts
from kato_compat.values.paths import Path
from kato_compat.values.regex import compile_regex
from kato_compat.values.types import INT64_MAX, INT64_MIN, is_number

_WORDS: Final = ({"_id": 1, "s": "Anna"}, {"_id": 2, "s": ["ben", "Bea"]}, {"_id": 3, "s": 5})


@register
@dataclass(frozen=True, slots=True)
class RegexTest(Test, FieldOperator):
    """`$regex`, and a regular expression as a plain value: a string that matches (MongoDB manual: $regex).

    A stored regular expression matches the same pattern with the same options.
    """

    spec: ClassVar[Spec] = Spec(
        "$regex",
        Kind.QUERY,
        "1.0",
        "A string in which a regular expression (PCRE2) is found.",
        Status.PARTIAL,
        "refused as invalid: the option (?U), callouts, \\C, and the verbs (*ACCEPT), (*COMMIT), (*THEN) and (*CRLF)",
        examples=(
            Example(_WORDS, {"s": {"$regex": "^b", "$options": "i"}}, [_WORDS[1]]),
            Example(_WORDS, {"s": Regex("nn")}, [_WORDS[0]]),
        ),
    )
    pattern: str
    options: str = ""

    @classmethod
    def of(cls, value: Regex[Any]) -> "RegexTest":
        """The test of a regular expression given as a value; raises what `compile_regex` raises."""
        pattern, options = regex_parts(value)
        compile_regex(pattern, options)
        return cls(pattern, options)

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for another type, 51074 and 51075 for options given twice."""
        pattern = options = ""
        for name, value in siblings.items():
            if name == "$regex":
                if type(value) is str:
                    pattern = value
                elif type(value) is Regex:
                    pattern, own = regex_parts(value)
                    if own and options:
                        raise fail(51074, "options set in both $regex and $options")
                    options = own or options
                else:
                    raise fail(2, "$regex has to be a string")
            elif name == "$options":
                if type(value) is not str:
                    raise fail(2, "$options has to be a string")
                if options:
                    raise fail(51075, "options set in both $regex and $options")
                options = value
        compile_regex(pattern, options)
        return AtPath(path, cls(pattern, options))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        search = compile_regex(self.pattern, self.options).search
        parts = self.pattern, "".join(sorted(self.options))

        def test(value: Any) -> bool:
            if type(value) is str:
                return search(value) is not None
            return type(value) is Regex and regex_parts(value) == parts

        return test

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact for literals and literal prefixes."""
        return push.search(self.pattern, self.options, column)


@register
class Options(FieldOperator):
    """`$options`: the option letters of the `$regex` beside it (MongoDB manual: $regex)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$options",
        Kind.QUERY,
        "1.0",
        "The options `imsx` of the `$regex` beside it.",
        examples=(Example(_WORDS, {"s": {"$options": "i", "$regex": "^A"}}, [_WORDS[0]]),),
    )

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate | None:
        """See `FieldOperator.parse`. Raises 2 where there is no `$regex`."""
        if "$regex" not in siblings:
            raise fail(2, "$options needs a $regex")
        return None


@register
@dataclass(frozen=True, slots=True)
class Mod(Test, FieldOperator):
    """`$mod`: the number, cut to an integer, leaves `remainder` when divided (MongoDB manual: $mod).

    The remainder has the sign of the dividend.
    """

    spec: ClassVar[Spec] = Spec(
        "$mod",
        Kind.QUERY,
        "1.0",
        "A number that divided by a divisor leaves a remainder.",
        examples=(
            Example(({"_id": 1, "n": 7}, {"_id": 2, "n": 8.9}), {"n": {"$mod": [4, 0]}}, [{"_id": 2, "n": 8.9}]),
        ),
    )
    divisor: int
    remainder: int

    @classmethod
    def parse(cls, path: Path, operand: Any, siblings: Mapping[str, Any], scope: FilterScope) -> Predicate:
        """See `FieldOperator.parse`. Raises 2 for anything but two finite numbers within 64 bits, divisor not 0."""
        if type(operand) is not list:
            raise fail(2, "malformed mod, needs to be an array")
        if not operand:
            raise fail(2, "malformed mod, not enough elements")
        if not is_number(operand[0]):
            raise fail(2, "malformed mod, divisor not a number")
        if len(operand) < 2:
            raise fail(2, "malformed mod, not enough elements")
        if not is_number(operand[1]):
            raise fail(2, "malformed mod, remainder not a number")
        if len(operand) > 2:
            raise fail(2, "malformed mod, too many elements")
        divisor = _coerced("divisor", operand[0])
        remainder = _coerced("remainder", operand[1])
        if divisor == 0:
            raise fail(2, "divisor cannot be 0")
        return AtPath(path, cls(divisor, remainder))

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        divisor, remainder = abs(self.divisor), self.remainder

        def test(value: Any) -> bool:
            if not is_number(value):
                return False
            whole = truncated(value)
            if whole is None:
                return False
            left = whole % divisor if whole >= 0 else -(-whole % divisor)
            return left == remainder

        return test

    def push(self, column: Column) -> Pushed | None:
        """See `Test.push`: exact on every column."""
        return push.mod(self.divisor, self.remainder, column)


def truncated(value: Any) -> int | None:
    """A number cut to an integer; None for NaN, infinities and what does not fit 64 bits."""
    if type(value) is float:
        whole = int(value) if value - value == 0 else None
    elif type(value) is Decimal128:
        decimal = value.to_decimal()
        whole = int(decimal) if decimal.is_finite() and decimal.adjusted() < 20 else None
    else:
        whole = int(value)
    return whole if whole is not None and INT64_MIN <= whole <= INT64_MAX else None


def _coerced(what: str, value: Any) -> int:
    whole = truncated(value)
    if whole is not None:
        return whole
    invalid = f"malformed mod, {what} value is invalid :: caused by :: "
    if type(value) is float and value == 2.0**63:
        # The server's check of the range lets this one through, and the conversion wraps.
        return INT64_MIN
    if type(value) is Decimal128:
        finite = value.to_decimal().is_finite()
    else:
        finite = value - value == 0
    if finite:
        raise fail(2, invalid + "Out of bounds coercing to integral value")
    raise fail(2, invalid + "Unable to coerce NaN/Inf to integral type")


@register
class Expr(DocumentOperator):
    """`$expr`: an aggregation expression is truthy for the document (MongoDB manual: $expr)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$expr",
        Kind.QUERY,
        "3.6",
        "An aggregation expression that is true for the document.",
        examples=(Example(({"_id": 1, "ok": 1}, {"_id": 2, "ok": 0}), {"$expr": "$ok"}, [{"_id": 1, "ok": 1}]),),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 2 below a field, and what the expression raises."""
        if scope.nested:
            raise fail(2, "$expr can only be applied to the top-level document")
        expression = scope.expression(operand)
        if isinstance(expression, Literal):
            return Constant(truthy(expression.value))
        return Computed(expression)


@register
class Comment(DocumentOperator):
    """`$comment`: a remark that tests nothing (MongoDB manual: $comment)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$comment",
        Kind.QUERY,
        "1.0",
        "A remark on the query; it tests nothing.",
        examples=(Example(({"_id": 1},), {"$comment": "all of them"}, [{"_id": 1}]),),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate | None:
        """See `DocumentOperator.parse`."""
        return None


@dataclass(frozen=True, slots=True)
class Sample(Test):
    """Passes at random, at `rate`, whatever the value."""

    spec: ClassVar[Spec]
    rate: float

    def compile(self) -> ValueTest:
        """See `Test.compile`."""
        rate, draw = self.rate, random.random
        return lambda value: draw() < rate


@register
class SampleRate(DocumentOperator):
    """`$sampleRate`: each document passes with a probability (MongoDB manual: $sampleRate)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$sampleRate",
        Kind.QUERY,
        "4.4.2",
        "Matches each document with the given probability.",
        examples=(Example(({"_id": 1},), {"$sampleRate": 1.0}, [{"_id": 1}]),),
    )

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 2 for anything but a number from 0 to 1."""
        if not is_number(operand):
            raise fail(2, "argument to $sampleRate must be a numeric type")
        rate = float(operand.to_decimal()) if type(operand) is Decimal128 else float(operand)
        if not 0 <= rate <= 1:
            raise fail(2, "numeric argument to $sampleRate must be in [0, 1]")
        if rate in (0.0, 1.0):
            return ALWAYS if rate else NEVER
        return AtPath((), Sample(rate))


Sample.spec = SampleRate.spec


class _Constant(DocumentOperator):
    """The base of `$alwaysTrue` and `$alwaysFalse`."""

    __slots__ = ()
    result: ClassVar[Constant]

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 9 for anything but 1."""
        name = cls.spec.name
        if integer(name, operand, 9) != 1:
            raise fail(9, f"{name} must be an integer value of 1")
        return cls.result


@register
class AlwaysTrue(_Constant):
    """`$alwaysTrue: 1`: every document."""

    __slots__ = ()
    result = ALWAYS
    spec: ClassVar[Spec] = Spec(
        "$alwaysTrue",
        Kind.QUERY,
        "3.6",
        "Matches every document; the operand is 1.",
        examples=(Example(({"_id": 1},), {"$alwaysTrue": 1}, [{"_id": 1}]),),
    )


@register
class AlwaysFalse(_Constant):
    """`$alwaysFalse: 1`: no document."""

    __slots__ = ()
    result = NEVER
    spec: ClassVar[Spec] = Spec(
        "$alwaysFalse",
        Kind.QUERY,
        "3.6",
        "Matches no document; the operand is 1.",
        examples=(Example(({"_id": 1},), {"$alwaysFalse": 1}, []),),
    )


class _RefusedDocument(DocumentOperator):
    """The base of document operators that are refused."""

    __slots__ = ()

    @classmethod
    def parse(cls, operand: Any, scope: FilterScope) -> Predicate:
        """See `DocumentOperator.parse`. Raises 2 below a field, else 115."""
        if scope.nested:
            raise fail(2, f"{cls.spec.name} can only be applied to the top-level document")
        raise refused(cls.spec.name, cls.spec.limits)


@register
class Where(_RefusedDocument):
    """`$where`: refused (MongoDB manual: $where)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$where",
        Kind.QUERY,
        "1.0",
        "A JavaScript function that is true for the document.",
        Status.REFUSED,
        "it runs JavaScript, which neither engine has; write the condition with $expr",
    )


@register
class Text(_RefusedDocument):
    """`$text`: refused (MongoDB manual: $text)."""

    __slots__ = ()
    spec: ClassVar[Spec] = Spec(
        "$text",
        Kind.QUERY,
        "2.6",
        "A search in a text index.",
        Status.REFUSED,
        "there are no text indexes; use $regex",
    )
