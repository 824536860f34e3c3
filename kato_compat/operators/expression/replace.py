"""`$trim` and its sides, `$replaceOne` and `$replaceAll`: strings with parts taken away or exchanged."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.show import shown
from kato_compat.values.types import alias_of

# MongoDB manual: $trim (aggregation), Whitespace Characters.
_WHITESPACE: Final = "\0\t\n\v\f\r \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))


@dataclass(frozen=True, slots=True)
class Trimming(Operation):
    """The base of `$trim`, `$ltrim` and `$rtrim`."""

    strip: ClassVar[Callable[[str, str], str]]

    text: Expression
    characters: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 50694 to 50696."""
        name = cls.spec.name
        if type(operand) is not dict:
            raise fail(50696, f"{name} only supports an object as an argument, found {alias_of(operand)}")
        for field in operand:
            if field not in ("input", "chars"):
                raise fail(50694, f"{name} found an unknown argument: {field}")
        if "input" not in operand:
            raise fail(50695, f"{name} requires an 'input' field")
        return cls(context.parse(operand["input"]), context.parse(operand["chars"]) if "chars" in operand else None)

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.text,) if self.characters is None else (self.text, self.characters)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        name, strip = self.spec.name, type(self).strip
        text = self.text.compile()
        characters = None if self.characters is None else self.characters.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            value = text(root, frame)
            if value is None or value is MISSING:
                return None
            if type(value) is not str:
                raise fail(
                    50699,
                    f"{name} requires its input to be a string, got {shown(value)} "
                    f"(of type {alias_of(value)}) instead.",
                )
            if characters is None:
                return strip(value, _WHITESPACE)
            chosen = characters(root, frame)
            if chosen is None or chosen is MISSING:
                return None
            if type(chosen) is not str:
                raise fail(
                    50700,
                    f"{name} requires 'chars' to be a string, got {shown(chosen)} "
                    f"(of type {alias_of(chosen)}) instead.",
                )
            return strip(value, chosen)

        return evaluate


def _trim(name: str, where: str, strip: Callable[[str, str], str], example: str) -> None:
    register(
        type(
            name[1:].capitalize(),
            (Trimming,),
            {
                "__doc__": f"`{name}`: a string without some characters {where} (MongoDB manual: {name}).",
                "__module__": __name__,
                "__slots__": (),
                "strip": staticmethod(strip),
                "spec": Spec(
                    name,
                    Kind.EXPRESSION,
                    "4.0",
                    f"A string without whitespace (or the given characters) {where}.",
                    examples=(
                        Example(({"s": "  ggood  bye "},), {name: {"input": "$s", "chars": " ge"}}, [example]),
                        Example(({"s": "x"}, {}), {name: {"input": "$s"}}, ["x", None]),
                    ),
                ),
            },
        )
    )


_trim("$trim", "at both ends", str.strip, "ood  by")
_trim("$ltrim", "at its beginning", str.lstrip, "ood  bye ")
_trim("$rtrim", "at its end", str.rstrip, "  ggood  by")


@dataclass(frozen=True, slots=True)
class Replacing(Operation):
    """The base of `$replaceOne` and `$replaceAll`."""

    count: ClassVar[int]

    text: Expression
    find: Expression
    replacement: Expression

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 51747 to 51751."""
        name = cls.spec.name
        if type(operand) is not dict:
            raise fail(51751, f"{name} requires an object as an argument, found: {alias_of(operand)}")
        for field in operand:
            if field not in ("input", "find", "replacement"):
                raise fail(51750, f"{name} found an unknown argument: {field}")
        for field, code in (("input", 51749), ("find", 51748), ("replacement", 51747)):
            if field not in operand:
                raise fail(code, f"{name} requires '{field}' to be specified")
        return cls(*(context.parse(operand[field]) for field in ("input", "find", "replacement")))

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.text, self.find, self.replacement)

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        name, count = self.spec.name, type(self).count
        text, find, replacement = self.text.compile(), self.find.compile(), self.replacement.compile()

        def checked(value: Any, what: str, code: int) -> str | None:
            if type(value) is str:
                return value
            if value is None or value is MISSING:
                return None
            raise fail(code, f"{name} requires that '{what}' be a string, found: {shown(value)}")

        def evaluate(root: Any, frame: Frame) -> Any:
            given, sought, put = text(root, frame), find(root, frame), replacement(root, frame)
            # All three are checked before null decides.
            subject = checked(given, "input", 10503904)
            old = checked(sought, "find", 10503901)
            new = checked(put, "replacement", 10503902)
            if subject is None or old is None or new is None:
                return None
            if not old and count < 0 and not subject.isascii():
                return _between_bytes(subject, new)
            return subject.replace(old, new, count)

        return evaluate


def _between_bytes(subject: str, new: str) -> str:
    # The server puts the text between bytes here, which cannot be a string unless nothing is put.
    if not new:
        return subject
    raise fail(22, "$replaceAll with an empty 'find' would put text inside a UTF-8 character")


def _replace(name: str, which: str, count: int, example: str) -> None:
    register(
        type(
            name[1].upper() + name[2:],
            (Replacing,),
            {
                "__doc__": f"`{name}`: a string with {which} of a substring replaced (MongoDB manual: {name}).",
                "__module__": __name__,
                "__slots__": (),
                "count": count,
                "spec": Spec(
                    name,
                    Kind.EXPRESSION,
                    "4.4",
                    f"A string with {which} of a substring replaced.",
                    examples=(
                        Example(
                            ({"s": "blue paint, blue"}, {}),
                            {name: {"input": "$s", "find": "blue", "replacement": "red"}},
                            [example, None],
                        ),
                    ),
                ),
            },
        )
    )


_replace("$replaceOne", "the first occurrence", 1, "red paint, blue")
_replace("$replaceAll", "every occurrence", -1, "red paint, red")
