"""Keys of a type that KATO does not write: a read says so, and never shows a document without the field, or none."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from kato_compat import MongoClient
from kato_compat.ir.requests import Pipeline

NAME = "d" * 40


def send(client: MongoClient, *commands: tuple[Any, ...]) -> None:
    """Run Redis commands beside the client."""

    def flow() -> Any:
        yield Pipeline(commands)

    client.deployment.run(flow())


@pytest.fixture
def kb_id(engines: MongoClient, fresh_name: Any) -> Iterator[str]:
    """A knowledge base of which nothing is left: other tests look at all there are."""
    name = fresh_name()
    yield name
    send(engines, ("DEL", f"{name}:symbols:freq", f"{name}:symbols:pmf"))
    engines.drop_database(name)


@pytest.mark.parametrize("field", ["frequency", "emotives", "metadata"])
def test_a_pattern_with_a_key_of_another_type(engines: MongoClient, kb_id: str, field: str) -> None:
    patterns = engines[kb_id].patterns_kb
    patterns.insert_one({"name": NAME, "pattern_data": [["a"]], "length": 1, "frequency": 3})
    send(engines, ("DEL", f"{kb_id}:{field}:{NAME}"), ("LPUSH", f"{kb_id}:{field}:{NAME}", "x"))
    for read in (lambda: patterns.find_one({"name": NAME}), lambda: list(patterns.find({}))):
        with pytest.raises(OperationFailure, match=f"{kb_id}:{field}:{NAME}") as caught:
            read()
        assert caught.value.code == 14


@pytest.mark.parametrize("part", ["freq", "pmf"])
def test_a_symbol_with_a_key_of_another_type(engines: MongoClient, kb_id: str, part: str) -> None:
    symbols = engines[kb_id].symbols_kb
    symbols.insert_one({"name": "s", "frequency": 3, "pattern_member_frequency": 2})
    hashes = engines.deployment.catalogue.layout == "hashes"
    key = f"{kb_id}:symbols:{part}" if hashes else f"{kb_id}:symbol:{part}:s"
    send(engines, ("DEL", key), ("SADD", key, "x"))
    for read in (lambda: symbols.find_one({"name": "s"}), lambda: list(symbols.find({}))):
        with pytest.raises(OperationFailure, match=key) as caught:
            read()
        assert caught.value.code == 14


def test_a_counter_that_is_no_integer(engines: MongoClient, kb_id: str) -> None:
    symbols = engines[kb_id].symbols_kb
    symbols.insert_one({"name": "s", "frequency": 3, "pattern_member_frequency": 2})
    if engines.deployment.catalogue.layout == "hashes":
        send(engines, ("HSET", f"{kb_id}:symbols:freq", "s", "many"))
    else:
        send(engines, ("SET", f"{kb_id}:symbol:freq:s", "many"))
    with pytest.raises(OperationFailure, match="does not hold an integer") as caught:
        symbols.find_one({"name": "s"})
    assert caught.value.code == 22
