"""Two threads in each of two processes learn the same patterns: every count is exact, and each row is there once."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from chdbhttp import ChdbHttp
from katomodel import contents, name_of
from learnprocess import patterns
from valkeyserver import ValkeyServer

import kato_compat
from kato_compat import KnowledgeBase, MongoClient
from kato_compat.execute.deployment import EngineDeployment
from kato_compat.ir.requests import Select

TIMES, COUNT = 2, 40


@pytest.mark.parametrize("layout", ["counters", "hashes"])
def test_two_threads_in_two_processes(layout: str, clickhouse_http: ChdbHttp, valkey: ValkeyServer, kb_id: str) -> None:
    program = Path(__file__).parent / "learnprocess.py"
    arguments = [clickhouse_http.url(), valkey.url, kb_id, layout, str(TIMES), str(COUNT)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(kato_compat.__file__).parents[1])},
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate()[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert all(answer.isdigit() for answer in answers), answers
    assert sum(map(int, answers)) == COUNT
    with MongoClient(clickhouse=clickhouse_http.url(), redis=valkey.url, layout=layout) as client:
        check(KnowledgeBase(client, kb_id), learns=4 * TIMES)
        client.drop_database(kb_id)


def test_many_threads_of_one_client(client: MongoClient, kb_id: str) -> None:
    knowledge = KnowledgeBase(client, kb_id, persistence=5)
    new: list[int] = []
    failures: list[BaseException] = []

    def learn() -> None:
        try:
            for each in patterns(COUNT):
                new.append(int(knowledge.learn_pattern(each, {"joy": 0.5}, {"k": "v"})))
                if len(new) % 16 == 0:
                    knowledge.patterns_kb.count_documents({})
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=learn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(new) == COUNT
    check(knowledge, learns=4)


def check(knowledge: KnowledgeBase, learns: int) -> None:
    """Everything that `learns` learns of each of the patterns come to."""
    given = patterns(COUNT)
    found = contents(knowledge)
    assert found["patterns"] == {
        name_of(each): {
            "name": name_of(each),
            "pattern_data": each,
            "length": 4,
            "frequency": learns,
            "emotives": [{"joy": 0.5}] * min(learns, 5),
            "metadata": {"k": ["v"]},
        }
        for each in given
    }
    members = {f"t{number}": 1 for number in range(COUNT)} | {f"s{number}": COUNT // 5 for number in range(5)}
    expected = {
        symbol: {
            "name": symbol,
            "frequency": count * learns,
            "pattern_member_frequency": count,
            "emotives": {"joy": 0.5 * count * learns},
        }
        for symbol, count in members.items()
    }
    expected["all"] = {
        "name": "all",
        "frequency": 2 * COUNT * learns,
        "pattern_member_frequency": COUNT,
        "emotives": {"joy": 0.5 * COUNT * learns},
    }
    assert found["symbols"] == expected
    assert found["totals"] == {
        "class": "totals",
        "total_pattern_frequencies": COUNT * learns,
        "total_symbol_frequencies": 4 * COUNT * learns,
        "total_symbols_in_patterns_frequencies": 3 * COUNT,
        "total_unique_patterns": COUNT,
    }
    deployment = knowledge.client.deployment
    if isinstance(deployment, EngineDeployment):
        knowledge.flush()
        table = f"{deployment.warehouse.database}.patterns_data"
        text = f"SELECT count(), uniqExact(name) FROM {table} WHERE kb_id = {{k:String}}"
        query = Select(text, {"k": knowledge.kb_id})
        assert deployment.clickhouse.select(query) == [(COUNT, COUNT)]
