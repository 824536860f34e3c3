"""Entries of a list of divergences: where another implementation is known to answer otherwise than MongoDB.

An entry excuses one kind of disagreement and no other:

- `Refusal`: the other raised, and its message names what it has not built or does not expect. Nothing was compared.
- `Silence`: MongoDB refuses with one of these codes, for one of these operators; the other answers.
- `Relation`: both answered, and the other's answer is a known transformation of the right one.
- `Cause`: both answered, and some of the documents have what the other is wrong on. Without them, the same question is
  asked again, and the answers must agree.

A disagreement that no entry excuses is an error: ours, or one that must be written down with its reason.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from conformance.causes import Document, names, uses


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a result, or an error with our `code`, or the class and message of the other's exception."""

    result: Any = None
    failed: bool = False
    code: int | None = None
    raised: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The other raised `raised`, with a message that `message` matches, and so gave no answer.

    `unbuilt`: it says that it has not built what was asked, whether or not MongoDB would refuse it, too.
    """

    name: str
    reason: str
    raised: str
    message: str
    uses: tuple[str, ...] = ()
    unbuilt: bool = False

    def excuses(self, query: Any, theirs: Answer) -> bool:
        """Whether `theirs` is that exception, and the query has one of the names `uses` in it, if any are given."""
        matched = re.search(f"^({self.raised}): .*({self.message})", theirs.raised, re.S) is not None
        return theirs.failed and matched and (not self.uses or uses(query, *self.uses))


@dataclass(frozen=True, slots=True)
class Silence:
    """MongoDB refuses with one of `codes` what has one of the names `uses` in it; the other answers.

    `empty`: the other has no documents to evaluate with, and answers that there are none; the code may be any.
    """

    name: str
    reason: str
    codes: tuple[int, ...]
    uses: tuple[str, ...]
    empty: bool = False

    def excuses(self, query: Any, ours: Answer, theirs: Answer) -> bool:
        """Whether we refused with one of the codes, and the other answered."""
        known = theirs.result == [] if self.empty else ours.code in self.codes
        refused = ours.failed and known and not theirs.failed
        return refused and not names(query).isdisjoint(self.uses)


@dataclass(frozen=True, slots=True)
class Relation:
    """`holds` of the query, the right result and the other's, if the latter is wrong in the known way."""

    name: str
    reason: str
    holds: Callable[[Any, Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Cause:
    """`affects` of a document and the query, if the document has what the other is wrong on.

    `fails`: one of both may refuse for it what the other answers.
    """

    name: str
    reason: str
    affects: Callable[[Document, Any], bool]
    fails: bool = False


Divergence: TypeAlias = Refusal | Silence | Relation | Cause
