"""Collections, as pymongo's `Collection` (pymongo documentation: collection)."""

from typing import TYPE_CHECKING, Any, NoReturn

from bson.codec_options import CodecOptions

from kato_compat.collection.indexes import Indexes
from kato_compat.collection.reads import Reads
from kato_compat.collection.writes import Writes
from kato_compat.execute.explain import explain_find
from kato_compat.options import check_session
from kato_compat.parse.command import Find
from kato_compat.values.document import Document

if TYPE_CHECKING:
    from kato_compat.collection.database import Database


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
        super().__init__(database, name, codec_options, read_preference, write_concern, read_concern)
        if create or kwargs:
            database.create_collection(name, **kwargs)

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

    def __iter__(self) -> Any:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    def __next__(self) -> NoReturn:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    next = __next__

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle a {type(self).__name__}: its client is of one process; make one in each")

    def _explain_find(self, command: Find) -> Document:
        return self.deployment.run(explain_find(self.storage, command, self.deployment.describe()))
