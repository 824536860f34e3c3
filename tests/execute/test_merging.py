"""Many documents' steps put together: they do what the steps do one after the other, or nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from kato_compat.execute.merging import merged_checks, merged_commands
from kato_compat.ir.requests import Command
from kato_compat.ir.transact import Absent, Check, Prefix, transact
from kato_compat.stores.redis import RedisStore

MANY = 4100


def insertion(prefix: str, number: int) -> tuple[list[Check], list[Command]]:
    """What a document is inserted by: checks that nothing is there, and commands of every kind."""
    name = f"d{number}"
    checks = [
        Check(("GET", f"{prefix}:count:{name}"), (None,)),
        Check(("EXISTS", f"{prefix}:text:{name}"), (0,)),
        Check(("HEXISTS", f"{prefix}:rows", name), (0,)),
        Check(("HGET", f"{prefix}:hash", name), (None,)),
        Check(("HGET", f"{prefix}:meta", "state"), (b"s",)),
    ]
    commands: list[Command] = [
        ("SET", f"{prefix}:count:{name}", number),
        ("DEL", f"{prefix}:text:{name}"),
        ("DEL", f"{prefix}:floats:{name}"),
        ("HSET", f"{prefix}:floats:{name}", "x", "1.5", "y", "2.5"),
        ("HSET", f"{prefix}:rows", name, "row"),
        ("ZADD", f"{prefix}:index", number, name),
        ("SADD", f"{prefix}:catalogue", "entry"),
    ]
    return checks, commands


def removal(prefix: str, number: int) -> list[Command]:
    """What a document is removed by."""
    name = f"d{number}"
    return [
        ("DEL", f"{prefix}:count:{name}"),
        ("DEL", f"{prefix}:text:{name}", f"{prefix}:floats:{name}"),
        ("HDEL", f"{prefix}:rows", name),
        ("ZREM", f"{prefix}:index", name),
        ("ZADD", f"{prefix}:gone", 0, name),
    ]


def state(store: RedisStore, prefix: str) -> dict[bytes, Any]:
    """Everything under a prefix."""
    (keys,) = store.pipeline((("KEYS", f"{prefix}:*"),))
    found = zip(keys, store.pipeline(tuple(("DUMP", key) for key in keys)) if keys else (), strict=True)
    sized = {key: (dump if b":floats:" in key or b":count:" in key else None) for key, dump in found}
    for name in ("rows", "index", "catalogue", "gone"):
        key = f"{prefix}:{name}".encode()
        command: Command = {
            "rows": ("HGETALL", key),
            "catalogue": ("SMEMBERS", key),
        }.get(name, ("ZRANGE", key, 0, -1, "WITHSCORES"))
        sized[key] = sorted(map(repr, store.pipeline((command,))[0]))
    return {key[len(prefix) :]: value for key, value in sized.items()}


@pytest.mark.parametrize("count", [1, 7, MANY])
def test_together_as_one_after_the_other(redis_store: RedisStore, fresh_name: Callable[[], str], count: int) -> None:
    one, two = fresh_name(), fresh_name()
    for prefix in (one, two):
        redis_store.pipeline((("HSET", f"{prefix}:meta", "state", "s"),))
    for number in range(count):
        assert redis_store.pipeline((transact(*insertion(one, number)),)) == [0]
    steps = [insertion(two, number) for number in range(count)]
    checks = merged_checks(check for each, _ in steps for check in each)
    commands = merged_commands(command for _, each in steps for command in each)
    assert len(checks) < 8 + count // 1000
    assert redis_store.pipeline((transact(checks, commands),)) == [0]
    assert state(redis_store, one) == state(redis_store, two)
    # What is there is not inserted again, and nothing of the others is.
    assert redis_store.pipeline((transact(checks, commands),)) != [0]
    for number in range(0, count, 2):
        redis_store.pipeline((transact([], removal(one, number)),))
    gone = merged_commands(command for number in range(0, count, 2) for command in removal(two, number))
    assert redis_store.pipeline((transact([], gone),)) == [0]
    assert state(redis_store, one) == state(redis_store, two)


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize(
    "there",
    [
        ("SET", "{}:count:{}", 1),
        ("LPUSH", "{}:count:{}", 1),
        ("SET", "{}:text:{}", "x"),
        ("HSET", "{}:rows", "{1}", "x"),
        ("HSET", "{}:hash", "{1}", "x"),
    ],
)
def test_one_that_is_there_keeps_all_from_being_made(
    redis_store: RedisStore, fresh_name: Callable[[], str], place: int, there: tuple[Any, ...]
) -> None:
    prefix = fresh_name()
    names = (prefix, f"d{place}")
    command = tuple(each.format(*names) if isinstance(each, str) else each for each in there)
    redis_store.pipeline((("HSET", f"{prefix}:meta", "state", "s"), command))
    before = state(redis_store, prefix)
    steps = [insertion(prefix, number) for number in range(7)]
    checks = merged_checks(check for each, _ in steps for check in each)
    (reply,) = redis_store.pipeline(
        (transact(checks, merged_commands(command for _, each in steps for command in each)),)
    )
    assert reply > 0
    assert state(redis_store, prefix) == before


def test_other_checks_stay_as_they_are() -> None:
    kept = [
        Check(("GET", "a"), (b"1",)),
        Check(("HGET", "b", "c"), (Prefix(b"x"),)),
        Check(("ZSCORE", "d", "e"), (None,)),
        Check(("EXISTS", "f"), (1,)),
    ]
    assert merged_checks([*kept, *kept]) == kept
    assert merged_checks([Check(("HGET", "a", "b"), (None,))]) == [Check(("HMGET", "a", "b"), (Absent(),))]
