"""Calls of the MongoDB-era KATO on ``symbols_kb``, ``metadata``, ``predictions_kb`` and ``associative_action_kb``."""

from typing import Any

import numpy
import pytest
from pymongo import ASCENDING, CursorType

#: Symbols may hold anything.
ODD = ("a", "a:b", 'it\'s "x"', "50%|{y}*", "\U0001f989", "a.b", "\u00e9 f")


@pytest.fixture
def symbols(knowledge: Any) -> Any:
    return knowledge.symbols_kb


@pytest.fixture
def metadata(knowledge: Any) -> Any:
    return knowledge.metadata


@pytest.fixture
def predictions(knowledge: Any) -> Any:
    return knowledge.predictions_kb


@pytest.fixture
def actions(knowledge: Any) -> Any:
    return knowledge.associative_action_kb


def count_up(symbols: Any, symbol: str, count: int, **emotives: float) -> None:
    """As S03 does, once per distinct symbol of a learn."""
    inc: dict[str, float] = {"pattern_member_frequency": 1, "frequency": count}
    inc.update({f"emotives.{name}": value for name, value in emotives.items()})
    symbols.update_one({"name": symbol}, {"$inc": inc, "$setOnInsert": {"name": symbol}}, upsert=True)


@pytest.fixture
def counted(symbols: Any) -> Any:
    for number, symbol in enumerate(ODD, start=1):
        count_up(symbols, symbol, number)
    return symbols


def test_s01_unique_index_on_name(symbols: Any) -> None:
    for _ in range(2):
        assert symbols.create_index([("name", 1)], background=1, unique=1) == "name_1"
    assert symbols.index_information()["name_1"]["unique"]


def test_s02_index_on_frequency_and_name(counted: Any) -> None:
    for _ in range(2):
        assert counted.create_index([("frequency", -1), ("name", 1)], background=1) == "frequency_-1_name_1"


@pytest.mark.parametrize("symbol", ODD)
def test_s03_count_a_symbol(symbols: Any, symbol: str) -> None:
    count_up(symbols, symbol, 2, joy=0.5)
    count_up(symbols, symbol, 1, joy=0.25, fear=-1.5)
    found = symbols.find_one({"name": symbol})
    del found["_id"]
    assert found == {
        "name": symbol,
        "pattern_member_frequency": 2,
        "frequency": 3,
        "emotives": {"joy": 0.75, "fear": -1.5},
    }
    assert type(found["frequency"]) is int
    assert type(found["emotives"]["joy"]) is float


def test_s04_count_a_symbol_only(symbols: Any) -> None:
    first = symbols.update_one({"name": "q"}, {"$inc": {"frequency": 4}}, upsert=True)
    assert (first.matched_count, first.modified_count) == (0, 0)
    assert first.upserted_id is not None
    second = symbols.update_one({"name": "q"}, {"$inc": {"frequency": 2}}, upsert=True)
    assert (second.matched_count, second.modified_count, second.upserted_id) == (1, 1, None)
    assert symbols.find_one({"name": "q"}, {"_id": 0}) == {"name": "q", "frequency": 6}


def test_s05_an_unknown_symbol_is_none(counted: Any) -> None:
    assert counted.find_one({"name": "a"})["frequency"] == 1
    assert counted.find_one({"name": "unknown"}) is None
    found = counted.find_one({"name": "unknown"})
    assert (found["frequency"] if found else 0) == 0


def test_s06_count(counted: Any, knowledge: Any) -> None:
    assert counted.count_documents({}) == len(ODD)
    assert knowledge.client[f"{knowledge.name}x"].symbols_kb.count_documents({}) == 0


def test_s07_all_symbols_in_one_stream(counted: Any) -> None:
    cache = {}
    for symbol in counted.find({}, {"_id": False}, cursor_type=CursorType.EXHAUST):
        cache[symbol["name"]] = symbol
    assert {name: (each["pattern_member_frequency"], each["frequency"]) for name, each in cache.items()} == {
        name: (1, number) for number, name in enumerate(ODD, start=1)
    }


def test_s08_names_and_frequencies(counted: Any) -> None:
    total = sum(each.get("frequency", 0) for each in counted.find({}, {"name": 1, "frequency": 1}))
    assert total == sum(range(1, len(ODD) + 1))
    assert {frozenset(each) for each in counted.find({}, {"name": 1, "frequency": 1})} == {
        frozenset({"_id", "name", "frequency"})
    }


def test_s08_a_collection_has_no_truth_value(metadata: Any) -> None:
    with pytest.raises(NotImplementedError, match="compare with None"):
        bool(metadata)


def test_s09_some_symbols(counted: Any) -> None:
    pipeline = [
        {"$match": {"name": {"$in": ["a:b", "\U0001f989", "unknown", "a"]}}},
        {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_member_frequency": 1}},
    ]
    found = {each["name"]: each for each in counted.aggregate(pipeline, allowDiskUse=True)}
    assert found == {
        "a": {"name": "a", "frequency": 1, "pattern_member_frequency": 1},
        "a:b": {"name": "a:b", "frequency": 2, "pattern_member_frequency": 1},
        "\U0001f989": {"name": "\U0001f989", "frequency": 5, "pattern_member_frequency": 1},
    }


def test_s10_all_symbols_by_frequency(counted: Any) -> None:
    counted.update_one({"name": "f"}, {"$inc": {"frequency": 100}}, upsert=True)
    pipeline = [
        {
            "$project": {
                "_id": 0,
                "name": 1,
                "frequency": {"$ifNull": ["$frequency", 0]},
                "pattern_member_frequency": {"$ifNull": ["$pattern_member_frequency", 0]},
            }
        },
        {"$sort": {"frequency": -1}},
    ]
    found = list(counted.aggregate(pipeline, allowDiskUse=True))
    assert found[0] == {"name": "f", "frequency": 100, "pattern_member_frequency": 0}
    assert [each["name"] for each in found[1:]] == list(reversed(ODD))


def test_s11_statistics(counted: Any, knowledge: Any) -> None:
    pipeline = [
        {
            "$group": {
                "_id": None,
                "total_symbols": {"$sum": 1},
                "total_frequency": {"$sum": "$frequency"},
                "total_pattern_memberships": {"$sum": "$pattern_member_frequency"},
                "avg_frequency": {"$avg": "$frequency"},
            }
        }
    ]
    (found,) = list(counted.aggregate(pipeline, allowDiskUse=True))
    assert found == {
        "_id": None,
        "total_symbols": 7,
        "total_frequency": 28,
        "total_pattern_memberships": 7,
        "avg_frequency": 4.0,
    }
    assert not list(knowledge.none_kb.aggregate(pipeline, allowDiskUse=True))


def test_s12_delete_everything(counted: Any) -> None:
    assert counted.delete_many({}).deleted_count == len(ODD)
    assert counted.find_one({"name": "a"}) is None
    assert counted.count_documents({}) == 0
    count_up(counted, "a", 1)
    assert counted.find_one({"name": "a"})["frequency"] == 1


def test_s13_drop(counted: Any, knowledge: Any) -> None:
    counted.drop()
    assert "symbols_kb" not in knowledge.list_collection_names()
    assert list(counted.find({})) == []


TOTALS = ("total_pattern_frequencies", "total_symbol_frequencies", "total_symbols_in_patterns_frequencies")


def test_m01_no_totals_yet(metadata: Any) -> None:
    assert not metadata.find_one({"class": "totals"})
    metadata.insert_one({"class": "totals", **dict.fromkeys(TOTALS, 0)})
    assert metadata.find_one({"class": "totals"}).get("total_symbol_frequencies") == 0


def test_m02_totals_once_and_twice(metadata: Any) -> None:
    for _ in range(2):
        metadata.insert_one({"class": "totals", **dict.fromkeys(TOTALS, 0)})
    # No index forbids a second document: two processes that start at once make two.
    assert metadata.count_documents({"class": "totals"}) == 2
    metadata.drop()
    metadata.insert_one(
        {
            "class": "totals",
            "total_model_frequencies": 0,
            "total_symbol_frequencies": 0,
            "total_symbols_in_models_frequencies": 0,
        }
    )
    assert metadata.find_one({"class": "totals"})["total_symbols_in_models_frequencies"] == 0


def test_m03_count_up_the_totals(metadata: Any) -> None:
    change = {"$inc": {TOTALS[0]: 1, TOTALS[1]: 5, TOTALS[2]: 4}}
    assert metadata.update_one({"class": "totals"}, change).matched_count == 0
    assert metadata.count_documents({}) == 0
    metadata.insert_one({"class": "totals", **dict.fromkeys(TOTALS, 0)})
    for _ in range(3):
        metadata.update_one({"class": "totals"}, change)
    assert metadata.find_one({"class": "totals"}, {"_id": 0}) == {
        "class": "totals",
        TOTALS[0]: 3,
        TOTALS[1]: 15,
        TOTALS[2]: 12,
    }


def write_vocabulary(metadata: Any, symbols: list[str]) -> None:
    metadata.update_one(
        {"class": "gpu_vocabulary"},
        {
            "$set": {
                "symbol_to_id": {symbol: number for number, symbol in enumerate(symbols)},
                "id_to_symbol": {str(number): symbol for number, symbol in enumerate(symbols)},
                "vocab_size": len(symbols),
                "next_id": len(symbols),
            }
        },
        upsert=True,
    )


def test_m04_read_the_vocabulary(metadata: Any) -> None:
    assert metadata.find_one({"class": "gpu_vocabulary"}) is None
    write_vocabulary(metadata, ["a", "b"])
    found = metadata.find_one({"class": "gpu_vocabulary"})
    assert found["symbol_to_id"] == {"a": 0, "b": 1}
    assert {int(key): value for key, value in found["id_to_symbol"].items()} == {0: "a", 1: "b"}
    assert found["next_id"] == 2


def test_m05_rewrite_the_vocabulary(metadata: Any) -> None:
    symbols: list[str] = []
    for symbol in ("VECTOR|0a-1", "x.y.z", "1.5", "-", "plain"):
        symbols.append(symbol)
        write_vocabulary(metadata, symbols)
    found = metadata.find_one({"class": "gpu_vocabulary"})
    assert list(found["symbol_to_id"]) == symbols
    assert found["vocab_size"] == 5
    assert metadata.count_documents({"class": "gpu_vocabulary"}) == 1


def test_m07_drop(metadata: Any) -> None:
    write_vocabulary(metadata, ["a"])
    metadata.insert_one({"class": "totals", **dict.fromkeys(TOTALS, 1)})
    metadata.drop()
    assert metadata.find_one({"class": "totals"}) is None
    assert metadata.find_one({"class": "gpu_vocabulary"}) is None


def test_m08_count(metadata: Any) -> None:
    assert metadata.count_documents({}) == 0
    write_vocabulary(metadata, ["a"])
    metadata.insert_one({"class": "totals", **dict.fromkeys(TOTALS, 1)})
    assert metadata.count_documents({}) == 2


def test_m09_scan(metadata: Any) -> None:
    write_vocabulary(metadata, ["a"])
    metadata.insert_one({"class": "totals", **dict.fromkeys(TOTALS, 1)})
    found = list(metadata.find({}))
    assert sorted(each["class"] for each in found) == ["gpu_vocabulary", "totals"]
    assert all(each.get("pattern_name") is None for each in found)


class Prediction(dict[str, Any]):
    """Predictions were a subclass of dict."""

    def __init__(self, name: str, potential: float) -> None:
        super().__init__(name=name, potential=numpy.float64(potential), matches=["a"], missing=[])
        self.note = "an attribute is not stored"


def test_r01_index_on_id_and_time(predictions: Any) -> None:
    keys = [("unique_id", ASCENDING), ("time", -1)]
    for _ in range(2):
        assert predictions.create_index(keys, background=1) == "unique_id_1_time_-1"


def test_r02_store_predictions(predictions: Any) -> None:
    predictions.insert_one({"unique_id": "obs-1", "predictions": [Prediction("n", 0.5), Prediction("m", 0.25)]})
    found = predictions.find_one({"unique_id": "obs-1"})
    assert found["predictions"] == [
        {"name": "n", "potential": 0.5, "matches": ["a"], "missing": []},
        {"name": "m", "potential": 0.25, "matches": ["a"], "missing": []},
    ]
    assert type(found["predictions"][0]) is dict
    assert type(found["predictions"][0]["potential"]) is float


def test_r03_read_predictions(predictions: Any) -> None:
    predictions.insert_one({"unique_id": "obs-1", "predictions": [{"name": "n"}]})
    record = predictions.find_one({"unique_id": "obs-1"}, {"_id": 0})
    assert record == {"unique_id": "obs-1", "predictions": [{"name": "n"}]}
    assert predictions.find_one({"unique_id": "obs-2"}, {"_id": 0}) is None


def test_r04_several_documents_may_share_an_id(predictions: Any) -> None:
    for name in "nm":
        predictions.insert_one({"unique_id": "obs-1", "predictions": [{"name": name}]})
    predictions.insert_one({"unique_id": "obs-2", "predictions": []})
    found = []
    for document in predictions.find({"unique_id": "obs-1"}):
        if "_id" in document:
            document.pop("_id")
        found.append(document)
    assert sorted(each["predictions"][0]["name"] for each in found) == ["m", "n"]
    assert all(set(each) == {"unique_id", "predictions"} for each in found)


def test_r05_delete_everything(predictions: Any) -> None:
    for name in "nm":
        predictions.insert_one({"unique_id": "obs-1", "predictions": [{"name": name}]})
    assert predictions.delete_many({}).deleted_count == 2
    assert predictions.count_documents({}) == 0


def test_r06_drop(predictions: Any, knowledge: Any) -> None:
    predictions.insert_one({"unique_id": "obs-1", "predictions": []})
    predictions.drop()
    assert "predictions_kb" not in knowledge.list_collection_names()


def test_a01_index_on_a_field_that_no_document_has(actions: Any) -> None:
    for _ in range(2):
        assert actions.create_index([("symbol", 1)], background=1) == "symbol_1"


def learn_association(actions: Any, symbol: str, action: str) -> Any:
    return actions.update_one({"name": symbol, "action": action}, {"$inc": {"frequency": 1}}, upsert=True)


def test_a02_attributes_of_a_collection(actions: Any) -> None:
    actions.learnAssociation = lambda symbol: learn_association(actions, symbol, "go")
    actions.__akb_repr__ = lambda: "actions"
    assert actions.learnAssociation("a").upserted_id is not None
    assert actions.__akb_repr__() == "actions"


def test_a03_count_an_association(actions: Any) -> None:
    for _ in range(2):
        learn_association(actions, "a", "go")
    learn_association(actions, "a", "stop")
    assert actions.find_one({"name": "a", "action": "go"}, {"_id": 0}) == {"name": "a", "action": "go", "frequency": 2}
    assert actions.count_documents({"name": "a"}) == 2


def test_a04_count(actions: Any) -> None:
    assert f"{actions.count_documents({})}" == "0"


def test_a05_drop(actions: Any, knowledge: Any) -> None:
    learn_association(actions, "a", "go")
    actions.drop()
    assert actions.count_documents({}) == 0
    assert "associative_action_kb" not in knowledge.list_collection_names()
