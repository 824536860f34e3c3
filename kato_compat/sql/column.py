"""ClickHouse columns that hold document fields, with the static knowledge that makes exact pushdown possible."""

from dataclasses import dataclass
from enum import Enum

from kato_compat.sql.fragment import Sql, quote_name


class ColumnType(Enum):
    """The ClickHouse types that fields are mapped to. A column of these types is never NULL."""

    STRING = "String"
    UINT32 = "UInt32"
    STRINGS = "Array(String)"
    STRING_LISTS = "Array(Array(String))"


@dataclass(frozen=True, slots=True)
class Column:
    """The column `name` of ClickHouse type `type`, which holds exactly the document field of a mapped collection."""

    name: str
    type: ColumnType

    @property
    def sql(self) -> Sql:
        """The quoted name as a fragment."""
        return Sql(quote_name(self.name))
