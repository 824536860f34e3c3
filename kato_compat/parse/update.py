"""Parsing and applying updates (MongoDB manual: Update Operators, Updates with Aggregation Pipeline)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson.timestamp import Timestamp

from kato_compat import operators
from kato_compat.errors import fail, refused, unbuilt
from kato_compat.ir.predicate import Predicate
from kato_compat.ir.registry import find
from kato_compat.ir.spec import Kind, Status
from kato_compat.ir.stage import Environment, Running
from kato_compat.ir.update import Modifier, Node, ObjectNode, Run
from kato_compat.operators.update.field import timestamp
from kato_compat.operators.update.rename import Rename, Renamed
from kato_compat.parse.expression import Context
from kato_compat.parse.filter import parse_filter
from kato_compat.parse.pipeline import parse_pipeline
from kato_compat.parse.prepared import Shape, apply, prepare
from kato_compat.parse.seed import seed
from kato_compat.parse.tree import Tree, parse_array_filters
from kato_compat.values.collation import Collation
from kato_compat.values.document import Document
from kato_compat.values.element import element, text
from kato_compat.values.equality import equal, same
from kato_compat.values.missing import MISSING
from kato_compat.values.order import SortKey, sort_key
from kato_compat.values.paths import Path, fields_of
from kato_compat.values.types import alias_of
from kato_compat.values.validity import MAX_DEPTH, check_dollar, check_identity, depth_of, too_deep

_EMPTY_TIMESTAMP: Final = Timestamp(0, 0)
_SET_SLOT: Final = object.__setattr__


class Update(ABC):
    """A parsed update: a function from documents to documents. Instances are immutable.

    Applying raises the server's coded errors for a document that cannot be updated so: among them 66 for a changed
    ``_id``, 15 for a document nested deeper than `ir.update.MAX_DEPTH` levels.
    """

    __slots__ = ()

    @property
    def needs_position(self) -> bool:
        """True if a path has the positional ``$``: `apply` then needs the index of the match."""
        return False

    @property
    def touched(self) -> frozenset[str] | None:
        """The top-level fields that applying may change; None for any."""
        return None

    @abstractmethod
    def apply(self, document: Document, *, position: int | None = None, inserting: bool = False) -> Document:
        """The document after the update; `document` itself stays as it is, and may be what is returned.

        `position` is the array index by which the document matched the filter (`ir.predicate.matched_index`), for
        the positional ``$``; without a match those paths raise 2. `inserting`: the document is what `seed` gave and
        an upsert inserts the result, which may still lack an ``_id``.
        """

    def modifies(self, before: Document, after: Document) -> bool:
        """Whether the server counts `after`, which `apply` made of `before`, as modified."""
        return not same(before, after)

    def seed(self, predicate: Predicate) -> Document:
        """The document that an upsert with the filter `predicate` starts from. See `seed`."""
        return seed(predicate)


@dataclass(frozen=True, slots=True)
class Modification(Update):
    """An update with operators: the tree of their paths.

    `guarded` are the top-level fields to check afterwards: ``_id`` and those whose name starts with a dollar sign.
    """

    root: ObjectNode
    positional: bool
    names: frozenset[str]
    guarded: tuple[str, ...]

    @property
    def needs_position(self) -> bool:
        """See `Update.needs_position`."""
        return self.positional

    @property
    def touched(self) -> frozenset[str] | None:
        """See `Update.touched`."""
        return self.names

    def apply(self, document: Document, *, position: int | None = None, inserting: bool = False) -> Document:
        """See `Update.apply`."""
        result: Document = self.root.existing(document, (), Run(document, position, inserting))
        for name in self.guarded:
            self._check(name, document, result, inserting)
        return _insertable(result) if inserting else result

    def _check(self, name: str, before: Document, after: Document, inserting: bool) -> None:
        old, new = before.get(name, MISSING), after.get(name, MISSING)
        if new is old or same(old, new):
            return
        if name != "_id":
            whole = old is MISSING or isinstance(self.root.children[name], Modifier)
            if whole and not inserting and new is not MISSING:
                check_dollar(name, after)
        elif old is not MISSING:
            path = ".".join(_first_path(self.root, "_id"))
            raise fail(66, f"Performing an update on the path '{path}' would modify the immutable field '_id'")


class Prepared(Modification):
    """A modification of top-level fields by the common operators: a shape and its operands (see `parse.prepared`)."""

    __slots__ = ("_operands", "_shape")
    _shape: Shape
    _operands: list[Any]

    def __init__(self, shape: Shape, operands: list[Any]) -> None:
        _SET_SLOT(self, "_shape", shape)
        _SET_SLOT(self, "_operands", operands)

    @property
    def root(self) -> ObjectNode:
        """The tree of the paths, made anew."""
        return self._shape.root(self._operands)

    @property
    def needs_position(self) -> bool:
        """See `Update.needs_position`."""
        return False

    @property
    def touched(self) -> frozenset[str]:
        """See `Update.touched`."""
        return self._shape.names

    positional = needs_position
    names = touched
    guarded = ()

    def apply(self, document: Document, *, position: int | None = None, inserting: bool = False) -> Document:
        """See `Update.apply`."""
        result = apply(self._shape, self._operands, document, inserting)
        return _insertable(result) if inserting else result


@dataclass(frozen=True, slots=True)
class Replacement(Update):
    """A whole new document; the ``_id`` stays where it has none."""

    document: Document

    def apply(self, document: Document, *, position: int | None = None, inserting: bool = False) -> Document:
        """See `Update.apply`. Raises 52 for a top-level field whose name starts with a dollar sign."""
        if not inserting:
            for name in self.document:
                if name[:1] == "$":
                    check_dollar(name, self.document)
        return replaced(document, self.document, inserting)

    def modifies(self, before: Document, after: Document) -> bool:
        """See `Update.modifies`: a replacement that does not give the ``_id``, first, always counts."""
        return not same(before, self.document)

    def seed(self, predicate: Predicate) -> Document:
        """See `Update.seed`: only the ``_id`` of the filter is used."""
        return seed(predicate, identity_only=True)


@dataclass(frozen=True, slots=True)
class Transformation(Update):
    """An update pipeline (MongoDB manual: Updates with Aggregation Pipeline)."""

    stages: tuple[Running, ...]

    def apply(self, document: Document, *, position: int | None = None, inserting: bool = False) -> Document:
        """See `Update.apply`."""
        batch = [document]
        for stage in self.stages:
            batch = stage.push(batch)
        return replaced(document, batch[0], inserting)


@dataclass(frozen=True, slots=True)
class Scope:
    """See `ir.update.UpdateScope`."""

    context: Context
    collation: Collation | None = None
    key: Callable[[Any], SortKey] = sort_key

    @property
    def now(self) -> datetime:
        """See `UpdateScope.now`."""
        return self.context.now

    def predicate(self, raw: Any) -> Predicate:
        """See `UpdateScope.predicate`."""
        check_features(raw)
        return parse_filter(raw, self.context, collation=self.collation)


def check_upsert(raw: Any) -> None:
    """Raise 224 for ``$expr`` in the filter of an upsert: the server does not know what fields it would give."""
    if type(raw) is dict:
        for name, value in raw.items():
            if name == "$expr":
                raise fail(224, "$expr is not allowed in the query predicate for an upsert")
            if name in ("$and", "$or", "$nor") and type(value) is list:
                for item in value:
                    check_upsert(item)


def check_features(raw: Any) -> None:
    """Raise for what a filter inside of something else may not have: 224 for ``$expr``, 2 for ``$where``."""
    if type(raw) is not dict:
        return
    for name, value in raw.items():
        if name in ("$expr", "$jsonSchema"):
            raise fail(224, f"{name} is not allowed in this context")
        if name in ("$where", "$text"):
            raise fail(2, f"{name} is not allowed in this context")
        if name in ("$and", "$or", "$nor") and type(value) is list:
            for item in value:
                check_features(item)


def parse_update(
    raw: Mapping[str, Any] | list[Any],
    context: Context,
    *,
    array_filters: list[Any] | None = None,
    collation: Collation | None = None,
) -> Update:
    """The typed form of a document of update operators, or of an update pipeline (a list), of internal form.

    `array_filters` define the identifiers of ``$[<identifier>]``, `collation` is that of comparisons. Raises the
    server's coded errors, whether or not there are documents: 9 for an unknown operator, an operand that is no document
    and an unused or ambiguous array filter; 40 for paths in conflict, 56 for an empty one, 72 for a stage that updates
    may not have; 2 and 14 for wrong operands.
    """
    if not array_filters:
        known = prepared(raw)
        if known is not None:
            return known
    if isinstance(raw, list):
        if array_filters:
            raise fail(9, "arrayFilters may not be specified for pipeline-syle updates")
        return _pipeline(raw, context)
    scope = Scope(context, collation, sort_key if collation is None else collation.sorter())
    filters = parse_array_filters(array_filters or [], scope)
    tree = Tree(filters)
    for name, operand in raw.items():
        operator = find(Kind.UPDATE, name)
        if operator is None or not issubclass(operator, Modifier):
            raise fail(
                9,
                f"Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update specified as an "
                "array",
            )
        if operator.spec.status is Status.REFUSED:
            raise refused(name, operator.spec.limits)
        if operator.spec.status is Status.UNBUILT:
            raise unbuilt(name)
        fields = fields_of(operand)
        if fields is None:
            raise fail(
                9,
                f"Modifiers operate on fields but we found type {alias_of(operand)} instead. For example: "
                f"{{$mod: {{<field>: ...}}}} not {{{element(name, operand)}}}",
            )
        for dotted, value in fields.items():
            if operator is Rename:
                _add_renaming(tree, dotted, value, scope)
            else:
                path = tree.path(dotted)
                tree.add(path, operator.parse(path, value, scope))
    for name in filters:
        if name not in tree.used:
            raise fail(9, f"The array filter for identifier '{name}' was not used in the update {text(dict(raw))}")
    names = tree.names
    guarded = tuple(sorted(name for name in names if name == "_id" or name[0] == "$"))
    return Modification(tree.root(), tree.positional, names, guarded)


def prepared(raw: Any) -> Prepared | None:
    """The typed form of an update of internal form whose shape says all there is to know; None for any other."""
    found = prepare(raw) if type(raw) is dict else None
    return None if found is None else Prepared(*found)


def parse_replacement(raw: Mapping[str, Any], context: Context | None = None) -> Update:
    """The typed form of a replacement document, of internal form.

    A top-level timestamp of zero, other than the ``_id``, becomes the time of the update. Raises 15 for a document
    that nests too deep.
    """
    if depth_of(raw) > MAX_DEPTH:
        raise too_deep()
    context = Context() if context is None else context
    document = dict(raw)
    if Timestamp in map(type, raw.values()):
        moment = timestamp(context.now)
        for name, value in raw.items():
            if type(value) is Timestamp and value == _EMPTY_TIMESTAMP and name != "_id":
                document[name] = moment
    return Replacement(document)


def _pipeline(raw: list[Any], context: Context) -> Update:
    pipeline = parse_pipeline(raw, context, where="update")
    environment = Environment(context.database, context.collection)
    stages = []
    for stage in pipeline.stages:
        running = stage.start(environment)
        if not isinstance(running, Running):
            raise TypeError(f"{stage.spec.name} cannot run in an update")
        stages.append(running)
    return Transformation(tuple(stages))


def _add_renaming(tree: Tree, dotted: str, target: Any, scope: Scope) -> None:
    source = tree.path(dotted)
    tree.add(source, Renamed())
    if type(target) is not str:
        raise fail(2, f"The 'to' field for $rename must be a string: {element(dotted, target)}")
    if "\0" in target:
        raise fail(2, "The 'to' field for $rename cannot contain an embedded null byte")
    path = tree.path(target)
    tree.add(path, Rename.parse(source, target, scope))


def _first_path(node: Node, name: str) -> Path:
    path: Path = ()
    while isinstance(node, ObjectNode):
        path = (*path, name)
        node = node.children.get(name) or node.children["$"]
        if isinstance(node, ObjectNode):
            name = next(iter(node.children), "$")
            if name == "$":
                break
    return path


def replaced(before: Document, after: Document, inserting: bool) -> Document:
    """`after` in place of `before`, with the same ``_id``, first.

    Raises 66 for another ``_id``, 53, 54 or 52 for one that cannot be, 15 for a document nested too deep.
    """
    new = after.get("_id", MISSING)
    old = before.get("_id", MISSING)
    if new is not MISSING:
        if type(new) is list and inserting:
            raise fail(
                54,
                "After applying the update to the document, the (immutable) field '_id' was found to be an array or "
                "array descendant.",
            )
        check_identity(new)
        if old is not MISSING and not equal(old, new):
            raise fail(
                66,
                "After applying the update, the (immutable) field '_id' was found to have been altered to "
                + element("_id", new),
            )
        if next(iter(after)) != "_id":
            after = {"_id": new, **after}
    elif old is not MISSING:
        after = {"_id": old, **after}
    if depth_of(after) > MAX_DEPTH:
        raise too_deep()
    return after


def _insertable(document: Document) -> Document:
    """`document` as an upsert may insert it, its ``_id`` first."""
    identity = document.get("_id", MISSING)
    if identity is not MISSING:
        check_identity(identity)
        if next(iter(document)) != "_id":
            document = {"_id": identity, **document}
    if depth_of(document) > MAX_DEPTH:
        raise too_deep()
    return document


operators.load()
