"""Sets of characters as ranges of code points: the classes of PCRE2 (pcre2pattern: Generic character types)."""

from typing import Final, TypeAlias

Ranges: TypeAlias = list[tuple[int, int]]

#: The last code point.
ANY: Final = 0x10FFFF


def complement(ranges: Ranges) -> Ranges:
    """All characters that are in none of `ranges`."""
    rest: Ranges = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            rest.append((start, low - 1))
        start = max(start, high + 1)
    if start <= ANY:
        rest.append((start, ANY))
    return rest


def show_character(letter: str) -> str:
    """A character as a pattern that matches only it (and its other case, where case is ignored)."""
    if letter.isalnum() or letter == "_" or (ord(letter) > 127 and letter.isprintable()):
        return letter
    if " " < letter <= "~":
        return "\\" + letter
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else f"\\U{ord(letter):08x}"


def show(ranges: Ranges) -> str:
    """`ranges` as they are written inside a character class."""
    parts = []
    for low, high in ranges:
        first = show_character(chr(low))
        parts.append(first if low == high else f"{first}-{show_character(chr(high))}")
    return "".join(parts)


def _of(text: str) -> Ranges:
    return [(ord(low), ord(high)) for low, high in zip(text[::2], text[1::2], strict=True)]


_DIGIT: Final = _of("09")
_LETTER: Final = _of("AZaz")
_SPACE: Final = _of("\t\r  ")
_WORD: Final = _of("09AZ__az")

HORIZONTAL: Final = _of("\t\t  \xa0\xa0\u1680\u1680\u180e\u180e\u2000\u200a\u202f\u202f\u205f\u205f\u3000\u3000")
VERTICAL: Final = _of("\n\r\x85\x85\u2028\u2029")

#: What an escape letter stands for.
SHORTHANDS: Final[dict[str, Ranges]] = {
    "d": _DIGIT,
    "D": complement(_DIGIT),
    "h": HORIZONTAL,
    "H": complement(HORIZONTAL),
    "s": _SPACE,
    "S": complement(_SPACE),
    "v": VERTICAL,
    "V": complement(VERTICAL),
    "w": _WORD,
    "W": complement(_WORD),
}

#: What a POSIX class name stands for.
POSIX: Final[dict[str, Ranges]] = {
    "alnum": _DIGIT + _LETTER,
    "alpha": _LETTER,
    "ascii": _of("\x00\x7f"),
    "blank": _of("\t\t  "),
    "cntrl": _of("\x00\x1f\x7f\x7f"),
    "digit": _DIGIT,
    "graph": _of("!~"),
    "lower": _of("az"),
    "print": _of(" ~"),
    "punct": _of("!/:@[`{~"),
    "space": _SPACE,
    "upper": _of("AZ"),
    "word": _WORD,
    "xdigit": _of("09AFaf"),
}
