"""What becomes of each parameter that a method takes besides its main arguments: used, ignored or refused.

One table, so that nothing that is accepted is dropped silently: a parameter that changes no answer here is *ignored*
for a stated reason; one that would change the answer and cannot be honoured is *refused* when it is given.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from kato_compat.errors import refused


class Handling(Enum):
    """What becomes of a parameter."""

    USED = "used"
    IGNORED = "ignored"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Option:
    """One parameter: what becomes of it and why."""

    name: str
    handling: Handling
    reason: str


_USED = Handling.USED
_IGNORED = Handling.IGNORED
_REFUSED = Handling.REFUSED

OPTIONS: Final[dict[str, Option]] = {
    option.name: option
    for option in (
        Option("session", _REFUSED, "there are no sessions or transactions; leave it out"),
        Option("comment", _IGNORED, "there is no profiler that would show it"),
        Option("hint", _USED, "must name an existing index; the plan is chosen by the planner"),
        Option("collation", _USED, "string comparison by ICU where PyICU is installed"),
        Option("let", _USED, "variables of expressions"),
        Option("sort", _USED, "order of the result or of the candidates"),
        Option("skip", _USED, "documents left out at the beginning"),
        Option("limit", _USED, "most documents returned"),
        Option("projection", _USED, "fields returned"),
        Option("batch_size", _USED, "documents per batch handed to the caller"),
        Option("max_time_ms", _USED, "checked between batches, and by ClickHouse within a query"),
        Option("maxTimeMS", _USED, "checked between batches, and by ClickHouse within a query"),
        Option("cursor_type", _IGNORED, "every cursor streams from its engine; tailable ones are refused"),
        Option("no_cursor_timeout", _IGNORED, "cursors live in this process and do not time out"),
        Option("allow_partial_results", _IGNORED, "there are no shards: a result is whole or an error"),
        Option("oplog_replay", _IGNORED, "the server ignores it since 4.4"),
        Option("snapshot", _IGNORED, "the server ignores it since 4.0"),
        Option("allow_disk_use", _USED, "whether a blocking stage may spill"),
        Option("allowDiskUse", _USED, "whether a blocking stage may spill"),
        Option("return_key", _USED, "only the fields of the hinted index"),
        Option("show_record_id", _REFUSED, "documents have no record number here"),
        Option("min", _USED, "lower bound of the hinted index"),
        Option("max", _USED, "upper bound of the hinted index"),
        Option("bypass_document_validation", _IGNORED, "collections have no validators"),
        Option("bypassDocumentValidation", _IGNORED, "collections have no validators"),
        Option("upsert", _USED, "insert where nothing matches"),
        Option("array_filters", _USED, "identifiers of filtered positional paths"),
        Option("ordered", _USED, "stop at the first error"),
        Option("return_document", _USED, "before or after the change"),
        Option("pushdown", _USED, "ours: False answers everything in Python"),
    )
}


def check_session(session: Any) -> None:
    """Raise for a session: there are none."""
    if session is not None:
        raise refused("session", OPTIONS["session"].reason)


def check_show_record_id(given: Any) -> None:
    """Raise for ``show_record_id``."""
    if given:
        raise refused("show_record_id", OPTIONS["show_record_id"].reason)
