"""The synchronous driver: performs the requests a flow yields and returns what the flow returns."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from pymongo.errors import ConfigurationError

from kato_compat.ir.requests import (
    CloseScan,
    Execute,
    Flow,
    InsertRows,
    NextBlock,
    OpenScan,
    Pipeline,
    Select,
    Sleep,
    T,
)

if TYPE_CHECKING:
    from kato_compat.stores.clickhouse import ClickHouseStore
    from kato_compat.stores.redis import RedisStore


class SyncDriver:
    """Performs requests on the given stores, in the calling thread; safe to use from many threads at once.

    An error of a request is thrown into the flow at the `yield` it came from, so that the flow can clean up; what
    the flow raises (the same error, if it does not catch it) is what `run` raises.
    """

    def __init__(self, redis: "RedisStore | None", clickhouse: "ClickHouseStore | None") -> None:
        self.redis = redis
        self.clickhouse = clickhouse
        self._perform: dict[type, Callable[[Any], Any]] = {Sleep: _sleep}
        if redis is None:
            self._perform[Pipeline] = _no_redis
        else:
            pipeline = redis.pipeline
            self._perform[Pipeline] = lambda request: pipeline(request.commands)
        clickhouse_requests = (Select, OpenScan, NextBlock, CloseScan, InsertRows, Execute)
        if clickhouse is None:
            self._perform.update(dict.fromkeys(clickhouse_requests, _no_clickhouse))
        else:
            performers = (
                clickhouse.select,
                clickhouse.open_scan,
                lambda request: clickhouse.next_block(request.scan),
                lambda request: clickhouse.close_scan(request.scan),
                clickhouse.insert_rows,
                clickhouse.execute,
            )
            self._perform.update(zip(clickhouse_requests, performers, strict=True))

    def run(self, flow: Flow[T]) -> T:
        """Drive `flow` to its end and return its result.

        Raises what the flow raises; `TypeError` inside the flow for something that is no request.
        """
        perform = self._perform
        try:
            request = next(flow)
            while True:
                try:
                    reply = perform[type(request)](request)
                except KeyError as error:
                    if type(request) in perform:
                        request = flow.throw(error)
                    else:
                        request = flow.throw(TypeError(f"a flow yielded {type(request).__name__}, no request"))
                except BaseException as error:
                    request = flow.throw(error)
                else:
                    request = flow.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result


def _sleep(request: Sleep) -> None:
    time.sleep(request.seconds)


def _no_redis(request: object) -> NoReturn:
    raise ConfigurationError("this client has no Redis store; configure one (redis=..., KATO_COMPAT_REDIS)")


def _no_clickhouse(request: object) -> NoReturn:
    raise ConfigurationError(
        "this client has no ClickHouse store; configure one (clickhouse=..., KATO_COMPAT_CLICKHOUSE)"
    )
