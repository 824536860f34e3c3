"""A flusher that dies at any step loses no row and doubles none; nor does it bring a deleted one back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from katomodel import name_of

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.execute.table import TableStorage
from kato_compat.ir.requests import Flow, Pipeline, Select

KEPT = [[["k", str(number)]] for number in range(3)]
LATE = [[["l", str(number)]] for number in range(2)]
GONE = [[["g", str(number)]] for number in range(2)]


class Engines:
    """The engines of a client, driven by hand."""

    def __init__(self, client: MongoClient, kb_id: str) -> None:
        assert isinstance(client.deployment, EngineDeployment)
        storage = client.deployment.storage(kb_id, "patterns_kb")
        assert isinstance(storage, TableStorage)
        self.deployment = client.deployment
        self.pending = storage.pending
        self.kb_id = kb_id

    def begin(self, flow: Flow[Any], steps: int) -> bool:
        """Perform the first `steps` requests of a flow and leave it as a killed process would; whether it ended."""

        def one(request: Any) -> Flow[Any]:
            return (yield request)

        reply: Any = None
        try:
            for _ in range(steps):
                request = flow.send(reply)
                reply = self.deployment.driver.run(one(request))
            flow.send(reply)
        except StopIteration:
            return True
        # The flow's own cleaning up is not performed: nobody is there to do so.
        with suppress(RuntimeError):
            flow.close()
        flow.close()
        return False

    def unlock(self) -> None:
        """Let the lease of the dead flusher's lock end."""
        self.deployment.run(round_trip(("DEL", self.pending.lock)))

    def rows(self) -> list[str]:
        """The names in the table, one for each row."""
        table = self.pending.warehouse.table(self.pending.source).text

        def select() -> Flow[list[tuple[str]]]:
            rows: list[tuple[str]] = yield Select(
                f"SELECT name FROM {table} WHERE kb_id = {{k:String}} ORDER BY name", {"k": self.kb_id}
            )
            return rows

        return [row[0] for row in self.deployment.run(select())]


def round_trip(*commands: tuple[Any, ...]) -> Flow[list[Any]]:
    """A flow of one round trip."""
    replies: list[Any] = yield Pipeline(commands)
    return replies


def prepared(client: MongoClient, kb_id: str) -> tuple[KnowledgeBase, Engines]:
    """A knowledge base with rows in the table, rows that wait, rows that were deleted, and rows learned anew."""
    knowledge, engines = KnowledgeBase(client, kb_id), Engines(client, kb_id)
    knowledge.learn_patterns([*KEPT[:1], *GONE])
    knowledge.flush()
    knowledge.learn_patterns(KEPT)
    for pattern in GONE:
        knowledge.patterns_kb.delete_one({"name": name_of(pattern)})
    knowledge.learn_pattern(GONE[1])
    return knowledge, engines


EXPECTED = sorted(map(name_of, [*KEPT, GONE[1]]))


def crashed(client: MongoClient, fresh_name: Callable[[], str], between: Callable[[KnowledgeBase], list[str]]) -> int:
    """Abandon a flush after every number of its requests, go on, and flush again; how many steps it has."""
    for steps in range(100):
        knowledge, engines = prepared(client, fresh_name())
        ended = engines.begin(engines.pending.flush(), steps)
        expected = between(knowledge)
        engines.unlock()
        client.deployment.run(engines.pending.flush())
        assert (steps, engines.rows()) == (steps, expected)
        assert client.deployment.run(engines.pending.flush()) == 0
        found = sorted(each["name"] for each in knowledge.patterns_kb.find({"length": 2}))
        assert (steps, found) == (steps, expected)
        assert [knowledge.get_pattern(name) is not None for name in expected] == [True] * len(expected)
        client.drop_database(knowledge.kb_id)
        if ended:
            return steps
    raise AssertionError("a flush has fewer requests than that")


def test_a_flush_that_dies_is_finished_by_the_next(
    clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    assert crashed(clients["counters"], fresh_name, lambda knowledge: EXPECTED) > 8


def test_rows_learned_after_the_crash_arrive_too(
    clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    def between(knowledge: KnowledgeBase) -> list[str]:
        assert knowledge.learn_patterns([*LATE, *KEPT, *GONE]) == 3
        return sorted(map(name_of, [*KEPT, *LATE, *GONE]))

    assert crashed(clients["counters"], fresh_name, between) > 8


def test_rows_deleted_after_the_crash_stay_deleted(
    clients: dict[str, MongoClient], fresh_name: Callable[[], str]
) -> None:
    def between(knowledge: KnowledgeBase) -> list[str]:
        assert knowledge.forget_pattern(name_of(GONE[1])) is True
        assert knowledge.forget_pattern(name_of(KEPT[1])) is True
        assert knowledge.forget_pattern(name_of(KEPT[0])) is True
        assert knowledge.get_pattern(name_of(KEPT[1])) is None
        assert knowledge.learn_pattern(KEPT[0]) is True
        return sorted(map(name_of, [KEPT[0], KEPT[2]]))

    assert crashed(clients["counters"], fresh_name, between) > 8


class Killed(BaseException):
    """What ends a flush from outside."""


@pytest.mark.parametrize("steps", range(1, 16))
def test_a_flush_that_is_interrupted_gives_its_lock_back(
    steps: int, clients: dict[str, MongoClient], kb_id: str
) -> None:
    client = clients["counters"]
    knowledge, engines = prepared(client, kb_id)
    count = 0

    def interrupted(flow: Flow[int]) -> Flow[int]:
        """`flow`, ended by an exception at one of its requests."""
        nonlocal count
        request = next(flow)
        while True:
            count += 1
            if count == steps:
                request = flow.throw(Killed())
                continue
            try:
                request = flow.send((yield request))
            except StopIteration as end:
                return int(end.value)

    with suppress(Killed):
        client.deployment.run(interrupted(engines.pending.flush()))
    (locked,) = client.deployment.run(round_trip(("EXISTS", engines.pending.lock)))
    # Only where giving it back was itself what was interrupted does it wait for the end of its lease.
    assert not locked or count == steps > 8
    engines.unlock()
    client.deployment.run(engines.pending.flush())
    assert engines.rows() == EXPECTED
    assert sorted(each["name"] for each in knowledge.patterns_kb.find()) == EXPECTED
