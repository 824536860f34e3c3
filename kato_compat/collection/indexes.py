"""The index methods of collections, and those of the collection as a whole (pymongo documentation: collection)."""

from collections.abc import Sequence
from typing import Any

from pymongo import common, helpers_shared
from pymongo.operations import IndexModel

from kato_compat.collection.namespace import Namespace
from kato_compat.collection.naming import check_name
from kato_compat.collection.stream import CommandCursor, limit_of
from kato_compat.errors import fail
from kato_compat.execute.writing import create_all
from kato_compat.mapping.index import ID_INDEX
from kato_compat.options import check, check_session, refuse, take
from kato_compat.plan.indexes import index_of
from kato_compat.values.document import Document, normalise


class Indexes(Namespace):
    """create_index, list_indexes, drop and their kin."""

    def create_index(self, keys: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> str:
        """Create an index, idempotently; its name."""
        command = {name: kwargs.pop(name) for name in ("maxTimeMS", "commitQuorum", "writeConcern") if name in kwargs}
        model = IndexModel(keys, **kwargs)
        (name,) = self.create_indexes([model], session, comment, **command)
        return name

    def create_indexes(
        self, indexes: Sequence[IndexModel], session: Any = None, comment: Any = None, **kwargs: Any
    ) -> list[str]:
        """Create indexes; their names. All are checked before the first is built."""
        check_session(session)
        common.validate_list("indexes", indexes)
        for model in indexes:
            if not isinstance(model, IndexModel):
                raise TypeError(f"{model!r} is not an instance of pymongo.operations.IndexModel")
        limit = limit_of(take("createIndexes", kwargs, "maxTimeMS").get("maxTimeMS"))
        if not indexes:
            raise fail(2, "Must specify at least one index to create")
        parsed = [index_of(normalise(model.document, self.codec_options)) for model in indexes]
        self._run(create_all(self.storage, [index for index in parsed if index.keys != ID_INDEX.keys]), limit)
        return [str(model.document["name"]) for model in indexes]

    def drop_index(self, index_or_name: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> None:
        """Drop an index by its name, or that which its keys would have; ``*`` drops all but that on `_id`.

        Raises 27 where there is no such index; nothing happens to a collection that does not exist.
        """
        check_session(session)
        take("dropIndexes", kwargs)
        name = helpers_shared._gen_index_name(index_or_name) if isinstance(index_or_name, list) else index_or_name
        if not isinstance(name, str):
            raise TypeError(f"index_or_name must be an instance of str or list, not {type(name)}")
        if name == "*":
            self.drop_indexes()
        elif self.deployment.run(self.storage.exists()):
            self.deployment.run(self.storage.drop_index(str(name)))

    def drop_indexes(self, session: Any = None, comment: Any = None, **kwargs: Any) -> None:
        """Drop every index but that on `_id`; nothing happens to a collection that does not exist."""
        check_session(session)
        take("dropIndexes", kwargs)
        for index in self.deployment.run(self.storage.indexes()):
            if index.name != "_id_":
                self.deployment.run(self.storage.drop_index(index.name))

    def list_indexes(self, session: Any = None, comment: Any = None) -> CommandCursor:
        """A cursor over the definitions of the indexes; empty for a collection that does not exist."""
        check_session(session)
        found = [index.definition() for index in self.deployment.run(self.storage.indexes())]
        return CommandCursor(self._self, found)

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
        check(encrypted_fields=encrypted_fields)
        self.deployment.run(self.storage.drop())

    def rename(self, new_name: str, session: Any = None, comment: Any = None, **kwargs: Any) -> Document:
        """Give the collection another name. Raises 48 if that is taken (unless ``dropTarget``), 26 if there is none."""
        check_session(session)
        if not isinstance(new_name, str):
            raise TypeError(f"new_name must be an instance of str, not {type(new_name)}")
        check_name(new_name)
        options = take("renameCollection", kwargs, "dropTarget")
        self.database.client._rename(self.database.name, self.name, new_name, bool(options.get("dropTarget", False)))
        return {"ok": 1.0}

    # search indexes

    def list_search_indexes(
        self, name: str | None = None, session: Any = None, comment: Any = None, **kwargs: Any
    ) -> CommandCursor:
        """Refused: there is no text or vector search."""
        raise refuse("list_search_indexes")

    def create_search_index(self, model: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> str:
        """Refused: there is no text or vector search."""
        raise refuse("create_search_index")

    def create_search_indexes(self, models: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> list[str]:
        """Refused: there is no text or vector search."""
        raise refuse("create_search_indexes")

    def drop_search_index(self, name: str, session: Any = None, comment: Any = None, **kwargs: Any) -> None:
        """Refused: there is no text or vector search."""
        raise refuse("drop_search_index")

    def update_search_index(
        self, name: str, definition: Any, session: Any = None, comment: Any = None, **kwargs: Any
    ) -> None:
        """Refused: there is no text or vector search."""
        raise refuse("update_search_index")
