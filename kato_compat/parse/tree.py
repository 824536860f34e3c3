"""Building the tree of an update: the rules of update paths and of array filters.

MongoDB manual: Array Update Operators, ``$[<identifier>]``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from kato_compat.errors import fail
from kato_compat.ir.predicate import compile_predicate
from kato_compat.ir.update import ArrayNode, Modifier, Node, ObjectNode, TooDeep, UpdateScope
from kato_compat.values.document import Document
from kato_compat.values.paths import Path, fields_of
from kato_compat.values.types import alias_of
from kato_compat.values.validity import MAX_DEPTH, too_deep

#: The names that array filters may use.
_IDENTIFIER: Final = re.compile(r"[a-z][a-zA-Z0-9]*")


def parse_array_filters(raw: list[Any], scope: UpdateScope) -> dict[str, Callable[[Any], bool]]:
    """The tests of array elements that the array filters `raw` define, by identifier.

    Raises 9 for a filter without a field name, with several, or with another filter's; 2 for an invalid name, 14 for
    what is no document, and what the filter raises.
    """
    filters: dict[str, Callable[[Any], bool]] = {}
    for position, document in enumerate(raw):
        fields = fields_of(document)
        if fields is None:
            raise fail(
                14,
                f"BSON field 'update.updates.arrayFilters.{position}' is the wrong type '{alias_of(document)}', "
                "expected type 'object'",
            )
        matches = compile_predicate(scope.predicate(fields))
        name = _placeholder(fields)
        if name is None:
            raise fail(9, "Cannot use an expression without a top-level field name in arrayFilters")
        if not _IDENTIFIER.fullmatch(name):
            raise fail(
                2,
                "Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string "
                f"beginning with a lowercase letter, found '{name}'",
            )
        if name in filters:
            raise fail(9, f"Found multiple array filters with the same top-level field name {name}")
        filters[name] = _element_test(name, matches)
    return filters


def _element_test(name: str, matches: Callable[[Document], bool]) -> Callable[[Any], bool]:
    return lambda item: matches({name: item})


def _placeholder(raw: Mapping[str, Any]) -> str | None:
    """The one top-level field name that an array filter uses, None where it uses none. Raises 9 for several."""
    found: str | None = None
    for key, value in raw.items():
        names: list[str | None] = []
        if not key.startswith("$"):
            names.append(key.split(".")[0])
        elif key in ("$and", "$or", "$nor"):
            names.extend(map(_placeholder, value))
        for name in names:
            if name is None or name == found:
                continue
            if found is not None:
                raise fail(
                    9,
                    "Error parsing array filter :: caused by :: Expected a single top-level field name, found "
                    f"'{found}' and '{name}'",
                )
            found = name
    return found


class _Branch:
    """An inner node while the tree is built; `array` if its children are array filter identifiers."""

    __slots__ = ("array", "children")

    def __init__(self, array: bool) -> None:
        self.array = array
        self.children: dict[str, _Branch | Modifier] = {}


class Tree:
    """The tree of the paths of one update while it is parsed.

    `used` are the array filters that have occurred, `positional` is True once a path has a ``$``.
    """

    __slots__ = ("_filters", "_root", "positional", "used")

    def __init__(self, filters: Mapping[str, Callable[[Any], bool]]) -> None:
        self._filters = filters
        self._root = _Branch(False)
        self.positional = False
        self.used: set[str] = set()

    def path(self, dotted: str) -> Path:
        """The components of a path that may be updated. Raises 56 for an empty one, 2 for a misplaced ``$``."""
        if not dotted:
            raise fail(56, "An empty update path is not valid.")
        path = tuple(dotted.split("."))
        if not all(path):
            raise fail(56, f"The update path '{dotted}' contains an empty field name, which is not allowed.")
        if "$" in path:
            if path.count("$") > 1:
                raise fail(2, f"Too many positional (i.e. '$') elements found in path '{dotted}'")
            if path[0] == "$":
                raise fail(2, f"Cannot have positional (i.e. '$') element in the first position in path '{dotted}'")
            self.positional = True
        return path

    def add(self, path: Path, modifier: Modifier) -> None:
        """Put `modifier` at `path`.

        Raises 40 for a conflict with another path, 2 for an unknown identifier, 15 for an operand that nests too deep.
        """
        if modifier.stores and 1 + modifier.levels > MAX_DEPTH:
            raise too_deep()  # its operand can be stored nowhere
        if len(path) + modifier.levels > MAX_DEPTH:
            modifier = TooDeep(modifier)
        branch = self._root
        last = len(path) - 1
        for position, part in enumerate(path):
            name = self._identifier(path, position) if _is_identifier(part) else part
            there = branch.children.get(name)
            if position == last:
                if there is not None:
                    raise _conflict(path, path)
                branch.children[name] = modifier
                return
            array = _is_identifier(path[position + 1])
            if there is None:
                there = branch.children[name] = _Branch(array)
            elif not isinstance(there, _Branch) or there.array is not array:
                raise _conflict(path, path[: position + 1])
            branch = there

    @property
    def names(self) -> frozenset[str]:
        """The top-level fields of all paths."""
        return frozenset(self._root.children)

    def root(self) -> ObjectNode:
        """The finished tree."""
        return ObjectNode({name: _node(child, self._filters) for name, child in self._root.children.items()})

    def _identifier(self, path: Path, position: int) -> str:
        dotted = ".".join(path)
        if position == 0:
            raise fail(
                2,
                "Cannot have array filter identifier (i.e. '$[<id>]') element in the first position in path "
                f"'{dotted}'",
            )
        name = path[position][2:-1]
        if name:
            if name not in self._filters:
                raise fail(2, f"No array filter found for identifier '{name}' in path '{dotted}'")
            self.used.add(name)
        return name


def _node(branch: "_Branch | Modifier", filters: Mapping[str, Callable[[Any], bool]]) -> Node:
    if isinstance(branch, Modifier):
        return branch
    children = {name: _node(child, filters) for name, child in branch.children.items()}
    if branch.array:
        return ArrayNode(children, filters)
    positional = children.pop("$", None)
    return ObjectNode(children, positional)


def _is_identifier(part: str) -> bool:
    return len(part) > 2 and part.startswith("$[") and part.endswith("]")


def _conflict(path: Path, at: Path) -> Exception:
    return fail(40, f"Updating the path '{'.'.join(path)}' would create a conflict at '{'.'.join(at)}'")
