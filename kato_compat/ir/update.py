"""Updates as trees of paths, with modifiers at their leaves.

As on the server, all operators of one update are merged into one tree when it is parsed. So conflicting paths are
found before any document is read, each path is walked once, and new fields come in the order of the tree: field
names in code point order, array indexes in numeric order (MongoDB manual: Update Operators Behavior).

Nothing is changed in place: what an update does not touch is shared between the old and the new document.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cmp_to_key
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.spec import Spec
from kato_compat.values.element import element
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey
from kato_compat.values.paths import Path, fields_of
from kato_compat.values.validity import too_deep

#: How many nulls may be put before a new array element.
MAX_PADDING: Final = 1_500_000


class UpdateScope(Protocol):
    """What parsing an update offers to its operators (they never import `parse`)."""

    @property
    def now(self) -> datetime:
        """The time of the update, the same for all its documents."""

    @property
    def key(self) -> Callable[[Any], SortKey]:
        """The sort key of a value, by the collation of the update."""

    def predicate(self, raw: Any) -> Predicate:
        """Parse a filter document, by the collation of the update.

        Raises 224 for `$expr` in it, 2 for `$where` and `$text`.
        """


@dataclass(frozen=True, slots=True)
class Run:
    """One application of an update: to `document`, with the `position` of the match, `inserting` it or not."""

    document: dict[str, Any]
    position: int | None = None
    inserting: bool = False

    @property
    def identity(self) -> str:
        """The document's ``_id`` as messages show it."""
        return element("_id", self.document["_id"]) if "_id" in self.document else "no id"


@dataclass(frozen=True, slots=True)
class Block:
    """The value that stands in the way of a path, and how many components of the path lead to it."""

    value: Any
    length: int

    def uncreatable(self, path: Path) -> OperationFailure:
        """The error of a modifier that would have to create `path`."""
        holder = element(path[self.length - 1], self.value)
        return fail(28, f"Cannot create field '{path[self.length]}' in element {{{holder}}}")

    def untraversable(self, path: Path) -> OperationFailure:
        """The error of a modifier that creates nothing and still needs a path that could exist."""
        holder = element(path[self.length - 1], self.value)
        part, whole = path[self.length], ".".join(path)
        return fail(28, f"Cannot use the part ({part}) of ({whole}) to traverse the element ({{{holder}}})")


class Modifier(ABC):
    """A leaf: what one operator does to the value at one path. Instances are immutable.

    `creates`: makes the field, and the path to it, where it is missing. `insert_only`: has no effect unless an
    upsert inserts.
    """

    __slots__ = ()
    spec: ClassVar[Spec]
    creates: ClassVar[bool] = True
    insert_only: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> "Modifier":
        """The modifier of ``{$name: {path: operand}}``; raises the server's coded error for a wrong operand."""

    @abstractmethod
    def update(self, value: Any, path: Path, run: Run) -> Any:
        """What becomes of `value`, found at `path`: the same object for nothing, `MISSING` to remove it."""

    def create(self, path: Path, run: Run) -> Any:
        """The value of the new field `path`; `MISSING` to create nothing."""
        return MISSING

    def blocked(self, path: Path, run: Run, block: Block) -> None:
        """Called where `path` cannot exist: raise the server's error, or return for no effect."""
        raise block.uncreatable(path) if self.creates else block.untraversable(path)

    @property
    def stores(self) -> bool:
        """Whether what it is given is stored whenever the update changes a document."""
        return not self.insert_only

    @property
    def levels(self) -> int:
        """How many levels of nesting the modifier may put below its path."""
        return 0

    def existing(self, value: Any, path: Path, run: Run) -> Any:
        """See `Node`."""
        if self.insert_only and not run.inserting:
            return value
        return self.update(value, path, run)

    def absent(self, path: Path, run: Run, block: Block | None) -> Any:
        """See `Node`."""
        if self.insert_only and not run.inserting:
            return MISSING
        if block is None:
            return self.create(path, run)
        self.blocked(path, run, block)
        return MISSING


class TooDeep(Modifier):
    """A modifier whose new value would be nested deeper than a stored document may be: it may only do nothing."""

    __slots__ = ("_modifier",)

    def __init__(self, modifier: Modifier) -> None:
        self._modifier = modifier

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """Not an operator of its own."""
        raise TypeError("TooDeep wraps another modifier")

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        if self._modifier.existing(value, path, run) is value:
            return value
        raise too_deep()

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        if self._modifier.absent(path, run, None) is MISSING:
            return MISSING
        raise too_deep()

    def blocked(self, path: Path, run: Run, block: Block) -> None:
        """See `Modifier.blocked`."""
        self._modifier.absent(path, run, block)


class ObjectNode:
    """An inner node: updates of the fields of a document, or of the elements of an array by index.

    `children` by name in the order of application; `positional` is the update of the element that matched (``$``).
    """

    __slots__ = ("_merged", "children", "positional")

    def __init__(self, children: "Mapping[str, Node]", positional: "Node | None" = None) -> None:
        self.children: dict[str, Node] = {name: children[name] for name in sorted(children, key=ORDER)}
        self.positional = positional
        self._merged: dict[int, dict[str, Node]] = {}

    def existing(self, value: Any, path: Path, run: Run) -> Any:
        """The new value in place of `value`, found at `path`; the same object if nothing changes."""
        children = self.children if self.positional is None else self._with_positional(path, run)
        if type(value) is dict:
            return _update_fields(children, value, path, run)
        if type(value) is list:
            return _update_items(children, value, path, run)
        fields = fields_of(value)
        if fields is not None:
            changed = _update_fields(children, fields, path, run)
            return value if changed is fields else changed
        block = Block(value, len(path))
        for name, child in children.items():
            child.absent((*path, name), run, block)
        return value

    def absent(self, path: Path, run: Run, block: Block | None) -> Any:
        """The new value at `path`, which does not exist; `MISSING` if nothing is created there."""
        children = self.children if self.positional is None else self._with_positional(path, run)
        if block is None:
            return _update_fields(children, {}, path, run) or MISSING
        for name, child in children.items():
            child.absent((*path, name), run, block)
        return MISSING

    def _with_positional(self, path: Path, run: Run) -> "dict[str, Node]":
        if run.position is None or self.positional is None:
            raise fail(2, "The positional operator did not find the match needed from the query.")
        merged = self._merged.get(run.position)
        if merged is None:
            name = str(run.position)
            both = dict(self.children)
            there = both.get(name)
            both[name] = self.positional if there is None else merge(self.positional, there, (*path, name))
            merged = self._merged[run.position] = {key: both[key] for key in sorted(both, key=ORDER)}
        return merged


class ArrayNode:
    """An inner node: updates of all elements of an array (``$[]``, the identifier "") or of those a filter matches.

    `filters` are the tests of the identifiers.
    """

    __slots__ = ("_merged", "children", "filters")

    def __init__(self, children: "Mapping[str, Node]", filters: Mapping[str, Callable[[Any], bool]]) -> None:
        self.children: dict[str, Node] = {name: children[name] for name in sorted(children, key=ORDER)}
        self.filters = filters
        self._merged: dict[tuple[str, ...], Node] = {}

    def existing(self, value: Any, path: Path, run: Run) -> Any:
        """See `ObjectNode.existing`. Raises 2 for what is no array."""
        if type(value) is not list:
            raise fail(2, f"Cannot apply array updates to non-array element {element(path[-1], value)}")
        result: list[Any] | None = None
        for index, item in enumerate(value):
            names = tuple(name for name in self.children if not name or self.filters[name](item))
            if not names:
                continue
            place = (*path, str(index))
            new = self._node(names, place).existing(item, place, run)
            if new is item:
                continue
            if result is None:
                result = list(value)
            result[index] = None if new is MISSING else new
        return value if result is None else result

    def absent(self, path: Path, run: Run, block: Block | None) -> Any:
        """Raises 2: there is no array to update."""
        raise fail(2, f"The path '{'.'.join(path)}' must exist in the document in order to apply array updates.")

    def _node(self, names: tuple[str, ...], path: Path) -> "Node":
        node = self._merged.get(names)
        if node is None:
            node = self.children[names[0]]
            for name in names[1:]:
                node = merge(node, self.children[name], path)
            self._merged[names] = node
        return node


#: A node of an update. `existing(value, path, run)` gives what becomes of a value, `absent(path, run, block)` what is
#: created where there is none; with a `block` nothing can be created, and those that need to raise.
Node: TypeAlias = Modifier | ObjectNode | ArrayNode


def merge(left: Node, right: Node, path: Path) -> Node:
    """Both updates of one value as one. Raises 40 where they conflict."""
    if isinstance(left, ObjectNode) and isinstance(right, ObjectNode):
        positional = left.positional or right.positional
        if left.positional is not None and right.positional is not None:
            positional = merge(left.positional, right.positional, (*path, "$"))
        return ObjectNode(_merge_children(left.children, right.children, path, "{}"), positional)
    if isinstance(left, ArrayNode) and isinstance(right, ArrayNode):
        return ArrayNode(_merge_children(left.children, right.children, path, "$[{}]"), left.filters)
    raise fail(40, f"Update created a conflict at '{'.'.join(path)}'")


def _merge_children(left: Mapping[str, Node], right: Mapping[str, Node], path: Path, form: str) -> dict[str, Node]:
    both = dict(left)
    for name, node in right.items():
        both[name] = merge(both[name], node, (*path, form.format(name))) if name in both else node
    return both


def _update_fields(children: Mapping[str, Node], value: dict[str, Any], path: Path, run: Run) -> dict[str, Any]:
    result = value
    for name, child in children.items():
        current = value.get(name, MISSING)
        if current is MISSING:
            new = child.absent((*path, name), run, None)
        else:
            new = child.existing(current, (*path, name), run)
        if new is current:
            continue
        if result is value:
            result = dict(value)
        if new is MISSING:
            del result[name]
        else:
            result[name] = new
    return result


def _update_items(children: Mapping[str, Node], value: list[Any], path: Path, run: Run) -> list[Any]:
    result = value
    for name, child in children.items():
        place = (*path, name)
        index = int(name) if name.isascii() and name.isdigit() else -1
        if index < 0:
            child.absent(place, run, Block(value, len(path)))
            continue
        if index < len(result):
            current = result[index]
            new = child.existing(current, place, run)
            if new is current:
                continue
            if result is value:
                result = list(value)
            # Removing an element would move the others: it becomes null.
            result[index] = None if new is MISSING else new
            continue
        new = child.absent(place, run, None)
        if new is MISSING:
            continue
        if index - len(result) > MAX_PADDING:
            raise fail(34, f"can't backfill more than {MAX_PADDING} elements")
        result = [*result, *([None] * (index - len(result))), new]
    return result


def _compare(left: str, right: str) -> int:
    if _is_number(left) and _is_number(right):
        a, b = int(left), int(right)
        return (a > b) - (a < b)
    return (left > right) - (left < right)


def _is_number(name: str) -> bool:
    # A number padded with zeros is a name like any other.
    return name.isascii() and name.isdigit() and (name[0] != "0" or len(name) == 1)


#: The order in which the children of a node are applied, as a sort key of their names.
ORDER: Final[Callable[[str], Any]] = cmp_to_key(_compare)
