"""The text the demonstration learns from, and its form as KATO's pattern_data.

The text is the whole of one public-domain novel, shipped with the package, so that the demonstration
needs no network. `data/SOURCE.md` beside it records where it came from and how it was prepared.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

SOURCE: Final[str] = "Jane Austen, Pride and Prejudice (1813), in the public domain"
"""One line of credit: author, work, year of first publication and legal status."""

FILE: Final[str] = "pride_and_prejudice.txt.gz"
"""The name of the text inside the package's `cli/data` folder."""

_WORD: Final[re.Pattern[str]] = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
# A mark inside a sentence ("Oh! said she.") closes nothing; brackets and quotes may follow the last one.
_CLOSING: Final[re.Pattern[str]] = re.compile(r"([.?!])[\"')\]]*\s*\Z")
_STRAIGHT: Final[dict[int, int]] = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


def sentences() -> Iterator[str]:
    """Yield the sentences of the text in reading order, none empty, without line ends.

    The file is decompressed as it is read and closed when the iterator ends. Raises FileNotFoundError
    when the package was installed without its data, and gzip.BadGzipFile, EOFError or zlib.error when
    the file is damaged.
    """
    with (
        (files("kato_compat") / "cli" / "data" / FILE).open("rb") as packed,
        gzip.GzipFile(fileobj=packed) as plain,
        io.TextIOWrapper(plain, encoding="utf-8", newline="\n") as lines,
    ):
        for line in lines:
            yield line.removesuffix("\n")


def events(sentence: str) -> list[list[str]]:
    """Return a sentence as pattern_data: one event per word, each event a list of one symbol.

    Words are lower-cased; an apostrophe or a single hyphen inside a word belongs to it ("don't",
    "to-day"), a dash ("--") parts two words, and all other punctuation is dropped. When the sentence
    ends with ".", "?" or "!", that mark is the last event, so that the last event classifies the
    sentence; the beginning of a sentence, which has no such mark, yields its words alone.

    Raises ValueError when the sentence holds no word.
    """
    straight = sentence.translate(_STRAIGHT)
    pattern_data = [[word] for word in _WORD.findall(straight.lower())]
    if not pattern_data:
        raise ValueError(f"no word in the sentence {sentence!r}: give at least one letter or digit")
    closing = _CLOSING.search(straight)
    if closing is not None:
        pattern_data.append([closing.group(1)])
    return pattern_data
