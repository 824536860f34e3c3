"""The one place where errors of client libraries and engines become pymongo's errors.

A foreign error is looked up by the full name of its class (then of its bases), so that no client library has to be
imported to map its errors. The `Fate` found says what happened; `translate` says it in pymongo's terms, names the
store, keeps the original as ``__cause__`` (the caller raises ``from``) and removes the store's password.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from kato_compat.errors import code_name, fail


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is: `label` for messages (``Redis at 127.0.0.1:6379``), `secrets` that no message may hold."""

    label: str
    secrets: tuple[str, ...] = ()

    def scrub(self, text: str) -> str:
        """`text` with every secret replaced by ``***``."""
        for secret in self.secrets:
            if secret:
                text = text.replace(secret, "***")
        return text


class Fate(Enum):
    """What a foreign error says has happened."""

    UNREACHABLE = auto()  # nothing was sent: refused, unknown host, no route, TLS refused
    LOST = auto()  # the connection broke; what was sent may have been executed
    TIMEOUT = auto()  # no answer in time; what was sent may have been executed
    UNAUTHENTICATED = auto()
    REDIS_REPLY = auto()  # an error reply; its first word decides
    CLICKHOUSE = auto()  # an exception of the engine; its numeric code decides
    CAUSE = auto()  # a wrapper of the client library; its cause decides
    CLUSTER = auto()  # a cluster answered a client that talks to one server
    UNUSABLE = auto()  # the client was used in a way it does not allow: a defect of this library
    INTERFACE = auto()  # the reply could not be understood
    CONFIGURATION = auto()  # the client cannot work with what it was given


#: Every foreign class that a store can meet, by full name. A test enumerates the libraries' classes.
FATES: Final[dict[str, Fate]] = {
    # redis-py
    "redis.exceptions.RedisError": Fate.INTERFACE,
    "redis.exceptions.ConnectionError": Fate.LOST,
    "redis.exceptions.TimeoutError": Fate.TIMEOUT,
    "redis.exceptions.AuthenticationError": Fate.UNAUTHENTICATED,
    "redis.exceptions.AuthorizationError": Fate.UNAUTHENTICATED,
    "redis.exceptions.ExternalAuthProviderError": Fate.UNAUTHENTICATED,
    "redis.exceptions.AuthenticationWrongNumberOfArgsError": Fate.UNAUTHENTICATED,
    "redis.exceptions.BusyLoadingError": Fate.REDIS_REPLY,
    "redis.exceptions.InvalidResponse": Fate.INTERFACE,
    "redis.exceptions.ResponseError": Fate.REDIS_REPLY,
    "redis.exceptions.DataError": Fate.UNUSABLE,
    "redis.exceptions.PubSubError": Fate.UNUSABLE,
    "redis.exceptions.WatchError": Fate.UNUSABLE,
    "redis.exceptions.NoScriptError": Fate.REDIS_REPLY,
    "redis.exceptions.OutOfMemoryError": Fate.REDIS_REPLY,
    "redis.exceptions.ExecAbortError": Fate.REDIS_REPLY,
    "redis.exceptions.ReadOnlyError": Fate.REDIS_REPLY,
    "redis.exceptions.NoPermissionError": Fate.REDIS_REPLY,
    "redis.exceptions.ModuleError": Fate.REDIS_REPLY,
    "redis.exceptions.NoSuchFieldsetError": Fate.REDIS_REPLY,
    "redis.exceptions.LockError": Fate.UNUSABLE,
    "redis.exceptions.LockNotOwnedError": Fate.UNUSABLE,
    "redis.exceptions.ChildDeadlockedError": Fate.UNUSABLE,
    "redis.exceptions.MaxConnectionsError": Fate.UNREACHABLE,
    "redis.exceptions.RedisClusterException": Fate.CLUSTER,
    "redis.exceptions.ClusterError": Fate.CLUSTER,
    "redis.exceptions.ClusterDownError": Fate.REDIS_REPLY,
    "redis.exceptions.AskError": Fate.CLUSTER,
    "redis.exceptions.MovedError": Fate.CLUSTER,
    "redis.exceptions.TryAgainError": Fate.REDIS_REPLY,
    "redis.exceptions.ClusterCrossSlotError": Fate.CLUSTER,
    "redis.exceptions.CrossSlotTransactionError": Fate.CLUSTER,
    "redis.exceptions.SlotNotCoveredError": Fate.CLUSTER,
    "redis.exceptions.MasterDownError": Fate.REDIS_REPLY,
    "redis.exceptions.InvalidPipelineStack": Fate.UNUSABLE,
    "redis.exceptions.IncorrectPolicyType": Fate.UNUSABLE,
    # hiredis
    "hiredis.HiredisError": Fate.INTERFACE,
    "hiredis.ProtocolError": Fate.INTERFACE,
    "hiredis.ReplyError": Fate.REDIS_REPLY,
    # clickhouse-connect
    "clickhouse_connect.driver.exceptions.ClickHouseError": Fate.CLICKHOUSE,
    "clickhouse_connect.driver.exceptions.Warning": Fate.CLICKHOUSE,
    "clickhouse_connect.driver.exceptions.Error": Fate.CLICKHOUSE,
    "clickhouse_connect.driver.exceptions.InterfaceError": Fate.UNUSABLE,
    "clickhouse_connect.driver.exceptions.DatabaseError": Fate.CLICKHOUSE,
    "clickhouse_connect.driver.exceptions.DataError": Fate.UNUSABLE,
    "clickhouse_connect.driver.exceptions.OperationalError": Fate.CAUSE,
    "clickhouse_connect.driver.exceptions.IntegrityError": Fate.CLICKHOUSE,
    "clickhouse_connect.driver.exceptions.InternalError": Fate.CLICKHOUSE,
    "clickhouse_connect.driver.exceptions.ProgrammingError": Fate.CONFIGURATION,
    "clickhouse_connect.driver.exceptions.NotSupportedError": Fate.CONFIGURATION,
    "clickhouse_connect.driver.exceptions.StreamClosedError": Fate.UNUSABLE,
    "clickhouse_connect.driver.exceptions.StreamCompleteException": Fate.INTERFACE,
    "clickhouse_connect.driver.exceptions.StreamFailureError": Fate.CAUSE,
    # chDB, whose errors are told apart by the engine's code in their message
    "chdb.ChdbError": Fate.CLICKHOUSE,
    "chdb._exceptions.ChdbError": Fate.CLICKHOUSE,
    "builtins.RuntimeError": Fate.CLICKHOUSE,
    # urllib3
    "urllib3.exceptions.HTTPError": Fate.LOST,
    "urllib3.exceptions.MaxRetryError": Fate.CAUSE,
    "urllib3.exceptions.NewConnectionError": Fate.UNREACHABLE,
    "urllib3.exceptions.NameResolutionError": Fate.UNREACHABLE,
    "urllib3.exceptions.ConnectTimeoutError": Fate.UNREACHABLE,
    "urllib3.exceptions.SSLError": Fate.UNREACHABLE,
    "urllib3.exceptions.ProxyError": Fate.UNREACHABLE,
    "urllib3.exceptions.LocationValueError": Fate.CONFIGURATION,
    "urllib3.exceptions.ReadTimeoutError": Fate.TIMEOUT,
    "urllib3.exceptions.ProtocolError": Fate.LOST,
    # Python
    "builtins.ConnectionRefusedError": Fate.UNREACHABLE,
    "builtins.FileNotFoundError": Fate.UNREACHABLE,  # a Unix socket that is not there
    "builtins.PermissionError": Fate.UNREACHABLE,
    "socket.gaierror": Fate.UNREACHABLE,
    "ssl.SSLCertVerificationError": Fate.UNREACHABLE,
    "ssl.SSLError": Fate.LOST,
    "builtins.TimeoutError": Fate.TIMEOUT,
    "builtins.OSError": Fate.LOST,
}

#: First words of Redis error replies (Redis documentation: RESP errors; `src/server.c` names the shared ones).
_REPLY_CODES: Final[dict[str, int]] = {
    "WRONGTYPE": 14,
    "NOAUTH": 18,
    "WRONGPASS": 18,
    "NOPERM": 13,
    "OOM": 146,
    "NOREPLICAS": 64,
    "DENIED": 13,
}
_REPLY_RETRYABLE: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED"})
_REPLY_CLUSTER: Final = frozenset({"MOVED", "ASK", "CROSSSLOT"})

#: ClickHouse's codes (`src/Common/ErrorCodes.cpp`) with a counterpart among the server's; all others are code 8.
_CLICKHOUSE_CODES: Final[dict[int, int]] = {
    60: 26,  # UNKNOWN_TABLE
    81: 26,  # UNKNOWN_DATABASE
    159: 50,  # TIMEOUT_EXCEEDED
    160: 50,  # TOO_SLOW
    164: 13,  # READONLY
    192: 18,  # UNKNOWN_USER
    193: 18,  # WRONG_PASSWORD
    194: 18,  # REQUIRED_PASSWORD
    195: 13,  # IP_ADDRESS_NOT_ALLOWED
    241: 146,  # MEMORY_LIMIT_EXCEEDED
    497: 13,  # ACCESS_DENIED
    516: 18,  # AUTHENTICATION_FAILED
}
_CLICKHOUSE_RETRYABLE: Final = frozenset({202, 209, 210, 236, 279, 319, 425, 999})
_CLICKHOUSE_READONLY: Final = frozenset({242})

_CODE = re.compile(r"\bCode:\s*(\d+)")


class StoreError(Exception):
    """Raised inside `kato_compat.stores` for what a store finds wrong in a reply; never leaves it."""


FATES["kato_compat.stores.errors.StoreError"] = Fate.INTERFACE


def fate_of(error: BaseException) -> Fate | None:
    """What `error` says has happened; None for a class that no store should meet."""
    if isinstance(error, RuntimeError) and _CODE.search(str(error)) is None:
        return None  # chDB raises plain RuntimeErrors, and so does Python
    for cls in type(error).__mro__:
        fate = FATES.get(f"{cls.__module__}.{cls.__qualname__}")
        if fate is not None:
            return fate
    return None


def translate(
    error: Exception, address: Address, *, connecting: bool = False, doing: str | None = None
) -> PyMongoError:
    """The pymongo error for `error` of the store at `address`; the caller raises it ``from error``.

    `connecting`: nothing of the operation has been sent yet, so a lost connection or a timeout means that no server
    could be selected. `doing` says which command failed, without values that are not keys.

    Raises `error` itself where it is not an error of a store (a defect must not look like a broken server).
    """
    if isinstance(error, PyMongoError):
        return error
    decisive, fate = _decisive(error)
    if fate is None:
        raise error
    where = address.label if doing is None else f"{address.label}: {doing}"
    text = address.scrub(f"{where}: {str(decisive) or type(decisive).__name__}")
    if fate is Fate.UNREACHABLE or (connecting and fate in (Fate.LOST, Fate.TIMEOUT)):
        return ServerSelectionTimeoutError(f"{text} (is the server running and the address right?)")
    if fate is Fate.LOST:
        return AutoReconnect(f"{text} (the operation may or may not have been applied)")
    if fate is Fate.TIMEOUT:
        return NetworkTimeout(f"{text} (the operation may or may not have been applied)")
    if fate is Fate.UNAUTHENTICATED:
        return fail(18, text)
    if fate is Fate.REDIS_REPLY:
        return _redis_reply(str(decisive), text)
    if fate is Fate.CLICKHOUSE:
        return _clickhouse(decisive, text)
    if fate is Fate.CLUSTER:
        return ConfigurationError(f"{text} (this server is part of a cluster; configure it as one)")
    if fate is Fate.CONFIGURATION:
        return ConfigurationError(text)
    if fate is Fate.UNUSABLE:
        return InvalidOperation(text)
    return fail(17, text)


def _decisive(error: BaseException) -> tuple[BaseException, Fate | None]:
    """The error in the chain of causes that says what happened, and its fate.

    An engine's code on a wrapper decides at once: the server has answered.
    """
    last: tuple[BaseException, Fate | None] = (error, fate_of(error))
    for cause in _causes(error):
        fate = fate_of(cause)
        if _clickhouse_code(cause) is not None:
            return cause, Fate.CLICKHOUSE
        if fate is None:
            continue
        last = (cause, fate)
        if fate is not Fate.CAUSE:
            return last
    found, fate = last
    return found, Fate.LOST if fate is Fate.CAUSE else fate


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        reason = getattr(current, "reason", None)  # urllib3 keeps the cause of MaxRetryError here
        following = reason if isinstance(reason, BaseException) else current.__cause__ or current.__context__
        current = following


def _redis_reply(reply: str, text: str) -> PyMongoError:
    word = reply.split(" ", 1)[0].rstrip(":")
    if word in _REPLY_RETRYABLE or reply.startswith(("Redis is loading", "Valkey is loading")):
        return AutoReconnect(f"{text} (the server refuses commands for now; nothing was applied)")
    if word == "READONLY":
        details = {"ok": 0.0, "errmsg": text, "code": 10107, "codeName": "NotWritablePrimary"}
        return NotPrimaryError(f"{text} (this server is a replica)", details)
    if word in _REPLY_CLUSTER:
        return ConfigurationError(f"{text} (this server is part of a cluster; configure it as one)")
    return fail(_REPLY_CODES.get(word, 8), text, redisError=word)


def _clickhouse_code(error: BaseException) -> int | None:
    """The engine's code of an error of clickhouse-connect or chDB; None where the server has not answered."""
    if not type(error).__module__.startswith(("clickhouse_connect", "chdb", "builtins")):
        return None
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    match = _CODE.search(str(error)) if fate_of(error) in (Fate.CLICKHOUSE, Fate.CONFIGURATION) else None
    return int(match[1]) if match else None


def _clickhouse(error: BaseException, text: str) -> PyMongoError:
    code = _clickhouse_code(error)
    if code is None:
        return fail(17, text)
    if "EmbeddedServer" in text:
        return ConfigurationError(f"{text} (chDB opens one data folder per process and one process per data folder)")
    if code in _CLICKHOUSE_RETRYABLE:
        return AutoReconnect(text)
    if code in _CLICKHOUSE_READONLY:
        details = {"ok": 0.0, "errmsg": text, "code": 10107, "codeName": "NotWritablePrimary"}
        return NotPrimaryError(text, details)
    ours = _CLICKHOUSE_CODES.get(code, 8)
    if ours == 50:
        reply = {"ok": 0.0, "errmsg": text, "code": 50, "codeName": code_name(50), "clickhouseCode": code}
        return ExecutionTimeout(text, 50, reply)
    return fail(ours, text, clickhouseCode=code)
