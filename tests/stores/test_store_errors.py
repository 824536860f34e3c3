"""Every class of error that a client library defines is mapped on purpose."""

import importlib
import inspect
from types import ModuleType

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from kato_compat.stores.errors import FATES, Address, Fate, translate

REDIS = Address("Redis at host:6379", ("s3cret",))
CLICKHOUSE = Address("ClickHouse at host:8123")


def classes(name: str) -> list[type[BaseException]]:
    """The exception classes that the module `name` defines itself."""
    module: ModuleType = importlib.import_module(name)
    found = [item for _, item in inspect.getmembers(module, inspect.isclass) if issubclass(item, BaseException)]
    return [item for item in found if item.__module__ == name]


@pytest.mark.parametrize("module", ["redis.exceptions", "clickhouse_connect.driver.exceptions"])
def test_every_class_of_the_clients_is_in_the_table(module: str) -> None:
    found = {f"{item.__module__}.{item.__qualname__}" for item in classes(module)}
    assert len(found) > 10
    assert found - FATES.keys() == set()


def test_the_table_names_only_classes_that_exist() -> None:
    known = {"chdb._exceptions.ChdbError"}  # where chdb-core is installed without chdb
    for name in FATES.keys() - known:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), BaseException), name


def test_urllib3_errors_of_the_transport_are_lost_connections() -> None:
    from urllib3 import exceptions

    for item in classes("urllib3.exceptions"):
        if issubclass(item, exceptions.HTTPError) and not issubclass(item, Warning):
            names = [f"{base.__module__}.{base.__qualname__}" for base in item.__mro__]
            assert any(name in FATES for name in names), item


def redis_error(name: str, *arguments: object) -> Exception:
    import redis.exceptions

    error = getattr(redis.exceptions, name)(*arguments)
    assert isinstance(error, Exception)
    return error


def clickhouse_error(name: str, text: str, code: int | None = None, cause: Exception | None = None) -> Exception:
    import clickhouse_connect.driver.exceptions

    error: Exception = getattr(clickhouse_connect.driver.exceptions, name)(text, code=code)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        ("WRONGTYPE Operation against a key holding the wrong kind of value", OperationFailure, 14),
        ("NOAUTH Authentication required.", OperationFailure, 18),
        ("WRONGPASS invalid username-password pair or user is disabled.", OperationFailure, 18),
        ("NOPERM User x has no permissions to run the 'get' command", OperationFailure, 13),
        ("OOM command not allowed when used memory > 'maxmemory'.", OperationFailure, 146),
        ("NOREPLICAS Not enough good replicas to write.", OperationFailure, 64),
        ("ERR value is not an integer or out of range", OperationFailure, 8),
        ("MISCONF Errors writing to the AOF file", OperationFailure, 8),
        ("READONLY You can't write against a read only replica.", NotPrimaryError, None),
        ("LOADING Redis is loading the dataset in memory", AutoReconnect, None),
        ("BUSY Redis is busy running a script.", AutoReconnect, None),
        ("MASTERDOWN Link with MASTER is down", AutoReconnect, None),
        ("CLUSTERDOWN Hash slot not served", AutoReconnect, None),
        ("TRYAGAIN Multiple keys request during rehashing of slot", AutoReconnect, None),
        ("MOVED 3999 127.0.0.1:6381", ConfigurationError, None),
        ("CROSSSLOT Keys in request don't hash to the same slot", ConfigurationError, None),
    ],
)
def test_error_replies_of_redis(reply: str, kind: type[PyMongoError], code: int | None) -> None:
    error = translate(redis_error("ResponseError", reply), REDIS)
    assert type(error) is kind
    assert getattr(error, "code", None) == code
    assert "Redis at host:6379" in str(error)
    assert reply in str(error)
    if isinstance(error, OperationFailure):
        assert error.details is not None
        assert error.details["code"] == code
        assert error.details["errmsg"].startswith("Redis at host:6379")
        assert error.details["redisError"] == reply.split()[0]


@pytest.mark.parametrize(
    ("code", "kind", "ours"),
    [
        (516, OperationFailure, 18),
        (192, OperationFailure, 18),
        (193, OperationFailure, 18),
        (194, OperationFailure, 18),
        (497, OperationFailure, 13),
        (164, OperationFailure, 13),
        (60, OperationFailure, 26),
        (81, OperationFailure, 26),
        (62, OperationFailure, 8),
        (241, OperationFailure, 146),
        (159, ExecutionTimeout, 50),
        (202, AutoReconnect, None),
        (242, NotPrimaryError, None),
    ],
)
@pytest.mark.parametrize("name", ["DatabaseError", "OperationalError", "StreamFailureError", "RuntimeError"])
def test_exceptions_of_clickhouse(code: int, kind: type[PyMongoError], ours: int | None, name: str) -> None:
    text = f"Code: {code}. DB::Exception: something (NAME)"
    error = RuntimeError(text) if name == "RuntimeError" else clickhouse_error(name, text, code)
    found = translate(error, CLICKHOUSE)
    assert type(found) is kind
    assert getattr(found, "code", None) == ours
    assert text in str(found)
    if isinstance(found, OperationFailure):
        assert found.details is not None
        assert found.details["clickhouseCode"] == code


def test_the_phase_decides_what_a_broken_connection_means() -> None:
    for error in (redis_error("ConnectionError", "x"), ConnectionResetError("x"), BrokenPipeError("x")):
        assert type(translate(error, REDIS, connecting=True)) is ServerSelectionTimeoutError
        assert type(translate(error, REDIS)) is AutoReconnect
    for error in (redis_error("TimeoutError", "x"), TimeoutError("x")):
        assert type(translate(error, REDIS, connecting=True)) is ServerSelectionTimeoutError
        assert type(translate(error, REDIS)) is NetworkTimeout
    assert type(translate(redis_error("AuthenticationError", "x"), REDIS, connecting=True)) is OperationFailure


def test_the_cause_of_a_transport_error_decides() -> None:
    from urllib3 import exceptions

    pool, address = object(), "http://host"
    refused = exceptions.MaxRetryError(pool, address, exceptions.NewConnectionError(pool, "refused"))  # type: ignore[arg-type]
    silent = exceptions.ReadTimeoutError(pool, address, "read timed out")  # type: ignore[arg-type]
    broken = exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
    for cause, kind in [
        (refused, ServerSelectionTimeoutError),
        (silent, NetworkTimeout),
        (broken, AutoReconnect),
        (None, AutoReconnect),
    ]:
        assert type(translate(clickhouse_error("OperationalError", "x", None, cause), CLICKHOUSE)) is kind


def test_secrets_are_removed() -> None:
    error = translate(redis_error("ConnectionError", "Error connecting to redis://:s3cret@host"), REDIS)
    assert "s3cret" not in str(error)
    assert "redis://:***@host" in str(error)


def test_misuse_is_no_broken_server() -> None:
    assert type(translate(redis_error("DataError", "Invalid input of type"), REDIS)) is InvalidOperation
    mine = ConfigurationError("mine")
    assert translate(mine, REDIS) is mine


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x"), RecursionError("x")])
def test_a_defect_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)):
        translate(error, REDIS)


@pytest.mark.parametrize("fate", Fate)
def test_every_fate_has_a_pymongo_error(fate: Fate, monkeypatch: pytest.MonkeyPatch) -> None:
    class ForeignError(Exception):
        pass

    monkeypatch.setitem(FATES, f"{__name__}.{ForeignError.__qualname__}", fate)
    for connecting in (False, True):
        error = translate(ForeignError("Code: 1 s3cret"), REDIS, connecting=connecting)
        assert isinstance(error, PyMongoError)
        assert "s3cret" not in str(error)
