"""The command: ``python -m conformance.bench [GROUP] [--patterns N] [--markdown FILE]``."""

import argparse
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from conformance.bench.evaluator import evaluator
from conformance.bench.flatten import flatten
from conformance.bench.measure import BUDGET
from conformance.bench.spine import spine
from conformance.bench.writes import writes

GROUPS = ("spine", "evaluator", "flatten", "writes")


def main(arguments: Sequence[str] | None = None, say: Callable[[str], Any] = print) -> str:
    """Measure the groups asked for; their tables, which are printed and, where asked, written to a file."""
    parser = argparse.ArgumentParser(prog="python -m conformance.bench", description=__doc__)
    parser.add_argument("group", nargs="?", choices=(*GROUPS, "all"), default="all")
    parser.add_argument("--patterns", type=int, default=50_000, help="patterns of the spine (50,000)")
    parser.add_argument("--documents", type=int, default=100_000, help="documents of the evaluator (100,000)")
    parser.add_argument("--writes", type=int, default=1000, help="writes of one repetition (1,000)")
    parser.add_argument("--seconds", type=float, default=BUDGET, help=f"time for each case ({BUDGET:g})")
    parser.add_argument("--markdown", type=Path, help="a file to write the tables to")
    given = parser.parse_args(arguments)
    groups = GROUPS if given.group == "all" else (given.group,)
    runs: dict[str, Callable[[], str]] = {
        "spine": lambda: spine(given.patterns, given.seconds, say),
        "evaluator": lambda: evaluator(given.documents, given.seconds, say),
        "flatten": lambda: flatten(min(20_000, given.patterns), given.seconds, say),
        "writes": lambda: writes(given.writes, given.seconds, say),
    }
    tables = []
    for group in groups:
        say(f"{group} ..")
        tables.append(runs[group]())
    text = f"Python {platform.python_version()}, {platform.machine()}\n\n" + "\n".join(tables)
    say("")
    say(text)
    if given.markdown is not None:
        given.markdown.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
