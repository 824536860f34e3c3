"""Documents: normalising what callers give, and fresh copies of what is stored.

Everything a caller passes is encoded and decoded once by pymongo's own codec. So exactly the values that pymongo
accepts are accepted (subclasses of `str`, `dict` and `float`, tuples, `re.Pattern`, ..), its errors are raised for
the others before any I/O, and the rest of the library meets one form of each BSON type only.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError

Document = dict[str, Any]

#: How documents are decoded inside the library: dicts in field order, naive UTC datetimes in whole milliseconds,
#: `DatetimeMS` outside datetime's range, UUIDs as `Binary` of subtype 4.
INTERNAL: Final[CodecOptions[Document]] = CodecOptions(
    document_class=dict, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)


def encode(document: Mapping[str, Any], options: CodecOptions[Any] = INTERNAL) -> bytes:
    """BSON of `document`. Raises `bson.errors.InvalidDocument`, `OverflowError` or `ValueError` as pymongo does."""
    return bson.encode(document, False, options)


def encode_nested(document: Mapping[str, Any], options: CodecOptions[Any] = INTERNAL) -> bytes:
    """As `encode`, with the fields in their order: at the top of a document the codec moves `_id` to the front."""
    return bson.encode({"": document}, False, options)[_NESTED_AT:-1]


def decode(data: bytes) -> Document:
    """The document of internal form that `data` (BSON) holds."""
    return bson.decode(data, INTERNAL)


#: Bytes of ``{"": {..}}`` before the inner document.
_NESTED_AT: Final = 4 + 2
#: The most documents, and about the most bytes, that go through the codec at once.
_TOGETHER: Final = 32
_BYTES: Final = 1 << 20
_SIZE: Final = struct.Struct("<i")
#: Bytes of ``{"": [..]}`` before its first element, and of each element before its value: type, number and a null.
_HEAD: Final = 4 + 2 + 4
_NUMBERS: Final = tuple(2 + len(str(number)) for number in range(_TOGETHER))


def encode_all(documents: Sequence[Document]) -> list[bytes]:
    """As `encode` each of `documents`, whose `_id` must come first; several at once, which is cheaper.

    A call of the codec costs more than a small document in it does.
    """
    found: list[bytes] = []
    for start in range(0, len(documents), _TOGETHER):
        part = documents[start : start + _TOGETHER]
        try:
            data = bson.encode({"": part}, False, INTERNAL)
        except (BSONError, OverflowError, UnicodeError):
            # Too large together, or one of them cannot be encoded: its own error says so.
            found.extend([encode(document) for document in part])
            continue
        at = _HEAD
        for _, head in zip(part, _NUMBERS, strict=False):
            at += head
            end = at + _SIZE.unpack_from(data, at)[0]
            found.append(data[at:end])
            at = end
    return found


def decode_all(values: Sequence[bytes]) -> list[Document]:
    """As `decode` each of `values`; small ones together."""
    if len(values) == 1 or sum(map(len, values)) > _BYTES:
        return [bson.decode(value, INTERNAL) for value in values]
    return bson.decode_all(b"".join(values), INTERNAL)


def normalise_all(values: Sequence[Any], options: CodecOptions[Any] = INTERNAL) -> list[Any]:
    """As `normalise_value` each of `values`, all at once: raises where one of them cannot be encoded."""
    found: list[Any] = bson.decode(bson.encode({"v": values}, False, options), INTERNAL)["v"]
    return found


def normalise(document: Mapping[str, Any], options: CodecOptions[Any] = INTERNAL) -> Document:
    """A fresh copy of `document` in internal form; `options` are those of the caller's collection.

    Raises what `encode` raises. Fields keep their order: the codec would move a top-level `_id` to the front, which
    is wrong for a sort pattern, so the document goes through it one level down.
    """
    copied: Document = bson.decode(bson.encode({"v": document}, False, options), INTERNAL)["v"]
    return copied


def normalise_value(value: Any, options: CodecOptions[Any] = INTERNAL) -> Any:
    """As `normalise`, for one value."""
    return bson.decode(bson.encode({"v": value}, False, options), INTERNAL)["v"]


def fresh(document: Document) -> Document:
    """A deep copy of a document of internal form (callers change what they get)."""
    return {name: _copy(value) if type(value) in _NESTED else value for name, value in document.items()}


_NESTED: Final = frozenset({dict, list})


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copy(item) if type(item) in _NESTED else item for name, item in value.items()}
    return [_copy(item) if type(item) in _NESTED else item for item in value]


__all__ = [
    "INTERNAL",
    "Document",
    "decode",
    "decode_all",
    "encode",
    "encode_all",
    "fresh",
    "normalise",
    "normalise_all",
    "normalise_value",
]
