"""Projections as trees, and their compilation to functions from document to document.

Three forms (MongoDB manual: Project Fields, $project, $addFields): an inclusion keeps the named paths in the
document's own field order and puts computed fields after them in the order of the specification; an exclusion drops
the named paths; an addition keeps everything and sets computed fields in place. All of them follow arrays, nested
arrays too. Rewrites (`$slice`, positional `$`) then act on what the form gave.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, TypeAlias

from kato_compat.ir.expression import Evaluator, Expression, Frame, new_frame, roots
from kato_compat.ir.spec import Spec
from kato_compat.values.missing import MISSING
from kato_compat.values.paths import Path, fields_of

Document: TypeAlias = dict[str, Any]
Transform: TypeAlias = Callable[[Document], Document]
#: (document before the projection, document after it) to the document after the rewrite.
Rewriter: TypeAlias = Callable[[Document, Document], Document]
# (value at a node or MISSING, document) to the projected value or MISSING.
_Part: TypeAlias = Callable[[Any, Document], Any]


class Form(Enum):
    """What happens to fields that a projection does not name."""

    INCLUSION = "inclusion"  # they are dropped
    EXCLUSION = "exclusion"  # they are kept; the named ones are dropped
    ADDITION = "addition"  # they are kept; the named ones are computed


class Rewrite(ABC):
    """A find projection operator that changes the projected document: `$slice` and the positional `$`."""

    __slots__ = ()
    spec: ClassVar[Spec]

    @abstractmethod
    def compile(self, path: Path) -> Rewriter:
        """The function that rewrites what is at `path`; never changes its arguments."""

    @property
    def fields(self) -> frozenset[str] | None:
        """Root fields read besides those at its path; None for any."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class Node:
    """One level of a projection: field name to True (named), an expression, or a deeper level."""

    children: Mapping[str, "Node | Expression | bool"]

    @property
    def computes(self) -> bool:
        """True if an expression stands somewhere below."""
        return any(
            child.computes if isinstance(child, Node) else isinstance(child, Expression)
            for child in self.children.values()
        )


@dataclass(frozen=True, slots=True)
class Projection:
    """A parsed projection. Instances are immutable and may be compiled many times."""

    form: Form
    root: Node
    rewrites: tuple[tuple[Path, Rewrite], ...] = field(default=())

    def compile(self, frame: Frame | None = None) -> Transform:
        """The function that projects one document; `frame` holds the variables of the running pipeline.

        Its input is never changed; unchanged nested values are shared with the result.
        """
        transform = _transform(self.form, self.root, new_frame() if frame is None else frame)
        if not self.rewrites:
            return transform
        rewriters = tuple(rewrite.compile(path) for path, rewrite in self.rewrites)

        def rewriting(document: Document) -> Document:
            result = transform(document)
            for rewrite in rewriters:
                result = rewrite(document, result)
            return result

        return rewriting

    @property
    def fields(self) -> frozenset[str] | None:
        """The root fields that the projection reads; None where it may read any."""
        if self.form is not Form.INCLUSION:
            return None
        names: set[str] = set()
        for name, child in self.root.children.items():
            if child is True or isinstance(child, Node):
                names.add(name)
        for expression in expressions(self.root):
            read = roots(expression)
            if read is None:
                return None
            names |= read
        for _, rewrite in self.rewrites:
            read = rewrite.fields
            if read is None:
                return None
            names |= read
        return frozenset(names)


def expressions(node: Node) -> list[Expression]:
    """Every expression of a projection's tree."""
    found: list[Expression] = []
    for child in node.children.values():
        if isinstance(child, Node):
            found.extend(expressions(child))
        elif isinstance(child, Expression):
            found.append(child)
    return found


def _transform(form: Form, root: Node, frame: Frame) -> Transform:
    plain = all(child is True for child in root.children.values())
    if form is Form.EXCLUSION:
        computed = {name: child for name, child in root.children.items() if isinstance(child, Expression)}
        if computed:
            return _drop_and_set(root, computed, frame)
        if not root.children:
            return dict
        return _drop(tuple(root.children)) if plain else _excluding(root)
    if form is Form.INCLUSION:
        if plain:
            return _keep(frozenset(root.children))
        if all(not isinstance(child, Node) for child in root.children.values()):
            return _keep_and_compute(root, frame)
        inclusion = _including(root, frame)
        return lambda document: inclusion(document, document)
    flat = tuple((name, child.compile()) for name, child in root.children.items() if isinstance(child, Expression))
    if len(flat) == len(root.children):
        return _set(flat, frame)
    addition = _adding(root, frame)
    return lambda document: addition(document, document)


def _keep(names: frozenset[str]) -> Transform:
    if len(names) == 1:
        (only,) = names

        def keep_one(document: Document) -> Document:
            return {only: document[only]} if only in document else {}

        return keep_one
    return lambda document: {name: value for name, value in document.items() if name in names}


def _drop(names: tuple[str, ...]) -> Transform:
    if len(names) == 1:
        (only,) = names

        def drop_one(document: Document) -> Document:
            result = document.copy()
            result.pop(only, None)
            return result

        return drop_one

    def drop(document: Document) -> Document:
        result = document.copy()
        for name in names:
            result.pop(name, None)
        return result

    return drop


def _drop_and_set(root: Node, computed: Mapping[str, Expression], frame: Frame) -> Transform:
    # Of a find only: `$elemMatch` beside an exclusion takes the place of its field.
    rest = Node({name: child for name, child in root.children.items() if name not in computed})
    drop = _transform(Form.EXCLUSION, rest, frame)
    parts = tuple((name, expression.compile()) for name, expression in computed.items())

    def project(document: Document) -> Document:
        result = drop(document)
        for name, evaluate in parts:
            value = evaluate(document, frame)
            if value is MISSING:
                result.pop(name, None)
            else:
                result[name] = value
        return result

    return project


def _keep_and_compute(root: Node, frame: Frame) -> Transform:
    keep = frozenset(name for name, child in root.children.items() if child is True)
    computed = tuple((name, child.compile()) for name, child in root.children.items() if isinstance(child, Expression))

    def project(document: Document) -> Document:
        result = {name: value for name, value in document.items() if name in keep}
        for name, evaluate in computed:
            value = evaluate(document, frame)
            if value is not MISSING:
                result[name] = value
        return result

    return project


def _set(computed: tuple[tuple[str, Evaluator], ...], frame: Frame) -> Transform:
    def add(document: Document) -> Document:
        result = document.copy()
        for name, evaluate in computed:
            value = evaluate(document, frame)
            if value is MISSING:
                result.pop(name, None)
            else:
                result[name] = value
        return result

    return add


def _excluding(node: Node) -> Transform:
    drop = frozenset(name for name, child in node.children.items() if child is True)
    deeper = {name: _excluding(child) for name, child in node.children.items() if isinstance(child, Node)}

    def descend(value: Any, transform: Transform) -> Any:
        if type(value) is list:
            return [descend(item, transform) for item in value]
        fields = fields_of(value)
        return value if fields is None else transform(fields)

    def exclude(document: Document) -> Document:
        result = {}
        for name, value in document.items():
            if name in drop:
                continue
            transform = deeper.get(name)
            result[name] = value if transform is None else descend(value, transform)
        return result

    return exclude


def _including(node: Node, frame: Frame) -> Callable[[Document, Document], Document]:
    """The function (sub-document, document) to the included part of the sub-document."""
    keep = frozenset(name for name, child in node.children.items() if child is True)
    deeper = {name: _included(child, frame) for name, child in node.children.items() if isinstance(child, Node)}
    # What is set even where the document has no such field: computed fields, and levels that compute something.
    late: list[tuple[str, Evaluator | None]] = []
    for name, child in node.children.items():
        if isinstance(child, Expression):
            late.append((name, child.compile()))
        elif isinstance(child, Node) and child.computes:
            late.append((name, None))

    def include(part: Document, document: Document) -> Document:
        result: Document = {}
        for name, value in part.items():
            if name in keep:
                result[name] = value
            elif name in deeper:
                inner = deeper[name](value, document)
                if inner is not MISSING:
                    result[name] = inner
        for name, evaluate in late:
            if evaluate is None:
                if name not in part:
                    result[name] = deeper[name](MISSING, document)
                continue
            value = evaluate(document, frame)
            if value is not MISSING:
                result[name] = value
        return result

    return include


def _included(node: Node, frame: Frame) -> _Part:
    include, computes = _including(node, frame), node.computes

    def descend(value: Any, document: Document) -> Any:
        if type(value) is dict:
            return include(value, document)
        if type(value) is list:
            inner = [descend(item, document) for item in value]
            return inner if computes else [item for item in inner if item is not MISSING]
        fields = fields_of(value)
        if fields is not None:
            return include(fields, document)
        # A scalar has no fields to keep, yet computed ones replace it.
        return include({}, document) if computes else MISSING

    return descend


def _adding(node: Node, frame: Frame) -> Callable[[Document, Document], Document]:
    steps: list[tuple[str, Evaluator | None, _Part | None]] = []
    for name, child in node.children.items():
        if isinstance(child, Node):
            steps.append((name, None, _added(child, frame)))
        elif isinstance(child, Expression):
            steps.append((name, child.compile(), None))

    def add(part: Document, document: Document) -> Document:
        result = part.copy()
        for name, evaluate, descend in steps:
            if descend is not None:
                result[name] = descend(part.get(name, MISSING), document)
            elif evaluate is not None:
                value = evaluate(document, frame)
                if value is MISSING:
                    result.pop(name, None)
                else:
                    result[name] = value
        return result

    return add


def _added(node: Node, frame: Frame) -> _Part:
    add = _adding(node, frame)

    def descend(value: Any, document: Document) -> Any:
        if type(value) is list:
            return [descend(item, document) for item in value]
        return add(fields_of(value) or {}, document)

    return descend
