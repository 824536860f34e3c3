"""The documents that benchmarks run on, made from a fixed seed."""

import hashlib
import random
from typing import Any

Document = dict[str, Any]


def vocabulary(count: int) -> list[str]:
    """`count` distinct symbols."""
    return [f"symbol {number}" for number in range(count)]


def patterns(count: int, symbols: list[str]) -> list[Document]:
    """`count` documents of patterns_kb: two to five events of one to three symbols each."""
    chance = random.Random(1)
    found = []
    for number in range(count):
        events = [sorted(chance.sample(symbols, chance.randint(1, 3))) for _ in range(chance.randint(2, 5))]
        name = hashlib.sha1(f"{number} {events}".encode(), usedforsecurity=False).hexdigest()
        length = sum(map(len, events))
        found.append({"name": name, "pattern_data": events, "length": length, "frequency": chance.randint(1, 1000)})
    return found


def orders(count: int) -> list[Document]:
    """`count` documents without a schema: numbers, strings, a sub-document, an array of sub-documents, tags."""
    chance = random.Random(2)
    return [
        {
            "_id": number,
            "customer": chance.randrange(max(1, count // 100)),
            "status": chance.choice("ABCDE"),
            "amount": round(chance.uniform(1, 1000), 2),
            "quantity": chance.randrange(100),
            "address": {"city": f"city {chance.randrange(200)}", "zip": chance.randrange(10**5)},
            "items": [
                {"sku": f"sku {chance.randrange(1000)}", "price": chance.randrange(500)}
                for _ in range(chance.randint(1, 4))
            ],
            "tags": chance.sample(["new", "old", "red", "blue", "large", "small"], 2),
        }
        for number in range(count)
    ]


def customers(count: int) -> list[Document]:
    """The documents that the ``customer`` of `orders(count)` refers to."""
    return [{"_id": number, "name": f"customer {number}"} for number in range(max(1, count // 100))]
