"""Redis keys: those that KATO's data have, and this library's own.

KATO's keys begin with the knowledge base's name and are written as they stand in existing stores. Our own begin
with ``kato_compat:{database/collection}``, both parts escaped, so that no name can collide with another or run into
a glob pattern; the braces keep a collection's keys on one slot of a Redis Cluster.
"""

from typing import Final

_SAFE: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def escape(name: str) -> bytes:
    """`name` in UTF-8 with every byte but letters, digits, ``_``, ``-`` and ``.`` as ``%XX``."""
    return b"".join(bytes([byte]) if byte in _SAFE else b"%%%02X" % byte for byte in name.encode())


def unescape(name: bytes) -> str:
    """The name that `escape` made `name` from."""
    head, *rest = name.split(b"%")
    return (head + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)).decode()


#: SET of the escaped ``database/collection`` names that exist on the document side or were created.
CATALOGUE: Final = b"kato_compat:catalogue"


def entry(database: str, collection: str) -> bytes:
    """The member of `CATALOGUE` that stands for a collection."""
    return escape(database) + b"/" + escape(collection)


def own(database: str, collection: str, suffix: str) -> bytes:
    """One of this library's own keys of a collection."""
    return b"kato_compat:{" + entry(database, collection) + b"}:" + suffix.encode()


def kato(kb_id: str, *parts: str) -> bytes:
    """One of KATO's keys: the knowledge base's name and `parts`, joined by colons, in UTF-8."""
    return ":".join((kb_id, *parts)).encode()
