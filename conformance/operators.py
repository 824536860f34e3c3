"""Writes ``docs/operators.md``, the table of all operators, from what the operators say of themselves.

python -m conformance.operators
"""

from collections import Counter
from pathlib import Path
from typing import Any, Final

from bson.datetime_ms import DatetimeMS

from conformance.format import dumps
from kato_compat import operators
from kato_compat.ir.registry import operators as registered
from kato_compat.ir.spec import Kind, Spec, Status
from kato_compat.values.missing import MISSING

TARGET: Final = Path(__file__).parent.parent / "docs" / "operators.md"

_TITLES: Final = {
    Kind.QUERY: "Filters",
    Kind.PROJECTION: "Projections",
    Kind.EXPRESSION: "Expressions",
    Kind.ACCUMULATOR: "Accumulators (`$group`, `$bucket`, `$bucketAuto`)",
    Kind.WINDOW: "Window functions (`$setWindowFields`)",
    Kind.STAGE: "Stages",
    Kind.UPDATE: "Updates",
}

_HEAD: Final = """# Operators

Every operator of MongoDB that this library knows, by kind. *Since* is the version of MongoDB that brought it.
*supported*: as the server. *partial*: with the stated difference. *refused*: using it raises code 115, for the stated
reason. *unbuilt*: using it raises code 238. Anything else is unknown, and raises what the server raises for a name
that it does not know. Every example is run as a test, and every operator has cases in `conformance/cases`.

This page is generated from the operators: `python -m conformance.operators`.
"""

#: Longer examples are left out of the table.
_LONGEST: Final = 160


def text() -> str:
    """The page."""
    operators.load()
    specs = [operator.spec for operator in registered()]
    counts = Counter((spec.kind, spec.status) for spec in specs)
    lines = [_HEAD]
    lines.append("| kind | " + " | ".join(status.value for status in Status) + " |")
    lines.append("|---|" + "---:|" * len(Status))
    for kind in Kind:
        row = " | ".join(str(counts[kind, status]) for status in Status)
        lines.append(f"| {_TITLES[kind]} | {row} |")
    for kind in Kind:
        lines += [
            "",
            f"## {_TITLES[kind]}",
            "",
            "| name | since | status | what it is | example |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(spec) for spec in specs if spec.kind is kind]
    return "\n".join(lines) + "\n"


def _row(spec: Spec) -> str:
    status = spec.status.value + (f": {spec.limits}" if spec.limits else "")
    summary = " ".join(spec.summary.split())
    return f"| `{spec.name}` | {spec.since} | {_cell(status)} | {_cell(summary)} | {_example(spec)} |"


def _example(spec: Spec) -> str:
    for example in spec.examples:
        shown = _short(example.query)
        if len(shown) <= _LONGEST:
            return "`" + shown.replace("|", "\\|").replace("`", "'") + "`"
    return ""


def _short(value: Any) -> str:
    """`value` in the notation of the MongoDB manual, types that JSON has not in canonical Extended JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_short(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    if value is MISSING:
        return "missing"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if type(value) in (int, float):
        return repr(value)
    if isinstance(value, DatetimeMS):
        return f"Date({int(value)})"
    return dumps(value)


def _cell(value: str) -> str:
    return value.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    TARGET.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
