"""Reading mapped collections by a counter index: the sorted set that has a counter's values as its scores.

Writers of this library keep the set in the step that changes the counter; others (an INCR of KATO's) do not, so that
every document is read by its key and checked. Where a filter lets too much through, the collection is read as without
the index: reading by key costs more per document than a scan.
"""

from typing import TYPE_CHECKING, Any, Final

from kato_compat.errors import fail
from kato_compat.execute.storage import Plan, Reader
from kato_compat.execute.union import BATCH, MappedReader
from kato_compat.ir.predicate import ALWAYS, DocumentTest, compile_predicate
from kato_compat.ir.requests import Argument, Call, Flow, Pipeline, Script
from kato_compat.plan.scores import Ranking

if TYPE_CHECKING:
    from kato_compat.execute.keyed import KeyedStorage

#: Members of the first page where an order has a limit: some more than that, since filters drop some.
_SLACK: Final = 16
#: From here on the scores of different values can be equal.
_EXACT: Final = 2.0**53
#: No bound on how many members there may be.
_ANY: Final[tuple[Argument, ...]] = (b"", b"", b"")

#: The next members of a sorted set whose scores are in given spans, in order. KEYS: the set, meta. ARGV: how many, 1
#: for backwards, the score and the member to go on behind (empty: from the beginning), how many there may be in all as
#: `selective` of storages says it (empty: any number), then the spans (from, to) in ascending order.
#: Reply: state, number of the last move, how many there are in all, members and scores. Of too many there are none.
PAGE: Final = Script(
    "page",
    """
local head = redis.call('HMGET', KEYS[2], 'state', 'moves')
local set, wanted, reverse, after, last = KEYS[1], tonumber(ARGV[1]), ARGV[2] == '1', ARGV[3], ARGV[4]
local size = redis.call('ZCARD', set)
local spans, total = {}, 0
for at = 8, #ARGV, 2 do
  local first = redis.call('ZCOUNT', set, '-inf', '(' .. ARGV[at])
  local stop = redis.call('ZCOUNT', set, '-inf', ARGV[at + 1])
  if stop > first then
    spans[#spans + 1] = {first, stop}
    total = total + stop - first
  end
end
if ARGV[5] ~= '' and total > math.max(tonumber(ARGV[5]), math.min(size / ARGV[6], tonumber(ARGV[7]))) then
  return {head[1], head[2], total, {}}
end
-- Strings compare by the server's locale in Lua, and by their bytes in a sorted set.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end
-- Where to go on: behind the last member, which may have another score by now, or be no more.
local edge = reverse and size or 0
if after ~= '' then
  local low, high = redis.call('ZCOUNT', set, '-inf', '(' .. after), redis.call('ZCOUNT', set, '-inf', after)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local member = redis.call('ZRANGE', set, middle, middle)[1]
    if precedes(member, last) or (not reverse and member == last) then low = middle + 1 else high = middle end
  end
  edge = low
end
local found = {}
for number = 1, #spans do
  local span = spans[reverse and #spans + 1 - number or number]
  local left = wanted - #found / 2
  if left <= 0 then break end
  local part
  if reverse then
    local stop = math.min(span[2], edge)
    local count = math.min(left, stop - span[1])
    part = count > 0 and redis.call('ZREVRANGE', set, size - stop, size - stop + count - 1, 'WITHSCORES') or {}
  else
    local start = math.max(span[1], edge)
    local count = math.min(left, span[2] - start)
    part = count > 0 and redis.call('ZRANGE', set, start, start + count - 1, 'WITHSCORES') or {}
  end
  for i = 1, #part do found[#found + 1] = part[i] end
end
return {head[1], head[2], total, found}
""",
)


class RankedReader(MappedReader):
    """The documents that a counter index leads to, then those of the document side.

    Where the index gives the order asked for, they are the first ones in it, and no more than tie with the last.
    """

    def __init__(self, storage: "KeyedStorage", plan: Plan) -> None:
        super().__init__(storage, plan)
        self._ranking: Ranking | None = self._private.ranking
        if self._private.instead is None:
            raise TypeError("a plan by a counter index has one without it beside it")
        self._without: Plan = self._private.instead
        self._instead: MappedReader | None = None
        self._begun = False
        self._page: list[tuple[bytes, float]] = []
        self._after: tuple[bytes, bytes] = (b"", b"")
        self._ended = False
        self._seen: set[bytes] = set()
        self._won: list[Any] | None = None
        predicate = plan.access.predicate
        self._whole: DocumentTest | None = None if predicate == ALWAYS else compile_predicate(predicate)

    def _next(self, plain: bool) -> Flow[list[Any] | None]:
        if not self._begun:
            self._begun = True
            yield from self._begin()
        if self._instead is not None:
            return (yield from self._instead._next(plain))
        return (yield from super()._next(plain))

    def _begin(self) -> Flow[None]:
        """Read the first page, or see that the index is gone or leads to too many documents."""
        storage, access = self._storage, self._plan.access
        while True:
            ranking = self._ranking
            if ranking is None:
                self._give_up()
                return
            ordered = ranking.reverse is not None
            # Any of the documents will do, and each member is one: no more than the limit are read.
            enough = access.limit > 0 and access.sort is None and ranking.alone
            size = min(BATCH, access.limit + _SLACK) if ordered or enough else BATCH
            most: tuple[Argument, ...] = _ANY if ordered or enough else storage.selective(self._without)
            ((state, moves, total, flat),) = yield Pipeline((self._call(ranking, size, most),))
            if storage.documents.is_current(state):
                break
            yield from storage.documents.current(state)
            # The index may be another one by now, or none.
            self._ranking = storage.ranking(access)
        self._since.append(moves)
        self._now = moves
        self._take(flat, size)
        if ordered:
            yield from self._win(ranking, total)
        elif total and not flat:
            self._give_up()

    def _give_up(self) -> None:
        """Read as without the index; nothing has been given yet."""
        reader: Reader = self._storage.open(self._without)
        assert isinstance(reader, MappedReader)
        self._instead = reader

    def _call(self, ranking: Ranking, size: int, most: tuple[Argument, ...] = _ANY) -> Call:
        spans = [bound for span in ranking.spans for bound in span]
        keys = (self._storage.documents.counter_key(ranking.index), self._storage.documents.meta)
        return Call(PAGE, keys, (size, int(bool(ranking.reverse)), *self._after, *most, *spans))

    def _take(self, flat: list[Any], size: int) -> None:
        """Note a page of members and scores, without members that were met before, under another score."""
        found = list(zip(flat[0::2], flat[1::2], strict=True))
        self._ended = len(found) < size
        if found:
            member, score = found[-1]
            self._after = (score, member)
        if not self._ended or self._seen:
            found = [each for each in found if each[0] not in self._seen]
            self._seen.update(member for member, _ in found)
        self._page = [(member, float(score)) for member, score in found]

    def _more(self, ranking: Ranking) -> Flow[bool]:
        """Read the next page; False if the index is no more."""
        ((state, _, _, flat),) = yield Pipeline((self._call(ranking, BATCH),))
        yield from self._storage.documents.current(state)
        if not self._storage.documents.usable(ranking.index):
            return False
        self._take(flat, BATCH)
        return True

    def _win(self, ranking: Ranking, total: int) -> Flow[None]:
        """Find the first documents in the order asked for, those that tie with the last included."""
        limit = self._plan.access.limit
        kept: list[tuple[float, str, Any]] = []
        read = 0
        most, *_ = self._storage.selective(self._without)
        most = total if total <= most else 2 * limit + most
        while True:
            page, self._page = self._page, []
            keys = tuple(member.decode() for member, _ in page)
            found = yield from self._read(keys)
            for (_, score), key, document in zip(page, keys, found, strict=True):
                if document is not None and (self._whole is None or self._whole(document)):
                    kept.append((score, key, document))
            read += len(page)
            if len(kept) >= limit:
                edge = kept[limit - 1][0]
                # Equal scores are of equal values only while these are exact.
                if not ranking.tied and abs(edge) < _EXACT:
                    del kept[limit:]
                    break
                if page and page[-1][1] != edge:
                    break
            if self._ended:
                if len(kept) < limit and not ranking.exists:
                    # Documents without the field come next, and the set does not know them.
                    self._give_up()
                    return
                break
            if read >= most or not (yield from self._more(ranking)):
                self._give_up()
                return
        self._ended = True
        self._latest = [key for _, key, _ in kept]
        self._won = [document for _, _, document in kept]

    def _next_keys(self) -> Flow[tuple[str, ...] | None]:
        ranking = self._ranking
        if ranking is None or ranking.reverse is not None:
            return None
        while not self._page:
            if self._ended:
                return None
            if not (yield from self._more(ranking)):
                raise fail(175, f"query plan killed :: index {ranking.index.name!r} dropped; read it again")
        page, self._page = self._page, []
        return tuple(member.decode() for member, _ in page)

    def _sure(self, found: list[Any]) -> bool:
        """See `MappedReader._sure`."""
        return None not in found

    def _mapped(self) -> Flow[list[Any] | None]:
        if self._won is not None:
            won, self._won = self._won, None
            return won
        found = yield from super()._mapped()
        test = self._whole
        if found is None or test is None:
            return found
        if self._plan.access.writes:
            return [stored for stored in found if test(stored.document)]
        return [document for document in found if test(document)]

    def close(self) -> Flow[None]:
        """See `Reader.close`."""
        yield from super().close()
        self._ended = True
        if self._instead is not None:
            yield from self._instead.close()


__all__ = ["PAGE", "RankedReader"]
