"""Closures that compare one value with an operand, specialised by the operand's type when a filter is compiled."""

import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId

from kato_compat.ir.predicate import DocumentTest, Selection, ValueTest
from kato_compat.values.collation import Collation
from kato_compat.values.equality import equality_key
from kato_compat.values.missing import MISSING
from kato_compat.values.order import bracket, sort_key
from kato_compat.values.types import is_number

Comparison = Callable[[Any, Any], bool]

_ORDERED_NUMBERS: Final = frozenset({int, float, Int64})
_PLAIN: Final = frozenset({str, int, Int64, ObjectId, type(None), bytes})


def never(_: Any) -> bool:
    """The test that nothing passes."""
    return False


def always(_: Any) -> bool:
    """The test that everything passes, a missing field too."""
    return True


def is_null(value: Any) -> bool:
    """True for null and for a missing field."""
    return value is None or value is MISSING


def is_nan(value: Any) -> bool:
    """True for NaN of either type."""
    if type(value) is float:
        return value != value
    return type(value) is Decimal128 and value.to_decimal().is_nan()


def equals(operand: Any, collation: Collation | None = None) -> ValueTest:
    """The test of equality with `operand`; null equals a missing field."""
    kind = type(operand)
    if operand is None:
        return is_null
    if is_nan(operand):
        return is_nan
    if collation is not None and kind in (str, list, dict, DBRef):
        equality = collation.equality()
        wanted = equality(operand)
        own = bracket(operand)
        return lambda value: bracket(value) == own and equality(value) == wanted
    if kind is str or kind is ObjectId:
        # No value of another type equals these in Python either.
        return lambda value: value == operand
    if is_number(operand):
        return _equals_number(operand)
    if operand is True or operand is False:
        return lambda value: value is operand
    if kind is datetime:
        return lambda value: type(value) is datetime and value == operand
    key = equality_key(operand)
    if kind is list:
        length = len(operand)
        return lambda value: type(value) is list and len(value) == length and equality_key(value) == key
    if kind is dict:
        return lambda value: (type(value) is dict or type(value) is DBRef) and equality_key(value) == key
    return lambda value: equality_key(value) == key


def _equals_number(operand: Any) -> ValueTest:
    number = operand.to_decimal() if type(operand) is Decimal128 else operand

    def test(value: Any) -> bool:
        if value == number:
            return type(value) is not bool
        if type(value) is not Decimal128:
            return False
        decimal = value.to_decimal()
        # A signalling NaN raises where it is compared.
        return not decimal.is_nan() and bool(decimal == number)

    return test


def within(compares: Comparison, operand: Any, collation: Collation | None = None) -> ValueTest:
    """The test that ``compares(value, operand)`` holds for a value of the operand's bracket."""
    inclusive = compares is operator.ge or compares is operator.le
    lower = compares is operator.gt or compares is operator.ge
    kind = type(operand)
    if operand is None:
        return is_null if inclusive else never
    if kind is MinKey or kind is MaxKey:
        return _beyond(kind, inclusive, lower)
    if is_nan(operand):
        return is_nan if inclusive else never
    if kind is str and collation is None:
        return _strings(compares, operand)
    if is_number(operand):
        return _numbers(compares, operand)
    if kind is datetime:
        key = sort_key(operand)
        own = key[0]

        def dates(value: Any) -> bool:
            if type(value) is datetime:
                return compares(value, operand)
            return bracket(value) == own and compares(sort_key(value), key)

        return dates
    own = bracket(operand)
    order = sort_key if collation is None else collation.sorter()
    wanted = order(operand)
    return lambda value: bracket(value) == own and compares(order(value), wanted)


def _beyond(kind: type, inclusive: bool, lower: bool) -> ValueTest:
    # MinKey and MaxKey compare with values of every type, and with a missing field.
    open_side = MinKey if lower else MaxKey
    if kind is open_side:
        return always if inclusive else (lambda value: type(value) is not kind)
    return (lambda value: type(value) is kind) if inclusive else never


def _strings(compares: Comparison, operand: str) -> ValueTest:
    if compares is operator.gt:
        return lambda value: type(value) is str and value > operand
    if compares is operator.ge:
        return lambda value: type(value) is str and value >= operand
    if compares is operator.lt:
        return lambda value: type(value) is str and value < operand
    return lambda value: type(value) is str and value <= operand


def _numbers(compares: Comparison, operand: Any) -> ValueTest:
    number = operand.to_decimal() if type(operand) is Decimal128 else operand

    def other(value: Any) -> bool:
        if type(value) is not Decimal128:
            return False
        decimal = value.to_decimal()
        return not decimal.is_nan() and compares(decimal, number)

    if type(operand) is Decimal128:
        # A decimal raises where it is ordered with NaN; among floats every comparison with NaN is false.
        return lambda value: (
            value == value and compares(value, number) if type(value) in _ORDERED_NUMBERS else other(value)
        )
    if compares is operator.gt:
        return lambda value: value > number if type(value) in _ORDERED_NUMBERS else other(value)
    if compares is operator.ge:
        return lambda value: value >= number if type(value) in _ORDERED_NUMBERS else other(value)
    if compares is operator.lt:
        return lambda value: value < number if type(value) in _ORDERED_NUMBERS else other(value)
    return lambda value: value <= number if type(value) in _ORDERED_NUMBERS else other(value)


def root_equals(name: str, operand: Any) -> DocumentTest | None:
    """`equals` of a string or an ObjectId for a root field, its array's elements included; None for other operands.

    No value of another type equals these in Python either, so that `in` looks through an array as the server does.
    """
    if type(operand) not in (str, ObjectId):
        return None

    def test(document: dict[str, Any]) -> bool:
        value = document.get(name)
        return value == operand or (type(value) is list and operand in value)

    return test


def root_within(name: str, operand: Any, test: ValueTest) -> DocumentTest | None:
    """`within` of a number for a root field, its array's elements included; None for other operands."""
    if not is_number(operand) or is_nan(operand):
        return None

    def within_root(document: dict[str, Any]) -> bool:
        value = document.get(name)
        return any(map(test, value)) if type(value) is list else test(value)

    return within_root


def select_equals(name: str, operand: Any) -> Selection | None:
    """`root_equals` for many documents at once."""
    if type(operand) not in (str, ObjectId):
        return None
    return lambda documents: [
        document
        for document in documents
        if (value := document.get(name)) == operand or (type(value) is list and operand in value)
    ]


def select_within(compares: Comparison, name: str, operand: Any, whole: DocumentTest) -> Selection | None:
    """`root_within` for many documents at once; `whole` tests those whose value is no plain number."""
    if type(operand) is Decimal128:
        return None
    if compares is operator.gt:
        return lambda documents: [
            document
            for document in documents
            if (value > operand if type(value := document.get(name)) in _ORDERED_NUMBERS else whole(document))
        ]
    if compares is operator.ge:
        return lambda documents: [
            document
            for document in documents
            if (value >= operand if type(value := document.get(name)) in _ORDERED_NUMBERS else whole(document))
        ]
    if compares is operator.lt:
        return lambda documents: [
            document
            for document in documents
            if (value < operand if type(value := document.get(name)) in _ORDERED_NUMBERS else whole(document))
        ]
    return lambda documents: [
        document
        for document in documents
        if (value <= operand if type(value := document.get(name)) in _ORDERED_NUMBERS else whole(document))
    ]


def above(operand: Any) -> ValueTest:
    """The test of `$gt`."""
    return within(operator.gt, operand)


def at_least(operand: Any) -> ValueTest:
    """The test of `$gte`."""
    return within(operator.ge, operand)


def below(operand: Any) -> ValueTest:
    """The test of `$lt`."""
    return within(operator.lt, operand)


def at_most(operand: Any) -> ValueTest:
    """The test of `$lte`."""
    return within(operator.le, operand)


def one_of(values: tuple[Any, ...], patterns: tuple[ValueTest, ...], collation: Collation | None) -> ValueTest:
    """The test of equality with one of `values` (null: also missing), or of passing one of `patterns`."""
    null = any(value is None for value in values)
    if collation is None:
        exact = _member(frozenset(equality_key(value) for value in values), null)
    else:
        equality = collation.equality()
        keys = frozenset(equality(value) for value in values)

        def exact(value: Any) -> bool:
            return null if value is MISSING else equality(value) in keys

    if not patterns:
        return exact
    return lambda value: exact(value) or any(pattern(value) for pattern in patterns)


def _member(keys: frozenset[Any], null: bool) -> ValueTest:
    def member(value: Any) -> bool:
        if type(value) in _PLAIN:
            return value in keys
        if value is MISSING:
            return null
        return equality_key(value) in keys

    return member
