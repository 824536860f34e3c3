"""`$rename`: move a value from one path to another (MongoDB manual: $rename)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.update import Block, Modifier, Run, UpdateScope
from kato_compat.values.element import element
from kato_compat.values.missing import MISSING
from kato_compat.values.order import compare
from kato_compat.values.paths import Path, fields_of, split
from kato_compat.values.validity import MAX_DEPTH, depth_of, too_deep


@register
@dataclass(frozen=True, slots=True)
class Rename(Modifier):
    """`$rename`: the target of a renaming; its source has a `Renamed` in the tree of paths."""

    spec: ClassVar[Spec] = Spec(
        "$rename",
        Kind.UPDATE,
        "1.0",
        "Moves a field's value to another path, in place of what is there; does nothing where the field is missing.",
        examples=(
            Example(
                ({"_id": 1, "a": {"b": 5}, "c": 6},),
                {"$rename": {"a.b": "c", "x": "y"}},
                [{"_id": 1, "a": {}, "c": 5}],
            ),
        ),
    )
    source: Path

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """The modifier of the target path, which is the (checked) string `operand`, for the source `path`.

        Raises 2 where the two are the same, or on the same path, or have a positional component.
        """
        target = split(operand)
        shown = element(".".join(path), operand)
        if path == target:
            raise fail(2, f"The source and target field for $rename must differ: {shown}")
        common = min(len(path), len(target))
        if path[:common] == target[:common]:
            raise fail(2, f"The source and target field for $rename must not be on the same path: {shown}")
        if any(map(_is_dynamic, path)):
            raise fail(2, f"The source field for $rename may not be dynamic: {'.'.join(path)}")
        if any(map(_is_dynamic, target)):
            raise fail(2, f"The destination field for $rename may not be dynamic: {operand}")
        return cls(path)

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`: an equal value stays as it is."""
        moved = self._moved(path, run)
        return value if moved is MISSING or compare(moved, value) == 0 else moved

    def create(self, path: Path, run: Run) -> Any:
        """See `Modifier.create`."""
        return self._moved(path, run)

    def blocked(self, path: Path, run: Run, block: Block) -> None:
        """See `Modifier.blocked`."""
        if self._moved(path, run) is not MISSING:
            raise block.uncreatable(path)

    def _moved(self, target: Path, run: Run) -> Any:
        value = find(self.source, run)
        if value is MISSING:
            return value
        name = _array_above(self.source, run.document)
        if name is not None:
            raise _through_array("source", self.source, name, run)
        name = _array_above(target, run.document)
        if name is not None:
            raise _through_array("destination", target, name, run)
        if len(target) + depth_of(value) > MAX_DEPTH:
            raise too_deep()
        return value


class Renamed(Modifier):
    """The source of a renaming: its value goes away. `$rename` is its operator."""

    __slots__ = ()
    creates = False

    @classmethod
    def parse(cls, path: Path, operand: Any, scope: UpdateScope) -> Modifier:
        """See `Modifier.parse`."""
        return cls()

    def update(self, value: Any, path: Path, run: Run) -> Any:
        """See `Modifier.update`."""
        return MISSING

    def blocked(self, path: Path, run: Run, block: Block) -> None:
        """See `Modifier.blocked`: the target raises the error for a source that cannot be."""


def find(path: Path, run: Run) -> Any:
    """What `path` leads to in the document, through arrays by index; MISSING if it leads nowhere.

    Raises 28 for a path that cannot exist beside what is there.
    """
    value: Any = run.document
    for position, name in enumerate(path):
        holder = value
        fields = fields_of(value)
        if fields is not None:
            value = fields.get(name, MISSING)
        elif type(value) is list and name.isascii() and name.isdigit():
            value = value[int(name)] if int(name) < len(value) else MISSING
        else:
            raise fail(
                28,
                f"cannot use the part ({path[position - 1]} of {'.'.join(path)}) to traverse the element "
                f"({{{element(path[position - 1], holder)}}})",
            )
        if value is MISSING:
            return value
    return value


def _array_above(path: Path, document: dict[str, Any]) -> str | None:
    """The name of an array that `path` goes through (the last component does not count), or None."""
    value: Any = document
    for name in path[:-1]:
        fields = fields_of(value)
        value = MISSING if fields is None else fields.get(name, MISSING)
        if type(value) is list:
            return name
    return None


def _through_array(which: str, path: Path, name: str, run: Run) -> Exception:
    return fail(
        2,
        f"The {which} field cannot be an array element, '{'.'.join(path)}' in doc with {run.identity} has an array "
        f"field called '{name}'",
    )


def _is_dynamic(component: str) -> bool:
    return component == "$" or (component.startswith("$[") and component.endswith("]"))
