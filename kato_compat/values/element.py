"""A field and its value as the server's messages about updates show them: ``a: { b: 1 }``."""

from datetime import datetime
from typing import Any

from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from kato_compat.values.order import milliseconds, regex_parts


def element(name: str, value: Any) -> str:
    """The field `name` with `value`, without braces around it."""
    return f"{name}: {text(value)}"


def text(value: Any) -> str:
    """`value` in the server's notation: quoted strings, ``{ a: 1 }``, ``[ 1, 2 ]``, ``ObjectId('..')``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, DBRef):
        return text(dict(value.as_doc()))
    if isinstance(value, dict):
        return "{ " + ", ".join(element(name, item) for name, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[ " + ", ".join(map(text, value)) + " ]" if value else "[]"
    if isinstance(value, ObjectId):
        return f"ObjectId('{value}')"
    if isinstance(value, datetime | DatetimeMS):
        return f"new Date({milliseconds(value)})"
    if isinstance(value, Timestamp):
        return f"Timestamp({value.time}, {value.inc})"
    if isinstance(value, bytes):
        subtype = value.subtype if isinstance(value, Binary) else 0
        return f"BinData({subtype}, {value.hex().upper()})"
    if isinstance(value, Regex):
        pattern, options = regex_parts(value)
        return f"/{pattern}/{options}"
    if isinstance(value, MinKey):
        return "MinKey"
    if isinstance(value, MaxKey):
        return "MaxKey"
    if isinstance(value, Decimal128):
        return str(value)
    return repr(value) if isinstance(value, float) else str(int(value))
