"""`$unwind`: a document for each element of an array."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from bson.int64 import Int64

from kato_compat.errors import fail
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.ir.stage import Documents, Environment, Running, Stage, StageContext, Starter
from kato_compat.operators.stage.path import setter
from kato_compat.operators.stage.transform import Transform
from kato_compat.values.missing import MISSING
from kato_compat.values.naming import document_path
from kato_compat.values.paths import Path
from kato_compat.values.types import alias_of


@register
@dataclass(frozen=True, slots=True)
class Unwind(Stage):
    """`$unwind` (MongoDB manual: $unwind). The path goes through documents only, not through arrays."""

    spec: ClassVar[Spec] = Spec(
        "$unwind",
        Kind.STAGE,
        "2.2",
        "Gives a document for each element of an array.",
        examples=(
            Example(
                ({"_id": 1, "a": [1, 2]}, {"_id": 2, "a": []}),
                [{"$unwind": "$a"}],
                [{"_id": 1, "a": 1}, {"_id": 1, "a": 2}],
            ),
            Example(
                ({"_id": 1, "a": ["x"]}, {"_id": 2, "a": []}, {"_id": 3, "a": "y"}),
                [{"$unwind": {"path": "$a", "includeArrayIndex": "i", "preserveNullAndEmptyArrays": True}}],
                [{"_id": 1, "a": "x", "i": Int64(0)}, {"_id": 2, "i": None}, {"_id": 3, "a": "y", "i": None}],
            ),
        ),
    )
    path: Path
    keep_empty: bool = False
    index: Path | None = None

    @classmethod
    def parse(cls, operand: Any, context: StageContext) -> "Unwind":
        """See `Stage.parse`. Raises 15981, 28808 to 28812, 28818 and 28822 as the server does."""
        path: Any = None
        keep_empty, index = False, None
        if type(operand) is str:
            path = operand
        elif type(operand) is dict:
            for name, value in operand.items():
                if name == "path":
                    if type(value) is not str:
                        raise fail(28808, f"expected a string as the path for $unwind stage, got {alias_of(value)}")
                    path = value
                elif name == "preserveNullAndEmptyArrays":
                    if type(value) is not bool:
                        raise fail(
                            28809,
                            "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, "
                            f"got {alias_of(value)}",
                        )
                    keep_empty = value
                elif name == "includeArrayIndex":
                    if type(value) is not str or not value:
                        raise fail(
                            28810,
                            "expected a non-empty string for the includeArrayIndex option to $unwind stage, "
                            f"got {alias_of(value)}",
                        )
                    if value.startswith("$"):
                        raise fail(
                            28822,
                            f"includeArrayIndex option to $unwind stage should not be prefixed with a '$': {value}",
                        )
                    index = document_path(value)
                else:
                    raise fail(28811, f"unrecognized option to $unwind stage: {name}")
        else:
            raise fail(
                15981,
                f"expected either a string or an object as specification for $unwind stage, got {alias_of(operand)}",
            )
        if not path:
            raise fail(28812, "no path specified to $unwind stage")
        if not path.startswith("$"):
            raise fail(28818, f"path option to $unwind stage should be prefixed with a '$': {path}")
        return cls(document_path(path[1:]), keep_empty, index)

    def start(self, environment: Environment) -> Running:
        """See `Stage.start`."""
        return Transform(_unwinder(self.path, self.keep_empty, self.index))

    def prepare(self, environment: Environment) -> Starter:
        """See `Stage.prepare`."""
        running = self.start(environment)
        return lambda: running


def _unwinder(path: Path, keep_empty: bool, index: Path | None) -> Callable[[Documents], Documents]:
    put = setter(path)
    put_index = setter(index) if index else None
    name = path[0]
    single = len(path) == 1

    def unwind(batch: Documents) -> Documents:
        result: Documents = []
        for document in batch:
            if single:
                value = document.get(name, MISSING)
            else:
                value = _lookup(document, path)
            if type(value) is list:
                if value:
                    if single and put_index is None:
                        result.extend([{**document, name: item} for item in value])
                    else:
                        for number, item in enumerate(value):
                            each = put(document, item)
                            result.append(each if put_index is None else put_index(each, Int64(number)))
                    continue
                if not keep_empty:
                    continue
                document = put(document, MISSING)
            elif (value is None or value is MISSING) and not keep_empty:
                continue
            result.append(document if put_index is None else put_index(document, None))
        return result

    return unwind


def _lookup(document: Any, path: Path) -> Any:
    for name in path:
        if type(document) is not dict:
            return MISSING
        document = document.get(name, MISSING)
    return document
