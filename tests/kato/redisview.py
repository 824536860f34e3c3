"""All that a Redis holds, as plain values that can be compared."""

from typing import Any

from kato_compat.stores.redis import RedisStore


def snapshot(store: RedisStore) -> dict[bytes, Any]:
    """Every key with its value: bytes, or what is in a hash, a set or a sorted set."""
    (keys,) = store.pipeline((("KEYS", "*"),))
    kinds = store.pipeline(tuple(("TYPE", key) for key in keys))
    reads = {"string": ("GET",), "hash": ("HGETALL",), "set": ("SMEMBERS",), "zset": ("ZRANGE",), "list": ("LRANGE",)}
    rest = {"zset": (0, -1, "WITHSCORES"), "list": (0, -1)}
    commands = [
        (*reads[kind.decode()], key, *rest.get(kind.decode(), ())) for key, kind in zip(keys, kinds, strict=True)
    ]
    found: dict[bytes, Any] = {}
    for key, kind, value in zip(keys, kinds, store.pipeline(tuple(commands)), strict=True):
        if kind == b"hash" or kind == b"zset":
            found[key] = (kind, dict(zip(value[0::2], value[1::2], strict=True)))
        elif kind == b"set":
            found[key] = (kind, set(value))
        else:
            found[key] = (kind, value)
    return found
