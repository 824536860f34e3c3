"""What an operator says of itself: the documentation tables are generated from it, and every example is run."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """The families of operators; a name is unique within one."""

    QUERY = "query"
    PROJECTION = "projection"
    EXPRESSION = "expression"
    ACCUMULATOR = "accumulator"
    WINDOW = "window"
    STAGE = "stage"
    UPDATE = "update"


class Status(Enum):
    """How far an operator is built."""

    SUPPORTED = "supported"
    PARTIAL = "partial"  # `limits` says what differs
    REFUSED = "refused"  # `limits` says why; using it raises code 115
    UNBUILT = "unbuilt"  # known by name; using it raises code 238


@dataclass(frozen=True, slots=True)
class Example:
    """One example that is also run as a test.

    `documents` are what the collection holds, `query` is what the operator's kind takes: a filter (QUERY), a
    projection (PROJECTION), an expression (EXPRESSION; evaluated on each document), an accumulator expression over
    all documents (ACCUMULATOR), the `output` of a `$setWindowFields` sorted by `_id` (WINDOW), a pipeline (STAGE)
    or an update applied to every document (UPDATE). `result` is the list of resulting documents, or of values for
    EXPRESSION, or the one value for ACCUMULATOR; for WINDOW the list of output documents.
    """

    documents: tuple[dict[str, Any], ...]
    query: Any
    result: Any


@dataclass(frozen=True, slots=True)
class Spec:
    """The identity and documentation of one operator.

    `since` is the MongoDB version that brought it, `summary` one sentence, `limits` what differs from the server
    (PARTIAL) or why it is refused (REFUSED).
    """

    name: str
    kind: Kind
    since: str
    summary: str
    status: Status = Status.SUPPORTED
    limits: str = ""
    examples: tuple[Example, ...] = ()
