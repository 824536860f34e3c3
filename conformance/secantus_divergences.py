"""Where SecantusDB 0.7.0b3 is known to answer otherwise than MongoDB: the written list, in the form of mongomock's."""

from typing import Final

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from conformance.mongomock_divergences import Asked, Divergence, Recogniser, everything, names, nodes


def _texts(asked: Asked) -> list[str]:
    return [node for node in nodes(asked.query) if isinstance(node, str)]


def _uses(*wanted: str) -> Recogniser:
    return lambda asked: not names(asked.query).isdisjoint(wanted)


def _dotted(asked: Asked) -> bool:
    return any("." in text for text in (*_texts(asked), *names(asked.query)))


def _documents_differ_in_order(asked: Asked) -> bool:
    return sum(isinstance(node, dict) for node in everything(asked)) > len(asked.documents) + 1


DIVERGENCES: Final = (
    Divergence(
        "errors",
        "MongoDB answers, or raises, where SecantusDB does not.",
        lambda asked: asked.ours[0] != asked.theirs[0],
    ),
    Divergence(
        "paths", "A path goes through the documents of an array; a number is no index in an expression.", _dotted
    ),
    Divergence("$natural", "$natural -1 is the insertion order backwards.", _uses("$natural")),
    Divergence("the clock", "$currentDate and $$NOW are of the moment.", _uses("$currentDate", "$rand", "$sample")),
    Divergence("nested $set", "$set of a document as a stage merges it.", _uses("$set", "$addFields", "$project")),
    Divergence("$count of nothing", "$count of no documents gives no document.", _uses("$count")),
    Divergence(
        "arrays",
        "$first of [] is missing; $all and $elemMatch compare null and inner arrays whole.",
        _uses("$first", "$last", "$all", "$elemMatch"),
    ),
    Divergence(
        "the order of fields", "Documents with their fields in another order differ.", _documents_differ_in_order
    ),
    Divergence(
        "numbers",
        "Types of results and equality across types are MongoDB's.",
        lambda asked: any(isinstance(node, bool | float | Int64 | Decimal128) for node in everything(asked)),
    ),
    Divergence("$regex", "\\w and \\d are ASCII.", _uses("$regex", "$regexMatch", "$regexFind")),
)


def explain(asked: Asked) -> Divergence | None:
    """The first divergence on the list that recognises what was asked, None if there is none."""
    return next((divergence for divergence in DIVERGENCES if divergence.holds(asked)), None)
