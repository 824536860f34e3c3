"""The legacy calls of the demonstration, as the Python source that is both shown and run."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Step:
    """What some calls are for, and their sources.

    A source is an expression, or an assignment of one to a name; its value is the answer that is shown. It sees
    `OPENING`'s names and those that were assigned before it.
    """

    title: str
    sources: tuple[str, ...]


OPENING: Final[str] = """\
from pymongo import ReturnDocument
kb = client["kato_compat_demo"]
tea = "c0ffee" * 6 + "c0ff"  # the name of a pattern that some calls make"""
"""The statements before the first call; they see ``client``."""

STEPS: Final[tuple[Step, ...]] = (
    Step(
        "How many patterns, how many symbols?",
        ("kb.patterns_kb.count_documents({})", "kb.symbols_kb.count_documents({})"),
    ),
    Step(
        "The totals of the knowledge base",
        ('kb.metadata.find_one({"class": "totals"}, {"_id": 0})',),
    ),
    Step(
        "The sentences that occur most often",
        (
            """\
top = list(kb.patterns_kb.find({}, {"name": 1, "frequency": 1, "length": 1})
           .sort([("frequency", -1)]).limit(3))""",
        ),
    ),
    Step(
        "One pattern by its name",
        ('kb.patterns_kb.find_one({"name": top[0]["name"]})',),
    ),
    Step(
        "Statistics of some symbols; one that was never seen is None, not zeros",
        (
            """\
list(kb.symbols_kb.aggregate([
    {"$match": {"name": {"$in": ["elizabeth", "darcy", "wickham", "entail", "telephone"]}}},
    {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_member_frequency": 1}},
], allowDiskUse=True))""",
            'kb.symbols_kb.find_one({"name": "telephone"})',
        ),
    ),
    Step(
        "The pipeline that every prediction begins with",
        (
            """\
list(kb.patterns_kb.aggregate([
    {"$match": {"frequency": {"$gte": 1}}},
    {"$project": {"_id": 0, "name": 1, "frequency": 1, "pattern_data": 1, "flattened": {
        "$reduce": {"input": "$pattern_data", "initialValue": [],
                    "in": {"$concatArrays": ["$$value", "$$this"]}}}}},
    {"$sort": {"frequency": -1}},
    {"$limit": 1000},
], allowDiskUse=True))""",
        ),
    ),
    Step(
        "The sentences that are questions: their last event is a question mark",
        (
            """\
list(kb.patterns_kb.aggregate([
    {"$addFields": {"classification": {"$last": "$pattern_data"}}},
    {"$match": {"classification": {"$all": ["?"]}}},
    {"$project": {"name": 1, "classification": 1}},
]))""",
        ),
    ),
    Step(
        "The vocabulary",
        (
            """\
list(kb.patterns_kb.aggregate([
    {"$project": {"pattern_data": 1}},
    {"$unwind": "$pattern_data"},
    {"$unwind": "$pattern_data"},
    {"$group": {"_id": "$pattern_data"}},
    {"$sort": {"_id": 1}},
]))""",
        ),
    ),
    Step(
        "Totals computed from the patterns themselves",
        (
            """\
list(kb.patterns_kb.aggregate([{"$group": {
    "_id": None, "total_patterns": {"$sum": 1}, "total_frequency": {"$sum": "$frequency"},
    "avg_frequency": {"$avg": "$frequency"}, "max_frequency": {"$max": "$frequency"}}}]))""",
        ),
    ),
    Step(
        "A learn as the legacy wrote it, three times: only the first inserts, the window keeps the last two emotives",
        (
            """\
[kb.patterns_kb.update_one(
    {"name": tea},
    {
        "$setOnInsert": {"pattern_data": [["tea", "time"], ["?"]], "length": 3},
        "$inc": {"frequency": 1},
        "$push": {"emotives": {"$each": [{"joy": joy}], "$slice": -2}},
        "$addToSet": {"metadata.source": {"$each": ["kitchen", "garden"]}},
    },
    upsert=True,
).matched_count for joy in (0.25, 0.5, 1.0)]""",
            'kb.patterns_kb.find_one({"name": tea}, {"_id": 0})',
        ),
    ),
    Step(
        "Change a pattern and get it back as it is then",
        (
            """\
kb.patterns_kb.find_one_and_update(
    {"name": tea}, {"$set": {"frequency": 12, "emotives": {"joy": [0.5]}}}, {"_id": False},
    return_document=ReturnDocument.AFTER)""",
        ),
    ),
    Step(
        "Count a symbol once more",
        (
            """\
kb.symbols_kb.update_one(
    {"name": "tea"}, {"$inc": {"frequency": 1, "pattern_member_frequency": 1, "emotives.joy": 0.5},
                      "$setOnInsert": {"name": "tea"}}, upsert=True).modified_count""",
            'kb.symbols_kb.find_one({"name": "tea"}, {"_id": 0})',
        ),
    ),
    Step(
        "Delete the pattern: its row, its counter and its window go together",
        (
            'kb.patterns_kb.delete_one({"name": tea}).deleted_count',
            'kb.patterns_kb.find_one({"name": tea})',
        ),
    ),
    Step(
        "Predictions are kept and found again",
        (
            """\
kb.predictions_kb.insert_one({"unique_id": "p-1", "predictions": [
    {"name": top[0]["name"], "frequency": top[0]["frequency"], "potential": 1.5}]}).acknowledged""",
            'kb.predictions_kb.find_one({"unique_id": "p-1"}, {"_id": 0})',
        ),
    ),
    Step(
        "Every other collection holds any documents",
        (
            """\
kb.associative_action_kb.update_one(
    {"name": "darcy", "action": "bow"}, {"$inc": {"frequency": 1}}, upsert=True).matched_count""",
            'list(kb.associative_action_kb.find({"action": {"$regex": "^b"}}, {"_id": 0}))',
        ),
    ),
)

EXPLAINED: Final[Step] = Step(
    "How a query is answered: what goes to SQL, to MGET and to Python",
    (
        """\
kb.patterns_kb.find(
    {"length": {"$gte": 20}, "frequency": {"$gte": 1}}, {"name": 1, "pattern_data": 1, "frequency": 1},
).sort([("frequency", -1)]).limit(5).explain()["kato_compat"]["tree"]""",
    ),
)
"""The query whose explanation ends the demonstration: it needs all three places."""
