"""Strings as the server's string operators see them: coerced from other types, compared and changed by ASCII case.

MongoDB manual: $toLower, $toUpper, $strcasecmp and $substrBytes take numbers and dates too; only the 26 letters of
ASCII have a case there.
"""

from datetime import datetime
from typing import Any, Final

from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.timestamp import Timestamp

from kato_compat.errors import fail
from kato_compat.values.dateformat import ISO_UTC, format_date
from kato_compat.values.dates import MONTHS, civil_of, instant_of
from kato_compat.values.missing import MISSING
from kato_compat.values.timezone import UTC
from kato_compat.values.types import alias_of

_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def upper(text: str) -> str:
    """`text` with the letters a to z in upper case, all others untouched."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def lower(text: str) -> str:
    """`text` with the letters A to Z in lower case, all others untouched."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def text_of(value: Any) -> str:
    """`value` as a string: numbers, dates, timestamps and code are converted, null and missing are empty.

    Raises 16007 for any other type.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if value is None or value is MISSING:
        return ""
    if kind is int or kind is Int64:
        return str(int(value))
    if kind is float:
        return format(value, ".16g")
    if kind is Decimal128:
        return str(value)
    if kind is datetime or kind is DatetimeMS:
        return format_date(instant_of(value), ISO_UTC, UTC)
    if kind is Timestamp:
        _, month, day, hour, minute, second, _ = civil_of(instant_of(value))
        return f"{MONTHS[month - 1][:3]} {day:2d} {hour:02d}:{minute:02d}:{second:02d}:{value.inc}"
    if kind is Code and value.scope is None:
        return str(value)
    raise fail(16007, f"can't convert from BSON type {alias_of(value)} to String")
