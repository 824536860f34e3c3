"""Collections, as pymongo's `Collection` (pymongo documentation: collection)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from pymongo import common
from pymongo.operations import IndexModel

from kato_compat.collection.face import context
from kato_compat.collection.indexes import Indexes
from kato_compat.collection.reads import Reads
from kato_compat.collection.writes import Writes
from kato_compat.errors import fail
from kato_compat.execute.deployment import Deployment
from kato_compat.execute.explain import explain_find
from kato_compat.execute.storage import Storage
from kato_compat.mapping.index import Index
from kato_compat.options import check_session
from kato_compat.parse.command import Find
from kato_compat.parse.expression import Context
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.collection.database import Database

__all__ = ["Collection", "IndexModel"]


class Collection(Reads, Writes, Indexes):
    """A collection of documents. Making one does no I/O; attributes may be set on it.

    Raises pymongo's `InvalidName` for a name that MongoDB does not allow.
    """

    def __init__(
        self,
        database: "Database",
        name: str,
        create: bool | None = False,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
        session: Any = None,
        **kwargs: Any,
    ) -> None:
        check_session(session)
        if not isinstance(name, str):
            raise TypeError(f"name must be an instance of str, not {type(name)}")
        common_check(name)
        self._database = database
        self._name = str(name)
        self._full_name = f"{database.name}.{self._name}"
        self.codec_options: CodecOptions[Any] = codec_options or database.codec_options
        self.read_preference = read_preference or database.read_preference
        self.write_concern = write_concern or database.write_concern
        self.read_concern = read_concern or database.read_concern
        self.deployment: Deployment = database.client.deployment
        self._storage: Storage | None = None
        if create or kwargs:
            database.create_collection(name, **kwargs)

    @property
    def storage(self) -> Storage:
        """The storage of the collection."""
        if self._storage is None:
            self._storage = self.deployment.storage(self._database.name, self._name)
        return self._storage

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return self._full_name

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._name

    @property
    def database(self) -> "Database":
        """The database of the collection."""
        return self._database

    def with_options(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> "Collection":
        """This collection with other options."""
        return Collection(
            self._database,
            self._name,
            False,
            codec_options or self.codec_options,
            read_preference or self.read_preference,
            write_concern or self.write_concern,
            read_concern or self.read_concern,
        )

    def __getattr__(self, name: str) -> "Collection":
        if name.startswith("_"):
            full = f"{self._name}.{name}"
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {full} collection, use "
                f"database['{full}']."
            )
        return self[name]

    def __getitem__(self, name: str) -> "Collection":
        return Collection(
            self._database,
            f"{self._name}.{name}",
            False,
            self.codec_options,
            self.read_preference,
            self.write_concern,
            self.read_concern,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._database!r}, {self._name!r})"

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, Collection):
            return self._database == other.database and self._name == other.name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._database, self._name))

    def __bool__(self) -> bool:
        raise NotImplementedError(
            f"{type(self).__name__} objects do not implement truth value testing or bool(). Please compare with None "
            "instead: collection is not None"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        if "." not in self._name:
            raise TypeError(
                f"'{type(self).__name__}' object is not callable. If you meant to call the '{self._name}' method on a "
                "'Database' object it is failing because no such method exists."
            )
        last = self._name.split(".")[-1]
        raise TypeError(
            f"'{type(self).__name__}' object is not callable. If you meant to call the '{last}' method on a "
            f"'{type(self).__name__}' object it is failing because no such method exists."
        )

    def __iter__(self) -> "Collection":
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    def __next__(self) -> None:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    def _scope(self, let: Any = None) -> Context:
        return context(self._database.name, self._name, let, self.codec_options)

    def _hinted(self, hint: Any) -> Index | None:
        """The index that `hint` names. Raises 2 for one that does not exist."""
        if hint is None:
            return None
        indexes = self.deployment.run(self.storage.indexes())
        if isinstance(hint, str):
            found = [index for index in indexes if index.name == hint]
        else:
            pairs = tuple(hint.items()) if isinstance(hint, Mapping) else tuple(_pair(each) for each in hint)
            if pairs and pairs[0][0] == "$natural":
                return None
            found = [index for index in indexes if index.keys == pairs]
        if not found:
            if not indexes and (hint == "_id_" or list(_keys(hint)) == ["_id"]):
                return None
            raise fail(
                2,
                "error processing query: planner returned error :: caused by :: hint provided does not "
                "correspond to an existing index",
            )
        return found[0]

    def _explain_find(self, command: Find) -> Document:
        return explain_find(self.storage, command, self.deployment.describe())


def _pair(each: Any) -> tuple[str, Any]:
    return (each, 1) if isinstance(each, str) else tuple(each)


def _keys(hint: Any) -> Sequence[str]:
    if isinstance(hint, str):
        return [hint]
    if isinstance(hint, Mapping):
        return list(hint)
    return [_pair(each)[0] for each in hint]


def common_check(name: str) -> None:
    """Raise pymongo's `InvalidName` for a name that a collection may not have."""
    from pymongo.errors import InvalidName

    if not name or ".." in name:
        raise InvalidName("collection names cannot be empty")
    if "$" in name and not name.startswith(("oplog.$main", "$cmd")):
        raise InvalidName(f"collection names must not contain '$': {name!r}")
    if name[0] == "." or name[-1] == ".":
        raise InvalidName(f"collection names must not start or end with '.': {name!r}")
    if "\x00" in name:
        raise InvalidName("collection names must not contain the null character")


_ = common
