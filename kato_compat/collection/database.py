"""Databases, as pymongo's `Database` (pymongo documentation: database)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from bson.codec_options import DEFAULT_CODEC_OPTIONS, CodecOptions
from bson.dbref import DBRef
from pymongo import common
from pymongo.database_shared import _check_name
from pymongo.errors import CollectionInvalid, InvalidOperation, OperationFailure

from kato_compat.collection.collection import Collection
from kato_compat.collection.commands import drop, run
from kato_compat.collection.face import collation, context
from kato_compat.collection.inherited import Options
from kato_compat.collection.naming import check_name
from kato_compat.collection.stream import CommandCursor, Stream, limit_of
from kato_compat.errors import fail, refused
from kato_compat.execute.foreign import Foreign
from kato_compat.execute.pipeline import ListReader, PipelineReader
from kato_compat.ir.predicate import compile_predicate
from kato_compat.options import check as check_given
from kato_compat.options import check_session, take
from kato_compat.parse.filter import parse_filter
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
    "expireAfterSeconds": "there are no time series collections; give an index expireAfterSeconds",
}
#: Options of create_collection that change nothing here.
_IGNORED = frozenset(
    {
        "size",
        "max",
        "storageEngine",
        "indexOptionDefaults",
        "validationLevel",
        "validationAction",
        "comment",
        "writeConcern",
        "changeStreamPreAndPostImages",
    }
)


class Database(Options):
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
        super().__init__(
            codec_options or client.codec_options,
            read_preference or client.read_preference,
            write_concern or client.write_concern,
            read_concern or client.read_concern,
        )

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

    def __iter__(self) -> NoReturn:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    def __next__(self) -> NoReturn:
        raise TypeError(f"'{type(self).__name__}' object is not iterable")

    next = __next__

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle a {type(self).__name__}: its client is of one process; make one in each")

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
        for option, value in kwargs.items():
            if option in _REFUSED:
                if value:
                    raise refused(f"create_collection with {option}", _REFUSED[option])
            elif option not in _IGNORED:
                raise fail(40415, f"BSON field 'create.{option}' is an unknown field.")
        check_name(name)
        collection = self.get_collection(name, codec_options, read_preference, write_concern, read_concern)
        if not self._client.deployment.run(collection.storage.create()):
            if check_exists:
                raise CollectionInvalid(f"collection {name} already exists")
            raise fail(48, f"Collection {self._name}.{name} already exists.")
        return collection

    def list_collection_names(
        self,
        session: Any = None,
        filter: Any = None,  # noqa: A002 - pymongo's name
        comment: Any = None,
        **kwargs: Any,
    ) -> list[str]:
        """The names of the collections."""
        return [each["name"] for each in self.list_collections(session, filter, comment, **kwargs)]

    def list_collections(
        self,
        session: Any = None,
        filter: Any = None,  # noqa: A002 - pymongo's name
        comment: Any = None,
        **kwargs: Any,
    ) -> CommandCursor:
        """A cursor over descriptions of the collections (MongoDB manual: listCollections)."""
        check_session(session)
        take("listCollections", kwargs)
        if filter is not None:
            common.validate_is_mapping("filter", filter)
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
            test = compile_predicate(parse_filter(normalise(filter, self.codec_options)))
            described = [each for each in described if test(each)]
        return CommandCursor(self["$cmd.listCollections"], described)

    def drop_collection(
        self, name_or_collection: Any, session: Any = None, comment: Any = None, encrypted_fields: Any = None
    ) -> Document:
        """Drop a collection, given by name or as a `Collection`; what the ``drop`` command answers."""
        check_session(session)
        check_given(encrypted_fields=encrypted_fields)
        name = name_or_collection.name if isinstance(name_or_collection, Collection) else name_or_collection
        if not isinstance(name, str):
            raise TypeError(f"name_or_collection must be an instance of str, not {type(name)}")
        return drop(self[name])

    def validate_collection(
        self,
        name_or_collection: Any,
        scandata: bool = False,
        full: bool = False,
        session: Any = None,
        background: bool | None = None,
        comment: Any = None,
    ) -> Document:
        """What ``validate`` answers for a sound collection, after reading all of it. Raises 26 where there is none."""
        check_session(session)
        name = name_or_collection.name if isinstance(name_or_collection, Collection) else name_or_collection
        if not isinstance(name, str):
            raise TypeError(f"name_or_collection must be an instance of str or Collection, not {type(name)}")
        collection = self[name]
        if not collection.deployment.run(collection.storage.exists()):
            raise fail(26, f"Collection '{collection.full_name}' does not exist to validate.")
        read = sum(1 for _ in collection.with_options(codec_options=DEFAULT_CODEC_OPTIONS).find({}))
        indexes = collection.deployment.run(collection.storage.indexes())
        return {
            "ns": collection.full_name,
            "nrecords": read,
            "nIndexes": len(indexes),
            "valid": True,
            "warnings": [],
            "errors": [],
            "ok": 1.0,
        }

    def aggregate(self, pipeline: Any, session: Any = None, **kwargs: Any) -> CommandCursor:
        """Run a pipeline that begins with a stage that makes its own documents (``$documents``)."""
        check_session(session)
        common.validate_list("pipeline", pipeline)
        names = ("allowDiskUse", "maxTimeMS", "batchSize", "let", "collation")
        options = take("aggregate", kwargs, *names)
        raw = normalise({"pipeline": list(pipeline)}, self.codec_options)["pipeline"]
        scope = context(self._name, "", options.get("let"), self.codec_options, collation(options.get("collation")))
        parsed = parse_pipeline(raw, scope)
        if not parsed.stages or not parsed.stages[0].source:
            raise fail(73, "{aggregate: 1} is not valid for an aggregation that reads a collection")
        foreign = Foreign(self._client.deployment, options.get("allowDiskUse") is not False)
        reader = PipelineReader(ListReader([]), parsed, foreign.environment(self._name, ""))
        collection = self["$cmd.aggregate"]
        stream = Stream(collection, reader, limit_of(options.get("maxTimeMS")))
        return CommandCursor(collection, stream, options.get("batchSize", 0))

    def dereference(self, dbref: Any, session: Any = None, comment: Any = None, **kwargs: Any) -> Any:
        """The document that a `DBRef` refers to, None if there is none."""
        check_session(session)
        if not isinstance(dbref, DBRef):
            raise TypeError(f"cannot dereference a {type(dbref)}")
        if dbref.database is not None and dbref.database != self._name:
            raise ValueError(
                f"trying to dereference a DBRef that points to another database ({dbref.database!r} not {self._name!r})"
            )
        return self[dbref.collection].find_one({"_id": dbref.id}, **kwargs)

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
        database = self if codec_options is None else self.with_options(codec_options=codec_options)
        try:
            return run(database, document)
        except OperationFailure as error:
            allowed = allowable_errors or ()
            details = dict(error.details or {})
            if not isinstance(error.code, int) or (
                check and not (error.code in allowed or details.get("errmsg") in allowed)
            ):
                raise
            return details

    def cursor_command(
        self,
        command: Any,
        value: Any = 1,
        read_preference: Any = None,
        codec_options: Any = None,
        session: Any = None,
        comment: Any = None,
        max_await_time_ms: int | None = None,
        **kwargs: Any,
    ) -> CommandCursor:
        """Run a command that answers with a cursor."""
        reply = self.command(command, value, True, None, read_preference, codec_options, session, **kwargs)
        if "cursor" not in reply:
            raise InvalidOperation("Database.cursor_command() must be used with a command that returns a cursor")
        return CommandCursor(self["$cmd"], reply["cursor"]["firstBatch"])
