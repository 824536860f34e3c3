"""mongomock as an oracle: it runs in this process, and has its list of divergences."""

import itertools
from typing import Any, Final

import mongomock

from conformance.differential import Oracle, asking
from conformance.mongomock_divergences import CAUSES, REFUSALS, RELATIONS, SILENCES

_numbers = itertools.count(1)


def fresh() -> Any:
    """An empty collection of mongomock's."""
    return mongomock.MongoClient()[f"db{next(_numbers)}"]["coll"]


MONGOMOCK: Final = Oracle(asking(fresh), REFUSALS, SILENCES, RELATIONS, CAUSES, splits=True)
