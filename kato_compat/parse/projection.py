"""Parsing projections: of find, `$project`, `$addFields`, `$set` and `$unset`.

MongoDB manual: Project Fields to Return from Query, $project, $addFields, $unset. Path collisions and the mixing of
inclusion and exclusion are judged field by field in the order of the specification, as the server does, so that of
several faults the same one is reported.
"""

from typing import Any, Final, TypeAlias

from pymongo.errors import OperationFailure

from kato_compat.errors import fail
from kato_compat.ir.expression import Expression
from kato_compat.ir.predicate import AtPath, Computed, Predicate, leaves, truthy
from kato_compat.ir.projection import Form, Node, Projection, Rewrite
from kato_compat.ir.registry import find as find_operator
from kato_compat.ir.spec import Kind
from kato_compat.operators.projection.elemmatch import ElemMatch
from kato_compat.operators.projection.positional import Positional
from kato_compat.operators.projection.slice import Slice
from kato_compat.operators.query.schema import Satisfies
from kato_compat.parse.expression import Context
from kato_compat.values.naming import document_path
from kato_compat.values.paths import Path
from kato_compat.values.types import NUMBER_TYPES, alias_of

# A tree under construction. False is a root `_id` excluded; a rewrite stays at its path until the tree is frozen.
_Leaf: TypeAlias = Expression | Rewrite | bool
_Tree: TypeAlias = dict[str, "_Tree | _Leaf"]

_QUERY_FEATURE_NOT_ALLOWED: Final = 224


def parse_projection(
    raw: dict[str, Any], context: Context, *, find: bool, predicate: Predicate | None = None
) -> Projection:
    """The typed projection of a find (`find`) or of `$project`.

    `predicate` is the filter of the find, which the positional `$` needs. An empty projection of a find keeps
    everything. Raises 31249 and 31250 (collisions), 31253 and 31254 (inclusion mixed with exclusion), 31252 and
    31310 (computed fields in an exclusion), 31255, 31256, 31271, 31276, 31394, 31395 (positional), 31274, 31275
    (`$elemMatch`), 31270, 31325, 51270, 51272 and the errors of paths and expressions.
    """
    if not find and not raw:
        raise fail(51272, "projection specification must have at least one field")
    parser = _Parser(context, find, predicate)
    for name, value in raw.items():
        parser.element(name, value, parser.root, True)
    return parser.finish("_id" in raw or any(name.startswith("_id.") for name in raw))


def parse_add_fields(raw: dict[str, Any], context: Context) -> Projection:
    """The typed operand of `$addFields` or `$set`: computed fields only; a nested document sets its fields.

    Raises 40176 (conflicting paths), 40181, 40183 and the errors of paths and expressions.
    """
    seen: set[str] = set()
    for name, value in raw.items():
        document_path(name)
        _check_addition(name, value, seen)
    root: _Tree = {}
    for name, value in raw.items():
        _add(root, document_path(name), value, context)
    return Projection(Form.ADDITION, _frozen(root, []))


def parse_unset(raw: Any, context: Context) -> Projection:
    """The typed operand of `$unset`: a path or a list of paths.

    Raises 31002, 31119, 31120 for another operand, 31249 and 31250 for paths that collide.
    """
    if type(raw) is not str and type(raw) is not list:
        raise fail(31002, "$unset specification must be a string or an array")
    names = [raw] if type(raw) is str else raw
    if not names:
        raise fail(31119, "$unset specification must be a string or an array with at least one field")
    root: _Tree = {}
    for name in names:
        if type(name) is not str:
            raise fail(31120, "$unset specification must be a string or an array containing only string values")
    for name in names:
        _insert(root, document_path(name), True)
    return Projection(Form.EXCLUSION, _frozen(root, []))


class _Parser:
    """The state of parsing one projection."""

    __slots__ = (
        "_context",
        "_described",
        "_element_matched",
        "_find",
        "_form",
        "_id",
        "_positional",
        "_predicate",
        "_sliced",
        "root",
    )

    def __init__(self, context: Context, find: bool, predicate: Predicate | None) -> None:
        self._context = context
        self._find = find
        self._predicate = predicate
        self._form: Form | None = None
        self._id: bool | None = None  # {_id: 1} or {_id: 0}, which fit both forms
        self._positional = False
        self._element_matched = False
        self._sliced = False
        self._described = False
        self.root: _Tree = {}

    def element(self, name: str, value: Any, parent: _Tree, top: bool) -> None:
        """Take in one field of the specification, or of a document inside it."""
        positional = name.endswith(".$")
        if positional and not self._find:
            raise fail(31324, "Cannot use positional projection in aggregation projection")
        if ".$." in name:
            raise fail(
                31394,
                "As of 4.4, it's illegal to specify positional operator in the middle of a path. Positional projection "
                "may only be used at the end, for example: a.b.$. If the query previously used a form like a.b.$.d, "
                "remove the parts following the '$' and the results will be equivalent.",
            )
        if type(value) is dict:
            if positional:
                raise fail(31271, "positional projection cannot be used with an expression or sub object")
            self._document(name, value, parent)
        elif type(value) in NUMBER_TYPES or type(value) is bool:
            if truthy(value):
                self._include(name, parent, top, positional)
            elif positional:
                raise fail(31395, "positional projection cannot be used with exclusion")
            else:
                self._exclude(name, parent, top)
        elif positional:
            raise fail(31308, "positional projection cannot be used with a literal")
        else:
            self._literal(name, value, parent)

    def finish(self, names_id: bool) -> Projection:
        """The projection, once all fields are taken in."""
        form = self._form or self._default()
        if form is Form.INCLUSION:
            if not names_id:
                self.root["_id"] = True
            elif self.root.get("_id") is False:
                del self.root["_id"]
        elif self._id is True:
            # {_id: 1} in an exclusion says nothing.
            del self.root["_id"]
        elif self._id is False:
            self.root["_id"] = True
        rewrites: list[tuple[Path, Rewrite]] = []
        return Projection(form, _frozen(self.root, rewrites, keep=form is Form.INCLUSION), tuple(rewrites))

    def _default(self) -> Form:
        # Only `_id`, `$slice` and `$elemMatch` were named.
        if self._sliced:
            return Form.INCLUSION if self._id is True else Form.EXCLUSION
        if self._element_matched or self._id is True or (self._described and not self._find):
            return Form.INCLUSION
        return Form.EXCLUSION

    def _include(self, name: str, parent: _Tree, top: bool, positional: bool) -> None:
        if positional:
            self._match_position(name, parent)
        else:
            _insert(parent, document_path(name), True)
        if top and name == "_id":
            self._id = True
            return
        if self._form is Form.EXCLUSION:
            raise fail(31253, f"Cannot do inclusion on field {name} in exclusion projection")
        self._form = Form.INCLUSION

    def _match_position(self, name: str, parent: _Tree) -> None:
        if self._positional:
            raise fail(31276, "Cannot specify more than one positional projection per query.")
        if self._element_matched:
            raise fail(31256, "Cannot specify positional operator and $elemMatch.")
        predicate = self._predicate
        if predicate is None:
            raise fail(51050, "Projections with a positional operator require a matcher")
        if name == ".$":
            raise fail(5392900, f"Projection on field {name} is invalid")
        path = document_path(name[:-2])
        if any(isinstance(leaf, Computed) for leaf in leaves(predicate)):
            raise fail(_QUERY_FEATURE_NOT_ALLOWED, "$expr is not allowed in this context")
        if any(isinstance(leaf, AtPath) and isinstance(leaf.test, Satisfies) for leaf in leaves(predicate)):
            raise fail(_QUERY_FEATURE_NOT_ALLOWED, "$jsonSchema is not allowed in this context")
        _insert(parent, path, Positional(predicate))
        self._positional = True

    def _exclude(self, name: str, parent: _Tree, top: bool) -> None:
        root_id = top and name == "_id"
        _insert(parent, document_path(name), not root_id)
        if root_id:
            self._id = False
            return
        if self._form is Form.INCLUSION:
            raise fail(31254, f"Cannot do exclusion on field {name} in inclusion projection")
        self._form = Form.EXCLUSION

    def _literal(self, name: str, value: Any, parent: _Tree) -> None:
        expression = self._context.parse(value)
        _insert(parent, document_path(name), expression)
        if self._form is Form.EXCLUSION:
            raise fail(31310, f"Cannot use an expression {name}: {value} in an exclusion projection")
        self._form = Form.INCLUSION

    def _document(self, name: str, value: dict[str, Any], parent: _Tree) -> None:
        if not value:
            raise fail(51270, f"Invalid empty sub-projection: {name}")
        path = document_path(name)
        first = next(iter(value))
        if len(value) == 1 and first.startswith("$"):
            if self._operator(path, first, value, parent):
                return
            try:
                document_path(first[:-2] if first.endswith(".$") else first)
            except OperationFailure as error:
                raise fail(31325, f"Unknown expression {first}") from error
        below = _level(parent, path)
        if below is None:
            below = {}
            _insert(parent, path, below)
        for inner, item in value.items():
            self.element(inner, item, below, False)

    def _operator(self, path: Path, operator: str, value: dict[str, Any], parent: _Tree) -> bool:
        """Take in ``{path: {operator: ..}}``; False if `operator` is none."""
        if operator == "$slice" and self._find:
            try:
                _insert(parent, path, Slice.parse(value[operator]))
            except OperationFailure as error:
                # What is no find $slice may be the expression of that name; its errors then tell.
                try:
                    self._expression(path, operator, value, parent)
                except OperationFailure as other:
                    raise other from error
            else:
                self._sliced = True
            return True
        if operator == "$elemMatch":
            if not self._find:
                raise fail(168, "Cannot use $elemMatch in this context")
            self._match_element(path, value[operator], parent)
            return True
        if operator == "$meta":
            # Fits both forms, and has no say in which it is.
            _insert(parent, path, self._context.parse(value))
            self._described = True
            return True
        if find_operator(Kind.EXPRESSION, operator) is None:
            return False
        self._expression(path, operator, value, parent)
        return True

    def _match_element(self, path: Path, operand: Any, parent: _Tree) -> None:
        if type(operand) is not dict:
            raise fail(31274, f"elemMatch: Invalid argument, object required, but got {alias_of(operand)}")
        if self._positional:
            raise fail(31255, "Cannot specify positional operator and $elemMatch.")
        if len(path) != 1 or parent is not self.root:
            raise fail(31275, "Cannot use $elemMatch projection on a nested field.")
        _insert(parent, path, ElemMatch.parse(path[0], operand, self._context))
        self._element_matched = True

    def _expression(self, path: Path, operator: str, value: dict[str, Any], parent: _Tree) -> None:
        if self._form is Form.EXCLUSION:
            raise fail(31252, "Cannot use expression other than $meta in exclusion projection")
        self._form = Form.INCLUSION
        _insert(parent, path, self._context.parse(value))


def _insert(tree: _Tree, path: Path, leaf: "_Tree | _Leaf") -> None:
    for position, name in enumerate(path[:-1]):
        below = tree.setdefault(name, {})
        if type(below) is not dict:
            whole, rest = ".".join(path), ".".join(path[position + 1 :])
            raise fail(31249, f"Path collision at {whole} remaining portion {rest}")
        tree = below
    if path[-1] in tree:
        raise fail(31250, f"Path collision at {'.'.join(path)}")
    tree[path[-1]] = leaf


def _level(tree: _Tree, path: Path) -> _Tree | None:
    """The level at `path`, None where there is none yet or something else."""
    for name in path:
        below = tree.get(name)
        if type(below) is not dict:
            return None
        tree = below
    return tree


def _frozen(tree: _Tree, rewrites: list[tuple[Path, Rewrite]], keep: bool = False, prefix: Path = ()) -> Node:
    """`tree` as a `Node`; rewrites move into `rewrites`, and leave their path included if `keep`."""
    children: dict[str, Node | Expression | bool] = {}
    for name, child in tree.items():
        path = (*prefix, name)
        if isinstance(child, Rewrite):
            rewrites.append((path, child))
            if keep:
                children[name] = True
        elif type(child) is dict:
            children[name] = _frozen(child, rewrites, keep, path)
        elif isinstance(child, Expression) or child is True:
            children[name] = child
    return Node(children)


def _check_addition(path: str, value: Any, seen: set[str]) -> None:
    """Check what is set at `path`, whose whole length is a path of its own: ``{a: {"": 1}}`` sets ``a.``."""
    if type(value) is not dict:
        _check_conflict(path, seen)
        return
    for name, item in value.items():
        if name.startswith("$"):
            if len(value) != 1:
                raise fail(
                    40181,
                    "an expression specification must contain exactly one field, the name of the expression. Found "
                    f"{len(value)} fields in {', '.join(value)}",
                )
            _check_conflict(path, seen)
            continue
        if "." in name:
            raise fail(40183, f"cannot use dotted field name '{name}' in a sub object")
        below = f"{path}.{name}"
        document_path(below)
        _check_addition(below, item, seen)


def _check_conflict(path: str, seen: set[str]) -> None:
    for other in seen:
        if path == other or path.startswith(other + ".") or other.startswith(path + "."):
            raise fail(
                40176,
                f"specification contains two conflicting paths. Cannot specify both '{path}' and '{other}'",
            )
    seen.add(path)


def _add(root: _Tree, path: Path, value: Any, context: Context) -> None:
    if type(value) is dict and value and not next(iter(value)).startswith("$"):
        for name, item in value.items():
            _add(root, (*path, *document_path(name)), item, context)
        return
    _put(root, path, context.parse(value))


def _put(tree: _Tree, path: Path, expression: Expression) -> None:
    # An empty document is not seen by the check of conflicts: the last one written stays, as on the server.
    for name in path[:-1]:
        below = tree.get(name)
        if type(below) is not dict:
            below = {}
            tree[name] = below
        tree = below
    tree[path[-1]] = expression
