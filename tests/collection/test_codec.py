"""Codec options of clients, databases and collections (pymongo documentation: codec_options)."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy
import pytest
from bson import SON, Binary, Decimal128, ObjectId
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion, TypeCodec, TypeRegistry
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from kato_compat import Collection, MongoClient


class DecimalCodec(TypeCodec):
    """Decimals as Decimal128."""

    python_type = Decimal  # type: ignore[assignment]
    bson_type = Decimal128  # type: ignore[assignment]

    def transform_python(self, value: Any) -> Decimal128:
        return Decimal128(value)

    def transform_bson(self, value: Any) -> Decimal:
        decimal: Decimal = value.to_decimal()
        return decimal


def test_document_class(things: Collection) -> None:
    things.insert_one({"_id": 1, "a": {"b": [{"c": 1}]}})
    ordered = things.with_options(codec_options=CodecOptions(document_class=SON))
    found = ordered.find_one()
    assert type(found) is SON
    assert type(found["a"]["b"][0]) is SON
    assert type(ordered.aggregate([]).next()) is SON
    assert type(ordered.find_one_and_update({}, {"$set": {"d": 1}})) is SON
    assert type(things.find_one()["a"]) is dict


def test_raw_documents(things: Collection) -> None:
    raw = things.with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    things.insert_one({"_id": 1, "z": 1, "a": {"b": 1}})
    found = raw.find_one()
    assert isinstance(found, RawBSONDocument)
    assert found["a"]["b"] == 1
    assert list(found) == ["_id", "z", "a"]
    result = raw.insert_one(RawBSONDocument(found.raw.replace(b"_id\x00\x01", b"_id\x00\x02")))
    assert result.acknowledged
    assert things.find_one({"_id": 2}, {"_id": 0}) == {"z": 1, "a": {"b": 1}}


def test_dates(things: Collection) -> None:
    moment = datetime(2025, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=2)))
    things.insert_one({"_id": 1, "at": moment})
    assert things.find_one()["at"] == datetime(2025, 1, 2, 1, 4, 5, 678_000)
    aware = things.with_options(codec_options=CodecOptions(tz_aware=True))
    assert aware.find_one()["at"] == datetime(2025, 1, 2, 1, 4, 5, 678_000, tzinfo=UTC)
    zone = timezone(timedelta(hours=-5))
    local = things.with_options(codec_options=CodecOptions(tz_aware=True, tzinfo=zone))
    assert local.find_one()["at"].utcoffset() == timedelta(hours=-5)
    assert aware.distinct("at") == [aware.find_one()["at"]]
    assert things.count_documents({"at": moment}) == 1
    millis = things.with_options(codec_options=CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS))
    assert isinstance(millis.find_one()["at"], DatetimeMS)


def test_uuids(things: Collection) -> None:
    value = uuid.uuid5(uuid.NAMESPACE_URL, "x")
    with pytest.raises(ValueError, match="UuidRepresentation"):
        things.insert_one({"u": value})
    for number, kind in enumerate((UuidRepresentation.STANDARD, UuidRepresentation.PYTHON_LEGACY)):
        options: CodecOptions[Any] = CodecOptions(uuid_representation=kind)
        typed = things.with_options(codec_options=options)
        typed.insert_one({"_id": number, "u": value})
        assert typed.find_one({"u": value}) == {"_id": number, "u": value}
    assert [type(each["u"]) for each in things.find()] == [Binary, Binary]
    assert [each["u"].subtype for each in things.find().sort("_id")] == [4, 3]


def test_type_registry(things: Collection) -> None:
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([DecimalCodec()]))
    typed = things.database.get_collection(things.name, codec_options=options)
    typed.insert_one({"_id": 1, "d": Decimal("1.5")})
    assert typed.find_one({"d": Decimal("1.5")}) == {"_id": 1, "d": Decimal("1.5")}
    typed.update_one({}, {"$set": {"e": Decimal(2)}})
    assert things.find_one() == {"_id": 1, "d": Decimal128("1.5"), "e": Decimal128("2")}
    things.update_one({}, {"$unset": {"d": 1, "e": 1}})


def test_inherited() -> None:
    with MongoClient("memory://", tz_aware=True, document_class=SON) as client:
        assert client.db.c.codec_options.tz_aware
        assert client.db["c"].d.codec_options.document_class is SON
        plain: CodecOptions[Any] = CodecOptions()
        assert client.get_database("db", codec_options=plain).c.codec_options == plain
        assert client.db.with_options(codec_options=plain).c.codec_options == plain
        with pytest.raises(AttributeError):
            client.db.c.codec_options = plain  # type: ignore[misc]


class Word(str):
    """A str of a caller's own."""


class Bag(dict[str, Any]):
    """A dict of a caller's own."""


def test_subclasses_are_taken_as_what_they_are(things: Collection) -> None:
    document = Bag(_id=Word("x"), a=numpy.str_("y"), f=numpy.float64(0.5), t=(1, Bag(z=Word("w"))), n=None, b=b"\x00")
    assert things.insert_one(document).inserted_id == "x"
    found = things.find_one({"_id": Word("x"), "a": numpy.str_("y"), "f": numpy.float64(0.5)})
    assert found == {"_id": "x", "a": "y", "f": 0.5, "t": [1, {"z": "w"}], "n": None, "b": b"\x00"}
    assert [type(found[name]) for name in ("_id", "a", "f", "t", "b")] == [str, str, float, list, bytes]
    assert type(found["t"][1]) is dict
    things.update_one({"_id": "x"}, {"$set": Bag(g=numpy.float64(1)), "$push": {"t": Bag(q=1)}})
    assert things.find_one({}, {"_id": 0, "g": 1, "t": 1}) == {"t": [1, {"z": "w"}, {"q": 1}], "g": 1.0}


def test_ids_are_given_to_the_callers_documents(things: Collection) -> None:
    document: dict[str, Any] = {"a": 1}
    assert isinstance(things.insert_one(document).inserted_id, ObjectId)
    assert list(things.find()) == [document]
    assert document["_id"] == things.find_one()["_id"]
    several: list[dict[str, Any]] = [{"b": 1}, {"b": 2}]
    assert things.insert_many(iter(several)).inserted_ids == [each["_id"] for each in several]
    assert things.find_one(several[1]["_id"]) == several[1]
    assert things.insert_one({"_id": None}).inserted_id is None
    assert things.find_one({"_id": None}) == {"_id": None}


def test_field_order(things: Collection) -> None:
    things.insert_one({"z": 1, "_id": 5, "a": {"y": 1, "x": 2}})
    found = things.find_one()
    assert list(found) == ["_id", "z", "a"]
    assert list(found["a"]) == ["y", "x"]
