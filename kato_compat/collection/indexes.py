"""The index methods of collections, and those of the collection as a whole (pymongo documentation: collection)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from pymongo.errors import OperationFailure
from pymongo.operations import IndexModel

from kato_compat.collection.cursor import CommandCursor
from kato_compat.errors import fail
from kato_compat.execute.deployment import Deployment
from kato_compat.execute.storage import Storage
from kato_compat.mapping.index import Index
from kato_compat.options import check_session
from kato_compat.values.document import Document, normalise

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection
    from kato_compat.collection.database import Database

#: Options of an index that the server takes and that change nothing here.
_IGNORED = frozenset({"background", "v", "commitQuorum", "comment", "maxTimeMS", "session", "writeConcern"})
_REFUSED = {
    "text": "there is no text search",
    "2d": "there are no geospatial queries",
    "2dsphere": "there are no geospatial queries",
    "hashed": "there is no sharding",
}
_KNOWN = frozenset(
    {"name", "unique", "sparse", "partialFilterExpression", "hidden", "expireAfterSeconds", "collation", "bucketSize"}
)


class Indexes:
    """create_index, list_indexes, drop and their kin."""

    if TYPE_CHECKING:
        codec_options: CodecOptions[Any]
        deployment: Deployment
        storage: Storage
        database: Database
        name: str

    def create_index(self, keys: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> str:
        """Create an index, idempotently; its name."""
        check_session(session)
        model = IndexModel(keys, **kwargs)
        (name,) = self.create_indexes([model])
        return name

    def create_indexes(
        self, indexes: Sequence[IndexModel], session: Any = None, comment: Any = None, **kwargs: Any
    ) -> list[str]:
        """Create indexes; their names."""
        check_session(session)
        if not isinstance(indexes, list):
            raise TypeError(f"indexes must be a list, not {type(indexes)}")
        for model in indexes:
            if not isinstance(model, IndexModel):
                raise TypeError(f"{model!r} is not an instance of pymongo.operations.IndexModel")
        parsed = [index_of(normalise(model.document)) for model in indexes]
        for index in parsed:
            if index.name != "_id_":
                self.deployment.run(self.storage.create_index(index))
        return [index.name for index in parsed]

    def drop_index(self, index_or_name: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> None:
        """Drop an index by its name or its keys."""
        check_session(session)
        name = index_or_name
        if not isinstance(name, str):
            name = "_".join(f"{path}_{order}" for path, order in dict(_pairs(index_or_name)).items())
            indexes = self.deployment.run(self.storage.indexes())
            keys = tuple(_pairs(index_or_name))
            name = next((index.name for index in indexes if index.keys == keys), name)
        if not self.deployment.run(self.storage.exists()):
            raise fail(26, f"ns not found {self.database.name}.{self.name}")
        self.deployment.run(self.storage.drop_index(name))

    def drop_indexes(self, session: Any = None, comment: Any = None, **kwargs: Any) -> None:
        """Drop every index but that on `_id`."""
        check_session(session)
        for index in self.deployment.run(self.storage.indexes()):
            if index.name != "_id_":
                self.deployment.run(self.storage.drop_index(index.name))

    def list_indexes(self, session: Any = None, comment: Any = None) -> CommandCursor:
        """A cursor over the definitions of the indexes; empty for a collection that does not exist."""
        check_session(session)
        found = [index.definition() for index in self.deployment.run(self.storage.indexes())]
        return CommandCursor(self._self, None, found)

    def index_information(self, session: Any = None, comment: Any = None) -> dict[str, Any]:
        """``{name: {"v", "key": [(path, direction), ..], options ..}}``."""
        check_session(session)
        information: dict[str, Any] = {}
        for index in self.deployment.run(self.storage.indexes()):
            definition = index.definition()
            definition["key"] = list(definition["key"].items())
            del definition["name"]
            information[index.name] = definition
        return information

    def options(self, session: Any = None, comment: Any = None) -> dict[str, Any]:
        """The options that the collection was created with: none are kept."""
        check_session(session)
        return {}

    def drop(self, session: Any = None, comment: Any = None, encrypted_fields: Any = None) -> None:
        """Drop the collection with its indexes."""
        check_session(session)
        self.deployment.run(self.storage.drop())

    def rename(self, new_name: str, session: Any = None, comment: Any = None, **kwargs: Any) -> Document:
        """Give the collection another name. Raises 48 if that is taken (unless ``dropTarget``), 26 if there is none."""
        check_session(session)
        if not isinstance(new_name, str):
            raise TypeError(f"new_name must be an instance of str, not {type(new_name)}")
        self.database.client._rename(self.database.name, self.name, new_name, bool(kwargs.get("dropTarget", False)))
        return {"ok": 1.0}

    @property
    def _self(self) -> "Collection":
        return self  # type: ignore[return-value]


def _pairs(keys: Any) -> list[tuple[str, Any]]:
    if isinstance(keys, Mapping):
        return list(keys.items())
    return [(each, 1) if isinstance(each, str) else tuple(each) for each in keys]


def index_of(document: Document) -> Index:
    """The index that a createIndexes document describes. Raises 67 and 197 for what the server refuses."""
    keys = tuple(document["key"].items())
    if not keys:
        raise fail(67, "Index keys cannot be an empty object")
    for path, order in keys:
        if not path or any(not part for part in path.split(".")):
            raise fail(67, f"Index key contains an empty path component: {path!r}")
        if isinstance(order, str):
            if order not in _REFUSED:
                raise fail(67, f"Unknown index plugin '{order}'")
            raise OperationFailure(f"{order} index is refused by kato_compat: {_REFUSED[order]}", 115)
        if isinstance(order, bool) or not isinstance(order, int | float) or order == 0:
            raise fail(67, f"Values in the index key pattern must be non-zero numbers, got {order!r} for {path}")
    options = {}
    for name, value in document.items():
        if name in ("key", "name", "unique") or name in _IGNORED:
            continue
        if name not in _KNOWN:
            raise fail(197, f"The field '{name}' is not valid for an index specification")
        if name in ("sparse", "hidden"):
            if value:
                options[name] = True
            continue
        options[name] = value
    for name in ("partialFilterExpression", "expireAfterSeconds", "collation"):
        if name in options:
            raise OperationFailure(
                f"an index with {name} is known to kato_compat but not implemented", 238, {"code": 238, "ok": 0.0}
            )
    return Index(document["name"], keys, bool(document.get("unique", False)), options)
