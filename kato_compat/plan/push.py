"""Pushing filters down to SQL by the three-state promise: not at all, as a superset, or exactly."""

from collections.abc import Mapping
from dataclasses import dataclass

from kato_compat.ir.predicate import ALWAYS, And, AtPath, Constant, Not, Or, Predicate, conjunction
from kato_compat.plan.access import predicate_fields
from kato_compat.sql.column import Column
from kato_compat.sql.fragment import Pushed, Sql, join


@dataclass(frozen=True, slots=True)
class Split:
    """A filter split into what SQL answers and what Python still checks on the rows that it lets through.

    `pushed` and `kept` list the terms with, for kept ones, the reason.
    """

    sql: Sql | None
    residual: Predicate
    pushed: tuple[tuple[Predicate, Pushed], ...] = ()
    kept: tuple[tuple[Predicate, str], ...] = ()


def push(node: Predicate, columns: Mapping[str, Column]) -> Pushed | None:
    """`node` as SQL over `columns` (by field name), or None. A promise: see `sql.fragment.Pushed`."""
    match node:
        case Constant(value):
            return Pushed(Sql("1" if value else "0"), True)
        case AtPath((name,), test) if name in columns:
            return test.push(columns[name])
        case And(terms):
            parts = [push(term, columns) for term in terms]
            given = [part for part in parts if part is not None]
            if not given:
                return None
            return Pushed(_joined("AND", given), len(given) == len(parts) and all(part.exact for part in given))
        case Or(terms):
            parts = [push(term, columns) for term in terms]
            given = [part for part in parts if part is not None]
            if len(given) != len(parts) or not given:
                return None
            return Pushed(_joined("OR", given), all(part.exact for part in given))
        case Not(term):
            inner = push(term, columns)
            if inner is None or not inner.exact:
                return None
            return Pushed(join("(NOT %s)", inner.sql), True)
        case _:
            return None


def _joined(word: str, parts: list[Pushed]) -> Sql:
    if len(parts) == 1:
        return parts[0].sql
    return join("(" + f" {word} ".join(["%s"] * len(parts)) + ")", *[part.sql for part in parts])


def split(predicate: Predicate, columns: Mapping[str, Column]) -> Split:
    """`predicate` split, term by term, for rows of `columns`."""
    terms = predicate.terms if isinstance(predicate, And) else () if predicate == ALWAYS else (predicate,)
    pushed: list[tuple[Predicate, Pushed]] = []
    kept: list[tuple[Predicate, str]] = []
    for term in terms:
        part = push(term, columns)
        if part is None:
            kept.append((term, _why(term, columns)))
            continue
        pushed.append((term, part))
        if not part.exact:
            kept.append((term, "the SQL form lets more through: checked again"))
    sql = _joined("AND", [part for _, part in pushed]) if pushed else None
    return Split(sql, conjunction([term for term, _ in kept]), tuple(pushed), tuple(kept))


def _why(term: Predicate, columns: Mapping[str, Column]) -> str:
    """Why a term has no SQL form."""
    read = predicate_fields(term)
    if read is not None and read.isdisjoint(columns):
        return "no column: compared as Redis gives it"
    return "no SQL form that is known to answer as MongoDB does"
