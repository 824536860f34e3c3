"""One step of many: the steps of several documents with their checks and commands put together.

A thousand insertions are a thousand times the same few commands on other keys; Redis makes one command with a thousand
keys in a fraction of the time. It may be done where the documents' commands do not meet: insertions of different
documents, or removals of them.
"""

from collections.abc import Iterable
from typing import Final

from kato_compat.ir.requests import Argument, Command
from kato_compat.ir.transact import Absent, Check

#: The most words of a command that many were put together in: Lua cannot unpack any number. Even, for pairs.
_WORDS: Final = 4000
#: Commands that name keys only, by what names many: the others name a key first, and then what is in it.
_KEYS: Final = {"DEL": "DEL", "SET": "MSET"}


def merged_commands(commands: Iterable[Command]) -> list[Command]:
    """Commands of documents that do not meet, those of a kind on one key as one."""
    words: dict[Command, list[Argument]] = {}
    for command in commands:
        name = command[0]
        if name in _KEYS:
            words.setdefault((_KEYS[str(name)],), []).extend(command[1:])
        else:
            rest = words.setdefault(command[:2], [])
            if name != "SADD" or command[2:] != tuple(rest):
                rest.extend(command[2:])
    return [(*head, *part) for head, rest in words.items() for part in _parts(rest)]


def merged_checks(checks: Iterable[Check]) -> list[Check]:
    """Checks that hold if all of `checks` do, and no more often: those that something is not there as one."""
    found: dict[Check, None] = {}
    keys: list[Argument] = []
    fields: dict[Argument, list[Argument]] = {}
    for check in checks:
        command, expected = check.command, check.expected
        match command[0], expected:
            case ("GET", (None,)) | ("EXISTS", (0,)):
                keys.append(command[1])
            case ("HGET", (None,)) | ("HEXISTS", (0,)):
                fields.setdefault(command[1], []).append(command[2])
            case _:
                found[check] = None
    return [
        *found,
        *(Check(("EXISTS", *part), (0,)) for part in _parts(keys)),
        *(Check(("HMGET", key, *part), (Absent(),)) for key, names in fields.items() for part in _parts(names)),
    ]


def _parts(words: list[Argument]) -> list[list[Argument]]:
    return [words[start : start + _WORDS] for start in range(0, len(words), _WORDS)]


__all__ = ["merged_checks", "merged_commands"]
