"""Collections with pymongo's API whose documents live in ClickHouse and Redis."""

from kato_compat.collection.client import MongoClient
from kato_compat.collection.collection import Collection
from kato_compat.collection.database import Database
from kato_compat.kato.knowledge import KnowledgeBase
from kato_compat.kato.writer import RedisWriter
from kato_compat.mapping.spec import Catalogue, CollectionSpec

__all__ = [
    "Catalogue",
    "Collection",
    "CollectionSpec",
    "Database",
    "KnowledgeBase",
    "MongoClient",
    "RedisWriter",
    "install",
]

#: The version of this package, as its wheel has it.
__version__ = "0.1.0"


def install() -> None:
    """Put `MongoClient` in the place of `pymongo.MongoClient`, for code that cannot be edited.

    Call it before that code is imported: names bound by ``from pymongo import MongoClient`` earlier keep their value.
    """
    import pymongo.mongo_client

    pymongo.MongoClient = MongoClient  # type: ignore[assignment, misc]
    pymongo.mongo_client.MongoClient = MongoClient  # type: ignore[assignment, misc]
