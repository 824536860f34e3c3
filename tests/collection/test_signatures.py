"""The face has every public method of pymongo's classes, with the same parameters."""

import inspect
from collections.abc import Iterator
from typing import Any

import pymongo.collection
import pymongo.command_cursor
import pymongo.cursor
import pymongo.database
import pymongo.mongo_client
import pytest

from kato_compat import Collection, Database, MongoClient
from kato_compat.collection.cursor import Cursor
from kato_compat.collection.stream import CommandCursor
from kato_compat.options import OPTIONS, REFUSED_METHODS

CLASSES: dict[str, tuple[type, type]] = {
    "MongoClient": (pymongo.mongo_client.MongoClient, MongoClient),
    "Database": (pymongo.database.Database, Database),
    "Collection": (pymongo.collection.Collection, Collection),
    "Cursor": (pymongo.cursor.Cursor, Cursor),
    "CommandCursor": (pymongo.command_cursor.CommandCursor, CommandCursor),
}

#: What pymongo has and the face has not, or not with the same parameters, and why.
EXCEPTIONS = {
    ("MongoClient", "__init__"): "has clickhouse, redis, layout and specs besides, by keyword only",
    ("MongoClient", "options"): "a ClientOptions describes pools of connections to MongoDB servers",
    ("MongoClient", "eq_props"): "undocumented: pymongo's own helper of __eq__",
    ("Cursor", "__init__"): "has pushdown besides, as its last parameter",
    ("CommandCursor", "__init__"): "made by the library only, from results and not from a server's reply",
}


def members() -> Iterator[tuple[str, str]]:
    for name, (theirs, _) in CLASSES.items():
        for member in [*dir(theirs), "__init__"]:
            if member == "__init__" or not member.startswith("_"):
                yield name, member


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("name", "member"), [each for each in members() if each not in EXCEPTIONS])
def test_member(name: str, member: str) -> None:
    theirs, ours = (inspect.getattr_static(each, member) for each in CLASSES[name])
    assert callable(theirs) == callable(ours)
    if callable(theirs):
        assert parameters(ours) == parameters(theirs)


def test_exceptions_are_ones() -> None:
    for name, member in EXCEPTIONS:
        theirs, ours = CLASSES[name]
        found = inspect.getattr_static(ours, member, None)
        assert found is None or parameters(found) != parameters(inspect.getattr_static(theirs, member))


def test_constructors_begin_as_those_of_pymongo() -> None:
    for name in ("MongoClient", "Cursor"):
        theirs, ours = (parameters(each.__init__) for each in CLASSES[name])
        positional = [each for each in theirs if each[1] is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert ours[: len(positional)] == positional


#: Parameters of a client and those of a request's own content, which no table need explain.
CONTENT = {
    ("MongoClient", "__init__"),
    ("MongoClient", "watch"),
    ("Database", "watch"),
    ("Collection", "watch"),
    ("MongoClient", "start_session"),
    ("MongoClient", "bulk_write"),
}


@pytest.mark.parametrize(("name", "member"), [each for each in members() if each not in CONTENT])
def test_optional_parameters_are_in_the_table(name: str, member: str) -> None:
    found = inspect.getattr_static(CLASSES[name][1], member, None)
    if not callable(found) or member in REFUSED_METHODS:
        return
    optional = [each[0] for each in parameters(found) if each[2] is not inspect.Parameter.empty]
    assert [each for each in optional if each not in OPTIONS] == []
