"""Building a counter index of a mapped collection while writers go on.

From its announcement on every writer of this library keeps the sorted set. What was there before is entered a batch
at a time by a script that reads the counters itself: what it enters is what they are, whoever wrote them.
"""

from typing import TYPE_CHECKING, Any, Final

from kato_compat.errors import fail
from kato_compat.execute.storage import Access
from kato_compat.execute.union import BATCH
from kato_compat.ir.requests import Argument, Call, Flow, Pipeline, Script
from kato_compat.mapping.field import Counter, HashCounter, integer
from kato_compat.mapping.index import Index
from kato_compat.mapping.keys import kato
from kato_compat.plan.scores import counter_of

if TYPE_CHECKING:
    from kato_compat.execute.keyed import KeyedStorage

#: KEYS: meta, the sorted set. ARGV: the state of the definitions, the hash that the counters are in (empty: they are
#: strings), then for each document its key and its counter's (in a hash the same).
#: Reply: -1 if the state is another one (nothing is entered), else the first value that is no integer, with its
#: document's key before it, or nothing.
ENTER: Final = Script(
    "enter",
    """
if redis.call('HGET', KEYS[1], 'state') ~= ARGV[1] then return -1 end
local hash, present, absent = ARGV[2], {}, {}
for at = 3, #ARGV, 2 do
  local raw
  if hash ~= '' then raw = redis.call('HGET', hash, ARGV[at + 1]) else raw = redis.call('GET', ARGV[at + 1]) end
  if not raw then
    absent[#absent + 1] = ARGV[at]
  elseif #raw > 20 or not string.match(raw, '^-?%d+$') then
    return {ARGV[at], raw}
  else
    present[#present + 1] = raw
    present[#present + 1] = ARGV[at]
  end
end
if #present > 0 then redis.call('ZADD', KEYS[2], unpack(present)) end
if #absent > 0 then redis.call('ZREM', KEYS[2], unpack(absent)) end
return {}
""",
)


def enter(storage: "KeyedStorage", index: Index) -> Flow[None]:
    """Enter the documents that are there into a counter index that has been announced.

    Raises 22 for a counter that holds no integer, 276 if the index is dropped meanwhile.
    """
    key = storage.spec.key
    # Documents of the other side may come along: they have no counters there.
    reader = storage.open(storage.plan(Access(fields=frozenset({key}), pushdown=False)))
    while (batch := (yield from reader.documents())) is not None:
        keys = [name for document in batch if type(name := document.get(key)) is str]
        for start in range(0, len(keys), BATCH):
            yield from _enter(storage, index, keys[start : start + BATCH])


def _enter(storage: "KeyedStorage", index: Index, keys: list[str]) -> Flow[None]:
    documents, name = storage.documents, counter_of(storage.spec, index)
    assert name is not None
    field = storage.spec.redis[name]
    arguments: list[Argument]
    if isinstance(field, HashCounter):
        arguments = [kato(storage.kb_id, *field.parts), *[part for key in keys for part in (key, key)]]
    elif isinstance(field, Counter):
        arguments = [b"", *[part for key in keys for part in (key, field.key(storage.kb_id, key))]]
    else:
        raise TypeError(f"{type(field).__name__} is no counter")
    # Read anew: what the client keeps may be what another thread read before the index was announced.
    definitions = yield from documents.definitions(reload=True)
    while True:
        if index not in definitions.indexes:
            raise fail(276, f"Index build failed: index {index.name!r} was dropped while it was built")
        call = Call(ENTER, (documents.meta, documents.counter_key(index)), (definitions.state or b"", *arguments))
        reply: Any
        (reply,) = yield Pipeline((call,))
        if reply != -1:
            break
        definitions = yield from documents.definitions(reload=True)
    if reply:
        key, raw = reply
        where = f"field {name!r} of {storage.spec.key} {key.decode()!r} in {storage.namespace}"
        integer(raw, where)
        raise fail(22, f"{where} holds {raw!r}, which Redis does not count; set that key to a plain integer")


__all__ = ["ENTER", "enter"]
