"""Eight threads share one client."""

import threading
from typing import Any

from pymongo import UpdateOne

from kato_compat import Collection

THREADS = 8
ROUNDS = 12


def test_mixed_operations(things: Collection) -> None:
    things.insert_many([{"_id": "total", "n": 0, "l": []}, *({"_id": number} for number in range(THREADS))])
    failures: list[BaseException] = []
    start = threading.Barrier(THREADS)

    def work(number: int) -> None:
        try:
            start.wait()
            collection = things.database[things.name]
            for turn in range(ROUNDS):
                collection.update_one({"_id": "total"}, {"$inc": {"n": 1}, "$addToSet": {"l": number}})
                collection.update_one({"_id": f"made {turn}"}, {"$inc": {"n": 1}}, upsert=True)
                collection.insert_one({"_id": (key := f"own {number} {turn}"), "n": turn})
                assert collection.find_one({"_id": key}) == {"_id": key, "n": turn}
                collection.bulk_write([UpdateOne({"_id": number}, {"$push": {"turns": turn}})])
                assert len(collection.find({"_id": {"$in": list(range(THREADS))}}).to_list()) == THREADS
                assert collection.count_documents({"_id": key}) == 1
                if turn % 2:
                    assert collection.delete_one({"_id": key}).deleted_count == 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    total: dict[str, Any] = things.find_one({"_id": "total"})
    assert total["n"] == THREADS * ROUNDS
    assert sorted(total["l"]) == list(range(THREADS))
    for turn in range(ROUNDS):
        assert things.find_one({"_id": f"made {turn}"}) == {"_id": f"made {turn}", "n": THREADS}
    for number in range(THREADS):
        assert things.find_one({"_id": number}) == {"_id": number, "turns": list(range(ROUNDS))}
    assert things.count_documents({}) == 1 + THREADS + ROUNDS + THREADS * ROUNDS // 2
