"""JSON text as documents and arrays, without Extended JSON (MongoDB manual: $toObject, $toArray)."""

import json
import struct
from typing import Any, Final, NoReturn

from bson.binary import VECTOR_SUBTYPE, Binary
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.values.types import ALIASES, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, BsonType, type_of

_DEEPEST: Final = 200
_PACKED_BITS: Final = 0x10
_BYTES: Final = 0x03
_FLOATS: Final = 0x27


def parse_json(text: str, wanted: BsonType) -> Any:
    """The document or array that `text` writes; raises ConversionFailure (241).

    Whole numbers are int or long, and double beyond 64 bits; the last of equal names wins.
    """
    try:
        value = json.loads(text, parse_int=_integer, parse_constant=_no_constant, object_pairs_hook=_document)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise _invalid(str(error)) from error
    if type(value) is not dict and type(value) is not list:
        raise _invalid("Unexpected standalone value")
    _check_depth(value, 1)
    if type_of(value) is not wanted:
        raise fail(241, f"Input doesn't match expected type '{ALIASES[wanted]}'")
    return value


def _invalid(reason: str) -> Exception:
    return fail(241, f"Input doesn't represent valid JSON: {reason}")


def _integer(digits: str) -> int | float:
    if len(digits) > 20:
        return float(digits)
    number = int(digits)
    if INT32_MIN <= number <= INT32_MAX:
        return number
    return Int64(number) if INT64_MIN <= number <= INT64_MAX else float(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _document(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, _ in pairs:
        if "\0" in name or not _is_text(name):
            raise ValueError(f"{name!a} cannot be a field name")
    return dict(pairs)


def _check_depth(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise _invalid(f"Result exceeds maximum depth limit of {_DEEPEST} levels of nesting")
    items = value.values() if type(value) is dict else value
    for item in items:
        if type(item) is dict or type(item) is list:
            _check_depth(item, depth + 1)
        elif type(item) is str and not _is_text(item):
            raise _invalid("a surrogate stands alone")


def _is_text(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def vector_items(data: bytes) -> list[Any]:
    """The elements of a binary vector (subtype 9): bools, ints or doubles.

    Raises ConversionFailure (241) for another subtype, 10506600 to 10506606 for a malformed vector.
    """
    if not isinstance(data, Binary) or data.subtype != VECTOR_SUBTYPE:
        raise fail(241, "Conversion from binData to array is only supported for bindata with the vector subtype")
    if not data:
        return []
    if len(data) < 2:
        raise fail(10506601, "binData length invalid")
    kind, padding, items = data[0], data[1], bytes(data[2:])
    if kind not in (_PACKED_BITS, _BYTES, _FLOATS):
        raise fail(
            10506600,
            "Invalid dType for provided BinData vector. Valid options are 0x10 for PACKED_BIT, 0x03 for INT8, or "
            "0x27 for FLOAT32.",
        )
    if padding and (kind != _PACKED_BITS or padding > 7):
        raise fail(10506606, "Padding must be between 0 and 7 for PACKED_BIT vectors, or 0 otherwise")
    if kind == _PACKED_BITS:
        bits = [bool(byte >> place & 1) for byte in items for place in range(7, -1, -1)]
        return bits[: len(bits) - padding]
    if kind == _BYTES:
        return [byte - 256 if byte > 127 else byte for byte in items]
    if len(items) % 4:
        raise fail(10506602, "BinData vector of type FLOAT32 has a length that is not a multiple of 4")
    return list(struct.unpack(f"<{len(items) // 4}f", items))
