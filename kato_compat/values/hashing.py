"""The hash of hashed indexes (MongoDB manual: Hashed Indexes, convertShardKeyToHashed())."""

import hashlib
import struct
from typing import Any, Final

import bson
from bson.dbref import DBRef
from bson.decimal128 import Decimal128

from kato_compat.values.missing import MISSING
from kato_compat.values.types import INT64_MAX, INT64_MIN, BsonType, is_number, type_of

# The places of the types in BSON order, which the hash starts with: types that compare with each other share one.
_PLACES: Final[dict[BsonType, int]] = {
    BsonType.MIN_KEY: -1,
    BsonType.UNDEFINED: 0,
    BsonType.NULL: 5,
    BsonType.INT: 10,
    BsonType.LONG: 10,
    BsonType.DOUBLE: 10,
    BsonType.DECIMAL: 10,
    BsonType.STRING: 15,
    BsonType.SYMBOL: 15,
    BsonType.OBJECT: 20,
    BsonType.ARRAY: 25,
    BsonType.BIN_DATA: 30,
    BsonType.OBJECT_ID: 35,
    BsonType.BOOL: 40,
    BsonType.DATE: 45,
    BsonType.TIMESTAMP: 47,
    BsonType.REGEX: 50,
    BsonType.DB_POINTER: 55,
    BsonType.JAVASCRIPT: 60,
    BsonType.JAVASCRIPT_WITH_SCOPE: 65,
    BsonType.MAX_KEY: 127,
}
_END: Final = struct.pack("<i", 0)


def index_hash(value: Any) -> int:
    """The signed 64-bit hash by which a hashed index holds `value`; missing is hashed as null.

    Numbers are cut to whole ones first, so that 2.3 and 2 have one hash.
    """
    digest = hashlib.md5(struct.pack("<i", 0), usedforsecurity=False)
    digest.update(_bytes_of(None if value is MISSING else value))
    return int.from_bytes(digest.digest()[:8], "little", signed=True)


def _bytes_of(value: Any, name: str | None = None) -> bytes:
    kind = type_of(value)
    head = struct.pack("<i", _PLACES[kind])
    if name is not None:
        head += name.encode() + b"\0"
    if is_number(value):
        return head + struct.pack("<q", _cut(value))
    if kind is BsonType.OBJECT:
        fields = value.as_doc() if isinstance(value, DBRef) else value
        return head + b"".join(_bytes_of(item, key) for key, item in fields.items()) + _END
    if kind is BsonType.ARRAY:
        return head + b"".join(_bytes_of(item, str(index)) for index, item in enumerate(value)) + _END
    # Of {"": value}: four bytes of length, the type and an empty name before the value, one byte after it.
    encoded = bson.encode({"": value})[6:-1]
    if kind is BsonType.JAVASCRIPT_WITH_SCOPE:
        # Its total length and the length of the code come before the code.
        size = struct.unpack_from("<i", encoded, 4)[0]
        scope = b"".join(_bytes_of(item, key) for key, item in value.scope.items())
        return head + encoded[8 : 8 + size] + scope + _END
    return head + encoded


def _cut(value: Any) -> int:
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        if number.is_nan():
            return 0
        if number.is_infinite() or abs(number) >= 2**63:
            return INT64_MIN if number.is_signed() else INT64_MAX
        return round(number)
    if isinstance(value, float):
        if value != value:
            return 0
        if value == 2.0**63:
            return INT64_MIN  # what the first versions stored, kept for the sake of existing indexes
        if value > 2.0**63:
            return INT64_MAX
        return INT64_MIN if value < -(2.0**63) else int(value)
    return int(value)
