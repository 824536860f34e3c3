"""The client, a drop-in for `pymongo.MongoClient` (pymongo documentation: mongo_client)."""

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

from bson.codec_options import CodecOptions, TypeRegistry
from pymongo import common
from pymongo.driver_info import DriverInfo
from pymongo.errors import ConfigurationError, InvalidOperation, OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference, make_read_preference, read_pref_mode_from_name
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from kato_compat.collection.commands import build_info
from kato_compat.collection.database import Database
from kato_compat.collection.inherited import Options
from kato_compat.collection.stream import CommandCursor, Source
from kato_compat.errors import fail
from kato_compat.execute.deployment import Deployment, EngineDeployment, MemoryDeployment
from kato_compat.execute.reading import find_batches
from kato_compat.execute.storage import Storage
from kato_compat.execute.writing import insert
from kato_compat.ir.requests import Flow, Pipeline, Select
from kato_compat.mapping.index import ID_INDEX
from kato_compat.mapping.spec import Catalogue, CollectionSpec
from kato_compat.options import CLIENT_OPTIONS, Handling, check_session, refuse, take
from kato_compat.values.document import Document

#: The ClickHouse database of KATO's tables where a URL names none.
DATABASE: Final = "kato"
_CLICKHOUSE: Final = "KATO_COMPAT_CLICKHOUSE"
_REDIS: Final = "KATO_COMPAT_REDIS"


class MongoClient(Options):
    """A client of ClickHouse and Redis with pymongo's API. Making one does no I/O to servers.

    Where the data are, in this order: `clickhouse` and `redis` URLs; ``host="memory://"`` for the in-process store;
    ``host="embedded:///path"`` for embedded engines in a folder; the environment variables ``KATO_COMPAT_CLICKHOUSE``
    and ``KATO_COMPAT_REDIS``; with nothing given, embedded engines in the user's data folder. A ``mongodb://`` URL is
    accepted where stores are configured, so that legacy configuration stays as it is.

    `layout` is how symbol statistics are kept, ``counters`` or ``hashes``; `specs` are further `CollectionSpec`s.
    All other options are pymongo's, and checked as pymongo does; those of its connections have no effect, but for
    ``serverSelectionTimeoutMS``, ``connectTimeoutMS`` and ``socketTimeoutMS``.

    Raises `ConfigurationError` for a ``mongodb://`` URL without stores, and for options that are not pymongo's.
    """

    HOST = "localhost"
    PORT = 27017

    def __init__(
        self,
        host: str | Iterable[str] | None = None,
        port: int | None = None,
        document_class: type | None = None,
        tz_aware: bool | None = None,
        connect: bool | None = None,
        type_registry: TypeRegistry | None = None,
        *,
        clickhouse: str | None = None,
        redis: str | None = None,
        layout: str = "counters",
        specs: Iterable[CollectionSpec] = (),
        **kwargs: Any,
    ) -> None:
        options = self._validated(host, port, kwargs)
        if document_class is not None:
            options["document_class"] = document_class
        if tz_aware is not None:
            options["tz_aware"] = tz_aware
        if type_registry is not None:
            options["type_registry"] = type_registry
        self._init_arguments = {"host": host, "port": port, "layout": layout}
        super().__init__(
            _codec_options(options), _read_preference(options), _write_concern(options), _read_concern(options)
        )
        #: Commands whose cursor was dropped before its end; the next one closes them.
        self._abandoned: deque[Source] = deque()
        self._default = options.get("default_database")
        self._timeouts: dict[str, Any] = {
            f"{name}_ms": float(options[key]) * 1000
            for name, key in (
                ("server_selection_timeout", "serverselectiontimeoutms"),
                ("connect_timeout", "connecttimeoutms"),
                ("socket_timeout", "sockettimeoutms"),
            )
            if options.get(key) is not None
        }
        catalogue = Catalogue(layout, specs)
        self.deployment: Deployment = self._deploy(host, clickhouse, redis, catalogue)

    @staticmethod
    def _validated(host: Any, port: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The options of a ``mongodb://`` URL and of keywords, as pymongo validates them."""
        options: dict[str, Any] = {}
        hosts = [host] if isinstance(host, str) else list(host or ())
        for each in hosts:
            if not isinstance(each, str):
                raise TypeError(f"host must be an instance of str, not {type(each)}")
            if each.startswith(("mongodb://", "mongodb+srv://")):
                parsed = parse_uri(each, warn=False) if each.startswith("mongodb://") else {}
                options.update({name.lower(): value for name, value in (parsed.get("options") or {}).items()})
                if parsed.get("database"):
                    options["default_database"] = parsed["database"]
        if port is not None and not isinstance(port, int):
            raise TypeError(f"port must be an instance of int, not {type(port)}")
        for name, value in kwargs.items():
            option = CLIENT_OPTIONS.get(name)
            if option is not None and option.handling is Handling.REFUSED and value is not None:
                raise ConfigurationError(f"{name} is refused by kato_compat: {option.reason}")
            if name.lower() == "compressors":
                # There is no wire to compress, and pymongo would warn of libraries that are not there.
                continue
            # pymongo 3 took ``wtimeout``, and configuration of that time still says so.
            key, checked = common.validate("wtimeoutms" if name == "wtimeout" else name, value)
            options[key.lower()] = checked
        return options

    def _deploy(self, host: Any, clickhouse: str | None, redis: str | None, catalogue: Catalogue) -> Deployment:
        if (clickhouse is None) != (redis is None):
            raise ConfigurationError("give both clickhouse= and redis=: documents live in both")
        if clickhouse is not None and redis is not None:
            return self._served(clickhouse, redis, catalogue)
        if isinstance(host, str) and host.startswith("memory:"):
            return MemoryDeployment(catalogue)
        if isinstance(host, str) and host.startswith("embedded:"):
            path = unquote(urlsplit(host).path)
            if not path:
                raise ConfigurationError("write the folder of embedded engines as embedded:///path")
            return self._embedded(Path(path), catalogue)
        clickhouse, redis = os.environ.get(_CLICKHOUSE), os.environ.get(_REDIS)
        if (clickhouse is None) != (redis is None):
            raise ConfigurationError(f"set both {_CLICKHOUSE} and {_REDIS}: documents live in both")
        if clickhouse is not None and redis is not None:
            return self._served(clickhouse, redis, catalogue)
        if host is not None:
            raise ConfigurationError(
                "kato_compat stores documents in ClickHouse and Redis, and no stores are configured: pass "
                'MongoClient(clickhouse="http://user:password@host:8123/database", redis="redis://host:6379/0"), set '
                f'{_CLICKHOUSE} and {_REDIS}, or use MongoClient() or "embedded:///path" for embedded engines'
            )
        return self._embedded(None, catalogue)

    def _served(self, clickhouse: str, redis: str, catalogue: Catalogue) -> Deployment:
        from kato_compat.stores.clickhouse import ClickHouseStore
        from kato_compat.stores.redis import RedisStore

        database = unquote(urlsplit(clickhouse).path.strip("/")) or DATABASE
        # The database may not exist yet: it is named in every statement and must not be the connection's.
        server = urlsplit(clickhouse)._replace(path="").geturl()
        return EngineDeployment(
            RedisStore(redis, **self._timeouts), ClickHouseStore(server, **self._timeouts), catalogue, database
        )

    def _embedded(self, path: Path | None, catalogue: Catalogue) -> Deployment:
        from kato_compat.stores.embedded import Embedded

        timeout = self._timeouts.get("socket_timeout_ms")
        embedded = Embedded.open(path) if timeout is None else Embedded.open(path, socket_timeout_ms=timeout)
        return EngineDeployment(embedded.redis, embedded.clickhouse, catalogue, DATABASE, embedded)

    # databases

    def __getattr__(self, name: str) -> Database:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} database, use client[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> Database:
        return Database(self, name)

    def get_database(
        self,
        name: str | None = None,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> Database:
        """The database `name`, or the one that the URL names."""
        if name is None:
            if self._default is None:
                raise ConfigurationError("No default database defined")
            name = self._default
        return Database(self, name, codec_options, read_preference, write_concern, read_concern)

    def get_default_database(
        self,
        default: str | None = None,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: Any = None,
        write_concern: Any = None,
        read_concern: Any = None,
    ) -> Database:
        """The database that the URL names, or `default`."""
        name = self._default or default
        if name is None:
            raise ConfigurationError("No default database name defined or provided.")
        return self.get_database(name, codec_options, read_preference, write_concern, read_concern)

    def list_database_names(self, session: Any = None, comment: Any = None) -> list[str]:
        """The names of the databases that hold a collection."""
        check_session(session)
        return self.deployment.run(self.deployment.databases())

    def list_databases(self, session: Any = None, comment: Any = None, **kwargs: Any) -> CommandCursor:
        """A cursor over ``{name, sizeOnDisk, empty}`` of the databases."""
        take("listDatabases", kwargs)
        names = self.list_database_names(session)
        found = [{"name": name, "sizeOnDisk": self._size(name), "empty": False} for name in names]
        return CommandCursor(self["admin"]["$cmd"], found)

    def _size(self, database: str) -> int:
        deployment = self.deployment
        names = deployment.run(deployment.names(database))
        return sum(deployment.run(deployment.storage(*name).size()) for name in names)

    def drop_database(self, name_or_database: Any, session: Any = None, comment: Any = None) -> None:
        """Drop a database with all its collections, and never a key of anything else."""
        check_session(session)
        name = name_or_database.name if isinstance(name_or_database, Database) else name_or_database
        if not isinstance(name, str):
            raise TypeError(f"name_or_database must be an instance of str or a Database, not {type(name)}")
        self.deployment.run(self.deployment.drop_database(name))

    def _rename(self, database: str, source: str, target: str, replace: bool) -> None:
        self.deployment.run(self._renaming(database, source, target, replace))

    def _renaming(self, database: str, source: str, target: str, replace: bool) -> Flow[None]:
        old, new = self.deployment.storage(database, source), self.deployment.storage(database, target)
        if source == target:
            raise fail(20, "Can't rename a collection to itself")
        if not (yield from old.exists()):
            raise fail(26, f"Source collection {database}.{source} does not exist")
        taken = yield from new.take(old, replace)
        if taken:
            return
        if taken is False or ((yield from new.exists()) and not replace):
            raise fail(48, "target namespace exists")
        # A mapped collection cannot change its name in one step: its keys and rows are named by it.
        yield from new.drop()
        try:
            yield from _copy(old, new)
        except OperationFailure:
            # What was to be renamed stays as it is; half a copy of it must not.
            yield from new.drop()
            raise
        yield from old.drop()

    # the server

    def _ping(self) -> None:
        if isinstance(self.deployment, EngineDeployment):
            self.deployment.run(_both())
        elif self.deployment.closed:
            raise InvalidOperation("Cannot use MongoClient after close")

    def server_info(self, session: Any = None) -> Document:
        """What ``buildInfo`` answers, after both stores have answered."""
        check_session(session)
        self._ping()
        return build_info()

    def append_metadata(self, driver_info: Any) -> None:
        """Checked and ignored: there is no MongoDB server that would log it."""
        if not isinstance(driver_info, DriverInfo):
            raise TypeError(f"driver_info must be an instance of DriverInfo, not {type(driver_info)}")

    def bulk_write(
        self,
        models: Sequence[Any],
        session: Any = None,
        ordered: bool = True,
        verbose_results: bool = False,
        bypass_document_validation: bool | None = None,
        comment: Any = None,
        let: Any = None,
        write_concern: Any = None,
    ) -> Any:
        """Refused: use `Collection.bulk_write`."""
        raise refuse("MongoClient.bulk_write")

    def start_session(
        self,
        causal_consistency: bool | None = None,
        default_transaction_options: Any = None,
        snapshot: bool | None = False,
    ) -> Any:
        """Refused: there are no sessions or transactions."""
        raise refuse("start_session")

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and port that a mongodb URL would have named; None: see `deployment.describe`."""
        return None

    @property
    def primary(self) -> tuple[str, int] | None:
        """None: there is no replica set."""
        return None

    @property
    def secondaries(self) -> set[tuple[str, int]]:
        """Empty: there is no replica set."""
        return set()

    @property
    def arbiters(self) -> set[tuple[str, int]]:
        """Empty: there is no replica set."""
        return set()

    @property
    def is_mongos(self) -> bool:
        """False: nothing is sharded."""
        return False

    @property
    def nodes(self) -> frozenset[tuple[str, int]]:
        """Empty: there are no MongoDB nodes."""
        return frozenset()

    @property
    def is_primary(self) -> bool:
        """True: writes are taken."""
        return True

    @property
    def topology_description(self) -> str:
        """The addresses of the stores."""
        return self.deployment.describe()

    def flush(self) -> int:
        """Move the pending rows of the databases in use to ClickHouse (ours); how many were moved."""
        return self.deployment.run(self.deployment.flush())

    def close(self) -> None:
        """Move pending rows and give back the connections; embedded engines stop with their last client."""
        self.deployment.close()

    def __enter__(self) -> "MongoClient":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, MongoClient):
            return self.deployment is other.deployment
        return NotImplemented

    def __hash__(self) -> int:
        return hash(id(self.deployment))

    def __repr__(self) -> str:
        return f"MongoClient({self.deployment.describe()!r})"

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> NoReturn:
        raise TypeError("'MongoClient' object is not iterable")

    def __next__(self) -> NoReturn:
        raise TypeError("'MongoClient' object is not iterable")

    next = __next__

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a MongoClient: connections are of one process; make a client in each")


def _copy(source: Storage, target: Storage) -> Flow[None]:
    """Put the documents and indexes of `source` into `target`, which is empty. Raises the first error of either."""
    yield from target.create()
    for index in (yield from source.indexes()):
        if index != ID_INDEX:
            yield from target.create_index(index)
    reader = find_batches(source)
    while (batch := (yield from reader.fetch())) is not None:
        for outcome in (yield from insert(target, batch)):
            if isinstance(outcome, OperationFailure):
                raise outcome


def _both() -> Flow[None]:
    yield Pipeline((("PING",),))
    yield Select("SELECT 1")


def _codec_options(options: Mapping[str, Any]) -> CodecOptions[Any]:
    given: dict[str, Any] = {}
    for name, key in (
        ("document_class", "document_class"),
        ("tz_aware", "tz_aware"),
        ("uuid_representation", "uuidrepresentation"),
        ("unicode_decode_error_handler", "unicode_decode_error_handler"),
        ("tzinfo", "tzinfo"),
        ("type_registry", "type_registry"),
        ("datetime_conversion", "datetime_conversion"),
    ):
        if options.get(key) is not None:
            given[name] = options[key]
    return CodecOptions(**given)


def _read_preference(options: Mapping[str, Any]) -> Any:
    given = options.get("read_preference", options.get("readpreference"))
    if given is None:
        return ReadPreference.PRIMARY
    if isinstance(given, int | str):
        mode = read_pref_mode_from_name(given) if isinstance(given, str) else given
        return make_read_preference(mode, options.get("readpreferencetags"), options.get("maxstalenessseconds", -1))
    return given


def _read_concern(options: Mapping[str, Any]) -> ReadConcern:
    return ReadConcern(options.get("readconcernlevel"))


def _write_concern(options: Mapping[str, Any]) -> WriteConcern:
    return WriteConcern(
        options.get("w"),
        options.get("wtimeoutms", options.get("wtimeout")),
        options.get("journal"),
        options.get("fsync"),
    )
