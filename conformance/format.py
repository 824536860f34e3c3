"""Strict canonical Extended JSON (MongoDB manual: MongoDB Extended JSON (v2)), and comparison of BSON values.

`bson.json_util` also reads the legacy forms (``{"$regex": .., "$options": ..}``, ``{"$date": ..}``, ``{"$type": ..,
"$binary": ..}``, ``{"$ref": .., "$id": ..}``), which are query operators or plain documents in a case. This codec
knows the canonical wrappers only, each by its exact set of keys and the type of its content, so that everything else
is a document.
"""

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final
from uuid import UUID

import bson
from bson.binary import Binary
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

#: How results are read back where a collection takes codec options: every date that BSON has can be represented.
OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_EPOCH: Final = datetime(1970, 1, 1)
_FLAGS: Final = (("i", re.I), ("l", re.L), ("m", re.M), ("s", re.S), ("u", re.U), ("x", re.X))


def _date(content: Any) -> Any:
    milliseconds = int(content["$numberLong"]) if isinstance(content, dict) else int(content)
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return DatetimeMS(milliseconds)


def _binary(content: dict[str, str]) -> Any:
    data, subtype = base64.b64decode(content["base64"], validate=True), int(content["subType"], 16)
    return data if subtype == 0 else Binary(data, subtype)


def _regex(content: dict[str, str]) -> Regex[str]:
    known = dict(_FLAGS)
    flags = 0
    for letter in content["options"]:
        flags |= known[letter]
    return Regex(content["pattern"], flags)


_READERS: Final[dict[str, tuple[type, Callable[[Any], Any]]]] = {
    "$numberInt": (str, int),
    "$numberLong": (str, Int64),
    "$numberDouble": (str, float),
    "$numberDecimal": (str, Decimal128),
    "$oid": (str, ObjectId),
    "$date": (Int64, _date),
    "$binary": (dict, _binary),
    "$regularExpression": (dict, _regex),
    "$timestamp": (dict, lambda content: Timestamp(content["t"], content["i"])),
    "$minKey": (int, lambda _: MinKey()),
    "$maxKey": (int, lambda _: MaxKey()),
}


def _read(document: dict[str, Any]) -> Any:
    if len(document) == 1:
        ((name, content),) = document.items()
        if name in _READERS:
            kind, reader = _READERS[name]
            if not isinstance(content, kind):
                # The content of a wrapper is not a value of the case: a filter such as {"$date": ..} is none either.
                raise ValueError(f"not canonical Extended JSON: {document!r}")
            return reader(content)
        if name == "$code":
            return Code(content)
    if set(document) == {"$code", "$scope"}:
        return Code(document["$code"], document["$scope"])
    return document


def loads(text: str) -> Any:
    """The value that `text` holds. Raises `ValueError` for what is not canonical Extended JSON."""
    return json.loads(text, object_hook=_read)


def dumps(value: Any) -> str:
    """`value` as one line. Raises `ValueError` for a document that a wrapper could be mistaken for."""
    return json.dumps(_write(value), ensure_ascii=True, separators=(", ", ": "))


def _write(value: Any) -> Any:
    """The JSON value that stands for `value`."""
    if value is None or isinstance(value, bool):
        return value
    for kinds, writer in _WRITERS:
        if isinstance(value, kinds):
            return writer(value)
    raise ValueError(f"{type(value).__name__} is not a BSON type")


def _integer(value: int) -> dict[str, str]:
    small = -(2**31) <= value < 2**31 and not isinstance(value, Int64)
    return {"$numberInt" if small else "$numberLong": str(int(value))}


def _double(value: float) -> dict[str, str]:
    if math.isfinite(value):
        return {"$numberDouble": repr(float(value))}
    return {"$numberDouble": "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"}


def _document(value: Mapping[str, Any]) -> dict[str, Any]:
    if (len(value) == 1 and next(iter(value)) in (*_READERS, "$code")) or set(value) == {"$code", "$scope"}:
        raise ValueError(f"cannot be written, it reads as a wrapper: {value!r}")
    return {name: _write(item) for name, item in value.items()}


def milliseconds(value: datetime | DatetimeMS) -> int:
    """The date as milliseconds since 1970; a datetime without a zone is UTC."""
    if isinstance(value, DatetimeMS):
        return int(value)
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return (value - _EPOCH) // timedelta(milliseconds=1)


def _bytes(data: bytes, subtype: int) -> dict[str, Any]:
    return {"$binary": {"base64": base64.b64encode(data).decode("ascii"), "subType": f"{subtype:02x}"}}


def _code(value: Code) -> dict[str, Any]:
    return {"$code": str(value)} if value.scope is None else {"$code": str(value), "$scope": _write(dict(value.scope))}


def _regular(value: Regex[Any]) -> dict[str, Any]:
    options = "".join(letter for letter, flag in _FLAGS if value.flags & flag)
    return {"$regularExpression": {"pattern": value.pattern, "options": options}}


_WRITERS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (Code, _code),
    (str, str),
    (int, _integer),
    (float, _double),
    (Mapping, _document),
    ((list, tuple), lambda value: [_write(item) for item in value]),
    ((datetime, DatetimeMS), lambda value: {"$date": {"$numberLong": str(milliseconds(value))}}),
    (ObjectId, lambda value: {"$oid": str(value)}),
    (Decimal128, lambda value: {"$numberDecimal": str(value)}),
    (UUID, lambda value: _bytes(value.bytes, 4)),
    (Binary, lambda value: _bytes(bytes(value), value.subtype)),
    (bytes, lambda value: _bytes(value, 0)),
    (Regex, _regular),
    (Timestamp, lambda value: {"$timestamp": {"t": value.time, "i": value.inc}}),
    (MinKey, lambda _: {"$minKey": 1}),
    (MaxKey, lambda _: {"$maxKey": 1}),
)


class Mode(Enum):
    """How exactly two values are compared."""

    EXACT = "exact"  # the same BSON: types, order of fields, sign of zero (NaN is NaN)
    CLOSE = "close"  # as exact, but doubles may differ by 1e-12 of their size (transcendental functions)
    TOLERANT = "tolerant"  # numbers by value within 1e-9, whatever their type; fields in any order


def equal(expected: Any, actual: Any, mode: Mode = Mode.EXACT) -> bool:
    """True if the two values, of BSON's Python types, are equal in that mode."""
    if mode is Mode.TOLERANT and _is_number(expected) and _is_number(actual):
        return _near(_as_double(expected), _as_double(actual), 1e-9)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        if mode is Mode.TOLERANT:
            if set(expected) != set(actual):
                return False
        elif list(expected) != list(actual):
            return False
        return all(equal(value, actual[name], mode) for name, value in expected.items())
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        pairs = zip(expected, actual, strict=False)
        return len(expected) == len(actual) and all(equal(left, right, mode) for left, right in pairs)
    if isinstance(expected, float) and isinstance(actual, float):
        if expected != expected or actual != actual:
            return expected != expected and actual != actual
        if mode is Mode.CLOSE:
            return _near(expected, actual, 1e-12)
    try:
        return bson.encode({"v": expected}) == bson.encode({"v": actual})
    except bson.errors.InvalidDocument:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal128) and not isinstance(value, bool)


def _as_double(value: Any) -> float:
    return float(str(value)) if isinstance(value, Decimal128) else float(value)


def _near(expected: float, actual: float, tolerance: float) -> bool:
    if expected == actual or (expected != expected and actual != actual):
        return True
    return math.isfinite(expected) and abs(expected - actual) <= tolerance * max(abs(expected), abs(actual))
