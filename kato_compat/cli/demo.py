"""The demonstration: a novel is learned on embedded engines, then asked what legacy pymongo code asks."""

import ast
import contextlib
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from kato_compat import KnowledgeBase, MongoClient
from kato_compat.cli.calls import EXPLAINED, OPENING, STEPS, Step
from kato_compat.cli.screen import Screen, answer, duration
from kato_compat.cli.text import SOURCE, events, sentences

#: The database of the demonstration; nothing else is written to.
DATABASE: Final = "kato_compat_demo"
_PERSISTENCE: Final = 7
_INDENT: Final = "    "


def demo(screen: Screen, path: Path | None = None, count: int | None = None) -> None:
    """Run the demonstration.

    `path` is the folder of the embedded engines; None: a temporary one that is removed at the end. `count` is how
    many sentences are learned, None: all. A knowledge base that an earlier run left in `path` is dropped first.
    Raises pymongo's errors; `ConfigurationError` where the engines are not installed or the folder is in use.
    """
    began = time.perf_counter()
    with _folder(path) as folder:
        client = MongoClient(f"embedded://{folder}")
        try:
            _open(screen, client, folder, path is None)
            _learn(screen, client, count)
            _ask(screen, client)
        finally:
            client.close()
    screen.line()
    screen.line(f"Done in {duration(time.perf_counter() - began)}.", "title")


@contextlib.contextmanager
def _folder(path: Path | None) -> Iterator[Path]:
    if path is not None:
        yield path.absolute()
        return
    # A short name: the path of a Unix socket must not be long.
    with tempfile.TemporaryDirectory(prefix="kato-") as folder:
        yield Path(folder)


def _open(screen: Screen, client: MongoClient, folder: Path, temporary: bool) -> None:
    began = time.perf_counter()
    client.admin.command("ping")
    seconds = time.perf_counter() - began
    screen.line("Legacy pymongo code on ClickHouse and Redis", "title")
    screen.line()
    screen.line(f"  text     {SOURCE}")
    screen.line(f"  engines  chDB (ClickHouse in this process) and Valkey, started in {duration(seconds)}")
    screen.line(f"  folder   {folder}" + (", removed at the end" if temporary else ""))
    client.drop_database(DATABASE)


def _learn(screen: Screen, client: MongoClient, count: int | None) -> None:
    text = list(islice(sentences(), count))
    screen.line()
    screen.line(f"Learning {len(text):,} sentences, one event a word, the closing mark last", "title")
    source = (
        f'knowledge = KnowledgeBase(client, "{DATABASE}", persistence={_PERSISTENCE})\n'
        "knowledge.learn_patterns(events(sentence) for sentence in text)"
    )
    screen.lines(prompted(source), _INDENT, "code")
    knowledge = KnowledgeBase(client, DATABASE, persistence=_PERSISTENCE)
    began = time.perf_counter()
    new = knowledge.learn_patterns(screen.progress(map(events, text), len(text)))
    learned = time.perf_counter()
    moved = client.flush()
    flushed = time.perf_counter()
    rate = len(text) / (learned - began)
    screen.line(f"{_INDENT}{new}")
    screen.line(f"{_INDENT}# of them are new; all in {duration(learned - began)}, {rate:,.0f} a second", "time")
    screen.line(
        f"{_INDENT}# {moved:,} rows that still waited in Valkey moved to ClickHouse in {duration(flushed - learned)}",
        "time",
    )


def _ask(screen: Screen, client: MongoClient) -> None:
    screen.line()
    screen.line("Calls as pymongo code writes them; each runs once, and its time is that of this one run", "title")
    names: dict[str, Any] = {"client": client}
    exec(compile(OPENING, "<opening>", "exec"), names)
    screen.lines(prompted(OPENING), _INDENT, "code")
    for number, step in enumerate(STEPS, 1):
        _title(screen, number, step)
        for source in step.sources:
            value, seconds = run(source, names)
            screen.lines(prompted(source), _INDENT, "code")
            screen.lines(answer(value, screen.width - len(_INDENT)), _INDENT)
            screen.line(f"{_INDENT}# {_amount(value)}{duration(seconds)}", "time")
    _title(screen, len(STEPS) + 1, EXPLAINED)
    for source in EXPLAINED.sources:
        value, _ = run(source, names)
        screen.lines(prompted(source), _INDENT, "code")
        screen.lines(value, _INDENT)


def _title(screen: Screen, number: int, step: Step) -> None:
    screen.line()
    screen.line(f"{number:>2}. {step.title}", "title")


def _amount(value: Any) -> str:
    return f"{len(value):,} documents in " if isinstance(value, list) and len(value) > 3 else ""


def prompted(source: str) -> str:
    """`source` as it looks at Python's prompt: a statement begins behind ``>>>``, its other lines behind ``...``."""
    begins = {statement.lineno for statement in ast.parse(source).body}
    return "\n".join(
        (">>> " if number in begins else "... ") + line for number, line in enumerate(source.splitlines(), 1)
    )


def run(source: str, names: dict[str, Any]) -> tuple[Any, float]:
    """The value of an expression, or of what an assignment assigned, and the seconds it took.

    `source` is this package's own text; an assignment is kept in `names`. Raises what the source raises.
    """
    tree = ast.parse(source)
    (statement,) = tree.body
    match statement:
        case ast.Expr(value):
            target = None
        case ast.Assign([ast.Name(target)], value):
            pass
        case _:
            raise TypeError(f"{type(statement).__name__} is neither an expression nor an assignment to a name")
    code = compile(ast.Expression(value), "<call>", "eval")
    began = time.perf_counter()
    result = eval(code, names)
    seconds = time.perf_counter() - began
    if target is not None:
        names[target] = result
    return result, seconds
