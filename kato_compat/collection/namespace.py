"""What the groups of methods of a collection share: its name, its storage, and how they run flows on it."""

from typing import TYPE_CHECKING, Any

from pymongo import helpers_shared

from kato_compat.collection.face import context
from kato_compat.collection.inherited import Options
from kato_compat.collection.naming import check_name
from kato_compat.collection.stream import Limit, limited
from kato_compat.errors import fail
from kato_compat.execute.deployment import Deployment
from kato_compat.execute.storage import Storage
from kato_compat.ir.requests import Flow, T
from kato_compat.mapping.index import Index
from kato_compat.parse.expression import Context
from kato_compat.values.collation import Collation

if TYPE_CHECKING:
    from kato_compat.collection.collection import Collection
    from kato_compat.collection.database import Database


class Namespace(Options):
    """One collection of a database, by name. Making one does no I/O."""

    def __init__(
        self,
        database: "Database",
        name: str,
        codec_options: Any,
        read_preference: Any,
        write_concern: Any,
        read_concern: Any,
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be an instance of str, not {type(name)}")
        check_name(name)
        self._database = database
        self._name = str(name)
        self._full_name = f"{database.name}.{self._name}"
        super().__init__(
            codec_options or database.codec_options,
            read_preference or database.read_preference,
            write_concern or database.write_concern,
            read_concern or database.read_concern,
        )
        self._storage: Storage | None = None

    @property
    def deployment(self) -> Deployment:
        """The stores of the client."""
        return self._database.client.deployment

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

    @property
    def _self(self) -> "Collection":
        return self  # type: ignore[return-value]

    def _run(self, flow: Flow[T], limit: Limit | None = None) -> T:
        """Perform a flow, within a limit if there is one."""
        if limit is None:
            return self.deployment.run(flow)
        with limit:
            return self.deployment.run(limited(flow, limit))

    def _scope(self, let: Any = None, order: Collation | None = None) -> Context:
        return context(self._database.name, self._name, let, self.codec_options, order)

    def _hinted(self, hint: Any) -> Index | None:
        """The index that `hint` names. Raises 2 for one that does not exist."""
        if hint is None:
            return None
        pairs = None if isinstance(hint, str) else tuple(helpers_shared._index_document(hint).items())
        if pairs is not None and pairs[0][0] == "$natural":
            return None
        indexes = self.deployment.run(self.storage.indexes())
        for index in indexes:
            if (index.name == hint if pairs is None else index.keys == pairs) and not index.options.get("hidden"):
                return index
        if not indexes:
            # The server plans nothing for a collection that does not exist.
            return None
        raise fail(
            2,
            "error processing query: planner returned error :: caused by :: hint provided does not correspond to an "
            "existing index",
        )
