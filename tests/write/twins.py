"""The same collections twice: one where Redis makes increments itself, one where they are made by reading first."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import bson
from bson.objectid import ObjectId
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from kato_compat import Collection, MongoClient
from kato_compat.ir.requests import Pipeline
from kato_compat.mapping.keys import CATALOGUE, escape

INT32: Final = 2**31
INT64: Final = 2**63
BOTH: Final = {"$inc": {"frequency": 1, "pattern_member_frequency": 1}}
NONE: Final = {"$inc": {"frequency": 0, "pattern_member_frequency": 0}}
#: What a counter may hold, from what is in its range to what is none.
RAWS: Final = (
    None, "0", "5", "-7", str(INT32 - 1), str(-INT32), str(INT32), str(-INT32 - 1), str(INT32 + 5), "9" * 15,
    "1" + "0" * 15, str(2**53 - 1), str(2**53), str(INT64 - 1), str(-INT64), str(INT64), "+3", "007", " 4", "-0",
    "", "x", "1.5", "1e3", "0x10",
)  # fmt: skip


class Pair:
    """The same collections twice, in a database each: one where Redis makes increments, one where it makes none."""

    def __init__(self, path: Path, layout: str) -> None:
        self.native = MongoClient(f"embedded://{path}", layout=layout)
        self.general = MongoClient(f"embedded://{path}", layout=layout)
        self.layout = layout
        self.names: list[str] = []

    def open(self, name: str, collection: str = "symbols_kb") -> tuple[Collection, Collection]:
        """A collection of each, in databases of names of one length."""
        pair = self.native[f"{name}_n"][collection], self.general[f"{name}_g"][collection]
        pair[1].storage.recogniser = None
        assert pair[0].storage.recogniser is not None
        for each in pair:
            each.estimated_document_count()  # the index of keys is there from the beginning
        self.names.append(name)
        return pair

    def close(self) -> None:
        """Leave nothing behind."""
        for name in self.names:
            self.native.drop_database(f"{name}_n")
            self.general.drop_database(f"{name}_g")
        self.native.close()
        self.general.close()


def send(collection: Collection, *commands: tuple[Any, ...]) -> list[Any]:
    """The replies to Redis commands beside a client."""

    def flow() -> Any:
        return (yield Pipeline(commands))

    found: list[Any] = collection.deployment.run(flow())
    return found


def place(collection: Collection, part: str, key: str, raw: str) -> None:
    """Put a raw value into a counter of a symbol, as another program might."""
    name = collection.database.name
    if collection.deployment.catalogue.layout == "hashes":
        send(collection, ("HSET", f"{name}:symbols:{part}", key, raw))
    else:
        send(collection, ("SET", f"{name}:symbol:{part}:{key}", raw))


def kept(collection: Collection) -> dict[str, Any]:
    """All keys of a collection's database and their values, without the database's name; versions are left out."""
    name = collection.database.name
    (own,) = send(collection, ("KEYS", f"*{name}*"))
    reads = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE",),
        b"list": ("LRANGE",),
    }
    found: dict[str, Any] = {}
    for key in own:
        (kind,) = send(collection, ("TYPE", key))
        rest = (0, -1, "WITHSCORES") if kind == b"zset" else (0, -1) if kind == b"list" else ()
        (value,) = send(collection, (*reads[kind.encode() if isinstance(kind, str) else kind], key, *rest))
        shown = key.decode().replace(name, "NAME")
        if shown.endswith(":meta"):
            continue
        if shown.endswith(":docs"):
            value = sorted(plain(collection, bson.decode(data[16:])) for data in value[1::2])
        elif shown.endswith((":order", "_1")):
            value = len(value)
        elif kind in (b"hash", b"set"):
            value = sorted(value) if kind == b"set" else dict(zip(value[0::2], value[1::2], strict=True))
        found[shown] = value
    found["catalogue"], *_ = send(collection, ("SISMEMBER", CATALOGUE, escape(name) + b"/" + escape(collection.name)))
    return found


def plain(collection: Collection, value: Any) -> str:
    """What `value` is, without the database's name and without the time in which an `_id` was generated."""

    def masked(found: re.Match[str]) -> str:
        age = abs(time.time() - ObjectId(found[1]).generation_time.timestamp())
        return "ObjectId" if age < 3600 else found[0]

    return re.sub(r"ObjectId\('(\w+)'\)", masked, repr(value).replace(collection.database.name, "NAME"))


def outcome(collection: Collection, act: Callable[[Collection], Any]) -> Any:
    """What `act` says, or the error that it raises, without the database's name."""
    try:
        result = act(collection)
    except BulkWriteError as error:
        return "bulk", plain(collection, error.details)
    except PyMongoError as error:
        code = error.code if isinstance(error, OperationFailure) else None
        return type(error), code, plain(collection, str(error))
    for attribute in ("raw_result", "bulk_api_result"):
        if hasattr(result, attribute):
            return result.acknowledged, plain(collection, getattr(result, attribute))
    return plain(collection, result)


def same(twins: tuple[Collection, Collection], act: Callable[[Collection], Any]) -> Any:
    """Do the same in both; what they say, which is the same, as is what they leave."""
    native, general = (outcome(each, act) for each in twins)
    assert native == general
    assert kept(twins[0]) == kept(twins[1])
    return native


@contextmanager
def counted(collection: Collection) -> Iterator[list[int]]:
    """The number of commands of each round trip to Redis meanwhile."""
    driver = collection.deployment.driver
    perform = driver._perform[Pipeline]
    sizes: list[int] = []

    def counting(request: Pipeline) -> Any:
        sizes.append(len(request.commands))
        return perform(request)

    driver._perform[Pipeline] = counting
    try:
        yield sizes
    finally:
        driver._perform[Pipeline] = perform
