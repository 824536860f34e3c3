"""Writes to a collection without a schema on Valkey, beside redis-py pipelines that do the same job by hand.

By hand a document is its BSON in one hash, its place in a sorted set, and its unique key a field of another hash. A
block is one HMGET, the change in Python, and one pipeline. It checks nothing and is not atomic: a writer that comes
in between is overwritten, where ours finds out and computes its change anew.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import bson
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne

from conformance.bench import data
from conformance.bench.measure import Case

_OTHER: Final = "hand"
_DOCS: Final = f"{_OTHER}:docs"
_ORDER: Final = f"{_OTHER}:order"
_NAMES: Final = f"{_OTHER}:names"
_READ: Final = 500


def _changed(found: bytes | None, identity: data.Document, number: int) -> data.Document:
    """The document of an upsert of `change(number)`."""
    document = {**identity, **_fields(number), "count": 0} if found is None else bson.decode(found)
    document.update(_fields(number))
    document["count"] += 1
    return document


def _fields(number: int) -> data.Document:
    return {"status": "ABCDE"[number % 5], "amount": number * 0.25}


def _change(number: int) -> data.Document:
    return {"$set": _fields(number), "$inc": {"count": 1}}


def _name(number: int) -> str:
    return f"name {number}"


class ByHand:
    """Documents by redis-py. Identities are integers, keys of hashes their digits."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    def _put(self, pipeline: Any, number: int, document: data.Document, new: bool = True) -> None:
        key = b"%d" % number
        pipeline.hset(_DOCS, key, bson.encode(document))
        if new:
            pipeline.zadd(_ORDER, {key: number})

    def insert(self, documents: Iterable[data.Document]) -> None:
        """Insert documents, in one round trip."""
        pipeline = self.redis.pipeline(transaction=False)
        for document in documents:
            self._put(pipeline, document["_id"], document)
        pipeline.execute()

    def insert_singly(self, documents: Iterable[data.Document]) -> None:
        """Insert documents, a round trip each."""
        for document in documents:
            self.insert((document,))

    def upsert(self, numbers: Iterable[int]) -> None:
        """Upsert by identity, in two round trips."""
        numbers = list(numbers)
        found = self.redis.hmget(_DOCS, [b"%d" % number for number in numbers])
        pipeline = self.redis.pipeline(transaction=False)
        for number, value in zip(numbers, found, strict=True):
            self._put(pipeline, number, _changed(value, {"_id": number}, number), value is None)
        pipeline.execute()

    def upsert_singly(self, numbers: Iterable[int]) -> None:
        """Upsert by identity, two round trips each."""
        for number in numbers:
            self.upsert((number,))

    def upsert_named(self, numbers: Iterable[int]) -> None:
        """Upsert by a unique name, in three round trips."""
        numbers = list(numbers)
        keys = self.redis.hmget(_NAMES, [_name(number) for number in numbers])
        values = self.redis.hmget(_DOCS, [key or b"" for key in keys])
        pipeline = self.redis.pipeline(transaction=False)
        for number, key, value in zip(numbers, keys, values, strict=True):
            identity = {"_id": bson.ObjectId(), "name": _name(number)} if key is None else {}
            document = _changed(value, identity, number)
            own = document["_id"].binary
            pipeline.hset(_DOCS, own, bson.encode(document))
            if key is None:
                pipeline.zadd(_ORDER, {own: number})
                pipeline.hset(_NAMES, _name(number), own)
        pipeline.execute()

    def replace_singly(self, documents: Iterable[data.Document]) -> None:
        """Replace documents, two round trips each."""
        for document in documents:
            if self.redis.hexists(_DOCS, b"%d" % document["_id"]):
                self.redis.hset(_DOCS, b"%d" % document["_id"], bson.encode(document))

    def mixed(self, new: Iterable[data.Document], kept: Iterable[data.Document], gone: Iterable[int]) -> None:
        """Insert, replace and delete, in two round trips."""
        kept = list(kept)
        found = self.redis.hmget(_DOCS, [b"%d" % document["_id"] for document in kept])
        pipeline = self.redis.pipeline(transaction=False)
        for document in new:
            self._put(pipeline, document["_id"], document)
        for document, value in zip(kept, found, strict=True):
            if value is not None:
                self._put(pipeline, document["_id"], document, False)
        for number in gone:
            pipeline.hdel(_DOCS, b"%d" % number)
            pipeline.zrem(_ORDER, b"%d" % number)
        pipeline.execute()

    def _all(self) -> Iterable[tuple[bytes, data.Document]]:
        keys = self.redis.zrange(_ORDER, 0, -1)
        for start in range(0, len(keys), _READ):
            part = keys[start : start + _READ]
            values = self.redis.hmget(_DOCS, part)
            yield from ((key, bson.decode(value)) for key, value in zip(part, values, strict=True))

    def update_many(self, bound: int) -> int:
        """Change all documents whose quantity is less than `bound`; how many."""
        pipeline = self.redis.pipeline(transaction=False)
        for key, document in self._all():
            if document["quantity"] < bound:
                document["status"] = "F"
                document["quantity"] += 1
                pipeline.hset(_DOCS, key, bson.encode(document))
        return len(pipeline.execute())

    def delete_many(self, bound: int) -> int:
        """Delete all documents whose quantity is less than `bound`; how many."""
        gone = [key for key, document in self._all() if document["quantity"] < bound]
        pipeline = self.redis.pipeline(transaction=False)
        for key in gone:
            pipeline.hdel(_DOCS, key)
            pipeline.zrem(_ORDER, key)
        pipeline.execute()
        return len(gone)


def cases(database: Any, redis: Any, count: int, fresh: Callable[[], None]) -> list[Case]:
    """The cases: `count` writes a repetition. `fresh` removes what both ways wrote."""
    hand = ByHand(redis)
    things = database.things
    numbers = range(count)
    orders = data.orders(count)
    bound = 50

    def filled() -> None:
        fresh()
        things.insert_many(orders)
        hand.insert(orders)

    def counted() -> None:
        # Upserting once more changes the documents and adds none.
        if things.find_one({"_id": 0, "name": {"$exists": False}}) is None:
            fresh()
            upsert()
            hand.upsert(numbers)

    def named() -> None:
        fresh()
        things.create_index("name", unique=True)

    def named_there() -> None:
        if things.find_one({"name": _name(0)}) is None:
            named()
            upsert_named()
            hand.upsert_named(numbers)

    def upsert() -> None:
        things.bulk_write([UpdateOne({"_id": number}, _change(number), upsert=True) for number in numbers])

    def upsert_named() -> None:
        requests = [UpdateOne({"name": _name(number)}, _change(number), upsert=True) for number in numbers]
        things.bulk_write(requests)

    def upsert_singly() -> None:
        for number in numbers:
            things.update_one({"_id": number}, _change(number), upsert=True)

    def insert_singly() -> None:
        for order in orders:
            things.insert_one(order)

    def replace_singly() -> None:
        for order in orders:
            things.replace_one({"_id": order["_id"]}, order)

    third = count // 3
    new = [{**order, "_id": order["_id"] + count} for order in orders[:third]]
    kept = [{**order, "status": "G"} for order in orders[third : 2 * third]]

    def mixed() -> None:
        requests: list[Any] = [InsertOne(order) for order in new]
        requests.extend(ReplaceOne({"_id": order["_id"]}, order) for order in kept)
        requests.extend(DeleteOne({"_id": number}) for number in range(third))
        things.bulk_write(requests)

    def update_many() -> int:
        change = {"$set": {"status": "F"}, "$inc": {"quantity": 1}}
        return int(things.update_many({"quantity": {"$lt": bound}}, change).modified_count)

    def delete_many() -> int:
        return int(things.delete_many({"quantity": {"$lt": bound}}).deleted_count)

    return [
        Case(f"upserts by _id, {count:,} in bulk, new", upsert, lambda: hand.upsert(numbers), None, fresh),
        Case(f"upserts by _id, {count:,} in bulk, there", upsert, lambda: hand.upsert(numbers), None, counted),
        Case(f"upserts by _id, {count:,} singly", upsert_singly, lambda: hand.upsert_singly(numbers), None, counted),
        Case(f"upserts by name, {count:,} in bulk, new", upsert_named, lambda: hand.upsert_named(numbers), None, named),
        Case(
            f"upserts by name, {count:,} in bulk, there",
            upsert_named,
            lambda: hand.upsert_named(numbers),
            None,
            named_there,
        ),
        Case(
            f"inserts, replacements, deletions, {3 * third:,}",
            mixed,
            lambda: hand.mixed(new, kept, range(third)),
            None,
            filled,
        ),
        Case(
            f"insert_many of {count:,} documents",
            lambda: things.insert_many(orders),
            lambda: hand.insert(orders),
            None,
            fresh,
        ),
        Case(f"insert_one, {count:,} singly", insert_singly, lambda: hand.insert_singly(orders), None, fresh),
        Case(f"replace_one, {count:,} singly", replace_singly, lambda: hand.replace_singly(orders), None, filled),
        Case(f"update_many, half of {count:,}", update_many, lambda: hand.update_many(bound), int, filled),
        Case(f"delete_many, half of {count:,}", delete_many, lambda: hand.delete_many(bound), int, filled),
    ]
