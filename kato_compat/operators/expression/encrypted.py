"""Expressions over encrypted strings (MongoDB manual: Queryable Encryption): known and refused."""

from typing import Any, NoReturn

from kato_compat.errors import refused
from kato_compat.ir.expression import Evaluator, ExpressionContext, Operation
from kato_compat.ir.registry import register
from kato_compat.ir.spec import Kind, Spec, Status

_REASON = "Queryable Encryption needs the server's encryption keys and indexes"


class Encrypted(Operation):
    """The base of the operators here; using one raises code 115."""

    __slots__ = ()

    @classmethod
    def parse(cls, operand: Any, context: ExpressionContext) -> NoReturn:
        """Raise `refused`."""
        raise refused(cls.spec.name, _REASON)

    def compile(self) -> Evaluator:
        """Never reached: `parse` makes no node."""
        raise refused(self.spec.name, _REASON)


def _encrypted(name: str, what: str) -> None:
    spec = Spec(name, Kind.EXPRESSION, "8.2", f"True if an encrypted string {what}.", Status.REFUSED, _REASON)
    register(
        type(
            name[1].upper() + name[2:],
            (Encrypted,),
            {"__doc__": f"`{name}`: refused.", "__module__": __name__, "__slots__": (), "spec": spec},
        )
    )


_encrypted("$encStrStartsWith", "begins with a text")
_encrypted("$encStrEndsWith", "ends with a text")
_encrypted("$encStrContains", "contains a text")
_encrypted("$encStrNormalizedEq", "equals a text after normalisation")
