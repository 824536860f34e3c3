"""Reading a PCRE2 pattern from left to right: the parts that mean the same everywhere in it."""

from dataclasses import dataclass
from typing import Final

from kato_compat.values.charset import ANY

#: The characters that letters stand for behind a backslash.
SIMPLE: Final = {"a": "\a", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class InvalidPattern(ValueError):
    """A pattern that PCRE2 refuses (or, rarely, one that cannot be translated: its message says so)."""


@dataclass(slots=True)
class Cursor:
    """A place in a pattern."""

    pattern: str
    at: int = 0

    def peek(self, text: str) -> bool:
        """True if `text` comes next."""
        return self.pattern.startswith(text, self.at)

    def take(self, text: str) -> bool:
        """Step over `text` if it comes next; says whether it did."""
        if self.peek(text):
            self.at += len(text)
            return True
        return False

    def until(self, end: str, what: str) -> str:
        """The text up to `end`, which is stepped over; raises `InvalidPattern` where there is none."""
        stop = self.pattern.find(end, self.at)
        if stop < 0:
            raise InvalidPattern(f"missing terminator of {what}")
        text = self.pattern[self.at : stop]
        self.at = stop + len(end)
        return text

    def digits(self, least: int, most: int, letters: str) -> str:
        """The next `least` to `most` characters that are among `letters`."""
        start = self.at
        while self.at < len(self.pattern) and self.at - start < most and self.pattern[self.at] in letters:
            self.at += 1
        if self.at - start < least:
            raise InvalidPattern("digits missing in an escape")
        return self.pattern[start : self.at]

    def character(self, letter: str) -> str:
        r"""The character of an escape whose letter has been read: `SIMPLE`, ``\cx``, ``\xhh``, ``\o{}``."""
        if letter in SIMPLE:
            return SIMPLE[letter]
        if letter == "c":
            if self.at >= len(self.pattern) or not " " <= self.pattern[self.at] <= "~":
                raise InvalidPattern("\\c must be followed by a printable ASCII character")
            self.at += 1
            return chr(ord(self.pattern[self.at - 1].upper()) ^ 64)
        base = 16 if letter == "x" else 8
        if self.take("{"):
            text = self.until("}", "a code point")
        elif letter == "o":
            raise InvalidPattern("missing opening brace after \\o")
        else:
            text = self.digits(0, 2, "0123456789abcdefABCDEF") or "0"
        try:
            code = int(text, base)
        except ValueError as error:
            raise InvalidPattern("non-hex or non-octal character in a code point") from error
        if code > ANY or 0xD800 <= code <= 0xDFFF:
            raise InvalidPattern("character code point value is too large or a surrogate")
        return chr(code)

    def unicode_property(self, letter: str) -> str:
        r"""The class of ``\p{..}`` or ``\P{..}``, whose letter has been read."""
        if self.take("{"):
            name = self.until("}", "a property")
        else:
            name = self.pattern[self.at : self.at + 1]
            self.at += 1
        negative = (letter == "P") != name.startswith("^")
        name = name.removeprefix("^").strip()
        parts = {"L&": r"\p{Lu}\p{Ll}\p{Lt}", "Xan": r"\p{L}\p{N}", "Xwd": r"\p{L}\p{N}_", "Any": r"\x00-\U0010ffff"}
        if name not in parts and not name.replace("_", "").isalnum():
            raise InvalidPattern("unknown property after \\P or \\p")
        return "[" + "^" * negative + parts.get(name, "\\p{" + name + "}") + "]"
