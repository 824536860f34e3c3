"""flush() moves what waits in every collection, also where this client has not used it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pymongo.errors import OperationFailure

from kato_compat import MongoClient
from kato_compat.ir.requests import Flow, Pipeline
from kato_compat.mapping.keys import own


def waiting(client: MongoClient, *kb_ids: str) -> list[int]:
    """How many rows wait in knowledge bases."""

    def asked() -> Flow[list[int]]:
        return (yield Pipeline(tuple(("HLEN", own(kb_id, "patterns_kb", "pending")) for kb_id in kb_ids)))

    return client.deployment.run(asked())


def test_of_all_clients(embedded_path: Path, fresh_name: Callable[[], str]) -> None:
    first, second = fresh_name(), fresh_name()
    with MongoClient(f"embedded://{embedded_path}") as writer, MongoClient(f"embedded://{embedded_path}") as other:
        for kb_id in (first, second):
            writer[kb_id].patterns_kb.insert_one({"name": "a", "pattern_data": [["x"]], "length": 1})
        assert waiting(other, first, second) == [1, 1]
        assert other.flush() >= 2
        assert waiting(other, first, second) == [0, 0]
        # A column that changes waits again, also where the rows are those of others and nothing else is known.
        other.deployment.run(_forgotten(first))
        writer[first].patterns_kb.update_one({"name": "a"}, {"$set": {"pattern_data": [["y"]]}})
        assert waiting(other, first) == [1]
        assert other.flush() == 1
        for kb_id in (first, second):
            writer.drop_database(kb_id)


def _forgotten(kb_id: str) -> Flow[None]:
    """Take a collection out of the catalogue, as if others had made it."""
    yield Pipeline((("SREM", b"kato_compat:catalogue", kb_id.encode() + b"/patterns_kb"),))


def test_one_that_cannot_be_moved(embedded_path: Path, fresh_name: Callable[[], str]) -> None:
    broken, sound = fresh_name(), fresh_name()
    with MongoClient(f"embedded://{embedded_path}") as client:
        for kb_id in (broken, sound):
            client[kb_id].patterns_kb.insert_one({"name": "a", "pattern_data": [["x"]], "length": 1})

        def replaced(*commands: tuple[str | bytes, ...]) -> Flow[None]:
            yield Pipeline(commands)

        gone = own(broken, "patterns_kb", "gone")
        client.deployment.run(replaced(("DEL", gone), ("SET", gone, "x")))
        with pytest.raises(OperationFailure, match="WRONGTYPE"):
            client.flush()
        assert waiting(client, broken, sound) == [1, 0]
        client.deployment.run(replaced(("DEL", gone)))
        assert client.flush() == 1
        for kb_id in (broken, sound):
            client.drop_database(kb_id)
