"""`$regexFind`, `$regexFindAll` and `$regexMatch`: regular expressions applied to strings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from bson.regex import Regex
from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.expression import Evaluator, Expression, ExpressionContext, Frame, Literal, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Example, Kind, Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.order import regex_parts
from kato_compat.values.regex import compile_regex
from kato_compat.values.types import alias_of


def _compiled(pattern: Any, options: Any, name: str) -> Any:
    """The compiled regular expression of the two arguments' values, None for a null or missing pattern.

    Raises 51105 and 51106 for wrong types, 51107 for options given twice, 51108 for an unknown option, 51109 and
    51110 for null bytes, 51111 for a pattern that is none.
    """
    nothing = pattern is None or pattern is MISSING
    if not nothing and type(pattern) is not str and type(pattern) is not Regex:
        raise fail(51105, f"{name} needs 'regex' to be of type string or regex")
    given = options is not None and options is not MISSING
    if given and type(options) is not str:
        raise fail(51106, f"{name} needs 'options' to be of type string")
    letters = options if given else ""
    text = pattern
    if type(pattern) is Regex:
        text, own = regex_parts(pattern)
        if own and given:
            raise fail(51107, f"{name}: found regex option(s) specified in both 'regex' and 'option' fields")
        letters = own or letters
    if not nothing and "\0" in text:
        raise fail(51109, f"{name}: regular expression cannot contain an embedded null byte")
    if "\0" in letters:
        raise fail(51110, f"{name}: regular expression options cannot contain an embedded null byte")
    if nothing:
        return None
    try:
        return compile_regex(text, letters)
    except OperationFailure as error:
        if error.code != 51091:
            raise
        raise fail(51111, f"Invalid Regex in {name}: {(error.details or {}).get('errmsg', '')}") from error


def _found(match: Any) -> dict[str, Any]:
    return {"match": match.group(), "idx": match.start(), "captures": list(match.groups())}


def _first(pattern: Any, text: str) -> dict[str, Any] | None:
    match = pattern.search(text)
    return None if match is None else _found(match)


def _all(pattern: Any, text: str) -> list[dict[str, Any]]:
    """Matches from left to right that do not overlap; the end of a text that is not empty is not tried."""
    found = []
    position = 0
    while True:
        match = pattern.search(text, position)
        if match is None:
            break
        found.append(_found(match))
        # A search never starts before the last match began, nor twice at an empty one.
        position = match.end() if match.end() > match.start() else match.start() + 1
        if position >= len(text):
            break
    return found


@dataclass(frozen=True, slots=True)
class Matching(Operation):
    """The base of the three operators."""

    function: ClassVar[Callable[[Any, str], Any]]
    nothing: ClassVar[Callable[[], Any]]  # makes the answer where text or pattern is null

    text: Expression
    pattern: Expression
    options: Expression | None

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> Expression:
        """See `Operation.parse`. Raises 51103 and 31022 to 31024; constant patterns are compiled at once."""
        name = cls.spec.name
        if type(operand) is not dict:
            raise fail(51103, f"{name} expects an object of named arguments but found: {alias_of(operand)}")
        for field in operand:
            if field not in ("input", "regex", "options"):
                raise fail(31024, f"{name} found an unknown argument: {field}")
        if "input" not in operand:
            raise fail(31022, f"{name} requires 'input' parameter")
        if "regex" not in operand:
            raise fail(31023, f"{name} requires 'regex' parameter")
        node = cls(
            context.parse(operand["input"]),
            context.parse(operand["regex"]),
            context.parse(operand["options"]) if "options" in operand else None,
        )
        node._constant()
        return node

    @property
    def children(self) -> tuple[Expression, ...]:
        """See `Expression.children`."""
        return (self.text, self.pattern) if self.options is None else (self.text, self.pattern, self.options)

    def _constant(self) -> tuple[Any] | None:
        """The compiled pattern, if pattern and options are constant; raises what `_compiled` raises."""
        options = Literal(None) if self.options is None else self.options
        if isinstance(self.pattern, Literal) and isinstance(options, Literal):
            return (_compiled(self.pattern.value, options.value, self.spec.name),)
        return None

    def compile(self) -> Evaluator:
        """See `Expression.compile`."""
        name, function, nothing = self.spec.name, type(self).function, type(self).nothing
        text = self.text.compile()
        constant = self._constant()
        pattern = self.pattern.compile()
        options = Literal(None).compile() if self.options is None else self.options.compile()

        def evaluate(root: Any, frame: Frame) -> Any:
            value = text(root, frame)
            if constant is None:
                compiled = _compiled(pattern(root, frame), options(root, frame), name)
            else:
                (compiled,) = constant
            if value is None or value is MISSING:
                return nothing()
            if type(value) is not str:
                raise fail(51104, f"{name} needs 'input' to be of type string")
            return nothing() if compiled is None else function(compiled, value)

        return evaluate


def _matching(spec: Spec, function: Callable[[Any, str], Any], nothing: Callable[[], Any]) -> None:
    """Register the operator of `spec`."""
    register(
        type(
            spec.name[1].upper() + spec.name[2:],
            (Matching,),
            {
                "__doc__": f"`{spec.name}`: {spec.summary} (MongoDB manual: {spec.name}).",
                "__module__": __name__,
                "__slots__": (),
                "spec": spec,
                "function": staticmethod(function),
                "nothing": staticmethod(nothing),
            },
        )
    )


_matching(
    Spec(
        "$regexFind",
        Kind.EXPRESSION,
        "4.2",
        "The first match of a regular expression: text, code point index and captures; null without one.",
        examples=(
            Example(
                ({"s": "été: First"}, {"s": "none"}, {}),
                {"$regexFind": {"input": "$s", "regex": "(F)(x)?irst", "options": "i"}},
                [{"match": "First", "idx": 5, "captures": ["F", None]}, None, None],
            ),
        ),
    ),
    _first,
    lambda: None,
)
_matching(
    Spec(
        "$regexFindAll",
        Kind.EXPRESSION,
        "4.2",
        "All matches of a regular expression that do not overlap: texts, code point indexes and captures.",
        examples=(
            Example(
                ({"s": "a1b22"}, {}),
                {"$regexFindAll": {"input": "$s", "regex": Regex("[0-9]+")}},
                [[{"match": "1", "idx": 1, "captures": []}, {"match": "22", "idx": 3, "captures": []}], []],
            ),
        ),
    ),
    _all,
    list,
)
_matching(
    Spec(
        "$regexMatch",
        Kind.EXPRESSION,
        "4.2",
        "True if a regular expression matches somewhere in a string.",
        examples=(
            Example(
                ({"s": "First line"}, {"s": "x"}, {}),
                {"$regexMatch": {"input": "$s", "regex": "line$"}},
                [True, False, False],
            ),
        ),
    ),
    lambda pattern, text: pattern.search(text) is not None,
    lambda: False,
)
