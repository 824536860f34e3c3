"""What a regular expression says in plain text: the part that every engine understands alike."""

from typing import Final

_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}")


def anchored(pattern: str) -> tuple[bool, bool, str]:
    r"""(starts at the start, ends at the end, the text between) of a pattern: ``^`` or ``\A``, and ``$`` or ``\Z``.

    A trailing ``.*`` that says nothing is dropped.
    """
    start = end = False
    if pattern.startswith("^"):
        start, pattern = True, pattern[1:]
    elif pattern.startswith("\\A"):
        start, pattern = True, pattern[2:]
    if pattern.endswith(".*") and not _escaped(pattern, 2):
        return start, False, pattern[:-2]
    if pattern.endswith("$") and not _escaped(pattern, 1):
        end, pattern = True, pattern[:-1]
    elif pattern.endswith("\\Z") and not _escaped(pattern, 2):
        end, pattern = True, pattern[:-2]
    return start, end, pattern


def _escaped(pattern: str, length: int) -> bool:
    """True if the last `length` letters stand behind an odd number of backslashes."""
    before = pattern[:-length]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def literal(text: str) -> str | None:
    """The only string that `text` (a pattern without its anchors) matches; None where it is no plain literal."""
    plain, rest = _read(text)
    return plain if not rest else None


def prefix(text: str) -> str:
    """A string that everything `text` matches begins with; empty where there is none to be sure of."""
    if "|" in text or "(?" in text or "(*" in text:
        return ""
    plain, rest = _read(text)
    # A quantifier belongs to the last letter.
    return plain[:-1] if rest[:1] in ("*", "?", "{", "+") else plain


def _read(text: str) -> tuple[str, str]:
    letters: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            if at + 1 >= len(text) or (text[at + 1].isascii() and text[at + 1].isalnum()):
                break
            letter = text[at + 1]
            at += 1
        elif letter in _SPECIAL:
            break
        letters.append(letter)
        at += 1
    return "".join(letters), text[at:]
