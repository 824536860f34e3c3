"""Requests that flows yield and drivers perform.

A flow is a generator: it yields one request at a time, is sent the reply, and returns its result. Logic is
written once in flows; the synchronous and the asynchronous driver differ only in how they perform a request.
Only `kato_compat.stores` performs requests against a client library.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

T = TypeVar("T")

#: One Redis command: its name, then its arguments as they go over the wire.
Argument: TypeAlias = bytes | str | int | float
Command: TypeAlias = tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script that the store registers once (SCRIPT LOAD) and then calls by its SHA-1 (EVALSHA).

    `source` is constant text of this package; data reach it only through KEYS and ARGV.
    """

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `script` in place of a command inside `Pipeline.commands`."""

    script: Script
    keys: tuple[bytes | str, ...]
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Send commands to Redis in one round trip. Reply: `list` of raw replies (bytes, int, None, list), in order.

    Any error reply raises: nothing is returned in its place.
    """

    commands: tuple[Command | Call, ...]


@dataclass(frozen=True, slots=True)
class Select:
    """Run one SELECT to its end. Reply: `list[tuple]`, a tuple a row in the order of the select list."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OpenScan:
    """Start streaming one SELECT. Reply: an opaque scan handle for `NextBlock` and `CloseScan`."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NextBlock:
    """Fetch the next block of an open scan. Reply: `list[tuple]`, empty at the end (the scan is then closed)."""

    scan: Any


@dataclass(frozen=True, slots=True)
class CloseScan:
    """Close an open scan early; a no-op on one that has ended. Reply: None."""

    scan: Any


@dataclass(frozen=True, slots=True)
class InsertRows:
    """Insert rows as one block, acknowledged by the server before the reply. Reply: None.

    `deduplication_token`, when given, makes a repeated insert of the same block a no-op where the table keeps a
    deduplication log.
    """

    database: str
    table: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    deduplication_token: str | None = None


@dataclass(frozen=True, slots=True)
class Execute:
    """Run one statement that returns no rows (DDL, DELETE). Reply: None."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait before a retry. Reply: None."""

    seconds: float


Request: TypeAlias = Pipeline | Select | OpenScan | NextBlock | CloseScan | InsertRows | Execute | Sleep
Flow: TypeAlias = Generator[Request, Any, T]


def between(
    ahead: tuple[Command, ...], flow: Flow[T], behind: tuple[Command, ...] = ()
) -> Flow[tuple[T, list[Any], list[Any]]]:
    """`flow`, with commands in its first pipeline: some `ahead` of its own and some `behind` them.

    Returns the flow's result, the replies to `ahead` and those to `behind`. If the flow makes no pipeline they are
    asked for in one of their own, after it.
    """
    result, replies = yield from _joined(ahead, flow, behind)
    if replies is None:
        found = yield Pipeline(ahead + behind)
        replies = found[: len(ahead)], found[len(ahead) :]
    return result, *replies


def alongside(flow: Flow[T], commands: tuple[Command, ...]) -> Flow[tuple[T, list[Any] | None]]:
    """`flow`, with `commands` behind its own in its first pipeline; the replies are None if it made no pipeline."""
    result, replies = yield from _joined((), flow, commands)
    return result, None if replies is None else replies[1]


def _joined(
    ahead: tuple[Command, ...], flow: Flow[T], behind: tuple[Command, ...]
) -> Flow[tuple[T, tuple[list[Any], list[Any]] | None]]:
    joined: tuple[list[Any], list[Any]] | None = None
    try:
        request = next(flow)
        while True:
            joins = joined is None and isinstance(request, Pipeline)
            if joins:
                request = Pipeline(ahead + cast("Pipeline", request).commands + behind)
            try:
                reply = yield request
            except GeneratorExit:
                flow.close()
                raise
            except BaseException as error:
                request = flow.throw(error)
                continue
            if joins:
                first, last = len(ahead), len(reply) - len(behind)
                joined = reply[:first], reply[last:]
                reply = reply[first:last]
            request = flow.send(reply)
    except StopIteration as end:
        return cast("T", end.value), joined
