"""What the demonstration writes to: plain text everywhere, colours and a moving bar on a terminal only."""

import os
import re
import shutil
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO, TypeVar

T = TypeVar("T")

_STYLES: Final[dict[str, str]] = {"title": "1", "code": "36", "time": "32", "dim": "2"}
_BAR: Final[int] = 30
#: Seconds between two redraws of the bar.
_REDRAW: Final[float] = 0.1
#: Lines of an answer that are shown.
_LINES: Final[int] = 4
_HEX: Final[re.Pattern[str]] = re.compile(r"(?<=')([0-9a-f]{7})[0-9a-f]{33}(?=')")


class Screen:
    """A text stream with a width.

    `colour` None: colours if the stream is a terminal that can show them and ``NO_COLOR`` is not set (no-color.org).
    """

    def __init__(self, stream: TextIO, colour: bool | None = None) -> None:
        self._stream = stream
        self.terminal = stream.isatty()
        if colour is None:
            colour = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.colour = colour
        self.width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))

    def styled(self, text: str, style: str) -> str:
        """`text` in one of the styles ``title``, ``code``, ``time`` and ``dim``; as it is without colours."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour else text

    def line(self, text: str = "", style: str = "") -> None:
        """Write a line."""
        self._stream.write((self.styled(text, style) if style else text) + "\n")
        self._stream.flush()

    def lines(self, text: str, indent: str, style: str = "") -> None:
        """Write each line of `text` behind `indent`."""
        for each in text.splitlines():
            self.line(indent + (self.styled(each, style) if style else each))

    def progress(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Hand on `items`, drawing how many of `total` were asked for; nothing is drawn outside a terminal."""
        began = drawn = time.perf_counter()
        done = 0
        try:
            for item in items:
                yield item
                done += 1
                now = time.perf_counter()
                if self.terminal and now - drawn >= _REDRAW:
                    drawn = now
                    self._stream.write("\r" + bar(done, total, now - began))
                    self._stream.flush()
        finally:
            if self.terminal:
                # Erase the line (ECMA-48: EL): what follows says how it ended.
                self._stream.write("\r\x1b[K")
                self._stream.flush()


def bar(done: int, total: int, seconds: float) -> str:
    """A progress bar of fixed width, with the count and the speed so far."""
    filled = _BAR * done // total
    rate = done / seconds if seconds else 0.0
    width = len(f"{total:,}")
    return f"  [{'#' * filled}{'-' * (_BAR - filled)}] {done:>{width},} of {total:,}  {rate:,.0f} a second"


def duration(seconds: float) -> str:
    """A time for people, to about three digits."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def answer(value: Any, width: int) -> str:
    """A call's answer in a few lines of at most `width` characters.

    Of a list of documents the first ones are shown, one a line, and how many more there are; of any other value its
    representation, wrapped. Names of 40 hexadecimal digits are cut to their first seven.
    """
    if isinstance(value, list) and len(value) > 1 and isinstance(value[0], Mapping):
        shown = value if len(value) <= _LINES else value[: _LINES - 1]
        lines = [clip(_shown(each), width) for each in shown]
        if len(shown) < len(value):
            lines.append(f".. and {len(value) - len(shown):,} more")
        return "\n".join(lines)
    lines = textwrap.wrap(_shown(value), width, subsequent_indent=" ", break_on_hyphens=False)
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], clip(" ".join(lines[_LINES - 1 :]), width)]
    return "\n".join(lines)


def clip(text: str, width: int) -> str:
    """`text` in at most `width` characters."""
    return text if len(text) <= width else text[: width - 3] + ".." + text[-1]


def _shown(value: Any) -> str:
    return _HEX.sub(r"\1..", repr(_brief(value)))


class _Verbatim(str):
    """A text that represents itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _brief(value: Any) -> Any:
    """`value` with long lists cut in their middle."""
    if isinstance(value, Mapping):
        return {key: _brief(each) for key, each in value.items()}
    if isinstance(value, list):
        if len(value) > 6:
            return [*map(_brief, value[:3]), _Verbatim(".."), *map(_brief, value[-2:])]
        return [_brief(each) for each in value]
    return value
