"""Learns the given patterns from two threads at once; run as a program, in a process of its own.

Arguments: the ClickHouse URL, the Redis URL, the knowledge base, the layout, how often each thread learns all
patterns, and how many patterns there are. Prints how many were new, and keeps its rows in Redis unless asked to flush.
"""

import sys
import threading

from kato_compat import KnowledgeBase, MongoClient


def patterns(count: int) -> list[list[list[str]]]:
    """The patterns that every process learns: some symbols are shared by all, some by a few."""
    return [[["all", f"s{number % 5}"], [f"t{number}", "all"]] for number in range(count)]


def main() -> None:
    """Learn, and print how many patterns were new here."""
    clickhouse, redis, kb_id, layout, times, count = sys.argv[1:7]
    new: list[int] = []
    failures: list[BaseException] = []
    with MongoClient(clickhouse=clickhouse, redis=redis, layout=layout) as client:
        knowledge = KnowledgeBase(client, kb_id, persistence=5)
        sys.stdin.readline()

        def learn(thread: int) -> None:
            try:
                for turn in range(int(times)):
                    given = patterns(int(count))
                    if (thread + turn) % 2:
                        new.append(knowledge.learn_patterns((each, {"joy": 0.5}, {"k": "v"}) for each in given[::-1]))
                    else:
                        new.append(sum(knowledge.learn_pattern(each, {"joy": 0.5}, {"k": "v"}) for each in given))
                    knowledge.flush()
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=learn, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(sum(new) if not failures else f"failed: {failures!r}", flush=True)


if __name__ == "__main__":
    main()
