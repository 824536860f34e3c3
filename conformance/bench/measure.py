"""Measuring two ways of getting one answer, side by side, and showing the figures as a table."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Seconds that one case may take, the fewest and most repetitions, and a fifth of what the fewest may take longer.
BUDGET: Final = 2.0
FEWEST: Final = 3
MOST: Final = 300
PATIENCE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """One thing done in two ways: `ours` through this package, `theirs` (named by the group) in another.

    Both return what their caller would use; `key` brings an answer to a form in which the two can be compared.
    `fresh` is run untimed before each repetition of either (None: nothing to do).
    """

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    key: Callable[[Any], Any] | None = None
    fresh: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of a case in seconds, over `repetitions` of each, and whether the two answers were the same.

    `same` is None where the two were not compared.
    """

    name: str
    ours: float
    theirs: float
    repetitions: int
    same: bool | None

    @property
    def ratio(self) -> float:
        """Our time over theirs: below 1 we are faster."""
        return self.ours / self.theirs


def timed(work: Callable[[], Any], fresh: Callable[[], Any] | None) -> float:
    """Seconds that one call of `work` takes; with the collector of garbage at rest, as `timeit` has it."""
    if fresh is not None:
        fresh()
    gc.disable()
    try:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    finally:
        gc.enable()


def measure(case: Case, budget: float = BUDGET) -> Result:
    """Run both ways of `case` in turn until the budget (seconds) is used, after one run of each to warm up."""
    if case.fresh is not None:
        case.fresh()
    first = case.ours()
    if case.fresh is not None:
        case.fresh()
    second = case.theirs()
    same = None if case.key is None else bool(case.key(first) == case.key(second))
    del first, second
    ours: list[float] = []
    theirs: list[float] = []
    end = time.perf_counter() + budget
    # What is very slow is measured once or twice, not as often as the others.
    patience = max(budget, PATIENCE)
    while not ours or (len(ours) < MOST and time.perf_counter() < (end if len(ours) >= FEWEST else end + 5 * patience)):
        ours.append(timed(case.ours, case.fresh))
        theirs.append(timed(case.theirs, case.fresh))
    return Result(case.name, statistics.median(ours), statistics.median(theirs), len(ours), same)


def table(title: str, other: str, results: Iterable[Result]) -> str:
    """The results as a Markdown table; `other` says what ours is compared with."""
    lines = [
        f"### {title}",
        "",
        f"| case | ours, ms | {other}, ms | ours / {other} | {other} / ours | same answer |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for result in results:
        said = {True: "yes", False: "NO", None: "-"}[result.same]
        times = f"{result.ours * 1e3:.3f} | {result.theirs * 1e3:.3f}"
        lines.append(f"| {result.name} | {times} | {result.ratio:.2f} | {1 / result.ratio:.1f} | {said} |")
    return "\n".join(lines) + "\n"


def run(title: str, other: str, cases: Sequence[Case], budget: float, say: Callable[[str], Any]) -> str:
    """Measure `cases`, saying each result as it comes; the table."""
    results = []
    for case in cases:
        result = measure(case, budget)
        results.append(result)
        say(f"  {result.name:36} ours {result.ours * 1e3:10.3f} ms   {other} {result.theirs * 1e3:10.3f} ms")
    return table(title, other, results)
