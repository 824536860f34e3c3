"""Databases, as pymongo's `Database` (pymongo documentation: database)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bson.codec_options import CodecOptions
from pymongo import common
from pymongo.database_shared import _check_name
from pymongo.errors import CollectionInvalid

from kato_compat.collection.collection import Collection, common_check
from kato_compat.collection.cursor import CommandCursor
from kato_compat.collection.stream import Stream
from kato_compat.errors import fail, refused
from kato_compat.execute.foreign import Foreign
from kato_compat.execute.pipeline import ListReader, PipelineReader
from kato_compat.options import check_session
from kato_compat.parse.expression import Context
from kato_compat.parse.pipeline import parse_pipeline
from kato_compat.values.document import Document, normalise

if TYPE_CHECKING:
    from kato_compat.collection.client import MongoClient

#: Options of create_collection that make a collection of a kind there is none of here.
_REFUSED = {
    "capped": "there are no capped collections",
    "timeseries": "there are no time series collections",
    "clusteredIndex": "documents are found by _id anyway",
    "viewOn": "there are no views",
    "validator": "documents are not validated on write",
    "encryptedFields": "there is no queryable encryption",
    "collation": "collections have no default collation",
}


class Database:
    """A database: one knowledge base. Making one does no I/O."""

    def __init__(
        self,
        client: "MongoClient",
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be an instance of str, not {type(name)}")
        if name != "$external":
            _check_name(name)
        self._client = client
        self._name = str(name)
        self.codec_options: CodecOptions[Any] = codec_options or client.codec_options
        self.read_preference = read_preference or client.read_preference
        self.write_concern = write_concern or client.write_concern
        self.read_concern = read_concern or client.read_concern

    @property
    def client(self) -> "MongoClient":
        """The client of the database."""
        return self._client

    @property
    def name(self) -> str:
        """The database's name."""
        return self._name

    def with_options(
        self,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> "Database":
        """This database with other options."""
        return Database(
            self._client,
            self._name,
            codec_options or self.codec_options,
            read_preference or self.read_preference,
            write_concern or self.write_concern,
            read_concern or self.read_concern,
        )

    def __getattr__(self, name: str) -> Collection:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} collection, use "
                f"database[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> Collection:
        return Collection(self, name)

    def get_collection(
        self,
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> Collection:
        """The collection `name` with the given options."""
        return Collection(self, name, False, codec_options, read_preference, write_concern, read_concern)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client!r}, {self._name!r})"

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, Database):
            return self._client == other.client and self._name == other.name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self._client, self._name))

    def __bool__(self) -> bool:
        raise NotImplementedError(
            f"{type(self).__name__} objects do not implement truth value testing or bool(). Please compare with None "
            "instead: database is not None"
        )

    def __iter__(self) -> "Database":
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(
            f"'{type(self).__name__}' object is not callable. If you meant to call the '{self._name}' method on a "
            "'MongoClient' object it is failing because no such method exists."
        )

    def create_collection(
        self,
        name: str,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
        session: Any = None,
        check_exists: bool | None = True,
        **kwargs: Any,
    ) -> Collection:
        """Create a collection. Raises `CollectionInvalid` where it exists; options of other kinds are refused."""
        check_session(session)
        for option, reason in _REFUSED.items():
            if kwargs.get(option):
                raise refused(f"create_collection with {option}", reason)
        common_check(name)
        collection = self.get_collection(name, codec_options, read_preference, write_concern, read_concern)
        if not self._client.deployment.run(collection.storage.create()):
            if check_exists:
                raise CollectionInvalid(f"collection {name} already exists")
            raise fail(48, f"Collection {self._name}.{name} already exists.")
        return collection

    def list_collection_names(
        self,
        session: Any = None,
        filter: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> list[str]:
        """The names of the collections."""
        return [each["name"] for each in self.list_collections(session, filter, comment, **kwargs)]

    def list_collections(
        self,
        session: Any = None,
        filter: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> CommandCursor:
        """A cursor over descriptions of the collections (MongoDB manual: listCollections)."""
        from kato_compat.ir.predicate import compile_predicate
        from kato_compat.parse.filter import parse_filter

        check_session(session)
        names = self._client.deployment.run(self._client.deployment.names(self._name))
        described: list[Document] = [
            {
                "name": collection,
                "type": "collection",
                "options": {},
                "info": {"readOnly": False},
                "idIndex": {"v": 2, "key": {"_id": 1}, "name": "_id_"},
            }
            for _, collection in names
        ]
        if filter:
            test = compile_predicate(parse_filter(normalise(filter)))
            described = [each for each in described if test(each)]
        return CommandCursor(self["$cmd.listCollections"], None, described)

    def drop_collection(
        self, name_or_collection: Any, session: Any = None, comment: Any = None, encrypted_fields: Any = None
    ) -> Document:
        """Drop a collection, given by name or as a `Collection`."""
        check_session(session)
        name = name_or_collection.name if isinstance(name_or_collection, Collection) else name_or_collection
        if not isinstance(name, str):
            raise TypeError(f"name_or_collection must be an instance of str, not {type(name)}")
        collection = self[name]
        collection.drop()
        return {"ns": collection.full_name, "ok": 1.0}

    def validate_collection(self, name_or_collection: Any, *args: Any, **kwargs: Any) -> Document:
        """What ``validate`` answers for a sound collection, after reading all of it."""
        name = name_or_collection.name if isinstance(name_or_collection, Collection) else name_or_collection
        collection = self[name]
        count = collection.count_documents({})
        return {"ns": collection.full_name, "nrecords": count, "valid": True, "errors": [], "warnings": [], "ok": 1.0}

    def aggregate(self, pipeline: Any, session: Any = None, **kwargs: Any) -> CommandCursor:
        """Run a pipeline that begins with a stage that makes its own documents (``$documents``)."""
        check_session(session)
        common.validate_list("pipeline", pipeline)
        raw = normalise({"pipeline": list(pipeline)}, self.codec_options)["pipeline"]
        parsed = parse_pipeline(raw, Context(database=self._name))
        foreign = Foreign(self._client.deployment)
        reader = PipelineReader(ListReader([]), parsed, foreign.environment(self._name, ""))
        collection = self["$cmd.aggregate"]
        return CommandCursor(collection, Stream(collection, reader, kwargs.get("maxTimeMS"), True))

    def dereference(self, dbref: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> Any:
        """The document that a `DBRef` refers to, None if there is none."""
        if dbref.database is not None and dbref.database != self._name:
            raise ValueError(
                f"trying to dereference a DBRef that points to another database ({dbref.database!r} not {self._name!r})"
            )
        return self[dbref.collection].find_one({"_id": dbref.id})

    def command(
        self,
        command: Any,
        value: Any = 1,
        check: bool = True,
        allowable_errors: Any = None,
        read_preference: Any = None,
        codec_options: Any = None,
        session: Any = None,
        comment: Any = None,
        **kwargs: Any,
    ) -> Document:
        """Run a database command (MongoDB manual: Database Commands). Raises 59 for one that is not known."""
        check_session(session)
        document: dict[str, Any]
        if isinstance(command, str):
            document = {command: value, **kwargs}
        elif isinstance(command, Mapping):
            document = {**command, **kwargs}
        else:
            raise TypeError(f"command must be an instance of str or a mapping, not {type(command)}")
        from kato_compat.collection.commands import run

        return run(self, document)

    def cursor_command(self, command: Any, value: Any = 1, **kwargs: Any) -> CommandCursor:
        """Run a command that answers with a cursor."""
        reply = self.command(command, value, **kwargs)
        if "cursor" not in reply:
            raise fail(115, "this command does not answer with a cursor; use command()")
        return CommandCursor(self["$cmd"], None, reply["cursor"]["firstBatch"])

    def watch(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: there are no change streams."""
        raise refused("watch", "there is no oplog to follow")
