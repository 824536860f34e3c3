"""A block that is being moved to ClickHouse is not taken for a row of its own, whatever name is asked for."""

from collections.abc import Callable
from typing import Any

from conformance.factories import Factory
from kato_compat.execute.pending import TOKEN
from kato_compat.ir.requests import Flow, Pipeline
from kato_compat.mapping.keys import own


def test_no_name_finds_the_token_of_a_block(engines: Factory, fresh_name: Callable[[], str]) -> None:
    kb_id = fresh_name()
    client: Any = engines().database.client
    patterns = client[kb_id].patterns_kb
    moving = own(kb_id, "patterns_kb", "moving")

    def begin() -> Flow[None]:
        yield Pipeline((("HSET", moving, TOKEN, b"f" * 32),))

    client.deployment.run(begin())
    assert patterns.find_one({"name": ""}) is None
    patterns.insert_one({"name": "", "pattern_data": [["a"]], "length": 1})
    assert patterns.find_one({"name": ""}, {"_id": 0}) == {"name": "", "pattern_data": [["a"]], "length": 1}
    assert patterns.count_documents({}) == 1
