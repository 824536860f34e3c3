"""The Redis store against a real Valkey."""

import hashlib
import threading
from collections.abc import Callable

import pytest
from pymongo.errors import ConfigurationError, InvalidOperation, OperationFailure
from valkeyserver import ValkeyServer

from kato_compat.ir.requests import Call, Script
from kato_compat.stores.redis import RedisStore

ADD = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
FAIL = Script("fail", "return {1, redis.error_reply('ODD nested')}")


def test_replies_are_raw_and_in_order(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    key = fresh_name()
    replies = redis_store.pipeline(
        (
            ("SET", key, b"\xff\x00\r\n"),
            ("GET", key),
            ("GET", key + "?"),
            ("HSET", key + "h", "a", 1.5),
            ("HGETALL", key + "h"),
        )
    )
    assert replies == [b"OK", b"\xff\x00\r\n", None, 1, [b"a", b"1.5"]]


def test_an_empty_pipeline_is_no_round_trip() -> None:
    assert RedisStore("redis://127.0.0.1:1").pipeline(()) == []


def test_text_numbers_and_bytes_as_arguments(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    key = fresh_name() + " é😀'\"\\{}%\n"
    big = 2**63 - 1
    assert redis_store.pipeline((("SET", key, big), ("INCRBY", key, -1), ("GET", key.encode()))) == [
        b"OK",
        big - 1,
        str(big - 1).encode(),
    ]


def test_a_large_pipeline_and_large_replies(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    key = fresh_name()
    value = b"v" * 300_000
    commands = tuple(("SET", f"{key}{number}", value) for number in range(100))
    assert redis_store.pipeline(commands) == [b"OK"] * 100
    keys = [f"{key}{number}" for number in range(100)]
    assert redis_store.pipeline((("MGET", *keys), ("DEL", *keys))) == [[value] * 100, 100]


def test_script_is_loaded_with_its_first_call(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    key = fresh_name()
    assert redis_store.pipeline((("SET", key, 1), Call(ADD, (key,), (5,)), ("GET", key))) == [b"OK", 6, b"6"]
    assert redis_store.pipeline((Call(ADD, (key,), (b"5",)), Call(ADD, (key,), (1,)))) == [11, 12]


def test_forgotten_script_runs_exactly_once(valkey: ValkeyServer, fresh_name: Callable[[], str]) -> None:
    key = fresh_name()
    store = RedisStore(valkey.url)
    assert store.pipeline((Call(ADD, (key,), (1,)),)) == [1]
    sha = hashlib.sha1(ADD.source.encode()).hexdigest()
    assert store.pipeline((("SCRIPT", "FLUSH"), ("SCRIPT", "EXISTS", sha))) == [b"OK", [0]]
    assert store.pipeline((Call(ADD, (key,), (1,)), ("INCR", key + "x"), Call(ADD, (key,), (1,)))) == [2, 1, 3]
    assert store.pipeline((("GET", key),)) == [b"3"]
    store.close()


def test_a_script_that_does_not_compile(redis_store: RedisStore) -> None:
    with pytest.raises(OperationFailure) as raised:
        redis_store.pipeline((Call(Script("broken", "return ("), ()),))
    assert raised.value.code == 8
    assert redis_store.pipeline((("ECHO", "still in step"),)) == [b"still in step"]


def test_wrong_type_names_the_command_and_its_key(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    key = fresh_name()
    redis_store.pipeline((("SADD", key, "member"),))
    with pytest.raises(OperationFailure) as raised:
        redis_store.pipeline((("INCR", key + "n"), ("GET", key), ("INCR", key + "n")))
    assert raised.value.code == 14
    assert raised.value.details is not None
    assert raised.value.details["codeName"] == "TypeMismatch"
    assert raised.value.details["redisError"] == "WRONGTYPE"
    assert f"GET '{key}'" in str(raised.value)
    assert type(raised.value.__cause__).__module__ == "redis.exceptions"
    # Commands are no transaction: those around the failed one have run, and the connection is in step.
    assert redis_store.pipeline((("GET", key + "n"),)) == [b"2"]


def test_errors_inside_a_reply_are_raised(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    with pytest.raises(OperationFailure, match="ODD nested"):
        redis_store.pipeline((Call(FAIL, ()),))
    key = fresh_name()
    with pytest.raises(OperationFailure) as raised:
        redis_store.pipeline((("SET", key, "x"), ("MULTI",), ("INCR", key), ("EXEC",)))
    assert raised.value.code == 8


def test_threads_do_not_mix_replies(redis_store: RedisStore, fresh_name: Callable[[], str]) -> None:
    base = fresh_name()
    wrong: list[object] = []

    def work(number: int) -> None:
        key = f"{base}{number}"
        for step in range(1, 201):
            replies = redis_store.pipeline((("INCR", key), ("ECHO", key)))
            if replies != [step, key.encode()]:
                wrong.append((key, step, replies))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closed_store_refuses(valkey: ValkeyServer) -> None:
    store = RedisStore(valkey.url)
    store.ping()
    store.close()
    with pytest.raises(InvalidOperation, match="after close"):
        store.ping()


def test_database_of_the_url_is_used(valkey: ValkeyServer, fresh_name: Callable[[], str]) -> None:
    key = fresh_name()
    zero, one = RedisStore(valkey.url), RedisStore(valkey.url.replace("/0", "/1"))
    assert one.pipeline((("SET", key, 1),)) == [b"OK"]
    assert (zero.pipeline((("GET", key),)), one.pipeline((("GET", key),))) == ([None], [b"1"])
    unix = RedisStore(f"unix://{valkey.socket}?db=1&protocol=3&decode_responses=True")
    assert unix.pipeline((("GET", key),)) == [b"1"]
    for store in (zero, one, unix):
        store.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://:pa%20ss@host.example:7000/3", "Redis at host.example:7000"),
        ("rediss://user:secret@host.example", "Redis at host.example:6379"),
        ("redis://", "Redis at localhost:6379"),
        ("unix:///tmp/a%20b.sock?password=secret", "Redis at /tmp/a b.sock"),
    ],
)
def test_address_has_no_credentials(url: str, address: str) -> None:
    assert RedisStore(url).address == address


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "", "redis://host:port"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        RedisStore(url)
    with pytest.raises(ConfigurationError):
        RedisStore(url, unix_socket="/tmp/s")


def test_neither_url_nor_socket() -> None:
    with pytest.raises(ConfigurationError):
        RedisStore()
