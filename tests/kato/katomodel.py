"""What learning must come to, in plain Python: a dictionary of patterns, and everything else counted from scratch."""

import hashlib
from typing import Any

Pattern = list[list[str]]


def name_of(pattern: Pattern) -> str:
    """KATO's name of a pattern."""
    return hashlib.sha1(str(pattern).encode()).hexdigest()


class Model:
    """A knowledge base as plain values; its statistics are recorded learn by learn."""

    def __init__(self, persistence: int) -> None:
        self.persistence = persistence
        self.patterns: dict[str, dict[str, Any]] = {}
        self.symbols: dict[str, dict[str, Any]] = {}
        self.totals: dict[str, int] = {}

    def learn(self, pattern: Pattern, emotives: Any = None, metadata: Any = None) -> bool:
        """Learn; whether the pattern is new."""
        name = name_of(pattern)
        tokens = [symbol for event in pattern for symbol in event]
        new = name not in self.patterns
        known = self.patterns.setdefault(
            name, {"name": name, "pattern_data": pattern, "length": len(tokens), "frequency": 0}
        )
        known["frequency"] += 1
        records = [emotives] if isinstance(emotives, dict) else emotives or []
        names = {each for record in records for each in record}
        entry: dict[str, float] = {}
        for each in names:
            values = [record[each] for record in records if each in record]
            if sum(values) != 0:
                entry[each] = sum(values) / len(values)
        if entry:
            known["emotives"] = [*known.get("emotives", []), entry][-self.persistence :]
        if metadata:
            held = known.setdefault("metadata", {})
            for key, texts in metadata.items():
                before = held.setdefault(key, [])
                for text in [texts] if isinstance(texts, str) else texts:
                    if text not in before:
                        before.append(text)
        for symbol in set(tokens):
            counts = self.symbols.setdefault(symbol, {"name": symbol, "frequency": 0, "pattern_member_frequency": 0})
            counts["frequency"] += tokens.count(symbol)
            counts["pattern_member_frequency"] += int(new)
            self._affect(counts, entry, 1)
        gained = {"total_pattern_frequencies": 1, "total_symbol_frequencies": len(tokens)}
        if new:
            gained["total_unique_patterns"] = 1
            gained["total_symbols_in_patterns_frequencies"] = len(set(tokens))
        for total, amount in gained.items():
            self.totals[total] = self.totals.get(total, 0) + amount
        return new

    @staticmethod
    def _affect(counts: dict[str, Any], entry: dict[str, float], sign: int) -> None:
        sums = counts.setdefault("emotives", {})
        for each, value in entry.items():
            if sign > 0 or each in sums:
                sums[each] = sums.get(each, 0.0) + sign * value
                if sign < 0 and not sums[each]:
                    del sums[each]
        if not sums:
            del counts["emotives"]

    def forget(self, name: str) -> bool:
        """Forget; whether there was such a pattern."""
        known = self.patterns.pop(name, None)
        if known is None:
            return False
        tokens = [symbol for event in known["pattern_data"] for symbol in event]
        times = known["frequency"]
        taken: dict[str, float] = {}
        for entry in known.get("emotives", []):
            for each, value in entry.items():
                taken[each] = taken.get(each, 0.0) + value
        for symbol in set(tokens):
            counts = self.symbols[symbol]
            counts["frequency"] -= times * tokens.count(symbol)
            counts["pattern_member_frequency"] -= 1
            self._affect(counts, taken, -1)
            if not counts["frequency"] and not counts["pattern_member_frequency"]:
                del self.symbols[symbol]
        self.totals["total_pattern_frequencies"] -= times
        self.totals["total_symbol_frequencies"] -= times * len(tokens)
        self.totals["total_unique_patterns"] -= 1
        self.totals["total_symbols_in_patterns_frequencies"] -= len(set(tokens))
        return True

    def clear(self) -> None:
        """Forget everything."""
        self.patterns, self.symbols, self.totals = {}, {}, {}

    def contents(self) -> dict[str, Any]:
        """What the collections must hold."""
        return {
            "patterns": self.patterns,
            "symbols": self.symbols,
            "totals": {"class": "totals", **self.totals} if self.totals else None,
        }


def contents(knowledge: Any) -> dict[str, Any]:
    """What the collections of a knowledge base hold, in the same form."""
    patterns = list(knowledge.patterns_kb.find({}, {"_id": 0}))
    symbols = list(knowledge.symbols_kb.find({}, {"_id": 0}))
    held = {
        "patterns": {each["name"]: each for each in patterns},
        "symbols": {each["name"]: each for each in symbols},
        "totals": knowledge.metadata.find_one({"class": "totals"}, {"_id": 0}),
    }
    assert len(held["patterns"]) == len(patterns) == knowledge.patterns_kb.count_documents({})
    assert len(held["symbols"]) == len(symbols) == knowledge.symbols_kb.count_documents({})
    return held
