"""docs/options.md, made from the tables of `kato_compat.options`; run as a module it writes the file."""

from collections.abc import Iterable
from pathlib import Path

from kato_compat.options import CLIENT_OPTIONS, OPTIONS, REFUSED_METHODS, Option

PATH = Path(__file__).parent.parent / "docs" / "options.md"

_HEAD = """# Parameters

What becomes of each parameter that a method takes besides its main arguments. *used*: it does what it does in
pymongo. *ignored*: it is accepted, and changes no answer for the reason stated. *refused*: it would change the answer
and cannot be honoured; giving it raises `OperationFailure` with code 115. An option that MongoDB does not know raises
code 40415, as on the server.

This page is made from the tables that the library itself uses: `python -m conformance.options`.
"""


def render() -> str:
    """The page."""
    return "\n".join(
        (
            _HEAD,
            "## Methods",
            "",
            *_table(OPTIONS.values()),
            "",
            "## MongoClient",
            "",
            "All other options of pymongo's client are checked as pymongo does, and ignored: those of connections,",
            "pools, monitoring and replica sets, for there are none. A refused one raises `ConfigurationError`.",
            "",
            *_table(CLIENT_OPTIONS.values()),
            "",
            "## Refused methods",
            "",
            "| method | why |",
            "|---|---|",
            *(f"| `{name}` | {reason} |" for name, reason in REFUSED_METHODS.items()),
            "",
        )
    )


def _table(options: Iterable[Option]) -> list[str]:
    rows = [f"| `{each.name}` | {each.handling.value} | {each.reason} |" for each in options]
    return ["| parameter | | |", "|---|---|---|", *rows]


if __name__ == "__main__":
    PATH.write_text(render())
