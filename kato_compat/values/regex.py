"""Regular expressions as MongoDB means them: PCRE2 in UTF mode with ASCII classes (MongoDB manual: $regex)."""

from functools import lru_cache
from typing import Any, Final

import regex

from kato_compat.errors import fail
from kato_compat.values.cursor import InvalidPattern
from kato_compat.values.pcre import translate

_OPTIONS: Final = frozenset("imsxu")
_MAX_LENGTH: Final = 32764


@lru_cache(maxsize=1024)
def compile_regex(pattern: str, options: str = "") -> Any:
    r"""A compiled pattern of the `regex` library that matches what PCRE2 does for `pattern` and `options`.

    Options are the letters ``imsxu``; ``\w \d \s \b`` are ASCII, the rest of the pattern is Unicode. Raises 51108
    for another letter, 51091 for a pattern that PCRE2 refuses, 2 for one with a null byte or too long.
    """
    for letter in options:
        if letter not in _OPTIONS:
            raise fail(51108, f"invalid flag in regex options: {letter}")
    if "\0" in pattern:
        raise fail(2, "Regular expression cannot contain an embedded null byte")
    if len(pattern.encode()) > _MAX_LENGTH:
        raise fail(51091, "Regular expression is invalid: pattern string is longer than the limit")
    flags = regex.V0 | (regex.IGNORECASE if "i" in options else 0)
    try:
        return regex.compile(translate(pattern, options), flags)
    except (InvalidPattern, regex.error) as error:
        raise fail(51091, f"Regular expression is invalid: {error}") from error
