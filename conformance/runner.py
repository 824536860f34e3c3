"""Runs cases over any collection factory: a callable that gives an empty collection named ``coll`` at each call.

The collection need only look like pymongo's. Other collections of a case are ``collection.database[name]``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pymongo
import pymongo.errors
from pymongo import results

from conformance.format import Mode, dumps, equal, loads

CASES: Final = Path(__file__).parent / "cases"

_REQUESTS: Final = {
    "insert_one": pymongo.InsertOne,
    "update_one": pymongo.UpdateOne,
    "update_many": pymongo.UpdateMany,
    "replace_one": pymongo.ReplaceOne,
    "delete_one": pymongo.DeleteOne,
    "delete_many": pymongo.DeleteMany,
}
#: Arguments that pymongo takes as pairs, and JSON has as documents.
_PAIRS: Final = frozenset({"sort", "hint", "keys", "min", "max"})


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what the collections hold, one call, what it gives, and what the collections hold then.

    See README.md for the fields of the data. `operators` are ``kind:name``.
    """

    name: str
    source: str
    call: dict[str, Any]
    operators: tuple[str, ...] = ()
    collections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    indexes: tuple[dict[str, Any], ...] = ()
    result: Any = None
    error: int | None = None
    unordered: tuple[str, ...] = ()
    mode: Mode = Mode.EXACT
    then: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    file: str = ""

    @property
    def writes(self) -> bool:
        """Whether the call changes a collection."""
        return bool(self.then)


class Mismatch(AssertionError):
    """The answer of a collection is not that of the case."""


def parse(line: str, file: str = "") -> Case:
    """The case of one line. Raises `ValueError` for a line that is none."""
    raw = loads(line)
    expect = raw.pop("expect")
    known = {"name", "source", "operators", "collections", "indexes", "call"}
    if set(raw) - known or set(expect) - {"result", "error", "unordered", "mode", "then"}:
        raise ValueError(f"{file}: unknown fields in case {raw.get('name')!r}")
    if ("error" in expect) == ("result" in expect):
        raise ValueError(f"{file}: case {raw['name']!r} must expect a result or an error")
    return Case(
        name=raw["name"],
        source=raw["source"],
        call=raw["call"],
        operators=tuple(raw.get("operators", ())),
        collections=raw.get("collections", {}),
        indexes=tuple(raw.get("indexes", ())),
        result=expect.get("result"),
        error=expect.get("error"),
        unordered=tuple(expect.get("unordered", ())),
        mode=Mode(expect.get("mode", "exact")),
        then=expect.get("then", {}),
        file=file,
    )


def load(folder: Path = CASES) -> Iterator[Case]:
    """All cases of the ``.jsonl`` files of a folder, by file and line."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield parse(line, path.stem)


def run(case: Case, factory: Callable[[], Any], **options: Any) -> None:
    """Run one case on a fresh collection. Raises `Mismatch` with both answers if they differ.

    `options` are further keyword arguments of a reading call (``pushdown=False``).
    """
    collection = factory()
    try:
        _check(case, collection, options)
    finally:
        teardown = getattr(factory, "teardown", None)
        if teardown is not None:
            teardown(collection)


def _check(case: Case, collection: Any, options: dict[str, Any]) -> None:
    database = collection.database
    for name, documents in case.collections.items():
        if documents:
            database[name].insert_many(documents)
    for index in case.indexes:
        arguments = dict(index)
        name = arguments.pop("collection", "coll")
        database[name].create_index(list(arguments.pop("keys").items()), **arguments)
    try:
        actual = call(collection, case.call["method"], case.call.get("arguments", {}), options)
    except pymongo.errors.OperationFailure as error:
        if case.error is None:
            raise Mismatch(f"{case.name}: raised {error.code}: {error}; expected {dumps(case.result)}") from error
        code = error_code(error)
        if code != case.error:
            raise Mismatch(f"{case.name}: raised {code} ({error}); expected error {case.error}") from error
    else:
        if case.error is not None:
            raise Mismatch(f"{case.name}: no error {case.error}, but {actual!r}")
        if not matches(case.result, actual, case.mode, case.unordered):
            raise Mismatch(f"{case.name}: expected {dumps(case.result)}, got {shown(actual)}")
    for name, expected in case.then.items():
        held = list(database[name].find({}))
        if not matches(expected, held, case.mode, case.unordered):
            raise Mismatch(f"{case.name}: {name} should hold {dumps(expected)}, but holds {shown(held)}")


def shown(value: Any) -> str:
    """`value` as in a case, or its repr where a case cannot have it."""
    try:
        return dumps(value)
    except ValueError:
        return repr(value)


def error_code(error: pymongo.errors.OperationFailure) -> int | None:
    """The server's code; that of the first write error of a `BulkWriteError`."""
    if isinstance(error, pymongo.errors.BulkWriteError):
        first = error.details["writeErrors"][0] if error.details else {}
        code: int | None = first.get("code")
        return code
    return error.code


def matches(expected: Any, actual: Any, mode: Mode, unordered: tuple[str, ...] = ()) -> bool:
    """As `equal`; `unordered` are paths of arrays (``""``: the result itself) whose order means nothing."""
    for path in sorted(unordered, key=lambda path: path.count("."), reverse=True):
        expected, actual = _sorted(expected, path), _sorted(actual, path)
    return equal(expected, actual, mode)


def _sorted(value: Any, path: str) -> Any:
    if path == "":
        return sorted(value, key=shown) if isinstance(value, list) else value
    if isinstance(value, list):
        return [_sorted(item, path) for item in value]
    head, _, rest = path.partition(".")
    if isinstance(value, Mapping) and head in value:
        return {name: _sorted(item, rest) if name == head else item for name, item in value.items()}
    return value


def call(collection: Any, method: str, arguments: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Any:
    """Call a pymongo method with the arguments of a case; the result as plain values, cursors exhausted."""
    given: dict[str, Any] = {
        name: list(value.items()) if name in _PAIRS and isinstance(value, dict) else value
        for name, value in arguments.items()
    }
    if method in ("find", "aggregate", "count_documents", "distinct", "find_one"):
        given.update(options or {})
    if "return_document" in given:
        given["return_document"] = given["return_document"] == "after"
    if method == "bulk_write":
        given["requests"] = [_REQUESTS[name](**request) for item in given["requests"] for name, request in item.items()]
    if method == "aggregate":
        return list(collection.aggregate(given.pop("pipeline"), **given))
    result = getattr(collection, method)(**given)
    return list(result) if method == "find" else plain(result)


def plain(result: Any) -> Any:
    """A result object of pymongo's as a document."""
    match result:
        case results.InsertOneResult():
            return {"inserted_id": result.inserted_id}
        case results.InsertManyResult():
            return {"inserted_ids": result.inserted_ids}
        case results.UpdateResult():
            return {
                "matched_count": int(result.matched_count),
                "modified_count": int(result.modified_count),
                "upserted_id": result.upserted_id,
            }
        case results.DeleteResult():
            return {"deleted_count": int(result.deleted_count)}
        case results.BulkWriteResult():
            return {
                "inserted_count": result.inserted_count,
                "matched_count": result.matched_count,
                "modified_count": result.modified_count,
                "deleted_count": result.deleted_count,
                "upserted_ids": {str(index): key for index, key in (result.upserted_ids or {}).items()},
            }
    return result
