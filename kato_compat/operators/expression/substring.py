"""Finding and cutting out parts of strings, by UTF-8 bytes and by code points."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from bson.decimal128 import Decimal128

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.numbers import integral, long_of
from kato_compat.values.show import shown
from kato_compat.values.text import text_of
from kato_compat.values.types import INT64_MIN, alias_of, is_number


@dataclass(frozen=True, slots=True)
class Positional(Operation):
    """The base of the operators here: a fixed number of operands, evaluated in order by one function."""

    least: ClassVar[int]
    most: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    operands: tuple[Expression, ...]

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`."""
        return cls(context.arguments(cls.spec.name, operand, cls.least, cls.most))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return self.operands

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        parts, function = tuple(operand.compile() for operand in self.operands), type(self).function
        return lambda root, frame: function(*[part(root, frame) for part in parts])


def _register(spec: Spec, least: int, most: int, function: Callable[..., Any]) -> None:
    """Register the operator of `spec`, with `least` to `most` operands."""
    register(
        type(
            spec.name[1].upper() + spec.name[2:],
            (Positional,),
            {
                "__doc__": f"`{spec.name}`: {spec.summary} (MongoDB manual: {spec.name}).",
                "__module__": __name__,
                "__slots__": (),
                "spec": spec,
                "least": least,
                "most": most,
                "function": staticmethod(function),
            },
        )
    )


def _position(value: Any, name: str, what: str) -> int:
    """The index that `value` gives; raises 40096 for no 32-bit integer and 40097 for a negative one."""
    number = integral(value)
    if number is None:
        raise fail(
            40096,
            f"{name} requires an integral {what}, found a value of type: {alias_of(value)}, with value: {shown(value)}",
        )
    if number < 0:
        raise fail(40097, f"{name} requires a nonnegative {what}, found: {shown(value)}")
    return number


def _strings(name: str, text: Any, token: Any, codes: tuple[int, int]) -> bool:
    """True if there is a text to search; raises `codes` unless text and token are strings."""
    if text is None or text is MISSING:
        return False
    if type(text) is not str:
        raise fail(codes[0], f"{name} requires a string as the first argument, found: {alias_of(text)}")
    if type(token) is not str:
        raise fail(codes[1], f"{name} requires a string as the second argument, found: {alias_of(token)}")
    return True


def _bounds(name: str, given: tuple[Any, ...], length: int) -> tuple[int, int]:
    start = _position(given[0], name, "starting index") if given else 0
    end = min(length, _position(given[1], name, "ending index")) if len(given) > 1 else length
    return start, end


def _index_of_bytes(text: Any, token: Any, *given: Any) -> int | None:
    if not _strings("$indexOfBytes", text, token, (40091, 40092)):
        return None
    data = text.encode()
    start, end = _bounds("$indexOfBytes", given, len(data))
    if start > len(data) or end < start:
        return -1
    return int(data.find(token.encode(), start, end))


def _index_of_code_points(text: Any, token: Any, *given: Any) -> int | None:
    if not _strings("$indexOfCP", text, token, (40093, 40094)):
        return None
    start, end = _bounds("$indexOfCP", given, len(text))
    if end < start:
        return -1
    if not text and not token:
        return 0
    # `end` bounds where the token begins, not where it ends.
    found = text.find(token, start)
    return found if 0 <= found < end else -1


def _substring_bytes(name: str) -> Callable[[Any, Any, Any], str]:
    def cut(value: Any, start: Any, length: Any) -> str:
        text = text_of(value)
        if not is_number(start):
            raise fail(16034, f"{name}:  starting index must be a numeric type (is BSON type {alias_of(start)})")
        if not is_number(length):
            raise fail(16035, f"{name}:  length must be a numeric type (is BSON type {alias_of(length)})")
        begin, size = _long(start), _long(length)
        if begin < 0:
            raise fail(50752, f"{name}:  starting index must be non-negative (got: {begin})")
        data = text.encode()
        end = len(data) if size < 0 else begin + size
        if begin < len(data) and _continues(data[begin]):
            raise fail(28656, f"{name}:  Invalid range, starting index is a UTF-8 continuation byte.")
        if end < len(data) and _continues(data[end]):
            raise fail(28657, f"{name}:  Invalid range, ending index is in the middle of a UTF-8 character.")
        return data[begin:end].decode()

    return cut


def _continues(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def _long(value: Any) -> int:
    """The number cut to 64 bits; raises 31109 for a double beyond them."""
    if type(value) is float and not -(2.0**63) <= value < 2.0**63:
        raise fail(31109, f"Can't coerce out of range value {shown(value)} to long")
    if type(value) is Decimal128:
        # The server looks at the range of doubles only; its decimal library gives the lowest integer beyond it.
        number = value.to_decimal()
        if not number.is_finite() or abs(number) >= 2**63:
            return INT64_MIN
    return long_of(value)


def _substring_code_points(value: Any, start: Any, length: Any) -> str:
    text = text_of(value)
    numbers = []
    for what, number, codes in (("starting index", start, (34450, 34451)), ("length", length, (34452, 34453))):
        if not is_number(number):
            raise fail(codes[0], f"$substrCP: {what} must be a numeric type (is BSON type {alias_of(number)})")
        whole = integral(number)
        if whole is None:
            raise fail(codes[1], f"$substrCP: {what} cannot be represented as a 32-bit integral value: {shown(number)}")
        numbers.append(whole)
    begin, size = numbers
    if size < 0:
        raise fail(34454, "$substrCP: length must be a nonnegative integer.")
    if begin < 0:
        raise fail(34455, "$substrCP: the starting index must be nonnegative integer.")
    return text[begin : begin + size]


def _split(text: Any, separator: Any) -> list[str] | None:
    if text is None or text is MISSING or separator is None or separator is MISSING:
        return None
    if type(text) is not str:
        raise fail(
            40085,
            f"$split requires an expression that evaluates to a string as a first argument, found: {alias_of(text)}",
        )
    if type(separator) is not str:
        raise fail(
            10503900,
            "$split requires an expression that evaluates to a string as a second argument, "
            f"found: {alias_of(separator)}",
        )
    if not separator:
        raise fail(40087, "$split requires a non-empty separator")
    return text.split(separator)


_register(
    Spec(
        "$indexOfBytes",
        Kind.EXPRESSION,
        "3.4",
        "The UTF-8 byte index of the first occurrence of a substring, -1 without one.",
        examples=(
            Example(({"s": "cafeteria"}, {"s": "café"}, {}), {"$indexOfBytes": ["$s", "é"]}, [-1, 3, None]),
            Example(({"s": "foo.bar.fi"},), {"$indexOfBytes": ["$s", ".", 5, 9]}, [7]),
        ),
    ),
    2,
    4,
    _index_of_bytes,
)
_register(
    Spec(
        "$indexOfCP",
        Kind.EXPRESSION,
        "3.4",
        "The code point index of the first occurrence of a substring, -1 without one.",
        examples=(Example(({"s": "ééa"}, {"s": None}), {"$indexOfCP": ["$s", "a"]}, [2, None]),),
    ),
    2,
    4,
    _index_of_code_points,
)
_BYTES: Final = "A substring by UTF-8 byte index and number of bytes (negative: up to the end)."
for _name, _since in (("$substr", "1.0"), ("$substrBytes", "3.4")):
    _register(
        Spec(
            _name,
            Kind.EXPRESSION,
            _since,
            _BYTES,
            examples=(
                Example(({"s": "cafétéria"}, {}), {_name: ["$s", 0, 5]}, ["café", ""]),
                Example(({"n": 2024},), {_name: ["$n", 2, -1]}, ["24"]),
            ),
        ),
        3,
        3,
        _substring_bytes(_name),
    )
_register(
    Spec(
        "$substrCP",
        Kind.EXPRESSION,
        "3.4",
        "A substring by code point index and number of code points.",
        examples=(Example(({"s": "cafétéria"}, {}), {"$substrCP": ["$s", 3, 3]}, ["été", ""]),),
    ),
    3,
    3,
    _substring_code_points,
)
_register(
    Spec(
        "$split",
        Kind.EXPRESSION,
        "3.4",
        "The parts of a string between the occurrences of a separator.",
        examples=(Example(({"s": "a-b--c"}, {}), {"$split": ["$s", "-"]}, [["a", "b", "", "c"], None]),),
    ),
    2,
    2,
    _split,
)
