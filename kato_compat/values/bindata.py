"""Binary data as text and as numbers, the way `$convert` writes and reads it (MongoDB manual: $convert)."""

import base64
import binascii
import re
import struct
from typing import Any, Final
from uuid import UUID

from bson.binary import Binary
from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.values.numbers import integral
from kato_compat.values.types import NUMBER_TYPES, BsonType, alias_of

_UUID_SUBTYPE: Final = 4
_UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_URL: Final = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
#: The formats that `$convert` knows; ``auto`` is only for text out of binary data.
FORMATS: Final = frozenset({"auto", "base64", "base64url", "hex", "utf8", "uuid"})

_SIZES: Final[dict[BsonType, dict[int, str]]] = {
    BsonType.INT: {1: "b", 2: "h", 4: "i"},
    BsonType.LONG: {1: "b", 2: "h", 4: "i", 8: "q"},
    BsonType.DOUBLE: {4: "f", 8: "d"},
}
_CODES: Final[dict[BsonType, str]] = {BsonType.INT: "i", BsonType.LONG: "q", BsonType.DOUBLE: "d"}


def subtype_of(value: Any) -> int:
    """The subtype number that `$convert` is given; raises 4341106 to 4341108."""
    if type(value) not in NUMBER_TYPES:
        raise fail(4341108, f"For BinData, $convert's 'subtype' argument must be a number, but is {alias_of(value)}")
    number = integral(value)
    if number is None:
        raise fail(4341106, "In $convert, numeric 'subtype' argument is not an integer")
    if not (0 <= number <= 9 or 128 <= number <= 255):
        raise fail(4341107, f"In $convert, numeric value for 'subtype' does not correspond to a BinData type: {number}")
    return number


def _made(data: bytes, subtype: int) -> bytes:
    return Binary(data, subtype) if subtype else data


def from_text(text: str, form: str, subtype: int) -> bytes:
    """The binary data that `text` writes in `form`; raises ConversionFailure (241)."""
    if (form == "uuid") != (subtype == _UUID_SUBTYPE):
        raise _unread(text, "Only the 'uuid' format is allowed with the UUID subtype")
    if form == "base64":
        if _BASE64.fullmatch(text) is None:
            raise _unread(text, "Invalid base64 string")
        return _made(base64.b64decode(text), subtype)
    if form == "base64url":
        if _BASE64_URL.fullmatch(text) is None:
            raise _unread(text, "Invalid base64url string")
        bare = text.rstrip("=")
        return _made(base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)), subtype)
    if form == "hex":
        if _HEX.fullmatch(text) is None:
            raise _unread(text, "Invalid hexadecimal string")
        return _made(binascii.unhexlify(text), subtype)
    if form == "utf8":
        return _made(text.encode(), subtype)
    if form == "uuid":
        if _UUID_TEXT.fullmatch(text) is None:
            raise _unread(text, "Invalid UUID string")
        return Binary(UUID(text).bytes, _UUID_SUBTYPE)
    raise _unread(text, f"Invalid format '{form}'")


def _unread(text: str, reason: str) -> Exception:
    return fail(241, f"Failed to parse BinData '{text}' in $convert with no onError value: {reason}")


def to_text(data: bytes, form: str) -> str:
    """`data` written in `form`; raises ConversionFailure (241)."""
    subtype = data.subtype if isinstance(data, Binary) else 0
    is_uuid = subtype == _UUID_SUBTYPE and len(data) == 16
    if form == "uuid" or (form == "auto" and is_uuid):
        if not is_uuid:
            raise _unwritten(data, "BinData does not represent a valid UUID")
        return str(UUID(bytes=bytes(data)))
    if form in ("auto", "base64"):
        return base64.b64encode(data).decode()
    if form == "base64url":
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    if form == "hex":
        return data.hex().upper()
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise _unwritten(data, "BinData does not represent a valid UTF-8 string") from error


def _unwritten(data: bytes, reason: str) -> Exception:
    return fail(241, f"Failed to convert '{data.hex()}' to string in $convert with no onError value: {reason}")


def from_number(value: int | float, kind: BsonType, byte_order: str, subtype: int) -> bytes:
    """The bytes of an int (4), a long (8) or a double (8), least significant first if `byte_order` is little."""
    number = value if kind is BsonType.DOUBLE else int(value)
    return _made(struct.pack((">" if byte_order == "big" else "<") + _CODES[kind], number), subtype)


def to_number(data: bytes, kind: BsonType, byte_order: str) -> int | float:
    """The int, long or double whose bytes are `data`; raises ConversionFailure (241) for another length."""
    code = _SIZES[kind].get(len(data))
    if code is None:
        raise fail(
            241, f"Failed to convert '{data.hex()}' to number in $convert because of invalid length: {len(data)}"
        )
    (number,) = struct.unpack((">" if byte_order == "big" else "<") + code, data)
    if kind is BsonType.LONG:
        return Int64(number)
    return float(number) if kind is BsonType.DOUBLE else int(number)
